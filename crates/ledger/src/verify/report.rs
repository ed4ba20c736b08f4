//! What a verification says: to a program as JSON, to a person in sentences.

use std::fmt;

use domain::Timestamp;
use domain::limits::VERIFY_FINDINGS_MAX;
use serde::Serialize;

use crate::Hash;

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// The line at a record's place does not give its own hash, or cannot be read.
    Altered,
    /// The next record was written after a different one: this one, or the next, was put in its place with a fresh hash.
    Replaced,
    /// Records are not there.
    Missing,
    /// A bridge stands for records, and nobody said that this is an excerpt.
    LeftOut,
    /// A line that is no record of the chain.
    Inserted,
    /// Records stand behind later ones.
    Reordered,
    /// Records stand a second time.
    Repeated,
    /// A second, different record under the same number.
    Forked,
    /// The last line of a file is incomplete.
    Torn,
    /// A checkpoint covers records that are not there.
    Truncated,
    /// A checkpoint names another record under this number.
    Disagrees,
    /// A checkpoint's signature does not hold.
    BadSignature,
    /// A checkpoint is signed by a key that is not trusted.
    UnknownKey,
    /// Keys were given, but no checkpoint in the chain is signed by one.
    Unsigned,
    /// A line of a list of checkpoints is none.
    NotACheckpoint,
    /// More chains than one verification follows.
    TooManyChains,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) file: std::sync::Arc<str>,
    pub(super) line: u64,
}

/// One piece of damage, with where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub damage: Damage,
    /// The chain, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The first record concerned; 0 when it cannot be told.
    pub first: u64,
    /// The last record concerned.
    pub last: u64,
    /// The file.
    pub file: String,
    /// The line in the file, from 1; for records that are not there, the line where they are missed.
    pub line: u64,
}

/// What is known of one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// The chain.
    pub chain: String,
    /// Its first record here. Above 1, those before it are not here: dropped when their time was over, or deleted.
    pub first: u64,
    /// Its last record here.
    pub last: u64,
    /// The last record's hash.
    pub hash: Hash,
    /// Records read.
    pub records: u64,
    /// Records that an export left out, and says so.
    pub omitted: u64,
    /// Checkpoints in the chain whose signature holds, or was not checked for want of a key.
    pub checkpoints: u64,
    /// The last record covered by a checkpoint of a trusted key, or by one kept elsewhere.
    pub signed_to: Option<u64>,
    /// The first record's time.
    pub first_time: Option<Timestamp>,
    /// The last record's time.
    pub last_time: Option<Timestamp>,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Lines read.
    pub lines: u64,
    /// Whether signatures could be checked.
    pub keys_given: bool,
    /// The chains, by name.
    pub chains: Vec<ChainReport>,
    /// What is wrong, in the order it was met.
    pub findings: Vec<Finding>,
    /// Further findings that are not named.
    pub findings_more: u64,
}

impl Report {
    /// Whether nothing is wrong with what is here. Nothing at all is clean: ask for `lines` whether there was a ledger.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.findings_more == 0
    }
}

/// Findings as they are gathered: neighbours of one kind become one, and their number is bounded.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    more: u64,
}

impl Findings {
    pub(super) fn push(
        &mut self,
        damage: Damage,
        chain: Option<&str>,
        place: &Place,
        first: u64,
        last: u64,
    ) {
        if let Some(before) = self.list.last_mut()
            && before.damage == damage
            && before.chain.as_deref() == chain
            && first != 0
            && before.last.checked_add(1) == Some(first)
        {
            before.last = last;
            return;
        }
        if self.list.len() >= VERIFY_FINDINGS_MAX {
            self.more += 1;
            return;
        }
        let (chain, file) = (chain.map(str::to_owned), place.file.to_string());
        self.list.push(Finding {
            damage,
            chain,
            first,
            last,
            file,
            line: place.line,
        });
    }

