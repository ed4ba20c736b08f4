//! Calls of connectors that wait for somebody's approval. One page for each, which everybody who may know of it sees, with the arguments
//! whole where they asked or may say yes; one's own list; and the inbox of the console. A yes needs a proof of who gives it from a
//! moment ago; what a connector or a client wrote is shown as text, with what cannot be seen made visible.
//!
//! - [`one`]: one call, and deciding
//! - [`change`]: the same call with other arguments
//! - [`lists`]: one's own, and everybody's

pub mod change;
pub mod lists;
pub mod one;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};
use control::approvals::Approval;
use domain::approval::Approver;
use domain::{ApprovalState, ReasonCode};

use super::parts::{Badge, Tone, badge};
use super::show::Said;
use super::wrong::Wrong;
use crate::Console;

/// Where an open page asks how many wait now.
pub(super) const WAITING: &str = "/console/approvals/waiting";

/// Everything under `/approvals` and `/console/approvals`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/approvals", get(lists::inbox))
        .route(WAITING, get(lists::waiting))
        .route("/approvals", get(lists::own))
        .route("/approvals/{id}", get(one::read))
        .route("/approvals/{id}/decide", get(one::back).post(one::decide))
        .route(
            "/approvals/{id}/change",
            get(change::ask).post(change::change),
        )
        .route("/approvals/{id}/{*rest}", any(nothing_here))
}

async fn nothing_here() -> Wrong {
    Wrong::plain(ReasonCode::PathUnknown)
}

/// The page of one.
pub(super) fn path(approval: &Approval) -> String {
    format!("/approvals/{}", approval.id)
}

/// `update_contact in CRM`, by the names that people read.
pub(super) fn what(approval: &Approval) -> Said {
    let action = title(&approval.about.action_title, &approval.binding.action);
    let connector = title(&approval.about.connector_title, &approval.binding.connector);
    Said::from(format!("{action} in {connector}"))
}

/// What people call it, or its name where they call it nothing.
fn title<'t>(title: &'t str, name: &'t str) -> &'t str {
    if title.is_empty() { name } else { title }
}

/// How one stands.
pub(super) fn badge_of(state: ApprovalState) -> Badge {
    match state {
        ApprovalState::Pending => badge(Tone::Ask, "waits"),
        ApprovalState::Approved => badge(Tone::Allow, "approved"),
        ApprovalState::Denied => badge(Tone::Stop, "denied"),
        ApprovalState::Expired => badge(Tone::None, "expired"),
        ApprovalState::Consumed => badge(Tone::Allow, "used"),
    }
}

/// Who may say yes, as a part of a sentence.
pub(super) fn who_decides(approver: &Approver) -> String {
    match approver {
        Approver::Oneself => "whoever asked".to_owned(),
        Approver::Second => "somebody else with the right to approve".to_owned(),
        Approver::Groups(groups) => {
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            format!("somebody else of {}", groups.join(" or "))
        }
    }
}

/// What an action of this class does to things.
fn effect(class: &str) -> (&'static str, Tone) {
    match class {
        "read" => ("It reads, and changes nothing.", Tone::None),
        "write" => (
            "It changes or adds something there. Whether that can be undone is for the connector to say.",
            Tone::Ask,
        ),
        "destructive" => (
            "It deletes, sends, shares, pays or otherwise does what may not be undone.",
            Tone::Stop,
        ),
        _ => (
            "It does whatever its arguments say, which may not be undone: read them closely.",
            Tone::Stop,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_class_says_is_taken_for_what_cannot_be_undone() {
        for class in ["", "generic", "READ", "unknown"] {
            assert_eq!(effect(class).1, Tone::Stop, "{class}");
        }
        assert_eq!(effect("read").1, Tone::None);
    }

    #[test]
    fn who_decides_is_said_by_name() {
        let groups = Approver::Groups(["leads".to_owned(), "owners".to_owned()].into());
        assert_eq!(who_decides(&groups), "somebody else of leads or owners");
    }
}
