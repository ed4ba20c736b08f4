//! Changes of a user, in the dialects that Entra and Okta speak: operations in any case, truth as text, one operation without a path
//! whose keys are paths, names of schemas before attributes, a filtered value that is not there yet, removal by a list of values.
//! Pure: a document and operations in, a document out.

use domain::limits;
use serde_json::{Map, Value};

use super::body::{is_void, one, one_primary, whole};
use super::error::{Result, ScimError, ScimType};
use super::path::{Path, Target, without_schema};
use super::schema::{Attribute, ENTERPRISE, Resource, Writer};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Adds values.
    Add,
    /// Puts values in the place of others.
    Replace,
    /// Takes values away.
    Remove,
}

/// One operation, read but not yet understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it does.
    pub verb: Verb,
    /// Where, as written.
    pub path: Option<String>,
    /// With what; null when nothing was given.
    pub value: Value,
}

/// Reads the operations of a PATCH (RFC 7644, section 3.5.2).
pub fn steps(body: Value) -> Result<Vec<Step>> {
    let Value::Object(body) = body else {
        return Err(ScimError::syntax("the body is a JSON object"));
    };
    let operations = body
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("Operations"));
    let operations = match operations {
        Some((_, Value::Array(operations))) => operations,
        // a single one without its list is understood as well
        Some((_, single @ Value::Object(_))) => vec![single],
        _ => return Err(ScimError::syntax("the body has a list of Operations")),
    };
    if operations.is_empty() {
        return Err(ScimError::syntax("there is no operation"));
    }
    if operations.len() > limits::SCIM_OPERATIONS_MAX {
        let why = format!("more than {} operations", limits::SCIM_OPERATIONS_MAX);
        return Err(ScimError::Bad(ScimType::TooMany, why));
    }
    operations.into_iter().map(step).collect()
}

fn step(operation: Value) -> Result<Step> {
    let Value::Object(operation) = operation else {
        return Err(ScimError::syntax("an operation is a JSON object"));
    };
    let (mut verb, mut path, mut value) = (None, None, Value::Null);
    for (name, given) in operation {
        match name.to_ascii_lowercase().as_str() {
            "op" => verb = given.as_str().map(str::to_ascii_lowercase),
            "path" => match given {
                Value::Null => {}
                Value::String(text) if text.trim().is_empty() => {}
                Value::String(text) => path = Some(text),
                _ => return Err(ScimError::path("a path is a text")),
            },
            "value" => value = given,
            _ => {}
        }
    }
    let verb = match verb.as_deref() {
        Some("add") => Verb::Add,
        Some("replace") => Verb::Replace,
        Some("remove") => Verb::Remove,
        _ => return Err(ScimError::syntax("an operation is add, replace or remove")),
    };
    Ok(Step { verb, path, value })
}

/// A user's attributes out of the body of a POST or PUT.
pub fn from_body(body: Value) -> Result<Value> {
    let mut document = Value::Object(Map::new());
    apply_keys(&mut document, Verb::Replace, body)?;
    Ok(document)
}

/// A user's attributes after these operations; all of them or, with an error, none.
pub fn apply(document: &Value, steps: Vec<Step>) -> Result<Value> {
    let mut document = document.clone();
    for step in steps {
        match step.path {
            Some(path) => apply_at(&mut document, step.verb, &path, step.value, true)?,
            None if step.verb == Verb::Remove => {
                let why = "a removal says what it removes".to_owned();
                return Err(ScimError::Bad(ScimType::NoTarget, why));
            }
            None => apply_keys(&mut document, step.verb, step.value)?,
        }
    }
    Ok(document)
}

