//! Settings documents for Claude Code and Claude Desktop, which pass as they are, and the models they allow, which bind in the
//! gateway.

use toml::{Table, Value as Toml};

use super::notes::Notes;
use super::reader::{below, plain};
use super::yaml::{Node, Value};

/// Families that Claude Code names by one word.
const FAMILIES: [&str; 5] = ["opus", "sonnet", "haiku", "fable", "mythos"];

/// A settings document.
#[derive(Debug, Default, Clone)]
pub(super) struct Settings {
    /// As it is delivered.
    pub(super) document: Table,
    /// Patterns of the models it allows; none when it says nothing about them.
    pub(super) models: Option<Vec<String>>,
    /// Patterns of the models it forbids.
    pub(super) denied: Vec<String>,
}

/// Reads a document. What cannot be written is named and left out.
pub(super) fn read(node: &Node, path: &str, notes: &mut Notes) -> Settings {
    let Some(Toml::Table(document)) = value(node, path, notes) else {
        notes.lost(
            path,
            node.line,
            "is not a mapping of settings; the reference gateway would refuse it too",
        );
        // What it allowed is not known, so it allows nothing.
        return Settings {
            models: Some(Vec::new()),
            ..Settings::default()
        };
    };
    let mut settings = Settings {
        document,
        ..Settings::default()
    };
    let at = |key: &str| below(path, key);
    let line = |key: &str| match &node.value {
        Value::Map(entries) => entries
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, node)| node.line),
        _ => None,
    };
    if let Some(line) = line("availableModels") {
        let names = texts(settings.document.get("availableModels"));
        settings.models = Some(
            names
                .iter()
                .filter_map(|name| pattern(name, &at("availableModels"), line, notes))
                .collect(),
        );
    }
    if let Some(line) = line("deniedModels") {
        for name in texts(settings.document.get("deniedModels")) {
            if let Some(pattern) = pattern(&name, &at("deniedModels"), line, notes) {
                if !pattern.contains('*') {
                    // The same model by its dated id.
                    settings.denied.push(format!("{pattern}-20*"));
                }
                settings.denied.push(pattern);
            }
        }
    }
    if let Some(line) = line("deniedModels")
        && !is_list_of_texts(node, "deniedModels")
    {
        notes.lost(&at("deniedModels"), line, "is not a list of models that can be carried, so nothing is allowed in its place; name the models in the grant");
        settings.models = Some(Vec::new());
    }
    if let Some(line) = line("availableModelsMatch") {
        notes.lost(&at("availableModelsMatch"), line, "Doorward compares whole ids, with `*` for any run of characters; look at `models` of the grant");
    }
    settings
}

fn is_list_of_texts(node: &Node, key: &str) -> bool {
    let Value::Map(entries) = &node.value else {
        return false;
    };
    let list = entries.iter().find(|(name, _)| name == key);
    let Some(Value::List(items)) = list.map(|(_, node)| &node.value) else {
        return false;
    };
    items
        .iter()
        .all(|item| matches!(&item.value, Value::Text(text) if !text.contains("${")))
}

fn texts(list: Option<&Toml>) -> Vec<String> {
    let Some(Toml::Array(items)) = list else {
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// `sonnet` as `claude-sonnet-*`; ids as they are.
fn pattern(name: &str, path: &str, line: u64, notes: &mut Notes) -> Option<String> {
    let bare = name.strip_suffix("[1m]").unwrap_or(name);
    if FAMILIES.contains(&bare) {
        return Some(format!("claude-{bare}-*"));
    }
    if ["default", "best", "opusplan"].contains(&bare) || bare.is_empty() {
        notes.lost(path, line, "holds a name that each client reads in its own way (such as default, best or opusplan); name the models in the grant");
        return None;
    }
    Some(bare.to_owned())
}

/// A value as TOML has it.
fn value(node: &Node, path: &str, notes: &mut Notes) -> Option<Toml> {
    Some(match &node.value {
        Value::Null => {
            notes.lost(
                path,
                node.line,
                "is null, which a policy cannot say; leave the key out",
            );
            return None;
        }
        Value::Flag(flag) => Toml::Boolean(*flag),
        Value::Integer(number) => Toml::Integer(*number),
        Value::Float(number) => Toml::Float(*number),
        Value::Text(text) => {
            if !plain(text, path, node.line, notes) {
                return None;
            }
            Toml::String(text.clone())
        }
        Value::List(items) => Toml::Array(
            items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| value(item, &format!("{path}[{index}]"), notes))
                .collect(),
        ),
        Value::Map(entries) => {
            let mut table = Table::new();
            for (key, node) in entries {
                let path = below(path, key);
                if !plain(key, &path, node.line, notes) {
                    continue;
                }
                if let Some(found) = value(node, &path, notes) {
                    table.insert(key.clone(), found);
                }
            }
            Toml::Table(table)
        }
    })
}
