//! Doorward as a client of its own at a connector, for those who speak to all connectors at once: which age of the protocol a connector
//! is of does not depend on theirs, so Doorward finds it out, and keeps the session that it began there for one person. It says that it
//! can do nothing, so that no connector asks anybody anything. Nothing that acts is sent twice: a second time only what a connector refused
//! for its session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::policy::Connector;
use domain::policy::connectors::Transport;
use domain::{Caller, ReasonCode, Refusal, Subject, limits};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use pipeline::identity::Live;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::envelope::{Id, Message};
use crate::frames::Frames;
use crate::headers::{self, Era};
use crate::revision::{MODERN, TO_CONNECTORS};
use crate::seam::{self, Seam};
use crate::upstream::{Answer, Body, Outgoing, Upstream, refusal_of_status, whole};

/// The code of an error that names the versions which are spoken.
const OTHER_VERSION: i64 = -32022;

/// How a connector is spoken to for one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The age of the protocol.
    pub era: Era,
    /// The version of it.
    pub version: String,
    /// The session, where there is one.
    pub session: Option<String>,
    /// What the connector says it has.
    pub has: Has,
}

/// Whose line it is.
#[derive(Debug, Clone)]
pub struct Whose {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// Whether what they came in with is still believed.
    pub live: Arc<Live>,
}

impl Whose {
    /// Theirs.
    pub fn of(caller: &Arc<Caller>, live: &Arc<Live>) -> Self {
        Self {
            caller: Arc::clone(caller),
            live: Arc::clone(live),
        }
    }
}

/// What a connector says it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Has {
    /// Tools.
    pub tools: bool,
    /// Prompts.
    pub prompts: bool,
    /// Resources.
    pub resources: bool,
}

impl Has {
    fn of(capabilities: &Value) -> Self {
        let has = |what: &str| capabilities[what].is_object();
        Self {
            tools: has("tools"),
            prompts: has("prompts"),
            resources: has("resources"),
        }
    }
}

type Key = (Subject, String, String);
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Line>>>>;

fn address(connector: &Connector) -> String {
    let command = || connector.command.join("\0");
    connector.url.clone().unwrap_or_else(command)
}

/// The lines that are open.
#[derive(Debug, Default)]
pub struct Lines {
    open: Mutex<HashMap<Key, (Instant, Slot)>>,
    last_id: AtomicI64,
}

impl Lines {
    /// An id for a message of ours: in one session none may come twice, whoever's call it is.
    pub fn id(&self) -> i64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn slot(&self, caller: &Caller, connector: &Connector) -> Slot {
        let now = Instant::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (caller.subject, connector.name.clone(), address(connector));
        if !open.contains_key(&key) && open.len() >= limits::LINES_MAX {
            make_room(&mut open, now);
        }
        let (used, slot) = open.entry(key).or_insert_with(|| (now, Slot::default()));
        if now.duration_since(*used) > Duration::from_millis(limits::LINE_IDLE_MS) {
            *slot = Slot::default();
        }
        *used = now;
        Arc::clone(slot)
    }
}

/// Forgets what was idle for too long, and where that is nothing the half that was not used for longest.
fn make_room(open: &mut HashMap<Key, (Instant, Slot)>, now: Instant) {
    let idle = Duration::from_millis(limits::LINE_IDLE_MS);
    open.retain(|_, (used, _)| now.duration_since(*used) <= idle);
    if open.len() >= limits::LINES_MAX {
        let mut used: Vec<Instant> = open.values().map(|(used, _)| *used).collect();
        used.sort_unstable();
        let half = used[used.len() / 2];
        open.retain(|_, (used, _)| *used > half);
    }
}

fn instructions(said: &Value) -> Option<String> {
    let text = said.get("instructions").filter(|text| !text.is_null());
    text.map(Value::to_string)
}

