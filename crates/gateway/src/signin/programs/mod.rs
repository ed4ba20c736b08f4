//! Programs that call connectors in somebody's name, and how they get their tokens: the authorization server of MCP clients (OAuth 2.1,
//! RFC 6749, 7591, 8414, 8707, 9207, 9728). The person signs in at the company's identity provider as everywhere else; a program is
//! never trusted for what it calls itself.
//!
//! | file | what |
//! |---|---|
//! | here | which program it is: set up by the operator, described by a document of its own, or registered by itself |
//! | [`document`] | the documents that programs describe themselves with |
//! | [`register`] | `POST /oauth/register` |
//! | [`redirect`], [`request`] | where answers may go, and what is asked for; pure |
//! | [`authorize`] | `GET` and `POST /oauth/authorize` |
//! | [`consent`] | back from the identity provider: `POST /oauth/authorize/approve` and `/deny` |
//! | [`present`] | who presents itself at the token endpoint, and the code it brings |
//! | [`assertion`] | what the identity provider says for a program without a browser |
//! | [`resource`] | `GET /.well-known/oauth-protected-resource…` |

pub mod assertion;
pub mod authorize;
pub mod consent;
pub mod document;
pub mod present;
pub mod redirect;
pub mod register;
pub mod request;
pub mod resource;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use domain::text::shown;
use secrecy::SecretString;
use serde::Deserialize;
use store::OauthClient;

use super::SignIn;
use super::throttle::Throttle;
use document::{Documents, Undescribed};
use redirect::Redirect;

/// Longest name of a program that is shown, in characters.
pub const NAME_CHARS_MAX: usize = 64;

/// A program that the operator set up: `[[oauth_client]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownProgram {
    /// Its id: printable. One that is the address of a document stands in for that document where it cannot be fetched.
    pub id: String,
    /// What people read.
    pub name: String,
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
    /// Its secret, when it can keep one.
    #[serde(default)]
    pub secret: Option<SecretString>,
}

impl KnownProgram {
    /// What is wrong with it, at a gateway of this origin.
    pub fn mistake(&self, public_url: &str) -> Option<String> {
        let is_id = (1..=128).contains(&self.id.len())
            && self.id.bytes().all(|byte| byte.is_ascii_graphic())
            && (!self.id.contains("://") || (document::is_id(&self.id) && self.secret.is_none()))
            && !self.id.starts_with(register::PREFIX);
        if !is_id {
            return Some("id: needs 1 to 128 printable characters, does not begin like the ids given here, and is no URL but, without a secret, that of a program's own document".to_owned());
        }
        if name_of(&self.name).as_deref() != Some(&*self.name) {
            return Some(format!(
                "name: needs 1 to {NAME_CHARS_MAX} characters on one line"
            ));
        }
        if self.redirect_uris.is_empty() {
            return Some("redirect_uris: is empty".to_owned());
        }
        let wrong = |uri: &String| {
            let why = Redirect::parse(public_url, uri).err()?;
            Some(format!("redirect_uris: `{uri}` {why}"))
        };
        self.redirect_uris.iter().find_map(wrong)
    }
}

/// What programs are known by.
#[derive(Debug)]
pub struct Programs {
    /// Those that the operator set up.
    pub known: Vec<KnownProgram>,
    /// Those that describe themselves.
    pub documents: Documents,
    /// Registrations, by address.
    pub registers: Throttle,
    /// Documents fetched, by address.
    pub fetches: Throttle,
}

/// How a program is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Set up by the operator.
    SetUp,
    /// By a document at this host, which its id names.
    Document(String),
    /// It registered itself; nobody vouches for its name.
    Itself,
}

/// A program.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Where answers may go.
    pub redirects: Vec<Redirect>,
    /// How it is known.
    pub known: Known,
    /// Its secret, where it has one.
    pub secret: Option<SecretString>,
}

