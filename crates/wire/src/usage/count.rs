//! The `usage` object as providers send it, and how one is laid over what is known already. Lenient on purpose: a count that is
//! no whole number is as good as absent, and never hides the others.

use domain::Usage;
use serde::{Deserialize, Deserializer};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    #[serde(deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    server_tool_use: Option<ServerToolUse>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    #[serde(deserialize_with = "count")]
    ephemeral_5m_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServerToolUse {
    #[serde(deserialize_with = "count")]
    web_search_requests: Option<u64>,
}

fn count<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u64>, D::Error> {
    Ok(serde_json::Value::deserialize(value)?.as_u64())
}

fn set(slot: &mut u64, value: Option<u64>) {
    *slot = value.unwrap_or(*slot);
}

impl WireUsage {
    /// Overwrites every count that is present here.
    pub(super) fn lay_over(self, usage: &mut Usage) {
        set(&mut usage.input_tokens, self.input_tokens);
        set(&mut usage.output_tokens, self.output_tokens);
        set(&mut usage.cache_read_tokens, self.cache_read_input_tokens);
        if let Some(by_age) = self.cache_creation {
            set(
                &mut usage.cache_write_5m_tokens,
                by_age.ephemeral_5m_input_tokens,
            );
            set(
                &mut usage.cache_write_1h_tokens,
                by_age.ephemeral_1h_input_tokens,
            );
        }
        if let Some(total) = self.cache_creation_input_tokens {
            // What the total has beyond the one-hour share is priced as the shorter age; a total that contradicts it wins.
            usage.cache_write_1h_tokens = usage.cache_write_1h_tokens.min(total);
            usage.cache_write_5m_tokens = total - usage.cache_write_1h_tokens;
        }
        set(
            &mut usage.web_search_requests,
            self.server_tool_use
                .and_then(|tools| tools.web_search_requests),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lays one after another and gives (input, output, 5m, 1h, read, searches).
    fn check(laid: &[&str], expected: [u64; 6]) {
        let mut usage = Usage::default();
        for json in laid {
            let wire: WireUsage = serde_json::from_str(json).unwrap();
            wire.lay_over(&mut usage);
        }
        let found = [
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_write_5m_tokens,
            usage.cache_write_1h_tokens,
            usage.cache_read_tokens,
            usage.web_search_requests,
        ];
        assert_eq!(found, expected, "{laid:?}");
    }

    #[test]
    fn a_later_count_overwrites_and_an_absent_one_does_not() {
        check(
            &[
                r#"{"input_tokens":5,"output_tokens":1,"cache_read_input_tokens":2}"#,
                r#"{"output_tokens":9,"server_tool_use":{"web_search_requests":3}}"#,
            ],
            [5, 9, 0, 0, 2, 3],
        );
    }

    #[test]
    fn cache_writes_are_split_by_age_where_the_provider_says_so() {
        let total = r#"{"cache_creation_input_tokens":30}"#;
        let split = r#"{"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20}}"#;
        check(&[total], [0, 0, 30, 0, 0, 0]);
        check(&[split], [0, 0, 10, 20, 0, 0]);
        check(&[split, total], [0, 0, 10, 20, 0, 0]);
        check(
            &[split, r#"{"cache_creation_input_tokens":50}"#],
            [0, 0, 30, 20, 0, 0],
        );
        check(
            &[split, r#"{"cache_creation_input_tokens":5}"#],
            [0, 0, 0, 5, 0, 0],
        );
        check(
            &[r#"{"cache_creation":{"ephemeral_1h_input_tokens":7}}"#],
            [0, 0, 0, 7, 0, 0],
        );
    }

    #[test]
    fn one_odd_count_does_not_hide_the_others() {
        check(
            &[
                r#"{"input_tokens":null,"output_tokens":4,"cache_creation":null,"server_tool_use":null}"#,
                r#"{"input_tokens":-1,"cache_read_input_tokens":"7"}"#,
                r#"{"input_tokens":1.5,"cache_creation":{"ephemeral_5m_input_tokens":null}}"#,
                r#"{"input_tokens":{"a":[1]},"service_tier":"standard","iterations":[{}]}"#,
            ],
            [0, 4, 0, 0, 0, 0],
        );
    }

    #[test]
    fn absurd_counts_do_not_overflow() {
        let most = u64::MAX;
        check(
            &[
                &format!(
                    r#"{{"cache_creation":{{"ephemeral_5m_input_tokens":{most},"ephemeral_1h_input_tokens":{most}}}}}"#
                ),
                &format!(r#"{{"cache_creation_input_tokens":{most}}}"#),
            ],
            [0, 0, 0, most, 0, 0],
        );
    }
}
