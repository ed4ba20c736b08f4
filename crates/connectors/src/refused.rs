//! How a refusal looks to a client of the Model Context Protocol: the one table from reason codes to status and JSON-RPC code. Every
//! code is named: a new one has no face until somebody has thought of it.

use axum::response::{IntoResponse as _, Response};
use domain::{ReasonCode, ReasonCode as Code, Refusal, RequestId};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use pipeline::identity::Resource;
use pipeline::identity::resource::Challenge;
use serde_json::{Value, json};

use crate::envelope::{self, Id};
use crate::headers::Era;

/// Names the deciding reason, for support and for tests.
const REASON: HeaderName = HeaderName::from_static("x-doorward-reason");

/// What a code becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// An HTTP status, and an error of this code in the body.
    Error(StatusCode, i32),
    /// A result that a model can read and act on, for who may do the action but not so.
    Told,
    /// No such tool or method: the same for what is blocked and for what there is not.
    NotThere,
}

/// More than the caller's share.
const BUSY: Face = Face::Error(StatusCode::TOO_MANY_REQUESTS, -32603);
/// The connector behind us.
const BEHIND: Face = Face::Error(StatusCode::BAD_GATEWAY, -32603);

/// How a code looks at this door. An outage of ours is never shown as a bad login.
pub fn face_of(code: ReasonCode) -> Face {
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
        | Code::PersonRevoked => Face::Error(StatusCode::UNAUTHORIZED, -32001),
        Code::GroupsUnresolved
        | Code::IssuerUnreachable
        | Code::StoreUnavailable
        | Code::LedgerUnavailable
        | Code::Overloaded
        | Code::Draining => Face::Error(StatusCode::SERVICE_UNAVAILABLE, -32603),
        Code::NotGranted
        | Code::ModelNotAllowed
        | Code::ClientNotAllowed
        | Code::ClientTooOld
        | Code::IssuerNotAllowed
        | Code::NetworkNotAllowed
        | Code::RegionNotAvailable
        | Code::EndpointNotOffered
        | Code::RoleMissing
        | Code::ScopeMissing
        | Code::ProofStale
        | Code::PersonNeeded
        | Code::OriginNotAllowed
        | Code::AcceptableUseRequired => Face::Error(StatusCode::FORBIDDEN, -32001),
        Code::ActionNotAvailable => Face::NotThere,
        Code::ArgumentsNotAllowed
        | Code::ApprovalNeeded
        | Code::GrantNeeded
        | Code::ContentBlocked => Face::Told,
        Code::ConnectorNotAvailable
        | Code::McpSessionUnknown
        | Code::PathUnknown
        | Code::ThingUnknown
        | Code::ModelUnserved => Face::Error(StatusCode::NOT_FOUND, -32001),
        Code::McpHeaders => Face::Error(StatusCode::BAD_REQUEST, -32020),
        Code::McpVersion => Face::Error(StatusCode::BAD_REQUEST, -32022),
        Code::BodyMalformed
        | Code::ContentUnreadable
        | Code::ParameterInvalid
        | Code::ThingExists
        | Code::VersionConflict
        | Code::VersionMissing
        | Code::IdempotencyConflict
        | Code::IdempotencyUnsettled
        | Code::LimitReached => Face::Error(StatusCode::BAD_REQUEST, -32600),
        Code::RequestRate | Code::TokenRate | Code::ConcurrencyLimit | Code::BudgetSpent => BUSY,
        Code::BodyTooLarge => Face::Error(StatusCode::PAYLOAD_TOO_LARGE, -32600),
        Code::BodyTimeout | Code::ClientGone => Face::Error(StatusCode::REQUEST_TIMEOUT, -32600),
        Code::MethodNotAllowed => Face::Error(StatusCode::METHOD_NOT_ALLOWED, -32600),
        Code::HostUnknown => Face::Error(StatusCode::MISDIRECTED_REQUEST, -32600),
        Code::UpstreamUnavailable | Code::UpstreamGarbled | Code::UpstreamCredential => BEHIND,
        Code::UpstreamTimeout => Face::Error(StatusCode::GATEWAY_TIMEOUT, -32603),
        Code::Internal => Face::Error(StatusCode::INTERNAL_SERVER_ERROR, -32603),
    }
}

