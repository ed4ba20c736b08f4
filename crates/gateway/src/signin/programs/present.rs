//! Who presents itself at the token endpoint (RFC 6749, section 2.3), and the code it brings (section 4.1.3).
//!
//! `invalid_client` is said of a program that is not known any more or has the wrong secret, and of nothing else: Claude forgets its
//! registration for it and registers anew.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use ledger::record::Origin;
use pipeline::identity::Resource;
use pipeline::identity::grant::{Granted, Presented};
use secrecy::{ExposeSecret, SecretString};
use web::browser;

use super::consent::METHOD;
use super::{document, register, request};
use crate::signin::oauth::{self, Form};
use crate::signin::{SignIn, token};

/// Characters of a PKCE verifier (RFC 7636, section 4.1).
const VERIFIER_CHARS: std::ops::RangeInclusive<usize> = 43..=128;

/// Who presents itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::signin) enum Presenter {
    /// Nobody says who they are, as Claude Code does at its own sign-in.
    Nobody,
    /// A program that is known, and has proved it where it has a secret.
    Program(String),
    /// A program that nobody knows, or not any more.
    Unknown,
}

struct Credentials {
    id: String,
    secret: Option<SecretString>,
    is_basic: bool,
}

/// Who presents itself, or the answer to credentials that are wrong.
pub(in crate::signin) async fn who(
    state: &SignIn,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Presenter, Response> {
    let found = credentials(headers, form).map_err(|refused| *refused)?;
    let Some(credentials) = found else {
        return Ok(Presenter::Nobody);
    };
    let Credentials {
        id,
        secret,
        is_basic,
    } = credentials;
    if let Some(known) = state.programs.known.iter().find(|known| known.id == id) {
        let is_proved = known.secret.as_ref().is_none_or(|wanted| {
            let wanted = wanted.expose_secret().as_bytes();
            let brought = secret.as_ref().map(ExposeSecret::expose_secret);
            verify_slices_are_equal(wanted, brought.unwrap_or_default().as_bytes()).is_ok()
        });
        return if is_proved {
            Ok(Presenter::Program(id))
        } else {
            Err(invalid_client("The client's secret is wrong.", is_basic))
        };
    }
    if document::is_id(&id) {
        return Ok(Presenter::Program(id));
    }
    if !id.starts_with(register::PREFIX) {
        return Ok(Presenter::Unknown);
    }
    match state.store.oauth_client(state.org, &id).await {
        Ok(Some(_)) => Ok(Presenter::Program(id)),
        Ok(None) => Ok(Presenter::Unknown),
        Err(error) => {
            tracing::error!(error = %error, "a program cannot be looked up");
            Err(oauth::unavailable())
        }
    }
}

fn credentials(headers: &HeaderMap, form: &Form) -> Result<Option<Credentials>, Box<Response>> {
    let (id, secret) = (form.field("client_id"), form.field("client_secret"));
    let Some(header) = headers.get(AUTHORIZATION) else {
        let credentials = Credentials {
            id: id.to_owned(),
            secret: Some(secret)
                .filter(|secret| !secret.is_empty())
                .map(SecretString::from),
            is_basic: false,
        };
        return Ok(Some(credentials).filter(|found| !found.id.is_empty()));
    };
    let found = basic(header).ok_or_else(|| {
        Box::new(invalid_client(
            "The client's credentials cannot be read.",
            true,
        ))
    })?;
    if !secret.is_empty() || (!id.is_empty() && id != found.id) {
        let text = "The client presents itself in two ways.";
        let status = StatusCode::BAD_REQUEST;
        return Err(Box::new(oauth::error(status, "invalid_request", text)));
    }
    Ok(Some(found))
}

fn basic(header: &HeaderValue) -> Option<Credentials> {
    let (scheme, rest) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    // Both are written as form fields are (RFC 6749, section 2.3.1).
    let plain = |text: &str| {
        let pair = format!("x={text}");
        let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
        pairs.next().map(|(_, value)| value.into_owned())
    };
    Some(Credentials {
        id: plain(id).filter(|id| !id.is_empty())?,
        secret: plain(secret)
            .filter(|secret| !secret.is_empty())
            .map(SecretString::from),
        is_basic: true,
    })
}

/// The answer to a program that is not known any more, or has the wrong secret.
pub(in crate::signin) fn invalid_client(text: &str, is_basic: bool) -> Response {
    let mut response = oauth::error(StatusCode::UNAUTHORIZED, "invalid_client", text);
    if is_basic {
        let scheme = HeaderValue::from_static(r#"Basic realm="doorward""#);
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}

/// The connector that a form names, or the answer to one that is none of ours.
pub(in crate::signin) fn resource_of(
    state: &SignIn,
    form: &Form,
) -> Result<Option<Resource>, Box<Response>> {
    request::resource(form.all("resource"), &state.public_url).map_err(|wrong| {
        let status = StatusCode::BAD_REQUEST;
        Box::new(oauth::error(status, wrong.code, wrong.text))
    })
}

/// A code for the tokens of a session.
pub(in crate::signin) async fn code(
    state: &SignIn,
    presenter: Presenter,
    form: &Form,
    origin: Origin,
) -> Response {
    let refuse = |code: &str, text: &str| oauth::error(StatusCode::BAD_REQUEST, code, text);
    let client_id = match presenter {
        Presenter::Program(id) => id,
        Presenter::Unknown => return invalid_client("This client is not known here.", false),
        Presenter::Nobody => return refuse("invalid_request", "The client_id is missing."),
    };
    let Some(challenge) = challenge_of(form.field("code_verifier")) else {
        return refuse("invalid_request", "The code_verifier is missing or none.");
    };
    let resource = match resource_of(state, form) {
        Ok(resource) => resource,
        Err(refused) => return *refused,
    };
    let redirect_uri = form.field("redirect_uri");
    let brought = Presented {
        code_hash: &browser::hash(form.field("code")),
        client_id: &client_id,
        redirect_uri: Some(redirect_uri).filter(|uri| !uri.is_empty()),
        challenge: &challenge,
        resource: resource.as_ref(),
    };
    match state.sessions.redeem(brought).await {
        Ok(Granted::In(tokens)) => {
            token::record_in(state, origin, &tokens, METHOD);
            token::granted(&tokens)
        }
        Ok(Granted::OtherResource) => refuse(
            "invalid_target",
            "The code was given for another connector; it is spent.",
        ),
        Ok(Granted::Refused(text)) => refuse("invalid_grant", text),
        Err(refusal) => {
            token::record_ended(state, origin, &refusal, METHOD);
            token::failed(&refusal, StatusCode::BAD_REQUEST)
        }
    }
}

/// The `S256` challenge of a verifier; none when it is no verifier.
fn challenge_of(verifier: &str) -> Option<String> {
    let is_verifier = VERIFIER_CHARS.contains(&verifier.len())
        && verifier
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
    is_verifier.then(|| URL_SAFE_NO_PAD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_basic(value: &str, expected: Option<(&str, Option<&str>)>) {
        let found = basic(&HeaderValue::from_str(value).unwrap());
        let found = found.as_ref().map(|found| {
            let secret = found.secret.as_ref().map(ExposeSecret::expose_secret);
            (&*found.id, secret)
        });
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn credentials_in_the_header_are_written_as_form_fields() {
        let of = |text: &str| format!("Basic {}", STANDARD.encode(text));
        check_basic(&of("claude:s3cret"), Some(("claude", Some("s3cret"))));
        check_basic(&of("a%3Ab:c%2Bd"), Some(("a:b", Some("c+d"))));
        check_basic(&of("claude:"), Some(("claude", None)));
        check_basic(&of(":secret"), None);
        check_basic(&of("claude"), None);
        check_basic("Bearer abc", None);
        check_basic("Basic ???", None);
    }

    #[test]
    fn a_verifier_makes_the_challenge_of_the_rfc() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert_eq!(challenge_of(verifier).as_deref(), Some(challenge));
        for text in ["", "short", &"a".repeat(129), &format!("{verifier} ")] {
            assert_eq!(challenge_of(text), None, "{text}");
        }
    }
}
