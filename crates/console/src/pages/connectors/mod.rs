//! Connectors: what each lists, what of it was approved, what each group may do, and what was found about it. What is decided here is
//! whether a definition may be served at all; who may do what is the policy's, and every change of it goes through the policy's own
//! preview. Only [`ask`] reaches a connector.
//!
//! - [`list`]: every connector with how it stands, and the shipped catalogue
//! - [`one`]: one connector: its matrix by group, its definitions, its reviews
//! - [`ask`]: asking it what it lists, now
//! - [`baseline`]: the plan's states for what it lists, laid over one group
//! - [`matrix`]: changes of several states at once, as a draft of the policy
//! - [`definition`]: one definition, what changed of it, and approving it or leaving it blocked
//! - [`review`]: what somebody found about a connector as a whole

pub mod ask;
pub mod baseline;
pub mod definition;
pub mod list;
pub mod matrix;
pub mod one;
pub mod review;

use std::sync::Arc;

use actions::pin::PinState;
use axum::Router;
use axum::routing::{get, post};
use control::connectors::{Pin, Summary};
use domain::connectors::{ActionClass, ActionState, DefinitionKind};

use super::parts::{Badge, State, Tone, badge, state};
use crate::Console;

/// Everything under `/console/connectors`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/connectors", get(list::list))
        .route("/console/connectors/{name}", get(one::read))
        .route("/console/connectors/{name}/ask", post(ask::ask))
        .route("/console/connectors/{name}/baseline", post(baseline::draft))
        .route("/console/connectors/{name}/draft", post(matrix::draft))
        .route(
            "/console/connectors/{name}/definition",
            get(definition::read),
        )
        .route(
            "/console/connectors/{name}/approve",
            get(definition::ask_approve).post(definition::approve),
        )
        .route(
            "/console/connectors/{name}/keep-blocked",
            get(definition::ask_keep).post(definition::keep),
        )
        .route(
            "/console/connectors/{name}/review",
            get(review::ask).post(review::keep),
        )
}

/// The address of a connector's page.
pub(in crate::pages) fn path(connector: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(connector.as_bytes()).collect();
    format!("/console/connectors/{name}")
}

/// The address of a page about one definition: of a tool where it says nothing of a kind.
pub(super) fn path_of(connector: &str, page: &str, kind: DefinitionKind, name: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let kind = match kind {
        DefinitionKind::Tool => String::new(),
        DefinitionKind::Prompt | DefinitionKind::Instructions => format!("&kind={kind}"),
    };
    format!("{}/{page}?action={name}{kind}", path(connector))
}

/// A state of the policy, as the legend has it.
pub(super) fn of_state(of: ActionState) -> State {
    match of {
        ActionState::Allow => state(Tone::Allow, "Always allow"),
        ActionState::Ask => state(Tone::Ask, "Needs approval"),
        ActionState::Blocked => state(Tone::Stop, "Blocked"),
    }
}

/// How a definition stands.
fn of_pin(pin: &Pin) -> Badge {
    match pin.state {
        PinState::Removed => badge(Tone::None, "no longer listed"),
        _ if pin.is_kept() => badge(Tone::Stop, "left blocked"),
        PinState::New => badge(Tone::Ask, "new"),
        PinState::Changed => badge(Tone::Ask, "changed"),
        PinState::Approved => badge(Tone::Allow, "approved"),
    }
}

/// What a class of action does, as the heading over its rows.
const fn heading(class: ActionClass) -> &'static str {
    match class {
        ActionClass::Read => "Reads",
        ActionClass::Write => "Writes",
        ActionClass::Destructive => "Takes away or sends out",
        ActionClass::Generic => "Does what its arguments say",
    }
}

/// What a definition is of, for people.
const fn of_kind(pin: &Pin) -> &'static str {
    match pin.kind {
        DefinitionKind::Tool => heading(pin.class),
        DefinitionKind::Prompt => "Is a prompt, for people to pick",
        DefinitionKind::Instructions => "Tells Claude how to use the connector",
    }
}

/// How a connector stands at a glance.
fn of_connector(summary: &Summary) -> Badge {
    let waiting = summary.counts.waiting();
    if summary.needs_review() {
        badge(Tone::Ask, "needs a review")
    } else if summary.is_held_back() {
        badge(Tone::Stop, "may not be used")
    } else if summary.listing.is_none() {
        badge(Tone::None, "never asked yet")
    } else if waiting > 0 {
        badge(Tone::Ask, format!("{waiting} to review"))
    } else {
        badge(Tone::Allow, "as reviewed")
    }
}
