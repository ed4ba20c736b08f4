//! SCIM 2.0 under `/scim/v2` (RFC 7644): the face of `control::scim` towards a company's directory. Everything needs one of our
//! directory tokens, also what the standard lets be public. Query parameters that we do not know are passed over, because Entra's
//! flags may come as such.
//!
//! | file | what |
//! |---|---|
//! | [`ask`] | what a request carries: query, body, versions |
//! | [`answer`] | resources, lists and errors as answers |
//! | [`rate`] | how many requests a directory may make |
//! | [`users`], [`groups`] | the resources |
//! | [`about`] | what we can, and the schemas |
//! | [`search`] | a search by POST |

pub mod about;
pub mod answer;
pub mod ask;
pub mod groups;
pub mod rate;
pub mod search;
pub mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use control::scim::Directory;
use control::scim_tokens::Source;
use control::{Actor, Operation};
use domain::{Opaque, limits};
use http::HeaderValue;
use http::StatusCode;
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use tokio::sync::Semaphore;

use crate::Console;
use answer::Refused;
use rate::Rate;

/// Where it stands.
pub const BASE: &str = "/scim/v2";

/// What the handlers stand on.
#[derive(Debug)]
pub struct Scim {
    console: Arc<Console>,
    /// Where resources are, as directories reach them.
    base: String,
    rate: Rate,
    under_way: Semaphore,
}

/// The directory that a request comes from.
#[derive(Debug, Clone)]
pub struct Caller {
    actor: Arc<Actor>,
    source: Arc<Source>,
}

/// A request of a directory that was let in.
#[derive(Debug)]
pub struct Call {
    scim: Arc<Scim>,
    caller: Caller,
}

impl Call {
    fn operation(&self) -> Operation<'_> {
        self.scim.console.control.operation(&self.caller.actor)
    }

    fn directory<'o>(&'o self, operation: &'o Operation<'o>) -> Result<Directory<'o>, Refused> {
        let source = &self.caller.source;
        Ok(Directory::new(operation, source, &self.scim.base)?)
    }
}

impl FromRequestParts<Arc<Scim>> for Call {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, scim: &Arc<Scim>) -> Result<Self, Refused> {
        // Only what passed the entrance has one.
        let caller = parts.extensions.get::<Caller>().cloned();
        Ok(Self {
            scim: Arc::clone(scim),
            caller: caller.ok_or_else(Refused::unknown)?,
        })
    }
}

/// The endpoints.
pub fn router(console: Arc<Console>) -> Router {
    let scim = Arc::new(Scim {
        base: format!(
            "{}{BASE}",
            console.installation.public_url.trim_end_matches('/')
        ),
        rate: Rate::new(Arc::clone(&console.control.clock)),
        under_way: Semaphore::new(limits::SCIM_CALLS_MAX),
        console,
    });
    let endpoints = Router::new()
        .route("/Users", get(users::list).post(users::create))
        .route("/Users/", get(users::list).post(users::create))
        .route("/Users/.search", post(search::users))
        .route(
            "/Users/{id}",
            get(users::read)
                .put(users::replace)
                .patch(users::patch)
                .delete(users::delete),
        )
        .route("/Groups", get(groups::list).post(groups::create))
        .route("/Groups/", get(groups::list).post(groups::create))
        .route("/Groups/.search", post(search::groups))
        .route(
            "/Groups/{id}",
            get(groups::read)
                .put(groups::replace)
                .patch(groups::patch)
                .delete(groups::delete),
        )
        .route("/.search", post(search::all))
        .route("/ServiceProviderConfig", get(about::config))
        .route("/ResourceTypes", get(about::resource_types))
        .route("/ResourceTypes/{id}", get(about::resource_type))
        .route("/Schemas", get(about::schemas))
        .route("/Schemas/{id}", get(about::schema))
        .route("/{*rest}", any(nothing_here))
        .route("/", any(nothing_here))
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::clone(&scim), enter));
    Router::new().nest(BASE, endpoints).with_state(scim)
}

async fn nothing_here() -> Refused {
    Refused::plain(StatusCode::NOT_FOUND, "there is nothing here")
}

async fn other_method() -> Refused {
    Refused::plain(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done here")
}

/// Nobody passes without a directory's token, and no directory faster than it may.
async fn enter(State(scim): State<Arc<Scim>>, mut request: Request, next: Next) -> Response {
    let mut response = match admit(&scim, &mut request).await {
        Ok(()) => {
            let wait = Duration::from_millis(limits::SCIM_WAIT_MS);
            match tokio::time::timeout(wait, scim.under_way.acquire()).await {
                Ok(_turn) => next.run(request).await,
                Err(_) => Refused::too_many(1).into_response(),
            }
        }
        Err(refused) => refused.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn admit(scim: &Scim, request: &mut Request) -> Result<(), Refused> {
    let Ok(credential) = scim.console.gate.credential(request.headers()) else {
        return Err(Refused::unknown());
    };
    if !credential.starts_with(Opaque::DirectoryToken.prefix()) {
        return Err(Refused::unknown());
    }
    let control = &scim.console.control;
    let (actor, source) = control.enter_by_directory_token(credential).await?;
    if let Err(wait_s) = scim.rate.take() {
        return Err(Refused::too_many(wait_s));
    }
    request.extensions_mut().insert(Caller {
        actor: Arc::new(actor),
        source: Arc::new(source),
    });
    Ok(())
}
