//! Tasks: one set for an occasion however often it is told of, over when it is, and found from what people's access says.

use domain::acceptable_use::Way;
use domain::task::{Evidence, EvidenceKind, Occasion, TaskKind};
use domain::{DirectoryUserId, PersonId, TaskId, Timestamp, limits};
use store::directory::users::{NewUser, UserState, UserWrite};
use store::{Acceptance, Cause, Closed, Closing, Held, Result, Source, Task, UseVersion, Wanted};

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
        evidence: Some(Evidence {
            kind: EvidenceKind::Statement,
            source: "ticket 4711".to_owned(),
            hash: None,
            at: at(ms),
        }),
    }
}

async fn open(bed: &Bed, about: &str) -> u64 {
    let tasks = tasks(about, Cause::Access, Occasion::Leaving);
    match bed.store.hold_tasks(bed.org, &tasks).await.unwrap() {
        None => 0,
        Some(held) => {
            let new = held.rows();
            held.keep().await.unwrap();
            new
        }
    }
}

/// Keeps what is held, and says whether anything was.
async fn kept(held: Result<Option<Held>>) -> bool {
    match held.unwrap() {
        None => false,
        Some(held) => held.keep().await.is_ok(),
    }
}

async fn page(bed: &Bed, wanted: Wanted) -> Vec<Task> {
    bed.store
        .tasks_page(bed.org, &wanted, None, 100)
        .await
        .unwrap()
}

fn open_ones() -> Wanted {
    Wanted {
        open: true,
        ..Wanted::default()
    }
}

/// A user whom a directory makes at this moment; their person.
async fn provisioned(bed: &Bed, tenant: &str, id: &str, active: bool, made: Timestamp) -> PersonId {
    let source = Source {
        issuer: "entra".to_owned(),
        tenant: Some(tenant.to_owned()),
    };
    let new = NewUser {
        user: DirectoryUserId::from_parts(6, number().into()),
        person: PersonId::from_parts(7, number().into()),
    };
    let state = UserState {
        user_name: id,
        external_id: Some(id),
        active,
        body: "{}",
        email: None,
        name: None,
    };
    let written = bed
        .store
        .add_directory_user(bed.org, &source, new, state, made);
    match written.await.unwrap() {
        UserWrite::Done(user) => user.person,
        other => panic!("{other:?}"),
    }
}

async fn joiners(bed: &Bed) -> Vec<PersonId> {
    let found = bed
        .store
        .joiners_without_tasks(bed.org, Timestamp::default(), 99);
    let found = found.await.unwrap().into_iter();
    found.map(|mover| mover.person).collect()
}

fn version(number: u64, accept_from: u64) -> UseVersion {
    UseVersion {
        version: number,
        language: "en".to_owned(),
        text: "text".to_owned(),
        fingerprint: "print".to_owned(),
        settings: "{}".to_owned(),
        accept_from,
        author: "ada".to_owned(),
        reason: "first".to_owned(),
        created: at(0),
    }
}

