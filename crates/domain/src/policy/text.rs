//! A policy as text. The store keeps TOML, as it was written, comments included.

use super::{Document, InvalidPolicy, Policy};

/// Why a text is no policy.
#[derive(Debug, thiserror::Error)]
pub enum UnreadablePolicy {
    /// Longer than [`crate::limits::POLICY_BYTES_MAX`].
    #[error("the policy is longer than {} bytes", crate::limits::POLICY_BYTES_MAX)]
    TooLong,
    /// Not TOML of the right shape. Says where and what, with the line.
    #[error("the policy cannot be read:\n{0}")]
    Format(String),
    /// Readable, but wrong. Every mistake is in the list.
    #[error("the policy has {} mistakes", .0.len())]
    Invalid(Vec<InvalidPolicy>),
}

impl Policy {
    /// Reads and checks a text.
    pub fn parse(version: u64, text: &str) -> Result<Self, UnreadablePolicy> {
        if text.len() > crate::limits::POLICY_BYTES_MAX {
            return Err(UnreadablePolicy::TooLong);
        }
        let document: Document =
            toml::from_str(text).map_err(|error| UnreadablePolicy::Format(error.to_string()))?;
        Self::new(version, document).map_err(UnreadablePolicy::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_reads_as_people_write_it() {
        let text = r#"
            # who may use what
            [[grant]]
            name = "engineers"
            who = { groups = ["eng"] }
            models = ["claude-opus-5-5", "claude-haiku-*"]

            [[require]]
            name = "current clients"
            min_version = { claude_code = "2.1.300" }
            networks = ["10.0.0.0/8"]

            [[budget]]
            name = "everyone"
            for = "member"
            amount_usd = "60.00"
            period = "monthly"

            [[inspect]]
            name = "secrets"
            detectors = ["secret.*"]
            action = "block"

            [[managed_settings]]
            name = "all"
            settings = { env = { A = "1" }, permissions = { deny = ["Read(.env)"] } }
        "#;
        let policy = Policy::parse(3, text).unwrap();
        assert_eq!(policy.document().grant[0].models.len(), 2);
        assert!(policy.document().budget[0].hard);
    }

    #[test]
    fn a_misspelt_key_is_a_mistake_with_its_line() {
        let error = Policy::parse(1, "[[grant]]\nname = \"a\"\nmodel = [\"x\"]\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 3") && error.contains("model"),
            "{error}"
        );
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let text = "[[grant]]\nname = \"a\"\n[[budget]]\nname = \"b\"\nfor = \"person\"\namount_usd = \"-1\"\nperiod = \"daily\"\n";
        let Err(UnreadablePolicy::Invalid(mistakes)) = Policy::parse(1, text) else {
            panic!("it is invalid")
        };
        let places: Vec<_> = mistakes
            .iter()
            .map(|mistake| mistake.path.as_str())
            .collect();
        assert_eq!(
            places,
            ["budget[0].amount_usd", "budget[0].who.people", "grant[0]"]
        );
    }
}
