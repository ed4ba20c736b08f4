//! Runs a file of JWS test vectors of Project Wycheproof (`json_web_signature_test.json`, schema
//! `json_web_signature_schema_v1`) against our verifier: `cargo run -p pipeline --example wycheproof < <file>`.
//!
//! The file is not part of this repository. A vector that must not pass and does ends the run with 1; one that might pass and
//! does not is listed, because we refuse more than the file asks for: symmetric keys, P-521, loose base64.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use std::process::ExitCode;

use domain::Timestamp;
use jsonwebtoken::Algorithm;
use pipeline::identity::jws::Compact;
use pipeline::identity::keys::KeySet;
use serde_json::{Value, json};

fn main() -> ExitCode {
    let document: Value = match serde_json::from_reader(std::io::stdin()) {
        Ok(document) => document,
        Err(error) => {
            eprintln!("standard input is not a file of test vectors: {error}");
            return ExitCode::from(2);
        }
    };
    let (mut refused, mut passed, mut stricter, mut wrong) = (0, 0, 0, 0);
    for group in list(&document, "testGroups") {
        for test in list(group, "tests") {
            let found = verify(group, test);
            match (test["result"].as_str(), &found) {
                (Some("invalid"), Err(_)) => refused += 1,
                (Some("valid"), Ok(())) => passed += 1,
                (Some("valid"), Err(why)) => {
                    stricter += 1;
                    println!(
                        "refused although valid: {} {} {}: {why}",
                        group["comment"], test["tcId"], test["comment"]
                    );
                }
                _ => {
                    wrong += 1;
                    println!(
                        "PASSED although invalid: {} {} {}",
                        group["comment"], test["tcId"], test["comment"]
                    );
                }
            }
        }
    }
    println!(
        "invalid and refused {refused}, valid and passed {passed}, valid and refused {stricter}, invalid and passed {wrong}"
    );
    ExitCode::from(u8::from(wrong > 0 || refused == 0))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn verify(group: &Value, test: &Value) -> Result<(), String> {
    let key = if group["public"].is_null() {
        &group["private"]
    } else {
        &group["public"]
    };
    let set = json!({ "keys": [key] }).to_string();
    let keys = KeySet::parse(set.as_bytes(), Algorithm::RS256, Timestamp::default())
        .map_err(|error| error.to_string())?;
    // JSON serialisations stand in the file as objects.
    let token = test["jws"]
        .as_str()
        .map_or_else(|| test["jws"].to_string(), str::to_owned);
    let jws = Compact::parse(&token).map_err(|refusal| refusal.first().message.clone())?;
    keys.verify(&jws, |_| false)
        .map_err(|problem| format!("{problem:?}"))
}
