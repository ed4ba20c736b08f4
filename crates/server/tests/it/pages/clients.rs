//! The pages of what clients receive: files to save, a ring that nobody named, settings that hold a secret, and the lint's form.

use control::policies::{self, Examine};
use control::{Actor, Role};
use domain::Policy;

use super::setting::{Setting, Visitor};

#[derive(Debug)]
struct Anything;

impl Examine for Anything {
    fn mistakes(&self, _: &Policy) -> Vec<String> {
        Vec::new()
    }
}

/// Puts a policy in force that names a ring.
async fn set(settings: &str) -> (Setting, Visitor) {
    let setting = Setting::set().await;
    let actor = Actor::command_line("a test");
    let operation = setting.here.operation(&actor);
    let text = format!(
        "[[grant]]\nname = \"pilot\"\nwho = {{ groups = [\"Ring 0\"] }}\nmodels = [\"claude-*\"]\n{settings}"
    );
    let applied = policies::apply(&operation, &text, "a test", None, &Anything).await;
    applied.unwrap();
    let admin = setting.visitor(Role::Admin).await;
    (setting, admin)
}

const BANNER: &str = "[[desktop_settings]]\nname = \"banner\"\nwho = { groups = [\"Ring 0\"] }\nsettings = { banner = { enabled = true, text = \"Pilot\" } }\n";

#[tokio::test]
async fn a_rings_files_can_be_saved_and_are_what_the_page_says_they_are() {
    let (setting, admin) = set(BANNER).await;
    let page = admin.get("/console/clients/ring?group=Ring+0").await;
    assert_eq!(page.status, 200, "{}", page.html().text);
    page.is_well_made("a ring");
    let files: Vec<String> = page
        .addresses()
        .into_iter()
        .filter(|to| to.starts_with("/console/clients/file"))
        .collect();
    assert!(files.len() > 12, "{files:?}");
    let mut fingerprints = Vec::new();
    for path in &files {
        let file = admin.get(path).await;
        assert_eq!(file.status, 200, "{path}");
        let disposition = file.header("content-disposition");
        assert!(
            disposition.starts_with("attachment; filename=\""),
            "{disposition}"
        );
        assert!(!disposition.contains('/'), "{disposition}");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert_eq!(file.header("cache-control"), "no-store");
        assert_ne!(file.header("content-type"), "text/html");
        fingerprints.push(domain::opaque::hex(&domain::opaque::sha256(
            file.bytes.as_slice(),
        )));
    }
    let told = page.values("data-copy");
    let found = fingerprints.iter().filter(|print| told.contains(print));
    // All but the three notes, which are shown whole instead.
    assert_eq!(found.count(), files.len() - 3);
    let linux = files
        .iter()
        .find(|path| path.contains("claude-desktop-ring-0-") && path.contains(".json"));
    let file = admin.get(linux.unwrap()).await;
    assert!(file.text.contains("\"text\": \"Pilot\"") && file.text.contains("\"inferenceModels\""));
    setting.end().await;
}

#[tokio::test]
async fn a_ring_or_a_file_that_is_none_is_not_there() {
    let (setting, admin) = set(BANNER).await;
    for (path, status) in [
        ("/console/clients/ring?group=ring+0", 404),
        ("/console/clients/file?group=Ring+0", 404),
        (
            "/console/clients/file?group=Ring+0&file=..%2F..%2Fetc%2Fpasswd",
            404,
        ),
        ("/console/clients/file?file=claude-desktop-ring-0.json", 404),
        ("/console/clients/ring?group=a%0d%0ab", 422),
        ("/console/clients/ring?sign_in=saml", 422),
        ("/console/clients/ring?issuer=nobody", 200),
    ] {
        let page = admin.get(path).await;
        let status_is = page.status.as_u16();
        assert!(
            status_is == status || (status == 422 && status_is == 400),
            "{path} is {status_is}"
        );
        page.is_well_made(path);
    }
    let unready = admin.get("/console/clients/ring?issuer=nobody").await;
    assert!(unready.text.contains("These files cannot be made."));
    setting.end().await;
}

#[tokio::test]
async fn a_policy_with_a_secret_makes_no_file_and_shows_where_it_is_and_not_what() {
    let secret = "[[managed_settings]]\nname = \"env\"\nwho = { groups = [\"Ring 0\"] }\nsettings = { env = { ANTHROPIC_API_KEY = \"sk-ant-api03-abcdef1234567890\" } }\n";
    let (setting, admin) = set(secret).await;
    let page = admin.get("/console/clients/ring?group=Ring+0").await;
    assert_eq!(page.status, 200);
    page.is_well_made("a ring with a secret");
    assert!(page.text.contains("env.ANTHROPIC_API_KEY"));
    assert!(!page.text.contains("abcdef1234"));
    assert!(!page.addresses().iter().any(|to| to.contains("/file?")));
    let file = "/console/clients/file?group=Ring+0&file=claude.admx";
    let refused = admin.get(file).await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
    assert!(!refused.text.contains("abcdef1234"));
    // Another ring is not kept from its files by it.
    let other = admin.get("/console/clients/ring").await;
    assert!(other.addresses().iter().any(|to| to.contains("/file?")));
    setting.end().await;
}

#[tokio::test]
async fn the_lint_keeps_what_was_pasted_and_says_what_to_paste_instead() {
    let (setting, admin) = set(BANNER).await;
    let weak = "{\"permissions\": {\"deny\": [\"Read(</textarea><script>alert(1)</script>)\"]}}";
    let page = admin.post("/console/clients/lint", &[("text", weak)]).await;
    assert_eq!(page.status, 200, "{}", page.html().text);
    page.is_well_made("the lint");
    assert!(page.text.contains("deny-only") && page.text.contains("failIfUnavailable"));
    assert!(page.html().text.contains("A deny rule binds"));
    assert!(page.text.contains("Read(&#60;/textarea") || page.text.contains("Read(&lt;/textarea"));
    let empty = admin.post("/console/clients/lint", &[("text", " ")]).await;
    assert_eq!(empty.status, 422);
    empty.is_well_made("the lint, empty");
    assert!(empty.text.contains("Paste a file first."));
    let elsewhere = admin
        .send(
            "/console/clients/lint",
            &[("text", weak)],
            "https://evil.example",
            "x",
        )
        .await;
    assert_eq!(elsewhere.status, 400);
    let member = setting.visitor(Role::Member).await;
    let refused = member
        .post("/console/clients/lint", &[("text", weak)])
        .await;
    assert_eq!(refused.status, 403);
    setting.end().await;
}
