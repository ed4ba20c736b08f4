//! A call that somebody has to approve, on its way: let through where there is a yes to exactly this call, and otherwise asked for, in the
//! way that its client knows. A modern client is asked to lead its person to the page and to call again; one with a session is kept
//! waiting for a while on its own stream; whoever can do neither is told where the page is. The yes itself is given on the page alone.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use domain::policy::Standing;
use domain::{ApprovalId, ReasonCode, Refusal, limits};
use http::StatusCode;
use http::header::{self, CONTENT_TYPE, HeaderMap};
use http_body_util::BodyExt as _;
use pipeline::{Admitted, Call};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, MissedTickBehavior};

use super::Connectors;
use super::act::Doing;
use super::answer;
use super::shown::Awaited;
use crate::approval::{self, Reply, Sought, Wanted};
use crate::envelope;
use crate::headers::Era;
use crate::refused::Asked;
use crate::stream::{self, Events};

/// What a client can do while its call waits.
#[derive(Debug, Default)]
pub(super) struct Able {
    /// Lead its person to a page.
    pub(super) opens_pages: bool,
    /// Be asked for more before it is answered, as methods of the newest protocol may be.
    pub(super) is_asked_back: bool,
    /// Take an answer event by event.
    pub(super) hears_events: bool,
    /// What it has said to our own question, which only modern clients are asked so.
    pub(super) reply: Option<Reply>,
    /// What its progress is told under, as it is written.
    pub(super) progress: Option<String>,
}

/// Whether a client takes an answer event by event.
pub(super) fn hears_events(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    accepted.any(|value| {
        let value = value.to_str().unwrap_or_default();
        let mut kinds = value.split([',', ';']).map(str::trim);
        kinds.any(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
    })
}

/// How a client is asked to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is to open the page and call again.
    OpenAndCall,
    /// Its answer comes later, on the stream that begins now.
    Wait,
    /// An error that says which page to open first.
    OpenFirst,
    /// A model reads where the page is.
    Tell,
}

pub(super) fn way(able: &Able, era: Era) -> Way {
    let waits = able.hears_events
        && match era {
            Era::Modern => able.reply == Some(Reply::Accepted) || able.progress.is_some(),
            Era::Legacy => able.opens_pages || able.progress.is_some(),
        };
    match era {
        Era::Modern if able.reply == Some(Reply::Refused) => Way::Tell,
        Era::Modern if able.opens_pages && able.is_asked_back && able.reply.is_none() => {
            Way::OpenAndCall
        }
        _ if waits => Way::Wait,
        Era::Legacy if able.opens_pages => Way::OpenFirst,
        _ => Way::Tell,
    }
}

impl Connectors {
    /// A call that somebody has to approve.
    pub(super) async fn ask_first(
        self: &Arc<Self>,
        mut call: Call<Admitted>,
        asked: Asked,
        doing: Doing,
        standing: Standing,
    ) -> Result<Response, Response> {
        // Nobody is asked about what may not leave in any case.
        let inspection = doing.inspection(&self.pipeline, &call);
        if let Err(refusal) = self.pipeline.may_leave(&mut call, inspection) {
            return Err(asked.refused(&call.refuse(refusal)));
        }
        let Some(said) = doing.said() else {
            let text = "It needs an approval, and nobody can approve it: a number in its arguments cannot be told apart from others.";
            let refusal = Refusal::new(ReasonCode::ApprovalNeeded, text);
            return Err(asked.refused(&call.refuse(refusal)));
        };
        let wanted = Wanted {
            caller: Arc::clone(&call.who().caller),
            connector: Arc::clone(call.connector()),
            action: doing.action.clone(),
            class: doing.class,
            arguments: said,
            definition: doing.definition().unwrap_or_default().to_owned(),
            standing,
            client: call.facts().client.kind.as_str().to_owned(),
        };
        match self.approvals.seek(&wanted).await {
            Ok(Sought::Granted(id)) => self.go(call, asked, doing, Some(id)).await,
            Ok(sought @ Sought::Waits { id, .. }) => {
                Ok(self.waits(call, asked, doing, wanted, (id, &sought)))
            }
            Ok(sought) => {
                let refusal = approval::refusal(&wanted, &sought, &self.public_url);
                Err(asked.refused(&call.refuse(refusal)))
            }
            Err(refusal) => Err(asked.refused(&call.refuse(refusal))),
        }
    }

