//! The policy: read it, see what a text would change, apply it, and try a decision. The store keeps the text as written, so that
//! comments survive.
//!
//! - [`everyone`]: everybody for whom it decides something
//! - [`rehearse`], with [`effects`], [`reached`] and [`programs`]: what another text would change for whom
//! - [`places`], [`edit`]: where entries stand in a text, and changing one of them
//! - [`beside`]: changing what stands beside the entries

pub mod beside;
pub mod edit;
pub mod effects;
pub mod everyone;
pub mod places;
pub mod programs;
pub mod reached;
pub mod rehearse;

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::net::IpAddr;

use domain::policy::{Document, Permit};
use domain::{Caller, Client, OrgId, Policy, Refusal};
use ledger::record::ChangeKind;
pub use store::PolicyVersion;
use store::PutPolicy;

use crate::acceptable_use::check_demand;
use crate::access::Right;
use crate::may_use::{self, Tried};
use crate::stated::{self, Step};
use crate::{ControlError, Operation, diff, fingerprint, text as words};

/// The first words of the header that an export carries.
const HEADER: &str = "# doorward policy, version ";

/// The latest version with a header that says whose it is; an empty text before the first.
pub async fn export(operation: &Operation<'_>) -> Result<String, ControlError> {
    operation.require(Right::PolicyRead)?;
    let Some(latest) = operation.store.latest_policy(operation.org).await? else {
        return Ok(format!(
            "{HEADER}0\n# nothing has been applied yet: nobody may use anything\n"
        ));
    };
    let line = |text: &str| text.replace(['\n', '\r'], " ");
    Ok(format!(
        "{HEADER}{}\n# applied {} by {}: {}\n\n{}",
        latest.version,
        latest.created,
        line(&latest.author),
        line(&latest.reason),
        latest.text
    ))
}

/// The version in force, as it was applied; none before the first.
pub async fn latest(operation: &Operation<'_>) -> Result<Option<PolicyVersion>, ControlError> {
    operation.require(Right::PolicyRead)?;
    Ok(operation.store.latest_policy(operation.org).await?)
}

/// One version.
pub async fn version(
    operation: &Operation<'_>,
    number: u64,
) -> Result<PolicyVersion, ControlError> {
    operation.require(Right::PolicyRead)?;
    let found = operation.store.policy(operation.org, number).await?;
    found.ok_or(ControlError::NoSuch("policy version"))
}

/// The latest versions before `before`, newest first.
pub async fn versions(
    operation: &Operation<'_>,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<PolicyVersion>, ControlError> {
    operation.require(Right::PolicyRead)?;
    let store = operation.store;
    Ok(store.policy_versions(operation.org, before, limit).await?)
}

/// What becomes of a policy on this installation. Well-formed rules may mean nothing where they are put in force: a detector that is not
/// there finds nothing, a bare name that two issuers may give lets nobody in. Implemented in `server`, which knows issuers and detectors.
pub trait Examine: fmt::Debug + Send + Sync {
    /// What would keep a policy from doing here what it says, a sentence each; nothing when it would.
    fn mistakes(&self, policy: &Policy) -> Vec<String>;
}

/// What applying a text would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The version in force.
    pub current: u64,
    /// The text that would be kept.
    pub text: String,
    /// What would go and come, as a unified diff; empty when nothing would change.
    pub diff: String,
    /// What stands otherwise than `[administration]` states, a line each; empty when nothing does, or nothing is stated.
    pub drift: String,
    /// What is needed to apply it.
    pub rights: BTreeSet<Right>,
    /// Whether what clients receive becomes otherwise: settings of theirs name programs that they run.
    pub reaches_devices: bool,
}

impl Plan {
    /// Whether an unlocked screen is not enough to apply it: money, administration, and what runs on everybody's machines.
    pub fn is_dangerous(&self) -> bool {
        self.reaches_devices || self.rights.iter().any(|right| *right != Right::PolicyWrite)
    }
}

