//! `doorward drill leaver`: a person who never was leaves, and what happens is measured. A throw-away person gets a session, uses the
//! running server, is shut out by the very function that shuts out anybody, and each replica is asked until it refuses. The times
//! are a record of the ledger: evidence that leaving works here, and how fast. It must never touch a real person, print a token, or
//! leave anybody behind who may come in. Called by `commands`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use control::drills::Step;
use control::{Operation, people};
use domain::acceptable_use::Way;
use domain::{Caller, Credential, OWN_ISSUER, PersonId, Subject};
use http::{HeaderName, StatusCode};
use pipeline::fetch::{Ask, Fetch, Reach};
use secrecy::SecretString;
use serde_json::json;
use store::{Acceptance, Seen};
use tokio::task::JoinHandle;
use url::Url;

use crate::commands::administer;
use crate::config::Config;
use crate::system::{chain, say};
use crate::wiring;

/// How often a replica is asked whether it still lets the leaver in.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// After so long a replica that still does has failed the drill.
const GIVE_UP: Duration = Duration::from_secs(10);
/// How long an open stream is given to begin before the person leaves.
const BEGIN: Duration = Duration::from_millis(500);

/// What to try.
#[derive(Debug, Args)]
pub struct DrillCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Let a made-up person in, shut them out, and measure until every replica refuses them
    #[command(
        after_help = "Examples:\n  doorward drill leaver\n  doorward drill leaver --at https://gw-1.internal \\\n    --at https://gw-2.internal --model claude-haiku-5-5 \\\n    --group claude-users\n\nWith --model a stream is opened first, which costs what it costs, and must be cut. The result is recorded in the ledger."
    )]
    Leaver {
        /// A replica's address; the public one when none is given
        #[arg(long)]
        at: Vec<Url>,
        /// Open a stream with this model, and see it cut
        #[arg(long)]
        model: Option<String>,
        /// A group that the made-up person is in, so that a rule lets them use the model
        #[arg(long)]
        group: Vec<String>,
        /// What the stream is asked for; it should take some seconds
        #[arg(
            long,
            default_value = "Count from 1 to 1000 in words, one number a line."
        )]
        prompt: String,
    },
}

/// Does it.
pub async fn run(command: DrillCommand) -> ExitCode {
    let What::Leaver {
        at,
        model,
        group,
        prompt,
    } = command.what;
    let asked = Asked {
        at,
        model,
        group,
        prompt,
    };
    administer(&command.config, async move |operation, config| {
        leaver(operation, config, asked).await
    })
    .await
}

struct Asked {
    at: Vec<Url>,
    model: Option<String>,
    group: Vec<String>,
    prompt: String,
}

async fn leaver(
    operation: &Operation<'_>,
    config: &Config,
    mut asked: Asked,
) -> anyhow::Result<()> {
    if asked.at.is_empty() {
        asked.at.push(config.server.public_url.parse()?);
    }
    let person = made_up(operation, &asked.group).await?;
    let mut steps = Vec::new();
    let ran = measured(config, operation, (person, &asked), &mut steps).await;
    // Whatever went wrong in between, nobody stays who may come in.
    let shut = people::revoke(operation, person, "drill: the end").await;
    let shut = shut.context("the made-up person could not be shut out at the end");
    let went = ran.and(shut.map(drop));
    for step in &steps {
        say(&step.to_string());
    }
    if let Err(error) = &went {
        steps.push(Step::plain(format!("failed: {}", chain(error.as_ref()))));
    }
    control::drills::record(operation, "leaver", went.is_ok(), &steps).await?;
    went
}

/// A person of our own issuer, whom no identity provider can ever vouch for.
async fn made_up(operation: &Operation<'_>, groups: &[String]) -> anyhow::Result<PersonId> {
    let (store, org, now) = (operation.store, operation.org, operation.clock.now());
    let random = operation.ids.random_bits();
    let person = PersonId::from_parts(now.unix_ms().unsigned_abs(), random);
    let stable_id = format!("drill-{person}");
    let seen = Seen {
        org,
        issuer: OWN_ISSUER,
        stable_id: &stable_id,
        email: None,
        name: Some("Leaver drill"),
        groups: &groups.iter().cloned().collect(),
        stated: now,
        made: now,
        at: now,
    };
    let person = store.upsert_person(seen, person).await?.id;
    // Where people must accept the policy first, the drill is about leaving and not about that.
    if let Some(published) = store.published_use(org).await? {
        let acceptance = Acceptance {
            person,
            version: published.version,
            at: now,
            way: Way::Drill,
            address: None,
        };
        store.accept_use(org, &acceptance).await?;
    }
    Ok(person)
}

