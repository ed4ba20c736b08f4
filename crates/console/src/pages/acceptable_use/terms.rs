//! An acceptable-use text as people see it, and what changed in one, line by line. Nothing in either is markup.

use domain::acceptable_use::text::{Block, blocks};

use crate::pages::show::Said;

/// What a part of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The title, or a section's heading.
    Heading,
    /// A clause with its id, or one of a list.
    Clause,
    /// Anything else.
    Paragraph,
}

/// A line of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub part: Part,
    /// A clause's id; a dot for one of a list.
    pub id: Said,
    /// What it says.
    pub text: Said,
}

/// A text as people see it.
pub fn lines(text: &str) -> Vec<Line> {
    let line = |part, id: &str, text: &str| Line {
        part,
        id: Said::from(id),
        text: Said::from(text),
    };
    let line = |block: Block<'_>| match block {
        Block::Title(text) | Block::Heading(text) => line(Part::Heading, "", text),
        Block::Clause(id, text) => line(Part::Clause, id, text),
        Block::Item(text) => line(Part::Clause, "·", text),
        Block::Paragraph(text) => line(Part::Paragraph, "", text),
    };
    blocks(text).into_iter().map(line).collect()
}

/// A line of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// `plus`, `minus`, `where` or nothing.
    pub class: &'static str,
    /// `+`, `−` or nothing.
    pub sign: &'static str,
    /// What is said aloud of it.
    pub word: &'static str,
    /// The line.
    pub text: Said,
}

/// A unified difference as lines.
pub fn changed(diff: &str) -> Vec<Changed> {
    let line = |line: &str| {
        let (class, sign, word, text) = match line.as_bytes().first() {
            Some(b'+') => ("plus", "+", "comes: ", &line[1..]),
            Some(b'-') => ("minus", "−", "goes: ", &line[1..]),
            Some(b'@') => ("where", "", "", ""),
            _ => ("", "", "", line.strip_prefix(' ').unwrap_or(line)),
        };
        Changed {
            class,
            sign,
            word,
            text: Said::from(text),
        }
    };
    let lines = diff.lines().map(line);
    // Where a change stands is said by the lines around it.
    lines.filter(|line| line.class != "where").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_its_lines_and_none_of_it_is_markup() {
        let lines = lines("# Use\nP3. Put no <b>keys</b>\n- a\nb\n");
        let said: Vec<_> = lines
            .iter()
            .map(|line| (line.part, line.id.plain(), line.text.plain()))
            .collect();
        assert_eq!(
            said,
            [
                (Part::Heading, "", "Use"),
                (Part::Clause, "P3", "Put no <b>keys</b>"),
                (Part::Clause, "·", "a"),
                (Part::Paragraph, "", "b"),
            ]
        );
    }

    #[test]
    fn what_goes_and_what_comes_is_told_by_sign_and_word() {
        let changed = changed("@@ -1,2 +1,2 @@\n a\n-b\n+−c\n");
        let said: Vec<_> = changed
            .iter()
            .map(|line| (line.class, line.sign, line.text.plain()))
            .collect();
        assert_eq!(
            said,
            [("", "", "a"), ("minus", "−", "b"), ("plus", "+", "−c")]
        );
    }
}
