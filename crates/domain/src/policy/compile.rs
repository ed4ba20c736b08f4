//! From a document to what concerns one caller. The whole document is walked once per caller and policy version; the answer is
//! kept beside the caller's verified token, so a request never sees a rule that is not about its caller.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::connectors::Connector;
use super::document::{
    AcceptableUse, Budget, BudgetFor, Document, Grant, Inspect, Limit, Require, Who,
};
use super::reach::CallerAction;
use crate::acceptable_use::{Demand, Published};
use crate::window::Period;
use crate::{Caller, PersonId, Subject, Usd};

/// A checked policy of a known version.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The version in the store; 0 before the first.
    pub version: u64,
    document: Arc<Document>,
    /// Spend limits set through the admin endpoints, which count as budgets of the document.
    spend_limits: Arc<[Budget]>,
    /// Whether more than one identity provider vouches for people, so that a bare name may be two people's.
    has_namesakes: bool,
    /// The acceptable-use policy in force, if one is published.
    published: Option<Published>,
    /// Connectors that are there for nobody yet, by name.
    held_back: Arc<BTreeSet<String>>,
}

/// What is wrong with a document. `path` is where, such as `budget[2].amount_usd`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct InvalidPolicy {
    /// Where.
    pub path: String,
    /// What, and what to write instead.
    pub what: String,
}

impl Policy {
    /// Checks a document; every mistake is returned at once.
    pub fn new(version: u64, document: Document) -> Result<Self, Vec<InvalidPolicy>> {
        let mistakes = mistakes(&document);
        if mistakes.is_empty() {
            Ok(Self {
                version,
                document: Arc::new(document),
                spend_limits: Arc::from([]),
                has_namesakes: false,
                published: None,
                held_back: Arc::default(),
            })
        } else {
            Err(mistakes)
        }
    }

    /// The policy before anybody wrote one: nothing is granted.
    pub fn empty() -> Self {
        Self {
            version: 0,
            document: Arc::default(),
            spend_limits: Arc::from([]),
            has_namesakes: false,
            published: None,
            held_back: Arc::default(),
        }
    }

    /// The same policy beside this acceptable-use policy.
    #[must_use]
    pub fn beside_acceptable_use(mut self, published: Option<Published>) -> Self {
        self.published = published;
        self
    }

    /// The acceptable-use policy in force.
    pub fn acceptable_use(&self) -> Option<Published> {
        self.published
    }

    /// The same policy, with these connectors there for nobody: those that no review lets be used.
    #[must_use]
    pub fn holding_back(mut self, connectors: BTreeSet<String>) -> Self {
        self.held_back = Arc::new(connectors);
        self
    }

    /// The connector of this name, unless it is there for nobody.
    pub fn connector_there(&self, name: &str) -> Option<&Connector> {
        let mut all = self.document.connector.iter();
        let found = all.find(|connector| connector.name == name);
        found.filter(|_| !self.is_held_back(name))
    }

    /// Whether a connector is there for nobody because no review lets it be used.
    pub fn is_held_back(&self, connector: &str) -> bool {
        self.held_back.contains(connector)
    }

    /// The same policy with these spend limits of the admin endpoints.
    #[must_use]
    pub fn with_spend_limits(mut self, limits: Vec<Budget>) -> Self {
        self.spend_limits = limits.into();
        self
    }

    /// The same policy where so many identity providers vouch for people. With more than one, whoever may choose names or groups
    /// at one of them could take what is meant for another's: grants to bare names then let nobody in.
    #[must_use]
    pub fn among_issuers(mut self, for_people: usize) -> Self {
        self.has_namesakes = for_people > 1;
        self
    }

    /// Grants that let nobody in, because they name people or groups and not whose.
    pub fn grants_to_namesakes(&self) -> impl Iterator<Item = &Grant> {
        let grants = self.document.grant.iter();
        grants.filter(|grant| self.has_namesakes && grant.who.is_of_any_issuer())
    }

    /// The document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What concerns this caller.
    pub fn for_caller(&self, caller: &Caller) -> CallerPolicy {
        let document = &*self.document;
        let budgets = document.budget.iter().chain(&*self.spend_limits);
        CallerPolicy {
            version: self.version,
            grants: self.grants_for(caller),
            requires: pick(&document.require, |r| &r.who, caller),
            limits: pick(&document.limit, |l| &l.who, caller),
            inspects: pick(&document.inspect, |i| &i.who, caller),
            budgets: applicable_budgets(budgets, caller),
            connectors: self.connectors_for(caller),
            actions: self.actions_for(caller),
            acceptable_use: self.demand(caller),
        }
    }

