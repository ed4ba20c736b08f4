//! Which organisation answers, what operators see of all of them, and how configurations that meet are refused.

use std::path::Path;
use std::process::Output;

use ledger::verify::{Trust, verify_folder};
use serde_json::Value;
use server::config::load_all;
use testkit::{Actor, Http, device_sign_in};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::world::{Side, Stores, Two};
use crate::database::Line;
use crate::run::{program, words};
use crate::watch::until;

/// Asks over a connection to the shared socket with a head of its own; the whole answer.
async fn asked(two: &Two, head: &str) -> String {
    let address = two.birch.wired.config.server.listen;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!("{head}connection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn issuer(side: &Side) -> String {
    let url = format!("{}/protocol", side.base());
    let answer = Http::new().get(&url).send().await.unwrap();
    answer.json()["issuer"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_host_is_its_organisations_and_a_strange_one_is_nobodys() {
    let two = Two::set(Stores::Apart).await;
    for side in two.both() {
        assert_eq!(issuer(side).await, side.base());
    }
    let port = two.birch.wired.config.server.listen.port();
    for head in [
        "GET /protocol HTTP/1.1\r\nhost: other.example\r\n".to_owned(),
        "GET /protocol HTTP/1.1\r\nhost: localhost\r\n".to_owned(),
        "GET /protocol HTTP/1.0\r\n".to_owned(),
        format!(
            "GET /protocol HTTP/1.1\r\nhost: other.example\r\nx-forwarded-host: localhost:{port}\r\n"
        ),
        format!("GET http://127.0.0.1:{port}/protocol HTTP/1.1\r\nhost: localhost:{port}\r\n"),
        format!(
            "POST /v1/messages HTTP/1.1\r\nhost: other.example:{port}\r\ncontent-length: 0\r\n"
        ),
        "GET /console HTTP/1.1\r\nhost: other.example\r\n".to_owned(),
    ] {
        let answer = asked(&two, &head).await;
        assert!(
            answer.starts_with("HTTP/1.1 421 ") || answer.starts_with("HTTP/1.0 421 "),
            "{head}: {answer}"
        );
        assert!(
            answer.contains("x-doorward-reason: host_unknown")
                && answer.contains("x-request-id: req_")
        );
        assert!(
            answer.contains("\"type\":\"error\"")
                && answer.contains("No organisation is served at this host.")
        );
    }
    let whole =
        format!("GET http://LOCALHOST:{port}/protocol HTTP/1.1\r\nhost: localhost:{port}\r\n");
    assert!(asked(&two, &whole).await.contains(two.kiln.base()));
    assert!(
        two.told("/metrics")
            .await
            .1
            .contains("doorward_host_unknown_total 7\n")
    );
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_person_at_both_is_two_people_with_two_ledgers() {
    let mut two = Two::set(Stores::Apart).await;
    for side in two.both() {
        let ada = device_sign_in(side.base(), "ada").await.unwrap();
        let answer = ada.actor().messages("claude-sonnet-5-5", "Hello").await;
        assert_eq!(answer.unwrap().status, 200);
    }
    let people = async |side: &Side| {
        let page = side.wired.store.people_page(side.wired.org, "", None, 100);
        let people = page.await.unwrap().0.into_iter();
        people.map(|person| person.id).collect::<Vec<_>>()
    };
    let (birch, kiln) = (people(&two.birch).await, people(&two.kiln).await);
    assert_eq!((birch.len(), kiln.len()), (1, 1));
    assert_ne!(birch, kiln);
    let (_, metrics) = two.told("/metrics").await;
    for org in ["Birch", "Kiln"] {
        assert!(
            metrics.contains(&format!("doorward_ledger_available{{org=\"{org}\"}} 1\n")),
            "{metrics}"
        );
    }
    assert_eq!(
        metrics
            .matches("# TYPE doorward_ledger_available gauge\n")
            .count(),
        1
    );
    let folders = two.both().map(|side| side.wired.ledger_dir.clone());
    let chains = two
        .both()
        .map(|side| side.wired.pipeline.ledger.chain().clone());
    assert_ne!(chains[0], chains[1]);
    let keys = folders
        .clone()
        .map(|folder| std::fs::read_to_string(folder.join("ledger.pub")).unwrap());
    assert_ne!(keys[0], keys[1], "each signs with a key of its own");
    two.halt().await;
    for folder in folders {
        let report = verify_folder(&folder, Trust::none()).unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_store_is_away_is_named_and_the_other_is_served() {
    let two = Two::set(Stores::One).await;
    assert_eq!(two.told("/readyz").await, (200, "ready\n".to_owned()));
    let wire = two.birch.wire.as_ref().unwrap();
    wire.is(Line::Cut);
    let ada = device_sign_in(two.kiln.base(), "ada").await.unwrap();
    let answer = ada.actor().messages("claude-sonnet-5-5", "Hello").await;
    assert_eq!(answer.unwrap().status, 200);
    let (status, said) = two.told("/readyz").await;
    assert_eq!(
        (status, &*said),
        (200, "ready, but: Birch: the store does not answer\n")
    );
    assert_eq!(two.told("/readyz/127.0.0.1").await.0, 503);
    assert_eq!(
        two.told("/readyz/LOCALHOST").await,
        (200, "ready\n".to_owned())
    );
    assert_eq!(two.told("/readyz/other.example").await.0, 404);
    let nobody = Actor::with_bearer(
        two.birch.base(),
        "dwk_000000000000000000000000000000000000000000000000",
    );
    let answer = nobody.get("/v1/models").await.unwrap();
    assert_ne!(answer.status, 200);
    wire.is(Line::Open);
    until(async || two.told("/readyz").await.1 == "ready\n").await;
    two.stop().await;
}

fn doorward(arguments: &[&str], two: &Two) -> Output {
    let mut command = program(arguments);
    for side in two.both() {
        command.arg("--config").arg(side.stage.config_file());
    }
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_that_meet_are_refused_all_at_once_and_the_check_says_the_same() {
    let two = Two::set(Stores::Apart).await;
    let checked = doorward(&["check-config"], &two);
    assert_eq!(checked.status.code(), Some(0), "{}", words(&checked));
    assert!(
        words(&checked).contains("doorward.toml: Kiln: fine: issuers: 1"),
        "{}",
        words(&checked)
    );

    let file = two.kiln.stage.config_file();
    let birch = two.birch.named().config;
    let kiln = std::fs::read_to_string(&file).unwrap();
    let meets = kiln
        .replace("http://localhost", "http://127.0.0.1")
        .replace("org = \"Kiln\"", "org = \"Birch\"\ncolour = 1")
        .replace(
            &format!("ops = \"{}\"", birch.server.ops),
            "ops = \"127.0.0.1:1\"",
        );
    std::fs::write(&file, &meets).unwrap();
    for command in ["check-config", "serve"] {
        let output = doorward(&[command], &two);
        assert_eq!(output.status.code(), Some(64), "{}", words(&output));
        assert!(words(&output).contains("colour"), "{}", words(&output));
    }
    let meets = meets.replace("colour = 1\n", "").replace(
        &format!("dir = \"{}", two.kiln.stage.dir.path().display()),
        &format!("dir = \"{}", two.birch.stage.dir.path().display()),
    );
    std::fs::write(&file, &meets).unwrap();
    for command in ["check-config", "serve"] {
        let output = doorward(&[command], &two);
        assert_eq!(output.status.code(), Some(64), "{}", words(&output));
        for key in [
            "server.public_url",
            "server.org",
            "ledger.dir",
            "server.ops",
        ] {
            let said = format!("{}: {key}: ", file.display());
            assert!(
                words(&output).contains(&said),
                "{said} is not in {}",
                words(&output)
            );
        }
    }
    std::fs::write(&file, &kiln).unwrap();
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_names_every_organisation_that_cannot_start_and_serves_none() {
    let mut two = Two::set(Stores::Apart).await;
    let files = two.both().map(|side| side.stage.config_file());
    two.halt().await;
    for side in two.both() {
        // What stands there is no database.
        std::fs::write(
            side.stage.dir.path().join("doorward.db"),
            "nonsense".repeat(1_000),
        )
        .unwrap();
    }
    let output = doorward(&["serve"], &two);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    for file in &files {
        assert!(
            words(&output).contains(&format!("{}: the store cannot be opened", file.display())),
            "{}",
            words(&output)
        );
    }
    assert_eq!(
        load_all(&files).unwrap().len(),
        2,
        "their configurations are fine"
    );
}

/// What `doctor` says of a check: status and evidence.
fn examined(file: &Path, check: &str) -> (String, String) {
    let mut command = program(&["doctor", "--json", "--config"]);
    let output = command.arg(file).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines = said["checks"].as_array().unwrap();
    let line = lines.iter().find(|line| line["check"] == check).unwrap();
    let word = |key: &str| line[key].as_str().unwrap().to_owned();
    (word("status"), word("evidence"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_of_one_looks_at_that_one_alone() {
    let two = Two::set(Stores::One).await;
    let kiln = two.kiln.stage.config_file();
    // It waits for a process.
    let examine = async |check: &'static str| {
        let file = kiln.clone();
        let examined = tokio::task::spawn_blocking(move || examined(&file, check));
        examined.await.unwrap()
    };
    two.birch.wire.as_ref().unwrap().is(Line::Cut);
    until(async || two.told("/readyz").await.1.contains("but: Birch")).await;
    assert_eq!(examine("instance").await.0, "pass");
    assert_eq!(examine("public address").await.0, "pass");
    let text = std::fs::read_to_string(&kiln).unwrap();
    let moved = text.replace("http://localhost", "http://other.localhost");
    std::fs::write(&kiln, moved).unwrap();
    let (status, evidence) = examine("instance").await;
    assert_eq!(status, "fail", "{evidence}");
    assert!(
        evidence.contains("no organisation has this host"),
        "{evidence}"
    );
    std::fs::write(&kiln, text).unwrap();
    two.birch.wire.as_ref().unwrap().is(Line::Open);
    until(async || two.told("/readyz").await.1 == "ready\n").await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_the_streams_of_all_end_and_closes_every_ledger() {
    let mut two = Two::set(Stores::Apart).await;
    let mut streams = Vec::new();
    for side in two.both() {
        let ada = device_sign_in(side.base(), "ada").await.unwrap();
        let story = "Tell me a story. [testkit events=40 pace-ms=20]";
        let mut stream = ada
            .actor()
            .stream("claude-sonnet-5-5", story)
            .await
            .unwrap();
        assert_eq!(stream.status(), 200);
        stream.next().await.unwrap().unwrap();
        streams.push(tokio::spawn(stream.rest()));
    }
    two.halt().await;
    for stream in streams {
        let events = stream.await.unwrap().unwrap();
        assert_eq!(
            events.last().unwrap().name,
            "message_stop",
            "told to its end"
        );
    }
    for side in two.both() {
        let report = verify_folder(&side.wired.ledger_dir, Trust::none()).unwrap();
        assert!(report.is_clean(), "{report}");
    }
}
