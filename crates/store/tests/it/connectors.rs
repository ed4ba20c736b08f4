//! What connectors listed and what of it was approved: an approval is of one definition at one place, of one organisation.

use domain::ConnectorReviewId;
use domain::connectors::{ActionClass, DefinitionKind, DefinitionKind::Tool};
use store::{ConnectorListing, ConnectorReview, DefinitionSeen};

use crate::bed::{at, number, on_both_engines};

const CRM: (&str, &str) = ("crm", "place");
const TOOLS: (&str, &str, DefinitionKind) = ("crm", "place", Tool);

fn seen(action: &str, hash: &str) -> DefinitionSeen {
    DefinitionSeen {
        name: action.to_owned(),
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
        let one = ("crm", "place", Tool, "get");
        store.note_definitions(org, TOOLS, listing(0, 1), (&[seen("get", "a")], &[], &[])).await.unwrap();
        let by = ("ada", at(1));
        assert!(!store.approve_definition(org, one, "b", by).await.unwrap(), "another definition");
        assert!(!store.approve_definition(org, ("crm", "elsewhere", Tool, "get"), "a", by).await.unwrap());
        assert!(!store.approve_definition(other, one, "a", by).await.unwrap(), "another organisation");
        assert!(store.approve_definition(org, one, "a", by).await.unwrap());
        store.note_definitions(org, TOOLS, listing(2, 1), (&[seen("get", "b")], &[], &[])).await.unwrap();
        let row = store.connector_definition(org, ("crm", "place", Tool, "get")).await.unwrap().unwrap();
        let approved = row.approved.unwrap();
        assert_eq!((&*approved.hash, &*approved.by, approved.at), ("a", "ada", at(1)));
        assert_eq!((&*row.seen.hash, row.first_seen, row.offered_at), ("b", at(0), at(2)));
        assert!(store.connector_definitions(org, ("crm", "elsewhere"), Tool).await.unwrap().is_empty());
        assert!(store.connector_definitions(other, CRM, Tool).await.unwrap().is_empty());
    }

    async fn what_is_left_blocked_takes_back_an_approval_of_the_same(bed) {
        let (store, org) = (&bed.store, bed.org);
        let (one, by) = (("crm", "place", Tool, "get"), ("ada", at(1)));
        store.note_definitions(org, TOOLS, listing(0, 1), (&[seen("get", "a")], &[], &[])).await.unwrap();
        assert!(store.approve_definition(org, one, "a", by).await.unwrap());
        store.note_definitions(org, TOOLS, listing(2, 1), (&[seen("get", "b")], &[], &[])).await.unwrap();
        assert!(store.keep_definition(org, one, "b", by).await.unwrap());
        let row = async || store.connector_definition(org, ("crm", "place", Tool, "get")).await.unwrap().unwrap();
        assert!(row().await.approved.is_some(), "what was approved before is not this one");
        assert_eq!(row().await.kept.unwrap().hash, "b");
        store.note_definitions(org, TOOLS, listing(3, 1), (&[seen("get", "a")], &[], &[])).await.unwrap();
        assert!(store.keep_definition(org, one, "a", by).await.unwrap());
        assert_eq!(row().await.approved, None);
        assert!(store.approve_definition(org, one, "a", by).await.unwrap());
        assert_eq!(row().await.kept, None);
    }

    async fn what_cannot_be_read_is_never_approved(bed) {
        let (store, org) = (&bed.store, bed.org);
        let unfit = DefinitionSeen { offered: None, unfit: Some("too long".to_owned()), ..seen("get", "a") };
        store.note_definitions(org, TOOLS, listing(0, 1), (&[unfit], &[], &[])).await.unwrap();
        assert!(!store.approve_definition(org, ("crm", "place", Tool, "get"), "a", ("ada", at(1))).await.unwrap());
    }

    async fn what_is_listed_no_more_and_again_is_noted(bed) {
        let (store, org) = (&bed.store, bed.org);
        let two = [seen("get", "a"), seen("put", "b")];
        store.note_definitions(org, TOOLS, listing(0, 2), (&two, &[], &[])).await.unwrap();
        let listed = async || {
            let rows = store.connector_definitions(org, CRM, Tool).await.unwrap();
            rows.iter().map(|row| row.listed).collect::<Vec<_>>()
        };
        store.note_definitions(org, TOOLS, listing(1, 1), (&[], &["get".to_owned()], &[])).await.unwrap();
        assert_eq!(listed().await, [false, true]);
        let neighbours = store.definition_neighbours(org).await.unwrap();
        let names: Vec<_> = neighbours.iter().map(|n| (n.kind, &*n.connector, &*n.name, n.listed)).collect();
        assert_eq!(names, [(Tool, "crm", "get", false), (Tool, "crm", "put", true)]);
        store.note_definitions(org, TOOLS, listing(2, 2), (&[], &[], &["get".to_owned()])).await.unwrap();
        assert_eq!(listed().await, [true, true]);
        let last = store.connector_listing(org, "crm", "place").await.unwrap();
        assert_eq!(last, Some(listing(2, 2)));
        assert_eq!(store.connector_listing(org, "crm", "elsewhere").await.unwrap(), None);
    }

    async fn an_administrators_class_stays_when_the_definition_changes(bed) {
        let (store, org) = (&bed.store, bed.org);
        store.note_definitions(org, TOOLS, listing(0, 1), (&[seen("get", "a")], &[], &[])).await.unwrap();
        let said = Some(ActionClass::Generic);
        let one = ("crm", "place", "get");
        assert!(store.say_class(org, one, said, (ActionClass::Generic, "administrator")).await.unwrap());
        assert!(!store.say_class(org, ("crm", "place", "x"), said, (ActionClass::Read, "name")).await.unwrap());
        store.note_definitions(org, TOOLS, listing(1, 1), (&[seen("get", "b")], &[], &[])).await.unwrap();
        let row = store.connector_definition(org, ("crm", "place", Tool, "get")).await.unwrap().unwrap();
        assert_eq!(row.said, said);
    }

    async fn a_name_of_one_kind_is_none_of_another(bed) {
        let (store, org) = (&bed.store, bed.org);
        let of = |kind| ("crm", "place", kind);
        let (prompts, said) = (DefinitionKind::Prompt, DefinitionKind::Instructions);
        store.note_definitions(org, TOOLS, listing(0, 1), (&[seen("get", "a")], &[], &[])).await.unwrap();
        store.note_definitions(org, of(prompts), listing(5, 7), (&[seen("get", "a")], &[], &[])).await.unwrap();
        store.note_definitions(org, of(said), listing(6, 8), (&[seen("get", "b")], &[], &[])).await.unwrap();
        let last = store.connector_listing(org, "crm", "place").await.unwrap();
        assert_eq!(last, Some(listing(0, 1)), "only its tools say when it was asked");
        let by = ("ada", at(9));
        assert!(store.approve_definition(org, ("crm", "place", prompts, "get"), "a", by).await.unwrap());
        assert!(store.keep_definition(org, ("crm", "place", said, "get"), "b", by).await.unwrap());
        store.note_definitions(org, of(prompts), listing(9, 0), (&[], &["get".to_owned()], &[])).await.unwrap();
        let stands = async |kind| {
            let all = store.connector_definitions(org, CRM, kind).await.unwrap();
            let all = all.iter().map(|row| (row.approved.is_some(), row.kept.is_some(), row.listed));
            all.collect::<Vec<_>>()
        };
        assert_eq!(stands(Tool).await, [(false, false, true)]);
        assert_eq!(stands(prompts).await, [(true, false, false)]);
        assert_eq!(stands(said).await, [(false, true, true)]);
        let neighbours = store.definition_neighbours(org).await.unwrap();
        let kinds: Vec<_> = neighbours.iter().map(|one| one.kind).collect();
        assert_eq!(kinds, [Tool, prompts, said], "tools first");
    }

    async fn reviews_are_of_one_place_newest_first(bed) {
        let (store, org) = (&bed.store, bed.org);
        // the clock of each replica is behind the one before it
        let review = |enabled| ConnectorReview {
            id: ConnectorReviewId::from_parts((1 << 40) - number(), 0),
            at: at(0),
            by: "ada".to_owned(),
            enabled,
            risk: "high".to_owned(),
            vendor: "Acme".to_owned(),
            reason: "looked at".to_owned(),
        };
        let both = [review(false), review(true)];
        for review in &both {
            let before = store.watermarks(org).await.unwrap();
            store.add_connector_review(org, CRM, review).await.unwrap();
            assert_ne!(store.watermarks(org).await.unwrap(), before, "replicas hear of each");
        }
        store.add_connector_review(org, ("crm", "other"), &review(false)).await.unwrap();
        store.add_connector_review(org, ("notes", "place"), &review(false)).await.unwrap();
        let found = store.connector_reviews(org, "crm", "place").await.unwrap();
        assert_eq!(found, [both[1].clone(), both[0].clone()]);
        assert!(store.connector_reviews(org, "crm", "elsewhere").await.unwrap().is_empty());
        let word = |connector: &str, place: &str, enabled| ((connector.to_owned(), place.to_owned()), enabled);
        let newest = [word("crm", "place", true), word("crm", "other", false), word("notes", "place", false)];
        assert_eq!(store.reviewed(org).await.unwrap(), newest.into());
    }
}
