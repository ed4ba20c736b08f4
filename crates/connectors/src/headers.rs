//! The protocol's HTTP headers: what must agree with the message, where a request may come from, and what goes on to a connector. The
//! decision is made on the message; a header that says something else is refused, so that nothing behind us decides otherwise.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Reason, ReasonCode, Refusal};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Number, Value};
use url::Url;

use crate::line::Line;
use crate::params::Params;
use crate::revision::MODERN;

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
    if version.is_some_and(|version| version >= MODERN.as_bytes()) {
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
    params: &Params<'_>,
) -> Result<Era, Refusal> {
    let stated = params.version();
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

/// Goes on only where every argument that a client repeats in a header (`Mcp-Param-…`) is one: a text, number or truth value among the
/// arguments. Which of them it must be the connector knows, and checks; what nobody decided on reaches it in none.
pub fn repeats(headers: &HeaderMap, arguments: &Value) -> Result<(), Refusal> {
    for name in headers.keys().filter(|name| is_param(name)) {
        let said = one(headers, name)?.unwrap_or_default();
        let plain = decoded(said);
        let said = plain.as_deref().unwrap_or(said);
        if !holds(arguments, said) {
            return Err(disagrees(name.as_str()));
        }
    }
    Ok(())
}

fn is_param(name: &HeaderName) -> bool {
    name.as_str().starts_with("mcp-param-")
}

/// Whether a value is this text, or has it as a member at any depth.
fn holds(value: &Value, said: &str) -> bool {
    match value {
        Value::String(text) => text == said,
        Value::Bool(truth) => said == if *truth { "true" } else { "false" },
        Value::Number(number) => is_number(number, said),
        Value::Object(members) => members.values().any(|member| holds(member, said)),
        Value::Array(_) | Value::Null => false,
    }
}

/// Whether a text is this number: `42.0` is `42`, as long as both are told apart from their neighbours.
fn is_number(number: &Number, said: &str) -> bool {
    /// 2^53: from here on a double stands for several whole numbers.
    const VAGUE: f64 = 9_007_199_254_740_992.0;
    let same = |said: f64| number.as_f64() == Some(said) && said.abs() < VAGUE;
    number.to_string() == said || said.parse().is_ok_and(same)
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
/// this machine too, so that no name that was made to point here reaches us. `ours` is the address that clients use, if it is one.
pub fn may_come(headers: &HeaderMap, ours: Option<&Url>) -> bool {
    let Some(ours) = ours else {
        return false;
    };
    let is_local = ours.host_str().is_some_and(is_loopback);
    if !is_local && !headers.contains_key(header::ORIGIN) {
        return true;
    }
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

/// What a request is, as far as its headers may speak of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// No message: `GET` or `DELETE`.
    Nothing,
    /// A message that names nothing.
    Message,
    /// A method that names what it is about.
    Named,
    /// A call of a tool, whose arguments may be repeated.
    Call,
}

/// What a client of the newest protocol must have in its headers, where nobody behind us looks for it.
pub fn complete(headers: &HeaderMap, is_named: bool, params: &Params<'_>) -> Result<(), Refusal> {
    if params.version().is_none() {
        let text = "The message does not state its version, as the newest protocol asks for.";
        return Err(Refusal::one(Reason::new(ReasonCode::McpHeaders, text)));
    }
    let missing = [(VERSION, true), (METHOD, true), (NAME, is_named)];
    let missing = missing
        .iter()
        .find(|(name, needed)| *needed && !headers.contains_key(name));
    match missing {
        None => Ok(()),
        Some((name, _)) => {
            let text = format!("The header {name} is missing.");
            Err(Refusal::one(Reason::new(ReasonCode::McpHeaders, text)))
        }
    }
}

/// The version that a request speaks of: what it says itself, else what its header says.
pub fn version<'h>(
    headers: &'h HeaderMap,
    params: &Params<'h>,
) -> Result<Option<Cow<'h, str>>, Refusal> {
    let said = one(headers, &VERSION)?;
    Ok(params.version().or(said.map(Cow::Borrowed)))
}

/// What a client of ours says of what it takes.
pub fn ours() -> HeaderMap {
    let both = HeaderValue::from_static("application/json, text/event-stream");
    [(header::ACCEPT, both)].into_iter().collect()
}

/// Makes headers say what a message over this line says.
pub fn state(headers: &mut HeaderMap, line: &Line, method: &str, named: Option<&str>) {
    headers.remove(NAME);
    headers.remove(METHOD);
    headers.remove(VERSION);
    if line.era == Era::Modern {
        let named = named.map(|named| (NAME, encoded(named)));
        let said = [(METHOD, encoded(method))].into_iter().chain(named);
        headers.extend(said.filter_map(|(name, value)| Some((name, value.ok()?))));
    } else {
        let repeated: Vec<HeaderName> = headers.keys().filter(|k| is_param(k)).cloned().collect();
        for name in repeated {
            headers.remove(name);
        }
    }
    // A greeting is where the two find out which.
    if method != "initialize"
        && let Ok(version) = HeaderValue::from_str(&line.version)
    {
        headers.insert(VERSION, version);
    }
}

