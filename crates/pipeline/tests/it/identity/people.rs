//! Company tokens of people: whom they find, what a repeat costs, and what happens when the store is away.

use std::sync::Arc;

use domain::policy::document::{Document, Grant, Who};
use domain::{Credential, Policy, ReasonCode, limits};
use http::HeaderValue;
use pipeline::identity::{IssuerConfig, config};
use serde_json::json;
use testkit::idp::Endpoint;

use super::{AUDIENCE, Rig, ask, bearer, generic};

#[test]
fn an_issuer_is_shown_by_its_display_name_where_it_has_one() {
    let mut issuer = IssuerConfig::new("entra", "https://idp.example", &["app"]);
    assert_eq!(issuer.shown(), "entra");
    for (text, is_fine) in [
        ("Northwind sign-in", true),
        ("", false),
        (" x", false),
        ("a\nb", false),
    ] {
        issuer.display_name = Some(text.to_owned());
        let found = config::mistakes(std::slice::from_ref(&issuer));
        assert_eq!(found.is_empty(), is_fine, "{text:?}: {found:?}");
    }
    issuer.display_name = Some("Northwind sign-in".to_owned());
    assert_eq!(issuer.shown(), "Northwind sign-in");
}

#[tokio::test]
async fn a_person_is_known_by_issuer_and_subject_and_never_by_mail() {
    let rig = Rig::new().await;
    let ada = rig.caller(&rig.token("ada", &json!({}))).await;
    assert_eq!(&*ada.stable_id, rig.idp.person("ada").unwrap().sub);
    assert_eq!(
        (&*ada.issuer, ada.credential),
        ("northwind", Credential::IdToken)
    );
    assert_eq!(
        (ada.email.as_deref(), ada.name.as_deref()),
        (Some("ada@northwind.example"), Some("Ada Lovelace"))
    );
    assert!(ada.groups.contains("engineering") && ada.session.is_none());
    let later = rig
        .caller(&rig.token(
            "ada",
            &json!({"email": "countess@northwind.example", "jti": 2}),
        ))
        .await;
    assert_eq!(later.subject, ada.subject);
    let namesake = rig
        .caller(&rig.token("grace", &json!({"email": "ada@northwind.example"})))
        .await;
    assert_ne!(namesake.subject, ada.subject);
}

#[tokio::test]
async fn access_tokens_and_id_tokens_are_told_apart() {
    let rig = Rig::new().await;
    let person = rig.idp.person("ada").unwrap();
    let access = rig
        .idp
        .mint(&rig.idp.access_claims(&person, "desktop", AUDIENCE));
    let caller = rig.caller(&access).await;
    assert_eq!(caller.credential, Credential::AccessToken);
    let id = rig.caller(&rig.token("ada", &json!({}))).await;
    assert_eq!(id.subject, caller.subject);
}

#[tokio::test]
async fn a_generic_application_is_never_taken_for_a_person() {
    let rig = Rig::new().await;
    let token = rig.token("ada", &json!({"sub": "robot", "client_id": "robot"}));
    assert_eq!(
        rig.ask(&token).await.unwrap_err(),
        ReasonCode::WorkloadUnknown
    );
}

#[tokio::test]
async fn a_token_counts_in_either_header_and_in_both_when_it_is_the_same() {
    let rig = Rig::new().await;
    let token = rig.token("ada", &json!({}));
    let mut both = bearer(&token);
    both.insert("x-api-key", HeaderValue::from_str(&token).unwrap());
    rig.identity.identify(&both).await.unwrap();
    let mut key = http::HeaderMap::new();
    key.insert("x-api-key", HeaderValue::from_str(&token).unwrap());
    rig.identity.identify(&key).await.unwrap();
    both.insert("x-api-key", HeaderValue::from_static("sk-ant-other"));
    let refusal = rig.identity.identify(&both).await.unwrap_err();
    assert_eq!(refusal.code(), ReasonCode::CredentialConflict);
    assert!(
        rig.identity.identify_cached(&both).is_none(),
        "not from memory either"
    );
}

