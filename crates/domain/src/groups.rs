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
    /// Notes a group that the person is in. Whoever runs a group names it as they like: a name that is written like an id (a UUID) counts
    /// for nothing, because policy and tokens mean another group by it.
    pub fn is_in(&mut self, display_name: String, external_id: Option<String>) {
        if !is_written_like_an_id(&display_name) {
            self.current.insert(display_name);
        }
        self.current.extend(external_id);
    }

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

/// Whether a text is 32 hexadecimal digits in the five parts of a UUID.
fn is_written_like_an_id(text: &str) -> bool {
    let parts = text.trim().split('-').map(|part| {
        let is_hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { part.len() } else { 0 }
    });
    parts.eq([8, 4, 4, 4, 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_calls_itself_by_anothers_id_is_known_by_its_own_alone() {
        let names = |display_name: &str, external_id: Option<&str>| {
            let mut groups = PersonGroups::default();
            groups.is_in(display_name.to_owned(), external_id.map(str::to_owned));
            groups.current.into_iter().collect::<Vec<_>>()
        };
        let id = "11111111-AAAA-bbbb-cccc-222222222222";
        assert_eq!(names("Book club", Some("b-1")), ["Book club", "b-1"]);
        assert_eq!(names(id, Some("b-1")), ["b-1"]);
        assert_eq!(names(id, Some(id)), [id]);
        assert!(names(id, None).is_empty());
        for other in ["1-2-3-4-5", "11111111-AAAA-bbbb-cccc-22222222222g", "", "-"] {
            assert_eq!(names(other, None), [other]);
        }
    }

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
