//! Errors in Anthropic's envelope.

use http::Response;
use serde_json::json;

use crate::net::{Body, reply};

/// An error on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) kind: String,
    pub(super) message: String,
}

impl Refusal {
    /// An error of the type that goes with the status.
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: kind_of(status).to_owned(),
            message: message.into(),
        }
    }

    /// A mistake in the request.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub(super) fn answer(&self, request_id: &str) -> Response<Body> {
        let body = json!({
            "type": "error",
            "error": {"type": self.kind, "message": self.message},
            "request_id": request_id,
        });
        reply::json(self.status, &body)
    }
}

/// The error type that goes with a status.
pub(super) const fn kind_of(status: u16) -> &'static str {
    match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

/// What the provider says with an error that was ordered.
pub(super) const fn message_of(status: u16) -> &'static str {
    match status {
        401 => "invalid x-api-key",
        403 => "Your API key does not have permission to use the specified resource.",
        413 => "Request exceeds the maximum size",
        429 => "This request would exceed your organization's rate limit.",
        504 => "Request timed out.",
        529 => "Overloaded",
        400..500 => "The request was refused on demand.",
        _ => "Internal server error",
    }
}
