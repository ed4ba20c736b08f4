//! JSON read so that nobody can read it otherwise: no member twice, no member that differs from a known one by case alone, bounded
//! depth. What a policy is decided on is read through here, and the bytes go on as they came. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use domain::limits;
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// Why a text cannot be read in one way only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not UTF-8.
    #[error("the text is not UTF-8")]
    Encoding,
    /// Nested deeper than [`limits::JSON_DEPTH_MAX`].
    #[error("the JSON is nested deeper than {} levels", limits::JSON_DEPTH_MAX)]
    Depth,
    /// Not JSON of the shape asked for, or with a member twice. Says where, never what.
    #[error("the JSON cannot be read at line {line}, column {column}")]
    Shape {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// A member that some programs would take for another one.
    #[error("a member is spelt almost like `{0}`")]
    Alike(&'static str),
}

impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Self {
        Self::Shape {
            line: error.line(),
            column: error.column(),
        }
    }
}

/// The bytes as text, no deeper than we read.
pub fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    let text = str::from_utf8(bytes).map_err(|_| Malformed::Encoding)?;
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits::JSON_DEPTH_MAX {
            return Err(Malformed::Depth);
        }
    }
    Ok(text)
}

/// The members of one object, each as it is written.
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object. `known` are the members that mean something here: another spelling of one is refused.
    pub fn read(text: &'a str, known: &[&'static str]) -> Result<Self, Malformed> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let members = Self(reader.deserialize_map(Pairs)?);
        reader.end()?;
        members.unmistakable(known)?;
        Ok(members)
    }

    /// Refuses what another spelling of one of these is a member of.
    pub fn unmistakable(&self, known: &[&'static str]) -> Result<(), Malformed> {
        for (name, _) in &self.0 {
            let alike = |wanted: &&&str| is_alike(name, wanted) && name != *wanted;
            if let Some(wanted) = known.iter().find(alike) {
                return Err(Malformed::Alike(wanted));
            }
        }
        Ok(())
    }

    /// The text of a member.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let mut all = self.0.iter();
        all.find(|(known, _)| known == name)
            .map(|(_, raw)| raw.get())
    }

    /// A member that is a text.
    pub fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        let written = self.get(name)?;
        let plain = written.strip_prefix('"')?.strip_suffix('"')?;
        if !plain.contains('\\') {
            return Some(Cow::Borrowed(plain));
        }
        serde_json::from_str::<Borrowed<'a>>(written)
            .ok()
            .map(|text| text.0)
    }

    /// A member with its name and one comma beside it, as they stand in the object that these were read from: without them the rest is as it
    /// was.
    pub fn entry(&self, object: &'a str, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        let value = span(object, self.0[at].1.get());
        if let Some(before) = at.checked_sub(1) {
            let before = span(object, self.0[before].1.get());
            return object.get(before.end..value.end);
        }
        let start = object.find('{')? + 1;
        let comma = match self.0.len() {
            1 => 0,
            _ => object.get(value.end..)?.find(',')? + 1,
        };
        object.get(start..value.end + comma)
    }
}

/// Whether some program takes one name for the other: all that only look at letters without their case do, and some of them fold
/// beyond ASCII, where `ſ` is an `s` and the Kelvin sign a `k`.
fn is_alike(name: &str, known: &str) -> bool {
    if name.is_ascii() {
        return name.eq_ignore_ascii_case(known);
    }
    let letters = name.chars().flat_map(char::to_uppercase);
    letters.eq(known.chars().flat_map(char::to_uppercase))
}

/// A text, borrowed where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

/// As many members as are looked through one by one for one that stands twice.
const LOOKED_THROUGH_MAX: usize = 16;

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = BTreeSet::new();
        let mut pairs: Self::Value = Vec::new();
        while let Some(name) = map.next_key::<Borrowed<'de>>()? {
            let is_twice = if pairs.len() < LOOKED_THROUGH_MAX {
                pairs.iter().any(|(known, _)| *known == name.0)
            } else {
                if seen.is_empty() {
                    seen.extend(pairs.iter().map(|(known, _)| known.clone()));
                }
                !seen.insert(name.0.clone())
            };
            if is_twice || pairs.len() >= limits::MCP_MEMBERS_MAX {
                return Err(serde::de::Error::custom("a member stands twice"));
            }
            pairs.push((name.0, map.next_value::<&'de RawValue>()?));
        }
        Ok(pairs)
    }
}

