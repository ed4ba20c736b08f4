//! Money per period. A purse holds what was spent in its window and what open calls hold; a call fits when the sum of both and
//! its own estimate stays within the cap. Purses of a caller are kept for every period whether or not a budget names them, so
//! that usage can be shown and a budget set later counts from the start of its period.

use std::collections::HashMap;
use std::fmt;

use domain::policy::{Budget, BudgetFor};
use domain::reason::BudgetSpent;
use domain::window::Period;
use domain::{Reason, ReasonCode, Refusal, Subject, Timestamp, Usd};

/// Whose purse: printed as the scope key of the store's spend counters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// One caller's own.
    Own(Subject),
    /// A shared budget's, by its name.
    Shared(String),
    /// The whole organisation's.
    Org,
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(subject) => subject.fmt(out),
            Self::Shared(name) => write!(out, "shared:{name}"),
            Self::Org => out.write_str("org"),
        }
    }
}

impl Key {
    /// Reads what `Display` wrote; none for a text that no key prints as.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "org" {
            return Some(Self::Org);
        }
        if let Some(name) = text.strip_prefix("shared:") {
            return Some(Self::Shared(name.to_owned()));
        }
        let person = text.parse().map(Subject::Person).ok();
        person
            .or_else(|| text.parse().map(Subject::Service).ok())
            .map(Self::Own)
    }

    fn of(budget: &Budget, subject: Subject) -> Self {
        match budget.scope {
            BudgetFor::Person | BudgetFor::Member | BudgetFor::Service => Self::Own(subject),
            BudgetFor::Group => Self::Shared(budget.name.clone()),
            BudgetFor::Org => Self::Org,
        }
    }
}

/// Every purse a call of this caller is paid from: their own and the organisation's of each period, and those of shared budgets.
pub(super) fn paid_from(subject: Subject, budgets: &[Budget]) -> Vec<(Key, Period)> {
    let shared: Vec<&str> = budgets
        .iter()
        .filter(|budget| budget.scope == BudgetFor::Group)
        .map(|budget| &*budget.name)
        .collect();
    paid_from_names(subject, &shared)
}

/// The same, with the shared budgets by name: a shared purse is kept for every period, so that a budget whose period is changed
/// still knows what was spent.
pub fn paid_from_names(subject: Subject, shared: &[&str]) -> Vec<(Key, Period)> {
    let keys = |period| {
        let shared = shared
            .iter()
            .map(move |name| (Key::Shared((*name).to_owned()), period));
        [(Key::Own(subject), period), (Key::Org, period)]
            .into_iter()
            .chain(shared)
    };
    Period::ALL.into_iter().flat_map(keys).collect()
}

/// What one window holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Purse {
    window: Timestamp,
    pub(super) spent: Usd,
    held: Usd,
}

/// Every purse.
#[derive(Debug, Default)]
pub(super) struct Purses {
    current: HashMap<(Key, Period), Purse>,
    /// Of the window before, while calls that began in it are open.
    before: HashMap<(Key, Period), Purse>,
}

impl Purses {
    /// Says which hard budgets leave no room for this much more.
    pub(super) fn check(
        &self,
        subject: Subject,
        budgets: &[Budget],
        more: Usd,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut reasons = Vec::new();
        let mut spent_budget = None;
        for budget in budgets.iter().filter(|budget| budget.hard) {
            let Some(purse) = self.at(&Key::of(budget, subject), budget.period, now) else {
                // A stream from before the window before: nobody knows any more what it may use.
                reasons.push(Reason::plain(ReasonCode::BudgetSpent).by(&budget.name));
                continue;
            };
            let after = purse.spent.plus(purse.held).plus(more);
            if after > budget.amount_usd || purse.spent >= budget.amount_usd {
                let resets_at = budget.period.window(now).1;
                spent_budget.get_or_insert(BudgetSpent {
                    period: budget.period,
                    resets_at,
                });
                reasons.push(
                    Reason::new(ReasonCode::BudgetSpent, sentence(budget, &purse, resets_at))
                        .by(&budget.name),
                );
            }
        }
        let Some(mut refusal) = Refusal::from_reasons(reasons) else {
            return Ok(());
        };
        if let Some(spent) = spent_budget {
            let wait_s = spent.resets_at.ms_since(now).div_euclid(1_000) + 1;
            refusal.retry_after_s = Some(u32::try_from(wait_s).unwrap_or(u32::MAX));
        }
        refusal.budget = spent_budget;
        Err(refusal)
    }

