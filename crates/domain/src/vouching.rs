//! Whose word counts: the issuers that are configured to vouch for people, and the tenants that each is trusted for. Whatever hangs on
//! another one, a session, a refresh token, a token for the admin API or of a directory, opens nothing: a provider that is taken out of
//! the configuration is often taken out because it was breached. It is filled in at start and never changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::OWN_ISSUER;

/// The issuers by name, each with its tenants in lower case; none where stable ids hold no tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vouching(BTreeMap<String, BTreeSet<String>>);

impl FromIterator<(String, BTreeSet<String>)> for Vouching {
    fn from_iter<I: IntoIterator<Item = (String, BTreeSet<String>)>>(issuers: I) -> Self {
        Self(issuers.into_iter().collect())
    }
}

impl Vouching {
    /// Whether somebody vouches for the person whom this issuer knows by this stable id. Those of our own issuer are made on the machine.
    pub fn for_person(&self, issuer: &str, stable_id: &str) -> bool {
        issuer == OWN_ISSUER
            || self.0.get(issuer).is_some_and(|tenants| {
                let tenant = stable_id.split_once('/').map(|(tenant, _)| tenant);
                tenants.is_empty() || tenant.is_some_and(|tenant| tenants.contains(tenant))
            })
    }

    /// Whether the issuer's directory may say who its people are: that of a tenant, exactly where stable ids hold one.
    pub fn for_directory(&self, issuer: &str, tenant: Option<&str>) -> bool {
        self.0.get(issuer).is_some_and(|tenants| match tenant {
            None => tenants.is_empty(),
            Some(tenant) => tenants.contains(tenant),
        })
    }

    /// The tenant whose directory is meant where this one is named, in any case, or none: the only one of an issuer that has one need
    /// not be. None where stable ids hold no tenant.
    pub fn tenant_of_directory(
        &self,
        issuer: &str,
        named: Option<&str>,
    ) -> Result<Option<String>, NoGroups> {
        let tenants = self.0.get(issuer).ok_or(NoGroups::Issuer)?;
        match (named.map(str::to_ascii_lowercase), tenants.first()) {
            (Some(named), _) if tenants.contains(&named) => Ok(Some(named)),
            (Some(_), _) => Err(NoGroups::Tenant),
            (None, Some(first)) if tenants.len() > 1 => {
                Err(NoGroups::WhichTenant(format!("{issuer}/{first}")))
            }
            (None, first) => Ok(first.cloned()),
        }
    }
}

impl Vouching {
    /// Every directory there may be, by its issuer and tenant, as [`Vouching::for_directory`] takes them.
    pub fn directories(&self) -> Vec<(String, Option<String>)> {
        let all = self.0.iter().flat_map(|(name, tenants)| {
            let alone = tenants.is_empty().then_some(None);
            let of_tenants = tenants.iter().cloned().map(Some);
            alone
                .into_iter()
                .chain(of_tenants)
                .map(move |tenant| (name.clone(), tenant))
        });
        all.collect()
    }
}

/// Why nobody's groups are meant by a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoGroups {
    /// No such issuer vouches for people.
    #[error("no issuer of this name vouches for people here")]
    Issuer,
    /// The issuer is not trusted for this tenant.
    #[error("the issuer is not trusted for this tenant")]
    Tenant,
    /// It is trusted for several, and none is named.
    #[error("the issuer is trusted for several tenants; say whose is meant, as in {0}")]
    WhichTenant(String),
}

impl Vouching {
    /// Whether a word means an issuer's groups to whom something can be given: `okta`, or `entra/<tenant>`, which must name the tenant
    /// where the issuer is trusted for several: each of them names its groups as it likes.
    pub fn check_groups_of(&self, word: &str) -> Result<(), NoGroups> {
        if let Some(tenants) = self.0.get(word) {
            let first = tenants.first().filter(|_| tenants.len() > 1);
            return first.map_or(Ok(()), |tenant| {
                Err(NoGroups::WhichTenant(format!("{word}/{tenant}")))
            });
        }
        let (issuer, tenant) = word.rsplit_once('/').ok_or(NoGroups::Issuer)?;
        let tenants = self.0.get(issuer).ok_or(NoGroups::Issuer)?;
        tenants
            .contains(tenant)
            .then_some(())
            .ok_or(NoGroups::Tenant)
    }

    /// The words that mean an issuer's groups, as [`Vouching::check_groups_of`] takes them.
    pub fn words(&self) -> Vec<String> {
        let words = self.0.iter().flat_map(|(name, tenants)| {
            let several = tenants.iter().filter(|_| tenants.len() > 1);
            let alone = Some(name.clone()).filter(|_| tenants.len() <= 1);
            alone
                .into_iter()
                .chain(several.map(move |tenant| format!("{name}/{tenant}")))
        });
        words.collect()
    }

