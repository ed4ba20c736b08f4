//! The way of a call, which every door takes and none can shorten:
//!
//! ```text
//! identity -> policy -> inspect -> quota -> ledger -> (upstream) -> settle
//! ```
//!
//! The modules stand in that order. The crate speaks no HTTP to callers or providers: a door brings the request, and takes the
//! answer back.

pub mod call;
pub mod charge;
pub mod fetch;
pub mod identity;
pub mod rules;
pub mod act;
pub mod acceptance;
pub mod inspect;
pub mod last_policy;
pub mod quota;
pub mod settle;
pub mod metrics;
pub mod claim;
pub mod strangers;
pub mod ship;

use std::sync::Arc;

use domain::policy::{Ask, BudgetFor, CallerPolicy};
use domain::price::PriceBook;
use domain::{Clock, Ids, ModelId, ReasonCode, Refusal, Timestamp};
use ledger::record::{Finding, Name, Outcome};

pub use acceptance::{AcceptableUse, Accepted, Yes};
pub use act::{ActionCall, Admitted};
pub use call::{Call, ClientAddress, Facts, Identified, Inspected, Permitted, Received, Reserved};
pub use charge::Charge;
pub use claim::{Claim, ClaimError};
pub use inspect::{Inspection, Inspector};
pub use metrics::Metrics;
pub use rules::Rules;
pub use settle::{End, Running, Used};
pub use strangers::Strangers;

use identity::{Identity, NotAdmitted, Verified};
use quota::{Estimate, Quota};

/// Everything the stages need, wired once in `server`.
#[derive(Debug)]
pub struct Pipeline {
    /// Who callers are.
    pub identity: Arc<Identity>,
    /// What they may do.
    pub rules: Arc<Rules>,
    /// What they must have agreed to.
    pub acceptable_use: Arc<AcceptableUse>,
    /// What is looked for in content.
    pub inspector: Arc<Inspector>,
    /// What they have left.
    pub quota: Arc<Quota>,
    /// Where everything is written down.
    pub ledger: Arc<ledger::Ledger>,
    /// Refusals of callers whom nobody knows.
    pub strangers: Arc<Strangers>,
    /// What things cost.
    pub prices: Arc<PriceBook>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub ids: Arc<dyn Ids>,
}

impl Pipeline {
    /// Who is calling? Takes the credential off; no later stage has a field for it.
    pub fn identified(
        &self,
        mut call: Call<Received>,
        who: Result<Arc<Verified>, NotAdmitted>,
    ) -> Result<Call<Identified>, Refusal> {
        match who {
            Ok(who) => {
                let policy = who.caller_policy(&self.rules.current());
                call.draft.name_caller(&who, &policy);
                Ok(call.next(Identified { who, policy }))
            }
            Err(not) => {
                call.draft.name_refused(not.whose.as_deref());
                Err(call.refuse(not.refusal))
            }
        }
    }

    /// May they, and have they agreed to what they must? `model` is what the request names.
    pub async fn permit(
        &self,
        mut call: Call<Identified>,
        model: Option<ModelId>,
    ) -> Result<Call<Permitted>, Refusal> {
        let ask = Ask {
            model: model.as_ref().map(ModelId::as_str),
            client: call.draft.facts.client,
            address: call.draft.facts.address,
        };
        let decided = call.stage.policy.decide(&call.stage.who.caller, &ask);
        if let (Some(decision), Some(model)) = (&mut call.draft.decision, &model) {
            decision.name_model(model);
        }
        let (who, demand) = (&call.stage.who, call.stage.policy.acceptable_use);
        let agreed = self.acceptable_use.missing(who, demand).await;
        match acceptance::together(decided, agreed) {
            Ok(permit) => {
                if let Some(decision) = &mut call.draft.decision {
                    decision.granted_by = permit
                        .granted_by
                        .iter()
                        .map(|name| Name::from(name.as_str()))
                        .collect();
                }
                let Call {
                    draft,
                    stage: identified,
                } = call;
                Ok(Call {
                    draft,
                    stage: Permitted {
                        identified,
                        permit,
                        model,
                    },
                })
            }
            Err(refusal) => Err(call.refuse(refusal)),
        }
    }

    /// Begins to look at a request's content, before its texts are read.
    pub fn inspection(&self, call: &Call<Identified>) -> Inspection {
        self.inspector.begin(&call.stage.policy)
    }

