//! A ledger folder that was copied: two processes on one chain would spend its share of every hard budget twice, so only one does.

use std::path::Path;
use std::time::{Duration, Instant};

use domain::limits;
use testkit::limits::PATIENCE;
use testkit::{Http, device_sign_in};

use super::world::{LOOK, Pair, Replica};
use super::{HAIKU, chain, status};

/// As `cp -r` makes it, of a folder that is being written.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

async fn ready(replica: &Replica) -> (u16, String) {
    let answer = Http::new().get(&format!("{}/readyz", replica.ops));
    let answer = answer.send().await.unwrap();
    (answer.status, answer.text())
}

async fn until_unready(replica: &Replica) -> String {
    let unready = async {
        loop {
            match ready(replica).await {
                (503, why) => return why,
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    };
    let unready = tokio::time::timeout(PATIENCE, unready).await;
    unready.expect("the replica says that it takes no calls")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_running_replicas_ledger_folder_does_not_start() {
    let mut pair = Pair::start().await;
    let edsger = device_sign_in(&pair.stage.base, "edsger").await.unwrap();
    assert_eq!(status(&pair.a.actor(&edsger), HAIKU).await, 200);
    let mut copied = pair.another("c").await;
    copy(&pair.a.ledger_dir, &copied.ledger_dir);
    let said = copied.fails_to_start().await;
    for part in ["another process writes", &chain(&pair.a), "an empty folder"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The original does not notice, also after its own death: its folder's lock says that nobody else can have it.
    assert_eq!(status(&pair.a.actor(&edsger), HAIKU).await, 200);
    pair.a.kill();
    let killed = Instant::now();
    pair.a.spawn();
    pair.a.is_ready().await;
    assert!(killed.elapsed() < Duration::from_millis(limits::CHAIN_SILENT_MS));
    assert_eq!(status(&pair.a.actor(&edsger), HAIKU).await, 200);
    assert!(copied.fails_to_start().await.contains("another process"));
    // With an empty folder it is a replica like any other.
    std::fs::remove_dir_all(&copied.ledger_dir).unwrap();
    copied.spawn();
    copied.is_ready().await;
    copied.terminate().await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_folder_does_not_start_once_the_original_has_ended() {
    let mut pair = Pair::start().await;
    let mut copied = pair.another("c").await;
    copy(&pair.a.ledger_dir, &copied.ledger_dir);
    let ada = device_sign_in(&pair.a.base, "ada").await.unwrap();
    assert_eq!(status(&pair.a.actor(&ada), HAIKU).await, 200);
    pair.a.terminate().await;
    let said = copied.fails_to_start().await;
    assert!(said.contains("an older copy"), "{said}");
    pair.a.spawn();
    pair.a.is_ready().await;
    pair.stop().await;
}

/// What is tried of a replica that has lost its chain: unready, and every call is our outage.
async fn loses_its_chain(sql: impl FnOnce(&str) -> String, why: &str) {
    let mut pair = Pair::start().await;
    let ada = device_sign_in(&pair.stage.base, "ada").await.unwrap();
    let edsger = device_sign_in(&pair.stage.base, "edsger").await.unwrap();
    for person in [&ada, &edsger] {
        assert_eq!(status(&pair.a.actor(person), HAIKU).await, 200);
    }
    let sql = sql(&chain(&pair.a));
    pair.database.beside(&sql).await;
    // Whatever is recorded next is shipped next.
    let _ = status(&pair.a.actor(&ada), HAIKU).await;
    let said = until_unready(&pair.a).await;
    assert!(said.contains(why), "{said}");
    let seen = pair.stage.first.seen().len();
    for person in [&ada, &edsger] {
        let answer = pair.a.actor(person).messages(HAIKU, "Hello").await.unwrap();
        assert_eq!(answer.status, 503, "{}", answer.text());
        let reason = answer.header("x-doorward-reason").map(str::to_owned);
        assert!(
            matches!(
                reason.as_deref(),
                Some("ledger_unavailable" | "store_unavailable")
            ),
            "{reason:?}"
        );
        assert_eq!(status(&pair.b.actor(person), HAIKU).await, 200);
    }
    let more = pair.stage.first.seen().len() - seen;
    assert_eq!(more, 2, "what it refused reached no provider");
    pair.a.kill();
    pair.b.terminate().await;
    pair.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_chain_was_taken_over_takes_no_call() {
    let sql = |chain: &str| format!("UPDATE chain_claims SET holder = 'x' WHERE chain = '{chain}'");
    loses_its_chain(sql, "another process has taken over").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_chain_has_forked_takes_no_call() {
    let hash = "5a".repeat(32);
    let sql = |chain: &str| {
        // As if somebody else had shipped the record after the last.
        format!(
            "UPDATE ledger_cursors SET next_seq = next_seq + 1, hash = '{hash}' WHERE chain = '{chain}'"
        )
    };
    loses_its_chain(sql, "has forked").await;
}
