//! What an identity provider remembers: its people, applications, keys, codes and refresh tokens, and its addresses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::{Clock, Ids, Timestamp};

use super::fault::{Endpoint, Faults};
use super::{App, IdpBuilder, Person};
use crate::limits::GRANTS_MAX;
use crate::token::{Algorithm, Key, Keys, b64};

/// Entra's tenant of personal accounts; its keys are good for it alone.
const CONSUMER_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

#[derive(Debug, Clone)]
pub(crate) enum Flavour {
    Plain,
    Entra { tid: String, literal: bool },
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) origin: String,
    pub(crate) flavour: Flavour,
    pub(crate) clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    pub(crate) keys: Keys,
    pub(crate) faults: Faults,
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    signing: Key,
    keys_made: u32,
    people: Vec<Person>,
    apps: HashMap<String, App>,
    codes: HashMap<String, Grant>,
    refresh: HashMap<String, Grant>,
    promises_issuer: bool,
    stated_issuer: Option<String>,
    habits: Habits,
}

/// How the provider treats whoever signed in before.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Habits {
    pub(crate) remembers: bool,
    pub(crate) ignores_prompts: bool,
    pub(crate) hides_auth_time: bool,
}

/// What a code or refresh token stands for.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) login: String,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) scope: String,
    pub(crate) resource: Option<String>,
    pub(crate) issued: Timestamp,
    /// When the person pressed their button, which a remembered sign-in did long ago.
    pub(crate) auth_time: Timestamp,
}

impl State {
    pub(crate) fn new(origin: String, built: IdpBuilder) -> Self {
        let signing = Key::generate(built.algorithm, "key-1");
        let state = Self {
            origin,
            flavour: built.flavour,
            clock: built.clock,
            ids: built.ids,
            keys: Keys::default(),
            faults: Faults::default(),
            memory: Mutex::new(Memory {
                signing: signing.clone(),
                keys_made: 1,
                people: built.people,
                apps: built
                    .apps
                    .into_iter()
                    .map(|app| (app.client_id.clone(), app))
                    .collect(),
                codes: HashMap::new(),
                refresh: HashMap::new(),
                promises_issuer: false,
                stated_issuer: None,
                habits: Habits::default(),
            }),
        };
        if let Flavour::Entra { .. } = state.flavour {
            let consumer = Key::generate(Algorithm::Es256, "consumer-key");
            let issuer = format!("{}/{CONSUMER_TENANT}/v2.0", state.login_base());
            state.keys.publish_for(consumer, Some(issuer));
        }
        state.keys.publish_for(signing, state.key_issuer());
        state
    }

    /// The `issuer` member of our own keys: Entra's template, or none.
    fn key_issuer(&self) -> Option<String> {
        match &self.flavour {
            Flavour::Plain => None,
            Flavour::Entra { .. } => Some(format!("{}/{{tenantid}}/v2.0", self.login_base())),
        }
    }

    fn login_base(&self) -> &str {
        match &self.flavour {
            Flavour::Entra { literal: true, .. } => "https://login.microsoftonline.com",
            _ => &self.origin,
        }
    }

    pub(crate) fn issuer_of(&self, tid: &str) -> String {
        match &self.flavour {
            Flavour::Plain => self.origin.clone(),
            Flavour::Entra { .. } => format!("{}/{tid}/v2.0", self.login_base()),
        }
    }

    pub(crate) fn issuer_v1_of(&self, tid: &str) -> String {
        match &self.flavour {
            Flavour::Plain => self.origin.clone(),
            Flavour::Entra { literal: true, .. } => format!("https://sts.windows.net/{tid}/"),
            Flavour::Entra { .. } => format!("{}/sts/{tid}/", self.origin),
        }
    }

    /// The home tenant; empty for a plain provider.
    pub(crate) fn tid(&self) -> &str {
        match &self.flavour {
            Flavour::Plain => "",
            Flavour::Entra { tid, .. } => tid,
        }
    }

    pub(crate) const fn is_entra(&self) -> bool {
        matches!(self.flavour, Flavour::Entra { .. })
    }

    pub(crate) fn issuer(&self) -> String {
        self.issuer_of(self.tid())
    }

    pub(crate) fn issuer_v1(&self) -> String {
        self.issuer_v1_of(self.tid())
    }

    pub(crate) fn discovery_url(&self) -> String {
        self.place(
            "/v2.0/.well-known/openid-configuration",
            "/.well-known/openid-configuration",
        )
    }

    pub(crate) fn token_url(&self) -> String {
        self.place("/oauth2/v2.0/token", "/token")
    }

    pub(crate) fn authorize_url(&self) -> String {
        self.place("/oauth2/v2.0/authorize", "/authorize")
    }

