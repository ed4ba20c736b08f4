//! What is particular about Microsoft Entra ID: two generations of issuer URLs, tenants, templated issuers on keys, guests,
//! application-only tokens, and groups that do not fit into the token. Facts: Microsoft's identity platform documentation,
//! `id-token-claims-reference` and `access-tokens`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::{Clock, ReasonCode, Refusal};
use jsonwebtoken::Algorithm;
use serde_json::Value;
use url::Url;

use super::claims::{Claims, wrong};
use super::config::{IssuerConfig, IssuerKind};
use super::source::{KeySource, Location};
use crate::fetch::Fetch;

/// Which generation of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    V1,
    V2,
}

/// An issuer URL taken apart: `https://login.microsoftonline.com/<tenant>/v2.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// Scheme and host, without a slash at the end.
    pub(super) base: String,
    /// The tenant, unless the URL is for any.
    pub(super) tenant: Option<String>,
    /// The path segment in the tenant's place.
    segment: String,
}

impl Authority {
    pub(super) fn parse(issuer: &str) -> Option<Self> {
        let url = Url::parse(issuer).ok()?;
        let mut segments = url.path_segments()?;
        let (segment, "v2.0", None) = (
            segments.next()?.to_owned(),
            segments.next()?,
            segments.next(),
        ) else {
            return None;
        };
        let tenant = match segment.as_str() {
            "organizations" | "common" => None,
            tenant if is_guid(tenant) => Some(tenant.to_owned()),
            _ => return None,
        };
        Some(Self {
            base: url.origin().ascii_serialization(),
            tenant,
            segment,
        })
    }

    fn v2(&self, tenant: &str) -> String {
        format!("{}/{tenant}/v2.0", self.base)
    }
}

/// A tenant or object id: lower case, 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// Every issuer that tokens of this configuration may state.
pub(super) fn issuers_of(config: &IssuerConfig) -> Vec<String> {
    match (config.kind, Authority::parse(&config.issuer)) {
        (IssuerKind::Entra, Some(authority)) => tenants(config, &authority)
            .into_iter()
            .flat_map(|tenant| [authority.v2(&tenant), v1(&config.entra.sts_url, &tenant)])
            .collect(),
        _ => vec![config.issuer.clone()],
    }
}

fn v1(sts_url: &str, tenant: &str) -> String {
    format!("{}/{tenant}/", sts_url.trim_end_matches('/'))
}

/// The tenants whose people this configuration trusts; none for what is not Entra.
pub(super) fn tenants_of(config: &IssuerConfig) -> BTreeSet<String> {
    match (config.kind, Authority::parse(&config.issuer)) {
        (IssuerKind::Entra, Some(authority)) => tenants(config, &authority),
        _ => BTreeSet::new(),
    }
}

fn tenants(config: &IssuerConfig, authority: &Authority) -> BTreeSet<String> {
    match &authority.tenant {
        Some(tenant) => BTreeSet::from([tenant.clone()]),
        None => config
            .entra
            .tenants
            .iter()
            .map(|tenant| tenant.to_ascii_lowercase())
            .collect(),
    }
}

/// One Entra configuration at work.
#[derive(Debug)]
pub(super) struct Entra {
    authority: Authority,
    sts_url: String,
    guests: bool,
    /// Exact issuer, to the tenant and generation it stands for.
    trusted: BTreeMap<String, (String, Generation)>,
    v1: Arc<KeySource>,
    pub(super) v2: Arc<KeySource>,
}

/// A person or application, as an Entra token names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntraSubject {
    pub(super) tenant: String,
    pub(super) object: String,
    /// No person is behind it.
    pub(super) application: bool,
}

