//! A strict reader of one JSON document (RFC 8259) that reports its strings and builds nothing.
//!
//! Stricter than the RFC demands, so that no second parser behind us can read the document otherwise: UTF-8 only, no lone
//! surrogates, no key twice in the outermost object, bounded nesting, nothing after the value. Errors tell where, never what.
//! Called by [`crate::Envelope`] and by the doors; it never recurses and never copies the document.

mod scanner;
mod text;

use domain::limits::JSON_TOP_LEVEL_KEYS_MAX;

pub use text::RawStr;

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFault {
    /// Not UTF-8.
    NotUtf8,
    /// The document ends too early.
    Truncated,
    /// A byte that cannot stand here.
    Unexpected,
    /// A number that is none.
    Number,
    /// An escape that is none, or half a surrogate pair.
    Escape,
    /// A control character inside a string.
    Control,
    /// Nested deeper than allowed.
    TooDeep,
    /// A key stands twice in the outermost object.
    DuplicateKey,
    /// More keys in the outermost object than [`JSON_TOP_LEVEL_KEYS_MAX`].
    TooManyKeys,
    /// Something follows the value.
    Trailing,
    /// A field has a type it may not have.
    FieldType,
}

impl JsonFault {
    /// What is wrong, as the end of a sentence.
    pub const fn what(self) -> &'static str {
        match self {
            Self::NotUtf8 => "it is not UTF-8",
            Self::Truncated => "it ends too early",
            Self::Unexpected => "a character cannot stand there",
            Self::Number => "a number is malformed",
            Self::Escape => "a string has a malformed escape",
            Self::Control => "a string holds a bare control character",
            Self::TooDeep => "it is nested too deeply",
            Self::DuplicateKey => "a key stands twice",
            Self::TooManyKeys => "its outermost object has too many keys",
            Self::Trailing => "something follows it",
            Self::FieldType => "a field has the wrong type",
        }
    }
}

/// A fault and the byte offset where it was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the JSON is not acceptable: {} (byte {at})", .fault.what())]
pub struct JsonError {
    /// What.
    pub fault: JsonFault,
    /// Where, in bytes from the start.
    pub at: usize,
}

/// A scalar value of the outermost object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// A string.
    Text(RawStr<'a>),
    /// A number, as it stands.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// Where a string stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The key of the outermost object under which it stands; for such a key, the key itself. None outside any object's field.
    pub field: Option<RawStr<'a>>,
    /// How many containers are open around it: 1 for the outermost object's own keys and values.
    pub depth: usize,
    /// Whether it is a key.
    pub key: bool,
    /// The key whose value it is. None for keys and for items of arrays.
    pub name: Option<RawStr<'a>>,
}

/// What a document's reader wants to hear of. Every method does nothing unless overridden.
pub trait Visit<'a> {
    /// A string value or object key, anywhere in the document.
    fn text(&mut self, _text: RawStr<'a>, _place: Place<'a>) {}
    /// A number anywhere in the document, as it stands.
    fn number(&mut self, _number: &'a str) {}
    /// A field of the outermost object whose value is a scalar.
    fn scalar(&mut self, _key: RawStr<'a>, _value: Scalar<'a>) -> Result<(), JsonFault> {
        Ok(())
    }
    /// A field of the outermost object whose value is an object (`true`) or an array (`false`).
    fn nested(&mut self, _key: RawStr<'a>, _object: bool) -> Result<(), JsonFault> {
        Ok(())
    }
}

