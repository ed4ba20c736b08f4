//! Files of a backup as they are written and read: every byte goes through SHA-256, every file is the owner's alone, and a backup
//! has its name only when it is whole.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use aws_lc_rs::digest;
use ledger::private;
use pipeline::identity::hex;

use super::manifest::FileEntry;

/// A backup on its way: a folder beside its place, under another name.
#[derive(Debug)]
pub(super) struct Partial {
    partial: PathBuf,
    name: PathBuf,
}

impl Partial {
    /// Makes the folder. Neither it nor what it shall be called may be there.
    pub(super) fn begin(name: &Path) -> anyhow::Result<Self> {
        let last = name
            .file_name()
            .context("--out must name a new folder")?
            .to_string_lossy();
        let partial = name.with_file_name(format!("{last}.partial"));
        ensure!(
            fs::symlink_metadata(name).is_err(),
            "{} is there already; name a new folder",
            name.display()
        );
        ensure!(
            fs::symlink_metadata(&partial).is_err(),
            "{} is left of a backup that did not end, or one is under way; remove it when none is",
            partial.display()
        );
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&partial)
            .with_context(|| format!("{} cannot be made", partial.display()))?;
        Ok(Self {
            partial,
            name: name.to_owned(),
        })
    }

    /// A new file of the backup; folders above it are made.
    pub(super) fn file(&self, path: &str) -> anyhow::Result<NewFile> {
        NewFile::make(&self.partial, path)
    }

    /// Gives it its name.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let done = || {
            sync_folders(&self.partial)?;
            // a folder that appeared meanwhile and holds something is not replaced
            fs::rename(&self.partial, &self.name)?;
            sync_above(&self.name)
        };
        done().with_context(|| format!("{} cannot be given its name", self.name.display()))
    }

    /// Takes it away again.
    pub(super) fn discard(self) {
        // nothing of it is of use, and what cannot be removed is not called a backup
        let _ = fs::remove_dir_all(&self.partial);
    }
}

/// Makes the names in a folder, and in those in it, durable.
pub(super) fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

/// Makes a name itself durable.
pub(super) fn sync_above(path: &Path) -> io::Result<()> {
    match path.canonicalize()?.parent() {
        Some(above) => File::open(above)?.sync_all(),
        None => Ok(()),
    }
}

/// A file that is written and hashed.
pub(super) struct NewFile {
    out: BufWriter<File>,
    hash: digest::Context,
    bytes: u64,
    path: String,
    place: PathBuf,
}

impl NewFile {
    /// A new file below a folder.
    pub(super) fn make(folder: &Path, path: &str) -> anyhow::Result<Self> {
        let place = folder.join(path);
        let made = || {
            if let Some(above) = place.parent() {
                private::create_folder(above)?;
            }
            private::options().write(true).create_new(true).open(&place)
        };
        let file = made().with_context(|| format!("{} cannot be made", place.display()))?;
        Ok(Self {
            out: BufWriter::with_capacity(256 * 1024, file),
            hash: digest::Context::new(&digest::SHA256),
            bytes: 0,
            path: path.to_owned(),
            place,
        })
    }

    /// Copies all of a reader; returns how much.
    pub(super) fn fill(&mut self, mut from: impl Read) -> anyhow::Result<u64> {
        io::copy(&mut from, self)
            .with_context(|| format!("{} cannot be written", self.place.display()))
    }

    /// Makes it durable.
    pub(super) fn finish(self) -> anyhow::Result<FileEntry> {
        let Self {
            out,
            hash,
            bytes,
            path,
            place,
        } = self;
        let synced = out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all());
        synced.with_context(|| format!("{} cannot be written", place.display()))?;
        Ok(FileEntry {
            path,
            bytes,
            sha256: hex(hash.finish().as_ref()),
        })
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A file of a backup that is read and compared with what the manifest says of it.
pub(super) struct Checked<'f> {
    from: BufReader<File>,
    hash: digest::Context,
    bytes: u64,
    entry: &'f FileEntry,
}

impl<'f> Checked<'f> {
    /// Opens it.
    pub(super) fn open(folder: &Path, entry: &'f FileEntry) -> anyhow::Result<Self> {
        let file = File::open(folder.join(&entry.path))
            .with_context(|| format!("{} cannot be read", entry.path))?;
        Ok(Self {
            from: BufReader::with_capacity(256 * 1024, file),
            hash: digest::Context::new(&digest::SHA256),
            bytes: 0,
            entry,
        })
    }

    /// The next line with its line feed, of at most `max` bytes; empty at the end.
    pub(super) fn line<'b>(
        &mut self,
        max: usize,
        line: &'b mut Vec<u8>,
    ) -> anyhow::Result<&'b [u8]> {
        line.clear();
        let limit = u64::try_from(max).unwrap_or(u64::MAX);
        (&mut self.from)
            .take(limit)
            .read_until(b'\n', line)
            .with_context(|| format!("{} cannot be read", self.entry.path))?;
        self.hash.update(line);
        self.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        ensure!(
            line.is_empty() || line.ends_with(b"\n"),
            "{} is cut off, or holds a line that is too long",
            self.entry.path
        );
        Ok(line)
    }

    /// Reads what is left; an error when the file is not the one that the manifest names.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let entry = self.entry;
        io::copy(&mut self, &mut io::sink())
            .with_context(|| format!("{} cannot be read", entry.path))?;
        ensure!(
            self.bytes == entry.bytes && hex(self.hash.finish().as_ref()) == entry.sha256,
            "{} is not what the backup wrote: it has been damaged or altered",
            entry.path
        );
        Ok(())
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += u64::try_from(read).unwrap_or(u64::MAX);
        Ok(read)
    }
}

/// A whole file of at most so many bytes.
pub(super) fn read_bounded(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is too large",
        ));
    }
    Ok(bytes)
}
