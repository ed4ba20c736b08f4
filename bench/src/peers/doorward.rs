//! Doorward with everything on: the company's ID token checked (and remembered), policy with a limit and a hard budget, the durable
//! ledger on the disk of this folder, and inspection off or on.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::Peer;
use crate::load::Target;
use crate::process::{Running, free_port, tied};
use crate::scene::{CLIENT_ID, PROVIDER_KEY, Scene};

pub(super) const PLAIN: &str = "Doorward";
pub(super) const INSPECTING: &str = "Doorward, inspecting";

pub(super) async fn start(scene: &Scene, inspects: bool) -> Result<Peer> {
    let (name, folder) = if inspects {
        (INSPECTING, "doorward-inspecting")
    } else {
        (PLAIN, "doorward")
    };
    let policy = policy(1, inspects);
    let callers = vec![scene.usual_bearer()?];
    let provider = &scene.provider.base;
    with(scene, name, folder, provider, &policy, callers).await
}

/// Starts it on a store and ledger of its own, with this policy, before the provider at `provider`.
pub(crate) async fn with(
    scene: &Scene,
    name: &'static str,
    folder: &str,
    provider: &str,
    policy: &str,
    callers: Vec<http::HeaderValue>,
) -> Result<Peer> {
    let folder = scene.folder_of(folder)?;
    let base = format!("http://127.0.0.1:{}", free_port()?);
    let text = configuration(scene, &folder, &base, provider, free_port()?);
    let config = folder.join("doorward.toml");
    fs::write(&config, text)?;
    fs::write(folder.join("provider.key"), PROVIDER_KEY)?;
    let rules = folder.join("policy.toml");
    fs::write(&rules, policy)?;
    let rules = rules.display().to_string();
    says(&folder, &["policy", "apply", "--reason", "bench", &rules])?;
    if policy.contains("[[connector]]") {
        let review = ["connectors", "review", "bench", "--risk", "low"];
        let by = ["--vendor", "ourselves", "--reason", "bench"];
        says(&folder, &[review.as_slice(), by.as_slice()].concat())?;
    }
    let mut command = tied(program()?);
    command.arg("serve").arg("--config").arg(&config);
    let mut running = Running::start(&mut command, &folder.join("log"))?;
    running.listens(&base).await?;
    Ok(Peer::new(name, Target::new(base, callers), true, running))
}

/// A token for the company's directory, from the Doorward that runs in this folder.
pub(crate) fn directory_token(folder: &Path) -> Result<String> {
    says(
        folder,
        &["scim-token", "create", "bench", "--issuer", "company"],
    )
}

/// Lets the person of this address read the ledger of the Doorward that runs in this folder.
pub(crate) fn make_auditor(folder: &Path, email: &str) -> Result<()> {
    let grant = [
        "role", "grant", "auditor", "--reason", "bench", "--person", email,
    ];
    says(folder, &grant).map(drop)
}

/// What a command of its says.
fn says(folder: &Path, command: &[&str]) -> Result<String> {
    let config = folder.join("doorward.toml");
    let ran = Command::new(program()?)
        .args(command)
        .arg("--config")
        .arg(config)
        .output()?;
    let mistake = String::from_utf8_lossy(&ran.stderr);
    ensure!(
        ran.status.success(),
        "`doorward {}` fails: {mistake}",
        command.join(" ")
    );
    Ok(String::from_utf8(ran.stdout)?.trim().to_owned())
}

/// A policy of so many grants, of which the last lets the usual people in; limits and a budget that hold without being reached.
pub(crate) fn policy(rules: usize, inspects: bool) -> String {
    let mut text = String::new();
    for number in 1..rules {
        let _written = write!(
            text,
            "[[grant]]\nname = \"grant {number}\"\nwho = {{ groups = [\"group-{number}\"] }}\nmodels = [\"claude-haiku-*\"]\n\n"
        );
    }
    text += r#"[[grant]]
name = "engineers"
who = { groups = ["engineering"] }
models = ["claude-opus-*", "claude-sonnet-*", "claude-haiku-*"]

[[require]]
name = "current Claude Code"
min_version = { claude_code = "2.1.100" }

[[limit]]
name = "requests"
who = { groups = ["engineering"] }
requests_per_minute = 100000000
input_tokens_per_minute = 1000000000000
concurrent_requests = 100000

[[budget]]
name = "everyone"
for = "member"
amount_usd = "1000000.00"
period = "monthly"
"#;
    if inspects {
        text += r#"
[[inspect]]
name = "everything"
detectors = ["*"]
action = "observe"
"#;
    }
    text
}

fn configuration(scene: &Scene, folder: &Path, base: &str, provider: &str, ops: u16) -> String {
    format!(
        r#"
[server]
public_url = "{base}"
listen = "{listen}"
ops = "127.0.0.1:{ops}"
drain_s = 1

[store]
url = "sqlite:{folder}/doorward.db"

[ledger]
dir = "{folder}/ledger"

[[issuer]]
name = "company"
issuer = "{issuer}"
audiences = ["{CLIENT_ID}"]

[[upstream]]
name = "mock"
provider = "anthropic"
base_url = "{provider}"
auth = {{ api_key = "file:{folder}/provider.key" }}
"#,
        listen = base.trim_start_matches("http://"),
        folder = folder.display(),
        issuer = scene.idp.issuer(),
    )
}

/// The program that lies beside this one.
pub(crate) fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("doorward");
    ensure!(
        program.is_file(),
        "{} is missing: run `cargo xtask bench`",
        program.display()
    );
    program.canonicalize().context("its whole path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policies_are_ones_that_doorward_accepts() {
        for (rules, inspects) in [(1, false), (1, true), (10_000, false)] {
            let policy = domain::Policy::parse(1, &policy(rules, inspects));
            assert!(policy.is_ok(), "{rules} {inspects}: {policy:?}");
        }
    }
}
