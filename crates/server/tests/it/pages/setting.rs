//! A running Doorward with a browser of every role, asked in process; and a page, read closely.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use control::people::Person;
use control::{Control, Role};
use domain::{Clock as _, Ids as _, PersonId, SessionId};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use server::demo::world::World;
use server::system::{SystemClock, SystemIds};
use store::Session;
use store::search::Sought;
use testkit::client::html::{self, Html};
use tower::ServiceExt as _;
use web::browser::{Browsers, CONSOLE};

use crate::api::setting::{give, person};

/// Everything.
pub(super) struct Setting {
    pub(super) world: World,
    pub(super) here: Control,
    router: Router,
}

/// Somebody's browser.
#[derive(Clone)]
pub(super) struct Visitor {
    router: Router,
    base: String,
    cookie: String,
    csrf: String,
    pub(super) person: PersonId,
    pub(super) session: SessionId,
}

/// What came.
pub(super) struct Seen {
    pub(super) status: StatusCode,
    pub(super) headers: http::HeaderMap,
    pub(super) text: String,
    pub(super) bytes: Vec<u8>,
}

impl Setting {
    /// Puts a version in force that has this behind the one in force.
    pub(super) async fn adds_to_policy(&self, more: &str) {
        let (store, org) = (&self.here.store, self.here.org);
        let latest = store.latest_policy(org).await.unwrap().unwrap();
        let version = store::PolicyVersion {
            version: latest.version + 1,
            text: format!("{}{more}", latest.text),
            ..latest.clone()
        };
        let put = store.put_policy(org, latest.version, &version);
        put.await.unwrap();
    }

    /// Records of changes of a noun, as soon as there are so many.
    pub(super) async fn changes(&self, noun: &str, wanted: usize) -> Vec<serde_json::Value> {
        let sought = Sought {
            kind: Some("change".to_owned()),
            ..Sought::default()
        };
        let mut changes = Vec::new();
        crate::watch::until(async || {
            let (store, org) = (&self.here.store, self.here.org);
            let found = store.search_records(org, &sought, 100).await.unwrap().0;
            let read = |body: &String| -> serde_json::Value { serde_json::from_str(body).unwrap() };
            changes = found.iter().map(|found| read(&found.body)).collect();
            changes.retain(|change| change["noun"] == noun);
            changes.len() >= wanted
        })
        .await;
        changes
    }

    pub(super) async fn set() -> Self {
        let world = World::start(0).await.unwrap();
        let wired = &world.running.wired;
        let issuers = [("northwind".to_owned(), BTreeSet::new())];
        let here = Control {
            org: wired.org,
            vouching: Arc::new(issuers.into_iter().collect()),
            store: wired.store.clone(),
            ledger: Arc::clone(&wired.pipeline.ledger),
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            vault: wired.control().vault,
            parsed: control::ParsedPolicy::default(),
        };
        let router = wired.router();
        Self {
            world,
            here,
            router,
        }
    }

    /// Ends, and leaves nothing.
    pub(super) async fn end(self) {
        let patience = Duration::from_secs(2);
        self.world.stop(patience).await.unwrap();
    }

    /// Somebody new with a role, signed in a moment ago.
    pub(super) async fn visitor(&self, role: Role) -> Visitor {
        let person = person(&self.here, role.as_str()).await;
        if role != Role::Member {
            give(&self.here, role, person).await;
        }
        self.browser(person, SystemClock.now()).await
    }

    /// A browser in which this person is signed in, and proved who they are at a moment.
    pub(super) async fn browser(&self, person: PersonId, proved: domain::Timestamp) -> Visitor {
        let base = self.world.base.clone();
        let browsers = Browsers {
            public_url: &base,
            ids: &SystemIds,
            cookie: CONSOLE,
        };
        let browser = browsers.new_browser();
        let now = SystemClock.now();
        let session = Session {
            id: SessionId::from_parts(now.unix_ms().unsigned_abs(), SystemIds.random_bits()),
            person,
            client: "Console, a browser".to_owned(),
            created: now,
            ended_at: None,
        };
        let (store, org) = (&self.here.store, self.here.org);
        let hash = browser.hash();
        let begun = store.begin_console_session(org, &session, &hash, proved);
        begun.await.unwrap().unwrap().keep().await.unwrap();
        Visitor {
            router: self.router.clone(),
            cookie: format!("doorward_console={}", browser.secret()),
            csrf: browser.csrf(),
            base,
            person,
            session: session.id,
        }
    }

    /// The person of this id as the store has them.
    pub(super) async fn stored(&self, person: PersonId) -> Person {
        let found = self.here.store.person(self.here.org, person).await;
        found.unwrap().unwrap()
    }

