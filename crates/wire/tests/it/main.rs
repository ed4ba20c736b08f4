//! Properties that hold for whatever bytes come in: agreement with `serde_json`, and independence of how a stream is cut.

#![expect(clippy::unwrap_used, reason = "tests")]

mod json;
mod stream;
