//! Event streams: any chunking gives the same events, and no event is longer than the bound. The first byte chooses the cuts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::sse::Parser;

const LINE_BYTES_MAX: usize = 48;

type Seen = (Vec<(Vec<u8>, Vec<u8>)>, bool, bool);

fn events<'c>(chunks: impl Iterator<Item = &'c [u8]>) -> Seen {
    let mut parser = Parser::new(LINE_BYTES_MAX);
    let mut found = Vec::new();
    for chunk in chunks {
        parser.push(chunk, |event| {
            assert!(event.name.len() <= LINE_BYTES_MAX && event.data.len() <= LINE_BYTES_MAX);
            found.push((event.name.to_vec(), event.data.to_vec()));
        });
    }
    (found, parser.overlong(), parser.at_boundary())
}

fuzz_target!(|input: &[u8]| {
    let Some((&step, stream)) = input.split_first() else {
        return;
    };
    let whole = events(std::iter::once(stream));
    assert_eq!(events(stream.chunks(1)), whole);
    assert_eq!(events(stream.chunks(usize::from(step) + 1)), whole);
});
