//! An entry of a policy as the fields of a form, and back. What a form cannot carry is never taken for something else: an entry whose
//! fields do not read back as that same entry is left to be changed as text. Knows no text and no request; [`super::entry`] does.

mod connectors;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use control::policies::edit::Entry;
use control::policies::places::Section;
use domain::model::ModelPattern;
use domain::policy::{
    Budget, BudgetFor, DesktopSettings, Grant, Inspect, InspectAction, Limit, ManagedSettings,
    Require, Who,
};
use domain::text::is_hostile;
use domain::window::Period;
use domain::{ClientKind, Usd};
use serde::de::DeserializeOwned;

use super::words;

/// The fields of a form, by name.
pub type Fields = BTreeMap<String, String>;
/// What is wrong, by the name of the field.
pub type Wrongs = BTreeMap<String, String>;

/// Programs that can be named.
pub(super) const PROGRAMS: [ClientKind; 5] = [
    ClientKind::ClaudeCode,
    ClientKind::ClaudeDesktop,
    ClientKind::Office,
    ClientKind::Sdk,
    ClientKind::Other,
];

/// How a field is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One line.
    Line,
    /// Several, one a line.
    List,
    /// A tick.
    Tick,
    /// One of these: word and name.
    Choice(Vec<(&'static str, &'static str)>),
    /// JSON.
    Json,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub label: String,
    /// What helps to fill it.
    pub hint: &'static str,
    /// How it is filled.
    pub kind: Kind,
}

pub(super) fn spec(name: &str, label: &str, hint: &'static str, kind: Kind) -> Spec {
    Spec {
        name: name.to_owned(),
        label: label.to_owned(),
        hint,
        kind,
    }
}

/// The fields that say whom an entry concerns.
pub fn whom() -> Vec<Spec> {
    let list = |name, label, hint| spec(name, label, hint, Kind::List);
    vec![
        list(
            "groups",
            "Members of any of these groups",
            "one a line, as the directory names them; left empty, of any",
        ),
        list(
            "people",
            "These people",
            "one a line: our id, or the issuer's stable id; never an e-mail address",
        ),
        list("services", "These services", "one a line, by name or id"),
        list(
            "issuers",
            "Whom one of these issuers vouches for",
            "one a line, by their configured name; left empty, any",
        ),
    ]
}

/// The fields that say what an entry of this list gives.
pub fn what(section: Section) -> Vec<Spec> {
    let line = |name, label, hint| spec(name, label, hint, Kind::Line);
    let list = |name, label, hint| spec(name, label, hint, Kind::List);
    match section {
        Section::Grant => vec![
            list(
                "models",
                "Models they may use",
                "one a line; * stands for any letters: claude-sonnet-*",
            ),
            list(
                "deny_models",
                "Models they may not use",
                "one a line; beats every grant",
            ),
            list(
                "regions",
                "Regions their data stays in",
                "one a line; left empty, any",
            ),
        ],
        Section::Require => of_require(),
        Section::Limit => vec![
            line(
                "requests_per_minute",
                "Requests a minute",
                "left empty, no limit",
            ),
            line(
                "input_tokens_per_minute",
                "Input tokens a minute",
                "cached ones too",
            ),
            line("output_tokens_per_minute", "Output tokens a minute", ""),
            line("concurrent_requests", "Requests at the same time", ""),
        ],
        Section::Budget => of_budget(),
        Section::Inspect => of_inspect(),
        Section::ManagedSettings => vec![of_servers(), of_settings()],
        Section::DesktopSettings => vec![of_settings()],
        Section::Connector => connectors::of_connector(),
        Section::Action => connectors::of_action(),
    }
}

fn of_budget() -> Vec<Spec> {
    let line = |name, label, hint| spec(name, label, hint, Kind::Line);
    vec![
        spec(
            "for",
            "Whose money it is",
            "",
            Kind::Choice(vec![
                ("member", "each caller it concerns, on their own"),
                ("person", "each of the people it names, on their own"),
                ("group", "all callers it concerns, together"),
                ("org", "everyone together"),
                ("service", "each service it concerns, on its own"),
            ]),
        ),
        line("amount_usd", "How much, in dollars", "such as 60.00"),
        spec(
            "period",
            "For how long",
            "",
            Kind::Choice(vec![
                ("monthly", "a month"),
                ("weekly", "a week"),
                ("daily", "a day"),
            ]),
        ),
        spec(
            "hard",
            "At the cap",
            "",
            Kind::Choice(vec![("yes", "refuse"), ("no", "only warn")]),
        ),
    ]
}

