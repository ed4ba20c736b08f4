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