impl Entra {
    pub(super) fn new(
        config: &IssuerConfig,
        rsa: Algorithm,
        fetch: &Fetch,
        clock: &Arc<dyn Clock>,
    ) -> Option<Self> {
        let authority = Authority::parse(&config.issuer)?;
        let sts_url = config.entra.sts_url.trim_end_matches('/').to_owned();
        let mut trusted = BTreeMap::new();
        for tenant in tenants(config, &authority) {
            trusted.insert(authority.v2(&tenant), (tenant.clone(), Generation::V2));
            trusted.insert(v1(&sts_url, &tenant), (tenant, Generation::V1));
        }
        let name: Arc<str> = config.name.as_str().into();
        // Documents for any tenant state a template in the tenant's place.
        let stated = authority.tenant.as_deref().unwrap_or("{tenantid}");
        let source = |path: &str, issuer: String| {
            let mut url =
                Url::parse(&format!("{}/{}{path}", authority.base, authority.segment)).ok()?;
            if let Some(appid) = &config.entra.discovery_appid {
                url.query_pairs_mut().append_pair("appid", appid);
            }
            let location = Location::Discovery { url, issuer };
            Some(KeySource::new(
                Arc::clone(&name),
                location,
                rsa,
                fetch.clone(),
                Arc::clone(clock),
            ))
        };
        let v1 = source("/.well-known/openid-configuration", v1(&sts_url, stated))?;
        let v2 = source(
            "/v2.0/.well-known/openid-configuration",
            authority.v2(stated),
        )?;
        Some(Self {
            guests: config.entra.guests,
            sts_url,
            trusted,
            v1,
            v2,
            authority,
        })
    }

    pub(super) fn trusts(&self, issuer: &str) -> bool {
        self.trusted.contains_key(issuer)
    }

    /// Whether sign-ins, which are always of the second generation, are answered in this issuer's name.
    pub(super) fn answers_as(&self, issuer: &str) -> bool {
        matches!(self.trusted.get(issuer), Some((_, Generation::V2)))
    }

    /// Whether the issuer is one of the same cloud, of a tenant that is not trusted.
    pub(super) fn knows_but_does_not_trust(&self, issuer: &str) -> bool {
        let v2 = issuer
            .strip_prefix(&format!("{}/", self.authority.base))
            .and_then(|rest| rest.strip_suffix("/v2.0"));
        let v1 = issuer
            .strip_prefix(&format!("{}/", self.sts_url))
            .and_then(|rest| rest.strip_suffix('/'));
        !self.trusts(issuer) && v2.or(v1).is_some_and(is_guid)
    }

    /// The tenants' keys of the generation that an issuer stands for.
    pub(super) fn source(&self, issuer: &str) -> &Arc<KeySource> {
        match self.trusted.get(issuer) {
            Some((_, Generation::V1)) => &self.v1,
            _ => &self.v2,
        }
    }

    /// Sources to keep fresh: v1 keys are fetched when the first v1 token comes.
    pub(super) fn sources_in_use(&self) -> impl Iterator<Item = &Arc<KeySource>> {
        std::iter::once(&self.v2).chain(Some(&self.v1).filter(|v1| v1.state().fetched_at.is_some()))
    }

    /// Whether a key with this `issuer` member may sign for that issuer: a template fits the tenant alone, a literal fits itself.
    pub(super) fn may_sign(&self, key_issuer: &str, issuer: &str) -> bool {
        let Some((tenant, _)) = self.trusted.get(issuer) else {
            return false;
        };
        let stated = key_issuer.replace("{tenantid}", tenant);
        stated == self.authority.v2(tenant) || stated == v1(&self.sts_url, tenant)
    }

    /// Checks that the claims agree with the issuer, and says who it is about.
    pub(super) fn subject(
        &self,
        claims: Claims<'_>,
        issuer: &str,
    ) -> Result<EntraSubject, Refusal> {
        let (tenant, generation) = self
            .trusted
            .get(issuer)
            .ok_or_else(|| Refusal::plain(ReasonCode::TokenIssuer))?;
        let stated = claims.required("tid")?;
        if !is_guid(stated) || stated != tenant {
            return Err(Refusal::new(
                ReasonCode::TokenTenant,
                "The token's tenant (`tid`) is not the one its issuer stands for.",
            ));
        }
        let expected = match generation {
            Generation::V1 => "1.0",
            Generation::V2 => "2.0",
        };
        if claims
            .text("ver")?
            .is_some_and(|version| version != expected)
        {
            return Err(wrong("ver", "does not belong to the token's issuer"));
        }
        let object = claims
            .text("oid")?
            .ok_or_else(|| wrong("oid", "is missing: ask for the scope `profile`"))?;
        if !is_guid(object) {
            return Err(wrong("oid", "is not an object id"));
        }
        if !self.guests && self.is_guest(claims, tenant)? {
            let text = "Guest accounts of the tenant are not accepted; an administrator can allow them (`entra.guests`).";
            return Err(Refusal::new(ReasonCode::TokenTenant, text));
        }
        Ok(EntraSubject {
            tenant: tenant.clone(),
            object: object.to_owned(),
            application: is_application(claims)?,
        })
    }

