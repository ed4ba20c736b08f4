//! `doorward import claude-gateway`, on configurations of the reference gateway: what it writes is good, what it cannot carry is
//! named, and no secret passes.

use std::process::Output;

use domain::policy::{Ask, CallerPolicy};
use domain::{Caller, Client, Credential, OrgId, PersonId, Policy, Subject};
use server::import::{Imported, Kind, claude_gateway};

use crate::run::program;

const MINIMAL: &str = include_str!("import/minimal.yaml");
const ENTRA: &str = include_str!("import/entra.yaml");
const EVERY_KEY: &str = include_str!("import/every_key.yaml");
const HOSTILE: &str = include_str!("import/hostile.yaml");
const NARROWING: &str = include_str!("import/narrowing.yaml");

/// Imports, and holds what was written to our own readers.
fn imported(yaml: &str) -> (Imported, server::config::Config, Policy) {
    let imported = claude_gateway(yaml).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "0123456789abcdef".repeat(4)).unwrap();
    let reference = format!("\"file:{}\"", secret.display());
    // References as they are in the file, each to something that exists here.
    let lines: Vec<_> = imported
        .config
        .lines()
        .map(|line| match line.split_once("= \"") {
            Some((key, value)) if value.starts_with("${") || value.starts_with("file:") => {
                format!("{key}= {reference}")
            }
            _ => line.to_owned(),
        })
        .collect();
    let text = lines.join("\n");
    let config = server::config::read(&text).unwrap();
    let policy = Policy::parse(1, &imported.policy).unwrap();
    (imported, config, policy)
}

fn notes(imported: &Imported) -> String {
    let notes: Vec<_> = imported.notes.iter().map(ToString::to_string).collect();
    notes.join("\n")
}

fn everything(imported: &Imported) -> String {
    format!("{}{}{}", imported.config, imported.policy, notes(imported))
}

fn of_groups(policy: &Policy, groups: &[&str]) -> (CallerPolicy, Caller) {
    let caller = Caller {
        org: OrgId::from_parts(0, 0),
        subject: Subject::Person(PersonId::from_parts(0, 0)),
        stable_id: "s".into(),
        issuer: "company".into(),
        email: None,
        name: None,
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        session: None,
        credential: Credential::Session,
    };
    (policy.for_caller(&caller), caller)
}

fn may_use(policy: &Policy, groups: &[&str], model: &str) -> bool {
    let (rules, caller) = of_groups(policy, groups);
    let ask = Ask {
        model: Some(model),
        client: Client {
            kind: domain::ClientKind::ClaudeCode,
            version: None,
        },
        address: Some("10.0.0.9".parse().unwrap()),
    };
    rules.decide(&caller, &ask).is_ok()
}

#[test]
fn the_least_configuration_is_carried_over_whole() {
    let (imported, config, policy) = imported(MINIMAL);
    assert!(imported.is_complete(), "{}", notes(&imported));
    assert_eq!(config.server.public_url, "https://claude.example.org");
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8080");
    assert!(imported.config.contains("\"${OIDC_SECRET}\""));
    assert!(imported.config.contains("\"file:/run/secrets/anthropic\""));
    assert!(may_use(&policy, &[], "claude-opus-5-5"));
}

#[test]
fn a_company_on_entra_and_foundry_keeps_its_ways() {
    let (imported, config, policy) = imported(ENTRA);
    assert!(imported.is_complete(), "{}", notes(&imported));
    assert!(config.server.tls.is_some());
    assert_eq!(config.server.listen.to_string(), "10.1.2.3:8443");
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.upstreams[0].model_map["claude-opus-5-5"], "opus-eu");
    assert_eq!(config.models[0].display_name, "Opus of the house");
    assert_eq!(config.admin_keys.len(), 1);
    assert!(may_use(&policy, &[], "claude-sonnet-5-5") && may_use(&policy, &[], "claude-opus-5-5"));
    assert!(!may_use(&policy, &[], "claude-haiku-5-5"));
    // Interns have the first policy, which has less of one and more of another.
    assert!(may_use(&policy, &["interns"], "claude-haiku-5-5"));
    assert!(!may_use(&policy, &["interns"], "claude-sonnet-5-5"));
    assert!(!may_use(&policy, &["interns"], "claude-opus-5-5"));
    let (_, caller) = of_groups(&policy, &["interns"]);
    let settings = policy.managed_settings(&caller).unwrap();
    assert_eq!(settings["model"], "sonnet");
    assert_eq!(settings["availableModels"], serde_json::json!(["haiku"]));
    assert!(policy.desktop_settings(&caller).is_some());
}

