//! Users of a directory, each hanging on a person. One whose `externalId` is the stable id of somebody who signed in before hangs on
//! that person, who keeps id, budgets and history; one who signs in later finds the person made here. E-mail addresses and
//! names never decide who someone is. Inactive and deleted users are shut out in the same transaction.

use domain::{DirectoryUserId, OrgId, PersonId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use super::{Source, tell, turn_to_shut_out};
use crate::connection::Tx;
use crate::people::{Word, let_in_again, shut_out_in};
use crate::{Result, Store, StoreError, id, maybe_time, time};

/// A user as the directory provisioned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryUser {
    /// The id the directory knows it by; never changes and is never another's.
    pub id: DirectoryUserId,
    /// The person it hangs on.
    pub person: PersonId,
    /// Whether an administrator chose the person.
    pub by_hand: bool,
    /// Whether the person may come in.
    pub active: bool,
    /// The attributes, as JSON.
    pub body: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
    /// Grows with each change.
    pub version: i64,
}

/// What a user is to be.
#[derive(Debug, Clone, Copy)]
pub struct UserState<'a> {
    /// `userName` in one case; one user of a source has it.
    pub user_name: &'a str,
    /// The directory's own id; one user of a source has it.
    pub external_id: Option<&'a str>,
    /// Whether the person may come in.
    pub active: bool,
    /// The attributes, as JSON.
    pub body: &'a str,
    /// For reading.
    pub email: Option<&'a str>,
    /// For reading.
    pub name: Option<&'a str>,
}

