//! One chain as the verifier follows it: where it stands, what it lacks, what was seen before.

use std::collections::VecDeque;

use domain::Timestamp;
use domain::limits::{VERIFY_ANCHORS_MAX, VERIFY_FINDINGS_MAX};

use super::marks::Marks;
use super::report::{ChainReport, Damage, Findings, Place};
use crate::chain::{Head, Line};
use crate::export::Omitted;

/// Records that were passed over and may still turn up further down.
#[derive(Debug)]
struct Gap {
    first: u64,
    last: u64,
    place: Place,
}

#[derive(Debug)]
pub(super) struct Strand {
    chain: String,
    /// Whether what came before its first line here is none of what is looked at.
    is_cut: bool,
    /// The last record in order; none before the first line.
    head: Option<Head>,
    place: Option<Place>,
    first: u64,
    records: u64,
    omitted: u64,
    marks: Marks,
    gaps: VecDeque<Gap>,
    checkpoints: u64,
    signed_to: Option<u64>,
    /// The last record whose hash a checkpoint kept elsewhere names.
    witnessed_to: Option<u64>,
    times: Option<(Timestamp, Timestamp)>,
}

/// What a line, or a bridge over lines, claims about its place.
#[derive(Debug, Clone, Copy)]
struct Step {
    first: u64,
    after: crate::Hash,
    head: Head,
    /// Whether a chain may begin here without what came before.
    may_begin: bool,
}

impl Strand {
    pub(super) fn new(chain: &str, is_cut: bool) -> Self {
        Self {
            chain: chain.to_owned(),
            is_cut,
            head: None,
            place: None,
            first: 0,
            records: 0,
            omitted: 0,
            marks: Marks::new(VERIFY_ANCHORS_MAX),
            gaps: VecDeque::new(),
            checkpoints: 0,
            signed_to: None,
            witnessed_to: None,
            times: None,
        }
    }

    /// A record that matches its own hash.
    pub(super) fn follow(
        &mut self,
        line: &Line<'_>,
        place: &Place,
        unplaced: &mut Vec<Place>,
        findings: &mut Findings,
    ) {
        let (earliest, _) = self.times.unwrap_or((line.time, line.time));
        self.times = Some((earliest, line.time));
        self.records += 1;
        let head = Head {
            seq: line.seq,
            hash: line.hash,
        };
        let step = Step {
            first: line.seq,
            after: line.prev,
            head,
            may_begin: line.is_checkpoint(),
        };
        self.advance(step, place, unplaced, findings);
    }

    /// A bridge over records that an export left out.
    pub(super) fn cross(
        &mut self,
        bridge: &Omitted<'_>,
        place: &Place,
        unplaced: &mut Vec<Place>,
        findings: &mut Findings,
    ) {
        self.omitted = self
            .omitted
            .saturating_add(bridge.last - bridge.first)
            .saturating_add(1);
        let head = Head {
            seq: bridge.last,
            hash: bridge.hash,
        };
        let step = Step {
            first: bridge.first,
            after: bridge.prev,
            head,
            may_begin: false,
        };
        self.advance(step, place, unplaced, findings);
    }

    fn advance(
        &mut self,
        step: Step,
        place: &Place,
        unplaced: &mut Vec<Place>,
        findings: &mut Findings,
    ) {
        let before = self.head.unwrap_or_else(|| self.begin(step, unplaced));
        // a chain cannot have more records than numbers
        let Some(expected) = before.seq.checked_add(1) else {
            findings.push(
                Damage::Repeated,
                Some(&self.chain),
                place,
                step.first,
                step.head.seq,
            );
            return;
        };
        if step.first < expected {
            self.look_back(step, place, findings);
            return;
        }
        if step.first == expected {
            if step.after != before.hash {
                let seq = before.seq.max(1);
                findings.push(Damage::Replaced, Some(&self.chain), place, seq, seq);
            }
        } else if let Some((first, last)) =
            self.name_unreadable(expected, step.first - 1, unplaced, findings)
        {
            self.add_gap(first, last, place, findings);
        }
        self.marks.add(step.head.seq, step.head.hash);
        self.head = Some(step.head);
        self.place = Some(place.clone());
    }

    /// Where the chain stood before its first line here: at its beginning, before a checkpoint that opens a segment, or where what is
    /// looked at begins.
    fn begin(&mut self, step: Step, unplaced: &[Place]) -> Head {
        self.first = step.first;
        if self.is_cut || step.may_begin && unplaced.is_empty() {
            let unreadable = u64::try_from(unplaced.len()).unwrap_or(u64::MAX);
            let seq = step.first.saturating_sub(1).saturating_sub(unreadable);
            return if seq == 0 {
                Head::START
            } else {
                Head {
                    seq,
                    hash: step.after,
                }
            };
        }
        Head::START
    }

