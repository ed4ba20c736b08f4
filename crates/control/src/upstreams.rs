//! The providers of Claude as this replica sees them now, and trying one: where each is, how its last answers were, what we prove ourselves
//! with there and how old that is. No field holds a credential. What the router knows is asked through [`Providers`], which `server`
//! implements; another replica may see the same provider otherwise.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use domain::Timestamp;
use domain::price::Price;
use ledger::record::ChangeKind;

use crate::access::Right;
use crate::{ControlError, Operation};

/// What is asked of the router. Implemented in `server` over the gateway.
pub trait Providers: fmt::Debug + Send + Sync {
    /// Every provider, in the order of trying.
    fn standing(&self) -> Vec<Standing>;

    /// The price of a model at a moment; none where no line covers it.
    fn price(&self, model: &str, at: Timestamp) -> Option<Price>;

    /// The providers that serve a model, in the order of trying.
    fn serving(&self, model: &str) -> Vec<String>;

    /// Asks a provider what `doctor` asks it, which is not billed.
    fn test<'p>(&'p self, name: &'p str) -> Testing<'p>;
}

/// What [`Providers::test`] returns.
pub type Testing<'p> = Pin<Box<dyn Future<Output = Result<Tested, NotTested>> + Send + 'p>>;

/// How a provider stands with the router of this replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// No call was made since the start.
    Untried,
    /// The last call was answered.
    Answering,
    /// The last so many calls failed; it is tried all the same.
    Failing(u32),
    /// It failed too often, and is left out until this moment.
    LeftOut(Timestamp),
    /// It was left out, and a call finds out whether it works again.
    TriedAgain,
}

/// A provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Which provider: `anthropic`, `foundry`.
    pub provider: String,
    /// Its address, without what an address may carry.
    pub address: String,
    /// The region it answers in, if it promises one.
    pub region: Option<String>,
    /// How it stands.
    pub health: Health,
    /// Since when; none before the first call.
    pub since: Option<Timestamp>,
    /// When it was last heard, and the status it answered.
    pub last_answer: Option<(Timestamp, u16)>,
    /// What we prove ourselves with.
    pub credential: Credential,
    /// The last test on this replica.
    pub tested: Option<Tested>,
}

/// What we prove ourselves with at a provider; never the thing itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// What it is: `API key`, `managed identity`.
    pub class: &'static str,
    /// Where it comes from, in words: `the environment variable ANTHROPIC_KEY`, `Entra, tenant …`.
    pub from: String,
    /// When it was made or last written, where that is known.
    pub made: Option<Timestamp>,
    /// When this replica read or fetched it; none before the first call where it is fetched.
    pub had: Option<Timestamp>,
    /// When it ends, where it does.
    pub ends: Option<Timestamp>,
}

/// How a part of a test went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is as it must be.
    Holds,
    /// It is not.
    Fails,
    /// It could not be found out.
    Unknown,
}

/// A part of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What was looked at: `reached`, `credential`.
    pub what: &'static str,
    /// How it went.
    pub found: Found,
    /// What was seen.
    pub evidence: String,
    /// Who has to act, and what to do, where it fails.
    pub remedy: Option<(String, String)>,
}

/// What a test found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// When.
    pub at: Timestamp,
    /// Who asked for it, for people to read.
    pub by: String,
    /// Milliseconds from the question to its answer; none where there was none.
    pub answer_ms: Option<u64>,
    /// The parts, in their order.
    pub parts: Vec<Part>,
}

impl Tested {
    /// Whether every part holds.
    pub fn holds(&self) -> bool {
        self.parts.iter().all(|part| part.found == Found::Holds)
    }

    /// One line of it, for the record.
    fn line(&self) -> String {
        let part = |part: &Part| {
            let found = match part.found {
                Found::Holds => "holds",
                Found::Fails => "fails",
                Found::Unknown => "not known",
            };
            format!("{} {found}: {}", part.what, part.evidence)
        };
        let parts: Vec<String> = self.parts.iter().map(part).collect();
        let took = self
            .answer_ms
            .map_or_else(String::new, |ms| format!("; {ms} ms"));
        format!("{}{took}", parts.join("; "))
    }
}

/// Why nothing was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTested {
    /// There is no such provider.
    Unknown,
    /// Others are being tried.
    Busy,
}

/// Every provider, in the order of trying.
pub fn standing(
    operation: &Operation<'_>,
    providers: &dyn Providers,
) -> Result<Vec<Standing>, ControlError> {
    operation.require(Right::ConfigRead)?;
    Ok(providers.standing())
}

/// Tries a provider. That somebody does is written down before anything leaves, and what came of it after.
pub async fn test(
    operation: &Operation<'_>,
    providers: &dyn Providers,
    name: &str,
) -> Result<Tested, ControlError> {
    operation.require(Right::ConfigTest)?;
    let unknown = || ControlError::NoSuch("upstream");
    let known = providers.standing().into_iter();
    let known = known
        .map(|standing| standing.name)
        .find(|known| known == name);
    let name = known.ok_or_else(unknown)?;
    let change = |done, reason: &str| {
        let mut change = operation.change("upstream_test", &name, done);
        change.reason = Some(reason.into());
        change
    };
    operation
        .record(change(ChangeKind::Created, "asked by hand"))
        .await?;
    let (came, result) = match providers.test(&name).await {
        Ok(tested) => (tested.line(), Ok(tested)),
        Err(NotTested::Busy) => {
            let busy =
                ControlError::Busy("other upstreams are being tested; try again in a moment");
            ("not made: others are being tested".to_owned(), Err(busy))
        }
        Err(NotTested::Unknown) => (
            "not made: there is no such upstream".to_owned(),
            Err(unknown()),
        ),
    };
    operation.record(change(ChangeKind::Updated, &came)).await?;
    result.map(|tested| Tested {
        by: operation.actor.label().to_owned(),
        ..tested
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_a_test_says_what_was_found_and_how_long_it_took() {
        let part = |what, found, evidence: &str| Part {
            what,
            found,
            evidence: evidence.to_owned(),
            remedy: None,
        };
        let mut tested = Tested {
            at: Timestamp::from_unix_ms(0),
            by: String::new(),
            answer_ms: Some(43),
            parts: vec![
                part("reached", Found::Holds, "GET … answered 401"),
                part(
                    "credential",
                    Found::Fails,
                    "sent in x-api-key, answered 401",
                ),
            ],
        };
        assert_eq!(
            tested.line(),
            "reached holds: GET … answered 401; credential fails: sent in x-api-key, answered 401; 43 ms"
        );
        assert!(!tested.holds());
        tested.parts.truncate(1);
        assert!(tested.holds());
    }
}
