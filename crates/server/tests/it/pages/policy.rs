//! The pages of the policy: a change is looked at and saved with a reason; whatever goes wrong keeps the text; who may what.

use std::collections::BTreeSet;

use control::Role;
use control::roles::{self, Holder};
use domain::{Clock as _, Ids as _, PersonId, Timestamp};
use server::system::{SystemClock, SystemIds};
use store::Seen as Stated;

use super::setting::{Seen, Setting, Visitor};
use crate::api::setting::policy;

pub(super) const BOARD: &str = "\n# the board decides with Opus\n[[grant]]\nname = \"board\"\nwho = { groups = [\"board\"] }\nmodels = [\"claude-opus-*\"]\n";
const BUDGET: &str = "\n[[budget]]\nname = \"board's money\"\nwho = { groups = [\"board\"] }\nfor = \"member\"\namount_usd = \"5\"\nperiod = \"daily\"\n";

/// Somebody of a group.
pub(super) async fn somebody(setting: &Setting, name: &str, groups: &[&str]) -> PersonId {
    let now = SystemClock.now();
    let new = PersonId::from_parts(now.unix_ms().unsigned_abs(), SystemIds.random_bits());
    let stated = Stated {
        org: setting.here.org,
        issuer: "northwind",
        stable_id: &new.to_string(),
        email: Some(&format!("{}@example.org", name.to_lowercase())),
        name: Some(name),
        groups: &groups
            .iter()
            .map(|&group| group.to_owned())
            .collect::<BTreeSet<_>>(),
        stated: now,
        made: now,
        at: now,
    };
    let kept = setting.here.store.upsert_person(stated, new).await;
    kept.unwrap().id
}

async fn preview(visitor: &Visitor, expected: u64, text: &str) -> Seen {
    let expected = expected.to_string();
    let fields = [("expected", &*expected), ("text", text)];
    visitor.post("/console/policy/preview", &fields).await
}

async fn apply(visitor: &Visitor, expected: u64, text: &str, reason: &str) -> Seen {
    let expected = expected.to_string();
    let fields = [("expected", &*expected), ("text", text), ("reason", reason)];
    visitor.post("/console/policy/apply", &fields).await
}

/// The text that a page carries, as its field would send it.
pub(super) fn carried(page: &Seen) -> String {
    let forms = page.html().forms;
    let mut fields = forms.into_iter().flat_map(|form| form.fields);
    let text = fields.find(|(name, _)| name == "text");
    text.map(|(_, text)| text).unwrap_or_default()
}

