//! The gateways for connectors, one after the other before the same server: FastMCP's proxy, ContextForge, Doorward.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Peer, doorward};
use crate::ConnectorOptions;
use crate::load::Target;
use crate::process::{Running, free_port, tied};
use crate::scene::{Provider, Scene, bearer};
use crate::upstream::TOOL;

const FASTMCP: &str = "FastMCP proxy";
const CONTEXTFORGE: &str = "ContextForge";
const DOORWARD: &str = "Doorward";
/// ContextForge makes its tables first.
const READY_LIMIT: Duration = Duration::from_mins(3);
const SECRET: &str = "bench-secret-of-loopback-0123456789";
const ADMIN: &str = "admin@example.com";

/// A peer, and how its tool is called.
#[derive(Debug)]
pub(crate) struct Before {
    /// The peer.
    pub peer: Peer,
    /// The path of its MCP endpoint.
    pub path: String,
    /// What the tool is called there.
    pub tool: String,
}

impl Before {
    fn new(peer: Peer, path: impl Into<String>) -> Self {
        Self {
            peer,
            path: path.into(),
            tool: TOOL.to_owned(),
        }
    }
}

/// Starts all that were asked for, the direct way first.
pub(crate) async fn start(
    scene: &Scene,
    upstream: &Provider,
    options: &ConnectorOptions,
) -> Result<Vec<Before>> {
    let url = format!("{}/mcp", upstream.base);
    let mut peers = vec![Before::new(Peer::direct(upstream), "/mcp")];
    if let Some(python) = &options.fastmcp {
        let started = fastmcp(scene, &url, python).await;
        peers.push(started.context("FastMCP cannot be measured")?);
    }
    if let Some(program) = &options.contextforge {
        let started = contextforge(scene, &url, program).await;
        peers.push(started.context("ContextForge cannot be measured")?);
    }
    peers.push(ours(scene, &url).await?);
    Ok(peers)
}

/// Stateless and with JSON answers, its fastest way. It checks no token.
async fn fastmcp(scene: &Scene, url: &str, python: &Path) -> Result<Before> {
    let folder = scene.folder_of("fastmcp")?;
    let port = free_port()?;
    let script = folder.join("proxy.py");
    fs::write(
        &script,
        format!(
            "from fastmcp.server import create_proxy\n\
             create_proxy(\"{url}\").run(transport=\"http\", host=\"127.0.0.1\", port={port}, show_banner=False,\n\
             \x20   log_level=\"ERROR\", stateless_http=True, json_response=True)\n"
        ),
    )?;
    let mut command = tied(python);
    command.arg(&script).env("HOME", &folder);
    let mut running = Running::start(&mut command, &folder.join("log"))?;
    let base = format!("http://127.0.0.1:{port}");
    running.listens(&base).await?;
    let target = Target::new(base, Vec::new());
    Ok(Before::new(
        Peer::new(FASTMCP, target, false, running),
        "/mcp",
    ))
}

/// One worker on SQLite, tokens checked, everything else as it comes without plugins, pages and its limit of a hundred calls a minute.
async fn contextforge(scene: &Scene, url: &str, program: &Path) -> Result<Before> {
    let folder = scene.folder_of("contextforge")?;
    let port = free_port()?;
    let database = format!("sqlite:///{}/mcp.db", folder.display());
    let mut command = tied(program);
    command
        .args(["--host", "127.0.0.1", "--port"])
        .arg(port.to_string())
        .envs([
            ("DATABASE_URL", database.as_str()),
            ("PLATFORM_ADMIN_EMAIL", ADMIN),
            ("JWT_SECRET_KEY", SECRET),
            ("MCPGATEWAY_UI_ENABLED", "false"),
            ("MCPGATEWAY_ADMIN_API_ENABLED", "false"),
            ("PLUGINS_ENABLED", "false"),
            ("LOG_LEVEL", "ERROR"),
            ("RATE_LIMITING_ENABLED", "false"),
            ("TOOL_RATE_LIMIT", "1000000"),
            ("TOOL_CONCURRENT_LIMIT", "1000"),
            ("SSRF_ALLOW_LOCALHOST", "true"),
            ("SSRF_ALLOW_PRIVATE_NETWORKS", "true"),
        ])
        .env("HOME", &folder)
        .current_dir(&folder);
    let mut running = Running::start(&mut command, &folder.join("log"))?;
    let base = format!("http://127.0.0.1:{port}");
    let token = token_of(program)?;
    ready(&base, &mut running).await?;
    let gateway = json!({"name": "up", "url": url, "transport": "STREAMABLEHTTP"});
    told(&base, &token, "/gateways", Some(&gateway)).await?;
    let tools = told(&base, &token, "/tools", None).await?;
    let tool = &tools[0];
    let (id, name) = (&tool["id"], tool["name"].as_str().context("a tool")?);
    let server = json!({"server": {"name": "bench", "associated_tools": [id]}});
    let server = told(&base, &token, "/servers", Some(&server)).await?;
    let server = server["id"].as_str().context("a server")?;
    let target = Target::new(base, vec![bearer(&token)?]);
    Ok(Before {
        tool: name.to_owned(),
        path: format!("/servers/{server}/mcp"),
        peer: Peer::new(CONTEXTFORGE, target, true, running),
    })
}

/// A token of its administrator, made by its own program beside the gateway's.
fn token_of(program: &Path) -> Result<String> {
    let made = Command::new(program.with_file_name("python"))
        .args([
            "-m",
            "mcpgateway.utils.create_jwt_token",
            "--username",
            ADMIN,
        ])
        .args(["--exp", "600", "--admin", "--secret", SECRET])
        .env("JWT_SECRET_KEY", SECRET)
        .output()
        .context("its program for tokens")?;
    let said = String::from_utf8(made.stdout)?;
    let token = said.lines().last().unwrap_or_default().trim().to_owned();
    ensure!(token.matches('.').count() == 2, "it makes no token");
    Ok(token)
}

/// Waits until it answers that it is well, not only until it listens.
async fn ready(base: &str, running: &mut Running) -> Result<()> {
    running.listens(base).await?;
    let deadline = Instant::now() + READY_LIMIT;
    let http = testkit::Http::new();
    loop {
        let answer = http.get(&format!("{base}/health")).send().await;
        if answer.is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "it does not get ready");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn told(base: &str, token: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let (http, url) = (testkit::Http::new(), format!("{base}{path}"));
    let request = match body {
        Some(body) => http.post(&url).json(body),
        None => http.get(&url),
    };
    let answer = request.bearer(token).send().await?;
    ensure!(
        answer.status < 300,
        "{path} answers {}: {}",
        answer.status,
        answer.text()
    );
    Ok(answer.json())
}

/// With everything on, as for inference: tokens checked, policy, the durable record of every call.
async fn ours(scene: &Scene, url: &str) -> Result<Before> {
    let policy = format!(
        r#"{}
[[connector]]
name = "bench"
url = "{url}"
definitions = "warn"

[[action]]
name = "everything"
who = {{ groups = ["engineering"] }}
connector = "bench"
actions = ["*"]
state = "allow"
"#,
        doorward::policy(1, false)
    );
    let callers = vec![scene.usual_bearer()?];
    let provider = &scene.provider.base;
    let peer = doorward::with(scene, DOORWARD, "connectors", provider, &policy, callers).await?;
    Ok(Before::new(peer, "/mcp/bench"))
}
