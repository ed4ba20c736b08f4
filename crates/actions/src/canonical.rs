//! JSON in one spelling (RFC 8785), so that two texts that mean the same have the same hash and two that do not never do.
//!
//! The reader is strict where readers differ: a member that stands twice is refused at any depth, and so is whatever is too long, too
//! deep or too much. Whole numbers that a double cannot hold, which RFC 8785 does not admit, are written digit by digit where they are
//! known exactly, and refused in arguments where they are not: an approval of one number must not open another. Called by
//! [`crate::definition`], and by approvals for the arguments they bind.

use std::fmt::{self, Write as _};

use domain::limits;
use domain::opaque::{hex, sha256};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// From here on a double cannot tell whole numbers apart.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Why a text has no canonical spelling. Never says what stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Longer than [`limits::ACTION_JSON_BYTES_MAX`].
    #[error("it is longer than {} bytes", limits::ACTION_JSON_BYTES_MAX)]
    TooLong,
    /// Nested deeper than [`limits::ACTION_JSON_DEPTH_MAX`].
    #[error("it is nested deeper than {} levels", limits::ACTION_JSON_DEPTH_MAX)]
    TooDeep,
    /// More values than [`limits::ACTION_JSON_VALUES_MAX`].
    #[error("it holds more than {} values", limits::ACTION_JSON_VALUES_MAX)]
    TooMuch,
    /// A member of an object stands twice.
    #[error("a member of an object stands twice")]
    Twice,
    /// A number that readers may understand differently.
    #[error("it holds a number that cannot be told apart from others")]
    Number,
    /// No JSON.
    #[error("it is not JSON")]
    NotJson,
    /// Not what an action's definition looks like.
    #[error("it is not the definition of an action")]
    NoDefinition,
}

/// Whether a number that has no exact double is taken in its nearest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Yes: nothing is done with it but to show that it changed.
    Nearest,
    /// No: somebody agrees to this very number.
    Exact,
}

/// SHA-256 of a canonical text, in hexadecimal.
pub fn fingerprint(canonical: &str) -> String {
    hex(&sha256(canonical.as_bytes()))
}

/// Reads a text strictly. Takes time with its length and its depth.
pub fn read(text: &[u8], numbers: Numbers) -> Result<Value, Unfit> {
    if text.len() > limits::ACTION_JSON_BYTES_MAX {
        return Err(Unfit::TooLong);
    }
    let whole: &RawValue = serde_json::from_slice(text).map_err(|error| {
        if is_too_deep(text) && error.is_syntax() {
            Unfit::TooDeep
        } else {
            Unfit::NotJson
        }
    })?;
    let mut reader = Reader {
        numbers,
        left: limits::ACTION_JSON_VALUES_MAX,
    };
    reader.value(whole.get(), 0)
}

/// Whether more brackets are open somewhere than may be. Those inside strings count too: it only names a fault of what is refused anyway.
fn is_too_deep(text: &[u8]) -> bool {
    let opened = text.iter().filter(|byte| matches!(byte, b'[' | b'{'));
    opened.count() > limits::ACTION_JSON_DEPTH_MAX
}

/// Reads level by level, so that numbers are seen as they are written.
struct Reader {
    numbers: Numbers,
    left: usize,
}

impl Reader {
    fn value(&mut self, text: &str, depth: usize) -> Result<Value, Unfit> {
        self.left = self.left.checked_sub(1).ok_or(Unfit::TooMuch)?;
        let text = text.trim_ascii();
        let is_container = text.starts_with(['{', '[']);
        if is_container && depth >= limits::ACTION_JSON_DEPTH_MAX {
            return Err(Unfit::TooDeep);
        }
        if text.starts_with('{') {
            let members: Members<'_> = level(text)?;
            let mut all = Map::new();
            for (key, value) in members.0 {
                let value = self.value(value.get(), depth + 1)?;
                if all.insert(key, value).is_some() {
                    return Err(Unfit::Twice);
                }
            }
            Ok(Value::Object(all))
        } else if text.starts_with('[') {
            let items: Vec<&RawValue> = level(text)?;
            let items = items.iter().map(|item| self.value(item.get(), depth + 1));
            Ok(Value::Array(items.collect::<Result<_, _>>()?))
        } else if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            self.number(text)
        } else {
            level(text)
        }
    }

    fn number(&self, text: &str) -> Result<Value, Unfit> {
        if text == "-0" {
            return Ok(0.into());
        }
        if let Ok(whole) = text.parse::<u64>() {
            return Ok(whole.into());
        }
        if let Ok(whole) = text.parse::<i64>() {
            return Ok(whole.into());
        }
        let double: f64 = text.parse().map_err(|_| Unfit::NotJson)?;
        if self.numbers == Numbers::Exact && double.abs() >= EXACT_MAX {
            return Err(Unfit::Number);
        }
        let number = Number::from_f64(double).ok_or(Unfit::Number)?;
        Ok(Value::Number(number))
    }
}

fn level<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, Unfit> {
    serde_json::from_str(text).map_err(|_| Unfit::NotJson)
}

/// The members of one object in their order, also those that stand twice.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'t> Deserialize<'t> for Members<'t> {
    fn deserialize<D: Deserializer<'t>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Gathered)
    }
}

struct Gathered;

impl<'t> Visitor<'t> for Gathered {
    type Value = Members<'t>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<Members<'t>, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = members.next_entry()? {
            all.push(member);
        }
        Ok(Members(all))
    }
}

/// The canonical spelling of a value.
pub fn spell(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => write_object(members, out),
    }
}

