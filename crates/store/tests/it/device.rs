//! Device sign-ins: found by their short code, answered once, asked about not too often, consumed exactly once.

use domain::{PersonId, SessionId, limits};
use store::sessions::{Exchange, Holder};
use store::{DeviceAsk, DeviceCode, DevicePoll, DeviceState, Rotation, Target};

use crate::bed::{Bed, at, number, on_both_engines};

fn code(name: &str) -> DeviceCode {
    DeviceCode {
        device_hash: format!("hash of {name}"),
        user_code: name.to_owned(),
        client: "claude-code/2.1.329".to_owned(),
        address: "192.0.2.1".to_owned(),
        created: at(0),
        expires: at(600_000),
    }
}

async fn begin(bed: &Bed, name: &str) -> DeviceCode {
    let code = code(name);
    assert!(bed.store.insert_device_code(bed.org, &code).await.unwrap());
    code
}

async fn poll(bed: &Bed, name: &str, ms: i64) -> DevicePoll {
    let hash = format!("hash of {name}");
    bed.store.poll_device(ask(bed, &hash, ms)).await.unwrap()
}

/// A client that asks with the hash of its code, whose first refresh token would have the hash `first`.
fn ask<'a>(bed: &Bed, device_hash: &'a str, ms: i64) -> DeviceAsk<'a> {
    DeviceAsk {
        org: bed.org,
        device_hash,
        at: at(ms),
        client: "claude_code 2.1",
        refresh_hash: "first",
        refresh_expires: at(3_600_000),
    }
}

async fn approve(bed: &Bed, name: &str, person: PersonId) -> SessionId {
    let session = SessionId::from_parts(4, number().into());
    let approved = bed
        .store
        .approve_device(bed.org, name, person, session, at(1));
    assert!(approved.await.unwrap());
    session
}

fn holder(answer: DevicePoll) -> Holder {
    match answer {
        DevicePoll::Approved(holder) => *holder,
        other => panic!("{other:?}"),
    }
}

