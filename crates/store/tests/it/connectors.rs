//! What connectors listed and what of it was approved: an approval is of one definition at one place, of one organisation.

use domain::ConnectorReviewId;
use domain::connectors::ActionClass;
use store::{ActionSeen, ConnectorListing, ConnectorReview};

use crate::bed::{at, number, on_both_engines};

const CRM: (&str, &str) = ("crm", "place");

fn seen(action: &str, hash: &str) -> ActionSeen {
    ActionSeen {
        action: action.to_owned(),
        offered: Some(format!("{{\"name\":\"{action}\"}}")),
        unfit: None,
        hash: hash.to_owned(),
        class: ActionClass::Read,
        basis: "name".to_owned(),
        findings: "[]".to_owned(),
    }
}

fn listing(ms: i64, actions: u64) -> ConnectorListing {
    ConnectorListing {
        at: at(ms),
        actions,
        dropped: 0,
    }
}

on_both_engines! {
    async fn an_approval_is_of_the_definition_that_is_offered_still(bed) {
        let (store, org, other) = (&bed.store, bed.org, bed.other_org().await);
        let one = ("crm", "place", "get");
        store.note_actions(org, CRM, listing(0, 1), (&[seen("get", "a")], &[], &[])).await.unwrap();
        let by = ("ada", at(1));
        assert!(!store.approve_action(org, one, "b", by).await.unwrap(), "another definition");
        assert!(!store.approve_action(org, ("crm", "elsewhere", "get"), "a", by).await.unwrap());
        assert!(!store.approve_action(other, one, "a", by).await.unwrap(), "another organisation");
        assert!(store.approve_action(org, one, "a", by).await.unwrap());
        store.note_actions(org, CRM, listing(2, 1), (&[seen("get", "b")], &[], &[])).await.unwrap();
        let row = store.connector_action(org, "crm", "place", "get").await.unwrap().unwrap();
        let approved = row.approved.unwrap();
        assert_eq!((&*approved.hash, &*approved.by, approved.at), ("a", "ada", at(1)));
        assert_eq!((&*row.seen.hash, row.first_seen, row.offered_at), ("b", at(0), at(2)));
        assert!(store.connector_actions(org, "crm", "elsewhere").await.unwrap().is_empty());
        assert!(store.connector_actions(other, "crm", "place").await.unwrap().is_empty());
    }

    async fn what_is_left_blocked_takes_back_an_approval_of_the_same(bed) {
        let (store, org) = (&bed.store, bed.org);
        let (one, by) = (("crm", "place", "get"), ("ada", at(1)));
        store.note_actions(org, CRM, listing(0, 1), (&[seen("get", "a")], &[], &[])).await.unwrap();
        assert!(store.approve_action(org, one, "a", by).await.unwrap());
        store.note_actions(org, CRM, listing(2, 1), (&[seen("get", "b")], &[], &[])).await.unwrap();
        assert!(store.keep_action(org, one, "b", by).await.unwrap());
        let row = async || store.connector_action(org, "crm", "place", "get").await.unwrap().unwrap();
        assert!(row().await.approved.is_some(), "what was approved before is not this one");
        assert_eq!(row().await.kept.unwrap().hash, "b");
        store.note_actions(org, CRM, listing(3, 1), (&[seen("get", "a")], &[], &[])).await.unwrap();
        assert!(store.keep_action(org, one, "a", by).await.unwrap());
        assert_eq!(row().await.approved, None);
        assert!(store.approve_action(org, one, "a", by).await.unwrap());
        assert_eq!(row().await.kept, None);
    }

    async fn what_cannot_be_read_is_never_approved(bed) {
        let (store, org) = (&bed.store, bed.org);
        let unfit = ActionSeen { offered: None, unfit: Some("too long".to_owned()), ..seen("get", "a") };
        store.note_actions(org, CRM, listing(0, 1), (&[unfit], &[], &[])).await.unwrap();
        assert!(!store.approve_action(org, ("crm", "place", "get"), "a", ("ada", at(1))).await.unwrap());
    }

    async fn what_is_listed_no_more_and_again_is_noted(bed) {
        let (store, org) = (&bed.store, bed.org);
        let two = [seen("get", "a"), seen("put", "b")];
        store.note_actions(org, CRM, listing(0, 2), (&two, &[], &[])).await.unwrap();
        let listed = async || {
            let rows = store.connector_actions(org, "crm", "place").await.unwrap();
            rows.iter().map(|row| row.listed).collect::<Vec<_>>()
        };
        store.note_actions(org, CRM, listing(1, 1), (&[], &["get".to_owned()], &[])).await.unwrap();
        assert_eq!(listed().await, [false, true]);
        let neighbours = store.action_neighbours(org).await.unwrap();
        let names: Vec<_> = neighbours.iter().map(|n| (&*n.connector, &*n.action, n.listed)).collect();
        assert_eq!(names, [("crm", "get", false), ("crm", "put", true)]);
        store.note_actions(org, CRM, listing(2, 2), (&[], &[], &["get".to_owned()])).await.unwrap();
        assert_eq!(listed().await, [true, true]);
        let last = store.connector_listing(org, "crm", "place").await.unwrap();
        assert_eq!(last, Some(listing(2, 2)));
        assert_eq!(store.connector_listing(org, "crm", "elsewhere").await.unwrap(), None);
    }

    async fn an_administrators_class_stays_when_the_definition_changes(bed) {
        let (store, org) = (&bed.store, bed.org);
        let one = ("crm", "place", "get");
        store.note_actions(org, CRM, listing(0, 1), (&[seen("get", "a")], &[], &[])).await.unwrap();
        let said = Some(ActionClass::Generic);
        assert!(store.say_class(org, one, said, (ActionClass::Generic, "administrator")).await.unwrap());
        assert!(!store.say_class(org, ("crm", "place", "x"), said, (ActionClass::Read, "name")).await.unwrap());
        store.note_actions(org, CRM, listing(1, 1), (&[seen("get", "b")], &[], &[])).await.unwrap();
        let row = store.connector_action(org, "crm", "place", "get").await.unwrap().unwrap();
        assert_eq!(row.said, said);
    }

    async fn reviews_are_of_one_place_newest_first(bed) {
        let (store, org) = (&bed.store, bed.org);
        let review = |enabled| ConnectorReview {
            id: ConnectorReviewId::from_parts(number(), 0),
            at: at(0),
            by: "ada".to_owned(),
            enabled,
            risk: "high".to_owned(),
            vendor: "Acme".to_owned(),
            reason: "looked at".to_owned(),
        };
        let both = [review(false), review(true)];
        for review in &both {
            store.add_connector_review(org, CRM, review).await.unwrap();
        }
        let found = store.connector_reviews(org, "crm", "place").await.unwrap();
        assert_eq!(found, [both[1].clone(), both[0].clone()]);
        assert!(store.connector_reviews(org, "crm", "elsewhere").await.unwrap().is_empty());
    }
}
