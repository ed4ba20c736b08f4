//! What clients receive and what checks have found, over the API: the same as on the console's pages.

use domain::opaque::{hex, sha256};
use serde_json::{Value, json};
use testkit::Actor;

use super::setting::{Setting, policy};

async fn apply(owner: &Actor, setting: &Setting, more: &str) {
    let (version, text) = policy(&setting.here).await;
    let body = json!({"text": format!("{text}\n{more}"), "reason": "a test"});
    let applied = owner
        .request(http::Method::PUT, "/api/v1/policy")
        .header("if-match", &format!("\"{version}\""))
        .json(&body)
        .send();
    let applied = applied.await.unwrap();
    assert_eq!(applied.status, 200, "{}", applied.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_a_ring_is_what_its_fingerprint_says() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let ring = "[[grant]]\nname = \"pilot\"\nwho = { groups = [\"Ring 0\"] }\nmodels = [\"claude-haiku-*\"]\n";
    apply(&owner, &setting, ring).await;
    let auditor = setting.client("auditor");
    let rings = auditor.get("/api/v1/artefacts/rings").await.unwrap().json();
    let named = rings["rings"].as_array().unwrap();
    assert_eq!(named[0]["group"], Value::Null, "everyone is first");
    assert!(
        named.contains(&json!({"group": "Ring 0", "entries": ["pilot"]})),
        "{rings}"
    );

    let list = "/api/v1/artefacts?group=Ring%200";
    let found = auditor.get(list).await.unwrap().json();
    assert_eq!(found["policy_version"], rings["policy_version"]);
    let files = found["files"].as_array().unwrap();
    assert!(files.len() > 12, "{found}");
    for file in files {
        let name = file["name"].as_str().unwrap().replace('/', "%2F");
        let path = format!("/api/v1/artefacts/file?group=Ring%200&name={name}");
        let saved = auditor.get(&path).await.unwrap();
        assert_eq!(saved.status, 200, "{name}: {}", saved.text());
        assert_eq!(file["sha256"], hex(&sha256(&saved.body)), "{name}");
        assert_eq!(file["bytes"], saved.body.len(), "{name}");
        assert_eq!(saved.header("x-content-type-options"), Some("nosniff"));
        let disposition = saved.header("content-disposition").unwrap();
        assert!(disposition.starts_with("attachment; "), "{disposition}");
    }
    for (path, status) in [
        ("/api/v1/artefacts?group=ring%200", 404),
        ("/api/v1/artefacts?group=a%0ab", 400),
        ("/api/v1/artefacts?group=", 400),
        ("/api/v1/artefacts?sign_in=saml", 400),
        ("/api/v1/artefacts?issuer=nobody", 400),
        ("/api/v1/artefacts?ring=x", 400),
        ("/api/v1/artefacts/file", 400),
        ("/api/v1/artefacts/file?name=..%2F..%2Fetc%2Fpasswd", 404),
        (
            "/api/v1/artefacts/file?group=Ring%200&name=Claude.admx",
            404,
        ),
    ] {
        let refused = auditor.get(path).await.unwrap();
        assert_eq!(refused.status, status, "{path}: {}", refused.text());
    }
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_would_put_a_secret_into_a_file_makes_none_and_shows_nothing_of_it() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let settings = "[[managed_settings]]\nname = \"leaks\"\nsettings = { env = { ANTHROPIC_API_KEY = \"sk-ant-api03-abcdefgh\" } }\n";
    apply(&owner, &setting, settings).await;
    for path in [
        "/api/v1/artefacts",
        "/api/v1/artefacts/file?name=claude.admx",
    ] {
        let refused = owner.get(path).await.unwrap();
        assert_eq!(refused.status, 400, "{}", refused.text());
        let problem = refused.json();
        assert!(
            !problem["mistakes"].as_array().unwrap().is_empty(),
            "{problem}"
        );
        assert!(!refused.text().contains("sk-ant-api03"), "{problem}");
    }
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settings_file_is_looked_through_and_nothing_of_it_comes_back_but_findings() {
    let setting = Setting::set().await;
    let member = setting.client("auditor");
    let look = |text: String| {
        let body = json!({"text": text});
        let member = &member;
        async move { member.post("/api/v1/artefacts/lint", &body).await.unwrap() }
    };
    let found = look(r#"{"permissions": {"deny": ["Bash(curl:*)"]}}"#.to_owned()).await;
    assert_eq!(found.status, 200, "{}", found.text());
    let found = found.json();
    let rules = found["items"].as_array().unwrap().iter();
    let rules: Vec<&Value> = rules.map(|finding| &finding["rule"]).collect();
    assert!(rules.contains(&&json!("deny-only")), "{found}");
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(200_000));
    assert_eq!(look(large).await.status, 200);
    assert_eq!(look("x".repeat(400_000)).await.status, 413);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checks_of_a_rollout_leave_evidence_that_everyone_who_may_reads_again() {
    let setting = Setting::set().await;
    let admin = setting.client("admin");
    let made = admin
        .post("/api/v1/evidence/rollout-credentials", &Value::Null)
        .await
        .unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(
        (&made["passed"], &made["holds"], &made["is_whole"]),
        (&json!(true), &json!(true), &json!(true)),
        "{made}"
    );
    let facts = made["facts"].as_array().unwrap();
    assert!(facts[0]["value"].as_str().unwrap().starts_with("PASS: "));
    assert!(!made.to_string().contains(&setting.world.provider_key));

    // Nobody of these has asked Claude anything: a FAIL is kept like a PASS.
    let whom = json!({"person": setting.people["member"]});
    let path = "/api/v1/evidence/rollout-identity";
    let failed = admin.post(path, &whom).await.unwrap();
    assert_eq!(
        (failed.status, &failed.json()["holds"]),
        (201, &json!(false))
    );
    let nobody = json!({"person": "nobody@nowhere.example"});
    assert_eq!(admin.post(path, &nobody).await.unwrap().status, 404);

    let auditor = setting.client("auditor");
    for (kind, expected) in [
        ("rollout_credentials", &made),
        ("rollout_identity", &failed.json()),
    ] {
        let path = format!("/api/v1/evidence?kind={kind}&limit=1");
        let page = auditor.get(&path).await.unwrap().json();
        assert_eq!(page["items"], json!([expected]), "{kind}");
        let after = page["next"].as_str().unwrap();
        let rest = auditor.get(&format!("{path}&after={after}")).await.unwrap();
        assert_eq!(rest.json(), json!({"items": []}));
    }
    for query in [
        "",
        "?kind=rollout",
        "?kind=rollout_identity&limit=0",
        "?kind=rollout_identity&after=x",
    ] {
        let refused = auditor
            .get(&format!("/api/v1/evidence{query}"))
            .await
            .unwrap();
        assert_eq!(refused.status, 400, "{query}: {}", refused.text());
    }
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trying_an_upstream_shows_how_its_credential_fares_and_never_the_credential() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let tried = owner.post("/api/v1/upstreams/first/test", &Value::Null);
    let tried = tried.await.unwrap();
    assert_eq!(tried.status, 200, "{}", tried.text());
    let tried = tried.json();
    assert_eq!(tried["parts"][0]["what"], "reached", "{tried}");
    let standing = owner.get("/api/v1/upstreams/standing").await.unwrap();
    let first = &standing.json()["items"][0];
    assert_eq!(first["name"], "first");
    assert_eq!(first["tested"]["at"], tried["at"]);
    assert!(!standing.text().contains(&setting.world.provider_key));
    assert!(!tried.to_string().contains(&setting.world.provider_key));
    let unknown = owner.post("/api/v1/upstreams/nowhere/test", &Value::Null);
    assert_eq!(unknown.await.unwrap().status, 404);
    setting.stop().await;
}
