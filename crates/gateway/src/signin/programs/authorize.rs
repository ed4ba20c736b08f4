//! `GET /oauth/authorize`: which program asks, for which connector, and where the answer would go. `POST /oauth/authorize`: on to the
//! identity provider. Nothing is kept until then, and the request is read anew at every step: a page holds nothing that is believed later.
//!
//! An error goes to the program only where its address is one that the operator set up or on this computer: anybody can register any
//! address, and would have a link of ours that leads there without a word (RFC 9700, section 4.11.2).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Redirect as SeeOther, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use url::Url;
use web::page::guard;

use super::document::Undescribed;
use super::redirect::Redirect;
use super::request::{self, Asked, Query, Wrong};
use super::{Known, NoProgram, Program};
use crate::signin::device::{self, Purpose};
use crate::signin::pages::{self, Authorize, ConsoleEnd, Frame};
use crate::signin::posted::Posted;
use crate::signin::{SignIn, address_of};

/// A request that is in order, and whose it is.
pub(super) struct Looked {
    pub(super) program: Program,
    pub(super) redirect: Redirect,
    pub(super) asked: Asked,
}

/// `GET /oauth/authorize`.
pub async fn show(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let address = address_of(&request);
    let head = request.into_parts().0;
    let query = head.uri.query().unwrap_or_default();
    let looked = match look(&state, query, address).await {
        Ok(looked) => looked,
        Err(answer) => return answer,
    };
    let browsers = state.browsers();
    let browser = browsers
        .known(&head.headers)
        .unwrap_or_else(|| browsers.new_browser());
    let page = Authorize::new(
        &Frame::of(&state),
        "Connect a program",
        looked.facts(),
        query.to_owned(),
        browser.csrf(),
        state.providers(),
    );
    let mut origins = device::idp_origins(&state).await;
    origins.extend(leads_to(&looked.redirect));
    let mut response = pages::respond(StatusCode::OK, &page, &origins);
    let cookie = browsers.set_cookie(&browser);
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

/// `POST /oauth/authorize`.
pub async fn proceed(State(state): State<Arc<SignIn>>, posted: Posted) -> Response {
    let (form, address) = (posted.form, posted.address);
    let looked = match look(&state, form.field("request"), address).await {
        Ok(looked) => looked,
        Err(answer) => return answer,
    };
    let purpose = Purpose::Authorize(Box::new(looked.asked));
    let issuer = form.field("issuer");
    device::set_out(&state, purpose, issuer, &posted.browser, address).await
}

/// The request of a query, or the answer that it gets instead.
pub(super) async fn look(
    state: &SignIn,
    query: &str,
    address: Option<IpAddr>,
) -> Result<Looked, Response> {
    let query = Query::read(query).map_err(|what| unusable(state, what))?;
    let (program, redirect) = whose(
        state,
        (query.field("client_id"), query.field("redirect_uri")),
        address,
    )
    .await?;
    match request::check(&query, &state.public_url) {
        Ok(asked) => Ok(Looked {
            program,
            redirect,
            asked,
        }),
        Err(wrong) => Err(refused(state, &program, &redirect, &query, wrong)),
    }
}

/// The program of an id and its address, or the page that says why the answer goes nowhere.
pub(super) async fn whose(
    state: &SignIn,
    (client_id, redirect_uri): (&str, &str),
    address: Option<IpAddr>,
) -> Result<(Program, Redirect), Response> {
    let found = super::find(state, client_id, address).await;
    let program = found.map_err(|why| unknown(state, &why))?;
    let redirect = program.redirect(&state.public_url, redirect_uri);
    let redirect = redirect.ok_or_else(|| {
        unusable(
            state,
            "The address that the answer is to go to is none of this program's.",
        )
    })?;
    Ok((program, redirect))
}

impl Looked {
    /// What people read of it.
    pub(super) fn facts(&self) -> pages::Asking {
        facts(&self.program, &self.redirect, &self.asked)
    }
}

/// What people read of who asks, for what, and where the answer goes.
pub(super) fn facts(program: &Program, redirect: &Redirect, asked: &Asked) -> pages::Asking {
    let vouched = match &program.known {
        Known::SetUp => "set up here by your company".to_owned(),
        Known::Document(host) => format!("described by {host}"),
        Known::Itself => "it says so itself; nobody has checked the name".to_owned(),
    };
    let path = Url::parse(&asked.resource).map(|url| url.path().to_owned());
    let path = path.unwrap_or_default();
    let name = path.strip_prefix("/mcp/").unwrap_or_default();
    pages::Asking {
        name: program.name.clone(),
        vouched,
        host: redirect.host().to_owned(),
        is_local: redirect.is_loopback(),
        any_could: program.is_local()
            && (program.known != Known::SetUp || program.secret.is_none()),
        connector: name.to_owned(),
        address: asked.resource.clone(),
    }
}

/// Where a form may lead whose answer goes there. Claude's two names pass people on to each other.
pub(super) fn leads_to(redirect: &Redirect) -> Vec<String> {
    const CLAUDE: [&str; 2] = ["https://claude.ai", "https://claude.com"];
    let origin = redirect.origin();
    if CLAUDE.contains(&&*origin) {
        return CLAUDE.map(str::to_owned).to_vec();
    }
    vec![origin]
}

/// The program's address with an answer, which always says who gives it (RFC 9207).
pub(super) fn answer_url(
    state: &SignIn,
    redirect: &Redirect,
    answer: &[(&str, &str)],
    program_state: Option<&str>,
) -> Url {
    let mut all = answer.to_vec();
    all.extend(program_state.map(|text| ("state", text)));
    all.push(("iss", &state.public_url));
    redirect.with(&all)
}

/// Takes the browser to the program, with an answer.
pub(super) fn go(
    state: &SignIn,
    redirect: &Redirect,
    answer: &[(&str, &str)],
    program_state: Option<&str>,
) -> Response {
    let url = answer_url(state, redirect, answer, program_state);
    let mut response = SeeOther::to(url.as_str()).into_response();
    guard(response.headers_mut(), &leads_to(redirect));
    response
}

fn refused(
    state: &SignIn,
    program: &Program,
    redirect: &Redirect,
    query: &Query,
    wrong: Wrong,
) -> Response {
    let answer = [("error", wrong.code), ("error_description", wrong.text)];
    let program_state = Some(query.field("state")).filter(|text| !text.is_empty());
    if program.known == Known::SetUp || redirect.is_loopback() {
        return go(state, redirect, &answer, program_state);
    }
    let page = ConsoleEnd::new(
        &Frame::of(state),
        "This program asks in a way that cannot be",
        format!(
            "{} Nobody was let in; this is for whoever looks after {}.",
            wrong.text, program.name
        ),
        answer_url(state, redirect, &answer, program_state).into(),
        "Go back to the program",
    );
    pages::respond(StatusCode::BAD_REQUEST, &page, &[])
}

fn unusable(state: &SignIn, what: &str) -> Response {
    pages::message(
        state,
        StatusCode::BAD_REQUEST,
        "This program cannot be connected",
        what,
        "Nobody was let in. If you trust the program, remove the connection there and add it once more.",
    )
}

fn unknown(state: &SignIn, why: &NoProgram) -> Response {
    let text = match why {
        NoProgram::Unknown => {
            "No program of this id is known here; it may not have been used for long."
        }
        NoProgram::Document(Undescribed::Wrong(what)) => {
            return unusable(state, &format!("The program's own description {what}."));
        }
        NoProgram::Document(Undescribed::Fetch(error)) => {
            tracing::info!(error = %error.chain(), "a client metadata document cannot be had");
            "The program's own description cannot be fetched."
        }
        NoProgram::Document(Undescribed::Busy) => {
            return pages::message(
                state,
                StatusCode::TOO_MANY_REQUESTS,
                "Too many programs at once",
                "Too many programs are looked up at the moment.",
                "Wait a little, then begin once more in your program.",
            );
        }
        NoProgram::Store(error) => {
            tracing::error!(error = %error, "a program cannot be looked up");
            return device::store_away(state);
        }
    };
    unusable(state, text)
}
