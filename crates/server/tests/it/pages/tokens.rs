//! Personal and directory tokens by their pages: each shown once, for what was ticked, to whoever may make it; and taken away.

use control::{Right, Role, scim_tokens, tokens};

use super::keys::{mark, secrets};
use super::setting::{Seen, Setting, Visitor};
use crate::api::setting::{machine, token};

const OWN: &str = "/me/tokens/new";

/// Asks for a token of one's own, with these ticks.
async fn make(visitor: &Visitor, mark: &str, days: &str, ticked: &[&str]) -> Seen {
    let mut fields = vec![("mark", mark), ("name", "nightly report"), ("days", days)];
    fields.extend(ticked.iter().map(|scope| (*scope, "on")));
    visitor.post(OWN, &fields).await
}

#[tokio::test]
async fn only_what_one_may_can_be_ticked_and_a_mistake_stands_beside_its_field() {
    let setting = Setting::set().await;
    let auditor = setting.visitor(Role::Auditor).await;
    let form = auditor.get(OWN).await;
    form.is_well_made("new token");
    assert!(form.text.contains("name=\"ledger.read\""));
    for beyond in ["people.write", "own.write", "roles.write"] {
        let field = format!("name=\"{beyond}\"");
        assert!(!form.text.contains(&field), "{beyond}");
    }
    let mark = mark(&form);
    for (days, ticked, expected) in [
        ("30", &[][..], "must name at least one right"),
        ("0", &["ledger.read"], "must be 1 to 366"),
        ("30", &["ledger.read", "roles.write"], "given to no token"),
        ("30", &["people.write"], "beyond your own rights"),
        ("30", &["root"], "no such right"),
    ] {
        let page = make(&auditor, &mark, days, ticked).await;
        assert_eq!(page.status, 422, "{}", page.html().text);
        page.is_well_made(expected);
        assert!(page.html().text.contains(expected), "{}", page.html().text);
        let kept = "value=\"nightly report\"";
        assert!(page.text.contains(kept), "what was typed is kept");
    }
    let all = [("mark", &*mark), ("name", ""), ("days", "soon")];
    let page = auditor.post(OWN, &all).await;
    page.is_well_made("a token with nothing right");
    let said = page.html().text;
    for expected in [
        "must be given, in 1 to 128 characters",
        "must be a whole number of days",
        "must name at least one right",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    setting.end().await;
}

#[tokio::test]
async fn a_person_makes_a_token_for_what_they_tick_and_sees_it_once() {
    let setting = Setting::set().await;
    let auditor = setting.visitor(Role::Auditor).await;
    let mark = mark(&auditor.get(OWN).await);
    let ticked = ["ledger.read", "people.read"];
    let made = make(&auditor, &mark, "30", &ticked).await;
    assert_eq!(made.status, 201, "{}", made.html().text);
    made.is_well_made("a token is made");
    let shown = secrets(&made);
    assert_eq!(shown.len(), 2, "to read and to copy");
    let entered = setting.here.enter_by_token(&shown[0]).await.unwrap();
    assert!(entered.may(Right::LedgerRead) && !entered.may(Right::OrgRead));
    let again = make(&auditor, &mark, "30", &ticked).await;
    assert_eq!(again.status, 422);
    assert!(secrets(&again).is_empty());
    let list = auditor.get("/me/tokens").await;
    list.is_well_made("own tokens");
    assert!(secrets(&list).is_empty() && list.html().text.contains("nightly report"));
    setting.end().await;
}

#[tokio::test]
async fn people_take_their_own_tokens_away_and_nobody_elses() {
    let setting = Setting::set().await;
    let auditor = setting.visitor(Role::Auditor).await;
    let (id, secret) = token(&setting.here, auditor.person, &[Right::OwnRead]).await;
    let revoke = format!("/me/tokens/{id}/revoke");
    let stranger = setting.visitor(Role::Owner).await;
    assert_eq!(stranger.get(&revoke).await.status, 404, "it is not there");
    assert_eq!(stranger.post(&revoke, &[]).await.status, 404);
    assert!(
        auditor
            .get("/me/tokens")
            .await
            .addresses()
            .contains(&revoke)
    );
    auditor.get(&revoke).await.is_well_made("take it away");
    let done = auditor.post(&revoke, &[]).await;
    assert_eq!(done.header("location"), "/me/tokens?done=revoked");
    assert!(setting.here.enter_by_token(&secret).await.is_err());
    setting.end().await;
}

#[tokio::test]
async fn an_administrator_takes_anyones_token_away_and_an_auditor_only_sees_it() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let auditor = setting.visitor(Role::Auditor).await;
    let token = token(&setting.here, auditor.person, &[Right::OwnRead]).await;
    let list = format!("/console/tokens?person={}", auditor.person);
    let revoke = format!("/console/tokens/{}/revoke", token.0);
    let seen = auditor.get(&list).await;
    seen.is_well_made("tokens");
    assert!(seen.html().text.contains("a test") && !seen.addresses().contains(&revoke));
    assert_eq!(auditor.post(&revoke, &[("reason", "x")]).await.status, 403);
    assert!(owner.get(&list).await.addresses().contains(&revoke));
    owner.get(&revoke).await.is_well_made("take a token away");
    assert_eq!(owner.post(&revoke, &[("reason", "")]).await.status, 422);
    assert_eq!(
        owner
            .post(&revoke, &[("reason", "found on a disk")])
            .await
            .status,
        303
    );
    assert!(setting.here.enter_by_token(&token.1).await.is_err());
    let machine = machine();
    let all = tokens::list(&setting.here.operation(&machine), None, None, 9).await;
    assert!(all.unwrap().0[0].revoked_at.is_some());
    setting.end().await;
}

