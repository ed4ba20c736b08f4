//! Groups: those that a directory provisions, with who is in them, what the policy gives their members and which roles they carry; and
//! the names that rules use and no directory has, because a misspelt one gives nobody anything, in silence. Nothing is changed here: who
//! is in a group is the directory's to say.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::groups::{self, GroupSeen, MemberSeen, Mention, Mentions};
use control::may_use::{self, Question, Tried};
use control::{Right, usage};
use domain::window::DAY_MS;
use domain::{ClientKind, DirectoryGroupId, DirectoryUserId, limits};
use serde::Deserialize;

use super::answer;
use super::asked::{self, Asked, Named};
use super::budgets::UseTable;
use super::columns::{Column, Columns};
use super::models::{ModelLine, model_lines};
use super::parts::{self, Copyable, Empty, Source, State, Tone, state};
use super::shell::{Place, Shell};
use super::show::{self, Said, When};
use super::table::{Carried, Chips, Filters, Pager, ROWS};
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

/// Names without a directory that are listed; whoever has more has a policy of another shape in mind.
const NAMES_SHOWN: usize = 200;

/// What the table can show.
const COLUMNS: &[Column] = &[
    Column::new("group", "Group").fixed(),
    Column::new("external", "Directory's id").leaving("wide"),
    Column::new("issuer", "Directory of").leaving("mid"),
    Column::new("people", "People").number(),
    Column::new("id", "Our id").extra(),
];

/// The same, for whoever may read the policy.
const WITH_POLICY: &[Column] = &[
    COLUMNS[0],
    COLUMNS[1],
    COLUMNS[2],
    COLUMNS[3],
    Column::new("named", "Rules name it"),
    COLUMNS[4],
];

/// Everything under `/console/groups`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/groups", get(list))
        .route("/console/groups.csv", get(file))
        .route("/console/groups/{id}", get(read))
}

#[derive(Debug, Deserialize)]
struct Which {
    q: Option<String>,
    after: Option<String>,
}

/// A group as a row.
#[derive(Debug, Clone)]
struct Row {
    to: String,
    name: Said,
    external_id: Said,
    issuer: Said,
    members: String,
    named_by: String,
    id: Copyable,
}

/// A name that rules use and no directory has.
#[derive(Debug, Clone)]
struct NameLine {
    name: Said,
    named_by: Said,
}

#[derive(Template)]
#[template(path = "groups.html")]
struct ListPage {
    shell: Shell,
    q: String,
    chips: Chips,
    columns: Columns,
    carried: Carried,
    file: String,
    rows: Vec<Row>,
    pager: Pager,
    none: Empty,
    names: Vec<NameLine>,
    names_say: String,
    source: Source,
}

/// What the policy in force says about groups, for whoever may read it.
async fn mentions(visitor: &Visitor) -> Result<Option<Mentions>, Wrong> {
    if !visitor.actor().may(Right::PolicyRead) {
        return Ok(None);
    }
    Ok(Some(groups::mentions(&visitor.operation()).await?))
}

async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let part = asked::sought("The text to look for", which.q.as_ref())?;
    let after: Option<DirectoryGroupId> = asked::after(which.after.as_ref())?;
    let (found, more) = groups::list(&operation, part, after, ROWS).await?;
    let mentions = mentions(&visitor).await?;
    let all = if mentions.is_some() {
        WITH_POLICY
    } else {
        COLUMNS
    };
    let columns = Columns::asked(visitor.address(), all, &[]);
    let filters = Filters::of("/console/groups").with("q", part, format!("“{part}”"));
    let file = filters.at("/console/groups.csv");
    let filters = columns.in_addresses(filters);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let shown = show::counted(found.len() as u64, "group", "groups");
    let is_first = part.is_empty() && after.is_none();
    let names = mentions.as_ref().filter(|_| is_first).map(names);
    Ok(answer(&ListPage {
        shell: Shell::new(&visitor, Place::Groups, "Groups"),
        q: part.to_owned(),
        chips: filters.chips(),
        columns: columns.with(&filters),
        carried: filters.carried(&["q"]),
        file,
        rows: found
            .iter()
            .map(|group| row(group, mentions.as_ref()))
            .collect(),
        pager: Pager::new(
            &filters,
            format!("{shown} shown, in the order the directory made them known"),
            after.is_some(),
            next.as_deref(),
        ),
        none: none(part, visitor.actor().may(Right::DirectoryRead)),
        names: names.unwrap_or_default(),
        names_say: mentions
            .as_ref()
            .map_or_else(String::new, |mentions| version_says(mentions.version)),
        source: Source(vec![
            "as the store has it now".to_owned(),
            "groups that sign-ins alone name stand with the people whose sign-in names them"
                .to_owned(),
        ]),
    }))
}

