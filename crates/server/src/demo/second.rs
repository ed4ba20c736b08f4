//! A second replica for the demo, where PostgreSQL is at hand: on the same database, with its own addresses and its own ledger.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use testkit::{Actor, device_sign_in};

use super::world::{self, World};
use crate::commands::{Running, start};

/// It, and where clients connect to it.
#[derive(Debug)]
pub struct Second {
    running: Running,
    base: String,
}

impl Second {
    /// Starts it beside the first.
    pub async fn beside(world: &World) -> anyhow::Result<Self> {
        let mut config = world.config.clone();
        config.server.listen = world::free(0)?;
        config.server.ops = world::free(0)?;
        config.ledger.dir = world.dir.path().join("second-ledger");
        let running = start(&config).await?;
        let base = format!("http://{}", config.server.listen);
        Ok(Self { running, base })
    }

    /// What the two have in common. Gives what it proved.
    pub async fn tell(&self, world: &World) -> anyhow::Result<String> {
        let grace = device_sign_in(&world.base, "grace").await?;
        let there = Actor::with_bearer(&self.base, &grace.access_token);
        let long = "Tell me a long story. [testkit events=600 pace-ms=20]";
        let mut stream = there.stream("claude-sonnet-5-5", long).await?;
        ensure!(stream.status() == 200, "status {}", stream.status());
        stream.next().await?.context("the story ended too early")?;
        let signed_out = grace.revoke().await?;
        let at = Instant::now();
        ensure!(signed_out.contains(&200), "signing out says {signed_out:?}");
        let (events, _) = tokio::time::timeout(Duration::from_secs(5), stream.until_end())
            .await
            .context("the stream went on")?;
        let cut_after = at.elapsed();
        ensure!(events.len() < 500, "the story was told to its end");
        ensure!(
            cut_after < Duration::from_secs(1),
            "the stream was cut after {cut_after:?}"
        );
        let next = there.messages("claude-sonnet-5-5", "One more?").await?;
        ensure!(next.status == 401, "status {}", next.status);
        Ok(format!(
            "grace signs in at one, streams at the other and signs out at the first: her stream is cut after {} ms; chains {} and {}",
            cut_after.as_millis(),
            world.running.wired.pipeline.ledger.chain(),
            self.running.wired.pipeline.ledger.chain(),
        ))
    }

    /// Ends it in good order.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.running.stop(Duration::from_secs(2)).await
    }
}
