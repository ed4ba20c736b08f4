//! A membership CRM behind the fake server: it keeps members and their addresses, and what is called really changes them. So whether a call
//! was made, and how often, is seen in what it holds. Called by the demo and the tests of calls that somebody has to approve.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::Response;
use serde_json::{Value, json};

use super::answers;
use crate::net::Body;

/// The members that it begins with, and where they live.
const MEMBERS: [(u64, &str); 5] = [
    (1_020, "3 Station Road"),
    (2_207, "21 Harbour View"),
    (4_411, "12 Canal Street"),
    (4_412, "5 Orchard Lane"),
    (4_413, "88 Hill Terrace"),
];

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where they live.
    pub address: String,
    /// How often something of theirs was changed.
    pub changes: u64,
}

/// It, with the tools that it lists.
#[derive(Debug, Clone)]
pub(super) struct Crm {
    tools: Arc<Vec<Value>>,
    members: Arc<Mutex<BTreeMap<u64, Member>>>,
}

impl Crm {
    pub(super) fn with(tools: Vec<Value>) -> Self {
        let member = |(number, address): (u64, &str)| {
            let address = address.to_owned();
            (
                number,
                Member {
                    address,
                    changes: 0,
                },
            )
        };
        Self {
            tools: Arc::new(tools),
            members: Arc::new(Mutex::new(MEMBERS.map(member).into())),
        }
    }

    pub(super) fn member(&self, number: u64) -> Option<Member> {
        let members = self.members.lock().expect("nobody panics with it");
        members.get(&number).cloned()
    }

    /// Its tools, as they were given.
    pub(super) fn list(&self, message: &Value, modern: bool) -> Response<Body> {
        let mut listed = json!({"tools": *self.tools});
        if modern {
            listed["resultType"] = "complete".into();
            listed["ttlMs"] = 60_000.into();
            listed["cacheScope"] = "public".into();
        }
        answers::result(message, &listed)
    }

    /// Does what a tool says; one that it does not list is unknown, and so is a member that there is not.
    pub(super) fn call(&self, message: &Value, modern: bool) -> Response<Body> {
        let params = &message["params"];
        let name = params["name"].as_str().unwrap_or_default();
        if !self.tools.iter().any(|tool| tool["name"] == name) {
            return answers::unknown_tool(message);
        }
        let number = params["arguments"]["member"].as_u64().unwrap_or_default();
        let (text, failed) = match self.done(name, number, &params["arguments"]) {
            Some(text) => (text, false),
            None => (format!("There is no member {number}."), true),
        };
        let mut said = json!({"content": [{"type": "text", "text": text}], "isError": failed});
        if modern {
            said["resultType"] = "complete".into();
        }
        answers::result(message, &said)
    }

    fn done(&self, name: &str, number: u64, arguments: &Value) -> Option<String> {
        let mut members = self.members.lock().expect("nobody panics with it");
        if name.starts_with("delete_") {
            members.remove(&number)?;
            return Some(format!("Member {number} is deleted."));
        }
        let member = members.get_mut(&number)?;
        if !["get_", "find_", "list_"]
            .iter()
            .any(|verb| name.starts_with(verb))
        {
            member.changes += 1;
            if let Some(address) = arguments["address"].as_str() {
                address.clone_into(&mut member.address);
            }
        }
        let Member { address, changes } = member;
        Some(json!({"member": number, "address": address, "changes": changes}).to_string())
    }
}

impl super::State {
    /// Its own tools where it is a CRM.
    pub(super) fn as_crm(&self, message: &Value, modern: bool) -> Option<Response<Body>> {
        let crm = self.crm.as_ref()?;
        match message["method"].as_str()? {
            "tools/list" => Some(crm.list(message, modern)),
            "prompts/list" => {
                let letter = json!({"name": "write_to_a_member", "description": "A letter to one member, as the office writes."});
                let listed = json!({"prompts": [letter], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"});
                Some(answers::result(message, &listed))
            }
            "tools/call" => Some(crm.call(message, modern)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crm() -> Crm {
        let names = ["get_member", "update_contact", "delete_contact"];
        Crm::with(names.map(|name| json!({"name": name})).into())
    }

    #[test]
    fn what_is_called_changes_a_member_and_reading_does_not() {
        let crm = crm();
        let (moved, nothing) = (json!({"address": "7 Mill Lane"}), json!({}));
        for (tool, arguments, expected) in [
            ("get_member", &nothing, ("12 Canal Street", 0)),
            ("update_contact", &moved, ("7 Mill Lane", 1)),
            ("get_member", &nothing, ("7 Mill Lane", 1)),
        ] {
            crm.done(tool, 4_411, arguments).unwrap();
            let member = crm.member(4_411).unwrap();
            assert_eq!((&*member.address, member.changes), expected, "{tool}");
        }
        crm.done("delete_contact", 4_411, &nothing).unwrap();
        assert_eq!(crm.member(4_411), None);
        assert_eq!(crm.done("get_member", 4_411, &nothing), None);
    }
}
