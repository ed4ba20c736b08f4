//! The ledger's copy in the store: its sums are those of the records that can be read, and a damaged one holds up nothing.

use std::path::Path;
use std::sync::Arc;

use domain::window::Period;
use domain::{Clock as _, OrgId, PersonId, RequestId, Subject, Usd};
use ledger::record::{Ended, Outcome};
use ledger::{ChainId, Ledger, Record, SigningKey};
use pipeline::quota::budget::paid_from_names;
use pipeline::ship;
use store::Store;
use testkit::FakeClock;

/// A closed chain of calls that cost so much, and its last record.
async fn calls(folder: &Path, clock: &FakeClock, costs: &[i64]) -> (ChainId, u64) {
    let (key, _) = SigningKey::generate().unwrap();
    let chain: ChainId = "gw-1.1".parse().unwrap();
    let ledger = Ledger::open(folder, chain.clone(), key, Arc::new(clock.clone())).unwrap();
    for (number, cost) in (1..).zip(costs) {
        let mut outcome = Outcome::new(RequestId::from_parts(1, number), Ended::Complete);
        outcome.subject = Some(ada());
        outcome.cost = Usd::from_nanos(*cost);
        ledger.append(Record::Outcome(outcome)).await.unwrap();
    }
    let durable = ledger.durable();
    let closed = tokio::task::spawn_blocking(move || drop(ledger));
    closed.await.unwrap();
    let last = durable.borrow().seq;
    (chain, last)
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
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = Store::open(&url).await.unwrap();
    let org = OrgId::from_parts(1, 1);
    let org = store.ensure_org("northwind", org).await.unwrap();
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
