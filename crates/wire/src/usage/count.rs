//! The `usage` object as providers send it, and how one is laid over what is known already. Lenient on purpose: a count that is
//! no whole number is as good as absent, and never hides the others. A speed or place of another shape than a text is there all the
//! same, and is unknown: it may make the call dearer.

use domain::Usage;
use domain::usage::{Geo, Speed};
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
    #[serde(deserialize_with = "speed")]
    speed: Option<Speed>,
    #[serde(deserialize_with = "geo")]
    inference_geo: Option<Geo>,
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
#[expect(clippy::struct_field_names, reason = "the API's names")]
struct ServerToolUse {
    #[serde(deserialize_with = "count")]
    web_search_requests: Option<u64>,
    #[serde(deserialize_with = "count")]
    web_fetch_requests: Option<u64>,
    #[serde(deserialize_with = "count")]
    code_execution_requests: Option<u64>,
}

fn count<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u64>, D::Error> {
    Ok(serde_json::Value::deserialize(value)?.as_u64())
}

fn speed<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Speed>, D::Error> {
    Ok(match serde_json::Value::deserialize(value)? {
        serde_json::Value::Null => None,
        value => Some(value.as_str().map_or(Speed::Unknown, Speed::named)),
    })
}

fn geo<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Geo>, D::Error> {
    Ok(match serde_json::Value::deserialize(value)? {
        serde_json::Value::Null => None,
        value => Some(value.as_str().map_or(Geo::Unknown, Geo::named)),
    })
}

fn set<T: Copy>(slot: &mut T, value: Option<T>) {
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
        if let Some(tools) = self.server_tool_use {
            set(&mut usage.web_search_requests, tools.web_search_requests);
            set(&mut usage.web_fetch_requests, tools.web_fetch_requests);
            let runs = tools.code_execution_requests;
            set(&mut usage.code_execution_requests, runs);
        }
        set(&mut usage.terms.speed, self.speed);
        set(&mut usage.terms.geo, self.inference_geo);
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
    fn terms_and_server_tools_are_read_and_an_odd_term_is_unknown_not_absent() {
        for (laid, speed, geo, fetches, runs) in [
            (
                &[r#"{"input_tokens":1}"#][..],
                Speed::Unstated,
                Geo::Unstated,
                0,
                0,
            ),
            (
                &[
                    r#"{"speed":"fast","inference_geo":"us","server_tool_use":{"web_fetch_requests":2,"code_execution_requests":1}}"#,
                    r#"{"output_tokens":4,"speed":null,"inference_geo":null,"server_tool_use":{"code_execution_requests":3}}"#,
                ],
                Speed::Fast,
                Geo::Us,
                2,
                3,
            ),
            (
                &[
                    r#"{"speed":"fast"}"#,
                    r#"{"speed":"standard","inference_geo":"global"}"#,
                ],
                Speed::Standard,
                Geo::Global,
                0,
                0,
            ),
            (
                &[r#"{"speed":"warp","inference_geo":"mars"}"#],
                Speed::Unknown,
                Geo::Unknown,
                0,
                0,
            ),
            (
                &[r#"{"speed":{"a":[1]},"inference_geo":7}"#],
                Speed::Unknown,
                Geo::Unknown,
                0,
                0,
            ),
        ] {
            let mut usage = Usage::default();
            for json in laid {
                let wire: WireUsage = serde_json::from_str(json).unwrap();
                wire.lay_over(&mut usage);
            }
            let found = (
                usage.terms.speed,
                usage.terms.geo,
                usage.web_fetch_requests,
                usage.code_execution_requests,
            );
            assert_eq!(found, (speed, geo, fetches, runs), "{laid:?}");
        }
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
