//! What this replica was granted of hard budgets that other replicas spend as well. Calls take from it under the book's lock and ask
//! nobody; here is noted who waits for more, what came, and what is not needed any more. Who gets how much is [`domain::lease`];
//! [`super::desk`] carries it between here and the store. Without I/O.
//!
//! What is granted here is never more than what the store says was granted: it is raised after the store was, and lowered before.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use domain::lease::{self, Elsewhere, Look};
use domain::policy::Budget;
use domain::{Subject, Timestamp, Usd, limits};
use store::{LeaseAsk, Leased};
use tokio::time::Instant;

use super::budget::{Key, Place, Purse, Purses};

/// One purse's.
#[derive(Debug, Default)]
pub(super) struct Lease {
    pub(super) granted: Usd,
    block: Usd,
    /// When a call last held money of it.
    used_at: Timestamp,
    /// Whether it is among [`Leases::listed`].
    is_listed: bool,
    /// Whether the store may not know yet how little is kept.
    is_owed: bool,
    pub(super) told: Told,
}

/// What the store last said.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// In which round.
    round: u64,
    /// Whether a call did not fit.
    is_short: bool,
    pub(super) elsewhere: Elsewhere,
    /// What others had when they were waited for in vain.
    waited_for: Option<Usd>,
    /// Until when nobody asks again for so much or more: whoever is refused may come back a thousand times a second, and the store shall
    /// not feel it.
    refused: Option<(Instant, Usd)>,
}

/// What calls want that have no room here.
#[derive(Debug, Clone)]
pub struct Wants(pub(super) Vec<Want>);

/// Of one purse.
#[derive(Debug, Clone)]
pub(super) struct Want {
    pub(super) place: Place,
    /// The budget's amount.
    pub(super) cap: Usd,
    /// Beyond what is used.
    pub(super) more: Usd,
}

/// What is asked for and what there is.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// Asked for since the last round.
    pending: HashMap<Place, Pending>,
    /// Purses of which something was granted, in the order in which they are looked at.
    listed: VecDeque<Place>,
    /// Rounds that have begun.
    pub(super) rounds: u64,
}

#[derive(Debug, Default)]
struct Pending {
    cap: Usd,
    calls: Vec<Usd>,
}

/// How wants stand after a round.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Weighed {
    /// There is room for all of them.
    Fit,
    /// Something came, and others were faster.
    Again,
    /// Some do not fit, and others may give back what they do not need.
    Waiting,
    /// These will not fit.
    Short(Vec<Place>),
}

/// What is given back: of which purse, what was granted before, what is kept.
pub(super) type Given = (Place, Usd, Usd);

/// All purses, and how much of them may still be spent here without asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leasing {
    /// Purses of hard budgets.
    pub purses: usize,
    /// Granted and neither spent nor held.
    pub unused: Usd,
}

impl Purses {
    fn leases(&mut self) -> &mut Leases {
        self.leases.get_or_insert_default()
    }

    /// Notes that a call was held money for; whether a further block should be asked for.
    pub(super) fn note_use(
        &mut self,
        subject: Subject,
        budgets: &[Budget],
        now: Timestamp,
    ) -> bool {
        let mut asks = false;
        for budget in budgets.iter().filter(|budget| budget.hard) {
            let place = Place {
                key: Key::of(budget, subject),
                period: budget.period,
                window: budget.period.window(now).0,
            };
            let Some(purse) = self.purse(&place) else {
                continue;
            };
            let used = purse.used();
            let Some(lease) = &mut purse.lease else {
                continue;
            };
            lease.used_at = lease.used_at.max(now);
            if lease::is_low(lease.granted.minus(used), lease.block) {
                asks = true;
                let pending = self.leases().pending.entry(place).or_default();
                pending.cap = budget.amount_usd;
            }
        }
        asks
    }

    /// Puts wants before the next round and gives its number.
    pub(super) fn ask(&mut self, wants: &[Want]) -> u64 {
        let leases = self.leases();
        for want in wants {
            let pending = leases.pending.entry(want.place.clone()).or_default();
            pending.cap = want.cap;
            pending.calls.push(want.more);
        }
        leases.rounds + 1
    }

