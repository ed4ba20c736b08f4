//! What the identity tests share: an identity stage with everything behind it, and short words for asking it.

mod assertions;
mod attacks;
mod directory;
mod entra;
mod fetching;
mod forgeries;
mod keys;
mod people;
mod revoking;
mod sessions;
mod signatures;
mod workloads;

use std::sync::Arc;

use domain::{Caller, Clock, OrgId, PersonId, ReasonCode, Refusal, Subject};
use http::{HeaderMap, HeaderValue};
use pipeline::identity::{
    Identity, IssuerConfig, Revocations, SessionTokens, Sessions, Setup, SigningKey, Verified,
};
use secrecy::ExposeSecret;
use serde_json::Value;
use store::Store;
use testkit::idp::{IdpBuilder, Person};
use testkit::{FakeClock, Idp, SeededIds};

/// The application that tokens are made for.
pub(crate) const AUDIENCE: &str = "6f1c0d7a-doorward";
/// Our own address.
pub(crate) const PUBLIC_URL: &str = "https://doorward.northwind.example";

/// One replica: identity and all it stands on.
pub(crate) struct Rig {
    pub(crate) clock: FakeClock,
    pub(crate) idp: Idp,
    pub(crate) store: Store,
    pub(crate) identity: Arc<Identity>,
    pub(crate) sessions: Sessions,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) tokens: Arc<SessionTokens>,
    pub(crate) org: OrgId,
    folder: Arc<tempfile::TempDir>,
}

impl Rig {
    /// With a plain provider that signs with ES256 and knows Ada, Grace and Alan.
    pub(crate) async fn new() -> Self {
        Self::with(IdpBuilder::es256, |idp| vec![generic(idp)]).await
    }

    /// With a provider and issuers of the test's choice.
    pub(crate) async fn with(
        build: impl FnOnce(IdpBuilder) -> IdpBuilder,
        issuers: impl FnOnce(&Idp) -> Vec<IssuerConfig>,
    ) -> Self {
        let clock = FakeClock::new();
        let ids = Arc::new(SeededIds::new(1));
        let builder =
            Idp::builder(Arc::new(clock.clone()), ids).people(testkit::idp::demo_people());
        let idp = build(builder).start().unwrap();
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let issuers = issuers(&idp);
        Self::start(clock, idp, folder, issuers, 2).await
    }

    async fn start(
        clock: FakeClock,
        idp: Idp,
        folder: Arc<tempfile::TempDir>,
        issuers: Vec<IssuerConfig>,
        seed: u64,
    ) -> Self {
        let path = folder.path().join("store.db");
        let store = Store::open(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
        let org = store
            .ensure_org("northwind", OrgId::from_parts(1, 1))
            .await
            .unwrap();
        let replica = replica(&clock, &store, org, issuers, seed);
        replica.revocations.refresh(&store).await.unwrap();
        replica.identity.refresh_memberships().await.unwrap();
        let Replica {
            identity,
            sessions,
            revocations,
            tokens,
        } = replica;
        Self {
            clock,
            idp,
            store,
            identity,
            sessions,
            revocations,
            tokens,
            org,
            folder,
        }
    }

    /// A second replica on the same store and provider.
    pub(crate) async fn replica(&self, seed: u64) -> Replica {
        self.replica_at(&self.clock, seed).await
    }

    /// A second replica with a clock of its own.
    pub(crate) async fn replica_at(&self, clock: &FakeClock, seed: u64) -> Replica {
        let replica = replica(clock, &self.store, self.org, vec![generic(&self.idp)], seed);
        replica.revocations.refresh(&self.store).await.unwrap();
        replica.identity.refresh_memberships().await.unwrap();
        replica
    }

    /// The same store opened by a program that has just started.
    pub(crate) async fn restarted(self) -> Self {
        let Self {
            clock,
            idp,
            folder,
            store,
            ..
        } = self;
        store.close().await;
        let issuers = vec![generic(&idp)];
        Self::start(clock, idp, folder, issuers, 3).await
    }

    /// The ID token of a person, with claims changed.
    pub(crate) fn token(&self, who: &str, change: &Value) -> String {
        self.idp.mint(&self.claims(who, change))
    }

    /// The claims of an ID token of a person, changed; null takes a claim away.
    pub(crate) fn claims(&self, who: &str, change: &Value) -> Value {
        let person: Person = self.idp.person(who).unwrap();
        changed(self.idp.id_claims(&person, AUDIENCE), change)
    }

    /// Asks with a bearer.
    pub(crate) async fn ask(&self, token: &str) -> Result<Arc<Verified>, ReasonCode> {
        ask(&self.identity, token)
            .await
            .map_err(|refusal| refusal.code())
    }

    /// Asks with a bearer that must be believed.
    pub(crate) async fn caller(&self, token: &str) -> Arc<Caller> {
        let verified = ask(&self.identity, token)
            .await
            .map_err(|refusal| refusal.sentence())
            .unwrap();
        Arc::clone(&verified.caller)
    }

    /// Asks with a bearer that must be refused.
    pub(crate) async fn refusal(&self, token: &str) -> Refusal {
        ask(&self.identity, token)
            .await
            .map(|verified| verified.caller.clone())
            .expect_err("the token is refused")
    }

    /// An administrator takes a person's access away, and this replica hears of it.
    pub(crate) async fn shut_out(&self, person: PersonId) {
        let now = self.clock.now();
        let known = self.store.shut_out(self.org, person, now, "left");
        assert!(known.await.unwrap());
        self.revocations.refresh(&self.store).await.unwrap();
    }

    /// A person is signed out everywhere, and this replica hears of it.
    pub(crate) async fn sign_out(&self, person: PersonId) {
        let (now, target) = (self.clock.now(), store::Target::Person(person));
        let revoked = self.store.revoke(self.org, &target, now, "asked for");
        revoked.await.unwrap();
        self.revocations.refresh(&self.store).await.unwrap();
    }

    /// A person signed in through the browser.
    pub(crate) async fn signed_in(&self, who: &str) -> Caller {
        let token = self.token(who, &serde_json::json!({"nonce": "n-1", "aud": "console"}));
        self.identity
            .sign_in(&self.identity.issuers()[0], &token, "n-1")
            .await
            .unwrap()
    }
}

/// Identity and sessions without a provider of their own.
pub(crate) struct Replica {
    pub(crate) identity: Arc<Identity>,
    pub(crate) sessions: Sessions,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) tokens: Arc<SessionTokens>,
}

