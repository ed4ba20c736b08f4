//! The rings: everyone, and each group that a rule names.

use askama::Template;
use axum::response::Response;
use control::artefacts;

use super::{Tab, tabs};
use crate::pages::answer;
use crate::pages::parts::{self, Icon, icon};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Rules that a row names.
const ENTRIES_SHOWN: usize = 4;

/// A ring as a row.
#[derive(Debug, Clone)]
struct Row {
    to: String,
    name: Said,
    drawing: Icon,
    entries: Vec<Said>,
    more: String,
}

#[derive(Template)]
#[template(path = "clients.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    version: u64,
    groups: String,
}

/// `GET /console/clients`.
pub async fn list(visitor: Visitor) -> Result<Response, Wrong> {
    let found = artefacts::rings(&visitor.operation()).await?;
    let groups = found.rings.len().saturating_sub(1) as u64;
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Clients, "Clients"),
        tabs: tabs("/console/clients"),
        rows: found.rings.iter().map(row).collect(),
        version: found.version,
        groups: show::counted(
            groups,
            "group that the policy names",
            "groups that the policy names",
        ),
    }))
}

fn row(ring: &artefacts::RingSeen) -> Row {
    let more = ring.entries.len().saturating_sub(ENTRIES_SHOWN);
    Row {
        to: super::ring::Which::of(ring.group.as_deref()).address("/console/clients/ring"),
        name: Said::from(ring.group.as_deref().unwrap_or("Everyone")),
        drawing: icon(if ring.group.is_some() {
            "group"
        } else {
            "person"
        }),
        entries: ring
            .entries
            .iter()
            .take(ENTRIES_SHOWN)
            .map(Said::from)
            .collect(),
        more: match (ring.entries.len(), more) {
            (0, _) => "no rule is for everyone".to_owned(),
            (_, 0) => String::new(),
            (_, more) => format!("and {more} more"),
        },
    }
}
