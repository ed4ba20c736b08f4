//! Claude Desktop's policy template for Windows (ADMX) and its English texts (ADML): every key of the table as one policy, the same for
//! every ring. Claude Code's one registry value stands beside them, so that one template serves both.

use std::fmt::Write as _;

use super::REGISTRY_KEY;
use crate::code;
use crate::schema::{Client, Key, Kind, Mode, Secrecy, desktop};
use crate::xml::Escaped;

/// Letters that a value may have: a list of models or servers as JSON is long.
const TEXT_LETTERS_MAX: u32 = 1_000_000;

/// The name of the template's category, which Intune's addresses repeat.
pub const CATEGORY: &str = "Claude";
/// The category of Claude Code's policy.
pub const CODE_CATEGORY: &str = "ClaudeCode";
/// The policy that holds Claude Code's settings.
pub const CODE_POLICY: &str = "ClaudeCodeSettings";

/// The keys that a template offers: a secret has no place in a policy that every device can read.
pub fn offered() -> impl Iterator<Item = &'static Key> {
    let keys = Client::Desktop.keys().iter();
    keys.filter(|key| key.secrecy != Secrecy::Always)
}

/// The template.
pub fn template() -> Vec<u8> {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <policyDefinitions xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" revision=\"1.0\" schemaVersion=\"1.0\" xmlns=\"http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions\">\n",
    );
    let _ = write!(
        out,
        "  <policyNamespaces>\n    <target prefix=\"claude\" namespace=\"Doorward.Policies.Claude\" />\n  </policyNamespaces>\n  \
         <resources minRequiredRevision=\"1.0\" />\n  <categories>\n    \
         <category name=\"{CATEGORY}\" displayName=\"$(string.{CATEGORY})\" />\n    \
         <category name=\"{CODE_CATEGORY}\" displayName=\"$(string.{CODE_CATEGORY})\" />\n  </categories>\n  <policies>\n"
    );
    for key in offered() {
        let inner = match key.kind {
            Kind::Bool => choices(key.name, &["true", "false"]),
            Kind::Choice(words) => choices(key.name, words),
            _ => text(key.name, key.name),
        };
        policy(&mut out, key.name, REGISTRY_KEY, CATEGORY, &inner);
    }
    let inner = text(CODE_POLICY, code::REGISTRY_VALUE);
    policy(
        &mut out,
        CODE_POLICY,
        code::REGISTRY_KEY,
        CODE_CATEGORY,
        &inner,
    );
    out.push_str("  </policies>\n</policyDefinitions>\n");
    out.into_bytes()
}

fn policy(out: &mut String, name: &str, key: &str, category: &str, inner: &str) {
    let _ = write!(
        out,
        "    <policy name=\"{name}\" class=\"Both\" displayName=\"$(string.{name})\" explainText=\"$(string.{name}_Explain)\" key=\"{key}\" presentation=\"$(presentation.{name})\">\n      \
         <parentCategory ref=\"{category}\" />\n      <elements>\n{inner}      </elements>\n    </policy>\n"
    );
}

fn text(name: &str, value: &str) -> String {
    format!(
        "        <text id=\"{name}\" valueName=\"{value}\" maxLength=\"{TEXT_LETTERS_MAX}\" required=\"true\" />\n"
    )
}

/// Texts, because the app reads `true` as a text, each item one of them.
fn choices(name: &str, words: &[&str]) -> String {
    let mut out = format!("        <enum id=\"{name}\" valueName=\"{name}\" required=\"true\">\n");
    for (place, word) in words.iter().enumerate() {
        let _ = writeln!(
            out,
            "          <item displayName=\"$(string.{name}_{place})\"><value><string>{}</string></value></item>",
            Escaped(word)
        );
    }
    out.push_str("        </enum>\n");
    out
}

/// Its texts in English.
pub fn texts() -> Vec<u8> {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <policyDefinitionResources xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" revision=\"1.0\" schemaVersion=\"1.0\" xmlns=\"http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions\">\n  \
         <displayName>Claude Desktop and Claude Code</displayName>\n",
    );
    let _ = writeln!(
        out,
        "  <description>Made by Doorward from {}.</description>\n  <resources>\n    <stringTable>",
        Escaped(desktop::SOURCE)
    );
    string(&mut out, CATEGORY, "Claude Desktop");
    string(&mut out, CODE_CATEGORY, "Claude Code");
    let mut presentations = String::new();
    for key in offered() {
        string(&mut out, key.name, key.name);
        string(&mut out, &format!("{}_Explain", key.name), &explained(key));
        let words: &[&str] = match key.kind {
            Kind::Bool => &["true", "false"],
            Kind::Choice(words) => words,
            _ => &[],
        };
        for (place, word) in words.iter().enumerate() {
            string(&mut out, &format!("{}_{place}", key.name), word);
        }
        presentation(&mut presentations, key.name, !words.is_empty());
    }
    string(&mut out, CODE_POLICY, "Managed settings");
    let explain = "Claude Code's managed settings, the whole JSON document in one value.";
    string(&mut out, &format!("{CODE_POLICY}_Explain"), explain);
    presentation(&mut presentations, CODE_POLICY, false);
    let _ = writeln!(
        out,
        "    </stringTable>\n    <presentationTable>\n{presentations}    </presentationTable>\n  </resources>\n</policyDefinitionResources>"
    );
    out.into_bytes()
}

fn string(out: &mut String, id: &str, text: &str) {
    let _ = writeln!(out, "      <string id=\"{id}\">{}</string>", Escaped(text));
}

fn presentation(out: &mut String, name: &str, is_choice: bool) {
    let element = if is_choice {
        format!("<dropdownList refId=\"{name}\" noSort=\"true\">{name}</dropdownList>")
    } else {
        format!("<textBox refId=\"{name}\"><label>{name}</label></textBox>")
    };
    let _ = writeln!(
        out,
        "      <presentation id=\"{name}\">{element}</presentation>"
    );
}

/// What a policy editor shows beside a key.
fn explained(key: &Key) -> String {
    let mode = match key.mode {
        Mode::P3 => "with a gateway or a cloud provider",
        Mode::P1 => "with an account of claude.ai",
        Mode::Both => "always",
    };
    let json = match key.kind {
        Kind::List | Kind::Texts | Kind::Map | Kind::Object | Kind::Either(..) => {
            " Written as JSON in one text."
        }
        _ => "",
    };
    let since = key.since.unwrap_or("an unknown version");
    format!(
        "Must be {}.{json} Read since Claude Desktop {since}. Counts {mode}.",
        key.kind.expected()
    )
}
