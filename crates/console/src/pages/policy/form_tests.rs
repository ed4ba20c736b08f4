//! Entries go into a form and come back as they were, or do not go in at all.

use control::policies::edit;
use domain::Policy;
use proptest::prelude::*;

use super::*;

/// Every field of every kind of entry.
const FULL: &str = r#"
[[grant]]
name = "g"
who = { people = ["per_1", "tid/oid"], groups = ["a b", "ü"], services = ["nightly"], issuers = ["company"] }
models = ["z", "claude-*"]
deny_models = ["claude-opus-*"]
regions = ["eu", "us"]
[[require]]
name = "r"
clients = ["claude_code", "claude_desktop", "office", "sdk", "other"]
min_version = { claude_code = "2.1.300", sdk = "1.0.0" }
networks = ["10.0.0.0/8", "2001:db8::/32"]
issuers = ["company", "partner"]
[[limit]]
name = "l"
requests_per_minute = 10
input_tokens_per_minute = 20000
output_tokens_per_minute = 3000
concurrent_requests = 4
[[budget]]
name = "b"
for = "group"
amount_usd = "12.345678901"
period = "weekly"
hard = false
[[inspect]]
name = "i"
detectors = ["secret.*", "payment_card"]
action = "observe"
min_confidence = 80
[[managed_settings]]
name = "m"
servers = "company"
settings = { model = "x", permissions = { deny = ["Read(.env)"] }, ratio = 0.5, on = true, n = 5 }
[[desktop_settings]]
name = "d"
who = { groups = ["g"] }
settings = { "a.b" = [1, { c = "d\ne" }] }
[[connector]]
name = "c"
title = "All of it"
prefix = "p"
url = "https://mcp.example/mcp"
transport = "sse"
credential = "header"
secret = "key"
data_classes = ["member-pii"]
definitions = "warn"
trusted_annotations = true
bulk_calls = 5
exception = { reason = "because", approved_by = "the board" }
[[connector]]
name = "keyed"
url = "https://keyed.example/mcp"
credential = "api-key"
header = "Authorization"
scheme = "Bearer"
[[connector]]
name = "stdio"
command = ["/usr/bin/node", "--x=1", "server.js"]
credential = "api-key"
variable = "NODE_KEY"
[[action]]
name = "a"
connector = "*"
actions = ["get_*", "list"]
classes = ["read", "generic"]
state = "ask"
approver = ["leads", "owners"]
argument = [{ at = "/path", is = "one-of", value = ["a", 1, true], then = "blocked" }, { at = "", is = "present", then = "ask" }]
[[action]]
name = "b"
connector = "*"
actions = ["*"]
state = "ask"
approver = "second"
"#;

fn entries(text: &str) -> Vec<Entry> {
    let policy = Policy::parse(0, text).unwrap();
    let sections = Section::ALL.into_iter();
    sections
        .flat_map(|section| Entry::all(policy.document(), section))
        .collect()
}

#[test]
fn every_field_of_the_document_goes_through_form_text_and_form() {
    for entry in entries(FULL) {
        let fields = fields_of(&entry).unwrap();
        let text = edit::add("", &entry_of(entry.section(), &fields).unwrap()).unwrap();
        let back = entries(&text);
        assert_eq!(back, std::slice::from_ref(&entry));
        // The keys of JSON have no order.
        let again = fields_of(&back[0]).map(|fields| entry_of(entry.section(), &fields));
        assert_eq!(again, Some(Ok(entry.clone())));
        let mut known: Vec<String> = whom().into_iter().map(|spec| spec.name).collect();
        known.extend(what(entry.section()).into_iter().map(|spec| spec.name));
        known.push("name".to_owned());
        for name in fields.keys() {
            assert!(known.contains(name), "no field of the form for {name}");
        }
    }
}

