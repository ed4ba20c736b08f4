//! OpenTelemetry logs over HTTP in JSON: the encoding, and the sink that posts it. This crate has no HTTP client; `server` gives
//! one as a [`Post`].
//!
//! One record becomes one `logRecord` (opentelemetry-proto, `logs/v1/logs.proto`, JSON mapping of the OTLP specification): `body`
//! is the record's kind, each field an attribute `doorward.<field>`, nested ones with dots; `doorward.chain`, `.seq`, `.hash` and
//! `.prev` name its place in the chain.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Sink, SinkError};
use crate::read::{Batch, Entry};

/// `severityNumber` and `severityText` of the OpenTelemetry log data model.
const INFO: (u8, &str) = (9, "INFO");
const WARN: (u8, &str) = (13, "WARN");
const ERROR: (u8, &str) = (17, "ERROR");

/// An answer to a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// HTTP status.
    pub status: u16,
    /// The `retry-after` header in seconds, when there was one.
    pub retry_after_s: Option<u32>,
}

/// A post that got no answer; its text is for operators and holds no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PostError(pub String);

/// A post on its way.
pub type Posting<'a> = Pin<Box<dyn Future<Output = Result<Posted, PostError>> + Send + 'a>>;

/// Posts a body of `application/json` to an address and with credentials that it knows.
pub trait Post: Send + Sync + fmt::Debug {
    /// Sends the body and reads the answer's status.
    fn post(&self, body: Vec<u8>) -> Posting<'_>;
}

/// Sends records to an OTLP/HTTP receiver's `/v1/logs`.
#[derive(Debug, Clone)]
pub struct OtlpSink {
    name: String,
    post: Arc<dyn Post>,
}

impl OtlpSink {
    /// A sink of this name.
    pub fn new(name: &str, post: Arc<dyn Post>) -> Self {
        Self {
            name: name.to_owned(),
            post,
        }
    }
}

impl Sink for OtlpSink {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, batch: &Batch) -> Result<(), SinkError> {
        let answer = self
            .post
            .post(encode(batch))
            .await
            .map_err(|error| SinkError::Later(error.0, None))?;
        let said = format!("HTTP status {}", answer.status);
        match answer.status {
            200..=299 => Ok(()),
            // the records' own fault; everything else is the connection's, the credential's or the receiver's
            400 | 413 | 415 | 422 => Err(SinkError::Refused(said)),
            _ => {
                let after = answer
                    .retry_after_s
                    .map(|seconds| Duration::from_secs(seconds.into()));
                Err(SinkError::Later(said, after))
            }
        }
    }
}

/// The body of a `POST /v1/logs`, `ExportLogsServiceRequest` in JSON. Lines that cannot be read are left out: they have no fields.
pub fn encode(batch: &Batch) -> Vec<u8> {
    let records: Vec<Value> = batch.entries.iter().filter_map(log_record).collect();
    let request = json!({
        "resourceLogs": [{
            "resource": { "attributes": [attribute("service.name", text("doorward"))] },
            "scopeLogs": [{ "scope": { "name": "doorward.ledger" }, "logRecords": records }],
        }],
    });
    request.to_string().into_bytes()
}

fn log_record(entry: &Entry) -> Option<Value> {
    let line = entry.decode().ok()?;
    let mut record: Map<String, Value> = serde_json::from_str(line.record).ok()?;
    let (number, word) = severity(&record);
    let kind = record
        .shift_remove("kind")
        .and_then(|kind| kind.as_str().map(str::to_owned))
        .unwrap_or_default();
    let mut attributes = vec![
        attribute("doorward.chain", text(line.chain)),
        attribute("doorward.seq", json!({ "intValue": line.seq.to_string() })),
        attribute("doorward.hash", text(&line.hash.to_string())),
        attribute("doorward.prev", text(&line.prev.to_string())),
    ];
    flatten("doorward", record, &mut attributes);
    let nanos = i128::from(line.time.unix_ms()).max(0) * 1_000_000;
    Some(json!({
        "timeUnixNano": nanos.to_string(),
        "observedTimeUnixNano": nanos.to_string(),
        "severityNumber": number,
        "severityText": word,
        "eventName": format!("doorward.{kind}"),
        "body": text(&kind),
        "attributes": attributes,
    }))
}

/// What someone should look at: refusals are warnings; misuse, losses and failures are errors.
fn severity(record: &Map<String, Value>) -> (u8, &'static str) {
    let word = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    match (word("event"), word("ended")) {
        ("reuse_detected" | "tail_cut" | "reopened", _) | (_, "error" | "lost") => return ERROR,
        (_, "upstream_cut" | "revoked" | "refused") => return WARN,
        _ => {}
    }
    let refused = record
        .get("verdict")
        .and_then(|verdict| verdict.get("allowed"))
        == Some(&Value::Bool(false));
    if refused { WARN } else { INFO }
}

fn attribute(key: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([
        ("key".to_owned(), key.into()),
        ("value".to_owned(), value),
    ]))
}

fn text(value: &str) -> Value {
    json!({ "stringValue": value })
}

/// Objects become dotted keys; a record's nesting is bounded by its type, and by the JSON reader's own limit.
fn flatten(prefix: &str, object: Map<String, Value>, into: &mut Vec<Value>) {
    for (name, value) in object {
        let key = format!("{prefix}.{name}");
        match value {
            Value::Object(inner) => flatten(&key, inner, into),
            other => into.push(attribute(&key, any_value(other))),
        }
    }
}

/// `AnyValue` of opentelemetry-proto; 64-bit numbers are texts in its JSON form.
fn any_value(value: Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::Number(number) if number.is_f64() => json!({ "doubleValue": number }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::String(string) => json!({ "stringValue": string }),
        Value::Array(items) => {
            json!({ "arrayValue": { "values": items.into_iter().map(any_value).collect::<Vec<_>>() } })
        }
        Value::Object(inner) => {
            let values = inner
                .into_iter()
                .map(|(name, value)| attribute(&name, any_value(value)));
            json!({ "kvlistValue": { "values": values.collect::<Vec<_>>() } })
        }
    }
}
