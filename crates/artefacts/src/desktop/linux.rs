//! Claude Desktop's managed settings for Linux: flat JSON with native types, at `/etc/claude-desktop/managed-settings.json`.

use serde_json::Value;

use crate::ring::Ring;

/// The file.
pub fn write(ring: &Ring) -> Vec<u8> {
    crate::json_file(&Value::Object(ring.desktop().entries().clone()))
}
