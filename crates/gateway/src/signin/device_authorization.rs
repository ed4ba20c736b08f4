//! `POST /oauth/device_authorization` (RFC 8628, section 3.1): a client asks to be let in and gets a code to show.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::{Client, ClientKind, Ids, limits};
use http::header::{CACHE_CONTROL, USER_AGENT};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use store::DeviceCode;
use web::browser::{self, Browsers};

use crate::cors::is_from_office;

use super::{SignIn, address_of, oauth};

/// Consonants without look-alikes, so that codes spell no words: 20 letters, eight places, 34 bits.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// Handles the request.
pub async fn ask(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    // A page of any site that somebody looks at would use up what everybody behind their address may ask for.
    let headers = request.headers();
    if Browsers::is_from_another_site(headers) && !is_from_office(headers) {
        let what = "A page of another site asked; a program asks by itself.";
        return oauth::error(StatusCode::FORBIDDEN, "access_denied", what);
    }
    let now = state.clock.now();
    let address = address_of(&request);
    if !state.asks.admit(address, now) {
        return slow_down();
    }
    let (head, body) = request.into_parts();
    let form = match oauth::Form::read(body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let agent = head
        .headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let device_code = format!("dwd_{}", browser::new_secret(&*state.ids));
    let code = DeviceCode {
        device_hash: browser::hash(&device_code),
        user_code: new_user_code(&*state.ids),
        client: client_name(form.field("surface"), agent),
        address: address.map_or_else(
            || "an unknown address".to_owned(),
            |address| address.to_string(),
        ),
        created: now,
        expires: now.plus_ms(limits::DEVICE_CODE_MS),
    };
    match state.store.insert_device_code(state.org, &code).await {
        Ok(true) => {}
        Ok(false) => return slow_down(),
        Err(error) => {
            tracing::error!(error = %error, "a device code cannot be kept");
            return oauth::unavailable();
        }
    }
    let url = &state.public_url;
    let mut answer = json!({
        "device_code": device_code,
        "user_code": code.user_code,
        "verification_uri": format!("{url}/device"),
        "verification_uri_complete": format!("{url}/device?user_code={}", code.user_code),
        "expires_in": limits::DEVICE_CODE_MS / 1_000,
        "interval": limits::DEVICE_POLL_S,
    });
    if let Some(notice) = &state.login_notice {
        answer["login_notice"] = json!(
            notice
                .chars()
                .take(limits::LOGIN_NOTICE_CHARS_MAX)
                .collect::<String>()
        );
    }
    let mut response = Json(answer).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn slow_down() -> Response {
    oauth::error(
        StatusCode::TOO_MANY_REQUESTS,
        "slow_down",
        "Too many sign-ins from this address; wait some minutes.",
    )
}

/// What the page calls the client: what it says it is, in our words where we know it. What says nothing we know is called unknown:
/// the page is where a person catches somebody else's program.
fn client_name(surface: &str, agent: Option<&str>) -> String {
    let client = Client::from_headers(agent, None);
    let name = match (surface, client.kind) {
        ("claude_code", _) | (_, ClientKind::ClaudeCode) => "Claude Code",
        (_, ClientKind::ClaudeDesktop) => "Claude Desktop",
        (_, ClientKind::Office) => "Claude for Microsoft 365",
        (_, ClientKind::Sdk | ClientKind::Other) => return unknown(agent),
    };
    client
        .version
        .map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
}

/// A program that we do not know, with what it calls itself where that is a plain name: it could say anything.
fn unknown(agent: Option<&str>) -> String {
    let is_plain = |name: &&str| {
        let mut bytes = name.bytes();
        (1..=40).contains(&name.len())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte))
    };
    let called = agent.and_then(|agent| agent.split(' ').next());
    match called.filter(is_plain) {
        Some(called) => format!("An unknown program ({})", called.replace('/', " ")),
        None => "An unknown program".to_owned(),
    }
}

fn new_user_code(ids: &dyn Ids) -> String {
    let mut code = String::with_capacity(9);
    let mut byte = [0u8; 1];
    while code.len() < 9 {
        if code.len() == 4 {
            code.push('-');
        }
        ids.fill(&mut byte);
        // 240 is the largest multiple of 20 in a byte: what is above it would favour some letters.
        if byte[0] < 240 {
            code.push(char::from(LETTERS[usize::from(byte[0] % 20)]));
        }
    }
    code
}

/// A code as a person typed it, in the form it was given out: upper case, with its dash.
pub(super) fn tidy_user_code(typed: &str) -> Option<String> {
    let letters: String = typed
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    let known = letters.len() == 8
        && typed.len() <= 16
        && letters.bytes().all(|letter| LETTERS.contains(&letter));
    known.then(|| format!("{}-{}", &letters[..4], &letters[4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_however_it_is_typed() {
        for typed in ["WDJK-MPRT", "wdjkmprt", " wdjk mprt ", "WDJK–MPRT"] {
            assert_eq!(
                tidy_user_code(typed).as_deref(),
                Some("WDJK-MPRT"),
                "{typed}"
            );
        }
        for typed in [
            "",
            "WDJK-MPR",
            "AEIO-UYWW",
            "WDJKMPRTT",
            "<script>",
            &"W".repeat(1_000),
        ] {
            assert_eq!(tidy_user_code(typed), None, "{typed}");
        }
    }

    #[test]
    fn a_client_is_called_by_its_name_and_version() {
        assert_eq!(
            client_name("claude_code", Some("claude-code/2.1.329")),
            "Claude Code 2.1.329"
        );
        assert_eq!(
            client_name("", Some("claude-desktop/1.9")),
            "Claude Desktop 1.9.0"
        );
    }

    #[test]
    fn a_program_that_is_not_known_is_never_called_claude() {
        let check = |agent: &str, expected: &str| {
            for surface in ["", "claude", "Claude Code"] {
                assert_eq!(client_name(surface, Some(agent)), expected, "{agent}");
            }
        };
        check("curl/7.88.1", "An unknown program (curl 7.88.1)");
        check(
            "Mozilla/5.0 (X11; Linux)",
            "An unknown program (Mozilla 5.0)",
        );
        for shady in [
            "",
            "<b>Claude</b>/1",
            "Claude\u{a0}Code/2",
            &"x".repeat(41),
            "(Claude Code)",
        ] {
            check(shady, "An unknown program");
        }
        assert_eq!(client_name("", None), "An unknown program");
    }
}
