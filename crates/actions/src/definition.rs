//! A definition as a connector gives it, of a tool, of a prompt, or its instructions, part by part in one spelling: what is pinned, and what
//! of it changed.
//!
//! Every member counts, also those nobody knows yet; only what changes with each answer (tracing, progress, the protocol's own marks in
//! `_meta`) does not. Two definitions are the same only when every part's hash is. Called by the connectors' door and by `control`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::canonical::{self, Numbers, Unfit};

/// A part of a definition. Their order is that in which differences are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What it is called by machines.
    Name,
    /// Title and description: what Claude reads before it decides.
    Description,
    /// The arguments it takes.
    Input,
    /// The results it gives.
    Output,
    /// What it says about itself: read-only, destructive and so on.
    Annotations,
    /// How it is to be run.
    Execution,
    /// Pictures.
    Icons,
    /// Extensions under `_meta`.
    Meta,
    /// Members that the protocol does not name.
    Others,
}

impl Part {
    /// Every part, in order.
    pub const ALL: [Self; 9] = [
        Self::Name,
        Self::Description,
        Self::Input,
        Self::Output,
        Self::Annotations,
        Self::Execution,
        Self::Icons,
        Self::Meta,
        Self::Others,
    ];

    /// Its word in the API and in hashes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Description => "description",
            Self::Input => "input",
            Self::Output => "output",
            Self::Annotations => "annotations",
            Self::Execution => "execution",
            Self::Icons => "icons",
            Self::Meta => "meta",
            Self::Others => "others",
        }
    }

    /// What it is, for people.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Description => "Title and description, which Claude reads",
            Self::Input => "Arguments",
            Self::Output => "Results",
            Self::Annotations => "What it says about itself",
            Self::Execution => "How it is run",
            Self::Icons => "Pictures",
            Self::Meta => "Extensions",
            Self::Others => "Other members",
        }
    }

    fn of(member: &str) -> Self {
        match member {
            "name" => Self::Name,
            "title" | "description" => Self::Description,
            "inputSchema" => Self::Input,
            "outputSchema" => Self::Output,
            "annotations" => Self::Annotations,
            "execution" => Self::Execution,
            "icons" => Self::Icons,
            "_meta" => Self::Meta,
            _ => Self::Others,
        }
    }
}

/// Members of `_meta` that change from answer to answer and say nothing about the action.
const VOLATILE: [&str; 10] = [
    "traceparent",
    "tracestate",
    "baggage",
    "progressToken",
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/serverInfo",
    "io.modelcontextprotocol/subscriptionId",
    "io.modelcontextprotocol/logLevel",
];

/// The name of a connector's instructions, as every definition has one.
pub const INSTRUCTIONS: &str = "instructions";

/// A connector's instructions as a definition, from how its greeting spells them: a description, and nothing else. What is no text is no
/// definition.
pub fn of_instructions(said: &str) -> String {
    if said.starts_with('"') {
        return format!("{{\"description\":{said},\"name\":\"{INSTRUCTIONS}\"}}");
    }
    format!("[{said}]")
}

/// A definition that could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    name: String,
    members: Map<String, Value>,
}

impl Definition {
    /// Reads one member of a list of tools or prompts, as it came, or what [`of_instructions`] made.
    pub fn read(text: &[u8]) -> Result<Self, Unfit> {
        match canonical::read(text, Numbers::Nearest)? {
            Value::Object(members) => Self::of(members),
            _ => Err(Unfit::NoDefinition),
        }
    }

