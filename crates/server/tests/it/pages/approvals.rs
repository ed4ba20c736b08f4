//! Deciding about a call at its page: who sees what of it, what a yes needs, and what hostile arguments do to the page.

use std::collections::BTreeSet;

use control::approvals::{self, Call, Sought};
use control::{Actor, Role};
use domain::approval::{About, Approver};
use domain::{Clock as _, limits};
use server::system::SystemClock;

use super::setting::{Setting, Visitor};

/// What a model typed that means harm.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}\"'&</pre></td>";

async fn sought(setting: &Setting, who: &Visitor, (approver, member): (Approver, &str)) -> Sought {
    let actor = Actor::person(who.person, "somebody", BTreeSet::new());
    let operation = setting.here.operation(&actor);
    let arguments = serde_json::json!({ "member": member, "street": HOSTILE }).to_string();
    let about = About {
        connector_title: "Membership CRM".to_owned(),
        action_title: "Change an address".to_owned(),
        class: "write".to_owned(),
        rule: "CRM: writing".to_owned(),
        client: "Claude Desktop".to_owned(),
    };
    let marks = setting
        .here
        .store
        .watermarks(setting.here.org)
        .await
        .unwrap();
    let call = Call {
        connector: "crm",
        action: "update_contact",
        arguments: arguments.as_bytes(),
        definition: "sha256:77c0",
        policy_version: marks.policy_version,
        approver: &approver,
        about: &about,
    };
    approvals::seek(&operation, call).await.unwrap()
}

