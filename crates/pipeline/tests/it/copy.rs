//! The ledger's copy in the store: its sums are those of the records that can be read, and a damaged one holds up nothing.

use std::path::Path;
use std::sync::Arc;

use domain::window::Period;
use domain::{Clock as _, OrgId, PersonId, ReasonCode, RequestId, Subject, Usd};
use ledger::record::{Ended, Outcome};
use ledger::{ChainId, Ledger, Record, SigningKey};
use pipeline::Metrics;
use pipeline::claim::{Claim, Lost};
use pipeline::quota::budget::paid_from_names;
use pipeline::ship::{self, RecoverError};
use pipeline::strangers::{Strangers, Wanted};
use store::Store;
use testkit::{FakeClock, SeededIds};

/// A closed chain of calls that cost so much, and its last record.
async fn calls(folder: &Path, clock: &FakeClock, costs: &[i64]) -> (ChainId, u64) {
    let ledger = open(folder, clock);
    for (number, cost) in (1..).zip(costs) {
        call(&ledger, number, *cost).await;
    }
    let chain = ledger.chain().clone();
    (chain, close(ledger).await)
}

fn open(folder: &Path, clock: &FakeClock) -> Ledger {
    let (key, _) = SigningKey::generate().unwrap();
    let chain: ChainId = "gw-1.1".parse().unwrap();
    Ledger::open(folder, chain, key, Arc::new(clock.clone())).unwrap()
}

async fn call(ledger: &Ledger, number: u128, cost: i64) {
    let mut outcome = Outcome::new(RequestId::from_parts(1, number), Ended::Complete);
    outcome.subject = Some(ada());
    outcome.cost = Usd::from_nanos(cost);
    ledger.append(Record::Outcome(outcome)).await.unwrap();
}

/// Its last record.
async fn close(ledger: Ledger) -> u64 {
    let durable = ledger.durable();
    let closed = tokio::task::spawn_blocking(move || drop(ledger));
    closed.await.unwrap();
    durable.borrow().seq
}

async fn store(folder: &Path) -> (Store, OrgId) {
    let url = format!("sqlite:{}", folder.join("store.db").display());
    let store = Store::open(&url).await.unwrap();
    let org = OrgId::from_parts(1, 1);
    let org = store.ensure_org("northwind", org).await.unwrap();
    (store, org)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn ada() -> Subject {
    Subject::Person(PersonId::from_parts(1, 1))
}

/// Breaks the line that holds this text.
fn damage(folder: &Path, text: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(spool) = std::fs::read_to_string(&path) else {
            continue;
        };
        let Some(found) = spool.find(text) else {
            continue;
        };
        let mut bytes = spool.into_bytes();
        bytes[found] = b'\\';
        std::fs::write(path, bytes).unwrap();
        return;
    }
    panic!("no line holds {text}");
}

#[tokio::test]
async fn sums_equal_the_records_that_can_be_read_and_a_damaged_one_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = FakeClock::new();
    let spool = folder.path().join("ledger");
    let (chain, last) = calls(&spool, &clock, &[1_000, 20_000, 300_000]).await;
    damage(&spool, &RequestId::from_parts(1, 2).to_string());
    let (store, org) = store(folder.path()).await;
    for _ in 0..2 {
        let end = ship::ship_closed(&store, org, &spool, &chain, last).await;
        assert_eq!(end.unwrap().seq, last);
        let (purse, _) = paid_from_names(ada(), &[])
            .into_iter()
            .find(|(_, period)| *period == Period::Daily)
            .unwrap();
        let purse = purse.to_string();
        let spent = store.spent_by(org, &purse, Period::Daily, clock.now());
        assert_eq!(spent.await.unwrap(), Usd::from_nanos(301_000));
    }
    assert_eq!(store.ledger_cursor("gw-1.1").await.unwrap(), last + 1);
}