/// Reads a text, TOML or YAML, and compares it with the version in force. One that would not do here what it says is refused, whoever
/// asks: a plan says what an apply would.
pub async fn plan(
    operation: &Operation<'_>,
    text: &str,
    here: &dyn Examine,
) -> Result<Plan, ControlError> {
    operation.require(Right::PolicyRead)?;
    let text = to_toml(text)?;
    let latest = operation.store.latest_policy(operation.org).await?;
    let current = latest.as_ref().map_or(0, |latest| latest.version);
    let policy = Policy::parse(current + 1, &text)?;
    let mistakes = here.mistakes(&policy);
    if !mistakes.is_empty() {
        return Err(ControlError::Meaningless(mistakes));
    }
    check_demand(operation, &policy).await?;
    let before = latest.map(|latest| latest.text);
    let drift = steps(operation, &policy).await?;
    let mut rights = BTreeSet::from([Right::PolicyWrite]);
    rights.extend(right_for_money(before.as_deref(), &policy));
    rights.extend(drift.iter().map(Step::right));
    Ok(Plan {
        current,
        reaches_devices: reaches_devices(before.as_deref(), &policy),
        diff: diff::unified(&before.unwrap_or_default(), &text),
        text,
        rights,
        drift: drift.iter().fold(String::new(), |mut lines, step| {
            let _ = writeln!(lines, "{step}");
            lines
        }),
    })
}

/// What must be done for everything to stand as a policy's `[administration]` states.
async fn steps(operation: &Operation<'_>, policy: &Policy) -> Result<Vec<Step>, ControlError> {
    match &policy.document().administration {
        None => Ok(Vec::new()),
        Some(stated) => stated::steps(operation, stated).await,
    }
}

/// What became of applying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// This version is now in force.
    Version(u64),
    /// The text is what is in force already; nothing was written.
    Unchanged(u64),
    /// The text is in force already; what stood otherwise than its `[administration]` states was set right.
    SetRight(u64),
}

/// Puts a text in force. `expected` is the version it was made from: the text's own header says it when it came from an export.
pub async fn apply(
    operation: &Operation<'_>,
    text: &str,
    reason: &str,
    expected: Option<u64>,
    here: &dyn Examine,
) -> Result<Applied, ControlError> {
    operation.require(Right::PolicyWrite)?;
    let reason = &words::reason("reason", reason)?;
    let named = expected.or_else(|| version_in_header(text));
    let plan = plan(operation, text, here).await?;
    // Also for a text that is in force already: what it states of roles and limits may have been changed since it was read.
    if expected.is_some_and(|expected| expected != plan.current) {
        return Err(ControlError::Conflict {
            current: plan.current,
        });
    }
    let policy = Policy::parse(plan.current, &plan.text)?;
    let before = operation.store.policy(operation.org, plan.current).await?;
    let before = before.map(|before| before.text);
    if let Some(right) = right_for_money(before.as_deref(), &policy) {
        operation.require(right)?;
    }
    let steps = steps(operation, &policy).await?;
    stated::require(operation, &steps)?;
    if plan.diff.is_empty() {
        if steps.is_empty() {
            return Ok(Applied::Unchanged(plan.current));
        }
        set_right(operation, steps, reason, plan.current).await?;
        return Ok(Applied::SetRight(plan.current));
    }
    let expected = named.unwrap_or(plan.current);
    if expected != plan.current {
        return Err(ControlError::Conflict {
            current: plan.current,
        });
    }
    let mut change = operation.change("policy", "policy", ChangeKind::Updated);
    change.version = Some(plan.current + 1);
    change.before = before.map(|text| fingerprint(&text).as_str().into());
    change.after = Some(fingerprint(&plan.text).as_str().into());
    change.reason = Some(reason.as_str().into());
    operation.record(change).await?;
    let version = PolicyVersion {
        version: plan.current + 1,
        text: plan.text,
        author: operation.actor.label().to_owned(),
        reason: reason.to_owned(),
        created: operation.clock.now(),
    };
    match operation
        .store
        .put_policy(operation.org, plan.current, &version)
        .await?
    {
        PutPolicy::Added(version) => {
            set_right(operation, steps, reason, version).await?;
            Ok(Applied::Version(version))
        }
        PutPolicy::Conflict(current) => {
            let why = format!("version {current} was applied in between");
            operation.record_not_made("policy", "policy", &why).await?;
            Err(ControlError::Conflict { current })
        }
    }
}

/// Does what a version states beside its rules. The version is in force already, so what fails says that.
async fn set_right(
    operation: &Operation<'_>,
    steps: Vec<Step>,
    reason: &str,
    version: u64,
) -> Result<(), ControlError> {
    let taken = stated::take(operation, steps, reason).await;
    taken.map_err(|cause| ControlError::Partly {
        version,
        cause: Box::new(cause),
    })
}