const LIST: &str = "/console/directory";
const NEW: &str = "/console/directory/new-token";

/// Asks for a token of a directory.
async fn provision(visitor: &Visitor, mark: &str, (directory, name): (&str, &str)) -> Seen {
    let fields = [
        ("mark", mark),
        ("directory", directory),
        ("name", name),
        ("days", ""),
    ];
    visitor.post(NEW, &fields).await
}

/// Without the token that the demo's directory has.
async fn without_tokens() -> Setting {
    let setting = Setting::set().await;
    let machine = machine();
    let operation = setting.here.operation(&machine);
    for there in scim_tokens::list(&operation).await.unwrap() {
        let id = there.id.to_string();
        let gone = scim_tokens::revoke(&operation, &id, "a test").await;
        gone.unwrap();
    }
    setting
}

#[tokio::test]
async fn only_an_owner_makes_a_directorys_token_and_each_is_shown_once() {
    let setting = without_tokens().await;
    let owner = setting.visitor(Role::Owner).await;
    let admin = setting.visitor(Role::Admin).await;
    let page = admin.get(LIST).await;
    page.is_well_made(LIST);
    let text = page.html().text;
    assert!(text.contains("Only an owner makes these tokens"));
    assert!(text.contains("/scim/v2"), "the address to enter");
    assert_eq!(admin.post(NEW, &[("mark", "ab")]).await.status, 403);

    let mark = mark(&owner.get(NEW).await);
    for wrong in [
        ("nowhere/", "x"),
        ("northwind/", ""),
        ("northwind/tenant", "x"),
    ] {
        let page = provision(&owner, &mark, wrong).await;
        assert_eq!(page.status, 422, "{}", page.html().text);
        page.is_well_made("a mistake");
    }
    let made = provision(&owner, &mark, ("northwind/", "provisioning")).await;
    assert_eq!(made.status, 201, "{}", made.html().text);
    made.is_well_made("a directory's token");
    let shown = secrets(&made);
    let entered = setting.here.enter_by_directory_token(&shown[0]).await;
    assert!(entered.is_ok());
    let again = provision(&owner, &mark, ("northwind/", "provisioning")).await;
    assert!(again.status == 422 && secrets(&again).is_empty());
    let page = owner.get(LIST).await;
    assert!(secrets(&page).is_empty() && page.html().text.contains("provisioning"));
    setting.end().await;
}

#[tokio::test]
async fn a_directorys_token_is_followed_by_another_and_taken_away() {
    let setting = without_tokens().await;
    let owner = setting.visitor(Role::Owner).await;
    let first = mark(&owner.get(NEW).await);
    let old = provision(&owner, &first, ("northwind/", "provisioning")).await;
    let old = secrets(&old).remove(0);
    let page = owner.get(LIST).await;
    page.is_well_made(LIST);
    let mut addresses = page.addresses().into_iter();
    let rotate = addresses.find(|to| to.ends_with("/rotate")).unwrap();
    let second = mark(&owner.get(&rotate).await);
    let bad = [("mark", &*second), ("overlap", "soon")];
    let bad = owner.post(&rotate, &bad).await;
    assert_eq!(bad.status, 422);
    bad.is_well_made("hours");
    let followed = [("mark", &*second), ("overlap", "2")];
    let followed = owner.post(&rotate, &followed).await;
    assert_eq!(followed.status, 201, "{}", followed.html().text);
    followed.is_well_made("a successor");
    let new = secrets(&followed).remove(0);
    for token in [&old, &new] {
        let entered = setting.here.enter_by_directory_token(token).await;
        assert!(entered.is_ok(), "both open for a while");
    }
    let third = mark(&owner.get(NEW).await);
    let full = provision(&owner, &third, ("northwind/", "third")).await;
    assert_eq!(full.status, 409, "{}", full.html().text);
    full.is_well_made("two open already");

    let revoke = rotate.replace("/rotate", "/revoke");
    owner.get(&revoke).await.is_well_made("take it away");
    assert_eq!(owner.post(&revoke, &[("reason", "")]).await.status, 422);
    let done = owner.post(&revoke, &[("reason", "it leaked")]).await;
    assert_eq!(done.status, 303);
    let entered = setting.here.enter_by_directory_token(&old).await;
    assert!(entered.is_err());
    setting.end().await;
}