    /// What the caller must have accepted, if anything.
    pub fn demand(&self, caller: &Caller) -> Option<Demand> {
        let rule = self.document.acceptable_use.as_ref()?;
        rule.concerns(caller)
            .then(|| self.published.map_or(Demand::Unpublished, Demand::Version))
    }

    fn connectors_for(&self, caller: &Caller) -> Vec<Arc<Connector>> {
        let mut found = pick(&self.document.connector, |c| &c.who, caller);
        found.retain(|connector| {
            let is_anyones = self.has_namesakes && connector.who.is_of_any_issuer();
            !is_anyones && !self.is_held_back(&connector.name)
        });
        found.into_iter().map(Arc::new).collect()
    }

    fn actions_for(&self, caller: &Caller) -> Vec<CallerAction> {
        pick(&self.document.action, |a| &a.who, caller)
            .into_iter()
            .map(|entry| CallerAction {
                permits: !(self.has_namesakes && entry.who.is_of_any_issuer()),
                entry,
            })
            .collect()
    }

    /// Connectors and entries about actions that let nobody in, because they name people or groups and not whose.
    pub fn reach_of_namesakes(&self) -> impl Iterator<Item = &str> {
        let connectors = self.document.connector.iter().map(|c| (&*c.name, &c.who));
        let actions = self.document.action.iter().map(|a| (&*a.name, &a.who));
        connectors
            .chain(actions)
            .filter(|(_, who)| self.has_namesakes && who.is_of_any_issuer())
            .map(|(name, _)| name)
    }

    fn grants_for(&self, caller: &Caller) -> Vec<Grant> {
        let mut grants = pick(&self.document.grant, |g| &g.who, caller);
        for grant in &mut grants {
            if self.has_namesakes && grant.who.is_of_any_issuer() {
                // what it denies and where it keeps data still holds
                grant.models.clear();
            }
        }
        grants
    }
}

/// The part of a policy that concerns one caller.
#[derive(Debug, Clone, PartialEq)]
pub struct CallerPolicy {
    /// The version it was taken from.
    pub version: u64,
    /// Grants.
    pub grants: Vec<Grant>,
    /// Demands.
    pub requires: Vec<Require>,
    /// Limits; all of them hold.
    pub limits: Vec<Limit>,
    /// Inspections.
    pub inspects: Vec<Inspect>,
    /// Budgets that count for the caller: at most one of their own per period, and every shared one.
    pub budgets: Vec<Budget>,
    /// Connectors that exist for the caller.
    pub connectors: Vec<Arc<Connector>>,
    /// What they may do there.
    pub actions: Vec<CallerAction>,
    /// The acceptable-use policy they must have accepted.
    pub acceptable_use: Option<Demand>,
}

impl AcceptableUse {
    /// Whether it is demanded of this caller.
    pub fn concerns(&self, caller: &Caller) -> bool {
        self.required
            && matches!(caller.subject, Subject::Person(_))
            && self.concerns_members_of(&caller.groups)
    }

    /// Whether it is demanded of a person in these groups.
    pub fn concerns_members_of(&self, groups: &BTreeSet<String>) -> bool {
        self.required && (self.groups.is_empty() || !self.groups.is_disjoint(groups))
    }
}

impl CallerPolicy {
    /// The caller's own budget of a period, if there is one.
    pub fn own_budget(&self, period: Period) -> Option<&Budget> {
        self.budgets
            .iter()
            .find(|budget| budget.period == period && budget.is_own())
    }
}

impl Budget {
    /// Whether what this caller spends counts against it, as far as no closer one of the same period does.
    pub fn concerns(&self, caller: &Caller) -> bool {
        let is_service = matches!(caller.subject, Subject::Service(_));
        match self.scope {
            BudgetFor::Org => true,
            BudgetFor::Service => is_service && self.who.selects(caller),
            BudgetFor::Person => !is_service && self.who.selects(caller),
            BudgetFor::Member | BudgetFor::Group => self.who.selects(caller),
        }
    }

    /// Whether the money is one caller's alone, rather than shared.
    pub fn is_own(&self) -> bool {
        matches!(
            self.scope,
            BudgetFor::Person | BudgetFor::Member | BudgetFor::Service
        )
    }
}

