//! People who come and go, as an administrator follows them: tasks with their deadlines, a member list that proves or contradicts
//! them, and a drill.

use std::time::Duration;

use control::Actor;
use serde_json::Value;
use server::demo::world::World;
use testkit::device_sign_in;

use crate::run;

async fn said(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    run::said(&world.config_file(), arguments).await
}

async fn done(world: &World, arguments: &[&str]) -> String {
    run::done(&world.config_file(), arguments).await
}

/// What the server does every 15 seconds, now.
async fn follow(world: &World) {
    let (control, doorward) = (world.running.wired.control(), Actor::doorward());
    let followed = control::tasks::follow(&control.operation(&doorward)).await;
    followed.unwrap();
}

async fn tasks(world: &World, occasion: &str) -> Vec<Value> {
    follow(world).await;
    let text = done(world, &["tasks", "list", "--all", "--json"]).await;
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    all.into_iter()
        .filter(|task| task["occasion"] == occasion)
        .collect()
}

fn standings(tasks: &[Value]) -> String {
    let one = |task: &Value| {
        format!(
            "{}={}",
            task["kind"].as_str().unwrap(),
            task["standing"].as_str().unwrap()
        )
    };
    tasks.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_opens_one_set_of_tasks_and_what_was_done_at_once_is_done_with_evidence() {
    let world = World::start(0).await.unwrap();
    device_sign_in(&world.base, "ada").await.unwrap();
    assert_eq!(tasks(&world, "leaving").await.len(), 0);
    let joining = tasks(&world, "joining").await;
    assert_eq!(
        standings(&joining),
        "add_to_workspace=open ask_personal_account=open train_awareness=open",
        "nothing is published to be accepted, and there is no connector to be told of"
    );
    let email = joining[0]["label"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        done(&world, &["people", "revoke", &email, "--reason", "left"]).await;
    }
    let leaving = tasks(&world, "leaving").await;
    assert_eq!(
        standings(&leaving),
        "end_access=done disable_account=open remove_second_factors=open remove_from_workspace=open revoke_connectors=open hand_over_projects=open"
    );
    let evidence = &leaving[0]["evidence"];
    assert_eq!(evidence["kind"], "record");
    let record = evidence["source"].as_str().unwrap();
    assert!(
        record.contains('/') && record.rsplit('/').next().unwrap().parse::<u64>().is_ok(),
        "{record}"
    );
    let now_needless = tasks(&world, "joining").await;
    assert!(
        now_needless
            .iter()
            .all(|task| task["standing"] == "not_needed"),
        "{now_needless:?}"
    );

    let id = leaving[1]["id"].as_str().unwrap();
    let text = done(&world, &["tasks", "done", id, "--evidence", "ticket 4711"]).await;
    assert!(
        text.contains("done") && text.contains("ticket 4711"),
        "{text}"
    );
    let text = done(&world, &["tasks", "done", id, "--evidence", "ticket 4711"]).await;
    assert!(text.contains("ticket 4711"), "the same again: {text}");
    let (code, text) = said(&world, &["tasks", "done", id, "--evidence", "ticket 4712"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("this task was closed 20") && text.contains("by command line; it stays"),
        "{text}"
    );
    done(&world, &["people", "restore", &email, "--reason", "back"]).await;
    follow(&world).await;
    let text = done(&world, &["tasks", "list"]).await;
    assert!(
        text.contains("nothing to do"),
        "a return needs none of it: {text}"
    );
    done(
        &world,
        &["people", "revoke", &email, "--reason", "left again"],
    )
    .await;
    let again = tasks(&world, "leaving").await;
    assert_eq!(
        again
            .iter()
            .filter(|task| task["standing"] == "open")
            .count(),
        5,
        "{}",
        standings(&again)
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_told_of_before_they_leave_is_due_by_that_day_and_escalated_while_still_listed() {
    let world = World::start(0).await.unwrap();
    let tell = |at: &'static str| {
        [
            "tasks",
            "leaver",
            "kim@northwind.example",
            "--at",
            at,
            "--source",
            "HR",
        ]
    };
    let text = done(&world, &tell("2026-01-09T17:00:00Z")).await;
    assert!(text.contains("6 tasks"), "{text}");
    assert!(
        done(&world, &tell("2026-01-09T17:00:00Z"))
            .await
            .contains("open already")
    );
    let leaving = tasks(&world, "leaving").await;
    assert_eq!(leaving[3]["due"], "2026-01-09T23:59:59.999Z");
    assert_eq!(
        (&leaving[3]["standing"], &leaving[4]["due"]),
        (&"overdue".into(), &"2026-01-16T23:59:59.999Z".into())
    );

    let file = world.dir.path().join("members.csv");
    let check = |text: &'static str| {
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let still = check("E-mail;Role\nKim@northwind.example;Owner\n");
    let arguments = [
        "members",
        "check",
        &still,
        "--map",
        "email=E-mail",
        "--map",
        "role=role",
    ];
    let (code, text) = said(&world, &arguments).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("ESCALATED, still in the list: kim@northwind.example")
            && text.contains("unknown,2,"),
        "{text}"
    );
    let (_, text) = said(&world, &arguments).await;
    assert!(!text.contains("ESCALATED"), "once: {text}");
    let gone = check("E-mail;Role\ngrace@northwind.example;Owner\n");
    let arguments = ["members", "check", &gone, "--map", "email=E-mail"];
    let (_, text) = said(&world, &arguments).await;
    assert!(text.contains("so noted: kim@northwind.example"), "{text}");
    let leaving = tasks(&world, "leaving").await;
    assert_eq!(leaving[3]["standing"], "done_late");
    assert_eq!(
        (
            &leaving[3]["evidence"]["kind"],
            &leaving[3]["evidence"]["source"]
        ),
        (&"member_list".into(), &"members.csv".into())
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drill_of_a_leaver_measures_every_step_and_leaves_nobody_behind() {
    let world = World::start(0).await.unwrap();
    let (text, rules) = (
        world.dir.path().join("use.md"),
        world.dir.path().join("p.toml"),
    );
    std::fs::write(&text, "# Use\n{{monitoring}}\n").unwrap();
    let demand = "[acceptable_use]\nrequired = true\n";
    std::fs::write(
        &rules,
        format!("{}\n{demand}", include_str!("../../src/demo/policy.toml")),
    )
    .unwrap();
    for (what, file) in [
        (["acceptable-use", "publish"], text),
        (["policy", "apply"], rules),
    ] {
        let file = file.display().to_string();
        done(&world, &[what[0], what[1], &file, "--reason", "a test"]).await;
    }
    let model = ["--model", "claude-haiku-5-5", "--group", "engineering"];
    let prompt = ["--prompt", "A long story. [testkit events=2000 pace-ms=5]"];
    let text = done(
        &world,
        &[&["drill", "leaver"][..], &model, &prompt].concat(),
    )
    .await;
    for step in [
        "let in by 1 replica",
        "shut out in the store after",
        "refused by http://127.0.0.1",
        "the open stream was cut after",
    ] {
        assert!(text.contains(step), "{step} is missing in\n{text}");
    }
    assert!(!text.contains("eyJ"), "no token is printed");
    let folder = std::fs::read_dir(world.config.ledger.dir.join("cli")).unwrap();
    let files = folder.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    assert_eq!(
        files
            .map(|file| file.matches(r#""noun":"drill""#).count())
            .sum::<usize>(),
        1
    );
    assert_eq!(
        tasks(&world, "leaving").await.len() + tasks(&world, "joining").await.len(),
        0
    );
    // A place where nobody answers is no success.
    let (code, _) = said(&world, &["drill", "leaver", "--at", "http://127.0.0.1:9"]).await;
    assert_eq!(code, Some(1));
    let wired = &world.running.wired;
    let (people, _) = wired
        .store
        .people_page(wired.org, "Leaver drill", None, 9)
        .await
        .unwrap();
    assert_eq!(people.len(), 2);
    assert!(
        people.iter().all(|person| person.out_since().is_some()),
        "{people:?}"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_list_with_bad_rows_changes_nothing_and_names_each_of_them() {
    let world = World::start(0).await.unwrap();
    let file = world.dir.path().join("members.csv");
    std::fs::write(
        &file,
        "Email,Name\nada@northwind.example,Ada\nnobody,X\n=cmd(),Y\n",
    )
    .unwrap();
    let path = file.display().to_string();
    let (code, text) = said(&world, &["members", "check", &path, "--map", "email=Email"]).await;
    assert_eq!(code, Some(1));
    assert!(
        text.contains("2 rows cannot be taken, and so nothing was")
            && text.contains("line 3:")
            && text.contains("line 4:"),
        "{text}"
    );
    assert!(!text.contains("=cmd"), "{text}");
    let (code, text) = said(&world, &["members", "check", &path, "--map", "email=Mail"]).await;
    assert!(
        code == Some(1) && text.contains("it has: Email, Name"),
        "{text}"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}
