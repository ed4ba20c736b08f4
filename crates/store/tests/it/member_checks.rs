//! The last check of a member list, which replaces the one before with all its findings, and drills, newest first.

use domain::DrillId;
use store::{Drill, MemberCheck};

use crate::bed::{at, number, on_both_engines};

fn check(record: &str, findings: u64) -> MemberCheck {
    MemberCheck {
        record: record.to_owned(),
        at: at(0),
        by: "grace".to_owned(),
        source: "members.csv".to_owned(),
        hash: "00".to_owned(),
        result: "{}".to_owned(),
        findings,
    }
}

fn drill(passed: bool) -> Drill {
    Drill {
        id: DrillId::from_parts(number(), 0),
        drill: "leaver".to_owned(),
        at: at(0),
        by: "grace".to_owned(),
        passed,
        steps: "[]".to_owned(),
    }
}

on_both_engines! {
    async fn a_check_replaces_the_one_before_with_all_its_findings(bed) {
        let (store, org, other) = (&bed.store, bed.org, bed.other_org().await);
        assert_eq!(store.member_check(org).await.unwrap(), None);
        let pieces = ["[1]".to_owned(), "[2]".to_owned()];
        store.put_member_check(org, &check("a/1", 2), &pieces).await.unwrap();
        let read = async |record: &str, piece| store.member_findings(org, record, piece).await.unwrap();
        assert_eq!(read("a/1", 1).await.as_deref(), Some("[2]"));
        assert_eq!(read("a/1", 2).await, None);
        store.put_member_check(org, &check("a/2", 1), &pieces[..1]).await.unwrap();
        assert_eq!(store.member_check(org).await.unwrap(), Some(check("a/2", 1)));
        assert_eq!((read("a/1", 0).await, read("a/2", 1).await), (None, None), "nothing of it is left");
        assert_eq!(store.member_check(other).await.unwrap(), None);
        assert_eq!(store.member_findings(other, "a/2", 0).await.unwrap(), None);
    }

    async fn drills_are_read_newest_first_page_by_page(bed) {
        let (store, org, other) = (&bed.store, bed.org, bed.other_org().await);
        let drills = [drill(true), drill(false), drill(true)];
        for drill in &drills {
            store.add_drill(org, drill).await.unwrap();
        }
        let page = store.drills_page(org, None, 2).await.unwrap();
        assert_eq!(page, [drills[2].clone(), drills[1].clone()]);
        let page = store.drills_page(org, Some(drills[1].id), 2).await.unwrap();
        assert_eq!(page, [drills[0].clone()]);
        assert_eq!(store.drills_page(other, None, 2).await.unwrap(), []);
    }
}
