//! Limits and money: what a call may use is taken before it goes out and settled when it ends.
//!
//! One book under one lock holds every counter, so checking all limits and budgets of a call and taking from them is a single
//! step: under any concurrency a hard budget is never passed by more than the difference between what a call was reserved and
//! what it cost. A [`Reservation`] that is dropped gives back what it took. Called by [`crate::Pipeline`] alone.
//!
//! Budgets' windows only move forward: a clock that is set back finds the purses of the latest moment it ever showed, so that
//! nobody spends a budget twice. Minutes follow the clock wherever it goes, for a minute counted anew is a small gift and an hour
//! without a new minute would be an outage.
//!
//! Where several replicas spend the same budgets, each spends what it was granted of them and asks for more before that is used up.
//!
//! - [`rate`]: requests, tokens and concurrency, per caller and calendar minute
//! - [`budget`]: money per day, week and month, of one caller or shared
//! - [`leases`]: what of it this replica was granted
//! - [`desk`]: how that comes from the store, and goes back

pub mod budget;
pub mod desk;
pub mod leases;
pub mod rate;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::policy::{Budget, CallerPolicy};
use domain::window::Period;
use domain::{Caller, ReasonCode, Refusal, Subject, Timestamp, Usage, Usd, limits};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use budget::{Key, NoRoom, Place, Purses};
use desk::{Obtained, Round};
use leases::Leasing;
use rate::Minute;

/// What a call is expected to use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Money.
    pub usd: Usd,
    /// Input tokens.
    pub input_tokens: u64,
}

/// Every counter of this replica.
#[derive(Debug, Default)]
pub struct Quota {
    book: Mutex<Book>,
    /// Rung when something is asked of the store.
    bell: Notify,
    rounds: watch::Sender<Round>,
}

#[derive(Debug, Default)]
struct Book {
    minutes: HashMap<Subject, Minute>,
    purses: Purses,
    /// The latest moment that was ever shown.
    latest: Timestamp,
}

impl Book {
    /// The moment that budgets go by.
    fn moment(&mut self, now: Timestamp) -> Timestamp {
        self.latest = self.latest.max(now);
        self.latest
    }
}

/// How one budget stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its period.
    pub period: Period,
    /// When it begins anew.
    pub resets_at: Timestamp,
    /// The cap; none when the caller has no budget of their own for this period.
    pub cap: Option<Usd>,
    /// Spent and settled.
    pub spent: Usd,
}

impl Standing {
    /// Spent as a share of the cap; one or more when it is used up, zero without a cap.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share for display needs no more than 53 bits"
    )]
    pub fn utilization(&self) -> f64 {
        match self.cap {
            Some(cap) if cap > Usd::ZERO => self.spent.nanos() as f64 / cap.nanos() as f64,
            Some(_) => 1.0,
            None => 0.0,
        }
    }
}

/// What one call asks for.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    caller: &'a Caller,
    policy: &'a Arc<CallerPolicy>,
    estimate: Estimate,
    now: Timestamp,
}

impl Quota {
    /// For one replica of several: of hard budgets it spends what it was granted. Somebody must serve its [`desk::Desk`].
    pub fn leasing() -> Self {
        let quota = Self::default();
        quota.lock().purses.leases = Some(leases::Leases::default());
        quota
    }

    /// Takes what the call may use, or says which limits and budgets refuse it; then nothing was taken. Waits only where a hard
    /// budget has room and this replica has not been granted it yet; an outage of the store is refused as one.
    pub async fn reserve(
        self: &Arc<Self>,
        caller: &Caller,
        policy: &Arc<CallerPolicy>,
        estimate: Estimate,
        now: Timestamp,
    ) -> Result<Reservation, Refusal> {
        let asked = Asked {
            caller,
            policy,
            estimate,
            now,
        };
        let until = Instant::now() + Duration::from_millis(limits::LEASE_WAIT_MS);
        let mut short = Vec::new();
        loop {
            let wants = match self.take(asked, &short) {
                Ok(reservation) => return Ok(reservation),
                Err(NoRoom::Refused(refusal)) => return Err(refusal),
                Err(NoRoom::Unleased(wants)) => wants,
            };
            match Arc::clone(self).obtain(wants, until).await {
                Obtained::Room => short.clear(),
                Obtained::Short(places) => short = places,
                Obtained::Away => return Err(Refusal::plain(ReasonCode::StoreUnavailable)),
            }
        }
    }

