//! Server-sent events, one at a time, as they arrive.

use std::collections::VecDeque;

use serde_json::Value;
use wire::sse::Parser;

use super::{ClientError, Open};
use crate::limits::SSE_LINE_BYTES_MAX;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; empty when it has none.
    pub name: String,
    /// Its data.
    pub data: String,
}

impl Event {
    /// The data as JSON; `Null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_default()
    }
}

/// An event stream being read.
#[derive(Debug)]
pub struct Events {
    open: Open,
    parser: Parser,
    ready: VecDeque<Event>,
}

impl Events {
    pub(super) const fn new(open: Open) -> Self {
        Self {
            open,
            parser: Parser::new(SSE_LINE_BYTES_MAX),
            ready: VecDeque::new(),
        }
    }

    /// The answer's status code.
    pub const fn status(&self) -> u16 {
        self.open.status
    }

    /// A header of the answer as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.open.headers.get(name)?.to_str().ok()
    }

    /// The next event; `None` at the stream's proper end.
    ///
    /// Errors: the stream broke off, or kept silent too long.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(bytes) = self.open.chunk().await? else {
                return Ok(None);
            };
            self.parser.push(&bytes, |event| {
                self.ready.push_back(Event {
                    name: String::from_utf8_lossy(event.name).into_owned(),
                    data: String::from_utf8_lossy(event.data).into_owned(),
                });
            });
        }
    }

    /// All events that are still to come, up to the stream's proper end.
    pub async fn rest(mut self) -> Result<Vec<Event>, ClientError> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await? {
            events.push(event);
        }
        Ok(events)
    }

    /// All events up to the end, and the error if that was not a proper one.
    pub async fn until_end(mut self) -> (Vec<Event>, Option<ClientError>) {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return (events, None),
                Err(error) => return (events, Some(error)),
            }
        }
    }
}

/// The text of an answer, put together from its events.
pub fn text_of(events: &[Event]) -> String {
    let deltas = events
        .iter()
        .filter(|event| event.name == "content_block_delta");
    deltas
        .filter_map(|event| event.json()["delta"]["text"].as_str().map(str::to_owned))
        .collect()
}
