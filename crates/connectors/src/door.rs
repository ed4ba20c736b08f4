//! `/mcp/{connector}`: a message's whole way, stage by stage. Who, before the body is read; may they speak there; what would the message
//! do; may they do that; is its content fit to leave; is it written down; and only then the connector.
//!
//! | file | what |
//! |---|---|
//! | this one | who comes in, and which way their message takes |
//! | `act` | what does something |
//! | `all` | `/mcp`, where all connectors are one |
//! | `answer` | what goes back |
//! | `approve` | what somebody has to approve first |
//! | `body` | a message's bytes |
//! | `connect` | what is answered to whoever has no grant at a connector that wants one |
//! | `gather` | the lists of all connectors, as one |
//! | `shown` | what of a connector's actions a person sees |

mod act;
mod all;
mod answer;
mod approve;
mod body;
mod connect;
mod gather;
mod shown;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use domain::policy::ActionAsk;
use domain::{ActionClass, ActionState, Client, ReasonCode, Refusal, RequestId, limits};
use http::header::{self, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use ledger::record::Door;
use pipeline::identity::{Resource, Verified};
use pipeline::{Admitted, Call, ClientAddress, Facts, Identified, Pipeline};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

pub use self::all::all;
use self::approve::Able;
use crate::approval::{self, Approvals};
use crate::envelope::{Message, NoMessage};
use crate::headers::{self, About, Era, LAST_EVENT, SESSION};
use crate::method::{Deed, NoDeed, deed};
use crate::params::Params;
use crate::pins::Pins;
use crate::place::{Place, Places};
use crate::refused::Asked;
use crate::session::{Opened, Sessions, whose};
use crate::stream::{self, Watch};
use crate::texts;
use crate::upstream::{Body as Came, Outgoing, Upstream, refusal_of_status};

/// What the connectors' endpoints stand on.
#[derive(Debug)]
pub struct Connectors {
    /// The stages.
    pub pipeline: Arc<Pipeline>,
    /// The connectors.
    pub upstream: Arc<Upstream>,
    /// Sessions.
    pub sessions: Sessions,
    /// What was approved of what they say.
    pub pins: Arc<dyn Pins>,
    /// What somebody has to approve first.
    pub approvals: Arc<dyn Approvals>,
    /// The origin that clients use.
    pub public_url: String,
    /// The same, taken apart.
    origin: Option<Url>,
    places: Places,
    memory: Arc<Semaphore>,
    /// Calls that wait for an approval on their clients' streams.
    holds: Arc<Semaphore>,
    /// Lists that connectors are asked for in the list of all.
    lists: Arc<Semaphore>,
}

/// Memory is counted in units of a kibibyte.
const UNIT_BYTES: usize = 1_024;

impl Connectors {
    /// The door's state.
    pub fn new(
        pipeline: Arc<Pipeline>,
        upstream: Upstream,
        (sessions, pins, approvals): (Sessions, Arc<dyn Pins>, Arc<dyn Approvals>),
        public_url: String,
    ) -> Self {
        Self {
            pipeline,
            upstream: Arc::new(upstream),
            sessions,
            pins,
            approvals,
            origin: Url::parse(&public_url).ok(),
            public_url,
            places: Places::default(),
            memory: Arc::new(Semaphore::new(limits::MCP_BYTES_IN_FLIGHT_MAX / UNIT_BYTES)),
            holds: Arc::new(Semaphore::new(limits::APPROVALS_HELD_MAX)),
            lists: Arc::new(Semaphore::new(limits::LISTS_OF_ALL_AT_ONCE)),
        }
    }

    fn facts(&self, request: &Request) -> Facts {
        let header = |name: HeaderName| request.headers().get(name)?.to_str().ok();
        let began = self.pipeline.clock.now();
        let new_id = || {
            let unix_ms = u64::try_from(began.unix_ms()).unwrap_or(0);
            RequestId::from_parts(unix_ms, self.pipeline.ids.random_bits())
        };
        let address: Option<IpAddr> = request
            .extensions()
            .get::<ClientAddress>()
            .and_then(|address| address.0);
        Facts {
            request: request.extensions().get().copied().unwrap_or_else(new_id),
            began,
            arrived: Instant::now(),
            client: Client::from_headers(header(header::USER_AGENT), header(header::ORIGIN)),
            address,
            action: "mcp",
        }
    }
}

/// A caller who is known, and may speak as far as the call's stage says, and what they sent.
struct Entered<S> {
    call: Call<S>,
    asked: Asked,
    head: Parts,
    body: Body,
    place: Place,
}

/// A request as it came.
struct Brought<'h, S> {
    call: Call<S>,
    asked: Asked,
    headers: &'h HeaderMap,
    bytes: Bytes,
    place: Place,
}

