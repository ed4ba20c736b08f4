//! Revocations: in order, without a hole, holding after a restart, and never beyond the organisation that asked.

use domain::ServiceId;
use store::Target;

use crate::bed::{at, on_both_engines, service_key};

on_both_engines! {
    async fn replicas_read_on_from_the_last_number_they_know(bed) {
        let store = &bed.store;
        let person = bed.person("tid/oid").await;
        let session = bed.session(&person, "t").await;
        let service = ServiceId::from_parts(5, 5);
        let targets = [
            Target::Person(person.id),
            Target::Session(session),
            Target::Service(service),
            Target::ServiceKey("hash".to_owned()),
            Target::Everyone,
        ];
        for (number, target) in (1..).zip(&targets) {
            assert_eq!(store.revoke(bed.org, target, at(number), "why").await.unwrap(), number);
        }
        let since = async |seq, limit| {
            let found = store.revocations_since(bed.org, seq, limit).await.unwrap();
            found.into_iter().map(|found| (found.seq, found.target, found.at)).collect::<Vec<_>>()
        };
        let all: Vec<_> = (1..).zip(targets).map(|(seq, target)| (seq, target, at(seq))).collect();
        assert_eq!(since(0, 100).await, all);
        assert_eq!(since(2, 2).await, all[2..4]);
        assert_eq!(since(5, 100).await, []);
        assert_eq!(store.watermarks(bed.org).await.unwrap().revocation, 5);
    }

    async fn a_revoked_persons_cutoff_and_sessions_end_with_it(bed) {
        let (store, person) = (&bed.store, bed.person("tid/oid").await);
        let (ended, open) = (bed.session(&person, "t1").await, bed.session(&person, "t2").await);
        store.revoke(bed.org, &Target::Session(ended), at(1), "signed out").await.unwrap();
        store.revoke(bed.org, &Target::Person(person.id), at(5), "left").await.unwrap();
        store.revoke(bed.org, &Target::Person(person.id), at(3), "late news").await.unwrap();
        assert_eq!(bed.person("tid/oid").await.not_before, at(5));
        assert_eq!(store.session(bed.org, ended).await.unwrap().unwrap().ended_at, Some(at(1)));
        assert_eq!(store.session(bed.org, open).await.unwrap().unwrap().ended_at, Some(at(5)));
    }

    async fn whoever_is_shut_out_loses_everything_in_one_step_or_nothing(bed) {
        let (store, person) = (&bed.store, bed.person("tid/oid").await);
        let session = bed.session(&person, "t").await;
        for table in ["sessions", "revocations", "people"] {
            bed.take_away(table).await;
            let error = store.shut_out(bed.org, person.id, at(5), "left").await.unwrap_err();
            assert!(error.nothing_written(), "{table}: {error:?}");
            bed.bring_back(table).await;
            let stands = store.person(bed.org, person.id).await.unwrap().unwrap();
            assert_eq!((stands.out_since(), stands.not_before), (None, person.not_before), "{table}");
            assert_eq!(store.session(bed.org, session).await.unwrap().unwrap().ended_at, None);
            assert_eq!(store.watermarks(bed.org).await.unwrap().revocation, 0);
        }
        assert!(store.shut_out(bed.org, person.id, at(5), "left").await.unwrap());
        let out = store.person(bed.org, person.id).await.unwrap().unwrap();
        assert_eq!((out.shut_out_at, out.not_before), (Some(at(5)), at(5)));
        assert_eq!(store.session(bed.org, session).await.unwrap().unwrap().ended_at, Some(at(5)));
        let told = store.revocations_since(bed.org, 0, 10).await.unwrap();
        assert_eq!(told.iter().map(|it| &it.target).collect::<Vec<_>>(), [&Target::Person(person.id)]);
        let nobody = domain::PersonId::from_parts(0, 0);
        assert!(!store.shut_out(bed.org, nobody, at(6), "x").await.unwrap());
        assert_eq!(store.watermarks(bed.org).await.unwrap().revocation, 1, "of nobody nothing is told");
    }

    async fn a_revoked_service_loses_every_key_and_no_other_service_does(bed) {
        let store = &bed.store;
        let mut services = Vec::new();
        for name in ["ci", "cd"] {
            services.push(bed.service_of(domain::OWN_ISSUER, name).await);
            for key in 0..2 {
                let key = service_key(name, &format!("{name}{key}"), 0);
                store.add_service_key(bed.org, &key).await.unwrap();
            }
        }
        store.revoke(bed.org, &Target::Service(services[0]), at(9), "x").await.unwrap();
        for (hash, revoked_at) in [("ci0", Some(at(9))), ("ci1", Some(at(9))), ("cd0", None)] {
            let key = store.service_key(bed.org, hash).await.unwrap().unwrap();
            assert_eq!(key.revoked_at, revoked_at, "{hash}");
        }
    }

    /// The attack: an administrator of one organisation names a person, session or "everyone" to hit another one.
    async fn a_revocation_never_reaches_into_another_organisation(bed) {
        let (store, other) = (&bed.store, bed.other_org().await);
        let person = bed.person("tid/oid").await;
        let session = bed.session(&person, "t").await;
        for target in [Target::Everyone, Target::Person(person.id), Target::Session(session)] {
            store.revoke(other, &target, at(5), "x").await.unwrap();
        }
        assert_eq!(bed.person("tid/oid").await.not_before.unix_ms(), 0);
        assert_eq!(store.session(bed.org, session).await.unwrap().unwrap().ended_at, None);
        assert_eq!(store.revocations_since(bed.org, 0, 10).await.unwrap(), []);
        assert_eq!(store.watermarks(bed.org).await.unwrap().revocation, 0);
        store.revoke(bed.org, &Target::Everyone, at(6), "x").await.unwrap();
        assert_eq!(bed.person("tid/oid").await.not_before, at(6));
        assert_eq!(store.session(bed.org, session).await.unwrap().unwrap().ended_at, Some(at(6)));
    }

    /// A number that became visible after a higher one would be skipped for ever by a replica that had read the higher one.
    async fn a_reader_never_sees_a_number_before_every_lower_one(bed) {
        let stores = [bed.store.clone(), bed.replica().await];
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..6 {
            let (store, org) = (stores[writer % 2].clone(), bed.org);
            writers.spawn(async move {
                for _ in 0..20 {
                    store.revoke(org, &Target::ServiceKey("h".to_owned()), at(1), "x").await.unwrap();
                }
            });
        }
        let mut known = 0;
        while known < 120 {
            for found in bed.store.revocations_since(bed.org, known, 50).await.unwrap() {
                assert_eq!(found.seq, known + 1);
                known = found.seq;
            }
            tokio::task::yield_now().await;
        }
        writers.join_all().await;
        stores[1].close().await;
    }

    async fn forgetting_old_revocations_neither_lets_anyone_in_nor_starts_the_numbers_anew(bed) {
        let (store, person) = (&bed.store, bed.person("tid/oid").await);
        store.revoke(bed.org, &Target::Everyone, at(1), "x").await.unwrap();
        store.revoke(bed.org, &Target::Person(person.id), at(2), "x").await.unwrap();
        assert_eq!(store.purge_revocations(bed.org, at(2)).await.unwrap(), 0);
        assert_eq!(store.purge_revocations(bed.org, at(3)).await.unwrap(), 1);
        let kept = store.revocations_since(bed.org, 0, 10).await.unwrap();
        assert_eq!(kept.iter().map(|kept| &kept.target).collect::<Vec<_>>(), [&Target::Everyone]);
        assert_eq!(store.watermarks(bed.org).await.unwrap().revocation, 2);
        assert_eq!(bed.person("tid/oid").await.not_before, at(2));
        assert_eq!(store.revoke(bed.org, &Target::Everyone, at(9), "x").await.unwrap(), 3);
    }
}
