//! Puts the parts of one organisation together, in the order they depend on each other. Everything that can be wrong at start is
//! wrong here, with a sentence that says what. Nothing of a [`Wired`] is shared with another one.
//!
//! | file | what |
//! |---|---|
//! | `keys` | the keys, and the ledger that is signed with one |
//! | `routes`, `connectors`, `console`, `providers`, `sensing` | what clients and administrators connect to |
//! | `grants` | people's grants at connectors |
//! | [`pins`] | what was approved of connectors' actions, and noting what they list |
//! | `machine`, `settings` | what the console may ask of the process itself |
//! | `background`, `follow_keys`, `notices`, `replicas` | what runs beside the requests |
//! | `state` | readiness and numbers |
//! | `beside`, `restored` | the command line's part; a place that was restored |

mod approvals;
mod asking;
mod background;
mod beside;
mod connectors;
mod console;
mod follow_keys;
mod grants;
mod keys;
mod machine;
mod notices;
mod noting;
pub mod pins;
mod programs;
mod providers;
mod replicas;
mod restored;
mod routes;
mod sensing;
mod settings;
mod state;

use std::path::PathBuf;
use std::sync::Arc;

use ::connectors::Connectors;
use anyhow::Context as _;
use control::installation::Installation;
use control::policies::Examine as _;
use control::{Control, ParsedPolicy};
use domain::price::PriceBook;
use domain::{Clock, Ids, OrgId, Policy, limits};
use gateway::Inference;
use gateway::body::Memory;
use gateway::contract::spend_limits::AdminKey;
use gateway::contract::{self, Contract};
use gateway::inference::catalogue::Catalogue;
use gateway::signin::SignIn;
use gateway::signin::programs::Programs;
use gateway::signin::programs::document::Documents;
use gateway::signin::throttle::Throttle;
use gateway::upstream::{Upstreams, client};
use ledger::record::{System, SystemEvent};
use ledger::sinks::StatusHandle;
use ledger::{Ledger, Position};
use pipeline::fetch::{Fetch, Reach};
use pipeline::identity::config::vouching;
use pipeline::identity::{Identity, Revocations, SessionTokens, Sessions, Setup, self_test};
use pipeline::last_policy::LastPolicy;
use pipeline::quota::Quota;
use pipeline::{AcceptableUse, Claim, Inspector, Metrics, Pipeline, Rules, Strangers, ship};
use secrecy::ExposeSecret as _;
use store::Store;
use store::secrets::SealingKey;
use store::vault_key::VaultKey;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::config::Config;
use crate::policy_command::Here;
use crate::sink::Receiver;
use pins::StoredPins;

pub(crate) use self::console::installation;

pub(crate) use beside::identity_on_trial;
pub use beside::{admin, identity_beside, sessions_beside};
pub(crate) use keys::{
    FINGERPRINT, LEDGER, SESSION, VAULT, key_file, parse_key, ring_there, sealing_key_text,
    sealing_key_there, write_sealing_key,
};
pub(crate) use restored::{Closed, GoneOn, UNFINISHED, go_on_after, refuse_unfinished};

/// The process, put together.
#[derive(Debug)]
pub struct Wired {
    /// The organisation.
    pub org: OrgId,
    /// The store.
    pub store: Store,
    /// The stages.
    pub pipeline: Arc<Pipeline>,
    /// Revocations, to follow.
    pub revocations: Arc<Revocations>,
    /// The providers.
    pub upstreams: Arc<Upstreams>,
    /// The ledger's folder.
    pub ledger_dir: PathBuf,
    door: Arc<Inference>,
    signin: Arc<SignIn>,
    installation: Installation,
    contract: Arc<Contract>,
    connectors: Arc<Connectors>,
    pins: Arc<StoredPins>,
    base_paths: Vec<String>,
    from: Position,
    claim: Arc<Claim>,
    /// Who lets the claim beat.
    _beats: JoinSet<()>,
    marks: store::Watermarks,
    tokens: Arc<SessionTokens>,
    /// As it was given.
    pub config: Arc<Config>,
    /// What lines in the log stand in, where there are several organisations to tell apart.
    pub span: tracing::Span,
    otlp: Option<(Arc<Receiver>, StatusHandle)>,
    /// What seals a call's arguments and people's grants.
    vault: VaultKey,
    grants: grants::Vault,
}

