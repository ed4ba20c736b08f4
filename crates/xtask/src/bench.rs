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

/// Runs `bench` with these arguments; true when all of it could be measured.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<bool> {
    let node = tools::node(workspace)?;
    for (program, package) in PEERS {
        // both say their version for `-v` and for nothing longer
        if process::quiet(Command::new(program).arg("-v")).is_err() {
            install(package)?;
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

fn install(package: &str) -> Result<()> {
    println!("installing: apt-get install {package}");
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--quiet", "--yes", "--no-install-recommends"])
        .arg(package)
        .env("DEBIAN_FRONTEND", "noninteractive");
    process::quiet(&mut apt).with_context(|| format!("{package} is needed"))?;
    Ok(())
}
