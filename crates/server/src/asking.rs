//! HTTP/2's way of holding a place for nothing: the connection lives, its pings are answered, and nothing is ever asked. Here it is
//! counted what a connection has under way, and since when that is nothing. Called by `listen`; it never looks at a request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

/// The requests of one connection. Without one it never counts as idle: the time to a first request is another limit.
#[derive(Debug, Clone)]
pub struct Asking(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    has_asked: AtomicBool,
    open: AtomicUsize,
    /// When the last one ended, in milliseconds since `began`.
    ended_ms: AtomicU64,
}

impl Default for Asking {
    /// A connection without requests.
    fn default() -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            has_asked: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            ended_ms: AtomicU64::new(0),
        }))
    }
}

impl Asking {
    /// A request has come; it is under way until what this returns is dropped.
    pub fn begin(&self) -> Asked {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        self.0.has_asked.store(true, Ordering::Relaxed);
        Asked(self.clone())
    }

    /// Ends when nothing has been under way for so long.
    pub async fn idle_for(&self, after: Duration) {
        loop {
            let left = after.saturating_sub(self.idle());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    fn idle(&self) -> Duration {
        if self.0.open.load(Ordering::Relaxed) > 0 || !self.0.has_asked.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let ended = Duration::from_millis(self.0.ended_ms.load(Ordering::Relaxed));
        self.0.began.elapsed().saturating_sub(ended)
    }
}

/// One request that is under way.
#[derive(Debug)]
pub struct Asked(Asking);

impl Asked {
    /// The answer's body, with which the request ends.
    pub fn until_the_end_of(self, body: Body) -> Body {
        Body::new(Answering { body, _asked: self })
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let shared = &self.0.0;
        let now_ms = u64::try_from(shared.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        shared.ended_ms.store(now_ms, Ordering::Relaxed);
        shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Answering {
    body: Body,
    _asked: Asked,
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_mins(3);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_the_end_of_its_last_answer_on() {
        let asking = Asking::default();
        let body = asking.begin().until_the_end_of(Body::from("answer"));
        let ends = tokio::spawn(async move {
            tokio::time::sleep(10 * IDLE).await;
            drop(body);
        });
        drop(asking.begin());
        let began = Instant::now();
        asking.idle_for(IDLE).await;
        assert_eq!(began.elapsed(), 11 * IDLE);
        ends.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_not_asked_yet_is_not_idle() {
        let asking = Asking::default();
        let waited = tokio::time::timeout(10 * IDLE, asking.idle_for(IDLE)).await;
        assert!(waited.is_err());
    }
}
