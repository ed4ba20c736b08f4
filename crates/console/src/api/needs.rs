//! What an operation with a body needs, asked before the body is read: who may not do it cannot make us wait for one, or keep one, and
//! is told so even when theirs never comes. `control` asks again, and decides; what is missing here, or asks for less, costs memory and
//! lets nobody in. Around every handler, inside the entrance.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use control::{Actor, Right};
use domain::ReasonCode;

use super::BASE;
use crate::{Console, Problem};

/// Every operation with a body: its method, its path, and the rights without any of which it does nothing.
const NEEDS: &[(&str, &str, &[Right])] = &[
    ("POST", "/me/tokens", &[Right::OwnWrite]),
    ("POST", "/me/acceptable-use/accept", &[Right::OwnWrite]),
    ("POST", "/me/access-requests", &[Right::OwnWrite]),
    (
        "POST",
        "/access-requests/{id}/answer",
        &[Right::AccessRequestsWrite],
    ),
    ("POST", "/approvals/{id}/deny", &[Right::ApprovalsWrite]),
    ("POST", "/people/{id}/revoke", &[Right::PeopleWrite]),
    ("POST", "/people/{id}/restore", &[Right::PeopleWrite]),
    ("POST", "/sessions/{id}/end", &[Right::SessionsWrite]),
    ("POST", "/people/{id}/grants/end", &[Right::GrantsWrite]),
    ("POST", "/service-keys", &[Right::ServicesWrite]),
    ("POST", "/service-keys/{id}/revoke", &[Right::ServicesWrite]),
    ("POST", "/roles", &[Right::RolesWrite]),
    ("POST", "/roles/{id}/revoke", &[Right::RolesWrite]),
    ("POST", "/tokens/{id}/revoke", &[Right::TokensWrite]),
    ("POST", "/directory-tokens", &[Right::DirectoryWrite]),
    (
        "POST",
        "/directory-tokens/{id}/rotate",
        &[Right::DirectoryWrite],
    ),
    (
        "POST",
        "/directory-tokens/{id}/revoke",
        &[Right::DirectoryWrite],
    ),
    ("PUT", "/policy", &[Right::PolicyWrite]),
    ("POST", "/policy/plan", &[Right::PolicyRead]),
    ("POST", "/policy/try", &[Right::PolicyRead]),
    (
        "POST",
        "/evidence/rollout-identity",
        &[Right::EvidenceWrite, Right::LedgerRead],
    ),
    ("POST", "/artefacts/lint", &[Right::PolicyRead]),
    ("POST", "/spend-limits", &[Right::BudgetsWrite]),
    ("PUT", "/spend-limits/{id}", &[Right::BudgetsWrite]),
    ("PUT", "/acceptable-use/draft", &[Right::AcceptableUseWrite]),
    (
        "POST",
        "/acceptable-use/preview",
        &[Right::AcceptableUseRead],
    ),
    (
        "POST",
        "/acceptable-use/publish",
        &[Right::AcceptableUseWrite],
    ),
    (
        "POST",
        "/connectors/{name}/decisions",
        &[Right::PolicyWrite],
    ),
    ("POST", "/connectors/{name}/classes", &[Right::PolicyWrite]),
    ("POST", "/connectors/{name}/reviews", &[Right::PolicyWrite]),
    ("POST", "/tasks/leavers", &[Right::TasksWrite]),
    ("POST", "/tasks/joiners", &[Right::TasksWrite]),
    ("POST", "/tasks/{id}/done", &[Right::TasksWrite]),
    ("POST", "/tasks/{id}/dismiss", &[Right::TasksWrite]),
    (
        "POST",
        "/members/checks",
        &[Right::TasksWrite, Right::PeopleRead],
    ),
];

/// Goes on only with what the operation needs.
pub async fn check(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    match require(&console, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn require(console: &Console, request: &Request) -> Result<(), Problem> {
    let Some(needed) = needed(request) else {
        return Ok(());
    };
    let actor = request.extensions().get::<Arc<Actor>>();
    let actor = actor.ok_or_else(|| Problem::plain(ReasonCode::CredentialMissing))?;
    let operation = console.control.operation(actor);
    for right in needed {
        operation.require(*right)?;
    }
    Ok(())
}

fn needed(request: &Request) -> Option<&'static [Right]> {
    let path = request.extensions().get::<MatchedPath>()?.as_str();
    let path = path.strip_prefix(BASE)?;
    let method = request.method().as_str();
    let found = NEEDS
        .iter()
        .find(|(of, at, _)| *of == method && *at == path);
    found.map(|(_, _, rights)| *rights)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_with_a_body_says_what_it_needs_and_nothing_else_does() {
        let document = serde_json::to_value(super::super::document()).unwrap();
        let mut described = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                if operation.get("requestBody").is_some() {
                    let path = path.strip_prefix(BASE).unwrap().to_owned();
                    described.insert((method.to_uppercase(), path));
                }
            }
        }
        let listed = NEEDS
            .iter()
            .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()));
        assert_eq!(listed.collect::<BTreeSet<_>>(), described);
    }
}
