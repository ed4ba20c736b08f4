//! A mapping of the file, read key by key. What a reader takes is gone from it; what is left at the end is named as not carried or
//! unknown, so that no key can be forgotten. Used by every reader beside it.

use super::keys;
use super::notes::{Kind, Notes};
use super::yaml::{Node, Unreadable, Value};

/// Longest name of a key that a note repeats. All real ones are shorter; a secret in the wrong place is not.
const SHOWN_KEY_CHARS_MAX: usize = 40;

/// A mapping under way.
pub(super) struct Map {
    pub(super) path: String,
    pub(super) line: u64,
    entries: Vec<(String, Node)>,
}

/// A taken value with its place.
pub(super) struct Taken<T> {
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) value: T,
}

impl Map {
    /// The whole file.
    pub(super) fn root(node: Node) -> Result<Self, Unreadable> {
        match node.value {
            Value::Map(entries) => Ok(Self {
                path: String::new(),
                line: 1,
                entries,
            }),
            _ => Err(Unreadable {
                line: node.line.max(1),
                what:
                    "a gateway configuration is a mapping of sections such as `listen` and `oidc`"
                        .to_owned(),
            }),
        }
    }

    /// The path of one of its keys.
    pub(super) fn at(&self, key: &str) -> String {
        below(&self.path, key)
    }

    /// Takes a value as it is; an explicit null counts as absent.
    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        let (_, node) = self.entries.remove(index);
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    /// Whether a key is there and says something.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries
            .iter()
            .any(|(name, node)| name == key && !matches!(node.value, Value::Null))
    }

    /// The names of what is left.
    pub(super) fn left(&self) -> Vec<String> {
        self.entries.iter().map(|(key, _)| shown(key)).collect()
    }

    /// Drops what is left: whoever calls has named it.
    pub(super) fn named(&mut self) {
        self.entries.clear();
    }

    fn of_form<T>(
        &mut self,
        key: &str,
        notes: &mut Notes,
        form: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<Taken<T>> {
        let node = self.take(key)?;
        let (path, line) = (self.at(key), node.line);
        let Some(value) = read(node.value) else {
            notes.lost(
                &path,
                line,
                &format!("its value is not {form}; the reference gateway would refuse it too"),
            );
            return None;
        };
        Some(Taken { path, line, value })
    }

    /// A text that is written as it stands. One with a reference or a secret in it is named instead.
    pub(super) fn text(&mut self, key: &str, notes: &mut Notes) -> Option<Taken<String>> {
        let taken = self.of_form(key, notes, "a text", scalar)?;
        plain(&taken.value, &taken.path, taken.line, notes).then_some(taken)
    }

    /// A list of texts that are written as they stand.
    pub(super) fn texts(&mut self, key: &str, notes: &mut Notes) -> Option<Taken<Vec<String>>> {
        let taken = self.of_form(key, notes, "a list of texts", |value| match value {
            Value::List(items) => items
                .into_iter()
                .map(|item| scalar(item.value).map(|text| (item.line, text)))
                .collect::<Option<Vec<_>>>(),
            _ => None,
        })?;
        let path = taken.path;
        let mut value = Vec::new();
        for (index, (line, text)) in taken.value.into_iter().enumerate() {
            if plain(&text, &format!("{path}[{index}]"), line, notes) {
                value.push(text);
            }
        }
        Some(Taken {
            path,
            line: taken.line,
            value,
        })
    }

    pub(super) fn flag(&mut self, key: &str, notes: &mut Notes) -> Option<Taken<bool>> {
        self.of_form(key, notes, "true or false", |value| match value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        })
    }

    pub(super) fn number(&mut self, key: &str, notes: &mut Notes) -> Option<Taken<f64>> {
        self.of_form(key, notes, "a number", |value| match value {
            #[expect(
                clippy::cast_precision_loss,
                reason = "only compared with small numbers"
            )]
            Value::Integer(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        })
    }

    /// A secret as a reference of ours. One that stands in the file becomes `${variable}`, and a note says so.
    pub(super) fn secret(
        &mut self,
        key: &str,
        variable: &str,
        notes: &mut Notes,
    ) -> Option<Taken<String>> {
        let mut taken = self.of_form(key, notes, "a text", scalar)?;
        if let Some(reference) = reference(&taken.value) {
            taken.value = reference;
            return Some(taken);
        }
        let what = if taken.value.contains("${") {
            format!("is put together from references; set {variable} to the whole of it")
        } else {
            format!("stands in the file; set {variable} to it, and take it out of the file")
        };
        notes.say(Kind::Secret, &taken.path, taken.line, &what);
        taken.value = format!("${{{variable}}}");
        Some(taken)
    }

    /// Reads the mapping under a key to its end.
    pub(super) fn section<T>(
        &mut self,
        key: &str,
        notes: &mut Notes,
        read: impl FnOnce(&mut Self, &mut Notes) -> T,
    ) -> Option<T> {
        let taken = self.of_form(key, notes, "a mapping", entries)?;
        let mut map = Self {
            path: taken.path,
            line: taken.line,
            entries: taken.value,
        };
        let found = read(&mut map, notes);
        map.finish(notes);
        Some(found)
    }

    /// Reads each mapping of the list under a key to its end.
    pub(super) fn each<T>(
        &mut self,
        key: &str,
        notes: &mut Notes,
        mut read: impl FnMut(&mut Self, usize, &mut Notes) -> T,
    ) -> Vec<T> {
        let Some(taken) = self.of_form(key, notes, "a list", |value| match value {
            Value::List(items) => Some(items),
            _ => None,
        }) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (index, item) in taken.value.into_iter().enumerate() {
            let path = format!("{}[{index}]", taken.path);
            let Some(entries) = entries(item.value) else {
                notes.lost(
                    &path,
                    item.line,
                    "is not a mapping; the reference gateway would refuse it too",
                );
                continue;
            };
            let mut map = Self {
                path,
                line: item.line,
                entries,
            };
            found.push(read(&mut map, index, notes));
            map.finish(notes);
        }
        found
    }

    /// Names everything that nobody took.
    pub(super) fn finish(self, notes: &mut Notes) {
        for (key, node) in self.entries {
            name_leftover(&below(&self.path, &key), &node, notes);
        }
    }
}

