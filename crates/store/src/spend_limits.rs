//! Spend limits of the admin endpoints. Each change and its audit entry, with what stood before, is one transaction.

use domain::policy::{Budget, BudgetFor, Who};
use domain::window::Period;
use domain::{AuditId, BudgetId, OrgId, SpendScope, Timestamp, Usd, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::Tx;
use crate::{Result, SPEND_LIMITS, Store, StoreError, id, next, period_of, time};

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendLimit {
    /// Its id.
    pub id: BudgetId,
    /// Whose spending it bounds.
    pub scope: SpendScope,
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

impl SpendLimit {
    /// Whether both bound the same scope in the same period, of which there is one at a time.
    pub fn is_for_the_same(&self, other: &Self) -> bool {
        (&self.scope, self.period) == (&other.scope, other.period)
    }

    /// As budgets, which is how it counts: a cap of its own, and a shared one when it has a pool.
    pub fn budgets(&self) -> Vec<Budget> {
        let mut who = Who::default();
        let scope = match &self.scope {
            SpendScope::User(user) => {
                who.people.insert(user.clone());
                BudgetFor::Person
            }
            SpendScope::Group(group) => {
                who.groups.insert(group.clone());
                BudgetFor::Member
            }
            SpendScope::Organization => BudgetFor::Member,
        };
        let budget = |name: String, scope, amount_usd, period| Budget {
            name,
            who: who.clone(),
            scope,
            amount_usd,
            period,
            hard: true,
        };
        let own = self
            .amount_cents
            .as_deref()
            .and_then(cents)
            .map(|amount| budget(self.id.to_string(), scope, amount, self.period));
        let pool = self
            .pooled_json
            .as_deref()
            .and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok())
            .filter(|pool| pool["paused"] != serde_json::Value::Bool(true))
            .and_then(|pool| cents(pool["amount"].as_str()?))
            .map(|amount| {
                budget(
                    format!("{}:pool", self.id),
                    BudgetFor::Group,
                    amount,
                    Period::Monthly,
                )
            });
        own.into_iter().chain(pool).collect()
    }
}

/// One entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendLimitAudit {
    /// Its id.
    pub id: AuditId,
    /// When.
    pub created: Timestamp,
    /// Who.
    pub actor: String,
    /// `upsert` or `delete`.
    pub action: String,
    /// The limit; the store puts the id of the one that was changed.
    pub target: String,
    /// What stood before, as JSON.
    pub before_json: Option<String>,
    /// What stands now, as JSON.
    pub after_json: Option<String>,
}

/// What became of adding a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// It is made.
    Made(SpendLimit),
    /// One stands for the same scope and period; nothing was written.
    Stands(SpendLimit),
}

/// What became of replacing a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// It is done; this stood before.
    Done(SpendLimit),
    /// Somebody else changed it in between; this stands now, and nothing was written.
    Another(SpendLimit),
    /// There is none of this id.
    Unknown,
}

/// Which part of a list ordered by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Its beginning.
    First,
    /// What follows this limit.
    After(BudgetId),
    /// What comes before this limit, up to it.
    Before(BudgetId),
}

