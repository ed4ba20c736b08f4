//! Posting ledger records to an OTLP receiver.

use std::sync::Arc;

use http::header::RETRY_AFTER;
use ledger::sinks::otlp::{Post, PostError, Posted, Posting};
use pipeline::fetch::{Ask, Fetch};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

/// An address, and what we prove ourselves with there.
#[derive(Debug)]
pub struct Receiver {
    /// The address.
    pub url: Url,
    /// A bearer token.
    pub bearer: Option<SecretString>,
    /// The client.
    pub fetch: Arc<Fetch>,
}

impl Post for Receiver {
    fn post(&self, body: Vec<u8>) -> Posting<'_> {
        Box::pin(async move {
            let body: Value =
                serde_json::from_slice(&body).map_err(|error| PostError(error.to_string()))?;
            let mut ask = Ask::post_json(&self.url, &body);
            if let Some(token) = &self.bearer {
                ask = ask.bearer(token);
            }
            let answer = self
                .fetch
                .send(ask)
                .await
                .map_err(|error| PostError(error.chain()))?;
            let retry_after_s = answer
                .headers
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            Ok(Posted {
                status: answer.status.as_u16(),
                retry_after_s,
            })
        })
    }
}
