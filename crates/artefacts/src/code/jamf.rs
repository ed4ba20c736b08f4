//! Claude Code's preferences for Jamf Pro's "Application & Custom Settings": the bare property list of its domain, with native types.

use crate::plist;
use crate::ring::Ring;

/// The property list.
pub fn write(ring: &Ring) -> Vec<u8> {
    plist::list(ring.code().entries()).into_bytes()
}
