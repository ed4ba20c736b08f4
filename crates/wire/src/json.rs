//! A strict reader of one JSON document (RFC 8259) that reports its strings and builds nothing.
//!
//! Stricter than the RFC demands, so that no second parser behind us can read the document otherwise: UTF-8 only, no lone
//! surrogates, no key twice in the outermost object, bounded nesting, nothing after the value. Errors tell where, never what.

use std::borrow::Cow;

use memchr::memchr2;

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

/// The text between the quotes of a JSON string, as it stands in the document. Only the scanner makes one, so its escapes are
/// known to be well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawStr<'a> {
    text: &'a str,
    escaped: bool,
}

impl<'a> RawStr<'a> {
    /// The text as it stands in the document.
    pub const fn raw(self) -> &'a str {
        self.text
    }

    /// The text it means; borrowed when nothing is escaped.
    pub fn decode(self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.text);
        }
        let mut out = String::with_capacity(self.text.len());
        self.decode_into(&mut out);
        Cow::Owned(out)
    }

    /// Appends the text it means.
    pub fn decode_into(self, out: &mut String) {
        let mut rest = self.text;
        while let Some((plain, tail)) = rest.split_once('\\') {
            out.push_str(plain);
            let (letter, after) = unescape(tail);
            out.push(letter);
            rest = after;
        }
        out.push_str(rest);
    }

    /// Whether the text means exactly `other`.
    pub fn means(self, other: &str) -> bool {
        if self.escaped {
            self.decode() == other
        } else {
            self.text == other
        }
    }
}

/// The character after a backslash, and what follows it. The scanner has checked every escape already.
fn unescape(tail: &str) -> (char, &str) {
    let (first, rest) = tail.split_at(1);
    match first {
        "b" => ('\u{8}', rest),
        "f" => ('\u{c}', rest),
        "n" => ('\n', rest),
        "r" => ('\r', rest),
        "t" => ('\t', rest),
        "u" => {
            let high = hex4(rest.as_bytes()).unwrap_or(0xfffd);
            if !(0xd800..0xdc00).contains(&high) {
                return (char::from_u32(high).unwrap_or('\u{fffd}'), &rest[4..]);
            }
            let low = hex4(&rest.as_bytes()[6..]).unwrap_or(0xdc00);
            let code = 0x1_0000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
            (char::from_u32(code).unwrap_or('\u{fffd}'), &rest[10..])
        }
        _ => (first.chars().next().unwrap_or('\\'), rest),
    }
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(..4)?;
    digits.iter().try_fold(0u32, |value, &digit| {
        Some((value << 4) | char::from(digit).to_digit(16)?)
    })
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

/// What a document's reader wants to hear of. Every method does nothing unless overridden.
pub trait Visit<'a> {
    /// A string value or object key, anywhere in the document.
    fn text(&mut self, _text: RawStr<'a>) {}
    /// A field of the outermost object whose value is a scalar.
    fn scalar(&mut self, _key: RawStr<'a>, _value: Scalar<'a>) -> Result<(), JsonFault> {
        Ok(())
    }
    /// A field of the outermost object whose value is an object (`true`) or an array (`false`).
    fn nested(&mut self, _key: RawStr<'a>, _object: bool) -> Result<(), JsonFault> {
        Ok(())
    }
}

/// Reads one document, nested at most `depth_max` deep.
pub fn scan<'a>(
    document: &'a [u8],
    depth_max: usize,
    visit: &mut impl Visit<'a>,
) -> Result<(), JsonError> {
    let text = std::str::from_utf8(document).map_err(|error| JsonError {
        fault: JsonFault::NotUtf8,
        at: error.valid_up_to(),
    })?;
    let mut scanner = Scanner {
        text,
        bytes: document,
        at: 0,
        depth_max,
        open: Vec::new(),
        keys: Vec::new(),
    };
    scanner.document(visit).map_err(|fault| JsonError {
        fault,
        at: scanner.at,
    })
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth_max: usize,
    /// For every open container whether it is an object.
    open: Vec<bool>,
    /// The keys of the outermost object so far.
    keys: Vec<RawStr<'a>>,
}

type Step<T> = Result<T, JsonFault>;

