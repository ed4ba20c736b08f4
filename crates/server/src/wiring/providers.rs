//! The providers as the console asks after them: how the router of this replica has each, where our credential there comes from, and the
//! question that `doctor` asks, asked for somebody who looks. Names classes and places of credentials, never one itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use control::upstreams::{
    Credential, Found, Health, NotTested, Part, Providers, Standing, Tested, Testing,
};
use domain::price::{Price, PriceBook};
use domain::{Clock, Timestamp, limits};
use gateway::upstream::health::Seen;
use gateway::upstream::{AuthConfig, ProviderKind, UpstreamConfig};
use tokio::sync::Semaphore;

use super::Wired;
use super::console::without_credentials;
use crate::config::SecretSource;
use crate::doctor::report::{Line, Status};
use crate::doctor::upstreams::look;

/// The router's providers, and what the last test of each found.
#[derive(Debug)]
pub(super) struct Upstreams {
    router: Arc<gateway::upstream::Upstreams>,
    prices: Arc<PriceBook>,
    clock: Arc<dyn Clock>,
    secrets: Vec<Option<SecretSource>>,
    started: Timestamp,
    turns: Semaphore,
    /// By name; as many as there are providers.
    tested: Mutex<HashMap<String, Tested>>,
}

impl Upstreams {
    pub(super) fn of(wired: &Wired) -> Self {
        let pipeline = &wired.pipeline;
        Self {
            router: Arc::clone(&wired.upstreams),
            prices: Arc::clone(&pipeline.prices),
            clock: Arc::clone(&pipeline.clock),
            secrets: wired.config.upstream_secrets.clone(),
            started: pipeline.clock.now(),
            turns: Semaphore::new(limits::UPSTREAM_TESTS_AT_ONCE),
            tested: Mutex::default(),
        }
    }

    fn tested(&self, name: &str) -> Option<Tested> {
        let tested = self.tested.lock().unwrap_or_else(PoisonError::into_inner);
        tested.get(name).cloned()
    }

    fn config(&self, name: &str) -> Option<UpstreamConfig> {
        let standing = self.router.standing();
        let found = standing.iter().find(|one| one.config.name == name);
        found.map(|one| one.config.clone())
    }

    async fn try_one(&self, name: &str) -> Result<Tested, NotTested> {
        let _turn = self.turns.try_acquire().map_err(|_| NotTested::Busy)?;
        let config = self.config(name).ok_or(NotTested::Unknown)?;
        let ([reached, credential], answer_ms) = look(&config, self.router.client()).await;
        let tested = Tested {
            at: self.clock.now(),
            by: String::new(),
            answer_ms,
            parts: vec![part("reached", reached), part("credential", credential)],
        };
        let mut kept = self.tested.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(config.name, tested.clone());
        Ok(tested)
    }
}

impl Providers for Upstreams {
    fn standing(&self) -> Vec<Standing> {
        let all = self.router.standing().into_iter().enumerate();
        let standing = all.map(|(place, one)| {
            let secret = self.secrets.get(place).cloned().flatten();
            Standing {
                name: one.config.name.clone(),
                provider: provider(one.config.provider).to_owned(),
                address: without_credentials(one.base),
                region: one.config.region.clone(),
                health: health(one.health),
                since: one.health.since,
                last_answer: one.health.last,
                credential: credential(&one.config.auth, secret, one.token, self.started),
                tested: self.tested(&one.config.name),
            }
        });
        standing.collect()
    }

    fn price(&self, model: &str, at: Timestamp) -> Option<Price> {
        self.prices.price(model, at).cloned()
    }

    fn serving(&self, model: &str) -> Vec<String> {
        let standing = self.router.standing();
        let serving = standing.iter().filter(|one| one.config.serves(model));
        serving.map(|one| one.config.name.clone()).collect()
    }

    fn test<'p>(&'p self, name: &'p str) -> Testing<'p> {
        Box::pin(self.try_one(name))
    }
}

const fn provider(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Anthropic => "anthropic",
        ProviderKind::Foundry => "foundry",
    }
}

const fn health(seen: Seen) -> Health {
    match seen {
        Seen {
            closed_until: Some(_),
            tried_again: true,
            ..
        } => Health::TriedAgain,
        Seen {
            closed_until: Some(until),
            ..
        } => Health::LeftOut(until),
        Seen {
            failures: failures @ 1..,
            ..
        } => Health::Failing(failures),
        Seen { since: None, .. } => Health::Untried,
        _ => Health::Answering,
    }
}