async fn asked(setting: &Setting, who: &Visitor, approver: Approver) -> String {
    match sought(setting, who, (approver, "4411")).await {
        Sought::Waits(approval) => format!("/approvals/{}", approval.id),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn somebody_approves_their_own_call_once_and_it_is_used_once() {
    let setting = Setting::set().await;
    let member = setting.visitor(Role::Member).await;
    let path = asked(&setting, &member, Approver::Oneself).await;
    let own = member.get("/me").await;
    assert!(
        own.addresses().contains(&path),
        "it waits on their own page"
    );
    assert!(member.get("/approvals").await.addresses().contains(&path));
    let page = member.get(&path).await;
    page.is_well_made(&path);
    let text = page.html().text;
    for said in [
        "Change an address",
        "Membership CRM",
        "Claude Desktop",
        "4411",
        "It changes or adds",
        "<img src=x",
        "\\u{202e}",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!page.text.contains("<img"), "and nothing of it is markup");
    let decide = format!("{path}/decide");
    let empty = member
        .post(&decide, &[("decision", "deny"), ("reason", " ")])
        .await;
    assert_eq!(empty.status, 422);
    empty.is_well_made("a no without a reason");
    let forged = member
        .send(
            &decide,
            &[("decision", "approve")],
            "https://evil.example",
            "x",
        )
        .await;
    assert_eq!(forged.status, 400);
    let done = member.post(&decide, &[("decision", "approve")]).await;
    assert_eq!(done.header("location"), format!("{path}?done=decided"));
    let told = member.get(done.header("location")).await;
    told.is_well_made("approved");
    assert!(
        told.html()
            .text
            .contains("It is approved, for this one call")
    );
    let twice = member.post(&decide, &[("decision", "approve")]).await;
    assert_eq!(twice.status, 412, "{}", twice.html().text);
    let used = sought(&setting, &member, (Approver::Oneself, "4411")).await;
    assert!(matches!(used, Sought::Granted(_)), "{used:?}");
    let other = sought(&setting, &member, (Approver::Oneself, "4412")).await;
    assert!(matches!(other, Sought::Waits(_)), "{other:?}");
    let over = member.get(&path).await;
    over.is_well_made("used");
    assert!(over.html().text.contains("A call was approved and made"));
    setting.end().await;
}

#[tokio::test]
async fn a_yes_needs_a_proof_of_who_gives_it_and_leads_back_to_the_call() {
    let setting = Setting::set().await;
    let member = setting.visitor(Role::Member).await;
    let path = asked(&setting, &member, Approver::Oneself).await;
    let long_ago = SystemClock.now().plus_ms(-limits::CONSOLE_PROOF_MS - 1);
    let stale = setting.browser(member.person, long_ago).await;
    let page = stale.get(&path).await;
    page.is_well_made("with an old proof");
    let prove = format!("/console/sign-in?return={path}&again=1");
    assert!(page.addresses().contains(&prove), "{:?}", page.addresses());
    let decide = format!("{path}/decide");
    let refused = stale.post(&decide, &[("decision", "approve")]).await;
    assert_ne!(refused.header("location"), format!("{path}?done=decided"));
    let back = stale.get(&decide).await;
    assert_eq!(back.header("location"), path);
    let denied = stale
        .post(&decide, &[("decision", "deny"), ("reason", "no")])
        .await;
    assert_eq!(
        denied.header("location"),
        format!("{path}?done=decided"),
        "a no is never slowed down"
    );
    let nobody = setting.nobody(&path).await;
    assert_eq!(
        nobody.header("location"),
        format!("/console/sign-in?return={path}")
    );
    setting.end().await;
}

#[tokio::test]
async fn the_side_bar_counts_what_waits_for_somebody_elses_yes() {
    let setting = Setting::set().await;
    let (member, auditor) = (
        setting.visitor(Role::Member).await,
        setting.visitor(Role::Auditor).await,
    );
    let none = "data-tally=\"/console/approvals/waiting\" hidden><span>0</span>";
    let page = auditor.get("/console/people").await;
    assert!(page.text.contains(none), "{}", page.text);
    asked(&setting, &member, Approver::Second).await;
    asked(&setting, &member, Approver::Oneself).await;
    let one = "data-tally=\"/console/approvals/waiting\"><span>1</span>";
    let page = auditor.get("/console/people").await;
    assert!(page.text.contains(one), "{}", page.text);
    let answer = auditor.get("/console/approvals/waiting").await;
    assert_eq!(answer.text, "export default {\"waiting\":1};\n");
    assert_eq!(
        answer.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    let refused = member.get("/console/approvals/waiting").await;
    assert_eq!(refused.status, 403);
    assert!(!member.get("/me").await.text.contains("data-tally"));
    setting.end().await;
}

#[tokio::test]
async fn a_second_person_decides_and_neither_the_asker_nor_a_stranger() {
    let setting = Setting::set().await;
    let (member, approver) = (
        setting.visitor(Role::Member).await,
        setting.visitor(Role::Approver).await,
    );
    let auditor = setting.visitor(Role::Auditor).await;
    let path = asked(&setting, &member, Approver::Second).await;
    let decide = format!("{path}/decide");
    let own = member.get(&path).await;
    own.is_well_made("one's own");
    assert!(own.html().text.contains("You asked for this yourself"));
    let refused = member.post(&decide, &[("decision", "approve")]).await;
    assert_eq!(refused.status, 403);
    let seen = auditor.get(&path).await;
    seen.is_well_made("an auditor's");
    assert!(
        !seen.html().text.contains("4411"),
        "an auditor sees that it is, and no argument"
    );
    let inbox = approver.get("/console/approvals").await;
    inbox.is_well_made("the inbox");
    assert!(inbox.addresses().contains(&path));
    assert!(
        inbox.html().text.contains("yours to decide"),
        "{}",
        inbox.html().text
    );
    let first = approver.get("/console").await;
    first.is_well_made("the first page of whoever may decide");
    let waits = "1 call waits for your yes or no";
    assert!(first.html().text.contains(waits), "{}", first.html().text);
    assert!(!auditor.get("/console").await.text.contains(waits));
    let page = approver.get(&path).await;
    page.is_well_made("the approver's");
    assert!(page.html().text.contains("4411"));
    let done = approver
        .post(
            &decide,
            &[("decision", "approve"), ("reason", "spoke to the member")],
        )
        .await;
    assert_eq!(
        done.header("location"),
        format!("{path}?done=decided"),
        "{}",
        done.html().text
    );
    let used = sought(&setting, &member, (Approver::Second, "4411")).await;
    assert!(matches!(used, Sought::Granted(_)), "{used:?}");
    let own = asked(&setting, &member, Approver::Oneself).await;
    let stranger = setting
        .browser(
            crate::api::setting::person(&setting.here, "stranger").await,
            SystemClock.now(),
        )
        .await;
    let hidden = stranger.get(&own).await;
    assert_eq!(
        hidden.status, 404,
        "whoever is not concerned does not learn that there is one"
    );
    let text = hidden.html().text;
    assert!(!text.contains("CRM") && !text.contains("4411"), "{text}");
    setting.end().await;
}

/// Arguments as somebody types them.
fn typed(arguments: &str) -> [(&str, &str); 2] {
    [("arguments", arguments), ("reason", "the other member")]
}

/// What is no call is said beside the field, and whoever may not decide finds nothing.
async fn are_refused((approver, member): (&Visitor, &Visitor), change: &str) {
    for (arguments, said) in [
        ("{\"member\": \"4412\"", "not JSON"),
        ("[]", "one JSON object"),
        ("{\"a\":1,\"a\":2}", "stands twice"),
    ] {
        let wrong = approver.post(change, &typed(arguments)).await;
        assert_eq!(wrong.status, 422, "{arguments}");
        wrong.is_well_made(arguments);
        let text = wrong.html().text;
        assert!(text.contains(said) && text.contains(arguments), "{text}");
    }
    let silent = approver.post(change, &[("arguments", "{}")]).await;
    assert_eq!(silent.status, 422);
    let forged = approver
        .send(change, &typed("{}"), "https://evil.example", "x")
        .await;
    assert_eq!(forged.status, 400);
    let stolen = member.post(change, &typed("{}")).await;
    assert_eq!(stolen.status, 404);
}

#[tokio::test]
async fn other_arguments_are_another_call_that_waits_for_a_yes_of_its_own() {
    let setting = Setting::set().await;
    let (member, approver) = (
        setting.visitor(Role::Member).await,
        setting.visitor(Role::Approver).await,
    );
    let path = asked(&setting, &member, Approver::Second).await;
    let change = format!("{path}/change");
    let first = approver.get(&path).await;
    assert!(first.addresses().contains(&change));
    assert_eq!(
        member.get(&change).await.status,
        404,
        "who asked is not who decides"
    );
    let page = approver.get(&change).await;
    page.is_well_made("changing the arguments");
    let text = page.html().text;
    assert!(text.contains("\\u202e") && text.contains("4411"), "{text}");
    are_refused((&approver, &member), &change).await;
    let made = approver
        .post(&change, &typed("{\r\n \"member\": \"4499\"}"))
        .await;
    let other = made.header("location");
    let other = other
        .strip_suffix("?done=changed")
        .unwrap_or_else(|| panic!("{}", made.html().text));
    assert_ne!(other, path);
    let page = approver.get(made.header("location")).await;
    page.is_well_made("the changed call");
    let text = page.html().text;
    assert!(
        page.addresses().contains(&path),
        "what was asked for is beside it"
    );
    assert!(
        text.contains("nothing is approved yet")
            && text.contains("has changed the arguments")
            && text.contains("4499"),
        "{text}"
    );
    let old = member.get(&path).await;
    old.is_well_made("the call that was asked for");
    assert!(old.html().text.contains("Another call stands in its place"));
    assert!(old.addresses().contains(other));
    let again = approver.post(&change, &typed("{}")).await;
    assert_eq!(again.status, 412, "{}", again.html().text);

    let late = approver.get(&change).await;
    assert_eq!(late.header("location"), path, "its page says how it stands");

    let decide = format!("{other}/decide");
    let done = approver.post(&decide, &[("decision", "approve")]).await;
    assert_eq!(done.status, 303, "{}", done.html().text);
    match sought(&setting, &member, (Approver::Second, "4411")).await {
        Sought::Changed { arguments, .. } => assert_eq!(arguments, r#"{"member":"4499"}"#),
        other => panic!("{other:?}"),
    }
    setting.end().await;
}
