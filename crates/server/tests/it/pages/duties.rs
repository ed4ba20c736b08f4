//! Joiners and leavers, member lists, drills and the acceptable-use policy at the console: who does what, what a wrong form gets, and that what
//! strangers wrote stays text.

use control::acceptable_use::{self, NewDraft};
use control::drills::{self, Step};
use control::tasks::{self, Wanted};
use control::{Role, people};
use domain::acceptable_use::Variables;
use domain::task::TaskKind;
use domain::{Clock as _, Timestamp, limits};
use server::system::SystemClock;

use super::setting::{Seen, Setting, Visitor};
use crate::api::setting::{machine, person};

/// Marks that are no place to be filled in, as `<phone>` would be.
const MARKS: &str = "\"quotes\" & </td";
const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&</bdi></td>";

fn text(page: &Seen) -> String {
    page.html().text
}

/// The page of a task of this kind about somebody the directory does not know, who left so long ago.
async fn task(setting: &Setting, who: &str, days_ago: i64, kind: TaskKind) -> String {
    let machine = machine();
    let operation = setting.here.operation(&machine);
    let at = SystemClock.now().plus_ms(-days_ago * 86_400_000);
    tasks::tell_leaver(&operation, who, at, "a test")
        .await
        .unwrap();
    let wanted = Wanted {
        about: Some(who.to_owned()),
        kind: Some(kind),
        ..Wanted::default()
    };
    let found = tasks::list(&operation, &wanted, None, 1).await.unwrap();
    format!("/console/tasks/{}", found[0].id)
}

#[tokio::test]
async fn tasks_stand_by_deadline_late_ones_first_and_are_closed_once_with_what_proves_it() {
    let setting = Setting::set().await;
    let late = task(&setting, "late@leaves.example", 9, TaskKind::DisableAccount).await;
    let soon = task(
        &setting,
        "soon@leaves.example",
        0,
        TaskKind::HandOverProjects,
    )
    .await;
    let approver = setting.visitor(Role::Approver).await;
    let list = approver.get("/console/tasks").await;
    list.is_well_made("tasks");
    let place = |to: &str| list.text.find(&format!("href=\"{to}\"")).unwrap();
    assert!(place(&late) < place(&soon), "the nearest deadline first");
    assert!(text(&list).contains("9 days late"), "{}", text(&list));
    let overdue = approver
        .get("/console/tasks?state=overdue&kind=disable_account")
        .await;
    assert!(overdue.addresses().contains(&late) && !overdue.addresses().contains(&soon));
    let theirs = approver
        .get("/console/tasks?person=soon%40leaves.example")
        .await;
    assert!(!theirs.addresses().contains(&late) && theirs.addresses().contains(&soon));
    assert_eq!(
        approver.get("/console/tasks?person=nobody").await.status,
        400
    );

    let page = approver.get(&late).await;
    page.is_well_made("a task");
    assert!(
        text(&page).contains("Somebody said that they leave"),
        "{}",
        text(&page)
    );
    let done = format!("{late}/done");
    approver.get(&done).await.is_well_made("done");
    for (form, says) in [
        ([("reason", ""), ("sha256", "")], "must be given"),
        ([("reason", "ticket"), ("sha256", "x")], "64 hexadecimal"),
        ([("reason", HOSTILE), ("sha256", "x")], "64 hexadecimal"),
    ] {
        let wrong = approver.post(&done, &form).await;
        assert_eq!(wrong.status, 422, "{form:?}");
        wrong.is_well_made("wrong proof");
        assert!(
            text(&wrong).contains(says) && !wrong.text.contains("<img"),
            "{form:?}"
        );
    }
    let closed = approver.post(&done, &[("reason", "ticket 4711")]).await;
    assert_eq!(closed.header("location"), format!("{late}?done=closed"));
    assert!(text(&approver.get(&late).await).contains("ticket 4711"));
    let owner = setting.visitor(Role::Owner).await;
    let second = owner
        .post(&format!("{late}/not-needed"), &[("reason", "x")])
        .await;
    assert_eq!(second.status, 412);
    assert!(text(&second).contains("closed"), "{}", text(&second));
    let auditor = setting.visitor(Role::Auditor).await;
    assert_eq!(auditor.get(&soon).await.status, 200);
    assert!(text(&auditor.get(&soon).await).contains("tasks.write"));
    for path in [format!("{soon}/done"), "/console/tasks/leaver".to_owned()] {
        assert_eq!(auditor.get(&path).await.status, 403, "{path}");
        assert_eq!(
            auditor.post(&path, &[("reason", "x")]).await.status,
            403,
            "{path}"
        );
    }
    setting.end().await;
}

