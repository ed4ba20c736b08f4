//! A second Doorward in a temporary folder, put together by the very wiring that `serve` uses: the same issuers and provider
//! credentials, an empty store and ledger of its own, and a recorder in each provider's place. So `doctor` proves what the real
//! code does without touching the real store, ledger or provider. Gone when it is dropped.

use std::sync::Arc;

use axum::body::Body;
use control::service_keys::{self, NewKey};
use control::{Actor, policies};
use domain::model::ModelPattern;
use http::{HeaderValue, Request, Response};
use pipeline::identity::Identity;
use secrecy::{ExposeSecret as _, SecretString};
use tower::ServiceExt as _;

use super::recorder::Recorder;
use crate::config::Config;
use crate::demo::world::TempFolder;
use crate::policy_command::Here;
use crate::system::{SystemClock, SystemIds};
use crate::wiring::{self, Wired};

const POLICY: &str = "[[grant]]\nname = \"doctor\"\nmodels = [\"claude-doctor-*\"]\n";
/// Where callers put credentials, besides the two headers that we read.
const CREDENTIAL_HEADERS: [&str; 12] = [
    "api-key",
    "cf-access-jwt-assertion",
    "cookie",
    "ocp-apim-subscription-key",
    "proxy-authorization",
    "x-amz-security-token",
    "x-auth-token",
    "x-doctor",
    "x-forwarded-access-token",
    "x-goog-api-key",
    "x-ms-token-aad-id-token",
    "x-original-authorization",
];

/// The second Doorward.
#[derive(Debug)]
pub(super) struct Scratch {
    wired: Wired,
    recorder: Recorder,
    /// What its one caller proves itself with.
    canary: SecretString,
    _folder: TempFolder,
}

impl Scratch {
    /// Puts it together. Errors are those that `serve` would meet with this configuration, but for the store and the ledger.
    pub(super) async fn set_up(config: &Config) -> anyhow::Result<Self> {
        let recorder = Recorder::start(&SystemIds).await?;
        let folder = TempFolder::new("doctor", &SystemIds)?;
        let config = apart(config, &folder, &recorder);
        let canary = admit(&config).await?;
        let wired = wiring::wire(&config, Arc::new(SystemClock), Arc::new(SystemIds)).await?;
        Ok(Self {
            wired,
            recorder,
            canary,
            _folder: folder,
        })
    }

    /// Who callers are, by the configured issuers.
    pub(super) fn identity(&self) -> &Identity {
        &self.wired.pipeline.identity
    }

    /// Everything the caller proves itself with, in every spelling it is sent in.
    pub(super) fn canary(&self) -> &str {
        self.canary.expose_secret()
    }

    /// Sends one request through every stage to an upstream, with the caller's credential in every header that could hold one.
    /// Returns the client's answer and what left.
    pub(super) async fn send(
        &self,
        upstream: usize,
    ) -> anyhow::Result<(Response<Body>, Option<super::recorder::Departed>)> {
        let body = format!(
            r#"{{"model":"claude-doctor-{upstream}","max_tokens":1,"messages":[{{"role":"user","content":"ping"}}]}}"#
        );
        let mut secret = HeaderValue::try_from(self.canary())?;
        secret.set_sensitive(true);
        let mut request = Request::post("/v1/messages?beta=true")
            .header("content-type", "application/json")
            .header("anthropic-version", "2023-06-01")
            .header("user-agent", "doorward-doctor")
            .header("authorization", format!("Bearer {}", self.canary()))
            .header("x-api-key", secret.clone())
            .body(Body::from(body))?;
        for name in CREDENTIAL_HEADERS {
            request.headers_mut().insert(name, secret.clone());
        }
        let answer = self.wired.router().oneshot(request).await?;
        Ok((answer, self.recorder.take(upstream)))
    }
}

/// The configuration with a place of its own, and the recorder where the providers were. Each upstream serves one model of its own,
/// so that a request can be sent to each of them.
fn apart(config: &Config, folder: &TempFolder, recorder: &Recorder) -> Config {
    let mut config = config.clone();
    let dir = folder.path().display();
    config.store.url = format!("sqlite:{dir}/doctor.db").into();
    config.store.master_key = None;
    config.ledger.dir = folder.path().join("ledger");
    config.ledger.otlp = None;
    config.admin_keys.clear();
    config.notices.clear();
    config.connector_secrets.clear();
    config.connector_clients.clear();
    config.connector_issuers.clear();
    config.connector_programs.clear();
    for (index, upstream) in config.upstreams.iter_mut().enumerate() {
        upstream.base_url = Some(recorder.base_of(index));
        upstream.resource = None;
        upstream.models = vec![ModelPattern(format!("claude-doctor-{index}"))];
        upstream.model_map.clear();
    }
    config
}

/// A policy and a caller of its own; what it proves itself with.
async fn admit(config: &Config) -> anyhow::Result<SecretString> {
    let control = wiring::admin(config, Arc::new(SystemClock), Arc::new(SystemIds)).await?;
    let actor = Actor::command_line("doctor");
    let operation = control.operation(&actor);
    let here = Here::of(config);
    policies::apply(&operation, POLICY, "to look at what leaves", None, &here).await?;
    let key = NewKey {
        name: "doctor".to_owned(),
        groups: std::collections::BTreeSet::new(),
        days: Some(1),
    };
    let (_, canary) = service_keys::create(&operation, key).await?;
    control.store.close().await;
    Ok(canary)
}
