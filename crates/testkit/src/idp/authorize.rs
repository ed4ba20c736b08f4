//! The authorisation endpoint: code flow only, PKCE with S256 always.
//!
//! GET shows the page of buttons; POST with `person=` (or `cancel=`) answers with a redirect. The parameters may stand in the
//! query or in the posted form, so that a test can sign in with one request.

use domain::Timestamp;
use http::{Method, Response};
use url::Url;

use super::page;
use super::state::{Grant, State};
use crate::net::ask::Fields;
use crate::net::{Ask, Body, reply};

pub(super) fn answer(state: &State, ask: &Ask) -> Response<Body> {
    let mut fields = ask.query_fields();
    if ask.method == Method::POST {
        fields = fields.and(ask.form());
    } else if ask.method != Method::GET {
        return reply::text(405, "GET or POST");
    }
    let Some(app) = state.app(fields.text("client_id")) else {
        return reply::page(
            400,
            page::refused("AADSTS700016: no application has this client id."),
        );
    };
    let Some(back) = Back::checked(&fields, state.stated_issuer(), |asked| {
        app.allows_redirect(asked)
    }) else {
        let why = "AADSTS50011: the redirect address is not registered for this application.";
        return reply::page(400, page::refused(why));
    };
    if let Some((error, why)) = mistake(&fields) {
        return back.error(error, why);
    }
    if ask.method == Method::GET {
        if let Some((login, at)) = remembered(state, ask, &fields) {
            return back.code(&state.keep_code(grant(state, &fields, login, at)));
        }
        if fields.text("prompt") == "none" {
            return back.error("login_required", "nobody is signed in");
        }
        let query = &ask.query;
        return reply::page(200, page::choose(&state.people(), &app.client_id, query));
    }
    if fields.find("cancel").is_some() {
        return back.error("access_denied", "the person cancelled");
    }
    match state.person(fields.text("person")) {
        Some(person) if person.disabled => {
            reply::page(403, page::refused("AADSTS50057: the account is disabled."))
        }
        Some(person) => {
            let (login, now) = (person.login.clone(), state.clock.now());
            let answer = back.code(&state.keep_code(grant(state, &fields, person.login, now)));
            remember(state, answer, &login, now)
        }
        None => reply::page(400, page::refused("nobody is known by this name")),
    }
}

fn mistake(fields: &Fields) -> Option<(&'static str, &'static str)> {
    if fields.text("response_type") != "code" {
        return Some((
            "unsupported_response_type",
            "only the code flow is supported",
        ));
    }
    if !matches!(fields.text("response_mode"), "" | "query") {
        return Some(("invalid_request", "only response_mode=query is supported"));
    }
    if !fields.text("scope").split(' ').any(|one| one == "openid") {
        return Some(("invalid_scope", "the scope must hold openid"));
    }
    let challenge = fields.text("code_challenge");
    if fields.text("code_challenge_method") != "S256" || challenge.len() != 43 {
        return Some(("invalid_request", "PKCE with S256 is required"));
    }
    None
}

/// The cookie of whoever signed in.
const COOKIE: &str = "testkit_idp";

fn remember(state: &State, answer: Response<Body>, login: &str, at: Timestamp) -> Response<Body> {
    if !state.habits().remembers {
        return answer;
    }
    let cookie = format!("{COOKIE}={}-{login}; Path=/; HttpOnly", at.unix_s());
    reply::with(answer, "set-cookie", &cookie)
}

/// Who signed in before in this browser, and when, unless they are to be asked again (OpenID Connect Core 3.1.2.1).
fn remembered(state: &State, ask: &Ask, fields: &Fields) -> Option<(String, Timestamp)> {
    let habits = state.habits();
    let line = ask.headers.get("cookie")?.to_str().ok()?;
    let mut pairs = line.split("; ").filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| habits.remembers && *name == COOKIE)?;
    let (at, login) = value.split_once('-')?;
    let at = Timestamp::from_unix_s(at.parse().ok()?);
    let age_s = state.clock.now().ms_since(at) / 1_000;
    let too_old = fields
        .text("max_age")
        .parse()
        .is_ok_and(|most: i64| age_s >= most);
    let asks_again = fields.text("prompt") == "login" || too_old;
    let person = state.person(login).filter(|person| !person.disabled)?;
    (habits.ignores_prompts || !asks_again).then_some((person.login, at))
}

fn grant(state: &State, fields: &Fields, login: String, auth_time: Timestamp) -> Grant {
    let owned = |name: &str| fields.find(name).map(str::to_owned);
    Grant {
        login,
        client_id: fields.text("client_id").to_owned(),
        redirect_uri: fields.text("redirect_uri").to_owned(),
        challenge: owned("code_challenge"),
        nonce: owned("nonce"),
        scope: fields.text("scope").to_owned(),
        resource: owned("resource"),
        issued: state.clock.now(),
        auth_time,
    }
}

/// The way back to the application, known to be its own.
struct Back {
    redirect: Url,
    state: Option<String>,
    /// How the provider names itself (RFC 9207).
    iss: Option<String>,
}

impl Back {
    fn checked(
        fields: &Fields,
        iss: Option<String>,
        allowed: impl Fn(&str) -> bool,
    ) -> Option<Self> {
        let asked = fields.find("redirect_uri").filter(|asked| allowed(asked))?;
        Some(Self {
            redirect: Url::parse(asked).ok()?,
            state: fields.find("state").map(str::to_owned),
            iss,
        })
    }

    fn code(self, code: &str) -> Response<Body> {
        self.go(&[("code", code)])
    }

    fn error(self, error: &str, why: &str) -> Response<Body> {
        self.go(&[("error", error), ("error_description", why)])
    }

    fn go(mut self, fields: &[(&str, &str)]) -> Response<Body> {
        {
            let mut query = self.redirect.query_pairs_mut();
            query.extend_pairs(fields);
            if let Some(state) = &self.state {
                query.append_pair("state", state);
            }
            if let Some(iss) = &self.iss {
                query.append_pair("iss", iss);
            }
        }
        reply::redirect(self.redirect.as_str())
    }
}
