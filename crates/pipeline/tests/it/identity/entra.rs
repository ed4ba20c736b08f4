//! Entra's rules: generations of issuers, tenants, templates, keys of one tenant, guests, applications, groups that do not fit.

use domain::{Credential, ReasonCode, Subject, limits};
use pipeline::identity::{IssuerConfig, IssuerKind, WorkloadRule};
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::Idp;
use testkit::idp::{App, Endpoint, IdpBuilder, IdpFault, Person};
use testkit::token::{Algorithm, Key};

use super::{AUDIENCE, Rig, changed, person_of};

const HOME: &str = "aaaaaaaa-2222-4333-8444-555555555555";
const PARTNER: &str = "bbbbbbbb-2222-4333-8444-555555555555";
const STRANGER: &str = "33333333-2222-4333-8444-555555555555";
const CONSUMER: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

fn people(builder: IdpBuilder) -> IdpBuilder {
    let many: Person = (0..250).fold(
        Person::new("many", "Many Groups", "many@northwind.example"),
        |person, number| person.group(&format!("00000000-0000-4000-8000-{number:012}")),
    );
    builder
        .es256()
        .entra(HOME)
        .person(many)
        .person(Person::new("pat", "Pat Partner", "pat@partner.example").of_tenant(PARTNER))
        .person(Person::new("sam", "Sam Stranger", "sam@stranger.example").of_tenant(STRANGER))
        .app(App::machine("graph-reader").secret("graph-secret"))
}

fn home(idp: &Idp) -> IssuerConfig {
    let mut config = IssuerConfig::new("entra", &idp.issuer(), &[AUDIENCE]);
    config.kind = IssuerKind::Entra;
    config.client_id = Some("graph-reader".to_owned());
    config.client_secret = Some(SecretString::from("graph-secret".to_owned()));
    config.entra.sts_url = format!("{}/sts/", idp.url());
    config.entra.graph_url = idp.url().parse().unwrap();
    config.entra.graph_scope = Some("https://graph.microsoft.com/.default".to_owned());
    config
}

fn two_tenants(idp: &Idp) -> IssuerConfig {
    let mut config = home(idp);
    config.issuer = format!("{}/organizations/v2.0", idp.url());
    config.entra.tenants = [HOME, &PARTNER.to_uppercase()].map(str::to_owned).into();
    config
}

async fn rig(config: impl FnOnce(&Idp) -> IssuerConfig) -> Rig {
    Rig::with(people, |idp| vec![config(idp)]).await
}

fn v1(rig: &Rig, who: &str, change: &Value) -> String {
    let claims = changed(
        rig.claims(who, &json!({"iss": rig.idp.issuer_v1(), "ver": "1.0"})),
        change,
    );
    rig.idp.mint(&claims)
}

#[tokio::test]
async fn tokens_of_both_generations_find_the_same_person_by_tenant_and_object_id() {
    let rig = rig(home).await;
    let ada = rig.idp.person("ada").unwrap();
    let two = rig.caller(&rig.token("ada", &json!({}))).await;
    assert_eq!(&*two.stable_id, format!("{HOME}/{}", ada.oid));
    assert_eq!(two.email.as_deref(), Some("ada@northwind.example"));
    assert!(two.groups.contains("engineering"));
    let one = rig.caller(&v1(&rig, "ada", &json!({}))).await;
    assert_eq!(one.subject, two.subject);
    // Mail and name may change, and may be another's; the object id is who it is.
    let renamed = rig
        .caller(&rig.token(
            "ada",
            &json!({"preferred_username": "x@y.example", "sub": "other"}),
        ))
        .await;
    assert_eq!(renamed.subject, two.subject);
    let namesake = rig.token(
        "grace",
        &json!({"preferred_username": "ada@northwind.example", "name": "Ada Lovelace"}),
    );
    assert_ne!(rig.caller(&namesake).await.subject, two.subject);
}

