//! Two replicas find the same people come and gone at the same moment, and each occasion has one set of tasks and one record.

use std::path::Path;
use std::sync::Arc;

use control::{Actor, Control, tasks};
use domain::{Clock, OrgId, PersonId};
use ledger::read::Reader;
use ledger::{ChainId, Ledger, Record, SigningKey};
use server::system::{SystemClock, SystemIds};
use store::{Seen, Store, Wanted};

use crate::database::Database;

const PEOPLE: u64 = 40;

/// What a replica is to the tasks: a store on the shared database and a ledger of its own.
async fn replica(database: &Database, folder: &Path, name: &str) -> Control {
    let store = Store::open(&database.url()).await.unwrap();
    let org = store.ensure_org("northwind", OrgId::from_parts(1, 1)).await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (key, _) = SigningKey::generate().unwrap();
    let chain: ChainId = format!("{name}.1").parse().unwrap();
    let ledger = Ledger::open(&folder.join(name), chain, key, Arc::clone(&clock)).unwrap();
    Control {
        org: org.unwrap(),
        vouching: Arc::default(),
        store,
        ledger: Arc::new(ledger),
        clock,
        ids: Arc::new(SystemIds),
        vault: store::vault_key::VaultKey::new(store::secrets::SealingKey::new([7; 32])),
        parsed: control::ParsedPolicy::default(),
    }
}

/// The records of an occasion in a replica's ledger.
fn records(folder: &Path, wanted: &str) -> usize {
    let mut reader = Reader::from(folder, ledger::Position::default());
    let mut found = 0;
    while let Some(entry) = reader.read().unwrap() {
        let line = entry.decode().unwrap();
        if let Record::Change(change) = line.record().unwrap() {
            found += usize::from(change.noun.to_string() == wanted);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_find_the_same_people_at_once_write_one_record_and_one_set_for_each() {
    let database = Database::make().await;
    let folder = tempfile::tempdir().unwrap();
    let a = replica(&database, folder.path(), "a").await;
    let b = replica(&database, folder.path(), "b").await;
    let now = a.clock.now();
    for number in 0..PEOPLE {
        let seen = Seen {
            org: a.org,
            issuer: "entra",
            stable_id: &number.to_string(),
            email: None,
            name: None,
            groups: &std::collections::BTreeSet::new(),
            stated: now,
            made: now,
            at: now,
        };
        let new = PersonId::from_parts(1, number.into());
        let person = a.store.upsert_person(seen, new).await.unwrap();
        if number % 2 == 0 {
            let out = a.store.shut_out(a.org, person.id, now, "left").await;
            assert!(out.unwrap());
        }
    }
    let actor = Actor::command_line("doorward");
    let (at_a, at_b) = (a.operation(&actor), b.operation(&actor));
    let (one, other) = tokio::join!(tasks::follow(&at_a), tasks::follow(&at_b));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.left + other.left, 20, "{one:?} {other:?}");
    assert_eq!(one.joined + other.joined, 20, "{one:?} {other:?}");
    let folders = [folder.path().join("a"), folder.path().join("b")];
    for noun in ["departure", "arrival"] {
        let written: usize = folders.iter().map(|folder| records(folder, noun)).sum();
        assert_eq!(written, 20, "{noun}");
    }
    let wanted = Wanted::default();
    let all = a.store.tasks_page(a.org, &wanted, None, 1_000);
    // of a joiner's five, two have no subject here: no policy to accept, no connectors to tell of
    assert_eq!(all.await.unwrap().len(), 20 * 6 + 20 * 3);
    let again = tasks::follow(&at_b).await.unwrap();
    assert_eq!(again, tasks::Followed::default());
    for replica in [a, b] {
        replica.store.close().await;
    }
    database.remove().await;
}
