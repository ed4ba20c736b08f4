//! Chargeback statements: what one time cost, split by one thing, every call on exactly one line. The lines are sums of the ledger's
//! outcomes, so they add up to the total, and the total is the ledger's, to the last digit. What nobody can be charged for stands on a line
//! of its own, never spread over others; money that is a bound or has no known price is told apart.
//!
//! A call belongs to the hour in which it ended, so a statement's time begins and ends with an hour (UTC). The ledger holds who called and
//! with what, but not in which groups they were: a statement by group goes by the groups of today, in an order that whoever asks states.

mod attribute;
mod sheet;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use domain::{Timestamp, limits};
use store::{StoreError, UsageBy};

use crate::access::Right;
use crate::text::{self, Unusable};
use crate::{ControlError, Operation};

pub use sheet::as_csv;
pub use store::UsageSum as Sum;

const HOUR_MS: i64 = 60 * 60 * 1_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What a statement is split by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Each person; what services used is nobody's.
    Person,
    /// Each service; what people used is nobody's.
    Service,
    /// The groups that are named, in their order.
    Group,
    /// Each model.
    Model,
    /// Each program.
    Client,
    /// Each provider.
    Upstream,
}

impl By {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Person,
        Self::Service,
        Self::Group,
        Self::Model,
        Self::Client,
        Self::Upstream,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::Group => "group",
            Self::Model => "model",
            Self::Client => "client",
            Self::Upstream => "upstream",
        }
    }

    /// What is needed beside seeing what was spent, because names are shown.
    pub const fn right(self) -> Option<Right> {
        match self {
            Self::Person => Some(Right::PeopleRead),
            Self::Service => Some(Right::ServicesRead),
            Self::Group => Some(Right::GroupsRead),
            Self::Model | Self::Client | Self::Upstream => None,
        }
    }

    const fn column(self) -> UsageBy {
        match self {
            Self::Person | Self::Service | Self::Group => UsageBy::Subject,
            Self::Model => UsageBy::Model,
            Self::Client => UsageBy::Client,
            Self::Upstream => UsageBy::Upstream,
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for By {
    type Err = Unusable;

    fn from_str(text: &str) -> Result<Self, Unusable> {
        let known = Self::ALL.into_iter().find(|by| by.as_str() == text);
        known.ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|by| by.as_str()).collect();
            Unusable::new("by", format!("must be one of {}", words.join(", ")))
        })
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// From this moment on: the beginning of an hour.
    pub from: Timestamp,
    /// Before this moment: the beginning of an hour, at most [`limits::STATEMENT_DAYS_MAX`] later.
    pub to: Timestamp,
    /// Split by what.
    pub by: By,
    /// By group: which, at most [`limits::STATEMENT_GROUPS_MAX`]. A call of somebody who is in several is the first one's.
    pub groups: Vec<String>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whose: an id, a group, a model, a program, a provider. None for what is nobody's.
    pub of: Option<String>,
    /// What people call it, where that is something else.
    pub name: Option<String>,
    /// What was used.
    pub sum: Sum,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What was asked for.
    pub wanted: Wanted,
    /// When it was made.
    pub made: Timestamp,
    /// Most money first; by group in the order asked for. The last one is what is nobody's, also when that is nothing.
    pub lines: Vec<Line>,
    /// All lines together, which is all that the ledger has of this time.
    pub total: Sum,
}

impl Statement {
    /// Whether its time is over; until then calls come to it.
    pub fn is_over(&self) -> bool {
        self.made >= self.wanted.to
    }
}

/// Sums of a look up to which the next one may be at twice the time.
const FEW: usize = 100;
/// Days of one look.
const DAYS_AT_ONCE: i64 = 32;

/// A moment at which a statement may begin or end: RFC 3339, or a day (`2026-11-01`), which begins at midnight UTC.
pub fn moment(field: &'static str, text: &str) -> Result<Timestamp, Unusable> {
    let is_day = text.len() == 10 && !text.contains('T');
    let parsed = if is_day {
        format!("{text}T00:00:00Z").parse()
    } else {
        text.parse()
    };
    let wrong = |why| Unusable::new(field, why);
    let at: Timestamp = parsed.map_err(|_| {
        wrong("must be a day, such as 2026-11-01, or a moment in RFC 3339 with a zone")
    })?;
    if at.unix_ms().rem_euclid(HOUR_MS) != 0 {
        return Err(wrong(
            "must be the beginning of an hour: sums are kept by the hour",
        ));
    }
    Ok(at)
}

/// Makes a statement.
pub async fn make(operation: &Operation<'_>, wanted: Wanted) -> Result<Statement, ControlError> {
    operation.require(Right::BudgetsRead)?;
    if let Some(right) = wanted.by.right() {
        operation.require(right)?;
    }
    check(&wanted)?;
    let made = operation.clock.now();
    let sums = sums(operation, &wanted).await?;
    let mut total = Sum::default();
    for sum in &sums {
        total.add(sum);
    }
    let lines = attribute::lines(operation, &wanted, sums).await?;
    Ok(Statement {
        wanted,
        made,
        lines,
        total,
    })
}