    /// As [`Quota::reserve`], without waiting.
    #[cfg(test)]
    pub(crate) fn reserve_now(
        self: &Arc<Self>,
        caller: &Caller,
        policy: &Arc<CallerPolicy>,
        estimate: Estimate,
        now: Timestamp,
    ) -> Result<Reservation, NoRoom> {
        let asked = Asked {
            caller,
            policy,
            estimate,
            now,
        };
        self.take(asked, &[])
    }

    fn take(self: &Arc<Self>, asked: Asked<'_>, short: &[Place]) -> Result<Reservation, NoRoom> {
        let Asked {
            caller,
            policy,
            estimate,
            now,
        } = asked;
        let mut book = self.lock();
        let charged_at = book.moment(now);
        let Book {
            minutes, purses, ..
        } = &mut *book;
        if policy.limits.is_empty() {
            // Nothing to count: keep no row for this caller.
        } else {
            let minute = minutes.entry(caller.subject).or_default();
            minute
                .check(&policy.limits, estimate.input_tokens, now)
                .map_err(NoRoom::Refused)?;
        }
        let (subject, budgets) = (caller.subject, &policy.budgets);
        purses.check(subject, budgets, estimate.usd, charged_at, short)?;
        if !policy.limits.is_empty() {
            minutes
                .entry(caller.subject)
                .or_default()
                .take(estimate.input_tokens);
        }
        let asks = purses.reserve(subject, budgets, estimate.usd, charged_at);
        drop(book);
        if asks {
            self.bell.notify_one();
        }
        Ok(Reservation {
            quota: Arc::clone(self),
            subject: caller.subject,
            policy: Arc::clone(policy),
            held: estimate,
            first_held: estimate.usd,
            taken_at: now,
            charged_at,
            open: true,
        })
    }

    /// How the caller's own budgets and spending stand, one entry per period.
    pub fn standing(
        &self,
        subject: Subject,
        policy: &CallerPolicy,
        now: Timestamp,
    ) -> Vec<Standing> {
        let mut book = self.lock();
        let now = book.moment(now);
        Period::ALL
            .into_iter()
            .map(|period| Standing {
                period,
                resets_at: period.window(now).1,
                cap: policy.own_budget(period).map(|budget| budget.amount_usd),
                spent: book.purses.own(subject, period, now),
            })
            .collect()
    }

    /// Sets what was spent before this process began, by this replica and by all others, in the window around `at`. From then on it
    /// is no earlier than `at`.
    pub fn restore(&self, key: &Key, period: Period, spent: (Usd, Usd), at: Timestamp) {
        let mut book = self.lock();
        let at = book.moment(at);
        book.purses.restore(key, period, spent, at);
    }

    /// Whether other replicas spend the same purses.
    fn is_shared(&self) -> bool {
        self.lock().purses.leases.is_some()
    }

    /// Notes what other replicas have spent of a purse by now.
    fn learn(&self, key: &Key, period: Period, elsewhere: Usd, now: Timestamp) {
        let mut book = self.lock();
        let now = book.moment(now);
        book.purses.learn(key, period, elsewhere, now);
    }

    /// What this replica was granted of hard budgets; none where it needs no grants.
    pub fn leased(&self) -> Option<Leasing> {
        let mut book = self.lock();
        book.purses.leases.is_some().then(|| book.purses.leasing())
    }

