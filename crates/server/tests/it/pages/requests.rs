//! Asking for access on one's own page, and answering at the console.

use control::Role;
use domain::Timestamp;

use super::setting::{Seen, Setting, Visitor};

/// What somebody typed who means harm.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&</bdi></td>";

/// Somebody asks for a budget; the address of the page on which it is answered.
async fn asked(setting: &Setting, who: &Visitor, reason: &str) -> String {
    let form = [
        ("for", "budget"),
        ("thing", "monthly"),
        ("amount", "120"),
        ("reason", reason),
    ];
    let sent = who.post("/me/ask", &form).await;
    assert_eq!(
        sent.header("location"),
        "/me?done=asked",
        "{}",
        sent.html().text
    );
    let (open, _) = setting
        .here
        .store
        .access_requests_page(setting.here.org, store::AskedFor::default(), None, 99)
        .await
        .unwrap();
    format!("/console/requests/{}", open.last().unwrap().id)
}

fn text(page: &Seen) -> String {
    page.html().text
}

#[tokio::test]
async fn somebody_asks_for_a_model_on_their_page_and_reads_the_answer_there() {
    let setting = Setting::set().await;
    let member = setting.visitor(Role::Member).await;
    let form = member.get("/me/ask").await;
    form.is_well_made("/me/ask");
    let model = form.text.split("name=\"thing\" value=\"").nth(1);
    let model = model.unwrap().split('"').next().unwrap().to_owned();
    let ask = [
        ("for", "model"),
        ("thing", &*model),
        ("reason", "the annual\r\nreport"),
    ];
    let sent = member.post("/me/ask", &ask).await;
    assert_eq!(
        (sent.status.as_u16(), sent.header("location")),
        (303, "/me?done=asked")
    );
    let again = member.post("/me/ask", &ask).await;
    assert_eq!(again.status, 422);
    again.is_well_made("asked twice");
    assert!(
        text(&again).contains("asked for already"),
        "{}",
        text(&again)
    );

    let approver = setting.visitor(Role::Approver).await;
    let list = approver.get("/console/requests").await;
    assert!(text(&list).contains(&model) && text(&list).contains("the annual report"));
    assert!(
        approver
            .get("/console")
            .await
            .addresses()
            .contains("/console/requests")
    );
    let mut rows = list.addresses().into_iter();
    let one = rows
        .find(|to| to.starts_with("/console/requests/"))
        .unwrap();
    let page = approver.get(&one).await;
    page.is_well_made(&one);
    assert!(
        text(&page).contains("It does not change the policy"),
        "{}",
        text(&page)
    );
    let grant = format!("{one}/grant");
    assert!(page.addresses().contains(&grant));
    approver.get(&grant).await.is_well_made(&grant);
    let empty = approver.post(&grant, &[("reason", " ")]).await;
    assert_eq!(empty.status, 422);
    empty.is_well_made("without an answer");
    let done = approver.post(&grant, &[("reason", "until May")]).await;
    assert_eq!(done.header("location"), format!("{one}?done=answered"));
    let told = approver.get(done.header("location")).await;
    assert!(
        text(&told).contains("Granted, and not so yet"),
        "{}",
        text(&told)
    );
    let read = member.get("/me").await;
    assert!(text(&read).contains("until May"), "{}", text(&read));
    setting.end().await;
}

/// The address of the draft that a page leads to, where it leads to one.
fn draft_of(page: &Seen) -> Option<String> {
    let mut to = page.addresses().into_iter();
    to.find(|to| to.starts_with("/console/policy/entry?section=grant&request=ask_"))
}

