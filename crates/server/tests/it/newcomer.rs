//! What the program tells somebody who has just begun: which file, which place, whose secret, and what to do.

use std::path::{Path, PathBuf};

use crate::run::{done, refused, said};

const POLICY: &str =
    "[[grant]]\nname = \"staff\"\nwho = { groups = [\"staff\"] }\nmodels = [\"claude-haiku-*\"]\n";

/// A configuration whose provider's secret is not there, and whose data lies in `data` of the folder.
fn configured(folder: &Path) -> PathBuf {
    let here = folder.display();
    let text = format!(
        "[server]\npublic_url = \"http://127.0.0.1:8080\"\n[store]\nurl = \"sqlite:{here}/data/doorward.db\"\n\
         [ledger]\ndir = \"{here}/data/ledger\"\n[[upstream]]\nname = \"a\"\nprovider = \"anthropic\"\n\
         auth = {{ api_key = \"${{DOORWARD_TEST_ABSENT}}\" }}\n"
    );
    let file = folder.join("doorward.toml");
    std::fs::write(&file, text).unwrap();
    file
}

fn holds(words: &str, parts: &[&str]) {
    for part in parts {
        assert!(words.contains(part), "{part} is missing in: {words}");
    }
}

#[tokio::test]
async fn whoever_starts_in_an_empty_folder_is_told_which_file_and_where_to_begin() {
    for command in ["serve", "check-config"] {
        let (code, words) = said(Path::new("/nowhere/doorward.toml"), &[command]).await;
        assert_eq!(code, Some(64), "{words}");
        holds(
            &words,
            &[
                "/nowhere/doorward.toml",
                "--config FILE",
                "examples/doorward.toml",
            ],
        );
    }
}

#[tokio::test]
async fn a_policy_is_changed_without_the_providers_secret_and_whoever_is_second_sees_what_stands() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path());
    let words = refused(&config, &["policy", "export"]).await;
    holds(&words, &["data/doorward.db", "its folder must be there"]);
    std::fs::create_dir(folder.path().join("data")).unwrap();

    let file = folder.path().join("policy.toml");
    std::fs::write(&file, POLICY).unwrap();
    let file = file.display().to_string();
    let apply = |reason| {
        [
            "policy",
            "apply",
            &file,
            "--expected",
            "0",
            "--reason",
            reason,
        ]
    };
    done(&config, &["policy", "plan", &file]).await;
    done(&config, &apply("for the staff")).await;
    std::fs::write(&file, POLICY.replace("haiku", "sonnet")).unwrap();
    let words = refused(&config, &apply("another")).await;
    holds(
        &words,
        &[
            "by command line: for the staff",
            "--- version 1\n+++ yours",
            "-models = [\"claude-haiku-*\"]",
            "+models = [\"claude-sonnet-*\"]",
        ],
    );
}

#[tokio::test]
async fn a_role_that_cannot_be_given_is_not_offered() {
    let words = ["role", "grant", "boss", "--person", "ada", "--reason", "x"];
    let (code, words) = said(Path::new("/nowhere"), &words).await;
    assert_eq!(code, Some(2), "{words}");
    holds(&words, &["owner, admin, approver, auditor, technician"]);
    assert!(!words.contains("member"), "{words}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path());
    let address = folder.path().join("address");
    std::fs::write(&address, "postgres://doorward:hunter2@127.0.0.1:1/x").unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    let sqlite = format!("sqlite:{}/data/doorward.db", folder.path().display());
    let postgres = format!("file:{}", address.display());
    std::fs::write(&config, text.replace(&sqlite, &postgres)).unwrap();
    let words = refused(&config, &["policy", "export"]).await;
    holds(&words, &["the store at 127.0.0.1:1 cannot be reached"]);
    assert!(!words.contains("hunter2"), "{words}");
}
