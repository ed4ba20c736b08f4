//! What connectors listed, what of it was approved, and what was found about them before they were enabled. Definitions are kept as
//! canonical JSON and never looked into here. An approval names the definition it is about: when another one is offered by then, it is
//! not made.

use std::collections::BTreeMap;

use domain::connectors::{ActionClass, DefinitionKind};
use domain::{ConnectorReviewId, OrgId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::Query;
use crate::{REVIEWS, Result, Store, StoreError, id, maybe_time, next, time, unsigned};

/// A definition that somebody approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// Canonical JSON.
    pub definition: String,
    /// Its hash.
    pub hash: String,
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A definition that somebody looked at and left blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its hash.
    pub hash: String,
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A definition as its connector offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionSeen {
    /// The name of what it is of.
    pub name: String,
    /// Canonical JSON; none where it cannot be read.
    pub offered: Option<String>,
    /// Why it cannot be read.
    pub unfit: Option<String>,
    /// Its hash; of what cannot be read, that of the bytes.
    pub hash: String,
    /// What a tool does to the world; of what is none it says nothing.
    pub class: ActionClass,
    /// By what that was found.
    pub basis: String,
    /// What is suspicious about it, as JSON.
    pub findings: String,
}

/// Something that Claude reads of a connector at one place, and its definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorDefinition {
    /// As it was last listed.
    pub seen: DefinitionSeen,
    /// When it was first listed.
    pub first_seen: Timestamp,
    /// Whether the connector lists it still.
    pub listed: bool,
    /// Since when it is offered so.
    pub offered_at: Timestamp,
    /// What an administrator said that it does.
    pub said: Option<ActionClass>,
    /// The definition that was approved.
    pub approved: Option<Approved>,
    /// The definition that was left blocked.
    pub kept: Option<Kept>,
}

/// When a connector was last asked for its actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectorListing {
    /// When.
    pub at: Timestamp,
    /// How many it lists.
    pub actions: u64,
    /// How many of them were more, or had longer names, than are noted.
    pub dropped: u64,
}

/// What somebody found about a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorReview {
    /// Its id.
    pub id: ConnectorReviewId,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Whether it may be used.
    pub enabled: bool,
    /// How much is at risk: `low`, `medium` or `high`.
    pub risk: String,
    /// Who runs it.
    pub vendor: String,
    /// Why.
    pub reason: String,
}

/// The name of something that some connector lists or listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// What it is.
    pub kind: DefinitionKind,
    /// The connector.
    pub connector: String,
    /// Its name.
    pub name: String,
    /// Whether it is listed still.
    pub listed: bool,
}

/// One definition: its connector, the connector's place, its kind and its name.
pub type DefinitionAt<'o> = (&'o str, &'o str, DefinitionKind, &'o str);

const COLUMNS: &str = "name, offered, unfit, offered_hash, class, basis, findings, first_seen, listed, offered_at, said, \
     approved, approved_hash, approved_by, approved_at, kept_hash, kept_by, kept_at";

