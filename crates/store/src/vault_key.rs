//! The key that rows are sealed with whose content nobody but who they belong to may see: a call's arguments, people's grants. It is a
//! ring of its own, itself sealed among the store's secrets, so that another sealing key leaves these rows as they are. Follows a change
//! while the process runs. Each row is sealed under a name that says whose it is, so that none opens in another one's place.

use std::sync::{Arc, PoisonError, RwLock};

use domain::Ids;

use crate::secrets::{CannotOpen, SealingKey};

/// The key in use and those before it; cheap to clone, and every clone follows.
#[derive(Debug, Clone)]
pub struct VaultKey(Arc<RwLock<Arc<SealingKey>>>);

impl VaultKey {
    /// Seals with the newest of these keys and opens with all of them.
    pub fn new(key: SealingKey) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(key))))
    }

    /// Puts other keys in their place.
    pub fn replace(&self, key: SealingKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }

    fn now(&self) -> Arc<SealingKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals a text for the row that these words name.
    pub fn seal(&self, row: &[&str], text: &[u8], ids: &dyn Ids) -> Vec<u8> {
        self.now().seal(&name(row), text, ids)
    }

    /// Opens what was sealed for the row that these words name, and for no other.
    pub fn open(&self, row: &[&str], sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        self.now().open(&name(row), sealed)
    }

    /// Whether a key before the newest one sealed it.
    pub fn is_older(&self, sealed: &[u8]) -> bool {
        self.now().is_older(sealed)
    }

    /// What tells the newest key from others.
    pub fn fingerprint(&self) -> String {
        self.now().fingerprint()
    }
}

/// The words, each with its length before it, so that no two rows have one name.
fn name(row: &[&str]) -> String {
    row.iter().fold(String::from("vault"), |name, word| {
        format!("{name} {}:{word}", word.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug)]
    struct Sevens;
    impl Ids for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn a_row_opens_as_itself_alone_and_after_a_change_of_the_key() {
        let key = VaultKey::new(SealingKey::new([1; 32]));
        let sealed = key.seal(&["grant", "ada", "crm"], b"token", &Sevens);
        assert_eq!(
            key.open(&["grant", "ada", "crm"], &sealed).unwrap(),
            b"token"
        );
        for other in [
            &["grant", "bob", "crm"][..],
            &["grant", "ada", "crm2"],
            &["grant", "ada crm"],
            &["grant", "ada", "crm", ""],
            &["approval", "ada", "crm"],
        ] {
            assert_eq!(key.open(other, &sealed), Err(CannotOpen), "{other:?}");
        }
        let follows = key.clone();
        key.replace(SealingKey::new([2; 32]).and_older([1; 32]));
        assert!(follows.is_older(&sealed));
        assert_eq!(
            follows.open(&["grant", "ada", "crm"], &sealed).unwrap(),
            b"token"
        );
        key.replace(SealingKey::new([2; 32]));
        assert_eq!(
            follows.open(&["grant", "ada", "crm"], &sealed),
            Err(CannotOpen)
        );
    }

    proptest! {
        #[test]
        fn no_two_rows_have_one_name(one in proptest::collection::vec("[a-c0-9: ]{0,4}", 0..4), other in proptest::collection::vec("[a-c0-9: ]{0,4}", 0..4)) {
            fn words(row: &[String]) -> Vec<&str> {
                row.iter().map(String::as_str).collect()
            }
            prop_assert_eq!(name(&words(&one)) == name(&words(&other)), one == other);
        }
    }
}
