//! One JSON-RPC message: what of it a decision needs, beside its bytes, which go on as they came. Pure; called for what clients send
//! and for what connectors answer.

use std::borrow::Cow;
use std::fmt;

use domain::limits;

use crate::strict::{self, Malformed, Members};

/// A request's id, as both sides must understand it alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

impl Id {
    fn read(text: &str) -> Option<Self> {
        if text.len() > limits::MCP_ID_BYTES_MAX {
            return None;
        }
        match serde_json::from_str(text).ok()? {
            serde_json::Value::Number(number) => number.as_i64().map(Self::Number),
            serde_json::Value::String(text) => Some(Self::Text(text)),
            _ => None,
        }
    }
}

impl fmt::Display for Id {
    /// As JSON.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(out),
            Self::Text(text) => serde_json::Value::from(text.as_str()).fmt(out),
        }
    }
}

/// The answer to a request, with a result. `id` is the request's, as it is written.
pub fn result(id: impl fmt::Display, result: impl fmt::Display) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")
}

/// The answer to a request, with an error; to one whose id nobody knows, `null` is the id.
pub fn error(id: impl fmt::Display, error: impl fmt::Display) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}")
}

/// A notification.
pub fn notification(method: &str, params: impl fmt::Display) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{params}}}")
}

/// What a message is.
#[derive(Debug)]
pub enum Message<'a> {
    /// It asks and wants an answer.
    Request {
        /// Its id.
        id: Id,
        /// What it asks for.
        method: Cow<'a, str>,
        /// With what, as it is written; an object.
        params: Option<&'a str>,
    },
    /// It tells.
    Notification {
        /// What it tells.
        method: Cow<'a, str>,
        /// With what.
        params: Option<&'a str>,
    },
    /// It answers.
    Response {
        /// Which request; none where it could not be told.
        id: Option<Id>,
        /// With this, as it is written; none for an error.
        result: Option<&'a str>,
    },
}

/// Why a text is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMessage {
    /// Not JSON, or not to be read in one way.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Several messages at once.
    #[error("several messages at once are not accepted; send one")]
    Batch,
    /// JSON that is no message.
    #[error("not a JSON-RPC 2.0 message: {0}")]
    Shape(&'static str),
}

impl NoMessage {
    /// The JSON-RPC code.
    pub const fn code(&self) -> i32 {
        match self {
            Self::Malformed(Malformed::Alike(_)) | Self::Batch | Self::Shape(_) => -32600,
            Self::Malformed(_) => -32700,
        }
    }
}

const KNOWN: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];

impl<'a> Message<'a> {
    /// Reads one message.
    pub fn read(bytes: &'a [u8]) -> Result<Self, NoMessage> {
        let text = strict::text(bytes)?;
        if text.trim_start().starts_with('[') {
            return Err(NoMessage::Batch);
        }
        let members = Members::read(text, KNOWN)?;
        if members.string("jsonrpc").as_deref() != Some("2.0") {
            return Err(NoMessage::Shape("jsonrpc must be \"2.0\""));
        }
        let id = members.get("id");
        match members.get("method") {
            Some(_) => {
                let method = members.string("method");
                let method = method.filter(|name| name.len() <= limits::MCP_METHOD_BYTES_MAX);
                let method = method.ok_or(NoMessage::Shape("method must be a short text"))?;
                if members.get("result").is_some() || members.get("error").is_some() {
                    return Err(NoMessage::Shape("a request has no result"));
                }
                let params = params(&members)?;
                match id {
                    None => Ok(Self::Notification { method, params }),
                    Some(text) => Id::read(text)
                        .map(|id| Self::Request { id, method, params })
                        .ok_or(NoMessage::Shape(
                            "id must be a whole number or a short text",
                        )),
                }
            }
            None => response(&members, id),
        }
    }
}

fn params<'a>(members: &Members<'a>) -> Result<Option<&'a str>, NoMessage> {
    match members.get("params") {
        Some(text) if text.starts_with('{') => Ok(Some(text)),
        None => Ok(None),
        Some(_) => Err(NoMessage::Shape("params must be an object")),
    }
}

fn response<'a>(members: &Members<'a>, id: Option<&str>) -> Result<Message<'a>, NoMessage> {
    let result = members.get("result");
    if result.is_some() == members.get("error").is_some() {
        return Err(NoMessage::Shape("neither a request nor one answer"));
    }
    let id = match id {
        None => None,
        Some(text) if strict::is_null(text) => None,
        Some(text) => Some(Id::read(text).ok_or(NoMessage::Shape("id cannot be one"))?),
    };
    if id.is_none() && result.is_some() {
        return Err(NoMessage::Shape("a result names its request"));
    }
    Ok(Message::Response { id, result })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<i32> {
        Message::read(text.as_bytes())
            .err()
            .map(|error| error.code())
    }

    #[test]
    fn a_request_a_notification_and_an_answer_are_told_apart() {
        let text =
            br#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{ "x":1 },"extra":[]}"#;
        let Message::Request { id, method, params } = Message::read(text).unwrap() else {
            panic!("a request")
        };
        assert_eq!(
            (id, &*method, params),
            (Id::Number(7), "tools/list", Some("{ \"x\":1 }"))
        );
        let text = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert!(matches!(
            Message::read(text),
            Ok(Message::Notification { .. })
        ));
        let text = br#"{"jsonrpc":"2.0","id":"a","result":{}}"#;
        assert!(matches!(
            Message::read(text),
            Ok(Message::Response {
                id: Some(Id::Text(_)),
                result: Some("{}")
            })
        ));
        let text = br#"{"jsonrpc":"2.0","id":null,"error":{"code":1}}"#;
        assert!(matches!(
            Message::read(text),
            Ok(Message::Response {
                id: None,
                result: None
            })
        ));
    }

    #[test]
    fn what_is_no_single_message_has_the_code_of_its_fault() {
        for (text, expected) in [
            ("", -32700),
            ("nonsense", -32700),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"a\"}",
                -32700,
            ),
            ("[]", -32600),
            (" [{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}]", -32600),
            ("{}", -32600),
            ("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"a\"}", -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"a\"}", -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"a\"}", -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"a\"}", -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", -32600),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":[1]}",
                -32600,
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"result\":1}",
                -32600,
            ),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"Method\":\"a\"}", -32600),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1,\"error\":{}}",
                -32600,
            ),
            ("{\"jsonrpc\":\"2.0\",\"result\":1}", -32600),
        ] {
            assert_eq!(code(text), Some(expected), "{text}");
        }
        let long = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":\"{}\",\"method\":\"a\"}}",
            "x".repeat(1000)
        );
        assert_eq!(code(&long), Some(-32600));
    }

    #[test]
    fn an_id_is_the_same_however_it_is_spelt() {
        assert_eq!(Id::read("\"a\\u0062\""), Id::read("\"ab\""));
        assert_ne!(Id::read("1"), Id::read("\"1\""));
        assert_eq!(Id::Text("a\"b".to_owned()).to_string(), "\"a\\\"b\"");
    }
}
