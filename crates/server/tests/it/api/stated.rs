//! Roles of groups and spend limits as code: what a policy's `[administration]` states is what stands after it is applied.

use http::Method;
use serde_json::{Value, json};

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
    ] {
        let (status, _) = apply(&setting, "owner", &format!("{text}{wrong}")).await;
        assert_eq!(status, 400, "{wrong}");
    }
    setting.stop().await;
}
