//! The last good policy through the whole program: a start that finds a version it cannot read goes on with the one on its disk.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use domain::Timestamp;
use server::demo::world::{DESKTOP_CLIENT, World};
use store::{PolicyVersion, PutPolicy};
use testkit::{Actor, Http};

async fn metric(world: &World, line: &str) -> bool {
    let metrics = Http::new().get(&format!("{}/metrics", world.ops));
    let answer = metrics.send().await.unwrap();
    answer.text().lines().any(|known| known == line)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_an_unreadable_policy_serves_by_the_last_good_one_and_says_so() {
    let World { stage, running } = World::start(0).await.unwrap();
    let file = stage.config.ledger.dir.join("policy.last");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let unreadable = PolicyVersion {
        version: 0,
        text: "[[of_a_later_program]]\n".to_owned(),
        author: "ada".to_owned(),
        reason: String::new(),
        created: Timestamp::from_unix_s(1),
    };
    let (store, org) = (&running.wired.store, running.wired.org);
    let put = store.put_policy(org, 1, &unreadable).await.unwrap();
    assert_eq!(put, PutPolicy::Added(2));
    running.stop(Duration::from_secs(2)).await.unwrap();

    let running = server::commands::start(&stage.config).await.unwrap();
    let world = World { stage, running };
    assert!(metric(&world, "doorward_policy_from_disk 1").await);
    let ada = world.idp.id_token("ada", DESKTOP_CLIENT);
    let ada = Actor::with_bearer(&world.base, &ada);
    for (model, status) in [("claude-haiku-5-5", 200), ("claude-fable-5-2", 400)] {
        let answer = ada.messages(model, "hello").await.unwrap();
        assert_eq!(answer.status, status, "{model}: {}", answer.text());
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}
