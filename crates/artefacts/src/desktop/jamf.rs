//! Claude Desktop's preferences for Jamf Pro's "Application & Custom Settings": the bare property list of its domain.

use crate::plist;
use crate::ring::Ring;

/// The property list.
pub fn write(ring: &Ring) -> Vec<u8> {
    plist::list(&super::dictionary(ring)).into_bytes()
}
