//! Junk from callers whom no credential lets in: the ledger says how much there was and grows by little, and names whoever was shut out;
//! whoever is let in leaves a record each time.

use std::time::Duration;

use domain::limits;
use ledger::read::Reader;
use ledger::record::SystemEvent;
use ledger::{Position, Record};
use server::demo::world::World;
use testkit::{Http, device_sign_in};

const CALLS: u64 = 200;
const REFRESHES: u64 = 100;

/// What a ledger says of refusals.
#[derive(Debug, Default)]
struct Said {
    of_strangers: u64,
    of_callers: u64,
    counted: u64,
    sums: u64,
}

fn said(folder: &std::path::Path) -> Said {
    let mut reader = Reader::from(folder, Position::default());
    let mut said = Said::default();
    while let Some(entry) = reader.read().unwrap() {
        match entry.decode().unwrap().record().unwrap() {
            Record::Decision(it) if it.verdict.is_allowed() => {}
            Record::Decision(it) if it.actor.is_some() => said.of_callers += 1,
            Record::Decision(_) => said.of_strangers += 1,
            Record::SignIn(it) if !it.verdict.is_allowed() => said.of_strangers += 1,
            Record::System(it) if it.event == SystemEvent::StrangersRefused => {
                said.sums += 1;
                said.counted += it.refused.unwrap();
            }
            _ => {}
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_without_a_credential_is_counted_and_a_callers_refusals_are_recorded_each() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    let (http, base) = (Http::new(), &world.base);
    for _ in 0..CALLS {
        let call = http.post(&format!("{base}/v1/messages")).bearer("junk");
        assert_eq!(call.body("{}").send().await.unwrap().status, 401);
    }
    for _ in 0..REFRESHES {
        let form = [("grant_type", "refresh_token"), ("refresh_token", "junk")];
        let refresh = http.post(&format!("{base}/oauth/token")).form(&form);
        assert_eq!(refresh.send().await.unwrap().status, 401);
    }
    for _ in 0..40 {
        let answer = ada.messages("claude-fable-5-2", "Hello").await.unwrap();
        assert_eq!(
            answer.header("x-doorward-reason"),
            Some("model_not_allowed")
        );
    }
    let metrics = format!("http://{}/metrics", world.config.server.ops);
    let metrics = http.get(&metrics).send().await.unwrap().text();
    let exact = format!(
        "doorward_refusals_total{{action=\"messages\",code=\"credential_malformed\"}} {CALLS}\n"
    );
    assert!(metrics.contains(&exact), "{metrics}");
    let folder = world.config.ledger.dir.clone();
    let World { stage, running } = world;
    running.stop(Duration::from_secs(2)).await.unwrap();
    let said = said(&folder);
    assert_eq!(said.of_callers, 40, "{said:?}");
    assert_eq!(
        said.of_strangers + said.counted,
        CALLS + REFRESHES,
        "{said:?}"
    );
    // One minute's, and those of the next if it began meanwhile; of each kind the first one beside.
    assert!((1..=3).contains(&said.sums), "{said:?}");
    let most = said.sums * (limits::STRANGERS_RECORDED_MAX + 2);
    assert!(said.of_strangers <= most, "{said:?}");
    drop(stage);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_shut_out_is_named_by_their_refusals_and_fills_no_ledger() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    assert_eq!(ada.get("/v1/models").await.unwrap().status, 200);
    let config = world.stage.config_file();
    let who = "ada@northwind.example";
    crate::run::done(&config, &["people", "revoke", who, "--reason", "left"]).await;
    let mut refused = 0;
    while refused < 60 {
        let answer = ada.get("/v1/models").await.unwrap();
        // until this process has heard of it
        refused += u64::from(answer.status == 401);
    }
    let folder = world.config.ledger.dir.clone();
    let World { stage, running } = world;
    running.stop(Duration::from_secs(2)).await.unwrap();
    let said = said(&folder);
    assert_eq!(said.of_strangers, 0, "{said:?}");
    assert_eq!(said.of_callers + said.counted, refused, "{said:?}");
    let most = (said.sums + 1) * (limits::STRANGERS_RECORDED_MAX + 1);
    assert!(said.of_callers <= most && said.sums > 0, "{said:?}");
    drop(stage);
}
