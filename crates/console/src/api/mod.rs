//! The admin API: one file per noun under `/api/v1`, described by `/openapi.json`, which is made from the same handlers. Whoever
//! calls is known and their rights are read before anything else is looked at, even whether a path is there.
//!
//! | file | what |
//! |---|---|
//! | [`call`] | who calls, and what a request carries: path, query, body, versions |
//! | [`once`] | `Idempotency-Key` |
//! | [`page`] | lists, page by page |
//! | [`me`] | oneself |

pub mod call;
pub mod me;
pub mod once;
pub mod page;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use domain::{Opaque, ReasonCode};
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Console, Problem};

/// Where it stands.
pub const BASE: &str = "/api/v1";

#[derive(Debug, utoipa::OpenApi)]
#[openapi(
    info(
        title = "Doorward admin API",
        version = "1",
        description = "Who may use Claude, by which rules, and what was done. Every operation needs a bearer: a session token, a token of the company's identity provider, or a personal access token. Errors are RFC 9457 problems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    security(("bearer" = [])),
    servers((url = "/"))
)]
struct About;

/// The operations and their description.
fn parts() -> (Router<Arc<Console>>, OpenApi) {
    let api = OpenApiRouter::new().routes(routes!(me::read));
    let (router, document) = OpenApiRouter::with_openapi(About::openapi())
        .nest(BASE, api)
        .split_for_parts();
    (router, described(document))
}

/// What the macros do not say.
fn described(mut document: OpenApi) -> OpenApi {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}

/// The description of every operation.
pub fn document() -> OpenApi {
    parts().1
}

/// The API and its description.
pub fn router(console: Arc<Console>) -> Router {
    let (api, document) = parts();
    let document = Arc::new(document);
    let api = api
        .route(
            &format!("{BASE}/{{*rest}}"),
            axum::routing::any(nothing_here),
        )
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::clone(&console), once::once))
        .layer(from_fn_with_state(Arc::clone(&console), enter));
    api.route(
        "/openapi.json",
        get(move || async move { Json(document.as_ref().clone()) }),
    )
    .layer(map_response(keep_private))
    .with_state(console)
}

async fn nothing_here() -> Problem {
    Problem::plain(ReasonCode::PathUnknown)
}

async fn other_method() -> Problem {
    Problem::plain(ReasonCode::MethodNotAllowed)
}

/// Nobody passes without being known.
async fn enter(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    match actor(&console, request.headers()).await {
        Ok(actor) => {
            request.extensions_mut().insert(Arc::new(actor));
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn actor(console: &Console, headers: &HeaderMap) -> Result<control::Actor, Problem> {
    let credential = console.gate.credential(headers)?;
    if credential.starts_with(Opaque::PersonalToken.prefix()) {
        return Ok(console.control.enter_by_token(credential).await?);
    }
    let caller = console.gate.identify(headers).await?;
    Ok(console.control.enter(&caller).await?)
}

/// What is said here is the company's: no cache keeps it, no browser guesses what it is.
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
