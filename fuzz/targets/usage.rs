//! The usage meter: any chunking gives the same counts, and an estimate is never below what was counted. The first byte chooses
//! the cuts; whole answers are read from the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::usage::{Answer, Progress, UsageMeter};

fn meter<'c>(chunks: impl Iterator<Item = &'c [u8]>) -> UsageMeter {
    let mut meter = UsageMeter::new(512);
    chunks.for_each(|chunk| meter.push(chunk));
    meter
}

fn same(one: &UsageMeter, other: &UsageMeter) {
    assert_eq!(one.usage(), other.usage());
    assert_eq!(one.estimate(), other.estimate());
    assert_eq!(one.progress(), other.progress());
    assert_eq!(
        (one.ended(), one.overlong()),
        (other.ended(), other.overlong())
    );
    assert_eq!(
        (one.model(), one.stop_reason()),
        (other.model(), other.stop_reason())
    );
    assert_eq!(one.error_type(), other.error_type());
}

fuzz_target!(|input: &[u8]| {
    let Some((&step, stream)) = input.split_first() else {
        return;
    };
    let whole = meter(std::iter::once(stream));
    same(&meter(stream.chunks(1)), &whole);
    same(&meter(stream.chunks(usize::from(step) + 1)), &whole);
    assert!(whole.estimate().output_tokens >= whole.usage().output_tokens);
    assert!(whole.progress() != Progress::Failed || whole.ended());
    if let Some(answer) = Answer::read(stream) {
        let _ = answer.usage.input_total();
    }
});
