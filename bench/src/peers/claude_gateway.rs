//! `claude gateway`, the reference: the pinned Claude Code of `e2e/` beside a private PostgreSQL, a person signed in by device code,
//! models limited by policy. Its database is not part of its account.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::device_sign_in;

use super::Peer;
use crate::load::Target;
use crate::process::{Running, free_port, tied};
use crate::scene::{CLIENT_SECRET, PERSON, PROVIDER_KEY, Scene, bearer, client_of};

pub(super) const NAME: &str = "claude gateway";

pub(super) async fn start(scene: &Scene) -> Result<Peer> {
    let folder = scene.folder_of("claude-gateway")?;
    let base = format!("http://127.0.0.1:{}", free_port()?);
    scene.register(&base)?;
    let config = json!({
        "listen": {"host": "127.0.0.1", "port": base.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()), "public_url": base},
        "oidc": {"issuer": scene.idp.issuer(), "client_id": client_of(&base)?, "client_secret": CLIENT_SECRET},
        "session": {"jwt_secret": "bench-session-secret-of-loopback-only"},
        "store": {"postgres_url": "${POSTGRES_URL}"},
        "upstreams": [{"name": "mock", "provider": "anthropic", "base_url": scene.provider.base, "auth": {"api_key": PROVIDER_KEY}}],
        "managed": {"policies": [{"match": {}, "cli": {"availableModels": ["sonnet", "haiku"]}}]},
        "admin": {"write_keys": [{"id": "bench", "key": "bench-admin-key-of-loopback-only-0001"}]},
    });
    let file = folder.join("gateway.json");
    fs::write(&file, serde_json::to_vec_pretty(&config)?)?;
    let mut command = tied(program()?);
    without_claude(&mut command)
        .arg("gateway")
        .arg("--config")
        .arg(&file)
        .env("HOME", &folder)
        .env("CLAUDE_GATEWAY_ALLOW_LOOPBACK", "1")
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .env("DISABLE_TELEMETRY", "1")
        .env("POSTGRES_URL", postgres()?);
    let mut running = Running::start(&mut command, &folder.join("log"))?;
    running.listens(&base).await?;
    let session = device_sign_in(&base, PERSON).await?;
    let callers = vec![bearer(&session.access_token)?];
    Ok(Peer::new(NAME, Target::new(base, callers), true, running))
}

/// The environment without what would make it another Claude Code than a fresh one.
fn without_claude(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CLAUDE", "ANTHROPIC", "DISABLE_"]
            .iter()
            .any(|start| text.starts_with(start))
        {
            command.env_remove(&name);
        }
    }
    command
}

fn program() -> Result<PathBuf> {
    let packages = std::env::var_os("DOORWARD_NODE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.work/node"),
        PathBuf::from,
    );
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let package = format!("claude-code-linux-{architecture}");
    let program = packages
        .join("node_modules/@anthropic-ai")
        .join(package)
        .join("claude");
    ensure!(
        program.is_file(),
        "{} is missing: run `cargo xtask bench`",
        program.display()
    );
    Ok(program)
}

fn postgres() -> Result<std::ffi::OsString> {
    std::env::var_os("DOORWARD_TEST_POSTGRES")
        .context("it needs a PostgreSQL: run `cargo xtask bench`")
}
