//! Try a decision: who, which model or which action of a connector, with what and from where; and what the version in force decides,
//! beside what a draft would, each with every reason and the lines of the rules that decided. It is the decision itself, as a call meets it;
//! budgets, limits, arguments and what is found in a prompt are not tried. Changes nothing.

use std::net::IpAddr;

use askama::Template;
use axum::response::Response;
use control::may_use::Tried;
use control::policies::everyone::Known;
use control::policies::places;
use control::policies::rehearse::{Allowed, Trial, Wanted, somebody, tried_by_both};
use control::{ControlError, Right};
use domain::connectors::{ActionClass, ActionState, ConnectorName, is_action_name};
use domain::policy::{Determined, Standing};
use domain::{Client, ClientKind, ModelId, Subject, Version};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::draft::{self, Draft};
use super::form::PROGRAMS;
use super::words;
use crate::pages::asked::{Asked, LongForm};
use crate::pages::connectors::of_state;
use crate::pages::parts::{self, Link, State, Tone, state};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// What was asked.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Asking {
    #[serde(default)]
    who: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    client: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    address: String,
}

/// The same with a draft.
#[derive(Debug, Default, Deserialize)]
pub struct WithDraft {
    #[serde(default)]
    who: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    client: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    expected: u64,
    #[serde(default)]
    reason: String,
}

/// The fields as they were typed, and what is wrong with them.
#[derive(Debug, Clone, Default)]
pub(super) struct Question {
    pub(super) who: Said,
    pub(super) wrong_who: Option<String>,
    pub(super) model: Said,
    pub(super) wrong_model: Option<String>,
    pub(super) action: Said,
    pub(super) wrong_action: Option<String>,
    pub(super) version: Said,
    pub(super) wrong_version: Option<String>,
    pub(super) address: Said,
    pub(super) wrong_address: Option<String>,
}

impl Question {
    fn is_wrong(&self) -> bool {
        self.wrong_who.is_some()
            || self.wrong_model.is_some()
            || self.wrong_action.is_some()
            || self.wrong_version.is_some()
            || self.wrong_address.is_some()
    }
}

/// A rule that decided.
#[derive(Debug, Clone)]
struct RuleText {
    name: Said,
    line: String,
    text: String,
}

/// One decision.
#[derive(Debug, Clone)]
struct Decided {
    id: &'static str,
    by: String,
    state: State,
    because: Vec<(Said, String)>,
    rules: Vec<RuleText>,
}

/// A draft that is carried along.
#[derive(Debug, Clone)]
struct Carried {
    raw: String,
    expected: u64,
    reason: String,
}

#[derive(Template)]
#[template(path = "policy_try.html")]
struct Page {
    shell: Shell,
    trial: Question,
    programs: Vec<(&'static str, &'static str, bool)>,
    models: Vec<String>,
    draft: Option<Carried>,
    who: Option<Link>,
    groups: Said,
    decisions: Vec<Decided>,
}

/// The choices of the field, with the one that is on.
pub(super) fn programs_of(word: &str) -> Vec<(&'static str, &'static str, bool)> {
    let choice = |kind: ClientKind| (kind.as_str(), words::program(kind), kind.as_str() == word);
    PROGRAMS.map(choice).into()
}

/// `GET /console/policy/try`.
pub async fn ask(visitor: Visitor, Asked(asking): Asked<Asking>) -> Result<Response, Wrong> {
    visitor.operation().require(Right::PolicyRead)?;
    answered(&visitor, &asking, None).await
}

/// `POST /console/policy/try`, with a draft.
pub async fn with_draft(
    visitor: Visitor,
    headers: HeaderMap,
    LongForm(form): LongForm<WithDraft>,
) -> Result<Response, Wrong> {
    draft::require(&visitor, &headers)?;
    let draft = Draft {
        csrf: String::new(),
        text: form.text,
        expected: form.expected,
        reason: form.reason,
    };
    let asking = Asking {
        who: form.who,
        model: form.model,
        action: form.action,
        client: form.client,
        version: form.version,
        address: form.address,
    };
    answered(&visitor, &asking, Some(draft.read())).await
}

