//! How fast bodies and streams are read: `cargo run --release -p wire --example speed`. Prints, asserts nothing.

#![expect(clippy::print_stdout, reason = "it is a program that prints a table")]

use std::hint::black_box;
use std::time::Instant;

use serde_json::{Value, json};
use wire::Envelope;
use wire::usage::UsageMeter;

const ROUNDS: u32 = 2_000;

/// A request of the shape and size that a coding agent sends: long instructions, many tools with small schemas, some turns.
fn body() -> Vec<u8> {
    let prose = "Read the file before you change it.\n\n# Tone\n - Be brief; say \"no\" when it is no.\n - Paths like /srv/app/src/main.rs stay as they are.\n";
    let properties: Value = (0..6)
        .map(|n| (format!("argument_{n}"), json!({"type": "string", "description": "What the tool is to look at, as an absolute path"})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let tools: Vec<_> = (0..32)
        .map(|n| json!({"name": format!("Tool{n}"), "description": prose.repeat(3), "input_schema": {"type": "object", "properties": properties, "required": ["argument_0"], "additionalProperties": false}}))
        .collect();
    let body = json!({
        "model": "claude-opus-5-5",
        "messages": [{"role": "user", "content": [{"type": "text", "text": prose.repeat(5)}, {"type": "text", "text": "hello"}]}],
        "system": [{"type": "text", "text": prose.repeat(100), "cache_control": {"type": "ephemeral"}}],
        "tools": tools,
        "metadata": {"user_id": "{\"device_id\":\"d\",\"session_id\":\"s\"}"},
        "max_tokens": 32_000,
        "stream": true,
    });
    body.to_string().into_bytes()
}

fn stream() -> Vec<u8> {
    let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"some words \"}}\n\n";
    let mut stream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n".to_owned();
    stream.push_str(&delta.repeat(100));
    stream.push_str("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":300}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    stream.into_bytes()
}

/// The best of five runs, in microseconds a round.
fn measure(name: &str, bytes: usize, mut round: impl FnMut()) {
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            (0..ROUNDS).for_each(|_| round());
            start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
        })
        .fold(f64::INFINITY, f64::min);
    let rate = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / best;
    println!("{name:<44} {bytes:>8} bytes {best:>8.1} us {rate:>8.0} MB/s");
}

fn main() {
    let body = body();
    measure("envelope", body.len(), || {
        let _ = black_box(Envelope::read(black_box(&body), 128, None));
    });
    measure("envelope, every text decoded", body.len(), || {
        let mut bytes = 0;
        let _ = black_box(Envelope::read(
            black_box(&body),
            128,
            Some(&mut |text: &str| bytes += text.len()),
        ));
        black_box(bytes);
    });
    measure("serde_json, all passed over", body.len(), || {
        let ignored: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(black_box(&body));
        let _ = black_box(ignored);
    });
    measure("serde_json, into a value", body.len(), || {
        let value: Result<Value, _> = serde_json::from_slice(black_box(&body));
        let _ = black_box(value);
    });
    let stream = stream();
    measure("usage of a stream of 103 events", stream.len(), || {
        let mut meter = UsageMeter::new(1 << 20);
        stream.chunks(1_400).for_each(|chunk| meter.push(chunk));
        black_box(meter.usage());
    });
}