/// The store, the ledger, and what was spent before: what everything else stands on.
struct Ground {
    org: OrgId,
    store: Store,
    seal: Arc<SealingKey>,
    ledger: Arc<Ledger>,
    strangers: Arc<Strangers>,
    claim: Arc<Claim>,
    beats: JoinSet<()>,
    from: Position,
    quota: Arc<Quota>,
}

/// Who callers are, and their sessions.
struct People {
    identity: Arc<Identity>,
    tokens: Arc<SessionTokens>,
    sessions: Arc<Sessions>,
    revocations: Arc<Revocations>,
}

/// The rules, which keep the last good policy on disk; none is in force yet.
fn rules(config: &Config, org: OrgId, inspector: &Arc<Inspector>) -> Rules {
    let last = LastPolicy::at(config.ledger.dir.join("policy.last"), org);
    let issuers = config.issuers_for_people();
    Rules::new(Policy::empty(), issuers, Arc::clone(inspector)).keeping(last)
}

/// Wires a configuration.
pub async fn wire(
    config: &Config,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> anyhow::Result<Wired> {
    wire_among(1, config, clock, ids).await
}

/// Wires the configuration of one among so many organisations that the process serves.
pub async fn wire_among(
    orgs: usize,
    config: &Config,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> anyhow::Result<Wired> {
    let span = match orgs {
        0 | 1 => tracing::Span::none(),
        _ => tracing::error_span!("org", org = config.server.org),
    };
    let wired = assemble(orgs, config, clock, ids).instrument(span.clone());
    Ok(Wired {
        span: span.clone(),
        ..wired.await?
    })
}

async fn assemble(
    orgs: usize,
    config: &Config,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> anyhow::Result<Wired> {
    self_test::run()
        .context("the crypto backend does not work as it must; nothing may be trusted to it")?;
    let mut ground = ground(config, &clock, &*ids).await?;
    let people = people(config, &ground, &clock, &ids).await?;
    let now = clock.now();
    tell_of_broken_glass(&ground).await?;
    let fingerprint_key = keys::fingerprint_key(&ground.store, &ground.seal, now, &*ids).await?;
    let vault = VaultKey::new(keys::vault_key(&ground.store, &ground.seal, now, &*ids).await?);
    let inspector = Arc::new(Inspector::new(detect::Engine::new(&fingerprint_key)));
    let rules = Arc::new(rules(config, ground.org, &inspector));
    let marks = rules
        .load_at_start(&ground.store, ground.org)
        .await
        .context("the policy in the store cannot be put in force")?;
    tell_of_mistakes(config, &rules);
    let acceptable_use = Arc::new(acceptable_use(config, &ground, &rules, &clock));
    let pipeline = Arc::new(Pipeline {
        identity: Arc::clone(&people.identity),
        rules,
        acceptable_use: Arc::clone(&acceptable_use),
        inspector,
        quota: Arc::clone(&ground.quota),
        ledger: Arc::clone(&ground.ledger),
        strangers: Arc::clone(&ground.strangers),
        prices: Arc::new(prices(config)?),
        metrics: Arc::new(Metrics::default()),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    });
    let upstreams = Arc::new(Upstreams::new(
        config.upstreams.clone(),
        client::connect()?,
        Arc::clone(&clock),
    )?);
    let catalogue = Arc::new(Catalogue::new(config.models.clone()));
    let door = Arc::new(Inference {
        memory: Memory::of_one_among(orgs),
        ..Inference::new(Arc::clone(&pipeline), Arc::clone(&upstreams), catalogue)
    });
    let pins = connectors::pins(&ground, &pipeline);
    let contract = Arc::new(contract(config, &ground, &door, &pins));
    let grants = connectors::grants(config, &ground, &pipeline, &vault)?;
    let connectors = connectors::wired(config, &ground, &pipeline, (&vault, &grants, &pins))?;
    Ok(Wired {
        org: ground.org,
        store: ground.store.clone(),
        pipeline,
        revocations: Arc::clone(&people.revocations),
        upstreams,
        ledger_dir: config.ledger.dir.clone(),
        door,
        installation: installation(config),
        contract,
        connectors: Arc::new(connectors),
        pins,
        base_paths: config.server.base_paths.clone(),
        from: ground.from,
        claim: Arc::clone(&ground.claim),
        _beats: std::mem::take(&mut ground.beats),
        marks,
        tokens: Arc::clone(&people.tokens),
        config: Arc::new(config.clone()),
        span: tracing::Span::none(),
        otlp: otlp(config)?,
        vault,
        grants,
        signin: Arc::new(sign_in(config, ground, people, acceptable_use, clock, ids)?),
    })
}

fn tell_of_mistakes(config: &Config, rules: &Rules) {
    for mistake in Here::of(config).mistakes(&rules.current()) {
        tracing::error!(mistake, "the policy in force does not do here what it says");
    }
}

/// Loud, at each start, while the break-glass account is open.
async fn tell_of_broken_glass(ground: &Ground) -> anyhow::Result<()> {
    let account = ground.store.break_glass(ground.org).await?;
    if let Some(at) = account.and_then(|account| account.opened_at) {
        tracing::error!(
            opened_at = %at,
            "the break-glass account was opened and not sealed since: `doorward break-glass seal` or `off`"
        );
    }
    Ok(())
}

fn contract(
    config: &Config,
    ground: &Ground,
    door: &Arc<Inference>,
    pins: &Arc<StoredPins>,
) -> Contract {
    Contract {
        org: ground.org,
        org_name: config.server.org.clone(),
        public_url: config.server.public_url.clone(),
        door: Arc::clone(door),
        store: ground.store.clone(),
        actions: Arc::<StoredPins>::clone(pins),
        admin_keys: admin_keys(config),
        telemetry: contract::telemetry::Counted::default(),
    }
}

async fn ground(config: &Config, clock: &Arc<dyn Clock>, ids: &dyn Ids) -> anyhow::Result<Ground> {
    refuse_unfinished(config)?;
    let store = Store::open(config.store.url.expose_secret())
        .await
        .context("the store cannot be opened")?;
    let new_org = OrgId::from_parts(clock.now().unix_ms().unsigned_abs(), ids.random_bits());
    let org = store.ensure_org(&config.server.org, new_org).await?;
    let seal = Arc::new(keys::sealing_key(config, ids)?);
    let dir = &config.ledger.dir;
    let ledger =
        Arc::new(keys::open_ledger(dir, "gw", &store, &seal, Arc::clone(clock), ids).await?);
    // Before anything is written to a chain that may be another's.
    let (claim, beats) = replicas::claim(&store, dir, &ledger, ids).await?;
    let lost = ship::recover(dir, &ledger)
        .await
        .context("the ledger cannot be brought up to date")?;
    if lost > 0 {
        tracing::warn!(
            lost,
            "calls had no end when the process last died; what was reserved for them counts as spent"
        );
    }
    let from = ship::catch_up(&store, org, dir, &ledger)
        .await
        .context("the ledger cannot be shipped")?;
    let chain = ledger.chain().as_str();
    let quota = Arc::new(replicas::quota(&store, chain).await?);
    ship::restore(&store, org, chain, &quota, clock.now()).await?;
    Ok(Ground {
        org,
        store,
        seal,
        strangers: Arc::new(Strangers::new(Arc::clone(&ledger), Arc::clone(clock))),
        ledger,
        claim,
        beats,
        from,
        quota,
    })
}

async fn people(
    config: &Config,
    ground: &Ground,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> anyhow::Result<People> {
    let (org, store) = (ground.org, &ground.store);
    let session_keys = keys::session_keys(store, &ground.seal, clock.now(), &**ids).await?;
    let public_url = &config.server.public_url;
    let tokens = Arc::new(SessionTokens::new(
        org,
        public_url,
        session_keys,
        Arc::clone(clock),
    )?);
    let revocations = Arc::new(Revocations::new(org, Arc::clone(clock)));
    revocations.refresh(store).await?;
    let identity = Arc::new(Identity::new(Setup {
        org,
        issuers: config.issuers.clone(),
        vouching: vouching(&config.issuers),
        tokens: Arc::clone(&tokens),
        revocations: Arc::clone(&revocations),
        store: store.clone(),
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
    })?);
    identity.refresh_memberships().await?;
    // An identity provider that is down only keeps its own people out; it is asked again.
    identity.warm_up().await;
    let sessions = Arc::new(Sessions::new(
        org,
        store.clone(),
        vouching(&config.issuers),
        Arc::clone(&tokens),
        Arc::clone(&revocations),
        Arc::clone(clock),
        Arc::clone(ids),
    ));
    Ok(People {
        identity,
        tokens,
        sessions,
        revocations,
    })
}

fn sign_in(
    config: &Config,
    ground: Ground,
    people: People,
    acceptable_use: Arc<AcceptableUse>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> anyhow::Result<SignIn> {
    Ok(SignIn {
        org: ground.org,
        org_name: config.server.org.clone(),
        public_url: config.server.public_url.clone(),
        login_notice: config.server.login_notice.clone(),
        store: ground.store,
        identity: people.identity,
        acceptable_use,
        sessions: people.sessions,
        tokens: people.tokens,
        strangers: ground.strangers,
        ledger: ground.ledger,
        clock,
        ids,
        asks: Throttle::new(30, 600),
        // Fewer than an installation's login states by far, and enough for an office behind one address.
        trips: Throttle::new(120, 600),
        guesses: Throttle::new(10, 600),
        glass: Throttle::new(limits::BREAK_GLASS_TRIES, 600),
        programs: programs(config)?,
    })
}

/// Programs that call connectors. Anthropic's cloud registers from few addresses for everybody, once for each person and connector.
fn programs(config: &Config) -> anyhow::Result<Programs> {
    let fetch = Fetch::new(Reach::Public, None)?;
    Ok(Programs {
        known: config.oauth_clients.clone(),
        documents: Documents::new(fetch),
        registers: Throttle::new(200, 600),
        fetches: Throttle::new(60, 600),
    })
}

fn prices(config: &Config) -> anyhow::Result<PriceBook> {
    Ok(match &config.server.prices {
        None => PriceBook::shipped(),
        Some(path) => PriceBook::parse(&std::fs::read_to_string(path)?)?,
    })
}

fn acceptable_use(
    config: &Config,
    ground: &Ground,
    rules: &Arc<Rules>,
    clock: &Arc<dyn Clock>,
) -> AcceptableUse {
    AcceptableUse {
        org: ground.org,
        org_name: config.server.org.clone(),
        public_url: config.server.public_url.clone(),
        installation: config.as_recorded(),
        rules: Arc::clone(rules),
        store: ground.store.clone(),
        ledger: Arc::clone(&ground.ledger),
        clock: Arc::clone(clock),
    }
}

fn otlp(config: &Config) -> anyhow::Result<Option<(Arc<Receiver>, StatusHandle)>> {
    let Some(otlp) = &config.ledger.otlp else {
        return Ok(None);
    };
    let fetch = Arc::new(Fetch::new(Reach::Operator, None)?);
    let receiver = Receiver {
        url: otlp.url.clone(),
        bearer: otlp.bearer.clone(),
        fetch,
    };
    Ok(Some((Arc::new(receiver), StatusHandle::default())))
}

fn admin_keys(config: &Config) -> Vec<AdminKey> {
    let key = |key: &crate::config::AdminKeyConfig| AdminKey {
        id: key.id.clone(),
        key: key.key.clone(),
        writes: key.writes,
    };
    config.admin_keys.iter().map(key).collect()
}

fn control(
    config: &Config,
    (org, store): (OrgId, &Store),
    pipeline: &Pipeline,
    vault: &VaultKey,
) -> Control {
    Control {
        org,
        vouching: Arc::new(vouching(&config.issuers)),
        store: store.clone(),
        ledger: Arc::clone(&pipeline.ledger),
        clock: Arc::clone(&pipeline.clock),
        ids: Arc::clone(&pipeline.ids),
        vault: vault.clone(),
        parsed: ParsedPolicy::default(),
    }
}

impl Wired {
    /// What operations stand on: this server's own store and ledger.
    pub fn control(&self) -> Control {
        control(
            &self.config,
            (self.org, &self.store),
            &self.pipeline,
            &self.vault,
        )
    }

    /// Approvals, as the connectors' door asks for them.
    pub fn approvals(&self) -> Arc<dyn ::connectors::approval::Approvals> {
        Arc::new(approvals::Kept(self.control()))
    }

    /// People's sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.signin.sessions
    }

    /// Notes in the ledger that something happened to the process.
    pub async fn note(&self, event: SystemEvent) -> anyhow::Result<()> {
        let mut record = System::new(event);
        record.version = Some(env!("CARGO_PKG_VERSION").into());
        self.pipeline
            .ledger
            .append(ledger::Record::System(record))
            .await?;
        Ok(())
    }
}
