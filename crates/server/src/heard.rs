//! A request whose body nobody read to its end, as one that is refused for its size. Whoever sends it is still sending, and a socket
//! that closes over unread bytes is reset, which may overtake our answer; so a connection that has one is not closed at once
//! ([`crate::patient`]). Called by `listen`; it never looks at the bytes. HTTP/2 resets one stream alone and needs none of this.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

/// Whether a body of a connection was left before its end; there is no next request behind it.
#[derive(Debug, Clone, Default)]
pub struct Unheard(Arc<AtomicBool>);

impl Unheard {
    /// The same body, with what becomes of it seen.
    pub fn watch<B: Body + Unpin>(&self, body: B) -> Heard<B> {
        Heard {
            is_over: body.is_end_stream(),
            body,
            unheard: self.clone(),
        }
    }

    /// Whether the peer may be sending what nobody will read.
    pub fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that tells when it was left.
#[derive(Debug)]
pub struct Heard<B> {
    body: B,
    is_over: bool,
    unheard: Unheard,
}

impl<B: Body + Unpin> Body for Heard<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(context);
        this.is_over |= match &frame {
            Poll::Ready(None | Some(Err(_))) => true,
            Poll::Ready(Some(Ok(_))) => this.body.is_end_stream(),
            Poll::Pending => false,
        };
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Heard<B> {
    fn drop(&mut self) {
        if !self.is_over {
            self.unheard.0.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Empty, Full};

    #[tokio::test]
    async fn only_a_body_that_was_left_before_its_end_is_unheard() {
        let unheard = Unheard::default();
        drop(unheard.watch(Empty::<Bytes>::new()));
        let whole = unheard.watch(Full::new(Bytes::from_static(b"a"))).collect();
        whole.await.unwrap();
        assert!(!unheard.is_so());
        drop(unheard.watch(Full::new(Bytes::from_static(b"a"))));
        assert!(unheard.is_so());
    }
}