impl Who {
    /// Whether the entry concerns everyone.
    pub fn is_everyone(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it goes by names that any issuer may give: groups, or people by another id than ours.
    fn is_of_any_issuer(&self) -> bool {
        let is_bare = |name: &String| name.parse::<PersonId>().is_err();
        self.issuers.is_empty() && (!self.groups.is_empty() || self.people.iter().any(is_bare))
    }

    /// Whether the entry concerns this caller.
    pub fn selects(&self, caller: &Caller) -> bool {
        let named = |names: &BTreeSet<String>| {
            names.contains(&*caller.stable_id) || names.contains(&caller.subject.to_string())
        };
        let person = matches!(caller.subject, Subject::Person(_));
        // People and services are two ways to name one caller: either list may hold it.
        let by_name = (self.people.is_empty() && self.services.is_empty())
            || (person && named(&self.people))
            || (!person && named(&self.services));
        by_name
            && (self.groups.is_empty()
                || caller
                    .groups
                    .iter()
                    .any(|group| self.groups.contains(group)))
            && (self.issuers.is_empty() || self.issuers.contains(&*caller.issuer))
    }
}

fn pick<T: Clone>(entries: &[T], who: impl Fn(&T) -> &Who, caller: &Caller) -> Vec<T> {
    entries
        .iter()
        .filter(|entry| who(entry).selects(caller))
        .cloned()
        .collect()
}

/// Of the caller's own budgets the closest of each period: one that names the person, else the tightest of their groups', else
/// everyone's default. Shared budgets all count.
fn applicable_budgets<'a>(
    budgets: impl Iterator<Item = &'a Budget>,
    caller: &Caller,
) -> Vec<Budget> {
    let (own, mut kept): (Vec<&Budget>, Vec<&Budget>) = budgets
        .filter(|budget| budget.concerns(caller))
        .partition(|budget| budget.is_own());
    for period in Period::ALL {
        let closest = own
            .iter()
            .filter(|budget| budget.period == period)
            .min_by_key(|budget| (distance(budget), budget.amount_usd));
        kept.extend(closest);
    }
    kept.into_iter().cloned().collect()
}

fn distance(budget: &Budget) -> u8 {
    match budget.scope {
        BudgetFor::Person | BudgetFor::Service => 0,
        _ if !budget.who.people.is_empty() || !budget.who.services.is_empty() => 0,
        _ if !budget.who.groups.is_empty() => 1,
        _ => 2,
    }
}

fn mistakes(document: &Document) -> Vec<InvalidPolicy> {
    let mut found = Vec::new();
    let mut say = |path: String, what: &str| {
        found.push(InvalidPolicy {
            path,
            what: what.to_owned(),
        });
    };
    mistaken_names(document, &mut say);
    for (index, budget) in document.budget.iter().enumerate() {
        let here = |key: &str| format!("budget[{index}].{key}");
        if budget.amount_usd < Usd::ZERO {
            say(here("amount_usd"), "is below zero");
        }
        if budget.scope == BudgetFor::Person && budget.who.people.is_empty() {
            say(
                here("who.people"),
                "is needed by a budget for a person; write for = \"member\" for everyone's own budget",
            );
        }
        if budget.scope == BudgetFor::Org && !budget.who.is_everyone() {
            say(
                here("who"),
                "does not go with for = \"org\"; write for = \"group\" to bound some callers together",
            );
        }
    }
    for (index, grant) in document.grant.iter().enumerate() {
        if grant.models.is_empty() && grant.deny_models.is_empty() && grant.regions.is_empty() {
            say(
                format!("grant[{index}]"),
                "grants and denies nothing; name models, deny_models or regions",
            );
        }
    }
    for (index, inspect) in document.inspect.iter().enumerate() {
        if inspect.min_confidence > 100 {
            say(
                format!("inspect[{index}].min_confidence"),
                "is a percentage, at most 100",
            );
        }
        if inspect.detectors.is_empty() {
            say(
                format!("inspect[{index}].detectors"),
                "names no detector; write [\"*\"] for all",
            );
        }
    }
    super::connectors::mistakes(document, &mut say);
    found
}

