//! People's own authorisations at connectors. One is found only for the person who gave it, at the connector and the address it was given
//! for, and only while that person may come in: whoever was shut out since is as good as somebody who never gave one. What is secret
//! comes and goes sealed. Renewing is for one replica at a time. Called by `control`, which decides who may.

use domain::{OrgId, PersonId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::{Query, Tx};
use crate::leases::tuples;
use crate::people::hold_person;
use crate::{Held, Result, Store, StoreError, id, maybe_time, time};

/// A person's authorisation at a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose.
    pub person: PersonId,
    /// At which connector, by its name in the policy.
    pub connector: String,
    /// Where it is good for: the connector's address, or as `domain::policy::own` says it of a key.
    pub address: String,
    /// Who gave it: the authorization server's issuer; empty for a key of their own.
    pub issuer: String,
    /// What it covers, in that server's words.
    pub scope: String,
    /// What is secret, sealed.
    pub sealed: Vec<u8>,
    /// Grows with each change of what is sealed, and with each that takes the place of another.
    pub version: i64,
    /// Since when.
    pub connected: Timestamp,
    /// When what is sealed last changed.
    pub renewed: Timestamp,
    /// When its access token ends, where that is known.
    pub expires: Option<Timestamp>,
    /// Since when it is refused there.
    pub dead_since: Option<Timestamp>,
    /// What the connector wanted since beyond what it covers.
    pub wants: String,
}

/// What becomes of keeping one.
#[must_use = "what is not kept was never given"]
#[derive(Debug)]
pub enum KeepingGrant {
    /// It can be kept; the one that it takes the place of, where there was one.
    Held(Held, Option<Box<Grant>>),
    /// The person may not come in any more.
    Out,
}

/// What renewing brought.
#[derive(Debug, Clone, Copy)]
pub struct Renewed<'r> {
    /// What is secret, sealed.
    pub sealed: &'r [u8],
    /// What it covers now.
    pub scope: &'r str,
    /// When.
    pub at: Timestamp,
    /// When its access token ends, where that is known.
    pub expires: Option<Timestamp>,
}

/// The columns in the order that [`read`] wants them.
macro_rules! columns {
    () => {
        "person, connector, address, issuer, scope, sealed, version, connected, renewed, expires, dead_since, wants"
    };
}

/// Those of `grants g` that do not count any more, because their person may not come in, or was shut out in between.
const OF_LEAVERS: &str = "NOT EXISTS (SELECT 1 FROM people p WHERE p.org = grants.org AND p.id = grants.person \
     AND p.disabled_at IS NULL AND p.left_at IS NULL AND p.not_before < grants.connected)";

/// A look at those that count, which ends as said.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM grants WHERE EXISTS (SELECT 1 FROM people p WHERE p.org = grants.org AND p.id = grants.person \
             AND p.disabled_at IS NULL AND p.left_at IS NULL AND p.not_before < grants.connected) ",
            $rest
        )
    };
}

impl Store {
    /// A new one, to be kept in the place of the one before it, and of a later version than that one whatever the clock says.
    pub async fn hold_grant(&self, org: OrgId, new: &Grant) -> Result<KeepingGrant> {
        let mut tx = self.pools.begin().await?;
        // Held until the end, so that nobody shuts them out in between.
        let person = hold_person(&mut tx, org, new.person).await?;
        if !person.is_some_and(|person| person.admits(new.connected)) {
            return Ok(KeepingGrant::Out);
        }
        let before = taken(&mut tx, org, (new.person, &new.connector)).await?;
        let after = before
            .as_ref()
            .map(|before| before.version.saturating_add(1));
        let version = after.map_or(new.version, |after| after.max(new.version));
        let rows = tx.run(insert(org, new, version)).await?;
        let held = Held::of(tx, rows).ok_or(StoreError::Damaged("grants"))?;
        Ok(KeepingGrant::Held(held, before.map(Box::new)))
    }

    /// A person's at a connector, if it counts.
    pub async fn grant(
        &self,
        org: OrgId,
        person: PersonId,
        connector: &str,
    ) -> Result<Option<Grant>> {
        let statement = query(select!(
            "AND grants.org = $1 AND grants.person = $2 AND grants.connector = $3"
        ));
        let statement = statement
            .bind(org.to_string())
            .bind(person.to_string())
            .bind(connector);
        let row = self.pools.row(statement).await?;
        row.as_ref().map(read).transpose()
    }

    /// A person's, by connector.
    pub async fn grants_of(&self, org: OrgId, person: PersonId) -> Result<Vec<Grant>> {
        let statement = query(select!(
            "AND grants.org = $1 AND grants.person = $2 ORDER BY grants.connector LIMIT $3"
        ));
        let statement = statement
            .bind(org.to_string())
            .bind(person.to_string())
            .bind(i64::from(limits::STORE_PAGE_MAX));
        self.pools.rows(statement).await?.iter().map(read).collect()
    }

