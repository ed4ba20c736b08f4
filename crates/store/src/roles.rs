//! Role bindings: which role a person, or a group as one issuer names it, holds in an organisation. What a role may is not known
//! here; `control` decides that.

use domain::{BindingId, OrgId, PersonId, Role, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::Tx;
use crate::{ROLES, Result, Store, StoreError, id, next, time};

/// Who holds a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// One person, by our id.
    Person(PersonId),
    /// Everyone in a group, as this issuer names it.
    Group {
        /// The issuer's configured name, with `/<tenant>` where it is trusted for several.
        issuer: String,
        /// The group as the issuer's tokens or its directory name it.
        group: String,
    },
}

impl Holder {
    fn parts(&self) -> (&'static str, &str, String) {
        match self {
            Self::Person(id) => ("person", "", id.to_string()),
            Self::Group { issuer, group } => ("group", issuer, group.clone()),
        }
    }
}

/// One binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleBinding {
    /// Its id.
    pub id: BindingId,
    /// Which role.
    pub role: Role,
    /// Who holds it.
    pub holder: Holder,
    /// Who gave it, for people to read.
    pub made_by: String,
    /// When.
    pub created: Timestamp,
}

/// What became of taking a role away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleRemoved {
    /// It is gone.
    Gone(RoleBinding),
    /// There was none of this id.
    Unknown,
    /// It is that of the only owner, and stays.
    LastOwner,
}

impl Store {
    /// Gives a role and returns the binding as it stands: the one that was there, when the holder had the role already.
    pub async fn add_role(&self, org: OrgId, new: &RoleBinding) -> Result<(RoleBinding, bool)> {
        let (kind, issuer, holder_id) = new.holder.parts();
        let mut tx = self.pools.begin().await?;
        // Also the lock that keeps the number of bindings within its limit.
        next(&mut tx, org, ROLES).await?;
        let known = tx
            .row(
                query(
                    "SELECT id, role, holder, issuer, holder_id, made_by, created FROM role_bindings \
                     WHERE org = $1 AND role = $2 AND holder = $3 AND issuer = $4 AND holder_id = $5",
                )
                .bind(org.to_string())
                .bind(new.role.as_str())
                .bind(kind)
                .bind(issuer)
                .bind(&holder_id),
            )
            .await?;
        if let Some(known) = known {
            return Ok((read(&known)?, false));
        }
        if count(&mut tx, org).await? >= limits::ROLE_BINDINGS_MAX {
            return Err(StoreError::Full("role bindings"));
        }
        tx.run(
            query(
                "INSERT INTO role_bindings (id, org, role, holder, issuer, holder_id, made_by, created) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(new.id.to_string())
            .bind(org.to_string())
            .bind(new.role.as_str())
            .bind(kind)
            .bind(issuer)
            .bind(holder_id)
            .bind(&new.made_by)
            .bind(new.created.unix_ms()),
        )
        .await?;
        tx.commit().await?;
        Ok((new.clone(), true))
    }

    /// Takes a binding away; where it is said so, not that of the only owner.
    pub async fn remove_role(
        &self,
        org: OrgId,
        binding: BindingId,
        keeps_an_owner: bool,
    ) -> Result<RoleRemoved> {
        let mut tx = self.pools.begin().await?;
        // Also the lock that keeps two from taking the last two owners' roles at once.
        next(&mut tx, org, ROLES).await?;
        if keeps_an_owner {
            let owners = query("SELECT id FROM role_bindings WHERE org = $1 AND role = $2 LIMIT 2");
            let owners = owners.bind(org.to_string()).bind(Role::Owner.as_str());
            let owners = tx.rows(owners).await?;
            let owners: Vec<BindingId> = owners
                .iter()
                .map(|row| id(row, 0, "role_bindings.id"))
                .collect::<Result<_>>()?;
            if owners == [binding] {
                return Ok(RoleRemoved::LastOwner);
            }
        }
        let row = tx
            .row(
                query(
                    "DELETE FROM role_bindings WHERE org = $1 AND id = $2 \
                     RETURNING id, role, holder, issuer, holder_id, made_by, created",
                )
                .bind(org.to_string())
                .bind(binding.to_string()),
            )
            .await?;
        tx.commit().await?;
        let gone = row.as_ref().map(read).transpose()?;
        Ok(gone.map_or(RoleRemoved::Unknown, RoleRemoved::Gone))
    }

    /// Every binding, oldest first; their number is limited when they are made.
    pub async fn roles(&self, org: OrgId) -> Result<Vec<RoleBinding>> {
        let statement = query(
            "SELECT id, role, holder, issuer, holder_id, made_by, created FROM role_bindings \
             WHERE org = $1 ORDER BY id",
        );
        let rows = self.pools.rows(statement.bind(org.to_string())).await?;
        rows.iter().map(read).collect()
    }
}

async fn count(tx: &mut Tx, org: OrgId) -> Result<i64> {
    let statement = query("SELECT COUNT(*) FROM role_bindings WHERE org = $1");
    let row = tx.row(statement.bind(org.to_string())).await?;
    Ok(row
        .ok_or(StoreError::Damaged("role_bindings"))?
        .try_get(0)?)
}

fn read(row: &AnyRow) -> Result<RoleBinding> {
    let holder = match row.try_get::<&str, _>(2)? {
        "person" => Holder::Person(id(row, 4, "role_bindings.holder_id")?),
        "group" => Holder::Group {
            issuer: row.try_get(3)?,
            group: row.try_get(4)?,
        },
        _ => return Err(StoreError::Damaged("role_bindings.holder")),
    };
    Ok(RoleBinding {
        id: id(row, 0, "role_bindings.id")?,
        role: id(row, 1, "role_bindings.role")?,
        holder,
        made_by: row.try_get(5)?,
        created: time(row, 6)?,
    })
}
