//! Two replicas' purses on one store: what one was granted the other does not spend, what one does not need the other gets, and an
//! outage is never told as a spent budget.

use std::sync::Arc;
use std::time::Duration;

use domain::policy::document::{Document, Who};
use domain::policy::{Budget, BudgetFor, CallerPolicy};
use domain::window::Period;
use domain::{
    Caller, Clock as _, Credential, OrgId, PersonId, Policy, ReasonCode, Subject, Usage, Usd,
};
use pipeline::quota::desk::Desk;
use pipeline::quota::{Estimate, Extension, Quota, Reservation};
use store::Store;
use testkit::FakeClock;

/// One dollar a day, shared by all who spend it here.
const CAP: &str = "1.00";
/// A hanging test fails by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// A replica: its purses, and who serves them.
struct Replica {
    quota: Arc<Quota>,
    desk: Arc<Desk>,
    serving: tokio::task::JoinHandle<()>,
}

struct Place {
    clock: Arc<FakeClock>,
    store: Store,
    caller: Caller,
    policy: Arc<CallerPolicy>,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let url = format!("sqlite:{}", path.display());
        let store = Store::open(&url).await.unwrap();
        let org = OrgId::from_parts(1, 1);
        let org = store.ensure_org("northwind", org).await.unwrap();
        let caller = Caller {
            org,
            subject: Subject::Person(PersonId::from_parts(1, 1)),
            stable_id: "ada".into(),
            issuer: "northwind".into(),
            email: None,
            name: None,
            groups: std::collections::BTreeSet::new(),
            session: None,
            credential: Credential::Session,
        };
        let budget = Budget {
            name: "everyone".into(),
            who: Who::default(),
            scope: BudgetFor::Org,
            amount_usd: usd(CAP),
            period: Period::Daily,
            hard: true,
        };
        let policy = Policy::new(1, Document::default()).unwrap();
        let policy = policy.with_spend_limits(vec![budget]);
        Self {
            clock: Arc::new(FakeClock::new()),
            store,
            policy: Arc::new(policy.for_caller(&caller)),
            caller,
            _folder: folder,
        }
    }

    fn replica(&self, chain: &str) -> Replica {
        let quota = Arc::new(Quota::leasing());
        let desk = Arc::new(Desk {
            quota: Arc::clone(&quota),
            store: self.store.clone(),
            org: self.caller.org,
            writer: chain.into(),
            clock: self.clock.clone(),
        });
        let serves = Arc::clone(&desk);
        let serving = tokio::spawn(async move { serves.serve().await });
        Replica {
            quota,
            desk,
            serving,
        }
    }

    async fn reserve(&self, replica: &Replica, dollars: &str) -> Result<Reservation, ReasonCode> {
        let estimate = Estimate {
            usd: usd(dollars),
            input_tokens: 1,
        };
        let now = self.clock.now();
        let reserved = replica
            .quota
            .reserve(&self.caller, &self.policy, estimate, now);
        reserved.await.map_err(|refusal| refusal.code())
    }

    async fn spend(&self, replica: &Replica, dollars: &str) -> Result<(), ReasonCode> {
        let held = self.reserve(replica, dollars).await?;
        held.settle(&Usage::default(), usd(dollars));
        Ok(())
    }
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