on_both_engines! {
    async fn what_is_due_first_comes_first_and_all_that_is_open_is_counted(bed) {
        let kinds = open(&bed, "per_a").await;
        open(&bed, "per_b").await;
        let (first, open) = bed.store.tasks_due(bed.org, 3).await.unwrap();
        assert_eq!((first.len(), open), (3, 2 * kinds));
        assert!(first.is_sorted_by_key(|task| task.due));
        let all = page(&bed, open_ones()).await;
        assert_eq!(all.iter().map(|task| task.due).min(), Some(first[0].due));
        assert!(kept(bed.store.hold_closing(bed.org, first[0].id, &done(5)).await).await);
        let (after, open) = bed.store.tasks_due(bed.org, 1).await.unwrap();
        assert_eq!(open, 2 * kinds - 1);
        assert_ne!(after[0].id, first[0].id);
        assert_eq!(bed.store.tasks_due(bed.other_org().await, 9).await.unwrap(), (vec![], 0));
    }

    async fn pages_by_deadline_repeat_and_leave_out_nothing(bed) {
        open(&bed, "per_1").await;
        open(&bed, "per_2").await;
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let wanted = Wanted { open: true, ..Wanted::default() };
            let page = bed.store.tasks_by_deadline(bed.org, &wanted, after, 5).await;
            let (found, more) = page.unwrap();
            after = found.last().map(|last| (last.due, last.id));
            seen.extend(found);
            if !more {
                break;
            }
        }
        assert_eq!(seen.len(), 12);
        let order: Vec<_> = seen.iter().map(|task| (task.due, task.id)).collect();
        assert!(order.is_sorted() && order.windows(2).all(|two| two[0] != two[1]));
        let late = Wanted { open: true, due_before: Some(at(86_400_000)), ..Wanted::default() };
        let (late, more) = bed.store.tasks_by_deadline(bed.org, &late, None, 50).await.unwrap();
        assert!(!more && late.iter().all(|task| task.due < at(86_400_000)) && late.len() == 8);
        let there = bed.other_org().await;
        let none = bed.store.tasks_by_deadline(there, &Wanted::default(), None, 9).await;
        assert_eq!(none.unwrap(), (vec![], false));
    }

    async fn whom_a_directory_brings_at_its_first_synchronisation_is_not_new_but_leaves_like_anybody(bed) {
        let week = limits::DIRECTORY_FIRST_SYNC_MS;
        let (first, inactive) = (
            provisioned(&bed, "a", "1", true, at(0)).await,
            provisioned(&bed, "a", "2", false, at(1)).await,
        );
        provisioned(&bed, "a", "3", true, at(week - 1)).await;
        assert_eq!(joiners(&bed).await, []);
        let hired = provisioned(&bed, "a", "4", true, at(week)).await;
        let signed_in = bed.person("somebody").await.id;
        // Another tenant is another directory, with a first synchronisation of its own.
        provisioned(&bed, "b", "5", true, at(week)).await;
        assert_eq!(joiners(&bed).await, [signed_in, hired]);
        let left = bed.store.leavers_without_tasks(bed.org, at(0), 9).await.unwrap();
        assert_eq!(left.iter().map(|mover| mover.person).collect::<Vec<_>>(), [inactive]);
        assert!(bed.store.shut_out(bed.org, first, at(week), "left").await.unwrap());
        let left = bed.store.leavers_without_tasks(bed.org, at(0), 9).await.unwrap();
        assert_eq!(left.iter().map(|mover| mover.person).collect::<Vec<_>>(), [inactive, first]);
        assert!(bed.store.let_in(bed.org, first, None).await.unwrap());
        assert_eq!(joiners(&bed).await, [signed_in, hired], "who comes back is not new either");
    }

    async fn tasks_to_accept_are_found_with_the_latest_acceptance_that_counts_and_no_others(bed) {
        let (store, org) = (&bed.store, bed.org);
        for number in 1..=3 {
            store.put_use_version(org, number - 1, &version(number, 2)).await.unwrap();
        }
        let mut people = Vec::new();
        for stable_id in ["1", "2", "3", "4", "5"] {
            people.push(bed.person(stable_id).await.id);
        }
        let accept = async |person: PersonId, version: u64| {
            let (at, way) = (at(version.cast_signed()), Way::Device);
            let acceptance = Acceptance { person, version, at, way, address: None };
            assert!(store.accept_use(org, &acceptance).await.unwrap());
        };
        for person in &people[..4] {
            let theirs = tasks(&person.to_string(), Cause::Access, Occasion::Joining);
            assert!(kept(store.hold_tasks(org, &theirs).await).await);
        }
        // An old version alone; two that count; one, by somebody who left; nothing; and one without tasks.
        accept(people[0], 1).await;
        accept(people[1], 2).await;
        accept(people[1], 3).await;
        accept(people[2], 2).await;
        accept(people[4], 3).await;
        let about = people[2].to_string();
        assert!(kept(store.hold_end(org, (&about, Occasion::Joining), at(5), "doorward").await).await);
        let found = store.accepted_with_tasks(org, 2, 9).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        let (task, label, acceptance) = &found[0];
        assert_eq!((&**label, acceptance.person, acceptance.version), ("Ada", people[1], 3));
        let known = store.task(org, *task).await.unwrap().unwrap();
        assert_eq!((known.kind, known.about), (TaskKind::AcceptPolicy, people[1].to_string()));
        assert!(kept(store.hold_closing(org, *task, &done(6)).await).await);
        assert_eq!(store.accepted_with_tasks(org, 2, 9).await.unwrap(), []);
        assert_eq!(store.accepted_with_tasks(org, 1, 9).await.unwrap().len(), 1);
        assert_eq!(store.accepted_with_tasks(bed.other_org().await, 1, 9).await.unwrap(), []);
    }

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
        assert!(kept(store.hold_closing(org, first[1].id, &done(5)).await).await);
        assert!(!kept(store.hold_closing(org, first[1].id, &done(6)).await).await, "once");
        let over = store.hold_end(org, ("per_x", Occasion::Leaving), at(9), "doorward").await.unwrap().unwrap();
        assert_eq!(over.rows(), 6);
        over.keep().await.unwrap();
        assert!(store.hold_end(org, ("per_x", Occasion::Leaving), at(9), "doorward").await.unwrap().is_none());
        assert_eq!(store.current_tasks(org, "per_x").await.unwrap(), []);
        let kept = store.task(org, first[1].id).await.unwrap().unwrap();
        assert_eq!(kept.closing, Some(done(5)), "what was done stays done");
        let not_done = store.task(org, first[2].id).await.unwrap().unwrap();
        assert_eq!(not_done.closing.map(|closing| closing.how), Some(Closed::NotNeeded));
        assert_eq!(open(&bed, "per_x").await, 6, "the next departure has its own");
        assert_eq!(page(&bed, open_ones()).await.len(), 6);
        assert_eq!(page(&bed, Wanted::default()).await.len(), 12);
    }

    async fn what_is_held_and_not_kept_was_never_there_and_whoever_waits_is_next(bed) {
        let tasks = tasks("per_x", Cause::Access, Occasion::Leaving);
        let held = bed.store.hold_departure(bed.org, "per_x", &tasks, (at(5), "doorward")).await.unwrap();
        let waiting = {
            let (bed, tasks) = (bed.clone(), tasks.clone());
            tokio::spawn(async move {
                let held = bed.store.hold_departure(bed.org, "per_x", &tasks, (at(6), "doorward")).await;
                held.unwrap().map(|held| held.rows())
            })
        };
        assert_eq!(held.map(|held| held.rows()), Some(6), "and let go unkept");
        assert_eq!(waiting.await.unwrap(), Some(6), "nothing was there for who came second");
        assert_eq!(bed.store.current_tasks(bed.org, "per_x").await.unwrap(), []);
        assert_eq!(open(&bed, "per_x").await, 6);
        let known = bed.store.hold_departure(bed.org, "per_x", &tasks, (at(7), "doorward")).await.unwrap();
        assert!(known.is_none(), "the same departure is told once");
    }

    async fn tasks_are_found_by_person_kind_and_deadline_and_none_of_another_organisation(bed) {
        open(&bed, "per_x").await;
        open(&bed, "per_y").await;
        let theirs = Wanted { about: Some("per_y".to_owned()), ..Wanted::default() };
        let found = page(&bed, theirs.clone()).await;
        assert!(found.len() == 6 && found.iter().all(|task| task.about == "per_y"));
        let of_kind = Wanted { kind: Some(TaskKind::RevokeConnectors), ..theirs.clone() };
        assert_eq!(page(&bed, of_kind).await.len(), 1);
        let due = |ms: i64| Wanted { due_before: Some(at(ms)), ..theirs.clone() };
        assert_eq!(page(&bed, due(0)).await, []);
        assert_eq!(page(&bed, due(24 * 3_600_000)).await.len(), 4, "those of the same day");
        assert!(kept(bed.store.hold_closing(bed.org, found[0].id, &done(5)).await).await);
        assert_eq!(page(&bed, due(24 * 3_600_000)).await.len(), 3);
        let elsewhere = bed.other_org().await;
        assert_eq!(bed.store.tasks_page(elsewhere, &theirs, None, 9).await.unwrap(), []);
        for hostile in ["' OR 1=1 --", "%", "per_"] {
            let wanted = Wanted { about: Some(hostile.to_owned()), ..Wanted::default() };
            assert_eq!(page(&bed, wanted).await, []);
        }
    }

    async fn a_task_said_to_be_done_that_was_not_is_open_again(bed) {
        let (store, org) = (&bed.store, bed.org);
        open(&bed, "per_x").await;
        let task = store.current_tasks(org, "per_x").await.unwrap().remove(3);
        assert!(kept(store.hold_closing(org, task.id, &done(5)).await).await);
        assert!(kept(store.hold_escalation(org, task.id, at(7)).await).await);
        let open = store.task(org, task.id).await.unwrap().unwrap();
        assert_eq!((open.closing, open.escalated_at), (None, Some(at(7))));
        assert!(!kept(store.hold_escalation(org, task.id, at(8)).await).await, "known");
        let theirs = bed.other_org().await;
        assert!(!kept(store.hold_closing(theirs, task.id, &done(9)).await).await);
        assert_eq!(store.task(theirs, task.id).await.unwrap(), None);
        assert_eq!(store.tasks_page(theirs, &Wanted::default(), None, 9).await.unwrap(), []);
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
        assert!(kept(store.hold_tasks(org, &told).await).await);
        assert_eq!(found("left").await, [(ada.id, at(5))]);
        let found_now = tasks(&about, Cause::Access, Occasion::Leaving);
        let departure = store.hold_departure(org, &about, &found_now, (at(8), "doorward")).await.unwrap().unwrap();
        assert_eq!(departure.rows(), 6, "those that were told of, confirmed");
        departure.keep().await.unwrap();
        assert_eq!((found("left").await, found("returned").await), (vec![], vec![]));
        assert!(store.let_in(org, ada.id, None).await.unwrap());
        assert_eq!(found("returned").await, [(ada.id, at(99))]);
        let since = at(6);
        assert_eq!(store.leavers_without_tasks(org, since, 9).await.unwrap(), []);
    }
}
