//! The connectors we know, as dated data in the shape of the MCP registry (`server.json`) with our own extension: the classes of their
//! actions, what should be asked or blocked whatever its class, and where each fact is from. And the baseline of the deployment plan: what
//! kinds of action should be always allowed, asked or blocked, matched to the actions that a server really lists.
//!
//! A proposal, never a permission: only the policy permits. An address that is not in it is a custom connector, which needs a review.

use std::collections::{BTreeMap, BTreeSet};

use domain::connectors::{ActionClass, ActionPattern, ActionState};
use domain::policy::connectors::Connector;
use serde::Deserialize;

use crate::classify::words;
use crate::pin::place;

const DATA: &str = include_str!("../data/catalogue.json");

/// The whole catalogue.
#[derive(Debug, Clone, Deserialize)]
pub struct Catalogue {
    /// When it was put together: `2026-11-21`.
    pub as_of: String,
    /// The connectors.
    #[serde(rename = "servers")]
    pub entries: Vec<Entry>,
    /// The templates of the deployment plan.
    pub baselines: Vec<Baseline>,
}

/// A connector we know.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// Its name in the manner of the registry.
    pub name: String,
    /// What people call it.
    pub title: String,
    remotes: Vec<Remote>,
    #[serde(rename = "_meta")]
    meta: Meta,
}

#[derive(Debug, Clone, Deserialize)]
struct Remote {
    url: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Meta {
    doorward: About,
}

/// What we say of a connector beside what the registry does.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// When it was looked up.
    pub as_of: String,
    /// Where the facts are from.
    pub source: String,
    /// How Doorward becomes a client of it: `oauth`, `pre_registered` or `dynamic_registration`.
    pub auth: String,
    /// What one should know.
    #[serde(default)]
    pub note: String,
    /// The least scopes with which it is of use.
    #[serde(default)]
    pub scopes_minimal: Vec<String>,
    /// The template of the deployment plan that is about it.
    #[serde(default)]
    pub baseline: Option<String>,
    #[serde(default)]
    classes: Classes,
    #[serde(default)]
    ask: Vec<ActionPattern>,
    #[serde(default)]
    blocked: Vec<ActionPattern>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Classes {
    read: Vec<ActionPattern>,
    write: Vec<ActionPattern>,
    destructive: Vec<ActionPattern>,
    generic: Vec<ActionPattern>,
}

impl Catalogue {
    /// The catalogue that is shipped with this version.
    pub fn shipped() -> Self {
        serde_json::from_str(DATA).expect("a test reads the shipped catalogue")
    }

