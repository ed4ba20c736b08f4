//! The trip to an identity provider and back, as OpenID Connect has it: code with PKCE, state and nonce. What a trip is for, where its
//! secrets are kept meanwhile and what is believed of the ID token is its callers' affair: the sign-ins beside this file, and the first
//! run, which tries an issuer before anything of it is written down.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::text::shown;
use domain::{Ids, ReasonCode, Refusal, limits};
use http::header::AUTHORIZATION;
use pipeline::fetch::{Ask, FetchError};
use pipeline::identity::Issuer;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;
use web::browser;

/// The path of the one redirect address that companies register.
pub const CALLBACK: &str = "/oauth/callback";

/// A way out, and what must be at hand when the browser comes back.
#[derive(Clone)]
pub struct Departure {
    /// Where the browser is sent.
    pub url: Url,
    /// The `state`: a secret that is good once. Keep its hash.
    pub ticket: String,
    /// PKCE.
    pub verifier: String,
    /// For the ID token.
    pub nonce: String,
}

impl std::fmt::Debug for Departure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Departure").finish_non_exhaustive()
    }
}

/// Why there is no ID token for a code.
#[derive(Debug, thiserror::Error)]
pub enum Unexchanged {
    /// Its documents cannot be had.
    #[error("the identity provider's documents cannot be had: {0}")]
    Documents(#[from] Refusal),
    /// Its discovery document has no token endpoint.
    #[error("the identity provider names no token endpoint")]
    NoEndpoint,
    /// No answer.
    #[error("the identity provider's token endpoint failed")]
    Unreachable(#[source] FetchError),
    /// It said no (RFC 6749, section 5.2).
    #[error("the identity provider answered {status}: {error}")]
    Refused {
        /// The status.
        status: u16,
        /// Its code, of plain characters and bounded; empty where it gave none.
        error: String,
        /// Its words, on one line and bounded. For whoever sets it up, never for a log.
        description: String,
    },
    /// A good answer without the token.
    #[error("the identity provider sent no ID token; the scope `openid` may be missing")]
    NoIdToken,
}

impl From<Unexchanged> for Refusal {
    /// What whoever signs in is told: none of it is theirs.
    fn from(why: Unexchanged) -> Self {
        let text = match why {
            Unexchanged::Documents(refusal) => return refusal,
            Unexchanged::NoEndpoint => "The identity provider names no token endpoint.",
            Unexchanged::Unreachable(_) => "The identity provider could not be reached.",
            Unexchanged::Refused { .. } => "The identity provider did not accept the sign-in.",
            Unexchanged::NoIdToken => {
                "The identity provider sent no ID token; the scope `openid` may be missing."
            }
        };
        Refusal::new(ReasonCode::IssuerUnreachable, text)
    }
}

/// Prepares a way to an issuer that leads back to `redirect`. `again` asks for a new proof of who it is.
pub async fn depart(
    issuer: &Issuer,
    redirect: &str,
    again: bool,
    ids: &dyn Ids,
) -> Result<Departure, Refusal> {
    let unusable = || {
        let text = "There is no such identity provider for signing in.";
        Refusal::new(ReasonCode::IssuerUnreachable, text)
    };
    let client_id = issuer.config().client_id.as_deref().ok_or_else(unusable)?;
    let endpoints = issuer.endpoints().await?;
    let mut url = endpoints.authorization.ok_or_else(unusable)?;
    if again {
        // OpenID Connect Core 3.1.2.1: with max_age the ID token must say when the person signed in.
        url.query_pairs_mut()
            .append_pair("prompt", "login")
            .append_pair("max_age", "0");
    }
    let ticket = browser::new_secret(ids);
    let verifier = browser::new_secret(ids);
    let nonce = browser::new_secret(ids);
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("response_mode", "query")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", redirect)
        .append_pair("scope", &issuer.config().scopes.join(" "))
        .append_pair("state", &ticket)
        .append_pair("nonce", &nonce)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    Ok(Departure {
        url,
        ticket,
        verifier,
        nonce,
    })
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: SecretString,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorAnswer {
    error: String,
    error_description: String,
}

/// Exchanges a code for the ID token, which nothing is believed of yet. `redirect` is the one that the way out named.
pub async fn exchange(
    issuer: &Issuer,
    redirect: &str,
    code: &SecretString,
    verifier: &str,
) -> Result<SecretString, Unexchanged> {
    let url = issuer.endpoints().await?.token;
    let url = url.ok_or(Unexchanged::NoEndpoint)?;
    let client_id = issuer.config().client_id.as_deref().unwrap_or_default();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.expose_secret()),
        ("redirect_uri", redirect),
        ("client_id", client_id),
        ("code_verifier", verifier),
    ];
    let mut ask = Ask::post_form(&url, &fields);
    if let Some(secret) = &issuer.config().client_secret {
        ask = ask.header(AUTHORIZATION, &basic(client_id, secret));
    }
    let answer = issuer.fetch().send(ask).await.map_err(|error| {
        tracing::warn!(
            issuer = &**issuer.name(),
            error = error.chain(),
            "the identity provider's token endpoint failed"
        );
        Unexchanged::Unreachable(error)
    })?;
    if !answer.status.is_success() {
        let status = answer.status.as_u16();
        tracing::warn!(
            issuer = &**issuer.name(),
            status,
            "the identity provider refused a code"
        );
        return Err(said_no(status, &answer.body));
    }
    let tokens: TokenAnswer =
        serde_json::from_slice(&answer.body).map_err(|_| Unexchanged::NoIdToken)?;
    Ok(tokens.id_token)
}

fn said_no(status: u16, body: &[u8]) -> Unexchanged {
    let said: ErrorAnswer = serde_json::from_slice(body).unwrap_or_default();
    let error = said.error.chars().filter(char::is_ascii_graphic);
    let description: String = said
        .error_description
        .chars()
        .take(limits::REASON_CHARS_MAX)
        .collect();
    Unexchanged::Refused {
        status,
        error: error.take(60).collect(),
        description: shown(&description).into_owned(),
    }
}

/// RFC 6749, section 2.3.1: both parts form-encoded, then base64.
fn basic(client_id: &str, secret: &SecretString) -> String {
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose_secret()));
    format!("Basic {}", STANDARD.encode(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_identity_provider_says_is_bounded_and_cannot_steer_a_terminal() {
        let body = serde_json::json!({
            "error": "invalid_client\n<b>".repeat(50),
            "error_description": format!("AADSTS7000215: \u{1b}[2J{}", "x".repeat(10_000)),
        });
        let Unexchanged::Refused {
            error, description, ..
        } = said_no(401, body.to_string().as_bytes())
        else {
            panic!("it said no");
        };
        assert_eq!(error.len(), 60);
        assert!(description.starts_with("AADSTS7000215: "), "{description}");
        assert!(!description.contains('\u{1b}'), "{description}");
        assert!(description.chars().count() <= limits::REASON_CHARS_MAX);
    }

    #[test]
    fn an_answer_that_is_no_json_still_has_its_status() {
        let said = said_no(502, b"<html>bad gateway</html>").to_string();
        assert_eq!(said, "the identity provider answered 502: ");
    }

    #[test]
    fn an_identity_provider_that_says_no_is_nobodys_bad_login() {
        let refused = said_no(401, b"{\"error\":\"invalid_client\"}");
        assert_eq!(Refusal::from(refused).code(), ReasonCode::IssuerUnreachable);
    }
}
