//! What goes out and what comes back. Everything passes but what belongs to one hop, to the caller's credential, or to another
//! account: unknown headers reach the provider, and request ids and retry headers reach the client unchanged.

use http::header::{self, HeaderMap, HeaderName};

/// Headers of one hop (RFC 9110, section 7.6.1), and what our own client sets.
const HOP: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Where callers and providers put credentials, and what tells of the network in front of us.
const NEVER_OUT: [&str; 14] = [
    "accept-encoding",
    "api-key",
    "authorization",
    "cookie",
    "forwarded",
    "keep-alive",
    "origin",
    "proxy-connection",
    "referer",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// The caller's headers, less what the provider must not see. `credential` is the caller's own: a header that repeats it under
/// another name is left out as well. The encoding of the answer is not negotiated, so that usage can be read.
pub fn outgoing(from_client: &HeaderMap, credential: Option<&str>) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(from_client.len() + 4);
    for (name, value) in from_client {
        let repeats =
            credential.is_some_and(|secret| contains(value.as_bytes(), secret.as_bytes()));
        if HOP.contains(name)
            || NEVER_OUT.contains(&name.as_str())
            || name.as_str().starts_with("sec-")
            || repeats
        {
            continue;
        }
        out.append(name.clone(), value.clone());
    }
    out
}

/// The provider's headers, less what is about our account there: rate limits, organisation, cookies.
pub fn incoming(from_provider: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(from_provider.len() + 8);
    for (name, value) in from_provider {
        if HOP.contains(name) || is_of_our_account(name.as_str()) {
            continue;
        }
        out.append(name.clone(), value.clone());
    }
    out
}

fn is_of_our_account(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "alt-svc",
        "cf-ray",
        "keep-alive",
        "server",
        "set-cookie",
        "strict-transport-security",
        "vary",
        "via",
    ];
    NAMES.contains(&name)
        || [
            "anthropic-ratelimit-",
            "anthropic-priority-",
            "anthropic-fast-",
            "x-ratelimit-",
            "x-ms-",
            "azureml-",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || matches!(name, "anthropic-organization-id" | "anthropic-workspace-id")
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.len() >= 8
        && haystack
            .windows(needle.len())
            .any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    fn names(map: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = map.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn nothing_of_the_callers_credential_goes_out() {
        let token = "eyJhbGciOi.secret.token";
        let sent = map(&[
            ("authorization", "Bearer eyJhbGciOi.secret.token"),
            ("x-api-key", token),
            ("api-key", token),
            ("x-copy", "prefix eyJhbGciOi.secret.token suffix"),
            ("cookie", "a=b"),
            ("proxy-authorization", "Basic x"),
            ("x-forwarded-for", "10.0.0.1"),
            ("anthropic-beta", "a,b"),
            ("anthropic-version", "2026-10-21"),
            ("x-unknown", "kept"),
        ]);
        assert_eq!(
            names(&outgoing(&sent, Some(token))),
            ["anthropic-beta", "anthropic-version", "x-unknown"]
        );
    }

    #[test]
    fn request_ids_and_retry_headers_come_back_and_our_account_does_not() {
        let answered = map(&[
            ("request-id", "req_1"),
            ("apim-request-id", "a"),
            ("retry-after", "2"),
            ("x-should-retry", "true"),
            ("anthropic-ratelimit-requests-limit", "5"),
            ("anthropic-organization-id", "o"),
            ("set-cookie", "x"),
            ("content-type", "application/json"),
        ]);
        assert_eq!(
            names(&incoming(&answered)),
            [
                "apim-request-id",
                "content-type",
                "request-id",
                "retry-after",
                "x-should-retry"
            ]
        );
    }
}
