//! `oidc`: the identity provider, and who may sign in.

use toml::Table;

use super::notes::Notes;
use super::reader::{Map, Taken};
use super::yaml::Value;
use super::{Written, keys};

/// A group that nobody is in.
pub(super) const NOBODY: &str = "(nobody)";

/// Who may sign in at all, which in Doorward is for the policy to say.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    /// Members of any of these groups; everyone when empty.
    pub(super) groups: Vec<String>,
    /// Whether e-mail domains bounded it, and no tenant of Entra does so in their place.
    pub(super) by_domain: bool,
}

/// Reads `oidc`; writes `[[issuer]]`.
pub(super) fn read(root: &mut Map, config: &mut Written, notes: &mut Notes) -> Admitted {
    let found = root.section("oidc", notes, |oidc, notes| {
        let mut issuer = Table::new();
        let address = oidc.text("issuer", notes);
        let tenant = address
            .as_ref()
            .and_then(|found| tenant(&found.value))
            .map(str::to_owned);
        let is_entra = address.as_ref().is_some_and(|found| {
            found
                .value
                .starts_with("https://login.microsoftonline.com/")
        });
        issuer.insert(
            "name".to_owned(),
            if is_entra { "entra" } else { "company" }.into(),
        );
        if is_entra {
            issuer.insert("kind".to_owned(), "entra".into());
        }
        let admitted = admitted(oidc, tenant.is_some(), notes);
        client(oidc, &mut issuer, notes);
        claims(oidc, &mut issuer, is_entra, notes);
        harmless(oidc, is_entra, notes);
        let Some(address) = address else {
            notes.lost(
                &oidc.at("issuer"),
                oidc.line,
                "there is none that can be used; write an [[issuer]], or nobody can sign in",
            );
            return (admitted, None);
        };
        issuer.insert("issuer".to_owned(), address.value.clone().into());
        if is_entra && tenant.is_none() {
            notes.lost(
                &address.path,
                address.line,
                "names no single tenant; write issuer.entra.tenants and take the # away",
            );
            return (admitted, Some((issuer, false)));
        }
        (admitted, Some((issuer, true)))
    });
    let Some((admitted, issuer)) = found else {
        return Admitted::default();
    };
    let Some((issuer, is_whole)) = issuer else {
        return admitted;
    };
    let is_good = |issuer: &Table| {
        issuer
            .clone()
            .try_into::<pipeline::identity::IssuerConfig>()
            .is_ok_and(|issuer| pipeline::identity::config::mistakes(&[issuer]).is_empty())
    };
    if is_whole && is_good(&issuer) {
        config.add("issuer", issuer);
    } else {
        if is_whole {
            notes.lost("oidc", root.line, "is not whole: an issuer needs an address and a client_id; mend the [[issuer]] that is held back");
        }
        config.hold_back("issuer", issuer, "mend it, or nobody can sign in.");
    }
    admitted
}