async fn measured(
    config: &Config,
    operation: &Operation<'_>,
    (person, asked): (PersonId, &Asked),
    steps: &mut Vec<Step>,
) -> anyhow::Result<()> {
    let token = session_of(config, operation, person, &asked.group).await?;
    let fetch = Arc::new(Fetch::new(Reach::Operator, None)?);
    for at in &asked.at {
        let status = status_at(&fetch, at, &token).await?;
        ensure!(
            status == StatusCode::OK,
            "{at} answers {status} before anybody left; is it a replica of this installation?"
        );
    }
    let replicas = match asked.at.len() {
        1 => "1 replica".to_owned(),
        many => format!("{many} replicas"),
    };
    steps.push(Step::plain(format!("let in by {replicas}")));
    let stream = match &asked.model {
        Some(model) => Some(opened(&fetch, &asked.at[0], &token, (model, &asked.prompt)).await?),
        None => None,
    };
    let left = Instant::now();
    people::revoke(operation, person, "drill: leaves").await?;
    steps.push(Step::after("shut out in the store", ms(left)));
    let mut waits = tokio::task::JoinSet::new();
    for at in asked.at.clone() {
        let (fetch, token) = (Arc::clone(&fetch), token.clone());
        waits.spawn(async move { refused_by(&fetch, at, &token, left).await });
    }
    for refused in waits.join_all().await {
        steps.push(refused?);
    }
    match stream {
        Some(stream) => steps.push(cut(stream, left).await?),
        None => steps.push(Step::plain("no stream was opened (--model)")),
    }
    Ok(())
}

async fn session_of(
    config: &Config,
    operation: &Operation<'_>,
    person: PersonId,
    groups: &[String],
) -> anyhow::Result<SecretString> {
    let sessions = wiring::sessions_beside(config, operation.store, operation.org).await?;
    let caller = Caller {
        org: operation.org,
        subject: Subject::Person(person),
        stable_id: format!("drill-{person}").into(),
        issuer: OWN_ISSUER.into(),
        email: None,
        name: None,
        groups: groups.iter().cloned().collect(),
        session: None,
        credential: Credential::Session,
    };
    let tokens = sessions.start(&caller, "drill").await;
    Ok(tokens
        .map_err(|refusal| anyhow::anyhow!("{}", refusal.sentence()))?
        .access)
}

fn below(at: &Url, path: &str) -> anyhow::Result<Url> {
    let base = at.as_str().trim_end_matches('/');
    Ok(format!("{base}{path}").parse()?)
}

async fn status_at(fetch: &Fetch, at: &Url, token: &SecretString) -> anyhow::Result<StatusCode> {
    let url = below(at, "/v1/models")?;
    let answer = fetch.send(Ask::get(&url).bearer(token)).await;
    Ok(answer
        .with_context(|| format!("{at} cannot be asked"))?
        .status)
}

/// Asks a replica until it refuses.
async fn refused_by(
    fetch: &Fetch,
    at: Url,
    token: &SecretString,
    left: Instant,
) -> anyhow::Result<Step> {
    loop {
        let status = status_at(fetch, &at, token).await?;
        if status == StatusCode::UNAUTHORIZED {
            return Ok(Step::after(format!("refused by {at}"), ms(left)));
        }
        ensure!(
            left.elapsed() < GIVE_UP,
            "{at} still answers {status} after {} ms: the leaver is not out",
            ms(left)
        );
        tokio::time::sleep(ASK_EVERY).await;
    }
}

type Stream = JoinHandle<anyhow::Result<(Instant, bool)>>;

/// Opens a stream and gives it time to begin. Its end says when, and whether the answer was complete.
async fn opened(
    fetch: &Arc<Fetch>,
    at: &Url,
    token: &SecretString,
    (model, prompt): (&str, &str),
) -> anyhow::Result<Stream> {
    let url = below(at, "/v1/messages")?;
    let body = json!({
        "model": model, "max_tokens": 4096, "stream": true,
        "messages": [{ "role": "user", "content": prompt }],
    });
    let (fetch, token) = (Arc::clone(fetch), token.clone());
    let stream: Stream = tokio::spawn(async move {
        let version = HeaderName::from_static("anthropic-version");
        let ask = Ask::post_json(&url, &body)
            .bearer(&token)
            .header(version, "2023-06-01");
        let answer = fetch.send(ask).await.context("the stream broke")?;
        ensure!(
            answer.status == StatusCode::OK,
            "the stream was refused with {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        let is_whole = String::from_utf8_lossy(&answer.body).contains("message_stop");
        Ok((Instant::now(), is_whole))
    });
    tokio::time::sleep(BEGIN).await;
    if stream.is_finished() {
        stream.await??;
        bail!("the stream ended before anybody left; ask for a longer answer with --prompt");
    }
    Ok(stream)
}

async fn cut(stream: Stream, left: Instant) -> anyhow::Result<Step> {
    let ended = tokio::time::timeout(GIVE_UP, stream).await;
    let (at, is_whole) = ended.context("the stream went on")???;
    ensure!(!is_whole, "the stream was told to its end");
    let after = at.saturating_duration_since(left).as_millis();
    Ok(Step::after("the open stream was cut", after))
}

fn ms(since: Instant) -> u128 {
    since.elapsed().as_millis()
}
