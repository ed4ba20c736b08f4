//! How a refusal looks to a Claude client: the one table from reason codes to status, error type and retry headers, in
//! Anthropic's envelope. What stock clients make of each was measured; see `docs/differences.md`.

use axum::response::{IntoResponse, Response};
use domain::{ReasonCode, Refusal, RequestId};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

/// Names our own request id, beside the provider's `request-id`.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Tells clients whether trying again can help; without it they try for minutes.
pub const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Names the deciding reason, for support and for tests.
pub const REASON: HeaderName = HeaderName::from_static("x-doorward-reason");

/// Status, error type, and whether the client should try again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face {
    /// The HTTP status.
    pub status: StatusCode,
    /// `error.type` of the envelope.
    pub kind: &'static str,
    /// `x-should-retry`.
    pub retry: bool,
}

const fn face(status: StatusCode, kind: &'static str, retry: bool) -> Face {
    Face {
        status,
        kind,
        retry,
    }
}

/// Anthropic's own status for an overloaded service.
fn overloaded() -> StatusCode {
    StatusCode::from_u16(529).expect("529 is a status code")
}

/// How a code looks to a Claude client.
#[expect(clippy::too_many_lines, reason = "one table, a line for each code")]
pub fn face_of(code: ReasonCode) -> Face {
    use ReasonCode as Code;
    let invalid = "invalid_request_error";
    match code {
        Code::CredentialMissing
        | Code::CredentialMalformed
        | Code::CredentialConflict
        | Code::TokenAlgorithm
        | Code::TokenSignature
        | Code::TokenKeyUnknown
        | Code::TokenExpired
        | Code::TokenNotYetValid
        | Code::TokenIssuer
        | Code::TokenTenant
        | Code::TokenAudience
        | Code::TokenClaims
        | Code::TokenLifetime
        | Code::WorkloadUnknown
        | Code::ServiceKeyUnknown
        | Code::SessionEnded
        | Code::AccessTokenUnknown
        | Code::PersonRevoked => face(StatusCode::UNAUTHORIZED, "authentication_error", false),
        // An outage of ours is never shown as a bad login.
        Code::GroupsUnresolved
        | Code::IssuerUnreachable
        | Code::StoreUnavailable
        | Code::LedgerUnavailable => face(StatusCode::SERVICE_UNAVAILABLE, "api_error", true),
        Code::NotGranted
        | Code::ClientNotAllowed
        | Code::ClientTooOld
        | Code::IssuerNotAllowed
        | Code::NetworkNotAllowed
        | Code::RoleMissing
        | Code::ScopeMissing
        | Code::ProofStale
        | Code::PersonNeeded
        | Code::AcceptableUseRequired
        | Code::ActionNotAvailable
        | Code::ArgumentsNotAllowed
        | Code::ApprovalNeeded
        | Code::GrantNeeded
        | Code::OriginNotAllowed
        | Code::EndpointNotOffered => face(StatusCode::FORBIDDEN, "permission_error", false),
        // With `invalid_request_error` stock clients upload the same request six times.
        Code::ModelNotAllowed | Code::RegionNotAvailable | Code::ContentBlocked => {
            face(StatusCode::BAD_REQUEST, "policy_blocked", false)
        }
        // The last six are the admin API's, and what concerns connectors is their door's; each has a face of its own.
        Code::ContentUnreadable
        | Code::McpVersion
        | Code::McpHeaders
        | Code::BodyMalformed
        | Code::ParameterInvalid
        | Code::ThingExists
        | Code::VersionConflict
        | Code::VersionMissing
        | Code::IdempotencyConflict
        | Code::IdempotencyUnsettled
        | Code::LimitReached => face(StatusCode::BAD_REQUEST, invalid, false),
        Code::RequestRate | Code::TokenRate | Code::ConcurrencyLimit => {
            face(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", false)
        }
        Code::BudgetSpent => face(StatusCode::TOO_MANY_REQUESTS, "billing_error", false),
        Code::BodyTooLarge => face(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", false),
        Code::BodyTimeout | Code::ClientGone => {
            face(StatusCode::REQUEST_TIMEOUT, "timeout_error", true)
        }
        Code::MethodNotAllowed => face(StatusCode::METHOD_NOT_ALLOWED, invalid, false),
        Code::PathUnknown
        | Code::ModelUnserved
        | Code::ConnectorNotAvailable
        | Code::McpSessionUnknown
        | Code::ThingUnknown => face(StatusCode::NOT_FOUND, "not_found_error", false),
        Code::HostUnknown => face(StatusCode::MISDIRECTED_REQUEST, "not_found_error", false),
        Code::UpstreamUnavailable | Code::UpstreamGarbled => {
            face(StatusCode::BAD_GATEWAY, "api_error", true)
        }
        Code::UpstreamTimeout => face(StatusCode::GATEWAY_TIMEOUT, "timeout_error", true),
        // Not 401 or 403: the person's own sign-in is fine.
        Code::UpstreamCredential => face(StatusCode::BAD_GATEWAY, "api_error", false),
        Code::Overloaded | Code::Draining => face(overloaded(), "overloaded_error", true),
        Code::Internal => face(StatusCode::INTERNAL_SERVER_ERROR, "api_error", false),
    }
}

/// The body of an error.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    request_id: RequestId,
    error: Detail<'a>,
}

#[derive(Debug, Serialize)]
struct Detail<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
}

