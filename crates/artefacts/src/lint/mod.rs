//! A lint for Claude Code's managed settings: what in a file does not do what it looks like doing, where, why it matters, and the text that
//! puts it right. Pure; changes nothing. Called by `doorward lint` and the console's form.
//!
//! | module | about |
//! |---|---|
//! | [`keys`] | keys that are none, wrong types, secrets |
//! | [`permissions`] | rules that bind less than they seem to |
//! | [`sandbox`] | a sandbox that opens when it fails, or is left |
//! | [`mcp`] | lists of MCP servers |
//! | [`sign_in`] | where people sign in, and with which models |

mod keys;
mod mcp;
mod permissions;
mod sandbox;
mod sign_in;

use domain::limits::SETTINGS_FILE_BYTES_MAX;
use serde_json::{Map, Value};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It does not do what it says.
    Wrong,
    /// It does, and somebody can get round it.
    Weak,
}

impl Weight {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Weak => "weak",
        }
    }
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's stable word.
    pub rule: &'static str,
    /// How much it weighs.
    pub weight: Weight,
    /// Where: `sandbox.failIfUnavailable`; empty for the whole file.
    pub at: String,
    /// Why it matters, whole sentences.
    pub why: String,
    /// What to do: a sentence.
    pub remedy: String,
    /// A member to paste into the file in place of the one there is; none where there is nothing to paste.
    pub paste: Option<String>,
}

/// More keys than any version knows; a file with more is none that anybody wrote.
const KEYS_MAX: usize = 1_000;

/// Everything that is to be said of a file, the wrong first; nothing for a file that holds.
pub fn lint(text: &str) -> Vec<Finding> {
    let document = match read(text) {
        Ok(document) => document,
        Err(finding) => return vec![*finding],
    };
    let mut findings = keys::findings(&document);
    findings.extend(permissions::findings(&document));
    findings.extend(sandbox::findings(&document));
    findings.extend(mcp::findings(&document));
    findings.extend(sign_in::findings(&document));
    findings.sort_by_key(|finding| finding.weight);
    findings
}

fn read(text: &str) -> Result<Map<String, Value>, Box<Finding>> {
    let unreadable = |why: String| {
        Box::new(Finding {
            rule: "unreadable",
            weight: Weight::Wrong,
            at: String::new(),
            why: format!("{why} Claude Code passes over the whole file, and nothing in it holds."),
            remedy:
                "Mend it and look again; comments and commas at the end of a list are not JSON."
                    .to_owned(),
            paste: None,
        })
    };
    if text.len() > SETTINGS_FILE_BYTES_MAX {
        return Err(unreadable(format!(
            "The file is longer than {} KiB.",
            SETTINGS_FILE_BYTES_MAX / 1024
        )));
    }
    let text = text.trim_start_matches('\u{feff}');
    match serde_json::from_str(text) {
        Ok(Value::Object(document)) if document.len() > KEYS_MAX => Err(unreadable(format!(
            "The file has more than {KEYS_MAX} keys."
        ))),
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) => Err(unreadable("The file is not a JSON object.".to_owned())),
        Err(error) => Err(unreadable(format!(
            "Line {}, column {}: this is not JSON.",
            error.line(),
            error.column()
        ))),
    }
}

/// A value by the way to it.
fn at<'d>(document: &'d Map<String, Value>, path: &[&str]) -> Option<&'d Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(document.get(*first)?, |value, name| {
        value.as_object()?.get(*name)
    })
}

fn is(document: &Map<String, Value>, path: &[&str], value: bool) -> bool {
    at(document, path).and_then(Value::as_bool) == Some(value)
}

