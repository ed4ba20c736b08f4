//! The acceptable-use policy: versions that never change once they are there, and who accepted which. An acceptance is never taken
//! back; a new version asks anew.

use domain::acceptable_use::{Published, Way};
use domain::{OrgId, PersonId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::{ACCEPTABLE_USE, Held, Result, Store, StoreError, id, next, time, unsigned};

/// One version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseVersion {
    /// Its number, from 1.
    pub version: u64,
    /// The tag of its language.
    pub language: String,
    /// The text as people read it, with nothing left to fill in.
    pub text: String,
    /// SHA-256 of the text, in hexadecimal.
    pub fingerprint: String,
    /// The settings that its paragraph on recording was made from.
    pub settings: String,
    /// The oldest version whose acceptance counts for this one.
    pub accept_from: u64,
    /// Who published it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When.
    pub created: Timestamp,
}

impl UseVersion {
    /// What the rules need of it.
    pub const fn published(&self) -> Published {
        Published {
            version: self.version,
            accept_from: self.accept_from,
        }
    }
}

/// What became of an attempt to add a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutUse {
    /// Added, with this number.
    Added(u64),
    /// Somebody else was first; nothing was written. This is the latest version now.
    Conflict(u64),
}

/// That a person accepted a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Who.
    pub person: PersonId,
    /// Which version.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// How.
    pub way: Way,
    /// From where, when it could be told.
    pub address: Option<String>,
}