    fn place(&self, entra: &str, plain: &str) -> String {
        match &self.flavour {
            Flavour::Plain => format!("{}{plain}", self.origin),
            Flavour::Entra { tid, .. } => format!("{}/{tid}{entra}", self.origin),
        }
    }

    /// Which endpoint a path is.
    pub(crate) fn endpoint(&self, path: &str) -> Option<Endpoint> {
        if !self.is_entra() {
            return Some(match path {
                "/.well-known/openid-configuration" => Endpoint::Discovery,
                "/jwks" => Endpoint::Jwks,
                "/authorize" => Endpoint::Authorize,
                "/token" => Endpoint::Token,
                "/userinfo" => Endpoint::Userinfo,
                _ => return None,
            });
        }
        let below = path.strip_prefix('/').and_then(|rest| rest.split_once('/'));
        let (first, rest) = below?;
        Some(match (first, rest) {
            ("v1.0", _) => Endpoint::Graph,
            ("claim-source", _) => Endpoint::ClaimSource,
            ("oidc", "userinfo") => Endpoint::Userinfo,
            (_, ".well-known/openid-configuration" | "v2.0/.well-known/openid-configuration") => {
                Endpoint::Discovery
            }
            (_, "discovery/keys" | "discovery/v2.0/keys") => Endpoint::Jwks,
            (_, "oauth2/authorize" | "oauth2/v2.0/authorize") => Endpoint::Authorize,
            (_, "oauth2/token" | "oauth2/v2.0/token") => Endpoint::Token,
            _ => return None,
        })
    }

    pub(crate) fn signing_key(&self) -> Key {
        self.memory().signing.clone()
    }

    pub(crate) fn rotate(&self, algorithm: Algorithm, announced: bool) {
        let mut memory = self.memory();
        memory.keys_made += 1;
        let key = Key::generate(algorithm, &format!("key-{}", memory.keys_made));
        memory.signing = key.clone();
        drop(memory);
        if announced {
            self.keys.publish_for(key, self.key_issuer());
        }
    }

    pub(crate) fn promise_issuer(&self, promises: bool) {
        self.memory().promises_issuer = promises;
    }

    pub(crate) fn promises_issuer(&self) -> bool {
        self.memory().promises_issuer
    }

    pub(crate) fn state_issuer(&self, stated: Option<&str>) {
        self.memory().stated_issuer = stated.map(str::to_owned);
    }

    pub(crate) fn stated_issuer(&self) -> Option<String> {
        self.memory().stated_issuer.clone()
    }

    pub(crate) fn habits(&self) -> Habits {
        self.memory().habits
    }

    pub(crate) fn change_habits(&self, change: impl FnOnce(&mut Habits)) {
        change(&mut self.memory().habits);
    }

    pub(crate) fn register(&self, app: App) {
        self.memory().apps.insert(app.client_id.clone(), app);
    }

    pub(crate) fn app(&self, client_id: &str) -> Option<App> {
        self.memory().apps.get(client_id).cloned()
    }

    pub(crate) fn enrol(&self, person: Person) {
        let mut memory = self.memory();
        memory.people.retain(|known| known.login != person.login);
        memory.people.push(person);
    }

    pub(crate) fn people(&self) -> Vec<Person> {
        self.memory().people.clone()
    }

    pub(crate) fn person(&self, who: &str) -> Option<Person> {
        self.memory()
            .people
            .iter()
            .find(|person| person.is(who))
            .cloned()
    }

    pub(crate) fn disable(&self, who: &str) {
        for person in &mut self.memory().people {
            person.disabled |= person.is(who);
        }
    }

    pub(crate) fn keep_code(&self, grant: Grant) -> String {
        let code = self.secret();
        keep(&mut self.memory().codes, &code, grant);
        code
    }

    pub(crate) fn take_code(&self, code: &str) -> Option<Grant> {
        self.memory().codes.remove(code)
    }

    pub(crate) fn keep_refresh(&self, grant: Grant) -> String {
        let token = self.secret();
        keep(&mut self.memory().refresh, &token, grant);
        token
    }

    pub(crate) fn take_refresh(&self, token: &str) -> Option<Grant> {
        self.memory().refresh.remove(token)
    }

    /// A fresh unguessable text.
    pub(crate) fn secret(&self) -> String {
        let mut bytes = [0u8; 24];
        self.ids.fill(&mut bytes);
        b64(bytes)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no holder of this lock panics")
    }
}

fn keep(grants: &mut HashMap<String, Grant>, name: &str, grant: Grant) {
    if grants.len() >= GRANTS_MAX {
        grants.clear();
    }
    grants.insert(name.to_owned(), grant);
}
