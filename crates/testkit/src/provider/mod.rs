//! A simulated Claude provider: the Messages API as Anthropic serves it, or as Azure Foundry does, with every fault on demand.
//!
//! What it answers follows from the prompt alone, so that a test can say what to expect. Written from the published API reference;
//! it holds no model. Called by tests and `doorward demo`; benches use [`BenchProvider`], which does nothing but answer.

mod answer;
pub mod bench;
mod cache;
mod door;
mod errors;
pub mod fault;
mod foundry;
mod models;
mod play;
mod prompt;
mod request;
pub mod seen;
mod stream;
pub mod wish;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::Clock;
use secrecy::SecretString;
use serde_json::Value;

pub use bench::{BenchProvider, BenchShape};
pub use fault::Fault;
pub use models::known_models;
pub use seen::{Ending, Seen};
pub use wish::Wish;

use crate::client::ClientError;
use crate::net::{Bound, Server};
use crate::token::Keys;
use cache::PromptCache;
use door::Door;
use seen::SeenLog;

/// The key every provider takes unless told otherwise. It opens nothing else.
pub const DEFAULT_KEY: &str = "testkit-provider-key";

/// Which vendor's front the provider has.
#[derive(Debug)]
enum Face {
    Anthropic,
    Foundry(foundry::Foundry),
}

/// What a provider is to be, before it starts.
#[derive(Debug)]
pub struct ProviderBuilder {
    face: Face,
    clock: Arc<dyn Clock>,
    keys: Vec<SecretString>,
    models: Vec<String>,
    keep_bodies: bool,
    port: u16,
}

impl ProviderBuilder {
    /// Takes this key, in `x-api-key` or as bearer (Foundry: in `api-key` or `x-api-key`), beside those named before. Without
    /// any it takes [`DEFAULT_KEY`].
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.keys.push(key.into());
        self
    }

    /// Serves this model beside the known ones. Foundry: has a deployment of this name.
    #[must_use]
    pub fn model(mut self, id: &str) -> Self {
        self.models.push(id.to_owned());
        self
    }

    /// Serves only these models.
    #[must_use]
    pub fn only_models(mut self, ids: &[&str]) -> Self {
        self.models = ids.iter().map(|id| (*id).to_owned()).collect();
        self
    }

    /// Keeps the bodies of requests, for [`Seen::body`]. Otherwise only their hashes are kept.
    #[must_use]
    pub const fn keep_bodies(mut self) -> Self {
        self.keep_bodies = true;
        self
    }

    /// Foundry: takes Entra tokens too, when these keys signed them, one of these issuers issued them, and they are for
    /// `https://ai.azure.com` (or the older `https://cognitiveservices.azure.com`).
    #[must_use]
    pub fn entra(mut self, keys: Keys, issuers: &[&str]) -> Self {
        if let Face::Foundry(foundry) = &mut self.face {
            foundry.trust(keys, issuers);
        }
        self
    }

    /// Foundry: only these applications (`appid` or `azp`) have a role on the resource; others get 403.
    #[must_use]
    pub fn role_for(mut self, client_ids: &[&str]) -> Self {
        if let Face::Foundry(foundry) = &mut self.face {
            foundry.grant_role(client_ids);
        }
        self
    }

    /// Foundry: keys are switched off (`disableLocalAuth`).
    #[must_use]
    pub fn without_keys(mut self) -> Self {
        if let Face::Foundry(foundry) = &mut self.face {
            foundry.switch_keys_off();
        }
        self
    }

    /// Listens on this port instead of any free one.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts it in the present Tokio runtime.
    ///
    /// Errors: the port is taken.
    pub fn start(mut self) -> io::Result<Provider> {
        if self.keys.is_empty() {
            self.keys.push(DEFAULT_KEY.into());
        }
        let bound = Bound::to(self.port)?;
        let core = Arc::new(Core {
            face: self.face,
            clock: self.clock,
            keys: self.keys,
            models: self.models,
            seen: SeenLog::new(self.keep_bodies),
            cache: PromptCache::default(),
            script: Mutex::default(),
        });
        let server = bound.serve(Door(Arc::clone(&core)))?;
        Ok(Provider { server, core })
    }
}

/// What the provider's requests share.
#[derive(Debug)]
struct Core {
    face: Face,
    clock: Arc<dyn Clock>,
    keys: Vec<SecretString>,
    models: Vec<String>,
    seen: SeenLog,
    cache: PromptCache,
    script: Mutex<Script>,
}