    /// What somebody without a cookie gets.
    pub(super) async fn nobody(&self, path: &str) -> Seen {
        let request = Request::get(path).body(Body::empty()).unwrap();
        seen(&self.router, request).await
    }
}

async fn seen(router: &Router, request: Request<Body>) -> Seen {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Seen {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
        bytes: bytes.to_vec(),
    }
}

impl Visitor {
    pub(super) async fn get(&self, path: &str) -> Seen {
        let request = Request::get(path).header("cookie", &self.cookie);
        seen(&self.router, request.body(Body::empty()).unwrap()).await
    }

    /// Posts a form with this browser's token.
    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        self.send(path, fields, &self.base, &self.csrf).await
    }

    /// Posts a body as it comes, as a form of a page of ours.
    pub(super) async fn pour(&self, path: &str, body: Body) -> Seen {
        let request = Request::post(path)
            .header("cookie", &self.cookie)
            .header("origin", &self.base)
            .header("content-type", "application/x-www-form-urlencoded");
        seen(&self.router, request.body(body).unwrap()).await
    }

    /// Posts a form from an origin, with any token.
    pub(super) async fn send(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        origin: &str,
        csrf: &str,
    ) -> Seen {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", csrf).extend_pairs(fields);
        let request = Request::post(path)
            .header("cookie", &self.cookie)
            .header("origin", origin)
            .header("content-type", "application/x-www-form-urlencoded");
        seen(
            &self.router,
            request.body(Body::from(form.finish())).unwrap(),
        )
        .await
    }
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default()
    }

    pub(super) fn html(&self) -> Html {
        html::parse(&self.text)
    }

    /// Every address of ours that the page leads to.
    pub(super) fn addresses(&self) -> BTreeSet<String> {
        let links = self.html().links.into_iter().map(|(_, to)| to);
        let ours = links.filter(|to| to.starts_with('/'));
        ours.map(|to| to.replace("&#38;", "&").replace("&amp;", "&"))
            .collect()
    }

    /// The values of an attribute, in order.
    pub(super) fn values(&self, attribute: &str) -> Vec<String> {
        let mark = format!(" {attribute}=\"");
        let parts = self.text.split(&mark).skip(1);
        parts
            .filter_map(|part| Some(part.split_once('"')?.0.to_owned()))
            .collect()
    }

    /// That this is a page as every page must be.
    pub(super) fn is_well_made(&self, path: &str) {
        let shown = &self.text;
        for (header, expected) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(self.header(header), expected, "{path}");
        }
        let policy = self.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        if self.status.is_redirection() || self.header("content-type").starts_with("text/csv") {
            return;
        }
        assert!(shown.len() < 150 * 1024, "{path} is {} bytes", shown.len());
        for banned in [
            "style=",
            "<script>",
            "javascript:",
            "<style",
            " onclick=",
            " onload=",
        ] {
            assert!(!shown.contains(banned), "{path} has {banned}");
        }
        assert_eq!(shown.matches("<h1").count(), 1, "{path} has one heading");
        let ids = self.values("id");
        let different: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(
            ids.len(),
            different.len(),
            "{path} has an id twice: {ids:?}"
        );
        for attribute in [
            "aria-labelledby",
            "aria-describedby",
            "for",
            "popovertarget",
        ] {
            for named in self.values(attribute) {
                assert!(ids.contains(&named), "{path}: {attribute} names {named}");
            }
        }
        self.every_field_has_a_label(path);
        is_balanced(shown, path);
    }

    fn every_field_has_a_label(&self, path: &str) {
        let labelled = self.values("for");
        for kind in ["<input ", "<select ", "<textarea "] {
            for part in self.text.split(kind).skip(1) {
                let tag = part.split('>').next().unwrap();
                let id = tag
                    .split("id=\"")
                    .nth(1)
                    .and_then(|rest| rest.split('"').next());
                let is_named = id.is_some_and(|id| labelled.iter().any(|label| label == id));
                let is_fine =
                    tag.contains("type=\"hidden\"") || tag.contains("aria-label") || is_named;
                assert!(is_fine, "{path}: no label for {kind}{tag}");
            }
        }
    }
}

/// Every element that is opened is closed, in the right order.
fn is_balanced(page: &str, path: &str) {
    const EMPTY: [&str; 8] = [
        "meta", "link", "input", "br", "hr", "img", "wbr", "!doctype",
    ];
    let mut open: Vec<String> = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part
            .split_once('>')
            .unwrap_or_else(|| panic!("{path}: a < without its >"));
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '!')
            .collect();
        if tag.starts_with('/') {
            let last = open.pop();
            assert_eq!(
                last.as_deref(),
                Some(name.as_str()),
                "{path}: near {tag:?} after {open:?}"
            );
        } else if !tag.ends_with('/') && !EMPTY.contains(&name.to_lowercase().as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{path}: {open:?} stay open");
}
