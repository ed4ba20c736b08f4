//! The acceptable-use policy from the program that publishes it to the people who accept it: at the link, at the device page, and
//! never by anybody else.

use std::sync::Arc;
use std::time::Duration;

use server::demo::world::World;
use server::policy_command::Here;
use server::system::{SystemClock, SystemIds};
use testkit::sign_in::{Device, go_forward};
use testkit::{Actor, Answer, Browser, device_sign_in};

use crate::run;
use crate::watch::until;

const HAIKU: &str = "claude-haiku-5-5";
const POLICY: &str = include_str!("../../src/demo/policy.toml");

/// What the program says, and whether it did what was asked.
async fn said(world: &World, arguments: &[&str]) -> (bool, String) {
    let (code, text) = run::said(&world.config_file(), arguments).await;
    (code == Some(0), text)
}

async fn done(world: &World, arguments: &[&str]) -> String {
    run::done(&world.config_file(), arguments).await
}

/// Publishes the shipped template.
async fn publish(world: &World, contact: &str, more: &[&str]) -> String {
    let file = world.dir.path().join("use.md");
    std::fs::write(&file, domain::acceptable_use::TEMPLATE).unwrap();
    let file = file.display().to_string();
    let own = [
        "acceptable-use",
        "publish",
        &file,
        "--organisation",
        "Northwind",
        "--contact",
        contact,
    ];
    let rest = ["--reach", "it@northwind.example", "--reason", "a test"];
    done(world, &[&own[..], &rest, more].concat()).await
}

