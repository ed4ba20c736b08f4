//! Offline verification: from the files alone, whether a ledger is what was written. It finds and names what was edited, deleted,
//! reordered, inserted, cut off or forked. It reads any bytes, in one pass, in bounded memory, and changes nothing.
//!
//! What each kind of evidence can show:
//!
//! - The **chain** in the lines shows any change that was not carried through to the end of the file.
//! - **Trusted public keys** show a change that was: checkpoints inside would need new signatures. A key that a trusted one gave
//!   its word for ([`crate::KeyChange`]) is trusted too.
//! - **Checkpoints kept elsewhere** show a cut-off end, and a fork signed with the ledger's own key.
//!
//! Called by `doorward ledger verify`, by evidence packs, by the demo, and of the end alone by the console.

mod latest;
mod marks;
mod report;
mod strand;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use domain::limits::{LEDGER_LINE_BYTES_MAX, VERIFY_ANCHORS_MAX, VERIFY_CHAINS_MAX};

use crate::chain::{Line, LineError};
use crate::disk::{read_line, segment_path, segments_in};
use crate::export::{Bridge, Omitted};
use crate::key_change::{KeyChange, LISTED, ListedChange};
use crate::signing::{KeyId, PublicKey};
use crate::{Checkpoint, Hash, Record};
pub use latest::{Latest, latest};
use marks::Marks;
pub use report::{ChainReport, Damage, Finding, Report};
use report::{Findings, Place};
use strand::Strand;

/// Keys that are trusted at once; words for further ones are not followed.
const VERIFY_KEYS_MAX: usize = 1_024;
/// Lines that cannot be read and whose place in the chain is not known yet.
const UNPLACED_MAX: usize = 1_024;

/// What the verifier may believe besides the lines.
#[derive(Debug, Default)]
pub struct Trust {
    keys: BTreeMap<KeyId, PublicKey>,
    checkpoints: BTreeMap<String, Marks>,
    is_excerpt: bool,
    is_end: bool,
    findings: Findings,
}

impl Trust {
    /// Nothing: the chain alone is checked.
    pub fn none() -> Self {
        Self::default()
    }

    /// Believes checkpoints signed by this key. Give keys before checkpoints.
    pub fn add_key(&mut self, key: PublicKey) {
        self.keys.insert(key.id(), key);
    }

    /// What is verified is an export that may leave records out and end before the ledger did: bridges are believed as far as
    /// they fit, and checkpoints of later records are not held against it. Without this every bridge is damage, since whoever
    /// deletes records could put one in their place.
    pub fn expect_excerpt(&mut self) {
        self.is_excerpt = true;
    }

    /// Believes that the lines begin somewhere within a chain: its first record here may follow ones that are not looked at.
    fn expect_end(&mut self) {
        self.is_end = true;
    }

    /// Believes checkpoints that were kept elsewhere, one JSON object a line, as in `checkpoints.ndjson`. With keys given, each
    /// must be signed by one of them. Of very many only some are kept, always with the last.
    pub fn add_checkpoints(&mut self, name: &str, mut from: impl BufRead) -> io::Result<()> {
        let (mut buffer, mut number) = (Vec::new(), 0);
        loop {
            let line = read_line(&mut from, LEDGER_LINE_BYTES_MAX, &mut buffer)?;
            if line.is_empty() {
                return Ok(());
            }
            number += 1;
            let place = Place {
                file: name.into(),
                line: number,
            };
            match serde_json::from_slice(line.trim_ascii()) {
                Ok(checkpoint) => self.add_checkpoint(&checkpoint, &place),
                Err(_) if line.trim_ascii().is_empty() => {}
                Err(_) if line.starts_with(LISTED) => {
                    match serde_json::from_slice::<ListedChange>(line) {
                        Ok(listed) => self.add_listed_change(&listed.key_change, &place),
                        Err(_) => self
                            .findings
                            .push(Damage::NotACheckpoint, None, &place, 0, 0),
                    }
                }
                Err(_) => self
                    .findings
                    .push(Damage::NotACheckpoint, None, &place, 0, 0),
            }
        }
    }

