//! What clients receive: the settings of every entry that concerns a caller, merged in the document's order.
//!
//! A later entry's value replaces an earlier one's, objects merge key by key, and lists that forbid (`deny`, `ask`, `denied…`,
//! `blocked…`) or that run (`hooks`) are joined, so that no entry can loosen what another forbids.

use serde_json::{Map, Value};

use super::Policy;
use crate::Caller;

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
    use serde_json::json;

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

    #[test]
    fn nobody_concerned_means_no_policy_rather_than_an_empty_one() {
        assert_eq!(merge(std::iter::empty()), None);
    }
}
