//! The answer on its way to the client: bytes pass as they come, and are looked at beside. A [`Relay`] owns the call's
//! [`Running`], so the call is settled whatever ends it: the answer's end, a broken provider, a client that leaves, a person
//! who is shut out, a budget that runs dry, a provider that falls silent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use domain::{ReasonCode, Usage, limits};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use ledger::record::Ended;
use pipeline::identity::Live;
use pipeline::quota::{Extension, Waiting};
use pipeline::settle::GRANTS_AWAITED_MAX;
use pipeline::{End, Running, Used};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wire::usage::{Progress, UsageMeter};

use crate::envelope;

/// Output tokens that a stream's money is held for at a time.
pub const STREAM_SLICE_TOKENS: u64 = 4_096;

/// A provider's answer, settling its call.
pub struct Relay {
    upstream: Option<Incoming>,
    running: Option<Running>,
    meter: Meter,
    live: Arc<Live>,
    /// Resolves when access is taken away.
    revoked: Pin<Box<dyn Future<Output = ()> + Send>>,
    timer: Pin<Box<Sleep>>,
    last_bytes: Instant,
    pinged: Instant,
    /// Output tokens that money is held for.
    held_tokens: u64,
    /// Bytes whose money is waited for.
    unpaid: Option<Unpaid>,
    /// One of the calls that may run at once.
    place: Option<OwnedSemaphorePermit>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Relay")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

/// How an answer's usage is read.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one to a call, and nearly all are streams"
)]
enum Meter {
    Stream(UsageMeter),
    /// None once it is longer than we hold.
    Whole(Option<Vec<u8>>),
}

impl Relay {
    /// Relays `upstream`, an event stream or one JSON document.
    pub fn new(
        upstream: Incoming,
        is_stream: bool,
        held_tokens: u64,
        running: Running,
        live: Arc<Live>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let now = Instant::now();
        let waits_for = Arc::clone(&live);
        Self {
            upstream: Some(upstream),
            running: Some(running),
            meter: if is_stream {
                Meter::Stream(UsageMeter::new(limits::SSE_LINE_BYTES_MAX))
            } else {
                Meter::Whole(Some(Vec::new()))
            },
            live,
            revoked: Box::pin(async move {
                waits_for.revoked().await;
            }),
            timer: Box::pin(tokio::time::sleep(Duration::from_millis(
                limits::PING_AFTER_MS,
            ))),
            last_bytes: now,
            pinged: now,
            held_tokens,
            unpaid: None,
            place: Some(place),
        }
    }

    /// Looks at what came, and passes it on when it is paid for.
    fn on_bytes(&mut self, bytes: Bytes) -> Paid {
        self.last_bytes = Instant::now();
        self.meter.push(&bytes);
        self.pay(bytes, 0)
    }

    /// Holds money for what came, unless it is held already.
    fn pay(&mut self, bytes: Bytes, awaited: usize) -> Paid {
        let Meter::Stream(meter) = &self.meter else {
            return Paid::Yes(bytes);
        };
        let needs = meter.output_tokens_so_far();
        if needs < self.held_tokens {
            return Paid::Yes(bytes);
        }
        let more = needs - self.held_tokens + STREAM_SLICE_TOKENS;
        let Some(running) = &mut self.running else {
            return Paid::Yes(bytes);
        };
        match running.extend(more) {
            Extension::Held => {
                self.held_tokens += more;
                Paid::Yes(bytes)
            }
            Extension::Refused(code) => Paid::No(code),
            Extension::Waits(_) if awaited >= GRANTS_AWAITED_MAX => {
                Paid::No(ReasonCode::StoreUnavailable)
            }
            Extension::Waits(granted) => {
                self.unpaid = Some(Unpaid {
                    bytes,
                    granted,
                    awaited: awaited + 1,
                });
                Paid::Waits
            }
        }
    }