/// The first row of the file.
const HEADER: [&str; 8] = [
    "id",
    "name",
    "directory_id",
    "issuer",
    "tenant",
    "people",
    "created",
    "modified",
];

/// `GET /console/groups.csv`: the first of the same list, at most [`limits::STORE_PAGE_MAX`] rows.
async fn file(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let part = asked::sought("The text to look for", which.q.as_ref())?;
    let most = limits::STORE_PAGE_MAX;
    let (found, _) = groups::list(&visitor.operation(), part, None, most).await?;
    let rows = found.iter().map(|group| {
        [
            group.id.to_string(),
            group.display_name.clone(),
            group.external_id.clone().unwrap_or_default(),
            group.source.issuer.clone(),
            group.source.tenant.clone().unwrap_or_default(),
            group.members.to_string(),
            group.created.to_string(),
            group.modified.to_string(),
        ]
    });
    Ok(asked::sheet("groups", control::text::sheet(&HEADER, rows)))
}

fn version_says(version: u64) -> String {
    if version == 0 {
        "no policy is in force yet".to_owned()
    } else {
        format!("by policy version {version}")
    }
}

fn none(part: &str, may_see_directory: bool) -> Empty {
    if part.is_empty() {
        let none = Empty::new(
            "group",
            "No directory provisions groups",
            "Groups come with a directory by SCIM, within a second of its word. Without one, rules go by the groups that people's sign-ins name.",
        );
        return if may_see_directory {
            none.linked("See the directory", "/console/directory")
        } else {
            none
        };
    }
    Empty::new(
        "search",
        "No group is called that",
        "No name has this in it.",
    )
    .linked("Show every group", "/console/groups")
}

fn row(group: &GroupSeen, mentions: Option<&Mentions>) -> Row {
    let named = mentions.map(|mentions| mentions.of(group).len() as u64);
    Row {
        to: format!("/console/groups/{}", group.id),
        name: Said::from(&group.display_name),
        external_id: Said::from(group.external_id.as_deref().unwrap_or_default()),
        issuer: issuer(group),
        members: show::count(group.members),
        named_by: match named {
            None | Some(0) => "none".to_owned(),
            Some(named) => show::counted(named, "entry", "entries"),
        },
        id: Copyable::short("group id", group.id),
    }
}

fn issuer(group: &GroupSeen) -> Said {
    let source = &group.source;
    Said::from(match &source.tenant {
        Some(tenant) => format!("{}, tenant {tenant}", source.issuer),
        None => source.issuer.clone(),
    })
}

fn names(mentions: &Mentions) -> Vec<NameLine> {
    let line = |(name, entries): (&String, &BTreeSet<Mention>)| NameLine {
        name: Said::from(name),
        named_by: Said::from(told(entries).join("; ")),
    };
    mentions.elsewhere().take(NAMES_SHOWN).map(line).collect()
}

/// `the grant “staff”`.
fn told(entries: &BTreeSet<Mention>) -> Vec<String> {
    entries.iter().map(one_told).collect()
}

fn one_told(mention: &Mention) -> String {
    let list = match mention.list {
        "grant" => "the grant",
        "require" => "the demand",
        "limit" => "the limit",
        "budget" => "the budget",
        "inspect" => "the inspection",
        "managed_settings" => "the settings of Claude Code",
        "desktop_settings" => "the settings of Claude Desktop",
        "connector" => "the connector",
        "action" => "the entry about actions",
        _ => "the demand to accept the acceptable-use policy",
    };
    match &mention.entry {
        Some(entry) => format!("{list} “{entry}”"),
        None => list.to_owned(),
    }
}

#[derive(Debug, Deserialize)]
struct Members {
    after: Option<String>,
}

/// Somebody in it.
#[derive(Debug, Clone)]
struct MemberLine {
    to: Option<String>,
    name: Said,
    email: Said,
    state: State,
}

/// A role that it carries.
#[derive(Debug, Clone)]
struct RoleLine {
    role: String,
    by: Said,
}

#[derive(Template)]
#[template(path = "group.html")]
struct OnePage {
    shell: Shell,
    id: Copyable,
    name: Said,
    external_id: Option<Copyable>,
    issuer: Said,
    members_say: String,
    created: When,
    modified: When,
    members: Vec<MemberLine>,
    pager: Pager,
    models: Option<Vec<ModelLine>>,
    models_say: String,
    entries: Option<Vec<Said>>,
    roles: Option<Vec<RoleLine>>,
    used: Option<UseTable>,
}

