//! The discovery documents.

use http::Response;
use serde_json::{Value, json};

use super::state::{Flavour, State};
use crate::net::{Ask, Body, reply};

pub(super) fn document(state: &State, ask: &Ask) -> Response<Body> {
    let mut document = match &state.flavour {
        Flavour::Plain => plain(state),
        Flavour::Entra { .. } => entra(state, &ask.path),
    };
    if state.promises_issuer() {
        document["authorization_response_iss_parameter_supported"] = json!(true);
    }
    reply::json(200, &document)
}

fn plain(state: &State) -> Value {
    let at = |path: &str| format!("{}{path}", state.origin);
    with_common(json!({
        "issuer": state.issuer(),
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "subject_types_supported": ["public"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "email", "email_verified", "name", "groups"],
    }))
}

/// v1 or v2 by path; `common` and `organizations` keep the template in their issuer, as Microsoft's do.
fn entra(state: &State, path: &str) -> Value {
    let tenant = path.split('/').nth(1).unwrap_or_default();
    let stated = match tenant {
        "common" | "organizations" => "{tenantid}",
        tid => tid,
    };
    let v2 = path.contains("/v2.0/");
    let at = |rest: &str| format!("{}/{tenant}/{rest}", state.origin);
    let (issuer, token, authorize, keys) = if v2 {
        (
            state.issuer_of(stated),
            "oauth2/v2.0/token",
            "oauth2/v2.0/authorize",
            "discovery/v2.0/keys",
        )
    } else {
        (
            state.issuer_v1_of(stated),
            "oauth2/token",
            "oauth2/authorize",
            "discovery/keys",
        )
    };
    with_common(json!({
        "issuer": issuer,
        "authorization_endpoint": at(authorize),
        "token_endpoint": at(token),
        "userinfo_endpoint": format!("{}/oidc/userinfo", state.origin),
        "jwks_uri": at(keys),
        "id_token_signing_alg_values_supported": ["RS256"],
        "subject_types_supported": ["pairwise"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "msgraph_host": "graph.microsoft.com",
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver", "oid"],
    }))
}

fn with_common(mut document: Value) -> Value {
    document["response_types_supported"] = json!(["code"]);
    document["response_modes_supported"] = json!(["query"]);
    document["grant_types_supported"] =
        json!(["authorization_code", "refresh_token", "client_credentials"]);
    document["code_challenge_methods_supported"] = json!(["S256"]);
    document["scopes_supported"] = json!(["openid", "profile", "email", "offline_access"]);
    document["token_endpoint_auth_methods_supported"] = json!([
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none"
    ]);
    document
}
