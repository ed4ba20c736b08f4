//! People's grants at connectors: one of each person at each connector, found for whose it is alone, gone for the door at the moment in which
//! its person is shut out, renewed by one replica at a time, and ended once.

use store::{Grant, KeepingGrant, Person, Renewed, Store, Target};

use crate::bed::{Bed, at, on_both_engines};

fn grant(person: &Person, connector: &str, ms: i64) -> Grant {
    Grant {
        person: person.id,
        connector: connector.to_owned(),
        address: format!("https://{connector}.example/mcp"),
        issuer: "https://login.example".to_owned(),
        scope: "read".to_owned(),
        sealed: vec![0, 1, 255],
        version: at(ms).unix_ms(),
        connected: at(ms),
        renewed: at(ms),
        expires: Some(at(ms + 3_600)),
        dead_since: None,
    }
}

async fn keep(bed: &Bed, new: &Grant) -> Option<Grant> {
    match bed.store.hold_grant(bed.org, new).await.unwrap() {
        KeepingGrant::Held(held, before) => {
            held.keep().await.unwrap();
            before.map(|before| *before)
        }
        KeepingGrant::Out => panic!("they may come in"),
    }
}

async fn of(bed: &Bed, person: &Person, connector: &str) -> Option<Grant> {
    let found = bed.store.grant(bed.org, person.id, connector);
    found.await.unwrap()
}

fn renewed(sealed: &[u8], ms: i64) -> Renewed<'_> {
    Renewed {
        sealed,
        scope: "read write",
        at: at(ms),
        expires: None,
    }
}

async fn turn(store: &Store, bed: &Bed, grant: &Grant, (now, until): (i64, i64)) -> bool {
    let taken = store.take_grant_turn(bed.org, grant, at(now), at(until));
    taken.await.unwrap()
}

