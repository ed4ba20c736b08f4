//! Codes and tokens at a connector's authorization server: a code becomes tokens, tokens are renewed, and ended. What comes back is a bearer
//! token within bounds or nothing; what the server says of a failure is told by its code alone, never by its words.

use domain::{Timestamp, limits};
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::client::{self, signed};
use super::{Asking, At, Brought, Kept, OauthClient, Pending, Unlinked, Used, bounded, discover};

/// What came of a code, or of renewing.
#[derive(Debug)]
pub struct Tokens {
    /// What is secret, to be kept.
    pub kept: Kept,
    /// What it covers.
    pub scope: String,
    /// How long the access token lives, where that was said.
    pub expires_in_s: Option<u32>,
}

impl Tokens {
    /// When the access token ends, had at this moment.
    pub fn expires(&self, now: Timestamp) -> Option<Timestamp> {
        self.expires_in_s
            .map(|seconds| now.plus_ms(i64::from(seconds) * 1_000))
    }
}

/// RFC 6749, section 5.1.
#[derive(Deserialize)]
struct Given {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    scope: Option<String>,
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct Said {
    error: String,
}

/// As it is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    access: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh: Option<String>,
    resource: String,
    token_endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revocation_endpoint: Option<String>,
    client: Used,
}

impl Kept {
    /// As it is sealed.
    pub fn to_text(&self) -> SecretString {
        let expose = |secret: &SecretString| secret.expose_secret().to_owned();
        let sealed = Sealed {
            access: expose(&self.access),
            refresh: self.refresh.as_ref().map(expose),
            resource: self.resource.clone(),
            token_endpoint: self.token_endpoint.clone(),
            revocation_endpoint: self.revocation_endpoint.clone(),
            client: self.client.clone(),
        };
        let text = serde_json::to_string(&sealed).expect("texts are JSON");
        SecretString::from(text)
    }

    /// As it was sealed.
    pub fn read(text: &SecretString) -> Option<Self> {
        let sealed: Sealed = serde_json::from_str(text.expose_secret()).ok()?;
        Some(Self {
            access: sealed.access.into(),
            refresh: sealed.refresh.map(SecretString::from),
            resource: sealed.resource,
            token_endpoint: sealed.token_endpoint,
            revocation_endpoint: sealed.revocation_endpoint,
            client: sealed.client,
        })
    }
}