#[tokio::test]
async fn a_start_with_an_older_copy_of_the_folder_is_refused_and_so_is_one_that_went_on_by_itself()
{
    let folder = tempfile::tempdir().unwrap();
    let clock = FakeClock::new();
    let (spool, older) = (folder.path().join("ledger"), folder.path().join("older"));
    let (store, org) = store(folder.path()).await;
    calls(&spool, &clock, &[1, 2]).await;
    copy(&spool, &older);
    let ledger = open(&spool, &clock);
    call(&ledger, 3, 3).await;
    let shipped = ship::catch_up(&store, org, &spool, &ledger).await.unwrap();
    close(ledger).await;
    // Behind what was shipped, and then with other records in its place.
    for goes_on in [0, 10] {
        let copied = open(&older, &clock);
        for number in 0..goes_on {
            call(&copied, 100 + number, 1_000).await;
        }
        let started = ship::catch_up(&store, org, &older, &copied).await;
        assert!(
            matches!(&started, Err(RecoverError::NotOurs { shipped: found, .. }) if *found == shipped.seq),
            "{started:?}"
        );
        close(copied).await;
    }
    let ledger = open(&spool, &clock);
    call(&ledger, 4, 4).await;
    let end = ship::catch_up(&store, org, &spool, &ledger).await.unwrap();
    assert!(end > shipped, "the one that was shipped goes on");
    close(ledger).await;
}

#[tokio::test]
async fn a_fork_that_is_found_while_shipping_lets_no_further_call_through() {
    let folder = tempfile::tempdir().unwrap();
    let clock = FakeClock::new();
    let spool = folder.path().join("ledger");
    let (store, org) = store(folder.path()).await;
    let ledger = Arc::new(open(&spool, &clock));
    call(&ledger, 1, 1).await;
    let from = ship::catch_up(&store, org, &spool, &ledger).await.unwrap();
    let claim = Claim::take(&store, &ledger, None, &SeededIds::new(1)).await;
    let claim = claim.unwrap();
    // Somebody with a copy of the folder was faster.
    let other = store::ledger::Batch {
        hash: Some("5a".repeat(32)),
        ..store::ledger::Batch::default()
    };
    let next = from.seq + 1;
    assert!(store.ship("gw-1.1", next, next + 1, &other).await.unwrap());
    let metrics = Metrics::default();
    let follows = ship::follow(
        &store,
        org,
        &spool,
        Arc::clone(&ledger),
        (from, &metrics, &claim),
    );
    let lost = async {
        call(&ledger, 2, 2).await;
        while claim.lost().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = follows => panic!("it follows for as long as the ledger is open"),
        () = lost => {}
    }
    assert!(matches!(claim.lost(), Some(Lost::Forked(_))), "{claim:?}");
    assert!(!ledger.status().available);
    let outcome = || Record::Outcome(Outcome::new(RequestId::from_parts(1, 9), Ended::Complete));
    let refused = ledger.append(outcome()).await;
    assert_eq!(refused, Err(ledger::LedgerError::Unavailable));
    assert_eq!(
        ledger.note(outcome()),
        Ok(()),
        "what was let through before has its end"
    );
}

#[tokio::test]
async fn refusals_that_were_counted_are_in_the_sums_as_if_each_had_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let clock = FakeClock::new();
    let spool = folder.path().join("ledger");
    let ledger = open(&spool, &clock);
    let strangers = Strangers::new(Arc::new(ledger), Arc::new(clock.clone()));
    let wanted = Wanted::Call("messages");
    let mut recorded = 0;
    for _ in 0..1_000 {
        recorded += u64::from(strangers.records(None, wanted, ReasonCode::CredentialMissing));
        strangers.records(None, Wanted::SignIn, ReasonCode::SessionEnded);
    }
    let closed = tokio::task::spawn_blocking(move || drop(strangers));
    closed.await.unwrap();
    let ledger = open(&spool, &clock);
    let (store, org) = store(folder.path()).await;
    ship::catch_up(&store, org, &spool, &ledger).await.unwrap();
    let now = clock.now();
    let hours = (now.plus_ms(-3_600_000), now.plus_ms(3_600_000));
    let sums = store
        .usage_sums(org, store::UsageBy::Subject, hours, 10)
        .await;
    let requests: u64 = sums.unwrap().iter().map(|sum| sum.requests).sum();
    // The other calls have records of their own, which the caller writes.
    assert_eq!(requests, 1_000 - recorded);
    close(ledger).await;
}
