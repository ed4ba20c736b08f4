//! How long a console session lasts, and when somebody has proved who they are recently enough. Pure: every moment is passed in. Asked
//! by the sign-in, which makes sessions, and by `control`, which lets people in with them.

use crate::{Timestamp, limits};

/// Whether a console session that began at `created` and was last used at `last_seen` is over.
pub const fn is_over(created: Timestamp, last_seen: Timestamp, now: Timestamp) -> bool {
    now.ms_since(created) >= limits::CONSOLE_SESSION_MS
        || now.ms_since(last_seen) >= limits::CONSOLE_IDLE_MS
}

/// Whether whoever proved who they are at `proved_at` may do now what is dangerous.
pub const fn is_fresh(proved_at: Timestamp, now: Timestamp) -> bool {
    now.ms_since(proved_at) < limits::CONSOLE_PROOF_MS
}

/// Why what an identity provider says is no new proof of who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoProof {
    /// It does not say when.
    #[error(
        "The identity provider does not say when you signed in there (the claim auth_time), so it is no new proof."
    )]
    Unsaid,
    /// It was before the question.
    #[error("The identity provider let you through with an earlier sign-in; it is no new proof.")]
    Earlier,
    /// It lies in the future.
    #[error(
        "The identity provider says that you sign in later than now; one of the clocks is wrong."
    )]
    Later,
}

/// When somebody proved who they are anew, of whom the identity provider says that they signed in at `auth_time`.
pub const fn new_proof(auth_time: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, NoProof> {
    let Some(at) = auth_time else {
        return Err(NoProof::Unsaid);
    };
    let ago = now.ms_since(at);
    if ago < -limits::CLOCK_SKEW_MS {
        return Err(NoProof::Later);
    }
    if ago > limits::CONSOLE_PROOF_AGE_MS + limits::CLOCK_SKEW_MS {
        return Err(NoProof::Earlier);
    }
    Ok(now)
}

/// When somebody proved who they are, of whom the identity provider says at an ordinary sign-in that it was at `auth_time`: then, and
/// the epoch when it does not say.
pub fn proved_at_sign_in(auth_time: Option<Timestamp>, now: Timestamp) -> Timestamp {
    auth_time.map_or(Timestamp::from_unix_ms(0), |at| at.min(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_unix_s(1_795_262_400).plus_ms(minutes * MINUTE)
    }

    #[test]
    fn a_session_is_over_half_an_hour_after_its_last_use_and_twelve_hours_after_its_begin() {
        for (seen, now, over) in [
            (0, 0, false),
            (0, 29, false),
            (0, 30, true),
            (719, 719, false),
            (719, 720, true),
            // a clock that was set back lets nobody out
            (0, -10, false),
        ] {
            assert_eq!(is_over(at(0), at(seen), at(now)), over, "{seen} {now}");
        }
    }

    #[test]
    fn a_proof_is_fresh_for_ten_minutes() {
        for (now, fresh) in [(0, true), (9, true), (10, false), (1_000, false)] {
            assert_eq!(is_fresh(at(0), at(now)), fresh, "{now}");
        }
        assert!(!is_fresh(proved_at_sign_in(None, at(0)), at(0)));
        assert!(!is_fresh(proved_at_sign_in(Some(at(-60)), at(0)), at(0)));
        assert_eq!(proved_at_sign_in(Some(at(60)), at(0)), at(0));
    }

    #[test]
    fn a_new_proof_is_stated_recent_and_not_of_the_future() {
        for (said, expected) in [
            (None, Err(NoProof::Unsaid)),
            (Some(0), Ok(at(0))),
            (Some(-2), Ok(at(0))),
            (Some(-3), Ok(at(0))),
            (Some(-4), Err(NoProof::Earlier)),
            (Some(-1_000_000), Err(NoProof::Earlier)),
            (Some(1), Ok(at(0))),
            (Some(2), Err(NoProof::Later)),
        ] {
            assert_eq!(new_proof(said.map(at), at(0)), expected, "{said:?}");
        }
    }
}
