//! Approvals: one live of each call, steps that happen once on whichever replica, and only in time.

use domain::ApprovalState::{Approved, Consumed, Denied, Expired, Pending};
use domain::approval::{About, Approver, Binding};
use domain::{ApprovalId, ApprovalState, limits};
use store::{
    Approval, ApprovalDecision, ApprovalStep, ApprovalsWanted, AskingApproval, Person, Store,
    StoreError,
};

use crate::bed::{Bed, at, number, on_both_engines};

fn call(person: &Person, member: u64, asked_ms: i64) -> Approval {
    Approval {
        id: ApprovalId::from_parts(asked_ms.unsigned_abs(), number().into()),
        binding: Binding {
            person: person.id,
            connector: "crm".to_owned(),
            action: "update_contact".to_owned(),
            arguments_sha256: Binding::hash_of(&member.to_be_bytes()),
            definition: "sha256:77c0".to_owned(),
            policy_version: 47,
            approver: Approver::Groups(["leads".to_owned()].into()),
        },
        label: "Ada@acme.example".to_owned(),
        about: About {
            rule: "CRM: writing".to_owned(),
            ..About::default()
        },
        arguments: Some(vec![0, 1, 255]),
        asked: at(asked_ms),
        expires: at(asked_ms + 100),
        state: Pending,
        decision: None,
        ended: None,
        instead: None,
    }
}

fn step(from: ApprovalState, to: ApprovalState, ms: i64) -> ApprovalStep {
    ApprovalStep {
        from,
        to,
        at: at(ms),
        decision: None,
        expires: (to == Approved).then(|| at(ms + 100)),
        instead: None,
    }
}

async fn ask(bed: &Bed, new: &Approval) -> bool {
    match bed.store.hold_approval(bed.org, new).await.unwrap() {
        AskingApproval::Held(held) => held.keep().await.is_ok(),
        AskingApproval::Stands(_) | AskingApproval::Out => false,
    }
}

async fn make(store: &Store, bed: &Bed, id: ApprovalId, step: &ApprovalStep) -> bool {
    match store.hold_approval_step(bed.org, id, step).await.unwrap() {
        Some(held) => held.keep().await.is_ok(),
        None => false,
    }
}

