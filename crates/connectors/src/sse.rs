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
use domain::{Caller, Ids, Reason, ReasonCode, Refusal, Subject, Timestamp, limits};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval, timeout};
use url::Url;

use crate::envelope::{self, Id, Message};
use crate::frames::{Event, Frames};
use crate::grants::{Token, taken_back};
use crate::revision::FIRST;
use crate::stream::{Events, one_line};
use crate::upstream::{Answer, Body, Outgoing, Upstream, media_type, unreached};

/// The streams that are open, by the sessions that they are.
#[derive(Debug)]
pub struct Streams {
    open: Mutex<HashMap<String, Arc<Stream>>>,
    ids: Arc<dyn Ids>,
}

/// Whose stream it is, of which connector, at which address, and by which grant or key of theirs: one of another is another.
type Owner = (Subject, String, Option<String>, Option<Timestamp>);

fn owner(caller: &Caller, connector: &Connector, token: Option<&Token>) -> Owner {
    (
        caller.subject,
        connector.name.clone(),
        connector.url.clone(),
        token.and_then(|token| token.given),
    )
}

/// One stream.
#[derive(Debug)]
struct Stream {
    of: Owner,
    endpoint: Url,
    listeners: Mutex<Listeners>,
    ended: Notify,
}

/// Who waits for what comes.
#[derive(Debug)]
struct Listeners {
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

impl Streams {
    /// None yet.
    pub fn new(ids: Arc<dyn Ids>) -> Self {
        Self {
            open: Mutex::default(),
            ids,
        }
    }

    fn find(&self, id: &str, owner: &Owner) -> Option<Arc<Stream>> {
        let stream = lock(&self.open).get(id).cloned()?;
        let is_theirs = stream.of == *owner;
        let mut listeners = lock(&stream.listeners);
        listeners.used = Instant::now();
        let is_open = !listeners.is_over;
        drop(listeners);
        (is_theirs && is_open).then_some(stream)
    }