    fn add_checkpoint(&mut self, checkpoint: &Checkpoint, place: &Place) {
        let (chain, seq) = (checkpoint.chain.as_str(), checkpoint.seq);
        if let Err(damage) = self.check(checkpoint) {
            self.findings.push(damage, Some(chain), place, seq, seq);
            return;
        }
        if self.checkpoints.len() >= VERIFY_CHAINS_MAX && !self.checkpoints.contains_key(chain) {
            self.findings
                .push(Damage::TooManyChains, Some(chain), place, seq, seq);
            return;
        }
        let marks = self
            .checkpoints
            .entry(chain.to_owned())
            .or_insert_with(|| Marks::new(VERIFY_ANCHORS_MAX));
        if marks.find(seq).is_some_and(|hash| hash != checkpoint.hash) {
            self.findings
                .push(Damage::Disagrees, Some(chain), place, seq, seq);
        }
        marks.add(seq, checkpoint.hash);
    }

    fn add_listed_change(&mut self, change: &KeyChange, place: &Place) {
        if let Err(damage) = self.follow_key(change) {
            self.findings.push(damage, None, place, 0, 0);
        }
    }

    /// Trusts a key that a trusted one gave its word for. Without keys nothing is trusted and nothing learned.
    fn follow_key(&mut self, change: &KeyChange) -> Result<(), Damage> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let old = self.keys.get(&change.from).ok_or(Damage::UnknownKey)?;
        if !change.is_signed_by(old) {
            return Err(Damage::BadSignature);
        }
        if self.keys.len() < VERIFY_KEYS_MAX {
            self.keys.insert(change.to.id(), change.to);
        }
        Ok(())
    }

    /// Whether a checkpoint is signed by a key we trust; without keys every signature passes unchecked (`false`).
    fn check(&self, checkpoint: &Checkpoint) -> Result<bool, Damage> {
        if self.keys.is_empty() {
            return Ok(false);
        }
        let key = self.keys.get(&checkpoint.key).ok_or(Damage::UnknownKey)?;
        if checkpoint.is_signed_by(key) {
            Ok(true)
        } else {
            Err(Damage::BadSignature)
        }
    }
}

/// Verifies one stream of lines.
pub fn verify(name: &str, from: impl BufRead, trust: Trust) -> io::Result<Report> {
    let mut verifier = Verifier::new(trust);
    verifier.read(name, from)?;
    Ok(verifier.finish())
}

