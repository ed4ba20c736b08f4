//! How the admin API says no: RFC 9457, `application/problem+json`, with the stable code, whose fault it is, and what to do. The one
//! table from codes to statuses for this door; it never repeats what a caller sent and never shows a cause of ours.

use axum::response::{IntoResponse, Response};
use control::{ControlError, Entry};
use domain::{Fault, ReasonCode, Refusal};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::once::Uncertain;

/// Seconds after which what may help by itself is worth another try.
const RETRY_AFTER_S: u32 = 1;

/// Why a request was not done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// A URN that stands for the code.
    #[serde(rename = "type", serialize_with = "as_urn")]
    #[schema(value_type = String, example = "urn:doorward:error:role_missing")]
    kind: ReasonCode,
    /// What happened in general.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened in this case.
    detail: String,
    /// The stable code; docs/errors.md lists them.
    #[schema(value_type = String)]
    code: ReasonCode,
    /// Who has to act: `caller`, `policy`, `upstream` or `doorward`.
    fault: &'static str,
    /// Whether the same request may succeed later without anybody changing anything.
    retryable: bool,
    /// What to do.
    help: &'static str,
    /// What is wrong with a policy, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mistakes: Vec<String>,
    /// The rows of a list that cannot be taken: every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Box<BadRows>>,
    /// For a conflict: what stands now.
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<Box<Conflict>>,
    /// Whether a change may have been made as a whole all the same.
    #[serde(skip)]
    is_uncertain: bool,
}

/// The rows of a list that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
pub struct BadRows(Vec<BadRowView>);

/// A row of a list that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BadRowView {
    /// Its line, from 1.
    pub line: u64,
    /// What is wrong with it. Never repeats the cell.
    pub what: String,
}

/// What stands now, and how it differs from what was sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Conflict {
    /// Which thing it is, where the request did not name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The ETag to send with the next try.
    pub etag: String,
    /// How yours differs: `-` is a line that is in force and not in yours, `+` one of yours.
    pub diff: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn as_urn<S: serde::Serializer>(code: &ReasonCode, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("urn:doorward:error:{code}"))
}

impl Problem {
    /// A problem with this case's particulars.
    pub fn new(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self {
            kind: code,
            title: code.what(),
            status: status_of(code).as_u16(),
            detail: detail.into(),
            code,
            fault: match code.fault() {
                Fault::Caller => "caller",
                Fault::Policy => "policy",
                Fault::Upstream => "upstream",
                Fault::Doorward => "doorward",
            },
            retryable: code.retryable(),
            help: code.help(),
            mistakes: Vec::new(),
            rows: None,
            conflict: None,
            is_uncertain: false,
        }
    }

    /// A problem with the table's own sentence.
    pub fn plain(code: ReasonCode) -> Self {
        Self::new(code, code.what())
    }

    /// The same problem, with the rows that cannot be taken.
    #[must_use]
    pub fn with_rows(mut self, rows: Vec<BadRowView>) -> Self {
        self.rows = Some(Box::new(BadRows(rows)));
        self
    }

    /// The same problem, with what stands now.
    #[must_use]
    pub fn with_conflict(mut self, conflict: Conflict) -> Self {
        self.conflict = Some(Box::new(conflict));
        self
    }

    /// The stable code.
    pub const fn code(&self) -> ReasonCode {
        self.code
    }

    /// The same problem, with what to do in this case.
    #[must_use]
    pub const fn with_help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    /// What happened in this case.
    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The status.
    pub const fn status(&self) -> u16 {
        self.status
    }
}

/// What nobody outside can do anything about.
const OURS: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

