//! The list of people, and the same list as a file.

use askama::Template;
use axum::response::Response;
use control::people::{self, Person};
use domain::{PersonId, Timestamp, limits};
use serde::Deserialize;

use super::{access_of, name_of};
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::columns::{Column, Columns, Order};
use crate::pages::parts::{self, Copyable, Empty, Source, State};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::table::{Carried, Chips, Filters, Pager, ROWS};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Groups of a person that a row names.
const GROUPS_SHOWN: usize = 3;

/// What the table can show.
const COLUMNS: &[Column] = &[
    Column::new("person", "Person").fixed(),
    Column::new("groups", "Groups").leaving("mid"),
    Column::new("issuer", "Issuer").leaving("wide"),
    Column::new("access", "Access"),
    Column::new("seen", "First seen").leaving("widest"),
    Column::new("stable", "Stable id").extra(),
    Column::new("id", "Our id").extra(),
];

/// Ids sort by when somebody was first seen.
const ORDERS: &[Order] = &[Order::up("seen"), Order::down("seen")];

/// Whom to list.
#[derive(Debug, Deserialize)]
pub struct Whom {
    q: Option<String>,
    after: Option<String>,
}

/// A person as a row.
#[derive(Debug, Clone)]
struct Row {
    to: String,
    name: Said,
    email: Said,
    issuer: Said,
    groups: Vec<Said>,
    more_groups: String,
    state: State,
    since: String,
    seen: When,
    stable: Copyable,
    id: Copyable,
}

#[derive(Template)]
#[template(path = "people.html")]
struct Page {
    shell: Shell,
    says: String,
    q: String,
    chips: Chips,
    columns: Columns,
    carried: Carried,
    file: String,
    rows: Vec<Row>,
    pager: Pager,
    none: Empty,
    source: Source,
}

/// `GET /console/people`.
pub async fn list(visitor: Visitor, Asked(whom): Asked<Whom>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let part = asked::sought("The text to look for", whom.q.as_ref())?;
    let after: Option<PersonId> = asked::after(whom.after.as_ref())?;
    let count = people::count(&operation).await?;
    let columns = Columns::asked(visitor.address(), COLUMNS, ORDERS);
    let (found, more) = if columns.is_down() {
        people::list_back(&operation, part, after, ROWS).await?
    } else {
        people::list(&operation, part, after, ROWS).await?
    };
    let filters = Filters::of("/console/people").with("q", part, format!("“{part}”"));
    let file = filters.at("/console/people.csv");
    let filters = columns.in_addresses(filters);
    let next = found.last().filter(|_| more);
    let next = next.map(|last| last.id.to_string());
    let all = show::counted(count.all, "person", "people");
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::People, "People"),
        says: format!(
            "{} known here, of whom {} may come in. Who they are is their issuer's to say; what they may use is the policy's.",
            show::counted(count.all, "person is", "people are"),
            show::count(count.may_come_in)
        ),
        q: part.to_owned(),
        chips: filters.chips(),
        columns: columns.with(&filters),
        carried: filters.carried(&["q"]),
        file,
        rows: found.iter().map(row).collect(),
        pager: Pager::new(
            &filters,
            format!("{} of {all} shown", show::count(found.len() as u64)),
            after.is_some(),
            next.as_deref(),
        ),
        none: none(part),
        source: Source(vec![
            "as the store has it now".to_owned(),
            "groups as they hold: what the sign-in said, joined with what the directory says"
                .to_owned(),
        ]),
    }))
}

/// The first row of the file.
const HEADER: [&str; 9] = [
    "id",
    "name",
    "email",
    "issuer",
    "stable_id",
    "groups",
    "access",
    "access_since",
    "first_seen",
];

/// `GET /console/people.csv`: the first of the same list, at most [`limits::STORE_PAGE_MAX`] rows.
pub async fn file(visitor: Visitor, Asked(whom): Asked<Whom>) -> Result<Response, Wrong> {
    let part = asked::sought("The text to look for", whom.q.as_ref())?;
    let operation = visitor.operation();
    let (found, _) = people::list(&operation, part, None, limits::STORE_PAGE_MAX).await?;
    let rows = found.iter().map(cells);
    Ok(asked::sheet("people", control::text::sheet(&HEADER, rows)))
}

fn cells(person: &Person) -> [String; 9] {
    let groups: Vec<&str> = person.groups.iter().map(String::as_str).collect();
    let since = person.out_since();
    [
        person.id.to_string(),
        person.name.clone().unwrap_or_default(),
        person.email.clone().unwrap_or_default(),
        person.issuer.clone(),
        person.stable_id.clone(),
        groups.join(" "),
        access_of(person).0.word().to_lowercase(),
        since.map_or_else(String::new, |at| at.to_string()),
        seen(person).to_string(),
    ]
}

/// When somebody was first seen: their id is made then.
fn seen(person: &Person) -> Timestamp {
    Timestamp::from_unix_ms(i64::try_from(person.id.unix_ms()).unwrap_or(i64::MAX))
}

fn none(part: &str) -> Empty {
    if part.is_empty() {
        return Empty::new(
            "person",
            "Nobody yet",
            "People appear here at their first sign-in, or when a directory provisions them.",
        );
    }
    Empty::new(
        "search",
        "Nobody is called that",
        "No e-mail address and no name has this in it.",
    )
    .linked("Show everyone", "/console/people")
}

fn row(person: &Person) -> Row {
    let (state, since) = access_of(person);
    let more = person.groups.len().saturating_sub(GROUPS_SHOWN);
    Row {
        to: format!("/console/people/{}", person.id),
        name: name_of(person),
        email: Said::from(person.email.as_deref().unwrap_or_default()),
        issuer: Said::from(&person.issuer),
        groups: person
            .groups
            .iter()
            .take(GROUPS_SHOWN)
            .map(Said::from)
            .collect(),
        more_groups: if more == 0 {
            String::new()
        } else {
            format!("and {more} more")
        },
        state,
        since,
        seen: When::day(seen(person)),
        stable: Copyable::whole("stable id", &person.stable_id),
        id: Copyable::short("person id", person.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_a_cell_for_each_head() {
        let id = PersonId::from_parts(1_795_185_118_204, 1);
        let at = Timestamp::from_unix_ms(1_795_185_119_000);
        let person = Person {
            id,
            org: domain::OrgId::from_parts(1, 1),
            issuer: "northwind".to_owned(),
            stable_id: "tid/oid".to_owned(),
            email: Some("=ada@example.org".to_owned()),
            name: None,
            groups: ["b", "a"].map(str::to_owned).into(),
            stated: at,
            not_before: at,
            shut_out_at: Some(at),
            left_at: None,
        };
        let sheet = control::text::sheet(&HEADER, [cells(&person)].into_iter());
        let expected = format!(
            "{id},,'=ada@example.org,northwind,tid/oid,a b,shut out,2026-11-20T14:31:59.000Z,2026-11-20T14:31:58.204Z"
        );
        assert_eq!(sheet.lines().nth(1), Some(expected.as_str()));
    }
}