/// What a refusal needs to be worded.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Our own id of the request.
    pub request: RequestId,
    /// The message's id, once it is known.
    pub id: Option<Id>,
    /// The id under which it was sent on, where that is another one.
    pub sent: Option<Id>,
    /// Whether it calls a tool.
    pub is_tool: bool,
    /// Whether it would have a prompt.
    pub is_prompt: bool,
    /// The era it is of.
    pub era: Era,
    /// The connector's address, by which a client finds how to sign in; none where no connector can have it.
    pub resource: Option<Resource>,
}

impl Asked {
    /// The id that its answer has.
    pub fn expected(&self) -> Option<&Id> {
        self.sent.as_ref().or(self.id.as_ref())
    }

    /// The response for a refusal.
    pub fn refused(&self, refusal: &Refusal) -> Response {
        let (status, body) = match (face_of(refusal.code()), &self.id) {
            (Face::Told, Some(id)) if self.is_tool => (StatusCode::OK, self.told(id, refusal)),
            (Face::NotThere, Some(_)) if self.is_tool => (
                StatusCode::OK,
                self.error(-32602, "This tool is not available.", None),
            ),
            (Face::NotThere, Some(_)) => {
                let (status, code, text) = if self.is_prompt {
                    let text = "This prompt is not available.";
                    (StatusCode::BAD_REQUEST, -32602, text)
                } else {
                    let text = "This method is not available.";
                    (StatusCode::NOT_FOUND, -32601, text)
                };
                let status = match self.era {
                    Era::Modern => status,
                    Era::Legacy => StatusCode::OK,
                };
                (status, self.error(code, text, None))
            }
            (Face::Error(status, code), _) => (
                status,
                self.error(code, &refusal.sentence(), Some(refusal.code())),
            ),
            (Face::Told | Face::NotThere, _) => (
                StatusCode::FORBIDDEN,
                self.error(-32001, &refusal.sentence(), Some(refusal.code())),
            ),
        };
        let mut response = (status, body).into_response();
        self.dress(&mut response, refusal);
        response
    }

    /// An error of the message itself.
    pub fn malformed(&self, code: i32, message: &str) -> Response {
        let body = self.error(code, message, None);
        let mut response = (StatusCode::BAD_REQUEST, body).into_response();
        self.dress(&mut response, &Refusal::plain(ReasonCode::BodyMalformed));
        response
    }

    /// The refusal of a version that is not spoken here, with those that are.
    pub fn other_version(&self, refusal: &Refusal, wanted: &str, spoken: &[&str]) -> Response {
        let data = json!({
            "request": self.request.to_string(), "reason": refusal.code().as_str(),
            "supported": spoken, "requested": wanted,
        });
        let error = json!({"code": -32022, "message": refusal.sentence(), "data": data});
        let body = envelope::error(self.answers(), error);
        let mut response = (StatusCode::BAD_REQUEST, body).into_response();
        self.dress(&mut response, refusal);
        response
    }

