//! Who has accepted the acceptable-use policy in force, of those of whom it is asked: the count with its denominator, the people page by
//! page, and how it stands with oneself. Only reads; the act is `pipeline::acceptance`'s. Called through [`super`].

use std::collections::BTreeMap;

use domain::acceptable_use::{Installation, Published};
use domain::{PersonId, Policy, Timestamp, limits};
use store::{Acceptance, Person, UseVersion};

use crate::access::Right;
use crate::{ControlError, Operation};

/// Who has accepted, of whom it is asked.
#[derive(Debug, Clone)]
pub struct Report {
    /// The version in force.
    pub version: u64,
    /// The oldest version whose acceptance counts.
    pub accept_from: u64,
    /// Whether the rules refuse those who have not.
    pub is_demanded: bool,
    /// People who may come in and of whom it is asked.
    pub people: u64,
    /// Of these, how many have accepted a version that counts.
    pub signed: u64,
    /// Those who have not, with what they accepted before; the first [`limits::STORE_PAGE_MAX`].
    pub missing: Vec<(Person, Option<Acceptance>)>,
    /// When this was so.
    pub at: Timestamp,
}

/// How it stands with one person of whom it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub person: Person,
    /// The latest version they accepted, and how.
    pub accepted: Option<Acceptance>,
    /// Whether it counts for the version in force.
    pub counts: bool,
}

/// Counts who has accepted the version in force: everyone who may come in, or, where the rules ask only some groups, those.
pub async fn report(operation: &Operation<'_>) -> Result<Report, ControlError> {
    operation.require(Right::AcceptableUseRead)?;
    let asked = Asked::read(operation).await?;
    let mut report = Report {
        version: asked.published.version,
        accept_from: asked.published.accept_from,
        is_demanded: asked.is_demanded(),
        people: 0,
        signed: 0,
        missing: Vec::new(),
        at: operation.clock.now(),
    };
    let mut after: Option<PersonId> = None;
    loop {
        let page = asked.page(operation, after, limits::STORE_PAGE_MAX).await?;
        for standing in page.standings {
            report.count(standing);
        }
        after = page.last;
        if !page.more {
            return Ok(report);
        }
    }
}

impl Report {
    fn count(&mut self, standing: Standing) {
        self.people += 1;
        if standing.counts {
            self.signed += 1;
        } else if self.missing.len() < limits::STORE_PAGE_MAX as usize {
            self.missing.push((standing.person, standing.accepted));
        }
    }
}

/// People after one of them of whom it is asked, and after whom to go on: everyone, or only those whose acceptance counts or does not.
pub async fn of_people(
    operation: &Operation<'_>,
    counts: Option<bool>,
    after: Option<PersonId>,
    limit: u32,
) -> Result<(Vec<Standing>, Option<PersonId>), ControlError> {
    operation.require(Right::AcceptableUseRead)?;
    // Who has and who has not is about people by name.
    operation.require(Right::PeopleRead)?;
    let asked = Asked::read(operation).await?;
    let (mut found, mut after) = (Vec::new(), after);
    loop {
        let page = asked.page(operation, after, limit).await?;
        let is_sought = |standing: &Standing| counts.is_none_or(|counts| standing.counts == counts);
        for standing in page.standings.into_iter().filter(is_sought) {
            if found.len() == limit as usize {
                let last = found.last().map(|last: &Standing| last.person.id);
                return Ok((found, last));
            }
            found.push(standing);
        }
        after = page.last;
        if !page.more {
            return Ok((found, None));
        }
        if found.len() == limit as usize {
            return Ok((found, after));
        }
    }
}

/// The version in force, and of whom it is asked.
struct Asked {
    published: Published,
    policy: Policy,
}

/// Those of a page of the directory of whom it is asked.
struct AskedPage {
    standings: Vec<Standing>,
    last: Option<PersonId>,
    more: bool,
}

impl Asked {
    async fn read(operation: &Operation<'_>) -> Result<Self, ControlError> {
        let published = operation.store.published_use(operation.org).await?;
        Ok(Self {
            published: published.ok_or(ControlError::NothingPublished)?,
            policy: operation.policy().await?,
        })
    }

    fn is_demanded(&self) -> bool {
        let rule = self.policy.document().acceptable_use.as_ref();
        rule.is_some_and(|rule| rule.required)
    }

    /// Everyone is asked, unless the rules that demand it name groups.
    fn concerns(&self, person: &Person) -> bool {
        let rule = self.policy.document().acceptable_use.as_ref();
        let rule = rule.filter(|rule| rule.required);
        rule.is_none_or(|rule| rule.concerns_members_of(&person.groups))
    }

    fn counts(&self, accepted: Option<&Acceptance>) -> bool {
        accepted.is_some_and(|accepted| accepted.version >= self.published.accept_from)
    }

    async fn page(
        &self,
        operation: &Operation<'_>,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<AskedPage, ControlError> {
        let (store, org) = (operation.store, operation.org);
        let (people, more) = store.people_page(org, "", after, limit).await?;
        let Some(last) = people.last().map(|last| last.id) else {
            return Ok(AskedPage {
                standings: Vec::new(),
                last: None,
                more: false,
            });
        };
        let people = store.with_groups(org, people).await?;
        let accepted = store.latest_acceptances(org, after, last).await?;
        let mut accepted: BTreeMap<PersonId, Acceptance> =
            accepted.into_iter().map(|a| (a.person, a)).collect();
        let mut standings = Vec::new();
        for person in people {
            let accepted = accepted.remove(&person.id);
            if person.out_since().is_none() && self.concerns(&person) {
                standings.push(Standing {
                    counts: self.counts(accepted.as_ref()),
                    person,
                    accepted,
                });
            }
        }
        Ok(AskedPage {
            standings,
            last: Some(last),
            more,
        })
    }
}

/// How it stands with oneself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The version in force.
    pub version: UseVersion,
    /// Whether the rules refuse oneself without it.
    pub is_demanded: bool,
    /// The latest version one accepted, and how.
    pub accepted: Option<Acceptance>,
    /// Whether it counts for the version in force.
    pub counts: bool,
    /// What is recorded by now, where that is not what the version says any more.
    pub recorded_now: Option<String>,
}

/// The version in force, and how it stands with oneself.
pub async fn own(
    operation: &Operation<'_>,
    installation: &Installation,
) -> Result<Own, ControlError> {
    operation.require(Right::OwnRead)?;
    let person = crate::people::own(operation).await?;
    let (store, org) = (operation.store, operation.org);
    let latest = store.latest_use_version(org).await?;
    let version = latest.ok_or(ControlError::NothingPublished)?;
    let asked = Asked {
        published: version.published(),
        policy: operation.policy().await?,
    };
    let accepted = store.acceptances_of(org, person.id, 1).await?.pop();
    let settings = super::in_force(operation, installation).await?;
    let is_outdated = settings.canonical() != version.settings;
    Ok(Own {
        is_demanded: asked.is_demanded() && asked.concerns(&person),
        counts: asked.counts(accepted.as_ref()),
        recorded_now: is_outdated.then(|| settings.paragraphs()),
        accepted,
        version,
    })
}
