//! Word of changes, from the database itself: on PostgreSQL every change of a counter is notified when it commits, and whoever
//! follows hears it within milliseconds. It is only ever a reason to look sooner. Whoever follows looks at intervals as well, so that
//! a word that is lost, with a connection that broke or behind a pooler that passes none on, costs time and nothing else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::limits;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::Executor as _;
use sqlx::postgres::PgListener;
use tokio::sync::watch;

use crate::connection::Tx;
use crate::{Engine, Result, Store};

/// The channel; one for all organisations and counters, for changes are rare and a look is cheap.
const CHANNEL: &str = "doorward";

/// Tells everybody in this process who follows.
#[derive(Debug)]
pub(crate) struct Bell {
    url: SecretString,
    rung: watch::Sender<u64>,
    listens: AtomicBool,
}

impl Bell {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            rung: watch::Sender::new(0),
            listens: AtomicBool::new(false),
        }
    }

    fn ring(&self) {
        self.rung.send_modify(|times| *times += 1);
    }
}

/// What one follower hears.
#[derive(Debug)]
pub struct Changes(watch::Receiver<u64>);

impl Changes {
    /// Waits until something may have changed since the last time; for ever where nobody tells.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Store {
    /// What may have changed from now on.
    pub fn changes(&self) -> Changes {
        Changes(self.bell.rung.subscribe())
    }

    /// Whether changes are heard at once; otherwise they are seen at the next look.
    pub fn is_listening(&self) -> bool {
        self.bell.listens.load(Ordering::Relaxed)
    }

    /// Listens for as long as the process lives. On SQLite, where nobody tells, it only waits.
    pub async fn listen(&self) {
        if self.engine() == Engine::Sqlite {
            return std::future::pending().await;
        }
        let mut failing = false;
        loop {
            let lost = self.listen_once().await;
            let heard = self.bell.listens.swap(false, Ordering::Relaxed);
            // Said once per outage.
            if heard || !failing {
                tracing::warn!(error = %lost, "the database's word of changes is lost; they are seen a little later until it is back");
            }
            failing = true;
            tokio::time::sleep(Duration::from_millis(limits::STORE_LISTEN_AGAIN_MS)).await;
        }
    }

    /// Listens until the connection is lost, and says how.
    async fn listen_once(&self) -> sqlx::Error {
        let opened = within(async {
            let mut listener = PgListener::connect(self.bell.url.expose_secret()).await?;
            listener.listen(CHANNEL).await?;
            Ok(listener)
        });
        let mut listener = match opened.await {
            Ok(listener) => listener,
            Err(error) => return error,
        };
        self.bell.listens.store(true, Ordering::Relaxed);
        // What was changed while nobody listened.
        self.bell.ring();
        let proof = Duration::from_millis(limits::STORE_LISTEN_PROOF_MS);
        loop {
            match tokio::time::timeout(proof, listener.try_recv()).await {
                Ok(Ok(Some(_))) => self.bell.ring(),
                Ok(Ok(None)) => return sqlx::Error::PoolClosed,
                Ok(Err(error)) => return error,
                // A connection whose other end has vanished stays silent for ever; one that is alive answers.
                Err(_) => {
                    if let Err(error) = within(listener.execute("SELECT 1")).await {
                        return error;
                    }
                }
            }
        }
    }
}

async fn within<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let limit = Duration::from_millis(limits::STORE_WAIT_MS);
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// In a transaction: tells whoever listens, when it commits.
pub(crate) async fn tell(tx: &mut Tx) -> Result<()> {
    match tx.engine() {
        Engine::Sqlite => Ok(()),
        Engine::Postgres => tx.settings("NOTIFY doorward").await,
    }
}
