//! YAML as a tree that knows its lines, within limits: an alias that repeats itself, a deep nest or a long file is refused. Never
//! repeats the text it reads. Called by [`super::claude_gateway`].

use std::fmt;

use domain::limits;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

/// Why a text cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Unreadable {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong there.
    pub what: String,
}

/// A value and its line.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Flag(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Node, Unreadable> {
    if text.len() > limits::IMPORT_BYTES_MAX {
        let what = format!("the file is longer than {} bytes", limits::IMPORT_BYTES_MAX);
        return Err(Unreadable { line: 1, what });
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: limits::IMPORT_DEPTH_MAX,
            max_nodes: limits::IMPORT_NODES_MAX,
            max_events: 3 * limits::IMPORT_NODES_MAX,
            max_documents: 1,
            max_total_scalar_bytes: limits::IMPORT_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits::IMPORT_NODES_MAX,
            max_replay_stack_depth: limits::IMPORT_DEPTH_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Merge,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| Unreadable {
        line: error
            .location()
            .map_or(1, |location| location.line().max(1)),
        // Its own words only: a scalar of the file may be a secret.
        what: described(&error),
    })
}

fn described(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::DuplicateMappingKey { .. } => "a key stands twice in one mapping".to_owned(),
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } => {
            "the text is larger, deeper or repeats itself more than any configuration does"
                .to_owned()
        }
        _ => "this is not YAML; look for indentation, quotes, tabs and brackets here or just above"
            .to_owned(),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let found = serde_saphyr::Spanned::<Value>::deserialize(from)?;
        Ok(Self {
            line: found.referenced.line(),
            value: found.value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value)
            .map(Value::Integer)
            .map_err(|_| E::custom("a number is too large"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut found = Vec::new();
        while let Some(node) = list.next_element()? {
            found.push(node);
        }
        Ok(Value::List(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut found: Vec<(String, Node)> = Vec::new();
        while let Some((key, node)) = map.next_entry::<String, Node>()? {
            if found.len() >= limits::IMPORT_NODES_MAX {
                return Err(A::Error::custom("a mapping is too long"));
            }
            found.push((key, node));
        }
        Ok(Value::Map(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, line: u64, part: &str) {
        let error = read(text).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.what.contains(part), "{error}");
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line_and_without_its_text() {
        check("a: 1\nb: [1, sk-very-secret\n", 2, "not YAML");
        check("a: 1\na: 2\n", 2, "stands twice");
        check("a: *nowhere\n", 1, "not YAML");
        check("a: 1\n---\nb: 2\n", 2, "");
        for text in [
            "a: 1\nb: [1, sk-very-secret\n",
            "sk-very-secret: 1\nsk-very-secret: 2\n",
        ] {
            assert!(!read(text).unwrap_err().to_string().contains("very-secret"));
        }
    }

    #[test]
    fn a_bomb_of_aliases_and_a_deep_nest_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let before = format!("*a{},", level - 1).repeat(10);
            bomb = format!("{bomb}a{level}: &a{level} [{before}]\n");
        }
        assert!(read(&bomb).is_err());
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read(&"a: x\n".repeat(limits::IMPORT_BYTES_MAX)).is_err());
    }

    #[test]
    fn an_alias_counts_where_it_is_used() {
        let Value::Map(entries) = read("a: &x 1\nb: *x\n").unwrap().value else {
            panic!("a mapping")
        };
        assert_eq!(entries[1].1.line, 2);
    }
}
