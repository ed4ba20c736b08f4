//! A sink that copies records into NDJSON files elsewhere: another disk, a mounted share, a folder that is shipped to object
//! storage. The lines are the stored ones, so `ledger verify` works on the copy.

use std::fs::{self, File};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use domain::limits::{LEDGER_LINE_BYTES_MAX, LEDGER_SEGMENT_BYTES};

use super::{Sink, SinkError};
use crate::disk::{read_line, segment_path, segments_in};
use crate::read::Batch;
use crate::{ChainId, Line, private};

/// Copies a chain into segment files of a folder of its own, `<folder>/<chain>/`.
#[derive(Debug, Clone)]
pub struct FileSink {
    copy: Arc<Mutex<Copy>>,
}

#[derive(Debug)]
struct Copy {
    folder: PathBuf,
    /// The file to append to, and its length; none before the first batch and after a failure.
    open: Option<(File, u64)>,
    /// The last record that is there.
    last: u64,
}

impl FileSink {
    /// A copy under `folder`.
    pub fn new(folder: &Path, chain: &ChainId) -> Self {
        let folder = folder.join(chain.as_str());
        Self {
            copy: Arc::new(Mutex::new(Copy {
                folder,
                open: None,
                last: 0,
            })),
        }
    }
}

impl Sink for FileSink {
    fn name(&self) -> &'static str {
        "file"
    }

    async fn send(&self, batch: &Batch) -> Result<(), SinkError> {
        let (copy, batch) = (self.copy.clone(), batch.clone());
        let append = move || {
            copy.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .append(&batch)
        };
        let appended = tokio::task::spawn_blocking(append)
            .await
            .map_err(io::Error::other);
        appended
            .and_then(|done| done)
            .map_err(|error| SinkError::Later(error.to_string(), None))
    }
}

impl Copy {
    fn append(&mut self, batch: &Batch) -> io::Result<()> {
        // taken out, so that after a failure the next try looks at the file anew
        let (mut file, len) = match self.open.take() {
            Some(open) => open,
            None => self.reopen()?,
        };
        let mut bytes = Vec::new();
        let fresh: Vec<_> = batch
            .entries
            .iter()
            .filter(|entry| entry.position.seq > self.last)
            .collect();
        for entry in &fresh {
            bytes.extend_from_slice(&entry.line);
            bytes.push(b'\n');
        }
        let (Some(first), Some(last)) = (fresh.first(), fresh.last()) else {
            self.open = Some((file, len));
            return Ok(());
        };
        let mut start = len;
        if len >= LEDGER_SEGMENT_BYTES || len == 0 {
            file = private::options()
                .create(true)
                .append(true)
                .open(segment_path(&self.folder, first.position.seq))?;
            start = 0;
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        self.last = last.position.seq;
        self.open = Some((file, start + u64::try_from(bytes.len()).unwrap_or(u64::MAX)));
        Ok(())
    }

    /// Finds where the copy ends, and cuts half a line that a crash left there. Whole lines stay, also those that do not hold: the
    /// copy is a witness, and what somebody did to it is for `ledger verify` to name.
    fn reopen(&mut self) -> io::Result<(File, u64)> {
        private::create_folder(&self.folder)?;
        self.last = 0;
        // a file with less than one line has no name worth keeping
        for segment in segments_in(&self.folder)?.into_iter().rev() {
            let path = segment_path(&self.folder, segment);
            let mut from = BufReader::new(File::open(&path)?);
            let (mut buffer, mut read, mut whole) = (Vec::new(), 0, 0);
            loop {
                let line = read_line(&mut from, LEDGER_LINE_BYTES_MAX + 1, &mut buffer)?;
                if line.is_empty() {
                    break;
                }
                read += u64::try_from(line.len()).unwrap_or(u64::MAX);
                if let Some(line) = line.strip_suffix(b"\n") {
                    whole = read;
                    self.last = Line::decode(line).map_or(self.last, |line| line.seq);
                }
            }
            if whole == 0 {
                fs::remove_file(&path)?;
                continue;
            }
            let file = File::options().append(true).open(&path)?;
            file.set_len(whole)?;
            return Ok((file, whole));
        }
        // any open file does until the first batch names one: it is never written at length 0
        Ok((File::open(&self.folder)?, 0))
    }
}
