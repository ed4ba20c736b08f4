//! `GET /acceptable-use`: the link that refusals name. `POST /acceptable-use` sends the person to the identity provider; back from
//! it they read the policy, and `POST /acceptable-use/accept` takes their yes. It opens no session: whoever accepts goes back to
//! the client they came from.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use domain::acceptable_use::Way;
use domain::text::shown;
use domain::{Caller, Reason, ReasonCode, Refusal, Subject};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use pipeline::{Accepted, Yes};
use store::UseVersion;
use web::browser;

use super::callback::Proved;
use super::device::{self, Purpose, Trip};
use super::pages::{self, Accept, Frame, Prove, Terms};
use super::{SignIn, address_of, oauth};

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
pub async fn proceed(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let address = address_of(&request);
    let (head, body) = request.into_parts();
    let form = match oauth::Form::read(body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let browser = match state.browsers().changing(&head.headers, form.field("csrf")) {
        Ok(browser) => browser,
        Err(refusal) => return device::wrong_page(&state, &refusal),
    };
    let (purpose, issuer) = (Purpose::AcceptableUse, form.field("issuer"));
    device::set_out(&state, purpose, issuer, &browser, address).await
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
    let published: String = latest.created.to_string().chars().take(10).collect();
    let page = Accept::new(
        &Frame::of(state),
        TITLE,
        proved.name.clone(),
        published,
        terms(state, latest, note),
        ticket,
        here.csrf(),
    );
    pages::respond(StatusCode::OK, &page, &[])
}

/// `POST /acceptable-use/accept`.
pub async fn accept(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let address = address_of(&request);
    let (head, body) = request.into_parts();
    let form = match oauth::Form::read(body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let here = match state.browsers().changing(&head.headers, form.field("csrf")) {
        Ok(browser) => browser,
        Err(refusal) => return device::wrong_page(&state, &refusal),
    };
    let (now, ticket) = (state.clock.now(), browser::hash(form.field("confirm")));
    let kept = state.store.take_login_state(state.org, &ticket, now).await;
    let proved: Option<Proved> = match kept {
        Ok(body) => body.and_then(|body| serde_json::from_str(&body).ok()),
        Err(_) => return device::store_away(&state),
    };
    // A ticket for letting a device in is none for this, nor the other way round: that one asks for its code.
    let is_ours = |proved: &Proved| proved.binding == here.binding() && proved.user_code.is_empty();
    let Some((proved, version)) = proved
        .filter(is_ours)
        .and_then(|proved| Some((proved.wanted?, proved)))
        .map(|(version, proved)| (proved, version))
    else {
        let text = "This was decided already, or is too old.";
        let reason = Reason::new(ReasonCode::ParameterInvalid, text);
        return device::wrong_page(&state, &Refusal::one(reason));
    };
    let note = if form.field("acceptable_use") == version.to_string() {
        let yes = Yes {
            person: proved.person,
            version,
            way: Way::Link,
            label: proved.label(),
            address,
        };
        match state.acceptable_use.accept(yes).await {
            Ok(Accepted::Kept) => return accepted_page(&state, version),
            Ok(Accepted::Newer) => {
                "A newer version has been published just now. Read it once more."
            }
            Err(_) => return device::store_away(&state),
        }
    } else {
        "The box is not ticked."
    };
    match state.acceptable_use.latest().await {
        Ok(Some(latest)) => {
            let proved = Proved {
                wanted: Some(latest.version),
                ..proved
            };
            ask(&state, &proved, &latest, Some(note), &here).await
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
