//! Who has accepted the version in force and who has not, of those of whom it is asked. By name, so for whoever may see people.

use askama::Template;
use axum::response::Response;
use control::acceptable_use::{self as policy, Standing};
use control::{ControlError, text};
use domain::{PersonId, limits};
use serde::Deserialize;

use super::parts;
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::parts::{Empty, State, Tone, state};
use crate::pages::people::name_of;
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said};
use crate::pages::table::{Filters, Pager, ROWS};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Rows of the file; of more the API tells.
const FILE_ROWS_MAX: usize = 10_000;

/// Whom to list.
#[derive(Debug, Deserialize)]
pub struct Whom {
    accepted: Option<String>,
    after: Option<String>,
}

impl Whom {
    fn counts(&self) -> Option<bool> {
        match asked::given(self.accepted.as_ref()) {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        }
    }
}

/// Somebody, as a row.
#[derive(Debug, Clone)]
struct Row {
    to: String,
    name: Said,
    email: Said,
    state: State,
    says: String,
}

#[derive(Template)]
#[template(path = "acceptable_use_people.html")]
struct Page {
    shell: Shell,
    tabs: Vec<(&'static str, String, bool)>,
    rows: Vec<Row>,
    pager: Pager,
    file: String,
    none: Empty,
}

/// `GET /console/acceptable-use/people`.
pub async fn list(visitor: Visitor, Asked(whom): Asked<Whom>) -> Result<Response, Wrong> {
    let after: Option<PersonId> = asked::after(whom.after.as_ref())?;
    let counts = whom.counts();
    let found = policy::of_people(&visitor.operation(), counts, after, ROWS).await;
    let (found, next) = found.map_err(unpublished)?;
    let of = |counts: Option<bool>| {
        let word = match counts {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        Filters::of("/console/acceptable-use/people").with("accepted", word, "")
    };
    let here = of(counts);
    let says = format!(
        "{} shown",
        show::counted(found.len() as u64, "person", "people")
    );
    let next = next.map(|next| next.to_string());
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::AcceptableUse, "Who has accepted")
            .within("Who has accepted"),
        tabs: vec![
            ("Have not", of(Some(false)).first(), counts == Some(false)),
            (
                "Have accepted",
                of(Some(true)).first(),
                counts == Some(true),
            ),
            ("Everybody", of(None).first(), counts.is_none()),
        ],
        rows: found.iter().map(row).collect(),
        pager: Pager::new(&here, says, after.is_some(), next.as_deref()),
        file: here.at("/console/acceptable-use/people.csv"),
        none: Empty::new(
            "person",
            "Nobody is here",
            "Of everybody of whom it is asked nobody is in this list.",
        ),
    }))
}

fn unpublished(error: ControlError) -> Wrong {
    match error {
        ControlError::NothingPublished => Wrong::nothing_here(),
        other => other.into(),
    }
}

fn row(standing: &Standing) -> Row {
    let accepted = standing.accepted.as_ref();
    Row {
        to: format!("/console/people/{}", standing.person.id),
        name: name_of(&standing.person),
        email: Said::from(standing.person.email.as_deref().unwrap_or_default()),
        state: match (standing.counts, accepted) {
            (true, _) => state(Tone::Allow, "Accepted"),
            (false, Some(_)) => state(Tone::Ask, "An older version"),
            (false, None) => state(Tone::Ask, "Not yet"),
        },
        says: accepted.map_or_else(String::new, |accepted| {
            format!("version {} on {}", accepted.version, show::day(accepted.at))
        }),
    }
}

/// `GET /console/acceptable-use/people.csv`: the same list whole, as far as a file goes.
pub async fn file(visitor: Visitor, Asked(whom): Asked<Whom>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = policy::of_people(&operation, whom.counts(), after, limits::STORE_PAGE_MAX);
        let (found, next) = page.await.map_err(unpublished)?;
        rows.extend(found);
        after = next;
        if after.is_none() || rows.len() >= FILE_ROWS_MAX {
            break;
        }
    }
    let rows = rows.iter().take(FILE_ROWS_MAX).map(|standing| {
        let accepted = standing.accepted.as_ref();
        [
            standing.person.email.clone().unwrap_or_default(),
            standing.person.name.clone().unwrap_or_default(),
            if standing.counts { "yes" } else { "no" }.to_owned(),
            accepted.map_or_else(String::new, |accepted| accepted.version.to_string()),
            accepted.map_or_else(String::new, |accepted| accepted.at.to_string()),
        ]
    });
    let sheet = text::sheet(&["email", "name", "accepted", "version", "at"], rows);
    Ok(asked::sheet("acceptances", sheet))
}
