//! Everything that proves somebody or something at one association, presented at the other: nothing of it is known there, and nothing
//! of it is used up by the try. Both with a SQLite file for each and with one PostgreSQL database for both, whose keys are the same.

use std::collections::BTreeSet;

use control::scim_tokens::{self, NewScimToken};
use control::service_keys::{self, NewKey};
use control::{Right, Role};
use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use testkit::sign_in::Device;
use testkit::{Actor, Browser, Directory, Http, Session, device_sign_in};

use super::world::{Side, Stores, Two};
use crate::api::setting::{give, machine, person, token};

const HAIKU: &str = "claude-haiku-5-5";

/// What Birch knows.
struct Proofs {
    ada: Session,
    service_key: String,
    personal: String,
    directory: String,
    spend_limits: String,
}

impl Proofs {
    async fn of(side: &Side) -> Self {
        let control = side.control();
        let new = NewKey {
            name: "nightly".to_owned(),
            groups: BTreeSet::from(["engineering".to_owned()]),
            days: Some(1),
        };
        let machine = machine();
        let made = service_keys::create(&control.operation(&machine), new).await;
        let new = NewScimToken {
            issuer: "northwind".to_owned(),
            tenant: None,
            name: "a test".to_owned(),
            days: Some(1),
        };
        let made_token =
            scim_tokens::create(&control.operation(&machine), &control.vouching, new).await;
        let owner = person(&control, "owner").await;
        give(&control, Role::Owner, owner).await;
        Self {
            ada: device_sign_in(side.base(), "ada").await.unwrap(),
            service_key: made.unwrap().1.expose_secret().to_owned(),
            personal: token(&control, owner, &[Right::PeopleRead]).await.1,
            directory: made_token.unwrap().1.expose_secret().to_owned(),
            spend_limits: side.stage.admin_key.clone(),
        }
    }
}

/// Whether the door knows it; asked without a body, which a refusal would leave unread.
async fn model(base: &str, bearer: &str) -> (u16, String) {
    let answer = Actor::with_bearer(base, bearer).get("/v1/models").await;
    reason(&answer.unwrap())
}

async fn people(base: &str, bearer: &str) -> (u16, String) {
    let answer = Actor::with_bearer(base, bearer)
        .get("/api/v1/people")
        .await
        .unwrap();
    let code = answer.json()["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answer.status, code)
}

async fn limits(base: &str, key: &str) -> u16 {
    let actor = Actor::with_api_key(base, key);
    actor
        .get("/v1/organizations/spend_limits")
        .await
        .unwrap()
        .status
}

async fn provisioned(base: &str, token: &str) -> u16 {
    Directory::new(base, token)
        .get("/Users")
        .await
        .unwrap()
        .status
}

fn reason(answer: &testkit::Answer) -> (u16, String) {
    let reason = answer.header("x-doorward-reason").unwrap_or_default();
    (answer.status, reason.to_owned())
}

fn refused(code: &str) -> (u16, String) {
    (401, code.to_owned())
}

async fn nothing_that_proves_somebody_at_one_proves_anybody_at_the_other(stores: Stores) {
    let two = Two::set(stores).await;
    let [birch, kiln] = two.both().map(Side::base);
    let proofs = Proofs::of(&two.birch).await;
    // Before its own organisation has seen it, and after that has it in its cache.
    for _ in 0..2 {
        assert_eq!(
            model(kiln, &proofs.ada.access_token).await,
            refused("token_issuer")
        );
        assert_eq!(
            model(kiln, &proofs.service_key).await,
            refused("service_key_unknown")
        );
        assert_eq!(
            people(kiln, &proofs.personal).await,
            refused("access_token_unknown")
        );
        assert_eq!(
            people(kiln, &proofs.ada.access_token).await,
            refused("token_issuer")
        );
        assert_eq!(limits(kiln, &proofs.spend_limits).await, 401);
        assert_eq!(provisioned(kiln, &proofs.directory).await, 401);

        assert_eq!(model(birch, &proofs.ada.access_token).await.0, 200);
        assert_eq!(model(birch, &proofs.service_key).await.0, 200);
        assert_eq!(people(birch, &proofs.personal).await.0, 200);
        assert_eq!(limits(birch, &proofs.spend_limits).await, 200);
        assert_eq!(provisioned(birch, &proofs.directory).await, 200);
    }
    // A token of the people's own provider, which the other association does not know.
    let id_token = two
        .birch
        .stage
        .idp
        .id_token("ada", server::demo::world::DESKTOP_CLIENT);
    assert_eq!(model(kiln, &id_token).await, refused("token_issuer"));

    refreshing_and_signing_out_elsewhere_do_nothing(kiln, proofs.ada).await;
    what_is_revoked_at_one_stays_at_the_other(&two).await;
    two.stop().await;
}

async fn refreshing_and_signing_out_elsewhere_do_nothing(elsewhere: &str, mut ada: Session) {
    let http = Http::new();
    let refresh = ada.refresh_token.clone().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*refresh),
    ];
    let url = format!("{elsewhere}/oauth/token");
    let answer = http.post(&url).form(&form).send().await.unwrap();
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("invalid_grant"))
    );
    for token in [&ada.access_token, &refresh] {
        let url = format!("{elsewhere}/oauth/revoke");
        http.post(&url)
            .form(&[("token", token)])
            .send()
            .await
            .unwrap();
    }
    ada.refresh()
        .await
        .expect("her session goes on and her token is not used up");
    assert_eq!(
        ada.actor().messages(HAIKU, "Hello").await.unwrap().status,
        200
    );
}

