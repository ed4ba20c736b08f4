//! The key that signs is changed: by a running ledger, at the next start, several times, on a failing list; and whoever trusts
//! the first key alone can still verify all of it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use domain::Timestamp;
use ledger::disk::Folder;
use ledger::record::SystemEvent;
use ledger::verify::{Damage, Report, Trust, verify_folder};
use ledger::{KeyChange, Keyring, Ledger, OpenError, PublicKey, SigningKey};
use secrecy::SecretString;

use crate::spool::{Noon, Spool, chain, outcome};

/// Keys in the order they signed, each with its word for the next.
struct Keys {
    texts: Vec<SecretString>,
    changes: Vec<KeyChange>,
}

impl Keys {
    fn of(spool: &Spool) -> Self {
        Self {
            texts: vec![spool.key_text().clone()],
            changes: Vec::new(),
        }
    }

    fn read(text: &SecretString) -> SigningKey {
        SigningKey::from_text(text).unwrap()
    }

    fn public(&self, at: usize) -> PublicKey {
        Self::read(&self.texts[at]).public()
    }

    fn rotate(&mut self) {
        let (new, text) = SigningKey::generate().unwrap();
        let old = Self::read(self.texts.last().unwrap());
        let at = Timestamp::from_unix_ms(1);
        self.changes.push(KeyChange::sign(&old, new.public(), at));
        self.texts.push(text);
    }

    fn ring(&self) -> Keyring {
        let mut keys: Vec<SigningKey> = self.texts.iter().rev().map(Self::read).collect();
        let newest = keys.remove(0);
        Keyring::with_older(newest, keys, self.changes.clone())
    }
}

fn try_open(spool: &Spool, keys: &Keys) -> Result<Ledger, OpenError> {
    let disk = Box::new(Folder::open(spool.path())?);
    Ledger::open_on_with(disk, chain(), keys.ring(), Arc::new(Noon), spool.options)
}

async fn write(spool: &Spool, keys: &Keys, first: u64) {
    let ledger = try_open(spool, keys).unwrap();
    for number in first..first + 3 {
        ledger.append(outcome(number)).await.unwrap();
    }
}

fn report(spool: &Spool, keys: &[PublicKey]) -> Report {
    let mut trust = Trust::none();
    for key in keys {
        trust.add_key(*key);
    }
    verify_folder(spool.path(), trust).unwrap()
}

fn damages(report: &Report) -> Vec<Damage> {
    report.findings.iter().map(|it| it.damage).collect()
}

#[tokio::test]
async fn whoever_trusts_the_first_key_follows_every_change() {
    let spool = Spool::new();
    let mut keys = Keys::of(&spool);
    write(&spool, &keys, 0).await;
    keys.rotate();
    write(&spool, &keys, 3).await;
    keys.rotate();
    keys.rotate();
    write(&spool, &keys, 6).await;
    write(&spool, &keys, 9).await;
    assert_eq!(
        spool.count_events(SystemEvent::KeyChanged),
        3,
        "each change once"
    );
    let seen = report(&spool, &[keys.public(0)]);
    assert!(seen.is_clean(), "{seen}");
    assert!(seen.to_string().contains("signed to the end"), "{seen}");
    let all: Vec<PublicKey> = (0..4).map(|at| keys.public(at)).collect();
    assert!(report(&spool, &all).is_clean());
    assert!(report(&spool, &[]).is_clean());
    // the newest alone cannot vouch for what was before it
    assert!(damages(&report(&spool, &[keys.public(3)])).contains(&Damage::UnknownKey));
}

#[tokio::test]
async fn a_running_ledger_changes_with_its_next_record_and_loses_none() {
    let spool = Spool::new();
    let mut keys = Keys::of(&spool);
    let ledger = try_open(&spool, &keys).unwrap();
    ledger.append(outcome(0)).await.unwrap();
    keys.rotate();
    ledger.change_keys(keys.ring());
    ledger.change_keys(keys.ring());
    assert_eq!(ledger.public_key(), keys.public(1));
    for number in 1..20 {
        ledger.append(outcome(number)).await.unwrap();
    }
    drop(ledger);
    assert_eq!(spool.count_events(SystemEvent::KeyChanged), 1);
    let seen = report(&spool, &[keys.public(0)]);
    assert!(
        seen.is_clean() && seen.to_string().contains("signed to the end"),
        "{seen}"
    );
    // going on with the changed key needs no further word
    write(&spool, &keys, 20).await;
    assert_eq!(spool.count_events(SystemEvent::KeyChanged), 1);
}

#[tokio::test]
async fn segments_before_and_after_a_change_verify_by_themselves() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 500;
    let mut keys = Keys::of(&spool);
    write(&spool, &keys, 0).await;
    keys.rotate();
    write(&spool, &keys, 3).await;
    write(&spool, &keys, 6).await;
    assert!(spool.segments().len() > 3);
    let seen = report(&spool, &[keys.public(0)]);
    assert!(seen.is_clean(), "{seen}");
}

#[tokio::test]
async fn a_change_that_nobody_trusted_said_is_named() {
    let spool = Spool::new();
    let mut keys = Keys::of(&spool);
    write(&spool, &keys, 0).await;
    // Somebody's own key, with their own word for it.
    let (thief, text) = SigningKey::generate().unwrap();
    let forged = KeyChange {
        from: keys.public(0).id(),
        ..KeyChange::sign(&thief, thief.public(), Timestamp::from_unix_ms(1))
    };
    let thief = thief.public();
    keys.texts.push(text);
    keys.changes.push(forged);
    write(&spool, &keys, 3).await;
    let found = damages(&report(&spool, &[keys.public(0)]));
    assert!(
        found.contains(&Damage::BadSignature) && found.contains(&Damage::UnknownKey),
        "{found:?}"
    );
    assert_eq!(keys.public(1), thief);
}

/// The list of checkpoints is what a restart looks at to notice a spool that was put back.
#[tokio::test]
async fn a_spool_put_back_from_before_a_change_does_not_open() {
    let spool = Spool::new();
    let mut keys = Keys::of(&spool);
    write(&spool, &keys, 0).await;
    let before: Vec<(PathBuf, Vec<u8>)> = spool
        .segments()
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    write(&spool, &keys, 3).await;
    keys.rotate();
    let ledger = try_open(&spool, &keys).unwrap();
    ledger.append(outcome(6)).await.unwrap();
    drop(ledger);
    for (path, bytes) in before {
        fs::write(path, bytes).unwrap();
    }
    let refused = try_open(&spool, &keys).unwrap_err();
    assert!(matches!(refused, OpenError::RolledBack { .. }), "{refused}");
}

#[tokio::test]
async fn a_key_without_a_word_for_it_signs_at_once_and_both_verify_together() {
    let spool = Spool::new();
    let mut keys = Keys::of(&spool);
    write(&spool, &keys, 0).await;
    keys.rotate();
    keys.changes.clear();
    write(&spool, &keys, 3).await;
    assert_eq!(spool.count_events(SystemEvent::KeyChanged), 0);
    assert!(report(&spool, &[keys.public(0), keys.public(1)]).is_clean());
    assert!(damages(&report(&spool, &[keys.public(0)])).contains(&Damage::UnknownKey));
}
