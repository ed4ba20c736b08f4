//! The configuration as the console shows it: each value with the key of the file that says it, and of a secret its class alone. Every
//! section is taken apart field by field, so that a new field does not compile before somebody decides how it is shown.

use ::connectors::oauth::ConnectorClient;
use ::connectors::stdio::ConnectorProgram;
use control::installation::{SettingFact, SettingSection, SettingValue};
use control::notices::NoticeKind;
use gateway::signin::programs::KnownProgram;
use gateway::upstream::{AuthConfig, ProviderKind, UpstreamConfig};
use pipeline::identity::config::{EntraConfig, WorkloadRule};
use pipeline::identity::{IssuerConfig, IssuerKind};
use secrecy::{ExposeSecret as _, SecretString};

use super::console::without_credentials;
use crate::config::{
    AdminKeyConfig, Config, ConnectorIssuerConfig, ConnectorSecretConfig, LedgerConfig,
    NoticeConfig, OtlpConfig, ServerConfig, StoreConfig, TlsConfig,
};

/// Everything that is in force.
pub(super) fn in_force(config: &Config) -> Vec<SettingSection> {
    let Config {
        server,
        store,
        ledger,
        issuers,
        upstreams,
        // Where each one's secret was read stands with the upstream, on the page of models.
        upstream_secrets: _,
        models,
        admin_keys,
        notices,
        oauth_clients,
        connector_secrets,
        connector_clients,
        connector_issuers,
        connector_programs,
    } = config;
    let mut sections = vec![of_server(server), of_store(store), of_ledger(ledger)];
    sections.extend(issuers.iter().map(of_issuer));
    sections.extend(upstreams.iter().map(of_upstream));
    if !models.is_empty() {
        let model = |model: &gateway::inference::catalogue::Model| {
            text(&format!("model “{}”", model.id), &model.display_name)
        };
        sections.push(section(
            "Models of the company's own names",
            "what clients call them",
            models.iter().map(model).collect(),
        ));
    }
    if !admin_keys.is_empty() {
        let facts = admin_keys.iter().map(of_admin_key).collect();
        sections.push(section(
            "Keys of the spend-limit endpoints",
            "who holds one sets spend limits as far as it writes",
            facts,
        ));
    }
    if !notices.is_empty() {
        let fact = |notice: &NoticeConfig| {
            secret(
                &format!("notice “{}”", notice.name),
                match notice.kind {
                    NoticeKind::Webhook => "an address that is sent signed messages",
                    NoticeKind::Teams => "an address of a Teams workflow",
                    NoticeKind::Slack => "an address of a Slack webhook",
                    NoticeKind::Mail => "an address of something that sends mail",
                },
            )
        };
        sections.push(section(
            "Who is told of calls that wait for approval",
            "names, a time and the page, never an argument",
            notices.iter().map(fact).collect(),
        ));
    }
    sections.extend(oauth_clients.iter().map(of_program));
    if !connector_secrets.is_empty() {
        let facts = connector_secrets.iter().map(of_connector_secret).collect();
        sections.push(section(
            "Secrets of connectors",
            "headers that Doorward sends to connectors whose policy entry names them",
            facts,
        ));
    }
    sections.extend(connector_clients.iter().map(of_connector_client));
    sections.extend(of_connector_issuers(connector_issuers));
    sections.extend(connector_programs.iter().map(of_connector_program));
    sections
}

/// A program that calls connectors.
fn of_program(program: &KnownProgram) -> SettingSection {
    let KnownProgram {
        id,
        name,
        redirect_uris,
        secret,
    } = program;
    let is_public = (
        "OAuth client secret",
        "none; the program is a public client",
    );
    section(
        format!("Program “{name}”"),
        "asks people to be connected to connectors, and is known by more than its word",
        vec![
            text("oauth_client.id", id),
            list("oauth_client.redirect_uris", redirect_uris, "none"),
            maybe_secret("oauth_client.secret", secret.as_ref(), is_public),
        ],
    )
}

fn section(
    name: impl Into<String>,
    about: &'static str,
    facts: Vec<SettingFact>,
) -> SettingSection {
    SettingSection {
        name: name.into(),
        about,
        facts,
    }
}

fn fact(key: &str, value: SettingValue) -> SettingFact {
    SettingFact {
        key: key.to_owned(),
        value,
    }
}

