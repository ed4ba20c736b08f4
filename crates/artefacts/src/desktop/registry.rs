//! Claude Desktop's policy for Windows as a registry file. It replaces everything under the policy's key, so that a setting which left the
//! policy leaves the device.

use super::REGISTRY_KEY;
use crate::registry;
use crate::ring::Ring;

/// The file.
pub fn write(ring: &Ring) -> Vec<u8> {
    let described = ring.described();
    let remarks = [
        format!(
            "Claude Desktop through {}, for {}, from policy version {}.",
            described.gateway_url,
            ring.name(),
            described.policy_version
        ),
        "Everything that stands under this key already is replaced.".to_owned(),
    ];
    let key = format!("HKEY_LOCAL_MACHINE\\{REGISTRY_KEY}");
    registry::file(&key, &remarks, &super::texts(ring), true)
}