#[tokio::test]
async fn a_change_is_looked_at_and_saved_with_a_reason_and_can_be_brought_back() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let eve = somebody(&setting, "Eve", &["board"]).await;
    let (number, text) = policy(&setting.here).await;
    let edit = owner.get("/console/policy/edit").await;
    edit.is_well_made("the text");
    assert_eq!(carried(&edit).trim_end(), text.trim_end());

    // As a browser sends it: every end of a line as two characters.
    let wanted = format!("{text}{BOARD}");
    let looked = preview(&owner, number, &wanted.replace('\n', "\r\n")).await;
    assert_eq!(looked.status, 200, "{}", looked.html().text);
    looked.is_well_made("the preview");
    let said = looked.html().text;
    assert!(said.contains("1 of 2 people gains claude-opus-"), "{said}");
    assert!(said.contains(": Eve In board 1 of 1."), "{said}");
    assert!(said.contains("0 lines go, 6 come"), "{said}");
    assert!(
        looked
            .addresses()
            .contains(&format!("/console/people/{eve}"))
    );
    assert_eq!(carried(&looked), wanted);
    assert_eq!(
        policy(&setting.here).await.0,
        number,
        "looking saves nothing"
    );

    let unsaid = apply(&owner, number, &wanted, " ").await;
    assert_eq!(unsaid.status, 422);
    unsaid.is_well_made("no reason");
    assert!(
        unsaid
            .html()
            .text
            .contains("must be given, in 1 to 500 characters")
    );
    assert_eq!(carried(&unsaid), wanted);

    let saved = apply(&owner, number, &wanted, "the board asked").await;
    assert_eq!(
        (saved.status.as_u16(), saved.header("location")),
        (303, &*format!("/console/policy?done={}", number + 1))
    );
    assert_eq!(policy(&setting.here).await, (number + 1, wanted.clone()));
    let told = owner.get(saved.header("location")).await.html().text;
    assert!(
        told.contains("Version 2 is in force, on every replica"),
        "{told}"
    );
    assert!(
        told.contains("board claude-opus-* group board 1 of 2 people"),
        "{told}"
    );

    let first = owner.get("/console/policy/versions/1").await;
    assert!(first.addresses().contains("/console/policy/edit?from=1"));
    let second = owner.get("/console/policy/versions/2").await;
    second.is_well_made("version 2");
    assert!(second.html().text.contains("the board asked") && second.text.contains("Comes: "));
    assert!(!second.addresses().contains("/console/policy/edit?from=2"));
    let file = owner.get("/console/policy/versions/2/text").await;
    assert_eq!(file.text, wanted);
    let back = owner.get("/console/policy/edit?from=1").await;
    assert_eq!(carried(&back).trim_end(), text.trim_end());
    let gone = preview(&owner, number + 1, &carried(&back))
        .await
        .html()
        .text;
    assert!(gone.contains("1 of 2 people loses claude-opus-"), "{gone}");
    let same = apply(&owner, number + 1, &wanted, "again").await;
    assert_eq!(same.header("location"), "/console/policy?done=unchanged");
    setting.end().await;
}

#[tokio::test]
async fn a_mistake_stands_with_its_line_and_the_text_is_kept() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    for (text, line, words) in [
        (
            "# x\n[[grant]]\nname = \"a\"\nmodel = [\"b\"]\n",
            "Line 4",
            "unknown field `model`",
        ),
        ("[[grant]\n", "Line 1", ""),
        (
            "[[grant]]\nname = \"a\"\nmodels = [\"m\"]\n[[grant]]\nname = \"a\"\nmodels = [\"m\"]\n",
            "Line 5",
            "stands twice",
        ),
        (
            "[[inspect]]\nname = \"i\"\ndetectors = [\"no.such\"]\naction = \"block\"\n",
            "",
            "no.such",
        ),
        ("# \u{202e}hidden\n", "Line 1", "nobody sees"),
        (
            "# </textarea><script>alert(1)</script>\n[[x\n",
            "Line 2",
            "",
        ),
    ] {
        for page in [
            preview(&owner, 1, text).await,
            apply(&owner, 1, text, "why").await,
        ] {
            assert_eq!(page.status, 422, "{text}: {}", page.html().text);
            page.is_well_made(text);
            let said = page.html().text;
            assert!(
                said.contains(line) && said.contains(words),
                "{text}: {said}"
            );
            assert_eq!(
                carried(&page).trim_end(),
                text.replace('\u{202e}', "\u{fffd}").trim_end()
            );
            assert!(!page.text.contains("<script>alert") && !page.text.contains('\u{202e}'));
        }
    }
    let long = "# long\n".repeat(40_000);
    let page = preview(&owner, 1, &long).await;
    assert_eq!(page.status, 422);
    assert!(page.html().text.contains("longer than the 262,144 bytes"));
    let longest = "#".repeat(domain::limits::POLICY_FORM_BYTES_MAX);
    assert_eq!(preview(&owner, 1, &longest).await.status, 413);
    assert_eq!(policy(&setting.here).await.0, 1);
    setting.end().await;
}

