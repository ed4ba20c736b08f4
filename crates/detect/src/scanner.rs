//! One inspection: texts go in, whole or in chunks, and findings come out. Both ways run the same window over the text, so any
//! chunking gives the same findings. Holds at most a block and what one match may need of a stream.

use domain::limits::DETECT_BLOCK_BYTES;

use crate::digits;
use crate::engine::{Engine, Selection};
use crate::findings::{Finding, Findings};
use crate::normal::normalise;

/// Looks through the texts of one request or answer.
#[derive(Debug)]
pub struct Scanner {
    engine: Engine,
    selection: Selection,
    /// What each detector of the pack found.
    found: Vec<Option<Finding>>,
    /// The text being fed, from shortly before the first hit not yet judged.
    tail: Vec<u8>,
    /// Where in `tail` hits are to be judged next.
    next: usize,
    /// For detectors that matched near `next`: where in `tail` their last match ended.
    taken: Vec<(usize, usize)>,
}

impl Scanner {
    pub(crate) fn new(engine: Engine, selection: Selection) -> Self {
        let found = vec![None; engine.pack().detectors.len()];
        Self {
            engine,
            selection,
            found,
            tail: Vec::new(),
            next: 0,
            taken: Vec::new(),
        }
    }

    /// Looks through one complete text. A text being fed ends before it.
    pub fn text(&mut self, text: &str) {
        self.end_text();
        if text.len() < self.engine.pack().text_bytes_min || self.selection.is_empty() {
            return;
        }
        let text = normalise(text);
        self.window(text.as_bytes(), 0, text.len());
        self.taken.clear();
    }

    /// Looks through the next part of a text. Matches may lie across parts.
    pub fn feed(&mut self, chunk: &str) {
        if self.selection.is_empty() {
            return;
        }
        // A large chunk is taken in pieces, so that what is held stays bounded.
        let mut rest = chunk;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(DETECT_BLOCK_BYTES));
            self.tail.extend_from_slice(normalise(piece).as_bytes());
            rest = after;
            if self.tail.len() >= self.next + self.engine.bytes_after() + DETECT_BLOCK_BYTES {
                self.judge_what_is_certain();
            }
        }
    }

    /// Ends the text being fed; the next part belongs to another text.
    pub fn end_text(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.window(&tail, self.next, tail.len());
            self.tail = tail;
            self.tail.clear();
        }
        self.next = 0;
        self.taken.clear();
    }

    /// Whether anything was found so far. Of a text being fed, the last part is not judged yet.
    pub fn has_found(&self) -> bool {
        self.found.iter().any(Option::is_some)
    }

    /// Ends the inspection.
    pub fn finish(mut self) -> Findings {
        self.end_text();
        let mut findings = Findings {
            list: self.found.into_iter().flatten().collect(),
        };
        findings.sort();
        findings
    }

    /// Judges all hits of the tail whose surroundings are complete, and lets go of what no later hit can need.
    fn judge_what_is_certain(&mut self) {
        let until = self.tail.len() - self.engine.bytes_after();
        let mut tail = std::mem::take(&mut self.tail);
        self.window(&tail, self.next, until);
        let drop = until.saturating_sub(Engine::bytes_before());
        tail.drain(..drop);
        self.tail = tail;
        self.next = until - drop;
        self.taken.retain_mut(|(_, end)| {
            *end = end.saturating_sub(drop);
            *end > 0
        });
    }

    /// Judges every hit that begins in `from..to`.
    fn window(&mut self, text: &[u8], from: usize, to: usize) {
        self.literal_hits(text, from, to);
        self.digit_hits(text, from, to);
    }

    fn literal_hits(&mut self, text: &[u8], from: usize, to: usize) {
        let engine = self.engine.clone();
        let pack = engine.pack();
        let end = text.len().min(to.saturating_add(pack.literal_bytes_max));
        let mut at = from;
        while at < to {
            let input = aho_corasick::Input::new(text).span(at..end);
            let Some(hit) = pack.literals.find(input).filter(|hit| hit.start() < to) else {
                return;
            };
            for &detector in &pack.by_literal[hit.pattern().as_usize()] {
                self.judge(&engine, detector, text, hit.start());
            }
            at = hit.start() + 1;
        }
    }

    fn digit_hits(&mut self, text: &[u8], from: usize, to: usize) {
        let engine = self.engine.clone();
        if let Some(detector) = engine.pack().digits
            && self.selection.least[detector].is_some()
        {
            digits::starts(text, from, to, |at| self.judge(&engine, detector, text, at));
        }
    }

    fn judge(&mut self, engine: &Engine, index: usize, text: &[u8], at: usize) {
        let Some(least) = self.selection.least[index] else {
            return;
        };
        let taken = self
            .taken
            .iter()
            .position(|(detector, _)| *detector == index);
        if taken.is_some_and(|slot| at < self.taken[slot].1) {
            return;
        }
        let detector = &engine.pack().detectors[index];
        let slot = &mut self.found[index];
        let checks_left = slot.as_ref().is_none_or(Finding::checks_left);
        let Some(matched) = detector.judge(text, at, checks_left) else {
            return;
        };
        match taken {
            Some(slot) => self.taken[slot].1 = matched.end,
            None => self.taken.push((index, matched.end)),
        }
        if matched.confidence < least {
            return;
        }
        let finding = slot.get_or_insert_with(|| Finding {
            detector: detector.id.clone(),
            class: detector.class.clone(),
            count: 0,
            confidence: 0,
            fingerprints: Vec::new(),
        });
        if checks_left {
            finding.remember(engine.fingerprint(detector, &matched.value));
        }
        finding.count = finding.count.saturating_add(1);
        finding.confidence = finding.confidence.max(matched.confidence);
    }
}
