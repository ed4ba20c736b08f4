//! Leases of several replicas on one purse, one after the other and at once.

use domain::window::Period;
use domain::{Usd, limits};
use store::ledger::Batch;
use store::{LeaseAsk, Leased, Purse, Spending, Store};
use tokio::task::JoinSet;

use crate::bed::{Bed, at, on_both_engines};

const CAP: i64 = 1_000;

fn usd(nanos: i64) -> Usd {
    Usd::from_nanos(nanos)
}

fn purse(key: &str) -> Purse {
    Purse::new(key.to_owned(), Period::Daily, Period::Daily.window(at(0)).0)
}

fn ask(key: &str, granted: i64, used: i64, calls: &[i64]) -> LeaseAsk {
    LeaseAsk {
        purse: purse(key),
        cap: usd(CAP),
        granted: usd(granted),
        used: usd(used),
        calls: calls.iter().copied().map(usd).collect(),
    }
}

async fn one(bed: &Bed, chain: &str, ask: LeaseAsk) -> Leased {
    let leased = bed
        .store
        .lease(bed.org, &chain.into(), &[ask])
        .await
        .unwrap();
    leased.into_iter().next().unwrap()
}

/// So much is spent by a chain, as its ledger tells it: its records from `from` on.
async fn ships(bed: &Bed, chain: &str, from: u64, cost: i64) {
    let spending = Spending {
        org: bed.org,
        purse: "org".to_owned(),
        period: Period::Daily,
        at: at(0),
        cost: usd(cost),
    };
    let batch = Batch {
        spending: vec![spending],
        ..Batch::default()
    };
    let shipped = bed.store.ship(chain, from, from + 1, &batch).await;
    assert!(shipped.unwrap());
}

