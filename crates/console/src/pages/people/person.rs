//! One person: who they are, what they may use and why, what they used, where they are signed in, what they hold, and what is still to
//! be done for them. Each part is shown to whoever has the right for it, and its absence is not.

use std::collections::BTreeSet;

use askama::Template;
use axum::response::Response;
use control::may_use::{self, Question, Tried};
use control::people::{self, Person};
use control::{Right, groups, roles, sessions, tasks, tokens, usage};
use domain::window::DAY_MS;
use domain::{ClientKind, PersonId, Timestamp};
use serde::Deserialize;

use super::connections::{self, ConnectionLine};
use super::{access_of, name_of};
use crate::pages::answer;
use crate::pages::asked::{self, Asked, Named};
use crate::pages::budgets::{BudgetLine, UseTable};
use crate::pages::models::{ModelLine, model_lines_for};
use crate::pages::needs::due;
use crate::pages::offers::{Offer, Offers};
use crate::pages::parts::{self, Badge, Copyable, Notice, State, tag};
use crate::pages::sessions::SessionLine;
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Rows of each part; the whole is a list of its own.
const SHOWN: u32 = 20;

/// What was done.
#[derive(Debug, Deserialize)]
pub struct Which {
    done: Option<String>,
}

/// A group, and who says that they are in it.
#[derive(Debug, Clone)]
struct GroupLine {
    name: Said,
    source: Badge,
}

/// A role, and through what they hold it.
#[derive(Debug, Clone)]
struct RoleLine {
    role: String,
    through: Said,
}

/// A personal access token, never the token.
#[derive(Debug, Clone)]
struct TokenLine {
    name: Said,
    prefix: Said,
    scopes: String,
    ends: String,
    badge: Badge,
}

/// A task about them.
#[derive(Debug, Clone)]
struct TaskLine {
    to: String,
    what: &'static str,
    badge: Badge,
}

/// What can be done to their access.
#[derive(Debug, Clone)]
struct Acts {
    access: Offers,
    records: bool,
    roles: bool,
    /// Why who looks cannot give a role.
    kept_from_roles: Option<String>,
    /// Why who looks cannot end a session.
    kept_from_sessions: Option<String>,
    /// Why who looks cannot end a connection.
    kept_from_connections: Option<String>,
}

#[derive(Template)]
#[template(path = "person.html")]
struct Page {
    shell: Shell,
    id: Copyable,
    name: Said,
    email: Said,
    state: State,
    since: String,
    issuer: Said,
    stable_id: Copyable,
    stated: Option<When>,
    acts: Acts,
    groups: Vec<GroupLine>,
    roles: Vec<RoleLine>,
    models: Option<Vec<ModelLine>>,
    models_say: String,
    budgets: Vec<BudgetLine>,
    used: Option<UseTable>,
    sessions: Option<Vec<SessionLine>>,
    more_sessions: bool,
    connections: Option<Vec<ConnectionLine>>,
    tokens: Option<Vec<TokenLine>>,
    tasks: Option<Vec<TaskLine>>,
}

/// `GET /console/people/{id}`.
pub async fn read(
    visitor: Visitor,
    Named(id): Named<PersonId>,
    Asked(which): Asked<Which>,
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let person = people::read(&operation, id).await?;
    let name = name_of(&person);
    let shell = Shell::new(&visitor, Place::People, name.plain()).within(name.plain());
    let shell = shell.telling(told(
        asked::given(which.done.as_ref()),
        &person,
        name.plain(),
    ));
    let (state, since) = access_of(&person);
    let now = operation.clock.now();
    let may = may_use_of(&visitor, &person).await?;
    let (sessions, more_sessions) = sessions_of(&visitor, id).await?;
    Ok(answer(&Page {
        id: Copyable::whole("person id", id),
        email: Said::from(person.email.as_deref().unwrap_or_default()),
        issuer: Said::from(&person.issuer),
        stable_id: Copyable::whole("stable id", Said::from(&person.stable_id).plain()),
        stated: (person.stated > Timestamp::from_unix_ms(0)).then(|| When::full(person.stated)),
        acts: acts(&visitor, &person),
        groups: groups_of(&visitor, &person).await?,
        roles: roles_of(&visitor, &person).await?,
        models_say: may.as_ref().map_or_else(String::new, |may| {
            format!(
                "by policy version {}, with the newest Claude Code",
                may.version
            )
        }),
        models: may.as_ref().map(|may| model_lines_for(may, &person)),
        budgets: budgets_of(&visitor, &person, now),
        used: used(&visitor, id, now).await?,
        sessions,
        more_sessions,
        connections: connections::of_person(&visitor, id).await?,
        tokens: tokens_of(&visitor, id, now).await?,
        tasks: tasks_of(&visitor, &person, now).await?,
        shell,
        name,
        state,
        since,
    }))
}

