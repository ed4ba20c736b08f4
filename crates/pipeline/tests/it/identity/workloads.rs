//! Machines: workload tokens by claim rules, and service keys.

use domain::{Clock, Credential, ReasonCode, ServiceId, Subject, Timestamp};
use pipeline::identity::config::{IssuerConfig, mistakes};
use pipeline::identity::{Opaque, WorkloadRule, hex};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use store::{ServiceKey, Target};
use testkit::idp::IdpBuilder;
use testkit::idp::workload::GithubJob;
use testkit::{Idp, SeededIds};

use super::Rig;

fn rule(service: &str, claims: &[(&str, &str)]) -> WorkloadRule {
    let claims = claims
        .iter()
        .map(|(name, pattern)| ((*name).to_owned(), (*pattern).to_owned()))
        .collect();
    WorkloadRule {
        service: service.to_owned(),
        claims,
        groups: ["ci".to_owned()].into(),
    }
}

fn machines(idp: &Idp) -> Vec<IssuerConfig> {
    let mut config = IssuerConfig::new("actions", &idp.issuer(), &["doorward"]);
    config.workload = vec![
        rule(
            "release",
            &[
                ("repository", "northwind/app"),
                ("ref", "refs/heads/main"),
                ("event_name", "push"),
            ],
        ),
        rule(
            "pods",
            &[
                ("sub", "system:serviceaccount:prod:*"),
                ("/kubernetes.io/namespace", "prod"),
            ],
        ),
    ];
    vec![config]
}

#[tokio::test]
async fn a_job_is_the_service_whose_claims_all_match() {
    let rig = Rig::with(IdpBuilder::es256, machines).await;
    let release = rig
        .caller(
            &rig.idp
                .github_token(&GithubJob::on_main("northwind/app"), "doorward"),
        )
        .await;
    assert_eq!(
        (&*release.stable_id, &*release.issuer),
        ("release", "actions")
    );
    assert_eq!(release.credential, Credential::Workload);
    assert!(matches!(release.subject, Subject::Service(_)) && release.groups.contains("ci"));
    let pod = rig
        .caller(
            &rig.idp
                .mint(&rig.idp.kubernetes_claims("prod", "web", "doorward")),
        )
        .await;
    assert_eq!(&*pod.stable_id, "pods");
    assert_ne!(pod.subject, release.subject);
}

#[tokio::test]
async fn a_job_that_fits_no_rule_is_nobody() {
    let rig = Rig::with(IdpBuilder::es256, machines).await;
    let fork = GithubJob::on_main("attacker/app");
    let branch = GithubJob {
        git_ref: "refs/heads/x".to_owned(),
        ..GithubJob::on_main("northwind/app")
    };
    let pull = GithubJob {
        event: "pull_request".to_owned(),
        ..GithubJob::on_main("northwind/app")
    };
    for job in [fork, branch, pull] {
        let token = rig.idp.github_token(&job, "doorward");
        assert_eq!(
            rig.ask(&token).await.unwrap_err(),
            ReasonCode::WorkloadUnknown,
            "{job:?}"
        );
    }
    let elsewhere = rig
        .idp
        .github_token(&GithubJob::on_main("northwind/app"), "sts.amazonaws.com");
    assert_eq!(
        rig.ask(&elsewhere).await.unwrap_err(),
        ReasonCode::TokenAudience
    );
    let pod = rig
        .idp
        .mint(&rig.idp.kubernetes_claims("dev", "web", "doorward"));
    assert_eq!(
        rig.ask(&pod).await.unwrap_err(),
        ReasonCode::WorkloadUnknown
    );
    let person = rig.idp.id_token("ada", "doorward");
    assert_eq!(
        rig.ask(&person).await.unwrap_err(),
        ReasonCode::WorkloadUnknown,
        "people are not vouched for here"
    );
}

#[tokio::test]
async fn a_machine_cannot_sign_in_through_the_browser() {
    let rig = Rig::with(IdpBuilder::es256, |idp| {
        let mut configs = machines(idp);
        configs[0].client_id = Some("doorward".to_owned());
        configs
    })
    .await;
    let mut claims = rig
        .idp
        .github_claims(&GithubJob::on_main("northwind/app"), "doorward");
    claims["nonce"] = json!("n-1");
    let issuer = &rig.identity.issuers()[0];
    let refusal = rig
        .identity
        .sign_in(issuer, &rig.idp.mint(&claims), "n-1")
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), ReasonCode::WorkloadUnknown);
}

async fn service_key(
    rig: &Rig,
    seed: u64,
    expires: Option<Timestamp>,
) -> (SecretString, ServiceId) {
    let key = Opaque::ServiceKey.mint(&SeededIds::new(seed));
    let now = rig.clock.now();
    let row = ServiceKey {
        key_hash: hex(&Opaque::ServiceKey.sha256_of(&key)),
        service: ServiceId::from_parts(1, 1),
        service_name: "nightly".to_owned(),
        prefix: key.expose_secret()[..8].to_owned(),
        groups: ["builders".to_owned()].into(),
        made_by: String::new(),
        created: now,
        expires,
        revoked_at: None,
        used_at: None,
    };
    let kept = rig.store.add_service_key(rig.org, &row).await.unwrap();
    (key, kept.service)
}

