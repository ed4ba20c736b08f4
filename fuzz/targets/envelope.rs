//! A Messages request's envelope: what decides is what `serde_json` reads there, a listener changes nothing, and mapping the
//! model changes nothing but the model.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wire::Envelope;

const DEPTH_MAX: usize = 100;

/// Sources that a provider fetches. Of keys that stand twice `serde_json` keeps one, so the reader may count more.
fn fetched(value: &Value, is_source: bool) -> u64 {
    match value {
        Value::Object(fields) => {
            let named = is_source
                && matches!(
                    fields.get("type").and_then(Value::as_str),
                    Some("url" | "file")
                );
            let inside = fields
                .iter()
                .map(|(key, value)| fetched(value, key == "source"));
            u64::from(named) + inside.sum::<u64>()
        }
        Value::Array(items) => items.iter().map(|item| fetched(item, false)).sum(),
        _ => 0,
    }
}

fn value_agrees(envelope: &Envelope<'_>, value: &Value) {
    assert_eq!(envelope.model.as_deref(), value["model"].as_str());
    assert_eq!(envelope.stream, value["stream"].as_bool().unwrap_or(false));
    assert_eq!(envelope.max_tokens, value["max_tokens"].as_u64());
    assert_eq!(envelope.speed.as_deref(), value["speed"].as_str());
    let geo = envelope.inference_geo.as_deref();
    assert_eq!(geo, value["inference_geo"].as_str());
    assert!(envelope.brought.sources >= fetched(value, false));
    assert_eq!(envelope.has_messages, value["messages"].is_array());
    assert_eq!(envelope.has_safeguards, !value["safeguards"].is_null());
    let user_id = value["metadata"]
        .as_object()
        .is_some_and(|fields| fields.contains_key("user_id"));
    assert_eq!(envelope.has_user_id, user_id);
}

fuzz_target!(|body: &[u8]| {
    let alone = Envelope::read(body, DEPTH_MAX, None);
    let mut bytes = 0;
    let heard = Envelope::read(body, DEPTH_MAX, Some(&mut |text: &str| bytes += text.len()));
    assert_eq!(alone, heard);
    // No escape means more bytes than it takes.
    assert!(bytes <= body.len());
    let Ok(envelope) = alone else { return };
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    value_agrees(&envelope, &value);
    if let Some(mapped) = envelope.with_model(body, "another\"model\\") {
        value["model"] = "anothermodel".into();
        assert_eq!(
            serde_json::from_slice::<Value>(&mapped).expect("still JSON"),
            value
        );
    }
});
