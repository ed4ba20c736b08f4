//! Connectors that speak as servers before March 2025 did (HTTP with server-sent events, version 2024-11-05): a stream that stays open,
//! the first event of which says where messages go; answers come on the stream. To whoever is above, one looks like a connector with
//! sessions: a stream is a session, and what answers a call is the stream of that call. A stream is one person's at one connector, and on
//! one replica. The address for messages is never at another origin, no redirect is followed, and whatever ends the stream ends what waits
//! for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::policy::Connector;
use domain::{Caller, Reason, ReasonCode, Refusal, Subject, limits};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval, timeout};
use url::Url;

use crate::envelope::{Id, Message};
use crate::frames::{Event, Frames};
use crate::grants::Token;
use crate::stream::{Events, one_line};
use crate::upstream::{Answer, Body, Outgoing, Upstream, media_type, unreached};

/// The version that such servers speak.
const VERSION: &str = "2024-11-05";

/// The streams that are open.
#[derive(Debug, Default)]
pub struct Wires(Mutex<HashMap<String, Arc<Wire>>>);

/// Whose stream it is, of which connector, and at which address: one at another address is another.
type Place = (Subject, String, Option<String>);

fn place(caller: &Caller, connector: &Connector) -> Place {
    (
        caller.subject,
        connector.name.clone(),
        connector.url.clone(),
    )
}

/// One stream.
#[derive(Debug)]
struct Wire {
    of: Place,
    endpoint: Url,
    heard: Mutex<Heard>,
    ended: Notify,
}

/// Who waits for what comes.
#[derive(Debug)]
struct Heard {
    /// Calls, by their ids.
    waiting: HashMap<Id, mpsc::Sender<Bytes>>,
    /// The client's own stream, for what answers no call.
    listener: Option<mpsc::Sender<Bytes>>,
    used: Instant,
    is_over: bool,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wires {
    fn find(&self, id: &str, caller: &Caller, connector: &Connector) -> Option<Arc<Wire>> {
        let wire = lock(&self.0).get(id).cloned()?;
        let is_theirs = wire.of == place(caller, connector);
        let mut heard = lock(&wire.heard);
        heard.used = Instant::now();
        let is_open = !heard.is_over;
        drop(heard);
        (is_theirs && is_open).then_some(wire)
    }

    /// Keeps a stream, and gives the session that it is.
    fn keep(&self, wire: &Arc<Wire>) -> Result<String, Refusal> {
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| Refusal::plain(ReasonCode::Internal))?;
        let id = format!("sse-{:032x}", u128::from_be_bytes(random));
        let mut all = lock(&self.0);
        all.retain(|_, wire| !lock(&wire.heard).is_over);
        if all.len() >= limits::SSE_STREAMS_MAX {
            return Err(Refusal::plain(ReasonCode::Overloaded));
        }
        let theirs = all.values().filter(|known| known.of.0 == wire.of.0);
        if theirs.count() >= limits::SSE_STREAMS_OF_ONE_MAX {
            return Err(Refusal::plain(ReasonCode::ConcurrencyLimit));
        }
        all.insert(id.clone(), Arc::clone(wire));
        Ok(id)
    }
}

impl Upstream {
    /// Sends a request to such a connector.
    pub(crate) async fn by_stream(
        &self,
        connector: &Connector,
        outgoing: &Outgoing,
        token: Option<&Token>,
    ) -> Result<Answer, Refusal> {
        let begins = matches!(
            Message::read(&outgoing.body),
            Ok(Message::Request { method, .. }) if method == "initialize"
        );
        let Some(session) = &outgoing.session else {
            if !begins {
                return Ok(without_session(outgoing));
            }
            return match self.opened(connector, outgoing, token).await? {
                Ok(wire) => self.greeted_by(connector, outgoing, token, wire).await,
                Err(status) => Ok(bare(status)),
            };
        };
        let found = self.wires.find(session, &outgoing.caller, connector);
        match (found, &outgoing.method) {
            (None, _) => Ok(bare(StatusCode::NOT_FOUND)),
            (Some(wire), &Method::GET) => Ok(wire.listened()),
            (Some(wire), &Method::DELETE) => {
                wire.end();
                Ok(bare(StatusCode::OK))
            }
            (Some(wire), _) => self.posted(connector, outgoing, token, &wire).await,
        }
    }

