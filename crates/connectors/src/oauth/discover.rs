//! Which authorization server a connector has: what its refusal points to, else what stands where it must stand (RFC 9728), and what that
//! server says of itself (RFC 8414, or OpenID Connect's form of it). Nothing of it is believed beyond what it is about: the resource must be
//! the connector's, and the issuer the one that was asked.

use domain::limits;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, StatusCode};
use pipeline::fetch::{Ask, Reach, check_url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use url::Url;

use super::{Asking, At, OauthClient, Unlinked};

/// What was found of a connector.
#[derive(Debug)]
pub(super) struct Discovered {
    /// What a token is to be for.
    pub(super) resource: String,
    /// What it says it needs.
    pub(super) scopes: Vec<String>,
    /// Its authorization server.
    pub(super) server: Server,
}

/// An authorization server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) registration_endpoint: Option<Url>,
    pub(super) revocation_endpoint: Option<Url>,
    /// How clients may authenticate; the default of RFC 8414 where it does not say.
    pub(super) methods: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) takes_documents: bool,
    pub(super) states_issuer: bool,
}

/// RFC 9728, as far as it is read.
#[derive(Debug, Deserialize)]
struct Resource {
    #[serde(rename = "resource")]
    address: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
}

/// RFC 8414, as far as it is read.
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default)]
    registration_endpoint: Option<String>,
    #[serde(default)]
    revocation_endpoint: Option<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    scopes_supported: Vec<String>,
    #[serde(default)]
    client_id_metadata_document_supported: bool,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// The authorization server of a connector.
pub(super) async fn server(client: &OauthClient, at: At<'_>) -> Result<Discovered, Unlinked> {
    let address = Url::parse(at.address).map_err(|_| Unlinked::Unfit("has no address"))?;
    let (pointer, needed) = pointer(client, at, &address).await?;
    let pointer = pointer.filter(|pointer| !client.is_of_another(at, pointer, None));
    let about = about(client, at, (&address, pointer)).await?;
    let set_up = client.known.get(at.name);
    let set_up = set_up.and_then(|client| client.issuer.clone());
    let named = about
        .as_ref()
        .and_then(|about| about.authorization_servers.first().cloned());
    // Where there is no metadata of the resource, as before June 2025, the server is its own authorization server.
    let issuer = set_up
        .or(named)
        .unwrap_or_else(|| address.origin().ascii_serialization());
    let (resource, offered) = match about {
        Some(about) => (about.address, about.scopes_supported),
        None => (plain(&address), Vec::new()),
    };
    Ok(Discovered {
        resource,
        scopes: match needed {
            Some(needed) => needed.split_ascii_whitespace().map(str::to_owned).collect(),
            None => offered,
        },
        server: metadata(client, at, &issuer).await?,
    })
}

/// Where a refusal of the connector points to, and what it says is needed.
async fn pointer(
    client: &OauthClient,
    at: At<'_>,
    address: &Url,
) -> Result<(Option<Url>, Option<String>), Unlinked> {
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let ask = Ask::post_json(address, &ping)
        .header(http::header::ACCEPT, "application/json, text/event-stream");
    let url = address;
    // One that streams without a word of refusal needs no grant, and is not waited for longer than any other document.
    let answer = client.ask(at, Asking { url, ask }).await?;
    if answer.status != StatusCode::UNAUTHORIZED {
        return Ok((None, None));
    }
    let pointer = parameter(&answer.headers, "resource_metadata");
    let pointer = pointer.and_then(|url| Url::parse(&url).ok());
    Ok((pointer, parameter(&answer.headers, "scope")))
}

/// What the resource says of itself; none where it says nothing.
async fn about(
    client: &OauthClient,
    at: At<'_>,
    (address, pointer): (&Url, Option<Url>),
) -> Result<Option<Resource>, Unlinked> {
    let mut places = match pointer {
        Some(pointer) => vec![pointer],
        None => well_known(address, "oauth-protected-resource"),
    };
    places.dedup();
    for place in &places {
        let Some(about) = document::<Resource>(client, at, place).await? else {
            continue;
        };
        if !covers(&about.address, address) {
            return Err(Unlinked::Unfit(
                "says of itself that it is another resource than the one asked",
            ));
        }
        return Ok(Some(about));
    }
    Ok(None)
}

