//! Where packages come from: lock files and requirement lists name the public registries or none, so that a clone builds
//! anywhere and no one slips in another source. Called by `tidy`.

use super::{Finding, Source};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Findings of one file, none when it is no such list.
pub(super) fn examine(source: &Source) -> Vec<Finding> {
    let stray: fn(&str) -> bool = match source.name() {
        "Cargo.lock" => stray_crate,
        "package-lock.json" | "npm-shrinkwrap.json" => stray_node_package,
        ".npmrc" => |line| line.contains("registry=") || line.contains("registry ="),
        name if name.starts_with("requirements") && source.extension() == "txt" => {
            |line| line.contains("://") || line.contains("index-url")
        }
        _ => return Vec::new(),
    };
    source
        .lines()
        .filter(|(_, line)| stray(line))
        .map(|(number, line)| {
            let what = format!(
                "a package from another place than its public registry: {}",
                line.trim()
            );
            Finding::new(&source.path, number, what)
        })
        .collect()
}

fn stray_crate(line: &str) -> bool {
    line.strip_prefix("source = ")
        .is_some_and(|source| source.trim_matches('"') != CRATES_IO)
}

fn stray_node_package(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("\"resolved\"") || line.contains("git+") || line.contains("\"file:")
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;

    fn check(path: &str, text: &str, expected: usize) {
        assert_eq!(findings(path, text).len(), expected, "{path}: {text}");
    }

    #[test]
    fn crates_come_from_crates_io_alone() {
        let ours = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        check("Cargo.lock", ours, 0);
        check(
            "Cargo.lock",
            "source = \"registry+https://mirror.example/index\"\n",
            1,
        );
        check(
            "Cargo.lock",
            "source = \"git+https://github.com/a/b#0123\"\n",
            1,
        );
    }

    #[test]
    fn a_node_lock_names_no_address() {
        check(
            "e2e/package-lock.json",
            "  \"integrity\": \"sha512-x\"\n",
            0,
        );
        check(
            "e2e/package-lock.json",
            "  \"resolved\": \"https://registry.example/x.tgz\"\n",
            1,
        );
        check("e2e/.npmrc", "omit-lockfile-registry-resolved=true\n", 0);
        check("e2e/.npmrc", "registry=https://registry.example/\n", 1);
    }

    #[test]
    fn a_list_of_python_packages_names_no_address() {
        check("e2e/requirements.txt", "pytest==9.2.0\n", 0);
        check(
            "e2e/requirements.txt",
            "--index-url https://mirror.example\n",
            1,
        );
        check(
            "e2e/requirements.txt",
            "x @ https://mirror.example/x.whl\n",
            1,
        );
    }
}