    /// Holds money of every purse the call is paid from. Comes right after a check under the same lock. `now` lies in an earlier
    /// window when a stream that began in it goes on; then that one pays.
    pub(super) fn reserve(
        &mut self,
        subject: Subject,
        budgets: &[Budget],
        usd: Usd,
        now: Timestamp,
    ) {
        for (key, period) in paid_from(subject, budgets) {
            if let Some(purse) = self.turn(key, period, now) {
                purse.held = purse.held.plus(usd);
            }
        }
    }

    /// Gives back what was held at `taken_at` and counts what it cost in the same window.
    pub(super) fn settle(
        &mut self,
        subject: Subject,
        budgets: &[Budget],
        held: Usd,
        cost: Usd,
        taken_at: Timestamp,
    ) {
        for (key, period) in paid_from(subject, budgets) {
            let window = period.window(taken_at).0;
            let Some(purse) = self.find(&(key, period), window) else {
                continue; // The window is over: what it held went with it.
            };
            purse.held = Usd::max(purse.held.minus(held), Usd::ZERO);
            purse.spent = purse.spent.plus(cost);
        }
    }

    pub(super) fn own(&self, subject: Subject, period: Period, now: Timestamp) -> Purse {
        self.at(&Key::Own(subject), period, now).unwrap_or_default()
    }

    pub(super) fn restore(&mut self, key: &Key, period: Period, spent: Usd, now: Timestamp) {
        if let Some(purse) = self.turn(key.clone(), period, now) {
            purse.spent = purse.spent.plus(spent);
        }
    }

    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.current.retain(|(_, period), purse| {
            purse.held > Usd::ZERO || purse.window >= period.window(now).0
        });
        self.before.retain(|_, purse| purse.held > Usd::ZERO);
    }

    /// The purse as it stands in the window of `now`: empty when it was last used in an earlier one, none when it is forgotten.
    fn at(&self, key: &Key, period: Period, now: Timestamp) -> Option<Purse> {
        let window = period.window(now).0;
        let key = (key.clone(), period);
        match self.current.get(&key) {
            Some(purse) if purse.window == window => Some(*purse),
            Some(purse) if purse.window > window => self
                .before
                .get(&key)
                .copied()
                .filter(|purse| purse.window == window),
            _ => Some(Purse {
                window,
                ..Purse::default()
            }),
        }
    }

    /// The purse of this window, unless it is forgotten.
    fn find(&mut self, key: &(Key, Period), window: Timestamp) -> Option<&mut Purse> {
        let current = self.current.get_mut(key);
        current.filter(|purse| purse.window == window).or_else(|| {
            self.before
                .get_mut(key)
                .filter(|purse| purse.window == window)
        })
    }

    /// The purse, begun anew if the window of `now` is later than its own. An earlier window's is found while it is remembered.
    fn turn(&mut self, key: Key, period: Period, now: Timestamp) -> Option<&mut Purse> {
        let window = period.window(now).0;
        let fresh = Purse {
            window,
            ..Purse::default()
        };
        let key = (key, period);
        let purse = self.current.entry(key.clone()).or_insert(fresh);
        if purse.window < window {
            let over = std::mem::replace(purse, fresh);
            if over.held > Usd::ZERO {
                self.before.insert(key.clone(), over);
            } else {
                self.before.remove(&key);
            }
        }
        self.find(&key, window)
    }
}

