//! A running Doorward with people of every role, another organisation in the same store, and something of each noun to name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use control::acceptable_use::draft::{Publishing, publish_draft};
use control::roles::Holder;
use control::service_keys::NewKey;
use control::spend_limits::Scope;
use control::tokens::NewToken;
use control::{Actor, Control, Right, Role, policies, roles, service_keys, spend_limits, tokens};
use domain::acceptable_use::Installation;
use domain::window::Period;
use domain::{
    Caller, Clock as _, Credential, DirectoryGroupId, DirectoryUserId, Ids as _, OrgId, PersonId,
    SessionId, Subject,
};
use pipeline::identity::Sessions;
use secrecy::ExposeSecret as _;
use serde_json::json;
use server::demo::world::World;
use server::system::{SystemClock, SystemIds};
use store::{GroupWrite, LedgerRow, NewUser, Seen, Session, Source, UserState, UserWrite};

use super::agreed::{
    access_request, approval, connector, draft, grant, list_checked, listed, task, use_version,
};

/// Everything.
pub(super) struct Setting {
    pub(super) world: World,
    /// Our organisation, as its machine reaches it.
    pub(super) here: Control,
    /// Another one in the same store.
    pub(super) elsewhere: Control,
    /// A bearer of each role.
    pub(super) bearers: BTreeMap<&'static str, String>,
    /// The people behind them.
    pub(super) people: BTreeMap<&'static str, PersonId>,
}

/// The machine itself.
pub(crate) fn machine() -> Actor {
    Actor::command_line("the test")
}

/// What a person has that operations name.
#[derive(Debug, Clone)]
pub(crate) struct Things {
    pub(crate) person: String,
    pub(crate) session: String,
    pub(crate) token: String,
    pub(crate) service_key: String,
    pub(crate) binding: String,
    pub(crate) spend_limit: String,
    pub(crate) spend_limit_version: String,
    pub(crate) directory_token: String,
    pub(crate) group: String,
    pub(crate) checkpoint: String,
    /// The number of the acceptable-use policy in force; none of an organisation's that has none.
    pub(crate) use_version: String,
    /// The `ETag` of its draft.
    pub(crate) use_tag: String,
    pub(crate) task: String,
    /// Something that the person asks for, and that nobody has answered.
    pub(crate) access_request: String,
    pub(crate) approval: String,
    /// A connector of the policy, which another organisation has not.
    pub(crate) connector: String,
    /// An action that it lists.
    pub(crate) action: String,
}

impl Setting {
    pub(super) async fn set() -> Self {
        let world = World::start(0).await.unwrap();
        let here = world.running.wired.control();
        let new = OrgId::from_parts(1, SystemIds.random_bits());
        let other = here.store.ensure_org("Elsewhere", new).await.unwrap();
        let elsewhere = Control {
            org: other,
            ..here.clone()
        };
        let mut setting = Self {
            world,
            here,
            elsewhere,
            bearers: BTreeMap::new(),
            people: BTreeMap::new(),
        };
        for role in Role::ALL.iter().copied() {
            let person = person(&setting.here, role.as_str()).await;
            if role != Role::Member {
                give(&setting.here, role, person).await;
            }
            let sessions = setting.world.running.wired.sessions();
            let bearer = bearer(&setting.here, sessions, person).await;
            setting.bearers.insert(role.as_str(), bearer);
            setting.people.insert(role.as_str(), person);
        }
        // Tokens that may less than whose they are.
        for (who, role, scopes) in [
            ("member's token", "member", &[Right::OwnRead][..]),
            (
                "owner's token",
                "owner",
                &[Right::OwnRead, Right::PeopleRead, Right::PeopleWrite],
            ),
        ] {
            let person = setting.people[role];
            let (_, bearer) = token(&setting.here, person, scopes).await;
            setting.bearers.insert(who, bearer);
            setting.people.insert(who, person);
        }
        let stranger = person(&setting.elsewhere, "owner-elsewhere").await;
        give(&setting.elsewhere, Role::Owner, stranger).await;
        let token = token(&setting.elsewhere, stranger, &[Right::PeopleRead]).await;
        setting.bearers.insert("owner elsewhere", token.1);
        let key = NewKey {
            name: "robot".to_owned(),
            groups: BTreeSet::new(),
            days: None,
        };
        let machine = machine();
        let made = service_keys::create(&setting.here.operation(&machine), key).await;
        let key = made.unwrap().1.expose_secret().to_owned();
        setting.bearers.insert("service", key);
        let tag = draft(&setting.here, "first").await;
        let publishing = Publishing {
            expected: tag.parse().unwrap(),
            reason: "a test",
            keeps_acceptances: false,
        };
        let (operation, installation) = (setting.here.operation(&machine), Installation::default());
        let published = publish_draft(&operation, publishing, &installation);
        published.await.unwrap();
        list_checked(&setting.here).await;
        setting
    }

