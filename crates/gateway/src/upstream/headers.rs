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

/// Where callers put credentials, what tells of the network in front of us, and what would make a provider read another
/// request than the one that was looked at.
const NEVER_OUT: [&str; 17] = [
    "accept-encoding",
    "api-key",
    "authorization",
    "cf-connecting-ip",
    "cookie",
    "forwarded",
    "keep-alive",
    "origin",
    "referer",
    "true-client-ip",
    "via",
    "x-api-key",
    "x-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-real-ip",
];

/// Families that a cloud in front of a model signs, authenticates or routes by, that choose an account or workspace (and with it a
/// region, a retention and a bill), that proxies tell of themselves with, and that browsers add. Ours to set or nobody's: what a
/// provider gets always goes under a credential of ours.
const NEVER_OUT_BEGINNING: [&str; 14] = [
    "anthropic-organization",
    "anthropic-workspace",
    "azureml-",
    "ocp-apim-",
    "openai-",
    "proxy-",
    "sec-",
    "x-amz-",
    "x-amzn-",
    "x-aws-",
    "x-forwarded-",
    "x-goog-",
    "x-ms-",
    "x-original-",
];

/// The caller's headers, less what the provider must not see. `credential` is the caller's own: a header that repeats it under
/// another name is left out as well. The encoding of the answer is not negotiated, so that usage can be read.
pub fn outgoing(from_client: &HeaderMap, credential: Option<&str>) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(from_client.len() + 4);
    for (name, value) in from_client {
        let text = name.as_str();
        let repeats =
            credential.is_some_and(|secret| contains(value.as_bytes(), secret.as_bytes()));
        if HOP.contains(name)
            || NEVER_OUT.contains(&text)
            || NEVER_OUT_BEGINNING
                .iter()
                .any(|beginning| text.starts_with(beginning))
            || is_named_for_one_hop(from_client, text)
            || repeats
        {
            continue;
        }
        out.append(name.clone(), value.clone());
    }
    out
}

/// The provider's headers, or trailers, less what is about our account there: rate limits, organisation, cookies.
pub fn incoming(from_provider: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(from_provider.len() + 8);
    for (name, value) in from_provider {
        if HOP.contains(name)
            || is_of_our_account(name.as_str())
            || is_named_for_one_hop(from_provider, name.as_str())
        {
            continue;
        }
        out.append(name.clone(), value.clone());
    }
    out
}

/// Whether the sender itself said that a header is for its neighbour alone (RFC 9110, section 7.6.1).
fn is_named_for_one_hop(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}

fn is_of_our_account(name: &str) -> bool {
    const NAMES: [&str; 13] = [
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "alt-svc",
        "cf-ray",
        "keep-alive",
        "proxy-connection",
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
    fn headers_that_a_sender_names_in_connection_go_no_further() {
        let sent = map(&[
            ("connection", "keep-alive, X-Internal ,anthropic-beta"),
            ("x-internal", "a"),
            ("anthropic-beta", "a"),
            ("x-kept", "a"),
        ]);
        let mut twice = sent.clone();
        twice.append(header::CONNECTION, HeaderValue::from_static("x-second"));
        twice.insert("x-second", HeaderValue::from_static("a"));
        for carried in [outgoing(&sent, None), incoming(&sent)] {
            assert_eq!(names(&carried), ["x-kept"]);
        }
        for carried in [outgoing(&twice, None), incoming(&twice)] {
            assert_eq!(names(&carried), ["x-kept"]);
        }
    }

    #[test]
    fn a_caller_cannot_sign_authenticate_or_steer_at_the_provider() {
        for name in [
            "anthropic-organization-id",
            "anthropic-workspace-id",
            "openai-organization",
            "openai-project",
            "azureml-model-deployment",
            "x-ms-authorization-auxiliary",
            "x-amz-security-token",
            "x-amz-date",
            "x-amzn-bedrock-guardrailidentifier",
            "x-goog-api-key",
            "x-goog-user-project",
            "api-key",
            "ocp-apim-subscription-key",
            "ocp-apim-trace",
            "cookie",
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-client-cert",
            "x-forwarded-authorization",
            "x-original-url",
            "x-http-method-override",
            "proxy-authorization",
            "proxy-connection",
            "via",
        ] {
            let sent = map(&[(name, "x"), ("accept", "*/*")]);
            assert_eq!(names(&outgoing(&sent, None)), ["accept"], "{name}");
        }
    }

    #[test]
    fn headers_of_claude_clients_and_unknown_harmless_ones_pass() {
        for name in [
            "accept",
            "anthropic-beta",
            "anthropic-dangerous-direct-browser-access",
            "anthropic-version",
            "content-type",
            "traceparent",
            "user-agent",
            "x-app",
            "x-claude-code-session-id",
            "x-client-request-id",
            "x-stainless-lang",
            "x-unheard-of",
        ] {
            let sent = map(&[("connection", "close, keep-alive"), (name, "x")]);
            assert_eq!(names(&outgoing(&sent, Some("dwk_12345678"))), [name]);
        }
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