/// The error as JSON text.
pub fn body(kind: &'static str, message: &str, request: RequestId) -> String {
    let body = Body {
        kind: "error",
        request_id: request,
        error: Detail { kind, message },
    };
    serde_json::to_string(&body).expect("the body has string keys only")
}

/// The response for a refusal.
pub fn refusal_response(refusal: &Refusal, request: RequestId) -> Response {
    let face = face_of(refusal.code());
    let mut response = (face.status, body(face.kind, &refusal.sentence(), request)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        SHOULD_RETRY,
        HeaderValue::from_static(if face.retry { "true" } else { "false" }),
    );
    headers.insert(REASON, HeaderValue::from_static(refusal.code().as_str()));
    if let Ok(id) = HeaderValue::try_from(request.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    if face.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = refusal.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    } else if face.retry && face.status.is_server_error() {
        headers.insert(RETRY_AFTER, HeaderValue::from(1));
    }
    if let Some(spent) = refusal.budget {
        crate::usage_headers::of_spent_budget(spent, headers);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_outage_and_no_policy_looks_like_a_bad_login() {
        for &code in ReasonCode::ALL {
            let is_login = face_of(code).status == StatusCode::UNAUTHORIZED;
            let about_the_credential =
                matches!(code.fault(), domain::Fault::Caller) || code == ReasonCode::PersonRevoked;
            assert!(!is_login || about_the_credential, "{code}");
        }
    }

    #[test]
    fn nothing_that_a_rule_decided_is_tried_again_by_the_client() {
        for &code in ReasonCode::ALL {
            if code.fault() == domain::Fault::Policy {
                assert!(!face_of(code).retry, "{code}");
            }
        }
    }

    #[test]
    fn every_code_has_its_face() {
        let table: Vec<String> = ReasonCode::ALL
            .iter()
            .map(|&code| {
                let face = face_of(code);
                format!(
                    "{code} {} {} retry={}",
                    face.status.as_u16(),
                    face.kind,
                    face.retry
                )
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn a_refusal_carries_every_reason_in_the_envelope() {
        let refusal = Refusal::plain(ReasonCode::ModelNotAllowed);
        let response = refusal_response(&refusal, RequestId::from_parts(1, 1));
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[SHOULD_RETRY], "false");
        let text = body(
            "policy_blocked",
            &refusal.sentence(),
            RequestId::from_parts(1, 1),
        );
        assert!(
            text.starts_with(r#"{"type":"error","request_id":"req_"#),
            "{text}"
        );
    }
}
