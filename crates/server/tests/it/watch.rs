//! What a test can see of a running Doorward from outside: its metrics, and the ledger's copy.

use std::time::Duration;

use serde_json::Value;
use server::demo::world::World;
use testkit::Http;
use testkit::limits::PATIENCE;

/// Looks until it is so; the wait is a guard against hanging.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .expect("it becomes so");
}

/// `/metrics`, whole.
pub(crate) async fn metrics(world: &World) -> String {
    let url = format!("{}/metrics", world.ops);
    let answer = Http::new().get(&url).send().await.unwrap();
    assert_eq!(answer.status, 200);
    answer.text()
}

/// One metric, with its labels as they stand there; 0 when it is not there yet.
pub(crate) async fn metric(world: &World, name: &str) -> u64 {
    let text = metrics(world).await;
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

/// The outcome of a request, as soon as the store has it.
pub(crate) async fn outcome(world: &World, request: &str) -> Value {
    record(world, request, "outcome").await
}

/// A record of a request, as soon as the store has it. Time must not stand still: what ships records waits in between.
pub(crate) async fn record(world: &World, request: &str, kind: &str) -> Value {
    let wired = &world.running.wired;
    let found = async {
        loop {
            let found = wired.store.record_of_request(wired.org, request, kind);
            if let Some(body) = found.await.unwrap() {
                return serde_json::from_str(&body).unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, found).await;
    found.expect("the store gets the record")
}

/// `/readyz`: status and words.
pub(crate) async fn readiness(world: &World) -> (u16, String) {
    let url = format!("{}/readyz", world.ops);
    let answer = Http::new().get(&url).send().await.unwrap();
    (answer.status, answer.text())
}
