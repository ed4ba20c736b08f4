//! The ledger's copy: a batch counts once, whole or not at all, whoever ships beside it.

use domain::window::Period;
use domain::{OrgId, Usage, Usd};
use store::ledger::Batch;
use store::{
    Certainty, LedgerRow, Spending, Spent, Store, StoreError, UsageBy, UsageHour, UsageSum,
};

use crate::bed::{Bed, at, on_both_engines};

/// Records `from..to`, each one call of `subject` for a cent.
fn batch(org: OrgId, subject: &str, from: u64, to: u64) -> Batch {
    let mut batch = Batch::default();
    for seq in from..to {
        batch.rows.push(LedgerRow {
            org,
            at: at(0),
            seq,
            kind: "outcome".to_owned(),
            request_id: Some(format!("req_{seq}")),
            subject: Some(subject.to_owned()),
            body: format!("{{\"seq\":{seq}}}"),
        });
        batch
            .usage
            .push(usage(org, subject, "claude-opus-5-5", "completed"));
        for (purse, period) in [(subject, Period::Daily), ("org", Period::Monthly)] {
            let purse = purse.to_owned();
            batch.spending.push(Spending {
                org,
                purse,
                period,
                at: at(0),
                cost: Usd::from_cents(1),
            });
        }
    }
    batch
}

fn usage(org: OrgId, subject: &str, model: &str, outcome: &str) -> UsageHour {
    UsageHour {
        org,
        at: at(0),
        requests: 1,
        subject: subject.to_owned(),
        model: model.to_owned(),
        client: "claude_code".to_owned(),
        upstream: "anthropic".to_owned(),
        outcome: outcome.to_owned(),
        usage: Usage {
            input_tokens: 10,
            output_tokens: 3,
            cache_write_1h_tokens: 2,
            cache_read_tokens: 1,
            ..Usage::default()
        },
        cost: Usd::from_cents(1),
        certainty: Certainty::Known,
    }
}

async fn org_spent(store: &Store, org: OrgId) -> Usd {
    store
        .spent_by(org, "org", Period::Monthly, at(0))
        .await
        .unwrap()
}

/// The copy, its cursor and its sums say the same.
async fn agrees(bed: &Bed, chain: &str, records: u64) {
    assert_eq!(bed.store.ledger_cursor(chain).await.unwrap(), records + 1);
    let cents = i64::try_from(records).unwrap();
    assert_eq!(
        bed.count("SELECT COUNT(*) FROM ledger_records").await,
        cents
    );
    assert_eq!(org_spent(&bed.store, bed.org).await, Usd::from_cents(cents));
    let (requests, cost) = used(&bed.store, bed.org).await;
    assert_eq!((requests, cost), (records, Usd::from_cents(cents)));
}

/// Calls and money of the first hour.
async fn used(store: &Store, org: OrgId) -> (u64, Usd) {
    let range = (at(0), at(1));
    let sums = store.usage_sums(org, UsageBy::Model, range, 1_000).await;
    let add = |(requests, cost): (u64, Usd), sum: &UsageSum| {
        (requests + sum.requests, cost.plus(sum.cost))
    };
    sums.unwrap().iter().fold((0, Usd::ZERO), add)
}

