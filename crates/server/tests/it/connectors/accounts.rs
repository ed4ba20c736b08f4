//! An account of Doorward's own at a connector, for everybody: one token for all of them, for what was declared and no more, renewed when it
//! ends or is refused, and asked for no more often than it helps.

use connectors::oauth::ConnectorClient;
use serde_json::json;
use server::demo::world::{Stage, World};
use testkit::mcp::{HAND, Ways};
use testkit::{Answer, GuardedMcp};

use super::apply;
use super::client::Client;
use super::grants::{end, is_done, policy};
use super::records::all;

const OWN: (&str, &str) = ("client:doorward", "get_item");

async fn world(ways: Ways, secret: &str, at: Option<&str>) -> (World, GuardedMcp) {
    let behind = GuardedMcp::start(Ways {
        by_hand: true,
        ..ways
    });
    let behind = behind.unwrap();
    let origin = behind.url().replace("/mcp", "");
    let mut stage = Stage::set(0).await.unwrap();
    stage.config.connector_clients.push(ConnectorClient {
        connector: "vaulted".to_owned(),
        client_id: HAND.0.to_owned(),
        client_secret: Some(secret.into()),
        issuer: Some(origin.trim_end_matches('/').to_owned()),
        origin: Some(at.unwrap_or(&origin).parse().unwrap()),
        scopes: vec!["items".to_owned(), "items.read".to_owned()],
    });
    let own = policy(&behind.url()).replace("\"grant\"", "\"service-account\"");
    apply(&stage, &own).await;
    (World::on(stage).await.unwrap(), behind)
}

fn refused(answer: &Answer, word: &str) {
    let text = answer.text();
    assert!(text.contains(word) && !text.contains("/connect/"), "{text}");
    assert!(!text.contains(HAND.1), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybodys_calls_go_out_with_one_token_for_what_was_declared() {
    let (world, behind) = world(Ways::default(), HAND.1, None).await;
    let (ada, alan) = (
        Client::modern(&world.base, "ada", "vaulted").await,
        Client::greeted(&world.base, "alan", "vaulted").await,
    );
    let item = json!({});
    let both = tokio::join!(ada.call("get_item", &item), alan.call("get_item", &item));
    assert!(is_done(&both.0) && is_done(&both.1), "{}", both.0.text());
    assert_eq!(behind.scopes(), ["items items.read"], "one for both");
    let own = (OWN.0.to_owned(), OWN.1.to_owned());
    assert_eq!(behind.called(), [own.clone(), own]);
    let (decisions, _, text) = all(&world);
    let who: Vec<_> = decisions
        .iter()
        .filter_map(|one| one.actor.as_ref())
        .collect();
    assert_eq!(who.len(), 2);
    assert_ne!(
        who[0].subject, who[1].subject,
        "the ledger knows who it was"
    );
    assert!(!text.contains("access-") && !text.contains(HAND.1));

    behind.end_access();
    assert!(
        is_done(&ada.call("get_item", &item).await),
        "it is had anew"
    );
    assert_eq!(behind.scopes().len(), 2);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_not_let_in_is_a_fault_here_and_is_not_tried_again_at_once() {
    let (world, behind) = world(Ways::default(), "another", None).await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    for _ in 0..3 {
        refused(
            &ada.call("get_item", &json!({})).await,
            "upstream_credential",
        );
    }
    assert_eq!(behind.refused(), ["invalid_client"]);
    assert!(
        behind.seen().is_empty(),
        "nothing goes there without a token"
    );
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_refuses_what_it_gave_is_asked_twice_and_then_let_be() {
    let ways = Ways {
        refuses_own: true,
        ..Ways::default()
    };
    let (world, behind) = world(ways, HAND.1, None).await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    for _ in 0..3 {
        refused(
            &ada.call("get_item", &json!({})).await,
            "upstream_credential",
        );
    }
    assert_eq!(behind.scopes().len(), 2);
    assert!(behind.called().is_empty());
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_goes_nowhere_but_to_the_origin_that_was_set_up() {
    let (world, behind) = world(Ways::default(), HAND.1, Some("https://crm.example")).await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    refused(
        &ada.call("get_item", &json!({})).await,
        "upstream_credential",
    );
    assert!(behind.scopes().is_empty() && behind.refused().is_empty());
    assert!(behind.seen().is_empty());
    end(world, behind).await;
}
