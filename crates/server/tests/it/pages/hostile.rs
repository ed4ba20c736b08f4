//! Text that strangers wrote, in every field that a page shows: it stays text, turns nothing round, and breaks no page.

use std::collections::BTreeSet;

use control::Role;
use domain::{
    Client, ClientKind, Clock as _, Ids as _, PersonId, Reason, ReasonCode, Refusal, RequestId,
    SessionId, Subject,
};
use ledger::Record;
use ledger::record::{Actor, Decision, Door, Ended, Origin, Outcome, SignIn, Verdict};
use server::system::{SystemClock, SystemIds};
use store::{Seen, Session};

use super::setting::Setting;
use crate::watch::until;

/// Marks, a turn of direction, a formula, and more than fits.
fn hostile() -> String {
    format!(
        "=<img src=x onerror=alert(1)>\"'&\u{202e}</bdi></td>{}",
        "w".repeat(150)
    )
}

fn request() -> RequestId {
    let now = SystemClock.now().unix_ms().unsigned_abs();
    RequestId::from_parts(now, SystemIds.random_bits())
}

async fn somebody(setting: &Setting, text: &str) -> PersonId {
    let now = SystemClock.now();
    let new = PersonId::from_parts(now.unix_ms().unsigned_abs(), SystemIds.random_bits());
    let seen = Seen {
        org: setting.here.org,
        issuer: "northwind",
        stable_id: &format!("{text}{new}"),
        email: Some(text),
        name: Some(text),
        groups: &BTreeSet::from([text.to_owned(), format!("{text}2")]),
        stated: now,
        made: now,
        at: now,
    };
    let person = setting
        .here
        .store
        .upsert_person(seen, new)
        .await
        .unwrap()
        .id;
    let session = Session {
        id: SessionId::from_parts(now.unix_ms().unsigned_abs(), SystemIds.random_bits()),
        person,
        client: text.to_owned(),
        created: now,
        ended_at: None,
    };
    let (store, org) = (&setting.here.store, setting.here.org);
    let refresh = session.id.to_string();
    store
        .create_session(org, &session, &refresh, now)
        .await
        .unwrap();
    person
}

/// Records whose every free text is hostile; returns the refused request.
async fn records(setting: &Setting, person: PersonId, text: &str) -> RequestId {
    let client = Client {
        kind: ClientKind::ClaudeCode,
        version: None,
    };
    let origin = Origin::new(client, None);
    let mut decision = Decision::new(request(), origin, Door::Inference, text);
    decision.actor = Some(Actor {
        org: setting.here.org,
        subject: Subject::Person(person),
        stable_id: text.into(),
        issuer: text.into(),
        credential: domain::Credential::Session,
        session: None,
    });
    decision.model = Some(text.into());
    decision.granted_by = vec![text.into()];
    let mut refused = decision.clone();
    refused.request = request();
    refused.policy_version = Some(1);
    let reason = Reason::plain(ReasonCode::ModelNotAllowed).by(text);
    refused.verdict =
        Verdict::refused(&Refusal::one(reason).and(Reason::plain(ReasonCode::ClientTooOld)));
    let mut outcome = Outcome::of(&decision, Ended::Error);
    outcome.upstream = Some(text.into());
    outcome.upstream_requests = vec![text.into()];
    let sign_in = SignIn {
        org: Some(setting.here.org),
        subject: None,
        stable_id: Some(text.into()),
        email: Some(text.into()),
        issuer: Some(text.into()),
        method: text.into(),
        origin,
        session: None,
        verdict: Verdict::allowed(),
    };
    let request = refused.request;
    for record in [
        Record::Decision(decision),
        Record::Outcome(outcome),
        Record::Decision(refused),
        Record::SignIn(sign_in),
    ] {
        setting.here.ledger.append(record).await.unwrap();
    }
    request
}