    /// Keeps a stream, and gives the session that it is.
    fn keep(&self, stream: &Arc<Stream>) -> Result<String, Refusal> {
        let mut random = [0; 16];
        self.ids.fill(&mut random);
        let id = format!("sse-{:032x}", u128::from_be_bytes(random));
        let mut all = lock(&self.open);
        all.retain(|_, stream| !lock(&stream.listeners).is_over);
        if all.len() >= limits::SSE_STREAMS_MAX {
            return Err(Refusal::plain(ReasonCode::Overloaded));
        }
        let theirs = all.values().filter(|known| known.of.0 == stream.of.0);
        if theirs.count() >= limits::SSE_STREAMS_OF_ONE_MAX {
            return Err(Refusal::plain(ReasonCode::ConcurrencyLimit));
        }
        all.insert(id.clone(), Arc::clone(stream));
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
                Ok(stream) => self.greeted_by(connector, outgoing, token, stream).await,
                Err(status) => Ok(bare(status)),
            };
        };
        let owner = owner(&outgoing.caller, connector, token);
        let found = self.streams.find(session, &owner);
        match (found, &outgoing.method) {
            (None, _) => Ok(bare(StatusCode::NOT_FOUND)),
            (Some(stream), &Method::GET) => stream.listened(),
            (Some(stream), &Method::DELETE) => {
                stream.end();
                Ok(bare(StatusCode::OK))
            }
            (Some(stream), _) => self.posted(connector, outgoing, token, &stream).await,
        }
    }

    /// The greeting, which begins a session.
    async fn greeted_by(
        &self,
        connector: &Connector,
        outgoing: &Outgoing,
        token: Option<&Token>,
        stream: Arc<Stream>,
    ) -> Result<Answer, Refusal> {
        let session = self.streams.keep(&stream).inspect_err(|_| stream.end())?;
        let answer = self.posted(connector, outgoing, token, &stream).await;
        match &answer {
            Ok(answer) if answer.status.is_success() => {}
            _ => stream.end(),
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
    ) -> Result<Result<Arc<Stream>, StatusCode>, Refusal> {
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
        let stream = Arc::new(Stream {
            of: owner(&outgoing.caller, connector, token),
            endpoint: endpoint(&url, &first)?,
            listeners: Mutex::new(Listeners {
                waiting: HashMap::new(),
                listener: None,
                used: Instant::now(),
                is_over: false,
            }),
            ended: Notify::new(),
        });
        let (reading, live) = (Arc::clone(&stream), Arc::clone(&outgoing.live));
        let giving = self.giving(connector, &outgoing.caller, token);
        tokio::spawn(async move {
            tokio::select! {
                _ = live.revoked() => {}
                _ = taken_back(giving) => {
                    // Whoever listens looks as often, and hears there why.
                    tokio::time::sleep(2 * Duration::from_millis(limits::GIVEN_LOOK_MS)).await;
                }
                () = reading.ended.notified() => {}
                () = read(body, frames, &reading) => {}
            }
            reading.end();
        });
        Ok(Ok(stream))
    }

    /// Sends a message to where the stream said; what answers it comes on the stream.
    async fn posted(
        &self,
        connector: &Connector,
        outgoing: &Outgoing,
        token: Option<&Token>,
        stream: &Stream,
    ) -> Result<Answer, Refusal> {
        let asks = match Message::read(&outgoing.body) {
            Ok(Message::Request { id, .. }) => Some(id),
            _ => None,
        };
        let answers = asks.map(|id| stream.waits_for(id)).transpose()?;
        let mut request = http::Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = known_then(&outgoing.headers);
        self.authenticate(connector, token, request.headers_mut())?;
        let sent = self
            .fetch
            .stream(&stream.endpoint, request, limits::MCP_HEADERS_MS);
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
async fn read(mut body: Incoming, mut frames: Frames, stream: &Stream) {
    // By a clock of its own: a server that only says that it is there would keep it for ever.
    let mut looks = interval(Duration::from_millis(limits::SSE_LOOK_MS));
    loop {
        loop {
            match frames.take() {
                Ok(Some(event)) => stream.hear(event).await,
                Ok(None) => break,
                Err(_) => return,
            }
        }
        let frame = tokio::select! {
            _ = looks.tick() => {
                if stream.is_idle() {
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

impl Stream {
    /// Where the answer to a request will come.
    ///
    /// Errors: nothing comes any more, which is the connector's doing; too much waits already, or something of this id does, which is
    /// the client's.
    fn waits_for(&self, id: Id) -> Result<mpsc::Receiver<Bytes>, Refusal> {
        let mut listeners = lock(&self.listeners);
        listeners.waiting.retain(|_, to| !to.is_closed());
        if listeners.is_over {
            return Err(Refusal::plain(ReasonCode::UpstreamUnavailable));
        }
        if listeners.waiting.len() >= limits::MCP_CALLS_OF_ONE_MAX {
            return Err(Refusal::plain(ReasonCode::ConcurrencyLimit));
        }
        if listeners.waiting.contains_key(&id) {
            let text = "Another request of this id has not been answered yet.";
            return Err(Refusal::new(ReasonCode::BodyMalformed, text));
        }
        let (to, from) = mpsc::channel(limits::MCP_EVENTS_WAITING);
        listeners.waiting.insert(id, to);
        Ok(from)
    }

    /// The client's own stream, of which there is one.
    ///
    /// Errors: it has one already, or nothing comes any more.
    fn listened(&self) -> Result<Answer, Refusal> {
        let mut listeners = lock(&self.listeners);
        if listeners
            .listener
            .as_ref()
            .is_some_and(|to| !to.is_closed())
        {
            return Err(Refusal::plain(ReasonCode::ConcurrencyLimit));
        }
        if listeners.is_over {
            return Err(Refusal::plain(ReasonCode::UpstreamUnavailable));
        }
        let (to, from) = mpsc::channel(limits::MCP_EVENTS_WAITING);
        listeners.listener = Some(to);
        Ok(streamed(from))
    }

    /// Gives an event to whoever waits for it. Whoever does not take it for too long has lost it.
    async fn hear(&self, event: Event) {
        let is_message = matches!(event.kind(), b"" | b"message");
        let Some(data) = event.data.filter(|data| is_message && !data.is_empty()) else {
            return;
        };
        let to = {
            let mut listeners = lock(&self.listeners);
            if let Ok(Message::Response { id: Some(id), .. }) = Message::read(&data) {
                listeners.waiting.remove(&id)
            } else {
                let mut all = listeners.listener.iter().chain(listeners.waiting.values());
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
        let listeners = lock(&self.listeners);
        let mut open = listeners.waiting.values().chain(&listeners.listener);
        let is_used = open.any(|to| !to.is_closed());
        !is_used && listeners.used.elapsed() > Duration::from_millis(limits::LINE_IDLE_MS)
    }

    /// Whoever waits hears that nothing comes any more.
    fn end(&self) {
        let mut listeners = lock(&self.listeners);
        listeners.is_over = true;
        listeners.waiting.clear();
        listeners.listener = None;
        self.ended.notify_one();
    }
}

fn bare(status: StatusCode) -> Answer {
    Answer::new(status, Body::Nothing)
}

fn streamed(from: mpsc::Receiver<Bytes>) -> Answer {
    let events = Events::of(from).map_err(|never| match never {});
    Answer::new(StatusCode::OK, Body::Events(events.boxed_unsync()))
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
        "data": {"supported": [FIRST]},
    });
    let text = envelope::error(id, error);
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    Answer::new(StatusCode::BAD_REQUEST, Body::Json(body.boxed_unsync()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream {
            of: (
                Subject::Person(domain::PersonId::from_parts(1, 1)),
                "old".to_owned(),
                None,
                None,
            ),
            endpoint: Url::parse("https://old.example/m").unwrap(),
            listeners: Mutex::new(Listeners {
                waiting: HashMap::new(),
                listener: None,
                used: Instant::now(),
                is_over: false,
            }),
            ended: Notify::new(),
        }
    }

    #[tokio::test]
    async fn what_cannot_wait_is_told_whose_doing_it_is() {
        let stream = stream();
        let why = |waits: Result<mpsc::Receiver<Bytes>, Refusal>| waits.unwrap_err().code();
        let mut all = vec![stream.waits_for(Id::Number(0)).unwrap()];
        let again = stream.waits_for(Id::Number(0));
        assert_eq!(
            why(again),
            ReasonCode::BodyMalformed,
            "one id, two requests"
        );
        let listens = stream.listened().unwrap();
        let twice = stream.listened().unwrap_err();
        assert_eq!(twice.code(), ReasonCode::ConcurrencyLimit);
        drop(listens);
        assert!(stream.listened().is_ok(), "the first one has gone");
        for id in 1.. {
            match stream.waits_for(Id::Number(id)) {
                Ok(from) => all.push(from),
                Err(refusal) => {
                    assert_eq!(refusal.code(), ReasonCode::ConcurrencyLimit);
                    break;
                }
            }
        }
        assert_eq!(all.len(), limits::MCP_CALLS_OF_ONE_MAX);
        stream.end();
        let over = stream.waits_for(Id::Number(0));
        assert_eq!(why(over), ReasonCode::UpstreamUnavailable);
        assert!(all[0].recv().await.is_none(), "whoever waits hears of it");
    }

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
