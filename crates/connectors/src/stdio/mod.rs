//! Connectors that are programs of this machine, spoken to over their standard input and output. The policy names a command; it runs only
//! if the boot configuration names the same one, in a sandbox, and only as long as what it is made of is what was pinned. Behind
//! [`crate::upstream`], which presents it as a server with sessions. Nothing here decides who may call what.
//!
//! | file | what |
//! |---|---|
//! | `program` | what the boot configuration says of one |
//! | [`pin`] | whether it is what was named |
//! | [`sandbox`] | what it runs in |
//! | `process` | one that runs |
//! | `wire` | whose question an answer belongs to |

pub mod pin;
mod process;
mod program;
pub mod sandbox;
mod wire;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::policy::Connector;
use domain::{Ids, Reason, ReasonCode, Refusal, Subject, limits};
use http::header::ACCEPT;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use pipeline::identity::Live;
use secrecy::SecretString;
use tokio::sync::{Mutex as Turn, Semaphore};
use tokio::time::{Instant, timeout};

use self::process::Process;
use self::wire::{Asker, Events, Heard};
use crate::envelope::{self, Id, Message};
use crate::grants::{NOBODY_BEHIND, Token};
use crate::headers::{self, Era};
use crate::params::Params;
use crate::revision::TO_CONNECTORS;
use crate::stream::one_line;
use crate::strict::{Members, spliced};
use crate::upstream::{Answer, Body, Cut, Outgoing};

pub use process::StartError;
pub use program::ConnectorProgram;

/// Programs by what runs: a connector, and a person where each has a process of their own.
type Pool = HashMap<(String, Option<Subject>), Arc<Slot>>;

/// The programs that may run, and those that do.
#[derive(Debug)]
pub struct Programs {
    known: Vec<Arc<ConnectorProgram>>,
    ids: Arc<dyn Ids>,
    pool: Mutex<Pool>,
    places: Arc<Semaphore>,
}

/// Where one program runs, or will. Whoever holds the turn may start or end it.
#[derive(Debug, Default)]
struct Slot(Turn<Seat>);

#[derive(Debug, Default)]
struct Seat {
    program: Option<(Arc<ConnectorProgram>, Arc<Process>)>,
    /// Which key of its person it was started with; none where it has none of theirs.
    key: Option<i64>,
    /// How often in a row it ended by itself.
    failures: u32,
    /// Until when it is not started again.
    not_before: Option<Instant>,
}

impl Programs {
    /// With what the boot configuration names.
    pub fn new(known: Vec<ConnectorProgram>, ids: Arc<dyn Ids>) -> Self {
        Self {
            known: known.into_iter().map(Arc::new).collect(),
            ids,
            pool: Mutex::default(),
            places: Arc::new(Semaphore::new(limits::PROGRAMS_MAX)),
        }
    }