#[tokio::test]
async fn whoever_is_second_is_told_who_saved_and_keeps_their_text() {
    let setting = Setting::set().await;
    let one = setting.visitor(Role::Owner).await;
    let two = setting.visitor(Role::Admin).await;
    let (number, text) = policy(&setting.here).await;
    let (mine, theirs) = (format!("{text}{BOARD}"), format!("{text}\n# theirs\n"));
    assert_eq!(preview(&one, number, &mine).await.status, 200);
    let saved = apply(&two, number, &theirs, "I was quicker").await;
    assert_eq!(saved.status, 303);
    let late = apply(&one, number, &mine, "mine").await;
    assert_eq!(late.status, 409, "{}", late.html().text);
    late.is_well_made("a conflict");
    let said = late.html().text;
    assert!(
        said.contains("admin@example.org saved version 2") && said.contains("I was quicker"),
        "{said}"
    );
    assert!(
        said.contains("# theirs") && said.contains("Save over version 2"),
        "{said}"
    );
    assert_eq!(carried(&late), mine);
    assert_eq!(policy(&setting.here).await, (2, theirs));
    // What was seen is what is saved over.
    assert_eq!(apply(&one, 2, &mine, "mine after all").await.status, 303);
    assert_eq!(policy(&setting.here).await, (3, mine));
    setting.end().await;
}

#[tokio::test]
async fn money_needs_its_right_and_a_fresh_proof_and_nothing_typed_is_lost() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let stale = setting
        .browser(owner.person, Timestamp::from_unix_ms(0))
        .await;
    let technician = setting.visitor(Role::Technician).await;
    let (number, text) = policy(&setting.here).await;
    let money = format!("{text}{BOARD}{BUDGET}");
    let looked = preview(&stale, number, &money).await;
    assert_eq!(looked.status, 200);
    looked.is_well_made("stale");
    assert!(looked.text.contains("aria-disabled=\"true\""));
    assert!(looked.addresses().iter().any(|to| to.contains("again=1")));
    let tried = apply(&stale, number, &money, "more money").await;
    assert_eq!(tried.status, 403);
    assert_eq!(carried(&tried), money);
    assert!(tried.text.contains("more money"), "the reason is kept");

    let looked = preview(&technician, number, &money).await;
    assert!(
        looked
            .html()
            .text
            .contains("only the roles owner and admin have")
            || looked.html().text.contains("budgets.write")
    );
    assert_eq!(apply(&technician, number, &money, "x").await.status, 403);
    assert_eq!(policy(&setting.here).await.0, number);
    // No money in it: no proof is asked for.
    let grant = format!("{text}{BOARD}");
    assert_eq!(apply(&stale, number, &grant, "the board").await.status, 303);
    assert_eq!(apply(&owner, number + 1, &money, "money").await.status, 303);
    setting.end().await;
}

#[tokio::test]
async fn nothing_is_saved_by_whoever_may_not_or_by_a_form_that_is_not_ours() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let (number, text) = policy(&setting.here).await;
    let wanted = format!("{text}{BOARD}");
    let at = number.to_string();
    let fields = [("expected", &*at), ("text", &*wanted), ("reason", "a test")];
    for path in [
        "/console/policy/preview",
        "/console/policy/apply",
        "/console/policy/edit",
        "/console/policy/try",
    ] {
        let theirs = owner.send(path, &fields, "https://evil.example", "x").await;
        assert_eq!(theirs.status, 400, "{path}");
        assert!(
            !theirs.text.contains("board"),
            "{path} shows nothing of theirs"
        );
    }
    let base = setting.world.base.clone();
    let again = owner
        .send("/console/policy/apply", &fields, &base, "x")
        .await;
    assert_eq!(again.status, 403);
    assert_eq!(carried(&again), wanted);
    for role in [Role::Auditor, Role::Approver, Role::Member] {
        let visitor = setting.visitor(role).await;
        assert_eq!(
            apply(&visitor, number, &wanted, "a test").await.status,
            403,
            "{role}"
        );
        let looked = preview(&visitor, number, &wanted).await;
        let expected = if role == Role::Member { 403 } else { 200 };
        assert_eq!(looked.status, expected, "{role}");
        looked.is_well_made("rehearsed");
        assert_eq!(
            looked.text.contains("aria-describedby=\"because\""),
            role != Role::Member
        );
    }
    assert_eq!(policy(&setting.here).await.0, number);
    for path in ["/console/policy/preview", "/console/policy/apply"] {
        assert_eq!(
            owner.get(path).await.header("location"),
            "/console/policy/edit"
        );
    }
    setting.end().await;
}

