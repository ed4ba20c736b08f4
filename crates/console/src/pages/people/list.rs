//! The list of people.

use askama::Template;
use axum::response::Response;
use control::people::{self, Person};
use domain::PersonId;
use serde::Deserialize;

use super::{access_of, name_of};
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::parts::{self, Empty, Source, State};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said};
use crate::pages::table::{Chips, Filters, Pager, ROWS};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Groups of a person that a row names.
const GROUPS_SHOWN: usize = 3;

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
}

#[derive(Template)]
#[template(path = "people.html")]
struct Page {
    shell: Shell,
    says: String,
    q: String,
    chips: Chips,
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
    let (found, more) = people::list(&operation, part, after, ROWS).await?;
    let filters = Filters::of("/console/people").with("q", part, format!("“{part}”"));
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let shown = show::counted(found.len() as u64, "person", "people");
    let says = format!("{shown} shown, in the order they were first seen");
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::People, "People"),
        says: format!(
            "{} known here, of whom {} may come in. Who they are is their issuer's to say; what they may use is the policy's.",
            show::counted(count.all, "person is", "people are"),
            show::count(count.may_come_in)
        ),
        q: part.to_owned(),
        chips: filters.chips(),
        rows: found.iter().map(row).collect(),
        pager: Pager::new(&filters, says, after.is_some(), next.as_deref()),
        none: none(part),
        source: Source(vec![
            "as the store has it now".to_owned(),
            "groups as they hold: what the sign-in said, joined with what the directory says"
                .to_owned(),
        ]),
    }))
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
    }
}
