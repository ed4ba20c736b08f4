//! What stands in a provider's place while `doctor` looks at what leaves: a listener on loopback that keeps the last request of
//! each upstream and answers that all is well. Its address holds a random part, so that nobody else on the machine speaks to it
//! by chance. It ends when it is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::{Ids, limits};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, StatusCode};
use pipeline::identity::hex;
use tokio::net::TcpListener;

/// A request as it arrived in the provider's place.
#[derive(Debug)]
pub(super) struct Departed {
    pub(super) path_and_query: String,
    pub(super) headers: HeaderMap,
}

type Seen = Arc<Mutex<HashMap<usize, Departed>>>;

/// The listener.
#[derive(Debug)]
pub(super) struct Recorder {
    base: String,
    seen: Seen,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Desk {
    prefix: Arc<str>,
    seen: Seen,
}

impl Recorder {
    pub(super) async fn start(ids: &dyn Ids) -> std::io::Result<Self> {
        let socket = TcpListener::bind(("127.0.0.1", 0)).await?;
        let mut bytes = [0u8; 16];
        ids.fill(&mut bytes);
        let prefix = format!("/{}/", hex(&bytes));
        let base = format!("http://{}{prefix}", socket.local_addr()?);
        let seen = Seen::default();
        let desk = Desk {
            prefix: prefix.into(),
            seen: Arc::clone(&seen),
        };
        let router = Router::new().fallback(keep).with_state(desk);
        let task = tokio::spawn(async move {
            // Ends with the process or the recorder; an error means that nothing more is recorded, which the check will say.
            let _ = axum::serve(socket, router).await;
        });
        Ok(Self { base, seen, task })
    }

    /// The base address to put in the place of an upstream's own.
    pub(super) fn base_of(&self, upstream: usize) -> String {
        format!("{}{upstream}", self.base)
    }

    /// What left for an upstream.
    pub(super) fn take(&self, upstream: usize) -> Option<Departed> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(&upstream)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(State(desk): State<Desk>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let path_and_query = head.uri.path_and_query().map_or("", |path| path.as_str());
    let rest = path_and_query.strip_prefix(&*desk.prefix);
    let upstream = rest.and_then(|rest| rest.split('/').next()?.parse().ok());
    let read = axum::body::to_bytes(body, limits::DOCTOR_BODY_BYTES_MAX).await;
    let (Some(upstream), Ok(_)) = (upstream, read) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let departed = Departed {
        path_and_query: path_and_query.to_owned(),
        headers: head.headers,
    };
    let mut seen = desk.seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.insert(upstream, departed);
    let message = r#"{"id":"msg_doctor","type":"message","role":"assistant","model":"doctor","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#;
    ([(CONTENT_TYPE, "application/json")], message).into_response()
}
