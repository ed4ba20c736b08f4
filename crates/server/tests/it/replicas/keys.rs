//! Keys that are changed for both replicas at once, from the machine of one of them.

use testkit::device_sign_in;

use super::world::{Pair, Replica};
use super::{HAIKU, status};
use crate::watch::until;

fn keys(replica: &Replica) -> usize {
    let text = std::fs::read_to_string(replica.ledger_dir.join("ledger.pub")).unwrap();
    text.lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_changed_on_one_are_followed_by_the_other_without_a_restart() {
    let mut pair = Pair::start().await;
    let mut ada = device_sign_in(&pair.stage.base, "ada").await.unwrap();
    let [here, there] = pair.both().map(|it| it.actor(&ada));
    pair.a.command(&["keys", "rotate", "ledger"]).await;
    for replica in pair.both() {
        until(async || keys(replica) == 2).await;
    }
    assert_eq!(
        (status(&here, HAIKU).await, status(&there, HAIKU).await),
        (200, 200)
    );

    pair.a.command(&["keys", "rotate", "session"]).await;
    assert_eq!(
        (status(&here, HAIKU).await, status(&there, HAIKU).await),
        (200, 200),
        "the old one verifies"
    );
    pair.b
        .command(&["keys", "rotate", "session", "--compromised"])
        .await;
    for actor in [&here, &there] {
        until(async || status(actor, HAIKU).await == 401).await;
    }
    ada.refresh().await.unwrap();
    for replica in pair.both() {
        assert_eq!(status(&replica.actor(&ada), HAIKU).await, 200);
    }

    // a rolling restart finds everything as it is
    for turn in [0, 1] {
        let replica = if turn == 0 { &mut pair.a } else { &mut pair.b };
        replica.terminate().await;
        replica.spawn();
        replica.is_ready().await;
    }
    for replica in pair.both() {
        assert_eq!(status(&replica.actor(&ada), HAIKU).await, 200);
    }
    pair.stop().await;
}
