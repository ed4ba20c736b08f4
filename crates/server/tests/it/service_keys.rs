//! Service keys as an operator makes them with the program, and as a machine uses them at the front door.

use std::process::{Output, Stdio};
use std::time::Duration;

use ledger::verify::{Trust, verify_folder};
use server::demo::world::World;
use testkit::Actor;

use crate::run::program;

const SONNET: &str = "claude-sonnet-5-5";

/// Runs `doorward service-key …` on the installation of a running server.
async fn service_key(world: &World, arguments: &[&str]) -> Output {
    service_key_told(world, arguments, "").await
}

async fn service_key_told(world: &World, arguments: &[&str], stdin: &str) -> Output {
    let mut command = program(&["service-key"]);
    command
        .args(arguments)
        .arg("--config")
        .arg(world.config_file())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let stdin = stdin.to_owned();
    let run = move || {
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Makes a key for a service and returns it.
async fn made(world: &World, arguments: &[&str]) -> String {
    let output = service_key(world, &[&["create"], arguments].concat()).await;
    assert!(output.status.success(), "{}", err(&output));
    let key = out(&output).trim().to_owned();
    assert!(
        key.starts_with("dwk_") && key.len() == 52,
        "standard output holds the key and nothing else"
    );
    assert!(!err(&output).contains(&key), "the key stands in one place");
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_printed_once_and_opens_what_its_groups_may() {
    let world = World::start(0).await.unwrap();
    let key = made(
        &world,
        &[
            "nightly",
            "--group",
            "engineering",
            "--expires-in-days",
            "30",
        ],
    )
    .await;
    let nightly = Actor::with_bearer(&world.base, &key);
    let answer = nightly.messages(SONNET, "Good night").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let bare = made(&world, &["guest"]).await;
    let answer = Actor::with_api_key(&world.base, &bare)
        .messages(SONNET, "Good night")
        .await
        .unwrap();
    assert_eq!(
        answer.header("x-doorward-reason"),
        Some("not_granted"),
        "no group, no grant"
    );

    let listed = service_key(&world, &["list"]).await;
    let text = out(&listed);
    assert!(
        text.contains(&key[..12])
            && text.contains("nightly")
            && text.contains("groups: engineering"),
        "{text}"
    );
    for kept in [
        text,
        out(&service_key(&world, &["list", "--json"]).await),
        everything_on_disk(&world),
    ] {
        assert!(
            !kept.contains(&key[12..]) && !kept.contains(&bare[12..]),
            "a key was kept"
        );
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

/// Every file of the installation, as one text.
fn everything_on_disk(world: &World) -> String {
    let mut all = String::new();
    let mut folders = vec![world.dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
            }
        }
    }
    all
}

/// The running server hears of it by itself: it looks every [`domain::limits::STORE_POLL_MS`], which is well under a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_cuts_its_open_stream_and_opens_nothing_any_more() {
    const { assert!(domain::limits::STORE_POLL_MS <= 500) };
    let world = World::start(0).await.unwrap();
    let (old, new) = (
        made(&world, &["nightly", "--group", "engineering"]).await,
        made(&world, &["nightly", "--group", "engineering"]).await,
    );
    let machine = Actor::with_api_key(&world.base, &old);
    let mut stream = machine
        .stream(
            SONNET,
            "Tell me a long story. [testkit events=3000 pace-ms=20]",
        )
        .await
        .unwrap();
    stream.next().await.unwrap().unwrap();

    // By the key itself, as whoever found it in a log would, and not where a shell keeps it.
    let taken = service_key_told(
        &world,
        &["revoke", "-", "--reason", "was in a log"],
        &format!("{old}\n"),
    )
    .await;
    assert!(taken.status.success(), "{}", err(&taken));
    assert!(!out(&taken).contains(&old) && out(&taken).contains(&old[..12]));

    // A story of a minute; the wait is a guard against hanging, not a measure.
    let (events, _) = tokio::time::timeout(Duration::from_secs(20), stream.until_end())
        .await
        .expect("the stream is cut");
    assert!(events.len() < 3_000);
    let answer = machine.messages(SONNET, "One more?").await.unwrap();
    assert_eq!(
        (answer.status, answer.header("x-doorward-reason")),
        (401, Some("service_key_unknown")),
        "{}",
        answer.text()
    );
    let other = Actor::with_api_key(&world.base, &new);
    assert_eq!(
        other.messages(SONNET, "Still?").await.unwrap().status,
        200,
        "its sister opens"
    );

    let all = service_key(&world, &["revoke", "nightly", "--reason", "moved"]).await;
    assert_eq!(
        out(&all),
        format!("{} of nightly opens nothing any more\n", &new[..12])
    );
    let again = service_key(&world, &["revoke", "nightly", "--reason", "moved"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(
        err(&again).contains("no service key that still opens"),
        "{}",
        err(&again)
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_a_key_stands_in_the_command_lines_own_chain() {
    let world = World::start(0).await.unwrap();
    let key = made(&world, &["nightly", "--group", "engineering"]).await;
    let taken = service_key(
        &world,
        &["revoke", &key[..12], "--reason", "was in a build log"],
    )
    .await;
    assert!(taken.status.success(), "{}", err(&taken));
    let folder = world.config.ledger.dir.join("cli");
    let lines = everything_on_disk(&world);
    for part in [
        r#""noun":"service_key""#,
        r#""done":"created""#,
        r#""done":"deleted""#,
        "was in a build log",
    ] {
        assert!(lines.contains(part), "{part} is missing");
    }
    let report = verify_folder(&folder, Trust::none()).unwrap();
    assert!(report.is_clean(), "{report}");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_key_is_refused_with_a_sentence_and_prints_none() {
    let world = World::start(0).await.unwrap();
    for (arguments, code, sentence) in [
        (&["create", "dwk_x"][..], 1, "must not begin with dwk_"),
        (&["create", "ci", "--group", " "], 1, "`groups` must be"),
        (
            &["create", "ci", "--expires-in-days", "0"],
            1,
            "must be 1 to",
        ),
        (
            &["create", "ci", "--expires-in-days", "soon"],
            2,
            "invalid value",
        ),
        (&["revoke", "nobody", "--reason", "x"], 1, "no service key"),
        (&["revoke", "nobody"], 2, "--reason"),
    ] {
        let output = service_key(&world, arguments).await;
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            err(&output)
        );
        assert!(
            err(&output).contains(sentence),
            "{arguments:?}: {}",
            err(&output)
        );
        assert_eq!(out(&output), "", "{arguments:?}");
    }
    let listed = service_key(&world, &["list"]).await;
    assert!(
        listed.status.success() && out(&listed).is_empty(),
        "nothing was kept"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}
