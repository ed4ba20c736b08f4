//! The seam between a client and a connector that are of different ages of the protocol, or in whose one session ids of several clients
//! would meet: what goes across is put into the other's words, member by member, and everything else stays as it is written. Pure.

use bytes::Bytes;
use domain::{ReasonCode, Refusal};
use serde_json::{Map, Value, json};

use crate::envelope::{Id, Message};
use crate::headers::{self, Era};
use crate::line::Line;
use crate::revision::MODERN;
use crate::strict::{self, Malformed, Members};
use crate::upstream::Outgoing;

/// What members of `_meta` that speak of the protocol itself begin with.
const PROTOCOL: &str = "io.modelcontextprotocol/";
/// Where a modern client says what it can do, and the extension of work that goes on once its call is answered.
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// What asked for such work before it was an extension.
const TASK_MEMBER: &str = "task";

/// One request on its way across.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seam {
    /// The age that its client is of.
    pub client: Era,
    /// Its id at the connector.
    pub id: i64,
    /// What a modern client needs of its result besides.
    adds: &'static str,
}

/// What Doorward says of itself.
pub fn us() -> Value {
    json!({"name": "doorward", "title": "Doorward", "version": env!("CARGO_PKG_VERSION")})
}

/// What Doorward says in each request of the newest protocol: that it can be asked nothing.
pub fn ours() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": us(),
    })
}

impl Seam {
    /// A client's request as a connector understands it.
    pub fn across(
        client: Era,
        outgoing: &Outgoing,
        line: &Line,
        id: i64,
    ) -> Result<(Self, Outgoing), Refusal> {
        let garbled = |_| Refusal::plain(ReasonCode::BodyMalformed);
        let message = Message::read(&outgoing.body).map_err(garbled)?;
        let Message::Request { method, params, .. } = message else {
            return Err(Refusal::plain(ReasonCode::BodyMalformed));
        };
        let params = params.unwrap_or("{}");
        let with = |error: Malformed| Refusal::new(ReasonCode::BodyMalformed, error.to_string());
        let members = Members::read(params, &["name", "uri", "_meta"]).map_err(with)?;
        let mut params = with_meta(params, members.get("_meta"), client, line.era).map_err(with)?;
        if method == "tools/call" {
            // Nobody can ask for a task on this side, and whoever is asked for none does the work at once.
            params = without(&params, TASK_MEMBER).map_err(with)?;
        }
        let spelt = Value::from(&*method);
        let body =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":{spelt},\"params\":{params}}}");
        let named = members.string("name").or_else(|| members.string("uri"));
        let mut sent = outgoing.headers.clone();
        headers::state(&mut sent, line, &method, named.as_deref());
        let seam = Self {
            client,
            id,
            adds: match &*method {
                "resources/read" => {
                    "\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\""
                }
                _ => "\"resultType\":\"complete\"",
            },
        };
        let outgoing = Outgoing {
            headers: sent,
            session: line.session.clone(),
            body: Bytes::from(body),
            across: None,
            ..outgoing.clone()
        };
        Ok((seam, outgoing))
    }

    /// The connector's answer as the client understands it, with the id that it waits for.
    ///
    /// Errors: it cannot be read in one way, or asks for what its client cannot give.
    pub fn back(&self, answer: &str, waits_for: &Id) -> Result<String, Malformed> {
        let members = Members::read(answer, &["id", "result", "error"])?;
        let mut changes = Vec::new();
        if let Some(result) = members.get("result")
            && result.starts_with('{')
        {
            let said = Members::read(result, &["resultType"])?;
            let kind = said.get("resultType");
            if self.client == Era::Legacy && kind.is_some_and(|kind| kind != "\"complete\"") {
                return Err(Malformed::Shape { line: 1, column: 1 });
            }
            if self.client == Era::Modern && kind.is_none() {
                changes.push((result, begun(result, self.adds)));
            }
        }
        if let Some(id) = members.get("id").filter(|id| !strict::is_null(id)) {
            changes.push((id, waits_for.to_string()));
        }
        Ok(strict::spliced(answer, &changes))
    }
}

