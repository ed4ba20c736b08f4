//! The subcommands and their exit codes: 0 fine, 1 the thing asked for is not so, 2 wrong use (from the parser), 64 bad
//! configuration.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use domain::Clock;
use ledger::record::SystemEvent;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::certificate::Certificate;
use crate::config::{self, Config};
use crate::listen::{Bounds, Listener};
use crate::ops::{self, Ops};
use crate::system::{SystemClock, SystemIds, chain, complain, raise_open_files, say};
use crate::wiring::{self, Wired};
use crate::{
    acceptable_use_command, backup, demo, doctor, drill, import_command, keys, ledger_command,
    policy_command, role_command, scim_token_command, service_key_command, signals, tasks_command,
};

/// Your company's identity in front of Claude.
#[derive(Debug, Parser)]
#[command(
    name = "doorward",
    version,
    about,
    after_help = "Start with `doorward demo`: it needs nothing and shows everything."
)]
pub struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show everything on this machine: an identity provider, a simulated Claude, and the story of a working day
    Demo(demo::Options),
    /// Serve clients
    Serve {
        /// The configuration
        #[arg(long, default_value = "doorward.toml")]
        config: PathBuf,
    },
    /// Say everything that is wrong with a configuration, without starting anything
    CheckConfig {
        /// The configuration
        #[arg(long, default_value = "doorward.toml")]
        config: PathBuf,
    },
    /// Look at everything this stands on, and make the two rollout checks, each with evidence
    Doctor(doctor::Options),
    /// Read, check and change the policy in the store
    #[command(subcommand)]
    Policy(policy_command::PolicyCommand),
    /// Draft and publish the acceptable-use policy, and see who has accepted it
    AcceptableUse(acceptable_use_command::AcceptableUseCommand),
    /// See what is to be done for people who come and go, and say what is done
    Tasks(tasks_command::TasksCommand),
    /// Compare a workspace's member list with the directory
    Members(tasks_command::MembersCommand),
    /// Try out that leaving works here, and measure it
    Drill(drill::DrillCommand),
    /// Make, list and revoke keys for machines that have no OpenID provider
    ServiceKey(service_key_command::ServiceKeyCommand),
    /// Print the description of the admin API, as /openapi.json serves it
    Openapi,
    /// Make, list, rotate and revoke the tokens with which a company's directory provisions (SCIM)
    ScimToken(scim_token_command::ScimTokenCommand),
    /// Give roles to people and groups, take them away, list them
    Role(role_command::RoleCommand),
    /// Turn another gateway's configuration into ours
    #[command(subcommand)]
    Import(import_command::ImportCommand),
    /// List and change the keys that sign and seal
    Keys(keys::KeysCommand),
    /// Keep everything Doorward knows in a folder, beside a running server
    Backup(backup::Backup),
    /// Put a backup back into an empty place, or only check it
    Restore(backup::Restore),
    /// Check the ledger offline, and export it
    #[command(subcommand)]
    Ledger(ledger_command::LedgerCommand),
}

/// Exit code for a bad configuration.
const BAD_CONFIG: u8 = 64;

impl Command {
    /// Does it.
    pub async fn run(self) -> ExitCode {
        match self.what {
            What::Demo(options) => demo::run(options).await,
            What::Serve { config } => match config::load(&config) {
                Ok(config) => finish(serve(config).await),
                Err(mistakes) => bad_config(&mistakes),
            },
            What::CheckConfig { config } => match config::load(&config) {
                Ok(config) => {
                    say(&format!(
                        "fine: issuers: {}, upstreams: {}, clients at {}",
                        config.issuers.len(),
                        config.upstreams.len(),
                        config.server.public_url
                    ));
                    ExitCode::SUCCESS
                }
                Err(mistakes) => bad_config(&mistakes),
            },
            What::Doctor(options) => doctor::run(options).await,
            What::Policy(command) => policy_command::run(command).await,
            What::AcceptableUse(command) => acceptable_use_command::run(command).await,
            What::Tasks(command) => tasks_command::run_tasks(command).await,
            What::Members(command) => tasks_command::run_members(command).await,
            What::Drill(command) => drill::run(command).await,
            What::ServiceKey(command) => service_key_command::run(command).await,
            What::Openapi => {
                say(console::api::text().trim_end());
                ExitCode::SUCCESS
            }
            What::ScimToken(command) => scim_token_command::run(command).await,
            What::Role(command) => role_command::run(command).await,
            What::Import(command) => import_command::run(command),
            What::Keys(command) => keys::run(command).await,
            What::Backup(what) => backup::backup(what).await,
            What::Restore(what) => backup::restore(what).await,
            What::Ledger(command) => ledger_command::run(command),
        }
    }
}

/// Prints every mistake of a configuration.
pub fn bad_config(mistakes: &[String]) -> ExitCode {
    for mistake in mistakes {
        complain(mistake);
    }
    ExitCode::from(BAD_CONFIG)
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("doorward: {}", chain(error.as_ref())));
            ExitCode::from(1)
        }
    }
}

