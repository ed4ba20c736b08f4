//! A connector's stream of events on its way to a client: each event as it came, looked at ([`crate::look`]) before it goes on. An event that
//! is another request's answer goes to nobody; a person who is shut out, other rules or groups that take the connector away, a grant or key
//! that was taken back, silence, a flood and an event that never ends close it. Owns the call's [`Running`], so a call is recorded whatever ends it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actions::pin::place;
use bytes::Bytes;
use domain::policy::Connector;
use domain::{Policy, ReasonCode, limits};
use http_body::Frame;
use http_body_util::BodyExt as _;
use ledger::record::Ended;
use pipeline::identity::{Live, Verified};
use pipeline::{End, Inspection, Rules, Running};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::frames::{Event, Frames};
use crate::grants::{Giving, taken_back};
use crate::look::{Keep, Seen, look};
use crate::place::Place;
use crate::refused::Asked;
use crate::upstream::{Coming, Cut};

/// What a stream is looked at for.
pub struct Watch {
    /// How errors are worded, and which request is answered; a stream of nobody's request has no id.
    pub asked: Asked,
    /// What stays in lists.
    pub keep: Keep,
    /// What is looked for in the answer.
    pub inspection: Option<Inspection>,
    /// The call that is recorded.
    pub running: Option<Running>,
    /// The caller's revocation.
    pub live: Arc<Live>,
    /// One of the calls that may run at once.
    pub place: Place,
    /// Whose stream it is, as long as the rules have it.
    pub source: Source,
    /// Whether a stream of nobody's request was taken up again: then it may bring an answer of before.
    pub is_resumed: bool,
    /// What it goes on with, as long as that stands.
    pub giving: Option<Giving>,
}

/// Whose stream it is and of which connector, and the rules that may take that away.
#[derive(Debug)]
pub struct Source {
    /// The connector, as the rules had it when the stream began.
    pub connector: Arc<Connector>,
    /// Who listens.
    pub who: Arc<Verified>,
    /// The rules in force.
    pub rules: Arc<Rules>,
    /// Those that were last found to leave it as it is.
    pub judged: Option<Arc<Policy>>,
}

impl Source {
    /// Whether the connector is where it was and is there for them, by the rules and by the groups of this moment.
    fn is_there(&mut self) -> bool {
        if self.who.has_other_groups() {
            return false;
        }
        let rules = self.rules.current();
        if self
            .judged
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, &rules))
        {
            return true;
        }
        let was = &*self.connector;
        let is_same = |now: &Connector| {
            place(now) == place(was)
                && (now.transport, now.credential) == (was.transport, was.credential)
        };
        let theirs = self.who.caller_policy(&rules);
        let is_there = rules.connector_there(&was.name).is_some_and(is_same)
            && theirs.connector(&was.name).is_some();
        self.judged = is_there.then_some(rules);
        is_there
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Watch")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}

/// The client's side of a stream.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Bytes>);

