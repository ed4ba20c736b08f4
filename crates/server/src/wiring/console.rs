//! The console on the wired parts: what it needs of the pipeline, which it may not see itself, and the configuration without its
//! secrets.

use std::sync::Arc;

use console::{
    Accepting, Authenticate, Consent, Console, Identifying, Proved, Rules, Standing, Yes,
};
use control::installation::{Installation, IssuerFact, ModelFact, UpstreamFact};
use control::people::Person;
use control::policies::Examine;
use control::rollout::{Departed, Departures, Examining};
use domain::acceptable_use::Way;
use domain::{Caller, Credential, Policy, Refusal, Subject, Usd, limits};
use gateway::inference::ClientAddress;
use gateway::inference::catalogue::{Catalogue, Model};
use gateway::upstream::ProviderKind;
use http::{Extensions, HeaderMap};
use pipeline::identity::{self, Identity, IssuerKind};
use pipeline::{AcceptableUse, Accepted, Pipeline};
use tokio::sync::Semaphore;

use super::Wired;
use super::asking::Asks;
use super::machine;
use super::providers::Upstreams;
use super::sensing::Senses;
use crate::config::Config;
use crate::doctor;
use crate::doctor::report::{Line, Status};
use crate::policy_command::Here;

/// The identity stage as the console's gate.
#[derive(Debug)]
struct Gate(Arc<Identity>);

impl Authenticate for Gate {
    fn credential<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, Refusal> {
        identity::bearer_of(headers)
    }

    fn identify<'h>(&'h self, headers: &'h HeaderMap) -> Identifying<'h> {
        Box::pin(async move {
            let verified = self.0.identify(headers).await?;
            Ok(Proved {
                caller: Arc::clone(&verified.caller),
                made: verified.live.issued(),
            })
        })
    }
}

/// The stage that asks for acceptance, as who takes it from the console.
#[derive(Debug)]
struct Acceptances(Arc<AcceptableUse>);

impl Consent for Acceptances {
    fn accept<'c>(&'c self, yes: Yes, extensions: &'c Extensions) -> Accepting<'c> {
        Box::pin(async move {
            let address = extensions.get::<ClientAddress>();
            let accepted = self.0.accept(pipeline::Yes {
                person: yes.person,
                version: yes.version,
                way: Way::Api,
                label: &yes.label,
                address: address.and_then(|address| address.0),
            });
            Ok(accepted.await? == Accepted::Kept)
        })
    }
}

/// What leaves for the providers, as `doctor` looks at it.
#[derive(Debug)]
struct Leaving {
    config: Arc<Config>,
    turns: Semaphore,
}

impl Departures for Leaving {
    fn examine(&self) -> Examining<'_> {
        Box::pin(async move {
            let _turn = self.turns.try_acquire().ok()?;
            let lines = doctor::leaving(&self.config).await;
            Some(lines.into_iter().map(departed).collect())
        })
    }
}

fn departed(line: Line) -> Departed {
    Departed {
        passed: line.status == Status::Pass,
        check: line.check,
        evidence: line.evidence,
        remedy: line.remedy,
    }
}

/// The stages, as far as the console asks them.
#[derive(Debug)]
struct Stages {
    pipeline: Arc<Pipeline>,
    here: Here,
}

impl Examine for Stages {
    fn mistakes(&self, policy: &Policy) -> Vec<String> {
        self.here.mistakes(policy)
    }
}

impl Rules for Stages {
    fn issuers_for_people(&self) -> usize {
        self.here.issuers_for_people
    }

    fn standing(&self, person: &Person) -> Vec<Standing> {
        let caller = caller_of(person);
        let policy = self.pipeline.rules.current().for_caller(&caller);
        let now = self.pipeline.clock.now();
        let standing = self.pipeline.quota.standing(caller.subject, &policy, now);
        let shown = standing.iter().map(|budget| Standing {
            period: budget.period.as_str(),
            resets_at: budget.resets_at.to_string(),
            cap_cents: budget.cap.map(Usd::cents_text),
            spent_cents: budget.spent.cents_text(),
        });
        shown.collect()
    }
}

/// The person as their next call would be decided: `control::people` gives the groups that hold.
fn caller_of(person: &Person) -> Caller {
    Caller {
        org: person.org,
        subject: Subject::Person(person.id),
        stable_id: person.stable_id.as_str().into(),
        issuer: person.issuer.as_str().into(),
        email: person.email.as_deref().map(Into::into),
        name: person.name.as_deref().map(Into::into),
        groups: person.groups.clone(),
        session: None,
        credential: Credential::Session,
    }
}

