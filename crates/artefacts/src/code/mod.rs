//! The files of Claude Code, one module for each: [`file`](mod@file), [`dropins`] and [`mcp`] in its folder for managed settings,
//! [`mobileconfig`] and [`jamf`] for macOS, [`registry`] for Windows. Types are native, except that Windows keeps the whole document as
//! JSON in one value.

pub mod dropins;
pub mod file;
pub mod jamf;
pub mod mcp;
pub mod mobileconfig;
pub mod registry;

/// The preference domain on macOS.
pub const DOMAIN: &str = "com.anthropic.claudecode";
/// Where Windows keeps the policy, below a hive.
pub const REGISTRY_KEY: &str = "SOFTWARE\\Policies\\ClaudeCode";
/// The one value under it.
pub const REGISTRY_VALUE: &str = "Settings";
