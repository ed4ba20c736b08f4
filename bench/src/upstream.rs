//! A server of the Model Context Protocol with one tool, for the gateways that are measured before it. It keeps nothing and answers every
//! call with the same 200 bytes, so that what is measured is the way there. Called as the hidden command `upstream`.

use std::io::Read as _;

use anyhow::Result;
use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};
use testkit::net::{Answers, Ask, Body, Bound, Hangup, ResetSwitch, reply};

/// Its one tool.
pub(crate) const TOOL: &str = "get_item";
/// The version of the protocol that every peer speaks.
pub(crate) const VERSION: &str = "2025-11-25";
const BODY_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Clone)]
struct Upstream;

/// Runs until standard input closes; says its address on one line.
pub(crate) fn run() -> Result<()> {
    let server = Bound::to(0)?.serve_on_thread(Upstream)?;
    println!("{}", server.url());
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing)?;
    Ok(())
}

impl Answers for Upstream {
    async fn answer(
        &self,
        request: Request<Incoming>,
        _connection: ResetSwitch,
    ) -> Result<Response<Body>, Hangup> {
        let ask = Ask::read(request, BODY_BYTES_MAX).await?;
        if ask.method != http::Method::POST {
            return Ok(reply::text(405, ""));
        }
        let message: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
        let result = match message["method"].as_str().unwrap_or_default() {
            _ if message["id"].is_null() => return Ok(reply::text(202, "")),
            "initialize" => json!({
                "protocolVersion": VERSION,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "bench", "version": "1"},
            }),
            "tools/list" => json!({"tools": [{
                "name": TOOL,
                "description": "Gives one item.",
                "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
                "annotations": {"readOnlyHint": true},
            }]}),
            "tools/call" => {
                json!({"content": [{"type": "text", "text": "item ".repeat(40)}], "isError": false})
            }
            "ping" => json!({}),
            _ => {
                let error = json!({"jsonrpc": "2.0", "id": message["id"],
                    "error": {"code": -32601, "message": "Method not found"}});
                return Ok(reply::json(200, &error));
            }
        };
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        let answer = reply::json(200, &answer);
        Ok(match message["method"].as_str() {
            Some("initialize") => reply::with(answer, "mcp-session-id", "bench"),
            _ => answer,
        })
    }
}
