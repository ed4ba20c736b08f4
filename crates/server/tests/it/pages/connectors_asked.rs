//! Asking for a connector or an action of one on one's own page, what whoever answers sees of what it takes, and the answer.

use control::Role;

use super::setting::{Seen, Setting, Visitor};

/// Rules by which the member reaches one connector, and another is there for others.
fn rules(member: &Visitor) -> String {
    format!(
        "\n[[connector]]\nname = \"code\"\ntitle = \"Our code\"\nurl = \"https://api.githubcopilot.com/mcp/\"\n\
         [[connector]]\nname = \"board\"\nwho = {{ groups = [\"board\"] }}\nurl = \"https://board.example/mcp\"\n\
         [[action]]\nname = \"reading code\"\nwho = {{ people = [\"{}\"] }}\nconnector = \"code\"\nclasses = [\"read\"]\nstate = \"allow\"\n",
        member.person
    )
}

/// A connector of the catalogue, asked for as people call it.
const NOTION: [(&str, &str); 3] = [
    ("for", "connector"),
    ("thing", "Notion"),
    ("reason", "minutes"),
];

fn text(page: &Seen) -> String {
    page.html().text
}

/// Somebody asks; the address of the page on which it is answered.
async fn asked(setting: &Setting, who: &Visitor, form: &[(&str, &str)]) -> String {
    let sent = who.post("/me/ask", form).await;
    assert_eq!(sent.header("location"), "/me?done=asked", "{}", text(&sent));
    let (store, org) = (&setting.here.store, setting.here.org);
    let (open, _) = store
        .access_requests_page(org, store::AskedFor::default(), None, 99)
        .await
        .unwrap();
    format!("/console/requests/{}", open.last().unwrap().id)
}

fn leads(page: &Seen, part: &str) -> Option<String> {
    page.addresses().into_iter().find(|to| to.contains(part))
}

/// What the form of an entry holds.
fn filled(page: &Seen) -> Vec<(String, String)> {
    let mut forms = page.html().forms.into_iter();
    let form = forms.find(|form| form.action == "/console/policy/entry");
    let mut fields = form.unwrap().fields;
    fields.retain(|(name, _)| name != "csrf");
    fields
}

#[tokio::test]
async fn a_connector_that_nobody_has_yet_is_asked_for_and_cannot_be_granted_before_it_is_there() {
    let setting = Setting::set().await;
    let member = setting.visitor(Role::Member).await;
    assert!(leads(&member.get("/me").await, "/me/ask?for=connector").is_some());
    let form = member.get("/me/ask?for=connector").await;
    form.is_well_made("asking for a connector");
    assert!(form.text.contains("<option value=\"Notion\">"));
    let one = asked(&setting, &member, &NOTION).await;

    let approver = setting.visitor(Role::Approver).await;
    let page = approver.get(&one).await;
    page.is_well_made("what it takes");
    let said = text(&page);
    assert!(
        said.contains("The policy in force has no connector of that name"),
        "{said}"
    );
    assert!(
        said.contains("it needs no review") && said.contains("It can be granted once they have it")
    );
    // Nothing leads to a grant, nor, for whoever does not write it, to the policy.
    let grant = format!("{one}/grant");
    assert!(!page.addresses().contains(&grant));
    assert_eq!(leads(&page, "/console/policy/entry"), None);
    for refused in [
        approver.get(&grant).await,
        approver.post(&grant, &[("reason", "yes")]).await,
    ] {
        assert_eq!(refused.status, 400);
        refused.is_well_made("a grant that comes too early");
        let said = text(&refused);
        assert!(
            said.contains("It cannot be granted yet") && said.contains("no connector"),
            "{said}"
        );
    }
    setting.end().await;
}

