//! What a request wishes of its answer: `[testkit events=100 pace-ms=20]` anywhere in the last user turn, or the same words in
//! the header `x-testkit`. A prompt's wishes pass any gateway; a header's only one that forwards unknown headers.

use super::fault::{Fault, words};

/// Upper bound of events and words, so that a typing mistake does not eat the machine.
const COUNT_MAX: usize = 1_000_000;

/// Wishes about the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// How many text deltas (`events=`) of one word each; without it about two dozen.
    pub events: Option<usize>,
    /// Milliseconds between two events: `pace-ms=`.
    pub pace_ms: u64,
    /// A ping after every so many events (`pings=`), beside the one every stream has.
    pub ping_every: Option<usize>,
    /// Use this tool (`tool=Bash`), if the request offers it.
    pub tool: Option<String>,
    /// Think first, even when the request did not ask for it: `thinking`.
    pub thinking: bool,
    /// Repeat the prompt's last user turn as the answer: `echo`.
    pub echo: bool,
    /// Refuse with `stop_reason: refusal`: `refusal`.
    pub refusal: bool,
    /// Go wrong so.
    pub fault: Option<Fault>,
}

impl Wish {
    /// Reads wishes; words it does not know are passed over.
    pub fn parse(text: &str) -> Self {
        let mut wish = Self {
            fault: Fault::parse(text),
            ..Self::default()
        };
        for (name, value) in words(text) {
            let count = value.parse::<usize>().ok().map(|n| n.min(COUNT_MAX));
            match name {
                "events" => wish.events = count,
                "pings" => wish.ping_every = count.filter(|n| *n > 0),
                "pace-ms" => wish.pace_ms = value.parse().unwrap_or_default(),
                "tool" => wish.tool = Some(value.to_owned()),
                "thinking" => wish.thinking = true,
                "echo" => wish.echo = true,
                "refusal" => wish.refusal = true,
                _ => {}
            }
        }
        wish
    }

    /// The wishes within `[testkit …]` in a prompt.
    pub fn in_prompt(prompt: &str) -> Option<Self> {
        let (_, after) = prompt.rsplit_once("[testkit ")?;
        let (inside, _) = after.split_once(']')?;
        Some(Self::parse(inside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_may_hold_wishes() {
        let wish = Wish::in_prompt("Tell me. [testkit events=100 pace-ms=20 cut-after=3] Thanks.")
            .unwrap();
        assert_eq!((wish.events, wish.pace_ms), (Some(100), 20));
        assert_eq!(wish.fault, Some(Fault::CutAfter(3)));
        assert_eq!(Wish::in_prompt("no wishes [testkit"), None);
        assert_eq!(
            Wish::parse("tool=Bash thinking echo refusal pings=0 nonsense=1")
                .tool
                .as_deref(),
            Some("Bash")
        );
    }
}
