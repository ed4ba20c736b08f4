//! The demo's world: the fakes, the folder, the configuration, and Doorward running on it as it runs anywhere.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use control::Actor;
use control::policies::{self, Applied};
use control::scim_tokens::{self, NewScimToken};
use domain::{Clock, Ids};
use pipeline::identity::{config::vouching, hex};
use secrecy::{ExposeSecret as _, SecretString};
use testkit::idp::{App, demo_people};
use testkit::net::free_port;
use testkit::{Directory, FakeClock, Idp, McpServer, Person, Provider};

use super::crm;
use super::past::{self, Made};
use crate::commands::{Running, start};
use crate::config::{self, Config};
use crate::policy_command::Here;
use crate::system::{SystemClock, SystemIds};
use crate::wiring;

/// The application Claude Desktop signs in with.
pub const DESKTOP_CLIENT: &str = "doorward-desktop";
const GATEWAY_CLIENT: &str = "doorward-gateway";
const ORG: &str = "Northwind Association";

/// Everything around Doorward, set up for it to start.
#[derive(Debug)]
pub struct Stage {
    /// Where clients will connect.
    pub base: String,
    /// Where operators will connect.
    pub ops: String,
    /// The identity provider.
    pub idp: Idp,
    /// The provider that is tried first.
    pub first: Provider,
    /// The provider that is tried when the first fails.
    pub second: Provider,
    /// The CRM that is a connector.
    pub crm: McpServer,
    /// The first provider's key, which no client may ever see.
    pub provider_key: String,
    /// A key of the spend-limit endpoints.
    pub admin_key: String,
    /// The company's directory, which provisions by SCIM.
    pub directory: Directory,
    /// The configuration to run on.
    pub config: Config,
    /// The folder; gone when this is dropped.
    pub dir: TempFolder,
}

/// Where clients and operators will connect, and the organisation's name.
#[derive(Debug, Clone)]
pub struct At {
    /// The origin that clients use.
    pub base: String,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where operators connect.
    pub ops: SocketAddr,
    /// The name.
    pub org: String,
}

/// The stage, and Doorward running on it.
#[derive(Debug)]
pub struct World {
    /// Everything around it.
    pub stage: Stage,
    /// Doorward.
    pub running: Running,
}

impl std::ops::Deref for World {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Stage {
    /// Sets everything up; `port` 0 takes any free one.
    pub async fn set(port: u16) -> anyhow::Result<Self> {
        Self::set_on(port, None).await
    }

    /// The same, on an empty PostgreSQL database when its address is given.
    pub async fn set_on(port: u16, postgres: Option<&str>) -> anyhow::Result<Self> {
        let (listen, ops) = (free(port)?, free(0)?);
        let at = At {
            base: format!("http://{listen}"),
            listen,
            ops,
            org: ORG.to_owned(),
        };
        let mut key = [0u8; 32];
        SystemIds.fill(&mut key);
        Box::pin(Self::set_at(at, postgres.map(|url| (url, key)))).await
    }

    /// On SQLite, with the sample data of the weeks before now ([`past`]).
    pub async fn set_with_past(port: u16) -> anyhow::Result<(Self, Made)> {
        let (listen, ops) = (free(port)?, free(0)?);
        let at = At {
            base: format!("http://{listen}"),
            listen,
            ops,
            org: ORG.to_owned(),
        };
        let now = SystemClock.now();
        let begun: Arc<dyn Clock> = Arc::new(FakeClock::at(past::beginning(now)));
        let stage = Box::pin(Self::set_since(begun, at, None)).await?;
        let made = Box::pin(past::make(&stage.config, &stage.crm.url(), now)).await?;
        Ok((stage, made))
    }

    /// The same at a place that is decided; on PostgreSQL with the key of a database that may hold other organisations.
    pub async fn set_at(at: At, postgres: Option<(&str, [u8; 32])>) -> anyhow::Result<Self> {
        Self::set_since(Arc::new(SystemClock), at, postgres).await
    }

    /// The same, with the first policy put in force by another clock.
    async fn set_since(
        begun: Arc<dyn Clock>,
        at: At,
        postgres: Option<(&str, [u8; 32])>,
    ) -> anyhow::Result<Self> {
        let base = at.base.clone();
        let ops = at.ops;
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) =
            (Arc::new(SystemClock), Arc::new(SystemIds));
        let dir = TempFolder::new("demo", &*ids)?;
        let secret = random(&*ids);
        let idp = Idp::builder(Arc::clone(&clock), Arc::clone(&ids))
            .people(demo_people())
            .person(
                Person::new("edsger", "Edsger Dijkstra", "edsger@northwind.example").group("trial"),
            )
            .person(
                Person::new("frida", "Frida Lindqvist", "frida@northwind.example")
                    .group("auditors"),
            )
            .app(App::web(
                GATEWAY_CLIENT,
                &secret,
                &format!("{base}/oauth/callback"),
            ))
            .app(App::native(DESKTOP_CLIENT, "http://127.0.0.1/callback"))
            .start()?;
        let (provider_key, second_key, admin_key) = (random(&*ids), random(&*ids), random(&*ids));
        let first = Provider::anthropic(Arc::clone(&clock))
            .key(&provider_key)
            .start()?;
        let second = Provider::anthropic(Arc::clone(&clock))
            .key(&second_key)
            .start()?;

