//! A checkpoint: the ledger's head, signed. Whoever holds one knows what the ledger was up to that record, whatever happens to
//! the files later; kept elsewhere (sinks, object storage) it is the witness against truncation and re-signed forks.
//!
//! The signature is Ed25519 over this text, in the manner of the C2SP signed note: five lines, each ended by a line feed.
//!
//! ```text
//! doorward.ledger/v1
//! <chain id>
//! <seq of the last record it covers, decimal; 0 for the empty chain>
//! <hash of that record, 64 hex digits; zeros for the empty chain>
//! <time of signing, decimal milliseconds since 1970>
//! ```
//!
//! A checkpoint stands in the chain itself, as a `system` record that covers the record just before it, and as a line of
//! `checkpoints.ndjson` beside the segments.

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chain::Head;
use crate::signing::{KeyId, PublicKey, Signature, SigningKey};
use crate::{ChainId, Hash};

/// First line of the signed text.
const ORIGIN: &str = "doorward.ledger/v1";

/// A signed head of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The chain.
    pub chain: ChainId,
    /// The last record it covers; 0 for the empty chain.
    pub seq: u64,
    /// The hash of that record.
    pub hash: Hash,
    /// When it was signed.
    pub time: Timestamp,
    /// The key that signed.
    pub key: KeyId,
    /// The signature over [`Checkpoint::text`].
    pub signature: Signature,
}

impl Checkpoint {
    pub(crate) fn sign(chain: &ChainId, head: Head, time: Timestamp, key: &SigningKey) -> Self {
        let text = signed_text(chain, head.seq, head.hash, time);
        Self {
            chain: chain.clone(),
            seq: head.seq,
            hash: head.hash,
            time,
            key: key.public().id(),
            signature: key.sign(text.as_bytes()),
        }
    }

    /// The text that is signed.
    pub fn text(&self) -> String {
        signed_text(&self.chain, self.seq, self.hash, self.time)
    }

    /// Whether this key made it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.id() == self.key && key.verifies(self.text().as_bytes(), &self.signature)
    }
}

fn signed_text(chain: &ChainId, seq: u64, hash: Hash, time: Timestamp) -> String {
    format!("{ORIGIN}\n{chain}\n{seq}\n{hash}\n{}\n", time.unix_ms())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_text_has_a_fixed_layout() {
        let (key, _) = SigningKey::generate().unwrap();
        let chain = ChainId::new("gw-1", 3).unwrap();
        let head = Head {
            seq: 17,
            hash: Hash([0xab; 32]),
        };
        let checkpoint = Checkpoint::sign(
            &chain,
            head,
            Timestamp::from_unix_ms(1_795_226_912_000),
            &key,
        );
        let hex = "ab".repeat(32);
        assert_eq!(
            checkpoint.text(),
            format!("doorward.ledger/v1\ngw-1.3\n17\n{hex}\n1795226912000\n")
        );
        assert!(checkpoint.is_signed_by(&key.public()));
    }

    #[test]
    fn a_checkpoint_with_any_other_word_does_not_verify() {
        let (key, _) = SigningKey::generate().unwrap();
        let chain = ChainId::new("gw-1", 3).unwrap();
        let good = Checkpoint::sign(
            &chain,
            Head {
                seq: 17,
                hash: Hash([1; 32]),
            },
            Timestamp::default(),
            &key,
        );
        let alterations: [fn(&mut Checkpoint); 4] = [
            |it| it.seq += 1,
            |it| it.hash.0[31] ^= 1,
            |it| it.time = it.time.plus_ms(1),
            |it| it.chain = ChainId::new("gw-1", 4).unwrap(),
        ];
        for alter in alterations {
            let mut bad = good.clone();
            alter(&mut bad);
            assert!(!bad.is_signed_by(&key.public()), "{bad:?}");
        }
        let read: Checkpoint =
            serde_json::from_str(&serde_json::to_string(&good).unwrap()).unwrap();
        assert_eq!(read, good);
    }
}