async fn answered(
    visitor: &Visitor,
    asking: &Asking,
    draft: Option<Draft>,
) -> Result<Response, Wrong> {
    let mut question = Question {
        who: Said::from(&asking.who),
        model: Said::from(&asking.model),
        action: Said::from(&asking.action),
        version: Said::from(&asking.version),
        address: Said::from(&asking.address),
        ..Question::default()
    };
    let named = [&asking.who, &asking.model, &asking.action];
    let asked = named.iter().any(|field| !field.trim().is_empty());
    let mut found = None;
    let mut decisions = Vec::new();
    if asked {
        let wanted = wanted(asking, &mut question);
        let tried = read(asking, &mut question);
        found = whom(visitor, asking, &mut question).await?;
        if let (Some(known), Some(wanted), Some(tried), false) =
            (&found, wanted, tried, question.is_wrong())
        {
            let text = draft.as_ref().map(|draft| draft.text.as_str());
            decisions = decide(visitor, text, (known, wanted, tried)).await?;
        }
    }
    let status = if question.is_wrong() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = Page {
        shell: Shell::new(visitor, Place::Policy, "Try as somebody").within("Try as somebody"),
        programs: programs_of(&asking.client),
        models: draft::models(visitor),
        who: found.as_ref().map(link),
        groups: Said::from(found.as_ref().map_or_else(String::new, groups)),
        draft: draft.map(|draft| Carried {
            raw: draft::raw(&draft.text),
            expected: draft.expected,
            reason: Said::from(&draft.reason).plain().to_owned(),
        }),
        trial: question,
        decisions,
    };
    Ok(web::page::respond(status, &page, HeaderMap::new()))
}

/// A model, or an action of a connector; what cannot be read is said beside its field.
fn wanted<'a>(asking: &'a Asking, question: &mut Question) -> Option<Wanted<'a>> {
    let (model, action) = (asking.model.trim(), asking.action.trim());
    if action.is_empty() {
        let is_one = ModelId::new(model).is_ok();
        question.wrong_model =
            (!is_one).then(|| "must be 1 to 128 letters without blanks".to_owned());
        return is_one.then_some(Wanted::Model(model));
    }
    let parts = action.split_once('/');
    let is_one = |(connector, action): &(&str, &str)| {
        ConnectorName::new(connector).is_ok() && is_action_name(action)
    };
    let found = parts.filter(is_one).filter(|_| model.is_empty());
    if found.is_none() {
        let says = if model.is_empty() {
            "must be a connector's name and an action's, such as crm/delete_contact"
        } else {
            "a model is named too; try one of the two"
        };
        question.wrong_action = Some(says.to_owned());
    }
    found.map(|(connector, action)| Wanted::Action { connector, action })
}

/// With what and from where; what cannot be read is said beside its field.
fn read(asking: &Asking, question: &mut Question) -> Option<Tried> {
    let kind = PROGRAMS
        .into_iter()
        .find(|kind| kind.as_str() == asking.client)
        .unwrap_or(ClientKind::ClaudeCode);
    let version = match asking.version.trim() {
        "" => Tried::newest(kind).client.version,
        text => match text.parse::<Version>() {
            Ok(version) => Some(version),
            Err(error) => {
                question.wrong_version = Some(error.to_string());
                return None;
            }
        },
    };
    let address = match asking.address.trim() {
        "" => None,
        text => {
            let Ok(address) = text.parse::<IpAddr>() else {
                question.wrong_address =
                    Some("must be an address such as 10.0.0.1 or 2001:db8::1".to_owned());
                return None;
            };
            Some(address)
        }
    };
    let client = Client { kind, version };
    Some(Tried { client, address })
}

