//! What clients receive: the settings of every entry that concerns a caller, merged in the document's order.
//!
//! A later entry's value replaces an earlier one's, objects merge key by key, and lists that forbid (`deny`, `ask`, `denied…`,
//! `blocked…`) or that run (`hooks`) are joined, so that no entry can loosen what another forbids. With them clients are told of the
//! connectors that the caller may reach; what an entry says of one under the same name stays.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{CallerPolicy, Policy};
use crate::{ActionState, Caller};

impl Policy {
    /// Claude Code's managed settings for a caller; none when no entry concerns them.
    pub fn managed_settings(&self, caller: &Caller) -> Option<Map<String, Value>> {
        let entries = &self.document().managed_settings;
        merge(
            entries
                .iter()
                .filter(|entry| entry.who.selects(caller))
                .map(|entry| &entry.settings),
        )
    }

    /// Claude Desktop's settings for a caller; none when no entry concerns them.
    pub fn desktop_settings(&self, caller: &Caller) -> Option<Map<String, Value>> {
        let entries = &self.document().desktop_settings;
        merge(
            entries
                .iter()
                .filter(|entry| entry.who.selects(caller))
                .map(|entry| &entry.settings),
        )
    }
}

/// The key under which both clients read which servers the company names: an object for Claude Code, a list for Claude Desktop.
const SERVERS: &str = "managedMcpServers";

/// Where actions stand for a caller, by connector and action.
pub type ActionStates = BTreeMap<String, BTreeMap<String, ActionState>>;

impl CallerPolicy {
    /// Claude Code's settings, and in them every connector that the caller may reach at this address.
    pub fn with_connectors_for_code(
        &self,
        own: Option<Map<String, Value>>,
        public_url: &str,
    ) -> Option<Map<String, Value>> {
        let mut servers: Map<String, Value> = self
            .addresses(public_url)
            .map(|(name, url)| (name.to_owned(), json!({"type": "http", "url": url})))
            .collect();
        if servers.is_empty() {
            return own;
        }
        let mut settings = own.unwrap_or_default();
        if let Some(Value::Object(named)) = settings.remove(SERVERS) {
            servers.extend(named);
        }
        settings.insert(SERVERS.to_owned(), Value::Object(servers));
        Some(settings)
    }

    /// Claude Desktop's settings, and in them every connector that the caller may reach at this address, with what is known of where its
    /// actions stand for them. What is blocked stands in no list, and so not here either.
    pub fn with_connectors_for_desktop(
        &self,
        own: Option<Map<String, Value>>,
        public_url: &str,
        known: &ActionStates,
    ) -> Option<Map<String, Value>> {
        let mut servers: Vec<Value> = self
            .addresses(public_url)
            .map(|(name, url)| {
                let mut server =
                    json!({"name": name, "url": url, "transport": "http", "oauth": true});
                let states: Map<String, Value> = known
                    .get(name)
                    .into_iter()
                    .flatten()
                    .filter(|(_, state)| **state != ActionState::Blocked)
                    .map(|(action, state)| (action.clone(), json!(state)))
                    .collect();
                if !states.is_empty() {
                    server["toolPolicy"] = Value::Object(states);
                }
                server
            })
            .collect();
        if servers.is_empty() {
            return own;
        }
        let mut settings = own.unwrap_or_default();
        if let Some(Value::Array(named)) = settings.remove(SERVERS) {
            servers.retain(|server| named.iter().all(|own| own["name"] != server["name"]));
            servers.extend(named);
        }
        settings.insert(SERVERS.to_owned(), Value::Array(servers));
        Some(settings)
    }

    /// The connectors and where clients find them. None where the address is not https: clients pass such servers over with a warning.
    fn addresses(&self, public_url: &str) -> impl Iterator<Item = (&str, String)> {
        let url = public_url.trim_end_matches('/');
        let is_taken = url.starts_with("https://");
        let reachable = self.reachable().filter(move |_| is_taken);
        reachable.map(move |connector| {
            let name = connector.name.as_str();
            (name, format!("{url}/mcp/{name}"))
        })
    }
}

fn merge<'a>(
    documents: impl Iterator<Item = &'a Map<String, Value>>,
) -> Option<Map<String, Value>> {
    documents.fold(None, |merged, next| {
        let mut merged = merged.unwrap_or_default();
        lay_over(&mut merged, next, false);
        Some(merged)
    })
}

