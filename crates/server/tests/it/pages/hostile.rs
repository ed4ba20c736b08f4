//! Text that strangers wrote, in every field that a page shows: it stays text, turns nothing round, and breaks no page.

use std::collections::BTreeSet;

use control::Role;
use domain::{
    BindingId, Client, ClientKind, Clock as _, Ids as _, PersonId, Reason, ReasonCode, Refusal,
    RequestId, ServiceId, SessionId, Subject, TokenId,
};
use ledger::Record;
use ledger::record::{Actor, Decision, Door, Ended, Origin, Outcome, SignIn, Verdict};
use server::system::{SystemClock, SystemIds};
use store::{Holder, PersonalToken, RoleBinding, ScimToken, Seen, Session, Source};

use super::setting::Setting;
use crate::api::setting::group;
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

/// Pages that show what strangers wrote.
const SHOWN: &[&str] = &[
    "/console",
    "/console/people",
    "/console/people?columns=stable,id&sort=-seen",
    "/console/sessions",
    "/console/find?q=onerror",
    "/console/ledger",
    "/console/ledger?kind=all",
    "/console/ledger?kind=sign_in",
    "/console/ledger?kind=session",
    "/console/ledger?kind=change",
    "/console/budgets",
    "/console/models",
    "/console/usage",
    "/console/usage?by=group",
    "/console/usage?by=model",
    "/console/statements?from=2026-01-01&to=2027-01-01&by=person",
    "/console/statements?from=2026-01-01&to=2027-01-01&by=group",
    "/console/statements?from=2026-01-01&to=2027-01-01&by=upstream",
];

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
    let mut paths: BTreeSet<String> = SHOWN.iter().map(ToString::to_string).collect();
    paths.insert(format!("/console/ledger?request={request}"));
    paths.insert(format!("/console/people/{person}"));
    let lists = [
        "/console/groups",
        "/console/services",
        "/console/directory",
        "/console/roles",
        "/console/tokens",
        "/console/ledger/checkpoints",
        "/console/keys",
        "/console/settings",
    ];
    paths.extend(lists.map(str::to_owned));
    paths.insert(held(&setting, person, &text).await);
    paths.insert(format!(
        "/console/groups/{}",
        group(&setting.here, &text, &[&text]).await
    ));
    paths.insert(service(&setting, &text).await);
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
    for file in [
        "/console/ledger.csv?kind=all",
        "/console/people.csv",
        "/console/groups.csv",
        "/console/services.csv",
        "/console/usage.csv?by=model",
        "/console/statements.csv?from=2026-01-01&to=2027-01-01&by=person",
    ] {
        let sheet = owner.get(file).await;
        assert!(sheet.text.lines().count() > 1, "{file}: {}", sheet.text);
        for cell in sheet.text.split([',', '\n']) {
            assert!(!cell.trim_start_matches('"').starts_with('='), "{cell}");
        }
    }
    setting.end().await;
}

/// A role of a group and a token, both called so; the address that takes the role away.
async fn held(setting: &Setting, person: PersonId, text: &str) -> String {
    let (store, org, now) = (&setting.here.store, setting.here.org, SystemClock.now());
    let unix_ms = now.unix_ms().unsigned_abs();
    let binding = RoleBinding {
        id: BindingId::from_parts(unix_ms, SystemIds.random_bits()),
        role: Role::Auditor,
        holder: Holder::Group {
            issuer: text.to_owned(),
            group: text.to_owned(),
        },
        made_by: text.to_owned(),
        created: now,
    };
    store.add_role(org, &binding).await.unwrap();
    let token = PersonalToken {
        id: TokenId::from_parts(unix_ms, SystemIds.random_bits()),
        person,
        hash: person.to_string(),
        prefix: text.to_owned(),
        name: text.to_owned(),
        scopes: vec!["people.read".to_owned()],
        created: now,
        expires: now.plus_ms(1_000_000),
        last_used: None,
        revoked_at: None,
    };
    assert!(store.add_personal_token(org, &token).await.unwrap());
    let directory = ScimToken {
        id: TokenId::from_parts(unix_ms, SystemIds.random_bits()),
        token_hash: text.to_owned(),
        source: Source {
            issuer: "northwind".to_owned(),
            tenant: None,
        },
        name: text.to_owned(),
        prefix: text.to_owned(),
        made_by: text.to_owned(),
        created: now,
        expires: None,
        revoked_at: None,
        used_at: None,
    };
    store.add_scim_token(org, &directory).await.unwrap();
    format!("/console/roles/{}/take", binding.id)
}

/// A service of another issuer, and the address of its page.
async fn service(setting: &Setting, text: &str) -> String {
    let (store, org, now) = (&setting.here.store, setting.here.org, SystemClock.now());
    let new = ServiceId::from_parts(now.unix_ms().unsigned_abs(), SystemIds.random_bits());
    let id = store
        .ensure_service(org, text, text, new, now)
        .await
        .unwrap();
    format!("/console/services/{id}")
}

