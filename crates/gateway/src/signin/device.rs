//! `GET /device`: the code, what asks and from where. `POST /device`: on to the identity provider.

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Refusal, Timestamp, limits};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use store::{DeviceCode, DeviceState};
use url::Url;
use web::browser::{self, Browsers};

use super::console::Way;
use super::device_authorization::tidy_user_code;
use super::pages::{self, CheckCode, EnterCode, Frame};
use super::{SignIn, address_of, oauth, signs_people_in};

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
pub async fn proceed(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let address = address_of(&request);
    let (head, body) = request.into_parts();
    let form = match oauth::Form::read(body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let browser = match state.browsers().changing(&head.headers, form.field("csrf")) {
        Ok(browser) => browser,
        Err(refusal) => return wrong_page(&state, &refusal),
    };
    let code = match pending(&state, form.field("user_code"), address).await {
        Ok(code) => code,
        Err(page) => return page,
    };
    let purpose = Purpose::Device(code.user_code);
    set_out(&state, purpose, form.field("issuer"), &browser, address).await
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
        pages::message(
            state,
            StatusCode::NOT_FOUND,
            "This code is not known",
            "It may have been typed wrong, used already, or be older than ten minutes.",
            "Look at your client's screen, or start its sign-in anew.",
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
    let client_id = issuer.config().client_id.as_deref().ok_or_else(unusable)?;
    let mut url = issuer
        .endpoints()
        .await?
        .authorization
        .ok_or_else(unusable)?;
    if matches!(&purpose, Purpose::Console(way) if way.again) {
        // OpenID Connect Core 3.1.2.1: with max_age the ID token must say when the person signed in.
        url.query_pairs_mut()
            .append_pair("prompt", "login")
            .append_pair("max_age", "0");
    }
    let ticket = browser::new_secret(&*state.ids);
    let trip = Trip {
        purpose,
        issuer: issuer.name().to_string(),
        verifier: browser::new_secret(&*state.ids),
        nonce: browser::new_secret(&*state.ids),
        binding: browser.binding(),
    };
    let challenge =
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, trip.verifier.as_bytes()));
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("response_mode", "query")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", &redirect_uri(state))
        .append_pair("scope", &issuer.config().scopes.join(" "))
        .append_pair("state", &ticket)
        .append_pair("nonce", &trip.nonce)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
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
    format!("{}/oauth/callback", state.public_url)
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