impl OauthClient {
    /// The tokens of a code that a person's browser brought back.
    pub async fn finish(
        &self,
        at: At<'_>,
        pending: &Pending,
        brought: Brought<'_>,
    ) -> Result<Tokens, Unlinked> {
        // Whoever mixes up two authorization servers must not get one's code at the other (RFC 9207).
        match brought.issuer {
            Some(issuer) if issuer != pending.issuer => {
                return Err(Unlinked::Unfit(
                    "led back with the word of another authorization server",
                ));
            }
            None if pending.states_issuer => {
                return Err(Unlinked::Unfit(
                    "led back without the word of its authorization server",
                ));
            }
            _ => {}
        }
        let callback = self.callback();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", brought.code),
            ("redirect_uri", &callback),
            ("code_verifier", &pending.verifier),
            ("resource", &pending.resource),
        ];
        let place = (&*pending.token_endpoint, &pending.client);
        let given = self.given(at, place, &fields).await?;
        Ok(tokens(given, &pending.scope, |access, refresh| Kept {
            access,
            refresh,
            resource: pending.resource.clone(),
            token_endpoint: pending.token_endpoint.clone(),
            revocation_endpoint: pending.revocation_endpoint.clone(),
            client: pending.client.clone(),
        }))
    }

    /// New tokens for old ones. [`Unlinked::Refused`] where the person has to connect anew.
    pub async fn renew(&self, at: At<'_>, kept: &Kept, scope: &str) -> Result<Tokens, Unlinked> {
        let refresh = kept.refresh.as_ref();
        let refresh = refresh.ok_or_else(|| Unlinked::Refused("no_refresh_token".to_owned()))?;
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.expose_secret()),
            ("resource", &kept.resource),
        ];
        let place = (&*kept.token_endpoint, &kept.client);
        let given = self.given(at, place, &fields).await?;
        Ok(tokens(given, scope, |access, newer| Kept {
            access,
            // A server that does not rotate says nothing.
            refresh: newer.or_else(|| kept.refresh.clone()),
            ..kept.clone()
        }))
    }

    /// A token of Doorward's own account, for the scope that was declared with it (RFC 6749, section 4.4).
    pub async fn account(&self, at: At<'_>) -> Result<Tokens, Unlinked> {
        let known = self.known.get(at.name);
        let known = known.filter(|known| known.is_account());
        let known = known.ok_or(Unlinked::NoClient)?;
        let origin = known.origin.as_ref().map(Url::origin);
        let address = Url::parse(at.address).ok().map(|address| address.origin());
        if origin.is_none() || origin != address {
            return Err(Unlinked::Unfit(
                "is at another origin than its [[connector_client]] says",
            ));
        }
        let found = discover::server(self, at).await?;
        let client = client::choose(self, at, &found).await?;
        let scope = bounded(&known.scopes.join(" "));
        let fields = [
            ("grant_type", "client_credentials"),
            ("scope", &scope),
            ("resource", &found.resource),
        ];
        let place = found.server.token_endpoint.as_str().to_owned();
        let given = self.given(at, (&place, &client), &fields).await?;
        Ok(tokens(given, &scope, |access, refresh| Kept {
            access,
            refresh,
            resource: found.resource,
            token_endpoint: place,
            revocation_endpoint: None,
            client,
        }))
    }

    /// Ends tokens where they were given; false where that cannot be done there.
    pub async fn end(&self, at: At<'_>, kept: &Kept) -> Result<bool, Unlinked> {
        let Some(place) = kept.revocation_endpoint.as_deref() else {
            return Ok(false);
        };
        let url = Url::parse(place).map_err(|_| Unlinked::Unfit("has an address that is none"))?;
        let refresh = kept.refresh.iter().map(|token| (token, "refresh_token"));
        let access = [(&kept.access, "access_token")];
        for (token, hint) in refresh.chain(access) {
            let fields = [("token", token.expose_secret()), ("token_type_hint", hint)];
            let ask = signed(self, at.name, &kept.client, (&url, &fields));
            let ask = ask.ok_or(Unlinked::ClientRefused)?;
            let answer = self.ask(at, Asking { url: &url, ask }).await?;
            if !answer.status.is_success() {
                return Err(Unlinked::Refused(answer.status.as_str().to_owned()));
            }
        }
        Ok(true)
    }

    async fn given(
        &self,
        at: At<'_>,
        (place, used): (&str, &Used),
        fields: &[(&str, &str)],
    ) -> Result<Given, Unlinked> {
        let url = Url::parse(place).map_err(|_| Unlinked::Unfit("has an address that is none"))?;
        let ask = signed(self, at.name, used, (&url, fields));
        // What was set up and is not any more cannot be asked as.
        let ask = ask.ok_or_else(|| Unlinked::Refused("client_gone".to_owned()))?;
        let answer = self.ask(at, Asking { url: &url, ask }).await?;
        match answer.status {
            StatusCode::OK => usable(&answer.body),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let said = serde_json::from_slice::<Said>(&answer.body);
                let code = said.map_or_else(|_| "unknown".to_owned(), |said| word(&said.error));
                Err(match &*code {
                    "invalid_client" | "unauthorized_client" if used.is_set_up => {
                        Unlinked::ClientRefused
                    }
                    "temporarily_unavailable" | "server_error" | "unknown" => Unlinked::Unfit(
                        "has an authorization server that answers in a way that cannot be read",
                    ),
                    _ => Unlinked::Refused(code),
                })
            }
            _ => Err(Unlinked::Unfit(
                "has an authorization server that does not give tokens at the moment",
            )),
        }
    }
}

