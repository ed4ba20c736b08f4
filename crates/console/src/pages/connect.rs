//! A person's own account at connectors: what one has connected, connecting it at the connector's authorization server or by a key of one's
//! own ([`key`]), and taking it back.
//! What a browser brings back counts only in the session that went there.

mod key;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{any, get, post};
use control::grants::{self, Grant, Own};
use domain::limits;
use domain::policy::connectors::Credentials;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use url::Url;

use super::answer;
use super::asked::{self, Asked, Form, Meant, Named};
use super::parts::{self, Badge, Notice, Tone, badge};
use super::shell::Shell;
use super::show::{Said, When};
use super::visit::Visitor;
use super::wrong::{Words, Wrong};
use crate::Console;
use crate::linking::{Came, Linked};

/// Where authorization servers send browsers back to. What stands behind it in an address is for nobody to read.
pub const CALLBACK: &str = "/connect/callback";

/// What is said where an authorization server, or what a connector says of it, cannot be used.
static UNLINKED: Words = Words {
    title: "It is not connected",
    help: "Try again in a moment. If it says the same then, tell whoever runs Doorward here what stands above.",
    fault: "The connector's or its authorization server's, not yours.",
};

/// What is said where somebody comes back with what nobody began here.
static NOT_BEGUN: Words = Words {
    title: "It is not connected",
    help: "Begin once more, and come back in the same browser, in the time that the page names.",
    fault: "Nobody's: it was begun in another browser, or too long ago.",
};

/// What is said where somebody did not agree at the authorization server.
static DENIED: Words = Words {
    title: "It was not connected",
    help: "Nothing, if that is how you meant it. Otherwise connect it once more.",
    fault: "Nobody's: somebody said no.",
};

/// Everything under `/connect`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/connect", get(list))
        .route(CALLBACK, get(callback))
        .route("/connect/{connector}", get(read).post(begin))
        .route("/connect/{connector}/key", post(key::bring))
        .route("/connect/{connector}/disconnect", post(disconnect))
        .route("/connect/{connector}/{*rest}", any(nothing_here))
}

async fn nothing_here() -> Wrong {
    Wrong::plain(domain::ReasonCode::PathUnknown)
}

/// What was done.
#[derive(Debug, Deserialize)]
pub struct Which {
    done: Option<String>,
}

/// What an authorization server sends a browser back with.
#[derive(Debug, Deserialize)]
pub struct Returned {
    #[serde(default)]
    state: String,
    code: Option<String>,
    iss: Option<String>,
}

/// A connector that one connects oneself.
#[derive(Debug, Clone)]
pub struct Line {
    /// What people call it.
    pub title: Said,
    /// Its page.
    pub to: String,
    /// How it stands.
    pub badge: Badge,
    /// What one has there, in a sentence.
    pub says: String,
}

#[derive(Template)]
#[template(path = "connections.html")]
struct List {
    shell: Shell,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "connection.html")]
struct Page {
    shell: Shell,
    title: Said,
    action: String,
    badge: Badge,
    says: String,
    button: &'static str,
    /// Whether connecting is what there is to do here.
    is_due: bool,
    has: Option<Has>,
}

/// What there is, in detail.
#[derive(Debug, Clone)]
struct Has {
    issuer: Said,
    scope: Said,
    wants: Said,
    since: When,
    renewed: When,
    refused: Option<When>,
}

#[derive(Template)]
#[template(path = "connection_go.html")]
struct Go {
    shell: Shell,
    title: Said,
    host: Said,
    to: String,
    back: String,
    minutes: i64,
}

/// The connectors that one connects oneself.
pub async fn own(visitor: &Visitor) -> Result<Vec<Line>, Wrong> {
    let issuers = visitor.console().rules.issuers_for_people();
    let own = grants::own(&visitor.operation(), issuers).await?;
    Ok(own.iter().map(line).collect())
}

fn line(own: &Own) -> Line {
    let (badge, says) = if is_by_key(own) {
        key::standing(own.grant.as_ref())
    } else {
        standing(own.grant.as_ref())
    };
    Line {
        title: Said::from(&own.title),
        to: path(&own.connector),
        badge,
        says,
    }
}

fn standing(grant: Option<&Grant>) -> (Badge, String) {
    match grant {
        None => (
            badge(Tone::None, "not connected"),
            "Nothing can be called there for you until you connect your own account.".to_owned(),
        ),
        Some(grant) if grant.dead_since.is_some() => (
            badge(Tone::Stop, "no longer accepted"),
            "Its authorization server no longer accepts what you gave. Connect it anew.".to_owned(),
        ),
        Some(grant) if !grant.wants.is_empty() => (
            badge(Tone::Ask, "wants more"),
            "A call was refused there, because it needs more than you gave. Connect it anew to allow that; what you gave holds until then.".to_owned(),
        ),
        Some(_) => (
            badge(Tone::Allow, "connected"),
            "Calls go out with your own account, as far as the rules here let them.".to_owned(),
        ),
    }
}

fn is_by_key(own: &Own) -> bool {
    own.entry.credential == Credentials::ApiKey
}

pub(super) fn path(connector: &str) -> String {
    format!("/connect/{connector}")
}

/// `GET /connect`.
pub async fn list(visitor: Visitor) -> Result<Response, Wrong> {
    let lines = own(&visitor).await?;
    let shell = Shell::apart(&visitor, "Connections");
    Ok(answer(&List { shell, lines }))
}