#[test]
fn who_has_less_than_everyone_gets_no_more_by_the_import() {
    let (imported, _, policy) = imported(NARROWING);
    assert!(!imported.is_complete());
    assert!(may_use(&policy, &["interns"], "claude-haiku-5-5"));
    assert!(!may_use(&policy, &["interns"], "claude-opus-5-5"));
    assert!(may_use(&policy, &["engineers"], "claude-opus-5-5"));
    assert!(!may_use(&policy, &[], "claude-haiku-5-5"));
    assert!(
        imported.policy.contains("# Held back"),
        "{}",
        imported.policy
    );
    // In both groups the first policy counts, as in the reference gateway.
    assert!(may_use(
        &policy,
        &["interns", "engineers"],
        "claude-haiku-5-5"
    ));
    assert!(!may_use(
        &policy,
        &["interns", "engineers"],
        "claude-opus-5-5"
    ));
    let text = notes(&imported);
    assert!(text.contains("managed.policies[0]: not carried"), "{text}");
}

/// What `every_key.yaml` has and Doorward has not.
const NOT_CARRIED: [&str; 68] = [
    "access_control.deny_cidrs",
    "limits.max_request_bytes",
    "limits.max_request_header_bytes",
    "limits.max_url_length",
    "rate_limits.device_authorization",
    "rate_limits.device_verify",
    "timeouts.upstream_ttfb_ms",
    "oidc.client_assertion",
    "oidc.token_endpoint_auth_method",
    "oidc.scope_on_refresh",
    "oidc.email_claim",
    "oidc.user_id_claim",
    "oidc.userinfo_fallback",
    "oidc.use_pkce",
    "oidc.clock_skew_seconds",
    "oidc.id_token_signed_response_alg",
    "oidc.extra_auth_params",
    "oidc.form_action_origins",
    "oidc.ca_cert_pem",
    "oidc.use_proxy",
    "oidc.allowed_email_domains",
    "oidc.google_groups",
    "session.ttl_hours",
    "store.username",
    "store.password",
    "store.max_connections",
    "store.connect_timeout_seconds",
    "store.readiness_grace_seconds",
    "upstreams[0].headers",
    "upstreams[0].forward_user_identity",
    "upstreams[1].groups",
    "upstreams[2].auth",
    "upstreams[3].provider",
    "upstreams[4].provider",
    "upstreams[5].provider",
    "upstreams[6].provider",
    "upstreams[7].provider",
    "models[0].description",
    "models[1].label",
    "managed.settings",
    "managed.policies[0].match.email_domain",
    "managed.policies[1].cli.availableModels",
    "managed.policies[1].cli.availableModelsMatch",
    "managed.policies[1].cli.model",
    "managed.policies[1].cli.env.HOME_OF",
    "managed.policies[1].cli.env.ANTHROPIC_API_KEY",
    "managed.policies[1].serve_to_desktop",
    "telemetry.forward_to",
    "telemetry.resource_attributes",
    "admin.admin_groups",
    "admin.blocked_message",
    "admin.group_limit_mode",
    "admin.audit_retention_days",
    "admin.spend_retention_months",
    "admin.identity_retention_days",
    "admin.pooled_conflict_rule",
    "admin.pooled_priority_order",
    "admin.billing_group_tag",
    "enforcement.fail_closed_on_error",
    "pricing.multiplier",
    "pricing.overrides",
    "cri.enabled",
    "cri.audience",
    "cri.issuer",
    "cri.jwks_url",
    "cri.org_allowlist",
    "cri.policy.webhook",
    "load_test_mode",
];

