//! The first run as somebody makes it: the program in an empty folder, a browser without scripts, an identity provider and a provider of
//! Claude; then the same process serves. And what it does with mistakes on the way.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use server::system::{SystemClock, SystemIds};
use testkit::client::Page;
use testkit::idp::{App, demo_people};
use testkit::{Browser, Idp, Provider};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::console::walk;
use crate::run::PROGRAM;

const CLIENT: &str = "doorward-first";
const SECRET: &str = "first-run-client-secret";
const KEY: &str = "first-run-provider-key";
const START: Duration = Duration::from_mins(1);

/// A walk that has begun.
struct Walking {
    folder: tempfile::TempDir,
    idp: Idp,
    provider: Provider,
    base: String,
    browser: Browser,
    child: Child,
}

impl Walking {
    /// Starts the program in an empty folder and opens its link; the first page.
    async fn begin() -> (Self, Page) {
        Self::begin_where(|_, _| {}).await
    }

    /// The same where something is in the folder already.
    async fn begin_where(lay: impl FnOnce(&Path, &Idp)) -> (Self, Page) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let idp = Idp::builder(clock.clone(), Arc::new(SystemIds)).people(demo_people());
        let idp = idp.start().unwrap();
        lay(folder.path(), &idp);
        let mut child = Command::new(PROGRAM)
            .args(["setup", "--listen", "127.0.0.1:0", "--config"])
            .arg(folder.path().join("doorward.toml"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let link = link_of(&mut child).await;
        let base = link.split("/setup").next().unwrap().to_owned();
        idp.register(App::web(CLIENT, SECRET, &format!("{base}/oauth/callback")));
        let mut browser = Browser::new();
        let page = browser.open(&link).await.unwrap();
        let walking = Self {
            folder,
            idp,
            provider: Provider::anthropic(clock).key(KEY).start().unwrap(),
            base,
            browser,
            child,
        };
        (walking, page)
    }

    async fn press(&mut self, page: &Page, button: &str, fill: &[(&str, &str)]) -> Page {
        self.browser.press(page, button, fill).await.unwrap()
    }

    async fn open(&mut self, path: &str) -> Page {
        let address = format!("{}{path}", self.base);
        self.browser.open(&address).await.unwrap()
    }

    /// From the first page to the one with the trial's button.
    async fn as_far_as_the_trial(&mut self, page: &Page, secret: &str) -> Page {
        let page = self.press(page, "Go on", &[("org", "Northwind")]).await;
        assert_eq!(page.url.path(), "/setup/issuer", "{}", page.html.text);
        let page = self.open("/setup/issuer?kind=other").await;
        let issuer = self.idp.issuer();
        let typed = [
            ("address", &*issuer),
            ("client_id", CLIENT),
            ("client_secret", secret),
            ("name", "northwind"),
        ];
        self.press(&page, "Check it", &typed).await
    }

    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// The link that it prints; whatever else it says is read on.
async fn link_of(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let link = loop {
        let line = tokio::time::timeout(START, lines.next_line())
            .await
            .unwrap();
        let line = line.unwrap().expect("a link");
        if line.trim().starts_with("http://localhost:") {
            break line.trim().to_owned();
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    link
}

/// That a page shows no secret that was typed, and is one of ours.
fn is_clean(page: &Page) {
    for secret in [SECRET, KEY] {
        assert!(!page.source.contains(secret), "{}", page.url);
    }
    assert!(!page.source.contains("style="), "{}", page.url);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert_eq!(page.headers["cache-control"], "no-store");
}

impl Walking {
    /// From the page of whoever signed in to the one before writing, with a wrong key on the way.
    async fn walk_from_owner_to_end(&mut self, page: &Page) -> Page {
        let page = self.press(page, "the first owner", &[]).await;
        assert_eq!(page.url.path(), "/setup/upstream");
        let provider = self.provider.url();
        let wrong = [("key", "not-the-key"), ("base_url", &*provider)];
        let refused = self.press(&page, "Try it", &wrong).await;
        assert_eq!(refused.status, 422);
        let said = &refused.html.text;
        assert!(said.contains("answered 401"), "{said}");
        let key = "id=\"key\" name=\"key\"";
        let field = refused.source.split_once(key).unwrap().1;
        let field = field.split_once("</div>").unwrap().0;
        assert!(
            field.contains("aria-invalid") && !field.contains("Kept as you typed it"),
            "{field}"
        );
        let page = self.press(&refused, "Try it", &[("key", KEY)]).await;
        assert_eq!(page.url.path(), "/setup/policy", "{}", page.html.text);
        is_clean(&page);
        let group = [("group", "engineering")];
        let page = self.press(&page, "Look at the whole", &group).await;
        assert_eq!(page.url.path(), "/setup/write", "{}", page.html.text);
        page
    }

    /// Waits until the same process serves at the same address.
    async fn serves(&mut self) {
        let until = tokio::time::Instant::now() + START;
        loop {
            let answer = self.browser.open(&format!("{}/protocol", self.base)).await;
            if answer.is_ok_and(|page| page.status == 200) {
                return;
            }
            let is_early = tokio::time::Instant::now() < until;
            assert!(is_early, "Doorward does not serve");
            tokio::task::yield_now().await;
        }
    }
}

fn says(page: &Page, parts: &[&str]) {
    let said = &page.html.text;
    for part in parts {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[tokio::test]
async fn an_empty_folder_becomes_a_doorward_that_serves_its_first_owner() {
    let (mut walking, page) = Walking::begin().await;
    assert_eq!(page.url.path(), "/setup/organisation");
    let page = walking.as_far_as_the_trial(&page, SECRET).await;
    assert_eq!(page.status, 200, "{}", page.html.text);
    is_clean(&page);
    assert!(walking.left().is_empty(), "nothing is written yet");

    let page = walking.press(&page, "Sign in with", &[]).await;
    let page = walking.press(&page, "ada", &[]).await;
    assert_eq!(page.url.path(), "/setup/owner", "{}", page.html.text);
    says(&page, &["Ada", "engineering", "auth_time"]);
    is_clean(&page);
    let page = walking.walk_from_owner_to_end(&page).await;
    let parts = [
        "[[issuer]]",
        "file:",
        "Members of engineering may use",
        "[[grant]]",
    ];
    says(&page, &parts);
    is_clean(&page);
    let page = walking.press(&page, "Write it", &[]).await;
    says(&page, &["Doorward is starting"]);
    let made = [
        "data",
        "doorward.issuer.secret",
        "doorward.toml",
        "doorward.upstream.secret",
    ];
    assert_eq!(walking.left(), made);

    walking.serves().await;
    let mut browser = Browser::new();
    let page = walk::sign_in(&mut browser, &walking.base, "/console/people", "ada").await;
    let at = (page.status, page.url.path());
    assert_eq!(at, (200, "/console/people"), "{}", page.html.text);
    walking.child.kill().await.unwrap();
}

#[tokio::test]
async fn a_trial_that_fails_says_whose_it_is_and_keeps_what_was_typed() {
    let (mut walking, page) = Walking::begin().await;
    let page = walking.as_far_as_the_trial(&page, "another-secret").await;
    let page = walking.press(&page, "Sign in with", &[]).await;
    let page = walking.press(&page, "ada", &[]).await;
    assert_eq!(
        (page.status, page.url.path()),
        (403, "/oauth/callback"),
        "{}",
        page.html.text
    );
    for part in [
        "invalid_client",
        "What to do: the secret is not the one",
        "Whose",
    ] {
        assert!(page.html.text.contains(part), "{part}: {}", page.html.text);
    }
    assert!(page.source.contains(&format!("value=\"{CLIENT}\"")));
    let secret = page.source.split_once("name=\"client_secret\"").unwrap().1;
    let secret = secret.split_once("</div>").unwrap().0;
    assert!(secret.contains("aria-invalid"), "{secret}");
    let later = walking.open("/setup/owner").await;
    assert_eq!(later.url.path(), "/setup/issuer", "nobody has signed in");

    // An answer that is played once more is not known.
    let again = walking.open("/oauth/callback?code=x&state=y").await;
    assert!(
        again.html.text.contains("not known here"),
        "{}",
        again.html.text
    );

    let typed = [("address", "https://127.0.0.1:9/none")];
    let page = walking.open("/setup/issuer").await;
    let page = walking.press(&page, "Check it", &typed).await;
    assert_eq!(page.status, 422);
    assert!(
        page.html.text.contains("could not be reached"),
        "{}",
        page.html.text
    );
    assert!(page.button("Sign in with").is_none());
    walking.child.kill().await.unwrap();
}

/// A configuration whose public address is somebody else's.
fn configured(folder: &Path, idp: &Idp) {
    std::fs::write(folder.join("issuer.secret"), SECRET).unwrap();
    std::fs::write(folder.join("provider.key"), KEY).unwrap();
    let (here, issuer) = (folder.display(), idp.issuer());
    let text = format!(
        "[server]\npublic_url = \"https://ai.northwind.example\"\norg = \"Northwind\"\n[store]\nurl = \"sqlite:{here}/doorward.db\"\n\
         [ledger]\ndir = \"{here}/ledger\"\n[[issuer]]\nname = \"northwind\"\nissuer = \"{issuer}\"\naudiences = [\"{CLIENT}\"]\n\
         client_id = \"{CLIENT}\"\nclient_secret = \"file:{here}/issuer.secret\"\n[[upstream]]\nname = \"a\"\nprovider = \"anthropic\"\n\
         auth = {{ api_key = \"file:{here}/provider.key\" }}\n"
    );
    std::fs::write(folder.join("doorward.toml"), text).unwrap();
}

#[tokio::test]
async fn an_issuer_of_a_configuration_that_is_there_is_tried_and_nothing_is_written() {
    let (mut walking, page) = Walking::begin_where(configured).await;
    let file = walking.folder.path().join("doorward.toml");
    let (before, left) = (std::fs::read(&file).unwrap(), walking.left());
    assert_eq!(page.url.path(), "/setup/issuer", "{}", page.html.text);
    assert!(page.source.contains(&format!("value=\"{CLIENT}\"")));
    is_clean(&page);
    let page = walking.press(&page, "Check it", &[]).await;
    assert_eq!(page.status, 200, "{}", page.html.text);
    let page = walking.press(&page, "Sign in with", &[]).await;
    let page = walking.press(&page, "ada", &[]).await;
    assert_eq!(page.url.path(), "/setup/owner", "{}", page.html.text);
    says(&page, &["Nothing was written", "[[issuer]]", "Ada"]);
    is_clean(&page);
    assert!(page.button("the first owner").is_none());
    for path in ["/setup/organisation", "/setup/upstream", "/setup/write"] {
        let page = walking.open(path).await;
        assert!(page.url.path() == "/setup/owner" || page.url.path() == "/setup/issuer");
    }
    assert_eq!(
        (std::fs::read(&file).unwrap(), walking.left()),
        (before, left)
    );
    walking.child.kill().await.unwrap();
}
