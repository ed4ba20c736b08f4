//! Between this replica's purses and the store: carries what calls ask of hard budgets there in rounds, one round at a time and all
//! that waits in it, and brings back what is not needed. One task serves it; calls only wait for it when what was granted does
//! not suffice.
//!
//! An outage of the store is told as one (`store_unavailable`), never as a spent budget; meanwhile what was granted is spent.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::window::Period;
use domain::{Clock, OrgId, Subject, Timestamp, limits};
use store::{Store, Writer};
use tokio::time::{Instant, MissedTickBehavior};

use super::Quota;
use super::budget::{Key, Place};
use super::leases::{Given, Wants, Weighed};

/// The latest round.
#[derive(Debug, Default)]
pub(super) struct Round {
    done: u64,
    /// Whether the store did not answer.
    is_away: bool,
}

/// What became of wants.
#[derive(Debug)]
pub(super) enum Obtained {
    /// There is room now, unless somebody else is faster.
    Room,
    /// These purses have no more to grant.
    Short(Vec<Place>),
    /// The store does not answer.
    Away,
}

impl Quota {
    /// Reads what other replicas have spent by now of one caller's own purses, or of everybody's. Whoever shows them wants to know;
    /// a call does not wait for it. Where nobody else spends, and where the store does not answer, all stays as it is known.
    pub async fn learn_from(
        &self,
        store: &Store,
        org: OrgId,
        chain: &str,
        whose: Option<Subject>,
        now: Timestamp,
    ) {
        if !self.is_shared() {
            return;
        }
        for period in Period::ALL {
            let Some(subject) = whose else {
                let all = store.spent(org, chain, period, now).await;
                for spent in all.unwrap_or_default() {
                    if let Some(key) = Key::parse(&spent.purse) {
                        self.learn(&key, period, spent.elsewhere, now);
                    }
                }
                continue;
            };
            let key = Key::Own(subject);
            let purse = key.to_string();
            let asked = store.spent_elsewhere(org, chain, (&purse, period), now);
            if let Ok(elsewhere) = asked.await {
                self.learn(&key, period, elsewhere, now);
            }
        }
    }

    /// Asks for what is wanted and waits for it, at most until `until`.
    pub(super) async fn obtain(self: Arc<Self>, wants: Wants, until: Instant) -> Obtained {
        let others_until = Instant::now() + Duration::from_millis(limits::LEASE_CALL_MS);
        loop {
            let mut rounds = self.rounds.subscribe();
            let round = self.lock().purses.ask(&wants.0);
            self.bell.notify_one();
            let done = rounds.wait_for(|latest| latest.done >= round);
            let is_away = match tokio::time::timeout_at(until, done).await {
                Ok(Ok(latest)) => latest.is_away,
                Ok(Err(_)) | Err(_) => true,
            };
            if is_away {
                return Obtained::Away;
            }
            let weighed = self.lock().purses.weigh(&wants.0, round);
            match weighed {
                Weighed::Fit => return Obtained::Room,
                Weighed::Short(places) => return Obtained::Short(places),
                Weighed::Again => {}
                Weighed::Waiting if Instant::now() < others_until => {
                    tokio::time::sleep(Duration::from_millis(limits::LEASE_AGAIN_MS)).await;
                }
                Weighed::Waiting => {
                    return Obtained::Short(self.lock().purses.wait_no_longer(&wants.0));
                }
            }
        }
    }
}

/// Serves one replica's purses.
#[derive(Debug)]
pub struct Desk {
    /// The purses.
    pub quota: Arc<Quota>,
    /// Where money is granted.
    pub store: Store,
    /// The organisation.
    pub org: OrgId,
    /// Who writes the chain of this replica's ledger, which tells what was spent of what it was granted.
    pub writer: Writer,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Desk {
    /// Serves for as long as the process lives.
    pub async fn serve(&self) {
        let mut changes = self.store.changes();
        let mut tick = tokio::time::interval(Duration::from_millis(limits::LEASE_LOOK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = 0;
        loop {
            tokio::select! {
                () = self.quota.bell.notified() => self.rounds().await,
                () = changes.next() => self.look(&mut heard, 0).await,
                _ = tick.tick() => self.look(&mut heard, limits::LEASES_LOOKED_AT).await,
            }
        }
    }

    /// Gives back all that no open call holds. When the process ends; what cannot be given back then counts as spent until this
    /// replica starts again.
    pub async fn close(&self) {
        let given = {
            let mut book = self.quota.lock();
            let listed: HashSet<Place> = book.purses.leased_places();
            book.purses.look(&listed, self.clock.now(), 0)
        };
        self.give_back(&given).await;
    }

    /// Rounds until nobody waits for one.
    async fn rounds(&self) {
        loop {
            let begun = self.quota.lock().purses.begin_round();
            let Some((round, asks)) = begun else { return };
            let mut is_away = false;
            for asks in asks.chunks(limits::LEASES_AT_ONCE) {
                let wanted: Vec<_> = asks.iter().map(|(_, ask)| ask.clone()).collect();
                match self.store.lease(self.org, &self.writer, &wanted).await {
                    Ok(leased) => {
                        let now = self.clock.now();
                        let mut book = self.quota.lock();
                        for one in &leased {
                            if let Some(place) = Place::of(&one.purse) {
                                book.purses.take_grant(&place, one, round, now);
                            }
                        }
                    }
                    Err(error) => {
                        tracing::warn!(error = %error, "no money of hard budgets can be had from the store; what is here is spent");
                        is_away = true;
                        break;
                    }
                }
            }
            self.quota.rounds.send_replace(Round {
                done: round,
                is_away,
            });
        }
    }

    /// Hears who went short of what, and gives back what is not needed.
    async fn look(&self, heard: &mut i64, at_most: usize) {
        let mut called = HashSet::new();
        loop {
            // While the store does not answer nothing is lowered, for nothing could be had again.
            let Ok(page) = self.store.called_purses(self.org, *heard).await else {
                return;
            };
            let is_last = page.len() < limits::STORE_PAGE_MAX as usize;
            for (purse, number) in page {
                *heard = number.max(*heard);
                called.extend(Place::of(&purse));
            }
            if is_last {
                break;
            }
            // Those that were called together with the last one may be on the next page.
            *heard -= 1;
        }
        let now = self.clock.now();
        let given = self.quota.lock().purses.look(&called, now, at_most);
        self.give_back(&given).await;
    }

    async fn give_back(&self, given: &[Given]) {
        for given in given.chunks(limits::LEASES_AT_ONCE) {
            let kept: Vec<_> = given
                .iter()
                .map(|(place, _, kept)| (place.in_store(), *kept))
                .collect();
            let taken = self.store.keep_leased(self.org, &self.writer, &kept).await;
            if let Err(error) = taken {
                let may_be_taken = !error.nothing_written();
                self.quota.lock().purses.not_given(given, may_be_taken);
            }
        }
    }
}