    /// The entry of this address, or of one below it. None: a custom connector.
    pub fn at(&self, url: &str) -> Option<&Entry> {
        let url = comparable(url);
        self.entries.iter().find(|entry| {
            let known = comparable(entry.url());
            url.strip_prefix(&known)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Whether a connector may be used at all: by the newest word of a review, and where there is none, if its address is known here.
    pub fn may_be_used(&self, connector: &Connector, reviewed: Option<bool>) -> bool {
        let is_known = || {
            let url = connector.url.as_deref();
            url.is_some_and(|url| self.at(url).is_some())
        };
        reviewed.unwrap_or_else(is_known)
    }

    /// The names of those that may not. `reviewed` has the newest word of each connector and [`place`].
    pub fn held_back(
        &self,
        connectors: &[Connector],
        reviewed: &BTreeMap<(String, String), bool>,
    ) -> BTreeSet<String> {
        let word = |connector: &Connector| {
            let key = (connector.name.clone(), place(connector));
            reviewed.get(&key).copied()
        };
        let held_back = connectors
            .iter()
            .filter(|connector| !self.may_be_used(connector, word(connector)));
        held_back.map(|connector| connector.name.clone()).collect()
    }

    /// The template of this id.
    pub fn baseline(&self, id: &str) -> Option<&Baseline> {
        self.baselines.iter().find(|known| known.id == id)
    }
}

/// An address without what makes no difference: the case of its host, a slash at its end.
pub fn comparable(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    format!(
        "{scheme}://{}{}",
        host.to_lowercase(),
        path.trim_end_matches('/')
    )
}

impl Entry {
    /// Its address.
    pub fn url(&self) -> &str {
        self.remotes.first().map_or("", |remote| &remote.url)
    }

    /// What we say of it.
    pub const fn about(&self) -> &About {
        &self.meta.doorward
    }

    /// The class of an action, where it is curated: of several that fit, the strictest.
    pub fn class(&self, action: &str) -> Option<ActionClass> {
        let classes = &self.meta.doorward.classes;
        let has = |patterns: &[ActionPattern]| patterns.iter().any(|pattern| fits(pattern, action));
        let exact = |patterns: &[ActionPattern]| patterns.iter().any(|pattern| pattern.0 == action);
        let kinds = [
            (ActionClass::Generic, &classes.generic),
            (ActionClass::Destructive, &classes.destructive),
            (ActionClass::Write, &classes.write),
            (ActionClass::Read, &classes.read),
        ];
        let by = |said: &dyn Fn(&[ActionPattern]) -> bool| {
            kinds
                .iter()
                .find(|(_, patterns)| said(patterns))
                .map(|(class, _)| *class)
        };
        by(&exact).or_else(|| by(&has))
    }

    /// What state we propose for an action of this class.
    pub fn proposed(&self, action: &str, class: ActionClass) -> ActionState {
        let has = |patterns: &[ActionPattern]| patterns.iter().any(|pattern| fits(pattern, action));
        if has(&self.meta.doorward.blocked) {
            ActionState::Blocked
        } else if has(&self.meta.doorward.ask) {
            ActionState::Ask.max(proposed(class))
        } else {
            proposed(class)
        }
    }
}

/// A pattern of the catalogue may also begin with the star.
fn fits(pattern: &ActionPattern, action: &str) -> bool {
    match pattern.0.strip_prefix('*') {
        Some(end) if !end.is_empty() => action.ends_with(end),
        _ => pattern.matches(action),
    }
}

/// What state we propose for an action of a class: only what reads goes without asking.
pub const fn proposed(class: ActionClass) -> ActionState {
    match class {
        ActionClass::Read => ActionState::Allow,
        ActionClass::Write | ActionClass::Destructive | ActionClass::Generic => ActionState::Ask,
    }
}

/// A template of the deployment plan for one kind of system.
#[derive(Debug, Clone, Deserialize)]
pub struct Baseline {
    /// Its id: `outlook`.
    pub id: String,
    /// What it is about.
    pub title: String,
    /// Which paragraph of the plan.
    pub source: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// Kinds of action and the state they should have.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// What the plan says: “delete and share”.
    pub what: String,
    /// Words of names that are of this kind.
    words: Vec<String>,
    /// The state.
    pub state: ActionState,
}

/// A template laid over the actions that a server lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied<'a> {
    /// Each action and the state it should have; none where no row is about it, and it stays blocked until somebody decides.
    pub actions: Vec<(&'a str, Option<ActionState>)>,
    /// Rows that are about nothing the server lists.
    pub idle: Vec<&'a str>,
}

impl Baseline {
    /// Lays it over these actions. Where several rows are about one action, the strictest counts.
    pub fn apply<'a>(&'a self, actions: &[&'a str]) -> Applied<'a> {
        let about = |row: &Row, action: &str| {
            let named = words(action);
            row.words.iter().any(|word| named.contains(word))
        };
        let state = |action: &str| {
            let rows = self.rows.iter().filter(|row| about(row, action));
            rows.map(|row| row.state).max()
        };
        let is_idle = |row: &&Row| !actions.iter().any(|action| about(row, action));
        Applied {
            actions: actions
                .iter()
                .map(|action| (*action, state(action)))
                .collect(),
            idle: self
                .rows
                .iter()
                .filter(is_idle)
                .map(|row| row.what.as_str())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_shipped_catalogue_reads_and_every_fact_has_a_source_and_a_date() {
        let catalogue = Catalogue::shipped();
        assert!(catalogue.entries.len() > 20);
        let is_date = |text: &str| text.len() == 10 && text.starts_with("202");
        let mut names = BTreeSet::new();
        for entry in &catalogue.entries {
            assert!(names.insert(&entry.name), "{} twice", entry.name);
            assert!(entry.url().starts_with("https://"), "{}", entry.name);
            assert!(is_date(&entry.about().as_of), "{}", entry.name);
            assert!(!entry.about().source.is_empty(), "{}", entry.name);
            if let Some(id) = &entry.about().baseline {
                assert!(catalogue.baseline(id).is_some(), "{id}");
            }
            assert_eq!(
                catalogue.at(entry.url()).map(|e| &e.name),
                Some(&entry.name)
            );
        }
    }

    #[test]
    fn an_address_is_known_by_itself_and_below_and_by_nothing_that_looks_like_it() {
        let catalogue = Catalogue::shipped();
        for (url, expected) in [
            ("https://api.githubcopilot.com/mcp", Some("GitHub")),
            (
                "https://API.githubcopilot.com/mcp/readonly?x=1",
                Some("GitHub"),
            ),
            ("https://api.githubcopilot.com/mcpx", None),
            ("https://api.githubcopilot.com.evil.example/mcp/", None),
            ("http://api.githubcopilot.com/mcp/", None),
            ("https://mcp.box.com/anything", Some("Box")),
            ("https://mcp.box.community/", None),
            ("https://mcp.example/mcp", None),
            ("", None),
        ] {
            let found = catalogue.at(url).map(|entry| &*entry.title);
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn curated_classes_stand_before_what_names_say() {
        use ActionClass::{Destructive, Generic, Read, Write};
        use ActionState::{Allow, Ask, Blocked};
        let catalogue = Catalogue::shipped();
        let check = |url: &str, action: &str, class, state| {
            let entry = catalogue.at(url).unwrap();
            assert_eq!(entry.class(action), class, "{action}");
            let class = class.unwrap_or(Destructive);
            assert_eq!(entry.proposed(action, class), state, "{action}");
        };
        let github = "https://api.githubcopilot.com/mcp/";
        check(github, "merge_pull_request", Some(Destructive), Ask);
        check(github, "push_files", Some(Destructive), Ask);
        check(github, "get_me", Some(Read), Allow);
        check(github, "pull_request_read", Some(Read), Allow);
        check(github, "list_secret_scanning_alerts", Some(Read), Ask);
        check(github, "delete_repository", Some(Destructive), Blocked);
        check(github, "create_branch", Some(Write), Ask);
        check(github, "something_new", None, Ask);
        check(
            "https://mcp.hubspot.com/anthropic",
            "manage_crm_objects",
            Some(Generic),
            Ask,
        );
        check(
            "https://mcp.atlassian.com/v1/mcp/preview",
            "execute",
            Some(Generic),
            Ask,
        );
    }

    #[test]
    fn the_baseline_is_matched_to_what_a_server_really_lists() {
        let catalogue = Catalogue::shipped();
        let outlook = catalogue.baseline("outlook").unwrap();
        let listed = [
            "list-mail-messages",
            "send-mail",
            "create-draft-email",
            "searchAndDelete",
        ];
        let applied = outlook.apply(&listed);
        assert_eq!(
            applied.actions,
            [
                ("list-mail-messages", Some(ActionState::Allow)),
                ("send-mail", Some(ActionState::Blocked)),
                // the plan says nothing about drafts: shown as such
                ("create-draft-email", None),
                ("searchAndDelete", Some(ActionState::Blocked)),
            ]
        );
        assert!(applied.idle.is_empty());
        assert_eq!(outlook.apply(&["list"]).idle, ["send, rules and delete"]);
    }

    #[test]
    fn the_member_system_is_read_only_in_the_baseline() {
        use ActionState::{Allow, Blocked};
        let catalogue = Catalogue::shipped();
        let ams = catalogue.baseline("ams").unwrap();
        for row in &ams.rows {
            assert_ne!(row.state, ActionState::Ask, "{}", row.what);
        }
        let applied = ams.apply(&["get_member", "update_member", "export_members"]);
        let states: Vec<_> = applied.actions.iter().map(|(_, state)| *state).collect();
        assert_eq!(states, [Some(Allow), Some(Blocked), Some(Blocked)]);
    }

    #[test]
    fn a_connector_may_be_used_by_the_word_of_a_review_or_because_it_is_known() {
        let text = "[[connector]]\nname = \"known\"\nurl = \"https://api.githubcopilot.com/mcp/\"\n\
                    [[connector]]\nname = \"own\"\nurl = \"https://mcp.example/\"\n\
                    [[connector]]\nname = \"program\"\ncommand = [\"/usr/bin/node\"]\n";
        let policy = domain::Policy::parse(1, text).unwrap();
        let connectors = &policy.document().connector;
        let held_back = |said: &[(usize, bool)]| {
            let key = |at: usize| (connectors[at].name.clone(), place(&connectors[at]));
            let said = said.iter().map(|(at, word)| (key(*at), *word)).collect();
            let names = Catalogue::shipped().held_back(connectors, &said);
            names.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(held_back(&[]), "own program");
        assert_eq!(held_back(&[(0, true), (1, true), (2, true)]), "");
        assert_eq!(held_back(&[(0, false), (1, false), (2, true)]), "known own");
        let mut moved = connectors[1].clone();
        moved.url = Some("https://other.example/".to_owned());
        let elsewhere = [(("own".to_owned(), place(&moved)), true)].into();
        let names = Catalogue::shipped().held_back(connectors, &elsewhere);
        assert!(names.contains("own"), "a review is of one address");
    }
}
