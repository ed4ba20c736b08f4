//! The policy in force as its rules, which nearly every page asks for more than once: read from the store each time, and made of its text only
//! when that is another than the last. Nothing here is older than the store.

use std::sync::{Arc, Mutex, PoisonError};

use domain::Policy;
use store::PolicyVersion;

use crate::{ControlError, Operation};

/// The last text that was made into rules, and these.
#[derive(Debug, Clone, Default)]
pub struct ParsedPolicy(Arc<Mutex<Option<(PolicyVersion, Policy)>>>);

impl ParsedPolicy {
    fn of(&self, version: PolicyVersion) -> Result<Policy, ControlError> {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, policy)) = &*kept()
            && known.version == version.version
            && known.text == version.text
        {
            return Ok(policy.clone());
        }
        let policy = Policy::parse(version.version, &version.text)?;
        *kept() = Some((version, policy.clone()));
        Ok(policy)
    }
}

impl Operation<'_> {
    /// The policy in force; before the first version one that lets nobody do anything.
    pub(crate) async fn policy(&self) -> Result<Policy, ControlError> {
        match self.store.latest_policy(self.org).await? {
            Some(latest) => self.parsed.of(latest),
            None => Ok(Policy::empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;

    fn version(version: u64, text: &str) -> PolicyVersion {
        PolicyVersion {
            version,
            text: text.to_owned(),
            author: "key:bootstrap".to_owned(),
            reason: "try".to_owned(),
            created: Timestamp::from_unix_ms(0),
        }
    }

    /// A store that was restored may have another text under a number that was seen before.
    #[test]
    fn another_version_or_another_text_makes_other_rules() {
        let last = ParsedPolicy::default();
        let grants = |number, text| {
            let policy = last.of(version(number, text)).unwrap();
            (policy.version, policy.document().grant.len())
        };
        let one = "[[grant]]\nname = \"a\"\nwho = { groups = [\"a\"] }\nmodels = [\"*\"]\n";
        let two = one.to_owned() + &one.replace("\"a\"", "\"b\"");
        assert_eq!(grants(1, one), (1, 1));
        assert_eq!(grants(1, one), (1, 1));
        assert_eq!(grants(2, one), (2, 1));
        assert_eq!(grants(2, &two), (2, 2));
        last.of(version(3, "[[grant")).unwrap_err();
        assert_eq!(grants(2, &two), (2, 2));
    }
}
