//! How people sign in: by device code, as Claude Code does, or by code and PKCE straight at the identity provider, as Claude
//! Desktop does.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use domain::Ids;
use serde_json::Value;
use url::Url;

use crate::Actor;
use crate::client::html::{Button, Form};
use crate::client::{Answer, Browser, ClientError, Http, Page};
use crate::limits::{DEVICE_POLLS_MAX, SIGN_IN_PAGES_MAX};
use crate::token::b64;

/// The grant type of RFC 8628.
pub const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What a sign-in ends with.
#[derive(Clone, Default)]
pub struct Session {
    /// The gateway or provider it is with, without a slash at the end.
    pub base: String,
    /// The access token.
    pub access_token: String,
    /// The ID token, where there is one.
    pub id_token: Option<String>,
    /// The refresh token, where there is one.
    pub refresh_token: Option<String>,
    /// Seconds the access token lives.
    pub expires_in: u64,
    /// Who the gateway says signed in.
    pub email: Option<String>,
    token_url: String,
    revocation_url: Option<String>,
    client_id: Option<String>,
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Session")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// A gateway's device sign-in that somebody is about to complete.
#[derive(Debug, Clone)]
pub struct Device {
    /// What the gateway answered: codes, addresses, `interval`, `login_notice`.
    pub answer: Value,
    base: String,
    token_url: String,
    revocation_url: Option<String>,
}

/// Signs a person in at a gateway by device code, from discovery to token.
///
/// Errors: the pages led to a refusal, which the error shows, or the gateway gave no session.
pub async fn device_sign_in(base: &str, person: &str) -> Result<Session, ClientError> {
    let device = Device::begin(base).await?;
    let end = device.approve(&mut Browser::new(), person).await?;
    if end.status == 200 {
        device.finish().await
    } else {
        Err(end.unexpected("a page that says the sign-in is done"))
    }
}

impl Device {
    /// Asks the gateway for a device code, exactly as Claude Code does.
    pub async fn begin(base: &str) -> Result<Self, ClientError> {
        let http = Http::new();
        let discovered = http
            .get(&format!("{base}/.well-known/oauth-authorization-server"))
            .header("user-agent", "claude-code/2.1.329")
            .send()
            .await?;
        let metadata = discovered.expect_status(200)?.json();
        let endpoint = |name: &str, fallback: &str| {
            let stated = metadata[name].as_str().filter(|url| same_origin(url, base));
            stated.map_or_else(|| format!("{base}{fallback}"), str::to_owned)
        };
        let answer = http
            .post(&endpoint(
                "device_authorization_endpoint",
                "/oauth/device_authorization",
            ))
            .header("user-agent", "claude-code/2.1.329")
            .form(&[("surface", "claude_code")])
            .send()
            .await?;
        Ok(Self {
            answer: answer.expect_status(200)?.json(),
            base: base.to_owned(),
            token_url: endpoint("token_endpoint", "/oauth/token"),
            revocation_url: metadata["revocation_endpoint"].as_str().map(str::to_owned),
        })
    }

    /// Where the person is sent.
    pub fn verification_url(&self) -> &str {
        self.answer["verification_uri_complete"]
            .as_str()
            .unwrap_or_default()
    }

    /// The code on the person's screen.
    pub fn user_code(&self) -> &str {
        self.answer["user_code"].as_str().unwrap_or_default()
    }

    /// Walks through the pages as the person would: confirms the code, picks the person at the provider, says yes to the rest.
    /// Returns the last page.
    pub async fn approve(&self, browser: &mut Browser, person: &str) -> Result<Page, ClientError> {
        let first = browser.open(self.verification_url()).await?;
        say_yes(browser, first, person).await
    }

    /// Asks once for the outcome.
    pub async fn poll(&self) -> Result<Answer, ClientError> {
        let code = self.answer["device_code"].as_str().unwrap_or_default();
        Http::new()
            .post(&self.token_url)
            .header("user-agent", "claude-code/2.1.329")
            .form(&[("grant_type", DEVICE_GRANT), ("device_code", code)])
            .send()
            .await
    }