/// An object with more members at its beginning.
fn begun(object: &str, adds: &str) -> String {
    let rest = &object[1..];
    let comma = if rest.trim_start().starts_with('}') {
        ""
    } else {
        ","
    };
    format!("{{{adds}{comma}{rest}")
}

/// Parameters with what the connector must read in `_meta`, and nothing that it would take for another protocol.
fn with_meta(
    params: &str,
    meta: Option<&str>,
    client: Era,
    connector: Era,
) -> Result<String, Malformed> {
    if (client, connector) == (Era::Modern, Era::Modern) {
        return match meta {
            Some(meta) => without_tasks(params, meta),
            None => Ok(params.to_owned()),
        };
    }
    let said: Option<Map<String, Value>> = meta.and_then(|meta| serde_json::from_str(meta).ok());
    let mut said = said.unwrap_or_default();
    said.retain(|name, _| !name.starts_with(PROTOCOL));
    if connector == Era::Modern
        && let Value::Object(ours) = ours()
    {
        said.extend(ours);
    }
    let said = Value::Object(said).to_string();
    Ok(match meta {
        Some(meta) => strict::spliced(params, &[(meta, said)]),
        None if connector == Era::Modern => begun(params, &format!("\"_meta\":{said}")),
        None => params.to_owned(),
    })
}

/// The same of a client that takes no tasks, where it said that it does: nobody can ask for one on this side, so its call would be lost.
fn without_tasks(params: &str, meta: &str) -> Result<String, Malformed> {
    let mut object = meta;
    for member in [CAPABILITIES, "extensions"] {
        match Members::read(object, &[member])?.get(member) {
            Some(inner) => object = inner,
            None => return Ok(params.to_owned()),
        }
    }
    let kept = without(object, TASKS_EXTENSION)?;
    Ok(strict::spliced(params, &[(object, kept)]))
}

/// An object without a member.
fn without(object: &str, member: &'static str) -> Result<String, Malformed> {
    let members = Members::read(object, &[member])?;
    let entry = members.entry(object, member);
    let gone = entry.map(|entry| (entry, String::new()));
    Ok(strict::spliced(object, gone.as_slice()))
}

