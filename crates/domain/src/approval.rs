//! What an approval of one call is bound to, who may decide it, and how it stands. An approval is for exactly one call of one person:
//! another argument, definition or version of the policy is another call, and one that was used is over. Pure words and rules; the store
//! holds the rows, `control` asks here before it changes one, and the connectors' door before it lets a call through.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::opaque::{hex, sha256};
use crate::words::words;
use crate::{PersonId, Timestamp, limits};

words! {
    /// How an approval stands.
    ApprovalState ("state of an approval") {
        /// Nobody has decided.
        Pending "pending",
        /// Somebody said yes, and the call was not made yet.
        Approved "approved",
        /// Somebody said no.
        Denied "denied",
        /// Nobody decided in time, or what was approved was not called in time.
        Expired "expired",
        /// The call was made; it is good for no other.
        Consumed "consumed",
    }
}

impl ApprovalState {
    /// How one that was kept in this state, good until `expires`, stands at a moment.
    #[must_use]
    pub fn at(self, expires: Timestamp, now: Timestamp) -> Self {
        match self {
            Self::Pending | Self::Approved if expires <= now => Self::Expired,
            other => other,
        }
    }

    /// Whether one in this state may come into another one. Whatever is over stays as it is.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Approved | Self::Denied | Self::Expired)
                | (
                    Self::Approved,
                    Self::Consumed | Self::Denied | Self::Expired
                )
        )
    }

    /// Whether nothing changes it any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Denied | Self::Expired | Self::Consumed)
    }
}

/// Who may decide.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Approver {
    /// Whoever asks, knowing what is about to happen.
    #[default]
    Oneself,
    /// Somebody else who has the right to decide.
    Second,
    /// Somebody else who is in one of these groups.
    Groups(BTreeSet<String>),
}

impl Approver {
    /// As it is kept: `self`, `second`, or the groups as a list in JSON.
    pub fn to_text(&self) -> String {
        match self {
            Self::Oneself => "self".to_owned(),
            Self::Second => "second".to_owned(),
            Self::Groups(groups) => serde_json::to_string(groups).expect("a list of names is text"),
        }
    }

    /// As [`Approver::to_text`] wrote it; what is none of it is nothing, never somebody.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "self" => Some(Self::Oneself),
            "second" => Some(Self::Second),
            other => serde_json::from_str(other).ok().map(Self::Groups),
        }
    }

    /// Whether `who` may say yes to what `asker` asks for. Nobody is the second person of their own request.
    pub fn may_approve(&self, asker: PersonId, who: &Decider<'_>) -> bool {
        match self {
            Self::Oneself => who.person == asker,
            Self::Second => who.person != asker && who.has_right,
            Self::Groups(groups) => who.person != asker && !groups.is_disjoint(who.groups),
        }
    }

    /// Whether `who` may say no: whoever may say yes, whoever asked, and whoever has the right to decide for others.
    pub fn may_deny(&self, asker: PersonId, who: &Decider<'_>) -> bool {
        who.person == asker || who.has_right || self.may_approve(asker, who)
    }
}

/// Somebody who wants to decide.
#[derive(Debug, Clone, Copy)]
pub struct Decider<'d> {
    /// Who.
    pub person: PersonId,
    /// The groups that they are in at this moment.
    pub groups: &'d BTreeSet<String>,
    /// Whether they have the right to decide for others.
    pub has_right: bool,
}

/// What an approval is for. Two calls are the same when all of it is the same, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Who calls.
    pub person: PersonId,
    /// Which connector, by its name in the policy.
    pub connector: String,
    /// Which of its actions, by the connector's own name for it.
    pub action: String,
    /// SHA-256 of the arguments in their canonical form, in hexadecimal.
    pub arguments_sha256: String,
    /// The hash of the definition that was reviewed.
    pub definition: String,
    /// The version of the policy that asks.
    pub policy_version: u64,
    /// Who may decide: a yes of one is none where another is asked.
    pub approver: Approver,
}

impl Binding {
    /// The hash of arguments in their canonical form.
    pub fn hash_of(canonical_arguments: &[u8]) -> String {
        hex(&sha256(canonical_arguments))
    }

    /// SHA-256 over every part, each with its length before it, so that nothing can move from one part into the next.
    pub fn digest(&self) -> String {
        let mut context = Context::new(&SHA256);
        let person = self.person.to_string();
        let version = self.policy_version.to_string();
        let approver = self.approver.to_text();
        let parts: [&str; 8] = [
            "doorward approval 2",
            &person,
            &self.connector,
            &self.action,
            &self.arguments_sha256,
            &self.definition,
            &version,
            &approver,
        ];
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        hex(context.finish().as_ref())
    }
}

