//! What a call costs: a dated price list and exact arithmetic. The list ships as data (`data/prices.toml`) and an operator may
//! lay another over it; a model that no line covers is priced at the fallback and marked unpriced, never at zero in silence.
//! Multipliers stack; one that is not known is taken at the dearest known, and the cost is marked estimated.

mod times;

use serde::Deserialize;

use crate::model::ModelPattern;
use crate::usage::{Geo, Speed};
use crate::{Timestamp, Usage, Usd};

pub use times::{Multiplier, Times, What};

/// The list that ships with this version.
pub const SHIPPED: &str = include_str!("../../data/prices.toml");

/// Prices of one model from one date on, in dollars per million tokens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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
    multipliers: Vec<(Timestamp, Multiplier)>,
    web_search: Usd,
    code_execution: Usd,
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
    #[serde(default)]
    code_execution_hour: Option<Usd>,
    price: Vec<Price>,
    #[serde(default)]
    multiplier: Vec<Multiplier>,
}

impl List {
    fn read(text: &str) -> Result<Self, InvalidPrices> {
        toml::from_str(text).map_err(InvalidPrices::Format)
    }

    /// Takes from the shipped list what this one says nothing of: an older list must not make fast calls cheap.
    fn completed(mut self) -> Result<Self, InvalidPrices> {
        let shipped = Self::read(SHIPPED)?;
        for what in [What::Fast, What::Us] {
            if self.multiplier.iter().all(|line| line.what != what) {
                let lines = shipped.multiplier.iter().filter(|line| line.what == what);
                self.multiplier.extend(lines.cloned());
            }
        }
        self.code_execution_hour = self.code_execution_hour.or(shipped.code_execution_hour);
        Ok(self)
    }
}

/// A call's cost, and how far it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Rounded up to a nano-dollar.
    pub usd: Usd,
    /// Whether the fallback price had to be used.
    pub unpriced: bool,
    /// Whether it is a bound: a multiplier had to be guessed, or code ran for nobody knows how long.
    pub estimated: bool,
}

impl PriceBook {
    /// Reads a price list in the form of `data/prices.toml`.
    pub fn parse(text: &str) -> Result<Self, InvalidPrices> {
        let list = List::read(text)?.completed()?;
        for price in list.price.iter().chain([&list.fallback]) {
            price.check()?;
        }
        let code_execution = list.code_execution_hour.unwrap_or_default();
        for (amount, name) in [
            (list.web_search_each, "web_search_each"),
            (code_execution, "code_execution_hour"),
        ] {
            if amount < Usd::ZERO {
                return Err(InvalidPrices::Negative(name.to_owned()));
            }
        }
        Ok(Self {
            lines: dated(list.price, |price| &price.from)?,
            fallback: list.fallback,
            multipliers: dated(list.multiplier, |line| &line.from)?,
            web_search: list.web_search_each,
            code_execution,
        })
    }

    /// The list that ships with this version.
    pub fn shipped() -> Self {
        Self::parse(SHIPPED).expect("a test reads the shipped list")
    }

    /// The line in force for short calls of a model at a moment; none where the fallback would be used.
    pub fn price(&self, model: &str, at: Timestamp) -> Option<&Price> {
        self.line(model, 0, at)
    }

    /// What `usage` of `model` at the moment `at` costs: tokens at their prices, times every multiplier of its terms, rounded up
    /// once to a nano-dollar; then what server tools cost, which nothing multiplies.
    pub fn cost(&self, model: &str, usage: &Usage, at: Timestamp) -> Cost {
        let line = self.line(model, usage.input_total(), at);
        let price = line.unwrap_or(&self.fallback);
        // Dollars per million tokens in nano-dollars, times tokens, is a count of femto-dollars: exact in 128 bits.
        let part = |tokens: u64, per_million: Usd| {
            i128::from(tokens).saturating_mul(i128::from(per_million.nanos()))
        };
        let femto = part(usage.input_tokens, price.input)
            .saturating_add(part(usage.output_tokens, price.output))
            .saturating_add(part(usage.cache_write_5m_tokens, price.cache_write_5m))
            .saturating_add(part(usage.cache_write_1h_tokens, price.cache_write_1h))
            .saturating_add(part(usage.cache_read_tokens, price.cache_read));
        let (fast, fast_guessed) = match usage.terms.speed {
            Speed::Unstated | Speed::Standard => (Times::ONE, false),
            Speed::Fast => self.times(What::Fast, model, at),
            Speed::Unknown => (self.dearest(What::Fast), true),
        };
        let (us, us_guessed) = match usage.terms.geo {
            Geo::Unstated | Geo::Global => (Times::ONE, false),
            Geo::Us => self.times(What::Us, model, at),
            Geo::Unknown => (self.dearest(What::Us), true),
        };
        let nanos = times::rounded_up(femto, fast, us)
            .saturating_add(part(usage.web_search_requests, self.web_search))
            // The time that code ran is not reported; no answer takes longer than an hour of it.
            .saturating_add(part(
                usage.code_execution_requests.min(1),
                self.code_execution,
            ));
        Cost {
            usd: Usd::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)),
            unpriced: line.is_none(),
            estimated: fast_guessed || us_guessed || usage.code_execution_requests > 0,
        }
    }

    /// The multiplier in force for a model; the dearest of its kind, and that it is a guess, when no line covers the model.
    fn times(&self, what: What, model: &str, at: Timestamp) -> (Times, bool) {
        let line = self
            .multipliers
            .iter()
            .filter(|(from, line)| *from <= at && line.what == what && line.model.matches(model))
            .max_by_key(|(from, line)| (line.model.0.len(), *from));
        line.map_or_else(
            || (self.dearest(what), true),
            |(_, line)| (line.times, false),
        )
    }

    fn dearest(&self, what: What) -> Times {
        let lines = self.multipliers.iter().map(|(_, line)| line);
        lines
            .filter(|line| line.what == what)
            .map(|line| line.times)
            .max()
            .unwrap_or(Times::ONE)
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

impl Price {
    fn check(&self) -> Result<(), InvalidPrices> {
        let amounts = [
            self.input,
            self.output,
            self.cache_write_5m,
            self.cache_write_1h,
            self.cache_read,
        ];
        if amounts.iter().any(|&amount| amount < Usd::ZERO) {
            return Err(InvalidPrices::Negative(self.model.0.clone()));
        }
        Ok(())
    }
}

fn dated<T>(
    lines: Vec<T>,
    from: impl Fn(&T) -> &str,
) -> Result<Vec<(Timestamp, T)>, InvalidPrices> {
    lines
        .into_iter()
        .map(|line| Ok((first_day(from(&line))?, line)))
        .collect()
}

fn first_day(text: &str) -> Result<Timestamp, InvalidPrices> {
    let moment: Result<jiff::Timestamp, _> = format!("{text}T00:00:00Z").parse();
    moment
        .map(|m| Timestamp::from_unix_ms(m.as_millisecond()))
        .map_err(|_| InvalidPrices::Date(text.to_owned()))
}

#[cfg(test)]
mod tests;
