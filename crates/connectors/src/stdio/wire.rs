//! What is said to one program and what it says, one JSON text a line. Requests of many people go out under ids and progress tokens of
//! ours, so that nothing it says can reach anybody but whoever asked; what is meant for nobody in particular reaches nobody. Knows no
//! process; called by [`super::process`].

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use domain::{ReasonCode, Refusal, Subject, limits};
use http_body::Frame;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::envelope::{self, Id, Message};
use crate::stream::one_line;
use crate::strict::{Malformed, Members, spliced};
use crate::upstream::Cut;

/// The two directions, and who waits for what.
#[derive(Debug)]
pub(super) struct Wire {
    to: mpsc::Sender<Bytes>,
    calls: Mutex<Calls>,
}

#[derive(Debug)]
struct Calls {
    next: i64,
    open: HashMap<i64, Waiting>,
    /// Why there will be no more answers.
    over: Option<ReasonCode>,
    /// When somebody last asked or was answered.
    used: Instant,
    /// What it has said since its last answer.
    said: u64,
}

/// A request that is not answered yet.
#[derive(Debug)]
struct Waiting {
    to: mpsc::Sender<Result<Heard, Cut>>,
    /// As its client wrote it.
    id: String,
    /// Under what its client hears of progress, as they wrote it.
    token: Option<String>,
    whose: Asker,
}

/// Whose request it is: somebody, in one session of theirs.
pub(super) type Asker = (Option<Subject>, Option<String>);

/// What a program says to one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It goes on.
    Progress(String),
    /// It is answered.
    Answer(String),
}

/// A request that was sent, until it is dropped; what is not answered then is cancelled.
#[derive(Debug)]
pub(super) struct Asked {
    wire: Arc<Wire>,
    number: i64,
    from: mpsc::Receiver<Result<Heard, Cut>>,
}