/// `POST`, `GET` and `DELETE /mcp/{connector}`.
pub async fn connector(
    State(door): State<Arc<Connectors>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let method = request.method().clone();
    let entered = match door.enter(&name, request).await {
        Ok(entered) => entered,
        Err(refused) => return refused,
    };
    match method {
        Method::POST => {
            // A client that leaves takes its call along: the connector hears that nobody listens, and the call is recorded so.
            let answered = Box::pin(door.post(*entered)).await;
            answered.unwrap_or_else(|refused| refused)
        }
        Method::GET | Method::DELETE => {
            let answered = door.without_message(*entered, method).await;
            answered.unwrap_or_else(|refused| refused)
        }
        _ => {
            let refusal = Refusal::plain(ReasonCode::MethodNotAllowed);
            let mut response = entered.asked.refused(&entered.call.refuse(refusal));
            let methods = HeaderValue::from_static("GET, POST, DELETE");
            response.headers_mut().insert(header::ALLOW, methods);
            response
        }
    }
}

impl Connectors {
    async fn enter(
        &self,
        name: &str,
        request: Request,
    ) -> Result<Box<Entered<Admitted>>, Response> {
        let resource = Resource::connector(&self.public_url, name);
        let Entered {
            call,
            asked,
            head,
            body,
            place,
        } = *self.known(resource, request).await?;
        let admitted = self.pipeline.admit(call, name).await;
        let call = admitted.map_err(|refusal| asked.refused(&refusal))?;
        Ok(Box::new(Entered {
            call,
            asked,
            head,
            body,
            place,
        }))
    }

    /// Who calls at this address.
    async fn known(
        &self,
        resource: Option<Resource>,
        request: Request,
    ) -> Result<Box<Entered<Identified>>, Response> {
        let facts = self.facts(&request);
        let asked = Asked {
            request: facts.request,
            id: None,
            sent: None,
            is_tool: false,
            is_prompt: false,
            era: Era::Legacy,
            resource: resource.clone(),
        };
        let refused = |refusal: Refusal| asked.refused(&refusal);
        let call = Call::received_at(&self.pipeline, facts, Door::Connectors);
        let Some(mut place) = self.places.take() else {
            return Err(refused(call.refuse(Refusal::plain(ReasonCode::Overloaded))));
        };
        let (head, body) = request.into_parts();
        if !headers::may_come(&head.headers, self.origin.as_ref()) {
            let refusal = Refusal::plain(ReasonCode::OriginNotAllowed);
            return Err(refused(call.refuse(refusal)));
        }
        let Some(resource) = resource else {
            // No connector can be called so: whoever asks learns nothing of those that there are.
            let refusal = Refusal::plain(ReasonCode::ConnectorNotAvailable);
            return Err(refused(call.refuse(refusal)));
        };
        let identity = &self.pipeline.identity;
        let who = match identity.identify_cached_at(&head.headers, &resource) {
            Some(who) => Ok(who),
            None => Box::pin(identity.identify_at(&head.headers, &resource)).await,
        };
        let call = self.pipeline.identified(call, who).map_err(refused)?;
        if !place.belongs_to(call.who().caller.subject) {
            let refusal = Refusal::plain(ReasonCode::ConcurrencyLimit);
            return Err(refused(call.refuse(refusal)));
        }
        Ok(Box::new(Entered {
            call,
            asked,
            head,
            body,
            place,
        }))
    }

