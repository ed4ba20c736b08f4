//! Which groups somebody is in, where a credential and the company's directory (SCIM) both speak of it: the one rule. It reads nothing;
//! the store brings what the directory says, to whoever asks: a request, an entrance, a report.

use std::collections::BTreeSet;

use crate::Timestamp;

/// What the directory says about one person's groups. Both of a group's names count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersonGroups {
    /// Names of groups the person is in.
    pub current: BTreeSet<String>,
    /// Names of groups the person was taken out of, and when: what a credential from before that says of them no longer holds.
    pub left: Vec<(String, Timestamp)>,
}

impl PersonGroups {
    /// The groups that hold for a credential made at `issued` that states these. A group that the directory took the person out of since
    /// no longer counts, though the credential states it; one stated later does, because the issuer knows groups within groups, and
    /// SCIM does not.
    #[must_use]
    pub fn join(self, mut stated: BTreeSet<String>, issued: Timestamp) -> BTreeSet<String> {
        for (name, left) in self.left {
            if issued <= left {
                stated.remove(&name);
            }
        }
        stated.extend(self.current);
        stated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stated: &[&str], current: &[&str], left: &[(&str, i64)], expected: &[&str]) {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let at = Timestamp::from_unix_ms;
        let left = left.iter().map(|(name, ms)| ((*name).to_owned(), at(*ms)));
        let said = PersonGroups {
            current: set(current),
            left: left.collect(),
        };
        let found = said.join(set(stated), at(100));
        assert_eq!(found, set(expected), "{stated:?} {current:?}");
    }

    #[test]
    fn groups_of_the_directory_join_those_of_the_credential() {
        check(&["a"], &["b"], &[], &["a", "b"]);
        check(&["a"], &["a"], &[], &["a"]);
        check(&[], &[], &[], &[]);
    }

    #[test]
    fn a_group_left_after_the_credential_was_made_no_longer_counts() {
        check(&["a", "b"], &[], &[("a", 101)], &["b"]);
        check(&["a"], &[], &[("a", 100)], &[]);
        check(&["a"], &[], &[("a", 99)], &["a"]);
        check(&["a"], &["a"], &[("a", 101)], &["a"]);
        check(&["b"], &[], &[("a", 101)], &["b"]);
    }
}
