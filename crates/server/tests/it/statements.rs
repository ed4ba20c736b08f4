//! Whatever calls the ledger holds: every statement's lines add up to its total, and its total is the ledger's to the last digit.

use std::collections::BTreeSet;
use std::sync::Arc;

use control::statements::{self, By, Statement, Sum, Wanted};
use control::{Actor, Control};
use domain::{
    ClientKind, Clock, Ids as _, OrgId, PersonId, Reason, ReasonCode, Refusal, RequestId,
    ServiceId, Subject, Timestamp, Usage, Usd,
};
use ledger::record::{Decision, Door, Ended, Origin, Outcome, Verdict};
use ledger::{ChainId, Ledger, Record, SigningKey};
use store::{Seen, Store};
use testkit::{FakeClock, SeededIds};

const HOUR_MS: i64 = 3_600_000;

/// One call, as drawn.
#[derive(Debug)]
struct Call {
    who: u8,
    model: Option<u8>,
    nanos: i64,
    tokens: u64,
    unpriced: bool,
    estimated: bool,
    refused: bool,
    /// How much later than the one before it ended.
    later_ms: i64,
}

/// Draws numbers that a seed repeats.
struct Dice(SeededIds);

impl Dice {
    fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end
    }

    fn small(&self, end: u8) -> u8 {
        u8::try_from(self.below(end.into())).unwrap()
    }

    fn amount(&self, end: i64) -> i64 {
        i64::try_from(self.below(end.unsigned_abs())).unwrap()
    }

    fn call(&self) -> Call {
        Call {
            who: self.small(7),
            model: Some(self.small(4)).filter(|model| *model < 3),
            // Often nothing, often a fraction of a cent, and up to two thousand dollars.
            nanos: match self.small(3) {
                0 => 0,
                1 => self.amount(10_000_000),
                _ => self.amount(2_000_000_000_000),
            },
            tokens: self.below(1_000_000),
            unpriced: self.small(4) == 0,
            estimated: self.small(3) == 0,
            refused: self.small(5) == 0,
            later_ms: self.amount(2 * HOUR_MS),
        }
    }
}

/// Four people, two services, and a call that names nobody.
fn subject(who: u8) -> Option<Subject> {
    match who {
        0..=3 => Some(Subject::Person(PersonId::from_parts(1, who.into()))),
        4 | 5 => Some(Subject::Service(ServiceId::from_parts(1, who.into()))),
        _ => None,
    }
}

fn record(call: &Call, number: u64) -> Record {
    let request = RequestId::from_parts(number, 1);
    if call.refused {
        let origin = Origin::new(domain::Client::from_headers(None, None), None);
        let mut decision = Decision::new(request, origin, Door::Inference, "messages");
        let reason = Reason::new(ReasonCode::CredentialMissing, "no credential");
        decision.verdict = Verdict::refused(&Refusal::one(reason));
        return Record::Decision(decision);
    }
    let mut outcome = Outcome::new(request, Ended::Complete);
    outcome.subject = subject(call.who);
    outcome.model = call.model.map(|model| format!("model-{model}").into());
    outcome.client = call.model.map(|_| ClientKind::ClaudeCode);
    outcome.cost = Usd::from_nanos(call.nanos);
    outcome.usage = Usage {
        input_tokens: call.tokens,
        ..Usage::default()
    };
    (outcome.unpriced, outcome.estimated) = (call.unpriced, call.estimated);
    Record::Outcome(outcome)
}

struct Place {
    control: Control,
    clock: FakeClock,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Store::open(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
        let org = store.ensure_org("northwind", OrgId::from_parts(1, 1)).await;
        let clock = FakeClock::at(Timestamp::from_unix_ms(490_000 * HOUR_MS));
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let (key, _) = SigningKey::generate().unwrap();
        let chain: ChainId = "gw.1".parse().unwrap();
        let spool = folder.path().join("ledger");
        let ledger = Ledger::open(&spool, chain, key, Arc::clone(&shared)).unwrap();
        let control = Control {
            org: org.unwrap(),
            vouching: Arc::default(),
            store,
            ledger: Arc::new(ledger),
            clock: shared,
            ids: Arc::new(SeededIds::new(1)),
            vault: store::vault_key::VaultKey::new(store::secrets::SealingKey::new([7; 32])),
            parsed: control::ParsedPolicy::default(),
        };
        Self {
            control,
            clock,
            folder,
        }
    }

