//! One request: who asks for what and why, what they have now and why, and what a grant would do.

use askama::Template;
use axum::response::Response;
use control::access_requests::{self, AccessRequest};
use control::may_use::{self, Question, Tried};
use control::people::{self, Person};
use control::policies::places::Section;
use control::{ControlError, Right};
use domain::{AccessRequestId, AccessState, AskedKind, ClientKind, Timestamp};
use serde::Deserialize;

use super::way::Reach;
use super::{badge_of, does, money, what};
use crate::pages::answer;
use crate::pages::asked::{self, Asked, Named};
use crate::pages::budgets::BudgetLine;
use crate::pages::models::{ModelLine, model_lines_for};
use crate::pages::parts::{self, Badge, Copyable, Link, Notice};
use crate::pages::people::name_of;
use crate::pages::policy::entry::draft_for;
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// What was done.
#[derive(Debug, Deserialize)]
pub struct Which {
    done: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone)]
struct End {
    by: Said,
    at: When,
    answer: Said,
    granted: Option<String>,
}

/// What the person has now of what they ask for.
#[derive(Debug, Clone, Default)]
struct Now {
    models: Vec<ModelLine>,
    budgets: Vec<BudgetLine>,
    groups: Option<Vec<Said>>,
    reach: Option<Reach>,
    /// Where it comes from.
    says: String,
}

#[derive(Template)]
#[template(path = "request.html")]
struct Page {
    shell: Shell,
    id: Copyable,
    path: String,
    who: Link,
    what: Said,
    reason: Said,
    asked: When,
    until: Option<When>,
    badge: Badge,
    end: Option<End>,
    does: [String; 2],
    has: Now,
    is_open: bool,
    /// Why who looks cannot answer it; nothing where they can.
    kept_from: Option<String>,
    /// Whether a grant would say what is not so yet.
    is_too_early: bool,
    /// What a grant has not brought about yet, or what is so no more.
    not_kept: Option<Notice>,
}

/// `GET /console/requests/{id}`.
pub async fn read(
    visitor: Visitor,
    Named(id): Named<AccessRequestId>,
    Asked(which): Asked<Which>,
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let request = access_requests::read(&operation, id).await?;
    let person = people::read(&operation, request.person).await?;
    let now = operation.clock.now();
    let state = access_requests::standing(&request, now);
    let has = now_of(&visitor, &request, &person, now).await?;
    let name = name_of(&person);
    let title = format!("{} asks", name.plain());
    let done = told(asked::given(which.done.as_ref()), state);
    Ok(answer(&Page {
        shell: shell(&visitor, &title).telling(done),
        id: Copyable::whole("request id", id),
        path: format!("/console/requests/{id}"),
        who: Link {
            to: format!("/console/people/{}", person.id),
            word: name,
        },
        what: what(&request),
        reason: Said::from(&request.reason),
        asked: When::full(request.asked),
        until: (state == AccessState::Open)
            .then(|| When::full(domain::access_request::expires(request.asked))),
        badge: badge_of(state),
        end: request.end.as_ref().map(|end| End {
            by: Said::from(&end.by),
            at: When::full(end.at),
            answer: Said::from(&end.answer),
            granted: end.granted_cents.as_deref().map(|cents| money(Some(cents))),
        }),
        does: does(&request),
        not_kept: not_kept(&visitor, &request, (state, &has)),
        is_too_early: has
            .reach
            .as_ref()
            .is_some_and(|reach| !reach.lacks.is_empty()),
        has,
        is_open: state == AccessState::Open,
        kept_from: kept_from(&visitor, &request),
    }))
}

/// Around the pages of one request.
pub(super) fn shell(visitor: &Visitor, title: &str) -> Shell {
    Shell::new(visitor, Place::Requests, title).within(title)
}

fn told(word: &str, state: AccessState) -> Option<Notice> {
    match (word, state) {
        ("answered", AccessState::Granted) => Some(Notice::done(
            "It is granted. They read your answer on their own page.",
        )),
        ("answered", AccessState::Declined) => Some(Notice::done(
            "It is declined. They read your answer on their own page.",
        )),
        _ => None,
    }
}

/// Why who looks cannot answer it.
pub(super) fn kept_from(visitor: &Visitor, request: &AccessRequest) -> Option<String> {
    match access_requests::require_to_answer(&visitor.operation(), request) {
        Ok(()) => None,
        Err(ControlError::Oneself) => {
            Some("You asked for this yourself; somebody else with the right answers.".to_owned())
        }
        Err(error) => Some(error.to_string()),
    }
}

/// That a grant of a model waits for the policy, with the way there for whoever writes it; or that what was granted is so no more.
fn not_kept(
    visitor: &Visitor,
    request: &AccessRequest,
    (state, has): (AccessState, &Now),
) -> Option<Notice> {
    let lacks = has
        .reach
        .as_ref()
        .is_some_and(|reach| !reach.lacks.is_empty());
    if state == AccessState::Granted && lacks {
        let notice =
            Notice::ask("They had it when it was granted. What is missing by now stands below.");
        return Some(notice.titled("Granted, and not so any more."));
    }
    let is_refused = has.models.iter().any(|model| model.is_refused);
    if state != AccessState::Granted || request.kind != AskedKind::Model || !is_refused {
        return None;
    }
    let notice = Notice::ask("The policy in force still refuses them this model. Somebody who may write the policy has to put a version in force that grants it.")
        .titled("Granted, and not so yet.");
    Some(if visitor.actor().may(Right::PolicyWrite) {
        notice.linked("Draft that grant", draft_for(Section::Grant, request.id))
    } else {
        notice
    })
}

async fn now_of(
    visitor: &Visitor,
    request: &AccessRequest,
    person: &Person,
    now: Timestamp,
) -> Result<Now, Wrong> {
    let may = |right| visitor.actor().may(right);
    Ok(match request.kind {
        AskedKind::Model if may(Right::PolicyRead) => {
            let models = [request.thing.clone()];
            let question = Question {
                models: &models,
                issuers_for_people: visitor.console().rules.issuers_for_people(),
                tried: Tried::newest(ClientKind::ClaudeCode),
            };
            let may = may_use::of_person(&visitor.operation(), person, question).await?;
            Now {
                says: format!(
                    "by policy version {}, with the newest Claude Code",
                    may.version
                ),
                models: model_lines_for(&may, person),
                ..Now::default()
            }
        }
        AskedKind::Budget if may(Right::BudgetsRead) => Now {
            budgets: visitor
                .console()
                .rules
                .standing(person)
                .iter()
                .filter(|standing| standing.period == request.thing)
                .map(|standing| BudgetLine::of(standing, now))
                .collect(),
            says: "as this replica has it".to_owned(),
            ..Now::default()
        },
        AskedKind::Group => Now {
            groups: Some(person.groups.iter().map(Said::from).collect()),
            says: show::counted(person.groups.len() as u64, "group", "groups"),
            ..Now::default()
        },
        AskedKind::Connector | AskedKind::Action if may(Right::PolicyRead) => {
            let issuers = visitor.console().rules.issuers_for_people();
            let way = access_requests::way(&visitor.operation(), request, issuers).await?;
            Now {
                says: way.as_ref().map_or_else(String::new, |way| {
                    format!("by policy version {}", way.version)
                }),
                reach: way.map(|way| Reach::of(visitor, request, &way)),
                ..Now::default()
            }
        }
        _ => Now::default(),
    })
}