    /// Sends a message to a connector's program, which is started if it does not run. `key` finds the caller's own, where it needs one.
    pub(crate) async fn send(
        &self,
        connector: &Connector,
        outgoing: Outgoing,
        key: impl Future<Output = Result<Option<Token>, Refusal>> + Send,
    ) -> Result<Answer, Refusal> {
        let nothing = |status| Ok(Answer::new(status, Body::Nothing));
        match outgoing.method {
            Method::POST => {}
            // Sessions are names here, and end with whoever holds them.
            Method::DELETE => return nothing(StatusCode::OK),
            _ => return nothing(StatusCode::METHOD_NOT_ALLOWED),
        }
        let malformed = |_| Refusal::plain(ReasonCode::BodyMalformed);
        let text = str::from_utf8(&outgoing.body)
            .map_err(|_| Refusal::plain(ReasonCode::BodyMalformed))?;
        let whose = (Some(outgoing.caller.subject), outgoing.session.clone());
        let (id, method, params) = match Message::read(&outgoing.body).map_err(malformed)? {
            Message::Request { id, method, params } => (id, method, params),
            Message::Notification { method, params } => {
                if method == "notifications/cancelled"
                    && let Some(process) = self.running(connector, whose.0).await
                {
                    process.wire.cancel(params, &whose);
                }
                return nothing(StatusCode::ACCEPTED);
            }
            Message::Response { .. } => return nothing(StatusCode::ACCEPTED),
        };
        let read = Params::read(params)
            .map_err(|error| Refusal::new(ReasonCode::BodyMalformed, error.to_string()))?;
        if headers::agreed(&outgoing.headers, &method, None, &read)? == Era::Modern {
            return Ok(unspoken(&id));
        }
        let key = key.await?;
        if outgoing.session.as_deref() == Some(NOBODY_BEHIND) {
            return Err(Refusal::plain(ReasonCode::McpSessionUnknown));
        }
        let who = (whose.0, &outgoing.live);
        let process = self.process(connector, who, key).await?;
        if method == "initialize" {
            return self.greets(&process, &id, &read);
        }
        let accepted = outgoing.headers.get_all(ACCEPT).iter();
        let hears_events = accepted
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains("text/event-stream"));
        said(&process, text, hears_events, whose).await
    }

    /// The answer to a greeting: what the program has answered to ours, and a session of the client's own.
    fn greets(&self, process: &Process, id: &Id, params: &Params<'_>) -> Result<Answer, Refusal> {
        let garbled = |_| Refusal::plain(ReasonCode::UpstreamGarbled);
        let greeting = &process.greeting;
        let members = Members::read(greeting, &["protocolVersion"]).map_err(garbled)?;
        let wanted = params.string("protocolVersion");
        let theirs = members.string("protocolVersion").unwrap_or_default();
        let mut changes = Vec::new();
        if let (Some(wanted), Some(written)) = (wanted, members.get("protocolVersion"))
            // Each version adds to those before it, so who speaks the newer understands the older.
            && TO_CONNECTORS.contains(&&*wanted)
            && *wanted < *theirs
        {
            changes.push((written, format!("\"{wanted}\"")));
        }
        let result = spliced(greeting, &changes);
        let text = envelope::result(id, result);
        Ok(Answer {
            session: Some(format!("{:032x}", self.ids.random_bits())),
            ..Answer::new(StatusCode::OK, whole(text))
        })
    }

    fn slot(&self, connector: &str, person: Option<Subject>) -> Arc<Slot> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(pool.entry((connector.to_owned(), person)).or_default())
    }

    fn known(&self, connector: &Connector) -> Option<&Arc<ConnectorProgram>> {
        let mut known = self.known.iter();
        known.find(|program| {
            program.command == connector.command && program.variable == connector.variable
        })
    }

    /// The process, if it runs.
    async fn running(&self, connector: &Connector, whose: Option<Subject>) -> Option<Arc<Process>> {
        let program = self.known(connector)?;
        let person = whose.filter(|_| program.is_per_person());
        let key = (connector.name.clone(), person);
        let slot = {
            let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(pool.get(&key)?)
        };
        let seat = slot.0.lock().await;
        let (_, process) = seat.program.as_ref()?;
        Some(Arc::clone(process))
    }

    /// The process, which is started if it does not run.
    async fn process(
        &self,
        connector: &Connector,
        (subject, live): (Option<Subject>, &Arc<Live>),
        key: Option<Token>,
    ) -> Result<Arc<Process>, Refusal> {
        let Some(program) = self.known(connector) else {
            tracing::error!(
                connector = connector.name,
                command = connector.command.first(),
                "no [[connector_program]] of doorward.toml has this very command, with this variable for people's own keys or none"
            );
            return Err(refusal(
                "It is a program that this installation does not allow.",
            ));
        };
        let slot = self.slot(&connector.name, subject.filter(|_| program.is_per_person()));
        let (name, program) = (connector.name.clone(), Arc::clone(program));
        let (live, places) = (Arc::clone(live), Arc::clone(&self.places));
        // A task of its own, so that whoever leaves meanwhile does not leave half a start behind. It runs on a thread that lives as
        // long as the runtime: the kernel ends the sandbox when the thread ends that started it.
        let started = tokio::spawn(async move {
            let mut seat = slot.0.lock().await;
            seat.process(&name, (&program, key), live, &places).await
        });
        let started = started.await;
        started.map_err(|_| Refusal::plain(ReasonCode::Internal))?
    }

    /// Whose own keys programs run with: the connector, whose, and which.
    pub fn with_keys(&self) -> Vec<(String, Subject, i64)> {
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let keyed = pool.iter().filter_map(|((connector, person), slot)| {
            let seat = slot.0.try_lock().ok()?;
            seat.program.as_ref()?;
            Some((connector.clone(), (*person)?, seat.key?))
        });
        keyed.collect()
    }

    /// Ends what is no longer needed or allowed: programs that the policy no longer has, those of people who were shut out, those of keys
    /// that are `gone`, and those that nobody has called for a while. `entry` says what the policy has for a connector now.
    pub fn look_after(
        &self,
        entry: impl Fn(&str) -> Option<Connector>,
        gone: &[(String, Subject, i64)],
    ) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.retain(|(connector, person), slot| {
            // Somebody starts it right now.
            let Ok(mut seat) = slot.0.try_lock() else {
                return true;
            };
            seat.settle();
            let ends = seat.program.as_ref().is_some_and(|(program, process)| {
                let idle = Duration::from_secs(program.idle_s.into());
                let is_named = entry(connector).is_some_and(|entry| {
                    entry.command == program.command && entry.variable == program.variable
                });
                let is_gone = |(of, whose, key): &(String, Subject, i64)| {
                    of == connector && Some(*whose) == *person && Some(*key) == seat.key
                };
                !is_named
                    || gone.iter().any(is_gone)
                    || (person.is_some() && process.is_of_somebody_shut_out())
                    || process
                        .wire
                        .unused_since()
                        .is_some_and(|since| since.elapsed() >= idle)
            });
            if ends && let Some((_, process)) = seat.program.take() {
                process.stop();
            }
            // How often it has ended is remembered for a while, and nothing is forgotten that somebody has in hand.
            let long = Duration::from_millis(limits::PROGRAM_AGAIN_MAX_MS);
            seat.program.is_some()
                || seat.not_before.is_some_and(|until| until.elapsed() < long)
                || Arc::strong_count(slot) > 1
        });
    }
}

