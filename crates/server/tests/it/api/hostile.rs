//! What somebody sends who means harm, or does not know better.

use std::collections::BTreeSet;

use control::Right;
use domain::limits;
use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::matrix::{answer, asking, operations};
use super::setting::{Setting, person, policy, things, token};
use crate::watch::until;

#[tokio::test(flavor = "multi_thread")]
async fn members_that_nobody_knows_and_texts_that_command_are_refused() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let long = "x".repeat(129);
    for body in [
        json!({"service": "a", "org": "org_0"}),
        json!({"service": "a", "made_by": "ada"}),
        json!({"service": "a\u{1b}[2J"}),
        json!({"service": "dwk_abc"}),
        json!({"service": long}),
        json!({"service": "a", "groups": ["\n"]}),
        json!({"service": "a", "expires_in_days": 0}),
        json!({"service": ["a"]}),
    ] {
        let answer = owner.post("/api/v1/service-keys", &body).await.unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    for body in [
        json!({"name": "a", "scopes": ["*"], "expires_in_days": 1}),
        json!({"name": "a", "scopes": [], "expires_in_days": 1}),
        json!({"name": "a", "scopes": ["roles.write"], "expires_in_days": 1}),
        json!({"name": "a", "scopes": ["own.read"], "expires_in_days": 367}),
        json!({"name": "\u{202e}a", "scopes": ["own.read"], "expires_in_days": 1}),
    ] {
        let answer = owner.post("/api/v1/me/tokens", &body).await.unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    setting.stop().await;
}

/// Also of an operation that is made next year: they are read out of the description.
#[tokio::test(flavor = "multi_thread")]
async fn no_reason_and_no_name_turns_the_direction_of_what_a_person_reads() {
    let setting = Setting::set().await;
    let mut asked = Vec::new();
    for operation in operations(&setting.client("nobody")).await {
        for text in &operation.texts {
            for hostile in ["left \u{202e}eht", "a\nb", ""] {
                let things = things(&setting.here).await;
                let mut asking = asking(&operation.id, &things, &policy(&setting.here).await);
                asking.body.as_mut().unwrap()[text] = hostile.into();
                let answer = answer(&setting.client("owner"), &operation, asking).await;
                assert_eq!(answer.status, 400, "{} {text} {hostile:?}", operation.id);
            }
            asked.push(format!("{} {text}", operation.id));
        }
    }
    for known in ["service_keys_revoke reason", "service_keys_create service"] {
        assert!(asked.iter().any(|one| one == known), "{asked:?}");
    }
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_means_nothing_is_refused_and_changes_nothing() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let somebody = things(&setting.here).await.person;
    let revoke = format!("/api/v1/people/{somebody}/revoke");
    let role = |role: &str, holder: Value| json!({"role": role, "holder": holder, "reason": "a"});
    let limit = |scope: Value| json!({"scope": scope, "period": "daily", "amount_cents": "-1"});
    let long = "x".repeat(501);
    for (path, body) in [
        ("/api/v1/roles", role("root", json!({"person": somebody}))),
        ("/api/v1/roles", role("member", json!({"person": somebody}))),
        ("/api/v1/roles", role("admin", json!({"group": "g"}))),
        (
            "/api/v1/roles",
            role("admin", json!({"group": "g", "issuer": "nobody"})),
        ),
        (
            "/api/v1/spend-limits",
            limit(json!({"type": "organization"})),
        ),
        (
            "/api/v1/spend-limits",
            limit(json!({"type": "organization", "id": "x"})),
        ),
        (
            "/api/v1/policy/plan",
            json!({"text": "[[grant]]\nname = 1"}),
        ),
        (&*revoke, json!({"reason": ""})),
        (&*revoke, json!({"reason": "a\nb"})),
        (&*revoke, json!({"reason": long})),
        (&*revoke, json!({})),
        (&*revoke, json!([])),
    ] {
        let answer = owner.post(path, &body).await.unwrap();
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text());
    }
    let path = format!("/api/v1/people/{somebody}");
    let person = owner.get(&path).await.unwrap().json();
    assert_eq!(person["disabled_at"], Value::Null, "nothing was done");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_queries_are_bounded_and_ids_are_ids() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let post = |path: &str, kind: &str, body: String| {
        owner
            .request(Method::POST, path)
            .header("content-type", kind)
            .body(body)
            .send()
    };
    let keys = "/api/v1/service-keys";
    let large = format!("{{\"service\": \"{}\"}}", "x".repeat(70_000));
    assert_eq!(
        post(keys, "application/json", large).await.unwrap().status,
        413
    );
    for (kind, body) in [
        ("text/plain", "{\"service\": \"a\"}".to_owned()),
        ("application/x-www-form-urlencoded", "service=a".to_owned()),
        ("application/json", String::new()),
        (
            "application/json",
            "{\"service\": \"a\", \"service\": \"b\"}".to_owned(),
        ),
        ("application/json", "[".repeat(60_000)),
    ] {
        let answer = post(keys, kind, body).await.unwrap();
        assert_eq!(answer.status, 400, "{kind}: {}", answer.text());
    }
    for (path, status) in [
        ("/api/v1/people?limit=0", 400),
        ("/api/v1/people?limit=1001", 400),
        ("/api/v1/people?after=ses_x", 400),
        ("/api/v1/people?nothing=1", 400),
        ("/api/v1/people?q=%0a", 400),
        ("/api/v1/ledger/records?after=1.2", 400),
        ("/api/v1/ledger/records?since=yesterday", 400),
        ("/api/v1/people/per_00000000000000000000000000", 404),
        ("/api/v1/people/ada@example.org", 404),
        ("/api/v1/people/%27%20OR%201=1", 404),
        ("/api/v1/policy/versions/-1", 404),
        ("/api/v1/policy/versions/18446744073709551615", 404),
    ] {
        let answer = owner.get(path).await.unwrap();
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_its_scopes_say_and_dies_with_its_owner() {
    let setting = Setting::set().await;
    let admin = setting.people["admin"];
    let (_, secret) = token(&setting.here, admin, &[Right::PeopleRead, Right::RolesRead]).await;
    let script = testkit::Actor::with_bearer(&setting.world.base, &secret);
    let status = async |path: &str| script.get(path).await.unwrap().status;
    assert_eq!(status("/api/v1/people").await, 200);
    assert_eq!(status("/api/v1/ledger/records").await, 403);
    assert_eq!(status("/v1/models").await, 401, "it opens no Claude");
    let more = json!({"name": "more", "scopes": ["people.read"], "expires_in_days": 1});
    let made = script.post("/api/v1/me/tokens", &more).await.unwrap();
    assert_eq!(made.status, 403, "a token makes no token");

    let why = json!({"reason": "left"});
    let path = format!("/api/v1/people/{admin}/revoke");
    let gone = setting.client("owner").post(&path, &why).await.unwrap();
    assert_eq!(gone.status, 200, "{}", gone.text());
    let refused = script.get("/api/v1/people").await.unwrap();
    assert_eq!(refused.json()["code"], "access_token_unknown");
    let path = format!("/api/v1/people/{admin}/restore");
    setting.client("owner").post(&path, &why).await.unwrap();
    assert_eq!(
        status("/api/v1/people").await,
        401,
        "what was taken away stays so"
    );
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebody_elses_is_not_there_and_an_owner_is_shut_out_by_an_owner_alone() {
    let setting = Setting::set().await;
    let theirs = things(&setting.here).await;
    let member = setting.client("member");
    for path in [
        format!("/api/v1/me/tokens/{}", theirs.token),
        format!("/api/v1/me/sessions/{}", theirs.session),
    ] {
        let answer = member.request(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(answer.status, 404, "{path}");
    }
    let owner = setting.people["owner"];
    let path = format!("/api/v1/people/{owner}/revoke");
    let why = json!({"reason": "a coup"});
    let coup = setting.client("admin").post(&path, &why).await.unwrap();
    assert_eq!(coup.json()["code"], "role_missing");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_taken_away_is_gone_with_the_next_request() {
    let setting = Setting::set().await;
    let auditor = setting.client("auditor");
    assert_eq!(auditor.get("/api/v1/roles").await.unwrap().status, 200);
    let owner = setting.client("owner");
    let listed = owner.get("/api/v1/roles").await.unwrap().json();
    let of_auditor = |binding: &&Value| {
        binding["role"] == "auditor"
            && binding["holder"]["person"] == setting.people["auditor"].to_string()
    };
    let binding = listed["items"].as_array().unwrap().iter().find(of_auditor);
    let id = binding.unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/roles/{id}/revoke");
    let gone = owner.post(&path, &json!({"reason": "done"})).await.unwrap();
    assert_eq!(gone.status, 200);
    assert_eq!(auditor.get("/api/v1/roles").await.unwrap().status, 403);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_comes_page_by_page_and_misses_nobody() {
    let setting = Setting::set().await;
    let mut made = BTreeSet::new();
    for number in 0..7 {
        made.insert(
            person(&setting.here, &format!("p{number}"))
                .await
                .to_string(),
        );
    }
    let owner = setting.client("owner");
    let mut seen = BTreeSet::new();
    let mut path = "/api/v1/people?limit=3".to_owned();
    loop {
        let page = owner.get(&path).await.unwrap().json();
        for item in page["items"].as_array().unwrap() {
            assert!(
                seen.insert(item["id"].as_str().unwrap().to_owned()),
                "twice"
            );
        }
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/people?limit=3&after={next}");
    }
    assert!(made.is_subset(&seen));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_stands_in_the_ledger_with_who_made_it() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let body = json!({"service": "audited"});
    let made = owner.post("/api/v1/service-keys", &body).await.unwrap();
    let key = made.json()["secret"].as_str().unwrap().to_owned();
    let found = async {
        loop {
            let answer = owner
                .get("/api/v1/ledger/records?kind=change&limit=1000")
                .await
                .unwrap();
            let text = answer.text();
            if text.contains("audited (dwk_") {
                return text;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(std::time::Duration::from_secs(20), found)
        .await
        .unwrap();
    assert!(found.contains("owner@example.org") && !found.contains(&key));
    let exported = owner
        .get("/api/v1/ledger/export?kind=change&limit=1")
        .await
        .unwrap();
    assert_eq!(exported.text().lines().count(), 1);
    assert!(exported.header("link").unwrap().contains("after="));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_configured_is_shown_without_its_secrets() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    for path in ["issuers", "upstreams", "models", "settings", "org"] {
        let answer = owner.get(&format!("/api/v1/{path}")).await.unwrap();
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text();
        for secret in [&setting.world.provider_key, &setting.world.admin_key] {
            assert!(!text.contains(&**secret), "{path}");
        }
    }
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_store_is_gone_it_is_our_fault_and_nothing_was_written() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    assert_eq!(owner.get("/api/v1/me").await.unwrap().status, 200);
    setting.here.store.close().await;
    let body = json!({"service": "late"});
    let answer = owner.post("/api/v1/service-keys", &body).await.unwrap();
    let problem = answer.json();
    assert_eq!(
        (answer.status, &problem["fault"]),
        (503, &json!("doorward"))
    );
    assert_eq!(problem["code"], "store_unavailable");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("nothing was written")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_end_take_no_place_of_anybody_else() {
    let setting = Setting::set().await;
    let address = setting.world.base.trim_start_matches("http://").to_owned();
    let begun = format!(
        "POST /api/v1/me/tokens HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 60\r\n\r\n{{",
        setting.bearers["member"]
    );
    let mut open = Vec::new();
    let status = async |who: &str| {
        let answer = setting.client(who).get("/api/v1/me").await.unwrap();
        answer.status
    };
    // Again where the first of them were given up before the last had come: a body has only so much time.
    until(async || {
        for _ in 0..limits::ADMIN_REQUESTS_AT_ONCE_MAX {
            let mut socket = TcpStream::connect(&address).await.unwrap();
            socket.write_all(begun.as_bytes()).await.unwrap();
            open.push(socket);
        }
        status("member").await == 429
    })
    .await;
    assert_eq!(status("auditor").await, 200);
    drop(open);
    until(async || status("member").await == 200).await;
    setting.stop().await;
}
