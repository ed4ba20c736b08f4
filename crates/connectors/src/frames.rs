//! An event stream taken apart into its events, each with its own bytes, so that one can be passed on as it came, left out, or given
//! other data. Bounded; never calls anything. Called by [`crate::stream`].

use bytes::{Bytes, BytesMut};

/// One event, up to and with the blank line that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its bytes.
    pub raw: Bytes,
    /// Its data, several lines joined; none where it has none, as a comment or a bare id.
    pub data: Option<Vec<u8>>,
    /// Whether it has an id, from which a stream can be taken up again.
    pub has_id: bool,
}

impl Event {
    /// What it says it is; nothing where it does not say.
    pub fn kind(&self) -> &[u8] {
        let mut kinds = lines(&self.raw).filter(|line| field(line).0 == b"event");
        kinds.next_back().map_or(b"", |line| field(line).1)
    }

    /// The same event with other data, which has no line break.
    pub fn with_data(&self, data: &str) -> Bytes {
        let mut out = Vec::with_capacity(data.len() + 64);
        for line in lines(&self.raw) {
            if !line.is_empty() && field(line).0 != b"data" {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
        }
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(data.as_bytes());
        out.extend_from_slice(b"\n\n");
        out.into()
    }
}

/// An event is longer than its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is too long")]
pub struct TooLong;

/// What has come of a stream and is not an event yet.
#[derive(Debug)]
pub struct Frames {
    buffer: BytesMut,
    /// Where the line begins up to which no event ends.
    scanned: usize,
    /// Up to where that line has no end.
    searched: usize,
    bytes_max: usize,
}

impl Frames {
    /// Holds at most so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            searched: 0,
            bytes_max,
        }
    }

    /// Takes what has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event.
    pub fn take(&mut self) -> Result<Option<Event>, TooLong> {
        match self.boundary() {
            Some(end) if end > self.bytes_max => Err(TooLong),
            Some(end) => {
                let raw = self.buffer.split_to(end).freeze();
                (self.scanned, self.searched) = (0, 0);
                Ok(Some(read(raw)))
            }
            None if self.buffer.len() > self.bytes_max => Err(TooLong),
            None => Ok(None),
        }
    }

    /// Where the first event ends.
    fn boundary(&mut self) -> Option<usize> {
        let bytes = &self.buffer[..];
        let mut line_start = self.scanned;
        let mut from = self.searched.max(line_start);
        while let Some(at) = memchr::memchr2(b'\n', b'\r', &bytes[from..]) {
            let end = from + at;
            let after = match (bytes[end], bytes.get(end + 1)) {
                (b'\r', Some(b'\n')) => end + 2,
                // A line feed may still come.
                (b'\r', None) => {
                    (self.scanned, self.searched) = (line_start, end);
                    return None;
                }
                _ => end + 1,
            };
            if end == line_start {
                return Some(after);
            }
            (line_start, from) = (after, after);
        }
        (self.scanned, self.searched) = (line_start, bytes.len());
        None
    }
}

/// The lines, without the mark that may stand before the first, and that some read over wherever it stands.
fn lines(raw: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let lines = raw.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.map(|line| line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line))
}

fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, &[]),
    }
}

fn read(raw: Bytes) -> Event {
    let (mut data, mut has_id): (Option<Vec<u8>>, bool) = (None, false);
    for line in lines(&raw) {
        match field(line) {
            (b"data", value) => match &mut data {
                None => data = Some(value.to_vec()),
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            (b"id", value) => has_id |= !value.is_empty(),
            _ => {}
        }
    }
    Event { raw, data, has_id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(stream: &[u8], cuts: &[usize]) -> Vec<Event> {
        let (mut frames, mut found, mut from) = (Frames::new(1_000), Vec::new(), 0);
        for &cut in cuts.iter().chain([&stream.len()]) {
            let cut = cut.clamp(from, stream.len());
            frames.push(&stream[from..cut]);
            from = cut;
            while let Some(event) = frames.take().unwrap() {
                found.push(event);
            }
        }
        found
    }

    #[test]
    fn events_are_taken_apart_with_their_own_bytes() {
        let stream = b": hello\n\nid: 7\r\nevent: message\r\ndata: {\"a\":\r\ndata:1}\r\n\r\ndata\n\nid: 8\n\n\n";
        let found = all(stream, &[]);
        let data: Vec<Option<&[u8]>> = found.iter().map(|event| event.data.as_deref()).collect();
        assert_eq!(
            data,
            [None, Some(&b"{\"a\":\n1}"[..]), Some(&b""[..]), None, None]
        );
        assert!(found[1].has_id && found[3].has_id && !found[2].has_id);
        let joined: Vec<u8> = found.iter().flat_map(|event| event.raw.to_vec()).collect();
        assert_eq!(joined, stream);
        assert_eq!(
            &found[1].with_data("x")[..],
            b"id: 7\nevent: message\ndata: x\n\n"
        );
    }

    #[test]
    fn a_mark_before_a_line_does_not_keep_it_from_being_replaced() {
        let found = all(b"\xef\xbb\xbfdata: all\nid: 1\n\n", &[1, 2]);
        assert_eq!(found[0].data.as_deref(), Some(&b"all"[..]));
        assert_eq!(&found[0].with_data("some")[..], b"id: 1\ndata: some\n\n");
    }

    #[test]
    fn what_never_ends_is_not_held() {
        let mut frames = Frames::new(10);
        frames.push(b"data: 0123456789");
        assert_eq!(frames.take(), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            stream in "((data|id|event|:|x)(: ?[a-z]{0,3})?(\n|\r\n|\r)|\n|\r\n){0,20}\n\n",
            mut cuts in proptest::collection::vec(0..200usize, 0..8),
        ) {
            cuts.sort_unstable();
            let stream = stream.as_bytes();
            prop_assert_eq!(all(stream, &cuts), all(stream, &[]));
        }
    }
}
