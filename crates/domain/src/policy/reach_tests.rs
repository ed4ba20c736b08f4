//! Where actions stand: default deny, the most restrictive of all, look-alikes, ceilings, arguments.

use super::super::Policy;
use super::*;
use crate::{Credential, OrgId, PersonId, Subject};

const CONNECTORS: &str = r#"
[[connector]]
name = "tasks"
url = "https://tasks.example/mcp"
[[connector]]
name = "members"
url = "https://members.example/mcp"
data_classes = ["member-pii"]
[[connector]]
name = "sales"
url = "https://sales.example/mcp"
data_classes = ["member-pii"]
exception = { reason = "they write there", approved_by = "the board" }
"#;

fn ada(groups: &[&str]) -> Caller {
    Caller {
        org: OrgId::from_parts(0, 0),
        subject: Subject::Person(PersonId::from_parts(1, 7)),
        stable_id: "ada".into(),
        issuer: "company".into(),
        email: None,
        name: None,
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        session: None,
        credential: Credential::IdToken,
    }
}

fn rules(actions: &str, groups: &[&str]) -> CallerPolicy {
    Policy::parse(7, &format!("{CONNECTORS}{actions}"))
        .unwrap()
        .for_caller(&ada(groups))
}

/// One line of an entry: `name connector what state`, `what` being a pattern, or `:class`.
fn entry(line: &str) -> String {
    let parts: Vec<&str> = line.split(' ').collect();
    let what = parts[2].strip_prefix(':').map_or_else(
        || format!("actions = [\"{}\"]", parts[2]),
        |class| format!("classes = [\"{class}\"]"),
    );
    format!(
        "[[action]]\nname = \"{}\"\nconnector = \"{}\"\n{what}\nstate = \"{}\"\n",
        parts[0], parts[1], parts[3]
    )
}

fn check(
    lines: &[&str],
    (connector, action, class): (&str, &str, ActionClass),
    state: ActionState,
    by: &[Determined],
) {
    let text: String = lines.iter().map(|line| entry(line)).collect();
    let rules = rules(&text, &[]);
    let connector = rules
        .connectors
        .iter()
        .find(|known| known.name == connector);
    let found = rules.standing(&ActionAsk {
        connector: connector.unwrap(),
        action,
        class,
        meets: None,
    });
    assert_eq!((found.state, &*found.by), (state, by), "{lines:?} {action}");
    assert_eq!(found.policy_version, 7);
}

fn by(names: &[&str]) -> Vec<Determined> {
    let names = names.iter();
    names
        .map(|&name| Determined::Entry(name.to_owned()))
        .collect()
}

#[test]
fn what_nothing_permits_is_blocked_and_the_most_restrictive_of_all_counts() {
    use ActionClass::{Destructive, Read, Write};
    use ActionState::{Allow, Ask, Blocked};
    let get = ("tasks", "get_item", Read);
    check(&[], get, Blocked, &[Determined::Default]);
    check(&["a members * allow"], get, Blocked, &[Determined::Default]);
    check(&["a tasks get_* allow"], get, Allow, &by(&["a"]));
    check(&["a * * allow", "b tasks :read ask"], get, Ask, &by(&["b"]));
    check(
        &["a tasks * allow", "b tasks get_item blocked"],
        get,
        Blocked,
        &by(&["b"]),
    );
    check(
        &["a tasks * ask", "b tasks :read ask", "c * :read allow"],
        get,
        Ask,
        &by(&["a", "b"]),
    );
    check(
        &["a tasks :write ask"],
        ("tasks", "x", Write),
        Ask,
        &by(&["a"]),
    );
    check(
        &["a tasks :write ask"],
        ("tasks", "x", Destructive),
        Blocked,
        &[Determined::Default],
    );
    // what is blocked says so, and that nothing else permits it
    check(
        &["a tasks :read blocked"],
        get,
        Blocked,
        &[by(&["a"]), vec![Determined::Default]].concat(),
    );
}

#[test]
fn a_look_alike_is_never_permitted_by_the_name_and_never_escapes_it() {
    use ActionClass::Destructive;
    use ActionState::{Ask, Blocked};
    for name in ["Delete_item", "deleteItem", "DELETE-ITEM", "delete.item"] {
        let action = ("tasks", name, Destructive);
        check(
            &["a tasks delete_* allow"],
            action,
            Blocked,
            &[Determined::Default],
        );
        check(
            &["a tasks * allow", "b tasks delete_* blocked"],
            action,
            Blocked,
            &by(&["b"]),
        );
        check(
            &["a tasks * allow", "b tasks delete_item ask"],
            action,
            Ask,
            &by(&["b"]),
        );
        // asking for the name alone permits no other
        check(
            &["b tasks delete_item ask"],
            action,
            Blocked,
            &[Determined::Default],
        );
    }
    for name in ["dеlete_item", "get item", "get\u{200b}", ""] {
        let action = ("tasks", name, ActionClass::Read);
        check(
            &["a tasks * allow", "b tasks :read allow"],
            action,
            Blocked,
            &[Determined::Default],
        );
    }
}

#[test]
fn nothing_lifts_an_action_above_the_ceiling_but_a_written_exception() {
    use ActionClass::{Generic, Read, Write};
    use ActionState::{Allow, Ask, Blocked};
    let ceiling = |connector: &str| Determined::Ceiling {
        connector: connector.to_owned(),
        data: DataClass::MemberPii,
    };
    check(
        &["a * * allow"],
        ("members", "get", Read),
        Allow,
        &by(&["a"]),
    );
    check(
        &["a * * allow"],
        ("members", "put", Write),
        Blocked,
        &[ceiling("members")],
    );
    check(
        &["a * * ask"],
        ("members", "do", Generic),
        Blocked,
        &[ceiling("members")],
    );
    check(&["a * * ask"], ("sales", "put", Write), Ask, &by(&["a"]));
}

