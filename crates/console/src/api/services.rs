//! Services and their keys: make a key for a machine, list, take away. A key is shown in the answer that makes it and never again.

use std::collections::BTreeSet;

use axum::Json;
use control::service_keys::{self, NewKey, Service, ServiceKey};
use domain::Timestamp;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::call::{Asked, Body, Call, Id, Why};
use super::page::{Page, Pages};
use crate::Problem;

/// A machine or CI identity.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceView {
    /// Its id.
    id: String,
    /// Who vouches for it; `doorward` for those with keys of ours.
    issuer: String,
    /// What policy selects it by.
    name: String,
    /// When it was first seen.
    created: String,
}

/// A key, without the key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    /// Its first characters, which it is called by.
    #[schema(example = "dwk_3Fq9xLm2")]
    id: String,
    /// The service's name.
    service: String,
    /// The service's id.
    service_id: String,
    /// What its caller is a member of.
    groups: Vec<String>,
    /// Whether it opens anything.
    opens: bool,
    /// Who made it.
    made_by: String,
    /// When.
    created: String,
    /// Until when it is good, if it ends.
    expires: Option<String>,
    /// When it was last used, to the hour.
    last_used: Option<String>,
    /// Since when it is not, if it was taken away.
    revoked_at: Option<String>,
}

fn view(key: ServiceKey, now: Timestamp) -> KeyView {
    KeyView {
        opens: service_keys::opens(&key, now),
        id: key.prefix,
        service: key.service_name,
        service_id: key.service.to_string(),
        groups: key.groups.into_iter().collect(),
        made_by: key.made_by,
        created: key.created.to_string(),
        expires: key.expires.map(|at| at.to_string()),
        last_used: key.used_at.map(|at| at.to_string()),
        revoked_at: key.revoked_at.map(|at| at.to_string()),
    }
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyToMake {
    /// The service's name; one that is not there is made.
    #[schema(max_length = 128, example = "nightly")]
    service: String,
    /// What its caller is a member of.
    #[serde(default)]
    groups: BTreeSet<String>,
    /// After how many days it ends; never when left out.
    expires_in_days: Option<u32>,
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeKey {
    /// The key's description.
    key: KeyView,
    /// The key itself, this once; null when the answer is a repeat.
    secret: Option<String>,
}

/// Services, in the order they were first seen.
#[utoipa::path(get, path = "/services", operation_id = "services_list", tag = "services", params(Pages),
    responses((status = 200, body = Page<ServiceView>)))]
pub async fn list(
    call: Call,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<ServiceView>>, Problem> {
    let (rows, after) = pages.read()?;
    let (found, more) = service_keys::services(&call.operation(), "", after, rows).await?;
    let view = |service: Service| ServiceView {
        id: service.id.to_string(),
        issuer: service.issuer,
        name: service.name,
        created: service.created.to_string(),
    };
    let items = found.into_iter().map(view).collect();
    Ok(Json(Page::new(items, more, |last| last.id.clone())))
}

/// Keys of services, in no order that means anything.
#[utoipa::path(get, path = "/service-keys", operation_id = "service_keys_list", tag = "services", params(Pages),
    responses((status = 200, body = Page<KeyView>)))]
pub async fn keys(call: Call, Asked(pages): Asked<Pages>) -> Result<Json<Page<KeyView>>, Problem> {
    let (rows, after) = pages.read::<String>()?;
    let operation = call.operation();
    let after = after.unwrap_or_default();
    let (found, more) = service_keys::page(&operation, &after, rows).await?;
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.key_hash.clone());
    let now = operation.clock.now();
    let items = found.into_iter().map(|key| view(key, now)).collect();
    Ok(Json(Page { items, next }))
}

/// Make a key. It opens as soon as this is answered, on every replica.
#[utoipa::path(post, path = "/service-keys", operation_id = "service_keys_create", tag = "services",
    request_body = KeyToMake, responses((status = 201, body = MadeKey)))]
pub async fn create(
    call: Call,
    Body(wanted): Body<KeyToMake>,
) -> Result<(StatusCode, Json<MadeKey>), Problem> {
    let operation = call.operation();
    let new = NewKey {
        name: wanted.service,
        groups: wanted.groups,
        days: wanted.expires_in_days,
    };
    let (key, secret) = service_keys::create(&operation, new).await?;
    let made = MadeKey {
        key: view(key, operation.clock.now()),
        secret: Some(secret.expose_secret().to_owned()),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Take a key away: open streams are cut and requests refused within a second, on every replica.
#[utoipa::path(post, path = "/service-keys/{id}/revoke", operation_id = "service_keys_revoke", tag = "services",
    params(("id" = String, Path, description = "The key's first characters", example = "dwk_3Fq9xLm2")),
    request_body = Why, responses((status = 200, body = Page<KeyView>)))]
pub async fn revoke(
    call: Call,
    Id(id): Id<String>,
    Body(why): Body<Why>,
) -> Result<Json<Page<KeyView>>, Problem> {
    let operation = call.operation();
    // A service's name would take all its keys.
    if !id.starts_with("dwk_") {
        return Err(Problem::plain(domain::ReasonCode::ThingUnknown));
    }
    let taken = service_keys::revoke(&operation, &id, &why.reason).await?;
    let now = operation.clock.now();
    let gone = |key: ServiceKey| ServiceKey {
        revoked_at: key.revoked_at.or(Some(now)),
        ..key
    };
    let items = taken.into_iter().map(|key| view(gone(key), now)).collect();
    Ok(Json(Page::whole(items)))
}
