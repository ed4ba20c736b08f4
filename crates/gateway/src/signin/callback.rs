//! `GET /oauth/callback`: back from the identity provider. The browser must be the one that left, the state is good once, the
//! answer must come from the issuer that was asked, and the ID token must carry the nonce that was sent. Then the person sees what they are about to let in.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::response::Response;
use domain::text::shown;
use domain::{ReasonCode, Refusal, Subject};
use http::StatusCode;
use http::header::HeaderMap;
use ledger::record::Origin;
use pipeline::identity::{Issuer, SignedIn};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use web::browser;

use super::device::{self, Purpose, Trip};
use super::pages::{self, Confirm, Frame, Terms};
use super::posted::Held;
use super::programs::consent;
use super::{SignIn, acceptable_use, console, oidc, origin_of};
use crate::envelope::face_of;

/// What the identity provider says.
#[derive(Debug, Deserialize)]
pub struct Returned {
    code: Option<SecretString>,
    state: Option<String>,
    error: Option<String>,
    /// Who answers (RFC 9207).
    iss: Option<String>,
}

/// What a decision is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Proved {
    /// The code.
    pub user_code: String,
    /// The person.
    pub person: domain::PersonId,
    /// The browser.
    pub binding: String,
    /// The version of the acceptable-use policy that must be accepted with it.
    pub wanted: Option<u64>,
    /// The person's name, for them to see.
    pub name: String,
    /// Their e-mail address, for them to see.
    pub email: String,
    /// Who vouches for them.
    pub issuer: String,
}

impl Held for Proved {
    fn binding(&self) -> &str {
        &self.binding
    }
}

impl Proved {
    /// What records call the person.
    pub(super) fn label(&self) -> &str {
        if self.email.is_empty() {
            &self.name
        } else {
            &self.email
        }
    }
}

/// Handles the request.
pub async fn returned(
    State(state): State<Arc<SignIn>>,
    Query(returned): Query<Returned>,
    request: Request,
) -> Response {
    let origin = origin_of(&request);
    let address = origin.address;
    let headers = request.into_parts().0.headers;
    let trip = match trip_of(&state, &returned, &headers).await {
        Ok(trip) => trip,
        Err(page) => return page,
    };
    let arrived = signed_in(&state, &trip, &returned).await;
    if let Purpose::Console(way) = &trip.purpose {
        return console::arrive(&state, way, arrived, (origin, &headers)).await;
    }
    let caller = match arrived {
        Ok(signed_in) => signed_in.caller,
        Err(refusal) => return not_signed_in(&state, origin, &refusal),
    };
    let user_code = match &trip.purpose {
        Purpose::Device(user_code) => user_code,
        Purpose::Authorize(asked) => {
            return consent::arrive(&state, asked, (&caller, &trip), (address, &headers)).await;
        }
        _ => return acceptable_use::read(&state, &caller, &trip, &headers).await,
    };
    let code = match device::pending(&state, user_code, address).await {
        Ok(code) => code,
        Err(page) => return page,
    };
    let (Subject::Person(person), Some(here)) =
        (caller.subject, device::browser_of(&state, &headers))
    else {
        return device::wrong_page(&state, &Refusal::plain(ReasonCode::ParameterInvalid));
    };
    let Ok(wanted) = state.acceptable_use.wanted_of(&caller).await else {
        return device::store_away(&state);
    };
    let proved = Proved {
        user_code: code.user_code.clone(),
        person,
        binding: trip.binding,
        wanted: wanted.as_ref().map(|wanted| wanted.version),
        name: shown(caller.name.as_deref().unwrap_or(caller.label())).into_owned(),
        email: caller.email.as_deref().unwrap_or_default().to_owned(),
        issuer: caller.issuer.to_string(),
    };
    let terms = wanted.map(|wanted| acceptable_use::terms(&state, &wanted, None));
    confirm(&state, &code, &proved, terms, &here).await
}

/// Who signed in, if the issuer that was asked says so.
async fn signed_in(state: &SignIn, trip: &Trip, returned: &Returned) -> Result<SignedIn, Refusal> {
    let issuer = answering(state, trip, returned).await?;
    if let Some(error) = &returned.error {
        let error: String = error
            .chars()
            .filter(char::is_ascii_graphic)
            .take(60)
            .collect();
        let text = format!("The identity provider answered: {error}.");
        return Err(Refusal::new(meaning_of(&error), text));
    }
    prove(state, trip, issuer, returned.code.as_ref()).await
}

/// Whose fault an error of the identity provider is (RFC 6749, section 4.1.2.1): its outage is no bad sign-in.
fn meaning_of(error: &str) -> ReasonCode {
    match error {
        "server_error" | "temporarily_unavailable" => ReasonCode::IssuerUnreachable,
        _ => ReasonCode::TokenClaims,
    }
}

