//! What an entry about connectors or actions may say, and what is named where it may not.

use super::super::{Policy, UnreadablePolicy};

fn check(text: &str, expected: &[&str]) {
    let found: Vec<String> = match Policy::parse(1, text) {
        Ok(_) => Vec::new(),
        Err(UnreadablePolicy::Invalid(mistakes)) => {
            mistakes.into_iter().map(|mistake| mistake.path).collect()
        }
        Err(other) => panic!("{text}: {other}"),
    };
    assert_eq!(found, expected, "{text}");
}

const SOUND: &str = "[[connector]]\nname = \"tasks\"\nurl = \"https://mcp.example/mcp\"\n";

#[test]
fn connectors_and_actions_read_as_people_write_them() {
    let text = r#"
        [[connector]]
        name = "crm"
        title = "Customers"
        prefix = "c"
        url = "https://mcp.example/crm?x=1"
        transport = "sse"
        credential = "header"
        secret = "crm-key"
        data_classes = ["member-pii"]
        definitions = "serve_pinned"
        trusted_annotations = true
        exception = { reason = "sales must write", approved_by = "the board" }
        [[connector]]
        name = "files"
        who = { groups = ["staff"] }
        command = ["/usr/bin/node", "server.js", ""]
        [[action]]
        name = "reading"
        connector = "*"
        classes = ["read"]
        state = "allow"
        [[action]]
        name = "paths"
        connector = "crm"
        actions = ["fetch", "get_*"]
        state = "ask"
        approver = ["leads"]
        [[action.argument]]
        at = "/path"
        is = "starts-with"
        value = "/users/"
        then = "blocked"
        [[action.argument]]
        at = "/limit"
        is = "greater-than"
        value = 10
        then = "ask"
    "#;
    check(text, &[]);
}

#[test]
fn every_mistake_of_a_connector_is_named() {
    check(
        "[[connector]]\nname = \"Tasks\"\ntitle = \"a\\nb\"\nprefix = \"toolongprefixxx\"\nsecret = \"x\"\n",
        &[
            "connector[0].name",
            "connector[0].prefix",
            "connector[0].title",
            "connector[0].url",
            "connector[0].secret",
        ],
    );
    let both = "url = \"https://a/\"\ncommand = [\"/bin/x\"]\n";
    check(
        &format!("[[connector]]\nname = \"a\"\n{both}"),
        &["connector[0].command"],
    );
    check(
        "[[connector]]\nname = \"a\"\ncommand = [\"npx\"]\ntransport = \"sse\"\n",
        &["connector[0].command", "connector[0].transport"],
    );
    check(
        "[[connector]]\nname = \"a\"\ncommand = [\"/bin/x\"]\ncredential = \"grant\"\n",
        &["connector[0].credential"],
    );
    check(
        "[[connector]]\nname = \"a\"\nurl = \"https://a/\"\ncredential = \"header\"\nexception = { reason = \"\", approved_by = \"x\" }\n",
        &[
            "connector[0].credential",
            "connector[0].exception",
            "connector[0].exception",
        ],
    );
    check(
        "[[connector]]\nname = \"a\"\nurl = \"https://a/\"\n[[connector]]\nname = \"b\"\nprefix = \"a\"\nurl = \"https://b/\"\n",
        &["connector[1].prefix"],
    );
}

#[test]
fn a_long_name_has_a_prefix_of_its_own_and_no_two_have_the_same() {
    let connector =
        |name: &str| format!("[[connector]]\nname = \"{name}\"\nurl = \"https://a/\"\n");
    let long = connector("tasks-of-everybody-else");
    let policy = Policy::parse(1, &long).unwrap();
    assert_eq!(policy.document().connector[0].prefix(), "tasks-7a495");
    check(
        &format!("{long}{}", connector("tasks-of-everybody-here")),
        &[],
    );
    check(
        &format!("{long}{}", connector("tasks-7a495")),
        &["connector[1].name"],
    );
}

#[test]
fn an_address_has_a_host_and_no_secret() {
    for url in [
        "",
        "ftp://a/",
        "https://a/b/../c",
        "https://a/%2E%2e/c",
        "https://a/./c",
        "https://",
        "https:///x",
        "https://u:p@a/",
        "https://a/#x",
        "https://a /",
        "https://ä/",
        "HTTPS://a/",
    ] {
        check(
            &format!("[[connector]]\nname = \"a\"\nurl = \"{url}\"\n"),
            &["connector[0].url"],
        );
    }
}

#[test]
fn every_mistake_of_an_action_is_named() {
    let action = |rest: &str| format!("{SOUND}[[action]]\nname = \"a\"\n{rest}");
    check(
        &action("connector = \"task\"\nstate = \"allow\"\napprover = \"second\"\n"),
        &["action[0].connector", "action[0]", "action[0].approver"],
    );
    check(
        &action(
            "connector = \"tasks\"\nactions = [\"*\", \"a*b\"]\nstate = \"ask\"\napprover = []\n",
        ),
        &["action[0].actions[1]", "action[0].approver"],
    );
    for (rule, is_sound) in [
        ("at = \"/a\"\nis = \"equals\"\nvalue = true", true),
        ("at = \"\"\nis = \"present\"", true),
        ("at = \"/a\"\nis = \"one-of\"\nvalue = [\"a\", 1]", true),
        ("at = \"/a\"\nis = \"equals\"\nvalue = [1]", false),
        ("at = \"/a\"\nis = \"equals\"", false),
        ("at = \"/a\"\nis = \"one-of\"\nvalue = []", false),
        ("at = \"/a\"\nis = \"starts-with\"\nvalue = 1", false),
        ("at = \"/a\"\nis = \"less-than\"\nvalue = \"1\"", false),
        ("at = \"/a\"\nis = \"absent\"\nvalue = 1", false),
    ] {
        let text = action(&format!(
            "connector = \"tasks\"\nactions = [\"*\"]\nstate = \"allow\"\n[[action.argument]]\n{rule}\nthen = \"blocked\"\n"
        ));
        let expected: &[&str] = if is_sound {
            &[]
        } else {
            &["action[0].argument[0].value"]
        };
        check(&text, expected);
    }
    check(
        &action(
            "connector = \"tasks\"\nactions = [\"*\"]\nstate = \"allow\"\n[[action.argument]]\nat = \"a\"\nis = \"absent\"\nthen = \"ask\"\n",
        ),
        &["action[0].argument[0].at"],
    );
}
