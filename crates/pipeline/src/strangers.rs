//! Refusals of strangers: callers whom no credential lets in, be they unknown or shut out. Anybody can cause as many as they like, and a ledger that grew by each would
//! be anybody's to fill. So of each address and minute the first are recorded one by one, and the first of every kind; what comes
//! beyond is counted, and one record at the end of the minute says how many there were, so that sums stay true. Refusals
//! of callers who are let in are recorded each, always. Called by the drafts of calls and by the sign-in endpoints.
//!
//! What a minute has counted is in memory until it is over: a process that is killed loses it, never a record of a caller.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Clock, ReasonCode, Timestamp, limits};
use ledger::record::{System, SystemEvent};
use ledger::{Ledger, Record};

const MINUTE_MS: i64 = 60_000;

/// What a refused stranger wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// This endpoint.
    Call(&'static str),
    /// To sign in, or to go on with a sign-in.
    SignIn,
}

impl Wanted {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Call(action) => action,
            Self::SignIn => "sign_in",
        }
    }
}

/// Counts strangers' refusals. What is counted is written when the last handle on it is dropped, at the latest.
#[derive(Debug)]
pub struct Strangers {
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
    minute: Mutex<Minute>,
}

/// Whose refusals are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Whence {
    /// One address, or one /64 of IPv6.
    Address(IpAddr),
    /// Addresses that could not be told.
    Nowhere,
    /// Addresses beyond [`limits::STRANGERS_APART_MAX`].
    Elsewhere,
}

/// One minute.
#[derive(Debug, Default)]
struct Minute {
    number: i64,
    tallies: HashMap<Whence, Tally>,
}

/// What was refused of one.
#[derive(Debug, Default)]
struct Tally {
    recorded: u64,
    /// Beyond what was recorded, by what was wanted and why it was refused.
    more: BTreeMap<(Wanted, &'static str), u64>,
}

impl Strangers {
    /// Writes to this ledger.
    pub fn new(ledger: Arc<Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self {
            ledger,
            clock,
            minute: Mutex::default(),
        }
    }

    /// Counts a refusal; whether it is to be recorded by itself.
    pub fn records(&self, address: Option<IpAddr>, wanted: Wanted, code: ReasonCode) -> bool {
        let now = self.clock.now();
        let (is_recorded, over) = {
            let mut minute = self.minute();
            let over = minute.turn(now);
            (minute.count(address, (wanted, code.as_str())), over)
        };
        self.note(over);
        is_recorded
    }

    /// Writes what was counted in minutes that are over, for as long as it is polled.
    pub async fn follow(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(limits::STRANGERS_LOOK_MS)).await;
            let over = self.minute().turn(self.clock.now());
            self.note(over);
        }
    }

    /// Writes all that was counted. For the end of the process, before its ledger ends.
    pub fn write_all(&self) {
        let counted = self.minute().take();
        self.note(counted);
    }

    fn note(&self, counted: Vec<System>) {
        for system in counted {
            let refused = system.refused;
            if let Err(error) = self.ledger.note(Record::System(system)) {
                tracing::error!(error = %error, refused, "the count of refusals of unknown callers is not in the ledger");
            }
        }
    }

    fn minute(&self) -> MutexGuard<'_, Minute> {
        // every change is complete before the lock is let go
        self.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        self.write_all();
    }
}

impl Minute {
    /// Goes over to the minute of this moment; what the one before has counted.
    fn turn(&mut self, now: Timestamp) -> Vec<System> {
        let number = now.unix_ms().div_euclid(MINUTE_MS);
        if number == self.number {
            return Vec::new();
        }
        let over = self.take();
        self.number = number;
        over
    }

    /// What it has counted, in the order of addresses; it begins anew.
    fn take(&mut self) -> Vec<System> {
        let began = Timestamp::from_unix_ms(self.number.saturating_mul(MINUTE_MS));
        let mut tallies: Vec<_> = self.tallies.drain().collect();
        tallies.sort_unstable_by_key(|(from, _)| *from);
        let summed = |(from, tally): (Whence, Tally)| tally.summed(from, began);
        tallies.into_iter().filter_map(summed).collect()
    }

    /// Whether a refusal is to be recorded by itself.
    fn count(&mut self, address: Option<IpAddr>, kind: (Wanted, &'static str)) -> bool {
        let from = match address.map(network) {
            None => Whence::Nowhere,
            Some(address) => Whence::Address(address),
        };
        let has_room = self.tallies.len() < limits::STRANGERS_APART_MAX;
        let from = if has_room || self.tallies.contains_key(&from) {
            from
        } else {
            Whence::Elsewhere
        };
        let tally = self.tallies.entry(from).or_default();
        // The first of a kind is recorded however many of another kind came before it.
        let is_recorded =
            tally.recorded < limits::STRANGERS_RECORDED_MAX || !tally.more.contains_key(&kind);
        let more = tally.more.entry(kind).or_default();
        if is_recorded {
            tally.recorded += 1;
        } else {
            *more += 1;
        }
        is_recorded
    }
}

impl Tally {
    /// The record of what was counted; none when everything was recorded.
    fn summed(self, from: Whence, began: Timestamp) -> Option<System> {
        let mut kinds: Vec<_> = self
            .more
            .into_iter()
            .filter(|(_, more)| *more > 0)
            .collect();
        kinds.sort_by_key(|(_, more)| std::cmp::Reverse(*more));
        let sum = |of: &dyn Fn(Wanted) -> bool| -> u64 {
            let counted = kinds.iter().filter(|((wanted, _), _)| of(*wanted));
            counted.map(|(_, more)| *more).sum()
        };
        let refused = sum(&|_| true);
        if refused == 0 {
            return None;
        }
        let mut system = System::new(SystemEvent::StrangersRefused);
        system.refused = Some(refused);
        system.refused_calls = Some(sum(&|wanted| wanted != Wanted::SignIn));
        system.since = Some(began);
        let mut detail = String::new();
        match from {
            Whence::Address(address) => system.address = Some(address),
            Whence::Nowhere => detail.push_str("from addresses that cannot be told: "),
            Whence::Elsewhere => detail.push_str("from further addresses: "),
        }
        for (number, ((wanted, code), more)) in kinds.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            let _ = write!(detail, "{comma}{more} {} {code}", wanted.as_str());
        }
        system.detail = Some(detail.into());
        Some(system)
    }
}

/// What an address counts as: itself, or the /64 of an IPv6 address, which one household or host has to itself.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
    }
}
