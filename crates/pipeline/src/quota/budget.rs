//! Money per period. A purse holds what was spent in its window and what open calls hold; a call fits when the sum of both and
//! its own estimate stays within the cap. Purses of a caller are kept for every period whether or not a budget names them, so
//! that usage can be shown and a budget set later counts from the start of its period. Where other replicas spend the same purses, a
//! call must fit into what this one was granted as well ([`super::leases`]).

use std::collections::HashMap;
use std::fmt;

use domain::lease::Elsewhere;
use domain::policy::{Budget, BudgetFor};
use domain::reason::BudgetSpent;
use domain::window::Period;
use domain::{Reason, ReasonCode, Refusal, Subject, Timestamp, Usd};

use super::leases::{Lease, Leases, Want, Wants};

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

    pub(super) fn of(budget: &Budget, subject: Subject) -> Self {
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

/// One purse in one window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) key: Key,
    pub(super) period: Period,
    pub(super) window: Timestamp,
}

/// What one window holds.
#[derive(Debug, Default)]
pub(super) struct Purse {
    window: Timestamp,
    /// Settled here.
    spent: Usd,
    held: Usd,
    /// Settled by other replicas, as far as it is known here.
    pub(super) elsewhere: Usd,
    /// What may be spent of it here; none until it was asked for.
    pub(super) lease: Option<Box<Lease>>,
}

impl Purse {
    fn of(window: Timestamp) -> Self {
        Self {
            window,
            ..Self::default()
        }
    }

    /// Spent and held here.
    pub(super) fn used(&self) -> Usd {
        self.spent.plus(self.held)
    }

    pub(super) fn granted(&self) -> Usd {
        self.lease.as_ref().map_or(Usd::ZERO, |lease| lease.granted)
    }

    fn view(&self) -> View {
        let told = self.lease.as_ref().map(|lease| lease.told.elsewhere);
        View {
            spent: self.spent.plus(self.elsewhere),
            held: self.held,
            used_here: self.used(),
            granted: self.granted(),
            unproved: told.map_or(Usd::ZERO, Elsewhere::unproved),
        }
    }
}

/// A purse as it stands.
#[derive(Debug, Clone, Copy, Default)]
struct View {
    /// Here and elsewhere.
    spent: Usd,
    held: Usd,
    used_here: Usd,
    granted: Usd,
    /// What others may have of it without needing it.
    unproved: Usd,
}

/// Why there is no room.
#[derive(Debug)]
pub enum NoRoom {
    /// A limit or a budget says no.
    Refused(Refusal),
    /// The budgets have room as far as is known here, but this replica has not been granted so much of them.
    Unleased(Wants),
}

impl NoRoom {
    /// The reason that decides.
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Unleased(_) => ReasonCode::StoreUnavailable,
        }
    }
}

/// Every purse.
#[derive(Debug, Default)]
pub(super) struct Purses {
    current: HashMap<(Key, Period), Purse>,
    /// Of the window before, while calls that began in it are open.
    before: HashMap<(Key, Period), Purse>,
    /// What hard budgets are asked of the store; none where no other replica spends them.
    pub(super) leases: Option<Leases>,
}

impl Purses {
    /// Says which hard budgets leave no room for this much more. Purses in `short` have no more to grant.
    pub(super) fn check(
        &self,
        subject: Subject,
        budgets: &[Budget],
        more: Usd,
        now: Timestamp,
        short: &[Place],
    ) -> Result<(), NoRoom> {
        let mut reasons = Vec::new();
        let mut spent_budget = None;
        let mut wants: Vec<Want> = Vec::new();
        for budget in budgets.iter().filter(|budget| budget.hard) {
            let (key, period) = (Key::of(budget, subject), budget.period);
            let Some(mut purse) = self.at(&key, period, now) else {
                // A stream from before the window before: nobody knows any more what it may use.
                reasons.push(Reason::plain(ReasonCode::BudgetSpent).by(&budget.name));
                continue;
            };
            let cap = budget.amount_usd;
            let fits = purse.spent.plus(purse.held).plus(more) <= cap && purse.spent < cap;
            if fits {
                if self.leases.is_none() || purse.used_here.plus(more) <= purse.granted {
                    continue;
                }
                let window = period.window(now).0;
                let place = Place {
                    key,
                    period,
                    window,
                };
                if !short.contains(&place) && !self.has_refused(&place, more) {
                    match wants.iter_mut().find(|want| want.place == place) {
                        Some(want) => want.cap = want.cap.min(cap),
                        None => wants.push(Want { place, cap, more }),
                    }
                    continue;
                }
                // What others hold is as good as held here.
                purse.held = purse.held.plus(purse.unproved);
            }
            let resets_at = period.window(now).1;
            spent_budget.get_or_insert(BudgetSpent { period, resets_at });
            reasons.push(
                Reason::new(ReasonCode::BudgetSpent, sentence(budget, purse, resets_at))
                    .by(&budget.name),
            );
        }
        let Some(mut refusal) = Refusal::from_reasons(reasons) else {
            return if wants.is_empty() {
                Ok(())
            } else {
                Err(NoRoom::Unleased(Wants(wants)))
            };
        };
        if let Some(spent) = spent_budget {
            let wait_s = spent.resets_at.ms_since(now).div_euclid(1_000) + 1;
            refusal.retry_after_s = Some(u32::try_from(wait_s).unwrap_or(u32::MAX));
        }
        refusal.budget = spent_budget;
        Err(NoRoom::Refused(refusal))
    }

