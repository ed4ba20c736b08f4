//! The inference endpoints: what their handlers share. One handler a file:
//!
//! - [`messages`]: `POST /v1/messages` and `/v1/messages/count_tokens`
//! - [`models`]: `GET /v1/models`
//! - [`refused`]: endpoints we refuse by name

pub mod catalogue;
pub mod messages;
pub mod models;
pub mod refused;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::response::Response;
use domain::{Client, Refusal, RequestId};
use http::HeaderMap;
use http::header::{ORIGIN, USER_AGENT};
use pipeline::{Call, Facts, Identified, Pipeline, Received};
use tokio::sync::Semaphore;

use crate::body::Memory;
use crate::envelope::refusal_response;
use crate::upstream::Upstreams;
use catalogue::Catalogue;

pub use pipeline::ClientAddress;

/// What the inference endpoints stand on.
#[derive(Debug)]
pub struct Inference {
    /// The stages.
    pub pipeline: Arc<Pipeline>,
    /// The providers.
    pub upstreams: Arc<Upstreams>,
    /// The models we know.
    pub catalogue: Arc<Catalogue>,
    /// Memory for bodies.
    pub memory: Memory,
    /// Calls at once.
    pub calls: Arc<Semaphore>,
}

impl Inference {
    /// The door's state.
    pub fn new(
        pipeline: Arc<Pipeline>,
        upstreams: Arc<Upstreams>,
        catalogue: Arc<Catalogue>,
    ) -> Self {
        let calls = Arc::new(Semaphore::new(domain::limits::CALLS_MAX));
        Self {
            pipeline,
            upstreams,
            catalogue,
            memory: Memory::default(),
            calls,
        }
    }

    /// An id that no other request has.
    pub fn new_request_id(&self) -> RequestId {
        let now = self.pipeline.clock.now();
        let unix_ms = u64::try_from(now.unix_ms()).unwrap_or(0);
        RequestId::from_parts(unix_ms, self.pipeline.ids.random_bits())
    }

    /// The facts of a request that has just arrived.
    pub fn facts(&self, request: &Request, action: &'static str) -> Facts {
        let header = |name| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let began = self.pipeline.clock.now();
        Facts {
            request: request
                .extensions()
                .get()
                .copied()
                .unwrap_or_else(|| self.new_request_id()),
            began,
            arrived: Instant::now(),
            client: Client::from_headers(header(USER_AGENT), header(ORIGIN)),
            address: request
                .extensions()
                .get::<ClientAddress>()
                .and_then(|address| address.0),
            action,
        }
    }

    /// Who is calling?
    pub async fn identify(
        &self,
        call: Call<Received>,
        headers: &HeaderMap,
    ) -> Result<Call<Identified>, Refusal> {
        let identity = &self.pipeline.identity;
        let who = match identity.identify_cached(headers) {
            Some(who) => Ok(who),
            // A credential that is new to us takes a long way, which most requests never see.
            None => Box::pin(identity.identify(headers)).await,
        };
        self.pipeline.identified(call, who)
    }
}

/// A refusal's response, for handlers that end with `?`.
pub(crate) fn refuse(request: RequestId) -> impl FnOnce(Refusal) -> Response {
    move |refusal| refusal_response(&refusal, request)
}