    /// Goes on paying for what is not paid for yet; none when nothing is.
    fn poll_unpaid(&mut self, context: &mut Context<'_>) -> Option<Poll<Paid>> {
        let mut unpaid = self.unpaid.take()?;
        match unpaid.granted.as_mut().poll(context) {
            Poll::Pending => {
                self.unpaid = Some(unpaid);
                Some(Poll::Pending)
            }
            Poll::Ready(Err(code)) => Some(Poll::Ready(Paid::No(code))),
            Poll::Ready(Ok(())) => Some(Poll::Ready(self.pay(unpaid.bytes, unpaid.awaited))),
        }
    }

    /// What there is to do while the provider is silent.
    fn on_silence(&mut self, context: &mut Context<'_>) -> Option<Silence> {
        if self.revoked.as_mut().poll(context).is_ready() {
            return Some(Silence::Cut(Cut::Revoked));
        }
        while self.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let silent = now.duration_since(self.last_bytes);
            if silent >= Duration::from_millis(limits::UPSTREAM_IDLE_MS) {
                return Some(Silence::Cut(Cut::Silent));
            }
            let ping_every = Duration::from_millis(limits::PING_AFTER_MS);
            let due = self.last_bytes.max(self.pinged) + ping_every;
            self.timer
                .as_mut()
                .reset(if due > now { due } else { now + ping_every });
            if due <= now {
                self.pinged = now;
                if matches!(&self.meter, Meter::Stream(meter) if meter.at_boundary()) {
                    return Some(Silence::Ping);
                }
            }
        }
        None
    }

    /// Ends the call for a cause of ours; a stream is told why, as its last event.
    fn cut(&mut self, cut: Cut) -> Option<Bytes> {
        self.upstream = None;
        self.place = None;
        let running = self.running.take()?;
        let request = running.request();
        let (how, code) = match cut {
            Cut::Revoked => (Ended::Revoked, ReasonCode::PersonRevoked),
            Cut::Budget(code) => (Ended::Error, code),
            Cut::Silent => (Ended::UpstreamCut, ReasonCode::UpstreamTimeout),
            Cut::Broken => (Ended::UpstreamCut, ReasonCode::UpstreamUnavailable),
        };
        running.end(End {
            how,
            used: self.meter.used(),
            code: Some(code),
        });
        let Meter::Stream(meter) = &self.meter else {
            return None;
        };
        let face = envelope::face_of(code);
        let refusal = domain::Refusal::plain(code);
        let event = envelope::body(face.kind, &refusal.sentence(), request);
        let lead = if meter.at_boundary() { "" } else { "\n\n" };
        Some(Bytes::from(format!(
            "{lead}event: error\ndata: {event}\n\n"
        )))
    }

    /// Settles with the last byte: whoever knows an answer's length does not ask for more after it.
    fn finish_if_whole(&mut self) {
        let is_whole = self.upstream.as_ref().is_some_and(|upstream| {
            upstream.is_end_stream() || upstream.size_hint().exact() == Some(0)
        });
        if is_whole {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.upstream = None;
        self.place = None;
        let Some(mut running) = self.running.take() else {
            return;
        };
        let (how, code) = match &self.meter {
            Meter::Whole(_) => (Ended::Complete, None),
            Meter::Stream(meter) => match meter.progress() {
                Progress::Complete => (Ended::Complete, None),
                Progress::Failed => (Ended::Error, Some(ReasonCode::UpstreamUnavailable)),
                Progress::Partial | Progress::Nothing => {
                    (Ended::UpstreamCut, Some(ReasonCode::UpstreamUnavailable))
                }
            },
        };
        if self.meter.failed_at_once() {
            running.came_back();
        }
        let used = self.meter.used();
        running.end(End { how, used, code });
    }
}

impl Meter {
    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Stream(meter) => meter.push(bytes),
            Self::Whole(held) => {
                if let Some(seen) = held {
                    if seen.len() + bytes.len() <= limits::ANSWER_BYTES_MAX {
                        seen.extend_from_slice(bytes);
                    } else {
                        *held = None;
                    }
                }
            }
        }
    }

    /// What the answer used, as far as it came.
    fn used(&self) -> Used {
        match self {
            Self::Stream(meter) if meter.progress() == Progress::Complete => {
                Used::Counted(meter.usage())
            }
            Self::Stream(meter) => Used::Estimated(meter.estimate()),
            Self::Whole(seen) => seen
                .as_deref()
                .and_then(wire::usage::from_answer)
                .map_or(Used::Unseen, Used::Counted),
        }
    }

    /// Whether a stream is an error and nothing else.
    fn failed_at_once(&self) -> bool {
        matches!(self, Self::Stream(meter)
            if meter.progress() == Progress::Failed && meter.estimate() == Usage::default())
    }
}