/// The same person at both: disabled at one, she goes on at the other.
async fn what_is_revoked_at_one_stays_at_the_other(two: &Two) {
    let sessions = [
        device_sign_in(two.birch.base(), "grace").await.unwrap(),
        device_sign_in(two.kiln.base(), "grace").await.unwrap(),
    ];
    let control = two.birch.control();
    let machine = machine();
    let operation = control.operation(&machine);
    let grace = control::people::find(&operation, "grace@northwind.example")
        .await
        .unwrap();
    control::people::revoke(&operation, grace.id, "left")
        .await
        .unwrap();
    let [here, there] = sessions.map(|session| session.actor());
    let status = async |actor: &Actor| actor.get("/v1/models").await.unwrap().status;
    crate::watch::until(async || status(&here).await == 401).await;
    assert_eq!(status(&there).await, 200);
}

async fn a_sign_in_begun_at_one_ends_there(stores: Stores) {
    let two = Two::set(stores).await;
    let [birch, kiln] = two.both().map(Side::base);
    let device = Device::begin(birch).await.unwrap();
    let http = Http::new();

    // The client asks the other for its outcome, the person types the code in there.
    let code = device.answer["device_code"].as_str().unwrap();
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", code),
    ];
    let asked = async |base: &str| {
        let url = format!("{base}/oauth/token");
        let answer = http.post(&url).form(&form).send().await.unwrap();
        answer.json()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(asked(kiln).await, "invalid_grant");
    let url = device.verification_url().replace(birch, kiln);
    let mut browser = Browser::new();
    let page = browser.open(&url).await.unwrap();
    assert!(
        page.status >= 400 || !page.html.text.contains(device.user_code()),
        "{}",
        page.html.text
    );

    // The way back from the identity provider, with all the cookies of the browser that went there.
    let mut browser = Browser::new().stopping_at(&format!("{birch}/oauth/callback"));
    let way = device
        .approve(&mut browser, "ada")
        .await
        .unwrap()
        .url
        .to_string();
    let astray = way.replace(birch, kiln);
    assert_ne!(way, astray, "the provider sends to Birch");
    let cookie = browser.cookie("doorward_device").unwrap();
    let cookie = format!("doorward_device={cookie}");
    let answer = http.get(&astray).header("cookie", &cookie).send();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(
        answer.text().contains("not known here"),
        "{}",
        answer.text()
    );

    // None of it was used up.
    let end = device.approve(&mut Browser::new(), "ada").await.unwrap();
    assert_eq!(end.status, 200);
    device.finish().await.unwrap();
    two.stop().await;
}

async fn the_same_request_twice_is_once_at_each(stores: Stores) {
    let two = Two::set(stores).await;
    let mut made = BTreeSet::new();
    for side in two.both() {
        let control = side.control();
        let owner = person(&control, "owner").await;
        give(&control, Role::Owner, owner).await;
        let bearer = crate::api::setting::bearer(&control, side.wired.sessions(), owner).await;
        let actor = Actor::with_bearer(side.base(), &bearer);
        let ask = || {
            actor
                .request(Method::POST, "/api/v1/service-keys")
                .header("idempotency-key", "once")
                .json(&json!({"service": "nightly"}))
                .send()
        };
        let first = ask().await.unwrap();
        assert_eq!(
            (first.status, first.header("idempotency-replayed")),
            (201, None)
        );
        let again = ask().await.unwrap();
        assert_eq!(
            again.header("idempotency-replayed"),
            Some("true"),
            "{}",
            again.text()
        );
        let listed: Value = actor.get("/api/v1/service-keys").await.unwrap().json();
        let keys = listed["items"].as_array().unwrap();
        assert_eq!(keys.len(), 1, "{listed}");
        made.insert(first.json()["secret"].to_string());
    }
    assert_eq!(made.len(), 2, "each has its own");
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_file_for_each_nothing_that_proves_somebody_at_one_does_so_at_the_other() {
    Box::pin(nothing_that_proves_somebody_at_one_proves_anybody_at_the_other(Stores::Apart)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_database_nothing_that_proves_somebody_at_one_does_so_at_the_other() {
    Box::pin(nothing_that_proves_somebody_at_one_proves_anybody_at_the_other(Stores::One)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_file_for_each_a_sign_in_begun_at_one_ends_there() {
    Box::pin(a_sign_in_begun_at_one_ends_there(Stores::Apart)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_database_a_sign_in_begun_at_one_ends_there() {
    Box::pin(a_sign_in_begun_at_one_ends_there(Stores::One)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_file_for_each_the_same_request_twice_is_once_at_each() {
    Box::pin(the_same_request_twice_is_once_at_each(Stores::Apart)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_database_the_same_request_twice_is_once_at_each() {
    Box::pin(the_same_request_twice_is_once_at_each(Stores::One)).await;
}
