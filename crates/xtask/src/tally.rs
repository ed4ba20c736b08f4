//! Counts what passed and failed, and reads those counts from the closing lines of test runners. It never guesses: a
//! runner that failed without counting a failure counts as one. Called by the steps.

/// What passed and what did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    pub(crate) const PASS: Self = Self {
        passed: 1,
        failed: 0,
    };
    pub(crate) const FAIL: Self = Self {
        passed: 0,
        failed: 1,
    };

    /// One check that either held or did not.
    pub(crate) fn of(held: bool) -> Self {
        if held { Self::PASS } else { Self::FAIL }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// The runner's own verdict beside its counts: a bad end without a counted failure is one failure.
    pub(crate) fn ended(mut self, well: bool) -> Self {
        if !well && self.failed == 0 {
            self.failed = 1;
        }
        self
    }

    /// A closing line of `cargo test`: `test result: ok. 3 passed; 0 failed; 1 ignored; …`. An ignored test is a failed one.
    pub(crate) fn from_cargo(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        Some(Self::from_counts(counts, ';'))
    }

    /// The closing line of pytest: `== 3 passed, 1 skipped in 2.10s ==`. Whatever did not pass failed.
    pub(crate) fn from_pytest(line: &str) -> Option<Self> {
        let inner = line.trim().trim_matches('=').trim();
        let (counts, time) = inner.rsplit_once(" in ")?;
        if !time.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        Some(Self::from_counts(counts, ','))
    }

    fn from_counts(counts: &str, separator: char) -> Self {
        let mut tally = Self::default();
        for part in counts.split(separator) {
            let mut words = part.split_whitespace();
            let Some(Ok(count)) = words.next().map(str::parse::<u64>) else {
                continue;
            };
            match words.next() {
                Some("passed") => tally.passed += count,
                Some(
                    "failed" | "ignored" | "skipped" | "error" | "errors" | "xfailed" | "xpassed",
                ) => {
                    tally.failed += count;
                }
                _ => {}
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64) -> Tally {
        Tally { passed, failed }
    }

    #[test]
    fn closing_lines_of_cargo_test_are_read() {
        let check = |line, expected| assert_eq!(Tally::from_cargo(line), expected, "{line}");
        check(
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            Some(tally(3, 0)),
        );
        check(
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 5 filtered out; finished in 1s",
            Some(tally(3, 2)),
        );
        check(
            "test result: ok. 0 passed; 0 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0s",
            Some(tally(0, 4)),
        );
        check("test tally::reads ... ok", None);
    }

    #[test]
    fn closing_lines_of_pytest_are_read() {
        let check = |line, expected| assert_eq!(Tally::from_pytest(line), expected, "{line}");
        check("===== 3 passed in 1.20s =====", Some(tally(3, 0)));
        check("3 passed, 1 failed in 0.02s", Some(tally(3, 1)));
        check(
            "= 1 failed, 2 passed, 1 skipped, 3 errors in 61.00s (0:01:01) =",
            Some(tally(2, 5)),
        );
        check(
            "= 2 passed, 4 deselected, 1 warning in 1.0s =",
            Some(tally(2, 0)),
        );
        check("no tests ran in 0.01s", Some(tally(0, 0)));
        check("we waited 3 times in vain", None);
    }

    #[test]
    fn a_runner_that_ends_badly_counts_a_failure_even_if_it_named_none() {
        assert_eq!(Tally::default().ended(false), Tally::FAIL);
        assert_eq!(Tally::PASS.ended(true), Tally::PASS);
    }
}