/// The ids that a new user, and a new person, get.
#[derive(Debug, Clone, Copy)]
pub struct NewUser {
    /// The user's.
    pub user: DirectoryUserId,
    /// The person's, should there be none yet.
    pub person: PersonId,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserWrite {
    /// It is so now.
    Done(DirectoryUser),
    /// Another user has the name, external id or person; nothing was written.
    Taken(&'static str),
    /// It was changed in between, or has another version than was asked for; nothing was written.
    Stale,
    /// There is none of this id.
    Gone,
}

/// A look at users that ends as said.
macro_rules! sql {
    ($rest:literal) => {
        concat!(
            "SELECT id, person, by_hand, active, body, created, modified, version FROM directory_users ",
            $rest
        )
    };
}

impl Store {
    /// Makes a user. One that was deleted and had this external id comes back under its old id.
    pub async fn add_directory_user(
        &self,
        org: OrgId,
        source: &Source,
        new: NewUser,
        state: UserState<'_>,
        at: Timestamp,
    ) -> Result<UserWrite> {
        let mut tx = self.pools.begin().await?;
        turn_to_shut_out(&mut tx, org).await?;
        let scope = Scope { org, source, at };
        let old = match scope.taken(&mut tx, None, &state).await? {
            Err(field) => return Ok(UserWrite::Taken(field)),
            Ok(deleted) => deleted,
        };
        if old.is_none() && scope.count_one_more(&mut tx).await? > limits::DIRECTORY_USERS_MAX {
            return Err(StoreError::Full("users of this directory"));
        }
        let user = old.unwrap_or(new.user);
        let stable_id = scope.stable_id(state.external_id, new.person);
        let person = scope.ensure_person(&mut tx, new.person, &stable_id).await?;
        if scope.is_others(&mut tx, person, user).await? {
            return Ok(UserWrite::Taken("externalId"));
        }
        let statement = query(match old {
            None => {
                "INSERT INTO directory_users (id, org, source, person, by_hand, user_name, external_id, active, body, created, modified, version) \
                 VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $9, 1)"
            }
            Some(_) => {
                "UPDATE directory_users SET person = $4, by_hand = 0, user_name = $5, external_id = $6, active = $7, body = $8, \
                 created = $9, modified = $9, version = version + 1, deleted_at = NULL WHERE id = $1 AND org = $2 AND source = $3"
            }
        });
        let statement = statement.bind(user.to_string()).bind(org.to_string());
        let statement = statement.bind(source.key()).bind(person.to_string());
        let statement = statement.bind(state.user_name).bind(state.external_id);
        let statement = statement.bind(i64::from(state.active)).bind(state.body);
        tx.run(statement.bind(at.unix_ms())).await?;
        scope.describe(&mut tx, person, &state).await?;
        scope.admit(&mut tx, person, state.active).await?;
        tell(&mut tx, org, &[person], at).await?;
        let made = scope.live(&mut tx, user).await?;
        tx.commit().await?;
        Ok(made.map_or(UserWrite::Gone, UserWrite::Done))
    }

    /// Makes a user what `state` says, if it still has version `expected`.
    pub async fn put_directory_user(
        &self,
        org: OrgId,
        source: &Source,
        (user, expected): (DirectoryUserId, i64),
        (state, new): (UserState<'_>, PersonId),
        at: Timestamp,
    ) -> Result<UserWrite> {
        let mut tx = self.pools.begin().await?;
        turn_to_shut_out(&mut tx, org).await?;
        let scope = Scope { org, source, at };
        let Some(before) = scope.live(&mut tx, user).await? else {
            return Ok(UserWrite::Gone);
        };
        if before.version != expected {
            return Ok(UserWrite::Stale);
        }
        match scope.taken(&mut tx, Some(user), &state).await? {
            Err(field) => return Ok(UserWrite::Taken(field)),
            Ok(Some(deleted)) => scope.forget_external(&mut tx, deleted).await?,
            Ok(None) => {}
        }
        let Some(person) = scope.person_after(&mut tx, &before, &state, new).await? else {
            return Ok(UserWrite::Taken("externalId"));
        };
        tx.run(
            query(
                "UPDATE directory_users SET person = $3, user_name = $4, external_id = $5, active = $6, body = $7, \
                 modified = $8, version = version + 1 WHERE org = $1 AND id = $2",
            )
            .bind(org.to_string())
            .bind(user.to_string())
            .bind(person.to_string())
            .bind(state.user_name)
            .bind(state.external_id)
            .bind(i64::from(state.active))
            .bind(state.body)
            .bind(at.unix_ms()),
        )
        .await?;
        scope.describe(&mut tx, person, &state).await?;
        if person != before.person || state.active != before.active {
            scope.admit(&mut tx, person, state.active).await?;
            tell(&mut tx, org, &[person, before.person], at).await?;
        }
        let after = scope.live(&mut tx, user).await?;
        tx.commit().await?;
        Ok(after.map_or(UserWrite::Gone, UserWrite::Done))
    }

    /// Takes a user away: the person is shut out, the memberships end. The row stays, so that the id is nobody else's ever.
    pub async fn remove_directory_user(
        &self,
        org: OrgId,
        source: &Source,
        user: DirectoryUserId,
        at: Timestamp,
    ) -> Result<Option<DirectoryUser>> {
        let mut tx = self.pools.begin().await?;
        turn_to_shut_out(&mut tx, org).await?;
        let scope = Scope { org, source, at };
        let Some(before) = scope.live(&mut tx, user).await? else {
            return Ok(None);
        };
        for sql in [
            "UPDATE directory_groups SET version = version + 1, modified = $4 WHERE org = $1 AND source = $2 AND id IN \
               (SELECT group_id FROM directory_members WHERE org = $1 AND source = $2 AND member = $3 AND until IS NULL)",
            "UPDATE directory_members SET until = $4 WHERE org = $1 AND source = $2 AND member = $3 AND until IS NULL",
            "UPDATE directory_users SET active = 0, deleted_at = $4, modified = $4, version = version + 1 \
             WHERE org = $1 AND source = $2 AND id = $3",
        ] {
            let statement = query(sql).bind(org.to_string()).bind(source.key());
            tx.run(statement.bind(user.to_string()).bind(at.unix_ms()))
                .await?;
        }
        scope.admit(&mut tx, before.person, false).await?;
        tell(&mut tx, org, &[before.person], at).await?;
        tx.commit().await?;
        Ok(Some(before))
    }

    /// Hangs a user on a person whom an administrator chose, for a directory that cannot be made to send stable ids. The person the
    /// user hung on is shut out, unless it is the same.
    pub async fn link_directory_user(
        &self,
        org: OrgId,
        source: &Source,
        user: DirectoryUserId,
        person: PersonId,
        at: Timestamp,
    ) -> Result<UserWrite> {
        let mut tx = self.pools.begin().await?;
        turn_to_shut_out(&mut tx, org).await?;
        let scope = Scope { org, source, at };
        let Some(before) = scope.live(&mut tx, user).await? else {
            return Ok(UserWrite::Gone);
        };
        let of_issuer = query("SELECT 1 FROM people WHERE org = $1 AND id = $2 AND issuer = $3");
        let of_issuer = of_issuer.bind(org.to_string()).bind(person.to_string());
        if tx.row(of_issuer.bind(&source.issuer)).await?.is_none() {
            return Ok(UserWrite::Gone);
        }
        if scope.is_others(&mut tx, person, user).await? {
            return Ok(UserWrite::Taken("person"));
        }
        tx.run(
            query(
                "UPDATE directory_users SET person = $3, by_hand = 1, modified = $4, version = version + 1 \
                 WHERE org = $1 AND id = $2",
            )
            .bind(org.to_string())
            .bind(user.to_string())
            .bind(person.to_string())
            .bind(at.unix_ms()),
        )
        .await?;
        if before.person != person {
            scope.admit(&mut tx, before.person, false).await?;
        }
        scope.admit(&mut tx, person, before.active).await?;
        tell(&mut tx, org, &[person, before.person], at).await?;
        let after = scope.live(&mut tx, user).await?;
        tx.commit().await?;
        Ok(after.map_or(UserWrite::Gone, UserWrite::Done))
    }

    /// A user by the directory's id for it.
    pub async fn directory_user(
        &self,
        org: OrgId,
        source: &Source,
        user: DirectoryUserId,
    ) -> Result<Option<DirectoryUser>> {
        let row = self
            .pools
            .row(
                query(sql!(
                    "WHERE org = $1 AND source = $2 AND id = $3 AND deleted_at IS NULL"
                ))
                .bind(org.to_string())
                .bind(source.key())
                .bind(user.to_string()),
            )
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The directory that a user is of.
    pub async fn source_of_directory_user(
        &self,
        org: OrgId,
        user: DirectoryUserId,
    ) -> Result<Option<Source>> {
        let statement = query(
            "SELECT source FROM directory_users WHERE org = $1 AND id = $2 AND deleted_at IS NULL",
        );
        let statement = statement.bind(org.to_string()).bind(user.to_string());
        let Some(row) = self.pools.row(statement).await? else {
            return Ok(None);
        };
        let key: String = row.try_get(0)?;
        let source = Source::of_key(&key).ok_or(StoreError::Damaged("directory_users.source"))?;
        Ok(Some(source))
    }

    /// The user of this name, in one case.
    pub async fn directory_user_named(
        &self,
        org: OrgId,
        source: &Source,
        user_name: &str,
    ) -> Result<Option<DirectoryUser>> {
        let row = self
            .pools
            .row(
                query(sql!(
                    "WHERE org = $1 AND source = $2 AND user_name = $3 AND deleted_at IS NULL"
                ))
                .bind(org.to_string())
                .bind(source.key())
                .bind(user_name),
            )
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The user of this external id.
    pub async fn directory_user_of(
        &self,
        org: OrgId,
        source: &Source,
        external_id: &str,
    ) -> Result<Option<DirectoryUser>> {
        let row = self
            .pools
            .row(
                query(sql!(
                    "WHERE org = $1 AND source = $2 AND external_id = $3 AND deleted_at IS NULL"
                ))
                .bind(org.to_string())
                .bind(source.key())
                .bind(external_id),
            )
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// How many users a source has.
    pub async fn count_directory_users(&self, org: OrgId, source: &Source) -> Result<u64> {
        let row = self.pools.row(query(
            "SELECT COUNT(*) FROM directory_users WHERE org = $1 AND source = $2 AND deleted_at IS NULL",
        )
        .bind(org.to_string())
        .bind(source.key()))
        .await?
        .ok_or(StoreError::Damaged("directory_users.count"))?;
        crate::unsigned(&row, 0, "directory_users.count")
    }

    /// At most `limit` users in the order of their ids, those at the beginning that `skip` counts left out.
    pub async fn directory_users_page(
        &self,
        org: OrgId,
        source: &Source,
        skip: u64,
        limit: u32,
    ) -> Result<Vec<DirectoryUser>> {
        let rows = self.pools.rows(query(sql!(
            "WHERE org = $1 AND source = $2 AND deleted_at IS NULL ORDER BY id LIMIT $3 OFFSET $4"
        ))
        .bind(org.to_string())
        .bind(source.key())
        .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)))
        .bind(i64::try_from(skip).unwrap_or(i64::MAX)))
        .await?;
        rows.iter().map(read).collect()
    }

    /// At most `limit` users after one of them, in the order of their ids.
    pub async fn directory_users_after(
        &self,
        org: OrgId,
        source: &Source,
        after: Option<DirectoryUserId>,
        limit: u32,
    ) -> Result<Vec<DirectoryUser>> {
        let after = after.map_or_else(String::new, |after| after.to_string());
        let rows = self.pools.rows(query(sql!(
            "WHERE org = $1 AND source = $2 AND id > $3 AND deleted_at IS NULL ORDER BY id LIMIT $4"
        ))
        .bind(org.to_string())
        .bind(source.key())
        .bind(after)
        .bind(i64::from(limit.min(limits::STORE_PAGE_MAX))))
        .await?;
        rows.iter().map(read).collect()
    }
}

/// Whose directory is written, and when.
#[derive(Debug, Clone, Copy)]
struct Scope<'a> {
    org: OrgId,
    source: &'a Source,
    at: Timestamp,
}

impl Scope<'_> {
    async fn live(&self, tx: &mut Tx, user: DirectoryUserId) -> Result<Option<DirectoryUser>> {
        let statement = query(sql!(
            "WHERE org = $1 AND source = $2 AND id = $3 AND deleted_at IS NULL"
        ));
        let statement = statement.bind(self.org.to_string()).bind(self.source.key());
        let row = tx.row(statement.bind(user.to_string())).await?;
        row.as_ref().map(read).transpose()
    }

    /// What another user than `own` has already; else the deleted one that had the external id.
    async fn taken(
        &self,
        tx: &mut Tx,
        own: Option<DirectoryUserId>,
        state: &UserState<'_>,
    ) -> Result<std::result::Result<Option<DirectoryUserId>, &'static str>> {
        let statement = query(
            "SELECT id, external_id, deleted_at FROM directory_users \
             WHERE org = $1 AND source = $2 AND (user_name = $3 AND deleted_at IS NULL OR external_id = $4)",
        );
        let statement = statement.bind(self.org.to_string()).bind(self.source.key());
        let statement = statement.bind(state.user_name).bind(state.external_id);
        let mut deleted = None;
        for row in tx.rows(statement).await? {
            let found: DirectoryUserId = id(&row, 0, "directory_users.id")?;
            if Some(found) == own {
                continue;
            }
            let external: Option<String> = row.try_get(1)?;
            if maybe_time(&row, 2)?.is_some() {
                deleted = Some(found);
            } else if external.as_deref() == state.external_id && external.is_some() {
                return Ok(Err("externalId"));
            } else {
                return Ok(Err("userName"));
            }
        }
        Ok(Ok(deleted))
    }