impl<'a> Scanner<'a> {
    fn document(&mut self, visit: &mut impl Visit<'a>) -> Step<()> {
        self.value(None, visit)?;
        while let Some(&object) = self.open.last() {
            self.next_member(object, visit)?;
        }
        self.blanks();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(JsonFault::Trailing)
        }
    }

    /// After a value inside a container: the comma and the next member, or the container's end.
    fn next_member(&mut self, object: bool, visit: &mut impl Visit<'a>) -> Step<()> {
        self.blanks();
        match self.peek()? {
            b',' => {
                self.at += 1;
                self.member(object, visit)
            }
            b'}' if object => self.close(),
            b']' if !object => self.close(),
            _ => Err(JsonFault::Unexpected),
        }
    }

    fn close(&mut self) -> Step<()> {
        self.at += 1;
        self.open.pop();
        Ok(())
    }

    fn member(&mut self, object: bool, visit: &mut impl Visit<'a>) -> Step<()> {
        if !object {
            return self.value(None, visit);
        }
        self.blanks();
        if self.peek()? != b'"' {
            return Err(JsonFault::Unexpected);
        }
        let key = self.string()?;
        visit.text(key);
        let outermost = self.open.len() == 1;
        if outermost {
            if self
                .keys
                .iter()
                .any(|known| *known == key || known.decode() == key.decode())
            {
                return Err(JsonFault::DuplicateKey);
            }
            self.keys.push(key);
        }
        self.blanks();
        if self.peek()? != b':' {
            return Err(JsonFault::Unexpected);
        }
        self.at += 1;
        self.value(outermost.then_some(key), visit)
    }

    /// One value; for a container only its opening and, when it is not empty, its first member.
    fn value(&mut self, field: Option<RawStr<'a>>, visit: &mut impl Visit<'a>) -> Step<()> {
        self.blanks();
        let scalar = match self.peek()? {
            b'"' => {
                let text = self.string()?;
                visit.text(text);
                Scalar::Text(text)
            }
            byte @ (b'{' | b'[') => return self.container(field, byte == b'{', visit),
            b't' => self.word("true", Scalar::Bool(true))?,
            b'f' => self.word("false", Scalar::Bool(false))?,
            b'n' => self.word("null", Scalar::Null)?,
            b'-' | b'0'..=b'9' => Scalar::Number(self.number()?),
            _ => return Err(JsonFault::Unexpected),
        };
        field.map_or(Ok(()), |key| visit.scalar(key, scalar))
    }

    fn container(
        &mut self,
        field: Option<RawStr<'a>>,
        object: bool,
        visit: &mut impl Visit<'a>,
    ) -> Step<()> {
        if self.open.len() >= self.depth_max {
            return Err(JsonFault::TooDeep);
        }
        if let Some(key) = field {
            visit.nested(key, object)?;
        }
        self.at += 1;
        self.open.push(object);
        self.blanks();
        if self.peek()? == if object { b'}' } else { b']' } {
            return self.close();
        }
        // Recursion is one level deep per opening bracket and bounded by `depth_max`.
        self.member(object, visit)
    }

    fn word(&mut self, word: &str, scalar: Scalar<'a>) -> Step<Scalar<'a>> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(scalar)
        } else {
            Err(JsonFault::Unexpected)
        }
    }

    fn number(&mut self) -> Step<&'a str> {
        let start = self.at;
        if self.peek_is(b'-') {
            self.at += 1;
        }
        if self.peek_is(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek_is(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if self.peek_is(b'e') || self.peek_is(b'E') {
            self.at += 1;
            if self.peek_is(b'+') || self.peek_is(b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Step<()> {
        let count = self.bytes[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += count;
        if count == 0 {
            Err(JsonFault::Number)
        } else {
            Ok(())
        }
    }

    /// A string from its opening quote on.
    fn string(&mut self) -> Step<RawStr<'a>> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.bytes[self.at..];
            let Some(stop) = memchr2(b'"', b'\\', rest) else {
                return Err(JsonFault::Truncated);
            };
            if has_control(&rest[..stop]) {
                return Err(JsonFault::Control);
            }
            self.at += stop;
            if rest[stop] == b'"' {
                let text = &self.text[start..self.at];
                self.at += 1;
                return Ok(RawStr { text, escaped });
            }
            escaped = true;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Step<()> {
        let rest = &self.bytes[self.at + 1..];
        match rest.first() {
            None => Err(JsonFault::Truncated),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => {
                let unit = hex4(&rest[1..]).ok_or(JsonFault::Escape)?;
                match unit {
                    0xdc00..=0xdfff => Err(JsonFault::Escape),
                    0xd800..=0xdbff => {
                        let low = rest
                            .get(5..7)
                            .filter(|pair| *pair == b"\\u")
                            .and_then(|_| hex4(&rest[7..]));
                        if !low.is_some_and(|low| (0xdc00..0xe000).contains(&low)) {
                            return Err(JsonFault::Escape);
                        }
                        self.at += 12;
                        Ok(())
                    }
                    _ => {
                        self.at += 6;
                        Ok(())
                    }
                }
            }
            Some(_) => Err(JsonFault::Escape),
        }
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Step<u8> {
        self.bytes.get(self.at).copied().ok_or(JsonFault::Truncated)
    }

    fn peek_is(&self, byte: u8) -> bool {
        self.bytes.get(self.at) == Some(&byte)
    }
}

/// Whether a bare control character is among these bytes. Written without an early exit, so that it becomes vector code.
fn has_control(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(false, |found, &byte| found | (byte < 0x20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Texts(Vec<String>);

    impl<'a> Visit<'a> for Texts {
        fn text(&mut self, text: RawStr<'a>) {
            self.0.push(text.decode().into_owned());
        }
    }

    fn fault(document: &[u8]) -> Option<JsonFault> {
        scan(document, 128, &mut Texts::default())
            .err()
            .map(|error| error.fault)
    }

    #[test]
    fn every_string_is_reported_decoded() {
        let mut texts = Texts::default();
        scan(
            br#"{"a":["x\n\"y\"","\ud83d\ude00"],"b":{"c":1e5,"d":"\/\u0041"}}"#,
            8,
            &mut texts,
        )
        .unwrap();
        assert_eq!(texts.0, ["a", "x\n\"y\"", "\u{1f600}", "b", "c", "d", "/A"]);
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
            (b"\"\xff\"", NotUtf8),
            (b"\"a\nb\"", Control),
            (b"{} {}", Trailing),
            (b"[1,]", Unexpected),
            (b"{\"a\" 1}", Unexpected),
            (b"[01]", Unexpected),
            (b"[1.]", Number),
            (b"[-]", Number),
            (b"[+1]", Unexpected),
            (b"[NaN]", Unexpected),
            (b"{a:1}", Unexpected),
            (b"[}", Unexpected),
            (b"[1}", Unexpected),
            (b"\"abc", Truncated),
            (b"\"abc\\", Truncated),
            (b"", Truncated),
            (b"\xef\xbb\xbf{}", Unexpected),
        ] {
            assert_eq!(
                fault(document),
                Some(expected),
                "{}",
                String::from_utf8_lossy(document)
            );
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert_eq!(fault(&deep(128)), None);
        assert_eq!(fault(&deep(129)), Some(JsonFault::TooDeep));
        assert_eq!(fault(&vec![b'['; 10_000_000]), Some(JsonFault::TooDeep));
    }

    /// JSON texts, mostly well formed.
    fn documents() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
            "\"(\\\\u[0-9a-fA-F]{4}|[a-z]|\\\\[nrtbf/\"\\\\]){0,6}\"",
            "[\\[\\]{},:\"0-9a-z\\\\ ]{0,6}",
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5)
                    .prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec(("[a-z]{0,5}", inner), 0..5).prop_map(|fields| {
                    let fields: Vec<_> = fields
                        .iter()
                        .map(|(k, v)| format!("\"{k}\": {v}"))
                        .collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_accepts_what_serde_json_accepts_but_for_keys_that_stand_twice(document in documents()) {
            let reference = serde_json::from_str::<serde_json::Value>(&document);
            match fault(document.as_bytes()) {
                None => prop_assert!(reference.is_ok(), "{document}"),
                Some(JsonFault::DuplicateKey) => {}
                // A number too large for serde_json's types is still JSON.
                Some(fault) => prop_assert!(reference.is_err(), "{fault:?} {document}"),
            }
        }

        #[test]
        fn it_decodes_strings_as_serde_json_does(text in any::<String>()) {
            let document = serde_json::to_string(&[&text]).unwrap();
            let mut texts = Texts::default();
            scan(document.as_bytes(), 4, &mut texts).unwrap();
            prop_assert_eq!(&texts.0, &[text]);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = fault(&bytes);
        }
    }
}
