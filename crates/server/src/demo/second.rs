//! A second replica for the demo, where PostgreSQL is at hand: on the same database, with its own addresses and its own ledger.

use std::time::Duration;

use anyhow::ensure;
use testkit::{Actor, Session};

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

    /// Somebody's client at this replica, with the session they were given by the other.
    pub fn actor(&self, session: &Session) -> Actor {
        Actor::with_bearer(&self.base, &session.access_token)
    }

    /// That the two are one gateway: a session of one is good at the other. Gives what it proved.
    pub async fn knows(&self, world: &World, session: &Session) -> anyhow::Result<String> {
        let models = self.actor(session).models().await?;
        ensure!(!models.is_empty(), "she is offered no models there");
        Ok(format!(
            "the session that one made is good at the other, {}; each writes a chain of its own, {} and {}",
            self.base,
            world.running.wired.pipeline.ledger.chain(),
            self.running.wired.pipeline.ledger.chain(),
        ))
    }

    /// Ends it in good order.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.running.stop(Duration::from_secs(2)).await
    }
}
