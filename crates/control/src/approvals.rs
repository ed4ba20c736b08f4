//! Calls of connectors' actions that somebody has to approve: asked for by the door, decided by a person, used once. A yes is for exactly
//! the call that was shown; it is given in a browser by somebody who has just proved who they are, and by no token, since what calls
//! might hold one. What is asked, and every end of it, is a record with how long it
//! took; arguments are never in one, and are shown to nobody but who asked and who may decide.
//!
//! - [`change`]: the same call with other arguments, in the place of one that waits

mod change;

use std::collections::BTreeSet;

use domain::approval::{self, About, Approver, Binding, Decider};
use domain::{ApprovalId, ApprovalState, Timestamp, limits};
use ledger::record::{Change, ChangeKind};
pub use store::{Approval, ApprovalDecision};

pub use self::change::change;
use store::{ApprovalStep, ApprovalsWanted, AskingApproval};

use crate::access::{Right, Who};
use crate::people;
use crate::text::{self, Unusable};
use crate::{ControlError, Operation, connectors};

/// What the ledger calls one.
const NOUN: &str = "approval";
/// Steps of others that one look at a call follows, before it says that they are too many.
const LOOKS: usize = 4;

/// A call that needs an approval.
#[derive(Debug, Clone, Copy)]
pub struct Call<'c> {
    /// Which connector.
    pub connector: &'c str,
    /// Which of its actions.
    pub action: &'c str,
    /// Its arguments in their canonical form: a JSON object.
    pub arguments: &'c [u8],
    /// The hash of the definition that was reviewed.
    pub definition: &'c str,
    /// The version of the policy that asks.
    pub policy_version: u64,
    /// Who may decide.
    pub approver: &'c Approver,
    /// What stands beside the call.
    pub about: &'c About,
}

/// How it stands with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// It may be made, now and once.
    Granted(Approval),
    /// Somebody has to decide.
    Waits(Approval),
    /// Somebody said no to exactly this call a moment ago.
    Denied(Approval),
    /// Somebody said yes to the same action with other arguments.
    Changed {
        /// The approval of that call.
        approval: Approval,
        /// Who changed the arguments.
        by: String,
        /// Its arguments in their canonical form.
        arguments: String,
    },
}

/// One as somebody may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What it is, its sealed arguments left out.
    pub approval: Approval,
    /// How it stands now.
    pub state: ApprovalState,
    /// The arguments; none where they may not be seen, or were taken away.
    pub arguments: Option<Vec<u8>>,
    /// Whether who looks may say yes.
    pub may_approve: bool,
    /// Whether who looks may say no.
    pub may_deny: bool,
    /// Whether who looks asked for it.
    pub is_own: bool,
    /// The one in whose place it stands, with who changed that one's arguments.
    pub in_place_of: Option<Approval>,
}

/// How one stands at a moment.
pub fn standing(approval: &Approval, now: Timestamp) -> ApprovalState {
    approval.state.at(approval.expires, now)
}

/// Asks whether a call of who acts may be made, and asks for it when nobody has yet. A yes is used up by the answer.
pub async fn seek(operation: &Operation<'_>, call: Call<'_>) -> Result<Sought, ControlError> {
    operation.require(Right::OwnWrite)?;
    let person = operation.actor.person_id();
    let person = person.ok_or(ControlError::Forbidden(Right::OwnWrite))?;
    if call.arguments.len() > limits::APPROVAL_ARGUMENTS_BYTES_MAX {
        let why = "are too large to be shown to whoever would approve them";
        return Err(Unusable::new("arguments", why).into());
    }
    let binding = Binding {
        person,
        connector: call.connector.to_owned(),
        action: call.action.to_owned(),
        arguments_sha256: Binding::hash_of(call.arguments),
        definition: call.definition.to_owned(),
        policy_version: call.policy_version,
        approver: call.approver.clone(),
    };
    for _ in 0..LOOKS {
        let now = operation.clock.now();
        let (store, org) = (operation.store, operation.org);
        if let Some(known) = store.approval_of_call(org, &binding).await? {
            match standing(&known, now) {
                ApprovalState::Pending => return Ok(Sought::Waits(known)),
                ApprovalState::Approved => match consume(operation, known).await? {
                    Some(used) => return Ok(Sought::Granted(used)),
                    None => continue,
                },
                ApprovalState::Denied if now < known.expires => {
                    if let Some(sought) = change::in_its_place(operation, known).await? {
                        return Ok(sought);
                    }
                }
                ApprovalState::Expired if !known.state.is_over() => {
                    expire(operation, &known).await?;
                }
                ApprovalState::Denied | ApprovalState::Expired | ApprovalState::Consumed => {}
            }
        }
        let asked = ask(operation, &binding, call, operation.actor.label(), None);
        if let Some(waits) = asked.await? {
            return Ok(Sought::Waits(waits));
        }
    }
    Err(ControlError::Busy(
        "others decide about this very call; try again in a moment",
    ))
}

