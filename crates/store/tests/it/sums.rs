//! What is told of many at once: sums by the hour, callers, reasons, one caller's use, how many people, and what ids are called.
//! Each of one organisation alone.

use domain::{Usage, Usd};
use store::ledger::Batch;
use store::{Certainty, LedgerRow, PeopleCount, RefusalHour, UsageHour};

use crate::bed::{Bed, at, on_both_engines};

const HOUR_MS: i64 = 3_600_000;

fn used(bed: &Bed, subject: &str, (hour, outcome): (i64, &str)) -> UsageHour {
    UsageHour {
        org: bed.org,
        at: at(hour * HOUR_MS),
        subject: subject.to_owned(),
        model: if outcome == "refused" {
            String::new()
        } else {
            "claude-opus-5-5".to_owned()
        },
        client: "claude_code".to_owned(),
        upstream: "first".to_owned(),
        outcome: outcome.to_owned(),
        usage: Usage::default(),
        cost: Usd::from_cents(if outcome == "refused" { 0 } else { 3 }),
        certainty: Certainty::Known,
        requests: 1,
    }
}

async fn ship(bed: &Bed) {
    let refusal = |hour: i64, code| RefusalHour {
        org: bed.org,
        at: at(hour * HOUR_MS),
        code,
    };
    let row = |seq, kind: &str| LedgerRow {
        org: bed.org,
        at: at(0),
        seq,
        kind: kind.to_owned(),
        request_id: Some(format!("req_{}", seq / 2)),
        subject: None,
        body: format!("{{\"seq\":{seq}}}"),
    };
    let batch = Batch {
        rows: vec![row(1, "outcome"), row(2, "decision"), row(3, "outcome")],
        usage: vec![
            used(bed, "per_a", (0, "complete")),
            used(bed, "per_a", (0, "refused")),
            used(bed, "per_b", (1, "complete")),
            used(bed, "svc_c", (1, "complete")),
        ],
        refusals: vec![
            refusal(0, "budget_spent"),
            refusal(0, "client_too_old"),
            refusal(1, "client_too_old"),
        ],
        ..Batch::default()
    };
    assert!(bed.store.ship("gw-1.1", 1, 4, &batch).await.unwrap());
}

