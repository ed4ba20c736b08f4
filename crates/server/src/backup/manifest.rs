//! What a backup says about itself: which rows, which chains, and of every file its length and SHA-256. It is read as something
//! that anybody may have written, until its seal has shown otherwise: a path in it is one of few forms, and leads nowhere else.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use domain::limits;
use ledger::ChainId;
use serde::{Deserialize, Serialize};

use super::files::read_bounded;

/// The form described here.
const FORMAT: u32 = 1;
/// The manifest's file.
pub(super) const MANIFEST: &str = "manifest.json";
/// The manifest's SHA-256, sealed with the key of the store's secrets.
pub(super) const SEAL: &str = "manifest.seal";
/// The sealing key itself, where it was asked for.
pub(super) const KEY: &str = "sealing.key";
/// The public keys that checkpoints are checked with.
pub(super) const PUBLIC_KEYS: &str = "ledger.pub";

/// A backup's table of contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// [`FORMAT`].
    pub(super) doorward_backup: u32,
    /// The program's version.
    pub(super) tool: String,
    /// When the rows were looked at, RFC 3339.
    pub(super) made: String,
    /// Where they came from, for people: `sqlite` or `postgres`.
    pub(super) engine: String,
    /// The schema's number.
    pub(super) schema: i64,
    /// The tables, in the order they are to be filled.
    pub(super) tables: Vec<TableEntry>,
    /// The ledger's chains.
    pub(super) chains: Vec<ChainEntry>,
    /// Every other file.
    pub(super) files: Vec<FileEntry>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableEntry {
    pub(super) name: String,
    pub(super) rows: u64,
}

