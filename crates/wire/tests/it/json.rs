//! The scanner against `serde_json`: the same documents are accepted, but for the stricter rules it names, and the same strings
//! are read.

use proptest::prelude::*;
use serde_json::Value;
use wire::json::{self, JsonFault, Place, RawStr, Visit};
use wire::{Envelope, JsonError};

#[derive(Default)]
struct Texts(Vec<String>);

impl<'a> Visit<'a> for Texts {
    fn text(&mut self, text: RawStr<'a>, _: Place<'a>) {
        self.0.push(text.decode().into_owned());
    }
}

fn texts(document: &[u8]) -> Result<Vec<String>, JsonFault> {
    let mut texts = Texts::default();
    json::scan(document, 100, &mut texts).map_err(|error| error.fault)?;
    Ok(texts.0)
}

/// The strings and keys of a value, in the order of the document.
fn texts_of(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, out)),
        Value::Object(fields) => fields.iter().for_each(|(key, field)| {
            out.push(key.clone());
            texts_of(field, out);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// JSON texts, mostly well formed.
fn documents() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "\"(\\\\u[0-9a-fA-F]{4}|\\\\ud[89ab][0-9a-f]{2}\\\\ud[c-f][0-9a-f]{2}|[a-z]|\\\\[nrtbf/\"\\\\]){0,6}\"",
        "[\\[\\]{},:\"0-9a-z\\\\ ]{0,6}",
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        let blank = "[ \n\r\t]{0,2}";
        prop_oneof![
            (blank, prop::collection::vec(inner.clone(), 0..5))
                .prop_map(|(blank, items)| format!("[{blank}{}{blank}]", items.join(","))),
            (blank, prop::collection::vec(("[a-z]{0,5}", inner), 0..5)).prop_map(
                |(blank, fields)| {
                    let fields: Vec<_> = fields
                        .iter()
                        .map(|(key, value)| format!("{blank}\"{key}\"{blank}:{value}"))
                        .collect();
                    format!("{{{}{blank}}}", fields.join(","))
                }
            ),
        ]
    })
}

proptest! {
    #[test]
    fn the_same_documents_are_accepted_but_for_keys_that_stand_twice(document in documents()) {
        let reference = serde_json::from_str::<Value>(&document);
        match texts(document.as_bytes()) {
            Ok(_) => prop_assert!(reference.is_ok(), "{document}"),
            Err(JsonFault::DuplicateKey) => {}
            Err(fault) => prop_assert!(reference.is_err(), "{fault:?} {document}"),
        }
    }

    #[test]
    fn the_same_strings_are_read_in_the_same_order(text in any::<String>(), keys in prop::collection::btree_set(any::<String>(), 0..5)) {
        let fields: serde_json::Map<_, _> = keys
            .iter()
            .map(|key| (key.clone(), serde_json::json!([text, {"in": key}])))
            .collect();
        let value = Value::Object(fields);
        let mut expected = Vec::new();
        texts_of(&value, &mut expected);
        for document in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(&texts(document.as_bytes()).unwrap(), &expected);
        }
    }

    #[test]
    fn one_changed_byte_is_judged_as_serde_json_judges_it(document in documents(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = document.into_bytes();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let reference = serde_json::from_slice::<Value>(&bytes).is_ok();
        match texts(&bytes) {
            Err(JsonFault::DuplicateKey) => {}
            judged => prop_assert_eq!(judged.is_ok(), reference, "{:?}", bytes),
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = texts(&bytes);
        let _: Result<Envelope<'_>, JsonError> = Envelope::read(&bytes, 8, Some(&mut |_| {}));
    }

    #[test]
    fn the_envelope_is_the_same_with_and_without_a_listener(document in documents(), stream in any::<bool>(), max in any::<u64>()) {
        let body = format!(r#"{{"x":{document},"model":"m","stream":{stream},"max_tokens":{max},"messages":[]}}"#);
        let alone = Envelope::read(body.as_bytes(), 100, None);
        let heard = Envelope::read(body.as_bytes(), 100, Some(&mut |_| {}));
        prop_assert_eq!(&alone, &heard);
        if let Ok(envelope) = alone {
            prop_assert_eq!((envelope.stream, envelope.max_tokens), (stream, Some(max)));
        }
    }
}
