//! What people must still do when somebody comes or goes, beyond what Doorward does by itself: which tasks there are and
//! until when each is to be done. A day is a day in UTC; a task is due at its end. Whether a task is overdue is asked of the clock each
//! time and never kept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::window::DAY_MS;
use crate::words::{UnknownWord, words};

/// Why tasks were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occasion {
    /// Somebody leaves.
    Leaving,
    /// Somebody is new.
    Joining,
}

impl Occasion {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leaving => "leaving",
            Self::Joining => "joining",
        }
    }

    /// Its tasks, in the order of doing.
    pub fn kinds(self) -> impl Iterator<Item = TaskKind> {
        let all = TaskKind::ALL.iter().copied();
        all.filter(move |kind| kind.occasion() == self)
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

macro_rules! tasks {
    ($( $kind:ident $word:literal $occasion:ident $days:literal $title:literal; )*) => {
        /// One thing to be done for one person.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum TaskKind {
            $( #[doc = $title] $kind, )*
        }

        impl TaskKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Self] = &[ $( Self::$kind, )* ];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$kind => $word, )* }
            }

            /// When it is opened.
            pub const fn occasion(self) -> Occasion {
                match self { $( Self::$kind => Occasion::$occasion, )* }
            }

            /// Whole days after the day of leaving or coming; 0 is the same day.
            pub const fn days(self) -> i64 {
                match self { $( Self::$kind => $days, )* }
            }

            /// What is to be done, as a sentence.
            pub const fn title(self) -> &'static str {
                match self { $( Self::$kind => $title, )* }
            }
        }
    };
}

// A leaver's way in is closed the same day; what else hangs on them follows within two weeks. Whoever is new is ready within one.
tasks! {
    EndAccess "end_access" Leaving 0 "End the access through Doorward: sessions, streams and keys.";
    DisableAccount "disable_account" Leaving 0 "Disable the account in the directory.";
    RemoveSecondFactors "remove_second_factors" Leaving 0 "Take away the devices registered for multi-factor sign-in.";
    RemoveFromWorkspace "remove_from_workspace" Leaving 0 "Remove the person from the Claude workspace.";
    RevokeConnectors "revoke_connectors" Leaving 7 "Revoke what connectors were allowed to do in the person's name.";
    HandOverProjects "hand_over_projects" Leaving 14 "Archive the person's projects, or hand them over.";
    AddToWorkspace "add_to_workspace" Joining 7 "Add the person to the Claude workspace.";
    AcceptPolicy "accept_policy" Joining 7 "Have the acceptable-use policy accepted.";
    TellConnectors "tell_connectors" Joining 7 "Tell the person which connectors are approved, and how to connect them.";
    AskPersonalAccount "ask_personal_account" Joining 7 "Ask whether a personal account was used before, and settle what becomes of its history.";
    TrainAwareness "train_awareness" Joining 7 "Include the person in the security training.";
}

impl TaskKind {
    /// Until when it is to be done, for somebody who leaves or comes at this moment: the end of that day, or of a later one.
    pub fn due(self, at: Timestamp) -> Timestamp {
        let day = at.unix_ms().div_euclid(DAY_MS);
        Timestamp::from_unix_ms((day + self.days() + 1) * DAY_MS - 1)
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for TaskKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let known = Self::ALL.iter().find(|kind| kind.as_str() == text);
        known.copied().ok_or(UnknownWord("kind of task"))
    }
}

words! {
    /// What something is proved with.
    EvidenceKind ("kind of evidence") {
        /// A record of the ledger.
        Record "record",
        /// A member list.
        MemberList "member_list",
        /// Somebody's acceptance of the acceptable-use policy.
        Acceptance "acceptance",
        /// Somebody's words.
        Statement "statement",
    }
}

/// What proves that something is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is.
    pub kind: EvidenceKind,
    /// Where it is: a record's chain and number, a file's name, somebody's words.
    pub source: String,
    /// SHA-256 of it, in hexadecimal, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// When it was so.
    pub at: Timestamp,
}

impl Evidence {
    /// Whether it says the same as another, whenever that was.
    pub fn says(&self, other: &Self) -> bool {
        (self.kind, &self.source, &self.hash) == (other.kind, &other.source, &other.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: TaskKind, at: &str, due: &str) {
        let at: Timestamp = at.parse().unwrap();
        assert_eq!(kind.due(at).to_string(), due, "{kind}");
    }

    #[test]
    fn a_leavers_tasks_are_due_at_the_end_of_the_same_day_a_week_and_two_weeks() {
        let friday = "2026-11-20T17:00:00.000Z";
        for kind in [
            TaskKind::DisableAccount,
            TaskKind::RemoveSecondFactors,
            TaskKind::RemoveFromWorkspace,
        ] {
            check(kind, friday, "2026-11-20T23:59:59.999Z");
            check(kind, "2026-11-20T00:00:00.000Z", "2026-11-20T23:59:59.999Z");
            check(kind, "2026-11-20T23:59:59.999Z", "2026-11-20T23:59:59.999Z");
        }
        check(
            TaskKind::RevokeConnectors,
            friday,
            "2026-11-27T23:59:59.999Z",
        );
        check(
            TaskKind::HandOverProjects,
            friday,
            "2026-12-04T23:59:59.999Z",
        );
    }

    #[test]
    fn every_occasion_has_its_tasks_and_every_word_reads_back() {
        assert_eq!(Occasion::Leaving.kinds().count(), 6);
        assert_eq!(Occasion::Joining.kinds().count(), 5);
        for kind in TaskKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert!(kind.title().ends_with('.'));
        }
        assert!("".parse::<TaskKind>().is_err());
    }
}
