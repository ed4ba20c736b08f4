//! The ledger: search it, take records out of it, and see where it stands.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use control::records::{self, FoundRecord, Place, Sought};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, LINK};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Call};
use super::page::{self, Page};
use crate::Problem;

/// What to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// Whom a record is about: a person's or service's id.
    #[param(max_length = 128)]
    subject: Option<String>,
    /// Which request.
    #[param(max_length = 128)]
    request: Option<String>,
    /// Which kind: decision, outcome, sign_in, session, change or system.
    #[param(max_length = 128)]
    kind: Option<String>,
    /// From this moment on, RFC 3339.
    #[param(max_length = 64)]
    since: Option<String>,
    /// Before this moment, RFC 3339.
    #[param(max_length = 64)]
    until: Option<String>,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
}

/// A record.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordView {
    /// Its place in the order of search.
    place: String,
    /// Its chain.
    chain: String,
    /// Its number in the chain.
    seq: u64,
    /// When.
    at: String,
    /// Its kind.
    kind: String,
    /// The request, if it is about one.
    request: Option<String>,
    /// Whom it is about.
    subject: Option<String>,
    /// The record as it was written.
    #[schema(value_type = Object)]
    record: serde_json::Value,
}

impl From<FoundRecord> for RecordView {
    fn from(found: FoundRecord) -> Self {
        Self {
            place: found.place.to_string(),
            chain: found.place.chain,
            seq: found.place.seq,
            at: found.place.at.to_string(),
            kind: found.kind,
            request: found.request,
            subject: found.subject,
            record: serde_json::from_str(&found.body).unwrap_or_default(),
        }
    }
}

fn sought(search: Search) -> Result<(Sought, u32), Problem> {
    let short = |field, text: Option<String>| {
        text.map(|text| page::short(field, &text).map(str::to_owned))
            .transpose()
    };
    let after: Option<Place> = page::after(search.after.as_deref())?;
    let sought = Sought {
        since: page::named("since", search.since.as_deref())?,
        until: page::named("until", search.until.as_deref())?,
        subject: short("subject", search.subject)?,
        request: short("request", search.request)?,
        kind: short("kind", search.kind)?,
        after,
    };
    Ok((sought, page::rows(search.limit)?))
}

/// Search the ledger's copy, newest first. It follows the ledger by less than a second.
#[utoipa::path(get, path = "/ledger/records", operation_id = "ledger_search", tag = "ledger", params(Search),
    responses((status = 200, body = Page<RecordView>)))]
pub async fn search(
    call: Call,
    Asked(search): Asked<Search>,
) -> Result<Json<Page<RecordView>>, Problem> {
    let (sought, rows) = sought(search)?;
    let (found, more) = records::search(&call.operation(), &sought, rows).await?;
    let items = found.into_iter().map(RecordView::from).collect();
    Ok(Json(Page::new(items, more, |last: &RecordView| {
        last.place.clone()
    })))
}

/// The same search as NDJSON, one record a line; the header `Link` leads to the next page. A copy that somebody else can verify is
/// made on the machine, with `doorward ledger export`.
#[utoipa::path(get, path = "/ledger/export", operation_id = "ledger_export", tag = "ledger", params(Search),
    responses((status = 200, body = String, content_type = "application/x-ndjson", headers(("Link" = String)))))]
pub async fn export(
    call: Call,
    uri: axum::extract::OriginalUri,
    Asked(search): Asked<Search>,
) -> Result<Response, Problem> {
    let (sought, rows) = sought(search)?;
    let (found, more) = records::search(&call.operation(), &sought, rows).await?;
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.place.to_string());
    let mut text = String::new();
    for record in found {
        let line = serde_json::to_string(&RecordView::from(record));
        text.push_str(&line.unwrap_or_default());
        text.push('\n');
    }
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    if let Some(next) = next {
        let link = format!(
            "<{}?{}>; rel=\"next\"",
            uri.path(),
            following(uri.query(), &next)
        );
        if let Ok(link) = HeaderValue::try_from(link) {
            headers.insert(LINK, link);
        }
    }
    Ok(response)
}

/// The same query, after another place.
fn following(query: Option<&str>, after: &str) -> String {
    let mut next = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name != "after" {
            next.append_pair(&name, &value);
        }
    }
    next.append_pair("after", after).finish()
}

/// Where this replica's ledger stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeadView {
    /// Its chain.
    chain: String,
    /// The key that its checkpoints are signed with, for `doorward ledger verify --key`.
    public_key: String,
    /// The number of its last durable record.
    seq: u64,
    /// Records that wait for the disk.
    waiting: usize,
    /// When this was so.
    at: String,
}

/// Where this replica's ledger stands, and the key that verifies its checkpoints.
#[utoipa::path(get, path = "/ledger/head", operation_id = "ledger_head", tag = "ledger",
    responses((status = 200, body = HeadView)))]
pub async fn head(call: Call) -> Result<Json<HeadView>, Problem> {
    let head = records::head(&call.operation())?;
    Ok(Json(HeadView {
        chain: head.chain,
        public_key: head.public_key,
        seq: head.seq,
        waiting: head.waiting,
        at: head.at.to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_asks_the_same_with_another_place() {
        let next = following(Some("kind=change&after=1.2.gw&limit=5"), "9.8.gw");
        assert_eq!(next, "kind=change&limit=5&after=9.8.gw");
    }
}