    /// `idp` names where the account is at home, when that is elsewhere (or, in v1 tokens, anywhere); `acct` 1 says guest.
    fn is_guest(&self, claims: Claims<'_>, tenant: &str) -> Result<bool, Refusal> {
        let from_elsewhere = claims.text("idp")?.is_some_and(|home| {
            home != self.authority.v2(tenant)
                && home.trim_end_matches('/') != v1(&self.sts_url, tenant).trim_end_matches('/')
        });
        let says_so = match claims.0.get("acct") {
            None => false,
            Some(Value::Number(number)) => number.as_u64() != Some(0),
            Some(Value::String(text)) => text != "0",
            Some(_) => return Err(wrong("acct", "must be a number")),
        };
        Ok(from_elsewhere || says_so)
    }

    /// Where a tenant's own tokens for Graph come from.
    pub(super) fn token_url(&self, tenant: &str) -> Option<Url> {
        Url::parse(&format!(
            "{}/{tenant}/oauth2/v2.0/token",
            self.authority.base
        ))
        .ok()
    }
}

/// Access tokens carry the client's strength (`azpacr`, v1 `appidacr`); those made for a person also carry `scp`.
fn is_application(claims: Claims<'_>) -> Result<bool, Refusal> {
    match claims.text("idtyp")? {
        Some("user") => return Ok(false),
        Some(_) => return Ok(true),
        None => {}
    }
    Ok(is_access_token(claims) && claims.text("scp")?.is_none())
}

/// ID tokens carry none of these.
pub(super) fn is_access_token(claims: Claims<'_>) -> bool {
    ["azpacr", "appidacr", "scp", "idtyp"]
        .iter()
        .any(|name| claims.0.contains_key(*name))
}

/// Whether the token says that the groups did not fit into it.
pub(super) fn groups_left_out(claims: Claims<'_>, groups_claim: &str) -> bool {
    let named = claims
        .0
        .get("_claim_names")
        .is_some_and(|names| names.get(groups_claim).is_some());
    let flagged = claims
        .0
        .get("hasgroups")
        .is_some_and(|flag| *flag != Value::Bool(false));
    (named || flagged) && !claims.0.contains_key(groups_claim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn an_issuer_url_must_name_a_tenant_or_say_any() {
        let of = |text: &str| Authority::parse(text).map(|authority| authority.tenant);
        assert_eq!(
            of(&format!("https://login.microsoftonline.com/{TENANT}/v2.0")),
            Some(Some(TENANT.to_owned()))
        );
        assert_eq!(
            of("https://login.microsoftonline.com/organizations/v2.0"),
            Some(None)
        );
        for text in [
            "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0",
            "https://login.microsoftonline.com/{tenantid}/v2.0",
            "https://login.microsoftonline.com/11111111-2222-3333-4444-55555555555X/v2.0",
            "https://login.microsoftonline.com/consumers/v2.0",
            "https://login.microsoftonline.com/v2.0",
            "https://sts.windows.net/11111111-2222-3333-4444-555555555555/",
            "not a url",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn groups_are_left_out_only_when_the_token_says_so_and_has_none() {
        let check = |claims: Value, expected: bool| {
            assert_eq!(
                groups_left_out(Claims(claims.as_object().unwrap()), "groups"),
                expected,
                "{claims}"
            );
        };
        check(json!({}), false);
        check(json!({"_claim_names": {"groups": "src1"}}), true);
        check(json!({"_claim_names": {"other": "src1"}}), false);
        check(json!({"hasgroups": true}), true);
        check(json!({"hasgroups": "true"}), true);
        check(json!({"hasgroups": false}), false);
        check(json!({"groups": ["a"], "hasgroups": true}), false);
    }

    #[test]
    fn a_token_without_a_person_is_told_from_one_with() {
        let check = |claims: Value, expected: bool| {
            assert_eq!(
                is_application(Claims(claims.as_object().unwrap())).unwrap(),
                expected,
                "{claims}"
            );
        };
        check(json!({}), false);
        check(json!({"azpacr": "0", "scp": "use"}), false);
        check(json!({"azpacr": "1"}), true);
        check(json!({"appidacr": "2", "roles": ["x"]}), true);
        check(json!({"idtyp": "app", "scp": "use"}), true);
        check(json!({"idtyp": "user"}), false);
        check(json!({"idtyp": "device"}), true);
    }
}
