//! First steps: what stands there is so, and the two checks of a rollout keep what they find.

use std::time::Duration;

use control::Role;
use control::evidence;
use control::rollout::{CREDENTIALS, IDENTITY};
use control::{Actor as Administrator, Right};
use server::demo::world::DESKTOP_CLIENT;
use testkit::Actor;

use super::setting::{Seen, Setting};

const CHECK: &str = "/console/start/credentials";
const WHO: &str = "/console/start/identity";

fn text(page: &Seen) -> String {
    page.html().text
}

async fn kept(setting: &Setting, kind: &str) -> Vec<evidence::Evidence> {
    let here = Administrator::command_line("tests");
    let operation = setting.here.operation(&here);
    evidence::list(&operation, kind, None, 10).await.unwrap()
}

#[tokio::test]
async fn what_leaves_is_checked_by_a_button_and_kept_without_a_credential() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let before = owner.get("/console").await;
    assert!(
        text(&before).contains("rollout check 2"),
        "the first page leads here"
    );
    let done = owner.post(CHECK, &[]).await;
    assert_eq!(
        (done.status.as_u16(), done.header("location")),
        (303, "/console/start?done=checked"),
        "{}",
        text(&done)
    );
    let page = owner.get(done.header("location")).await;
    page.is_well_made("start");
    let said = text(&page);
    for part in [
        "PASS",
        "x-api-key (sha256",
        "(first)",
        "(second)",
        "SHA-256",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    assert!(
        !page.text.contains(&setting.world.provider_key),
        "the credential is not shown"
    );
    let kept = kept(&setting, CREDENTIALS).await;
    assert!(
        kept.len() == 1 && kept[0].passed && evidence::is_whole(&kept[0]),
        "{kept:?}"
    );
    assert!(!kept[0].facts.contains(&setting.world.provider_key));
    assert!(kept[0].expires > kept[0].at);
    setting.end().await;
}

#[tokio::test]
async fn the_latest_request_of_somebody_says_whom_it_was_proved_to_be_from() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let wrong = owner
        .post(WHO, &[("person", "nobody@nowhere.example")])
        .await;
    assert_eq!(wrong.status, 422);
    wrong.is_well_made("wrong person");
    assert!(
        text(&wrong).contains("nobody here has this id"),
        "{}",
        text(&wrong)
    );
    assert!(kept(&setting, IDENTITY).await.is_empty());

    // The owner of these tests is known, and has asked nothing.
    let own = owner.person.to_string();
    let none = owner.post(WHO, &[("person", &own)]).await;
    assert_eq!(none.status, 303);
    let page = owner.get("/console/start").await;
    assert!(
        text(&page).contains("FAIL") && text(&page).contains("none of this person"),
        "{}",
        text(&page)
    );

    let token = setting.world.idp.id_token("ada", DESKTOP_CLIENT);
    let ada = Actor::with_bearer(&setting.world.base, &token);
    let asked = ada.messages("claude-haiku-5-5", "hello").await.unwrap();
    let stable_id = setting.world.idp.person("ada").unwrap().sub;
    // The ledger's copy follows within a second.
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        owner.post(WHO, &[("person", &stable_id)]).await;
        let newest = kept(&setting, IDENTITY).await.remove(0);
        if newest.passed {
            let facts = evidence::facts(&newest);
            let fact = |name: &str| {
                facts
                    .iter()
                    .find(|fact| fact.name == name)
                    .unwrap()
                    .value
                    .clone()
            };
            assert_eq!(fact("stable id"), stable_id);
            assert_eq!(fact("id in the request"), stable_id);
            assert_eq!(fact("proved by"), "an ID token of the issuer");
            assert_eq!(fact("request"), asked.header("x-request-id").unwrap());
            break;
        }
        assert!(tokio::time::Instant::now() < until, "{newest:?}");
    }
    let page = owner.get("/console/start").await;
    page.is_well_made("start");
    let record = page
        .addresses()
        .into_iter()
        .find(|to| to.starts_with("/console/ledger/"));
    let record = record.expect("a link to the record");
    assert_eq!(owner.get(&record).await.status, 200, "{record}");
    assert!(!page.text.contains(&token));
    setting.end().await;
}

#[tokio::test]
async fn only_whoever_may_makes_a_check_and_only_by_a_form_of_ours() {
    let setting = Setting::set().await;
    for role in Role::ALL.iter().copied() {
        let visitor = setting.visitor(role).await;
        let expected = if Right::EvidenceWrite.roles().contains(&role) {
            303
        } else {
            403
        };
        assert_eq!(visitor.post(CHECK, &[]).await.status, expected, "{role}");
        let own = visitor.person.to_string();
        let may = expected == 303 && Right::LedgerRead.roles().contains(&role);
        let expected = if may { 303 } else { 403 };
        assert_eq!(
            visitor.post(WHO, &[("person", &own)]).await.status,
            expected,
            "{role}"
        );
    }
    let owner = setting.visitor(Role::Owner).await;
    let before = kept(&setting, CREDENTIALS).await.len();
    let foreign = owner.send(CHECK, &[], "https://evil.example", "x").await;
    assert_eq!(foreign.status, 400, "{}", text(&foreign));
    assert_eq!(kept(&setting, CREDENTIALS).await.len(), before);
    setting.end().await;
}
