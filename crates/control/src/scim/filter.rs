//! Filters (RFC 7644, section 3.4.2.2): read once, then asked of resources. Bounded in length, depth and conditions, so that no text
//! costs more than it may. Besides the standard, a value may stand without quotes, as Entra writes it in one documented example.

use std::cmp::Ordering;

use domain::{Timestamp, limits};
use serde_json::Value;

use super::error::{Result, ScimError};
use super::path::Target;
use super::schema::{Attribute, Kind, Resource};

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `eq`
    Equal,
    /// `ne`
    Unequal,
    /// `co`
    Contains,
    /// `sw`
    StartsWith,
    /// `ew`
    EndsWith,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// Either.
    Or(Box<Filter>, Box<Filter>),
    /// Not.
    Not(Box<Filter>),
    /// There is a value.
    Present(Target),
    /// A value compares so.
    Compared(Target, Compare, Value),
    /// One of several values meets a filter of its own: `emails[type eq "work"]`.
    One(Target, Box<Filter>),
}

impl Filter {
    /// Reads a filter on this kind of resource.
    pub fn parse(text: &str, resource: Resource) -> Result<Self> {
        let mut reader = Reader::new(text, Scope::Resource(resource))?;
        let filter = reader.either()?;
        reader.end()?;
        Ok(filter)
    }

    /// Reads the filter in the brackets of a path, on the values of one attribute.
    pub(super) fn parse_inner(text: &str, attribute: &'static Attribute) -> Result<Self> {
        let mut reader = Reader::new(text, Scope::Values(attribute))?;
        let filter = reader.either()?;
        reader.end()?;
        Ok(filter)
    }

    /// Whether a resource, or a value of an attribute, meets it.
    pub fn meets(&self, value: &Value) -> bool {
        match self {
            Self::And(left, right) => left.meets(value) && right.meets(value),
            Self::Or(left, right) => left.meets(value) || right.meets(value),
            Self::Not(inner) => !inner.meets(value),
            Self::Present(target) => target.values(value).iter().any(|value| is_there(value)),
            Self::Compared(target, Compare::Unequal, wanted) => !target
                .values(value)
                .iter()
                .any(|value| compare(value, Compare::Equal, wanted, target.is_exact())),
            Self::Compared(target, how, wanted) => target
                .values(value)
                .iter()
                .any(|value| compare(value, *how, wanted, target.is_exact())),
            Self::One(target, inner) => target.whole(value).iter().any(|value| inner.meets(value)),
        }
    }

    /// The value that the attribute must equal for the filter to be met, if there is one.
    pub fn required(&self, attribute: &str) -> Option<&str> {
        match self {
            Self::And(left, right) => left
                .required(attribute)
                .or_else(|| right.required(attribute)),
            Self::Compared(target, Compare::Equal, Value::String(wanted))
                if target.is_simply(attribute) =>
            {
                Some(wanted)
            }
            _ => None,
        }
    }