#[tokio::test]
async fn claims_of_a_wrong_form_are_refused_and_what_people_read_is_made_harmless() {
    let rig = Rig::new().await;
    let wrong = [
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": 7}),
        json!({"sub": "x".repeat(limits::CLAIM_CHARS_MAX + 1)}),
        json!({"sub": "a\u{0}b"}),
        json!({"groups": [1]}),
        json!({"groups": {"a": "b"}}),
        json!({"_claim_names": {"groups": "src1"}, "groups": null}),
    ];
    for change in wrong {
        let code = rig.ask(&rig.token("ada", &change)).await.unwrap_err();
        assert!(
            matches!(code, ReasonCode::TokenClaims | ReasonCode::GroupsUnresolved),
            "{change}: {code}"
        );
    }
    let odd = json!({"email": ["a"], "name": "Ada\r\nx-admin: yes"});
    let ada = rig.caller(&rig.token("ada", &odd)).await;
    assert_eq!((ada.email.as_deref(), ada.name.as_deref()), (None, None));
    let turned = json!({"email": "a\u{200f}da@acme.example", "name": "Ada\u{202e}ecalevoL"});
    let ada = rig.caller(&rig.token("ada", &turned)).await;
    assert_eq!(
        (ada.email.as_deref(), ada.name.as_deref()),
        (
            Some("a\u{fffd}da@acme.example"),
            Some("Ada\u{fffd}ecalevoL")
        )
    );
    let long = rig
        .caller(&rig.token("ada", &json!({"name": "ä".repeat(5_000)})))
        .await;
    assert_eq!(
        long.name.as_deref().unwrap().chars().count(),
        limits::CLAIM_CHARS_MAX
    );
}

#[tokio::test]
async fn a_repeat_is_answered_from_memory_without_store_or_provider() {
    let rig = Rig::new().await;
    let headers = bearer(&rig.token("ada", &json!({})));
    assert!(rig.identity.identify_cached(&headers).is_none());
    let first = rig.identity.identify(&headers).await.unwrap();
    rig.idp.refuse_connections().await;
    rig.store.close().await;
    let repeat = rig.identity.identify_cached(&headers).unwrap();
    assert!(Arc::ptr_eq(&first, &repeat));
    assert!(Arc::ptr_eq(
        &first,
        &rig.identity.identify(&headers).await.unwrap()
    ));
}

#[tokio::test]
async fn callers_with_the_same_token_at_once_share_one_verification() {
    let rig = Rig::new().await;
    let token = rig.token("ada", &json!({}));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (identity, token) = (Arc::clone(&rig.identity), token.clone());
        asking.spawn(async move { ask(&identity, &token).await.unwrap() });
    }
    let all = asking.join_all().await;
    assert!(all.iter().all(|verified| Arc::ptr_eq(verified, &all[0])));
}

#[tokio::test]
async fn a_remembered_token_ends_when_it_expires() {
    let rig = Rig::new().await;
    let headers = bearer(&rig.token("ada", &json!({})));
    let verified = rig.identity.identify(&headers).await.unwrap();
    let left = verified.expires.ms_since(domain::Clock::now(&rig.clock));
    rig.clock.advance_ms(left - 1);
    rig.revocations.refresh(&rig.store).await.unwrap();
    assert!(rig.identity.identify_cached(&headers).is_some());
    rig.clock.advance_ms(1);
    assert!(rig.identity.identify_cached(&headers).is_none());
    assert_eq!(
        rig.identity.identify(&headers).await.unwrap_err().code(),
        ReasonCode::TokenExpired
    );
}

#[tokio::test]
async fn a_store_that_is_away_is_our_outage_and_never_a_bad_login() {
    let rig = Rig::new().await;
    rig.store.close().await;
    assert_eq!(
        rig.ask(&rig.token("ada", &json!({}))).await.unwrap_err(),
        ReasonCode::StoreUnavailable
    );
    // Nobody gets that far with a bad token.
    let bad = rig.token("ada", &json!({"aud": "other"}));
    assert_eq!(rig.ask(&bad).await.unwrap_err(), ReasonCode::TokenAudience);
}

#[tokio::test]
async fn a_policy_is_worked_out_once_per_caller_and_version() {
    let rig = Rig::new().await;
    let verified = ask(&rig.identity, &rig.token("ada", &json!({})))
        .await
        .unwrap();
    let grant = |group: &str| {
        let who = Who {
            groups: [group.to_owned()].into(),
            ..Who::default()
        };
        let regions = ["eu".to_owned()].into();
        let grant = Grant {
            name: "g".to_owned(),
            who,
            regions,
            ..serde_json::from_value(json!({"name": "g"})).unwrap()
        };
        Arc::new(
            Policy::new(
                1,
                Document {
                    grant: vec![grant],
                    ..Document::default()
                },
            )
            .unwrap(),
        )
    };
    let (hers, others) = (grant("engineering"), grant("sales"));
    let first = verified.caller_policy(&hers);
    assert_eq!(first.grants.len(), 1);
    assert!(Arc::ptr_eq(&first, &verified.caller_policy(&hers)));
    // The same version number with other content, as a changed spend limit makes it.
    assert_eq!(verified.caller_policy(&others).grants.len(), 0);
    assert_eq!(verified.caller_policy(&hers).grants.len(), 1);
}