/// What we prove ourselves with, and where it comes from.
fn credential(
    auth: &AuthConfig,
    secret: Option<SecretSource>,
    token: Option<(Timestamp, Timestamp)>,
    started: Timestamp,
) -> Credential {
    let place = secret
        .as_ref()
        .map_or("the configuration", |secret| &*secret.place);
    let (class, from, is_fetched) = match auth {
        AuthConfig::ApiKey(_) => ("API key", place.to_owned(), false),
        AuthConfig::Bearer(_) => ("bearer token", place.to_owned(), false),
        AuthConfig::ManagedIdentity { client_id, .. } => (
            "managed identity",
            match client_id {
                Some(id) => format!("this machine's metadata service, for the identity {id}"),
                None => "this machine's metadata service".to_owned(),
            },
            true,
        ),
        AuthConfig::WorkloadIdentity {
            tenant,
            client_id,
            token_file,
            ..
        } => (
            "workload identity",
            format!(
                "Entra tenant {tenant}, application {client_id}, for the token in {}",
                token_file.display()
            ),
            true,
        ),
        AuthConfig::ClientSecret {
            tenant, client_id, ..
        } => (
            "application secret",
            format!("Entra tenant {tenant}, application {client_id}, for the secret of {place}"),
            true,
        ),
    };
    Credential {
        class,
        from,
        made: secret.and_then(|secret| secret.written),
        had: if is_fetched {
            token.map(|(had, _)| had)
        } else {
            Some(started)
        },
        ends: token.map(|(_, ends)| ends),
    }
}

fn part(what: &'static str, line: Line) -> Part {
    Part {
        what,
        found: match line.status {
            Status::Pass | Status::Warn => Found::Holds,
            Status::Fail => Found::Fails,
            Status::Skipped => Found::Unknown,
        },
        evidence: line.evidence,
        remedy: line
            .whose
            .zip(line.remedy)
            .map(|(whose, remedy)| (whose.words().to_owned(), remedy)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_s(second)
    }

    #[test]
    fn a_credential_is_told_by_class_place_and_age_and_never_shown() {
        let secret = || {
            Some(SecretSource {
                place: "the file /run/key".to_owned(),
                written: Some(at(5)),
            })
        };
        let key = credential(
            &AuthConfig::ApiKey("sk-ant-secret".into()),
            secret(),
            None,
            at(9),
        );
        assert_eq!(
            (key.class, key.from.as_str()),
            ("API key", "the file /run/key")
        );
        assert_eq!(
            (key.made, key.had, key.ends),
            (Some(at(5)), Some(at(9)), None)
        );
        let auth = AuthConfig::ClientSecret {
            tenant: "t".into(),
            client_id: "c".into(),
            client_secret: "shh".into(),
            authority: None,
        };
        let secret = credential(&auth, secret(), Some((at(20), at(80))), at(9));
        assert_eq!((secret.had, secret.ends), (Some(at(20)), Some(at(80))));
        assert!(!format!("{key:?}{secret:?}").contains("secret of sk"));
        assert!(!format!("{key:?}{secret:?}").contains("shh"));
        let auth = AuthConfig::ManagedIdentity {
            client_id: None,
            endpoint: None,
        };
        assert_eq!(
            credential(&auth, None, None, at(9)).had,
            None,
            "nothing was fetched yet"
        );
    }

    #[test]
    fn health_is_told_as_the_router_decides_by_it() {
        let seen = |failures, closed_until, tried_again, since| Seen {
            failures,
            closed_until,
            tried_again,
            since,
            last: None,
        };
        for (seen, expected) in [
            (seen(0, None, false, None), Health::Untried),
            (seen(0, None, false, Some(at(1))), Health::Answering),
            (seen(2, None, false, Some(at(1))), Health::Failing(2)),
            (
                seen(5, Some(at(9)), false, Some(at(1))),
                Health::LeftOut(at(9)),
            ),
            (seen(5, Some(at(9)), true, Some(at(1))), Health::TriedAgain),
        ] {
            assert_eq!(health(seen), expected);
        }
    }
}
