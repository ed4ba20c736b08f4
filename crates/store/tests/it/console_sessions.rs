//! Console sessions: begun for whoever may come in, found in one look, ended by whatever ends sessions.

use domain::{PersonId, SessionId, Timestamp};
use store::{ConsoleHolder, Person, Proof, Session, Target};

use crate::bed::{Bed, at, number, on_both_engines};

const MINUTE: i64 = 60_000;

fn session_of(person: PersonId, created: Timestamp) -> Session {
    Session {
        id: SessionId::from_parts(4, number().into()),
        person,
        client: "Console, Firefox on Linux".to_owned(),
        created,
        ended_at: None,
    }
}

/// Somebody's session that begins a minute after they were first seen.
async fn begun(bed: &Bed, person: &Person, hash: &str) -> SessionId {
    let session = session_of(person.id, at(MINUTE));
    let begins = bed
        .store
        .begin_console_session(person.org, &session, hash, at(7));
    begins.await.unwrap().unwrap().keep().await.unwrap();
    session.id
}

async fn found(bed: &Bed, hash: &str) -> Option<ConsoleHolder> {
    bed.store.console_session(bed.org, hash).await.unwrap()
}

async fn stands(bed: &Bed, hash: &str, minutes: i64) -> bool {
    let held = found(bed, hash).await;
    held.is_some_and(|held| held.stands(at(minutes * MINUTE)))
}

async fn is_proved(bed: &Bed, (old, new): (&str, &str), person: PersonId) -> bool {
    let proof = Proof {
        old_hash: old,
        new_hash: new,
        person,
        at: at(2 * MINUTE),
    };
    let proved = bed.store.prove_console_session(bed.org, proof).await;
    match proved.unwrap() {
        Some(held) => {
            held.keep().await.unwrap();
            true
        }
        None => false,
    }
}

