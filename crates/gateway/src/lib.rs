//! The first door: inference, and what Claude's clients need around it.
//!
//! - [`inference`]: messages, token counts, models; every call goes through the pipeline's stages
//! - [`upstream`]: the providers, and the only place that holds their credentials
//! - [`relay`]: the answer on its way back
//! - [`envelope`]: how a refusal looks to a Claude client
//! - [`answers`]: what every answer has in common
//! - [`body`], [`cors`], [`usage_headers`]: what the handlers share

pub mod answers;
pub mod body;
pub mod cors;
pub mod envelope;
pub mod inference;
pub mod contract;
pub mod relay;
pub mod signin;
pub mod upstream;
pub mod usage_headers;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{any, get, post};

pub use inference::{ClientAddress, Inference};

/// The inference endpoints. The caller adds [`cors::for_office`] around everything it serves.
pub fn inference_routes(door: Arc<Inference>) -> Router {
    use inference::{messages, models, refused};
    let mut router = Router::new()
        .route("/v1/messages", post(messages::messages))
        .route("/v1/messages/count_tokens", post(messages::count_tokens))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::one));
    for prefix in refused::PREFIXES {
        router = router
            .route(prefix, any(refused::refused))
            .route(&format!("{prefix}/{{*rest}}"), any(refused::refused));
    }
    router.with_state(door).layer(from_fn(answers::in_envelope))
}