on_both_engines! {
    async fn a_batch_moves_the_cursor_and_every_sum(bed) {
        let store = &bed.store;
        agrees(&bed, "gw-1.1", 0).await;
        assert!(store.ship("gw-1.1", 1, 201, &batch(bed.org, "per_a", 1, 201)).await.unwrap());
        agrees(&bed, "gw-1.1", 200).await;
        for (chain, here, elsewhere) in [("gw-1.1", 200, 0), ("gw-2.1", 0, 200)] {
            let daily = store.spent(bed.org, chain, Period::Daily, at(0)).await.unwrap();
            let (here, elsewhere) = (Usd::from_cents(here), Usd::from_cents(elsewhere));
            assert_eq!(daily, [Spent { purse: "per_a".to_owned(), here, elsewhere }]);
        }
        assert_eq!(store.spent(bed.org, "gw-1.1", Period::Daily, at(86_400_000)).await.unwrap(), []);
        assert_eq!(store.spent_by(bed.org, "nobody", Period::Daily, at(0)).await.unwrap(), Usd::ZERO);
        let days = [at(0), at(-86_400_000)].map(|day| Spending {
            org: bed.org,
            purse: "per_a".to_owned(),
            period: Period::Daily,
            at: day,
            cost: Usd::from_cents(1),
        });
        let two_days = Batch { spending: days.into(), ..Batch::default() };
        assert!(store.ship("gw-2.1", 1, 2, &two_days).await.unwrap());
        let latest = store.latest_window(bed.org, Period::Daily).await.unwrap();
        assert_eq!(latest, Some(Period::Daily.window(at(0)).0));
        let other = bed.other_org().await;
        assert_eq!(store.latest_window(other, Period::Daily).await.unwrap(), None);
        assert_eq!(org_spent(store, other).await, Usd::ZERO);
        assert_eq!(used(store, other).await, (0, Usd::ZERO));
    }

    async fn a_record_is_found_by_its_request_kind_and_organisation(bed) {
        let store = &bed.store;
        assert!(store.ship("c", 1, 4, &batch(bed.org, "per_a", 1, 4)).await.unwrap());
        let other = bed.other_org().await;
        for (org, request, kind, found) in [
            (bed.org, "req_2", "outcome", Some("{\"seq\":2}")),
            (bed.org, "req_2", "decision", None),
            (bed.org, "req_9", "outcome", None),
            (other, "req_2", "outcome", None),
        ] {
            let record = store.record_of_request(org, request, kind).await.unwrap();
            assert_eq!(record.as_deref(), found, "{request} {kind}");
        }
    }

    async fn a_batch_shipped_again_changes_nothing(bed) {
        let batch = batch(bed.org, "per_a", 1, 6);
        assert!(bed.store.ship("c", 1, 6, &batch).await.unwrap());
        assert!(!bed.store.ship("c", 1, 6, &batch).await.unwrap());
        agrees(&bed, "c", 5).await;
    }

    /// A spool that was lost and begun anew under the same name; its spending would count nowhere.
    async fn a_chain_begun_anew_under_its_old_name_is_not_taken_for_shipped(bed) {
        assert!(bed.store.ship("c", 1, 6, &batch(bed.org, "per_a", 1, 6)).await.unwrap());
        let mut anew = batch(bed.org, "per_b", 1, 4);
        anew.rows[2].body.insert(0, ' ');
        let refused = bed.store.ship("c", 1, 4, &anew).await;
        assert!(matches!(refused, Err(StoreError::Fork(3))), "{refused:?}");
        agrees(&bed, "c", 5).await;
    }

    /// A copy of a spool that went on by itself.
    async fn records_that_do_not_follow_what_was_shipped_are_a_fork(bed) {
        let linked = |from, to, follows: Option<&str>, hash: Option<&str>| Batch {
            follows: follows.map(str::to_owned),
            hash: hash.map(str::to_owned),
            ..batch(bed.org, "per_a", from, to)
        };
        assert!(bed.store.ship("c", 1, 4, &linked(1, 4, Some("zero"), Some("three"))).await.unwrap());
        assert_eq!(bed.store.ledger_end("c").await.unwrap(), (4, Some("three".to_owned())));
        let forked = bed.store.ship("c", 4, 6, &linked(4, 6, Some("other"), Some("five"))).await;
        assert!(matches!(forked, Err(StoreError::Fork(3))), "{forked:?}");
        let forked = bed.store.ship("c", 1, 4, &linked(1, 4, Some("zero"), Some("other"))).await;
        assert!(matches!(forked, Err(StoreError::Fork(3))), "{forked:?}");
        agrees(&bed, "c", 3).await;
        // What is the same may come again, and what is not known holds up nothing.
        assert!(!bed.store.ship("c", 1, 4, &linked(1, 4, Some("zero"), Some("three"))).await.unwrap());
        assert!(bed.store.ship("c", 4, 5, &linked(4, 5, Some("three"), None)).await.unwrap());
        assert!(bed.store.ship("c", 5, 6, &linked(5, 6, Some("four"), Some("five"))).await.unwrap());
        agrees(&bed, "c", 5).await;
    }

    async fn one_batch_shipped_by_many_at_once_counts_once(bed) {
        let mut shippers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let bed = bed.clone();
            shippers.spawn(async move {
                bed.store.ship("c", 1, 6, &batch(bed.org, "per_a", 1, 6)).await.unwrap()
            });
        }
        let moved = shippers.join_all().await;
        assert_eq!(moved.iter().filter(|moved| **moved).count(), 1);
        agrees(&bed, "c", 5).await;
    }

    /// A caller who took "not now" for "shipped before" would lose what lies beyond the cursor.
    async fn a_batch_that_overlaps_or_leaves_a_gap_is_refused_with_the_place_to_cut(bed) {
        assert!(bed.store.ship("c", 1, 4, &batch(bed.org, "per_a", 1, 4)).await.unwrap());
        for (from, to) in [(1, 6), (2, 6), (5, 6), (9, 12)] {
            let refused = bed.store.ship("c", from, to, &batch(bed.org, "per_a", from, to)).await;
            assert!(matches!(refused, Err(StoreError::Cursor { next: 4 })), "{from}..{to}");
        }
        agrees(&bed, "c", 3).await;
        assert!(bed.store.ship("c", 4, 6, &batch(bed.org, "per_a", 4, 6)).await.unwrap());
        agrees(&bed, "c", 5).await;
    }

    async fn a_record_outside_the_batchs_numbers_is_refused(bed) {
        for seq in [0, 4, u64::MAX] {
            let mut odd = batch(bed.org, "per_a", 1, 4);
            odd.rows[1].seq = seq;
            let refused = bed.store.ship("c", 1, 4, &odd).await;
            assert!(matches!(refused, Err(StoreError::OutsideBatch(found)) if found == seq));
        }
        let mut twice = batch(bed.org, "per_a", 1, 4);
        twice.rows[1].seq = 1;
        assert!(bed.store.ship("c", 1, 4, &twice).await.unwrap_err().nothing_written());
        agrees(&bed, "c", 0).await;
    }

    /// Replicas change the same rows of sums; taken in any order they would wait for each other in a circle.
    async fn replicas_that_ship_at_once_do_not_stand_in_each_others_way(bed) {
        let stores = [bed.store.clone(), bed.replica().await];
        let mut replicas = tokio::task::JoinSet::new();
        for (number, store) in stores.iter().cloned().enumerate() {
            let org = bed.org;
            replicas.spawn(async move {
                for from in (1..=91).step_by(10) {
                    let mut mixed = Batch::default();
                    for seq in from..from + 10 {
                        // One replica meets people in one order, the other in the opposite one.
                        let person = if number == 0 { seq } else { from + from + 9 - seq };
                        let one = batch(org, &format!("per_{person}"), seq, seq + 1);
                        mixed.rows.extend(one.rows);
                        mixed.usage.extend(one.usage);
                        mixed.spending.extend(one.spending);
                    }
                    let chain = format!("gw-{number}");
                    assert!(store.ship(&chain, from, from + 10, &mixed).await.unwrap());
                }
            });
        }
        replicas.join_all().await;
        assert_eq!(org_spent(&bed.store, bed.org).await, Usd::from_cents(200));
        let people = bed.store.usage_by_person(bed.org, at(0), at(1), 1_000).await.unwrap();
        assert_eq!(people.len(), 100);
        assert!(people.iter().all(|person| person.requests == 2 && person.cost == Usd::from_cents(2)));
        stores[1].close().await;
    }

    async fn usage_is_summed_by_person_and_by_model_with_refusals_apart(bed) {
        let org = bed.org;
        let mut batch = Batch::default();
        for (subject, model, outcome, times) in [
            ("per_a", "opus", "completed", 3),
            ("per_a", "haiku", "completed", 1),
            ("per_b", "opus", "cut", 2),
            ("per_b", "", "refused", 4),
        ] {
            for _ in 0..times {
                let mut one = usage(org, subject, model, outcome);
                if outcome == "refused" {
                    (one.usage, one.cost) = (Usage::default(), Usd::ZERO);
                }
                batch.usage.push(one);
            }
        }
        let mut later = usage(org, "per_a", "opus", "completed");
        later.at = at(3_600_000);
        batch.usage.push(later);
        assert!(bed.store.ship("c", 1, 2, &batch).await.unwrap());
        let people = bed.store.usage_by_person(org, at(0), at(1), 10).await.unwrap();
        let brief: Vec<_> = people.iter().map(|it| (it.of.as_str(), it.requests, it.refused, it.cost)).collect();
        assert_eq!(brief, [("per_a", 4, 0, Usd::from_cents(4)), ("per_b", 6, 4, Usd::from_cents(2))]);
        let tokens = |it: &UsageSum| {
            (it.input_tokens, it.output_tokens, it.cache_write_tokens, it.cache_read_tokens)
        };
        assert_eq!(tokens(&people[0]), (40, 12, 8, 4));
        let models = bed.store.usage_by_model(org, at(0), at(7_200_000), 2).await.unwrap();
        let brief: Vec<_> = models.iter().map(|it| (it.of.as_str(), it.requests)).collect();
        assert_eq!(brief, [("opus", 6), ("haiku", 1)]);
        assert_eq!(bed.store.usage_by_model(bed.other_org().await, at(0), at(1), 9).await.unwrap(), []);
    }

    /// A provider that reports nonsense must not hold up the copy for ever.
    async fn absurd_counts_and_prices_are_taken_without_overflow(bed) {
        for seq in 1..4 {
            let mut absurd = batch(bed.org, "per_a", seq, seq + 1);
            let tokens = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, ..Usage::default() };
            (absurd.usage[0].usage, absurd.usage[0].cost) = (tokens, Usd::MAX);
            absurd.spending[1].cost = Usd::MAX;
            assert!(bed.store.ship("c", seq, seq + 1, &absurd).await.unwrap());
        }
        assert_eq!(org_spent(&bed.store, bed.org).await, Usd::from_cents(300_000_000));
        let (requests, cost) = used(&bed.store, bed.org).await;
        assert_eq!((requests, cost), (3, Usd::from_cents(300_000_000)));
    }

    /// A dropped call may still be committed after the drop, so looking at once proves nothing; making it again must.
    async fn a_call_dropped_at_any_point_and_made_again_counts_once(bed) {
        let mut from = 1;
        for delay_us in (0..4_000).step_by(80) {
            let to = from + 5;
            let batch = batch(bed.org, "per_a", from, to);
            let limit = std::time::Duration::from_micros(delay_us);
            drop(tokio::time::timeout(limit, bed.store.ship("c", from, to, &batch)).await);
            // Whether this one writes or finds it written, either is an answer.
            bed.store.ship("c", from, to, &batch).await.unwrap();
            agrees(&bed, "c", to - 1).await;
            from = to;
        }
    }
}

