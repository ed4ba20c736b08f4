//! The rules of the association as they grew: each version adds something to the ones before, for a reason. Called by `office`.

use crate::demo::crm::rules;

/// A version: so many days ago, why, and what it adds.
#[derive(Debug)]
pub(super) struct Version {
    /// So many days ago.
    pub(super) days_ago: i64,
    /// Why, in its author's words.
    pub(super) reason: &'static str,
    /// What is added.
    pub(super) adds: &'static str,
}

/// What holds from the first day.
pub(super) const FIRST: &str = include_str!("../policy.toml");

/// What came later, oldest first.
pub(super) const LATER: &[Version] = &[
    Version {
        days_ago: 20,
        reason: "The pilot went well: all staff may use Sonnet and Haiku, the platform team Opus as well",
        adds: r#"
# Staff of the association, by their groups in the directory.

[[grant]]
name = "platform"
who = { groups = ["platform", "agency"] }
models = ["claude-opus-*", "claude-sonnet-*", "claude-haiku-*"]

[[grant]]
name = "staff"
who = { groups = ["programmes", "fundraising", "communications", "finance", "people-and-culture", "board"] }
models = ["claude-sonnet-*", "claude-haiku-*"]

[[grant]]
name = "nightly jobs"
who = { services = ["nightly-digest"] }
models = ["claude-haiku-*"]
"#,
    },
    Version {
        days_ago: 17,
        reason: "Finance asks that donors' card numbers never leave",
        adds: r#"
[[inspect]]
name = "donors' cards stay here"
who = { groups = ["fundraising", "finance"] }
detectors = ["payment_card"]
action = "block"
min_confidence = 50
"#,
    },
    Version {
        days_ago: 14,
        reason: "The works council agreed to the acceptable-use policy; staff accept it before they go on",
        adds: r#"
[acceptable_use]
required = true
groups = ["programmes", "fundraising", "communications", "finance", "people-and-culture", "board"]
"#,
    },
    Version {
        days_ago: 10,
        reason: "A second pilot, with very little money",
        adds: r#"
[[grant]]
name = "pilot"
who = { groups = ["pilot"] }
models = ["claude-sonnet-*", "claude-haiku-*"]

[[budget]]
name = "pilot a day"
who = { groups = ["pilot"] }
for = "member"
amount_usd = "0.06"
period = "daily"
"#,
    },
    Version {
        days_ago: 6,
        reason: "The agency's agents ran wild on Tuesday night",
        adds: r#"
[[limit]]
name = "agency a minute"
who = { groups = ["agency"] }
input_tokens_per_minute = 120000
"#,
    },
    Version {
        days_ago: 3,
        reason: "Fundraising has a budget of its own from this month on",
        adds: r#"
[[budget]]
name = "fundraising together"
who = { groups = ["fundraising"] }
for = "group"
amount_usd = "6.00"
period = "monthly"
"#,
    },
    Version {
        days_ago: 2,
        reason: "Claude may look members up; what it changes there somebody approves",
        adds: r#"
# What Claude may reach besides models.

[[connector]]
name = "github"
title = "GitHub"
who = { groups = ["engineering", "platform"] }
url = "https://api.githubcopilot.com/mcp/"

[[action]]
name = "changes to code"
who = { groups = ["engineering", "platform"] }
connector = "github"
classes = ["write"]
state = "ask"
"#,
    },
];

/// The whole text as it was from that version on; 0 is the first. The last brings the CRM, which is at this address.
pub(super) fn text(version: usize, crm: &str) -> String {
    let added = LATER.iter().take(version).map(|later| later.adds);
    let mut text: String = std::iter::once(FIRST).chain(added).collect();
    if version == LATER.len() {
        text.push_str(&rules(crm));
    }
    text
}

#[cfg(test)]
mod tests {
    use domain::Policy;

    use super::*;

    const CRM: &str = "http://127.0.0.1:1/mcp";

    #[test]
    fn our_own_lint_finds_nothing_in_the_settings_that_clients_receive() {
        let last = text(LATER.len(), CRM);
        let policy = Policy::parse(1, &last).unwrap();
        for entry in &policy.document().managed_settings {
            let settings = serde_json::to_string(&entry.settings).unwrap();
            let found = artefacts::lint::lint(&settings);
            assert!(found.is_empty(), "{}: {found:?}", entry.name);
        }
    }

    #[test]
    fn every_version_is_a_policy_and_they_follow_each_other() {
        for version in 0..=LATER.len() {
            Policy::parse(1, &text(version, CRM)).unwrap();
        }
        assert!(LATER.is_sorted_by(|one, next| one.days_ago > next.days_ago));
    }
}