    /// May its content leave? Takes the inspection that has seen every text.
    pub fn inspect(
        &self,
        mut call: Call<Permitted>,
        inspection: Inspection,
    ) -> Result<Call<Inspected>, Refusal> {
        let findings = inspection.finish();
        if let Some(decision) = &mut call.draft.decision {
            decision.findings = recorded(&findings);
        }
        if let Err(refusal) = self
            .inspector
            .judge(&call.stage.identified.policy, &findings)
        {
            return Err(call.refuse(refusal));
        }
        let Call {
            draft,
            stage: permitted,
        } = call;
        Ok(Call {
            draft,
            stage: Inspected { permitted },
        })
    }

    /// Is there room for it? Holds what it may use, and writes the decision; only when that is durable the call may go out.
    pub async fn reserve(
        &self,
        call: Call<Inspected>,
        charge: Charge,
    ) -> Result<Call<Reserved>, Refusal> {
        let now = self.clock.now();
        let Call {
            mut draft,
            stage: Inspected { permitted },
        } = call;
        let Permitted {
            identified: Identified { who, policy },
            permit,
            model,
        } = permitted;
        let asked = charge.usage(policy.budgets.iter().any(|budget| budget.hard));
        let estimate = charge.estimate(&asked, &self.prices, model.as_ref(), now);
        let reservation = self
            .hold(&who, &policy, estimate, now)
            .await
            .inspect_err(|refusal| draft.refuse(refusal))?;
        let Some(mut decision) = draft.decision.take() else {
            return Err(Refusal::plain(ReasonCode::Internal));
        };
        let held = reservation.as_ref().map(quota::Reservation::held);
        decision.reserved = held.unwrap_or_default();
        decision.paid_from = policy
            .budgets
            .iter()
            .filter(|budget| budget.scope == BudgetFor::Group)
            .map(|budget| Name::from(budget.name.as_str()))
            .collect();
        let mut outcome = Box::new(Outcome::of(&decision, ledger::record::Ended::ClientGone));
        // Where the quota holds it and where the store counts it are the same windows, whatever the clock does in between.
        outcome.began = Some(
            reservation
                .as_ref()
                .map_or(draft.facts.began, quota::Reservation::charged_at),
        );
        self.metrics.began();
        // From here on the call has an outcome, whatever happens to it.
        let running = Running {
            facts: draft.facts,
            outcome: Some(outcome),
            reservation,
            reach: settle::Reach::default(),
            asked,
            model,
            ledger: Arc::clone(&self.ledger),
            metrics: Arc::clone(&self.metrics),
            prices: Arc::clone(&self.prices),
            clock: Arc::clone(&self.clock),
        };
        if let Err(error) = self
            .ledger
            .append(ledger::Record::Decision(*decision))
            .await
        {
            tracing::error!(request = %draft.facts.request, error = %error, "a decision is not durable; the call is refused");
            let code = ReasonCode::LedgerUnavailable;
            running.end(End::unseen(ledger::record::Ended::Refused, Some(code)));
            return Err(Refusal::plain(code));
        }
        let stage = Reserved {
            who,
            policy,
            regions: permit.regions,
            running,
        };
        Ok(Call { draft, stage })
    }

    /// Holds what the call may use, unless access was taken away while the body arrived or money was waited for.
    async fn hold(
        &self,
        who: &Verified,
        policy: &Arc<CallerPolicy>,
        estimate: Option<Estimate>,
        now: Timestamp,
    ) -> Result<Option<quota::Reservation>, Refusal> {
        let reservation = match estimate {
            None => None,
            Some(estimate) => {
                let reserved = self.quota.reserve(&who.caller, policy, estimate, now);
                Some(reserved.await?)
            }
        };
        match who.live.ended() {
            Some(ended) => Err(ended.refusal()),
            None => Ok(reservation),
        }
    }
}

/// What was found, as records keep it.
fn recorded(findings: &detect::Findings) -> Vec<Finding> {
    let recorded = findings.iter().map(|found| Finding {
        detector: (&*found.detector).into(),
        count: u32::try_from(found.count).unwrap_or(u32::MAX),
        confidence: found.confidence,
        fingerprint: found
            .fingerprints
            .first()
            .map(|first| first.to_string().as_str().into()),
    });
    recorded.collect()
}
