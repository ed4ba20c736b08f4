//! People the company's directory vouches for, keyed by issuer and stable id; e-mail and name are for reading only.

use std::collections::BTreeSet;

use domain::{OrgId, PersonId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _, query};

use crate::connection::Tx;
use crate::revocations::{hold_revocations, revoke_in};
use crate::{Result, Store, StoreError, Target, id, maybe_time, time, unsigned};

/// What a verified token says about someone.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The organisation.
    pub org: OrgId,
    /// The issuer's configured name.
    pub issuer: &'a str,
    /// The issuer's stable id.
    pub stable_id: &'a str,
    /// For reading.
    pub email: Option<&'a str>,
    /// For reading.
    pub name: Option<&'a str>,
    /// Groups and roles.
    pub groups: &'a BTreeSet<String>,
    /// When the credential was made that says it: what an older one says is not kept.
    pub stated: Timestamp,
    /// What a cutoff is held against: what is said with a credential from before it is not kept either.
    pub made: Timestamp,
    /// Now.
    pub at: Timestamp,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Our id; never changes.
    pub id: PersonId,
    /// The organisation.
    pub org: OrgId,
    /// The issuer's configured name.
    pub issuer: String,
    /// The issuer's stable id.
    pub stable_id: String,
    /// For reading.
    pub email: Option<String>,
    /// For reading.
    pub name: Option<String>,
    /// Groups and roles as their issuer last stated them. Not those that hold: [`Store::with_groups`] says which do.
    pub groups: BTreeSet<String>,
    /// When the credential was made that stated them; the epoch for one who never signed in.
    pub stated: Timestamp,
    /// Credentials issued before this moment are not accepted.
    pub not_before: Timestamp,
    /// Since when our administrators shut the person out.
    pub shut_out_at: Option<Timestamp>,
    /// Since when the directory does.
    pub left_at: Option<Timestamp>,
}

impl Person {
    /// Since when the person may not come in at all, whoever says so.
    pub fn out_since(&self) -> Option<Timestamp> {
        match (self.shut_out_at, self.left_at) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        }
    }

    /// What lists and records call the person: what their directory says last, else its own id for them.
    pub fn label(&self) -> &str {
        let said = self.email.as_deref().or(self.name.as_deref());
        said.unwrap_or(&self.stable_id)
    }

    /// Whether what began at this moment still counts: nothing was revoked since, and the person may come in.
    pub(crate) fn admits(&self, began: Timestamp) -> bool {
        self.out_since().is_none() && self.not_before < began
    }
}

/// The columns of a person, in the order in which [`person`] reads them.
macro_rules! columns {
    () => {
        "id, org, issuer, stable_id, email, name, groups_json, last_seen, not_before, disabled_at, left_at"
    };
}

pub(crate) use columns;

/// Ids of one statement.
const IDS_AT_ONCE: usize = 50;