/// JSON lines on standard error. What is logged is ours: codes, ids, names; never content or credentials.
pub fn log_json() {
    let filter = EnvFilter::try_from_env("DOORWARD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, ToString::to_string);
        // Not the panic's text: it may quote what it was working on.
        tracing::error!(place, "a task has panicked; its request fails");
    }));
}

async fn serve(config: Config) -> anyhow::Result<()> {
    log_json();
    let mut running = start(&config).await?;
    tracing::info!(
        clients = %config.server.listen,
        operators = %config.server.ops,
        public_url = config.server.public_url,
        policy = running.wired.pipeline.rules.current().version,
        "serving"
    );
    let is_asked_to = tokio::select! {
        () = signals::stop() => true,
        Some(ended) = running.background.join_next() => {
            tracing::error!(panicked = ended.is_err(), "what follows the store and the ledger in the background has ended; the process stops, to be started anew");
            false
        }
    };
    if is_asked_to {
        running
            .leave(Duration::from_secs(config.server.leave_s))
            .await;
    }
    running
        .stop(Duration::from_secs(config.server.drain_s))
        .await?;
    anyhow::ensure!(is_asked_to, "a background task had ended; see the log");
    Ok(())
}

/// A process that serves.
#[derive(Debug)]
pub struct Running {
    /// Its parts.
    pub wired: Arc<Wired>,
    ops: Arc<Ops>,
    stop: CancellationToken,
    listeners: tokio::task::JoinSet<()>,
    background: tokio::task::JoinSet<()>,
}

/// Wires a configuration and begins to serve.
pub async fn start(config: &Config) -> anyhow::Result<Running> {
    start_at(config, Arc::new(SystemClock)).await
}

/// As [`start`], by another clock than the machine's.
pub async fn start_at(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Running> {
    let wired = Arc::new(wiring::wire(config, clock, Arc::new(SystemIds)).await?);
    let mut registry = Registry::default();
    wired.register(&mut registry);
    let ops = Arc::new(Ops {
        wired: Arc::clone(&wired),
        registry,
        draining: AtomicBool::new(false),
    });
    let server = &config.server;
    let bind = async |address: std::net::SocketAddr| {
        TcpListener::bind(address)
            .await
            .with_context(|| format!("{address} cannot be listened on"))
    };
    let certificate = match &server.tls {
        None => None,
        Some(files) => Some(Arc::new(Certificate::load(files.clone())?)),
    };
    let stop = CancellationToken::new();
    let mut listeners = tokio::task::JoinSet::new();
    let drain = Duration::from_secs(server.drain_s);
    let bounds = Bounds::within(raise_open_files());
    if bounds.connections < domain::limits::CONNECTIONS_MAX {
        tracing::warn!(
            connections = bounds.connections,
            "the limit on open files keeps connections below what could be served; raise it (LimitNOFILE)"
        );
    }
    let clients = Listener {
        socket: bind(server.listen).await?,
        router: wired.router(),
        certificate: certificate.clone(),
        trusted_proxies: server.trusted_proxies.clone().into(),
        drain,
        bounds,
    };
    let operators = Listener {
        socket: bind(server.ops).await?,
        router: ops::routes(Arc::clone(&ops)),
        certificate: None,
        trusted_proxies: Arc::from([]),
        drain: Duration::from_secs(1),
        bounds,
    };
    listeners.spawn(clients.serve(stop.clone()));
    listeners.spawn(operators.serve(stop.clone()));
    let mut background = wired.background();
    if let Some(certificate) = certificate {
        background.spawn(async move { certificate.follow().await });
    }
    wired
        .note(SystemEvent::Start)
        .await
        .context("the ledger cannot be written")?;
    Ok(Running {
        wired,
        ops,
        stop,
        listeners,
        background,
    })
}

impl Running {
    /// Says that it is about to end, and goes on for a while, so that whoever sends it new connections can stop doing so.
    pub async fn leave(&self, after: Duration) {
        tracing::info!("leaving");
        self.ops.draining.store(true, Ordering::Relaxed);
        tokio::time::sleep(after).await;
    }

    /// Stops in good order: not ready, no new connections, open streams end or are cut, the ledger is written to its end.
    pub async fn stop(mut self, drain: Duration) -> anyhow::Result<()> {
        tracing::info!("draining");
        self.ops.draining.store(true, Ordering::Relaxed);
        let _ = self.wired.note(SystemEvent::Drain).await;
        self.stop.cancel();
        let ended = async { while self.listeners.join_next().await.is_some() {} };
        if tokio::time::timeout(drain + Duration::from_secs(2), ended)
            .await
            .is_err()
        {
            self.listeners.shutdown().await;
        }
        self.wired.note(SystemEvent::Stop).await?;
        self.wired.hand_over().await;
        self.background.shutdown().await;
        self.wired.give_back().await;
        self.wired.store.close().await;
        Ok(())
    }
}
