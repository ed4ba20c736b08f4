//! Puts the parts together, in the order they depend on each other, and starts what runs in the background. Everything that can
//! be wrong at start is wrong here, with a sentence that says what.

mod console;
mod follow_keys;
mod keys;
mod replicas;
mod restored;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use control::installation::Installation;
use control::{Actor, Operation};
use domain::price::PriceBook;
use domain::{Clock, Ids, OrgId, Policy, limits};
use gateway::contract::spend_limits::AdminKey;
use gateway::contract::{self, Contract};
use gateway::inference::catalogue::Catalogue;
use gateway::signin::throttle::Throttle;
use gateway::signin::{self, SignIn};
use gateway::upstream::{Upstreams, client};
use gateway::{Inference, cors, inference_routes};
use ledger::read::Cursor;
use ledger::record::{System, SystemEvent};
use ledger::sinks::{OtlpSink, StatusHandle};
use ledger::{Ledger, Position};
use pipeline::fetch::{Fetch, Reach};
use pipeline::identity::{Identity, Revocations, SessionTokens, Sessions, Setup, self_test};
use pipeline::last_policy::LastPolicy;
use pipeline::quota::Quota;
use pipeline::{AcceptableUse, Inspector, Metrics, Pipeline, Rules, ship};
use prometheus_client::registry::Registry;
use secrecy::ExposeSecret as _;
use store::Store;
use store::secrets::SealingKey;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::sink::Receiver;
use crate::system::{SystemClock, SystemIds};

pub(crate) use keys::{
    FINGERPRINT, LEDGER, SESSION, key_file, parse_key, ring_there, sealing_key_text,
    sealing_key_there, write_sealing_key,
};
pub(crate) use restored::{Closed, GoneOn, UNFINISHED, go_on_after, refuse_unfinished};

/// The process, put together.
#[derive(Debug)]
pub struct Wired {
    /// The tenant.
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
    issuers_for_people: usize,
    contract: Arc<Contract>,
    base_paths: Vec<String>,
    from: Position,
    marks: store::Watermarks,
    tokens: Arc<SessionTokens>,
    config: Arc<Config>,
    otlp: Option<(Arc<Receiver>, StatusHandle)>,
}

