//! A process that serves: starts every organisation's parts, the sockets that they share, and ends all of it in good order. At
//! start all organisations must be well; later each is alone.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use domain::{Clock, Ids};
use ledger::record::SystemEvent;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::certificate::Certificate;
use crate::config::{Config, Named, ServerConfig};
use crate::listen::{Bounds, Listener};
use crate::ops::{self, Observed, Ops};
use crate::sites::{Site, Sites};
use crate::system::{SystemClock, SystemIds, chain, raise_open_files};
use crate::wiring::{self, Wired};

/// A process that serves.
#[derive(Debug)]
pub struct Running {
    /// The parts of the organisation; of the first where there are several.
    pub wired: Arc<Wired>,
    orgs: Vec<Org>,
    ops: Arc<Ops>,
    stop: CancellationToken,
    listeners: JoinSet<()>,
    /// Whoever follows files of certificates.
    certificates: JoinSet<()>,
}

/// One organisation that is served.
#[derive(Debug)]
struct Org {
    wired: Arc<Wired>,
    background: JoinSet<()>,
}

/// Wires a configuration and begins to serve.
pub async fn start(config: &Config) -> anyhow::Result<Running> {
    start_at(config, Arc::new(SystemClock)).await
}

/// As [`start`], by another clock than the machine's.
pub async fn start_at(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Running> {
    let ids: Arc<dyn Ids> = Arc::new(SystemIds);
    let wired = Box::pin(wiring::wire(config, Arc::clone(&clock), Arc::clone(&ids))).await?;
    Box::pin(serve(vec![Arc::new(wired)], clock, ids)).await
}

/// Wires several organisations and begins to serve all of them, or says of every one that cannot be why.
pub async fn start_all(orgs: &[Named]) -> anyhow::Result<Running> {
    if let [only] = orgs {
        return start(&only.config).await;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn Ids> = Arc::new(SystemIds);
    let mut wiring = JoinSet::new();
    for (index, org) in orgs.iter().cloned().enumerate() {
        let (clock, ids, among) = (Arc::clone(&clock), Arc::clone(&ids), orgs.len());
        wiring.spawn(async move {
            let wired = wiring::wire_among(among, &org.config, clock, ids).await;
            (index, wired.map_err(|error| told(&org.file, &error)))
        });
    }
    let mut wired = wiring.join_all().await;
    wired.sort_by_key(|(index, _)| *index);
    let (mut ready, mut failed) = (Vec::new(), Vec::new());
    for (_, wired) in wired {
        match wired {
            Ok(wired) => ready.push(Arc::new(wired)),
            Err(why) => failed.push(why),
        }
    }
    if failed.is_empty() {
        return serve(ready, clock, ids).await;
    }
    for wired in ready {
        wired.let_chain_go().await;
        wired.store.close().await;
    }
    anyhow::bail!(failed.join("\n"))
}

fn told(file: &Path, error: &anyhow::Error) -> String {
    format!("{}: {}", file.display(), chain(error.as_ref()))
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened on"))
}

/// Begins to serve what is wired; there is at least one, and what the process has once is the same in all.
async fn serve(
    orgs: Vec<Arc<Wired>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> anyhow::Result<Running> {
    let first = Arc::clone(orgs.first().context("there is nothing to serve")?);
    let server = &first.config.server;
    let bounds = Bounds::within(raise_open_files(), orgs.len());
    if bounds.connections < domain::limits::CONNECTIONS_MAX {
        tracing::warn!(
            connections = bounds.connections,
            "the limit on open files keeps connections below what could be served; raise it (LimitNOFILE)"
        );
    }
    let mut certificates = JoinSet::new();
    let sites = sites(&orgs, bounds, (clock, ids), &mut certificates)?;
    let ops = Arc::new(Ops {
        orgs: orgs.iter().map(observed).collect(),
        sites: Arc::clone(&sites),
        draining: AtomicBool::new(false),
    });
    let stop = CancellationToken::new();
    let listeners = listen(server, sites, &ops, bounds, &stop).await?;
    let mut running = Vec::new();
    for wired in orgs {
        let background = wired.background();
        let noted = wired.note(SystemEvent::Start).await;
        noted.context("the ledger cannot be written")?;
        running.push(Org { wired, background });
    }
    Ok(Running {
        wired: first,
        orgs: running,
        ops,
        stop,
        listeners,
        certificates,
    })
}

fn observed(wired: &Arc<Wired>) -> Observed {
    let mut registry = Registry::default();
    wired.register(&mut registry);
    Observed {
        wired: Arc::clone(wired),
        registry,
    }
}

/// What clients connect to, and whoever follows the certificates.
fn sites(
    orgs: &[Arc<Wired>],
    bounds: Bounds,
    (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>),
    certificates: &mut JoinSet<()>,
) -> anyhow::Result<Arc<Sites>> {
    let (mut sites, mut failed) = (Vec::new(), Vec::new());
    for wired in orgs {
        let server = &wired.config.server;
        let loaded = server.tls.clone().map(Certificate::load).transpose();
        let certificate = match loaded {
            Ok(certificate) => certificate.map(Arc::new),
            Err(error) => {
                failed.push(format!("server.tls of {}: {}", server.org, chain(&error)));
                continue;
            }
        };
        if let Some(certificate) = certificate.clone() {
            certificates.spawn(async move { certificate.follow().await });
        }
        sites.push(Site {
            public_url: server.public_url.clone(),
            router: wired.router(),
            certificate,
            span: wired.span.clone(),
        });
    }
    anyhow::ensure!(failed.is_empty(), failed.join("\n"));
    if sites.len() > 1 {
        return Sites::several(sites, bounds.connections.div_ceil(2), clock, ids);
    }
    let only = sites.pop().context("there is nothing to serve")?;
    Ok(Sites::one(only.router, only.certificate))
}

async fn listen(
    server: &ServerConfig,
    sites: Arc<Sites>,
    ops: &Arc<Ops>,
    bounds: Bounds,
    stop: &CancellationToken,
) -> anyhow::Result<JoinSet<()>> {
    let clients = Listener {
        socket: bind(server.listen).await?,
        sites,
        trusted_proxies: server.trusted_proxies.clone().into(),
        drain: Duration::from_secs(server.drain_s),
        bounds,
    };
    let operators = Listener {
        socket: bind(server.ops).await?,
        sites: Sites::one(ops::routes(Arc::clone(ops)), None),
        trusted_proxies: Arc::from([]),
        drain: Duration::from_secs(1),
        bounds,
    };
    let mut listeners = JoinSet::new();
    listeners.spawn(clients.serve(stop.clone()));
    listeners.spawn(operators.serve(stop.clone()));
    Ok(listeners)
}

impl Running {
    /// The parts of every organisation, in the order of their configurations.
    pub fn orgs(&self) -> impl Iterator<Item = &Arc<Wired>> {
        self.orgs.iter().map(|org| &org.wired)
    }

    /// Waits until something that runs in the background has ended, which it never should; says whose, and whether it panicked.
    pub async fn background_ended(&mut self) -> (Arc<Wired>, bool) {
        std::future::poll_fn(|context| {
            for org in &mut self.orgs {
                if let Poll::Ready(Some(ended)) = org.background.poll_join_next(context) {
                    return Poll::Ready((Arc::clone(&org.wired), ended.is_err()));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Says that it is about to end, and goes on for a while, so that whoever sends it new connections can stop doing so.
    pub async fn leave(&self, after: Duration) {
        tracing::info!("leaving");
        self.ops.draining.store(true, Ordering::Relaxed);
        tokio::time::sleep(after).await;
    }

    /// Stops in good order: not ready, no new connections, open streams end or are cut, every ledger is written to its end.
    pub async fn stop(mut self, drain: Duration) -> anyhow::Result<()> {
        tracing::info!("draining");
        self.ops.draining.store(true, Ordering::Relaxed);
        for org in &self.orgs {
            let _ = org.wired.note(SystemEvent::Drain).await;
        }
        self.stop.cancel();
        let ended = async { while self.listeners.join_next().await.is_some() {} };
        if tokio::time::timeout(drain + Duration::from_secs(2), ended)
            .await
            .is_err()
        {
            self.listeners.shutdown().await;
        }
        self.certificates.shutdown().await;
        // Side by side: each may wait for a store of its own.
        let ending: JoinSet<_> = self.orgs.into_iter().map(Org::end).collect();
        ending.join_all().await.into_iter().collect()
    }
}

impl Org {
    async fn end(mut self) -> anyhow::Result<()> {
        self.wired.pipeline.strangers.write_all();
        let noted = self.wired.note(SystemEvent::Stop).await;
        if noted.is_ok() {
            self.wired.hand_over().await;
        }
        self.background.shutdown().await;
        if noted.is_ok() {
            self.wired.give_back().await;
        }
        self.wired.let_chain_go().await;
        self.wired.store.close().await;
        noted
    }
}
