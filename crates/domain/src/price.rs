//! What a call costs: a dated price list and exact arithmetic. The list ships as data (`data/prices.toml`) and an operator may
//! lay another over it; a model that no line covers is priced at the fallback and marked unpriced, never at zero in silence.

use serde::Deserialize;

use crate::model::ModelPattern;
use crate::{Timestamp, Usage, Usd};

/// The list that ships with this version.
pub const SHIPPED: &str = include_str!("../data/prices.toml");

/// Prices of one model from one date on, in dollars per million tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Which models the line covers; the first matching line in force wins.
    pub model: ModelPattern,
    /// The first day the line holds, `YYYY-MM-DD` UTC.
    pub from: String,
    /// Uncached input.
    pub input: Usd,
    /// Output.
    pub output: Usd,
    /// Writing to the five-minute cache.
    pub cache_write_5m: Usd,
    /// Writing to the one-hour cache.
    pub cache_write_1h: Usd,
    /// Reading from a cache.
    pub cache_read: Usd,
    /// The line holds only up to this many input tokens of one call.
    #[serde(default)]
    pub input_tokens_max: Option<u64>,
    /// Where the figures come from.
    pub source: String,
}

/// A price list in the order it is searched.
#[derive(Debug, Clone)]
pub struct PriceBook {
    lines: Vec<(Timestamp, Price)>,
    fallback: Price,
    web_search: Usd,
}

/// What is wrong with a price list.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPrices {
    /// Not the TOML we expect.
    #[error("the price list cannot be read")]
    Format(#[source] toml::de::Error),
    /// A date that is none.
    #[error("the price list has a date that is not YYYY-MM-DD: {0}")]
    Date(String),
    /// A cost below nothing would hand out budget.
    #[error("the price list has a negative price for {0}")]
    Negative(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    fallback: Price,
    web_search_each: Usd,
    price: Vec<Price>,
}

/// A call's cost, and whether a line of the list covered its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Rounded up to a nano-dollar.
    pub usd: Usd,
    /// Whether the fallback price had to be used.
    pub unpriced: bool,
}

impl PriceBook {
    /// Reads a price list in the form of `data/prices.toml`.
    pub fn parse(text: &str) -> Result<Self, InvalidPrices> {
        let list: List = toml::from_str(text).map_err(InvalidPrices::Format)?;
        for price in list.price.iter().chain([&list.fallback]) {
            let amounts = [
                price.input,
                price.output,
                price.cache_write_5m,
                price.cache_write_1h,
                price.cache_read,
            ];
            if amounts.iter().any(|&amount| amount < Usd::ZERO) {
                return Err(InvalidPrices::Negative(price.model.0.clone()));
            }
        }
        let lines = list
            .price
            .into_iter()
            .map(|price| Ok((first_day(&price.from)?, price)))
            .collect::<Result<Vec<_>, InvalidPrices>>()?;
        Ok(Self {
            lines,
            fallback: list.fallback,
            web_search: list.web_search_each,
        })
    }

    /// The list that ships with this version.
    pub fn shipped() -> Self {
        Self::parse(SHIPPED).expect("a test reads the shipped list")
    }

    /// What `usage` of `model` at the moment `at` costs.
    pub fn cost(&self, model: &str, usage: &Usage, at: Timestamp) -> Cost {
        let line = self.line(model, usage.input_total(), at);
        let price = line.unwrap_or(&self.fallback);
        // Dollars per million tokens in nano-dollars, times tokens, is a count of femto-dollars: exact in 128 bits.
        let part =
            |tokens: u64, per_million: Usd| i128::from(tokens) * i128::from(per_million.nanos());
        let femto = part(usage.input_tokens, price.input)
            + part(usage.output_tokens, price.output)
            + part(usage.cache_write_5m_tokens, price.cache_write_5m)
            + part(usage.cache_write_1h_tokens, price.cache_write_1h)
            + part(usage.cache_read_tokens, price.cache_read);
        let searches = i128::from(usage.web_search_requests) * i128::from(self.web_search.nanos());
        let nanos = (femto + 999_999).div_euclid(1_000_000) + searches;
        Cost {
            usd: Usd::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)),
            unpriced: line.is_none(),
        }
    }

    /// The newest line in force that covers the model, and of those the one with the least sufficient ceiling.
    fn line(&self, model: &str, input_tokens: u64, at: Timestamp) -> Option<&Price> {
        self.lines
            .iter()
            .filter(|(from, price)| {
                *from <= at
                    && price.model.matches(model)
                    && price
                        .input_tokens_max
                        .is_none_or(|most| input_tokens <= most)
            })
            .max_by_key(|(from, price)| {
                (
                    price.model.0.len(),
                    *from,
                    std::cmp::Reverse(price.input_tokens_max.unwrap_or(u64::MAX)),
                )
            })
            .map(|(_, price)| price)
    }
}

fn first_day(text: &str) -> Result<Timestamp, InvalidPrices> {
    let moment: Result<jiff::Timestamp, _> = format!("{text}T00:00:00Z").parse();
    moment
        .map(|m| Timestamp::from_unix_ms(m.as_millisecond()))
        .map_err(|_| InvalidPrices::Date(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        first_day(text).unwrap()
    }

    fn check(model: &str, usage: Usage, day: &str, dollars: &str) {
        let cost = PriceBook::shipped().cost(model, &usage, at(day));
        assert_eq!(
            (cost.usd.to_string().as_str(), cost.unpriced),
            (dollars, false),
            "{model} on {day}"
        );
    }

    #[test]
    fn opus_5_5_costs_what_the_stock_client_showed() {
        let usage = Usage {
            input_tokens: 11,
            output_tokens: 5,
            ..Usage::default()
        };
        check("claude-opus-5-5", usage, "2026-11-21", "0.000144");
    }

    #[test]
    fn a_price_changes_on_its_day() {
        let usage = Usage {
            cache_read_tokens: 1_000_000,
            ..Usage::default()
        };
        check("claude-sonnet-5-5", usage, "2026-10-06", "0.2");
        check("claude-sonnet-5-5", usage, "2026-10-07", "0.1");
    }

    #[test]
    fn a_long_prompt_costs_the_long_price() {
        let short = Usage {
            input_tokens: 100_000,
            ..Usage::default()
        };
        let long = Usage {
            input_tokens: 100_001,
            ..Usage::default()
        };
        check("claude-haiku-5-5", short, "2026-11-21", "0.01");
        check("claude-haiku-5-5", long, "2026-11-21", "0.0500005");
    }

    #[test]
    fn an_unknown_model_is_priced_at_the_fallback_and_marked() {
        let usage = Usage {
            input_tokens: 1_000_000,
            output_tokens: 1_000_000,
            ..Usage::default()
        };
        let cost = PriceBook::shipped().cost("corp-fast", &usage, at("2026-11-21"));
        assert_eq!((cost.usd.to_string().as_str(), cost.unpriced), ("30", true));
    }

    #[test]
    fn a_fraction_of_a_nano_dollar_rounds_up() {
        let usage = Usage {
            cache_read_tokens: 1,
            ..Usage::default()
        };
        let cost = PriceBook::shipped().cost("claude-haiku-5-5", &usage, at("2026-11-21"));
        assert_eq!(cost.usd.nanos(), 10);
    }
}