on_both_engines! {
    async fn of_a_call_one_is_live_and_comes_back_as_it_was_kept(bed) {
        let ada = bed.person("ada").await;
        let new = call(&ada, 4411, 10);
        drop(bed.store.hold_approval(bed.org, &new).await.unwrap());
        assert_eq!(bed.store.approval(bed.org, new.id).await.unwrap(), None, "not kept, never asked");
        assert!(ask(&bed, &new).await);
        assert_eq!(bed.store.approval(bed.org, new.id).await.unwrap(), Some(new.clone()));
        let same = call(&ada, 4411, 11);
        let stands = bed.store.hold_approval(bed.org, &same).await.unwrap();
        assert!(matches!(stands, AskingApproval::Stands(one) if *one == new));
        let bob = bed.person("bob").await;
        assert!(ask(&bed, &call(&ada, 4412, 12)).await && ask(&bed, &call(&bob, 4411, 13)).await);
        let there = bed.other_org().await;
        assert_eq!(bed.store.approval(there, new.id).await.unwrap(), None);
        let theirs = bed.store.hold_approval_step(there, new.id, &step(Pending, Approved, 14)).await;
        assert!(theirs.unwrap().is_none());
        let waiting = bed.store.approvals_waiting(bed.org, at(20)).await.unwrap();
        assert_eq!(waiting, (3, Some(at(10))));
        let mine = ApprovalsWanted { person: Some(ada.id), pending_at: None };
        let (mine, more) = bed.store.approvals_page(bed.org, mine, None, 1).await.unwrap();
        assert!(more && mine.len() == 1 && mine[0].asked == at(12), "the newest first");
    }

    async fn a_step_is_made_once_from_its_state_and_in_time(bed) {
        let ada = bed.person("ada").await;
        let new = call(&ada, 4411, 10);
        assert!(ask(&bed, &new).await);
        let one = &bed.store;
        assert!(!make(one, &bed, new.id, &step(Pending, Consumed, 20)).await, "never without a yes");
        assert!(!make(one, &bed, new.id, &step(Approved, Consumed, 20)).await);
        assert!(!make(one, &bed, new.id, &step(Pending, Approved, 110)).await, "too late");
        assert!(!make(one, &bed, new.id, &step(Pending, Expired, 109)).await, "too early");
        let decision = ApprovalDecision { at: at(20), by: ada.id, label: "ada".to_owned(), reason: "fine".to_owned() };
        let yes = ApprovalStep { decision: Some(decision.clone()), ..step(Pending, Approved, 20) };
        assert!(make(one, &bed, new.id, &yes).await);
        assert!(!make(one, &bed, new.id, &yes).await);
        let same = bed.store.hold_approval(bed.org, &call(&ada, 4411, 21)).await.unwrap();
        assert!(matches!(same, AskingApproval::Stands(_)), "an approved one is live");
        assert!(make(one, &bed, new.id, &step(Approved, Consumed, 119)).await);
        let kept = bed.store.approval(bed.org, new.id).await.unwrap().unwrap();
        assert_eq!((kept.state, kept.decision, kept.ended), (Consumed, Some(decision), Some(at(119))));
        for to in [Approved, Denied, Expired, Consumed] {
            assert!(!make(one, &bed, new.id, &step(Consumed, to, 300)).await, "{to}");
        }
        assert!(ask(&bed, &call(&ada, 4411, 120)).await, "the next call asks anew");
    }

    async fn of_many_replicas_that_use_or_decide_at_once_one_does(bed) {
        let ada = bed.person("ada").await;
        let other = bed.replica().await;
        for round in 0..6u64 {
            let new = call(&ada, round, 10);
            assert!(ask(&bed, &new).await);
            let (yes, no) = (step(Pending, Approved, 20), step(Pending, Denied, 20));
            let both = tokio::join!(make(&bed.store, &bed, new.id, &yes), make(&other, &bed, new.id, &no));
            assert!(both.0 != both.1, "{both:?}");
            if !both.0 {
                continue;
            }
            let (used, over) = (step(Approved, Consumed, 30), step(Approved, Denied, 30));
            let late = step(Approved, Expired, 30);
            let all = tokio::join!(
                make(&bed.store, &bed, new.id, &used),
                make(&other, &bed, new.id, &used),
                make(&other, &bed, new.id, &over),
                make(&bed.store, &bed, new.id, &late),
            );
            let made = [all.0, all.1, all.2, all.3].into_iter().filter(|made| *made).count();
            assert_eq!(made, 1, "{all:?}");
        }
        other.close().await;
    }

    async fn what_is_over_is_noted_and_its_arguments_are_taken_away(bed) {
        let ada = bed.person("ada").await;
        let new = call(&ada, 4411, 10);
        assert!(ask(&bed, &new).await);
        assert_eq!(bed.store.approvals_due(bed.org, at(109), 9).await.unwrap(), []);
        let due = bed.store.approvals_due(bed.org, at(110), 9).await.unwrap();
        assert_eq!(due, vec![new.clone()]);
        assert!(make(&bed.store, &bed, new.id, &step(Pending, Expired, 111)).await);
        assert_eq!(bed.store.approvals_due(bed.org, at(112), 9).await.unwrap(), []);
        assert_eq!(bed.store.forget_approval_arguments(bed.org, at(110)).await.unwrap(), 0);
        assert_eq!(bed.store.forget_approval_arguments(bed.org, at(111)).await.unwrap(), 1);
        let kept = bed.store.approval(bed.org, new.id).await.unwrap().unwrap();
        assert_eq!((kept.state, kept.arguments), (Expired, None));
        let live = call(&ada, 4412, 10);
        assert!(ask(&bed, &live).await);
        assert_eq!(bed.store.purge_approvals(bed.org, at(999)).await.unwrap(), 1, "what waits stays");
    }

    async fn those_who_decide_are_told_once_and_again_only_where_that_failed(bed) {
        let ada = bed.person("ada").await;
        let new = call(&ada, 4411, 10);
        assert!(ask(&bed, &new).await);
        let mut own = call(&ada, 4412, 10);
        own.binding.approver = Approver::Oneself;
        assert!(ask(&bed, &own).await);
        let to_tell = async |ms| bed.store.approvals_to_tell(bed.org, at(ms), 9).await.unwrap();
        assert_eq!(to_tell(20).await, [(new.clone(), 0)], "nobody is told of what is one's own");
        let other = bed.replica().await;
        let take = async |store: &Store, tries| store.take_approval_notice(bed.org, new.id, tries, Some(at(50))).await.unwrap();
        let both = tokio::join!(take(&bed.store, 0), take(&other, 0));
        assert!(both.0 != both.1, "{both:?}");
        assert_eq!(to_tell(49).await, []);
        assert_eq!(to_tell(50).await, [(new.clone(), 1)], "what failed is tried again");
        assert!(take(&other, 1).await);
        other.approval_was_told(bed.org, new.id).await.unwrap();
        assert_eq!(to_tell(99).await, []);
        other.close().await;
    }

    async fn a_person_has_so_many_that_wait_and_no_more(bed) {
        let ada = bed.person("ada").await;
        for place in 0..limits::APPROVALS_OPEN_MAX.unsigned_abs() {
            assert!(ask(&bed, &call(&ada, place, 10)).await);
        }
        let over = bed.store.hold_approval(bed.org, &call(&ada, 999, 11)).await;
        assert!(matches!(over, Err(StoreError::Full(_))));
        assert!(ask(&bed, &call(&ada, 999, 110)).await, "what nobody decided in time makes room");
    }
}
