//! What is wrong with a body or a query that does not fit its type: the member is named, and what was expected of it. Names that a
//! caller made up are cut and cleaned, and their values are never repeated. Used by [`super::call`].

use std::error::Error;
use std::fmt::Write as _;

use control::text::{is_hostile, shown};
use domain::ReasonCode;
use serde::de::{DeserializeOwned, value};
use serde_path_to_error::{Path, Segment};

use crate::Problem;

const HELP: &str =
    "Correct what the message names; /openapi.json describes what each request holds.";

/// Reads JSON of a known shape.
pub(super) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json);
    let wrong = match read {
        Ok(read) => match json.end() {
            Ok(()) => return Ok(read),
            Err(error) => not_json(&error),
        },
        Err(error) if error.inner().is_data() => {
            let what = described("member", error.path(), &error.inner().to_string());
            let (line, column) = (error.inner().line(), error.inner().column());
            let detail = format!("The body {what} (line {line}, column {column}).");
            Problem::new(ReasonCode::BodyMalformed, detail).with_help(HELP)
        }
        Err(error) => not_json(error.inner()),
    };
    Err(wrong)
}

fn not_json(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    let detail = format!("The body is not well-formed JSON, at line {line}, column {column}.");
    Problem::new(ReasonCode::BodyMalformed, detail)
}

/// Says what is wrong with a query that axum could not read.
pub(super) fn query(refused: &(dyn Error + 'static)) -> Problem {
    let mut cause = Some(refused);
    let mut what = "has a parameter that cannot be read".to_owned();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<serde_path_to_error::Error<value::Error>>() {
            what = described("parameter", found.path(), &found.inner().to_string());
        }
        cause = error.source();
    }
    Problem::new(ReasonCode::ParameterInvalid, format!("The query {what}.")).with_help(HELP)
}

/// Of serde's sentence what is ours: the names and types that were expected. What was found instead is the caller's.
fn described(noun: &str, path: &Path, said: &str) -> String {
    let (found, expected) = match said.rsplit_once(", expected ") {
        Some((found, expected)) => (found, Some(expected_words(expected))),
        None => (said, None),
    };
    let expected = |before: &str| expected.map_or(String::new(), |text| format!("{before}{text}"));
    if let Some(name) = quoted(found, "unknown field `") {
        let place = within(path, Some(name));
        let known = expected("; known here: ");
        return format!(
            "has a {noun} `{}`{place} that is not known{known}",
            shown(name)
        );
    }
    if let Some(name) = quoted(found, "missing field `") {
        return format!(
            "lacks the {noun} `{}`{}",
            shown(name),
            within(path, Some(name))
        );
    }
    if let Some(name) = quoted(found, "duplicate field `") {
        return format!("has the {noun} `{}` twice", shown(name));
    }
    let is_about_value = found.starts_with("invalid ") || found.starts_with("unknown variant ");
    let expected = expected("; expected ");
    let expected = if is_about_value { &*expected } else { "" };
    match spelt(path.iter()) {
        place if place.is_empty() => format!("is not what is read here{expected}"),
        place => format!("has a {noun} `{place}` with a value that cannot be{expected}"),
    }
}

/// The name between this beginning and the last backtick. A caller's name may hold backticks of its own.
fn quoted<'t>(text: &'t str, begin: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(begin)?;
    Some(rest.rfind('`').map_or(rest, |end| &rest[..end]))
}

/// Where in the body it is, unless that is the top of it.
fn within(path: &Path, name: Option<&str>) -> String {
    let segments: Vec<&Segment> = path.iter().collect();
    let is_itself = |last: &&&Segment| matches!(last, Segment::Map { key } if Some(&**key) == name);
    let above = match segments.last().filter(is_itself) {
        Some(_) => &segments[..segments.len() - 1],
        None => &segments[..],
    };
    match spelt(above.iter().copied()) {
        place if place.is_empty() => place,
        place => format!(" of `{place}`"),
    }
}

/// `holder.group`, `scopes[1]`; empty at the top.
fn spelt<'p>(segments: impl Iterator<Item = &'p Segment>) -> String {
    let mut place = String::new();
    for segment in segments {
        let dot = if place.is_empty() { "" } else { "." };
        let written = match segment {
            Segment::Seq { index } => write!(place, "[{index}]"),
            Segment::Map { key } => write!(place, "{dot}{}", shown(key)),
            Segment::Enum { .. } | Segment::Unknown => Ok(()),
        };
        written.expect("a text takes everything");
    }
    place
}