#[tokio::test]
async fn a_sign_in_is_proved_by_its_own_nonce_audience_and_issuer() {
    let rig = Rig::new().await;
    let issuer = &rig.identity.issuers()[0];
    let good = rig.token("ada", &json!({"aud": "console", "nonce": "n-1"}));
    let caller = rig.identity.sign_in(issuer, &good, "n-1").await.unwrap();
    assert_eq!(caller.name.as_deref(), Some("Ada Lovelace"));
    let refused = async |change: serde_json::Value, nonce: &str| {
        let token = rig.token("ada", &change);
        rig.identity
            .sign_in(issuer, &token, nonce)
            .await
            .unwrap_err()
            .code()
    };
    assert_eq!(
        refused(json!({"aud": "console", "nonce": "n-1"}), "n-2").await,
        ReasonCode::TokenClaims
    );
    assert_eq!(
        refused(json!({"aud": "console", "nonce": "n-12"}), "n-1").await,
        ReasonCode::TokenClaims
    );
    assert_eq!(
        refused(json!({"aud": "console"}), "n-1").await,
        ReasonCode::TokenClaims
    );
    assert_eq!(
        refused(json!({"aud": "console", "nonce": ""}), "").await,
        ReasonCode::TokenClaims
    );
    assert_eq!(
        refused(json!({"aud": AUDIENCE, "nonce": "n-1"}), "n-1").await,
        ReasonCode::TokenAudience
    );
    assert_eq!(
        refused(json!({"aud": ["console", "x"], "nonce": "n-1"}), "n-1").await,
        ReasonCode::TokenAudience
    );
    // What proves a sign-in is no bearer, unless that audience is listed for bearers too.
    assert_eq!(rig.ask(&good).await.unwrap_err(), ReasonCode::TokenAudience);
}

#[tokio::test]
async fn a_sign_in_answered_by_another_issuer_is_refused() {
    let other = Rig::new().await;
    let rig = Rig::with(testkit::idp::IdpBuilder::es256, |idp| {
        let mut second = generic(&other.idp);
        second.name = "second".to_owned();
        vec![generic(idp), second]
    })
    .await;
    let mixed_up = other.token("ada", &json!({"aud": "console", "nonce": "n-1"}));
    let first = &rig.identity.issuers()[0];
    let refusal = rig
        .identity
        .sign_in(first, &mixed_up, "n-1")
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), ReasonCode::TokenIssuer);
    rig.identity
        .sign_in(&rig.identity.issuers()[1], &mixed_up, "n-1")
        .await
        .unwrap();
}

#[tokio::test]
async fn endpoints_for_sign_in_come_from_the_discovery_document() {
    let rig = Rig::new().await;
    let endpoints = rig.identity.issuers()[0].endpoints().await.unwrap();
    assert_eq!(endpoints.token.unwrap().as_str(), rig.idp.token_url());
    assert_eq!(
        endpoints.authorization.unwrap().as_str(),
        rig.idp.authorize_url()
    );
    assert_eq!(rig.idp.hits(Endpoint::Discovery), 1);
    let down = Rig::new().await;
    down.idp.refuse_connections().await;
    let refusal = down.identity.issuers()[0].endpoints().await.unwrap_err();
    assert_eq!(refusal.code(), ReasonCode::IssuerUnreachable);
}

#[tokio::test]
async fn an_answer_without_or_with_another_iss_is_refused_when_the_issuer_promises_to_state_itself()
{
    for promised in [false, true] {
        let rig = Rig::new().await;
        rig.idp.promise_issuer(promised);
        let ours = rig.idp.issuer();
        let unstated = if promised {
            Err(ReasonCode::TokenIssuer)
        } else {
            Ok(())
        };
        for (stated, expected) in [
            (Some(ours.clone()), Ok(())),
            (None, unstated),
            (Some(String::new()), Err(ReasonCode::TokenIssuer)),
            (Some(format!("{ours}/")), Err(ReasonCode::TokenIssuer)),
            (Some(ours.to_uppercase()), Err(ReasonCode::TokenIssuer)),
            (
                Some("https://evil.example".to_owned()),
                Err(ReasonCode::TokenIssuer),
            ),
        ] {
            let checked = rig.identity.issuers()[0]
                .check_answer(stated.as_deref())
                .await
                .map_err(|refusal| refusal.code());
            assert_eq!(checked, expected, "{stated:?}, promised: {promised}");
        }
    }
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_what_it_promised_is_our_outage() {
    let rig = Rig::new().await;
    rig.idp.refuse_connections().await;
    let checked = rig.identity.issuers()[0].check_answer(None).await;
    assert_eq!(checked.unwrap_err().code(), ReasonCode::IssuerUnreachable);
}
