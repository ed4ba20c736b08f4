//! Policy versions: numbered without a hole, never changed, and of two authors one is told that the other was first.

use domain::OrgId;
use store::{PolicyVersion, PutPolicy, Store};

use crate::bed::{at, on_both_engines};

async fn put(store: &Store, org: OrgId, expected: u64, text: &str) -> PutPolicy {
    let new = PolicyVersion {
        version: 0,
        text: text.to_owned(),
        author: "ada".to_owned(),
        reason: "because".to_owned(),
        created: at(1),
    };
    store.put_policy(org, expected, &new).await.unwrap()
}

on_both_engines! {
    async fn versions_are_kept_as_they_were_written(bed) {
        let store = &bed.store;
        assert_eq!(store.latest_policy(bed.org).await.unwrap(), None);
        let text = "# ü, \"quotes\" and 'more'\n[[grant]]\n";
        assert_eq!(put(store, bed.org, 0, text).await, PutPolicy::Added(1));
        assert_eq!(put(store, bed.org, 1, "two").await, PutPolicy::Added(2));
        let latest = store.latest_policy(bed.org).await.unwrap().unwrap();
        assert_eq!((latest.version, latest.text.as_str()), (2, "two"));
        let first = store.policy(bed.org, 1).await.unwrap().unwrap();
        assert_eq!((first.text.as_str(), first.author.as_str(), first.created), (text, "ada", at(1)));
        assert_eq!(store.policy(bed.org, 3).await.unwrap(), None);
        assert_eq!(store.policy(bed.org, u64::MAX).await.unwrap(), None);
    }

    async fn who_edits_an_older_version_is_told_the_latest_and_writes_nothing(bed) {
        let store = &bed.store;
        assert_eq!(put(store, bed.org, 1, "x").await, PutPolicy::Conflict(0));
        assert_eq!(put(store, bed.org, 0, "one").await, PutPolicy::Added(1));
        assert_eq!(put(store, bed.org, 0, "x").await, PutPolicy::Conflict(1));
        assert_eq!(put(store, bed.org, 7, "x").await, PutPolicy::Conflict(1));
        assert_eq!(put(store, bed.org, u64::MAX, "x").await, PutPolicy::Conflict(1));
        assert_eq!(store.watermarks(bed.org).await.unwrap().policy_version, 1);
        assert_eq!(put(store, bed.org, 1, "two").await, PutPolicy::Added(2));
    }

    async fn of_many_authors_at_once_on_two_replicas_one_is_first(bed) {
        let stores = [bed.store.clone(), bed.replica().await];
        for expected in 0..6 {
            let mut authors = tokio::task::JoinSet::new();
            for author in 0..8 {
                let (store, org) = (stores[author % 2].clone(), bed.org);
                authors.spawn(async move { put(&store, org, expected, "text").await });
            }
            let said = authors.join_all().await;
            let added = said.iter().filter(|&&said| said == PutPolicy::Added(expected + 1)).count();
            let late = said.iter().filter(|&&said| said == PutPolicy::Conflict(expected + 1)).count();
            assert_eq!((added, late), (1, 7), "{said:?}");
        }
        assert_eq!(bed.count("SELECT COUNT(*) FROM policies").await, 6);
        stores[1].close().await;
    }

    async fn versions_are_listed_newest_first_in_pages(bed) {
        for expected in 0..5 {
            put(&bed.store, bed.org, expected, "text").await;
        }
        let page = async |before, limit| {
            let versions = bed.store.policy_versions(bed.org, before, limit).await.unwrap();
            versions.into_iter().map(|policy| policy.version).collect::<Vec<_>>()
        };
        assert_eq!(page(None, 2).await, [5, 4]);
        assert_eq!(page(Some(4), 2).await, [3, 2]);
        assert!(page(Some(1), 2).await.is_empty());
    }

    async fn each_organisation_has_versions_of_its_own(bed) {
        let other = bed.other_org().await;
        assert_eq!(put(&bed.store, bed.org, 0, "acme").await, PutPolicy::Added(1));
        assert_eq!(bed.store.latest_policy(other).await.unwrap(), None);
        assert_eq!(put(&bed.store, other, 0, "globex").await, PutPolicy::Added(1));
        let acme = bed.store.latest_policy(bed.org).await.unwrap().unwrap();
        assert_eq!(acme.text, "acme");
    }
}