    /// The greeting, which begins a session.
    async fn greeted_by(
        &self,
        connector: &Connector,
        outgoing: &Outgoing,
        token: Option<&Token>,
        wire: Arc<Wire>,
    ) -> Result<Answer, Refusal> {
        let session = self.wires.keep(&wire).inspect_err(|_| wire.end())?;
        let answer = self.posted(connector, outgoing, token, &wire).await;
        match &answer {
            Ok(answer) if answer.status.is_success() => {}
            _ => wire.end(),
        }
        Ok(Answer {
            session: Some(session),
            ..answer?
        })
    }

    /// Opens a stream, and reads it from then on; the status of its answer where that is none.
    async fn opened(
        &self,
        connector: &Connector,
        outgoing: &Outgoing,
        token: Option<&Token>,
    ) -> Result<Result<Arc<Wire>, StatusCode>, Refusal> {
        let url = connector
            .url
            .as_deref()
            .and_then(|url| Url::parse(url).ok());
        let url = url.ok_or_else(|| Refusal::plain(ReasonCode::UpstreamUnavailable))?;
        let mut request = http::Request::new(Full::new(Bytes::new()));
        let events = HeaderValue::from_static("text/event-stream");
        request.headers_mut().insert(header::ACCEPT, events);
        if let Some(us) = outgoing.headers.get(header::USER_AGENT) {
            request.headers_mut().insert(header::USER_AGENT, us.clone());
        }
        self.authenticate(connector, token, request.headers_mut())?;
        let answered = self.fetch.stream(&url, request, limits::LINE_MS).await;
        let response = answered.map_err(|error| unreached(connector, &error))?;
        let (head, mut body) = response.into_parts();
        let kind = head.headers.get(header::CONTENT_TYPE).map(media_type);
        if head.status != StatusCode::OK || kind.as_deref() != Some("text/event-stream") {
            return Ok(Err(head.status));
        }
        let mut frames = Frames::new(limits::MCP_MESSAGE_BYTES_MAX);
        let time = Duration::from_millis(limits::LINE_MS);
        let first = timeout(time, first(&mut body, &mut frames)).await;
        let first = first.map_err(|_| Refusal::plain(ReasonCode::UpstreamTimeout))??;
        let wire = Arc::new(Wire {
            of: place(&outgoing.caller, connector),
            endpoint: endpoint(&url, &first)?,
            heard: Mutex::new(Heard {
                waiting: HashMap::new(),
                listener: None,
                used: Instant::now(),
                is_over: false,
            }),
            ended: Notify::new(),
        });
        let (reading, live) = (Arc::clone(&wire), Arc::clone(&outgoing.live));
        tokio::spawn(async move {
            tokio::select! {
                _ = live.revoked() => {}
                () = reading.ended.notified() => {}
                () = read(body, frames, &reading) => {}
            }
            reading.end();
        });
        Ok(Ok(wire))
    }

    /// Sends a message to where the stream said; what answers it comes on the stream.
    async fn posted(
        &self,
        connector: &Connector,
        outgoing: &Outgoing,
        token: Option<&Token>,
        wire: &Wire,
    ) -> Result<Answer, Refusal> {
        let asks = match Message::read(&outgoing.body) {
            Ok(Message::Request { id, .. }) => Some(id),
            _ => None,
        };
        let answers = match asks.map(|id| wire.waits_for(id)) {
            Some(None) => return Ok(bare(StatusCode::CONFLICT)),
            Some(answers) => answers,
            None => None,
        };
        let mut request = http::Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = known_then(&outgoing.headers);
        self.authenticate(connector, token, request.headers_mut())?;
        let sent = self
            .fetch
            .stream(&wire.endpoint, request, limits::MCP_HEADERS_MS);
        let response = sent.await.map_err(|error| unreached(connector, &error))?;
        let status = response.status();
        Ok(match answers {
            Some(answers) if status.is_success() => streamed(answers),
            _ => bare(status),
        })
    }
}

