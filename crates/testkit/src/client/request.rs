//! Requests and answers.

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde_json::Value;

use super::{ClientError, Events};
use crate::limits::{BODY_BYTES_MAX, PATIENCE};
use crate::net::Body;

/// A client with a pool of connections. Clones share the pool.
#[derive(Debug, Clone)]
pub struct Http(Client<HttpConnector, Body>);

impl Http {
    /// A client without connections.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(PATIENCE));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Self(client)
    }

    /// Begins a GET.
    pub fn get(&self, url: &str) -> Asking {
        self.request(Method::GET, url)
    }

    /// Begins a POST.
    pub fn post(&self, url: &str) -> Asking {
        self.request(Method::POST, url)
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: &str) -> Asking {
        Asking {
            http: self.clone(),
            method,
            url: url.to_owned(),
            headers: HeaderMap::new(),
            body: Body::whole(Bytes::new()),
            fault: None,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

/// A request being put together. Mistakes show when it is sent.
#[derive(Debug)]
#[must_use = "nothing is asked until it is sent"]
pub struct Asking {
    http: Http,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Body,
    fault: Option<String>,
}

impl Asking {
    /// Adds a header, beside others of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(name == header::AUTHORIZATION || name == "x-api-key");
                self.headers.append(name, value);
            }
            _ => self.fault = Some(format!("header {name}")),
        }
        self
    }

    /// Adds headers.
    pub fn headers<'h>(self, headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> Self {
        headers
            .into_iter()
            .fold(self, |asking, (name, value)| asking.header(name, value))
    }

    /// Adds `Authorization: Bearer`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Adds `Authorization: Basic` with the parts form-encoded, as OAuth wants them.
    pub fn basic(self, user: &str, password: &str) -> Self {
        use base64::Engine as _;
        let encode =
            |part: &str| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(user), encode(password));
        let code = base64::engine::general_purpose::STANDARD.encode(pair);
        self.header("authorization", &format!("Basic {code}"))
    }

    /// Sets a JSON body.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        if let Ok(bytes) = serde_json::to_vec(body) {
            return self.body(bytes).header("content-type", "application/json");
        }
        self.fault = Some("the JSON body".to_owned());
        self
    }

    /// Sets a form body.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let text = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.body(text)
            .header("content-type", "application/x-www-form-urlencoded")
    }

    /// Sets the body's bytes, without a content type.
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body = Body::whole(bytes);
        self
    }

    /// Sets a body that is sent chunked, as it is fed.
    pub fn fed_body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Result<Answer, ClientError> {
        self.open().await?.whole().await
    }

    /// Sends it and returns as soon as the answer's head is there.
    pub async fn open(self) -> Result<Open, ClientError> {
        if let Some(fault) = self.fault {
            return Err(ClientError::Unsendable(fault));
        }
        let mut request = Request::builder()
            .method(self.method)
            .uri(&self.url)
            .body(self.body)
            .map_err(|_| ClientError::Unsendable(self.url.clone()))?;
        *request.headers_mut() = self.headers;
        let answer = patient("the answer's head", self.http.0.request(request))
            .await?
            .map_err(ClientError::NoAnswer)?;
        let (parts, body) = answer.into_parts();
        Ok(Open {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }
}

/// An answer whose body is still coming.
#[derive(Debug)]
pub struct Open {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
}

impl Open {
    /// The next piece of the body; `None` at its proper end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let Some(frame) = patient("the next bytes", self.body.frame()).await? else {
                return Ok(None);
            };
            if let Ok(data) = frame.map_err(ClientError::BrokeOff)?.into_data() {
                return Ok(Some(data));
            }
        }
    }

    /// The rest of the body.
    pub async fn whole(mut self) -> Result<Answer, ClientError> {
        let mut body = BytesMut::new();
        while let Some(data) = self.chunk().await? {
            if body.len() + data.len() > BODY_BYTES_MAX {
                return Err(ClientError::TooLarge);
            }
            body.extend_from_slice(&data);
        }
        Ok(Answer {
            status: self.status,
            headers: self.headers,
            body: body.freeze(),
        })
    }

    /// Reads the body as an event stream.
    pub fn events(self) -> Events {
        Events::new(self)
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A header as text; `None` when absent or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text, with replacement characters for what is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The answer itself when its status is as expected, else an error that shows what came.
    pub fn expect_status(self, status: u16) -> Result<Self, ClientError> {
        if self.status == status {
            return Ok(self);
        }
        Err(self.unexpected(format!("status {status}")))
    }

    /// An error that shows what came instead.
    pub fn unexpected(&self, expected: impl Into<String>) -> ClientError {
        ClientError::Unexpected {
            expected: expected.into(),
            status: self.status,
            body: self.text().chars().take(600).collect(),
        }
    }
}

/// Waits, but not for ever.
pub(crate) async fn patient<T>(
    what: &'static str,
    of: impl Future<Output = T>,
) -> Result<T, ClientError> {
    tokio::time::timeout(PATIENCE, of)
        .await
        .map_err(|_| ClientError::TooLong(what))
}
