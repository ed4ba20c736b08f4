//! Every model with what holds for it: who the policy in force approves it for, how many people may use it, what it costs by which line of
//! the price list, which upstreams serve it, and how much it was used. Only reads; what one person may use is [`crate::may_use`]'s.

use domain::limits;
use domain::policy::{Grant, Who};
use domain::price::Price;
use domain::window::DAY_MS;
use store::UsageSum;

use crate::access::Right;
use crate::installation::Installation;
use crate::may_use::caller_of;
use crate::upstreams::Providers;
use crate::{ControlError, Operation, people, usage};

/// How long is looked back.
pub const USED_DAYS: i64 = 7;

/// A grant that approves a model, or denies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The grant's name.
    pub grant: String,
    /// Whom it concerns, in words.
    pub who: String,
    /// Whether it denies the model, whatever others say.
    pub denies: bool,
}

/// A model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSeen {
    /// Its id.
    pub id: String,
    /// What clients call it; none for one that is not in the catalogue and was used all the same.
    pub display_name: Option<String>,
    /// What the policy in force says of it.
    pub approved: Vec<Approval>,
    /// How many of the people who were looked at may use it.
    pub people: usize,
    /// The line of the price list that is in force; none where none covers it.
    pub price: Option<Price>,
    /// Which upstreams serve it, in the order of trying.
    pub served_by: Vec<String>,
    /// What was used of it lately.
    pub used: UsageSum,
}

/// Every model.
#[derive(Debug, Clone, PartialEq)]
pub struct Models {
    /// The policy version in force; 0 before the first.
    pub version: u64,
    /// In the catalogue's order, then those that are in no catalogue.
    pub rows: Vec<ModelSeen>,
    /// How many people may come in and were looked at.
    pub looked_at: usize,
    /// Whether there are more people than were looked at.
    pub more_people: bool,
}

/// Every model, as the policy in force and the router of this replica have it.
pub async fn read(
    operation: &Operation<'_>,
    installation: &Installation,
    providers: &dyn Providers,
    issuers_for_people: usize,
) -> Result<Models, ControlError> {
    operation.require(Right::ConfigRead)?;
    operation.require(Right::PolicyRead)?;
    let policy = operation.policy().await?.among_issuers(issuers_for_people);
    let now = operation.clock.now();
    let range = (Some(now.plus_ms(-USED_DAYS * DAY_MS)), Some(now.plus_ms(1)));
    let used = usage::sums(operation, usage::By::Model, range, limits::STORE_PAGE_MAX).await?;
    let (mut known, more_people) =
        people::list(operation, "", None, limits::STORE_PAGE_MAX).await?;
    known.retain(|person| person.out_since().is_none());
    let rules: Vec<_> = known
        .iter()
        .map(|person| policy.for_caller(&caller_of(person)))
        .collect();
    let row = |id: &str, display_name: Option<&str>| ModelSeen {
        id: id.to_owned(),
        display_name: display_name.map(str::to_owned),
        approved: policy
            .document()
            .grant
            .iter()
            .filter_map(|grant| approval(grant, id))
            .collect(),
        people: rules.iter().filter(|rules| rules.grants_model(id)).count(),
        price: providers.price(id, now),
        served_by: providers.serving(id),
        used: used
            .iter()
            .find(|sum| sum.of == id)
            .cloned()
            .unwrap_or_default(),
    };
    let mut rows: Vec<ModelSeen> = installation
        .models
        .iter()
        .map(|model| row(&model.id, Some(&model.display_name)))
        .collect();
    let listed = |id: &str| installation.models.iter().any(|model| model.id == id);
    let unlisted = used
        .iter()
        .filter(|sum| !sum.of.is_empty() && !listed(&sum.of));
    rows.extend(unlisted.map(|sum| row(&sum.of, None)));
    Ok(Models {
        version: policy.version,
        rows,
        looked_at: known.len(),
        more_people,
    })
}

fn approval(grant: &Grant, model: &str) -> Option<Approval> {
    let matches = |patterns: &[domain::model::ModelPattern]| {
        patterns.iter().any(|pattern| pattern.matches(model))
    };
    let denies = matches(&grant.deny_models);
    (denies || matches(&grant.models)).then(|| Approval {
        grant: grant.name.clone(),
        who: whom(&grant.who),
        denies,
    })
}

/// Whom an entry concerns, in words.
pub fn whom(who: &Who) -> String {
    let list = |names: &std::collections::BTreeSet<String>| {
        names.iter().cloned().collect::<Vec<_>>().join(", ")
    };
    let mut parts = Vec::new();
    match who.people.len() {
        0 => {}
        1 => parts.push("one person".to_owned()),
        many => parts.push(format!("{many} people")),
    }
    for (what, names) in [
        ("in", &who.groups),
        ("service", &who.services),
        ("vouched for by", &who.issuers),
    ] {
        if !names.is_empty() {
            parts.push(format!("{what} {}", list(names)));
        }
    }
    if parts.is_empty() {
        "everyone".to_owned()
    } else {
        parts.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::policy::Document;

    #[test]
    fn a_grant_approves_or_denies_what_its_patterns_match() {
        let text = "[[grant]]\nname = \"eng\"\nwho = { groups = [\"engineering\", \"research\"] }\nmodels = [\"claude-opus-*\"]\ndeny_models = [\"claude-opus-4*\"]\n";
        let document: Document = toml_of(text);
        let said = |model| approval(&document.grant[0], model);
        let yes = said("claude-opus-5-5").unwrap();
        assert_eq!(
            (yes.denies, yes.who.as_str()),
            (false, "in engineering, research")
        );
        assert!(said("claude-opus-4-1").unwrap().denies);
        assert_eq!(said("claude-haiku-5-5"), None);
    }

    fn toml_of(text: &str) -> Document {
        domain::Policy::parse(1, text).unwrap().document().clone()
    }

    #[test]
    fn whom_it_concerns_is_said_in_words() {
        assert_eq!(whom(&Who::default()), "everyone");
        let who = Who {
            people: ["per_1".to_owned(), "per_2".to_owned()].into(),
            issuers: ["entra".to_owned()].into(),
            ..Who::default()
        };
        assert_eq!(whom(&who), "2 people and vouched for by entra");
    }
}
