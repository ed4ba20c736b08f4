//! The keys of the reference gateway (2.1.329) that Doorward does not carry: why, and what to do instead. A reader beside this file
//! takes what it can; whatever it leaves is looked up here, and is unknown when it does not stand here.

/// Path, with `[]` for any place in a list; what to say.
pub(super) const NOT_CARRIED: [(&str, &str); 65] = [
    (
        "access_control.deny_cidrs",
        "Doorward has no list of networks that are shut out; name those that may use it with `networks` in [[require]], or shut the others out in the firewall",
    ),
    (
        "limits.max_request_bytes",
        "the limit is fixed at 32 MiB, the provider's own; put another one into the proxy in front",
    ),
    (
        "limits.max_request_header_bytes",
        "the limit is fixed at 64 KiB; put another one into the proxy in front",
    ),
    (
        "limits.max_url_length",
        "a request's head is limited to 64 KiB, address included; put another limit into the proxy in front",
    ),
    (
        "rate_limits.device_authorization",
        "sign-ins are slowed down by built-in limits; there is nothing to set",
    ),
    (
        "rate_limits.device_verify",
        "sign-ins are slowed down by built-in limits; there is nothing to set",
    ),
    (
        "timeouts.upstream_ttfb_ms",
        "the wait for a provider's first byte is fixed at 120,000 ms; there is nothing to set",
    ),
    (
        "oidc.client_assertion",
        "Doorward signs in at the identity provider with a client secret; make one there and write issuer.client_secret",
    ),
    (
        "oidc.token_endpoint_auth_method",
        "Doorward sends the client secret as client_secret_basic; allow that at the identity provider",
    ),
    (
        "oidc.scope_on_refresh",
        "Doorward renews its own sessions and does not refresh at the identity provider; leave it out",
    ),
    (
        "oidc.user_id_claim",
        "people are known by `sub`, at Entra by tenant and `oid`; rules about single people must use these",
    ),
    (
        "oidc.userinfo_fallback",
        "groups and e-mail address are read from the ID token; have the identity provider put them there",
    ),
    (
        "oidc.use_pkce",
        "PKCE is always used; have the identity provider accept it",
    ),
    (
        "oidc.clock_skew_seconds",
        "60 seconds are forgiven; set the clocks right",
    ),
    (
        "oidc.id_token_signed_response_alg",
        "Doorward takes the algorithm from the issuer's key, and rsa_algorithm knows RS256, RS384, RS512 and PS256 for keys without one; have the issuer name it in its key",
    ),
    (
        "oidc.extra_auth_params",
        "Doorward adds nothing to the sign-in address; set it as a default at the identity provider",
    ),
    (
        "oidc.form_action_origins",
        "Doorward's pages send forms to themselves alone; have the sign-in go to the issuer's own address",
    ),
    (
        "oidc.ca_cert_pem",
        "write the certificates as text into issuer.ca_pem",
    ),
    (
        "oidc.use_proxy",
        "Doorward asks the identity provider directly; let it through the firewall",
    ),
    (
        "oidc.google_groups",
        "Doorward does not ask Google's directory for groups; use an issuer that puts groups into the token, or name people by `sub` in the policy",
    ),
    (
        "session.ttl_hours",
        "sessions live 15 minutes and renew themselves; there is nothing to set",
    ),
    (
        "store.username",
        "put it into the address that the variable of store.url holds",
    ),
    (
        "store.password",
        "put it into the address that the variable of store.url holds",
    ),
    (
        "store.max_connections",
        "eight connections, fixed; there is nothing to set",
    ),
    (
        "store.connect_timeout_seconds",
        "five seconds, fixed; there is nothing to set",
    ),
    (
        "store.readiness_grace_seconds",
        "/readyz says at once when the store is away; let the load balancer wait instead",
    ),
    (
        "upstreams[].groups",
        "a provider has no groups of its own; give the groups `regions` in their [[grant]] that only this provider's `region` meets",
    ),
    (
        "upstreams[].headers",
        "Doorward adds no headers of its own; have a proxy behind it add them",
    ),
    (
        "upstreams[].forward_user_identity",
        "who called is never told to a provider; the ledger says it",
    ),
    (
        "upstreams[].guardrail",
        "Bedrock is not spoken yet; use [[inspect]] for what must not be sent",
    ),
    ("upstreams[].guardrail_trace", "Bedrock is not spoken yet"),
    (
        "models[].description",
        "a model has a name for people, and no description; leave it out",
    ),
    (
        "managed.settings",
        "it names a file; put the file's content into a [[managed_settings]] of the policy",
    ),
    (
        "managed.policies[].serve_to_desktop",
        "what Claude Desktop receives stands in [[desktop_settings]]; copy there what it should have",
    ),
    (
        "telemetry.forward_to",
        "Doorward accounts clients' telemetry and does not pass it on; point [ledger.otlp] at the collector for the gateway's own records",
    ),
    (
        "telemetry.resource_attributes",
        "Doorward gives clients no labels; set OTEL_RESOURCE_ATTRIBUTES under env of [[managed_settings]]",
    ),
    (
        "admin.admin_groups",
        "spend limits are changed with keys ([[admin_key]]); give the administrators one",
    ),
    (
        "admin.blocked_message",
        "refusals word themselves and name the budget; give the budget a name that says whom to ask",
    ),
    (
        "admin.group_limit_mode",
        "the least of a person's group budgets counts; write a budget for the person where more is meant",
    ),
    (
        "admin.audit_retention_days",
        "changes stay in the ledger; nothing is deleted by age",
    ),
    (
        "admin.spend_retention_months",
        "what was spent stays in the ledger; nothing is deleted by age",
    ),
    (
        "admin.identity_retention_days",
        "people stay in the store; nothing is deleted by age",
    ),
    (
        "admin.pooled_conflict_rule",
        "every shared budget counts; there is no order between them",
    ),
    (
        "admin.pooled_priority_order",
        "every shared budget counts; there is no order between them",
    ),
    (
        "admin.billing_group_tag",
        "requests get no tags; the ledger says person and groups of every call",
    ),
    (
        "enforcement.fail_closed_on_error",
        "Doorward always refuses when it cannot tell what was spent; it cannot be turned off",
    ),
    (
        "pricing.multiplier",
        "write a price list with the multiplied prices and name it in server.prices",
    ),
    (
        "pricing.overrides",
        "write a price list in the form of crates/domain/data/prices.toml and name it in server.prices; prices are by model, not by provider",
    ),
    (
        "cri.enabled",
        "Doorward does not accept tokens of customer-routed inference; keep the reference gateway for these callers",
    ),
    (
        "cri.audience",
        "belongs to customer-routed inference, which Doorward does not accept",
    ),
    (
        "cri.issuer",
        "belongs to customer-routed inference, which Doorward does not accept",
    ),
    (
        "cri.jwks_url",
        "belongs to customer-routed inference, which Doorward does not accept",
    ),
    (
        "cri.org_allowlist",
        "belongs to customer-routed inference, which Doorward does not accept",
    ),
    (
        "cri.policy.webhook",
        "Doorward looks into requests itself; write [[inspect]] in the policy",
    ),
    (
        "load_test_mode",
        "there are no canned replies; `doorward demo` has a simulated provider",
    ),
    // Keys of providers that are carried for some and not for others.
    (
        "upstreams[].region",
        "it is a place of the cloud, not a data region of ours; name the data region that policy should know",
    ),
    ("upstreams[].project_id", "Google Cloud is not spoken yet"),
    (
        "upstreams[].workspace_id",
        "the credential says the workspace; leave it out",
    ),
    ("upstreams[].location", "Google Cloud is not spoken yet"),
    ("upstreams[].assume_role", "AWS is not spoken yet"),
    ("upstreams[].resource", "only Foundry has a resource"),
    (
        "upstreams[].auth",
        "this way to prove itself to the provider is not carried; write one of api_key, bearer, managed_identity, workload_identity, client_secret",
    ),
    (
        "models[].upstream_model",
        "names an upstream or model that was not carried",
    ),
    (
        "managed.policies[].match",
        "a rule concerns groups, people, services and issuers; put the people into a group",
    ),
    ("managed.policies", "is not a list of policies"),
];

