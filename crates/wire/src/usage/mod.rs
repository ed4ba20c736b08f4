//! Token counts out of answers of the Messages API, streamed or whole.
//!
//! The rule: take `message_start.message.usage`, then let each `message_delta.usage` overwrite the fields it has; the last seen
//! counts. Content deltas are not parsed: their bytes are counted, so that a cut stream can be estimated. Called by the inference
//! door beside the bytes it forwards; nothing a provider sends can make it fail.

mod count;

use domain::Usage;
use domain::limits::MODEL_ID_BYTES_MAX;
use serde::Deserialize;

use crate::sse::{Event, Parser};
use count::WireUsage;

/// How far an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// No usage was seen yet.
    Nothing,
    /// The input is known, the output only up to the last delta.
    Partial,
    /// The final counts were seen.
    Complete,
    /// The provider reported an error after the stream had begun. What was counted until then stands.
    Failed,
}

/// Follows one streamed answer.
#[derive(Debug)]
pub struct UsageMeter {
    parser: Parser,
    seen: Seen,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Seen {
    usage: Usage,
    started: bool,
    /// A `message_delta` with usage was seen.
    counted: bool,
    /// One with a stop reason too, or the end of the message after one: no later event counts anything.
    finished: bool,
    failed: bool,
    stopped: bool,
    delta_bytes: u64,
    model: Option<String>,
    stop_reason: Option<String>,
    error_type: Option<String>,
}

/// Bytes of a delta event around the text itself, when it has not the shape we know.
const DELTA_FRAME_BYTES: u64 = 78;
/// Bytes of text that are taken for one token when a count is estimated: fewer than tokens have, so that nobody gains by leaving.
const BYTES_PER_TOKEN: u64 = 3;
/// Longest stop reason or error type that is kept.
const WORD_BYTES_MAX: usize = 64;

impl UsageMeter {
    /// A meter for a stream whose lines are at most this long.
    pub fn new(line_bytes_max: usize) -> Self {
        Self {
            parser: Parser::new(line_bytes_max),
            seen: Seen::default(),
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
        if self.seen.failed {
            Progress::Failed
        } else if self.seen.finished {
            Progress::Complete
        } else if self.seen.started || self.seen.counted {
            Progress::Partial
        } else {
            Progress::Nothing
        }
    }

    /// Whether `message_stop` or an error was seen: nothing of use follows.
    pub const fn ended(&self) -> bool {
        self.seen.stopped || self.seen.failed
    }

    /// Whether an event was passed over because it was too long; its usage, if it had any, is not counted.
    pub const fn overlong(&self) -> bool {
        self.parser.overlong()
    }

    /// The model that answered, when it said so; not necessarily the one asked for.
    pub fn model(&self) -> Option<&str> {
        self.seen.model.as_deref()
    }

    /// Why the model stopped, when it said so.
    pub fn stop_reason(&self) -> Option<&str> {
        self.seen.stop_reason.as_deref()
    }

    /// The `error.type` of an error event, such as `overloaded_error`.
    pub fn error_type(&self) -> Option<&str> {
        self.seen.error_type.as_deref()
    }

    /// Output tokens so far: the provider's count, or what the deltas' bytes amount to when that is more (three bytes a token).
    pub const fn output_tokens_so_far(&self) -> u64 {
        let guessed = self.seen.delta_bytes / BYTES_PER_TOKEN;
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

/// What a whole JSON answer says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its counts.
    pub usage: Usage,
    /// The model that answered.
    pub model: Option<String>,
    /// Why it stopped.
    pub stop_reason: Option<String>,
}

impl Answer {
    /// Reads a whole answer; none when it is no JSON or has no usage.
    pub fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            usage: WireUsage,
            model: Option<Word>,
            stop_reason: Option<Word>,
        }
        let body: Body = serde_json::from_slice(body).ok()?;
        let mut usage = Usage::default();
        body.usage.lay_over(&mut usage);
        Some(Self {
            usage,
            model: body.model.and_then(|w| w.within(MODEL_ID_BYTES_MAX)),
            stop_reason: body.stop_reason.and_then(|w| w.within(WORD_BYTES_MAX)),
        })
    }
}

/// The counts of a whole JSON answer; none when it has no usage.
pub fn from_answer(body: &[u8]) -> Option<Usage> {
    Answer::read(body).map(|answer| answer.usage)
}

impl Seen {
    fn event(&mut self, event: Event<'_>) {
        let kind = if event.name.is_empty() {
            kind_of(event.data)
        } else {
            event.name
        };
        match kind {
            b"content_block_delta" => self.delta_bytes += delta_text_bytes(event.data),
            b"message_start" => self.message_start(event.data),
            b"message_delta" => self.message_delta(event.data),
            b"message_stop" => {
                self.stopped = true;
                self.finished |= self.counted;
            }
            b"error" => self.error(event.data),
            _ => {}
        }
    }

