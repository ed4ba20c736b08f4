//! Sign-in through the front door: the races, the replays and the strangers.

use std::time::Duration;

use server::demo::world::{Stage, World};
use testkit::idp::Person;
use testkit::sign_in::Device;
use testkit::{Browser, Http, device_sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_would_turn_the_page_around_is_seen_to_and_does_nothing() {
    let world = World::start(0).await.unwrap();
    let name = "Mallory\u{202e}ecarG si\u{2066}";
    let mallory = Person::new("mallory", name, "m\u{202e}allory@northwind.example");
    world.stage.idp.enrol(mallory);
    let device = Device::begin(&world.base).await.unwrap();
    let mut browser = Browser::new();
    let mut page = browser.open(device.verification_url()).await.unwrap();
    for _ in 0..4 {
        if page.source.contains("You will be") {
            break;
        }
        let forward = page.button("mallory").or_else(|| page.button("continue"));
        let (form, button) = forward.unwrap();
        page = browser.submit(&page, form, button, &[]).await.unwrap();
    }
    for part in [
        "Mallory\u{fffd}ecarG si\u{fffd}",
        "m\u{fffd}allory@northwind.example",
    ] {
        assert!(page.source.contains(part), "{}", page.source);
    }
    assert!(!page.source.contains(['\u{202e}', '\u{2066}']));
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_polls_at_once_exactly_one_gets_the_tokens() {
    let world = World::start(0).await.unwrap();
    let device = Device::begin(&world.base).await.unwrap();
    device.approve(&mut Browser::new(), "ada").await.unwrap();
    let mut polls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let device = device.clone();
        polls.spawn(async move { device.poll().await.unwrap().status });
    }
    let statuses = polls.join_all().await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_rotates_and_two_at_once_both_go_on() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let old = ada.refresh_token.clone();
    let (one, two) = tokio::join!(ada.try_refresh(), ada.try_refresh());
    assert_eq!((one.unwrap().status, two.unwrap().status), (200, 200));
    assert_eq!(ada.try_refresh().await.unwrap().status, 503, "twice is all");
    assert_eq!(ada.refresh_token, old);
    assert_eq!(ada.actor().get("/v1/models").await.unwrap().status, 200);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_refreshes_at_once_two_succeed_and_nobody_is_signed_out() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let ada = ada.clone();
        attempts.spawn(async move {
            let answer = ada.try_refresh().await.unwrap();
            (answer.status, answer.json()["error"].clone())
        });
    }
    let answers = attempts.join_all().await;
    let refreshed = answers.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(refreshed, 2, "{answers:?}");
    // `invalid_grant` would make the client throw its sign-in away.
    for (status, error) in answers.iter().filter(|(status, _)| *status != 200) {
        assert_eq!((*status, error), (503, &"temporarily_unavailable".into()));
    }
    assert_eq!(ada.actor().get("/v1/models").await.unwrap().status, 200);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_at_once() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    assert_eq!(ada.revoke().await.unwrap(), [200, 200]);
    let answer = ada
        .actor()
        .messages("claude-haiku-5-5", "hello")
        .await
        .unwrap();
    assert_eq!(
        (answer.status, answer.header("x-doorward-reason")),
        (401, Some("session_ended"))
    );
    assert_eq!(ada.try_refresh().await.unwrap().status, 401);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_or_browser_decides_nothing() {
    let world = World::start(0).await.unwrap();
    let device = Device::begin(&world.base).await.unwrap();
    let http = Http::new();
    for path in ["/device", "/device/approve", "/device/deny"] {
        let form = [
            ("user_code", device.user_code()),
            ("csrf", "x"),
            ("confirm", "x"),
            ("issuer", "northwind"),
        ];
        let answer = http
            .post(&format!("{}{path}", world.base))
            .header("sec-fetch-site", "cross-site")
            .form(&form)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status, 403, "{path}");
        let answer = http
            .post(&format!("{}{path}", world.base))
            .header("sec-fetch-site", "same-origin")
            .form(&form)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status, 403, "{path} without the cookie");
    }
    // A callback that no trip here led to.
    let answer = http
        .get(&format!("{}/oauth/callback?code=x&state=y", world.base))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(
        device.poll().await.unwrap().json()["error"],
        "authorization_pending"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_uses_up_nobodys_sign_ins() {
    let world = World::start(0).await.unwrap();
    let http = Http::new();
    let url = format!("{}/oauth/device_authorization", world.base);
    let asked = async |origin: &str| {
        let form = http.post(&url).form(&[("surface", "claude_code")]);
        let from = form.header("sec-fetch-site", "cross-site");
        from.header("origin", origin).send().await.unwrap().status
    };
    for origin in ["https://evil.example", "null"].repeat(20) {
        assert_eq!(asked(origin).await, 403, "{origin}");
    }
    assert_eq!(asked("https://pivot.claude.ai").await, 200, "the add-ins");
    Device::begin(&world.base).await.unwrap();
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_another_issuer_answers_lets_nobody_in() {
    let stage = Stage::set(0).await.unwrap();
    stage.idp.promise_issuer(true);
    let running = server::commands::start(&stage.config).await.unwrap();
    let world = World { stage, running };
    for stated in [None, Some("https://evil.example")] {
        world.idp.state_issuer(stated);
        let device = Device::begin(&world.base).await.unwrap();
        let end = device.approve(&mut Browser::new(), "ada").await.unwrap();
        assert_eq!(end.status, 403, "{stated:?}: {}", end.html.text);
        assert_eq!(
            device.poll().await.unwrap().json()["error"],
            "authorization_pending"
        );
    }
    world.idp.state_issuer(Some(&world.idp.issuer()));
    device_sign_in(&world.base, "ada").await.unwrap();
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_cannot_be_guessed() {
    let world = World::start(0).await.unwrap();
    let http = Http::new();
    // Another site's images would use up the guesses of everybody behind an address.
    for _ in 0..12 {
        let image = http.get(&format!("{}/device?user_code=BCDF-GHJK", world.base));
        let page = image.header("sec-fetch-site", "cross-site").send().await;
        assert_eq!(page.unwrap().status, 200);
    }
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(
            http.get(&format!("{}/device?user_code=BCDF-GHJK", world.base))
                .send()
                .await
                .unwrap()
                .status,
        );
    }
    assert_eq!(statuses[..10], [404; 10]);
    assert_eq!(statuses[10..], [429; 2]);
    // A right guess after too many wrong ones looks like a wrong one.
    let device = Device::begin(&world.base).await.unwrap();
    assert_eq!(
        http.get(device.verification_url())
            .send()
            .await
            .unwrap()
            .status,
        429
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_codes_to_send_them_away_is_counted_too() {
    let world = World::start(0).await.unwrap();
    let device = Device::begin(&world.base).await.unwrap();
    let mut browser = Browser::new();
    let page = browser.open(device.verification_url()).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let guess = [("user_code", "BCDF-GHJK")];
        let answer = browser.press(&page, "Deny", &guess).await.unwrap();
        statuses.push(answer.status);
    }
    assert_eq!(statuses[..10], [404; 10]);
    assert_eq!(statuses[10..], [429; 2]);
    // Nor does a right guess after that.
    let answer = browser.press(&page, "Deny", &[]).await.unwrap();
    assert_eq!(answer.status, 429);
    assert_eq!(
        device.poll().await.unwrap().json()["error"],
        "authorization_pending"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_person_is_refused_before_the_body_is_read() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let person = world
        .running
        .wired
        .store
        .find_people(world.running.wired.org, "ada@northwind.example")
        .await
        .unwrap()
        .remove(0);
    let wired = &world.running.wired;
    let now = wired.pipeline.clock.now();
    let shut_out = wired.store.shut_out(wired.org, person.id, now, "test");
    assert!(shut_out.await.unwrap());
    wired.revocations.refresh(&wired.store).await.unwrap();
    // The body never comes: an answer before it proves that nobody waited for it.
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 1000\r\n\r\n",
        ada.access_token
    );
    let address = world.base.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut socket, head.as_bytes())
        .await
        .unwrap();
    let mut answer = [0u8; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut socket, &mut answer);
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .expect("an answer without the body")
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn managed_settings_are_served_with_a_checksum_and_304() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    let settings = ada.managed_settings(None).await.unwrap().unwrap();
    let checksum = settings["checksum"].as_str().unwrap();
    assert_eq!(settings["settings"]["env"]["DOORWARD_DEMO"], "1");
    assert!(
        ada.managed_settings(Some(checksum))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        ada.managed_settings(Some("sha256:00"))
            .await
            .unwrap()
            .is_some()
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}
