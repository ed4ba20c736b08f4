//! Device sign-ins: found by their short code, answered once, asked about not too often, consumed exactly once.

use domain::{SessionId, limits};
use store::{DeviceCode, DevicePoll, DeviceState};

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
    bed.store.poll_device(bed.org, &hash, at(ms)).await.unwrap()
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
        let person = bed.person("tid/oid").await.id;
        let session = SessionId::from_parts(4, number().into());
        assert_eq!(poll(&bed, "A", 0).await, DevicePoll::Pending);
        assert!(bed.store.approve_device(bed.org, "A", person, session, at(1)).await.unwrap());
        assert!(!bed.store.approve_device(bed.org, "A", person, session, at(1)).await.unwrap());
        assert!(!bed.store.deny_device(bed.org, "A").await.unwrap());
        assert_eq!(poll(&bed, "A", 5_000).await, DevicePoll::Approved { person, session });
        assert_eq!(poll(&bed, "A", 10_000).await, DevicePoll::Unknown);
    }

    async fn of_many_who_ask_at_once_on_two_replicas_one_gets_the_sign_in(bed) {
        let person = bed.person("tid/oid").await.id;
        let stores = [bed.store.clone(), bed.replica().await];
        for round in 0..10 {
            let code = begin(&bed, &format!("R{round}")).await;
            let session = SessionId::from_parts(4, number().into());
            assert!(bed.store.approve_device(bed.org, &code.user_code, person, session, at(1)).await.unwrap());
            let mut askers = tokio::task::JoinSet::new();
            for asker in 0..8 {
                let (store, hash, org) = (stores[asker % 2].clone(), code.device_hash.clone(), bed.org);
                askers.spawn(async move { store.poll_device(org, &hash, at(5_000)).await.unwrap() });
            }
            let answers = askers.join_all().await;
            let got = answers.iter().filter(|answer| matches!(answer, DevicePoll::Approved { .. }));
            assert_eq!(got.count(), 1, "{answers:?}");
            assert_eq!(answers.iter().filter(|&&answer| answer == DevicePoll::Unknown).count(), 7);
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
        let answer = bed.store.poll_device(other, &code.device_hash, at(1)).await.unwrap();
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
        assert!(bed.store.deny_device(bed.org, "u1").await.unwrap());
        assert!(bed.store.insert_device_code(bed.org, &code("X")).await.unwrap());
        let later = DeviceCode { created: at(1_000 + limits::DEVICE_CODE_MS + 1), ..code("Y") };
        assert!(bed.store.insert_device_code(bed.org, &later).await.unwrap());
        assert_eq!(bed.count("SELECT COUNT(*) FROM device_codes").await, 2);
    }
}
