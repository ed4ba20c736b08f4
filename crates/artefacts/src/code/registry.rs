//! Claude Code's policy for Windows as a registry file: the whole document in one value.

use serde_json::Value;

use super::{REGISTRY_KEY, REGISTRY_VALUE};
use crate::registry;
use crate::ring::Ring;

/// The file.
pub fn write(ring: &Ring) -> Vec<u8> {
    let described = ring.described();
    let remark = format!(
        "Claude Code through {}, for {}, from policy version {}.",
        described.gateway_url,
        ring.name(),
        described.policy_version
    );
    let document = Value::Object(ring.code().entries().clone()).to_string();
    let key = format!("HKEY_LOCAL_MACHINE\\{REGISTRY_KEY}");
    registry::file(
        &key,
        &[remark],
        &[(REGISTRY_VALUE.to_owned(), document)],
        false,
    )
}
