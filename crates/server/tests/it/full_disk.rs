//! A full disk under the real program: the kernel lets no file of it grow any more. Everything is refused that would leave no
//! record, nothing is lost, and when there is space again it serves again by itself.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use server::demo::world::Stage;
use testkit::limits::PATIENCE;
use testkit::{Actor, Http, device_sign_in};

use crate::run::{PROGRAM, output, program, words};

const MODEL: &str = "claude-haiku-5-5";

/// The program, told to take an error for an answer where the kernel would end it for writing too much.
fn serve(stage: &Stage) -> Child {
    Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" serve --config \"$1\""])
        .arg(PROGRAM)
        .arg(stage.config_file())
        .env("DOORWARD_LOG", "off")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// How large any file of the process may grow from now on.
fn let_files_grow_to(child: &Child, bytes: &str) {
    let status = Command::new("prlimit")
        .args(["--pid", &child.id().to_string()])
        .arg(format!("--fsize={bytes}:"))
        .status()
        .expect("prlimit, of util-linux, is there");
    assert!(status.success());
}

async fn until_ready_is(stage: &Stage, wanted: u16) -> String {
    let http = Http::new();
    let url = format!("{}/readyz", stage.ops);
    let looking = async {
        loop {
            if let Ok(answer) = http.get(&url).send().await
                && answer.status == wanted
            {
                return answer.text();
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| format!("never {wanted}"))
}

/// Bytes of the ledger's open segment.
fn spool_bytes(stage: &Stage) -> u64 {
    let files = std::fs::read_dir(&stage.config.ledger.dir).unwrap();
    let segments = files.filter_map(|file| {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        (name.starts_with('0') && name.ends_with(".ndjson")).then(|| file.metadata().unwrap().len())
    });
    segments.max().unwrap()
}

async fn ask(actor: &Actor) -> (u16, String) {
    let answer = actor.messages(MODEL, "Hello").await.unwrap();
    let reason = answer.header("x-doorward-reason").unwrap_or_default();
    (answer.status, reason.to_owned())
}

/// An administrator's change, which needs its record as much as a call does.
async fn set_a_limit(stage: &Stage) -> (u16, String) {
    let admin = Actor::with_api_key(&stage.base, &stage.admin_key);
    let body = json!({"scope": {"type": "organization"}, "amount": "50000"});
    let path = "/v1/organizations/spend_limits";
    let request = admin.request(http::Method::POST, path).json(&body);
    let answer = request.send().await.unwrap();
    let reason = answer.header("x-doorward-reason").unwrap_or_default();
    (answer.status, reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_every_call_and_loses_none() {
    let stage = Stage::set(0).await.unwrap();
    let mut child = serve(&stage);
    assert_eq!(until_ready_is(&stage, 200).await, "ready\n");
    let ada = device_sign_in(&stage.base, "ada").await.unwrap().actor();
    assert_eq!(ask(&ada).await.0, 200);
    // This one is under way when the disk fills, and ends before there is space again.
    let running = ada
        .stream(MODEL, "Tell me. [testkit events=100 pace-ms=3]")
        .await
        .unwrap();

    let full = spool_bytes(&stage) + 4_000;
    let_files_grow_to(&child, &full.to_string());
    let before = stage.first.seen().len();
    let mut passed = 0;
    let reason = loop {
        match ask(&ada).await {
            (200, _) => passed += 1,
            (status, reason) => {
                assert_eq!(status, 503);
                break reason;
            }
        }
    };
    assert_eq!(reason, "ledger_unavailable");
    for _ in 0..10 {
        assert_eq!(ask(&ada).await.0, 503);
    }
    assert_eq!(set_a_limit(&stage).await, (503, reason));
    assert_eq!(
        stage.first.seen().len(),
        before + passed,
        "the provider was asked without a record"
    );
    let (events, broken) = running.until_end().await;
    assert!(broken.is_none() && events.last().unwrap().name == "message_stop");
    assert!(until_ready_is(&stage, 503).await.contains("ledger"));
    assert_eq!(ada.get("/v1/models").await.unwrap().status, 200);

    let_files_grow_to(&child, "unlimited");
    assert_eq!(until_ready_is(&stage, 200).await, "ready\n");
    assert_eq!(ask(&ada).await.0, 200);
    // the store may say once more that nothing was written, while it lets its broken transaction go
    let set = async { while set_a_limit(&stage).await.0 != 200 {} };
    tokio::time::timeout(PATIENCE, set).await.unwrap();
    ends_whole(&stage, &mut child).await;
}

/// Stops the program, which must leave a ledger without a flaw and no call without its end.
async fn ends_whole(stage: &Stage, child: &mut Child) {
    let term = Command::new("kill").arg(child.id().to_string()).status();
    assert!(term.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, async {
        while child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    ended.await.expect("the program stops when it is told to");
    let dir = stage.config.ledger.dir.display().to_string();
    let output = output(program(&["ledger", "verify", &dir])).await;
    let said = words(&output);
    assert!(output.status.success(), "{said}");
    let (open, _) =
        ledger::read::unfinished(&stage.config.ledger.dir, ledger::Position::default()).unwrap();
    assert_eq!(open.len(), 0, "calls without an outcome");
}