#[tokio::test]
async fn a_granted_model_leads_whoever_writes_the_policy_to_the_grant_that_makes_it_so() {
    let setting = Setting::set().await;
    let member = setting.visitor(Role::Member).await;
    let form = member.get("/me/ask").await;
    let model = form.text.split("name=\"thing\" value=\"").nth(1);
    let model = model.unwrap().split('"').next().unwrap().to_owned();
    let ask = [("for", "model"), ("thing", &*model), ("reason", "a report")];
    assert_eq!(member.post("/me/ask", &ask).await.status, 303);
    let approver = setting.visitor(Role::Approver).await;
    let mut rows = approver
        .get("/console/requests")
        .await
        .addresses()
        .into_iter();
    let one = rows
        .find(|to| to.starts_with("/console/requests/"))
        .unwrap();
    let grant = format!("{one}/grant");
    let done = approver.post(&grant, &[("reason", "until May")]).await;
    assert_eq!(done.status, 303);
    // The approver may not write the policy.
    assert_eq!(draft_of(&approver.get(&one).await), None);

    let owner = setting.visitor(Role::Owner).await;
    let told = owner.get(&one).await;
    let draft = owner.get(&draft_of(&told).unwrap()).await;
    draft.is_well_made("a grant for a request");
    let forms = draft.html().forms;
    let mut forms = forms.iter();
    let form = forms.find(|form| form.action == "/console/policy/entry");
    let fields = form.unwrap().fields.iter();
    let fields: Vec<(&str, &str)> = fields
        .filter(|(name, _)| name != "csrf")
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let looked = owner.post("/console/policy/entry", &fields).await;
    assert_eq!(looked.status, 200, "{}", text(&looked));
    looked.is_well_made("what the grant would change");
    let gains = format!("gains {model}");
    assert!(text(&looked).contains(&gains), "{}", text(&looked));
    assert!(looked.text.contains("value=\"request ask_"), "the reason");
    // Asking for the page of the light by its address would lose the draft.
    assert!(!looked.text.contains("action=\"/console/theme\""));
    assert!(told.text.contains("action=\"/console/theme\""));
    setting.end().await;
}

#[tokio::test]
async fn a_wrong_form_keeps_what_was_typed_and_says_what_is_wrong_beside_it() {
    let setting = Setting::set().await;
    let member = setting.visitor(Role::Member).await;
    for (form, kept, says) in [
        (
            [
                ("for", "budget"),
                ("thing", "weekly"),
                ("amount", "much"),
                ("reason", "a report"),
            ],
            "much",
            "must be dollars",
        ),
        (
            [
                ("for", "budget"),
                ("thing", "yearly"),
                ("amount", "5"),
                ("reason", "a report"),
            ],
            "a report",
            "daily, weekly or monthly",
        ),
        (
            [
                ("for", "group"),
                ("thing", "wombats"),
                ("amount", ""),
                ("reason", ""),
            ],
            "wombats",
            "must be given",
        ),
        (
            [
                ("for", "group"),
                ("thing", HOSTILE),
                ("amount", ""),
                ("reason", ""),
            ],
            "img src",
            "must be given",
        ),
        (
            [
                ("for", "model"),
                ("thing", HOSTILE),
                ("amount", ""),
                ("reason", "a report"),
            ],
            "a report",
            "a model there is",
        ),
    ] {
        let page = member.post("/me/ask", &form).await;
        assert_eq!(page.status, 422, "{form:?}");
        page.is_well_made("a wrong form");
        assert!(
            page.text.contains(kept) && text(&page).contains(says),
            "{form:?}: {}",
            text(&page)
        );
        assert!(!page.text.contains("<img"), "{form:?}");
    }
    let foreign = member
        .send("/me/ask", &[("for", "model")], "https://evil.example", "x")
        .await;
    assert_eq!(foreign.status, 400);
    setting.end().await;
}

