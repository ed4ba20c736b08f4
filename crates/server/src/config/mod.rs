//! `doorward.toml`: what the process stands on. Daily policy is not here; it lives in the store.
//!
//! Every section is read by itself, so that all mistakes are found at once, each with its line where it has one. Secrets are
//! written as references, `${ENV}` or `file:/path`, never as themselves.

mod connectors;
mod secrets;
mod several;
mod shape;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ::connectors::oauth::ConnectorClient;
use ::connectors::stdio::ConnectorProgram;
use control::notices::NoticeKind;
use domain::Timestamp;
use domain::acceptable_use::Installation;
use gateway::inference::catalogue::Model;
use gateway::signin::programs::KnownProgram;
use gateway::upstream::UpstreamConfig;
use ipnet::IpNet;
use pipeline::identity::IssuerConfig;
use secrecy::SecretString;
use serde::Deserialize;

pub(crate) use secrets::fetch as referred;
pub use several::{Named, load_all, meetings};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the process is to the outside.
    pub server: ServerConfig,
    /// Where it keeps things.
    pub store: StoreConfig,
    /// Where the ledger goes.
    pub ledger: LedgerConfig,
    /// Who vouches for callers.
    pub issuers: Vec<IssuerConfig>,
    /// The providers, in the order of trying.
    pub upstreams: Vec<UpstreamConfig>,
    /// Where each one's secret was read, where it has one; in the same order.
    pub upstream_secrets: Vec<Option<SecretSource>>,
    /// Models of the company's own names.
    pub models: Vec<Model>,
    /// Keys of the spend-limit endpoints.
    pub admin_keys: Vec<AdminKeyConfig>,
    /// Who is told of calls that wait for approval.
    pub notices: Vec<NoticeConfig>,
    /// Programs that call connectors and were set up here.
    pub oauth_clients: Vec<KnownProgram>,
    /// Secrets that the policy's connectors name.
    pub connector_secrets: Vec<ConnectorSecretConfig>,
    /// Doorward's own clients at connectors' authorization servers, where one was registered by hand.
    pub connector_clients: Vec<ConnectorClient>,
    /// Authorization servers in the company's own network that connectors may name.
    pub connector_issuers: Vec<ConnectorIssuerConfig>,
    /// Programs that may be connectors.
    pub connector_programs: Vec<ConnectorProgram>,
}

impl Config {
    /// What it says about the recording of people's use.
    pub fn as_recorded(&self) -> Installation {
        let host = |otlp: &OtlpConfig| otlp.url.host_str().map(str::to_owned);
        Installation {
            sent_to: self.ledger.otlp.iter().filter_map(host).collect(),
        }
    }

    /// How many identity providers vouch for people.
    pub fn issuers_for_people(&self) -> usize {
        let for_people = |issuer: &&IssuerConfig| issuer.vouches_for_people();
        self.issuers.iter().filter(for_people).count()
    }
}

/// Where a secret was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSource {
    /// In words, never the secret: `the environment variable ANTHROPIC_KEY`.
    pub place: String,
    /// When its file was last written, where it is one.
    pub written: Option<Timestamp>,
}

/// `[server]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// The origin clients use, `https://ai.example.org`. Never taken from a request.
    pub public_url: String,
    /// The organisation's name, for pages.
    #[serde(default = "default_org")]
    pub org: String,
    /// Where clients connect.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where operators connect: metrics, health.
    #[serde(default = "default_ops")]
    pub ops: SocketAddr,
    /// Paths under which everything is offered as well, such as `/claude`.
    #[serde(default)]
    pub base_paths: Vec<String>,
    /// Proxies whose `x-forwarded-for` is believed.
    #[serde(default)]
    pub trusted_proxies: Vec<IpNet>,
    /// A notice that clients show at sign-in, at most 500 characters.
    #[serde(default)]
    pub login_notice: Option<String>,
    /// Our certificate and key; without them something in front of us must do TLS, or all is on this machine.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// A price list to use instead of the shipped one.
    #[serde(default)]
    pub prices: Option<PathBuf>,
    /// Seconds between the order to stop, from which on `/readyz` says no, and the last new connection.
    #[serde(default)]
    pub leave_s: u64,
    /// Seconds that streams may go on after that.
    #[serde(default = "default_drain_s")]
    pub drain_s: u64,
}