fn text(key: &str, value: &dyn ToString) -> SettingFact {
    fact(key, SettingValue::Text(value.to_string()))
}

/// A value that may be left out, and what holds then.
fn maybe(key: &str, value: Option<impl ToString>, instead: &str) -> SettingFact {
    let value = value.map(|value| SettingValue::Text(value.to_string()));
    let unset = || SettingValue::Unset(instead.to_owned());
    fact(key, value.unwrap_or_else(unset))
}

fn list<T: ToString>(key: &str, values: impl IntoIterator<Item = T>, instead: &str) -> SettingFact {
    let all: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    maybe(key, (!all.is_empty()).then(|| all.join(", ")), instead)
}

fn secret(key: &str, class: &'static str) -> SettingFact {
    fact(key, SettingValue::Secret(class))
}

fn maybe_secret(
    key: &str,
    is_set: Option<&SecretString>,
    (class, instead): (&'static str, &str),
) -> SettingFact {
    match is_set {
        Some(_) => secret(key, class),
        None => fact(key, SettingValue::Unset(instead.to_owned())),
    }
}

fn of_server(server: &ServerConfig) -> SettingSection {
    let ServerConfig {
        public_url,
        org,
        listen,
        ops,
        base_paths,
        trusted_proxies,
        login_notice,
        tls,
        prices,
        leave_s,
        drain_s,
    } = server;
    let tls = tls.as_ref().map(|TlsConfig { certificate, key }| {
        (certificate.display().to_string(), key.display().to_string())
    });
    let (certificate, key) = tls.unzip();
    let without = "none: something in front does TLS, or all is on this machine";
    section(
        "Listeners and addresses",
        "[server]",
        vec![
            text("server.public_url", public_url),
            text("server.org", org),
            text("server.listen", listen),
            text("server.ops", ops),
            list("server.base_paths", base_paths, "none"),
            list("server.trusted_proxies", trusted_proxies, "none"),
            maybe("server.login_notice", login_notice.as_ref(), "none"),
            maybe("server.tls.certificate", certificate, without),
            maybe("server.tls.key", key, without),
            maybe(
                "server.prices",
                prices.as_ref().map(|path| path.display()),
                "the shipped price list",
            ),
            text("server.leave_s", &format!("{leave_s} seconds")),
            text("server.drain_s", &format!("{drain_s} seconds")),
        ],
    )
}

fn of_store(store: &StoreConfig) -> SettingSection {
    let StoreConfig {
        url,
        master_key,
        master_key_before,
    } = store;
    // A path to SQLite is no secret; an address of PostgreSQL holds a password.
    let url = match url.expose_secret() {
        sqlite if sqlite.starts_with("sqlite:") => text("store.url", &sqlite),
        _ => secret(
            "store.url",
            "the address of a PostgreSQL, with its password",
        ),
    };
    section(
        "Store",
        "[store]",
        vec![
            url,
            maybe_secret(
                "store.master_key",
                master_key.as_ref(),
                ("a key that seals", "a key file beside the database"),
            ),
            maybe_secret(
                "store.master_key_before",
                master_key_before.as_ref(),
                ("the key before it", "none"),
            ),
        ],
    )
}

fn of_ledger(ledger: &LedgerConfig) -> SettingSection {
    let LedgerConfig { dir, otlp } = ledger;
    let mut facts = vec![text("ledger.dir", &dir.display())];
    match otlp {
        None => facts.push(fact(
            "ledger.otlp",
            SettingValue::Unset("no sink: records stay here".to_owned()),
        )),
        Some(OtlpConfig { url, bearer }) => facts.extend([
            text("ledger.otlp.url", &without_credentials(url.as_str())),
            maybe_secret(
                "ledger.otlp.bearer",
                bearer.as_ref(),
                ("a bearer token", "none"),
            ),
        ]),
    }
    section("Ledger and sinks", "[ledger]", facts)
}

fn of_admin_key(key: &AdminKeyConfig) -> SettingFact {
    let AdminKeyConfig { id, key: _, writes } = key;
    let class = if *writes {
        "a key that sets spend limits"
    } else {
        "a key that reads spend limits"
    };
    secret(&format!("admin_key “{id}”"), class)
}

/// Doorward's own client at a connector's authorization server.
fn of_connector_client(client: &ConnectorClient) -> SettingSection {
    let ConnectorClient {
        connector,
        client_id,
        client_secret,
        issuer,
        origin,
        scopes,
    } = client;
    let is_public = ("OAuth client secret", "none; a public client");
    section(
        format!("Client at the connector “{connector}”"),
        "as whom Doorward asks for people's grants there",
        vec![
            text("connector_client.client_id", client_id),
            maybe_secret(
                "connector_client.client_secret",
                client_secret.as_ref(),
                is_public,
            ),
            text(
                "connector_client.issuer",
                &issuer
                    .as_deref()
                    .unwrap_or("the one that the connector names"),
            ),
            text(
                "connector_client.origin",
                &origin.as_ref().map_or_else(
                    || "none; no account of its own".to_owned(),
                    ToString::to_string,
                ),
            ),
            list(
                "connector_client.scopes",
                scopes,
                "what the connector asks for",
            ),
        ],
    )
}

/// Where connectors' authorization servers may be in the company's network.
fn of_connector_issuers(issuers: &[ConnectorIssuerConfig]) -> Option<SettingSection> {
    let origin = |issuer: &ConnectorIssuerConfig| {
        let ConnectorIssuerConfig { origin } = issuer;
        text("connector_issuer.origin", origin)
    };
    let section = || {
        section(
            "Authorization servers in the company’s network",
            "what connectors may name besides addresses of the public Internet",
            issuers.iter().map(origin).collect(),
        )
    };
    (!issuers.is_empty()).then(section)
}

/// A program that may be a connector.
fn of_connector_program(program: &ConnectorProgram) -> SettingSection {
    let ConnectorProgram {
        command,
        pinned,
        reads,
        env,
        network,
        per_person,
        variable,
        memory_mib,
        processes,
        files,
        idle_s,
    } = program;
    let key = |name: &str| format!("connector_program.{name}");
    let pins = pinned
        .iter()
        .map(|(path, hash)| format!("{} {hash}", path.display()));
    let reads = reads.iter().map(|path| path.display());
    let network = if *network {
        "the network of Doorward"
    } else {
        "none"
    };
    let shared = if *per_person || variable.is_some() {
        "a process for each person"
    } else {
        "one process"
    };
    let own = variable.as_deref().unwrap_or("nobody's own key");
    let mut facts = vec![
        list(&key("command"), command, "none"),
        list(&key("pinned"), pins, "none"),
        list(&key("reads"), reads, "nothing else"),
        text(&key("network"), &network),
        text(&key("per_person"), &shared),
        text(&key("variable"), &own),
        text(&key("memory_mib"), memory_mib),
        text(&key("processes"), processes),
        text(&key("files"), files),
        text(&key("idle_s"), &format!("{idle_s} seconds")),
    ];
    let variables = env.keys().map(|name| key(&format!("env.{name}")));
    facts.extend(variables.map(|name| secret(&name, "a variable of a program")));
    section(
        format!("Program “{}”", command.join(" ")),
        "may be a connector, in a sandbox, where the policy names this very command",
        facts,
    )
}

fn of_connector_secret(shared: &ConnectorSecretConfig) -> SettingFact {
    let ConnectorSecretConfig {
        name,
        origin,
        header,
        value: _,
    } = shared;
    secret(
        &format!("connector_secret “{name}”, {header} to {origin}"),
        "a header for everybody at a connector",
    )
}

fn of_issuer(issuer: &IssuerConfig) -> SettingSection {
    let IssuerConfig {
        name,
        display_name,
        kind,
        issuer: address,
        discovery_url,
        jwks_url,
        audiences,
        authorized_parties,
        people,
        client_id,
        client_secret,
        scopes,
        groups_claim,
        email_claim,
        rsa_algorithm,
        max_token_lifetime_s,
        ca_pem,
        dangerous_plain_http,
        identity_assertions,
        entra,
        workload,
    } = issuer;
    let kind_word = match kind {
        IssuerKind::Generic => "generic",
        IssuerKind::Entra => "entra",
    };
    let mut facts = vec![
        maybe("issuer.display_name", display_name.as_ref(), name),
        text("issuer.kind", &kind_word),
        text("issuer.issuer", address),
    ];
    facts.extend(of_place(
        discovery_url.as_ref(),
        jwks_url.as_ref(),
        ca_pem.as_ref(),
    ));
    facts.extend([
        text("issuer.dangerous_plain_http", dangerous_plain_http),
        text("issuer.identity_assertions", identity_assertions),
        list("issuer.audiences", audiences, "none"),
        list("issuer.authorized_parties", authorized_parties, "any"),
        maybe("issuer.people", *people, stands_for(issuer)),
        list("issuer.scopes", scopes, "none"),
        text("issuer.groups_claim", groups_claim),
        maybe(
            "issuer.email_claim",
            email_claim.as_ref(),
            issuer.email_claim(),
        ),
        text("issuer.rsa_algorithm", &format!("{rsa_algorithm:?}")),
        text(
            "issuer.max_token_lifetime_s",
            &format!("{max_token_lifetime_s} seconds"),
        ),
    ]);
    facts.extend(of_application(client_id.as_ref(), client_secret.as_ref()));
    if *kind == IssuerKind::Entra {
        facts.extend(of_entra(entra));
    }
    facts.extend(workload.iter().map(of_rule));
    section(format!("Issuer {name}"), "[[issuer]]", facts)
}

fn of_place(
    discovery: Option<&url::Url>,
    keys: Option<&url::Url>,
    ca_pem: Option<&String>,
) -> [SettingFact; 3] {
    let found = "found by discovery, below the issuer's address";
    let shown = |url: &url::Url| without_credentials(url.as_str());
    let own = ca_pem.map(|_| "certificates of its own");
    [
        maybe("issuer.discovery_url", discovery.map(shown), found),
        maybe("issuer.jwks_url", keys.map(shown), found),
        maybe("issuer.ca_pem", own, "this machine's"),
    ]
}

const fn stands_for(issuer: &IssuerConfig) -> &'static str {
    if issuer.workload.is_empty() {
        "true"
    } else {
        "false, because workload rules are given"
    }
}

