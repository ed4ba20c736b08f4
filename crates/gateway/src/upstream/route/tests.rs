//! Providers that fail and recover, and callers who would make them seem to.

use std::collections::BTreeMap;

use domain::Timestamp;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use testkit::azure::Imds;
use testkit::provider::DEFAULT_KEY;
use testkit::{FakeClock, Fault, Idp, Provider, SeededIds};

use super::super::client;
use super::super::config::{AuthConfig, ProviderKind};
use super::super::headers;
use super::*;

const BODY: &str =
    r#"{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;

/// Two providers and the way to them; the first is in `eu`, the second in `us`.
struct Rig {
    clock: FakeClock,
    first: Provider,
    second: Provider,
    upstreams: Upstreams,
}

fn config(name: &str, at: &Provider, region: &str, auth: AuthConfig) -> UpstreamConfig {
    UpstreamConfig {
        name: name.into(),
        provider: ProviderKind::Anthropic,
        base_url: Some(at.url()),
        resource: None,
        auth,
        region: Some(region.into()),
        models: vec![],
        model_map: BTreeMap::new(),
    }
}

fn rig() -> Rig {
    let clock = FakeClock::new();
    let start = || {
        Provider::anthropic(Arc::new(clock.clone()))
            .start()
            .unwrap()
    };
    let (first, second) = (start(), start());
    let key = || AuthConfig::ApiKey(DEFAULT_KEY.into());
    let configs = vec![
        config("first", &first, "eu", key()),
        config("second", &second, "us", key()),
    ];
    let upstreams =
        Upstreams::new(configs, client::connect().unwrap(), Arc::new(clock.clone())).unwrap();
    Rig {
        clock,
        first,
        second,
        upstreams,
    }
}

async fn send(
    upstreams: &Upstreams,
    regions: Option<&[&str]>,
    body: &str,
) -> Result<(Arc<str>, u16), Refusal> {
    let mut from_client = HeaderMap::new();
    from_client.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    from_client.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    let request = Outgoing {
        path_and_query: "/v1/messages",
        headers: headers::outgoing(&from_client, None),
        body: Bytes::copy_from_slice(body.as_bytes()),
        envelope: &Envelope::read(body.as_bytes(), 128, None).unwrap(),
    };
    let regions = regions.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    match upstreams
        .send_within(regions.as_ref(), &request, None)
        .await
    {
        Ok(answer) => Ok((answer.upstream, answer.response.status().as_u16())),
        Err(failure) => Err(failure.refusal),
    }
}

impl Rig {
    async fn answered_by(&self) -> Arc<str> {
        let (name, status) = send(&self.upstreams, None, BODY).await.unwrap();
        assert_eq!(status, 200);
        name
    }

    /// Makes the second provider one that is left out, and the first one that works.
    async fn close_second(&self) {
        self.second.fault(Fault::status(500));
        for _ in 0..5 {
            self.first.fault_next(Fault::status(500));
            send(&self.upstreams, None, BODY).await.unwrap();
            assert_eq!(&*self.answered_by().await, "first");
        }
        self.second.heal();
        assert_eq!(self.healthy(), [true, false]);
    }

    fn healthy(&self) -> Vec<bool> {
        self.upstreams
            .states()
            .into_iter()
            .map(|(_, healthy)| healthy)
            .collect()
    }
}

#[tokio::test]
async fn a_provider_that_failed_a_day_ago_takes_over_however_many_calls_the_first_has_answered() {
    let rig = rig();
    rig.close_second().await;
    rig.clock.advance_ms(86_400_000);
    for _ in 0..3 {
        assert_eq!(&*rig.answered_by().await, "first");
    }
    rig.first.fault(Fault::Reset);
    for _ in 0..8 {
        assert_eq!(&*rig.answered_by().await, "second");
    }
}

#[tokio::test]
async fn while_one_call_tries_a_provider_again_others_are_not_lost() {
    let rig = rig();
    rig.close_second().await;
    rig.first.fault(Fault::Reset);
    assert!(send(&rig.upstreams, None, BODY).await.is_err(), "left out");
    rig.clock.advance_ms(30_000);
    let other = rig.upstreams.all[1].health.admit(rig.clock.now());
    assert_eq!(other, Admission::Yes);
    assert_eq!(&*rig.answered_by().await, "second");
}

#[tokio::test]
async fn when_all_are_left_out_all_are_tried() {
    let rig = rig();
    for provider in [&rig.first, &rig.second] {
        provider.fault(Fault::status(500));
    }
    for _ in 0..5 {
        assert_eq!(send(&rig.upstreams, None, BODY).await.unwrap().1, 500);
    }
    assert_eq!(rig.healthy(), [false, false]);
    rig.second.heal();
    assert_eq!(&*rig.answered_by().await, "second");
}