#[tokio::test]
async fn hostile_names_in_every_field_of_a_policy_stay_text() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let text = r#"
# =<img src=x onerror=alert(1)>
[[grant]]
name = "=<img src=x>\"'&\u202E"
who = { people = ["<img>\u202E"], groups = ["<img>\u202E"], services = ["<img>"], issuers = ["northwind"] }
models = ["<img>\u202E"]
regions = ["<img>\u202E"]
[[grant]]
name = "all\u2066"
models = ["*"]
[[require]]
name = "<img>\u202E"
issuers = ["<img>\u202E"]
[[limit]]
name = "<img>\u202E"
requests_per_minute = 1
[[inspect]]
name = "<img>\u202E"
detectors = ["*"]
action = "observe"
[[managed_settings]]
name = "<img>\u202E"
settings = { "<img>\u202E" = "<img>" }
[[desktop_settings]]
name = "<img>\u202E"
settings = { "<img>\u202E" = "<img>" }
"#;
    let check = |page: &Seen, what: &str| {
        assert_eq!(page.status, 200, "{what}: {}", page.html().text);
        page.is_well_made(what);
        assert!(!page.text.contains("<img"), "{what}");
        assert!(!page.text.contains(['\u{202e}', '\u{2066}']), "{what}");
    };
    check(&preview(&owner, 1, text).await, "the preview");
    let hostile = somebody(&setting, "<img>\u{202e}", &["<img>\u{202e}"]).await;
    check(
        &preview(&owner, 1, text).await,
        "the preview for somebody hostile",
    );
    let saved = apply(&owner, 1, text, "hostile </li><img> names").await;
    assert_eq!(saved.status, 303, "{}", saved.html().text);
    for path in [
        "/console/policy".to_owned(),
        "/console/policy/edit".to_owned(),
        "/console/policy/versions".to_owned(),
        "/console/policy/versions/2".to_owned(),
        format!("/console/policy/try?who={hostile}&model=claude-opus-5-5"),
    ] {
        check(&owner.get(&path).await, &path);
    }
    for path in [
        "/console/policy/versions/99",
        "/console/policy/versions/x",
        "/console/policy/edit?from=99",
    ] {
        assert_eq!(owner.get(path).await.status, 404, "{path}");
    }
    setting.end().await;
}

#[tokio::test]
async fn an_entry_is_changed_by_a_form_and_the_rest_of_the_text_stays() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let (_, text) = policy(&setting.here).await;
    let book = owner.get("/console/policy").await;
    let to = "/console/policy/entry?section=grant&name=engineers";
    assert!(book.addresses().contains(to), "{:?}", book.addresses());
    let form = owner.get(to).await;
    form.is_well_made("a form");
    let mut forms = form.html().forms.into_iter();
    let begun = forms.find(|form| form.action == "/console/policy/entry");
    let mut begun = begun.unwrap().fields;
    begun.retain(|(name, _)| name != "csrf");
    for (name, value) in &mut begun {
        if name == "deny_models" {
            "claude-opus-5-5\r\n".clone_into(value);
        }
    }
    let fields: Vec<(&str, &str)> = begun
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let looked = owner.post("/console/policy/entry", &fields).await;
    assert_eq!(looked.status, 200, "{}", looked.html().text);
    looked.is_well_made("the preview of a form");
    let models = "models = [\"claude-opus-*\", \"claude-sonnet-*\", \"claude-haiku-*\"]\n";
    let denied = format!("{models}deny_models = [\"claude-opus-5-5\"]\n");
    assert_eq!(carried(&looked), text.replacen(models, &denied, 1));
    setting.end().await;
}

