//! How two texts differ, as a unified diff. It is bounded: texts that have next to nothing in common are shown as one change, without
//! looking for what they share, and what is too long to read is cut short. Called by whoever plans, compares or refuses a change.

use std::fmt::Write as _;

use domain::limits;
use similar::TextDiff;

/// The lines that go (`-`) and come (`+`), with three lines around each change; empty when the lines are the same.
pub fn unified(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = same(old.iter().zip(&new));
    let tail = same(old[head..].iter().rev().zip(new[head..].iter().rev()));
    let (gone, come) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    if gone.len() + come.len() <= limits::DIFF_LINES_MAX {
        let diff = TextDiff::from_slices(&old, &new);
        return cut(diff.unified_diff().to_string());
    }
    let mut out = format!(
        "@@ -{},{} +{},{} @@\n",
        head + 1,
        gone.len(),
        head + 1,
        come.len()
    );
    for (sign, lines) in [('-', gone), ('+', come)] {
        for line in lines {
            let _ = writeln!(out, "{sign}{line}");
        }
    }
    cut(out)
}

/// How many of these are pairs of the same.
fn same<'l>(pairs: impl Iterator<Item = (&'l &'l str, &'l &'l str)>) -> usize {
    pairs.take_while(|(old, new)| old == new).count()
}

/// At most so much, in whole characters.
fn cut(mut text: String) -> String {
    if text.len() > limits::DIFF_BYTES_MAX {
        text.truncate(text.floor_char_boundary(limits::DIFF_BYTES_MAX));
        text.push_str("\n… and more\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_diff_shows_what_goes_and_what_comes_where_it_does() {
        let check = |before, after, expected| assert_eq!(unified(before, after), expected);
        check("a\n", "a\n", "");
        check("a\n", "a", "");
        check("", "a\n", "@@ -0,0 +1 @@\n+a\n");
        check(
            "a\nb\nc\n",
            "a\nx\nc\n",
            "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n",
        );
    }

    #[test]
    fn two_changes_far_apart_are_two_and_not_all_between_them() {
        let lines = |first, last| {
            let middle = "the same\n".repeat(50);
            format!("{first}\n{middle}{last}\n")
        };
        let diff = unified(&lines("a", "y"), &lines("b", "z"));
        assert_eq!(diff.matches("@@ -").count(), 2, "{diff}");
        assert_eq!(diff.lines().filter(|line| line.starts_with('-')).count(), 2);
    }

    #[test]
    fn the_largest_texts_are_compared_at_once_and_shown_in_part() {
        let one: String = "a\n".repeat(limits::POLICY_BYTES_MAX / 2);
        let other: String = "b\n".repeat(limits::POLICY_BYTES_MAX / 2);
        let diff = unified(&one, &other);
        assert!(diff.len() <= limits::DIFF_BYTES_MAX + 20, "{}", diff.len());
        assert!(diff.ends_with("… and more\n"), "{}", &diff[..40]);
    }

    /// The text that a diff makes of another.
    fn patched(before: &str, diff: &str) -> Vec<String> {
        let old: Vec<&str> = before.lines().collect();
        let (mut out, mut at) = (Vec::new(), 0);
        for line in diff.lines() {
            if let Some(header) = line.strip_prefix("@@ -") {
                let (range, _) = header.split_once(' ').unwrap();
                let (start, count) = range.split_once(',').unwrap_or((range, "1"));
                let (start, count): (usize, usize) =
                    (start.parse().unwrap(), count.parse().unwrap());
                let start = if count == 0 { start } else { start - 1 };
                out.extend(old[at..start].iter().map(ToString::to_string));
                at = start;
            } else if let Some(new) = line.strip_prefix('+') {
                out.push(new.to_owned());
            } else {
                let kept = line.strip_prefix(' ');
                out.extend(kept.map(str::to_owned));
                assert_eq!(line.get(1..), Some(old[at]));
                at += 1;
            }
        }
        out.extend(old[at..].iter().map(ToString::to_string));
        out
    }

    proptest! {
        #[test]
        fn what_a_diff_says_makes_the_one_text_the_other(before in "([a-d]\n){0,30}", after in "([a-d]\n){0,30}") {
            let after_lines: Vec<&str> = after.lines().collect();
            prop_assert_eq!(patched(&before, &unified(&before, &after)), after_lines);
        }
    }
}
