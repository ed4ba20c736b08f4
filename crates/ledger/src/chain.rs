//! The chain: how a record becomes a line, and what a line proves.
//!
//! One line of a spool, without the line feed that ends it:
//!
//! ```text
//! {"seq":17,"chain":"gw-1.3","time":1795226912000,"prev":"<64 hex>","record":{…},"hash":"<64 hex>"}
//! ```
//!
//! `hash` is SHA-256 over the line's own bytes before `,"hash":`, so what is hashed is what is stored and nothing needs to be
//! canonical. `prev` is the hash of the line before (zeros for the first), `seq` counts from 1 without a hole, `time` is in
//! milliseconds since 1970. This file does no I/O; the writer seals, readers and the verifier decode.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::str::FromStr;

use aws_lc_rs::digest;
use domain::Timestamp;
use domain::written::Written;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::record::{Kind, Record};

/// What stands between the hashed part of a line and its hash.
const HASH_MARK: &[u8] = b",\"hash\":\"";
/// What stands after the hash.
const LINE_END: &[u8] = b"\"}";
/// Bytes of a line that are not hashed.
const TAIL_BYTES: usize = HASH_MARK.len() + 64 + LINE_END.len();

/// A SHA-256 value; prints as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

const NO_DIGIT: u8 = 0x80;

/// What each byte is as a hexadecimal digit in lower case. Verifying reads two hashes of every record.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

impl Hash {
    /// What the first line of a chain follows.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Self(hash)
    }

    fn hex(self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }

    fn from_hex(text: &[u8]) -> Option<Self> {
        let mut hash = [0; 32];
        if text.len() != 64 {
            return None;
        }
        let mut seen = 0;
        for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
            let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
            seen |= high | low;
            *byte = high << 4 | low;
        }
        (seen & NO_DIGIT == 0).then_some(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(str::from_utf8(&self.hex()).expect("hex digits are ASCII"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A text that is not 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 value: expected 64 lower-case hex digits")]
pub struct InvalidHash;

impl FromStr for Hash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        Self::from_hex(text.as_bytes()).ok_or(InvalidHash)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Written::<'de>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Which chain: a replica and its epoch, `gw-1.3`. An epoch is never used again once its spool was lost or restored from a copy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(Box<str>);

/// A text that is no chain id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a chain id: expected a replica of 1 to 64 letters, digits, `-`, `_` or `.`, a dot, and an epoch number"
)]
pub struct InvalidChainId;

impl ChainId {
    /// The chain of this replica's epoch.
    pub fn new(replica: &str, epoch: u32) -> Result<Self, InvalidChainId> {
        let fits = (1..=64).contains(&replica.len());
        if fits
            && replica
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        {
            Ok(Self(format!("{replica}.{epoch}").into()))
        } else {
            Err(InvalidChainId)
        }
    }

    /// Whether a text has a chain id's characters and length: safe to print and to name a file with.
    pub(crate) fn is_spelled_well(text: &str) -> bool {
        text.len() <= 80
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    }

    /// The id as text; needs no escaping in JSON, file names or headers.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChainId {
    type Err = InvalidChainId;

    fn from_str(text: &str) -> Result<Self, InvalidChainId> {
        let (replica, epoch) = text.rsplit_once('.').ok_or(InvalidChainId)?;
        let id = Self::new(replica, epoch.parse().map_err(|_| InvalidChainId)?)?;
        // one spelling only: `gw.01` and `gw.+1` are not `gw.1`
        if id.as_str() == text {
            Ok(id)
        } else {
            Err(InvalidChainId)
        }
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Serialize for ChainId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ChainId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Written::<'de>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a chain stands: what the next line follows. A copy is a place to go back to when a write failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last line's number; 0 before the first.
    pub(crate) seq: u64,
    /// The last line's hash.
    pub(crate) hash: Hash,
}

impl Head {
    pub(crate) const START: Self = Self {
        seq: 0,
        hash: Hash::ZERO,
    };

    /// Appends the next line, line feed included, to `out`. `record` is the JSON of a record.
    pub(crate) fn seal(
        &mut self,
        chain: &ChainId,
        time: Timestamp,
        record: &[u8],
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let seq = self.seq + 1;
        write!(
            out,
            "{{\"seq\":{seq},\"chain\":\"{chain}\",\"time\":{},\"prev\":\"",
            time.unix_ms()
        )
        .expect("memory takes every write");
        out.extend_from_slice(&self.hash.hex());
        out.extend_from_slice(b"\",\"record\":");
        out.extend_from_slice(record);
        let hash = Hash::of(&out[start..]);
        out.extend_from_slice(HASH_MARK);
        out.extend_from_slice(&hash.hex());
        out.extend_from_slice(LINE_END);
        out.push(b'\n');
        *self = Self { seq, hash };
    }
}

/// A decoded line. Its record is left as JSON; [`Line::record`] reads it.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The record's number in its chain, from 1.
    pub seq: u64,
    /// The chain, as it stands in the line.
    pub chain: &'a str,
    /// When the record was handed to the ledger.
    pub time: Timestamp,
    /// The hash of the line before.
    pub prev: Hash,
    /// The record's JSON.
    pub record: &'a str,
    /// The line's own hash.
    pub hash: Hash,
}

/// Why bytes are not a line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The bytes do not have a line's form.
    #[error("not a line of the ledger")]
    Form,
    /// The bytes do not give the hash that stands at their end.
    #[error("the line does not match its own hash")]
    Hash,
    /// The record inside is not one this version knows.
    #[error("the record is not one this version knows")]
    Record,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine<'a> {
    seq: u64,
    chain: &'a str,
    time: Timestamp,
    prev: Hash,
    #[serde(borrow)]
    record: &'a RawValue,
    hash: Hash,
}

