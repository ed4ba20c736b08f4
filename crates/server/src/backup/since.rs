//! The ledger that is still there when the database is gone: whether it is the one a backup was taken beside, and what it knows to
//! have been changed since. What somebody lost by such a change comes first and is never cut: whoever can make a hundred harmless
//! changes must not hide it behind them. Writes nothing but the list of them, beside the ledger.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use domain::Timestamp;
use ledger::read::Reader;
use ledger::record::{Change, ChangeKind};
use ledger::{Position, Record, private};

use super::manifest::{ChainEntry, Manifest};

/// Changes that take nothing away and are named; when there are more, all of them are only counted, by what they are.
const NAMED_MAX: usize = 200;
/// Every change since the backup, in the ledger's folder: for whoever must make them again, and longer than a terminal remembers.
const LIST: &str = "changed-since-backup.txt";

/// What was changed after a backup.
#[derive(Debug, Default)]
pub(super) struct Since {
    /// Access, rights and keys that were taken away or changed. All of them.
    grave: Vec<(Grave, String)>,
    /// The first of the others.
    others: Vec<String>,
    /// How many others there are, by what they are.
    counts: BTreeMap<(String, &'static str), u64>,
}

/// What a change took away, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grave {
    /// Somebody was shut out, or let in.
    Person,
    /// A key of the installation was changed.
    Key,
    /// A role was taken away.
    Role,
    /// A key of a service, or a directory's token, was taken away or changed.
    Credential,
    /// The rules were changed, or something else is gone.
    Rest,
}

impl Grave {
    fn of(change: &Change) -> Option<Self> {
        let is_gone = change.done == ChangeKind::Deleted;
        match change.noun.as_str() {
            // A restore has ended all of the first two. A directory says itself whom it has; whom it shut out stands under `person`.
            "personal_token" | "session" | "directory_user" | "directory_group" => None,
            "person" => Some(Self::Person),
            "key" => Some(Self::Key),
            "role" if is_gone => Some(Self::Role),
            "service_key" | "scim_token" if change.done != ChangeKind::Created => {
                Some(Self::Credential)
            }
            "policy" => Some(Self::Rest),
            _ if is_gone => Some(Self::Rest),
            _ => None,
        }
    }
}

impl Since {
    fn add(&mut self, change: &Change, told: String) {
        if let Some(grave) = Grave::of(change) {
            self.grave.push((grave, told));
            return;
        }
        if self.others.len() < NAMED_MAX {
            self.others.push(told);
        }
        let noun = change.noun.as_str().replace(char::is_control, "?");
        *self.counts.entry((noun, done(change))).or_default() += 1;
    }

    /// Whether nothing was changed.
    pub(super) fn is_empty(&self) -> bool {
        self.grave.is_empty() && self.counts.is_empty()
    }

    /// What to say: the gravest first, otherwise in the order in which they were made.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut grave: Vec<_> = self.grave.iter().collect();
        grave.sort_by_key(|(grave, _)| *grave);
        let mut lines: Vec<String> = grave.into_iter().map(|(_, told)| told.clone()).collect();
        let others: u64 = self.counts.values().sum();
        if others > self.others.len() as u64 {
            lines.push(format!("and {others} that took nothing away:"));
            for ((noun, done), count) in &self.counts {
                lines.push(format!("  {noun} {done}: {count}"));
            }
        } else {
            lines.extend(self.others.iter().cloned());
        }
        lines
    }
}

/// An error unless every chain that the backup was taken beside is here, with the record that was its last, and whatever came
/// after it.
pub(super) fn check(dir: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    for entry in manifest.chains.iter().filter(|entry| entry.open) {
        let folder = folder_of(dir, entry)?;
        let mut reader = Reader::from(&folder, Position::after(entry.last.saturating_sub(1)));
        let found = reader
            .read()
            .with_context(|| format!("the chain {} cannot be read", entry.chain))?;
        let is_it = found.is_some_and(|found| {
            found.position.seq == entry.last
                && found.decode().is_ok_and(|line| line.hash == entry.hash)
        });
        ensure!(
            is_it,
            "the chain {} in {} is not the one of the backup, or ends before it",
            entry.chain,
            folder.display()
        );
    }
    Ok(())
}

