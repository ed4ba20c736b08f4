//! A call that somebody would rather have made with other arguments. That is another call, with an approval of its own, which is decided
//! like every other; the one that was asked for is denied and points to it. Nothing on its way is rewritten: the program is told the
//! arguments, and what it then calls is what was shown and approved, or nothing.

use actions::canonical::{self, Numbers};
use domain::approval::Binding;
use domain::{ApprovalId, ApprovalState, limits};

use super::{
    Approval, Call, Sought, ask, decide, decided, decider, find, groups, refused, standing,
    still_holds, unsealed,
};
use crate::access::Right;
use crate::text::{self, Unusable};
use crate::{ControlError, Operation};

/// Changes of changes that one look at a call follows; what comes after is asked for anew.
const CHANGES: usize = 8;

/// Puts the same call with other arguments in the place of one that waits, for whoever may say yes to it. It waits too.
pub async fn change(
    operation: &Operation<'_>,
    id: ApprovalId,
    arguments: &str,
    reason: &str,
) -> Result<Approval, ControlError> {
    operation.require(Right::OwnWrite)?;
    let found = find(operation, id).await?;
    let groups = groups(operation).await?;
    let who = decider(operation, &groups).ok_or(ControlError::NoSuch("approval"))?;
    if !found
        .binding
        .approver
        .may_approve(found.binding.person, &who)
    {
        return Err(refused(&found, &who));
    }
    let arguments = read(arguments)?;
    let reason = text::reason("reason", reason.trim())?;
    decided(operation, &found)?;
    still_holds(operation, &found).await?;
    let binding = Binding {
        arguments_sha256: Binding::hash_of(arguments.as_bytes()),
        ..found.binding.clone()
    };
    if binding == found.binding {
        let why = "are those that were asked for: approve them as they are";
        return Err(Unusable::new("arguments", why).into());
    }
    let call = Call {
        connector: &binding.connector,
        action: &binding.action,
        arguments: arguments.as_bytes(),
        definition: &binding.definition,
        policy_version: binding.policy_version,
        approver: &binding.approver,
        about: &found.about,
    };
    let made = ask(operation, &binding, call, &found.label, Some(id)).await?;
    let is_made_here = made.is_some();
    let new = if let Some(made) = made {
        made
    } else {
        // That very call waits already, or was approved.
        let live = operation.store.approval_of_call(operation.org, &binding);
        live.await?.ok_or(ControlError::NoSuch("approval"))?
    };
    let denied = decide(
        operation,
        found,
        ApprovalState::Denied,
        reason,
        Some(new.id),
    )
    .await;
    if let Err(error) = denied {
        if is_made_here && let ControlError::ApprovalOver { .. } | ControlError::Busy(_) = error {
            let words = format!("{id}, in whose place it stood, was decided meanwhile");
            decide(operation, new, ApprovalState::Denied, words, None).await?;
        }
        return Err(error);
    }
    Ok(new)
}

/// The arguments in their canonical form: one JSON object, which everybody reads in the same way.
fn read(typed: &str) -> Result<String, ControlError> {
    let unusable = |why: String| Unusable::new("arguments", why);
    let value = canonical::read(typed.as_bytes(), Numbers::Exact)
        .map_err(|unfit| unusable(format!("cannot be used: {unfit}")))?;
    if !value.is_object() {
        return Err(
            unusable("must be one JSON object, as {\"name\": \"value\"}".to_owned()).into(),
        );
    }
    let spelled = canonical::spell(&value);
    if spelled.len() > limits::APPROVAL_ARGUMENTS_BYTES_MAX {
        let why = format!(
            "are longer than {} bytes",
            limits::APPROVAL_ARGUMENTS_BYTES_MAX
        );
        return Err(unusable(why).into());
    }
    Ok(spelled)
}

/// How it stands with a call that was denied: with what stands in its place, where something does. None where it may be asked for anew.
pub(super) async fn in_its_place(
    operation: &Operation<'_>,
    denied: Approval,
) -> Result<Option<Sought>, ControlError> {
    let now = operation.clock.now();
    let mut last = denied;
    for _ in 0..CHANGES {
        let Some(next) = last.instead else {
            return Ok(Some(Sought::Denied(last)));
        };
        let Some(next) = operation.store.approval(operation.org, next).await? else {
            return Ok(None);
        };
        match standing(&next, now) {
            ApprovalState::Pending => return Ok(Some(Sought::Waits(next))),
            ApprovalState::Approved => {
                let arguments = unsealed(operation, &next);
                let arguments = arguments.and_then(|bytes| String::from_utf8(bytes).ok());
                let by = last.decision.map(|decision| decision.label);
                return Ok(arguments.map(|arguments| Sought::Changed {
                    approval: next,
                    by: by.unwrap_or_default(),
                    arguments,
                }));
            }
            ApprovalState::Denied => last = next,
            ApprovalState::Expired | ApprovalState::Consumed => return Ok(None),
        }
    }
    Ok(None)
}
