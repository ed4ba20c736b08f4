//! What travels: a call, stage by stage. Each stage takes one type and gives the next, and only that stage can make it, so a
//! provider cannot be asked without a permit, and no call can end without a record.
//!
//! ```text
//! Received -> Identified -> Permitted -> Inspected -> Reserved -> (answered) -> settled
//! ```
//!
//! Until its decision is written a call holds a draft of it; dropping the call writes the draft as a refusal. From then on it
//! holds a [`Running`]; dropping that writes the outcome and gives back what was reserved.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use domain::policy::{CallerPolicy, Permit};
use domain::{Caller, Client, ModelId, ReasonCode, Refusal, RequestId, Timestamp};
use ledger::record::{Actor, Decision, Door, Origin, Verdict};

use crate::identity::{Live, Verified};
use crate::settle::Running;
use crate::strangers::{Strangers, Wanted};
use crate::{Metrics, Pipeline};

/// What is known of a request before anything is decided.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Its id.
    pub request: RequestId,
    /// When it arrived, by the wall clock.
    pub began: Timestamp,
    /// When it arrived, for measuring.
    pub arrived: Instant,
    /// The program.
    pub client: Client,
    /// The client's own address, if it can be told.
    pub address: Option<IpAddr>,
    /// The endpoint: `messages`, `count_tokens`, `models`.
    pub action: &'static str,
}

/// The client's own address, put beside a request by the listener.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub Option<IpAddr>);

/// A call at one stage of its way.
#[derive(Debug)]
pub struct Call<S> {
    pub(crate) draft: Draft,
    pub(crate) stage: S,
}

/// Nothing is known but the request.
#[derive(Debug)]
pub struct Received(());

/// The caller is known; their credential is gone.
#[derive(Debug)]
pub struct Identified {
    pub(crate) who: Arc<Verified>,
    pub(crate) policy: Arc<CallerPolicy>,
}

/// The rules allow it.
#[derive(Debug)]
pub struct Permitted {
    pub(crate) identified: Identified,
    pub(crate) permit: Permit,
    pub(crate) model: Option<ModelId>,
}

/// Its content was looked at and may leave.
#[derive(Debug)]
pub struct Inspected {
    pub(crate) permitted: Permitted,
}

/// Its money is held and its decision is durable: it may go to a provider.
#[derive(Debug)]
pub struct Reserved {
    pub(crate) who: Arc<Verified>,
    pub(crate) policy: Arc<CallerPolicy>,
    pub(crate) regions: Option<BTreeSet<String>>,
    pub(crate) running: Running,
}

impl Call<Received> {
    /// A request that has just arrived at the door of inference.
    pub fn received(pipeline: &Pipeline, facts: Facts) -> Self {
        Self::received_at(pipeline, facts, Door::Inference)
    }

    /// A request that has just arrived at a door.
    pub fn received_at(pipeline: &Pipeline, facts: Facts, door: Door) -> Self {
        let origin = Origin::new(facts.client, facts.address);
        let decision = Decision::new(facts.request, origin, door, facts.action);
        let draft = Draft {
            facts,
            decision: Some(Box::new(decision)),
            ledger: Arc::clone(&pipeline.ledger),
            strangers: Arc::clone(&pipeline.strangers),
            metrics: Arc::clone(&pipeline.metrics),
        };
        Self {
            draft,
            stage: Received(()),
        }
    }
}

impl<S> Call<S> {
    /// What was known at arrival.
    pub fn facts(&self) -> &Facts {
        &self.draft.facts
    }

    /// Ends the call with a refusal that a door found, and records it.
    pub fn refuse(mut self, refusal: Refusal) -> Refusal {
        self.draft.refuse(&refusal);
        refusal
    }

    /// Notes the size of the request's body.
    pub fn note_body_bytes(&mut self, bytes: usize) {
        if let Some(decision) = &mut self.draft.decision {
            decision.body_bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        }
    }

    pub(crate) fn next<N>(self, stage: N) -> Call<N> {
        Call {
            draft: self.draft,
            stage,
        }
    }
}

impl Call<Identified> {
    /// Who calls.
    pub fn who(&self) -> &Arc<Verified> {
        &self.stage.who
    }

    /// What of the policy concerns them.
    pub fn policy(&self) -> &Arc<CallerPolicy> {
        &self.stage.policy
    }

    /// Ends a call that needs nothing more than its caller: reading settings, usage or models leaves no decision behind.
    pub fn done(mut self) -> (Arc<Verified>, Arc<CallerPolicy>) {
        self.draft.decision = None;
        (self.stage.who, self.stage.policy)
    }
}

impl Call<Reserved> {
    /// Regions the call must stay in.
    pub fn regions(&self) -> Option<&BTreeSet<String>> {
        self.stage.regions.as_ref()
    }

    /// Who calls.
    pub fn who(&self) -> &Arc<Verified> {
        &self.stage.who
    }

    /// What of the policy concerns them.
    pub fn policy(&self) -> &Arc<CallerPolicy> {
        &self.stage.policy
    }

    /// The caller's revocation, to cut the answer by.
    pub fn live(&self) -> &Arc<Live> {
        &self.stage.who.live
    }

    /// Regions it must stay in, and where whoever sends it notes how far it got.
    pub fn leaving(&mut self) -> (Option<&BTreeSet<String>>, &mut Running) {
        (self.stage.regions.as_ref(), &mut self.stage.running)
    }

    /// The call is under way: what remains is to settle it.
    pub fn into_running(self) -> Running {
        self.stage.running
    }
}

/// A decision that is not written yet. Dropped unwritten, it becomes a refusal: the client has left.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) facts: Facts,
    /// Apart, so that a call is small where it goes from stage to stage.
    pub(crate) decision: Option<Box<Decision>>,
    ledger: Arc<ledger::Ledger>,
    strangers: Arc<Strangers>,
    metrics: Arc<Metrics>,
}

impl Draft {
    pub(crate) fn name_caller(&mut self, who: &Verified, policy: &CallerPolicy) {
        if let Some(decision) = &mut self.decision {
            decision.actor = Some(Actor::from(&*who.caller));
            decision.policy_version = Some(policy.version);
        }
    }

    /// Whose credential did not let them in.
    pub(crate) fn name_refused(&mut self, whose: Option<&Caller>) {
        if let Some(decision) = &mut self.decision {
            decision.actor = whose.map(Actor::from);
        }
    }

    pub(crate) fn refuse(&mut self, refusal: &Refusal) {
        let Some(mut decision) = self.decision.take() else {
            return;
        };
        decision.verdict = Verdict::refused(refusal);
        self.metrics.refused(self.facts.action, refusal.code());
        let wanted = Wanted::Call(self.facts.action);
        let records = |code| self.strangers.records(self.facts.address, wanted, code);
        // Only who was let in has a policy. Somebody known whom nothing lets in any more can knock as often as a stranger.
        if decision.policy_version.is_none() && !records(refusal.code()) {
            return;
        }
        if let Err(error) = self.ledger.note(ledger::Record::Decision(*decision)) {
            // Nothing passes without a record, and a refusal lets nothing pass: it stands, and the log has its code.
            tracing::error!(request = %self.facts.request, code = %refusal, error = %error, "a refusal is not in the ledger");
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.decision.is_some() {
            self.refuse(&Refusal::plain(ReasonCode::ClientGone));
        }
    }
}
