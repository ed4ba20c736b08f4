//! The `[identity]` part of the boot configuration as plain data: who may vouch for callers. `server` reads TOML into it and
//! resolves references to secrets first; nothing here reads a file or the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::{Vouching, limits};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use url::Url;

/// Which rules an issuer's tokens follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerKind {
    /// OpenID Connect as written. People are known by (issuer, `sub`).
    #[default]
    Generic,
    /// Microsoft Entra ID: v1 and v2 issuers, tenants, groups overage. People are known by (`tid`, `oid`).
    Entra,
}

/// One issuer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// What policy and records call it.
    pub name: String,
    /// What people read on buttons and pages, 1 to 64 characters on one line. Default: `name`.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Which rules its tokens follow.
    #[serde(default)]
    pub kind: IssuerKind,
    /// The issuer URL, exactly as its tokens state it. Entra: `https://login.microsoftonline.com/<tenant id>/v2.0`, or with
    /// `organizations` in place of the tenant id and the tenants listed below.
    pub issuer: String,
    /// Where the discovery document is, when not below the issuer URL.
    #[serde(default)]
    pub discovery_url: Option<Url>,
    /// Where the keys are, for issuers without a discovery document that we can read. No browser sign-in then.
    #[serde(default)]
    pub jwks_url: Option<Url>,
    /// Audiences that tokens may be made for. Use an application registration of this gateway's own.
    pub audiences: BTreeSet<String>,
    /// Applications (`azp`, `appid`) that may hold tokens for these audiences; empty means any, except that a token for several
    /// audiences must name one of `audiences` or of these.
    #[serde(default)]
    pub authorized_parties: BTreeSet<String>,
    /// Whether its tokens stand for people. Default: yes, unless workload rules are given.
    #[serde(default)]
    pub people: Option<bool>,
    /// The application id for browser sign-in.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Its secret, when it has one.
    #[serde(default, deserialize_with = "secret")]
    pub client_secret: Option<SecretString>,
    /// Scopes asked for at browser sign-in.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// Which claim holds the groups; a name that begins with `/` is a JSON pointer, such as `/realm_access/roles`.
    #[serde(default = "default_groups_claim")]
    pub groups_claim: String,
    /// Which claim holds the e-mail address, for people to read. Default `email`; Entra `preferred_username`.
    #[serde(default)]
    pub email_claim: Option<String>,
    /// The signature algorithm of RSA keys that do not state one.
    #[serde(default)]
    pub rsa_algorithm: RsaAlgorithm,
    /// Longest lifetime of a token, in seconds.
    #[serde(default = "default_lifetime")]
    pub max_token_lifetime_s: i64,
    /// CA certificates to trust for this issuer beside this machine's own, as PEM text.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// Fetch keys by plain `http` from another machine. Whoever sits on the way can then mint identities.
    #[serde(default)]
    pub dangerous_plain_http: bool,
    /// Entra only.
    #[serde(default)]
    pub entra: EntraConfig,
    /// Whether it may let programs call connectors in a person's name without a browser, by identity assertions (ID-JAG) that it signs
    /// with the same keys.
    #[serde(default)]
    pub identity_assertions: bool,
    /// Machines that this issuer vouches for, first match counts.
    #[serde(default)]
    pub workload: Vec<WorkloadRule>,
}

/// The algorithm of RSA keys whose JWK has no `alg` (Entra's have none).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum RsaAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, OpenID Connect's default.
    #[default]
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
}

