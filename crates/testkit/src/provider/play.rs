//! Sends an answer, spoilt as ordered: paced, cut, silenced, a byte at a time.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::fault::Fault;
use super::seen::{Ending, Visit};
use super::stream::event;
use crate::net::body::ClientLeft;
use crate::net::{Body, Feed, ResetSwitch};

/// What is played on top of an answer's pieces.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) pieces: Vec<Bytes>,
    pub(super) pace: Duration,
    pub(super) fault: Option<Fault>,
    pub(super) connection: ResetSwitch,
}

impl Play {
    /// The body of the answer; it is sent by a task, which ends the visit.
    pub(super) fn begin(self, visit: Visit) -> Body {
        let (feed, body) = Body::fed();
        tokio::spawn(async move {
            let ending = self.run(feed).await.unwrap_or(Ending::ClientLeft);
            visit.end(ending);
        });
        body
    }

    async fn run(self, feed: Feed) -> Result<Ending, ClientLeft> {
        let (stop_after, ending) = match &self.fault {
            Some(
                Fault::SilenceAfter(n)
                | Fault::CutAfter(n)
                | Fault::ResetAfter(n)
                | Fault::EndAfter(n)
                | Fault::ErrorAfter { events: n, .. },
            ) => (*n, Ending::Fault),
            _ => (usize::MAX, Ending::Complete),
        };
        for (at, piece) in self.pieces.iter().enumerate() {
            if at == stop_after {
                break;
            }
            if self.fault == Some(Fault::GarbageAfter(at)) {
                feed.send(garbage()).await?;
            }
            if at > 0 && !self.pace.is_zero() {
                tokio::time::sleep(self.pace).await;
            }
            self.send(&feed, piece).await?;
        }
        self.finish(feed).await?;
        Ok(ending)
    }

    async fn send(&self, feed: &Feed, piece: &Bytes) -> Result<(), ClientLeft> {
        if self.fault != Some(Fault::ByteByByte) {
            return feed.send(piece.clone()).await;
        }
        for at in 0..piece.len() {
            feed.send(piece.slice(at..=at)).await?;
        }
        Ok(())
    }

    async fn finish(&self, feed: Feed) -> Result<(), ClientLeft> {
        match &self.fault {
            Some(Fault::SilenceAfter(_)) => {
                feed.keep_silent().await;
                return Err(ClientLeft);
            }
            Some(Fault::CutAfter(_)) => feed.hang_up().await,
            Some(Fault::ResetAfter(_)) => {
                self.connection.arm();
                feed.hang_up().await;
            }
            Some(Fault::ErrorAfter { kind, .. }) => {
                let kind = kind.as_deref().unwrap_or("overloaded_error");
                let error =
                    json!({"type": "error", "error": {"type": kind, "message": "Overloaded"}});
                feed.send(event("error", &error)).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Bytes that are no event: not UTF-8, no fields, and data that is no JSON.
fn garbage() -> Bytes {
    Bytes::from_static(
        b"\xff\xfe\x00garbage without a colon\nevent: \xf0\x28\ndata: {\"type\":\n\n",
    )
}