/// A form over what stands beside the entries, sent with a draft.
async fn beside(visitor: &Visitor, draft: (u64, &str), fields: &[(&str, &str)]) -> Seen {
    let expected = draft.0.to_string();
    let carrying = [("expected", &*expected), ("text", draft.1)];
    let fields = [&carrying[..], fields].concat();
    visitor.post("/console/policy/beside", &fields).await
}

#[tokio::test]
async fn stating_the_roles_that_stand_is_filled_in_and_changes_none() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let (number, text) = policy(&setting.here).await;
    let machine = control::Actor::command_line("a test");
    let holder = Holder::Group {
        issuer: "northwind".to_owned(),
        group: "internal audit".to_owned(),
    };
    let operation = setting.here.operation(&machine);
    let given = roles::grant(&operation, Role::Auditor, holder, "a test").await;
    given.unwrap();
    let to = "/console/policy/beside?part=administration";
    assert!(owner.get("/console/policy").await.addresses().contains(to));
    let form = owner.get(to).await;
    form.is_well_made("what is stated");
    let line = "auditor northwind internal audit";
    assert!(
        form.text.contains(&format!("\n{line}</textarea>")),
        "{}",
        form.text
    );
    let stating = [
        ("part", "administration"),
        ("stated", "on"),
        ("roles", line),
    ];
    let looked = beside(&owner, (number, &text), &stating).await;
    assert_eq!(looked.status, 200, "{}", looked.html().text);
    looked.is_well_made("what stating would change");
    let drafted = carried(&looked);
    assert!(drafted.starts_with(&text), "{drafted}");
    assert!(drafted.contains("[[administration.role]]"), "{drafted}");
    assert!(!looked.html().text.contains("Beside its rules"), "no drift");
    assert!(looked.text.contains("<option value=\"administration\">"));
    setting.end().await;
}

#[tokio::test]
async fn what_stands_beside_the_entries_is_changed_by_forms_that_keep_what_was_typed() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let (number, text) = policy(&setting.here).await;
    let yearly = [
        ("part", "administration"),
        ("stated", "on"),
        ("limits", "yearly 5"),
    ];
    let wrong = beside(&owner, (number, &text), &yearly).await;
    assert_eq!(wrong.status, 422);
    wrong.is_well_made("a wrong limit");
    let said = wrong.html().text;
    assert!(said.contains("must begin with daily"), "{said}");
    assert!(wrong.text.contains("\nyearly 5</textarea>"));
    let off = [("part", "administration"), ("roles", "auditor northwind x")];
    let off = beside(&owner, (number, &text), &off).await;
    assert_eq!(carried(&off), text, "not stated");

    let opening = [
        ("expected", "1"),
        ("text", &*text),
        ("entry", "acceptable_use"),
    ];
    let opened = owner.post("/console/policy/entry/open", &opening).await;
    assert_eq!(opened.status, 200, "{}", opened.html().text);
    opened.is_well_made("a part of a draft");
    assert_eq!(carried(&opened), text);
    for to in ["/console/policy/beside", "/console/policy/beside?part=x"] {
        assert_eq!(owner.get(to).await.status, 404, "{to}");
    }
    setting.end().await;
}

