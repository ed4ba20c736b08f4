//! The lists of calls that wait for approval: one's own with what waits for one's own yes, and everybody's for those who may see it.

use askama::Template;
use axum::response::Response;
use control::approvals::{self, Shown};
use domain::{ApprovalId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{badge_of, path, what, who_decides};
use crate::pages::asked::{self, Asked};
use crate::pages::parts::{self, Badge, Empty, Source};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::table::{Filters, Pager, ROWS};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;
use crate::pages::{answer, module};

/// One's own that a page of one's own shows, the newest.
const OWN_SHOWN: u32 = 20;

/// Which to list.
#[derive(Debug, Deserialize)]
pub struct Which {
    state: Option<String>,
    after: Option<String>,
}

/// One as a row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its page.
    pub to: String,
    /// What is called.
    pub what: Said,
    /// Who asks.
    pub who: Said,
    /// Who decides, or who did.
    pub decides: Said,
    /// When it was asked for.
    pub asked: When,
    /// How long ago, and how long it is still good.
    pub age: String,
    /// How it stands.
    pub badge: Badge,
}

#[derive(Template)]
#[template(path = "approvals.html")]
struct Inbox {
    shell: Shell,
    says: String,
    tabs: Vec<(&'static str, String, bool)>,
    rows: Vec<Row>,
    pager: Pager,
    none: Empty,
    source: Source,
}

#[derive(Template)]
#[template(path = "approvals_own.html")]
struct Own {
    shell: Shell,
    to_decide: Vec<Row>,
    asked: Vec<Row>,
    says: String,
}

fn row(shown: &Shown, now: Timestamp) -> Row {
    let approval = &shown.approval;
    let ago = show::length(now.ms_since(approval.asked));
    let left = (!shown.state.is_over()).then(|| show::length(approval.expires.ms_since(now)));
    Row {
        to: path(approval),
        what: what(approval),
        who: Said::from(&approval.label),
        decides: match &approval.decision {
            Some(decision) => Said::from(&decision.label),
            None => Said::from(who_decides(&approval.binding.approver)),
        },
        asked: When::full(approval.asked),
        age: match left {
            Some(left) => format!("{ago} ago, {left} left"),
            None => format!("{ago} ago"),
        },
        badge: badge_of(shown.state),
    }
}

/// `GET /console/approvals`.
pub async fn inbox(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let now = operation.clock.now();
    let is_all = asked::given(which.state.as_ref()) == "all";
    let after: Option<ApprovalId> = asked::after(which.after.as_ref())?;
    let (found, more) = approvals::list(&operation, !is_all, after, ROWS).await?;
    let (waiting, since) = approvals::waiting(&operation).await?;
    let yours = approvals::list_to_decide(&operation).await?.len() as u64;
    let open = Filters::of("/console/approvals");
    let all = open.clone().with("state", "all", "");
    let here = if is_all { &all } else { &open };
    let last = found.last().filter(|_| more);
    let next = last.map(|last| last.approval.id.to_string());
    let shown = show::counted(found.len() as u64, "call", "calls");
    let order = if is_all {
        "newest first"
    } else {
        "oldest first"
    };
    Ok(answer(&Inbox {
        shell: Shell::new(&visitor, Place::Approvals, "Approvals"),
        says: says(
            waiting,
            yours,
            since.map(|since| show::length(now.ms_since(since))),
        ),
        tabs: vec![
            ("To be decided", open.first(), !is_all),
            ("All", all.first(), is_all),
        ],
        rows: found.iter().map(|one| row(one, now)).collect(),
        pager: Pager::new(
            here,
            format!("{shown} shown, {order}"),
            after.is_some(),
            next.as_deref(),
        ),
        none: Empty::new(
            "approval",
            "No call waits for anybody",
            "Where the policy says “ask” of a connector's action, each call of it waits here for a yes, for at most 15 minutes. A yes is for exactly that call, and is used once.",
        ),
        source: Source(vec![
            "as the store has it now".to_owned(),
            "arguments are kept sealed until a day after the end; the rest for 400 days".to_owned(),
        ]),
    }))
}

fn says(waiting: u64, yours: u64, since: Option<String>) -> String {
    let Some(since) = since else {
        return "Nothing waits for a second person.".to_owned();
    };
    let verb = if yours == 1 { "is" } else { "are" };
    format!(
        "{} for a second person, the oldest since {since}; {yours} {verb} yours to decide.",
        show::counted(waiting, "call waits", "calls wait")
    )
}

/// `GET /approvals`.
pub async fn own(visitor: Visitor) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let now = operation.clock.now();
    let to_decide = approvals::list_to_decide(&operation).await?;
    let (own, more) = approvals::list_own(&operation, OWN_SHOWN).await?;
    let count = own.len() as u64;
    Ok(answer(&Own {
        shell: Shell::apart(&visitor, "Approvals"),
        to_decide: to_decide.iter().map(|one| row(one, now)).collect(),
        says: match (count, more) {
            (0, _) => String::new(),
            (some, true) => format!("the newest {some}"),
            (some, false) => show::counted(some, "call", "calls"),
        },
        asked: own.iter().map(|one| row(one, now)).collect(),
    }))
}

/// How many wait now.
#[derive(Serialize)]
struct Waiting {
    waiting: u64,
}

/// `GET /console/approvals/waiting`, asked by a page that stays open; as a module, which is how pages ask.
pub async fn waiting(visitor: Visitor) -> Result<Response, Wrong> {
    let (waiting, _) = approvals::waiting(&visitor.operation()).await?;
    Ok(module(&Waiting { waiting }))
}

/// What waits for somebody's own yes, for their own page.
pub async fn waiting_for(visitor: &Visitor) -> Result<Vec<Row>, Wrong> {
    let operation = visitor.operation();
    let now = operation.clock.now();
    let to_decide = approvals::list_to_decide(&operation).await?;
    Ok(to_decide.iter().map(|one| row(one, now)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_says_of_how_many_and_since_when() {
        assert_eq!(
            says(3, 1, Some("2 min".to_owned())),
            "3 calls wait for a second person, the oldest since 2 min; 1 is yours to decide."
        );
        assert_eq!(says(0, 0, None), "Nothing waits for a second person.");
    }
}
