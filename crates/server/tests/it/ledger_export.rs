//! `doorward ledger export` beside a running server, and the check of what it wrote by somebody who has nothing else.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use domain::Clock as _;
use server::demo::world::World;
use server::system::SystemClock;
use testkit::device_sign_in;

use crate::run::{output, program};

const MODEL: &str = "claude-haiku-5-5";

async fn ledger(arguments: Vec<String>) -> Output {
    let mut command = program(&["ledger"]);
    command.args(&arguments);
    output(command).await
}

async fn export(world: &World, arguments: &[&str]) -> Output {
    let mut all = vec!["export".to_owned(), "--config".to_owned()];
    all.push(world.config_file().display().to_string());
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    ledger(all).await
}

/// Exit code and words of a check with the ledger's own public key.
async fn verify(world: &World, file: &Path, excerpt: bool) -> (Option<i32>, String) {
    let key = std::fs::read_to_string(world.config.ledger.dir.join("ledger.pub")).unwrap();
    let mut all = vec![
        "verify".to_owned(),
        file.display().to_string(),
        "--key".to_owned(),
    ];
    all.push(key.trim().to_owned());
    all.extend(excerpt.then(|| "--excerpt".to_owned()));
    let output = ledger(all).await;
    (output.status.code(), text(&output))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_running_ledger_is_checked_by_whoever_gets_it() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    assert_eq!(ada.messages(MODEL, "Hello").await.unwrap().status, 200);
    let middle = SystemClock.now();
    assert_eq!(ada.messages(MODEL, "And again").await.unwrap().status, 200);
    let file = |name: &str| world.dir.path().join(name);
    let path = |name: &str| file(name).display().to_string();

    let whole = export(&world, &["--out", &path("all.ndjson")]).await;
    assert!(whole.status.success(), "{}", text(&whole));
    let (code, words) = verify(&world, &file("all.ndjson"), false).await;
    assert_eq!(code, Some(0), "{words}");
    assert!(
        words.contains("gw-") && words.contains("cli-"),
        "both chains: {words}"
    );
    // To standard output the same bytes, as far as the ledger had come.
    let shown = export(&world, &[]).await;
    let all = std::fs::read(file("all.ndjson")).unwrap();
    assert!(
        shown
            .stdout
            .starts_with(all.split(|byte| *byte == b'\n').next().unwrap())
    );

    let since = export(
        &world,
        &[
            "--since",
            &middle.to_string(),
            "--out",
            &path("late.ndjson"),
        ],
    )
    .await;
    assert!(
        since.status.success() && text(&since).contains("--excerpt"),
        "{}",
        text(&since)
    );
    let late = std::fs::read_to_string(file("late.ndjson")).unwrap();
    assert!(
        late.contains(r#"{"omitted":"#) && late.len() < all.len(),
        "{late}"
    );
    let (code, words) = verify(&world, &file("late.ndjson"), true).await;
    assert_eq!(code, Some(0), "{words}");
    let (code, words) = verify(&world, &file("late.ndjson"), false).await;
    assert_eq!(
        code,
        Some(1),
        "bridges are believed only by whoever expects them: {words}"
    );

    let altered = late.replacen(r#""allowed":true"#, r#""allowed":True"#, 1);
    std::fs::write(file("altered.ndjson"), altered).unwrap();
    let (code, words) = verify(&world, &file("altered.ndjson"), true).await;
    assert_eq!(code, Some(1), "{words}");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_cannot_be_says_why_and_leaves_nothing_behind() {
    let world = World::start(0).await.unwrap();
    let taken = world.dir.path().join("taken.ndjson");
    std::fs::write(&taken, "mine").unwrap();
    let taken = taken.display().to_string();
    for (arguments, code, sentence) in [
        (&["--out", &taken][..], 1, "is there already"),
        (&["--out", "/nowhere/at/all.ndjson"], 1, "cannot be made"),
        (&["--since", "2026-11-21"], 2, "RFC 3339"),
        (
            &[
                "--since",
                "2026-11-22T00:00:00Z",
                "--until",
                "2026-11-21T00:00:00Z",
            ],
            1,
            "--since must lie before --until",
        ),
    ] {
        let output = export(&world, arguments).await;
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(text(&output).contains(sentence), "{}", text(&output));
        assert!(output.stdout.is_empty());
    }
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "mine");
    let left = std::fs::read_dir(world.dir.path()).unwrap();
    let partial = left.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|end| end == "partial")
    });
    assert_eq!(partial.count(), 0);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test]
async fn an_export_without_a_ledger_is_no_empty_success() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "sk-test").unwrap();
    let config = folder.path().join("doorward.toml");
    let here = folder.path().display();
    let written = format!(
        "[server]\npublic_url = \"http://127.0.0.1:1\"\n[store]\nurl = \"sqlite:{here}/x.db\"\n[ledger]\ndir = \"{here}/ledger\"\n\
         [[upstream]]\nname = \"a\"\nprovider = \"anthropic\"\nauth = {{ api_key = \"file:{here}/key\" }}\n"
    );
    std::fs::write(&config, written).unwrap();
    let output = ledger(vec![
        "export".to_owned(),
        "--config".to_owned(),
        config.display().to_string(),
    ])
    .await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("holds no ledger"),
        "{}",
        text(&output)
    );
    assert!(
        !folder.path().join("ledger").exists(),
        "looking makes nothing"
    );
}