/// A look at people that ends as said.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM people ", $rest)
    };
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
    /// The person of this issuer and stable id, made with `new` as id at first sight. What is said of them is kept when it is no older than
    /// what is known, and its credential counts: an old token that is shown late, or after everything was taken away, changes nothing.
    pub async fn upsert_person(&self, seen: Seen<'_>, new: PersonId) -> Result<Person> {
        let groups =
            serde_json::to_string(seen.groups).map_err(|_| StoreError::Damaged("people.groups"))?;
        let row = self.pools.write_row(query(concat!(
            "INSERT INTO people (id, org, issuer, stable_id, email, name, groups_json, first_seen, last_seen, not_before, new_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $8) \
             ON CONFLICT (org, issuer, stable_id) DO UPDATE SET \
               email = excluded.email, name = excluded.name, groups_json = excluded.groups_json, last_seen = excluded.last_seen \
             WHERE people.last_seen <= excluded.last_seen AND people.not_before < $10 \
               AND people.disabled_at IS NULL AND people.left_at IS NULL \
             RETURNING ",
            columns!()
        ))
        .bind(new.to_string())
        .bind(seen.org.to_string())
        .bind(seen.issuer)
        .bind(seen.stable_id)
        .bind(seen.email)
        .bind(seen.name)
        .bind(groups)
        .bind(seen.at.unix_ms())
        .bind(seen.stated.unix_ms())
        .bind(seen.made.unix_ms()))
        .await?;
        if let Some(row) = row {
            return person(&row);
        }
        let stands = self.person_by_stable(seen.org, seen.issuer, seen.stable_id);
        stands.await?.ok_or(StoreError::Damaged("people.id"))
    }

    /// A person by our id.
    pub async fn person(&self, org: OrgId, person_id: PersonId) -> Result<Option<Person>> {
        let row = self
            .pools
            .row(
                query(select!("WHERE org = $1 AND id = $2"))
                    .bind(org.to_string())
                    .bind(person_id.to_string()),
            )
            .await?;
        row.as_ref().map(person).transpose()
    }

    /// The person of this issuer and stable id.
    pub async fn person_by_stable(
        &self,
        org: OrgId,
        issuer: &str,
        stable_id: &str,
    ) -> Result<Option<Person>> {
        let row = self
            .pools
            .row(
                query(select!("WHERE org = $1 AND issuer = $2 AND stable_id = $3"))
                    .bind(org.to_string())
                    .bind(issuer)
                    .bind(stable_id),
            )
            .await?;
        row.as_ref().map(person).transpose()
    }

    /// People whose id, stable id or e-mail (in any case) is this text, at most a hundred. Not by name: people call themselves as they
    /// like, and what is found here is shut out, or given a role.
    pub async fn find_people(&self, org: OrgId, text: &str) -> Result<Vec<Person>> {
        let rows = self.pools.rows(query(
            select!("WHERE org = $1 AND (id = $2 OR stable_id = $2 OR LOWER(email) = LOWER($2)) ORDER BY id LIMIT 100"),
        )
        .bind(org.to_string())
        .bind(text))
        .await?;
        rows.iter().map(person).collect()
    }

    /// At most `limit` people after one of them, ordered by id, and whether there are more. With a text only those in whose e-mail or
    /// name it stands, in any case.
    pub async fn people_page(
        &self,
        org: OrgId,
        text: &str,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<(Vec<Person>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let after = after.map_or_else(String::new, |after| after.to_string());
        let rows = self.pools.rows(query(
            select!("WHERE org = $1 AND id > $2 \
               AND ($3 = '' OR LOWER(email) LIKE LOWER($4) ESCAPE '!' OR LOWER(name) LIKE LOWER($4) ESCAPE '!') \
             ORDER BY id LIMIT $5"),
        )
        .bind(org.to_string())
        .bind(after)
        .bind(text)
        .bind(anywhere(text))
        .bind(i64::from(limit) + 1))
        .await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(person).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
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

    /// These people, in no order; those that are not there are left out, and at most [`limits::STORE_PAGE_MAX`] are looked up.
    pub async fn people_of(&self, org: OrgId, ids: &[PersonId]) -> Result<Vec<Person>> {
        let ids = &ids[..ids.len().min(limits::STORE_PAGE_MAX as usize)];
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(IDS_AT_ONCE) {
            let places: Vec<String> = (2..some.len() + 2)
                .map(|place| format!("${place}"))
                .collect();
            let sql = format!(select!("WHERE org = $1 AND id IN ({})"), places.join(", "));
            let mut statement = query(AssertSqlSafe(sql)).bind(org.to_string());
            for id in some {
                statement = statement.bind(id.to_string());
            }
            for row in &self.pools.rows(statement).await? {
                found.push(person(row)?);
            }
        }
        Ok(found)
    }

    /// As [`Store::people_page`], from the last to the first: at most `limit` people before one of them.
    pub async fn people_page_back(
        &self,
        org: OrgId,
        text: &str,
        before: Option<PersonId>,
        limit: u32,
    ) -> Result<(Vec<Person>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let rows = self.pools.rows(query(
            select!("WHERE org = $1 AND ($2 = '' OR id < $2) \
               AND ($3 = '' OR LOWER(email) LIKE LOWER($4) ESCAPE '!' OR LOWER(name) LIKE LOWER($4) ESCAPE '!') \
             ORDER BY id DESC LIMIT $5"),
        )
        .bind(org.to_string())
        .bind(before.map_or_else(String::new, |before| before.to_string()))
        .bind(text)
        .bind(anywhere(text))
        .bind(i64::from(limit) + 1))
        .await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(person).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }

    /// Takes a person's access away by an administrator's word, in one transaction: they may not come in any more, and all they hold is
    /// revoked for every replica. False, and nothing is written, when there is no such person.
    pub async fn shut_out(
        &self,
        org: OrgId,
        person_id: PersonId,
        at: Timestamp,
        why: &str,
    ) -> Result<bool> {
        let mut tx = self.pools.begin().await?;
        let done = shut_out_in(&mut tx, org, (person_id, Word::Administrators), at, why).await?;
        if done {
            tx.commit().await?;
        }
        Ok(done)
    }

    /// Takes an administrator's word back. False, and nothing is written, when there is no such person, or when `by`, who does it, may not
    /// come in themselves. What was revoked stays revoked, and whom the directory shuts out stays out.
    pub async fn let_in(
        &self,
        org: OrgId,
        person_id: PersonId,
        by: Option<PersonId>,
    ) -> Result<bool> {
        let mut tx = self.pools.begin().await?;
        // Until the end nobody is shut out, so who does this is not either.
        hold_revocations(&mut tx, org).await?;
        if let Some(by) = by {
            let by = person_in(&mut tx, org, by).await?;
            if by.is_some_and(|by| by.out_since().is_some()) {
                return Ok(false);
            }
        }
        let done = let_in_again(&mut tx, org, (person_id, Word::Administrators)).await?;
        tx.commit().await?;
        Ok(done)
    }
}

/// Who says that a person may not come in. Each takes back only their own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Administrators,
    Directory,
}

