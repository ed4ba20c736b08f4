//! Doorward as an OAuth client of connectors: it finds the authorization server of one, sends a person's browser there, and gets, renews
//! and ends that person's tokens. Whoever runs a connector writes what is read here, so every address in it is held against what the
//! operator has named: the connector's own origin, the issuer of its `[[connector_client]]` and every `[[connector_issuer]]` may lie in the
//! company's network, any other must be on the public Internet. Follows no redirect, keeps nothing, and knows no store.
//!
//! | file | what |
//! |---|---|
//! | `discover` | which authorization server, and what it can do (RFC 9728, RFC 8414) |
//! | `client` | how Doorward is known there: set up, by a document, or by registering (RFC 7591) |
//! | `token` | codes and tokens: getting, renewing, ending (RFC 6749, RFC 7636, RFC 8707, RFC 7009) |

mod client;
mod discover;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Ids, limits};
use pipeline::fetch::{Ask, Fetch, FetchError, Fetched};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::{Origin, Url};

pub use client::{ConnectorClient, Method, Used, document};
pub(crate) use discover::wanted;
pub use token::Tokens;

/// Where browsers come back to, below the origin that clients use.
pub const CALLBACK: &str = "/connect/callback";
/// The scope of being let in again later (OpenID Connect Core, section 11).
const OFFLINE: &str = "offline_access";
/// Where Doorward's own client metadata document is.
pub const DOCUMENT: &str = "/connect/client.json";

/// A connector: its name in the policy, and its address.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its address.
    pub address: &'a str,
}

/// Why there is no grant, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum Unlinked {
    /// Somebody on the way cannot be reached, or answers what cannot be read.
    #[error("the authorization server of the connector could not be asked")]
    Unasked(#[from] FetchError),
    /// What it says of itself cannot be used.
    #[error("the connector {0}")]
    Unfit(&'static str),
    /// Nobody there knows Doorward, and Doorward cannot register itself.
    #[error(
        "its authorization server knows no Doorward: register a client there by hand and name it in [[connector_client]] of doorward.toml"
    )]
    NoClient,
    /// The authorization server says no, by this code.
    #[error("the authorization server refused it: {0}")]
    Refused(String),
    /// It says that Doorward's own client, which was set up, is not to be let in.
    #[error("the authorization server refused the client that is set up in [[connector_client]]")]
    ClientRefused,
}

/// An authorization that a person is about to give. Kept sealed until their browser comes back.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pending {
    /// The authorization server.
    pub issuer: String,
    /// Whether its answer must say who gives it (RFC 9207).
    pub states_issuer: bool,
    /// What the token is to be for (RFC 8707).
    pub resource: String,
    /// What is asked for.
    pub scope: String,
    /// Where the code is exchanged.
    pub token_endpoint: String,
    /// Where tokens are ended, where that can be done.
    pub revocation_endpoint: Option<String>,
    /// As whom.
    pub client: Used,
    verifier: String,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Pending")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// What a browser brought back.
#[derive(Debug, Clone, Copy)]
pub struct Brought<'b> {
    /// The code.
    pub code: &'b str,
    /// Who says to have given it.
    pub issuer: Option<&'b str>,
}

/// What somebody has given already, and is asked for again beside what is asked for now, by who gave it.
#[derive(Debug, Clone)]
pub struct Before {
    /// The authorization server.
    pub issuer: String,
    /// What it covers, and what it lacked.
    pub scope: String,
}

/// The client.
#[derive(Debug)]
pub struct OauthClient {
    /// For addresses that the operator named.
    operator: Fetch,
    /// For those that others name.
    public: Fetch,
    /// Clients that were registered by hand, by connector.
    known: BTreeMap<String, ConnectorClient>,
    /// Authorization servers in the company's network that connectors may name.
    inside: Vec<Origin>,
    public_url: String,
    ids: Arc<dyn Ids>,
}

impl OauthClient {
    /// With a client for the addresses that the operator named, one for the public Internet alone, and what was set up: clients, and
    /// authorization servers in the company's network.
    pub fn new(
        (operator, public): (Fetch, Fetch),
        (known, inside): (BTreeMap<String, ConnectorClient>, Vec<Origin>),
        public_url: &str,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self {
            operator,
            public,
            known,
            inside,
            public_url: public_url.trim_end_matches('/').to_owned(),
            ids,
        }
    }

    /// Where browsers come back to.
    pub fn callback(&self) -> String {
        format!("{}{CALLBACK}", self.public_url)
    }

