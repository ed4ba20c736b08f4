//! What the provider saw: every request in order of arrival, and how each ended. This is how a test proves what left Doorward.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::sync::watch;

use crate::client::ClientError;
use crate::client::request::patient;
use crate::limits::SEEN_MAX;
use crate::net::Ask;
use crate::token::hex;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The whole answer was handed over.
    Complete,
    /// The client left before the answer was.
    ClientLeft,
    /// A fault ended it.
    Fault,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its place in the order of arrival, from 0.
    pub number: u64,
    /// The `request-id` its answer has.
    pub request_id: String,
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query, as sent; empty when there is none.
    pub query: String,
    /// The headers, as they came.
    pub headers: HeaderMap,
    /// How long the body was.
    pub body_bytes: usize,
    /// SHA-256 of the body, in hex.
    pub body_sha256: String,
    /// The body, when the provider was told to keep bodies.
    pub body: Option<Bytes>,
    /// How it ended; `None` while it lasts.
    pub ending: Option<Ending>,
}

impl Seen {
    /// A header as text; `None` when absent or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The kept body as JSON; `Null` when none was kept or it is none.
    pub fn json(&self) -> Value {
        self.body
            .as_ref()
            .and_then(|body| serde_json::from_slice(body).ok())
            .unwrap_or_default()
    }
}

#[derive(Debug)]
pub(super) struct SeenLog {
    keep_bodies: bool,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    list: Mutex<List>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct List {
    arrived: u64,
    seen: VecDeque<Seen>,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().expect("no holder of this lock panics")
    }
}

/// Ends a request: as told, or as left by the client when dropped untold.
#[derive(Debug)]
pub(super) struct Visit {
    log: Arc<Inner>,
    number: u64,
    pub(super) request_id: String,
    told: bool,
}

impl SeenLog {
    pub(super) fn new(keep_bodies: bool) -> Self {
        let inner = Inner {
            list: Mutex::default(),
            changed: watch::channel(()).0,
        };
        Self {
            keep_bodies,
            inner: Arc::new(inner),
        }
    }

    /// Notes a request. The hash is made before the lock is taken.
    pub(super) fn arrived(&self, ask: &Ask) -> Visit {
        let body_sha256 = hex(digest(&SHA256, &ask.body).as_ref());
        let mut list = self.inner.lock();
        let number = list.arrived;
        list.arrived += 1;
        let request_id = format!("req_{:020x}", crate::ids::mixed(number.wrapping_add(1)));
        if list.seen.len() >= SEEN_MAX {
            list.seen.pop_front();
        }
        list.seen.push_back(Seen {
            number,
            request_id: request_id.clone(),
            method: ask.method.clone(),
            path: ask.path.clone(),
            query: ask.query.clone(),
            headers: ask.headers.clone(),
            body_bytes: ask.body.len(),
            body_sha256,
            body: self.keep_bodies.then(|| ask.body.clone()),
            ending: None,
        });
        drop(list);
        self.inner.changed.send_replace(());
        Visit {
            log: Arc::clone(&self.inner),
            number,
            request_id,
            told: false,
        }
    }

    pub(super) fn all(&self) -> Vec<Seen> {
        self.inner.lock().seen.iter().cloned().collect()
    }

    pub(super) fn forget(&self) {
        self.inner.lock().seen.clear();
    }

    pub(super) async fn wait_until(
        &self,
        wanted: impl Fn(&[Seen]) -> bool,
    ) -> Result<Vec<Seen>, ClientError> {
        let mut changed = self.inner.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let seen = self.all();
            if wanted(&seen) {
                return Ok(seen);
            }
            // the sender lives in `self`, so the wait ends by a change or by time alone
            let _ = patient("requests at the provider", changed.changed()).await?;
        }
    }
}

impl Visit {
    /// How it ended.
    pub(super) fn end(mut self, ending: Ending) {
        self.told = true;
        self.note(ending);
    }

    fn note(&self, ending: Ending) {
        let mut list = self.log.lock();
        if let Some(seen) = list
            .seen
            .iter_mut()
            .rev()
            .find(|seen| seen.number == self.number)
        {
            seen.ending = Some(ending);
        }
        drop(list);
        self.log.changed.send_replace(());
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.told {
            self.note(Ending::ClientLeft);
        }
    }
}
