//! A backup taken beside a server under load, put back into an empty place of either engine, and used there.

mod damage;
pub(crate) mod place;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ledger::Record;
use ledger::read::Reader;
use ledger::record::SystemEvent;
use ledger::verify::{Trust, verify_folder};
use server::commands::start;
use server::demo::world::{Stage, World, apply_policy};
use server::system::{SystemClock, SystemIds};
use testkit::{Actor, device_sign_in};

use crate::run::{done, doorward, refused, words};
use place::{On, Place};

const HAIKU: &str = "claude-haiku-5-5";
const SONNET: &str = "claude-sonnet-5-5";

/// An installation that serves, on either engine.
async fn serving(on: On) -> (World, Place) {
    let stage = Stage::set(0).await.unwrap();
    let place = Place::make(&stage, "first", on).await;
    if on == On::Postgres {
        std::fs::write(place.folder.join("doorward.key"), "5a".repeat(32)).unwrap();
    }
    let stage = place.on(stage);
    apply_policy(&stage.config, Arc::new(SystemClock), Arc::new(SystemIds))
        .await
        .unwrap();
    let running = start(&stage.config).await.unwrap();
    (World { stage, running }, place)
}

async fn ask_until_it_ends(actor: Actor) {
    while actor
        .messages(HAIKU, "Hello")
        .await
        .is_ok_and(|answer| answer.status == 200)
    {}
}

async fn status(actor: &Actor, model: &str) -> u16 {
    actor.messages(model, "Hello").await.unwrap().status
}

/// The folders of the chains that were put back.
fn before(ledger: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(ledger.join("before")).unwrap();
    folders.map(|entry| entry.unwrap().path()).collect()
}

fn holds(folder: &Path, key: &str) -> u64 {
    let mut trust = Trust::none();
    trust.add_key(key.trim().parse().unwrap());
    let report = verify_folder(folder, trust).unwrap();
    assert!(report.is_clean(), "{}: {report}", folder.display());
    report.lines
}

/// A backup taken under load on one engine and put back on another; everything that matters is looked at there.
async fn from_one_to_the_other(from: On, to: On) {
    let (world, first) = serving(from).await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    let key = service_key(&first).await;
    assert_eq!(status(&ada, HAIKU).await, 200);
    let out = world.dir.path().join("backup").display().to_string();
    taken_under_load(&first, &ada, &out).await;
    let public_key = std::fs::read_to_string(world.config.ledger.dir.join("ledger.pub")).unwrap();
    let World { stage, running } = world;
    running.stop(Duration::from_secs(2)).await.unwrap();

    let second = Place::make(&stage, "second", to).await;
    second.bring_key(&first.folder.join("doorward.key"));
    put_back(&second, &out).await;
    let chains = before(&second.ledger);
    assert_eq!(chains.len(), 2, "{chains:?}");
    for chain in &chains {
        assert!(holds(chain, &public_key) > 1);
    }
    let stage = second.on(stage);
    let running = start(&stage.config).await.unwrap();
    let world = World { stage, running };
    let old = status(&ada, HAIKU).await;
    assert_eq!(old, 401, "a session came back to life");
    is_used(&world.base, &key).await;
    counted(&second, &world).await;
    let World { stage, running } = world;
    running.stop(Duration::from_secs(2)).await.unwrap();
    assert!(holds(&second.ledger, &public_key) > 1);
    let (open, _) = ledger::read::unfinished(&second.ledger, ledger::Position::default()).unwrap();
    assert_eq!(open.len(), 0);
    begins_by_saying_what_it_follows(&second.ledger, chains.len());
    all_is_exported(&second, &chains).await;
    first.remove().await;
    second.remove().await;
    drop(stage);
}

async fn service_key(place: &Place) -> String {
    let make = ["service-key", "create", "nightly", "--group", "engineering"];
    let said = done(&place.config, &make).await;
    let key = said
        .lines()
        .find(|line| line.starts_with("dwk_") && line.len() == 52);
    key.unwrap().to_owned()
}

async fn taken_under_load(place: &Place, ada: &Actor, out: &str) {
    let load: Vec<_> = (0..4)
        .map(|_| tokio::spawn(ask_until_it_ends(ada.clone())))
        .collect();
    let said = done(&place.config, &["backup", "--out", out]).await;
    for part in ["Keep ", "chain gw-", "chain cli-"] {
        assert!(said.contains(part), "{said}");
    }
    // the server goes on all the while
    assert_eq!(status(ada, HAIKU).await, 200);
    load.iter().for_each(tokio::task::JoinHandle::abort);
    private(Path::new(out));
}

