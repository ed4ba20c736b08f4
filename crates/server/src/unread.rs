//! HTTP/2's way of leaving an answer unread: the connection lives, its pings are answered, and no window is ever opened. What the
//! socket shows of HTTP/1.1 ([`crate::patient`]) only the bodies show here: one that has been asked for nothing since it gave its
//! last piece waits for its reader. Called by `listen`; it never looks at the bytes.
//!
//! A connection on which something waits and nothing moves is closed as a whole. One on which anything moves is left alone: it may
//! be a proxy's, and carry many people's answers.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

/// The bodies of one connection.
#[derive(Debug, Clone)]
pub struct Unread(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    /// Bodies whose last piece the reader has not made room for.
    waiting: AtomicUsize,
    /// When one of them was last asked for more, in milliseconds since `began`.
    moved_ms: AtomicU64,
}

impl Default for Unread {
    /// A connection without bodies.
    fn default() -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            waiting: AtomicUsize::new(0),
            moved_ms: AtomicU64::new(0),
        }))
    }
}

impl Unread {
    /// The same body, with its reader's pace seen.
    pub fn watch(&self, body: Body) -> Body {
        self.begins_to_wait();
        let unread = self.clone();
        Body::new(Watched {
            body,
            unread,
            waits: true,
        })
    }

    /// Ends when something has waited, and nothing has moved, for so long.
    pub async fn given_up(&self, after: Duration) {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        loop {
            tokio::time::sleep(after / 4).await;
            let idle_ms = self
                .now_ms()
                .saturating_sub(self.0.moved_ms.load(Ordering::Relaxed));
            if self.0.waiting.load(Ordering::Relaxed) > 0 && idle_ms >= after_ms {
                return;
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn begins_to_wait(&self) {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        self.0.moved_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn waits_no_more(&self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.moved_ms.store(self.now_ms(), Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Watched {
    body: Body,
    unread: Unread,
    waits: bool,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.waits) {
            this.unread.waits_no_more();
        }
        let frame = Pin::new(&mut this.body).poll_frame(context);
        if matches!(frame, Poll::Ready(Some(Ok(_)))) {
            this.waits = true;
            this.unread.begins_to_wait();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.waits {
            self.unread.waits_no_more();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    const IDLE: Duration = Duration::from_mins(5);

    #[tokio::test(start_paused = true)]
    async fn a_body_nobody_asks_is_given_up_and_one_that_waits_for_us_is_not() {
        let unread = Unread::default();
        let mut body = unread.watch(Body::from("piece"));
        body.frame().await.unwrap().unwrap();
        unread.given_up(IDLE).await;

        // A body that has nothing to give yet keeps its reader waiting, not us.
        let unread = Unread::default();
        let mut silent = unread.watch(Body::new(Never));
        let asked = tokio::spawn(async move { silent.frame().await.is_some() });
        let given_up = tokio::time::timeout(10 * IDLE, unread.given_up(IDLE)).await;
        assert!(given_up.is_err());
        asked.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_beside_keeps_a_connection() {
        let unread = Unread::default();
        let _unread_body = unread.watch(Body::from("never asked"));
        let moves = {
            let unread = unread.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    tokio::time::sleep(IDLE / 2).await;
                    drop(unread.watch(Body::from("x")));
                }
            })
        };
        let began = Instant::now();
        unread.given_up(IDLE).await;
        moves.await.unwrap();
        assert!(began.elapsed() >= 5 * IDLE + IDLE);
    }

    #[derive(Debug)]
    struct Never;

    impl http_body::Body for Never {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            Poll::Pending
        }
    }
}
