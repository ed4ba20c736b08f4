//! Finds the one credential of a request, in `Authorization: Bearer` or `x-api-key`. Claude Code's key helper sends the same one
//! in both; two different ones are refused, because we could not say which of them counts.

use domain::{ReasonCode, Refusal, limits};
use http::{HeaderMap, HeaderValue, header};

/// The credential of a request, not looked into.
pub(super) fn credential(headers: &HeaderMap) -> Result<&str, Refusal> {
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(bearer);
    let keys = headers.get_all("x-api-key").iter().map(text);
    let mut found: Option<&str> = None;
    for credential in bearers.chain(keys) {
        let credential = credential?;
        if credential.is_empty() {
            continue;
        }
        match found {
            Some(other) if other != credential => {
                return Err(Refusal::plain(ReasonCode::CredentialConflict));
            }
            _ => found = Some(credential),
        }
    }
    let credential = found.ok_or_else(|| Refusal::plain(ReasonCode::CredentialMissing))?;
    if credential.len() > limits::TOKEN_BYTES_MAX {
        let text = format!(
            "The credential is longer than {} bytes.",
            limits::TOKEN_BYTES_MAX
        );
        return Err(Refusal::new(ReasonCode::CredentialMalformed, text));
    }
    Ok(credential)
}

/// Whether it is more than one word: a list of credentials, or one that was split.
fn is_several(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b' ' | b'\t' | b','))
}

fn text(value: &HeaderValue) -> Result<&str, Refusal> {
    let text = value
        .to_str()
        .map_err(|_| Refusal::plain(ReasonCode::CredentialMalformed))?
        .trim_matches([' ', '\t']);
    if is_several(text) {
        return Err(Refusal::plain(ReasonCode::CredentialMalformed));
    }
    Ok(text)
}

fn bearer(value: &HeaderValue) -> Result<&str, Refusal> {
    let whole = value
        .to_str()
        .map_err(|_| Refusal::plain(ReasonCode::CredentialMalformed))?
        .trim_matches([' ', '\t']);
    if whole.is_empty() {
        return Ok(whole);
    }
    let (scheme, rest) = whole.split_once(' ').unwrap_or((whole, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        let text = "The Authorization header uses another scheme than Bearer.";
        return Err(Refusal::new(ReasonCode::CredentialMalformed, text));
    }
    let token = rest.trim_matches([' ', '\t']);
    if is_several(token) {
        return Err(Refusal::plain(ReasonCode::CredentialMalformed));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)], expected: Result<&str, ReasonCode>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let found = credential(&map).map_err(|refusal| refusal.code());
        assert_eq!(found, expected, "{headers:?}");
    }

    #[test]
    fn a_credential_is_found_in_either_header() {
        check(&[("authorization", "Bearer abc")], Ok("abc"));
        check(&[("authorization", "bearer  abc ")], Ok("abc"));
        check(&[("x-api-key", "abc")], Ok("abc"));
        check(
            &[("authorization", "Bearer abc"), ("x-api-key", "abc")],
            Ok("abc"),
        );
        check(&[("authorization", ""), ("x-api-key", "abc")], Ok("abc"));
        check(
            &[("authorization", "Bearer "), ("x-api-key", "abc")],
            Ok("abc"),
        );
    }

    #[test]
    fn two_different_credentials_are_refused_wherever_they_stand() {
        let conflict = Err(ReasonCode::CredentialConflict);
        check(
            &[("authorization", "Bearer abc"), ("x-api-key", "abd")],
            conflict,
        );
        check(
            &[
                ("authorization", "Bearer abc"),
                ("authorization", "Bearer abd"),
            ],
            conflict,
        );
        check(&[("x-api-key", "abc"), ("x-api-key", "abd")], conflict);
    }

    #[test]
    fn what_is_no_credential_is_refused() {
        check(&[], Err(ReasonCode::CredentialMissing));
        check(
            &[("authorization", "Bearer")],
            Err(ReasonCode::CredentialMissing),
        );
        check(&[("x-api-key", "")], Err(ReasonCode::CredentialMissing));
        let malformed = Err(ReasonCode::CredentialMalformed);
        check(&[("authorization", "Basic YTpi")], malformed);
        check(
            &[("authorization", "Basic YTpi"), ("x-api-key", "abc")],
            malformed,
        );
        check(&[("authorization", "Bearer abc, Bearer abd")], malformed);
        check(&[("authorization", "Bearer abc abd")], malformed);
        check(&[("x-api-key", "a b")], malformed);
        check(&[("x-api-key", "ä")], malformed);
        check(
            &[("x-api-key", &"a".repeat(limits::TOKEN_BYTES_MAX + 1))],
            malformed,
        );
    }
}