/// A chain of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainEntry {
    pub(super) chain: ChainId,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) hash: ledger::Hash,
    /// Whether a process would have gone on with it.
    pub(super) open: bool,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEntry {
    /// With slashes, below the backup's folder.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// The form's number alone.
#[derive(Deserialize)]
struct Form {
    doorward_backup: u32,
}

/// The file of a table.
pub(super) fn table_path(table: &str) -> String {
    format!("store/{table}.ndjson")
}

/// The folder of a chain.
pub(super) fn chain_path(chain: &ChainId) -> String {
    format!("ledger/{chain}")
}

impl Manifest {
    /// An empty one of this program.
    pub(super) fn new(made: String, engine: &str, schema: i64) -> Self {
        Self {
            doorward_backup: FORMAT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            made,
            engine: engine.to_owned(),
            schema,
            tables: Vec::new(),
            chains: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Reads and checks one; also returns its bytes, which the seal is for.
    pub(super) fn read(folder: &Path) -> anyhow::Result<(Self, Vec<u8>)> {
        let path = folder.join(MANIFEST);
        let bytes = read_bounded(&path, limits::BACKUP_MANIFEST_BYTES_MAX).with_context(|| {
            format!(
                "{} is no backup: {MANIFEST} cannot be read",
                folder.display()
            )
        })?;
        // a later form may have fields that we do not know, so its number is looked at first
        let form: Form = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not a backup's", path.display()))?;
        ensure!(
            form.doorward_backup == FORMAT,
            "the backup has form {}, and this version knows {FORMAT}; use the version that made it",
            form.doorward_backup
        );
        let manifest: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is damaged", path.display()))?;
        manifest.check()?;
        Ok((manifest, bytes))
    }

    /// The file of this path.
    pub(super) fn file(&self, path: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path == path)
    }

    fn check(&self) -> anyhow::Result<()> {
        let mut paths = BTreeSet::new();
        for file in &self.files {
            ensure!(
                self.knows(&file.path),
                "the backup names a file that none of ours is called: {:?}",
                file.path
            );
            ensure!(
                paths.insert(&*file.path),
                "{:?} stands twice in the backup",
                file.path
            );
        }
        let mut tables = BTreeSet::new();
        for table in &self.tables {
            let path = table_path(&table.name);
            ensure!(
                paths.contains(&*path) && tables.insert(&*table.name),
                "the rows of {:?} are not in the backup, or twice",
                table.name
            );
        }
        let stores = paths.iter().filter(|path| path.starts_with("store/"));
        ensure!(
            stores.count() == tables.len(),
            "the backup holds rows of no table"
        );
        let chains: BTreeSet<_> = self.chains.iter().map(|entry| &entry.chain).collect();
        ensure!(
            chains.len() == self.chains.len(),
            "a chain stands twice in the backup"
        );
        Ok(())
    }

    /// Whether a path is one that a backup writes.
    fn knows(&self, path: &str) -> bool {
        let is_word = |text: &str| {
            !text.is_empty()
                && text.len() <= 100
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        match path.split('/').collect::<Vec<_>>()[..] {
            [PUBLIC_KEYS] => true,
            ["store", file] => file.strip_suffix(".ndjson").is_some_and(is_word),
            ["ledger", chain, file] => {
                self.chains
                    .iter()
                    .any(|entry| entry.chain.as_str() == chain)
                    && ledger::copy::is_part(file)
            }
            _ => false,
        }
    }

    /// That the folder holds what is named here and nothing else, whatever the files hold.
    pub(super) fn check_folder(&self, folder: &Path) -> anyhow::Result<()> {
        let mut found = BTreeSet::new();
        list(folder, "", 0, &mut found)?;
        for file in &self.files {
            ensure!(
                found.remove(&file.path),
                "{} is missing in the backup",
                file.path
            );
        }
        for ours in [MANIFEST, SEAL, KEY] {
            found.remove(ours);
        }
        if let Some(foreign) = found.first() {
            bail!("{foreign} does not belong to the backup; who put it there?");
        }
        Ok(())
    }
}

/// Every file below a folder; anything but files and folders is refused.
fn list(
    folder: &Path,
    above: &str,
    depth: u32,
    found: &mut BTreeSet<String>,
) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = format!("{above}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < 2 {
            list(&entry.path(), &format!("{name}/"), depth + 1, found)?;
        } else {
            ensure!(
                kind.is_file(),
                "{name} is not a file; it does not belong to a backup"
            );
            found.insert(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(path: &str) -> Manifest {
        let mut manifest = Manifest::new("2026-11-21T10:00:00Z".to_owned(), "sqlite", 4);
        manifest.chains.push(ChainEntry {
            chain: "gw-1.1".parse().unwrap(),
            first: 1,
            last: 2,
            hash: ledger::Hash::ZERO,
            open: true,
        });
        manifest.files.push(FileEntry {
            path: path.to_owned(),
            bytes: 0,
            sha256: String::new(),
        });
        if let Some(table) = path
            .strip_prefix("store/")
            .and_then(|name| name.strip_suffix(".ndjson"))
        {
            let (name, rows) = (table.to_owned(), 0);
            manifest.tables.push(TableEntry { name, rows });
        }
        manifest
    }

    #[test]
    fn a_path_leads_to_our_own_files_and_nowhere_else() {
        for path in [
            "ledger.pub",
            "store/people.ndjson",
            "ledger/gw-1.1/00000000000000000001.ndjson",
            "ledger/gw-1.1/00000000000000000001.cut-0",
            "ledger/gw-1.1/checkpoints.ndjson",
        ] {
            manifest(path).check().unwrap();
        }
        for path in [
            "",
            "/etc/passwd",
            "../ledger.pub",
            "store/../x.ndjson",
            "store/..ndjson",
            "store/People.ndjson",
            "store/a/b.ndjson",
            "store//people.ndjson",
            "./ledger.pub",
            "ledger/../../00000000000000000001.ndjson",
            "ledger/gw-2.1/checkpoints.ndjson",
            "ledger/gw-1.1/lock",
            "ledger/gw-1.1/replica",
            "ledger/gw-1.1/1.ndjson",
            "ledger/gw-1.1/00000000000000000001.ndjson/x",
            "ledger\\gw-1.1\\checkpoints.ndjson",
            "manifest.json",
        ] {
            manifest(path).check().unwrap_err();
        }
    }

    #[test]
    fn what_stands_twice_or_has_no_file_is_refused() {
        let mut twice = manifest("ledger.pub");
        twice.files.push(twice.files[0].clone());
        twice.check().unwrap_err();
        let mut rows = manifest("store/people.ndjson");
        rows.tables.push(rows.tables[0].clone());
        rows.check().unwrap_err();
        rows.tables.truncate(1);
        rows.tables[0].name = "orgs".to_owned();
        rows.check().unwrap_err();
        let mut chains = manifest("ledger.pub");
        chains.chains.push(chains.chains[0].clone());
        chains.check().unwrap_err();
    }
}