    /// Begins a round with all that is asked for; none when nothing is.
    pub(super) fn begin_round(&mut self) -> Option<(u64, Vec<(Place, LeaseAsk)>)> {
        let leases = self.leases();
        if leases.pending.is_empty() {
            return None;
        }
        leases.rounds += 1;
        let (round, pending) = (leases.rounds, std::mem::take(&mut leases.pending));
        let mut asks = Vec::with_capacity(pending.len());
        for (place, Pending { cap, calls }) in pending {
            let purse = self.turn(place.key.clone(), place.period, place.window);
            // Forgotten: whoever waits for it will see that.
            let Some(purse) = purse else { continue };
            let ask = LeaseAsk {
                purse: place.in_store(),
                cap,
                granted: purse.granted(),
                used: purse.used(),
                calls,
            };
            asks.push((place, ask));
        }
        Some((round, asks))
    }

    /// Takes what the store has granted.
    pub(super) fn take_grant(
        &mut self,
        place: &Place,
        leased: &Leased,
        round: u64,
        now: Timestamp,
    ) {
        let Some(purse) = self.purse(place) else {
            return;
        };
        purse.elsewhere = purse.elsewhere.max(leased.elsewhere.spent);
        let lease = purse.lease.get_or_insert_default();
        lease.granted = leased.grant.granted;
        lease.block = leased.grant.block;
        lease.used_at = lease.used_at.max(now);
        lease.is_owed = false;
        lease.told = Told {
            round,
            is_short: leased.grant.is_short,
            elsewhere: leased.elsewhere,
            waited_for: lease.told.waited_for,
            refused: lease.told.refused,
        };
        if !std::mem::replace(&mut lease.is_listed, true) {
            self.leases().listed.push_back(place.clone());
        }
    }

    /// How wants stand that went into this round.
    pub(super) fn weigh(&mut self, wants: &[Want], round: u64) -> Weighed {
        let (mut short, mut waiting, mut again) = (Vec::new(), false, false);
        for want in wants {
            let Some(purse) = self.purse(&want.place) else {
                short.push(want.place.clone());
                continue;
            };
            if purse.used().plus(want.more) <= purse.granted() {
                continue;
            }
            let told = purse.lease.as_ref().map(|lease| &lease.told);
            match told.filter(|told| told.round >= round && told.is_short) {
                None => again = true,
                Some(told) if told.is_final() => short.push(want.place.clone()),
                Some(_) => waiting = true,
            }
        }
        self.note_refused(wants, &short);
        match (short.is_empty(), waiting, again) {
            (false, ..) => Weighed::Short(short),
            (true, true, _) => Weighed::Waiting,
            (true, false, true) => Weighed::Again,
            (true, false, false) => Weighed::Fit,
        }
    }

    /// Notes that others were waited for in vain: while they have as much, nobody waits for them again. Gives the purses that are
    /// short.
    pub(super) fn wait_no_longer(&mut self, wants: &[Want]) -> Vec<Place> {
        let mut short = Vec::new();
        for want in wants {
            let Some(purse) = self.purse(&want.place) else {
                continue;
            };
            let fits = purse.used().plus(want.more) <= purse.granted();
            if let Some(lease) = purse.lease.as_mut().filter(|_| !fits) {
                lease.told.waited_for = Some(lease.told.elsewhere.committed);
                short.push(want.place.clone());
            }
        }
        self.note_refused(wants, &short);
        short
    }

    fn note_refused(&mut self, wants: &[Want], short: &[Place]) {
        let until = Instant::now() + Duration::from_millis(limits::LEASE_LOOK_MS);
        for want in wants.iter().filter(|want| short.contains(&want.place)) {
            if let Some(lease) = self.purse(&want.place).and_then(|it| it.lease.as_mut()) {
                let before = lease
                    .told
                    .refused
                    .filter(|(until, _)| *until > Instant::now());
                let least = before.map_or(want.more, |(_, least)| least.min(want.more));
                lease.told.refused = Some((until, least));
            }
        }
    }