fn check(page: &super::setting::Seen, path: &str) {
    assert_eq!(page.status, 200, "{path}: {}", page.html().text);
    page.is_well_made(path);
    assert!(!page.text.contains("<img"), "{path}");
    assert!(!page.text.contains('\u{202e}'), "{path} turns round");
}

/// Pages with a query that is shown as it was written.
const QUERIES: &[&str] = &[
    "/console/tasks?state=",
    "/console/tasks?kind=",
    "/console/members?after=",
    "/console/people?q=",
    "/console/people?columns=",
    "/console/people?sort=",
    "/console/find?q=",
    "/console/groups?q=",
    "/console/groups?columns=",
    "/console/services?q=",
    "/console/services?columns=",
    "/console/services/new-key?service=",
    "/console/roles/give?person=",
    "/console/roles?done=",
    "/console/ledger/checkpoints?chain=",
    "/console/directory?done=",
    "/console/ledger?who=",
    "/console/ledger?model=",
    "/console/ledger?reason=",
    "/console/ledger?kind=",
    "/console/ledger?request=",
    "/console?period=",
    "/console/usage?period=",
    "/console/usage?by=group&groups=",
    "/console/requests?state=",
    "/console/approvals?state=",
    "/me/ask?thing=",
    "/me/ask?for=group&thing=",
];

/// Queries that no page takes.
const NOT_TAKEN: &[&str] = &[
    "/console/tasks?after=1.x",
    "/console/tasks?person=x",
    "/console/drills?after=x",
    "/console/people?after=x",
    "/console/groups?after=x",
    "/console/services?after=x",
    "/console/services?q=a%0Ab",
    "/console/tokens?person=x",
    "/console/tokens?after=x",
    "/console/ledger/checkpoints?after=x",
    "/me/tokens?after=x",
    "/console/roles/give?person=%E2%80%AE",
    "/console/ledger?after=1.2",
    "/console/people?q=a%0Ab",
    "/console/people?q=%E2%80%AE",
    "/console/sessions?person=x",
    "/console/usage?at=yesterday",
    "/console/usage?at=9999-01-01",
    "/console/usage?by=nobody",
    "/console/usage?by=group&groups=a%0Ab",
    "/console/usage.csv?by=%22",
    "/console/statements.csv?from=2026-02-01&to=2026-01-01&by=model",
    "/console/requests?after=x",
    "/console/approvals?after=x",
];

/// Places that are not there.
const NOT_THERE: &[&str] = &[
    "/console/tasks/x",
    "/console/tasks/tsk_00000000000000000000000000/done",
    "/console/acceptable-use/versions/x",
    "/console/acceptable-use/versions/9",
    "/console/members/findings.csv",
    "/console/people/x",
    "/console/groups/x",
    "/console/groups/grp_00000000000000000000000000",
    "/console/services/x",
    "/console/ledger/checkpoints/x",
    "/console/ledger/checkpoints/x.1",
    "/console/roles/x/take",
    "/console/roles/rol_00000000000000000000000000/take",
    "/console/tokens/x/revoke",
    "/me/tokens/tok_00000000000000000000000000/revoke",
    "/console/directory/tokens/tok_00000000000000000000000000/revoke",
    "/console/services/svc_00000000000000000000000000",
    "/console/services/svc_00000000000000000000000000/keys/x/revoke",
    "/console/people/per_00000000000000000000000000",
    "/console/ledger/1.2.none",
    "/console/ledger/x/why",
    "/console/sessions/x/end",
    "/console/people/x/end-connection?connector=crm",
    "/console/people/per_00000000000000000000000000/end-connection?connector=crm",
    "/console/requests/x",
    "/connect/x",
    "/connect/crm/x",
    "/approvals/x",
    "/approvals/apr_00000000000000000000000000",
    "/approvals/apr_00000000000000000000000000/change",
    "/console/requests/ask_00000000000000000000000000/grant",
    "/console/budgets/limits/x",
    "/console/budgets/limits/x/remove",
];

#[tokio::test]
async fn hostile_queries_are_shown_as_text_or_refused() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let marks: String =
        url::form_urlencoded::byte_serialize("\"><script>alert(1)</script>".as_bytes()).collect();
    for path in QUERIES.iter().copied() {
        let page = owner.get(&format!("{path}{marks}")).await;
        assert_eq!(page.status, 200, "{path}");
        page.is_well_made(path);
        assert!(!page.text.contains("<script>alert"), "{path}");
    }
    for path in NOT_TAKEN.iter().copied() {
        let page = owner.get(path).await;
        assert_eq!(page.status, 400, "{path}");
        page.is_well_made(path);
    }
    for path in NOT_THERE.iter().copied() {
        let page = owner.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        page.is_well_made(path);
    }
    setting.end().await;
}
