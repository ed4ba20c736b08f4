//! The protocol's HTTP headers: what must agree with the message, where a request may come from, and what goes on to a connector. The
//! decision is made on the message; a header that says something else is refused, so that nothing behind us decides otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Reason, ReasonCode, Refusal};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::strict::Members;

/// The id of a session.
pub const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The version of the protocol.
pub const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The method, repeated.
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// The name or address that the method is about, repeated.
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Where a stream is taken up again.
pub const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
/// The first version without sessions.
const FIRST_MODERN: &str = "2026-07-28";
/// Where a modern request says its version.
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The age of the protocol a request is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// With sessions, up to 2025-11-25.
    Legacy,
    /// Without, from 2026-07-28 on.
    Modern,
}

/// The era that headers alone speak of.
pub fn era_of(headers: &HeaderMap) -> Era {
    let version = headers.get(VERSION).map(HeaderValue::as_bytes);
    // Versions are dates, so their order is the order of their letters.
    if version.is_some_and(|version| version >= FIRST_MODERN.as_bytes()) {
        Era::Modern
    } else {
        Era::Legacy
    }
}

/// The era of a request, once its headers agree with what it says itself.
pub fn agreed(
    headers: &HeaderMap,
    method: &str,
    named: Option<&str>,
    params: Option<&str>,
) -> Result<Era, Refusal> {
    let stated = params.and_then(meta_version);
    let said = one(headers, &VERSION)?;
    if let (Some(stated), Some(said)) = (&stated, said)
        && stated != said
    {
        return Err(disagrees("mcp-protocol-version"));
    }
    if one(headers, &METHOD)?.is_some_and(|said| said != method) {
        return Err(disagrees("mcp-method"));
    }
    if let (Some(said), Some(named)) = (one(headers, &NAME)?, named)
        && said != named
        && decoded(said).as_deref() != Some(named)
    {
        return Err(disagrees("mcp-name"));
    }
    if stated.is_some() {
        return Ok(Era::Modern);
    }
    Ok(era_of(headers))
}

fn meta_version(params: &str) -> Option<String> {
    let params = Members::read(params, &[]).ok()?;
    let meta = Members::read(params.get("_meta")?, &[]).ok()?;
    meta.string(META_VERSION).map(std::borrow::Cow::into_owned)
}

/// The one value of a header, if it has one; two are a disagreement with themselves.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refusal> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(Some)
            .map_err(|_| disagrees(name.as_str())),
        (Some(_), Some(_)) => Err(disagrees(name.as_str())),
    }
}

/// A value that is no plain ASCII stands as `=?base64?…?=`.
fn decoded(value: &str) -> Option<String> {
    let inner = value.strip_prefix("=?base64?")?.strip_suffix("?=")?;
    String::from_utf8(STANDARD.decode(inner).ok()?).ok()
}

fn disagrees(header: &str) -> Refusal {
    let text = format!(
        "The header {header} says something else than the message, or more than one thing."
    );
    Refusal::one(Reason::new(ReasonCode::McpHeaders, text))
}

