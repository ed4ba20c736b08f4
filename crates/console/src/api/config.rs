//! The organisation, its settings, and what is configured: issuers, upstreams, models. Read only, and never a secret.

use axum::Json;
use control::installation::{self, IssuerFact, ModelFact, UpstreamFact};
use serde::Serialize;
use utoipa::ToSchema;

use super::call::Call;
use super::page::Page;
use crate::Problem;

/// The organisation.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrgView {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
}

/// The organisation that this request is of. There is no way to another.
#[utoipa::path(get, path = "/org", operation_id = "org_read", tag = "org", responses((status = 200, body = OrgView)))]
pub async fn org(call: Call) -> Result<Json<OrgView>, Problem> {
    let operation = call.operation();
    let facts = installation::settings(&operation, call.installation())?;
    Ok(Json(OrgView {
        id: operation.org.to_string(),
        name: facts.org_name.clone(),
    }))
}

/// Settings as configured.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettingsView {
    /// The origin clients use.
    public_url: String,
    /// Other paths under which clients are served.
    base_paths: Vec<String>,
    /// The notice that clients show at sign-in.
    login_notice: Option<String>,
    /// The software's version.
    version: String,
}

/// Settings as configured.
#[utoipa::path(get, path = "/settings", operation_id = "settings_read", tag = "org",
    responses((status = 200, body = SettingsView)))]
pub async fn settings(call: Call) -> Result<Json<SettingsView>, Problem> {
    let facts = installation::settings(&call.operation(), call.installation())?;
    Ok(Json(SettingsView {
        public_url: facts.public_url.clone(),
        base_paths: facts.base_paths.clone(),
        login_notice: facts.login_notice.clone(),
        version: facts.version.clone(),
    }))
}

/// Who vouches for callers.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuerView {
    /// Its name in rules.
    name: String,
    /// What its tokens state as `iss`.
    issuer: String,
    /// `generic` or `entra`.
    kind: String,
    /// Whether it vouches for people.
    people: bool,
    /// The audiences its tokens may have.
    audiences: Vec<String>,
}

/// Issuers as configured.
#[utoipa::path(get, path = "/issuers", operation_id = "issuers_list", tag = "config",
    responses((status = 200, body = Page<IssuerView>)))]
pub async fn issuers(call: Call) -> Result<Json<Page<IssuerView>>, Problem> {
    let found = installation::issuers(&call.operation(), call.installation())?;
    let view = |issuer: &IssuerFact| IssuerView {
        name: issuer.name.clone(),
        issuer: issuer.issuer.clone(),
        kind: issuer.kind.clone(),
        people: issuer.people,
        audiences: issuer.audiences.clone(),
    };
    Ok(Json(Page::whole(found.iter().map(view).collect())))
}

/// A provider of Claude.
#[derive(Debug, Serialize, ToSchema)]
pub struct UpstreamView {
    /// Its name.
    name: String,
    /// Which provider.
    provider: String,
    /// Where it is, when not at the provider's usual address.
    base_url: Option<String>,
    /// The region it answers in, if it promises one.
    region: Option<String>,
    /// The models it serves.
    models: Vec<String>,
}

/// Upstreams as configured, in the order of trying. Their credentials are nowhere here.
#[utoipa::path(get, path = "/upstreams", operation_id = "upstreams_list", tag = "config",
    responses((status = 200, body = Page<UpstreamView>)))]
pub async fn upstreams(call: Call) -> Result<Json<Page<UpstreamView>>, Problem> {
    let found = installation::upstreams(&call.operation(), call.installation())?;
    let view = |upstream: &UpstreamFact| UpstreamView {
        name: upstream.name.clone(),
        provider: upstream.provider.clone(),
        base_url: upstream.base_url.clone(),
        region: upstream.region.clone(),
        models: upstream.models.clone(),
    };
    Ok(Json(Page::whole(found.iter().map(view).collect())))
}

/// A model that clients are offered.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelView {
    /// Its id.
    id: String,
    /// What clients call it.
    display_name: String,
}

/// Models that clients may be offered; which of them somebody may use is the policy's.
#[utoipa::path(get, path = "/models", operation_id = "models_list", tag = "config",
    responses((status = 200, body = Page<ModelView>)))]
pub async fn models(call: Call) -> Result<Json<Page<ModelView>>, Problem> {
    let found = installation::models(&call.operation(), call.installation())?;
    let view = |model: &ModelFact| ModelView {
        id: model.id.clone(),
        display_name: model.display_name.clone(),
    };
    Ok(Json(Page::whole(found.iter().map(view).collect())))
}