/// A name as a header has it.
fn encoded(name: &str) -> Result<HeaderValue, header::InvalidHeaderValue> {
    let is_plain = name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && name.trim() == name
        && !name.starts_with("=?");
    if is_plain {
        HeaderValue::from_str(name)
    } else {
        HeaderValue::try_from(format!("=?base64?{}?=", STANDARD.encode(name)))
    }
}

/// What of a client's headers goes on to a connector: what the protocol says and was held against the message, and nothing that says who
/// they are.
pub fn outgoing(from_client: &HeaderMap, about: About) -> HeaderMap {
    let is_get = about == About::Nothing;
    let mut out = HeaderMap::new();
    for (name, value) in from_client {
        let goes = *name == VERSION
            || *name == METHOD
            || (*name == NAME && matches!(about, About::Named | About::Call))
            || (*name == LAST_EVENT && is_get)
            || (is_param(name) && about == About::Call);
        if goes {
            out.append(name.clone(), value.clone());
        }
    }
    if let Some(kinds) = accepted(from_client) {
        out.insert(header::ACCEPT, HeaderValue::from_static(kinds));
    }
    if !is_get {
        let json = HeaderValue::from_static("application/json");
        out.insert(header::CONTENT_TYPE, json);
    }
    let us = HeaderValue::from_static(concat!("doorward/", env!("CARGO_PKG_VERSION")));
    out.insert(header::USER_AGENT, us);
    out
}

/// What a client takes, of the two kinds of answer that there are. None where it says nothing of either.
fn accepted(from_client: &HeaderMap) -> Option<&'static str> {
    let takes = |kind: &str| {
        let mut all = from_client.get_all(header::ACCEPT).iter();
        all.any(|value| {
            let value = value.to_str().unwrap_or_default();
            let mut ranges = value.split(',').map(|range| range.split(';').next());
            ranges.any(|range| {
                let range = range.unwrap_or_default().trim();
                range == "*/*" || range.eq_ignore_ascii_case(kind)
            })
        })
    };
    match (takes("application/json"), takes("text/event-stream")) {
        (true, true) => Some("application/json, text/event-stream"),
        (true, false) => Some("application/json"),
        (false, true) => Some("text/event-stream"),
        (false, false) => None,
    }
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
            let params = Params::read(params).unwrap();
            let found = agreed(&headers(all), "tools/call", Some("ü"), &params).ok();
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
            let ours = Url::parse(url).ok();
            let found = may_come(&headers(all), ours.as_ref());
            assert_eq!(found, expected, "{url} {all:?}");
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
        let sent = outgoing(&all, About::Call);
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
        let sent = outgoing(&all, About::Nothing);
        assert!(sent.contains_key(LAST_EVENT) && !sent.contains_key("mcp-param-x"));
        assert!(!outgoing(&all, About::Named).contains_key("mcp-param-x"));
        let spoken = headers(&[("mcp-name", "secret")]);
        assert!(!outgoing(&spoken, About::Message).contains_key(NAME));
        assert!(outgoing(&spoken, About::Named).contains_key(NAME));
    }

    #[test]
    fn a_header_repeats_an_argument_or_is_refused() {
        let arguments = serde_json::json!({"tenant": "good", "n": 42, "deep": {"yes": true, "ü": "ü"}, "many": ["a"], "no": null});
        let check = |value: &str, expected: bool| {
            let all = headers(&[("mcp-param-tenant", value)]);
            assert_eq!(repeats(&all, &arguments).is_ok(), expected, "{value}");
        };
        for value in ["good", "42", "42.0", "true", "=?base64?w7w=?="] {
            check(value, true);
        }
        for value in [
            "EVIL",
            "43",
            "false",
            "a",
            "null",
            "",
            "=?base64?RVZJTA==?=",
            "tenant",
        ] {
            check(value, false);
        }
        let twice = headers(&[("mcp-param-a", "good"), ("mcp-param-a", "good")]);
        assert!(repeats(&twice, &arguments).is_err());
    }

    #[test]
    fn what_a_client_accepts_is_said_in_our_own_words() {
        let check = |accept: &str, expected: Option<&str>| {
            let sent = outgoing(&headers(&[("accept", accept)]), About::Message);
            let sent = sent
                .get(header::ACCEPT)
                .map(|value| value.to_str().unwrap());
            assert_eq!(sent, expected, "{accept}");
        };
        check("application/json", Some("application/json"));
        check("*/*", Some("application/json, text/event-stream"));
        check(
            "text/event-stream;x=AKIAZ7QW4RTY6UVP2XKL",
            Some("text/event-stream"),
        );
        check("AKIAZ7QW4RTY6UVP2XKL", None);
    }
}
