//! Rings to write, and a value for every key.

use artefacts::schema::{Key, Kind, Secrecy};
use artefacts::{Client, Described, Model, Provider, Ring, SignIn};
use serde_json::{Map, Value, json};

pub(crate) fn described() -> Described {
    Described {
        group: Some("ring-0".to_owned()),
        org: "Northwind & Sons".to_owned(),
        seed: "org_01m7wny2zwp4vxngrs2t160gy0".to_owned(),
        gateway_url: "https://claude.northwind.example".to_owned(),
        policy_version: 7,
        models: vec![
            Model {
                id: "claude-opus-5-5".to_owned(),
                is_long: true,
            },
            Model {
                id: "claude-haiku-5-5".to_owned(),
                is_long: false,
            },
        ],
        sign_in: SignIn::Gateway,
        desktop: Map::new(),
        code: Map::new(),
    }
}

pub(crate) fn provider() -> Provider {
    Provider {
        issuer: "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"
            .to_owned(),
        client_id: "66666666-7777-8888-9999-000000000000".to_owned(),
    }
}

pub(crate) fn ring(desktop: Map<String, Value>, code: Map<String, Value>) -> Ring {
    Ring::new(Described {
        desktop,
        code,
        ..described()
    })
    .unwrap()
}

/// A value of a kind with everything that a format could stumble over. No secret.
pub(crate) fn sample(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Bool => json!(true),
        Kind::Int(least, most) => json!(least.saturating_add(5).min(most)),
        Kind::Number(least, most) => json!(f64::midpoint(least, most)),
        Kind::Text => json!(text),
        Kind::Choice(words) => json!(words[words.len() - 1]),
        Kind::Url | Kind::HttpsUrl => json!("https://x.example/a?b=c&d=%22e%22"),
        Kind::Path => json!("C:\\Program Files\\Corp \"x\"\\tool.exe"),
        Kind::List => json!([{"name": text, "list": [1, 2.5, false]}, text]),
        Kind::Texts => json!([text, "plain"]),
        Kind::Map => json!({"X-Team": text, "b": "c"}),
        Kind::Object => {
            json!({"nested": {"list": [text], "number": 3, "no": false}, "empty": {}, "none": []})
        }
        // Where a key takes a text or a list, a text that begins as a list does is one to the app: such a text is no value of it.
        Kind::Either(one, _) => sample(*one, text.trim_start_matches(['[', '{'])),
    }
}

/// A document with a value for every key that may be in a file.
pub(crate) fn whole(client: Client, text: &str) -> Map<String, Value> {
    let keys = client.keys().iter();
    keys.filter(|key| key.secrecy != Secrecy::Always)
        .map(|key| (key.name.to_owned(), sample_of(key, text)))
        .collect()
}

pub(crate) fn sample_of(key: &Key, text: &str) -> Value {
    sample(key.kind, text)
}

/// What a text that macOS or Windows keeps means for the app, by the key's kind.
pub(crate) fn meant(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Text | Kind::Choice(_) | Kind::Url | Kind::HttpsUrl | Kind::Path => json!(text),
        Kind::Either(one, other) => {
            let is_json = text.starts_with(['[', '{']);
            let of_text = matches!(one, Kind::Text);
            meant(if of_text && is_json { *other } else { *one }, text)
        }
        _ => serde_json::from_str(text).unwrap(),
    }
}
