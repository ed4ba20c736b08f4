//! The console as people see it: pages under `/console`, and `/me`. Pages call functions of `control`, never the store, and decide no
//! rights.
//!
//! | file | what |
//! |---|---|
//! | [`visit`] | who looks, and from which browser |

pub mod visit;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::FromRequestParts as _;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use web::assets::Assets;

use self::visit::Visitor;
use crate::Console;

/// Every page. Whoever is not signed in is led to the sign-in before anything is looked at.
pub fn router(console: Arc<Console>) -> Router {
    Router::new()
        .route("/console", get(welcome))
        .layer(from_fn_with_state(Arc::clone(&console), around))
        .with_state(console)
}

async fn around(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match Visitor::from_request_parts(&mut parts, &console).await {
        Ok(visitor) => {
            parts.extensions.insert(visitor);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(elsewhere) => elsewhere.into_response(),
    }
}

#[derive(Debug, Template)]
#[template(path = "welcome.html")]
struct Welcome {
    assets: Assets,
    org: String,
    who: String,
    roles: String,
    since: String,
    csrf: String,
}

async fn welcome(visitor: Visitor) -> Response {
    let roles = visitor.actor().roles().iter();
    let roles: Vec<&str> = roles.map(|role| role.as_str()).collect();
    let page = Welcome {
        assets: Assets::current(),
        org: visitor.console().installation.org_name.clone(),
        who: visitor.actor().label().to_owned(),
        roles: roles.join(", "),
        since: visitor.since().to_string(),
        csrf: visitor.csrf().to_owned(),
    };
    web::page::respond(StatusCode::OK, &page, HeaderMap::new())
}