    /// Whether it asks for an attribute.
    pub fn mentions(&self, attribute: &str) -> bool {
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                left.mentions(attribute) || right.mentions(attribute)
            }
            Self::Not(inner) => inner.mentions(attribute),
            Self::Present(target) | Self::Compared(target, _, _) | Self::One(target, _) => {
                target.attribute.name == attribute
            }
        }
    }

    /// The value that one of an attribute's values must have for the filter to be met, if there is one.
    pub fn required_among(&self, attribute: &str) -> Option<&str> {
        match self {
            Self::And(left, right) => {
                let left = left.required_among(attribute);
                left.or_else(|| right.required_among(attribute))
            }
            Self::Compared(target, Compare::Equal, Value::String(wanted))
                if target.attribute.name == attribute
                    && target.part.is_none_or(|part| part.name == "value") =>
            {
                Some(wanted)
            }
            Self::One(target, inner) if target.attribute.name == attribute => {
                inner.required("value")
            }
            _ => None,
        }
    }

    /// The attributes and values that an element would need to meet it, where it says nothing but that some are equal.
    pub(super) fn conditions(&self) -> Option<Vec<(&'static str, Value)>> {
        match self {
            Self::And(left, right) => {
                let mut all = left.conditions()?;
                all.extend(right.conditions()?);
                Some(all)
            }
            Self::Compared(target, Compare::Equal, wanted) => {
                let attribute = target.last();
                Some(vec![(attribute.name, as_kind(attribute.kind, wanted)?)])
            }
            _ => None,
        }
    }

    /// The values one of which the attribute must equal, where the filter says nothing else: `value eq "a" or value eq "b"`.
    pub(super) fn alternatives(&self, attribute: &str) -> Option<Vec<String>> {
        match self {
            Self::Or(left, right) => {
                let mut all = left.alternatives(attribute)?;
                all.extend(right.alternatives(attribute)?);
                Some(all)
            }
            Self::Compared(target, Compare::Equal, wanted) if target.last().name == attribute => {
                Some(vec![as_text(wanted)?])
            }
            _ => None,
        }
    }
}

fn is_there(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(parts) => !parts.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn as_kind(kind: Kind, value: &Value) -> Option<Value> {
    match kind {
        Kind::Truth => truth(value).map(Value::Bool),
        Kind::Text | Kind::Moment | Kind::Address => as_text(value).map(Value::String),
        Kind::Parts => None,
    }
}

/// True or false, also as the text that Entra sends.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn compare(value: &Value, how: Compare, wanted: &Value, is_exact: bool) -> bool {
    if let Value::Bool(value) = value {
        return how == Compare::Equal && truth(wanted) == Some(*value);
    }
    if wanted.is_null() {
        return how == Compare::Equal && !is_there(value);
    }
    let (Some(mut value), Some(mut wanted)) = (as_text(value), as_text(wanted)) else {
        return false;
    };
    if !is_exact {
        value = value.to_lowercase();
        wanted = wanted.to_lowercase();
    }
    match how {
        Compare::Equal => value == wanted,
        Compare::Unequal => value != wanted,
        Compare::Contains => value.contains(&wanted),
        Compare::StartsWith => value.starts_with(&wanted),
        Compare::EndsWith => value.ends_with(&wanted),
        Compare::Greater => order(&value, &wanted).is_gt(),
        Compare::GreaterOrEqual => order(&value, &wanted).is_ge(),
        Compare::Less => order(&value, &wanted).is_lt(),
        Compare::LessOrEqual => order(&value, &wanted).is_le(),
    }
}

/// Moments by time, everything else as text.
fn order(left: &str, right: &str) -> Ordering {
    // lower case by now, which RFC 3339 allows and our reader does not
    let moment = |text: &str| text.to_uppercase().parse::<Timestamp>();
    match (moment(left), moment(right)) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        _ => left.cmp(right),
    }
}

