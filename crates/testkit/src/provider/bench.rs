//! The provider of benches: answers made once and sent as they are, no checks, no memory of what it saw but a count.
//!
//! It must cost as little as can be, so that what is measured is what stands in front of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::Usage;
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use memchr::memmem;

use super::answer::{Block, Composed};
use super::stream;
use crate::net::{Answers, Body, Bound, Hangup, ResetSwitch, Server};

/// What the bench provider answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchShape {
    /// Bytes of text in the JSON answer; the whole answer is about 465 bytes longer.
    pub text_bytes: usize,
    /// Text deltas of the stream; it has six events more.
    pub deltas: usize,
    /// Time between two events; `None`: all of them in one burst.
    pub pace: Option<Duration>,
    /// The port; 0 for any free one.
    pub port: u16,
    /// Run on a thread of its own instead of the present runtime.
    pub own_thread: bool,
}

impl Default for BenchShape {
    /// An answer of about 0.9 KB, or a stream of 56 events in one burst; any port; a thread of its own.
    fn default() -> Self {
        Self {
            text_bytes: 450,
            deltas: 50,
            pace: None,
            port: 0,
            own_thread: true,
        }
    }
}

/// A running bench provider. Ends when dropped.
#[derive(Debug)]
pub struct BenchProvider {
    server: Server,
    served: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
struct Answerer(Arc<Canned>);

#[derive(Debug)]
struct Canned {
    json: Bytes,
    burst: Bytes,
    events: Arc<[Bytes]>,
    pace: Option<Duration>,
    served: Arc<AtomicU64>,
}

impl BenchProvider {
    /// Starts it.
    ///
    /// Errors: the port is taken, or no thread can be had.
    pub fn start(shape: &BenchShape) -> io::Result<Self> {
        let bound = Bound::to(shape.port)?;
        let count = Arc::new(AtomicU64::new(0));
        let answer = composed(shape);
        let events: Arc<[Bytes]> = stream::events(&answer, None).into();
        let canned = Answerer(Arc::new(Canned {
            json: answer.json().to_string().into(),
            burst: events.concat().into(),
            events,
            pace: shape.pace,
            served: Arc::clone(&count),
        }));
        let server = if shape.own_thread {
            bound.serve_on_thread(canned)?
        } else {
            bound.serve(canned)?
        };
        Ok(Self {
            server,
            served: count,
        })
    }

    /// Where it listens, without a slash at the end.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How many requests it has answered.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Ends it; returns when its port is closed.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

fn composed(shape: &BenchShape) -> Composed {
    let text = |bytes: usize| "canned answer ".repeat(bytes / 14 + 1)[..bytes].to_owned();
    let each = (shape.text_bytes / shape.deltas.max(1)).max(6);
    let pieces = match shape.deltas {
        0 => vec![text(shape.text_bytes)],
        deltas => vec![text(each); deltas],
    };
    Composed {
        id: "msg_bench0000000000000000".to_owned(),
        model: "claude-sonnet-5-5".to_owned(),
        blocks: vec![Block::Text { pieces }],
        stop_reason: "end_turn",
        usage: Usage {
            input_tokens: 25,
            output_tokens: shape.deltas as u64,
            ..Usage::default()
        },
        thinking_tokens: 0,
        shows_usage: true,
        speed: "standard".to_owned(),
        geo: "global".to_owned(),
    }
}

impl Answers for Answerer {
    async fn answer(
        &self,
        request: Request<Incoming>,
        _connection: ResetSwitch,
    ) -> Result<Response<Body>, Hangup> {
        let streams = wants_stream(request.into_body()).await?;
        self.0.served.fetch_add(1, Ordering::Relaxed);
        let (body, kind) = match (streams, self.0.pace) {
            (false, _) => (Body::whole(self.0.json.clone()), "application/json"),
            (true, None) => (Body::Burst(Some(self.0.burst.clone())), "text/event-stream"),
            (true, Some(pace)) => (
                Body::paced(Arc::clone(&self.0.events), pace),
                "text/event-stream",
            ),
        };
        let mut answer = Response::new(body);
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(
            "request-id",
            HeaderValue::from_static("req_bench0000000000000000"),
        );
        Ok(answer)
    }
}

/// Reads the whole body and says whether `"stream":true` stands in it, however it was cut into frames.
async fn wants_stream(mut body: Incoming) -> Result<bool, Hangup> {
    const MARKS: [&[u8]; 2] = [b"\"stream\":true", b"\"stream\": true"];
    const KEPT: usize = 13;
    let (mut tail, mut found) = (Vec::new(), false);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Hangup)?.into_data() else {
            continue;
        };
        if found {
            continue;
        }
        let holds = |bytes: &[u8]| MARKS.iter().any(|mark| memmem::find(bytes, mark).is_some());
        tail.extend_from_slice(&data[..data.len().min(KEPT)]);
        found = holds(&data) || holds(&tail);
        if data.len() >= KEPT {
            tail.clear();
            tail.extend_from_slice(&data[data.len() - KEPT..]);
        } else {
            tail.drain(..tail.len().saturating_sub(KEPT));
        }
    }
    Ok(found)
}
