//! Tasks: one set for an occasion however often it is told of, over when it is, and found from what people's access says.

use domain::task::{Occasion, TaskKind};
use domain::{TaskId, Timestamp};
use store::{Cause, Closed, Closing, Task};

use crate::bed::{Bed, at, number, on_both_engines};

fn tasks(about: &str, cause: Cause, occasion: Occasion) -> Vec<Task> {
    let task = |kind: TaskKind| Task {
        id: TaskId::from_parts(7, number().into()),
        about: about.to_owned(),
        label: "Ada".to_owned(),
        kind,
        cause,
        since: at(0),
        due: kind.due(at(0)),
        opened: at(1),
        opened_by: "doorward".to_owned(),
        escalated_at: None,
        closing: None,
        over_at: None,
    };
    occasion.kinds().map(task).collect()
}

fn done(ms: i64) -> Closing {
    Closing {
        at: at(ms),
        by: "grace".to_owned(),
        how: Closed::Done,
        evidence: Some("{}".to_owned()),
    }
}

async fn open(bed: &Bed, about: &str) -> u64 {
    let tasks = tasks(about, Cause::Access, Occasion::Leaving);
    bed.store.open_tasks(bed.org, &tasks).await.unwrap()
}

on_both_engines! {
    async fn the_same_departure_twice_opens_one_set_and_a_return_ends_it(bed) {
        let (store, org) = (&bed.store, bed.org);
        assert_eq!(open(&bed, "per_x").await, 6);
        let mut again = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let bed = bed.clone();
            again.spawn(async move { open(&bed, "per_x").await });
        }
        assert_eq!(again.join_all().await, [0, 0, 0, 0]);
        let first = store.current_tasks(org, "per_x").await.unwrap();
        assert!(store.close_task(org, first[1].id, &done(5)).await.unwrap());
        assert!(!store.close_task(org, first[1].id, &done(6)).await.unwrap(), "once");
        let over = store.end_occasion(org, ("per_x", Occasion::Leaving), at(9), "doorward").await.unwrap();
        assert_eq!(over, 6);
        assert_eq!(store.current_tasks(org, "per_x").await.unwrap(), []);
        let kept = store.task(org, first[1].id).await.unwrap().unwrap();
        assert_eq!(kept.closing, Some(done(5)), "what was done stays done");
        let not_done = store.task(org, first[2].id).await.unwrap().unwrap();
        assert_eq!(not_done.closing.map(|closing| closing.how), Some(Closed::NotNeeded));
        assert_eq!(open(&bed, "per_x").await, 6, "the next departure has its own");
        assert_eq!(store.tasks_page(org, true, None, 100).await.unwrap().len(), 6);
        assert_eq!(store.tasks_page(org, false, None, 100).await.unwrap().len(), 12);
    }

    async fn a_task_said_to_be_done_that_was_not_is_open_again(bed) {
        let (store, org) = (&bed.store, bed.org);
        open(&bed, "per_x").await;
        let task = store.current_tasks(org, "per_x").await.unwrap().remove(3);
        assert!(store.close_task(org, task.id, &done(5)).await.unwrap());
        assert!(store.escalate_task(org, task.id, at(7)).await.unwrap());
        let open = store.task(org, task.id).await.unwrap().unwrap();
        assert_eq!((open.closing, open.escalated_at), (None, Some(at(7))));
        assert!(!store.escalate_task(org, task.id, at(8)).await.unwrap(), "known");
        let theirs = bed.other_org().await;
        assert!(!store.close_task(theirs, task.id, &done(9)).await.unwrap());
        assert_eq!(store.task(theirs, task.id).await.unwrap(), None);
        assert_eq!(store.tasks_page(theirs, false, None, 9).await.unwrap(), []);
    }

    async fn people_whose_access_and_tasks_differ_are_found_and_no_others(bed) {
        let (store, org) = (&bed.store, bed.org);
        let (ada, grace) = (bed.person("ada").await, bed.person("grace").await);
        bed.session(&ada, "t1").await;
        let long_ago = Timestamp::default();
        let found = async |sql: &str| {
            let movers = match sql {
                "left" => store.leavers_without_tasks(org, long_ago, 9).await,
                "returned" => store.returned_with_tasks(org, at(99), 9).await,
                _ => store.joiners_without_tasks(org, long_ago, 9).await,
            };
            movers.unwrap().into_iter().map(|mover| (mover.person, mover.at)).collect::<Vec<_>>()
        };
        assert_eq!(found("left").await, []);
        assert_eq!(found("joined").await, [(ada.id, at(0)), (grace.id, at(0))]);
        assert!(store.shut_out(org, ada.id, at(5), "left").await.unwrap());
        assert_eq!(found("left").await, [(ada.id, at(5))]);
        assert_eq!(store.sessions_ended_at(org, ada.id, at(5)).await.unwrap(), 1);
        assert_eq!(found("joined").await, [(grace.id, at(0))]);
        // Told of by a list first, they still count as found until the access itself says so.
        let about = ada.id.to_string();
        let told = tasks(&about, Cause::Told, Occasion::Leaving);
        store.open_tasks(org, &told).await.unwrap();
        assert_eq!(found("left").await, [(ada.id, at(5))]);
        assert_eq!(store.confirm_occasion(org, &about, Occasion::Leaving).await.unwrap(), 6);
        assert_eq!((found("left").await, found("returned").await), (vec![], vec![]));
        assert!(store.let_in(org, ada.id, None).await.unwrap());
        assert_eq!(found("returned").await, [(ada.id, at(99))]);
        let since = at(6);
        assert_eq!(store.leavers_without_tasks(org, since, 9).await.unwrap(), []);
    }
}
