//! Three weeks of sample data for the demo: an association that uses Claude every working day. Nothing is written past the parts that
//! decide and record: policy, people, keys and tasks go through `control`, sign-ins through sessions, each call through the stages of
//! the pipeline, all by a clock that walks from then to now. So the ledger is chained and signed as any, its sums are the store's, and
//! every refusal is one that the rules made. Choices repeat from run to run; secrets and ids of things are the system's.
//!
//! | file | what |
//! |---|---|
//! | `cast` | who there is |
//! | `rules` | the policy as it grew |
//! | `office`, `wishes` | what administrators and the directory did; what people asked for |
//! | `reach` | what connectors listed, and calls that somebody had to approve |
//! | `plan`, `dice` | who asks for what at which minute |
//! | `calls` | one call on its way |
//!
//! Called by the demo before it starts, on a store that has nothing but the first policy. SQLite alone: on PostgreSQL money is leased
//! by parts that do not run here.

mod calls;
mod cast;
mod dice;
mod office;
mod plan;
mod reach;
mod rules;
mod wishes;

use std::pin::Pin;
use std::sync::Arc;

use anyhow::Context as _;
use control::{Control, rollout};
use domain::window::{DAY_MS, Period};
use domain::{
    Caller, Client, Clock, Credential, PersonId, ReasonCode, Refusal, Subject, Timestamp,
};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use ledger::record::{Origin, SignIn, SystemEvent, Verdict};
use pipeline::identity::{NotAdmitted, Tokens, Verified};
use pipeline::ship;
use secrecy::{ExposeSecret as _, SecretString};
use store::people::Seen;
use testkit::FakeClock;

use self::calls::Under;
use self::cast::{CAST, Person};
use self::dice::Dice;
use self::plan::{Planned, Whose};
use crate::config::Config;
use crate::system::SystemIds;
use crate::wiring::{self, Wired};

/// The issuer of everyone.
const ISSUER: &str = "northwind";
/// The same days each time.
const SEED: u64 = 0x6e6f_7274_6877;
/// The last call comes so long before now at the latest.
const PAUSE_MS: i64 = 90_000;
/// Of how much of their limit two people have used almost all.
const NEARLY: (i64, i64) = (100, 93);

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// People.
    pub people: usize,
    /// Calls that were let through.
    pub calls: usize,
    /// Calls that were refused.
    pub refused: usize,
}

/// When the sample data of this moment begins: at a midnight.
pub const fn beginning(now: Timestamp) -> Timestamp {
    let day = now.unix_ms().div_euclid(DAY_MS) - cast::DAYS;
    Timestamp::from_unix_ms(day * DAY_MS)
}

/// Makes it, up to now, with a CRM at this address. The store holds the first policy, put in force at [`beginning`].
pub async fn make(config: &Config, crm: &str, now: Timestamp) -> anyhow::Result<Made> {
    let begun = beginning(now);
    let clock = FakeClock::at(begun);
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let wired = Box::pin(wiring::wire(config, shared, Arc::new(SystemIds))).await?;
    let mut past = Past::new((config, crm), clock, wired);
    past.wired.note(SystemEvent::Start).await?;
    for days_ago in (0..=cast::DAYS).rev() {
        let midnight = begun.plus_ms((cast::DAYS - days_ago) * DAY_MS);
        Box::pin(past.day(days_ago, midnight, now))
            .await
            .with_context(|| format!("the sample data of {days_ago} days ago"))?;
    }
    past.end(now).await
}

/// Somebody, as far as they have come.
#[derive(Debug)]
struct Somebody {
    person: &'static Person,
    id: Option<PersonId>,
    /// What the directory calls them.
    user: Option<String>,
    refresh: Option<SecretString>,
    who: Option<Arc<Verified>>,
    accepted: bool,
    /// Refused today for want of an acceptance: they leave it at that.
    gave_up: bool,
}

/// The association at one moment of its past.
#[derive(Debug)]
struct Past<'p> {
    config: &'p Config,
    /// Where the CRM is.
    crm: String,
    clock: FakeClock,
    wired: Wired,
    control: Control,
    dice: Dice,
    people: Vec<Somebody>,
    office: office::Office,
    service: Option<Arc<Verified>>,
    made: Made,
}