    /// The numbers `first` to `last` are not there: lines that could not be read stand for them as far as they go. Returns what
    /// remains missing.
    fn name_unreadable(
        &self,
        first: u64,
        last: u64,
        unplaced: &mut Vec<Place>,
        findings: &mut Findings,
    ) -> Option<(u64, u64)> {
        let room = usize::try_from(last - first)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let count = room.min(unplaced.len());
        let named = u64::try_from(count).unwrap_or(u64::MAX);
        // at a chain's beginning the unreadable lines stand right before the first readable one, else right after the last
        let start = if self.head.is_none() {
            last - named + 1
        } else {
            first
        };
        for (seq, place) in (start..).zip(unplaced.drain(..count)) {
            findings.push(Damage::Altered, Some(&self.chain), &place, seq, seq);
        }
        let missing = if self.head.is_none() {
            (first, start - 1)
        } else {
            (start + named, last)
        };
        (missing.0 <= missing.1).then_some(missing)
    }

    fn add_gap(&mut self, first: u64, last: u64, place: &Place, findings: &mut Findings) {
        if self.gaps.len() >= VERIFY_FINDINGS_MAX
            && let Some(gap) = self.gaps.pop_front()
        {
            findings.push(
                Damage::Missing,
                Some(&self.chain),
                &gap.place,
                gap.first,
                gap.last,
            );
        }
        self.gaps.push_back(Gap {
            first,
            last,
            place: place.clone(),
        });
    }

    /// A number that the chain has passed: moved here, standing twice, or another record under the same number.
    fn look_back(&mut self, step: Step, place: &Place, findings: &mut Findings) {
        let seq = step.first;
        let damage = match self.marks.find(step.head.seq) {
            _ if self.fill_gap(seq, step.head.seq) => Damage::Reordered,
            _ if seq < self.first => Damage::Reordered,
            Some(hash) if hash != step.head.hash => Damage::Forked,
            _ => Damage::Repeated,
        };
        if damage == Damage::Reordered {
            self.marks.add(step.head.seq, step.head.hash);
        }
        findings.push(damage, Some(&self.chain), place, seq, step.head.seq);
    }

    /// Takes these numbers out of what is missing; false when they were not.
    fn fill_gap(&mut self, first: u64, last: u64) -> bool {
        let Some(at) = self
            .gaps
            .iter()
            .position(|gap| gap.first <= first && last <= gap.last)
        else {
            return false;
        };
        let Some(gap) = self.gaps.remove(at) else {
            return false;
        };
        if last < gap.last {
            self.gaps.insert(
                at,
                Gap {
                    first: last + 1,
                    last: gap.last,
                    place: gap.place.clone(),
                },
            );
        }
        if gap.first < first {
            self.gaps.insert(
                at,
                Gap {
                    first: gap.first,
                    last: first - 1,
                    place: gap.place,
                },
            );
        }
        true
    }

    /// A checkpoint that holds covers all up to `seq`; `trusted` when a trusted key made it.
    pub(super) fn sign(&mut self, seq: u64, trusted: bool) {
        self.checkpoints += 1;
        if trusted {
            self.signed_to = self.signed_to.max(Some(seq));
        }
    }

    /// A checkpoint kept elsewhere names the record that was met under this number.
    pub(super) fn witness(&mut self, seq: u64) {
        self.witnessed_to = self.witnessed_to.max(Some(seq));
    }

    /// The number of the record that should come next.
    pub(super) fn next(&self) -> u64 {
        self.head.map_or(1, |head| head.seq.saturating_add(1))
    }

    /// Lines at the very end that cannot be read stand for the next records.
    pub(super) fn end_unreadable(&self, unplaced: &mut Vec<Place>, findings: &mut Findings) {
        for (place, seq) in unplaced.drain(..).zip(self.next()..) {
            findings.push(Damage::Altered, Some(&self.chain), &place, seq, seq);
        }
    }

    pub(super) fn finish(
        self,
        kept: Option<&Marks>,
        is_excerpt: bool,
        keys_given: bool,
        findings: &mut Findings,
    ) -> ChainReport {
        let head = self.head.unwrap_or(Head::START);
        let end = self.place.unwrap_or_default();
        for gap in self.gaps {
            findings.push(
                Damage::Missing,
                Some(&self.chain),
                &gap.place,
                gap.first,
                gap.last,
            );
        }
        let kept_to = kept.and_then(Marks::last).map(|(last, _)| last);
        if let Some(last) = kept_to.filter(|&last| last > head.seq && !is_excerpt) {
            findings.push(
                Damage::Truncated,
                Some(&self.chain),
                &end,
                head.seq.saturating_add(1),
                last,
            );
        }
        if keys_given && self.signed_to.is_none() {
            findings.push(
                Damage::Unsigned,
                Some(&self.chain),
                &end,
                self.first,
                head.seq,
            );
        }
        ChainReport {
            chain: self.chain,
            first: self.first,
            last: head.seq,
            hash: head.hash,
            records: self.records,
            omitted: self.omitted,
            checkpoints: self.checkpoints,
            signed_to: self.signed_to.max(self.witnessed_to),
            first_time: self.times.map(|(first, _)| first),
            last_time: self.times.map(|(_, last)| last),
        }
    }
}