async fn apply(world: &World, text: &str) -> (bool, String) {
    let file = world.dir.path().join("new-policy.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    said(world, &["policy", "apply", &file, "--reason", "a test"]).await
}

/// Demands acceptance, and returns when the server has heard of it.
async fn demand(world: &World, rule: &str) {
    let before = world.running.wired.pipeline.rules.current().version;
    let (went, text) = apply(world, &format!("{POLICY}\n{rule}")).await;
    assert!(went, "{text}");
    let rules = &world.running.wired.pipeline.rules;
    until(async || rules.current().version != before).await;
}

/// Returns when the server has heard of this version.
async fn heard(world: &World, version: u64) {
    let rules = &world.running.wired.pipeline.rules;
    until(async || rules.current().acceptable_use().map(|now| now.version) == Some(version)).await;
}

const DEMAND: &str = "[acceptable_use]\nrequired = true\n";

pub(crate) async fn asks(actor: &Actor) -> Answer {
    actor.messages(HAIKU, "Hello").await.unwrap()
}

pub(crate) fn reason(answer: &Answer) -> (u16, String) {
    let reason = answer.header("x-doorward-reason").unwrap_or_default();
    (answer.status, reason.to_owned())
}

/// Publishes a text and demands that it is accepted, past the program, on whichever store the world stands. Returns when the server has
/// heard of it.
pub(crate) async fn demand_on(world: &World) {
    let wired = &world.running.wired;
    let control = control::Control {
        org: wired.org,
        store: wired.store.clone(),
        ledger: Arc::clone(&wired.pipeline.ledger),
        clock: Arc::new(SystemClock),
        vouching: Arc::new(pipeline::identity::config::vouching(&world.config.issuers)),
        ids: Arc::new(SystemIds),
        vault: wired.control().vault,
        parsed: control::ParsedPolicy::default(),
    };
    let machine = control::Actor::command_line("the test");
    let operation = control.operation(&machine);
    let new = control::acceptable_use::NewVersion {
        text: "# Use\n{{monitoring}}\n",
        values: std::collections::BTreeMap::new(),
        language: "en",
        reason: "a test",
        expected: None,
        keeps_acceptances: false,
    };
    let installation = domain::acceptable_use::Installation::default();
    let published = control::acceptable_use::publish(&operation, new, &installation);
    published.await.unwrap();
    let text = format!("{POLICY}\n{DEMAND}");
    let here = Here::of(&world.config);
    let applied = control::policies::apply(&operation, &text, "a test", None, &here);
    applied.await.unwrap();
    heard(world, 1).await;
}

/// Asks for somebody who has not accepted until the refusal is no longer remembered.
pub(crate) async fn refused_for_another_reason(actor: &Actor) -> Answer {
    let demanded = (403, "acceptable_use_required".to_owned());
    let mut answer = None;
    until(async || reason(answer.insert(asks(actor).await)) != demanded).await;
    answer.expect("it was asked")
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_store_is_gone_nobody_is_let_in_unasked_and_nobody_is_asked_again() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    demand_on(&world).await;
    let grace = device_sign_in(&world.base, "grace").await.unwrap();
    assert_eq!(asks(&grace.actor()).await.status, 200);
    let refused = asks(&ada.actor()).await;
    assert_eq!(reason(&refused), (403, "acceptable_use_required".into()));
    world.running.wired.store.close().await;
    let outage = refused_for_another_reason(&ada.actor()).await;
    assert_eq!(reason(&outage), (503, "store_unavailable".into()));
    assert!(
        !outage.text().contains("/acceptable-use"),
        "{}",
        outage.text()
    );
    let known = asks(&grace.actor()).await;
    assert_eq!(known.status, 200, "whose yes is known goes on");
}

/// Asks until the answer is no refusal for want of acceptance; a look in the store may be a quarter of a second away.
async fn let_through(actor: &Actor) -> Answer {
    let mut answer = None;
    until(async || answer.insert(asks(actor).await).status != 403).await;
    answer.expect("it was asked")
}

/// How many acceptances the ledger holds.
fn yeses_recorded(world: &World) -> usize {
    let folder = std::fs::read_dir(&world.config.ledger.dir).unwrap();
    let files = folder.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    let yeses = files.map(|file| file.matches(r#""noun":"acceptance""#).count());
    yeses.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_not_accepted_is_refused_with_a_link_and_goes_on_once_they_accepted() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let (went, text) = apply(&world, &format!("{POLICY}\n{DEMAND}")).await;
    assert!(
        !went && text.contains("no acceptable-use policy is published yet"),
        "{text}"
    );
    assert!(
        publish(&world, "the IT desk", &[])
            .await
            .contains("version 1 is in force")
    );
    assert_eq!(
        asks(&ada.actor()).await.status,
        200,
        "published, and not demanded"
    );
    let key = done(
        &world,
        &["service-key", "create", "nightly", "--group", "engineering"],
    )
    .await;
    let key = key
        .split_whitespace()
        .find(|word| word.len() == 52)
        .unwrap()
        .to_owned();
    demand(&world, DEMAND).await;

    let refused = asks(&ada.actor()).await;
    assert_eq!(reason(&refused), (403, "acceptable_use_required".into()));
    let sentence = refused.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    let link = format!("{}/acceptable-use", world.base);
    assert!(
        sentence.contains(&link) && sentence.len() < 250,
        "{sentence}"
    );
    assert_eq!(
        ada.actor().get("/v1/models").await.unwrap().status,
        200,
        "no use of Claude"
    );
    let machine = Actor::with_bearer(&world.base, &key);
    assert_eq!(
        asks(&machine).await.status,
        200,
        "services have nobody to accept"
    );
    let text = done(&world, &["acceptable-use", "report"]).await;
    assert!(
        text.starts_with("0 of 1 have accepted version 1") && text.contains("has accepted none"),
        "{text}"
    );

    let end = go_forward(&mut Browser::new(), &link, "ada").await.unwrap();
    assert!(
        end.html.text.contains("You have accepted version 1"),
        "{}",
        end.html.text
    );
    let answer = let_through(&ada.actor()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = done(&world, &["acceptable-use", "report"]).await;
    assert!(text.starts_with("1 of 1 have accepted version 1"), "{text}");
    assert_eq!(yeses_recorded(&world), 1, "one yes, one record");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_let_in_only_with_the_box_ticked_and_its_session_is_then_asked_nothing() {
    let world = World::start(0).await.unwrap();
    publish(&world, "the IT desk", &[]).await;
    demand(&world, DEMAND).await;
    let device = Device::begin(&world.base).await.unwrap();
    let mut browser = Browser::new();
    let mut page = browser.open(device.verification_url()).await.unwrap();
    page = browser
        .press(&page, "Continue with northwind", &[])
        .await
        .unwrap();
    while !page.html.text.contains("wants to sign in as you") {
        let (form, button) = page
            .buttons()
            .find(|(_, button)| button.value == "ada" || button.name != "person")
            .unwrap();
        page = browser.submit(&page, form, button, &[]).await.unwrap();
    }
    assert!(
        page.html.text.contains("P3 Put passwords"),
        "{}",
        page.html.text
    );
    for unticked in ["", "0", "2", "on"] {
        let fill = [("acceptable_use", unticked)];
        page = browser
            .press(&page, "This is me, let it in", &fill)
            .await
            .unwrap();
        assert!(
            page.html.text.contains("The box is not ticked"),
            "{}",
            page.html.text
        );
        let (wired, code) = (&world.running.wired, device.user_code());
        let kept = wired
            .store
            .device_by_user_code(wired.org, code)
            .await
            .unwrap();
        assert_eq!(kept.unwrap().1, store::DeviceState::Pending);
    }
    page = browser
        .press(&page, "This is me, let it in", &[])
        .await
        .unwrap();
    assert!(
        page.html.text.contains("It is signed in"),
        "{}",
        page.html.text
    );
    let ada = device.finish().await.unwrap();
    assert_eq!(asks(&ada.actor()).await.status, 200);
    // The next device is let in without being asked again.
    let again = device_sign_in(&world.base, "ada").await.unwrap();
    assert_eq!(asks(&again.actor()).await.status, 200);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_asks_anew_and_a_correction_does_not() {
    let world = World::start(0).await.unwrap();
    publish(&world, "the IT desk", &[]).await;
    demand(&world, DEMAND).await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    assert_eq!(asks(&ada.actor()).await.status, 200);
    publish(&world, "the IT Desk", &["--keep-acceptances"]).await;
    heard(&world, 2).await;
    assert_eq!(asks(&ada.actor()).await.status, 200);
    assert!(
        publish(&world, "the IT Desk", &[])
            .await
            .contains("no change: version 2")
    );
    publish(&world, "the service desk", &[]).await;
    heard(&world, 3).await;
    assert_eq!(
        reason(&asks(&ada.actor()).await),
        (403, "acceptable_use_required".into())
    );
    let text = done(&world, &["acceptable-use", "report"]).await;
    assert!(
        text.starts_with("0 of 1") && text.contains("accepted version 1 on"),
        "{text}"
    );
    let text = done(&world, &["acceptable-use", "show", "--since", "2"]).await;
    assert!(
        text.contains("\n-") && text.contains("\n+") && text.contains("the service desk"),
        "{text}"
    );
    let link = format!("{}/acceptable-use", world.base);
    go_forward(&mut Browser::new(), &link, "ada").await.unwrap();
    assert_eq!(let_through(&ada.actor()).await.status, 200);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_groups_of_the_rule_are_asked() {
    let world = World::start(0).await.unwrap();
    publish(&world, "the IT desk", &[]).await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let edsger = device_sign_in(&world.base, "edsger").await.unwrap();
    demand(
        &world,
        "[acceptable_use]\nrequired = true\ngroups = [\"trial\"]\n",
    )
    .await;
    assert_eq!(asks(&ada.actor()).await.status, 200);
    assert_eq!(
        reason(&asks(&edsger.actor()).await),
        (403, "acceptable_use_required".into())
    );
    let text = done(&world, &["acceptable-use", "report"]).await;
    assert!(text.starts_with("0 of 1 "), "{text}");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_is_recorded_makes_the_version_outdated_and_the_page_says_so() {
    let world = World::start(0).await.unwrap();
    publish(&world, "the IT desk", &[]).await;
    let text = done(&world, &["acceptable-use", "show"]).await;
    assert!(
        text.contains("access keys, tokens") && !text.contains("OUTDATED"),
        "{text}"
    );
    let (went, text) = apply(
        &world,
        &POLICY.replace(
            "detectors = [\"secret.*\"]\naction = \"block\"",
            "detectors = [\"secret.*\"]\naction = \"observe\"",
        ),
    )
    .await;
    assert!(went, "{text}");
    let text = done(&world, &["acceptable-use", "show"]).await;
    assert!(text.contains("OUTDATED"), "{text}");
    let rules = &world.running.wired.pipeline.rules;
    until(async || rules.current().version >= 2).await;
    let link = format!("{}/acceptable-use", world.base);
    let mut browser = Browser::new();
    let mut page = browser.open(&link).await.unwrap();
    while !page.html.text.contains("tick the box") {
        let (form, button) = page
            .buttons()
            .find(|(_, button)| button.value == "ada" || button.name != "person")
            .unwrap();
        page = browser.submit(&page, form, button, &[]).await.unwrap();
    }
    assert!(
        page.html
            .text
            .contains("has changed since this was written"),
        "{}",
        page.html.text
    );
    publish(&world, "the IT desk", &[]).await;
    let text = done(&world, &["acceptable-use", "show"]).await;
    assert!(
        text.contains("version 2") && !text.contains("OUTDATED"),
        "{text}"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_with_something_left_to_fill_in_is_not_published() {
    let world = World::start(0).await.unwrap();
    let draft = done(
        &world,
        &["acceptable-use", "draft", "--organisation", "Northwind"],
    )
    .await;
    assert!(
        draft.contains("at Northwind") && draft.contains("{{contact}}"),
        "{draft}"
    );
    let file = world.dir.path().join("use.md");
    std::fs::write(&file, &draft).unwrap();
    let file = file.display().to_string();
    let arguments = ["acceptable-use", "publish", &file, "--reason", "too early"];
    let (went, text) = said(&world, &arguments).await;
    assert!(
        !went && text.contains("`{{contact}}` is still to be filled in") && text.contains("line "),
        "{text}"
    );
    let (went, text) = said(&world, &["acceptable-use", "show"]).await;
    assert!(
        !went && text.contains("no acceptable-use policy is published yet"),
        "{text}"
    );
    let end = Browser::new()
        .open(&format!("{}/acceptable-use", world.base))
        .await
        .unwrap();
    assert_eq!(end.status, 404);
    world.stop(Duration::from_secs(2)).await.unwrap();
}
