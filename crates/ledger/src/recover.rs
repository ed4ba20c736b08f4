//! What a spool's end looks like when it is opened: where the chain stands, and whether a crash left half a line. It reads the
//! last segment whole, so that nothing is ever appended to a chain that does not hold; it never changes a file.

use std::io::{self, BufRead};

use domain::limits::LEDGER_LINE_BYTES_MAX;

use crate::chain::{Head, Line};
use crate::disk::{Disk, read_line};
use crate::signing::KeyId;
use crate::{ChainId, Checkpoint, Hash, OpenError, Record};

/// The end of a spool.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) head: Head,
    /// The segment to go on with; none in an empty spool.
    pub(crate) segment: Option<u64>,
    /// Bytes of it that hold.
    pub(crate) len: u64,
    /// Bytes after those, to be cut off.
    pub(crate) torn_bytes: u64,
    /// Whether they may hold a record that was durable once, so that they must be kept.
    pub(crate) torn_holds_lines: bool,
    /// Whether the last line is a checkpoint.
    pub(crate) is_signed: bool,
    /// The key of the last checkpoint.
    pub(crate) signed_by: Option<KeyId>,
}

/// Reads the end of a spool.
pub(crate) fn recover(disk: &dyn Disk, chain: &ChainId) -> Result<Recovered, OpenError> {
    let segments = disk.segments()?;
    let mut end = Recovered {
        head: Head::START,
        segment: None,
        len: 0,
        torn_bytes: 0,
        torn_holds_lines: false,
        is_signed: false,
        signed_by: None,
    };
    if let Some(&last) = segments.last() {
        end = scan(disk, last, chain)?;
        // a crash right after a segment was begun leaves it without a line
        if let (0, Some(&before)) = (end.len, segments.iter().nth_back(1)) {
            let full = scan(disk, before, chain)?;
            if full.torn_bytes > 0 {
                return Err(OpenError::Damaged {
                    segment: before,
                    seq: full.head.seq + 1,
                    what: "incomplete line",
                });
            }
            end.head = full.head;
            end.signed_by = full.signed_by;
        }
        if end.len == 0 && last != end.head.seq + 1 {
            return Err(OpenError::Damaged {
                segment: last,
                seq: end.head.seq + 1,
                what: "missing records",
            });
        }
    }
    check_signed(disk, chain, &end)?;
    Ok(end)
}

/// What was signed must be there still: a spool put back from an older copy would go on with numbers already used.
fn check_signed(disk: &dyn Disk, chain: &ChainId, end: &Recovered) -> Result<(), OpenError> {
    let Some(line) = disk.last_checkpoint()? else {
        return Ok(());
    };
    let Ok(signed) = serde_json::from_slice::<Checkpoint>(&line) else {
        return Ok(());
    };
    if signed.chain == *chain && signed.seq > end.head.seq {
        return Err(OpenError::RolledBack {
            signed: signed.seq,
            found: end.head.seq,
        });
    }
    Ok(())
}

fn scan(disk: &dyn Disk, segment: u64, chain: &ChainId) -> Result<Recovered, OpenError> {
    let mut from = disk.read(segment)?;
    let mut end = Recovered {
        head: Head {
            seq: segment.saturating_sub(1),
            hash: Hash::ZERO,
        },
        segment: Some(segment),
        len: 0,
        torn_bytes: 0,
        torn_holds_lines: false,
        is_signed: false,
        signed_by: None,
    };
    let mut buffer = Vec::new();
    loop {
        let line = read_line(&mut *from, LEDGER_LINE_BYTES_MAX + 1, &mut buffer)?;
        if line.is_empty() {
            return Ok(end);
        }
        let damaged = |what| OpenError::Damaged {
            segment,
            seq: end.head.seq + 1,
            what,
        };
        match line.strip_suffix(b"\n").map(Line::decode) {
            Some(Ok(read)) => {
                if read.chain != chain.as_str() {
                    return Err(OpenError::OtherChain {
                        found: read.chain.to_owned(),
                    });
                }
                if read.seq != end.head.seq + 1 || (end.len > 0 && read.prev != end.head.hash) {
                    return Err(damaged("a record that does not follow"));
                }
                end.head = Head {
                    seq: read.seq,
                    hash: read.hash,
                };
                end.is_signed = read.is_checkpoint();
                if end.is_signed {
                    end.signed_by = signer(&read).or(end.signed_by);
                }
                end.len += u64::try_from(line.len()).unwrap_or(u64::MAX);
            }
            ended => {
                let torn = torn(line, &mut *from)?.ok_or_else(|| {
                    damaged(if ended.is_some() {
                        "an altered record"
                    } else {
                        "an unreadable record"
                    })
                })?;
                end.torn_bytes = torn.bytes;
                end.torn_holds_lines = torn.holds_lines;
                return Ok(end);
            }
        }
    }
}

fn signer(line: &Line<'_>) -> Option<KeyId> {
    match line.record() {
        Ok(Record::System(system)) => system.checkpoint.map(|checkpoint| checkpoint.key),
        _ => None,
    }
}

/// A spool's end that does not hold.
struct Torn {
    bytes: u64,
    holds_lines: bool,
}

/// What a crash left from here on, or none when it is damage of another kind.
///
/// A process that is killed leaves a line without its end. A machine that loses power may leave pages of zeros, which no line
/// ever holds; none of that was acknowledged. A whole line that does not hold is neither. Zeros with a line's end after them are
/// most likely the same, but a disk that went bad, or somebody who wants records gone, can look like it: that is kept aside.
fn torn(line: &[u8], rest: &mut dyn BufRead) -> io::Result<Option<Torn>> {
    let mut bytes = line.len();
    let mut is_torn = !line.ends_with(b"\n");
    let mut has_zeros = line.contains(&0);
    let mut holds_lines = line.ends_with(b"\n");
    loop {
        let more = rest.fill_buf()?;
        if more.is_empty() {
            break;
        }
        is_torn = false;
        has_zeros |= more.contains(&0);
        holds_lines |= more.contains(&b'\n');
        let read = more.len();
        bytes += read;
        rest.consume(read);
    }
    Ok((is_torn || has_zeros).then(|| Torn {
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        holds_lines,
    }))
}
