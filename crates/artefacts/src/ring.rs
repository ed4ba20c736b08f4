//! A rollout ring: who gets the files, and everything that goes into them. Made from the company's policy and this installation; holds no
//! secret, because its two documents cannot.

use domain::opaque::{hex, sha256};
use serde_json::{Map, Value, json};

use crate::schema::Client;
use crate::settings::{Refused, Settings};

/// How people of a ring sign in to Claude Desktop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// At the gateway, which leads on to the company's identity provider. Nothing to register, and the live document follows within half
    /// an hour.
    Gateway,
    /// In the app at the company's identity provider, in the spelling since Claude Desktop 2.7032.0.
    Current(Provider),
    /// The same in the older spelling, which versions since 1.6889.0 read.
    Compatible(Provider),
}

/// The company's identity provider, as Claude Desktop signs in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its issuer address.
    pub issuer: String,
    /// The application's id: a public client with the address `http://127.0.0.1/callback`.
    pub client_id: String,
}

/// A model that the ring may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its id, as clients name it.
    pub id: String,
    /// Whether it takes a context of a million tokens.
    pub is_long: bool,
}

/// What a ring is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// The group; none for everyone.
    pub group: Option<String>,
    /// The organisation's name, for people.
    pub org: String,
    /// What the ids of profiles are made from: the organisation's id. The same organisation, ring and kind have the same ids for ever, so
    /// that a new file replaces the old one on a device.
    pub seed: String,
    /// The origin that clients use.
    pub gateway_url: String,
    /// The version of the policy that says this; 0 before the first.
    pub policy_version: u64,
    /// What the ring may use.
    pub models: Vec<Model>,
    /// How its people sign in to Claude Desktop.
    pub sign_in: SignIn,
    /// The policy's settings for Claude Desktop.
    pub desktop: Map<String, Value>,
    /// The policy's managed settings for Claude Code.
    pub code: Map<String, Value>,
}

/// A ring whose files can be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Ring {
    described: Described,
    slug: String,
    desktop: Settings,
    code: Settings,
}

impl Ring {
    /// Looks everything through; every reason against it is returned at once.
    pub fn new(described: Described) -> Result<Self, Refused> {
        let desktop = Settings::new(Client::Desktop, desktop(&described));
        let code = Settings::new(Client::Code, code(&described));
        let mut against = Vec::new();
        if !is_origin(&described.gateway_url) {
            against.push(format!(
                "clients do not take {} as a gateway: the address must be https without a path of the API (http on the same machine alone)",
                described.gateway_url
            ));
        }
        match (desktop, code) {
            (Ok(desktop), Ok(code)) if against.is_empty() => Ok(Self {
                slug: slug(described.group.as_deref()),
                described,
                desktop,
                code,
            }),
            (desktop, code) => {
                let refused = [desktop.err(), code.err()].into_iter().flatten();
                against.extend(refused.flat_map(|refused| refused.0));
                Err(Refused(against))
            }
        }
    }

    /// What it is made of.
    pub const fn described(&self) -> &Described {
        &self.described
    }

    /// What Claude Desktop gets.
    pub const fn desktop(&self) -> &Settings {
        &self.desktop
    }

    /// What Claude Code gets.
    pub const fn code(&self) -> &Settings {
        &self.code
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        self.described.group.as_deref().unwrap_or("everyone")
    }

    /// Its name in names of files and in ids: small letters, digits and dashes.
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// What somebody should look at before the files go out, a sentence each.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<String> = [&self.desktop, &self.code]
            .iter()
            .flat_map(|settings| settings.remarks().iter().cloned())
            .collect();
        if self.described.models.is_empty() {
            remarks.push(
                "the policy grants this ring no model by itself, so the list of models is left to the gateway: whoever is granted none \
                 otherwise can sign in and use nothing"
                    .to_owned(),
            );
        }
        remarks
    }

    /// A stable id in the form of a UUID (version 8, from a hash).
    pub(crate) fn uuid(&self, of: &str) -> String {
        let text = format!("{}\n{}\n{of}", self.described.seed, self.slug);
        let hash = hex(&sha256(text.as_bytes())).to_uppercase();
        format!(
            "{}-{}-8{}-8{}-{}",
            &hash[0..8],
            &hash[8..12],
            &hash[13..16],
            &hash[17..20],
            &hash[20..32]
        )
    }
}

/// Without a query, a fragment or a trailing `/v1`.
fn is_origin(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else {
        return false;
    };
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    is_safe
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && !url.path().trim_end_matches('/').ends_with("/v1")
}

