//! Which programs that were used lately another policy would refuse: the demands on clients, versions, networks and issuers of both are
//! held against every program and address that the ledger's copy saw, so that a minimum version is not raised over the heads of those
//! who work. Reads a bounded stretch of the newest decisions, and says how far it came. Called by [`super::rehearse`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use domain::policy::Ask;
use domain::{Client, Policy, ReasonCode, Timestamp, limits};

use super::everyone::{Everyone, Known};
use crate::access::Right;
use crate::records::{self, Decision, Kind, Record, Sought};
use crate::{ControlError, Operation};

/// A program of somebody, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The id of who used it.
    pub by: String,
    /// The program.
    pub client: Client,
    /// From where.
    pub address: Option<IpAddr>,
}

/// A program that would be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The id of who used it.
    pub by: String,
    /// What people call them.
    pub name: String,
    /// The program.
    pub client: Client,
    /// Why, a sentence each.
    pub reasons: BTreeSet<String>,
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Programs {
    /// Those that are let through now and would not be.
    pub refused: Vec<Refused>,
    /// How many different programs of how many callers were seen.
    pub seen: u64,
    /// How many callers that were.
    pub callers: u64,
    /// Requests that were looked at.
    pub looked_at: u64,
    /// The oldest of them, where there were more than are looked at.
    pub cut_at: Option<Timestamp>,
}

/// Looks at the newest requests of the last days; none where who asks may not read the ledger.
pub async fn programs(
    operation: &Operation<'_>,
    (before, after): (&Policy, &Policy),
    everyone: &Everyone,
) -> Result<Option<Programs>, ControlError> {
    if !operation.actor.may(Right::LedgerRead) {
        return Ok(None);
    }
    let now = operation.clock.now();
    let sought = Sought {
        kind: Some(Kind::Decision.as_str().to_owned()),
        since: Some(now.plus_ms(-limits::POLICY_PROGRAMS_MS)),
        ..Sought::default()
    };
    let most = u32::try_from(limits::LEDGER_SIFT_RECORDS).unwrap_or(u32::MAX);
    let sifted = records::sift(operation, &sought, most, |_| true).await?;
    let decided = sifted.found.iter().filter_map(records::decoded);
    let used: Vec<Used> = decided.filter_map(used).collect();
    Ok(Some(Programs {
        looked_at: sifted.looked_at as u64,
        cut_at: sifted.next.map(|place| place.at),
        ..refused((before, after), everyone, &used)
    }))
}

fn used(record: Record) -> Option<Used> {
    let Record::Decision(Decision { actor, origin, .. }) = record else {
        return None;
    };
    Some(Used {
        by: actor?.subject.to_string(),
        client: Client {
            kind: origin.client,
            version: origin.version,
        },
        address: origin.address,
    })
}

/// Holds both policies against what was used. Pure.
pub fn refused(
    (before, after): (&Policy, &Policy),
    everyone: &Everyone,
    used: &[Used],
) -> Programs {
    let known: BTreeMap<String, &Known> = everyone.all().map(|known| (known.id(), known)).collect();
    let mut seen = BTreeSet::new();
    let mut callers = BTreeSet::new();
    let mut found: BTreeMap<_, Refused> = BTreeMap::new();
    let mut tried = BTreeSet::new();
    for one in used {
        let program = (one.by.as_str(), one.client.kind, one.client.version);
        seen.insert(program);
        callers.insert(one.by.as_str());
        let Some(known) = known.get(&one.by) else {
            continue;
        };
        if !tried.insert((program, one.address)) || !against(before, known, one).is_empty() {
            continue;
        }
        let reasons = against(after, known, one);
        if !reasons.is_empty() {
            let refused = found.entry(program).or_insert_with(|| Refused {
                by: one.by.clone(),
                name: known.name.clone(),
                client: one.client,
                reasons: BTreeSet::new(),
            });
            refused.reasons.extend(reasons);
        }
    }
    Programs {
        refused: found.into_values().collect(),
        seen: seen.len() as u64,
        callers: callers.len() as u64,
        looked_at: used.len() as u64,
        cut_at: None,
    }
}

/// What a policy says against a program, whatever it grants.
fn against(policy: &Policy, known: &Known, used: &Used) -> Vec<String> {
    let ask = Ask {
        model: None,
        client: used.client,
        address: used.address,
    };
    let rules = policy.for_caller(&known.caller);
    let Err(refusal) = rules.decide(&known.caller, &ask) else {
        return Vec::new();
    };
    let of_programs = refusal.reasons().filter(|reason| {
        matches!(
            reason.code,
            ReasonCode::ClientNotAllowed
                | ReasonCode::ClientTooOld
                | ReasonCode::NetworkNotAllowed
                | ReasonCode::IssuerNotAllowed
        )
    });
    of_programs.map(|reason| reason.message.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Caller, ClientKind, Credential, OrgId, PersonId, Subject, Version};

    fn ada() -> Known {
        Known {
            caller: Caller {
                org: OrgId::from_parts(0, 0),
                subject: Subject::Person(PersonId::from_parts(1, 1)),
                stable_id: "ada".into(),
                issuer: "company".into(),
                email: None,
                name: None,
                groups: BTreeSet::new(),
                session: None,
                credential: Credential::Session,
            },
            name: "Ada".to_owned(),
        }
    }

    fn used(version: [u32; 3], address: &str) -> Used {
        Used {
            by: ada().id(),
            client: Client {
                kind: ClientKind::ClaudeCode,
                version: Some(Version(version)),
            },
            address: address.parse().ok(),
        }
    }

    fn check(before: &str, after: &str, expected: &[&str]) {
        let everyone = Everyone {
            people: vec![ada()],
            ..Everyone::default()
        };
        let policies = [before, after].map(|text| Policy::parse(1, text).unwrap());
        let stranger = Used {
            by: "per_gone".to_owned(),
            ..used([1, 0, 0], "10.0.0.1")
        };
        let used = [
            used([2, 1, 0], "10.0.0.1"),
            used([2, 4, 0], "10.0.0.1"),
            used([2, 4, 0], "192.0.2.1"),
            used([2, 4, 0], "192.0.2.1"),
            stranger,
        ];
        let found = refused((&policies[0], &policies[1]), &everyone, &used);
        assert_eq!((found.seen, found.callers, found.looked_at), (3, 2, 5));
        let found: Vec<String> = found
            .refused
            .iter()
            .map(|one| format!("{} {}", one.name, one.client.version.unwrap()))
            .collect();
        assert_eq!(found, expected, "from {before:?} to {after:?}");
    }

    #[test]
    fn a_new_demand_names_the_programs_of_lately_that_it_would_refuse() {
        let newer = "[[require]]\nname = \"r\"\nmin_version = { claude_code = \"2.3\" }\n";
        let inside = "[[require]]\nname = \"n\"\nnetworks = [\"10.0.0.0/8\"]\n";
        check("", newer, &["Ada 2.1.0"]);
        check("", inside, &["Ada 2.4.0"]);
        check("", &format!("{newer}{inside}"), &["Ada 2.1.0", "Ada 2.4.0"]);
        // who is refused already loses nothing
        check(newer, newer, &[]);
        check(inside, &format!("{newer}{inside}"), &["Ada 2.1.0"]);
        check(newer, "", &[]);
    }
}
