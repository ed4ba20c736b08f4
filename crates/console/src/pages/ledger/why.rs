//! Why a request was refused: each reason with the text of the rule as it stood then, whose fault it is, whether asking again helps, and
//! what would allow it. What would allow it is the decision itself, taken again by the policy in force, and never a guess.

use askama::Template;
use axum::response::Response;
use control::may_use::{self, Question, Tried};
use control::policies::rehearse::RULES_MAX;
use control::records::{self, Decision, Place as Row, Record, RecordedReason, Text};
use control::{Right, people, policies};
use domain::policy::Document;
use domain::{Client, PersonId, Policy, ReasonCode, Subject};

use super::line::{self, Labels};
use super::record::{Fact, Value, who};
use super::way::Way;
use crate::pages::answer;
use crate::pages::asked::Named;
use crate::pages::parts::{self, Icon, Tone, icon};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, fault};

/// One reason.
#[derive(Debug, Clone)]
struct ReasonLine {
    what: Said,
    help: &'static str,
    code: String,
    rule: Option<Said>,
    fault: &'static str,
    again: &'static str,
}

/// The text of a rule that decided.
#[derive(Debug, Clone)]
struct RuleText {
    name: Said,
    text: String,
}

/// Something that would allow it.
#[derive(Debug, Clone)]
struct WayOn {
    drawing: Icon,
    first: Said,
    rest: Said,
}

#[derive(Template)]
#[template(path = "why.html")]
struct Page {
    shell: Shell,
    who: Said,
    asked: Said,
    at: When,
    client: String,
    way: Way,
    stage: usize,
    reasons_name: String,
    reasons: Vec<ReasonLine>,
    rules: Vec<RuleText>,
    version: Option<u64>,
    ways_on: Vec<WayOn>,
    now: String,
    facts: Vec<Fact>,
    record: String,
    others: Option<String>,
}

/// `GET /console/ledger/{place}/why`.
pub async fn read(visitor: Visitor, Named(place): Named<Row>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let found = records::read(&operation, &place).await?;
    let Some(Record::Decision(decision)) = records::decoded(&found) else {
        return Err(Wrong::nothing_here());
    };
    if decision.verdict.is_allowed() {
        return Err(
            Wrong::new(ReasonCode::ThingUnknown, "This request was not refused.")
                .leading_to("Its record", line::address(&found)),
        );
    }
    let subject = decision.actor.as_ref().map(|actor| actor.subject);
    let ids: Vec<String> = subject.iter().map(ToString::to_string).collect();
    let labels = people::labels(&operation, &ids).await?;
    let text = policy_text(&visitor, decision.policy_version).await?;
    let person = match subject {
        Some(Subject::Person(person)) => Some(person),
        _ => None,
    };
    let again = match person {
        Some(person) => again(&visitor, person, &decision).await?,
        None => None,
    };
    let document = text.as_deref().and_then(document);
    let (now, ways_on) = ways_on(&decision, document.as_ref(), again.as_ref());
    let reasons: Vec<ReasonLine> = decision
        .verdict
        .reasons()
        .iter()
        .map(|reason| explained(reason, &decision))
        .collect();
    let caller = line::caller(&decision, &labels);
    let asked = line::asked(&decision);
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Ledger, "Why it was refused")
            .within("Why")
            .past("Record", line::address(&found)),
        way: Way::of(&decision, None),
        stage: Way::of(&decision, None).stopped_at().unwrap_or(1),
        reasons_name: match reasons.len() {
            1 => "The reason".to_owned(),
            2 => "Both reasons".to_owned(),
            many => format!("All {many} reasons"),
        },
        reasons,
        rules: rules(&decision, text.as_deref()),
        version: decision.policy_version.filter(|_| text.is_some()),
        ways_on,
        now,
        facts: who(&visitor, &decision, &labels),
        record: line::address(&found),
        others: others(subject, &decision, &labels),
        at: When::full(found.place.at),
        client: line::program(decision.origin.client).to_owned(),
        who: caller,
        asked,
    }))
}

/// The policy of the version that decided, for whoever may read policies.
async fn policy_text(visitor: &Visitor, version: Option<u64>) -> Result<Option<String>, Wrong> {
    let may = visitor.actor().may(Right::PolicyRead);
    let Some(version) = version.filter(|version| may && *version > 0) else {
        return Ok(None);
    };
    let found = policies::version(&visitor.operation(), version).await?;
    Ok(Some(found.text))
}

