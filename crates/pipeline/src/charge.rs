//! What money is held for before a call goes out: its bytes, the output it allows, the terms it asks for, and what the provider will
//! read beside it. High on purpose; the difference is given back when the call is settled. Called when a call is reserved.

use domain::price::PriceBook;
use domain::{ModelId, Terms, Timestamp, Usage, limits};

use crate::quota::Estimate;

/// What a call may cost at most, as far as it is known before it goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// Nothing is counted or held: counting tokens.
    Free,
    /// Input of this many bytes, and output of this many tokens.
    Tokens {
        /// Size of the request.
        body_bytes: usize,
        /// Output to hold money for.
        output_tokens: u64,
        /// What it asks for that multiplies its price.
        terms: Terms,
        /// What the provider reads beside it.
        beside: Beside,
    },
}

/// What a provider reads that is not in the request's bytes. Held for under hard budgets alone: it is a bound far above what most
/// such calls use, and without a hard budget there is nothing that could be passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beside {
    /// Pictures it fetches, of [`limits::PICTURE_TOKENS_MAX`] each.
    pub pictures: u64,
    /// Whether it fetches documents: then the input may fill a model's whole context, [`limits::CONTEXT_TOKENS_MAX`].
    pub documents: bool,
    /// Tools it runs, of [`limits::SERVER_TOOL_TOKENS_HELD`] and the fees of [`limits::SERVER_TOOL_USES_HELD`] searches and of running
    /// code each.
    pub server_tools: u64,
}

/// Bytes of a request that are taken for one token: fewer than any text really has, so that the estimate is high.
const BYTES_PER_TOKEN: u64 = 3;

impl Charge {
    /// The usage that money is held for.
    pub(crate) fn usage(self, hard_budget: bool) -> Usage {
        let Self::Tokens {
            output_tokens,
            terms,
            beside,
            ..
        } = self
        else {
            return Usage::default();
        };
        let beside = if hard_budget {
            beside
        } else {
            Beside::default()
        };
        let tools = beside.server_tools;
        Usage {
            // Writing to the one-hour cache is the dearest way to read input.
            cache_write_1h_tokens: beside.input_tokens(self.body_tokens()),
            output_tokens,
            web_search_requests: tools.saturating_mul(limits::SERVER_TOOL_USES_HELD),
            code_execution_requests: tools,
            terms,
            ..Usage::default()
        }
    }

    /// What to hold for `usage`; nothing for a call that is free. Limits of tokens count the request's own bytes alone.
    pub(crate) fn estimate(
        self,
        usage: &Usage,
        prices: &PriceBook,
        model: Option<&ModelId>,
        now: Timestamp,
    ) -> Option<Estimate> {
        if self == Self::Free {
            return None;
        }
        let name = model.map_or("", ModelId::as_str);
        Some(Estimate {
            usd: prices.cost(name, usage, now).usd,
            input_tokens: self.body_tokens(),
        })
    }

    fn body_tokens(self) -> u64 {
        match self {
            Self::Free => 0,
            Self::Tokens { body_bytes, .. } => {
                u64::try_from(body_bytes).unwrap_or(u64::MAX) / BYTES_PER_TOKEN + 1
            }
        }
    }
}

impl Beside {
    /// Input tokens of a request whose own are `body_tokens`.
    fn input_tokens(self, body_tokens: u64) -> u64 {
        let pictures = self.pictures.saturating_mul(limits::PICTURE_TOKENS_MAX);
        let fetched = if self.documents {
            limits::CONTEXT_TOKENS_MAX
        } else {
            pictures.min(limits::CONTEXT_TOKENS_MAX)
        };
        // What a model reads at once fits into its context, but what tools bring is read in further turns.
        let at_once = body_tokens
            .saturating_add(fetched)
            .min(limits::CONTEXT_TOKENS_MAX);
        let tools = self
            .server_tools
            .saturating_mul(limits::SERVER_TOOL_TOKENS_HELD);
        at_once.max(body_tokens).saturating_add(tools)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Usd;

    fn charge(terms: Terms, beside: Beside) -> Charge {
        Charge::Tokens {
            body_bytes: 2_997,
            output_tokens: 1_000,
            terms,
            beside,
        }
    }

    /// What is held of Opus 5.5, in dollars, with a hard budget or without.
    fn check(charge: Charge, hard_budget: bool, dollars: &str) {
        let model = ModelId::new("claude-opus-5-5").unwrap();
        let now = Timestamp::from_unix_s(1_795_226_912);
        let usage = charge.usage(hard_budget);
        let estimate = charge
            .estimate(&usage, &PriceBook::shipped(), Some(&model), now)
            .unwrap();
        assert_eq!(
            estimate.usd,
            dollars.parse::<Usd>().unwrap(),
            "{charge:?} {hard_budget}"
        );
        assert_eq!(
            estimate.input_tokens, 1_000,
            "limits of tokens see the body alone"
        );
    }

    #[test]
    fn what_multiplies_the_price_multiplies_what_is_held() {
        for (speed, geo, dollars) in [
            (None, None, "0.028"),
            (Some("standard"), Some("global"), "0.028"),
            (Some("fast"), None, "0.056"),
            (Some("fast"), Some("us"), "0.0616"),
            (Some("warp"), Some("mars"), "0.1848"),
        ] {
            let charge = charge(Terms::named(speed, geo), Beside::default());
            check(charge, true, dollars);
            check(charge, false, dollars);
        }
    }

    #[test]
    fn what_the_provider_reads_beside_is_held_for_under_hard_budgets() {
        for (pictures, documents, server_tools, dollars) in [
            // 5,000 more tokens at $8 for a picture, the whole context for documents.
            (1, false, 0, "0.068"),
            (3, false, 0, "0.148"),
            (1, true, 0, "8.02"),
            (9, true, 0, "8.02"),
            (u64::MAX, false, 0, "8.02"),
            // 200,000 tokens, ten searches and an hour of code.
            (0, false, 1, "1.778"),
            (1, true, 1, "9.77"),
        ] {
            let beside = Beside {
                pictures,
                documents,
                server_tools,
            };
            let charge = charge(Terms::default(), beside);
            check(charge, true, dollars);
            check(charge, false, "0.028");
        }
    }

    #[test]
    fn absurd_requests_hold_the_most_and_do_not_wrap() {
        let beside = Beside {
            pictures: u64::MAX,
            documents: true,
            server_tools: u64::MAX,
        };
        let usage = Charge::Tokens {
            body_bytes: usize::MAX,
            output_tokens: u64::MAX,
            terms: Terms::named(Some("fast"), Some("us")),
            beside,
        }
        .usage(true);
        let prices = PriceBook::shipped();
        let cost = prices.cost(
            "claude-opus-5-5",
            &usage,
            Timestamp::from_unix_s(1_795_226_912),
        );
        assert_eq!(cost.usd, Usd::MAX);
    }
}