fn lay_over(under: &mut Map<String, Value>, over: &Map<String, Value>, in_hooks: bool) {
    for (key, value) in over {
        let joins = in_hooks
            || key == "deny"
            || key == "ask"
            || key.starts_with("denied")
            || key.starts_with("blocked");
        match (under.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => {
                lay_over(below, above, in_hooks || key == "hooks");
            }
            (Some(Value::Array(below)), Value::Array(above)) if joins => {
                below.extend(
                    above
                        .iter()
                        .filter(|item| !below.contains(item))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
            }
            _ => {
                under.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credential, OrgId, PersonId, Subject};

    fn check(documents: &[Value], merged: &Value) {
        let documents: Vec<_> = documents
            .iter()
            .map(|d| d.as_object().unwrap().clone())
            .collect();
        assert_eq!(
            merge(documents.iter()).map(Value::Object).as_ref(),
            Some(merged)
        );
    }

    #[test]
    fn a_later_entry_replaces_values_and_merges_objects() {
        check(
            &[
                json!({"model": "a", "env": {"A": "1", "B": "1"}}),
                json!({"model": "b", "env": {"B": "2"}}),
            ],
            &json!({"model": "b", "env": {"A": "1", "B": "2"}}),
        );
    }

    #[test]
    fn lists_that_forbid_are_joined_and_lists_that_allow_are_replaced() {
        check(
            &[
                json!({"permissions": {"deny": ["Read(.env)"], "allow": ["Bash(ls)"]}, "deniedMcpServers": [1]}),
                json!({"permissions": {"deny": ["Bash(curl)", "Read(.env)"], "allow": []}, "deniedMcpServers": [2]}),
            ],
            &json!({"permissions": {"deny": ["Read(.env)", "Bash(curl)"], "allow": []}, "deniedMcpServers": [1, 2]}),
        );
    }

    fn reach(text: &str) -> CallerPolicy {
        let someone = Caller {
            org: OrgId::from_parts(0, 0),
            subject: Subject::Person(PersonId::from_parts(1, 7)),
            stable_id: "ada".into(),
            issuer: "company".into(),
            email: None,
            name: None,
            groups: ["staff".to_owned()].into(),
            session: None,
            credential: Credential::IdToken,
        };
        Policy::parse(1, text).unwrap().for_caller(&someone)
    }

    const CONNECTORS: &str = r#"
        [[connector]]
        name = "tasks"
        url = "https://tasks.example/mcp"

        [[connector]]
        name = "crm"
        url = "https://crm.example/mcp"

        [[action]]
        name = "reading tasks"
        who = { groups = ["staff"] }
        connector = "tasks"
        classes = ["read"]
        state = "allow"
    "#;

    #[test]
    fn clients_are_told_of_the_connectors_that_somebody_may_reach_and_of_no_other() {
        let reach = reach(CONNECTORS);
        let url = "https://claude.example/";
        let tasks = "https://claude.example/mcp/tasks";
        let code = reach.with_connectors_for_code(None, url);
        assert_eq!(
            code.map(Value::Object),
            Some(json!({"managedMcpServers": {"tasks": {"type": "http", "url": tasks}}}))
        );
        let tasks = json!({"name": "tasks", "url": tasks, "transport": "http", "oauth": true});
        let desktop = reach.with_connectors_for_desktop(None, url, &ActionStates::new());
        assert_eq!(
            desktop.map(Value::Object),
            Some(json!({"managedMcpServers": [tasks]}))
        );
        assert_eq!(
            reach.with_connectors_for_code(None, "http://127.0.0.1"),
            None
        );
        assert_eq!(
            reach.with_connectors_for_desktop(None, "http://127.0.0.1", &ActionStates::new()),
            None
        );
    }

    #[test]
    fn claude_desktop_is_told_where_actions_stand_and_of_none_that_is_blocked() {
        let states = |states: &[(&str, ActionState)]| {
            let of = |&(action, state): &(&str, ActionState)| (action.to_owned(), state);
            states.iter().map(of).collect()
        };
        let known = ActionStates::from([
            (
                "tasks".to_owned(),
                states(&[
                    ("get", ActionState::Allow),
                    ("put", ActionState::Ask),
                    ("drop", ActionState::Blocked),
                ]),
            ),
            (
                "unreachable".to_owned(),
                states(&[("get", ActionState::Allow)]),
            ),
        ]);
        let desktop =
            reach(CONNECTORS).with_connectors_for_desktop(None, "https://claude.example", &known);
        assert_eq!(
            desktop.unwrap()[SERVERS][0]["toolPolicy"],
            json!({"get": "allow", "put": "ask"})
        );
    }

    #[test]
    fn what_an_entry_says_of_a_server_of_the_same_name_stays() {
        let reach = reach(CONNECTORS);
        let url = "https://claude.example";
        let own = |settings: Value| settings.as_object().cloned();
        let code = reach.with_connectors_for_code(
            own(json!({"model": "a", "managedMcpServers": {"tasks": {"url": "x"}, "wiki": {"url": "y"}}})),
            url,
        );
        assert_eq!(
            code.map(Value::Object),
            Some(
                json!({"model": "a", "managedMcpServers": {"tasks": {"url": "x"}, "wiki": {"url": "y"}}})
            )
        );
        let desktop = reach.with_connectors_for_desktop(
            own(json!({"managedMcpServers": [{"name": "tasks", "url": "x"}, {"name": "wiki", "url": "y"}]})),
            url,
            &ActionStates::new(),
        );
        assert_eq!(
            desktop.map(Value::Object),
            Some(
                json!({"managedMcpServers": [{"name": "tasks", "url": "x"}, {"name": "wiki", "url": "y"}]})
            )
        );
    }

    #[test]
    fn nobody_concerned_means_no_policy_rather_than_an_empty_one() {
        assert_eq!(merge(std::iter::empty()), None);
    }
}