/// What was expected, without the names of Rust's types.
fn expected_words(text: &str) -> String {
    let text = text.split(" at line ").next().unwrap_or_default();
    let text = text.strip_prefix("one of ").unwrap_or(text);
    match text {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        "a sequence" => "a list",
        "a map" => "an object",
        _ if text.starts_with("struct ") => "an object",
        _ if text.starts_with("enum ") || text.contains("variant") => "a word or an object",
        other => {
            return other
                .chars()
                .filter(|c| !is_hostile(*c))
                .take(1_000)
                .collect();
        }
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::extract::Query;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Sample {
        service: String,
        #[serde(default)]
        groups: Vec<String>,
        days: Option<u32>,
        inner: Option<Inner>,
        #[serde(default)]
        values: BTreeMap<String, String>,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        id: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Person,
        Group,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Wanted {
        limit: Option<u32>,
        after: Option<String>,
    }

    fn said(json: &str) -> String {
        body::<Sample>(json.as_bytes())
            .unwrap_err()
            .detail()
            .to_owned()
    }

    fn check(json: &str, expected: &str) {
        let found = said(json);
        let found = found.split(" (line").next().unwrap();
        assert_eq!(found, expected, "{json}");
    }

    #[test]
    fn a_body_that_does_not_fit_names_the_member_and_what_was_expected() {
        check(
            r#"{"machine": "x"}"#,
            "The body has a member `machine` that is not known; known here: `service`, `groups`, `days`, `inner`, `values`, `kind`",
        );
        check("{}", "The body lacks the member `service`");
        check(
            r#"{"service": "x", "days": "soon"}"#,
            "The body has a member `days` with a value that cannot be; expected a whole number",
        );
        check(
            r#"{"service": "x", "groups": ["a", 2]}"#,
            "The body has a member `groups[1]` with a value that cannot be; expected a string",
        );
        check(
            r#"{"service": "x", "inner": {}}"#,
            "The body lacks the member `id` of `inner`",
        );
        check(
            r#"{"service": "x", "inner": {"id": 1, "name": 2}}"#,
            "The body has a member `name` of `inner` that is not known; known here: `id`",
        );
        check(
            r#"{"service": "x", "kind": "robot"}"#,
            "The body has a member `kind` with a value that cannot be; expected `person` or `group`",
        );
        check(
            r#"{"service": "x", "service": "y"}"#,
            "The body has the member `service` twice",
        );
        check("7", "The body is not what is read here; expected an object");
        check(
            r#"{"service": "x"} {}"#,
            "The body is not well-formed JSON, at line 1, column 18.",
        );
    }

    #[test]
    fn what_a_caller_sent_is_not_repeated_and_their_names_are_bounded() {
        let secret = "dwp_secret`, expected `x";
        for member in ["days", "kind", "groups", "inner"] {
            let json = serde_json::json!({"service": "x", (member): secret}).to_string();
            assert!(!said(&json).contains("dwp_secret"), "{}", said(&json));
        }
        let name = format!("\u{202e}`, expected {}", "n".repeat(5_000));
        for json in [
            serde_json::json!({(name.clone()): 1}),
            serde_json::json!({"service": "x", "values": {(name): 1}}),
        ] {
            let found = said(&json.to_string());
            assert!(found.len() < 400 && !found.contains('\u{202e}'), "{found}");
        }
    }

    #[test]
    fn a_query_that_does_not_fit_names_the_parameter_and_those_that_are_known() {
        let check = |uri: &'static str, expected: &str| {
            let refused = Query::<Wanted>::try_from_uri(&uri.parse().unwrap()).unwrap_err();
            assert_eq!(query(&refused).detail(), expected, "{uri}");
        };
        check(
            "/x?rows=5",
            "The query has a parameter `rows` that is not known; known here: `limit` or `after`.",
        );
        check(
            "/x?limit=many",
            "The query has a parameter `limit` with a value that cannot be.",
        );
        check(
            "/x?limit=1&limit=2",
            "The query has the parameter `limit` twice.",
        );
    }
}
