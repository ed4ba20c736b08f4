//! The ledger's verifier on any bytes: it ends with a report that prints, says the same however the bytes arrive, and calls clean
//! only what a plain check of each line and each link calls clean. The bytes are read as they are, and once more with every line's
//! hash made right, so that what lies behind the hash is reached.
#![no_main]

use std::collections::BTreeMap;
use std::io::BufReader;

use ledger::verify::{Report, Trust, verify};
use ledger::{Hash, Line};
use libfuzzer_sys::fuzz_target;

const MARK: &[u8] = b",\"hash\":\"";

/// The lines with hashes that fit; what does not look like a line stays.
fn reseal(input: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    for line in input.split_inclusive(|&b| b == b'\n') {
        match line.windows(MARK.len()).rposition(|window| window == MARK) {
            Some(at) => {
                sealed.extend_from_slice(&line[..at]);
                sealed.extend_from_slice(
                    format!(",\"hash\":\"{}\"}}\n", Hash::of(&line[..at])).as_bytes(),
                );
            }
            None => sealed.extend_from_slice(line),
        }
    }
    sealed
}

/// Every line holds, and every line of a chain follows the one before.
fn holds(input: &[u8]) -> bool {
    let mut heads: BTreeMap<String, (u64, Hash)> = BTreeMap::new();
    input.split_inclusive(|&b| b == b'\n').all(|line| {
        let Ok(line) = Line::decode(line.strip_suffix(b"\n").unwrap_or(line)) else {
            return false;
        };
        let before = heads.insert(line.chain.to_owned(), (line.seq, line.hash));
        match before {
            Some((seq, hash)) => seq.checked_add(1) == Some(line.seq) && hash == line.prev,
            None => (line.seq == 1 && line.prev == Hash::ZERO) || line.is_checkpoint(),
        }
    })
}

fn report(input: &[u8], step: usize) -> Report {
    let from = BufReader::with_capacity(step, input);
    verify("fuzz", from, Trust::none()).expect("memory reads without an error")
}

fn check(input: &[u8]) {
    let whole = report(input, input.len().max(1));
    assert_eq!(report(input, 1), whole);
    assert!(!whole.to_string().contains('\u{1b}'));
    serde_json::to_string(&whole).expect("a report has string keys");
    assert!(!whole.is_clean() || holds(input));
}

fuzz_target!(|input: &[u8]| {
    check(input);
    check(&reseal(input));
});