#[tokio::test]
async fn the_claims_must_agree_with_the_issuer() {
    use ReasonCode::{TokenClaims, TokenIssuer, TokenTenant};
    for config in [home as fn(&Idp) -> IssuerConfig, two_tenants] {
        let rig = rig(config).await;
        let base = rig.idp.url();
        let cases = [
            (json!({"tid": PARTNER}), TokenTenant),
            (json!({"tid": "northwind.example"}), TokenTenant),
            (json!({"tid": HOME.to_uppercase()}), TokenTenant),
            (json!({"tid": format!("{HOME} ")}), TokenTenant),
            (json!({"tid": null}), TokenClaims),
            (json!({"tid": [HOME]}), TokenClaims),
            (json!({"oid": null}), TokenClaims),
            (json!({"oid": "ada"}), TokenClaims),
            (json!({"oid": "../../groups/x"}), TokenClaims),
            (json!({"ver": "1.0"}), TokenClaims),
            (json!({"ver": 2}), TokenClaims),
            (
                json!({"iss": format!("{base}/{{tenantid}}/v2.0")}),
                TokenIssuer,
            ),
            (json!({"iss": format!("{base}/common/v2.0")}), TokenIssuer),
            (
                json!({"iss": format!("{base}/organizations/v2.0")}),
                TokenIssuer,
            ),
            (json!({"iss": format!("{base}/{HOME}/v2.0/")}), TokenIssuer),
            (json!({"iss": format!("{base}/{HOME}/")}), TokenIssuer),
            (json!({"iss": format!("{base}/sts/{HOME}")}), TokenIssuer),
            (
                json!({"iss": format!("{base}/{STRANGER}/v2.0"), "tid": STRANGER}),
                TokenTenant,
            ),
            (
                json!({"iss": format!("{base}/sts/{STRANGER}/"), "tid": STRANGER, "ver": "1.0"}),
                TokenTenant,
            ),
            (
                json!({"iss": format!("{base}/{CONSUMER}/v2.0"), "tid": CONSUMER}),
                TokenTenant,
            ),
            (
                json!({"iss": format!("https://sts.windows.net/{HOME}/")}),
                TokenIssuer,
            ),
        ];
        for (change, code) in cases {
            assert_eq!(
                rig.ask(&rig.token("ada", &change)).await.unwrap_err(),
                code,
                "{change}"
            );
        }
        assert_eq!(
            rig.ask(&v1(&rig, "ada", &json!({"ver": "2.0"})))
                .await
                .unwrap_err(),
            TokenClaims
        );
        assert_eq!(
            rig.ask(&v1(&rig, "ada", &json!({"tid": PARTNER})))
                .await
                .unwrap_err(),
            TokenTenant
        );
        rig.caller(&rig.token("ada", &json!({}))).await;
    }
}

#[tokio::test]
async fn a_template_lets_in_the_listed_tenants_and_no_other() {
    let rig = rig(two_tenants).await;
    let pat = rig.caller(&rig.token("pat", &json!({}))).await;
    assert!(pat.stable_id.starts_with(PARTNER));
    rig.caller(&rig.token("ada", &json!({}))).await;
    rig.caller(&v1(&rig, "ada", &json!({}))).await;
    let refusal = rig.refusal(&rig.token("sam", &json!({}))).await;
    assert_eq!(refusal.code(), ReasonCode::TokenTenant);
    assert!(refusal.first().message.contains(STRANGER));
    // The same object id in another tenant is somebody else.
    let oid = rig.idp.person("ada").unwrap().oid;
    let twin = rig.caller(&rig.token("pat", &json!({"oid": oid}))).await;
    assert_ne!(
        twin.subject,
        rig.caller(&rig.token("ada", &json!({}))).await.subject
    );
}

#[tokio::test]
async fn a_key_of_one_tenant_signs_for_that_tenant_alone() {
    let rig = rig(two_tenants).await;
    let base = rig.idp.url();
    let key_of = |tenant: &str| {
        let key = Key::generate(Algorithm::Es256, &format!("key-of-{tenant}"));
        rig.idp
            .keys()
            .publish_for(key.clone(), Some(format!("{base}/{tenant}/v2.0")));
        key
    };
    let (partner, consumer, odd) = (key_of(PARTNER), key_of(CONSUMER), key_of("{tenantid}/x"));
    let (ada, pat) = (rig.claims("ada", &json!({})), rig.claims("pat", &json!({})));
    rig.caller(&partner.sign(&pat)).await;
    for key in [&partner, &consumer, &odd] {
        assert_eq!(
            rig.ask(&key.sign(&ada)).await.unwrap_err(),
            ReasonCode::TokenIssuer,
            "{key:?}"
        );
    }
    assert_eq!(
        rig.ask(&consumer.sign(&pat)).await.unwrap_err(),
        ReasonCode::TokenIssuer
    );
}