/// Asks for a call of `label` that nobody has asked for, perhaps in the place of another; none when somebody just has.
async fn ask(
    operation: &Operation<'_>,
    binding: &Binding,
    call: Call<'_>,
    label: &str,
    in_place_of: Option<ApprovalId>,
) -> Result<Option<Approval>, ControlError> {
    let (unix_ms, random) = operation.id_parts();
    let asked = operation.clock.now();
    let id = ApprovalId::from_parts(unix_ms, random);
    let (org, digest) = (operation.org.to_string(), binding.digest());
    let name = id.to_string();
    let row = ["approval", &org, &name, &digest];
    let new = Approval {
        id,
        binding: binding.clone(),
        label: label.to_owned(),
        about: call.about.clone(),
        arguments: Some(operation.vault.seal(&row, call.arguments, operation.ids)),
        asked,
        expires: approval::decided_until(asked),
        state: ApprovalState::Pending,
        decision: None,
        ended: None,
        instead: None,
    };
    let (store, org) = (operation.store, operation.org);
    let held = match store.hold_approval(org, &new).await? {
        AskingApproval::Held(held) => held,
        AskingApproval::Stands(_) => return Ok(None),
        AskingApproval::Out => return Err(ControlError::Forbidden(Right::OwnWrite)),
    };
    let mut change = about(operation, &new, ChangeKind::Created);
    change.after = Some(new.binding.arguments_sha256.as_str().into());
    let who = match &new.binding.approver {
        Approver::Oneself => "whoever calls".to_owned(),
        Approver::Second => "a second person".to_owned(),
        Approver::Groups(groups) => {
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            format!("somebody of {}", groups.join(", "))
        }
    };
    let place = in_place_of.map_or_else(String::new, |other| format!(", in the place of {other}"));
    let words = format!("asks for {}{place}; {who} decides", named(&new));
    change.reason = Some(words.as_str().into());
    operation.record(change).await?;
    held.keep().await?;
    Ok(Some(new))
}

/// Uses a yes up; none when another call was quicker.
async fn consume(
    operation: &Operation<'_>,
    approval: Approval,
) -> Result<Option<Approval>, ControlError> {
    let at = operation.clock.now();
    let by = approval.decision.as_ref();
    let by = by.map_or("", |decision| decision.label.as_str()).to_owned();
    let said = approval
        .decision
        .as_ref()
        .map_or(at, |decision| decision.at);
    let words = format!(
        "used {} ms after the yes of {by}: {}",
        at.ms_since(said),
        named(&approval)
    );
    step(
        operation,
        approval,
        ApprovalState::Consumed,
        (at, None),
        None,
        &words,
    )
    .await
}

/// Notes that one is over because its time is.
async fn expire(operation: &Operation<'_>, approval: &Approval) -> Result<bool, ControlError> {
    let at = operation.clock.now();
    let words = match approval.state {
        ApprovalState::Approved => format!("approved, and not used in time: {}", named(approval)),
        _ => format!(
            "denied by nobody: no answer in {} ms: {}",
            at.ms_since(approval.asked),
            named(approval)
        ),
    };
    let made = step(
        operation,
        approval.clone(),
        ApprovalState::Expired,
        (at, None),
        None,
        &words,
    );
    Ok(made.await?.is_some())
}

