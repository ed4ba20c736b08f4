//! Notices of what waits for somebody, as receivers get them: every form whole and signed, nothing of the call's arguments, no redirect followed, and
//! a receiver that does not take one keeps it from nobody else. Of a running program, so that its log is the one an operator reads.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use control::Actor;
use control::approvals::{self, Call, Sought};
use domain::approval::{About, Approver};
use domain::{AccessRequestId, AccessState, AskedKind, Clock as _, Ids as _};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use server::demo::world::Stage;
use server::system::{SystemClock, SystemIds};
use server::wiring;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};
use store::{AccessEnd, AccessRequest, Asking};
use testkit::Http;

use crate::api::setting::person;
use crate::run::program;
use crate::watch::until;

/// What signs messages.
const SECRET: &str = "a-secret-of-more-than-32-characters";
/// What opens a chat by itself, in the address.
const KEY: &str = "key-4711-of-a-chat";
/// An argument of the call.
const ARGUMENT: &str = "M-4411 moves to Rotterdam";

/// One message that came.
#[derive(Debug, Clone)]
struct Came {
    path: String,
    headers: HeaderMap,
    body: String,
}

type Inbox = Arc<Mutex<Vec<Came>>>;

/// Keeps what comes; what the path names decides what is answered.
async fn receive(
    State(inbox): State<Inbox>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    inbox.lock().unwrap().push(Came {
        path: path.clone(),
        headers,
        body,
    });
    match path.as_str() {
        "/broken" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "/redirects" => Redirect::temporary("/stolen").into_response(),
        "/hangs" => std::future::pending().await,
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

/// A company that is told at these receivers, and the program that tells it.
struct Told {
    stage: Stage,
    inbox: Inbox,
    child: Child,
    receiver: tokio::task::JoinHandle<()>,
}

impl Told {
    /// Receivers by name and kind; each is at the path of its name.
    async fn start(receivers: &[(&str, &str)]) -> Self {
        let stage = Stage::set(0).await.unwrap();
        let inbox = Inbox::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let router = Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&inbox));
        let receiver = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let folder = stage.dir.path();
        let file = |name: &str, text: &str| {
            let file = folder.join(name);
            ledger::private::write(&file, text.as_bytes()).unwrap();
            format!("file:{}", file.display())
        };
        let mut config = std::fs::read_to_string(stage.config_file()).unwrap();
        for (name, kind) in receivers {
            let url = file(
                &format!("{name}.url"),
                &format!("http://{at}/{name}?key={KEY}"),
            );
            let secret = file(&format!("{name}.secret"), SECRET);
            let _ = write!(
                config,
                "\n[[notice]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"{url}\"\nsecret = \"{secret}\"\n"
            );
        }
        std::fs::write(folder.join("told.toml"), config).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = program(&["serve", "--config"])
            .arg(folder.join("told.toml"))
            .env("DOORWARD_LOG", "debug")
            .stdout(log.try_clone().unwrap())
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let told = Self {
            stage,
            inbox,
            child,
            receiver,
        };
        until(async || {
            let ready = Http::new()
                .get(&format!("{}/readyz", told.stage.ops))
                .send();
            ready.await.is_ok_and(|answer| answer.status == 200)
        })
        .await;
        told
    }

    /// Somebody's call that waits for a second person; its id.
    async fn waits(&self) -> String {
        let control = wiring::admin(
            &self.stage.config,
            Arc::new(SystemClock),
            Arc::new(SystemIds),
        );
        let control = control.await.unwrap();
        let ada = person(&control, "ada").await;
        let actor = Actor::person(ada, "ada", BTreeSet::new());
        let operation = control.operation(&actor);
        let arguments = json!({"text": ARGUMENT}).to_string();
        let call = Call {
            connector: "crm",
            action: "update_contact",
            arguments: arguments.as_bytes(),
            definition: "sha256:77c0",
            policy_version: 1,
            approver: &Approver::Second,
            about: &About::default(),
        };
        let id = match approvals::seek(&operation, call).await.unwrap() {
            Sought::Waits(approval) => approval.id.to_string(),
            other => panic!("{other:?}"),
        };
        control.store.close().await;
        id
    }

    /// Somebody asks for a connector, and is answered; the request's id.
    async fn asks(&self) -> AccessRequestId {
        let config = &self.stage.config;
        let control = wiring::admin(config, Arc::new(SystemClock), Arc::new(SystemIds));
        let control = control.await.unwrap();
        let ada = person(&control, "ada").await;
        let (now, store, org) = (SystemClock.now(), control.store.clone(), control.org);
        let id = AccessRequestId::from_parts(now.unix_ms().unsigned_abs(), SystemIds.random_bits());
        let asked = AccessRequest {
            id,
            person: ada,
            label: "ada".to_owned(),
            kind: AskedKind::Connector,
            thing: "https://mcp.rotterdam.example/".to_owned(),
            amount_cents: None,
            reason: "M-4411 is there".to_owned(),
            asked: now,
            state: AccessState::Open,
            end: None,
        };
        match store.hold_access_request(org, &asked).await.unwrap() {
            Asking::Held(held) => held.keep().await.unwrap(),
            other => panic!("{other:?}"),
        }
        until(async || !self.came("/mail").is_empty()).await;
        let end = AccessEnd {
            at: SystemClock.now(),
            by: "eve".to_owned(),
            answer: "not to Rotterdam".to_owned(),
            granted_cents: None,
        };
        let ended = store.hold_access_end(org, id, AccessState::Declined, &end);
        ended.await.unwrap().unwrap().keep().await.unwrap();
        store.close().await;
        id
    }

    /// Runs a statement past Doorward.
    async fn beside(&self, sql: &str) {
        sqlx::any::install_default_drivers();
        let url = self.stage.config.store.url.expose_secret();
        let mut store = AnyConnection::connect(url).await.unwrap();
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::query(sql).execute(&mut store).await.unwrap();
        store.close().await.unwrap();
    }

    fn came(&self, path: &str) -> Vec<Came> {
        let all = self.inbox.lock().unwrap();
        all.iter()
            .filter(|came| came.path == path)
            .cloned()
            .collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.stage.dir.path().join("log")).unwrap()
    }

    async fn stop(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.receiver.abort();
        self.stage.first.stop().await;
        self.stage.second.stop().await;
        self.stage.crm.stop().await;
    }
}

