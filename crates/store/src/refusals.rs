//! Why requests were refused, hour by hour, from the sums that shipping keeps. Sums alone, one statement; never the records themselves.

use domain::{OrgId, Timestamp, limits};
use sqlx::{Row as _, query};

use crate::usage::within;
use crate::{Result, Store, unsigned};

/// How often one reason refused something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalSum {
    /// The reason's code.
    pub code: String,
    /// How often.
    pub refusals: u64,
}

impl Store {
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
        let statement = within(statement, org, from, to);
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
}
