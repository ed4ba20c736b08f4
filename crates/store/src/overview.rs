//! What a page says about many at once: requests by the hour, how many used something, why requests were refused, how many people
//! there are, and what a handful of ids is called. Sums and counts alone; each is one statement.

use std::collections::BTreeMap;

use domain::{OrgId, Timestamp, Usd, limits};
use sqlx::{AssertSqlSafe, Row as _, query};

use crate::usage::{UsageSum, hour_of};
use crate::{Result, Store, time, unsigned};

/// What one hour saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourSum {
    /// Its first moment.
    pub hour: Timestamp,
    /// Calls, refused ones included.
    pub requests: u64,
    /// Refused calls.
    pub refused: u64,
    /// Money.
    pub cost: Usd,
}

/// How often one reason refused something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalSum {
    /// The reason's code.
    pub code: String,
    /// How often.
    pub refusals: u64,
}

/// How many people an organisation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeopleCount {
    /// Everyone it knows.
    pub all: u64,
    /// Those who are not shut out.
    pub may_come_in: u64,
}

impl Store {
    /// What each hour saw, oldest first, from the hour of one moment up to another; hours without a call are left out. At most
    /// [`limits::STORE_PAGE_MAX`] of them.
    pub async fn usage_by_hour(
        &self,
        org: OrgId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<HourSum>> {
        let statement = query(
            "SELECT hour, CAST(SUM(requests) AS BIGINT), \
             CAST(SUM(CASE WHEN outcome = 'refused' THEN requests ELSE 0 END) AS BIGINT), \
             CAST(SUM(cost_nanos) AS BIGINT) \
             FROM usage_hours WHERE org = $1 AND hour >= $2 AND hour < $3 GROUP BY hour ORDER BY hour LIMIT $4",
        );
        let statement = statement
            .bind(org.to_string())
            .bind(hour_of(from))
            .bind(to.unix_ms());
        let rows = self
            .pools
            .rows(statement.bind(i64::from(limits::STORE_PAGE_MAX)))
            .await?;
        let read = rows.iter().map(|row| {
            Ok(HourSum {
                hour: time(row, 0)?,
                requests: unsigned(row, 1, "usage_hours.requests")?,
                refused: unsigned(row, 2, "usage_hours.requests")?,
                cost: Usd::from_nanos(row.try_get(3)?),
            })
        });
        read.collect()
    }

    /// How many people, and how many services, made a call in the same range.
    pub async fn callers(&self, org: OrgId, from: Timestamp, to: Timestamp) -> Result<(u64, u64)> {
        let statement = query(
            "SELECT CAST(COUNT(DISTINCT CASE WHEN subject LIKE 'per!_%' ESCAPE '!' THEN subject END) AS BIGINT), \
             CAST(COUNT(DISTINCT CASE WHEN subject LIKE 'svc!_%' ESCAPE '!' THEN subject END) AS BIGINT) \
             FROM usage_hours WHERE org = $1 AND hour >= $2 AND hour < $3",
        );
        let statement = statement
            .bind(org.to_string())
            .bind(hour_of(from))
            .bind(to.unix_ms());
        let row = self.pools.row(statement).await?;
        row.map_or(Ok((0, 0)), |row| {
            Ok((
                unsigned(&row, 0, "usage_hours.subject")?,
                unsigned(&row, 1, "usage_hours.subject")?,
            ))
        })
    }

    /// What one person or service used in the same range, by model, most money first; refused calls stand under no model.
    pub async fn usage_of(
        &self,
        org: OrgId,
        subject: &str,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<UsageSum>> {
        let statement = query(
            "SELECT model, CAST(SUM(requests) AS BIGINT), \
             CAST(SUM(CASE WHEN outcome = 'refused' THEN requests ELSE 0 END) AS BIGINT), \
             CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT), \
             CAST(SUM(cache_write_tokens) AS BIGINT), CAST(SUM(cache_read_tokens) AS BIGINT), \
             CAST(SUM(cost_nanos) AS BIGINT), \
             CAST(SUM(estimated_requests) AS BIGINT), CAST(SUM(estimated_nanos) AS BIGINT), \
             CAST(SUM(unpriced_requests) AS BIGINT), CAST(SUM(unpriced_nanos) AS BIGINT) \
             FROM usage_hours WHERE org = $1 AND subject = $2 AND hour >= $3 AND hour < $4 \
             GROUP BY model ORDER BY SUM(cost_nanos) DESC, model LIMIT $5",
        );
        let statement = statement.bind(org.to_string()).bind(subject);
        let statement = statement.bind(hour_of(from)).bind(to.unix_ms());
        let rows = self
            .pools
            .rows(statement.bind(i64::from(limits::STORE_PAGE_MAX)))
            .await?;
        rows.iter().map(crate::usage::read).collect()
    }

    /// Why requests were refused in the same range, most often first. A refusal counts for each of its reasons.
    pub async fn refusals(
        &self,
        org: OrgId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<RefusalSum>> {
        let statement = query(
            "SELECT code, CAST(SUM(refusals) AS BIGINT) FROM refusal_hours \
             WHERE org = $1 AND hour >= $2 AND hour < $3 GROUP BY code ORDER BY SUM(refusals) DESC, code LIMIT $4",
        );
        let statement = statement
            .bind(org.to_string())
            .bind(hour_of(from))
            .bind(to.unix_ms());
        let rows = self
            .pools
            .rows(statement.bind(i64::from(limits::STORE_PAGE_MAX)))
            .await?;
        let read = rows.iter().map(|row| {
            Ok(RefusalSum {
                code: row.try_get(0)?,
                refusals: unsigned(row, 1, "refusal_hours.refusals")?,
            })
        });
        read.collect()
    }

    /// How many people there are.
    pub async fn people_count(&self, org: OrgId) -> Result<PeopleCount> {
        let statement = query(
            "SELECT CAST(COUNT(*) AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN disabled_at IS NULL AND left_at IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT) \
             FROM people WHERE org = $1",
        );
        let row = self.pools.row(statement.bind(org.to_string())).await?;
        row.map_or(Ok(PeopleCount::default()), |row| {
            Ok(PeopleCount {
                all: unsigned(&row, 0, "people.id")?,
                may_come_in: unsigned(&row, 1, "people.id")?,
            })
        })
    }

    /// What these people and services are called: the name or e-mail address of a person, the name of a service. Those that are not
    /// there are left out; at most [`limits::STORE_PAGE_MAX`] are looked up.
    pub async fn labels(&self, org: OrgId, ids: &[String]) -> Result<BTreeMap<String, String>> {
        let ids = &ids[..ids.len().min(limits::STORE_PAGE_MAX as usize)];
        let mut found = BTreeMap::new();
        for some in ids.chunks(IDS_AT_ONCE) {
            let mut statement =
                query(AssertSqlSafe(labels_statement(some.len()))).bind(org.to_string());
            for id in some {
                statement = statement.bind(id);
            }
            for row in &self.pools.rows(statement).await? {
                found.insert(row.try_get(0)?, row.try_get(1)?);
            }
        }
        Ok(found)
    }
}

/// Ids of one statement.
const IDS_AT_ONCE: usize = 50;

/// The statement for this many ids; its text depends on nothing else.
fn labels_statement(ids: usize) -> String {
    let places: Vec<String> = (2..ids + 2).map(|place| format!("${place}")).collect();
    let places = places.join(", ");
    format!(
        "SELECT id, COALESCE(name, email, stable_id) FROM people WHERE org = $1 AND id IN ({places}) \
         UNION ALL SELECT id, name FROM services WHERE org = $1 AND id IN ({places})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_for_several_ids_numbers_its_values_through() {
        assert!(labels_statement(2).ends_with("FROM services WHERE org = $1 AND id IN ($2, $3)"));
    }
}
