//! Where in a resource something stands: `name.givenName`, `emails[type eq "work"].value`, and the same behind the name of a schema.

use serde_json::Value;

use super::error::{Result, ScimError};
use super::filter::Filter;
use super::schema::{
    Attribute, ENTERPRISE, ENTERPRISE_ATTRIBUTES, GROUP, Kind, Resource, USER, part,
};

/// An attribute, or a part of one.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Whether it is within the extension for companies.
    pub enterprise: bool,
    /// The attribute; within brackets the part of it that is meant.
    pub attribute: &'static Attribute,
    /// The part.
    pub part: Option<&'static Attribute>,
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        let name = |target: &Self| {
            (
                target.enterprise,
                target.attribute.name,
                target.part.map(|part| part.name),
            )
        };
        name(self) == name(other)
    }
}

impl Target {
    /// Reads `name.givenName`, with or without the name of its schema before it. None for what we do not keep.
    pub fn parse(text: &str, resource: Resource) -> Option<Self> {
        let (enterprise, rest) = without_schema(text);
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        let attribute = if enterprise {
            (resource == Resource::User)
                .then(|| part(ENTERPRISE_ATTRIBUTES, name))
                .flatten()?
        } else {
            resource.attribute(name)?
        };
        let part = match sub {
            Some(sub) => Some(part(attribute.parts, sub)?),
            None => None,
        };
        Some(Self {
            enterprise,
            attribute,
            part,
        })
    }

    /// Within brackets: a part of one of the attribute's values.
    pub(super) fn part_of(name: &str, attribute: &'static Attribute) -> Option<Self> {
        let part = part(attribute.parts, name)?;
        Some(Self {
            enterprise: false,
            attribute: part,
            part: None,
        })
    }

    /// What it ends in.
    pub fn last(&self) -> &'static Attribute {
        self.part.unwrap_or(self.attribute)
    }

    /// Whether it is an attribute of this name, not one of an extension and no part.
    pub(super) fn is_simply(&self, name: &str) -> bool {
        !self.enterprise && self.part.is_none() && self.attribute.name == name
    }

    /// Whether `A` and `a` differ there.
    pub(super) fn is_exact(&self) -> bool {
        match self.last() {
            // what is compared is its value
            several if several.kind == Kind::Parts => {
                part(several.parts, "value").is_some_and(|value| value.case_exact)
            }
            one => one.case_exact,
        }
    }

    /// The attribute's values as they are.
    pub(super) fn whole<'v>(&self, of: &'v Value) -> Vec<&'v Value> {
        let holder = if self.enterprise {
            of.get(ENTERPRISE)
        } else {
            Some(of)
        };
        match holder.and_then(|holder| holder.get(self.attribute.name)) {
            None => Vec::new(),
            Some(Value::Array(all)) => all.iter().collect(),
            Some(one) => vec![one],
        }
    }

    /// The values to compare with.
    pub(super) fn values<'v>(&self, of: &'v Value) -> Vec<&'v Value> {
        let name = match self.part {
            Some(part) => part.name,
            None if self.attribute.kind == Kind::Parts => "value",
            None => return self.whole(of),
        };
        let whole = self.whole(of);
        let mut found: Vec<&Value> = whole.iter().filter_map(|value| value.get(name)).collect();
        if found.is_empty() && self.part.is_none() {
            // a name has no value, and is there nevertheless
            found = whole;
        }
        found
    }
}

/// Takes the name of a schema off; says whether it was the extension's.
pub(super) fn without_schema(text: &str) -> (bool, &str) {
    for (schema, enterprise) in [(ENTERPRISE, true), (USER, false), (GROUP, false)] {
        let Some((start, rest)) = text.split_at_checked(schema.len()) else {
            continue;
        };
        if start.eq_ignore_ascii_case(schema)
            && let Some(rest) = rest.strip_prefix(':')
        {
            return (enterprise, rest);
        }
    }
    (false, text)
}

/// Where a change is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// The attribute, and the part of it.
    pub target: Target,
    /// Which of several values.
    pub filter: Option<Filter>,
}

impl Path {
    /// Reads a path. None for what we do not keep; an error for what is no path.
    pub fn parse(text: &str, resource: Resource) -> Result<Option<Self>> {
        let text = text.trim();
        let Some((name, rest)) = text.split_once('[') else {
            check_name(text)?;
            let target = Target::parse(text, resource);
            return Ok(target.map(|target| Self {
                target,
                filter: None,
            }));
        };
        check_name(name)?;
        let Some((inner, sub)) = rest.rsplit_once(']') else {
            return Err(ScimError::path("a bracket of the path is not closed"));
        };
        let Some(mut target) = Target::parse(name, resource) else {
            return Ok(None);
        };
        if !target.attribute.many || target.part.is_some() {
            return Err(ScimError::path(
                "the path chooses among values where there is one",
            ));
        }
        let filter = Filter::parse_inner(inner, target.attribute)?;
        match sub.strip_prefix('.') {
            None if sub.is_empty() => {}
            None => return Err(ScimError::path("the path goes on after its bracket")),
            Some(sub) => {
                check_name(sub)?;
                match part(target.attribute.parts, sub) {
                    None => return Ok(None),
                    found => target.part = found,
                }
            }
        }
        Ok(Some(Self {
            target,
            filter: Some(filter),
        }))
    }
}

fn check_name(name: &str) -> Result<()> {
    let fine = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_' | '$'));
    if fine {
        return Ok(());
    }
    Err(ScimError::path("the path cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match Path::parse(text, Resource::User) {
            Err(error) => format!("{error:?}").chars().take(16).collect(),
            Ok(None) => "nothing we keep".to_owned(),
            Ok(Some(path)) => format!(
                "{}{}{}{}",
                if path.target.enterprise { "+" } else { "" },
                path.target.attribute.name,
                if path.filter.is_some() { "[]" } else { "" },
                path.target
                    .part
                    .map(|part| format!(".{}", part.name))
                    .unwrap_or_default()
            ),
        }
    }

    #[test]
    fn a_path_is_read_in_every_form_that_is_documented() {
        for (text, expected) in [
            ("active", "active"),
            ("USERNAME", "userName"),
            ("name.givenName", "name.givenName"),
            ("emails[type eq \"work\"].value", "emails[].value"),
            ("emails[type eq \"work\"]", "emails[]"),
            ("emails", "emails"),
            ("emails.value", "emails.value"),
            ("roles[primary eq \"True\"].value", "roles[].value"),
            (&format!("{ENTERPRISE}:department"), "+department"),
            (&format!("{ENTERPRISE}:manager"), "+manager"),
            (&format!("{ENTERPRISE}:manager.value"), "+manager.value"),
            (&format!("{USER}:userName"), "userName"),
            (&format!("{USER}:role"), "nothing we keep"),
            (
                &format!("{USER}:emails[type eq \"work\"].value"),
                "emails[].value",
            ),
            ("password", "nothing we keep"),
            ("emails[type eq \"work\"].nothing", "nothing we keep"),
            ("urn:some:other:extension:field", "nothing we keep"),
            ("", "Bad(InvalidPath,"),
            ("emails[type eq \"work\"", "Bad(InvalidPath,"),
            ("emails[type eq \"work\"]value", "Bad(InvalidPath,"),
            ("emails[type zz \"work\"]", "Bad(InvalidFilte"),
            ("name[formatted eq \"x\"]", "Bad(InvalidPath,"),
            ("a b", "Bad(InvalidPath,"),
            ("emails]", "Bad(InvalidPath,"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