#[tokio::test]
async fn guests_are_new_people_and_only_let_in_when_allowed() {
    let strict = rig(home).await;
    let elsewhere = json!({"idp": format!("https://sts.windows.net/{STRANGER}/")});
    for change in [
        elsewhere.clone(),
        json!({"idp": "live.com"}),
        json!({"acct": 1}),
        json!({"acct": "1"}),
    ] {
        let refusal = strict.refusal(&strict.token("alan", &change)).await;
        assert_eq!(refusal.code(), ReasonCode::TokenTenant, "{change}");
        assert!(refusal.first().message.contains("Guest"));
    }
    let home_again = json!({"idp": format!("{}/sts/{HOME}/", strict.idp.url()), "acct": 0});
    strict.caller(&strict.token("alan", &home_again)).await;
    let open = rig(|idp| {
        let mut config = home(idp);
        config.entra.guests = true;
        config
    })
    .await;
    let guest = open.caller(&open.token("alan", &elsewhere)).await;
    assert!(
        guest.stable_id.starts_with(HOME),
        "known by their object id in this tenant"
    );
}

#[tokio::test]
async fn an_application_is_never_taken_for_a_person() {
    let rig = rig(|idp| {
        let mut config = home(idp);
        config.workload = vec![WorkloadRule {
            service: "nightly".to_owned(),
            claims: [("azp".to_owned(), "nightly-app".to_owned())].into(),
            groups: ["robots".to_owned()].into(),
        }];
        config.people = Some(true);
        config
    })
    .await;
    for change in [
        json!({"azpacr": "1"}),
        json!({"idtyp": "app"}),
        json!({"appidacr": "2", "roles": ["Use.All"]}),
    ] {
        let code = rig.ask(&rig.token("ada", &change)).await.unwrap_err();
        assert_eq!(code, ReasonCode::WorkloadUnknown, "{change}");
    }
    let nightly = rig
        .caller(&rig.token("ada", &json!({"azpacr": "1", "azp": "nightly-app"})))
        .await;
    assert!(matches!(nightly.subject, Subject::Service(_)));
    assert_eq!(
        (&*nightly.stable_id, nightly.credential),
        ("nightly", Credential::Workload)
    );
    assert!(nightly.groups.contains("robots"));
    let person = rig
        .caller(&rig.token("ada", &json!({"azpacr": "0", "scp": "use"})))
        .await;
    assert_eq!(person.credential, Credential::AccessToken);
}

#[tokio::test]
async fn groups_that_do_not_fit_are_read_from_our_own_graph_address() {
    let rig = rig(home).await;
    let token = |jti: u32| rig.token("many", &json!({"jti": jti}));
    let many = rig.caller(&token(1)).await;
    assert_eq!(many.groups.len(), 250);
    assert_eq!(
        (
            rig.idp.hits(Endpoint::Graph),
            rig.idp.hits(Endpoint::ClaimSource)
        ),
        (1, 0)
    );
    rig.caller(&token(2)).await;
    assert_eq!(rig.idp.hits(Endpoint::Graph), 1, "remembered for a while");
    rig.clock.advance_ms(limits::DIRECTORY_GROUPS_MS);
    rig.caller(&token(3)).await;
    assert_eq!(
        (rig.idp.hits(Endpoint::Graph), rig.idp.hits(Endpoint::Token)),
        (2, 1)
    );
    let flagged = rig.token("ada", &json!({"groups": null, "hasgroups": true}));
    assert!(rig.caller(&flagged).await.groups.contains("engineering"));
    let malicious = json!({"_claim_sources": {"src1": {"endpoint": format!("{}/claim-source/x", rig.idp.url())}}, "jti": 4});
    rig.caller(&rig.token("many", &malicious)).await;
    assert_eq!(
        rig.idp.hits(Endpoint::ClaimSource),
        0,
        "the address in a token is never asked"
    );
}

