//! Rules for every text file: its name, its blanks, leftovers, and words that belong to a workplace instead of the
//! project. Called by `tidy`.

use std::path::Component;

use super::{Finding, Source};

/// Rooms without a name on the door.
const NAMELESS: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "misc",
];

const CODE: &[&str] = &["rs", "py", "mjs", "js", "ts", "html", "css", "sql"];

/// Addresses of somebody's machine; written in halves so that this file may name them.
const WORKPLACE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("../sha", "red/"),
    concat!("brief", ".md"),
];

const LEFTOVERS: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
];

const LINES_MAX: usize = 700;

/// Findings of one file.
pub(super) fn examine(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |line, what: String| findings.push(Finding::new(&source.path, line, what));
    let code = CODE.contains(&source.extension());
    if let Some(name) = nameless(source) {
        found(
            1,
            format!("`{name}` says nothing: name the file after what it holds"),
        );
    }
    let count = source.text.lines().count();
    if code && count > LINES_MAX {
        found(
            count,
            format!("{count} lines: more than {LINES_MAX}, split it"),
        );
    }
    if source.extension() == "py" && !source.text.is_empty() && !source.text.starts_with("\"\"\"") {
        found(1, "the file does not open with a docstring".into());
    }
    // snapshots and seeds hold what was printed or sent, blanks included
    let blanks_matter = source.extension() != "snap" && !source.path.starts_with("fuzz/seeds");
    for (number, line) in source.lines() {
        if blanks_matter && line.ends_with([' ', '\t', '\r']) {
            found(number, "trailing blanks".into());
        }
        if let Some(word) = WORKPLACE.iter().find(|word| line.contains(*word)) {
            found(
                number,
                format!("`{word}` belongs to a workplace, not to the project"),
            );
        }
        if let Some(word) = LEFTOVERS.iter().find(|word| code && line.contains(*word)) {
            found(
                number,
                format!("`{word}`: finish it, or file an issue and leave it out"),
            );
        }
    }
    findings
}

/// The first part of the path that says nothing about what is inside.
fn nameless(source: &Source) -> Option<&str> {
    source.path.components().find_map(|part| {
        let Component::Normal(name) = part else {
            return None;
        };
        let name = name.to_str()?;
        let stem = name.split('.').next().unwrap_or(name);
        NAMELESS.contains(&stem).then_some(stem)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;

    fn check(path: &str, text: &str, expected: &[&str]) {
        assert_eq!(findings(path, text), expected, "{path}");
    }

    #[test]
    fn blanks_at_the_end_of_a_line_are_found_except_in_snapshots() {
        check(
            "README.md",
            "a\nb \nc\t\n",
            &["2: trailing blanks", "3: trailing blanks"],
        );
        check("a.css", "b\r\nc\n", &["1: trailing blanks"]);
        check("x.snap", "a \n", &[]);
        check("fuzz/seeds/a.sse", "data: \n", &[]);
    }

    #[test]
    fn rooms_without_a_name_are_found() {
        let said = "1: `helpers` says nothing: name the file after what it holds";
        check("e2e/helpers.mjs", "", &[said]);
        check("e2e/helpers/x.mjs", "", &[said]);
        check("e2e/helpfulness.mjs", "", &[]);
    }

    #[test]
    fn leftovers_are_found_in_code_and_allowed_in_prose() {
        let text = concat!("    to", "do!()\n");
        let said = format!(
            "1: `{}`: finish it, or file an issue and leave it out",
            concat!("to", "do!(")
        );
        check("a.mjs", text, &[&said]);
        check("a.md", text, &[]);
    }

    #[test]
    fn addresses_of_a_workplace_are_found() {
        let word = concat!("/wo", "rk/");
        let said = format!("1: `{word}` belongs to a workplace, not to the project");
        check("notes.md", &format!("see {word}x\n"), &[&said]);
        check("notes.md", "see .work/x\n", &[]);
    }

    #[test]
    fn a_file_of_code_has_at_most_700_lines() {
        check("a.mjs", &"x\n".repeat(700), &[]);
        check(
            "a.mjs",
            &"x\n".repeat(701),
            &["701: 701 lines: more than 700, split it"],
        );
        check("a.md", &"x\n".repeat(701), &[]);
    }

    #[test]
    fn python_files_say_what_they_are() {
        check("a.py", "\"\"\"What it is.\"\"\"\n", &[]);
        check("__init__.py", "", &[]);
        check(
            "a.py",
            "import os\n",
            &["1: the file does not open with a docstring"],
        );
    }
}
