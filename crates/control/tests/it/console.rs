//! Who comes with a console cookie: the roles of this moment, and nothing once anything has ended it.

use control::{Actor, Entry, Right, Role, roles};
use domain::opaque::{hex, sha256};
use domain::{Clock as _, SessionId, Timestamp};
use store::{Holder, Person, Session, Target};

use crate::scim::Place;

const SECRET: &str = "SECRETSECRETSECRETSECRETSECRETSECRETSECRETS";

impl Place {
    /// A browser of somebody's, who proved at this moment who they are.
    async fn at_the_console(&self, person: &Person, proved_at: Timestamp) -> SessionId {
        self.clock.advance_ms(1);
        let session = Session {
            id: SessionId::from_parts(1, 77),
            person: person.id,
            client: "Console".to_owned(),
            created: self.clock.now(),
            ended_at: None,
        };
        let hash = hex(&sha256(SECRET.as_bytes()));
        let (store, org) = (&self.control.store, self.control.org);
        let begun = store.begin_console_session(org, &session, &hash, proved_at);
        begun.await.unwrap().unwrap().keep().await.unwrap();
        session.id
    }

    async fn is_signed_out(&self) -> bool {
        let entered = self.control.enter_by_cookie(SECRET).await;
        matches!(entered, Err(Entry::SignedOut))
    }
}

#[tokio::test]
async fn a_cookie_stands_for_its_person_with_the_roles_of_this_moment() {
    let place = Place::new(31).await;
    let ada = place.signed_in("ada", "Ada", &["audit"]).await;
    let session = place.at_the_console(&ada, place.clock.now()).await;
    let visit = place.control.enter_by_cookie(SECRET).await.unwrap();
    assert_eq!((visit.person.id, visit.session), (ada.id, session));
    assert_eq!(visit.actor.label(), "Ada");
    assert!(visit.actor.may(Right::OwnRead) && !visit.actor.may(Right::LedgerRead));
    let machine = Actor::command_line("machine");
    let operation = place.control.operation(&machine);
    let holder = Holder::Group {
        issuer: "entra".to_owned(),
        group: "audit".to_owned(),
    };
    let given = roles::grant(&operation, Role::Auditor, holder, "test").await;
    let given = given.unwrap();
    let visit = place.control.enter_by_cookie(SECRET).await.unwrap();
    assert!(visit.actor.may(Right::LedgerRead));
    roles::revoke(&operation, given.binding.id, "test")
        .await
        .unwrap();
    let visit = place.control.enter_by_cookie(SECRET).await.unwrap();
    assert!(!visit.actor.may(Right::LedgerRead));
}

#[tokio::test]
async fn a_proof_is_fresh_for_a_while_and_none_that_nobody_stated() {
    let place = Place::new(32).await;
    let ada = place.signed_in("ada", "Ada", &[]).await;
    place.at_the_console(&ada, place.clock.now()).await;
    let fresh = async || {
        let visit = place.control.enter_by_cookie(SECRET).await.unwrap();
        visit.is_fresh(place.clock.now())
    };
    assert!(fresh().await);
    place.clock.advance_ms(domain::limits::CONSOLE_PROOF_MS);
    assert!(!fresh().await);
    let other = Place::new(33).await;
    let ada = other.signed_in("ada", "Ada", &[]).await;
    other.at_the_console(&ada, Timestamp::from_unix_ms(0)).await;
    let visit = other.control.enter_by_cookie(SECRET).await.unwrap();
    assert!(!visit.is_fresh(other.clock.now()));
}

#[tokio::test]
async fn a_use_is_written_down_once_a_minute_and_keeps_the_session() {
    let place = Place::new(34).await;
    let ada = place.signed_in("ada", "Ada", &[]).await;
    place.at_the_console(&ada, place.clock.now()).await;
    let hash = hex(&sha256(SECRET.as_bytes()));
    let seen = async || {
        let held = place
            .control
            .store
            .console_session(place.control.org, &hash);
        held.await.unwrap().unwrap().session.last_seen
    };
    let begun = seen().await;
    for (ms, noted) in [(59_000, false), (1_000, true), (59_999, false), (1, true)] {
        let before = seen().await;
        place.clock.advance_ms(ms);
        place.control.enter_by_cookie(SECRET).await.unwrap();
        assert_eq!(seen().await != before, noted, "after {ms} ms more");
    }
    assert_eq!(seen().await.ms_since(begun), 120_000);
    place.clock.advance_ms(domain::limits::CONSOLE_IDLE_MS - 1);
    let asked = place.control.look_by_cookie(SECRET).await;
    assert!(asked.is_ok(), "a page may ask by itself");
    place.clock.advance_ms(1);
    assert!(place.is_signed_out().await);
}

#[tokio::test]
async fn whatever_ends_a_session_ends_a_cookie() {
    for (seed, end) in ["session", "everyone", "out", "issuer", "secret"]
        .into_iter()
        .enumerate()
    {
        let mut place = Place::new(40 + u64::try_from(seed).unwrap()).await;
        let ada = place.signed_in("ada", "Ada", &[]).await;
        let session = place.at_the_console(&ada, place.clock.now()).await;
        assert!(place.control.enter_by_cookie(SECRET).await.is_ok());
        let (store, org, now) = (&place.control.store, place.control.org, place.clock.now());
        match end {
            "session" => {
                store
                    .revoke(org, &Target::Session(session), now, "test")
                    .await
                    .unwrap();
            }
            "everyone" => {
                store
                    .revoke(org, &Target::Everyone, now, "test")
                    .await
                    .unwrap();
            }
            "out" => {
                assert!(store.shut_out(org, ada.id, now, "test").await.unwrap());
                let entered = place.control.enter_by_cookie(SECRET).await;
                assert!(matches!(entered, Err(Entry::ShutOut)));
                assert!(store.let_in(org, ada.id, None).await.unwrap());
            }
            // The issuer that vouched for her is configured no longer.
            "issuer" => place.control.vouching = std::sync::Arc::default(),
            _ => {
                let other = place.control.enter_by_cookie(&SECRET.to_lowercase()).await;
                assert!(matches!(other, Err(Entry::SignedOut)));
                let empty = place.control.enter_by_cookie("").await;
                assert!(matches!(empty, Err(Entry::SignedOut)));
                continue;
            }
        }
        assert!(place.is_signed_out().await, "{end}");
    }
}
