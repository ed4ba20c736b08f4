//! A member list that was compared: recorded, kept as the last result in the place of the one before, and, unless whoever asks only
//! looks, taken as evidence for leavers' tasks. Called through [`super`].

use std::collections::{BTreeMap, BTreeSet};

use domain::task::{EvidenceKind, TaskKind};
use domain::window::DAY_MS;
use domain::{Timestamp, limits};
use ledger::record::ChangeKind;
use serde::{Deserialize, Serialize};
use store::{Closed, MemberCheck, Person};

use super::{Compared, Finding, Member};
use crate::access::Right;
use crate::tasks::{self, Evidence, Task, Wanted};
use crate::{ControlError, Operation};

/// What a check did about what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Leavers who are gone from the list: their tasks are done.
    pub removed: Vec<String>,
    /// Leavers who are in it a day later: their tasks are escalated.
    pub escalated: Vec<String>,
}

/// A list that is given.
#[derive(Debug, Clone, Copy)]
pub struct Given<'g> {
    /// What people call it.
    pub source: &'g str,
    /// Its SHA-256, in hexadecimal.
    pub hash: &'g str,
    /// Whether it only is looked at, and no task changes.
    pub look_only: bool,
}

/// A check, without its findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Where its record stands in the ledger.
    pub record: String,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// What people call the list.
    pub source: String,
    /// Its SHA-256, in hexadecimal.
    pub hash: String,
    /// How many findings there are.
    pub findings: u64,
    /// What was counted and done.
    pub result: Counted,
}

/// What a check counted and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// People in the list.
    pub listed: usize,
    /// People in the directory who may come in.
    pub present: usize,
    /// Whether guests could be told.
    pub domains_known: bool,
    /// Whether roles were compared.
    pub roles_compared: bool,
    /// Whether it was only looked at.
    pub look_only: bool,
    /// Findings by their word.
    pub by_finding: BTreeMap<String, u64>,
    /// What was done.
    pub done: Done,
}

/// Everyone the directory knows, page by page.
pub async fn everyone(operation: &Operation<'_>) -> Result<Vec<Person>, ControlError> {
    operation.require(Right::TasksRead)?;
    // What comes of it names people.
    operation.require(Right::PeopleRead)?;
    let (mut everyone, mut after) = (Vec::new(), None);
    loop {
        let page = operation
            .store
            .people_page(operation.org, "", after, limits::STORE_PAGE_MAX);
        let (people, more) = page.await?;
        after = people.last().map(|last| last.id);
        everyone.extend(operation.store.with_groups(operation.org, people).await?);
        if !more || after.is_none() {
            return Ok(everyone);
        }
    }
}

/// Records that a list was compared, acts on what it proves of leavers' tasks, and keeps the result.
pub async fn check(
    operation: &Operation<'_>,
    members: &[Member],
    compared: &Compared,
    given: Given<'_>,
) -> Result<Checked, ControlError> {
    operation.require(Right::TasksWrite)?;
    let source = crate::text::name("source", given.source)?;
    let record = recorded(operation, compared, &source, given).await?;
    let at = operation.clock.now();
    let done = if given.look_only {
        Done::default()
    } else {
        let evidence = Evidence {
            kind: EvidenceKind::MemberList,
            source: source.clone(),
            hash: Some(given.hash.to_owned()),
            at,
        };
        follow(operation, members, &evidence).await?
    };
    let mut by_finding: BTreeMap<String, u64> = BTreeMap::new();
    for finding in &compared.findings {
        *by_finding.entry(finding.word().to_owned()).or_default() += 1;
    }
    let checked = Checked {
        record,
        at,
        by: operation.actor.label().to_owned(),
        source,
        hash: given.hash.to_owned(),
        findings: u64::try_from(compared.findings.len()).unwrap_or(u64::MAX),
        result: Counted {
            listed: compared.listed,
            present: compared.present,
            domains_known: compared.domains_known,
            roles_compared: compared.roles_compared,
            look_only: given.look_only,
            by_finding,
            done,
        },
    };
    keep(operation, &checked, &compared.findings).await?;
    Ok(checked)
}

async fn recorded(
    operation: &Operation<'_>,
    compared: &Compared,
    source: &str,
    given: Given<'_>,
) -> Result<String, ControlError> {
    let mut change = operation.change("member_list", source, ChangeKind::Created);
    change.after = Some(given.hash.into());
    let said = format!(
        "{} listed, {} in the directory, {} findings{}",
        compared.listed,
        compared.present,
        compared.findings.len(),
        if given.look_only {
            ", only looked at"
        } else {
            ""
        }
    );
    change.reason = Some(said.into());
    let record = ledger::Record::Change(change);
    let receipt = operation.ledger.append(record).await?;
    Ok(format!("{}/{}", operation.ledger.chain(), receipt.seq))
}

