//! A workspace's member list against the directory: who is in one and not in the other, by e-mail address, because the list knows
//! people by nothing else. [`compare`] is exact and changes nothing; [`check`] keeps and records what it found and acts on it: a leaver
//! who is gone from the list is done with, one who is still in it the next day is escalated.

mod check;
pub mod read;
mod take;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};

use domain::{PersonId, Timestamp};
use serde::{Deserialize, Serialize};
use store::Person;

pub use check::{Checked, Done, Given, check, everyone, findings, last};
pub use read::{BadList, BadRow, Columns, Member};
pub use take::{NotTaken, ToCheck, take};
pub use write::sheet;

/// What is expected of a list.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The organisation's own domains, in lower case; addresses of others are guests. Unknown when empty.
    pub domains: BTreeSet<String>,
    /// Which group of the directory has which role in the workspace, the higher first; everyone else is a `member`. Not compared
    /// when empty.
    pub roles: Vec<(String, String)>,
}

/// What of a list and the directory does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "finding")]
pub enum Finding {
    /// In the list, and left the directory.
    LeftButListed {
        /// The list's line.
        line: u64,
        /// The address.
        email: String,
        /// Who.
        person: PersonId,
        /// Since when they are gone.
        since: Timestamp,
    },
    /// In the list, and nobody the directory knows.
    Unknown {
        /// The list's line.
        line: u64,
        /// The address.
        email: String,
    },
    /// In the list with an address of another domain.
    Guest {
        /// The list's line.
        line: u64,
        /// The address.
        email: String,
    },
    /// In the list more than once.
    Duplicate {
        /// The second line.
        line: u64,
        /// The first.
        first: u64,
        /// The address.
        email: String,
    },
    /// In the directory, and not in the list.
    NotListed {
        /// Who.
        person: PersonId,
        /// The address.
        email: Option<String>,
    },
    /// Another role than the directory's groups say.
    RoleDiffers {
        /// The list's line.
        line: u64,
        /// The address.
        email: String,
        /// In the list.
        listed: String,
        /// By the directory.
        expected: String,
    },
    /// Not one or two owners.
    Owners {
        /// How many there are.
        owners: usize,
        /// What of it.
        what: String,
    },
}

impl Finding {
    /// Its word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::LeftButListed { .. } => "left_but_listed",
            Self::Unknown { .. } => "unknown",
            Self::Guest { .. } => "guest",
            Self::Duplicate { .. } => "duplicate",
            Self::NotListed { .. } => "not_listed",
            Self::RoleDiffers { .. } => "role_differs",
            Self::Owners { .. } => "owners",
        }
    }
}

/// What a comparison counted, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// People in the list.
    pub listed: usize,
    /// People in the directory who may come in.
    pub present: usize,
    /// Whether guests could be told, and roles compared: what was not looked at found nothing.
    pub domains_known: bool,
    /// Idem, for roles.
    pub roles_compared: bool,
    /// In the order of the list, then of the directory.
    pub findings: Vec<Finding>,
}

/// Compares a list with the directory's people. Whoever has one address twice in the directory has left when none of the two may come
/// in.
pub fn compare(members: &[Member], people: &[Person], expected: &Expected) -> Compared {
    let mut known: BTreeMap<String, Vec<&Person>> = BTreeMap::new();
    for person in people {
        if let Some(email) = &person.email {
            known.entry(email.to_lowercase()).or_default().push(person);
        }
    }
    let mut lines: BTreeMap<&str, u64> = BTreeMap::new();
    let mut findings = Vec::new();
    let listed = members.iter().filter(|member| member.is_in);
    let has_roles = members.iter().any(|member| member.role.is_some());
    for member in listed.clone() {
        if let Some(first) = lines.get(&*member.email) {
            findings.push(Finding::Duplicate {
                line: member.line,
                first: *first,
                email: member.email.clone(),
            });
            continue;
        }
        lines.insert(&member.email, member.line);
        let namesakes = known.get(&member.email).map_or(&[][..], Vec::as_slice);
        findings.extend(of_member(member, namesakes, expected));
    }
    for person in people.iter().filter(|person| person.out_since().is_none()) {
        let email = person.email.as_ref().map(|email| email.to_lowercase());
        let is_listed = |email: &String| lines.contains_key(&**email);
        if !email.as_ref().is_some_and(is_listed) {
            findings.push(Finding::NotListed {
                person: person.id,
                email,
            });
        }
    }
    if has_roles {
        let is_owner = |m: &&Member| m.role.as_deref().is_some_and(|role| is_role(role, "owner"));
        findings.extend(owners(listed.filter(is_owner).count()));
    }
    Compared {
        listed: lines.len(),
        present: people.iter().filter(|p| p.out_since().is_none()).count(),
        domains_known: !expected.domains.is_empty(),
        roles_compared: has_roles && !expected.roles.is_empty(),
        findings,
    }
}

fn of_member(member: &Member, namesakes: &[&Person], expected: &Expected) -> Vec<Finding> {
    let (line, email) = (member.line, member.email.clone());
    let host = email.rsplit('@').next().unwrap_or_default();
    let is_foreign = !expected.domains.is_empty() && !expected.domains.contains(host);
    let mut findings = Vec::new();
    if is_foreign || email.contains("#ext#") {
        findings.push(Finding::Guest {
            line,
            email: email.clone(),
        });
    }
    let present = namesakes.iter().find(|p| p.out_since().is_none());
    match (present, namesakes.first()) {
        (None, None) if findings.is_empty() => findings.push(Finding::Unknown { line, email }),
        (None, None) => {}
        (None, Some(person)) => findings.push(Finding::LeftButListed {
            line,
            email,
            person: person.id,
            since: person.out_since().unwrap_or_default(),
        }),
        (Some(person), _) => {
            let wanted = role_of(person, expected);
            if let (Some(listed), Some(wanted)) = (&member.role, wanted)
                && !is_role(listed, &wanted)
            {
                findings.push(Finding::RoleDiffers {
                    line,
                    email,
                    listed: listed.clone(),
                    expected: wanted,
                });
            }
        }
    }
    findings
}