    /// A call that waits for somebody.
    fn waits(
        self: &Arc<Self>,
        call: Call<Admitted>,
        asked: Asked,
        doing: Doing,
        wanted: Wanted,
        (id, sought): (ApprovalId, &Sought),
    ) -> Response {
        let way = way(&doing.able, asked.era);
        if way == Way::Wait
            && let Ok(hold) = Arc::clone(&self.holds).try_acquire_owned()
        {
            return self.held(call, asked, doing, wanted, (sought.clone(), hold));
        }
        let refusal = call.refuse(approval::refusal(&wanted, sought, &self.public_url));
        let request = asked.answers();
        let ask = match way {
            Way::OpenAndCall => approval::asks_to_open,
            Way::OpenFirst => approval::open_first,
            Way::Wait | Way::Tell => return asked.refused(&refusal),
        };
        let body = ask(&request, &wanted, id, &self.public_url);
        answer::json(StatusCode::OK, body)
    }

    /// Keeps a client waiting on its own stream, which ends with the answer, or with where the page is.
    fn held(
        self: &Arc<Self>,
        call: Call<Admitted>,
        asked: Asked,
        doing: Doing,
        wanted: Wanted,
        (sought, hold): (Sought, OwnedSemaphorePermit),
    ) -> Response {
        let (to, from) = mpsc::channel(limits::MCP_EVENTS_WAITING);
        let door = Arc::clone(self);
        let waiting = Waiting { wanted, sought, to };
        tokio::spawn(async move {
            let _hold = hold;
            door.hold(call, asked, doing, waiting).await;
        });
        answer::events(Events::of(from))
    }

    async fn hold(&self, call: Call<Admitted>, asked: Asked, doing: Doing, mut waiting: Waiting) {
        let live = Arc::clone(&call.who().live);
        let to = waiting.to.clone();
        let code = ReasonCode::PersonRevoked;
        let shut_out = asked.error(-32603, &Refusal::plain(code).sentence(), Some(code));
        let answered = async {
            let sought = waiting
                .until_decided(self, &doing, asked.era)
                .await
                .map_err(Box::new);
            let unchanged = match &sought {
                Ok(Sought::Granted(_)) => self.is_unchanged(&call, &doing).await,
                _ => Ok(()),
            };
            let answered = match (sought, unchanged) {
                (_, Err(refusal)) => Err(asked.refused(&call.refuse(refusal))),
                (Ok(Sought::Granted(id)), Ok(())) => self.go(call, asked, doing, Some(id)).await,
                (Ok(sought), Ok(())) => {
                    let refusal = approval::refusal(&waiting.wanted, &sought, &self.public_url);
                    Err(asked.refused(&call.refuse(refusal)))
                }
                (Err(refusal), Ok(())) => Err(asked.refused(&call.refuse(*refusal))),
            };
            forward(answered.unwrap_or_else(|refused| refused), &to).await;
        };
        // Whoever leaves or is shut out takes the call along; a yes that was just used is gone with it.
        tokio::select! {
            biased;
            _ = live.revoked() => {
                let second = Duration::from_secs(1);
                let _nobody_may_listen = tokio::time::timeout(second, to.send(event(&shut_out))).await;
            }
            () = to.closed() => {}
            () = answered => {}
        }
    }

    /// Whether a call that has waited is still what was decided: under the same policy, by the same definition.
    async fn is_unchanged(&self, call: &Call<Admitted>, doing: &Doing) -> Result<(), Refusal> {
        let now = self.approved(call.connector(), Awaited::Content).await?;
        let definition = doing.definition_in(&now.held);
        let rules = self.pipeline.rules.current();
        let is_there = rules.connector_there(&call.connector().name).is_some();
        let is_same_policy = is_there && rules.version == call.policy().version;
        let is_offered = doing.is_offered_by(&now.held);
        if is_same_policy && is_offered && definition == doing.definition() {
            return Ok(());
        }
        let text = "While the call waited, the rules or the action's definition have changed. Make the call again.";
        Err(Refusal::new(ReasonCode::ApprovalNeeded, text))
    }
}

/// A call that waits, and its client's stream.
struct Waiting {
    wanted: Wanted,
    sought: Sought,
    to: mpsc::Sender<Bytes>,
}

