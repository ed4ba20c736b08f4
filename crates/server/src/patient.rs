//! A client's connection with an end to our patience: with whoever begins and never finishes its first request, and with whoever
//! leaves our bytes unread. What lies above sees an I/O error, ends the connection and settles what was under way on it. Only
//! whoever was answered before the end of their request is waited for, for a moment, so that they hear the answer.
//! Called by `listen`; it never looks at the bytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use domain::limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::heard::Unheard;

/// Whether a whole request's head has come on a connection. From then on the HTTP layer minds the time of the next ones.
#[derive(Debug, Clone, Default)]
pub struct Spoken(Arc<AtomicBool>);

impl Spoken {
    /// A head has come.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that is not waited on for ever.
#[derive(Debug)]
pub struct Patient<S> {
    inner: S,
    spoken: Spoken,
    /// Runs from the beginning to the first request.
    head: Option<Pin<Box<Sleep>>>,
    write_idle: Duration,
    /// Runs while the peer takes nothing.
    stuck: Option<Pin<Box<Sleep>>>,
    unheard: Unheard,
    /// Runs once we have said all that we will say, with how many bytes we still take.
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Patient<S> {
    /// Waits for the first request's head until `head_by`, and for the peer to take bytes for `write_idle` at a time.
    pub fn new(
        inner: S,
        (spoken, unheard): (Spoken, Unheard),
        head_by: Instant,
        write_idle: Duration,
    ) -> Self {
        Self {
            inner,
            spoken,
            head: Some(Box::pin(tokio::time::sleep_until(head_by))),
            write_idle,
            stuck: None,
            unheard,
            linger: None,
        }
    }

    /// The outcome of a write, unless the peer has taken nothing for too long.
    fn judge<T>(
        &mut self,
        wrote: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.stuck = None;
            return wrote;
        }
        let write_idle = self.write_idle;
        let stuck = self
            .stuck
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(write_idle)));
        match stuck.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.head.is_some() && this.spoken.is_noted() {
            this.head = None;
        }
        // Looked at before the bytes: whoever drips them is not waited for either.
        if let Some(head) = &mut this.head
            && head.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut this.inner).poll_read(context, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.judge(wrote, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.inner).poll_write_vectored(context, bytes);
        this.judge(wrote, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (time, left) = if let Some(linger) = &mut this.linger {
            linger
        } else {
            ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
            if !this.unheard.is_so() {
                return Poll::Ready(Ok(()));
            }
            let time = tokio::time::sleep(Duration::from_millis(limits::LINGER_MS));
            this.linger
                .insert((Box::pin(time), limits::LINGER_BYTES_MAX))
        };
        // Its bytes are taken and thrown away until it has heard us and closes, or has had its moment.
        let mut scrap = [0; 8 * 1024];
        loop {
            if time.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut into = ReadBuf::new(&mut scrap);
            let read = ready!(Pin::new(&mut this.inner).poll_read(context, &mut into));
            let count = into.filled().len();
            if read.is_err() || count == 0 || count > *left {
                return Poll::Ready(Ok(()));
            }
            *left -= count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_mins(5);

    fn patient() -> (
        Patient<tokio::io::DuplexStream>,
        tokio::io::DuplexStream,
        Spoken,
    ) {
        let (ours, theirs) = tokio::io::duplex(16);
        let spoken = Spoken::default();
        let seen = (spoken.clone(), Unheard::default());
        let patient = Patient::new(ours, seen, Instant::now() + HEAD, IDLE);
        (patient, theirs, spoken)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_never_finishes_its_first_head_is_left() {
        let (mut patient, mut theirs, _) = patient();
        theirs.write_all(b"P").await.unwrap();
        assert_eq!(patient.read_u8().await.unwrap(), b'P');
        let error = patient.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn dripping_bytes_do_not_buy_time() {
        let (mut patient, mut theirs, _) = patient();
        tokio::spawn(async move {
            while theirs.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let began = Instant::now();
        while patient.read_u8().await.is_ok() {}
        assert_eq!(began.elapsed(), HEAD);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_request_reading_is_not_hurried() {
        let (mut patient, mut theirs, spoken) = patient();
        spoken.note();
        tokio::spawn(async move {
            tokio::time::sleep(10 * HEAD).await;
            theirs.write_all(b"x").await.unwrap();
        });
        assert_eq!(patient.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_nothing_is_left_and_whoever_takes_a_little_is_not() {
        let (mut patient, mut theirs, _) = patient();
        let reader = tokio::spawn(async move {
            for _ in 0..20 {
                tokio::time::sleep(IDLE / 2).await;
                theirs.read_u8().await.unwrap();
            }
            theirs
        });
        let began = Instant::now();
        let error = patient.write_all(&[7; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), 10 * IDLE + IDLE);
        drop(reader.await.unwrap());
    }

    /// One on which we have answered and will read no more.
    fn answered(is_unheard: bool) -> (Patient<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (patient, theirs, _) = patient();
        let body = http_body_util::Full::new(bytes::Bytes::from_static(b"more"));
        if is_unheard {
            drop(patient.unheard.watch(body));
        }
        (patient, theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_was_answered_too_early_may_finish() {
        let (mut patient, mut theirs) = answered(true);
        let sender = tokio::spawn(async move {
            theirs.write_all(&[7; 1000]).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            theirs.write_all(&[7; 1000]).await
        });
        patient.shutdown().await.unwrap();
        sender.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_never_finishes_gets_a_moment_and_a_flood_not_even_that() {
        for (pause, pieces) in [
            (Duration::from_millis(100), 21),
            (Duration::ZERO, 2_000_000),
        ] {
            let (mut patient, mut theirs) = answered(true);
            let sender = tokio::spawn(async move {
                let mut sent = 0;
                while theirs.write_all(&[7; 16]).await.is_ok() {
                    sent += 1;
                    tokio::time::sleep(pause).await;
                }
                sent
            });
            let began = Instant::now();
            patient.shutdown().await.unwrap();
            assert!(began.elapsed() <= Duration::from_millis(limits::LINGER_MS));
            drop(patient);
            assert!(sender.await.unwrap() <= pieces);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_was_heard_out_is_not_waited_for() {
        let (mut patient, _theirs) = answered(false);
        let began = Instant::now();
        patient.shutdown().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
