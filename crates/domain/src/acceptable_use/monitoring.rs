//! What is recorded of people's use, said from the settings that are really in force, so that the text cannot lie. [`Settings`] is
//! everything that a setting can change about it; what the ledger records is fixed in the program. Two texts are alike when their
//! settings are: another wording of the same facts makes no version outdated.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::Policy;
use crate::policy::InspectAction;

/// What the configuration file, rather than the policy, says about recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installation {
    /// Hosts that get a copy of the ledger.
    pub sent_to: Vec<String>,
}

/// Whom a rule of the policy reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Nobody.
    Nobody,
    /// Those whom it selects.
    Some,
    /// Everyone.
    Everyone,
}

/// In whose requests something is looked for, and whose are stopped when they hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Searched {
    /// Looked for in the requests of these.
    pub looked: Reach,
    /// Of these a request that holds it is stopped.
    pub stopped: Reach,
}

/// Everything about recording that a setting decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether what people write and what Claude answers is kept. Not possible in this version; a version in which it is says so
    /// here, and every text published before is outdated then.
    pub content_kept: bool,
    /// After how many days records are deleted; none when they are kept until somebody deletes them.
    pub kept_days: Option<u32>,
    /// Hosts that get a copy of every record.
    pub sent_to: Vec<String>,
    /// What requests are searched for, by detector or class as the policy names it.
    pub searched: BTreeMap<String, Searched>,
}

impl Settings {
    /// What a policy and the installation make of it.
    pub fn in_force(policy: &Policy, installation: &Installation) -> Self {
        let mut searched: BTreeMap<String, Searched> = BTreeMap::new();
        for rule in &policy.document().inspect {
            let reach = if rule.who.is_everyone() {
                Reach::Everyone
            } else {
                Reach::Some
            };
            for detector in &rule.detectors {
                let found = searched.entry(detector.clone()).or_insert(Searched {
                    looked: Reach::Nobody,
                    stopped: Reach::Nobody,
                });
                found.looked = found.looked.max(reach);
                if rule.action == InspectAction::Block {
                    found.stopped = found.stopped.max(reach);
                }
            }
        }
        let mut sent_to = installation.sent_to.clone();
        sent_to.sort_unstable();
        sent_to.dedup();
        Self {
            content_kept: false,
            kept_days: None,
            sent_to,
            searched,
        }
    }

    /// The settings as one text that is equal when they are: what is fingerprinted and kept with a version.
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The settings of a version, out of the text kept with it.
    pub fn read(canonical: &str) -> Option<Self> {
        serde_json::from_str(canonical).ok()
    }

