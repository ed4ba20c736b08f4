//! An entry of a policy in words: whom it concerns and what it gives. Says what the entry says and decides nothing.

use std::collections::BTreeSet;

use control::policies::edit::Entry;
use control::policies::places::Section;
use domain::ClientKind;
use domain::connectors::{ActionClass, ActionState};
use domain::model::ModelPattern;
use domain::policy::connectors::Credentials;
use domain::policy::{
    Action, Approver, Budget, BudgetFor, Connector, Grant, Inspect, InspectAction, Limit, Require,
    Servers, Who,
};
use domain::window::Period;

use crate::pages::show;

/// Names of a list that are said; of more it is said how many.
const NAMES_MAX: usize = 4;

/// What a list of entries is about: its heading, and what it does in a sentence.
pub const fn of_section(section: Section) -> (&'static str, &'static str) {
    match section {
        Section::Grant => (
            "Grants",
            "without one nothing is allowed; a denial beats every grant",
        ),
        Section::Require => ("Requirements", "every one that concerns somebody must hold"),
        Section::Limit => ("Limits", "of several, the least counts"),
        Section::Budget => (
            "Budgets",
            "of one's own the closest counts, shared ones all do",
        ),
        Section::Inspect => ("Inspection", "of several, the strictest action counts"),
        Section::ManagedSettings => (
            "Settings of Claude Code",
            "merged in order; what forbids is joined",
        ),
        Section::DesktopSettings => (
            "Settings of Claude Desktop",
            "merged in order; what forbids is joined",
        ),
        Section::Connector => ("Connectors", "what is not listed does not exist"),
        Section::Action => (
            "Actions of connectors",
            "without one nothing may be done there; of several, the most restrictive counts",
        ),
    }
}

/// One entry of a list, for its button: `grant`.
pub const fn one(section: Section) -> &'static str {
    match section {
        Section::Grant => "grant",
        Section::Require => "requirement",
        Section::Limit => "limit",
        Section::Budget => "budget",
        Section::Inspect => "inspection",
        Section::ManagedSettings => "settings of Claude Code",
        Section::DesktopSettings => "settings of Claude Desktop",
        Section::Connector => "connector",
        Section::Action => "entry about actions",
    }
}

/// One more entry of a list: `a grant`.
pub const fn a_one(section: Section) -> &'static str {
    match section {
        Section::Grant => "a grant",
        Section::Require => "a requirement",
        Section::Limit => "a limit",
        Section::Budget => "a budget",
        Section::Inspect => "an inspection",
        Section::ManagedSettings => "settings of Claude Code",
        Section::DesktopSettings => "settings of Claude Desktop",
        Section::Connector => "a connector",
        Section::Action => "an entry about actions",
    }
}

/// A program's name.
pub const fn program(kind: ClientKind) -> &'static str {
    match kind {
        ClientKind::ClaudeCode => "Claude Code",
        ClientKind::ClaudeDesktop => "Claude Desktop",
        ClientKind::Office => "the Office add-ins",
        ClientKind::Sdk => "an SDK",
        ClientKind::Other => "other programs",
    }
}

/// `a, b, c and 3 more`.
pub fn listed<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<T> = names.into_iter().collect();
    let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let shown = shown.join(", ");
    if more == 0 {
        shown
    } else {
        format!("{shown} and {more} more")
    }
}

/// Whom an entry concerns.
pub fn whom(entry: &Entry) -> String {
    if let Entry::Budget(budget) = entry
        && budget.scope == BudgetFor::Org
    {
        return "everyone".to_owned();
    }
    whom_of(entry.who())
}

/// Whom a selector selects.
pub fn whom_of(who: &Who) -> String {
    let mut said = Vec::new();
    let mut say = |one: &str, many: &str, names: &BTreeSet<String>| {
        if !names.is_empty() {
            let noun = if names.len() == 1 { one } else { many };
            said.push(format!("{noun} {}", listed(names)));
        }
    };
    say("person", "people", &who.people);
    say("service", "services", &who.services);
    say("group", "groups", &who.groups);
    say("issuer", "issuers", &who.issuers);
    match said.len() {
        0 => "everyone".to_owned(),
        // People and services are two ways to name one caller.
        _ if !who.people.is_empty() && !who.services.is_empty() => {
            let names = format!("{} or {}", said[0], said[1]);
            std::iter::once(names)
                .chain(said.drain(2..))
                .collect::<Vec<_>>()
                .join(", and ")
        }
        _ => said.join(", and "),
    }
}

/// What an entry gives, a line each.
pub fn gives(entry: &Entry) -> Vec<String> {
    match entry {
        Entry::Grant(grant) => of_grant(grant),
        Entry::Require(require) => of_require(require),
        Entry::Limit(limit) => of_limit(limit),
        Entry::Budget(budget) => vec![of_budget(budget)],
        Entry::Inspect(inspect) => vec![of_inspect(inspect)],
        Entry::ManagedSettings(entry) => {
            let mut gives = vec![of_settings(&entry.settings)];
            gives.extend(entry.servers.map(|servers| of_servers(servers).to_owned()));
            gives
        }
        Entry::DesktopSettings(entry) => vec![of_settings(&entry.settings)],
        Entry::Connector(entry) => of_connector(entry),
        Entry::Action(entry) => of_action(entry),
    }
}