/// Makes a step and its record; none when somebody else was quicker.
async fn step(
    operation: &Operation<'_>,
    approval: Approval,
    to: ApprovalState,
    (at, decision): (Timestamp, Option<ApprovalDecision>),
    instead: Option<ApprovalId>,
    words: &str,
) -> Result<Option<Approval>, ControlError> {
    let expires = (to == ApprovalState::Approved).then(|| approval::good_until(at));
    let step = ApprovalStep {
        from: approval.state,
        to,
        at,
        decision: decision.clone(),
        expires,
        instead,
    };
    let (store, org) = (operation.store, operation.org);
    let held = store.hold_approval_step(org, approval.id, &step).await?;
    let Some(held) = held else { return Ok(None) };
    let mut change = about(operation, &approval, ChangeKind::Updated);
    change.before = Some(approval.binding.arguments_sha256.as_str().into());
    change.reason = Some(words.into());
    operation.record(change).await?;
    held.keep().await?;
    Ok(Some(Approval {
        state: to,
        decision: decision.or(approval.decision.clone()),
        expires: expires.unwrap_or(approval.expires),
        ended: to.is_over().then_some(at),
        instead,
        ..approval
    }))
}

/// Notes what expired, each with its record, and returns how many that were. Only for the running server; replicas that do so at once
/// write one record of each.
pub async fn follow(operation: &Operation<'_>) -> Result<usize, ControlError> {
    if *operation.actor.who() != Who::Doorward {
        return Err(ControlError::NoSuch("approval"));
    }
    let (store, org, now) = (operation.store, operation.org, operation.clock.now());
    let mut noted = 0;
    for due in store
        .approvals_due(org, now, limits::APPROVALS_LOOKED_AT)
        .await?
    {
        noted += usize::from(expire(operation, &due).await?);
    }
    Ok(noted)
}

/// Says yes to exactly this call. Only for somebody who has just proved who they are, which the page asks for (decision 0019).
pub async fn approve(
    operation: &Operation<'_>,
    id: ApprovalId,
    reason: &str,
) -> Result<Approval, ControlError> {
    operation.require(Right::OwnWrite)?;
    let found = find(operation, id).await?;
    let groups = groups(operation).await?;
    let who = decider(operation, &groups).ok_or(ControlError::NoSuch("approval"))?;
    let asker = found.binding.person;
    if !found.binding.approver.may_approve(asker, &who) {
        return Err(refused(&found, &who));
    }
    let words = match reason.trim() {
        "" => String::new(),
        some => text::reason("reason", some)?,
    };
    decided(operation, &found)?;
    still_holds(operation, &found).await?;
    decide(operation, found, ApprovalState::Approved, words, None).await
}

/// Says no.
pub async fn deny(
    operation: &Operation<'_>,
    id: ApprovalId,
    reason: &str,
) -> Result<Approval, ControlError> {
    if !operation.actor.may(Right::ApprovalsWrite) {
        operation.require(Right::OwnWrite)?;
    }
    let found = find(operation, id).await?;
    let groups = groups(operation).await?;
    let who = decider(operation, &groups).ok_or(ControlError::NoSuch("approval"))?;
    if !found.binding.approver.may_deny(found.binding.person, &who) {
        return Err(ControlError::NoSuch("approval"));
    }
    let words = text::reason("reason", reason.trim())?;
    decided(operation, &found)?;
    decide(operation, found, ApprovalState::Denied, words, None).await
}

/// Says yes or no, once; of several who do so, the first.
async fn decide(
    operation: &Operation<'_>,
    approval: Approval,
    to: ApprovalState,
    words: String,
    instead: Option<ApprovalId>,
) -> Result<Approval, ControlError> {
    let by = operation.actor.person_id();
    let by = by.ok_or(ControlError::NoSuch("approval"))?;
    let (id, at) = (approval.id, operation.clock.now());
    let mut said = format!(
        "{to} after {} ms: {}",
        at.ms_since(approval.asked),
        named(&approval)
    );
    if let Some(instead) = instead {
        said = format!("{said}, in favour of {instead}");
    }
    if !words.is_empty() {
        said = format!("{said}: {words}");
    }
    let decision = ApprovalDecision {
        at,
        by,
        label: operation.actor.label().to_owned(),
        reason: words,
    };
    let made = step(
        operation,
        approval,
        to,
        (at, Some(decision)),
        instead,
        &said,
    )
    .await?;
    if let Some(made) = made {
        return Ok(made);
    }
    let now = find(operation, id).await?;
    decided(operation, &now)?;
    Err(ControlError::Busy(
        "somebody else decides about this; look again",
    ))
}

