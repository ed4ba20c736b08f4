//! What a call used, in the provider's own counts.

use serde::{Deserialize, Serialize};

/// Tokens and tool uses of one answer, from `message_start.usage` overwritten field by field by each `message_delta.usage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input tokens that were neither written to nor read from a cache.
    pub input_tokens: u64,
    /// Output tokens, thinking included.
    pub output_tokens: u64,
    /// Input tokens written to the five-minute cache.
    pub cache_write_5m_tokens: u64,
    /// Input tokens written to the one-hour cache.
    pub cache_write_1h_tokens: u64,
    /// Input tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Web searches the provider ran.
    pub web_search_requests: u64,
    /// Web pages the provider fetched.
    #[serde(skip_serializing_if = "is_zero")]
    pub web_fetch_requests: u64,
    /// Times the provider ran code.
    #[serde(skip_serializing_if = "is_zero")]
    pub code_execution_requests: u64,
    /// On which terms it was answered.
    #[serde(skip_serializing_if = "Terms::are_unstated")]
    pub terms: Terms,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Usage {
    /// Input tokens in all, those of caches included.
    pub const fn input_in_all(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cache_write_5m_tokens)
            .saturating_add(self.cache_write_1h_tokens)
            .saturating_add(self.cache_read_tokens)
    }
}

/// What multiplies the price of tokens, as a request asks for it or as an answer says it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// How fast.
    pub speed: Speed,
    /// Where.
    pub geo: Geo,
}

/// `speed` of a request or of its answer's usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    /// Nothing was said.
    #[default]
    Unstated,
    /// The ordinary one.
    Standard,
    /// Faster, and dearer.
    Fast,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// `inference_geo` of a request or of its answer's usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Geo {
    /// Nothing was said.
    #[default]
    Unstated,
    /// Anywhere; also for models that cannot be bound to a place.
    Global,
    /// The United States alone.
    Us,
    /// A place that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Speed {
    /// Reads the API's word.
    pub fn named(word: &str) -> Self {
        match word {
            "standard" => Self::Standard,
            "fast" => Self::Fast,
            _ => Self::Unknown,
        }
    }
}

impl Geo {
    /// Reads the API's word.
    pub fn named(word: &str) -> Self {
        match word {
            "global" | "not_available" => Self::Global,
            "us" => Self::Us,
            _ => Self::Unknown,
        }
    }
}

impl Terms {
    /// Reads the API's words; none is unstated.
    pub fn named(speed: Option<&str>, geo: Option<&str>) -> Self {
        Self {
            speed: speed.map_or(Speed::Unstated, Speed::named),
            geo: geo.map_or(Geo::Unstated, Geo::named),
        }
    }

    /// Whether nothing is said.
    pub fn are_unstated(&self) -> bool {
        *self == Self::default()
    }

    /// These, and what others say where these say nothing.
    #[must_use]
    pub const fn or(self, others: Self) -> Self {
        Self {
            speed: match self.speed {
                Speed::Unstated => others.speed,
                stated => stated,
            },
            geo: match self.geo {
                Geo::Unstated => others.geo,
                stated => stated,
            },
        }
    }
}

impl Usage {
    /// All input tokens, cached or not.
    pub const fn input_total(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cache_write_5m_tokens)
            .saturating_add(self.cache_write_1h_tokens)
            .saturating_add(self.cache_read_tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_by_the_apis_words_and_an_unknown_word_is_not_the_ordinary_one() {
        for (speed, geo, expected) in [
            (None, None, (Speed::Unstated, Geo::Unstated)),
            (
                Some("standard"),
                Some("global"),
                (Speed::Standard, Geo::Global),
            ),
            (Some("fast"), Some("us"), (Speed::Fast, Geo::Us)),
            (None, Some("not_available"), (Speed::Unstated, Geo::Global)),
            (Some("Fast"), Some("US"), (Speed::Unknown, Geo::Unknown)),
            (Some(""), Some("eu"), (Speed::Unknown, Geo::Unknown)),
        ] {
            let terms = Terms::named(speed, geo);
            assert_eq!((terms.speed, terms.geo), expected, "{speed:?} {geo:?}");
        }
    }

    #[test]
    fn what_an_answer_says_stands_before_what_was_asked() {
        let asked = Terms::named(Some("fast"), Some("us"));
        let said = Terms::named(Some("standard"), None);
        assert_eq!(said.or(asked), Terms::named(Some("standard"), Some("us")));
        assert_eq!(Terms::default().or(asked), asked);
    }

    #[test]
    fn usage_of_older_and_newer_records_can_be_read() {
        let old: Usage = serde_json::from_str(r#"{"input_tokens":3}"#).unwrap();
        assert_eq!((old.input_tokens, old.terms), (3, Terms::default()));
        let written = serde_json::to_string(&old).unwrap();
        assert!(!written.contains("terms"), "{written}");
        let newer: Usage =
            serde_json::from_str(r#"{"terms":{"speed":"warp","geo":"us"}}"#).unwrap();
        assert_eq!(
            (newer.terms.speed, newer.terms.geo),
            (Speed::Unknown, Geo::Us)
        );
    }
}