impl<'a> Line<'a> {
    /// Reads a line, without its line feed, and checks it against its own hash. Takes any bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, LineError> {
        let (body, hash) = split_hash(bytes).ok_or(LineError::Form)?;
        if Hash::of(body) != hash {
            return Err(LineError::Hash);
        }
        Self::decode_unchecked(bytes)
    }

    /// Reads a line without checking its hash: for lines this process wrote itself.
    pub fn decode_unchecked(bytes: &'a [u8]) -> Result<Self, LineError> {
        let raw: RawLine<'a> = serde_json::from_slice(bytes).map_err(|_| LineError::Form)?;
        if raw.seq == 0 || !ChainId::is_spelled_well(raw.chain) {
            return Err(LineError::Form);
        }
        let RawLine {
            seq,
            chain,
            time,
            prev,
            record,
            hash,
        } = raw;
        Ok(Self {
            seq,
            chain,
            time,
            prev,
            record: record.get(),
            hash,
        })
    }

    /// The record inside.
    pub fn record(&self) -> Result<Record, LineError> {
        // by its kind's own type: reading the enum would copy every field into a buffer first
        let record = match self.kind().ok_or(LineError::Record)? {
            Kind::Decision => serde_json::from_str(self.record).map(Record::Decision),
            Kind::Outcome => serde_json::from_str(self.record).map(Record::Outcome),
            Kind::SignIn => serde_json::from_str(self.record).map(Record::SignIn),
            Kind::Session => serde_json::from_str(self.record).map(Record::Session),
            Kind::Change => serde_json::from_str(self.record).map(Record::Change),
            Kind::System => serde_json::from_str(self.record).map(Record::System),
        };
        record.map_err(|_| LineError::Record)
    }

    /// Whether the record is a checkpoint.
    pub fn is_checkpoint(&self) -> bool {
        self.record
            .starts_with("{\"kind\":\"system\",\"event\":\"checkpoint\"")
    }

    /// Whether the record is a change of the key that signs.
    pub fn is_key_change(&self) -> bool {
        self.record
            .starts_with("{\"kind\":\"system\",\"event\":\"key_changed\"")
    }

    /// The record's kind; none for one this version does not know.
    pub fn kind(&self) -> Option<Kind> {
        let rest = self.record.strip_prefix("{\"kind\":\"")?;
        let word = rest.split('"').next()?;
        Kind::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}

/// The hashed part of a line, and the hash at its end.
fn split_hash(bytes: &[u8]) -> Option<(&[u8], Hash)> {
    let (body, tail) = bytes.split_at_checked(bytes.len().checked_sub(TAIL_BYTES)?)?;
    let hex = tail.strip_prefix(HASH_MARK)?.strip_suffix(LINE_END)?;
    Some((body, Hash::from_hex(hex)?))
}

/// Lower-case hex of some bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory takes every write");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(record: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let chain = ChainId::new("gw-1", 3).unwrap();
        Head {
            seq: 16,
            hash: Hash([7; 32]),
        }
        .seal(
            &chain,
            Timestamp::from_unix_ms(5),
            record.as_bytes(),
            &mut out,
        );
        assert_eq!(out.pop(), Some(b'\n'));
        out
    }

    #[test]
    fn a_sealed_line_reads_back() {
        let bytes = line(r#"{"kind":"system","event":"start"}"#);
        let read = Line::decode(&bytes).unwrap();
        assert_eq!(
            (read.seq, read.chain, read.time.unix_ms(), read.prev),
            (17, "gw-1.3", 5, Hash([7; 32]))
        );
        assert_eq!(read.kind(), Some(Kind::System));
        assert!(matches!(read.record(), Ok(Record::System(_))));
    }

    #[test]
    fn a_chain_follows_its_own_hashes() {
        let (mut head, mut out) = (Head::START, Vec::new());
        let chain = ChainId::new("a", 1).unwrap();
        for _ in 0..3 {
            head.seal(&chain, Timestamp::default(), b"{}", &mut out);
        }
        let mut before = Hash::ZERO;
        for (number, line) in (1..).zip(out.split_inclusive(|&b| b == b'\n')) {
            let line = Line::decode(&line[..line.len() - 1]).unwrap();
            assert_eq!((line.seq, line.prev), (number, before));
            before = line.hash;
        }
        assert_eq!(
            head,
            Head {
                seq: 3,
                hash: before
            }
        );
    }

    #[test]
    fn a_chain_id_has_one_spelling() {
        for good in ["gw-1.3", "a.0", "host.example.org.12"] {
            assert_eq!(good.parse::<ChainId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "gw",
            "gw.",
            ".1",
            "gw.01",
            "gw.+1",
            "g w.1",
            "gw\".1",
            "gw.99999999999",
            &format!("{}.1", "x".repeat(65)),
        ] {
            assert!(bad.parse::<ChainId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_a_line_is_refused() {
        for bad in ["", "{}", "\u{0}", "null", &"x".repeat(75), &"é".repeat(60)] {
            assert_eq!(Line::decode(bad.as_bytes()).unwrap_err(), LineError::Form);
        }
    }

    proptest! {
        #[test]
        fn no_byte_of_a_line_can_be_altered(at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut bytes = line(r#"{"kind":"system","event":"start"}"#);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(Line::decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Line::decode(&bytes);
        }
    }
}
