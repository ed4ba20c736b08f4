//! The binary itself.

use std::process::Output;

use crate::run::{program, words};

fn doorward(arguments: &[&str]) -> Output {
    program(arguments).output().expect("the binary runs")
}

#[test]
fn the_demo_tells_its_whole_story_and_ends_with_0() {
    let output = doorward(&["demo", "--once"]);
    let text = words(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for proved in [
        "ada signs in by device code",
        "grace signs in by code and PKCE",
        "ada's answer streams",
        "tokens are counted",
        "models are listed by person",
        "a model that is not allowed",
        "a secret in a prompt",
        "a limit on tokens",
        "a hard budget, 50 calls at once",
        "the first provider fails",
        "rollout check 1, identity\n    PASS",
        "rollout check 2, credentials\n    PASS",
        "ada's Claude reaches a CRM\n    it lists 11 actions",
        "it wants to change an address there",
        "ada approves, and it is made once\n    the CRM changed it once, the next try asks anew",
        "by ada@northwind.example, approved after ",
        "another member, another person",
        "nobody answers\n    a quarter of an hour on the record says \"denied by nobody: no answer in 900001 ms\"",
        "what is blocked stays so",
        "her open stream is cut",
        "the ledger is verified",
        "one byte is altered",
        "Every step proved what it should",
    ] {
        assert!(text.contains(proved), "{proved} is missing in\n{text}");
    }
}

#[test]
fn a_bad_configuration_ends_with_64_and_says_everything() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doorward.toml");
    std::fs::write(&file, "[server]\npublic_url = \"nonsense\"\n[store]\nurl = \"sqlite:x\"\nextra = 1\n[ledger]\ndir = 3\n").unwrap();
    let output = doorward(&["check-config", "--config", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(64));
    let text = words(&output);
    assert!(
        text.contains("unknown field `extra`") && text.contains("line 7"),
        "{text}"
    );
}

#[test]
fn wrong_use_ends_with_2_and_help_teaches() {
    assert_eq!(doorward(&["no-such-command"]).status.code(), Some(2));
    let help = words(&doorward(&["--help"]));
    for word in [
        "demo",
        "serve",
        "check-config",
        "doctor",
        "policy",
        "service-key",
        "ledger",
    ] {
        assert!(help.contains(word), "{word} is missing in\n{help}");
    }
}

#[test]
fn a_ledger_that_is_not_there_ends_with_1() {
    assert_eq!(
        doorward(&["ledger", "verify", "/nonexistent"])
            .status
            .code(),
        Some(1)
    );
}
