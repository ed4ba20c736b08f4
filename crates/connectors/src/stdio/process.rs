//! One program that runs: started in its sandbox, greeted once, read as long as it lives, and ended. What it writes to its standard error
//! is read away and counted; a line in the log says how it ended and how much that was, never what.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::{ReasonCode, limits};
use pipeline::identity::Live;
use serde_json::Value;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout};

use super::wire::{Heard, Wire};
use crate::revision::TO_CONNECTORS;
use crate::strict::Members;

/// Why a program does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nothing to put it into.
    #[error(
        "bubblewrap is not installed, and without it no program is started; install the package bubblewrap"
    )]
    NoSandbox,
    /// It is another one than was named.
    #[error("it is not what is pinned in doorward.toml")]
    Pinned(#[from] super::pin::PinError),
    /// What it is to run in cannot be made; in bubblewrap's own words.
    #[error("its sandbox cannot be made: {0}")]
    Sandbox(String),
    /// It was not started.
    #[error("it cannot be started")]
    Started(#[from] std::io::Error),
    /// It ended, or said what is no message, before it answered its greeting.
    #[error(
        "it did not answer its greeting; `doorward doctor` says whether its sandbox can be made"
    )]
    Greeted,
    /// It took too long.
    #[error("it did not answer its greeting in time")]
    TooSlow,
    /// It speaks a version that is not spoken here.
    #[error("it speaks no version of the protocol that is spoken with programs")]
    Version,
}

/// A program that runs, until it is dropped.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) wire: Arc<Wire>,
    /// What it answered to its greeting, as it wrote it.
    pub(super) greeting: String,
    pub(super) began: Instant,
    /// The credential that was last used, where it is one person's own process.
    live: Mutex<Arc<Live>>,
    stop: Arc<Stop>,
    _one_of_all: OwnedSemaphorePermit,
}

/// Whether it was told to end.
#[derive(Debug, Default)]
struct Stop {
    told: AtomicBool,
    notify: Notify,
}