#[tokio::test]
async fn several_tasks_are_done_at_once_and_what_somebody_else_closed_stays_theirs() {
    let setting = Setting::set().await;
    let one = task(&setting, "one@leaves.example", 1, TaskKind::DisableAccount).await;
    let two = task(&setting, "two@leaves.example", 1, TaskKind::DisableAccount).await;
    let owner = setting.visitor(Role::Owner).await;
    let id = |page: &str| page.rsplit('/').next().unwrap().to_owned();
    let both = format!("/console/tasks/done?id={}&id={}", id(&one), id(&two));
    let asked = owner.get(&both).await;
    asked.is_well_made("both");
    assert!(
        text(&asked).contains("Are these 2 tasks done"),
        "{}",
        text(&asked)
    );
    assert_eq!(owner.post(&both, &[("reason", "")]).await.status, 422);
    let approver = setting.visitor(Role::Approver).await;
    let first = approver
        .post(&format!("{one}/done"), &[("reason", "mine")])
        .await;
    assert_eq!(first.status, 303);
    let told = owner.post(&both, &[("reason", "ours")]).await;
    assert_eq!(told.status, 412);
    told.is_well_made("partly");
    assert!(
        text(&told).contains("Of 2 tasks you closed 1"),
        "{}",
        text(&told)
    );
    assert!(text(&owner.get(&two).await).contains("ours"));
    assert!(text(&owner.get(&one).await).contains("mine"));
    let none = owner.get("/console/tasks/done").await;
    assert_eq!(none.header("location"), "/console/tasks?done=none");
    let told = owner.get(none.header("location")).await;
    assert!(text(&told).contains("Nothing was chosen."));
    assert_eq!(owner.get("/console/tasks/done?id=tsk_x").await.status, 400);
    setting.end().await;
}

#[tokio::test]
async fn a_leaver_is_told_of_ahead_of_time_and_a_wrong_form_keeps_what_was_typed() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let form = "/console/tasks/leaver";
    owner.get(form).await.is_well_made(form);
    for (typed, says) in [
        (
            [("who", "kim"), ("day", "2026-11-30"), ("source", "HR")],
            "must be an e-mail address",
        ),
        (
            [
                ("who", "kim@leaves.example"),
                ("day", "soon"),
                ("source", "HR"),
            ],
            "must be a day",
        ),
        (
            [
                ("who", "kim@leaves.example"),
                ("day", "2026-11-30"),
                ("source", ""),
            ],
            "must be given",
        ),
        (
            [("who", HOSTILE), ("day", "2026-11-30"), ("source", "HR")],
            "must be an e-mail address",
        ),
    ] {
        let wrong = owner.post(form, &typed).await;
        assert_eq!(wrong.status, 422, "{typed:?}");
        wrong.is_well_made(form);
        assert!(text(&wrong).contains(says), "{typed:?}: {}", text(&wrong));
        assert!(!wrong.text.contains("<img") && wrong.text.contains(typed[1].1));
    }
    let all = [("who", "kim"), ("day", "soon"), ("source", "")];
    let wrong = owner.post(form, &all).await;
    assert_eq!(
        wrong.text.matches("aria-invalid").count(),
        3,
        "every mistake is said at once"
    );
    let fine = [
        ("who", "kim@leaves.example"),
        ("day", "2026-11-30"),
        ("source", "HR"),
    ];
    let told = owner.post(form, &fine).await;
    assert_eq!(told.header("location"), "/console/tasks?done=opened");
    assert!(text(&owner.get("/console/tasks").await).contains("kim@leaves.example"));
    setting.end().await;
}

const LIST: &str = "/console/members";
const CHECK: &str = "/console/members/check";

/// Pastes a list.
async fn check(who: &Visitor, csv: &str, email: &str) -> Seen {
    let fields = [
        ("csv", csv),
        ("email", email),
        ("source", "members.csv"),
        ("domains", "example.org"),
        ("look_only", "yes"),
    ];
    who.post(CHECK, &fields).await
}

