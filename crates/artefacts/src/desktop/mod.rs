//! The files of Claude Desktop, one module for each. macOS and Windows keep every value as a text, a list or an object as JSON inside it;
//! what has a type of its own there is passed over by the app. Linux has native types.
//!
//! [`mobileconfig`] and [`jamf`] for macOS, [`registry`], [`admx`] and [`intune`] for Windows, [`linux`].

pub mod admx;
pub mod intune;
pub mod jamf;
pub mod linux;
pub mod mobileconfig;
pub mod registry;

use serde_json::{Map, Value};

use crate::ring::Ring;

/// The preference domain on macOS.
pub const DOMAIN: &str = "com.anthropic.claudefordesktop";
/// Where Windows keeps the policy, below a hive.
pub const REGISTRY_KEY: &str = "SOFTWARE\\Policies\\Claude";

/// A value as macOS and Windows keep it.
pub fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The ring's settings, every value a text.
fn texts(ring: &Ring) -> Vec<(String, String)> {
    let entries = ring.desktop().entries().iter();
    entries
        .map(|(name, value)| (name.clone(), as_text(value)))
        .collect()
}

/// The same as a dictionary.
fn dictionary(ring: &Ring) -> Map<String, Value> {
    let texts = texts(ring).into_iter();
    texts
        .map(|(name, text)| (name, Value::String(text)))
        .collect()
}
