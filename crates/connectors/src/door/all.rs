//! `/mcp`: all connectors that a caller may use, as one server. Greetings and lists are answered here, and differ from person to person;
//! what does something goes the whole way of `/mcp/{connector}`, by the connector's own name for it. Nothing comes of its own accord and
//! nobody is asked anything on a connector's behalf: this is said in the greeting, and refused when it is asked for.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use domain::policy::Connector;
use domain::{ReasonCode, Refusal};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use pipeline::identity::Resource;
use pipeline::{Call, Identified};
use serde_json::{Value, json};

use super::answer;
use super::gather::List;
use super::{Brought, Connectors, Entered, able, malformed, meant, outgoing};
use crate::headers::{self, About, Era, SESSION};
use crate::method::{Act, Deed, deed};
use crate::params::Params;
use crate::refused::Asked;
use crate::revision::{LEGACY, MODERN};
use crate::session::Opened;
use crate::{alias, approval, envelope, envelope::Message, grants, seam};

/// What stands in a connector's place in a session of all of them. No connector is called so.
const ALL: &str = "";
/// What stands in its upstream's place: there is none.
const NO_UPSTREAM: &str = "doorward-all";

/// `POST /mcp`. There is nothing to listen to and nothing to end, so other methods are refused.
pub async fn all(State(door): State<Arc<Connectors>>, request: Request) -> Response {
    let method = request.method().clone();
    let resource = Resource::all(&door.public_url);
    let entered = match door.known(Some(resource), request).await {
        Ok(entered) => entered,
        Err(refused) => return refused,
    };
    if method == Method::POST {
        let answered = Box::pin(door.post_to_all(*entered)).await;
        return answered.unwrap_or_else(|refused| refused);
    }
    let refusal = Refusal::plain(ReasonCode::MethodNotAllowed);
    let mut response = entered.asked.refused(&entered.call.refuse(refusal));
    let post = HeaderValue::from_static("POST");
    response.headers_mut().insert(header::ALLOW, post);
    response
}

impl Connectors {
    async fn post_to_all(
        self: &Arc<Self>,
        entered: Entered<Identified>,
    ) -> Result<Response, Response> {
        let Entered {
            call,
            mut asked,
            head,
            body,
            place,
        } = entered;
        let call = self.pipeline.admit_to_any(call).await;
        let call = call.map_err(|refusal| asked.refused(&refusal))?;
        let (call, bytes, _memory) = self.received(call, &asked, &head, body).await?;
        match Message::read(&bytes) {
            Err(error) => Err(malformed(&asked, call, &error)),
            Ok(Message::Request { id, method, params }) => {
                asked.id = Some(id);
                asked.is_tool = method == "tools/call";
                asked.is_prompt = method == "prompts/get";
                let headers = &head.headers;
                let meant = meant(call, &mut asked, headers, &method, params);
                let (call, params, deed) = meant.map_err(|refused| *refused)?;
                let brought = Brought {
                    call,
                    asked,
                    headers,
                    bytes: bytes.clone(),
                    place,
                };
                Box::pin(self.asked_of_all(brought, &method, &params, deed)).await
            }
            // What is told to all of them is for none.
            Ok(Message::Notification { method, .. }) if method.starts_with("notifications/") => {
                call.done();
                Ok(StatusCode::ACCEPTED.into_response())
            }
            Ok(Message::Response { id: Some(id), .. }) if approval::is_ours(&id) => {
                call.done();
                Ok(StatusCode::ACCEPTED.into_response())
            }
            Ok(_) => {
                call.refuse(Refusal::plain(ReasonCode::ActionNotAvailable));
                Err(asked.malformed(-32600, "nothing was asked, and nothing can be told, here"))
            }
        }
    }

