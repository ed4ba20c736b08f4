//! A process that appends is killed at random moments: no record it was told is durable may be missing.
//!
//! The process is this test program again, told by an environment variable where to write; the test of its name does nothing
//! otherwise.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ledger::verify::{Trust, verify_folder};
use ledger::{Ledger, SigningKey};
use proptest::test_runner::{RngAlgorithm, TestRng};
use secrecy::{ExposeSecret as _, SecretString};

use crate::spool::{Noon, Spool, chain, outcome};

const FOLDER: &str = "LEDGER_CRASH_FOLDER";
const KEY: &str = "LEDGER_CRASH_KEY";
const ROUNDS: u32 = 20;
/// Each appender numbers its records from its own start on.
const APPENDERS: u64 = 8;
const NUMBERS_EACH: u64 = 1_000_000_000;

#[expect(
    clippy::disallowed_methods,
    reason = "how the parent test tells its child where to write"
)]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_appends_until_it_is_killed() {
    let (Some(folder), Some(key)) = (told(FOLDER), told(KEY)) else {
        assert!(
            told("LEDGER_CRASH_ROUND").is_none(),
            "a child is told everything"
        );
        return;
    };
    let key = SigningKey::from_text(&SecretString::from(key)).unwrap();
    let disk = Box::new(ledger::disk::Folder::open(folder.as_ref()).unwrap());
    let options = ledger::Options {
        segment_bytes: 40_000,
        checkpoint_every: std::time::Duration::from_millis(2),
        ..ledger::Options::default()
    };
    let ledger = Arc::new(Ledger::open_on(disk, chain(), key, Arc::new(Noon), options).unwrap());
    let round: u64 = told("LEDGER_CRASH_ROUND").unwrap().parse().unwrap();
    let tasks = (0..APPENDERS).map(|appender| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let start = (round * APPENDERS + appender) * NUMBERS_EACH;
            for number in start.. {
                ledger.append(outcome(number)).await.unwrap();
                println!("\nacknowledged {number}");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[test]
fn a_killed_process_loses_no_acknowledged_record() {
    let spool = Spool::new();
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut acknowledged: Vec<u64> = Vec::new();
    for round in 0..ROUNDS {
        let told_before = acknowledged.len();
        // at least one, so that each round writes; how long the next ones take is the disk's own randomness
        let count = 1 + usize::try_from(rand_below(&mut random, 400)).unwrap();
        run_child(&spool, round, count, &mut acknowledged);
        assert!(acknowledged.len() >= told_before + count);
        drop(spool.open());
        let mut found = spool.outcomes();
        found.sort_unstable();
        found.dedup();
        let missing: Vec<_> = acknowledged
            .iter()
            .filter(|number| found.binary_search(number).is_err())
            .collect();
        assert!(missing.is_empty(), "round {round}: {missing:?}");
        let mut trust = Trust::none();
        trust.add_key(spool.public());
        let report = verify_folder(spool.path(), trust).unwrap();
        assert!(report.is_clean(), "round {round}: {report}");
    }
    assert!(spool.segments().len() > 3, "kills fall into rotation too");
}

/// Lets a child append until it has acknowledged so many, kills it, and reads what else it had acknowledged by then.
fn run_child(spool: &Spool, round: u32, count: usize, acknowledged: &mut Vec<u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::the_child_appends_until_it_is_killed",
            "--nocapture",
        ])
        .env(FOLDER, spool.path())
        .env(KEY, spool.key_text().expose_secret())
        .env("LEDGER_CRASH_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let number = |line: String| Some(line.strip_prefix("acknowledged ")?.parse::<u64>().unwrap());
    acknowledged.extend(
        lines
            .by_ref()
            .map_while(Result::ok)
            .filter_map(number)
            .take(count),
    );
    child.kill().unwrap();
    child.wait().unwrap();
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    // the very last line may be half a number
    let whole = rest.len().saturating_sub(1);
    acknowledged.extend(rest.into_iter().take(whole).filter_map(number));
}

fn rand_below(random: &mut TestRng, below: u32) -> u32 {
    use proptest::prelude::Rng as _;
    random.next_u32() % below
}
