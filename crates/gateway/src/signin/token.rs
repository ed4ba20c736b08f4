//! `POST /oauth/token`: a device code or a refresh token for the tokens of a session.
//!
//! `invalid_grant` makes clients throw their sign-in away, so it is said only when the sign-in has really ended; an outage of ours
//! is `temporarily_unavailable`, which they wait out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::{Fault, ReasonCode, Refusal, Subject};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use ledger::record::{Origin, SessionChange, SessionEvent, Verdict};
use pipeline::identity::{Claimed, Tokens};
use secrecy::ExposeSecret as _;
use serde_json::json;
use web::browser;

use super::{SignIn, oauth, origin_of};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Handles the request.
pub async fn exchange(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let origin = origin_of(&request);
    let form = match oauth::Form::read(request.into_body()).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    match form.field("grant_type") {
        DEVICE_GRANT => device(&state, form.field("device_code"), origin).await,
        "refresh_token" => refresh(&state, form.field("refresh_token"), origin).await,
        _ => oauth::error(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "Use the device or the refresh grant.",
        ),
    }
}

async fn device(state: &SignIn, device_code: &str, origin: Origin) -> Response {
    let refuse = |code: &str, text: &str| oauth::error(StatusCode::BAD_REQUEST, code, text);
    let hash = browser::hash(device_code);
    match state.sessions.claim(&hash, &client_text(&origin)).await {
        Ok(Claimed::In(tokens)) => {
            let mut record = state.refused(origin, &Refusal::plain(ReasonCode::Internal));
            record.verdict = Verdict::allowed();
            record.subject = Some(Subject::Person(tokens.person));
            record.session = Some(tokens.session);
            record.email = tokens.email.as_deref().map(Into::into);
            state.record(record);
            granted(&tokens)
        }
        Ok(Claimed::Pending) => refuse("authorization_pending", "Nobody has answered yet."),
        Ok(Claimed::SlowDown) => refuse(
            "slow_down",
            "Ask less often: wait five seconds more each time.",
        ),
        Ok(Claimed::Denied) => refuse("access_denied", "The sign-in was denied."),
        Ok(Claimed::Expired) => refuse("expired_token", "The code has expired; start again."),
        Ok(Claimed::Unknown) => refuse("invalid_grant", "This code is not known, or was used."),
        Err(refusal) => {
            // An outage is no end of a sign-in: the client asks again, and its code is as good as it was.
            if ends_the_sign_in(refusal.code()) {
                state.record_refused(origin, &refusal);
            }
            failed(&refusal)
        }
    }
}

async fn refresh(state: &SignIn, refresh_token: &str, origin: Origin) -> Response {
    match state.sessions.refresh(refresh_token).await {
        Ok(tokens) => {
            let record = SessionChange {
                event: SessionEvent::Refresh,
                session: tokens.session,
                org: state.org,
                subject: Subject::Person(tokens.person),
                origin: Some(origin),
                cause: None,
            };
            if let Err(error) = state.ledger.note(ledger::Record::Session(record)) {
                tracing::error!(error = %error, "a refresh is not in the ledger");
            }
            granted(&tokens)
        }
        Err(refusal) => {
            state.record_refused(origin, &refusal);
            failed(&refusal)
        }
    }
}

fn client_text(origin: &Origin) -> String {
    let version = origin
        .version
        .map(|version| format!(" {version}"))
        .unwrap_or_default();
    format!("{}{version}", origin.client.as_str())
}

fn granted(tokens: &Tokens) -> Response {
    let mut answer = json!({
        "access_token": tokens.access.expose_secret(),
        "token_type": "Bearer",
        "expires_in": tokens.expires_in_s,
        "refresh_token": tokens.refresh.expose_secret(),
    });
    if let Some(email) = &tokens.email {
        answer["email"] = json!(email);
    }
    let mut response = Json(answer).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn failed(refusal: &Refusal) -> Response {
    if ends_the_sign_in(refusal.code()) {
        oauth::error(
            StatusCode::UNAUTHORIZED,
            "invalid_grant",
            &refusal.sentence(),
        )
    } else {
        // The sign-in goes on, so it is not `invalid_grant`: clients keep the token they have while it is good.
        oauth::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            &refusal.sentence(),
        )
    }
}

/// Whether the client may throw its sign-in away: never for what is our fault or another's, nor for what passes by itself.
fn ends_the_sign_in(code: ReasonCode) -> bool {
    matches!(code.fault(), Fault::Caller | Fault::Policy) && !code.retryable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_outage_ends_a_sign_in_and_every_end_of_a_sign_in_says_so() {
        for code in ReasonCode::ALL {
            let status = failed(&Refusal::plain(*code)).status();
            let ours = matches!(code.fault(), Fault::Doorward | Fault::Upstream);
            if ours || code.retryable() {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{code}");
            } else {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{code}");
            }
        }
    }

    #[test]
    fn the_codes_of_a_refresh_are_judged_as_written_here() {
        for (code, ends) in [
            (ReasonCode::SessionEnded, true),
            (ReasonCode::PersonRevoked, true),
            (ReasonCode::CredentialMalformed, true),
            (ReasonCode::GroupsUnresolved, false),
            (ReasonCode::LedgerUnavailable, false),
            (ReasonCode::StoreUnavailable, false),
            (ReasonCode::IssuerUnreachable, false),
            (ReasonCode::Overloaded, false),
            (ReasonCode::Draining, false),
            (ReasonCode::Internal, false),
            (ReasonCode::UpstreamCredential, false),
            (ReasonCode::RequestRate, false),
        ] {
            assert_eq!(ends_the_sign_in(code), ends, "{code}");
        }
    }
}