#[tokio::test]
async fn two_replicas_spend_a_budget_to_its_last_cent_and_not_beyond() {
    let place = Place::new().await;
    let (a, b) = (place.replica("gw-a"), place.replica("gw-b"));
    let mut spent = 0;
    // Who has waited in vain for what the other did not need is refused for now, and finds it a little later.
    let all_of_it = async {
        for replica in [&a, &b].into_iter().cycle() {
            match place.spend(replica, "0.02").await {
                Ok(()) => spent += 2,
                Err(code) => assert_eq!(code, ReasonCode::BudgetSpent),
            }
            if spent == 100 {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, all_of_it).await.unwrap();
    for replica in [&a, &b, &a, &b] {
        let more = place.spend(replica, "0.02").await;
        assert_eq!(more, Err(ReasonCode::BudgetSpent));
    }
}

#[tokio::test]
async fn what_one_replica_does_not_need_the_other_gets_when_it_goes_short() {
    let place = Place::new().await;
    let (a, b) = (place.replica("gw-a"), place.replica("gw-b"));
    let held = place.reserve(&a, "0.80").await.unwrap();
    // It was held for the whole answer, and the answer was short.
    held.settle(&Usage::default(), usd("0.01"));
    assert_eq!(place.spend(&b, "0.90").await, Ok(()));
    let refused = place.spend(&a, "0.20").await;
    assert_eq!(refused, Err(ReasonCode::BudgetSpent));
    assert_eq!(place.spend(&a, "0.09").await, Ok(()));
}

#[tokio::test]
async fn what_another_replica_holds_is_not_spent_and_nobody_waits_for_it_twice() {
    let place = Place::new().await;
    let (a, b) = (place.replica("gw-a"), place.replica("gw-b"));
    let held = place.reserve(&a, "0.80").await.unwrap();
    let mut called = Vec::new();
    for _ in 0..2 {
        assert_eq!(place.spend(&b, "0.50").await, Err(ReasonCode::BudgetSpent));
        let latest = place.store.called_purses(place.caller.org, 0).await;
        called.push(latest.unwrap()[0].1);
    }
    assert!(called[0] > 1, "it did not wait for the others");
    assert!(
        called[1] <= called[0] + 1,
        "it waited for them in vain again"
    );
    drop(held);
}

#[tokio::test]
async fn whoever_is_refused_again_and_again_costs_the_store_next_to_nothing() {
    let place = Place::new().await;
    let (a, b) = (place.replica("gw-a"), place.replica("gw-b"));
    let _held = place.reserve(&a, "0.90").await.unwrap();
    for _ in 0..1_000 {
        assert_eq!(place.spend(&b, "0.50").await, Err(ReasonCode::BudgetSpent));
    }
    let called = place.store.called_purses(place.caller.org, 0).await;
    let called = called.unwrap()[0].1;
    assert!(called < 100, "the others were called on {called} times");
    // What is small enough to fit is asked for all the same.
    assert_eq!(place.spend(&b, "0.05").await, Ok(()));
}

#[tokio::test]
async fn without_its_store_a_replica_spends_what_it_was_granted_and_then_says_that_it_is_an_outage()
{
    let place = Place::new().await;
    let a = place.replica("gw-a");
    assert_eq!(place.spend(&a, "0.10").await, Ok(()));
    place.store.close().await;
    // One in eight of what was free came with the first call.
    assert_eq!(place.spend(&a, "0.10").await, Ok(()));
    assert_eq!(
        place.spend(&a, "0.10").await,
        Err(ReasonCode::StoreUnavailable)
    );
}

#[tokio::test]
async fn an_answer_goes_on_once_more_is_granted_and_a_short_budget_ends_it() {
    let place = Place::new().await;
    let a = place.replica("gw-a");
    let mut held = place.reserve(&a, "0.10").await.unwrap();
    let mut waited = 0;
    loop {
        match held.extend(usd("0.15")) {
            Extension::Held => {}
            Extension::Waits(granted) => {
                waited += 1;
                if let Err(code) = granted.await {
                    assert_eq!(code, ReasonCode::BudgetSpent);
                    break;
                }
            }
            Extension::Refused(code) => {
                assert_eq!(code, ReasonCode::BudgetSpent);
                break;
            }
        }
    }
    assert_eq!((held.held(), waited > 0), (usd("1.00"), true));
}

#[tokio::test]
async fn a_replica_that_ends_gives_back_all_it_does_not_need() {
    let place = Place::new().await;
    let (a, b) = (place.replica("gw-a"), place.replica("gw-b"));
    let held = place.reserve(&a, "0.30").await.unwrap();
    held.settle(&Usage::default(), usd("0.10"));
    assert!(a.quota.leased().unwrap().unused >= usd("0.20"));
    a.serving.abort();
    a.desk.close().await;
    assert_eq!(a.quota.leased().unwrap().unused, Usd::ZERO);
    assert_eq!(place.spend(&b, "0.90").await, Ok(()));
}

#[tokio::test]
async fn a_replica_that_died_keeps_from_the_others_no_more_than_it_was_granted() {
    let place = Place::new().await;
    let (a, b) = (place.replica("gw-a"), place.replica("gw-b"));
    assert_eq!(place.spend(&a, "0.20").await, Ok(()));
    a.serving.abort();
    // 0.20, and one in eight of the 0.80 that were free.
    assert_eq!(place.spend(&b, "0.71").await, Err(ReasonCode::BudgetSpent));
    assert_eq!(place.spend(&b, "0.70").await, Ok(()));
    // It comes back, and its ledger has told what it spent.
    let at = place.clock.now();
    let spending = store::Spending {
        org: place.caller.org,
        purse: "org".to_owned(),
        period: Period::Daily,
        at,
        cost: usd("0.20"),
    };
    let told = store::ledger::Batch {
        spending: vec![spending],
        ..store::ledger::Batch::default()
    };
    assert!(place.store.ship("gw-a", 1, 2, &told).await.unwrap());
    place.store.release_leases("gw-a").await.unwrap();
    assert_eq!(place.spend(&b, "0.10").await, Ok(()));
}

#[tokio::test]
async fn an_idle_grant_goes_back_by_itself() {
    let place = Place::new().await;
    let a = place.replica("gw-a");
    assert_eq!(place.spend(&a, "0.10").await, Ok(()));
    assert!(a.quota.leased().unwrap().unused > Usd::ZERO);
    place.clock.advance_ms(domain::limits::LEASE_IDLE_MS + 1);
    let gone = async {
        while a.quota.leased().unwrap().unused > Usd::ZERO {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(PATIENCE, gone).await;
    gone.expect("it is given back");
}
