//! What a request carries: the query, the body, and the version that a change starts from.

use std::time::Duration;

use axum::body::Body;
use control::scim::directory::version_in;
use control::scim::{Ask, Resource, ScimError, ScimType, Wanted};
use domain::limits;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;

use super::answer::Refused;

/// The parameters that we know, of a query or of the body of a search.
#[derive(Debug, Default)]
pub struct Parameters {
    filter: Option<String>,
    start: Option<i64>,
    count: Option<i64>,
    attributes: String,
    excluded: String,
}

impl Parameters {
    /// Out of a query; names in any case, and the last of several.
    pub fn of(uri: &Uri) -> Result<Self, Refused> {
        let mut found = Self::default();
        let query = uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.to_ascii_lowercase().as_str() {
                "filter" => found.filter = Some(value.into_owned()),
                "startindex" => found.start = Some(number(&value)?),
                "count" => found.count = Some(number(&value)?),
                "attributes" => found.attributes = value.into_owned(),
                "excludedattributes" => found.excluded = value.into_owned(),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Out of the body of a search (RFC 7644, section 3.4.3).
    pub fn in_body(body: &Value) -> Result<Self, Refused> {
        let body = body.as_object().ok_or_else(not_json)?;
        let mut found = Self::default();
        let list = |value: &Value| {
            let names = value.as_array().into_iter().flatten();
            let names: Vec<&str> = names.filter_map(Value::as_str).collect();
            names.join(",")
        };
        for (name, value) in body {
            match name.to_ascii_lowercase().as_str() {
                "filter" => found.filter = value.as_str().map(str::to_owned),
                "startindex" => found.start = value.as_i64(),
                "count" => found.count = value.as_i64(),
                "attributes" => found.attributes = list(value),
                "excludedattributes" => found.excluded = list(value),
                _ => {}
            }
        }
        Ok(found)
    }

    /// What of a resource is wanted.
    pub fn wanted(&self, resource: Resource) -> Wanted {
        Wanted::parse(&self.attributes, &self.excluded, resource)
    }

    /// What a list is asked for.
    pub fn ask(&self, resource: Resource) -> Ask {
        let wanted = self.wanted(resource);
        Ask::new(self.filter.as_deref(), self.start, self.count, wanted)
    }
}

fn number(text: &str) -> Result<i64, Refused> {
    text.trim().parse().map_err(|_| {
        let why = "startIndex and count are whole numbers".to_owned();
        ScimError::Bad(ScimType::InvalidValue, why).into()
    })
}

fn not_json() -> Refused {
    let why = "the body is not a JSON object".to_owned();
    ScimError::Bad(ScimType::InvalidSyntax, why).into()
}

/// The body as JSON, within its limits of size and time.
pub async fn body(body: Body) -> Result<Value, Refused> {
    let whole = Limited::new(body, limits::SCIM_BODY_BYTES_MAX).collect();
    let limit = Duration::from_millis(limits::ADMIN_BODY_MS);
    let bytes = match tokio::time::timeout(limit, whole).await {
        Ok(Ok(whole)) => whole.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let why = "the body is too large";
            return Err(Refused::plain(StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        Ok(Err(_)) => {
            return Err(Refused::plain(
                StatusCode::BAD_REQUEST,
                "the body broke off",
            ));
        }
        Err(_) => {
            let why = "the body took too long";
            return Err(Refused::plain(StatusCode::REQUEST_TIMEOUT, why));
        }
    };
    serde_json::from_slice(&bytes).map_err(|_| not_json())
}

/// The version that a change starts from, where one is stated.
pub fn expected(headers: &HeaderMap) -> Result<Option<i64>, Refused> {
    let Some(stated) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let text = stated.to_str().map_err(|_| ScimError::Changed)?;
    Ok(version_in(text)?)
}

/// Whether who asks has this version already.
pub fn has(headers: &HeaderMap, version: i64) -> bool {
    let stated = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let mut stated = stated.into_iter().flat_map(|text| text.split(','));
    stated.any(|one| matches!(version_in(one), Ok(Some(known)) if known == version))
}