/// An object whose keys are attributes, or paths to them.
fn apply_keys(document: &mut Value, verb: Verb, value: Value) -> Result<()> {
    let Value::Object(keys) = value else {
        return Err(ScimError::value("without a path the value is an object"));
    };
    for (key, value) in keys {
        match value {
            Value::Object(inner) if key.eq_ignore_ascii_case(ENTERPRISE) => {
                for (name, value) in inner {
                    let path = format!("{ENTERPRISE}:{name}");
                    apply_at(document, verb, &path, value, false)?;
                }
            }
            // a schema we do not know, or a key that is no path: not ours to keep
            _ if Path::parse(&key, Resource::User).is_err() => {}
            value => apply_at(document, verb, &key, value, false)?,
        }
    }
    Ok(())
}

fn apply_at(
    document: &mut Value,
    verb: Verb,
    path: &str,
    value: Value,
    by_name: bool,
) -> Result<()> {
    if by_name
        && without_schema(path).1.eq_ignore_ascii_case(path)
        && path.eq_ignore_ascii_case(ENTERPRISE)
    {
        return apply_extension(document, verb, value);
    }
    let Some(path) = Path::parse(path, Resource::User)? else {
        return Ok(());
    };
    if path.target.last().writer == Writer::Us || path.target.attribute.writer == Writer::Us {
        if by_name {
            let why = format!("{} is ours to say", path.target.attribute.name);
            return Err(ScimError::Bad(ScimType::Mutability, why));
        }
        return Ok(());
    }
    let attribute = path.target.attribute;
    let place = holder(document, &path.target).entry(attribute.name);
    let slot = place.or_insert(Value::Null);
    if attribute.many {
        several(slot, verb, &path, value)?;
    } else {
        single(slot, verb, &path.target, value)?;
    }
    tidy(document, &path.target);
    Ok(())
}

/// The whole extension as a path.
fn apply_extension(document: &mut Value, verb: Verb, value: Value) -> Result<()> {
    if verb == Verb::Remove {
        if let Some(document) = document.as_object_mut() {
            document.remove(ENTERPRISE);
        }
        return Ok(());
    }
    apply_keys(
        document,
        verb,
        Value::Object(Map::from_iter([(ENTERPRISE.to_owned(), value)])),
    )
}

fn holder<'d>(document: &'d mut Value, target: &Target) -> &'d mut Map<String, Value> {
    let mut place = document;
    if target.enterprise {
        place = &mut place[ENTERPRISE];
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
    }
    place
        .as_object_mut()
        .expect("a document and its extension are objects")
}

/// Takes away what a change left empty.
fn tidy(document: &mut Value, target: &Target) {
    let holder = holder(document, target);
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(parts) => parts.is_empty(),
        _ => false,
    };
    if holder.get(target.attribute.name).is_some_and(is_empty) {
        holder.remove(target.attribute.name);
    }
    if target.enterprise
        && holder.is_empty()
        && let Some(document) = document.as_object_mut()
    {
        document.remove(ENTERPRISE);
    }
}

fn single(slot: &mut Value, verb: Verb, target: &Target, value: Value) -> Result<()> {
    let attribute = target.attribute;
    let value = if verb == Verb::Remove {
        Value::Null
    } else {
        value
    };
    if let Some(part) = target.part {
        let value = one(part, value)?;
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        set(slot, part, value);
        return Ok(());
    }
    let value = one(attribute, value)?;
    if value.is_null() && attribute.required {
        let why = format!("{} must have a value", attribute.name);
        return Err(ScimError::value(why));
    }
    match (slot, value) {
        // the parts that are named change, the others stay
        (Value::Object(there), Value::Object(given)) => there.extend(given),
        (slot, value) => *slot = value,
    }
    Ok(())
}

fn set(parts: &mut Value, part: &'static Attribute, value: Value) {
    let parts = parts.as_object_mut().expect("the caller made it an object");
    if value.is_null() {
        parts.remove(part.name);
    } else {
        parts.insert(part.name.to_owned(), value);
    }
}

