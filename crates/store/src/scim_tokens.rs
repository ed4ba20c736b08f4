//! The tokens with which a directory provisions. A token is kept as its hash, and stands for one source alone.

use domain::{OrgId, Timestamp, TokenId, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::directory::Source;
use crate::{Result, Store, StoreError, id, maybe_time, time};

/// What there may be no more of.
const FULL: &str = "directory tokens of this issuer than the two that open (revoke or rotate one)";
const _: () = assert!(limits::SCIM_TOKENS_OPEN_MAX == 2, "FULL says two");

/// A token, without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimToken {
    /// Its id, which is no secret.
    pub id: TokenId,
    /// Hash of the token.
    pub token_hash: String,
    /// What it provisions.
    pub source: Source,
    /// For people to read.
    pub name: String,
    /// The token's first characters, to recognise it by.
    pub prefix: String,
    /// Who made it, for people to read.
    pub made_by: String,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is good.
    pub expires: Option<Timestamp>,
    /// Since when it is not.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub used_at: Option<Timestamp>,
}

impl ScimToken {
    /// Whether it still opens.
    pub fn opens(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires.is_none_or(|end| now < end)
    }
}

macro_rules! sql {
    ($rest:literal) => {
        concat!(
            "SELECT id, token_hash, issuer, tenant, name, prefix, made_by, created, expires, revoked_at, used_at FROM scim_tokens ",
            $rest
        )
    };
}

impl Store {
    /// Keeps a new token. A source never has more than [`limits::SCIM_TOKENS_OPEN_MAX`] that open.
    pub async fn add_scim_token(&self, org: OrgId, new: &ScimToken) -> Result<()> {
        let mut tx = self.pools.begin().await?;
        // the counter's row keeps two that add at once apart
        crate::next(&mut tx, org, crate::DIRECTORY).await?;
        let tenant = new.source.tenant.as_deref().unwrap_or_default();
        let open = query(
            "SELECT COUNT(*) FROM scim_tokens WHERE org = $1 AND issuer = $2 AND tenant = $3 \
             AND revoked_at IS NULL AND (expires IS NULL OR expires > $4)",
        );
        let open = open.bind(org.to_string()).bind(&new.source.issuer);
        let row = tx
            .row(open.bind(tenant).bind(new.created.unix_ms()))
            .await?
            .ok_or(StoreError::Damaged("scim_tokens.count"))?;
        if row.try_get::<i64, _>(0)? >= limits::SCIM_TOKENS_OPEN_MAX {
            return Err(StoreError::Full(FULL));
        }
        tx.run(
            query(
                "INSERT INTO scim_tokens (token_hash, org, issuer, tenant, name, prefix, made_by, created, expires, id) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(&new.token_hash)
            .bind(org.to_string())
            .bind(&new.source.issuer)
            .bind(tenant)
            .bind(&new.name)
            .bind(&new.prefix)
            .bind(&new.made_by)
            .bind(new.created.unix_ms())
            .bind(new.expires.map(Timestamp::unix_ms))
            .bind(new.id.to_string()),
        )
        .await?;
        tx.commit().await
    }

    /// The token of a hash.
    pub async fn scim_token(&self, org: OrgId, token_hash: &str) -> Result<Option<ScimToken>> {
        let statement = query(sql!("WHERE org = $1 AND token_hash = $2"));
        let row = self
            .pools
            .row(statement.bind(org.to_string()).bind(token_hash))
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The token of this id, hash or first characters, if it opens at this moment; the newest, should there be several.
    pub async fn open_scim_token(
        &self,
        org: OrgId,
        which: &str,
        now: Timestamp,
    ) -> Result<Option<ScimToken>> {
        let statement = query(sql!(
            "WHERE org = $1 AND (id = $2 OR token_hash = $2 OR prefix = $2) \
             AND revoked_at IS NULL AND (expires IS NULL OR expires > $3) ORDER BY id DESC LIMIT 1"
        ));
        let statement = statement.bind(org.to_string()).bind(which);
        let row = self.pools.row(statement.bind(now.unix_ms())).await?;
        row.as_ref().map(read).transpose()
    }

    /// At most `limit` tokens made before one of them, newest first, and whether there are more.
    pub async fn scim_tokens_page(
        &self,
        org: OrgId,
        before: Option<TokenId>,
        limit: u32,
    ) -> Result<(Vec<ScimToken>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let statement = query(sql!(
            "WHERE org = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3"
        ));
        let statement = statement
            .bind(org.to_string())
            .bind(before.map_or_else(String::new, |before| before.to_string()))
            .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }

    /// Forgets tokens that have opened nothing since this moment. The ledger keeps who made and took them away.
    pub async fn purge_scim_tokens(&self, org: OrgId, before: Timestamp) -> Result<u64> {
        let statement =
            query("DELETE FROM scim_tokens WHERE org = $1 AND (revoked_at < $2 OR expires < $2)");
        let statement = statement.bind(org.to_string()).bind(before.unix_ms());
        self.pools.write(statement).await
    }

    /// Ends a token at this moment. False when there is none that was not revoked.
    pub async fn revoke_scim_token(
        &self,
        org: OrgId,
        token: TokenId,
        at: Timestamp,
    ) -> Result<bool> {
        let statement = query(
            "UPDATE scim_tokens SET revoked_at = $3 WHERE org = $1 AND id = $2 AND revoked_at IS NULL",
        );
        let statement = statement.bind(org.to_string()).bind(token.to_string());
        Ok(self.pools.write(statement.bind(at.unix_ms())).await? == 1)
    }

    /// Lets a token end at this moment, until when its successor takes over. False when it ends sooner or was revoked.
    pub async fn end_scim_token(&self, org: OrgId, token: TokenId, at: Timestamp) -> Result<bool> {
        let statement = query(
            "UPDATE scim_tokens SET expires = $3 WHERE org = $1 AND id = $2 AND revoked_at IS NULL \
             AND (expires IS NULL OR expires > $3)",
        );
        let statement = statement.bind(org.to_string()).bind(token.to_string());
        Ok(self.pools.write(statement.bind(at.unix_ms())).await? == 1)
    }

    /// Notes that a token was used.
    pub async fn note_scim_token_use(
        &self,
        org: OrgId,
        token: TokenId,
        at: Timestamp,
    ) -> Result<()> {
        let statement = query("UPDATE scim_tokens SET used_at = $3 WHERE org = $1 AND id = $2");
        let statement = statement.bind(org.to_string()).bind(token.to_string());
        self.pools.write(statement.bind(at.unix_ms())).await?;
        Ok(())
    }
}

fn read(row: &AnyRow) -> Result<ScimToken> {
    let tenant: String = row.try_get(3)?;
    Ok(ScimToken {
        id: id(row, 0, "scim_tokens.id")?,
        token_hash: row.try_get(1)?,
        source: Source {
            issuer: row.try_get(2)?,
            tenant: (!tenant.is_empty()).then_some(tenant),
        },
        name: row.try_get(4)?,
        prefix: row.try_get(5)?,
        made_by: row.try_get(6)?,
        created: time(row, 7)?,
        expires: maybe_time(row, 8)?,
        revoked_at: maybe_time(row, 9)?,
        used_at: maybe_time(row, 10)?,
    })
}
