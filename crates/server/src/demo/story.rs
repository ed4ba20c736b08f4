//! The story: each step does something with real HTTP and says what it proved, or fails with what it saw instead.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use domain::{PersonId, Usd, limits};
use http::HeaderValue;
use http::header::HeaderName;
use ledger::PublicKey;
use ledger::verify::{Trust, verify_folder};
use secrecy::SecretString;
use serde_json::Value;
use store::Source;
use testkit::{Actor, Answer, CodeFlow, Fault, Session, code_sign_in, device_sign_in};

use super::approval;
use super::second::Second;
use super::world::{DESKTOP_CLIENT, World};
use crate::doctor::leak::{self, Expected};
use crate::doctor::token;
use crate::system::{SystemIds, say};

const SONNET: &str = "claude-sonnet-5-5";
const HAIKU: &str = "claude-haiku-5-5";
const OPUS: &str = "claude-opus-5-5";
/// Between two looks whether the ledger's last record is signed.
const SIGNED_SOON: Duration = Duration::from_millis(50);

/// Tells it, with a second replica where there is one.
pub async fn tell(world: &World, second: Option<&Second>) -> anyhow::Result<()> {
    let began = Instant::now();
    let ada = device_sign_in(&world.base, "ada").await?;
    step("ada signs in by device code", &signed_in(&ada)?);
    if let Some(second) = second {
        let proved = second.knows(world, &ada).await?;
        step("two replicas on one PostgreSQL", &proved);
    }
    let flow = CodeFlow::desktop(&world.idp.discovery_url(), DESKTOP_CLIENT);
    let signed_in_grace = code_sign_in(&flow, "grace", &SystemIds).await?;
    let grace = signed_in_grace.desktop_actor(&world.base);
    let offered = grace.models().await?;
    step(
        "grace signs in by code and PKCE",
        &format!(
            "her company's ID token is accepted as it is; {} models offered",
            offered.len()
        ),
    );
    let ada_actor = ada.actor();
    step("ada's answer streams", &streamed(world, &ada_actor).await?);
    step("tokens are counted", &counted(&ada_actor).await?);

    let alan = device_sign_in(&world.base, "alan").await?.actor();
    step(
        "models are listed by person",
        &listed(&ada_actor, &alan).await?,
    );
    step(
        "a model that is not allowed",
        &model_refused(world, &alan).await?,
    );
    step(
        "a secret in a prompt",
        &secret_blocked(world, &ada_actor).await?,
    );
    step("a limit on tokens", &tokens_limited(&alan).await?);
    step(
        "a hard budget, 50 calls at once",
        &budget_held(world).await?,
    );
    step(
        "the first provider fails",
        &failed_over(world, &ada_actor).await?,
    );
    step(
        "rollout check 1, identity",
        &identity_checked(world, &signed_in_grace, &grace).await?,
    );
    step(
        "rollout check 2, credentials",
        &credentials_checked(world, &ada).await?,
    );
    approval::tell(world, &ada, &grace, &alan).await?;
    leaves_and_returns(world, &ada, second).await?;
    step("the ledger is verified", &verified(world).await?);
    step(
        "one byte is altered",
        &damage_named(&world.config.ledger.dir, world.dir.path())?,
    );
    say(&format!(
        "\nEvery step proved what it should, in {:.1} s.",
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Says what a step proved.
pub(super) fn step(what: &str, proved: &str) {
    say(&format!("● {what}\n    {proved}"));
}

fn signed_in(session: &Session) -> anyhow::Result<String> {
    let claims = claims_of(&session.access_token)?;
    let audiences = claims["aud"].as_array().cloned().unwrap_or_default();
    ensure!(
        audiences.iter().any(|aud| aud == "claude-gateway"),
        "the token is not made for Claude's clients: {claims}"
    );
    ensure!(session.refresh_token.is_some(), "there is no refresh token");
    Ok(format!(
        "a session of 15 minutes for {}, which Claude Code can read and Doorward can end",
        session.email.as_deref().unwrap_or("?")
    ))
}

/// The claims of a token of ours, unverified: what a client reads.
fn claims_of(token: &str) -> anyhow::Result<Value> {
    use base64::Engine as _;
    let part = token.split('.').nth(1).context("not a token")?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part)?;
    Ok(serde_json::from_slice(&bytes)?)
}

async fn streamed(world: &World, ada: &Actor) -> anyhow::Result<String> {
    let events = ada
        .stream(SONNET, "Say something calm. [testkit thinking pings=5]")
        .await?;
    ensure!(events.status() == 200, "status {}", events.status());
    let events = events.rest().await?;
    let stopped = events
        .last()
        .is_some_and(|event| event.name == "message_stop");
    ensure!(stopped, "the stream has no proper end");
    let seen = world
        .first
        .last_seen()
        .context("the provider saw nothing")?;
    ensure!(
        seen.header("anthropic-version").is_some(),
        "the API version was lost"
    );
    Ok(format!(
        "{} events, thinking and pings included, unbuffered and unchanged",
        events.len()
    ))
}

async fn counted(ada: &Actor) -> anyhow::Result<String> {
    let answer = ada
        .count_tokens(SONNET, "How long is this?")
        .await?
        .expect_status(200)?;
    let count = answer.json()["input_tokens"].as_u64().context("no count")?;
    Ok(format!("{count} input tokens, charged to nobody"))
}

async fn listed(ada: &Actor, alan: &Actor) -> anyhow::Result<String> {
    let (all, few) = (ada.models().await?, alan.models().await?);
    ensure!(
        all.len() > few.len() && !few.is_empty(),
        "ada is offered {all:?}, alan {few:?}"
    );
    ensure!(
        few.iter().all(|model| model.contains("haiku")),
        "alan is offered {few:?}"
    );
    Ok(format!(
        "ada, an engineer, is offered {}; alan, a contractor, {}: {}",
        all.len(),
        few.len(),
        few.join(", ")
    ))
}

async fn model_refused(world: &World, alan: &Actor) -> anyhow::Result<String> {
    let before = world.first.seen().len();
    let answer = alan.messages(OPUS, "Hello").await?;
    let sentence = refused(&answer, 400, "policy_blocked")?;
    ensure!(
        world.first.seen().len() == before,
        "the provider saw a refused request"
    );
    Ok(format!(
        "alan reads: \"{sentence}\" The provider saw nothing"
    ))
}

async fn secret_blocked(world: &World, ada: &Actor) -> anyhow::Result<String> {
    let before = world.first.seen().len();
    // Put together here, so that nothing that scans this program takes it for a real one.
    let secret = [
        "sk-ant-",
        "api03-",
        &"Zx9Kq7Vt2LmP4RwY8NcB6HdJ1FgS3TaU5EoQ".repeat(3)[..93],
        "AA",
    ]
    .concat();
    let answer = ada
        .messages(SONNET, &format!("Why does this key not work? {secret}"))
        .await?;
    let sentence = refused(&answer, 400, "policy_blocked")?;
    ensure!(
        !answer.text().contains(&secret),
        "the refusal repeats the secret"
    );
    ensure!(world.first.seen().len() == before, "the secret left");
    Ok(format!("ada reads: \"{sentence}\" It never left"))
}

async fn tokens_limited(alan: &Actor) -> anyhow::Result<String> {
    let long = "An orderly sentence about nothing much. ".repeat(1_000);
    let first = alan.messages(HAIKU, &long).await?;
    ensure!(
        first.status == 200,
        "the first long prompt was refused: {}",
        first.text()
    );
    for _ in 0..8 {
        let answer = alan.messages(HAIKU, &long).await?;
        if answer.status == 429 {
            let sentence = refused(&answer, 429, "rate_limit_error")?;
            let wait = answer.header("retry-after").unwrap_or("?").to_owned();
            return Ok(format!("alan reads: \"{sentence}\" (again in {wait} s)"));
        }
    }
    bail!("nine long prompts in a minute passed a limit of 20,000 tokens")
}

async fn budget_held(world: &World) -> anyhow::Result<String> {
    let edsger = device_sign_in(&world.base, "edsger").await?.actor();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let edsger = edsger.clone();
        calls.spawn(async move {
            edsger
                .messages(OPUS, "Spend what you can. [testkit events=300]")
                .await
        });
    }
    let (mut answered, mut turned_away) = (0, 0);
    while let Some(answer) = calls.join_next().await {
        let answer = answer??;
        match answer.status {
            200 => answered += 1,
            429 => {
                refused(&answer, 429, "billing_error")?;
                turned_away += 1;
            }
            other => bail!("status {other}: {}", answer.text()),
        }
    }
    ensure!(
        answered > 0 && turned_away > 0,
        "{answered} answered, {turned_away} refused"
    );
    let usage = edsger.usage().await?;
    let spent = usage["extra_usage"]["daily"]["used_credits"].to_string();
    let spent: Usd = spent.parse().context("the usage has no amount")?;
    let spent = Usd::from_nanos(spent.nanos() / 100);
    let cap: Usd = "0.25".parse()?;
    ensure!(spent <= cap, "{spent} was spent of {cap}");
    Ok(format!(
        "{answered} answered, {turned_away} refused before they were sent; ${spent} spent of ${cap}"
    ))
}

async fn failed_over(world: &World, ada: &Actor) -> anyhow::Result<String> {
    world.first.fault_next(Fault::status(529));
    let before = world.second.seen().len();
    let answer = ada
        .messages(SONNET, "Are you there?")
        .await?
        .expect_status(200)?;
    ensure!(
        world.second.seen().len() == before + 1,
        "the second provider was not asked"
    );
    let id = answer.header("request-id").unwrap_or("?").to_owned();
    Ok(format!(
        "its 529 stays between us; the second answers (request-id {id})"
    ))
}

/// S2: the token was validated, and the person is known by their stable id: by the check of `doctor`, and in the ledger.
async fn identity_checked(
    world: &World,
    session: &Session,
    grace: &Actor,
) -> anyhow::Result<String> {
    let token = session.id_token.clone().context("she has no ID token")?;
    let identity = &world.running.wired.pipeline.identity;
    let proved = token::prove(identity, &SecretString::from(token)).await;
    let proved = proved.map_err(|refusal| anyhow::anyhow!(refusal.sentence()))?;
    let sub = world.idp.person("grace").context("grace is gone")?.sub;
    ensure!(
        *proved.caller.stable_id == *sub,
        "she is taken for {proved}"
    );
    let answer = grace
        .messages(HAIKU, "Who am I to you?")
        .await?
        .expect_status(200)?;
    let request = answer
        .header("x-request-id")
        .context("no request id")?
        .to_owned();
    let decision = record_of(world, &request, "decision").await?;
    let actor = &decision["actor"];
    ensure!(
        actor["stable_id"] == *proved.caller.stable_id,
        "the ledger knows {actor}"
    );
    Ok(format!(
        "PASS: {proved}; so says the record of her request {request}"
    ))
}

/// S2: what went out carried the provider's credential and nothing of the caller's, by the check of `doctor`.
async fn credentials_checked(world: &World, ada: &Session) -> anyhow::Result<String> {
    ada.actor()
        .messages(SONNET, "Do you know my token?")
        .await?
        .expect_status(200)?;
    let seen = world
        .first
        .last_seen()
        .context("the provider saw nothing")?;
    let expected = Expected {
        header: HeaderName::from_static("x-api-key"),
        value: Some(HeaderValue::try_from(&world.provider_key)?),
    };
    let address = format!("{}?{}", seen.path, seen.query);
    let left = leak::judge(&seen.headers, &address, &expected, &[&ada.access_token])?;
    Ok(format!(
        "PASS: it left with {} and nothing of ada's",
        left.credential
    ))
}

/// Her directory says that she is here, that she has left, and that she is back.
async fn leaves_and_returns(
    world: &World,
    ada: &Session,
    second: Option<&Second>,
) -> anyhow::Result<()> {
    let user = provisioned(world, ada).await?;
    step(
        "the directory provisions ada",
        "by SCIM, as Entra does; she keeps the id she signed in with",
    );
    step("ada leaves", &left(world, ada, &user, second).await?);
    step("ada comes back", &returned(world, ada, &user).await?);
    Ok(())
}

/// Ada has signed in before her directory speaks of her; it finds the person she is by the id that her tokens state. Returns the
/// directory's id for her.
async fn provisioned(world: &World, ada: &Session) -> anyhow::Result<String> {
    let claims = claims_of(&ada.access_token)?;
    let stable_id = claims["idp_sub"].as_str().context("no stable id")?;
    let (wired, person) = (&world.running.wired, person_of(ada)?);
    let user = world
        .directory
        .provision("ada@northwind.example", stable_id)
        .await?;
    let source = Source {
        issuer: "northwind".to_owned(),
        tenant: None,
    };
    let provisioned = wired
        .store
        .directory_user(wired.org, &source, user.parse()?);
    let provisioned = provisioned.await?.context("she was not provisioned")?;
    ensure!(provisioned.person == person, "she became somebody else");
    Ok(user)
}

/// Her directory is told at the first replica; she streams, and asks once more, at the second where there is one.
async fn left(
    world: &World,
    ada: &Session,
    user: &str,
    second: Option<&Second>,
) -> anyhow::Result<String> {
    let there = second.map_or_else(|| ada.actor(), |second| second.actor(ada));
    let long = "Tell me a long story. [testkit events=600 pace-ms=20]";
    let mut stream = there.stream(SONNET, long).await?;
    for _ in 0..5 {
        stream.next().await?.context("the story ended too early")?;
    }
    let at = Instant::now();
    world.directory.disable(user).await?;
    let (events, _) = tokio::time::timeout(Duration::from_secs(5), stream.until_end())
        .await
        .context("the stream went on")?;
    let cut_after = at.elapsed();
    ensure!(events.len() < 500, "the story was told to its end");
    let next = there.messages(SONNET, "One more?").await?;
    let sentence = refused(&next, 401, "authentication_error")?;
    let here = ada.actor().messages(SONNET, "And here?").await?;
    refused(&here, 401, "authentication_error")?;
    let refresh = ada.try_refresh().await?;
    ensure!(
        refresh.status == 401,
        "her refresh token still works: {}",
        refresh.status
    );
    ensure!(
        cut_after < Duration::from_secs(1),
        "the stream was cut after {cut_after:?}"
    );
    let place = second.map_or("", |_| " at the other replica");
    Ok(format!(
        "her directory says so by SCIM{}: her open stream{place} is cut {} ms later, her next request{place} reads \"{sentence}\", and her refresh token is dead",
        second.map_or("", |_| " at one replica"),
        cut_after.as_millis()
    ))
}

/// So that the logins that the demo prints at its end all work.
async fn returned(world: &World, ada: &Session, user: &str) -> anyhow::Result<String> {
    world.directory.enable(user).await?;
    let again = device_sign_in(&world.base, "ada").await?;
    let answer = again.actor().messages(SONNET, "Good to be back.").await?;
    ensure!(answer.status == 200, "she gets {}", answer.status);
    let old = ada.actor().messages(SONNET, "And this one?").await?;
    refused(&old, 401, "authentication_error")?;
    Ok("a new sign-in works at once; the session she left with stays dead".to_owned())
}

fn person_of(session: &Session) -> anyhow::Result<PersonId> {
    let claims = claims_of(&session.access_token)?;
    Ok(claims["sub"].as_str().context("no subject")?.parse()?)
}

async fn verified(world: &World) -> anyhow::Result<String> {
    let key = std::fs::read_to_string(world.config.ledger.dir.join("ledger.pub"))?;
    let key: PublicKey = key.trim().parse()?;
    let last = world.running.wired.pipeline.ledger.status().durable.seq;
    let give_up = Instant::now() + 2 * Duration::from_millis(limits::LEDGER_CHECKPOINT_MS);
    loop {
        let mut trust = Trust::none();
        trust.add_key(key);
        let report = verify_folder(&world.config.ledger.dir, trust)?;
        ensure!(report.is_clean(), "{report}");
        let signed_to = report
            .chains
            .iter()
            .filter_map(|chain| chain.signed_to)
            .max();
        // the record after what is signed is the checkpoint itself, and may be the last there is
        if signed_to.is_some_and(|to| to + 1 >= last) {
            return Ok(report.to_string().trim().replace('\n', "\n    "));
        }
        ensure!(
            Instant::now() < give_up,
            "record {last} is not signed: {report}"
        );
        tokio::time::sleep(SIGNED_SOON).await;
    }
}

/// Alters one byte of a copy and lets the verifier find it.
fn damage_named(ledger: &Path, folder: &Path) -> anyhow::Result<String> {
    let copy = folder.join("altered");
    std::fs::create_dir_all(&copy)?;
    let mut altered = false;
    for entry in std::fs::read_dir(ledger)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        let mut bytes = std::fs::read(entry.path())?;
        let place = bytes
            .windows(14)
            .position(|window| window == br#""allowed":true"#);
        if let Some(place) = place.filter(|_| !altered) {
            // A refusal would read false; somebody makes it look as if a rule had said something else.
            bytes[place + 10] = b'T';
            altered = true;
        }
        std::fs::write(copy.join(entry.file_name()), bytes)?;
    }
    ensure!(altered, "there was nothing to alter");
    let report = verify_folder(&copy, Trust::none())?;
    ensure!(!report.is_clean(), "the alteration was not found");
    let found = report
        .findings
        .first()
        .context("the report names nothing")?;
    Ok(format!("the verifier says: {found}"))
}

/// A refusal as a client sees it: status, error type, and no invitation to try again. Returns its sentence.
fn refused(answer: &Answer, status: u16, kind: &str) -> anyhow::Result<String> {
    ensure!(
        answer.status == status,
        "status {} instead of {status}: {}",
        answer.status,
        answer.text()
    );
    let body = answer.json();
    ensure!(
        body["error"]["type"] == kind,
        "the error is {}",
        body["error"]["type"]
    );
    ensure!(
        answer.header("x-should-retry") == Some("false"),
        "the client would try again"
    );
    Ok(body["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

/// A request's record, as soon as the store has its copy.
pub(super) async fn record_of(world: &World, request: &str, kind: &str) -> anyhow::Result<Value> {
    let wired = &world.running.wired;
    for _ in 0..200 {
        if let Some(body) = wired
            .store
            .record_of_request(wired.org, request, kind)
            .await?
        {
            return Ok(serde_json::from_str(&body)?);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("the store has no {kind} of request {request}")
}