    /// The paragraphs, in plain English, one a line.
    pub fn paragraphs(&self) -> String {
        let mut text = String::from(
            "Each request to Claude leaves a record: who sent it and when, from which program and network address, which model answered, \
             how much was sent and answered, what it cost, and whether it was let through and by which rule. Each call that Claude makes \
             for you in another system leaves one too: which system and which action, not what it said.\n",
        );
        text.push_str(if self.content_kept {
            "What you write and what Claude answers may be kept as well. It is not read as a routine; in an investigation two people together can open it, and that leaves a record of its own.\n"
        } else {
            "What you write and what Claude answers is not kept here, and nobody can read it here later, also not in an investigation.\n"
        });
        text.push_str(
            "Where a call in another system needs somebody's approval, what it would say is kept sealed until a day after; you and those who may \
             approve it can read it until then.\n",
        );
        self.say_searched(&mut text);
        match self.kept_days {
            Some(days) => {
                let _ = writeln!(text, "Records are deleted after {days} days.");
            }
            None => text.push_str(
                "Records are kept until they are deleted by hand; there is no set time.\n",
            ),
        }
        if !self.sent_to.is_empty() {
            let _ = writeln!(
                text,
                "Copies of the records go to {}.",
                listed(&self.sent_to)
            );
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn say_searched(&self, text: &mut String) {
        if self.searched.is_empty() {
            text.push_str("Requests are not searched for secrets or personal data.\n");
            return;
        }
        let mut kinds: Vec<Searched> = self.searched.values().copied().collect();
        kinds.sort_unstable_by_key(|kind| std::cmp::Reverse((kind.looked, kind.stopped)));
        kinds.dedup();
        for kind in kinds {
            let alike = self.searched.iter().filter(|(_, how)| **how == kind);
            let names: Vec<String> = alike.map(|(name, _)| in_words(name)).collect();
            let whose = match kind.looked {
                Reach::Everyone => "Your requests",
                Reach::Some | Reach::Nobody => "The requests of some people",
            };
            let then = match (kind.looked, kind.stopped) {
                (_, Reach::Nobody) => "they are let through",
                (Reach::Everyone, Reach::Some) => {
                    "some people's are stopped when they hold any, the others' are let through"
                }
                _ => "a request that holds any is stopped before it leaves",
            };
            let _ = writeln!(
                text,
                "{whose} are searched by a program for {}; {then}. What kind it was is recorded, not the text.",
                listed(&names)
            );
        }
    }
}

/// What people call what a detector finds.
fn in_words(detector: &str) -> String {
    match detector {
        "*" => "everything that can be recognised, such as access keys and payment card numbers"
            .to_owned(),
        "secret" | "secret.*" => "access keys, tokens and other secrets".to_owned(),
        "payment_card" => "payment card numbers".to_owned(),
        other => format!("“{other}”"),
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(inspect: &str) -> Settings {
        let policy = Policy::parse(1, inspect).unwrap();
        Settings::in_force(&policy, &Installation::default())
    }

    const BLOCKS: &str =
        "[[inspect]]\nname = \"no secrets\"\ndetectors = [\"secret.*\"]\naction = \"block\"\n";

    fn check(settings: &Settings, says: &[&str], not: &[&str]) {
        let text = settings.paragraphs();
        for part in says {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        for part in not {
            assert!(!text.contains(part), "{part} stands in\n{text}");
        }
    }

    #[test]
    fn the_text_says_what_the_settings_are() {
        check(
            &settings(""),
            &["not kept here", "not searched", "no set time"],
            &["Copies", "stopped"],
        );
        check(
            &settings(BLOCKS),
            &[
                "Your requests are searched by a program for access keys",
                "stopped before it leaves",
            ],
            &["not searched", "some people"],
        );
        let noted = BLOCKS
            .replace("block", "observe")
            .replace("secret.*", "payment_card");
        check(
            &settings(&noted.replace("detectors", "who = { groups = [\"g\"] }\ndetectors")),
            &[
                "The requests of some people are searched by a program for payment card numbers; they are let through",
            ],
            &["stopped"],
        );
        let some_stopped = format!(
            "{}{}",
            BLOCKS.replace("block", "observe"),
            BLOCKS
                .replace("no secrets", "more")
                .replace("detectors", "who = { groups = [\"g\"] }\ndetectors")
        );
        check(
            &settings(&some_stopped),
            &["Your requests are searched", "some people's are stopped"],
            &["a request that holds any is stopped"],
        );
        let kept = Settings {
            content_kept: true,
            kept_days: Some(90),
            sent_to: vec!["siem.example".into()],
            ..settings("")
        };
        check(
            &kept,
            &[
                "two people together",
                "after 90 days",
                "go to siem.example.",
            ],
            &["not kept here", "no set time"],
        );
    }

    #[test]
    fn every_setting_that_changes_the_text_changes_what_is_fingerprinted() {
        let base = settings(BLOCKS);
        let sent = Installation {
            sent_to: vec!["b.example".into(), "a.example".into(), "b.example".into()],
        };
        let policy = Policy::parse(1, BLOCKS).unwrap();
        let others = [
            settings(""),
            settings(&BLOCKS.replace("block", "observe")),
            settings(&BLOCKS.replace("detectors", "who = { groups = [\"g\"] }\ndetectors")),
            Settings::in_force(&policy, &sent),
            Settings {
                content_kept: true,
                ..base.clone()
            },
            Settings {
                kept_days: Some(1),
                ..base.clone()
            },
        ];
        for other in &others {
            assert_ne!(other.canonical(), base.canonical());
            assert_ne!(other.paragraphs(), base.paragraphs());
            assert_eq!(Settings::read(&other.canonical()).as_ref(), Some(other));
        }
        assert_eq!(others[3].sent_to, ["a.example", "b.example"]);
    }

    #[test]
    fn what_a_setting_does_not_change_changes_nothing() {
        let renamed = BLOCKS.replace("no secrets", "keys stay here");
        let with_more = format!("{BLOCKS}[[grant]]\nname = \"g\"\nmodels = [\"claude-*\"]\n");
        for text in [renamed, with_more] {
            assert_eq!(settings(&text), settings(BLOCKS));
        }
    }
}
