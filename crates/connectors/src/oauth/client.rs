//! How Doorward is known at an authorization server: as a client that the operator registered there by hand, else by a document of its
//! own, else by registering itself for this one grant. In this order, as clients are told to by the Model Context Protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::limits;
use http::StatusCode;
use pipeline::fetch::Ask;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::discover::{Discovered, Server};
use super::{Asking, At, CALLBACK, DOCUMENT, OauthClient, Unlinked};

/// What people at an authorization server read of us.
const NAME: &str = "Doorward";
/// Longest client id, and longest secret, that is kept.
const ID_BYTES_MAX: usize = 2_000;

/// A client that the operator registered by hand: `[[connector_client]]` of doorward.toml.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorClient {
    /// The connector, by its name in the policy.
    pub connector: String,
    /// The id that was given there.
    pub client_id: String,
    /// The secret that was given there; none for a public client.
    #[serde(default)]
    pub client_secret: Option<SecretString>,
    /// The authorization server, where it is not the one that the connector names; its addresses may lie in the company's network.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Where alone an account's token goes, whatever address the policy has; only an account has one.
    #[serde(default)]
    pub origin: Option<Url>,
    /// What is asked for, instead of what the connector says it needs.
    #[serde(default)]
    pub scopes: Vec<String>,
}

impl ConnectorClient {
    /// Whether Doorward can come as itself with it: it proves who it is, to whom is said, and so is where its token goes and what that is for.
    /// Neither the connector nor the policy can turn it elsewhere.
    pub fn is_account(&self) -> bool {
        let is_bound = self.issuer.is_some() && self.origin.is_some();
        self.client_secret.is_some() && is_bound && !self.scopes.is_empty()
    }

    /// What is wrong with it: a key and why.
    pub fn mistake(&self) -> Option<&'static str> {
        let is_text = |text: &str| {
            !text.is_empty()
                && text.len() <= ID_BYTES_MAX
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let issuer = self.issuer.as_deref();
        if domain::ConnectorName::new(&self.connector).is_err() {
            return Some("connector: is no name of a connector");
        }
        if !is_text(&self.client_id) {
            return Some("client_id: must be text without spaces");
        }
        if issuer.is_some_and(|issuer| !is_issuer(issuer)) {
            return Some(
                "issuer: must be the authorization server's https address, as its metadata states it",
            );
        }
        if self
            .origin
            .as_ref()
            .is_some_and(|origin| !origin.origin().is_tuple())
        {
            return Some("origin: is no origin of a connector, such as https://mcp.example.org");
        }
        if self.scopes.iter().any(|scope| !is_text(scope)) {
            return Some("scopes: each is one word");
        }
        None
    }
}

fn is_issuer(issuer: &str) -> bool {
    let Ok(url) = Url::parse(issuer) else {
        return false;
    };
    let reach = pipeline::fetch::Reach::Operator;
    pipeline::fetch::check_url(&url, reach).is_ok()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

/// How a client proves that it is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// With nothing: PKCE alone.
    None,
    /// With a header (RFC 6749, section 2.3.1).
    Basic,
    /// In the form.
    Post,
}

/// The client that a grant was given to.
#[derive(Clone, Serialize, Deserialize)]
pub struct Used {
    /// Its id.
    pub id: String,
    /// How it proves that it is the one.
    pub method: Method,
    /// Whether it was set up: then its secret is the one of the configuration.
    pub is_set_up: bool,
    /// The secret that it was given when it registered.
    secret: Option<String>,
}

impl std::fmt::Debug for Used {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Used")
            .field("id", &self.id)
            .field("is_set_up", &self.is_set_up)
            .finish_non_exhaustive()
    }
}

/// What an authorization server answers to a registration, as far as it is read.
#[derive(Deserialize)]
struct Registered {
    client_id: String,
    #[serde(default)]
    client_secret: Option<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
}

/// Doorward's own client metadata document.
pub fn document(public_url: &str) -> Value {
    let public_url = public_url.trim_end_matches('/');
    let mut document = about(public_url, Method::None);
    document["client_id"] = format!("{public_url}{DOCUMENT}").into();
    document["client_uri"] = public_url.into();
    document
}

fn about(public_url: &str, method: Method) -> Value {
    // Without it a server takes a client for one of the web, and refuses a redirect address on somebody's own computer (OpenID Connect
    // Registration, section 2).
    let application_type = if public_url.starts_with("https://") {
        "web"
    } else {
        "native"
    };
    json!({
        "client_name": NAME,
        "application_type": application_type,
        "redirect_uris": [format!("{public_url}{CALLBACK}")],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method.word(),
    })
}

impl Method {
    const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }

    /// The best of those that a server takes, of those that a client can.
    fn best(of: &[Self], server: &Server) -> Option<Self> {
        let takes = |method: &&Self| server.methods.iter().any(|word| word == method.word());
        of.iter().find(takes).copied()
    }
}

