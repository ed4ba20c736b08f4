//! An incremental reader of `text/event-stream` (WHATWG HTML, section 9.2), for looking at a stream that is forwarded unchanged.
//!
//! Only the `event` and `data` fields matter here. An event that has a line, or data, longer than the bound is passed over whole,
//! never reported in part, and remembered in [`Parser::overlong`]; nothing can make the reader lose its place. Called by
//! [`crate::usage`] and by whoever inspects answers.

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event's name; empty when it has none.
    pub name: &'a [u8],
    /// Its data; several `data` lines are joined by a newline.
    pub data: &'a [u8],
}

/// The reader's state between chunks.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Parser {
    line_bytes_max: usize,
    line: Vec<u8>,
    skipping: bool,
    after_cr: bool,
    first_line: bool,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// A line other than a blank one was seen since the last event.
    inside: bool,
    /// This event has something overlong.
    damaged: bool,
    overlong: bool,
}

/// What a buffer keeps of its room after an event; a stream of small events never holds more.
const KEPT_BYTES: usize = 16 * 1024;

impl Parser {
    /// A reader that holds at most about twice `line_bytes_max`.
    pub const fn new(line_bytes_max: usize) -> Self {
        Self {
            line_bytes_max,
            line: Vec::new(),
            skipping: false,
            after_cr: false,
            first_line: true,
            name: Vec::new(),
            data: Vec::new(),
            has_data: false,
            inside: false,
            damaged: false,
            overlong: false,
        }
    }

    /// Whether an event was passed over because it was too long.
    pub const fn overlong(&self) -> bool {
        self.overlong
    }

    /// Whether the stream stands between two events, so that another may be put in.
    pub fn at_boundary(&self) -> bool {
        self.line.is_empty() && !self.skipping && !self.inside
    }

    /// Reads the next bytes and calls `on_event` for every event they complete.
    pub fn push(&mut self, mut bytes: &[u8], mut on_event: impl FnMut(Event<'_>)) {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) else {
                self.keep(bytes);
                return;
            };
            self.after_cr = bytes[end] == b'\r';
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.line.is_empty() && !self.skipping && line.len() <= self.line_bytes_max {
                self.line_done(line, &mut on_event);
            } else {
                self.keep(line);
                let whole = std::mem::take(&mut self.line);
                if std::mem::take(&mut self.skipping) {
                    self.first_line = false;
                    self.inside = true;
                } else {
                    self.line_done(&whole, &mut on_event);
                }
                self.line = emptied(whole);
            }
            bytes = rest;
        }
    }

    fn keep(&mut self, part: &[u8]) {
        if self.skipping || self.line.len() + part.len() > self.line_bytes_max {
            self.skipping = true;
            self.damaged = true;
            self.overlong = true;
            self.line.clear();
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn line_done(&mut self, line: &[u8], on_event: &mut impl FnMut(Event<'_>)) {
        let mut line = line;
        if std::mem::take(&mut self.first_line) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.event_done(on_event);
            return;
        }
        self.inside = true;
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            b"data" if self.data.len() + value.len() < self.line_bytes_max => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"data" => {
                self.damaged = true;
                self.overlong = true;
            }
            _ => {}
        }
    }

    fn event_done(&mut self, on_event: &mut impl FnMut(Event<'_>)) {
        if self.has_data && !self.damaged {
            on_event(Event {
                name: &self.name,
                data: &self.data,
            });
        }
        self.name = emptied(std::mem::take(&mut self.name));
        self.data = emptied(std::mem::take(&mut self.data));
        (self.has_data, self.inside, self.damaged) = (false, false, false);
    }
}

/// The buffer without its content, and without more room than [`KEPT_BYTES`].
fn emptied(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer.shrink_to(KEPT_BYTES);
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = Vec<(Vec<u8>, Vec<u8>)>;

    /// The events of a stream, and whether one was too long.
    fn events(stream: &[u8], line_bytes_max: usize) -> (Found, bool) {
        let mut parser = Parser::new(line_bytes_max);
        let mut found = Vec::new();
        parser.push(stream, |event| {
            found.push((event.name.to_vec(), event.data.to_vec()));
        });
        (found, parser.overlong())
    }

    fn check(stream: &[u8], expected: &[(&str, &str)]) {
        let (found, _) = events(stream, 1_000);
        let found: Vec<_> = found
            .iter()
            .map(|(name, data)| (String::from_utf8_lossy(name), String::from_utf8_lossy(data)))
            .collect();
        let found: Vec<_> = found
            .iter()
            .map(|(name, data)| (&**name, &**data))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn events_end_at_a_blank_line_whatever_the_line_ends() {
        check(
            b"event: a\ndata: 1\n\nevent: b\r\ndata: 2\r\n\r\ndata:3\r\r",
            &[("a", "1"), ("b", "2"), ("", "3")],
        );
    }

    #[test]
    fn data_lines_join_and_comments_and_other_fields_do_not_matter() {
        check(
            b"\xef\xbb\xbf: hello\nid: 7\ndata: 1\ndata: 2\nretry: 3\n\n\n\n",
            &[("", "1\n2")],
        );
    }

    #[test]
    fn an_unfinished_event_is_not_reported() {
        check(b"event: a\ndata: 1\n", &[]);
    }

    #[test]
    fn an_overlong_line_is_passed_over_and_remembered() {
        let long = [
            b"data: ".to_vec(),
            vec![b'x'; 100],
            b"\n\ndata: 2\n\n".to_vec(),
        ]
        .concat();
        assert_eq!(events(&long, 50), (vec![(vec![], b"2".to_vec())], true));
    }

    #[test]
    fn an_event_is_never_reported_in_part() {
        for stream in [
            "event: a\ndata: 1\ndata: LONG\ndata: 2\n\ndata: 3\n\n",
            "event: a\ndata: 1\n: LONG\n\ndata: 3\n\n",
            "event: LONG\ndata: 1\n\ndata: 3\n\n",
        ] {
            let stream = stream.replace("LONG", &"x".repeat(60));
            let whole = events(stream.as_bytes(), 50);
            assert_eq!(whole, (vec![(vec![], b"3".to_vec())], true), "{stream}");
        }
        // Short lines that add up to too much data.
        let many = format!("{}\ndata: 3\n\n", "data: 0123456789\n".repeat(10));
        assert_eq!(events(many.as_bytes(), 50).0, [(vec![], b"3".to_vec())]);
    }

    #[test]
    fn a_byte_order_mark_counts_only_at_the_start() {
        check(b"\xef\xbb\xbfdata: 1\n\n", &[("", "1")]);
        check(b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n", &[("", "1")]);
    }

    #[test]
    fn memory_does_not_grow_with_the_stream() {
        let mut parser = Parser::new(1_000_000);
        parser.push(
            format!("data: {}\n\n", "x".repeat(900_000)).as_bytes(),
            |_| {},
        );
        parser.push(b"data: 1", |_| {});
        let held = parser.line.capacity() + parser.data.capacity() + parser.name.capacity();
        assert!(held <= 3 * KEPT_BYTES, "{held}");
    }

    #[test]
    fn the_boundary_is_known_after_every_whole_event() {
        let mut parser = Parser::new(100);
        for (bytes, boundary) in [
            (&b"event: a"[..], false),
            (b"\n", false),
            (b"data: 1\n", false),
            (b"\n", true),
            (b"id: 7\n", false),
            (b"\n", true),
            (b": keep-alive\n", false),
            (b"\n", true),
        ] {
            parser.push(bytes, |_| {});
            assert_eq!(parser.at_boundary(), boundary);
        }
    }
}
