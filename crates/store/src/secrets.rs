//! Secrets at rest: sealed with AES-256-GCM under a key that is not in the database, bound to their name.
//!
//! The form is one version byte, four bytes that tell keys apart, twelve nonce bytes, then ciphertext and tag. Version, key and name
//! are authenticated. A key is changed by giving the new one with the old one behind it and sealing anew what the old one sealed.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;
use domain::Ids;
use secrecy::{ExposeSecret as _, SecretBox};
use sqlx::{Row as _, query};

use crate::{Engine, Result, Store, StoreError};

const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES;
const NONCE_BYTES: usize = 12;

/// The key that seals what the store keeps, and older ones that still open.
pub struct SealingKey {
    newest: Key,
    older: Vec<Key>,
}

/// One key, ready to be used: what a sealed secret begins with, and the cipher.
struct Key {
    header: [u8; HEADER_BYTES],
    cipher: LessSafeKey,
}

impl Key {
    fn new(bytes: [u8; 32]) -> Self {
        let bytes = SecretBox::new(Box::new(bytes));
        Self {
            header: header(&bytes),
            cipher: cipher(&bytes),
        }
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SealingKey")
    }
}

/// A sealed secret could not be opened: another key, another name, or altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret cannot be opened with this key; is it the key it was sealed with?")]
pub struct CannotOpen;

/// Why secrets were not sealed anew.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// The store.
    #[error("the store cannot be reached or refused")]
    Store(#[from] StoreError),
    /// None of the keys opens this secret; nothing was written.
    #[error("the secret `{0}` can be opened with none of the keys; nothing was sealed anew")]
    CannotOpen(String),
}

impl SealingKey {
    /// From 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self {
            newest: Key::new(bytes),
            older: Vec::new(),
        }
    }

    /// Also opens what this key sealed; seals nothing with it.
    #[must_use]
    pub fn and_older(mut self, bytes: [u8; 32]) -> Self {
        self.older.push(Key::new(bytes));
        self
    }

    /// Seals a secret under its name.
    pub fn seal(&self, name: &str, secret: &[u8], ids: &dyn Ids) -> Vec<u8> {
        let mut nonce = [0u8; NONCE_BYTES];
        ids.fill(&mut nonce);
        let Key { header, cipher } = &self.newest;
        let mut text = secret.to_vec();
        cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from([&header[..], name.as_bytes()].concat()),
                &mut text,
            )
            .expect("a secret is far shorter than the cipher's limit");
        [&header[..], &nonce, &text].concat()
    }

    /// Opens what was sealed under this name.
    pub fn open(&self, name: &str, sealed: &[u8]) -> std::result::Result<Vec<u8>, CannotOpen> {
        let (head, rest) = sealed.split_at_checked(HEADER_BYTES).ok_or(CannotOpen)?;
        let mut keys = std::iter::once(&self.newest).chain(&self.older);
        let key = keys.find(|key| key.header == head).ok_or(CannotOpen)?;
        let (nonce, text) = rest.split_at_checked(NONCE_BYTES).ok_or(CannotOpen)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CannotOpen)?;
        let mut text = text.to_vec();
        let opened = key
            .cipher
            .open_in_place(
                nonce,
                Aad::from([head, name.as_bytes()].concat()),
                &mut text,
            )
            .map_err(|_| CannotOpen)?
            .len();
        text.truncate(opened);
        Ok(text)
    }

    /// What tells the newest key from others, in hexadecimal; says nothing else about it.
    pub fn fingerprint(&self) -> String {
        domain::opaque::hex(&self.newest.header[1..])
    }

    /// Whether it was sealed with an older key, so that it should be sealed anew.
    pub fn is_older(&self, sealed: &[u8]) -> bool {
        !sealed.starts_with(&self.newest.header)
    }
}

fn cipher(key: &SecretBox<[u8; 32]>) -> LessSafeKey {
    let unbound = UnboundKey::new(&AES_256_GCM, key.expose_secret());
    LessSafeKey::new(unbound.expect("the key has 32 bytes"))
}

/// The version and four bytes of a hash of the key, which tell nothing else about it.
fn header(key: &SecretBox<[u8; 32]>) -> [u8; HEADER_BYTES] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"doorward sealing key id\0");
    context.update(key.expose_secret());
    let hash = context.finish();
    let mut header = [VERSION; HEADER_BYTES];
    header[1..].copy_from_slice(&hash.as_ref()[..KEY_ID_BYTES]);
    header
}