    /// Forgets counters of minutes and periods that are over. Called once a minute.
    pub fn sweep(&self, now: Timestamp) {
        let mut book = self.lock();
        book.minutes.retain(|_, minute| minute.is_live(now));
        let now = book.moment(now);
        book.purses.sweep(now);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // Every change under the lock is complete before it can panic, so a poisoned book is still whole.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether more could be held.
pub enum Extension {
    /// It is.
    Held,
    /// It is not, for this reason.
    Refused(ReasonCode),
    /// This replica has not been granted it yet. After this has succeeded it can be tried again.
    Waits(Waiting),
}

/// The end of waiting for a grant, or why there is none.
pub type Waiting = Pin<Box<dyn Future<Output = Result<(), ReasonCode>> + Send>>;

impl std::fmt::Debug for Extension {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Held => "held",
            Self::Refused(code) => code.as_str(),
            Self::Waits(_) => "waits",
        })
    }
}

/// What one call holds. Settled once with what the call really used, or given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    quota: Arc<Quota>,
    subject: Subject,
    policy: Arc<CallerPolicy>,
    held: Estimate,
    /// What was held before any extension.
    first_held: Usd,
    /// By the clock, for minutes.
    taken_at: Timestamp,
    /// By the book, for budgets.
    charged_at: Timestamp,
    open: bool,
}

impl Reservation {
    /// The money held now.
    pub fn held(&self) -> Usd {
        self.held.usd
    }

    /// The money held at first.
    pub fn first_held(&self) -> Usd {
        self.first_held
    }

    /// The moment whose windows are charged, here and when the outcome is counted in the store.
    pub fn charged_at(&self) -> Timestamp {
        self.charged_at
    }

    /// Holds this much more, for a stream that goes on, unless a hard budget has no room for it.
    pub fn extend(&mut self, more: Usd) -> Extension {
        let mut book = self.quota.lock();
        let budgets: &[Budget] = &self.policy.budgets;
        // In the windows that pay: what a stream of yesterday's uses is not asked of today's budget.
        let at = self.charged_at;
        match book.purses.check(self.subject, budgets, more, at, &[]) {
            Ok(()) => {}
            Err(NoRoom::Refused(_)) => return Extension::Refused(ReasonCode::BudgetSpent),
            Err(NoRoom::Unleased(wants)) => {
                let until = Instant::now() + Duration::from_millis(limits::LEASE_WAIT_MS);
                let obtained = Arc::clone(&self.quota).obtain(wants, until);
                return Extension::Waits(Box::pin(async move {
                    match obtained.await {
                        Obtained::Room => Ok(()),
                        Obtained::Short(_) => Err(ReasonCode::BudgetSpent),
                        Obtained::Away => Err(ReasonCode::StoreUnavailable),
                    }
                }));
            }
        }
        let asks = book.purses.reserve(self.subject, budgets, more, at);
        drop(book);
        self.held.usd = self.held.usd.plus(more);
        if asks {
            self.quota.bell.notify_one();
        }
        Extension::Held
    }

    /// Ends the reservation: what was held is given back and what was used is counted.
    pub fn settle(mut self, usage: &Usage, cost: Usd) {
        self.close(Some((usage, cost)));
    }

    /// Ends the reservation of a call whose use nobody saw: all that was held counts as used. Gives the money.
    pub fn settle_as_held(mut self) -> Usd {
        let usage = Usage {
            input_tokens: self.held.input_tokens,
            ..Usage::default()
        };
        let cost = self.held.usd;
        self.close(Some((&usage, cost)));
        cost
    }

    fn close(&mut self, used: Option<(&Usage, Usd)>) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        let mut book = self.quota.lock();
        if let Some(minute) = book.minutes.get_mut(&self.subject) {
            minute.end(
                self.held.input_tokens,
                self.taken_at,
                used.map(|(usage, _)| usage),
            );
        }
        let cost = used.map_or(Usd::ZERO, |(_, cost)| cost);
        book.purses.settle(
            self.subject,
            &self.policy.budgets,
            self.held.usd,
            cost,
            self.charged_at,
        );
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.close(None);
    }
}