/// Members in the order of their keys' UTF-16 code units.
fn write_object(members: &Map<String, Value>, out: &mut String) {
    let mut ordered: Vec<_> = members.iter().collect();
    ordered.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    out.push('{');
    for (at, (key, value)) in ordered.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_text(key, out);
        out.push(':');
        write(value, out);
    }
    out.push('}');
}

/// As RFC 8785 3.2.2.2: only what must be escaped is.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}

fn write_number(number: &Number, out: &mut String) {
    if let Some(whole) = number.as_u64() {
        out.push_str(&whole.to_string());
    } else if let Some(whole) = number.as_i64() {
        out.push_str(&whole.to_string());
    } else if let Some(double) = number.as_f64() {
        write_double(double, out);
    }
}

/// As ECMAScript's Number::toString: the shortest digits that read back, with an exponent from 1e21 on and below 1e-6.
fn write_double(double: f64, out: &mut String) {
    if double == 0.0 {
        out.push('0');
        return;
    }
    let scientific = format!("{:e}", double.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if double < 0.0 {
        out.push('-');
    }
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let point = exponent + 1;
    let zeros = |many: i32| "0".repeat(usize::try_from(many).unwrap_or(0));
    if count <= point && point <= 21 {
        out.push_str(&digits);
        out.push_str(&zeros(point - count));
    } else if 0 < point && point <= 21 {
        let (whole, rest) = digits.split_at(usize::try_from(point).unwrap_or(0));
        let _ = write!(out, "{whole}.{rest}");
    } else if -6 < point && point <= 0 {
        let _ = write!(out, "0.{}{digits}", zeros(-point));
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { "" } else { "+" };
        let _ = write!(out, "{first}{dot}{rest}e{sign}{exponent}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> Result<String, Unfit> {
        read(text.as_bytes(), Numbers::Exact).map(|value| spell(&value))
    }

    #[test]
    fn texts_that_mean_the_same_are_spelled_the_same() {
        for (text, expected) in [
            (r#" { "b" : 1 , "a" : [ ] } "#, r#"{"a":[],"b":1}"#),
            (r#""\u0041\/\u00e9""#, "\"A/é\""),
            (
                "\"\\u001f\\u0008\\t\\n\\f\\r\\\"\\\\\"",
                "\"\\u001f\\b\\t\\n\\f\\r\\\"\\\\\"",
            ),
            ("[1.0,1e0,10e-1,0.1e1]", "[1,1,1,1]"),
            ("[-0,-0.0,0e5]", "[0,0,0]"),
            // the order is that of UTF-16: the emoji's surrogates come before the private-use character
            (
                "{\"\u{e000}\":1,\"\u{1f600}\":2}",
                "{\"\u{1f600}\":2,\"\u{e000}\":1}",
            ),
            (
                "[18446744073709551615,9007199254740993]",
                "[18446744073709551615,9007199254740993]",
            ),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn doubles_are_spelled_as_ecmascript_does() {
        for (double, expected) in [
            (333_333_333.333_333_3, "333333333.3333333"),
            (1e30, "1e+30"),
            (4.5, "4.5"),
            (0.002, "0.002"),
            (1e-27, "1e-27"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-1.5e-9, "-1.5e-9"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (999_999_999_999_999_900_000.0, "999999999999999900000"),
        ] {
            let mut out = String::new();
            write_double(double, &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn what_readers_may_understand_differently_is_refused() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let many = |values: usize| format!("[{}0]", "0,".repeat(values));
        for (text, expected) in [
            (r#"{"a":1,"a":1}"#.to_owned(), Unfit::Twice),
            (r#"{"x":[{"a":1,"\u0061":2}]}"#.to_owned(), Unfit::Twice),
            ("100000000000000000001".to_owned(), Unfit::Number),
            ("9007199254740993.0".to_owned(), Unfit::Number),
            ("1e400".to_owned(), Unfit::Number),
            ("NaN".to_owned(), Unfit::NotJson),
            ("{} {}".to_owned(), Unfit::NotJson),
            ("\"\\ud800\"".to_owned(), Unfit::NotJson),
            (String::new(), Unfit::NotJson),
            (deep(limits::ACTION_JSON_DEPTH_MAX + 1), Unfit::TooDeep),
            (deep(100_000), Unfit::TooDeep),
            (many(limits::ACTION_JSON_VALUES_MAX), Unfit::TooMuch),
            (
                " ".repeat(limits::ACTION_JSON_BYTES_MAX + 1),
                Unfit::TooLong,
            ),
        ] {
            assert_eq!(canonical(&text), Err(expected), "{text:.40}");
        }
        assert!(canonical(&deep(limits::ACTION_JSON_DEPTH_MAX)).is_ok());
        assert!(read(b"1.5e300", Numbers::Nearest).is_ok());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e15..1e15_f64).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_canonical_text_reads_back_to_itself(value in any_json()) {
            let once = spell(&value);
            prop_assert_eq!(canonical(&once), Ok(once.clone()));
        }

        #[test]
        fn doubles_read_back_to_themselves(bits in any::<u64>()) {
            let double = f64::from_bits(bits);
            prop_assume!(double.is_finite());
            let mut out = String::new();
            write_double(double, &mut out);
            // bit for bit, save that there is one zero
            let back = out.parse::<f64>().unwrap();
            prop_assert!(back.to_bits() == double.to_bits() || (back == 0.0 && double == 0.0));
        }

        #[test]
        fn nothing_that_is_sent_panics(text in any::<Vec<u8>>()) {
            let _ = read(&text, Numbers::Nearest);
        }
    }
}
