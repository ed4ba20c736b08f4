//! Records of changes that people make, and of the gateway's own life.

use std::net::IpAddr;

use domain::{OrgId, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use super::Text;
use crate::{Checkpoint, KeyChange};

/// What was done to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// It is different.
    Updated,
    /// It is gone.
    Deleted,
}

/// Somebody changed the rules, a limit or a key. Fingerprints say which text, the store keeps the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The organisation it belongs to; none for the installation itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
    /// Who did it; none when the gateway did it itself or from the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Subject>,
    /// For people to read: an e-mail address, or `command line`.
    pub by_label: Text<256>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The noun: `policy`, `spend_limit`, `service_key`, `person`.
    pub noun: Text<64>,
    /// Which one: its id or name.
    pub name: Text<256>,
    /// What was done.
    pub done: ChangeKind,
    /// The new version, for things with versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Fingerprint of the text before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Text<80>>,
    /// Fingerprint of the text after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Text<80>>,
    /// The reason its author gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<512>>,
}

/// What happened to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemEvent {
    /// It began to serve.
    Start,
    /// It ended in good order.
    Stop,
    /// It takes no new requests.
    Drain,
    /// The ledger's head was signed.
    Checkpoint,
    /// After a crash, an incomplete last line was taken off the spool.
    TailCut,
    /// The ledger could not be written for a while, and can again.
    Reopened,
    /// The place was put back from a backup; the chains before it are closed.
    Restored,
    /// Callers whom no credential names were refused more often than is recorded each; so many more of one address in one minute.
    StrangersRefused,
    /// Another key signs checkpoints from here on; the key before it says so.
    KeyChanged,
}

/// The gateway's own life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// What happened.
    pub event: SystemEvent,
    /// The software's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Text<64>>,
    /// The signature, for a checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// The old key's word for the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_change: Option<KeyChange>,
    /// How many bytes were cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_bytes: Option<u64>,
    /// How many appends were refused meanwhile; how many requests of unknown callers beyond those that were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<u64>,
    /// How many of those were calls; the rest were sign-ins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_calls: Option<u64>,
    /// From where they came: an address, or a /64 of IPv6; none for those of many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// When the minute began in which they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Particulars in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Text<256>>,
}

impl System {
    /// An event without particulars.
    pub const fn new(event: SystemEvent) -> Self {
        Self {
            event,
            version: None,
            checkpoint: None,
            key_change: None,
            cut_bytes: None,
            refused: None,
            refused_calls: None,
            address: None,
            since: None,
            detail: None,
        }
    }
}