    /// A message.
    async fn post(self: &Arc<Self>, entered: Entered<Admitted>) -> Result<Response, Response> {
        let Entered {
            call,
            mut asked,
            head,
            body,
            place,
        } = entered;
        let (call, bytes, _memory) = self.received(call, &asked, &head, body).await?;
        let message = match Message::read(&bytes) {
            Ok(message) => message,
            Err(error) => return Err(malformed(&asked, call, &error)),
        };
        match message {
            Message::Request { id, method, params } => {
                asked.id = Some(id);
                asked.is_tool = method == "tools/call";
                asked.is_prompt = method == "prompts/get";
                let brought = Brought {
                    call,
                    asked,
                    headers: &head.headers,
                    bytes: bytes.clone(),
                    place,
                };
                self.request(brought, method, params).await
            }
            Message::Notification { method, .. } if !method.starts_with("notifications/") => {
                call.refuse(Refusal::plain(ReasonCode::ActionNotAvailable));
                Err(asked.malformed(-32600, "a request without an id is not accepted"))
            }
            Message::Notification { method, params } => {
                let params = match Params::read(params) {
                    Ok(params) => params,
                    Err(error) => return Err(malformed(&asked, call, &error.into())),
                };
                match headers::agreed(&head.headers, &method, None, &params) {
                    Ok(era) => asked.era = era,
                    Err(refusal) => return Err(asked.refused(&call.refuse(refusal))),
                }
                self.tell(call, asked, &head.headers, bytes.clone()).await
            }
            // No connector has asked it, so none is told.
            Message::Response { id: Some(id), .. } if approval::is_ours(&id) => {
                call.conversed();
                Ok(StatusCode::ACCEPTED.into_response())
            }
            Message::Response { .. } => self.tell(call, asked, &head.headers, bytes.clone()).await,
        }
    }

    /// The bytes of a message, and their share of memory.
    async fn received<S>(
        &self,
        mut call: Call<S>,
        asked: &Asked,
        head: &Parts,
        body: Body,
    ) -> Result<(Call<S>, Bytes, OwnedSemaphorePermit), Response> {
        if !is_json(&head.headers) {
            let refusal = Refusal::new(
                ReasonCode::BodyMalformed,
                "The message must be sent as application/json.",
            );
            return Err(asked.refused(&call.refuse(refusal)));
        }
        match self.read(body).await {
            Ok((bytes, memory)) => {
                call.note_body_bytes(bytes.len());
                Ok((call, bytes, memory))
            }
            Err(refusal) => Err(asked.refused(&call.refuse(refusal))),
        }
    }

    /// A message that wants an answer.
    async fn request(
        self: &Arc<Self>,
        brought: Brought<'_, Admitted>,
        method: Cow<'_, str>,
        params: Option<&str>,
    ) -> Result<Response, Response> {
        let Brought {
            call,
            mut asked,
            headers,
            bytes,
            place,
        } = brought;
        let meant = meant(call, &mut asked, headers, &method, params);
        let (call, params, deed) = meant.map_err(|refused| *refused)?;
        let (call, session) = if method == "initialize" || asked.era == Era::Modern {
            (call, None)
        } else {
            let found = self.session(call, headers);
            found.map_err(|refusal| asked.refused(&refusal))?
        };
        let is_named = matches!(&deed, Deed::Act(act) if act.named.is_some());
        let is_listed = matches!(&deed, Deed::Act(act) if act.is_listed);
        let able = able(&asked, session.as_ref(), is_listed, headers, &params);
        let about = match is_named {
            _ if asked.is_tool => About::Call,
            true => About::Named,
            false => About::Message,
        };
        let from = (Arc::clone(call.who()), headers);
        let outgoing = outgoing((Method::POST, about), from, session, bytes);
        match deed {
            Deed::Talk => self.talk(call, asked, outgoing, place).await,
            Deed::Browse(action) => self.browse(call, asked, outgoing, place, action).await,
            Deed::Act(act) => self.act(call, asked, (outgoing, able), place, &act).await,
        }
    }

    /// The upstream's session behind the client's.
    fn session(
        &self,
        call: Call<Admitted>,
        headers: &HeaderMap,
    ) -> Result<(Call<Admitted>, Option<Opened>), Refusal> {
        let mut given = headers.get_all(SESSION).iter();
        let (first, second) = (given.next(), given.next());
        let Some(value) = first else {
            // There may be no sessions there.
            return Ok((call, None));
        };
        let opened = value.to_str().ok().and_then(|given| {
            let caller = &call.who().caller;
            self.sessions.open(caller, &whose(call.connector()), given)
        });
        match (opened, second) {
            (Some(session), None) => Ok((call, Some(session))),
            // Of two not both can be meant.
            _ => Err(call.refuse(Refusal::plain(ReasonCode::McpSessionUnknown))),
        }
    }

