//! Who is connected at a connector, as its page lists it: by pages, to whom it is shown, and whatever a connector's server calls its scopes.

use std::collections::BTreeSet;

use control::Role;
use domain::{Clock as _, PersonId};
use server::system::SystemClock;
use store::{Grant, KeepingGrant};

use super::setting::{Seen, Setting};
use crate::api::setting::person;

/// A scope of somebody who means harm.
const HOSTILE: &str = "</code><script>alert(1)</script>\u{202e}\"'&";

const CONNECTOR: &str = "[[connector]]\nname = \"vaulted\"\nurl = \"https://vaulted.example/mcp\"\ncredential = \"grant\"\n";

const PAGE: &str = "/console/connectors/vaulted";

async fn connects(setting: &Setting, person: PersonId) {
    let now = SystemClock.now();
    let grant = Grant {
        person,
        connector: "vaulted".to_owned(),
        address: "https://vaulted.example/mcp".to_owned(),
        issuer: HOSTILE.to_owned(),
        scope: HOSTILE.to_owned(),
        sealed: b"sealed-4711".to_vec(),
        version: 1,
        connected: now,
        renewed: now,
        expires: None,
        dead_since: None,
        wants: HOSTILE.to_owned(),
    };
    let (store, org) = (&setting.here.store, setting.here.org);
    match store.hold_grant(org, &grant).await.unwrap() {
        KeepingGrant::Held(held, _) => held.keep().await.unwrap(),
        KeepingGrant::Out => panic!("they may come in"),
    }
}

/// The people whom a page names as connected.
fn named(page: &Seen) -> BTreeSet<String> {
    let begin = page.text.split("id=\"connected\"").nth(1).unwrap();
    let list = begin.split("</ul>").next().unwrap();
    let people = list.split("href=\"/console/people/").skip(1);
    let ids = people.filter_map(|rest| rest.split('"').next());
    ids.filter(|id| !id.contains('/'))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn who_is_connected_comes_by_pages_as_text_and_to_those_who_may_see_it() {
    let setting = Setting::set().await;
    setting.adds_to_policy(&format!("\n{CONNECTOR}")).await;
    let mut people = BTreeSet::new();
    for number in 0..51 {
        let person = person(&setting.here, &format!("p{number}")).await;
        connects(&setting, person).await;
        people.insert(person.to_string());
    }
    let auditor = setting.visitor(Role::Auditor).await;
    let first = auditor.get(PAGE).await;
    first.is_well_made("a connector with people");
    for banned in ["<script>alert", "sealed-", "\u{202e}"] {
        assert!(!first.text.contains(banned), "{banned}: {}", first.text);
    }
    let mut found = named(&first);
    assert_eq!(found.len(), 50);
    let next: Vec<String> = first
        .addresses()
        .into_iter()
        .filter(|to| to.contains("after="))
        .collect();
    let second = auditor.get(&next[0]).await;
    second.is_well_made("its second page");
    found.extend(named(&second));
    assert_eq!(found, people);
    assert!(second.addresses().contains(PAGE), "and back");
    let past = auditor.get(&format!("{PAGE}?after=x")).await;
    assert_eq!(past.status, 400);
    past.is_well_made("no place in the list");

    let approver = setting.visitor(Role::Approver).await;
    let page = approver.get(PAGE).await;
    assert_eq!(page.status, 200);
    assert!(
        !page.text.contains("id=\"connected\""),
        "not for an approver"
    );
    let one = people.first().unwrap();
    let at_person = format!("/console/people/{one}");
    assert!(
        !approver
            .get(&at_person)
            .await
            .text
            .contains("id=\"connections\"")
    );
    let shown = auditor.get(&at_person).await;
    shown.is_well_made("a person who is connected");
    assert!(shown.text.contains("id=\"connections\"") && !shown.text.contains("<script>alert"));
    is_ended_by_those_who_may(&setting, &at_person).await;
    setting.end().await;
}

/// Its page asks, and does it once.
async fn is_ended_by_those_who_may(setting: &Setting, at_person: &str) {
    let end = format!("{at_person}/end-connection?connector=vaulted");
    for role in Role::ALL.iter().copied() {
        let visitor = setting.visitor(role).await;
        let may = matches!(role, Role::Owner | Role::Admin | Role::Technician);
        let page = visitor.get(&end).await;
        assert_eq!(page.status, if may { 200 } else { 403 }, "{role}");
        page.is_well_made("ending a connection");
        let foreign = visitor
            .send(&end, &[("reason", "x")], "https://evil.example", "x")
            .await;
        assert_eq!(foreign.status, 400, "{role}");
        if !may {
            let refused = visitor.post(&end, &[("reason", "a test")]).await;
            assert_eq!(refused.status, 403, "{role}");
        }
    }
    let admin = setting.visitor(Role::Admin).await;
    let done = admin.post(&end, &[("reason", "a test")]).await;
    let way = (done.status.as_u16(), done.header("location").to_owned());
    assert_eq!(way, (303, format!("{at_person}?done=connection-ended")));
    assert_eq!(admin.post(&end, &[("reason", "a test")]).await.status, 404);
}