/// Reads one document, nested at most `depth_max` deep. Time grows with its length alone.
pub fn scan<'a>(
    document: &'a [u8],
    depth_max: usize,
    visit: &mut impl Visit<'a>,
) -> Result<(), JsonError> {
    let text = std::str::from_utf8(document).map_err(|error| JsonError {
        fault: JsonFault::NotUtf8,
        at: error.valid_up_to(),
    })?;
    let mut scanner = scanner::Scanner::new(text, depth_max, JSON_TOP_LEVEL_KEYS_MAX);
    scanner.document(visit).map_err(|fault| JsonError {
        fault,
        at: scanner.at(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;
    impl Visit<'_> for Nothing {}

    fn fault(document: &[u8]) -> Option<JsonFault> {
        scan(document, 128, &mut Nothing)
            .err()
            .map(|error| error.fault)
    }

    #[test]
    fn what_another_parser_might_read_otherwise_is_refused() {
        use JsonFault::*;
        for (document, expected) in [
            (&b"{\"a\":1,\"a\":2}"[..], DuplicateKey),
            (b"{\"a\":1,\"\\u0061\":2}", DuplicateKey),
            (b"\"\\ud800\"", Escape),
            (b"\"\\udc00\"", Escape),
            (b"\"\\ud800\\u0041\"", Escape),
            (b"\"\\ud800", Escape),
            (b"\"\\u12\"", Escape),
            (b"\"\\u+123\"", Escape),
            (b"\"\\x41\"", Escape),
            (b"\"\xff\"", NotUtf8),
            (b"\"\xed\xa0\x80\"", NotUtf8),
            (b"\"\xc0\xa2\"", NotUtf8),
            (b"\"a\nb\"", Control),
            (b"\"1234567\x008\"", Control),
            (b"{} {}", Trailing),
            (b"1 x", Trailing),
            (b"[1,]", Unexpected),
            (b"[,1]", Unexpected),
            (b"{\"a\":1,}", Unexpected),
            (b"{\"a\" 1}", Unexpected),
            (b"{\"a\":}", Unexpected),
            (b"{\"a\"}", Unexpected),
            (b"[01]", Unexpected),
            (b"[1.]", Number),
            (b"[1e]", Number),
            (b"[.5]", Unexpected),
            (b"[-]", Number),
            (b"[+1]", Unexpected),
            (b"[NaN]", Unexpected),
            (b"[nul]", Unexpected),
            (b"{a:1}", Unexpected),
            (b"[}", Unexpected),
            (b"[1}", Unexpected),
            (b"{]", Unexpected),
            (b"]", Unexpected),
            (b"// c\n1", Unexpected),
            (b"\"abc", Truncated),
            (b"\"abc\\", Truncated),
            (b"[1", Truncated),
            (b"{\"a\":", Truncated),
            (b"", Truncated),
            (b"\xef\xbb\xbf{}", Unexpected),
        ] {
            let shown = String::from_utf8_lossy(document);
            assert_eq!(fault(document), Some(expected), "{shown}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert_eq!(fault(&deep(128)), None);
        assert_eq!(fault(&deep(129)), Some(JsonFault::TooDeep));
        assert_eq!(fault(&vec![b'['; 10_000_000]), Some(JsonFault::TooDeep));
        assert_eq!(
            fault("{\"a\":".repeat(500_000).as_bytes()),
            Some(JsonFault::TooDeep)
        );
    }

    #[test]
    fn a_flood_of_keys_is_refused_before_it_costs_anything() {
        let keys = |count: usize| {
            let fields: Vec<_> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert_eq!(fault(keys(256).as_bytes()), None);
        assert_eq!(
            fault(keys(1_000_000).as_bytes()),
            Some(JsonFault::TooManyKeys)
        );
        // Deeper objects may have as many as they like: nothing is kept of them.
        let nested = format!("{{\"a\":{}}}", keys(10_000));
        assert_eq!(fault(nested.as_bytes()), None);
    }

    #[test]
    fn an_error_tells_where_and_never_what() {
        let error = scan(br#"{"password":"hunter2","password":1}"#, 8, &mut Nothing).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the JSON is not acceptable: a key stands twice (byte 32)"
        );
    }

    #[test]
    fn every_string_is_reported_with_its_place() {
        /// Text, field, depth, whether a key, name; a dash for none.
        #[derive(Default)]
        struct Places(Vec<String>);
        impl<'a> Visit<'a> for Places {
            fn text(&mut self, text: RawStr<'a>, place: Place<'a>) {
                let or_dash = |key: Option<RawStr<'_>>| {
                    key.map_or("-".to_owned(), |key| key.decode().into_owned())
                };
                let kind = if place.key { "key" } else { "value" };
                let (field, name) = (or_dash(place.field), or_dash(place.name));
                let text = text.decode();
                self.0
                    .push(format!("{text} {field} {} {kind} {name}", place.depth));
            }
        }
        let mut places = Places::default();
        let document =
            br#"{"a":["x\n\"y\"","\ud83d\ude00"],"b":{"c":{"e":"f"},"d":"\/\u0041"},"g":"h"}"#;
        scan(document, 8, &mut places).unwrap();
        assert_eq!(
            places.0,
            [
                "a a 1 key -",
                "x\n\"y\" a 2 value -",
                "\u{1f600} a 2 value -",
                "b b 1 key -",
                "c b 2 key -",
                "e b 3 key -",
                "f b 3 value e",
                "d b 2 key -",
                "/A b 2 value d",
                "g g 1 key -",
                "h g 1 value g",
            ]
        );
    }

    #[test]
    fn a_string_outside_any_field_has_none() {
        struct NoField;
        impl<'a> Visit<'a> for NoField {
            fn text(&mut self, _: RawStr<'a>, place: Place<'a>) {
                assert_eq!(place.field, None);
            }
        }
        for document in [&br#""x""#[..], br#"["x",{"y":"z"}]"#] {
            scan(document, 8, &mut NoField).unwrap();
        }
    }
}
