//! Connectors of the sample data: what they listed, what of it was approved, what changed since, and calls that somebody had to approve. What
//! is noted here of a list is what the connectors' door notes of one; everything else goes through `control`. No call was ever made.
//! Called by `office` and, for what still waits when the demo begins, by its parent.

use actions::catalogue::Catalogue;
use actions::classify::{Known, classify};
use actions::findings::findings;
use actions::pin;
use anyhow::Context as _;
use control::approvals::{self, Call, Sought};
use control::connectors::{self, Decision, Wish};
use control::{Actor, Role};
use domain::approval::{About, Approver};
use domain::connectors::DefinitionKind;
use domain::{Clock as _, Policy};
use serde_json::json;
use store::{ConnectorListing, DefinitionSeen};

use super::{Past, office};
use crate::demo::crm::{self, CRM, Listed};

const GITHUB: &str = "github";

const GITHUB_LISTS: &[Listed] = &[
    ("get_file_contents", "Reads a file of a repository."),
    ("list_issues", "Lists the issues of a repository."),
    ("create_pull_request", "Asks for a change to be taken over."),
    ("merge_pull_request", "Takes a change over."),
];

/// What happened with connectors on the day that was so many days ago.
pub(super) async fn of_day(past: &Past<'_>, days_ago: i64) -> anyhow::Result<()> {
    match days_ago {
        2 => {
            lists(past, CRM, crm::FIRST).await?;
            lists(past, GITHUB, GITHUB_LISTS).await?;
            let found = Wish {
                enables: true,
                risk: "medium".to_owned(),
                vendor: "our own web team".to_owned(),
                reason: "Read its source with them; it writes what it is told and keeps a log"
                    .to_owned(),
            };
            let actor = office::grace(past)?;
            connectors::review(&past.control.operation(&actor), CRM, &found).await?;
            for listed in crm::FIRST {
                approve(past, CRM, listed).await?;
            }
            for listed in &GITHUB_LISTS[..2] {
                approve(past, GITHUB, listed).await?;
            }
            Ok(())
        }
        1 => {
            lists(past, CRM, crm::LATER).await?;
            decided(past).await
        }
        _ => Ok(()),
    }
}

/// What waits for somebody as the demo begins.
pub(super) async fn still_waits(past: &Past<'_>) -> anyhow::Result<()> {
    for (action, approver, member) in [
        ("add_note", Approver::Oneself, 2_207),
        ("send_letter", Approver::Second, 2_207),
    ] {
        seek(past, (action, approver), member).await?;
    }
    Ok(())
}

/// One is approved and used, one approved by somebody else, one denied.
async fn decided(past: &Past<'_>) -> anyhow::Result<()> {
    let (ada, grace) = (ada(past)?, office::grace(past)?);
    let own = seek(past, ("add_note", Approver::Oneself), 4_411).await?;
    let waits = |sought: Sought| match sought {
        Sought::Waits(approval) => Ok(approval.id),
        other => Err(anyhow::anyhow!("{other:?} does not wait")),
    };
    approvals::approve(&past.control.operation(&ada), waits(own)?, "").await?;
    seek(past, ("add_note", Approver::Oneself), 4_411).await?;
    let letter = seek(past, ("send_letter", Approver::Second), 4_411).await?;
    let words = "She asked for it on the telephone";
    approvals::approve(&past.control.operation(&grace), waits(letter)?, words).await?;
    let other = seek(past, ("send_letter", Approver::Second), 1_020).await?;
    let words = "They left the association in spring";
    approvals::deny(&past.control.operation(&grace), waits(other)?, words).await?;
    Ok(())
}

fn ada(past: &Past<'_>) -> anyhow::Result<Actor> {
    let id = past.of("ada").id.context("ada came on the first day")?;
    Ok(Actor::person(
        id,
        "ada@northwind.example",
        [Role::Member].into(),
    ))
}

