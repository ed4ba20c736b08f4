//! Lists of MCP servers that hold less than they seem to. For [`super::lint`].

use serde_json::{Map, Value, json};

use super::{Finding, Weight, is, items, paste};

const LISTS: [&str; 2] = ["allowedMcpServers", "deniedMcpServers"];
const WAYS: [&str; 3] = ["serverUrl", "serverCommand", "serverName"];

pub(super) fn findings(document: &Map<String, Value>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for list in LISTS {
        for (place, entry) in items(document, &[list]).iter().enumerate() {
            findings.extend(of_entry(list, place, entry));
        }
    }
    findings.extend(provided(document));
    findings.extend(not_locked(document));
    findings.extend(sideloading(document));
    findings
}

fn of_entry(list: &str, place: usize, entry: &Value) -> Option<Finding> {
    let at = format!("{list}[{place}]");
    let ways: Vec<&str> = WAYS
        .iter()
        .copied()
        .filter(|way| entry.get(way).is_some())
        .collect();
    match *ways {
        ["serverName"] => Some(Finding {
            rule: "server-name",
            weight: Weight::Wrong,
            at,
            why: "A server's name is a label that each person chooses in their own settings: whoever wants another server gives it an allowed \
                  name, or a denied one a new name."
                .to_owned(),
            remedy: "Name what it is instead: { \"serverUrl\": \"https://mcp.example.com/*\" } or { \"serverCommand\": [\"/usr/bin/program\", \
                     \"argument\"] }."
                .to_owned(),
            paste: None,
        }),
        [_] if entry.is_object() => None,
        _ => Some(Finding {
            rule: "server-entry",
            weight: Weight::Wrong,
            at,
            why: "An entry must have exactly one of serverUrl, serverCommand and serverName; with another, Claude Code reads the whole list \
                  at its strictest or passes over it."
                .to_owned(),
            remedy: "Part it into entries of one key each, for instance { \"serverUrl\": \"https://mcp.example.com/*\" }.".to_owned(),
            paste: None,
        }),
    }
}

/// Servers that the company provides are taken over https alone.
fn provided(document: &Map<String, Value>) -> Vec<Finding> {
    let servers = document.get("managedMcpServers").and_then(Value::as_object);
    let unfit = servers.into_iter().flatten().filter(|(_, server)| {
        let url = server.get("url").and_then(Value::as_str);
        !url.is_some_and(|url| url.starts_with("https://"))
    });
    unfit
        .map(|(name, _)| Finding {
            rule: "server-not-https",
            weight: Weight::Wrong,
            at: format!("managedMcpServers.{name}"),
            why: "Claude Code connects to provided servers over https alone and passes over this one with a warning.".to_owned(),
            remedy: "Give its https address as url; a program on the device goes into managed-mcp.json.".to_owned(),
            paste: None,
        })
        .collect()
}

fn not_locked(document: &Map<String, Value>) -> Option<Finding> {
    let path = ["allowManagedMcpServersOnly"];
    let has_list = document.contains_key("allowedMcpServers");
    (has_list && !is(document, &path, true)).then(|| Finding {
        rule: "servers-not-locked",
        weight: Weight::Weak,
        at: path.join("."),
        why: "Lists of allowed servers in people's own settings count beside this one.".to_owned(),
        remedy: "Let only the managed list count.".to_owned(),
        paste: paste(document, &[(&path, json!(true))]),
    })
}

/// What a list forbids comes in by a flag.
fn sideloading(document: &Map<String, Value>) -> Option<Finding> {
    let path = ["disableSideloadFlags"];
    let lists = [
        "allowedMcpServers",
        "strictKnownMarketplaces",
        "allowedMarketplaces",
    ];
    let has_list = lists.iter().any(|list| document.contains_key(*list));
    (has_list && !is(document, &path, true)).then(|| Finding {
        rule: "sideloading-possible",
        weight: Weight::Weak,
        at: path.join("."),
        why: "Plugins, agents and MCP servers can still be brought in by a flag at the start (--mcp-config, --plugin-dir, --agents).".to_owned(),
        remedy: "Refuse those flags.".to_owned(),
        paste: paste(document, &[(&path, json!(true))]),
    })
}