async fn read(
    visitor: Visitor,
    Named(id): Named<DirectoryGroupId>,
    Asked(which): Asked<Members>,
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let group = groups::read(&operation, id).await?;
    let after: Option<DirectoryUserId> = asked::after(which.after.as_ref())?;
    let (members, more) = groups::members(&operation, id, after, ROWS).await?;
    let name = Said::from(&group.display_name);
    let filters = Filters::of(format!("/console/groups/{id}"));
    let next = members.last().filter(|_| more);
    let next = next.map(|last| last.user.to_string());
    let says = format!(
        "{} of {} shown",
        show::count(members.len() as u64),
        show::counted(group.members, "member", "members")
    );
    let may_see_people = visitor.actor().may(Right::PeopleRead);
    let mentions = mentions(&visitor).await?;
    let may = may_use_of(&visitor, &group).await?;
    Ok(answer(&OnePage {
        shell: Shell::new(&visitor, Place::Groups, name.plain()).within(name.plain()),
        id: Copyable::whole("group id", id),
        external_id: group
            .external_id
            .as_ref()
            .map(|id| Copyable::whole("directory's id", id)),
        issuer: issuer(&group),
        members_say: show::counted(group.members, "person is", "people are"),
        created: When::full(group.created),
        modified: When::full(group.modified),
        members: members
            .iter()
            .map(|member| member_line(member, may_see_people))
            .collect(),
        pager: Pager::new(&filters, says, after.is_some(), next.as_deref()),
        models_say: may.as_ref().map_or_else(String::new, |may| {
            format!(
                "{}, for who is in no other group",
                version_says(may.version)
            )
        }),
        models: may.as_ref().map(model_lines),
        entries: mentions.map(|mentions| {
            let entries = told(&mentions.of(&group));
            entries.iter().map(Said::from).collect()
        }),
        roles: roles_of(&visitor, &group).await?,
        used: used(&visitor, &group).await?,
        name,
    }))
}

fn member_line(member: &MemberSeen, may_see_people: bool) -> MemberLine {
    let best = member.name.as_deref().or(member.email.as_deref());
    MemberLine {
        to: may_see_people.then(|| format!("/console/people/{}", member.person)),
        name: Said::from(best.unwrap_or(&member.user_name)),
        email: Said::from(member.email.as_deref().unwrap_or(&member.user_name)),
        state: if member.active {
            state(Tone::Allow, "May come in")
        } else {
            state(Tone::None, "Left")
        },
    }
}

async fn may_use_of(
    visitor: &Visitor,
    group: &GroupSeen,
) -> Result<Option<may_use::MayUse>, Wrong> {
    if !visitor.actor().may(Right::PolicyRead) {
        return Ok(None);
    }
    let models = visitor.models();
    let question = Question {
        models: &models,
        issuers_for_people: visitor.console().rules.issuers_for_people(),
        tried: Tried::newest(ClientKind::ClaudeCode),
    };
    let operation = visitor.operation();
    Ok(Some(may_use::of_group(&operation, group, question).await?))
}

async fn roles_of(visitor: &Visitor, group: &GroupSeen) -> Result<Option<Vec<RoleLine>>, Wrong> {
    if !visitor.actor().may(Right::RolesRead) {
        return Ok(None);
    }
    let held = groups::roles_of(&visitor.operation(), group).await?;
    let line = |binding: control::roles::RoleBinding| RoleLine {
        role: binding.role.to_string(),
        by: Said::from(format!(
            "given by {}, {}",
            binding.made_by,
            show::day(binding.created)
        )),
    };
    Ok(Some(held.into_iter().map(line).collect()))
}

async fn used(visitor: &Visitor, group: &GroupSeen) -> Result<Option<UseTable>, Wrong> {
    if !visitor.actor().may(Right::BudgetsRead) {
        return Ok(None);
    }
    let operation = visitor.operation();
    let now = operation.clock.now();
    let range = (now.plus_ms(-30 * DAY_MS), now.plus_ms(1));
    let sums = usage::of_group(&operation, group, range).await?;
    Ok(Some(UseTable::of(&sums)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_told_by_what_it_is_and_its_name() {
        let mention = |list, entry: Option<&str>| Mention {
            list,
            entry: entry.map(str::to_owned),
        };
        assert_eq!(
            one_told(&mention("grant", Some("staff"))),
            "the grant “staff”"
        );
        assert_eq!(
            one_told(&mention("acceptable_use", None)),
            "the demand to accept the acceptable-use policy"
        );
    }
}
