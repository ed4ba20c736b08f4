//! Reads one JSON object so that it can be read in one way only: UTF-8, no member twice at any depth, bounded nesting, nothing
//! after it. For the small documents of identity: token headers, claims, key sets. Bodies of requests have `wire`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads `bytes` as one object nested at most `depth` deep, itself included. None says that it is not such an object.
pub(super) fn object(bytes: &[u8], depth: usize) -> Option<Map<String, Value>> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, accepted: bool) {
        assert_eq!(object(text.as_bytes(), 3).is_some(), accepted, "{text}");
    }

    #[test]
    fn an_object_is_read_whole_and_once() {
        check(r#"{"a":1,"b":[true,null,"x",1.5,-2]}"#, true);
        for text in [
            "",
            "[]",
            "1",
            "null",
            "{",
            r#"{"a":1} x"#,
            r#"{"a":1}{}"#,
            r#"{"a":1,}"#,
            r#"{"a":01}"#,
            r#"{"a":"\ud800"}"#,
        ] {
            check(text, false);
        }
    }

    #[test]
    fn a_member_may_stand_once_at_any_depth_however_it_is_spelled() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"a":1,"a":2}]}"#,
        ] {
            check(text, false);
        }
        check(r#"{"a":{"a":{}}}"#, true);
    }

    #[test]
    fn nesting_is_bounded() {
        check(r#"{"a":[[]]}"#, true);
        check(r#"{"a":[[[]]]}"#, false);
        assert!(object(format!("{{\"a\":{}", "[".repeat(200_000)).as_bytes(), 16).is_none());
    }

    #[test]
    fn text_that_is_not_utf_8_is_refused() {
        assert!(object(b"{\"a\":\"\xff\"}", 3).is_none());
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_any_parser_reads(names in prop::collection::btree_map("[a-z]{1,4}", any::<i64>(), 0..8)) {
            let text = serde_json::to_vec(&names).unwrap();
            let read = object(&text, 1).unwrap();
            prop_assert_eq!(Value::Object(read), serde_json::from_slice::<Value>(&text).unwrap());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = object(&bytes, 4);
        }
    }
}
