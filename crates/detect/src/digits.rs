//! Finds digits that could be a card number, written in one piece or in groups with one kind of separator. Only every eighth
//! place is looked at: among any two neighbours inside a candidate one is a digit, so none slips between.

use crate::engine::edge_before;

/// Fewest digits of a candidate.
pub(crate) const DIGITS_MIN: usize = 13;
/// Most digits of a candidate.
pub(crate) const DIGITS_MAX: usize = 19;
/// Longest candidate: the digits and the separators of the widest layout.
pub(crate) const RUN_BYTES_MAX: usize = DIGITS_MAX + GROUPS_MAX - 1;
const GROUPS_MAX: usize = 5;
/// Distance of the places looked at. With `DIGITS_MIN` digits and single separators, any distance up to 11 is right.
const STEP: usize = 8;

/// A candidate: where it ends and its digits' values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) end: usize,
    digits: [u8; DIGITS_MAX],
    count: usize,
}

impl Run {
    pub(crate) fn digits(&self) -> &[u8] {
        &self.digits[..self.count]
    }
}

/// Bytes on either side that tell a row of numbers from a card.
const ROW_BYTES: usize = 24;
/// Groups of digits beside a candidate that make it part of a row; a card may have its date and check code there.
const ROW_GROUPS: usize = 4;

/// Whether a candidate in groups is a stretch of a longer row of numbers: some windows of any table look like cards.
pub(crate) fn in_row(text: &[u8], start: usize, end: usize) -> bool {
    let grouped = text[start..end].contains(&b' ');
    let beside = |bytes: &[u8]| {
        bytes
            .split(|&byte| byte == b' ')
            .filter(|b| !b.is_empty())
            .count()
    };
    let number = |byte: &&u8| byte.is_ascii_digit() || **byte == b' ';
    let before = &text[start.saturating_sub(ROW_BYTES)..start];
    let before = &before[before.len() - before.iter().rev().take_while(number).count()..];
    let after = &text[end..text.len().min(end + ROW_BYTES)];
    let after = &after[..after.iter().take_while(number).count()];
    grouped && beside(before) + beside(after) >= ROW_GROUPS
}

/// Calls `on_start` for the places in `from..to` where a group of digits begins with room for a card after it, in order.
pub(crate) fn starts(text: &[u8], from: usize, to: usize, mut on_start: impl FnMut(usize)) {
    let digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let mut done = from;
    let mut at = from;
    // A group that begins just before `to` is noticed at most one step behind it.
    while at < text.len().min(to + STEP) {
        if digit(at) || digit(at + 1) {
            let inside = at + usize::from(!in_run(text[at]));
            let begin = back(text, inside, done);
            let end = forward(text, inside);
            for place in begin..to.min((end + 1).saturating_sub(DIGITS_MIN)) {
                if digit(place) && (place == 0 || !digit(place - 1)) {
                    on_start(place);
                }
            }
            done = end;
            at = at.max(end.saturating_sub(STEP));
        }
        at += STEP;
    }
}

/// The first reading of the digits at `start` that `accept` takes, the longest first.
pub(crate) fn read(text: &[u8], start: usize, accept: impl Fn(&[u8]) -> bool) -> Option<Run> {
    let before = (
        start.checked_sub(2).map_or(b' ', |at| text[at]),
        start.checked_sub(1).map(|at| text[at]),
    );
    // `visa-4111…` is a card; `12-4111…` and `0.4111…` are other numbers.
    let after_word = matches!(before, (b'a'..=b'z' | b'A'..=b'Z', Some(b'-')));
    let inside_number = matches!(before, (b'0'..=b'9', Some(b'-' | b'.')));
    if inside_number || !(after_word || edge_before(text, start)) {
        return None;
    }
    let (groups, count) = groups(text, start);
    (1..=count)
        .rev()
        .map(|count| &groups[..count])
        .find_map(|groups| {
            let run = join(text, groups)?;
            (ends_well(text, run.end) && accept(run.digits())).then_some(run)
        })
}

/// The groups of digits from `start` on, as (start, end), joined by one kind of separator.
fn groups(text: &[u8], start: usize) -> ([(usize, usize); GROUPS_MAX], usize) {
    let mut groups = [(0, 0); GROUPS_MAX];
    let mut count = 0;
    let mut separator = None;
    let mut at = start;
    while count < GROUPS_MAX {
        let size = text[at..]
            .iter()
            .take(DIGITS_MAX + 1)
            .take_while(|b| b.is_ascii_digit())
            .count();
        if size == 0 {
            break;
        }
        groups[count] = (at, at + size);
        count += 1;
        at += size;
        match text.get(at) {
            Some(&byte @ (b' ' | b'-')) if *separator.get_or_insert(byte) == byte => at += 1,
            _ => break,
        }
    }
    (groups, count)
}