fn of_servers() -> Spec {
    spec(
        "servers",
        "Which MCP servers they may use",
        "the company's: the connectors here, and the servers that these settings name or allow",
        Kind::Choice(vec![
            ("", "nothing is said: also what people add by hand"),
            (
                "any",
                "also what people add by hand, whatever is said before",
            ),
            ("company", "the company's alone"),
        ]),
    )
}

fn of_settings() -> Spec {
    spec(
        "settings",
        "Settings, as JSON",
        "one object, as the program's own file has it",
        Kind::Json,
    )
}

fn of_inspect() -> Vec<Spec> {
    let line = |name, label, hint| spec(name, label, hint, Kind::Line);
    let list = |name, label, hint| spec(name, label, hint, Kind::List);
    vec![
        list(
            "detectors",
            "What to look for",
            "one a line: ids or classes of detectors, * for any letters: secret.*",
        ),
        spec(
            "action",
            "What follows",
            "",
            Kind::Choice(vec![
                ("block", "refuse the request"),
                ("observe", "record it and let it pass"),
            ]),
        ),
        line(
            "min_confidence",
            "From which confidence on, in percent",
            "0 to 100; left empty, any",
        ),
    ]
}

fn of_require() -> Vec<Spec> {
    let mut specs = Vec::new();
    for kind in PROGRAMS {
        let label = format!("Only with: {}", words::program(kind));
        specs.push(spec(
            &format!("client_{}", kind.as_str()),
            &label,
            "",
            Kind::Tick,
        ));
    }
    for kind in PROGRAMS {
        let label = format!("Oldest version of {}", words::program(kind));
        specs.push(spec(
            &format!("min_{}", kind.as_str()),
            &label,
            "such as 2.1.300",
            Kind::Line,
        ));
    }
    specs.push(spec(
        "networks",
        "Only from these networks",
        "one a line: 10.0.0.0/8",
        Kind::List,
    ));
    specs.push(spec(
        "through",
        "Only signed in through these issuers",
        "one a line, by their configured name",
        Kind::List,
    ));
    specs
}

/// An entry as fields; none where they could not carry it.
pub fn fields_of(entry: &Entry) -> Option<Fields> {
    let Who {
        people,
        groups,
        services,
        issuers,
    } = entry.who();
    let mut fields = gives_of(entry)?;
    fields.extend([
        ("name".to_owned(), entry.name().to_owned()),
        ("people".to_owned(), lines(people)),
        ("groups".to_owned(), lines(groups)),
        ("services".to_owned(), lines(services)),
        ("issuers".to_owned(), lines(issuers)),
    ]);
    fields.retain(|_, value| !value.is_empty());
    let is_fit = |text: &String| !text.contains(|letter| is_hostile(letter) && letter != '\n');
    let is_carried =
        fields.values().all(is_fit) && entry_of(entry.section(), &fields).as_ref() == Ok(entry);
    is_carried.then_some(fields)
}

/// The fields that say what it gives.
fn gives_of(entry: &Entry) -> Option<Fields> {
    let mut fields = Fields::new();
    let mut put = |name: &str, value: String| fields.insert(name.to_owned(), value);
    match entry {
        Entry::Grant(grant) => {
            let patterns = |models: &[ModelPattern]| lines(models.iter().map(|model| &model.0));
            put("models", patterns(&grant.models));
            put("deny_models", patterns(&grant.deny_models));
            put("regions", lines(&grant.regions));
        }
        Entry::Require(require) => {
            for kind in &require.clients {
                put(&format!("client_{}", kind.as_str()), "on".to_owned());
            }
            for (kind, version) in &require.min_version {
                put(&format!("min_{}", kind.as_str()), version.to_string());
            }
            let networks = require.networks.iter().map(ToString::to_string);
            put("networks", lines(networks));
            put("through", lines(&require.issuers));
        }
        Entry::Limit(limit) => {
            let number = |number: Option<u64>| number.map_or_else(String::new, |n| n.to_string());
            let small = |small: Option<u32>| number(small.map(u64::from));
            put("requests_per_minute", small(limit.requests_per_minute));
            put(
                "input_tokens_per_minute",
                number(limit.input_tokens_per_minute),
            );
            put(
                "output_tokens_per_minute",
                number(limit.output_tokens_per_minute),
            );
            put("concurrent_requests", small(limit.concurrent_requests));
        }
        Entry::Budget(budget) => {
            put("for", word_of(&budget.scope));
            put("amount_usd", word_of(&budget.amount_usd));
            put("period", word_of(&budget.period));
            put("hard", if budget.hard { "yes" } else { "no" }.to_owned());
        }
        Entry::Inspect(inspect) => {
            let sure = Some(inspect.min_confidence).filter(|percent| *percent > 0);
            put("detectors", lines(&inspect.detectors));
            put("action", word_of(&inspect.action));
            put(
                "min_confidence",
                sure.map_or_else(String::new, |percent| percent.to_string()),
            );
        }
        Entry::ManagedSettings(ManagedSettings {
            settings, servers, ..
        }) => {
            put(
                "servers",
                servers.as_ref().map_or_else(String::new, word_of),
            );
            put("settings", serde_json::to_string_pretty(settings).ok()?);
        }
        Entry::DesktopSettings(DesktopSettings { settings, .. }) => {
            put("settings", serde_json::to_string_pretty(settings).ok()?);
        }
        Entry::Connector(connector) => connectors::put_connector(connector, &mut |name, value| {
            put(name, value);
        }),
        Entry::Action(action) => connectors::put_action(action, &mut |name, value| {
            put(name, value);
        })?,
    }
    Some(fields)
}