    /// Asks for the outcome until it is there; waits as the gateway's `interval` says in between.
    pub async fn finish(&self) -> Result<Session, ClientError> {
        let interval = Duration::from_secs(self.answer["interval"].as_u64().unwrap_or(5).min(10));
        for _ in 0..DEVICE_POLLS_MAX {
            let answer = self.poll().await?;
            if answer.status == 200 {
                return Ok(self.session(&answer.json()));
            }
            let body = answer.json();
            let error = body["error"].as_str().unwrap_or_default();
            if !matches!(error, "authorization_pending" | "slow_down") {
                return Err(answer.unexpected("a session"));
            }
            tokio::time::sleep(interval).await;
        }
        Err(ClientError::TooLong("the device sign-in"))
    }

    fn session(&self, body: &Value) -> Session {
        let mut session = Session {
            base: self.base.clone(),
            token_url: self.token_url.clone(),
            revocation_url: self.revocation_url.clone(),
            ..Session::default()
        };
        session.take(body);
        session
    }
}

fn same_origin(url: &str, base: &str) -> bool {
    match (Url::parse(url), Url::parse(base)) {
        (Ok(url), Ok(base)) => url.origin() == base.origin(),
        _ => false,
    }
}

/// Opens a page of the gateway and goes forward from it as the person would, to the last page.
pub async fn go_forward(
    browser: &mut Browser,
    url: &str,
    person: &str,
) -> Result<Page, ClientError> {
    let first = browser.open(url).await?;
    say_yes(browser, first, person).await
}

/// Presses the way forward on every page until there is none: the person's own button where people are listed, otherwise the
/// first button that does not decline.
async fn say_yes(browser: &mut Browser, first: Page, person: &str) -> Result<Page, ClientError> {
    let mut page = first;
    for _ in 0..SIGN_IN_PAGES_MAX {
        if page.status != 200 || page.stopped {
            return Ok(page);
        }
        let Some((form, button)) = way_forward(&page, person)? else {
            return Ok(page);
        };
        page = browser.submit(&page, form, button, &[]).await?;
    }
    Err(page.unexpected("the end of a sign-in"))
}

fn way_forward<'p>(
    page: &'p Page,
    person: &str,
) -> Result<Option<(&'p Form, &'p Button)>, ClientError> {
    if !page.buttons().any(|(_, button)| button.name == "person") {
        let mut forward = page.buttons();
        return Ok(forward.find(|(form, button)| form.method == "post" && !declines(button)));
    }
    let theirs = |button: &Button| button.name == "person" && button.value == person;
    let found = page.buttons().find(|(_, button)| theirs(button));
    found
        .map(Some)
        .ok_or_else(|| page.unexpected(&format!("a button for {person}")))
}

fn declines(button: &Button) -> bool {
    let words = format!(
        "{} {} {} {}",
        button.label,
        button.name,
        button.value,
        button.action.as_deref().unwrap_or_default()
    );
    let words = words.to_lowercase();
    ["deny", "cancel", "not me", "sign out", "decline"]
        .iter()
        .any(|no| words.contains(no))
}

/// What Claude Desktop is configured with to sign in straight at the identity provider.
#[derive(Debug, Clone)]
pub struct CodeFlow {
    /// The provider's discovery document.
    pub discovery_url: String,
    /// The application's client id.
    pub client_id: String,
    /// Where the application listens.
    pub redirect_uri: String,
    /// What it asks for.
    pub scope: String,
    /// The resource of RFC 8707, if any.
    pub resource: Option<String>,
}

impl CodeFlow {
    /// Claude Desktop's way: public client, loopback redirect, `openid profile email offline_access`.
    pub fn desktop(discovery_url: &str, client_id: &str) -> Self {
        Self {
            discovery_url: discovery_url.to_owned(),
            client_id: client_id.to_owned(),
            redirect_uri: "http://127.0.0.1:53682/callback".to_owned(),
            scope: "openid profile email offline_access".to_owned(),
            resource: None,
        }
    }
}

