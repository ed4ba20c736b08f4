//! The examples that ship: they load as they stand, and they name every key there is.

use std::collections::BTreeSet;

use domain::Policy;
use domain::policy::Document;
use gateway::upstream::AuthConfig;

use crate::run::program;

const CONFIG: &str = include_str!("../../../../examples/doorward.toml");
const POLICY: &str = include_str!("../../../../examples/policy.toml");

/// The names in backticks of the reader's own list, `expected one of …`, in answer to a key that does not exist.
fn listed(answer: &str) -> BTreeSet<String> {
    if let Some((_, list)) = answer.split_once("available keys: ") {
        return list.split(", ").map(str::to_owned).collect();
    }
    let list = answer.split("expected").nth(1).unwrap_or_default();
    list.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// That every key the reader lists for a table stands in the example, with a value or in a comment.
fn check(example: &str, table: &str, answer: &str) {
    let keys = listed(answer);
    assert!(!keys.is_empty(), "{table}: no keys in\n{answer}");
    for key in keys {
        let key = format!("{key} =");
        let tables = [
            format!("[{}]", &key[..key.len() - 2]),
            format!("{}]]", &key[..key.len() - 2]),
            format!(".{}]", &key[..key.len() - 2]),
        ];
        assert!(
            example.contains(&key) || tables.iter().any(|table| example.contains(table)),
            "the example does not name {table}: {key}"
        );
    }
}

#[test]
fn the_example_configuration_is_a_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doorward.toml");
    std::fs::write(&file, CONFIG).unwrap();
    let mut command = program(&["check-config", "--config"]);
    command.arg(&file);
    for secret in [
        "ENTRA_SECRET",
        "DOORWARD_OTLP_TOKEN",
        "ANTHROPIC_API_KEY",
        "DOORWARD_ADMIN_KEY",
        "DOORWARD_NOTICE_SECRET",
        "DOORWARD_CLAUDE_AI_SECRET",
        "TASKS_AUTHORIZATION",
        "CRM_CLIENT_SECRET",
        "FILES_TOKEN",
    ] {
        command.env(secret, "a-value-of-at-least-32-characters");
    }
    command.env(
        "DOORWARD_NOTICE_URL",
        "https://notices.example.org/approvals",
    );
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}");
}

#[test]
fn the_example_policy_is_a_good_one() {
    let policy = Policy::parse(1, POLICY).unwrap();
    let document = policy.document();
    assert!(document.grant.len() > 1 && document.inspect.len() > 1);
}

#[test]
fn the_example_configuration_names_every_key() {
    let answer = |text: &str| server::config::read(text).unwrap_err().join("\n");
    for (table, text) in [
        ("sections", "zz = 1"),
        ("server", "[server]\nzz = 1"),
        ("server.tls", "[server.tls]\nzz = 1"),
        ("store", "[store]\nzz = 1"),
        ("ledger", "[ledger]\nzz = 1"),
        ("ledger.otlp", "[ledger.otlp]\nzz = 1"),
        ("issuer", "[[issuer]]\nzz = 1"),
        ("issuer.entra", "[[issuer]]\n[issuer.entra]\nzz = 1"),
        ("issuer.workload", "[[issuer]]\n[[issuer.workload]]\nzz = 1"),
        ("upstream", "[[upstream]]\nzz = 1"),
        ("upstream.auth", "[[upstream]]\nauth = { zz = 1 }"),
        ("model", "[[model]]\nzz = 1"),
        ("admin_key", "[[admin_key]]\nzz = 1"),
        ("notice", "[[notice]]\nzz = 1"),
        ("oauth_client", "[[oauth_client]]\nzz = 1"),
        ("connector_secret", "[[connector_secret]]\nzz = 1"),
        ("connector_client", "[[connector_client]]\nzz = 1"),
        ("connector_issuer", "[[connector_issuer]]\nzz = 1"),
        ("connector_program", "[[connector_program]]\nzz = 1"),
    ] {
        let said = answer(text);
        let line = said
            .lines()
            .find(|line| line.contains("expected") || line.contains("the sections are"))
            .unwrap_or_default();
        if table == "sections" {
            for section in line.split("the sections are ").nth(1).unwrap().split(", ") {
                assert!(
                    CONFIG.contains(&format!("[{section}]")),
                    "the example does not name [{section}]"
                );
            }
        } else {
            check(CONFIG, table, line);
        }
    }
    for kind in ["managed_identity", "workload_identity", "client_secret"] {
        let error = toml::from_str::<AuthConfig>(&format!("{kind} = {{ zz = 1 }}")).unwrap_err();
        check(CONFIG, kind, error.message());
    }
}

#[test]
fn the_example_policy_names_every_key() {
    for table in [
        "grant",
        "require",
        "limit",
        "budget",
        "inspect",
        "managed_settings",
        "desktop_settings",
        "connector",
        "action",
    ] {
        let error = toml::from_str::<Document>(&format!("[[{table}]]\nzz = 1")).unwrap_err();
        check(POLICY, table, error.message());
    }
    for (name, text) in [
        ("action.argument", "[[action]]\n[[action.argument]]\nzz = 1"),
        (
            "connector.exception",
            "[[connector]]\nexception = { zz = 1 }",
        ),
    ] {
        let error = toml::from_str::<Document>(text).unwrap_err();
        check(POLICY, name, error.message());
    }
    let error = toml::from_str::<Document>("zz = 1").unwrap_err();
    for table in listed(error.message()) {
        let stands = [format!("[{table}]"), format!("[{table}.")];
        assert!(stands.iter().any(|name| POLICY.contains(name)), "{table}");
    }
    let error = toml::from_str::<Document>("[acceptable_use]\nzz = 1").unwrap_err();
    check(POLICY, "acceptable_use", error.message());
    for table in ["role", "spend_limit"] {
        let name = format!("administration.{table}");
        let error = toml::from_str::<Document>(&format!("[[{name}]]\nzz = 1")).unwrap_err();
        check(POLICY, &name, error.message());
    }
    let error = toml::from_str::<Document>("[[grant]]\nwho = { zz = 1 }").unwrap_err();
    for key in listed(error.message()) {
        assert!(POLICY.contains(&format!("#   {key} ")), "who.{key}");
    }
}
