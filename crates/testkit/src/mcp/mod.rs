//! A server of the Model Context Protocol, of both eras: sessions up to 2025-11-25, stateless from 2026-07-28 on. Written from the
//! published specification.
//!
//! What it does, and what it does wrong, is in the name of the tool that is called: see [`TOOLS`]. As a CRM it lists what it is given and
//! keeps members instead. It remembers every request.

mod answers;
mod crm;
mod guarded;
mod old;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};

pub use self::crm::Member;
pub use self::guarded::{GuardedMcp, HAND, MORE, Ways};
pub use self::old::{Endpoint, OldMcp};
use crate::limits::{BODY_BYTES_MAX, SEEN_MAX};
use crate::net::{Answers, Ask, Body, Bound, Hangup, ResetSwitch, Server, reply};

/// The newest version with sessions that it speaks.
pub const LEGACY: &str = "2025-11-25";
/// The version without sessions that it speaks.
pub const MODERN: &str = "2026-07-28";

/// Its tools, and what each does.
pub const TOOLS: [(&str, &str); 17] = [
    ("get_item", "answers with its arguments"),
    (
        "get_stream",
        "answers by a stream, after a progress notification and an answer to somebody else's request",
    ),
    (
        "get_asked",
        "asks the client something by a stream before it answers",
    ),
    ("get_secret", "answers with an access key"),
    ("delete_item", "answers like get_item"),
    (
        "deleteItem",
        "answers like get_item, and looks like delete_item",
    ),
    (
        "get_wrong_type",
        "answers with JSON and says that it is a page",
    ),
    ("get_page", "answers with a page and says that it is JSON"),
    ("get_other_id", "answers another request"),
    ("get_several", "answers with a list of messages"),
    ("get_redirect", "answers with a redirect"),
    ("get_unauthorized", "answers 401"),
    ("get_huge", "answers with nine mebibytes"),
    ("get_endless_event", "begins an event that never ends"),
    ("get_cut", "ends its stream without an answer"),
    ("get_silent", "begins a stream and says nothing"),
    ("get_flood", "notifies without end"),
];

/// A running server. Ends when dropped.
#[derive(Debug)]
pub struct McpServer {
    server: Server,
    state: State,
}

/// A request it has seen.
#[derive(Debug, Clone)]
pub struct McpSeen {
    /// The HTTP method.
    pub http: Method,
    /// Its headers.
    pub headers: http::HeaderMap,
    /// The message; null where there was none.
    pub message: Value,
}

impl McpSeen {
    /// The message's method.
    pub fn method(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The one age of the protocol that a server may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// With sessions.
    Legacy,
    /// Without.
    Modern,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// Of both where it is none.
    only: Option<Age>,
    seen: Arc<Mutex<Vec<McpSeen>>>,
    sessions: Arc<AtomicU64>,
    /// Streams that are open now.
    open: Arc<AtomicU64>,
    /// What it keeps as a CRM.
    crm: Option<crm::Crm>,
    /// What it says beside its tools, as it was last told to.
    says: Arc<Mutex<Says>>,
}

/// What a server says beside its tools.
#[derive(Debug, Clone, Default)]
struct Says {
    /// Members of its greeting, as they are written.
    greeting: String,
    /// Whether it greets by a stream.
    by_stream: bool,
    /// Its prompts, where they are others.
    prompts: Option<Value>,
}

impl McpServer {
    /// Starts it on a free port of this machine.
    ///
    /// Errors: no port can be had.
    pub fn start() -> io::Result<Self> {
        Self::at(0)
    }

    /// Starts it on a port, 0 for any.
    ///
    /// Errors: the port cannot be had.
    pub fn at(port: u16) -> io::Result<Self> {
        Self::serving(State::default(), port)
    }

    /// Starts it as a membership CRM that lists these tools, on a free port.
    ///
    /// Errors: no port can be had.
    pub fn crm(tools: Vec<Value>) -> io::Result<Self> {
        let state = State {
            crm: Some(crm::Crm::with(tools)),
            ..State::default()
        };
        Self::serving(state, 0)
    }

    /// The same, of one age of the protocol alone.
    ///
    /// Errors: no port can be had.
    pub fn crm_of(age: Age, tools: Vec<Value>) -> io::Result<Self> {
        let state = State {
            crm: Some(crm::Crm::with(tools)),
            only: Some(age),
            ..State::default()
        };
        Self::serving(state, 0)
    }

    /// Ends all sessions, as by a start anew.
    pub fn forget_sessions(&self) {
        self.state.sessions.store(0, Ordering::SeqCst);
    }

    /// From now on it greets with these members beside its own, as they are written: `"instructions":"…"`, say.
    pub fn greet_with(&self, members: &str) {
        members.clone_into(&mut self.says().greeting);
    }

    /// From now on it greets by a stream.
    pub fn greet_by_stream(&self) {
        self.says().by_stream = true;
    }

    /// From now on it lists these prompts.
    pub fn prompt_with(&self, prompts: Value) {
        self.says().prompts = Some(prompts);
    }

    fn says(&self) -> std::sync::MutexGuard<'_, Says> {
        self.state.says.lock().expect("nobody panics with it")
    }

