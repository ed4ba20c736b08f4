//! Drills that were run: when, by whom, how each step went.

use domain::{DrillId, OrgId, Timestamp, limits};
use sqlx::{Row as _, query};

use crate::{Result, Store, id, time, unsigned};

/// One drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// Its id.
    pub id: DrillId,
    /// Which: `leaver`.
    pub drill: String,
    /// When it ended.
    pub at: Timestamp,
    /// Who ran it.
    pub by: String,
    /// Whether everything went as it must.
    pub passed: bool,
    /// Its steps, as JSON.
    pub steps: String,
}

impl Store {
    /// Keeps a drill.
    pub async fn add_drill(&self, org: OrgId, drill: &Drill) -> Result<()> {
        let statement = query(
            "INSERT INTO drills (id, org, drill, at, made_by, passed, steps) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(drill.id.to_string())
        .bind(org.to_string())
        .bind(&drill.drill)
        .bind(drill.at.unix_ms())
        .bind(&drill.by)
        .bind(i64::from(drill.passed))
        .bind(&drill.steps);
        self.pools.write(statement).await?;
        Ok(())
    }

    /// At most `limit` drills before one of them, newest first.
    pub async fn drills_page(
        &self,
        org: OrgId,
        before: Option<DrillId>,
        limit: u32,
    ) -> Result<Vec<Drill>> {
        let statement = query(
            "SELECT id, drill, at, made_by, passed, steps FROM drills \
             WHERE org = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3",
        )
        .bind(org.to_string())
        .bind(before.map_or_else(String::new, |before| before.to_string()))
        .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        let rows = self.pools.rows(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(Drill {
                    id: id(row, 0, "drills.id")?,
                    drill: row.try_get(1)?,
                    at: time(row, 2)?,
                    by: row.try_get(3)?,
                    passed: unsigned(row, 4, "drills.passed")? == 1,
                    steps: row.try_get(5)?,
                })
            })
            .collect()
    }
}
