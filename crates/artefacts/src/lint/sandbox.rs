//! A sandbox that opens when it fails, can be left, or is weakened. For [`super::lint`].

use serde_json::{Map, Value, json};

use super::{Finding, Weight, at, is, paste};

/// What takes from the sandbox, and how.
const WEAKER: &[(&[&str], &str)] = &[
    (
        &["sandbox", "allowAppleEvents"],
        "A sandboxed command can start and steer other programs, which are not in the sandbox.",
    ),
    (
        &["sandbox", "allowNestedUserNamespaces"],
        "A sandboxed command can get round what may not be written, and plant what later runs outside.",
    ),
    (
        &["sandbox", "enableWeakerNestedSandbox"],
        "A sandboxed command can read about every process of the machine.",
    ),
    (
        &["sandbox", "enableWeakerNetworkIsolation"],
        "A sandboxed command can send data out through the system's trust service.",
    ),
    (
        &["sandbox", "filesystem", "disabled"],
        "The sandbox keeps no file from being read or written.",
    ),
    (
        &["sandbox", "network", "allowAllUnixSockets"],
        "A sandboxed command can reach every local service, such as Docker's, which is the whole machine.",
    ),
];

pub(super) fn findings(document: &Map<String, Value>) -> Vec<Finding> {
    let Some(sandbox) = document.get("sandbox").filter(|value| value.is_object()) else {
        return Vec::new();
    };
    if !is(document, &["sandbox", "enabled"], true) {
        let has_more = sandbox.as_object().is_some_and(|members| members.len() > 1);
        let is_stated = at(document, &["sandbox", "enabled"]).is_some();
        return Vec::from_iter((has_more || !is_stated).then(|| off(document)));
    }
    let mut findings = Vec::new();
    findings.extend(fails_open(document));
    findings.extend(can_be_left(document));
    findings.extend(network_open(document));
    for (path, why) in WEAKER {
        if is(document, path, true) {
            findings.push(Finding {
                rule: "sandbox-weakened",
                weight: Weight::Weak,
                at: path.join("."),
                why: (*why).to_owned(),
                remedy: "Take it out unless somebody can say what needs it.".to_owned(),
                paste: paste(document, &[(path, json!(false))]),
            });
        }
    }
    findings
}

fn off(document: &Map<String, Value>) -> Finding {
    Finding {
        rule: "sandbox-off",
        weight: Weight::Wrong,
        at: "sandbox.enabled".to_owned(),
        why: "Everything else in the sandbox's settings counts only when it is on, and it is not."
            .to_owned(),
        remedy: "Switch it on, and let it be a condition.".to_owned(),
        paste: paste(
            document,
            &[
                (&["sandbox", "enabled"], json!(true)),
                (&["sandbox", "failIfUnavailable"], json!(true)),
            ],
        ),
    }
}

fn fails_open(document: &Map<String, Value>) -> Option<Finding> {
    let path = ["sandbox", "failIfUnavailable"];
    (!is(document, &path, true)).then(|| Finding {
        rule: "sandbox-fails-open",
        weight: Weight::Wrong,
        at: path.join("."),
        why: "Where the sandbox cannot start (a missing package, an unknown system) Claude Code says so once and runs every command without \
              it. That is the default."
            .to_owned(),
        remedy: "Let it refuse to start instead.".to_owned(),
        paste: paste(document, &[(&path, json!(true))]),
    })
}

fn can_be_left(document: &Map<String, Value>) -> Option<Finding> {
    let path = ["sandbox", "allowUnsandboxedCommands"];
    (!is(document, &path, false)).then(|| Finding {
        rule: "sandbox-can-be-left",
        weight: Weight::Weak,
        at: path.join("."),
        why: "Claude Code may run a command again outside the sandbox when it failed inside; somebody who agrees without reading is enough."
            .to_owned(),
        remedy: "Keep every command inside.".to_owned(),
        paste: paste(document, &[(&path, json!(false))]),
    })
}

fn network_open(document: &Map<String, Value>) -> Option<Finding> {
    let path = ["sandbox", "network", "allowManagedDomainsOnly"];
    (!is(document, &path, true)).then(|| Finding {
        rule: "sandbox-network-open",
        weight: Weight::Weak,
        at: path.join("."),
        why: "People's own settings and each agreed question add hosts that sandboxed commands may reach.".to_owned(),
        remedy: "Let only your own list count; allowedDomains beside it says which hosts.".to_owned(),
        paste: paste(document, &[(&path, json!(true))]),
    })
}