pub(super) fn lines<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<T> = values.into_iter().collect();
    let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
    values.join("\n")
}

/// A word as the document writes it.
fn word_of(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The fields as an entry, or what is wrong with them.
pub fn entry_of(section: Section, fields: &Fields) -> Result<Entry, Wrongs> {
    let mut read = Reader::of(fields);
    let name = read.text("name").to_owned();
    if name.is_empty() || name.len() > 100 || name.chars().any(is_hostile) {
        read.wrong("name", "needs 1 to 100 characters on one line");
    }
    let who = Who {
        people: read.list("people").into_iter().collect(),
        groups: read.list("groups").into_iter().collect(),
        services: read.list("services").into_iter().collect(),
        issuers: read.list("issuers").into_iter().collect(),
    };
    let entry = match section {
        Section::Grant => Entry::Grant(Grant {
            name,
            who,
            models: read.models("models"),
            deny_models: read.models("deny_models"),
            regions: read.list("regions").into_iter().collect(),
        }),
        Section::Require => Entry::Require(read.require(name, who)),
        Section::Limit => Entry::Limit(Limit {
            name,
            who,
            requests_per_minute: read.number("requests_per_minute"),
            input_tokens_per_minute: read.number("input_tokens_per_minute"),
            output_tokens_per_minute: read.number("output_tokens_per_minute"),
            concurrent_requests: read.number("concurrent_requests"),
        }),
        Section::Budget => Entry::Budget(read.budget(name, who)),
        Section::Inspect => Entry::Inspect(read.inspect(name, who)),
        Section::ManagedSettings => Entry::ManagedSettings(ManagedSettings {
            name,
            who,
            servers: read.maybe_word("servers"),
            settings: read.settings(),
        }),
        Section::DesktopSettings => Entry::DesktopSettings(DesktopSettings {
            name,
            who,
            settings: read.settings(),
        }),
        Section::Connector => Entry::Connector(connectors::connector(&mut read, name, who)),
        Section::Action => Entry::Action(connectors::action(&mut read, name, who)),
    };
    if read.wrongs.is_empty() {
        Ok(entry)
    } else {
        Err(read.wrongs)
    }
}

/// Reads fields, and gathers what is wrong with them.
pub(super) struct Reader<'f> {
    fields: &'f Fields,
    wrongs: Wrongs,
}

impl<'f> Reader<'f> {
    pub(super) const fn of(fields: &'f Fields) -> Self {
        Self {
            fields,
            wrongs: Wrongs::new(),
        }
    }

    pub(super) const fn wrongs(&self) -> &Wrongs {
        &self.wrongs
    }

    pub(super) fn is_ticked(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    fn text(&self, name: &str) -> &'f str {
        self.fields.get(name).map_or("", |text| text.trim())
    }

