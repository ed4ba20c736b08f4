//! Data loss prevention: finds secrets and personal data in text, and tells what was found without keeping any of it.
//!
//! Detectors are data ([`Engine::from_pack`]); the engine only knows how to look: one pass for literals, one for runs of digits,
//! and a pattern with a validator at each hit. No network, no clock, no file. Findings hold counts and keyed fingerprints, never
//! text. Called by the inspect stage of every door.

mod digits;
mod engine;
mod findings;
mod normal;
mod pack;
mod scanner;
mod validate;

pub use engine::{DetectorInfo, Engine, Selection};
pub use findings::{Finding, Findings, Fingerprint};
pub use pack::PackError;
pub use scanner::Scanner;
