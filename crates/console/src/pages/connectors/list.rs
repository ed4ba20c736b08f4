//! Every connector of the policy with how it stands, and the connectors that the shipped catalogue knows.

use askama::Template;
use axum::response::Response;
use control::connectors::{self, Summary};
use domain::Timestamp;

use super::{of_connector, path};
use crate::pages::answer;
use crate::pages::parts::{self, Badge, Empty};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Ago, Said};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// A connector as a row.
#[derive(Debug, Clone)]
struct Row {
    to: String,
    title: Said,
    address: Said,
    actions: String,
    waiting: String,
    heard: Option<Ago>,
    badge: Badge,
}

/// A connector that the catalogue knows.
#[derive(Debug, Clone)]
struct Known {
    title: String,
    url: String,
    auth: &'static str,
    note: String,
    source: String,
}

#[derive(Template)]
#[template(path = "connectors.html")]
struct Page {
    shell: Shell,
    rows: Vec<Row>,
    none: Empty,
    known: Vec<Known>,
    as_of: String,
}

/// `GET /console/connectors`.
pub async fn list(visitor: Visitor) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let now = operation.clock.now();
    let found = connectors::list(&operation).await?;
    let catalogue = connectors::catalogue(&operation)?;
    let known = catalogue.entries.iter().map(|entry| Known {
        title: entry.title.clone(),
        url: entry.url().to_owned(),
        auth: auth(&entry.about().auth),
        note: entry.about().note.clone(),
        source: dated(&entry.about().source, &entry.about().as_of),
    });
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Connectors, "Connectors"),
        rows: found.iter().map(|summary| row(summary, now)).collect(),
        none: Empty::new(
            "connector",
            "No connector is in the policy",
            "What is not listed there does not exist for anybody. Name one, and say who may do what there; then its actions wait here for a review.",
        )
        .linked("Change the policy", "/console/policy/edit"),
        known: known.collect(),
        as_of: catalogue.as_of.clone(),
    }))
}

fn row(summary: &Summary, now: Timestamp) -> Row {
    let (connector, counts) = (&summary.connector, summary.counts);
    let command = connector.command.join(" ");
    Row {
        to: path(&connector.name),
        title: Said::from(connector.title()),
        address: Said::from(connector.url.as_deref().unwrap_or(&command)),
        actions: match counts.listed() {
            0 => "none seen".to_owned(),
            listed => format!("{} of {listed} approved", counts.approved),
        },
        waiting: show::count(counts.waiting() as u64),
        heard: summary.listing.map(|listing| Ago::of(listing.at, now)),
        badge: of_connector(summary),
    }
}

/// A source with the day it was read, unless it names that day itself.
fn dated(source: &str, day: &str) -> String {
    if source.contains(day) {
        source.to_owned()
    } else {
        format!("{source}, {day}")
    }
}

fn auth(word: &str) -> &'static str {
    match word {
        "pre_registered" => "Doorward must be registered there first",
        "dynamic_registration" => "Doorward registers itself",
        _ => "OAuth",
    }
}
