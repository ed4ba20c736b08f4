//! `managed-mcp.json`: the company's MCP servers as a file beside the managed settings. It is exclusive: with it on a device, people can
//! add none of their own. Written from `managedMcpServers` of the policy, and only when the policy names some: an empty file would switch
//! MCP off.

use serde_json::{Value, json};

use crate::ring::Ring;

/// The file; none when the ring's policy names no server.
pub fn write(ring: &Ring) -> Option<Vec<u8>> {
    let servers = ring.code().entries().get("managedMcpServers")?;
    let is_empty = servers.as_object().is_none_or(serde_json::Map::is_empty);
    (!is_empty).then(|| crate::json_file(&json!({"mcpServers": servers})))
}

/// How many servers a written file names, for tests and pages.
pub fn count(ring: &Ring) -> usize {
    let servers = ring.code().entries().get("managedMcpServers");
    servers
        .and_then(Value::as_object)
        .map_or(0, serde_json::Map::len)
}
