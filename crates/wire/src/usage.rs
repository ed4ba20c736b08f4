//! Token counts out of answers of the Messages API, streamed or whole.
//!
//! The rule: take `message_start.message.usage`, then let each `message_delta.usage` overwrite the fields it has; the last seen
//! counts. Content deltas are not parsed: their bytes are counted, so that a cut stream can be estimated.

use domain::Usage;
use serde::Deserialize;

use crate::sse::{Event, Parser};

/// How far an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// No usage was seen yet.
    Nothing,
    /// The input is known, the output only up to the last delta.
    Partial,
    /// The final counts were seen.
    Complete,
    /// The provider reported an error after the stream had begun.
    Failed,
}

/// Follows one answer.
#[derive(Debug)]
pub struct UsageMeter {
    parser: Parser,
    seen: Seen,
}

#[derive(Debug)]
struct Seen {
    usage: Usage,
    progress: Progress,
    delta_bytes: u64,
    stop_reason: Option<String>,
}

/// Bytes of delta events around the text itself: `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`.
const DELTA_FRAME_BYTES: u64 = 78;

impl UsageMeter {
    /// A meter for a stream whose lines are at most this long.
    pub const fn new(line_bytes_max: usize) -> Self {
        let seen = Seen {
            usage: ZERO,
            progress: Progress::Nothing,
            delta_bytes: 0,
            stop_reason: None,
        };
        Self {
            parser: Parser::new(line_bytes_max),
            seen,
        }
    }

    /// Reads the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        let seen = &mut self.seen;
        self.parser.push(bytes, |event| seen.event(event));
    }

    /// Whether the stream stands between two events.
    pub fn at_boundary(&self) -> bool {
        self.parser.at_boundary()
    }

    /// What was counted so far.
    pub const fn usage(&self) -> Usage {
        self.seen.usage
    }

    /// How far the answer came.
    pub const fn progress(&self) -> Progress {
        self.seen.progress
    }

    /// Why the model stopped, when it said so.
    pub fn stop_reason(&self) -> Option<&str> {
        self.seen.stop_reason.as_deref()
    }

    /// Output tokens so far: the provider's count, or what the deltas' bytes amount to when that is more (three bytes a token).
    pub const fn output_tokens_so_far(&self) -> u64 {
        let guessed = self.seen.delta_bytes / 3;
        if guessed > self.seen.usage.output_tokens {
            guessed
        } else {
            self.seen.usage.output_tokens
        }
    }

    /// The usage to bill for a stream that was cut: what was counted, with the output estimated from its bytes.
    pub const fn estimate(&self) -> Usage {
        let mut usage = self.seen.usage;
        usage.output_tokens = self.output_tokens_so_far();
        usage
    }
}

const ZERO: Usage = Usage {
    input_tokens: 0,
    output_tokens: 0,
    cache_write_5m_tokens: 0,
    cache_write_1h_tokens: 0,
    cache_read_tokens: 0,
    web_search_requests: 0,
};

