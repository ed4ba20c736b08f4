//! Keys that are changed beside a running server, as an operator does it: nobody is signed out who should not be, the ledger verifies
//! on with the first public key, and what the old sealing key sealed opens with the new one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::{Clock, Timestamp, limits};
use server::commands::{start, start_at};
use server::demo::world::{Stage, World, apply_policy};
use server::system::{SystemClock, SystemIds};
use testkit::{Actor, Session, device_sign_in};

use crate::backup::place::{On, Place};
use crate::run::{done, program, refused, words};
use crate::watch::until;

const HAIKU: &str = "claude-haiku-5-5";

/// The machine's clock, moved forward.
#[derive(Debug, Default)]
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(self.0.load(Ordering::Relaxed))
    }
}

async fn serving(on: On) -> (World, Place, Arc<Ahead>) {
    let stage = Stage::set(0).await.unwrap();
    let place = Place::make(&stage, "first", on).await;
    if on == On::Postgres {
        std::fs::write(place.folder.join("doorward.key"), "5a".repeat(32)).unwrap();
    }
    let stage = place.on(stage);
    let clock = Arc::new(Ahead::default());
    apply_policy(&stage.config, Arc::new(SystemClock), Arc::new(SystemIds))
        .await
        .unwrap();
    let running = start_at(&stage.config, Arc::clone(&clock) as _)
        .await
        .unwrap();
    (World { stage, running }, place, clock)
}

/// Stops the server and keeps its place.
async fn stopped(world: World) -> Stage {
    let World { stage, running } = world;
    running.stop(Duration::from_secs(2)).await.unwrap();
    stage
}

async fn status(actor: &Actor) -> u16 {
    actor.messages(HAIKU, "Hello").await.unwrap().status
}

/// The key that signed a session's token, by its header.
fn signed_by(session: &Session) -> String {
    let head = session.access_token.split('.').next().unwrap();
    let head = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, head).unwrap();
    let head: serde_json::Value = serde_json::from_slice(&head).unwrap();
    head["kid"].as_str().unwrap().to_owned()
}

async fn listed(place: &Place) -> Vec<serde_json::Value> {
    let said = done(&place.config, &["keys", "list", "--json"]).await;
    serde_json::from_str(&said).unwrap()
}

fn of<'r>(rows: &'r [serde_json::Value], name: &str) -> Vec<&'r serde_json::Value> {
    rows.iter().filter(|row| row["name"] == name).collect()
}

async fn a_session_key_changes_and_nobody_is_signed_out(on: On) {
    let (world, place, clock) = serving(on).await;
    let mut ada = device_sign_in(&world.base, "ada").await.unwrap();
    let old = signed_by(&ada);
    let said = done(
        &place.config,
        &["keys", "rotate", "session", "--reason", "spring"],
    )
    .await;
    assert!(said.contains(&format!("follows {old}")), "{said}");
    let early = refused(&place.config, &["keys", "rotate", "session"]).await;
    assert!(early.contains("wait until then"), "{early}");
    let rows = listed(&place).await;
    let session = of(&rows, "session");
    assert_eq!(session.len(), 2);
    assert!(
        session[0]["does"]
            .as_str()
            .unwrap()
            .starts_with("signs from "),
        "{rows:?}"
    );
    assert_eq!(
        (&session[1]["does"], &session[1]["fingerprint"]),
        (&"signs".into(), &old.clone().into())
    );
    // published and not used yet
    ada.refresh().await.unwrap();
    assert_eq!(signed_by(&ada), old);
    clock
        .0
        .fetch_add(limits::KEYS_PUBLISHED_MS + 1_000, Ordering::Relaxed);
    until(async || {
        ada.refresh().await.unwrap();
        signed_by(&ada) != old
    })
    .await;
    assert_eq!(signed_by(&ada), session[0]["fingerprint"].as_str().unwrap());
    assert_eq!(status(&ada.actor()).await, 200);
    let stage = stopped(world).await;
    // at a start both are there too
    let running = start_at(&stage.config, Arc::clone(&clock) as _)
        .await
        .unwrap();
    let world = World { stage, running };
    assert_eq!(status(&ada.actor()).await, 200);
    let ledger = place.ledger.join("cli");
    let records = everything_in(&ledger);
    for part in [r#""noun":"key""#, r#""name":"session""#, "spring", &old] {
        assert!(records.contains(part), "{part} is missing");
    }
    let stage = stopped(world).await;
    place.remove().await;
    drop(stage);
}

