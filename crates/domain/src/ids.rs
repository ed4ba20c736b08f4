//! Typed ids. Each prints as a prefix and 26 base-32 characters (`per_01J8Z3…`), sorts by the time it was made, and cannot be
//! mistaken for an id of another noun. Made by [`crate::Ids`], never from a clock or generator of their own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What a text that should be an id was instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: expected `{expected}_` and 26 base-32 characters")]
pub struct InvalidId {
    /// The prefix the id should have had.
    pub expected: &'static str,
}

fn write_base32(value: u128, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0u8; 26];
    for (place, slot) in text.iter_mut().rev().enumerate() {
        let digit = usize::try_from((value >> (5 * place)) & 31).expect("five bits fit");
        *slot = ALPHABET[digit];
    }
    out.write_str(str::from_utf8(&text).expect("the alphabet is ASCII"))
}

fn read_base32(text: &str) -> Option<u128> {
    if text.len() != 26 || !matches!(text.as_bytes()[0], b'0'..=b'7') {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|&letter| letter == byte)?;
        Some((value << 5) | u128::try_from(digit).ok()?)
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What every id of this kind begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// An id from 48 bits of Unix milliseconds and 80 bits of randomness; higher bits of either are dropped.
            pub const fn from_parts(unix_ms: u64, random: u128) -> Self {
                Self(((unix_ms as u128 & 0xffff_ffff_ffff) << 80) | (random & ((1 << 80) - 1)))
            }

            /// When it was made, in Unix milliseconds.
            pub const fn unix_ms(self) -> u64 {
                (self.0 >> 80) as u64
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(concat!($prefix, "_"))?;
                write_base32(self.0, out)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(read_base32)
                    .map(Self)
                    .ok_or(InvalidId { expected: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = crate::written::Written::<'de>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A company, association or other tenant. Every stored row has one.
    OrgId, "org"
);
id!(
    /// A human being the company's directory knows.
    PersonId, "per"
);
id!(
    /// A machine or CI identity.
    ServiceId, "svc"
);
id!(
    /// One sign-in of one client; ends on sign-out, revocation or refresh-token reuse.
    SessionId, "ses"
);
id!(
    /// One request of a client, as its answer's `x-request-id` and its ledger records name it.
    RequestId, "req"
);
id!(
    /// A budget or spend limit.
    BudgetId, "spl"
);
id!(
    /// One change of a spend limit, in the audit of the reference gateway's endpoints.
    AuditId, "aud"
);
id!(
    /// A personal access token or a directory token, not the secret itself.
    TokenId, "tok"
);
id!(
    /// A user as a company's directory provisions it; it hangs on a person.
    DirectoryUserId, "usr"
);
id!(
    /// A group as a company's directory provisions it.
    DirectoryGroupId, "grp"
);
id!(
    /// A role given to a person or a group.
    BindingId, "rol"
);
id!(
    /// Something to be done for a person who comes or goes.
    TaskId, "tsk"
);
id!(
    /// Something tried out on purpose and measured.
    DrillId, "drl"
);
id!(
    /// What a person asked for beyond what they may use.
    AccessRequestId, "ask"
);
id!(
    /// What somebody found about a connector before it was enabled.
    ConnectorReviewId, "crv"
);
id!(
    /// What a check found, and kept.
    EvidenceId, "evi"
);
id!(
    /// A call of a connector's action that somebody has to approve.
    ApprovalId, "apr"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_with_its_prefix_and_reads_back() {
        let id = PersonId::from_parts(1_795_226_912_000, 0x1234_5678_9abc_def0);
        let text = id.to_string();
        assert!(text.starts_with("per_"), "{text}");
        assert_eq!(text.parse::<PersonId>(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
        assert_eq!(
            serde_json::from_str::<PersonId>(&format!("\"{text}\"")).unwrap(),
            id
        );
    }

    #[test]
    fn an_id_of_another_noun_or_shape_is_refused() {
        let person = PersonId::from_parts(1, 2).to_string();
        assert!(person.parse::<SessionId>().is_err());
        for text in [
            "",
            "per_",
            "per_01",
            "per_zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "per_0000000000000000000000000U",
        ] {
            assert!(text.parse::<PersonId>().is_err(), "{text}");
        }
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = RequestId::from_parts(1_000, u128::MAX);
        let late = RequestId::from_parts(1_001, 0);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!((early.unix_ms(), late.unix_ms()), (1_000, 1_001));
    }
}
