//! An answer as the events of a stream, in the order the API sends them.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{Block, Composed, refusal_details};

/// One event as it stands in the stream.
pub(super) fn event(name: &str, data: &Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}

pub(super) fn ping() -> Bytes {
    event("ping", &json!({"type": "ping"}))
}

/// All events of an answer, with a ping after the first block has begun and after every `ping_every` events.
pub(super) fn events(answer: &Composed, ping_every: Option<usize>) -> Vec<Bytes> {
    let mut events = vec![message_start(answer)];
    for (index, block) in answer.blocks.iter().enumerate() {
        block_events(index, block, &mut events);
        if index == 0 {
            events.insert(2, ping());
        }
    }
    if let Some(every) = ping_every {
        events = events
            .chunks(every)
            .flat_map(|some| some.iter().cloned().chain([ping()]))
            .collect();
    }
    let mut delta = json!({"stop_reason": answer.stop_reason, "stop_sequence": null});
    if answer.stop_reason == "refusal" {
        delta["stop_details"] = refusal_details();
    }
    let mut data = json!({"type": "message_delta", "delta": delta});
    if answer.shows_usage {
        data["usage"] = answer.usage_json(answer.usage.output_tokens);
    }
    events.push(event("message_delta", &data));
    events.push(event("message_stop", &json!({"type": "message_stop"})));
    events
}

fn message_start(answer: &Composed) -> Bytes {
    let mut message = json!({
        "id": answer.id, "type": "message", "role": "assistant", "model": answer.model,
        "content": [], "stop_reason": null, "stop_sequence": null,
    });
    if answer.shows_usage {
        message["usage"] = answer.usage_json(1);
    }
    event(
        "message_start",
        &json!({"type": "message_start", "message": message}),
    )
}

fn block_events(index: usize, block: &Block, events: &mut Vec<Bytes>) {
    let start = |content: Value| {
        let data = json!({"type": "content_block_start", "index": index, "content_block": content});
        event("content_block_start", &data)
    };
    let delta = |delta: Value| {
        let data = json!({"type": "content_block_delta", "index": index, "delta": delta});
        event("content_block_delta", &data)
    };
    match block {
        Block::Thinking { pieces, signature } => {
            events.push(start(
                json!({"type": "thinking", "thinking": "", "signature": ""}),
            ));
            let said = pieces
                .iter()
                .map(|p| delta(json!({"type": "thinking_delta", "thinking": p})));
            events.extend(said);
            events.push(delta(
                json!({"type": "signature_delta", "signature": signature}),
            ));
        }
        Block::Text { pieces } => {
            events.push(start(json!({"type": "text", "text": ""})));
            events.extend(
                pieces
                    .iter()
                    .map(|p| delta(json!({"type": "text_delta", "text": p}))),
            );
        }
        Block::ToolUse { id, name, input } => {
            events.push(start(
                json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
            ));
            let text = input.to_string();
            for piece in [""].into_iter().chain(pieces_of(&text)) {
                events.push(delta(
                    json!({"type": "input_json_delta", "partial_json": piece}),
                ));
            }
        }
    }
    let stop = json!({"type": "content_block_stop", "index": index});
    events.push(event("content_block_stop", &stop));
}

/// A text in pieces of about a dozen bytes, which split its words but no character.
fn pieces_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = (12..=rest.len())
            .find(|&at| rest.is_char_boundary(at))
            .unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}
