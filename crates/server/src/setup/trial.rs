//! The trial: a real sign-in at the issuer that was typed, with the very code that people will sign in with, before anything is written.
//! What comes of it is an [`Owner`], or what is wrong, whose it is and what to do.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Clock as _, Fault, ReasonCode, Refusal, Timestamp, limits};
use gateway::signin::oidc::{self, Unexchanged};
use pipeline::identity::{Identity, Issuer};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;
use web::browser;

use super::issuer::Ready;
use super::known;
use super::owner::Owner;
use super::pages::Notice;
use crate::system::{SystemClock, SystemIds, chain};

/// A browser that is on its way.
#[derive(Clone)]
pub struct Trip {
    ticket_hash: String,
    verifier: String,
    nonce: String,
    redirect: String,
    begun: Timestamp,
    identity: Arc<Identity>,
}

impl std::fmt::Debug for Trip {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Trip").finish_non_exhaustive()
    }
}

/// What the identity provider sends back.
#[derive(Debug, Default, Deserialize)]
pub struct Returned {
    code: Option<SecretString>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    iss: Option<String>,
}

/// The way to the issuer, which leads back to this address.
pub async fn set_out(ready: &Ready, redirect: &str) -> Result<(Url, Trip), Notice> {
    let departure = oidc::depart(ready.issuer(), redirect, false, &SystemIds).await;
    let departure = departure.map_err(|refusal| not_believed(&refusal))?;
    let trip = Trip {
        ticket_hash: browser::hash(&departure.ticket),
        verifier: departure.verifier,
        nonce: departure.nonce,
        redirect: redirect.to_owned(),
        begun: SystemClock.now(),
        identity: Arc::clone(&ready.identity),
    };
    Ok((departure.url, trip))
}

/// Whoever came back.
pub async fn arrive(trip: Option<Trip>, returned: Returned) -> Result<Owner, Notice> {
    let trip = trip.filter(|trip| trip.is_of(&returned)).ok_or_else(lost)?;
    let issuer = trip.identity.issuers().first().ok_or_else(lost)?;
    let answered = issuer.check_answer(returned.iss.as_deref()).await;
    answered.map_err(|refusal| not_believed(&refusal))?;
    if let Some(error) = &returned.error {
        let description = returned.error_description.as_deref().unwrap_or_default();
        return Err(said_no("sent the browser back with", error, description));
    }
    let code = returned.code.ok_or_else(|| {
        said_no(
            "sent the browser back with neither a code nor",
            "an error",
            "",
        )
    })?;
    let token = oidc::exchange(issuer, &trip.redirect, &code, &trip.verifier).await;
    let token = token.map_err(|why| not_exchanged(&why))?;
    prove(&trip, issuer, &token).await
}

async fn prove(trip: &Trip, issuer: &Issuer, token: &SecretString) -> Result<Owner, Notice> {
    let text = token.expose_secret();
    let signed_in = trip.identity.sign_in_of(issuer, text, &trip.nonce).await;
    let signed_in = signed_in.map_err(|refusal| not_believed(&refusal))?;
    let caller = signed_in.caller;
    Ok(Owner {
        issuer: caller.issuer.to_string(),
        stable_id: caller.stable_id.to_string(),
        name: caller.name.as_deref().map(str::to_owned),
        email: caller.email.as_deref().map(str::to_owned),
        groups: caller.groups.clone(),
        claims: claim_names(text),
        has_auth_time: signed_in.auth_time.is_some(),
        is_taken: false,
    })
}

impl Trip {
    /// Whether this is what came of it: the state is good once, and for as long as any sign-in.
    pub fn is_of(&self, returned: &Returned) -> bool {
        let stated = browser::hash(returned.state.as_deref().unwrap_or_default());
        let age = SystemClock.now().ms_since(self.begun);
        verify_slices_are_equal(stated.as_bytes(), self.ticket_hash.as_bytes()).is_ok()
            && (0..limits::DEVICE_CODE_MS).contains(&age)
    }
}

/// The names of a token's claims, for the person who set the claims up. Their values are shown where they mean something.
fn claim_names(token: &str) -> Vec<String> {
    let part = token.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    let claims: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&bytes).unwrap_or_default();
    let names = claims.keys().take(limits::SETUP_CHOICES_MAX);
    let shown = names.map(|name| domain::text::shown(name).into_owned());
    let mut names: Vec<String> = shown.collect();
    names.sort_unstable();
    names
}