impl Store {
    /// What a connector at a place has of a kind, by name.
    pub async fn connector_definitions(
        &self,
        org: OrgId,
        (connector, place): (&str, &str),
        kind: DefinitionKind,
    ) -> Result<Vec<ConnectorDefinition>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM connector_definitions WHERE org = $1 AND connector = $2 AND place = $3 AND kind = $4 \
             ORDER BY name LIMIT $5"
        ));
        let most = i64::try_from(2 * limits::ACTIONS_NOTED_MAX).unwrap_or(i64::MAX);
        let statement = query(sql)
            .bind(org.to_string())
            .bind(connector)
            .bind(place)
            .bind(kind.as_str())
            .bind(most);
        self.pools.rows(statement).await?.iter().map(read).collect()
    }

    /// One of them.
    pub async fn connector_definition(
        &self,
        org: OrgId,
        one: DefinitionAt<'_>,
    ) -> Result<Option<ConnectorDefinition>> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM connector_definitions \
             WHERE org = $1 AND connector = $2 AND place = $3 AND kind = $4 AND name = $5"
        ));
        let row = self.pools.row(named(query(sql), org, one)).await?;
        row.as_ref().map(read).transpose()
    }

    /// Names of what every connector has, tools first, a bounded number of them.
    pub async fn definition_neighbours(&self, org: OrgId) -> Result<Vec<Neighbour>> {
        let statement = query(
            "SELECT kind, connector, name, MAX(listed) FROM connector_definitions WHERE org = $1 \
             GROUP BY kind, connector, name ORDER BY kind DESC, connector, name LIMIT $2",
        )
        .bind(org.to_string())
        .bind(i64::from(limits::ACTION_NEIGHBOURS_MAX));
        let rows = self.pools.rows(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(Neighbour {
                    kind: kind(row.try_get(0)?)?,
                    connector: row.try_get(1)?,
                    name: row.try_get(2)?,
                    listed: row.try_get::<i64, _>(3)? == 1,
                })
            })
            .collect()
    }

    /// Notes what a connector has of a kind: `seen` are the definitions that are new or are offered otherwise, `gone` the names of those that
    /// are listed no more, `back` of those that are listed as before and were not. Only of its tools is kept when it was asked. One
    /// transaction.
    pub async fn note_definitions(
        &self,
        org: OrgId,
        (connector, place, kind): (&str, &str, DefinitionKind),
        listing: ConnectorListing,
        (seen, gone, back): (&[DefinitionSeen], &[String], &[String]),
    ) -> Result<()> {
        let mut tx = self.pools.begin().await?;
        for one in seen {
            tx.run(note(org, (connector, place, kind), listing.at, one))
                .await?;
        }
        for (names, listed) in [(gone, 0_i64), (back, 1)] {
            for name in names {
                let statement = query(
                    "UPDATE connector_definitions SET listed = $6 \
                     WHERE org = $1 AND connector = $2 AND place = $3 AND kind = $4 AND name = $5",
                );
                let statement = named(statement, org, (connector, place, kind, name));
                tx.run(statement.bind(listed)).await?;
            }
        }
        if kind == DefinitionKind::Tool {
            tx.run(asked(org, (connector, place), listing)).await?;
        }
        tx.commit().await
    }

    /// When a connector at a place was last asked.
    pub async fn connector_listing(
        &self,
        org: OrgId,
        connector: &str,
        place: &str,
    ) -> Result<Option<ConnectorListing>> {
        let statement = query(
            "SELECT at, actions, dropped FROM connector_listings WHERE org = $1 AND connector = $2 AND place = $3",
        )
        .bind(org.to_string())
        .bind(connector)
        .bind(place);
        let row = self.pools.row(statement).await?;
        row.as_ref()
            .map(|row| {
                Ok(ConnectorListing {
                    at: time(row, 0)?,
                    actions: unsigned(row, 1, "connector_listings.actions")?,
                    dropped: unsigned(row, 2, "connector_listings.dropped")?,
                })
            })
            .transpose()
    }

    /// Approves the definition of this hash, if it is the one offered still and can be read. Whether it did.
    pub async fn approve_definition(
        &self,
        org: OrgId,
        one: DefinitionAt<'_>,
        hash: &str,
        (by, at): (&str, Timestamp),
    ) -> Result<bool> {
        let statement = query(
            "UPDATE connector_definitions SET approved = offered, approved_hash = offered_hash, approved_by = $7, \
             approved_at = $8, kept_hash = NULL, kept_by = NULL, kept_at = NULL \
             WHERE org = $1 AND connector = $2 AND place = $3 AND kind = $4 AND name = $5 AND offered_hash = $6 AND offered IS NOT NULL",
        );
        let statement = named(statement, org, one).bind(hash);
        Ok(self
            .pools
            .write(statement.bind(by).bind(at.unix_ms()))
            .await?
            == 1)
    }

    /// Leaves the definition of this hash blocked, if it is the one offered still. What was approved before stays approved, unless it is
    /// this very definition. Whether it did.
    pub async fn keep_definition(
        &self,
        org: OrgId,
        one: DefinitionAt<'_>,
        hash: &str,
        (by, at): (&str, Timestamp),
    ) -> Result<bool> {
        let statement = query(
            "UPDATE connector_definitions SET kept_hash = offered_hash, kept_by = $7, kept_at = $8, \
             approved = CASE WHEN approved_hash = $6 THEN NULL ELSE approved END, \
             approved_by = CASE WHEN approved_hash = $6 THEN NULL ELSE approved_by END, \
             approved_at = CASE WHEN approved_hash = $6 THEN NULL ELSE approved_at END, \
             approved_hash = CASE WHEN approved_hash = $6 THEN NULL ELSE approved_hash END \
             WHERE org = $1 AND connector = $2 AND place = $3 AND kind = $4 AND name = $5 AND offered_hash = $6",
        );
        let statement = named(statement, org, one).bind(hash);
        Ok(self
            .pools
            .write(statement.bind(by).bind(at.unix_ms()))
            .await?
            == 1)
    }

    /// Notes what an administrator says that a tool does, and the class that follows. Whether there is such a tool.
    pub async fn say_class(
        &self,
        org: OrgId,
        (connector, place, tool): (&str, &str, &str),
        said: Option<ActionClass>,
        (class, basis): (ActionClass, &str),
    ) -> Result<bool> {
        let statement = query(
            "UPDATE connector_definitions SET said = $6, class = $7, basis = $8 \
             WHERE org = $1 AND connector = $2 AND place = $3 AND kind = $4 AND name = $5",
        );
        let statement = named(
            statement,
            org,
            (connector, place, DefinitionKind::Tool, tool),
        )
        .bind(said.map(ActionClass::as_str))
        .bind(class.as_str())
        .bind(basis);
        Ok(self.pools.write(statement).await? == 1)
    }

    /// Keeps a review.
    pub async fn add_connector_review(
        &self,
        org: OrgId,
        (connector, place): (&str, &str),
        review: &ConnectorReview,
    ) -> Result<()> {
        let statement = query(
            "INSERT INTO connector_reviews (id, org, connector, place, at, made_by, enabled, risk, vendor, reason, number) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(review.id.to_string())
        .bind(org.to_string())
        .bind(connector)
        .bind(place)
        .bind(review.at.unix_ms())
        .bind(&review.by)
        .bind(i64::from(review.enabled))
        .bind(&review.risk)
        .bind(&review.vendor)
        .bind(&review.reason);
        let mut tx = self.pools.begin().await?;
        let number = next(&mut tx, org, REVIEWS).await?;
        tx.run(statement.bind(number)).await?;
        tx.commit().await
    }

    /// Whether the newest review of each connector and place lets it be used. Of more than [`limits::REVIEWED_PLACES_MAX`] those that say yes are
    /// left out first, the oldest of them.
    pub async fn reviewed(&self, org: OrgId) -> Result<BTreeMap<(String, String), bool>> {
        let statement = query(
            "SELECT r.connector, r.place, r.enabled FROM connector_reviews r \
             JOIN (SELECT connector, place, MAX(number) AS number FROM connector_reviews WHERE org = $1 GROUP BY connector, place) n \
               ON n.connector = r.connector AND n.place = r.place AND n.number = r.number \
             WHERE r.org = $1 ORDER BY r.enabled, r.number DESC LIMIT $2",
        );
        let statement = statement
            .bind(org.to_string())
            .bind(i64::from(limits::REVIEWED_PLACES_MAX));
        let rows = self.pools.rows(statement).await?;
        let read = rows.iter().map(|row| {
            let key = (row.try_get(0)?, row.try_get(1)?);
            Ok((key, row.try_get::<i64, _>(2)? == 1))
        });
        read.collect()
    }

    /// Reviews of a connector at a place, newest first.
    pub async fn connector_reviews(
        &self,
        org: OrgId,
        connector: &str,
        place: &str,
    ) -> Result<Vec<ConnectorReview>> {
        let statement = query(
            "SELECT id, at, made_by, enabled, risk, vendor, reason FROM connector_reviews \
             WHERE org = $1 AND connector = $2 AND place = $3 ORDER BY number DESC, id DESC LIMIT $4",
        )
        .bind(org.to_string())
        .bind(connector)
        .bind(place)
        .bind(i64::from(limits::CONNECTOR_REVIEWS_SHOWN));
        let rows = self.pools.rows(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(ConnectorReview {
                    id: id(row, 0, "connector_reviews.id")?,
                    at: time(row, 1)?,
                    by: row.try_get(2)?,
                    enabled: row.try_get::<i64, _>(3)? == 1,
                    risk: row.try_get(4)?,
                    vendor: row.try_get(5)?,
                    reason: row.try_get(6)?,
                })
            })
            .collect()
    }
}

