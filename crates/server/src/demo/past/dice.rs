//! Every choice of the sample data: drawn from a seed, so that the same days are made each time. Never used for a secret. Called by
//! its neighbours.

use domain::Ids;
use testkit::SeededIds;

/// A source of choices that repeats.
#[derive(Debug)]
pub(super) struct Dice(SeededIds);

impl Dice {
    /// From a seed.
    pub(super) const fn new(seed: u64) -> Self {
        Self(SeededIds::new(seed))
    }

    /// A number below `end`, which is not zero.
    pub(super) fn below(&self, end: u64) -> u64 {
        let mut bytes = [0u8; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end.max(1)
    }

    /// A number from `least` to `most`.
    pub(super) fn within(&self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// True in so many of a thousand cases.
    pub(super) fn happens(&self, of_thousand: u64) -> bool {
        self.below(1_000) < of_thousand
    }

    /// One of several; the slice is not empty.
    pub(super) fn one_of<'t, T>(&self, things: &'t [T]) -> &'t T {
        let at = usize::try_from(self.below(things.len() as u64)).unwrap_or_default();
        &things[at]
    }

    /// What an id is made of, beside its time.
    pub(super) fn bits(&self) -> u128 {
        self.0.random_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_choices_and_stays_within_bounds() {
        let draw = |seed| {
            let dice = Dice::new(seed);
            (0..200).map(|_| dice.within(3, 7)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!(draw(1).iter().all(|n| (3..=7).contains(n)));
    }
}