impl<'p> Past<'p> {
    fn new((config, crm): (&'p Config, &str), clock: FakeClock, wired: Wired) -> Self {
        let nobody_yet = |person| Somebody {
            person,
            id: None,
            user: None,
            refresh: None,
            who: None,
            accepted: false,
            gave_up: false,
        };
        Self {
            config,
            crm: crm.to_owned(),
            clock,
            control: wired.control(),
            wired,
            dice: Dice::new(SEED),
            people: CAST.iter().map(nobody_yet).collect(),
            office: office::Office::default(),
            service: None,
            made: Made {
                people: CAST.len(),
                calls: 0,
                refused: 0,
            },
        }
    }

    /// One day: the office first, then everybody's work, and what the office does in the evening. Nothing after `now`.
    async fn day(
        &mut self,
        days_ago: i64,
        midnight: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let planned = plan::day(&self.dice, days_ago, midnight);
        let until = now.plus_ms(-PAUSE_MS);
        let is_over = |hour: i64| midnight.plus_ms(hour * 3_600_000) > until;
        self.clock.set(midnight);
        self.look().await?;
        let work = planned
            .iter()
            .position(|call| call.at > midnight.plus_ms(6 * 3_600_000));
        let (night, work) = planned.split_at(work.unwrap_or(planned.len()));
        self.calls(night, (days_ago, until)).await?;
        if is_over(8) {
            return Ok(());
        }
        office::morning(self, days_ago, midnight).await?;
        self.arrive(days_ago, midnight).await?;
        self.calls(work, (days_ago, until)).await?;
        if !is_over(22) {
            self.clock.set(midnight.plus_ms(20 * 3_600_000));
            office::evening(self, days_ago).await?;
        }
        Ok(())
    }

    /// Reads the store as a running gateway does every second.
    async fn look(&self) -> anyhow::Result<()> {
        let wired = &self.wired;
        wired.pipeline.rules.load(&wired.store, wired.org).await?;
        wired.revocations.refresh(&wired.store).await?;
        wired.pipeline.identity.refresh_memberships().await?;
        Ok(())
    }

    /// Whoever works today signs in, or goes on with the session they have.
    async fn arrive(&mut self, days_ago: i64, midnight: Timestamp) -> anyhow::Result<()> {
        self.look().await?;
        for index in 0..self.people.len() {
            let person = self.people[index].person;
            if !person.is_here(days_ago) || self.people[index].id.is_none() && person.is_provisioned
            {
                continue;
            }
            self.people[index].gave_up = false;
            let minute = i64::try_from(7 * 60 + 10 + index / 3).unwrap_or_default();
            self.clock.set(midnight.plus_ms(minute * 60_000));
            let kept = match self.people[index].refresh.take() {
                Some(refresh) if !self.dice.happens(30) => self
                    .wired
                    .sessions()
                    .refresh(refresh.expose_secret())
                    .await
                    .ok(),
                _ => None,
            };
            let tokens = match kept {
                Some(tokens) => Some(tokens),
                None => self.sign_in(index, days_ago).await?,
            };
            let Some(tokens) = tokens else { continue };
            self.people[index].who = self.identify(tokens.access.expose_secret()).await.ok();
            self.people[index].refresh = Some(tokens.refresh);
        }
        Ok(())
    }

    async fn identify(&self, credential: &str) -> Result<Arc<Verified>, NotAdmitted> {
        let mut headers = HeaderMap::new();
        let value = format!("Bearer {credential}").parse();
        headers.insert(AUTHORIZATION, value.expect("a token is ASCII"));
        // nobody is believed without a look at what was revoked a moment ago
        let looked = self.wired.revocations.refresh(&self.wired.store).await;
        looked.map_err(|_| Refusal::plain(ReasonCode::StoreUnavailable))?;
        self.wired.pipeline.identity.identify(&headers).await
    }

    /// A sign-in at the device page; none for whoever may not come in.
    async fn sign_in(&mut self, index: usize, days_ago: i64) -> anyhow::Result<Option<Tokens>> {
        let person = self.people[index].person;
        let id = self.known(index).await?;
        self.people[index].id = Some(id);
        let caller = self.caller(person, id);
        let started = self.wired.sessions().start(&caller, person.program()).await;
        let verdict = match &started {
            Ok(_) => Verdict::allowed(),
            Err(refusal) => Verdict::refused(refusal),
        };
        let record = SignIn {
            org: Some(self.wired.org),
            subject: Some(caller.subject),
            stable_id: Some((&*caller.stable_id).into()),
            email: Some(person.email().into()),
            issuer: Some(ISSUER.into()),
            method: "device".into(),
            origin: Origin::new(person.client(days_ago), Some([192, 0, 2, 10].into())),
            session: started.as_ref().ok().map(|tokens| tokens.session),
            verdict,
        };
        let pipeline = &self.wired.pipeline;
        pipeline.ledger.note(ledger::Record::SignIn(record))?;
        Ok(started.ok())
    }

    /// Their id: the directory's, or made at their first sign-in.
    async fn known(&self, index: usize) -> anyhow::Result<PersonId> {
        if let Some(id) = self.people[index].id {
            return Ok(id);
        }
        let person = self.people[index].person;
        let (now, email) = (self.clock.now(), person.email());
        let seen = Seen {
            org: self.wired.org,
            issuer: ISSUER,
            stable_id: &stable_id(person),
            email: Some(&email),
            name: Some(person.name),
            groups: &[person.group.to_owned()].into(),
            stated: now,
            made: now,
            at: now,
        };
        let new = PersonId::from_parts(now.unix_ms().unsigned_abs(), self.dice.bits());
        Ok(self.wired.store.upsert_person(seen, new).await?.id)
    }

    fn caller(&self, person: &Person, id: PersonId) -> Caller {
        Caller {
            org: self.wired.org,
            subject: Subject::Person(id),
            stable_id: stable_id(person).into(),
            issuer: ISSUER.into(),
            email: Some(person.email().into()),
            name: Some(person.name.into()),
            groups: [person.group.to_owned()].into(),
            session: None,
            credential: Credential::IdToken,
        }
    }

    /// Calls in their order, those of one minute side by side; none after `until`.
    async fn calls(
        &mut self,
        planned: &[Planned],
        (days_ago, until): (i64, Timestamp),
    ) -> anyhow::Result<()> {
        let over = planned.iter().position(|call| call.at > until);
        let planned = &planned[..over.unwrap_or(planned.len())];
        for minute in planned.chunk_by(|one, next| one.minute() == next.minute()) {
            let mut begun: Vec<Pin<Box<dyn Future<Output = Option<Under>> + '_>>> = Vec::new();
            let mut whose = Vec::new();
            for call in minute {
                let Some((who, client)) = self.who(call, days_ago).await else {
                    continue;
                };
                let pipeline = &self.wired.pipeline;
                whose.push(call.whose);
                begun.push(Box::pin(calls::begin(
                    pipeline,
                    &self.clock,
                    (who, client),
                    *call,
                )));
            }
            let begun = calls::together(begun).await;
            for (whose, refused) in whose.iter().zip(begun.iter().map(Option::is_none)) {
                if let (Whose::Person(index), true) = (whose, refused) {
                    let needs = self.office.is_acceptance_demanded && !self.people[*index].accepted;
                    self.people[*index].gave_up = needs;
                }
            }
            let mut under: Vec<Under> = begun.into_iter().flatten().collect();
            self.made.calls += under.len();
            self.made.refused += whose.len() - under.len();
            under.sort_by_key(Under::ends);
            for call in under {
                self.clock.set(self.clock.now().max(call.ends()));
                call.end();
            }
        }
        Ok(())
    }

    /// Whose credential comes with a call; none for whoever does not call after all.
    async fn who(
        &self,
        call: &Planned,
        days_ago: i64,
    ) -> Option<(Result<Arc<Verified>, NotAdmitted>, Client)> {
        let other = Client {
            kind: domain::ClientKind::Sdk,
            version: None,
        };
        match call.whose {
            Whose::Person(index) => {
                let somebody = &self.people[index];
                let who = somebody.who.clone().filter(|_| !somebody.gave_up)?;
                Some((Ok(who), somebody.person.client(days_ago)))
            }
            Whose::Service => Some((Ok(self.service.clone()?), other)),
            Whose::Stranger => Some((self.identify("sk-somebody-elses").await, other)),
        }
    }

    /// Both checks of a rollout, as the buttons make them.
    async fn rollout_checks(&self) -> anyhow::Result<()> {
        let actor = office::grace(self)?;
        let operation = self.control.operation(&actor);
        let installation = wiring::installation(self.config);
        let whom = self.of("ada").person.email();
        let identity = rollout::identity(&operation, &installation, &whom).await?;
        let departures = self.wired.departures();
        let credentials = rollout::credentials(&operation, &*departures).await?;
        anyhow::ensure!(
            identity.passed && credentials.passed,
            "the checks of the sample data found {} and {}",
            identity.facts,
            credentials.facts
        );
        Ok(())
    }

    /// Ships what is left, sets two limits that are almost reached, and closes everything, for the demo to start on.
    async fn end(mut self, now: Timestamp) -> anyhow::Result<Made> {
        let wired = &self.wired;
        wired.pipeline.strangers.write_all();
        self.clock.set(self.clock.now().max(now.plus_ms(-PAUSE_MS)));
        let ledger = &wired.pipeline.ledger;
        // so that everything noted before is durable
        wired.note(SystemEvent::Drain).await?;
        ship::catch_up(&wired.store, wired.org, &wired.ledger_dir, ledger).await?;
        let (most, of) = NEARLY;
        for login in ["tomas", "amara"] {
            let somebody = self.people.iter().find(|one| one.person.login == login);
            let Some(id) = somebody.and_then(|one| one.id) else {
                continue;
            };
            let spent = wired
                .store
                .spent_by(
                    wired.org,
                    &id.to_string(),
                    Period::Monthly,
                    self.clock.now(),
                )
                .await?;
            let cents = (spent.nanos() / 10_000_000 * most / of).max(100);
            office::limit(&self, login, cents).await?;
        }
        self.clock.set(now.plus_ms(-PAUSE_MS / 2));
        reach::still_waits(&self).await?;
        self.rollout_checks().await?;
        self.wired.note(SystemEvent::Stop).await?;
        self.people.clear();
        self.service = None;
        self.wired.let_chain_go().await;
        self.wired.store.close().await;
        Ok(self.made)
    }
}

/// The identity provider's own name for somebody, the same from run to run.
fn stable_id(person: &Person) -> String {
    testkit::Person::new(person.login, person.name, &person.email()).sub
}