/// The store, the ledger, and what was spent before: what everything else stands on.
struct Ground {
    org: OrgId,
    store: Store,
    seal: SealingKey,
    ledger: Arc<Ledger>,
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
    self_test::run()
        .context("the crypto backend does not work as it must; nothing may be trusted to it")?;
    let ground = ground(config, &clock, &*ids).await?;
    let people = people(config, &ground, &clock, &ids).await?;
    let now = clock.now();
    let fingerprint_key = keys::fingerprint_key(&ground.store, &ground.seal, now, &*ids).await?;
    let inspector = Arc::new(Inspector::new(detect::Engine::new(&fingerprint_key)));
    let rules = Arc::new(rules(config, ground.org, &inspector));
    let marks = rules
        .load_at_start(&ground.store, ground.org)
        .await
        .context("the policy in the store cannot be put in force")?;
    let acceptable_use = Arc::new(acceptable_use(config, &ground, &rules, &clock));
    let pipeline = Arc::new(Pipeline {
        identity: Arc::clone(&people.identity),
        rules,
        acceptable_use: Arc::clone(&acceptable_use),
        inspector,
        quota: Arc::clone(&ground.quota),
        ledger: Arc::clone(&ground.ledger),
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
    let door = Arc::new(Inference::new(
        Arc::clone(&pipeline),
        Arc::clone(&upstreams),
        catalogue,
    ));
    let contract = Arc::new(Contract {
        org: ground.org,
        public_url: config.server.public_url.clone(),
        door: Arc::clone(&door),
        store: ground.store.clone(),
        admin_keys: admin_keys(config),
        telemetry: contract::telemetry::Counted::default(),
    });
    Ok(Wired {
        org: ground.org,
        store: ground.store.clone(),
        pipeline,
        revocations: Arc::clone(&people.revocations),
        upstreams,
        ledger_dir: config.ledger.dir.clone(),
        door,
        installation: console::installation(config),
        issuers_for_people: config.issuers_for_people(),
        contract,
        base_paths: config.server.base_paths.clone(),
        from: ground.from,
        marks,
        tokens: Arc::clone(&people.tokens),
        config: Arc::new(config.clone()),
        otlp: otlp(config)?,
        signin: Arc::new(sign_in(config, ground, people, acceptable_use, clock, ids)),
    })
}

async fn ground(config: &Config, clock: &Arc<dyn Clock>, ids: &dyn Ids) -> anyhow::Result<Ground> {
    refuse_unfinished(config)?;
    let store = Store::open(config.store.url.expose_secret())
        .await
        .context("the store cannot be opened")?;
    let new_org = OrgId::from_parts(clock.now().unix_ms().unsigned_abs(), ids.random_bits());
    let org = store.ensure_org(&config.server.org, new_org).await?;
    let seal = keys::sealing_key(config, ids)?;
    let dir = &config.ledger.dir;
    let ledger =
        Arc::new(keys::open_ledger(dir, "gw", &store, &seal, Arc::clone(clock), ids).await?);
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
        ledger,
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
) -> SignIn {
    SignIn {
        org: ground.org,
        org_name: config.server.org.clone(),
        public_url: config.server.public_url.clone(),
        login_notice: config.server.login_notice.clone(),
        store: ground.store,
        identity: people.identity,
        acceptable_use,
        sessions: people.sessions,
        tokens: people.tokens,
        ledger: ground.ledger,
        clock,
        ids,
        asks: Throttle::new(30, 600),
        // Fewer than an installation's login states by far, and enough for an office behind one address.
        trips: Throttle::new(120, 600),
        guesses: Throttle::new(10, 600),
    }
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

/// What the command line needs: the store, and a ledger chain of its own.
#[derive(Debug)]
pub struct Admin {
    /// The tenant.
    pub org: OrgId,
    /// The store.
    pub store: Store,
    /// The command line's own chain.
    pub ledger: Ledger,
}

impl Admin {
    /// One operation of somebody.
    pub fn operation<'o>(
        &'o self,
        actor: &'o Actor,
        clock: &'o dyn Clock,
        ids: &'o dyn Ids,
    ) -> Operation<'o> {
        Operation {
            org: self.org,
            actor,
            store: &self.store,
            ledger: &self.ledger,
            clock,
            ids,
        }
    }
}

/// Opens the store beside a running server.
pub async fn admin(config: &Config, clock: Arc<dyn Clock>, ids: &dyn Ids) -> anyhow::Result<Admin> {
    refuse_unfinished(config)?;
    let store = Store::open(config.store.url.expose_secret())
        .await
        .context("the store cannot be opened")?;
    let new_org = OrgId::from_parts(clock.now().unix_ms().unsigned_abs(), ids.random_bits());
    let org = store.ensure_org(&config.server.org, new_org).await?;
    let seal = keys::sealing_key(config, ids)?;
    let ledger = keys::open_ledger(
        &config.ledger.dir.join("cli"),
        "cli",
        &store,
        &seal,
        clock,
        ids,
    )
    .await?;
    Ok(Admin { org, store, ledger })
}

/// Sessions on the store of a running server, for a drill: what they begin, every replica knows.
pub async fn sessions_beside(
    config: &Config,
    store: &Store,
    org: OrgId,
) -> anyhow::Result<Sessions> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keys = keys::session_keys_there(config, store, clock.now()).await?;
    let public_url = &config.server.public_url;
    let tokens = SessionTokens::new(org, public_url, keys, Arc::clone(&clock))?;
    let revocations = Arc::new(Revocations::new(org, Arc::clone(&clock)));
    Ok(Sessions::new(
        org,
        store.clone(),
        Arc::new(tokens),
        revocations,
        clock,
        Arc::new(SystemIds),
    ))
}

