//! What lists and the find box do: chosen rows, columns and order in the address, and finding no more than one may see.

use control::Role;
use domain::{Clock as _, Timestamp};
use http::StatusCode;
use server::system::SystemClock;

use super::setting::{Seen, Setting, Visitor};
use crate::api::setting::person;

fn heads(page: &Seen) -> Vec<String> {
    let table = page.text.split("<thead>").nth(1).unwrap_or_default();
    let heads = table.split("</thead>").next().unwrap_or_default();
    let words = heads.split("<th ").skip(1).map(|head| {
        let inner = head.split_once('>').map_or("", |(_, inner)| inner);
        let letters = inner
            .split('<')
            .map(|part| part.split_once('>').map_or(part, |(_, text)| text));
        letters.collect::<String>()
    });
    words.collect()
}

#[tokio::test]
async fn chosen_sessions_end_after_a_page_that_names_each_of_them() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let ada = person(&setting.here, "ada").await;
    let (one, two) = (
        setting.browser(ada, SystemClock.now()).await,
        setting.browser(ada, SystemClock.now()).await,
    );
    let list = owner.get("/console/sessions").await;
    for session in [one.session, two.session] {
        let mark = format!(r#"form="bulk" name="id" value="{session}""#);
        assert!(list.text.contains(&mark), "{session} has no box");
    }
    let act = format!(
        "/console/sessions/end?id={}&id={}&id={}",
        one.session, two.session, one.session
    );
    let asked = owner.get(&act).await;
    assert_eq!(asked.status, 200);
    asked.is_well_made(&act);
    let text = asked.html().text;
    assert!(text.contains("End 2 sessions"), "{text}");
    assert_eq!(text.matches("ada@example.org").count(), 2, "{text}");

    let wrong = owner.post(&act, &[("reason", " ")]).await;
    assert_eq!(wrong.status, 422);
    wrong.is_well_made("without a reason");
    assert_eq!(one.get("/me").await.status, 200);

    let done = owner.post(&act, &[("reason", "a lost laptop")]).await;
    assert_eq!(
        (done.status.as_u16(), done.header("location")),
        (303, "/console/sessions?count=2&done=chosen")
    );
    let told = owner.get(done.header("location")).await;
    assert!(told.html().text.contains("2 sessions were ended."));
    for gone in [&one, &two] {
        assert_eq!(gone.get("/me").await.status, 303);
    }
    assert_eq!(
        owner.get("/me").await.status,
        200,
        "nobody else is signed out"
    );
    let sheet = owner.get("/console/sessions.csv?ended=yes").await;
    assert!(sheet.text.starts_with("id,program,person,name,since,ended"));
    assert!(
        sheet.text.contains(&format!("{},", two.session)),
        "{}",
        sheet.text
    );
    let open = owner.get("/console/sessions.csv").await;
    assert!(
        !open.text.contains(&two.session.to_string()),
        "{}",
        open.text
    );
    let again = owner.get(&act).await;
    assert!(
        again.html().text.contains("ended already"),
        "what is over is left alone"
    );
    setting.end().await;
}