    /// Somebody's client.
    pub(super) fn client(&self, who: &str) -> testkit::Actor {
        match self.bearers.get(who) {
            Some(bearer) => testkit::Actor::with_bearer(&self.world.base, bearer),
            None => testkit::Actor::anonymous(&self.world.base),
        }
    }

    pub(super) async fn stop(self) {
        self.world.stop(Duration::from_secs(2)).await.unwrap();
    }
}

/// A person of an organisation.
pub(crate) async fn person(control: &Control, name: &str) -> PersonId {
    let new = PersonId::from_parts(
        SystemClock.now().unix_ms().unsigned_abs(),
        SystemIds.random_bits(),
    );
    let email = format!("{name}@example.org");
    let seen = Seen {
        org: control.org,
        issuer: "northwind",
        stable_id: &new.to_string(),
        email: Some(&email),
        name: None,
        groups: &BTreeSet::new(),
        stated: SystemClock.now(),
        made: SystemClock.now(),
        at: SystemClock.now(),
    };
    control.store.upsert_person(seen, new).await.unwrap().id
}

/// What a person who has signed in brings.
pub(crate) async fn bearer(control: &Control, sessions: &Sessions, person: PersonId) -> String {
    let caller = caller(control, person).await;
    let signed_in = sessions.start(&caller, "test").await;
    signed_in.unwrap().access.expose_secret().to_owned()
}

/// The person as a sign-in proves them.
async fn caller(control: &Control, person: PersonId) -> Caller {
    let person = control.store.person(control.org, person).await;
    let person = person.unwrap().unwrap();
    Caller {
        org: person.org,
        subject: Subject::Person(person.id),
        stable_id: person.stable_id.into(),
        issuer: person.issuer.into(),
        email: person.email.map(Into::into),
        name: None,
        groups: BTreeSet::new(),
        session: None,
        credential: Credential::Session,
    }
}

pub(crate) async fn give(control: &Control, role: Role, person: PersonId) -> String {
    let machine = machine();
    let operation = control.operation(&machine);
    let given = roles::grant(&operation, role, Holder::Person(person), "a test").await;
    given.unwrap().binding.id.to_string()
}

/// A person's token: its id, and itself.
pub(crate) async fn token(
    control: &Control,
    person: PersonId,
    scopes: &[Right],
) -> (String, String) {
    let owner = Actor::person(person, "somebody", BTreeSet::from([Role::Owner]));
    let new = NewToken {
        name: "a test".to_owned(),
        scopes: scopes.iter().copied().collect(),
        days: 1,
    };
    let made = tokens::create(&control.operation(&owner), new).await;
    let (token, secret) = made.unwrap();
    (token.id.to_string(), secret.expose_secret().to_owned())
}

/// New things of an organisation and of somebody new in it, each there once and for this alone.
pub(crate) async fn things(control: &Control) -> Things {
    things_of(control, person(control, "somebody").await).await
}