    fn message_start(&mut self, data: &[u8]) {
        #[derive(Deserialize)]
        struct Start {
            message: Message,
        }
        #[derive(Deserialize)]
        struct Message {
            model: Option<Word>,
            usage: Option<WireUsage>,
        }
        let Ok(Start { message }) = serde_json::from_slice(data) else {
            return;
        };
        self.started = true;
        self.model = message
            .model
            .and_then(|w| w.within(MODEL_ID_BYTES_MAX))
            .or(self.model.take());
        if let Some(usage) = message.usage {
            usage.lay_over(&mut self.usage);
        }
    }

    fn message_delta(&mut self, data: &[u8]) {
        #[derive(Deserialize)]
        struct MessageDelta {
            delta: Option<Delta>,
            usage: Option<WireUsage>,
        }
        #[derive(Deserialize)]
        struct Delta {
            stop_reason: Option<Word>,
        }
        let Ok(MessageDelta { delta, usage }) = serde_json::from_slice(data) else {
            return;
        };
        let reason = delta
            .and_then(|delta| delta.stop_reason)
            .and_then(|w| w.within(WORD_BYTES_MAX));
        if let Some(usage) = usage {
            usage.lay_over(&mut self.usage);
            self.counted = true;
            self.finished |= reason.is_some();
        }
        self.stop_reason = reason.or(self.stop_reason.take());
    }

    fn error(&mut self, data: &[u8]) {
        #[derive(Deserialize)]
        struct Failure {
            error: Cause,
        }
        #[derive(Deserialize)]
        struct Cause {
            r#type: Word,
        }
        self.failed = true;
        if let Ok(failure) = serde_json::from_slice::<Failure>(data) {
            self.error_type = failure.error.r#type.within(WORD_BYTES_MAX);
        }
    }
}

/// A short text, or anything else in its place, which is then passed over: one odd field must not hide the counts beside it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl Word {
    fn within(self, bytes_max: usize) -> Option<String> {
        match self {
            Self::Text(text) if text.len() <= bytes_max => Some(text),
            Self::Text(_) | Self::Other(_) => None,
        }
    }
}

/// The `type` of an event that has no name.
fn kind_of(data: &[u8]) -> &'static [u8] {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        r#type: std::borrow::Cow<'a, str>,
    }
    let kinds = [
        "content_block_delta",
        "message_start",
        "message_delta",
        "message_stop",
        "error",
    ];
    let prefixed = data.strip_prefix(b"{\"type\":\"");
    let known = |kind: &str| kinds.iter().find(|known| **known == kind);
    let found = match prefixed.and_then(|rest| rest.split(|&byte| byte == b'"').next()) {
        Some(kind) => str::from_utf8(kind).ok().and_then(known),
        None => serde_json::from_slice::<Typed<'_>>(data)
            .ok()
            .and_then(|typed| known(&typed.r#type)),
    };
    found.map_or(b"", |kind| kind.as_bytes())
}

/// Bytes of the text of a content delta, as it stands (escapes count as they are written). Looks at the frame alone.
fn delta_text_bytes(data: &[u8]) -> u64 {
    text_of_delta(data).map_or_else(
        || (data.len() as u64).saturating_sub(DELTA_FRAME_BYTES),
        |text| text.len() as u64,
    )
}

/// The text in `…"delta":{"type":"…","…":"` **text** `"}}`; none for another shape.
fn text_of_delta(data: &[u8]) -> Option<&[u8]> {
    const HEAD: &[u8] = b"\"delta\":{\"type\":\"";
    let head = memchr::memmem::find(data, HEAD)?;
    let rest = &data[head + HEAD.len()..];
    let rest = rest[memchr::memchr(b'"', rest)? + 1..].strip_prefix(b",\"")?;
    let rest = rest[memchr::memchr(b'"', rest)? + 1..].strip_prefix(b":\"")?;
    let end = rest.iter().rposition(|byte| !matches!(byte, b'}' | b' '))?;
    (rest[end] == b'"').then(|| &rest[..end])
}

#[cfg(test)]
mod tests;
