//! Claude in Microsoft Foundry, with every way of proving ourselves there: a key, the machine's identity, a workload's, a secret.
//! Entra, the metadata service and Foundry are fakes that check what real ones check.

use std::sync::Arc;

use domain::{Clock, limits};
use gateway::upstream::config::{AuthConfig, ProviderKind, UpstreamConfig};
use http::Method;
use server::commands::start_at;
use server::demo::world::{Stage, World};
use server::system::{SystemClock, SystemIds};
use testkit::actor::message;
use testkit::idp::{App, Federation, IdpFault};
use testkit::{Answer, FakeClock, Idp, Imds, Provider, Session, device_sign_in};

use crate::hourglass::Hourglass;

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const KEY: &str = "foundry-resource-key";
const MODEL: &str = "claude-sonnet-5-5";

/// Azure: its Entra, a machine's metadata service, a Foundry resource.
struct Azure {
    clock: FakeClock,
    entra: Idp,
    cluster: Idp,
    imds: Imds,
    foundry: Provider,
}

impl Azure {
    fn new() -> Self {
        let clock = FakeClock::at(SystemClock.now());
        let idp = || Idp::builder(Arc::new(clock.clone()), Arc::new(SystemIds)).es256();
        let cluster = idp().start().unwrap();
        let federation = Federation {
            issuer: cluster.issuer(),
            subject: "system:serviceaccount:doorward:gateway".to_owned(),
            keys: cluster.keys(),
        };
        let app = App::machine("doorward").secret("an application's secret");
        let entra = idp()
            .entra(TENANT)
            .app(app.federate(federation))
            .start()
            .unwrap();
        let imds = Imds::start(&entra, Some("system"), &["assigned"]).unwrap();
        let foundry = Provider::foundry(Arc::new(clock.clone()))
            .key(KEY)
            .model("our-sonnet")
            .entra(entra.keys(), &[&entra.issuer_v1(), &entra.issuer()])
            .role_for(&["doorward", "system", "assigned"])
            .start()
            .unwrap();
        Self {
            clock,
            entra,
            cluster,
            imds,
            foundry,
        }
    }

    fn managed_identity(&self, client_id: Option<&str>) -> AuthConfig {
        AuthConfig::ManagedIdentity {
            client_id: client_id.map(str::to_owned),
            endpoint: Some(self.imds.url()),
        }
    }

    /// Doorward with this resource as its only provider, and somebody signed in.
    async fn world(&self, auth: AuthConfig) -> (World, Session) {
        let mut stage = Stage::set(0).await.unwrap();
        stage.config.upstreams = vec![UpstreamConfig {
            name: "foundry".to_owned(),
            provider: ProviderKind::Foundry,
            base_url: Some(self.foundry.url()),
            resource: None,
            auth,
            region: None,
            models: Vec::new(),
            model_map: [(MODEL.to_owned(), "our-sonnet".to_owned())].into(),
        }];
        let running = start_at(&stage.config, Arc::new(self.clock.clone()))
            .await
            .unwrap();
        let world = World { stage, running };
        let ada = device_sign_in(&world.base, "ada").await.unwrap();
        (world, ada)
    }
}

/// Moves everybody's clock. Revocations seem too old to believe then, until the next look at them.
async fn later(azure: &Azure, world: &World, ms: i64) {
    azure.clock.advance_ms(ms);
    let wired = &world.running.wired;
    wired.revocations.refresh(&wired.store).await.unwrap();
}

/// Fifty calls at the same time.
async fn fifty(ada: &Session) -> Vec<Answer> {
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let actor = ada.actor();
        calls.spawn(async move { actor.messages(MODEL, "Hello").await.unwrap() });
    }
    calls.join_all().await
}

