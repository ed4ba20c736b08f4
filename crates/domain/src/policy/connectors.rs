//! Connectors and their actions as people write them into the policy: two lists of [`super::document`], and what can be wrong with
//! them. What they come to for one call is [`super::reach`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::{Document, Who};
use crate::connectors::{ActionClass, ActionPattern, ActionState, DataClass, is_slug};
use crate::limits;
use crate::words::words;

words! {
    /// How a connector is spoken to.
    Transport ("transport") {
        /// Streamable HTTP. The default for an address.
        Http "http",
        /// HTTP with server-sent events, as servers before March 2025 speak.
        Sse "sse",
    }
}

words! {
    /// With what Doorward authenticates at the connector. The caller's own credential never goes there.
    Credentials ("credential of a connector") {
        /// With nothing.
        None "none",
        /// With what each person has granted for themselves.
        Grant "grant",
        /// With an API key that each person has brought themselves.
        ApiKey "api-key",
        /// With one header for everybody, out of the boot configuration.
        Header "header",
        /// With one account for everybody, out of the boot configuration.
        ServiceAccount "service-account",
    }
}

words! {
    /// What follows when an action is defined otherwise than it was reviewed.
    Definitions ("way with changed definitions") {
        /// It is blocked until it has been reviewed.
        Block "block",
        /// The reviewed definition goes on being shown.
        ServePinned "serve_pinned",
        /// It is served, with a warning.
        Warn "warn",
    }
}

words! {
    /// What a rule on arguments asks of the value at its place.
    Operator ("operator") {
        /// It is the value.
        Equals "equals",
        /// It begins with the text.
        StartsWith "starts-with",
        /// It is one of the values.
        OneOf "one-of",
        /// It is a text of this form, `*` for any run of characters.
        Matches "matches",
        /// It is a number above.
        GreaterThan "greater-than",
        /// It is a number below.
        LessThan "less-than",
        /// It is there.
        Present "present",
        /// It is not there.
        Absent "absent",
    }
}

/// What Claude may reach besides models: a server of the Model Context Protocol. What is not listed does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// What its path, refusals and records call it; see [`crate::ConnectorName`].
    pub name: String,
    /// For whom it exists.
    #[serde(default)]
    pub who: Who,
    /// For people to read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What stands before its actions' names in the list of all connectors; the name where that is short enough, else made from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Or the exact program and its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// How it is spoken to, by address.
    #[serde(default = "http", skip_serializing_if = "is_http")]
    pub transport: Transport,
    /// With what Doorward authenticates there.
    #[serde(default = "no_credential", skip_serializing_if = "is_no_credential")]
    pub credential: Credentials,
    /// The secret of the boot configuration that a shared credential is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The header that a person's own API key goes in, at an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The word before it in that header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The variable of the environment that it goes in, for a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// What it holds.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub data_classes: BTreeSet<DataClass>,
    /// What follows when an action's definition changes.
    #[serde(default = "block", skip_serializing_if = "is_block")]
    pub definitions: Definitions,
    /// Whether what it says of its own actions may be believed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub trusted_annotations: bool,
    /// How many calls of one person within ten minutes are many; none where nobody has said, and 0 where none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk_calls: Option<u32>,
    /// Why the ceiling of its data does not hold for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<Exception>,
}

/// Why a ceiling does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Why.
    pub reason: String,
    /// Who has decided it.
    pub approved_by: String,
}

/// Who approves a call that needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Approver {
    /// The person whose call it is.
    #[default]
    Own,
    /// Somebody else who may.
    Second,
    /// Somebody else, of any of these groups.
    Groups(BTreeSet<String>),
}

/// As it is written: a word, or a list of groups.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenApprover {
    Word(String),
    Groups(BTreeSet<String>),
}

impl Serialize for Approver {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Own => WrittenApprover::Word("self".to_owned()),
            Self::Second => WrittenApprover::Word("second".to_owned()),
            Self::Groups(groups) => WrittenApprover::Groups(groups.clone()),
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Approver {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match WrittenApprover::deserialize(from)? {
            WrittenApprover::Word(word) if word == "self" => Ok(Self::Own),
            WrittenApprover::Word(word) if word == "second" => Ok(Self::Second),
            WrittenApprover::Word(_) => Err(serde::de::Error::custom(
                "an approver is \"self\", \"second\" or a list of groups",
            )),
            WrittenApprover::Groups(groups) => Ok(Self::Groups(groups)),
        }
    }
}

impl Approver {
    /// Whoever both of them accept.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Groups(ours), Self::Groups(theirs)) => {
                Self::Groups(ours.intersection(&theirs).cloned().collect())
            }
            (ours, theirs) => ours.max(theirs),
        }
    }

    const fn is_own(&self) -> bool {
        matches!(self, Self::Own)
    }
}

/// Says what its callers may do at a connector. Of several, the most restrictive counts; without one nothing may be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// What refusals call it.
    pub name: String,
    /// Whom it concerns.
    #[serde(default)]
    pub who: Who,
    /// The connector; `*` for all.
    pub connector: String,
    /// Actions by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionPattern>,
    /// Actions by what they do to the world.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub classes: BTreeSet<ActionClass>,
    /// Whether they may be done.
    pub state: ActionState,
    /// Who approves, where that is needed.
    #[serde(default, skip_serializing_if = "Approver::is_own")]
    pub approver: Approver,
    /// What is asked of the arguments besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argument: Vec<ArgumentRule>,
}

