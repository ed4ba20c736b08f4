//! The second door: connectors, which are servers of the Model Context Protocol. Default deny; every call of an action takes the
//! pipeline's stages and ends in a record; bytes are forwarded as they came and parsed beside.
//!
//! | file | what |
//! |---|---|
//! | [`alias`] | what things are called where all connectors are one |
//! | [`door`] | the routes, and a message's whole way |
//! | [`headers`] | what the protocol's headers must agree with, and where requests may come from |
//! | [`envelope`], [`strict`] | a message taken apart so that nobody can read it otherwise |
//! | [`params`] | a request's parameters, read once |
//! | [`method`] | what a request would do |
//! | [`place`] | how much runs at once |
//! | [`revision`] | the revisions of the protocol |
//! | [`session`] | sessions, which are ours |
//! | [`grants`], [`oauth`] | people's own authorisations at connectors; Doorward as the client of their authorization servers |
//! | [`accounts`] | Doorward's own account at a connector, for everybody |
//! | [`stdio`] | connectors that are programs of this machine |
//! | [`upstream`] | the connectors, and the only place where their credentials go out |
//! | [`line`], [`seam`] | Doorward as a client of its own at a connector, and what lies between it and the clients |
//! | [`sse`] | connectors of the old transport |
//! | [`stream`], [`frames`] | answers on their way back, event by event |
//! | [`look`], [`listing`], [`texts`] | what of a message is looked at, shown and marked |
//! | [`arguments`] | the arguments of a call, canonical and against the rules |
//! | [`approval`] | what an approval of a call binds |
//! | [`pins`] | what was approved of a connector's actions |
//! | [`refused`] | how a refusal looks to a client |
//!
//! What a connector is and who may do what there stands in the policy ([`domain::policy::connectors`]); the decision is
//! [`domain::policy::reach`]. Decision record 0017 says why.

pub mod accounts;
pub mod alias;
pub mod approval;
pub mod arguments;
pub mod door;
pub mod envelope;
pub mod frames;
pub mod grants;
pub mod headers;
pub mod line;
pub mod listing;
pub mod look;
pub mod method;
pub mod oauth;
pub mod params;
pub mod pins;
pub mod place;
pub mod refused;
pub mod revision;
pub mod seam;
pub mod session;
pub mod sse;
pub mod stdio;
pub mod stream;
pub mod strict;
pub mod texts;
pub mod upstream;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

pub use door::Connectors;

/// The connectors' endpoints.
pub fn routes(door: Arc<Connectors>) -> Router {
    Router::new()
        .route("/mcp", any(door::all))
        .route("/mcp/{connector}", any(door::connector))
        .route("/connect/client.json", get(document))
        .with_state(door)
}

/// What Doorward says of itself as a client, for whoever asks.
async fn document(State(door): State<Arc<Connectors>>) -> Response {
    let document = oauth::document(&door.public_url).to_string();
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, document).into_response()
}
