//! A look at the end of a spool that somebody may be writing: the newest records, as many as a bound of bytes holds, checked against
//! each other and against trusted keys. It says nothing of what lies before, and nothing of what was cut off at the end with the list
//! of checkpoints: that is for `doorward ledger verify`, with keys and checkpoints that were kept elsewhere. Called by the console.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::{Report, Trust, Verifier};
use crate::Position;
use crate::disk::{segment_path, segments_in};

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// What was found.
    pub report: Report,
    /// Bytes that were read.
    pub bytes: u64,
    /// Segments that were read, the first perhaps in part.
    pub segments: usize,
    /// Segments that are there.
    pub of_segments: usize,
    /// Whether that was all of it.
    pub is_whole: bool,
}

/// A segment, from where in it, and so many bytes.
struct Stretch {
    segment: u64,
    from: u64,
    bytes: u64,
}

/// Verifies the newest records up to a durable one, at most so many bytes of them.
pub fn latest(
    folder: &Path,
    upto: Position,
    mut trust: Trust,
    bytes_max: u64,
) -> io::Result<Latest> {
    let all = segments_in(folder)?;
    let (mut left, mut stretches) = (bytes_max, Vec::new());
    for segment in all.iter().rev().copied() {
        if segment > upto.segment {
            continue;
        }
        let length = if segment == upto.segment {
            upto.offset
        } else {
            segment_path(folder, segment).metadata()?.len()
        };
        let bytes = length.min(left);
        stretches.push(Stretch {
            segment,
            from: length - bytes,
            bytes,
        });
        left -= bytes;
        if left == 0 {
            break;
        }
    }
    let is_whole = stretches.len() == all.len() && stretches.iter().all(|one| one.from == 0);
    if !is_whole {
        trust.expect_end();
    }
    let mut verifier = Verifier::new(trust);
    let mut bytes = 0;
    for stretch in stretches.iter().rev() {
        bytes += stretch.bytes;
        read(folder, stretch, &mut verifier)?;
    }
    Ok(Latest {
        report: verifier.finish(),
        bytes,
        segments: stretches.len(),
        of_segments: all.len(),
        is_whole,
    })
}

fn read(folder: &Path, stretch: &Stretch, verifier: &mut Verifier) -> io::Result<()> {
    let path = segment_path(folder, stretch.segment);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut file = File::open(&path)?;
    // One byte earlier, so that a line which begins right there is not passed over.
    let from = stretch.from.saturating_sub(1);
    file.seek(SeekFrom::Start(from))?;
    let mut lines = BufReader::new(file.take(stretch.bytes + (stretch.from - from)));
    if stretch.from > 0 {
        lines.skip_until(b'\n')?;
    }
    verifier.read(&name, lines)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{Clock, Timestamp};

    use super::*;
    use crate::record::{System, SystemEvent};
    use crate::{ChainId, Keyring, Ledger, Record, SigningKey};

    #[derive(Debug)]
    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_ms(43_200_000)
        }
    }

    async fn written(folder: &Path, records: usize) -> Position {
        let (key, _) = SigningKey::generate().unwrap();
        let chain = ChainId::new("one", 1).unwrap();
        let ledger = Ledger::open_with(folder, chain, Keyring::one(key), Arc::new(Noon)).unwrap();
        for _ in 0..records {
            let record = Record::System(System::new(SystemEvent::Start));
            ledger.append(record).await.unwrap();
        }
        ledger.status().durable
    }

    #[tokio::test]
    async fn any_end_of_a_whole_ledger_is_clean_however_it_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let upto = written(folder.path(), 20).await;
        for bytes in 1..=upto.offset {
            let found = latest(folder.path(), upto, Trust::none(), bytes).unwrap();
            assert!(found.report.is_clean(), "{bytes}: {}", found.report);
            assert_eq!(found.is_whole, bytes == upto.offset, "{bytes}");
            assert!(found.bytes <= bytes);
        }
        let all = latest(folder.path(), upto, Trust::none(), u64::MAX).unwrap();
        assert_eq!(all.report.chains[0].records, upto.seq);
        assert_eq!((all.segments, all.of_segments), (1, 1));
    }

    #[tokio::test]
    async fn an_edit_within_what_was_read_is_found_and_one_before_it_is_not_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let upto = written(folder.path(), 20).await;
        let path = segment_path(folder.path(), upto.segment);
        let text = std::fs::read_to_string(&path).unwrap();
        let altered = text.replacen("start", "stars", 1);
        assert_ne!(text, altered);
        std::fs::write(&path, altered).unwrap();
        let all = latest(folder.path(), upto, Trust::none(), u64::MAX).unwrap();
        assert!(!all.report.is_clean() && all.is_whole);
        let end = latest(folder.path(), upto, Trust::none(), upto.offset / 2).unwrap();
        assert!(end.report.is_clean() && !end.is_whole, "{}", end.report);
        let text = std::fs::read_to_string(&path).unwrap();
        for place in 12..20 {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines[place] = lines[place].replacen("start", "stars", 1);
            std::fs::write(&path, lines.join("\n") + "\n").unwrap();
            let end = latest(folder.path(), upto, Trust::none(), upto.offset / 2).unwrap();
            assert!(!end.report.is_clean(), "line {place}: {}", end.report);
        }
    }

    #[tokio::test]
    async fn what_is_written_meanwhile_is_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let upto = written(folder.path(), 3).await;
        let path = segment_path(folder.path(), upto.segment);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"half a li");
        std::fs::write(&path, text).unwrap();
        let found = latest(folder.path(), upto, Trust::none(), u64::MAX).unwrap();
        assert!(found.report.is_clean(), "{}", found.report);
    }
}