/// Items of a list, nothing where there is none.
fn items<'d>(document: &'d Map<String, Value>, path: &[&str]) -> &'d [Value] {
    at(document, path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The outermost member of a path with some of its members set, as text to paste.
fn paste(document: &Map<String, Value>, changes: &[(&[&str], Value)]) -> Option<String> {
    let (first, _) = changes.first()?.0.split_first()?;
    let mut whole = document.clone();
    for (path, value) in changes {
        set(&mut whole, path, value.clone());
    }
    let member = whole.get(*first)?;
    Some(format!("\"{first}\": {member:#}"))
}

fn set(object: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        object.insert((*first).to_owned(), value);
        return;
    }
    let below = object
        .entry(*first)
        .or_insert_with(|| Value::Object(Map::new()));
    if !below.is_object() {
        *below = Value::Object(Map::new());
    }
    if let Value::Object(below) = below {
        set(below, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules that speak of a file, with where, in their order.
    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = lint(text);
        let found: Vec<(&str, &str)> = found.iter().map(|f| (f.rule, &*f.at)).collect();
        assert_eq!(found, expected, "{text}");
    }

    const SOUND: &str = r#"{
        "forceLoginMethod": "gateway", "forceLoginGatewayUrl": "https://claude.example",
        "permissions": {"deny": ["Read(./.env)"], "disableBypassPermissionsMode": "disable"},
        "allowManagedPermissionRulesOnly": true,
        "sandbox": {"enabled": true, "failIfUnavailable": true, "allowUnsandboxedCommands": false,
            "network": {"allowedDomains": ["github.com"], "allowManagedDomainsOnly": true}},
        "allowedMcpServers": [{"serverUrl": "https://mcp.example/*"}, {"serverCommand": ["/opt/corp/mcp"]}],
        "allowManagedMcpServersOnly": true, "disableSideloadFlags": true,
        "availableModels": ["claude-opus-5-5"], "enforceAvailableModels": true
    }"#;

    #[test]
    fn a_sound_file_has_no_finding() {
        check(SOUND, &[]);
    }

    #[test]
    fn an_empty_object_says_only_that_people_may_switch_everything_off() {
        check(
            "{}",
            &[(
                "bypass-possible",
                "permissions.disableBypassPermissionsMode",
            )],
        );
    }

    #[test]
    fn what_is_no_json_object_is_told_by_its_line() {
        check("[]", &[("unreadable", "")]);
        check("", &[("unreadable", "")]);
        let found = lint("{\n  \"model\": \"opus\",\n}");
        assert!(found[0].why.starts_with("Line 3"), "{}", found[0].why);
        let deep = format!("{{\"hooks\": {}1{}}}", "[".repeat(500), "]".repeat(500));
        check(&deep, &[("unreadable", "")]);
        check(
            &" ".repeat(SETTINGS_FILE_BYTES_MAX + 1),
            &[("unreadable", "")],
        );
    }

    #[test]
    fn deny_rules_alone_and_a_sandbox_that_fails_open_are_flagged() {
        check(
            r#"{"permissions": {"deny": ["Read(./.env)"], "disableBypassPermissionsMode": "disable"}}"#,
            &[
                ("deny-only", "permissions.deny"),
                ("rules-not-locked", "allowManagedPermissionRulesOnly"),
            ],
        );
        check(
            r#"{"sandbox": {"enabled": true}, "permissions": {"disableBypassPermissionsMode": "disable"}}"#,
            &[
                ("sandbox-fails-open", "sandbox.failIfUnavailable"),
                ("sandbox-can-be-left", "sandbox.allowUnsandboxedCommands"),
                (
                    "sandbox-network-open",
                    "sandbox.network.allowManagedDomainsOnly",
                ),
            ],
        );
    }

    #[test]
    fn a_servers_name_is_no_control() {
        check(
            r#"{"allowedMcpServers": [{"serverName": "jira"}, {"serverUrl": "https://x.example", "serverName": "y"}, 3],
                "deniedMcpServers": [{"serverName": "shell"}], "permissions": {"disableBypassPermissionsMode": "disable"}}"#,
            &[
                ("server-name", "allowedMcpServers[0]"),
                ("server-entry", "allowedMcpServers[1]"),
                ("server-entry", "allowedMcpServers[2]"),
                ("server-name", "deniedMcpServers[0]"),
                ("servers-not-locked", "allowManagedMcpServersOnly"),
                ("sideloading-possible", "disableSideloadFlags"),
            ],
        );
    }

    #[test]
    fn unknown_keys_wrong_types_and_secrets_are_flagged() {
        check(
            r#"{"permissions": {"disableBypassPermissionsMode": "disable", "denny": []}, "availableModels": "opus",
                "mcpServers": {}, "env": {"ANTHROPIC_API_KEY": "abc"}, "sandbox": {"network": {"httpProxyPort": 0}}}"#,
            &[
                ("secret", "env.ANTHROPIC_API_KEY"),
                ("type", "availableModels"),
                ("unknown", "mcpServers"),
                ("unknown", "permissions.denny"),
                ("value", "sandbox.network.httpProxyPort"),
                ("sandbox-off", "sandbox.enabled"),
            ],
        );
    }

    #[test]
    fn what_is_pasted_puts_it_right() {
        let weak = r#"{"permissions": {"deny": ["Read(./.env)"]}, "sandbox": {"enabled": true, "excludedCommands": ["git"]},
            "availableModels": ["opus"], "allowedMcpServers": [], "forceLoginMethod": "gateway"}"#;
        let mut document: Map<String, Value> = serde_json::from_str(weak).unwrap();
        for _ in 0..10 {
            let text = Value::Object(document.clone()).to_string();
            let Some(paste) = lint(&text).into_iter().find_map(|finding| finding.paste) else {
                break;
            };
            let member: Map<String, Value> = serde_json::from_str(&format!("{{{paste}}}")).unwrap();
            document.extend(member);
        }
        let left = lint(&Value::Object(document.clone()).to_string());
        // Only what nobody but the company knows is left: where its gateway is.
        let rules: Vec<&str> = left.iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, ["gateway-unnamed"], "{document:?}");
        assert_eq!(document["permissions"]["deny"][0], "Read(./.env)");
        assert_eq!(document["sandbox"]["excludedCommands"][0], "git");
    }

    #[test]
    fn the_secret_is_not_repeated() {
        let found = lint(
            r#"{"env": {"X": "sk-ant-api03-abcdef1234567890"}, "permissions": {"allow": ["x"]}}"#,
        );
        assert!(found.iter().any(|finding| finding.rule == "secret"));
        let told = format!("{found:?}");
        assert!(!told.contains("abcdef"), "{told}");
    }
}
