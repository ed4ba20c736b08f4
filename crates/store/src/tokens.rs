//! Personal access tokens: what a person made to act at the admin API with. Each is kept as its hash; what it may is the owner's
//! rights at the time of use, which `control` narrows by its scopes.

use domain::{OrgId, PersonId, Timestamp, TokenId, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::Tx;
use crate::people::hold_person;
use crate::{Result, Store, StoreError, id, maybe_time, time};

/// A token, without the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalToken {
    /// Its id.
    pub id: TokenId,
    /// Whose.
    pub person: PersonId,
    /// SHA-256 of the secret, in hexadecimal.
    pub hash: String,
    /// The secret's first characters, to recognise it by.
    pub prefix: String,
    /// What its owner calls it.
    pub name: String,
    /// Words of rights.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is good.
    pub expires: Timestamp,
    /// When it was last used, to the hour.
    pub last_used: Option<Timestamp>,
    /// Since when it is not good any more.
    pub revoked_at: Option<Timestamp>,
}

const COLUMNS: &str =
    "id, person, token_hash, prefix, name, scopes_json, created, expires, last_used, revoked_at";

impl Store {
    /// Keeps a new token. False, and nothing is written, for a person who may not come in, or who was signed out everywhere since it was
    /// made: it would open when they are let in again. A person never has more than [`limits::PERSONAL_TOKENS_MAX`] that were not revoked.
    pub async fn add_personal_token(&self, org: OrgId, new: &PersonalToken) -> Result<bool> {
        let scopes = serde_json::to_string(&new.scopes)
            .map_err(|_| StoreError::Damaged("personal_tokens.scopes"))?;
        let mut tx = self.pools.begin().await?;
        // Held until the end: nobody shuts them out, and no other request of theirs adds a token.
        let owner = hold_person(&mut tx, org, new.person).await?;
        if !owner.is_some_and(|owner| owner.admits(new.created)) {
            return Ok(false);
        }
        if unrevoked(&mut tx, org, new.person).await? >= limits::PERSONAL_TOKENS_MAX {
            return Err(StoreError::Full("tokens of this person"));
        }
        tx.run(
            query(
                "INSERT INTO personal_tokens (id, org, person, token_hash, prefix, name, scopes_json, created, expires) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(new.id.to_string())
            .bind(org.to_string())
            .bind(new.person.to_string())
            .bind(&new.hash)
            .bind(&new.prefix)
            .bind(&new.name)
            .bind(scopes)
            .bind(new.created.unix_ms())
            .bind(new.expires.unix_ms()),
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The token of a hash.
    pub async fn personal_token_of_hash(
        &self,
        org: OrgId,
        hash: &str,
    ) -> Result<Option<PersonalToken>> {
        self.one_personal_token(org, "token_hash", hash).await
    }

    /// A token by its id.
    pub async fn personal_token(
        &self,
        org: OrgId,
        token: TokenId,
    ) -> Result<Option<PersonalToken>> {
        self.one_personal_token(org, "id", &token.to_string()).await
    }

    async fn one_personal_token(
        &self,
        org: OrgId,
        column: &'static str,
        value: &str,
    ) -> Result<Option<PersonalToken>> {
        let sql = format!("SELECT {COLUMNS} FROM personal_tokens WHERE org = $1 AND {column} = $2");
        let statement = query(sqlx::AssertSqlSafe(sql));
        let row = self
            .pools
            .row(statement.bind(org.to_string()).bind(value))
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// At most `limit` tokens after one of them, ordered by id, of one person or of everyone, and whether there are more.
    pub async fn personal_tokens_page(
        &self,
        org: OrgId,
        person: Option<PersonId>,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<(Vec<PersonalToken>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let sql = format!(
            "SELECT {COLUMNS} FROM personal_tokens \
             WHERE org = $1 AND ($2 = '' OR person = $2) AND id > $3 ORDER BY id LIMIT $4"
        );
        let statement = query(sqlx::AssertSqlSafe(sql))
            .bind(org.to_string())
            .bind(person.map_or_else(String::new, |person| person.to_string()))
            .bind(after.map_or_else(String::new, |after| after.to_string()))
            .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }

    /// Takes a token away; false when it was before, or never was.
    pub async fn revoke_personal_token(
        &self,
        org: OrgId,
        token: TokenId,
        at: Timestamp,
    ) -> Result<bool> {
        let statement = query(
            "UPDATE personal_tokens SET revoked_at = $3 WHERE org = $1 AND id = $2 AND revoked_at IS NULL",
        )
        .bind(org.to_string())
        .bind(token.to_string())
        .bind(at.unix_ms());
        Ok(self.pools.write(statement).await? == 1)
    }

    /// Forgets tokens that have opened nothing since this moment. The ledger keeps who made and took them away.
    pub async fn purge_personal_tokens(&self, org: OrgId, before: Timestamp) -> Result<u64> {
        let statement = query(
            "DELETE FROM personal_tokens WHERE org = $1 AND (revoked_at < $2 OR expires < $2)",
        );
        let statement = statement.bind(org.to_string()).bind(before.unix_ms());
        self.pools.write(statement).await
    }

    /// Notes that a token was used. The caller asks for it rarely, because it is a write.
    pub async fn note_token_use(&self, org: OrgId, token: TokenId, at: Timestamp) -> Result<()> {
        let statement = query(
            "UPDATE personal_tokens SET last_used = $3 WHERE org = $1 AND id = $2 \
             AND (last_used IS NULL OR last_used < $3)",
        )
        .bind(org.to_string())
        .bind(token.to_string())
        .bind(at.unix_ms());
        self.pools.write(statement).await?;
        Ok(())
    }
}

/// How many tokens of a person were not revoked.
async fn unrevoked(tx: &mut Tx, org: OrgId, person: PersonId) -> Result<i64> {
    let statement = query(
        "SELECT COUNT(*) FROM personal_tokens WHERE org = $1 AND person = $2 AND revoked_at IS NULL",
    );
    let row = tx
        .row(statement.bind(org.to_string()).bind(person.to_string()))
        .await?;
    Ok(row
        .ok_or(StoreError::Damaged("personal_tokens"))?
        .try_get(0)?)
}

fn read(row: &AnyRow) -> Result<PersonalToken> {
    let scopes: String = row.try_get(5)?;
    Ok(PersonalToken {
        id: id(row, 0, "personal_tokens.id")?,
        person: id(row, 1, "personal_tokens.person")?,
        hash: row.try_get(2)?,
        prefix: row.try_get(3)?,
        name: row.try_get(4)?,
        scopes: serde_json::from_str(&scopes)
            .map_err(|_| StoreError::Damaged("personal_tokens.scopes"))?,
        created: time(row, 6)?,
        expires: time(row, 7)?,
        last_used: maybe_time(row, 8)?,
        revoked_at: maybe_time(row, 9)?,
    })
}
