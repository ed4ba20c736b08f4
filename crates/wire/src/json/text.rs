//! A JSON string as it stands in the document, and what it means. Made by the scanner alone, which has checked every escape.

use std::borrow::Cow;

/// The text between the quotes of a JSON string. Its Debug shows its length, never its content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawStr<'a> {
    text: &'a str,
    escaped: bool,
}

impl std::fmt::Debug for RawStr<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "RawStr({} bytes)", self.text.len())
    }
}

impl<'a> RawStr<'a> {
    pub(super) const fn new(text: &'a str, escaped: bool) -> Self {
        Self { text, escaped }
    }

    /// The text as it stands in the document.
    pub const fn raw(self) -> &'a str {
        self.text
    }

    /// Whether it has escapes, so that what it means differs from how it stands.
    pub const fn is_escaped(self) -> bool {
        self.escaped
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

    /// The text it means; borrowed from the document when nothing is escaped, else from `buffer`, whose content is replaced.
    pub fn decode_in<'b>(self, buffer: &'b mut String) -> &'b str
    where
        'a: 'b,
    {
        if !self.escaped {
            return self.text;
        }
        buffer.clear();
        self.decode_into(buffer);
        buffer
    }

    /// Appends the text it means.
    pub fn decode_into(self, out: &mut String) {
        let mut rest = self.text;
        while let Some(stop) = memchr::memchr(b'\\', rest.as_bytes()) {
            out.push_str(&rest[..stop]);
            let (letter, after) = unescape(&rest[stop + 1..]);
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

    /// Whether both mean the same text.
    pub fn means_same(self, other: RawStr<'_>) -> bool {
        if self.escaped || other.escaped {
            self.decode() == other.decode()
        } else {
            self.text == other.text
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

/// The value of four hexadecimal digits at the start.
pub(super) fn hex4(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(..4)?;
    digits.iter().try_fold(0u32, |value, &digit| {
        Some((value << 4) | char::from(digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_what_the_rfc_says() {
        for (raw, meaning) in [
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\u0041\u00e9\u20AC", "A\u{e9}\u{20ac}"),
            (r"\ud83d\ude00!", "\u{1f600}!"),
            (r"\uDBFF\uDFFF", "\u{10ffff}"),
            (r"\u0000", "\0"),
            (r"a\\nb", "a\\nb"),
        ] {
            let raw = RawStr::new(raw, true);
            let mut buffer = "left over".to_owned();
            assert_eq!(raw.decode_in(&mut buffer), meaning);
            assert!(raw.means(meaning) && !raw.means("other"));
        }
    }

    #[test]
    fn an_unescaped_text_is_borrowed_from_the_document() {
        let raw = RawStr::new("plain", false);
        assert!(matches!(raw.decode(), Cow::Borrowed("plain")));
        let mut buffer = String::new();
        assert_eq!(raw.decode_in(&mut buffer).as_ptr(), raw.raw().as_ptr());
    }

    #[test]
    fn two_spellings_of_one_text_mean_the_same() {
        let plain = RawStr::new("model", false);
        assert!(plain.means_same(RawStr::new(r"mod\u0065l", true)));
        assert!(!plain.means_same(RawStr::new("models", false)));
    }

    #[test]
    fn debug_output_holds_no_content() {
        let shown = format!("{:?}", RawStr::new("hunter2", false));
        assert_eq!(shown, "RawStr(7 bytes)");
    }
}