/// What only Entra has.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EntraConfig {
    /// Tenant ids that are trusted. Filled from the issuer URL when that names one.
    pub tenants: BTreeSet<String>,
    /// Whether guest accounts of those tenants are accepted.
    pub guests: bool,
    /// Ask for the keys of this application (`?appid=`): needed when it has signing keys of its own through claims mapping.
    pub discovery_appid: Option<String>,
    /// Where v1 issuers live; national clouds differ.
    pub sts_url: String,
    /// Microsoft Graph, for people in more than 200 groups; national clouds differ.
    pub graph_url: Url,
    /// The scope of tokens for it. Default: the Graph address with `/.default`.
    pub graph_scope: Option<String>,
    /// The application that may read group memberships; its secret is `client_secret` unless given here.
    pub graph_client_id: Option<String>,
    /// Its secret.
    #[serde(deserialize_with = "secret")]
    pub graph_client_secret: Option<SecretString>,
}

impl Default for EntraConfig {
    fn default() -> Self {
        Self {
            tenants: BTreeSet::new(),
            guests: false,
            discovery_appid: None,
            sts_url: "https://sts.windows.net".to_owned(),
            graph_url: Url::parse("https://graph.microsoft.com").expect("a constant URL parses"),
            graph_scope: None,
            graph_client_id: None,
            graph_client_secret: None,
        }
    }
}

/// A machine that an issuer vouches for: all claims must match.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadRule {
    /// The service it then is, by name.
    pub service: String,
    /// Claims and what they must be; `*` stands for any run of characters. A name that begins with `/` is a JSON pointer.
    pub claims: BTreeMap<String, String>,
    /// Groups the service is in.
    #[serde(default)]
    pub groups: BTreeSet<String>,
}

/// A mistake in the configuration. `path` is where, such as `issuer[1].audiences`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct ConfigMistake {
    /// Where.
    pub path: String,
    /// What, and what to write instead.
    pub what: String,
}

impl IssuerConfig {
    /// An issuer with everything at its default.
    pub fn new(name: &str, issuer: &str, audiences: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            display_name: None,
            kind: IssuerKind::Generic,
            issuer: issuer.to_owned(),
            discovery_url: None,
            jwks_url: None,
            audiences: audiences
                .iter()
                .map(|&audience| audience.to_owned())
                .collect(),
            authorized_parties: BTreeSet::new(),
            people: None,
            client_id: None,
            client_secret: None,
            scopes: default_scopes(),
            groups_claim: default_groups_claim(),
            email_claim: None,
            rsa_algorithm: RsaAlgorithm::default(),
            max_token_lifetime_s: default_lifetime(),
            ca_pem: None,
            dangerous_plain_http: false,
            entra: EntraConfig::default(),
            identity_assertions: false,
            workload: Vec::new(),
        }
    }

    /// The tenants whose people it trusts, in lower case; none for what is not Entra.
    pub fn tenants(&self) -> BTreeSet<String> {
        super::entra::tenants_of(self)
    }

    /// What people read on buttons and pages.
    pub fn shown(&self) -> &str {
        self.display_name.as_deref().unwrap_or(&self.name)
    }

    /// Whether its tokens stand for people.
    pub fn vouches_for_people(&self) -> bool {
        self.people.unwrap_or(self.workload.is_empty())
    }

    /// The claim that holds the e-mail address.
    pub fn email_claim(&self) -> &str {
        self.email_claim.as_deref().unwrap_or(match self.kind {
            IssuerKind::Generic => "email",
            IssuerKind::Entra => "preferred_username",
        })
    }

    fn mistakes(&self, at: &str, say: &mut impl FnMut(String, &str)) {
        if self.name.is_empty()
            || self.name.len() > 64
            || !self.name.chars().all(|c| c.is_ascii_graphic())
        {
            say(
                format!("{at}.name"),
                "needs 1 to 64 printable characters without spaces",
            );
        }
        let is_line = |text: &str| {
            (1..=64).contains(&text.chars().count())
                && text.trim() == text
                && !text.chars().any(char::is_control)
        };
        if self
            .display_name
            .as_deref()
            .is_some_and(|text| !is_line(text))
        {
            say(
                format!("{at}.display_name"),
                "needs 1 to 64 characters on one line",
            );
        }
        if self.name == super::OWN_ISSUER {
            say(
                format!("{at}.name"),
                "is the name of our own keys; pick another",
            );
        }
        if Url::parse(&self.issuer).is_err() {
            say(format!("{at}.issuer"), "is not a URL");
        }
        if self.audiences.iter().all(String::is_empty) {
            say(
                format!("{at}.audiences"),
                "is empty; without an audience a token made for any other application would pass",
            );
        }
        if self.max_token_lifetime_s <= 0 {
            say(format!("{at}.max_token_lifetime_s"), "must be above zero");
        }
        if self.people == Some(false) && self.workload.is_empty() {
            say(
                format!("{at}.people"),
                "is false and there is no workload rule, so no token of it could ever pass",
            );
        }
        for (index, rule) in self.workload.iter().enumerate() {
            let at = format!("{at}.workload[{index}]");
            if rule.service.is_empty() || rule.service.len() > 100 {
                say(format!("{at}.service"), "needs 1 to 100 characters");
            }
            if rule
                .claims
                .values()
                .all(|pattern| pattern.chars().all(|c| c == '*'))
            {
                say(
                    format!("{at}.claims"),
                    "must pin at least one claim, or every workload of this issuer would pass",
                );
            }
        }
        if self.kind == IssuerKind::Entra {
            self.entra_mistakes(at, say);
        }
    }

    fn entra_mistakes(&self, at: &str, say: &mut impl FnMut(String, &str)) {
        match super::entra::Authority::parse(&self.issuer) {
            None => say(
                format!("{at}.issuer"),
                "is not https://<authority>/<tenant id or organizations>/v2.0",
            ),
            Some(authority) if authority.tenant.is_none() && self.entra.tenants.is_empty() => {
                say(
                    format!("{at}.entra.tenants"),
                    "must list the trusted tenants, because the issuer URL names none",
                );
            }
            Some(_) => {}
        }
        if !self
            .entra
            .tenants
            .iter()
            .all(|tenant| super::entra::is_guid(&tenant.to_ascii_lowercase()))
        {
            say(
                format!("{at}.entra.tenants"),
                "are tenant ids such as 72f988bf-86f1-41af-91ab-2d7cd011db47",
            );
        }
        if self.jwks_url.is_some() || self.discovery_url.is_some() {
            say(
                at.to_owned(),
                "Entra's documents are found from the issuer URL; leave out discovery_url and jwks_url",
            );
        }
    }
}