#[tokio::test]
async fn what_a_connector_lacks_is_drafted_from_its_request_and_then_it_is_granted() {
    let setting = Setting::set().await;
    let member = setting.visitor(Role::Member).await;
    let one = asked(&setting, &member, &NOTION).await;
    let owner = setting.visitor(Role::Owner).await;
    let to = leads(&owner.get(&one).await, "/console/policy/entry").unwrap();
    let draft = owner.get(&to).await;
    draft.is_well_made("a connector for a request");
    let filled = filled(&draft);
    let fields: Vec<(&str, &str)> = filled
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let whom = member.person.to_string();
    for given in [
        ("name", "notion"),
        ("url", "https://mcp.notion.com/mcp"),
        ("people", &*whom),
    ] {
        assert!(fields.contains(&given), "{given:?}: {fields:?}");
    }
    let looked = owner.post("/console/policy/entry", &fields).await;
    assert_eq!(looked.status, 200, "{}", text(&looked));
    assert!(looked.text.contains("value=\"request ask_"), "the reason");

    let entry = format!("who = {{ people = [\"{whom}\"] }}\n");
    setting
        .adds_to_policy(&format!(
            "\n[[connector]]\nname = \"notion\"\nurl = \"https://mcp.notion.com/mcp\"\n{entry}"
        ))
        .await;
    let to = leads(&owner.get(&one).await, "section=action&request=ask_").unwrap();
    let draft = owner.get(&to).await;
    draft.is_well_made("an entry for a request");
    assert!(
        draft.text.contains("value=\"notion: reading for member@"),
        "{}",
        draft.text
    );
    setting.adds_to_policy(
        &format!("[[action]]\nname = \"notion\"\nconnector = \"notion\"\nclasses = [\"read\"]\nstate = \"ask\"\n{entry}"),
    )
    .await;
    let approver = setting.visitor(Role::Approver).await;
    let grant = format!("{one}/grant");
    let page = approver.get(&one).await;
    assert!(text(&page).contains("they have it"), "{}", text(&page));
    approver.get(&grant).await.is_well_made("granting");
    let done = approver
        .post(&grant, &[("reason", "for the minutes")])
        .await;
    assert_eq!(done.header("location"), format!("{one}?done=answered"));
    let read = text(&member.get("/me").await);
    assert!(
        read.contains("for the minutes") && read.contains("Granted by"),
        "{read}"
    );
    setting.end().await;
}

#[tokio::test]
async fn an_action_is_asked_for_at_a_connector_that_one_has_and_hidden_ones_are_as_none() {
    let setting = Setting::set().await;
    let member = setting.visitor(Role::Member).await;
    let none = member.get("/me/ask?for=action").await;
    none.is_well_made("without a connector");
    assert!(text(&none).contains("Claude reaches no connector for you"));
    setting.adds_to_policy(&rules(&member)).await;
    let form = member.get("/me/ask?for=action&thing=code").await;
    form.is_well_made("asking for an action");
    assert!(form.text.contains("<option value=\"code\" selected>"));
    assert!(
        !form.text.contains("board"),
        "what is for others is not named"
    );
    // Its title in the catalogue is another name of what they have, which is not asked for.
    let has = [("for", "connector"), ("thing", "our CODE"), ("reason", "x")];
    let refused = member.post("/me/ask", &has).await;
    assert_eq!(refused.status, 422);
    assert!(text(&refused).contains("a connector that you have already"));

    let action = |thing, action| {
        [
            ("for", "action"),
            ("thing", thing),
            ("action", action),
            ("reason", "a release"),
        ]
    };
    let mut told = Vec::new();
    for hidden in ["board", "no-such"] {
        let page = member.post("/me/ask", &action(hidden, "get_page")).await;
        assert_eq!(page.status, 422);
        page.is_well_made("a connector that they have not");
        told.push(text(&page));
    }
    assert_eq!(told[0], told[1]);
    let spaced = member.post("/me/ask", &action("code", "<b>merge it")).await;
    assert_eq!(spaced.status, 422);
    spaced.is_well_made("no name");
    assert!(text(&spaced).contains("letters, digits and") && !spaced.text.contains("<b>merge"));

    let one = asked(&setting, &member, &action("code", "merge_pull_request")).await;
    let owner = setting.visitor(Role::Owner).await;
    let page = owner.get(&one).await;
    page.is_well_made("an action that nobody has listed");
    let said = text(&page);
    assert!(
        said.contains("It has listed no action of that name"),
        "{said}"
    );
    assert!(leads(&page, "/console/connectors/code").is_some());
    let decline = format!("{one}/decline");
    let done = owner.post(&decline, &[("reason", "people merge")]).await;
    assert_eq!(done.status, 303);
    let read = text(&member.get("/me").await);
    assert!(
        read.contains("people merge") && read.contains("Declined by"),
        "{read}"
    );
    setting.end().await;
}
