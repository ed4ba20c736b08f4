//! Microsoft Graph's `POST /v1.0/users/{id}/getMemberObjects`, for people in more groups than a token holds.

use http::{Method, Response};
use serde_json::{Value, json};

use super::state::State;
use crate::net::{Ask, Body, reply};

const AUDIENCES: [&str; 2] = [
    "https://graph.microsoft.com",
    "00000003-0000-0000-c000-000000000000",
];

pub(super) fn member_objects(state: &State, ask: &Ask) -> Response<Body> {
    let (v1, v2) = (state.issuer_v1(), state.issuer());
    let believed = ask.bearer().is_some_and(|token| {
        state
            .keys
            .verify_for(token, &*state.clock, &[&v1, &v2], &AUDIENCES)
            .is_ok()
    });
    if !believed {
        return fault(
            401,
            "InvalidAuthenticationToken",
            "Access token validation failure.",
        );
    }
    let oid = ask
        .path
        .strip_prefix("/v1.0/users/")
        .and_then(|rest| rest.strip_suffix("/getMemberObjects"));
    let (Some(oid), &Method::POST) = (oid, &ask.method) else {
        return fault(400, "BadRequest", "Resource not found for the segment.");
    };
    let body: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
    if !body["securityEnabledOnly"].is_boolean() {
        return fault(
            400,
            "BadRequest",
            "The parameter securityEnabledOnly is required.",
        );
    }
    match state.person(oid).filter(|person| person.oid == oid) {
        Some(person) => reply::json(
            200,
            &json!({
                "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#Collection(Edm.String)",
                "value": person.groups,
            }),
        ),
        None => fault(404, "Request_ResourceNotFound", "Resource does not exist."),
    }
}

fn fault(status: u16, code: &str, message: &str) -> Response<Body> {
    reply::json(
        status,
        &json!({"error": {"code": code, "message": message}}),
    )
}