fn of_grant(grant: &Grant) -> Vec<String> {
    let patterns = |patterns: &[ModelPattern]| listed(patterns.iter().map(|model| &model.0));
    let mut said = Vec::new();
    if !grant.models.is_empty() {
        said.push(patterns(&grant.models));
    }
    if !grant.deny_models.is_empty() {
        said.push(format!("never {}", patterns(&grant.deny_models)));
    }
    if !grant.regions.is_empty() {
        said.push(format!("data stays in {}", listed(&grant.regions)));
    }
    said
}

fn of_require(require: &Require) -> Vec<String> {
    let mut said = Vec::new();
    if !require.clients.is_empty() {
        let names = require.clients.iter().map(|kind| program(*kind));
        said.push(format!("only with {}", listed(names)));
    }
    for (kind, version) in &require.min_version {
        said.push(format!("{} {version} or newer", program(*kind)));
    }
    if !require.networks.is_empty() {
        let networks = require.networks.iter().map(ToString::to_string);
        said.push(format!("only from {}", listed(networks)));
    }
    if !require.issuers.is_empty() {
        said.push(format!(
            "only signed in through {}",
            listed(&require.issuers)
        ));
    }
    if said.is_empty() {
        said.push("nothing".to_owned());
    }
    said
}

fn of_limit(limit: &Limit) -> Vec<String> {
    let minute = |number: Option<u64>, what: &str| {
        number.map(|number| format!("{} {what} a minute", show::count(number)))
    };
    let said: Vec<String> = [
        minute(limit.requests_per_minute.map(u64::from), "requests"),
        minute(limit.input_tokens_per_minute, "input tokens"),
        minute(limit.output_tokens_per_minute, "output tokens"),
        limit
            .concurrent_requests
            .map(|number| format!("{number} requests at the same time")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if said.is_empty() {
        vec!["nothing".to_owned()]
    } else {
        said
    }
}

/// `a month`.
pub const fn period(period: Period) -> &'static str {
    match period {
        Period::Daily => "a day",
        Period::Weekly => "a week",
        Period::Monthly => "a month",
    }
}

fn of_budget(budget: &Budget) -> String {
    let whose = match budget.scope {
        BudgetFor::Person => "for each of these people",
        BudgetFor::Member => "for each of them",
        BudgetFor::Service => "for each service",
        BudgetFor::Group => "for all of them together",
        BudgetFor::Org => "for everyone together",
    };
    let then = if budget.hard {
        "refuses at the cap"
    } else {
        "only warns"
    };
    let (amount, period) = (show::usd(budget.amount_usd), period(budget.period));
    format!("{amount} {period} {whose}; {then}")
}

fn of_inspect(inspect: &Inspect) -> String {
    let then = match inspect.action {
        InspectAction::Observe => "recorded",
        InspectAction::Block => "refused",
    };
    let sure = match inspect.min_confidence {
        0 => String::new(),
        percent => format!(", from {percent} % confidence on"),
    };
    format!("{}: {then}{sure}", listed(&inspect.detectors))
}

/// What a connector is called with.
pub(in crate::pages) const fn credential(credential: Credentials) -> &'static str {
    match credential {
        Credentials::None => "no credential",
        Credentials::Grant => "what each person has granted",
        Credentials::ApiKey => "each person's own API key",
        Credentials::Header => "one header for everybody",
        Credentials::ServiceAccount => "one account for everybody",
    }
}

fn of_connector(connector: &Connector) -> Vec<String> {
    let mut said = vec![match &connector.url {
        Some(url) => url.clone(),
        None => connector.command.join(" "),
    }];
    said.push(format!("with {}", credential(connector.credential)));
    for data in &connector.data_classes {
        let ceiling = if connector.exception.is_some() {
            "an exception lifts its ceiling"
        } else {
            "nothing above reading"
        };
        said.push(format!("{data}: {ceiling}"));
    }
    said
}

fn of_action(action: &Action) -> Vec<String> {
    let patterns = action.actions.iter().map(|pattern| pattern.0.clone());
    let classes = action
        .classes
        .iter()
        .map(|class| format!("all that {}", class_does(*class)));
    let what: Vec<String> = patterns.chain(classes).collect();
    let place = if action.connector == "*" {
        "every connector"
    } else {
        &action.connector
    };
    let mut said = vec![format!(
        "{} at {place}: {}",
        listed(what),
        state_of(action.state, &action.approver)
    )];
    if !action.argument.is_empty() {
        let count = action.argument.len() as u64;
        said.push(show::counted(
            count,
            "rule on arguments",
            "rules on arguments",
        ));
    }
    said
}

