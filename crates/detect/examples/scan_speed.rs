//! Measures how fast the default pack looks through text, one core, whole and in chunks, and what the dearest texts cost:
//! `cargo run --release -p detect --example scan_speed`. Prints figures and decides nothing; never part of the test run.
#![expect(clippy::print_stdout, reason = "prints its figures")]

use std::fmt::Write as _;
use std::time::Instant;

use detect::{Engine, Scanner, Selection};

const BYTES: usize = 16 * 1024 * 1024;

/// Kinds of text: name, and a piece that is repeated with a running number in it.
const ORDINARY: [(&str, &str); 5] = [
    (
        "prose",
        "The meeting of the board was moved to Thursday, and the minutes were sent to all members. ",
    ),
    (
        "code",
        "    let total_# = rows.iter().map(|row| row.amount_usd * 100).sum::<u64>(); // see issue #\n",
    ),
    (
        "json log",
        "{\"at\":\"2026-11-21T04:25:00.#Z\",\"level\":\"info\",\"id\":#,\"path\":\"/v1/messages\",\"ms\":12.5}\n",
    ),
    (
        "hex",
        "9fceb02d0ae598e95dc970b74767f19372d61af8 550e8400-e29b-41d4-a716-446655440000 #\n",
    ),
    (
        "Chinese",
        "网关在每次请求之前检查身份，并把结果写入账本。编号 #。",
    ),
];

/// Texts that someone would send to make the gateway stand still.
const HOSTILE: [(&str, &str); 8] = [
    ("digits", "4539 5787 "),
    ("one long number", "4"),
    ("tokens begun", " eyJhbGciOiJIUzI1NiJ9"),
    ("tokens in chains", ".eyJhbGci"),
    ("keys begun", "sk-ant-api03-"),
    ("keys begun, every edge", " AKIA"),
    ("headers begun", "-----BEGIN PRIVATE "),
    ("zero-width", "a\u{200b}"),
];

fn main() {
    let engine = Engine::new(b"a key for measuring only");
    let all = engine.select([("*", 0)]);
    println!(
        "{} detectors, {} MiB of each kind",
        engine.detectors().count(),
        BYTES >> 20
    );
    for (name, piece) in ORDINARY.into_iter().chain(HOSTILE) {
        let text = fill(piece);
        let whole = rate(&engine, &all, &text, Scanner::text);
        let chunks = rate(&engine, &all, &text, feed_in_chunks);
        println!("{name:24} {whole:7.0} MB/s whole {chunks:7.0} MB/s in chunks of 1,400 bytes");
    }
    let dear = [
        ("valid cards", format!("{}{} ", "4539578763", "621486")),
        (
            "valid cards, with words",
            format!("card {}{} ", "4539578763", "621486"),
        ),
    ];
    for (name, piece) in dear {
        let whole = rate(&engine, &all, &fill(&piece), Scanner::text);
        println!("{name:24} {whole:7.0} MB/s whole");
    }
}

fn fill(piece: &str) -> String {
    let mut text = String::with_capacity(BYTES + piece.len());
    let mut number = 1_000_000u32;
    while text.len() < BYTES {
        let mut parts = piece.split('#');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            number = number.wrapping_add(7_919);
            let _ = write!(text, "{number}");
            text.push_str(part);
        }
    }
    text
}

fn feed_in_chunks(scanner: &mut Scanner, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(1_400));
        scanner.feed(chunk);
        rest = after;
    }
    scanner.end_text();
}

/// The best of three runs, in megabytes a second.
fn rate(engine: &Engine, all: &Selection, text: &str, look: impl Fn(&mut Scanner, &str)) -> f64 {
    let run = || {
        let mut scanner = engine.scanner(all);
        let begin = Instant::now();
        look(&mut scanner, text);
        let seconds = begin.elapsed().as_secs_f64();
        std::hint::black_box(scanner.finish());
        seconds
    };
    let best = (0..3).map(|_| run()).fold(f64::INFINITY, f64::min);
    f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX)) / 1e6 / best
}