/// Groups to split a time by where nobody names any: those of the people who used something in it and those of the directory, the one with
/// the fewest people first, so that everybody counts to the group that says most of them. At most [`limits::STATEMENT_GROUPS_MAX`].
pub async fn groups(
    operation: &Operation<'_>,
    range: (Timestamp, Timestamp),
) -> Result<Vec<String>, ControlError> {
    operation.require(Right::BudgetsRead)?;
    operation.require(Right::GroupsRead)?;
    let (store, org) = (operation.store, operation.org);
    let mut people: BTreeMap<String, u64> = BTreeMap::new();
    for person in store.people_who_used(org, range).await? {
        for group in person.groups {
            *people.entry(group).or_default() += 1;
        }
    }
    let most = u32::try_from(limits::STATEMENT_GROUPS_MAX).unwrap_or(u32::MAX);
    for group in store.groups_page(org, "", None, most).await?.0 {
        people.insert(group.display_name, group.members);
    }
    let usable = |group: &(String, u64)| text::name("group", &group.0).is_ok();
    let mut groups: Vec<(String, u64)> = people.into_iter().filter(usable).collect();
    groups.sort_by(|(one, few), (other, many)| few.cmp(many).then_with(|| one.cmp(other)));
    groups.truncate(limits::STATEMENT_GROUPS_MAX);
    Ok(groups.into_iter().map(|(group, _)| group).collect())
}

/// The sums of the whole time, most money first. Asked for a day at a time, or more where a day has few sums, so that no single look takes long;
/// each hour is in one of them, and hours that are over do not change.
async fn sums(operation: &Operation<'_>, wanted: &Wanted) -> Result<Vec<Sum>, ControlError> {
    let (store, org) = (operation.store, operation.org);
    let most = limits::STATEMENT_LINES_MAX;
    let mut sums: HashMap<String, Sum> = HashMap::new();
    let (mut from, mut days) = (wanted.from, 1);
    while from < wanted.to {
        let to = from.plus_ms(days * DAY_MS).min(wanted.to);
        let column = wanted.by.column();
        let found = store.usage_sums(org, column, (from, to), most + 1).await?;
        days = if found.len() > FEW {
            1
        } else {
            (days * 2).min(DAYS_AT_ONCE)
        };
        for sum in found {
            match sums.get_mut(&sum.of) {
                Some(known) => known.add(&sum),
                None => drop(sums.insert(sum.of.clone(), sum)),
            }
        }
        if sums.len() > most {
            return Err(StoreError::Full("lines of one statement").into());
        }
        from = to;
    }
    let mut sums: Vec<Sum> = sums.into_values().collect();
    sums.sort_by(|a, b| (b.cost, b.requests, &a.of).cmp(&(a.cost, a.requests, &b.of)));
    Ok(sums)
}

/// Whether a statement can be made of this at all: its time, and its groups where it is by group.
pub fn check(wanted: &Wanted) -> Result<(), Unusable> {
    let wrong = |field, why: String| Err(Unusable::new(field, why));
    let (from, to) = (wanted.from, wanted.to);
    for (field, at) in [("from", from), ("to", to)] {
        if at.unix_ms().rem_euclid(HOUR_MS) != 0 {
            return wrong(field, "must be the beginning of an hour".to_owned());
        }
    }
    let most = limits::STATEMENT_DAYS_MAX;
    if to <= from || to.ms_since(from) > most * DAY_MS {
        return wrong(
            "to",
            format!("must be after `from`, and at most {most} days"),
        );
    }
    let groups = &wanted.groups;
    let most = limits::STATEMENT_GROUPS_MAX;
    if wanted.by != By::Group {
        if groups.is_empty() {
            return Ok(());
        }
        return wrong("group", "goes with `by` group alone".to_owned());
    }
    if !(1..=most).contains(&groups.len()) {
        return wrong("group", format!("must be named 1 to {most} times"));
    }
    for (index, group) in groups.iter().enumerate() {
        text::name("group", group)?;
        if groups[..index].contains(group) {
            return wrong("group", "names a group twice".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(from: i64, to: i64, by: By, groups: &[&str]) -> Wanted {
        Wanted {
            from: Timestamp::from_unix_ms(from),
            to: Timestamp::from_unix_ms(to),
            by,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        }
    }

    #[test]
    fn a_statement_is_of_whole_hours_and_not_of_for_ever() {
        let day = wanted(0, DAY_MS, By::Model, &[]);
        assert_eq!(check(&day), Ok(()));
        for (from, to) in [
            (0, 0),
            (HOUR_MS, 0),
            (1, DAY_MS),
            (0, DAY_MS + 1),
            (0, 401 * DAY_MS),
            (i64::MIN, i64::MAX),
        ] {
            assert!(
                check(&wanted(from, to, By::Model, &[])).is_err(),
                "{from} {to}"
            );
        }
    }

    #[test]
    fn groups_are_named_once_each_and_only_where_they_matter() {
        let check = |by, groups: &[&str]| check(&wanted(0, DAY_MS, by, groups)).is_ok();
        assert!(check(By::Group, &["eng", "ops"]));
        let many = vec!["x"; 101];
        for (by, groups) in [
            (By::Group, &[][..]),
            (By::Group, &["eng", "eng"]),
            (By::Group, &["a\nb"]),
            (By::Group, &many),
            (By::Model, &["eng"]),
        ] {
            assert!(!check(by, groups), "{by} {groups:?}");
        }
    }

    #[test]
    fn a_moment_is_a_day_or_the_beginning_of_an_hour() {
        let at = |text| moment("from", text).map(|at| at.to_string());
        assert_eq!(
            at("2026-11-01").unwrap(),
            at("2026-11-01T00:00:00Z").unwrap()
        );
        assert_eq!(at("2026-11-01T02:00:00+02:00"), at("2026-11-01"));
        for wrong in [
            "",
            "2026-11",
            "2026-13-01",
            "2026-11-01T00:00:01Z",
            "2026-11-01T00:30:00Z",
            "yesterday",
        ] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
