//! Which line a sum belongs to: exactly one, and the line of nobody where there is no other. Called by [`super::make`].

use std::collections::{BTreeMap, HashMap};

use domain::{PersonId, ServiceId};
use store::{PersonWhoUsed, UsageSum};

use super::{By, Line, Wanted};
use crate::{ControlError, Operation};

/// The lines of these sums, the line of nobody last.
pub(super) async fn lines(
    operation: &Operation<'_>,
    wanted: &Wanted,
    sums: Vec<UsageSum>,
) -> Result<Vec<Line>, ControlError> {
    let (store, org) = (operation.store, operation.org);
    let range = (wanted.from, wanted.to);
    match wanted.by {
        By::Model | By::Client | By::Upstream => Ok(each(sums, |of| {
            (!of.is_empty()).then(|| (of.to_owned(), None))
        })),
        By::Service => {
            let names = store.services_that_used(org, range).await?;
            Ok(each(sums, |of| {
                let service: ServiceId = of.parse().ok()?;
                Some((of.to_owned(), names.get(&service).cloned()))
            }))
        }
        By::Person => {
            let people = store.people_who_used(org, range).await?;
            let labels: BTreeMap<PersonId, Option<String>> = people
                .into_iter()
                .map(|person| (person.id, person.label))
                .collect();
            Ok(each(sums, |of| {
                let person: PersonId = of.parse().ok()?;
                Some((of.to_owned(), labels.get(&person).cloned().flatten()))
            }))
        }
        By::Group => {
            let people = store.people_who_used(org, range).await?;
            let theirs = first_groups(operation, &wanted.groups, &people).await?;
            Ok(by_group(&wanted.groups, &theirs, sums))
        }
    }
}

/// A line for each sum that is somebody's, and one for all the others.
fn each(
    sums: Vec<UsageSum>,
    whose: impl Fn(&str) -> Option<(String, Option<String>)>,
) -> Vec<Line> {
    let mut lines = Vec::with_capacity(sums.len() + 1);
    let mut rest = UsageSum::default();
    for sum in sums {
        match whose(&sum.of) {
            Some((of, name)) => lines.push(Line {
                of: Some(of),
                name,
                sum,
            }),
            None => rest.add(&sum),
        }
    }
    lines.push(nobodys(rest));
    lines
}

fn nobodys(sum: UsageSum) -> Line {
    Line {
        of: None,
        name: None,
        sum,
    }
}

/// For each person the place of the first of these groups that they are in.
async fn first_groups(
    operation: &Operation<'_>,
    groups: &[String],
    people: &[PersonWhoUsed],
) -> Result<HashMap<PersonId, usize>, ControlError> {
    let (store, org) = (operation.store, operation.org);
    let mut theirs = HashMap::new();
    for (place, group) in groups.iter().enumerate() {
        let known = store.members_by_group_name(org, group).await?;
        for person in people {
            // The directory knows better than the last sign-in, where it says anything.
            let stated = || person.groups.contains(group);
            if known.get(&person.id).copied().unwrap_or_else(stated) {
                theirs.entry(person.id).or_insert(place);
            }
        }
    }
    Ok(theirs)
}

/// A line for each group, also for one that used nothing, and one for all others.
fn by_group(
    groups: &[String],
    theirs: &HashMap<PersonId, usize>,
    sums: Vec<UsageSum>,
) -> Vec<Line> {
    let mut lines: Vec<Line> = groups
        .iter()
        .map(|group| Line {
            of: Some(group.clone()),
            ..nobodys(UsageSum::default())
        })
        .collect();
    let mut rest = UsageSum::default();
    for sum in sums {
        let person: Option<PersonId> = sum.of.parse().ok();
        let place = person.and_then(|person| theirs.get(&person));
        match place.and_then(|place| lines.get_mut(*place)) {
            Some(line) => line.sum.add(&sum),
            None => rest.add(&sum),
        }
    }
    lines.push(nobodys(rest));
    lines
}
