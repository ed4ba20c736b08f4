//! Budgets under a clock that is set back: in one process, and over a start with what the store knows.

use std::sync::Arc;

use domain::policy::document::{Document, Who};
use domain::policy::{Budget, BudgetFor};
use domain::window::Period;
use domain::{
    Caller, Clock as _, Credential, OrgId, PersonId, Policy, ReasonCode, Subject, Timestamp, Usage,
    Usd, limits,
};
use pipeline::quota::budget::paid_from_names;
use pipeline::quota::{Estimate, Quota};
use pipeline::ship;
use store::ledger::Batch;
use store::{Spending, Store};
use testkit::FakeClock;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A caller with a hard budget of one dollar, and everything their money is counted in.
struct Purse {
    clock: FakeClock,
    quota: Arc<Quota>,
    store: Store,
    caller: Caller,
    policy: Arc<domain::policy::CallerPolicy>,
    shipped: u64,
    _folder: tempfile::TempDir,
}

impl Purse {
    async fn new(period: Period, now: Timestamp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Store::open(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
        let org = store
            .ensure_org("northwind", OrgId::from_parts(1, 1))
            .await
            .unwrap();
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
            name: "staff".into(),
            who: Who::default(),
            scope: BudgetFor::Member,
            amount_usd: usd("1.00"),
            period,
            hard: true,
        };
        let policy = Policy::new(1, Document::default())
            .unwrap()
            .with_spend_limits(vec![budget]);
        Self {
            clock: FakeClock::at(now),
            quota: Arc::new(Quota::default()),
            store,
            policy: Arc::new(policy.for_caller(&caller)),
            caller,
            shipped: 0,
            _folder: folder,
        }
    }

    /// One call, from its reservation to the store's sums.
    async fn spend(&mut self, dollars: &str) -> Result<(), ReasonCode> {
        let cost = usd(dollars);
        let estimate = Estimate {
            usd: cost,
            input_tokens: 1,
        };
        let now = self.clock.now();
        let reservation = self
            .quota
            .reserve(&self.caller, &self.policy, estimate, now)
            .await
            .map_err(|refusal| refusal.code())?;
        let at = reservation.charged_at();
        reservation.settle(&Usage::default(), cost);
        let spending = paid_from_names(self.caller.subject, &[])
            .into_iter()
            .map(|(key, period)| Spending {
                org: self.caller.org,
                purse: key.to_string(),
                period,
                at,
                cost,
            })
            .collect();
        let batch = Batch {
            spending,
            ..Batch::default()
        };
        let from = self.shipped + 1;
        let shipped = self.store.ship("gw-1", from, from + 1, &batch).await;
        assert!(shipped.unwrap());
        self.shipped = from;
        Ok(())
    }

    /// As a process that has just started.
    async fn restart(&mut self) {
        self.quota = Arc::new(Quota::default());
        let (org, now) = (self.caller.org, self.clock.now());
        ship::restore(&self.store, org, "gw-1", &self.quota, now)
            .await
            .unwrap();
    }

    fn standing(&self, period: Period) -> (Usd, Timestamp) {
        let now = self.clock.now();
        let standing = self
            .quota
            .standing(self.caller.subject, &self.policy, now)
            .into_iter()
            .find(|standing| standing.period == period)
            .unwrap();
        (standing.spent, standing.resets_at)
    }
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// A moment of November 2026, UTC; the 21st is a Saturday.
fn november(day: i64, hour: i64, minute: i64) -> Timestamp {
    let midnight_of_the_21st = Timestamp::from_unix_s(1_795_219_200);
    midnight_of_the_21st.plus_ms((day - 21) * DAY_MS + hour * HOUR_MS + minute * 60_000)
}

#[tokio::test]
async fn a_clock_that_steps_back_over_a_window_resets_no_purse() {
    for (period, last_hour) in [
        (Period::Daily, november(21, 23, 30)),
        (Period::Weekly, november(22, 23, 30)),
        (Period::Monthly, november(30, 23, 30)),
    ] {
        let mut purse = Purse::new(period, last_hour).await;
        assert_eq!(purse.spend("0.90").await, Ok(()));
        purse.clock.advance_ms(HOUR_MS);
        assert_eq!(
            purse.spend("0.90").await,
            Ok(()),
            "{period:?}: a new window"
        );
        // Back over the boundary, forth, far back, and to and fro in small steps.
        for step_ms in [-HOUR_MS, HOUR_MS, -3 * DAY_MS, 3 * DAY_MS, -1, 1, -HOUR_MS] {
            purse.clock.advance_ms(step_ms);
            assert_eq!(
                purse.spend("0.50").await,
                Err(ReasonCode::BudgetSpent),
                "{period:?} after a step of {step_ms} ms"
            );
        }
        assert_eq!(purse.spend("0.05").await, Ok(()));
        let end = period.window(last_hour.plus_ms(HOUR_MS)).1;
        assert_eq!(purse.standing(period), (usd("0.95"), end));
        purse.quota.sweep(purse.clock.now());
        assert_eq!(
            purse.standing(period).0,
            usd("0.95"),
            "swept while set back"
        );
        // When the clock has caught up with the window's end, it begins anew, once.
        purse.clock.set(end);
        assert_eq!(purse.spend("0.90").await, Ok(()));
        assert_eq!(purse.spend("0.90").await, Err(ReasonCode::BudgetSpent));
    }
}

#[tokio::test]
async fn a_start_with_a_clock_set_back_goes_on_in_the_windows_that_are_stored() {
    let mut purse = Purse::new(Period::Daily, november(22, 0, 30)).await;
    assert_eq!(purse.spend("0.90").await, Ok(()));
    for step_ms in [-HOUR_MS, 0, -10 * DAY_MS, 10 * DAY_MS] {
        purse.clock.advance_ms(step_ms);
        purse.restart().await;
        assert_eq!(purse.spend("0.50").await, Err(ReasonCode::BudgetSpent));
        assert_eq!(purse.standing(Period::Daily).0, usd("0.90"));
        // What nobody has spent yet is not in the way.
        assert_eq!(purse.standing(Period::Weekly).0, usd("0.90"));
    }
    // What is spent meanwhile is counted where it is found again.
    assert_eq!(purse.spend("0.05").await, Ok(()));
    purse.restart().await;
    assert_eq!(purse.standing(Period::Daily).0, usd("0.95"));
    purse.clock.advance_ms(DAY_MS + HOUR_MS);
    purse.restart().await;
    assert_eq!(purse.spend("0.90").await, Ok(()));
}

#[tokio::test]
async fn money_spent_in_a_far_future_does_not_hold_up_budgets_for_ever() {
    let mut purse = Purse::new(Period::Daily, november(21, 10, 0)).await;
    let today = purse.clock.now();
    purse.clock.set(today.plus_ms(40 * 365 * DAY_MS));
    assert_eq!(purse.spend("0.90").await, Ok(()));
    purse.clock.set(today);
    assert_eq!(purse.spend("0.50").await, Err(ReasonCode::BudgetSpent));
    purse.restart().await;
    assert_eq!(purse.spend("0.90").await, Ok(()));
    assert_eq!(purse.spend("0.90").await, Err(ReasonCode::BudgetSpent));
    const { assert!(limits::CLOCK_BACK_MAX_MS >= 31 * DAY_MS) };
}