/// Where a part of a text stands in it.
fn span(whole: &str, part: &str) -> std::ops::Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

/// The text with other words in the place of some of its parts, each of which was read out of it.
pub fn spliced(whole: &str, changes: &[(&str, String)]) -> String {
    let mut changes: Vec<_> = changes
        .iter()
        .map(|(part, text)| (span(whole, part), text))
        .collect();
    changes.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut out = whole.to_owned();
    for (span, text) in changes {
        out.replace_range(span, text);
    }
    out
}

/// The items of an array, each as it is written.
pub fn items(text: &str) -> Result<Vec<&RawValue>, Malformed> {
    Ok(serde_json::from_str(text)?)
}

/// A whole value, no member of which stands twice at any depth.
pub fn value(text: &str) -> Result<Value, Malformed> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Whole.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

struct Whole;

impl<'de> DeserializeSeed<'de> for Whole {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Whole {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        let number = Number::from_f64(number);
        number
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Whole)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Whole)?;
            if all.insert(name, value).is_some() {
                return Err(serde::de::Error::custom("a member stands twice"));
            }
        }
        Ok(Value::Object(all))
    }
}

/// Whether a value is `null`, for members whose absence and null differ.
pub fn is_null(text: &str) -> bool {
    Value::deserialize(&mut serde_json::Deserializer::from_str(text)).is_ok_and(|v| v.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_member_by_member_as_it_is_written() {
        let text = r#"{ "b" : 1.0 , "a\u0061":{"z":1,"z":2}, "n":null }"#;
        let members = Members::read(text, &["b"]).unwrap();
        assert_eq!(members.get("b"), Some("1.0"));
        assert_eq!(members.get("aa"), Some(r#"{"z":1,"z":2}"#));
        assert_eq!(members.get("n"), Some("null"));
        assert!(members.get("c").is_none() && members.string("b").is_none());
    }

    #[test]
    fn a_member_goes_with_its_name_and_the_rest_stays_as_it_is_written() {
        for (object, expected) in [
            (r#"{"x":1,"b":2}"#, r#"{"b":2}"#),
            (r#"{ "x" : "a,}" , "b":2}"#, r#"{ "b":2}"#),
            (r#"{"a":"," , "x":1 , "b":2}"#, r#"{"a":"," , "b":2}"#),
            (r#"{"a":1, "\u0078":{"x":[]} }"#, r#"{"a":1 }"#),
            (r#"{ "x":1 }"#, "{ }"),
        ] {
            let members = Members::read(object, &[]).unwrap();
            let entry = members.entry(object, "x").unwrap();
            let left = spliced(object, &[(entry, String::new())]);
            assert_eq!(left, expected, "{object}");
            assert_eq!(members.entry(object, "y"), None);
        }
    }

    #[test]
    fn what_two_programs_would_read_in_two_ways_is_refused() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"name":1,"Name":2}"#,
            r#"{"NAME":1}"#,
            "{\"a\":1}x",
            "[]",
            "",
        ] {
            assert!(Members::read(text, &["name"]).is_err(), "{text}");
        }
        for text in [
            r#"{"a":{"b":1,"b":2}}"#,
            r#"[{"b":1,"\u0062":2}]"#,
            "1 2",
            "",
        ] {
            assert!(value(text).is_err(), "{text}");
        }
        assert_eq!(
            value(r#"{"a":[1,-2,0.5,"x",null,true]}"#).unwrap(),
            serde_json::json!({"a": [1, -2, 0.5, "x", null, true]})
        );
    }

    #[test]
    fn depth_is_bounded_and_brackets_in_texts_are_none() {
        let deep = |count: usize| format!("{}{}", "[".repeat(count), "]".repeat(count));
        assert!(text(deep(limits::JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(
            text(deep(limits::JSON_DEPTH_MAX + 1).as_bytes()),
            Err(Malformed::Depth)
        );
        let quoted = format!("\"\\\"{}\"", "[".repeat(500));
        assert!(text(quoted.as_bytes()).is_ok());
        assert_eq!(text(b"\xff"), Err(Malformed::Encoding));
    }
}