/// The issuers that vouch for people, for whatever hangs on one and is shown without it.
pub fn vouching(issuers: &[IssuerConfig]) -> Vouching {
    let theirs = issuers.iter().filter(|issuer| issuer.vouches_for_people());
    theirs
        .map(|issuer| (issuer.name.clone(), issuer.tenants()))
        .collect()
}

/// Every mistake in these issuers at once.
pub fn mistakes(issuers: &[IssuerConfig]) -> Vec<ConfigMistake> {
    let mut found = Vec::new();
    let mut say = |path: String, what: &str| {
        found.push(ConfigMistake {
            path,
            what: what.to_owned(),
        });
    };
    let mut names = BTreeSet::new();
    let mut urls = BTreeSet::new();
    for (index, issuer) in issuers.iter().enumerate() {
        let at = format!("issuer[{index}]");
        issuer.mistakes(&at, &mut say);
        if !names.insert(&*issuer.name) {
            say(format!("{at}.name"), "stands twice");
        }
        for stated in super::entra::issuers_of(issuer) {
            if !urls.insert(stated) {
                say(
                    format!("{at}.issuer"),
                    "is covered by another entry; give that one all audiences and rules",
                );
            }
        }
    }
    found
}

fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn default_groups_claim() -> String {
    "groups".to_owned()
}

const fn default_lifetime() -> i64 {
    limits::TOKEN_LIFETIME_MAX_S
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(SecretString::from))
}

impl fmt::Display for IssuerKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Generic => "generic",
            Self::Entra => "entra",
        })
    }
}
