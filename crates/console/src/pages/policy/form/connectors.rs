//! Connectors and entries about their actions as fields, and back; see [`super`].

use std::collections::BTreeSet;

use domain::connectors::{ActionClass, ActionPattern, ActionState};
use domain::policy::connectors::{Credentials, Definitions, Exception, Transport};
use domain::policy::{Action, Approver, ArgumentRule, Connector, Who};
use serde_json::Value;

use super::{Kind, Reader, Spec, has_null, lines, spec, word_of};

/// The fields that say what a connector is.
pub(super) fn of_connector() -> Vec<Spec> {
    let line = |name, label, hint| spec(name, label, hint, Kind::Line);
    let choice = |name, label, words: &[(&'static str, &'static str)]| {
        spec(name, label, "", Kind::Choice(words.to_vec()))
    };
    let mut specs = vec![
        line("title", "What people read", "left empty, its name"),
        line("url", "Its address", "https://…; or else the command below"),
        spec(
            "command",
            "The program that is it",
            "one argument a line, the first the whole path of the program",
            Kind::List,
        ),
        choice(
            "transport",
            "How it is spoken to",
            &[
                ("http", "streamable HTTP"),
                ("sse", "HTTP with server-sent events, the old way"),
            ],
        ),
        choice(
            "credential",
            "With what Doorward authenticates there",
            &[
                ("none", "with nothing"),
                ("grant", "with what each person grants"),
                ("api-key", "with each person's own API key"),
                ("header", "with one header for everybody"),
                ("service-account", "with one account for everybody"),
            ],
        ),
        line(
            "secret",
            "The secret that is that header",
            "its name in the boot configuration, never the secret itself",
        ),
    ];
    specs.extend(of_where_keys_go());
    specs.extend(of_what_it_holds());
    specs
}

/// Where people's own API keys go.
fn of_where_keys_go() -> [Spec; 3] {
    let line = |name, label, hint| spec(name, label, hint, Kind::Line);
    [
        line(
            "header",
            "The header that each person's API key goes in",
            "of an address: Authorization, X-API-Key",
        ),
        line(
            "scheme",
            "The word before it there",
            "Bearer; left empty, none",
        ),
        line(
            "variable",
            "The variable that each person's API key goes in",
            "of a program; doorward.toml must allow it too",
        ),
    ]
}

/// What it holds, and how far what it says of itself is believed.
fn of_what_it_holds() -> [Spec; 7] {
    let line = |name, label, hint| spec(name, label, hint, Kind::Line);
    [
        line(
            "prefix",
            "What stands before its actions in the list of all",
            "at most 12 letters; left empty, its name",
        ),
        spec(
            "data_member_pii",
            "It holds records of members, patients or customers: nothing above reading",
            "",
            Kind::Tick,
        ),
        line(
            "exception_reason",
            "Why that ceiling does not hold",
            "left empty, it holds",
        ),
        line("exception_approved_by", "Who has decided that", ""),
        spec(
            "definitions",
            "When an action is defined otherwise than reviewed",
            "",
            Kind::Choice(vec![
                ("block", "it is blocked until it is reviewed"),
                (
                    "serve_pinned",
                    "the reviewed definition goes on being shown",
                ),
                ("warn", "it is served, with a warning"),
            ]),
        ),
        spec(
            "trusted_annotations",
            "What it says of its own actions may be believed",
            "",
            Kind::Tick,
        ),
        line(
            "bulk_calls",
            "Calls of one person within ten minutes that are many",
            "left empty, 30; with 0 nobody is told of any",
        ),
    ]
}

/// The fields that say what may be done.
pub(super) fn of_action() -> Vec<Spec> {
    let list = |name, label, hint| spec(name, label, hint, Kind::List);
    let mut specs = vec![
        spec(
            "connector",
            "At which connector",
            "its name, or * for all",
            Kind::Line,
        ),
        list(
            "actions",
            "Which actions",
            "one a line: a name, or get_* for all that begin so",
        ),
    ];
    for (class, label) in [
        (ActionClass::Read, "All that only read"),
        (ActionClass::Write, "All that write"),
        (ActionClass::Destructive, "All that destroy or send out"),
        (ActionClass::Generic, "All that do what their arguments say"),
    ] {
        specs.push(spec(&format!("class_{class}"), label, "", Kind::Tick));
    }
    specs.extend([
        spec(
            "state",
            "Whether they may be done",
            "",
            Kind::Choice(vec![
                ("allow", "always allowed"),
                ("ask", "needs approval"),
                ("blocked", "blocked"),
            ]),
        ),
        spec(
            "approver",
            "Who approves",
            "",
            Kind::Choice(vec![
                ("self", "the person whose call it is"),
                ("second", "somebody else who may"),
                ("groups", "somebody of these groups"),
            ]),
        ),
        list("approver_groups", "Groups that approve", "one a line"),
        spec(
            "argument",
            "Rules on arguments, as JSON",
            "a list: [{\"at\": \"/path\", \"is\": \"starts-with\", \"value\": \"/users/\", \"then\": \"blocked\"}]",
            Kind::Json,
        ),
    ]);
    specs
}

