//! Claude Code's managed settings as small files of `managed-settings.d`, which are merged in the order of their names: one for each concern,
//! so that somebody else's file beside them is not overwritten. Together they say what the one file says.

use serde_json::{Map, Value};

use crate::ring::Ring;

/// A file's name, and the keys that go into it. The last takes what no other does.
const PARTS: &[(&str, &[&str])] = &[
    (
        "10-doorward-sign-in.json",
        &[
            "allowedProviders",
            "apiKeyHelper",
            "forceLoginGatewayUrl",
            "forceLoginMethod",
            "forceLoginOrgUUID",
            "forceRemoteSettingsRefresh",
            "gatewayInternalNetworks",
        ],
    ),
    (
        "20-doorward-permissions.json",
        &[
            "allowManagedPermissionRulesOnly",
            "disableAutoMode",
            "permissions",
            "sandbox",
        ],
    ),
    (
        "30-doorward-mcp.json",
        &[
            "allowAllClaudeAiMcps",
            "allowManagedMcpServersOnly",
            "allowedMcpServers",
            "deniedMcpServers",
            "disableClaudeAiConnectors",
            "managedMcpServers",
        ],
    ),
    ("40-doorward-telemetry.json", &["env", "otelHeadersHelper"]),
    ("90-doorward-other.json", &[]),
];

/// The files that have something in them.
pub fn write(ring: &Ring) -> Vec<(&'static str, Vec<u8>)> {
    let entries = ring.code().entries();
    let is_named = |name: &str| PARTS.iter().any(|(_, keys)| keys.contains(&name));
    let mut files = Vec::new();
    for (file, keys) in PARTS {
        let mine = |name: &str| keys.contains(&name) || (keys.is_empty() && !is_named(name));
        let part: Map<String, Value> = entries
            .iter()
            .filter(|(name, _)| mine(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !part.is_empty() {
            files.push((*file, crate::json_file(&Value::Object(part))));
        }
    }
    files
}
