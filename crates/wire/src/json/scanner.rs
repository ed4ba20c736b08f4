//! The scanner itself: one loop over the document with the open containers on a small stack. Called by [`super::scan`] alone.

use super::text::{RawStr, hex4};
use super::{JsonFault, Place, Scalar, Visit};

pub(super) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth_max: usize,
    keys_max: usize,
    /// For every open container whether it is an object.
    open: Vec<bool>,
    /// The keys of the outermost object so far.
    keys: Vec<RawStr<'a>>,
    /// The key of the outermost object under which we are.
    field: Option<RawStr<'a>>,
}

type Step<T> = Result<T, JsonFault>;

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str, depth_max: usize, keys_max: usize) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            depth_max,
            keys_max,
            open: Vec::new(),
            keys: Vec::new(),
            field: None,
        }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn document(&mut self, visit: &mut impl Visit<'a>) -> Step<()> {
        let mut opened = self.value(None, visit)?;
        while let Some(&object) = self.open.last() {
            let byte = self.next_byte()?;
            if byte == if object { b'}' } else { b']' } {
                self.at += 1;
                self.open.pop();
                opened = false;
                continue;
            }
            // The first member stands at once, every other one after a comma.
            if !opened {
                if byte != b',' {
                    return Err(JsonFault::Unexpected);
                }
                self.at += 1;
            }
            let name = if object { Some(self.key(visit)?) } else { None };
            opened = self.value(name, visit)?;
        }
        self.blanks();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(JsonFault::Trailing)
        }
    }

    /// A key and its colon.
    fn key(&mut self, visit: &mut impl Visit<'a>) -> Step<RawStr<'a>> {
        if self.next_byte()? != b'"' {
            return Err(JsonFault::Unexpected);
        }
        let key = self.string()?;
        if self.open.len() == 1 {
            if self.keys.iter().any(|known| known.means_same(key)) {
                return Err(JsonFault::DuplicateKey);
            }
            if self.keys.len() == self.keys_max {
                return Err(JsonFault::TooManyKeys);
            }
            self.keys.push(key);
            self.field = Some(key);
        }
        visit.text(key, self.place(true, None));
        if self.next_byte()? != b':' {
            return Err(JsonFault::Unexpected);
        }
        self.at += 1;
        Ok(key)
    }

    /// A scalar, or the opening of a container; whether it was an opening.
    fn value(&mut self, name: Option<RawStr<'a>>, visit: &mut impl Visit<'a>) -> Step<bool> {
        let scalar = match self.next_byte()? {
            b'"' => {
                let text = self.string()?;
                visit.text(text, self.place(false, name));
                Scalar::Text(text)
            }
            byte @ (b'{' | b'[') => return self.container(byte == b'{', visit),
            b't' => self.word("true", Scalar::Bool(true))?,
            b'f' => self.word("false", Scalar::Bool(false))?,
            b'n' => self.word("null", Scalar::Null)?,
            b'-' | b'0'..=b'9' => {
                let number = self.number()?;
                visit.number(number);
                Scalar::Number(number)
            }
            _ => return Err(JsonFault::Unexpected),
        };
        match self.field {
            Some(key) if self.open.len() == 1 => visit.scalar(key, scalar)?,
            _ => {}
        }
        Ok(false)
    }

    fn container(&mut self, object: bool, visit: &mut impl Visit<'a>) -> Step<bool> {
        if self.open.len() >= self.depth_max {
            return Err(JsonFault::TooDeep);
        }
        match self.field {
            Some(key) if self.open.len() == 1 => visit.nested(key, object)?,
            _ => {}
        }
        self.at += 1;
        self.open.push(object);
        Ok(true)
    }

    const fn place(&self, key: bool, name: Option<RawStr<'a>>) -> Place<'a> {
        Place {
            field: self.field,
            depth: self.open.len(),
            key,
            name,
        }
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
        self.skip(b"-");
        if !self.skip(b"0") {
            self.digits()?;
        }
        if self.skip(b".") {
            self.digits()?;
        }
        if self.skip(b"eE") {
            self.skip(b"+-");
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Step<()> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start {
            Err(JsonFault::Number)
        } else {
            Ok(())
        }
    }

    /// Passes over the next byte when it is one of these.
    fn skip(&mut self, any_of: &[u8]) -> bool {
        let found = self
            .bytes
            .get(self.at)
            .is_some_and(|byte| any_of.contains(byte));
        self.at += usize::from(found);
        found
    }

    /// A string from its opening quote on.
    fn string(&mut self) -> Step<RawStr<'a>> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_len(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                None => return Err(JsonFault::Truncated),
                Some(b'"') => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(RawStr::new(text, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += self.escape_len()?;
                }
                Some(_) => return Err(JsonFault::Control),
            }
        }
    }

    /// Length of the escape that begins here.
    fn escape_len(&self) -> Step<usize> {
        let rest = &self.bytes[self.at + 1..];
        match rest.first() {
            None => Err(JsonFault::Truncated),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') => match hex4(&rest[1..]).ok_or(JsonFault::Escape)? {
                0xdc00..=0xdfff => Err(JsonFault::Escape),
                0xd800..=0xdbff => {
                    let low = rest
                        .get(5..7)
                        .filter(|pair| *pair == b"\\u")
                        .and_then(|_| hex4(&rest[7..]));
                    if low.is_some_and(|low| (0xdc00..0xe000).contains(&low)) {
                        Ok(12)
                    } else {
                        Err(JsonFault::Escape)
                    }
                }
                _ => Ok(6),
            },
            Some(_) => Err(JsonFault::Escape),
        }
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// The next byte that is not blank, left in place.
    fn next_byte(&mut self) -> Step<u8> {
        self.blanks();
        self.bytes.get(self.at).copied().ok_or(JsonFault::Truncated)
    }
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How many bytes stand before the first quote, backslash or control character.
///
/// Eight at a time in one word: most strings of a request are short, so that what counts is the cost to begin, and a quote, a
/// backslash and a control character are found in one pass.
fn plain_len(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = specials(word);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let in_tail = tail.iter().position(special).unwrap_or(tail.len());
    words.len() * 8 + in_tail
}

/// The high bit of the lowest byte that is special is set; bits above it mean nothing.
const fn specials(word: u64) -> u64 {
    let quote = word ^ (LOW * b'"' as u64);
    let backslash = word ^ (LOW * b'\\' as u64);
    let control = word.wrapping_sub(LOW * 0x20) & !word;
    let quote = quote.wrapping_sub(LOW) & !quote;
    let backslash = backslash.wrapping_sub(LOW) & !backslash;
    (control | quote | backslash) & HIGH
}

#[cfg(test)]
mod tests {
    use super::plain_len;

    #[test]
    fn the_first_special_byte_is_found_at_every_offset_and_value() {
        for before in 0..20 {
            for byte in 0..=255u8 {
                let text = [vec![b'a'; before], vec![byte], vec![0xff; 9]].concat();
                let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                let expected = if special { before } else { text.len() };
                assert_eq!(plain_len(&text), expected, "{before} {byte:#x}");
            }
        }
    }

    #[test]
    fn bytes_after_the_first_special_one_do_not_hide_it() {
        assert_eq!(plain_len(b"\"#]!\"\\\x00\x1f"), 0);
        assert_eq!(plain_len(b"ab\x1f\" \"\"\""), 2);
        assert_eq!(plain_len(b""), 0);
    }
}
