//! A company's directory at the front door: what it says is so within a second, and nobody else may say it.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use server::demo::world::World;
use testkit::{Actor, Directory, Http, Session, device_sign_in};

use crate::promise::within_a_second;
use crate::run::{done, doorward};

const SONNET: &str = "claude-sonnet-5-5";

fn stable_id(session: &Session) -> String {
    let claims = session.access_token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    claims["idp_sub"].as_str().unwrap().to_owned()
}

async fn provisioned(world: &World, who: &str) -> (Session, String) {
    let session = device_sign_in(&world.base, who).await.unwrap();
    let name = format!("{who}@northwind.example");
    let user = world.directory.provision(&name, &stable_id(&session)).await;
    (session, user.unwrap())
}

async fn expect_out(session: &Session) {
    wait_for(async || {
        // a connection that the refusal closed before all was sent is no answer yet
        let answer = session.actor().messages(SONNET, "One more?").await;
        answer.is_ok_and(|answer| answer.status == 401)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_the_directory_disables_is_cut_off_within_a_second() {
    let world = World::start(0).await.unwrap();
    let (ada, user) = provisioned(&world, "ada").await;
    for round in 0..5 {
        let session = device_sign_in(&world.base, "ada").await.unwrap();
        let story = "Tell me a long story. [testkit events=600 pace-ms=20]";
        let mut stream = session.actor().stream(SONNET, story).await.unwrap();
        stream.next().await.unwrap().unwrap();
        let out = async {
            match round % 3 {
                0 => world.directory.disable(&user).await.unwrap(),
                1 => {
                    let okta = json!([{"op": "replace", "value": {"active": false}}]);
                    let path = format!("/Users/{user}");
                    let done = world.directory.patch(&path, &okta).await.unwrap();
                    done.expect_status(200).unwrap();
                }
                _ => {
                    let path = format!("/Users/{user}");
                    let mut whole = world.directory.get(&path).await.unwrap().json();
                    whole["active"] = false.into();
                    let put = world.directory.send(Method::PUT, &path, Some(&whole));
                    put.await.unwrap().expect_status(200).unwrap();
                }
            }
            stream.until_end().await
        };
        within_a_second(out).await.expect("the stream goes on");
        expect_out(&session).await;
        assert_eq!(session.try_refresh().await.unwrap().status, 401);
        world.directory.enable(&user).await.unwrap();
    }
    expect_out(&ada).await;
    world.stop(Duration::from_secs(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_person_is_out_and_one_provisioned_again_keeps_their_id() {
    let world = World::start(0).await.unwrap();
    let (ada, user) = provisioned(&world, "ada").await;
    let path = format!("/Users/{user}");
    let gone = world
        .directory
        .send(Method::DELETE, &path, None)
        .await
        .unwrap();
    assert_eq!((gone.status, gone.text().as_str()), (204, ""));
    expect_out(&ada).await;
    for method in [Method::GET, Method::DELETE] {
        let nobody = world.directory.send(method, &path, None).await.unwrap();
        assert_eq!(nobody.status, 404);
    }
    let back = world
        .directory
        .provision("ada@northwind.example", &stable_id(&ada))
        .await;
    assert_eq!(back.unwrap(), user);
    let again = device_sign_in(&world.base, "ada").await.unwrap();
    let answer = again
        .actor()
        .messages(SONNET, "Good to be back.")
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.stop(Duration::from_secs(1)).await.unwrap();
}

/// Alan is a contractor, who may not use Opus; whoever is in `engineering` may.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_the_directory_opens_a_model_and_closes_it_again() {
    let world = World::start(0).await.unwrap();
    let (alan, user) = provisioned(&world, "alan").await;
    let opus = "claude-opus-5-5";
    let status = async || alan.actor().messages(opus, "May I?").await.unwrap().status;
    assert_ne!(status().await, 200);
    let group = world
        .directory
        .provision_group("engineering", "g-1", &[&user])
        .await
        .unwrap();
    wait_for(async || status().await == 200).await;
    world.directory.remove_member(&group, &user).await.unwrap();
    wait_for(async || status().await != 200).await;
    world.stop(Duration::from_secs(1)).await.unwrap();
}

/// Waits until it is so, for as long as a change may take.
async fn wait_for(so: impl AsyncFn() -> bool) {
    let wait = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within_a_second(wait)
        .await
        .expect("it is not so within a second");
}

fn is_error(body: &Value, status: &str) {
    assert_eq!(
        body["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:Error"])
    );
    assert_eq!(body["status"], status, "{body}");
    assert!(
        body["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty()),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_directory_comes_in_and_every_error_is_scims() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let invented = format!("dws_{}", "A".repeat(48));
    for token in [ada.access_token.as_str(), "x", &invented, &world.admin_key] {
        let stranger = Directory::new(&world.base, token);
        for path in [
            "/Users",
            "/Groups/grp_1",
            "/ServiceProviderConfig",
            "/Schemas",
            "/nothing",
        ] {
            let refused = stranger.get(path).await.unwrap();
            assert_eq!(refused.status, 401, "{path}");
            assert_eq!(
                refused.header("content-type"),
                Some("application/scim+json")
            );
            is_error(&refused.json(), "401");
        }
    }
    let bare = Http::new().get(&format!("{}/scim/v2/Users", world.base));
    assert_eq!(bare.send().await.unwrap().status, 401);
    for (method, path, body, status) in [
        (Method::GET, "/nothing", None, "404"),
        (Method::GET, "/Users/usr_nobody", None, "404"),
        (Method::GET, "/Users?filter=password%20pr", None, "400"),
        (Method::GET, "/Users?startIndex=x", None, "400"),
        (Method::POST, "/Schemas", Some(json!({})), "405"),
        (Method::DELETE, "/ServiceProviderConfig", None, "405"),
        (Method::PUT, "/Users", Some(json!({})), "405"),
        (Method::POST, "/Users", Some(json!([])), "400"),
        (
            Method::POST,
            "/Users",
            Some(json!({"displayName": "x"})),
            "400",
        ),
        (Method::GET, "/Schemas?filter=id%20pr", None, "403"),
    ] {
        let refused = world
            .directory
            .send(method, path, body.as_ref())
            .await
            .unwrap();
        assert_eq!(
            refused.status.to_string(),
            status,
            "{path}: {}",
            refused.text()
        );
        is_error(&refused.json(), status);
    }
    world.stop(Duration::from_secs(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_token_opens_nothing_but_scim() {
    let world = World::start(0).await.unwrap();
    let create = ["scim-token", "create", "second", "--issuer", "northwind"];
    let output = doorward(&world.config_file(), &create).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert!(token.starts_with("dws_") && token.len() == 52 && !said.contains(&token));
    let known = Directory::new(&world.base, &token)
        .get("/Users")
        .await
        .unwrap();
    assert_eq!(known.status, 200, "{}", known.text());
    let inference = Actor::with_bearer(&world.base, &token);
    let refused = inference.messages(SONNET, "Hello").await.unwrap();
    assert_eq!(refused.status, 401);
    let api = Http::new().get(&format!("{}/api/v1/me", world.base));
    assert_eq!(api.bearer(&token).send().await.unwrap().status, 401);
    let revoke = ["scim-token", "revoke", &token[..12], "--reason", "test"];
    done(&world.config_file(), &revoke).await;
    let refused = Directory::new(&world.base, &token)
        .get("/Users")
        .await
        .unwrap();
    assert_eq!(refused.status, 401);
    world.stop(Duration::from_secs(1)).await.unwrap();
}
