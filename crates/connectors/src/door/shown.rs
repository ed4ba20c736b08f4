//! What of what a connector says a person's client sees: what was approved, and is not blocked for them.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::connectors::DefinitionKind;
use domain::policy::{ActionAsk, CallerPolicy, Connector};
use domain::{ActionState, ReasonCode, Refusal, limits};
use pipeline::identity::{Live, Verified};
use pipeline::{Admitted, Call, Inspection, Rules, Running};

use super::Connectors;
use crate::approval;
use crate::envelope::{self, Id, Message};
use crate::line::{Line, Whose};
use crate::listing::Lists;
use crate::look::Keep;
use crate::method::{class_of_tool, is_tool_name};
use crate::pins::{Held, Listed, Pins};
use crate::place::Place;
use crate::refused::Asked;
use crate::seam::Seam;
use crate::stream::{Source, Watch};
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
        let message = match method {
            "ping" => envelope::result(id, "{}"),
            _ => envelope::error(
                id,
                r#"{"code":-32601,"message":"Nobody can be asked here."}"#,
            ),
        };
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

/// What answer is awaited, as far as that says what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// All of a kind: a list from its beginning, or a greeting. What does not come is not there.
    Whole(DefinitionKind),
    /// What something that was done gives: content.
    Content,
    /// Anything else.
    Other,
    /// Whatever a stream brings that nobody's request began: what is said of its own accord, and answers of before, taken up again.
    /// Nobody can tell there what is a list and what is content.
    Unasked,
}

/// What was approved there, and where what is listed is noted.
#[derive(Clone)]
pub(super) struct Approved {
    pub(super) held: Arc<Held>,
    pins: Arc<dyn Pins>,
    awaited: Awaited,
}

/// What one person is shown of one connector.
pub(super) struct Shown {
    pub(super) connector: Arc<Connector>,
    pub(super) policy: Arc<CallerPolicy>,
    pub(super) who: Arc<Verified>,
    pub(super) approved: Approved,
    pub(super) across: Option<Arc<Across>>,
}

impl Lists for Shown {
    fn shown<'d>(
        &self,
        kind: DefinitionKind,
        name: &str,
        definition: &'d str,
    ) -> Option<Cow<'d, str>> {
        // Who may have prompts at all was decided before they were asked for, and a greeting is for whoever may speak there.
        let is_theirs = kind != DefinitionKind::Tool || self.may_see(name);
        let held = &self.approved.held;
        is_theirs
            .then(|| held.shown(kind, name, definition))
            .flatten()
    }

    fn listed(&self, mut listed: Listed) {
        if self.approved.awaited == Awaited::Unasked {
            return;
        }
        listed.is_whole &= self.approved.awaited == Awaited::Whole(listed.kind);
        // Most of what comes is no greeting, and most greetings say nothing of what to do.
        let says_nothing =
            listed.kind == DefinitionKind::Instructions && listed.definitions.is_empty();
        let is_gone = listed.is_whole && self.approved.held.instructions.is_some();
        if !says_nothing || is_gone {
            self.approved.pins.note(&self.connector, listed);
        }
    }

    fn is_content(&self) -> bool {
        self.approved.awaited == Awaited::Content
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

impl Shown {
    /// Whether a tool of this name is not blocked for them.
    fn may_see(&self, name: &str) -> bool {
        let class = self.approved.held.class(name);
        let ask = ActionAsk {
            connector: &self.connector,
            action: name,
            class: class.unwrap_or_else(|| class_of_tool(name)),
            meets: None,
        };
        is_tool_name(name) && self.policy.standing(&ask).state != ActionState::Blocked
    }
}

impl Awaited {
    /// The answer to a message that does nothing. A list that goes on tells of nothing that is gone.
    fn by(body: &[u8]) -> Self {
        let Ok(Message::Request { method, params, .. }) = Message::read(body) else {
            return Self::Other;
        };
        let kind = match &*method {
            "tools/list" => DefinitionKind::Tool,
            "prompts/list" => DefinitionKind::Prompt,
            "initialize" | "server/discover" => DefinitionKind::Instructions,
            _ => return Self::Other,
        };
        let params = Members::read(params.unwrap_or("{}"), &["cursor"]);
        let goes_on =
            |params: &Members<'_>| params.get("cursor").is_some_and(|at| !strict::is_null(at));
        if params.is_ok_and(|params| !goes_on(&params)) {
            Self::Whole(kind)
        } else {
            Self::Other
        }
    }
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
    /// What was approved of what a connector says, for the answer that is awaited. Without it nothing is served.
    pub(super) async fn approved(
        &self,
        connector: &Connector,
        awaited: Awaited,
    ) -> Result<Approved, Refusal> {
        let held = self.pins.held(connector).await;
        Ok(Approved {
            held: held.map_err(|_| Refusal::plain(ReasonCode::StoreUnavailable))?,
            pins: Arc::clone(&self.pins),
            awaited,
        })
    }

    pub(super) async fn speaker(
        &self,
        call: Call<Admitted>,
        body: &[u8],
        place: Place,
    ) -> Result<Speaker, Refusal> {
        let awaited = match body {
            b"" => Awaited::Unasked,
            body => Awaited::by(body),
        };
        match self.approved(call.connector(), awaited).await {
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
        rules: &Arc<Rules>,
    ) -> Watch {
        let live: Arc<Live> = Arc::clone(&self.who.live);
        Watch {
            asked,
            keep: self.keep(),
            inspection,
            running,
            live,
            place: self.place,
            source: Source {
                connector: self.connector,
                who: self.who,
                rules: Arc::clone(rules),
                judged: None,
            },
            is_resumed: false,
            giving: None,
        }
    }
}