impl Wire {
    /// With where lines go.
    pub(super) fn new(to: mpsc::Sender<Bytes>) -> Arc<Self> {
        Arc::new(Self {
            to,
            calls: Mutex::new(Calls {
                next: 0,
                open: HashMap::new(),
                over: None,
                used: Instant::now(),
                said: 0,
            }),
        })
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when nobody has needed it; none while somebody does.
    pub(super) fn unused_since(&self) -> Option<Instant> {
        let calls = self.calls();
        calls.open.is_empty().then_some(calls.used)
    }

    /// Whether it answers no more.
    pub(super) fn is_over(&self) -> bool {
        self.calls().over.is_some()
    }

    /// Ends every request, and all that come.
    pub(super) fn end(&self, why: ReasonCode) {
        let mut calls = self.calls();
        calls.over.get_or_insert(why);
        for (_, waiting) in calls.open.drain() {
            // One place is always kept for this or for the answer.
            let _nobody_may_listen = waiting.to.try_send(Err(Cut(why)));
        }
    }

    /// Sends a request. `hears_events` is whether whoever asks is told of progress.
    pub(super) async fn ask(
        self: &Arc<Self>,
        text: &str,
        hears_events: bool,
        whose: Asker,
    ) -> Result<Asked, Refusal> {
        let garbled = |_: Malformed| Refusal::plain(ReasonCode::BodyMalformed);
        let members = Members::read(text, &[]).map_err(garbled)?;
        let id = members.get("id").unwrap_or("null");
        let meta = within(members.get("params"), "_meta").map_err(garbled)?;
        let token = within(meta, "progressToken").map_err(garbled)?;
        let asked = self.waits(id, token.filter(|_| hears_events), whose)?;
        let mut changes = vec![(id, asked.number.to_string())];
        changes.extend(token.map(|token| (token, asked.number.to_string())));
        let line = one_line(&spliced(text, &changes)) + "\n";
        let sent = self.to.send(line.into()).await;
        sent.map_err(|_| self.refusal())?;
        Ok(asked)
    }

    fn refusal(&self) -> Refusal {
        let over = self.calls().over;
        Refusal::plain(over.unwrap_or(ReasonCode::UpstreamUnavailable))
    }

    fn waits(
        self: &Arc<Self>,
        id: &str,
        token: Option<&str>,
        whose: Asker,
    ) -> Result<Asked, Refusal> {
        let mut calls = self.calls();
        if let Some(why) = calls.over {
            return Err(Refusal::plain(why));
        }
        if calls.open.len() >= limits::PROGRAM_CALLS_MAX {
            return Err(Refusal::plain(ReasonCode::ConcurrencyLimit));
        }
        let (to, from) = mpsc::channel(limits::MCP_EVENTS_WAITING);
        let number = calls.next;
        calls.next += 1;
        calls.used = Instant::now();
        let waiting = Waiting {
            to,
            id: id.to_owned(),
            token: token.map(str::to_owned),
            whose,
        };
        calls.open.insert(number, waiting);
        Ok(Asked {
            wire: Arc::clone(self),
            number,
            from,
        })
    }

    /// Sends a notification of ours.
    pub(super) fn tell(&self, text: &str) {
        // A program that does not read what it is told misses it.
        let _full = self.to.try_send(format!("{text}\n").into());
    }

    /// Tells of a request that its client wants no more.
    pub(super) fn cancel(&self, params: Option<&str>, whose: &Asker) {
        let Ok(Some(id)) = within(params, "requestId") else {
            return;
        };
        let calls = self.calls();
        let theirs = |(_, waiting): &(&i64, &Waiting)| waiting.id == id && waiting.whose == *whose;
        let found = calls.open.iter().find(theirs).map(|(number, _)| *number);
        drop(calls);
        if let Some(number) = found {
            self.tell(&cancelled(number));
        }
    }

    /// Takes a line that the program said; an error where it can be no message, or there are too many.
    pub(super) fn heard(&self, line: &[u8]) -> Result<(), ReasonCode> {
        let (Ok(message), Ok(text)) = (Message::read(line), str::from_utf8(line)) else {
            return Err(ReasonCode::UpstreamGarbled);
        };
        let mut calls = self.calls();
        calls.said += 1;
        if calls.said > limits::MCP_EVENTS_MAX {
            return Err(ReasonCode::UpstreamGarbled);
        }
        match message {
            Message::Response {
                id: Some(Id::Number(number)),
                ..
            } => {
                if let Some(waiting) = calls.open.remove(&number) {
                    (calls.said, calls.used) = (0, Instant::now());
                    let answer = renamed(text, &["id"], &waiting.id)?;
                    let _nobody_may_listen = waiting.to.try_send(Ok(Heard::Answer(answer)));
                }
            }
            Message::Notification { method, params } if method == "notifications/progress" => {
                calls.progress(text, params)?;
            }
            Message::Request { id, method, .. } => {
                drop(calls);
                self.tell(&answer_to(&id, &method));
            }
            // Nobody was meant in particular, so nobody hears it.
            Message::Response { .. } | Message::Notification { .. } => {}
        }
        Ok(())
    }
}

impl Calls {
    fn progress(&mut self, text: &str, params: Option<&str>) -> Result<(), ReasonCode> {
        let token = within(params, "progressToken").map_err(|_| ReasonCode::UpstreamGarbled)?;
        let number = token.and_then(|token| token.parse().ok());
        let waiting = number.and_then(|number: i64| self.open.get(&number));
        if let Some(waiting) = waiting
            && let Some(token) = &waiting.token
            // One place is kept for the answer; whoever reads slowly misses some progress.
            && waiting.to.capacity() > 1
        {
            let said = renamed(text, &["params", "progressToken"], token)?;
            let _nobody_may_listen = waiting.to.try_send(Ok(Heard::Progress(said)));
        }
        Ok(())
    }
}

/// A member of an object, as it is written.
fn within<'t>(object: Option<&'t str>, name: &'static str) -> Result<Option<&'t str>, Malformed> {
    match object.filter(|text| text.starts_with('{')) {
        Some(text) => Ok(Members::read(text, &[name])?.get(name)),
        None => Ok(None),
    }
}

/// The text with something else for one member of it.
fn renamed(text: &str, path: &[&'static str], to: &str) -> Result<String, ReasonCode> {
    let mut at = Some(text.trim());
    for name in path {
        at = within(at, name).map_err(|_| ReasonCode::UpstreamGarbled)?;
    }
    let part = at.ok_or(ReasonCode::UpstreamGarbled)?;
    Ok(one_line(&spliced(text, &[(part, to.to_owned())])))
}

fn cancelled(number: i64) -> String {
    let params = format!("{{\"requestId\":{number}}}");
    envelope::notification("notifications/cancelled", params)
}

/// What a program hears that asks something: there is nobody behind us whom it could mean.
fn answer_to(id: &Id, method: &str) -> String {
    match method {
        "ping" => envelope::result(id, "{}"),
        _ => envelope::error(
            id,
            r#"{"code":-32601,"message":"A program is not answered what it asks of clients."}"#,
        ),
    }
}

impl Asked {
    /// What is said next; an error where there is nothing more to come.
    pub(super) async fn next(&mut self) -> Result<Heard, Cut> {
        let ended = || Err(Cut(ReasonCode::UpstreamUnavailable));
        self.from.recv().await.unwrap_or_else(ended)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut calls = self.wire.calls();
        let unanswered = calls.open.remove(&self.number);
        calls.used = Instant::now();
        drop(calls);
        if unanswered.is_some() {
            self.wire.tell(&cancelled(self.number));
        }
    }
}

/// An answer that comes in pieces, as a stream of events.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) first: Option<Heard>,
    pub(super) asked: Asked,
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let event = |heard| {
            let (Heard::Progress(text) | Heard::Answer(text)) = heard;
            Frame::data(format!("event: message\ndata: {text}\n\n").into())
        };
        if let Some(heard) = self.first.take() {
            return Poll::Ready(Some(Ok(event(heard))));
        }
        let next = self.asked.from.poll_recv(context);
        next.map(|heard| heard.map(|heard| heard.map(event)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::PersonId;

    fn wire() -> (Arc<Wire>, mpsc::Receiver<Bytes>) {
        let (to, from) = mpsc::channel(limits::PROGRAM_LINES_WAITING);
        (Wire::new(to), from)
    }

    fn of(person: u128) -> Asker {
        let subject = Subject::Person(PersonId::from_parts(1, person));
        (Some(subject), Some("s".to_owned()))
    }

    fn said(from: &mut mpsc::Receiver<Bytes>) -> String {
        String::from_utf8(from.try_recv().unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn two_peoples_requests_of_one_id_get_their_own_answers() {
        let (wire, mut from) = wire();
        let text = "{\"jsonrpc\":\"2.0\",\n \"id\":7,\"method\":\"x\",\"params\":{\"a\":1.0,\"_meta\":{\"progressToken\":\"t\",\"b\":2}}}";
        let mut ada = wire.ask(text, true, of(1)).await.unwrap();
        let mut bob = wire.ask(text, true, of(2)).await.unwrap();
        assert_eq!(
            said(&mut from),
            "{\"jsonrpc\":\"2.0\",  \"id\":0,\"method\":\"x\",\"params\":{\"a\":1.0,\"_meta\":{\"progressToken\":0,\"b\":2}}}\n"
        );
        assert!(said(&mut from).contains("\"id\":1,"));
        for line in [
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":1}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"t"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"of somebody"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"id":5}}"#,
            r#"{"jsonrpc":"2.0","id":"0","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":99,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":0,"error":{"code":1}}"#,
        ] {
            wire.heard(line.as_bytes()).unwrap();
        }
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"t"}}"#;
        assert_eq!(bob.next().await, Ok(Heard::Progress(progress.to_owned())));
        let answer = r#"{"jsonrpc":"2.0","id":7,"result":{"id":5}}"#;
        assert_eq!(bob.next().await, Ok(Heard::Answer(answer.to_owned())));
        let answer = r#"{"jsonrpc":"2.0","id":7,"error":{"code":1}}"#;
        assert_eq!(ada.next().await, Ok(Heard::Answer(answer.to_owned())));
        drop((ada, bob));
        assert!(
            from.try_recv().is_err(),
            "what was answered is not cancelled"
        );
    }

    #[tokio::test]
    async fn a_request_is_cancelled_by_whose_it_is_and_when_nobody_waits() {
        let (wire, mut from) = wire();
        let text = r#"{"jsonrpc":"2.0","id":7,"method":"x"}"#;
        let ada = wire.ask(text, false, of(1)).await.unwrap();
        let _bob = wire.ask(text, false, of(2)).await.unwrap();
        let _ = (said(&mut from), said(&mut from));
        wire.cancel(Some(r#"{"requestId":7}"#), &of(3));
        wire.cancel(Some(r#"{"requestId":8}"#), &of(2));
        assert!(from.try_recv().is_err());
        wire.cancel(Some(r#"{"requestId":7}"#), &of(2));
        assert!(said(&mut from).contains(r#"{"requestId":1}"#));
        assert_eq!(wire.unused_since(), None);
        drop(ada);
        assert!(said(&mut from).contains(r#"{"requestId":0}"#));
    }

    #[tokio::test]
    async fn what_a_program_asks_is_answered_by_us_alone() {
        let (wire, mut from) = wire();
        let asks = r#"{"jsonrpc":"2.0","id":"a","method":"sampling/createMessage","params":{}}"#;
        wire.heard(asks.as_bytes()).unwrap();
        let answer = said(&mut from);
        assert!(
            answer.contains("\"id\":\"a\"") && answer.contains("-32601"),
            "{answer}"
        );
        wire.heard(br#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#)
            .unwrap();
        assert_eq!(
            said(&mut from),
            "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n"
        );
    }

    #[tokio::test]
    async fn a_flood_and_what_is_no_message_are_errors_and_an_end_ends_every_request() {
        let (wire, _from) = wire();
        let text = r#"{"jsonrpc":"2.0","id":7,"method":"x"}"#;
        let mut asked = wire.ask(text, false, of(1)).await.unwrap();
        for line in [
            "hello",
            "[]",
            "{}",
            r#"{"jsonrpc":"2.0","id":0,"id":1,"result":{}}"#,
        ] {
            assert_eq!(
                wire.heard(line.as_bytes()),
                Err(ReasonCode::UpstreamGarbled),
                "{line}"
            );
        }
        let noise = br#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
        let flood = (0..=limits::MCP_EVENTS_MAX).find_map(|_| wire.heard(noise).err());
        assert_eq!(flood, Some(ReasonCode::UpstreamGarbled));
        wire.end(ReasonCode::UpstreamGarbled);
        assert_eq!(asked.next().await, Err(Cut(ReasonCode::UpstreamGarbled)));
        let late = wire.ask(text, false, of(1)).await.unwrap_err();
        assert_eq!(late.code(), ReasonCode::UpstreamGarbled);
    }
}
