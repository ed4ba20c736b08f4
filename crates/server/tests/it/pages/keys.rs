//! Keys of services by their pages: made once and shown once, with mistakes beside their fields; taken away by whoever may.

use control::Role;
use control::service_keys;
use domain::Timestamp;

use super::setting::{Seen, Setting, Visitor};
use crate::api::setting::machine;

const NEW: &str = "/console/services/new-key";

/// The mark of the form on a page.
pub(super) fn mark(page: &Seen) -> String {
    let forms = page.html().forms;
    let fields = forms.into_iter().flat_map(|form| form.fields);
    let mark = fields.into_iter().find(|(name, _)| name == "mark");
    mark.expect("the form is done once").1
}

/// The words on a page that begin like a secret of ours and are as long as one.
pub(super) fn secrets(page: &Seen) -> Vec<String> {
    let words = page
        .text
        .split(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')));
    let is_secret = |word: &&str| word.len() == 52 && word.starts_with("dw");
    words.filter(is_secret).map(str::to_owned).collect()
}

async fn make(visitor: &Visitor, mark: &str, service: &str, days: &str) -> Seen {
    let fields = [
        ("mark", mark),
        ("service", service),
        ("groups", "ci\r\nBetrieb Süd"),
        ("days", days),
    ];
    visitor.post(NEW, &fields).await
}

#[tokio::test]
async fn a_key_is_shown_on_the_answer_that_makes_it_and_never_again() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let form = owner.get(NEW).await;
    form.is_well_made(NEW);
    let mark = mark(&form);
    let made = make(&owner, &mark, "nightly", "30").await;
    assert_eq!(made.status, 201, "{}", made.html().text);
    made.is_well_made("a key is made");
    let shown = secrets(&made);
    assert_eq!(shown.len(), 2, "to read and to copy: {shown:?}");
    assert_eq!(shown[0], shown[1]);
    assert!(made.html().text.contains("A key for nightly"));

    // Reloaded, or gone back and sent again.
    let again = make(&owner, &mark, "nightly", "30").await;
    assert_eq!(again.status, 422, "{}", again.html().text);
    again.is_well_made("the form again");
    assert!(secrets(&again).is_empty());
    let machine = machine();
    let keys = service_keys::list(&setting.here.operation(&machine)).await;
    assert_eq!(keys.unwrap().len(), 1, "no second one was made");

    let addresses = owner.get("/console/services").await.addresses();
    let page = addresses
        .iter()
        .find(|to| to.starts_with("/console/services/svc_"));
    let page = owner.get(page.unwrap()).await;
    page.is_well_made("the service");
    assert!(secrets(&page).is_empty());
    assert!(
        page.html().text.contains("in Betrieb Süd, ci"),
        "{}",
        page.html().text
    );
    let another = page
        .addresses()
        .into_iter()
        .find(|to| to.contains("service=nightly"));
    assert!(
        owner
            .get(&another.unwrap())
            .await
            .text
            .contains("value=\"nightly\"")
    );
    setting.end().await;
}

#[tokio::test]
async fn a_mistake_stands_beside_its_field_and_the_form_can_be_sent_again() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let first = mark(&owner.get(NEW).await);
    for (service, days, expected) in [
        ("", "30", "must be given, in 1 to 128 characters"),
        ("dwk_mine", "30", "could pass for a key"),
        ("nightly\u{202e}", "30", "must be 1 to 128 characters"),
        ("nightly", "soon", "whole number of days"),
        ("nightly", "0", "must be 1 to 3650"),
    ] {
        let page = make(&owner, &first, service, days).await;
        assert_eq!(page.status, 422, "{service} {days}");
        page.is_well_made("a mistake");
        assert!(page.html().text.contains(expected), "{}", page.html().text);
        assert!(page.text.contains("aria-invalid"), "beside the field");
        assert!(page.text.contains("Betrieb Süd"), "what was typed is kept");
    }
    let made = make(&owner, &first, "nightly", "").await;
    assert_eq!(made.status, 201, "nothing had been made with the mark");
    for bad in ["", "x", &"a".repeat(200)] {
        assert_eq!(make(&owner, bad, "nightly", "").await.status, 400, "{bad}");
    }
    setting.end().await;
}

#[tokio::test]
async fn a_key_is_made_and_taken_away_only_by_whoever_may_and_by_a_form_of_ours() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    for role in [Role::Auditor, Role::Approver, Role::Member] {
        let visitor = setting.visitor(role).await;
        assert_eq!(
            make(&visitor, "ab", "nightly", "").await.status,
            403,
            "{role}"
        );
    }
    let stale = setting
        .browser(owner.person, Timestamp::from_unix_ms(0))
        .await;
    assert_eq!(make(&stale, "ab", "nightly", "").await.status, 403);
    let fields = [("mark", "ab"), ("service", "nightly")];
    let theirs = owner.send(NEW, &fields, "https://evil.example", "x").await;
    assert_eq!(theirs.status, 400);
    let machine = machine();
    let list = async || {
        let keys = service_keys::list(&setting.here.operation(&machine)).await;
        keys.unwrap()
    };
    assert!(list().await.is_empty());

    assert_eq!(make(&owner, "ab", "nightly", "5").await.status, 201);
    let key = list().await.remove(0);
    let page = format!("/console/services/{}", key.service);
    let file = owner.get("/console/services.csv?q=night").await;
    assert!(
        file.text.starts_with(&format!(
            "id,name,issuer,valid_keys,last_call_hour,first_seen\n{},nightly,doorward,1,,",
            key.service
        )),
        "{}",
        file.text
    );
    let revoke = format!("{page}/keys/{}/revoke", key.key_hash);
    let auditor = setting.visitor(Role::Auditor).await;
    assert!(!auditor.get(&page).await.addresses().contains(&revoke));
    assert_eq!(auditor.post(&revoke, &[("reason", "x")]).await.status, 403);
    assert!(owner.get(&page).await.addresses().contains(&revoke));
    owner.get(&revoke).await.is_well_made("take a key away");
    assert_eq!(owner.post(&revoke, &[("reason", "")]).await.status, 422);
    let done = stale.post(&revoke, &[("reason", "it was stolen")]).await;
    assert_eq!(
        (done.status.as_u16(), done.header("location")),
        (303, &*format!("{page}?done=revoked")),
        "nothing slows whoever sees a stolen key"
    );
    assert!(list().await[0].revoked_at.is_some());
    // A second tab.
    assert_eq!(
        owner.post(&revoke, &[("reason", "again")]).await.status,
        404
    );
    setting.end().await;
}
