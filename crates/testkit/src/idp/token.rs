//! The token endpoint: codes, refresh tokens (rotated at each use) and client credentials.

use aws_lc_rs::digest::{SHA256, digest};
use http::{Method, Response};
use serde_json::{Value, json};

use super::app::named_client;
use super::person::stable_guid;
use super::state::{Grant, State};
use crate::limits::{CODE_MS, TOKEN_S};
use crate::net::ask::Fields;
use crate::net::{Ask, Body, reply};
use crate::token::b64;

/// What an Entra application may ask for on its own behalf. Entra knows many more resources; Doorward needs these.
const RESOURCES: [&str; 3] = [
    "https://graph.microsoft.com",
    "https://ai.azure.com",
    "https://cognitiveservices.azure.com",
];

struct Refused(u16, &'static str, &'static str);

type Answered = Result<Value, Refused>;

pub(super) fn answer(state: &State, ask: &Ask) -> Response<Body> {
    let answered = if ask.method == Method::POST {
        exchange(state, ask)
    } else {
        Err(Refused(405, "invalid_request", "POST a form"))
    };
    let answer = match answered {
        Ok(tokens) => reply::json(200, &tokens),
        Err(Refused(status, error, why)) => {
            reply::json(status, &json!({"error": error, "error_description": why}))
        }
    };
    reply::with(answer, "cache-control", "no-store")
}

fn exchange(state: &State, ask: &Ask) -> Answered {
    let form = ask.form();
    let named = named_client(ask, &form).unwrap_or_default();
    let app = state.app(&named).ok_or(Refused(
        401,
        "invalid_client",
        "AADSTS700016: no application has this client id",
    ))?;
    let endpoint = format!("{}{}", state.origin, ask.path);
    if !app.is_proven_by(ask, &form, &endpoint, &*state.clock) {
        return Err(Refused(
            401,
            "invalid_client",
            "AADSTS7000215: the client secret or assertion is wrong",
        ));
    }
    let v1 = state.is_entra() && !ask.path.contains("/v2.0/");
    match form.text("grant_type") {
        "authorization_code" => tokens(state, redeemed_code(state, &form, &named)?, v1),
        "refresh_token" => {
            let grant = state
                .take_refresh(form.text("refresh_token"))
                .filter(|grant| grant.client_id == named)
                .ok_or(Refused(
                    400,
                    "invalid_grant",
                    "AADSTS700082: the refresh token is not good",
                ))?;
            tokens(
                state,
                Grant {
                    nonce: None,
                    ..grant
                },
                v1,
            )
        }
        "client_credentials" => own_token(state, &form, &named),
        _ => Err(Refused(
            400,
            "unsupported_grant_type",
            "code, refresh token or client credentials",
        )),
    }
}

fn redeemed_code(state: &State, form: &Fields, client_id: &str) -> Result<Grant, Refused> {
    let bad = |why| Refused(400, "invalid_grant", why);
    let grant = state
        .take_code(form.text("code"))
        .ok_or(bad("the code is unknown or used"))?;
    if grant.client_id != client_id {
        return Err(bad("the code was given to another application"));
    }
    if grant.redirect_uri != form.text("redirect_uri") {
        return Err(bad(
            "the redirect address is not the one the code was sent to",
        ));
    }
    if state.clock.now().ms_since(grant.issued) > CODE_MS {
        return Err(bad("the code is too old"));
    }
    let verifier = form.text("code_verifier");
    let long_enough = (43..=128).contains(&verifier.len());
    let challenge = b64(digest(&SHA256, verifier.as_bytes()));
    if !long_enough || grant.challenge.as_deref() != Some(&*challenge) {
        return Err(bad("the PKCE verifier does not fit the challenge"));
    }
    Ok(grant)
}

fn tokens(state: &State, grant: Grant, v1: bool) -> Answered {
    let person = state
        .person(&grant.login)
        .filter(|person| !person.disabled)
        .ok_or(Refused(
            400,
            "invalid_grant",
            "AADSTS50057: the account is disabled",
        ))?;
    let audience = audience(state, &grant);
    let mut id = state.id_claims(&person, &grant.client_id, grant.nonce.as_deref());
    let mut access = state.access_claims(&person, &grant.client_id, &audience, &grant.scope);
    if state.habits().hides_auth_time {
        if let Some(claims) = id.as_object_mut() {
            claims.remove("auth_time");
        }
    } else if !person.extra.contains_key("auth_time") {
        id["auth_time"] = json!(grant.auth_time.unix_s());
    }
    if v1 {
        id = state.as_v1(&person, id);
        access = state.as_v1(&person, access);
    }
    let key = state.signing_key();
    let mut body = json!({
        "token_type": "Bearer", "expires_in": TOKEN_S, "scope": grant.scope,
        "id_token": key.sign(&id), "access_token": key.sign(&access),
    });
    if grant.scope.split(' ').any(|one| one == "offline_access") {
        body["refresh_token"] = json!(state.keep_refresh(grant));
    }
    Ok(body)
}

/// Whom the access token is for: the `resource`, the API an `api://…/scope` names, or our own userinfo.
fn audience(state: &State, grant: &Grant) -> String {
    if let Some(resource) = &grant.resource {
        return resource.clone();
    }
    let api = grant
        .scope
        .split(' ')
        .find_map(|one| one.strip_prefix("api://")?.rsplit_once('/'));
    match api {
        Some((id, _)) if state.is_entra() => id.to_owned(),
        Some((id, _)) => format!("api://{id}"),
        None => format!("{}/userinfo", state.origin),
    }
}

/// A token an application gets for itself.
fn own_token(state: &State, form: &Fields, client_id: &str) -> Answered {
    let scope = form.text("scope");
    if !state.is_entra() {
        let audience = form.find("resource").unwrap_or(scope);
        return Ok(granted(state, &state.own_claims(client_id, audience)));
    }
    let resource = scope
        .strip_suffix("/.default")
        .filter(|resource| RESOURCES.contains(resource))
        .ok_or(Refused(
            400,
            "invalid_scope",
            "AADSTS70011: the scope is not <resource>/.default of a known resource",
        ))?;
    Ok(granted(state, &state.own_claims(client_id, resource)))
}

fn granted(state: &State, claims: &Value) -> Value {
    json!({"token_type": "Bearer", "expires_in": TOKEN_S, "ext_expires_in": TOKEN_S,
           "access_token": state.signing_key().sign(claims)})
}

impl State {
    /// The claims of an application's or managed identity's own token. Microsoft's own resources still take v1 tokens.
    pub(crate) fn own_claims(&self, client_id: &str, audience: &str) -> Value {
        let now = self.clock.now().unix_s();
        let oid = stable_guid(&format!("service-principal/{client_id}"));
        let times = json!({"aud": audience, "iat": now, "nbf": now, "exp": now + TOKEN_S});
        let mut claims = times;
        if self.is_entra() {
            claims["iss"] = json!(self.issuer_v1());
            claims["appid"] = json!(client_id);
            claims["idtyp"] = json!("app");
            claims["oid"] = json!(oid);
            claims["sub"] = json!(oid);
            claims["tid"] = json!(self.tid());
            claims["ver"] = json!("1.0");
        } else {
            claims["iss"] = json!(self.issuer());
            claims["sub"] = json!(client_id);
            claims["client_id"] = json!(client_id);
        }
        claims
    }
}
