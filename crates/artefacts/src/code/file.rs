//! Claude Code's managed settings as one file: `managed-settings.json`.

use serde_json::Value;

use crate::ring::Ring;

/// The file.
pub fn write(ring: &Ring) -> Vec<u8> {
    crate::json_file(&Value::Object(ring.code().entries().clone()))
}
