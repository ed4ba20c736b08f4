//! Verified callers, remembered by the SHA-256 of their credential, so that a repeat costs a hash and a look-up. The credential
//! itself is not kept.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest;
use domain::policy::CallerPolicy;
use domain::{Caller, Policy, Timestamp, limits};
use quick_cache::sync::Cache;

use super::memberships::Watch;
use super::refused::NotAdmitted;
use super::resource::Resource;
use super::revocation::{Ended, Live};
use crate::acceptance::Known;

/// A caller whose credential was verified.
#[derive(Debug)]
pub struct Verified {
    /// Who it is.
    pub caller: Arc<Caller>,
    /// From here on the credential is refused.
    pub expires: Timestamp,
    /// Whether it is still believed; wait on it to cut a stream.
    pub live: Arc<Live>,
    /// The one connector that the credential counts at; none for a credential that counts at every door.
    pub resource: Option<Resource>,
    groups: Option<Arc<Watch>>,
    policy: ArcSwapOption<Compiled>,
    pub(crate) acceptance: Known,
}

/// What of a policy concerns the caller, and the policy it was taken from. Identity, not the version number, tells whether it is
/// still the right one: spend limits change without a new version.
#[derive(Debug)]
struct Compiled {
    from: Weak<Policy>,
    policy: Arc<CallerPolicy>,
}

impl Verified {
    pub(super) fn new(
        caller: Caller,
        expires: Timestamp,
        live: Arc<Live>,
        groups: Option<Arc<Watch>>,
    ) -> Self {
        Self {
            caller: Arc::new(caller),
            expires,
            live,
            resource: None,
            groups,
            policy: ArcSwapOption::empty(),
            acceptance: Known::default(),
        }
    }

    /// As it is, but counting at this connector alone.
    pub(super) fn only_at(self, resource: Option<Resource>) -> Self {
        Self { resource, ..self }
    }

    /// Whether the credential counts at this connector, or at doors that are none.
    pub(super) fn is_for(&self, at: Option<&Resource>) -> bool {
        self.resource.is_none() || self.resource.as_ref() == at
    }

    /// What its bearer is told once it has ended.
    pub(super) fn refused(&self, ended: Ended) -> NotAdmitted {
        NotAdmitted::known(Arc::clone(&self.caller), ended.refusal())
    }

    /// Whether it may be used at this moment without another look at the credential.
    pub fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires && !self.live.is_revoked() && !self.has_other_groups()
    }

    /// Whether the caller's groups have changed since they were read.
    pub fn has_other_groups(&self) -> bool {
        self.groups.as_ref().is_some_and(|groups| groups.is_stale())
    }

    /// What of the policy concerns this caller; worked out once per policy.
    pub fn caller_policy(&self, policy: &Arc<Policy>) -> Arc<CallerPolicy> {
        let known = self.policy.load();
        if let Some(known) = known.as_ref()
            && std::ptr::eq(known.from.as_ptr(), Arc::as_ptr(policy))
        {
            return Arc::clone(&known.policy);
        }
        let compiled = Arc::new(policy.for_caller(&self.caller));
        let from = Arc::downgrade(policy);
        self.policy.store(Some(Arc::new(Compiled {
            from,
            policy: Arc::clone(&compiled),
        })));
        compiled
    }
}

/// SHA-256 of a credential.
pub(super) type Fingerprint = [u8; 32];

pub(super) fn fingerprint(credential: &str) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, credential.as_bytes()).as_ref());
    bytes
}

/// At most [`limits::TOKEN_CACHE_MAX`] verified callers.
#[derive(Debug)]
pub(super) struct TokenCache(Cache<Fingerprint, Arc<Verified>>);

impl TokenCache {
    pub(super) fn new() -> Self {
        Self(Cache::new(limits::TOKEN_CACHE_MAX))
    }

    pub(super) fn get(&self, fingerprint: &Fingerprint) -> Option<Arc<Verified>> {
        self.0.get(fingerprint)
    }

    pub(super) fn forget_all(&self) {
        self.0.clear();
    }

    pub(super) fn forget(&self, fingerprint: &Fingerprint) {
        self.0.remove(fingerprint);
    }

    /// The remembered caller, or the one that `verify` makes. Requests with the same credential wait for one verification; when
    /// it fails each tries for itself.
    pub(super) async fn get_or_verify<E>(
        &self,
        fingerprint: &Fingerprint,
        verify: impl Future<Output = Result<Arc<Verified>, E>>,
    ) -> Result<Arc<Verified>, E> {
        self.0.get_or_insert_async(fingerprint, verify).await
    }
}