/// What names of attributes mean.
#[derive(Debug, Clone, Copy)]
enum Scope {
    Resource(Resource),
    Values(&'static Attribute),
}

/// Reads a filter from left to right: `or` binds least, then `and`, then `not`.
struct Reader<'t> {
    rest: &'t str,
    scope: Scope,
    depth: usize,
    conditions: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, scope: Scope) -> Result<Self> {
        if text.len() > limits::SCIM_FILTER_BYTES_MAX {
            return Err(ScimError::filter("the filter is too long"));
        }
        Ok(Self {
            rest: text.trim(),
            scope,
            depth: 0,
            conditions: 0,
        })
    }

    fn end(&self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(ScimError::filter("the filter goes on after its end"))
    }

    fn either(&mut self) -> Result<Filter> {
        let mut left = self.both()?;
        while self.word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Filter> {
        let mut left = self.one()?;
        while self.word("and") {
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Filter> {
        if self.word("not") {
            if !self.rest.starts_with('(') {
                return Err(ScimError::filter("after `not` comes a bracket"));
            }
            return Ok(Filter::Not(Box::new(self.one()?)));
        }
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.enter()?;
            self.rest = rest.trim_start();
            let inner = self.either()?;
            self.close(')')?;
            self.depth -= 1;
            return Ok(inner);
        }
        self.condition()
    }

    fn condition(&mut self) -> Result<Filter> {
        self.conditions += 1;
        if self.conditions > limits::SCIM_FILTER_CONDITIONS_MAX {
            return Err(ScimError::filter("the filter has too many conditions"));
        }
        let target = self.target()?;
        if let Some(rest) = self.rest.strip_prefix('[') {
            let Scope::Resource(_) = self.scope else {
                return Err(ScimError::filter("brackets stand within brackets"));
            };
            self.enter()?;
            self.rest = rest.trim_start();
            let outer = std::mem::replace(&mut self.scope, Scope::Values(target.last()));
            let inner = self.either()?;
            self.scope = outer;
            self.close(']')?;
            self.depth -= 1;
            return Ok(Filter::One(target, Box::new(inner)));
        }
        if self.word("pr") {
            return Ok(Filter::Present(target));
        }
        let how = self.comparison()?;
        Ok(Filter::Compared(target, how, self.value()?))
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > limits::SCIM_FILTER_DEPTH_MAX {
            return Err(ScimError::filter("the filter is nested too deeply"));
        }
        Ok(())
    }

    fn close(&mut self, bracket: char) -> Result<()> {
        let rest = self.rest.strip_prefix(bracket);
        let rest = rest.ok_or_else(|| ScimError::filter("a bracket is not closed"))?;
        self.rest = rest.trim_start();
        Ok(())
    }

    /// A word of the language, in any case, that ends where it ends.
    fn word(&mut self, word: &str) -> bool {
        let (Some(start), Some(rest)) = (self.rest.get(..word.len()), self.rest.get(word.len()..))
        else {
            return false;
        };
        let ends = rest
            .chars()
            .next()
            .is_none_or(|next| next.is_whitespace() || matches!(next, '(' | ')' | ']'));
        if !start.eq_ignore_ascii_case(word) || !ends {
            return false;
        }
        self.rest = rest.trim_start();
        true
    }

    fn target(&mut self) -> Result<Target> {
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '(' | ')' | '"'))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        let target = match self.scope {
            Scope::Resource(resource) => Target::parse(name, resource),
            Scope::Values(attribute) => Target::part_of(name, attribute),
        };
        target.ok_or_else(|| ScimError::filter("the filter asks for an attribute that is not here"))
    }

    fn comparison(&mut self) -> Result<Compare> {
        for (word, how) in [
            ("eq", Compare::Equal),
            ("ne", Compare::Unequal),
            ("co", Compare::Contains),
            ("sw", Compare::StartsWith),
            ("ew", Compare::EndsWith),
            ("gt", Compare::Greater),
            ("ge", Compare::GreaterOrEqual),
            ("lt", Compare::Less),
            ("le", Compare::LessOrEqual),
        ] {
            if self.word(word) {
                return Ok(how);
            }
        }
        Err(ScimError::filter("the filter has an operator that is none"))
    }

    fn value(&mut self) -> Result<Value> {
        if self.rest.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
            let text = values.next().and_then(std::result::Result::ok);
            let text =
                text.ok_or_else(|| ScimError::filter("a text in the filter does not end"))?;
            self.rest = self.rest[values.byte_offset()..].trim_start();
            return Ok(Value::String(text));
        }
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || matches!(c, ')' | ']'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(ScimError::filter("the filter compares with nothing"));
        }
        self.rest = rest.trim_start();
        // true, false, null and numbers are JSON; any other word is meant as a text
        let value: Value = serde_json::from_str(word).unwrap_or_else(|_| word.into());
        match value {
            Value::Array(_) | Value::Object(_) => Err(ScimError::filter(
                "the filter compares with what is no value",
            )),
            value => Ok(value),
        }
    }
}