/// These groups as one candidate, when cards are written so.
fn join(text: &[u8], groups: &[(usize, usize)]) -> Option<Run> {
    let size = |index: usize| {
        groups
            .get(index)
            .map_or(0, |group: &(usize, usize)| group.1 - group.0)
    };
    let sizes = [size(0), size(1), size(2), size(3), size(4)];
    let usual = match sizes {
        [DIGITS_MIN..=DIGITS_MAX, 0, ..] | [4, 6, 4 | 5, 0, _] => true,
        [4, 4, 4, last, 0] | [4, 4, 4, 4, last] => (1..=4).contains(&last),
        _ => false,
    };
    let count = sizes.iter().sum();
    if !usual || count > DIGITS_MAX {
        return None;
    }
    let mut run = Run {
        end: groups.last()?.1,
        digits: [0; DIGITS_MAX],
        count,
    };
    let bytes = groups.iter().flat_map(|&(from, to)| &text[from..to]);
    for (slot, byte) in run.digits.iter_mut().zip(bytes) {
        *slot = byte - b'0';
    }
    Some(run)
}

/// Whether a number may end here: not inside a word, a longer number or a decimal fraction.
fn ends_well(text: &[u8], end: usize) -> bool {
    match (text.get(end), text.get(end + 1)) {
        (Some(byte), _) if byte.is_ascii_alphanumeric() || *byte == b'_' => false,
        (Some(b'-' | b'.'), Some(next)) => !next.is_ascii_digit(),
        _ => true,
    }
}

const fn in_run(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b' ' || byte == b'-'
}

fn back(text: &[u8], at: usize, floor: usize) -> usize {
    let inside = text[floor.min(at)..at]
        .iter()
        .rev()
        .take_while(|&&byte| in_run(byte))
        .count();
    at - inside
}

fn forward(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|&&byte| in_run(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(text: &str, start: usize) -> Option<String> {
        let run = read(text.as_bytes(), start, |_| true)?;
        Some(
            run.digits()
                .iter()
                .map(|digit| char::from(digit + b'0'))
                .collect(),
        )
    }

    #[test]
    fn usual_ways_of_writing_a_card_are_read() {
        for (text, expected) in [
            ("4111111111111111", Some("4111111111111111")),
            ("4111-1111-1111-1111.", Some("4111111111111111")),
            ("3782 822463 10005", Some("378282246310005")),
            ("4111 1111 1111 1111 999", Some("4111111111111111999")),
            ("4111 1111 1111 1111 2026", Some("4111111111111111")),
            ("4111 1111-1111 1111", None),
            ("41 11 11 11 11 11 11 11", None),
            ("4111111111111111.5", None),
            ("4111111111111111-7", None),
            ("4111111111111111x", None),
            ("411111111111", None),
            ("41111111111111111111", None),
        ] {
            assert_eq!(first(text, 0).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_stands_before_a_number_may_make_it_something_else() {
        for (before, is_card) in [
            ("", true),
            (" ", true),
            ("card:", true),
            ("visa-", true),
            ("\\n", true),
            ("12 ", true),
            (",", true),
            ("x", false),
            ("0.", false),
            ("7-", false),
            ("_", false),
        ] {
            let text = format!("{before}4111111111111111");
            assert_eq!(first(&text, before.len()).is_some(), is_card, "{text}");
        }
    }

    #[test]
    fn a_row_of_numbers_is_told_from_a_card_with_its_date() {
        let card = "4539 5787 6362 1486";
        for (before, after, row) in [
            ("", "", false),
            ("card ", " 12 28 123", false),
            ("7 ", " 12 28", false),
            ("1201 3391 ", " 8821 9071 1123", true),
            ("", " 8821 9071 1123 4415 8841", true),
            ("1201 3391 8821 9071 ", "", true),
            ("1201 3391, ", " x 8821 9071", false),
        ] {
            let text = format!("{before}{card}{after}");
            let (start, end) = (before.len(), before.len() + card.len());
            assert_eq!(in_row(text.as_bytes(), start, end), row, "{text}");
        }
        // In one piece it is a card wherever it stands.
        let list = "4539578763621486 ".repeat(9);
        assert!(!in_row(list.as_bytes(), 34, 50));
    }

    proptest! {
        #[test]
        fn no_place_where_a_card_begins_is_missed(text in "([0-9]{1,5}|[ -]|a|[0-9]{13,19}){0,24}", from in 0usize..40, length in 0usize..60) {
            let text = text.as_bytes();
            let from = from.min(text.len());
            let to = (from + length).min(text.len());
            let mut found = Vec::new();
            starts(text, from, to, |at| found.push(at));
            let in_order = found.windows(2).all(|pair| pair[0] < pair[1]);
            prop_assert!(in_order, "{:?}", found);
            for at in from..to {
                let begins = text[at].is_ascii_digit() && (at == 0 || !text[at - 1].is_ascii_digit());
                if begins && read(text, at, |_| true).is_some() {
                    prop_assert!(found.contains(&at), "{at} of {}", String::from_utf8_lossy(text));
                }
            }
        }
    }
}