/// The tenant that an address of Entra names.
fn tenant(issuer: &str) -> Option<&str> {
    let rest = issuer.strip_prefix("https://login.microsoftonline.com/")?;
    let tenant = rest.strip_suffix("/v2.0")?;
    (tenant.len() == 36 && tenant.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
        .then_some(tenant)
}

fn admitted(oidc: &mut Map, one_tenant: bool, notes: &mut Notes) -> Admitted {
    let is_bounded = oidc.has("allowed_groups");
    let mut groups = oidc
        .texts("allowed_groups", notes)
        .map_or_else(Vec::new, |found| found.value);
    if is_bounded && groups.is_empty() {
        // A bound that could not be read must not become no bound.
        groups.push(NOBODY.to_owned());
        notes.lost(&oidc.at("allowed_groups"), oidc.line, "names no group that can be carried, so nobody is granted anything by it; name groups in the [[grant]]");
    }
    let is_bounded_by_domain = oidc.has("allowed_email_domains");
    let domains = oidc.texts("allowed_email_domains", notes);
    if let Some(domains) = &domains {
        let text = if one_tenant {
            "people are never chosen by e-mail address; the issuer's one tenant, without its guests, bounds them instead"
        } else {
            "people are never chosen by e-mail address; have the identity provider admit only the company's people, and grant to groups"
        };
        notes.lost(&domains.path, domains.line, text);
    }
    Admitted {
        groups,
        by_domain: is_bounded_by_domain && !one_tenant,
    }
}

fn client(oidc: &mut Map, issuer: &mut Table, notes: &mut Notes) {
    if let Some(id) = oidc.text("client_id", notes) {
        let audiences = vec![toml::Value::from(id.value.clone())];
        issuer.insert("audiences".to_owned(), audiences.into());
        issuer.insert("client_id".to_owned(), id.value.clone().into());
        if let Some(parties) = oidc.texts("additional_authorized_parties", notes) {
            let all = std::iter::once(id.value).chain(parties.value);
            issuer.insert(
                "authorized_parties".to_owned(),
                all.map(toml::Value::from).collect::<Vec<_>>().into(),
            );
        }
    }
    if let Some(secret) = oidc.secret("client_secret", "DOORWARD_CLIENT_SECRET", notes) {
        issuer.insert("client_secret".to_owned(), secret.value.into());
    }
    if let Some(scopes) = oidc.texts("scopes", notes) {
        let scopes: Vec<_> = scopes.value.into_iter().map(toml::Value::from).collect();
        issuer.insert("scopes".to_owned(), scopes.into());
    }
}

fn claims(oidc: &mut Map, issuer: &mut Table, is_entra: bool, notes: &mut Notes) {
    if let Some(claim) = oidc.text("groups_claim", notes) {
        issuer.insert("groups_claim".to_owned(), claim.value.into());
    }
    if let Some(claim) = email_claim(oidc, notes) {
        issuer.insert("email_claim".to_owned(), claim.into());
    } else if is_entra {
        issuer.insert("email_claim".to_owned(), "email".into());
    }
    if let Some(found) = oidc.text("user_id_claim", notes) {
        let own = if is_entra { "oid" } else { "sub" };
        unless(found.value == own, &found, notes);
    }
    if let Some(found) = oidc.text("id_token_signed_response_alg", notes) {
        match &*found.value {
            "RS256" | "RS384" | "RS512" | "PS256" => {
                issuer.insert("rsa_algorithm".to_owned(), found.value.into());
            }
            // The kind of such a key says the algorithm.
            "ES256" | "ES384" | "EdDSA" => {}
            _ => unless(false, &found, notes),
        }
    }
    if let Some(found) = oidc.text("discovery_url", notes) {
        if is_entra {
            notes.lost(
                &found.path,
                found.line,
                "Entra's documents are found from the issuer's address; leave it out",
            );
        } else if url::Url::parse(&found.value).is_ok() {
            issuer.insert("discovery_url".to_owned(), found.value.into());
        } else {
            notes.lost(&found.path, found.line, "is not an address; mend it");
        }
    }
    if let Some(found) = oidc.text("ca_cert_pem", notes) {
        notes.remark(
            &found.path,
            found.line,
            "is trusted beside this machine's certificates, not in their place",
        );
        issuer.insert("ca_pem".to_owned(), found.value.into());
    }
}

/// One claim, or the first of several.
fn email_claim(oidc: &mut Map, notes: &mut Notes) -> Option<String> {
    let node = oidc.take("email_claim")?;
    let path = oidc.at("email_claim");
    let mut names = match node.value {
        Value::Text(name) => vec![name],
        Value::List(items) => items
            .into_iter()
            .filter_map(|item| match item.value {
                Value::Text(name) => Some(name),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    if names.len() != 1 {
        notes.lost(
            &path,
            node.line,
            "Doorward reads one claim; the first is written",
        );
    }
    (!names.is_empty())
        .then(|| names.remove(0))
        .filter(|name| super::reader::plain(name, &path, node.line, notes))
}

/// Settings that ask for what Doorward does anyway, or that say their default.
fn harmless(oidc: &mut Map, _is_entra: bool, notes: &mut Notes) {
    if let Some(found) = oidc.text("token_endpoint_auth_method", notes) {
        unless(found.value == "client_secret_basic", &found, notes);
    }
    for (key, value) in [
        ("use_pkce", true),
        ("userinfo_fallback", false),
        ("scope_on_refresh", false),
        ("use_proxy", false),
    ] {
        if let Some(found) = oidc.flag(key, notes) {
            unless(found.value == value, &found, notes);
        }
    }
}

fn unless<T>(same: bool, found: &Taken<T>, notes: &mut Notes) {
    if !same {
        notes.lost(
            &found.path,
            found.line,
            keys::not_carried(&found.path).unwrap_or_default(),
        );
    }
}