#[test]
fn an_entry_that_a_form_cannot_carry_is_left_to_the_text() {
    for text in [
        "[[grant]]\nname = \"a\"\nwho = { groups = [\"a\\nb\"] }\nmodels = [\"x\"]\n",
        "[[grant]]\nname = \"a\"\nwho = { groups = [\" a\"] }\nmodels = [\"x\"]\n",
        "[[grant]]\nname = \"a\"\nwho = { people = [\"\"] }\nmodels = [\"x\"]\n",
        "[[grant]]\nname = \"a\\u202E\"\nmodels = [\"x\"]\n",
        "[[grant]]\nname = \" a\"\nmodels = [\"x\"]\n",
    ] {
        assert_eq!(fields_of(&entries(text)[0]), None, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_of_its_field() {
    let check = |section, given: &[(&str, &str)], expected: &[&str]| {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let fields: Fields = given.iter().map(owned).collect();
        let wrongs = entry_of(section, &fields).unwrap_err();
        let names: Vec<&str> = wrongs.keys().map(String::as_str).collect();
        assert_eq!(names, expected, "{given:?}");
    };
    check(Section::Grant, &[("models", "x")], &["name"]);
    check(
        Section::Grant,
        &[("name", "a\u{202e}"), ("groups", "\u{202e}")],
        &["groups", "name"],
    );
    check(
        Section::Require,
        &[("name", "a"), ("min_sdk", "new"), ("networks", "here")],
        &["min_sdk", "networks"],
    );
    check(
        Section::Limit,
        &[
            ("name", "a"),
            ("requests_per_minute", "-1"),
            ("input_tokens_per_minute", "1e9"),
        ],
        &["input_tokens_per_minute", "requests_per_minute"],
    );
    check(
        Section::Budget,
        &[("name", "a"), ("for", "x"), ("amount_usd", "much")],
        &["amount_usd", "for", "hard", "period"],
    );
    check(
        Section::Budget,
        &[
            ("name", "a"),
            ("for", "org"),
            ("amount_usd", "-1"),
            ("period", "daily"),
            ("hard", "no"),
        ],
        &["amount_usd"],
    );
    check(
        Section::Inspect,
        &[("name", "a"), ("action", ""), ("min_confidence", "101")],
        &["action", "min_confidence"],
    );
    check(
        Section::ManagedSettings,
        &[("name", "a"), ("settings", "{}"), ("servers", "ours")],
        &["servers"],
    );
    for settings in ["{", "[]", "{\"a\": [null]}", "{\"a\": {\"b\": null}}"] {
        check(
            Section::ManagedSettings,
            &[("name", "a"), ("settings", settings)],
            &["settings"],
        );
    }
}

proptest! {
    #[test]
    fn whatever_is_typed_is_an_entry_that_reads_back_or_a_mistake(
        which in 0..9usize,
        values in proptest::collection::vec("[ -~\n\u{202e}ü]{0,20}", 12),
    ) {
        let section = Section::ALL[which];
        let mut specs = whom();
        specs.extend(what(section));
        let names = std::iter::once("name".to_owned()).chain(specs.into_iter().map(|spec| spec.name));
        let fields: Fields = names.zip(values).collect();
        if let Ok(entry) = entry_of(section, &fields) {
            let read = fields_of(&entry);
            prop_assert!(read.is_some(), "{entry:?}");
            prop_assert_eq!(entry_of(section, &read.unwrap()), Ok(entry.clone()));
            let text = edit::add("", &entry);
            prop_assert!(text.is_ok(), "{entry:?}: {text:?}");
        }
    }
}

/// A word that is no choice would be lost by whoever saves the form.
#[test]
fn whatever_a_connector_may_be_called_with_can_be_chosen() {
    use domain::policy::connectors::Credentials;
    let specs = connectors::of_connector();
    let field = specs.iter().find(|spec| spec.name == "credential");
    let Some(Kind::Choice(choices)) = field.map(|spec| &spec.kind) else {
        panic!("a choice");
    };
    for word in Credentials::ALL {
        let is_one = choices.iter().any(|(value, _)| *value == word.as_str());
        assert!(is_one, "{}", word.as_str());
    }
}
