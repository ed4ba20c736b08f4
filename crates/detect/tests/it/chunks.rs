//! Chunks change nothing.

use detect::{Findings, Scanner};
use proptest::prelude::*;

use crate::{engine, made, scan};

fn scanner() -> Scanner {
    let engine = engine();
    engine.scanner(&engine.select([("*", 0)]))
}

fn scan_chunks<'c>(chunks: impl IntoIterator<Item = &'c str>) -> Findings {
    let mut scanner = scanner();
    chunks.into_iter().for_each(|chunk| scanner.feed(chunk));
    scanner.finish()
}

/// Text in which secrets, their beginnings, telling words and long stretches of nothing follow one another.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(made::anthropic()),
        Just(made::aws()),
        Just(made::card()),
        Just("4539 5787 6362 1486".to_owned()),
        Just(made::jwt()),
        Just(made::pem("RSA ")),
        Just("card secret visa token ".to_owned()),
        Just("sk-ant-api03-".to_owned()),
        Just("eyJ".to_owned()),
        Just("\u{200b}".to_owned()),
        "[ \n-]{1,3}",
        "[0-9 -]{1,30}",
        "[ -~]{0,40}",
        any::<char>().prop_map(|c| c.to_string()),
        (1usize..5_000).prop_map(|length| "lorem ipsum ".repeat(length / 12)),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn cut(text: &str, cuts: &[usize]) -> Vec<usize> {
    let mut at: Vec<_> = cuts
        .iter()
        .map(|cut| text.floor_char_boundary(cut % (text.len() + 1)))
        .collect();
    at.extend([0, text.len()]);
    at.sort_unstable();
    at
}

proptest! {
    #[test]
    fn any_chunking_of_a_text_gives_the_findings_of_the_whole(
        text in texts(),
        cuts in prop::collection::vec(any::<usize>(), 0..40),
    ) {
        let at = cut(&text, &cuts);
        let chunks = at.windows(2).map(|pair| &text[pair[0]..pair[1]]);
        prop_assert_eq!(scan_chunks(chunks), scan(&text));
    }
}

#[test]
fn a_secret_is_found_across_every_cut() {
    let text = format!(
        "{} my visa card {} {}",
        "x ".repeat(6_000),
        made::card(),
        made::anthropic()
    );
    let whole = scan(&text);
    assert_eq!(whole.len(), 2);
    for at in (11_900..text.len()).chain(0..3) {
        assert_eq!(
            scan_chunks([&text[..at], &text[at..]]),
            whole,
            "cut at {at}"
        );
    }
}

#[test]
fn a_text_fed_a_character_at_a_time_gives_the_same() {
    let text = format!(
        "{}{}{}",
        "lorem ".repeat(3_000),
        made::jwt(),
        " ipsum".repeat(3_000)
    );
    let mut buffer = [0; 4];
    let mut scanner = scanner();
    for character in text.chars() {
        scanner.feed(character.encode_utf8(&mut buffer));
    }
    assert_eq!(scanner.finish(), scan(&text));
}

#[test]
fn two_texts_are_not_one() {
    let key = made::anthropic();
    let (head, tail) = key.split_at(40);
    let mut scanner = scanner();
    scanner.feed(head);
    scanner.end_text();
    scanner.feed(tail);
    scanner.text(tail);
    assert!(scanner.finish().is_empty());
}

#[test]
fn what_is_found_in_a_stream_is_known_before_its_end() {
    let mut scanner = scanner();
    scanner.feed(&made::anthropic());
    scanner.feed(&" and so on".repeat(3_000));
    assert!(scanner.has_found());
}
