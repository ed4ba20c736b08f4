//! `doorward import claude-gateway`: a Claude apps gateway configuration becomes a `doorward.toml` and a `policy.toml` of ours. Text
//! in, texts and notes out: no file, no environment. What cannot be carried is named, never dropped in silence; what cannot be
//! carried and was a restriction makes the result stricter, never looser. A secret that stands in the text is neither written nor
//! repeated. Called by [`crate::import_command`] alone.

mod issuer;
mod keys;
mod models;
mod notes;
mod policy;
mod reader;
mod server;
mod settings;
mod upstream;
mod yaml;

pub use notes::{Kind, Note};
pub use yaml::Unreadable;

use notes::Notes;
use reader::Map;
use toml::Table;

/// What became of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The text of a `doorward.toml`.
    pub config: String,
    /// The text of a `policy.toml`.
    pub policy: String,
    /// What to know about it, in the order of the file.
    pub notes: Vec<Note>,
}

impl Imported {
    /// Whether everything was carried over.
    pub fn is_complete(&self) -> bool {
        !self.notes.iter().any(|note| note.kind.is_a_loss())
    }
}

/// A text of ours that is being written: what holds, and what is written as a comment for somebody to decide about.
#[derive(Debug, Default)]
struct Written {
    table: Table,
    held_back: Vec<(String, Table)>,
}

impl Written {
    /// Adds an entry to the list of tables `section`.
    fn add(&mut self, section: &str, entry: Table) {
        let list = self
            .table
            .entry(section)
            .or_insert_with(|| toml::Value::Array(Vec::new()));
        if let toml::Value::Array(list) = list {
            list.push(toml::Value::Table(entry));
        }
    }

    /// Writes an entry of the list of tables `section` as a comment, with the reason.
    fn hold_back(&mut self, section: &str, entry: Table, why: &str) {
        let mut table = Table::new();
        table.insert(
            section.to_owned(),
            toml::Value::Array(vec![toml::Value::Table(entry)]),
        );
        self.held_back.push((why.to_owned(), table));
    }

    fn text(&self, header: &str) -> String {
        let mut text = format!("{header}\n");
        text.push_str(&toml::to_string_pretty(&self.table).expect("tables of text and numbers"));
        for (why, table) in &self.held_back {
            text.push_str("\n# Held back: ");
            text.push_str(why);
            text.push('\n');
            let block = toml::to_string_pretty(table).expect("tables of text and numbers");
            for line in block.lines().filter(|line| !line.is_empty()) {
                text.push_str("# ");
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}

const CONFIG_HEADER: &str = "# doorward.toml, imported from a Claude apps gateway configuration.
# Read what `doorward import` said about it, set the variables it names, then `doorward check-config`.
";

const POLICY_HEADER: &str = "# policy.toml, imported from a Claude apps gateway configuration.
# Read what `doorward import` said about it, then `doorward policy plan policy.toml` and `doorward policy apply policy.toml --reason …`.
";

/// Turns the text of a `gateway.yaml` into ours.
pub fn claude_gateway(text: &str) -> Result<Imported, Unreadable> {
    let mut root = Map::root(yaml::read(text)?)?;
    let mut notes = Notes::new();
    let mut config = Written::default();
    let mut rules = Written::default();
    server::read(&mut root, &mut config, &mut notes);
    let admitted = issuer::read(&mut root, &mut config, &mut notes);
    let models = models::read(&mut root, &mut config, &mut notes);
    upstream::read(&mut root, &models, &mut config, &mut notes);
    server::admin_keys(&mut root, &mut config, &mut notes);
    policy::read(&mut root, &admitted, &models, &mut rules, &mut notes);
    root.finish(&mut notes);
    Ok(Imported {
        config: config.text(CONFIG_HEADER),
        policy: rules.text(POLICY_HEADER),
        notes: notes.in_order(),
    })
}