/// The headers that such a server knows.
fn known_then(sent: &HeaderMap) -> HeaderMap {
    let known = [header::ACCEPT, header::CONTENT_TYPE, header::USER_AGENT];
    let known = known.into_iter();
    let known = known.filter_map(|name| Some((sent.get(&name)?.clone(), name)));
    known.map(|(value, name)| (name, value)).collect()
}

/// The first event of a stream.
async fn first(body: &mut Incoming, frames: &mut Frames) -> Result<Event, Refusal> {
    let garbled = || Refusal::plain(ReasonCode::UpstreamGarbled);
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.map_err(|_| garbled())?.into_data() {
            frames.push(&bytes);
        }
        while let Some(event) = frames.take().map_err(|_| garbled())? {
            if event.data.is_some() {
                return Ok(event);
            }
        }
    }
    Err(garbled())
}

/// Where messages go, which is at the connector's own origin.
fn endpoint(connector: &Url, first: &Event) -> Result<Url, Refusal> {
    let refused = |text: &'static str| Refusal::one(Reason::new(ReasonCode::UpstreamGarbled, text));
    let data = first
        .data
        .as_deref()
        .and_then(|data| str::from_utf8(data).ok());
    let url = data
        .filter(|_| first.kind() == b"endpoint")
        .and_then(|address| connector.join(address.trim()).ok());
    match url {
        None => Err(refused("The connector did not say where messages go.")),
        Some(url) if url.origin() != connector.origin() || !url.origin().is_tuple() => Err(
            refused("The connector wants messages at another origin, where they never go."),
        ),
        Some(url) => Ok(url),
    }
}

/// Reads a stream to its end.
async fn read(mut body: Incoming, mut frames: Frames, wire: &Wire) {
    // By a clock of its own: a server that only says that it is there would keep it for ever.
    let mut looks = interval(Duration::from_millis(limits::SSE_LOOK_MS));
    loop {
        loop {
            match frames.take() {
                Ok(Some(event)) => wire.hear(event).await,
                Ok(None) => break,
                Err(_) => return,
            }
        }
        let frame = tokio::select! {
            _ = looks.tick() => {
                if wire.is_idle() {
                    return;
                }
                continue;
            }
            frame = body.frame() => frame,
        };
        let Some(Ok(frame)) = frame else { return };
        if let Ok(bytes) = frame.into_data() {
            frames.push(&bytes);
        }
    }
}

impl Wire {
    /// Where the answer to a request will come; none where one of this id waits already, or nothing comes any more.
    fn waits_for(&self, id: Id) -> Option<mpsc::Receiver<Bytes>> {
        let mut heard = lock(&self.heard);
        heard.waiting.retain(|_, to| !to.is_closed());
        let is_full = heard.waiting.len() >= limits::MCP_CALLS_OF_ONE_MAX;
        if heard.is_over || is_full || heard.waiting.contains_key(&id) {
            return None;
        }
        let (to, from) = mpsc::channel(limits::MCP_EVENTS_WAITING);
        heard.waiting.insert(id, to);
        Some(from)
    }

    /// The client's own stream, of which there is one.
    fn listened(&self) -> Answer {
        let mut heard = lock(&self.heard);
        if heard.listener.as_ref().is_some_and(|to| !to.is_closed()) {
            return bare(StatusCode::CONFLICT);
        }
        let (to, from) = mpsc::channel(limits::MCP_EVENTS_WAITING);
        heard.listener = Some(to).filter(|_| !heard.is_over);
        streamed(from)
    }

