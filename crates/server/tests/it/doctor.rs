//! `doorward doctor` as operators run it: one installation where everything holds, and one broken thing at a time.

mod foundry;
mod tls;

use std::ops::Add as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::http::header::DATE;
use axum::routing::get;
use domain::{BindingId, Clock as _, Role, Timestamp};
use serde_json::{Value, json};
use server::demo::world::{DESKTOP_CLIENT, Stage, World};
use server::system::SystemClock;
use store::{Holder, RoleBinding};
use testkit::idp::{Endpoint, IdpFault};
use testkit::{Fault, device_sign_in};

use crate::run::{output, program};

/// What a run said.
struct Said {
    code: Option<i32>,
    json: Value,
    all: String,
}

impl Said {
    /// The one line of a check.
    fn line(&self, check: &str) -> &Value {
        let lines = self.json["checks"].as_array().unwrap();
        let found = lines.iter().find(|line| line["check"] == check);
        assert!(found.is_some(), "no line {check} in {}", self.all);
        found.unwrap()
    }

    fn failed(&self) -> Vec<&str> {
        let lines = self.json["checks"].as_array().unwrap();
        let failed = lines.iter().filter(|line| line["status"] == "fail");
        failed.map(|line| line["check"].as_str().unwrap()).collect()
    }
}

async fn doctor(config: &Path, token: Option<&str>) -> Said {
    let mut command = command(config);
    let folder = config.parent().unwrap();
    if let Some(token) = token {
        std::fs::write(folder.join("token"), token).unwrap();
        command.arg("--token-file").arg(folder.join("token"));
    }
    said(command).await
}

/// On a machine that trusts only these certificates.
async fn doctor_trusting(config: &Path, roots: &Path) -> Said {
    let mut command = command(config);
    command.env("SSL_CERT_FILE", roots);
    said(command).await
}

fn command(config: &Path) -> Command {
    let mut command = program(&["doctor", "--json", "--config"]);
    command.arg(config);
    command
}