#[tokio::test]
async fn a_provider_that_kept_a_call_waiting_is_left_out_from_the_end_of_the_wait() {
    let rig = rig();
    for _ in 0..4 {
        rig.first.fault_next(Fault::status(500));
        assert_eq!(&*rig.answered_by().await, "second");
    }
    rig.first.fault_next(Fault::Hang);
    let call = rig.answered_by();
    let breaks_off = async {
        rig.first.wait_for(5).await.unwrap();
        rig.clock.advance_ms(120_000);
        rig.first.refuse_connections().await;
    };
    let (name, ()) = tokio::join!(call, breaks_off);
    assert_eq!(&*name, "second");
    assert_eq!(rig.healthy(), [false, true]);
}

#[tokio::test]
async fn whoever_makes_a_provider_say_403_costs_nobody_else_the_provider() {
    let rig = rig();
    for _ in 0..20 {
        rig.first.fault_next(Fault::status(403));
        rig.second.fault_next(Fault::status(403));
        let refusal = send(&rig.upstreams, None, BODY).await.unwrap_err();
        let status = crate::envelope::face_of(refusal.code()).status;
        assert_eq!(status, StatusCode::BAD_GATEWAY, "not their own sign-in");
        assert_eq!(rig.healthy(), [true, true]);
    }
    assert_eq!(&*rig.answered_by().await, "first");
}

#[tokio::test]
async fn a_token_is_thrown_away_only_when_it_is_the_one_refused_with_401_and_once_a_minute() {
    let clock = FakeClock::at(Timestamp::from_unix_s(1_795_232_700));
    let entra = Idp::builder(Arc::new(clock.clone()), Arc::new(SeededIds::new(1)))
        .entra("72f988bf-86f1-41af-91ab-2d7cd011db47")
        .start()
        .unwrap();
    let imds = Imds::start(&entra, Some("system"), &[]).unwrap();
    let provider = Provider::anthropic(Arc::new(clock.clone()))
        .start()
        .unwrap();
    let auth = AuthConfig::ManagedIdentity {
        client_id: None,
        endpoint: Some(imds.url()),
    };
    let configs = vec![config("foundry", &provider, "eu", auth)];
    let client = client::connect().unwrap();
    let upstreams = Upstreams::new(configs, client.clone(), Arc::new(clock.clone())).unwrap();
    let credentials = &upstreams.all[0].credentials;
    let (_, old) = credentials.header(&client).await.unwrap();
    for (fault, wait_ms, asked) in [
        (403, 1_000, 1),
        (403, 60_000, 1),
        (401, 1_000, 1),
        // thrown away by the 401 before, and then not again
        (401, 1_000, 2),
        (401, 1_000, 2),
        (401, 57_999, 2),
        (401, 1, 2),
        (403, 1_000, 3),
    ] {
        provider.fault_next(Fault::status(fault));
        let refusal = send(&upstreams, None, BODY).await.unwrap_err();
        assert_eq!(refusal.code(), ReasonCode::UpstreamCredential);
        assert_eq!(imds.asked(), asked, "{fault}");
        clock.advance_ms(wait_ms);
    }
    clock.advance_ms(60_000);
    credentials.refused(&old);
    credentials.header(&client).await.unwrap();
    assert_eq!(
        imds.asked(),
        3,
        "an old token that is refused says nothing of the new one"
    );
}

#[tokio::test]
async fn a_caller_who_must_stay_in_a_region_cannot_ask_a_provider_to_answer_from_another() {
    let rig = rig();
    let eu: Option<&[&str]> = Some(&["eu"]);
    let both: Option<&[&str]> = Some(&["eu", "us"]);
    let refused = ReasonCode::RegionNotAvailable;
    for (regions, geo, expected) in [
        (eu, r#""us""#, Err(refused)),
        (eu, r#""global""#, Err(refused)),
        (eu, r#""EU""#, Err(refused)),
        (eu, r#""""#, Err(refused)),
        (eu, r#""eu""#, Ok("first")),
        (eu, "null", Ok("first")),
        (both, r#""us""#, Ok("first")),
        (Some(&["ap"][..]), r#""ap""#, Err(refused)),
        (None, r#""us""#, Ok("first")),
    ] {
        let body = BODY.replacen('{', &format!(r#"{{"inference_geo":{geo},"#), 1);
        let seen = rig.first.seen().len();
        let answered = send(&rig.upstreams, regions, &body).await;
        let found = answered.as_ref().map(|(name, _)| &**name);
        assert_eq!(found.map_err(Refusal::code), expected, "{regions:?} {geo}");
        let sent = rig.first.seen().len() - seen;
        assert_eq!(sent, usize::from(expected.is_ok()), "{regions:?} {geo}");
    }
    assert_eq!(send(&rig.upstreams, eu, BODY).await.unwrap().1, 200);
}
