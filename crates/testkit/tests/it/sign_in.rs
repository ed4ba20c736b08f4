//! The actors sign in: by code at the provider, and by device code at a small gateway that keeps the contract strictly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};
use testkit::idp::App;
use testkit::net::{Answers, Ask, Body, Bound, Hangup, ResetSwitch, Server, reply};
use testkit::sign_in::{DEVICE_GRANT, Device};
use testkit::{Browser, CodeFlow, Http, Idp, SeededIds, code_sign_in, device_sign_in};

use super::idp;

/// A gateway with the pages and endpoints of a device sign-in and nothing else. The stand-in for PKCE is fixed: what is tested
/// here is the actor.
#[derive(Clone)]
struct Gateway {
    url: String,
    idp_authorize: String,
    idp_token: String,
    state: Arc<Mutex<HashMap<&'static str, String>>>,
}

const VERIFIER: &str = "a-verifier-that-is-long-enough-to-be-taken-0123456789";
const CHALLENGE: &str = "pzc8KZ6vFlE45qHNEspg64Pqm8bV7ZRj2i-uZrP6JKA";

fn start(idp: &Idp) -> (Server, Gateway) {
    let bound = Bound::to(0).unwrap();
    let gateway = Gateway {
        url: bound.url(),
        idp_authorize: idp.authorize_url(),
        idp_token: idp.token_url(),
        state: Arc::default(),
    };
    idp.register(App::web(
        "gw",
        "s",
        &format!("{}/oauth/callback", gateway.url),
    ));
    (bound.serve(gateway.clone()).unwrap(), gateway)
}

impl Answers for Gateway {
    async fn answer(
        &self,
        request: Request<Incoming>,
        _: ResetSwitch,
    ) -> Result<Response<Body>, Hangup> {
        let ask = Ask::read(request, 65_536).await?;
        Ok(match (&ask.method, &*ask.path) {
            (&Method::GET, "/.well-known/oauth-authorization-server") => {
                reply::json(200, &self.metadata())
            }
            (&Method::POST, "/my/device") => self.begin(&ask),
            (&Method::GET, "/device") => reply::page(200, PAGE.to_owned()),
            (&Method::POST, "/device") => self.to_idp(&ask),
            (&Method::POST, "/device/deny") => reply::page(200, "denied".to_owned()),
            (&Method::GET, "/oauth/callback") => self.callback(&ask).await,
            (&Method::POST, "/my/token") => self.token(&ask),
            (&Method::POST, "/my/revoke") => reply::text(200, ""),
            _ => reply::text(404, "not found"),
        })
    }
}

const PAGE: &str = r#"<title>Sign in a device</title><form method="post" action="/device">
    <label><input type="checkbox" name="accept" value="aup-3" required> I agree</label>
    <button formaction="/device/deny" formnovalidate>Deny</button><button>This is me, let it in</button>
    <input type="hidden" name="user_code" value="WDJK-MPRT"></form>"#;

impl Gateway {
    fn metadata(&self) -> Value {
        json!({"issuer": self.url, "device_authorization_endpoint": format!("{}/my/device", self.url),
               "token_endpoint": format!("{}/my/token", self.url), "revocation_endpoint": format!("{}/my/revoke", self.url)})
    }

    fn begin(&self, ask: &Ask) -> Response<Body> {
        assert_eq!(ask.body, "surface=claude_code");
        let url = format!("{}/device", self.url);
        reply::json(
            200,
            &json!({"device_code": "d-1", "user_code": "WDJK-MPRT", "verification_uri": url,
            "verification_uri_complete": format!("{url}?user_code=WDJK-MPRT"), "expires_in": 600, "interval": 0}),
        )
    }