/// What became of the last action, by the word that its redirect carries. The word is in the address, where anybody can write it, so
/// nothing is said that does not stand.
fn told(word: &str, person: &Person, name: &str) -> Option<Notice> {
    match word {
        "shut-out" if person.shut_out_at.is_some() => Some(Notice::done(format!(
            "{name} is shut out. Sessions ended, streams are cut within a second, and tokens open nothing."
        ))),
        "let-in" if person.out_since().is_none() => Some(Notice::done(format!(
            "{name} may sign in again. What was ended stays ended."
        ))),
        "let-in" if person.shut_out_at.is_none() => Some(Notice::info(format!(
            "{name} is still out: their directory says so, and it alone can take that back."
        ))),
        "sessions-ended" => Some(Notice::info(format!(
            "What {name} had open when all their sessions were ended is over. They may sign in again; what is open now stands below."
        ))),
        "session-ended" => Some(Notice::info(
            "What is open now stands below. A session that is ended is over on every replica within a second.",
        )),
        "connection-ended" => Some(Notice::info(connections::ENDED)),
        _ => None,
    }
}

fn acts(visitor: &Visitor, person: &Person) -> Acts {
    let (operation, path) = (
        visitor.operation(),
        format!("/console/people/{}", person.id),
    );
    let may = |right| visitor.actor().may(right);
    let kept = |right| operation.require(right).err().map(|why| why.to_string());
    let mut access = Vec::new();
    if person.out_since().is_none() {
        let end = Offer::new("log-out", "End sessions", format!("{path}/end-sessions"));
        access.push(end.unless(sessions::require_for_all(&operation)));
    }
    if visitor.actor().person_id() != Some(person.id) {
        let offer = if person.shut_out_at.is_some() {
            Offer::new("door", "Let in", format!("{path}/let-in"))
        } else {
            Offer::new("lock", "Shut out", format!("{path}/shut-out")).risk()
        };
        access.push(offer.unless(operation.require(Right::PeopleWrite)));
    }
    Acts {
        access: Offers::of("access", access),
        records: may(Right::LedgerRead),
        roles: may(Right::RolesRead),
        kept_from_roles: kept(Right::RolesWrite),
        kept_from_sessions: kept(Right::SessionsWrite),
        kept_from_connections: kept(Right::GrantsWrite),
    }
}

async fn may_use_of(visitor: &Visitor, person: &Person) -> Result<Option<may_use::MayUse>, Wrong> {
    if !visitor.actor().may(Right::PolicyRead) {
        return Ok(None);
    }
    let models: Vec<String> = visitor
        .console()
        .installation
        .models
        .iter()
        .map(|model| model.id.clone())
        .collect();
    let question = Question {
        models: &models,
        issuers_for_people: visitor.console().rules.issuers_for_people(),
        tried: Tried::newest(ClientKind::ClaudeCode),
    };
    Ok(Some(
        may_use::of_person(&visitor.operation(), person, question).await?,
    ))
}

async fn groups_of(visitor: &Visitor, person: &Person) -> Result<Vec<GroupLine>, Wrong> {
    let mut provisioned = BTreeSet::new();
    if visitor.actor().may(Right::GroupsRead) {
        let found = groups::of_person(&visitor.operation(), person.id).await?;
        provisioned.extend(found.into_iter().map(|group| group.display_name));
    }
    let line = |name: &String| GroupLine {
        name: Said::from(name),
        source: tag(if provisioned.contains(name) {
            "directory"
        } else {
            "sign-in"
        }),
    };
    Ok(person.groups.iter().map(line).collect())
}