#[tokio::test]
async fn a_service_key_is_its_service_until_it_expires_or_is_revoked() {
    let rig = Rig::new().await;
    let (key, service) = service_key(&rig, 21, Some(rig.clock.now().plus_ms(60_000))).await;
    let caller = rig.caller(key.expose_secret()).await;
    assert_eq!(caller.subject, Subject::Service(service));
    assert_eq!(
        (&*caller.stable_id, &*caller.issuer, caller.credential),
        ("nightly", "doorward", Credential::ServiceKey)
    );
    assert!(caller.groups.iter().eq(["builders"]), "{:?}", caller.groups);
    let (second, _) = service_key(&rig, 22, None).await;
    rig.caller(second.expose_secret()).await;
    rig.clock.advance_ms(60_000);
    assert_eq!(
        rig.ask(key.expose_secret()).await.unwrap_err(),
        ReasonCode::ServiceKeyUnknown
    );
    let hash = Opaque::ServiceKey.sha256_of(&second);
    let (target, now) = (Target::ServiceKey(hex(&hash)), rig.clock.now());
    rig.store
        .revoke(rig.org, &target, now, "leaked")
        .await
        .unwrap();
    rig.revocations.refresh(&rig.store).await.unwrap();
    assert_eq!(
        rig.ask(second.expose_secret()).await.unwrap_err(),
        ReasonCode::ServiceKeyUnknown
    );
    let rig = rig.restarted().await;
    assert_eq!(
        rig.ask(second.expose_secret()).await.unwrap_err(),
        ReasonCode::ServiceKeyUnknown
    );
}

#[tokio::test]
async fn an_invented_service_key_is_refused_without_asking_the_store() {
    let rig = Rig::new().await;
    let real = Opaque::ServiceKey.mint(&SeededIds::new(5));
    assert_eq!(
        rig.ask(real.expose_secret()).await.unwrap_err(),
        ReasonCode::ServiceKeyUnknown,
        "well formed, not ours"
    );
    rig.store.close().await;
    assert_eq!(
        rig.ask(real.expose_secret()).await.unwrap_err(),
        ReasonCode::StoreUnavailable
    );
    for text in [
        "dwk_",
        "dwk_abc",
        &real.expose_secret().to_uppercase().replace("DWK", "dwk"),
        &"dwk_A".repeat(100),
    ] {
        assert_eq!(
            rig.ask(text).await.unwrap_err(),
            ReasonCode::ServiceKeyUnknown,
            "{text}"
        );
    }
    let refresh = Opaque::RefreshToken.mint(&SeededIds::new(5));
    assert_eq!(
        rig.ask(refresh.expose_secret()).await.unwrap_err(),
        ReasonCode::CredentialMalformed
    );
}

#[test]
fn issuers_that_would_let_in_too_many_are_configuration_mistakes() {
    let check = |change: &dyn Fn(&mut IssuerConfig), path: &str| {
        let mut config = IssuerConfig::new("x", "https://idp.example", &["a"]);
        change(&mut config);
        let found: Vec<String> = mistakes(&[config])
            .into_iter()
            .map(|mistake| mistake.path)
            .collect();
        assert_eq!(
            found,
            if path.is_empty() {
                vec![]
            } else {
                vec![path.to_owned()]
            }
        );
    };
    check(&|_| {}, "");
    check(&|config| config.audiences.clear(), "issuer[0].audiences");
    check(
        &|config| config.audiences = [String::new()].into(),
        "issuer[0].audiences",
    );
    check(
        &|config| config.name = "doorward".to_owned(),
        "issuer[0].name",
    );
    check(&|config| config.name = "a b".to_owned(), "issuer[0].name");
    check(
        &|config| config.issuer = "idp".to_owned(),
        "issuer[0].issuer",
    );
    check(&|config| config.people = Some(false), "issuer[0].people");
    check(
        &|config| config.max_token_lifetime_s = 0,
        "issuer[0].max_token_lifetime_s",
    );
    check(
        &|config| config.workload = vec![rule("s", &[])],
        "issuer[0].workload[0].claims",
    );
    check(
        &|config| config.workload = vec![rule("s", &[("sub", "**")])],
        "issuer[0].workload[0].claims",
    );
    check(
        &|config| config.workload = vec![rule("", &[("sub", "a")])],
        "issuer[0].workload[0].service",
    );
    check(
        &|config| config.kind = pipeline::identity::IssuerKind::Entra,
        "issuer[0].issuer",
    );
    let any_tenant = |config: &mut IssuerConfig| {
        config.kind = pipeline::identity::IssuerKind::Entra;
        config.issuer = "https://login.microsoftonline.com/common/v2.0".to_owned();
    };
    check(&any_tenant, "issuer[0].entra.tenants");
    let twice = [
        IssuerConfig::new("x", "https://idp.example", &["a"]),
        IssuerConfig::new("y", "https://idp.example", &["b"]),
    ];
    assert_eq!(mistakes(&twice)[0].path, "issuer[1].issuer");
}

#[tokio::test]
async fn the_same_name_at_two_issuers_is_two_services() {
    let clock = testkit::FakeClock::new();
    let ids = std::sync::Arc::new(SeededIds::new(4));
    let second = Idp::builder(std::sync::Arc::new(clock), ids)
        .es256()
        .start()
        .unwrap();
    let rig = Rig::with(IdpBuilder::es256, |idp| {
        let mut configs = machines(idp);
        let mut other = machines(&second).remove(0);
        "gitlab".clone_into(&mut other.name);
        configs.push(other);
        configs
    })
    .await;
    let job = GithubJob::on_main("northwind/app");
    let one = rig.caller(&rig.idp.github_token(&job, "doorward")).await;
    let two = rig.caller(&second.github_token(&job, "doorward")).await;
    assert_eq!((&*one.stable_id, &*two.stable_id), ("release", "release"));
    assert_ne!(one.subject, two.subject);
    let again = GithubJob {
        git_ref: "refs/heads/main".to_owned(),
        ..job
    };
    rig.clock.advance_ms(2_000);
    let later = rig.caller(&rig.idp.github_token(&again, "doorward")).await;
    assert_eq!(later.subject, one.subject);
}
