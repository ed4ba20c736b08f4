//! The acceptable-use policy: versions in one order, acceptances kept once, and nothing of another organisation's.

use domain::PersonId;
use domain::acceptable_use::{Published, Way};
use store::{Acceptance, PutUse, UseDraft, UseVersion};

use crate::bed::{at, on_both_engines};

fn version(number: u64, accept_from: u64) -> UseVersion {
    UseVersion {
        version: number,
        language: "en".into(),
        text: format!("# Version {number}\n"),
        fingerprint: format!("f{number}"),
        settings: "{}".into(),
        accept_from,
        author: "grace".into(),
        reason: "why".into(),
        created: at(0),
    }
}

fn acceptance(person: PersonId, version: u64, ms: i64) -> Acceptance {
    Acceptance {
        person,
        version,
        at: at(ms),
        way: Way::Device,
        address: Some("10.0.0.1".into()),
    }
}

fn draft(revision: u64, text: &str) -> UseDraft {
    UseDraft {
        revision,
        language: "en".into(),
        text: text.into(),
        variables: "{}".into(),
        author: "grace".into(),
        saved: at(3),
    }
}

on_both_engines! {
    async fn a_draft_is_saved_by_whoever_read_it_as_it_stands(bed) {
        let (store, org, other) = (&bed.store, bed.org, bed.other_org().await);
        assert_eq!(store.use_draft(org).await.unwrap(), None);
        assert!(!store.put_use_draft(org, &draft(2, "too soon")).await.unwrap());
        assert!(store.put_use_draft(org, &draft(1, "first")).await.unwrap());
        assert!(!store.put_use_draft(org, &draft(1, "first as well")).await.unwrap());
        let mut saving = tokio::task::JoinSet::new();
        for text in ["a", "b", "c"] {
            let bed = bed.clone();
            saving.spawn(async move { bed.store.put_use_draft(bed.org, &draft(2, text)).await.unwrap() });
        }
        let won = saving.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1, "one of those who save at once");
        assert_eq!(store.use_draft(org).await.unwrap().unwrap().revision, 2);
        assert_eq!(store.use_draft(other).await.unwrap(), None);
    }

    async fn versions_are_numbered_in_order_and_read_back_as_they_were(bed) {
        let (store, org) = (&bed.store, bed.org);
        assert_eq!(store.published_use(org).await.unwrap(), None);
        assert_eq!(store.latest_use_version(org).await.unwrap(), None);
        let (one, two) = (version(1, 1), version(2, 1));
        assert_eq!(store.put_use_version(org, 0, &one).await.unwrap(), PutUse::Added(1));
        assert_eq!(store.put_use_version(org, 0, &two).await.unwrap(), PutUse::Conflict(1));
        assert_eq!(store.watermarks(org).await.unwrap().acceptable_use, 1);
        assert_eq!(store.put_use_version(org, 1, &two).await.unwrap(), PutUse::Added(2));
        assert_eq!(store.watermarks(org).await.unwrap().acceptable_use, 2);
        let published = Published { version: 2, accept_from: 1 };
        assert_eq!(store.published_use(org).await.unwrap(), Some(published));
        assert_eq!(store.use_version(org, 1).await.unwrap(), Some(one.clone()));
        assert_eq!(store.use_version(org, 3).await.unwrap(), None);
        assert_eq!(store.use_versions(org, None, 9).await.unwrap(), [two, one]);
    }

    async fn two_authors_at_once_are_one_version_and_one_conflict(bed) {
        let mut authors = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (store, org) = (bed.store.clone(), bed.org);
            authors.spawn(async move { store.put_use_version(org, 0, &version(1, 1)).await.unwrap() });
        }
        let done = authors.join_all().await;
        let added = done.iter().filter(|done| **done == PutUse::Added(1)).count();
        assert_eq!(added, 1, "{done:?}");
        assert_eq!(bed.count("SELECT COUNT(*) FROM acceptable_use_versions").await, 1);
    }

    async fn of_many_acceptances_at_once_one_is_kept(bed) {
        bed.store.put_use_version(bed.org, 0, &version(1, 1)).await.unwrap();
        let ada = bed.person("ada").await.id;
        let mut clicks = tokio::task::JoinSet::new();
        for ms in 0..8 {
            let (store, org) = (bed.store.clone(), bed.org);
            clicks.spawn(async move { store.accept_use(org, &acceptance(ada, 1, ms)).await.unwrap() });
        }
        let kept = clicks.join_all().await;
        assert_eq!(kept.iter().filter(|kept| **kept).count(), 1, "{kept:?}");
        let before = bed.store.acceptances_of(bed.org, ada, 9).await.unwrap();
        assert!(!bed.store.accept_use(bed.org, &acceptance(ada, 1, 99)).await.unwrap());
        assert_eq!(bed.store.acceptances_of(bed.org, ada, 9).await.unwrap(), before, "the first stays");
    }

    async fn the_latest_acceptance_of_each_person_is_read_page_by_page(bed) {
        let (store, org) = (&bed.store, bed.org);
        for number in 1..=2 {
            store.put_use_version(org, number - 1, &version(number, 1)).await.unwrap();
        }
        let mut people = Vec::new();
        for stable_id in ["1", "2", "3", "4"] {
            people.push(bed.person(stable_id).await.id);
        }
        for (person, number) in [(0, 1), (0, 2), (1, 1), (3, 2)] {
            assert!(store.accept_use(org, &acceptance(people[person], number, 5)).await.unwrap());
        }
        assert_eq!(store.accepted_use(org, people[0]).await.unwrap(), Some(2));
        assert_eq!(store.accepted_use(org, people[2]).await.unwrap(), None);
        let page = async |after, until| {
            let found = store.latest_acceptances(org, after, until).await.unwrap();
            found.iter().map(|a| (a.person, a.version)).collect::<Vec<_>>()
        };
        assert_eq!(page(None, people[1]).await, [(people[0], 2), (people[1], 1)]);
        assert_eq!(page(Some(people[1]), people[3]).await, [(people[3], 2)]);
    }

    async fn nothing_is_accepted_of_another_organisation_or_of_what_is_not_there(bed) {
        let (store, other) = (&bed.store, bed.other_org().await);
        let ada = bed.person("ada").await.id;
        store.put_use_version(bed.org, 0, &version(1, 1)).await.unwrap();
        assert!(!store.accept_use(other, &acceptance(ada, 1, 0)).await.unwrap());
        assert!(!store.accept_use(bed.org, &acceptance(ada, 2, 0)).await.unwrap());
        let nobody = PersonId::from_parts(0, 0);
        assert!(!store.accept_use(bed.org, &acceptance(nobody, 1, 0)).await.unwrap());
        assert_eq!(store.published_use(other).await.unwrap(), None);
        assert!(store.accept_use(bed.org, &acceptance(ada, 1, 0)).await.unwrap());
        assert_eq!(store.accepted_use(other, ada).await.unwrap(), None);
        assert_eq!(store.latest_acceptances(other, None, ada).await.unwrap(), []);
    }
}
