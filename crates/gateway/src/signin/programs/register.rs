//! `POST /oauth/register` (RFC 7591): a program registers itself. Anybody may, so it is worth nothing by itself: no secret, a name that
//! nobody vouches for, so many an hour and so many in all, and gone in a day when nobody was let in through it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::limits;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde_json::json;
use store::{OauthClient, StoreError};
use web::browser;

use super::name_of;
use super::redirect::Redirect;
use crate::signin::{SignIn, address_of, oauth};

/// What ids of programs that registered themselves begin with.
pub const PREFIX: &str = "dwc_";
/// What a program is called that does not say.
const NAMELESS: &str = "A program without a name";

/// What is read of a registration; the rest is nothing to us, and may be null.
#[derive(Debug, Default, Deserialize)]
struct Registration {
    #[serde(default)]
    redirect_uris: Option<Vec<String>>,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
}

/// Handles the request.
pub async fn register(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let now = state.clock.now();
    if !state.programs.registers.admit(address_of(&request), now) {
        return too_many();
    }
    let read = Limited::new(request.into_body(), limits::SMALL_BODY_BYTES_MAX).collect();
    let time = std::time::Duration::from_millis(limits::BODY_IDLE_MS);
    let body = match tokio::time::timeout(time, read).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => {
            return refuse(
                "invalid_client_metadata",
                "The registration cannot be read.",
            );
        }
    };
    let (name, redirect_uris) = match wanted(&body, &state.public_url) {
        Ok(wanted) => wanted,
        Err((code, text)) => return refuse(code, text),
    };
    let client = OauthClient {
        client_id: format!("{PREFIX}{}", browser::new_secret(&*state.ids)),
        name,
        redirect_uris,
        created: now,
        used_at: None,
    };
    match state.store.insert_oauth_client(state.org, &client).await {
        Ok(()) => registered(&client),
        Err(StoreError::Full(_)) => too_many(),
        Err(error) => {
            tracing::error!(error = %error, "a program cannot be registered");
            oauth::unavailable()
        }
    }
}

type Wanted = (String, Vec<String>);

fn wanted(body: &[u8], ours: &str) -> Result<Wanted, (&'static str, &'static str)> {
    let metadata = |text| ("invalid_client_metadata", text);
    // a list would be read as the members in their order
    let is_object = body.trim_ascii_start().starts_with(b"{");
    let registration = is_object.then(|| serde_json::from_slice::<Registration>(body).ok());
    let registration = registration
        .flatten()
        .ok_or_else(|| metadata("The registration is no JSON object of the right types."))?;
    let lists = |list: &Option<Vec<String>>, wanted: &str| {
        list.as_ref()
            .is_none_or(|list| list.iter().any(|one| one == wanted))
    };
    if !lists(&registration.grant_types, "authorization_code")
        || !lists(&registration.response_types, "code")
    {
        return Err(metadata("Programs are let in by code here."));
    }
    let uris = registration.redirect_uris.unwrap_or_default();
    if uris.is_empty() || uris.len() > limits::OAUTH_REDIRECTS_MAX {
        return Err((
            "invalid_redirect_uri",
            "Name one to ten redirect addresses.",
        ));
    }
    if uris.iter().any(|uri| Redirect::parse(ours, uri).is_err()) {
        let text = "Redirect addresses are https, or http on this computer, without a fragment.";
        return Err(("invalid_redirect_uri", text));
    }
    let name = registration.client_name.as_deref().and_then(name_of);
    Ok((name.unwrap_or_else(|| NAMELESS.to_owned()), uris))
}

fn registered(client: &OauthClient) -> Response {
    let mut response = (
        StatusCode::CREATED,
        Json(json!({
            "client_id": client.client_id,
            "client_id_issued_at": client.created.unix_s(),
            "client_name": client.name,
            "redirect_uris": client.redirect_uris,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        })),
    )
        .into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refuse(code: &str, text: &str) -> Response {
    oauth::error(StatusCode::BAD_REQUEST, code, text)
}

fn too_many() -> Response {
    let text = "Too many programs have registered here lately; try again later.";
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = oauth::error(status, "temporarily_unavailable", text);
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("600"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &serde_json::Value, expected: Result<&str, &str>) {
        let found = wanted(body.to_string().as_bytes(), "https://ai.example");
        let found = found
            .as_ref()
            .map(|(name, _)| &**name)
            .map_err(|(code, _)| *code);
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn a_registration_needs_no_more_than_an_address() {
        let uris = json!(["https://claude.ai/api/mcp/auth_callback"]);
        check(
            &json!({"redirect_uris": uris, "client_name": "Claude"}),
            Ok("Claude"),
        );
        check(&json!({"redirect_uris": uris}), Ok(NAMELESS));
        let nulls = json!({
            "redirect_uris": uris,
            "client_name": null,
            "grant_types": null,
            "response_types": null,
            "scope": null,
            "token_endpoint_auth_method": "client_secret_post",
            "application_type": "web",
        });
        check(&nulls, Ok(NAMELESS));
    }

    #[test]
    fn a_registration_that_leads_answers_elsewhere_is_refused() {
        let address = Err("invalid_redirect_uri");
        for uris in [
            json!([]),
            json!(["http://evil.example/cb"]),
            json!(["https://a.example/cb", "javascript:alert(1)"]),
            json!(["https://ai.example/oauth/callback"]),
            json!(vec!["https://a.example/"; 11]),
        ] {
            check(&json!({"redirect_uris": uris}), address);
        }
        check(&json!({}), address);
        let metadata = Err("invalid_client_metadata");
        check(&json!({"redirect_uris": "https://a.example/"}), metadata);
        check(&json!([]), metadata);
        let uris = json!(["https://a.example/cb"]);
        check(
            &json!({"redirect_uris": uris, "grant_types": ["client_credentials"]}),
            metadata,
        );
        check(
            &json!({"redirect_uris": uris, "response_types": ["token"]}),
            metadata,
        );
    }
}
