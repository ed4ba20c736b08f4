//! Claude Code's configuration profile for macOS: the managed preferences of its domain, with native types.

use super::DOMAIN;
use crate::plist;
use crate::ring::Ring;

/// The profile.
pub fn write(ring: &Ring) -> Vec<u8> {
    plist::profile(ring, DOMAIN, "Claude Code", ring.code().entries()).into_bytes()
}