/// A client's message about a thing of one connector, by the connector's own name for it.
pub fn renamed(message: &str, member: &'static str, own: &str) -> Result<String, Malformed> {
    let members = Members::read(message, &["params"])?;
    let params = members.get("params").unwrap_or("{}");
    let named = Members::read(params, &[member])?;
    let Some(name) = named.get(member) else {
        return Ok(message.to_owned());
    };
    let own = Value::from(own).to_string();
    Ok(strict::spliced(message, &[(name, own)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seam(client: Era) -> Seam {
        Seam {
            client,
            id: 5,
            adds: "\"resultType\":\"complete\"",
        }
    }

    #[test]
    fn a_client_gets_the_id_that_it_waits_for_and_what_its_age_needs() {
        let check = |client: Era, answer: &str, expected: Option<&str>| {
            let found = seam(client).back(answer, &Id::Text("é\"".to_owned())).ok();
            assert_eq!(found.as_deref(), expected, "{answer}");
        };
        check(
            Era::Modern,
            r#"{"jsonrpc":"2.0", "id": 5 ,"result":{ "content":[],"x":1.0}}"#,
            Some(
                r#"{"jsonrpc":"2.0", "id": "é\"" ,"result":{"resultType":"complete", "content":[],"x":1.0}}"#,
            ),
        );
        check(
            Era::Modern,
            r#"{"result":{ },"id":5,"jsonrpc":"2.0"}"#,
            Some(r#"{"result":{"resultType":"complete" },"id":"é\"","jsonrpc":"2.0"}"#),
        );
        let asks = r#"{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required"}}"#;
        check(Era::Modern, asks, Some(&asks.replace(":5", r#":"é\"""#)));
        check(Era::Legacy, asks, None);
        for client in [Era::Modern, Era::Legacy] {
            check(
                client,
                r#"{"jsonrpc":"2.0","id":5,"error":{"code":1,"id":5}}"#,
                Some(r#"{"jsonrpc":"2.0","id":"é\"","error":{"code":1,"id":5}}"#),
            );
            let lost = r#"{"jsonrpc":"2.0","id":null,"error":{}}"#;
            check(client, lost, Some(lost));
        }
    }

    #[test]
    fn what_one_age_says_of_itself_does_not_reach_the_other() {
        let check = |params: &str, client: Era, connector: Era, expected: &str| {
            let members = Members::read(params, &[]).unwrap();
            let found = with_meta(params, members.get("_meta"), client, connector);
            assert_eq!(found.unwrap(), expected);
        };
        let said = r#"{"name":"x","_meta":{"progressToken":1,"io.modelcontextprotocol/protocolVersion":"2026-07-28"}, "y":1.0}"#;
        check(
            said,
            Era::Modern,
            Era::Legacy,
            r#"{"name":"x","_meta":{"progressToken":1}, "y":1.0}"#,
        );
        check(said, Era::Modern, Era::Modern, said);
        check("{}", Era::Legacy, Era::Legacy, "{}");
        let ours = ours().to_string();
        check(
            r#"{"name":"x"}"#,
            Era::Legacy,
            Era::Modern,
            &format!(r#"{{"_meta":{ours},"name":"x"}}"#),
        );
        check(
            "{}",
            Era::Legacy,
            Era::Modern,
            &format!(r#"{{"_meta":{ours}}}"#),
        );
    }

    #[test]
    fn nobody_is_given_a_task_where_none_can_be_asked_for() {
        let said = |extensions: &str| {
            format!(
                r#"{{"name":"x","_meta":{{"{CAPABILITIES}":{{"elicitation":{{}},"extensions":{extensions}}}}}, "y":1.0}}"#
            )
        };
        let check = |extensions: &str, expected: Option<&str>| {
            let params = said(extensions);
            let members = Members::read(&params, &[]).unwrap();
            let found = with_meta(&params, members.get("_meta"), Era::Modern, Era::Modern);
            assert_eq!(found.ok(), expected.map(&said), "{extensions}");
        };
        check(r#"{"io.modelcontextprotocol/tasks":{}}"#, Some("{}"));
        check(
            r#"{"io.modelcontextprotocol/tasks":{},"a/b": 1.0}"#,
            Some(r#"{"a/b": 1.0}"#),
        );
        check(r#"{"a/b": 1}"#, Some(r#"{"a/b": 1}"#));
        for unclear in [
            r#"{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/tasks":{}}"#,
            r#"{"io.modelcontextprotocol/Tasks":{}}"#,
            "5",
        ] {
            check(unclear, None);
        }
    }

    #[test]
    fn what_asked_for_a_task_in_sessions_does_not_go_across() {
        let call = r#"{"name":"x", "task":{"ttl":9}, "arguments":{"task":1}}"#;
        let kept = r#"{"name":"x", "arguments":{"task":1}}"#;
        assert_eq!(without(call, TASK_MEMBER).unwrap(), kept);
        assert_eq!(without(kept, TASK_MEMBER).unwrap(), kept);
        assert!(without(r#"{"task":1,"Task":2}"#, TASK_MEMBER).is_err());
    }

    #[test]
    fn a_message_is_renamed_in_its_one_place() {
        let message = r#"{"id":1,"params":{"arguments":{"name":"a_b"} ,"name": "a_b"}}"#;
        assert_eq!(
            renamed(message, "name", "b").unwrap(),
            r#"{"id":1,"params":{"arguments":{"name":"a_b"} ,"name": "b"}}"#
        );
    }
}
