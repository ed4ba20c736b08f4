//! `cargo xtask bench`: builds Doorward and the bench as they are shipped, sees to the peers, and measures side by side beside a
//! private PostgreSQL. It judges nothing. Called by `main`.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::postgres::{Cluster, VARIABLE};
use crate::process;
use crate::tools;
use crate::workspace::Workspace;

/// Programs of the distribution, and the packages that bring them.
const PEERS: [(&str, &str); 2] = [("nginx", "nginx-light"), ("haproxy", "haproxy")];

/// What can be measured; said at once, without building anything.
pub(crate) const USAGE: &str = "\
cargo xtask bench compare    all peers: requests/s, latency, CPU a request, memory
cargo xtask bench latency    latency that each peer adds at a fixed rate
cargo xtask bench growth     what Doorward's cost a request and memory grow with
cargo xtask bench provision  what provisioning people and groups by SCIM costs
cargo xtask bench search     how long a search of a large ledger takes
cargo xtask bench pages      how fast every page of the console answers on the demo's sample data

Each builds Doorward and the bench as they are shipped, installs what the peers need, and measures. `COMMAND --help` lists the options
of one; for that the bench alone is built.";

/// Runs `bench` with these arguments; true when all of it could be measured.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<bool> {
    if arguments
        .iter()
        .any(|word| matches!(*word, "--help" | "-h"))
    {
        return help(workspace, arguments);
    }
    let node = tools::node(workspace)?;
    for (program, package) in PEERS {
        // both say their version for `-v` and for nothing longer
        if process::quiet(Command::new(program).arg("-v")).is_err() {
            tools::debian(package)?;
        }
    }
    let built = Command::new("cargo")
        .args(["build", "--release", "--package=server", "--package=bench"])
        .current_dir(workspace.root())
        .status()
        .context("cargo")?;
    ensure!(built.success(), "cargo build ended with {built}");
    let cluster = Cluster::start(workspace)?;
    let status = Command::new(workspace.target().join("release/bench"))
        .args(arguments)
        .env(VARIABLE, cluster.url())
        .env("DOORWARD_NODE", node)
        .status()
        .context("the bench cannot be started")?;
    Ok(status.success())
}

/// The bench's own words about one command. No release build, no peers.
fn help(workspace: &Workspace, arguments: &[&str]) -> Result<bool> {
    let said = Command::new("cargo")
        .args(["run", "--quiet", "--package=bench", "--"])
        .args(arguments)
        .current_dir(workspace.root())
        .status()
        .context("cargo")?;
    Ok(said.success())
}
