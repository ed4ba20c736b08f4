//! Inspection: any chunking of a text gives the findings of the whole. The first byte chooses the cuts; bytes from 0xe0 stand for
//! whole pieces (keys, words, long blanks) that a fuzzer would hardly invent.
#![no_main]

use std::sync::LazyLock;

use detect::{Engine, Findings};
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(b"a key for fuzzing only"));
static PIECES: LazyLock<Vec<String>> = LazyLock::new(pieces);

/// Put together from parts, so that no scanner takes this file for a leak.
fn pieces() -> Vec<String> {
    let run = |length: usize| {
        "aZ3kQ9xW7bN2mR5tY8cV1pL4sD6fG0hJ"
            .chars()
            .cycle()
            .take(length)
            .collect::<String>()
    };
    let upper = |length: usize| {
        "Q7XK2ZN4RT6YWB3M"
            .chars()
            .cycle()
            .take(length)
            .collect::<String>()
    };
    let hex = |length: usize| {
        "0f3a9c5e7b1d8624"
            .chars()
            .cycle()
            .take(length)
            .collect::<String>()
    };
    vec![
        format!("sk-ant-{}", "api03-") + &run(95),
        format!("sk-ant-{}", "oat01-") + &run(60),
        "sk-ant-api03-".to_owned(),
        format!("AK{}", "IA") + &upper(16),
        format!("aws_secret_access_key = {}", run(40)),
        format!("gh{}", "p_") + &run(36),
        format!("AIz{}", "a") + &run(35),
        format!("npm{}", "_") + &run(36),
        format!("-----BEGIN RSA {}-----\n", "PRIVATE KEY") + &run(64) + "\n" + &run(64),
        format!("-----BEGIN {}-----\\n", "PRIVATE KEY") + &run(64),
        format!("ey{}.", "JhbGciOiJSUzI1NiIsImtpZCI6ImEifQ") + &run(40) + "." + &run(43),
        format!("ey{}", "J"),
        format!("private_key_id\": \"{}", hex(40)),
        format!("{}JQQ{}{}", run(52), "J99", run(26)),
        format!("{}8Q~{}", "abc", run(32)),
        "4539578763621486".to_owned(),
        "4539 5787 6362 1486".to_owned(),
        "4539-5787-6362-1486".to_owned(),
        "3714 496353 98431".to_owned(),
        "\u{ff14}539\u{200b}5787\u{ff16}3621486".to_owned(),
        "card ".to_owned(),
        "secret bearer token ".to_owned(),
        "\u{200b}".to_owned(),
        "\u{e9}".to_owned(),
        "\u{1f600}".to_owned(),
        "0123456789".to_owned(),
        " ".to_owned(),
        " ".repeat(290),
        "lorem ipsum ".repeat(100),
        " ".repeat(8_000),
        run(300),
        hex(40),
    ]
}

fn text_of(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes.iter().take(200) {
        match byte.checked_sub(0xe0) {
            Some(piece) => text.push_str(&PIECES[usize::from(piece)]),
            None => text.push(char::from(byte)),
        }
    }
    text
}

fn whole(text: &str) -> Findings {
    let mut scanner = ENGINE.scanner(&ENGINE.select([("*", 0)]));
    scanner.text(text);
    scanner.finish()
}

fn in_chunks(text: &str, bytes: usize) -> Findings {
    let mut scanner = ENGINE.scanner(&ENGINE.select([("*", 0)]));
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(bytes).max(first.len_utf8()));
        scanner.feed(chunk);
        rest = after;
    }
    scanner.finish()
}

fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_first() else {
        return;
    };
    let text = text_of(bytes);
    let expected = whole(&text);
    for size in [1, usize::from(step) + 2, usize::from(step) * 64 + 3] {
        assert_eq!(in_chunks(&text, size), expected, "chunks of {size}");
    }
});