/// Refuses one that is decided or over. What was approved can still be denied, until it is used.
fn decided(operation: &Operation<'_>, approval: &Approval) -> Result<(), ControlError> {
    let state = standing(approval, operation.clock.now());
    if matches!(state, ApprovalState::Pending | ApprovalState::Approved) {
        return Ok(());
    }
    let by = approval.decision.as_ref();
    Err(ControlError::ApprovalOver {
        state,
        by: by.map(|decision| decision.label.clone()),
    })
}

/// Refuses a yes to what could not be called any more: the rules changed since, or whoever asked may not come in.
async fn still_holds(operation: &Operation<'_>, approval: &Approval) -> Result<(), ControlError> {
    if approval.state == ApprovalState::Approved {
        let by = approval.decision.as_ref();
        return Err(ControlError::ApprovalOver {
            state: ApprovalState::Approved,
            by: by.map(|decision| decision.label.clone()),
        });
    }
    let (store, org) = (operation.store, operation.org);
    let marks = store.watermarks(org).await?;
    let asker = store.person(org, approval.binding.person).await?;
    let is_in = asker.is_some_and(|asker| asker.out_since().is_none());
    let policy = connectors::reviewed_policy(operation).await?;
    let is_held_back = policy.is_held_back(&approval.binding.connector);
    if marks.policy_version != approval.binding.policy_version || !is_in || is_held_back {
        return Err(ControlError::ApprovalVoid);
    }
    Ok(())
}

/// One, for whoever asked, may decide, or may see what everybody asks.
pub async fn read(operation: &Operation<'_>, id: ApprovalId) -> Result<Shown, ControlError> {
    operation.require(Right::OwnRead)?;
    let found = find(operation, id).await?;
    let groups = groups(operation).await?;
    let mut shown =
        shown(operation, found, &groups, true).ok_or(ControlError::NoSuch("approval"))?;
    let (store, org) = (operation.store, operation.org);
    shown.in_place_of = store.approval_replaced_by(org, id).await?;
    Ok(shown)
}

/// What one asked for oneself, newest first, and whether there is more. Without arguments.
pub async fn list_own(
    operation: &Operation<'_>,
    limit: u32,
) -> Result<(Vec<Shown>, bool), ControlError> {
    operation.require(Right::OwnRead)?;
    let person = operation.actor.person_id();
    let person = person.ok_or(ControlError::Forbidden(Right::OwnRead))?;
    let wanted = ApprovalsWanted {
        person: Some(person),
        pending_at: None,
    };
    page(operation, wanted, None, limit).await
}

/// What waits for a yes or no of who asks, oldest first. Without arguments.
pub async fn list_to_decide(operation: &Operation<'_>) -> Result<Vec<Shown>, ControlError> {
    operation.require(Right::OwnRead)?;
    let wanted = ApprovalsWanted {
        person: None,
        pending_at: Some(operation.clock.now()),
    };
    let (found, _) = page(operation, wanted, None, limits::APPROVALS_LOOKED_AT).await?;
    Ok(found.into_iter().filter(|one| one.may_approve).collect())
}

/// Everybody's after one of them: what waits oldest first, or everything newest first; and whether there is more. Without arguments.
pub async fn list(
    operation: &Operation<'_>,
    pending_only: bool,
    after: Option<ApprovalId>,
    limit: u32,
) -> Result<(Vec<Shown>, bool), ControlError> {
    operation.require(Right::ApprovalsRead)?;
    let wanted = ApprovalsWanted {
        person: None,
        pending_at: pending_only.then(|| operation.clock.now()),
    };
    page(operation, wanted, after, limit).await
}

