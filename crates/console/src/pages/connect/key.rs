//! A person's own API key at a connector: the form that takes it, and how it stands. A key that was brought is never shown again, also not
//! where it could not be taken.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use control::ControlError;
use control::grants::{Grant, Own, fingerprint_of_place};
use domain::limits;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;

use super::super::asked::{self, Form, Named};
use super::super::parts::{self, Badge, Notice, Tone, badge};
use super::super::shell::Shell;
use super::super::show::{Said, When};
use super::super::visit::Visitor;
use super::super::wrong::Wrong;
use super::{find, is_by_key, path, wrong};
use crate::Console;
use crate::linking::Linked;

/// A key that somebody brings.
#[derive(Debug, Deserialize)]
pub(super) struct Brought {
    csrf: String,
    /// The fingerprint of where the page said that it goes.
    saw: String,
    key: SecretString,
}

#[derive(Template)]
#[template(path = "connection_key.html")]
pub(super) struct Page {
    shell: Shell,
    title: Said,
    action: String,
    badge: Badge,
    says: String,
    /// Where the key goes.
    to: Said,
    /// In what of it.
    within: Said,
    is_program: bool,
    saw: String,
    longest: usize,
    has: Option<Has>,
    wrong: Option<String>,
}

/// What there is of one.
#[derive(Debug, Clone)]
struct Has {
    since: When,
    refused: Option<When>,
}

impl Page {
    /// As it stands.
    pub(super) fn of(visitor: &Visitor, own: &Own, told: Option<Notice>) -> Self {
        let (badge, says) = standing(own.grant.as_ref());
        let entry = &own.entry;
        let within = match (&entry.header, &entry.scheme) {
            (Some(header), Some(scheme)) => format!("{header}: {scheme} …"),
            (Some(header), None) => format!("{header}: …"),
            (None, _) => entry.variable.clone().unwrap_or_default(),
        };
        let command = || entry.command.join(" ");
        Self {
            shell: Shell::apart(visitor, "Connection").telling(told),
            title: Said::from(&own.title),
            action: path(&own.connector),
            badge,
            says,
            to: Said::from(entry.url.clone().unwrap_or_else(command)),
            within: Said::from(within),
            is_program: entry.url.is_none(),
            saw: fingerprint_of_place(entry),
            longest: limits::API_KEY_BYTES_MAX,
            has: own.grant.as_ref().map(|grant| Has {
                since: When::full(grant.connected),
                refused: grant.dead_since.map(When::full),
            }),
            wrong: None,
        }
    }
}

/// How a key stands.
pub(super) fn standing(grant: Option<&Grant>) -> (Badge, String) {
    match grant {
        None => (
            badge(Tone::None, "no key"),
            "Nothing can be called there for you until you bring your own key.".to_owned(),
        ),
        Some(grant) if grant.dead_since.is_some() => (
            badge(Tone::Stop, "no longer accepted"),
            "Your key was refused there. Bring a new one.".to_owned(),
        ),
        Some(_) => (
            badge(Tone::Allow, "connected"),
            "Calls go out with your own key, as far as the rules here let them.".to_owned(),
        ),
    }
}

/// `POST /connect/{connector}/key`.
pub(super) async fn bring(
    visitor: Visitor,
    State(console): State<Arc<Console>>,
    Named(name): Named<String>,
    headers: HeaderMap,
    Form(form): Form<Brought>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    let own = find(&visitor, &name).await?;
    if !is_by_key(&own) {
        return Err(Wrong::nothing_here());
    }
    let brought = console
        .linking
        .bring(visitor.actor(), &name, &form.key, &form.saw);
    match brought.await {
        Ok(()) => Ok(asked::done(&path(&name), "kept")),
        Err(Linked::Control(ControlError::Invalid(unusable))) => {
            let mut page = Page::of(&visitor, &own, None);
            page.wrong = Some(format!("It {}.", unusable.why));
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(web::page::respond(status, &page, HeaderMap::new()))
        }
        Err(error) => Err(wrong(error, Some(&name))),
    }
}
