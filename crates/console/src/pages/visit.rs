//! Who looks at a page, and from which browser: the extractor that every page begins with. Who is signed in and what they may is read
//! from the store at each request, so whoever was shut out or signed out sees the sign-in page next, at whichever replica. Decides no
//! rights: those are the actor's, and `control` asks for them.

use std::sync::Arc;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use control::people::Person;
use control::{Actor, Entry, Operation, Visit, approvals};
use domain::{Refusal, SessionId, Timestamp};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use web::assets::Assets;
use web::browser::{self, Browser, Browsers};
use web::page::guard;
use web::sign_in_address;

use super::approvals::WAITING;
use super::connect::CALLBACK;
use super::shell::Theme;
use super::theme;
use crate::Console;

/// Somebody who is signed in, at this request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Visitor {
    console: Arc<Console>,
    visit: Arc<Visit>,
    csrf: Arc<str>,
    address: Arc<str>,
    answers_form: bool,
    theme: Theme,
    waiting: Option<u64>,
}

impl Visitor {
    /// What every page stands on.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Who acts, with the rights of this moment.
    pub fn actor(&self) -> &Actor {
        &self.visit.actor
    }

    /// The person, with the groups that hold now.
    pub fn person(&self) -> &Person {
        &self.visit.person
    }

    /// This browser's session.
    pub fn session(&self) -> SessionId {
        self.visit.session
    }

    /// Since when they are signed in.
    pub fn since(&self) -> Timestamp {
        self.visit.since
    }

    /// Since when the break-glass account is open.
    pub fn glass_broken(&self) -> Option<Timestamp> {
        self.visit.glass_broken
    }

    /// How many calls wait for somebody else's yes; none for whoever may not know.
    pub fn waiting(&self) -> Option<u64> {
        self.waiting
    }

    /// The token of this browser's forms, for the hidden field `csrf`.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// The path and query that were asked for.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether a form was sent, so that the page that answers it cannot be asked for again by its address.
    pub fn answers_form(&self) -> bool {
        self.answers_form
    }

    /// The light that this browser asks for.
    pub fn theme(&self) -> Theme {
        self.theme
    }

    /// One operation of theirs, for the functions of `control`.
    pub fn operation(&self) -> Operation<'_> {
        self.console.control.operation(&self.visit.actor)
    }

    /// The models that are offered here, by id.
    pub fn models(&self) -> Vec<String> {
        let models = self.console.installation.models.iter();
        models.map(|model| model.id.clone()).collect()
    }

    /// Goes on only with a form of a page of ours, in this browser. The first line of everything that changes something.
    pub fn changing(&self, headers: &HeaderMap, csrf: &str) -> Result<(), Refusal> {
        browsers(&self.console).changing(headers, csrf).map(|_| ())
    }

    /// Whether a page of ours sent this form. Enough to show it again with what was typed, and for nothing else.
    pub fn is_from_us(&self, headers: &HeaderMap) -> bool {
        browsers(&self.console).is_from_us(headers)
    }

    /// Goes on only when they proved lately who they are. Before everything dangerous; otherwise the way to prove it, and back to here.
    pub fn fresh(&self) -> Result<(), Stale> {
        if self.visit.is_fresh(self.console.control.clock.now()) {
            return Ok(());
        }
        Err(Stale {
            prove: sign_in_address(&self.address, true),
        })
    }
}

/// They proved who they are too long ago for what is dangerous.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this needs a new proof of who you are")]
pub struct Stale {
    /// The page that asks for it and leads back.
    pub prove: String,
}

impl FromRequestParts<Arc<Console>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Arc<Console>,
    ) -> Result<Self, Response> {
        // One look at the store is enough for a request.
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let address = address_of(&parts.uri);
        let stranger = || elsewhere(&sign_in_address(&address, false));
        let browser: Browser = browsers(console)
            .known(&parts.headers)
            .ok_or_else(stranger)?;
        let (control, secret) = (&console.control, browser.secret());
        let entered = match parts.uri.path() {
            // A page that asks by itself keeps nobody signed in.
            WAITING => control.look_by_cookie(secret).await,
            _ => control.enter_by_cookie(secret).await,
        };
        match entered {
            Ok(visit) => {
                let waiting = approvals::waiting(&console.control.operation(&visit.actor)).await;
                Ok(Self {
                    console: Arc::clone(console),
                    visit: Arc::new(visit),
                    csrf: browser.csrf().into(),
                    address: address.as_str().into(),
                    answers_form: parts.method == Method::POST,
                    theme: theme::of(&parts.headers),
                    // Where it cannot be counted the page says what is wrong, and a count is missed by nobody.
                    waiting: waiting.ok().map(|(count, _)| count),
                })
            }
            Err(Entry::Control(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "nobody can be let in to the console"
                );
                Err(out_of_order())
            }
            Err(_) => Err(stranger()),
        }
    }
}

/// Browsers by the console's cookie.
fn browsers(console: &Console) -> Browsers<'_> {
    Browsers {
        public_url: &console.installation.public_url,
        ids: &*console.control.ids,
        cookie: browser::CONSOLE,
    }
}

/// The path and query that were asked for, as they may stand on a page: never with a code that an authorization server gave.
fn address_of(uri: &Uri) -> String {
    match uri.path_and_query() {
        Some(asked) if asked.path() != CALLBACK => asked.to_string(),
        _ => uri.path().to_owned(),
    }
}

fn elsewhere(address: &str) -> Response {
    let mut response = Redirect::to(address).into_response();
    guard(response.headers_mut(), &[]);
    response
}

#[derive(Debug, Template)]
#[template(path = "out_of_order.html")]
struct OutOfOrder {
    assets: Assets,
}

/// An outage of ours is never shown as a bad sign-in.
fn out_of_order() -> Response {
    let assets = Assets::current();
    web::page::respond(
        StatusCode::SERVICE_UNAVAILABLE,
        &OutOfOrder { assets },
        HeaderMap::new(),
    )
}
