//! Claude Desktop's configuration profile for macOS: the managed preferences of its domain, every value a text.

use super::DOMAIN;
use crate::plist;
use crate::ring::Ring;

/// The profile.
pub fn write(ring: &Ring) -> Vec<u8> {
    plist::profile(ring, DOMAIN, "Claude Desktop", &super::dictionary(ring)).into_bytes()
}