    /// Finds where a person authorises Doorward at a connector: the address for their browser, which carries `state`, and what is needed
    /// when they come back.
    pub async fn begin(
        &self,
        at: At<'_>,
        state: &str,
        before: Option<&Before>,
    ) -> Result<(Url, Pending), Unlinked> {
        let found = discover::server(self, at).await?;
        let client = client::choose(self, at, &found).await?;
        let verifier = self.verifier();
        let scope = self.scope(at, &found, before);
        let mut url = found.server.authorization_endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &client.id)
                .append_pair("redirect_uri", &self.callback())
                .append_pair("state", state)
                .append_pair("code_challenge", &challenge(&verifier))
                .append_pair("code_challenge_method", "S256")
                .append_pair("resource", &found.resource);
            if !scope.is_empty() {
                query.append_pair("scope", &scope);
            }
        }
        let text = |url: &Url| url.as_str().to_owned();
        let pending = Pending {
            issuer: found.server.issuer.clone(),
            states_issuer: found.server.states_issuer,
            resource: found.resource,
            scope,
            token_endpoint: text(&found.server.token_endpoint),
            revocation_endpoint: found.server.revocation_endpoint.as_ref().map(text),
            client,
            verifier,
        };
        Ok((url, pending))
    }

    /// What is asked for: what was set up, else what the connector says it needs and what the same server gave before; and to be let in
    /// again later, where there is a word for it.
    fn scope(&self, at: At<'_>, found: &discover::Discovered, before: Option<&Before>) -> String {
        let mut scopes = if let Some(scopes) = self.set_up(at) {
            scopes.to_vec()
        } else {
            let before = before.filter(|before| before.issuer == found.server.issuer);
            let before = before.map_or("", |before| &before.scope);
            let all = together(&found.scopes.join(" "), before);
            all.split_ascii_whitespace().map(str::to_owned).collect()
        };
        if found.server.scopes.iter().any(|scope| scope == OFFLINE)
            && !scopes.iter().any(|scope| scope == OFFLINE)
        {
            scopes.push(OFFLINE.to_owned());
        }
        bounded(&scopes.join(" "))
    }

    /// What is asked for whatever the connector says.
    fn set_up(&self, at: At<'_>) -> Option<&[String]> {
        let client = self.known.get(at.name)?;
        (!client.scopes.is_empty()).then_some(&*client.scopes)
    }

    /// What a connector wants beyond what a grant covers. None where that is nothing, or where asking for more is not for its person: what
    /// was set up is asked for, and nothing else.
    pub fn lacking(&self, at: At<'_>, covered: &str, wanted: &str) -> Option<String> {
        let has = |word: &&str| covered.split_ascii_whitespace().any(|had| had == *word);
        let wanted = bounded(wanted);
        let missing = wanted.split_ascii_whitespace().filter(|word| !has(word));
        let missing = missing.collect::<Vec<_>>().join(" ");
        (self.set_up(at).is_none() && !missing.is_empty()).then_some(missing)
    }

    /// A PKCE verifier: 32 random bytes (RFC 7636, section 4.1).
    fn verifier(&self) -> String {
        let mut bytes = [0; 32];
        self.ids.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Asks an address that belongs to this connector's authorization, by whichever client may.
    async fn ask(&self, at: At<'_>, ask: Asking<'_>) -> Result<Fetched, FetchError> {
        let is_named = self.named(at).any(|origin| origin == ask.url.origin());
        let fetch = if is_named {
            &self.operator
        } else {
            &self.public
        };
        fetch.send(ask.ask).await
    }

    /// The origins that the operator named for a connector: its own, and those of authorization servers.
    fn named<'c>(&'c self, at: At<'c>) -> impl Iterator<Item = Origin> + 'c {
        self.own(at).chain(self.inside.iter().cloned())
    }

    /// The origins that the operator named for this connector alone.
    fn own<'c>(&'c self, at: At<'c>) -> impl Iterator<Item = Origin> + 'c {
        let issuer = self.known.get(at.name);
        let issuer = issuer.and_then(|client| client.issuer.as_deref());
        let all = [Some(at.address), issuer];
        let all = all
            .into_iter()
            .flatten()
            .filter_map(|url| Url::parse(url).ok());
        all.map(|url| url.origin())
    }

    /// Whether an address lies with an authorization server in the company's network, and it is not that server that `speaks` of it: then nobody
    /// goes there.
    fn is_of_another(&self, at: At<'_>, url: &Url, speaks: Option<&Url>) -> bool {
        let origin = url.origin();
        self.inside.contains(&origin)
            && !self.own(at).any(|own| own == origin)
            && speaks.is_none_or(|speaks| speaks.origin() != origin)
    }
}

/// A request, and where it goes.
struct Asking<'a> {
    url: &'a Url,
    ask: Ask<'a>,
}