/// The state that rules on arguments come to, of which those at places with these numbers are met.
fn narrowed_to(rules_of: &str, state: &str, met: &[usize]) -> (ActionState, usize) {
    let text = format!(
        "[[action]]\nname = \"a\"\nconnector = \"tasks\"\nactions = [\"*\"]\nstate = \"{state}\"\n{rules_of}"
    );
    let rules = rules(&text, &[]);
    let all = rules.actions[0].entry.argument.clone();
    let meets = |rule: &ArgumentRule| met.iter().any(|&number| all[number] == *rule);
    let found = rules.standing(&ActionAsk {
        connector: &rules.connectors[0],
        action: "x",
        class: ActionClass::Generic,
        meets: Some(&meets),
    });
    (found.state, found.by.len())
}

fn rule(at: &str, value: &str, then: &str) -> String {
    format!(
        "[[action.argument]]\nat = \"{at}\"\nis = \"starts-with\"\nvalue = \"{value}\"\nthen = \"{then}\"\n"
    )
}

#[test]
fn rules_on_arguments_narrow_and_never_widen() {
    use ActionState::{Allow, Ask, Blocked};
    let text = [
        rule("/path", "/me/", "allow"),
        rule("/path", "/me/sendMail", "ask"),
        rule("/path", "/users/", "blocked"),
        rule("/kind", "x", "allow"),
    ]
    .concat();
    for (state, met, expected) in [
        ("allow", &[0, 3][..], Allow),
        ("allow", &[0, 1, 3], Ask),
        ("allow", &[0, 2, 3], Blocked),
        // one place is in order and another is not
        ("allow", &[0], Blocked),
        ("allow", &[3], Blocked),
        ("allow", &[1, 3], Ask),
        ("allow", &[], Blocked),
        ("ask", &[0, 3], Ask),
        ("blocked", &[0, 3], Blocked),
    ] {
        assert_eq!(
            narrowed_to(&text, state, met).0,
            expected,
            "{state} {met:?}"
        );
    }
    assert_eq!(
        narrowed_to(&rule("/a", "b", "ask"), "allow", &[]),
        (Allow, 1)
    );
    assert_eq!(
        narrowed_to(&rule("/a", "b", "blocked"), "allow", &[0]),
        (Blocked, 1)
    );
}

#[test]
fn whoever_approves_is_accepted_by_every_entry_that_asks() {
    let groups = |names: &[&str]| Approver::Groups(names.iter().map(|&n| n.to_owned()).collect());
    for (one, other, both) in [
        (Approver::Own, Approver::Own, Approver::Own),
        (Approver::Own, Approver::Second, Approver::Second),
        (Approver::Second, groups(&["a"]), groups(&["a"])),
        (groups(&["a", "b"]), groups(&["b", "c"]), groups(&["b"])),
        (groups(&["a"]), groups(&["b"]), groups(&[])),
    ] {
        assert_eq!(one.clone().and(other.clone()), both);
        assert_eq!(other.and(one), both);
    }
}

#[test]
fn a_connector_is_there_for_those_to_whom_something_is_permitted_and_for_nobody_else() {
    let text = "[[action]]\nname = \"a\"\nwho = { groups = [\"staff\"] }\nconnector = \"tasks\"\nactions = [\"*\"]\nstate = \"ask\"\n[[action]]\nname = \"b\"\nconnector = \"members\"\nactions = [\"*\"]\nstate = \"blocked\"\n";
    let check = |groups: &[&str], name: &str, is_there: bool| {
        let rules = rules(text, groups);
        let ask = Ask {
            model: None,
            client: crate::Client::from_headers(None, None),
            address: None,
        };
        let admitted = rules.admit(&ada(groups), &ask, name);
        assert_eq!(admitted.is_ok(), is_there, "{groups:?} {name}");
        if let Err(refusal) = admitted {
            assert_eq!(refusal.code(), ReasonCode::ConnectorNotAvailable);
        }
        assert_eq!(rules.reachable().any(|known| known.name == name), is_there);
    };
    check(&["staff"], "tasks", true);
    check(&["staff"], "members", false);
    check(&["staff"], "nothing", false);
    check(&[], "tasks", false);
}

#[test]
fn a_bare_name_permits_nothing_among_several_issuers_and_still_restricts() {
    let who = "who = { groups = [\"staff\"] }\n";
    let text = format!(
        "{CONNECTORS}[[action]]\nname = \"bare\"\n{who}connector = \"tasks\"\nactions = [\"*\"]\nstate = \"ask\"\n{}",
        entry("all tasks get_* allow")
    );
    let policy = Policy::parse(1, &text).unwrap().among_issuers(2);
    assert_eq!(policy.reach_of_namesakes().collect::<Vec<_>>(), ["bare"]);
    let rules = policy.for_caller(&ada(&["staff"]));
    let state = |action| {
        let connector = &rules.connectors[0];
        let class = ActionClass::Read;
        rules
            .standing(&ActionAsk {
                connector,
                action,
                class,
                meets: None,
            })
            .state
    };
    assert_eq!(state("get_item"), ActionState::Ask);
    assert_eq!(state("list_items"), ActionState::Blocked);
}