/// What Claude Desktop needs to work through the gateway, and over it what the policy says.
fn desktop(described: &Described) -> Map<String, Value> {
    let url = described.gateway_url.trim_end_matches('/');
    let model = |model: &Model| {
        if model.is_long {
            json!({"name": model.id, "supports1m": true})
        } else {
            json!({"name": model.id})
        }
    };
    let models: Vec<Value> = described.models.iter().map(model).collect();
    let mut settings = object(json!({
        "inferenceProvider": "gateway",
        "inferenceGatewayBaseUrl": url,
        // Stated rather than discovered where they are known: what cannot fail to load cannot leave somebody without a model.
        "modelDiscoveryEnabled": models.is_empty(),
    }));
    if !models.is_empty() {
        settings.insert("inferenceModels".to_owned(), Value::Array(models));
    }
    settings.extend(object(json!({
        "otlpEndpoint": url,
        "otlpProtocol": "http/protobuf",
        "otlpAuthMode": "inference-credential",
    })));
    let sign_in = match &described.sign_in {
        SignIn::Gateway => json!({
            "inferenceCredentialKind": "interactive",
            "bootstrapEnabled": true,
            "bootstrapUrl": format!("{url}/user/bootstrap"),
        }),
        SignIn::Current(provider) => json!({
            "inferenceCredentialKind": "external-idp",
            "inferenceIdpOidc": oidc(provider),
            "inferenceIdpAuthFlow": "browser",
        }),
        SignIn::Compatible(provider) => json!({
            "inferenceCredentialKind": "interactive",
            "inferenceGatewayOidc": oidc(provider),
            "inferenceGatewayOidcAuthFlow": "browser",
        }),
    };
    settings.extend(object(sign_in));
    settings.extend(described.desktop.clone());
    settings
}

fn oidc(provider: &Provider) -> Value {
    json!({
        "clientId": provider.client_id,
        "issuer": provider.issuer,
        "scopes": "openid profile email offline_access",
    })
}

/// That Claude Code signs in here, and over it what the policy says, so that it holds before the first sign-in as well.
fn code(described: &Described) -> Map<String, Value> {
    let mut settings = object(json!({
        "forceLoginMethod": "gateway",
        "forceLoginGatewayUrl": described.gateway_url.trim_end_matches('/'),
    }));
    settings.extend(described.code.clone());
    settings
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Letters of a slug that say which ring it is.
const SLUG_LETTERS_MAX: usize = 40;

/// What is not a small letter, a digit or a dash becomes a dash; a part of a hash keeps two groups apart that would become the same.
fn slug(group: Option<&str>) -> String {
    let Some(group) = group else {
        return "everyone".to_owned();
    };
    let mut slug = String::new();
    for letter in group.chars() {
        if slug.len() >= SLUG_LETTERS_MAX {
            break;
        }
        match letter {
            'a'..='z' | '0'..='9' => slug.push(letter),
            'A'..='Z' => slug.push(letter.to_ascii_lowercase()),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug == group && slug != "everyone" {
        return slug.to_owned();
    }
    let hash = hex(&sha256(group.as_bytes())[..3]);
    match slug {
        "" => format!("group-{hash}"),
        slug => format!("{slug}-{hash}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slug_of_a_group_is_safe_in_names_and_its_own() {
        assert_eq!(slug(None), "everyone");
        assert_eq!(slug(Some("ring-0")), "ring-0");
        let hostile = [
            "everyone",
            "Ring 0",
            "ring_0",
            "../../etc",
            "日本",
            "",
            "a\r\nb",
            "-",
            "Everyone",
        ];
        let slugs: std::collections::BTreeSet<String> =
            hostile.iter().map(|group| slug(Some(group))).collect();
        assert_eq!(slugs.len(), hostile.len(), "{slugs:?}");
        for slug in slugs {
            assert_ne!(slug, "everyone");
            assert!(
                slug.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{slug}"
            );
        }
    }

    #[test]
    fn a_gateway_is_https_or_on_the_same_machine_and_no_endpoint() {
        for (url, fits) in [
            ("https://claude.corp.example", true),
            ("https://ai.corp.example/claude", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost:8080", true),
            ("http://claude.corp.example", false),
            ("https://claude.corp.example/v1", false),
            ("https://claude.corp.example/v1/", false),
            ("https://claude.corp.example?x=1", false),
            ("https://me@claude.corp.example", false),
            ("claude.corp.example", false),
        ] {
            assert_eq!(is_origin(url), fits, "{url}");
        }
    }
}
