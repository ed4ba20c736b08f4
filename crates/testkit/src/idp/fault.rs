//! What can go wrong with an identity provider on demand, and how often each endpoint was asked.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Response;

use crate::net::{Body, Hangup, reply};

/// An endpoint of the fake provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The discovery document.
    Discovery,
    /// The published keys.
    Jwks,
    /// Where people sign in.
    Authorize,
    /// Where codes become tokens.
    Token,
    /// Claims of a person by access token.
    Userinfo,
    /// Microsoft Graph.
    Graph,
    /// The address an overage token names. Calling it is a mistake (the token's sender chose it), so it only counts.
    ClaimSource,
}

impl Endpoint {
    const COUNT: usize = 7;
}

/// One way in which an endpoint is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdpFault {
    /// Answers this status and a short text.
    Status(u16),
    /// Answers rightly, after so many milliseconds.
    SlowMs(u64),
    /// Never answers; the connection stays open.
    Hang,
    /// Answers 200 with bytes that are no JSON.
    Garbage,
    /// Answers 200 with JSON of another shape.
    WrongShape,
    /// Answers 200 with more bytes than a careful reader takes (4 MiB).
    Huge,
    /// Redirects to itself.
    RedirectLoop,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    faults: Mutex<[Option<IdpFault>; Endpoint::COUNT]>,
    hits: [AtomicU64; Endpoint::COUNT],
}

impl Faults {
    pub(crate) fn set(&self, endpoint: Endpoint, fault: IdpFault) {
        self.lock()[endpoint as usize] = Some(fault);
    }

    pub(crate) fn clear(&self) {
        *self.lock() = [None; Endpoint::COUNT];
    }

    pub(crate) fn hits(&self, endpoint: Endpoint) -> u64 {
        self.hits[endpoint as usize].load(Ordering::SeqCst)
    }

    /// Counts a request and plays the endpoint's fault; `None` when the true answer is to be given.
    pub(crate) async fn strike(
        &self,
        endpoint: Endpoint,
    ) -> Result<Option<Response<Body>>, Hangup> {
        self.hits[endpoint as usize].fetch_add(1, Ordering::SeqCst);
        let fault = self.lock()[endpoint as usize];
        Ok(match fault {
            None => None,
            Some(IdpFault::Status(status)) => Some(reply::text(status, "broken on demand")),
            Some(IdpFault::SlowMs(ms)) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                None
            }
            Some(IdpFault::Hang) => std::future::pending().await,
            Some(IdpFault::Garbage) => Some(reply::typed(
                200,
                "application/json",
                &b"\x00\xff<garbage{"[..],
            )),
            Some(IdpFault::WrongShape) => Some(reply::typed(
                200,
                "application/json",
                r#"{"keys":{"a":1},"issuer":7}"#,
            )),
            Some(IdpFault::Huge) => Some(reply::typed(200, "application/json", huge())),
            Some(IdpFault::RedirectLoop) => Some(reply::redirect("?again")),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, [Option<IdpFault>; Endpoint::COUNT]> {
        self.faults.lock().expect("no holder of this lock panics")
    }
}

fn huge() -> String {
    format!(r#"{{"filler":"{}"}}"#, "x".repeat(4 * 1024 * 1024))
}
