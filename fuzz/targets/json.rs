//! The JSON scanner against `serde_json`: what one accepts the other does, and both read the same strings in the same order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wire::json::{self, JsonFault, Place, RawStr, Visit};

/// Below `serde_json`'s own bound, so that ours is met first.
const DEPTH_MAX: usize = 100;

#[derive(Default)]
struct Texts(Vec<String>);

impl<'a> Visit<'a> for Texts {
    fn text(&mut self, text: RawStr<'a>, place: Place<'a>) {
        let mut buffer = String::new();
        let meaning = text.decode();
        assert_eq!(text.decode_in(&mut buffer), meaning);
        assert!(text.means(&meaning) && text.means_same(text));
        assert_eq!(text.is_escaped(), text.raw().contains('\\'));
        assert!(place.depth <= DEPTH_MAX && (!place.key || place.depth > 0));
        self.0.push(meaning.into_owned());
    }
}

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

/// Whether `serde_json` refuses it for a reason that is its own: a number too large for its types.
fn is_out_of_range(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("number out of range")
}

fuzz_target!(|document: &[u8]| {
    let mut texts = Texts::default();
    let reference = serde_json::from_slice::<Value>(document);
    match json::scan(document, DEPTH_MAX, &mut texts) {
        Err(error) => {
            assert!(error.at <= document.len());
            let stricter = matches!(
                error.fault,
                JsonFault::DuplicateKey | JsonFault::TooManyKeys | JsonFault::TooDeep
            );
            assert!(stricter || reference.is_err(), "only we refuse: {error}");
        }
        // a key by which `serde_json` speaks to itself is not read as what it is
        Ok(())
            if texts
                .0
                .iter()
                .any(|text| text.starts_with("$serde_json::private::")) => {}
        Ok(()) => match reference {
            Err(error) => assert!(is_out_of_range(&error), "only we accept: {error}"),
            Ok(value) => {
                let mut expected = Vec::new();
                texts_of(&value, &mut expected);
                // `serde_json` keeps the last of equal keys below the outermost object; we report all.
                if expected.len() == texts.0.len() {
                    assert_eq!(texts.0, expected);
                } else {
                    assert!(texts.0.len() > expected.len());
                    assert!(expected.iter().all(|text| texts.0.contains(text)));
                }
            }
        },
    }
});
