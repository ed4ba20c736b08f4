//! What a handful of ids is called: people and services, for pages that show many of them. Reads names and nothing else.

use std::collections::BTreeMap;

use domain::{OrgId, limits};
use sqlx::{AssertSqlSafe, Row as _, query};

use crate::{Result, Store};

impl Store {
    /// What these people and services are called: the name or e-mail address of a person, the name of a service. Those that are not
    /// there are left out; at most [`limits::STORE_PAGE_MAX`] are looked up.
    pub async fn labels(&self, org: OrgId, ids: &[String]) -> Result<BTreeMap<String, String>> {
        let ids = &ids[..ids.len().min(limits::STORE_PAGE_MAX as usize)];
        let mut found = BTreeMap::new();
        for some in ids.chunks(IDS_AT_ONCE) {
            let mut statement =
                query(AssertSqlSafe(labels_statement(some.len()))).bind(org.to_string());
            for id in some {
                statement = statement.bind(id);
            }
            for row in &self.pools.rows(statement).await? {
                found.insert(row.try_get(0)?, row.try_get(1)?);
            }
        }
        Ok(found)
    }
}

/// Ids of one statement.
const IDS_AT_ONCE: usize = 50;

/// The statement for this many ids; its text depends on nothing else.
fn labels_statement(ids: usize) -> String {
    let places: Vec<String> = (2..ids + 2).map(|place| format!("${place}")).collect();
    let places = places.join(", ");
    format!(
        "SELECT id, COALESCE(name, email, stable_id) FROM people WHERE org = $1 AND id IN ({places}) \
         UNION ALL SELECT id, name FROM services WHERE org = $1 AND id IN ({places})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_for_several_ids_numbers_its_values_through() {
        assert!(labels_statement(2).ends_with("FROM services WHERE org = $1 AND id IN ($2, $3)"));
    }
}
