//! Answer bodies: whole ones, and ones fed piece by piece by a task.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::Interval;

use super::server::Hangup;

/// The body of a fake's answer.
#[derive(Debug)]
pub enum Body {
    /// All of it at once; `Content-Length` is set from it.
    Whole(Option<Bytes>),
    /// Fed by a [`Feed`]; sent chunked, each piece flushed before the next is asked for.
    Fed {
        /// Where the pieces come from.
        pieces: mpsc::Receiver<Result<Bytes, Hangup>>,
        /// A hang-up that waits until what was sent before it has been flushed.
        hanging_up: bool,
    },
    /// All of it at once, but sent chunked as a stream is.
    Burst(Option<Bytes>),
    /// Events at a steady pace, without a task of their own.
    Paced(Paced),
}

/// Pieces sent one by one, so much time between two.
#[derive(Debug)]
pub struct Paced {
    pieces: Arc<[Bytes]>,
    next: usize,
    timer: Pin<Box<Interval>>,
}

impl Body {
    /// A whole body.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }

    /// A body of pieces at a steady pace; the first comes at once.
    pub fn paced(pieces: Arc<[Bytes]>, pace: Duration) -> Self {
        Self::Paced(Paced {
            pieces,
            next: 0,
            timer: Box::pin(tokio::time::interval(pace)),
        })
    }

    /// A body and the feed that fills it. The body ends when the feed is dropped.
    pub fn fed() -> (Feed, Self) {
        let (pieces, receiver) = mpsc::channel(1);
        let body = Self::Fed {
            pieces: receiver,
            hanging_up: false,
        };
        (Feed { pieces }, body)
    }
}

/// The peer left before the body was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client left")]
pub struct ClientLeft;

/// Fills a [`Body`].
#[derive(Debug)]
pub struct Feed {
    pieces: mpsc::Sender<Result<Bytes, Hangup>>,
}

impl Feed {
    /// Sends one piece; waits until the one before it was taken.
    pub async fn send(&self, piece: impl Into<Bytes>) -> Result<(), ClientLeft> {
        self.pieces
            .send(Ok(piece.into()))
            .await
            .map_err(|_| ClientLeft)
    }

    /// Ends the body by closing the connection without its last chunk.
    pub async fn hang_up(self) {
        // a client that left first has seen the same end
        let _ = self.pieces.send(Err(Hangup)).await;
        self.pieces.closed().await;
    }

    /// Keeps silent until the client leaves.
    pub async fn keep_silent(&self) {
        self.pieces.closed().await;
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Hangup;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Hangup>>> {
        match &mut *self {
            Self::Whole(bytes) | Self::Burst(bytes) => {
                Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b))))
            }
            Self::Paced(paced) => {
                if paced.next == paced.pieces.len() {
                    return Poll::Ready(None);
                }
                let _ = std::task::ready!(paced.timer.poll_tick(cx));
                let piece = paced.pieces[paced.next].clone();
                paced.next += 1;
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Self::Fed {
                hanging_up: true, ..
            } => Poll::Ready(Some(Err(Hangup))),
            Self::Fed { pieces, hanging_up } => match pieces.poll_recv(cx) {
                Poll::Ready(Some(Err(Hangup))) => {
                    // hyper throws unflushed bytes away on an error: let it flush first
                    *hanging_up = true;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Poll::Ready(piece) => Poll::Ready(piece.map(|p| p.map(Frame::data))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None) | Self::Burst(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Self::Fed { .. } | Self::Burst(_) | Self::Paced(_) => SizeHint::default(),
        }
    }
}