impl Store {
    /// Adds the version after `expected`, unless that is no longer the latest.
    pub async fn put_use_version(
        &self,
        org: OrgId,
        expected: u64,
        new: &UseVersion,
    ) -> Result<PutUse> {
        let mut tx = self.pools.begin().await?;
        // The counter's row is the lock that orders two authors, and what replicas watch.
        let number = next(&mut tx, org, ACCEPTABLE_USE).await?;
        if number != signed(expected).saturating_add(1) {
            return Ok(PutUse::Conflict(u64::try_from(number - 1).unwrap_or(0)));
        }
        tx.run(
            query(
                "INSERT INTO acceptable_use_versions \
                   (org, version, language, body, fingerprint, settings, accept_from, author, reason, created) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(org.to_string())
            .bind(number)
            .bind(&new.language)
            .bind(&new.text)
            .bind(&new.fingerprint)
            .bind(&new.settings)
            .bind(signed(new.accept_from))
            .bind(&new.author)
            .bind(&new.reason)
            .bind(new.created.unix_ms()),
        )
        .await?;
        tx.commit().await?;
        Ok(PutUse::Added(expected + 1))
    }

    /// The latest version; none before the first.
    pub async fn latest_use_version(&self, org: OrgId) -> Result<Option<UseVersion>> {
        Ok(self.use_versions(org, None, 1).await?.into_iter().next())
    }

    /// One version.
    pub async fn use_version(&self, org: OrgId, version: u64) -> Result<Option<UseVersion>> {
        let before = version.checked_add(1);
        let found = self.use_versions(org, before, 1).await?.into_iter().next();
        Ok(found.filter(|found| found.version == version))
    }

    /// The latest versions before `before` (of all, when there is none), newest first.
    pub async fn use_versions(
        &self,
        org: OrgId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<UseVersion>> {
        let rows = self
            .pools
            .rows(
                query(
                    "SELECT version, language, body, fingerprint, settings, accept_from, author, reason, created \
                     FROM acceptable_use_versions WHERE org = $1 AND version < $2 ORDER BY version DESC LIMIT $3",
                )
                .bind(org.to_string())
                .bind(before.map_or(i64::MAX, signed))
                .bind(i64::from(limit.min(limits::STORE_PAGE_MAX))),
            )
            .await?;
        rows.iter().map(read_version).collect()
    }

    /// Which version is in force, without its text.
    pub async fn published_use(&self, org: OrgId) -> Result<Option<Published>> {
        let statement = query(
            "SELECT version, accept_from FROM acceptable_use_versions WHERE org = $1 ORDER BY version DESC LIMIT 1",
        );
        let row = self.pools.row(statement.bind(org.to_string())).await?;
        row.map(|row| {
            Ok(Published {
                version: unsigned(&row, 0, "acceptable_use_versions.version")?,
                accept_from: unsigned(&row, 1, "acceptable_use_versions.accept_from")?,
            })
        })
        .transpose()
    }

    /// An acceptance of a version and person that are there, to be kept; none when it was accepted before, whose time and place stay.
    pub async fn hold_acceptance(
        &self,
        org: OrgId,
        acceptance: &Acceptance,
    ) -> Result<Option<Held>> {
        self.hold(
            query(
                "INSERT INTO acceptable_use_acceptances (org, person, version, at, way, address) \
                 SELECT p.org, p.id, v.version, $4, $5, $6 \
                 FROM people p JOIN acceptable_use_versions v ON v.org = p.org \
                 WHERE p.org = $1 AND p.id = $2 AND v.version = $3 \
                 ON CONFLICT (org, person, version) DO NOTHING",
            )
            .bind(org.to_string())
            .bind(acceptance.person.to_string())
            .bind(signed(acceptance.version))
            .bind(acceptance.at.unix_ms())
            .bind(acceptance.way.as_str())
            .bind(&acceptance.address),
        )
        .await
    }

    /// Keeps an acceptance that nobody records; false when it was accepted before.
    pub async fn accept_use(&self, org: OrgId, acceptance: &Acceptance) -> Result<bool> {
        match self.hold_acceptance(org, acceptance).await? {
            None => Ok(false),
            Some(held) => held.keep().await.map(|()| true),
        }
    }

    /// The latest version a person accepted.
    pub async fn accepted_use(&self, org: OrgId, person: PersonId) -> Result<Option<u64>> {
        let statement = query(
            "SELECT MAX(version) FROM acceptable_use_acceptances WHERE org = $1 AND person = $2",
        );
        let row = self
            .pools
            .row(statement.bind(org.to_string()).bind(person.to_string()))
            .await?;
        let Some(row) = row else { return Ok(None) };
        let version: Option<i64> = row.try_get(0)?;
        version
            .map(u64::try_from)
            .transpose()
            .map_err(|_| StoreError::Damaged("acceptable_use_acceptances.version"))
    }

    /// Everything a person accepted, the latest version first.
    pub async fn acceptances_of(
        &self,
        org: OrgId,
        person: PersonId,
        limit: u32,
    ) -> Result<Vec<Acceptance>> {
        let statement = query(
            "SELECT person, version, at, way, address FROM acceptable_use_acceptances \
             WHERE org = $1 AND person = $2 ORDER BY version DESC LIMIT $3",
        )
        .bind(org.to_string())
        .bind(person.to_string())
        .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        let rows = self.pools.rows(statement).await?;
        rows.iter().map(read_acceptance).collect()
    }

    /// Each person's latest acceptance among the people between two ids, the first left out, for whoever reads the people page by
    /// page.
    pub async fn latest_acceptances(
        &self,
        org: OrgId,
        after: Option<PersonId>,
        until: PersonId,
    ) -> Result<Vec<Acceptance>> {
        let statement = query(
            "SELECT a.person, a.version, a.at, a.way, a.address FROM acceptable_use_acceptances a \
             WHERE a.org = $1 AND a.person > $2 AND a.person <= $3 AND a.version = \
               (SELECT MAX(b.version) FROM acceptable_use_acceptances b WHERE b.org = a.org AND b.person = a.person) \
             ORDER BY a.person LIMIT $4",
        )
        .bind(org.to_string())
        .bind(after.map_or_else(String::new, |after| after.to_string()))
        .bind(until.to_string())
        .bind(i64::from(limits::STORE_PAGE_MAX));
        let rows = self.pools.rows(statement).await?;
        rows.iter().map(read_acceptance).collect()
    }
}

fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn read_version(row: &AnyRow) -> Result<UseVersion> {
    Ok(UseVersion {
        version: unsigned(row, 0, "acceptable_use_versions.version")?,
        language: row.try_get(1)?,
        text: row.try_get(2)?,
        fingerprint: row.try_get(3)?,
        settings: row.try_get(4)?,
        accept_from: unsigned(row, 5, "acceptable_use_versions.accept_from")?,
        author: row.try_get(6)?,
        reason: row.try_get(7)?,
        created: time(row, 8)?,
    })
}

/// A row of `person, version, at, way, address`.
pub(crate) fn read_acceptance(row: &AnyRow) -> Result<Acceptance> {
    Ok(Acceptance {
        person: id(row, 0, "acceptable_use_acceptances.person")?,
        version: unsigned(row, 1, "acceptable_use_acceptances.version")?,
        at: time(row, 2)?,
        way: id(row, 3, "acceptable_use_acceptances.way")?,
        address: row.try_get(4)?,
    })
}
