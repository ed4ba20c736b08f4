//! Configuration as code beyond the rules: the `[administration]` of a policy states the roles of groups and the spend limits of groups
//! and of everyone, whole. What stands otherwise is drift: a plan shows it, applying removes it, applying twice changes nothing. People
//! and what is theirs, and secrets, are never stated. Called by `policies`, and by the console's form.

use std::collections::BTreeSet;

use domain::limits;
use domain::policy::{Administration, StatedRole, StatedSpendLimit};

use crate::access::{Right, Role};
use crate::roles::{self, Holder};
use crate::spend_limits::{self, Scope, SpendLimit};
use crate::text::{self, Unusable};
use crate::{ControlError, Operation};

/// One thing that stands otherwise than stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A group gets a role.
    Give(Role, Holder),
    /// A group loses a role.
    Take(roles::RoleBinding),
    /// A spend limit is made.
    Make(Scope, StatedSpendLimit),
    /// A spend limit gets another amount.
    Change(SpendLimit, Option<String>),
    /// A spend limit goes.
    Remove(SpendLimit),
}

impl Step {
    /// What is needed to take it.
    pub(crate) const fn right(&self) -> Right {
        match self {
            Self::Give(..) | Self::Take(_) => Right::RolesWrite,
            Self::Make(..) | Self::Change(..) | Self::Remove(_) => Right::BudgetsWrite,
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Give(role, holder) => write!(out, "+ {}", roles::given_to(*role, holder)),
            Self::Take(binding) => write!(out, "- {}", roles::described(binding)),
            Self::Make(_, limit) => write!(
                out,
                "+ {}",
                line(
                    limit.group.as_deref(),
                    limit.period.as_str(),
                    limit.amount_cents.as_deref()
                )
            ),
            Self::Change(limit, amount) => {
                let group = group_of(limit);
                let period = limit.period.as_str();
                let before = line(group, period, limit.amount_cents.as_deref());
                write!(
                    out,
                    "- {before}\n+ {}",
                    line(group, period, amount.as_deref())
                )
            }
            Self::Remove(limit) => {
                let amount = limit.amount_cents.as_deref();
                write!(
                    out,
                    "- {}",
                    line(group_of(limit), limit.period.as_str(), amount)
                )
            }
        }
    }
}

fn group_of(limit: &SpendLimit) -> Option<&str> {
    match &limit.scope {
        Scope::Group(group) => Some(group),
        Scope::User(_) | Scope::Organization => None,
    }
}

/// `spend limit of the group eng, monthly: 6000 cents`.
fn line(group: Option<&str>, period: &str, amount: Option<&str>) -> String {
    let whose = group.map_or_else(
        || "everyone".to_owned(),
        |group| format!("the group {group}"),
    );
    let amount = amount.map_or_else(|| "no cap".to_owned(), |cents| format!("{cents} cents"));
    format!("spend limit of {whose}, {period}: {amount}")
}

/// What stands now of all that a policy may state, as it would state it: a document that holds this changes nothing.
pub async fn standing(operation: &Operation<'_>) -> Result<Administration, ControlError> {
    let (bindings, _) = roles::list(operation).await?;
    let of_group = |binding: roles::RoleBinding| match binding.holder {
        Holder::Group { issuer, group } => Some(StatedRole {
            role: binding.role.as_str().to_owned(),
            group,
            issuer,
        }),
        Holder::Person(_) => None,
    };
    let mut limits = spend_limits::all(operation).await?;
    limits.retain(|limit| !matches!(limit.scope, Scope::User(_)));
    Ok(Administration {
        role: bindings.into_iter().filter_map(of_group).collect(),
        spend_limit: limits
            .into_iter()
            .map(|limit| StatedSpendLimit {
                group: group_of(&limit).map(str::to_owned),
                period: limit.period,
                amount_cents: limit.amount_cents,
            })
            .collect(),
    })
}

/// What stands otherwise than stated, in the order it is set right.
pub(crate) async fn steps(
    operation: &Operation<'_>,
    stated: &Administration,
) -> Result<Vec<Step>, ControlError> {
    let mut steps = role_steps(operation, &stated.role).await?;
    steps.extend(limit_steps(operation, &stated.spend_limit).await?);
    Ok(steps)
}

