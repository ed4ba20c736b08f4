//! Has the person accepted the acceptable-use policy? Part of the policy stage: where the rules demand it, nobody goes on without.
//! Whoever accepted is remembered beside their verified credential, so a call costs a comparison; the store is asked at a
//! credential's first use, after a new version, and, not more often than [`limits::ACCEPTANCE_LOOK_MS`], for those who have not
//! accepted. A store that cannot be asked refuses as an outage, never as a missing acceptance.
//!
//! Here also is the person's own act, for the pages of the door: it is a record of the ledger before it is a row.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use domain::acceptable_use::{Demand, Installation, Published, Settings, Way};
use domain::{Caller, Clock, OrgId, PersonId, Reason, ReasonCode, Refusal, Subject, limits};
use ledger::record::{Change, ChangeKind};
use store::{Acceptance, Store, StoreError, UseVersion};

use crate::Rules;
use crate::identity::Verified;

/// Where people read and accept the policy, below the public address.
pub const PATH: &str = "/acceptable-use";

/// What a credential's person is known to have accepted.
#[derive(Debug)]
pub(crate) struct Known {
    version: AtomicU64,
    /// When the store was last asked, in Unix milliseconds; `i64::MIN` before the first time.
    asked_at: AtomicI64,
    /// Held while asking, so that calls that come together ask once.
    asking: tokio::sync::Mutex<()>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            version: AtomicU64::new(0),
            asked_at: AtomicI64::new(i64::MIN),
            asking: tokio::sync::Mutex::default(),
        }
    }
}

impl Known {
    fn is_enough(&self, published: Published) -> bool {
        self.version.load(Ordering::Acquire) >= published.accept_from
    }
}

/// Asks for acceptance, and takes it.
#[derive(Debug)]
pub struct AcceptableUse {
    /// The organisation.
    pub org: OrgId,
    /// Its name, for sentences.
    pub org_name: String,
    /// Our own origin, `https://…` without a slash at its end.
    pub public_url: String,
    /// What the configuration says about recording.
    pub installation: Installation,
    /// The rules in force.
    pub rules: Arc<Rules>,
    /// Versions and acceptances.
    pub store: Store,
    /// Where everything is written down.
    pub ledger: Arc<ledger::Ledger>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A person's yes.
#[derive(Debug, Clone, Copy)]
pub struct Yes<'y> {
    /// Who, as the identity provider just proved.
    pub person: PersonId,
    /// The version whose text they saw.
    pub version: u64,
    /// How.
    pub way: Way,
    /// For people to read.
    pub label: &'y str,
    /// From where.
    pub address: Option<IpAddr>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is kept, now or since before.
    Kept,
    /// Another version is in force by now; nothing was written.
    Newer,
}

impl AcceptableUse {
    /// Where people accept.
    pub fn link(&self) -> String {
        format!("{}{PATH}", self.public_url)
    }

    /// Why a verified caller may not go on, if so.
    pub(crate) async fn missing(
        &self,
        who: &Verified,
        demand: Option<Demand>,
    ) -> Result<Option<Reason>, Refusal> {
        let published = match demand {
            None => return Ok(None),
            Some(Demand::Unpublished) => return Ok(Some(self.unpublished())),
            Some(Demand::Version(published)) => published,
        };
        if who.acceptance.is_enough(published) {
            return Ok(None);
        }
        let Subject::Person(person) = who.caller.subject else {
            return Ok(None);
        };
        self.ask(&who.acceptance, person, published).await?;
        if who.acceptance.is_enough(published) {
            return Ok(None);
        }
        let text = format!(
            "{} asks you to accept its acceptable-use policy first: {}",
            self.org_name,
            self.link()
        );
        Ok(Some(Reason::new(ReasonCode::AcceptableUseRequired, text)))
    }

    fn unpublished(&self) -> Reason {
        let text = format!(
            "{} demands that its acceptable-use policy is accepted, and none is published; ask your administrator.",
            self.org_name
        );
        Reason::new(ReasonCode::AcceptableUseRequired, text)
    }

    async fn ask(
        &self,
        known: &Known,
        person: PersonId,
        published: Published,
    ) -> Result<(), Refusal> {
        let _one_at_a_time = known.asking.lock().await;
        let now = self.clock.now().unix_ms();
        let since = now.saturating_sub(known.asked_at.load(Ordering::Acquire));
        // Negative when the clock was set back.
        let is_recent = (0..limits::ACCEPTANCE_LOOK_MS).contains(&since);
        if known.is_enough(published) || is_recent {
            return Ok(());
        }
        let accepted = self.store.accepted_use(self.org, person).await;
        let accepted = accepted.map_err(|error| unavailable(&error))?;
        known
            .version
            .store(accepted.unwrap_or(0), Ordering::Release);
        known.asked_at.store(now, Ordering::Release);
        Ok(())
    }