#[tokio::test]
async fn rows_are_chosen_only_by_whoever_may_and_never_by_a_link_alone() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let ada = person(&setting.here, "ada").await;
    let theirs = setting.browser(ada, SystemClock.now()).await;
    let other = setting.browser(ada, SystemClock.now()).await;
    let act = format!(
        "/console/sessions/end?id={}&id={}",
        theirs.session, other.session
    );
    let auditor = setting.visitor(Role::Auditor).await;
    let list = auditor.get("/console/sessions").await;
    assert!(!list.text.contains(r#"form="bulk""#));
    assert_eq!(auditor.get(&act).await.status, 403);
    assert_eq!(auditor.post(&act, &[("reason", "x")]).await.status, 403);
    let evil = owner.send(&act, &[("reason", "x")], "https://evil.example", "x");
    assert_eq!(evil.await.status, 400);
    let stale = setting
        .browser(owner.person, Timestamp::from_unix_ms(0))
        .await;
    assert_eq!(stale.post(&act, &[("reason", "x")]).await.status, 403);
    let one = format!("/console/sessions/end?id={}", theirs.session);
    assert_eq!(
        stale.get(&one).await.status,
        200,
        "one alone needs no new proof"
    );
    for (path, status) in [
        ("/console/sessions/end", 303),
        ("/console/sessions/end?id=x", 400),
        (
            "/console/sessions/end?id=ses_00000000000000000000000000",
            404,
        ),
    ] {
        let page = owner.get(path).await;
        assert_eq!(page.status, status, "{path}");
        page.is_well_made(path);
    }
    assert_eq!(theirs.get("/me").await.status, 200, "nothing was ended");
    setting.end().await;
}

#[tokio::test]
async fn an_address_says_which_columns_are_shown_and_in_which_order() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let ada = person(&setting.here, "ada").await;
    let usual = owner.get("/console/people").await;
    let chosen = owner
        .get("/console/people?columns=&columns=id&sort=-seen")
        .await;
    chosen.is_well_made("chosen columns");
    assert!(heads(&usual).len() > 3, "{:?}", heads(&usual));
    assert_eq!(heads(&chosen), ["Person", "Our id"]);
    let back = owner.get("/console/people?sort=-seen").await;
    assert!(back.text.contains(r#"aria-sort="descending""#));
    let rows = |page: &Seen| {
        page.addresses()
            .into_iter()
            .filter(|to| to.starts_with("/console/people/per_"))
            .count()
    };
    assert_eq!(rows(&usual), rows(&back));
    let place = |page: &Seen, of| page.text.find(&format!("/console/people/{of}")).unwrap();
    assert!(place(&usual, ada) > place(&usual, owner.person));
    assert!(place(&back, ada) < place(&back, owner.person));
    for path in [
        "/console/people?columns=%22%3E%3Cscript%3E&sort=%3Cb%3E",
        "/console/ledger?columns=cost,from&outcome=refused",
        "/console/ledger?kind=all&columns=none",
        "/console/sessions?columns=id&sort=-since&ended=yes",
    ] {
        let page = owner.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        page.is_well_made(path);
    }
    setting.end().await;
}

#[tokio::test]
async fn an_id_that_is_pasted_whole_leads_to_its_page() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let ada = person(&setting.here, "ada").await;
    let session = setting.browser(ada, SystemClock.now()).await.session;
    for (id, to) in [
        (ada.to_string(), format!("/console/people/{ada}")),
        (
            session.to_string(),
            format!("/console/sessions?person={ada}&ended=yes"),
        ),
    ] {
        let page = owner.get(&format!("/console/find?q=%20{id}")).await;
        assert_eq!(
            (page.status, page.header("location")),
            (StatusCode::SEE_OTHER, to.as_str())
        );
    }
    let list = owner.get("/console/ledger?kind=all").await;
    let record = list
        .addresses()
        .into_iter()
        .find(|to| to.starts_with("/console/ledger/"));
    let record = record.unwrap();
    let place = record.trim_start_matches("/console/ledger/");
    let page = owner.get(&format!("/console/find?q={place}")).await;
    assert_eq!(page.header("location"), record);
    for id in [
        "per_00000000000000000000000000",
        "req_00000000000000000000000000",
        "1.2.none",
    ] {
        let page = owner.get(&format!("/console/find?q={id}")).await;
        assert_eq!(page.status, 200, "{id}");
        page.is_well_made(id);
    }
    setting.end().await;
}

async fn finds(visitor: &Visitor, q: &str) -> String {
    let page = visitor.get(&format!("/console/find?q={q}")).await;
    assert_eq!(page.status, 200, "{q}");
    page.is_well_made(q);
    page.html().text
}

#[tokio::test]
async fn nobody_finds_what_they_may_not_see() {
    let setting = Setting::set().await;
    let (owner, member) = (
        setting.visitor(Role::Owner).await,
        setting.visitor(Role::Member).await,
    );
    let approver = setting.visitor(Role::Approver).await;
    let ada = person(&setting.here, "ada").await;
    let all = finds(&owner, "ada").await;
    for part in [
        "ada@example.org",
        "Records of",
        "End all sessions of",
        "asks first",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let some = finds(&approver, "ada").await;
    assert!(
        some.contains("ada@example.org") && !some.contains("Records of"),
        "{some}"
    );
    assert!(!finds(&member, "ada").await.contains("ada@example.org"));
    assert!(finds(&owner, "budget").await.contains("budget_spent"));
    assert!(finds(&member, "").await.contains("Your own page"));
    let page = member.get(&format!("/console/find?q={ada}")).await;
    assert_eq!(
        page.status, 200,
        "an id of what one may not see is one of nothing"
    );
    assert!(!finds(&member, "budget").await.contains("budget_spent"));
    setting.end().await;
}

#[tokio::test]
async fn the_palette_gets_the_same_as_a_module_and_nobody_else_can_load_it() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let answer = owner.get("/console/find?q=owner&as=module").await;
    assert_eq!(answer.status, 200);
    for (header, expected) in [
        ("content-type", "text/javascript; charset=utf-8"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(header), expected, "{header}");
    }
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert!(
        answer
            .text
            .starts_with(r#"export default [{"name":"People","hits":[{"to":"/console/people/per_"#),
        "{}",
        answer.text
    );
    let nobody = setting.nobody("/console/find?q=owner&as=module").await;
    assert_eq!(nobody.status, 303);
    let straight = format!("/console/find?q={}&as=module", owner.person);
    assert!(
        owner
            .get(&straight)
            .await
            .text
            .contains(r#"[{"name":"Go","hits":[{"to":"/console/people/"#)
    );
    setting.end().await;
}

#[tokio::test]
async fn every_script_and_sheet_of_a_page_is_ours_and_kept_for_ever() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let page = owner.get("/console").await;
    let assets: Vec<String> = page
        .values("src")
        .into_iter()
        .chain(page.values("href"))
        .filter(|to| to.starts_with("/assets/"))
        .map(|to| to.split('#').next().unwrap_or_default().to_owned())
        .collect();
    assert!(page.values("src").len() >= 5, "{assets:?}");
    assert_eq!(
        page.text.matches("<script").count(),
        page.text
            .matches(r#"<script type="module" src="/assets/"#)
            .count()
    );
    for path in assets {
        let asset = setting.nobody(&path).await;
        assert_eq!(asset.status, 200, "{path}");
        assert_eq!(
            asset.header("cache-control"),
            "public, max-age=31536000, immutable",
            "{path}"
        );
        assert_eq!(asset.header("x-content-type-options"), "nosniff", "{path}");
        assert!(asset.text.len() < 64 * 1024, "{path}");
    }
    setting.end().await;
}