/// The same request decided by the policy in force, and every other model for the same person with the same program.
async fn again(
    visitor: &Visitor,
    person: PersonId,
    decision: &Decision,
) -> Result<Option<may_use::MayUse>, Wrong> {
    if !visitor.actor().may(Right::PolicyRead) {
        return Ok(None);
    }
    let operation = visitor.operation();
    let person = people::read(&operation, person).await?;
    let mut models: Vec<String> = decision
        .model
        .iter()
        .map(|model| model.as_str().to_owned())
        .collect();
    let known = visitor.console().installation.models.iter();
    models.extend(
        known
            .map(|model| model.id.clone())
            .filter(|id| Some(id.as_str()) != decision.model.as_ref().map(Text::as_str)),
    );
    let question = Question {
        models: &models,
        issuers_for_people: visitor.console().rules.issuers_for_people(),
        tried: Tried {
            client: Client {
                kind: decision.origin.client,
                version: decision.origin.version,
            },
            address: decision.origin.address,
        },
    };
    Ok(Some(
        may_use::of_person(&operation, &person, question).await?,
    ))
}

/// A version's rules; none for a text that this program cannot read.
fn document(text: &str) -> Option<Document> {
    Policy::parse(0, text)
        .ok()
        .map(|policy| policy.document().clone())
}

fn explained(reason: &RecordedReason, decision: &Decision) -> ReasonLine {
    let code = line::known(reason.code.as_str());
    let model = decision
        .model
        .as_ref()
        .map_or("this model", |model| model.as_str());
    let what = match code {
        Some(ReasonCode::ModelNotAllowed) => format!("{model} is not allowed for them."),
        Some(code) => code.what().to_owned(),
        None => "A reason that a later version of Doorward knows.".to_owned(),
    };
    ReasonLine {
        what: Said::from(what),
        help: code.map_or("", |code| code.help()),
        code: Said::from(reason.code.as_str()).plain().to_owned(),
        rule: reason.rule.as_ref().map(|rule| Said::from(rule.as_str())),
        fault: code.map_or("not known", |code| fault(code.fault())),
        again: match code {
            Some(code) if code.retryable() => "asking again may help",
            _ => "asking again will not help",
        },
    }
}

fn rules(decision: &Decision, text: Option<&str>) -> Vec<RuleText> {
    let mut names: Vec<&str> = decision
        .verdict
        .reasons()
        .iter()
        .filter_map(|reason| Some(reason.rule.as_ref()?.as_str()))
        .collect();
    names.dedup();
    names.truncate(RULES_MAX);
    let rule = |name: &str| {
        let text = policies::entry_text(text?, name)?;
        let lines: Vec<String> = text
            .lines()
            .map(|line| Said::from(line).plain().to_owned())
            .collect();
        Some(RuleText {
            name: Said::from(name),
            text: lines.join("\n"),
        })
    };
    names.into_iter().filter_map(rule).collect()
}

/// What would be decided now, and what would allow it.
fn ways_on(
    decision: &Decision,
    document: Option<&Document>,
    again: Option<&may_use::MayUse>,
) -> (String, Vec<WayOn>) {
    let mut ways = Vec::new();
    let model = decision.model.as_ref().map(Text::as_str);
    let now = again.map_or_else(String::new, |again| {
        let same = model.and_then(|model| again.answers.iter().find(|answer| answer.model == model));
        match same.map(|answer| &answer.decided) {
            // It was not the rules that stopped it, so what they say now helps nobody.
            Some(Ok(_)) if !hangs_on_the_model(decision.verdict.reasons()) => String::new(),
            Some(Ok(_)) => format!("By policy version {} the rules would let it through now. Budgets, limits, the acceptable-use policy and what is found in a prompt are not tried.", again.version),
            Some(Err(_)) => format!("By policy version {}, in force now, it would be refused again.", again.version),
            None => String::new(),
        }
    });
    if let Some(again) =
        again.filter(|_| model.is_some() && hangs_on_the_model(decision.verdict.reasons()))
    {
        let others = again
            .answers
            .iter()
            .filter(|answer| answer.decided.is_ok() && Some(answer.model.as_str()) != model);
        let others: Vec<&str> = others.map(|answer| answer.model.as_str()).collect();
        if !others.is_empty() {
            ways.push(WayOn {
                drawing: icon("model"),
                first: "Use another model.".into(),
                rest: Said::from(format!(
                    "Allowed for them now with this program: {}.",
                    others.join(", ")
                )),
            });
        }
    }
    for reason in decision.verdict.reasons() {
        let code = line::known(reason.code.as_str());
        let way = match code {
            Some(ReasonCode::ModelNotAllowed | ReasonCode::NotGranted) => granting(document, model),
            Some(ReasonCode::ClientTooOld) => Some(WayOn { drawing: icon("device"), first: "Update the program.".into(), rest: "The rule names the oldest version that may be used.".into() }),
            Some(ReasonCode::BudgetSpent) => Some(WayOn { drawing: icon("budget"), first: "Wait for the next period, or raise the budget.".into(), rest: Said::default() }),
            Some(ReasonCode::ContentBlocked) => Some(WayOn { drawing: icon("detector"), first: "Take out what was found.".into(), rest: found(decision) }),
            Some(ReasonCode::AcceptableUseRequired) => Some(WayOn { drawing: icon("task"), first: "Accept the acceptable-use policy.".into(), rest: "They are asked for it at the next sign-in, and can do it by the link in the answer.".into() }),
            Some(code) => Some(WayOn { drawing: icon("info"), first: Said::from(code.help()), rest: Said::default() }),
            None => None,
        };
        ways.extend(way);
    }
    (now, ways)
}

