//! Money of one budget in the hands of several replicas: pure arithmetic, no clock and no I/O.
//!
//! The store keeps a [`Share`] per replica and purse: what the replica was granted, and what its ledger has proved to be spent. Of
//! a purse nobody may be granted more than its cap less what the others' shares commit. A replica spends from its grant without
//! asking anybody, so between two grants it may die, be cut off or ship its records late: its share stays committed until its
//! ledger has told what was spent, and what it never tells counts as spent.
//!
//! Every grant is an absolute amount, never a difference, so that repeating one changes nothing. A replica raises what it believes
//! to have after the store has, and lowers it before: at any moment it believes to have at most what the store says.

use crate::{Usd, limits};

/// One replica's part of a purse, as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// What it may spend of the purse's window, in all.
    pub granted: Usd,
    /// What it has spent, as far as its ledger was shipped. More than granted only by what calls cost beyond their reservations.
    pub spent: Usd,
}

impl Share {
    /// What of the purse is not for others.
    pub fn committed(self) -> Usd {
        self.granted.max(self.spent)
    }
}

/// What other replicas have of a purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Elsewhere {
    /// Not for us.
    pub committed: Usd,
    /// Of that, spent for certain.
    pub spent: Usd,
}

impl Elsewhere {
    /// The sum of the others' shares.
    pub fn of(shares: impl IntoIterator<Item = Share>) -> Self {
        shares.into_iter().fold(Self::default(), |sum, share| Self {
            committed: sum.committed.plus(share.committed()),
            spent: sum.spent.plus(share.spent),
        })
    }

    /// What the others may have without needing it: held by open calls, spent and not told yet, or idle.
    pub fn unproved(self) -> Usd {
        self.committed.minus(self.spent)
    }
}

/// What a replica wants of a purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The budget's amount.
    pub cap: Usd,
    /// What it believes to have been granted.
    pub granted: Usd,
    /// What it has spent and what its open calls hold.
    pub used: Usd,
    /// What each waiting call needs beyond that; none when it only wants a block to go on with.
    pub calls: &'a [Usd],
}

/// What it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// What it may spend from now on, in all.
    pub granted: Usd,
    /// How much of that is for calls to come.
    pub block: Usd,
    /// Whether one of the waiting calls does not fit.
    pub is_short: bool,
}

/// Decides on an ask. Calls are served in their order as far as they fit; one that does not fit leaves room for a smaller one
/// behind it.
pub fn grant(ask: &Ask<'_>, elsewhere: Elsewhere) -> Grant {
    let room = ask.cap.minus(elsewhere.committed).minus(ask.used);
    let mut needed = Usd::ZERO;
    let mut is_short = false;
    for call in ask.calls {
        let with_it = needed.plus(*call);
        if with_it <= room {
            needed = with_it;
        } else {
            is_short = true;
        }
    }
    // Where a call must be refused, nothing is taken for calls that nobody has made.
    let block = if is_short {
        Usd::ZERO
    } else {
        block(room.minus(needed))
    };
    let wanted = ask.used.plus(needed).plus(block);
    Grant {
        granted: ask.granted.max(wanted.min(ask.used.plus(room))),
        block,
        is_short,
    }
}

/// How much is taken ahead of need where so much is free: little where little is left, so that anybody can spend the last of it.
pub fn block(free: Usd) -> Usd {
    let part = Usd::from_nanos(free.nanos() / limits::LEASE_PART);
    part.max(Usd::ZERO)
        .min(Usd::from_nanos(limits::LEASE_BLOCK_NANOS_MAX))
}

/// Whether a replica should take a further block before a call has to wait for it.
pub fn is_low(unused: Usd, block: Usd) -> bool {
    unused.plus(unused) < block
}

/// Why a replica looks at what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It does so now and then.
    Usual,
    /// Nobody has called on this purse for long.
    Idle,
    /// Another replica could not serve a call for want of money.
    Called,
}

/// What a replica keeps of its grant; the rest goes back.
pub fn keep(granted: Usd, used: Usd, block: Usd, look: Look) -> Usd {
    let kept = match look {
        Look::Idle | Look::Called => used,
        Look::Usual if granted.minus(used) > block.plus(block) => used.plus(block),
        Look::Usual => granted,
    };
    kept.min(granted)
}

#[cfg(test)]
#[path = "lease/tests.rs"]
mod tests;