    /// A message that wants an answer.
    async fn asked_of_all(
        self: &Arc<Self>,
        brought: Brought<'_, Identified>,
        method: &str,
        params: &Params<'_>,
        deed: Deed<'_>,
    ) -> Result<Response, Response> {
        let Brought {
            call,
            asked,
            headers,
            bytes,
            place,
        } = brought;
        let said = (method, params, &deed);
        let (call, session) = self
            .in_a_session(call, &asked, headers, said)
            .map_err(|refused| *refused)?;
        let brought = Brought {
            call,
            asked,
            headers,
            bytes,
            place,
        };
        if let Some(list) = List::of(method) {
            return self.list_of_all(brought, list, params).await;
        }
        match (method, brought.asked.era, deed) {
            ("initialize", Era::Legacy, _) => Ok(self.greets(brought, params)),
            ("server/discover", Era::Modern, _) => Ok(told(brought, &discovered())),
            ("ping", _, _) => Ok(told(brought, &json!({}))),
            (_, _, Deed::Act(act)) if act.is_listed => {
                Box::pin(self.at_one(brought, (method, params), session.as_ref(), act)).await
            }
            _ => {
                let refusal = Refusal::plain(ReasonCode::ActionNotAvailable);
                Err(brought.asked.refused(&brought.call.refuse(refusal)))
            }
        }
    }

    /// A request that is of a version that is spoken here, and its session, where it has one.
    fn in_a_session(
        &self,
        call: Call<Identified>,
        asked: &Asked,
        headers: &HeaderMap,
        (method, params, deed): (&str, &Params<'_>, &Deed<'_>),
    ) -> Result<(Call<Identified>, Option<Opened>), Box<Response>> {
        let is_named = matches!(deed, Deed::Act(act) if act.named.is_some());
        let (spoken, complete): (&[&str], _) = match asked.era {
            Era::Modern => (&[MODERN], headers::complete(headers, is_named, params)),
            Era::Legacy => (&LEGACY, Ok(())),
        };
        let version = complete.and_then(|()| headers::version(headers, params));
        let version = match version {
            Ok(version) => version,
            Err(refusal) => return Err(Box::new(asked.refused(&call.refuse(refusal)))),
        };
        if method != "initialize"
            && let Some(version) = &version
            && !spoken.contains(&&**version)
        {
            let refusal = call.refuse(Refusal::plain(ReasonCode::McpVersion));
            let all = [&[MODERN][..], &LEGACY].concat();
            return Err(Box::new(asked.other_version(&refusal, version, &all)));
        }
        let mut given = headers.get_all(SESSION).iter();
        let (first, second) = (given.next(), given.next());
        let Some(value) = first.filter(|_| asked.era == Era::Legacy && method != "initialize")
        else {
            return Ok((call, None));
        };
        let opened = value.to_str().ok().and_then(|given| {
            let caller = &call.who().caller;
            self.sessions.open(caller, ALL, given)
        });
        if let (Some(session), None) = (opened, second) {
            return Ok((call, Some(session)));
        }
        let refusal = Refusal::plain(ReasonCode::McpSessionUnknown);
        Err(Box::new(asked.refused(&call.refuse(refusal))))
    }

    /// The greeting of a client with sessions.
    fn greets(&self, brought: Brought<'_, Identified>, params: &Params<'_>) -> Response {
        let opens_pages = approval::greets_with_pages(params.text());
        let caller = &brought.call.who().caller;
        let given = self.sessions.given(caller, ALL, (NO_UPSTREAM, opens_pages));
        let mut hello = about_us();
        hello["protocolVersion"] = grants::spoken(params.text()).into();
        let mut response = told(brought, &hello);
        if let Some(given) = given
            && let Ok(value) = HeaderValue::from_str(&given)
        {
            response.headers_mut().insert(SESSION, value);
        }
        response
    }

