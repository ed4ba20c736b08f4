//! What of a resource an answer holds: everything, what `attributes` names, or all but what `excludedAttributes` names. The id and
//! the schemas are always there (RFC 7644, section 3.9).

use domain::limits;
use serde_json::{Map, Value};

use super::path::Target;
use super::schema::{ENTERPRISE, Resource};

/// What an answer shall hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wanted {
    only: Option<Vec<Named>>,
    not: Vec<Named>,
}

#[derive(Debug, Clone, PartialEq)]
enum Named {
    Attribute(Target),
    Extension,
}

impl Wanted {
    /// Reads the two lists, comma-separated; what is not an attribute of ours is passed over.
    pub fn parse(attributes: &str, excluded: &str, resource: Resource) -> Self {
        let read = |list: &str| -> Vec<Named> {
            list.split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .take(limits::SCIM_VALUES_MAX)
                // some ask for chosen values of an attribute, and get all of them
                .map(|name| name.split('[').next().unwrap_or(name))
                .filter_map(|name| match name {
                    name if name.eq_ignore_ascii_case(ENTERPRISE) => Some(Named::Extension),
                    name => Target::parse(name, resource).map(Named::Attribute),
                })
                .collect()
        };
        Self {
            only: (!attributes.trim().is_empty()).then(|| read(attributes)),
            not: read(excluded),
        }
    }

    /// Whether an answer shall hold any of an attribute, so that it has to be read.
    pub fn holds(&self, attribute: &str) -> bool {
        let of = |named: &Named| match named {
            Named::Attribute(target) => target.attribute.name == attribute,
            Named::Extension => false,
        };
        match &self.only {
            Some(only) => only.iter().any(of),
            None => !self.not.iter().any(|named| {
                of(named) && matches!(named, Named::Attribute(target) if target.part.is_none())
            }),
        }
    }

    /// The resource with what is wanted of it.
    pub fn of(&self, resource: Value) -> Value {
        let Value::Object(whole) = resource else {
            return resource;
        };
        let mut kept = match &self.only {
            None => whole,
            Some(only) => {
                let mut kept = Map::new();
                for name in ["schemas", "id"] {
                    if let Some(value) = whole.get(name) {
                        kept.insert(name.to_owned(), value.clone());
                    }
                }
                for named in only {
                    copy(&whole, &mut kept, named);
                }
                kept
            }
        };
        for named in &self.not {
            drop_from(&mut kept, named);
        }
        Value::Object(kept)
    }
}

fn copy(whole: &Map<String, Value>, kept: &mut Map<String, Value>, named: &Named) {
    let target = match named {
        Named::Extension => {
            if let Some(extension) = whole.get(ENTERPRISE) {
                kept.insert(ENTERPRISE.to_owned(), extension.clone());
            }
            return;
        }
        Named::Attribute(target) => target,
    };
    let (whole, kept) = if target.enterprise {
        let Some(Value::Object(extension)) = whole.get(ENTERPRISE) else {
            return;
        };
        let place = kept
            .entry(ENTERPRISE)
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(place) = place else { return };
        (extension, place)
    } else {
        (whole, kept)
    };
    let name = target.attribute.name;
    let Some(value) = whole.get(name) else { return };
    match target.part {
        None => {
            kept.insert(name.to_owned(), value.clone());
        }
        Some(part) => {
            let place = kept.entry(name).or_insert(Value::Null);
            merge_part(value, place, part.name);
        }
    }
}

/// Adds one part of a value, or of each of several, to what is kept of it.
fn merge_part(value: &Value, place: &mut Value, part: &str) {
    match value {
        Value::Array(all) => {
            if !place.is_array() {
                *place = Value::Array(vec![Value::Null; all.len()]);
            }
            if let Value::Array(places) = place {
                for (value, place) in all.iter().zip(places) {
                    merge_part(value, place, part);
                }
            }
        }
        Value::Object(parts) => {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            if let (Value::Object(place), Some(value)) = (place, parts.get(part)) {
                place.insert(part.to_owned(), value.clone());
            }
        }
        _ => {}
    }
}

fn drop_from(kept: &mut Map<String, Value>, named: &Named) {
    let target = match named {
        Named::Extension => {
            kept.remove(ENTERPRISE);
            return;
        }
        Named::Attribute(target) => target,
    };
    if matches!(target.attribute.name, "id" | "schemas") && !target.enterprise {
        return;
    }
    let place = if target.enterprise {
        match kept.get_mut(ENTERPRISE) {
            Some(Value::Object(extension)) => extension,
            _ => return,
        }
    } else {
        kept
    };
    match (target.part, place.get_mut(target.attribute.name)) {
        (None, _) => {
            place.remove(target.attribute.name);
        }
        (Some(part), Some(Value::Array(all))) => {
            for value in all {
                if let Value::Object(parts) = value {
                    parts.remove(part.name);
                }
            }
        }
        (Some(part), Some(Value::Object(parts))) => {
            parts.remove(part.name);
        }
        (Some(_), _) => {}
    }
}