/// Signs a person in with code and PKCE at the identity provider itself. The application's own listener is played, not opened.
pub async fn code_sign_in(
    flow: &CodeFlow,
    person: &str,
    ids: &dyn Ids,
) -> Result<Session, ClientError> {
    let http = Http::new();
    let metadata = http
        .get(&flow.discovery_url)
        .send()
        .await?
        .expect_status(200)?
        .json();
    let (verifier, state, nonce) = (secret(ids), secret(ids), secret(ids));
    let challenge = b64(digest(&SHA256, verifier.as_bytes()));
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", &flow.client_id),
        ("redirect_uri", &flow.redirect_uri),
        ("scope", &flow.scope),
        ("state", &state),
        ("nonce", &nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    if let Some(resource) = &flow.resource {
        fields.push(("resource", resource));
    }
    let authorize = metadata["authorization_endpoint"]
        .as_str()
        .unwrap_or_default();
    let url = Url::parse_with_params(authorize, &fields)
        .map_err(|_| ClientError::Unsendable(authorize.to_owned()))?;
    let mut browser = Browser::new().stopping_at(&flow.redirect_uri);
    let first = browser.open(url.as_str()).await?;
    let end = say_yes(&mut browser, first, person).await?;
    let field = |name: &str| {
        let mut pairs = end.url.query_pairs();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let code = field("code");
    if !end.stopped || code.is_empty() || field("state") != state {
        return Err(end.unexpected("a code and our state at the redirect address"));
    }
    let token_url = metadata["token_endpoint"].as_str().unwrap_or_default();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &*flow.client_id),
        ("redirect_uri", &*flow.redirect_uri),
        ("code_verifier", &*verifier),
        ("code", &*code),
    ];
    let body = http
        .post(token_url)
        .form(&form)
        .send()
        .await?
        .expect_status(200)?
        .json();
    let mut session = Session {
        base: metadata["issuer"].as_str().unwrap_or_default().to_owned(),
        token_url: token_url.to_owned(),
        client_id: Some(flow.client_id.clone()),
        ..Session::default()
    };
    session.take(&body);
    Ok(session)
}

fn secret(ids: &dyn Ids) -> String {
    let mut bytes = [0u8; 36];
    ids.fill(&mut bytes);
    b64(bytes)
}

impl Session {
    fn take(&mut self, body: &Value) {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        self.access_token = text("access_token").unwrap_or_default();
        self.id_token = text("id_token");
        self.refresh_token = text("refresh_token").or_else(|| self.refresh_token.take());
        self.expires_in = body["expires_in"].as_u64().unwrap_or_default();
        self.email = text("email").or_else(|| self.email.take());
    }

    /// The person's client at the gateway they signed in at.
    pub fn actor(&self) -> Actor {
        Actor::with_bearer(&self.base, &self.access_token)
    }

    /// The person's Claude Desktop at a gateway: brings the ID token, as it does by default.
    pub fn desktop_actor(&self, gateway: &str) -> Actor {
        let token = self.id_token.as_deref().unwrap_or(&self.access_token);
        Actor::with_bearer(gateway, token)
    }

    /// Refreshes the session and takes the new tokens.
    ///
    /// Errors: the gateway refused; the session is as before.
    pub async fn refresh(&mut self) -> Result<(), ClientError> {
        let answer = self.try_refresh().await?.expect_status(200)?;
        self.take(&answer.json());
        Ok(())
    }

    /// Sends the refresh request and returns the answer, whatever it is; the session stays as it is.
    pub async fn try_refresh(&self) -> Result<Answer, ClientError> {
        let token = self.refresh_token.as_deref().unwrap_or_default();
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        if let Some(client_id) = &self.client_id {
            form.push(("client_id", client_id));
        }
        Http::new()
            .post(&self.token_url)
            .header("user-agent", "claude-code/2.1.329")
            .form(&form)
            .send()
            .await
    }

    /// Signs out as Claude Code does: two requests, the access token first. Returns both answers' statuses; none when the
    /// gateway states no revocation endpoint.
    pub async fn revoke(&self) -> Result<Vec<u16>, ClientError> {
        let Some(url) = &self.revocation_url else {
            return Ok(Vec::new());
        };
        let http = Http::new();
        let mut statuses = vec![
            http.post(url)
                .form(&[("token", &self.access_token)])
                .send()
                .await?
                .status,
        ];
        if let Some(refresh) = &self.refresh_token {
            let form = [("token", &**refresh), ("token_type_hint", "refresh_token")];
            statuses.push(http.post(url).form(&form).send().await?.status);
        }
        Ok(statuses)
    }
}