/// The counts of a whole JSON answer; none when it has no usage.
pub fn from_answer(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Answer {
        usage: WireUsage,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let mut usage = ZERO;
    answer.usage.lay_over(&mut usage);
    Some(usage)
}

impl Seen {
    fn event(&mut self, event: Event<'_>) {
        match event.name {
            b"content_block_delta" => {
                self.delta_bytes += (event.data.len() as u64).saturating_sub(DELTA_FRAME_BYTES);
            }
            b"message_start" => {
                if let Ok(start) = serde_json::from_slice::<MessageStart>(event.data) {
                    start.message.usage.lay_over(&mut self.usage);
                    self.progress = Progress::Partial;
                }
            }
            b"message_delta" => {
                if let Ok(delta) = serde_json::from_slice::<MessageDelta>(event.data) {
                    if let Some(usage) = delta.usage {
                        usage.lay_over(&mut self.usage);
                        self.progress = Progress::Complete;
                    }
                    self.stop_reason = delta
                        .delta
                        .and_then(|d| d.stop_reason)
                        .or(self.stop_reason.take());
                }
            }
            b"error" => self.progress = Progress::Failed,
            _ => {}
        }
    }
}

#[derive(Deserialize)]
struct MessageStart {
    message: StartedMessage,
}

#[derive(Deserialize)]
struct StartedMessage {
    #[serde(default)]
    usage: WireUsage,
}

#[derive(Deserialize)]
struct MessageDelta {
    delta: Option<Delta>,
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct Delta {
    stop_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    server_tool_use: Option<ServerToolUse>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServerToolUse {
    web_search_requests: u64,
}

impl WireUsage {
    fn lay_over(self, usage: &mut Usage) {
        let set = |slot: &mut u64, value: Option<u64>| *slot = value.unwrap_or(*slot);
        set(&mut usage.input_tokens, self.input_tokens);
        set(&mut usage.output_tokens, self.output_tokens);
        set(&mut usage.cache_read_tokens, self.cache_read_input_tokens);
        match (self.cache_creation, self.cache_creation_input_tokens) {
            (Some(by_age), total) => {
                // Whatever the total has beyond the two ages is priced as the shorter one.
                let known = by_age
                    .ephemeral_5m_input_tokens
                    .saturating_add(by_age.ephemeral_1h_input_tokens);
                let rest = total.unwrap_or(known).saturating_sub(known);
                usage.cache_write_5m_tokens = by_age.ephemeral_5m_input_tokens.saturating_add(rest);
                usage.cache_write_1h_tokens = by_age.ephemeral_1h_input_tokens;
            }
            (None, Some(total))
                if total != usage.cache_write_5m_tokens + usage.cache_write_1h_tokens =>
            {
                usage.cache_write_5m_tokens = total;
                usage.cache_write_1h_tokens = 0;
            }
            (None, _) => {}
        }
        set(
            &mut usage.web_search_requests,
            self.server_tool_use.map(|tools| tools.web_search_requests),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":11,",
        "\"cache_creation_input_tokens\":30,\"cache_read_input_tokens\":7,\"cache_creation\":{\"ephemeral_5m_input_tokens\":10,",
        "\"ephemeral_1h_input_tokens\":20},\"output_tokens\":1}}}\n\n",
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"abcdefghi\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );

    fn meter(stream: &str) -> UsageMeter {
        let mut meter = UsageMeter::new(10_000);
        meter.push(stream.as_bytes());
        meter
    }

    #[test]
    fn a_whole_stream_is_counted_field_by_field() {
        let meter = meter(STREAM);
        let expected = Usage {
            input_tokens: 11,
            output_tokens: 5,
            cache_write_5m_tokens: 10,
            cache_write_1h_tokens: 20,
            cache_read_tokens: 7,
            web_search_requests: 0,
        };
        assert_eq!(
            (meter.usage(), meter.progress()),
            (expected, Progress::Complete)
        );
        assert_eq!(meter.stop_reason(), Some("end_turn"));
    }

    #[test]
    fn a_cut_stream_is_estimated_from_its_bytes() {
        let cut = STREAM.find("event: message_delta").unwrap();
        let meter = meter(&STREAM[..cut]);
        assert_eq!(
            (meter.usage().output_tokens, meter.progress()),
            (1, Progress::Partial)
        );
        assert_eq!(meter.estimate().output_tokens, 3);
    }

    #[test]
    fn an_error_after_the_stream_began_is_seen() {
        let failed = meter(
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
        );
        assert_eq!(failed.progress(), Progress::Failed);
    }

    #[test]
    fn a_whole_answer_is_counted_too() {
        let usage = from_answer(br#"{"type":"message","usage":{"input_tokens":3,"output_tokens":4,"cache_creation_input_tokens":9}}"#);
        let usage = usage.unwrap();
        assert_eq!(
            (
                usage.input_tokens,
                usage.output_tokens,
                usage.cache_write_5m_tokens
            ),
            (3, 4, 9)
        );
        assert_eq!(from_answer(b"{}"), None);
        assert_eq!(from_answer(b"garbage"), None);
    }
}