    fn serving(state: State, port: u16) -> io::Result<Self> {
        let server = Bound::to(port)?.serve(state.clone())?;
        Ok(Self { server, state })
    }

    /// A member that it keeps as a CRM.
    pub fn member(&self, number: u64) -> Option<Member> {
        self.state.crm.as_ref()?.member(number)
    }

    /// Its address as a connector's.
    pub fn url(&self) -> String {
        format!("{}/mcp", self.server.url())
    }

    /// Every request it has seen.
    pub fn seen(&self) -> Vec<McpSeen> {
        self.state
            .seen
            .lock()
            .expect("nobody panics with it")
            .clone()
    }

    /// The calls of tools it has seen, by their names.
    pub fn called(&self) -> Vec<String> {
        let seen = self.seen().into_iter();
        let calls = seen.filter(|seen| seen.method() == "tools/call");
        let name = |seen: McpSeen| seen.message["params"]["name"].as_str().map(str::to_owned);
        calls.filter_map(name).collect()
    }

    /// Streams that are open now.
    pub fn open_streams(&self) -> u64 {
        self.state.open.load(Ordering::SeqCst)
    }

    /// Ends it.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

impl Answers for State {
    async fn answer(
        &self,
        request: Request<Incoming>,
        _connection: ResetSwitch,
    ) -> Result<Response<Body>, Hangup> {
        let ask = Ask::read(request, BODY_BYTES_MAX).await?;
        let message: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
        Ok(self.heard(&ask, &message, SEEN_MAX))
    }
}

impl State {
    /// Remembers a request, up to so many, and answers it.
    fn heard(&self, ask: &Ask, message: &Value, most: usize) -> Response<Body> {
        let mut seen = self.seen.lock().expect("nobody panics with it");
        if seen.len() < most {
            seen.push(McpSeen {
                http: ask.method.clone(),
                headers: ask.headers.clone(),
                message: message.clone(),
            });
        }
        drop(seen);
        if ask.path != "/mcp" {
            return reply::text(404, "not found");
        }
        let meta = &message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
        let is_modern = meta == MODERN || ask.header("mcp-protocol-version") == Some(MODERN);
        match (is_modern, self.only) {
            (true, Some(Age::Legacy)) | (false, Some(Age::Modern)) => {
                let error = json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32000, "message": "not of this age"}});
                reply::json(400, &error)
            }
            (true, _) => self.modern(ask, message),
            (false, _) => self.legacy(ask, message),
        }
    }

    fn legacy(&self, ask: &Ask, message: &Value) -> Response<Body> {
        let known = ask
            .header("mcp-session-id")
            .and_then(|id| id.strip_prefix("up-")?.parse::<u64>().ok())
            .is_some_and(|id| id <= self.sessions.load(Ordering::SeqCst));
        if message["method"] == "initialize" {
            let id = self.sessions.fetch_add(1, Ordering::SeqCst) + 1;
            let result = json!({
                "protocolVersion": LEGACY,
                "capabilities": {"tools": {"listChanged": true}, "resources": {}, "prompts": {}, "futureThing": {"x": 1}},
                "serverInfo": {"name": "testkit", "version": "1"},
            });
            let answer = self.greeting(message, &result);
            return reply::with(answer, "mcp-session-id", &format!("up-{id}"));
        }
        if !known {
            let error = json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32000, "message": "no session"}});
            return reply::json(404, &error);
        }
        match ask.method {
            Method::GET => self.listening(),
            Method::DELETE => reply::text(204, ""),
            _ if message["id"].is_null() || message["method"].is_null() => reply::text(202, ""),
            _ => self.request(message, false),
        }
    }

    fn modern(&self, ask: &Ask, message: &Value) -> Response<Body> {
        if ask.method != Method::POST {
            return reply::text(405, "");
        }
        if message["id"].is_null() {
            return reply::text(202, "");
        }
        if message["method"] == "server/discover" {
            let result = json!({
                "resultType": "complete", "supportedVersions": [MODERN],
                "capabilities": {"tools": {}, "resources": {}, "prompts": {}},
                "ttlMs": 60_000, "cacheScope": "public",
            });
            return self.greeting(message, &result);
        }
        self.request(message, true)
    }

    fn request(&self, message: &Value, modern: bool) -> Response<Body> {
        if let Some(answer) = self.as_crm(message, modern) {
            return answer;
        }
        match message["method"].as_str() {
            Some("ping") => answers::result(message, &json!({})),
            Some("tools/list") => answers::list(message, modern),
            Some("tools/call") => self.call(message, modern),
            Some("prompts/get") if modern && message["params"]["name"] == "gone" => {
                let error = json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32602, "message": "no such prompt"}});
                reply::json(400, &error)
            }
            method => {
                if let Some(mut readable) = answers::readable(method.unwrap_or_default(), message) {
                    let says = self.says.lock().expect("nobody panics with it");
                    if let (Some("prompts/list"), Some(prompts)) = (method, &says.prompts) {
                        readable["prompts"] = prompts.clone();
                    }
                    if modern {
                        readable["resultType"] = "complete".into();
                    }
                    return answers::result(message, &readable);
                }
                let error = json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "unknown"}});
                reply::json(if modern { 404 } else { 200 }, &error)
            }
        }
    }
}