    /// Keeps what must not leave from leaving, where the message is no action: what people answer to a connector's questions, above all.
    fn looked_at(&self, mut call: Call<Admitted>, body: &[u8]) -> Result<Call<Admitted>, Refusal> {
        let mut inspection = self.pipeline.inspection_of_action(&call);
        if inspection.is_on() {
            texts::each(&String::from_utf8_lossy(body), &mut |text| {
                inspection.text(text);
            });
        }
        match self.pipeline.may_leave(&mut call, inspection) {
            Ok(()) => Ok(call),
            Err(refusal) => Err(call.refuse(refusal)),
        }
    }

    /// What does nothing.
    async fn talk(
        &self,
        call: Call<Admitted>,
        asked: Asked,
        outgoing: Outgoing,
        place: Place,
    ) -> Result<Response, Response> {
        let call = self.looked_at(call, &outgoing.body);
        let call = call.map_err(|refusal| asked.refused(&refusal))?;
        let speaker = self.speaker(call, &outgoing.body, place).await;
        let speaker = speaker.map_err(|refusal| asked.refused(&refusal))?;
        let had_session = outgoing.session.is_some();
        let body = outgoing.body.clone();
        match self.upstream.talk(&speaker.connector, outgoing).await {
            Ok(answer) => {
                let (connector, caller) = (&speaker.connector, &speaker.who.caller);
                let covered = self.upstream.covered(connector, caller, answer).await;
                let answer = covered.map_err(|refusal| asked.refused(&refusal))?;
                self.answered(asked, speaker, answer, had_session, None, None)
                    .await
            }
            Err(refusal) if refusal.code() == ReasonCode::GrantNeeded => {
                Ok(self.in_its_place(&asked, &speaker, (&body, had_session), &refusal))
            }
            Err(refusal) => Err(asked.refused(&refusal)),
        }
    }

    /// A list of what there is to read, for whoever may see it.
    async fn browse(
        &self,
        call: Call<Admitted>,
        asked: Asked,
        outgoing: Outgoing,
        place: Place,
        action: &'static str,
    ) -> Result<Response, Response> {
        let standing = call.policy().standing(&ActionAsk {
            connector: call.connector(),
            action,
            class: ActionClass::Read,
            meets: None,
        });
        if standing.state == ActionState::Blocked {
            let refusal = call.refuse(Refusal::plain(ReasonCode::ActionNotAvailable));
            return Err(asked.refused(&refusal));
        }
        self.talk(call, asked, outgoing, place).await
    }

    /// A notification, or an answer to what the connector asked.
    async fn tell(
        &self,
        call: Call<Admitted>,
        asked: Asked,
        headers: &HeaderMap,
        bytes: Bytes,
    ) -> Result<Response, Response> {
        let (call, session) = if asked.era == Era::Modern {
            (call, None)
        } else {
            let found = self.session(call, headers);
            found.map_err(|refusal| asked.refused(&refusal))?
        };
        let call = self.looked_at(call, &bytes);
        let call = call.map_err(|refusal| asked.refused(&refusal))?;
        let had_session = session.is_some();
        let connector = Arc::clone(call.connector());
        let who = call.conversed();
        let about = (Method::POST, About::Message);
        let outgoing = outgoing(about, (who, headers), session, bytes);
        match self.upstream.talk(&connector, outgoing).await {
            Ok(answer) if answer.status.is_success() => Ok(StatusCode::ACCEPTED.into_response()),
            // What is told to nobody asks for nothing: the greeting was answered in the connector's place.
            Err(refusal) if refusal.code() == ReasonCode::GrantNeeded => {
                Ok(StatusCode::ACCEPTED.into_response())
            }
            Ok(answer) => Err(asked.refused(&refusal_of_status(answer.status, had_session))),
            Err(refusal) => Err(asked.refused(&refusal)),
        }
    }

