//! `doctor` where the provider is Foundry and the credential an Entra token.

use std::path::Path;
use std::sync::Arc;

use domain::Clock;
use serde_json::json;
use server::demo::world::Stage;
use server::system::{SystemClock, SystemIds};
use testkit::azure::Imds;
use testkit::{Idp, Provider};

use super::doctor;

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const IDENTITY: &str = "11111111-2222-3333-4444-555555555555";

/// Foundry with one deployment, which takes the tokens of a machine's identity.
fn azure(role_for: &str) -> (Idp, Imds, Provider) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entra = Idp::builder(Arc::clone(&clock), Arc::new(SystemIds))
        .entra(TENANT)
        .start()
        .unwrap();
    let imds = Imds::start(&entra, Some(IDENTITY), &[]).unwrap();
    let (v2, v1) = (entra.issuer(), entra.issuer_v1());
    let foundry = Provider::foundry(clock)
        .model("our-sonnet")
        .entra(entra.keys(), &[v2.as_str(), v1.as_str()])
        .role_for(&[role_for])
        .start()
        .unwrap();
    (entra, imds, foundry)
}

fn add(config: &Path, foundry: &Provider, imds: &Imds, deployment: &str) {
    let mut text = std::fs::read_to_string(config).unwrap();
    let upstream = format!(
        "\n[[upstream]]\nname = \"azure\"\nprovider = \"foundry\"\nbase_url = \"{}\"\n\
         auth = {{ managed_identity = {{ endpoint = \"{}\" }} }}\nmodel_map = {{ \"claude-sonnet-5-5\" = \"{deployment}\" }}\n",
        foundry.url(),
        imds.url()
    );
    text.push_str(&upstream);
    std::fs::write(config, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_identity_is_fetched_proved_and_seen_to_leave() {
    let stage = Stage::set(0).await.unwrap();
    let (_entra, imds, foundry) = azure(IDENTITY);
    add(&stage.config_file(), &foundry, &imds, "our-sonnet");
    let said = doctor(&stage.config_file(), None).await;
    assert_eq!(said.code, Some(0), "{}", said.all);
    for (check, words) in [
        (
            "upstream azure",
            "/anthropic/v1/messages/count_tokens answered 200",
        ),
        (
            "upstream azure, credential",
            "sent in authorization, answered 200",
        ),
        (
            "rollout check 2, credentials (azure)",
            "left with authorization (sha256 ",
        ),
    ] {
        let line = said.line(check);
        assert_eq!(line["status"], "pass", "{line}");
        assert!(line["evidence"].as_str().unwrap().contains(words), "{line}");
    }
    let paths: Vec<_> = foundry.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(
        paths,
        ["/anthropic/v1/messages/count_tokens"],
        "nothing that is billed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_without_a_role_a_deployment_that_is_not_there_and_a_machine_without_identity_are_named()
 {
    let credential = "upstream azure, credential";
    for (role_for, deployment, away, words) in [
        ("another", "our-sonnet", false, "answered 403"),
        (IDENTITY, "no-such-deployment", false, "answered 404"),
        (
            IDENTITY,
            "our-sonnet",
            true,
            "token endpoint cannot be reached",
        ),
    ] {
        let stage = Stage::set(0).await.unwrap();
        let (_entra, imds, foundry) = azure(role_for);
        if away {
            imds.refuse_connections().await;
        }
        add(&stage.config_file(), &foundry, &imds, deployment);
        let said = doctor(&stage.config_file(), None).await;
        let line = said.line(credential);
        assert_eq!(
            (&line["status"], &line["whose"]),
            (&json!("fail"), &json!("operator")),
            "{line}"
        );
        assert!(line["evidence"].as_str().unwrap().contains(words), "{line}");
        assert_eq!(
            said.line("upstream first, credential")["status"],
            "pass",
            "one provider's trouble is its own"
        );
    }
}