    /// The words that mean the groups of whom this issuer knows by this stable id. The issuer's bare name is none of them where it is
    /// trusted for several tenants: what was given to it before that holds for nobody.
    pub fn groups_words(&self, issuer: &str, stable_id: &str) -> Vec<String> {
        let mut words = groups_words(issuer, stable_id);
        let is_one_of_several = self.0.get(issuer).is_some_and(|tenants| tenants.len() > 1);
        words.retain(|word| !is_one_of_several || word != issuer);
        words
    }
}

/// As [`Vouching::groups_words`], with the bare name in any case: for who must be protected rather than let in.
pub fn groups_words(issuer: &str, stable_id: &str) -> Vec<String> {
    let tenant = stable_id.split_once('/').map(|(tenant, _)| tenant);
    let words = [
        Some(issuer.to_owned()),
        tenant.map(|tenant| format!("{issuer}/{tenant}")),
    ];
    words.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_one_tenant_is_not_anothers_of_the_same_name() {
        let words = |issuer: &str, stable_id: &str| vouching().groups_words(issuer, stable_id);
        assert_eq!(words("entra", "tid-a/oid"), ["entra/tid-a"]);
        assert_eq!(words("okta", "ada"), ["okta"]);
        assert_eq!(words("single", "tid-a/oid"), ["single", "single/tid-a"]);
        assert_eq!(groups_words("entra", "tid-a/oid"), ["entra", "entra/tid-a"]);
        let check = |word: &str, expected: Result<(), NoGroups>| {
            assert_eq!(vouching().check_groups_of(word), expected, "{word}");
        };
        check("okta", Ok(()));
        check("single", Ok(()));
        check("single/tid-a", Ok(()));
        check("entra/tid-b", Ok(()));
        check(
            "entra",
            Err(NoGroups::WhichTenant("entra/tid-a".to_owned())),
        );
        check("entra/tid-c", Err(NoGroups::Tenant));
        check("okta/tid-a", Err(NoGroups::Tenant));
        check("gone", Err(NoGroups::Issuer));
        check("gone/tid-a", Err(NoGroups::Issuer));
        let all = vouching().words();
        assert_eq!(all, ["entra/tid-a", "entra/tid-b", "okta", "single"]);
        for word in all {
            check(&word, Ok(()));
        }
    }

    fn vouching() -> Vouching {
        let tenants = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        [
            ("okta".to_owned(), tenants(&[])),
            ("entra".to_owned(), tenants(&["tid-a", "tid-b"])),
            ("single".to_owned(), tenants(&["tid-a"])),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn only_configured_issuers_and_their_tenants_vouch_for_people() {
        let check = |issuer: &str, stable_id: &str, expected: bool| {
            let found = vouching().for_person(issuer, stable_id);
            assert_eq!(found, expected, "{issuer} {stable_id}");
        };
        check("okta", "ada", true);
        check("okta", "any/ada", true);
        check("entra", "tid-a/oid", true);
        check("entra", "tid-c/oid", false);
        check("entra", "oid", false);
        check("gone", "ada", false);
        check("", "", false);
        check(OWN_ISSUER, "drill-1", true);
        assert!(!Vouching::default().for_person("okta", "ada"));
    }

    #[test]
    fn only_configured_issuers_and_their_tenants_have_a_directory() {
        let check = |issuer: &str, tenant: Option<&str>, expected: bool| {
            let found = vouching().for_directory(issuer, tenant);
            assert_eq!(found, expected, "{issuer} {tenant:?}");
        };
        let all = vouching().directories();
        assert_eq!(all.len(), 4);
        for (issuer, tenant) in all {
            check(&issuer, tenant.as_deref(), true);
        }
        check("okta", None, true);
        check("okta", Some("tid-a"), false);
        check("entra", Some("tid-a"), true);
        check("entra", Some("tid-c"), false);
        // Its people would be shut out under ids that no sign-in states.
        check("entra", None, false);
        check("single", None, false);
        check("gone", None, false);
        check(OWN_ISSUER, None, false);
    }

    #[test]
    fn a_directory_is_of_the_tenant_that_sign_ins_state() {
        let check =
            |issuer: &str, named: Option<&str>, expected: Result<Option<&str>, NoGroups>| {
                let found = vouching().tenant_of_directory(issuer, named);
                let expected = expected.map(|tenant| tenant.map(str::to_owned));
                assert_eq!(found, expected, "{issuer} {named:?}");
            };
        check("okta", None, Ok(None));
        check("okta", Some("tid-a"), Err(NoGroups::Tenant));
        check("single", None, Ok(Some("tid-a")));
        check("single", Some("TID-A"), Ok(Some("tid-a")));
        check("single", Some("tid-b"), Err(NoGroups::Tenant));
        check("entra", Some("tid-b"), Ok(Some("tid-b")));
        let which = NoGroups::WhichTenant("entra/tid-a".to_owned());
        check("entra", None, Err(which));
        check("gone", None, Err(NoGroups::Issuer));
    }
}