    /// Gives an event to whoever waits for it. Whoever does not take it for too long has lost it.
    async fn hear(&self, event: Event) {
        let is_message = matches!(event.kind(), b"" | b"message");
        let Some(data) = event.data.filter(|data| is_message && !data.is_empty()) else {
            return;
        };
        let to = {
            let mut heard = lock(&self.heard);
            if let Ok(Message::Response { id: Some(id), .. }) = Message::read(&data) {
                heard.waiting.remove(&id)
            } else {
                let mut all = heard.listener.iter().chain(heard.waiting.values());
                all.find(|to| !to.is_closed()).cloned()
            }
        };
        if let Some(to) = to {
            let line = one_line(&String::from_utf8_lossy(&data));
            let event = Bytes::from(format!("event: message\ndata: {line}\n\n"));
            let time = Duration::from_millis(limits::SSE_SLOW_MS);
            let _nobody_may_listen = timeout(time, to.send(event)).await;
        }
    }

    fn is_idle(&self) -> bool {
        let heard = lock(&self.heard);
        let mut open = heard.waiting.values().chain(&heard.listener);
        let is_used = open.any(|to| !to.is_closed());
        !is_used && heard.used.elapsed() > Duration::from_millis(limits::LINE_IDLE_MS)
    }

    /// Whoever waits hears that nothing comes any more.
    fn end(&self) {
        let mut heard = lock(&self.heard);
        heard.is_over = true;
        heard.waiting.clear();
        heard.listener = None;
        self.ended.notify_one();
    }
}

fn bare(status: StatusCode) -> Answer {
    Answer {
        status,
        session: None,
        body: Body::Nothing,
        seam: None,
    }
}

fn streamed(from: mpsc::Receiver<Bytes>) -> Answer {
    let events = Events::of(from).map_err(|never| match never {});
    Answer {
        body: Body::Events(events.boxed_unsync()),
        ..bare(StatusCode::OK)
    }
}

/// What is said to whoever brings no session: there is nothing without one, and which version there is.
fn without_session(outgoing: &Outgoing) -> Answer {
    if outgoing.method != Method::POST {
        return bare(StatusCode::METHOD_NOT_ALLOWED);
    }
    let id = match Message::read(&outgoing.body) {
        Ok(Message::Request { id, .. }) => id.to_string(),
        _ => "null".to_owned(),
    };
    let error = json!({
        "code": -32022, "message": "This connector speaks with sessions alone.",
        "data": {"supported": [VERSION]},
    });
    let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}");
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    Answer {
        body: Body::Json(body.boxed_unsync()),
        ..bare(StatusCode::BAD_REQUEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_to_the_connectors_own_origin_and_nowhere_else() {
        let connector = Url::parse("https://old.example:8443/x/sse?k=1").unwrap();
        let check = |event: &str, expected: Option<&str>| {
            let mut frames = Frames::new(10_000);
            frames.push(event.as_bytes());
            let event = frames.take().unwrap().unwrap();
            let found = endpoint(&connector, &event).ok();
            assert_eq!(found.as_ref().map(Url::as_str), expected);
        };
        let at = |address: &str| format!("event: endpoint\ndata: {address}\n\n");
        for (address, expected) in [
            ("/m?s=1", "https://old.example:8443/m?s=1"),
            ("m", "https://old.example:8443/x/m"),
            ("https://old.example:8443/m", "https://old.example:8443/m"),
        ] {
            check(&at(address), Some(expected));
        }
        for address in [
            "https://old.example/m",
            "http://old.example:8443/m",
            "//evil.example/m",
            "https://evil.example:8443/m",
            "data:text/plain,x",
            "http://[",
        ] {
            check(&at(address), None);
        }
        check("event: message\ndata: /m\n\n", None);
        check("data: /m\n\n", None);
    }
}
