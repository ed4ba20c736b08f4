//! The hash of what a program is made of: a file's SHA-256, or of a folder that of the list which `sha256sum` prints of all its files.
//! So anybody can compute it without us: `(cd DIR && find -L . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)`.
//! Reads, and never writes. Blocking; called by [`super::Programs`] before each start.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use domain::limits;

/// Why something is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// It cannot be read.
    #[error("{} cannot be read", .0.display())]
    Unread(PathBuf, #[source] io::Error),
    /// It holds more than is looked at, or is nested too deep, as where a link leads back into it.
    #[error("{} holds too many files, too deep a folder or too many bytes", .0.display())]
    TooMuch(PathBuf),
    /// A name that no list can hold.
    #[error("{} holds a name that is not UTF-8 or has a line break or a backslash", .0.display())]
    Name(PathBuf),
    /// It was changed, or another one was pinned.
    #[error("{} is pinned as {pinned}, and is {found}", .path.display())]
    Differs {
        /// What.
        path: PathBuf,
        /// What the configuration says.
        pinned: String,
        /// What it is.
        found: String,
    },
}

/// Compares everything that is pinned.
pub fn check(pinned: &BTreeMap<PathBuf, String>) -> Result<(), PinError> {
    for (path, pinned) in pinned {
        let found = of(path)?;
        if found != *pinned {
            return Err(PinError::Differs {
                path: path.clone(),
                pinned: pinned.clone(),
                found,
            });
        }
    }
    Ok(())
}

/// The hash of a file or a folder.
pub fn of(path: &Path) -> Result<String, PinError> {
    let mut left = limits::PROGRAM_PIN_BYTES_MAX;
    let known = fs::metadata(path).map_err(|error| PinError::Unread(path.to_owned(), error))?;
    if !known.is_dir() {
        return of_file(path, &mut left);
    }
    let mut files = Vec::new();
    walk(path, ".", 0, &mut files)?;
    files.sort();
    let mut list = Context::new(&SHA256);
    for name in files {
        let hash = of_file(&path.join(&name), &mut left)?;
        list.update(format!("{hash}  {name}\n").as_bytes());
    }
    Ok(domain::opaque::hex(list.finish().as_ref()))
}

/// Every file below a folder, through links, by its path from there. A link to nowhere is none.
fn walk(root: &Path, at: &str, depth: usize, files: &mut Vec<String>) -> Result<(), PinError> {
    let folder = root.join(at);
    let unread = |error| PinError::Unread(folder.clone(), error);
    for entry in fs::read_dir(&folder).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let name = entry.file_name();
        let name = name
            .to_str()
            .filter(|name| !name.contains(['\n', '\r', '\\']));
        let name = name.ok_or_else(|| PinError::Name(folder.clone()))?;
        let name = format!("{at}/{name}");
        match fs::metadata(entry.path()) {
            Ok(known) if known.is_dir() && depth < limits::PROGRAM_PIN_DEPTH_MAX => {
                walk(root, &name, depth + 1, files)?;
            }
            Ok(known) if known.is_dir() => return Err(PinError::TooMuch(root.to_owned())),
            Ok(known) if known.is_file() => files.push(name),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(PinError::Unread(entry.path(), error)),
        }
        if files.len() > limits::PROGRAM_PIN_FILES_MAX {
            return Err(PinError::TooMuch(root.to_owned()));
        }
    }
    Ok(())
}

fn of_file(path: &Path, left: &mut u64) -> Result<String, PinError> {
    let unread = |error| PinError::Unread(path.to_owned(), error);
    let mut file = File::open(path).map_err(unread)?;
    let mut hash = Context::new(&SHA256);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let many = file.read(&mut piece).map_err(unread)?;
        if many == 0 {
            return Ok(domain::opaque::hex(hash.finish().as_ref()));
        }
        *left = left
            .checked_sub(many as u64)
            .ok_or_else(|| PinError::TooMuch(path.to_owned()))?;
        hash.update(&piece[..many]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(script: &str, at: &Path) -> String {
        let mut shell = std::process::Command::new("sh");
        let output = shell.args(["-c", script]).current_dir(at).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout)[..64].to_owned()
    }

    const FOLDER: &str =
        "find -L . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum";

    #[test]
    fn a_hash_is_what_the_systems_own_programs_say() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir_all(at.join("b/c")).unwrap();
        for (name, text) in [("b/c/x.js", "1"), ("b.js", "2"), ("Z", ""), ("ü a", "4")] {
            fs::write(at.join(name), text).unwrap();
        }
        std::os::unix::fs::symlink("b/c", at.join("linked")).unwrap();
        std::os::unix::fs::symlink("nowhere", at.join("broken")).unwrap();
        let found = of(at).unwrap();
        assert_eq!(found, said(FOLDER, at));
        assert_eq!(of(&at.join("b.js")).unwrap(), said("sha256sum b.js", at));
        for change in ["b/c/x.js", "new"] {
            fs::write(at.join(change), "other").unwrap();
            assert_ne!(of(at).unwrap(), found, "{change}");
        }
        let pinned = BTreeMap::from([(at.to_owned(), found)]);
        assert!(matches!(check(&pinned), Err(PinError::Differs { .. })));
    }

    #[test]
    fn a_link_that_leads_back_and_a_name_that_lies_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", folder.path().join("again")).unwrap();
        assert!(matches!(of(folder.path()), Err(PinError::TooMuch(_))));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a\nb"), "").unwrap();
        assert!(matches!(of(folder.path()), Err(PinError::Name(_))));
        assert!(matches!(
            of(Path::new("/nowhere/x")),
            Err(PinError::Unread(..))
        ));
    }
}
