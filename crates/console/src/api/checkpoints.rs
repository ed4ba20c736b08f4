//! Checkpoints: what an auditor who kept one compares it with.

use axum::Json;
use control::checkpoints::{self, Found};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Call, Id};
use super::page::{self, Page};
use crate::Problem;

/// A signed head of a chain.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckpointView {
    /// Its id: the chain and the number of the last record it covers.
    #[schema(example = "gw-1.3.17")]
    id: String,
    /// The chain; each replica writes its own.
    chain: String,
    /// The number of the last record that it covers; 0 for the empty chain.
    seq: u64,
    /// That record's hash, SHA-256, which covers all before it.
    hash: String,
    /// When it was signed.
    at: String,
    /// The key that signed; `/ledger/head` has this replica's public key.
    key: String,
    /// The Ed25519 signature over `signed_text`, base64.
    signature: String,
    /// The text that is signed, line by line.
    signed_text: String,
    #[serde(skip)]
    place: String,
}

impl From<Found> for CheckpointView {
    fn from(found: Found) -> Self {
        let checkpoint = &found.checkpoint;
        Self {
            id: found.id(),
            chain: checkpoint.chain.to_string(),
            seq: checkpoint.seq,
            hash: checkpoint.hash.to_string(),
            at: checkpoint.time.to_string(),
            key: checkpoint.key.to_string(),
            signature: checkpoint.signature.to_string(),
            signed_text: checkpoint.text(),
            place: found.place.to_string(),
        }
    }
}

/// Which to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// One chain's alone.
    #[param(max_length = 128)]
    chain: Option<String>,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
}

/// Checkpoints of every replica's chain, newest first, out of the ledger's copy.
#[utoipa::path(get, path = "/ledger/checkpoints", operation_id = "checkpoints_list", tag = "ledger", params(Which),
    responses((status = 200, body = Page<CheckpointView>)))]
pub async fn list(
    call: Call,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<CheckpointView>>, Problem> {
    let (rows, after) = (
        page::rows(which.limit)?,
        page::after(which.after.as_deref())?,
    );
    let chain = which.chain.as_deref();
    let chain = chain.map(|chain| page::short("chain", chain)).transpose()?;
    let operation = call.operation();
    let (found, more) = checkpoints::list(&operation, chain, after.as_ref(), rows).await?;
    let items = found.into_iter().map(CheckpointView::from).collect();
    Ok(Json(Page::new(items, more, |last: &CheckpointView| {
        last.place.clone()
    })))
}

/// One checkpoint.
#[utoipa::path(get, path = "/ledger/checkpoints/{id}", operation_id = "checkpoints_read", tag = "ledger",
    params(("id" = String, Path, example = "gw-1.3.17")), responses((status = 200, body = CheckpointView)))]
pub async fn read(call: Call, Id(id): Id<String>) -> Result<Json<CheckpointView>, Problem> {
    Ok(Json(checkpoints::one(&call.operation(), &id).await?.into()))
}
