//! OTLP over HTTP, protobuf or JSON: what clients report about themselves. Authenticated, counted per signal, and answered 200 even
//! when it cannot be read, because a client that is refused would only try again. The content is not kept.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::limits;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use prost::Message;

use super::Contract;
use crate::inference::refuse;

/// What was delivered.
#[derive(Debug, Default)]
pub struct Counted {
    exports: Family<Signal, Counter>,
    items: Family<Signal, Counter>,
    bytes: Family<Signal, Counter<u64, AtomicU64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Signal {
    signal: &'static str,
    /// Whether it could be read.
    read: &'static str,
}

impl Counted {
    /// Adds the counters to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "doorward_telemetry_exports",
            "OTLP exports that clients delivered",
            self.exports.clone(),
        );
        registry.register(
            "doorward_telemetry_items",
            "Data points, log records and spans in them",
            self.items.clone(),
        );
        registry.register(
            "doorward_telemetry_bytes",
            "Bytes of them",
            self.bytes.clone(),
        );
    }
}

/// `POST /v1/metrics`.
pub async fn metrics(State(state): State<Arc<Contract>>, request: Request) -> Response {
    accept(&state, request, "metrics").await
}

/// `POST /v1/logs`.
pub async fn logs(State(state): State<Arc<Contract>>, request: Request) -> Response {
    accept(&state, request, "logs").await
}

/// `POST /v1/traces`.
pub async fn traces(State(state): State<Arc<Contract>>, request: Request) -> Response {
    accept(&state, request, "traces").await
}

async fn accept(state: &Contract, request: Request, signal: &'static str) -> Response {
    let facts = state.door.facts(&request, "telemetry");
    let (head, body) = request.into_parts();
    if let Err(refused) = state.caller(facts, &head.headers).await {
        return refused;
    }
    let whole = match state
        .door
        .memory
        .read(&head.headers, body, limits::OTLP_BODY_BYTES_MAX)
        .await
    {
        Ok(whole) => whole,
        Err(refusal) => return refuse(facts.request)(refusal),
    };
    let is_json = is_json(&head.headers);
    let items = items(&whole.bytes, is_json, signal)
        .filter(|_| !head.headers.contains_key(CONTENT_ENCODING));
    let label = Signal {
        signal,
        read: if items.is_some() { "yes" } else { "no" },
    };
    state.telemetry.exports.get_or_create(&label).inc();
    state
        .telemetry
        .items
        .get_or_create(&label)
        .inc_by(items.unwrap_or(0));
    state
        .telemetry
        .bytes
        .get_or_create(&label)
        .inc_by(whole.bytes.len() as u64);
    let mut response = if is_json {
        "{}".into_response()
    } else {
        StatusCode::OK.into_response()
    };
    let kind = if is_json {
        "application/json"
    } else {
        "application/x-protobuf"
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// How many data points, log records or spans an export holds; none when it cannot be read.
fn items(body: &[u8], is_json: bool, signal: &str) -> Option<u64> {
    if is_json {
        return items_of_json(body, signal);
    }
    let export = Export::decode(body).ok()?;
    let scopes = export
        .resources
        .iter()
        .flat_map(|resource| &resource.scopes);
    Some(scopes.map(|scope| scope.items.len() as u64).sum())
}

fn items_of_json(body: &[u8], signal: &str) -> Option<u64> {
    let (resources, scopes, leaves) = match signal {
        "metrics" => ("resourceMetrics", "scopeMetrics", "metrics"),
        "logs" => ("resourceLogs", "scopeLogs", "logRecords"),
        _ => ("resourceSpans", "scopeSpans", "spans"),
    };
    let export: serde_json::Value = serde_json::from_slice(body).ok()?;
    let lists = export
        .get(resources)?
        .as_array()?
        .iter()
        .filter_map(|resource| resource.get(scopes)?.as_array());
    let counts = lists
        .flatten()
        .filter_map(|scope| Some(scope.get(leaves)?.as_array()?.len() as u64));
    Some(counts.sum())
}

/// The three export requests have the same outer shape (opentelemetry-proto 1.x): resources in field 1, their scopes in field 2,
/// the scopes' metrics, log records or spans in field 2. What is inside is passed over.
#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceItems>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceItems {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeItems>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeItems {
    #[prost(message, repeated, tag = "2")]
    items: Vec<Item>,
}

#[derive(Clone, PartialEq, Message)]
struct Item {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_in_either_encoding() {
        let scope = ScopeItems {
            items: vec![Item {}, Item {}],
        };
        let export = Export {
            resources: vec![ResourceItems {
                scopes: vec![scope.clone(), scope],
            }],
        };
        assert_eq!(items(&export.encode_to_vec(), false, "logs"), Some(4));
        let json = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{},{}]}]}]}"#;
        assert_eq!(items(json, true, "logs"), Some(3));
    }

    #[test]
    fn what_cannot_be_read_is_counted_as_such() {
        assert_eq!(items(b"\xff\xff\xff", false, "logs"), None);
        assert_eq!(items(b"nonsense", true, "metrics"), None);
    }
}
