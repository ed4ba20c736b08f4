//! What a form writes into a policy's text: what was meant, and nothing else.

use domain::Policy;
use proptest::prelude::*;

use super::*;

const TEXT: &str = r#"# the house's rules

[[grant]]   # first
name = "staff" # everybody
who = { groups = [ "staff" ] }  # from the directory
models = ["claude-sonnet-*",
  # cheap
  "claude-haiku-*"]

# research alone
[[grant]]
name = "makers"
models = ["claude-opus-*"]
[grant.who]
# kept by the head of research
groups = ["research"]
issuers = ["company"]

# --- money ---

[[budget]]
name = "all"
for = "member"
amount_usd = "60"
period = "monthly"
hard = true

[acceptable_use]
required = false
"#;

/// Every field of every kind of entry.
const FULL: &str = r#"
[[grant]]
name = "full \"grant\""
who = { people = ["per_1", "tid/oid"], groups = ["a", "b"], services = ["nightly"], issuers = ["company"] }
models = ["claude-*", "x"]
deny_models = ["claude-opus-*"]
regions = ["eu", "us"]

[[require]]
name = "full require"
who = { groups = ["ü 日本"] }
clients = ["claude_code", "sdk"]
min_version = { claude_code = "2.1.300", claude_desktop = "1.0.0" }
networks = ["10.0.0.0/8", "2001:db8::/32"]
issuers = ["company", "partner"]

[[limit]]
name = "full limit"
requests_per_minute = 10
input_tokens_per_minute = 20000
output_tokens_per_minute = 3000
concurrent_requests = 4

[[budget]]
name = "full budget"
for = "group"
amount_usd = "12.345678901"
period = "weekly"
hard = false

[[inspect]]
name = "full inspect"
detectors = ["secret.*", "payment_card"]
action = "block"
min_confidence = 80

[[managed_settings]]
name = "full managed"
who = { services = ["s"] }
settings = { model = "x", env = { A = "1" }, permissions = { deny = ["Read(.env)"], allow = [] }, hooks = { Stop = [{ matcher = "", hooks = [{ type = "command", command = "true", timeout = 5 }] }] }, ratio = 0.5, on = true }

[[desktop_settings]]
name = "full desktop"
settings = { "a.b" = [1, 2], deep = { deeper = { deepest = "x" } } }

[[connector]]
name = "full"
who = { groups = ["staff"] }
title = "All of it"
prefix = "f"
url = "https://mcp.example/mcp"
transport = "sse"
credential = "header"
secret = "full-key"
data_classes = ["member-pii"]
definitions = "warn"
trusted_annotations = true
bulk_calls = 5
exception = { reason = "because", approved_by = "the board" }

[[action]]
name = "full action"
who = { groups = ["staff"] }
connector = "full"
actions = ["get_*", "list"]
classes = ["read", "generic"]
state = "ask"
approver = ["leads", "owners"]
argument = [{ at = "/path", is = "one-of", value = ["a", 1, true], then = "blocked" }, { at = "", is = "present", then = "ask" }]
"#;

fn every_entry() -> Vec<Entry> {
    let document = document(FULL).unwrap();
    let all = Section::ALL.into_iter();
    all.flat_map(|section| Entry::all(&document, section))
        .collect()
}

#[test]
fn every_field_of_every_entry_comes_back_from_the_text_it_is_written_into() {
    let entries = every_entry();
    assert_eq!(entries.len(), Section::ALL.len());
    for before in ["", TEXT, "# a word without an end", FULL] {
        for entry in &entries {
            let mut entry = entry.clone();
            rename(&mut entry, "another");
            // one name for all and no prefix twice
            match &mut entry {
                Entry::Connector(connector) => connector.prefix = Some("another".to_owned()),
                Entry::Action(action) => action.connector = "*".to_owned(),
                _ => {}
            }
            let text = add(before, &entry).unwrap();
            assert_eq!(find(&text, entry.section(), "another"), Ok(entry), "{text}");
            Policy::parse(1, &text).unwrap();
        }
    }
}

#[test]
fn an_entry_takes_every_field_of_another_and_gives_them_up_again() {
    for entry in every_entry() {
        let section = entry.section();
        let (mut slim, mut renamed) = (slim(&entry), entry.clone());
        rename(&mut slim, "slim");
        rename(&mut renamed, "renamed");
        let with_slim = replace(FULL, entry.name(), &slim).unwrap();
        assert_eq!(find(&with_slim, section, "slim"), Ok(slim.clone()));
        let full_again = replace(&with_slim, "slim", &renamed).unwrap();
        assert_eq!(
            find(&full_again, section, "renamed"),
            Ok(renamed),
            "{full_again}"
        );
        let same = replace(FULL, entry.name(), &entry).unwrap();
        assert_eq!(same, FULL, "what says the same stays as it is written");
    }
}