on_both_engines! {
    async fn sums_are_told_by_hour_caller_and_reason(bed) {
        ship(&bed).await;
        let (store, org, range) = (&bed.store, bed.org, (at(0), at(2 * HOUR_MS)));
        let hours = store.usage_by_hour(org, range.0, range.1).await.unwrap();
        let hours: Vec<_> = hours.iter().map(|hour| (hour.hour, hour.requests, hour.refused, hour.cost)).collect();
        assert_eq!(hours, [(at(0), 2, 1, Usd::from_cents(3)), (at(HOUR_MS), 2, 0, Usd::from_cents(6))]);
        assert_eq!(store.callers(org, range.0, range.1).await.unwrap(), (2, 1));
        assert_eq!(store.callers(org, range.0, at(1)).await.unwrap(), (1, 0));
        let reasons = store.refusals(org, range.0, range.1).await.unwrap();
        let reasons: Vec<_> = reasons.iter().map(|sum| (sum.code.as_str(), sum.refusals)).collect();
        assert_eq!(reasons, [("client_too_old", 2), ("budget_spent", 1)]);
        let of = store.usage_of(org, "per_a", range).await.unwrap();
        let of: Vec<_> = of.iter().map(|sum| (sum.of.as_str(), sum.requests, sum.refused)).collect();
        assert_eq!(of, [("claude-opus-5-5", 1, 0), ("", 1, 1)]);
        let other = bed.other_org().await;
        assert_eq!(store.usage_by_hour(other, range.0, range.1).await.unwrap(), []);
        assert_eq!(store.refusals(other, range.0, range.1).await.unwrap(), []);
        assert_eq!(store.usage_of(other, "per_a", range).await.unwrap(), []);
    }

    async fn calls_to_connectors_are_told_by_minute_of_those_who_made_many(bed) {
        let used = |ms, connector: &str, subject: &str| store::ConnectorUse {
            org: bed.org,
            at: at(ms),
            connector: connector.to_owned(),
            subject: subject.to_owned(),
            is_shaped: false,
        };
        for (chain, moments) in [("a", [0, 59_999, 60_000]), ("b", [1, 60_001, 180_000])] {
            let mut connector_uses: Vec<_> = moments.iter().map(|ms| used(*ms, "crm", "per_a")).collect();
            connector_uses.push(used(5, "crm", "per_b"));
            connector_uses.push(used(5, "wiki", "per_a"));
            let shaped = |ms, subject| store::ConnectorUse { is_shaped: true, ..used(ms, "wiki", subject) };
            connector_uses.extend([shaped(59_999, "per_a"), shaped(60_000, "per_a"), shaped(7, "per_b")]);
            let batch = Batch { connector_uses, ..Batch::default() };
            assert!(bed.store.ship(chain, 1, 2, &batch).await.unwrap());
        }
        let minutes = async |org, since, calls_min| {
            let minutes = bed.store.connector_minutes(org, at(since), calls_min).await.unwrap();
            let told = minutes.into_iter().map(|m| (m.connector, m.subject, m.minute, m.calls));
            told.collect::<Vec<_>>()
        };
        let of_a = |minute, calls| ("crm".to_owned(), "per_a".to_owned(), at(minute), calls);
        assert_eq!(minutes(bed.org, 0, 3).await, [of_a(0, 3), of_a(60_000, 2), of_a(180_000, 1)]);
        assert_eq!(minutes(bed.org, 60_000, 3).await, [of_a(60_000, 2), of_a(180_000, 1)]);
        assert_eq!(minutes(bed.org, 0, 2).await.len(), 5);
        assert_eq!(minutes(bed.other_org().await, 0, 1).await, []);
        let shaped = async |org, since| {
            let found = bed.store.shaped_answers(org, at(since)).await.unwrap();
            let told = found.into_iter().map(|m| (m.connector, m.subject, m.answers, m.last));
            told.collect::<Vec<_>>()
        };
        let of = |subject: &str, answers, last| ("wiki".to_owned(), subject.to_owned(), answers, at(last));
        assert_eq!(shaped(bed.org, 0).await, [of("per_a", 4, 60_000), of("per_b", 2, 0)]);
        assert_eq!(shaped(bed.org, 60_000).await, [of("per_a", 2, 60_000)]);
        assert_eq!(shaped(bed.other_org().await, 0).await, []);
        let later = Batch { connector_uses: vec![used(9 * 24 * HOUR_MS, "crm", "per_b")], ..Batch::default() };
        assert!(bed.store.ship("a", 2, 3, &later).await.unwrap());
        assert_eq!(minutes(bed.org, 0, 1).await.len(), 1, "what is long ago is forgotten");
    }

    async fn who_spent_most_comes_first_and_nobodys_purse_is_a_persons(bed) {
        let spending = |purse: &str, cents| store::Spending {
            org: bed.org,
            purse: purse.to_owned(),
            period: domain::window::Period::Daily,
            at: at(0),
            cost: Usd::from_cents(cents),
        };
        for (chain, purses) in [("a", [("per_a", 3), ("org", 9), ("svc_b", 5)]), ("b", [("per_a", 4), ("per_c", 6), ("shared:x", 7)])] {
            let batch = Batch {
                spending: purses.iter().map(|(purse, cents)| spending(purse, *cents)).collect(),
                ..Batch::default()
            };
            assert!(bed.store.ship(chain, 1, 2, &batch).await.unwrap());
        }
        let most = |org, limit| bed.store.most_spent(org, domain::window::Period::Daily, at(5), limit);
        let expected = [("per_a".to_owned(), Usd::from_cents(7)), ("per_c".to_owned(), Usd::from_cents(6))];
        assert_eq!(most(bed.org, 9).await.unwrap(), expected);
        assert_eq!(most(bed.org, 1).await.unwrap(), expected[..1]);
        assert_eq!(most(bed.other_org().await, 9).await.unwrap(), []);
    }

    async fn a_sensors_last_word_is_the_newest_whoever_told_it(bed) {
        let (store, org, other) = (&bed.store, bed.org, bed.other_org().await);
        for ms in [5, 9, 7] {
            store.note_sensor(org, "telemetry", at(ms)).await.unwrap();
        }
        assert_eq!(store.sensor_words(org).await.unwrap()["telemetry"], at(9));
        assert!(store.sensor_words(other).await.unwrap().is_empty());
        assert_eq!(store.last_used(org).await.unwrap(), None);
        ship(&bed).await;
        assert_eq!(store.last_used(org).await.unwrap(), Some(at(HOUR_MS)));
        assert_eq!(store.last_used(other).await.unwrap(), None);
    }

    async fn another_replica_is_known_by_its_newest_record_that_was_shipped(bed) {
        ship(&bed).await;
        let (store, org, other) = (&bed.store, bed.org, bed.other_org().await);
        assert_eq!(store.other_chains(org, "gw-2.1").await.unwrap(), [], "nobody writes it");
        let writer = store::Writer { chain: "gw-1.1".to_owned(), holder: Some("one".to_owned()) };
        assert_eq!(store.claim_chain(&writer, None, None).await.unwrap(), None);
        let known = store.other_chains(org, "gw-2.1").await.unwrap();
        assert_eq!((known[0].chain.as_str(), known[0].newest), ("gw-1.1", at(0)));
        assert_eq!(store.other_chains(org, "gw-1.1").await.unwrap(), [], "one's own is no other");
        assert_eq!(store.other_chains(other, "gw-2.1").await.unwrap(), []);
    }

    async fn people_are_counted_and_called_by_name(bed) {
        let (ada, bob) = (bed.person("ada").await, bed.person("bob").await);
        let robot = bed.service("robot").await;
        let (store, org) = (&bed.store, bed.org);
        store.shut_out(org, bob.id, at(5), "left").await.unwrap();
        let known = store.people_of(org, &[ada.id, bob.id, domain::PersonId::from_parts(9, 9)]).await.unwrap();
        assert_eq!(known.len(), 2);
        let count = store.people_count(org).await.unwrap();
        assert_eq!(count, PeopleCount { all: 2, may_come_in: 1 });
        let ids = [ada.id.to_string(), robot.to_string(), "per_nobody".to_owned()];
        let labels = store.labels(org, &ids).await.unwrap();
        assert_eq!(labels[&ids[0]], "Ada");
        assert_eq!(labels[&ids[1]], "robot");
        assert_eq!(labels.len(), 2);
        let other = bed.other_org().await;
        assert!(store.labels(other, &ids).await.unwrap().is_empty());
        assert!(store.people_of(other, &[ada.id]).await.unwrap().is_empty());
        assert_eq!(store.people_count(other).await.unwrap(), PeopleCount::default());
    }

    async fn a_record_is_found_by_its_place_and_outcomes_by_their_requests(bed) {
        ship(&bed).await;
        let (store, org, other) = (&bed.store, bed.org, bed.other_org().await);
        let place: store::search::Place = format!("{}.2.gw-1.1", at(0).unix_ms()).parse().unwrap();
        let found = store.record_at(org, &place).await.unwrap().unwrap();
        assert_eq!((found.kind.as_str(), found.body.as_str()), ("decision", "{\"seq\":2}"));
        assert_eq!(store.record_at(other, &place).await.unwrap(), None);
        let requests = ["req_0", "req_1", "req_9"].map(str::to_owned);
        let mut outcomes = store.outcomes_of(org, &requests).await.unwrap();
        outcomes.sort();
        assert_eq!(outcomes, ["{\"seq\":1}", "{\"seq\":3}"]);
        assert!(store.outcomes_of(other, &requests).await.unwrap().is_empty());
        assert!(store.outcomes_of(org, &[]).await.unwrap().is_empty());
    }
}
