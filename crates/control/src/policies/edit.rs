//! Changing one entry of a policy's text and nothing else: every byte outside of the entry stays, and inside of it what says the same as
//! before stays as it was written, remarks too. The text that comes out is read again and held against what was meant; one that says
//! anything else is not given out. Writes nothing into the store. Called by the console's forms.

use domain::Caller;
use domain::policy::{
    Action, Budget, Connector, DesktopSettings, Document, Grant, Inspect, Limit, ManagedSettings,
    Require, Who,
};
use serde::Serialize;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::places::{self, Place, Section};

/// A list of more characters is written a line each.
const LINE_CHARS: usize = 80;

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Of [`Section::Grant`].
    Grant(Grant),
    /// Of [`Section::Require`].
    Require(Require),
    /// Of [`Section::Limit`].
    Limit(Limit),
    /// Of [`Section::Budget`].
    Budget(Budget),
    /// Of [`Section::Inspect`].
    Inspect(Inspect),
    /// Of [`Section::ManagedSettings`].
    ManagedSettings(ManagedSettings),
    /// Of [`Section::DesktopSettings`].
    DesktopSettings(DesktopSettings),
    /// Of [`Section::Connector`].
    Connector(Connector),
    /// Of [`Section::Action`].
    Action(Action),
}

/// Why an entry cannot be changed by a form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotEdit {
    /// The text is no policy.
    #[error("the text cannot be read; mend it as text first")]
    Unreadable,
    /// There is no such entry.
    #[error("there is no entry of this name any more")]
    Gone,
    /// It is written in a way that cannot be changed piece by piece.
    #[error("it is not written as one [[…]] entry in one piece; change it as text")]
    Pieces,
    /// It cannot be written as TOML.
    #[error("it cannot be written as TOML: {0}")]
    Unwritable(String),
}

impl Entry {
    /// Its list.
    pub const fn section(&self) -> Section {
        match self {
            Self::Grant(_) => Section::Grant,
            Self::Require(_) => Section::Require,
            Self::Limit(_) => Section::Limit,
            Self::Budget(_) => Section::Budget,
            Self::Inspect(_) => Section::Inspect,
            Self::ManagedSettings(_) => Section::ManagedSettings,
            Self::DesktopSettings(_) => Section::DesktopSettings,
            Self::Connector(_) => Section::Connector,
            Self::Action(_) => Section::Action,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Grant(entry) => &entry.name,
            Self::Require(entry) => &entry.name,
            Self::Limit(entry) => &entry.name,
            Self::Budget(entry) => &entry.name,
            Self::Inspect(entry) => &entry.name,
            Self::ManagedSettings(entry) => &entry.name,
            Self::DesktopSettings(entry) => &entry.name,
            Self::Connector(entry) => &entry.name,
            Self::Action(entry) => &entry.name,
        }
    }

    /// Whom it concerns.
    pub const fn who(&self) -> &Who {
        match self {
            Self::Grant(entry) => &entry.who,
            Self::Require(entry) => &entry.who,
            Self::Limit(entry) => &entry.who,
            Self::Budget(entry) => &entry.who,
            Self::Inspect(entry) => &entry.who,
            Self::ManagedSettings(entry) => &entry.who,
            Self::DesktopSettings(entry) => &entry.who,
            Self::Connector(entry) => &entry.who,
            Self::Action(entry) => &entry.who,
        }
    }

    /// Whether it concerns this caller.
    pub fn concerns(&self, caller: &Caller) -> bool {
        match self {
            Self::Budget(budget) => budget.concerns(caller),
            other => other.who().selects(caller),
        }
    }

    /// Every entry of a document's list, in order.
    pub fn all(document: &Document, section: Section) -> Vec<Self> {
        fn each<T: Clone>(entries: &[T], entry: fn(T) -> Entry) -> Vec<Entry> {
            entries.iter().cloned().map(entry).collect()
        }
        match section {
            Section::Grant => each(&document.grant, Self::Grant),
            Section::Require => each(&document.require, Self::Require),
            Section::Limit => each(&document.limit, Self::Limit),
            Section::Budget => each(&document.budget, Self::Budget),
            Section::Inspect => each(&document.inspect, Self::Inspect),
            Section::ManagedSettings => each(&document.managed_settings, Self::ManagedSettings),
            Section::DesktopSettings => each(&document.desktop_settings, Self::DesktopSettings),
            Section::Connector => each(&document.connector, Self::Connector),
            Section::Action => each(&document.action, Self::Action),
        }
    }

