//! A text with `{{variables}}`, filled, checked and taken apart. One pass fills, so that no value is read as a variable; what looks
//! like something still to be filled in, in whichever way people write that, keeps the text from being published.

use std::collections::BTreeMap;

use crate::limits;

/// The variable that the paragraph on what is recorded replaces. Nobody else can give it a value.
pub const MONITORING: &str = "monitoring";

/// The variables a company fills in.
pub const VARIABLES: [(&str, &str); 3] = [
    (
        "organisation",
        "the organisation's name, as its people say it",
    ),
    ("contact", "who answers questions: a name or a team"),
    ("reach", "the contact's phone number or e-mail address"),
];

/// Values by variable.
pub type Variables = BTreeMap<String, String>;

/// Why a text cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// Something still to be filled in.
    #[error("line {line}: `{what}` is still to be filled in")]
    Unfilled {
        /// Its line, from 1.
        line: usize,
        /// As it stands there, cut short.
        what: String,
    },
    /// A value that cannot be one.
    #[error(
        "`{0}` must be 1 to {max} characters on one line, without braces and control characters",
        max = limits::ACCEPTABLE_USE_VALUE_CHARS_MAX
    )]
    Value(String),
    /// The paragraph on what is recorded must stand once.
    #[error("`{{{{monitoring}}}}` must stand once, on a line of its own, and stands {0} times")]
    Monitoring(usize),
    /// Too long, or holding what no text holds.
    #[error(
        "the text must be 1 to {} bytes without control characters",
        limits::ACCEPTABLE_USE_BYTES_MAX
    )]
    Text,
}

/// Fills the variables of a text that have a value, and leaves the rest as it is: for a draft.
pub fn fill(text: &str, values: &Variables) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let value = after
            .split_once("}}")
            .and_then(|(name, tail)| Some((values.get(name.trim())?, tail)));
        if let Some((value, tail)) = value {
            out.push_str(value);
            rest = tail;
        } else {
            out.push_str("{{");
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// A text as it would be published, as far as it can be, and everything that keeps it from being.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Filled, with the paragraph on what is recorded in its place; empty when it cannot be shown at all.
    pub text: String,
    /// None when it can be published.
    pub mistakes: Vec<Mistake>,
}

/// The text as it will be published, with the paragraph on what is recorded in its place; or everything that keeps it from being.
pub fn complete(text: &str, values: &Variables, monitoring: &str) -> Result<String, Vec<Mistake>> {
    let rendered = render(text, values, monitoring);
    if rendered.mistakes.is_empty() {
        Ok(rendered.text)
    } else {
        Err(rendered.mistakes)
    }
}

/// As [`complete`], also of a text that is not ready: for whoever still writes it. Values that cannot be one fill nothing.
pub fn render(text: &str, values: &Variables, monitoring: &str) -> Rendered {
    let is_bad = |name: &str, value: &str| name == MONITORING || !is_value(value);
    let mut values = values.clone();
    let bad: Vec<String> = values
        .extract_if(.., |name, value| is_bad(name, value))
        .map(|(name, _)| name)
        .collect();
    let mut mistakes: Vec<Mistake> = bad.into_iter().map(Mistake::Value).collect();
    let is_clean = |c: char| !c.is_control() || c == '\n';
    let text = text.replace("\r\n", "\n").replace('\t', " ");
    let fits = (1..=limits::ACCEPTABLE_USE_BYTES_MAX).contains(&text.trim().len());
    if !fits || !text.chars().all(is_clean) || text.chars().any(is_misleading) {
        mistakes.push(Mistake::Text);
        return Rendered {
            text: String::new(),
            mistakes,
        };
    }
    let filled = fill(&text, &values);
    // What is short may fill to something long.
    if filled.len() > limits::ACCEPTABLE_USE_BYTES_MAX {
        mistakes.push(Mistake::Text);
    }
    let is_place = |line: &str| {
        let inside = line
            .trim()
            .strip_prefix("{{")
            .and_then(|l| l.strip_suffix("}}"));
        inside.is_some_and(|name| name.trim() == MONITORING)
    };
    let places = filled.lines().filter(|line| is_place(line)).count();
    if places != 1 {
        mistakes.push(Mistake::Monitoring(places));
    }
    let mut whole = String::with_capacity(filled.len() + monitoring.len());
    for (index, line) in filled.lines().enumerate() {
        if is_place(line) {
            whole.push_str(monitoring);
        } else {
            let unfilled = unfilled(line).into_iter();
            mistakes.extend(unfilled.map(|what| Mistake::Unfilled {
                line: index + 1,
                what,
            }));
            whole.push_str(line.trim_end());
        }
        whole.push('\n');
    }
    mistakes.truncate(limits::ACCEPTABLE_USE_MISTAKES_MAX);
    Rendered {
        text: whole.trim().to_owned() + "\n",
        mistakes,
    }
}

