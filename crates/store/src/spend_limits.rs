//! Spend limits of the admin endpoints, with their audit in the same transaction.

use domain::window::Period;
use domain::{BudgetId, OrgId, Timestamp};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::{Result, Store, StoreError, id, time};

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendLimit {
    /// Its id.
    pub id: BudgetId,
    /// `user`, `rbac_group` or `organization`.
    pub scope_type: String,
    /// The user or group; empty for the organisation.
    pub scope_id: String,
    /// Its period.
    pub period: Period,
    /// Cents as a decimal text; none means no cap.
    pub amount_cents: Option<String>,
    /// A shared monthly budget of a group, as JSON.
    pub pooled_json: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// One entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendLimitAudit {
    /// Its id.
    pub id: String,
    /// When.
    pub created: Timestamp,
    /// Who.
    pub actor: String,
    /// `upsert` or `delete`.
    pub action: String,
    /// The limit.
    pub target: String,
    /// What stood before, as JSON.
    pub before_json: Option<String>,
    /// What stands now, as JSON.
    pub after_json: Option<String>,
}

impl Store {
    /// Sets the limit of a scope and period, keeping the id of one that is there, and returns it as it stands now.
    pub async fn upsert_spend_limit(
        &self,
        org: OrgId,
        new: &SpendLimit,
        audit: &SpendLimitAudit,
    ) -> Result<SpendLimit> {
        let mut tx = self.begin().await?;
        Self::next(&mut tx, org, "spend_limits").await?;
        let row = sqlx::query(
            "INSERT INTO spend_limits (id, org, scope_type, scope_id, period, amount_cents, pooled_json, created, updated) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) \
             ON CONFLICT (org, scope_type, scope_id, period) DO UPDATE SET \
               amount_cents = excluded.amount_cents, pooled_json = excluded.pooled_json, updated = excluded.updated \
             RETURNING id, scope_type, scope_id, period, amount_cents, pooled_json, created, updated",
        )
        .bind(new.id.to_string())
        .bind(org.to_string())
        .bind(&new.scope_type)
        .bind(&new.scope_id)
        .bind(new.period.as_str())
        .bind(&new.amount_cents)
        .bind(&new.pooled_json)
        .bind(new.updated.unix_ms())
        .fetch_one(&mut *tx)
        .await?;
        let limit = read(&row)?;
        let target = limit.id.to_string();
        insert_audit(&mut tx, org, audit, &target).await?;
        tx.commit().await?;
        Ok(limit)
    }

    /// Takes a limit away; none when there was none.
    pub async fn delete_spend_limit(
        &self,
        org: OrgId,
        limit: BudgetId,
        audit: &SpendLimitAudit,
    ) -> Result<Option<SpendLimit>> {
        let mut tx = self.begin().await?;
        Self::next(&mut tx, org, "spend_limits").await?;
        let row = sqlx::query(
            "DELETE FROM spend_limits WHERE org = $1 AND id = $2 \
             RETURNING id, scope_type, scope_id, period, amount_cents, pooled_json, created, updated",
        )
        .bind(org.to_string())
        .bind(limit.to_string())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        insert_audit(&mut tx, org, audit, &limit.to_string()).await?;
        tx.commit().await?;
        read(&row).map(Some)
    }

    /// Every limit, oldest first. A company has few: at most ten thousand are read.
    pub async fn spend_limits(&self, org: OrgId) -> Result<Vec<SpendLimit>> {
        let rows = sqlx::query(
            "SELECT id, scope_type, scope_id, period, amount_cents, pooled_json, created, updated FROM spend_limits \
             WHERE org = $1 ORDER BY id LIMIT 10000",
        )
        .bind(org.to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read).collect()
    }

    /// The latest audit entries, newest first.
    pub async fn spend_limit_audit(&self, org: OrgId, limit: u32) -> Result<Vec<SpendLimitAudit>> {
        let rows = sqlx::query(
            "SELECT id, created, actor, action, target, before_json, after_json FROM spend_limit_audit \
             WHERE org = $1 ORDER BY created DESC, id DESC LIMIT $2",
        )
        .bind(org.to_string())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(SpendLimitAudit {
                    id: row.try_get(0)?,
                    created: time(row, 1)?,
                    actor: row.try_get(2)?,
                    action: row.try_get(3)?,
                    target: row.try_get(4)?,
                    before_json: row.try_get(5)?,
                    after_json: row.try_get(6)?,
                })
            })
            .collect()
    }
}

async fn insert_audit(
    tx: &mut crate::Tx,
    org: OrgId,
    audit: &SpendLimitAudit,
    target: &str,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO spend_limit_audit (id, org, created, actor, action, target, before_json, after_json) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&audit.id)
    .bind(org.to_string())
    .bind(audit.created.unix_ms())
    .bind(&audit.actor)
    .bind(&audit.action)
    .bind(target)
    .bind(&audit.before_json)
    .bind(&audit.after_json)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<SpendLimit> {
    let period: String = row.try_get(3)?;
    let period = Period::ALL
        .into_iter()
        .find(|known| known.as_str() == period)
        .ok_or(StoreError::Damaged("spend_limits.period"))?;
    Ok(SpendLimit {
        id: id(row, 0, "spend_limits.id")?,
        scope_type: row.try_get(1)?,
        scope_id: row.try_get(2)?,
        period,
        amount_cents: row.try_get(4)?,
        pooled_json: row.try_get(5)?,
        created: time(row, 6)?,
        updated: time(row, 7)?,
    })
}
