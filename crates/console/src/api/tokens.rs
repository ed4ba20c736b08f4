//! Personal access tokens: one's own, and everyone's. A token is shown in the answer that makes it and never again.

use axum::Json;
use control::tokens::{self, NewToken, PersonalToken};
use domain::{PersonId, TokenId};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Body, Call, Id, Why};
use super::page::{self, Page, Pages};
use crate::Problem;

/// A token, without the token.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    /// Its id.
    id: String,
    /// Its first characters.
    prefix: String,
    /// Whose.
    person: String,
    /// What its owner calls it.
    name: String,
    /// What it may, as far as its owner may at the time of use.
    scopes: Vec<String>,
    /// When it was made.
    created: String,
    /// Until when it is good.
    expires: String,
    /// When it was last used, to the hour.
    last_used: Option<String>,
    /// Since when it is not good any more, if it was taken away.
    revoked_at: Option<String>,
}

impl From<PersonalToken> for TokenView {
    fn from(token: PersonalToken) -> Self {
        Self {
            id: token.id.to_string(),
            prefix: token.prefix,
            person: token.person.to_string(),
            name: token.name,
            scopes: token.scopes,
            created: token.created.to_string(),
            expires: token.expires.to_string(),
            last_used: token.last_used.map(|at| at.to_string()),
            revoked_at: token.revoked_at.map(|at| at.to_string()),
        }
    }
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenToMake {
    /// What you call it.
    #[schema(max_length = 128, example = "nightly report")]
    name: String,
    /// What it may: words of rights that you have, as `/me` lists them. docs/api.md explains each.
    #[schema(example = json!(["ledger.read"]))]
    scopes: Vec<String>,
    /// After how many days it ends.
    #[schema(minimum = 1, maximum = 366)]
    expires_in_days: u32,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeToken {
    /// Its description.
    token: TokenView,
    /// The token itself, this once; null when the answer is a repeat.
    secret: Option<String>,
}

/// One's own tokens, oldest first.
#[utoipa::path(get, path = "/me/tokens", operation_id = "me_tokens_list", tag = "me", params(Pages),
    responses((status = 200, body = Page<TokenView>)))]
pub async fn list_own(
    call: Call,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<TokenView>>, Problem> {
    let (rows, after) = pages.read()?;
    let (found, more) = tokens::list_own(&call.operation(), after, rows).await?;
    Ok(Json(shown(found, more)))
}

fn shown(found: Vec<PersonalToken>, more: bool) -> Page<TokenView> {
    let items = found.into_iter().map(TokenView::from).collect();
    Page::new(items, more, |last: &TokenView| last.id.clone())
}

/// Make a token that acts for you. A token cannot make another.
#[utoipa::path(post, path = "/me/tokens", operation_id = "me_tokens_create", tag = "me",
    request_body = TokenToMake, responses((status = 201, body = MadeToken)))]
pub async fn create(
    call: Call,
    Body(wanted): Body<TokenToMake>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    let operation = call.operation();
    let scopes = tokens::scopes(&operation, &wanted.scopes)?;
    let new = NewToken {
        name: wanted.name,
        scopes,
        days: wanted.expires_in_days,
    };
    let (token, secret) = tokens::create(&operation, new).await?;
    let made = MadeToken {
        token: token.into(),
        secret: Some(secret.expose_secret().to_owned()),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Take a token of your own away: with the next request it opens nothing.
#[utoipa::path(delete, path = "/me/tokens/{id}", operation_id = "me_tokens_revoke", tag = "me",
    params(("id" = String, Path)), responses((status = 200, body = TokenView)))]
pub async fn revoke_own(call: Call, Id(id): Id<TokenId>) -> Result<Json<TokenView>, Problem> {
    Ok(Json(
        tokens::revoke_own(&call.operation(), id).await?.into(),
    ))
}

/// Whose to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Whose {
    /// One person's alone.
    #[param(max_length = 30)]
    person: Option<String>,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
}

/// Everyone's tokens, oldest first.
#[utoipa::path(get, path = "/tokens", operation_id = "tokens_list", tag = "tokens", params(Whose),
    responses((status = 200, body = Page<TokenView>)))]
pub async fn list(
    call: Call,
    Asked(whose): Asked<Whose>,
) -> Result<Json<Page<TokenView>>, Problem> {
    let (rows, after) = (
        page::rows(whose.limit)?,
        page::after(whose.after.as_deref())?,
    );
    let person: Option<PersonId> = page::named("person", whose.person.as_deref())?;
    let (found, more) = tokens::list(&call.operation(), person, after, rows).await?;
    Ok(Json(shown(found, more)))
}

/// Take anyone's token away.
#[utoipa::path(post, path = "/tokens/{id}/revoke", operation_id = "tokens_revoke", tag = "tokens",
    params(("id" = String, Path)), request_body = Why, responses((status = 200, body = TokenView)))]
pub async fn revoke(
    call: Call,
    Id(id): Id<TokenId>,
    Body(why): Body<Why>,
) -> Result<Json<TokenView>, Problem> {
    let token = tokens::revoke(&call.operation(), id, &why.reason).await?;
    Ok(Json(token.into()))
}
