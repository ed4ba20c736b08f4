//! A small OTLP/HTTP logs receiver (JSON), which keeps what it is sent.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::client::ClientError;
use crate::client::request::patient;
use crate::limits::{BODY_BYTES_MAX, SEEN_MAX};
use crate::net::{Answers, Ask, Body, Bound, Hangup, ResetSwitch, Server, reply};

/// A running receiver. Ends when dropped.
#[derive(Debug)]
pub struct OtlpReceiver {
    server: Server,
    inbox: Inbox,
}

/// One log record that came, with what it came in.
#[derive(Debug, Clone)]
pub struct LogRecord {
    /// The record itself (`timeUnixNano`, `body`, `attributes`, …).
    pub record: Value,
    /// The attributes of its resource.
    pub resource: Value,
    /// The name of its scope.
    pub scope: String,
}

impl LogRecord {
    /// An attribute's value by name, taken out of its OTLP wrapping.
    pub fn attribute(&self, name: &str) -> Option<Value> {
        let all = self.record["attributes"].as_array()?;
        let value = all.iter().find(|one| one["key"] == name)?["value"].as_object()?;
        value.values().next().cloned()
    }
}

#[derive(Debug, Clone)]
struct Inbox {
    kept: Arc<Mutex<Kept>>,
    count: Arc<watch::Sender<usize>>,
}

#[derive(Debug, Default)]
struct Kept {
    records: Vec<LogRecord>,
    headers: Vec<HeaderMap>,
    fail_with: Option<(u16, u32)>,
    refused: u64,
    slow_ms: u64,
}

impl OtlpReceiver {
    /// Starts it on a free port.
    ///
    /// Errors: no port can be had.
    pub fn start() -> io::Result<Self> {
        let inbox = Inbox {
            kept: Arc::default(),
            count: Arc::new(watch::channel(0).0),
        };
        let server = Bound::to(0)?.serve(inbox.clone())?;
        Ok(Self { server, inbox })
    }

    /// Where it listens; logs go to `{url}/v1/logs`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The records so far, in order of arrival.
    pub fn records(&self) -> Vec<LogRecord> {
        self.inbox.lock().records.clone()
    }

    /// The headers of each export so far.
    pub fn headers(&self) -> Vec<HeaderMap> {
        self.inbox.lock().headers.clone()
    }

    /// Waits until at least `n` records are there, and returns all.
    ///
    /// Errors: they do not come in time.
    pub async fn wait_for(&self, n: usize) -> Result<Vec<LogRecord>, ClientError> {
        let mut count = self.inbox.count.subscribe();
        // the sender lives in `self`, so the wait ends by success or by time alone
        let _ = patient("log records", count.wait_for(|count| *count >= n)).await?;
        Ok(self.records())
    }

    /// Answers the next `times` exports with this status and keeps nothing of them.
    pub fn fail_next(&self, times: u32, status: u16) {
        self.inbox.lock().fail_with = Some((status, times));
    }

    /// Answers each export only after so many milliseconds.
    pub fn slow_down(&self, ms: u64) {
        self.inbox.lock().slow_ms = ms;
    }

    /// How many exports were refused.
    pub fn refused(&self) -> u64 {
        self.inbox.lock().refused
    }

    /// Refuses connections.
    pub async fn refuse_connections(&self) {
        self.server.refuse_connections().await;
    }

    /// Takes connections again on the same port.
    pub async fn accept_connections(&self) {
        self.server.accept_connections().await;
    }

    /// Ends it; returns when its port is closed.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

impl Inbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().expect("no holder of this lock panics")
    }

    fn refusal(&self) -> Option<u16> {
        let mut kept = self.lock();
        let (status, times) = kept.fail_with.filter(|(_, times)| *times > 0)?;
        kept.fail_with = Some((status, times - 1));
        kept.refused += 1;
        Some(status)
    }

    fn keep(&self, headers: HeaderMap, records: Vec<LogRecord>) {
        let mut kept = self.lock();
        kept.headers.push(headers);
        kept.records.extend(records);
        let excess = kept.records.len().saturating_sub(SEEN_MAX);
        kept.records.drain(..excess);
        let count = kept.records.len();
        drop(kept);
        self.count.send_replace(count);
    }
}

impl Answers for Inbox {
    async fn answer(
        &self,
        request: Request<Incoming>,
        _connection: ResetSwitch,
    ) -> Result<Response<Body>, Hangup> {
        let ask = Ask::read(request, BODY_BYTES_MAX).await?;
        if ask.path != "/v1/logs" || ask.method != Method::POST {
            return Ok(reply::text(404, "not found"));
        }
        let slow_ms = self.lock().slow_ms;
        if slow_ms > 0 {
            tokio::time::sleep(Duration::from_millis(slow_ms)).await;
        }
        if let Some(status) = self.refusal() {
            return Ok(reply::json(
                status,
                &json!({"code": 14, "message": "refused on demand"}),
            ));
        }
        let is_json = ask
            .header("content-type")
            .is_some_and(|t| t.starts_with("application/json"));
        if !is_json {
            return Ok(reply::json(
                415,
                &json!({"code": 3, "message": "only JSON here"}),
            ));
        }
        match serde_json::from_slice::<Value>(&ask.body)
            .ok()
            .and_then(|body| unpacked(&body))
        {
            Some(records) => {
                self.keep(ask.headers, records);
                Ok(reply::json(200, &json!({"partialSuccess": {}})))
            }
            None => Ok(reply::json(
                400,
                &json!({"code": 3, "message": "not OTLP logs"}),
            )),
        }
    }
}

/// The records of an `ExportLogsServiceRequest`; `None` when it is none.
fn unpacked(body: &Value) -> Option<Vec<LogRecord>> {
    let mut records = Vec::new();
    for resource in body["resourceLogs"].as_array()? {
        for scope in resource["scopeLogs"].as_array()? {
            for record in scope["logRecords"].as_array()? {
                records.push(LogRecord {
                    record: record.clone(),
                    resource: resource["resource"]["attributes"].clone(),
                    scope: scope["scope"]["name"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                });
            }
        }
    }
    Some(records)
}
