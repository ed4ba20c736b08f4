//! The addresses of connectors as tokens name them (RFC 8707): `{public_url}/mcp/{connector}`, and `{public_url}/mcp` for all of them
//! in one list. A token that was made for one of them opens that one alone.
//!
//! It knows how such an address is written, never which connectors there are: whoever is not signed in learns nothing of that. Called
//! by the sign-in of MCP clients and by the connectors' door, which answers callers without a token with [`Resource::challenge`].

use std::fmt;
use std::sync::Arc;

use domain::ConnectorName;
use http::HeaderValue;
use url::Url;

/// The path all of them begin with.
pub const CONNECTORS: &str = "/mcp";
/// The one scope of connectors: to call them. What may be called there is the policy's affair, not a scope's.
pub const SCOPE: &str = "mcp";
/// Where the metadata of protected resources stands (RFC 9728, section 3).
pub const METADATA: &str = "/.well-known/oauth-protected-resource";

/// A connector's canonical address, or that of all of them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    url: Arc<str>,
    origin_chars: usize,
}

impl fmt::Debug for Resource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Resource").field(&self.url).finish()
    }
}

/// Why a caller is sent for a token (RFC 6750, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// It brought none.
    Missing,
    /// What it brought is not good here, or not any more.
    Invalid,
}

impl Resource {
    /// The address of all connectors.
    pub fn all(public_url: &str) -> Self {
        Self::at(public_url, CONNECTORS)
    }

    /// The address of a connector; none when the name is none.
    pub fn connector(public_url: &str, name: &str) -> Option<Self> {
        ConnectorName::new(name).ok()?;
        Some(Self::at(public_url, &format!("{CONNECTORS}/{name}")))
    }

    /// An address that a client or a token wrote. Scheme and host may be written as URLs allow; the rest must be exact: no query, no
    /// fragment, no slash at the end, nothing percent-encoded.
    pub fn parse(public_url: &str, text: &str) -> Option<Self> {
        let (url, ours) = (Url::parse(text).ok()?, Url::parse(public_url).ok()?);
        let is_plain = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && path_as_written(text) == Some(url.path());
        if !is_plain || url.origin() != ours.origin() || !url.origin().is_tuple() {
            return None;
        }
        match url.path().strip_prefix(CONNECTORS)? {
            "" => Some(Self::all(public_url)),
            rest => Self::connector(public_url, rest.strip_prefix('/')?),
        }
    }

    fn at(public_url: &str, path: &str) -> Self {
        Self {
            url: format!("{public_url}{path}").into(),
            origin_chars: public_url.len(),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Its path: `/mcp/tasks`.
    pub fn path(&self) -> &str {
        &self.url[self.origin_chars..]
    }

    /// The connector's name; none for all of them.
    pub fn name(&self) -> Option<&str> {
        self.path().strip_prefix(CONNECTORS)?.strip_prefix('/')
    }

    /// Where its metadata stands.
    pub fn metadata_url(&self) -> String {
        let (origin, path) = self.url.split_at(self.origin_chars);
        format!("{origin}{METADATA}{path}")
    }

    /// The `WWW-Authenticate` of a 401 (RFC 9728, section 5.1).
    pub fn challenge(&self, why: Challenge) -> HeaderValue {
        let error = match why {
            Challenge::Missing => "",
            Challenge::Invalid => r#"error="invalid_token", "#,
        };
        let metadata = self.metadata_url();
        let text = format!(r#"Bearer {error}resource_metadata="{metadata}", scope="{SCOPE}""#);
        HeaderValue::try_from(text).expect("an address of ours can stand in a header")
    }
}

/// What stands behind the host, before a parser shortens it.
fn path_as_written(url: &str) -> Option<&str> {
    let (_, behind) = url.split_once("://")?;
    behind.find('/').map(|at| &behind[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://ai.example";

    fn check(text: &str, expected: Option<&str>) {
        let found = Resource::parse(OURS, text);
        assert_eq!(found.as_ref().map(Resource::path), expected, "{text}");
        if let Some(found) = found {
            assert_eq!(Resource::parse(OURS, found.as_str()), Some(found));
        }
    }

    #[test]
    fn a_connector_has_one_address_however_its_host_is_written() {
        check("https://ai.example/mcp/tasks", Some("/mcp/tasks"));
        check("https://AI.Example:443/mcp/tasks", Some("/mcp/tasks"));
        check("https://ai.example/mcp", Some("/mcp"));
    }

    #[test]
    fn what_is_no_address_of_a_connector_of_ours_is_none() {
        for text in [
            "",
            "tasks",
            "https://ai.example",
            "https://ai.example/",
            "https://ai.example/mcp/",
            "https://ai.example/mcp/tasks/",
            "https://ai.example/mcp/tasks/more",
            "https://ai.example/mcp/Tasks",
            "https://ai.example/mcp/tas%6bs",
            "https://ai.example/x/../mcp/tasks",
            "https://ai.example/mcp/tasks?x=1",
            "https://ai.example/mcp/tasks#x",
            "https://ai.example/mcptasks",
            "https://me@ai.example/mcp/tasks",
            "https://ai.example:8443/mcp/tasks",
            "http://ai.example/mcp/tasks",
            "https://ai.example.evil.example/mcp/tasks",
            "https://evil.example/mcp/tasks",
            "https://ai.example/v1/messages",
            "https://ai.example/mcp/1tasks",
            "https://ai.example/mcp/a-name-of-more-than-thirty-two-letters",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_caller_without_a_token_is_told_where_to_read_on() {
        let tasks = Resource::connector(OURS, "tasks").unwrap();
        assert_eq!(tasks.name(), Some("tasks"));
        assert_eq!(Resource::all(OURS).name(), None);
        let text = |why| tasks.challenge(why).to_str().unwrap().to_owned();
        assert_eq!(
            text(Challenge::Missing),
            r#"Bearer resource_metadata="https://ai.example/.well-known/oauth-protected-resource/mcp/tasks", scope="mcp""#
        );
        assert!(
            text(Challenge::Invalid)
                .starts_with(r#"Bearer error="invalid_token", resource_metadata="#)
        );
    }
}