#[test]
fn every_key_of_the_reference_is_carried_or_named_with_its_line() {
    let (imported, config, policy) = imported(EVERY_KEY);
    let text = notes(&imported);
    assert!(
        imported.notes.iter().all(|note| note.kind != Kind::Unknown),
        "{text}"
    );
    for path in NOT_CARRIED {
        let line = EVERY_KEY.lines().count();
        let named = imported
            .notes
            .iter()
            .find(|note| note.path == path && note.kind == Kind::NotCarried);
        let named = named.expect(path);
        assert!(
            (2..=line as u64).contains(&named.line) && named.text.len() > 20,
            "{named}"
        );
    }
    assert!(
        text.contains("region, base_url, auth, assume_role, guardrail"),
        "{text}"
    );
    assert_eq!(config.server.base_paths, ["/claude"]);
    let names: Vec<_> = config
        .upstreams
        .iter()
        .map(|upstream| &*upstream.name)
        .collect();
    assert_eq!(
        names,
        ["first", "foundry"],
        "an upstream of some groups serves nobody else"
    );
    assert!(
        !may_use(&policy, &["interns"], "claude-haiku-5-5"),
        "deniedModels holds"
    );
    assert!(
        !may_use(&policy, &["elsewhere"], "claude-opus-5-5"),
        "allowed_groups holds"
    );
}

#[test]
fn no_secret_of_the_file_is_written_or_repeated() {
    for yaml in [EVERY_KEY, HOSTILE] {
        let (imported, ..) = imported(yaml);
        let all = everything(&imported);
        for trace in ["literal-secret", "sk-ant-api03"] {
            assert!(!all.contains(trace), "{trace} in\n{all}");
        }
    }
    let (imported, ..) = imported(EVERY_KEY);
    for variable in [
        "DOORWARD_CLIENT_SECRET",
        "DOORWARD_STORE_URL",
        "DOORWARD_UPSTREAM_0",
        "DOORWARD_ADMIN_READ_0",
    ] {
        assert!(
            imported.config.contains(&format!("\"${{{variable}}}\"")),
            "{variable}"
        );
        let told =
            |note: &server::import::Note| note.kind == Kind::Secret && note.text.contains(variable);
        assert!(imported.notes.iter().any(told), "{variable}");
    }
}

#[test]
fn a_hostile_file_writes_nothing_but_values_and_admits_nobody_by_mistake() {
    let (imported, config, policy) = imported(HOSTILE);
    let text = notes(&imported);
    for part in [
        "listen.colour: unknown key",
        "literal_section: unknown key",
        "oidc.allowed_groups: not carried",
        "upstreams[1].provider: unknown key",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(config.server.ops.ip().is_loopback());
    assert_eq!(config.upstreams[0].name, "change-me");
    assert!(
        !may_use(&policy, &[], "claude-opus-5-5"),
        "{}",
        imported.policy
    );
}

fn run(arguments: &[&str]) -> Output {
    program(&["import", "claude-gateway"])
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_program_prints_or_writes_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (minimal, every, bad) = (
        file("a.yaml", MINIMAL),
        file("b.yaml", EVERY_KEY),
        file("c.yaml", "a: 1\nb: [\n"),
    );
    let printed = run(&[&minimal]);
    let text = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(printed.status.code(), Some(0));
    assert!(
        text.contains("# ===== doorward.toml =====") && text.contains("# ===== policy.toml =====")
    );
    let out = folder.path().join("out").display().to_string();
    assert_eq!(run(&[&every, "--out", &out]).status.code(), Some(1));
    let first = std::fs::read_to_string(folder.path().join("out/doorward.toml")).unwrap();
    let again = run(&[&minimal, "--out", &out]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists already"));
    assert_eq!(
        std::fs::read_to_string(folder.path().join("out/doorward.toml")).unwrap(),
        first
    );
    let unreadable = run(&[&bad]);
    assert_eq!(unreadable.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&unreadable.stderr).contains("c.yaml: line "));
    assert_eq!(run(&["/nonexistent.yaml"]).status.code(), Some(64));
}
