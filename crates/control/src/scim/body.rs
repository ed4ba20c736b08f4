//! Values as the table of attributes wants them: names in the right case, truth as truth, texts bounded. What we do not keep falls away
//! here, so that nothing else can come into the store.

use domain::limits;
use serde_json::{Map, Value};

use super::error::{Result, ScimError};
use super::filter::truth;
use super::schema::{Attribute, Kind};

/// One or several values of an attribute as it keeps them; null when there is none.
pub(super) fn whole(attribute: &'static Attribute, value: Value) -> Result<Value> {
    if !attribute.many {
        return one(attribute, value);
    }
    let all = match value {
        Value::Null => return Ok(Value::Null),
        Value::Array(all) => all,
        single => vec![single],
    };
    if all.len() > limits::SCIM_VALUES_MAX {
        return Err(ScimError::value(format!(
            "{} has more than {} values",
            attribute.name,
            limits::SCIM_VALUES_MAX
        )));
    }
    let mut kept = Vec::with_capacity(all.len());
    for value in all {
        let value = one(attribute, value)?;
        if !value.is_null() {
            kept.push(value);
        }
    }
    if kept.is_empty() {
        return Ok(Value::Null);
    }
    one_primary(&mut kept, None);
    Ok(Value::Array(kept))
}

/// One value of an attribute.
pub(super) fn one(attribute: &'static Attribute, value: Value) -> Result<Value> {
    match attribute.kind {
        Kind::Parts => parts(attribute, value),
        Kind::Truth => match value {
            Value::Null => Ok(Value::Null),
            value => truth(&value)
                .map(Value::Bool)
                .ok_or_else(|| ScimError::value(format!("{} is true or false", attribute.name))),
        },
        Kind::Text | Kind::Moment | Kind::Address => text(attribute, value),
    }
}

fn text(attribute: &'static Attribute, value: Value) -> Result<Value> {
    let text = match value {
        Value::Null => return Ok(Value::Null),
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Array(_) | Value::Object(_) => {
            return Err(ScimError::value(format!("{} is a text", attribute.name)));
        }
    };
    if text.chars().count() > limits::SCIM_TEXT_CHARS_MAX {
        return Err(ScimError::value(format!(
            "{} is longer than {} characters",
            attribute.name,
            limits::SCIM_TEXT_CHARS_MAX
        )));
    }
    if text.contains('\0') || (attribute.unique && text.chars().any(char::is_control)) {
        let why = format!("{} holds control characters", attribute.name);
        return Err(ScimError::value(why));
    }
    Ok(Value::String(text))
}

/// An object of the attribute's parts. A single text is its value: so Entra sends a manager.
fn parts(attribute: &'static Attribute, value: Value) -> Result<Value> {
    let given = match value {
        Value::Null => return Ok(Value::Null),
        Value::Object(given) => given,
        Value::Array(_) => {
            return Err(ScimError::value(format!(
                "{} is one object",
                attribute.name
            )));
        }
        single => Map::from_iter([("value".to_owned(), single)]),
    };
    let mut kept = Map::new();
    for (name, value) in given {
        let Some(part) = super::schema::part(attribute.parts, &name) else {
            continue;
        };
        let value = one(part, value)?;
        if !value.is_null() {
            kept.insert(part.name.to_owned(), value);
        }
    }
    if is_void(&kept) {
        return Ok(Value::Null);
    }
    Ok(Value::Object(kept))
}

/// Whether only words about a value are left, and no value.
pub(super) fn is_void(parts: &Map<String, Value>) -> bool {
    parts.iter().all(|(name, value)| {
        matches!(name.as_str(), "type" | "primary") || value.as_str().is_some_and(str::is_empty)
    })
}

/// One value at most is the primary one: the one that was just written, else the first that says so.
pub(super) fn one_primary(values: &mut [Value], written: Option<usize>) {
    let says = |value: &Value| value["primary"] == Value::Bool(true);
    let chosen = written
        .filter(|index| values.get(*index).is_some_and(says))
        .or_else(|| values.iter().position(says));
    for (index, value) in values.iter_mut().enumerate() {
        if Some(index) != chosen && says(value) {
            value["primary"] = Value::Bool(false);
        }
    }
}
