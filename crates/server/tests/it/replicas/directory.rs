//! A company's directory speaks to one replica, and whoever it disables is out on the other.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use testkit::{Directory, Session, device_sign_in};

use super::world::Pair;
use super::{SONNET, measured, open_stream};
use crate::promise::within_a_second;

/// Who the identity provider says it is.
fn stable_id(session: &Session) -> String {
    let claims = session.access_token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    claims["idp_sub"].as_str().unwrap().to_owned()
}

/// The promise is a second, and how long it took is printed.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_the_directory_disables_at_one_is_out_at_the_other_within_a_second_each_of_100_times()
 {
    let pair = Pair::start().await;
    let made = ["scim-token", "create", "northwind", "--issuer", "northwind"];
    let token = String::from_utf8(pair.a.command(&made).await.stdout).unwrap();
    let directory = Directory::new(&pair.a.base, token.trim());
    let first = device_sign_in(&pair.stage.base, "ada").await.unwrap();
    let who = stable_id(&first);
    let user = directory.provision("ada@northwind.example", &who).await;
    let user = user.unwrap();
    let mut took = Vec::new();
    for _ in 0..100 {
        let ada = device_sign_in(&pair.stage.base, "ada").await.unwrap();
        let there = pair.b.actor(&ada);
        let stream = open_stream(&there).await;
        directory.disable(&user).await.unwrap();
        let at = Instant::now();
        let ended = within_a_second(stream.until_end()).await;
        let (events, _) = ended.expect("the stream is cut within a second");
        assert_eq!(events.last().unwrap().name, "error");
        took.push(at.elapsed());
        let next = there.messages(SONNET, "One more?").await.unwrap();
        assert_eq!(next.status, 401, "{}", next.text());
        directory.enable(&user).await.unwrap();
    }
    took.sort_unstable();
    measured(&format!(
        "disabled at one, out at the other: median {} ms, longest {} ms of {}",
        took[50].as_millis(),
        took[99].as_millis(),
        took.len()
    ));
    pair.stop().await;
}
