//! Folders and files that their owner alone can enter and read. Everything the ledger leaves on a disk is made here, and whoever
//! puts something beside it may use it too. On systems without Unix modes it makes them as the folder above says.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Creates a folder, and those above it, when absent; one that is there stays as its operator made it.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Options with which a file is made private; what else is wanted of it is for the caller to add.
pub fn options() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is no mode to set"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Writes a whole file, in place of what it held.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    options()
        .create(true)
        .write(true)
        .truncate(true)
        .open(path)?
        .write_all(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_its_owners_alone_and_what_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        create_folder(&deep).unwrap();
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        assert_eq!(mode(&deep), 0o700);
        let file = deep.join("file");
        write(&file, b"longer").unwrap();
        write(&file, b"short").unwrap();
        assert_eq!(
            (mode(&file), &*fs::read(&file).unwrap()),
            (0o600, &b"short"[..])
        );
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o750)).unwrap();
        create_folder(&deep).unwrap();
        assert_eq!(mode(&deep), 0o750);
    }
}
