//! The tokens with which a company's directory provisions by SCIM. A token is shown in the answer that makes it and never again.

use axum::Json;
use control::scim_tokens::{self, NewScimToken, ScimToken};
use domain::{Timestamp, TokenId};
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::call::{Asked, Body, Call, Id, Why};
use super::page::{Page, Pages};
use crate::Problem;

/// A token, without the token.
#[derive(Debug, Serialize, ToSchema)]
pub struct DirectoryTokenView {
    /// Its id.
    id: String,
    /// Its first characters.
    prefix: String,
    /// The issuer whose directory it is.
    issuer: String,
    /// The issuer's tenant; need not be named unless it has several.
    tenant: Option<String>,
    /// What people call it.
    name: String,
    /// Whether it opens anything.
    opens: bool,
    /// Who made it.
    made_by: String,
    /// When.
    created: String,
    /// Until when it is good, if it ends.
    expires: Option<String>,
    /// When it was last used, to the minute.
    last_used: Option<String>,
    /// Since when it is not good any more, if it was taken away.
    revoked_at: Option<String>,
}

fn view(token: ScimToken, now: Timestamp) -> DirectoryTokenView {
    DirectoryTokenView {
        opens: token.opens(now),
        id: token.id.to_string(),
        prefix: token.prefix,
        issuer: token.source.issuer,
        tenant: token.source.tenant,
        name: token.name,
        made_by: token.made_by,
        created: token.created.to_string(),
        expires: token.expires.map(|at| at.to_string()),
        last_used: token.used_at.map(|at| at.to_string()),
        revoked_at: token.revoked_at.map(|at| at.to_string()),
    }
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectoryTokenToMake {
    /// The issuer whose directory it is, by its configured name.
    #[schema(max_length = 128, example = "entra")]
    issuer: String,
    /// The issuer's tenant; need not be named unless it has several.
    #[schema(max_length = 128)]
    tenant: Option<String>,
    /// What people call it.
    #[schema(max_length = 128)]
    name: String,
    /// After how many days it ends; never when left out.
    expires_in_days: Option<u32>,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeDirectoryToken {
    /// Its description.
    token: DirectoryTokenView,
    /// The token itself, this once; null when the answer is a repeat.
    secret: Option<String>,
}

/// The directories' tokens, newest first. One that opens nothing is listed for 400 days more.
#[utoipa::path(get, path = "/directory-tokens", operation_id = "directory_tokens_list", tag = "directory", params(Pages),
    responses((status = 200, body = Page<DirectoryTokenView>)))]
pub async fn list(
    call: Call,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<DirectoryTokenView>>, Problem> {
    let (rows, after) = pages.read()?;
    let operation = call.operation();
    let now = operation.clock.now();
    let (found, more) = scim_tokens::page(&operation, after, rows).await?;
    let items = found.into_iter().map(|token| view(token, now)).collect();
    Ok(Json(Page::new(items, more, |last: &DirectoryTokenView| {
        last.id.clone()
    })))
}

/// Make a token for a directory. Two of one directory may open at once, so that one can follow the other.
#[utoipa::path(post, path = "/directory-tokens", operation_id = "directory_tokens_create", tag = "directory",
    request_body = DirectoryTokenToMake, responses((status = 201, body = MadeDirectoryToken)))]
pub async fn create(
    call: Call,
    Body(wanted): Body<DirectoryTokenToMake>,
) -> Result<(StatusCode, Json<MadeDirectoryToken>), Problem> {
    let operation = call.operation();
    let new = NewScimToken {
        issuer: wanted.issuer,
        tenant: wanted.tenant,
        name: wanted.name,
        days: wanted.expires_in_days,
    };
    let made = scim_tokens::create(&operation, call.vouching(), new).await?;
    Ok((
        StatusCode::CREATED,
        Json(shown_once(made, operation.clock.now())),
    ))
}

fn shown_once((token, secret): (ScimToken, SecretString), now: Timestamp) -> MadeDirectoryToken {
    MadeDirectoryToken {
        token: view(token, now),
        secret: Some(secret.expose_secret().to_owned()),
    }
}

/// How a token is followed by another.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Succession {
    /// For how many hours more the old one opens; 24 when left out, 0 to end it at once.
    #[schema(maximum = 744)]
    overlap_hours: Option<u16>,
}

/// Make a token's successor, for the same directory, with the same name and length of life. The old one goes on to open for a while,
/// in which the new one is brought to the identity provider.
#[utoipa::path(post, path = "/directory-tokens/{id}/rotate", operation_id = "directory_tokens_rotate", tag = "directory",
    params(("id" = String, Path)), request_body = Succession, responses((status = 201, body = MadeDirectoryToken)))]
pub async fn rotate(
    call: Call,
    Id(id): Id<TokenId>,
    Body(wanted): Body<Succession>,
) -> Result<(StatusCode, Json<MadeDirectoryToken>), Problem> {
    let operation = call.operation();
    let overlap = wanted.overlap_hours.unwrap_or(scim_tokens::OVERLAP_HOURS);
    let made = scim_tokens::rotate(&operation, call.vouching(), &id.to_string(), overlap).await?;
    Ok((
        StatusCode::CREATED,
        Json(shown_once(made, operation.clock.now())),
    ))
}

/// Take a directory's token away: with the next request it opens nothing.
#[utoipa::path(post, path = "/directory-tokens/{id}/revoke", operation_id = "directory_tokens_revoke", tag = "directory",
    params(("id" = String, Path)), request_body = Why, responses((status = 200, body = DirectoryTokenView)))]
pub async fn revoke(
    call: Call,
    Id(id): Id<TokenId>,
    Body(why): Body<Why>,
) -> Result<Json<DirectoryTokenView>, Problem> {
    let operation = call.operation();
    let gone = scim_tokens::revoke(&operation, &id.to_string(), &why.reason).await?;
    Ok(Json(view(gone, operation.clock.now())))
}