/// What a test has ordered for requests to come.
#[derive(Debug, Default)]
struct Script {
    standing: Option<Fault>,
    next: VecDeque<Fault>,
    lines: VecDeque<Line>,
}

/// An answer ordered word for word.
#[derive(Debug, Clone)]
enum Line {
    Text(String),
    ToolUse(String, Value),
}

impl Core {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no holder of this lock panics")
    }

    /// The fault ordered for the next request, if one is.
    fn next_fault(&self) -> Option<Fault> {
        let mut script = self.script();
        script.next.pop_front().or_else(|| script.standing.clone())
    }

    fn next_line(&self) -> Option<Line> {
        self.script().lines.pop_front()
    }
}

/// A running provider. Ends when dropped.
#[derive(Debug)]
pub struct Provider {
    server: Server,
    core: Arc<Core>,
}

impl Provider {
    /// Anthropic's own API: every model of the catalogue, `x-api-key` or bearer.
    pub fn anthropic(clock: Arc<dyn Clock>) -> ProviderBuilder {
        let models = known_models().map(str::to_owned).collect();
        Self::builder(Face::Anthropic, clock, models)
    }

    /// A Foundry resource without deployments; add them with [`ProviderBuilder::model`]. Its base is `{url}/anthropic`.
    pub fn foundry(clock: Arc<dyn Clock>) -> ProviderBuilder {
        Self::builder(
            Face::Foundry(foundry::Foundry::default()),
            clock,
            Vec::new(),
        )
    }

    fn builder(face: Face, clock: Arc<dyn Clock>, models: Vec<String>) -> ProviderBuilder {
        ProviderBuilder {
            face,
            clock,
            keys: Vec::new(),
            models,
            keep_bodies: false,
            port: 0,
        }
    }

    /// Where it listens, without a slash at the end.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Plays this fault on every request from now on, until [`Provider::heal`].
    pub fn fault(&self, fault: Fault) {
        self.core.script().standing = Some(fault);
    }

    /// Plays this fault on the next request only; several queue up.
    pub fn fault_next(&self, fault: Fault) {
        self.core.script().next.push_back(fault);
    }

    /// Forgets all ordered faults and answers.
    pub fn heal(&self) {
        let mut script = self.core.script();
        script.standing = None;
        script.next.clear();
        script.lines.clear();
    }

    /// Answers the next Messages request with this text; several queue up.
    pub fn say_next(&self, text: &str) {
        self.core
            .script()
            .lines
            .push_back(Line::Text(text.to_owned()));
    }

    /// Answers the next Messages request with the use of a tool; several queue up.
    pub fn use_tool_next(&self, name: &str, input: Value) {
        self.core
            .script()
            .lines
            .push_back(Line::ToolUse(name.to_owned(), input));
    }

    /// Every request so far, in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.core.seen.all()
    }

    /// The latest request.
    pub fn last_seen(&self) -> Option<Seen> {
        self.core.seen.all().pop()
    }

    /// Forgets the requests so far; [`Provider::wait_for`] counts anew.
    pub fn forget(&self) {
        self.core.seen.forget();
    }

    /// Waits until at least `n` requests have arrived, and returns all.
    ///
    /// Errors: they do not come in time.
    pub async fn wait_for(&self, n: usize) -> Result<Vec<Seen>, ClientError> {
        self.wait_until(|seen| seen.len() >= n).await
    }

    /// Waits until at least `n` requests have ended, one way or another, and returns all.
    ///
    /// Errors: they do not end in time.
    pub async fn wait_ended(&self, n: usize) -> Result<Vec<Seen>, ClientError> {
        let ended = |seen: &[Seen]| seen.iter().filter(|one| one.ending.is_some()).count() >= n;
        self.wait_until(ended).await
    }

    /// Waits until the requests seen are as wanted, and returns all.
    ///
    /// Errors: they do not become so in time.
    pub async fn wait_until(
        &self,
        wanted: impl Fn(&[Seen]) -> bool,
    ) -> Result<Vec<Seen>, ClientError> {
        self.core.seen.wait_until(wanted).await
    }

    /// Cuts open connections and refuses new ones.
    pub async fn refuse_connections(&self) {
        self.server.refuse_connections().await;
    }

    /// Takes connections again on the same port.
    pub async fn accept_connections(&self) {
        self.server.accept_connections().await;
    }

    /// Ends it; returns when its port is closed.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}
