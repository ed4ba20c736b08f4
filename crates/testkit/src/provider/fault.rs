//! What can go wrong at a provider, and the words that order it: in the header `x-testkit-fault`, in a prompt, or by handle.

/// One way in which an answer goes wrong. Counts of events count those of the stream, pings included; for an answer that is not
/// a stream, any count above 0 means "halfway".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error in Anthropic's envelope: `status=529 retry-after=3 type=overloaded_error`.
    Status {
        /// The status code.
        status: u16,
        /// The error type; by default the one that goes with the status.
        kind: Option<String>,
        /// `retry-after`, in seconds.
        retry_after_s: Option<u32>,
    },
    /// An HTML page with this status, as a box in between would send: `html=413`.
    Html(u16),
    /// The connection is reset instead of an answer: `reset`.
    Reset,
    /// No answer ever comes: `hang`.
    Hang,
    /// The answer's head comes after so many milliseconds: `slow-headers=250`.
    SlowHeadersMs(u64),
    /// Silence after so many events; the connection stays open: `silence-after=3`.
    SilenceAfter(usize),
    /// The connection closes after so many events, without the last chunk: `cut-after=3`.
    CutAfter(usize),
    /// The connection is reset after so many events: `reset-after=3`.
    ResetAfter(usize),
    /// An `error` event after so many events, then a proper end: `error-after=3 type=overloaded_error`.
    ErrorAfter {
        /// How many events come first.
        events: usize,
        /// The error type; `overloaded_error` by default.
        kind: Option<String>,
    },
    /// Bytes that are no event after so many events, then the rest: `garbage-after=3`.
    GarbageAfter(usize),
    /// The stream ends properly after so many events, without `message_stop`: `end-after=3`.
    EndAfter(usize),
    /// One text delta of so many bytes: `huge-line=2000000`.
    HugeLine(usize),
    /// No usage anywhere: `no-usage`.
    NoUsage,
    /// Each byte in a chunk of its own: `byte-by-byte`.
    ByteByByte,
}

/// Words as `name=value` or `name`, separated by blanks or commas.
pub(crate) fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split([' ', ',', ';'])
        .filter(|word| !word.is_empty())
        .map(|word| word.split_once('=').unwrap_or((word, "")))
}

impl Fault {
    /// An error answer.
    pub const fn status(status: u16) -> Self {
        Self::Status {
            status,
            kind: None,
            retry_after_s: None,
        }
    }

    /// An error answer that says when to come back.
    pub const fn status_retry_after(status: u16, seconds: u32) -> Self {
        Self::Status {
            status,
            kind: None,
            retry_after_s: Some(seconds),
        }
    }

    /// Reads an order such as `status=529 retry-after=3`; words it does not know are passed over. `None` when nothing is
    /// ordered.
    pub fn parse(text: &str) -> Option<Self> {
        let find = |name: &str| {
            words(text)
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let kind = find("type").map(str::to_owned);
        words(text).find_map(|(name, value)| {
            let count = || value.parse().ok();
            Some(match name {
                "status" => Self::Status {
                    status: value.parse().ok()?,
                    kind: kind.clone(),
                    retry_after_s: find("retry-after").and_then(|s| s.parse().ok()),
                },
                "html" => Self::Html(value.parse().ok()?),
                "reset" => Self::Reset,
                "hang" => Self::Hang,
                "slow-headers" => Self::SlowHeadersMs(value.parse().ok()?),
                "silence-after" => Self::SilenceAfter(count()?),
                "cut-after" => Self::CutAfter(count()?),
                "reset-after" => Self::ResetAfter(count()?),
                "garbage-after" => Self::GarbageAfter(count()?),
                "end-after" => Self::EndAfter(count()?),
                "error-after" => Self::ErrorAfter {
                    events: count()?,
                    kind: kind.clone(),
                },
                "huge-line" => Self::HugeLine(count()?),
                "no-usage" => Self::NoUsage,
                "byte-by-byte" => Self::ByteByByte,
                _ => return None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_ordered_in_words() {
        for (text, fault) in [
            ("status=503", Some(Fault::status(503))),
            (
                "retry-after=3, status=429",
                Some(Fault::status_retry_after(429, 3)),
            ),
            ("cut-after=3", Some(Fault::CutAfter(3))),
            ("events=9 byte-by-byte", Some(Fault::ByteByByte)),
            ("cut-after=x", None),
            ("events=9", None),
            ("", None),
        ] {
            assert_eq!(Fault::parse(text), fault, "{text}");
        }
        let named = Fault::parse("error-after=2 type=api_error");
        assert_eq!(
            named,
            Some(Fault::ErrorAfter {
                events: 2,
                kind: Some("api_error".to_owned())
            })
        );
    }
}
