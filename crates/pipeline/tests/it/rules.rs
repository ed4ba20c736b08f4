//! The policy in force at a start: from the store, and from the disk when the store's version cannot be read.

use std::sync::Arc;

use domain::{ConnectorReviewId, OrgId, Policy, Timestamp};
use pipeline::last_policy::{Kept, LastPolicy};
use pipeline::rules::LoadError;
use pipeline::{Inspector, Rules};
use store::{ConnectorReview, PolicyVersion, PutPolicy, Store};

const GOOD: &str = "[[grant]]\nname = \"all\"\nmodels = [\"claude-haiku-*\"]\n";
const UNREADABLE: &str = "[[of_a_later_program]]\n";

/// A store, and the folder in which the last good policy is kept beside it.
struct Place {
    store: Store,
    org: OrgId,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Store::open(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
        let org = OrgId::from_parts(1, 1);
        let org = store.ensure_org("northwind", org).await.unwrap();
        Self { store, org, folder }
    }

    fn last(&self) -> LastPolicy {
        LastPolicy::at(self.folder.path().join("policy.last"), self.org)
    }

    async fn put(&self, expected: u64, text: &str) {
        let new = PolicyVersion {
            version: 0,
            text: text.to_owned(),
            author: "ada".to_owned(),
            reason: String::new(),
            created: Timestamp::from_unix_s(expected.try_into().unwrap()),
        };
        let put = self.store.put_policy(self.org, expected, &new).await;
        assert_eq!(put.unwrap(), PutPolicy::Added(expected + 1));
    }

    /// A process that has just started: the version in force, and when it was applied if it came from the disk.
    async fn start(&self) -> Result<(u64, Option<Timestamp>), LoadError> {
        let inspector = Arc::new(Inspector::new(detect::Engine::new(b"key")));
        let rules = Rules::new(Policy::empty(), 1, inspector).keeping(self.last());
        rules.load_at_start(&self.store, self.org).await?;
        Ok((rules.current().version, rules.from_disk()))
    }
}

#[tokio::test]
async fn a_start_that_finds_an_unreadable_version_goes_on_with_the_last_good_one() {
    let place = Place::new().await;
    place.put(0, GOOD).await;
    assert_eq!(place.start().await.unwrap(), (1, None));
    place.put(1, UNREADABLE).await;
    let applied = Some(Timestamp::from_unix_s(0));
    assert_eq!(place.start().await.unwrap(), (1, applied));
    assert_eq!(place.start().await.unwrap(), (1, applied), "and again");
    place.put(2, GOOD).await;
    assert_eq!(place.start().await.unwrap(), (3, None));
    assert_eq!(place.last().read().unwrap().unwrap().version, 3);
}

#[tokio::test]
async fn without_a_last_good_policy_that_can_be_believed_there_is_no_start() {
    let place = Place::new().await;
    place.put(0, UNREADABLE).await;
    let refused = async || matches!(place.start().await, Err(LoadError::Policy(_)));
    assert!(refused().await, "nothing was ever kept");
    let kept = |version| Kept {
        version,
        applied: Timestamp::default(),
        text: GOOD.to_owned(),
    };
    let path = place.folder.path().join("policy.last");
    let stranger = LastPolicy::at(path.clone(), OrgId::from_parts(2, 2));
    stranger.keep(&kept(1)).unwrap();
    assert!(refused().await, "another organisation's");
    place.last().keep(&kept(2)).unwrap();
    assert!(refused().await, "of a later version than the store's");
    place.last().keep(&kept(1)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("haiku", "opus1")).unwrap();
    assert!(refused().await, "altered");
    place.last().keep(&kept(1)).unwrap();
    assert!(!refused().await);
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_no_reason_to_take_the_policy_from_the_disk() {
    let place = Place::new().await;
    place.put(0, GOOD).await;
    place.start().await.unwrap();
    place.store.close().await;
    assert!(matches!(place.start().await, Err(LoadError::Store(_))));
}

#[tokio::test]
async fn a_review_is_heard_beside_a_policy_that_cannot_be_understood() {
    const OWN: &str = "[[connector]]\nname = \"own\"\nurl = \"https://mcp.example/\"\n";
    let place = Place::new().await;
    place.put(0, OWN).await;
    let inspector = Arc::new(Inspector::new(detect::Engine::new(b"key")));
    let rules = Rules::new(Policy::empty(), 1, inspector);
    let marks = rules.load(&place.store, place.org).await.unwrap();
    assert!(rules.current().is_held_back("own"));
    place.put(1, UNREADABLE).await;
    let review = ConnectorReview {
        id: ConnectorReviewId::from_parts(1, 1),
        at: Timestamp::default(),
        by: "ada".to_owned(),
        enabled: true,
        risk: "low".to_owned(),
        vendor: "a test".to_owned(),
        reason: "try".to_owned(),
    };
    let at = actions::pin::place(&Policy::parse(1, OWN).unwrap().document().connector[0]);
    let kept = place
        .store
        .add_connector_review(place.org, ("own", &at), &review);
    kept.await.unwrap();
    let heard = async {
        while rules.current().is_held_back("own") {
            tokio::task::yield_now().await;
        }
    };
    let followed = async {
        tokio::select! {
            () = rules.follow(&place.store, place.org, marks) => {}
            () = heard => {}
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, followed).await.unwrap();
    assert_eq!(rules.current().version, 1, "the last good one stays");
}