#[tokio::test]
async fn an_entry_of_a_draft_is_taken_out_and_one_added_by_forms() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let (number, text) = policy(&setting.here).await;
    let (at, draft) = (number.to_string(), format!("{text}{BOARD}"));
    let carrying = [("expected", &*at), ("text", &*draft), ("reason", "kept")];
    let named = [("entry", "limit/contractors a minute")];
    let form = owner
        .post(
            "/console/policy/entry/open",
            &[&carrying[..], &named[..]].concat(),
        )
        .await;
    assert_eq!(form.status, 200, "{}", form.html().text);
    form.is_well_made("a form over a draft");
    assert_eq!(carried(&form), draft);
    let out = [
        ("section", "limit"),
        ("old", "contractors a minute"),
        ("do", "remove"),
    ];
    let looked = owner
        .post("/console/policy/entry", &[&carrying[..], &out[..]].concat())
        .await;
    let slimmer = carried(&looked);
    assert!(
        !slimmer.contains("[[limit]]") && slimmer.ends_with(BOARD),
        "{slimmer}"
    );
    assert_eq!(apply(&owner, number, &slimmer, "by form").await.status, 303);
    assert_eq!(policy(&setting.here).await, (2, slimmer));

    let new = [
        ("expected", "2"),
        ("section", "budget"),
        ("name", "all of us"),
        ("for", "org"),
        ("amount_usd", "$900"),
        ("period", "weekly"),
        ("hard", "yes"),
    ];
    let looked = owner.post("/console/policy/entry", &new).await;
    let said = looked.html().text;
    assert_eq!(looked.status, 200, "{said}");
    let added = "[[budget]]\nname = \"all of us\"\nfor = \"org\"\namount_usd = \"900\"\nperiod = \"weekly\"\n";
    assert!(carried(&looked).contains(added), "{}", carried(&looked));
    assert!(
        said.contains("“all of us”, comes: $900.00 a week"),
        "{said}"
    );
    setting.end().await;
}

/// What is typed into a form.
type Typed = Vec<(&'static str, &'static str)>;

/// What each of these forms gets told.
fn mistaken_forms() -> Vec<(Typed, &'static str)> {
    let typed = "<b>\"&' typed";
    let named = |section, field, value| vec![("section", section), ("name", "n"), (field, value)];
    vec![
        (
            vec![("section", "grant"), ("name", "engineers"), ("models", "x")],
            "stands twice",
        ),
        (named("grant", "people", typed), "grants and denies nothing"),
        (named("require", "networks", typed), "must be networks"),
        (
            named("limit", "requests_per_minute", typed),
            "must be a whole number",
        ),
        (
            vec![
                ("section", "budget"),
                ("name", "n"),
                ("for", "person"),
                ("amount_usd", "1"),
                ("period", "daily"),
                ("hard", "yes"),
            ],
            "is needed by a budget for a person",
        ),
        (named("inspect", "action", "block"), "names no detector"),
        (
            named("managed_settings", "settings", typed),
            "is no JSON at line 1",
        ),
        (
            vec![
                ("section", "desktop_settings"),
                ("name", ""),
                ("settings", "{}"),
            ],
            "needs 1 to 100 characters",
        ),
        (
            vec![
                ("section", "grant"),
                ("old", "gone"),
                ("name", "n"),
                ("models", typed),
            ],
            "no entry of this name any more",
        ),
    ]
}

#[tokio::test]
async fn a_form_says_beside_the_field_what_is_wrong_and_keeps_what_was_typed() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    for (fields, words) in mistaken_forms() {
        let mut sent = vec![("expected", "1")];
        sent.extend(fields.iter().copied());
        let page = owner.post("/console/policy/entry", &sent).await;
        let said = page.html().text;
        assert_eq!(page.status, 422, "{fields:?}: {said}");
        page.is_well_made("a form with a mistake");
        assert!(said.contains(words), "{words}: {said}");
        assert!(!page.text.contains("<b>"), "{words}");
        let kept = page.html().forms.into_iter().flat_map(|form| form.fields);
        let kept: Vec<(String, String)> = kept.collect();
        for (name, value) in fields {
            let is_kept = |(field, text): &(String, String)| field == name && text == value;
            assert!(kept.iter().any(is_kept), "{name} of {words}: {kept:?}");
        }
    }
    for (path, status) in [
        ("/console/policy/entry?section=grant&name=nobody", 404),
        ("/console/policy/entry?section=nothing", 404),
        ("/console/policy/entry", 303),
    ] {
        let page = owner.get(path).await;
        assert_eq!(page.status, status, "{path}");
        page.is_well_made(path);
    }
    assert_eq!(policy(&setting.here).await.0, 1);
    setting.end().await;
}