    /// The same with everything that says nothing left out.
    fn table(&self) -> Result<toml::Table, CannotEdit> {
        fn of(entry: &impl Serialize) -> Result<toml::Table, CannotEdit> {
            let table = toml::Table::try_from(entry);
            table.map_err(|error| CannotEdit::Unwritable(error.to_string()))
        }
        let mut table = match self {
            Self::Grant(entry) => of(entry),
            Self::Require(entry) => of(entry),
            Self::Limit(entry) => of(entry),
            Self::Budget(entry) => of(entry),
            Self::Inspect(entry) => of(entry),
            Self::ManagedSettings(entry) => of(entry),
            Self::DesktopSettings(entry) => of(entry),
            Self::Connector(entry) => of(entry),
            Self::Action(entry) => of(entry),
        }?;
        if self.who().is_everyone() {
            table.remove("who");
        }
        Ok(table)
    }
}

/// The entry of this name in a text's list.
pub fn find(text: &str, section: Section, name: &str) -> Result<Entry, CannotEdit> {
    let document = document(text)?;
    let mut entries = Entry::all(&document, section).into_iter();
    entries
        .find(|entry| entry.name() == name)
        .ok_or(CannotEdit::Gone)
}

/// The text with an entry added at the end of its list.
pub fn add(text: &str, entry: &Entry) -> Result<String, CannotEdit> {
    let before = document(text)?;
    let section = entry.section();
    let written = written(entry)?;
    let places = places::entries(text);
    let last = places.iter().rfind(|place| place.section == section);
    let (head, tail) = match last {
        Some(last) => text.split_at(last.bytes.end),
        None => (text, ""),
    };
    let gap = match head {
        "" => "",
        head if head.ends_with("\n\n") => "",
        head if head.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let after = format!("{head}{gap}{written}{tail}");
    let mut expected = Entry::all(&before, section);
    expected.push(entry.clone());
    checked(after, &before, section, &expected)
}

/// The text with the entry of this name replaced.
pub fn replace(text: &str, name: &str, entry: &Entry) -> Result<String, CannotEdit> {
    let (before, place) = placed(text, entry.section(), name)?;
    let mut expected = Entry::all(&before, entry.section());
    let old = expected.get(place.index).ok_or(CannotEdit::Gone)?;
    let (old, new) = (old.table()?, entry.table()?);
    let part = &text[place.bytes.clone()];
    let mut parsed: DocumentMut = part.parse().map_err(|_| CannotEdit::Pieces)?;
    let table = parsed
        .get_mut(entry.section().as_str())
        .and_then(Item::as_array_of_tables_mut)
        .and_then(|list| list.get_mut(0))
        .ok_or(CannotEdit::Pieces)?;
    lay(table, &old, &new);
    let part = parsed.to_string();
    let (head, tail) = (&text[..place.bytes.start], &text[place.bytes.end..]);
    expected[place.index] = entry.clone();
    checked(
        format!("{head}{part}{tail}"),
        &before,
        entry.section(),
        &expected,
    )
}

/// The text without the entry of this name and the remark right above it.
pub fn remove(text: &str, section: Section, name: &str) -> Result<String, CannotEdit> {
    let (before, place) = placed(text, section, name)?;
    let (head, tail) = (&text[..place.bytes.start], &text[place.bytes.end..]);
    // One of the two blank lines that would now stand together.
    let is_open = head.is_empty() || head.ends_with("\n\n");
    let tail = tail.strip_prefix('\n').filter(|_| is_open).unwrap_or(tail);
    let mut expected = Entry::all(&before, section);
    expected.remove(place.index);
    checked(format!("{head}{tail}"), &before, section, &expected)
}

/// The document of a text, its entries not yet checked.
pub fn document(text: &str) -> Result<Document, CannotEdit> {
    toml::from_str(text).map_err(|_| CannotEdit::Unreadable)
}

fn placed(text: &str, section: Section, name: &str) -> Result<(Document, Place), CannotEdit> {
    let before = document(text)?;
    let entries = Entry::all(&before, section);
    if !entries.iter().any(|entry| entry.name() == name) {
        return Err(CannotEdit::Gone);
    }
    let place = places::entry(text, section, name).filter(|place| place.is_whole);
    Ok((before, place.ok_or(CannotEdit::Pieces)?))
}

/// Gives a text out only when it says what was meant: the same document with this list.
fn checked(
    after: String,
    before: &Document,
    section: Section,
    expected: &[Entry],
) -> Result<String, CannotEdit> {
    let read: Document = toml::from_str(&after).map_err(|_| CannotEdit::Pieces)?;
    let is_meant = Section::ALL.into_iter().all(|other| {
        let entries = Entry::all(&read, other);
        if other == section {
            entries == expected
        } else {
            entries == Entry::all(before, other)
        }
    });
    let rest = |document: &Document| {
        (
            document.acceptable_use.clone(),
            document.administration.clone(),
        )
    };
    if is_meant && rest(&read) == rest(before) {
        Ok(after)
    } else {
        Err(CannotEdit::Pieces)
    }
}

/// Writes what differs into a table, and leaves the rest as it is written.
pub(super) fn lay(table: &mut dyn TableLike, old: &toml::Table, new: &toml::Table) {
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        table.remove(key);
    }
    for (key, value) in new
        .iter()
        .filter(|(key, value)| old.get(*key) != Some(*value))
    {
        let known = old.get(key).and_then(toml::Value::as_table);
        let inner = table.get_mut(key).and_then(Item::as_table_like_mut);
        if let (Some(inner), Some(known), Some(wanted)) = (inner, known, value.as_table()) {
            lay(inner, known, wanted);
            continue;
        }
        let mut item = item_of(key, value);
        match table.get_mut(key) {
            // In its place, so that its key stays as it is written, with the remark above it.
            Some(there) => {
                if let (Item::Value(there), Item::Value(comes)) = (&*there, &mut item) {
                    *comes.decor_mut() = there.decor().clone();
                }
                *there = item;
            }
            None => {
                table.insert(key, item);
            }
        }
    }
}