/// Whether a request may come from where it says: no web page but our own. Where we are on this machine alone, the host must be of
/// this machine too, so that no name that was made to point here reaches us.
pub fn may_come(headers: &HeaderMap, public_url: &str) -> bool {
    let Ok(ours) = Url::parse(public_url) else {
        return false;
    };
    let is_local = ours.host_str().is_some_and(is_loopback);
    let host = headers
        .get(header::HOST)
        .and_then(|host| Url::parse(&format!("http://{}/", host.to_str().ok()?)).ok());
    let is_here = host
        .as_ref()
        .and_then(Url::host_str)
        .is_some_and(is_loopback);
    if is_local && headers.contains_key(header::HOST) && !is_here {
        return false;
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.all(|origin| {
        let origin = origin.to_str().ok();
        let Some(origin) = origin.and_then(|origin| Url::parse(origin).ok()) else {
            return false;
        };
        let is_own = host
            .as_ref()
            .is_some_and(|host| is_local && is_here && host.origin() == origin.origin());
        is_own || origin.origin() == ours.origin()
    })
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// What of a client's headers goes on to a connector: what the protocol says, and nothing that says who they are.
pub fn outgoing(from_client: &HeaderMap, is_get: bool) -> HeaderMap {
    let mut out = HeaderMap::new();
    for (name, value) in from_client {
        let goes = *name == VERSION
            || *name == METHOD
            || *name == NAME
            || *name == header::ACCEPT
            || (is_get && *name == LAST_EVENT)
            || name.as_str().starts_with("mcp-param-");
        if goes {
            out.append(name.clone(), value.clone());
        }
    }
    if !is_get {
        let json = HeaderValue::from_static("application/json");
        out.insert(header::CONTENT_TYPE, json);
    }
    let us = HeaderValue::from_static(concat!("doorward/", env!("CARGO_PKG_VERSION")));
    out.insert(header::USER_AGENT, us);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_header_that_says_something_else_than_the_message_is_refused() {
        let meta =
            r#"{"name":"ü","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
        let check = |all: &[(&'static str, &str)], params, expected| {
            let found = agreed(&headers(all), "tools/call", Some("ü"), params).ok();
            assert_eq!(found, expected, "{all:?}");
        };
        check(&[], None, Some(Era::Legacy));
        check(&[], Some(meta), Some(Era::Modern));
        check(
            &[("mcp-protocol-version", "2025-11-25")],
            None,
            Some(Era::Legacy),
        );
        check(
            &[("mcp-protocol-version", "2026-07-28")],
            None,
            Some(Era::Modern),
        );
        check(
            &[("mcp-protocol-version", "2026-07-28")],
            Some(meta),
            Some(Era::Modern),
        );
        check(&[("mcp-protocol-version", "2025-11-25")], Some(meta), None);
        check(
            &[
                ("mcp-method", "tools/call"),
                ("mcp-name", "=?base64?w7w=?="),
            ],
            Some(meta),
            Some(Era::Modern),
        );
        check(&[("mcp-method", "tools/list")], Some(meta), None);
        check(&[("mcp-name", "get")], Some(meta), None);
        check(&[("mcp-name", "=?base64?%%?=")], Some(meta), None);
        check(
            &[("mcp-method", "tools/call"), ("mcp-method", "tools/call")],
            Some(meta),
            None,
        );
    }

    #[test]
    fn no_web_page_but_our_own_may_ask() {
        let check = |url: &str, all: &[(&'static str, &str)], expected: bool| {
            assert_eq!(may_come(&headers(all), url), expected, "{url} {all:?}");
        };
        let public = "https://doorward.example";
        check(public, &[("host", "doorward.example")], true);
        check(
            public,
            &[("host", "inside"), ("origin", "https://doorward.example")],
            true,
        );
        for origin in [
            "https://evil.example",
            "http://doorward.example",
            "null",
            "https://doorward.example:444",
            "x",
        ] {
            check(public, &[("origin", origin)], false);
        }
        check(
            public,
            &[
                ("origin", "https://doorward.example"),
                ("origin", "https://evil.example"),
            ],
            false,
        );
        let local = "http://127.0.0.1:8080";
        check(
            local,
            &[
                ("host", "localhost:8080"),
                ("origin", "http://localhost:8080"),
            ],
            true,
        );
        check(local, &[("host", "evil.example:8080")], false);
        check(
            local,
            &[
                ("host", "127.0.0.1:8080"),
                ("origin", "http://evil.example:8080"),
            ],
            false,
        );
        check(
            local,
            &[
                ("host", "127.0.0.1:8080"),
                ("origin", "http://localhost:9999"),
            ],
            false,
        );
        check(
            local,
            &[("host", "localhost:7"), ("origin", "http://localhost:7")],
            true,
        );
    }

    #[test]
    fn nothing_that_says_who_they_are_goes_on() {
        let all = headers(&[
            ("authorization", "Bearer x"),
            ("x-api-key", "x"),
            ("cookie", "x"),
            ("host", "x"),
            ("mcp-session-id", "ours"),
            ("x-forwarded-for", "1.2.3.4"),
            ("last-event-id", "7"),
            ("mcp-protocol-version", "2025-06-18"),
            ("mcp-param-x", "1"),
            ("accept", "application/json"),
        ]);
        let sent = outgoing(&all, false);
        let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "accept",
                "content-type",
                "mcp-param-x",
                "mcp-protocol-version",
                "user-agent"
            ]
        );
        assert!(outgoing(&all, true).contains_key(LAST_EVENT));
    }
}
