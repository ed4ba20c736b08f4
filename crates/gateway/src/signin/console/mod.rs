//! Sign-in to the console, in a browser and for it alone. It lives beside the sign-in of clients because the trip to the identity provider
//! is the same, and the one redirect address that companies register is [`super::callback`]'s.
//!
//! | file | what |
//! |---|---|
//! | here | `GET` and `POST /console/sign-in`: the way out |
//! | `arrive` | back from the identity provider: a session begins, or its person is proved once more |
//! | `break_glass` | `GET` and `POST /console/sign-in/break-glass`: without the identity provider |
//! | `leave` | `POST /console/sign-out` |
//! | `program` | what lists of sessions call a browser |
//!
//! What a browser brought before the sign-in is never what it is known by after it, and nothing of a request decides where it is sent but
//! a path of ours. Who may do what is none of its business: `control::entry` reads that at each request.

mod arrive;
mod break_glass;
mod leave;
mod program;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use domain::Refusal;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use ledger::record::{Origin, SignIn as SignInRecord};
use serde::{Deserialize, Serialize};
use store::{ConsoleHolder, StoreError};
use web::browser::{self, Browser, Browsers};
use web::page::respond_leading_to;
use web::{sign_in_address, way_back};

use super::device::{self, Purpose};
use super::pages::{self, ConsoleEnd, ConsoleSignIn, Frame};
use super::{SignIn, address_of, oauth};

pub(super) use arrive::arrive;

/// How records name this way of signing in.
const METHOD: &str = "console";

/// What the way to the sign-in is called.
const SIGN_IN: &str = "Go to the sign-in";

/// What the trip is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Way {
    /// The page to go back to, checked by [`way_back`].
    pub to: String,
    /// Whether whoever is signed in proves once more who they are.
    pub again: bool,
}

/// The endpoints. They stand at the root alone, like the console: its cookie is of the whole host.
pub fn routes(state: Arc<SignIn>) -> Router {
    Router::new()
        .route("/console/sign-in", get(show).post(proceed))
        .route(
            "/console/sign-in/break-glass",
            get(break_glass::show).post(break_glass::open),
        )
        .route("/console/sign-out", post(leave::sign_out))
        .with_state(state)
}

/// What the address says.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(rename = "return")]
    to: Option<String>,
    again: Option<String>,
}

/// `GET /console/sign-in`.
async fn show(
    State(state): State<Arc<SignIn>>,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Response {
    let headers = request.into_parts().0.headers;
    // What cannot be read leads to the same page as what was not said.
    let asked = asked.map_or_else(|_| Asked::default(), |Query(asked)| asked);
    let to = way_back(asked.to.as_deref().unwrap_or_default());
    let held = match asked.again.as_deref() {
        Some("1") => standing(&state, &headers).await,
        _ => Ok(None),
    };
    let Ok(held) = held else {
        return out_of_order(&state, to);
    };
    let browsers = state.browsers();
    let browser = browsers
        .known(&headers)
        .unwrap_or_else(|| browsers.new_browser());
    let page = page(&state, to, held.as_ref(), &browser);
    let origins = device::idp_origins(&state).await;
    let cookie = browsers.set_cookie(&browser);
    let headers = HeaderMap::from_iter([(SET_COOKIE, cookie)]);
    respond_leading_to(StatusCode::OK, &page, headers, &origins)
}

fn page(
    state: &SignIn,
    to: &str,
    held: Option<&ConsoleHolder>,
    browser: &Browser,
) -> ConsoleSignIn {
    let mut issuers = state.providers();
    let (title, lead) = match held {
        Some(held) => {
            // Nobody else's identity provider can prove them.
            issuers.retain(|issuer| issuer.name == held.person.issuer);
            let person = &held.person;
            let name = person.label();
            let lead = format!(
                "You are signed in as {name}. What you are about to do needs a new proof that it is you: sign in once more at your identity provider."
            );
            ("Prove that it is you", lead)
        }
        None => (
            "Sign in to the console",
            "Sign in with your company's account.".to_owned(),
        ),
    };
    ConsoleSignIn::new(
        &Frame::of(state),
        title,
        lead,
        browser.csrf(),
        to.to_owned(),
        held.is_some(),
        issuers,
    )
}

/// `POST /console/sign-in`.
async fn proceed(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let address = address_of(&request);
    let (head, body) = request.into_parts();
    let form = match oauth::Form::read(body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let to = way_back(form.field("return")).to_owned();
    let again = form.field("again") == "1";
    let browser = match state.browsers().changing(&head.headers, form.field("csrf")) {
        Ok(browser) => browser,
        Err(refusal) => {
            let what = &refusal.first().message;
            let title = "This did not come from our page";
            return end(&state, StatusCode::FORBIDDEN, title, what, &to, again);
        }
    };
    let purpose = Purpose::Console(Way { to, again });
    device::set_out(&state, purpose, form.field("issuer"), &browser, address).await
}

/// The console session that a browser's cookie stands for, if it still does for any.
async fn standing(
    state: &SignIn,
    headers: &HeaderMap,
) -> Result<Option<ConsoleHolder>, StoreError> {
    let Some(here) = consoles(state).known(headers) else {
        return Ok(None);
    };
    let found = state.store.console_session(state.org, &here.hash()).await;
    let found = found.inspect_err(|error| {
        tracing::error!(error = %error, "a console session cannot be looked up");
    })?;
    Ok(found.filter(|held| held.stands(state.clock.now())))
}

/// Browsers by the console's cookie.
fn consoles(state: &SignIn) -> Browsers<'_> {
    Browsers {
        cookie: browser::CONSOLE,
        ..state.browsers()
    }
}

/// The record of a sign-in to the console that was refused.
fn refused(state: &SignIn, origin: Origin, refusal: &Refusal) -> SignInRecord {
    SignInRecord {
        method: METHOD.into(),
        ..state.refused(origin, refusal)
    }
}

/// A page that says what happened, with the way to try again.
fn end(
    state: &SignIn,
    status: StatusCode,
    title: &str,
    what: &str,
    to: &str,
    again: bool,
) -> Response {
    end_with(state, status, title, what, (to, again), HeaderMap::new())
}

fn end_with(
    state: &SignIn,
    status: StatusCode,
    title: &str,
    what: &str,
    (to, again): (&str, bool),
    headers: HeaderMap,
) -> Response {
    let link = sign_in_address(to, again);
    let page = ConsoleEnd::new(&Frame::of(state), title, what.to_owned(), link, SIGN_IN);
    web::page::respond(status, &page, headers)
}

/// An outage of ours is never a bad sign-in.
fn out_of_order(state: &SignIn, to: &str) -> Response {
    pages::respond(
        StatusCode::SERVICE_UNAVAILABLE,
        &ConsoleEnd::new(
            &Frame::of(state),
            "Something is out of order here",
            "This is an outage, not your sign-in. Try again in a moment.".to_owned(),
            sign_in_address(to, false),
            SIGN_IN,
        ),
        &[],
    )
}
