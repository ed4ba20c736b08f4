//! `POST /oauth/revoke` (RFC 7009): a client signs out. The answer is 200 whatever the token was, so that nobody learns which
//! tokens are good; only an outage is told.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use super::{SignIn, oauth};

/// Handles the request.
pub async fn revoke(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let form = match oauth::Form::read(request.into_body()).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    match state.sessions.end_by_token(form.field("token")).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => {
            tracing::warn!(
                reason = refusal.code().as_str(),
                "a session cannot be ended"
            );
            oauth::unavailable()
        }
    }
}
