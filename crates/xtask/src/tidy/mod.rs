//! `cargo xtask tidy`: the rules of the house that no compiler holds. It prints every finding at once as
//! `file:line: what is wrong`, changes nothing, and knows nothing of what the code means. Called by `main` and by the
//! first step of `cargo xtask test`.

mod layers;
mod locks;
mod rust;
mod text;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: PathBuf,
    /// Counted from 1.
    line: usize,
    what: String,
}

impl Finding {
    fn new(file: &Path, line: usize, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

/// A text file of the repository.
#[derive(Debug)]
struct Source {
    /// Relative to the root.
    path: PathBuf,
    text: String,
}

impl Source {
    fn extension(&self) -> &str {
        self.path
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
    }

    /// Lines with their numbers, counted from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.split_terminator('\n'))
    }
}

/// True when the tree keeps every rule.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let mut sources = Vec::new();
    for path in workspace.files()? {
        let bytes = fs::read(workspace.root().join(&path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        // what is not UTF-8 is not text: an image, a captured stream
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path, text });
        }
    }
    let findings = examine(&sources);
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} findings", sources.len(), findings.len());
    Ok(findings.is_empty())
}

/// Every finding in `sources`, by file and line.
fn examine(sources: &[Source]) -> Vec<Finding> {
    let mut findings = layers::examine(sources);
    for source in sources {
        findings.extend(text::examine(source));
        findings.extend(locks::examine(source));
        if source.extension() == "rs" {
            findings.extend(rust::examine(source));
        }
    }
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `examine` says about one file, without its path.
    pub(super) fn findings(path: &str, text: &str) -> Vec<String> {
        let source = Source {
            path: path.into(),
            text: text.into(),
        };
        examine(&[source])
            .into_iter()
            .map(|finding| format!("{}: {}", finding.line, finding.what))
            .collect()
    }

    #[test]
    fn a_clean_file_has_no_findings() {
        assert!(findings("crates/domain/src/x.rs", "//! What it is.\n\nfn f() {}\n").is_empty());
    }

    #[test]
    fn findings_of_several_files_come_in_the_order_of_files_and_lines() {
        let source = |path: &str, text: &str| Source {
            path: path.into(),
            text: text.into(),
        };
        let said: Vec<String> =
            examine(&[source("b.md", "x \ny \n"), source("a.rs", "fn f() {}\n")])
                .iter()
                .map(ToString::to_string)
                .collect();
        assert_eq!(
            said,
            [
                "a.rs:1: the file does not open with `//!`: what it is, what it must never do, who calls it",
                "b.md:1: trailing blanks",
                "b.md:2: trailing blanks",
            ]
        );
    }
}