/// A code of an error, or that it is none of those that there are.
fn word(error: &str) -> String {
    let is_word = !error.is_empty()
        && error.len() <= 40
        && error
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word { error } else { "unknown" }.to_owned()
}

fn usable(body: &[u8]) -> Result<Given, Unlinked> {
    let unfit = Unlinked::Unfit("has an authorization server that gives no bearer token");
    let Ok(given) = serde_json::from_slice::<Given>(body) else {
        return Err(unfit);
    };
    let fits = |token: &str| {
        !token.is_empty()
            && token.len() <= limits::GRANT_TOKEN_BYTES_MAX
            && token.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let is_bearer = given.token_type.eq_ignore_ascii_case("bearer");
    let is_fit =
        is_bearer && fits(&given.access_token) && given.refresh_token.as_deref().is_none_or(fits);
    if is_fit { Ok(given) } else { Err(unfit) }
}

fn tokens(
    given: Given,
    asked: &str,
    kept: impl FnOnce(SecretString, Option<SecretString>) -> Kept,
) -> Tokens {
    // Some say it as a text.
    let seconds = given.expires_in.as_ref().and_then(|value| match value {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    });
    Tokens {
        scope: bounded(given.scope.as_deref().unwrap_or(asked)),
        expires_in_s: seconds.map(|seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX)),
        kept: kept(
            given.access_token.into(),
            given.refresh_token.map(SecretString::from),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_tokens_within_bounds_are_taken() {
        let long = "x".repeat(limits::GRANT_TOKEN_BYTES_MAX + 1);
        for (body, expected) in [
            (r#"{"access_token":"a","token_type":"Bearer"}"#.to_owned(), true),
            (
                r#"{"access_token":"a","token_type":"bearer","expires_in":"3600","refresh_token":"r","scope":"x"}"#
                    .to_owned(),
                true,
            ),
            (r#"{"access_token":"a","token_type":"DPoP"}"#.to_owned(), false),
            (r#"{"access_token":"a\r\nx: y","token_type":"Bearer"}"#.to_owned(), false),
            (r#"{"access_token":"","token_type":"Bearer"}"#.to_owned(), false),
            (
                r#"{"access_token":"a","token_type":"Bearer","refresh_token":""}"#.to_owned(),
                false,
            ),
            (format!("{{\"access_token\":\"{long}\",\"token_type\":\"Bearer\"}}"), false),
            ("[]".to_owned(), false),
        ] {
            assert_eq!(usable(body.as_bytes()).is_ok(), expected, "{body:.80}");
        }
    }

    #[test]
    fn a_lifetime_is_read_however_it_is_written() {
        for (written, expected) in [
            ("3600", Some(3_600)),
            ("\"3600\"", Some(3_600)),
            ("-1", None),
            ("99999999999", Some(u32::MAX)),
            ("null", None),
            ("\"soon\"", None),
        ] {
            let body = format!(
                "{{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":{written}}}"
            );
            let given = usable(body.as_bytes()).unwrap();
            let tokens = tokens(given, "x y", |access, refresh| Kept {
                access,
                refresh,
                resource: String::new(),
                token_endpoint: String::new(),
                revocation_endpoint: None,
                client: serde_json::from_str(
                    r#"{"id":"a","method":"none","is_set_up":false,"secret":null}"#,
                )
                .unwrap(),
            });
            assert_eq!(tokens.expires_in_s, expected, "{written}");
            assert_eq!(tokens.scope, "x y");
        }
    }

    #[test]
    fn what_a_server_says_of_an_error_is_a_word_or_nothing() {
        for (said, expected) in [
            ("invalid_grant", "invalid_grant"),
            ("<b>", "unknown"),
            ("", "unknown"),
            ("Invalid", "unknown"),
        ] {
            assert_eq!(word(said), expected);
        }
    }
}