/// What inspection found, by the classes that the record names.
fn found(decision: &Decision) -> Said {
    let all = decision.findings.iter();
    let all: Vec<String> = all
        .map(|finding| {
            let places = show::counted(u64::from(finding.count), "place", "places");
            format!("{} in {places}", finding.detector.as_str())
        })
        .collect();
    Said::from(if all.is_empty() {
        "The record names no class of it.".to_owned()
    } else {
        format!(
            "It was {}. The text itself is kept nowhere.",
            all.join("; ")
        )
    })
}

/// Whether another model could make a difference: each reason is one that the rules of [`may_use`] or the providers gave for this one. What
/// is spent, sent too fast or found in a prompt is so with every model.
fn hangs_on_the_model(reasons: &[RecordedReason]) -> bool {
    reasons.iter().all(|reason| {
        matches!(
            line::known(reason.code.as_str()),
            Some(
                ReasonCode::NotGranted
                    | ReasonCode::ModelNotAllowed
                    | ReasonCode::ClientNotAllowed
                    | ReasonCode::ClientTooOld
                    | ReasonCode::IssuerNotAllowed
                    | ReasonCode::NetworkNotAllowed
                    | ReasonCode::RegionNotAvailable
                    | ReasonCode::ModelUnserved
            )
        )
    })
}

/// Which grants would allow a model, as the policy stood then.
fn granting(document: Option<&Document>, model: Option<&str>) -> Option<WayOn> {
    let (document, model) = (document?, model?);
    let grants = document
        .grant
        .iter()
        .filter(|grant| grant.models.iter().any(|pattern| pattern.matches(model)));
    let mut said = Vec::new();
    for grant in grants {
        let groups: Vec<&str> = grant.who.groups.iter().map(String::as_str).collect();
        said.push(if groups.is_empty() {
            format!("“{}”", grant.name)
        } else {
            format!("“{}” to the groups {}", grant.name, groups.join(", "))
        });
    }
    let (first, rest) = if said.is_empty() {
        (
            "Change the policy.".into(),
            Said::from(format!("No rule grants {model} to anybody.")),
        )
    } else {
        (
            "Join a group that may, or change the policy.".into(),
            Said::from(format!("{model} is granted by {}.", said.join("; "))),
        )
    };
    Some(WayOn {
        drawing: icon("group"),
        first,
        rest,
    })
}

/// The list of the same person's refusals for the same reason.
fn others(subject: Option<Subject>, decision: &Decision, labels: &Labels) -> Option<String> {
    let id = subject?.to_string();
    labels.get(&id)?;
    let code = decision.verdict.reasons().first()?.code.as_str();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("who", &id).append_pair("reason", code);
    Some(format!("/console/ledger?{}", query.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grants_that_would_allow_a_model_are_named_with_their_groups() {
        let text = "[[grant]]\nname = \"makers\"\nwho = { groups = [\"research\"] }\nmodels = [\"claude-opus-*\"]\n";
        let document = document(text).unwrap();
        let way = granting(Some(&document), Some("claude-opus-5-5")).unwrap();
        assert_eq!(
            way.rest.plain(),
            "claude-opus-5-5 is granted by “makers” to the groups research."
        );
        let none = granting(Some(&document), Some("claude-haiku-5-5")).unwrap();
        assert!(none.rest.plain().starts_with("No rule grants"));
        assert!(granting(None, Some("x")).is_none());
    }

    #[test]
    fn another_model_is_named_only_where_it_would_help() {
        let check = |codes: &[ReasonCode], helps: bool| {
            let reasons: Vec<RecordedReason> = codes
                .iter()
                .map(|code| RecordedReason::from(&domain::Reason::plain(*code)))
                .collect();
            assert_eq!(hangs_on_the_model(&reasons), helps, "{codes:?}");
        };
        check(&[ReasonCode::ModelNotAllowed], true);
        check(&[ReasonCode::ModelUnserved], true);
        check(&[ReasonCode::ContentBlocked], false);
        check(&[ReasonCode::BudgetSpent], false);
        check(&[ReasonCode::TokenRate], false);
        check(&[ReasonCode::AcceptableUseRequired], false);
        check(
            &[
                ReasonCode::ModelNotAllowed,
                ReasonCode::AcceptableUseRequired,
            ],
            false,
        );
    }
}