    fn of(mut members: Map<String, Value>) -> Result<Self, Unfit> {
        let Some(Value::String(name)) = members.get("name") else {
            return Err(Unfit::NoDefinition);
        };
        let name = name.clone();
        if let Some(Value::Object(meta)) = members.get_mut("_meta") {
            meta.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            if meta.is_empty() {
                members.shift_remove("_meta");
            }
        }
        Ok(Self { name, members })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The title, if it has one.
    pub fn title(&self) -> Option<&str> {
        let annotated = || self.annotations()?.get("title")?.as_str();
        let own = self.members.get("title").and_then(Value::as_str);
        own.or_else(annotated)
    }

    /// The description; empty where there is none.
    pub fn description(&self) -> &str {
        let text = self.members.get("description").and_then(Value::as_str);
        text.unwrap_or_default()
    }

    /// What it says about itself.
    pub fn annotations(&self) -> Option<&Map<String, Value>> {
        self.members.get("annotations")?.as_object()
    }

    /// The whole in one spelling: what is kept, and from what the same definition is read again.
    pub fn canonical(&self) -> String {
        canonical::spell(&Value::Object(self.members.clone()))
    }

    /// Every text in it that Claude may read: keys and values, names of arguments among them.
    pub fn texts(&self) -> Vec<&str> {
        let mut found = Vec::new();
        for (key, value) in &self.members {
            found.push(key.as_str());
            texts_in(value, &mut found);
        }
        found
    }

    /// The hash of each part that there is.
    pub fn hashes(&self) -> BTreeMap<Part, String> {
        let mut parts: BTreeMap<Part, Map<String, Value>> = BTreeMap::new();
        for (key, value) in &self.members {
            let part = parts.entry(Part::of(key)).or_default();
            part.insert(key.clone(), value.clone());
        }
        let spelled = |members| canonical::spell(&Value::Object(members));
        let hashed = |(part, members)| (part, canonical::fingerprint(&spelled(members)));
        parts.into_iter().map(hashed).collect()
    }

    /// The hash of the whole: of its parts' names and hashes, one a line.
    pub fn hash(&self) -> String {
        let mut lines = String::new();
        for (part, hash) in self.hashes() {
            lines.push_str(part.as_str());
            lines.push(' ');
            lines.push_str(&hash);
            lines.push('\n');
        }
        canonical::fingerprint(&lines)
    }

    /// A part as lines that people read: a text by its lines, everything else by what stands at the end of each way into it.
    fn lines(&self, part: Part) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, value) in &self.members {
            if Part::of(key) != part {
                continue;
            }
            match (part, value) {
                (Part::Description, Value::String(text)) => {
                    lines.extend(text.lines().map(|line| format!("{key}: {line}")));
                }
                (Part::Input | Part::Output, Value::Object(schema)) => {
                    schema_lines(schema, "", &mut lines);
                }
                (Part::Name, Value::String(name)) => lines.push(name.clone()),
                _ => flat(value, key, &mut lines),
            }
        }
        lines
    }
}

fn texts_in<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts_in(item, found)),
        Value::Object(members) => {
            for (key, value) in members {
                found.push(key);
                texts_in(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A schema's arguments, one a line where they are simple: `limit: integer, required, maximum 100`.
fn schema_lines(schema: &Map<String, Value>, way: &str, lines: &mut Vec<String>) {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let path = if way.is_empty() {
            name.clone()
        } else {
            format!("{way}.{name}")
        };
        let Value::Object(property) = property else {
            lines.push(format!("{path}: {}", canonical::spell(property)));
            continue;
        };
        lines.push(argument_line(
            &path,
            property,
            required.contains(&name.as_str()),
        ));
        schema_lines(property, &path, lines);
    }
    let named = |name: &str| properties.is_some_and(|all| all.contains_key(name));
    for (key, value) in schema {
        let at_top = way.is_empty() || !SAID_IN_A_LINE.contains(&key.as_str());
        match key.as_str() {
            "properties" if value.is_object() => {}
            "required" if required.iter().all(|name| named(name)) => {}
            _ if at_top && !is_simple(key, value) => {
                let at = if way.is_empty() { "schema" } else { way };
                flat(value, &format!("{at} {key}"), lines);
            }
            _ if way.is_empty() => lines.push(format!("schema {key} {}", canonical::spell(value))),
            _ => {}
        }
    }
}

/// Members of an argument's schema that its line says.
const SAID_IN_A_LINE: [&str; 2] = ["type", "description"];

/// Whether a member of an argument's schema is said in the argument's own line.
fn is_simple(key: &str, value: &Value) -> bool {
    SAID_IN_A_LINE.contains(&key) || !(value.is_object() || value.is_array()) || key == "enum"
}

fn argument_line(path: &str, property: &Map<String, Value>, is_required: bool) -> String {
    let kind = match property.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(other) => canonical::spell(other),
        None => "anything".to_owned(),
    };
    let mut line = format!("{path}: {kind}");
    if is_required {
        line.push_str(", required");
    }
    let mut rest: Vec<_> = property.iter().collect();
    rest.sort_by_key(|(key, _)| key.as_str());
    for (key, value) in rest {
        if key != "type" && key != "description" && is_simple(key, value) {
            let _ = write!(line, ", {key} {}", canonical::spell(value));
        }
    }
    if let Some(described) = property.get("description") {
        let said = described
            .as_str()
            .map_or_else(|| canonical::spell(described), str::to_owned);
        let _ = write!(line, " ({said})");
    }
    line
}

/// What stands at the end of each way into a value.
fn flat(value: &Value, way: &str, lines: &mut Vec<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                flat(value, &format!("{way}.{key}"), lines);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (at, item) in items.iter().enumerate() {
                flat(item, &format!("{way}[{at}]"), lines);
            }
        }
        end => lines.push(format!("{way}: {}", canonical::spell(end))),
    }
}

