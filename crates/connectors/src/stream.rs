//! A connector's stream of events on its way to a client: each event as it came, looked at before it goes on. An event that is another
//! request's answer goes to nobody; lists lose what may not be done; a person who is shut out, silence, a flood and an event that never
//! ends close it. Owns the call's [`Running`], so a call is recorded whatever ends it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use domain::{ReasonCode, limits};
use http_body::Frame;
use http_body_util::BodyExt as _;
use ledger::record::Ended;
use pipeline::identity::Live;
use pipeline::{End, Inspection, Running};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::envelope::{Id, Message};
use crate::frames::{Event, Frames};
use crate::listing;
use crate::place::Place;
use crate::refused::Asked;
use crate::upstream::{Coming, Cut};

/// Decides what of a listed action is shown.
pub type Keep = Arc<dyn listing::Lists>;

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
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Watch")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}

/// What is to be done with one message of a connector.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// It goes on as it is.
    Pass,
    /// It goes to nobody.
    Drop,
    /// It was answered here, and goes to nobody either.
    Answered,
    /// It is the answer, and goes on as it is, or so. The last says whether it is a result.
    Answer(Option<String>, bool),
    /// It cannot be understood, and the stream ends.
    Garbled,
}

/// Looks at one message. `expected` is the request that is answered; without one, an answer is an earlier request's, taken up again.
pub fn look(
    data: &[u8],
    expected: Option<&Id>,
    keep: &Keep,
    inspection: Option<&mut Inspection>,
) -> Seen {
    let (Ok(message), Ok(text)) = (Message::read(data), str::from_utf8(data)) else {
        return Seen::Garbled;
    };
    let (id, result) = match message {
        Message::Response { id, result } => (id, result),
        Message::Notification { .. } => return Seen::Pass,
        Message::Request { id, method, .. } => {
            return match keep.is_answered(&id, &method) {
                Ok(true) => Seen::Answered,
                Ok(false) => Seen::Pass,
                Err(_) => Seen::Garbled,
            };
        }
    };
    if expected.is_some() && id.as_ref() != expected && !(id.is_none() && result.is_none()) {
        return Seen::Drop;
    }
    let changed = match result {
        None => Ok(None),
        Some(result) => {
            if let Some(inspection) = inspection.filter(|inspection| inspection.is_on()) {
                texts(result, inspection);
            }
            listing::filtered(text, result, &**keep)
        }
    };
    let handed_on = changed.and_then(|changed| {
        let handed_on = keep.handed_on(changed.as_deref().unwrap_or(text))?;
        Ok(handed_on.or(changed))
    });
    match handed_on {
        Ok(changed) => Seen::Answer(changed, result.is_some()),
        Err(_) => Seen::Garbled,
    }
}

/// Shows every text of a value to an inspection; what cannot be read so is shown as it is written.
pub fn texts(json: &str, inspection: &mut Inspection) {
    match crate::strict::value(json) {
        Ok(value) => walk(&value, inspection),
        Err(_) => inspection.text(json),
    }
}

/// Shows every text of a value, and every number, to an inspection.
pub fn walk(value: &serde_json::Value, inspection: &mut Inspection) {
    match value {
        serde_json::Value::String(text) => inspection.text(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, inspection)),
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                inspection.text(name);
                walk(member, inspection);
            }
        }
        serde_json::Value::Number(number) => inspection.text(&number.to_string()),
        serde_json::Value::Null | serde_json::Value::Bool(_) => {}
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
    let over = tokio::select! {
        biased;
        _ = live.revoked() => Over::Revoked,
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
        let mut last_bytes = Instant::now();
        let ping = Duration::from_millis(limits::PING_AFTER_MS);
        loop {
            match timeout(ping, self.upstream.frame()).await {
                Err(_) => {
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
                    last_bytes = Instant::now();
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
        Seen::Pass => (raw(), None),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(data: &str, expected: Option<i64>) -> Seen {
        let keep: Keep = Arc::new(listing::tests::Only("get"));
        look(
            data.as_bytes(),
            expected.map(Id::Number).as_ref(),
            &keep,
            None,
        )
    }

    #[test]
    fn an_answer_to_another_request_goes_to_nobody() {
        assert_eq!(
            seen(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, Some(7)),
            Seen::Answer(None, true)
        );
        assert_eq!(
            seen(r#"{"jsonrpc":"2.0","id":8,"result":{}}"#, Some(7)),
            Seen::Drop
        );
        assert_eq!(
            seen(r#"{"jsonrpc":"2.0","id":"7","result":{}}"#, Some(7)),
            Seen::Drop
        );
        assert_eq!(
            seen(r#"{"jsonrpc":"2.0","id":8,"error":{}}"#, Some(7)),
            Seen::Drop
        );
        assert_eq!(
            seen(r#"{"jsonrpc":"2.0","id":8,"result":{}}"#, None),
            Seen::Answer(None, true)
        );
    }

    #[test]
    fn what_a_connector_tells_and_asks_passes_and_what_is_no_message_ends_the_stream() {
        assert_eq!(
            seen(
                r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#,
                Some(7)
            ),
            Seen::Pass
        );
        assert_eq!(
            seen(
                r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create"}"#,
                Some(7)
            ),
            Seen::Pass
        );
        for text in [
            "x",
            "[]",
            r#"[{"jsonrpc":"2.0","id":7,"result":{}}]"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"tools":5}}"#,
        ] {
            assert_eq!(seen(text, Some(7)), Seen::Garbled, "{text}");
        }
    }

    #[test]
    fn a_list_is_filtered_wherever_it_comes() {
        let list = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"get"},{"name":"put"}]}}"#;
        let kept = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"get"}]}}"#;
        for expected in [Some(7), None] {
            assert_eq!(
                seen(list, expected),
                Seen::Answer(Some(kept.to_owned()), true)
            );
        }
    }
}