/// An error that says whose trouble it is, and is nobody's bad login.
fn assert_outage(answer: &Answer, reason: &str) {
    assert_eq!(
        (answer.status, answer.header("x-doorward-reason")),
        (502, Some(reason)),
        "{}",
        answer.text()
    );
    assert_eq!(answer.json()["error"]["type"], "api_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_proving_ourselves_arrives_with_nothing_of_the_callers() {
    let azure = Azure::new();
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    let audience = "api://AzureADTokenExchange";
    let claims = azure
        .cluster
        .kubernetes_claims("doorward", "gateway", audience);
    // Platforms end the file with a line feed.
    std::fs::write(&token_file, format!("{}\n", azure.cluster.mint(&claims))).unwrap();
    let (tenant, client_id) = (TENANT.to_owned(), "doorward".to_owned());
    let authority = Some(azure.entra.url());
    for auth in [
        AuthConfig::ApiKey(KEY.into()),
        azure.managed_identity(None),
        azure.managed_identity(Some("assigned")),
        AuthConfig::WorkloadIdentity {
            tenant: tenant.clone(),
            client_id: client_id.clone(),
            token_file: token_file.clone(),
            authority: authority.clone(),
        },
        AuthConfig::ClientSecret {
            tenant: tenant.clone(),
            client_id: client_id.clone(),
            client_secret: "an application's secret".into(),
            authority: authority.clone(),
        },
    ] {
        let by_key = matches!(auth, AuthConfig::ApiKey(_));
        let way = format!("{auth:?}");
        let (world, ada) = azure.world(auth).await;
        for version in ["2023-06-01", "2026-10-21"] {
            let answer = ada
                .actor()
                .header("anthropic-version", version)
                .header("x-api-key", &ada.access_token)
                .header("cookie", "theirs=1")
                .post("/v1/messages", &message(MODEL, "Hello", false))
                .await
                .unwrap();
            assert_eq!(answer.status, 200, "{way}: {}", answer.text());
            let seen = azure.foundry.last_seen().unwrap();
            assert_eq!(seen.path, "/anthropic/v1/messages");
            assert_eq!(seen.header("anthropic-version"), Some(version));
            // The resource itself has checked what the bearer is and whose.
            let bearer = seen.header("authorization");
            assert_eq!(seen.header("api-key"), by_key.then_some(KEY), "{way}");
            assert_eq!(bearer.is_some(), !by_key, "{way}");
            assert_eq!(
                (seen.header("x-api-key"), seen.header("cookie")),
                (None, None)
            );
            for value in seen.headers.values() {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                assert!(!value.contains(&ada.access_token), "{way}");
            }
        }
        let streamed = ada.actor().streamed_text(MODEL, "Tell me.").await;
        assert!(!streamed.unwrap().is_empty(), "{way}");
        world.stop(std::time::Duration::ZERO).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_fetch_one_token_and_it_is_renewed_before_it_ends() {
    let azure = Azure::new();
    let (world, mut ada) = azure.world(azure.managed_identity(None)).await;
    for answer in fifty(&ada).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(azure.imds.asked(), 1);

    // Less than five minutes remain: one call renews it.
    later(&azure, &world, 56 * 60_000).await;
    ada.refresh().await.unwrap();
    for answer in fifty(&ada).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(azure.imds.asked(), 2);

    // The service is away at the next renewal: the old token goes on to its end, and nobody asks for each call.
    later(&azure, &world, 56 * 60_000).await;
    ada.refresh().await.unwrap();
    azure.imds.break_it(IdpFault::Status(500));
    for answer in fifty(&ada).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(azure.imds.asked(), 3);
    later(&azure, &world, 5 * 60_000).await;
    for answer in fifty(&ada).await {
        assert_outage(&answer, "upstream_unavailable");
    }
    assert_eq!(azure.imds.asked(), 4);
    azure.imds.heal();
    later(&azure, &world, 1_000).await;
    let answer = ada.actor().messages(MODEL, "Hello").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.stop(std::time::Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn calls_that_wait_for_a_dead_metadata_service_share_its_failure() {
    let azure = Azure::new();
    let (world, ada) = azure.world(azure.managed_identity(None)).await;
    azure.imds.break_it(IdpFault::Hang);
    let durable = || world.running.wired.pipeline.ledger.status().durable.seq;
    let before = durable();
    let calls = tokio::spawn(async move { fifty(&ada).await });
    while azure.imds.asked() == 0 || durable() < before + 50 {
        tokio::task::yield_now().await;
    }
    let time = Hourglass::stop();
    time.pass_ms(limits::FETCH_TIME_MS).await;
    for answer in calls.await.unwrap() {
        assert_outage(&answer, "upstream_unavailable");
    }
    assert_eq!(azure.imds.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_azure_refuses_is_our_trouble_and_names_nothing_of_ours() {
    let azure = Azure::new();
    azure.imds.refuse_connections().await;
    let secret = AuthConfig::ClientSecret {
        tenant: TENANT.to_owned(),
        client_id: "doorward".to_owned(),
        client_secret: "not the application's secret".into(),
        authority: Some(azure.entra.url()),
    };
    for (auth, reason) in [
        (AuthConfig::ApiKey("wrong".into()), "upstream_credential"),
        (AuthConfig::Bearer("wrong".into()), "upstream_credential"),
        (secret, "upstream_credential"),
        (azure.managed_identity(None), "upstream_unavailable"),
    ] {
        let (world, ada) = azure.world(auth).await;
        let answer = ada.actor().messages(MODEL, "Hello").await.unwrap();
        assert_outage(&answer, reason);
        for word in ["AADSTS", "our-sonnet", "azure", "Azure", "127.0.0.1"] {
            assert!(!answer.text().contains(word), "{}", answer.text());
        }
        // Their own sign-in goes on.
        let models = ada.actor().request(Method::GET, "/v1/models");
        assert_eq!(models.send().await.unwrap().status, 200);
        world.stop(std::time::Duration::ZERO).await.unwrap();
    }
}