    /// Those that count of a connector at an address, by person: at most `limit` after one of them, and whether there are more.
    pub async fn grants_page(
        &self,
        org: OrgId,
        (connector, address): (&str, &str),
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<(Vec<Grant>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let statement = query(select!(
            "AND grants.org = $1 AND grants.connector = $2 AND grants.address = $3 AND grants.person > $4 \
             ORDER BY grants.person LIMIT $5"
        ));
        let statement = statement
            .bind(org.to_string())
            .bind(connector)
            .bind(address)
            .bind(after.map_or_else(String::new, |after| after.to_string()))
            .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }

    /// Which of these, each by whose it is, its connector and its version, count and are not refused.
    pub async fn standing_grants(
        &self,
        org: OrgId,
        of: &[(PersonId, String, i64)],
    ) -> Result<Vec<(PersonId, String, i64)>> {
        let asked = of.len().min(limits::STORE_PAGE_MAX as usize);
        if asked == 0 {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT person, connector, version FROM grants WHERE org = $1 AND dead_since IS NULL AND NOT {OF_LEAVERS} \
             AND (person, connector) IN {}",
            tuples(asked, 2, 1)
        );
        let statement = query(sqlx::AssertSqlSafe(sql)).bind(org.to_string());
        let named = of.iter().take(asked);
        let statement = named.fold(statement, |statement, (person, connector, _)| {
            statement.bind(person.to_string()).bind(connector)
        });
        let rows = self.pools.rows(statement).await?;
        let found = rows.iter().map(|row| {
            let person = id(row, 0, "grants.person")?;
            Ok((person, row.try_get(1)?, row.try_get(2)?))
        });
        let mut found = found.collect::<Result<Vec<_>>>()?;
        found.retain(|one| of.contains(one));
        Ok(found)
    }

    /// Takes the turn to renew one of this version until a moment; false when another replica has it, or has renewed it.
    pub async fn take_grant_turn(
        &self,
        org: OrgId,
        grant: &Grant,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool> {
        let statement = query(
            "UPDATE grants SET renewing_until = $5 WHERE org = $1 AND person = $2 AND connector = $3 AND version = $4 \
             AND (renewing_until IS NULL OR renewing_until <= $6)",
        );
        let statement = one(statement, org, grant)
            .bind(until.unix_ms())
            .bind(now.unix_ms());
        Ok(self.pools.write(statement).await? == 1)
    }

    /// Gives the turn back where nothing came of it.
    pub async fn leave_grant_turn(&self, org: OrgId, grant: &Grant) -> Result<()> {
        let statement = query(
            "UPDATE grants SET renewing_until = NULL WHERE org = $1 AND person = $2 AND connector = $3 AND version = $4",
        );
        self.pools.write(one(statement, org, grant)).await?;
        Ok(())
    }

    /// Keeps what renewing brought; false when the grant is another by now, or gone.
    pub async fn renew_grant(&self, org: OrgId, grant: &Grant, now: Renewed<'_>) -> Result<bool> {
        let statement = query(
            "UPDATE grants SET sealed = $5, scope = $6, renewed = $7, expires = $8, version = version + 1, dead_since = NULL, \
             renewing_until = NULL WHERE org = $1 AND person = $2 AND connector = $3 AND version = $4",
        );
        let statement = one(statement, org, grant)
            .bind(now.sealed)
            .bind(now.scope)
            .bind(now.at.unix_ms())
            .bind(now.expires.map(Timestamp::unix_ms));
        Ok(self.pools.write(statement).await? == 1)
    }

    /// Notes what the connector wants beyond what one covers; false when it is another by now, or gone.
    pub async fn want_of_grant(&self, org: OrgId, grant: &Grant, wants: &str) -> Result<bool> {
        let statement = query(
            "UPDATE grants SET wants = $5 WHERE org = $1 AND person = $2 AND connector = $3 AND version = $4",
        );
        let statement = one(statement, org, grant).bind(wants);
        Ok(self.pools.write(statement).await? == 1)
    }

    /// Notes that one is refused where it was given, to be kept; none when it is another by now, gone, or noted already.
    pub async fn hold_dead_grant(
        &self,
        org: OrgId,
        grant: &Grant,
        at: Timestamp,
    ) -> Result<Option<Held>> {
        let statement = query(
            "UPDATE grants SET dead_since = $5, version = version + 1, renewing_until = NULL \
             WHERE org = $1 AND person = $2 AND connector = $3 AND version = $4 AND dead_since IS NULL",
        );
        let statement = one(statement, org, grant).bind(at.unix_ms());
        self.hold(statement).await
    }

    /// Takes a person's at a connector away, to be kept; as it was, so that it can be ended where it was given. None when there is none.
    pub async fn hold_grant_end(
        &self,
        org: OrgId,
        person: PersonId,
        connector: &str,
    ) -> Result<Option<(Held, Grant)>> {
        let mut tx = self.pools.begin().await?;
        let grant = taken(&mut tx, org, (person, connector)).await?;
        Ok(grant.and_then(|grant| Some((Held::of(tx, 1)?, grant))))
    }

    /// As [`Store::hold_grant_end`], only where its person may not come in any more, or was shut out since they gave it.
    pub async fn hold_leavers_grant_end(
        &self,
        org: OrgId,
        grant: &Grant,
    ) -> Result<Option<(Held, Grant)>> {
        let mut tx = self.pools.begin().await?;
        let sql = format!(
            "DELETE FROM grants WHERE org = $1 AND person = $2 AND connector = $3 AND {OF_LEAVERS} RETURNING {}",
            columns!()
        );
        let statement = query(sqlx::AssertSqlSafe(sql))
            .bind(org.to_string())
            .bind(grant.person.to_string())
            .bind(&grant.connector);
        let row = tx.row(statement).await?;
        let grant = row.as_ref().map(read).transpose()?;
        Ok(grant.and_then(|grant| Some((Held::of(tx, 1)?, grant))))
    }

    /// Those of people who may not come in any more, or were shut out since they gave them.
    pub async fn grants_of_leavers(&self, org: OrgId, limit: u32) -> Result<Vec<Grant>> {
        let sql = format!(
            "SELECT {} FROM grants WHERE org = $1 AND {OF_LEAVERS} ORDER BY person, connector LIMIT $2",
            columns!()
        );
        let statement = query(sqlx::AssertSqlSafe(sql))
            .bind(org.to_string())
            .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        self.pools.rows(statement).await?.iter().map(read).collect()
    }

    /// Every connector, with an address, that somebody has one of.
    pub async fn granted_places(&self, org: OrgId) -> Result<Vec<(String, String)>> {
        let statement = query(
            "SELECT DISTINCT connector, address FROM grants WHERE org = $1 ORDER BY connector, address LIMIT $2",
        );
        let statement = statement
            .bind(org.to_string())
            .bind(i64::from(limits::STORE_PAGE_MAX));
        let rows = self.pools.rows(statement).await?;
        let place = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(place).collect()
    }

    /// Whose there are of a connector at an address.
    pub async fn grants_at(
        &self,
        org: OrgId,
        (connector, address): (&str, &str),
        limit: u32,
    ) -> Result<Vec<Grant>> {
        let statement = query(concat!(
            "SELECT ",
            columns!(),
            " FROM grants WHERE org = $1 AND connector = $2 AND address = $3 ORDER BY person LIMIT $4"
        ));
        let statement = statement
            .bind(org.to_string())
            .bind(connector)
            .bind(address)
            .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        self.pools.rows(statement).await?.iter().map(read).collect()
    }
}

/// The four values that name one of a version.
fn one<'q>(statement: Query<'q>, org: OrgId, grant: &'q Grant) -> Query<'q> {
    statement
        .bind(org.to_string())
        .bind(grant.person.to_string())
        .bind(&grant.connector)
        .bind(grant.version)
}

/// Takes a person's at a connector away and returns it.
async fn taken(
    tx: &mut Tx,
    org: OrgId,
    (person, connector): (PersonId, &str),
) -> Result<Option<Grant>> {
    let statement = query(concat!(
        "DELETE FROM grants WHERE org = $1 AND person = $2 AND connector = $3 RETURNING ",
        columns!()
    ));
    let statement = statement
        .bind(org.to_string())
        .bind(person.to_string())
        .bind(connector);
    let row = tx.row(statement).await?;
    row.as_ref().map(read).transpose()
}

fn insert(org: OrgId, new: &Grant, version: i64) -> Query<'_> {
    query(
        "INSERT INTO grants (org, person, connector, address, issuer, scope, sealed, version, connected, renewed, expires, dead_since, wants) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(org.to_string())
    .bind(new.person.to_string())
    .bind(&new.connector)
    .bind(&new.address)
    .bind(&new.issuer)
    .bind(&new.scope)
    .bind(&*new.sealed)
    .bind(version)
    .bind(new.connected.unix_ms())
    .bind(new.renewed.unix_ms())
    .bind(new.expires.map(Timestamp::unix_ms))
    .bind(new.dead_since.map(Timestamp::unix_ms))
    .bind(&new.wants)
}

fn read(row: &AnyRow) -> Result<Grant> {
    Ok(Grant {
        person: id(row, 0, "grants.person")?,
        connector: row.try_get(1)?,
        address: row.try_get(2)?,
        issuer: row.try_get(3)?,
        scope: row.try_get(4)?,
        sealed: row.try_get(5)?,
        version: row.try_get(6)?,
        connected: time(row, 7)?,
        renewed: time(row, 8)?,
        expires: maybe_time(row, 9)?,
        dead_since: maybe_time(row, 10)?,
        wants: row.try_get(11)?,
    })
}
