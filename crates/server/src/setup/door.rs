//! The way in to the walk, and its addresses. Only the browser that brought the link's secret comes in, only under the name `localhost`,
//! and only with forms of our own pages: another site's page that the same browser shows can neither read nor send anything here.

use std::sync::{Arc, Mutex as Lock, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use gateway::signin::oidc::CALLBACK;
use http::header::{HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use web::browser::{self, Browser, Browsers};
use web::page::guard;

use super::pages::message;
use super::steps;
use super::walk::Walk;
use crate::system::SystemIds;

/// The first page, to which the link leads.
pub const ENTRANCE: &str = "/setup";

/// Everything the walk stands on.
#[derive(Debug)]
pub struct Door {
    /// Where it stands. One at a time: one person walks.
    pub walk: Mutex<Walk>,
    /// Its end.
    pub done: CancellationToken,
    origin: String,
    /// The public host, as far as it was typed, to which an identity provider may lead back.
    public_host: Lock<String>,
    /// The hash of the link's secret, until it is used.
    key: Lock<Option<String>>,
    /// The hash of the browser's cookie.
    inside: Lock<Option<String>>,
}

impl Door {
    /// The door to a walk, and the secret that opens it once.
    pub fn new(walk: Walk) -> (Self, String) {
        let secret = browser::new_secret(&SystemIds);
        let door = Self {
            origin: walk.at.origin.clone(),
            walk: Mutex::new(walk),
            done: CancellationToken::new(),
            public_host: Lock::default(),
            key: Lock::new(Some(browser::hash(&secret))),
            inside: Lock::default(),
        };
        (door, secret)
    }

    /// The origin of its pages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Lets the identity provider lead back by the public address.
    pub fn expect_at(&self, public_url: &str) {
        let host = public_url.split_once("://").map_or("", |(_, host)| host);
        host.clone_into(&mut held(&self.public_host));
    }

    fn browsers(&self) -> Browsers<'_> {
        Browsers {
            public_url: &self.origin,
            ids: &SystemIds,
            cookie: browser::SETUP,
        }
    }

    /// The browser that is inside.
    fn known(&self, headers: &HeaderMap) -> Option<Browser> {
        let browser = self.browsers().known(headers)?;
        let inside = held(&self.inside);
        let hash = inside.as_deref()?;
        verify_slices_are_equal(hash.as_bytes(), browser.hash().as_bytes()).ok()?;
        Some(browser)
    }

    /// Uses the link's secret up.
    fn open(&self, secret: &str) -> Option<Browser> {
        let mut key = held(&self.key);
        let wanted = key.as_deref()?;
        verify_slices_are_equal(wanted.as_bytes(), browser::hash(secret).as_bytes()).ok()?;
        *key = None;
        let browser = self.browsers().new_browser();
        *held(&self.inside) = Some(browser.hash());
        Some(browser)
    }

    /// The token of the forms of the browser that is inside.
    pub fn csrf(&self, headers: &HeaderMap) -> String {
        self.known(headers)
            .map_or_else(String::new, |browser| browser.csrf())
    }

    /// Whether a form is one of ours.
    pub fn is_ours(&self, headers: &HeaderMap, csrf: &str) -> bool {
        self.browsers().changing(headers, csrf).is_ok()
    }
}

fn held<T>(lock: &Lock<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that is served meanwhile.
pub fn router(door: Arc<Door>) -> Router {
    Router::new()
        .route(ENTRANCE, get(entrance))
        .merge(steps::routes())
        .with_state(Arc::clone(&door))
        .layer(from_fn_with_state(Arc::clone(&door), inside_only))
        .merge(web::assets::routes())
        .fallback(|| async {
            message(
                StatusCode::NOT_FOUND,
                "There is nothing here",
                "The walk has its steps and nothing else; Doorward itself is not running yet.",
            )
        })
        .layer(from_fn_with_state(door, by_our_name))
}

/// The link's secret.
#[derive(Deserialize)]
struct Key {
    key: Option<String>,
}

async fn entrance(
    State(door): State<Arc<Door>>,
    Query(Key { key }): Query<Key>,
    headers: HeaderMap,
) -> Response {
    if door.known(&headers).is_some() {
        let path = door.walk.lock().await.first_open().path();
        return Redirect::to(path).into_response();
    }
    // What a page of another site leads to would open the walk before its reader knows of it.
    if Browsers::is_from_another_site(&headers) {
        return closed();
    }
    let Some(browser) = key.and_then(|key| door.open(&key)) else {
        return closed();
    };
    let path = door.walk.lock().await.first_open().path();
    let mut response = Redirect::to(path).into_response();
    guard(response.headers_mut(), &[]);
    let cookie = door.browsers().set_cookie(&browser);
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

fn closed() -> Response {
    message(
        StatusCode::FORBIDDEN,
        "Open the link that the terminal shows",
        "It opens this walk once, in one browser. If it was used in another one, end doorward setup in the terminal and start it again; nothing was written.",
    )
}

/// Everything but the entrance is for the browser inside.
async fn inside_only(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    if request.uri().path() != ENTRANCE && door.known(request.headers()).is_none() {
        return closed();
    }
    let mut response = next.run(request).await;
    guard_plain(&mut response);
    response
}

/// Redirects have the headers of pages as well.
fn guard_plain(response: &mut Response) {
    if response.headers().contains_key(LOCATION) {
        guard(response.headers_mut(), &[]);
    }
}

/// Only requests to `localhost` at our port, so that a name that somebody else owns and leads here opens nothing. The identity provider may
/// lead back by the public address; from there it goes on to `localhost`, where the cookie is.
async fn by_our_name(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) => host.to_ascii_lowercase(),
        _ => String::new(),
    };
    let ours = door.origin.strip_prefix("http://").unwrap_or_default();
    if host == ours {
        return next.run(request).await;
    }
    let public = held(&door.public_host).to_ascii_lowercase();
    let is_return = request.method() == http::Method::GET
        && request.uri().path() == CALLBACK
        && !public.is_empty()
        && host == public;
    let query = request.uri().query().unwrap_or_default();
    if is_return {
        let to = format!("{}{CALLBACK}?{query}", door.origin);
        let mut response = Redirect::to(&to).into_response();
        guard(response.headers_mut(), &[]);
        return response;
    }
    let lead = format!("This walk is at {ours} alone; open the link that the terminal shows.");
    message(StatusCode::MISDIRECTED_REQUEST, "Not here", &lead)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::header::COOKIE;
    use tower::ServiceExt as _;

    use super::super::known::Kind;
    use super::*;

    struct House {
        door: Arc<Door>,
        secret: String,
        _folder: tempfile::TempDir,
    }

    fn house() -> House {
        let folder = tempfile::tempdir().unwrap();
        let (door, secret) = Door::new(super::super::walk::tests::walk(folder.path()));
        House {
            door: Arc::new(door),
            secret,
            _folder: folder,
        }
    }

    impl House {
        async fn ask(
            &self,
            method: &str,
            path: &str,
            headers: &[(&str, &str)],
            body: &str,
        ) -> Response {
            let mut request = Request::builder().method(method).uri(path);
            if headers.iter().all(|(name, _)| *name != "host") {
                request = request.header("host", "localhost:8080");
            }
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::from(body.to_owned())).unwrap();
            router(Arc::clone(&self.door))
                .oneshot(request)
                .await
                .unwrap()
        }

        async fn enter(&self) -> String {
            let path = format!("/setup?key={}", self.secret);
            let response = self.ask("GET", &path, &[], "").await;
            assert_eq!(response.status(), StatusCode::SEE_OTHER);
            let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
            cookie.split(';').next().unwrap().to_owned()
        }
    }

    const STEP: &str = "/setup/organisation";

    #[tokio::test]
    async fn the_link_opens_once_for_one_browser() {
        let house = house();
        assert_eq!(
            house.ask("GET", STEP, &[], "").await.status(),
            StatusCode::FORBIDDEN
        );
        let cookie = house.enter().await;
        let path = format!("/setup?key={}", house.secret);
        assert_eq!(
            house.ask("GET", &path, &[], "").await.status(),
            StatusCode::FORBIDDEN
        );
        let inside = house
            .ask("GET", STEP, &[(COOKIE.as_str(), &cookie)], "")
            .await;
        assert_eq!(inside.status(), StatusCode::OK);
        let forged = format!("doorward_setup={}", "A".repeat(43));
        let outside = house
            .ask("GET", STEP, &[(COOKIE.as_str(), &forged)], "")
            .await;
        assert_eq!(outside.status(), StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn a_wrong_secret_uses_nothing_up_and_another_sites_link_opens_nothing() {
        let house = house();
        for wrong in ["", "x", &"A".repeat(43)] {
            let path = format!("/setup?key={wrong}");
            assert_eq!(
                house.ask("GET", &path, &[], "").await.status(),
                StatusCode::FORBIDDEN
            );
        }
        let path = format!("/setup?key={}", house.secret);
        let led = house
            .ask("GET", &path, &[("sec-fetch-site", "cross-site")], "")
            .await;
        assert_eq!(led.status(), StatusCode::FORBIDDEN);
        house.enter().await;
    }

    #[tokio::test]
    async fn a_name_that_is_not_localhost_opens_nothing_at_all() {
        let house = house();
        let cookie = house.enter().await;
        for host in [
            "evil.example:8080",
            "127.0.0.1:8080",
            "localhost",
            "localhost:80",
            "localhost:8080.evil.example",
            "",
        ] {
            for path in [
                STEP,
                "/setup",
                "/oauth/callback?code=x&state=y",
                "/assets/x",
            ] {
                let headers = [("host", host), (COOKIE.as_str(), &*cookie)];
                let response = house.ask("GET", path, &headers, "").await;
                assert_eq!(
                    response.status(),
                    StatusCode::MISDIRECTED_REQUEST,
                    "{host} {path}"
                );
            }
        }
    }

    #[tokio::test]
    async fn the_public_address_leads_back_to_localhost_and_to_nothing_else() {
        let house = house();
        house.door.expect_at("https://ai.example.org");
        let host = ("host", "ai.example.org");
        let back = house
            .ask("GET", "/oauth/callback?code=c&state=s", &[host], "")
            .await;
        assert_eq!(back.status(), StatusCode::SEE_OTHER);
        assert_eq!(
            back.headers()[LOCATION],
            "http://localhost:8080/oauth/callback?code=c&state=s"
        );
        for path in ["/setup", STEP, "/"] {
            let response = house.ask("GET", path, &[host], "").await;
            assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST, "{path}");
        }
    }

    #[tokio::test]
    async fn a_form_of_another_site_changes_nothing() {
        let house = house();
        let cookie = house.enter().await;
        let typed = "org=Evil&public_url=http://localhost:8080";
        for headers in [
            vec![("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site")],
            vec![("origin", "https://evil.example")],
            vec![("sec-fetch-site", "same-origin")],
        ] {
            let mut all = vec![(COOKIE.as_str(), &*cookie)];
            all.extend(headers);
            let response = house.ask("POST", STEP, &all, typed).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
        }
        assert!(house.door.walk.lock().await.organisation.name.is_empty());
    }

    #[tokio::test]
    async fn another_sites_link_undoes_nothing_that_was_typed() {
        let house = house();
        let cookie = house.enter().await;
        {
            let mut walk = house.door.walk.lock().await;
            walk.organisation.is_done = true;
            walk.issuer.turn_to(Kind::Google);
            "typed".clone_into(&mut walk.issuer.client_id);
        }
        let look = async |site: &str| {
            let headers = [(COOKIE.as_str(), &*cookie), ("sec-fetch-site", site)];
            let path = "/setup/issuer?kind=okta";
            let response = house.ask("GET", path, &headers, "").await;
            assert_eq!(response.status(), StatusCode::OK);
            house.door.walk.lock().await.issuer.client_id.clone()
        };
        assert_eq!(look("cross-site").await, "typed");
        assert_eq!(look("same-origin").await, "", "another kind begins anew");
    }

    #[tokio::test]
    async fn a_later_step_leads_back_to_the_one_that_is_open() {
        let house = house();
        let cookie = house.enter().await;
        for path in [
            "/setup/owner",
            "/setup/upstream",
            "/setup/policy",
            "/setup/write",
            "/setup/issuer",
        ] {
            let response = house
                .ask("GET", path, &[(COOKIE.as_str(), &cookie)], "")
                .await;
            assert_eq!(response.status(), StatusCode::SEE_OTHER, "{path}");
            assert_eq!(response.headers()[LOCATION], STEP, "{path}");
        }
        let csrf = {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(&cookie).unwrap())]);
            house.door.csrf(&headers)
        };
        let headers = [
            (COOKIE.as_str(), &*cookie),
            ("sec-fetch-site", "same-origin"),
        ];
        let write = house
            .ask("POST", "/setup/write", &headers, &format!("csrf={csrf}"))
            .await;
        assert_eq!(write.status(), StatusCode::SEE_OTHER);
    }
}