#[tokio::test]
async fn groups_that_cannot_be_read_mean_no_entry_rather_than_fewer_groups() {
    let rig = rig(home).await;
    rig.caller(&rig.token("many", &json!({"jti": 0}))).await;
    rig.clock.advance_ms(limits::DIRECTORY_GROUPS_MS);
    let faults = [
        IdpFault::Status(403),
        IdpFault::Status(500),
        IdpFault::Garbage,
        IdpFault::WrongShape,
        IdpFault::Huge,
    ];
    for (number, (endpoint, fault)) in [Endpoint::Graph, Endpoint::Token]
        .iter()
        .flat_map(|e| faults.map(|f| (*e, f)))
        .enumerate()
    {
        // Past the life of the token for Graph, so that a new one is needed each time.
        rig.clock.advance_ms(2 * 3_600_000);
        rig.revocations.refresh(&rig.store).await.unwrap();
        rig.idp.break_endpoint(endpoint, fault);
        let token = rig.token("many", &json!({"jti": number}));
        assert_eq!(
            rig.ask(&token).await.unwrap_err(),
            ReasonCode::GroupsUnresolved,
            "{endpoint:?} {fault:?}"
        );
        rig.idp.heal();
        rig.caller(&token).await;
    }
}

#[tokio::test]
async fn without_a_directory_look_up_too_many_groups_are_refused_and_roles_are_the_way_out() {
    let bare = rig(|idp| {
        let mut config = home(idp);
        config.client_secret = None;
        config
    })
    .await;
    assert_eq!(
        bare.ask(&bare.token("many", &json!({}))).await.unwrap_err(),
        ReasonCode::GroupsUnresolved
    );
    let by_role = rig(|idp| {
        let mut config = home(idp);
        config.client_secret = None;
        config.groups_claim = "roles".to_owned();
        config
    })
    .await;
    let many = by_role
        .caller(&by_role.token("many", &json!({"roles": ["Claude.User"]})))
        .await;
    assert_eq!(many.groups.iter().collect::<Vec<_>>(), ["Claude.User"]);
    let both = bare
        .caller(&bare.token("ada", &json!({"roles": ["Claude.Admin"]})))
        .await;
    assert!(both.groups.contains("Claude.Admin") && both.groups.contains("engineering"));
}

#[tokio::test]
async fn an_application_with_keys_of_its_own_is_named_in_the_discovery_address() {
    let listener = super::keys::Published::start(json!({})).await;
    let origin = listener.url.trim_end_matches("/keys").to_owned();
    let rig = rig(|idp| {
        let mut config = home(idp);
        config.issuer = format!("{origin}/{HOME}/v2.0");
        config.entra.discovery_appid = Some("6f1c".to_owned());
        config
    })
    .await;
    rig.identity.warm_up().await;
    let expected = format!("GET /{HOME}/v2.0/.well-known/openid-configuration?appid=6f1c HTTP/1.1");
    assert_eq!(listener.first_line(), expected);
}

#[tokio::test]
async fn v1_keys_are_asked_for_only_when_a_v1_token_comes() {
    let rig = rig(home).await;
    rig.identity.warm_up().await;
    rig.caller(&rig.token("ada", &json!({}))).await;
    assert_eq!(rig.idp.hits(Endpoint::Discovery), 1);
    let ada = rig.caller(&v1(&rig, "ada", &json!({}))).await;
    assert_eq!(rig.idp.hits(Endpoint::Discovery), 2);
    person_of(&ada);
}

#[tokio::test]
async fn a_sign_in_is_answered_in_a_trusted_tenants_own_name_or_not_at_all() {
    let rig = rig(two_tenants).await;
    let issuer = &rig.identity.issuers()[0];
    let of = |tenant: &str| format!("{}/{tenant}/v2.0", rig.idp.url());
    for (stated, expected) in [
        (of(HOME), Ok(())),
        (of(PARTNER), Ok(())),
        (of(STRANGER), Err(ReasonCode::TokenIssuer)),
        (of("{tenantid}"), Err(ReasonCode::TokenIssuer)),
        (of("organizations"), Err(ReasonCode::TokenIssuer)),
        (rig.idp.issuer_v1(), Err(ReasonCode::TokenIssuer)),
    ] {
        let checked = issuer.check_answer(Some(&stated)).await;
        assert_eq!(
            checked.map_err(|refusal| refusal.code()),
            expected,
            "{stated}"
        );
    }
}
