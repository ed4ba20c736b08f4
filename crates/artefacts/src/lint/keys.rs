//! Keys that are none, wrong types, and secrets. For [`super::lint`].

use serde_json::{Map, Value};

use super::{Finding, Weight, at};
use crate::schema::code::{
    FAIL_CLOSED, Member, PERMISSIONS, SANDBOX, SANDBOX_FILESYSTEM, SANDBOX_NETWORK,
};
use crate::schema::{self, Client, Differs};
use crate::secret;

/// Names that people bring from other files.
const ELSEWHERE: &[(&str, &str)] = &[
    ("mcpServers", "managedMcpServers"),
    ("allowedTools", "permissions"),
    ("disallowedTools", "permissions"),
];

const BELOW: &[(&[&str], &[Member])] = &[
    (&["permissions"], PERMISSIONS),
    (&["sandbox"], SANDBOX),
    (&["sandbox", "network"], SANDBOX_NETWORK),
    (&["sandbox", "filesystem"], SANDBOX_FILESYSTEM),
];

pub(super) fn findings(document: &Map<String, Value>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = secret::find(Client::Code, document)
        .into_iter()
        .map(|found| Finding {
            rule: "secret",
            weight: Weight::Wrong,
            at: found.path,
            why: format!(
                "{}. Everybody who can use the device can read this file, and so can whatever Claude Code runs.",
                capital(found.why)
            ),
            remedy: "Take it out and give it up: make a new one. Let people sign in, name a helper program (apiKeyHelper, \
                     otelHeadersHelper), or write ${VARIABLE}."
                .to_owned(),
            paste: None,
        })
        .collect();
    for difference in schema::compare(Client::Code, document) {
        findings.push(told(
            difference.key.clone(),
            &difference.key,
            difference.what,
        ));
    }
    for (path, members) in BELOW {
        let Some(object) = at(document, path).and_then(Value::as_object) else {
            continue;
        };
        for (name, value) in object {
            let known = members.iter().find(|(member, _)| member == name);
            let differs = match known {
                None => Some(Differs::Unknown {
                    meant: schema::nearest(name, members.iter().map(|(member, _)| *member)),
                }),
                Some((_, kind)) => schema::differs(*kind, value),
            };
            if let Some(differs) = differs {
                findings.push(told(format!("{}.{name}", path.join(".")), name, differs));
            }
        }
    }
    findings
}

fn told(at: String, name: &str, what: Differs) -> Finding {
    let (rule, why, remedy) = match what {
        Differs::Unknown { meant } => {
            let brought = ELSEWHERE.iter().find(|(known, _)| *known == name);
            let meant = brought.map(|(_, here)| *here).or(meant);
            (
                "unknown",
                "Claude Code passes over a key that it does not know, so what stands here does not hold. A newer version may know it: \
                 this table is of 2.1.329.",
                meant.map_or_else(
                    || "Take it out, or look it up for the version you have.".to_owned(),
                    |meant| format!("{meant} may be meant."),
                ),
            )
        }
        Differs::Misshapen { expected } if FAIL_CLOSED.contains(&name) => (
            "type",
            "Claude Code reads this key at its strictest when it cannot be read: nobody, nothing, or on.",
            format!("It must be {expected}."),
        ),
        Differs::Misshapen { expected } => (
            "type",
            "Claude Code passes over a value of the wrong type, so what stands here does not hold.",
            format!("It must be {expected}."),
        ),
        Differs::Untaken { expected } => (
            "value",
            "Claude Code does not take this value.",
            format!("It must be {expected}."),
        ),
    };
    Finding {
        rule,
        weight: Weight::Wrong,
        at,
        why: why.to_owned(),
        remedy,
        paste: None,
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
