//! `GET /device`: the code, what asks and from where. `POST /device`: on to the identity provider.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::{Refusal, Timestamp, limits};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use store::{DeviceCode, DeviceState};
use url::Url;
use web::browser::{self, Browsers};

use super::console::Way;
use super::device_authorization::tidy_user_code;
use super::oidc::Departure;
use super::pages::{self, CheckCode, EnterCode, Frame};
use super::posted::Posted;
use super::programs::request;
use super::{SignIn, address_of, oidc, signs_people_in};

/// The code in the address.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    user_code: Option<String>,
}

/// What a browser must bring back from the identity provider.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Trip {
    /// What the person comes back for.
    pub purpose: Purpose,
    /// The issuer that was asked.
    pub issuer: String,
    /// PKCE.
    pub verifier: String,
    /// For the ID token.
    pub nonce: String,
    /// The browser.
    pub binding: String,
}

/// What a trip to the identity provider is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Purpose {
    /// To let in the device of this code.
    Device(String),
    /// To read and accept the acceptable-use policy.
    AcceptableUse,
    /// To sign in to the console, or to prove there once more who they are.
    Console(Way),
    /// To let a program call a connector.
    Authorize(Box<request::Asked>),
}

/// `GET /device`.
pub async fn show(
    State(state): State<Arc<SignIn>>,
    Query(asked): Query<Asked>,
    request: Request,
) -> Response {
    // What another site sends would count as guesses of everybody behind this address; who follows a link from there types the code.
    let is_elsewhere = Browsers::is_from_another_site(request.headers());
    let Some(typed) = asked.user_code.filter(|_| !is_elsewhere) else {
        return pages::respond(
            StatusCode::OK,
            &EnterCode::new(&Frame::of(&state), "Sign in a device"),
            &[],
        );
    };
    let address = address_of(&request);
    let headers = request.into_parts().0.headers;
    let code = match pending(&state, &typed, address).await {
        Ok(code) => code,
        Err(page) => return page,
    };
    let browsers = state.browsers();
    let browser = browsers
        .known(&headers)
        .unwrap_or_else(|| browsers.new_browser());
    let page = CheckCode::new(
        &Frame::of(&state),
        "Sign in a device",
        code.client,
        code.user_code,
        clock_time(code.expires),
        clock_time(code.created),
        code.address,
        browser.csrf(),
        state.providers(),
    );
    let mut response = pages::respond(StatusCode::OK, &page, &idp_origins(&state).await);
    response
        .headers_mut()
        .append(SET_COOKIE, browsers.set_cookie(&browser));
    response
}

/// `POST /device`.
pub async fn proceed(State(state): State<Arc<SignIn>>, posted: Posted) -> Response {
    let (form, address) = (posted.form, posted.address);
    let code = match pending(&state, form.field("user_code"), address).await {
        Ok(code) => code,
        Err(page) => return page,
    };
    let purpose = Purpose::Device(code.user_code);
    let issuer = form.field("issuer");
    set_out(&state, purpose, issuer, &posted.browser, address).await
}