fn replica(
    clock: &FakeClock,
    store: &Store,
    org: OrgId,
    issuers: Vec<IssuerConfig>,
    seed: u64,
) -> Replica {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let ids = Arc::new(SeededIds::new(seed));
    let key = signing_key(7);
    let tokens =
        Arc::new(SessionTokens::new(org, PUBLIC_URL, vec![key], Arc::clone(&clock)).unwrap());
    let revocations = Arc::new(Revocations::new(org, Arc::clone(&clock)));
    let vouching = pipeline::identity::config::vouching(&issuers);
    let identity = Identity::new(Setup {
        org,
        issuers,
        vouching: vouching.clone(),
        tokens: Arc::clone(&tokens),
        revocations: Arc::clone(&revocations),
        store: store.clone(),
        clock: Arc::clone(&clock),
        ids: ids.clone(),
    });
    let sessions = Sessions::new(
        org,
        store.clone(),
        vouching,
        Arc::clone(&tokens),
        Arc::clone(&revocations),
        clock,
        ids,
    );
    Replica {
        identity: Arc::new(identity.unwrap()),
        sessions,
        revocations,
        tokens,
    }
}

/// The Ed25519 key that follows from a seed.
pub(crate) fn signing_key(seed: u64) -> SigningKey {
    let pkcs8 = SigningKey::generate(&SeededIds::new(seed)).unwrap();
    SigningKey::from_pkcs8(pkcs8.expose_secret()).unwrap()
}

/// A plain provider as an issuer, for requests and for sign-in.
pub(crate) fn generic(idp: &Idp) -> IssuerConfig {
    let mut config = IssuerConfig::new("northwind", &idp.issuer(), &[AUDIENCE]);
    config.client_id = Some("console".to_owned());
    config
}

/// A document with members changed; null takes one away.
pub(crate) fn changed(mut document: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        let members = document.as_object_mut().unwrap();
        if value.is_null() {
            members.shift_remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    document
}

pub(crate) fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        "authorization",
        HeaderValue::from_str(&format!("Bearer {token}")).unwrap(),
    );
    headers
}

pub(crate) async fn ask(identity: &Identity, token: &str) -> Result<Arc<Verified>, Refusal> {
    Ok(identity.identify(&bearer(token)).await?)
}

pub(crate) fn person_of(caller: &Caller) -> PersonId {
    let person = match caller.subject {
        Subject::Person(id) => Some(id),
        Subject::Service(_) => None,
    };
    person.unwrap()
}
