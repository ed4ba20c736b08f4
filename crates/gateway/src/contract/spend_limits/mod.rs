//! The admin endpoints for spend limits, in the reference gateway's shapes: money as cents in decimal texts, one limit for each
//! scope and period, every change with its audit entry and ledger record.
//!
//! | file | endpoint |
//! |---|---|
//! | [`write`] | `POST` and `DELETE`: setting a limit, taking one away |
//! | [`read`] | `GET`: the list, one limit, the audit |
//! | [`effective`] | `GET …/effective`: what holds for people, and what they have spent |
//! | `shape` | what a limit looks like, in and out |

#![expect(
    clippy::unnecessary_box_returns,
    reason = "boxed as errors, which are rare and large, and returned alike"
)]

pub mod effective;
pub mod read;
pub mod write;

mod shape;

use aws_lc_rs::constant_time;
use axum::response::{IntoResponse as _, Response};
use domain::RequestId;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use store::StoreError;

use super::Contract;
use crate::envelope;

/// A key of the admin endpoints.
#[derive(Debug, Clone)]
pub struct AdminKey {
    /// What the audit calls it.
    pub id: String,
    /// The key.
    pub key: SecretString,
    /// Whether it may change limits.
    pub writes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Reading,
    Writing,
}

/// A failed request's response.
type Refused = Box<Response>;

fn fail(id: RequestId, status: StatusCode, kind: &'static str, text: &str) -> Refused {
    Box::new(
        (
            status,
            [(http::header::CONTENT_TYPE, "application/json")],
            envelope::body(kind, text, id),
        )
            .into_response(),
    )
}

fn unavailable(id: RequestId, error: &StoreError) -> Refused {
    tracing::error!(error = %error, "spend limits cannot be read or written");
    fail(
        id,
        StatusCode::SERVICE_UNAVAILABLE,
        "api_error",
        "The store cannot be reached; nothing was written.",
    )
}

impl Contract {
    /// The key that a request carries, if it may do what the request needs. Every key is compared, in constant time.
    fn admin(
        &self,
        headers: &HeaderMap,
        needs: Needs,
        id: RequestId,
    ) -> Result<&AdminKey, Refused> {
        let given = headers
            .get("x-api-key")
            .map(http::HeaderValue::as_bytes)
            .unwrap_or_default();
        let matches = |key: &&AdminKey| {
            constant_time::verify_slices_are_equal(key.key.expose_secret().as_bytes(), given)
                .is_ok()
        };
        let found = self.admin_keys.iter().rfind(matches);
        match found {
            None => Err(fail(
                id,
                StatusCode::UNAUTHORIZED,
                "authentication_error",
                "invalid x-api-key",
            )),
            Some(key) if needs == Needs::Writing && !key.writes => Err(fail(
                id,
                StatusCode::FORBIDDEN,
                "permission_error",
                "requires write:spend_limits",
            )),
            Some(key) => Ok(key),
        }
    }
}

fn not_found(id: RequestId) -> Refused {
    fail(
        id,
        StatusCode::NOT_FOUND,
        "not_found_error",
        "There is no such spend limit.",
    )
}
