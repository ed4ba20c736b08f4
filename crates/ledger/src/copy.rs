//! A copy of a spool that somebody may be writing: where it stands now, and which bytes of which files make up all records until
//! there. Nothing is locked and nothing changed; what comes later is not looked at. Called by `doorward backup`.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::Path;

use domain::limits::LEDGER_LINE_BYTES_MAX;

use crate::disk::{self, CHECKPOINTS, read_line, segments_in};
use crate::read::{ReadError, Reader};
use crate::{ChainId, Checkpoint, Hash, Position};

/// The end of a spool at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The chain.
    pub chain: ChainId,
    /// The first record that is here; above 1 when older ones were dropped.
    pub first: u64,
    /// The place after the last whole record.
    pub position: Position,
    /// That record's hash.
    pub hash: Hash,
}

/// A file of a spool, and how much of it belongs to a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name in the spool's folder.
    pub name: String,
    /// So many bytes from its beginning; all of it when absent.
    pub bytes: Option<u64>,
}

/// Where a spool stands, read from its last segment; none when it holds no record.
pub fn standing(folder: &Path) -> Result<Option<Standing>, ReadError> {
    let segments = match segments_in(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        segments => segments?,
    };
    for &segment in segments.iter().rev() {
        let before = Position {
            seq: segment.saturating_sub(1),
            segment,
            offset: 0,
        };
        let mut reader = Reader::from(folder, before);
        let mut last = None;
        while let Some(entry) = reader.read()? {
            last = Some(entry);
        }
        let Some(last) = last else { continue };
        let unreadable = |_| io::Error::new(io::ErrorKind::InvalidData, "its last record is none");
        let line = last.decode().map_err(unreadable)?;
        let chain = line.chain.parse().map_err(io::Error::other)?;
        return Ok(Some(Standing {
            chain,
            first: segments[0],
            position: last.position,
            hash: line.hash,
        }));
    }
    Ok(None)
}

/// The last record that the list of checkpoints covers. What it covers was on the disk before.
pub fn signed_to(folder: &Path) -> io::Result<u64> {
    let line = match disk::last_checkpoint_in(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        line => line?,
    };
    let checkpoint = line.and_then(|line| serde_json::from_slice::<Checkpoint>(&line).ok());
    Ok(checkpoint.map_or(0, |checkpoint| checkpoint.seq))
}

/// The segments up to there, and the ends that were cut off at a start and kept.
pub fn parts(folder: &Path, to: &Standing) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for segment in segments_in(folder)? {
        if segment <= to.position.segment {
            let path = disk::segment_path(folder, segment);
            parts.push(Part {
                name: name_of(&path),
                bytes: (segment == to.position.segment).then_some(to.position.offset),
            });
        }
    }
    for entry in fs::read_dir(folder)? {
        let name = name_of(&entry?.path());
        if disk::is_cut(&name) {
            parts.push(Part { name, bytes: None });
        }
    }
    Ok(parts)
}

/// The file that holds the list of checkpoints.
pub const LIST: &str = CHECKPOINTS;

/// Writes the list of checkpoints as far as it speaks of records up to there. Lines of another kind are left as they are.
pub fn checkpoints(folder: &Path, to: &Standing, out: &mut impl Write) -> io::Result<()> {
    let mut list = match File::open(folder.join(CHECKPOINTS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        list => BufReader::new(list?),
    };
    let mut buffer = Vec::new();
    loop {
        let line = read_line(&mut list, LEDGER_LINE_BYTES_MAX, &mut buffer)?;
        // the end of the list, or of what is being written
        if !line.ends_with(b"\n") {
            return Ok(());
        }
        let later = serde_json::from_slice::<Checkpoint>(line)
            .is_ok_and(|checkpoint| checkpoint.seq > to.position.seq);
        if !later {
            out.write_all(line)?;
        }
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether a file of this name may be a part of a copy.
pub fn is_part(name: &str) -> bool {
    let is_segment = |name: &str| {
        name.strip_suffix(".ndjson")
            .is_some_and(|stem| stem.len() == 20 && stem.bytes().all(|b| b.is_ascii_digit()))
    };
    name == CHECKPOINTS || disk::is_cut(name) || is_segment(name)
}
