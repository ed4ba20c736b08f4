//! `docs/openapi.json` is what the handlers say, and what every operation must say.

use serde_json::Value;

use crate::breaking;

const CHECKED_IN: &str = include_str!("../../../../docs/openapi.json");

#[test]
fn the_checked_in_description_is_what_is_served() {
    let (checked_in, served) = (CHECKED_IN, console::api::text());
    if checked_in == served {
        return;
    }
    let old: Value = serde_json::from_str(checked_in).unwrap();
    let new: Value = serde_json::from_str(&served).unwrap();
    let breaking = breaking::between(&old, &new);
    let verdict = if breaking.is_empty() {
        "nobody's program breaks by it".to_owned()
    } else {
        format!(
            "it BREAKS programs that use the API:\n  {}",
            breaking.join("\n  ")
        )
    };
    panic!(
        "docs/openapi.json is not what is served; {verdict}\nto take the change over: cargo run -- openapi > docs/openapi.json"
    );
}

#[test]
fn every_operation_says_what_it_does_and_how_it_fails() {
    let document: Value = serde_json::from_str(&console::api::text()).unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with("/api/v1/"), "{path}");
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} stands twice");
            assert!(
                operation["summary"].is_string(),
                "{method} {path} has no summary"
            );
            assert!(operation["responses"]["default"].is_object(), "{id}");
            let parameters = operation["parameters"].to_string();
            assert_eq!(
                parameters.contains("Idempotency-Key"),
                method == "post",
                "{id}"
            );
        }
    }
    assert!(ids.len() > 35, "{}", ids.len());
}