fn rename(entry: &mut Entry, name: &str) {
    *match entry {
        Entry::Grant(entry) => &mut entry.name,
        Entry::Require(entry) => &mut entry.name,
        Entry::Limit(entry) => &mut entry.name,
        Entry::Budget(entry) => &mut entry.name,
        Entry::Inspect(entry) => &mut entry.name,
        Entry::ManagedSettings(entry) => &mut entry.name,
        Entry::DesktopSettings(entry) => &mut entry.name,
        Entry::Connector(entry) => &mut entry.name,
        Entry::Action(entry) => &mut entry.name,
    } = name.to_owned();
}

/// The least there is of the same kind.
fn slim(entry: &Entry) -> Entry {
    let text = match entry.section() {
        Section::Grant => "models = [\"x\"]",
        Section::Require | Section::Limit => "",
        Section::Budget => "for = \"org\"\namount_usd = \"1\"\nperiod = \"daily\"",
        Section::Inspect => "detectors = [\"*\"]\naction = \"observe\"",
        Section::ManagedSettings | Section::DesktopSettings => "settings = {}",
        Section::Connector => "command = [\"/bin/x\"]",
        Section::Action => "connector = \"*\"\nactions = [\"*\"]\nstate = \"blocked\"",
    };
    let text = format!(
        "[[{}]]\nname = \"slim\"\n{text}\n",
        entry.section().as_str()
    );
    find(&text, entry.section(), "slim").unwrap()
}

#[test]
fn remarks_and_spaces_stay_where_nothing_else_is_said() {
    let Ok(Entry::Grant(mut staff)) = find(TEXT, Section::Grant, "staff") else {
        panic!("it is there")
    };
    staff.deny_models = vec![domain::model::ModelPattern("x".to_owned())];
    staff.who.groups.insert("board".to_owned());
    let text = replace(TEXT, "staff", &Entry::Grant(staff)).unwrap();
    let expected = TEXT
        .replace("[ \"staff\" ]", "[\"board\", \"staff\"]")
        .replace(
            "\"claude-haiku-*\"]\n",
            "\"claude-haiku-*\"]\ndeny_models = [\"x\"]\n",
        );
    assert_eq!(text, expected);
    let Ok(Entry::Grant(mut makers)) = find(TEXT, Section::Grant, "makers") else {
        panic!("it is there")
    };
    makers.who.issuers.clear();
    makers.name = "inventors".to_owned();
    let text = replace(TEXT, "makers", &Entry::Grant(makers)).unwrap();
    let expected = TEXT
        .replace("\"makers\"", "\"inventors\"")
        .replace("issuers = [\"company\"]\n", "");
    assert_eq!(text, expected);
}

#[test]
fn a_remark_above_what_is_changed_stays_above_it() {
    let text =
        "[[ grant ]]\n  # what it is called\n  name='a'  # so\n  # what it gives\n  models=['x']\n";
    let Ok(Entry::Grant(mut grant)) = find(text, Section::Grant, "a") else {
        panic!("it is there")
    };
    grant.name = "b".to_owned();
    grant.models = vec![domain::model::ModelPattern("y".to_owned())];
    let changed = replace(text, "a", &Entry::Grant(grant)).unwrap();
    let expected = text.replace("'a'", "\"b\"").replace("['x']", "[\"y\"]");
    assert_eq!(changed, expected);
}

#[test]
fn an_entry_goes_with_its_own_remark_and_no_other() {
    let text = remove(TEXT, Section::Grant, "makers").unwrap();
    let from = TEXT.find("# research alone").unwrap();
    let to = TEXT.find("# --- money ---").unwrap();
    assert_eq!(text, format!("{}{}", &TEXT[..from], &TEXT[to..]));
    let text = remove(&text, Section::Budget, "all").unwrap();
    assert!(text.contains("# --- money ---") && text.contains("[acceptable_use]"));
}

#[test]
fn a_new_entry_stands_after_the_last_of_its_kind() {
    let grant = find(FULL, Section::Grant, "full \"grant\"").unwrap();
    let text = add(TEXT, &grant).unwrap();
    let at = |what: &str| text.find(what).unwrap();
    assert!(at("[\"research\"]") < at("full ") && at("full ") < at("# --- money"));
    let limit = find(FULL, Section::Limit, "full limit").unwrap();
    let text = add(TEXT, &limit).unwrap();
    assert!(text.starts_with(TEXT) && text[TEXT.len()..].starts_with("\n[[limit]]\n"));
}