impl Upstream {
    /// How a connector is spoken to for a caller; begins it where nothing is begun.
    pub async fn line(&self, connector: &Connector, whose: &Whose) -> Result<Arc<Line>, Refusal> {
        let slot = self.lines.slot(&whose.caller, connector);
        let mut slot = slot.lock().await;
        if let Some(line) = &*slot {
            return Ok(Arc::clone(line));
        }
        let time = Duration::from_millis(limits::LINE_MS);
        let begun = tokio::time::timeout(time, self.begun(connector, whose)).await;
        let begun = begun.map_err(|_| Refusal::plain(ReasonCode::UpstreamTimeout))?;
        let line = Arc::new(begun?.0);
        *slot = Some(Arc::clone(&line));
        Ok(line)
    }

    /// Begins anew how a connector is spoken to for a caller; the instructions of its greeting, as it spelt them.
    pub(crate) async fn begin_anew(
        &self,
        connector: &Connector,
        whose: &Whose,
    ) -> Result<Option<String>, Refusal> {
        let slot = self.lines.slot(&whose.caller, connector);
        let mut slot = slot.lock().await;
        *slot = None;
        let (line, instructions) = self.begun(connector, whose).await?;
        *slot = Some(Arc::new(line));
        Ok(instructions)
    }

    async fn begun(
        &self,
        connector: &Connector,
        whose: &Whose,
    ) -> Result<(Line, Option<String>), Refusal> {
        let found = match connector.transport {
            Transport::Http => self.discovered(connector, whose).await?,
            Transport::Sse => None,
        };
        match found {
            Some(found) => Ok(found),
            None => self.greeted(connector, whose).await,
        }
    }

    async fn forget(&self, connector: &Connector, whose: &Whose, line: &Arc<Line>) {
        let slot = self.lines.slot(&whose.caller, connector);
        let mut slot = slot.lock().await;
        if slot.as_ref().is_some_and(|now| Arc::ptr_eq(now, line)) {
            *slot = None;
        }
    }