/// `GET /connect/{connector}`.
pub async fn read(
    visitor: Visitor,
    Named(name): Named<String>,
    Asked(which): Asked<Which>,
) -> Result<Response, Wrong> {
    let own = find(&visitor, &name).await?;
    let told = match asked::given(which.done.as_ref()) {
        "kept" if own.grant.is_some() => Some(Notice::done(
            "Your key is kept. Make the call in Claude again.",
        )),
        "connected" if own.grant.is_some() => Some(Notice::done(
            "It is connected. Make the call in Claude again.",
        )),
        "disconnected" if own.grant.is_none() => Some(Notice::done(
            "It is disconnected, and nothing of it is kept here.",
        )),
        _ => None,
    };
    if is_by_key(&own) {
        return Ok(answer(&key::Page::of(&visitor, &own, told)));
    }
    let (badge, says) = standing(own.grant.as_ref());
    Ok(answer(&Page {
        shell: Shell::apart(&visitor, "Connection").telling(told),
        title: Said::from(&own.title),
        action: path(&own.connector),
        badge,
        says,
        button: match &own.grant {
            None => "Connect",
            Some(_) => "Connect anew",
        },
        is_due: own
            .grant
            .as_ref()
            .is_none_or(|grant| grant.dead_since.is_some() || !grant.wants.is_empty()),
        has: own.grant.as_ref().map(|grant| Has {
            issuer: Said::from(&grant.issuer),
            scope: Said::from(&grant.scope),
            wants: Said::from(&grant.wants),
            since: When::full(grant.connected),
            renewed: When::full(grant.renewed),
            refused: grant.dead_since.map(When::full),
        }),
    }))
}

async fn find(visitor: &Visitor, name: &str) -> Result<Own, Wrong> {
    let issuers = visitor.console().rules.issuers_for_people();
    let own = grants::own(&visitor.operation(), issuers).await?;
    let found = own.into_iter().find(|own| own.connector == name);
    found.ok_or_else(|| Wrong::nothing_here().leading_to("All your connections", "/connect"))
}

/// `POST /connect/{connector}`: the way to its authorization server, as a link that shows where it leads.
pub async fn begin(
    visitor: Visitor,
    State(console): State<Arc<Console>>,
    Named(name): Named<String>,
    headers: HeaderMap,
    Form(form): Form<Meant>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    let own = find(&visitor, &name).await?;
    let begun = console
        .linking
        .begin(visitor.actor(), visitor.session(), &name);
    let to = begun.await.map_err(|error| wrong(error, Some(&name)))?;
    let page = Go {
        shell: Shell::apart(&visitor, "Connection"),
        title: Said::from(&own.title),
        host: Said::from(host(&to)),
        to: to.into(),
        back: path(&name),
        minutes: limits::GRANT_CONNECT_MS / 60_000,
    };
    Ok(web::page::respond(StatusCode::OK, &page, HeaderMap::new()))
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// `GET /connect/callback`.
pub async fn callback(
    visitor: Visitor,
    State(console): State<Arc<Console>>,
    Asked(returned): Asked<Returned>,
) -> Result<Response, Wrong> {
    let came = Came {
        state: &returned.state,
        code: returned.code.as_deref(),
        issuer: returned.iss.as_deref(),
    };
    let finished = console
        .linking
        .finish(visitor.actor(), visitor.session(), came);
    let name = finished.await.map_err(|error| wrong(error, None))?;
    Ok(asked::done(&path(&name), "connected"))
}

/// `POST /connect/{connector}/disconnect`. Without a reason: it is one's own, and connecting again is all it costs.
pub async fn disconnect(
    visitor: Visitor,
    State(console): State<Arc<Console>>,
    Named(name): Named<String>,
    headers: HeaderMap,
    Form(form): Form<Meant>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    find(&visitor, &name).await?;
    let ended = console.linking.disconnect(visitor.actor(), &name);
    ended.await.map_err(|error| wrong(error, Some(&name)))?;
    Ok(asked::done(&path(&name), "disconnected"))
}

fn wrong(error: Linked, name: Option<&str>) -> Wrong {
    let back = |wrong: Wrong, name: Option<&str>| {
        let to = name.map_or_else(|| "/connect".to_owned(), path);
        wrong.leading_to("See how it stands", to)
    };
    match error {
        Linked::Begin => back(
            Wrong::new(
                domain::ReasonCode::ParameterInvalid,
                "Nothing was begun in this browser that this could end, or it was too long ago.",
            )
            .in_words(&NOT_BEGUN),
            name,
        ),
        Linked::Denied(connector) => back(
            Wrong::new(
                domain::ReasonCode::ParameterInvalid,
                "You, or the authorization server for you, said no. Everything is as it was.",
            )
            .in_words(&DENIED),
            Some(&connector),
        ),
        Linked::TooOften => back(
            Wrong::new(
                domain::ReasonCode::RequestRate,
                "You have begun this too often in the last minutes. Wait a while, then begin again.",
            ),
            name,
        ),
        Linked::Unlinked(why) => back(
            Wrong::new(domain::ReasonCode::UpstreamUnavailable, why).in_words(&UNLINKED),
            name,
        ),
        Linked::Control(error) => error.into(),
    }
}
