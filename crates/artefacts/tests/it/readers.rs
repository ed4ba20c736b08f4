//! Readers of the formats, written from the formats' own rules and knowing nothing of the writers.

use serde_json::{Map, Number, Value};

/// An element of an XML document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    pub(crate) text: String,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap()
    }

    pub(crate) fn child(&self, name: &str) -> &Element {
        self.children
            .iter()
            .find(|child| child.name == name)
            .unwrap()
    }

    /// Every element of this name, however deep.
    pub(crate) fn all(&self, name: &str) -> Vec<&Element> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            found.extend(child.all(name));
        }
        found
    }
}

/// Reads an XML document, or panics with what is not well-formed.
pub(crate) fn xml(text: &str) -> Element {
    let mut open: Vec<Element> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        if let Some(last) = open.last_mut() {
            last.text.push_str(&unescaped(&rest[..start]));
        } else {
            assert!(rest[..start].trim().is_empty(), "text outside the root");
        }
        let end = start + rest[start..].find('>').unwrap();
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('?') || tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            let done = open.pop().unwrap();
            assert_eq!(done.name, name, "closed in the wrong order");
            match open.last_mut() {
                Some(parent) => parent.children.push(done),
                None => return done,
            }
            continue;
        }
        let is_empty = tag.ends_with('/');
        let element = opened(tag.trim_end_matches('/'));
        match (is_empty, open.last_mut()) {
            (true, Some(parent)) => parent.children.push(element),
            (true, None) => return element,
            (false, _) => open.push(element),
        }
    }
    panic!("{} elements stay open", open.len())
}

fn opened(tag: &str) -> Element {
    let (name, mut rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let mut attributes: Vec<(String, String)> = Vec::new();
    while let Some((key, after)) = rest.trim_start().split_once("=\"") {
        let (value, after) = after.split_once('"').unwrap();
        assert!(
            attributes.iter().all(|(known, _)| known != key),
            "{key} stands twice"
        );
        attributes.push((key.to_owned(), unescaped(value)));
        rest = after;
    }
    assert!(rest.trim().is_empty(), "{rest:?} is no attribute");
    Element {
        name: name.to_owned(),
        attributes,
        children: Vec::new(),
        text: String::new(),
    }
}

fn unescaped(text: &str) -> String {
    assert!(!text.contains('>') || !text.contains('<'));
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, after) = after.split_once(';').unwrap();
        out.push_str(before);
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            number => {
                let code = number.strip_prefix('#').unwrap().parse().unwrap();
                char::from_u32(code).unwrap()
            }
        });
        rest = after;
    }
    out + rest
}

/// Reads an XML property list.
pub(crate) fn plist(bytes: &[u8]) -> Value {
    let root = xml(std::str::from_utf8(bytes).unwrap());
    assert_eq!(root.name, "plist");
    assert_eq!(root.children.len(), 1);
    value(&root.children[0])
}

fn value(element: &Element) -> Value {
    match element.name.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "string" => Value::String(element.text.clone()),
        "integer" => Value::from(element.text.parse::<i64>().unwrap()),
        "real" => Value::Number(Number::from_f64(element.text.parse().unwrap()).unwrap()),
        "array" => Value::Array(element.children.iter().map(value).collect()),
        "dict" => {
            let mut map = Map::new();
            for pair in element.children.chunks(2) {
                let [key, member] = pair else {
                    panic!("a key without its value")
                };
                assert_eq!(key.name, "key");
                assert!(map.insert(key.text.clone(), value(member)).is_none());
            }
            Value::Object(map)
        }
        other => panic!("{other} is nothing of a property list"),
    }
}

/// What a profile enforces in a preference domain.
pub(crate) fn profile(bytes: &[u8], domain: &str) -> Map<String, Value> {
    let whole = plist(bytes);
    assert_eq!(whole["PayloadType"], "Configuration");
    assert_eq!(whole["PayloadVersion"], 1);
    let payloads = whole["PayloadContent"].as_array().unwrap();
    assert_eq!(payloads.len(), 1);
    assert_ne!(payloads[0]["PayloadUUID"], whole["PayloadUUID"]);
    assert_ne!(payloads[0]["PayloadIdentifier"], whole["PayloadIdentifier"]);
    let forced = &payloads[0]["PayloadContent"][domain]["Forced"];
    assert_eq!(forced.as_array().unwrap().len(), 1);
    let settings = forced[0]["mcx_preference_settings"].as_object();
    settings.unwrap().clone()
}

/// A registry file as `reg import` would leave the machine: keys with their text values, in an empty registry.
pub(crate) fn registry(bytes: &[u8]) -> Vec<(String, Vec<(String, String)>)> {
    assert_eq!(&bytes[..2], &[0xff, 0xfe], "the mark of UTF-16");
    let units: Vec<u16> = bytes[2..]
        .chunks(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let text = String::from_utf16(&units).unwrap();
    let mut lines = text.split("\r\n");
    assert_eq!(lines.next(), Some("Windows Registry Editor Version 5.00"));
    let mut keys: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for line in lines {
        assert!(!line.contains(['\n', '\r']), "a line end within a line");
        if line.is_empty() || line.starts_with(';') {
            continue;
        }
        if let Some(key) = line.strip_prefix("[-") {
            let key = key.strip_suffix(']').unwrap();
            keys.retain(|(known, _)| known != key);
        } else if let Some(key) = line.strip_prefix('[') {
            keys.push((key.strip_suffix(']').unwrap().to_owned(), Vec::new()));
        } else {
            let (name, rest) = quoted(line);
            let value = rest.strip_prefix('=').unwrap();
            let value = if let Some(bytes) = value.strip_prefix("hex(1):") {
                of_bytes(bytes)
            } else {
                let (value, rest) = quoted(value);
                assert!(rest.is_empty(), "{rest:?} after a value");
                value
            };
            keys.last_mut().unwrap().1.push((name, value));
        }
    }
    keys
}

/// A text between quotes, and what follows it.
fn quoted(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut letters = text.strip_prefix('"').unwrap().char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return (out, &text[place + 2..]),
            '\\' => out.push(letters.next().unwrap().1),
            other => out.push(other),
        }
    }
    panic!("{text} is not closed")
}

fn of_bytes(list: &str) -> String {
    let bytes: Vec<u8> = list
        .split(',')
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let units: Vec<u16> = bytes
        .chunks(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let (end, units) = units.split_last().unwrap();
    assert_eq!(*end, 0, "a text ends with a zero");
    String::from_utf16(units).unwrap()
}
