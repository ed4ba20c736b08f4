//! The files of a spool: one folder, one chain.
//!
//! ```text
//! lock                          held while a process writes here
//! 00000000000000000001.ndjson   a segment, named by the number of its first record
//! checkpoints.ndjson            every checkpoint and every change of key, one JSON object a line
//! 00000000000000000001.cut-0    what was cut off a segment's end at a start and was more than half a line
//! ```
//!
//! [`Disk`] is the seam at which tests make a disk fail. Called by the writer's thread, and by recovery before it starts.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::key_change::LISTED;
use crate::private;

const LOCK: &str = "lock";
pub(crate) const CHECKPOINTS: &str = "checkpoints.ndjson";
const SEGMENT_END: &str = ".ndjson";
/// Cut-off ends of one segment that are kept; with more, something else is wrong and the ledger stays shut.
const CUTS_MAX: u32 = 100;
/// More than any checkpoint's line.
const CHECKPOINT_BYTES_MAX: u64 = 4 * 1024;

/// A folder that segments are written to.
pub trait Disk: Send + fmt::Debug {
    /// The numbers of all segments, ascending.
    fn segments(&self) -> io::Result<Vec<u64>>;
    /// Reads a segment from its start.
    fn read(&self, segment: u64) -> io::Result<Box<dyn BufRead>>;
    /// Opens a segment to append to, and creates it when absent; its name is durable on return.
    fn open_segment(&mut self, segment: u64) -> io::Result<Box<dyn SegmentFile>>;
    /// Copies what stands in a segment from this byte on into a file beside it, durably; returns that file's name.
    fn set_aside(&mut self, segment: u64, from: u64) -> io::Result<String>;
    /// Adds a line to the list of checkpoints. A checkpoint need not be durable on return, since the chain itself holds it; a
    /// change of key must be, or the list could go on with checkpoints of a key it does not introduce.
    fn publish_checkpoint(&mut self, line: &[u8]) -> io::Result<()>;
    /// The last whole line of the list of checkpoints.
    fn last_checkpoint(&self) -> io::Result<Option<Vec<u8>>>;
}

/// A segment that is appended to.
pub trait SegmentFile: Send + fmt::Debug {
    /// Appends all of these bytes, or fails with any part of them written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was appended durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to this length, durably.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// A folder of the file system, locked against a second writer for as long as this lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    checkpoints: File,
    /// Bytes of the list up to its last whole line.
    checkpoints_len: u64,
    // held for its lock
    _lock: File,
}

impl Folder {
    /// Creates the folder when absent and locks it. `WouldBlock` when another process writes here.
    pub fn open(path: &Path) -> io::Result<Self> {
        private::create_folder(path)?;
        if let Some(parent) = path.canonicalize()?.parent() {
            // the folder's own name must be durable too
            File::open(parent)?.sync_all()?;
        }
        let lock = private::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(lock_path(path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
            TryLockError::Error(error) => error,
        })?;
        let mut checkpoints = private::options()
            .create(true)
            .append(true)
            .read(true)
            .open(path.join(CHECKPOINTS))?;
        let checkpoints_len = end_of_last_line(&mut checkpoints)?;
        Ok(Self {
            path: path.to_owned(),
            checkpoints,
            checkpoints_len,
            _lock: lock,
        })
    }
}

/// Where the last whole line of the list ends. What a crash left after it is cut before the next checkpoint is added: a broken
/// line in the list would look like damage, and the chain holds that checkpoint anyway.
fn end_of_last_line(list: &mut File) -> io::Result<u64> {
    let len = list.seek(SeekFrom::End(0))?;
    let start = len.saturating_sub(2 * CHECKPOINT_BYTES_MAX);
    list.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    list.take(2 * CHECKPOINT_BYTES_MAX).read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|&b| b == b'\n').map(|at| at + 1);
    // a list without a line's end in reach was not written by us: it is left for the verifier to name
    Ok(match whole {
        Some(whole) => start + u64::try_from(whole).unwrap_or(u64::MAX),
        None if start == 0 => 0,
        None => len,
    })
}

/// The numbers of all segments in a folder, ascending; other files are not looked at.
pub(crate) fn segments_in(folder: &Path) -> io::Result<Vec<u64>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(SEGMENT_END));
        if let Some(number) = number
            .filter(|text| text.len() == 20)
            .and_then(|text| text.parse().ok())
        {
            segments.push(number);
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

/// The file that is locked while a process writes to a folder.
pub fn lock_path(folder: &Path) -> PathBuf {
    folder.join(LOCK)
}

/// Where a segment stands.
pub(crate) fn segment_path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:020}{SEGMENT_END}"))
}

impl Disk for Folder {
    fn segments(&self) -> io::Result<Vec<u64>> {
        segments_in(&self.path)
    }

    fn read(&self, segment: u64) -> io::Result<Box<dyn BufRead>> {
        Ok(Box::new(BufReader::new(File::open(segment_path(
            &self.path, segment,
        ))?)))
    }