/// What of a part differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The part.
    pub part: Part,
    /// Lines that stand no more.
    pub gone: Vec<String>,
    /// Lines that are new.
    pub came: Vec<String>,
}

/// Every part that differs. A part whose lines read the same but whose hash differs is shown in its whole spelling, so that no change
/// is ever shown as none.
pub fn differences(before: &Definition, after: &Definition) -> Vec<Difference> {
    let (old, new) = (before.hashes(), after.hashes());
    let mut found = Vec::new();
    for part in Part::ALL {
        if old.get(&part) == new.get(&part) {
            continue;
        }
        let (mut gone, mut came) = apart(before.lines(part), after.lines(part));
        if gone.is_empty() && came.is_empty() {
            (gone, came) = (before.whole(part), after.whole(part));
        }
        found.push(Difference { part, gone, came });
    }
    found
}

impl Definition {
    fn whole(&self, part: Part) -> Vec<String> {
        let of_part = self.members.iter().filter(|(key, _)| Part::of(key) == part);
        of_part
            .map(|(key, value)| format!("{key}: {}", canonical::spell(value)))
            .collect()
    }

    /// Everything it says, part by part, for whoever reviews it for the first time.
    pub fn readable(&self) -> Vec<(Part, Vec<String>)> {
        let told = Part::ALL.map(|part| (part, self.lines(part)));
        told.into_iter()
            .filter(|(_, lines)| !lines.is_empty())
            .collect()
    }
}

