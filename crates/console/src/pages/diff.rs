//! What differs between two texts, as a part: each line with its sign, its word for those who listen, and its colour. Made from the
//! unified diff of `control`; decides nothing and finds no difference itself. Used by the pages of policies.

use std::fmt;

use askama::filters::HtmlSafe;

use super::show::{self, escape};

/// Lines that a page shows; of more it says how many.
const LINES_MAX: usize = 400;

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Where,
    Minus,
    Plus,
    Same,
}

/// A diff.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    lines: Vec<(Sign, String)>,
    left_out: usize,
    gone: usize,
    come: usize,
}

impl Diff {
    /// Of a unified diff.
    pub fn of(unified: &str) -> Self {
        let mut diff = Self::default();
        for line in unified.lines() {
            let (sign, rest) = match line.chars().next() {
                Some('-') => (Sign::Minus, &line[1..]),
                Some('+') => (Sign::Plus, &line[1..]),
                Some(' ') => (Sign::Same, &line[1..]),
                _ => (Sign::Where, line),
            };
            diff.gone += usize::from(sign == Sign::Minus);
            diff.come += usize::from(sign == Sign::Plus);
            if diff.lines.len() < LINES_MAX {
                let shown = if sign == Sign::Where {
                    heading(rest)
                } else {
                    rest.to_owned()
                };
                diff.lines.push((sign, shown));
            } else {
                diff.left_out += 1;
            }
        }
        diff
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// `2 lines go, 3 come`.
    pub fn says(&self) -> String {
        let (gone, come) = (self.gone as u64, self.come as u64);
        let gone = show::counted(gone, "line goes", "lines go");
        format!("{gone}, {}", show::counted(come, "comes", "come"))
    }
}

/// `@@ -3,7 +3,9 @@` as people read it.
fn heading(text: &str) -> String {
    let line = text
        .strip_prefix("@@ -")
        .and_then(|rest| rest.split([',', ' ']).next());
    line.map_or_else(|| text.to_owned(), |line| format!("from line {line}"))
}

impl fmt::Display for Diff {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(r#"<ul class="diff lines">"#)?;
        for (sign, text) in &self.lines {
            let (class, mark, word) = match sign {
                Sign::Where => {
                    out.write_str(r#"<li class="where">"#)?;
                    escape(text, out)?;
                    out.write_str("</li>")?;
                    continue;
                }
                Sign::Minus => ("minus", "−", "Goes: "),
                Sign::Plus => ("plus", "+", "Comes: "),
                Sign::Same => ("same", "", ""),
            };
            write!(
                out,
                r#"<li class="{class}"><span aria-hidden="true">{mark}</span><code>"#
            )?;
            if !word.is_empty() {
                write!(out, r#"<span class="sr">{word}</span>"#)?;
            }
            // A tab is no command; everything else that is becomes a mark.
            escape(&text.replace('\t', "    "), out)?;
            out.write_str("</code></li>")?;
        }
        if self.left_out > 0 {
            write!(
                out,
                r#"<li class="where">and {} more lines</li>"#,
                show::count(self.left_out as u64)
            )?;
        }
        out.write_str("</ul>")
    }
}

impl HtmlSafe for Diff {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_sign_its_word_and_its_text_and_no_markup_of_its_own() {
        let diff = Diff::of("@@ -3,2 +3,2 @@\n a\n-<b>\n+\u{202e}c\n");
        let shown = diff.to_string();
        assert!(
            shown.contains(r#"<li class="where">from line 3</li>"#),
            "{shown}"
        );
        assert!(shown.contains(r#"<li class="minus"><span aria-hidden="true">−</span><code><span class="sr">Goes: </span>&lt;b&gt;</code>"#), "{shown}");
        assert!(shown.contains("Comes: </span>\u{fffd}c"), "{shown}");
        assert_eq!(diff.says(), "1 line goes, 1 comes");
        assert!(Diff::of("").is_empty());
    }

    #[test]
    fn a_long_diff_says_how_much_of_it_is_left_out() {
        let shown = Diff::of(&"+x\n".repeat(LINES_MAX + 7)).to_string();
        assert!(shown.contains("and 7 more lines"));
    }
}