fn named<'q>(
    statement: Query<'q>,
    org: OrgId,
    (connector, place, kind, name): DefinitionAt<'q>,
) -> Query<'q> {
    statement
        .bind(org.to_string())
        .bind(connector)
        .bind(place)
        .bind(kind.as_str())
        .bind(name)
}

fn asked<'q>(
    org: OrgId,
    (connector, place): (&'q str, &'q str),
    listing: ConnectorListing,
) -> Query<'q> {
    query(
        "INSERT INTO connector_listings (org, connector, place, at, actions, dropped) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (org, connector, place) DO UPDATE SET at = $4, actions = $5, dropped = $6",
    )
    .bind(org.to_string())
    .bind(connector)
    .bind(place)
    .bind(listing.at.unix_ms())
    .bind(i64::try_from(listing.actions).unwrap_or(i64::MAX))
    .bind(i64::try_from(listing.dropped).unwrap_or(i64::MAX))
}

fn note<'q>(
    org: OrgId,
    (connector, place, kind): (&'q str, &'q str, DefinitionKind),
    at: Timestamp,
    seen: &'q DefinitionSeen,
) -> Query<'q> {
    let statement = query(
        "INSERT INTO connector_definitions (org, connector, place, kind, name, first_seen, listed, offered, unfit, offered_hash, \
         offered_at, class, basis, findings) VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $6, $10, $11, $12) \
         ON CONFLICT (org, connector, place, kind, name) DO UPDATE SET listed = 1, offered = $7, unfit = $8, offered_hash = $9, \
         offered_at = $6, class = $10, basis = $11, findings = $12",
    );
    named(statement, org, (connector, place, kind, &seen.name))
        .bind(at.unix_ms())
        .bind(seen.offered.as_deref())
        .bind(seen.unfit.as_deref())
        .bind(&seen.hash)
        .bind(seen.class.as_str())
        .bind(&seen.basis)
        .bind(&seen.findings)
}