/// Every other key of the reference gateway: a reader takes it, or names it itself.
pub(super) const CARRIED: [&str; 43] = [
    "$schema",
    "listen.host",
    "listen.port",
    "listen.public_url",
    "listen.tls.cert",
    "listen.tls.key",
    "listen.trusted_proxies",
    "access_control.allow_cidrs",
    "limits",
    "rate_limits",
    "timeouts",
    "oidc.issuer",
    "oidc.client_id",
    "oidc.client_secret",
    "oidc.scopes",
    "oidc.groups_claim",
    "oidc.email_claim",
    "oidc.additional_authorized_parties",
    "oidc.discovery_url",
    "oidc.allowed_email_domains",
    "oidc.allowed_groups",
    "session.jwt_secret",
    "store.postgres_url",
    "upstreams[].name",
    "upstreams[].provider",
    "upstreams[].models",
    "upstreams[].base_url",
    "upstreams[].auth",
    "auto_include_builtin_models",
    "models[].id",
    "models[].label",
    "models[].upstream_model",
    "login_notice",
    "managed.policy_mode",
    "managed.policies[].match.groups",
    "managed.policies[].match.email_domain",
    "managed.policies[].code",
    "managed.policies[].cli",
    "managed.policies[].settings",
    "managed.policies[].desktop",
    "admin.read_keys[].id",
    "admin.write_keys[].key",
    "cri.policy.webhook",
];

/// What to say about a key that nobody took, when the reference gateway has it.
pub(super) fn not_carried(path: &str) -> Option<&'static str> {
    let path = general(path);
    NOT_CARRIED
        .iter()
        .find(|(key, _)| *key == path)
        .map(|(_, why)| *why)
}

/// Whether the reference gateway has keys below this one.
pub(super) fn has_known_below(path: &str) -> bool {
    let path = general(path);
    NOT_CARRIED
        .iter()
        .map(|(key, _)| *key)
        .chain(CARRIED)
        .any(|key| {
            key.strip_prefix(&*path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
}

/// `upstreams[3].name` as `upstreams[].name`.
fn general(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        if c == ']' {
            inside = false;
        }
        if !inside {
            out.push(c);
        }
        if c == '[' {
            inside = true;
        }
    }
    out
}
