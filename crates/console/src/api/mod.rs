//! The admin API: one file per noun under `/api/v1`, described by `/openapi.json`, which is made from the same handlers. Whoever
//! calls is known and their rights are read before anything else is looked at, even whether a path is there.
//!
//! | file | what |
//! |---|---|
//! | [`call`] | who calls, and what a request carries: path, query, body, versions |
//! | [`unfit`] | what is wrong with a body or a query |
//! | [`turns`] | how many requests of a caller are under way |
//! | [`needs`] | rights, before a body is read |
//! | [`once`] | `Idempotency-Key` |
//! | [`page`] | lists, page by page |
//! | [`me`], [`tokens`] | oneself; personal access tokens |
//! | [`people`], [`groups`], [`sessions`], [`services`], [`roles`], [`directory_tokens`] | who there is, and what they hold |
//! | [`policy`], [`budgets`], [`statements`] | the rules, and money |
//! | [`access_requests`] | what people ask for beyond what they may use |
//! | [`approvals`] | calls of connectors that wait for approval |
//! | [`acceptable_use`], [`acceptances`] | what people agree to, and who has |
//! | [`tasks`], [`drills`] | what is to be done for people who come and go, and how fast it was |
//! | [`members`] | a workspace's member list against the directory |
//! | [`ledger`], [`checkpoints`] | what was done, and what proves it |
//! | [`evidence`] | what checks have found |
//! | [`artefacts`] | the files that Claude's clients receive |
//! | [`connectors`], [`grants`] | what connectors list, and what of it was approved; who has connected an account of their own there |
//! | [`config`], [`upstreams`] | what is configured; how the providers stand |
//! | [`description`] | `/openapi.json` |

#![expect(unused_qualifications, reason = "in what utoipa writes for queries")]

pub mod acceptable_use;
pub mod acceptances;
pub mod access_requests;
pub mod approvals;
pub mod budgets;
pub mod artefacts;
pub mod call;
pub mod checkpoints;
pub mod config;
pub mod connectors;
pub mod description;
pub mod directory_tokens;
pub mod drills;
pub mod evidence;
pub mod grants;
pub mod groups;
pub mod ledger;
pub mod me;
pub mod members;
pub mod needs;
pub mod once;
pub mod page;
pub mod people;
pub mod policy;
pub mod roles;
pub mod services;
pub mod sessions;
pub mod statements;
pub mod tasks;
pub mod tokens;
pub mod turns;
mod unfit;
pub mod upstreams;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use domain::{Opaque, ReasonCode};
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::turns::Turns;
use crate::{Console, Problem};

/// Where it stands.
pub const BASE: &str = "/api/v1";

/// The operations and their description.
fn parts() -> (Router<Arc<Console>>, OpenApi) {
    let api = OpenApiRouter::new()
        .routes(routes!(me::read))
        .routes(routes!(me::sessions))
        .routes(routes!(me::end_session))
        .routes(routes!(budgets::own))
        .routes(routes!(tokens::list_own, tokens::create))
        .routes(routes!(tokens::revoke_own))
        .routes(routes!(people::list))
        .routes(routes!(people::read))
        .routes(routes!(people::budgets))
        .routes(routes!(people::revoke))
        .routes(routes!(people::restore))
        .routes(routes!(groups::list))
        .routes(routes!(groups::read))
        .routes(routes!(groups::members))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(services::list))
        .routes(routes!(services::keys, services::create))
        .routes(routes!(services::revoke))
        .routes(routes!(roles::list, roles::grant))
        .routes(routes!(roles::revoke))
        .routes(routes!(tokens::list))
        .routes(routes!(tokens::revoke))
        .routes(routes!(directory_tokens::list, directory_tokens::create))
        .routes(routes!(directory_tokens::rotate))
        .routes(routes!(directory_tokens::revoke))
        .routes(routes!(policy::read, policy::apply))
        .routes(routes!(policy::versions))
        .routes(routes!(policy::version))
        .routes(routes!(policy::plan))
        .routes(routes!(policy::try_it))
        .routes(routes!(budgets::list, budgets::create))
        .routes(routes!(budgets::read, budgets::change, budgets::remove))
        .routes(routes!(budgets::used))
        .routes(routes!(statements::make))
        .routes(routes!(ledger::search))
        .routes(routes!(ledger::export))
        .routes(routes!(ledger::head))
        .routes(routes!(checkpoints::list))
        .routes(routes!(checkpoints::read))
        .routes(routes!(config::org))
        .routes(routes!(config::settings))
        .routes(routes!(config::issuers))
        .routes(routes!(config::upstreams))
        .routes(routes!(config::models))
        .routes(routes!(upstreams::standing))
        .routes(routes!(upstreams::test))
        .routes(routes!(evidence::list))
        .routes(routes!(evidence::identity))
        .routes(routes!(evidence::credentials))
        .routes(routes!(artefacts::rings))
        .routes(routes!(artefacts::list))
        .routes(routes!(artefacts::file))
        .routes(routes!(artefacts::lint));
    let api = api.merge(of_coming_and_going()).merge(of_connectors());
    let (router, document) = OpenApiRouter::with_openapi(description::about())
        .nest(BASE, api)
        .split_for_parts();
    (router, description::completed(document))
}

