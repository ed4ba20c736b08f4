//! What other users of the machine can read of what a server leaves on its disk: nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use server::commands::start;
use server::config::OtlpConfig;
use server::demo::world::{Stage, World};
use testkit::limits::PATIENCE;
use testkit::{OtlpReceiver, device_sign_in};

use crate::watch::outcome;

/// Every file and folder below this one, by its path there, with what its owner, group and others may.
fn modes(folder: &Path, under: &str, found: &mut BTreeMap<String, u32>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{under}{}", entry.file_name().to_str().unwrap());
        let about = entry.metadata().unwrap();
        found.insert(name.clone(), about.permissions().mode() & 0o7777);
        if about.is_dir() {
            modes(&entry.path(), &format!("{name}/"), found);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_a_server_leaves_is_its_owners_alone() {
    let receiver = OtlpReceiver::start().unwrap();
    let mut stage = Stage::set(0).await.unwrap();
    stage.config.ledger.otlp = Some(OtlpConfig {
        url: format!("{}/v1/logs", receiver.url()).parse().unwrap(),
        bearer: None,
    });
    let cursor = stage.config.ledger.dir.join("otlp.cursor");
    let running = start(&stage.config).await.unwrap();
    let world = World { stage, running };
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    let answer = ada.messages("claude-haiku-5-5", "Hello").await.unwrap();
    outcome(&world, answer.header("x-request-id").unwrap()).await;
    let kept = async {
        while !cursor.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, kept).await.unwrap();

    let mut found = BTreeMap::new();
    modes(world.dir.path(), "", &mut found);
    for name in [
        "doorward.db",
        "doorward.db-shm",
        "doorward.db-wal",
        "doorward.key",
        "ledger",
        "ledger/00000000000000000001.ndjson",
        "ledger/checkpoints.ndjson",
        "ledger/cli",
        "ledger/cli/00000000000000000001.ndjson",
        "ledger/ledger.pub",
        "ledger/lock",
        "ledger/otlp.cursor",
        "ledger/recovered.cursor",
        "ledger/replica",
    ] {
        assert!(found.contains_key(name), "{name} is not in {found:?}");
    }
    for (name, mode) in found {
        let expected = if world.dir.path().join(&name).is_dir() {
            0o700
        } else {
            0o600
        };
        assert_eq!(mode, expected, "{name}: {mode:o}");
    }
    world.stop(Duration::ZERO).await.unwrap();
}