#[tokio::test]
async fn money_is_granted_by_whoever_may_with_a_fresh_proof_and_never_to_oneself() {
    let setting = Setting::set().await;
    let (member, admin) = (
        setting.visitor(Role::Member).await,
        setting.visitor(Role::Admin).await,
    );
    let one = asked(&setting, &member, HOSTILE).await;
    let (grant, yes) = (
        format!("{one}/grant"),
        [("reason", "yes"), ("amount", "100")],
    );
    for role in [
        Role::Member,
        Role::Auditor,
        Role::Approver,
        Role::Technician,
    ] {
        let visitor = setting.visitor(role).await;
        assert_eq!(visitor.post(&grant, &yes).await.status, 403, "{role}");
        assert_eq!(visitor.get(&grant).await.status, 403, "{role}");
        let page = visitor.get(&one).await;
        assert_eq!(page.status, if role == Role::Member { 403 } else { 200 });
        page.is_well_made("a request");
        assert!(!page.addresses().contains(&grant), "{role}");
    }
    let own = asked(&setting, &admin, "a report").await;
    assert!(text(&admin.get(&own).await).contains("You asked for this yourself"));
    assert_eq!(admin.post(&format!("{own}/grant"), &yes).await.status, 403);

    let stale = setting
        .browser(admin.person, Timestamp::from_unix_ms(0))
        .await;
    assert_eq!(stale.post(&grant, &yes).await.status, 403);
    assert_eq!(stale.get(&format!("{one}/decline")).await.status, 200);
    let wrong = admin
        .post(&grant, &[("reason", "yes"), ("amount", "0")])
        .await;
    assert_eq!(wrong.status, 422);
    wrong.is_well_made("no money");
    let page = admin.get(&one).await;
    assert!(!page.text.contains("<img") && text(&page).contains("<img src=x"));
    assert_eq!(admin.post(&grant, &yes).await.status, 303);
    let limits = setting
        .here
        .store
        .spend_limits(setting.here.org)
        .await
        .unwrap();
    let of = setting.stored(member.person).await.stable_id;
    let set = limits.iter().find(|limit| limit.scope.id() == of).unwrap();
    assert_eq!(set.amount_cents.as_deref(), Some("10000"));
    let read = member.get("/me").await;
    assert!(text(&read).contains("Your own limit was set to $100.00"));
    assert!(!read.text.contains("<img"));
    setting.end().await;
}

#[tokio::test]
async fn whoever_answers_second_is_told_who_was_quicker() {
    let setting = Setting::set().await;
    let member = setting.visitor(Role::Member).await;
    let (one, other) = (
        setting.visitor(Role::Admin).await,
        setting.visitor(Role::Owner).await,
    );
    let page = asked(&setting, &member, "a report").await;
    let decline = format!("{page}/decline");
    assert_eq!(other.get(&decline).await.status, 200);
    assert_eq!(
        one.post(&decline, &[("reason", "not now")]).await.status,
        303
    );
    let second = other.post(&decline, &[("reason", "never")]).await;
    assert_eq!(second.status, 412);
    second.is_well_made("second");
    assert!(
        text(&second).contains("Somebody else was quicker"),
        "{}",
        text(&second)
    );
    assert!(
        text(&second).contains("declined by admin@example.org"),
        "{}",
        text(&second)
    );
    assert!(text(&member.get("/me").await).contains("not now"));
    setting.end().await;
}

#[tokio::test]
async fn one_takes_back_ones_own_and_nobody_elses() {
    let setting = Setting::set().await;
    let (member, stranger) = (
        setting.visitor(Role::Member).await,
        setting.visitor(Role::Member).await,
    );
    let page = asked(&setting, &member, "a report").await;
    let id = page.rsplit('/').next().unwrap();
    let back = format!("/me/asked/{id}/withdraw");
    assert_eq!(stranger.post(&back, &[]).await.status, 404);
    assert!(!stranger.get("/me").await.text.contains(id));
    assert_eq!(
        member.post(&back, &[]).await.header("location"),
        "/me?done=withdrawn"
    );
    assert!(text(&member.get("/me").await).contains("You took it back"));
    assert_eq!(member.post(&back, &[]).await.status, 412);
    setting.end().await;
}