/// That the message is ours, as a receiver checks it by the document: a time, and the HMAC of that time and the body as it came.
fn is_signed(came: &Came) {
    let signature = came.headers["doorward-signature"].to_str().unwrap();
    let (time, tag) = signature.split_once(',').unwrap();
    let time = time.strip_prefix("t=").unwrap();
    assert!(time.parse::<u64>().unwrap() > 1_700_000_000, "{signature}");
    let tag = tag.strip_prefix("v1=").unwrap();
    let pairs = tag.as_bytes().chunks(2);
    let tag: Vec<u8> = pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let key =
        |secret: &str| aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let check = |secret: &str, text: &str| {
        aws_lc_rs::hmac::verify(&key(secret), format!("{time}.{text}").as_bytes(), &tag).is_ok()
    };
    assert!(check(SECRET, &came.body), "{signature} of {}", came.body);
    assert!(!check(SECRET, &format!("{} ", came.body)));
    assert!(!check("another secret", &came.body));
}

/// The places of each form that a person reads and follows: what is said, and where its link leads.
fn read(path: &str, body: &Value) -> (String, String) {
    let text = |place: &str| {
        let found = body.pointer(place).and_then(Value::as_str);
        found
            .unwrap_or_else(|| panic!("{place} of {path}: {body}"))
            .to_owned()
    };
    match path {
        "/webhook" => {
            assert_eq!(body["event"], "approval.pending");
            (
                format!(
                    "{} {} {}",
                    text("/who"),
                    text("/action"),
                    text("/connector")
                ),
                text("/page"),
            )
        }
        "/teams" => {
            let card = "/attachments/0/content";
            assert_eq!(text(&format!("{card}/type")), "AdaptiveCard");
            (
                text(&format!("{card}/body/1/text")),
                text(&format!("{card}/actions/0/url")),
            )
        }
        "/slack" => (
            text("/blocks/0/text/text"),
            text("/blocks/2/elements/0/url"),
        ),
        "/mail" => {
            let written = text("/text");
            let mut words = written.split_whitespace();
            let page = words.find(|word| word.starts_with("http://127"));
            (text("/subject"), page.unwrap_or_default().to_owned())
        }
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_leaves_whole_and_signed_once_with_the_page_and_nothing_of_the_arguments() {
    let kinds = ["webhook", "teams", "slack", "mail"];
    let told = Told::start(&kinds.map(|kind| (kind, kind))).await;
    let id = told.waits().await;
    let page = format!("{}/approvals/{id}", told.stage.base);
    until(async || {
        kinds
            .iter()
            .all(|kind| !told.came(&format!("/{kind}")).is_empty())
    })
    .await;
    for kind in kinds {
        let path = format!("/{kind}");
        let came = told.came(&path).remove(0);
        is_signed(&came);
        assert_eq!(came.headers["doorward-notice"], id.as_str());
        assert_eq!(came.headers["content-type"], "application/json");
        let (says, to) = read(&path, &serde_json::from_str(&came.body).unwrap());
        for word in ["ada", "update_contact", "crm"] {
            let plain = says.replace('\\', "");
            assert!(plain.contains(word), "{kind} lacks {word}: {says}");
        }
        assert_eq!(to, page, "{kind}");
        let all = format!("{:?} {}", came.headers, came.body);
        for secret in ["M-4411", "Rotterdam", SECRET, "sha256:77c0"] {
            assert!(!all.contains(secret), "{kind} holds {secret}: {all}");
        }
    }
    // A second call is told as well; what was taken by all is not said twice meanwhile.
    let next = told.waits().await;
    until(async || told.came("/mail").len() > 1).await;
    for kind in kinds {
        let came = told.came(&format!("/{kind}"));
        let ids: Vec<&str> = came
            .iter()
            .map(|one| one.headers["doorward-notice"].to_str().unwrap())
            .collect();
        assert_eq!(ids, [&*id, &*next], "{kind}");
    }
    says_nothing_secret(&told.log());
    told.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_access_and_the_answer_are_told_without_a_word_of_why() {
    let kinds = ["webhook", "mail"];
    let told = Told::start(&kinds.map(|kind| (kind, kind))).await;
    let id = told.asks().await;
    until(async || {
        kinds
            .iter()
            .all(|kind| told.came(&format!("/{kind}")).len() > 1)
    })
    .await;
    for kind in kinds {
        let came = told.came(&format!("/{kind}"));
        let ids = came
            .iter()
            .map(|one| one.headers["doorward-notice"].to_str().unwrap());
        assert_eq!(
            ids.collect::<Vec<_>>(),
            [id.to_string(), format!("{id}-declined")]
        );
        let page = format!("{}/console/requests/{id}", told.stage.base);
        for one in &came {
            is_signed(one);
            assert!(one.body.contains(&page), "{}", one.body);
            for secret in ["M-4411", "otterdam", SECRET] {
                assert!(!one.body.contains(secret), "{}", one.body);
            }
        }
    }
    let said = told.came("/mail").remove(1).body;
    assert!(
        said.contains("eve declined what ada@example.org asked for: a connector."),
        "{said}"
    );
    let event: Value = serde_json::from_str(&told.came("/webhook").remove(0).body).unwrap();
    assert_eq!(event["event"], "access_request.open");
    says_nothing_secret(&told.log());
    told.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_to_be_told_is_told_even_where_the_rest_cannot_be() {
    let told = Told::start(&[("mail", "mail")]).await;
    let is_told = async |id: &str| {
        until(async || {
            let came = told.came("/mail").into_iter();
            let mut ids = came.map(|one| one.headers["doorward-notice"].clone());
            ids.any(|named| named.to_str().unwrap().starts_with(id))
        })
        .await;
    };
    let away = |table: &str| format!("ALTER TABLE {table} RENAME TO {table}_away");
    let back = |table: &str| format!("ALTER TABLE {table}_away RENAME TO {table}");
    told.beside(&away("access_requests")).await;
    is_told(&told.waits().await).await;
    told.beside(&back("access_requests")).await;
    // One of two can be taken, as soon as both are there.
    told.beside(
        "CREATE TRIGGER second BEFORE UPDATE OF notice_tries ON approvals \
         WHEN new.state = 'pending' AND ((SELECT COUNT(*) FROM approvals) < 3 \
         OR new.id = (SELECT MAX(id) FROM approvals)) BEGIN SELECT RAISE(ABORT, 'not this one'); END",
    )
    .await;
    let first = told.waits().await;
    told.waits().await;
    is_told(&first).await;
    told.beside("DROP TRIGGER second").await;
    told.beside(&away("approvals")).await;
    is_told(&told.asks().await.to_string()).await;
    told.stop().await;
}

/// A log that was written, and holds neither what opens a chat nor what signs nor what a call carries.
fn says_nothing_secret(log: &str) {
    assert!(!log.is_empty());
    for secret in [KEY, SECRET, "M-4411", "Rotterdam"] {
        assert!(!log.contains(secret), "the log holds {secret}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_takes_nothing_keeps_a_notice_from_nobody_and_is_asked_again() {
    let told = Told::start(&[
        ("broken", "webhook"),
        ("redirects", "slack"),
        ("hangs", "teams"),
        ("good", "webhook"),
    ])
    .await;
    let id = told.waits().await;
    until(async || !told.came("/good").is_empty()).await;
    until(async || told.came("/broken").len() > 1).await;
    for path in ["/broken", "/redirects", "/hangs"] {
        let came = told.came(path);
        assert!(!came.is_empty(), "{path}");
        for one in came {
            is_signed(&one);
            assert_eq!(
                one.headers["doorward-notice"],
                id.as_str(),
                "the same at every try"
            );
        }
    }
    assert!(
        told.came("/stolen").is_empty(),
        "a redirect is not followed"
    );
    let log = told.log();
    for (receiver, what) in [
        ("broken", "it answered 500"),
        ("redirects", "it answered 307"),
        ("hangs", "did not answer in time"),
    ] {
        let line = log.lines().find(|line| {
            line.contains("a notice was not taken")
                && line.contains(receiver)
                && line.contains(what)
        });
        assert!(line.is_some(), "{receiver}: {log}");
    }
    assert!(
        !log.lines()
            .any(|line| line.contains("not taken") && line.contains("good"))
    );
    says_nothing_secret(&log);
    told.stop().await;
}