/// How many wait for somebody else than who asked, and since when the oldest does.
pub async fn waiting(operation: &Operation<'_>) -> Result<(u64, Option<Timestamp>), ControlError> {
    operation.require(Right::ApprovalsRead)?;
    let now = operation.clock.now();
    Ok(operation
        .store
        .approvals_waiting(operation.org, now)
        .await?)
}

async fn page(
    operation: &Operation<'_>,
    wanted: ApprovalsWanted,
    after: Option<ApprovalId>,
    limit: u32,
) -> Result<(Vec<Shown>, bool), ControlError> {
    let (store, org) = (operation.store, operation.org);
    let (found, more) = store.approvals_page(org, wanted, after, limit).await?;
    let groups = groups(operation).await?;
    let found = found.into_iter();
    let shown = found.filter_map(|one| shown(operation, one, &groups, false));
    Ok((shown.collect(), more))
}

fn shown(
    operation: &Operation<'_>,
    mut approval: Approval,
    groups: &BTreeSet<String>,
    with_arguments: bool,
) -> Option<Shown> {
    let asker = approval.binding.person;
    let who = decider(operation, groups);
    let may_approve = who.is_some_and(|who| approval.binding.approver.may_approve(asker, &who));
    let may_deny = who.is_some_and(|who| approval.binding.approver.may_deny(asker, &who));
    let is_own = operation.actor.person_id() == Some(asker);
    let sees = is_own || may_approve || may_deny || operation.actor.may(Right::ApprovalsRead);
    if !sees {
        return None;
    }
    let sees_all = with_arguments && (is_own || may_approve);
    let arguments = sees_all.then(|| unsealed(operation, &approval)).flatten();
    approval.arguments = None;
    Some(Shown {
        state: standing(&approval, operation.clock.now()),
        arguments,
        may_approve,
        may_deny,
        is_own,
        in_place_of: None,
        approval,
    })
}

/// Its arguments; none where they were taken away.
fn unsealed(operation: &Operation<'_>, approval: &Approval) -> Option<Vec<u8>> {
    let sealed = approval.arguments.as_deref()?;
    let (org, id) = (operation.org.to_string(), approval.id.to_string());
    let digest = approval.binding.digest();
    let row = ["approval", &org, &id, &digest];
    operation.vault.open(&row, sealed).ok()
}

async fn find(operation: &Operation<'_>, id: ApprovalId) -> Result<Approval, ControlError> {
    let found = operation.store.approval(operation.org, id).await?;
    found.ok_or(ControlError::NoSuch("approval"))
}

/// The groups that who acts is in now; none of whoever is no person.
async fn groups(operation: &Operation<'_>) -> Result<BTreeSet<String>, ControlError> {
    if operation.actor.person_id().is_none() || !operation.actor.may(Right::OwnRead) {
        return Ok(BTreeSet::new());
    }
    Ok(people::own(operation).await?.groups)
}

fn decider<'d>(operation: &Operation<'_>, groups: &'d BTreeSet<String>) -> Option<Decider<'d>> {
    Some(Decider {
        person: operation.actor.person_id()?,
        groups,
        has_right: operation.actor.may(Right::ApprovalsWrite),
    })
}

/// Why somebody may not say yes: whoever may not even know of it is told that there is none.
fn refused(approval: &Approval, who: &Decider<'_>) -> ControlError {
    let asker = approval.binding.person;
    if who.person == asker {
        return ControlError::OwnApproval;
    }
    if approval.binding.approver.may_deny(asker, who) {
        return ControlError::OthersApproval;
    }
    ControlError::NoSuch("approval")
}

fn about(operation: &Operation<'_>, approval: &Approval, done: ChangeKind) -> Change {
    let mut change = operation.change(NOUN, &approval.id.to_string(), done);
    change.version = Some(approval.binding.policy_version);
    change
}

/// `crm.update_contact for per_…`.
fn named(approval: &Approval) -> String {
    let binding = &approval.binding;
    format!(
        "{}.{} for {}",
        binding.connector, binding.action, binding.person
    )
}
