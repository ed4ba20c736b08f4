//! Searching the ledger's copy: newest first, page by page, by whom a record is about, its kind, its request and its time. Each
//! search walks one index; none counts.

use domain::{OrgId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _, query};

use crate::{Result, Store, StoreError, time, unsigned};

/// Where a record stands in the order of search; the key of the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its time.
    pub at: Timestamp,
    /// Its chain.
    pub chain: String,
    /// Its number in the chain.
    pub seq: u64,
}

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct Sought {
    /// Whom it is about: a person's or service's id.
    pub subject: Option<String>,
    /// Which request.
    pub request: Option<String>,
    /// Which kind.
    pub kind: Option<String>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Only what comes after this one, which is older.
    pub after: Option<Place>,
}

/// One record, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRecord {
    /// Where it stands.
    pub place: Place,
    /// Its kind.
    pub kind: String,
    /// The request, if it is about one.
    pub request: Option<String>,
    /// Whom it is about.
    pub subject: Option<String>,
    /// The record as JSON.
    pub body: String,
}

/// One statement per index, none of which fits another statement, so that the planner needs no luck; `$2` is the whole key. Below
/// `$5` is also what is after the place, whose own comparison only parts what has the same time.
macro_rules! search {
    ($key:literal, $at:literal) => {
        concat!(
            "SELECT at, chain, seq, kind, request_id, subject, body FROM ledger_records WHERE org = $1 AND ",
            $key,
            " AND ($3 = '' OR kind = $3) AND ",
            $at,
            " >= $4 AND ",
            $at,
            " < $5 AND (at, chain, seq) < ($6, $7, $8) ORDER BY ",
            $at,
            " DESC, chain DESC, seq DESC LIMIT $9"
        )
    };
}
const BY_SUBJECT: &str = search!("subject = $2", "at");
const BY_REQUEST: &str = search!("request_id = $2", "at");
const BY_RARE_KIND: &str = search!("kind = $2 AND kind NOT IN ('decision', 'outcome')", "at");
const BY_TIME: &str = search!("$2 = ''", "(at + 0)");

impl Store {
    /// At most `limit` records, newest first, and whether there are more.
    pub async fn search_records(
        &self,
        org: OrgId,
        sought: &Sought,
        limit: u32,
    ) -> Result<(Vec<FoundRecord>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let (sql, key) = match (&sought.request, &sought.subject, &sought.kind) {
            (Some(request), ..) => (BY_REQUEST, request.as_str()),
            (None, Some(subject), _) => (BY_SUBJECT, subject.as_str()),
            (None, None, Some(kind)) if is_rare(kind) => (BY_RARE_KIND, kind.as_str()),
            (None, None, _) => (BY_TIME, ""),
        };
        let ms = |at: Option<Timestamp>, else_ms| at.map_or(else_ms, Timestamp::unix_ms);
        let after = sought.after.as_ref();
        let after_ms = ms(after.map(|place| place.at), i64::MAX);
        let seq = after.map_or(i64::MAX, |place| {
            i64::try_from(place.seq).unwrap_or(i64::MAX)
        });
        let statement = query(sql)
            .bind(org.to_string())
            .bind(key)
            .bind(sought.kind.as_deref().unwrap_or_default())
            .bind(ms(sought.since, i64::MIN))
            .bind(ms(sought.until, i64::MAX).min(after_ms.saturating_add(1)))
            .bind(after_ms)
            .bind(after.map_or("", |place| place.chain.as_str()))
            .bind(seq)
            .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }
}

impl Store {
    /// The record at a place, if it is this organisation's.
    pub async fn record_at(&self, org: OrgId, place: &Place) -> Result<Option<FoundRecord>> {
        let statement = query(
            "SELECT at, chain, seq, kind, request_id, subject, body FROM ledger_records \
             WHERE chain = $1 AND seq = $2 AND at = $3 AND org = $4",
        );
        let seq = i64::try_from(place.seq).unwrap_or(i64::MAX);
        let statement = statement.bind(&place.chain).bind(seq);
        let statement = statement.bind(place.at.unix_ms()).bind(org.to_string());
        let row = self.pools.row(statement).await?;
        row.as_ref().map(read).transpose()
    }
}