/// What stands beside the call, for whoever decides. Names and words of the policy and the connector; never an argument.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// What people call the connector.
    pub connector_title: String,
    /// What the connector calls the action for people, as it was reviewed.
    pub action_title: String,
    /// What the action does to things: `read`, `write`, `destructive`, `generic`.
    pub class: String,
    /// The entry of the policy that asks.
    pub rule: String,
    /// The program that calls.
    pub client: String,
}

/// Until when one that is asked for now can be decided.
pub fn decided_until(asked: Timestamp) -> Timestamp {
    asked.plus_ms(limits::APPROVAL_OPEN_MS)
}

/// Until when one that is approved now can be used.
pub fn good_until(decided: Timestamp) -> Timestamp {
    decided.plus_ms(limits::APPROVAL_GOOD_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn person(number: u128) -> PersonId {
        PersonId::from_parts(1, number)
    }

    fn binding() -> Binding {
        Binding {
            person: person(1),
            connector: "crm".to_owned(),
            action: "update_contact".to_owned(),
            arguments_sha256: Binding::hash_of(b"{\"member\":4411}"),
            definition: "sha256:77c0".to_owned(),
            policy_version: 47,
            approver: Approver::Second,
        }
    }

    #[test]
    fn another_person_action_argument_definition_policy_or_approver_is_another_call() {
        let one = binding();
        let others = [
            Binding {
                person: person(2),
                ..one.clone()
            },
            Binding {
                connector: "crm2".to_owned(),
                ..one.clone()
            },
            Binding {
                action: "delete_contact".to_owned(),
                ..one.clone()
            },
            Binding {
                arguments_sha256: Binding::hash_of(b"{\"member\":4412}"),
                ..one.clone()
            },
            Binding {
                definition: "sha256:77c1".to_owned(),
                ..one.clone()
            },
            Binding {
                policy_version: 48,
                ..one.clone()
            },
            Binding {
                approver: Approver::Oneself,
                ..one.clone()
            },
            // what only moved over a border
            Binding {
                connector: "crmu".to_owned(),
                action: "pdate_contact".to_owned(),
                ..one.clone()
            },
        ];
        for other in others {
            assert_ne!(other.digest(), one.digest(), "{other:?}");
        }
        assert_eq!(binding().digest(), one.digest());
    }

    #[test]
    fn nobody_is_the_second_person_of_their_own_request() {
        let none = BTreeSet::new();
        let leads: BTreeSet<String> = ["leads".to_owned()].into();
        let decider = |number, groups, has_right| Decider {
            person: person(number),
            groups,
            has_right,
        };
        let groups = Approver::Groups(leads.clone());
        let check = |approver: &Approver, who: Decider<'_>, approve: bool, deny: bool| {
            assert_eq!(
                approver.may_approve(person(1), &who),
                approve,
                "{approver:?} {who:?}"
            );
            assert_eq!(
                approver.may_deny(person(1), &who),
                deny,
                "{approver:?} {who:?}"
            );
        };
        check(&Approver::Oneself, decider(1, &none, false), true, true);
        check(&Approver::Oneself, decider(2, &leads, true), false, true);
        check(&Approver::Second, decider(1, &leads, true), false, true);
        check(&Approver::Second, decider(2, &none, true), true, true);
        check(&Approver::Second, decider(2, &leads, false), false, false);
        check(&groups, decider(1, &leads, true), false, true);
        check(&groups, decider(2, &leads, false), true, true);
        check(&groups, decider(2, &none, true), false, true);
        check(
            &Approver::Groups(BTreeSet::new()),
            decider(2, &leads, false),
            false,
            false,
        );
    }

    #[test]
    fn an_approver_reads_back_and_what_is_none_is_nobody() {
        for approver in [
            Approver::Oneself,
            Approver::Second,
            Approver::Groups(["self".to_owned(), "a\"b".to_owned()].into()),
        ] {
            assert_eq!(Approver::parse(&approver.to_text()), Some(approver));
        }
        for text in ["", "anyone", "{}", "[1]", "\"self\""] {
            assert_eq!(Approver::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_nobody_decided_or_used_in_time_is_expired_by_the_clock_alone() {
        let (end, now) = (Timestamp::from_unix_ms(10), Timestamp::from_unix_ms(9));
        for state in ApprovalState::ALL {
            assert_eq!(state.at(end, now), *state);
            let late = state.at(end, end);
            assert!(late.is_over(), "{state}");
            assert_eq!(late == *state, state.is_over());
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_it_is_used_at_most_once_and_never_without_a_yes(steps in proptest::collection::vec(0usize..5, 0..40)) {
            let mut state = ApprovalState::Pending;
            let (mut approved, mut consumed) = (0, 0);
            for step in steps {
                let next = ApprovalState::ALL[step];
                if !state.may_become(next) {
                    continue;
                }
                prop_assert!(!state.is_over());
                approved += u32::from(next == ApprovalState::Approved);
                consumed += u32::from(next == ApprovalState::Consumed);
                state = next;
            }
            prop_assert!(approved <= 1 && consumed <= approved);
        }
    }
}
