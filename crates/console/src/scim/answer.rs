//! Answers as SCIM has them, and the one place where causes become statuses. An outage of ours is 503, so that the directory tries
//! again; it is never shown as a wrong token or a wrong request.

use axum::response::{IntoResponse, Response};
use control::scim::directory::etag;
use control::scim::{Ask, Kept, Listed, ScimError, ScimType, Wanted};
use control::{ControlError, Entry};
use domain::ReasonCode;
use http::header::{CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

/// The media type of everything here.
pub const MEDIA: &str = "application/scim+json";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// When to try again after an outage of ours, in seconds.
const AGAIN_S: i64 = 5;

/// What is not done, and why.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    kind: Option<&'static str>,
    detail: String,
    retry_s: Option<i64>,
}

impl Refused {
    /// With a status and a sentence.
    pub fn plain(status: StatusCode, detail: &str) -> Self {
        Self {
            status,
            kind: None,
            detail: detail.to_owned(),
            retry_s: None,
        }
    }

    /// Whoever asks is not known.
    pub fn unknown() -> Self {
        let detail = "the token is not a directory token that opens; make one with `doorward scim-token create`";
        Self::plain(StatusCode::UNAUTHORIZED, detail)
    }

    /// Whoever asks has asked too often.
    pub fn too_many(wait_s: i64) -> Self {
        Self {
            retry_s: Some(wait_s),
            ..Self::plain(
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests; try again later",
            )
        }
    }

    fn outage() -> Self {
        let detail =
            "something of Doorward's is not at hand; nothing was changed for certain, so ask again";
        Self {
            retry_s: Some(AGAIN_S),
            ..Self::plain(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }
}

impl From<ScimError> for Refused {
    fn from(error: ScimError) -> Self {
        match error {
            ScimError::Bad(kind, detail) => Self {
                kind: Some(kind.as_str()),
                ..Self::plain(status_of(kind), &detail)
            },
            ScimError::NotFound => Self::plain(StatusCode::NOT_FOUND, &error.to_string()),
            ScimError::Changed => Self::plain(StatusCode::PRECONDITION_FAILED, &error.to_string()),
            ScimError::Control(error) => error.into(),
        }
    }
}

/// The status of each kind (RFC 7644, section 3.12, table 9).
const fn status_of(kind: ScimType) -> StatusCode {
    match kind {
        ScimType::Uniqueness => StatusCode::CONFLICT,
        ScimType::InvalidFilter
        | ScimType::TooMany
        | ScimType::Mutability
        | ScimType::InvalidSyntax
        | ScimType::InvalidPath
        | ScimType::NoTarget
        | ScimType::InvalidValue => StatusCode::BAD_REQUEST,
    }
}

impl From<ControlError> for Refused {
    /// Every cause is named: only what may be otherwise by itself is an outage, which a directory repeats for hours.
    fn from(error: ControlError) -> Self {
        use ControlError as Cause;
        match &error {
            Cause::Forbidden(_)
            | Cause::OutOfScope(_)
            | Cause::Oneself
            | Cause::OwnApproval
            | Cause::OthersApproval => {
                Self::plain(StatusCode::FORBIDDEN, "the token is not for this")
            }
            Cause::NoSuch(_) | Cause::NoSuchPerson | Cause::NoSuchKey => {
                Self::plain(StatusCode::NOT_FOUND, &error.detail())
            }
            Cause::Invalid(_)
            | Cause::Policy(_)
            | Cause::Meaningless(_)
            | Cause::Unwritable(_)
            | Cause::Yaml(_)
            | Cause::AcceptableUse(_)
            | Cause::NothingPublished
            | Cause::NoDraft
            | Cause::LastOwner
            | Cause::NotReviewed
            | Cause::Unasked(_)
            | Cause::NotSoYet(_)
            | Cause::Ambiguous(_) => ScimError::Bad(ScimType::InvalidValue, error.detail()).into(),
            Cause::Linked | Cause::LimitStands(_) | Cause::AskedAlready(_) => {
                ScimError::Bad(ScimType::Uniqueness, error.detail()).into()
            }
            Cause::Conflict { .. }
            | Cause::Changed(_)
            | Cause::DraftChanged
            | Cause::DefinitionChanged
            | Cause::GoesElsewhere
            | Cause::RequestClosed { .. }
            | Cause::RequestExpired
            | Cause::ApprovalOver { .. }
            | Cause::ApprovalVoid
            | Cause::AlreadyClosed { .. } => {
                Self::plain(StatusCode::PRECONDITION_FAILED, &error.detail())
            }
            Cause::Store(_) if error.code() == ReasonCode::ParameterInvalid => {
                ScimError::Bad(ScimType::InvalidValue, error.detail()).into()
            }
            Cause::Store(_) if error.code() == ReasonCode::LimitReached => {
                Self::plain(StatusCode::FORBIDDEN, &error.detail())
            }
            Cause::Store(_)
            | Cause::Ledger(_)
            | Cause::Unseen(_)
            | Cause::Partly { .. }
            | Cause::Busy(_) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a SCIM request cannot be done"
                );
                Self::outage()
            }
        }
    }
}

impl From<Entry> for Refused {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::NoPerson | Entry::UnknownToken | Entry::ShutOut | Entry::SignedOut => {
                Self::unknown()
            }
            Entry::Control(error) => error.into(),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut body = json!({
            "schemas": [ERROR],
            "status": self.status.as_u16().to_string(),
            "detail": self.detail,
        });
        if let Some(kind) = self.kind {
            body["scimType"] = kind.into();
        }
        let mut response = json_answer(self.status, &body);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

/// A JSON answer.
pub fn json_answer(status: StatusCode, body: &Value) -> Response {
    let kind = [(CONTENT_TYPE, HeaderValue::from_static(MEDIA))];
    (status, kind, body.to_string()).into_response()
}

/// A resource with its version and place.
pub fn resource(
    status: StatusCode,
    body: &Value,
    version: i64,
    location: Option<&Value>,
) -> Response {
    let mut response = json_answer(status, body);
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(etag(version)) {
        headers.insert(ETAG, tag);
    }
    let location = location.and_then(Value::as_str).map(HeaderValue::try_from);
    if let Some(Ok(location)) = location {
        headers.insert(LOCATION, location);
    }
    response
}

/// A resource as it is kept, as far as it is wanted.
pub fn kept(status: StatusCode, kept: Kept, wanted: &Wanted) -> Response {
    let location = kept.resource["meta"]["location"].clone();
    let body = wanted.of(kept.resource);
    resource(status, &body, kept.version, Some(&location))
}

/// A part of a list.
pub fn list(ask: &Ask, listed: &Listed) -> Response {
    let body = json!({
        "schemas": [LIST],
        "totalResults": listed.total,
        "startIndex": ask.start,
        "itemsPerPage": listed.resources.len(),
        "Resources": listed.resources,
    });
    json_answer(StatusCode::OK, &body)
}

/// Nothing to say.
pub fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_outage_is_not_to_be_tried_again() {
        let check = |error: ControlError, status: u16, kind| {
            let refused = Refused::from(error);
            assert_eq!((refused.status.as_u16(), refused.kind), (status, kind));
            assert_eq!(refused.retry_s, None, "{status}");
        };
        let unusable = control::text::Unusable::new("name", "must be short");
        check(
            ControlError::Forbidden(control::Right::DirectorySync),
            403,
            None,
        );
        check(ControlError::NoSuch("person"), 404, None);
        check(unusable.into(), 400, Some("invalidValue"));
        check(ControlError::Linked, 409, Some("uniqueness"));
        check(ControlError::DraftChanged, 412, None);
    }
}
