//! A request read whole, for the fakes that do not care about streaming.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use super::server::Hangup;

/// A request with its body.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// The path, as sent.
    pub path: String,
    /// The query, as sent, without the question mark; empty when there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Ask {
    /// Reads a request. Hangs up when its body breaks off or is larger than `limit`.
    pub async fn read(request: Request<Incoming>, limit: usize) -> Result<Self, Hangup> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, limit)
            .collect()
            .await
            .map_err(|_| Hangup)?
            .to_bytes();
        Ok(Self::from_parts(parts, body))
    }

    pub(crate) fn from_parts(parts: Parts, body: Bytes) -> Self {
        Self {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body,
        }
    }

    /// A header as text; `None` when absent or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token of `Authorization: Bearer`.
    pub fn bearer(&self) -> Option<&str> {
        let value = self.header(header::AUTHORIZATION.as_str())?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    }

    /// User and password of `Authorization: Basic`, form-decoded as OAuth wants them (RFC 6749, section 2.3.1).
    pub fn basic(&self) -> Option<(String, String)> {
        let value = self.header(header::AUTHORIZATION.as_str())?;
        let (scheme, code) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(code).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        let decode = |part: &str| {
            let pair = format!("x={part}");
            Fields::parse(pair.as_bytes()).text("x").to_owned()
        };
        Some((decode(user), decode(password)))
    }

    /// The query's fields.
    pub fn query_fields(&self) -> Fields {
        Fields::parse(self.query.as_bytes())
    }

    /// The form body's fields.
    pub fn form(&self) -> Fields {
        Fields::parse(&self.body)
    }
}

/// Decoded `application/x-www-form-urlencoded` fields, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// Decodes a query or form body.
    pub fn parse(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The first field of that name.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first field of that name, or the empty text.
    pub fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// These fields followed by those of `more`.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }
}