#[test]
fn a_long_list_is_written_a_line_each() {
    let Entry::Grant(mut grant) = slim(&find(FULL, Section::Grant, "full \"grant\"").unwrap())
    else {
        panic!("it is a grant")
    };
    grant.who.groups = (0..20).map(|number| format!("group {number}")).collect();
    let text = add("", &Entry::Grant(grant.clone())).unwrap();
    assert!(text.contains("    \"group 7\",\n"), "{text}");
    assert_eq!(find(&text, Section::Grant, "slim"), Ok(Entry::Grant(grant)));
}

#[test]
fn what_cannot_be_changed_piece_by_piece_is_left_alone() {
    let slim = slim(&find(FULL, Section::Grant, "full \"grant\"").unwrap());
    let check = |text: &str, expected: &CannotEdit| {
        assert_eq!(replace(text, "a", &slim).as_ref(), Err(expected), "{text}");
        assert_eq!(
            remove(text, Section::Grant, "a").as_ref(),
            Err(expected),
            "{text}"
        );
    };
    check("", &CannotEdit::Gone);
    check(
        "[[grant]]\nname = \"b\"\nmodels = [\"x\"]\n",
        &CannotEdit::Gone,
    );
    check("[[grant", &CannotEdit::Unreadable);
    let inline = "grant = [{ name = \"a\", models = [\"x\"] }]\n";
    check(inline, &CannotEdit::Pieces);
    assert_eq!(add(inline, &slim), Err(CannotEdit::Pieces));
    check(
        "[[grant]]\nname = \"a\"\nmodels = [\"x\"]\n[[limit]]\nname = \"l\"\n[grant.who]\ngroups = [\"g\"]\n",
        &CannotEdit::Pieces,
    );
}

/// A text of entries that are written in many ways, and how many.
fn texts() -> impl Strategy<Value = (String, usize)> {
    let gap = prop_oneof![
        Just(""),
        Just("\n"),
        Just("\n\n# apart\n\n"),
        Just("\n# right above\n")
    ];
    let style = 0..6u8;
    proptest::collection::vec((gap, style), 1..7).prop_map(|parts| {
        let count = parts.len();
        let mut text = String::from("# head\n");
        for (number, (gap, style)) in parts.into_iter().enumerate() {
            text.push_str(gap);
            let entry = match style {
                0 => format!("[[grant]]\nname = \"e{number}\"\nmodels = [\"x\"] # why\n"),
                1 => format!("[[ grant ]] # odd\n  name='e{number}'\n\n  models = [\n\"x\", # y\n]\n  who.groups = [\"g\"]\n"),
                2 => format!("[[grant]]\nname = \"e{number}\"\nregions = [\"eu\"]\n[grant.who]\npeople = ['''a\n[[grant]]\n''']\n"),
                3 => format!("[[limit]]\nname = \"e{number}\"\n"),
                4 => format!("[[budget]]\n\"name\" = \"e{number}\"\nfor=\"org\"\namount_usd=\"1\"\nperiod=\"daily\"\n"),
                _ => format!("[[managed_settings]]\nname = \"e{number}\"\n[managed_settings.settings]\na = 1\n[managed_settings.settings.b]\nc = 2\n"),
            };
            text.push_str(&entry);
        }
        (text, count)
    })
}

proptest! {
    #[test]
    fn no_byte_outside_of_the_entry_changes((text, count) in texts(), which in 0..7usize) {
        let name = format!("e{}", which % count);
        let places = places::entries(&text);
        prop_assert_eq!(places.len(), count);
        let place = places.iter().find(|place| place.name == name).unwrap();
        let (head, tail) = (&text[..place.bytes.start], &text[place.bytes.end..]);
        let mut entry = find(&text, place.section, &name).unwrap();
        prop_assert_eq!(&replace(&text, &name, &entry).unwrap(), &text);
        rename(&mut entry, "another");
        let changed = replace(&text, &name, &entry).unwrap();
        prop_assert!(changed.starts_with(head) && changed.ends_with(tail), "{}", changed);
        prop_assert_eq!(&replace(&changed, "another", &find(&text, place.section, &name).unwrap()).unwrap().len(), &text.len());
        let gone = remove(&text, place.section, &name).unwrap();
        prop_assert!(gone.starts_with(head) && gone.ends_with(tail.trim_start_matches('\n')), "{}", gone);
        let added = add(&text, &entry).unwrap();
        for place in &places {
            prop_assert!(added.contains(&text[place.bytes.clone()]), "{}", added);
        }
    }
}
