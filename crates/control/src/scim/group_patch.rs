//! Changes of a group, as steps that say what they do whatever is there: names given, members added, removed or set. A list of
//! members is never read, changed and written back.

use std::collections::BTreeSet;

use domain::limits;
use serde_json::Value;
use store::{GroupChange, MemberStep};

use super::body::one;
use super::error::{Result, ScimError, ScimType};
use super::patch::{Step, Verb};
use super::path::Path;
use super::schema::{Resource, Writer};

/// What the body of a POST or PUT makes of a group: its name, external id and members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupBody {
    /// Its name.
    pub display_name: String,
    /// The directory's own id; none when the body does not speak of it.
    pub external_id: Option<Option<String>>,
    /// Its members.
    pub members: BTreeSet<String>,
}

/// Reads the body of a POST or PUT.
pub fn from_body(body: Value) -> Result<GroupBody> {
    if !body.is_object() {
        return Err(ScimError::syntax("the body is a JSON object"));
    }
    let step = Step {
        verb: Verb::Replace,
        path: None,
        value: body,
    };
    let change = change(vec![step])?;
    let mut members = BTreeSet::new();
    for step in change.members {
        if let MemberStep::Set(set) = step {
            members = set;
        }
    }
    Ok(GroupBody {
        display_name: change
            .display_name
            .ok_or_else(|| ScimError::value("displayName must have a value"))?,
        external_id: change.external_id,
        members,
    })
}

/// What the operations of a PATCH change.
pub fn change(steps: Vec<Step>) -> Result<GroupChange> {
    let mut change = GroupChange::default();
    for step in steps {
        match (step.path, step.value) {
            (Some(path), value) => apply(&mut change, step.verb, &path, value, true)?,
            (None, _) if step.verb == Verb::Remove => {
                let why = "a removal says what it removes".to_owned();
                return Err(ScimError::Bad(ScimType::NoTarget, why));
            }
            (None, Value::Object(keys)) => {
                for (key, value) in keys {
                    if Path::parse(&key, Resource::Group).is_ok() {
                        apply(&mut change, step.verb, &key, value, false)?;
                    }
                }
            }
            (None, _) => return Err(ScimError::value("without a path the value is an object")),
        }
    }
    Ok(change)
}

fn apply(
    change: &mut GroupChange,
    verb: Verb,
    path: &str,
    value: Value,
    by_name: bool,
) -> Result<()> {
    let Some(path) = Path::parse(path, Resource::Group)? else {
        return Ok(());
    };
    let attribute = path.target.attribute;
    if attribute.writer == Writer::Us {
        // Okta repeats the id in each change of a name
        if by_name {
            let why = format!("{} is ours to say", attribute.name);
            return Err(ScimError::Bad(ScimType::Mutability, why));
        }
        return Ok(());
    }
    let value = match (attribute.name, verb) {
        ("members", _) => {
            change.members.push(members(&path, verb, value)?);
            return Ok(());
        }
        (_, Verb::Remove) => Value::Null,
        _ => one(attribute, value)?,
    };
    let text = value
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty());
    match (attribute.name, text) {
        ("displayName", Some(name)) => change.display_name = Some(name.to_owned()),
        ("displayName", None) => return Err(ScimError::value("displayName must have a value")),
        ("externalId", text) => change.external_id = Some(text.map(str::to_owned)),
        _ => {}
    }
    Ok(())
}

fn members(path: &Path, verb: Verb, value: Value) -> Result<MemberStep> {
    if let Some(filter) = &path.filter {
        let named = filter.alternatives("value").ok_or_else(|| {
            ScimError::filter("members are chosen by value eq, and several by or")
        })?;
        let named = named.into_iter().map(check).collect::<Result<_>>()?;
        return Ok(match verb {
            Verb::Remove => MemberStep::Remove(named),
            Verb::Add | Verb::Replace => MemberStep::Add(named),
        });
    }
    let listed = match &value {
        Value::Null => None,
        _ => Some(ids(value)?),
    };
    Ok(match (verb, listed) {
        (Verb::Add, listed) => MemberStep::Add(listed.unwrap_or_default()),
        (Verb::Replace, listed) => MemberStep::Set(listed.unwrap_or_default()),
        (Verb::Remove, Some(listed)) => MemberStep::Remove(listed),
        (Verb::Remove, None) => MemberStep::Set(BTreeSet::new()),
    })
}

/// The ids in a list of members: objects with a value, or with the address of the user alone, or plain texts.
fn ids(value: Value) -> Result<BTreeSet<String>> {
    let listed = match value {
        Value::Array(listed) => listed,
        one => vec![one],
    };
    if i64::try_from(listed.len()).unwrap_or(i64::MAX) > limits::DIRECTORY_MEMBERS_MAX {
        return Err(ScimError::value("too many members"));
    }
    let mut ids = BTreeSet::new();
    for member in listed {
        let id = match &member {
            Value::String(id) => Some(id.as_str()),
            Value::Object(parts) => {
                let part = |name: &str| {
                    let found = parts.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.and_then(|(_, value)| value.as_str())
                };
                part("value").or_else(|| part("$ref").and_then(|place| place.rsplit('/').next()))
            }
            _ => None,
        };
        let id = id.ok_or_else(|| ScimError::value("a member has a value"))?;
        ids.insert(check(id.to_owned())?);
    }
    Ok(ids)
}

/// An id as a directory may write it, known to us or not.
fn check(id: String) -> Result<String> {
    let fine = !id.is_empty()
        && id.len() <= limits::SCIM_MEMBER_BYTES_MAX
        && !id.chars().any(char::is_control);
    if fine {
        return Ok(id);
    }
    Err(ScimError::value("a member's value is no id"))
}