#[tokio::test]
async fn a_bad_member_list_is_kept_in_its_field_with_every_bad_row_named() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    owner.get(CHECK).await.is_well_made(CHECK);
    let long = format!("Email\n{}", "x".repeat(limits::MEMBER_PASTE_BYTES_MAX));
    for (csv, email, says) in [
        ("", "Email", "paste the list"),
        (&*long, "Email", "too long"),
        ("Email\nada@example.org\n", "", "must name a column"),
        ("Email\nada@example.org\n", "Mail", "columns named"),
        (
            "Email\nnone\nada@example.org\nnobody\n",
            "Email",
            "2 rows cannot be taken",
        ),
        (HOSTILE, "Email", "a quotation mark"),
    ] {
        let wrong = check(&owner, csv, email).await;
        assert_eq!(wrong.status, 422, "{says}");
        assert!(text(&wrong).contains(says), "{says}");
        assert!(!wrong.text.contains("<img"));
        if csv.len() < 100 {
            wrong.is_well_made(CHECK);
        }
    }
    let two = check(&owner, "Email\nnone\nada@example.org\nnobody\n", "Email").await;
    let said = text(&two);
    assert!(said.contains("line 2") && said.contains("line 4"), "{said}");
    assert!(text(&owner.get(LIST).await).contains("No list was checked yet"));
    let auditor = setting.visitor(Role::Auditor).await;
    assert_eq!(auditor.get(LIST).await.status, 200);
    assert_eq!(auditor.get(CHECK).await.status, 403);
    assert_eq!(auditor.post(CHECK, &[("csv", "x")]).await.status, 403);
    setting.end().await;
}

#[tokio::test]
async fn a_member_list_is_pasted_and_what_did_not_agree_is_read() {
    let setting = Setting::set().await;
    let ada = person(&setting.here, "ada").await;
    let machine = machine();
    people::revoke(&setting.here.operation(&machine), ada, "a test")
        .await
        .unwrap();
    let owner = setting.visitor(Role::Owner).await;
    let list = "Email\r\nada@example.org\r\n=who@example.org\r\nguest@else.example\r\n";
    let done = check(&owner, list, "Email").await;
    let to = "/console/members?done=checked";
    assert_eq!(done.header("location"), to, "{}", text(&done));
    let page = owner.get(LIST).await;
    page.is_well_made(LIST);
    let said = text(&page);
    for says in [
        "left on",
        "nobody the directory knows",
        "an address of another domain",
        "of 3 in the list",
        "only looked at",
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
    let sheet = owner.get("/console/members/findings.csv").await;
    assert!(sheet.text.contains("'=who@example.org"), "{}", sheet.text);
    setting.end().await;
}

#[tokio::test]
async fn drills_stand_with_their_steps_and_a_failed_one_says_so() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    assert!(text(&owner.get("/console/drills").await).contains("No drill yet"));
    let machine = machine();
    let operation = setting.here.operation(&machine);
    let steps = [
        Step::after("shut out in the store", 35),
        Step::plain(HOSTILE),
    ];
    drills::record(&operation, "leaver", false, &steps)
        .await
        .unwrap();
    let page = owner.get("/console/drills").await;
    page.is_well_made("drills");
    assert!(
        text(&page).contains("failed") && text(&page).contains("35 ms"),
        "{}",
        text(&page)
    );
    assert!(!page.text.contains("<img"));
    setting.end().await;
}

/// Saves a draft past the pages.
async fn saved(setting: &Setting, words: &str) {
    let machine = machine();
    let operation = setting.here.operation(&machine);
    let stands = acceptable_use::draft::read(&operation, "").await.unwrap();
    let new = NewDraft {
        text: words.to_owned(),
        values: Variables::new(),
        language: "en".to_owned(),
    };
    acceptable_use::save(&operation, stands.tag, new)
        .await
        .unwrap();
}

const DRAFT: &str = "/console/acceptable-use/draft";
const PUBLISH: &str = "/console/acceptable-use/publish";

/// What the page's form was made from.
fn tag(page: &Seen) -> String {
    let rest = page.text.split("name=\"tag\" value=\"").nth(1);
    rest.unwrap().split('"').next().unwrap().to_owned()
}

/// Posts a draft of hostile marks, typed as a browser of Windows ends its lines.
async fn typed(admin: &Visitor, act: &str, tag: &str) -> Seen {
    let text = format!("# Use\r\nP1. No {MARKS}\r\n{{{{monitoring}}}}\r\nAsk {{{{contact}}}}.");
    let fields = [
        ("tag", tag),
        ("text", text.as_str()),
        ("contact", "the IT desk"),
        ("language", "en"),
        ("act", act),
    ];
    admin.post(DRAFT, &fields).await
}

