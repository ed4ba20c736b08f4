//! What of a connector's actions a person sees: what was approved, and is not blocked for them.

use std::borrow::Cow;
use std::sync::Arc;

use domain::policy::{ActionAsk, CallerPolicy, Connector};
use domain::{ActionState, ReasonCode, Refusal};
use pipeline::identity::{Live, Verified};
use pipeline::{Admitted, Call, Inspection, Running};

use super::Connectors;
use crate::approval;
use crate::envelope::Message;
use crate::listing::Lists;
use crate::method::{class_of_tool, is_tool_name};
use crate::pins::{Held, Listed, Pins};
use crate::place::Place;
use crate::refused::Asked;
use crate::stream::{Keep, Watch};
use crate::strict::{self, Members};

/// What is known of who speaks, once the call itself has gone on.
pub(super) struct Speaker {
    pub(super) connector: Arc<Connector>,
    pub(super) policy: Arc<CallerPolicy>,
    pub(super) who: Arc<Verified>,
    pub(super) shown: Approved,
    /// Whether it has just said that it can lead its person to a page.
    pub(super) opens_pages: bool,
    pub(super) place: Place,
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
struct Shown {
    connector: Arc<Connector>,
    policy: Arc<CallerPolicy>,
    approved: Approved,
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
            place,
        }
    }

    /// What of a list is shown: what was approved, and is not blocked.
    pub(super) fn keep(&self) -> Keep {
        Arc::new(Shown {
            connector: Arc::clone(&self.connector),
            policy: Arc::clone(&self.policy),
            approved: self.shown.clone(),
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
