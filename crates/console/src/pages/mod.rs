//! The console as people see it: pages under `/console`, and `/me`. Each page reads its request, calls functions of `control`, and
//! shows what they return; none sees the store, and none decides who may do what. Everything works without scripts: pages are
//! links, forms and tables, what changes something is a form that is posted and answered by a redirect, and every dangerous
//! action has a page that says what it does to whom before it does it. State stands in the address.
//!
//! | file | what |
//! |---|---|
//! | [`visit`] | who looks, and from which browser |
//! | [`shell`] | what stands around every page; [`shell::Place`], the table of the places |
//! | [`parts`], [`show`] | what pages are made of; how numbers, moments and strangers' words stand on them |
//! | [`table`], [`columns`], [`bulk`] | lists with filters and pages; their columns and order; doing one thing to several rows |
//! | [`chart`], [`diff`] | bars with a table twin; what differs between two texts |
//! | [`asked`] | what a request carries: queries and forms |
//! | [`form`], [`confirm`], [`once`] | a page that asks for something; the page before a dangerous action; what is shown once |
//! | [`wrong`] | how a page says no |
//! | [`models`], [`budgets`] | what somebody may use, and what they used, for their page and their own |
//! | [`trend`] | how use went, where it leads, and who stands out |
//! | [`overview`], [`usage`], [`spending`], [`catalogue`], [`ledger`], [`people`], [`sessions`], [`requests`], [`approvals`], [`tasks`], [`members`], [`drills`], [`acceptable_use`], [`clients`], [`policy`], [`connectors`], [`connect`], [`me`] | the pages themselves |
//! | [`needs`] | what needs somebody, on the first page |
//! | [`find`] | the find box, and what the palette shows |
//! | [`checkpoints`], [`own_keys`], [`settings`] | what proves it, and what all of it stands on |
//! | [`groups`], [`services`], [`directory`], [`roles`], [`tokens`] | who there is beside people, and what they hold |
//! | [`start`] | first steps, and the checks of a rollout |
//! | [`theme`], [`samples`] | the light; every part with samples |
//!
//! # To add a family of pages
//!
//! 1. A file here, with `pub fn routes() -> Router<Arc<Console>>`, `use super::parts;` (templates call `parts::icon` by that path), and
//!    for each page a struct that derives `askama::Template` and has a field `shell: Shell`.
//! 2. A template in `crates/console/templates/` that says `{% extends "shell.html" %}` and fills the block `content`. One `<h1>`; a
//!    `<section class="panel" aria-labelledby="…">` for each thing; ids once; a label for each field; no `style=`, no script.
//! 3. A line in [`router`], and one in [`shell::Place`]'s table when it belongs in the side bar.
//!
//! A handler takes a [`visit::Visitor`] first, returns `Result<Response, Wrong>`, and ends in `answer(&page)`. What somebody else wrote
//! is a [`show::Said`] in the page's struct, never a `String`. A change: `visitor.changing(&headers, &form.csrf)?`, and where it is
//! dangerous `visitor.fresh()?`; then the function of `control`; then `asked::done("/console/…", "word")`, which the page it leads
//! to tells by a sentence of its own. A mistake in a field is shown beside it, with what was typed: [`wrong::of_field`].

pub mod acceptable_use;
pub mod approvals;
pub mod asked;
pub mod budgets;
pub mod bulk;
pub mod catalogue;
pub mod chart;
pub mod checkpoints;
pub mod columns;
pub mod clients;
pub mod confirm;
pub mod connect;
pub mod connectors;
pub mod diff;
pub mod directory;
pub mod find;
pub mod form;
pub mod groups;
pub mod drills;
pub mod ledger;
pub mod me;
pub mod members;
pub mod models;
pub mod needs;
pub mod offers;
pub mod once;
pub mod overview;
pub mod own_keys;
pub mod parts;
pub mod people;
pub mod requests;
pub mod policy;
pub mod roles;
pub mod samples;
pub mod services;
pub mod sessions;
pub mod settings;
pub mod shell;
pub mod show;
pub mod spending;
pub mod start;
pub mod table;
pub mod tasks;
pub mod theme;
pub mod tokens;
pub mod trend;
pub mod usage;
pub mod visit;
pub mod wrong;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use domain::ReasonCode;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use self::shell::Shell;
use self::visit::Visitor;
use self::wrong::Wrong;
use crate::Console;
use crate::api::turns::Turns;

/// Every page. Whoever is not signed in is led to the sign-in before anything is looked at, even whether a page is there.
pub fn router(console: Arc<Console>) -> Router {
    let entrance = (Arc::clone(&console), Arc::new(Turns::default()));
    Router::new()
        .merge(overview::routes())
        .merge(ledger::routes())
        .merge(people::routes())
        .merge(groups::routes())
        .merge(services::routes())
        .merge(directory::routes())
        .merge(roles::routes())
        .merge(tokens::routes())
        .merge(checkpoints::routes())
        .merge(own_keys::routes())
        .merge(settings::routes())
        .merge(sessions::routes())
        .merge(usage::routes())
        .merge(requests::routes())
        .merge(approvals::routes())
        .merge(clients::routes())
        .merge(spending::routes())
        .merge(catalogue::routes())
        .merge(tasks::routes())
        .merge(members::routes())
        .merge(drills::routes())
        .merge(acceptable_use::routes())
        .merge(policy::routes())
        .merge(connect::routes())
        .merge(connectors::routes())
        .merge(start::routes())
        .merge(me::routes())
        .merge(find::routes())
        .merge(theme::routes())
        .merge(samples::routes())
        .route("/console/{*rest}", any(nothing_here))
        .route("/me/{*rest}", any(nothing_here))
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(entrance, around))
        .with_state(console)
}

/// A page that was made.
pub fn answer(page: &impl Template) -> Response {
    web::page::respond(StatusCode::OK, page, HeaderMap::new())
}

/// Data as a module whose one export it is, for a script of a page: nothing in it ends a string or a script (decision record 13).
fn module(data: &impl serde::Serialize) -> Response {
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    let data = data
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    let mut response = format!("export default {data};\n").into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/javascript; charset=utf-8"),
    );
    let own = HeaderValue::from_static("same-origin");
    headers.insert("cross-origin-resource-policy", own);
    response
}

async fn nothing_here() -> Wrong {
    Wrong::plain(ReasonCode::PathUnknown)
}

async fn other_method() -> Wrong {
    Wrong::plain(ReasonCode::MethodNotAllowed)
}

/// Knows who looks before a page does, gives nobody more than their share, and makes the page of what went wrong.
async fn around(
    State((console, turns)): State<(Arc<Console>, Arc<Turns>)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let visitor = match Visitor::from_request_parts(&mut parts, &console).await {
        Ok(visitor) => visitor,
        Err(elsewhere) => return elsewhere.into_response(),
    };
    parts.extensions.insert(visitor.clone());
    let turn = turns.take(visitor.actor().person_id());
    let mut response = match &turn {
        Some(_) => next.run(Request::from_parts(parts, body)).await,
        None => Wrong::plain(ReasonCode::ConcurrencyLimit).into_response(),
    };
    if let Some(wrong) = response.extensions_mut().remove::<Wrong>() {
        response = wrong.page(Shell::apart(&visitor, "Not shown"));
    }
    if !response.headers().contains_key(CONTENT_SECURITY_POLICY) {
        web::page::guard(response.headers_mut(), &[]);
    }
    response
}