#[tokio::test]
async fn a_draft_is_looked_at_saved_and_kept_on_the_page_of_whoever_comes_second() {
    let setting = Setting::set().await;
    let admin = setting.visitor(Role::Admin).await;
    let page = admin.get(DRAFT).await;
    page.is_well_made(DRAFT);
    assert!(
        text(&page).contains("still to be filled in"),
        "{}",
        text(&page)
    );
    let tag = tag(&page);
    let looked = typed(&admin, "look", &tag).await;
    assert_eq!(looked.status, 200);
    looked.is_well_made("a look");
    assert!(text(&looked).contains("It is not saved"));
    assert!(!looked.text.contains("& </td"), "marks stay text");
    let kept = typed(&admin, "save", &tag).await;
    assert_eq!(
        kept.header("location"),
        format!("{DRAFT}?done=saved"),
        "{}",
        text(&kept)
    );
    let second = typed(&admin, "save", &tag).await;
    assert_eq!(second.status, 412, "what it was made from is no more");
    second.is_well_made("second");
    assert!(second.text.contains("P1. No"), "what was typed is kept");
    setting.end().await;
}

#[tokio::test]
async fn a_draft_is_published_with_a_fresh_proof_as_it_was_read_and_by_whoever_may() {
    let setting = Setting::set().await;
    let admin = setting.visitor(Role::Admin).await;
    saved(&setting, "# First\n{{monitoring}}\n").await;
    let stale = setting
        .browser(admin.person, Timestamp::from_unix_ms(0))
        .await;
    assert_eq!(stale.get(PUBLISH).await.status, 403);
    let asked = admin.get(PUBLISH).await;
    asked.is_well_made(PUBLISH);
    let old = tag(&asked);
    let wordless = admin.post(PUBLISH, &[("tag", &old), ("reason", "")]).await;
    assert_eq!(wordless.status, 422);
    saved(&setting, "# Other\n{{monitoring}}\n").await;
    let late = admin
        .post(PUBLISH, &[("tag", &old), ("reason", "first")])
        .await;
    assert_eq!(late.status, 412, "somebody wrote in between");
    let now = tag(&admin.get(PUBLISH).await);
    let done = admin
        .post(PUBLISH, &[("tag", &now), ("reason", "first")])
        .await;
    let to = "/console/acceptable-use?done=published";
    assert_eq!(done.header("location"), to, "{}", text(&done));
    for role in [Role::Auditor, Role::Approver] {
        let visitor = setting.visitor(role).await;
        assert_eq!(
            visitor.get("/console/acceptable-use").await.status,
            200,
            "{role}"
        );
        assert_eq!(visitor.get(DRAFT).await.status, 403, "{role}");
        let refused = visitor
            .post(PUBLISH, &[("tag", &now), ("reason", "x")])
            .await;
        assert_eq!(refused.status, 403, "{role}");
    }
    setting.end().await;
}

#[tokio::test]
async fn what_is_in_force_is_shown_with_who_has_accepted_it_and_who_has_not() {
    let setting = Setting::set().await;
    let admin = setting.visitor(Role::Admin).await;
    saved(&setting, "# Other\n{{monitoring}}\n").await;
    let now = tag(&admin.get(PUBLISH).await);
    admin
        .post(PUBLISH, &[("tag", &now), ("reason", "first")])
        .await;
    let page = admin.get("/console/acceptable-use").await;
    page.is_well_made("acceptable use");
    let said = text(&page);
    assert!(
        said.contains("Other") && said.contains("Have accepted"),
        "{said}"
    );
    let mut links = page.addresses().into_iter();
    let version = links.find(|to| to.contains("/versions/")).unwrap();
    admin.get(&version).await.is_well_made(&version);
    let missing = admin
        .get("/console/acceptable-use/people?accepted=no")
        .await;
    missing.is_well_made("people");
    assert!(
        text(&missing).contains("admin@example.org"),
        "{}",
        text(&missing)
    );
    let sheet = admin
        .get("/console/acceptable-use/people.csv?accepted=no")
        .await;
    assert!(sheet.text.starts_with("email,name,accepted"));
    assert!(sheet.text.contains("admin@example.org"), "{}", sheet.text);
    setting.end().await;
}