    /// Holds money of every purse the call is paid from. Comes right after a check under the same lock. `now` lies in an earlier
    /// window when a stream that began in it goes on; then that one pays. Gives whether more should be asked for.
    pub(super) fn reserve(
        &mut self,
        subject: Subject,
        budgets: &[Budget],
        usd: Usd,
        now: Timestamp,
    ) -> bool {
        for (key, period) in paid_from(subject, budgets) {
            if let Some(purse) = self.turn(key, period, now) {
                purse.held = purse.held.plus(usd);
            }
        }
        self.leases.is_some() && self.note_use(subject, budgets, now)
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

    /// What a caller's own purse has spent, here and elsewhere.
    pub(super) fn own(&self, subject: Subject, period: Period, now: Timestamp) -> Usd {
        let purse = self.at(&Key::Own(subject), period, now);
        purse.unwrap_or_default().spent
    }

    pub(super) fn restore(
        &mut self,
        key: &Key,
        period: Period,
        (here, elsewhere): (Usd, Usd),
        now: Timestamp,
    ) {
        if let Some(purse) = self.turn(key.clone(), period, now) {
            purse.spent = purse.spent.plus(here);
            purse.elsewhere = purse.elsewhere.plus(elsewhere);
        }
    }

    /// Notes what others have spent of a purse by now.
    pub(super) fn learn(&mut self, key: &Key, period: Period, elsewhere: Usd, now: Timestamp) {
        if let Some(purse) = self.turn(key.clone(), period, now) {
            purse.elsewhere = purse.elsewhere.max(elsewhere);
        }
    }

    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.current.retain(|(_, period), purse| {
            purse.held > Usd::ZERO || purse.window >= period.window(now).0
        });
        self.before.retain(|_, purse| purse.held > Usd::ZERO);
    }

    /// The purse as it stands in the window of `now`: empty when it was last used in an earlier one, none when it is forgotten.
    fn at(&self, key: &Key, period: Period, now: Timestamp) -> Option<View> {
        let window = period.window(now).0;
        let key = (key.clone(), period);
        match self.current.get(&key) {
            Some(purse) if purse.window == window => Some(purse.view()),
            Some(purse) if purse.window > window => self
                .before
                .get(&key)
                .filter(|purse| purse.window == window)
                .map(Purse::view),
            _ => Some(View::default()),
        }
    }

    /// Whether the store has refused so much of it a moment ago.
    fn has_refused(&self, place: &Place, more: Usd) -> bool {
        let purse = self.current.get(&(place.key.clone(), place.period));
        let purse = purse.filter(|purse| purse.window == place.window);
        let lease = purse.and_then(|purse| purse.lease.as_ref());
        lease.is_some_and(|lease| lease.told.has_refused(more))
    }

    /// The purse of this window, unless it is forgotten.
    pub(super) fn find(&mut self, key: &(Key, Period), window: Timestamp) -> Option<&mut Purse> {
        let current = self.current.get_mut(key);
        current.filter(|purse| purse.window == window).or_else(|| {
            self.before
                .get_mut(key)
                .filter(|purse| purse.window == window)
        })
    }

    /// The purse, begun anew if the window of `now` is later than its own. An earlier window's is found while it is remembered.
    pub(super) fn turn(&mut self, key: Key, period: Period, now: Timestamp) -> Option<&mut Purse> {
        let window = period.window(now).0;
        let key = (key, period);
        let purse = self.current.entry(key.clone());
        let purse = purse.or_insert_with(|| Purse::of(window));
        if purse.window < window {
            let over = std::mem::replace(purse, Purse::of(window));
            if over.held > Usd::ZERO {
                self.before.insert(key.clone(), over);
            } else {
                self.before.remove(&key);
            }
        }
        self.find(&key, window)
    }
}

fn sentence(budget: &Budget, purse: View, resets_at: Timestamp) -> String {
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
mod tests;