impl Events {
    /// Of events that come from here, each whole.
    pub const fn of(from: mpsc::Receiver<Bytes>) -> Self {
        Self(from)
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.poll_recv(context);
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Why a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// The answer has come.
    Answered {
        well: bool,
    },
    /// The connector has ended it.
    Ended,
    ClientGone,
    Revoked,
    /// For this reason, which the client is told.
    Cut(ReasonCode),
}

/// Passes a stream on until it is over.
pub fn passed_on(upstream: Coming, watch: Watch) -> Events {
    let (to, from) = mpsc::channel(limits::MCP_EVENTS_WAITING);
    tokio::spawn(pass(upstream, watch, to));
    Events(from)
}

async fn pass(upstream: Coming, mut watch: Watch, to: mpsc::Sender<Bytes>) {
    let mut passing = Passing {
        upstream,
        frames: Frames::new(limits::MCP_MESSAGE_BYTES_MAX),
        events: 0,
        can_resume: false,
    };
    let live = Arc::clone(&watch.live);
    let giving = watch.giving.take();
    let over = tokio::select! {
        biased;
        _ = live.revoked() => Over::Revoked,
        code = taken_back(giving) => Over::Cut(code),
        () = to.closed() => Over::ClientGone,
        over = passing.run(&mut watch, &to) => over,
    };
    // The connector hears at once that nobody listens.
    let Passing {
        upstream,
        can_resume,
        ..
    } = passing;
    drop(upstream);
    let told = match over {
        Over::Cut(code) => Some(code),
        Over::Revoked => Some(ReasonCode::PersonRevoked),
        // Whoever has an id of an event can take the stream up again, and the answer will come there.
        Over::Ended if !can_resume => Some(ReasonCode::UpstreamUnavailable),
        _ => None,
    };
    if let (Some(code), Some(_)) = (told, &watch.asked.id) {
        let sentence = domain::Refusal::plain(code).sentence();
        let error = watch.asked.error(-32603, &sentence, Some(code));
        let last = Bytes::from(format!("event: message\ndata: {error}\n\n"));
        let _nobody_may_listen = timeout(Duration::from_secs(1), to.send(last)).await;
    }
    end(watch, over, told);
}

fn end(watch: Watch, over: Over, told: Option<ReasonCode>) {
    let Some(mut running) = watch.running else {
        return;
    };
    if let Some(inspection) = watch.inspection {
        running.found(inspection);
    }
    let how = match over {
        Over::Answered { well: true } => Ended::Complete,
        Over::Answered { well: false } => Ended::Error,
        Over::ClientGone => Ended::ClientGone,
        Over::Revoked => Ended::Revoked,
        Over::Ended | Over::Cut(_) => Ended::UpstreamCut,
    };
    running.end(End::unseen(how, told));
}

struct Passing {
    upstream: Coming,
    frames: Frames,
    events: u64,
    can_resume: bool,
}

impl Passing {
    async fn run(&mut self, watch: &mut Watch, to: &mpsc::Sender<Bytes>) -> Over {
        let (mut last_bytes, mut last_sign) = (Instant::now(), Instant::now());
        let look = Duration::from_millis(limits::STREAM_LOOK_MS);
        let ping = Duration::from_millis(limits::PING_AFTER_MS);
        loop {
            let came = timeout(look, self.upstream.frame()).await;
            if !watch.source.is_there() {
                return Over::Cut(ReasonCode::ConnectorNotAvailable);
            }
            match came {
                Err(_) if last_sign.elapsed() < ping => {}
                Err(_) => {
                    last_sign = Instant::now();
                    let silent =
                        last_bytes.elapsed() >= Duration::from_millis(limits::UPSTREAM_IDLE_MS);
                    if silent && watch.asked.id.is_some() {
                        return Over::Cut(ReasonCode::UpstreamTimeout);
                    }
                    if to.send(Bytes::from_static(b": waiting\n\n")).await.is_err() {
                        return Over::ClientGone;
                    }
                }
                Ok(None) => return Over::Ended,
                Ok(Some(Err(Cut(code)))) => return Over::Cut(code),
                Ok(Some(Ok(frame))) => {
                    (last_bytes, last_sign) = (Instant::now(), Instant::now());
                    let Ok(bytes) = frame.into_data() else {
                        continue;
                    };
                    self.frames.push(&bytes);
                    if let Some(over) = self.events(watch, to).await {
                        return over;
                    }
                }
            }
        }
    }

    /// Passes on every event that is whole.
    async fn events(&mut self, watch: &mut Watch, to: &mpsc::Sender<Bytes>) -> Option<Over> {
        loop {
            let event = match self.frames.take() {
                Ok(Some(event)) => event,
                Ok(None) => return None,
                Err(_) => return Some(Over::Cut(ReasonCode::UpstreamGarbled)),
            };
            self.events += 1;
            if self.events > limits::MCP_EVENTS_MAX {
                return Some(Over::Cut(ReasonCode::UpstreamGarbled));
            }
            self.can_resume |= event.has_id;
            let (bytes, over) = judged(&event, watch);
            if let Some(bytes) = bytes
                && to.send(bytes).await.is_err()
            {
                return Some(Over::ClientGone);
            }
            if over.is_some() {
                return over;
            }
        }
    }
}

/// What goes on of an event, and whether it ends the stream.
fn judged(event: &Event, watch: &mut Watch) -> (Option<Bytes>, Option<Over>) {
    let raw = || Some(event.raw.clone());
    let data = match &event.data {
        Some(data) if !data.is_empty() => data,
        _ => return (raw(), None),
    };
    let expected = watch.asked.expected();
    let ends = |well: bool| expected.is_some().then_some(Over::Answered { well });
    match look(data, expected, &watch.keep, watch.inspection.as_mut()) {
        // What answers a call comes where the call waits for it, and is recorded there.
        Seen::Answer(..) if expected.is_none() && !watch.is_resumed => {
            tracing::warn!("a connector answered a request on a stream that none was asked on");
            (None, None)
        }
        Seen::Pass(None) => (raw(), None),
        Seen::Pass(Some(text)) => (Some(event.with_data(&one_line(&text))), None),
        Seen::Drop => {
            tracing::warn!("a connector answered a request that was not asked here");
            (None, None)
        }
        Seen::Answered => (None, None),
        Seen::Answer(None, well) => (raw(), ends(well)),
        Seen::Answer(Some(text), well) => (Some(event.with_data(&one_line(&text))), ends(well)),
        Seen::Garbled => (None, Some(Over::Cut(ReasonCode::UpstreamGarbled))),
    }
}

/// The same JSON without line breaks, which stand between its tokens only.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
