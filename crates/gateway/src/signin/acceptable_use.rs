//! `GET /acceptable-use`: the link that refusals name. `POST /acceptable-use` sends the person to the identity provider; back from
//! it they read the policy, and `POST /acceptable-use/accept` takes their yes. It opens no session: whoever accepts goes back to
//! the client they came from.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use domain::acceptable_use::Way;
use domain::text::shown;
use domain::{Caller, ReasonCode, Refusal, Subject};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use pipeline::{Accepted, Yes};
use store::UseVersion;
use web::browser;

use super::callback::Proved;
use super::device::{self, Purpose, Trip};
use super::pages::{self, Accept, Frame, Prove, Terms};
use super::posted::Posted;
use super::{SignIn, oauth};

const TITLE: &str = "Acceptable use of Claude";

/// A version as pages show it: with what is recorded now, where that has changed since.
pub(super) fn terms(state: &SignIn, version: &UseVersion, note: Option<&'static str>) -> Terms {
    let now = state.acceptable_use.changed_since(version);
    Terms::new(version, now.as_deref(), note)
}

/// `GET /acceptable-use`.
pub async fn show(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    match state.acceptable_use.latest().await {
        Ok(Some(_)) => {}
        Ok(None) => return nothing_to_accept(&state),
        Err(_) => return device::store_away(&state),
    }
    let headers = request.into_parts().0.headers;
    let browsers = state.browsers();
    let browser = browsers
        .known(&headers)
        .unwrap_or_else(|| browsers.new_browser());
    let page = Prove::new(&Frame::of(&state), TITLE, browser.csrf(), state.providers());
    let origins = device::idp_origins(&state).await;
    let mut response = pages::respond(StatusCode::OK, &page, &origins);
    let cookie = browsers.set_cookie(&browser);
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

/// `POST /acceptable-use`.
pub async fn proceed(State(state): State<Arc<SignIn>>, posted: Posted) -> Response {
    let (purpose, issuer) = (Purpose::AcceptableUse, posted.form.field("issuer"));
    device::set_out(&state, purpose, issuer, &posted.browser, posted.address).await
}

/// Back from the identity provider: what the proved person is to read.
pub(super) async fn read(
    state: &SignIn,
    caller: &Caller,
    trip: &Trip,
    headers: &HeaderMap,
) -> Response {
    let Subject::Person(person) = caller.subject else {
        return device::wrong_page(state, &Refusal::plain(ReasonCode::ParameterInvalid));
    };
    let latest = match state.acceptable_use.latest().await {
        Ok(Some(latest)) => latest,
        Ok(None) => return nothing_to_accept(state),
        Err(_) => return device::store_away(state),
    };
    match state.acceptable_use.accepted(person).await {
        Ok(accepted) if accepted >= Some(latest.version) => {
            return accepted_page(state, latest.version);
        }
        Ok(_) => {}
        Err(_) => return device::store_away(state),
    }
    let proved = Proved {
        user_code: String::new(),
        person,
        binding: trip.binding.clone(),
        wanted: Some(latest.version),
        name: shown(caller.name.as_deref().unwrap_or(caller.label())).into_owned(),
        email: caller.email.as_deref().unwrap_or_default().to_owned(),
        issuer: caller.issuer.to_string(),
    };
    match device::browser_of(state, headers) {
        Some(here) => ask(state, &proved, &latest, None, &here).await,
        None => device::wrong_page(state, &Refusal::plain(ReasonCode::ParameterInvalid)),
    }
}

async fn ask(
    state: &SignIn,
    proved: &Proved,
    latest: &UseVersion,
    note: Option<&'static str>,
    here: &browser::Browser,
) -> Response {
    let ticket = browser::new_secret(&*state.ids);
    if device::keep(state, &ticket, proved).await.is_err() {
        return device::store_away(state);
    }
    let page = Accept::new(
        &Frame::of(state),
        TITLE,
        proved.name.clone(),
        web::date::day(latest.created),
        terms(state, latest, note),
        ticket,
        here.csrf(),
    );
    pages::respond(StatusCode::OK, &page, &[])
}

/// Takes the yes that a form brings, if its box is ticked; or what to say to whoever is asked once more.
pub(super) async fn taken(
    state: &SignIn,
    form: &oauth::Form,
    yes: Yes<'_>,
    unticked: &'static str,
) -> Result<Option<&'static str>, Response> {
    if form.field("acceptable_use") != yes.version.to_string() {
        return Ok(Some(unticked));
    }
    match state.acceptable_use.accept(yes).await {
        Ok(Accepted::Kept) => Ok(None),
        Ok(Accepted::Newer) => Ok(Some(
            "A newer version has been published just now. Read it once more.",
        )),
        Err(_) => Err(device::store_away(state)),
    }
}

/// `POST /acceptable-use/accept`.
pub async fn accept(State(state): State<Arc<SignIn>>, posted: Posted) -> Response {
    // A ticket for letting a device in is none for this, nor the other way round: that one asks for its code.
    let is_ours = |proved: &Proved| proved.user_code.is_empty();
    let proved = match posted.spend(&state, is_ours).await {
        Ok(proved) => proved,
        Err(page) => return page,
    };
    let Some(version) = proved.wanted else {
        return nothing_to_accept(&state);
    };
    let yes = Yes {
        person: proved.person,
        version,
        way: Way::Link,
        label: proved.label(),
        address: posted.address,
    };
    let note = match taken(&state, &posted.form, yes, "The box is not ticked.").await {
        Ok(None) => return accepted_page(&state, version),
        Ok(note) => note,
        Err(page) => return page,
    };
    match state.acceptable_use.latest().await {
        Ok(Some(latest)) => {
            let proved = Proved {
                wanted: Some(latest.version),
                ..proved
            };
            ask(&state, &proved, &latest, note, &posted.browser).await
        }
        Ok(None) => nothing_to_accept(&state),
        Err(_) => device::store_away(&state),
    }
}

fn accepted_page(state: &SignIn, version: u64) -> Response {
    pages::message(
        state,
        StatusCode::OK,
        "Accepted",
        &format!("You have accepted version {version} of the acceptable-use policy."),
        "Go back to your program and send your request again. You can close this window.",
    )
}

fn nothing_to_accept(state: &SignIn) -> Response {
    pages::message(
        state,
        StatusCode::NOT_FOUND,
        "There is nothing to accept",
        "No acceptable-use policy has been published here.",
        "If a program sent you here, tell your administrator.",
    )
}