/// Until the copy has everything.
async fn copied(setting: &Setting, request: RequestId) {
    let (store, org) = (&setting.here.store, setting.here.org);
    let request = request.to_string();
    until(async || {
        let found = store.record_of_request(org, &request, "decision").await;
        found.unwrap().is_some()
    })
    .await;
}

#[tokio::test]
async fn what_strangers_wrote_stays_text_on_every_page() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let text = hostile();
    let person = somebody(&setting, &text).await;
    let theirs = setting.browser(person, SystemClock.now()).await;
    let request = records(&setting, person, &text).await;
    let end = format!("/console/people/{person}/shut-out");
    let told = owner.post(&end, &[("reason", "\u{202e}<b>")]).await;
    assert_eq!(told.status, 422);
    told.is_well_made("a hostile reason");
    copied(&setting, request).await;
    let mut paths: BTreeSet<String> = [
        "/console",
        "/console/people",
        "/console/sessions",
        "/console/ledger",
        "/console/ledger?kind=all",
        "/console/ledger?kind=sign_in",
        "/console/ledger?kind=session",
        "/console/ledger?kind=change",
    ]
    .map(str::to_owned)
    .into();
    paths.insert(format!("/console/ledger?request={request}"));
    paths.insert(format!("/console/people/{person}"));
    paths.insert(end);
    let list = owner.get("/console/ledger?kind=all").await;
    let rows = list
        .addresses()
        .into_iter()
        .filter(|to| to.starts_with("/console/ledger/"));
    paths.extend(rows);
    let mut whys = BTreeSet::new();
    for path in &paths {
        let page = owner.get(path).await;
        check(&page, path);
        whys.extend(
            page.addresses()
                .into_iter()
                .filter(|to| to.ends_with("/why")),
        );
    }
    assert!(!whys.is_empty(), "the refusal has a page that says why");
    for path in whys {
        check(&owner.get(&path).await, &path);
    }
    check(&theirs.get("/me").await, "/me");
    let sheet = owner.get("/console/ledger.csv?kind=all").await;
    assert!(sheet.text.lines().count() > 4);
    for cell in sheet.text.split([',', '\n']) {
        assert!(!cell.trim_start_matches('"').starts_with('='), "{cell}");
    }
    setting
        .world
        .stop(std::time::Duration::from_secs(2))
        .await
        .unwrap();
}

fn check(page: &super::setting::Seen, path: &str) {
    assert_eq!(page.status, 200, "{path}: {}", page.html().text);
    page.is_well_made(path);
    assert!(!page.text.contains("<img"), "{path}");
    assert!(!page.text.contains('\u{202e}'), "{path} turns round");
}

#[tokio::test]
async fn hostile_queries_are_shown_as_text_or_refused() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let marks: String =
        url::form_urlencoded::byte_serialize("\"><script>alert(1)</script>".as_bytes()).collect();
    for path in [
        "/console/people?q=",
        "/console/ledger?who=",
        "/console/ledger?model=",
        "/console/ledger?reason=",
        "/console/ledger?kind=",
        "/console/ledger?request=",
        "/console?period=",
    ] {
        let page = owner.get(&format!("{path}{marks}")).await;
        assert_eq!(page.status, 200, "{path}");
        page.is_well_made(path);
        assert!(!page.text.contains("<script>alert"), "{path}");
    }
    for path in [
        "/console/people?after=x",
        "/console/ledger?after=1.2",
        "/console/people?q=a%0Ab",
        "/console/people?q=%E2%80%AE",
        "/console/sessions?person=x",
    ] {
        let page = owner.get(path).await;
        assert_eq!(page.status, 400, "{path}");
        page.is_well_made(path);
    }
    for path in [
        "/console/people/x",
        "/console/people/per_00000000000000000000000000",
        "/console/ledger/1.2.none",
        "/console/ledger/x/why",
        "/console/sessions/x/end",
    ] {
        let page = owner.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        page.is_well_made(path);
    }
    setting
        .world
        .stop(std::time::Duration::from_secs(2))
        .await
        .unwrap();
}
