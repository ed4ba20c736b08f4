//! Who is signed in to one association's console is nobody at the other's.

use testkit::Browser;

use super::world::{Side, Stores, Two};
use crate::console::walk::{COOKIE, look, opens, secret_of, sign_in};
use crate::database::Line;

async fn a_cookie_of_one_organisation_opens_nothing_at_the_other(stores: Stores) {
    let two = Two::set(stores).await;
    let [birch, kiln] = two.both().map(Side::base);
    let mut browser = Browser::new();
    sign_in(&mut browser, birch, "/console", "ada").await;
    let at_birch = secret_of(&browser);
    assert!(opens(birch, &at_birch).await && !opens(kiln, &at_birch).await);
    let mut browser = Browser::new();
    sign_in(&mut browser, kiln, "/console", "ada").await;
    let at_kiln = secret_of(&browser);
    assert!(opens(kiln, &at_kiln).await && !opens(birch, &at_kiln).await);
    // The try did not end either.
    assert!(opens(birch, &at_birch).await);
    if let Some(wire) = &two.birch.wire {
        // An outage of ours is no sign-out.
        wire.is(Line::Cut);
        let answer = look(birch, &format!("{COOKIE}={at_birch}")).await;
        assert_eq!(answer.status, 503);
        assert!(
            answer.text().contains("not your sign-in"),
            "{}",
            answer.text()
        );
        wire.is(Line::Open);
    }
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_store_for_each_a_cookie_is_of_one_organisation() {
    Box::pin(a_cookie_of_one_organisation_opens_nothing_at_the_other(
        Stores::Apart,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_store_for_both_a_cookie_is_of_one_organisation() {
    Box::pin(a_cookie_of_one_organisation_opens_nothing_at_the_other(
        Stores::One,
    ))
    .await;
}
