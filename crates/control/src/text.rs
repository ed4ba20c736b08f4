//! What administrators write: names and reasons. One line, bounded, nothing that a terminal or a page would take for a command.

use domain::limits;

/// Characters of a word of somebody else's that are repeated at most.
const SHOWN_CHARS_MAX: usize = 40;

/// Why a text cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {why}")]
pub struct Unusable {
    /// The member of the request, or the word of the command line.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl Unusable {
    /// A text of this field that cannot be taken, because it …
    pub fn new(field: &'static str, why: impl Into<String>) -> Self {
        Self {
            field,
            why: why.into(),
        }
    }
}

/// A name: 1 to [`limits::NAME_CHARS_MAX`] characters on one line, without blanks at its ends.
pub fn name(field: &'static str, text: &str) -> Result<String, Unusable> {
    line(field, text, limits::NAME_CHARS_MAX)
}

/// A reason: 1 to [`limits::REASON_CHARS_MAX`] characters on one line, without blanks at its ends.
pub fn reason(field: &'static str, text: &str) -> Result<String, Unusable> {
    line(field, text, limits::REASON_CHARS_MAX)
}

fn line(field: &'static str, text: &str, chars_max: usize) -> Result<String, Unusable> {
    let fine = !text.is_empty()
        && text.trim() == text
        && text.chars().count() <= chars_max
        && !text.chars().any(is_hostile);
    if fine {
        return Ok(text.to_owned());
    }
    if text.trim().is_empty() {
        return Err(Unusable::new(
            field,
            format!("must be given, in 1 to {chars_max} characters"),
        ));
    }
    let why = format!(
        "must be 1 to {chars_max} characters on one line, without blanks at its ends and without control or direction characters"
    );
    Err(Unusable::new(field, why))
}

/// A word of somebody else's as it may be repeated: at most 40 characters, none of them hostile.
pub fn shown(word: &str) -> String {
    let clean = |character| match character {
        '`' => '\u{fffd}',
        other if is_hostile(other) => '\u{fffd}',
        other => other,
    };
    let mut text: String = word.chars().take(SHOWN_CHARS_MAX).map(clean).collect();
    if word.chars().nth(SHOWN_CHARS_MAX).is_some() {
        text.push('…');
    }
    text
}

pub use domain::text::is_hostile;

/// How a formula begins, in any width.
pub(crate) const FORMULA_STARTS: [char; 10] =
    ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A cell of a spreadsheet that never begins as a formula does: what a stranger wrote must not run where an administrator opens it. Where
/// lists are separated by semicolons, as in most of Europe, such a program begins a new cell at each, and at each line.
pub fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    if text.trim_start().starts_with(FORMULA_STARTS) {
        out.push('\'');
    }
    let mut may_begin = false;
    for letter in text.chars() {
        if may_begin && FORMULA_STARTS.contains(&letter) {
            out.push('\'');
        }
        let is_between = letter.is_whitespace() || letter == '"';
        may_begin = matches!(letter, ';' | '\t' | '\n' | '\r') || (may_begin && is_between);
        out.push(letter);
    }
    out
}

/// A sheet for a spreadsheet: its header and rows, no cell of which begins as a formula does.
pub fn sheet<const CELLS: usize>(
    header: &[&str; CELLS],
    rows: impl Iterator<Item = [String; CELLS]>,
) -> String {
    let mut sheet = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail; a row that did would be left out whole.
    let _ = sheet.write_record(header);
    for row in rows {
        let _ = sheet.write_record(row.map(|text| cell(&text)));
    }
    let bytes = sheet.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_bounded_line_that_commands_nobody() {
        for fine in ["nightly", "Betrieb Süd", "日本", &"x".repeat(128)] {
            assert_eq!(name("name", fine).as_deref(), Ok(fine));
        }
        for hostile in [
            "",
            " x",
            "x ",
            "a\nb",
            "a\0b",
            "\u{1b}[2J",
            "a\u{202e}b",
            "a\u{2028}b",
            &"x".repeat(129),
        ] {
            assert!(name("name", hostile).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn a_text_that_is_not_there_is_asked_for_in_plain_words() {
        for (given, expected) in [
            ("", "must be given, in 1 to 500 characters"),
            ("  ", "must be given, in 1 to 500 characters"),
        ] {
            assert_eq!(reason("reason", given).unwrap_err().why, expected);
        }
    }

    #[test]
    fn no_cell_becomes_a_formula_whichever_sign_its_reader_separates_by() {
        for (text, expected) in [
            ("Ada", "Ada"),
            ("a-b; c = d", "a-b; c = d"),
            ("=1", "'=1"),
            (" =1", "' =1"),
            ("Ada;=cmd|'/c calc'!A0", "Ada;'=cmd|'/c calc'!A0"),
            ("Ada; \"@sum(1)", "Ada; \"'@sum(1)"),
            ("a\n+1;;-1", "a\n'+1;;'-1"),
            ("x;＝1", "x;'＝1"),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_refused_text_is_not_repeated() {
        let refused = name("name", "\u{1b}secret").unwrap_err().to_string();
        assert!(refused.starts_with("`name` must be") && !refused.contains("secret"));
    }
}
