//! The shipped pack against true positives, look-alikes and disguises, and the promise that chunks change nothing. All keys are
//! invented here and put together from parts, so that scanners of repositories stay calm.
#![expect(clippy::unwrap_used, reason = "tests")]

mod attacks;
mod chunks;
mod golden;
mod made;

use std::sync::LazyLock;

use detect::{Engine, Findings};

fn engine() -> Engine {
    static SHARED: LazyLock<Engine> = LazyLock::new(|| Engine::new(b"a key for tests only"));
    SHARED.clone()
}

/// Looks for everything in one text.
fn scan(text: &str) -> Findings {
    let engine = engine();
    let mut scanner = engine.scanner(&engine.select([("*", 0)]));
    scanner.text(text);
    scanner.finish()
}

/// The detectors that found something, in the order of ids.
fn found(text: &str) -> Vec<String> {
    let mut ids: Vec<_> = scan(text).iter().map(|f| f.detector.to_string()).collect();
    ids.sort();
    ids
}