/// What a connector's fields hold.
pub(super) fn put_connector(connector: &Connector, put: &mut dyn FnMut(&str, String)) {
    let tick = |on: bool| if on { "on".to_owned() } else { String::new() };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    put("title", connector.title.clone());
    put("url", text(&connector.url));
    put("command", lines(&connector.command));
    put("transport", word_of(&connector.transport));
    put("credential", word_of(&connector.credential));
    put("secret", text(&connector.secret));
    put("header", text(&connector.header));
    put("scheme", text(&connector.scheme));
    put("variable", text(&connector.variable));
    put("prefix", text(&connector.prefix));
    put("data_member_pii", tick(!connector.data_classes.is_empty()));
    put("definitions", word_of(&connector.definitions));
    put("trusted_annotations", tick(connector.trusted_annotations));
    if let Some(calls) = connector.bulk_calls {
        put("bulk_calls", calls.to_string());
    }
    if let Some(exception) = &connector.exception {
        put("exception_reason", exception.reason.clone());
        put("exception_approved_by", exception.approved_by.clone());
    }
}

/// What the fields of an entry about actions hold; none where they could not carry it.
pub(super) fn put_action(action: &Action, put: &mut dyn FnMut(&str, String)) -> Option<()> {
    put("connector", action.connector.clone());
    put(
        "actions",
        lines(action.actions.iter().map(|pattern| &pattern.0)),
    );
    for class in &action.classes {
        put(&format!("class_{class}"), "on".to_owned());
    }
    put("state", word_of(&action.state));
    let approver = match &action.approver {
        Approver::Own => "self",
        Approver::Second => "second",
        Approver::Groups(groups) => {
            put("approver_groups", lines(groups));
            "groups"
        }
    };
    put("approver", approver.to_owned());
    if !action.argument.is_empty() {
        put(
            "argument",
            serde_json::to_string_pretty(&action.argument).ok()?,
        );
    }
    Some(())
}

pub(super) fn connector(read: &mut Reader<'_>, name: String, who: Who) -> Connector {
    let optional = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let (reason, approved_by) = (
        read.text("exception_reason"),
        read.text("exception_approved_by"),
    );
    let exception = (!reason.is_empty() || !approved_by.is_empty()).then(|| Exception {
        reason: reason.to_owned(),
        approved_by: approved_by.to_owned(),
    });
    for field in [
        "title",
        "url",
        "secret",
        "header",
        "scheme",
        "variable",
        "prefix",
        "exception_reason",
        "exception_approved_by",
    ] {
        if read.text(field).contains(domain::text::is_hostile) {
            read.wrong(field, "must be one line without hidden characters");
        }
    }
    let holds = !read.text("data_member_pii").is_empty();
    Connector {
        name,
        who,
        title: read.text("title").to_owned(),
        prefix: optional(read.text("prefix")),
        url: optional(read.text("url")),
        command: read.list("command"),
        transport: read.word("transport", Transport::Http),
        credential: read.word("credential", Credentials::None),
        secret: optional(read.text("secret")),
        header: optional(read.text("header")),
        scheme: optional(read.text("scheme")),
        variable: optional(read.text("variable")),
        data_classes: holds
            .then_some(domain::connectors::DataClass::MemberPii)
            .into_iter()
            .collect(),
        definitions: read.word("definitions", Definitions::Block),
        trusted_annotations: !read.text("trusted_annotations").is_empty(),
        bulk_calls: read.number("bulk_calls"),
        exception,
    }
}

pub(super) fn action(read: &mut Reader<'_>, name: String, who: Who) -> Action {
    let groups: BTreeSet<String> = read.list("approver_groups").into_iter().collect();
    let approver = match read.text("approver") {
        "self" => Approver::Own,
        "second" => Approver::Second,
        "groups" => Approver::Groups(groups.clone()),
        _ => {
            read.wrong("approver", "must be one of these");
            Approver::Own
        }
    };
    if !groups.is_empty() && !matches!(approver, Approver::Groups(_)) {
        read.wrong("approver_groups", "goes with approval by groups only");
    }
    let connector = read.text("connector");
    if connector.contains(domain::text::is_hostile) {
        read.wrong("connector", "must be the name of a connector, or *");
    }
    let classes = ActionClass::ALL.iter().copied();
    let ticked = |class: &ActionClass| !read.text(&format!("class_{class}")).is_empty();
    Action {
        name,
        who,
        connector: connector.to_owned(),
        classes: classes.filter(ticked).collect(),
        actions: read
            .list("actions")
            .into_iter()
            .map(ActionPattern)
            .collect(),
        state: read.word("state", ActionState::Blocked),
        approver,
        argument: arguments(read),
    }
}

fn arguments(read: &mut Reader<'_>) -> Vec<ArgumentRule> {
    let text = read.text("argument");
    if text.is_empty() {
        return Vec::new();
    }
    if text.contains(|letter: char| domain::text::is_hostile(letter) && !letter.is_whitespace()) {
        let what = "has a character that nobody sees, or that turns what follows round";
        read.wrong("argument", what);
    }
    let value: Result<Value, _> = serde_json::from_str(text);
    if value.as_ref().is_ok_and(has_null) {
        read.wrong("argument", "has a null, which a policy cannot hold");
    }
    match serde_json::from_str(text) {
        Ok(rules) => rules,
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            read.wrong(
                "argument",
                format!("is no list of rules, at line {line}, column {column}"),
            );
            Vec::new()
        }
    }
}