    /// Looks at what others called on, and at so many more, and lowers what is not needed.
    pub(super) fn look(
        &mut self,
        called: &HashSet<Place>,
        now: Timestamp,
        at_most: usize,
    ) -> Vec<Given> {
        let mut given = Vec::new();
        for place in called {
            given.extend(self.look_at(place, Some(Look::Called), now));
        }
        for _ in 0..at_most.min(self.leases().listed.len()) {
            let Some(place) = self.leases().listed.pop_front() else {
                break;
            };
            given.extend(self.look_at(&place, None, now));
            let Some(purse) = self.purse(&place) else {
                continue; // Its window is over.
            };
            let used = purse.used();
            let Some(lease) = &mut purse.lease else {
                continue;
            };
            lease.is_listed = lease.granted > used || lease.is_owed;
            if lease.is_listed {
                self.leases().listed.push_back(place);
            }
        }
        given
    }

    fn look_at(&mut self, place: &Place, look: Option<Look>, now: Timestamp) -> Option<Given> {
        let purse = self.purse(place)?;
        let used = purse.used();
        let lease = purse.lease.as_mut()?;
        let is_idle = now.ms_since(lease.used_at) > limits::LEASE_IDLE_MS;
        let usual = if is_idle { Look::Idle } else { Look::Usual };
        let before = lease.granted;
        lease.granted = lease::keep(before, used, lease.block, look.unwrap_or(usual));
        let is_owed = std::mem::take(&mut lease.is_owed);
        (lease.granted < before || is_owed).then(|| (place.clone(), before, lease.granted))
    }

    /// Takes back what the store did not take, which nobody else can have been granted; where it may have, it is told again.
    pub(super) fn not_given(&mut self, given: &[Given], may_be_taken: bool) {
        for (place, before, kept) in given {
            let Some(lease) = self.purse(place).and_then(|it| it.lease.as_mut()) else {
                continue;
            };
            if may_be_taken {
                lease.is_owed = true;
            } else if lease.granted == *kept {
                lease.granted = *before;
            }
            if !std::mem::replace(&mut lease.is_listed, true) {
                self.leases().listed.push_back(place.clone());
            }
        }
    }

    /// How it stands.
    pub(super) fn leasing(&mut self) -> Leasing {
        let mut sum = Leasing::default();
        for place in self.leased_places() {
            if let Some(purse) = self.purse(&place) {
                sum.purses += 1;
                let unused = purse.granted().minus(purse.used());
                sum.unused = sum.unused.plus(unused.max(Usd::ZERO));
            }
        }
        sum
    }

    /// Every purse of which something was granted and is not given back.
    pub(super) fn leased_places(&self) -> HashSet<Place> {
        let listed = self.leases.as_ref().map(|leases| &leases.listed);
        listed.into_iter().flatten().cloned().collect()
    }

    fn purse(&mut self, place: &Place) -> Option<&mut Purse> {
        let key = (place.key.clone(), place.period);
        self.find(&key, place.window)
    }
}

impl Told {
    /// Whether so much was refused a moment ago.
    pub(super) fn has_refused(&self, more: Usd) -> bool {
        let refused = self.refused.filter(|(until, _)| *until > Instant::now());
        refused.is_some_and(|(_, least)| more >= least)
    }

    /// Whether nothing that others may give back can be hoped for.
    fn is_final(&self) -> bool {
        self.elsewhere.unproved() <= Usd::ZERO || self.waited_for == Some(self.elsewhere.committed)
    }
}

impl Place {
    /// Its name in the store.
    pub(super) fn in_store(&self) -> store::Purse {
        store::Purse::new(self.key.to_string(), self.period, self.window)
    }

    /// The place of a name in the store; none for a key that we never wrote.
    pub(super) fn of(purse: &store::Purse) -> Option<Self> {
        Some(Self {
            key: Key::parse(&purse.purse)?,
            period: purse.period(),
            window: purse.window,
        })
    }
}
