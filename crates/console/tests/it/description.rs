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

/// The description has one place for a name: of two types that share one, a client would be told the shape of the other.
#[test]
fn no_two_types_of_the_api_share_a_name() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api");
    let mut known = std::collections::BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for part in text.split("ToSchema)]").skip(1) {
            let mut words = part.split(|letter: char| !letter.is_alphanumeric());
            words.find(|word| matches!(*word, "struct" | "enum"));
            let name = words.next().unwrap_or_default().to_owned();
            assert!(known.insert(name.clone()), "{name} stands twice");
        }
    }
    assert!(known.len() > 60, "{known:?}");
}