    fn dress(&self, response: &mut Response, refusal: &Refusal) {
        let status = response.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(REASON, HeaderValue::from_static(refusal.code().as_str()));
        if let (StatusCode::UNAUTHORIZED, Some(resource)) = (status, &self.resource) {
            let why = match refusal.code() {
                ReasonCode::CredentialMissing => Challenge::Missing,
                _ => Challenge::Invalid,
            };
            headers.insert(WWW_AUTHENTICATE, resource.challenge(why));
        }
        if let Some(seconds) = refusal.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        } else if status.is_server_error() && refusal.code().retryable() {
            headers.insert(RETRY_AFTER, HeaderValue::from(1));
        }
    }

    /// The text of an error, for a body or an event.
    pub fn error(&self, code: i32, message: &str, reason: Option<ReasonCode>) -> String {
        let mut data = json!({"request": self.request.to_string()});
        if let Some(reason) = reason {
            data["reason"] = reason.as_str().into();
        }
        let error = json!({"code": code, "message": message, "data": data});
        envelope::error(self.answers(), error)
    }

    /// The request's id, as an answer has it.
    pub fn answers(&self) -> String {
        self.id
            .as_ref()
            .map_or_else(|| "null".to_owned(), Id::to_string)
    }

    /// A result that says to a model what it may not do, and what it can do instead.
    fn told(&self, id: &Id, refusal: &Refusal) -> String {
        let codes: Vec<&str> = refusal
            .reasons()
            .map(|reason| reason.code.as_str())
            .collect();
        let (why, so) = match refusal.code() {
            // It may have been sent, and refused because it wants more than was given.
            Code::GrantNeeded => ("This call could not be made", "It was refused."),
            _ => (
                "Your company's rules did not let this call through",
                "Nothing was sent.",
            ),
        };
        let text = format!(
            "{why} ({}). {} {so} Request {}.",
            codes.join(", "),
            refusal.sentence(),
            self.request,
        );
        let mut result = json!({"content": [{"type": "text", "text": text}], "isError": true});
        if self.era == Era::Modern {
            result["resultType"] = Value::from("complete");
        }
        envelope::result(id, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Reason;
    use http::HeaderMap;
    use http_body_util::BodyExt as _;

    fn asked(id: Option<Id>, is_tool: bool, era: Era) -> Asked {
        Asked {
            request: RequestId::from_parts(1, 1),
            id,
            sent: None,
            is_tool,
            is_prompt: false,
            era,
            resource: Resource::connector("https://d.example", "tasks"),
        }
    }

    #[test]
    fn no_outage_and_no_policy_looks_like_a_bad_login() {
        for &code in ReasonCode::ALL {
            let is_login = matches!(face_of(code), Face::Error(StatusCode::UNAUTHORIZED, _));
            let about_the_credential =
                code.fault() == domain::Fault::Caller || code == ReasonCode::PersonRevoked;
            assert!(!is_login || about_the_credential, "{code}");
        }
    }

    #[test]
    fn each_kind_of_refusal_has_its_form() {
        let tool = |code: ReasonCode, era| {
            asked(Some(Id::Number(7)), true, era).refused(&Refusal::plain(code))
        };
        assert_eq!(
            tool(ReasonCode::ActionNotAvailable, Era::Legacy).status(),
            200
        );
        assert_eq!(
            tool(ReasonCode::ArgumentsNotAllowed, Era::Legacy).status(),
            200
        );
        let method = asked(Some(Id::Number(7)), false, Era::Modern);
        assert_eq!(
            method
                .refused(&Refusal::plain(ReasonCode::ActionNotAvailable))
                .status(),
            404
        );
        let login =
            asked(None, false, Era::Legacy).refused(&Refusal::plain(ReasonCode::TokenExpired));
        assert_eq!(login.status(), 401);
        assert_eq!(
            login.headers()[WWW_AUTHENTICATE],
            "Bearer error=\"invalid_token\", resource_metadata=\"https://d.example/.well-known/oauth-protected-resource/mcp/tasks\", scope=\"mcp\""
        );
        let told = asked(None, true, Era::Modern)
            .told(&Id::Number(7), &Refusal::plain(ReasonCode::ApprovalNeeded));
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["result"]["isError"], true);
        assert_eq!(told["result"]["resultType"], "complete");
    }

    async fn seen(response: Response) -> (StatusCode, HeaderMap, String) {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status,
            head.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn what_is_blocked_says_no_more_than_what_there_is_not() {
        let plain = Refusal::plain(ReasonCode::ActionNotAvailable);
        let text = "\"nobody deletes\" blocks this action.";
        let reason = Reason::new(ReasonCode::ActionNotAvailable, text).by("nobody deletes");
        let blocked = Refusal::from_reasons(vec![
            reason,
            Reason::plain(ReasonCode::ArgumentsNotAllowed).by("small amounts"),
        ])
        .unwrap();
        for (is_tool, era) in [
            (true, Era::Legacy),
            (true, Era::Modern),
            (false, Era::Legacy),
            (false, Era::Modern),
        ] {
            let asked = asked(Some(Id::Text("a".to_owned())), is_tool, era);
            let (there_is_not, is_blocked) = (asked.refused(&plain), asked.refused(&blocked));
            let (there_is_not, is_blocked) = (seen(there_is_not).await, seen(is_blocked).await);
            assert_eq!(there_is_not, is_blocked, "{is_tool} {era:?}");
            let (_, _, body) = is_blocked;
            assert!(
                !body.contains("delete") && !body.contains("reason"),
                "{body}"
            );
        }
    }
}
