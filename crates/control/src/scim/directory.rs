//! Who provisions what, and how lists are asked for and answered: what users and groups have in common.

use domain::limits;
use ledger::record::{Change, ChangeKind};
use serde_json::{Value, json};
use store::Source;

use super::error::{Result, ScimError};
use super::filter::Filter;
use super::project::Wanted;
use crate::access::{Right, Who};
use crate::{ControlError, Operation, fingerprint};

/// A directory at work: only its own token makes one.
#[derive(Debug, Clone, Copy)]
pub struct Directory<'o> {
    pub(super) operation: &'o Operation<'o>,
    pub(super) source: &'o Source,
    base: &'o str,
}

/// A resource as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// All of it.
    pub resource: Value,
    /// Its version.
    pub version: i64,
}

/// What a list is asked for.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Which; everything when none.
    pub filter: Option<String>,
    /// The place of the first in the whole list; the first place is 1.
    pub start: u64,
    /// How many at most.
    pub count: u64,
    /// What of each.
    pub wanted: Wanted,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listed {
    /// How many there are in the whole list.
    pub total: u64,
    /// Those asked for.
    pub resources: Vec<Value>,
}

impl Ask {
    /// From what was sent: places before the first are the first, a count below nothing is nothing (RFC 7644, section 3.4.2.4).
    pub fn new(
        filter: Option<&str>,
        start: Option<i64>,
        count: Option<i64>,
        wanted: Wanted,
    ) -> Self {
        let not_below = |number: i64, least: u64| u64::try_from(number).unwrap_or(0).max(least);
        let most = u64::from(limits::SCIM_PAGE_MAX);
        Self {
            filter: filter
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            start: start.map_or(1, |start| not_below(start, 1)),
            count: count.map_or(most, |count| not_below(count, 0).min(most)),
            wanted,
        }
    }

    /// How many come before the first.
    pub(super) fn skip(&self) -> u64 {
        self.start - 1
    }

    /// `count` fits, because it is never above [`limits::SCIM_PAGE_MAX`].
    pub(super) fn limit(&self) -> u32 {
        u32::try_from(self.count).unwrap_or(limits::SCIM_PAGE_MAX)
    }

    /// The part that was asked for of what a filter found.
    pub(super) fn part_of(&self, found: Vec<Value>) -> Listed {
        let total = found.len() as u64;
        let part = self.page_of(found);
        Listed {
            total,
            resources: part.map(|one| self.wanted.of(one)).collect(),
        }
    }

    /// The page that was asked for.
    pub(super) fn page_of<T>(&self, found: Vec<T>) -> impl Iterator<Item = T> {
        let skip = usize::try_from(self.skip()).unwrap_or(usize::MAX);
        found.into_iter().skip(skip).take(self.limit() as usize)
    }
}

impl<'o> Directory<'o> {
    /// For who acts; `base` is where SCIM is, without a slash at its end.
    pub fn new(operation: &'o Operation<'o>, source: &'o Source, base: &'o str) -> Result<Self> {
        operation.require(Right::DirectorySync)?;
        if let Who::Directory { issuer } = operation.actor.who()
            && *issuer != source.issuer
        {
            return Err(ControlError::Forbidden(Right::DirectorySync).into());
        }
        Ok(Self {
            operation,
            source,
            base,
        })
    }

    pub(super) fn location(&self, endpoint: &str, id: &str) -> String {
        format!("{}{endpoint}/{id}", self.base)
    }

    pub(super) fn meta(
        &self,
        resource: super::Resource,
        id: &str,
        (created, modified, version): (domain::Timestamp, domain::Timestamp, i64),
    ) -> Value {
        json!({
            "resourceType": resource.as_str(),
            "created": created.to_string(),
            "lastModified": modified.to_string(),
            "location": self.location(resource.endpoint(), id),
            "version": etag(version),
        })
    }

    /// Writes down what is about to happen to a resource. Texts as fingerprints: they hold names.
    pub(super) async fn record(
        &self,
        noun: &str,
        id: &str,
        done: ChangeKind,
        (before, after): (Option<&str>, Option<&str>),
        reason: &str,
    ) -> Result<()> {
        let change = Change {
            before: before.map(|text| fingerprint(text).as_str().into()),
            after: after.map(|text| fingerprint(text).as_str().into()),
            reason: Some(reason.into()),
            ..self.operation.change(noun, id, done)
        };
        Ok(self.operation.record(change).await?)
    }

    /// Writes down that what was written down did not happen after all, because somebody else was quicker.
    pub(super) async fn record_not_made(&self, noun: &str, id: &str, why: &str) -> Result<()> {
        Ok(self.operation.record_not_made(noun, id, why).await?)
    }
}

/// A version as an ETag.
pub fn etag(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// The version in an `If-Match`; an error for what is no version of ours. `*` is any.
pub fn version_in(text: &str) -> Result<Option<i64>> {
    let text = text.trim();
    if text == "*" {
        return Ok(None);
    }
    let inner = text.strip_prefix("W/").unwrap_or(text);
    let inner = inner
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let version = inner.and_then(|inner| inner.parse().ok());
    version.map(Some).ok_or(ScimError::Changed)
}

pub(super) fn parse(ask: &Ask, resource: super::Resource) -> Result<Option<Filter>> {
    let filter = ask.filter.as_deref();
    filter.map(|text| Filter::parse(text, resource)).transpose()
}