fn of_application(
    client_id: Option<&String>,
    client_secret: Option<&SecretString>,
) -> [SettingFact; 2] {
    [
        maybe("issuer.client_id", client_id, "no sign-in with a browser"),
        maybe_secret(
            "issuer.client_secret",
            client_secret,
            ("a client secret", "none"),
        ),
    ]
}

fn of_rule(rule: &WorkloadRule) -> SettingFact {
    let WorkloadRule {
        service,
        claims,
        groups,
    } = rule;
    let claims = claims
        .iter()
        .map(|(claim, value)| format!("{claim} = {value}"));
    let groups = groups.iter().map(|group| format!("in the group {group}"));
    let all: Vec<String> = claims.chain(groups).collect();
    text(&format!("issuer.workload “{service}”"), &all.join(", "))
}

fn of_entra(entra: &EntraConfig) -> Vec<SettingFact> {
    let EntraConfig {
        tenants,
        guests,
        discovery_appid,
        sts_url,
        graph_url,
        graph_scope,
        graph_client_id,
        graph_client_secret,
    } = entra;
    vec![
        list(
            "issuer.entra.tenants",
            tenants,
            "the one in the issuer's address",
        ),
        text("issuer.entra.guests", guests),
        maybe(
            "issuer.entra.discovery_appid",
            discovery_appid.as_ref(),
            "none",
        ),
        text("issuer.entra.sts_url", sts_url),
        text(
            "issuer.entra.graph_url",
            &without_credentials(graph_url.as_str()),
        ),
        maybe(
            "issuer.entra.graph_scope",
            graph_scope.as_ref(),
            "the Graph address with /.default",
        ),
        maybe(
            "issuer.entra.graph_client_id",
            graph_client_id.as_ref(),
            "none: people in very many groups do not come in",
        ),
        maybe_secret(
            "issuer.entra.graph_client_secret",
            graph_client_secret.as_ref(),
            ("a client secret", "the issuer's own"),
        ),
    ]
}