/// Who callers are by a store that is only looked at: its sessions and service keys. No issuer is asked, and nothing is made or
/// changed.
pub async fn identity_beside(
    config: &Config,
    store: &Store,
    org: OrgId,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> anyhow::Result<Identity> {
    let keys = keys::session_keys_there(config, store, clock.now()).await?;
    let public_url = &config.server.public_url;
    let tokens = SessionTokens::new(org, public_url, keys, Arc::clone(&clock))?;
    let revocations = Arc::new(Revocations::new(org, Arc::clone(&clock)));
    revocations.refresh(store).await?;
    Ok(Identity::new(Setup {
        org,
        issuers: Vec::new(),
        tokens: Arc::new(tokens),
        revocations,
        store: store.clone(),
        clock,
        ids,
    })?)
}

fn admin_keys(config: &Config) -> Vec<AdminKey> {
    let key = |key: &crate::config::AdminKeyConfig| AdminKey {
        id: key.id.clone(),
        key: key.key.clone(),
        writes: key.writes,
    };
    config.admin_keys.iter().map(key).collect()
}

impl Wired {
    /// One operation of somebody, on this server's own store and ledger.
    pub fn operation<'o>(&'o self, actor: &'o Actor) -> Operation<'o> {
        Operation {
            org: self.org,
            actor,
            store: &self.store,
            ledger: &self.pipeline.ledger,
            clock: &*self.pipeline.clock,
            ids: &*self.pipeline.ids,
        }
    }

    /// People's sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.signin.sessions
    }

    /// Everything clients connect to.
    pub fn router(&self) -> Router {
        let all = inference_routes(Arc::clone(&self.door))
            .merge(signin::routes(Arc::clone(&self.signin)))
            .merge(contract::routes(Arc::clone(&self.contract)));
        let mut router = all.clone();
        for path in &self.base_paths {
            router = router.nest(path, all.clone());
        }
        // An administrator's origin is the console's own, so nothing of it stands under the other paths or is open to Office.
        let console = ::console::router(self.console());
        let door = Arc::clone(&self.door);
        let router = router
            .fallback(move |request| {
                gateway::inference::refused::unknown(Arc::clone(&door), request)
            })
            .layer(axum::middleware::from_fn(cors::for_office))
            .merge(console);
        self.numbered(router)
    }

    /// The same router, every answer of which carries an `x-request-id`.
    pub fn numbered(&self, router: Router) -> Router {
        let door = Arc::clone(&self.door);
        router.layer(axum::middleware::from_fn_with_state(
            door,
            gateway::answers::numbered,
        ))
    }

    /// Adds what the parts count to a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.pipeline.metrics.register(registry);
        self.contract.telemetry.register(registry);
    }

    /// Starts what runs for as long as the process lives. Dropping the set ends all of it.
    pub fn background(self: &Arc<Self>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let store = self.store.clone();
        tasks.spawn(async move { store.listen().await });
        if let Some(desk) = self.desk() {
            tasks.spawn(async move { desk.serve().await });
        }
        let wired = Arc::clone(self);
        tasks.spawn(async move { wired.follow_people().await });
        let wired = Arc::clone(self);
        tasks.spawn(async move {
            wired
                .pipeline
                .rules
                .follow(&wired.store, wired.org, wired.marks)
                .await;
        });
        let wired = Arc::clone(self);
        tasks.spawn(async move { wired.revocations.follow(&wired.store).await });
        let wired = Arc::clone(self);
        tasks.spawn(async move { follow_keys::follow(&wired).await });
        let wired = Arc::clone(self);
        tasks.spawn(async move { wired.pipeline.identity.follow_memberships().await });
        let wired = Arc::clone(self);
        tasks.spawn(async move { wired.pipeline.identity.keep_fresh().await });
        let wired = Arc::clone(self);
        tasks.spawn(async move {
            ship::follow(
                &wired.store,
                wired.org,
                &wired.ledger_dir,
                Arc::clone(&wired.pipeline.ledger),
                wired.from,
            )
            .await;
        });
        let wired = Arc::clone(self);
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_mins(1)).await;
                wired.pipeline.quota.sweep(wired.pipeline.clock.now());
            }
        });
        let wired = Arc::clone(self);
        tasks.spawn(async move {
            loop {
                wired.forget_what_is_over().await;
                tokio::time::sleep(Duration::from_hours(1)).await;
            }
        });
        if let Some((receiver, status)) = self.otlp.clone() {
            let wired = Arc::clone(self);
            tasks.spawn(async move {
                let sink = OtlpSink::new("otlp", receiver);
                let cursor = Cursor::at(wired.ledger_dir.join("otlp.cursor"));
                loop {
                    let durable = wired.pipeline.ledger.durable();
                    let sent = ledger::sinks::run(&sink, &wired.ledger_dir, durable, &cursor, &status);
                    let Err(error) = sent.await else { return };
                    tracing::error!(error = %error, "the ledger cannot be read back for the OTLP sink, which tries again");
                    tokio::time::sleep(Duration::from_millis(limits::LEDGER_PROBE_MS)).await;
                }
            });
        }
        tasks
    }

    /// Opens and ends tasks as people come and go. Replicas that do so at once open one set.
    async fn follow_people(&self) {
        let actor = Actor::command_line("doorward");
        let mut tick = tokio::time::interval(Duration::from_millis(limits::TASKS_FOLLOW_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match control::tasks::follow(&self.operation(&actor)).await {
                Ok(followed) if followed == control::tasks::Followed::default() => {}
                Ok(followed) => tracing::info!(?followed, "tasks for people who come and go"),
                Err(error) => tracing::warn!(error = %error, "tasks are not followed yet"),
            }
        }
    }

    /// Deletes rows that decide nothing any more.
    async fn forget_what_is_over(&self) {
        let now = self.pipeline.clock.now();
        // replicas that could not look for this long believe nobody, so none waits for what is older
        let heard = now.plus_ms(-2 * limits::REVOCATIONS_AGE_MAX_MS);
        let forgotten = async {
            self.store
                .purge_purses(self.org, now.plus_ms(-limits::LEASE_KEPT_MS))
                .await?;
            let revocations = self.store.purge_revocations(self.org, heard).await?;
            let tokens = self.store.purge_refresh_tokens(now).await?;
            let left = now.plus_ms(-limits::DIRECTORY_LEFT_MS);
            self.store.purge_directory(self.org, heard, left).await?;
            Ok::<_, store::StoreError>((revocations, tokens))
        };
        match forgotten.await {
            Ok((revocations, tokens)) => {
                tracing::debug!(revocations, tokens, "what is over is forgotten");
            }
            Err(error) => tracing::warn!(error = %error, "what is over is not forgotten yet"),
        }
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

    /// What keeps the process from serving well; empty when nothing does.
    pub async fn not_ready(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.store.ping().await.is_err() {
            missing.push("the store does not answer".to_owned());
        }
        if !self.pipeline.ledger.status().available {
            missing.push("the ledger cannot be written".to_owned());
        }
        if !self.revocations.is_current(self.pipeline.clock.now()) {
            missing.push("revocations have not been read for too long".to_owned());
        }
        missing
    }

    /// What some of our callers must do without, though the rest are served.
    pub fn impaired(&self) -> Vec<String> {
        let issuers = self.pipeline.identity.issuers().iter();
        issuers
            .filter(|issuer| !issuer.state().usable)
            .map(|issuer| {
                let name = issuer.name();
                format!(
                    "the keys of the issuer {name} cannot be read, and its tokens are not accepted"
                )
            })
            .collect()
    }

    /// What is read at the moment of asking, in OpenMetrics text.
    pub fn gauges(&self) -> String {
        let mut text = String::new();
        let now = self.pipeline.clock.now();
        let from_disk = self.pipeline.rules.from_disk();
        let _ = write!(
            text,
            "# HELP doorward_policy_from_disk Whether the store's policy cannot be read and the last good one is in force.\n\
             # TYPE doorward_policy_from_disk gauge\n\
             doorward_policy_from_disk {}\n\
             # HELP doorward_policy_from_disk_age_seconds How long ago that one was applied; 0 when the store's is in force.\n\
             # TYPE doorward_policy_from_disk_age_seconds gauge\n\
             doorward_policy_from_disk_age_seconds {}\n",
            u8::from(from_disk.is_some()),
            from_disk.map_or(0, |applied| now.ms_since(applied) / 1_000)
        );
        self.write_replica_gauges(&mut text);
        let ledger = self.pipeline.ledger.status();
        let _ = write!(
            text,
            "# HELP doorward_ledger_available Whether records can be written.\n# TYPE doorward_ledger_available gauge\n\
             doorward_ledger_available {}\n\
             # HELP doorward_ledger_waiting Records that wait for the disk.\n# TYPE doorward_ledger_waiting gauge\n\
             doorward_ledger_waiting {}\n\
             # HELP doorward_ledger_durable The last durable record.\n# TYPE doorward_ledger_durable gauge\n\
             doorward_ledger_durable {}\n",
            u8::from(ledger.available),
            ledger.waiting,
            ledger.durable.seq
        );
        if let Some((_, status)) = &self.otlp {
            let status = status.status();
            let _ = write!(
                text,
                "# HELP doorward_sink_lag Records the OTLP sink has not sent.\n# TYPE doorward_sink_lag gauge\n\
                 doorward_sink_lag{{sink=\"otlp\"}} {}\n\
                 # HELP doorward_sink_refused Records the sink refused for good since the start.\n# TYPE doorward_sink_refused gauge\n\
                 doorward_sink_refused{{sink=\"otlp\"}} {}\n",
                // By the ledger's own end: the sink looks at it only when it tries.
                ledger.durable.seq.saturating_sub(status.sent_seq),
                status.refused_records
            );
        }
        text.push_str("# HELP doorward_upstream_healthy Whether a provider is tried.\n# TYPE doorward_upstream_healthy gauge\n");
        for (name, healthy) in self.upstreams.states() {
            let name = name.replace(['"', '\\', '\n'], "_");
            let _ = writeln!(
                text,
                "doorward_upstream_healthy{{upstream=\"{name}\"}} {}",
                u8::from(healthy)
            );
        }
        text
    }
}
