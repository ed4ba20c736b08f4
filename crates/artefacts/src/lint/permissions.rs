//! Permission rules that bind less than they seem to. For [`super::lint`].

use serde_json::{Map, Value, json};

use super::{Finding, Weight, at, is, items, paste};

pub(super) fn findings(document: &Map<String, Value>) -> Vec<Finding> {
    [deny_only, bypass, bypass_by_default, not_locked]
        .into_iter()
        .filter_map(|rule| rule(document))
        .collect()
}

/// Rules that deny bind Claude Code's own tools; a program that a command starts reads and sends what it likes.
fn deny_only(document: &Map<String, Value>) -> Option<Finding> {
    let denies = !items(document, &["permissions", "deny"]).is_empty();
    (denies && !is(document, &["sandbox", "enabled"], true)).then(|| Finding {
        rule: "deny-only",
        weight: Weight::Wrong,
        at: "permissions.deny".to_owned(),
        why: "A deny rule binds Claude Code's own tools and the commands it can read. A script or a program that a command starts still \
              opens the file and reaches the network: Read(./.env) does not keep python from reading .env."
            .to_owned(),
        remedy: "Put a sandbox below the rules, which binds every process that Claude Code starts.".to_owned(),
        paste: paste(
            document,
            &[
                (&["sandbox", "enabled"], json!(true)),
                (&["sandbox", "failIfUnavailable"], json!(true)),
                (&["sandbox", "allowUnsandboxedCommands"], json!(false)),
                (&["sandbox", "network", "allowManagedDomainsOnly"], json!(true)),
            ],
        ),
    })
}

fn bypass(document: &Map<String, Value>) -> Option<Finding> {
    let path = ["permissions", "disableBypassPermissionsMode"];
    let is_off = at(document, &path).and_then(Value::as_str) == Some("disable");
    (!is_off).then(|| Finding {
        rule: "bypass-possible",
        weight: Weight::Weak,
        at: path.join("."),
        why: "Without it anybody can start Claude Code with --dangerously-skip-permissions, and it asks nothing any more.".to_owned(),
        remedy: "Switch that mode off.".to_owned(),
        paste: paste(document, &[(&path, json!("disable"))]),
    })
}

fn bypass_by_default(document: &Map<String, Value>) -> Option<Finding> {
    let path = ["permissions", "defaultMode"];
    let mode = at(document, &path).and_then(Value::as_str);
    (mode == Some("bypassPermissions")).then(|| Finding {
        rule: "bypass-by-default",
        weight: Weight::Wrong,
        at: path.join("."),
        why:
            "Every session begins without asking for anything, on every device that gets this file."
                .to_owned(),
        remedy: "Begin in the ordinary mode.".to_owned(),
        paste: paste(document, &[(&path, json!("default"))]),
    })
}

/// People's own rules count beside the company's.
fn not_locked(document: &Map<String, Value>) -> Option<Finding> {
    let has_rules = ["allow", "ask", "deny"]
        .iter()
        .any(|list| !items(document, &["permissions", list]).is_empty());
    let path = ["allowManagedPermissionRulesOnly"];
    (has_rules && !is(document, &path, true)).then(|| Finding {
        rule: "rules-not-locked",
        weight: Weight::Weak,
        at: path.join("."),
        why: "Allow rules of people's own settings and of any project they open count beside these, so that a cloned repository can allow \
              what you only meant to be asked about."
            .to_owned(),
        remedy: "Let only managed rules count, if your people can work with that.".to_owned(),
        paste: paste(document, &[(&path, json!(true))]),
    })
}