/// Why we end an answer ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Revoked,
    /// No money, for this reason.
    Budget(ReasonCode),
    Silent,
    Broken,
}

/// Whether bytes may go on to the client.
enum Paid {
    Yes(Bytes),
    /// Once money for them is granted.
    Waits,
    No(ReasonCode),
}

/// Bytes that wait for money.
struct Unpaid {
    bytes: Bytes,
    granted: Waiting,
    /// How often they have waited.
    awaited: usize,
}

enum Silence {
    Cut(Cut),
    Ping,
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let relay = self.get_mut();
        if relay.upstream.is_none() {
            return Poll::Ready(None);
        }
        if relay.live.is_revoked() {
            return relay.last_words(Cut::Revoked);
        }
        loop {
            match relay.poll_unpaid(context) {
                None => {}
                Some(Poll::Ready(Paid::Waits)) => continue,
                Some(Poll::Ready(Paid::Yes(bytes))) => return relay.pass_on(bytes),
                Some(Poll::Ready(Paid::No(code))) => return relay.last_words(Cut::Budget(code)),
                Some(Poll::Pending) => return relay.wait(context),
            }
            let Some(upstream) = &mut relay.upstream else {
                return Poll::Ready(None);
            };
            match Pin::new(upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => match relay.on_bytes(bytes) {
                        Paid::Yes(bytes) => return relay.pass_on(bytes),
                        Paid::No(code) => return relay.last_words(Cut::Budget(code)),
                        Paid::Waits => {}
                    },
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        let trailers = crate::upstream::headers::incoming(&trailers);
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                },
                Poll::Ready(None) => {
                    relay.finish();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::warn!(error = %error, "the provider's answer broke off");
                    return relay.last_words(Cut::Broken);
                }
                Poll::Pending => return relay.wait(context),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.upstream
            .as_ref()
            .is_none_or(|upstream| upstream.is_end_stream() && self.running.is_none())
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.meter, &self.upstream) {
            (Meter::Whole(_), Some(upstream)) => upstream.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

impl Relay {
    fn pass_on(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.finish_if_whole();
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    /// While there is nothing to pass on.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.on_silence(context) {
            None => Poll::Pending,
            Some(Silence::Ping) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(
                b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
            ))))),
            Some(Silence::Cut(cut)) => self.last_words(cut),
        }
    }

    fn last_words(&mut self, cut: Cut) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Poll::Ready(Some(match self.cut(cut) {
            Some(bytes) => Ok(Frame::data(bytes)),
            // A JSON document cannot be ended well half way; the connection is broken off, so that nobody takes it for whole.
            None => Err(Broken),
        }))
    }
}

/// The answer cannot be completed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the answer was broken off")]
pub struct Broken;

impl Drop for Relay {
    /// The client has left. The provider is heard out for a while, so that what was used is known.
    fn drop(&mut self) {
        let (Some(upstream), Some(running)) = (self.upstream.take(), self.running.take()) else {
            return;
        };
        let placeholder = Meter::Whole(None);
        let meter = std::mem::replace(&mut self.meter, placeholder);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let place = self.place.take();
                runtime.spawn(async move {
                    let _one_of_many = place;
                    hear_out(upstream, meter, running).await;
                });
            }
            Err(_) => drop(running),
        }
    }
}

async fn hear_out(mut upstream: Incoming, mut meter: Meter, running: Running) {
    use http_body_util::BodyExt as _;
    let rest = async {
        while let Some(Ok(frame)) = upstream.frame().await {
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            meter.push(&bytes);
        }
    };
    let time = Duration::from_millis(limits::DRAIN_AFTER_DISCONNECT_MS);
    let _ended_or_not = tokio::time::timeout(time, rest).await;
    running.end(End {
        how: Ended::ClientGone,
        used: meter.used(),
        code: None,
    });
}
