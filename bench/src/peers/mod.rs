//! The peers, one file each: how each is configured and started on the scene, with a credential swapped on the way and, where the
//! peer can, the caller's token checked. Each checks itself before it is measured.

mod claude_gateway;
pub(crate) mod connectors;
pub(crate) mod doorward;
mod haproxy;
mod litellm;
mod nginx;

use anyhow::{Context as _, Result, ensure};

use crate::Options;
use crate::load::{Target, ask_once};
use crate::process::{Account, Running, account};
use crate::scene::{Provider, Scene, bearer};
use crate::workload;

/// A peer that is up.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What tables call it.
    pub name: &'static str,
    /// Where it is and who asks.
    pub target: Target,
    /// Whether it lets nobody in without a token.
    pub checks_tokens: bool,
    _process: Option<Running>,
    pid: u32,
}

impl Peer {
    fn new(name: &'static str, target: Target, checks_tokens: bool, process: Running) -> Self {
        Self {
            name,
            target,
            checks_tokens,
            pid: process.pid(),
            _process: Some(process),
        }
    }

    fn direct(provider: &Provider) -> Self {
        Self {
            name: "direct",
            target: Target::new(provider.base.clone(), Vec::new()),
            checks_tokens: false,
            pid: provider.pid(),
            _process: None,
        }
    }

    /// What it has cost so far.
    pub(crate) fn account(&self) -> Result<Account> {
        account(self.pid).with_context(|| format!("{} has ended", self.name))
    }

    /// Fails unless it answers the usual caller and, where it checks tokens, nobody else.
    async fn prove(&self) -> Result<()> {
        let small = workload::small();
        let base = &self.target.base;
        let answer = ask_once(base, &small, self.target.callers.first()).await?;
        let status = answer.status();
        ensure!(status == 200, "it answers {status} to its own caller");
        if !self.checks_tokens {
            return Ok(());
        }
        let broken = self.target.callers.first().context("a caller")?;
        let mut broken = broken.to_str()?.trim_start_matches("Bearer ").to_owned();
        broken.replace_range(broken.len() - 8..broken.len() - 4, "AAAA");
        for caller in [None, Some(bearer(&broken)?)] {
            let answer = ask_once(base, &small, caller.as_ref()).await?;
            let status = answer.status();
            let whom = caller.map_or("nobody", |_| "a forged token");
            ensure!(status == 401, "it answers {status} to {whom}");
        }
        Ok(())
    }
}

/// Starts all that were asked for, in the order of the tables. What cannot be started is said, and is an error.
pub(crate) async fn start(scene: &Scene, options: &Options) -> Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for name in NAMES {
        if !options.wants(name) || (name == litellm::NAME && options.litellm.is_none()) {
            continue;
        }
        let peer = one(scene, options, name)
            .await
            .with_context(|| format!("{name} cannot be measured"))?;
        peer.prove()
            .await
            .with_context(|| format!("{name} cannot be measured"))?;
        peers.push(peer);
    }
    Ok(peers)
}

const NAMES: [&str; 7] = [
    "direct",
    nginx::NAME,
    haproxy::NAME,
    claude_gateway::NAME,
    litellm::NAME,
    doorward::PLAIN,
    doorward::INSPECTING,
];

async fn one(scene: &Scene, options: &Options, name: &str) -> Result<Peer> {
    match name {
        nginx::NAME => nginx::start(scene).await,
        haproxy::NAME => haproxy::start(scene).await,
        claude_gateway::NAME => claude_gateway::start(scene).await,
        litellm::NAME => litellm::start(scene, options).await,
        doorward::PLAIN => doorward::start(scene, false).await,
        doorward::INSPECTING => doorward::start(scene, true).await,
        _ => Ok(Peer::direct(&scene.provider)),
    }
}
