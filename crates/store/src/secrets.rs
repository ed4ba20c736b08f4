//! Secrets at rest: sealed with AES-256-GCM under a key that is not in the database, bound to their name.
//!
//! The form is one version byte, twelve nonce bytes, then ciphertext and tag.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use domain::Ids;
use secrecy::{ExposeSecret as _, SecretBox};
use sqlx::Row as _;

use crate::{Result, Store};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;

/// The key that seals what the store keeps.
pub struct SealingKey(SecretBox<[u8; 32]>);

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SealingKey")
    }
}

/// A sealed secret could not be opened: another key, another name, or altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret cannot be opened with this key; is it the key it was sealed with?")]
pub struct CannotOpen;

impl SealingKey {
    /// From 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    fn key(&self) -> LessSafeKey {
        let unbound =
            UnboundKey::new(&AES_256_GCM, self.0.expose_secret()).expect("the key has 32 bytes");
        LessSafeKey::new(unbound)
    }

    /// Seals a secret under its name.
    pub fn seal(&self, name: &str, secret: &[u8], ids: &dyn Ids) -> Vec<u8> {
        let mut nonce = [0u8; NONCE_BYTES];
        ids.fill(&mut nonce);
        let mut text = secret.to_vec();
        self.key()
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name.as_bytes()),
                &mut text,
            )
            .expect("a secret is far shorter than the cipher's limit");
        [&[VERSION][..], &nonce, &text].concat()
    }

    /// Opens what was sealed under this name.
    pub fn open(&self, name: &str, sealed: &[u8]) -> std::result::Result<Vec<u8>, CannotOpen> {
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(CannotOpen)?;
        let (nonce, text) = rest.split_at_checked(NONCE_BYTES).ok_or(CannotOpen)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CannotOpen)?;
        let mut text = text.to_vec();
        let opened = self
            .key()
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| CannotOpen)?
            .len();
        text.truncate(opened);
        Ok(text)
    }
}

impl Store {
    /// Keeps a sealed secret unless one of this name is there, and returns the one that is there now. Of two replicas that start
    /// at once, both get the first one's.
    pub async fn keep_secret(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        sqlx::query(
            "INSERT INTO secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(sealed)
        .execute(&self.pool)
        .await?;
        let row = sqlx::query("SELECT sealed FROM secrets WHERE name = $1")
            .bind(name)
            .fetch_one(&self.pool)
            .await?;
        Ok(row.try_get(0)?)
    }

    /// A sealed secret.
    pub async fn secret(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT sealed FROM secrets WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Sevens;
    impl Ids for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn a_secret_opens_with_its_key_and_name_only() {
        let key = SealingKey::new([1; 32]);
        let sealed = key.seal("session-key", b"secret", &Sevens);
        assert_eq!(key.open("session-key", &sealed).unwrap(), b"secret");
        assert_eq!(key.open("ledger-key", &sealed), Err(CannotOpen));
        assert_eq!(
            SealingKey::new([2; 32]).open("session-key", &sealed),
            Err(CannotOpen)
        );
        for place in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert_eq!(
                key.open("session-key", &altered),
                Err(CannotOpen),
                "byte {place}"
            );
        }
    }
}
