//! What Claude's clients ask for beside inference, in the shapes of the reference gateway.
//!
//! | file | endpoint |
//! |---|---|
//! | [`settings`] | `GET /managed/settings` (Claude Code), `GET /user/bootstrap` (Claude Desktop) |
//! | [`usage`] | `GET /api/oauth/usage` |
//! | [`telemetry`] | `POST /v1/metrics`, `/v1/logs`, `/v1/traces` (OTLP) |
//! | [`spend_limits`] | `/v1/organizations/spend_limits…` (admin) |
//! | [`about`] | `/`, `/protocol`, `/api/hello` |

pub mod about;
pub mod settings;
pub mod spend_limits;
pub mod telemetry;
pub mod usage;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, map_response};
use axum::response::Response;
use axum::routing::{get, post};
use domain::policy::CallerPolicy;
use domain::{OrgId, RequestId, Subject, Timestamp, limits};
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};
use pipeline::identity::Verified;
use pipeline::{Call, Facts};
use store::Store;

use crate::answers;
use crate::inference::{Inference, refuse};
use spend_limits::AdminKey;

/// What these endpoints stand on.
#[derive(Debug)]
pub struct Contract {
    /// The organisation.
    pub org: OrgId,
    /// Its name, for pages.
    pub org_name: String,
    /// Our own origin.
    pub public_url: String,
    /// The inference door: pipeline, models, providers.
    pub door: Arc<Inference>,
    /// Spend limits.
    pub store: Store,
    /// What Claude Desktop is told of connectors' actions.
    pub actions: Arc<dyn settings::Actions>,
    /// Keys of the admin endpoints.
    pub admin_keys: Vec<AdminKey>,
    /// What clients delivered.
    pub telemetry: telemetry::Counted,
}

/// The endpoints.
pub fn routes(state: Arc<Contract>) -> Router {
    Router::new()
        .route("/", get(about::landing))
        .route("/protocol", get(about::protocol))
        .route("/api/hello", get(about::hello))
        .route("/managed/settings", get(settings::managed))
        .route("/user/bootstrap", get(settings::bootstrap))
        .route("/api/oauth/usage", get(usage::usage))
        .route("/v1/metrics", post(telemetry::metrics))
        .route("/v1/logs", post(telemetry::logs))
        .route("/v1/traces", post(telemetry::traces))
        .route(
            "/v1/organizations/spend_limits",
            get(spend_limits::read::list).post(spend_limits::write::upsert),
        )
        .route(
            "/v1/organizations/spend_limits/effective",
            get(spend_limits::effective::effective),
        )
        .route(
            "/v1/organizations/spend_limits/audit",
            get(spend_limits::read::audit),
        )
        .route(
            "/v1/organizations/spend_limits/{id}",
            get(spend_limits::read::one).delete(spend_limits::write::remove),
        )
        .with_state(state)
        .layer(from_fn(answers::in_envelope))
        .layer(map_response(keep_private))
}

/// What these endpoints say is one person's or the company's: no cache keeps it, no browser guesses what it is.
async fn keep_private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

impl Contract {
    /// The caller of an endpoint that reads, or the refusal's response.
    async fn caller(
        &self,
        facts: Facts,
        headers: &HeaderMap,
    ) -> Result<(Arc<Verified>, Arc<CallerPolicy>, RequestId), Response> {
        let call = Call::received(&self.door.pipeline, facts);
        let call = self
            .door
            .identify(call, headers)
            .await
            .map_err(refuse(facts.request))?;
        let (who, policy) = call.done();
        Ok((who, policy, facts.request))
    }

    /// Makes what is shown hold what was spent at other replicas by now: of one caller, or of everybody. A store that is slow or away
    /// leaves it as it is known here.
    async fn learn_from_others(&self, whose: Option<Subject>, now: Timestamp) {
        let pipeline = &self.door.pipeline;
        let chain = pipeline.ledger.chain().as_str();
        let learned = pipeline
            .quota
            .learn_from(&self.store, self.org, chain, whose, now);
        let limit = Duration::from_millis(limits::LEASE_CALL_MS);
        let _learned_or_late = tokio::time::timeout(limit, learned).await;
    }
}
