//! Organisations, people, services, sessions, login states and secrets: kept, found again, and kept apart by organisation.

use domain::{OrgId, limits};
use store::secrets::{ResealError, SealingKey};
use store::{Engine, OpenKeys, Seen, ServiceKey, StoreError, Target};

use crate::bed::{at, number, on_both_engines, service_key};

on_both_engines! {
    async fn the_store_answers_and_says_which_engine_it_is(bed) {
        bed.store.ping().await.unwrap();
        let postgres = bed.url.starts_with("postgres");
        assert_eq!(bed.store.engine() == Engine::Postgres, postgres);
    }

    async fn an_organisation_keeps_the_id_it_got_first(bed) {
        let again = bed.store.ensure_org("acme", OrgId::from_parts(9, 9)).await.unwrap();
        assert_eq!(again, bed.org);
        assert_ne!(bed.other_org().await, bed.org);
    }

    async fn a_person_keeps_their_id_and_shows_what_was_seen_last(bed) {
        let first = bed.person("tid/oid").await;
        let seen = Seen {
            org: bed.org,
            issuer: "entra",
            stable_id: "tid/oid",
            email: None,
            name: Some("Ada Lovelace"),
            groups: &["a".to_owned(), "b".to_owned()].into(),
            stated: at(4),
            made: at(4),
            at: at(5),
        };
        let new = domain::PersonId::from_parts(7, number().into());
        let second = bed.store.upsert_person(seen, new).await.unwrap();
        assert_eq!(second.id, first.id);
        assert_eq!((second.email, second.name.as_deref()), (None, Some("Ada Lovelace")));
        assert_eq!((first.stated, second.stated), (at(0), at(4)));
        assert_eq!(second.groups.len(), 2);
        let stored = bed.store.person(bed.org, first.id).await.unwrap().unwrap();
        assert_eq!(stored.groups, second.groups);
        let found = bed.store.person_by_stable(bed.org, "entra", "tid/oid").await.unwrap();
        assert_eq!(found, Some(stored));
        assert_eq!(bed.store.person_by_stable(bed.org, "okta", "tid/oid").await.unwrap(), None);
    }

    async fn the_same_stable_id_at_two_issuers_is_two_people(bed) {
        let first = bed.person("sub").await;
        let seen = Seen {
            org: bed.org,
            issuer: "okta",
            stable_id: "sub",
            email: first.email.as_deref(),
            name: None,
            groups: &[].into(),
            stated: at(0),
            made: at(0),
            at: at(0),
        };
        let new = domain::PersonId::from_parts(7, number().into());
        assert_ne!(bed.store.upsert_person(seen, new).await.unwrap().id, first.id);
        let found = bed.store.find_people(bed.org, "ada@ACME.example").await.unwrap();
        assert_eq!(found.len(), 2);
    }

    async fn a_person_seen_by_many_at_once_is_one_person(bed) {
        let mut seen = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let bed = bed.clone();
            seen.spawn(async move { bed.person("tid/oid").await.id });
        }
        let mut ids = seen.join_all().await;
        ids.dedup();
        assert_eq!(ids.len(), 1);
    }

    async fn people_are_read_in_pages_and_by_a_part_of_their_name(bed) {
        let mut ids = Vec::new();
        for stable_id in ["1", "2", "3", "4", "5"] {
            ids.push(bed.person(stable_id).await.id);
        }
        let page = async |text: &str, after, limit| {
            let (found, more) = bed.store.people_page(bed.org, text, after, limit).await.unwrap();
            (found.into_iter().map(|person| person.id).collect::<Vec<_>>(), more)
        };
        assert_eq!(page("", None, 2).await, (ids[..2].to_vec(), true));
        assert_eq!(page("", Some(ids[1]), 3).await, (ids[2..].to_vec(), false));
        assert_eq!(page("", Some(ids[4]), 3).await, (Vec::new(), false));
        let back = async |text: &str, before, limit| {
            let (found, more) = bed.store.people_page_back(bed.org, text, before, limit).await.unwrap();
            (found.into_iter().map(|person| person.id).collect::<Vec<_>>(), more)
        };
        assert_eq!(back("", None, 2).await, (vec![ids[4], ids[3]], true));
        assert_eq!(back("ada", Some(ids[3]), 3).await, (vec![ids[2], ids[1], ids[0]], false));
        assert_eq!(back("", Some(ids[0]), 3).await, (Vec::new(), false));
        assert_eq!(page("DA@acme.EX", None, 9).await, (ids.clone(), false));
        // A pattern's own characters stand for themselves.
        for text in ["%", "a_a@", "!", "ada@acme.example%", "'; DROP TABLE people"] {
            assert_eq!(page(text, None, 9).await, (Vec::new(), false), "{text}");
        }
        let other = bed.other_org().await;
        assert_eq!(bed.store.people_page(other, "", None, 9).await.unwrap(), (Vec::new(), false));
    }

    async fn people_are_found_by_whole_words_only_and_quotes_do_no_harm(bed) {
        let ada = bed.person("tid/oid").await;
        let id = ada.id.to_string();
        for (text, found) in [
            (id.as_str(), 1), ("tid/oid", 1), ("Ada", 0), ("ADA@acme.example", 1),
            ("Ad", 0), ("%", 0), ("' OR 1=1 --", 0), ("", 0),
        ] {
            let people = bed.store.find_people(bed.org, text).await.unwrap();
            assert_eq!(people.len(), found, "{text}");
        }
    }

    async fn a_sign_in_does_not_let_a_disabled_person_in_again(bed) {
        let person = bed.person("tid/oid").await;
        assert!(bed.store.shut_out(bed.org, person.id, at(1), "left").await.unwrap());
        assert_eq!(bed.person("tid/oid").await.shut_out_at, Some(at(1)));
        assert!(bed.store.let_in(bed.org, person.id, None).await.unwrap());
        assert_eq!(bed.person("tid/oid").await.out_since(), None);
        let nobody = domain::PersonId::from_parts(0, 0);
        assert!(!bed.store.let_in(bed.org, nobody, None).await.unwrap());
        assert!(!bed.store.shut_out(bed.org, nobody, at(1), "left").await.unwrap());
    }

    async fn an_old_token_that_is_shown_late_says_nothing_of_somebody(bed) {
        let shown = async |group: &str, stated, made| {
            let seen = Seen {
                org: bed.org, issuer: "entra", stable_id: "tid/oid", email: Some(group), name: None,
                groups: &[group.to_owned()].into(), stated: at(stated), made: at(made), at: at(900),
            };
            let new = domain::PersonId::from_parts(3, number().into());
            bed.store.upsert_person(seen, new).await.unwrap()
        };
        let first = shown("first", 50, 50).await;
        let kept = shown("older", 40, 40).await;
        assert_eq!(kept, first);
        assert_eq!(shown("newer", 60, 60).await.groups, ["newer".to_owned()].into());
        bed.store.revoke(bed.org, &Target::Person(first.id), at(100), "test").await.unwrap();
        let kept = shown("cut off", 90, 90).await;
        assert_eq!((kept.groups, kept.stated), (["newer".to_owned()].into(), at(60)));
        // A sign-in is made now, whatever the issuer's clock says.
        assert_eq!(shown("signed in", 95, 101).await.email.as_deref(), Some("signed in"));
        bed.store.shut_out(bed.org, first.id, at(200), "left").await.unwrap();
        assert_eq!(shown("while out", 300, 300).await.stated, at(95));
    }

    async fn whoever_is_shut_out_lets_nobody_in_at_any_replica(bed) {
        let (bad, friend) = (bed.person("tid/bad").await.id, bed.person("tid/friend").await.id);
        let good = bed.person("tid/good").await.id;
        for person in [bad, friend] {
            assert!(bed.store.shut_out(bed.org, person, at(1), "left").await.unwrap());
        }
        let other = bed.replica().await;
        for person in [bad, friend] {
            assert!(!other.let_in(bed.org, person, Some(bad)).await.unwrap());
            let stands = bed.store.person(bed.org, person).await.unwrap().unwrap();
            assert_eq!(stands.shut_out_at, Some(at(1)));
        }
        assert!(other.let_in(bed.org, friend, Some(good)).await.unwrap());
        other.close().await;
    }

    async fn nothing_of_one_organisation_is_seen_or_changed_by_another(bed) {
        let other = bed.other_org().await;
        let person = bed.person("tid/oid").await;
        let session = bed.session(&person, "token").await;
        let store = &bed.store;
        assert_eq!(store.person(other, person.id).await.unwrap(), None);
        assert_eq!(store.find_people(other, "tid/oid").await.unwrap(), []);
        assert!(!store.shut_out(other, person.id, at(1), "left").await.unwrap());
        assert_eq!(store.session(other, session).await.unwrap(), None);
        assert_eq!(store.session_of_refresh(other, "token").await.unwrap(), None);
        assert_eq!(store.sessions_page(other, (Some(person.id), false), None, 10).await.unwrap(), (vec![], false));
        store.insert_login_state(bed.org, "state", "{}", at(10)).await.unwrap();
        assert_eq!(store.take_login_state(other, "state", at(1)).await.unwrap(), None);
        assert!(store.take_login_state(bed.org, "state", at(1)).await.unwrap().is_some());
    }

    async fn a_service_keeps_its_id_and_its_keys_are_found_by_hash(bed) {
        let store = &bed.store;
        let ci = bed.service_of(domain::OWN_ISSUER, "ci").await;
        assert_eq!(bed.service_of(domain::OWN_ISSUER, "ci").await, ci);
        assert_ne!(bed.service("ci").await, ci, "of another issuer");
        let (one, two) = (service_key("ci", "h1", 0), service_key("ci", "h2", 1));
        for key in [&one, &two] {
            let kept = store.add_service_key(bed.org, key).await.unwrap();
            assert_eq!(kept, ServiceKey { service: ci, ..key.clone() }, "the service was there before");
        }
        let (one, two) = (ServiceKey { service: ci, ..one }, ServiceKey { service: ci, ..two });
        assert_eq!(store.service_key(bed.org, "h1").await.unwrap(), Some(one.clone()));
        assert_eq!(store.service_key(bed.org, "h3").await.unwrap(), None);
        assert_eq!(store.service_keys_page(bed.org, "", 9).await.unwrap(), (vec![one, two.clone()], false));
        store.revoke(bed.org, &Target::ServiceKey("h2".into()), at(7), "leaked").await.unwrap();
        let revoked = store.service_key(bed.org, "h2").await.unwrap().unwrap();
        assert_eq!(revoked.revoked_at, Some(at(7)));
        assert_eq!(store.service_key(bed.other_org().await, "h1").await.unwrap(), None);
    }

    async fn a_key_that_has_opened_nothing_for_long_is_forgotten_and_its_service_stays(bed) {
        let store = &bed.store;
        let endless = ServiceKey { expires: None, ..service_key("ci", "h3", 0) };
        for key in [&service_key("ci", "h1", 0), &service_key("ci", "h2", 0), &endless] {
            store.add_service_key(bed.org, key).await.unwrap();
        }
        store.revoke(bed.org, &Target::ServiceKey("h2".into()), at(7), "leaked").await.unwrap();
        let left = async || {
            let (found, _) = store.service_keys_page(bed.org, "", 9).await.unwrap();
            found.into_iter().map(|key| key.key_hash).collect::<Vec<_>>()
        };
        assert_eq!(store.purge_service_keys(bed.org, at(7)).await.unwrap(), 0);
        assert_eq!(store.purge_service_keys(bed.other_org().await, at(999)).await.unwrap(), 0);
        assert_eq!(store.purge_service_keys(bed.org, at(8)).await.unwrap(), 1);
        assert_eq!(left().await, ["h1", "h3"]);
        assert_eq!(store.purge_service_keys(bed.org, at(101)).await.unwrap(), 1, "it ended at 100");
        assert_eq!(left().await, ["h3"], "one without end goes only when it is taken away");
        let (services, _) = store.services_page(bed.org, "", None, 9).await.unwrap();
        assert_eq!(services.len(), 1);
    }

    async fn how_services_stand_is_told_for_a_page_of_them(bed) {
        let store = &bed.store;
        let endless = ServiceKey { expires: None, ..service_key("ci", "h2", 1) };
        let ci = store.add_service_key(bed.org, &service_key("ci", "h1", 0)).await.unwrap().service;
        for key in [&endless, &service_key("ci", "h3", 2)] {
            store.add_service_key(bed.org, key).await.unwrap();
        }
        store.revoke(bed.org, &Target::ServiceKey("h3".into()), at(7), "leaked").await.unwrap();
        let open = async |org, now| store.open_service_keys(org, (ci, ci), at(now)).await.unwrap().remove(&ci);
        let both = OpenKeys { count: 2, first_end: Some(at(100)) };
        assert_eq!(open(bed.org, 1).await, Some(both));
        assert_eq!(open(bed.org, 100).await, Some(OpenKeys { count: 1, first_end: None }));
        assert_eq!(open(bed.other_org().await, 1).await, None);
        for (moment, noted) in [(5, 5), (3, 5), (9, 9)] {
            store.note_service_key_use(bed.org, "h1", at(moment)).await.unwrap();
            let key = store.service_key(bed.org, "h1").await.unwrap().unwrap();
            assert_eq!(key.used_at, Some(at(noted)), "a use is not taken back");
        }
        let keys = store.keys_of_service(bed.org, ci).await.unwrap();
        let keys: Vec<&str> = keys.iter().map(|key| key.key_hash.as_str()).collect();
        assert_eq!(keys, ["h2", "h1", "h3"]);
        assert_eq!(store.service(bed.org, ci).await.unwrap().unwrap().name, "ci");
        assert_eq!(store.service(bed.other_org().await, ci).await.unwrap(), None);
        let hours = store.last_hours_of_services(bed.org, (ci, ci), at(0)).await.unwrap();
        assert!(hours.is_empty(), "it has made no call");
        for (text, found) in [("", 1), ("C", 1), ("%", 0), ("cii", 0)] {
            let (services, _) = store.services_page(bed.org, text, None, 9).await.unwrap();
            assert_eq!(services.len(), found, "{text}");
        }
    }

    async fn keys_are_found_whole_to_be_taken_away_together(bed) {
        let store = &bed.store;
        for (name, hash) in [("ci", "h1"), ("ci", "h2"), ("nightly", "h3")] {
            store.add_service_key(bed.org, &service_key(name, hash, 0)).await.unwrap();
        }
        let found = async |org, text: &str| {
            let keys = store.find_service_keys(org, text).await.unwrap();
            keys.into_iter().map(|key| key.key_hash).collect::<Vec<_>>()
        };
        for (text, expected) in [
            ("ci", &["h1", "h2"][..]), ("dwk_h3", &["h3"]), ("h2", &["h2"]), ("c", &[]), ("%", &[]),
            ("' OR 1=1 --", &[]), ("", &[]),
        ] {
            assert_eq!(found(bed.org, text).await, expected, "{text}");
        }
        assert!(found(bed.other_org().await, "ci").await.is_empty());
        let targets = ["h1", "h2"].map(|hash| Target::ServiceKey(hash.to_owned()));
        store.revoke_all(bed.org, &targets, at(5), "moved").await.unwrap();
        assert!(found(bed.org, "ci").await.is_empty(), "what is revoked is not found again");
        assert_eq!(found(bed.org, "nightly").await, ["h3"]);
        let told = store.revocations_since(bed.org, 0, 10).await.unwrap();
        assert_eq!(told.len(), 2, "each replica hears of each key");
    }

    async fn a_service_has_only_so_many_keys_and_revoked_ones_make_room(bed) {
        for number in 3..limits::SERVICE_KEYS_MAX {
            let key = service_key("ci", &format!("early {number}"), number);
            bed.store.add_service_key(bed.org, &key).await.unwrap();
        }
        let mut made = tokio::task::JoinSet::new();
        for number in 0..8 {
            let bed = bed.clone();
            made.spawn(async move {
                let key = service_key("ci", &format!("h{number}"), number);
                bed.store.add_service_key(bed.org, &key).await
            });
        }
        let outcomes = made.join_all().await;
        let (fine, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!((fine.len(), refused.len()), (3, 5));
        let all_full = refused.iter().all(|end| matches!(end, Err(StoreError::Full(_))));
        assert!(all_full, "{refused:?}");
        let one = fine[0].as_ref().unwrap().key_hash.clone();
        bed.store.revoke(bed.org, &Target::ServiceKey(one), at(1_000), "room").await.unwrap();
        bed.store.add_service_key(bed.org, &service_key("ci", "late", 1_001)).await.unwrap();
    }

    async fn a_session_ends_once_and_its_people_see_all_of_theirs(bed) {
        let (store, person) = (&bed.store, bed.person("tid/oid").await);
        let (one, two) = (bed.session(&person, "t1").await, bed.session(&person, "t2").await);
        for (target, ms) in [(Target::Session(one), 3), (Target::Session(one), 4), (Target::Person(person.id), 5)] {
            store.revoke(bed.org, &target, at(ms), "x").await.unwrap();
        }
        let theirs = (Some(person.id), false);
        let (all, _) = store.sessions_page(bed.org, theirs, None, 10).await.unwrap();
        let ends: Vec<_> = all.iter().map(|session| (session.id, session.ended_at)).collect();
        assert_eq!(ends, [(one, Some(at(3))), (two, Some(at(5)))]);
        assert_eq!(store.sessions_page(bed.org, theirs, None, 1).await.unwrap().0.len(), 1);
        let three = bed.session(&person, "t3").await;
        let (back, more) = store.sessions_page_back(bed.org, theirs, None, 2).await.unwrap();
        assert_eq!((back.iter().map(|session| session.id).collect::<Vec<_>>(), more), (vec![three, two], true));
        let (last, more) = store.sessions_page_back(bed.org, theirs, Some(two), 2).await.unwrap();
        assert_eq!((last[0].id, last.len(), more), (one, 1, false));
        let open = (None, true);
        assert_eq!(store.sessions_page_back(bed.org, open, None, 9).await.unwrap().0.len(), 1);
        let count = store.sessions_count(bed.org, Some(person.id)).await.unwrap();
        assert_eq!((count.open, count.all), (1, 3));
        let other = bed.other_org().await;
        assert_eq!(store.sessions_count(other, None).await.unwrap().all, 0);
    }

    async fn a_login_state_is_taken_once_and_in_time(bed) {
        let store = &bed.store;
        for (hash, expires) in [("a", 10), ("b", 10)] {
            store.insert_login_state(bed.org, hash, "{\"n\":1}", at(expires)).await.unwrap();
        }
        let mut takers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let bed = bed.clone();
            takers.spawn(async move { bed.store.take_login_state(bed.org, "a", at(9)).await.unwrap() });
        }
        let taken: Vec<_> = takers.join_all().await.into_iter().flatten().collect();
        assert_eq!(taken, ["{\"n\":1}"]);
        assert_eq!(store.take_login_state(bed.org, "b", at(10)).await.unwrap(), None);
        assert_eq!(store.take_login_state(bed.org, "never", at(1)).await.unwrap(), None);
    }

    /// Whoever opens the sign-in page makes a row; without a limit that fills the disk.
    async fn sign_ins_under_way_are_limited_and_old_ones_make_room(bed) {
        let max = limits::LOGIN_STATES_MAX;
        let mut beside = bed.beside().await;
        sqlx::query(
            "INSERT INTO login_states (state_hash, org, body, expires) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
             SELECT 'h' || i, $2, '{}', $3 FROM n",
        )
        .bind(max)
        .bind(bed.org.to_string())
        .bind(at(10).unix_ms())
        .execute(&mut beside)
        .await
        .unwrap();
        let one_more = |now, hash| bed.store.insert_login_state(bed.org, hash, "{}", at(now + limits::DEVICE_CODE_MS));
        let full = one_more(1, "x").await.unwrap_err();
        assert!(matches!(full, StoreError::Full(_)) && full.nothing_written(), "{full}");
        let other = bed.other_org().await;
        let theirs = bed.store.insert_login_state(other, "z", "{}", at(1 + limits::DEVICE_CODE_MS));
        theirs.await.expect("one organisation's crowd is not another's");
        one_more(10, "y").await.unwrap();
        assert_eq!(bed.count("SELECT COUNT(*) FROM login_states").await, 2);
    }

    async fn of_two_replicas_that_make_a_secret_both_get_the_first_ones(bed) {
        let mut makers = tokio::task::JoinSet::new();
        for byte in 0..6u8 {
            let store = bed.store.clone();
            makers.spawn(async move { store.keep_secret("session-key", &[byte; 40]).await.unwrap() });
        }
        let mut kept = makers.join_all().await;
        kept.dedup();
        assert_eq!(kept.len(), 1);
        assert_eq!(bed.store.secret("session-key").await.unwrap().as_ref(), kept.first());
        assert_eq!(bed.store.secret("other").await.unwrap(), None);
    }

    async fn of_two_who_change_a_secret_at_once_the_second_is_told(bed) {
        bed.store.keep_secret("key", b"one").await.unwrap();
        assert!(bed.store.swap_secret("key", b"one", b"two").await.unwrap());
        assert!(!bed.store.swap_secret("key", b"one", b"three").await.unwrap());
        assert!(!bed.store.swap_secret("other", b"one", b"two").await.unwrap());
        assert_eq!(bed.store.secret("key").await.unwrap().unwrap(), b"two");
    }

    async fn all_secrets_are_sealed_anew_or_none(bed) {
        let ids = Nines;
        let (old, new) = (SealingKey::new([1; 32]), SealingKey::new([2; 32]));
        for name in ["a", "b"] {
            bed.store.keep_secret(name, &old.seal(name, name.as_bytes(), &ids)).await.unwrap();
        }
        let both = SealingKey::new([2; 32]).and_older([1; 32]);
        bed.store.keep_secret("c", &SealingKey::new([3; 32]).seal("c", b"c", &ids)).await.unwrap();
        let refused = bed.store.reseal(&both, &ids).await.unwrap_err();
        assert!(matches!(&refused, ResealError::CannotOpen(name) if name == "c"), "{refused}");
        assert!(old.open("a", &bed.store.secret("a").await.unwrap().unwrap()).is_ok(), "nothing was written");
        let sealed = bed.store.secret("c").await.unwrap().unwrap();
        assert!(bed.store.swap_secret("c", &sealed, &both.seal("c", b"c", &ids)).await.unwrap());
        assert_eq!(bed.store.reseal(&both, &ids).await.unwrap(), 2);
        for name in ["a", "b", "c"] {
            let sealed = bed.store.secret(name).await.unwrap().unwrap();
            assert_eq!(new.open(name, &sealed).unwrap(), name.as_bytes());
        }
        assert_eq!(bed.store.reseal(&both, &ids).await.unwrap(), 0);
        assert!(bed.store.sealed_by(&new).await.unwrap().iter().all(|(_, is_older)| !is_older));
    }
}

#[derive(Debug)]
struct Nines;

impl domain::Ids for Nines {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(9);
    }
}
