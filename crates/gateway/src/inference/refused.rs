//! Endpoints of the provider's API that we refuse by name, because budgets or the isolation of people would not hold on them:
//! batches are priced and answered later, files and sessions are shared by everyone who uses the provider's key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use domain::{Reason, ReasonCode, Refusal};
use pipeline::Call;

use super::{Inference, refuse};

/// Paths below which nothing is offered.
pub const PREFIXES: [&str; 8] = [
    "/v1/agents",
    "/v1/complete",
    "/v1/environments",
    "/v1/files",
    "/v1/messages/batches",
    "/v1/sessions",
    "/v1/skills",
    "/v1/memory_stores",
];

/// Any request below one of [`PREFIXES`].
pub async fn refused(State(door): State<Arc<Inference>>, request: Request) -> Response {
    let facts = door.facts(&request, "not_offered");
    let call = Call::received(&door.pipeline, facts);
    let head = request.into_parts().0;
    let call = match door.identify(call, &head.headers).await {
        Ok(call) => call,
        Err(refusal) => return refuse(facts.request)(refusal),
    };
    let path: String = head.uri.path().chars().take(64).collect();
    let text = format!(
        "The endpoint {path} is not offered here, because budgets or isolation would not hold on it."
    );
    refuse(facts.request)(call.refuse(Refusal::one(Reason::new(
        ReasonCode::EndpointNotOffered,
        text,
    ))))
}

/// Any path that nothing is at. Callers whom we know are told so; everyone else is told to sign in first.
pub async fn unknown(door: Arc<Inference>, request: Request) -> Response {
    let facts = door.facts(&request, "unknown");
    let call = Call::received(&door.pipeline, facts);
    let head = request.into_parts().0;
    match door.identify(call, &head.headers).await {
        Ok(call) => refuse(facts.request)(call.refuse(Refusal::plain(ReasonCode::PathUnknown))),
        Err(refusal) => refuse(facts.request)(refusal),
    }
}
