//! The decision on one request: a permit, or every reason against it. Grants add up, a denial beats every grant, demands all
//! hold, regions are what every region list has in common.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::compile::CallerPolicy;
use crate::{Caller, Client, Reason, ReasonCode, Refusal};

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The model, for requests that name one.
    pub model: Option<&'a str>,
    /// The program it comes from.
    pub client: Client,
    /// The client's own address; none when it could not be told.
    pub address: Option<IpAddr>,
}

/// Leave to go on, with what later stages must keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// The policy version that said so.
    pub policy_version: u64,
    /// The grants that said so, by name.
    pub granted_by: Vec<String>,
    /// Regions the request must stay in; none means any.
    pub regions: Option<BTreeSet<String>>,
}

impl CallerPolicy {
    /// Decides one request.
    pub fn decide(&self, caller: &Caller, ask: &Ask<'_>) -> Result<Permit, Refusal> {
        let mut reasons = Vec::new();
        let granted_by = self.granted_by(ask.model, &mut reasons);
        for require in &self.requires {
            unmet(require, caller, ask, &mut reasons);
        }
        match Refusal::from_reasons(reasons) {
            Some(refusal) => Err(refusal),
            None => Ok(Permit {
                policy_version: self.version,
                granted_by,
                regions: self.regions(),
            }),
        }
    }

    /// Whether a model would be granted, whatever else is demanded: what model lists show.
    pub fn grants_model(&self, model: &str) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.models.iter().any(|pattern| pattern.matches(model)))
            && !self.grants.iter().any(|grant| {
                grant
                    .deny_models
                    .iter()
                    .any(|pattern| pattern.matches(model))
            })
    }

    fn granted_by(&self, model: Option<&str>, reasons: &mut Vec<Reason>) -> Vec<String> {
        if self.grants.iter().all(|grant| grant.models.is_empty()) {
            reasons.push(Reason::plain(ReasonCode::NotGranted));
            return Vec::new();
        }
        let Some(model) = model else {
            return Vec::new();
        };
        let mut granted_by = Vec::new();
        for grant in &self.grants {
            if grant
                .deny_models
                .iter()
                .any(|pattern| pattern.matches(model))
            {
                let text = format!(
                    "The model {model} is not allowed for you: \"{}\" denies it.",
                    grant.name
                );
                reasons.push(Reason::new(ReasonCode::ModelNotAllowed, text).by(&grant.name));
            } else if grant.models.iter().any(|pattern| pattern.matches(model)) {
                granted_by.push(grant.name.clone());
            }
        }
        if granted_by.is_empty() && reasons.is_empty() {
            let text = format!("The model {model} is not allowed for you.");
            reasons.push(Reason::new(ReasonCode::ModelNotAllowed, text));
        }
        granted_by
    }

    /// The regions that every region list has in common; none where nothing keeps data anywhere.
    pub fn regions(&self) -> Option<BTreeSet<String>> {
        self.grants
            .iter()
            .filter(|grant| !grant.regions.is_empty())
            .map(|grant| grant.regions.clone())
            .reduce(|all, next| all.intersection(&next).cloned().collect())
    }
}

pub(super) fn unmet(
    require: &super::Require,
    caller: &Caller,
    ask: &Ask<'_>,
    reasons: &mut Vec<Reason>,
) {
    let kind = ask.client.kind;
    let mut say =
        |code: ReasonCode, text: String| reasons.push(Reason::new(code, text).by(&require.name));
    if !require.clients.is_empty() && !require.clients.contains(&kind) {
        say(
            ReasonCode::ClientNotAllowed,
            format!("The program {} is not allowed.", kind.as_str()),
        );
    }
    if let Some(oldest) = require.min_version.get(&kind) {
        match ask.client.version {
            Some(version) if version >= *oldest => {}
            Some(version) => say(
                ReasonCode::ClientTooOld,
                format!(
                    "{} {version} is older than {oldest}, the oldest your company allows.",
                    kind.as_str()
                ),
            ),
            None => say(
                ReasonCode::ClientTooOld,
                format!(
                    "{} does not state its version; your company asks for {oldest} or newer.",
                    kind.as_str()
                ),
            ),
        }
    }
    if !require.networks.is_empty() {
        let inside = ask
            .address
            .is_some_and(|address| require.networks.iter().any(|net| net.contains(&address)));
        if !inside {
            say(
                ReasonCode::NetworkNotAllowed,
                ReasonCode::NetworkNotAllowed.what().to_owned(),
            );
        }
    }
    if !require.issuers.is_empty() && !require.issuers.contains(&*caller.issuer) {
        let text = format!(
            "A sign-in through \"{}\" is not accepted here.",
            caller.issuer
        );
        say(ReasonCode::IssuerNotAllowed, text);
    }
}
