//! Places of a chain remembered in bounded memory: every one at first, then every second, every fourth, and always the last few.
//! Since each hash covers all before it, a fork shows at the next remembered place after it.

use std::collections::{BTreeMap, VecDeque};

use crate::Hash;

/// Last places that are remembered whatever the stride.
const RECENT_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Marks {
    max: usize,
    stride: u64,
    added: u64,
    kept: BTreeMap<u64, Hash>,
    recent: VecDeque<(u64, Hash)>,
    last: Option<(u64, Hash)>,
}

impl Marks {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            stride: 1,
            added: 0,
            kept: BTreeMap::new(),
            recent: VecDeque::new(),
            last: None,
        }
    }

    pub(super) fn add(&mut self, seq: u64, hash: Hash) {
        if self.last.is_none_or(|(last, _)| seq >= last) {
            self.last = Some((seq, hash));
        }
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((seq, hash));
        if self.added.is_multiple_of(self.stride) {
            self.kept.insert(seq, hash);
        }
        self.added += 1;
        if self.kept.len() > self.max {
            self.stride = self.stride.saturating_mul(2);
            let mut keep = false;
            self.kept.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
    }

    pub(super) fn find(&self, seq: u64) -> Option<Hash> {
        let recent = || {
            self.recent
                .iter()
                .rev()
                .find(|(at, _)| *at == seq)
                .map(|&(_, hash)| hash)
        };
        let last = || self.last.filter(|&(at, _)| at == seq).map(|(_, hash)| hash);
        // most are asked for a place that was never added: the ordered map answers first
        self.kept.get(&seq).copied().or_else(last).or_else(recent)
    }

    /// The place with the highest number.
    pub(super) fn last(&self) -> Option<(u64, Hash)> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_bounded_and_the_first_and_last_places_stay_known() {
        let mut marks = Marks::new(64);
        let hash = |seq: u64| Hash::of(&seq.to_be_bytes());
        for seq in 1..=100_000 {
            marks.add(seq, hash(seq));
        }
        assert!(marks.kept.len() <= 64 && marks.recent.len() <= RECENT_MAX);
        for seq in [1, 99_800, 99_999, 100_000] {
            assert_eq!(marks.find(seq), Some(hash(seq)), "{seq}");
        }
        assert!(
            (1..100_000)
                .filter(|&seq| marks.find(seq).is_some())
                .count()
                > 256 + 30
        );
    }
}
