//! One direction of dependencies: which of our crates may name which. The table is the rule; a crate without a row is a
//! finding, so that a new one must take its place. Called by `tidy`.

use toml::{Table, Value};

use super::{Finding, Source};

/// A crate and the crates of ours it may depend on, bottom first.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("wire", &["domain"]),
    ("store", &["domain"]),
    ("ledger", &["domain"]),
    ("detect", &["domain", "wire"]),
    // what an action of a connector is, pure; two doors to it: the connectors' and the administrator's
    ("actions", &["domain"]),
    (
        "pipeline",
        &["domain", "wire", "store", "ledger", "detect", "actions"],
    ),
    // what every page stands on; knows nobody
    ("web", &["domain"]),
    (
        "gateway",
        &[
            "domain", "wire", "store", "ledger", "detect", "pipeline", "web",
        ],
    ),
    (
        "connectors",
        &[
            "domain", "wire", "store", "ledger", "detect", "pipeline", "web", "actions",
        ],
    ),
    // files for devices, pure
    ("artefacts", &["domain"]),
    (
        "control",
        &["domain", "store", "ledger", "artefacts", "actions"],
    ),
    // what people and programs see; the store is behind control
    (
        "console",
        &["domain", "web", "control", "artefacts", "actions"],
    ),
    // fakes see what the outside sees, never our insides
    ("testkit", &["domain", "wire"]),
    (
        "server",
        &[
            "domain",
            "wire",
            "store",
            "ledger",
            "detect",
            "pipeline",
            "web",
            "gateway",
            "connectors",
            "control",
            "console",
            "testkit",
            "artefacts",
            "actions",
        ],
    ),
    ("bench", &["domain", "testkit"]),
    ("xtask", &[]),
];

/// What every crate's tests may use besides.
const TESTS_ONLY: &str = "testkit";

/// Names of the tables that name dependencies, and whether they are for tests alone.
const TABLES: &[(&str, bool)] = &[
    ("dependencies", false),
    ("build-dependencies", false),
    ("dev-dependencies", true),
];

/// Findings of all manifests.
pub(super) fn examine(sources: &[Source]) -> Vec<Finding> {
    sources
        .iter()
        .filter(|source| source.name() == "Cargo.toml")
        .flat_map(examine_manifest)
        .collect()
}

fn examine_manifest(source: &Source) -> Vec<Finding> {
    let manifest: Table = match source.text.parse() {
        Ok(manifest) => manifest,
        Err(cause) => return vec![Finding::new(&source.path, 1, format!("not TOML: {cause}"))],
    };
    let Some(name) = manifest
        .get("package")
        .and_then(|package| package.get("name")?.as_str())
    else {
        return Vec::new();
    };
    // the fuzz workspace stands beside ours and may reach every parser
    if source.path.starts_with("fuzz") {
        return Vec::new();
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
        let what =
            format!("`{name}` has no layer: give it a row in crates/xtask/src/tidy/layers.rs");
        return vec![Finding::new(&source.path, line_of(source, "name"), what)];
    };
    let mut findings = Vec::new();
    for (dependency, tests_only) in dependencies(&manifest) {
        let ours = LAYERS.iter().any(|(layer, _)| *layer == dependency);
        let fine = allowed.contains(&dependency) || (tests_only && dependency == TESTS_ONLY);
        if ours && !fine && dependency != name {
            let what =
                format!("`{name}` must not depend on `{dependency}`: dependencies point down");
            findings.push(Finding::new(
                &source.path,
                line_of(source, dependency),
                what,
            ));
        }
    }
    findings
}

/// The packages a manifest names, under their real names, also those for one target only.
fn dependencies(manifest: &Table) -> Vec<(&str, bool)> {
    let mut holders = vec![manifest];
    if let Some(Value::Table(targets)) = manifest.get("target") {
        holders.extend(targets.values().filter_map(Value::as_table));
    }
    let mut named = Vec::new();
    for holder in holders {
        for (table, tests_only) in TABLES {
            let entries = holder.get(*table).and_then(Value::as_table);
            for (key, entry) in entries.into_iter().flatten() {
                let package = entry.get("package").and_then(Value::as_str);
                named.push((package.unwrap_or(key), *tests_only));
            }
        }
    }
    named
}

/// The line that sets `key`, or the first.
fn line_of(source: &Source, key: &str) -> usize {
    source
        .lines()
        .find(|(_, line)| {
            line.strip_prefix(key)
                .is_some_and(|rest| rest.starts_with([' ', '.', '=']))
        })
        .map_or(1, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;

    fn check(manifest: &str, expected: &[&str]) {
        assert_eq!(
            findings("crates/x/Cargo.toml", manifest),
            expected,
            "{manifest}"
        );
    }

    #[test]
    fn a_dependency_downwards_is_fine() {
        check(
            "[package]\nname = \"pipeline\"\n[dependencies]\nstore.workspace = true\nserde = \"1\"\n",
            &[],
        );
    }

    #[test]
    fn a_dependency_upwards_is_a_finding_at_its_line() {
        check(
            "[package]\nname = \"domain\"\n[dependencies]\nstore.workspace = true\n",
            &["4: `domain` must not depend on `store`: dependencies point down"],
        );
    }

    #[test]
    fn doors_never_see_the_control_plane() {
        check(
            "[package]\nname = \"gateway\"\n[dependencies]\ncontrol = { workspace = true }\n",
            &["4: `gateway` must not depend on `control`: dependencies point down"],
        );
    }

    #[test]
    fn a_renamed_or_target_only_dependency_does_not_hide() {
        check(
            "[package]\nname = \"store\"\n[dependencies]\nx = { package = \"ledger\", path = \"../ledger\" }\n[target.'cfg(unix)'.dependencies]\nwire.workspace = true\n",
            &[
                "1: `store` must not depend on `ledger`: dependencies point down",
                "6: `store` must not depend on `wire`: dependencies point down",
            ],
        );
    }

    #[test]
    fn only_tests_may_use_the_testkit() {
        check(
            "[package]\nname = \"store\"\n[dev-dependencies]\ntestkit.workspace = true\n",
            &[],
        );
        check(
            "[package]\nname = \"store\"\n[dependencies]\ntestkit.workspace = true\n",
            &["4: `store` must not depend on `testkit`: dependencies point down"],
        );
    }

    #[test]
    fn a_crate_without_a_layer_is_a_finding() {
        check(
            "[package]\nname = \"extras\"\n",
            &["2: `extras` has no layer: give it a row in crates/xtask/src/tidy/layers.rs"],
        );
    }

    #[test]
    fn a_manifest_of_a_workspace_has_no_layer_to_check() {
        check("[workspace]\nmembers = []\n", &[]);
    }
}
