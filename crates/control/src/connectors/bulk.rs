//! Who has used a connector in bulk: as many calls within ten minutes as its entry in the policy calls many, or more. Such use is no refusal; it is
//! something that somebody should look at.

use std::collections::BTreeMap;

use domain::policy::connectors::Connector;
use domain::window::DAY_MS;
use domain::{Timestamp, limits};
use store::ConnectorMinute;

use crate::access::Right;
use crate::{ControlError, Operation};

const WINDOW_MS: i64 = limits::BULK_MINUTES * 60_000;

/// Many calls of one person, or one service, to one connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkUse {
    /// The connector's name in the policy.
    pub connector: String,
    /// What people call it.
    pub title: String,
    /// Whose id.
    pub subject: String,
    /// What they are called.
    pub label: String,
    /// The most calls within ten minutes.
    pub calls: u64,
    /// When those ten minutes began, by the whole minute.
    pub from: Timestamp,
}

/// Bulk use of the last day, the newest first.
pub async fn in_bulk(operation: &Operation<'_>) -> Result<Vec<BulkUse>, ControlError> {
    operation.require(Right::LedgerRead)?;
    let policy = operation.policy().await?;
    let many: BTreeMap<&str, (&Connector, u32)> = policy
        .document()
        .connector
        .iter()
        .filter_map(|connector| {
            let calls = connector.many_calls()?;
            Some((connector.name.as_str(), (connector, calls)))
        })
        .collect();
    let Some(least) = many.values().map(|(_, calls)| *calls).min() else {
        return Ok(Vec::new());
    };
    let since = operation.clock.now().plus_ms(-DAY_MS);
    let (store, org) = (operation.store, operation.org);
    let minutes = store.connector_minutes(org, since, least).await?;
    let of_one = |a: &ConnectorMinute, b: &ConnectorMinute| {
        a.connector == b.connector && a.subject == b.subject
    };
    let mut found = Vec::new();
    for minutes in minutes.chunk_by(of_one) {
        let Some((connector, least_of_it)) = many.get(minutes[0].connector.as_str()) else {
            continue;
        };
        let Some((calls, from)) =
            most(minutes).filter(|(calls, _)| *calls >= u64::from(*least_of_it))
        else {
            continue;
        };
        found.push(BulkUse {
            connector: connector.name.clone(),
            title: connector.title().to_owned(),
            subject: minutes[0].subject.clone(),
            label: String::new(),
            calls,
            from,
        });
    }
    found.sort_by_key(|bulk| std::cmp::Reverse(bulk.from));
    let ids: Vec<String> = found.iter().map(|bulk| bulk.subject.clone()).collect();
    let labels = store.labels(org, &ids).await?;
    for bulk in &mut found {
        let label = labels.get(&bulk.subject).unwrap_or(&bulk.subject);
        bulk.label.clone_from(label);
    }
    Ok(found)
}

/// The most calls within ten minutes of these, which are of one person in the order of time, and when those ten minutes began.
fn most(minutes: &[ConnectorMinute]) -> Option<(u64, Timestamp)> {
    let (mut first, mut calls, mut most) = (0, 0_u64, None);
    for minute in minutes {
        calls = calls.saturating_add(minute.calls);
        while minute.minute.ms_since(minutes[first].minute) >= WINDOW_MS {
            calls = calls.saturating_sub(minutes[first].calls);
            first += 1;
        }
        if most.is_none_or(|(known, _)| calls > known) {
            most = Some((calls, minutes[first].minute));
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(calls: &[(i64, u64)]) -> Vec<ConnectorMinute> {
        let minute = |&(minute, calls)| ConnectorMinute {
            connector: "crm".to_owned(),
            subject: "per_a".to_owned(),
            minute: Timestamp::from_unix_ms(minute * 60_000),
            calls,
        };
        calls.iter().map(minute).collect()
    }

    #[test]
    fn the_busiest_ten_minutes_count_wherever_they_begin() {
        for (calls, most_calls, begin) in [
            (&[(0, 29)][..], 29, 0),
            (&[(0, 15), (9, 15)], 30, 0),
            (&[(0, 15), (10, 15)], 15, 0),
            (&[(0, 1), (5, 10), (12, 10), (14, 10), (30, 20)], 30, 5),
            (&[(0, 5), (100, u64::MAX), (101, 7)], u64::MAX, 100),
        ] {
            let found = most(&minutes(calls)).map(|(calls, at)| (calls, at.unix_ms() / 60_000));
            assert_eq!(found, Some((most_calls, begin)), "{calls:?}");
        }
        assert_eq!(most(&[]), None);
    }
}
