//! `POST /oauth/token`: a device code, an authorization code or a refresh token for the tokens of a session.
//!
//! `invalid_grant` makes clients throw their sign-in away, so it is said only when the sign-in has really ended; an outage of ours
//! is `temporarily_unavailable`, which they wait out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::{ClientKind, Fault, ReasonCode, Refusal, Subject};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use ledger::record::{Origin, SessionChange, SessionEvent, Verdict};
use pipeline::identity::{Claimed, NotRefreshed, Presenting, Tokens};
use pipeline::strangers::Wanted;
use secrecy::ExposeSecret as _;
use serde_json::json;
use web::browser;

use super::programs::assertion;
use super::programs::present::{self, Presenter};
use super::programs::register;
use super::{SignIn, oauth, origin_of};

/// How records name this way of signing in.
const METHOD: &str = "device";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Handles the request.
pub async fn exchange(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let origin = origin_of(&request);
    let (head, body) = request.into_parts();
    let form = match oauth::Form::read(body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let grant = form.field("grant_type");
    if grant == DEVICE_GRANT {
        return device(&state, form.field("device_code"), origin).await;
    }
    let presenter = match present::who(&state, &head.headers, &form).await {
        Ok(presenter) => presenter,
        Err(refused) => return refused,
    };
    match grant {
        "authorization_code" => present::code(&state, presenter, &form, origin).await,
        "refresh_token" => refresh(&state, presenter, &form, origin).await,
        assertion::GRANT => assertion::exchange(&state, presenter, &form, origin).await,
        _ => oauth::error(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "Use the device, the authorization code, the refresh or the JWT bearer grant.",
        ),
    }
}

async fn device(state: &SignIn, device_code: &str, origin: Origin) -> Response {
    let refuse = |code: &str, text: &str| oauth::error(StatusCode::BAD_REQUEST, code, text);
    let hash = browser::hash(device_code);
    match state.sessions.claim(&hash, &client_text(&origin)).await {
        Ok(Claimed::In(tokens)) => {
            record_in(state, origin, &tokens, METHOD);
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
            record_ended(state, origin, &refusal, METHOD);
            failed(&refusal, StatusCode::UNAUTHORIZED)
        }
    }
}

/// Writes down that somebody was let in.
pub(super) fn record_in(state: &SignIn, origin: Origin, tokens: &Tokens, method: &'static str) {
    let mut record = state.refused(origin, &Refusal::plain(ReasonCode::Internal));
    record.method = method.into();
    record.verdict = Verdict::allowed();
    record.subject = Some(Subject::Person(tokens.person));
    record.session = Some(tokens.session);
    record.email = tokens.email.as_deref().map(Into::into);
    state.record(record);
}

/// Writes down that nobody was let in, for good. An outage is no end of a sign-in: the client asks again, and its code is as good as it
/// was.
pub(super) fn record_ended(
    state: &SignIn,
    origin: Origin,
    refusal: &Refusal,
    method: &'static str,
) {
    let code = refusal.code();
    if ends_the_sign_in(code)
        && state
            .strangers
            .records(origin.address, Wanted::SignIn, code)
    {
        let mut record = state.refused(origin, refusal);
        record.method = method.into();
        state.record(record);
    }
}

async fn refresh(
    state: &SignIn,
    presenter: Presenter,
    form: &oauth::Form,
    origin: Origin,
) -> Response {
    let refresh_token = form.field("refresh_token");
    // Claude's own clients have always been told by 401 that their sign-in has ended; OAuth's word to programs is 400.
    let (client_id, ended) = match &presenter {
        Presenter::Program(id) => (Some(&**id), StatusCode::BAD_REQUEST),
        Presenter::Nobody => (None, StatusCode::UNAUTHORIZED),
        Presenter::Unknown => match state.sessions.is_bound(refresh_token).await {
            Ok(false) => (None, StatusCode::UNAUTHORIZED),
            Ok(true) => {
                return present::invalid_client("This client is not known here any more.", false);
            }
            Err(refusal) => return failed(&refusal, StatusCode::UNAUTHORIZED),
        },
    };
    let resource = match present::resource_of(state, form) {
        Ok(resource) => resource,
        Err(refused) => return *refused,
    };
    let presenting = Presenting {
        client_id,
        resource: resource.as_ref(),
    };
    match state.sessions.refresh_for(refresh_token, presenting).await {
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
            if let Some(id) = client_id.filter(|id| id.starts_with(register::PREFIX)) {
                note_use(state, id).await;
            }
            granted(&tokens)
        }
        Err(NotRefreshed::OtherResource) => oauth::error(
            StatusCode::BAD_REQUEST,
            "invalid_target",
            "The session is for another connector.",
        ),
        Err(NotRefreshed::Refused(refusal)) => {
            state.record_refused(origin, &refusal);
            failed(&refusal, ended)
        }
    }
}

/// A program that is used stays registered. What is not noted is noted the next time.
async fn note_use(state: &SignIn, client_id: &str) {
    let (org, now) = (state.org, state.clock.now());
    let noted = state.store.note_oauth_client_use(org, client_id, now).await;
    let _unnoted = noted.is_err();
}

/// What lists of sessions call a program: `Claude Code 2.1.329`.
fn client_text(origin: &Origin) -> String {
    let name = match origin.client {
        ClientKind::ClaudeCode => "Claude Code",
        ClientKind::ClaudeDesktop => "Claude Desktop",
        ClientKind::Office => "Claude for Microsoft 365",
        ClientKind::Sdk => "SDK",
        ClientKind::Other => "Another program",
    };
    let version = origin
        .version
        .map(|version| format!(" {version}"))
        .unwrap_or_default();
    format!("{name}{version}")
}

pub(super) fn granted(tokens: &Tokens) -> Response {
    let mut answer = json!({
        "access_token": tokens.access.expose_secret(),
        "token_type": "Bearer",
        "expires_in": tokens.expires_in_s,
        "refresh_token": tokens.refresh.expose_secret(),
    });
    if let Some(email) = &tokens.email {
        answer["email"] = json!(email);
    }
    if let Some(scope) = &tokens.scope {
        answer["scope"] = json!(scope);
    }
    let mut response = Json(answer).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer to a sign-in that does not go on: `ended` when that is for good.
pub(super) fn failed(refusal: &Refusal, ended: StatusCode) -> Response {
    if ends_the_sign_in(refusal.code()) {
        oauth::error(ended, "invalid_grant", &refusal.sentence())
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
            let status = failed(&Refusal::plain(*code), StatusCode::UNAUTHORIZED).status();
            let ours = matches!(code.fault(), Fault::Doorward | Fault::Upstream);
            if ours || code.retryable() {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{code}");
            } else {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{code}");
            }
        }
    }

    #[test]
    fn a_session_is_called_by_the_program_as_people_know_it() {
        let origin = |client, version: &str| Origin {
            client,
            version: version.parse().ok(),
            address: None,
        };
        let code = origin(ClientKind::ClaudeCode, "2.1.329");
        assert_eq!(client_text(&code), "Claude Code 2.1.329");
        let other = origin(ClientKind::Other, "");
        assert_eq!(client_text(&other), "Another program");
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