/// `[server.tls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// `[store]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// `sqlite:<path>` or a reference to a `postgres://…` address.
    pub url: SecretString,
    /// 64 hex digits that seal the secrets in the store. With SQLite it may be left out; a key file is then made beside the
    /// database.
    #[serde(default)]
    pub master_key: Option<SecretString>,
    /// The key before it, while what it sealed is sealed anew.
    #[serde(default)]
    pub master_key_before: Option<SecretString>,
}

/// `[ledger]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerConfig {
    /// Its folder.
    pub dir: PathBuf,
    /// An OTLP/HTTP receiver for logs, such as `https://collector.example.org/v1/logs`.
    #[serde(default)]
    pub otlp: Option<OtlpConfig>,
}

/// `[ledger.otlp]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtlpConfig {
    /// The address.
    pub url: url::Url,
    /// A bearer token for it.
    #[serde(default)]
    pub bearer: Option<SecretString>,
}

/// `[[admin_key]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminKeyConfig {
    /// What the audit calls it.
    pub id: String,
    /// At least 32 characters.
    pub key: SecretString,
    /// Whether it may change limits.
    #[serde(default)]
    pub writes: bool,
}

/// `[[notice]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeConfig {
    /// What the log calls it.
    pub name: String,
    /// The form that it takes.
    pub kind: NoticeKind,
    /// Its address, a secret where it opens a chat by itself.
    pub url: SecretString,
    /// What signs the messages, at least 32 characters.
    #[serde(default)]
    pub secret: Option<SecretString>,
}

/// `[[connector_secret]]`: one header that Doorward sends to connectors whose policy entry names it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorSecretConfig {
    /// What the policy calls it.
    pub name: String,
    /// The origin that it is for, such as `https://mcp.example.org`: whoever writes the policy sends it nowhere else.
    pub origin: url::Url,
    /// The header.
    #[serde(default = "default_secret_header")]
    pub header: String,
    /// The header's whole value, such as `Bearer …`.
    pub value: SecretString,
}

/// `[[connector_issuer]]`: an authorization server in the company's own network. What a connector names beside these, its own origin and
/// the issuer of its `[[connector_client]]` must be on the public Internet.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorIssuerConfig {
    /// Its origin, such as `https://login.example.org`.
    pub origin: url::Url,
}

fn default_secret_header() -> String {
    "authorization".to_owned()
}

fn default_org() -> String {
    "default".to_owned()
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn default_ops() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9090))
}

const fn default_drain_s() -> u64 {
    30
}

const SECTIONS: [&str; 13] = [
    "server",
    "store",
    "ledger",
    "issuer",
    "upstream",
    "model",
    "admin_key",
    "notice",
    "oauth_client",
    "connector_secret",
    "connector_client",
    "connector_issuer",
    "connector_program",
];

/// Whose secrets are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needed {
    /// Everyone's.
    All,
    /// The store's; every other one stays the reference that it is.
    OfStore,
}

/// Reads a file. On failure every mistake, one line each.
pub fn load(path: &Path) -> Result<Config, Vec<String>> {
    load_with(path, Needed::All)
}

/// As [`load`], for whoever asks no provider and no identity provider: their secrets need not be there, and stay references.
pub fn load_for_store(path: &Path) -> Result<Config, Vec<String>> {
    load_with(path, Needed::OfStore)
}

fn load_with(path: &Path, needed: Needed) -> Result<Config, Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| vec![unread(path, &error)])?;
    read_with(&text, needed).map_err(|mistakes| {
        mistakes
            .into_iter()
            .map(|what| format!("{}: {what}", path.display()))
            .collect()
    })
}

// One section of the file each, so that a mistake in one does not hide those in another.

#[derive(Deserialize)]
struct Server {
    server: ServerConfig,
}

#[derive(Deserialize)]
struct Store {
    store: StoreConfig,
}

#[derive(Deserialize)]
struct Ledger {
    ledger: LedgerConfig,
}

#[derive(Deserialize)]
struct Issuers {
    #[serde(default)]
    issuer: Vec<IssuerConfig>,
}