/// What is needed where the budgets do not stay as they are: a budget of the policy is a spend limit.
fn right_for_money(before: Option<&str>, policy: &Policy) -> Option<Right> {
    let known = before.map(|text| Policy::parse(0, text)).transpose();
    let is_same = known.is_ok_and(|known| {
        let known = known
            .as_ref()
            .map_or(&[][..], |known| &known.document().budget);
        known == policy.document().budget
    });
    (!is_same).then_some(Right::BudgetsWrite)
}

/// Whether the settings that clients receive do not stay as they are.
fn reaches_devices(before: Option<&str>, policy: &Policy) -> bool {
    let known = before.map_or_else(|| Ok(Policy::empty()), |text| Policy::parse(0, text));
    let sent = |policy: &Policy| {
        let document = policy.document();
        (
            document.managed_settings.clone(),
            document.desktop_settings.clone(),
        )
    };
    !known.is_ok_and(|known| sent(&known) == sent(policy))
}

/// Someone to try a decision for.
#[derive(Debug, Clone)]
pub struct Someone {
    /// The issuer that vouches.
    pub issuer: String,
    /// The issuer's stable id.
    pub stable_id: String,
    /// Groups.
    pub groups: BTreeSet<String>,
}

impl Someone {
    /// As a call of theirs would be decided.
    pub fn caller(&self) -> Caller {
        let org = OrgId::from_parts(0, 0);
        may_use::somebody(org, &self.stable_id, &self.issuer, self.groups.clone())
    }
}

/// The decision that `policy` would take for someone: the decision itself, not a guess at it.
pub fn preview(
    policy: &Policy,
    someone: &Someone,
    model: &str,
    client: Client,
    address: Option<IpAddr>,
) -> Result<Permit, Refusal> {
    may_use::decided(policy, &someone.caller(), model, Tried { client, address })
}

/// The lines of a policy's text in which an entry of this name stands, with the remarks above it; none where the text has none.
pub fn entry_text<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let found = places::entries(text).into_iter();
    let place = found.into_iter().find(|place| place.name == name)?;
    Some(text[place.bytes].trim())
}

/// TOML stays as it is, less an export's header; YAML becomes TOML.
fn to_toml(text: &str) -> Result<String, ControlError> {
    let body = without_header(text);
    if toml::from_str::<toml::Table>(&body).is_ok() || !looks_like_yaml(&body) {
        return Ok(body);
    }
    let document: Document =
        serde_saphyr::from_str(&body).map_err(|error| ControlError::Yaml(error.to_string()))?;
    toml::to_string_pretty(&document).map_err(|error| ControlError::Yaml(error.to_string()))
}

fn looks_like_yaml(text: &str) -> bool {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| line.ends_with(':') || line == "---")
}

fn without_header(text: &str) -> String {
    if !text.starts_with(HEADER) {
        return text.to_owned();
    }
    let rest: Vec<&str> = text.lines().skip(2).collect();
    let body = rest.join("\n");
    let mut body = body.trim_start_matches('\n').to_owned();
    if !body.is_empty() && text.ends_with('\n') {
        body.push('\n');
    }
    body
}

fn version_in_header(text: &str) -> Option<u64> {
    text.strip_prefix(HEADER)?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exports_header_comes_off_and_says_its_version() {
        let text = "# doorward policy, version 7\n# applied by ada\n\n# why\n[[grant]]\n";
        assert_eq!(version_in_header(text), Some(7));
        assert_eq!(without_header(text), "# why\n[[grant]]\n");
    }

    #[test]
    fn an_entry_is_found_by_its_name_with_the_remark_above_it() {
        let text = "# all\n\n[[grant]]\nname = \"a\"\nmodels = [\"x\"]\n\n# why b\n# and how\n[[require]]\nname = \"b\"\n[require.who]\ngroups = [\"g\"]\n";
        let found = entry_text(text, "b").unwrap();
        assert!(found.starts_with("# why b\n# and how\n[[require]]") && found.ends_with("[\"g\"]"));
        assert!(entry_text(text, "a").unwrap().starts_with("[[grant]]"));
        assert_eq!(entry_text(text, "c"), None);
        assert_eq!(entry_text("", "c"), None);
    }

    #[test]
    fn yaml_is_kept_as_toml() {
        let text =
            "grant:\n  - name: staff\n    who: {groups: [eng]}\n    models: [\"claude-*\"]\n";
        let toml = to_toml(text).unwrap();
        let policy = Policy::parse(1, &toml).unwrap();
        assert_eq!(policy.document().grant[0].models[0].0, "claude-*");
    }
}
