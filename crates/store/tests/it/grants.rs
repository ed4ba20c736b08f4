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
        wants: String::new(),
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

    async fn one_that_takes_the_place_of_another_is_of_a_later_version_whatever_the_clock_says(bed) {
        let (ada, bob) = (bed.person("ada").await, bed.person("bob").await);
        let first = grant(&ada, "crm", 1_000);
        keep(&bed, &first).await;
        keep(&bed, &grant(&bob, "crm", 2_000)).await;
        let mut before = first.version;
        // The clock was set back, stands still, and runs on, but not as far as it was.
        for ms in [400, 400, 900] {
            keep(&bed, &grant(&ada, "crm", ms)).await;
            let now = of(&bed, &ada, "crm").await.unwrap();
            assert_eq!((now.version, now.connected), (before + 1, at(ms)));
            before = now.version;
        }
        assert!(bed.store.renew_grant(bed.org, &of(&bed, &ada, "crm").await.unwrap(), renewed(&[9], 950)).await.unwrap());
        keep(&bed, &grant(&ada, "crm", 960)).await;
        assert_eq!(of(&bed, &ada, "crm").await.unwrap().version, before + 2);
        keep(&bed, &grant(&ada, "crm", 5_000)).await;
        let now = of(&bed, &ada, "crm").await.unwrap();
        assert_eq!(now.version, at(5_000).unix_ms(), "and its time, where that is later");
        assert_eq!(of(&bed, &bob, "crm").await.unwrap().version, at(2_000).unix_ms());
    }

    async fn which_of_many_still_stand_is_found_at_once(bed) {
        let (ada, bob, cal) = (bed.person("ada").await, bed.person("bob").await, bed.person("cal").await);
        let named = |grant: &Grant| (grant.person, grant.connector.clone(), grant.version);
        let stands = [grant(&ada, "crm", 10), grant(&ada, "wiki", 10), grant(&bob, "crm", 10)];
        for one in stands.iter().chain([&grant(&bob, "wiki", 10), &grant(&cal, "crm", 10), &grant(&cal, "wiki", 10)]) {
            keep(&bed, one).await;
        }
        let all: Vec<_> = ["crm", "wiki"].iter().flat_map(|connector| {
            [&ada, &bob, &cal].map(|person| named(&grant(person, connector, 10)))
        }).collect();
        // Another since, and one that is refused where it was given.
        keep(&bed, &grant(&bob, "wiki", 20)).await;
        bed.store.revoke(bed.org, &Target::Person(cal.id), at(15), "left").await.unwrap();
        let dead = of(&bed, &ada, "wiki").await.unwrap();
        bed.store.hold_dead_grant(bed.org, &dead, at(30)).await.unwrap().unwrap().keep().await.unwrap();
        let found = async |org, of: &[_]| {
            let mut found = bed.store.standing_grants(org, of).await.unwrap();
            found.sort();
            found
        };
        let mut expected = vec![named(&stands[0]), named(&stands[2])];
        expected.sort();
        assert_eq!(found(bed.org, &all).await, expected);
        assert_eq!(found(bed.org, &all[..1]).await, [named(&stands[0])]);
        assert_eq!(found(bed.org, &[]).await, []);
        let refused = [(ada.id, "wiki".to_owned(), dead.version + 1)];
        assert_eq!(found(bed.org, &refused).await, []);
        assert_eq!(found(bed.other_org().await, &all).await, []);
    }

    async fn those_of_a_connector_come_page_by_page_and_only_as_far_as_they_count(bed) {
        let mut people = Vec::new();
        for name in ["ada", "bob", "cal", "dot", "eve"] {
            let person = bed.person(name).await;
            keep(&bed, &grant(&person, "crm", 10)).await;
            people.push(person.id);
        }
        let ada = bed.person("ada").await;
        keep(&bed, &grant(&ada, "wiki", 10)).await;
        people.sort_by_key(ToString::to_string);
        bed.store.revoke(bed.org, &Target::Person(people[2]), at(15), "left").await.unwrap();
        people.remove(2);
        let place = ("crm", "https://crm.example/mcp");
        let (mut after, mut found, mut pages) = (None, Vec::new(), 0);
        loop {
            let (page, more) = bed.store.grants_page(bed.org, place, after, 2).await.unwrap();
            assert!(page.iter().all(|grant| grant.connector == "crm"));
            found.extend(page.iter().map(|grant| grant.person));
            after = found.last().copied();
            pages += 1;
            if !more {
                break;
            }
        }
        assert_eq!((found, pages), (people, 2));
        let elsewhere = bed.other_org().await;
        for (org, place) in [(elsewhere, place), (bed.org, ("crm", "https://moved.example/mcp"))] {
            let none = bed.store.grants_page(org, place, None, 9).await.unwrap();
            assert_eq!(none, (Vec::new(), false));
        }
    }

    async fn what_a_connector_wants_besides_is_kept_with_a_grant_until_another_takes_its_place(bed) {
        let ada = bed.person("ada").await;
        let new = grant(&ada, "crm", 10);
        keep(&bed, &new).await;
        assert!(bed.store.want_of_grant(bed.org, &new, "write").await.unwrap());
        let wanting = Grant { wants: "write".to_owned(), ..new.clone() };
        assert_eq!(of(&bed, &ada, "crm").await, Some(wanting.clone()));
        assert!(bed.store.renew_grant(bed.org, &wanting, renewed(&[1], 20)).await.unwrap());
        assert_eq!(of(&bed, &ada, "crm").await.unwrap().wants, "write");
        assert!(!bed.store.want_of_grant(bed.org, &new, "more").await.unwrap(), "it is another by now");
        assert!(keep(&bed, &grant(&ada, "crm", 30)).await.is_some());
        assert_eq!(of(&bed, &ada, "crm").await.unwrap().wants, "");
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
