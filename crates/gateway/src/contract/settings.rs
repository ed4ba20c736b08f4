//! The rules that clients keep themselves: Claude Code's managed settings and Claude Desktop's remote configuration, each for the
//! person who asks. Both answer 304 to a client that has them already, so that a policy change costs clients nothing else.

use std::fmt::{self, Write as _};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use aws_lc_rs::digest;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::policy::{ActionStates, CallerPolicy};
use domain::{Caller, Reason, ReasonCode, Refusal, RequestId};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::Contract;
use crate::inference::refuse;

/// Who knows where connectors' actions stand for a caller.
pub trait Actions: fmt::Debug + Send + Sync {
    /// Those that are listed there and may be called. What cannot be read is left out: nothing rests on what a client knows.
    fn states<'s>(
        &'s self,
        policy: &'s CallerPolicy,
    ) -> Pin<Box<dyn Future<Output = ActionStates> + Send + 's>>;
}

/// How long a client may keep Desktop settings before it asks again.
const BOOTSTRAP_MS: i64 = 60 * 60 * 1_000;

/// `GET /managed/settings`.
pub async fn managed(State(state): State<Arc<Contract>>, request: Request) -> Response {
    let facts = state.door.facts(&request, "managed_settings");
    let headers = request.into_parts().0.headers;
    let (who, policy, id) = match state.caller(facts, &headers).await {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    let rules = state.door.pipeline.rules.current();
    match rules.code_settings(&who.caller, &policy, &state.public_url) {
        None => nothing(id, "No managed settings apply to you."),
        Some(settings) => {
            let checksum = checksum(&Value::Object(settings.clone()));
            let body = json!({"uuid": uuid(&checksum), "checksum": checksum, "settings": settings});
            conditional(&headers, &checksum, &body)
        }
    }
}

/// `GET /user/bootstrap`.
pub async fn bootstrap(State(state): State<Arc<Contract>>, request: Request) -> Response {
    let facts = state.door.facts(&request, "bootstrap");
    let headers = request.into_parts().0.headers;
    let (who, policy, id) = match state.caller(facts, &headers).await {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    let rules = state.door.pipeline.rules.current();
    let own = rules.desktop_settings(&who.caller);
    let known = state.actions.states(&policy).await;
    let Some(own) = policy.with_connectors_for_desktop(own, &state.public_url, &known) else {
        return nothing(id, "No desktop settings apply to you.");
    };
    let models: Vec<Value> = state
        .door
        .catalogue
        .models()
        .iter()
        .filter(|model| {
            policy.grants_model(model.id.as_str()) && state.door.upstreams.serves(model.id.as_str())
        })
        .map(|model| match model.max_input_tokens {
            1_000_000.. => json!({"name": model.id, "supports1m": true}),
            _ => json!({"name": model.id}),
        })
        .collect();
    let mut settings = defaults(&state.public_url, &who.caller, &models);
    settings.extend(own);
    let tag = checksum(&Value::Object(settings.clone()));
    let expires = facts.began.plus_ms(BOOTSTRAP_MS).unix_s();
    settings.insert("expiresAt".to_owned(), json!(expires));
    conditional(&headers, &tag, &Value::Object(settings))
}

/// What every Claude Desktop needs to work through this gateway.
fn defaults(public_url: &str, caller: &Caller, models: &[Value]) -> Map<String, Value> {
    let groups: Vec<&str> = caller.groups.iter().map(String::as_str).take(50).collect();
    let settings = json!({
        "inferenceProvider": "gateway",
        "inferenceGatewayBaseUrl": public_url,
        "inferenceCredentialKind": "interactive",
        "inferenceModels": models,
        "otlpEndpoint": public_url,
        "otlpProtocol": "http/protobuf",
        "otlpAuthMode": "inference-credential",
        "otlpResourceAttributes": {
            "enduser.id": caller.label(),
            "enduser.sub": caller.subject.to_string(),
            "user.email": caller.email.as_deref().unwrap_or_default(),
            "user.groups": groups.join(","),
        },
    });
    match settings {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// `sha256:` and the hash of the settings with keys sorted at every level and no blanks: clients compute the same.
pub fn checksum(settings: &Value) -> String {
    let mut text = String::new();
    write_sorted(settings, &mut text);
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    format!("sha256:{}", pipeline::identity::hex(hash.as_ref()))
}

fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                let _ = write!(out, "{comma}{}:", Value::String(key.clone()));
                write_sorted(&map[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_sorted(item, out);
            }
            out.push(']');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

/// A stable id of the document, in the form of a UUID (version 8, from its checksum).
fn uuid(checksum: &str) -> String {
    let hex = checksum.trim_start_matches("sha256:");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-8{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

fn conditional(request: &HeaderMap, checksum: &str, body: &Value) -> Response {
    let tag = format!("\"{checksum}\"");
    let matches = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        // `*` is the probe of a Claude Desktop that takes no settings; with 304 it would not start its session
        .any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = if matches {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    headers.insert(VARY, HeaderValue::from_static("User-Agent, Authorization"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("x-cc-gateway-version"),
        HeaderValue::from_static(concat!("doorward/", env!("CARGO_PKG_VERSION"))),
    );
    response
}

fn nothing(id: RequestId, text: &str) -> Response {
    refuse(id)(Refusal::one(Reason::new(ReasonCode::PathUnknown, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_of_sorted_compact_json() {
        // printf '{}' | sha256sum
        let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(checksum(&json!({})), empty);
        assert_eq!(
            checksum(&json!({"b": [1, {"d": 1, "c": "ü\n"}], "a": null})),
            {
                let text = "{\"a\":null,\"b\":[1,{\"c\":\"ü\\n\",\"d\":1}]}";
                let hash = digest::digest(&digest::SHA256, text.as_bytes());
                format!("sha256:{}", pipeline::identity::hex(hash.as_ref()))
            }
        );
    }

    #[test]
    fn a_client_that_has_the_settings_gets_304_and_only_then() {
        let body = json!({"a": 1});
        let status = |known: &str| {
            let headers =
                HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_str(known).unwrap())]);
            conditional(&headers, "sha256:aa", &body).status().as_u16()
        };
        assert_eq!(
            conditional(&HeaderMap::new(), "sha256:aa", &body).status(),
            StatusCode::OK
        );
        assert_eq!(status("\"sha256:aa\""), 304);
        assert_eq!(status("\"x\", W/\"sha256:aa\""), 304);
        assert_eq!(status("*"), 200);
        assert_eq!(status("\"sha256:bb\""), 200);
    }
}