async fn whom(
    visitor: &Visitor,
    asking: &Asking,
    question: &mut Question,
) -> Result<Option<Known>, Wrong> {
    let text = asking.who.trim();
    let is_fit = !text.is_empty() && text.chars().count() <= domain::limits::CLAIM_CHARS_MAX;
    if !is_fit {
        question.wrong_who = Some("must name somebody".to_owned());
        return Ok(None);
    }
    match somebody(&visitor.operation(), text).await {
        Ok(known) => Ok(Some(known)),
        Err(ControlError::NoSuchPerson) => {
            question.wrong_who = Some(
                "nobody here has this id, stable id or e-mail address, and no service this name"
                    .to_owned(),
            );
            Ok(None)
        }
        Err(ControlError::Ambiguous(many)) => {
            question.wrong_who = Some(format!("{many} people match; name one by id"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn decide(
    visitor: &Visitor,
    draft: Option<&str>,
    question: (&Known, Wanted<'_>, Tried),
) -> Result<Vec<Decided>, Wrong> {
    let issuers = visitor.console().rules.issuers_for_people();
    let operation = visitor.operation();
    let trials = match tried_by_both(&operation, draft, question, issuers).await {
        Ok(trials) => trials,
        Err(error) if draft.is_some_and(|text| !places::mistakes(text, &error).is_empty()) => {
            let detail = "The draft is not a policy; go back and look at its text first.";
            return Err(Wrong::new(error.code(), detail));
        }
        Err(error) => return Err(error.into()),
    };
    let by = match trials.version {
        0 => "Now, without a policy".to_owned(),
        version => format!("By version {version}, in force"),
    };
    let mut decisions = vec![decided("now", by, &trials.now)];
    if let Some(then) = &trials.then {
        decisions.push(decided("then", "By the draft".to_owned(), then));
    }
    Ok(decisions)
}

fn decided(id: &'static str, by: String, trial: &Trial) -> Decided {
    let (state, because) = match &trial.decided {
        Ok(Allowed::Model(permit)) => {
            let mut said = vec![(
                Said::from(format!("Granted by {}.", words::listed(&permit.granted_by))),
                String::new(),
            )];
            if let Some(regions) = &permit.regions {
                let says = format!("The data stays in {}.", words::listed(regions));
                said.push((Said::from(says), String::new()));
            }
            (state(Tone::Allow, "Allowed"), said)
        }
        Ok(Allowed::Action(standing, class)) => {
            let because = stands(standing, *class).into_iter();
            let because = because.map(|says| (Said::from(says), String::new()));
            (of_state(standing.state), because.collect())
        }
        Err(refusal) => (
            state(Tone::Stop, "Refused"),
            refusal
                .reasons()
                .map(|reason| (Said::from(&reason.message), reason.code.as_str().to_owned()))
                .collect(),
        ),
    };
    let rules = trial.rules.iter().map(|rule| RuleText {
        name: Said::from(&rule.name),
        line: rule.line.map_or_else(
            || rule.section.as_str().to_owned(),
            |line| format!("{}, line {line}", rule.section.as_str()),
        ),
        text: rule
            .text
            .lines()
            .map(super::versions::shown_line)
            .collect::<Vec<_>>()
            .join("\n"),
    });
    Decided {
        id,
        by,
        state,
        because,
        rules: rules.collect(),
    }
}

/// Why an action stands so, and what of a call was not looked at.
fn stands(standing: &Standing, class: Option<ActionClass>) -> Vec<String> {
    let by = standing.by.iter().map(|one| match one {
        Determined::Entry(name) => format!("By {name}."),
        Determined::Argument { entry, at } => format!("By {entry}, for the argument {at}."),
        Determined::Ceiling { data, .. } => format!("By the ceiling for {data}."),
        Determined::Default => "Nothing permits it.".to_owned(),
    });
    let mut said: Vec<String> = by.collect();
    if standing.state == ActionState::Ask {
        let needs = words::state_of(standing.state, &standing.approver);
        said.push(format!("It {needs}."));
    }
    if class.is_none() {
        said.push("The connector was not seen to list it: nothing of this name is passed on, and it counts as what takes away.".to_owned());
    }
    if standing.state != ActionState::Blocked {
        said.push(
            "Rules on arguments may narrow a call further, and its definition must be approved."
                .to_owned(),
        );
    }
    said
}

fn link(known: &Known) -> Link {
    let to = match known.caller.subject {
        Subject::Person(person) => format!("/console/people/{person}"),
        Subject::Service(service) => format!("/console/services/{service}"),
    };
    Link {
        to,
        word: Said::from(&known.name),
    }
}

fn groups(known: &Known) -> String {
    let kind = match known.caller.subject {
        Subject::Person(_) => "A person",
        Subject::Service(_) => "A service",
    };
    let issuer = &known.caller.issuer;
    if known.caller.groups.is_empty() {
        return format!("{kind} of {issuer}, in no group.");
    }
    format!(
        "{kind} of {issuer}, in {}.",
        words::listed(&known.caller.groups)
    )
}