/// As [`things`], of this person.
pub(crate) async fn things_of(control: &Control, owner: PersonId) -> Things {
    let machine = machine();
    let operation = control.operation(&machine);
    let now = SystemClock.now();
    let session = SessionId::from_parts(now.unix_ms().unsigned_abs(), SystemIds.random_bits());
    let row = Session {
        id: session,
        person: owner,
        client: "test".to_owned(),
        created: now,
        ended_at: None,
    };
    let refresh = session.to_string();
    let begun = control
        .store
        .create_session(control.org, &row, &refresh, now);
    begun.await.unwrap();
    let key = NewKey {
        name: format!("nightly {session}"),
        groups: BTreeSet::new(),
        days: Some(1),
    };
    let key = service_keys::create(&operation, key).await.unwrap().0;
    let scope = Scope::User(session.to_string());
    let limit = spend_limits::create(&operation, &scope, Period::Monthly, Some("100")).await;
    let limit = limit.unwrap();
    let connector = connector(control).await;
    grant(control, owner, &connector).await;
    Things {
        person: owner.to_string(),
        session: session.to_string(),
        token: token(control, owner, &[Right::PolicyRead]).await.0,
        service_key: key.prefix,
        binding: give(control, Role::Auditor, person(control, "else").await).await,
        spend_limit_version: spend_limits::version(&limit),
        spend_limit: limit.id.to_string(),
        directory_token: directory_token(control).await,
        group: group(control, &session.to_string(), &[]).await,
        checkpoint: checkpoint(control, &session.to_string()).await,
        use_version: use_version(control).await,
        use_tag: draft(control, &session.to_string()).await,
        task: task(control, &format!("{session}@leaves.example")).await,
        access_request: access_request(control, owner, &session.to_string()).await,
        approval: approval(control, owner, &session.to_string()).await,
        connector,
        action: listed(control, &session.to_string()).await,
    }
}

/// A checkpoint of a chain of its own, whose record is the copy's first of it.
async fn checkpoint(control: &Control, replica: &str) -> String {
    let (chain, now) = (format!("{replica}.1"), SystemClock.now());
    let signed = json!({
        "chain": chain, "seq": 0, "hash": "0".repeat(64), "time": now,
        "key": "0".repeat(16), "signature": format!("{}==", "A".repeat(86)),
    });
    let body =
        format!(r#"{{"kind":"system","event":"checkpoint","version":"1","checkpoint":{signed}}}"#);
    let row = LedgerRow {
        org: control.org,
        at: now,
        seq: 1,
        kind: "system".to_owned(),
        request_id: None,
        subject: None,
        body,
    };
    let batch = store::ledger::Batch {
        rows: vec![row],
        ..store::ledger::Batch::default()
    };
    assert!(control.store.ship(&chain, 1, 2, &batch).await.unwrap());
    format!("{chain}.0")
}

/// A group of the directory with users of these names in it, whom it provisions with it.
pub(crate) async fn group(control: &Control, name: &str, user_names: &[&str]) -> String {
    let (now, org) = (SystemClock.now(), control.org);
    let source = Source {
        issuer: "northwind".to_owned(),
        tenant: None,
    };
    let unix_ms = now.unix_ms().unsigned_abs();
    let mut members = BTreeSet::new();
    for user_name in user_names {
        let new = NewUser {
            user: DirectoryUserId::from_parts(unix_ms, SystemIds.random_bits()),
            person: PersonId::from_parts(unix_ms, SystemIds.random_bits()),
        };
        let state = UserState {
            user_name,
            external_id: Some(user_name),
            active: true,
            body: "{}",
            email: Some(user_name),
            name: None,
        };
        let added = control
            .store
            .add_directory_user(org, &source, new, state, now)
            .await
            .unwrap();
        assert!(matches!(added, UserWrite::Done(_)), "{added:?}");
        members.insert(new.user.to_string());
    }
    let id = DirectoryGroupId::from_parts(unix_ms, SystemIds.random_bits());
    let names = (name, None);
    let added = control
        .store
        .add_directory_group(org, &source, id, names, members, now)
        .await
        .unwrap();
    assert!(matches!(added, GroupWrite::Done(_)), "{added:?}");
    id.to_string()
}

/// The one token of a directory; those before it are taken away.
async fn directory_token(control: &Control) -> String {
    use control::scim_tokens::{self, NewScimToken};
    let machine = machine();
    let operation = control.operation(&machine);
    for old in scim_tokens::list(&operation).await.unwrap() {
        if old.revoked_at.is_none() {
            let id = old.id.to_string();
            scim_tokens::revoke(&operation, &id, "a test")
                .await
                .unwrap();
        }
    }
    let new = NewScimToken {
        issuer: "northwind".to_owned(),
        tenant: None,
        name: "a test".to_owned(),
        days: Some(1),
    };
    let made = scim_tokens::create(&operation, &control.vouching, new)
        .await
        .unwrap();
    made.0.id.to_string()
}

/// The policy in force: its version and text.
pub(crate) async fn policy(control: &Control) -> (u64, String) {
    let machine = machine();
    let latest = policies::latest(&control.operation(&machine)).await;
    let latest = latest.unwrap().unwrap();
    (latest.version, latest.text)
}