/// What people ask for and agree to, and what is to be done for them when they come and go.
fn of_coming_and_going() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new()
        .routes(routes!(access_requests::list_own, access_requests::ask))
        .routes(routes!(access_requests::withdraw))
        .routes(routes!(access_requests::list))
        .routes(routes!(access_requests::read))
        .routes(routes!(access_requests::answer))
        .routes(routes!(approvals::list_own))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::read))
        .routes(routes!(approvals::deny))
        .routes(routes!(members::check))
        .routes(routes!(members::latest))
        .routes(routes!(members::findings))
        .routes(routes!(members::findings_csv))
        .routes(routes!(drills::list))
        .routes(routes!(tasks::list))
        .routes(routes!(tasks::tell_leaver))
        .routes(routes!(tasks::tell_joiner))
        .routes(routes!(tasks::read))
        .routes(routes!(tasks::done))
        .routes(routes!(tasks::dismiss))
        .routes(routes!(acceptances::own))
        .routes(routes!(acceptances::accept))
        .routes(routes!(acceptances::report))
        .routes(routes!(acceptances::list))
        .routes(routes!(acceptable_use::read))
        .routes(routes!(acceptable_use::versions))
        .routes(routes!(acceptable_use::version))
        .routes(routes!(acceptable_use::template))
        .routes(routes!(
            acceptable_use::read_draft,
            acceptable_use::save_draft
        ))
        .routes(routes!(acceptable_use::preview_text))
        .routes(routes!(acceptable_use::publish))
}

/// What connectors list, and what of it was approved.
fn of_connectors() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new()
        .routes(routes!(connectors::list))
        .routes(routes!(connectors::read))
        .routes(routes!(connectors::decide))
        .routes(routes!(connectors::say_class))
        .routes(routes!(connectors::review))
        .routes(routes!(connectors::own))
        .routes(routes!(grants::at_connector))
        .routes(routes!(grants::of_person))
        .routes(routes!(grants::end))
}

/// The description of every operation.
pub fn document() -> OpenApi {
    parts().1
}

/// The description as a text, as `docs/openapi.json` holds it.
pub fn text() -> String {
    let text = serde_json::to_string_pretty(&document());
    text.expect("a description is strings, numbers and lists") + "\n"
}

/// The API and its description.
pub fn router(console: Arc<Console>) -> Router {
    let (api, document) = parts();
    let document = Arc::new(document);
    let entrance = Entrance {
        console: Arc::clone(&console),
        turns: Arc::new(Turns::default()),
    };
    let api = api
        .route(
            &format!("{BASE}/{{*rest}}"),
            axum::routing::any(nothing_here),
        )
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::clone(&console), once::once))
        .layer(from_fn_with_state(Arc::clone(&console), needs::check))
        .layer(from_fn_with_state(entrance, enter));
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

#[derive(Debug, Clone)]
struct Entrance {
    console: Arc<Console>,
    turns: Arc<Turns>,
}

/// Nobody passes without being known, and nobody takes more than their share.
async fn enter(State(entrance): State<Entrance>, mut request: Request, next: Next) -> Response {
    let actor = match actor(&entrance.console, request.headers()).await {
        Ok(actor) => Arc::new(actor),
        Err(problem) => return problem.into_response(),
    };
    let Some(_turn) = entrance.turns.take(actor.person_id()) else {
        return Problem::plain(ReasonCode::ConcurrencyLimit).into_response();
    };
    request.extensions_mut().insert(actor);
    next.run(request).await
}

async fn actor(console: &Console, headers: &HeaderMap) -> Result<control::Actor, Problem> {
    let credential = console.gate.credential(headers)?;
    if credential.starts_with(Opaque::PersonalToken.prefix()) {
        return Ok(console.control.enter_by_token(credential).await?);
    }
    let proved = console.gate.identify(headers).await?;
    Ok(console.control.enter(&proved.caller, proved.made).await?)
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