/// The words of both, each once, within their bound.
pub fn together(first: &str, second: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in [first, second]
        .into_iter()
        .flat_map(str::split_ascii_whitespace)
    {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    bounded(&words.join(" "))
}

/// A scope within its bound, cut off at a word.
fn bounded(scope: &str) -> String {
    let mut kept = String::new();
    for word in scope.split_ascii_whitespace() {
        let is_word = word
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
        if !is_word || kept.len() + word.len() + 1 > limits::GRANT_SCOPE_BYTES_MAX {
            continue;
        }
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(word);
    }
    kept
}

/// What the authorization server holds the verifier against.
fn challenge(verifier: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref())
}

/// What is secret of a grant, and what it is renewed with.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The access token.
    pub access: SecretString,
    /// What gets another one, where there is such a thing.
    pub refresh: Option<SecretString>,
    /// What they are for (RFC 8707).
    pub resource: String,
    /// Where they are renewed.
    pub token_endpoint: String,
    /// Where they are ended, where that can be done.
    pub revocation_endpoint: Option<String>,
    /// As whom.
    pub client: Used,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_that_of_rfc_7636() {
        // Appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    fn client(known: Option<ConnectorClient>, inside: &[&str]) -> OauthClient {
        use pipeline::fetch::Reach;
        let fetch = |reach| Fetch::new(reach, None).unwrap();
        let known = known.map(|client| (client.connector.clone(), client));
        let inside = inside.iter().map(|url| Url::parse(url).unwrap().origin());
        OauthClient::new(
            (fetch(Reach::Operator), fetch(Reach::Public)),
            (known.into_iter().collect(), inside.collect()),
            "https://ai.example",
            Arc::new(testkit::SeededIds::new(1)),
        )
    }

    const CRM: At<'static> = At {
        name: "crm",
        address: "https://crm.corp.example/mcp",
    };

    #[test]
    fn in_the_companys_network_only_what_the_operator_named_is_asked() {
        let known = ConnectorClient {
            connector: "crm".to_owned(),
            client_id: "abc".to_owned(),
            client_secret: None,
            issuer: Some("https://login.crm.example/t1".to_owned()),
            origin: None,
            scopes: Vec::new(),
        };
        let client = client(Some(known), &["https://login.corp.example:8443"]);
        let is_named = |url: &str| {
            let origin = Url::parse(url).unwrap().origin();
            client.named(CRM).any(|named| named == origin)
        };
        for (url, expected) in [
            ("https://crm.corp.example/oauth", true),
            ("https://login.crm.example/t2", true),
            ("https://login.corp.example:8443/anything", true),
            ("https://login.corp.example/", false),
            ("http://login.corp.example:8443/", false),
            ("https://wiki.corp.example/", false),
        ] {
            assert_eq!(is_named(url), expected, "{url}");
        }
        let url = |url: &str| Url::parse(url).unwrap();
        let inside = url("https://login.corp.example:8443/token");
        let evil = url("https://login.evil.example/");
        assert!(
            client.is_of_another(CRM, &inside, None),
            "the connector points there"
        );
        assert!(client.is_of_another(CRM, &inside, Some(&evil)));
        assert!(!client.is_of_another(CRM, &inside, Some(&inside)));
        assert!(!client.is_of_another(CRM, &url(CRM.address), None));
    }

    #[test]
    fn more_is_asked_for_only_where_it_is_missing_and_nothing_was_set_up() {
        let mut known = ConnectorClient {
            connector: "crm".to_owned(),
            client_id: "abc".to_owned(),
            client_secret: None,
            issuer: None,
            origin: None,
            scopes: Vec::new(),
        };
        let free = client(Some(known.clone()), &[]);
        for (covered, wanted, expected) in [
            ("read", "write", Some("write")),
            ("read", "read write", Some("write")),
            ("read write", "write read", None),
            ("", "read", Some("read")),
            ("read", "", None),
            ("read", "\u{e9} \"x\"", None),
        ] {
            let missing = free.lacking(CRM, covered, wanted);
            assert_eq!(missing.as_deref(), expected, "{covered} {wanted}");
        }
        known.scopes.push("read".to_owned());
        assert_eq!(client(Some(known), &[]).lacking(CRM, "read", "write"), None);
    }

    #[test]
    fn two_scopes_together_are_the_words_of_both() {
        for (first, second, expected) in [
            ("a b", "b c", "a b c"),
            ("", "a a", "a"),
            ("a", "", "a"),
            ("", "", ""),
        ] {
            assert_eq!(together(first, second), expected);
        }
    }

    #[test]
    fn a_scope_is_words_within_a_bound() {
        for (text, expected) in [
            ("a  b", "a b"),
            ("", ""),
            ("read:x \"b\" c\\d ok", "read:x ok"),
            ("\u{e9} a", "a"),
        ] {
            assert_eq!(bounded(text), expected);
        }
        let long = "abcdefghi ".repeat(1_000);
        let kept = bounded(&long);
        assert!(kept.len() <= limits::GRANT_SCOPE_BYTES_MAX && kept.ends_with("abcdefghi"));
    }
}
