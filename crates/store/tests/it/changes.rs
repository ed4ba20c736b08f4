//! Word of changes: heard by every replica that listens, also after its connection broke, and never instead of looking.

use std::time::Duration;

use store::{Engine, Store, Target};

use crate::bed::{Bed, at};

/// Far longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

async fn hears(store: &Store, changes: &mut store::Changes, change: impl Future<Output = ()>) {
    while !store.is_listening() {
        tokio::task::yield_now().await;
    }
    // What was rung before, and by the beginning of listening itself.
    while tokio::time::timeout(Duration::ZERO, changes.next())
        .await
        .is_ok()
    {}
    change.await;
    let heard = tokio::time::timeout(PATIENCE, changes.next()).await;
    heard.expect("the change is heard");
}

async fn hears_of_every_change(bed: Bed) {
    let other = bed.replica().await;
    let listening = tokio::spawn({
        let other = other.clone();
        async move { other.listen().await }
    });
    let mut changes = other.changes();
    let person = bed.person("tid/oid").await.id;
    hears(&other, &mut changes, async {
        let target = Target::Person(person);
        bed.store
            .revoke(bed.org, &target, at(1), "left")
            .await
            .unwrap();
    })
    .await;
    // Every connection of that replica is ended by the server, as when it restarts.
    let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'";
    assert_eq!(bed.count(end).await, 1);
    let heard = tokio::time::timeout(PATIENCE, changes.next()).await;
    heard.expect("whoever begins to listen anew looks at once");
    hears(&other, &mut changes, async {
        let target = Target::Person(person);
        bed.store
            .revoke(bed.org, &target, at(2), "left")
            .await
            .unwrap();
    })
    .await;
    listening.abort();
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_hears_of_a_change_at_once_and_again_after_its_connection_was_ended() {
    Bed::play(Engine::Postgres, hears_of_every_change).await;
}

#[tokio::test]
async fn on_one_machine_nobody_tells_and_nobody_pretends_to() {
    Bed::play(Engine::Sqlite, async |bed: Bed| {
        let waits = tokio::time::timeout(Duration::ZERO, bed.store.listen());
        assert!(waits.await.is_err() && !bed.store.is_listening());
    })
    .await;
}