on_both_engines! {
    async fn what_one_replica_was_granted_no_other_is(bed) {
        let first = one(&bed, "gw-a", ask("org", 0, 0, &[200])).await;
        assert_eq!(first.grant.granted, usd(300));
        let second = one(&bed, "gw-b", ask("org", 0, 0, &[700])).await;
        assert_eq!((second.grant.granted, second.grant.is_short), (usd(700), false));
        let third = one(&bed, "gw-a", ask("org", 300, 300, &[1])).await;
        assert_eq!((third.grant.granted, third.grant.is_short), (usd(300), true));
        assert_eq!(third.elsewhere.committed, usd(700));
        // Somebody else's purse, period and window are others.
        assert!(!one(&bed, "gw-a", ask("per_a", 0, 0, &[1])).await.grant.is_short);
        // An answer that was lost is given again, and nothing is taken twice.
        for _ in 0..3 {
            assert_eq!(one(&bed, "gw-c", ask("per_b", 0, 0, &[200])).await.grant.granted, usd(300));
        }
        assert_eq!(one(&bed, "gw-d", ask("per_b", 0, 0, &[])).await.elsewhere.committed, usd(300));
    }

    async fn shipping_turns_a_grant_into_spending_and_frees_nothing(bed) {
        one(&bed, "gw-a", ask("org", 0, 0, &[500])).await;
        ships(&bed, "gw-a", 1, 400).await;
        let other = one(&bed, "gw-b", ask("org", 0, 0, &[])).await;
        assert_eq!((other.elsewhere.committed, other.elsewhere.spent), (usd(562), usd(400)));
        // More than was granted: what calls cost beyond what they held.
        ships(&bed, "gw-a", 2, 200).await;
        let other = one(&bed, "gw-b", ask("org", 0, 0, &[])).await;
        assert_eq!((other.elsewhere.committed, other.elsewhere.spent), (usd(600), usd(600)));
        assert_eq!(other.elsewhere.unproved(), usd(0));
    }

    async fn a_dead_replicas_grant_counts_as_spent_until_its_ledger_has_told(bed) {
        one(&bed, "gw-a", ask("org", 0, 0, &[800])).await;
        assert!(one(&bed, "gw-b", ask("org", 0, 0, &[300])).await.grant.is_short);
        ships(&bed, "gw-a", 1, 100).await;
        for released in [1, 0] {
            assert_eq!(bed.store.release_leases("gw-a").await.unwrap(), released);
            let other = one(&bed, "gw-b", ask("org", 0, 0, &[300])).await;
            assert_eq!((other.grant.is_short, other.elsewhere.committed), (false, usd(100)));
        }
    }

    async fn whoever_goes_short_calls_on_the_others_who_give_back(bed) {
        let (store, org) = (&bed.store, bed.org);
        one(&bed, "gw-a", ask("org", 0, 0, &[800])).await;
        assert_eq!(store.called_purses(org, 0).await.unwrap(), []);
        assert!(one(&bed, "gw-b", ask("org", 0, 0, &[300])).await.grant.is_short);
        let called = store.called_purses(org, 0).await.unwrap();
        assert_eq!(called, [(purse("org"), 1)]);
        assert_eq!(store.called_purses(org, 1).await.unwrap(), []);
        assert_eq!(store.watermarks(org).await.unwrap().policy_version, 0, "no other's number is touched");
        store.keep_leased(org, &"gw-a".into(), &[(purse("org"), usd(100))]).await.unwrap();
        assert!(!one(&bed, "gw-b", ask("org", 0, 0, &[300])).await.grant.is_short);
        // What is spent for certain nobody can give back, so nobody is called.
        ships(&bed, "gw-a", 1, 100).await;
        one(&bed, "gw-b", ask("org", 0, 0, &[900])).await;
        assert!(one(&bed, "gw-b", ask("org", 0, 0, &[901])).await.grant.is_short);
        assert_eq!(store.called_purses(org, 1).await.unwrap(), []);
        assert_eq!(store.purge_purses(org, at(-2 * 86_400_000)).await.unwrap(), 0);
        assert_eq!(store.purge_purses(org, at(0)).await.unwrap(), 1);
    }

    /// Eight replicas take and give two purses in both orders, and each ships into the same purses meanwhile.
    async fn however_many_ask_at_once_no_more_is_granted_than_there_is(bed) {
        let mut replicas = JoinSet::new();
        for replica in 0..8 {
            let store = if replica % 2 == 0 { bed.replica().await } else { bed.store.clone() };
            let bed = Bed { store, ..bed.clone() };
            replicas.spawn(async move {
                let chain = format!("gw-{replica}");
                let (mut granted, mut used) = ([0, 0], [0, 0]);
                for round in 0..10u64 {
                    let mut asks = vec![ask("org", granted[0], used[0], &[20]), ask("per_a", granted[1], used[1], &[30])];
                    if replica % 2 == 0 {
                        asks.reverse();
                    }
                    let leased = bed.store.lease(bed.org, &(&*chain).into(), &asks).await.unwrap();
                    for one in &leased {
                        let at = usize::from(one.purse.purse != "org");
                        granted[at] = one.grant.granted.nanos();
                        if !one.grant.is_short {
                            used[at] += [20, 30][at];
                        }
                        assert!(used[at] <= granted[at]);
                    }
                    ships(&bed, &chain, round + 1, 1).await;
                    let kept = [(purse("org"), usd(used[0])), (purse("per_a"), usd(used[1]))];
                    bed.store.keep_leased(bed.org, &(&*chain).into(), &kept).await.unwrap();
                    granted = used;
                }
                used
            });
        }
        let used = replicas.join_all().await;
        for at in [0, 1] {
            let sum: i64 = used.iter().map(|one| one[at]).sum();
            assert!(sum <= CAP && sum > CAP - 60, "{sum} of {CAP} was granted");
        }
    }

    async fn as_many_purses_as_one_transaction_takes_are_granted_at_once(bed) {
        let asks: Vec<LeaseAsk> = (0..limits::LEASES_AT_ONCE)
            .map(|number| ask(&format!("per_{number}"), 0, 0, &[8]))
            .collect();
        let leased = bed.store.lease(bed.org, &"gw-a".into(), &asks).await.unwrap();
        assert_eq!(leased.len(), limits::LEASES_AT_ONCE);
        assert!(leased.iter().all(|one| one.grant.granted == usd(132)));
        assert_eq!(bed.store.lease(bed.org, &"gw-a".into(), &[]).await.unwrap(), []);
    }
}

/// What `store` is to this file: the whole way of one purse, and nothing of another organisation's.
#[tokio::test]
async fn two_organisations_never_share_a_purse() {
    Bed::play(store::Engine::Sqlite, async |bed: Bed| {
        let other = bed.other_org().await;
        one(&bed, "gw-a", ask("org", 0, 0, &[1_000])).await;
        let store: &Store = &bed.store;
        let theirs = store
            .lease(other, &"gw-b".into(), &[ask("org", 0, 0, &[1_000])])
            .await
            .unwrap();
        assert!(!theirs[0].grant.is_short);
        assert_eq!(store.called_purses(other, 0).await.unwrap(), []);
    })
    .await;
}
