//! A server as they were before March 2025: a stream at `/sse` whose first event says where messages go, and answers on the stream. Written
//! from the published specification of 2024-11-05. Which address it names is up to whoever starts it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::McpSeen;
use crate::limits::{BODY_BYTES_MAX, SEEN_MAX};
use crate::net::{Answers, Ask, Body, Bound, Hangup, ResetSwitch, Server, reply};

/// Where one says that messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Endpoint {
    /// To itself.
    #[default]
    Own,
    /// To another origin.
    Elsewhere,
    /// It says something else first.
    Unsaid,
    /// It answers with a redirect instead of a stream.
    Redirect,
}

/// A running one. Ends when dropped.
#[derive(Debug)]
pub struct OldMcp {
    server: Server,
    state: State,
}

#[derive(Debug, Clone, Default)]
struct State {
    endpoint: Endpoint,
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    next: u64,
    /// Streams that are open, by their numbers.
    streams: BTreeMap<u64, mpsc::UnboundedSender<Bytes>>,
    seen: Vec<McpSeen>,
}

impl OldMcp {
    /// Starts one on a free port of this machine.
    ///
    /// Errors: no port can be had.
    pub fn start(endpoint: Endpoint) -> io::Result<Self> {
        let state = State {
            endpoint,
            ..State::default()
        };
        let server = Bound::to(0)?.serve(state.clone())?;
        Ok(Self { server, state })
    }

    /// Its address as a connector's.
    pub fn url(&self) -> String {
        format!("{}/sse", self.server.url())
    }

    /// The messages it has seen.
    pub fn seen(&self) -> Vec<McpSeen> {
        self.state.books().seen.clone()
    }

    /// How many streams are open.
    pub fn open_streams(&self) -> usize {
        let mut books = self.state.books();
        books.streams.retain(|_, to| !to.is_closed());
        books.streams.len()
    }

    /// Ends all streams, as by a start anew.
    pub fn cut(&self) {
        self.state.books().streams.clear();
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
        if ask.method == Method::GET && ask.path == "/sse" {
            return Ok(self.stream());
        }
        let number = ask.path.strip_prefix("/messages/");
        let number = number.and_then(|number| number.parse().ok());
        let stream = number.and_then(|number: u64| self.books().streams.get(&number).cloned());
        let (Some(stream), Some(number)) = (stream, number) else {
            return Ok(reply::text(404, "no such stream"));
        };
        let message: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
        let mut books = self.books();
        if books.seen.len() < SEEN_MAX {
            books.seen.push(McpSeen {
                http: ask.method.clone(),
                headers: ask.headers.clone(),
                message: message.clone(),
            });
        }
        drop(books);
        if message["params"]["name"] == "get_refused" {
            return Ok(reply::text(500, "not now"));
        }
        for event in self.events(number, &message) {
            let _nobody_may_listen = stream.send(event);
        }
        Ok(reply::text(202, "Accepted"))
    }
}

fn event(message: &Value) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}

impl State {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream of its own, which is fed as long as it is in the books.
    fn stream(&self) -> Response<Body> {
        let (to, mut from) = mpsc::unbounded_channel();
        let mut books = self.books();
        books.next += 1;
        let number = books.next;
        let first = match self.endpoint {
            Endpoint::Own => format!("event: endpoint\ndata: /messages/{number}\n\n"),
            Endpoint::Elsewhere => {
                "event: endpoint\ndata: http://127.0.0.1:9/messages\n\n".to_owned()
            }
            Endpoint::Unsaid => "event: message\ndata: {}\n\n".to_owned(),
            Endpoint::Redirect => return reply::redirect("/sse"),
        };
        books.streams.insert(number, to);
        drop(books);
        let (feed, body) = Body::fed();
        tokio::spawn(async move {
            let feeding = async {
                if feed.send(first).await.is_err() {
                    return;
                }
                while let Some(event) = from.recv().await {
                    if feed.send(event).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = feeding => {}
                () = feed.keep_silent() => {}
            }
        });
        let mut response = Response::new(body);
        let kind = http::HeaderValue::from_static("text/event-stream");
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, kind);
        response
    }

    /// What it says to a message, by the name of the tool that is called.
    fn events(&self, number: u64, message: &Value) -> Vec<Bytes> {
        let answered = |result: Value| {
            event(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
        };
        match message["method"].as_str().unwrap_or_default() {
            "initialize" => vec![answered(json!({
                "protocolVersion": "2024-11-05", "capabilities": {"tools": {}},
                "serverInfo": {"name": "old", "version": "1"},
            }))],
            "tools/list" => {
                let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
                let names = [
                    "get_item",
                    "get_asked",
                    "get_cut",
                    "get_endless",
                    "get_refused",
                ];
                vec![answered(json!({"tools": names.map(tool)}))]
            }
            "tools/call" => {
                let params = &message["params"];
                let text = params["arguments"].to_string();
                let done = answered(json!({"content": [{"type": "text", "text": text}]}));
                match params["name"].as_str().unwrap_or_default() {
                    "get_asked" => {
                        let ask = json!({"jsonrpc": "2.0", "id": "ask-1", "method": "roots/list"});
                        vec![event(&ask), done]
                    }
                    "get_cut" => {
                        self.books().streams.remove(&number);
                        Vec::new()
                    }
                    "get_endless" => vec![Bytes::from(vec![b'x'; 9 * 1024 * 1024])],
                    _ => vec![done],
                }
            }
            _ if message["id"].is_null() || message["method"].is_null() => Vec::new(),
            _ => vec![event(
                &json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "unknown"}}),
            )],
        }
    }
}
