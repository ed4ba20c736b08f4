//! Requests for access: one open of each thing, answered once, expired by the clock, and each organisation's own.

use domain::window::Period;
use domain::{AccessRequestId, AccessState, AskedKind, AuditId, BudgetId, SpendScope, limits};
use store::{
    AccessEnd, AccessRequest, AskedFor, Asking, Person, SpendLimit, SpendLimitAudit, StoreError,
};

use crate::bed::{Bed, at, number, on_both_engines};

fn request(person: &Person, thing: &str, asked_ms: i64) -> AccessRequest {
    AccessRequest {
        id: AccessRequestId::from_parts(asked_ms.unsigned_abs(), number().into()),
        person: person.id,
        label: "Ada@acme.example".to_owned(),
        kind: AskedKind::Budget,
        thing: thing.to_owned(),
        amount_cents: Some("500".to_owned()),
        reason: "a report".to_owned(),
        asked: at(asked_ms),
        state: AccessState::Open,
        end: None,
    }
}

fn end(ms: i64) -> AccessEnd {
    AccessEnd {
        at: at(ms),
        by: "grace".to_owned(),
        answer: "yes".to_owned(),
        granted_cents: None,
    }
}

async fn ask(bed: &Bed, new: &AccessRequest) -> bool {
    match bed.store.hold_access_request(bed.org, new).await.unwrap() {
        Asking::Held(held) => held.keep().await.is_ok(),
        Asking::Stands(_) | Asking::Out => false,
    }
}

async fn all(bed: &Bed, wanted: AskedFor) -> Vec<AccessRequest> {
    let found = bed
        .store
        .access_requests_page(bed.org, wanted, None, 9)
        .await;
    found.unwrap().0
}

fn audit() -> SpendLimitAudit {
    SpendLimitAudit {
        id: AuditId::from_parts(1, number().into()),
        created: at(3),
        actor: "grace".to_owned(),
        action: "spend_limit.upsert".to_owned(),
        target: String::new(),
        before_json: None,
        after_json: None,
    }
}