fn sentence(budget: &Budget, purse: &Purse, resets_at: Timestamp) -> String {
    let whose = match budget.scope {
        BudgetFor::Person | BudgetFor::Member | BudgetFor::Service => "Your",
        BudgetFor::Group => "Your group's",
        BudgetFor::Org => "The organisation's",
    };
    let day = resets_at.to_string();
    let when = day.get(..16).unwrap_or(&day).replace('T', " ");
    let cap = budget.amount_usd.display_dollars();
    let period = budget.period.as_str();
    if purse.spent >= budget.amount_usd {
        format!("{whose} {period} budget of {cap} is used up; it begins anew at {when} UTC.")
    } else {
        format!(
            "{whose} {period} budget of {cap} has {} left, too little for this request; it begins anew at {when} UTC.",
            Usd::max(
                budget.amount_usd.minus(purse.spent).minus(purse.held),
                Usd::ZERO
            )
            .display_dollars()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::policy::Who;
    use domain::{PersonId, ServiceId};
    use proptest::prelude::*;

    fn ada() -> Subject {
        Subject::Person(PersonId::from_parts(1, 1))
    }

    fn budget(scope: BudgetFor, dollars: &str, period: Period) -> Budget {
        Budget {
            name: "staff".into(),
            who: Who::default(),
            scope,
            amount_usd: dollars.parse().unwrap(),
            period,
            hard: true,
        }
    }

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_unix_ms(text.parse::<i64>().unwrap())
    }

    #[test]
    fn open_calls_count_against_the_cap_before_they_are_settled() {
        let budgets = [budget(BudgetFor::Member, "1.00", Period::Monthly)];
        let mut purses = Purses::default();
        let now = at("1000");
        assert!(purses.check(ada(), &budgets, usd("0.60"), now).is_ok());
        purses.reserve(ada(), &budgets, usd("0.60"), now);
        let refusal = purses.check(ada(), &budgets, usd("0.60"), now).unwrap_err();
        assert_eq!(refusal.code(), ReasonCode::BudgetSpent);
        assert!(
            refusal
                .sentence()
                .contains("has $0.40 left, too little for this request"),
            "{}",
            refusal.sentence()
        );
        purses.settle(ada(), &budgets, usd("0.60"), usd("0.10"), now);
        assert!(purses.check(ada(), &budgets, usd("0.60"), now).is_ok());
    }

    #[test]
    fn a_shared_budget_is_spent_by_everyone_it_names() {
        let budgets = [budget(BudgetFor::Group, "1.00", Period::Daily)];
        let bob = Subject::Service(ServiceId::from_parts(2, 2));
        let mut purses = Purses::default();
        let now = at("1000");
        purses.reserve(ada(), &budgets, usd("0.90"), now);
        purses.settle(ada(), &budgets, usd("0.90"), usd("0.90"), now);
        assert!(purses.check(bob, &budgets, usd("0.20"), now).is_err());
    }

    #[test]
    fn a_budget_begins_anew_with_its_period_and_a_late_settlement_does_not_charge_the_new_one() {
        let budgets = [budget(BudgetFor::Member, "1.00", Period::Daily)];
        let (today, tomorrow) = (at("1000"), at("86400001"));
        let mut purses = Purses::default();
        purses.reserve(ada(), &budgets, usd("1.00"), today);
        assert!(purses.check(ada(), &budgets, usd("1.00"), tomorrow).is_ok());
        purses.reserve(ada(), &budgets, usd("0.20"), tomorrow);
        purses.settle(ada(), &budgets, usd("1.00"), usd("1.00"), today);
        assert_eq!(purses.own(ada(), Period::Daily, tomorrow).spent, Usd::ZERO);
    }

    #[test]
    fn a_stream_that_goes_on_after_midnight_leaves_the_new_days_purse_as_it_is() {
        let budgets = [budget(BudgetFor::Member, "1.00", Period::Daily)];
        let (today, tomorrow) = (at("1000"), at("86400001"));
        let mut purses = Purses::default();
        purses.reserve(ada(), &budgets, usd("0.10"), today);
        purses.reserve(ada(), &budgets, usd("0.70"), tomorrow);
        purses.settle(ada(), &budgets, usd("0.70"), usd("0.70"), tomorrow);
        purses.reserve(ada(), &budgets, usd("0.10"), today);
        assert_eq!(
            purses.own(ada(), Period::Daily, tomorrow).spent,
            usd("0.70")
        );
    }

    #[test]
    fn a_stream_from_before_midnight_is_held_to_the_budget_of_the_day_it_began() {
        let budgets = [budget(BudgetFor::Member, "1.00", Period::Daily)];
        let (today, tomorrow) = (at("1000"), at("86400001"));
        let mut purses = Purses::default();
        purses.reserve(ada(), &budgets, usd("0.60"), today);
        // Another call begins the new day, and what is swept is nothing that anybody holds.
        purses.reserve(ada(), &budgets, usd("0.10"), tomorrow);
        purses.sweep(tomorrow);
        assert!(purses.check(ada(), &budgets, usd("0.40"), today).is_ok());
        purses.reserve(ada(), &budgets, usd("0.40"), today);
        assert!(purses.check(ada(), &budgets, usd("0.01"), today).is_err());
        purses.settle(ada(), &budgets, usd("1.00"), usd("1.00"), today);
        assert!(purses.check(ada(), &budgets, usd("0.90"), tomorrow).is_ok());
        purses.sweep(tomorrow);
        assert!(purses.before.is_empty());
        assert!(
            purses.check(ada(), &budgets, usd("0.01"), today).is_err(),
            "a day that is forgotten has no room"
        );
    }

    #[test]
    fn a_soft_budget_never_refuses() {
        let mut soft = budget(BudgetFor::Org, "0", Period::Weekly);
        soft.hard = false;
        assert!(
            Purses::default()
                .check(ada(), &[soft], usd("5"), at("0"))
                .is_ok()
        );
    }

    #[test]
    fn a_purse_key_reads_back_what_it_prints() {
        for key in [
            Key::Own(ada()),
            Key::Own(Subject::Service(ServiceId::from_parts(1, 1))),
            Key::Org,
            Key::Shared("a b".into()),
        ] {
            assert_eq!(Key::parse(&key.to_string()), Some(key));
        }
        assert_eq!(Key::parse("nobody"), None);
    }

    proptest! {
        /// Whatever the order of calls, spending passes the cap by no more than what calls cost beyond their reservations.
        #[test]
        fn a_hard_budget_is_passed_by_no_more_than_the_reservation_error(
            calls in prop::collection::vec((1i64..500, 0i64..700, any::<bool>()), 1..80)
        ) {
            let cap = 1_000;
            let budgets = [budget(BudgetFor::Member, "0.000001", Period::Monthly)];
            let mut purses = Purses::default();
            let now = at("5000");
            let mut open = Vec::new();
            let mut error = 0;
            for (reserve, cost, close_one) in calls {
                let held = Usd::from_nanos(reserve);
                if purses.check(ada(), &budgets, held, now).is_ok() {
                    purses.reserve(ada(), &budgets, held, now);
                    open.push((reserve, cost));
                }
                if close_one && !open.is_empty() {
                    let (reserve, cost) = open.swap_remove(0);
                    error += (cost - reserve).max(0);
                    purses.settle(ada(), &budgets, Usd::from_nanos(reserve), Usd::from_nanos(cost), now);
                }
            }
            for (reserve, cost) in open {
                error += (cost - reserve).max(0);
                purses.settle(ada(), &budgets, Usd::from_nanos(reserve), Usd::from_nanos(cost), now);
            }
            let spent = purses.own(ada(), Period::Monthly, now).spent.nanos();
            prop_assert!(spent <= cap + error, "spent {spent}, cap {cap}, error {error}");
        }
    }
}
