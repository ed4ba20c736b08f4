//! Roles of groups and spend limits as code: what a policy's `[administration]` states is what stands after it is applied.

use std::process::Command;

use http::Method;
use serde_json::{Value, json};
use server::demo::world::Stage;

use super::setting::{Setting, policy};

const STATED: &str = r#"
[[administration.role]]
role = "auditor"
group = "internal-audit"
issuer = "northwind"

[[administration.spend_limit]]
group = "engineering"
period = "monthly"
amount_cents = "6000"
"#;

/// What is said of an issuer that is none.
const NOBODYS: &str = "administration.role[0].issuer = \"nortwind\": no issuer of this name vouches for people here, \
                       so nobody would hold this role; write one of northwind";

/// The command line names file and line, and so does the check of a configuration before anything runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_for_a_group_of_no_configured_issuer_is_bad_configuration() {
    let stage = Stage::set(0).await.unwrap();
    let file = stage.dir.path().join("policy.toml");
    let wrong = STATED.replace("\"northwind\"", "\"nortwind\"");
    std::fs::write(&file, format!("# ours\n{wrong}")).unwrap();
    let file = file.display().to_string();
    let told = format!("{file}: line 6: {NOBODYS}\n");
    let said = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command.args(arguments).arg("--config");
        command.arg(stage.config_file());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await;
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    for arguments in [
        &["policy", "plan", &file][..],
        &["policy", "apply", &file, "--reason", "a slip"],
        &["check-config", "--policy", &file],
    ] {
        assert_eq!(said(arguments).await, (Some(64), told.clone()));
    }
    std::fs::write(&file, STATED).unwrap();
    let (code, text) = said(&["check-config", "--policy", &file]).await;
    assert_eq!(code, Some(0), "{text}");
}

async fn apply(setting: &Setting, who: &str, text: &str) -> (u16, Value) {
    let (version, _) = policy(&setting.here).await;
    let answer = setting
        .client(who)
        .request(Method::PUT, "/api/v1/policy")
        .header("if-match", &format!("\"{version}\""))
        .json(&json!({"text": text, "reason": "as code"}))
        .send()
        .await
        .unwrap();
    (answer.status, answer.json())
}

async fn drift(setting: &Setting, text: &str) -> String {
    let owner = setting.client("owner");
    let plan = owner
        .post("/api/v1/policy/plan", &json!({"text": text}))
        .await;
    plan.unwrap().json()["drift"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stated_stands_applying_twice_changes_nothing_and_drift_is_shown() {
    let setting = Setting::set().await;
    let (_, text) = policy(&setting.here).await;
    let stated = format!("{text}{STATED}");
    let wanted = "+ auditor for the group internal-audit of northwind\n\
                  + spend limit of the group engineering, monthly: 6000 cents\n";
    assert_eq!(drift(&setting, &stated).await, wanted);
    assert_eq!(
        drift(&setting, &text).await,
        "",
        "what is not stated is not governed"
    );
    let (status, applied) = apply(&setting, "owner", &stated).await;
    assert_eq!(status, 200, "{applied}");
    assert_eq!(drift(&setting, &stated).await, "");
    let (_, again) = apply(&setting, "owner", &stated).await;
    assert_eq!(again["changed"], false);

    let owner = setting.client("owner");
    let by_hand = json!({
        "role": "admin", "holder": {"group": "friends", "issuer": "northwind"}, "reason": "by hand"
    });
    owner.post("/api/v1/roles", &by_hand).await.unwrap();
    let shown = drift(&setting, &stated).await;
    assert_eq!(shown, "- admin for the group friends of northwind\n");
    let less = stated.replace("\"6000\"", "\"5000\"");
    assert_eq!(apply(&setting, "owner", &less).await.0, 200);
    assert_eq!(drift(&setting, &less).await, "");
    let limits = owner.get("/api/v1/spend-limits").await.unwrap().json();
    assert_eq!(limits["items"][0]["amount_cents"], "5000");
    let roles = owner.get("/api/v1/roles").await.unwrap().text();
    assert!(!roles.contains("friends"));
    assert!(
        roles.contains("\"owner\""),
        "roles of people are nobody's text"
    );
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_give_roles_gives_none_by_a_policy() {
    let setting = Setting::set().await;
    let (version, text) = policy(&setting.here).await;
    let stated = format!("{text}{STATED}");
    for who in ["admin", "technician"] {
        let (status, problem) = apply(&setting, who, &stated).await;
        assert_eq!(status, 403, "{who}: {problem}");
    }
    assert_eq!(
        policy(&setting.here).await.0,
        version,
        "nothing was applied"
    );
    let roles = setting.client("owner").get("/api/v1/roles").await.unwrap();
    assert!(!roles.text().contains("internal-audit"));
    for wrong in [
        STATED.replace("auditor", "root"),
        STATED.replace("6000", "-1"),
        format!(
            "{STATED}\n[[administration.spend_limit]]\ngroup = \"engineering\"\nperiod = \"monthly\"\n"
        ),
        STATED.replace("issuer", "tenant"),
        STATED.replace("\"auditor\"", "\"member\""),
        STATED.replace("internal-audit", "internal\u{202e}audit"),
        STATED.replace("\"northwind\"", "\"nortwind\""),
        STATED.replace("\"engineering\"", "\"\""),
        STATED.replace("\"engineering\"", "\" x\""),
    ] {
        let (status, problem) = apply(&setting, "owner", &format!("{text}{wrong}")).await;
        assert_eq!(status, 400, "{wrong}");
        if wrong.contains("nortwind") {
            let mistake = problem["mistakes"][0].as_str().unwrap();
            assert_eq!(mistake, NOBODYS);
        }
    }
    let (now, _) = policy(&setting.here).await;
    assert_eq!(now, version, "none of them is in force");
    setting.stop().await;
}