/// Verifies a spool's segments in order, and against the list of checkpoints beside them.
pub fn verify_folder(folder: &Path, mut trust: Trust) -> io::Result<Report> {
    let list = "checkpoints.ndjson";
    match File::open(folder.join(list)) {
        Ok(file) => trust.add_checkpoints(list, BufReader::new(file))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut verifier = Verifier::new(trust);
    for segment in segments_in(folder)? {
        let path = segment_path(folder, segment);
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        verifier.read(&name, BufReader::new(File::open(&path)?))?;
    }
    Ok(verifier.finish())
}

/// Verifies files one after another: the segments of a spool in order, or exports of several chains.
#[derive(Debug)]
pub struct Verifier {
    trust: Trust,
    strands: BTreeMap<String, Strand>,
    findings: Findings,
    lines: u64,
    /// The chain of the last line that held.
    current: Option<String>,
    /// Lines that could not be read and have no place yet.
    unplaced: Vec<Place>,
    /// How many of those came after the last line that held.
    unplaced_last: usize,
}

impl Verifier {
    /// Begins with what may be believed.
    pub fn new(mut trust: Trust) -> Self {
        let findings = std::mem::take(&mut trust.findings);
        Self {
            trust,
            strands: BTreeMap::new(),
            findings,
            lines: 0,
            current: None,
            unplaced: Vec::new(),
            unplaced_last: 0,
        }
    }

    /// Reads a file; `name` is what the report calls it.
    pub fn read(&mut self, name: &str, mut from: impl BufRead) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut place = Place {
            file: name.into(),
            line: 0,
        };
        loop {
            let bytes = read_line(&mut from, LEDGER_LINE_BYTES_MAX + 1, &mut buffer)?;
            if bytes.is_empty() {
                return Ok(());
            }
            place.line += 1;
            self.lines += 1;
            let is_long = bytes.len() > LEDGER_LINE_BYTES_MAX;
            match bytes.strip_suffix(b"\n") {
                Some(line) if !is_long => self.take_line(line, &place),
                None if !is_long && Line::decode(bytes).is_err() => self.take_torn(&place),
                None if !is_long => self.take_line(bytes, &place),
                ended => {
                    if ended.is_none() {
                        skip_line(&mut from)?;
                    }
                    self.set_aside(&place);
                }
            }
        }
    }

    /// The end of a file that is no whole line.
    fn take_torn(&mut self, place: &Place) {
        let current = self.current.as_deref();
        let seq = current
            .and_then(|chain| self.strands.get(chain))
            .map_or(0, Strand::next);
        self.findings.push(Damage::Torn, current, place, seq, seq);
    }

    fn take_line(&mut self, bytes: &[u8], place: &Place) {
        match Line::decode(bytes) {
            Ok(line) => self.take_record(&line, place),
            Err(LineError::Form | LineError::Hash | LineError::Record) => {
                match serde_json::from_slice(bytes) {
                    Ok(Bridge { omitted }) if omitted.is_sound() => {
                        self.take_bridge(&omitted, place);
                    }
                    _ => self.set_aside(place),
                }
            }
        }
    }

    fn take_record(&mut self, line: &Line<'_>, place: &Place) {
        let (chain, seq) = (line.chain, line.seq);
        let known = self.with_strand(chain, place, |strand, unplaced, findings| {
            strand.follow(line, place, unplaced, findings);
        });
        if !known {
            return;
        }
        self.compare_with_kept(chain, seq, line.hash, place);
        if line.is_checkpoint() {
            self.take_checkpoint(line, place);
        } else if line.is_key_change() {
            self.take_key_change(line, place);
        }
    }

    fn take_bridge(&mut self, omitted: &Omitted<'_>, place: &Place) {
        let chain = &*omitted.chain;
        let known = self.with_strand(chain, place, |strand, unplaced, findings| {
            strand.cross(omitted, place, unplaced, findings);
        });
        if !self.trust.is_excerpt {
            let (first, last) = (omitted.first, omitted.last);
            self.findings
                .push(Damage::LeftOut, Some(chain), place, first, last);
        }
        if known {
            self.compare_with_kept(chain, omitted.last, omitted.hash, place);
        }
    }

    /// Whether a checkpoint kept elsewhere names this very record, or another under its number.
    fn compare_with_kept(&mut self, chain: &str, seq: u64, hash: Hash, place: &Place) {
        let marks = self.trust.checkpoints.get(chain);
        match marks.and_then(|marks| marks.find(seq)) {
            None => {}
            Some(kept) if kept == hash => {
                if let Some(strand) = self.strands.get_mut(chain) {
                    strand.witness(seq);
                }
            }
            Some(_) => self
                .findings
                .push(Damage::Disagrees, Some(chain), place, seq, seq),
        }
    }

    fn take_checkpoint(&mut self, line: &Line<'_>, place: &Place) {
        let checkpoint = match line.record() {
            Ok(Record::System(system)) => system.checkpoint,
            _ => None,
        };
        let about_here = |it: &Checkpoint| {
            it.chain.as_str() == line.chain
                && it.seq.checked_add(1) == Some(line.seq)
                && it.hash == line.prev
        };
        let Some(checkpoint) = checkpoint.filter(about_here) else {
            self.findings.push(
                Damage::Disagrees,
                Some(line.chain),
                place,
                line.seq,
                line.seq,
            );
            return;
        };
        match self.trust.check(&checkpoint) {
            Ok(trusted) => {
                if let Some(strand) = self.strands.get_mut(line.chain) {
                    strand.sign(checkpoint.seq, trusted);
                }
            }
            Err(damage) => self
                .findings
                .push(damage, Some(line.chain), place, line.seq, line.seq),
        }
    }

    fn take_key_change(&mut self, line: &Line<'_>, place: &Place) {
        let change = match line.record() {
            Ok(Record::System(system)) => system.key_change,
            _ => None,
        };
        let followed = change
            .ok_or(Damage::BadSignature)
            .and_then(|change| self.trust.follow_key(&change));
        if let Err(damage) = followed {
            self.findings
                .push(damage, Some(line.chain), place, line.seq, line.seq);
        }
    }

    /// Hands a line to its chain; false when there are too many chains.
    fn with_strand(
        &mut self,
        chain: &str,
        place: &Place,
        step: impl FnOnce(&mut Strand, &mut Vec<Place>, &mut Findings),
    ) -> bool {
        if !self.strands.contains_key(chain) {
            if self.strands.len() >= VERIFY_CHAINS_MAX {
                self.findings.push(Damage::TooManyChains, None, place, 0, 0);
                return false;
            }
            // Of an end only the first chain may have begun before it.
            let is_cut = self.trust.is_end && self.strands.is_empty();
            let strand = Strand::new(chain, is_cut);
            self.strands.insert(chain.to_owned(), strand);
        }
        if let Some(strand) = self.strands.get_mut(chain) {
            step(strand, &mut self.unplaced, &mut self.findings);
        }
        if self.strands.len() == 1 {
            // the one chain goes on without a hole, so these lines are none of it; of several, each may still show a hole
            self.insert_unplaced();
        }
        self.unplaced_last = 0;
        if self.current.as_deref() != Some(chain) {
            self.current = Some(chain.to_owned());
        }
        true
    }

    /// A line that does not hold: the next line of the chain tells whose place it has.
    fn set_aside(&mut self, place: &Place) {
        if self.unplaced.len() >= UNPLACED_MAX {
            self.insert_unplaced();
        }
        self.unplaced.push(place.clone());
        self.unplaced_last += 1;
    }

    fn insert_unplaced(&mut self) {
        for place in self.unplaced.drain(..) {
            self.findings
                .push(Damage::Inserted, self.current.as_deref(), &place, 0, 0);
        }
    }

    /// Ends the verification.
    pub fn finish(mut self) -> Report {
        // what cannot be read at the end stands where the next records should
        let mut last = self
            .unplaced
            .split_off(self.unplaced.len().saturating_sub(self.unplaced_last));
        self.insert_unplaced();
        if let Some(strand) = self
            .current
            .as_ref()
            .and_then(|chain| self.strands.get_mut(chain))
        {
            strand.end_unreadable(&mut last, &mut self.findings);
        }
        for place in last {
            self.findings.push(Damage::Altered, None, &place, 0, 0);
        }
        let Trust {
            keys,
            checkpoints: mut kept,
            is_excerpt,
            ..
        } = self.trust;
        let mut chains = Vec::new();
        for (chain, strand) in self.strands {
            let covered = kept.remove(&chain);
            chains.push(strand.finish(
                covered.as_ref(),
                is_excerpt,
                !keys.is_empty(),
                &mut self.findings,
            ));
        }
        for (chain, marks) in kept {
            if let Some((last, _)) = marks.last().filter(|&(seq, _)| seq > 0 && !is_excerpt) {
                self.findings
                    .push(Damage::Truncated, Some(&chain), &Place::default(), 1, last);
            }
        }
        self.findings.report(self.lines, !keys.is_empty(), chains)
    }
}

/// Passes over the rest of a line that is too long to be one.
fn skip_line(from: &mut impl BufRead) -> io::Result<()> {
    loop {
        let more = from.fill_buf()?;
        if more.is_empty() {
            return Ok(());
        }
        let end = more.iter().position(|&b| b == b'\n');
        let passed = end.map_or(more.len(), |end| end + 1);
        from.consume(passed);
        if end.is_some() {
            return Ok(());
        }
    }
}
