//! The load: a fixed number of kept-alive HTTP/1.1 connections, each with one request under way, as fast as answers come or at a
//! fixed rate. It reads every answer to its end and counts one that is refused or cut short as a failure. It never opens a
//! connection again: a peer that closes one is told of in the count of failures.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::workload::Workload;

/// Where to ask, and as whom: callers take turns.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// `http://127.0.0.1:port`.
    pub base: String,
    /// `authorization` of each caller.
    pub callers: Vec<HeaderValue>,
    /// Headers that stay with a connection, such as a session's; a connection takes those at its number.
    pub sessions: Vec<HeaderMap>,
}

impl Target {
    pub(crate) const fn new(base: String, callers: Vec<HeaderValue>) -> Self {
        Self {
            base,
            callers,
            sessions: Vec::new(),
        }
    }
}

/// When requests are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rate {
    /// The next one when the last is answered.
    Closed,
    /// So many a second over all connections, whether or not answers come.
    Fixed(u32),
    /// As `Closed`, but so many in all, however long it takes.
    Count(u64),
}

/// What was measured of one run, in nanoseconds, unsorted.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// From sending to the answer's last byte.
    pub whole_ns: Vec<u64>,
    /// From sending to the answer's first byte of body.
    pub first_ns: Vec<u64>,
    /// Requests refused, cut short or broken.
    pub failed: u64,
    /// How long it ran.
    pub took: Duration,
}

struct Run {
    target: Target,
    workload: Workload,
    rate: Rate,
    begin: Instant,
    end: Instant,
    next: Cell<u64>,
    outcome: RefCell<Outcome>,
}

/// Loads `target` for so long over so many connections.
pub(crate) async fn drive(
    target: &Target,
    workload: &Workload,
    connections: usize,
    rate: Rate,
    time: Duration,
) -> Result<Outcome> {
    let mut senders = Vec::new();
    for _ in 0..connections {
        senders.push(connect(&target.base).await?);
    }
    let begin = Instant::now();
    let run = Rc::new(Run {
        target: target.clone(),
        workload: workload.clone(),
        rate,
        begin,
        end: begin + time,
        next: Cell::new(0),
        outcome: RefCell::default(),
    });
    let local = LocalSet::new();
    for (at, sender) in senders.into_iter().enumerate() {
        let session = target.sessions.get(at).cloned().unwrap_or_default();
        local.spawn_local(keep_asking(Rc::clone(&run), sender, session));
    }
    local.await;
    let mut outcome = run.outcome.take();
    outcome.took = begin.elapsed();
    ensure!(
        !outcome.whole_ns.is_empty(),
        "{} answered nothing well, {} failed",
        target.base,
        outcome.failed
    );
    Ok(outcome)
}

/// Asks once on a connection of its own.
pub(crate) async fn ask_once(
    base: &str,
    workload: &Workload,
    caller: Option<&HeaderValue>,
) -> Result<Response<Bytes>> {
    let mut sender = connect(base).await?;
    let answer = sender
        .send_request(request(workload, &authority(base)?, caller))
        .await?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

async fn keep_asking(run: Rc<Run>, mut sender: SendRequest<Full<Bytes>>, session: HeaderMap) {
    let Ok(authority) = authority(&run.target.base) else {
        return;
    };
    loop {
        let number = run.next.replace(run.next.get() + 1);
        let Some(since) = run.turn(number).await else {
            return;
        };
        let callers = &run.target.callers;
        let caller = callers.get(usize::try_from(number).unwrap_or(0) % callers.len().max(1));
        let mut asked = request(&run.workload, &authority, caller);
        let own = session
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        asked.headers_mut().extend(own);
        let answered = exchange(&mut sender, asked, run.workload.answer_bytes_min).await;
        let mut outcome = run.outcome.borrow_mut();
        match answered {
            Ok(first) => {
                outcome.first_ns.push(nanos(first - since));
                outcome.whole_ns.push(nanos(since.elapsed()));
            }
            Err(_) => outcome.failed += 1,
        }
        if sender.is_closed() {
            return;
        }
    }
}

impl Run {
    /// Waits for the turn of a request; the time it counts from, or nothing when the run is over.
    async fn turn(&self, number: u64) -> Option<Instant> {
        let now = Instant::now();
        let per_second = match self.rate {
            Rate::Closed => return (now < self.end).then_some(now),
            Rate::Count(all) => return (number < all).then_some(now),
            Rate::Fixed(per_second) => per_second,
        };
        let due = self.begin
            + Duration::from_nanos(number.saturating_mul(1_000_000_000 / u64::from(per_second)));
        if due >= self.end {
            return None;
        }
        if due > now {
            tokio::time::sleep_until(due.into()).await;
            // the timer's own coarseness is nobody's latency
            return Some(Instant::now());
        }
        // late because no connection was free: that is latency
        Some(due)
    }
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    asked: Request<Full<Bytes>>,
    bytes_min: usize,
) -> Result<Instant> {
    sender.ready().await?;
    let answer = sender.send_request(asked).await?;
    let status = answer.status();
    let mut body = answer.into_body();
    let (mut first, mut bytes) = (None, 0);
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            first.get_or_insert_with(Instant::now);
            bytes += data.len();
        }
    }
    if status != 200 || bytes < bytes_min {
        bail!("status {status} with {bytes} bytes");
    }
    first.context("an answer without a body")
}

/// A connection with nothing under way. Its driver runs until the connection closes.
async fn connect(base: &str) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(authority(base)?.to_str()?).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // what breaks a connection is seen by whoever waits for an answer on it
        let _broken = connection.await;
    });
    Ok(sender)
}

fn authority(base: &str) -> Result<HeaderValue> {
    let authority = base.strip_prefix("http://").context("an http address")?;
    Ok(HeaderValue::from_str(authority)?)
}

fn request(
    workload: &Workload,
    authority: &HeaderValue,
    caller: Option<&HeaderValue>,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(workload.body.clone()));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = workload.path.clone().into();
    let headers: &mut HeaderMap = request.headers_mut();
    *headers = workload.headers.clone();
    headers.insert(header::HOST, authority.clone());
    if let Some(caller) = caller {
        headers.insert(header::AUTHORIZATION, caller.clone());
    }
    request
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