/// Why there is no such program.
#[derive(Debug, thiserror::Error)]
pub enum NoProgram {
    /// Nobody of this id is known.
    #[error("no program of this id is known")]
    Unknown,
    /// It describes itself by a document that cannot be had or believed.
    #[error("the program's document cannot be used")]
    Document(#[from] Undescribed),
    /// The store is away.
    #[error("the store is away")]
    Store(#[from] store::StoreError),
}

/// The endpoints of programs.
pub fn routes() -> Router<Arc<SignIn>> {
    Router::new()
        .route(
            "/oauth/authorize",
            get(authorize::show).post(authorize::proceed),
        )
        .route("/oauth/authorize/approve", post(consent::approve))
        .route("/oauth/authorize/deny", post(consent::deny))
        .route("/oauth/register", post(register::register))
        .route(
            "/.well-known/oauth-protected-resource",
            get(resource::of_all),
        )
        .route(
            "/.well-known/oauth-protected-resource/mcp",
            get(resource::of_all),
        )
        .route(
            "/.well-known/oauth-protected-resource/mcp/{connector}",
            get(resource::of_one),
        )
}

impl Program {
    /// The address of its own that is asked for; none when it is none of them.
    pub fn redirect(&self, ours: &str, asked: &str) -> Option<Redirect> {
        let asked = Redirect::parse(ours, asked).ok()?;
        let covers = |registered: &Redirect| registered.covers(&asked);
        self.redirects.iter().any(covers).then_some(asked)
    }

    /// Whether it can only be a program on somebody's own computer. Any other program there can pass for it.
    pub fn is_local(&self) -> bool {
        self.redirects.iter().all(Redirect::is_loopback)
    }
}

/// The program of an id, for a browser that comes from this address.
pub(super) async fn find(
    state: &SignIn,
    id: &str,
    address: Option<IpAddr>,
) -> Result<Program, NoProgram> {
    if let Some(known) = state.programs.known.iter().find(|known| known.id == id) {
        return Ok(set_up(known, &state.public_url));
    }
    if document::is_id(id) {
        let (programs, now) = (&state.programs, state.clock.now());
        let admits = || programs.fetches.admit(address, now);
        let described = programs.documents.get(id, (&state.public_url, now), admits);
        return Ok(described.await?);
    }
    if !id.starts_with(register::PREFIX) {
        return Err(NoProgram::Unknown);
    }
    let found = state.store.oauth_client(state.org, id).await?;
    let found = found.ok_or(NoProgram::Unknown)?;
    Ok(registered(found, &state.public_url))
}

fn set_up(known: &KnownProgram, ours: &str) -> Program {
    Program {
        id: known.id.clone(),
        name: known.name.clone(),
        redirects: read_all(&known.redirect_uris, ours),
        known: Known::SetUp,
        secret: known.secret.clone(),
    }
}

fn registered(found: OauthClient, ours: &str) -> Program {
    Program {
        redirects: read_all(&found.redirect_uris, ours),
        id: found.client_id,
        name: found.name,
        known: Known::Itself,
        secret: None,
    }
}

fn read_all(uris: &[String], ours: &str) -> Vec<Redirect> {
    uris.iter()
        .filter_map(|uri| Redirect::parse(ours, uri).ok())
        .collect()
}

/// What a program calls itself, as people may read it; none when that is nothing.
pub(super) fn name_of(text: &str) -> Option<String> {
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    let cut: String = shown(line.trim()).chars().take(NAME_CHARS_MAX).collect();
    (!cut.is_empty()).then_some(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: &str, name: &str, uri: &str) -> KnownProgram {
        KnownProgram {
            id: id.to_owned(),
            name: name.to_owned(),
            redirect_uris: vec![uri.to_owned()],
            secret: None,
        }
    }

    #[test]
    fn a_program_that_is_set_up_wrong_is_named() {
        let ours = "https://ai.example";
        let cb = "https://claude.ai/api/mcp/auth_callback";
        assert_eq!(known("claude", "Claude", cb).mistake(ours), None);
        let document = known("https://claude.ai/oauth/document", "Claude", cb);
        assert_eq!(document.mistake(ours), None);
        let with_secret = KnownProgram {
            secret: Some("s".into()),
            ..document
        };
        assert!(with_secret.mistake(ours).is_some());
        for (id, name, uri) in [
            ("", "Claude", cb),
            ("http://claude.ai/x", "Claude", cb),
            ("dwc_1", "Claude", cb),
            ("a b", "Claude", cb),
            ("claude", "", cb),
            ("claude", "a\nb", cb),
            ("claude", "Claude", "http://claude.ai/cb"),
            ("claude", "Claude", "https://ai.example/oauth/callback"),
        ] {
            assert!(
                known(id, name, uri).mistake(ours).is_some(),
                "{id} {name} {uri}"
            );
        }
    }

    #[test]
    fn a_name_is_one_short_line_that_turns_nothing_around() {
        assert_eq!(name_of(" Claude\u{7} ").as_deref(), Some("Claude"));
        assert_eq!(name_of("\u{202e}edualC").as_deref(), Some("\u{fffd}edualC"));
        assert_eq!(
            name_of(&"x".repeat(500)).map(|name| name.len()),
            Some(NAME_CHARS_MAX)
        );
        assert_eq!(name_of("\n"), None);
    }
}