    pub(super) fn wrong(&mut self, name: &str, what: impl Into<String>) {
        self.wrongs.entry(name.to_owned()).or_insert(what.into());
    }

    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        let lines = self.text(name).lines().map(str::trim);
        let found: Vec<String> = lines
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        if found.iter().any(|line| line.contains(is_hostile)) {
            self.wrong(
                name,
                "has a character that nobody sees, or that turns what follows round",
            );
        }
        found
    }

    fn models(&mut self, name: &str) -> Vec<ModelPattern> {
        self.list(name).into_iter().map(ModelPattern).collect()
    }

    fn number<T: FromStr>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name);
        if text.is_empty() {
            return None;
        }
        let found = text.parse().ok();
        if found.is_none() {
            self.wrong(
                name,
                "must be a whole number, not below zero and not too large",
            );
        }
        found
    }

    /// A choice; every form has one, so nothing is taken for it where there is none.
    fn word<T: DeserializeOwned>(&mut self, name: &str, otherwise: T) -> T {
        let word = serde_json::Value::String(self.text(name).to_owned());
        serde_json::from_value(word).unwrap_or_else(|_| {
            self.wrong(name, "must be one of these");
            otherwise
        })
    }

    /// The same, of a field that may be left empty.
    fn maybe_word<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        if self.text(name).is_empty() {
            return None;
        }
        let word = serde_json::Value::String(self.text(name).to_owned());
        let read = serde_json::from_value(word).ok();
        if read.is_none() {
            self.wrong(name, "must be one of these");
        }
        read
    }

    fn require(&mut self, name: String, who: Who) -> Require {
        let mut require = Require {
            name,
            who,
            clients: BTreeSet::new(),
            min_version: BTreeMap::new(),
            networks: Vec::new(),
            issuers: self.list("through").into_iter().collect(),
        };
        for kind in PROGRAMS {
            if !self.text(&format!("client_{}", kind.as_str())).is_empty() {
                require.clients.insert(kind);
            }
            let field = format!("min_{}", kind.as_str());
            let text = self.text(&field);
            match text.parse() {
                _ if text.is_empty() => {}
                Ok(version) => {
                    require.min_version.insert(kind, version);
                }
                Err(_) => self.wrong(&field, "must be one to three numbers with dots: 2.1.300"),
            }
        }
        for line in self.list("networks") {
            if let Ok(network) = line.parse() {
                require.networks.push(network);
            } else {
                let what = "must be networks such as 10.0.0.0/8, one a line";
                self.wrong("networks", what);
            }
        }
        require
    }

    fn budget(&mut self, name: String, who: Who) -> Budget {
        let text = self.text("amount_usd");
        let amount = text.strip_prefix('$').unwrap_or(text).parse();
        let amount_usd = amount.unwrap_or_else(|_| {
            self.wrong(
                "amount_usd",
                "must be dollars with at most nine decimals, such as 60.00",
            );
            Usd::ZERO
        });
        if amount_usd < Usd::ZERO {
            self.wrong("amount_usd", "is below zero");
        }
        Budget {
            name,
            who,
            scope: self.word("for", BudgetFor::Member),
            amount_usd,
            period: self.word("period", Period::Monthly),
            hard: match self.text("hard") {
                "no" => false,
                "yes" => true,
                _ => {
                    self.wrong("hard", "must be one of these");
                    true
                }
            },
        }
    }

    fn inspect(&mut self, name: String, who: Who) -> Inspect {
        let min_confidence: Option<u8> = self.number("min_confidence");
        let min_confidence = min_confidence.unwrap_or_default();
        if min_confidence > 100 {
            self.wrong("min_confidence", "is a percentage, at most 100");
        }
        Inspect {
            name,
            who,
            detectors: self.list("detectors"),
            action: self.word("action", InspectAction::Block),
            min_confidence,
        }
    }

    fn settings(&mut self) -> serde_json::Map<String, serde_json::Value> {
        let text = self.text("settings");
        let text = if text.is_empty() { "{}" } else { text };
        if text.contains(|letter| is_hostile(letter) && !letter.is_whitespace()) {
            let what = "has a character that nobody sees, or that turns what follows round";
            self.wrong("settings", what);
        }
        match serde_json::from_str(text) {
            Ok(serde_json::Value::Object(settings)) => {
                if settings.values().any(has_null) {
                    let what = "has a null, which a policy cannot hold; leave the key out";
                    self.wrong("settings", what);
                }
                settings
            }
            Ok(_) => {
                self.wrong("settings", "must be one object: { … }");
                serde_json::Map::new()
            }
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                self.wrong(
                    "settings",
                    format!("is no JSON at line {line}, column {column}"),
                );
                serde_json::Map::new()
            }
        }
    }
}

fn has_null(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::Array(values) => values.iter().any(has_null),
        serde_json::Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// The field that a mistake of the whole policy is about, by what follows the entry in its path.
pub fn field_of(section: Section, rest: &str) -> String {
    match (section, rest.trim_start_matches('.')) {
        (Section::Grant, "") => "models".to_owned(),
        (Section::Action, "") => "actions".to_owned(),
        (Section::Action, key) if key.starts_with("argument") => "argument".to_owned(),
        (Section::Action, key) if key.starts_with("actions") => "actions".to_owned(),
        (Section::Connector, "exception") => "exception_reason".to_owned(),
        (_, "who.people") => "people".to_owned(),
        (_, "who") => "groups".to_owned(),
        (_, "") => "name".to_owned(),
        (_, key) => key.to_owned(),
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