impl Seat {
    /// Notes that a process has ended by itself.
    fn settle(&mut self) {
        let Some((_, process)) = self.program.take_if(|(_, process)| process.wire.is_over()) else {
            return;
        };
        let steady = Duration::from_millis(limits::PROGRAM_STEADY_MS);
        if process.began.elapsed() >= steady {
            self.failures = 0;
        }
        self.failed();
    }

    fn failed(&mut self) {
        self.not_before = Some(Instant::now() + again_after(self.failures));
        self.failures = self.failures.saturating_add(1);
    }

    async fn process(
        &mut self,
        name: &str,
        (program, key): (&Arc<ConnectorProgram>, Option<Token>),
        live: Arc<Live>,
        places: &Arc<Semaphore>,
    ) -> Result<Arc<Process>, Refusal> {
        self.settle();
        let version = key.as_ref().map(|key| key.version);
        // The policy has changed to another command since, or its person has brought another key.
        let is_older = self.key < version;
        if let Some((_, process)) = self
            .program
            .take_if(|(other, _)| is_older || !Arc::ptr_eq(other, program))
        {
            process.stop();
        }
        if let Some((_, process)) = &self.program {
            process.used_with(&live);
            return Ok(Arc::clone(process));
        }
        if let Some(wait) = self
            .not_before
            .map(|until| until.saturating_duration_since(Instant::now()))
            && !wait.is_zero()
        {
            let mut refused = refusal("It has ended, and is started again in a moment.");
            refused.retry_after_s = Some(u32::try_from(wait.as_secs() + 1).unwrap_or(1));
            return Err(refused);
        }
        let place = Arc::clone(places).try_acquire_owned();
        let place = place.map_err(|_| Refusal::plain(ReasonCode::Overloaded))?;
        let secret = key.map(|key| key.bearer);
        match start(name, (program, secret), live, place).await {
            Ok(process) => {
                self.key = version;
                let process = Arc::new(process);
                self.program = Some((Arc::clone(program), Arc::clone(&process)));
                Ok(process)
            }
            Err(error) => {
                tracing::error!(
                    connector = name,
                    error = &error as &dyn std::error::Error,
                    "a connector's program does not run"
                );
                self.failed();
                Err(refusal(
                    "It cannot be started; the log of Doorward says why.",
                ))
            }
        }
    }
}