async fn keep(
    operation: &Operation<'_>,
    checked: &Checked,
    findings: &[Finding],
) -> Result<(), ControlError> {
    let row = MemberCheck {
        record: checked.record.clone(),
        at: checked.at,
        by: checked.by.clone(),
        source: checked.source.clone(),
        hash: checked.hash.clone(),
        result: serde_json::to_string(&checked.result).unwrap_or_default(),
        findings: checked.findings,
    };
    let pieces = findings.chunks(limits::MEMBER_FINDINGS_PIECE);
    let pieces: Vec<String> = pieces
        .map(|piece| serde_json::to_string(piece).unwrap_or_default())
        .collect();
    let (store, org) = (operation.store, operation.org);
    Ok(store.put_member_check(org, &row, &pieces).await?)
}

/// The last check; none before the first.
pub async fn last(operation: &Operation<'_>) -> Result<Option<Checked>, ControlError> {
    operation.require(Right::TasksRead)?;
    operation.require(Right::PeopleRead)?;
    let found = operation.store.member_check(operation.org).await?;
    Ok(found.map(|check| Checked {
        record: check.record,
        at: check.at,
        by: check.by,
        source: check.source,
        hash: check.hash,
        findings: check.findings,
        result: serde_json::from_str(&check.result).unwrap_or_default(),
    }))
}

/// At most `limit` findings of the check with this record, from one of them on, in order; none when another check was made since.
pub async fn findings(
    operation: &Operation<'_>,
    record: &str,
    from: usize,
    limit: usize,
) -> Result<Vec<Finding>, ControlError> {
    operation.require(Right::TasksRead)?;
    operation.require(Right::PeopleRead)?;
    let (store, org) = (operation.store, operation.org);
    let (mut found, mut from) = (Vec::new(), from);
    while found.len() < limit {
        let piece = u64::try_from(from / limits::MEMBER_FINDINGS_PIECE).unwrap_or(u64::MAX);
        let Some(body) = store.member_findings(org, record, piece).await? else {
            break;
        };
        let piece: Vec<Finding> = serde_json::from_str(&body)
            .map_err(|_| store::StoreError::Damaged("member_findings.body"))?;
        let skipped = piece.into_iter().skip(from % limits::MEMBER_FINDINGS_PIECE);
        let before = found.len();
        found.extend(skipped.take(limit - before));
        if found.len() == before {
            break;
        }
        from += found.len() - before;
    }
    Ok(found)
}

/// What a list proves of leavers' tasks.
async fn follow(
    operation: &Operation<'_>,
    members: &[Member],
    evidence: &Evidence,
) -> Result<Done, ControlError> {
    tasks::follow(operation).await?;
    let listed: BTreeSet<&str> = members
        .iter()
        .filter(|member| member.is_in)
        .map(|member| &*member.email)
        .collect();
    let wanted = Wanted {
        kind: Some(TaskKind::RemoveFromWorkspace),
        ..Wanted::default()
    };
    let mut done = Done::default();
    let mut after = None;
    loop {
        let page = tasks::list(operation, &wanted, after, limits::STORE_PAGE_MAX).await?;
        for task in page.iter().filter(|task| task.over_at.is_none()) {
            let email = address_of(operation, task).await?;
            let Some(email) = email else { continue };
            act(operation, task, &email, (&listed, evidence), &mut done).await?;
        }
        match page.last() {
            Some(last) if page.len() == limits::STORE_PAGE_MAX as usize => after = Some(last.id),
            _ => return Ok(done),
        }
    }
}

async fn address_of(
    operation: &Operation<'_>,
    task: &Task,
) -> Result<Option<String>, ControlError> {
    let Ok(person) = task.about.parse() else {
        return Ok(Some(task.about.clone()));
    };
    let person = operation.store.person(operation.org, person).await?;
    let email = person.and_then(|person| person.email);
    Ok(email.map(|email| email.to_lowercase()))
}

async fn act(
    operation: &Operation<'_>,
    task: &Task,
    email: &str,
    (listed, evidence): (&BTreeSet<&str>, &Evidence),
    done: &mut Done,
) -> Result<(), ControlError> {
    let is_next_day = evidence.at > task.due;
    if !listed.contains(email) {
        if task.closing.is_none() && evidence.at >= task.since {
            let closed = tasks::close_with(operation, task.id, Closed::Done, evidence);
            if closed.await?.is_some() {
                done.removed.push(email.to_owned());
            }
        }
    } else if is_next_day {
        let days = evidence.at.ms_since(task.due).div_euclid(DAY_MS) + 1;
        let why = format!("still in {} {days} days late", evidence.source);
        if tasks::escalate(operation, task, &why).await? {
            done.escalated.push(email.to_owned());
        }
    }
    Ok(())
}