/// One rule on the arguments of a call. It narrows what its entry says and never widens it: of the rules that are met the strictest
/// counts; and where rules of a place say what is allowed, the value there must be one of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentRule {
    /// Where, as a JSON Pointer (RFC 6901).
    pub at: String,
    /// What is asked of the value there.
    pub is: Operator,
    /// What with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What follows when it is so.
    pub then: ActionState,
}

impl Connector {
    /// How many calls of one person within [`limits::BULK_MINUTES`] are many; none where none are.
    pub fn many_calls(&self) -> Option<u32> {
        Some(self.bulk_calls.unwrap_or(limits::BULK_CALLS)).filter(|calls| *calls > 0)
    }

    /// What people read.
    pub fn title(&self) -> &str {
        if self.title.is_empty() {
            &self.name
        } else {
            &self.title
        }
    }

    /// What stands before its actions' names in the list of all: what is written, else the name, else its beginning and a hash of all of
    /// it. Never has an underscore, so the first one behind it ends it.
    pub fn prefix(&self) -> Cow<'_, str> {
        match &self.prefix {
            Some(prefix) => Cow::Borrowed(prefix),
            None if self.name.len() <= limits::CONNECTOR_PREFIX_BYTES_MAX => {
                Cow::Borrowed(&self.name)
            }
            None => Cow::Owned(short(&self.name)),
        }
    }

    /// The class of its data that an action of this class lies above, unless an exception is written.
    pub fn ceiling(&self, class: ActionClass) -> Option<DataClass> {
        let mut classes = self.data_classes.iter().copied();
        classes.find(|data| self.exception.is_none() && data.forbids(class))
    }
}

/// The beginning of a long name and a hash of all of it (FNV-1a, 20 bits). That two come to be the same is a mistake of the policy.
fn short(name: &str) -> String {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = name.bytes().fold(0x811c_9dc5, step);
    let begins: String = name.chars().take(6).collect();
    format!("{}-{:05x}", begins.trim_end_matches('-'), hash >> 12)
}

impl Action {
    /// Whether it is about this connector.
    pub fn is_at(&self, connector: &str) -> bool {
        self.connector == "*" || self.connector == connector
    }
}

/// What is wrong with the two lists, by path.
pub(super) fn mistakes(document: &Document, say: &mut impl FnMut(String, &str)) {
    if document.connector.len() > limits::CONNECTORS_MAX {
        say("connector".to_owned(), "has more than 200 entries");
    }
    let mut prefixes: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
    for (index, connector) in document.connector.iter().enumerate() {
        mistaken_connector(connector, &mut |key, what| {
            say(format!("connector[{index}].{key}"), what);
        });
        if prefixes.insert(connector.prefix(), index).is_some() {
            let key = if connector.prefix.is_some() {
                "prefix"
            } else {
                "name"
            };
            say(
                format!("connector[{index}].{key}"),
                "is the prefix of another connector; actions in the list of all would be the same",
            );
        }
    }
    let names: BTreeSet<&str> = document.connector.iter().map(|c| &*c.name).collect();
    for (index, action) in document.action.iter().enumerate() {
        if action.connector != "*" && !names.contains(&*action.connector) {
            say(
                format!("action[{index}].connector"),
                "is the name of no connector of this policy; write \"*\" for all",
            );
        }
        mistaken_action(action, &mut |key, what| {
            say(format!("action[{index}]{key}"), what);
        });
    }
}

fn mistaken_connector(connector: &Connector, say: &mut dyn FnMut(&str, &str)) {
    if crate::ConnectorName::new(&connector.name).is_err() {
        say(
            "name",
            "must begin with a small letter, then small letters, digits and dashes, at most 32 in all",
        );
    }
    if let Some(prefix) = &connector.prefix
        && !is_slug(prefix, limits::CONNECTOR_PREFIX_BYTES_MAX, true)
    {
        say(
            "prefix",
            "must begin with a small letter, then small letters, digits and dashes, at most 12 in all",
        );
    }
    if connector.title.chars().any(crate::text::is_hostile) || connector.title.len() > 200 {
        say("title", "must be one line of at most 200 bytes");
    }
    mistaken_place(connector, say);
    let is_shared = connector.credential == Credentials::Header;
    match &connector.secret {
        None if is_shared => say(
            "credential",
            "needs secret, the name of a secret of the boot configuration",
        ),
        Some(_) if !is_shared => say("secret", "goes with credential = \"header\" only"),
        Some(secret) if !is_slug(secret, 64, true) => say(
            "secret",
            "is the name of a secret of the boot configuration: small letters, digits and dashes",
        ),
        _ => {}
    }
    super::own::mistaken_key(connector, say);
    if let Some(exception) = &connector.exception {
        if connector.data_classes.is_empty() {
            say("exception", "is from no ceiling: data_classes names none");
        }
        if exception.reason.trim().is_empty() || exception.approved_by.trim().is_empty() {
            say("exception", "needs a reason and who has decided it");
        }
    }
}