#[derive(Deserialize)]
struct Upstreams {
    #[serde(default)]
    upstream: Vec<UpstreamConfig>,
}

#[derive(Deserialize)]
struct Models {
    #[serde(default)]
    model: Vec<Model>,
}

#[derive(Deserialize)]
struct AdminKeys {
    #[serde(default)]
    admin_key: Vec<AdminKeyConfig>,
}

#[derive(Deserialize)]
struct Notices {
    #[serde(default)]
    notice: Vec<NoticeConfig>,
}

#[derive(Deserialize)]
struct OauthClients {
    #[serde(default)]
    oauth_client: Vec<KnownProgram>,
}

#[derive(Deserialize)]
struct ConnectorSecrets {
    #[serde(default)]
    connector_secret: Vec<ConnectorSecretConfig>,
}

#[derive(Deserialize)]
struct ConnectorClients {
    #[serde(default)]
    connector_client: Vec<ConnectorClient>,
}

#[derive(Deserialize)]
struct ConnectorIssuers {
    #[serde(default)]
    connector_issuer: Vec<ConnectorIssuerConfig>,
}

#[derive(Deserialize)]
struct ConnectorPrograms {
    #[serde(default)]
    connector_program: Vec<ConnectorProgram>,
}

fn unread(path: &Path, error: &std::io::Error) -> String {
    let path = path.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => format!(
            "{path}: there is no such file; `doorward setup` makes one in a walk through a browser, --config FILE names another, and examples/doorward.toml has every key"
        ),
        _ => format!("{path}: {error}"),
    }
}

/// Reads a text.
pub fn read(text: &str) -> Result<Config, Vec<String>> {
    read_with(text, Needed::All)
}

fn read_with(text: &str, needed: Needed) -> Result<Config, Vec<String>> {
    let mut mistakes = Vec::new();
    let Some(root) = shape::parse(text, &mut mistakes) else {
        return Err(mistakes);
    };
    let keys = root.get_ref().keys();
    let unknown = keys.filter(|key| !SECTIONS.contains(&&**key.get_ref()));
    mistakes.extend(unknown.map(|key| unknown_section(text, key)));
    let server =
        shape::section::<Server>(text, &root, "server", &mut mistakes).map(|found| found.server);
    let store =
        shape::section::<Store>(text, &root, "store", &mut mistakes).map(|found| found.store);
    let ledger =
        shape::section::<Ledger>(text, &root, "ledger", &mut mistakes).map(|found| found.ledger);
    let issuers =
        shape::section::<Issuers>(text, &root, "issuer", &mut mistakes).map(|found| found.issuer);
    let upstreams = shape::section::<Upstreams>(text, &root, "upstream", &mut mistakes)
        .map(|found| found.upstream);
    let models =
        shape::section::<Models>(text, &root, "model", &mut mistakes).map(|found| found.model);
    let admin_keys = shape::section::<AdminKeys>(text, &root, "admin_key", &mut mistakes)
        .map(|found| found.admin_key);
    let notices =
        shape::section::<Notices>(text, &root, "notice", &mut mistakes).map(|found| found.notice);
    let around_connectors = around_connectors(text, &root, &mut mistakes);
    let (
        Some(server),
        Some(store),
        Some(ledger),
        Some(issuers),
        Some(upstreams),
        Some(models),
        Some(admin_keys),
        Some(notices),
        Some((oauth_clients, around_connectors)),
    ) = (
        server,
        store,
        ledger,
        issuers,
        upstreams,
        models,
        admin_keys,
        notices,
        around_connectors,
    )
    else {
        return Err(mistakes);
    };
    let config = Config {
        server,
        store,
        ledger,
        issuers,
        upstream_secrets: upstreams.iter().map(secrets::source).collect(),
        upstreams,
        models,
        admin_keys,
        notices,
        oauth_clients,
        connector_secrets: around_connectors.secrets,
        connector_clients: around_connectors.clients,
        connector_issuers: around_connectors.issuers,
        connector_programs: around_connectors.programs,
    };
    checked(config, needed, mistakes)
}

/// With its secrets, if nothing of it is a mistake.
fn checked(
    mut config: Config,
    needed: Needed,
    mut mistakes: Vec<String>,
) -> Result<Config, Vec<String>> {
    secrets::resolve(&mut config, needed, &mut mistakes);
    check(&config, &mut mistakes);
    if mistakes.is_empty() {
        Ok(config)
    } else {
        Err(mistakes)
    }
}