impl Process {
    /// Starts a program and greets it.
    pub(super) async fn start(
        name: &str,
        mut command: Command,
        live: Arc<Live>,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, StartError> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(StartError::Greeted);
        };
        let (to, lines) = mpsc::channel(limits::PROGRAM_LINES_WAITING);
        let wire = Wire::new(to);
        let stop = Arc::new(Stop::default());
        let errors = Arc::new(Errors::default());
        let running = Running {
            name: name.to_owned(),
            child,
            wire: Arc::clone(&wire),
            stop: Arc::clone(&stop),
            errors: Arc::clone(&errors),
        };
        tokio::spawn(running.until_it_ends(
            (stdin, stdout),
            lines,
            tokio::spawn(errors.count(stderr)),
        ));
        let mut process = Self {
            wire,
            greeting: String::new(),
            began: Instant::now(),
            live: Mutex::new(live),
            stop,
            _one_of_all: place,
        };
        process.greeting = process.greeted().await?;
        Ok(process)
    }

    async fn greeted(&self) -> Result<String, StartError> {
        let hello = serde_json::json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {
                "protocolVersion": TO_CONNECTORS[0], "capabilities": {},
                "clientInfo": {"name": "doorward", "version": env!("CARGO_PKG_VERSION")},
            },
        });
        let asking = async {
            let asked = self.wire.ask(&hello.to_string(), false, (None, None)).await;
            let mut asked = asked.map_err(|_| StartError::Greeted)?;
            match asked.next().await {
                Ok(Heard::Answer(text)) => Ok(text),
                _ => Err(StartError::Greeted),
            }
        };
        let time = Duration::from_millis(limits::PROGRAM_START_MS);
        let answer = timeout(time, asking)
            .await
            .map_err(|_| StartError::TooSlow)??;
        let members = Members::read(&answer, &["result"]).map_err(|_| StartError::Greeted)?;
        let result = members.get("result").ok_or(StartError::Greeted)?;
        let read: Value = serde_json::from_str(result).map_err(|_| StartError::Greeted)?;
        let version = read["protocolVersion"].as_str();
        if !version.is_some_and(|version| TO_CONNECTORS.contains(&version)) {
            return Err(StartError::Version);
        }
        self.wire
            .tell(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        Ok(result.to_owned())
    }

    /// Ends it, and every call of it.
    pub(super) fn stop(&self) {
        self.stop.told.store(true, Ordering::Release);
        self.wire.end(ReasonCode::UpstreamUnavailable);
        self.stop.notify.notify_one();
    }

    /// Notes with which credential it was last used.
    pub(super) fn used_with(&self, live: &Arc<Live>) {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(live);
    }

    /// Whether what its person came in with last has ended: their next call starts it anew.
    pub(super) fn is_of_somebody_shut_out(&self) -> bool {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.is_revoked()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Running {
    name: String,
    child: Child,
    wire: Arc<Wire>,
    stop: Arc<Stop>,
    errors: Arc<Errors>,
}

impl Running {
    /// Carries lines both ways until one side has had enough.
    async fn until_it_ends(
        mut self,
        (stdin, stdout): (ChildStdin, ChildStdout),
        lines: mpsc::Receiver<Bytes>,
        counting: tokio::task::JoinHandle<()>,
    ) {
        let pid = self.child.id();
        tracing::info!(connector = self.name, pid, "a connector's program runs");
        let reading = read(stdout, &self.wire);
        let writing = write(stdin, lines);
        // Its input is closed when the branch that did not end is dropped, which asks it to end.
        let why = tokio::select! {
            why = reading => why,
            () = writing => ReasonCode::UpstreamUnavailable,
            () = self.stop.notify.notified() => ReasonCode::UpstreamUnavailable,
        };
        self.wire.end(why);
        let time = Duration::from_millis(limits::PROGRAM_STOP_MS);
        let ended = timeout(time, self.child.wait()).await;
        if ended.is_err() {
            // Everything in its namespace goes with it.
            let _it_may_be_gone = self.child.start_kill();
        }
        let status = self.child.wait().await.ok();
        counting.abort();
        tracing::info!(
            connector = self.name,
            pid,
            told = self.stop.told.load(Ordering::Acquire),
            garbled = why == ReasonCode::UpstreamGarbled,
            status = status.map(|status| status.to_string()),
            stderr_lines = self.errors.lines.load(Ordering::Relaxed),
            stderr_bytes = self.errors.bytes.load(Ordering::Relaxed),
            "a connector's program has ended"
        );
    }
}

async fn read(stdout: ChildStdout, wire: &Wire) -> ReasonCode {
    let most = limits::MCP_MESSAGE_BYTES_MAX;
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        line.shrink_to(64 * 1024);
        let mut bounded = (&mut stdout).take(most as u64 + 1);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(_) if line.len() > most => return ReasonCode::UpstreamGarbled,
            // What has no end was cut off.
            Ok(_) if !line.ends_with(b"\n") => return ReasonCode::UpstreamUnavailable,
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(_) => {
                if let Err(why) = wire.heard(&line) {
                    return why;
                }
            }
            Err(_) => return ReasonCode::UpstreamUnavailable,
        }
    }
}

async fn write(mut stdin: ChildStdin, mut lines: mpsc::Receiver<Bytes>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(&line).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

/// How much a program wrote to its standard error.
#[derive(Debug, Default)]
struct Errors {
    lines: AtomicU64,
    bytes: AtomicU64,
}

impl Errors {
    async fn count(self: Arc<Self>, mut from: impl AsyncRead + Unpin) {
        let mut piece = vec![0; 8 * 1024];
        while let Ok(many @ 1..) = from.read(&mut piece).await {
            let lines = memchr::memchr_iter(b'\n', &piece[..many]).count();
            self.lines.fetch_add(lines as u64, Ordering::Relaxed);
            self.bytes.fetch_add(many as u64, Ordering::Relaxed);
        }
    }
}