    async fn forget_external(&self, tx: &mut Tx, deleted: DirectoryUserId) -> Result<()> {
        let statement =
            query("UPDATE directory_users SET external_id = NULL WHERE org = $1 AND id = $2");
        tx.run(
            statement
                .bind(self.org.to_string())
                .bind(deleted.to_string()),
        )
        .await?;
        Ok(())
    }

    /// How many users there are with the one that is about to be made. Those that were deleted count: their rows stay.
    async fn count_one_more(&self, tx: &mut Tx) -> Result<i64> {
        let statement = query(
            "INSERT INTO directory_sizes (org, source, users) VALUES ($1, $2, 1) \
             ON CONFLICT (org, source) DO UPDATE SET users = directory_sizes.users + 1 RETURNING users",
        );
        let statement = statement.bind(self.org.to_string()).bind(self.source.key());
        let row = tx.row(statement).await?;
        let row = row.ok_or(StoreError::Damaged("directory_sizes.users"))?;
        Ok(row.try_get(0)?)
    }

    /// A user without an external id gets a stable id that no issuer's token is believed to state: it can be linked later.
    fn stable_id(&self, external_id: Option<&str>, person: PersonId) -> String {
        match external_id {
            Some(external_id) => self.source.stable_id(external_id),
            None => format!("unlinked:{person}"),
        }
    }