/// Refusals name entries, so names must be there, short, and unique within their section.
fn mistaken_names(document: &Document, say: &mut impl FnMut(String, &str)) {
    let mut names = BTreeSet::new();
    let sections: [(&str, Vec<&str>); 9] = [
        ("grant", document.grant.iter().map(|e| &*e.name).collect()),
        (
            "require",
            document.require.iter().map(|e| &*e.name).collect(),
        ),
        ("limit", document.limit.iter().map(|e| &*e.name).collect()),
        ("budget", document.budget.iter().map(|e| &*e.name).collect()),
        (
            "inspect",
            document.inspect.iter().map(|e| &*e.name).collect(),
        ),
        (
            "managed_settings",
            document.managed_settings.iter().map(|e| &*e.name).collect(),
        ),
        (
            "desktop_settings",
            document.desktop_settings.iter().map(|e| &*e.name).collect(),
        ),
        (
            "connector",
            document.connector.iter().map(|e| &*e.name).collect(),
        ),
        ("action", document.action.iter().map(|e| &*e.name).collect()),
    ];
    for (section, entries) in sections {
        for (index, name) in entries.into_iter().enumerate() {
            if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
                say(
                    format!("{section}[{index}].name"),
                    "needs 1 to 100 characters on one line",
                );
            } else if !names.insert((section, name)) {
                say(
                    format!("{section}[{index}].name"),
                    "stands twice; refusals name entries, so each needs its own",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credential, OrgId};

    fn caller(issuer: &str, stable_id: &str, groups: &[&str]) -> Caller {
        Caller {
            org: OrgId::from_parts(0, 0),
            subject: Subject::Person(PersonId::from_parts(1, 7)),
            stable_id: stable_id.into(),
            issuer: issuer.into(),
            email: None,
            name: None,
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            session: None,
            credential: Credential::IdToken,
        }
    }

    fn granted(who: &str, issuers_for_people: usize, caller: &Caller) -> bool {
        let text = format!(
            "[[grant]]\nname = \"g\"\nwho = {who}\nmodels = [\"claude-*\"]\ndeny_models = [\"claude-opus-*\"]\n"
        );
        let policy = Policy::parse(1, &text).unwrap();
        let policy = policy.among_issuers(issuers_for_people);
        let mine = policy.for_caller(caller);
        // a denial is not let go because the grant beside it is
        assert!(!mine.grants_model("claude-opus-5-5"));
        mine.grants_model("claude-sonnet-5-5")
    }

    #[test]
    fn a_name_of_one_issuer_grants_nothing_to_its_namesake_at_another() {
        let ours = PersonId::from_parts(1, 7).to_string();
        let by_our_id = format!("{{ people = [\"{ours}\"] }}");
        let ada = caller("weaker", "ada", &["engineering"]);
        for (who, among_two) in [
            (r#"{ people = ["ada"] }"#, false),
            (r#"{ groups = ["engineering"] }"#, false),
            (r#"{ people = ["ada"], issuers = ["company"] }"#, false),
            (r#"{ people = ["ada"], issuers = ["weaker"] }"#, true),
            (r#"{ issuers = ["weaker"] }"#, true),
            (by_our_id.as_str(), true),
            ("{}", true),
        ] {
            assert_eq!(granted(who, 2, &ada), among_two, "{who}");
            let alone = !who.contains("company");
            assert_eq!(granted(who, 1, &ada), alone, "{who}");
        }
    }

    #[test]
    fn acceptance_is_demanded_of_people_whom_the_rule_names_and_never_of_services() {
        let check = |rule: &str, caller: &Caller, expected| {
            let policy = Policy::parse(1, rule).unwrap();
            let published = Published {
                version: 3,
                accept_from: 2,
            };
            let beside = policy.beside_acceptable_use(Some(published));
            let demand = beside.for_caller(caller).acceptable_use;
            assert_eq!(demand.is_some(), expected, "{rule}");
            assert!(demand.is_none_or(|demand| demand == Demand::Version(published)));
        };
        let ada = caller("company", "ada", &["engineering"]);
        let machine = Caller {
            subject: Subject::Service(crate::ServiceId::from_parts(1, 1)),
            ..ada.clone()
        };
        for (rule, of_ada) in [
            ("", false),
            ("[acceptable_use]\nrequired = false\n", false),
            ("[acceptable_use]\nrequired = true\n", true),
            (
                "[acceptable_use]\nrequired = true\ngroups = [\"engineering\", \"x\"]\n",
                true,
            ),
            (
                "[acceptable_use]\nrequired = true\ngroups = [\"x\"]\n",
                false,
            ),
        ] {
            check(rule, &ada, of_ada);
            check(rule, &machine, false);
        }
        let unpublished = Policy::parse(1, "[acceptable_use]\nrequired = true\n").unwrap();
        assert_eq!(unpublished.demand(&ada), Some(Demand::Unpublished));
    }

    #[test]
    fn the_grants_that_let_nobody_in_can_be_named() {
        let text =
            "[[grant]]\nname = \"bare\"\nwho = { groups = [\"a\"] }\nmodels = [\"claude-*\"]\n";
        let policy = Policy::parse(1, text).unwrap();
        assert_eq!(policy.grants_to_namesakes().count(), 0);
        let policy = policy.among_issuers(2);
        let names: Vec<&str> = policy
            .grants_to_namesakes()
            .map(|grant| grant.name.as_str())
            .collect();
        assert_eq!(names, ["bare"]);
    }
}