/// What the chains say was changed since, oldest first within each; and where all of it is listed, when there is anything.
pub(super) fn changes(dir: &Path, manifest: &Manifest) -> anyhow::Result<(Since, PathBuf)> {
    let mut since = Since::default();
    let path = dir.join(LIST);
    let mut list = None;
    for entry in manifest.chains.iter().filter(|entry| entry.open) {
        let mut reader = Reader::from(&folder_of(dir, entry)?, Position::after(entry.last));
        while let Some(found) = reader.read()? {
            let Ok(line) = found.decode() else { continue };
            if let Ok(Record::Change(change)) = line.record() {
                let told = told(line.time, &change);
                let list = match &mut list {
                    Some(list) => list,
                    none => none.insert(begun(&path)?),
                };
                writeln!(list, "{told}").with_context(|| unwritten(&path))?;
                since.add(&change, told);
            }
        }
    }
    if let Some(mut list) = list {
        let synced = list.flush().and_then(|()| list.get_ref().sync_all());
        synced.with_context(|| unwritten(&path))?;
    }
    Ok((since, path))
}

fn begun(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let mut options = private::options();
    let file = options.create(true).write(true).truncate(true).open(path);
    Ok(BufWriter::new(file.with_context(|| unwritten(path))?))
}

fn unwritten(path: &Path) -> String {
    format!("the list of changes {} cannot be written", path.display())
}

const fn done(change: &Change) -> &'static str {
    match change.done {
        ChangeKind::Created => "created",
        ChangeKind::Updated => "updated",
        ChangeKind::Deleted => "deleted",
    }
}

fn told(at: Timestamp, change: &Change) -> String {
    let done = done(change);
    let reason = change.reason.as_ref();
    let reason = reason.map_or_else(String::new, |reason| format!(" ({})", reason.as_str()));
    let line = format!(
        "{at}  {} {} {done} by {}{reason}",
        change.noun.as_str(),
        change.name.as_str(),
        change.by_label.as_str()
    );
    // a name from long ago must not command a terminal
    line.replace(char::is_control, "?")
}

fn folder_of(dir: &Path, entry: &ChainEntry) -> anyhow::Result<PathBuf> {
    for (folder, _) in super::spools(dir)? {
        let here = ledger::copy::standing(&folder)
            .with_context(|| format!("the ledger in {} cannot be read", folder.display()))?;
        if here.is_some_and(|here| here.chain == entry.chain) {
            return Ok(folder);
        }
    }
    anyhow::bail!(
        "the chain {} is not in {}; without --keep-ledger a backup brings its own",
        entry.chain,
        dir.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(noun: &str, name: &str, done: ChangeKind) -> Change {
        Change {
            org: None,
            by: None,
            by_label: "somebody".into(),
            address: None,
            noun: noun.into(),
            name: name.into(),
            done,
            version: None,
            before: None,
            after: None,
            reason: None,
        }
    }

    /// What is said of these changes, without their times.
    fn said(changes: &[Change]) -> Vec<String> {
        let mut since = Since::default();
        for change in changes {
            since.add(change, told(Timestamp::default(), change));
        }
        let without = |line: String| match line.split_once("Z  ") {
            Some((_, of)) => of.to_owned(),
            None => line,
        };
        since.lines().into_iter().map(without).collect()
    }

    #[test]
    fn a_hundred_harmless_changes_hide_nothing_that_was_taken_away() {
        use ChangeKind::{Created, Deleted, Updated};
        let mut changes = Vec::new();
        for number in 0..150 {
            let name = format!("flood {number}");
            changes.push(change("personal_token", &name, Created));
            changes.push(change("personal_token", &name, Deleted));
        }
        changes.push(change("policy", "policy", Updated));
        changes.push(change("service_key", "nightly", Deleted));
        changes.push(change("role", "admin", Deleted));
        changes.push(change("role", "auditor", Created));
        changes.push(change("key", "session", Updated));
        changes.push(change("person", "per_ada", Updated));
        for number in 0..150 {
            changes.push(change("session", &format!("again {number}"), Deleted));
        }
        assert_eq!(
            said(&changes),
            [
                "person per_ada updated by somebody",
                "key session updated by somebody",
                "role admin deleted by somebody",
                "service_key nightly deleted by somebody",
                "policy policy updated by somebody",
                "and 451 that took nothing away:",
                "  personal_token created: 150",
                "  personal_token deleted: 150",
                "  role created: 1",
                "  session deleted: 150",
            ]
        );
    }

    #[test]
    fn what_was_taken_away_is_never_cut() {
        let gone: Vec<Change> = (0..1_000)
            .map(|number| change("service_key", &number.to_string(), ChangeKind::Deleted))
            .collect();
        assert_eq!(said(&gone).len(), 1_000);
    }

    #[test]
    fn a_few_changes_are_all_named() {
        let few = [
            change("service_key", "afterwards", ChangeKind::Created),
            change("spend_limit", "old", ChangeKind::Deleted),
        ];
        let expected = [
            "spend_limit old deleted by somebody",
            "service_key afterwards created by somebody",
        ];
        assert_eq!(said(&few), expected);
        assert!(Since::default().is_empty());
    }
}