    /// The version that a person who has just signed in must accept before they can go on; none when nothing is demanded of them, or
    /// they did.
    pub async fn wanted_of(&self, caller: &Caller) -> Result<Option<UseVersion>, Refusal> {
        let Subject::Person(person) = caller.subject else {
            return Ok(None);
        };
        // Which version it would be is what the store says now; whether one is demanded, the rules that this replica has in force.
        let Some(latest) = self.latest().await? else {
            return Ok(None);
        };
        if self.rules.current().demand(caller).is_none() {
            return Ok(None);
        }
        let accepted = self.accepted(person).await?;
        Ok((accepted < Some(latest.accept_from)).then_some(latest))
    }

    /// The version in force.
    pub async fn latest(&self) -> Result<Option<UseVersion>, Refusal> {
        let latest = self.store.latest_use_version(self.org).await;
        latest.map_err(|error| unavailable(&error))
    }

    /// The latest version that a person accepted.
    pub async fn accepted(&self, person: PersonId) -> Result<Option<u64>, Refusal> {
        let accepted = self.store.accepted_use(self.org, person).await;
        accepted.map_err(|error| unavailable(&error))
    }

    /// What is recorded by the settings in force now, when that is not what the version says.
    pub fn changed_since(&self, version: &UseVersion) -> Option<String> {
        let settings = Settings::in_force(&self.rules.current(), &self.installation);
        (settings.canonical() != version.settings).then(|| settings.paragraphs())
    }

    /// Takes a person's yes: a record, then a row. Said twice, also at once and on several replicas, it is recorded and kept once.
    pub async fn accept(&self, yes: Yes<'_>) -> Result<Accepted, Refusal> {
        let Some(latest) = self.latest().await?.filter(|v| v.version == yes.version) else {
            return Ok(Accepted::Newer);
        };
        if self.accepted(yes.person).await? >= Some(yes.version) {
            return Ok(Accepted::Kept);
        }
        let acceptance = Acceptance {
            person: yes.person,
            version: yes.version,
            at: self.clock.now(),
            way: yes.way,
            address: yes.address.map(|address| address.to_string()),
        };
        let held = self.store.hold_acceptance(self.org, &acceptance).await;
        let Some(held) = held.map_err(|error| unavailable(&error))? else {
            // Another click was first.
            return Ok(Accepted::Kept);
        };
        self.record(yes, &latest).await?;
        held.keep().await.map_err(|error| unavailable(&error))?;
        Ok(Accepted::Kept)
    }

    async fn record(&self, yes: Yes<'_>, version: &UseVersion) -> Result<(), Refusal> {
        let change = Change {
            org: Some(self.org),
            by: Some(Subject::Person(yes.person)),
            by_label: yes.label.into(),
            address: yes.address,
            noun: "acceptance".into(),
            name: yes.person.to_string().into(),
            done: ChangeKind::Created,
            version: Some(yes.version),
            before: None,
            after: Some(version.fingerprint.as_str().into()),
            reason: Some(format!("accepted by {}", yes.way).into()),
        };
        let recorded = self.ledger.append(ledger::Record::Change(change)).await;
        recorded.map(drop).map_err(|error| {
            tracing::error!(error = %error, "an acceptance cannot be recorded, and is not kept");
            Refusal::plain(ReasonCode::LedgerUnavailable)
        })
    }
}

/// A decision together with what is still to be agreed to; what the rules say decides the response.
pub(crate) fn together<T>(
    decided: Result<T, Refusal>,
    missing: Result<Option<Reason>, Refusal>,
) -> Result<T, Refusal> {
    match (decided, missing) {
        (decided, Ok(None)) => decided,
        (Ok(_), Ok(Some(reason))) => Err(Refusal::one(reason)),
        (Ok(_), Err(outage)) => Err(outage),
        (Err(refusal), Ok(Some(reason))) => Err(refusal.and(reason)),
        (Err(refusal), Err(_)) => Err(refusal),
    }
}

fn unavailable(error: &StoreError) -> Refusal {
    tracing::warn!(error = %error, "acceptances cannot be read or kept");
    Refusal::plain(ReasonCode::StoreUnavailable)
}
