//! Rollout check 2, decided in one place for `doctor` and the demo: what went out carried the provider's credential and nothing of
//! the caller's. It looks at a request as it left and shows names and fingerprints, never a value.

use aws_lc_rs::digest;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use pipeline::identity::hex;

/// Headers that carry credentials. Of these only the provider's own may leave.
const CREDENTIALS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
];
/// So many hexadecimal digits of a SHA-256 tell two credentials apart and open nothing.
const FINGERPRINT_DIGITS: usize = 12;

/// The provider credential that must be there.
#[derive(Debug)]
pub struct Expected {
    /// In which header.
    pub header: HeaderName,
    /// Its exact value; none for a token that is fetched anew each time, which must be a bearer then.
    pub value: Option<HeaderValue>,
}

/// What left.
#[derive(Debug, PartialEq, Eq)]
pub struct Departure {
    /// The names of its headers, sorted.
    pub names: Vec<String>,
    /// `x-api-key (sha256 0123456789ab)`: the credential it carried.
    pub credential: String,
}

/// Why it must not have left like that.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Leak {
    /// The provider's credential is missing, twice, or another one.
    #[error("the provider's credential is not in the header {0}")]
    Missing(HeaderName),
    /// A header holds something of the caller's.
    #[error("the header {0} carried the caller's credential")]
    Carried(HeaderName),
    /// The address holds something of the caller's.
    #[error("the address carried the caller's credential")]
    Address,
    /// A header for credentials that is not the provider's.
    #[error("a header {0} went out beside the provider's credential")]
    Stray(HeaderName),
}

/// Looks at the headers and the path and query of a request as it left. `canaries` are what the caller proved themselves with, in
/// every spelling that was sent.
pub fn judge(
    headers: &HeaderMap,
    path_and_query: &str,
    expected: &Expected,
    canaries: &[&str],
) -> Result<Departure, Leak> {
    if canaries
        .iter()
        .any(|canary| path_and_query.contains(canary))
    {
        return Err(Leak::Address);
    }
    for (name, value) in headers {
        let holds = |canary: &&str| {
            let canary = canary.as_bytes();
            value
                .as_bytes()
                .windows(canary.len())
                .any(|part| part == canary)
        };
        if canaries.iter().any(holds) {
            return Err(Leak::Carried(name.clone()));
        }
    }
    let stray = |name: &&HeaderName| **name != expected.header && headers.contains_key(*name);
    if let Some(name) = CREDENTIALS.iter().find(stray) {
        return Err(Leak::Stray(name.clone()));
    }
    let mut found = headers.get_all(&expected.header).iter();
    let (Some(value), None) = (found.next(), found.next()) else {
        return Err(Leak::Missing(expected.header.clone()));
    };
    let fits = expected.value.as_ref().map_or_else(
        || value.as_bytes().starts_with(b"Bearer ") && value.len() > 7,
        |exact| exact == value,
    );
    if !fits {
        return Err(Leak::Missing(expected.header.clone()));
    }
    let mut names: Vec<String> = headers.keys().map(ToString::to_string).collect();
    names.sort_unstable();
    Ok(Departure {
        names,
        credential: format!("{} (sha256 {})", expected.header, fingerprint(value)),
    })
}

fn fingerprint(value: &HeaderValue) -> String {
    let hash = digest::digest(&digest::SHA256, value.as_bytes());
    let mut text = hex(hash.as_ref());
    text.truncate(FINGERPRINT_DIGITS);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "dwk_canary_canary";

    fn check(
        headers: &[(&'static str, &str)],
        path: &str,
        value: Option<&str>,
        expected: Result<&str, Leak>,
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let wanted = Expected {
            header: headers.first().map_or(header::AUTHORIZATION, |(name, _)| {
                HeaderName::from_static(name)
            }),
            value: value.map(|value| value.parse().unwrap()),
        };
        let found = judge(&map, path, &wanted, &[CANARY]);
        assert_eq!(
            found.map(|left| left.names.join(" ")),
            expected.map(str::to_owned),
            "{headers:?} {path}"
        );
    }

    #[test]
    fn only_the_providers_credential_may_leave() {
        let name = HeaderName::from_static;
        let key = ("x-api-key", "provider");
        check(
            &[key, ("accept", "x")],
            "/v1/messages",
            Some("provider"),
            Ok("accept x-api-key"),
        );
        check(
            &[("authorization", "Bearer t"), ("accept", "x")],
            "/",
            None,
            Ok("accept authorization"),
        );
        check(
            &[key, ("x-any", "a dwk_canary_canary b")],
            "/",
            Some("provider"),
            Err(Leak::Carried(name("x-any"))),
        );
        check(
            &[key],
            "/?key=dwk_canary_canary",
            Some("provider"),
            Err(Leak::Address),
        );
        check(
            &[key, ("cookie", "a=b")],
            "/",
            Some("provider"),
            Err(Leak::Stray(header::COOKIE)),
        );
        check(
            &[key, ("authorization", "Bearer t")],
            "/",
            Some("provider"),
            Err(Leak::Stray(header::AUTHORIZATION)),
        );
        check(
            &[key],
            "/",
            Some("another"),
            Err(Leak::Missing(name("x-api-key"))),
        );
        check(
            &[key, key],
            "/",
            Some("provider"),
            Err(Leak::Missing(name("x-api-key"))),
        );
        check(
            &[("authorization", "Bearer ")],
            "/",
            None,
            Err(Leak::Missing(header::AUTHORIZATION)),
        );
        check(&[], "/", None, Err(Leak::Missing(header::AUTHORIZATION)));
    }

    #[test]
    fn what_is_shown_of_a_credential_opens_nothing() {
        let mut map = HeaderMap::new();
        map.insert("x-api-key", HeaderValue::from_static("provider-secret"));
        let expected = Expected {
            header: HeaderName::from_static("x-api-key"),
            value: Some(HeaderValue::from_static("provider-secret")),
        };
        let shown = format!("{:?}", judge(&map, "/", &expected, &[]).unwrap());
        assert!(
            !shown.contains("provider-secret") && shown.contains("sha256"),
            "{shown}"
        );
    }
}
