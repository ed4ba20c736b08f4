//! Reads a configuration's sections into their types and names every mistake of shape at once. What is wrong is taken out and the
//! rest read again, until nothing is wrong or too much is. Never repeats a value that stands where a secret may stand. Used by
//! [`super::read`] alone.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

/// Mistakes of one section that are named; whoever has more has another file in mind.
const MISTAKES_OF_A_SECTION_MAX: usize = 50;
/// Keys whose values may be secrets written in by mistake.
const SECRET_KEYS: [&str; 11] = [
    "auth",
    "bearer",
    "client_secret",
    "graph_client_secret",
    "key",
    "master_key",
    "master_key_before",
    "prices",
    "secret",
    "url",
    "value",
];

/// A text as TOML; mistakes of its grammar go to `mistakes`.
pub(super) fn parse<'t>(text: &'t str, mistakes: &mut Vec<String>) -> Option<Spanned<DeTable<'t>>> {
    let (root, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    mistakes.extend(
        errors
            .iter()
            .map(|error| format!("{}: {}", line(text, error.span()), error.message())),
    );
    errors.is_empty().then_some(root)
}

/// The part of `root` that `T` reads, which is what stands under `name`. None when it has mistakes.
pub(super) fn section<T: DeserializeOwned>(
    text: &str,
    root: &Spanned<DeTable<'_>>,
    name: &str,
    mistakes: &mut Vec<String>,
) -> Option<T> {
    let mut alone = DeTable::new();
    if let Some((key, value)) = root.get_ref().get_key_value(name) {
        alone.insert(key.clone(), value.clone());
    }
    let mut rest = Spanned::new(root.span(), alone);
    let mut taken: Vec<String> = Vec::new();
    loop {
        let error = match T::deserialize(Deserializer::from(rest.clone())) {
            Ok(found) => return taken.is_empty().then_some(found),
            Err(error) => error,
        };
        let span = error.span();
        let path = span
            .as_ref()
            .and_then(|span| take_out(rest.get_mut(), span));
        let place = path.as_deref().unwrap_or(name);
        if !taken.iter().any(|key| comes_of(&error, place, key)) {
            mistakes.push(described(text, &error, place));
        }
        taken.push(path.filter(|path| path != name && taken.len() < MISTAKES_OF_A_SECTION_MAX)?);
    }
}

/// `line 3: server.listen: …`, without the source: a line may hold a secret.
fn described(text: &str, error: &Error, path: &str) -> String {
    let may_be_secret = path.split('.').any(|key| SECRET_KEYS.contains(&key));
    let what = match error.message().split_once(", expected") {
        _ if !may_be_secret || error.message().starts_with("missing field") => {
            error.message().to_owned()
        }
        Some((_, expected)) => format!("the value has the wrong form, expected{expected}"),
        None => "the value cannot be used here".to_owned(),
    };
    format!("{}: {path}: {what}", line(text, error.span()))
}

/// `line 3`.
pub(super) fn line(text: &str, span: Option<Range<usize>>) -> String {
    let before = span.and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}")
}

/// Whether an error at `place` is only because `taken` was taken out: it is missing, or what held it has become empty.
fn comes_of(error: &Error, place: &str, taken: &str) -> bool {
    let Some(key) = taken
        .strip_prefix(place)
        .and_then(|key| key.strip_prefix('.'))
    else {
        return false;
    };
    error
        .message()
        .strip_prefix("missing field ")
        .is_none_or(|missing| missing == format!("`{key}`"))
}

/// Takes the key or value at this place out of the table, and returns its path: `issuer[1].audiences`.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let found = table
        .iter()
        .find(|(key, value)| key.span() == *span || value.span() == *span)
        .map(|(key, _)| key.get_ref().to_string());
    if let Some(key) = found {
        table.remove(key.as_str());
        return Some(key);
    }
    table.iter_mut().find_map(|(key, value)| {
        let inner = take_out_of_value(value.get_mut(), span)?;
        let dot = if inner.starts_with('[') { "" } else { "." };
        Some(format!("{}{dot}{inner}", key.get_ref()))
    })
}

fn take_out_of_value(value: &mut DeValue<'_>, span: &Range<usize>) -> Option<String> {
    match value {
        DeValue::Table(table) => take_out(table, span),
        DeValue::Array(array) => {
            if let Some(index) = array.iter().position(|one| one.span() == *span) {
                let rest = array.iter().filter(|one| one.span() != *span);
                *array = rest.cloned().collect();
                return Some(format!("[{index}]"));
            }
            array.iter_mut().enumerate().find_map(|(index, one)| {
                let inner = take_out_of_value(one.get_mut(), span)?;
                let dot = if inner.starts_with('[') { "" } else { "." };
                Some(format!("[{index}]{dot}{inner}"))
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Root {
        server: Server,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Server {
        listen: std::net::SocketAddr,
        drain_s: u64,
        names: Vec<String>,
        auth: Option<Auth>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only read")]
    enum Auth {
        ApiKey(String),
    }

    fn check(text: &str, expected: &[&str]) {
        let mut mistakes = Vec::new();
        if let Some(root) = parse(text, &mut mistakes) {
            let found: Option<Root> = section(text, &root, "server", &mut mistakes);
            assert_eq!(found.is_some(), expected.is_empty(), "{text}");
        }
        assert_eq!(mistakes, expected, "{text}");
    }

    #[test]
    fn all_mistakes_of_a_section_are_found_with_their_lines_and_paths() {
        check("[server]\nlisten = '[::]:1'\ndrain_s = 1\nnames = []", &[]);
        check(
            "[server]\nlisten = 'here'\ndrain_s = 'soon'\nnames = ['a', 5]\nlisen = 1",
            &[
                "line 2: server.listen: invalid socket address syntax",
                "line 3: server.drain_s: invalid type: string \"soon\", expected u64",
                "line 4: server.names[1]: invalid type: integer `5`, expected a string",
                "line 5: server.lisen: unknown field `lisen`, expected one of `listen`, `drain_s`, `names`, `auth`",
            ],
        );
        check(
            "[server]\nlisten = '[::]:1'\nnames = []",
            &["line 1: server: missing field `drain_s`"],
        );
    }

    #[test]
    fn all_mistakes_of_grammar_are_found() {
        let mut mistakes = Vec::new();
        assert!(parse("a = \nb = 1\nc = ]", &mut mistakes).is_none());
        assert!(mistakes.len() >= 2, "{mistakes:?}");
        assert!(mistakes[0].starts_with("line 1: "), "{mistakes:?}");
    }

    #[test]
    fn a_value_that_may_be_a_secret_is_not_repeated() {
        let rest = "listen = '[::]:1'\ndrain_s = 1\nnames = []";
        check(
            &format!("[server]\nauth = 'sk-very-secret'\n{rest}"),
            &["line 2: server.auth: the value has the wrong form, expected `api_key`"],
        );
        check(
            &format!("[server]\nauth = {{ api_key = 5 }}\n{rest}"),
            &["line 2: server.auth.api_key: the value has the wrong form, expected a string"],
        );
    }
}