on_both_engines! {
    async fn a_grant_is_its_persons_at_its_connector_and_comes_back_as_it_was_kept(bed) {
        let (ada, bob) = (bed.person("ada").await, bed.person("bob").await);
        let new = grant(&ada, "crm", 10);
        drop(bed.store.hold_grant(bed.org, &new).await.unwrap());
        assert_eq!(of(&bed, &ada, "crm").await, None, "not kept, never given");
        assert_eq!(keep(&bed, &new).await, None);
        assert_eq!(of(&bed, &ada, "crm").await, Some(new.clone()));
        assert_eq!(of(&bed, &bob, "crm").await, None);
        assert_eq!(of(&bed, &ada, "wiki").await, None);
        let elsewhere = bed.other_org().await;
        assert_eq!(bed.store.grant(elsewhere, ada.id, "crm").await.unwrap(), None);
        let other = Grant { sealed: vec![7], ..grant(&ada, "crm", 20) };
        assert_eq!(keep(&bed, &other).await, Some(new), "the one before is given back, to be ended");
        assert_eq!(bed.store.grants_of(bed.org, ada.id).await.unwrap(), [other]);
        assert_eq!(bed.store.grants_of(bed.org, bob.id).await.unwrap(), []);
    }

    async fn whoever_is_shut_out_has_none_from_that_moment_and_it_is_taken_away_once(bed) {
        let (ada, bob) = (bed.person("ada").await, bed.person("bob").await);
        keep(&bed, &grant(&ada, "crm", 10)).await;
        keep(&bed, &grant(&bob, "crm", 10)).await;
        bed.store.revoke(bed.org, &Target::Person(ada.id), at(15), "left").await.unwrap();
        assert_eq!(of(&bed, &ada, "crm").await, None);
        assert!(of(&bed, &bob, "crm").await.is_some());
        let due = bed.store.grants_of_leavers(bed.org, 9).await.unwrap();
        assert_eq!(due.len(), 1);
        let replica = bed.replica().await;
        let (held, ended) = replica.hold_leavers_grant_end(bed.org, &due[0]).await.unwrap().unwrap();
        assert_eq!(ended.person, ada.id);
        held.keep().await.unwrap();
        assert!(bed.store.hold_leavers_grant_end(bed.org, &due[0]).await.unwrap().is_none());
        assert_eq!(bed.store.grants_of_leavers(bed.org, 9).await.unwrap(), []);
        let kept = of(&bed, &bob, "crm").await.unwrap();
        assert!(replica.hold_leavers_grant_end(bed.org, &kept).await.unwrap().is_none(), "bob has not left");
        replica.close().await;
        let late = bed.store.hold_grant(bed.org, &grant(&ada, "crm", 14)).await.unwrap();
        assert!(matches!(late, KeepingGrant::Out), "what began before the cutoff is not kept");
        assert_eq!(keep(&bed, &grant(&ada, "crm", 16)).await, None);
        assert!(of(&bed, &ada, "crm").await.is_some(), "who came back connects anew");
    }

    async fn one_replica_renews_at_a_time_and_what_is_another_by_then_is_not_overwritten(bed) {
        let ada = bed.person("ada").await;
        let first = grant(&ada, "crm", 10);
        keep(&bed, &first).await;
        let replica = bed.replica().await;
        assert!(turn(&bed.store, &bed, &first, (20, 50)).await);
        assert!(!turn(&replica, &bed, &first, (21, 51)).await);
        assert!(turn(&replica, &bed, &first, (50, 80)).await, "the turn of one that died is over");
        bed.store.leave_grant_turn(bed.org, &first).await.unwrap();
        assert!(turn(&bed.store, &bed, &first, (51, 81)).await);
        assert!(bed.store.renew_grant(bed.org, &first, renewed(&[9], 60)).await.unwrap());
        assert!(!replica.renew_grant(bed.org, &first, renewed(&[8], 61)).await.unwrap());
        assert!(!turn(&replica, &bed, &first, (90, 99)).await, "of an older version there is no turn");
        replica.close().await;
        let now = of(&bed, &ada, "crm").await.unwrap();
        assert_eq!((now.version, &*now.sealed, &*now.scope), (first.version + 1, &[9u8][..], "read write"));
        assert_eq!((now.renewed, now.expires, now.connected), (at(60), None, at(10)));
        let died = bed.store.hold_dead_grant(bed.org, &first, at(70)).await.unwrap();
        assert!(died.is_none(), "it was renewed in between");
        let died = bed.store.hold_dead_grant(bed.org, &now, at(70)).await.unwrap().unwrap();
        died.keep().await.unwrap();
        assert_eq!(of(&bed, &ada, "crm").await.unwrap().dead_since, Some(at(70)));
        let gone = bed.store.hold_grant_end(bed.org, ada.id, "crm").await.unwrap().unwrap();
        gone.0.keep().await.unwrap();
        assert!(!bed.store.renew_grant(bed.org, &now, renewed(&[7], 80)).await.unwrap());
        assert_eq!(bed.count("SELECT COUNT(*) FROM grants").await, 0);
    }

    async fn where_somebody_has_one_is_known_by_name_and_address(bed) {
        let (ada, bob) = (bed.person("ada").await, bed.person("bob").await);
        for new in [grant(&ada, "crm", 10), grant(&bob, "crm", 11), grant(&bob, "wiki", 12)] {
            keep(&bed, &new).await;
        }
        let place = |name: &str| (name.to_owned(), format!("https://{name}.example/mcp"));
        assert_eq!(bed.store.granted_places(bed.org).await.unwrap(), [place("crm"), place("wiki")]);
        let crm = place("crm");
        let there = bed.store.grants_at(bed.org, (&crm.0, &crm.1), 9).await.unwrap();
        assert_eq!(there.len(), 2);
        let moved = bed.store.grants_at(bed.org, ("crm", "https://other.example"), 9).await.unwrap();
        assert_eq!(moved, []);
        assert_eq!(bed.store.granted_places(bed.other_org().await).await.unwrap(), []);
    }
}
