//! The list of requests for access: what waits for an answer, oldest first, or everything.

use askama::Template;
use axum::response::Response;
use control::access_requests::{self, AccessRequest};
use domain::{AccessRequestId, Timestamp};
use serde::Deserialize;

use super::{badge_of, what};
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::parts::{self, Badge, Empty, Source};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::table::{Filters, Pager, ROWS};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Which to list.
#[derive(Debug, Deserialize)]
pub struct Which {
    state: Option<String>,
    after: Option<String>,
}

/// A request as a row.
#[derive(Debug, Clone)]
struct Row {
    to: String,
    who: Said,
    what: Said,
    reason: Said,
    asked: When,
    age: String,
    badge: Badge,
}

#[derive(Template)]
#[template(path = "requests.html")]
struct Page {
    shell: Shell,
    tabs: Vec<(&'static str, String, bool)>,
    rows: Vec<Row>,
    pager: Pager,
    none: Empty,
    source: Source,
}

/// `GET /console/requests`.
pub async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let now = operation.clock.now();
    let is_all = asked::given(which.state.as_ref()) == "all";
    let after: Option<AccessRequestId> = asked::after(which.after.as_ref())?;
    let (found, more) = access_requests::list(&operation, !is_all, after, ROWS).await?;
    let open = Filters::of("/console/requests");
    let all = open.clone().with("state", "all", "");
    let here = if is_all { &all } else { &open };
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let shown = show::counted(found.len() as u64, "request", "requests");
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Requests, "Requests"),
        tabs: vec![
            ("To be answered", open.first(), !is_all),
            ("All", all.first(), is_all),
        ],
        rows: found.iter().map(|request| row(request, now)).collect(),
        pager: Pager::new(
            here,
            format!("{shown} shown, oldest first"),
            after.is_some(),
            next.as_deref(),
        ),
        none: Empty::new(
            "approval",
            "Nobody waits for an answer",
            "People ask on their own page for a model they may not use, a higher budget, to be in a group, for a connector, or for an action of one. What they ask stands here until somebody answers, for at most 30 days.",
        ),
        source: Source(vec![
            "as the store has it now".to_owned(),
            "kept for 400 days".to_owned(),
        ]),
    }))
}

fn row(request: &AccessRequest, now: Timestamp) -> Row {
    Row {
        to: format!("/console/requests/{}", request.id),
        who: Said::from(&request.label),
        what: what(request),
        reason: Said::from(&request.reason),
        asked: When::day(request.asked),
        age: show::length(now.ms_since(request.asked)),
        badge: badge_of(access_requests::standing(request, now)),
    }
}