fn name_leftover(path: &str, node: &Node, notes: &mut Notes) {
    if let Some(why) = keys::not_carried(path) {
        notes.lost(path, node.line, why);
        return;
    }
    match &node.value {
        Value::Map(entries) if keys::has_known_below(path) => {
            for (key, node) in entries {
                name_leftover(&below(path, key), node, notes);
            }
        }
        Value::List(items) if keys::has_known_below(path) => {
            for (index, node) in items.iter().enumerate() {
                name_leftover(&format!("{path}[{index}]"), node, notes);
            }
        }
        Value::Null if keys::has_known_below(path) => {}
        _ => notes.say(
            Kind::Unknown,
            path,
            node.line,
            "neither the reference gateway nor Doorward knows it; look for a misspelling, or a newer reference gateway",
        ),
    }
}

fn entries(value: Value) -> Option<Vec<(String, Node)>> {
    match value {
        Value::Map(entries) => Some(entries),
        _ => None,
    }
}

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether a text may be written as it stands; says why not.
pub(super) fn plain(text: &str, path: &str, line: u64, notes: &mut Notes) -> bool {
    if text.contains("${") {
        notes.lost(path, line, "holds a reference, which Doorward resolves for secrets alone; write the value itself in its place");
        return false;
    }
    if notes.holds_a_secret(text) {
        notes.lost(
            path,
            line,
            "holds what looks like a secret where Doorward keeps none; it was left out",
        );
        return false;
    }
    true
}

/// `${NAME}` and `${file:/path}` as we write them.
fn reference(text: &str) -> Option<String> {
    let inner = text.strip_prefix("${")?.strip_suffix('}')?;
    if let Some(path) = inner.strip_prefix("file:") {
        return (path.starts_with('/') && !path.contains(['$', '{', '}', '\n']))
            .then(|| format!("file:{path}"));
    }
    let is_name = !inner.is_empty()
        && inner
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !inner.starts_with(|c: char| c.is_ascii_digit());
    is_name.then(|| text.to_owned())
}

/// The path of a key, without repeating a name that no key has.
pub(super) fn below(path: &str, key: &str) -> String {
    let key = shown(key);
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

fn shown(key: &str) -> String {
    let fits = key.len() <= SHOWN_KEY_CHARS_MAX
        && !key.starts_with("sk-")
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-$".contains(&b));
    if fits && !key.is_empty() {
        key.to_owned()
    } else {
        "(a key that is no name)".to_owned()
    }
}