fn kind(word: &str) -> Result<DefinitionKind> {
    let damaged = |_| StoreError::Damaged("connector_definitions.kind");
    word.parse().map_err(damaged)
}

fn class(word: &str, column: &'static str) -> Result<ActionClass> {
    word.parse().map_err(|_| StoreError::Damaged(column))
}

fn read(row: &AnyRow) -> Result<ConnectorDefinition> {
    let said: Option<String> = row.try_get(10)?;
    Ok(ConnectorDefinition {
        seen: DefinitionSeen {
            name: row.try_get(0)?,
            offered: row.try_get(1)?,
            unfit: row.try_get(2)?,
            hash: row.try_get(3)?,
            class: class(row.try_get(4)?, "connector_definitions.class")?,
            basis: row.try_get(5)?,
            findings: row.try_get(6)?,
        },
        first_seen: time(row, 7)?,
        listed: row.try_get::<i64, _>(8)? == 1,
        offered_at: time(row, 9)?,
        said: said
            .map(|word| class(&word, "connector_definitions.said"))
            .transpose()?,
        approved: approved(row)?,
        kept: kept(row)?,
    })
}

fn approved(row: &AnyRow) -> Result<Option<Approved>> {
    let (definition, hash): (Option<String>, Option<String>) = (row.try_get(11)?, row.try_get(12)?);
    let (by, at): (Option<String>, _) = (row.try_get(13)?, maybe_time(row, 14)?);
    Ok(match (definition, hash, at) {
        (Some(definition), Some(hash), Some(at)) => Some(Approved {
            definition,
            hash,
            by: by.unwrap_or_default(),
            at,
        }),
        _ => None,
    })
}

fn kept(row: &AnyRow) -> Result<Option<Kept>> {
    let (hash, by): (Option<String>, Option<String>) = (row.try_get(15)?, row.try_get(16)?);
    Ok(match (hash, maybe_time(row, 17)?) {
        (Some(hash), Some(at)) => Some(Kept {
            hash,
            by: by.unwrap_or_default(),
            at,
        }),
        _ => None,
    })
}
