//! Rollout check 1, decided in one place for `doctor` and the demo: a token is validated and yields the person's stable id. The
//! identity stage decides; what it refuses is told in its own words. A token is never printed.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Caller, Fault, OrgId, ReasonCode, Refusal, Timestamp, limits};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use pipeline::identity::{Identity, Opaque};
use secrecy::{ExposeSecret as _, SecretString};
use store::Store;

use super::report::{Line, Whose};
use super::scratch::Scratch;
use crate::config::Config;
use crate::system::{SystemClock, SystemIds, chain};
use crate::wiring;

const CHECK: &str = "rollout check 1, identity";

/// What a token proves.
#[derive(Debug)]
pub struct Proved {
    /// Whom.
    pub caller: Arc<Caller>,
    /// Until when.
    pub expires: Timestamp,
}

impl std::fmt::Display for Proved {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let caller = &self.caller;
        write!(
            out,
            "{} of issuer {}, {} groups, proved by {}",
            caller.stable_id,
            caller.issuer,
            caller.groups.len(),
            caller.credential.as_str()
        )?;
        if self.expires.unix_ms() == i64::MAX {
            return write!(out, " without end");
        }
        write!(out, " until {}", self.expires)
    }
}

/// Whom a bearer stands for, as every request of it would be told.
pub async fn prove(identity: &Identity, token: &SecretString) -> Result<Proved, Refusal> {
    let bearer = format!("Bearer {}", token.expose_secret());
    let mut value = HeaderValue::try_from(bearer)
        .map_err(|_| Refusal::plain(ReasonCode::CredentialMalformed))?;
    value.set_sensitive(true);
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    // The long way of a credential that is new makes a large future.
    let verified = Box::pin(identity.identify(&headers)).await?;
    Ok(Proved {
        caller: Arc::clone(&verified.caller),
        expires: verified.expires,
    })
}

/// Reads a token from a file, or from standard input as `-`; a `Bearer ` in front of it is taken off.
pub(super) fn read(file: &Path) -> anyhow::Result<SecretString> {
    use std::io::Read as _;
    let mut text = String::new();
    let most = u64::try_from(limits::TOKEN_BYTES_MAX).unwrap_or(u64::MAX) + 64;
    let read = if file.as_os_str() == "-" {
        std::io::stdin().take(most).read_to_string(&mut text)
    } else {
        let open = std::fs::File::open(file);
        open.and_then(|file| file.take(most).read_to_string(&mut text))
    };
    read.with_context(|| format!("the token in {} cannot be read", file.display()))?;
    let text = text.trim();
    let token = text.strip_prefix("Bearer ").unwrap_or(text).trim();
    ensure!(!token.is_empty(), "{} holds no token", file.display());
    Ok(SecretString::from(token.to_owned()))
}

/// The check.
pub(super) async fn check(
    token: Option<&SecretString>,
    config: &Config,
    scratch: &Scratch,
    looked: Option<&(Store, OrgId)>,
) -> Line {
    let Some(token) = token else {
        let why = "no token was given; with --token-file FILE, or - for standard input, a person's ID token is validated";
        return Line::skipped(CHECK, why);
    };
    let proved = if is_ours(token, config) {
        match ours(token, config, looked).await {
            Ok(proved) => proved,
            Err(why) => return Line::skipped(CHECK, chain(why.as_ref())),
        }
    } else {
        prove(scratch.identity(), token).await
    };
    let proved = match proved {
        Ok(proved) => proved,
        Err(refusal) => return refused(&refusal),
    };
    match shut_out(&proved, token, looked).await {
        Some(refusal) => refused(&refusal),
        None => Line::pass(CHECK, proved.to_string()),
    }
}

/// Service keys and session tokens, which only the installation's own store and key can tell.
fn is_ours(token: &SecretString, config: &Config) -> bool {
    let text = token.expose_secret();
    text.starts_with(Opaque::ServiceKey.prefix())
        || claims(text).is_some_and(|claims| claims["iss"] == config.server.public_url.as_str())
}

/// A token's claims, unverified.
fn claims(token: &str) -> Option<serde_json::Value> {
    let part = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

async fn ours(
    token: &SecretString,
    config: &Config,
    looked: Option<&(Store, OrgId)>,
) -> anyhow::Result<Result<Proved, Refusal>> {
    let (store, org) = looked.context(
        "this is a session token or service key of Doorward's own, and its store cannot be read",
    )?;
    let identity = wiring::identity_beside(
        config,
        store,
        *org,
        Arc::new(SystemClock),
        Arc::new(SystemIds),
    )
    .await?;
    Ok(prove(&identity, token).await)
}

/// Whether the person's access was taken away, which the second Doorward with its empty store cannot know.
async fn shut_out(
    proved: &Proved,
    token: &SecretString,
    looked: Option<&(Store, OrgId)>,
) -> Option<Refusal> {
    let (store, org) = looked?;
    let caller = &proved.caller;
    let person = store.person_by_stable(*org, &caller.issuer, &caller.stable_id);
    let person = person.await.ok()??;
    if person.out_since().is_some() {
        return Some(Refusal::plain(ReasonCode::PersonRevoked));
    }
    let issued = claims(token.expose_secret())?["iat"].as_i64()?;
    let ended = Timestamp::from_unix_s(issued) <= person.not_before;
    ended.then(|| Refusal::plain(ReasonCode::SessionEnded))
}

fn refused(refusal: &Refusal) -> Line {
    let reason = refusal.first();
    let whose = match reason.code.fault() {
        Fault::Caller => Whose::Caller,
        Fault::Upstream => Whose::Provider,
        Fault::Doorward if reason.code == ReasonCode::IssuerUnreachable => Whose::IdentityProvider,
        Fault::Policy | Fault::Doorward => Whose::Operator,
    };
    let evidence = format!("refused with {}: {}", reason.code, reason.message);
    Line::fail(CHECK, evidence, whose, reason.code.help())
}