    fn to_idp(&self, ask: &Ask) -> Response<Body> {
        let form = ask.form();
        assert_eq!(
            (form.text("user_code"), form.text("accept")),
            ("WDJK-MPRT", "aup-3")
        );
        assert_eq!(ask.header("sec-fetch-site"), Some("same-origin"));
        assert_eq!(ask.header("origin"), Some(&*self.url));
        let fields = [
            ("response_type", "code"),
            ("client_id", "gw"),
            ("redirect_uri", &format!("{}/oauth/callback", self.url)),
            ("scope", "openid"),
            ("state", "s-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let to = url::Url::parse_with_params(&self.idp_authorize, fields).unwrap();
        let answer = reply::redirect(to.as_str());
        reply::with(
            answer,
            "set-cookie",
            "gw_dev=c-1; HttpOnly; SameSite=Lax; Max-Age=600; Path=/",
        )
    }

    async fn callback(&self, ask: &Ask) -> Response<Body> {
        let query = ask.query_fields();
        if ask.header("cookie") != Some("gw_dev=c-1") || query.text("state") != "s-1" {
            return reply::page(400, "another browser".to_owned());
        }
        if query.find("error").is_some() {
            return reply::page(403, "You cancelled.".to_owned());
        }
        let form = [
            ("grant_type", "authorization_code"),
            ("redirect_uri", &format!("{}/oauth/callback", self.url)),
            ("code", query.text("code")),
            ("code_verifier", VERIFIER),
        ];
        let answer = Http::new()
            .post(&self.idp_token)
            .basic("gw", "s")
            .form(&form)
            .send()
            .await
            .unwrap();
        let token = answer.expect_status(200).unwrap().json();
        let claims = testkit::token::claims_unchecked(token["id_token"].as_str().unwrap()).unwrap();
        let email = claims["email"].as_str().unwrap().to_owned();
        self.state.lock().unwrap().insert("email", email);
        reply::page(
            200,
            "<h1>Done</h1><p>Go back to your terminal.</p>".to_owned(),
        )
    }

    fn token(&self, ask: &Ask) -> Response<Body> {
        let form = ask.form();
        let mut state = self.state.lock().unwrap();
        if form.text("grant_type") == DEVICE_GRANT
            && state.insert("polled", String::new()).is_none()
        {
            return reply::json(400, &json!({"error": "authorization_pending"}));
        }
        let good = form.text("device_code") == "d-1" || form.text("refresh_token") == "r-1";
        match state.get("email").filter(|_| good) {
            Some(email) => reply::json(
                200,
                &json!({"access_token": "a-1", "token_type": "Bearer", "expires_in": 900,
                "refresh_token": "r-1", "email": email}),
            ),
            None => reply::json(400, &json!({"error": "access_denied"})),
        }
    }
}

#[tokio::test]
async fn a_person_signs_in_by_device_code_through_the_pages() {
    let (builder, _) = idp();
    let idp = builder.start().unwrap();
    let (_server, gateway) = start(&idp);
    let mut session = device_sign_in(&gateway.url, "grace").await.unwrap();
    assert_eq!(session.email.as_deref(), Some("grace@northwind.example"));
    assert_eq!((&*session.access_token, session.expires_in), ("a-1", 900));
    session.refresh().await.unwrap();
    assert_eq!(session.revoke().await.unwrap(), [200, 200]);
    assert!(!format!("{session:?} {:?}", session.actor()).contains("a-1"));
}

#[tokio::test]
async fn a_person_who_denies_or_whom_nobody_knows_gets_no_session() {
    let (builder, _) = idp();
    let idp = builder.start().unwrap();
    let (_server, gateway) = start(&idp);
    let device = Device::begin(&gateway.url).await.unwrap();
    let mut browser = Browser::new();
    let page = browser.open(device.verification_url()).await.unwrap();
    let denied = browser.press(&page, "Deny", &[]).await.unwrap();
    assert_eq!(denied.html.text, "denied");
    assert!(device.finish().await.is_err());
    let at_idp = browser.press(&page, "This is me", &[]).await.unwrap();
    let cancelled = browser.press(&at_idp, "Cancel", &[]).await.unwrap();
    assert_eq!(cancelled.status, 403);
    assert!(device_sign_in(&gateway.url, "nobody").await.is_err());
}

#[tokio::test]
async fn the_callback_in_another_browser_is_of_no_use() {
    let (builder, _) = idp();
    let idp = builder.start().unwrap();
    let (_server, gateway) = start(&idp);
    let device = Device::begin(&gateway.url).await.unwrap();
    let mut victim = Browser::new().stopping_at(&format!("{}/oauth/callback", gateway.url));
    let end = device.approve(&mut victim, "ada").await.unwrap();
    assert!(end.stopped);
    assert_eq!(victim.cookie("gw_dev"), Some("c-1"));
    let elsewhere = Browser::new().open(end.url.as_str()).await.unwrap();
    assert_eq!(elsewhere.status, 400);
}

#[tokio::test]
async fn a_person_signs_in_by_code_straight_at_the_provider_as_desktop_does() {
    let (builder, clock) = idp();
    let idp = builder
        .app(App::native("desktop", "http://127.0.0.1/callback"))
        .start()
        .unwrap();
    let flow = CodeFlow::desktop(&idp.discovery_url(), "desktop");
    let ids = SeededIds::new(3);
    let mut session = code_sign_in(&flow, "alan", &ids).await.unwrap();
    let claims = idp
        .keys()
        .verify(session.id_token.as_deref().unwrap(), &clock)
        .unwrap();
    assert_eq!(
        (&claims["email"], &claims["aud"]),
        (&json!("alan@northwind.example"), &json!("desktop"))
    );
    let before = session.refresh_token.clone();
    session.refresh().await.unwrap();
    assert_ne!(session.refresh_token, before);
    idp.disable("alan");
    assert_eq!(
        session.try_refresh().await.unwrap().json()["error"],
        "invalid_grant"
    );
    assert!(code_sign_in(&flow, "alan", &ids).await.is_err());
}
