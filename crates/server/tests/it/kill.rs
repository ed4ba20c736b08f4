//! Sudden death: the process is killed with SIGKILL while it works, and nothing the provider saw may be missing from the ledger.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::time::Duration;

use ledger::Record;
use ledger::read::Reader;
use ledger::verify::{Damage, Trust, verify_folder};
use server::demo::world::Stage;
use testkit::{Actor, Http, device_sign_in};

use crate::run::program;

const RUNS: u32 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn no_request_that_the_provider_saw_is_missing_after_kill_9() {
    let stage = Stage::set(0).await.unwrap();
    let mut child = serve(&stage).await;
    // The sign-in outlives every restart; its token is good for longer than the test takes.
    let actor = device_sign_in(&stage.base, "ada").await.unwrap().actor();
    for run in 0..RUNS {
        let load = tokio::spawn(load(actor.clone(), run));
        // Another moment in each run: after so many requests have reached the provider.
        let seen = stage.first.seen().len() + 1 + usize::try_from(run * 7 % 23).unwrap();
        stage.first.wait_for(seen).await.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        load.abort();
        let _ = load.await;
        let (decided, seen) = (decided(&stage).len(), stage.first.seen().len());
        assert!(
            decided >= seen,
            "run {run}: the provider saw {seen} requests, the ledger has {decided} decisions"
        );
        let report = verify_folder(&stage.config.ledger.dir, Trust::none()).unwrap();
        // The kill may come in the middle of a write: that line was no call's yet, and the next start takes it off.
        let is_torn = matches!(&report.findings[..], [found] if found.damage == Damage::Torn);
        assert!(report.is_clean() || is_torn, "run {run}: {report}");
        child = serve(&stage).await;
        assert_eq!(
            unfinished(&stage),
            0,
            "run {run}: calls without an outcome after the restart"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Requests without end, several at once.
async fn load(actor: Actor, run: u32) {
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let actor = actor.clone();
        workers.spawn(async move {
            for count in 0..10_000 {
                let prompt = format!("{run}-{worker}-{count}");
                if actor.messages("claude-haiku-5-5", &prompt).await.is_err() {
                    return;
                }
            }
        });
    }
    workers.join_all().await;
}

async fn serve(stage: &Stage) -> Child {
    let child = program(&["serve", "--config"])
        .arg(stage.config_file())
        .env("DOORWARD_LOG", "error")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let http = Http::new();
    let ready = async {
        while http
            .get(&format!("{}/readyz", stage.ops))
            .send()
            .await
            .map_or(true, |answer| answer.status != 200)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ready)
        .await
        .expect("the process gets ready");
    child
}

/// Every allowed decision on messages in the spool.
fn decided(stage: &Stage) -> BTreeSet<String> {
    let mut reader = Reader::from(&stage.config.ledger.dir, ledger::Position::default());
    let mut found = BTreeSet::new();
    while let Ok(Some(entry)) = reader.read() {
        let Ok(line) = entry.decode() else { continue };
        if let Ok(Record::Decision(decision)) = line.record()
            && decision.verdict.is_allowed()
            && decision.action.as_str() == "messages"
        {
            found.insert(decision.request.to_string());
        }
    }
    found
}

fn unfinished(stage: &Stage) -> usize {
    ledger::read::unfinished(&stage.config.ledger.dir, ledger::Position::default())
        .unwrap()
        .0
        .len()
}