fn lost() -> Notice {
    Notice::new(
        "This sign-in is not known here.",
        "It was used already, is older than ten minutes, or was begun elsewhere.",
        "Sign in once more.",
    )
}

const THEIRS: &str = "Whose: whoever set the application up at the identity provider.";

fn said_no(how: &str, error: &str, description: &str) -> Notice {
    let bounded = |text: &str, most: usize| {
        let text: String = text.chars().take(most).collect();
        domain::text::shown(&text).into_owned()
    };
    let (error, description) = (
        bounded(error, 60),
        bounded(description, limits::REASON_CHARS_MAX),
    );
    let remedy = known::remedy_of(&error, &description);
    let remedy =
        remedy.unwrap_or("look up its words in the provider's documentation, and try again");
    let colon = if description.is_empty() { "" } else { ": " };
    Notice::new(
        format!("The identity provider {how} {error}{colon}{description}"),
        THEIRS,
        format!("What to do: {remedy}."),
    )
    .about(field_of(&error, &description))
}

/// The field of the form that an error of the identity provider is about, where its words leave no doubt.
fn field_of(error: &str, description: &str) -> Option<&'static str> {
    // Entra says by a number of its own which of the two it does not take.
    let is_unknown = description
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| word == "AADSTS700016");
    match error {
        _ if is_unknown => Some("client_id"),
        "invalid_client" => Some("client_secret"),
        "unauthorized_client" => Some("client_id"),
        "invalid_scope" => Some("scopes"),
        _ => None,
    }
}

fn not_exchanged(why: &Unexchanged) -> Notice {
    match why {
        Unexchanged::Documents(refusal) => not_believed(refusal),
        Unexchanged::Refused {
            error, description, ..
        } => said_no("did not give a token for the code:", error, description),
        Unexchanged::Unreachable(error) => Notice::new(
            format!("The token endpoint could not be asked: {}", error.chain()),
            "Whose: the network between this machine and the identity provider. The browser got there, this machine did not.",
            "What to do: let this machine reach it, by firewall or proxy.",
        ),
        other => Notice::new(
            format!("There is no token: {}.", chain(other)),
            THEIRS,
            "What to do: ask for the scope openid, and let the application use the code flow.",
        ),
    }
}

/// In the words of the identity stage, which will decide about every sign-in in the same way.
fn not_believed(refusal: &Refusal) -> Notice {
    let reason = refusal.first();
    let whose = match (reason.code, reason.code.fault()) {
        (ReasonCode::IssuerUnreachable, _) => "Whose: the identity provider, or the network to it.",
        (_, Fault::Doorward) => "Whose: Doorward or this machine.",
        _ => THEIRS,
    };
    Notice::new(
        format!(
            "The sign-in came back and is not believed: {}",
            reason.message
        ),
        whose,
        format!("What to do: {}", reason.code.help()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_comes_back_is_told_bounded_with_what_to_do() {
        let notice = said_no(
            "answered",
            "access_denied",
            &"AADSTS50105 \u{1b}[2J".repeat(100),
        );
        assert!(
            notice
                .what
                .starts_with("The identity provider answered access_denied: AADSTS50105")
        );
        assert!(!notice.what.contains('\u{1b}') && notice.what.len() < 2_000);
        assert!(notice.remedy.contains("Users and groups"), "{notice:?}");
    }

    #[test]
    fn an_error_is_about_the_field_that_its_words_name() {
        for (error, description, expected) in [
            ("invalid_client", "no match", Some("client_secret")),
            (
                "invalid_client",
                "AADSTS7000215: Invalid",
                Some("client_secret"),
            ),
            (
                "invalid_client",
                "AADSTS700016: not found",
                Some("client_id"),
            ),
            ("invalid_scope", "", Some("scopes")),
            ("access_denied", "", None),
        ] {
            let notice = said_no("answered", error, description);
            assert_eq!(notice.field, expected, "{error} {description}");
        }
    }

    #[test]
    fn a_state_that_nobody_asked_for_is_not_known() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let returned = Returned {
            state: Some("x".to_owned()),
            ..Returned::default()
        };
        let notice = runtime.block_on(arrive(None, returned)).unwrap_err();
        assert_eq!(notice, lost());
    }

    #[test]
    fn only_names_of_claims_are_shown() {
        let body = URL_SAFE_NO_PAD.encode(r#"{"sub":"secret-value","auth_time":1}"#);
        let names = claim_names(&format!("h.{body}.s"));
        assert_eq!(names, ["auth_time", "sub"]);
        assert!(claim_names("nonsense").is_empty());
    }
}