/// How long a program is not started again that had failed so often before.
fn again_after(failures: u32) -> Duration {
    let wait = limits::PROGRAM_AGAIN_MS << failures.min(20);
    Duration::from_millis(wait.min(limits::PROGRAM_AGAIN_MAX_MS))
}

/// Whether a program could be started, as far as that can be known without starting it: in its sandbox something else runs.
pub async fn examine(program: &ConnectorProgram) -> Result<(), StartError> {
    let instead = ConnectorProgram {
        command: vec!["/usr/bin/true".to_owned()],
        ..program.clone()
    };
    let mut command = sandboxed(&Arc::new(instead), None).await?;
    let done = command.kill_on_drop(true).output().await?;
    if done.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&done.stderr);
    Err(StartError::Sandbox(words.trim().to_owned()))
}

/// The command that starts a program, once it is what was pinned.
async fn sandboxed(
    program: &Arc<ConnectorProgram>,
    key: Option<SecretString>,
) -> Result<tokio::process::Command, StartError> {
    let bubblewrap = sandbox::bubblewrap().ok_or(StartError::NoSandbox)?;
    let pinned = Arc::clone(program);
    let checked = tokio::task::spawn_blocking(move || pin::check(&pinned.pinned)).await;
    checked.map_err(std::io::Error::other)??;
    Ok(sandbox::command(&bubblewrap, program, key.as_ref()))
}

async fn start(
    name: &str,
    (program, key): (&Arc<ConnectorProgram>, Option<SecretString>),
    live: Arc<Live>,
    place: tokio::sync::OwnedSemaphorePermit,
) -> Result<Process, StartError> {
    Process::start(name, sandboxed(program, key).await?, live, place).await
}

/// Asks, and gives the answer: whole where it comes at once, otherwise as events.
async fn said(
    process: &Process,
    text: &str,
    hears_events: bool,
    whose: Asker,
) -> Result<Answer, Refusal> {
    let asking = async {
        let mut asked = process.wire.ask(text, hears_events, whose).await?;
        let first = asked.next().await;
        let first = first.map_err(|Cut(code)| Refusal::plain(code))?;
        Ok::<_, Refusal>((asked, first))
    };
    let time = Duration::from_millis(limits::MCP_HEADERS_MS);
    let asked = timeout(time, asking).await;
    let (asked, first) = asked.map_err(|_| Refusal::plain(ReasonCode::UpstreamTimeout))??;
    let body = match first {
        Heard::Answer(text) => whole(text),
        Heard::Progress(_) => {
            let first = Some(first);
            Body::Events(Events { first, asked }.boxed_unsync())
        }
    };
    Ok(Answer::new(StatusCode::OK, body))
}

fn whole(text: String) -> Body {
    let body = Full::new(text.into()).map_err(|never| match never {});
    Body::Json(body.boxed_unsync())
}

/// What a client hears that speaks without sessions: which versions are spoken.
fn unspoken(id: &Id) -> Answer {
    let error = serde_json::json!({
        "code": -32022, "message": "This connector speaks versions with sessions.",
        "data": {"supported": TO_CONNECTORS, "reason": ReasonCode::McpVersion.as_str()},
    });
    let text = one_line(&envelope::error(id, error));
    Answer::new(StatusCode::BAD_REQUEST, whole(text))
}

fn refusal(why: &str) -> Refusal {
    let text = format!("The connector's program does not run. {why}");
    Refusal::one(Reason::new(ReasonCode::UpstreamUnavailable, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_goes_on_ending_is_started_ever_less_often() {
        let waits = [0, 1, 2, 8, 9, u32::MAX].map(|failures| again_after(failures).as_secs());
        assert_eq!(waits, [1, 2, 4, 256, 300, 300]);
        let mut seat = Seat::default();
        seat.failed();
        seat.failed();
        assert_eq!(seat.failures, 2);
        let wait = seat.not_before.unwrap() - Instant::now();
        assert!(wait > again_after(0), "the second time it is longer");
    }
}