/// What an authorization server says of itself.
async fn metadata(client: &OauthClient, at: At<'_>, issuer: &str) -> Result<Server, Unlinked> {
    const NONE: Unlinked = Unlinked::Unfit("names an authorization server that cannot be one");
    let url = Url::parse(issuer).map_err(|_| NONE)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(NONE);
    }
    let mut places = well_known(&url, "oauth-authorization-server");
    places.truncate(1);
    places.extend(well_known(&url, "openid-configuration").into_iter().take(1));
    let mut appended = url.clone();
    let path = url.path().trim_end_matches('/');
    appended.set_path(&format!("{path}/.well-known/openid-configuration"));
    places.push(appended);
    for place in &places {
        if let Some(found) = document::<Metadata>(client, at, place).await? {
            return judged(client, at, issuer, found);
        }
    }
    Err(Unlinked::Unfit(
        "has an authorization server that says nothing of itself",
    ))
}

/// Holds what an authorization server says of itself against what was asked.
fn judged(
    client: &OauthClient,
    at: At<'_>,
    issuer: &str,
    found: Metadata,
) -> Result<Server, Unlinked> {
    if found.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
        return Err(Unlinked::Unfit(
            "has an authorization server that says it is another one",
        ));
    }
    let methods = &found.code_challenge_methods_supported;
    if !methods.iter().any(|method| method == "S256") {
        return Err(Unlinked::Unfit(
            "has an authorization server without PKCE (S256)",
        ));
    }
    let speaks = Url::parse(issuer).ok();
    let endpoint = |url: &str| {
        let url = Url::parse(url).ok()?;
        if client.is_of_another(at, &url, speaks.as_ref()) {
            return None;
        }
        let is_named = client.named(at).any(|origin| origin == url.origin());
        let reach = if is_named {
            Reach::Operator
        } else {
            Reach::Public
        };
        (check_url(&url, reach).is_ok() && url.fragment().is_none()).then_some(url)
    };
    let unfit = Unlinked::Unfit("has an authorization server whose addresses may not be used");
    let maybe = |url: &Option<String>| url.as_deref().and_then(endpoint);
    let (Some(authorization_endpoint), Some(token_endpoint)) = (
        endpoint(&found.authorization_endpoint),
        endpoint(&found.token_endpoint),
    ) else {
        return Err(unfit);
    };
    let basic = || vec!["client_secret_basic".to_owned()];
    Ok(Server {
        authorization_endpoint,
        token_endpoint,
        registration_endpoint: maybe(&found.registration_endpoint),
        revocation_endpoint: maybe(&found.revocation_endpoint),
        methods: found
            .token_endpoint_auth_methods_supported
            .unwrap_or_else(basic),
        scopes: found.scopes_supported,
        takes_documents: found.client_id_metadata_document_supported,
        states_issuer: found.authorization_response_iss_parameter_supported,
        issuer: found.issuer,
    })
}

/// A document of this form at an address; none where there is none.
async fn document<T: DeserializeOwned>(
    client: &OauthClient,
    at: At<'_>,
    url: &Url,
) -> Result<Option<T>, Unlinked> {
    let ask = Ask::get(url);
    let answer = client.ask(at, Asking { url, ask }).await?;
    match answer.status {
        StatusCode::OK => match serde_json::from_slice(&answer.body) {
            Ok(document) => Ok(Some(document)),
            Err(_) => Err(Unlinked::Unfit(
                "or its authorization server describes itself in a way that cannot be read",
            )),
        },
        status if status.is_server_error() || status.is_redirection() => Err(Unlinked::Unfit(
            "or its authorization server answers where it describes itself with an error or a redirect",
        )),
        _ => Ok(None),
    }
}

/// Where a document of this name about an address stands: before its path, and at the root.
fn well_known(address: &Url, name: &str) -> Vec<Url> {
    let path = address.path().trim_end_matches('/');
    let place = |path: &str| {
        let mut place = address.clone();
        place.set_path(path);
        place.set_query(None);
        place.set_fragment(None);
        place
    };
    let mut places = vec![place(&format!("/.well-known/{name}{path}"))];
    if !path.is_empty() {
        places.push(place(&format!("/.well-known/{name}")));
    }
    places
}

