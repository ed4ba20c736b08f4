//! A range of a spool as NDJSON, line by line as stored, so that `verify` works on it. What the range leaves out is bridged by
//! lines that say so and carry the chain across:
//!
//! ```text
//! {"omitted":{"chain":"gw-1.3","first":18,"last":40,"prev":"<hash of 17>","hash":"<hash of 40>"}}
//! ```
//!
//! A range's checkpoints are always in, and the first one after it too, so that its last record is covered by a signature. What
//! comes after that is not mentioned: nothing in the export could vouch for it. `verify` believes bridges only when it is told to
//! expect an excerpt.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Write};

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::read::{ReadError, Reader};
use crate::record::Kind;
use crate::{ChainId, Hash, Line};

/// Which records to export. The default is all.
#[derive(Debug, Clone, Default)]
pub struct Range {
    /// Records from this moment on.
    pub from: Option<Timestamp>,
    /// Records before this moment.
    pub to: Option<Timestamp>,
    /// Records of these kinds; none means every kind.
    pub kinds: Option<BTreeSet<Kind>>,
}

/// What an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Records written.
    pub records: u64,
    /// Records left out and bridged.
    pub omitted: u64,
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The spool cannot be read.
    #[error("the spool cannot be read")]
    Read(#[from] ReadError),
    /// The export cannot be written.
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
}

/// A bridge over records that are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Omitted<'a> {
    #[serde(borrow)]
    pub(crate) chain: Cow<'a, str>,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) prev: Hash,
    pub(crate) hash: Hash,
}

impl Omitted<'_> {
    /// Whether it could bridge anything.
    pub(crate) fn is_sound(&self) -> bool {
        (1..=self.last).contains(&self.first) && ChainId::is_spelled_well(&self.chain)
    }
}

/// A bridge as it stands in a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bridge<'a> {
    #[serde(borrow)]
    pub(crate) omitted: Omitted<'a>,
}

impl Range {
    fn is_past(&self, line: &Line<'_>) -> bool {
        self.to.is_some_and(|to| line.time >= to)
    }

    fn holds(&self, line: &Line<'_>) -> bool {
        let in_time = self.from.is_none_or(|from| line.time >= from) && !self.is_past(line);
        // a kind of a later version cannot be asked for, so it is left out by any list
        let of_kind = self
            .kinds
            .as_ref()
            .is_none_or(|kinds| line.kind().is_some_and(|kind| kinds.contains(&kind)));
        in_time && (of_kind || line.is_checkpoint())
    }
}

/// Writes the records of a range. Lines that do not hold are written as they are, for `verify` to find.
pub fn export(
    mut reader: Reader,
    range: &Range,
    out: &mut impl Write,
) -> Result<Exported, ExportError> {
    let mut exported = Exported::default();
    let mut bridge: Option<Omitted<'static>> = None;
    let mut is_first = true;
    // after the checkpoint that closes the range the clock may have been set back into it, so all is read
    let mut is_closed = false;
    while let Some(entry) = reader.read()? {
        let line = Line::decode(&entry.line).ok();
        let closes = line
            .as_ref()
            .is_some_and(|line| !is_closed && range.is_past(line) && line.is_checkpoint());
        // the spool's first line is where the chain begins, or a checkpoint of what was dropped before it
        if let Some(line) = line.filter(|line| !is_first && !closes && !range.holds(line)) {
            extend(&mut bridge, &line);
            continue;
        }
        is_first = false;
        is_closed = closes;
        exported.omitted += write_bridge(&mut bridge, out)?;
        out.write_all(&entry.line)?;
        out.write_all(b"\n")?;
        exported.records += 1;
    }
    // what is left out at the end is not bridged: nothing in the export could vouch for it
    out.flush()?;
    Ok(exported)
}

fn extend(bridge: &mut Option<Omitted<'static>>, line: &Line<'_>) {
    if let Some(bridge) = bridge {
        bridge.last = line.seq;
        bridge.hash = line.hash;
    } else {
        let (chain, seq) = (Cow::Owned(line.chain.to_owned()), line.seq);
        *bridge = Some(Omitted {
            chain,
            first: seq,
            last: seq,
            prev: line.prev,
            hash: line.hash,
        });
    }
}

/// Writes the bridge, if there is one; returns over how many records it leads.
fn write_bridge(bridge: &mut Option<Omitted<'static>>, out: &mut impl Write) -> io::Result<u64> {
    let Some(omitted) = bridge.take() else {
        return Ok(0);
    };
    let records = omitted.last.abs_diff(omitted.first).saturating_add(1);
    serde_json::to_writer(&mut *out, &Bridge { omitted })?;
    out.write_all(b"\n")?;
    Ok(records)
}