/// Ada's Claude wants to do something with a member.
async fn seek(
    past: &Past<'_>,
    (action, approver): (&str, Approver),
    member: u32,
) -> anyhow::Result<Sought> {
    let arguments =
        json!({ "member": member, "text": "Thank you for ten years with us." }).to_string();
    let (connector, _) = connector(past, CRM).await?;
    let about = About {
        connector_title: connector.title,
        action_title: action.replace('_', " "),
        class: if action == "send_letter" {
            "destructive"
        } else {
            "write"
        }
        .to_owned(),
        rule: if action == "send_letter" {
            "CRM: letters"
        } else {
            "CRM: writing"
        }
        .to_owned(),
        client: "Claude Desktop".to_owned(),
    };
    let actor = ada(past)?;
    let operation = past.control.operation(&actor);
    let marks = past.wired.store.watermarks(past.wired.org).await?;
    let call = Call {
        connector: CRM,
        action,
        arguments: arguments.as_bytes(),
        definition: &crm::definition(listed(action)?)?.hash(),
        policy_version: marks.policy_version,
        approver: &approver,
        about: &about,
    };
    Ok(approvals::seek(&operation, call).await?)
}

fn listed(action: &str) -> anyhow::Result<&'static Listed> {
    let found = crm::LATER.iter().find(|(name, _)| *name == action);
    found.context("the connector lists it")
}

/// A connector of the policy in force, and its place.
async fn connector(
    past: &Past<'_>,
    name: &str,
) -> anyhow::Result<(domain::policy::Connector, String)> {
    let latest = past.wired.store.latest_policy(past.wired.org).await?;
    let latest = latest.context("there is a policy")?;
    let policy = Policy::parse(latest.version, &latest.text)?;
    let mut all = policy.document().connector.iter();
    let found = all.find(|connector| connector.name == name);
    let found = found.context("the policy has the connector")?.clone();
    let place = pin::place(&found);
    Ok((found, place))
}

/// Notes what a connector lists.
async fn lists(past: &Past<'_>, name: &str, listed: &[Listed]) -> anyhow::Result<()> {
    let (found, place) = connector(past, name).await?;
    let catalogue = Catalogue::shipped();
    let entry = found.url.as_deref().and_then(|url| catalogue.at(url));
    let mut seen = Vec::new();
    for one in listed {
        let definition = crm::definition(one)?;
        let known = Known {
            curated: entry.and_then(|entry| entry.class(one.0)),
            said: None,
            trusts_annotations: found.trusted_annotations,
        };
        let (class, basis) = classify(&definition, known);
        let suspicious: Vec<_> = findings(DefinitionKind::Tool, &definition, &[])
            .iter()
            .map(|finding| (finding.kind(), finding.sentence()))
            .collect();
        seen.push(DefinitionSeen {
            name: one.0.to_owned(),
            hash: definition.hash(),
            offered: Some(definition.canonical()),
            unfit: None,
            class,
            basis: basis.as_str().to_owned(),
            findings: serde_json::to_string(&suspicious)?,
        });
    }
    let listing = ConnectorListing {
        at: past.clock.now(),
        actions: u64::try_from(listed.len())?,
        dropped: 0,
    };
    let (store, org) = (&past.wired.store, past.wired.org);
    let noted = (&seen[..], &[][..], &[][..]);
    Ok(store
        .note_definitions(org, (name, &place, DefinitionKind::Tool), listing, noted)
        .await?)
}

async fn approve(past: &Past<'_>, connector: &str, listed: &Listed) -> anyhow::Result<()> {
    let decision = Decision {
        kind: DefinitionKind::Tool,
        name: listed.0.to_owned(),
        hash: crm::definition(listed)?.hash(),
        approves: true,
        reason: "Read what it says it does".to_owned(),
    };
    let actor = office::grace(past)?;
    Ok(connectors::decide(&past.control.operation(&actor), connector, &decision).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_of_the_sample_data_can_be_read_and_some_change() {
        for one in crm::FIRST.iter().chain(crm::LATER).chain(GITHUB_LISTS) {
            crm::definition(one).unwrap();
        }
        let changed = crm::FIRST.iter().filter(|one| !crm::LATER.contains(one));
        assert_eq!(changed.count(), 2);
    }
}
