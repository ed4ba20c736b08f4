//! Measures the ledger on this machine's disk: `cargo run --release -p ledger --example throughput`.
//!
//! Prints durable records a second, processor time per record (all threads, from `/proc/self/stat`), what one sync costs, and how
//! fast the same records are verified. It
//! writes to a folder of its own in the working directory and removes it. Not a test: nothing depends on what it prints.

#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::{
    ClientKind, Clock, Credential, OrgId, PersonId, RequestId, SessionId, Subject, Timestamp, Usd,
};
use ledger::record::{Actor, Decision, Door, Ended, Origin, Outcome};
use ledger::verify::{Trust, verify_folder};
use ledger::{ChainId, Ledger, Record, SigningKey};

const TIME: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(1_795_262_400_000)
    }
}

fn decision(number: u64) -> Decision {
    let origin = Origin {
        client: ClientKind::ClaudeCode,
        version: Some(domain::Version([2, 1, 329])),
        address: Some([10, 1, 2, 3].into()),
    };
    let mut decision = Decision::new(
        RequestId::from_parts(1, number.into()),
        origin,
        Door::Inference,
        "messages",
    );
    decision.actor = Some(Actor {
        org: OrgId::from_parts(1, 1),
        subject: Subject::Person(PersonId::from_parts(1, 2)),
        stable_id: "00000000-0000-0000-0000-000000000000/00000000-0000-0000-0000-000000000000"
            .into(),
        issuer: "entra".into(),
        credential: Credential::Session,
        session: Some(SessionId::from_parts(1, 3)),
    });
    decision.model = Some("claude-opus-5-5".into());
    decision.policy_version = Some(12);
    decision.granted_by = vec!["staff".into()];
    decision.reserved = Usd::from_cents(12);
    decision.upstream = Some("anthropic".into());
    decision.body_bytes = 56_000;
    decision
}

/// User and system time of this process, in clock ticks of 10 ms.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').ok_or("no stat")?.1;
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|n| n.parse::<u64>().unwrap_or(0))
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// The middle time of appending 4 KiB and syncing.
fn sync_time(folder: &Path) -> Result<Duration, Box<dyn Error>> {
    let mut file = File::create(folder.join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all(&[b'x'; 4096])?;
        let begin = Instant::now();
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

async fn append_for(
    ledger: Arc<Ledger>,
    appender: u64,
    done: Arc<AtomicU64>,
) -> Result<(), ledger::LedgerError> {
    let begin = Instant::now();
    let mut number = appender << 32;
    while begin.elapsed() < TIME {
        // one request: its decision is waited for, its outcome is not
        let decision = decision(number);
        let outcome = Outcome::of(&decision, Ended::Complete);
        ledger.append(Record::Decision(decision)).await?;
        ledger.note(Record::Outcome(outcome))?;
        done.fetch_add(2, Ordering::Relaxed);
        number += 1;
    }
    Ok(())
}

fn measure(folder: &Path, appenders: u64) -> Result<(), Box<dyn Error>> {
    let (key, _) = SigningKey::generate()?;
    let ledger = Arc::new(Ledger::open(
        folder,
        ChainId::new("bench", 1)?,
        key,
        Arc::new(Still),
    )?);
    let done = Arc::new(AtomicU64::new(0));
    let before = processor_time()?;
    let begin = Instant::now();
    // one thread for all callers, so that the writer has the other core
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let append =
                |appender| tokio::spawn(append_for(ledger.clone(), appender, done.clone()));
            let tasks: Vec<_> = (0..appenders).map(append).collect();
            for task in tasks {
                task.await??;
            }
            Ok::<_, Box<dyn Error>>(())
        })?;
    let key = ledger.public_key();
    drop(ledger);
    let (time, cpu) = (begin.elapsed(), processor_time()?.saturating_sub(before));
    let records = done.load(Ordering::Relaxed);
    let rate = u128::from(records) * 1_000 / time.as_millis().max(1);
    let each = cpu.as_nanos() / u128::from(records.max(1));
    println!(
        "{appenders} appenders: {rate} durable records/s, {each} ns of processor time per record"
    );
    let begin = Instant::now();
    let mut trust = Trust::none();
    trust.add_key(key);
    let report = verify_folder(folder, trust)?;
    let rate = u128::from(report.lines) * 1_000 / begin.elapsed().as_millis().max(1);
    println!("verified at {rate} records/s, clean: {}", report.is_clean());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir_in(".")?;
    println!("one sync of 4 KiB: {:?}", sync_time(folder.path())?);
    for appenders in [1, 100, 1_000] {
        measure(&folder.path().join(appenders.to_string()), appenders)?;
    }
    Ok(())
}