        for (name, text) in [
            ("idp.secret", &secret),
            ("first.key", &provider_key),
            ("second.key", &second_key),
            ("admin.key", &admin_key),
        ] {
            dir.write(name, text)?;
        }
        let mut text = configuration(&dir, &at, &idp, &first, &second);
        if let Some(postgres) = postgres {
            text = on_postgres(&dir, &text, postgres)?;
        }
        dir.write("doorward.toml", &text)?;
        let config = config::load(&dir.path().join("doorward.toml"))
            .map_err(|mistakes| anyhow::anyhow!(mistakes.join("\n")))?;
        apply_policy(&config, Arc::clone(&begun), Arc::clone(&ids)).await?;
        let token = directory_token(&config, begun, Arc::clone(&ids)).await?;
        Ok(Self {
            directory: Directory::new(&base, token.expose_secret()),
            base,
            ops: format!("http://{ops}"),
            idp,
            first,
            second,
            crm: McpServer::crm(crm::tools())?,
            provider_key,
            admin_key,
            config,
            dir,
        })
    }

    /// The configuration's file.
    pub fn config_file(&self) -> std::path::PathBuf {
        self.dir.path().join("doorward.toml")
    }
}

impl World {
    /// Starts everything; `port` 0 takes any free one.
    pub async fn start(port: u16) -> anyhow::Result<Self> {
        Self::on(Stage::set(port).await?).await
    }

    /// Starts Doorward on a stage that is set.
    pub async fn on(stage: Stage) -> anyhow::Result<Self> {
        let running = start(&stage.config).await?;
        Ok(Self { stage, running })
    }

    /// Stops Doorward in good order, then the rest.
    pub async fn stop(self, drain: Duration) -> anyhow::Result<()> {
        self.running.stop(drain).await?;
        self.stage.first.stop().await;
        self.stage.second.stop().await;
        self.stage.crm.stop().await;
        Ok(())
    }
}

/// Applies the demo's policy the way anybody would: through the same function as the command line. The store must be empty.
pub async fn apply_policy(
    config: &Config,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> anyhow::Result<()> {
    let control = wiring::admin(config, clock, ids).await?;
    let actor = Actor::command_line("the demo");
    let operation = control.operation(&actor);
    let applied = policies::apply(
        &operation,
        include_str!("policy.toml"),
        "the demo's own rules",
        None,
        &Here::of(config),
    )
    .await?;
    control.store.close().await;
    anyhow::ensure!(applied == Applied::Version(1), "the store was not empty");
    Ok(())
}

/// The configuration with another store, whose address and sealing key stand in files of their own.
fn on_postgres(
    dir: &TempFolder,
    text: &str,
    (url, key): (&str, [u8; 32]),
) -> anyhow::Result<String> {
    dir.write("store.url", url)?;
    dir.write("store.key", &hex(&key))?;
    let folder = dir.path().display();
    let sqlite = format!("url = \"sqlite:{folder}/doorward.db\"");
    let postgres =
        format!("url = \"file:{folder}/store.url\"\nmaster_key = \"file:{folder}/store.key\"");
    Ok(text.replace(&sqlite, &postgres))
}

/// A token for the demo's directory, made as an operator makes it.
async fn directory_token(
    config: &Config,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> anyhow::Result<SecretString> {
    let control = wiring::admin(config, clock, ids).await?;
    let actor = Actor::command_line("the demo");
    let operation = control.operation(&actor);
    let new = NewScimToken {
        issuer: "northwind".to_owned(),
        tenant: None,
        name: "northwind's directory".to_owned(),
        days: None,
    };
    let (_, secret) = scim_tokens::create(&operation, &vouching(&config.issuers), new).await?;
    control.store.close().await;
    Ok(secret)
}

fn configuration(
    dir: &TempFolder,
    At {
        base,
        listen,
        ops,
        org,
    }: &At,
    idp: &Idp,
    first: &Provider,
    second: &Provider,
) -> String {
    let dir = dir.path().display();
    format!(
        r#"# Written by `doorward demo`.
[server]
public_url = "{base}"
org = "{org}"
listen = "{listen}"
ops = "{ops}"
base_paths = ["/claude"]
login_notice = "Use Claude for Northwind's work. What you ask is checked for secrets and never kept."
drain_s = 2

[store]
url = "sqlite:{dir}/doorward.db"

[ledger]
dir = "{dir}/ledger"

[[issuer]]
name = "northwind"
issuer = "{issuer}"
audiences = ["{GATEWAY_CLIENT}", "{DESKTOP_CLIENT}"]
client_id = "{GATEWAY_CLIENT}"
client_secret = "file:{dir}/idp.secret"

[[upstream]]
name = "first"
provider = "anthropic"
base_url = "{first}"
auth = {{ api_key = "file:{dir}/first.key" }}

[[upstream]]
name = "second"
provider = "anthropic"
base_url = "{second}"
auth = {{ api_key = "file:{dir}/second.key" }}

[[admin_key]]
id = "demo"
key = "file:{dir}/admin.key"
writes = true
"#,
        issuer = idp.issuer(),
        first = first.url(),
        second = second.url(),
    )
}

/// A loopback address that is free now.
pub(super) fn free(port: u16) -> anyhow::Result<SocketAddr> {
    if port == 0 {
        return Ok(SocketAddr::from(([127, 0, 0, 1], free_port()?)));
    }
    let socket =
        TcpListener::bind(("127.0.0.1", port)).with_context(|| format!("port {port} is taken"))?;
    Ok(socket.local_addr()?)
}

fn random(ids: &dyn Ids) -> String {
    let mut bytes = [0u8; 24];
    ids.fill(&mut bytes);
    hex(&bytes)
}

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub struct TempFolder(std::path::PathBuf);

impl TempFolder {
    /// A new folder that only we can enter; `what` is for whoever looks through temporary files.
    pub fn new(what: &str, ids: &dyn Ids) -> anyhow::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = std::env::temp_dir().join(format!("doorward-{what}-{}", &random(ids)[..12]));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        ledger::private::write(&self.0.join(name), text.as_bytes())
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's folder for temporary things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