async fn role_steps(
    operation: &Operation<'_>,
    stated: &[StatedRole],
) -> Result<Vec<Step>, ControlError> {
    let mut wanted = BTreeSet::new();
    for role in stated {
        let known: Result<Role, _> = role.role.parse();
        let known =
            known.map_err(|_| Unusable::new("administration.role", "names a role that is none"))?;
        if known == Role::Member {
            let why = "need not state members: everyone is one";
            return Err(Unusable::new("administration.role", why).into());
        }
        text::name("administration.role.group", &role.group)?;
        text::name("administration.role.issuer", &role.issuer)?;
        let holder = Holder::Group {
            issuer: role.issuer.clone(),
            group: role.group.clone(),
        };
        wanted.insert((known, holder));
    }
    let (bindings, _) = roles::list(operation).await?;
    let (of_groups, of_people): (Vec<_>, Vec<_>) = bindings
        .into_iter()
        .partition(|binding| matches!(binding.holder, Holder::Group { .. }));
    let most = limits::ROLE_BINDINGS_MAX;
    if i64::try_from(of_people.len() + wanted.len()).is_ok_and(|all| all > most) {
        let why = format!("states more than there may be: {most}, with those of people");
        return Err(Unusable::new("administration.role", why).into());
    }
    let is = |binding: &roles::RoleBinding, role: Role, holder: &Holder| {
        binding.role == role && binding.holder == *holder
    };
    let mut steps = Vec::new();
    for (role, holder) in &wanted {
        if !of_groups.iter().any(|binding| is(binding, *role, holder)) {
            steps.push(Step::Give(*role, holder.clone()));
        }
    }
    let unstated = |binding: &roles::RoleBinding| {
        !wanted
            .iter()
            .any(|(role, holder)| is(binding, *role, holder))
    };
    steps.extend(of_groups.into_iter().filter(unstated).map(Step::Take));
    Ok(steps)
}

async fn limit_steps(
    operation: &Operation<'_>,
    stated: &[StatedSpendLimit],
) -> Result<Vec<Step>, ControlError> {
    let mut places = BTreeSet::new();
    for limit in stated {
        if let Some(group) = &limit.group {
            text::name("administration.spend_limit.group", group)?;
        }
        if !places.insert((&limit.group, limit.period)) {
            let why = "states one group and period twice";
            return Err(Unusable::new("administration.spend_limit", why).into());
        }
    }
    let is = |limit: &SpendLimit, stated: &StatedSpendLimit| {
        group_of(limit) == stated.group.as_deref() && limit.period == stated.period
    };
    // Those of people are theirs.
    let mut stands = spend_limits::all(operation).await?;
    stands.retain(|limit| !matches!(limit.scope, Scope::User(_)));
    let mut steps = Vec::new();
    for wanted in stated {
        let amount = wanted.amount_cents.as_deref().map(spend_limits::cents);
        let amount = amount.transpose()?;
        match stands.iter().find(|limit| is(limit, wanted)) {
            None => {
                let scope = wanted
                    .group
                    .clone()
                    .map_or(Scope::Organization, Scope::Group);
                steps.push(Step::Make(scope, wanted.clone()));
            }
            Some(limit) if limit.amount_cents != amount => {
                steps.push(Step::Change(limit.clone(), amount));
            }
            Some(_) => {}
        }
    }
    let unstated = |limit: &SpendLimit| !stated.iter().any(|wanted| is(limit, wanted));
    steps.extend(stands.into_iter().filter(unstated).map(Step::Remove));
    Ok(steps)
}

/// Goes on only when who acts may take every step, so that none is taken when one may not be.
pub(crate) fn require(operation: &Operation<'_>, steps: &[Step]) -> Result<(), ControlError> {
    steps
        .iter()
        .try_for_each(|step| operation.require(step.right()))
}

/// Sets right what stands otherwise, each with a record of its own. What an outage interrupts is drift that the next apply sets right.
pub(crate) async fn take(
    operation: &Operation<'_>,
    steps: Vec<Step>,
    reason: &str,
) -> Result<(), ControlError> {
    for step in steps {
        match step {
            Step::Give(role, holder) => {
                roles::grant(operation, role, holder, reason).await?;
            }
            Step::Take(binding) => {
                roles::revoke(operation, binding.id, reason).await?;
            }
            Step::Make(scope, limit) => {
                let amount = limit.amount_cents.as_deref();
                spend_limits::create(operation, &scope, limit.period, amount).await?;
            }
            Step::Change(limit, amount) => {
                let version = spend_limits::version(&limit);
                spend_limits::change(operation, limit.id, &version, amount.as_deref()).await?;
            }
            Step::Remove(limit) => {
                let version = spend_limits::version(&limit);
                spend_limits::remove(operation, limit.id, &version).await?;
            }
        }
    }
    Ok(())
}