    /// The people, in some groups each.
    async fn people(&self) {
        for (who, groups) in [(0, &["a"][..]), (1, &["b", "a"]), (2, &["c"]), (3, &[])] {
            let seen = Seen {
                org: self.control.org,
                issuer: "entra",
                stable_id: &who.to_string(),
                email: None,
                name: Some("=1+1"),
                groups: &groups.iter().map(|group| (*group).to_owned()).collect(),
                stated: self.clock.now(),
                made: self.clock.now(),
                at: self.clock.now(),
            };
            let new = PersonId::from_parts(1, who);
            self.control.store.upsert_person(seen, new).await.unwrap();
        }
    }

    /// Writes these calls into the ledger and ships it.
    async fn write(&self, calls: &[Call]) {
        let ledger = &self.control.ledger;
        for (number, call) in calls.iter().enumerate() {
            self.clock.advance_ms(call.later_ms);
            ledger.append(record(call, number as u64)).await.unwrap();
        }
        let spool = self.folder.path().join("ledger");
        let (store, org) = (&self.control.store, self.control.org);
        pipeline::ship::catch_up(store, org, &spool, ledger)
            .await
            .unwrap();
    }

    async fn statement(&self, by: By, (from, to): (i64, i64)) -> Statement {
        let machine = Actor::command_line("the test");
        let groups = ["a", "b", "none"].map(str::to_owned);
        let wanted = Wanted {
            from: Timestamp::from_unix_ms(from),
            to: Timestamp::from_unix_ms(to),
            by,
            groups: if by == By::Group {
                groups.to_vec()
            } else {
                Vec::new()
            },
        };
        statements::make(&self.control.operation(&machine), wanted)
            .await
            .unwrap()
    }

    /// What the ledger itself says of the time, from its own lines: calls, nano-dollars, and those of estimated and unpriced calls.
    fn of_the_ledger(&self, (from, to): (i64, i64)) -> [i128; 4] {
        let mut sums = [0; 4];
        for entry in std::fs::read_dir(self.folder.path().join("ledger")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "ndjson") {
                continue;
            }
            for line in std::fs::read_to_string(path).unwrap().lines() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let at = line["time"].as_i64().unwrap_or(i64::MIN);
                let record = &line["record"];
                let kind = record["kind"].as_str();
                if !(from..to).contains(&at) || !matches!(kind, Some("decision" | "outcome")) {
                    continue;
                }
                let cost: Usd = record["cost"].as_str().unwrap_or("0").parse().unwrap();
                let nanos = i128::from(cost.nanos());
                sums[0] += 1;
                sums[1] += nanos;
                match (record["unpriced"].as_bool(), record["estimated"].as_bool()) {
                    (Some(true), _) => sums[3] += nanos,
                    (_, Some(true)) => sums[2] += nanos,
                    _ => {}
                }
            }
        }
        sums
    }
}

fn figures(sum: &Sum) -> [i128; 4] {
    let nanos = |money: Usd| i128::from(money.nanos());
    [
        sum.requests.into(),
        nanos(sum.cost),
        nanos(sum.estimated),
        nanos(sum.unpriced),
    ]
}

async fn holds(calls: &[Call], from_hour: i64, hours: i64) {
    let place = Place::new().await;
    place.people().await;
    place.write(calls).await;
    let from = (490_000 + from_hour) * HOUR_MS;
    let range = (from, from + hours * HOUR_MS);
    let truth = place.of_the_ledger(range);
    for by in By::ALL {
        let statement = place.statement(by, range).await;
        assert_eq!(figures(&statement.total), truth, "{by}");
        let mut added = Sum::default();
        let mut seen = BTreeSet::new();
        for line in &statement.lines {
            added.add(&line.sum);
            assert!(seen.insert(line.of.clone()), "{by}: two lines of one");
        }
        assert_eq!(added, statement.total, "{by}");
        let rest = statement.lines.last().unwrap();
        assert_eq!(rest.of, None, "{by}");
        if by == By::Group {
            // Who is in both counts to the first that was named.
            let of: Vec<_> = statement
                .lines
                .iter()
                .map(|line| line.of.as_deref())
                .collect();
            assert_eq!(of, [Some("a"), Some("b"), Some("none"), None]);
            assert_eq!(statement.lines[1].sum, Sum::default());
        }
        let csv = statements::as_csv(&statement);
        assert_eq!(csv.lines().count(), statement.lines.len() + 2);
        assert!(!csv.contains(",=1+1"), "{csv}");
    }
    place.control.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_add_up_to_the_total_and_the_total_is_the_ledgers_whatever_was_called() {
    for seed in 0..16 {
        let dice = Dice(SeededIds::new(seed));
        let calls: Vec<Call> = (0..dice.below(24)).map(|_| dice.call()).collect();
        let (from_hour, hours) = (dice.amount(6), 1 + dice.amount(40));
        println!("seed {seed}");
        holds(&calls, from_hour, hours).await;
    }
}
