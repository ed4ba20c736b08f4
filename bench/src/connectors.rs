//! Calls of a connector's tool: directly, through Doorward, and through the gateways that people use for it, on one server, in alternation.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::ConnectorOptions;
use crate::compare::{cell, order};
use crate::load::{Rate, Target, ask_once, drive};
use crate::machine;
use crate::peers::Peer;
use crate::peers::connectors::{self, Before};
use crate::sample::Sample;
use crate::scene::{Provider, Scene};
use crate::upstream::VERSION;
use crate::workload::Workload;

const CONCURRENCIES: [usize; 2] = [1, 16];
const WARM_UP: Duration = Duration::from_secs(1);
const SESSION: &str = "mcp-session-id";

/// Throughput, latency, CPU and memory of a call.
pub(crate) async fn run(options: &ConnectorOptions) -> Result<()> {
    let scene = Scene::set()?;
    let upstream = Provider::run(&["upstream"])?;
    println!("{}\n", machine::describe(&scene.folder)?);
    let mut ready = Vec::new();
    for before in connectors::start(&scene, &upstream, options).await? {
        ready.push(opened(before).await?);
    }
    let mut samples: BTreeMap<(usize, usize), Vec<Sample>> = BTreeMap::new();
    for round in 0..options.rounds {
        for (at, &connections) in CONCURRENCIES.iter().enumerate() {
            for peer_at in order(ready.len(), round) {
                let (peer, call) = &ready[peer_at];
                let sample = cell(peer, call, connections, Rate::Closed, options.cell()).await?;
                samples.entry((peer_at, at)).or_default().push(sample);
            }
        }
        eprintln!("round {} done, load average {}", round + 1, machine::load());
    }
    println!("\none call of a tool: calls/s / p50 ms / p99 ms / **CPU µs**\n");
    println!(
        "| peer | c=1 | c=16 | added at c=1, p50 / p99 ms | memory, MB |\n|---|---|---|---|---|"
    );
    let median = |peer: usize, at: usize| samples.get(&(peer, at)).map(|all| Sample::median(all));
    let direct = median(0, 0).context("the direct way")?;
    for (at, (peer, _)) in ready.iter().enumerate() {
        let (one, many) = (median(at, 0), median(at, 1));
        let (one, many) = (one.context("a cell")?, many.context("a cell")?);
        println!(
            "| {} | {} | {} | {:.2} / {:.2} | {:.0} |",
            peer.name,
            one.cell(),
            many.cell(),
            one.p50_ms - direct.p50_ms,
            one.p99_ms - direct.p99_ms,
            peer.account()?.peak_mb,
        );
    }
    println!("\nload average at the end: {}", machine::load());
    Ok(())
}

/// A peer with a session for every connection, that has proved to answer a call, warmed up.
async fn opened(before: Before) -> Result<(Peer, Workload)> {
    let Before {
        mut peer,
        path,
        tool,
    } = before;
    let path: PathAndQuery = path.parse().context("a path")?;
    let caller = peer.target.callers.first().cloned();
    let most = CONCURRENCIES.into_iter().max().unwrap_or(1);
    let begin = workload(&path, &initialize());
    for _ in 0..most {
        let answer = ask_once(&peer.target.base, &begin, caller.as_ref()).await?;
        ensure!(
            answer.status() == 200,
            "{} begins no session: {}",
            peer.name,
            answer.status()
        );
        let session = answer.headers().get(SESSION).cloned();
        peer.target.sessions.extend(
            session.map(|id| HeaderMap::from_iter([(http::HeaderName::from_static(SESSION), id)])),
        );
    }
    let call = workload(&path, &call(&tool));
    prove(&peer, &call).await?;
    drive(&peer.target, &call, most, Rate::Closed, WARM_UP).await?;
    Ok((peer, call))
}

/// Fails unless a call has a result, and, where the peer checks tokens, only with one.
async fn prove(peer: &Peer, call: &Workload) -> Result<()> {
    let Target {
        base,
        callers,
        sessions,
    } = &peer.target;
    let mut call = call.clone();
    call.headers
        .extend(sessions.first().cloned().unwrap_or_default());
    let answer = ask_once(base, &call, callers.first()).await?;
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    ensure!(
        text.contains("item item") && !text.contains("\"isError\":true"),
        "{} answers {}: {text}",
        peer.name,
        answer.status()
    );
    if peer.checks_tokens {
        let answer = ask_once(base, &call, None).await?;
        ensure!(
            answer.status() == 401,
            "{} answers {} to nobody",
            peer.name,
            answer.status()
        );
    }
    Ok(())
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}})
}

fn call(tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": tool, "arguments": {"id": "an id of an item, as long as ids are"}}})
}

fn workload(path: &PathAndQuery, message: &Value) -> Workload {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", VERSION),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Workload {
        name: "a call",
        path: path.clone(),
        headers,
        body: message.to_string().into(),
        answer_bytes_min: 200,
    }
}