impl Store {
    /// Sets the limit of a scope and period, keeping the id of one that is there, and returns it as it stands now. `audit` makes the
    /// entry from what really stood before and what stands now, whoever else changes it at the same time.
    pub async fn set_spend_limit(
        &self,
        org: OrgId,
        new: &SpendLimit,
        audit: impl FnOnce(Option<&SpendLimit>, &SpendLimit) -> SpendLimitAudit + Send,
    ) -> Result<SpendLimit> {
        let mut tx = self.pools.begin().await?;
        next(&mut tx, org, SPEND_LIMITS).await?;
        let (_, after) = set_in(&mut tx, org, new, audit).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Makes the limit of a scope and period; where one stands, whoever made it first, that one is returned and nothing is written.
    pub async fn add_spend_limit(
        &self,
        org: OrgId,
        new: &SpendLimit,
        audit: SpendLimitAudit,
    ) -> Result<Added> {
        let (mut tx, before) = self.with_limit_of(org, new).await?;
        if let Some(stands) = before {
            return Ok(Added::Stands(stands));
        }
        let made = put(&mut tx, org, new, true).await?;
        insert_audit(&mut tx, org, &audit, made.id).await?;
        tx.commit().await?;
        Ok(Added::Made(made))
    }

    /// A transaction that alone changes limits, and the limit of the same scope and period as it stands in it.
    async fn with_limit_of(
        &self,
        org: OrgId,
        new: &SpendLimit,
    ) -> Result<(Tx, Option<SpendLimit>)> {
        let mut tx = self.pools.begin().await?;
        // Also the lock that makes the limit that is read true until the end.
        next(&mut tx, org, SPEND_LIMITS).await?;
        let before = of_scope(&mut tx, org, new).await?;
        Ok((tx, before))
    }

    /// Takes a limit away and returns it as it stood; none when there was none. `audit` makes the entry from what really stood.
    pub async fn delete_spend_limit(
        &self,
        org: OrgId,
        limit: BudgetId,
        audit: impl FnOnce(&SpendLimit) -> SpendLimitAudit + Send,
    ) -> Result<Option<SpendLimit>> {
        let mut tx = self.pools.begin().await?;
        next(&mut tx, org, SPEND_LIMITS).await?;
        let row = tx
            .row(
                query(
                    "DELETE FROM spend_limits WHERE org = $1 AND id = $2 \
                     RETURNING id, scope_type, scope_id, period, amount_cents, pooled_json, created, updated",
                )
                .bind(org.to_string())
                .bind(limit.to_string()),
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let before = read(&row)?;
        let entry = audit(&before);
        insert_audit(&mut tx, org, &entry, before.id).await?;
        tx.commit().await?;
        Ok(Some(before))
    }

    /// Replaces a limit's money, or takes the limit away, if it still is what was read: `expected` looks at what really stands.
    /// `audit` makes the entry. A limit that is another by now is returned, and nothing is written.
    pub async fn replace_spend_limit(
        &self,
        org: OrgId,
        limit: BudgetId,
        new: Option<&SpendLimit>,
        expected: impl FnOnce(&SpendLimit) -> bool + Send,
        audit: impl FnOnce(&SpendLimit) -> SpendLimitAudit + Send,
    ) -> Result<Replaced> {
        let mut tx = self.pools.begin().await?;
        next(&mut tx, org, SPEND_LIMITS).await?;
        let statement = query(
            "SELECT id, scope_type, scope_id, period, amount_cents, pooled_json, created, updated FROM spend_limits \
             WHERE org = $1 AND id = $2",
        );
        let row = tx
            .row(statement.bind(org.to_string()).bind(limit.to_string()))
            .await?;
        let Some(row) = row else {
            return Ok(Replaced::Unknown);
        };
        let before = read(&row)?;
        if !expected(&before) {
            return Ok(Replaced::Another(before));
        }
        if let Some(new) = new {
            let statement = query(
                    "UPDATE spend_limits SET amount_cents = $3, pooled_json = $4, updated = $5 WHERE org = $1 AND id = $2",
                )
                .bind(org.to_string())
                .bind(limit.to_string())
                .bind(&new.amount_cents)
                .bind(&new.pooled_json)
                .bind(new.updated.unix_ms());
            tx.run(statement).await?;
        } else {
            let statement = query("DELETE FROM spend_limits WHERE org = $1 AND id = $2");
            tx.run(statement.bind(org.to_string()).bind(limit.to_string()))
                .await?;
        }
        insert_audit(&mut tx, org, &audit(&before), limit).await?;
        tx.commit().await?;
        Ok(Replaced::Done(before))
    }

    /// One limit.
    pub async fn spend_limit(&self, org: OrgId, limit: BudgetId) -> Result<Option<SpendLimit>> {
        let statement = query(
            "SELECT id, scope_type, scope_id, period, amount_cents, pooled_json, created, updated FROM spend_limits \
             WHERE org = $1 AND id = $2",
        );
        let row = self
            .pools
            .row(statement.bind(org.to_string()).bind(limit.to_string()))
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Every limit, oldest first, because all are enforced; their number is limited when they are made.
    pub async fn spend_limits(&self, org: OrgId) -> Result<Vec<SpendLimit>> {
        let statement = query(
            "SELECT id, scope_type, scope_id, period, amount_cents, pooled_json, created, updated FROM spend_limits \
             WHERE org = $1 ORDER BY id",
        );
        let rows = self.pools.rows(statement.bind(org.to_string())).await?;
        rows.iter().map(read).collect()
    }

    /// At most `limit` limits of one kind of scope (any, when none is given), ordered by id, and whether there are more in the
    /// direction of reading.
    pub async fn spend_limits_page(
        &self,
        org: OrgId,
        scope_type: Option<&str>,
        page: Page,
        limit: u32,
    ) -> Result<(Vec<SpendLimit>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let (statement, from) = match page {
            Page::First => (FORWARD, String::new()),
            Page::After(id) => (FORWARD, id.to_string()),
            Page::Before(id) => (BACKWARD, id.to_string()),
        };
        let statement = query(statement)
            .bind(org.to_string())
            .bind(scope_type.unwrap_or_default())
            .bind(from)
            .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let mut found = wanted.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        if matches!(page, Page::Before(_)) {
            found.reverse();
        }
        Ok((found, more))
    }

    /// The latest audit entries, newest first.
    pub async fn spend_limit_audit(&self, org: OrgId, limit: u32) -> Result<Vec<SpendLimitAudit>> {
        let statement = query(
            "SELECT id, created, actor, action, target, before_json, after_json FROM spend_limit_audit \
             WHERE org = $1 ORDER BY created DESC, id DESC LIMIT $2",
        );
        let limit = i64::from(limit.min(limits::STORE_PAGE_MAX));
        let rows = self
            .pools
            .rows(statement.bind(org.to_string()).bind(limit))
            .await?;
        rows.iter().map(read_audit).collect()
    }
}

/// In a transaction that alone changes limits: sets the limit of a scope and period, with its entry in the audit, and returns what stood
/// before and what stands then.
pub(crate) async fn set_in(
    tx: &mut Tx,
    org: OrgId,
    new: &SpendLimit,
    audit: impl FnOnce(Option<&SpendLimit>, &SpendLimit) -> SpendLimitAudit + Send,
) -> Result<(Option<SpendLimit>, SpendLimit)> {
    let before = of_scope(tx, org, new).await?;
    let after = put(tx, org, new, before.is_none()).await?;
    let entry = audit(before.as_ref(), &after);
    insert_audit(tx, org, &entry, after.id).await?;
    Ok((before, after))
}

const FORWARD: &str = "SELECT id, scope_type, scope_id, period, amount_cents, pooled_json, created, updated \
     FROM spend_limits WHERE org = $1 AND ($2 = '' OR scope_type = $2) AND id > $3 ORDER BY id LIMIT $4";
const BACKWARD: &str = "SELECT id, scope_type, scope_id, period, amount_cents, pooled_json, created, updated \
     FROM spend_limits WHERE org = $1 AND ($2 = '' OR scope_type = $2) AND id < $3 ORDER BY id DESC LIMIT $4";

/// Writes a limit, over the one of the same scope and period; `is_new` says that there is none.
async fn put(tx: &mut Tx, org: OrgId, new: &SpendLimit, is_new: bool) -> Result<SpendLimit> {
    if is_new && count(tx, org).await? >= limits::SPEND_LIMITS_MAX {
        return Err(StoreError::Full("spend limits"));
    }
    let row = tx
        .row(
            query(
                "INSERT INTO spend_limits (id, org, scope_type, scope_id, period, amount_cents, pooled_json, created, updated) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) \
                 ON CONFLICT (org, scope_type, scope_id, period) DO UPDATE SET \
                   amount_cents = excluded.amount_cents, pooled_json = excluded.pooled_json, updated = excluded.updated \
                 RETURNING id, scope_type, scope_id, period, amount_cents, pooled_json, created, updated",
            )
            .bind(new.id.to_string())
            .bind(org.to_string())
            .bind(new.scope.word())
            .bind(new.scope.id())
            .bind(new.period.as_str())
            .bind(&new.amount_cents)
            .bind(&new.pooled_json)
            .bind(new.updated.unix_ms()),
        )
        .await?;
    read(&row.ok_or(StoreError::Damaged("spend_limits.id"))?)
}

async fn of_scope(tx: &mut Tx, org: OrgId, new: &SpendLimit) -> Result<Option<SpendLimit>> {
    let row = tx
        .row(
            query(
                "SELECT id, scope_type, scope_id, period, amount_cents, pooled_json, created, updated FROM spend_limits \
                 WHERE org = $1 AND scope_type = $2 AND scope_id = $3 AND period = $4",
            )
            .bind(org.to_string())
            .bind(new.scope.word())
            .bind(new.scope.id())
            .bind(new.period.as_str()),
        )
        .await?;
    row.as_ref().map(read).transpose()
}

async fn count(tx: &mut Tx, org: OrgId) -> Result<i64> {
    let statement = query("SELECT COUNT(*) FROM spend_limits WHERE org = $1");
    let row = tx.row(statement.bind(org.to_string())).await?;
    Ok(row.ok_or(StoreError::Damaged("spend_limits"))?.try_get(0)?)
}

async fn insert_audit(
    tx: &mut Tx,
    org: OrgId,
    audit: &SpendLimitAudit,
    target: BudgetId,
) -> Result<()> {
    let statement = query(
        "INSERT INTO spend_limit_audit (id, org, created, actor, action, target, before_json, after_json) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(audit.id.to_string())
    .bind(org.to_string())
    .bind(audit.created.unix_ms())
    .bind(&audit.actor)
    .bind(&audit.action)
    .bind(target.to_string())
    .bind(&audit.before_json)
    .bind(&audit.after_json);
    tx.run(statement).await?;
    Ok(())
}

fn read_audit(row: &AnyRow) -> Result<SpendLimitAudit> {
    Ok(SpendLimitAudit {
        id: id(row, 0, "spend_limit_audit.id")?,
        created: time(row, 1)?,
        actor: row.try_get(2)?,
        action: row.try_get(3)?,
        target: row.try_get(4)?,
        before_json: row.try_get(5)?,
        after_json: row.try_get(6)?,
    })
}

fn read(row: &AnyRow) -> Result<SpendLimit> {
    let period: String = row.try_get(3)?;
    let period = period_of(&period).ok_or(StoreError::Damaged("spend_limits.period"))?;
    let scope = SpendScope::parse(row.try_get(1)?, row.try_get(2)?);
    Ok(SpendLimit {
        id: id(row, 0, "spend_limits.id")?,
        scope: scope.ok_or(StoreError::Damaged("spend_limits.scope"))?,
        period,
        amount_cents: row.try_get(4)?,
        pooled_json: row.try_get(5)?,
        created: time(row, 6)?,
        updated: time(row, 7)?,
    })
}

/// Cents as a decimal text, in dollars.
fn cents(text: &str) -> Option<Usd> {
    let amount: Usd = text.parse().ok()?;
    Some(Usd::from_nanos(amount.nanos() / 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_with_a_pool_is_two_budgets() {
        let limit = SpendLimit {
            id: BudgetId::from_parts(1, 1),
            scope: SpendScope::Group("eng".into()),
            period: Period::Monthly,
            amount_cents: Some("6000".into()),
            pooled_json: Some(r#"{"amount":"100000","paused":false}"#.into()),
            created: Timestamp::default(),
            updated: Timestamp::default(),
        };
        let found = limit.budgets();
        let shape: Vec<_> = found
            .iter()
            .map(|b| (b.scope, b.amount_usd.to_string(), b.period))
            .collect();
        assert_eq!(
            shape,
            [
                (BudgetFor::Member, "60".to_owned(), Period::Monthly),
                (BudgetFor::Group, "1000".to_owned(), Period::Monthly)
            ]
        );
    }
}