const fn class_does(class: ActionClass) -> &'static str {
    match class {
        ActionClass::Read => "reads",
        ActionClass::Write => "writes",
        ActionClass::Destructive => "destroys or sends out",
        ActionClass::Generic => "does what its arguments say",
    }
}

/// Whether something may be done, and who approves.
pub fn state_of(state: ActionState, approver: &Approver) -> String {
    match (state, approver) {
        (ActionState::Allow, _) => "always allowed".to_owned(),
        (ActionState::Blocked, _) => "blocked".to_owned(),
        (ActionState::Ask, Approver::Own) => "needs approval, by the person".to_owned(),
        (ActionState::Ask, Approver::Second) => "needs approval, by somebody else".to_owned(),
        (ActionState::Ask, Approver::Groups(groups)) => {
            format!("needs approval, by somebody of {}", listed(groups))
        }
    }
}

const fn of_servers(servers: Servers) -> &'static str {
    match servers {
        Servers::Any => "MCP servers that people add by hand are allowed",
        Servers::Company => "the company's MCP servers alone",
    }
}

fn of_settings(settings: &serde_json::Map<String, serde_json::Value>) -> String {
    if settings.is_empty() {
        return "no key".to_owned();
    }
    let count = show::counted(settings.len() as u64, "key", "keys");
    format!("{count}: {}", listed(settings.keys()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Policy;

    fn check(text: &str, whose: &str, what: &[&str]) {
        let policy = Policy::parse(0, text).unwrap();
        let mut entries = Section::ALL
            .into_iter()
            .flat_map(|section| Entry::all(policy.document(), section));
        let entry = entries.next().unwrap();
        assert_eq!(
            (whom(&entry).as_str(), gives(&entry)),
            (whose, what.iter().map(|&line| line.to_owned()).collect()),
            "{text}"
        );
    }

    #[test]
    fn every_kind_of_entry_is_said_in_words() {
        check(
            "[[grant]]\nname = \"a\"\nmodels = [\"claude-*\"]\ndeny_models = [\"x\"]\nregions = [\"eu\"]\n",
            "everyone",
            &["claude-*", "never x", "data stays in eu"],
        );
        check(
            "[[require]]\nname = \"a\"\nwho = { groups = [\"a\", \"b\"] }\nclients = [\"claude_code\"]\nmin_version = { claude_code = \"2.1\" }\nnetworks = [\"10.0.0.0/8\"]\nissuers = [\"x\"]\n",
            "groups a, b",
            &[
                "only with Claude Code",
                "Claude Code 2.1.0 or newer",
                "only from 10.0.0.0/8",
                "only signed in through x",
            ],
        );
        check(
            "[[limit]]\nname = \"a\"\nwho = { people = [\"p\"], services = [\"s\"], issuers = [\"i\"] }\nrequests_per_minute = 5\nconcurrent_requests = 2\n",
            "person p or service s, and issuer i",
            &["5 requests a minute", "2 requests at the same time"],
        );
        check(
            "[[budget]]\nname = \"a\"\nfor = \"org\"\namount_usd = \"1000\"\nperiod = \"weekly\"\nhard = false\n",
            "everyone",
            &["$1,000.00 a week for everyone together; only warns"],
        );
        check(
            "[[inspect]]\nname = \"a\"\nwho = { services = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\"] }\ndetectors = [\"secret.*\"]\naction = \"block\"\nmin_confidence = 80\n",
            "services 1, 2, 3, 4 and 2 more",
            &["secret.*: refused, from 80 % confidence on"],
        );
        check(
            "[[managed_settings]]\nname = \"a\"\nsettings = { model = \"x\", env = {} }\n",
            "everyone",
            &["2 keys: model, env"],
        );
        check(
            "[[managed_settings]]\nname = \"a\"\nservers = \"company\"\nsettings = {}\n",
            "everyone",
            &["no key", "the company's MCP servers alone"],
        );
        check(
            "[[desktop_settings]]\nname = \"a\"\nsettings = {}\n",
            "everyone",
            &["no key"],
        );
        check(
            "[[connector]]\nname = \"a\"\nurl = \"https://a/\"\ncredential = \"grant\"\ndata_classes = [\"member-pii\"]\n",
            "everyone",
            &[
                "https://a/",
                "with what each person has granted",
                "member-pii: nothing above reading",
            ],
        );
        check(
            "[[action]]\nname = \"a\"\nwho = { groups = [\"g\"] }\nconnector = \"*\"\nactions = [\"get_*\"]\nclasses = [\"read\"]\nstate = \"ask\"\napprover = [\"leads\"]\n[[action.argument]]\nat = \"\"\nis = \"present\"\nthen = \"ask\"\n",
            "group g",
            &[
                "get_*, all that reads at every connector: needs approval, by somebody of leads",
                "1 rule on arguments",
            ],
        );
    }
}