fn mistaken_place(connector: &Connector, say: &mut dyn FnMut(&str, &str)) {
    match (&connector.url, connector.command.is_empty()) {
        (Some(url), true) => {
            if !is_address(url) {
                say(
                    "url",
                    "must be https://… or http://… with a host, without a user, a password or a #fragment",
                );
            }
        }
        (None, false) => {
            if !connector.command[0].starts_with('/') {
                say("command", "must begin with the whole path of a program");
            }
            if connector.command.iter().any(|part| part.contains('\0')) {
                say("command", "has a character that no argument can have");
            }
            if connector.transport != Transport::Http {
                say("transport", "goes with url only");
            }
            if !matches!(
                connector.credential,
                Credentials::None | Credentials::ApiKey
            ) {
                say(
                    "credential",
                    "goes with url only, but for \"api-key\": what else a program needs stands in [[connector_program]] of the boot configuration",
                );
            }
        }
        (Some(_), false) => say(
            "command",
            "does not go with url: a connector is one or the other",
        ),
        (None, true) => say("url", "is missing: a connector is an address or a command"),
    }
}

/// Whether a part of a path is `.` or `..` as clients read it: then another address is asked than the one that people see.
fn leads_up(rest: &str) -> bool {
    let path = rest.split('?').next().unwrap_or_default();
    let dots = |part: &str| part.to_ascii_lowercase().replace("%2e", ".");
    path.split('/')
        .skip(1)
        .any(|part| matches!(&*dots(part), "." | ".."))
}

/// An address with a host, that is read in one way and has nothing secret in it.
pub fn is_address(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    url.len() <= 2_000
        && !authority.is_empty()
        && !authority.contains('@')
        && !rest.contains('#')
        && !leads_up(rest)
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>'))
}

fn mistaken_action(action: &Action, say: &mut dyn FnMut(String, &str)) {
    if action.actions.is_empty() && action.classes.is_empty() {
        say(
            String::new(),
            "is about no action; write actions = [\"*\"] for all, or name classes",
        );
    }
    for (index, pattern) in action.actions.iter().enumerate() {
        if !pattern.is_sound() {
            say(
                format!(".actions[{index}]"),
                "must be the name of an action, with at most one * at its end",
            );
        }
    }
    if action.state != ActionState::Ask
        && !action.approver.is_own()
        && action
            .argument
            .iter()
            .all(|rule| rule.then != ActionState::Ask)
    {
        say(
            ".approver".to_owned(),
            "is never asked: nothing here says \"ask\"",
        );
    }
    if matches!(&action.approver, Approver::Groups(groups) if groups.is_empty()) {
        say(".approver".to_owned(), "names no group");
    }
    if action.argument.len() > limits::ARGUMENT_RULES_MAX {
        say(".argument".to_owned(), "has more than 64 rules");
    }
    for (index, rule) in action.argument.iter().enumerate() {
        if !rule.at.is_empty() && !rule.at.starts_with('/') {
            say(
                format!(".argument[{index}].at"),
                "is a JSON Pointer: empty for the whole, or /key/…",
            );
        }
        if let Some(what) = mistaken_value(rule) {
            say(format!(".argument[{index}].value"), what);
        }
    }
}

fn mistaken_value(rule: &ArgumentRule) -> Option<&'static str> {
    let is_plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    match (rule.is, &rule.value) {
        (Operator::Present | Operator::Absent, None) => None,
        (Operator::Present | Operator::Absent, Some(_)) => Some("does not go with this operator"),
        (_, None) => Some("is missing"),
        (Operator::Equals, Some(value)) if is_plain(value) => None,
        (Operator::Equals, Some(_)) => Some("must be a text, a number or true or false"),
        (Operator::StartsWith | Operator::Matches, Some(Value::String(text)))
            if !text.is_empty() =>
        {
            None
        }
        (Operator::StartsWith | Operator::Matches, Some(_)) => Some("must be a text"),
        (Operator::OneOf, Some(Value::Array(values)))
            if !values.is_empty() && values.iter().all(is_plain) =>
        {
            None
        }
        (Operator::OneOf, Some(_)) => Some("must be a list of texts, numbers or truths"),
        (Operator::GreaterThan | Operator::LessThan, Some(value)) if value.is_number() => None,
        (Operator::GreaterThan | Operator::LessThan, Some(_)) => Some("must be a number"),
    }
}

const fn http() -> Transport {
    Transport::Http
}

const fn no_credential() -> Credentials {
    Credentials::None
}

const fn block() -> Definitions {
    Definitions::Block
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_http(transport: &Transport) -> bool {
    matches!(transport, Transport::Http)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_no_credential(credential: &Credentials) -> bool {
    matches!(credential, Credentials::None)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_block(definitions: &Definitions) -> bool {
    matches!(definitions, Definitions::Block)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_false(truth: &bool) -> bool {
    !*truth
}

#[cfg(test)]
#[path = "connectors_tests.rs"]
mod tests;