impl Store {
    /// Keeps a sealed secret unless one of this name is there, and returns the one that is there now. Of two replicas that start
    /// at once, both get the first one's.
    pub async fn keep_secret(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let mut tx = self.pools.begin().await?;
        tx.run(
            query(
                "INSERT INTO secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            )
            .bind(name)
            .bind(sealed),
        )
        .await?;
        let row = tx
            .row(query("SELECT sealed FROM secrets WHERE name = $1").bind(name))
            .await?
            .ok_or(StoreError::Damaged("secrets.name"))?;
        tx.commit().await?;
        Ok(row.try_get(0)?)
    }

    /// Puts a sealed secret in the place of the one that was read; false, and nothing written, when another is there by now.
    pub async fn swap_secret(&self, name: &str, read: &[u8], sealed: &[u8]) -> Result<bool> {
        let statement = query("UPDATE secrets SET sealed = $3 WHERE name = $1 AND sealed = $2");
        let statement = statement.bind(name).bind(read).bind(sealed);
        Ok(self.pools.write(statement).await? == 1)
    }

    /// Every secret's name, and whether an older key sealed it.
    pub async fn sealed_by(&self, key: &SealingKey) -> Result<Vec<(String, bool)>> {
        let rows = query("SELECT name, sealed FROM secrets ORDER BY name LIMIT 1000");
        let told = |row: &sqlx::any::AnyRow| {
            let sealed: Vec<u8> = row.try_get(1)?;
            Ok((row.try_get(0)?, key.is_older(&sealed)))
        };
        self.pools.rows(rows).await?.iter().map(told).collect()
    }

    /// Seals with the newest key what an older one sealed, all of it in one transaction, and returns how many that were.
    /// [`ResealError::CannotOpen`], and nothing written, when one can be opened with none of the keys.
    pub async fn reseal(
        &self,
        key: &SealingKey,
        ids: &dyn Ids,
    ) -> std::result::Result<u64, ResealError> {
        let mut tx = self.pools.begin().await?;
        if self.engine() == Engine::Postgres {
            // whoever puts one meanwhile waits, and then puts it in place of what was sealed anew
            tx.settings("LOCK TABLE secrets IN SHARE ROW EXCLUSIVE MODE")
                .await?;
        }
        let mut resealed = 0;
        let rows = tx
            .rows(query("SELECT name, sealed FROM secrets ORDER BY name"))
            .await?;
        for row in &rows {
            let name: String = row.try_get(0).map_err(StoreError::from)?;
            let sealed: Vec<u8> = row.try_get(1).map_err(StoreError::from)?;
            if !key.is_older(&sealed) {
                continue;
            }
            let secret = key
                .open(&name, &sealed)
                .map_err(|_| ResealError::CannotOpen(name.clone()))?;
            let anew = query("UPDATE secrets SET sealed = $2 WHERE name = $1");
            let sealed = key.seal(&name, &secret, ids);
            resealed += tx.run(anew.bind(name).bind(sealed)).await?;
        }
        tx.commit().await?;
        Ok(resealed)
    }

    /// A sealed secret.
    pub async fn secret(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let row = self
            .pools
            .row(query("SELECT sealed FROM secrets WHERE name = $1").bind(name))
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
            assert_eq!(
                key.open("session-key", &sealed[..place]),
                Err(CannotOpen),
                "cut at {place}"
            );
        }
    }

    #[test]
    fn a_new_key_opens_what_the_old_one_sealed_and_seals_with_itself() {
        let sealed = SealingKey::new([1; 32]).seal("name", b"secret", &Sevens);
        let key = SealingKey::new([2; 32]).and_older([1; 32]);
        assert_eq!(key.open("name", &sealed).unwrap(), b"secret");
        assert!(key.is_older(&sealed));
        let anew = key.seal("name", b"secret", &Sevens);
        assert!(!key.is_older(&anew));
        assert_eq!(
            SealingKey::new([2; 32]).open("name", &anew).unwrap(),
            b"secret"
        );
    }

    #[test]
    fn a_sealing_key_and_what_it_sealed_show_nothing() {
        let key = SealingKey::new([0x5a; 32]);
        assert_eq!(format!("{key:?}"), "SealingKey");
        let sealed = key.seal("name", b"a rather long secret", &Sevens);
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
    }
}
