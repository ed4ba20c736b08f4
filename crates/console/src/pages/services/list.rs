//! The list of services, and the same list as a file.

use askama::Template;
use axum::response::Response;
use control::Right;
use control::service_keys::{self, Glance, Service};
use domain::window::DAY_MS;
use domain::{OWN_ISSUER, ServiceId, Timestamp, limits};
use serde::Deserialize;

use super::SOON_MS;
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::columns::{Column, Columns};
use crate::pages::offers::{Offer, Offers};
use crate::pages::parts::{self, Badge, Copyable, Empty, Source, Tone, badge, tag};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said};
use crate::pages::table::{Carried, Chips, Filters, Pager, ROWS};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// What the table can show.
const COLUMNS: &[Column] = &[
    Column::new("service", "Service").fixed(),
    Column::new("by", "Proves itself with").leaving("mid"),
    Column::new("keys", "Keys"),
    Column::new("used", "Last call").leaving("mid"),
    Column::new("since", "Known since").leaving("wide"),
    Column::new("id", "Our id").extra(),
];

/// How far back the last call is looked for.
const USED_MS: i64 = 30 * DAY_MS;

/// Which to list.
#[derive(Debug, Deserialize)]
pub struct Which {
    q: Option<String>,
    after: Option<String>,
}

/// A service as a row.
#[derive(Debug, Clone)]
struct Row {
    to: String,
    name: Said,
    by: Said,
    keys: Badge,
    used: String,
    since: String,
    id: Copyable,
}

#[derive(Template)]
#[template(path = "services.html")]
struct Page {
    shell: Shell,
    q: String,
    chips: Chips,
    columns: Columns,
    carried: Carried,
    file: String,
    rows: Vec<Row>,
    pager: Pager,
    none: Empty,
    make: Offers,
    source: Source,
}

/// `GET /console/services`.
pub async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let part = asked::sought("The text to look for", which.q.as_ref())?;
    let after: Option<ServiceId> = asked::after(which.after.as_ref())?;
    let (found, more) = service_keys::services(&operation, part, after, ROWS).await?;
    let now = operation.clock.now();
    let glance = service_keys::glance(&operation, &found, now.plus_ms(-USED_MS)).await?;
    let columns = Columns::asked(visitor.address(), COLUMNS, &[]);
    let filters = Filters::of("/console/services").with("q", part, format!("“{part}”"));
    let file = filters.at("/console/services.csv");
    let filters = columns.in_addresses(filters);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let shown = show::counted(found.len() as u64, "service", "services");
    let row = |service: &Service| {
        let glance = glance.get(&service.id).copied().unwrap_or_default();
        row(service, glance, now)
    };
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Services, "Services"),
        q: part.to_owned(),
        chips: filters.chips(),
        columns: columns.with(&filters),
        carried: filters.carried(&["q"]),
        file,
        rows: found.iter().map(row).collect(),
        pager: Pager::new(
            &filters,
            format!("{shown} shown, in the order they were first seen"),
            after.is_some(),
            next.as_deref(),
        ),
        none: none(part),
        make: Offers::of(
            "make",
            vec![
                Offer::new("plus", "Make a key", "/console/services/new-key")
                    .main()
                    .unless(operation.require(Right::ServicesWrite)),
            ],
        ),
        source: Source(vec![
            "as the store has it now".to_owned(),
            "last call from sums of whole hours, looked for in the last 30 days".to_owned(),
        ]),
    }))
}

/// The first row of the file.
const HEADER: [&str; 6] = [
    "id",
    "name",
    "issuer",
    "valid_keys",
    "last_call_hour",
    "first_seen",
];

/// `GET /console/services.csv`: the first of the same list, at most [`limits::STORE_PAGE_MAX`] rows.
pub async fn file(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let part = asked::sought("The text to look for", which.q.as_ref())?;
    let most = limits::STORE_PAGE_MAX;
    let (found, _) = service_keys::services(&operation, part, None, most).await?;
    let since = operation.clock.now().plus_ms(-USED_MS);
    let glance = service_keys::glance(&operation, &found, since).await?;
    let rows = found.iter().map(|service| {
        let glance = glance.get(&service.id).copied().unwrap_or_default();
        let last = glance.last_hour;
        [
            service.id.to_string(),
            service.name.clone(),
            service.issuer.clone(),
            glance.keys.count.to_string(),
            last.map_or_else(String::new, |hour| hour.to_string()),
            service.created.to_string(),
        ]
    });
    Ok(asked::sheet(
        "services",
        control::text::sheet(&HEADER, rows),
    ))
}

fn none(part: &str) -> Empty {
    if part.is_empty() {
        return Empty::new(
            "service",
            "No service yet",
            "A service is a machine that uses Claude: a build, a nightly report. It comes with its first key, or with its first workload token.",
        );
    }
    Empty::new(
        "search",
        "No service is called that",
        "No name has this in it.",
    )
    .linked("Show every service", "/console/services")
}

fn row(service: &Service, glance: Glance, now: Timestamp) -> Row {
    let is_ours = service.issuer == OWN_ISSUER;
    Row {
        to: format!("/console/services/{}", service.id),
        name: Said::from(&service.name),
        by: if is_ours {
            Said::from("keys of ours")
        } else {
            Said::from(format!("tokens of {}", service.issuer))
        },
        keys: keys(is_ours, glance, now),
        used: glance.last_hour.map_or_else(
            || "not in 30 days".to_owned(),
            |hour| format!("{} ago", show::length(now.ms_since(hour))),
        ),
        since: show::day(service.created),
        id: Copyable::short("service id", service.id),
    }
}

fn keys(is_ours: bool, glance: Glance, now: Timestamp) -> Badge {
    match (glance.keys.count, glance.keys.first_end) {
        (0, _) if is_ours => badge(Tone::None, "no valid key"),
        (0, _) => tag("needs no key"),
        (count, Some(end)) if end.ms_since(now) < SOON_MS => {
            let which = if count == 1 {
                "its key"
            } else {
                "one of its keys"
            };
            let left = show::length(end.ms_since(now));
            badge(Tone::Ask, format!("{which} ends in {left}"))
        }
        (count, _) => badge(Tone::Allow, show::counted(count, "valid key", "valid keys")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::service_keys::OpenKeys;

    #[test]
    fn keys_that_open_are_counted_and_the_first_that_ends_soon_is_told() {
        let now = Timestamp::from_unix_ms(0);
        let check = |is_ours, count, days: Option<i64>, expected: &str| {
            let keys_that_open = OpenKeys {
                count,
                first_end: days.map(|days| now.plus_ms(days * DAY_MS)),
            };
            let glance = Glance {
                keys: keys_that_open,
                last_hour: None,
            };
            let shown = keys(is_ours, glance, now).to_string();
            assert!(shown.contains(expected), "{shown}");
        };
        check(true, 0, None, "no valid key");
        check(false, 0, None, "needs no key");
        check(true, 1, None, "1 valid key");
        check(true, 1, Some(3), "its key ends in 3 days");
        check(true, 3, Some(3), "one of its keys ends in 3 days");
        check(true, 3, Some(60), "3 valid keys");
    }
}