    fn open_segment(&mut self, segment: u64) -> io::Result<Box<dyn SegmentFile>> {
        let file = private::options()
            .create(true)
            .append(true)
            .open(segment_path(&self.path, segment))?;
        File::open(&self.path)?.sync_all()?;
        Ok(Box::new(file))
    }

    fn set_aside(&mut self, segment: u64, from: u64) -> io::Result<String> {
        let mut source = File::open(segment_path(&self.path, segment))?;
        source.seek(SeekFrom::Start(from))?;
        for number in 0..CUTS_MAX {
            let name = format!("{segment:020}.cut-{number}");
            let created = private::options()
                .create_new(true)
                .write(true)
                .open(self.path.join(&name));
            let mut copy = match created {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created?,
            };
            io::copy(&mut source, &mut copy)?;
            copy.sync_all()?;
            File::open(&self.path)?.sync_all()?;
            return Ok(name);
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn publish_checkpoint(&mut self, line: &[u8]) -> io::Result<()> {
        // a part of a line that a crash or a full disk left must not become the beginning of this one
        let len = self.checkpoints.metadata()?.len();
        if len > self.checkpoints_len {
            self.checkpoints.set_len(self.checkpoints_len)?;
        }
        // somebody may have made the list shorter; it is never made longer but by lines
        let start = len.min(self.checkpoints_len);
        self.checkpoints.write_all(line)?;
        if line.starts_with(LISTED) {
            self.checkpoints.sync_data()?;
        }
        self.checkpoints_len = start + u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn last_checkpoint(&self) -> io::Result<Option<Vec<u8>>> {
        last_checkpoint_in(&self.path)
    }
}

/// The last whole line of a folder's list of checkpoints.
pub(crate) fn last_checkpoint_in(folder: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(folder.join(CHECKPOINTS))?;
    let len = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(
        len.saturating_sub(2 * CHECKPOINT_BYTES_MAX),
    ))?;
    let mut tail = Vec::new();
    file.take(2 * CHECKPOINT_BYTES_MAX).read_to_end(&mut tail)?;
    // half a line that a crash left is no checkpoint: look for the last that reads as an object, and not as a change of key
    let whole =
        |line: &&[u8]| line.starts_with(b"{") && line.ends_with(b"}") && !line.starts_with(LISTED);
    Ok(tail.split(|&b| b == b'\n').rfind(whole).map(<[u8]>::to_vec))
}

/// Whether a file of this name holds what was cut off a segment's end.
pub(crate) fn is_cut(name: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    name.split_once(".cut-")
        .is_some_and(|(segment, number)| segment.len() == 20 && digits(segment) && digits(number))
}

impl SegmentFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.sync_all()
    }
}

/// The next line with its line feed, of at most `max` bytes; a longer one comes in pieces. Empty at the end.
pub(crate) fn read_line<'b>(
    from: &mut dyn BufRead,
    max: usize,
    line: &'b mut Vec<u8>,
) -> io::Result<&'b [u8]> {
    line.clear();
    let limit = u64::try_from(max).unwrap_or(u64::MAX);
    from.take(limit).read_until(b'\n', line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::open(folder.path()).unwrap();
        assert_eq!(
            Folder::open(folder.path()).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        drop(first);
        assert!(Folder::open(folder.path()).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn everything_in_the_folder_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("ledger");
        let mut disk = Folder::open(&folder).unwrap();
        disk.open_segment(1)
            .unwrap()
            .append(b"whole\ntorn")
            .unwrap();
        disk.set_aside(1, 6).unwrap();
        disk.publish_checkpoint(b"{}\n").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let files: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), 4, "{files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }

    #[test]
    fn half_a_checkpoint_left_by_a_crash_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CHECKPOINTS), b"{\"seq\":1}\n{\"se").unwrap();
        let mut disk = Folder::open(folder.path()).unwrap();
        assert_eq!(disk.last_checkpoint().unwrap().unwrap(), b"{\"seq\":1}");
        disk.publish_checkpoint(b"{\"seq\":2}\n").unwrap();
        assert_eq!(disk.last_checkpoint().unwrap().unwrap(), b"{\"seq\":2}");
    }

    #[test]
    fn only_segments_count_as_segments() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Folder::open(folder.path()).unwrap();
        for segment in [30, 4] {
            disk.open_segment(segment).unwrap().append(b"x").unwrap();
        }
        fs::write(folder.path().join("7.ndjson"), b"").unwrap();
        assert_eq!(disk.segments().unwrap(), [4, 30]);
    }

    #[test]
    fn what_is_appended_after_a_cut_stands_at_the_cut() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Folder::open(folder.path()).unwrap();
        let mut file = disk.open_segment(1).unwrap();
        file.append(b"kept torn").unwrap();
        file.truncate(5).unwrap();
        file.append(b"next").unwrap();
        assert_eq!(
            fs::read(segment_path(folder.path(), 1)).unwrap(),
            b"kept next"
        );
    }
}
