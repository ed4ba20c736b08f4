//! Randomness that repeats: the same seed draws the same bytes. For tests only; a secret drawn here is no secret.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::Ids;

/// SplitMix64 from a seed. Draws from several threads never repeat a value, but their order is the threads'.
#[derive(Debug)]
pub struct SeededIds(AtomicU64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl SeededIds {
    /// A generator that always tells the same story for `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Ids for SeededIds {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let state = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
            chunk.copy_from_slice(&mixed(state).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The finishing mix of SplitMix64: every bit of the input moves every bit of the output.
pub(crate) const fn mixed(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_bytes_again_and_another_seed_draws_others() {
        let draw = |seed| {
            let mut bytes = [0u8; 21];
            let ids = SeededIds::new(seed);
            ids.fill(&mut bytes);
            (bytes, ids.random_bits())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(draw(7).0[..8], draw(7).0[8..16]);
    }
}