/// What is in one list and not in the other, each as often as it is there more often.
fn apart(mut gone: Vec<String>, after: Vec<String>) -> (Vec<String>, Vec<String>) {
    let mut came = Vec::new();
    for line in after {
        match gone.iter().position(|old| *old == line) {
            Some(at) => {
                gone.remove(at);
            }
            None => came.push(line),
        }
    }
    (gone, came)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Definition {
        Definition::read(text.as_bytes()).unwrap()
    }

    const EXPORT: &str = r#"{"name":"members.export","description":"Export one member as a file.",
        "inputSchema":{"type":"object","properties":{"member_id":{"type":"string"}},"required":["member_id"]},
        "annotations":{"readOnlyHint":true}}"#;

    #[test]
    fn order_blanks_and_what_changes_with_each_answer_make_no_other_definition() {
        let other = r#"{ "annotations" : {"readOnlyHint":true}, "_meta":{"traceparent":"00-1-2-01","progressToken":7},
            "inputSchema":{"required":["member_id"],"properties":{"member_id":{"type":"string"}},"type":"object"},
            "description":"Export one member as a f\u0069le.", "name":"members.export"}"#;
        assert_eq!(read(EXPORT).hash(), read(other).hash());
        assert_eq!(read(EXPORT).canonical(), read(other).canonical());
        assert_eq!(read(&read(EXPORT).canonical()), read(other));
    }

    #[test]
    fn instructions_are_a_description_and_what_is_no_text_is_no_definition() {
        let said = read(&of_instructions(
            r#""Find one member.\nThen re\u0061d it.""#,
        ));
        assert_eq!(said.name(), INSTRUCTIONS);
        assert_eq!(said.description(), "Find one member.\nThen read it.");
        assert_eq!(
            said.hash(),
            read(&of_instructions("\"Find one member.\\nThen read it.\"")).hash()
        );
        assert_eq!(read(&said.canonical()), said);
        for none in [
            "5",
            "[]",
            r#"{"name":"instructions","description":"Find."}"#,
            "\"a\",\"name\":\"b\"",
        ] {
            let made = of_instructions(none);
            assert!(Definition::read(made.as_bytes()).is_err(), "{made}");
        }
    }

    #[test]
    fn every_member_counts_in_its_part() {
        let check = |from: &str, to: &str, expected: Part| {
            let changed = EXPORT.replace(from, to);
            let after = read(&changed);
            assert_ne!(read(EXPORT).hash(), after.hash(), "{to}");
            let parts: Vec<Part> = differences(&read(EXPORT), &after)
                .iter()
                .map(|d| d.part)
                .collect();
            assert_eq!(parts, [expected], "{to}");
        };
        check("members.export", "members.Export", Part::Name);
        check("one member", "members", Part::Description);
        check("\"string\"", "\"array\"", Part::Input);
        check("true", "false", Part::Annotations);
        for (member, part) in [
            ("title", Part::Description),
            ("outputSchema", Part::Output),
            ("execution", Part::Execution),
            ("icons", Part::Icons),
            ("_meta", Part::Meta),
            ("vendorField", Part::Others),
        ] {
            let more = format!("{{\"{member}\":{{\"x\":1}},\"name\"");
            check("{\"name\"", &more, part);
        }
    }

    #[test]
    fn what_changed_is_told_in_lines_that_people_read() {
        let after = read(
            r#"{"name":"members.export","description":"Export all members that match a query as a file.",
            "inputSchema":{"type":"object","properties":{"query":{"type":"string"},
            "limit":{"type":"integer","maximum":10000,"default":10000}},"required":["query"]},
            "annotations":{"readOnlyHint":true}}"#,
        );
        let found = differences(&read(EXPORT), &after);
        assert_eq!(
            found,
            [
                Difference {
                    part: Part::Description,
                    gone: vec!["description: Export one member as a file.".to_owned()],
                    came: vec![
                        "description: Export all members that match a query as a file.".to_owned()
                    ],
                },
                Difference {
                    part: Part::Input,
                    gone: vec!["member_id: string, required".to_owned()],
                    came: vec![
                        "query: string, required".to_owned(),
                        "limit: integer, default 10000, maximum 10000".to_owned(),
                    ],
                },
            ]
        );
    }

    #[test]
    fn no_change_is_ever_shown_as_none() {
        let with = |schema: &str| read(&format!("{{\"name\":\"a\",\"inputSchema\":{schema}}}"));
        for (before, after) in [
            (r#"{"required":["x"]}"#, r#"{"required":["y"]}"#),
            (
                r#"{"properties":{"a":{"items":{"type":"string"}}}}"#,
                r#"{"properties":{"a":{"items":{"type":"number"}}}}"#,
            ),
            (
                r#"{"properties":{"a":{"properties":{"b":{"type":"string"}},"required":[]}}}"#,
                r#"{"properties":{"a":{"properties":{"b":{"type":"string"}},"required":["b"]}}}"#,
            ),
            (
                r#"{"properties":{"a":{"description":"x"}}}"#,
                r#"{"properties":{"a":{"description":"y"}}}"#,
            ),
            (
                r#"{"$defs":{"a":{"type":"string"}}}"#,
                r#"{"$defs":{"a":{"type":"null"}}}"#,
            ),
            (r#"{"type":"object"}"#, r#"{"type":["object"]}"#),
            ("{}", "[]"),
            (r#"{"properties":[]}"#, "{}"),
        ] {
            let found = differences(&with(before), &with(after));
            let shown = |d: &Difference| !(d.gone.is_empty() && d.came.is_empty());
            assert!(
                found.len() == 1 && found.iter().all(shown),
                "{before} {after}: {found:?}"
            );
        }
        assert!(differences(&read(EXPORT), &read(EXPORT)).is_empty());
    }

    #[test]
    fn what_is_no_definition_is_refused() {
        for (text, expected) in [
            ("[]", Unfit::NoDefinition),
            ("{}", Unfit::NoDefinition),
            (r#"{"name":7}"#, Unfit::NoDefinition),
            (r#"{"name":"a","name":"b"}"#, Unfit::Twice),
            (r#"{"name":"a","inputSchema":{"x":1,"x":2}}"#, Unfit::Twice),
        ] {
            assert_eq!(Definition::read(text.as_bytes()), Err(expected), "{text}");
        }
    }
}
