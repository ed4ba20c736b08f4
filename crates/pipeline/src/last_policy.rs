//! The last good policy on disk, for a start that finds in the store a version it cannot read: after a step back to an older
//! program, or damage.
//!
//! The file is the owner's alone, holds the old policy or the new one and never a part, and is believed only whole and for its own
//! organisation. It never stands in for a policy that can be read. Called by [`crate::Rules`].

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::PathBuf;

use aws_lc_rs::digest;
use domain::{OrgId, Timestamp, limits};
use ledger::private;
use serde::{Deserialize, Serialize};

use crate::identity::hex;

/// Room for the line in front of the text.
const HEAD_BYTES_MAX: usize = 1_024;

/// Where the policy of one organisation is kept.
#[derive(Debug, Clone)]
pub struct LastPolicy {
    path: PathBuf,
    org: OrgId,
}

/// A policy as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its version in the store.
    pub version: u64,
    /// When it was applied.
    pub applied: Timestamp,
    /// Its text.
    pub text: String,
}

/// The file cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("the last good policy cannot be read from the disk")]
    Io(#[from] io::Error),
    /// It is larger than any policy.
    #[error("the last good policy on the disk is larger than a policy can be")]
    TooLarge,
    /// It is not in the form that is written here.
    #[error("the last good policy on the disk is damaged")]
    Damaged,
    /// It is of another organisation.
    #[error("the last good policy on the disk is of another organisation")]
    Foreign,
    /// Its content is not what was written.
    #[error("the last good policy on the disk has been altered")]
    Altered,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    org: OrgId,
    version: u64,
    applied: Timestamp,
    sha256: String,
}

impl LastPolicy {
    /// Keeps the policy of an organisation in this file.
    pub const fn at(path: PathBuf, org: OrgId) -> Self {
        Self { path, org }
    }

    /// Puts a policy in place of the one that is kept. It is durable when this returns.
    pub fn keep(&self, kept: &Kept) -> io::Result<()> {
        let head = Head {
            org: self.org,
            version: kept.version,
            applied: kept.applied,
            sha256: self.hash(kept),
        };
        let mut bytes = serde_json::to_vec(&head)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(kept.text.as_bytes());
        let new = self.path.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        private::write(&new, &bytes)?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, &self.path)?;
        let folder = self.path.parent().unwrap_or(&self.path);
        File::open(folder)?.sync_all()
    }

    /// What is kept; none when nothing ever was.
    pub fn read(&self) -> Result<Option<Kept>, Unusable> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let most = limits::POLICY_BYTES_MAX + HEAD_BYTES_MAX;
        let mut bytes = Vec::new();
        file.take(most as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > most {
            return Err(Unusable::TooLarge);
        }
        let bytes = String::from_utf8(bytes).map_err(|_| Unusable::Damaged)?;
        let (head, text) = bytes.split_once('\n').ok_or(Unusable::Damaged)?;
        let head: Head = serde_json::from_str(head).map_err(|_| Unusable::Damaged)?;
        if head.org != self.org {
            return Err(Unusable::Foreign);
        }
        let kept = Kept {
            version: head.version,
            applied: head.applied,
            text: text.to_owned(),
        };
        if head.sha256 != self.hash(&kept) {
            return Err(Unusable::Altered);
        }
        Ok(Some(kept))
    }

    /// Over everything that is kept and whose it is.
    fn hash(&self, kept: &Kept) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        let about = format!(
            "{}\n{}\n{}\n",
            self.org,
            kept.version,
            kept.applied.unix_ms()
        );
        hash.update(about.as_bytes());
        hash.update(kept.text.as_bytes());
        hex(hash.finish().as_ref())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn kept(version: u64) -> Kept {
        Kept {
            version,
            applied: Timestamp::from_unix_ms(5),
            text: format!("# version {version}\n\n[[grant]]\n"),
        }
    }

    fn place(folder: &tempfile::TempDir, org: u128) -> LastPolicy {
        LastPolicy::at(folder.path().join("policy.last"), OrgId::from_parts(1, org))
    }

    #[test]
    fn what_is_kept_is_read_again_whole_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let last = place(&folder, 1);
        assert_eq!(last.read().unwrap(), None);
        // What a crash left behind is in nobody's way.
        fs::write(folder.path().join("policy.new"), "half a pol").unwrap();
        for version in [1, 2] {
            last.keep(&kept(version)).unwrap();
            assert_eq!(last.read().unwrap(), Some(kept(version)));
        }
        let mode = fs::metadata(&last.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_another_organisation_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        place(&folder, 1).keep(&kept(1)).unwrap();
        assert!(matches!(place(&folder, 2).read(), Err(Unusable::Foreign)));
    }

    #[test]
    fn a_file_that_was_altered_or_cut_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let last = place(&folder, 1);
        last.keep(&kept(1)).unwrap();
        let whole = fs::read(&last.path).unwrap();
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            for bytes in [&altered[..], &whole[..at]] {
                fs::write(&last.path, bytes).unwrap();
                assert!(last.read().is_err(), "byte {at}");
            }
        }
        fs::write(&last.path, [&whole[..], b" "].concat()).unwrap();
        assert!(matches!(last.read(), Err(Unusable::Altered)));
    }

    #[test]
    fn a_file_larger_than_any_policy_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let last = place(&folder, 1);
        let most = limits::POLICY_BYTES_MAX + HEAD_BYTES_MAX;
        fs::write(&last.path, vec![b' '; most + 1]).unwrap();
        assert!(matches!(last.read(), Err(Unusable::TooLarge)));
    }
}
