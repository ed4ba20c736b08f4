//! OTLP over HTTP, protobuf or JSON: what clients report about themselves. Authenticated, counted per signal, and answered 200 even
//! when it cannot be read, because a client that is refused would only try again. The content is not kept.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::{Timestamp, limits};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::Contract;
use crate::inference::refuse;

/// What was delivered.
#[derive(Debug, Default)]
pub struct Counted {
    exports: Family<Signal, Counter>,
    items: Family<Signal, Counter>,
    bytes: Family<Signal, Counter<u64, AtomicU64>>,
    /// When the store was last told that telemetry comes, in Unix milliseconds.
    noted: AtomicI64,
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
    state.heard_telemetry(facts.began).await;
    let is_json = is_json(&head.headers);
    let items =
        items(&whole.bytes, is_json).filter(|_| !head.headers.contains_key(CONTENT_ENCODING));
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

impl Contract {
    /// Lets the store know once a minute that telemetry comes, whichever replica it comes to. Nobody is refused because it cannot.
    async fn heard_telemetry(&self, now: Timestamp) {
        let last = self.telemetry.noted.load(Ordering::Relaxed);
        let is_due = now.unix_ms().saturating_sub(last) >= limits::SENSOR_NOTED_MS;
        let is_mine = || {
            let noted = &self.telemetry.noted;
            noted.compare_exchange(last, now.unix_ms(), Ordering::Relaxed, Ordering::Relaxed)
        };
        if !is_due || is_mine().is_err() {
            return;
        }
        let told = self
            .store
            .note_sensor(self.org, store::sensors::TELEMETRY, now);
        if let Err(error) = told.await {
            tracing::debug!(error = %error, "that telemetry comes is not noted");
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// How many data points, log records or spans an export holds; none when it cannot be read. Counted in passing: nothing of an
/// export is built, because a few bytes of it would become many of memory.
fn items(body: &[u8], is_json: bool) -> Option<u64> {
    if is_json {
        let export: Export = serde_json::from_slice(body).ok()?;
        return Some(export.resources.0);
    }
    items_at(body, &PATH)
}

/// The three export requests have the same outer shape (opentelemetry-proto 1.x): resources in field 1, their scopes in field 2,
/// the scopes' metrics, log records or spans in field 2.
const PATH: [u32; 3] = [1, 2, 2];

fn items_at(mut message: &[u8], path: &[u32]) -> Option<u64> {
    let Some((wanted, inner)) = path.split_first() else {
        return Some(1);
    };
    let mut count = 0;
    while !message.is_empty() {
        let (tag, kind) = decode_key(&mut message).ok()?;
        if tag == *wanted && kind == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
            let (field, rest) = message.split_at_checked(length)?;
            count += items_at(field, inner)?;
            message = rest;
        } else {
            skip_field(kind, tag, &mut message, DecodeContext::default()).ok()?;
        }
    }
    Some(count)
}

#[derive(Deserialize)]
struct Export {
    #[serde(
        alias = "resourceMetrics",
        alias = "resourceLogs",
        alias = "resourceSpans"
    )]
    resources: Sum<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(
        default,
        alias = "scopeMetrics",
        alias = "scopeLogs",
        alias = "scopeSpans"
    )]
    scopes: Sum<Scope>,
}

#[derive(Deserialize)]
struct Scope {
    #[serde(default, alias = "metrics", alias = "logRecords", alias = "spans")]
    items: Sum<Item>,
}

#[derive(Deserialize)]
struct Item(IgnoredAny);

/// What the elements of a list hold together; the elements are not kept.
struct Sum<T>(u64, PhantomData<T>);

impl<T> Default for Sum<T> {
    fn default() -> Self {
        Self(0, PhantomData)
    }
}

trait Holds {
    fn items(&self) -> u64;
}

impl Holds for Resource {
    fn items(&self) -> u64 {
        self.scopes.0
    }
}

impl Holds for Scope {
    fn items(&self) -> u64 {
        self.items.0
    }
}

impl Holds for Item {
    fn items(&self) -> u64 {
        1
    }
}

impl<'de, T: Deserialize<'de> + Holds> Deserialize<'de> for Sum<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Self::default())
    }
}

impl<'de, T: Deserialize<'de> + Holds> Visitor<'de> for Sum<T> {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while let Some(element) = list.next_element::<T>()? {
            self.0 += element.items();
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of so many bytes, less than 128.
    fn field(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).unwrap();
        [&[tag << 3 | 2, length], body].concat()
    }

    #[test]
    fn items_are_counted_in_either_encoding() {
        let scope = field(
            2,
            &[field(1, b"scope"), field(2, b""), field(2, b"??")].concat(),
        );
        let export = field(1, &[field(1, b"resource"), scope.clone(), scope].concat());
        assert_eq!(items(&export, false), Some(4));
        assert_eq!(items(&[export.clone(), export].concat(), false), Some(8));
        for (resources, scopes, leaves) in [
            ("resourceMetrics", "scopeMetrics", "metrics"),
            ("resourceLogs", "scopeLogs", "logRecords"),
            ("resourceSpans", "scopeSpans", "spans"),
        ] {
            let json = format!(
                r#"{{"{resources}":[{{"resource":{{}},"{scopes}":[{{"{leaves}":[{{}},{{"a":[1]}},{{}}]}},{{}}]}}]}}"#
            );
            assert_eq!(items(json.as_bytes(), true), Some(3), "{json}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_counted_as_such() {
        for bad in [
            &b"\xff\xff\xff"[..],
            b"\x0a\x7fx",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert_eq!(items(bad, false), None, "{bad:?}");
        }
        assert_eq!(items(b"nonsense", true), None);
        assert_eq!(items(b"{}", true), None);
    }

    #[test]
    fn an_export_of_empty_items_takes_no_memory_for_each() {
        // Counting by value keeps nothing: what an element leaves behind is a number.
        assert_eq!(size_of::<Sum<Item>>(), size_of::<u64>());
        let many = vec!["[]"; 100_000].join(",");
        let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{many}]}}]}}]}}"#);
        assert_eq!(items(json.as_bytes(), true), Some(100_000));
    }
}
