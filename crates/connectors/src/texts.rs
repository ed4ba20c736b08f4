//! Every text of a JSON text, read without building anything: an answer of many megabytes costs no more memory than its longest text, and
//! what some readers refuse (a number too large for a double, half a pair of surrogates) hides nothing. Pure.

use std::borrow::Cow;

/// Shows every text and every number of a JSON text, names of members among them, in the order in which they stand. Of what is no JSON, what
/// stands between quotes and what looks like a number.
pub fn each(json: &str, see: &mut dyn FnMut(&str)) {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' {
            let end = end_of_text(bytes, at + 1);
            // Quotes are ASCII: what stands between them is whole letters.
            see(&read(&json[at + 1..end]));
            at = end + 1;
        } else if byte == b'-' || byte.is_ascii_digit() {
            let rest = bytes[at..].iter();
            let length = rest.take_while(|byte| is_of_number(**byte)).count();
            see(&json[at..at + length]);
            at += length;
        } else {
            at += 1;
        }
    }
}

/// Where the text that begins here ends.
fn end_of_text(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

const fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// A text as it is meant. Half a pair of surrogates is a letter that stands for none.
fn read(written: &str) -> Cow<'_, str> {
    let Some((plain, _)) = written.split_once('\\') else {
        return Cow::Borrowed(written);
    };
    let mut out = String::with_capacity(written.len());
    out.push_str(plain);
    let mut rest = &written[plain.len()..];
    while let Some(escaped) = rest.strip_prefix('\\') {
        let mut letters = escaped.chars();
        rest = match letters.next() {
            Some('u') => unicode(letters.as_str(), &mut out),
            Some(letter) => {
                out.push(match letter {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    other => other,
                });
                letters.as_str()
            }
            None => "",
        };
        let next = rest.find('\\').unwrap_or(rest.len());
        out.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(out)
}

/// Reads what stands behind `\u`, and returns what is left.
fn unicode<'t>(text: &'t str, out: &mut String) -> &'t str {
    let unit = |text: &str| {
        let digits = text.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(text) else {
        return text;
    };
    let after = &text[4..];
    let second = after.strip_prefix("\\u").and_then(unit);
    if let Some(second) = second
        && let Some(Ok(letter)) = char::decode_utf16([first, second]).next()
        && letter.len_utf16() == 2
    {
        out.push(letter);
        return &after[6..];
    }
    let letter = char::decode_utf16([first]).next().and_then(Result::ok);
    out.push(letter.unwrap_or(char::REPLACEMENT_CHARACTER));
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn seen(json: &str) -> Vec<String> {
        let mut all = Vec::new();
        each(json, &mut |text| all.push(text.to_owned()));
        all
    }

    #[test]
    fn texts_are_read_as_they_are_meant() {
        for (json, expected) in [
            (
                r#"{"a":"x\ny","b":[1,-2.5e3,true,null]}"#,
                &["a", "x\ny", "b", "1", "-2.5e3"][..],
            ),
            (
                r#""\u0069gnore \ud83d\ude00 \" \\ \/""#,
                &["ignore 😀 \" \\ /"],
            ),
            (r#"["\ud800x","\ud800\u0041"]"#, &["\u{fffd}x", "\u{fffd}A"]),
            (r#"{"n":1e400,"n":"twice"}"#, &["n", "1e400", "n", "twice"]),
            (r#""ends"#, &["ends"]),
            (r#""ends\"#, &["ends"]),
            (r#""\u12"#, &["12"]),
            (r#""\uüüüü""#, &["üüüü"]),
            ("", &[]),
        ] {
            assert_eq!(seen(json), expected, "{json}");
        }
    }

    fn of_value(value: &Value, all: &mut Vec<String>) {
        match value {
            Value::String(text) => all.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| of_value(item, all)),
            Value::Object(members) => {
                for (name, member) in members {
                    all.push(name.clone());
                    of_value(member, all);
                }
            }
            Value::Number(number) => all.push(number.to_string()),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let named = proptest::collection::vec((any::<String>(), inner.clone()), 0..4);
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Value::from),
                named.prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn of_json_everything_is_seen(value in values()) {
            let mut all = Vec::new();
            of_value(&value, &mut all);
            prop_assert_eq!(seen(&value.to_string()), all.clone());
            prop_assert_eq!(seen(&serde_json::to_string_pretty(&value).unwrap()), all);
        }

        #[test]
        fn whatever_comes_is_read(text in any::<String>()) {
            seen(&text);
        }
    }
}