/// Takes the trip that this browser went on.
async fn trip_of(
    state: &SignIn,
    returned: &Returned,
    headers: &HeaderMap,
) -> Result<Trip, Response> {
    let lost = || {
        pages::message(
            state,
            StatusCode::BAD_REQUEST,
            "This sign-in is not known here",
            "It was used already, is too old, or began in another browser.",
            "Go back to where you began, your client or the console, and sign in once more.",
        )
    };
    let ticket = returned.state.as_deref().ok_or_else(lost)?;
    let here = device::browser_of(state, headers).ok_or_else(lost)?;
    let kept = state
        .store
        .take_login_state(state.org, &browser::hash(ticket), state.clock.now())
        .await;
    let body = kept.map_err(|error| {
        tracing::error!(error = %error, "a login state cannot be looked up");
        device::store_away(state)
    })?;
    let trip: Trip = body
        .and_then(|body| serde_json::from_str(&body).ok())
        .ok_or_else(lost)?;
    if trip.binding == here.binding() {
        Ok(trip)
    } else {
        Err(lost())
    }
}

/// The issuer that was asked, when it is the one that answers: before anything it says is shown or sent anywhere.
async fn answering<'s>(
    state: &'s SignIn,
    trip: &Trip,
    returned: &Returned,
) -> Result<&'s Issuer, Refusal> {
    let issuer = state
        .identity
        .issuers()
        .iter()
        .find(|issuer| **issuer.name() == *trip.issuer)
        .ok_or_else(|| Refusal::plain(ReasonCode::TokenIssuer))?;
    issuer.check_answer(returned.iss.as_deref()).await?;
    Ok(issuer)
}

/// Exchanges the code and proves the person.
async fn prove(
    state: &SignIn,
    trip: &Trip,
    issuer: &Issuer,
    code: Option<&SecretString>,
) -> Result<SignedIn, Refusal> {
    let code = code.ok_or_else(|| {
        Refusal::new(
            ReasonCode::TokenClaims,
            "The identity provider sent no code.",
        )
    })?;
    let redirect = device::redirect_uri(state);
    let id_token = oidc::exchange(issuer, &redirect, code, &trip.verifier).await?;
    state
        .identity
        .sign_in_of(issuer, id_token.expose_secret(), &trip.nonce)
        .await
}

/// Shows a person what they are about to let in, and keeps what they decide on.
pub(super) async fn confirm(
    state: &SignIn,
    code: &store::DeviceCode,
    proved: &Proved,
    terms: Option<Terms>,
    here: &browser::Browser,
) -> Response {
    let ticket = browser::new_secret(&*state.ids);
    if device::keep(state, &ticket, proved).await.is_err() {
        return device::store_away(state);
    }
    let page = Confirm::new(
        &Frame::of(state),
        "Sign in a device",
        code.client.clone(),
        code.user_code.clone(),
        device::clock_time(code.created),
        code.address.clone(),
        proved.name.clone(),
        proved.email.clone(),
        state.shown_issuer(&proved.issuer),
        terms,
        ticket,
        here.csrf(),
    );
    pages::respond(StatusCode::OK, &page, &[])
}

fn not_signed_in(state: &SignIn, origin: Origin, refusal: &Refusal) -> Response {
    state.record_refused(origin, refusal);
    let (status, title, next) = wording_of(refusal.code());
    pages::message(state, status, title, &refusal.sentence(), next)
}

/// An outage, ours or the identity provider's, is never shown as a bad login.
fn wording_of(code: ReasonCode) -> (StatusCode, &'static str, &'static str) {
    if face_of(code).status.is_server_error() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "Signing in does not work at the moment",
            "This is an outage, not your sign-in. Your client keeps waiting; open its address once more in a moment.",
        )
    } else {
        (
            StatusCode::FORBIDDEN,
            "You are not signed in",
            "Your client keeps waiting; you can open its address once more.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_never_shown_as_a_bad_login() {
        for code in [
            meaning_of("server_error"),
            meaning_of("temporarily_unavailable"),
            ReasonCode::StoreUnavailable,
            ReasonCode::GroupsUnresolved,
            ReasonCode::Internal,
        ] {
            assert_eq!(
                wording_of(code).0,
                StatusCode::SERVICE_UNAVAILABLE,
                "{code}"
            );
        }
        for code in [
            meaning_of("access_denied"),
            ReasonCode::TokenSignature,
            ReasonCode::PersonRevoked,
        ] {
            assert_eq!(wording_of(code).0, StatusCode::FORBIDDEN, "{code}");
        }
    }
}