/// As whom Doorward asks.
pub(super) async fn choose(
    client: &OauthClient,
    at: At<'_>,
    found: &Discovered,
) -> Result<Used, Unlinked> {
    let server = &found.server;
    if let Some(known) = client.known.get(at.name) {
        let method = match known.client_secret {
            // A server that does not say how is asked as every one must be able to be.
            Some(_) => {
                Method::best(&[Method::Basic, Method::Post], server).unwrap_or(Method::Basic)
            }
            None => Method::None,
        };
        return Ok(Used {
            id: known.client_id.clone(),
            method,
            is_set_up: true,
            secret: None,
        });
    }
    if server.takes_documents && client.public_url.starts_with("https://") {
        return Ok(Used {
            id: format!("{}{DOCUMENT}", client.public_url),
            method: Method::None,
            is_set_up: false,
            secret: None,
        });
    }
    match &server.registration_endpoint {
        Some(place) => register(client, at, (server, place)).await,
        None => Err(Unlinked::NoClient),
    }
}

async fn register(
    client: &OauthClient,
    at: At<'_>,
    (server, place): (&Server, &Url),
) -> Result<Used, Unlinked> {
    let able = [Method::Basic, Method::Post, Method::None];
    let method = Method::best(&able, server).ok_or(Unlinked::NoClient)?;
    let ask = Ask::post_json(place, &about(&client.public_url, method));
    let answer = client.ask(at, Asking { url: place, ask }).await?;
    if !matches!(answer.status, StatusCode::OK | StatusCode::CREATED) {
        return Err(Unlinked::NoClient);
    }
    let unfit = || Unlinked::Unfit("has an authorization server that registers nobody properly");
    let given: Registered = serde_json::from_slice(&answer.body).map_err(|_| unfit())?;
    let method = match given.token_endpoint_auth_method.as_deref() {
        Some("none") => Method::None,
        Some("client_secret_post") => Method::Post,
        Some("client_secret_basic") => Method::Basic,
        None if given.client_secret.is_none() => Method::None,
        None => method,
        Some(_) => return Err(unfit()),
    };
    let fits = |text: &str| {
        !text.is_empty()
            && text.len() <= ID_BYTES_MAX.min(limits::GRANT_TOKEN_BYTES_MAX)
            && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
    };
    let is_whole = (method == Method::None) || given.client_secret.is_some();
    if !fits(&given.client_id) || !given.client_secret.as_deref().is_none_or(fits) || !is_whole {
        return Err(unfit());
    }
    Ok(Used {
        id: given.client_id,
        method,
        is_set_up: false,
        secret: given.client_secret,
    })
}

/// A request of a client, with what proves that it is the one. None where the client that was set up is set up no more.
pub(super) fn signed<'a>(
    client: &OauthClient,
    connector: &str,
    used: &Used,
    (url, fields): (&'a Url, &[(&str, &str)]),
) -> Option<Ask<'a>> {
    let secret = match client.known.get(connector) {
        _ if !used.is_set_up => used.secret.clone().map(SecretString::from),
        Some(known) if known.client_id == used.id => known.client_secret.clone(),
        _ => return None,
    };
    let mut fields = fields.to_vec();
    let ask = match (used.method, &secret) {
        (Method::None, _) => {
            fields.push(("client_id", &used.id));
            Ask::post_form(url, &fields)
        }
        (Method::Post, Some(secret)) => {
            fields.push(("client_id", &used.id));
            fields.push(("client_secret", secret.expose_secret()));
            Ask::post_form(url, &fields)
        }
        (Method::Basic, Some(secret)) => {
            let form = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", form(&used.id), form(secret.expose_secret()));
            let pair = SecretString::from(format!("Basic {}", STANDARD.encode(pair)));
            Ask::post_form(url, &fields).authorized(&pair)
        }
        (Method::Post | Method::Basic, None) => return None,
    };
    Some(ask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_cannot_be_one_is_said_to_be_so() {
        let sound = ConnectorClient {
            connector: "crm".to_owned(),
            client_id: "abc".to_owned(),
            client_secret: None,
            issuer: Some("https://login.example/t1".to_owned()),
            origin: None,
            scopes: vec!["read".to_owned()],
        };
        assert_eq!(sound.mistake(), None);
        let begins = |change: &dyn Fn(&mut ConnectorClient), key: &str| {
            let mut client = sound.clone();
            change(&mut client);
            let mistake = client.mistake().unwrap();
            assert!(mistake.starts_with(key), "{mistake}");
        };
        begins(&|client| client.connector = "CRM".to_owned(), "connector:");
        begins(&|client| client.client_id = String::new(), "client_id:");
        begins(&|client| client.scopes = vec!["a b".to_owned()], "scopes:");
        for issuer in [
            "http://login.example",
            "https://x?y",
            "https://u@x",
            "x",
            "https://169.254.169.254",
        ] {
            begins(&|client| client.issuer = Some(issuer.to_owned()), "issuer:");
        }
    }

    #[test]
    fn the_document_is_about_its_own_address() {
        let document = document("https://ai.example/");
        assert_eq!(
            document["client_id"],
            "https://ai.example/connect/client.json"
        );
        assert_eq!(
            document["redirect_uris"][0],
            "https://ai.example/connect/callback"
        );
        assert_eq!(document["token_endpoint_auth_method"], "none");
    }

    #[test]
    fn what_kind_of_application_it_is_goes_by_where_browsers_come_back_to() {
        for (public_url, kind) in [
            ("https://ai.example", "web"),
            ("http://localhost:8080", "native"),
        ] {
            for about in [document(public_url), about(public_url, Method::Basic)] {
                assert_eq!(about["application_type"], kind, "{public_url}");
            }
        }
    }
}
