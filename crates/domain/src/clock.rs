//! Time and randomness as things that are passed in: production wires the real ones in `server`, tests wire fakes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From Unix milliseconds.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// From Unix seconds, as tokens state their times.
    pub const fn from_unix_s(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Unix milliseconds.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole Unix seconds, rounded down.
    pub const fn unix_s(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// This moment moved by so many milliseconds; saturates at the ends of time.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// From an HTTP `Date` (RFC 9110, section 5.6.7): `Sat, 21 Nov 2026 02:08:32 GMT`.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let moment = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(Self(moment.timestamp().as_millisecond()))
    }

    /// Milliseconds from `earlier` to this moment; negative when it lies before.
    pub const fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2026-11-21T03:45:15.000Z`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(out, "{moment:.3}"),
            Err(_) => write!(out, "@{}ms", self.0),
        }
    }
}

/// What a text that should be a moment was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a moment: write it as RFC 3339 with a zone, such as 2026-11-21T00:00:00Z or 2026-11-21T01:00:00+01:00"
)]
pub struct InvalidTimestamp;

impl std::str::FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// RFC 3339 with `Z` or an offset; what is finer than a millisecond is cut off.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        Ok(Self(moment.as_millisecond()))
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment by the wall clock; may jump when an operator sets the clock.
    fn now(&self) -> Timestamp;
}

/// Draws randomness: ids and secrets.
pub trait Ids: Send + Sync + fmt::Debug {
    /// Fills `bytes` from a cryptographically secure source (tests: a seeded one).
    fn fill(&self, bytes: &mut [u8]);

    /// 80 bits for the random part of an id.
    fn random_bits(&self) -> u128 {
        let mut bytes = [0u8; 16];
        self.fill(&mut bytes[6..]);
        u128::from_be_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_as_rfc_3339() {
        assert_eq!(
            Timestamp::from_unix_s(1_795_226_912).to_string(),
            "2026-11-21T02:08:32.000Z"
        );
    }

    #[test]
    fn a_moment_is_read_as_it_is_printed_and_never_without_a_zone() {
        let moment = Timestamp::from_unix_ms(1_795_226_912_345);
        assert_eq!(moment.to_string().parse(), Ok(moment));
        for text in [
            "2026-11-21T03:08:32.345+01:00",
            "2026-11-21T02:08:32.345999Z",
        ] {
            assert_eq!(text.parse(), Ok(moment), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-11-21",
            "2026-11-21T02:08:32",
            "1795226912",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn a_date_header_is_read() {
        let moment = Timestamp::from_unix_s(1_795_226_912);
        assert_eq!(
            Timestamp::from_http_date("Sat, 21 Nov 2026 02:08:32 GMT"),
            Some(moment)
        );
        for text in [
            "",
            "now",
            "2026-11-21T02:08:32Z",
            "Sat, 41 Nov 2026 02:08:32 GMT",
        ] {
            assert_eq!(Timestamp::from_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn seconds_round_down_before_the_epoch_too() {
        assert_eq!(Timestamp::from_unix_ms(-1).unix_s(), -1);
    }
}
