//! What the pages say of the process itself: its keys by fingerprint, the end of its ledger, its configuration without a secret.

use control::Role;

use super::setting::Setting;
use crate::api::setting::machine;
use crate::watch::until;

#[tokio::test]
async fn every_ring_is_shown_by_fingerprint_with_its_command_and_nothing_changes_one() {
    let setting = Setting::set().await;
    let auditor = setting.visitor(Role::Auditor).await;
    let page = auditor.get("/console/keys").await;
    page.is_well_made("keys");
    let text = page.html().text;
    for ring in ["session", "ledger", "fingerprint", "vault", "sealing"] {
        assert!(
            text.contains(&format!("doorward keys rotate {ring}")),
            "{ring}"
        );
    }
    assert!(
        text.contains("Signs") && text.contains("Seals 4 secrets"),
        "{text}"
    );
    let forms = page.html().forms;
    let changes = forms
        .iter()
        .filter(|form| form.action.contains("keys"))
        .count();
    assert_eq!(changes, 0);
    setting.end().await;
}

#[tokio::test]
async fn the_configuration_is_shown_without_a_secret_and_to_whom_it_may() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let page = owner.get("/console/settings").await;
    page.is_well_made("settings");
    let text = page.html().text;
    for key in [
        "server.listen",
        "store.url",
        "ledger.dir",
        "issuer.audiences",
        "upstream.auth",
    ] {
        assert!(text.contains(key), "{key}: {text}");
    }
    assert!(
        text.contains("Answers"),
        "how its issuer's keys stand: {text}"
    );
    let config = &setting.world.running.wired.config;
    for upstream in &config.upstreams {
        use gateway::upstream::AuthConfig;
        use secrecy::ExposeSecret as _;
        let AuthConfig::ApiKey(key) = &upstream.auth else {
            continue;
        };
        assert!(!page.text.contains(key.expose_secret()));
    }
    let approver = setting.visitor(Role::Approver).await;
    let less = approver.get("/console/settings").await.html().text;
    assert!(!less.contains("server.listen"), "{less}");
    setting.end().await;
}

#[tokio::test]
async fn the_end_of_the_ledger_is_verified_and_an_edit_of_it_is_told() {
    let setting = Setting::set().await;
    let auditor = setting.visitor(Role::Auditor).await;
    let verify = "/console/ledger/checkpoints/verify";
    let page = auditor.get(verify).await;
    page.is_well_made("verified");
    assert!(
        page.html().text.contains("It holds"),
        "{}",
        page.html().text
    );
    let dir = &setting.world.running.wired.ledger_dir;
    let segment = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let segment = segment.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("0000") && name.ends_with(".ndjson")
    });
    let segment = segment.min().unwrap();
    let text = std::fs::read_to_string(&segment).unwrap();
    let altered = text.replacen("\"event\":\"start\"", "\"event\":\"stalt\"", 1);
    assert_ne!(text, altered);
    std::fs::write(&segment, altered).unwrap();
    let page = auditor.get(verify).await;
    page.is_well_made("it does not hold");
    assert!(
        page.html().text.contains("It does not hold"),
        "{}",
        page.html().text
    );
    setting.end().await;
}

#[tokio::test]
async fn a_checkpoint_is_listed_and_kept_as_a_file() {
    let setting = Setting::set().await;
    let auditor = setting.visitor(Role::Auditor).await;
    let machine = machine();
    let operation = setting.here.operation(&machine);
    until(async || {
        let found = control::checkpoints::list(&operation, None, None, 1).await;
        !found.unwrap().0.is_empty()
    })
    .await;
    let page = auditor.get("/console/ledger/checkpoints").await;
    page.is_well_made("checkpoints");
    assert!(
        page.html().text.contains("doorward-ledger+"),
        "the public key stands there"
    );
    let (found, _) = control::checkpoints::list(&operation, None, None, 1)
        .await
        .unwrap();
    let id = found[0].id();
    let file = auditor
        .get(&format!("/console/ledger/checkpoints/{id}"))
        .await;
    assert_eq!(file.status, 200);
    assert_eq!(file.header("content-type"), "application/x-ndjson");
    assert_eq!(file.header("cache-control"), "no-store");
    let expected = format!("attachment; filename=\"checkpoint-{id}.ndjson\"");
    assert_eq!(file.header("content-disposition"), expected);
    let kept: ledger::Checkpoint = serde_json::from_str(&file.text).unwrap();
    assert_eq!(kept, found[0].checkpoint);
    setting.end().await;
}
