//! The draft of the acceptable-use policy: one of an organisation, changed only by whoever read it as it stands. It is in force for
//! nobody; what is published is a version.

use domain::{OrgId, Timestamp};
use sqlx::{Row as _, query};

use crate::{Result, Store, time, unsigned};

/// The draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseDraft {
    /// How often it was saved, from 1.
    pub revision: u64,
    /// The tag of its language.
    pub language: String,
    /// The text with its variables.
    pub text: String,
    /// Values by variable, as JSON.
    pub variables: String,
    /// Who saved it.
    pub author: String,
    /// When.
    pub saved: Timestamp,
}

impl Store {
    /// The draft; none before the first.
    pub async fn use_draft(&self, org: OrgId) -> Result<Option<UseDraft>> {
        let statement = query(
            "SELECT revision, language, body, variables, author, saved FROM acceptable_use_drafts WHERE org = $1",
        );
        let row = self.pools.row(statement.bind(org.to_string())).await?;
        row.map(|row| {
            Ok(UseDraft {
                revision: unsigned(&row, 0, "acceptable_use_drafts.revision")?,
                language: row.try_get(1)?,
                text: row.try_get(2)?,
                variables: row.try_get(3)?,
                author: row.try_get(4)?,
                saved: time(&row, 5)?,
            })
        })
        .transpose()
    }

    /// Saves the draft in the place of the revision before it; false, and nothing written, when that does not stand any more.
    pub async fn put_use_draft(&self, org: OrgId, draft: &UseDraft) -> Result<bool> {
        let statement = if draft.revision <= 1 {
            query(
                "INSERT INTO acceptable_use_drafts (org, revision, language, body, variables, author, saved) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (org) DO NOTHING",
            )
        } else {
            query(
                "UPDATE acceptable_use_drafts SET revision = $2, language = $3, body = $4, variables = $5, author = $6, \
                   saved = $7 WHERE org = $1 AND revision = $2 - 1",
            )
        };
        let statement = statement
            .bind(org.to_string())
            .bind(i64::try_from(draft.revision).unwrap_or(i64::MAX))
            .bind(&draft.language)
            .bind(&draft.text)
            .bind(&draft.variables)
            .bind(&draft.author)
            .bind(draft.saved.unix_ms());
        Ok(self.pools.write(statement).await? == 1)
    }
}