/// A new entry's text.
fn written(entry: &Entry) -> Result<String, CannotEdit> {
    let mut table = Table::new();
    for (key, value) in &entry.table()? {
        table.insert(key, item_of(key, value));
    }
    let mut list = ArrayOfTables::new();
    list.push(table);
    let mut document = DocumentMut::new();
    let root = document.as_table_mut();
    root.insert(entry.section().as_str(), Item::ArrayOfTables(list));
    Ok(document.to_string())
}

/// Settings stand under headings of their own; everything else stands on its line.
fn item_of(key: &str, value: &toml::Value) -> Item {
    match value {
        toml::Value::Table(table) if key == "settings" => Item::Table(headed(table)),
        other => Item::Value(value_of(other)),
    }
}

pub(super) fn headed(table: &toml::Table) -> Table {
    let mut out = Table::new();
    for (key, value) in table {
        let item = match value {
            toml::Value::Table(inner) => Item::Table(headed(inner)),
            other => Item::Value(value_of(other)),
        };
        out.insert(key, item);
    }
    out
}

fn value_of(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Datetime(at) => (*at).into(),
        toml::Value::Table(table) => {
            let mut inline = InlineTable::new();
            for (key, value) in table {
                inline.insert(key, value_of(value));
            }
            inline.into()
        }
        toml::Value::Array(values) => list_of(values).into(),
    }
}

fn list_of(values: &[toml::Value]) -> Array {
    let mut list: Array = values.iter().map(value_of).collect();
    if list.to_string().chars().count() > LINE_CHARS {
        for value in list.iter_mut() {
            value.decor_mut().set_prefix("\n    ");
        }
        list.set_trailing("\n");
        list.set_trailing_comma(true);
    }
    list
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