impl Waiting {
    /// Waits until somebody has decided, or until the client has waited long enough.
    async fn until_decided(
        &mut self,
        door: &Connectors,
        doing: &Doing,
        era: Era,
    ) -> Result<Sought, Refusal> {
        let began = Instant::now();
        let mut looks = tokio::time::interval(Duration::from_millis(limits::APPROVAL_LOOK_MS));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.tick().await;
        let asks_to_open = era == Era::Legacy && doing.able.opens_pages;
        let asked = match &self.sought {
            Sought::Waits { id, .. } if asks_to_open => Some(*id),
            _ => None,
        };
        if let Some(id) = asked {
            let question = approval::question(&self.wanted, id, &door.public_url);
            self.tell(&question).await;
        }
        for look in 0u32.. {
            if look % limits::APPROVAL_TOLD_LOOKS == 0 {
                self.progress(door, doing, look).await;
            }
            looks.tick().await;
            self.sought = door.approvals.seek(&self.wanted).await?;
            let is_over = began.elapsed() >= Duration::from_millis(limits::APPROVAL_HOLD_MS);
            if is_over || !matches!(self.sought, Sought::Waits { .. }) {
                break;
            }
        }
        if let Some(id) = asked
            && !matches!(self.sought, Sought::Waits { .. })
        {
            let params = json!({"elicitationId": id.to_string()});
            let done = envelope::notification("notifications/elicitation/complete", params);
            self.tell(&done).await;
        }
        Ok(self.sought.clone())
    }

    /// What the client shows while it waits; without a token for it, a sign of life.
    async fn progress(&self, door: &Connectors, doing: &Doing, look: u32) {
        let (Some(token), Sought::Waits { id, .. }) = (&doing.able.progress, &self.sought) else {
            let _closed = self.to.send(Bytes::from_static(b": waiting\n\n")).await;
            return;
        };
        let page = approval::page(&door.public_url, *id);
        let message = serde_json::Value::from(format!("Waits for approval: {page}"));
        let params =
            format!("{{\"progressToken\":{token},\"progress\":{look},\"message\":{message}}}");
        let event = envelope::notification("notifications/progress", params);
        self.tell(&event).await;
    }

    /// One message on the stream; a client that is gone is noticed elsewhere.
    async fn tell(&self, message: &str) {
        let _closed = self.to.send(event(message)).await;
    }
}

fn event(message: &str) -> Bytes {
    let line = stream::one_line(message);
    Bytes::from(format!("event: message\ndata: {line}\n\n"))
}

/// Puts a response onto a stream that has begun: its events as they are, or its one message.
async fn forward(response: Response, to: &mpsc::Sender<Bytes>) {
    let kind = response.headers().get(CONTENT_TYPE);
    let is_events = kind.is_some_and(|kind| kind.as_bytes() == b"text/event-stream");
    let mut body = response.into_body();
    if !is_events {
        if let Ok(whole) = body.collect().await {
            let text = String::from_utf8_lossy(&whole.to_bytes()).into_owned();
            let _closed = to.send(event(&text)).await;
        }
        return;
    }
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data()
            && to.send(data).await.is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_asked_in_the_way_that_it_knows() {
        let able =
            |opens_pages: bool, hears_events: bool, progress: bool, reply: Option<Reply>| Able {
                opens_pages,
                is_asked_back: true,
                hears_events,
                reply,
                progress: progress.then(|| "7".to_owned()),
            };
        for (era, able, expected) in [
            (Era::Modern, able(true, true, true, None), Way::OpenAndCall),
            (
                Era::Modern,
                able(true, true, false, Some(Reply::Accepted)),
                Way::Wait,
            ),
            (
                Era::Modern,
                able(true, true, true, Some(Reply::Refused)),
                Way::Tell,
            ),
            (
                Era::Modern,
                able(true, false, false, Some(Reply::Accepted)),
                Way::Tell,
            ),
            (Era::Modern, able(false, true, true, None), Way::Wait),
            (Era::Modern, able(false, true, false, None), Way::Tell),
            (Era::Legacy, able(true, true, false, None), Way::Wait),
            (Era::Legacy, able(true, false, false, None), Way::OpenFirst),
            (Era::Legacy, able(false, true, true, None), Way::Wait),
            (Era::Legacy, able(false, true, false, None), Way::Tell),
            (Era::Legacy, able(false, false, true, None), Way::Tell),
            (
                Era::Legacy,
                able(true, true, false, Some(Reply::Refused)),
                Way::Wait,
            ),
        ] {
            assert_eq!(way(&able, era), expected, "{era:?} {able:?}");
        }
    }

    #[test]
    fn a_client_hears_events_where_it_says_so() {
        let check = |accept: &'static str, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, http::HeaderValue::from_static(accept));
            assert_eq!(hears_events(&headers), expected, "{accept}");
        };
        check("application/json, text/event-stream", true);
        check("Text/Event-Stream;q=0.5", true);
        check("application/json", false);
        check("*/*", false);
        assert!(!hears_events(&HeaderMap::new()));
    }
}