    /// What the connector says of itself in the newest protocol; none where it does not speak it.
    async fn discovered(
        &self,
        connector: &Connector,
        whose: &Whose,
    ) -> Result<Option<(Line, Option<String>)>, Refusal> {
        let line = Line {
            era: Era::Modern,
            version: MODERN.to_owned(),
            session: None,
            has: Has::default(),
        };
        let (mut id, outgoing) = self.asking(whose, &line, "server/discover", json!({}));
        let mut answer = self.send(connector, outgoing).await?;
        if answer.status == StatusCode::BAD_REQUEST {
            if !is_spoken_instead(answer).await {
                return Ok(None);
            }
            let again = self.asking(whose, &line, "server/discover", json!({}));
            id = again.0;
            answer = self.send(connector, again.1).await?;
        }
        if !answer.status.is_success() {
            return match answer.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    Err(refusal_of_status(answer.status, false))
                }
                _ => Ok(None),
            };
        }
        let said = result(answer, id).await.ok().flatten();
        let said: Value = match said {
            Some(text) => serde_json::from_str(&text).unwrap_or_default(),
            None => return Ok(None),
        };
        let versions = said["supportedVersions"].as_array();
        let is_spoken = versions.is_some_and(|all| all.iter().any(|version| version == MODERN));
        let has = Has::of(&said["capabilities"]);
        Ok(is_spoken.then(|| (Line { has, ..line }, instructions(&said))))
    }

    /// Begins a session, or what a connector without sessions has instead.
    async fn greeted(
        &self,
        connector: &Connector,
        whose: &Whose,
    ) -> Result<(Line, Option<String>), Refusal> {
        let line = Line {
            era: Era::Legacy,
            version: TO_CONNECTORS[0].to_owned(),
            session: None,
            has: Has::default(),
        };
        let hello =
            json!({"protocolVersion": line.version, "capabilities": {}, "clientInfo": seam::us()});
        let (id, outgoing) = self.asking(whose, &line, "initialize", hello);
        let answer = self.send(connector, outgoing).await?;
        let session = answer.session.clone();
        let garbled = || Refusal::plain(ReasonCode::UpstreamGarbled);
        let said = result(answer, id).await?.ok_or_else(garbled)?;
        let said: Value = serde_json::from_str(&said).map_err(|_| garbled())?;
        let version = said["protocolVersion"].as_str().unwrap_or_default();
        let fits = |session: &String| session.len() <= limits::MCP_SESSION_BYTES_MAX;
        if !TO_CONNECTORS.contains(&version) || !session.as_ref().is_none_or(fits) {
            return Err(garbled());
        }
        let line = Line {
            version: version.to_owned(),
            session,
            has: Has::of(&said["capabilities"]),
            ..line
        };
        let begun = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let outgoing = Self::saying(whose, &line, begun.to_owned());
        self.send(connector, outgoing).await?;
        Ok((line, instructions(&said)))
    }

    /// A request of ours, and its id.
    fn asking(
        &self,
        whose: &Whose,
        line: &Line,
        method: &str,
        mut params: Value,
    ) -> (i64, Outgoing) {
        let id = self.lines.id();
        if line.era == Era::Modern {
            params["_meta"] = seam::ours();
        }
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let mut outgoing = Self::saying(whose, line, message.to_string());
        headers::state(&mut outgoing.headers, line, method, None);
        (id, outgoing)
    }

    /// A message of ours.
    pub(crate) fn saying(whose: &Whose, line: &Line, message: String) -> Outgoing {
        let mut sent = headers::outgoing(&headers::ours(), headers::About::Message);
        headers::state(&mut sent, line, "", None);
        Outgoing {
            caller: Arc::clone(&whose.caller),
            live: Arc::clone(&whose.live),
            method: Method::POST,
            headers: sent,
            session: line.session.clone(),
            body: Bytes::from(message),
            across: None,
        }
    }

    /// One list of a connector, less what may stand on further pages.
    pub(crate) async fn page(
        &self,
        connector: &Connector,
        whose: &Whose,
        (method, cursor): (&str, Option<&str>),
    ) -> Result<String, Refusal> {
        let mut line = self.line(connector, whose).await?;
        let params = cursor.map_or_else(|| json!({}), |cursor| json!({"cursor": cursor}));
        let (mut id, outgoing) = self.asking(whose, &line, method, params.clone());
        let mut answer = self.send(connector, outgoing).await?;
        if answer.status == StatusCode::NOT_FOUND && line.session.is_some() {
            self.forget(connector, whose, &line).await;
            line = self.line(connector, whose).await?;
            let outgoing = self.asking(whose, &line, method, params);
            id = outgoing.0;
            answer = self.send(connector, outgoing.1).await?;
        }
        if !answer.status.is_success() {
            self.forget(connector, whose, &line).await;
            return Err(refusal_of_status(answer.status, false));
        }
        let garbled = || Refusal::plain(ReasonCode::UpstreamGarbled);
        result(answer, id).await?.ok_or_else(garbled)
    }

    /// Sends a client's message over the line of its caller, put into the words that the connector speaks.
    pub(crate) async fn across(
        &self,
        connector: &Connector,
        outgoing: Outgoing,
        client: Era,
    ) -> Result<Answer, Refusal> {
        let whose = Whose::of(&outgoing.caller, &outgoing.live);
        let line = self.line(connector, &whose).await?;
        let (seam, sent) = Seam::across(client, &outgoing, &line, self.lines.id())?;
        let answer = self.send(connector, sent).await?;
        if answer.status != StatusCode::NOT_FOUND || line.session.is_none() {
            if answer.status.is_client_error() {
                // It may speak otherwise than it did.
                self.forget(connector, &whose, &line).await;
            }
            return Ok(seamed(answer, seam, line));
        }
        // It knows the session no more, so it has done nothing.
        self.forget(connector, &whose, &line).await;
        let line = self.line(connector, &whose).await?;
        let (seam, sent) = Seam::across(client, &outgoing, &line, self.lines.id())?;
        let answer = self.send(connector, sent).await?;
        if answer.status == StatusCode::NOT_FOUND && line.session.is_some() {
            self.forget(connector, &whose, &line).await;
            return Err(Refusal::plain(ReasonCode::UpstreamUnavailable));
        }
        Ok(seamed(answer, seam, line))
    }
}

