//! An incremental reader of `text/event-stream` (WHATWG HTML, section 9.2), for looking at a stream that is forwarded unchanged.
//!
//! Only the `event` and `data` fields matter here. A line longer than the bound is passed over and remembered in
//! [`Parser::overlong`]; nothing else can make the reader lose its place.

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
pub struct Parser {
    line_bytes_max: usize,
    line: Vec<u8>,
    skipping: bool,
    after_cr: bool,
    first_line: bool,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    overlong: bool,
}

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
            overlong: false,
        }
    }

    /// Whether a line was too long and passed over.
    pub const fn overlong(&self) -> bool {
        self.overlong
    }

    /// Whether the stream stands between two events, so that another may be put in.
    pub fn at_boundary(&self) -> bool {
        self.line.is_empty() && !self.skipping && !self.has_data && self.name.is_empty()
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
                if !std::mem::take(&mut self.skipping) {
                    self.line_done(&whole, &mut on_event);
                }
                self.line = whole;
                self.line.clear();
            }
            bytes = rest;
        }
    }

    fn keep(&mut self, part: &[u8]) {
        if self.skipping || self.line.len() + part.len() > self.line_bytes_max {
            self.skipping = true;
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
            if self.has_data {
                on_event(Event {
                    name: &self.name,
                    data: &self.data,
                });
            }
            self.name.clear();
            self.data.clear();
            self.has_data = false;
            return;
        }
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
            b"data" => self.overlong = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(chunks: &[&[u8]], line_bytes_max: usize) -> (Vec<(Vec<u8>, Vec<u8>)>, bool) {
        let mut parser = Parser::new(line_bytes_max);
        let mut found = Vec::new();
        for chunk in chunks {
            parser.push(chunk, |event| {
                found.push((event.name.to_vec(), event.data.to_vec()))
            });
        }
        (found, parser.overlong())
    }

    fn check(stream: &[u8], expected: &[(&str, &str)]) {
        let (found, _) = events(&[stream], 1_000);
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
        assert_eq!(events(&[&long], 50), (vec![(vec![], b"2".to_vec())], true));
    }

    #[test]
    fn the_boundary_is_known_after_every_whole_event() {
        let mut parser = Parser::new(100);
        for (bytes, boundary) in [
            (&b"event: a"[..], false),
            (b"\n", false),
            (b"data: 1\n", false),
            (b"\n", true),
        ] {
            parser.push(bytes, |_| {});
            assert_eq!(parser.at_boundary(), boundary);
        }
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            stream in "(event: [a-c]{1,3}(\n|\r|\r\n)|data: ?[x-z:]{0,12}(\n|\r|\r\n)|(\n|\r|\r\n)|:c\n|[a-z]{1,4}){0,20}",
            cuts in prop::collection::vec(0usize..200, 0..10),
        ) {
            let bytes = stream.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(events(&chunks, 14), events(&[bytes], 14));
        }
    }
}