    pub(super) fn report(self, lines: u64, keys_given: bool, chains: Vec<ChainReport>) -> Report {
        Report {
            lines,
            keys_given,
            chains,
            findings: self.list,
            findings_more: self.more,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, .. } = self;
        let (records, were, stand) = match (first, last) {
            (0, _) => ("a line".to_owned(), "was", "stands"),
            _ if first == last => (format!("record {first}"), "was", "stands"),
            _ => (format!("records {first} to {last}"), "were", "stand"),
        };
        match &self.chain {
            Some(chain) => write!(out, "{records} of chain {chain} ")?,
            None => write!(out, "{records} ")?,
        }
        match self.damage {
            Damage::Altered => write!(
                out,
                "{were} altered: the bytes do not give the hash that was chained"
            ),
            Damage::Replaced => write!(
                out,
                "{were} replaced, or record {} was: the one was written after a different other",
                first.saturating_add(1)
            ),
            Damage::Missing => write!(out, "{were} deleted"),
            Damage::LeftOut => write!(
                out,
                "{were} left out: only an export may say so, and this was not expected to be one"
            ),
            Damage::Inserted => write!(out, "{were} inserted: the chain holds without it"),
            Damage::Reordered => write!(out, "{were} moved: later records stand before"),
            Damage::Repeated => write!(out, "{stand} a second time"),
            Damage::Forked => write!(
                out,
                "{stand} twice with different contents: the chain was forked"
            ),
            Damage::Torn => write!(out, "is incomplete: the file was cut in the middle of it"),
            Damage::Truncated => {
                write!(out, "{were} cut off: a checkpoint covers what is not there")
            }
            Damage::Disagrees => write!(out, "{were} rewritten: a checkpoint names another hash"),
            Damage::BadSignature => write!(
                out,
                "{stand} beside a checkpoint, or a change of key, whose signature does not hold"
            ),
            Damage::UnknownKey => write!(
                out,
                "{stand} beside a checkpoint, or a change, of a key that is not trusted"
            ),
            Damage::Unsigned => write!(out, "{were} never signed by a trusted key"),
            Damage::NotACheckpoint => write!(out, "in a list of checkpoints is none"),
            Damage::TooManyChains => write!(out, "{were} not followed: too many chains at once"),
        }?;
        if self.line > 0 {
            write!(out, " ({}, line {})", self.file, self.line)?;
        }
        Ok(())
    }
}

impl fmt::Display for ChainReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "chain {}: records {} to {}",
            self.chain, self.first, self.last
        )?;
        if let (Some(first), Some(last)) = (self.first_time, self.last_time) {
            write!(out, ", {first} to {last}")?;
        }
        if self.first > 1 {
            let before = self.first - 1;
            write!(
                out,
                ", records 1 to {before} are not here (retention drops the oldest; so would a deletion)"
            )?;
        }
        write!(out, ", {} checkpoints", self.checkpoints)?;
        if self.omitted > 0 {
            write!(out, ", {} records left out of this export", self.omitted)?;
        }
        match self.signed_to {
            Some(to) if to.saturating_add(1) >= self.last => write!(out, ", signed to the end"),
            Some(to) => write!(
                out,
                ", signed to record {to}: what comes after could be cut off or rewritten unnoticed"
            ),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chain in &self.chains {
            writeln!(out, "{chain}")?;
        }
        if !self.keys_given {
            writeln!(
                out,
                "No key was given, so signatures were not checked: whoever rewrote all of it would not be noticed."
            )?;
        }
        for finding in &self.findings {
            writeln!(out, "DAMAGE {finding}")?;
        }
        if self.findings_more > 0 {
            writeln!(out, "DAMAGE {} more places", self.findings_more)?;
        }
        let is_whole = self
            .chains
            .iter()
            .all(|it| it.first <= 1 && it.omitted == 0);
        match self.lines {
            _ if !self.is_clean() => writeln!(out, "The ledger does NOT hold."),
            0 => writeln!(out, "There is no ledger here: no line was read."),
            lines if is_whole => writeln!(
                out,
                "The ledger holds: {lines} lines, nothing altered, missing, moved or added."
            ),
            lines => writeln!(
                out,
                "What is here holds: {lines} lines, nothing altered, moved or added, and nothing missing but what is named above."
            ),
        }
    }
}