fn is_value(value: &str) -> bool {
    let fine = |c: char| !c.is_control() && !is_misleading(c) && !matches!(c, '{' | '}');
    !value.trim().is_empty()
        && value.chars().count() <= limits::ACCEPTABLE_USE_VALUE_CHARS_MAX
        && value.chars().all(fine)
}

/// Marks that make a text read otherwise than it stands: directions and separators.
fn is_misleading(c: char) -> bool {
    matches!(
        c,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// What people write for what they will write later.
const LATER: [&str; 2] = [concat!("TO", "DO"), "TBD"];

/// What of a line is still to be filled in: `{{name}}`, `[Name]`, `<name>`, `____`, `XXX`, and [`LATER`].
fn unfilled(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (open, close) in [("{{", "}}"), ("[", "]"), ("<", ">"), ("${", "}")] {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once(open) {
            let (inside, tail) = after.split_once(close).unwrap_or((after, ""));
            if open == "{{" || is_blank_to_fill(open, inside, tail) {
                found.push(cut(&format!("{open}{inside}{close}")));
            }
            rest = if open == "{{" { tail } else { after };
        }
    }
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    let stands_for_nothing = |word: &&str| {
        LATER.contains(word)
            || (word.len() >= 3 && word.bytes().all(|byte| byte == b'_'))
            || (word.len() >= 3 && word.bytes().all(|byte| byte == b'X'))
    };
    found.extend(words.filter(stands_for_nothing).map(cut));
    found
}

/// A word or a few between brackets; `[text](address)` is a link, `<https://…>` an address.
fn is_blank_to_fill(open: &str, inside: &str, tail: &str) -> bool {
    let is_comparison = open == "<" && inside.starts_with(char::is_whitespace);
    let inside = inside.trim();
    let is_link = tail.starts_with('(') || inside.contains("://") || inside.contains('@');
    !inside.is_empty()
        && !is_link
        && !is_comparison
        && inside.chars().count() <= 80
        && inside.chars().any(char::is_alphabetic)
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

/// One part of a text, for pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block<'t> {
    /// The title.
    Title(&'t str),
    /// A section's heading.
    Heading(&'t str),
    /// A clause with its id: `P3`.
    Clause(&'t str, &'t str),
    /// One of a list.
    Item(&'t str),
    /// Anything else.
    Paragraph(&'t str),
}

/// The parts of a text, in order. A line is a part; nothing in it is markup.
pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            if let Some(title) = line.strip_prefix("# ") {
                Block::Title(title)
            } else if let Some(heading) = line.trim_start_matches('#').strip_prefix(' ') {
                if line.starts_with('#') {
                    Block::Heading(heading)
                } else {
                    Block::Paragraph(line)
                }
            } else if let Some(item) = line.strip_prefix("- ") {
                Block::Item(item)
            } else if let Some((id, clause)) = clause(line) {
                Block::Clause(id, clause)
            } else {
                Block::Paragraph(line)
            }
        })
        .collect()
}

/// `P3. Put no passwords …`.
fn clause(line: &str) -> Option<(&str, &str)> {
    let (id, text) = line.split_once(". ")?;
    let digits = id.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let letters = id.len() - digits.len();
    let is_id = (1..=2).contains(&letters)
        && (1..=2).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then_some((id, text))
}

/// Sentences of more words than people read at once, cut short: advice to whoever publishes.
pub fn long_sentences(text: &str) -> Vec<String> {
    let sentences = text
        .lines()
        .flat_map(|line| line.split_inclusive(['.', '!', '?', ':', ';']));
    sentences
        .map(str::trim)
        .filter(|sentence| {
            sentence.split_whitespace().count() > limits::ACCEPTABLE_USE_SENTENCE_WORDS
        })
        .map(cut)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptable_use::TEMPLATE;
    use proptest::prelude::*;

    fn values(pairs: &[(&str, &str)]) -> Variables {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(own).collect()
    }

    fn all() -> Variables {
        values(&[
            ("organisation", "Northwind"),
            ("contact", "the IT desk"),
            ("reach", "it@northwind.example"),
        ])
    }

    #[test]
    fn the_template_is_complete_with_its_variables_and_easy_to_read() {
        let whole = complete(TEMPLATE, &all(), "Each request is recorded.").unwrap();
        assert!(whole.starts_with("# Acceptable use of Claude at Northwind\n"));
        assert!(whole.contains("\nEach request is recorded.\n") && !whole.contains("{{"));
        assert_eq!(long_sentences(&whole), Vec::<String>::new());
        let ids: Vec<&str> = blocks(&whole)
            .iter()
            .filter_map(|block| match block {
                Block::Clause(id, _) => Some(*id),
                _ => None,
            })
            .collect();
        let expected = "A1 A2 A3 A4 P1 P2 P3 P4 P5 U1 U2 O1";
        assert_eq!(ids.join(" "), expected);
        for (name, _) in VARIABLES {
            assert!(TEMPLATE.contains(&format!("{{{{{name}}}}}")), "{name}");
        }
    }

    #[test]
    fn each_variable_that_is_left_out_keeps_the_text_from_being_published() {
        for (left_out, _) in VARIABLES {
            let mut some = all();
            some.remove(left_out);
            let mistakes = complete(TEMPLATE, &some, "m").unwrap_err();
            let wanted = format!("{{{{{left_out}}}}}");
            assert!(
                mistakes
                    .iter()
                    .all(|m| matches!(m, Mistake::Unfilled { what, .. } if *what == wanted)),
                "{mistakes:?}"
            );
        }
    }

    fn check(text: &str, expected: &[&str]) {
        let text = format!("{text}\n{{{{monitoring}}}}\n");
        let told: Vec<String> = complete(&text, &Variables::new(), "m")
            .err()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|what| format!("line 1: `{what}` is still to be filled in"))
            .collect();
        assert_eq!(told, expected, "{text}");
    }

    #[test]
    fn whatever_people_write_for_still_to_be_filled_in_is_found() {
        check("Ask {{ contact }}", &["{{ contact }}"]);
        check("Ask {{contact", &["{{contact}}"]);
        check(
            "Ask [Name of contact] or <phone>",
            &["[Name of contact]", "<phone>"],
        );
        check("Ask ${CONTACT}", &["${CONTACT}"]);
        check(
            &format!("Ask ____ or XXX; {}, {}", LATER[0], LATER[1]),
            &["____", "XXX", LATER[0], LATER[1]],
        );
        check(
            "See [the handbook](https://x.example) or <https://x.example>",
            &[],
        );
        check(
            "Mail <it@x.example>; 3 < 4 and 5 > 2; a[0]; XX size; snake_case",
            &[],
        );
    }

    #[test]
    fn the_monitoring_paragraph_stands_once_and_is_nobody_elses_to_write() {
        let monitoring = |text: &str, values: &Variables| complete(text, values, "m");
        for (text, times) in [("none", 0), ("{{monitoring}}\n{{ monitoring }}", 2)] {
            let mistakes = monitoring(text, &Variables::new()).unwrap_err();
            assert_eq!(mistakes, [Mistake::Monitoring(times)]);
        }
        let own = values(&[("monitoring", "Nothing is recorded.")]);
        let mistakes = monitoring("{{monitoring}}", &own).unwrap_err();
        assert!(mistakes.contains(&Mistake::Value("monitoring".into())));
        // within a line it could be made to say its opposite
        let mistakes = monitoring("It is not so that {{monitoring}}", &Variables::new());
        assert!(mistakes.is_err());
    }

    #[test]
    fn hostile_values_and_texts_are_refused() {
        for value in [
            "",
            " ",
            "a\nb",
            "{{contact}}",
            "a\u{202e}b",
            "\u{1b}[2J",
            &"x".repeat(300),
        ] {
            let mut some = all();
            some.insert("contact".into(), value.to_owned());
            let mistakes = complete(TEMPLATE, &some, "m").unwrap_err();
            assert!(
                mistakes.contains(&Mistake::Value("contact".into())),
                "{value:?}"
            );
        }
        for text in [
            "",
            "\u{0}{{monitoring}}",
            &"x".repeat(limits::ACCEPTABLE_USE_BYTES_MAX + 1),
        ] {
            assert_eq!(
                complete(text, &Variables::new(), "m"),
                Err(vec![Mistake::Text])
            );
        }
    }

    #[test]
    fn what_is_not_ready_is_shown_with_what_is_missing_and_hostile_values_fill_nothing() {
        let some = values(&[("contact", "the desk"), ("reach", "\u{1b}[2J")]);
        let shown = render(
            "{{contact}}, {{reach}}\n{{monitoring}}\n",
            &some,
            "Recorded.",
        );
        assert_eq!(shown.text, "the desk, {{reach}}\nRecorded.\n");
        let told: Vec<String> = shown.mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("`reach` must be") && told[1].contains("`{{reach}}`"));
    }

    #[test]
    fn a_short_text_does_not_fill_to_a_long_one() {
        let long = values(&[("contact", &"x".repeat(200))]);
        let text = "{{contact}}\n".repeat(1_000) + "{{monitoring}}\n";
        assert_eq!(complete(&text, &long, "m"), Err(vec![Mistake::Text]));
    }

    #[test]
    fn a_draft_keeps_what_it_does_not_know() {
        let some = values(&[("organisation", "{{contact}}")]);
        assert_eq!(
            fill("{{organisation}} asks {{contact}} {{", &some),
            "{{contact}} asks {{contact}} {{"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_and_never_published_with_a_variable(text in "(?s).{0,60}|([\\[\\]{}<>a-zX_ \n]{0,40})") {
            let text = format!("{text}\n{{{{monitoring}}}}\n");
            if let Ok(whole) = complete(&text, &Variables::new(), "m") {
                prop_assert!(!whole.contains("{{"), "{whole:?}");
            }
            let _blocks = blocks(&text);
        }
    }
}