/// Sends the browser to the identity provider.
pub(super) async fn set_out(
    state: &SignIn,
    purpose: Purpose,
    issuer: &str,
    browser: &browser::Browser,
    address: Option<std::net::IpAddr>,
) -> Response {
    // A right code is good for one trip, not for filling the places of everyone's.
    if !state.trips.admit(address, state.clock.now()) {
        return pages::message(
            state,
            StatusCode::TOO_MANY_REQUESTS,
            "Too many sign-ins",
            "Sign-ins have been started too often from here.",
            "Wait ten minutes, then open the address once more.",
        );
    }
    match depart(state, purpose, issuer, browser).await {
        Ok(url) => {
            let mut response = Redirect::to(url.as_str()).into_response();
            response
                .headers_mut()
                .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(refusal) => {
            tracing::warn!(
                reason = refusal.code().as_str(),
                "a sign-in cannot go to the identity provider"
            );
            pages::message(
                state,
                StatusCode::SERVICE_UNAVAILABLE,
                "The identity provider cannot be asked",
                &refusal.sentence(),
                "Go back and try once more; a client that waits for you keeps waiting.",
            )
        }
    }
}

/// The pending sign-in of a code, or the page that says why there is none. Wrong codes are counted, so that they cannot be
/// guessed.
pub(super) async fn pending(
    state: &SignIn,
    typed: &str,
    address: Option<std::net::IpAddr>,
) -> Result<DeviceCode, Response> {
    let now = state.clock.now();
    let too_many = || {
        pages::message(
            state,
            StatusCode::TOO_MANY_REQUESTS,
            "Too many wrong codes",
            "Codes have been typed wrong too often from here.",
            "Wait ten minutes, then start the sign-in anew in your client.",
        )
    };
    // Counted before the lookup, and given back for a right code: whoever has guessed too often learns nothing of a right guess
    // either, and guesses sent at once do not overtake the count.
    if !state.guesses.admit(address, now) {
        return Err(too_many());
    }
    let unknown = || {
        pages::message_leading_to(
            state,
            StatusCode::NOT_FOUND,
            "This code is not known",
            (
                "It may have been typed wrong, used already, or be older than ten minutes.",
                "Look at your client's screen, or start its sign-in anew.",
            ),
            ("/device", "Type it again"),
        )
    };
    let Some(user_code) = tidy_user_code(typed) else {
        return Err(unknown());
    };
    match state.store.device_by_user_code(state.org, &user_code).await {
        Ok(Some((code, DeviceState::Pending))) if now < code.expires => {
            state.guesses.give_back(address, now);
            Ok(code)
        }
        Ok(_) => Err(unknown()),
        Err(error) => {
            state.guesses.give_back(address, now);
            tracing::error!(error = %error, "a user code cannot be looked up");
            Err(store_away(state))
        }
    }
}

/// Prepares the trip to the identity provider and returns where to send the browser.
async fn depart(
    state: &SignIn,
    purpose: Purpose,
    issuer_name: &str,
    browser: &browser::Browser,
) -> Result<Url, Refusal> {
    let unusable = || {
        Refusal::new(
            domain::ReasonCode::IssuerUnreachable,
            "There is no such identity provider for signing in.",
        )
    };
    let issuer = state
        .identity
        .issuers()
        .iter()
        .find(|issuer| **issuer.name() == *issuer_name && signs_people_in(issuer))
        .ok_or_else(unusable)?;
    let again = matches!(&purpose, Purpose::Console(way) if way.again);
    let Departure {
        url,
        ticket,
        verifier,
        nonce,
    } = oidc::depart(issuer, &redirect_uri(state), again, &*state.ids).await?;
    let trip = Trip {
        purpose,
        issuer: issuer.name().to_string(),
        verifier,
        nonce,
        binding: browser.binding(),
    };
    keep(state, &ticket, &trip).await?;
    Ok(url)
}

/// Keeps what a ticket stands for, for as long as a device code lives.
pub(super) async fn keep(
    state: &SignIn,
    ticket: &str,
    what: &impl Serialize,
) -> Result<(), Refusal> {
    let body =
        serde_json::to_string(what).map_err(|_| Refusal::plain(domain::ReasonCode::Internal))?;
    let expires = state.clock.now().plus_ms(limits::DEVICE_CODE_MS);
    state
        .store
        .insert_login_state(state.org, &browser::hash(ticket), &body, expires)
        .await
        .map_err(|error| {
            tracing::error!(error = %error, "a login state cannot be kept");
            Refusal::plain(domain::ReasonCode::StoreUnavailable)
        })
}

pub(super) fn redirect_uri(state: &SignIn) -> String {
    format!("{}{}", state.public_url, oidc::CALLBACK)
}

/// Where our form may lead: browsers apply `form-action` to redirects as well.
pub(super) async fn idp_origins(state: &SignIn) -> Vec<String> {
    let mut origins = Vec::new();
    let all = state.identity.issuers().iter();
    for issuer in all.filter(|issuer| signs_people_in(issuer)) {
        let Ok(endpoints) = issuer.endpoints().await else {
            continue;
        };
        origins.extend(
            endpoints
                .authorization
                .map(|url| url.origin().ascii_serialization()),
        );
    }
    origins
}

pub(super) fn wrong_page(state: &SignIn, refusal: &Refusal) -> Response {
    pages::message(
        state,
        StatusCode::FORBIDDEN,
        "This did not come from our page",
        &refusal.first().message,
        "Open the address your client shows once more, in one browser.",
    )
}

pub(super) fn store_away(state: &SignIn) -> Response {
    pages::message(
        state,
        StatusCode::SERVICE_UNAVAILABLE,
        "Something is out of order here",
        "The gateway's store cannot be reached.",
        "Try again in a moment; your client keeps waiting.",
    )
}

/// `14:42 UTC`.
pub(super) fn clock_time(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(11..16)
        .map_or_else(String::new, |time| format!("{time} UTC"))
}

/// The browser of a request that changes nothing.
pub(super) fn browser_of(state: &SignIn, headers: &HeaderMap) -> Option<browser::Browser> {
    state.browsers().known(headers)
}
