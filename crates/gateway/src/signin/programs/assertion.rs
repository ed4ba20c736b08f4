//! The grant of identity assertions at the token endpoint (RFC 7523 with ID-JAG): the person signed in at the company's identity provider,
//! which says that the program may call the connector. Nobody sees a page of ours; who may say it is in the configuration.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use domain::{ReasonCode, Refusal, Subject, limits};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use ledger::record::{Origin, Verdict};
use pipeline::identity::Resource;
use pipeline::identity::assertion::Assertion;
use pipeline::identity::grant::Brief;
use pipeline::identity::resource::SCOPE;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::present::{self, Presenter};
use super::request;
use crate::signin::oauth::{self, Form};
use crate::signin::{SignIn, token};

/// The grant's name.
pub(in crate::signin) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The profile's name in our metadata.
pub(in crate::signin) const PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";
/// How records name this way of signing in.
const METHOD: &str = "identity_assertion";

/// An assertion for a token.
pub(in crate::signin) async fn exchange(
    state: &SignIn,
    presenter: Presenter,
    form: &Form,
    origin: Origin,
) -> Response {
    let refuse = |code: &str, text: &str| oauth::error(StatusCode::BAD_REQUEST, code, text);
    let client_id = match presenter {
        Presenter::Program(id) => id,
        Presenter::Unknown => {
            return present::invalid_client("This client is not known here.", false);
        }
        Presenter::Nobody => return refuse("invalid_request", "The client_id is missing."),
    };
    let named = match present::resource_of(state, form) {
        Ok(named) => named,
        Err(refused) => return *refused,
    };
    let proved = state
        .identity
        .assertion(form.field("assertion"), (&state.public_url, &client_id))
        .await;
    let assertion = match proved {
        Ok(assertion) => assertion,
        Err(refusal) => return refused(state, origin, &refusal),
    };
    let (resource, scope) = match wanted(state, &assertion, named, form.field("scope")) {
        Ok(wanted) => wanted,
        Err((code, text)) => return refuse(code, text),
    };
    let program = super::find(state, &client_id, origin.address).await;
    let name = program.map_or_else(|_| client_id.clone(), |program| program.name);
    let taken = state
        .sessions
        .assert(&assertion, (&client_id, &name), (&resource, &scope))
        .await;
    match taken {
        Ok(Some(brief)) => {
            record_in(state, origin, &brief);
            granted(&brief)
        }
        Ok(None) => refuse("invalid_grant", "The assertion has been used before."),
        Err(refusal) => refused(state, origin, &refusal),
    }
}

type Wanted = Result<(Resource, String), (&'static str, &'static str)>;

/// The connector and what is granted: what the assertion allows, never more.
fn wanted(state: &SignIn, assertion: &Assertion, named: Option<Resource>, scope: &str) -> Wanted {
    let target = |text| ("invalid_target", text);
    let stated = match &assertion.resource {
        None => None,
        Some(text) => Some(
            Resource::parse(&state.public_url, text)
                .ok_or(target("The assertion is for no connector of this gateway."))?,
        ),
    };
    let resource = match (stated, named) {
        (Some(stated), Some(named)) if stated != named => {
            return Err(target("The assertion is for another connector."));
        }
        (Some(resource), _) | (None, Some(resource)) => resource,
        (None, None) => {
            return Err(target(
                "Neither the assertion nor the request names a connector.",
            ));
        }
    };
    let allows = |text: &str| text.split(' ').any(|one| one == SCOPE);
    if assertion.scope.as_deref().is_some_and(|text| !allows(text)) {
        return Err((
            "invalid_scope",
            "The assertion does not allow calling connectors.",
        ));
    }
    // Going on is for the identity provider to allow each time.
    let asked: String = scope.split(' ').filter(|one| *one == SCOPE).collect();
    Ok((resource, request::granted(&asked)))
}

fn refused(state: &SignIn, origin: Origin, refusal: &Refusal) -> Response {
    token::record_ended(state, origin, refusal, METHOD);
    token::failed(refusal, StatusCode::BAD_REQUEST)
}

fn record_in(state: &SignIn, origin: Origin, brief: &Brief) {
    let mut record = state.refused(origin, &Refusal::plain(ReasonCode::Internal));
    record.method = METHOD.into();
    record.verdict = Verdict::allowed();
    record.subject = Some(Subject::Person(brief.person));
    record.session = Some(brief.session);
    state.record(record);
}

fn granted(brief: &Brief) -> Response {
    let mut response = Json(json!({
        "access_token": brief.access.expose_secret(),
        "token_type": "Bearer",
        "expires_in": limits::SESSION_TOKEN_MS / 1_000,
        "scope": brief.scope,
    }))
    .into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