on_both_engines! {
    async fn a_sign_in_is_found_by_its_short_code_within_its_organisation(bed) {
        let code = begin(&bed, "WDJK-MPRT").await;
        let find = |org, text| bed.store.device_by_user_code(org, text);
        let found = find(bed.org, "WDJK-MPRT").await.unwrap();
        assert_eq!(found, Some((code, DeviceState::Pending)));
        assert_eq!(find(bed.org, "wdjk-mprt").await.unwrap(), None);
        assert_eq!(find(bed.other_org().await, "WDJK-MPRT").await.unwrap(), None);
    }

    async fn an_approved_sign_in_is_handed_out_once(bed) {
        begin(&bed, "A").await;
        let person = bed.person("tid/oid").await;
        assert_eq!(poll(&bed, "A", 0).await, DevicePoll::Pending);
        let session = approve(&bed, "A", person.id).await;
        assert!(!bed.store.approve_device(bed.org, "A", person.id, session, at(1)).await.unwrap());
        assert!(!bed.store.deny_device(bed.org, "A").await.unwrap());
        let begun = holder(poll(&bed, "A", 5_000).await);
        assert_eq!((begun.session.id, &begun.person), (session, &person));
        assert_eq!(bed.store.session(bed.org, session).await.unwrap(), Some(begun.session));
        assert_eq!(poll(&bed, "A", 10_000).await, DevicePoll::Unknown);
        let carries_on = Exchange {
            org: bed.org,
            old_hash: "first",
            new_hash: "second",
            at: at(10_000),
            grace_ms: 0,
            expires: at(3_600_000),
            client_id: None,
            resource: None,
        };
        let outcome = bed.store.exchange_refresh(carries_on).await.unwrap();
        assert!(matches!(outcome, Rotation::Rotated(holder) if holder.session.id == session));
    }

    /// An outage between the code's use and the session's beginning would cost a person their sign-in.
    async fn an_outage_in_the_middle_leaves_a_code_as_good_as_it_was(bed) {
        begin(&bed, "A").await;
        let person = bed.person("tid/oid").await.id;
        let session = approve(&bed, "A", person).await;
        for table in ["people", "sessions", "refresh_tokens"] {
            bed.take_away(table).await;
            for ms in [5_000, 10_000] {
                let error = bed.store.poll_device(ask(&bed, "hash of A", ms)).await.unwrap_err();
                assert!(error.nothing_written(), "{table}: {error:?}");
            }
            bed.bring_back(table).await;
            assert_eq!(bed.count("SELECT COUNT(*) FROM sessions").await, 0);
        }
        assert_eq!(holder(poll(&bed, "A", 15_000).await).session.id, session);
        assert_eq!(poll(&bed, "A", 20_000).await, DevicePoll::Unknown);
    }

    async fn whoever_was_shut_out_after_the_approval_gets_no_session(bed) {
        begin(&bed, "A").await;
        let person = bed.person("tid/oid").await.id;
        approve(&bed, "A", person).await;
        assert!(bed.store.shut_out(bed.org, person, at(2), "left").await.unwrap());
        assert_eq!(poll(&bed, "A", 5_000).await, DevicePoll::ShutOut);
        assert_eq!(poll(&bed, "A", 10_000).await, DevicePoll::Unknown);
        // The attack: talk somebody into approving, and wait out that they notice and sign out everywhere.
        begin(&bed, "B").await;
        assert!(bed.store.let_in(bed.org, person, None).await.unwrap());
        approve(&bed, "B", person).await;
        bed.store.revoke(bed.org, &Target::Person(person), at(20_000), "lost laptop").await.unwrap();
        assert_eq!(poll(&bed, "B", 30_000).await, DevicePoll::ShutOut);
        assert_eq!(bed.count("SELECT COUNT(*) FROM sessions").await, 0);
    }

    async fn of_many_who_ask_at_once_on_two_replicas_one_gets_the_sign_in(bed) {
        let person = bed.person("tid/oid").await.id;
        let stores = [bed.store.clone(), bed.replica().await];
        for round in 0..10 {
            let code = begin(&bed, &format!("R{round}")).await;
            approve(&bed, &code.user_code, person).await;
            let mut askers = tokio::task::JoinSet::new();
            for asker in 0..8 {
                let (bed, store, hash) = (bed.clone(), stores[asker % 2].clone(), code.device_hash.clone());
                let first = format!("first {round} {asker}");
                askers.spawn(async move {
                    let ask = DeviceAsk { refresh_hash: &first, ..ask(&bed, &hash, 5_000) };
                    store.poll_device(ask).await.unwrap()
                });
            }
            let answers = askers.join_all().await;
            let got = answers.iter().filter(|answer| matches!(answer, DevicePoll::Approved(_)));
            assert_eq!(got.count(), 1, "{answers:?}");
            assert_eq!(answers.iter().filter(|answer| **answer == DevicePoll::Unknown).count(), 7);
        }
        stores[1].close().await;
    }

    async fn of_many_who_answer_at_once_one_is_heard(bed) {
        let person = bed.person("tid/oid").await.id;
        for round in 0..10 {
            let code = begin(&bed, &format!("R{round}")).await;
            let mut answers = tokio::task::JoinSet::new();
            for answer in 0..8 {
                let (bed, user_code) = (bed.clone(), code.user_code.clone());
                answers.spawn(async move {
                    let session = SessionId::from_parts(4, number().into());
                    let store = &bed.store;
                    if answer % 2 == 0 {
                        store.approve_device(bed.org, &user_code, person, session, at(1)).await.unwrap()
                    } else {
                        store.deny_device(bed.org, &user_code).await.unwrap()
                    }
                });
            }
            let heard = answers.join_all().await;
            assert_eq!(heard.iter().filter(|heard| **heard).count(), 1, "{heard:?}");
        }
    }

    async fn a_denied_sign_in_is_told_once(bed) {
        begin(&bed, "D").await;
        assert!(bed.store.deny_device(bed.org, "D").await.unwrap());
        assert_eq!(poll(&bed, "D", 0).await, DevicePoll::Denied);
        assert_eq!(poll(&bed, "D", 5_000).await, DevicePoll::Unknown);
    }

    async fn each_poll_that_comes_too_early_adds_five_seconds(bed) {
        begin(&bed, "P").await;
        for (ms, answer) in [
            (0, DevicePoll::Pending),
            (5_000, DevicePoll::Pending),
            (6_000, DevicePoll::SlowDown),
            (11_000, DevicePoll::SlowDown),
            (20_000, DevicePoll::SlowDown),
            (40_000, DevicePoll::Pending),
            (59_000, DevicePoll::SlowDown),
        ] {
            assert_eq!(poll(&bed, "P", ms).await, answer, "after {ms} ms");
        }
    }

    async fn a_sign_in_too_old_is_expired_and_cannot_be_approved(bed) {
        begin(&bed, "E").await;
        let person = bed.person("tid/oid").await.id;
        let session = SessionId::from_parts(4, number().into());
        assert!(!bed.store.approve_device(bed.org, "E", person, session, at(600_000)).await.unwrap());
        assert_eq!(poll(&bed, "E", 600_000).await, DevicePoll::Expired);
        assert_eq!(poll(&bed, "never", 0).await, DevicePoll::Unknown);
    }

    async fn another_organisation_can_neither_answer_nor_ask(bed) {
        let (other, code) = (bed.other_org().await, begin(&bed, "O").await);
        let person = bed.person("tid/oid").await.id;
        let session = SessionId::from_parts(4, number().into());
        assert!(!bed.store.approve_device(other, "O", person, session, at(1)).await.unwrap());
        assert!(!bed.store.deny_device(other, "O").await.unwrap());
        let asked = DeviceAsk { org: other, ..ask(&bed, &code.device_hash, 1) };
        let answer = bed.store.poll_device(asked).await.unwrap();
        assert_eq!(answer, DevicePoll::Unknown);
    }

    /// Anybody can ask for a code, so open ones are limited; what was answered or is too old does not count.
    async fn open_sign_ins_are_limited_and_old_ones_make_room(bed) {
        let mut beside = bed.beside().await;
        sqlx::query(
            "INSERT INTO device_codes \
               (device_hash, org, user_code, client, address, created, expires, state, interval_s, polled_at) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
             SELECT 'h' || i, $2, 'u' || i, '', '', 0, $3, 'pending', 5, 0 FROM n",
        )
        .bind(i64::try_from(limits::DEVICE_CODES_OPEN_MAX).unwrap())
        .bind(bed.org.to_string())
        .bind(at(1_000).unix_ms())
        .execute(&mut beside)
        .await
        .unwrap();
        assert!(!bed.store.insert_device_code(bed.org, &code("X")).await.unwrap());
        let other = bed.other_org().await;
        assert!(bed.store.insert_device_code(other, &code("Z")).await.unwrap(), "which is not theirs");
        assert!(bed.store.deny_device(bed.org, "u1").await.unwrap());
        assert!(bed.store.insert_device_code(bed.org, &code("X")).await.unwrap());
        let later = DeviceCode { created: at(1_000 + limits::DEVICE_CODE_MS + 1), ..code("Y") };
        assert!(bed.store.insert_device_code(bed.org, &later).await.unwrap());
        assert_eq!(bed.count("SELECT COUNT(*) FROM device_codes").await, 3);
    }
}