fn role_of(person: &Person, expected: &Expected) -> Option<String> {
    if expected.roles.is_empty() {
        return None;
    }
    let held = expected
        .roles
        .iter()
        .find(|(_, group)| person.groups.contains(group));
    Some(held.map_or_else(|| "member".to_owned(), |(role, _)| role.to_lowercase()))
}

/// Whether a list's word is this role: `primary owner` is an owner, and a `user` a member.
fn is_role(listed: &str, role: &str) -> bool {
    let plain = listed.strip_prefix("primary ").unwrap_or(listed);
    let plain = if plain == "user" { "member" } else { plain };
    plain == role
}

/// One or two owners are right: none can do nothing, one has nobody beside them, more are too many for what cannot be undone.
fn owners(owners: usize) -> Option<Finding> {
    let what = match owners {
        0 => "nobody can do what only an owner may",
        1 => "nobody is there when the one owner is not",
        2 => return None,
        _ => "more than two can do what cannot be undone",
    };
    let what = what.to_owned();
    Some(Finding::Owners { owners, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::OrgId;

    fn person(number: u64, email: &str, groups: &[&str], left: bool) -> Person {
        Person {
            id: PersonId::from_parts(number, 0),
            org: OrgId::from_parts(1, 1),
            issuer: "entra".into(),
            stable_id: number.to_string(),
            email: Some(email.into()),
            name: None,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            not_before: Timestamp::default(),
            stated: Timestamp::default(),
            shut_out_at: None,
            left_at: left.then(|| Timestamp::from_unix_ms(5)),
        }
    }

    fn member(line: u64, email: &str, role: &str) -> Member {
        Member {
            line,
            email: email.into(),
            name: None,
            role: (!role.is_empty()).then(|| role.to_owned()),
            is_in: true,
        }
    }

    fn expected() -> Expected {
        Expected {
            domains: BTreeSet::from(["acme.example".to_owned()]),
            roles: vec![
                ("owner".into(), "it-leads".into()),
                ("admin".into(), "it".into()),
            ],
        }
    }

    #[test]
    fn the_differences_are_exact_in_both_directions() {
        let people = [
            person(1, "Ada@acme.example", &[], false),
            person(2, "bob@acme.example", &["it"], false),
            person(3, "gone@acme.example", &[], true),
            person(4, "eve@acme.example", &[], false),
        ];
        let members = [
            member(2, "ada@acme.example", "user"),
            member(3, "bob@acme.example", "member"),
            member(4, "gone@acme.example", "member"),
            member(5, "who@acme.example", "member"),
            member(6, "guest@gmail.example", "member"),
            member(7, "ada@acme.example", "member"),
            Member {
                is_in: false,
                ..member(8, "eve@acme.example", "member")
            },
        ];
        let found = compare(&members, &people, &expected());
        assert_eq!((found.listed, found.present), (5, 3));
        let (email, since) = (String::from, Timestamp::from_unix_ms(5));
        assert_eq!(
            found.findings,
            [
                Finding::RoleDiffers {
                    line: 3,
                    email: email("bob@acme.example"),
                    listed: "member".into(),
                    expected: "admin".into()
                },
                Finding::LeftButListed {
                    line: 4,
                    email: email("gone@acme.example"),
                    person: PersonId::from_parts(3, 0),
                    since
                },
                Finding::Unknown {
                    line: 5,
                    email: email("who@acme.example")
                },
                Finding::Guest {
                    line: 6,
                    email: email("guest@gmail.example")
                },
                Finding::Duplicate {
                    line: 7,
                    first: 2,
                    email: email("ada@acme.example")
                },
                Finding::NotListed {
                    person: PersonId::from_parts(4, 0),
                    email: Some(email("eve@acme.example"))
                },
                Finding::Owners {
                    owners: 0,
                    what: "nobody can do what only an owner may".into()
                },
            ]
        );
    }

    #[test]
    fn a_list_that_agrees_finds_nothing_and_says_what_was_not_looked_at() {
        let people = [
            person(1, "ada@acme.example", &["it-leads"], false),
            // the same address at another issuer, gone there
            person(2, "ada@acme.example", &[], true),
            person(3, "bob@acme.example", &["it-leads"], false),
        ];
        let members = [
            member(2, "ada@acme.example", "primary owner"),
            member(3, "bob@acme.example", "owner"),
        ];
        let found = compare(&members, &people, &expected());
        assert_eq!(
            (found.findings, found.domains_known, found.roles_compared),
            (vec![], true, true)
        );
        let bare = [
            member(2, "ada@acme.example", ""),
            member(3, "bob@acme.example", ""),
        ];
        let found = compare(&bare, &people, &Expected::default());
        assert_eq!(
            (found.findings, found.domains_known, found.roles_compared),
            (vec![], false, false)
        );
    }

    #[test]
    fn only_two_owners_are_no_finding() {
        for (count, is_found) in [(0, true), (1, true), (2, false), (3, true)] {
            assert_eq!(owners(count).is_some(), is_found, "{count}");
        }
    }
}