impl Store {
    /// The records of how these requests ended, as JSON; at most [`limits::STORE_PAGE_MAX`] requests are looked up.
    pub async fn outcomes_of(&self, org: OrgId, requests: &[String]) -> Result<Vec<String>> {
        let requests = &requests[..requests.len().min(limits::STORE_PAGE_MAX as usize)];
        let mut found = Vec::with_capacity(requests.len());
        for some in requests.chunks(REQUESTS_AT_ONCE) {
            let mut statement = query(AssertSqlSafe(outcomes_statement(some.len())));
            statement = statement.bind(org.to_string());
            for request in some {
                statement = statement.bind(request);
            }
            for row in &self.pools.rows(statement).await? {
                found.push(row.try_get(0)?);
            }
        }
        Ok(found)
    }
}

/// Requests of one statement.
const REQUESTS_AT_ONCE: usize = 50;

/// The statement for this many requests; its text depends on nothing else.
fn outcomes_statement(requests: usize) -> String {
    let places: Vec<String> = (2..requests + 2).map(|place| format!("${place}")).collect();
    format!(
        "SELECT body FROM ledger_records WHERE org = $1 AND request_id IN ({}) AND kind = 'outcome'",
        places.join(", ")
    )
}

/// Whether calls leave no such records, so that a walk through the newest might meet none for long.
fn is_rare(kind: &str) -> bool {
    !matches!(kind, "decision" | "outcome")
}

fn read(row: &AnyRow) -> Result<FoundRecord> {
    Ok(FoundRecord {
        place: place(row)?,
        kind: row.try_get(3)?,
        request: row.try_get(4)?,
        subject: row.try_get(5)?,
        body: row.try_get(6)?,
    })
}

/// Out of a row's first three columns.
pub(crate) fn place(row: &AnyRow) -> Result<Place> {
    Ok(Place {
        at: time(row, 0)?,
        chain: row.try_get(1)?,
        seq: unsigned(row, 2, "ledger_records.seq")?,
    })
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}.{}", self.at.unix_ms(), self.seq, self.chain)
    }
}

impl std::str::FromStr for Place {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || StoreError::Damaged("place");
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or_else(wrong);
        let at = part()?.parse().map_err(|_| wrong())?;
        let seq = part()?.parse().map_err(|_| wrong())?;
        let chain = part()?.to_owned();
        Ok(Self {
            at: Timestamp::from_unix_ms(at),
            chain,
            seq,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back() {
        let place = Place {
            at: Timestamp::from_unix_ms(1_795_226_912_345),
            chain: "gw-01".to_owned(),
            seq: 7,
        };
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        for text in ["", "1", "1.2", "a.2.c", "1.b.c"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn each_search_walks_the_index_that_is_meant_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/t.db", folder.path().display());
        let store = Store::open(&url).await.unwrap();
        for (sql, index) in [
            (
                BY_SUBJECT,
                "ledger_records_by_subject (org=? AND subject=? AND at>?",
            ),
            (
                BY_REQUEST,
                "ledger_records_by_request (org=? AND request_id=? AND at>?",
            ),
            (
                BY_RARE_KIND,
                "ledger_records_by_rare_kind (org=? AND kind=? AND at>?",
            ),
            (
                BY_TIME,
                "ledger_records_by_time (org=? AND <expr>>? AND <expr><?)",
            ),
        ] {
            let plan = format!("EXPLAIN QUERY PLAN {sql}");
            let rows = store.pools.rows(query(AssertSqlSafe(plan))).await.unwrap();
            let steps: Vec<String> = rows.iter().map(|row| row.get(3)).collect();
            assert!(steps.join("\n").contains(index), "not {index}: {steps:#?}");
        }
    }
}