/// The part of a transaction that shuts a person out: the only way to do so. Takes the counter of revocations before any row.
pub(crate) async fn shut_out_in(
    tx: &mut Tx,
    org: OrgId,
    (person_id, word): (PersonId, Word),
    at: Timestamp,
    why: &str,
) -> Result<bool> {
    revoke_in(tx, org, &Target::Person(person_id), at, why).await?;
    say(tx, org, (person_id, word), Some(at)).await
}

/// The part of a transaction that takes this word back.
pub(crate) async fn let_in_again(
    tx: &mut Tx,
    org: OrgId,
    (person_id, word): (PersonId, Word),
) -> Result<bool> {
    say(tx, org, (person_id, word), None).await
}

async fn say(
    tx: &mut Tx,
    org: OrgId,
    (person_id, word): (PersonId, Word),
    since: Option<Timestamp>,
) -> Result<bool> {
    let statement = query(match word {
        Word::Administrators => "UPDATE people SET disabled_at = $3 WHERE org = $1 AND id = $2",
        Word::Directory => "UPDATE people SET left_at = $3 WHERE org = $1 AND id = $2",
    });
    let statement = statement.bind(org.to_string()).bind(person_id.to_string());
    let said = tx
        .run(statement.bind(since.map(Timestamp::unix_ms)))
        .await?;
    Ok(said == 1)
}

/// In a transaction: the person as they stand.
pub(crate) async fn person_in(
    tx: &mut Tx,
    org: OrgId,
    person_id: PersonId,
) -> Result<Option<Person>> {
    let found = query(select!("WHERE org = $1 AND id = $2"));
    let row = tx
        .row(found.bind(org.to_string()).bind(person_id.to_string()))
        .await?;
    row.as_ref().map(person).transpose()
}

/// In a transaction: the person, whom nobody shuts out before it ends.
pub(crate) async fn hold_person(
    tx: &mut Tx,
    org: OrgId,
    person_id: PersonId,
) -> Result<Option<Person>> {
    let held = query(concat!(
        "UPDATE people SET last_seen = last_seen WHERE org = $1 AND id = $2 RETURNING ",
        columns!()
    ));
    let row = tx
        .row(held.bind(org.to_string()).bind(person_id.to_string()))
        .await?;
    row.as_ref().map(person).transpose()
}

/// The person of a row that begins with the columns of one.
pub(crate) fn person(row: &AnyRow) -> Result<Person> {
    let groups: String = row.try_get(6)?;
    Ok(Person {
        id: id(row, 0, "people.id")?,
        org: id(row, 1, "people.org")?,
        issuer: row.try_get(2)?,
        stable_id: row.try_get(3)?,
        email: row.try_get(4)?,
        name: row.try_get(5)?,
        groups: serde_json::from_str(&groups).map_err(|_| StoreError::Damaged("people.groups"))?,
        stated: time(row, 7)?,
        not_before: time(row, 8)?,
        shut_out_at: maybe_time(row, 9)?,
        left_at: maybe_time(row, 10)?,
    })
}

/// The pattern of `LIKE` for a text that stands anywhere, none of its own characters meaning more than itself.
pub(crate) fn anywhere(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