/// An answer that says how it is put into its client's words. No session of it is the client's.
fn seamed(answer: Answer, seam: Seam, line: Arc<Line>) -> Answer {
    Answer {
        session: None,
        seam: Some((seam, line)),
        ..answer
    }
}

/// Whether a connector that refuses a version names ours among those it speaks instead.
async fn is_spoken_instead(answer: Answer) -> bool {
    let Body::Json(body) = answer.body else {
        return false;
    };
    let Ok(text) = whole(body).await else {
        return false;
    };
    let said: Value = serde_json::from_slice(&text).unwrap_or_default();
    let spoken = said["error"]["data"]["supported"].as_array();
    said["error"]["code"] == OTHER_VERSION
        && spoken.is_some_and(|all| all.iter().any(|version| version == MODERN))
}

/// The result with which a request of ours was answered; none for an error. Bounded in size; whoever asks bounds the time.
async fn result(answer: Answer, id: i64) -> Result<Option<String>, Refusal> {
    if !answer.status.is_success() {
        return Err(refusal_of_status(answer.status, false));
    }
    let garbled = || Refusal::plain(ReasonCode::UpstreamGarbled);
    let found = |text: &[u8]| match Message::read(text) {
        Ok(Message::Response { id: of, result }) if of == Some(Id::Number(id)) => {
            Ok(Some(result.map(str::to_owned)))
        }
        Ok(_) => Ok(None),
        Err(_) => Err(garbled()),
    };
    match answer.body {
        Body::Json(body) => {
            let body = http_body_util::Limited::new(body, limits::LIST_BYTES_MAX);
            let bytes = body.collect().await.map_err(|_| garbled())?.to_bytes();
            found(&bytes)?.ok_or_else(garbled)
        }
        Body::Events(mut body) => {
            let mut frames = Frames::new(limits::LIST_BYTES_MAX);
            let mut events = 0;
            while let Some(frame) = body.frame().await {
                let Ok(bytes) = frame.map_err(|_| garbled())?.into_data() else {
                    continue;
                };
                frames.push(&bytes);
                while let Some(event) = frames.take().map_err(|_| garbled())? {
                    events += 1;
                    if events > limits::MCP_EVENTS_MAX {
                        return Err(garbled());
                    }
                    let data = event.data.filter(|data| !data.is_empty());
                    if let Some(data) = data
                        && let Some(result) = found(&data)?
                    {
                        return Ok(result);
                    }
                }
            }
            Err(garbled())
        }
        Body::Nothing => Err(garbled()),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn the_newest_version_is_tried_again_only_where_it_is_named_instead() {
        for (said, expected) in [
            (
                r#"{"error":{"code":-32022,"data":{"supported":["2026-07-28"]}}}"#,
                true,
            ),
            (
                r#"{"error":{"code":-32022,"data":{"supported":["2025-11-25"]}}}"#,
                false,
            ),
            (
                r#"{"error":{"code":-32600,"data":{"supported":["2026-07-28"]}}}"#,
                false,
            ),
            (r#"{"error":{"code":-32022}}"#, false),
            ("no JSON", false),
        ] {
            let body = Full::new(Bytes::from(said)).map_err(|never| match never {});
            let answer = Answer::new(StatusCode::BAD_REQUEST, Body::Json(body.boxed_unsync()));
            assert_eq!(is_spoken_instead(answer).await, expected, "{said}");
        }
    }
}