/// A record of the system that is a checkpoint or something else.
fn of_the_system(org: OrgId, seq: u64, ms: i64, event: &str) -> LedgerRow {
    LedgerRow {
        org,
        at: at(ms),
        seq,
        kind: "system".to_owned(),
        request_id: None,
        subject: None,
        body: format!(
            "{{\"kind\":\"system\",\"event\":\"{event}\",\"detail\":\"\\\"event\\\":\\\"checkpoint\\\",\"}}"
        ),
    }
}

on_both_engines! {
    async fn checkpoints_come_newest_first_and_are_those_of_the_organisation(bed) {
        let store = &bed.store;
        let other = bed.other_org().await;
        for (chain, org, rows) in [
            ("a.1", bed.org, vec![(1, 10, "checkpoint"), (2, 20, "start"), (3, 20, "checkpoint")]),
            ("b.1", bed.org, vec![(1, 20, "checkpoint"), (2, 30, "stop")]),
            ("c.1", other, vec![(1, 20, "checkpoint")]),
        ] {
            let rows: Vec<_> = rows.into_iter().map(|(seq, ms, event)| of_the_system(org, seq, ms, event)).collect();
            let to = rows.len() as u64 + 1;
            let batch = Batch { rows, ..Batch::default() };
            assert!(store.ship(chain, 1, to, &batch).await.unwrap());
        }
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (found, more) = store.checkpoint_records(bed.org, None, after.as_ref(), 1).await.unwrap();
            let place = found[0].0.clone();
            seen.push(format!("{} {}", place.chain, place.seq));
            after = Some(place);
            if !more {
                break;
            }
        }
        assert_eq!(seen, ["b.1 1", "a.1 3", "a.1 1"]);
        let (found, more) = store.checkpoint_records(bed.org, Some("a.1"), None, 9).await.unwrap();
        assert_eq!((found.len(), more), (2, false));
        assert!(store.checkpoint_records(bed.org, Some("c.1"), None, 9).await.unwrap().0.is_empty());
        for (org, chain, seq, is_there) in [
            (bed.org, "a.1", 3, true),
            (bed.org, "a.1", 2, false),
            (bed.org, "a.1", u64::MAX, false),
            (bed.org, "c.1", 1, false),
            (other, "c.1", 1, true),
        ] {
            let found = store.checkpoint_record(org, chain, seq).await.unwrap();
            assert_eq!(found.is_some(), is_there, "{chain} {seq}");
        }
    }
}
