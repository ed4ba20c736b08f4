//! What a handler is given: who calls, the ids of the path, the query, the body, and the version that a change starts from. Ids are
//! parsed as what they are; one that is none is as unknown as one of another organisation. Bodies are bounded in size and time,
//! and members nobody knows are refused.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use bytes::Bytes;
use control::installation::Installation;
use control::people::Person;
use control::rollout::Departures;
use control::upstreams::Providers;
use control::{Actor, Operation};
use domain::{ReasonCode, Vouching, limits};
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::unfit;
use crate::{Consent, Console, Problem, Rules};

/// Who calls, and what can be done for them.
#[derive(Debug)]
pub struct Call {
    console: Arc<Console>,
    actor: Arc<Actor>,
}

impl Call {
    /// The operation to hand to `control`.
    pub fn operation(&self) -> Operation<'_> {
        self.console.control.operation(&self.actor)
    }

    /// Who calls.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The rules in force.
    pub fn rules(&self) -> &dyn Rules {
        &*self.console.rules
    }

    /// Who keeps people's yes.
    pub fn consent(&self) -> &dyn Consent {
        &*self.console.consent
    }

    /// What leaves for the providers.
    pub fn departures(&self) -> &dyn Departures {
        &*self.console.departures
    }

    /// The providers of Claude, as the router has them.
    pub fn providers(&self) -> &dyn Providers {
        &*self.console.providers
    }

    /// Turns of checking a member list.
    pub fn member_checks(&self) -> &Arc<tokio::sync::Semaphore> {
        &self.console.member_checks
    }

    /// What is configured.
    pub fn installation(&self) -> &Installation {
        &self.console.installation
    }

    /// Whose people and groups count here.
    pub fn vouching(&self) -> &Vouching {
        &self.console.control.vouching
    }

    /// Goes on only with an issuer that is configured: one that is not would give something to nobody, unseen.
    pub fn configured_issuer(&self, name: &str) -> Result<(), Problem> {
        let known = self.console.installation.issuers.iter();
        if known.into_iter().any(|issuer| issuer.name == name) {
            return Ok(());
        }
        let detail = "No issuer of this name is configured.";
        Err(Problem::new(ReasonCode::ParameterInvalid, detail))
    }

    /// How a person's budgets stand.
    pub fn standing(&self, person: &Person) -> Vec<super::budgets::Standing> {
        self.rules().standing(person)
    }
}

/// A reason.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// Why, for whoever reads the ledger: 1 to 500 characters on one line.
    #[schema(min_length = 1, max_length = 500, example = "left the company")]
    pub reason: String,
}

impl FromRequestParts<Arc<Console>> for Call {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Arc<Console>,
    ) -> Result<Self, Problem> {
        let actor = parts.extensions.get::<Arc<Actor>>();
        // Only what passed the entrance has one.
        let actor = actor.ok_or_else(|| Problem::plain(ReasonCode::CredentialMissing))?;
        Ok(Self {
            console: Arc::clone(console),
            actor: Arc::clone(actor),
        })
    }
}

/// The id or ids in the path.
#[derive(Debug)]
pub struct Id<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Console>> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Arc<Console>,
    ) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, console).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(Problem::plain(ReasonCode::ThingUnknown)),
        }
    }
}

/// The query. Its type refuses members that it does not know.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Console>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Console>) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let query = query.map_err(|refused| unfit::query(&refused))?;
        Ok(Self(query.0))
    }
}

/// A JSON body of at most [`limits::SMALL_BODY_BYTES_MAX`], or of more where a policy travels. Its type refuses members that it does
/// not know.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Console>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Console>) -> Result<Self, Problem> {
        let is_json = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .and_then(|kind| kind.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            let detail = "Send the body as `content-type: application/json`.";
            let problem = Problem::new(ReasonCode::BodyMalformed, detail);
            return Err(problem.with_help("Send the header."));
        }
        let most = most_bytes(request.uri().path());
        let bytes = read(request.into_body(), most).await?;
        unfit::body(&bytes).map(Self)
    }
}

/// A text in JSON is longer than itself by its escapes.
fn most_bytes(path: &str) -> usize {
    if path.contains("/policy") {
        limits::POLICY_BYTES_MAX + limits::SMALL_BODY_BYTES_MAX
    } else if path.ends_with("/members/checks") {
        limits::MEMBER_UPLOAD_BYTES_MAX
    } else if path.ends_with("/artefacts/lint") {
        limits::SETTINGS_FILE_BYTES_MAX + limits::SMALL_BODY_BYTES_MAX
    } else if path.contains("/acceptable-use/") {
        2 * limits::ACCEPTABLE_USE_BYTES_MAX
    } else {
        limits::SMALL_BODY_BYTES_MAX
    }
}

/// A whole body within its limits of size and time.
pub(crate) async fn read(body: axum::body::Body, most: usize) -> Result<Bytes, Problem> {
    let whole = Limited::new(body, most).collect();
    match tokio::time::timeout(Duration::from_millis(limits::ADMIN_BODY_MS), whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let detail = format!("The body is larger than {most} bytes.");
            Err(Problem::new(ReasonCode::BodyTooLarge, detail))
        }
        Ok(Err(_)) => Err(Problem::plain(ReasonCode::ClientGone)),
        Err(_) => Err(Problem::plain(ReasonCode::BodyTimeout)),
    }
}

/// As [`read`], bounded as the path's own handler bounds it.
pub(super) async fn read_for(path: &str, body: axum::body::Body) -> Result<Bytes, Problem> {
    read(body, most_bytes(path)).await
}

/// The version a change starts from, as `If-Match` states it. `*` is none: who did not read cannot change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

impl FromRequestParts<Arc<Console>> for Version {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Console>) -> Result<Self, Problem> {
        version(&parts.headers)
    }
}

fn version(headers: &HeaderMap) -> Result<Version, Problem> {
    let mut values = headers.get_all(IF_MATCH).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Problem::plain(ReasonCode::VersionMissing));
    };
    let opaque = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"'))
        .filter(|text| !text.is_empty() && !text.contains('"'));
    opaque
        .map(|text| Version(text.to_owned()))
        .ok_or_else(|| Problem::plain(ReasonCode::VersionMissing))
}

/// The `ETag` of a version.
pub fn etag(version: impl std::fmt::Display) -> [(http::HeaderName, HeaderValue); 1] {
    let text = format!("\"{version}\"");
    let value = HeaderValue::try_from(text).expect("versions are numbers and hexadecimal digits");
    [(ETAG, value)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, HeaderValue::from_str(value).unwrap());
        }
        let found = version(&headers).ok().map(|version| version.0);
        assert_eq!(found.as_deref(), expected, "{values:?}");
    }

    #[test]
    fn a_change_names_one_version_that_was_read() {
        check(&["\"7\""], Some("7"));
        for missing in [
            &[][..],
            &["*"],
            &["7"],
            &["\"\""],
            &["\"7\"", "\"8\""],
            &["\"7\", \"8\""],
        ] {
            check(missing, None);
        }
    }
}