    async fn person_of(&self, tx: &mut Tx, stable_id: &str) -> Result<Option<PersonId>> {
        let statement =
            query("SELECT id FROM people WHERE org = $1 AND issuer = $2 AND stable_id = $3");
        let statement = statement.bind(self.org.to_string());
        let row = tx
            .row(statement.bind(&self.source.issuer).bind(stable_id))
            .await?;
        row.map(|row| id(&row, 0, "people.id")).transpose()
    }

    /// Whether the directory brings whom it has: nobody needs to be told that they are new.
    async fn is_first_sync(&self, tx: &mut Tx) -> Result<bool> {
        let statement =
            query("SELECT MIN(created) FROM directory_users WHERE org = $1 AND source = $2");
        let statement = statement.bind(self.org.to_string()).bind(self.source.key());
        let row = tx.row(statement).await?;
        let first = row.map_or(Ok(None), |row| maybe_time(&row, 0))?;
        Ok(first.is_none_or(|first| self.at.ms_since(first) < limits::DIRECTORY_FIRST_SYNC_MS))
    }

    /// The person of a stable id; one who has not signed in yet is made, and was never seen.
    async fn ensure_person(&self, tx: &mut Tx, new: PersonId, stable_id: &str) -> Result<PersonId> {
        let new_at = (!self.is_first_sync(tx).await?).then_some(self.at);
        let statement = query(
            "INSERT INTO people (id, org, issuer, stable_id, groups_json, first_seen, last_seen, not_before, new_at) \
             VALUES ($1, $2, $3, $4, '[]', $5, 0, 0, $6) \
             ON CONFLICT (org, issuer, stable_id) DO UPDATE SET stable_id = excluded.stable_id RETURNING id",
        );
        let statement = statement.bind(new.to_string()).bind(self.org.to_string());
        let statement = statement.bind(&self.source.issuer).bind(stable_id);
        let statement = statement.bind(self.at.unix_ms());
        let row = tx
            .row(statement.bind(new_at.map(Timestamp::unix_ms)))
            .await?;
        id(
            &row.ok_or(StoreError::Damaged("people.id"))?,
            0,
            "people.id",
        )
    }