/// What connectors are sent, as whom people authorise Doorward there and where, and the programs that are some.
struct AroundConnectors {
    secrets: Vec<ConnectorSecretConfig>,
    clients: Vec<ConnectorClient>,
    issuers: Vec<ConnectorIssuerConfig>,
    programs: Vec<ConnectorProgram>,
}

/// The programs that call connectors, and what is around connectors themselves.
fn around_connectors(
    text: &str,
    root: &toml::Spanned<toml::de::DeTable<'_>>,
    mistakes: &mut Vec<String>,
) -> Option<(Vec<KnownProgram>, AroundConnectors)> {
    let callers = shape::section::<OauthClients>(text, root, "oauth_client", mistakes);
    let secrets = shape::section::<ConnectorSecrets>(text, root, "connector_secret", mistakes);
    let clients = shape::section::<ConnectorClients>(text, root, "connector_client", mistakes);
    let issuers = shape::section::<ConnectorIssuers>(text, root, "connector_issuer", mistakes);
    let programs = shape::section::<ConnectorPrograms>(text, root, "connector_program", mistakes);
    let around = AroundConnectors {
        secrets: secrets?.connector_secret,
        clients: clients?.connector_client,
        issuers: issuers?.connector_issuer,
        programs: programs?.connector_program,
    };
    Some((callers?.oauth_client, around))
}

fn unknown_section(text: &str, key: &toml::Spanned<std::borrow::Cow<'_, str>>) -> String {
    format!(
        "{}: unknown section `{}`; the sections are {}",
        shape::line(text, Some(key.span())),
        key.get_ref(),
        SECTIONS.join(", ")
    )
}

/// Names below `localhost` are this machine's as well (RFC 6761, section 6.3).
fn is_on_this_machine(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What is wrong with an origin that clients are to use.
pub(crate) fn public_url_mistake(origin: &str) -> Option<&'static str> {
    match url::Url::parse(origin) {
        Ok(url) if url.origin().ascii_serialization() == origin => {
            let is_readable = url.scheme() == "http" && !is_on_this_machine(&url);
            is_readable.then_some("must be https; clients send their sign-in to it")
        }
        _ => Some(
            "must be an origin such as https://ai.example.org, without a path or slash at its end",
        ),
    }
}