async fn roles_of(visitor: &Visitor, person: &Person) -> Result<Vec<RoleLine>, Wrong> {
    if !visitor.actor().may(Right::RolesRead) {
        return Ok(Vec::new());
    }
    let held = people::bindings(
        &visitor.operation(),
        &visitor.console().control.vouching,
        person,
    )
    .await?;
    let line = |binding: roles::RoleBinding| RoleLine {
        role: binding.role.to_string(),
        through: match &binding.holder {
            roles::Holder::Person(_) => Said::from(format!("given to them by {}", binding.made_by)),
            roles::Holder::Group { issuer, group } => {
                Said::from(format!("through the group {group} of {issuer}"))
            }
        },
    };
    Ok(held.into_iter().map(line).collect())
}

fn budgets_of(visitor: &Visitor, person: &Person, now: Timestamp) -> Vec<BudgetLine> {
    if !visitor.actor().may(Right::BudgetsRead) {
        return Vec::new();
    }
    let standing = visitor.console().rules.standing(person);
    standing
        .iter()
        .map(|standing| BudgetLine::of(standing, now))
        .collect()
}

async fn used(visitor: &Visitor, id: PersonId, now: Timestamp) -> Result<Option<UseTable>, Wrong> {
    if !visitor.actor().may(Right::BudgetsRead) {
        return Ok(None);
    }
    let range = (now.plus_ms(-30 * DAY_MS), now.plus_ms(1));
    let sums = usage::of_person(&visitor.operation(), id, range).await?;
    Ok(Some(UseTable::of(&sums)))
}

async fn sessions_of(
    visitor: &Visitor,
    id: PersonId,
) -> Result<(Option<Vec<SessionLine>>, bool), Wrong> {
    if !visitor.actor().may(Right::SessionsRead) {
        return Ok((None, false));
    }
    let (found, more) = sessions::list(&visitor.operation(), (Some(id), true), None, SHOWN).await?;
    let lines = found
        .iter()
        .map(|session| SessionLine::of(visitor, session, None));
    Ok((Some(lines.collect()), more))
}

async fn tokens_of(
    visitor: &Visitor,
    id: PersonId,
    now: Timestamp,
) -> Result<Option<Vec<TokenLine>>, Wrong> {
    if !visitor.actor().may(Right::TokensRead) {
        return Ok(None);
    }
    let (found, _) = tokens::list(&visitor.operation(), Some(id), None, SHOWN).await?;
    let line = |token: tokens::PersonalToken| TokenLine {
        name: Said::from(&token.name),
        prefix: Said::from(format!("{}…", token.prefix)),
        scopes: token.scopes.join(", "),
        ends: show::day(token.expires),
        badge: match token.revoked_at {
            Some(_) => parts::badge(parts::Tone::None, "taken away"),
            None if token.expires <= now => parts::badge(parts::Tone::None, "ended"),
            None => parts::badge(parts::Tone::Allow, "valid"),
        },
    };
    Ok(Some(found.into_iter().map(line).collect()))
}

async fn tasks_of(
    visitor: &Visitor,
    person: &Person,
    now: Timestamp,
) -> Result<Option<Vec<TaskLine>>, Wrong> {
    if !visitor.actor().may(Right::TasksRead) {
        return Ok(None);
    }
    let wanted = tasks::Wanted {
        about: Some(person.id.to_string()),
        ..tasks::Wanted::default()
    };
    let found = tasks::list(&visitor.operation(), &wanted, None, SHOWN).await?;
    let line = |task: &tasks::Task| TaskLine {
        to: format!("/console/tasks/{}", task.id),
        what: task.kind.title().trim_end_matches('.'),
        badge: due(tasks::standing(task, now), task.due),
    };
    Ok(Some(
        found
            .iter()
            .filter(|task| task.over_at.is_none())
            .map(line)
            .collect(),
    ))
}
