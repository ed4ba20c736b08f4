//! Roles by their pages: given to whom was looked at, by an owner with a fresh proof; and the last owner stays.

use control::Role;
use control::roles::{self, Holder};
use domain::Timestamp;

use super::setting::{Setting, Visitor};
use crate::api::setting::{machine, person};

const LIST: &str = "/console/roles";

async fn bindings(setting: &Setting) -> Vec<roles::RoleBinding> {
    let machine = machine();
    let found = roles::list(&setting.here.operation(&machine)).await;
    found.unwrap().0
}

/// The address that takes this person's only role away.
async fn take_of(setting: &Setting, visitor: &Visitor) -> String {
    let held = Holder::Person(visitor.person);
    let found = bindings(setting).await;
    let found = found.iter().find(|binding| binding.holder == held);
    format!("{LIST}/{}/take", found.unwrap().id)
}

#[tokio::test]
async fn a_role_is_given_to_whom_the_page_before_named() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let ada = person(&setting.here, "ada").await;
    let sure =
        format!("{LIST}/give/sure?role=auditor&person=ada%40example.org&group=&issuer=northwind");
    owner
        .get(&format!("{LIST}/give?person={ada}"))
        .await
        .is_well_made("give");
    let asked = owner.get(&sure).await;
    asked.is_well_made("sure");
    assert!(
        asked
            .html()
            .text
            .contains("This is ada@example.org, whom northwind knows as"),
        "{}",
        asked.html().text
    );
    let action = asked
        .html()
        .forms
        .into_iter()
        .find(|form| form.action.contains("/give/sure"));
    let action = action.unwrap().action.replace("&#38;", "&");
    assert!(
        action.contains(&ada.to_string()),
        "by id from here on: {action}"
    );
    assert_eq!(owner.post(&action, &[("reason", "")]).await.status, 422);
    let done = owner.post(&action, &[("reason", "yearly audit")]).await;
    assert_eq!(
        (done.status.as_u16(), done.header("location")),
        (303, "/console/roles?done=given")
    );
    let held = |binding: &roles::RoleBinding| binding.holder == Holder::Person(ada);
    assert_eq!(
        bindings(&setting)
            .await
            .iter()
            .filter(|one| held(one))
            .count(),
        1
    );
    // A second tab gives it once more, which changes nothing.
    assert_eq!(
        owner.post(&action, &[("reason", "again")]).await.status,
        303
    );
    assert_eq!(
        bindings(&setting)
            .await
            .iter()
            .filter(|one| held(one))
            .count(),
        1
    );
    let list = owner.get(LIST).await;
    list.is_well_made(LIST);
    assert!(list.html().text.contains("ada@example.org"));
    let page = owner.get(&format!("/console/people/{ada}")).await;
    assert!(
        page.addresses()
            .contains(&format!("{LIST}/give?person={ada}"))
    );
    setting.end().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_said_beside_its_field() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    for (query, expected) in [
        (
            "role=auditor&person=nobody%40nowhere.example",
            "must be one whom we know",
        ),
        ("role=auditor", "must be one person, or else a group"),
        (
            "role=auditor&person=a&group=b",
            "must be one person, or else a group",
        ),
        ("role=root&person=a", "is none that there is"),
        (
            "role=auditor&group=audit&issuer=nowhere",
            "no issuer of this name",
        ),
        ("role=auditor&group=a%0Ab&issuer=northwind", "on one line"),
        (
            "role=auditor&group=%E2%80%AEx&issuer=northwind",
            "direction characters",
        ),
    ] {
        let page = owner.get(&format!("{LIST}/give/sure?{query}")).await;
        assert_eq!(page.status, 422, "{query}: {}", page.html().text);
        page.is_well_made(query);
        assert!(
            page.html().text.contains(expected),
            "{query}: {}",
            page.html().text
        );
    }
    let long = "x".repeat(300);
    let page = owner
        .get(&format!("{LIST}/give/sure?role=auditor&group={long}"))
        .await;
    assert_eq!(page.status, 400);
    // Nobody is a member by a role.
    let member = format!("{LIST}/give/sure?role=member&person={}", owner.person);
    let refused = owner.post(&member, &[("reason", "x")]).await;
    assert_eq!(refused.status, 400);
    setting.end().await;
}

#[tokio::test]
async fn the_last_owner_stays_and_of_two_tabs_that_take_the_last_two_one_is_refused() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let take = take_of(&setting, &owner).await;
    let list = owner.get(LIST).await;
    assert!(!list.addresses().contains(&take), "it is shown disabled");
    assert!(
        list.html().text.contains("The only owner"),
        "with the reason beside it"
    );
    let refused = owner.post(&take, &[("reason", "a test")]).await;
    assert_eq!(refused.status, 400, "{}", refused.html().text);
    refused.is_well_made("the last owner");
    assert_eq!(bindings(&setting).await.len(), 1);

    let second = setting.visitor(Role::Owner).await;
    let of_second = take_of(&setting, &second).await;
    owner.get(&take).await.is_well_made("one's own role");
    assert!(
        owner
            .get(&take)
            .await
            .html()
            .text
            .contains("This is your own role")
    );
    let why = [("reason", "a test")];
    let (one, two) = tokio::join!(owner.post(&take, &why), second.post(&of_second, &why));
    let mut found = [one.status.as_u16(), two.status.as_u16()];
    found.sort_unstable();
    assert_eq!(found, [303, 400]);
    let owners = bindings(&setting).await;
    assert_eq!(
        owners.iter().filter(|one| one.role == Role::Owner).count(),
        1
    );
    setting.end().await;
}

#[tokio::test]
async fn only_an_owner_with_a_fresh_proof_gives_and_takes() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let auditor = setting.visitor(Role::Auditor).await;
    let take = take_of(&setting, &auditor).await;
    let give = format!("{LIST}/give/sure?role=owner&person={}", auditor.person);
    let stale = setting
        .browser(owner.person, Timestamp::from_unix_ms(0))
        .await;
    let admin = setting.visitor(Role::Admin).await;
    for visitor in [&stale, &admin, &auditor] {
        for path in [&give, &take] {
            assert_eq!(visitor.get(path).await.status, 403, "{path}");
            assert_eq!(
                visitor.post(path, &[("reason", "x")]).await.status,
                403,
                "{path}"
            );
        }
    }
    let forged = owner
        .send(&give, &[("reason", "x")], "https://evil.example", "x")
        .await;
    assert_eq!(forged.status, 400);
    assert_eq!(bindings(&setting).await.len(), 3);
    let done = owner.post(&take, &[("reason", "audit is over")]).await;
    assert_eq!(done.header("location"), "/console/roles?done=taken");
    assert_eq!(
        auditor.get("/console/ledger").await.status,
        403,
        "with the next request"
    );
    assert_eq!(owner.post(&take, &[("reason", "again")]).await.status, 404);
    setting.end().await;
}
