//! Rules for Rust files that rustfmt has laid out: how they open, how long their functions are, who may read the
//! environment, no ignored tests. It counts lines and indentation; it does not parse Rust. Called by `tidy`.

use std::path::Path;

use super::{Finding, Source};

const FUNCTION_LINES_MAX: usize = 70;

/// Crates at the edge: they may read the environment.
const EDGE: &[&str] = &[
    "crates/server",
    "crates/testkit",
    "crates/xtask",
    "bench",
    "e2e",
    "fuzz",
];

/// Findings of one Rust file.
pub(super) fn examine(source: &Source) -> Vec<Finding> {
    let mut findings = long_functions(source);
    let mut found = |line, what: &str| findings.push(Finding::new(&source.path, line, what));
    if !source.text.starts_with("//!") {
        found(
            1,
            "the file does not open with `//!`: what it is, what it must never do, who calls it",
        );
    }
    let sealed = !EDGE.iter().any(|edge| source.path.starts_with(edge)) && !is_beside(&source.path);
    let mut testing = false;
    for (number, line) in source.lines() {
        testing |= line.trim() == "#[cfg(test)]";
        let code = line.split("//").next().unwrap_or_default();
        if sealed && !testing && reads_environment(code) {
            found(
                number,
                "the environment is read in `server` alone: pass the value in",
            );
        }
        if code.trim_start().starts_with(concat!("#[ign", "ore")) {
            found(number, "an ignored test: run it or remove it");
        }
    }
    findings
}

/// Programs beside the shipped code: tests, examples, benches.
fn is_beside(path: &Path) -> bool {
    path.components().any(|part| {
        ["tests", "examples", "benches"]
            .iter()
            .any(|beside| part.as_os_str() == *beside)
    })
}

fn reads_environment(code: &str) -> bool {
    code.contains("std::env") || code.contains("env::var")
}

/// Functions with too many lines, counted as clippy does: between the braces, without blank ones and comments. One that says to
/// clippy why it is long has said it.
fn long_functions(source: &Source) -> Vec<Finding> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut findings = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let Some(counted) = body_lines(&lines[start..]) else {
            continue;
        };
        let is_reasoned = lines[..start]
            .last()
            .is_some_and(|above| above.contains(concat!("clippy::too_many", "_lines, reason = ")));
        if counted > FUNCTION_LINES_MAX && !is_reasoned {
            let what =
                format!("`{name}` has {counted} lines: more than {FUNCTION_LINES_MAX}, split it");
            findings.push(Finding::new(&source.path, start + 1, what));
        }
    }
    findings
}

/// Lines of code between the braces of the function that begins here.
fn body_lines(lines: &[&str]) -> Option<usize> {
    let indent = lines[0].len() - lines[0].trim_start().len();
    let closing = format!("{}}}", &lines[0][..indent]);
    let opening = lines
        .iter()
        .position(|line| line.ends_with(['{', ';']))
        .filter(|at| lines[*at].ends_with('{'))?;
    let body = &lines[opening + 1..];
    let end = body.iter().position(|line| *line == closing)?;
    Some(body[..end].iter().filter(|line| is_code(line)).count())
}

fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

/// The name of the function that begins at this line and has a body further down.
fn function_name(line: &str) -> Option<&str> {
    let ends_here = line.ends_with(';') || line.ends_with('}');
    let mut rest = line.trim_start();
    if rest.starts_with("//") || ends_here {
        return None;
    }
    loop {
        if let Some(name) = rest.strip_prefix("fn ") {
            return name.split(['(', '<']).next();
        }
        let (word, after) = rest.split_once(' ')?;
        let qualifier = matches!(
            word,
            "pub" | "const" | "async" | "unsafe" | "extern" | "\"C\""
        ) || word.starts_with("pub(")
            || word.ends_with(')');
        if !qualifier {
            return None;
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        assert_eq!(
            findings(path, &format!("//! x\n{text}")),
            expected,
            "{path}: {text}"
        );
    }

    fn function(head: &str, lines: usize) -> String {
        format!("    {head} {{\n{}    }}\n", "        x();\n".repeat(lines))
    }

    #[test]
    fn a_function_has_at_most_70_lines_of_code() {
        let head = "pub(crate) async fn f<T>(t: T)";
        check("a.rs", &function(head, 70), &[]);
        check(
            "a.rs",
            &function(head, 71),
            &["2: `f` has 71 lines: more than 70, split it"],
        );
    }

    #[test]
    fn a_long_function_says_why_in_the_line_above_it() {
        let reasoned = r#"    #[expect(clippy::too_many_lines, reason = "one table")]"#;
        let bare = "    #[expect(clippy::too_many_lines)]";
        let long = function("fn f()", 71);
        check("a.rs", &format!("{reasoned}\n{long}"), &[]);
        check(
            "a.rs",
            &format!("{bare}\n{long}"),
            &["3: `f` has 71 lines: more than 70, split it"],
        );
    }

    #[test]
    fn comments_and_blank_lines_are_free() {
        let body = "    // why\n\n".repeat(60) + &"    x();\n".repeat(60);
        check("a.rs", &format!("fn f() {{\n{body}}}\n"), &[]);
    }

    #[test]
    fn names_of_functions_are_read_behind_their_qualifiers() {
        let check = |line, expected| assert_eq!(function_name(line), expected, "{line}");
        check("fn plain() {", Some("plain"));
        check("    pub(in crate::x) const fn deep<'a>(", Some("deep"));
        check("pub extern \"C\" fn foreign() {", Some("foreign"));
        check("    fn declared(&self);", None);
        check("    fn short() {}", None);
        check("// fn commented() {", None);
        check("let fn_like = 1;", None);
    }

    #[test]
    fn the_environment_is_read_at_the_edge_alone() {
        let said = "2: the environment is read in `server` alone: pass the value in";
        check("crates/store/src/a.rs", "use std::env;\n", &[said]);
        check(
            "crates/store/src/a.rs",
            "let x = std::env::var(\"X\");\n",
            &[said],
        );
        check("crates/store/src/a.rs", "// std::env is for others\n", &[]);
        check(
            "crates/store/src/a.rs",
            "#[cfg(test)]\nmod tests {\n    use std::env;\n}\n",
            &[],
        );
        check("crates/store/tests/it/main.rs", "use std::env;\n", &[]);
        check("crates/store/examples/speed.rs", "use std::env;\n", &[]);
        check("crates/server/src/config.rs", "use std::env;\n", &[]);
    }

    #[test]
    fn an_ignored_test_is_found() {
        let text = concat!("#[test]\n#[ign", "ore = \"slow\"]\n");
        check("a.rs", text, &["3: an ignored test: run it or remove it"]);
    }
}