    /// `GET`: what a connector says of its own accord. `DELETE`: the end of a session.
    async fn without_message(
        &self,
        entered: Entered<Admitted>,
        method: Method,
    ) -> Result<Response, Response> {
        let Entered {
            call,
            mut asked,
            head,
            place,
            ..
        } = entered;
        asked.era = headers::era_of(&head.headers);
        if asked.era == Era::Modern {
            let refusal = Refusal::plain(ReasonCode::MethodNotAllowed);
            return Err(asked.refused(&call.refuse(refusal)));
        }
        let found = self.session(call, &head.headers);
        let (call, session) = found.map_err(|refusal| asked.refused(&refusal))?;
        let had_session = session.is_some();
        let from = head
            .headers
            .get(LAST_EVENT)
            .map_or(&b""[..], HeaderValue::as_bytes);
        let call = self.looked_at(call, from);
        let call = call.map_err(|refusal| asked.refused(&refusal))?;
        let speaker = self.speaker(call, b"", place).await;
        let speaker = speaker.map_err(|refusal| asked.refused(&refusal))?;
        let is_get = method == Method::GET;
        let from = (Arc::clone(&speaker.who), &head.headers);
        let outgoing = outgoing((method, About::Nothing), from, session, Bytes::new());
        let answer = self.upstream.talk(&speaker.connector, outgoing).await;
        let answer = answer.map_err(|refusal| match refusal.code() {
            // Nothing comes of its own accord where nobody is behind, and nothing is there to be ended.
            ReasonCode::GrantNeeded => asked.refused(&Refusal::plain(ReasonCode::MethodNotAllowed)),
            _ => asked.refused(&refusal),
        })?;
        match answer.body {
            Came::Events(body) if is_get && answer.status == StatusCode::OK => {
                let watch = Watch {
                    giving: answer.giving,
                    is_resumed: head.headers.contains_key(LAST_EVENT),
                    ..speaker.watch(asked, None, None, &self.pipeline.rules)
                };
                Ok(answer::events(stream::passed_on(body, watch)))
            }
            _ if !is_get && answer.status.is_success() => Ok(answer.status.into_response()),
            _ => Err(asked.refused(&refusal_of_status(answer.status, had_session))),
        }
    }
}

/// A request's parameters and what it would do, once its headers agree with it.
fn meant<'p, S>(
    call: Call<S>,
    asked: &mut Asked,
    headers: &HeaderMap,
    method: &Cow<'p, str>,
    params: Option<&'p str>,
) -> Result<(Call<S>, Params<'p>, Deed<'p>), Box<Response>> {
    let read = Params::read(params).map_err(NoDeed::from);
    let read = read.and_then(|params| Ok((deed(method, &params)?, params)));
    let (deed, params) = match read {
        Ok(read) => read,
        Err(error) => {
            let text = error.to_string();
            call.refuse(Refusal::new(ReasonCode::BodyMalformed, text.clone()));
            return Err(Box::new(asked.malformed(-32602, &text)));
        }
    };
    if !approval::is_token_sound(&params) {
        let text = "_meta.progressToken must be a short text or a whole number";
        call.refuse(Refusal::new(ReasonCode::BodyMalformed, text));
        return Err(Box::new(asked.malformed(-32602, text)));
    }
    let named = match &deed {
        Deed::Act(act) => act.named.as_deref(),
        Deed::Talk | Deed::Browse(_) => None,
    };
    match headers::agreed(headers, method, named, &params) {
        Ok(era) => asked.era = era,
        Err(refusal) => return Err(Box::new(asked.refused(&call.refuse(refusal)))),
    }
    Ok((call, params, deed))
}

/// What a client can do while its call waits.
fn able(
    asked: &Asked,
    session: Option<&Opened>,
    is_asked_back: bool,
    headers: &HeaderMap,
    params: &Params<'_>,
) -> Able {
    Able {
        opens_pages: match asked.era {
            Era::Modern => approval::can_open_pages(params),
            Era::Legacy => session.is_some_and(|session| session.opens_pages),
        },
        is_asked_back,
        hears_events: approve::hears_events(headers),
        reply: approval::reply(params),
        progress: approval::progress_token(params),
    }
}

fn outgoing(
    (method, about): (Method, About),
    (who, from_client): (Arc<Verified>, &HeaderMap),
    session: Option<Opened>,
    body: Bytes,
) -> Outgoing {
    let mut sent = headers::outgoing(from_client, about);
    if about == About::Nothing && !sent.contains_key(header::ACCEPT) {
        sent.insert(
            header::ACCEPT,
            HeaderValue::from_static("text/event-stream"),
        );
    }
    Outgoing {
        caller: Arc::clone(&who.caller),
        live: Arc::clone(&who.live),
        method,
        headers: sent,
        session: session.map(|session| session.upstream),
        body,
        across: None,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    })
}

fn malformed<S>(asked: &Asked, call: Call<S>, error: &NoMessage) -> Response {
    let text = error.to_string();
    call.refuse(Refusal::new(ReasonCode::BodyMalformed, text.clone()));
    asked.malformed(error.code(), &text)
}