async fn put_back(place: &Place, backup: &str) {
    let said = done(&place.config, &["restore", "--check", backup]).await;
    assert!(
        said.contains("is whole") && !place.ledger.exists(),
        "{said}"
    );
    let said = done(&place.config, &["restore", backup]).await;
    for part in [
        "nobody is signed in any more: 1 sessions",
        "a new chain, whose first records say what it follows, gw-",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let again = refused(&place.config, &["restore", backup]).await;
    assert!(again.contains("is not empty"), "{again}");
}

/// The policy is in force, machines open with what they had, and people sign in again.
async fn is_used(base: &str, key: &str) {
    let machine = Actor::with_bearer(base, key);
    assert_eq!(status(&machine, SONNET).await, 200);
    let alan = device_sign_in(base, "alan").await.unwrap().actor();
    let may = (status(&alan, HAIKU).await, status(&alan, SONNET).await);
    assert_eq!(may, (200, 400));
    let ada = device_sign_in(base, "ada").await.unwrap().actor();
    assert_eq!(status(&ada, SONNET).await, 200);
}

async fn all_is_exported(place: &Place, chains: &[PathBuf]) {
    let all = place.folder.join("all.ndjson");
    let all = all.to_str().unwrap();
    done(&place.config, &["ledger", "export", "--out", all]).await;
    let text = std::fs::read_to_string(all).unwrap();
    for chain in chains {
        let name = chain.file_name().unwrap().to_str().unwrap();
        let named = format!("\"chain\":\"{name}\"");
        assert!(text.contains(&named), "{name} is not exported");
    }
}

/// Every record of the server's closed chain is in the store, so that sums equal the ledger.
async fn counted(place: &Place, world: &World) {
    for chain in before(&place.ledger) {
        let name = chain.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("gw-") {
            let next = world
                .running
                .wired
                .store
                .ledger_cursor(&name)
                .await
                .unwrap();
            let last = ledger::copy::standing(&chain)
                .unwrap()
                .unwrap()
                .position
                .seq;
            assert_eq!(next, last + 1);
        }
    }
}

fn begins_by_saying_what_it_follows(ledger: &Path, chains: usize) {
    let mut reader = Reader::from(ledger, ledger::Position::default());
    let mut named = 0;
    while let Some(entry) = reader.read().unwrap() {
        if let Record::System(system) = entry.decode().unwrap().record().unwrap()
            && system.event == SystemEvent::Restored
        {
            named += 1;
        }
    }
    assert_eq!(named, chains);
}

/// What a backup holds concerns its owner alone.
fn private(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder), 0o700);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            private(&path);
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_put_back_and_used() {
    Box::pin(from_one_to_the_other(On::Sqlite, On::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_machine_moves_to_postgres() {
    Box::pin(from_one_to_the_other(On::Sqlite, On::Postgres)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_moves_to_one_machine() {
    Box::pin(from_one_to_the_other(On::Postgres, On::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_put_back_into_postgres() {
    Box::pin(from_one_to_the_other(On::Postgres, On::Postgres)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_as_good_as_its_key() {
    let (world, first) = serving(On::Sqlite).await;
    let out = |name: &str| world.dir.path().join(name).display().to_string();
    done(&first.config, &["backup", "--out", &out("without")]).await;
    let said = done(
        &first.config,
        &["backup", "--out", &out("with"), "--with-key"],
    )
    .await;
    assert!(
        said.contains("The key that opens the store's secrets is in it"),
        "{said}"
    );
    let taken = refused(&first.config, &["backup", "--out", &out("with")]).await;
    assert!(taken.contains("is there already"), "{taken}");
    let key = std::fs::read(first.folder.join("doorward.key")).unwrap();
    assert_eq!(
        std::fs::read(Path::new(&out("with")).join("sealing.key")).unwrap(),
        key
    );
    assert!(!Path::new(&out("without")).join("sealing.key").exists());

    let second = Place::make(&world, "second", On::Sqlite).await;
    let said = refused(&second.config, &["restore", &out("without")]).await;
    assert!(said.contains("--new-keys"), "{said}");
    std::fs::write(second.folder.join("doorward.key"), "00".repeat(32)).unwrap();
    let said = refused(&second.config, &["restore", &out("without")]).await;
    assert!(
        said.contains("not sealed with the key that is here"),
        "{said}"
    );
    std::fs::remove_file(second.folder.join("doorward.key")).unwrap();
    assert!(!second.ledger.exists());

    done(&second.config, &["restore", &out("with")]).await;
    assert_eq!(
        std::fs::read(second.folder.join("doorward.key")).unwrap(),
        key
    );

    // Whoever lost the key goes on with new ones.
    let third = Place::make(&world, "third", On::Sqlite).await;
    let said = done(
        &third.config,
        &["restore", &out("without"), "--new-keys", "--end-keys"],
    )
    .await;
    assert!(
        said.contains("new keys are made")
            && said.contains("0 service keys and 0 tokens of directories have ended"),
        "{said}"
    );
    let ours = |place: &Place| std::fs::read_to_string(place.ledger.join("ledger.pub")).unwrap();
    assert_ne!(ours(&second), ours(&third));
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_in_use_is_left_alone() {
    let (world, first) = serving(On::Sqlite).await;
    let out = world.dir.path().join("backup").display().to_string();
    done(&first.config, &["backup", "--out", &out]).await;
    let said = refused(&first.config, &["restore", &out]).await;
    assert!(said.contains("is not empty"), "{said}");
    // an empty ledger beside a database in use
    let text = std::fs::read_to_string(&first.config).unwrap();
    let other = first.folder.join("other.toml");
    std::fs::write(&other, text.replace("/ledger\"", "/ledger-2\"")).unwrap();
    let said = refused(&other, &["restore", &out]).await;
    assert!(said.contains("the database is not empty"), "{said}");
    assert!(!first.folder.join("ledger-2").exists());
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    assert_eq!(status(&ada, HAIKU).await, 200);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_left_half_done_is_not_served() {
    let stage = Stage::set(0).await.unwrap();
    let place = Place::make(&stage, "first", On::Sqlite).await;
    std::fs::create_dir(&place.ledger).unwrap();
    std::fs::write(place.ledger.join("restore.unfinished"), "").unwrap();
    for arguments in [
        &["serve"][..],
        &["policy", "export"],
        &["service-key", "list"],
    ] {
        let output = doorward(&place.config, arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            words(&output).contains("has not ended"),
            "{arguments:?}: {}",
            words(&output)
        );
    }
}

async fn the_rows_come_back_beside_the_ledger_that_knows_more(on: On) {
    let (world, first) = serving(on).await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    let out = world.dir.path().join("backup").display().to_string();
    done(&first.config, &["backup", "--out", &out]).await;
    assert_eq!(status(&ada, HAIKU).await, 200, "after the backup");
    done(&first.config, &["service-key", "create", "afterwards"]).await;
    let World { stage, running } = world;
    running.stop(Duration::from_secs(2)).await.unwrap();
    // The database is lost: another one takes its place, beside the same ledger and key.
    let second = Place::make(&stage, "second", on).await;
    second.bring_key(&first.folder.join("doorward.key"));
    std::fs::rename(&first.ledger, &second.ledger).unwrap();
    let said = refused(&second.config, &["restore", &out]).await;
    assert!(said.contains("--keep-ledger"), "{said}");
    let said = done(&second.config, &["restore", &out, "--keep-ledger"]).await;
    assert!(
        said.contains("service_key afterwards") && said.contains("created by"),
        "{said}"
    );
    let changed = std::fs::read_to_string(second.ledger.join("changed-since-backup.txt")).unwrap();
    assert!(changed.contains("service_key afterwards"), "{changed}");
    let stage = second.on(stage);
    let running = start(&stage.config).await.unwrap();
    let chain = running.wired.pipeline.ledger.chain().as_str().to_owned();
    let last = running.wired.pipeline.ledger.status().durable.seq;
    let shipped = running.wired.store.ledger_cursor(&chain).await.unwrap();
    assert!(shipped > 1 && shipped <= last + 1);
    let world = World { stage, running };
    assert_eq!(
        status(&ada, HAIKU).await,
        401,
        "a session came back to life"
    );
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    assert_eq!(status(&ada, HAIKU).await, 200);
    let World { stage, running } = world;
    running.stop(Duration::from_secs(2)).await.unwrap();
    let key = std::fs::read_to_string(second.ledger.join("ledger.pub")).unwrap();
    holds(&second.ledger, &key);
    // A ledger of another installation, or an older copy of this one, is not gone on with.
    let third = Place::make(&stage, "third", on).await;
    third.bring_key(&first.folder.join("doorward.key"));
    let said = refused(&third.config, &["restore", &out, "--keep-ledger"]).await;
    assert!(said.contains("is not in"), "{said}");
    for place in [first, second, third] {
        place.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_sqlite_database_comes_back_beside_its_ledger() {
    Box::pin(the_rows_come_back_beside_the_ledger_that_knows_more(
        On::Sqlite,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_postgres_database_comes_back_beside_its_ledger() {
    Box::pin(the_rows_come_back_beside_the_ledger_that_knows_more(
        On::Postgres,
    ))
    .await;
}