fn everything_in(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_key_changes_on_sqlite() {
    Box::pin(a_session_key_changes_and_nobody_is_signed_out(On::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_key_changes_on_postgres() {
    Box::pin(a_session_key_changes_and_nobody_is_signed_out(On::Postgres)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_key_that_leaked_counts_for_nothing_and_clients_refresh() {
    let (world, place, _clock) = serving(On::Sqlite).await;
    let mut ada = device_sign_in(&world.base, "ada").await.unwrap();
    let before = ada.actor();
    assert_eq!(status(&before).await, 200, "it is remembered as verified");
    done(
        &place.config,
        &["keys", "rotate", "session", "--compromised"],
    )
    .await;
    until(async || status(&before).await == 401).await;
    ada.refresh().await.unwrap();
    assert_eq!(status(&ada.actor()).await, 200);
    assert_eq!(of(&listed(&place).await, "session").len(), 1);
    let said = refused(
        &place.config,
        &["keys", "rotate", "ledger", "--compromised"],
    )
    .await;
    assert!(said.contains("is for the session key"), "{said}");
    drop(stopped(world).await);
}

fn verify(folder: &Path, keys: &str) -> (Option<i32>, String) {
    let folder = folder.display().to_string();
    let mut command = program(&["ledger", "verify", &folder, "--key", keys]);
    let output = command.output().unwrap();
    (output.status.code(), words(&output))
}

async fn the_ledgers_key_changes_and_the_first_public_key_is_enough(on: On) {
    let (world, place, _clock) = serving(on).await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    assert_eq!(status(&ada).await, 200);
    let public = || std::fs::read_to_string(place.ledger.join("ledger.pub")).unwrap();
    let first = public();
    for times in 2..4 {
        done(&place.config, &["keys", "rotate", "ledger"]).await;
        until(async || public().lines().count() == times).await;
        assert_eq!(status(&ada).await, 200);
    }
    assert!(
        public().ends_with(&first),
        "newest first, the first one last"
    );
    done(&place.config, &["service-key", "create", "nightly"]).await;
    let out = place.folder.join("backup").display().to_string();
    done(&place.config, &["backup", "--out", &out]).await;
    let stage = stopped(world).await;
    for folder in [place.ledger.clone(), place.ledger.join("cli")] {
        for keys in [first.trim(), &public()] {
            let (code, words) = verify(&folder, keys);
            assert_eq!(code, Some(0), "{words}");
            assert!(words.contains("signed to the end"), "{words}");
        }
        let newest = public().lines().next().unwrap().to_owned();
        assert_eq!(
            verify(&folder, &newest).0,
            Some(1),
            "the newest cannot vouch for what was before"
        );
    }
    assert_eq!(verify(&place.ledger, "nonsense").0, Some(2));
    let second = Place::make(&stage, "second", on).await;
    second.bring_key(&place.folder.join("doorward.key"));
    done(&second.config, &["restore", &out]).await;
    place.remove().await;
    second.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledgers_key_changes_on_sqlite() {
    the_ledgers_key_changes_and_the_first_public_key_is_enough(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledgers_key_changes_on_postgres() {
    the_ledgers_key_changes_and_the_first_public_key_is_enough(On::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_gets_a_new_key_beside_a_running_server() {
    let (world, place, _clock) = serving(On::Sqlite).await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let out = place.folder.join("before").display().to_string();
    done(&place.config, &["backup", "--out", &out]).await;
    let file = place.folder.join("doorward.key");
    let old = std::fs::read_to_string(&file).unwrap();
    let said = done(&place.config, &["keys", "rotate", "sealing"]).await;
    assert!(said.contains("4 secrets anew"), "{said}");
    let both = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = both.lines().collect();
    assert_eq!((lines.len(), lines[1]), (2, old.trim()));
    assert!(
        !said.contains(lines[0]) && !said.contains(lines[1]),
        "a key was shown"
    );
    private(&file);
    // the running server follows what is sealed anew
    done(
        &place.config,
        &["keys", "rotate", "session", "--compromised"],
    )
    .await;
    until(async || status(&ada.actor()).await == 401).await;
    let stage = stopped(world).await;
    // the new one alone opens everything, the old one nothing
    std::fs::write(&file, lines[1]).unwrap();
    assert!(start(&stage.config).await.is_err());
    std::fs::write(&file, lines[0]).unwrap();
    let running = start(&stage.config).await.unwrap();
    let world = World { stage, running };
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    assert_eq!(status(&ada.actor()).await, 200);
    let stage = stopped(world).await;
    // a backup from before needs the line that was kept
    let second = Place::make(&stage, "second", On::Sqlite).await;
    second.bring_key(&file);
    let said = refused(&second.config, &["restore", "--check", &out]).await;
    assert!(
        said.contains("not sealed with the key that is here"),
        "{said}"
    );
    std::fs::write(second.folder.join("doorward.key"), &both).unwrap();
    done(&second.config, &["restore", &out]).await;
}

fn private(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(
        std::fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_master_key_is_changed_by_way_of_both() {
    let (world, place, _clock) = serving(On::Postgres).await;
    let stage = stopped(world).await;
    let said = refused(&place.config, &["keys", "rotate", "sealing"]).await;
    assert!(said.contains("store.master_key_before"), "{said}");
    let text = std::fs::read_to_string(&place.config).unwrap();
    let reference = |name: &str| format!("\"file:{}\"", place.folder.join(name).display());
    let line = format!("master_key = {}", reference("doorward.key"));
    assert!(text.contains(&line));
    for (name, key) in [("new.key", "6b"), ("wrong.key", "00")] {
        std::fs::write(place.folder.join(name), key.repeat(32)).unwrap();
    }
    let with = |before: &str| {
        let both = format!("master_key = {}\n{before}", reference("new.key"));
        std::fs::write(&place.config, text.replace(&line, &both)).unwrap();
    };
    with("");
    refused(&place.config, &["keys", "rotate", "sealing"]).await;
    with(&format!("master_key_before = {}", reference("wrong.key")));
    refused(&place.config, &["keys", "rotate", "sealing"]).await;
    with(&format!(
        "master_key_before = {}",
        reference("doorward.key")
    ));
    // a replica that runs with both opens what either sealed, before and after
    let stage = place.on(stage);
    let running = start(&stage.config).await.unwrap();
    let said = done(&place.config, &["keys", "rotate", "sealing"]).await;
    assert!(said.contains("4 secrets anew"), "{said}");
    running.stop(Duration::from_secs(1)).await.unwrap();
    with("");
    let stage = place.on(stage);
    let running = start(&stage.config).await.unwrap();
    running.stop(Duration::from_secs(1)).await.unwrap();
    let rows = listed(&place).await;
    assert_eq!(
        of(&rows, "sealing")[0]["does"],
        "seals 4 secrets; 0 are sealed with another"
    );
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fingerprint_key_is_new_at_the_next_start_and_no_list_shows_a_key() {
    let (world, place, _clock) = serving(On::Sqlite).await;
    let before = listed(&place).await;
    done(&place.config, &["keys", "rotate", "fingerprint"]).await;
    let after = listed(&place).await;
    assert_ne!(of(&before, "fingerprint"), of(&after, "fingerprint"));
    let stage = stopped(world).await;
    let running = start(&stage.config).await.unwrap();
    running.stop(Duration::from_secs(1)).await.unwrap();
    let key = std::fs::read_to_string(place.folder.join("doorward.key")).unwrap();
    let said = done(&place.config, &["keys", "list"]).await;
    assert!(!said.contains(key.trim()), "{said}");
    for name in ["session", "ledger", "fingerprint", "vault", "sealing"] {
        assert!(said.contains(name), "{said}");
    }
}