/// The context that clients call long.
const LONG_CONTEXT_TOKENS: u64 = 1_000_000;

/// The configuration, as far as administrators may see it. Every field is named, so that a new one is shown only by decision.
pub(crate) fn installation(config: &Config) -> Installation {
    let issuer = |issuer: &identity::IssuerConfig| IssuerFact {
        name: issuer.name.clone(),
        issuer: issuer.issuer.clone(),
        kind: match issuer.kind {
            IssuerKind::Generic => "generic",
            IssuerKind::Entra => "entra",
        }
        .to_owned(),
        people: issuer.vouches_for_people(),
        audiences: issuer.audiences.iter().cloned().collect(),
        client_id: issuer.client_id.clone(),
    };
    let upstream = |upstream: &gateway::upstream::UpstreamConfig| UpstreamFact {
        name: upstream.name.clone(),
        provider: match upstream.provider {
            ProviderKind::Anthropic => "anthropic",
            ProviderKind::Foundry => "foundry",
        }
        .to_owned(),
        base_url: upstream.base_url.as_deref().map(without_credentials),
        region: upstream.region.clone(),
        models: upstream
            .models
            .iter()
            .map(|model| model.0.clone())
            .collect(),
    };
    let server = &config.server;
    Installation {
        org_name: server.org.clone(),
        public_url: server.public_url.clone(),
        base_paths: server.base_paths.clone(),
        login_notice: server.login_notice.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        issuers: config.issuers.iter().map(issuer).collect(),
        upstreams: config.upstreams.iter().map(upstream).collect(),
        models: models(config),
        recorded: config.as_recorded(),
    }
}

/// Every model by name, as clients are offered them.
fn models(config: &Config) -> Vec<ModelFact> {
    let catalogue = Catalogue::new(config.models.clone());
    let model = |model: &Model| ModelFact {
        id: model.id.to_string(),
        display_name: model.display_name.clone(),
        is_long: model.max_input_tokens >= LONG_CONTEXT_TOKENS,
        is_served: config
            .upstreams
            .iter()
            .any(|upstream| upstream.serves(model.id.as_str())),
    };
    catalogue.models().iter().map(model).collect()
}

/// An address may carry a name and password, or a key in its query.
pub(super) fn without_credentials(address: &str) -> String {
    let Ok(mut address) = url::Url::parse(address) else {
        return String::new();
    };
    // an address that takes neither has neither
    let _ = address.set_username("");
    let _ = address.set_password(None);
    address.set_query(None);
    address.set_fragment(None);
    address.to_string()
}

impl Wired {
    /// The second check of a rollout.
    pub(crate) fn departures(&self) -> Arc<dyn Departures> {
        Arc::new(Leaving {
            config: Arc::clone(&self.config),
            turns: Semaphore::new(limits::ROLLOUT_CHECKS_AT_ONCE),
        })
    }

    /// What the console stands on.
    pub(super) fn console(&self) -> Arc<Console> {
        let pipeline = &self.pipeline;
        let control = Arc::new(self.control());
        Arc::new(Console {
            control: Arc::clone(&control),
            gate: Arc::new(Gate(Arc::clone(&pipeline.identity))),
            rules: Arc::new(Stages {
                pipeline: Arc::clone(pipeline),
                here: Here::of(&self.config),
            }),
            departures: self.departures(),
            member_checks: Arc::new(Semaphore::new(limits::MEMBER_CHECKS_AT_ONCE)),
            rehearsals: Arc::new(Semaphore::new(limits::REHEARSALS_AT_ONCE)),
            consent: Arc::new(Acceptances(Arc::clone(&pipeline.acceptable_use))),
            providers: Arc::new(Upstreams::of(self)),
            sensing: Arc::new(Senses::of(self)),
            machine: Arc::new(machine::Here::of(self)),
            linking: Arc::new(self.grants.clone()),
            asking: Arc::new(Asks {
                control,
                connectors: Arc::clone(&self.connectors),
                pins: Arc::clone(&self.pins),
                revocations: Arc::clone(&self.revocations),
            }),
            installation: self.installation.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_it_may_carry() {
        assert_eq!(
            without_credentials("https://ada:pw@proxy.example/v1?key=abc#x"),
            "https://proxy.example/v1"
        );
        assert_eq!(without_credentials("not an address"), "");
    }
}