on_both_engines! {
    async fn a_cookie_leads_to_its_session_and_person_and_only_in_its_organisation(bed) {
        let ada = bed.person("ada").await;
        let session = begun(&bed, &ada, "h").await;
        let held = found(&bed, "h").await.unwrap();
        assert_eq!(held.person, ada);
        assert_eq!(held.session.session, session);
        assert_eq!((held.session.created, held.session.last_seen), (at(MINUTE), at(MINUTE)));
        assert_eq!((held.session.proved_at, held.session.ended_at), (at(7), None));
        let listed = bed.store.sessions_page(bed.org, (Some(ada.id), true), None, 10).await.unwrap();
        assert_eq!(listed.0[0].client, "Console, Firefox on Linux");
        assert_eq!(found(&bed, "H").await, None);
        let globex = bed.other_org().await;
        assert_eq!(bed.store.console_session(globex, "h").await.unwrap(), None);
    }

    async fn what_is_not_kept_was_never_there(bed) {
        let ada = bed.person("ada").await;
        let session = session_of(ada.id, at(MINUTE));
        let held = bed.store.begin_console_session(bed.org, &session, "h", at(0)).await.unwrap();
        drop(held.unwrap());
        assert_eq!(found(&bed, "h").await, None);
        assert_eq!(bed.store.session(bed.org, session.id).await.unwrap(), None);
    }

    async fn nobody_who_may_not_come_in_begins_one(bed) {
        let store = &bed.store;
        let ada = bed.person("ada").await;
        store.revoke(bed.org, &Target::Person(ada.id), at(MINUTE), "test").await.unwrap();
        // Of the very moment of the cut, or before it.
        for created in [at(0), at(MINUTE)] {
            let session = session_of(ada.id, created);
            assert!(store.begin_console_session(bed.org, &session, "h", at(0)).await.unwrap().is_none());
        }
        store.shut_out(bed.org, ada.id, at(2 * MINUTE), "test").await.unwrap();
        let session = session_of(ada.id, at(3 * MINUTE));
        assert!(store.begin_console_session(bed.org, &session, "h", at(0)).await.unwrap().is_none());
        let nobody = session_of(PersonId::from_parts(9, 9), at(MINUTE));
        assert!(store.begin_console_session(bed.org, &nobody, "h", at(0)).await.unwrap().is_none());
        assert_eq!(bed.count("SELECT COUNT(*) FROM sessions").await, 0);
    }

    async fn whatever_ends_sessions_ends_it_for_another_replica_too(bed) {
        let replica = bed.replica().await;
        let ada = bed.person("ada").await;
        for (hash, target) in [("a", None), ("b", Some(Target::Person(ada.id))), ("c", Some(Target::Everyone))] {
            // Each begins after the cut before it.
            let session = Session { created: at(MINUTE * i64::from(hash.as_bytes()[0])), ..session_of(ada.id, at(0)) };
            let begun = bed.store.begin_console_session(bed.org, &session, hash, at(0)).await.unwrap();
            begun.unwrap().keep().await.unwrap();
            let target = target.unwrap_or(Target::Session(session.id));
            assert!(replica.console_session(bed.org, hash).await.unwrap().unwrap().stands(session.created));
            bed.store.revoke(bed.org, &target, session.created, "test").await.unwrap();
            let held = replica.console_session(bed.org, hash).await.unwrap().unwrap();
            assert!(!held.stands(session.created), "{target:?}");
        }
        replica.close().await;
    }

    async fn whoever_is_shut_out_holds_nothing_and_does_not_get_it_back(bed) {
        let ada = bed.person("ada").await;
        begun(&bed, &ada, "h").await;
        bed.store.shut_out(bed.org, ada.id, at(2 * MINUTE), "test").await.unwrap();
        assert!(!stands(&bed, "h", 2).await);
        assert!(bed.store.let_in(bed.org, ada.id, None).await.unwrap());
        assert!(!stands(&bed, "h", 2).await);
    }

    async fn a_use_keeps_it_and_an_older_word_of_one_changes_nothing(bed) {
        let ada = bed.person("ada").await;
        begun(&bed, &ada, "h").await;
        assert!(stands(&bed, "h", 30).await && !stands(&bed, "h", 31).await);
        bed.store.note_console_use(bed.org, "h", at(20 * MINUTE)).await.unwrap();
        bed.store.note_console_use(bed.org, "h", at(10 * MINUTE)).await.unwrap();
        assert!(stands(&bed, "h", 49).await && !stands(&bed, "h", 50).await);
    }

    async fn a_new_proof_changes_the_cookie_of_whom_it_is_of_alone(bed) {
        let (ada, eve) = (bed.person("ada").await, bed.person("eve").await);
        let session = begun(&bed, &ada, "h").await;
        assert!(!is_proved(&bed, ("h", "n"), eve.id).await);
        assert!(!is_proved(&bed, ("x", "n"), ada.id).await);
        assert!(is_proved(&bed, ("h", "n"), ada.id).await);
        assert_eq!(found(&bed, "h").await, None);
        let held = found(&bed, "n").await.unwrap();
        assert_eq!((held.session.session, held.session.proved_at), (session, at(2 * MINUTE)));
        // How long it lasts at most does not change.
        assert_eq!(held.session.created, at(MINUTE));
        assert!(!is_proved(&bed, ("h", "m"), ada.id).await);
        bed.store.revoke(bed.org, &Target::Session(session), at(3 * MINUTE), "test").await.unwrap();
        assert!(!is_proved(&bed, ("n", "m"), ada.id).await);
    }

    async fn what_is_over_is_ended_in_the_list_and_forgotten(bed) {
        let ada = bed.person("ada").await;
        let over = begun(&bed, &ada, "over").await;
        let used = begun(&bed, &ada, "used").await;
        let client = bed.session(&ada, "refresh").await;
        bed.store.note_console_use(bed.org, "used", at(9 * MINUTE)).await.unwrap();
        let ended = bed.store.purge_console_sessions(bed.org, (at(5 * MINUTE), at(0)), at(40 * MINUTE)).await;
        assert_eq!(ended.unwrap(), 1);
        assert_eq!(found(&bed, "over").await, None);
        assert!(found(&bed, "used").await.is_some());
        let ended_at = async |id| bed.store.session(bed.org, id).await.unwrap().unwrap().ended_at;
        assert_eq!(ended_at(over).await, Some(at(40 * MINUTE)));
        assert_eq!((ended_at(used).await, ended_at(client).await), (None, None));
        // Used or not, it began too long ago.
        let globex = bed.other_org().await;
        let (never, begun) = (at(0), at(2 * MINUTE));
        assert_eq!(bed.store.purge_console_sessions(globex, (never, begun), at(50 * MINUTE)).await.unwrap(), 0);
        assert_eq!(bed.store.purge_console_sessions(bed.org, (never, begun), at(50 * MINUTE)).await.unwrap(), 1);
        assert_eq!(ended_at(used).await, Some(at(50 * MINUTE)));
        assert_eq!(bed.count("SELECT COUNT(*) FROM console_sessions").await, 0);
    }
}
