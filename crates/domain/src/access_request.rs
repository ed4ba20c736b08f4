//! What people ask for beyond what they may use now, and how such a request stands. A request that nobody answers expires by the clock;
//! nothing has to happen for it. Pure words and times: who may decide is `control`'s to say.

use crate::words::words;
use crate::{Timestamp, limits};

words! {
    /// What is asked for.
    AskedKind ("kind of access request") {
        /// A model, by its id.
        Model "model",
        /// A higher budget of one's own, by its period.
        Budget "budget",
        /// To be in a group, by its name.
        Group "group",
    }
}

words! {
    /// How a request stands.
    AccessState ("state of an access request") {
        /// Nobody has answered.
        Open "open",
        /// Somebody said yes.
        Granted "granted",
        /// Somebody said no.
        Declined "declined",
        /// Whoever asked took it back.
        Withdrawn "withdrawn",
        /// Nobody answered in time.
        Expired "expired",
    }
}

impl AccessState {
    /// How a request that was kept in this state and asked at `asked` stands at a moment.
    #[must_use]
    pub fn at(self, asked: Timestamp, now: Timestamp) -> Self {
        match self {
            Self::Open if expires(asked) <= now => Self::Expired,
            other => other,
        }
    }
}

/// When a request that was asked at this moment is no longer open.
pub fn expires(asked: Timestamp) -> Timestamp {
    asked.plus_ms(limits::ACCESS_REQUEST_OPEN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_nobody_answers_expires_by_the_clock_and_an_answered_one_does_not() {
        let asked = Timestamp::from_unix_ms(5);
        let check = |state: AccessState, now, expected| {
            let now = Timestamp::from_unix_ms(now);
            assert_eq!(state.at(asked, now), expected, "{state} at {now}");
        };
        let end = limits::ACCESS_REQUEST_OPEN_MS + 5;
        check(AccessState::Open, 5, AccessState::Open);
        check(AccessState::Open, end - 1, AccessState::Open);
        check(AccessState::Open, end, AccessState::Expired);
        for over in [
            AccessState::Granted,
            AccessState::Declined,
            AccessState::Withdrawn,
        ] {
            check(over, end, over);
        }
    }
}