fn check(config: &Config, mistakes: &mut Vec<String>) {
    let server = &config.server;
    if let Some(mistake) = public_url_mistake(&server.public_url) {
        mistakes.push(format!("server.public_url: {mistake}"));
    }
    for path in &server.base_paths {
        if !path.starts_with('/') || path.ends_with('/') || path.contains(['{', '}', '*']) {
            mistakes.push(format!(
                "server.base_paths: `{path}` must begin with a slash and not end with one"
            ));
        }
    }
    if server
        .login_notice
        .as_ref()
        .is_some_and(|notice| notice.chars().count() > domain::limits::LOGIN_NOTICE_CHARS_MAX)
    {
        mistakes.push("server.login_notice: is longer than 500 characters".to_owned());
    }
    if !server.ops.ip().is_loopback() {
        mistakes.push("server.ops: must be a loopback address; metrics need no sign-in".to_owned());
    }
    if server.ops == server.listen {
        mistakes.push(
            "server.ops: is server.listen; clients and operators need an address each".to_owned(),
        );
    }
    connectors::check(config, mistakes);
    for mistake in pipeline::identity::config::mistakes(&config.issuers) {
        mistakes.push(format!("issuer: {mistake}"));
    }
    for (index, client) in config.oauth_clients.iter().enumerate() {
        if let Some(mistake) = client.mistake(&server.public_url) {
            mistakes.push(format!("oauth_client[{index}].{mistake}"));
        }
        let mut before = config.oauth_clients[..index].iter();
        if before.any(|other| other.id == client.id) {
            mistakes.push(format!(
                "oauth_client[{index}].id: `{}` stands twice",
                client.id
            ));
        }
    }
    for (index, upstream) in config.upstreams.iter().enumerate() {
        if let Err(error) = upstream.check() {
            mistakes.push(format!("upstream[{index}]: {error}"));
        }
        if config.upstreams[..index]
            .iter()
            .any(|other| other.name == upstream.name)
        {
            mistakes.push(format!(
                "upstream[{index}].name: `{}` stands twice",
                upstream.name
            ));
        }
    }
    if config.upstreams.is_empty() {
        mistakes.push("upstream: at least one provider is needed".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [server]
        public_url = "http://127.0.0.1:8080"
        [store]
        url = "sqlite:/tmp/x.db"
        [ledger]
        dir = "/tmp/ledger"
        [[upstream]]
        name = "a"
        provider = "anthropic"
        auth = { api_key = "${DOORWARD_TEST_ABSENT}" }
    "#;

    #[test]
    fn an_absent_variable_is_named_and_not_guessed() {
        let mistakes = read(GOOD).unwrap_err();
        assert_eq!(
            mistakes,
            ["upstream[0].auth: the environment variable DOORWARD_TEST_ABSENT is not set"]
        );
    }

    #[test]
    fn a_command_of_the_store_needs_the_stores_secrets_alone() {
        let config = read_with(GOOD, Needed::OfStore).unwrap();
        assert_eq!(config.upstreams.len(), 1);
        let text = GOOD.replace("sqlite:/tmp/x.db", "${DOORWARD_TEST_ABSENT}");
        assert_eq!(
            read_with(&text, Needed::OfStore).unwrap_err(),
            ["store.url: the environment variable DOORWARD_TEST_ABSENT is not set"]
        );
    }

    #[test]
    fn a_key_that_is_absent_is_one_mistake_and_one_that_is_short_another() {
        let auth = "{ managed_identity = {} }";
        let sound = GOOD.replace(r#"{ api_key = "${DOORWARD_TEST_ABSENT}" }"#, auth);
        let check = |variable: &str, what: &str| {
            let key = format!("[[admin_key]]\nid = \"finance\"\nkey = \"{variable}\"\n");
            let mistakes = read(&format!("{sound}\n{key}")).unwrap_err();
            assert_eq!(mistakes, [format!("admin_key[0].key: {what}")]);
        };
        check(
            "${DOORWARD_TEST_ABSENT}",
            "the environment variable DOORWARD_TEST_ABSENT is not set",
        );
        check("file:/dev/null", "needs at least 32 characters");
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_what_to_do() {
        let mistakes = load(Path::new("/nowhere/doorward.toml")).unwrap_err();
        assert_eq!(mistakes.len(), 1);
        for part in ["/nowhere/doorward.toml: there", "--config", "examples/"] {
            assert!(mistakes[0].contains(part), "{mistakes:?}");
        }
    }

    #[test]
    fn a_secret_written_as_itself_is_refused_and_not_repeated() {
        let text = GOOD.replace("${DOORWARD_TEST_ABSENT}", "sk-very-secret");
        let mistakes = read(&text).unwrap_err().join("\n");
        assert!(
            mistakes.contains("upstream[0].auth") && !mistakes.contains("very-secret"),
            "{mistakes}"
        );
    }

    #[test]
    fn a_secret_that_would_be_sent_in_clear_text_is_refused() {
        let auth = "{ client_secret = { tenant = 't', client_id = 'c', client_secret = '${PATH}', authority = 'http://login.example' } }";
        let text = GOOD.replace(r#"{ api_key = "${DOORWARD_TEST_ABSENT}" }"#, auth);
        assert_eq!(
            read(&text).unwrap_err(),
            [
                "upstream[0]: `auth.client_secret.authority` of upstream a is http to another machine; use https"
            ]
        );
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let text = r#"
            sever = 1
            [server]
            public_url = "http://ai.example.org/path"
            ops = "0.0.0.0:9090"
            [store]
            url = "sqlite:/tmp/x.db"
            colour = "red"
            [ledger]
            dir = 5
        "#;
        let mistakes = read(text).unwrap_err().join("\n");
        for part in [
            "line 2: unknown section `sever`",
            "line 8: store.colour: unknown field `colour`",
            "line 10: ledger.dir: invalid type",
        ] {
            assert!(mistakes.contains(part), "{part} is missing in\n{mistakes}");
        }
    }
}