/// An address without what is no part of a resource.
fn plain(address: &Url) -> String {
    let mut plain = address.clone();
    plain.set_fragment(None);
    plain.as_str().to_owned()
}

/// Whether a resource is the one at an address, or one that it lies in.
fn covers(resource: &str, address: &Url) -> bool {
    if resource.len() > limits::OAUTH_URI_BYTES_MAX {
        return false;
    }
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    if resource.origin() != address.origin() || resource.fragment().is_some() {
        return false;
    }
    let (outer, inner) = (
        resource.path().trim_end_matches('/'),
        address.path().trim_end_matches('/'),
    );
    let rest = inner.strip_prefix(outer);
    let lies_in = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    lies_in
        && resource
            .query()
            .is_none_or(|query| address.query() == Some(query))
}

/// The scopes that a connector says it wants more of, where that is why it refuses a token (RFC 6750, section 3.1).
pub(crate) fn wanted(headers: &HeaderMap) -> Option<String> {
    let error = parameter(headers, "error")?;
    let scope = parameter(headers, "scope")?;
    (error == "insufficient_scope").then_some(scope)
}

/// A parameter of a bearer challenge (RFC 9110, section 11.6.1).
fn parameter(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| {
        let mut rest = value.to_str().ok()?;
        while !rest.is_empty() {
            let (before, after) = rest.split_once('=')?;
            let key = before.rsplit([' ', ',', '\t']).next().unwrap_or_default();
            let (text, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            if key.eq_ignore_ascii_case(name) {
                return Some(text.trim().to_owned());
            }
            rest = after;
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_whatever_stands_around_it() {
        let check = |text: &'static str, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(WWW_AUTHENTICATE, http::HeaderValue::from_static(text));
            assert_eq!(
                parameter(&headers, "resource_metadata").as_deref(),
                expected,
                "{text}"
            );
        };
        let url = "https://a.example/.well-known/x";
        check(
            "Bearer resource_metadata=\"https://a.example/.well-known/x\"",
            Some(url),
        );
        check(
            "Bearer error=\"invalid_token\", resource_metadata=\"https://a.example/.well-known/x\", scope=\"a b\"",
            Some(url),
        );
        check(
            "Bearer realm=x, Resource_Metadata=https://a.example/.well-known/x",
            Some(url),
        );
        check("Bearer", None);
        check("Bearer error=\"resource_metadata=\", x=\"y\"", None);
        check("Bearer resource_metadata=\"https://a", None);
    }

    #[test]
    fn more_is_wanted_only_where_too_little_is_why_a_token_is_refused() {
        for (text, expected) in [
            (
                "Bearer scope=\"a b\", resource_metadata=\"https://a.example\", error=\"insufficient_scope\"",
                Some("a b"),
            ),
            ("Bearer error=\"insufficient_scope\"", None),
            ("Bearer error=\"invalid_token\", scope=\"a\"", None),
            ("Bearer scope=\"a\"", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(WWW_AUTHENTICATE, http::HeaderValue::from_static(text));
            assert_eq!(wanted(&headers).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_resource_covers_itself_and_what_lies_in_it() {
        let address = Url::parse("https://a.example/v1/mcp").unwrap();
        for (resource, expected) in [
            ("https://a.example/v1/mcp", true),
            ("https://a.example/v1/mcp/", true),
            ("https://a.example/v1", true),
            ("https://a.example", true),
            ("https://a.example/v", false),
            ("https://a.example/v1/mcp/x", false),
            ("https://b.example/v1/mcp", false),
            ("http://a.example/v1/mcp", false),
            ("https://a.example/v1/mcp?x=1", false),
            ("https://a.example/v1/mcp#x", false),
            ("", false),
        ] {
            assert_eq!(covers(resource, &address), expected, "{resource}");
        }
    }

    #[test]
    fn documents_stand_where_the_standards_say() {
        let places = |url: &str| {
            let url = Url::parse(url).unwrap();
            let all = well_known(&url, "x").into_iter();
            all.map(|url| url.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            places("https://a.example/v1/mcp?q=1"),
            [
                "https://a.example/.well-known/x/v1/mcp",
                "https://a.example/.well-known/x"
            ]
        );
        assert_eq!(
            places("https://a.example"),
            ["https://a.example/.well-known/x"]
        );
    }
}