fn of_upstream(upstream: &UpstreamConfig) -> SettingSection {
    let UpstreamConfig {
        name,
        provider,
        base_url,
        resource,
        auth,
        region,
        models,
        model_map,
    } = upstream;
    let provider = match provider {
        ProviderKind::Anthropic => "anthropic",
        ProviderKind::Foundry => "foundry",
    };
    let base_url = base_url.as_deref().map(without_credentials);
    let map = model_map
        .iter()
        .map(|(ours, theirs)| format!("{ours} = {theirs}"));
    section(
        format!("Upstream {name}"),
        "[[upstream]]",
        vec![
            text("upstream.provider", &provider),
            maybe("upstream.base_url", base_url, "the provider's own"),
            maybe("upstream.resource", resource.as_ref(), "none"),
            of_auth(auth),
            maybe("upstream.region", region.as_ref(), "none stated"),
            list(
                "upstream.models",
                models.iter().map(|model| &model.0),
                "every one",
            ),
            list("upstream.model_map", map, "none: ids as they are"),
        ],
    )
}

/// The credential by its class; what no stranger can use is named.
fn of_auth(auth: &AuthConfig) -> SettingFact {
    match auth {
        AuthConfig::ApiKey(_) => secret("upstream.auth.api_key", "an API key"),
        AuthConfig::Bearer(_) => secret("upstream.auth.bearer", "a bearer token"),
        AuthConfig::ManagedIdentity {
            client_id,
            endpoint: _,
        } => maybe(
            "upstream.auth.managed_identity",
            client_id.as_ref().map(|id| format!("client {id}")),
            "the machine's own",
        ),
        AuthConfig::WorkloadIdentity {
            tenant,
            client_id,
            token_file: _,
            authority: _,
        } => text(
            "upstream.auth.workload_identity",
            &format!("client {client_id} of tenant {tenant}"),
        ),
        AuthConfig::ClientSecret {
            tenant: _,
            client_id: _,
            client_secret: _,
            authority: _,
        } => secret("upstream.auth.client_secret", "a client secret of Entra"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        [server]
        public_url = "https://ai.example.org"
        [store]
        url = "file:/dev/null"
        [ledger]
        dir = "/tmp/ledger"
        otlp = { url = "https://ada:SECRET@collector.example/v1/logs?key=SECRET", bearer = "file:/dev/null" }
        [[issuer]]
        name = "okta"
        issuer = "https://okta.example"
        audiences = ["a"]
        client_id = "c"
        client_secret = "file:/dev/null"
        [[upstream]]
        name = "first"
        provider = "anthropic"
        auth = { api_key = "file:/dev/null" }
    "#;

    #[test]
    fn every_secret_is_a_class_and_no_address_carries_one() {
        let mut config = crate::config::read(TEXT).unwrap();
        let secret = || SecretString::from("SECRET".to_owned());
        config.store.url = SecretString::from("postgres://u:SECRET@db/x".to_owned());
        config.store.master_key = Some(secret());
        config.issuers[0].client_secret = Some(secret());
        config.issuers[0].entra.graph_client_secret = Some(secret());
        config.issuers[0].kind = IssuerKind::Entra;
        config.admin_keys.push(AdminKeyConfig {
            id: "finance".to_owned(),
            key: secret(),
            writes: true,
        });
        config.connector_secrets.push(ConnectorSecretConfig {
            origin: "https://mcp.example".parse().unwrap(),
            name: "tasks-key".to_owned(),
            header: "authorization".to_owned(),
            value: secret(),
        });
        config.connector_clients.push(ConnectorClient {
            connector: "crm".to_owned(),
            client_id: "c".to_owned(),
            client_secret: Some(secret()),
            issuer: None,
            origin: None,
            scopes: Vec::new(),
        });
        for auth in [
            AuthConfig::ApiKey(secret()),
            AuthConfig::Bearer(secret()),
            AuthConfig::ClientSecret {
                tenant: "t".to_owned(),
                client_id: "c".to_owned(),
                client_secret: secret(),
                authority: None,
            },
        ] {
            config.upstreams[0].auth = auth;
            let sections = in_force(&config);
            let shown = format!("{sections:?}");
            assert!(!shown.contains("SECRET"), "{shown}");
            assert!(shown.contains("https://collector.example/v1/logs"));
            let facts = sections.iter().flat_map(|section| &section.facts);
            let secrets = facts.filter(|fact| matches!(fact.value, SettingValue::Secret(_)));
            assert_eq!(secrets.count(), 9);
        }
    }
}