async fn said(command: Command) -> Said {
    let output = output(command).await;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    Said {
        code: output.status.code(),
        json: serde_json::from_str(&out).unwrap_or_default(),
        all: out + &String::from_utf8_lossy(&output.stderr),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_or_many_as_owners_is_a_warning_and_fails_nothing() {
    let world = World::start(0).await.unwrap();
    let (store, org) = (&world.running.wired.store, world.running.wired.org);
    let owner = |number: u8| RoleBinding {
        id: BindingId::from_parts(1, number.into()),
        role: Role::Owner,
        holder: Holder::Group {
            issuer: "northwind".to_owned(),
            group: format!("owners-{number}"),
        },
        made_by: "the test".to_owned(),
        created: SystemClock.now(),
    };
    for there in store.roles(org).await.unwrap() {
        store.remove_role(org, there.id, false).await.unwrap();
    }
    for (owners, status, words) in [
        (0, "warn", "nobody is an owner"),
        (1, "pass", "one or two"),
        (3, "warn", "there are 3 owners"),
    ] {
        for number in 0..owners {
            store.add_role(org, &owner(number)).await.unwrap();
        }
        let said = doctor(&world.config_file(), None).await;
        let line = said.line("owners");
        assert_eq!((said.code, &line["status"]), (Some(0), &json!(status)));
        assert!(line["evidence"].as_str().unwrap().contains(words), "{line}");
        assert_eq!(line["remedy"].is_string(), status == "warn", "{line}");
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

/// Every file of the installation but the token's, and what is in it.
fn kept(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if !name.ends_with("token") && !name.ends_with("-shm") {
                all.push((name, std::fs::read(path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn where_everything_holds_both_rollout_checks_pass_and_nothing_is_disturbed() {
    let world = World::start(0).await.unwrap();
    let grace = world.idp.id_token("grace", DESKTOP_CLIENT);
    let said = doctor(&world.config_file(), Some(&grace)).await;
    assert_eq!(said.code, Some(0), "{}", said.all);
    assert_eq!(said.json["ok"], true);
    for (check, words) in [
        ("configuration", "issuers: 1, upstreams: 2"),
        ("store", "SQLite, schema "),
        ("policy", "version 1, grants: 3"),
        ("ledger", "can be written"),
        ("instance", "says ready"),
        ("public address", "is Doorward"),
        ("assembly", "can be put together"),
        ("issuer northwind", "(RS256)"),
        ("clock, against northwind", "0 s apart"),
        ("upstream first", "/v1/models?limit=1 answered 200"),
        (
            "upstream second, credential",
            "sent in x-api-key, answered 200",
        ),
        (
            "rollout check 1, identity",
            "of issuer northwind, 2 groups, proved by id_token until",
        ),
        (
            "rollout check 2, credentials (first)",
            "left with x-api-key (sha256 ",
        ),
        ("rollout check 2, credentials (second)", "anthropic-version"),
    ] {
        let line = said.line(check);
        assert_eq!(line["status"], "pass", "{line}");
        assert!(line["evidence"].as_str().unwrap().contains(words), "{line}");
    }
    let sub = world.idp.person("grace").unwrap().sub;
    assert!(said.all.contains(&sub), "{}", said.all);
    assert_eq!(said.line("certificate")["status"], "skipped");
    for secret in [grace.as_str(), &world.provider_key, "dwk_"] {
        assert!(!said.all.contains(secret), "a secret is shown");
    }

    for provider in [&world.first, &world.second] {
        let seen = provider.seen();
        let paths: Vec<_> = seen.iter().map(|seen| seen.path.as_str()).collect();
        assert_eq!(paths, ["/v1/models"], "one question that is not billed");
    }
    let store = &world.running.wired.store;
    let known = store
        .find_people(world.running.wired.org, &sub)
        .await
        .unwrap();
    assert!(known.is_empty(), "validating a token is no sign-in");
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let answer = ada
        .actor()
        .messages("claude-haiku-5-5", "Still there?")
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_start_it_makes_nothing_and_skips_what_cannot_be_seen() {
    let stage = Stage::set(0).await.unwrap();
    let before = kept(stage.dir.path());
    let said = doctor(&stage.config_file(), None).await;
    assert_eq!(said.code, Some(0), "{}", said.all);
    for (check, words) in [
        ("instance", "no Doorward runs here"),
        ("public address", "start Doorward and run this again"),
        ("rollout check 1, identity", "--token-file"),
    ] {
        let line = said.line(check);
        assert_eq!(line["status"], "skipped", "{line}");
        assert!(line["evidence"].as_str().unwrap().contains(words), "{line}");
    }
    let after = kept(stage.dir.path());
    let names =
        |all: &[(String, Vec<u8>)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before));
    assert!(after == before, "a file has changed");
}

/// One broken thing, the check that must name it, whose it is, and words of the evidence.
async fn check(
    breaks: impl AsyncFnOnce(&Stage, String) -> String,
    check: &str,
    whose: &str,
    words: &str,
) {
    let stage = Stage::set(0).await.unwrap();
    let config = std::fs::read_to_string(stage.config_file()).unwrap();
    let config = breaks(&stage, config).await;
    std::fs::write(stage.config_file(), config).unwrap();
    let said = doctor(&stage.config_file(), None).await;
    assert_eq!(said.code, Some(1), "{check}: {}", said.all);
    let line = said.line(check);
    assert_eq!(
        (&line["status"], &line["whose"]),
        (&json!("fail"), &json!(whose)),
        "{line}"
    );
    assert!(line["evidence"].as_str().unwrap().contains(words), "{line}");
    assert!(
        line["remedy"]
            .as_str()
            .is_some_and(|remedy| remedy.len() > 10),
        "{line}"
    );
    assert!(!said.all.contains(&stage.provider_key), "a secret is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_stands_on_at_this_machine_is_named_when_it_is_broken() {
    let place = |stage: &Stage, name: &str| stage.dir.path().join(name).display().to_string();
    check(
        async |stage, config| {
            std::fs::write(
                place(stage, "other.db"),
                "this is no database at all, but a text",
            )
            .unwrap();
            config.replace("doorward.db", "other.db")
        },
        "store",
        "operator",
        "not a database",
    )
    .await;
    check(
        async |_, config| config.replace("/doorward.db", "/nowhere/doorward.db"),
        "store",
        "operator",
        "nothing can be made in its folder",
    )
    .await;
    check(
        async |_, config| config.replace("doorward.db", "new.db"),
        "policy",
        "operator",
        "nobody may use anything",
    )
    .await;
    check(
        async |_, config| config.replace("Northwind Association", "Southwind"),
        "policy",
        "operator",
        "does not know the organisation",
    )
    .await;
    check(
        // A file in the folder's place, which stops even an account that may write anywhere.
        async |_, config| config.replace("/ledger\"", "/first.key/ledger\""),
        "ledger",
        "operator",
        "nothing can be written",
    )
    .await;
    check(
        async |stage, config| {
            std::fs::write(place(stage, "prices.toml"), "nonsense").unwrap();
            let prices = format!("prices = \"{}\"\nlogin_notice", place(stage, "prices.toml"));
            config.replace("login_notice", &prices)
        },
        "assembly",
        "operator",
        "",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_cannot_vouch_is_named_and_so_is_a_wrong_clock() {
    let issuer = "issuer northwind";
    check(
        async |stage, config| {
            stage.idp.refuse_connections().await;
            config
        },
        issuer,
        "network",
        "could not be reached",
    )
    .await;
    check(
        async |stage, config| {
            stage
                .idp
                .break_endpoint(Endpoint::Jwks, IdpFault::WrongShape);
            config
        },
        issuer,
        "identity_provider",
        "key set",
    )
    .await;
    check(
        async |stage, config| {
            let stated = format!("issuer = \"{}\"", stage.idp.issuer());
            let discovery = stage.idp.discovery_url();
            let wrong =
                format!("issuer = \"https://other.example\"\ndiscovery_url = \"{discovery}\"");
            assert!(config.contains(&stated));
            config.replace(&stated, &wrong)
        },
        issuer,
        "operator",
        "another issuer",
    )
    .await;
    check(
        async |stage, config| {
            let keys = keys_dated(stage, SystemClock.now().plus_ms(-300_000)).await;
            let stated = format!("issuer = \"{}\"", stage.idp.issuer());
            config.replace(&stated, &format!("{stated}\njwks_url = \"{keys}\""))
        },
        "clock, against northwind",
        "operator",
        "more than 60 s",
    )
    .await;
}

/// The issuer's keys on a machine whose clock is wrong.
async fn keys_dated(stage: &Stage, date: Timestamp) -> String {
    let text = date.to_string();
    let (day, time) = (&text[..10], &text[11..19]);
    let parts: Vec<&str> = day.split('-').collect();
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months[parts[1].parse::<usize>().unwrap() - 1];
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let weekday = days[usize::try_from(date.unix_s().div_euclid(86_400).rem_euclid(7)).unwrap()];
    let date = format!("{weekday}, {} {month} {} {time} GMT", parts[2], parts[0]);
    let jwks = stage.idp.keys().jwks().to_string();
    let answer = move || std::future::ready(([(DATE, date.clone())], jwks.clone()));
    let router = Router::new().route("/jwks", get(answer));
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", socket.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(socket, router).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_or_says_no_is_named_with_whose_it_is() {
    let credential = "upstream first, credential";
    check(
        async |stage, config| {
            stage.first.refuse_connections().await;
            config
        },
        "upstream first",
        "network",
        "cannot be reached",
    )
    .await;
    check(
        async |stage, config| config.replace(&stage.first.url(), "https://nowhere.invalid"),
        "upstream first",
        "network",
        "nowhere.invalid",
    )
    .await;
    check(
        async |stage, config| {
            std::fs::write(stage.dir.path().join("first.key"), "an-older-key").unwrap();
            config
        },
        credential,
        "operator",
        "answered 401",
    )
    .await;
    check(
        async |stage, config| {
            stage.first.fault(Fault::status(529));
            config
        },
        credential,
        "provider",
        "answered 529",
    )
    .await;
    check(
        async |stage, config| {
            let key = format!("auth = {{ api_key = \"file:{}/first.key\" }}", stage.dir.path().display());
            let federated = "auth = { workload_identity = { tenant = \"t\", client_id = \"c\", token_file = \"/nowhere\" } }";
            assert!(config.contains(&key));
            config.replace(&key, federated)
        },
        credential,
        "operator",
        "federated token file",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_elsewhere_and_a_certificate_that_ends_are_named() {
    let public = |stage: &Stage| format!("public_url = \"{}\"", stage.base);
    check(
        async |stage, config| {
            config.replace(
                &public(stage),
                &format!("public_url = \"{}\"", stage.second.url()),
            )
        },
        "public address",
        "operator",
        "is not Doorward",
    )
    .await;
    check(
        async |stage, config| {
            let ops = stage.ops.replace("http://", "ops = \"") + "\"";
            assert!(config.contains(&ops));
            config.replace(
                &ops,
                &stage.second.url().replace("http://", "ops = \"").add("\""),
            )
        },
        "instance",
        "operator",
        "answered 401",
    )
    .await;
    check(
        async |stage, config| {
            let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            let dir = stage.dir.path();
            std::fs::write(dir.join("tls.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
            std::fs::write(dir.join("tls.key"), key.serialize_pem()).unwrap();
            let dir = dir.display();
            let tls = format!(
                "tls = {{ certificate = \"{dir}/tls.pem\", key = \"{dir}/tls.key\" }}\nlogin_notice"
            );
            config.replace("login_notice", &tls)
        },
        "certificate",
        "operator",
        "ended 2021-01-01",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_accepted_is_told_in_the_words_of_the_identity_stage() {
    let world = World::start(0).await.unwrap();
    let grace = world.idp.person("grace").unwrap();
    let good = world.idp.id_claims(&grace, DESKTOP_CLIENT);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        world.idp.mint(&claims)
    };
    let long_ago = SystemClock.now().unix_s() - 7_200;
    for (token, code) in [
        (with("exp", json!(long_ago + 60)), "token_expired"),
        (
            with("iss", json!("https://elsewhere.example")),
            "token_issuer",
        ),
        (with("aud", json!("another application")), "token_audience"),
        ("nonsense".to_owned(), "credential_malformed"),
        ("dwk_nonsense".to_owned(), "service_key_unknown"),
        ("ünïcode".to_owned(), "credential_malformed"),
    ] {
        let said = doctor(&world.config_file(), Some(&token)).await;
        assert_eq!(said.failed(), ["rollout check 1, identity"], "{}", said.all);
        let line = said.line("rollout check 1, identity");
        let evidence = line["evidence"].as_str().unwrap();
        assert!(
            evidence.starts_with(&format!("refused with {code}: ")),
            "{line}"
        );
        assert_eq!(said.code, Some(1));
        assert!(!said.all.contains(&token), "the token is shown");
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_ours_passes_until_its_person_is_shut_out() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let check = "rollout check 1, identity";
    let said = doctor(
        &world.config_file(),
        Some(&format!("Bearer {}", ada.access_token)),
    )
    .await;
    let line = said.line(check);
    assert_eq!(line["status"], "pass", "{line}");
    assert!(
        line["evidence"]
            .as_str()
            .unwrap()
            .contains("proved by session"),
        "{line}"
    );

    let wired = &world.running.wired;
    let people = wired
        .store
        .find_people(wired.org, "ada@northwind.example")
        .await
        .unwrap();
    let now = wired.pipeline.clock.now();
    let shut_out = wired.store.shut_out(wired.org, people[0].id, now, "left");
    assert!(shut_out.await.unwrap());
    let company = world.idp.id_token("ada", DESKTOP_CLIENT);
    for token in [ada.access_token.as_str(), &company] {
        let said = doctor(&world.config_file(), Some(token)).await;
        let line = said.line(check);
        assert!(
            line["evidence"]
                .as_str()
                .unwrap()
                .contains("person_revoked"),
            "{line}"
        );
        assert_eq!(said.code, Some(1));
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test]
async fn a_bad_configuration_ends_with_64_and_a_token_that_is_not_there_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doorward.toml");
    std::fs::write(&file, "[server]\npublic_url = 5\n").unwrap();
    let said = doctor(&file, None).await;
    assert_eq!(said.code, Some(64), "{}", said.all);
    let stage = Stage::set(0).await.unwrap();
    let said = doctor(&stage.config_file(), Some(" ")).await;
    assert_eq!(said.code, Some(1), "{}", said.all);
    assert!(said.all.contains("holds no token"), "{}", said.all);
}