on_both_engines! {
    async fn of_each_thing_one_is_open_and_what_is_not_kept_was_never_asked(bed) {
        let ada = bed.person("ada").await;
        let new = request(&ada, "monthly", 10);
        drop(bed.store.hold_access_request(bed.org, &new).await.unwrap());
        assert_eq!(all(&bed, AskedFor::default()).await, []);
        assert!(ask(&bed, &new).await);
        let same = request(&ada, "monthly", 11);
        let stands = bed.store.hold_access_request(bed.org, &same).await.unwrap();
        assert!(matches!(stands, Asking::Stands(id) if id == new.id), "{stands:?}");
        let other = request(&ada, "daily", 12);
        assert!(ask(&bed, &other).await);
        let mine = AskedFor { person: Some(ada.id), open_at: None };
        assert_eq!(all(&bed, mine).await, [other.clone(), new.clone()], "one's own, newest first");
        assert_eq!(all(&bed, AskedFor::default()).await, [new.clone(), other]);
        let there = bed.other_org().await;
        assert_eq!(bed.store.access_request(there, new.id).await.unwrap(), None);
        let closed = bed.store.hold_access_end(there, new.id, AccessState::Declined, &end(13)).await;
        assert!(closed.unwrap().is_none());
        assert_eq!(bed.store.purge_access_requests(there, at(99)).await.unwrap(), 0);
        assert_eq!(bed.store.purge_access_requests(bed.org, at(11)).await.unwrap(), 1);
    }

    async fn one_answer_is_kept_and_an_expired_request_takes_none(bed) {
        let ada = bed.person("ada").await;
        let new = request(&ada, "monthly", 10);
        assert!(ask(&bed, &new).await);
        let over = end(10 + limits::ACCESS_REQUEST_OPEN_MS);
        let late = bed.store.hold_access_end(bed.org, new.id, AccessState::Granted, &over).await;
        assert!(late.unwrap().is_none());
        let waiting = bed.store.access_requests_waiting(bed.org, None, at(20)).await.unwrap();
        assert_eq!(waiting, (1, Some(at(10))));
        let waiting = bed.store.access_requests_waiting(bed.org, Some(ada.id), at(20)).await.unwrap();
        assert_eq!(waiting, (0, None));
        let held = bed.store.hold_access_end(bed.org, new.id, AccessState::Declined, &end(20)).await;
        held.unwrap().unwrap().keep().await.unwrap();
        let twice = bed.store.hold_access_end(bed.org, new.id, AccessState::Granted, &end(21)).await;
        assert!(twice.unwrap().is_none());
        let kept = bed.store.access_request(bed.org, new.id).await.unwrap().unwrap();
        assert_eq!((kept.state, kept.end), (AccessState::Declined, Some(end(20))));
        let again = request(&ada, "monthly", 30);
        assert!(ask(&bed, &again).await);
        let later = request(&ada, "monthly", 30 + limits::ACCESS_REQUEST_OPEN_MS);
        assert!(ask(&bed, &later).await, "what expired makes room");
        let kept = bed.store.access_request(bed.org, again.id).await.unwrap().unwrap();
        assert_eq!(kept.state, AccessState::Expired);
    }

    async fn a_grant_of_money_and_its_limit_are_kept_together_or_not_at_all(bed) {
        let ada = bed.person("ada").await;
        let new = request(&ada, "monthly", 10);
        assert!(ask(&bed, &new).await);
        let limit = SpendLimit {
            id: BudgetId::from_parts(1, number().into()),
            scope: SpendScope::User(ada.stable_id.clone()),
            period: Period::Monthly,
            amount_cents: Some("500".to_owned()),
            pooled_json: None,
            created: at(20),
            updated: at(20),
        };
        let granted = end(20);
        let grant = || bed.store.hold_access_grant(bed.org, new.id, &granted, &limit, |_, _| audit());
        drop(grant().await.unwrap());
        assert_eq!(bed.store.spend_limits(bed.org).await.unwrap(), []);
        let granting = grant().await.unwrap().unwrap();
        assert_eq!((granting.before, granting.after), (None, limit.clone()));
        granting.held.keep().await.unwrap();
        assert_eq!(bed.store.spend_limits(bed.org).await.unwrap(), vec![limit.clone()]);
        assert!(grant().await.unwrap().is_none());
    }

    async fn a_person_has_so_many_open_and_no_more(bed) {
        let ada = bed.person("ada").await;
        for place in 0..limits::ACCESS_REQUESTS_OPEN_MAX {
            assert!(ask(&bed, &request(&ada, &format!("{place}"), 10)).await);
        }
        let over = bed.store.hold_access_request(bed.org, &request(&ada, "more", 10)).await;
        assert!(matches!(over, Err(StoreError::Full(_))));
        let bob = bed.person("bob").await;
        assert!(ask(&bed, &request(&bob, "monthly", 10)).await);
    }

    async fn a_request_is_told_by_one_replica_as_it_stands_and_its_answer_anew(bed) {
        let ada = bed.person("ada").await;
        let new = request(&ada, "monthly", 100);
        assert!(ask(&bed, &new).await);
        let due = async |now| bed.store.access_requests_to_tell(bed.org, at(now), 10).await.unwrap();
        let open = (new.id, AccessState::Open);
        let take = async || bed.store.take_access_notice(bed.org, open, 0, Some(at(500))).await.unwrap();
        assert_eq!(due(99).await.len(), 0);
        let found = due(100).await;
        assert_eq!((found.len(), found[0].0.id, found[0].1), (1, new.id, 0));
        assert!(take().await);
        assert!(!take().await, "another replica has");
        assert_eq!(due(499).await.len(), 0, "not before it is tried again");
        assert_eq!(due(500).await[0].1, 1);
        let held = bed.store.hold_access_end(bed.org, new.id, AccessState::Granted, &end(200)).await;
        held.unwrap().unwrap().keep().await.unwrap();
        bed.store.access_request_was_told(bed.org, open).await.unwrap();
        let found = due(200).await;
        assert_eq!(found.len(), 1, "whoever was told of the question is told of the answer");
        assert_eq!((found[0].0.state, found[0].1), (AccessState::Granted, 0));
        let granted = (new.id, AccessState::Granted);
        bed.store.access_request_was_told(bed.org, granted).await.unwrap();
        assert_eq!(due(300).await.len(), 0);
        let other = request(&ada, "monthly", 300);
        assert!(ask(&bed, &other).await);
        let over = 300 + limits::ACCESS_REQUEST_OPEN_MS;
        assert_eq!(due(over).await.len(), 0, "what has expired is told to nobody");
        let held = bed.store.hold_access_end(bed.org, other.id, AccessState::Withdrawn, &end(301)).await;
        held.unwrap().unwrap().keep().await.unwrap();
        assert_eq!(due(302).await.len(), 0, "nor what was taken back");
    }
}