fn several(slot: &mut Value, verb: Verb, path: &Path, value: Value) -> Result<()> {
    let attribute = path.target.attribute;
    let mut values = match slot.take() {
        Value::Array(values) => values,
        Value::Null => Vec::new(),
        one => vec![one],
    };
    match (verb, &path.filter, path.target.part) {
        (Verb::Remove, None, None) => remove_listed(&mut values, attribute, value)?,
        (Verb::Remove, filter, part) => {
            for value in &mut values {
                if filter.as_ref().is_some_and(|filter| !filter.meets(value)) {
                    continue;
                }
                match part {
                    Some(part) => set(value, part, Value::Null),
                    None => *value = Value::Null,
                }
            }
        }
        (Verb::Add, None, None) => {
            if let Value::Array(new) = whole(attribute, value)? {
                for value in new {
                    if !values.contains(&value) {
                        values.push(value);
                        let last = values.len() - 1;
                        one_primary(&mut values, Some(last));
                    }
                }
            }
        }
        (Verb::Replace, None, None) => {
            values = match whole(attribute, value)? {
                Value::Array(new) => new,
                _ => Vec::new(),
            };
        }
        (Verb::Add | Verb::Replace, _, _) => write_chosen(&mut values, verb, path, &value)?,
    }
    values.retain(|value| value.as_object().is_some_and(|parts| !is_void(parts)));
    if values.len() > limits::SCIM_VALUES_MAX {
        let why = format!(
            "{} has more than {} values",
            attribute.name,
            limits::SCIM_VALUES_MAX
        );
        return Err(ScimError::value(why));
    }
    *slot = Value::Array(values);
    Ok(())
}

/// Without a list everything; with one what it names by value.
fn remove_listed(
    values: &mut Vec<Value>,
    attribute: &'static Attribute,
    listed: Value,
) -> Result<()> {
    match whole(attribute, listed)? {
        Value::Array(listed) => values.retain(|value| {
            !listed.iter().any(|gone| match gone.get("value") {
                Some(gone) => value.get("value") == Some(gone),
                None => value == gone,
            })
        }),
        _ => values.clear(),
    }
    Ok(())
}

/// Writes to the values that the path chooses. When there is none, one is made as the path describes it: so Entra adds a first
/// mobile number.
fn write_chosen(values: &mut Vec<Value>, verb: Verb, path: &Path, value: &Value) -> Result<()> {
    let (attribute, part) = (path.target.attribute, path.target.part);
    let chosen: Vec<usize> = (0..values.len())
        .filter(|index| {
            path.filter
                .as_ref()
                .is_none_or(|filter| filter.meets(&values[*index]))
        })
        .collect();
    let chosen = if chosen.is_empty() {
        values.push(described(path)?);
        vec![values.len() - 1]
    } else {
        chosen
    };
    for index in chosen {
        match part {
            Some(part) => set(&mut values[index], part, one(part, value.clone())?),
            None => match (verb, one(attribute, value.clone())?) {
                (Verb::Add, Value::Object(new)) => {
                    if let Some(there) = values[index].as_object_mut() {
                        there.extend(new);
                    }
                }
                (_, new) => values[index] = kept_choice(path, new),
            },
        }
        one_primary(values, Some(index));
    }
    Ok(())
}

/// A value that is replaced as a whole stays one that the path chooses, unless it says otherwise.
fn kept_choice(path: &Path, new: Value) -> Value {
    let Value::Object(mut new) = new else {
        return new;
    };
    let conditions = path
        .filter
        .as_ref()
        .and_then(super::filter::Filter::conditions);
    for (name, value) in conditions.unwrap_or_default() {
        new.entry(name).or_insert(value);
    }
    Value::Object(new)
}

/// What the path's filter says of a value that meets it.
fn described(path: &Path) -> Result<Value> {
    let Some(filter) = &path.filter else {
        return Ok(Value::Object(Map::new()));
    };
    let conditions = filter.conditions().ok_or_else(|| {
        let why = "no value is as the path says".to_owned();
        ScimError::Bad(ScimType::NoTarget, why)
    })?;
    let parts = conditions
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Ok(Value::Object(parts.collect()))
}
