//! What of a connector's actions a person sees: what was approved, and is not blocked for them.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::policy::{ActionAsk, CallerPolicy, Connector};
use domain::{ActionState, ReasonCode, Refusal, limits};
use pipeline::identity::{Live, Verified};
use pipeline::{Admitted, Call, Inspection, Running};

use super::Connectors;
use crate::approval;
use crate::envelope::{Id, Message};
use crate::line::{Line, Whose};
use crate::listing::Lists;
use crate::method::{class_of_tool, is_tool_name};
use crate::pins::{Held, Listed, Pins};
use crate::place::Place;
use crate::refused::Asked;
use crate::seam::Seam;
use crate::stream::{Keep, Watch};
use crate::strict::{self, Malformed, Members};
use crate::upstream::Upstream;

/// What is known of who speaks, once the call itself has gone on.
pub(super) struct Speaker {
    pub(super) connector: Arc<Connector>,
    pub(super) policy: Arc<CallerPolicy>,
    pub(super) who: Arc<Verified>,
    pub(super) shown: Approved,
    /// Whether it has just said that it can lead its person to a page.
    pub(super) opens_pages: bool,
    /// What lies between its client and the connector, where that is more than bytes.
    pub(super) across: Option<Arc<Across>>,
    pub(super) place: Place,
}

/// What lies between the client of a request and a connector, where Doorward is the connector's client: other words, another id, and
/// nobody who could be asked anything.
pub(super) struct Across {
    seam: Seam,
    line: Arc<Line>,
    waits_for: Id,
    upstream: Arc<Upstream>,
    answered: AtomicUsize,
}

impl Across {
    pub(super) fn new(seam: Seam, line: Arc<Line>, waits_for: Id, upstream: Arc<Upstream>) -> Self {
        Self {
            seam,
            line,
            waits_for,
            upstream,
            answered: AtomicUsize::new(0),
        }
    }

    /// Answers what the connector asks its client: that it is there, and that it does nothing else.
    fn answer(&self, of: &Shown, id: &Id, method: &str) -> Result<(), Malformed> {
        if self.answered.fetch_add(1, Ordering::Relaxed) >= limits::ASKED_IN_VAIN_MAX {
            return Err(Malformed::Shape { line: 1, column: 1 });
        }
        let said = match method {
            "ping" => "\"result\":{}",
            _ => "\"error\":{\"code\":-32601,\"message\":\"Nobody can be asked here.\"}",
        };
        let message = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{said}}}");
        let whose = Whose::of(&of.who.caller, &of.who.live);
        let outgoing = Upstream::saying(&whose, &self.line, message);
        let (upstream, connector) = (Arc::clone(&self.upstream), Arc::clone(&of.connector));
        tokio::spawn(async move {
            if let Err(refusal) = upstream.talk(&connector, outgoing).await {
                tracing::debug!(
                    connector = connector.name,
                    code = %refusal.code(),
                    "a connector that asked in vain is not told so"
                );
            }
        });
        Ok(())
    }
}

/// What was approved there, and where what is listed is noted.
#[derive(Clone)]
pub(super) struct Approved {
    pub(super) held: Arc<Held>,
    pins: Arc<dyn Pins>,
    /// Whether a list that comes is one from its beginning.
    from_start: bool,
}

/// What one person is shown of one connector's actions.
pub(super) struct Shown {
    pub(super) connector: Arc<Connector>,
    pub(super) policy: Arc<CallerPolicy>,
    pub(super) who: Arc<Verified>,
    pub(super) approved: Approved,
    pub(super) across: Option<Arc<Across>>,
}

impl Lists for Shown {
    fn shown<'d>(&self, name: &str, definition: &'d str) -> Option<Cow<'d, str>> {
        let held = &self.approved.held;
        let ask = ActionAsk {
            connector: &self.connector,
            action: name,
            class: held.class(name).unwrap_or_else(|| class_of_tool(name)),
            meets: None,
        };
        let is_theirs =
            is_tool_name(name) && self.policy.standing(&ask).state != ActionState::Blocked;
        is_theirs.then(|| held.shown(name, definition)).flatten()
    }

    fn listed(&self, mut listed: Listed) {
        listed.is_whole &= self.approved.from_start;
        self.approved.pins.note(&self.connector, listed);
    }

    fn handed_on(&self, answer: &str) -> Result<Option<String>, Malformed> {
        let Some(across) = &self.across else {
            return Ok(None);
        };
        across.seam.back(answer, &across.waits_for).map(Some)
    }

    fn is_answered(&self, id: &Id, method: &str) -> Result<bool, Malformed> {
        let Some(across) = &self.across else {
            return Ok(false);
        };
        across.answer(self, id, method).map(|()| true)
    }
}

/// Whether a message asks for a list from its beginning: one that goes on tells of nothing that is gone.
fn is_from_start(body: &[u8]) -> bool {
    let Ok(Message::Request { method, params, .. }) = Message::read(body) else {
        return false;
    };
    let params = Members::read(params.unwrap_or("{}"), &["cursor"]);
    let goes_on =
        |params: &Members<'_>| params.get("cursor").is_some_and(|at| !strict::is_null(at));
    method == "tools/list" && params.is_ok_and(|params| !goes_on(&params))
}

/// Whether a message is the greeting of a client that can lead its person to a page.
fn greets_with_pages(body: &[u8]) -> bool {
    match Message::read(body) {
        Ok(Message::Request { method, params, .. }) => {
            method == "initialize" && approval::greets_with_pages(params)
        }
        _ => false,
    }
}

impl Connectors {
    /// What was approved of a connector's actions. Without it nothing is served.
    pub(super) async fn approved(
        &self,
        connector: &Connector,
        body: &[u8],
    ) -> Result<Approved, Refusal> {
        let held = self.pins.held(connector).await;
        Ok(Approved {
            held: held.map_err(|_| Refusal::plain(ReasonCode::StoreUnavailable))?,
            pins: Arc::clone(&self.pins),
            from_start: is_from_start(body),
        })
    }

    pub(super) async fn speaker(
        &self,
        call: Call<Admitted>,
        body: &[u8],
        place: Place,
    ) -> Result<Speaker, Refusal> {
        match self.approved(call.connector(), body).await {
            Ok(approved) => Ok(Speaker {
                opens_pages: greets_with_pages(body),
                ..Speaker::of(call, approved, place)
            }),
            Err(refusal) => Err(call.refuse(refusal)),
        }
    }
}

impl Speaker {
    fn of(call: Call<Admitted>, shown: Approved, place: Place) -> Self {
        let (connector, policy) = (Arc::clone(call.connector()), Arc::clone(call.policy()));
        Self {
            connector,
            policy,
            who: call.conversed(),
            shown,
            opens_pages: false,
            across: None,
            place,
        }
    }

    /// What of a list is shown: what was approved, and is not blocked.
    pub(super) fn keep(&self) -> Keep {
        Arc::new(Shown {
            connector: Arc::clone(&self.connector),
            policy: Arc::clone(&self.policy),
            who: Arc::clone(&self.who),
            approved: self.shown.clone(),
            across: self.across.clone(),
        })
    }

    pub(super) fn watch(
        self,
        asked: Asked,
        running: Option<Running>,
        inspection: Option<Inspection>,
    ) -> Watch {
        let live: Arc<Live> = Arc::clone(&self.who.live);
        Watch {
            asked,
            keep: self.keep(),
            inspection,
            running,
            live,
            place: self.place,
        }
    }
}