    /// What is about a thing of one connector: the same message, by the connector's own name for it, goes the way of that connector.
    async fn at_one(
        self: &Arc<Self>,
        brought: Brought<'_, Identified>,
        (method, params): (&str, &Params<'_>),
        session: Option<&Opened>,
        act: Act<'_>,
    ) -> Result<Response, Response> {
        let Brought {
            call,
            asked,
            headers,
            bytes,
            place,
        } = brought;
        let named = act.named.unwrap_or_default();
        let (connector, own) = match self.led_back(&call, method, &named).await {
            Ok(Some(found)) => found,
            Ok(None) => {
                let refusal = Refusal::plain(ReasonCode::ActionNotAvailable);
                return Err(asked.refused(&call.refuse(refusal)));
            }
            Err(refusal) => return Err(asked.refused(&call.refuse(refusal))),
        };
        let member = if method == "resources/read" {
            "uri"
        } else {
            "name"
        };
        let text = str::from_utf8(&bytes).unwrap_or_default();
        let body = seam::renamed(text, member, &own).map(Bytes::from);
        let able = able(&asked, session, true, headers, params);
        let about = if asked.is_tool {
            About::Call
        } else {
            About::Named
        };
        let call = self.pipeline.admit(call, &connector.name).await;
        let call = call.map_err(|refusal| asked.refused(&refusal))?;
        let read = body.ok();
        let said = read.as_deref().map(Message::read);
        let (Some(body), Some(Ok(Message::Request { method, params, .. }))) = (&read, said) else {
            call.refuse(Refusal::plain(ReasonCode::BodyMalformed));
            return Err(asked.malformed(-32602, "params cannot be read in one way"));
        };
        let params = Params::read(params).unwrap_or_default();
        let Ok(Deed::Act(act)) = deed(&method, &params) else {
            call.refuse(Refusal::plain(ReasonCode::BodyMalformed));
            return Err(asked.malformed(-32602, "params cannot be read in one way"));
        };
        let from = (Arc::clone(call.who()), headers);
        let mut sent = outgoing((Method::POST, about), from, None, body.clone());
        sent.across = Some(asked.era);
        self.act(call, asked, (sent, able), place, &act).await
    }

    /// The one connector that a name leads back to, and its own name there.
    async fn led_back(
        self: &Arc<Self>,
        call: &Call<Identified>,
        method: &str,
        name: &str,
    ) -> Result<Option<(Arc<Connector>, String)>, Refusal> {
        let is_uri = method == "resources/read";
        let split = if is_uri {
            alias::split_uri(name)
        } else {
            alias::split(name)
        };
        let Some((prefix, rest)) = split else {
            return Ok(None);
        };
        let Some(connector) = alias::at_prefix(call.policy().reachable(), prefix) else {
            return Ok(None);
        };
        let found = |own: &str| Ok(Some((Arc::clone(connector), own.to_owned())));
        if is_uri {
            return found(rest);
        }
        if !alias::is_alias(rest) {
            if alias::listed(connector, rest) == name {
                return found(rest);
            }
            return Ok(None);
        }
        let held = self.pins.held(connector).await;
        let held = held.map_err(|_| Refusal::plain(ReasonCode::StoreUnavailable))?;
        let known = match method {
            "tools/call" => &held.actions,
            _ => &held.prompts,
        };
        let known = known.keys().map(String::as_str);
        let own = alias::named(connector, name, known).map(str::to_owned);
        own.map_or(Ok(None), |own| found(&own))
    }
}

/// What is the same in both greetings. What is not named there there is not.
fn about_us() -> Value {
    json!({
        "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
        "serverInfo": seam::us(),
        "instructions": "Several connectors in one list: what stands before the first underscore of a name, or the first plus sign of an address, says which.",
    })
}

fn discovered() -> Value {
    let mut found = about_us();
    found["supportedVersions"] = json!([MODERN]);
    found["resultType"] = "complete".into();
    found["ttlMs"] = 0.into();
    found["cacheScope"] = "private".into();
    found
}

/// An answer of ours. It leaves no record.
fn told(brought: Brought<'_, Identified>, result: &Value) -> Response {
    let text = envelope::result(brought.asked.answers(), result);
    brought.call.done();
    answer::json(StatusCode::OK, text)
}