/// The status of each code at this door. Every code is named: a new one has no status until somebody has thought of it.
fn status_of(code: ReasonCode) -> StatusCode {
    use ReasonCode as Code;
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
        | Code::PersonRevoked => StatusCode::UNAUTHORIZED,
        // An outage of ours is never shown as a bad login.
        Code::GroupsUnresolved
        | Code::IssuerUnreachable
        | Code::StoreUnavailable
        | Code::LedgerUnavailable
        | Code::Overloaded
        | Code::Draining => StatusCode::SERVICE_UNAVAILABLE,
        // What the rules say no to: of these, only what keeps a caller out can come from this door.
        Code::RoleMissing
        | Code::ScopeMissing
        | Code::ProofStale
        | Code::PersonNeeded
        | Code::NotGranted
        | Code::ModelNotAllowed
        | Code::ClientNotAllowed
        | Code::ClientTooOld
        | Code::IssuerNotAllowed
        | Code::NetworkNotAllowed
        | Code::RegionNotAvailable
        | Code::EndpointNotOffered
        | Code::AcceptableUseRequired
        | Code::ActionNotAvailable
        | Code::ArgumentsNotAllowed
        | Code::ApprovalNeeded
        | Code::GrantNeeded
        | Code::OriginNotAllowed
        | Code::ContentBlocked => StatusCode::FORBIDDEN,
        Code::ThingUnknown
        | Code::PathUnknown
        | Code::ConnectorNotAvailable
        | Code::McpSessionUnknown => StatusCode::NOT_FOUND,
        Code::HostUnknown => StatusCode::MISDIRECTED_REQUEST,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::BodyTimeout | Code::ClientGone => StatusCode::REQUEST_TIMEOUT,
        Code::BodyMalformed
        | Code::ParameterInvalid
        | Code::McpVersion
        | Code::McpHeaders
        | Code::ContentUnreadable => StatusCode::BAD_REQUEST,
        Code::VersionConflict => StatusCode::PRECONDITION_FAILED,
        Code::VersionMissing => StatusCode::PRECONDITION_REQUIRED,
        Code::IdempotencyConflict => StatusCode::UNPROCESSABLE_ENTITY,
        Code::IdempotencyUnsettled | Code::LimitReached | Code::ThingExists => StatusCode::CONFLICT,
        Code::RequestRate | Code::TokenRate | Code::ConcurrencyLimit | Code::BudgetSpent => {
            StatusCode::TOO_MANY_REQUESTS
        }
        Code::UpstreamUnavailable | Code::UpstreamGarbled => StatusCode::BAD_GATEWAY,
        Code::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        Code::Internal | Code::UpstreamCredential | Code::ModelUnserved => OURS,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("made of a status");
        let body = serde_json::to_vec(&self).expect("strings and numbers");
        let mut response = (status, body).into_response();
        if self.is_uncertain {
            response.extensions_mut().insert(Uncertain);
        }
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.retryable {
            headers.insert(RETRY_AFTER, RETRY_AFTER_S.into());
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code(), refusal.first().message.clone())
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let code = error.code();
        if code.fault() == Fault::Doorward {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the admin API could not do what was asked"
            );
        }
        Self {
            mistakes: error.mistakes(),
            is_uncertain: !error.nothing_written(),
            ..Self::new(code, error.detail())
        }
    }
}

impl From<Entry> for Problem {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::NoPerson => Self::plain(ReasonCode::PersonNeeded),
            Entry::UnknownToken => Self::plain(ReasonCode::AccessTokenUnknown),
            Entry::ShutOut => Self::plain(ReasonCode::PersonRevoked),
            Entry::SignedOut => Self::plain(ReasonCode::SessionEnded),
            Entry::Control(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_503_and_never_a_bad_login() {
        for code in ReasonCode::ALL {
            let status = status_of(*code);
            if code.fault() == Fault::Doorward {
                assert!(status.is_server_error(), "{code} is {status}");
            } else if status == StatusCode::UNAUTHORIZED {
                assert_ne!(code.fault(), Fault::Doorward, "{code}");
            }
        }
    }

    #[test]
    fn a_problem_says_whose_fault_it_is_and_what_to_do() {
        let problem = Problem::new(
            ReasonCode::RoleMissing,
            "This needs the right policy.write.",
        );
        insta::assert_json_snapshot!(problem, @r#"
        {
          "type": "urn:doorward:error:role_missing",
          "title": "Your role does not allow this.",
          "status": 403,
          "detail": "This needs the right policy.write.",
          "code": "role_missing",
          "fault": "policy",
          "retryable": false,
          "help": "Ask an owner for a role that does; the message names what is missing."
        }
        "#);
    }
}
