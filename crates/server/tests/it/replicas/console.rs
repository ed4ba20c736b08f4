//! Who is signed in to the console is so at every replica, and out at every replica with the next request.

use testkit::Browser;

use super::world::Pair;
use crate::console::walk::{opens, secret_of, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_taken_out_at_one_is_out_at_the_other_with_the_next_request() {
    let pair = Pair::start().await;
    for end in ["shut out", "signed out"] {
        let mut browser = Browser::new();
        // The pages of a sign-in come from both in turn.
        pair.balancer.in_turn();
        let page = sign_in(&mut browser, &pair.stage.base, "/console", "ada").await;
        assert_eq!(page.status, 200, "{}", page.html.text);
        let secret = secret_of(&browser);
        for replica in pair.both() {
            assert!(opens(&replica.base, &secret).await);
        }
        if end == "signed out" {
            let home = browser.open(&format!("{}/console", pair.stage.base)).await;
            let page = browser.press(&home.unwrap(), "Sign out", &[]).await;
            assert_eq!(page.unwrap().status, 200);
        } else {
            let out = [
                "people",
                "revoke",
                "ada@northwind.example",
                "--reason",
                "a test",
            ];
            pair.a.command(&out).await;
        }
        // At once: neither has to hear of it first.
        for replica in [&pair.b, &pair.a] {
            assert!(!opens(&replica.base, &secret).await, "{end}");
        }
        if end == "shut out" {
            let back = [
                "people",
                "restore",
                "ada@northwind.example",
                "--reason",
                "a test",
            ];
            pair.a.command(&back).await;
        }
    }
    pair.stop().await;
}