    async fn is_others(&self, tx: &mut Tx, person: PersonId, own: DirectoryUserId) -> Result<bool> {
        let statement = query(
            "SELECT 1 FROM directory_users WHERE org = $1 AND person = $2 AND id <> $3 AND deleted_at IS NULL",
        );
        let statement = statement
            .bind(self.org.to_string())
            .bind(person.to_string());
        Ok(tx.row(statement.bind(own.to_string())).await?.is_some())
    }

    /// The person a changed user hangs on: the one it hung on, unless the directory now states another external id. None when that
    /// one is another user's.
    async fn person_after(
        &self,
        tx: &mut Tx,
        before: &DirectoryUser,
        state: &UserState<'_>,
        new: PersonId,
    ) -> Result<Option<PersonId>> {
        let Some(external_id) = state.external_id.filter(|_| !before.by_hand) else {
            return Ok(Some(before.person));
        };
        let stable_id = self.source.stable_id(external_id);
        match self.person_of(tx, &stable_id).await? {
            Some(same) if same == before.person => Ok(Some(same)),
            Some(other) if self.is_others(tx, other, before.id).await? => Ok(None),
            Some(other) => {
                self.admit(tx, before.person, false).await?;
                Ok(Some(other))
            }
            None => {
                let renamed = query(
                    "UPDATE people SET stable_id = $3 WHERE org = $1 AND id = $2 AND last_seen = 0",
                );
                let renamed = renamed.bind(self.org.to_string());
                let renamed = renamed.bind(before.person.to_string()).bind(&stable_id);
                if tx.run(renamed).await? == 1 {
                    return Ok(Some(before.person));
                }
                // somebody signed in under the old id; the directory no longer vouches for it
                self.admit(tx, before.person, false).await?;
                Ok(Some(self.ensure_person(tx, new, &stable_id).await?))
            }
        }
    }

    /// What lists of people show.
    async fn describe(&self, tx: &mut Tx, person: PersonId, state: &UserState<'_>) -> Result<()> {
        let statement = query(
            "UPDATE people SET email = COALESCE($3, email), name = COALESCE($4, name) WHERE org = $1 AND id = $2",
        );
        let statement = statement
            .bind(self.org.to_string())
            .bind(person.to_string());
        tx.run(statement.bind(state.email).bind(state.name)).await?;
        Ok(())
    }

    /// Lets a person in, as far as the directory is concerned, or shuts them out with everything they hold.
    async fn admit(&self, tx: &mut Tx, person: PersonId, active: bool) -> Result<()> {
        let theirs = (person, Word::Directory);
        if active {
            let_in_again(tx, self.org, theirs).await?;
        } else {
            let why = "shut out by the directory";
            shut_out_in(tx, self.org, theirs, self.at, why).await?;
        }
        Ok(())
    }
}

fn read(row: &AnyRow) -> Result<DirectoryUser> {
    Ok(DirectoryUser {
        id: id(row, 0, "directory_users.id")?,
        person: id(row, 1, "directory_users.person")?,
        by_hand: row.try_get::<i64, _>(2)? == 1,
        active: row.try_get::<i64, _>(3)? == 1,
        body: row.try_get(4)?,
        created: time(row, 5)?,
        modified: time(row, 6)?,
        version: row.try_get(7)?,
    })
}
