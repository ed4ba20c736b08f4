//! Checkpoints, as an auditor who kept one asks for them.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::Timestamp;
use ledger::{Checkpoint, PublicKey};
use serde_json::{Value, json};

use super::setting::{Setting, things};

/// The checkpoint again, out of what was answered.
fn checkpoint(view: &Value) -> Checkpoint {
    let mut member = view.clone();
    let at: Timestamp = view["at"].as_str().unwrap().parse().unwrap();
    member["time"] = json!(at);
    serde_json::from_value(member).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_checkpoint_is_listed_once_with_a_signature_that_holds() {
    let setting = Setting::set().await;
    let auditor = setting.client("auditor");
    let head = auditor.get("/api/v1/ledger/head").await.unwrap().json();
    let key: PublicKey = head["public_key"].as_str().unwrap().parse().unwrap();
    let chain = head["chain"].as_str().unwrap();
    let list = format!("/api/v1/ledger/checkpoints?chain={chain}&limit=1");
    let two_are_there = async {
        while auditor.get(&list).await.unwrap().json()["next"].is_null() {
            // Each change is signed within a second.
            let body = json!({"service": "a", "expires_in_days": 1});
            let owner = setting.client("owner");
            owner.post("/api/v1/service-keys", &body).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), two_are_there)
        .await
        .unwrap();
    let (mut seen, mut path) = (BTreeSet::new(), list.clone());
    // New ones come meanwhile; those from here back are to be seen once each.
    while seen.len() < 50 {
        let page = auditor.get(&path).await.unwrap().json();
        let found = &page["items"][0];
        let signed = checkpoint(found);
        assert!(signed.is_signed_by(&key), "{found}");
        assert_eq!(found["signed_text"], signed.text());
        assert_eq!(found["id"], format!("{chain}.{}", signed.seq));
        assert!(seen.insert(signed.seq), "twice");
        let id = found["id"].as_str().unwrap();
        let one = auditor
            .get(&format!("/api/v1/ledger/checkpoints/{id}"))
            .await;
        assert_eq!(&one.unwrap().json(), found);
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("{list}&after={next}");
    }
    assert!(seen.len() > 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_is_none_of_ours_is_not_there() {
    let setting = Setting::set().await;
    let auditor = setting.client("auditor");
    let foreign = things(&setting.elsewhere).await.checkpoint;
    let head = auditor.get("/api/v1/ledger/head").await.unwrap().json();
    let chain = head["chain"].as_str().unwrap();
    let long = "x".repeat(3_000);
    for id in [
        &*foreign,
        // The start of the process: a record of the system, and no checkpoint.
        &format!("{chain}.1"),
        &format!("{chain}.99999999"),
        &format!("{chain}.18446744073709551615"),
        &format!("{chain}.-1"),
        "x",
        "%27%20OR%201=1--.0",
        "%25.0",
        &long,
    ] {
        let path = format!("/api/v1/ledger/checkpoints/{id}");
        let answer = auditor.get(&path).await.unwrap();
        assert_eq!(answer.status, 404, "{id}: {}", answer.text());
    }
    for query in [
        "limit=0",
        "after=x",
        "after=1.2",
        "chain=%0a",
        "kind=system",
    ] {
        let path = format!("/api/v1/ledger/checkpoints?{query}");
        assert_eq!(auditor.get(&path).await.unwrap().status, 400, "{query}");
    }
    let all = auditor
        .get("/api/v1/ledger/checkpoints?limit=1000")
        .await
        .unwrap();
    let (chain, _) = foreign.rsplit_once('.').unwrap();
    assert!(!all.text().contains(chain));
    setting.stop().await;
}
