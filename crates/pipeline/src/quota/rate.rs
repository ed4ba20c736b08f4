//! Requests, tokens and concurrency of one caller in a calendar minute.
//!
//! Requests and input tokens are taken before the call, output tokens are counted when it ends; a caller whose output of this
//! minute has reached the limit waits for the next. `count_tokens` never comes here.

use domain::policy::Limit;
use domain::{Reason, ReasonCode, Refusal, Timestamp, Usage};

const MINUTE_MS: i64 = 60_000;

/// The counters of one caller.
#[derive(Debug, Default)]
pub(super) struct Minute {
    index: i64,
    requests: u32,
    input_tokens: u64,
    output_tokens: u64,
    concurrent: u32,
}

impl Minute {
    /// Turns to the minute of `now` and says which limits leave no room.
    pub(super) fn check(
        &mut self,
        limits: &[Limit],
        input_tokens: u64,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.turn(now);
        let mut reasons = Vec::new();
        for limit in limits {
            self.unmet(limit, input_tokens, &mut reasons);
        }
        let Some(mut refusal) = Refusal::from_reasons(reasons) else {
            return Ok(());
        };
        let rest_ms = MINUTE_MS - now.unix_ms().rem_euclid(MINUTE_MS);
        let until_next = u32::try_from(rest_ms.div_euclid(1_000) + 1).unwrap_or(60);
        refusal.retry_after_s = Some(if refusal.code() == ReasonCode::ConcurrencyLimit {
            1
        } else {
            until_next
        });
        Err(refusal)
    }

    fn unmet(&self, limit: &Limit, input_tokens: u64, reasons: &mut Vec<Reason>) {
        let mut say = |code, text: String| reasons.push(Reason::new(code, text).by(&limit.name));
        if let Some(most) = limit
            .requests_per_minute
            .filter(|&most| self.requests >= most)
        {
            say(
                ReasonCode::RequestRate,
                format!(
                    "You have made {} in this minute, the most allowed.",
                    counted(most, "request")
                ),
            );
        }
        let input_after = self.input_tokens.saturating_add(input_tokens);
        if let Some(most) = limit
            .input_tokens_per_minute
            .filter(|&most| input_after > most)
        {
            say(
                ReasonCode::TokenRate,
                format!(
                    "This request would pass {} in this minute, the most allowed.",
                    counted(most, "input token")
                ),
            );
        }
        if let Some(most) = limit
            .output_tokens_per_minute
            .filter(|&most| self.output_tokens >= most)
        {
            say(
                ReasonCode::TokenRate,
                format!(
                    "You have received {} in this minute, the most allowed.",
                    counted(most, "output token")
                ),
            );
        }
        if let Some(most) = limit
            .concurrent_requests
            .filter(|&most| self.concurrent >= most)
        {
            say(
                ReasonCode::ConcurrencyLimit,
                format!(
                    "You have {} open, the most allowed at once.",
                    counted(most, "request")
                ),
            );
        }
    }

    /// Takes a request and its input tokens. Comes right after a check under the same lock.
    pub(super) fn take(&mut self, input_tokens: u64) {
        self.requests = self.requests.saturating_add(1);
        self.input_tokens = self.input_tokens.saturating_add(input_tokens);
        self.concurrent = self.concurrent.saturating_add(1);
    }

    /// Ends a request that took `held` input tokens at `taken_at`; `used` is what it really used, if it reached the provider.
    pub(super) fn end(&mut self, held: u64, taken_at: Timestamp, used: Option<&Usage>) {
        self.concurrent = self.concurrent.saturating_sub(1);
        if taken_at.unix_ms().div_euclid(MINUTE_MS) != self.index {
            return;
        }
        self.input_tokens = self.input_tokens.saturating_sub(held);
        if let Some(usage) = used {
            self.input_tokens = self.input_tokens.saturating_add(usage.input_total());
            self.output_tokens = self.output_tokens.saturating_add(usage.output_tokens);
        } else {
            self.requests = self.requests.saturating_sub(1);
        }
    }

    /// Whether anything here still matters.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.concurrent > 0 || self.index == now.unix_ms().div_euclid(MINUTE_MS)
    }

    fn turn(&mut self, now: Timestamp) {
        let index = now.unix_ms().div_euclid(MINUTE_MS);
        if index != self.index {
            *self = Self {
                index,
                concurrent: self.concurrent,
                ..Self::default()
            };
        }
    }
}

/// `1 request`, `2 requests`.
fn counted(number: impl Into<u64>, what: &str) -> String {
    let number = number.into();
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(change: impl FnOnce(&mut Limit)) -> Vec<Limit> {
        let mut limit = Limit {
            name: "staff".into(),
            who: domain::policy::Who::default(),
            requests_per_minute: None,
            input_tokens_per_minute: None,
            output_tokens_per_minute: None,
            concurrent_requests: None,
        };
        change(&mut limit);
        vec![limit]
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_s(second)
    }

    fn take(
        minute: &mut Minute,
        limits: &[Limit],
        tokens: u64,
        now: Timestamp,
    ) -> Result<(), ReasonCode> {
        minute
            .check(limits, tokens, now)
            .map_err(|refusal| refusal.code())?;
        minute.take(tokens);
        Ok(())
    }

    #[test]
    fn one_of_a_thing_is_said_in_the_singular() {
        for (most, sentence) in [
            (
                1,
                "You have made 1 request in this minute, the most allowed.",
            ),
            (
                2,
                "You have made 2 requests in this minute, the most allowed.",
            ),
        ] {
            let limits = limit(|l| l.requests_per_minute = Some(most));
            let mut minute = Minute::default();
            for _ in 0..most {
                assert_eq!(take(&mut minute, &limits, 0, at(0)), Ok(()));
            }
            let refusal = minute.check(&limits, 0, at(0)).unwrap_err();
            assert_eq!(refusal.first().message, sentence);
        }
    }

    #[test]
    fn requests_beyond_the_limit_wait_for_the_next_minute() {
        let limits = limit(|l| l.requests_per_minute = Some(2));
        let mut minute = Minute::default();
        assert_eq!(take(&mut minute, &limits, 0, at(60)), Ok(()));
        assert_eq!(take(&mut minute, &limits, 0, at(61)), Ok(()));
        let refusal = minute.check(&limits, 0, at(95)).unwrap_err();
        assert_eq!(
            (refusal.code(), refusal.retry_after_s),
            (ReasonCode::RequestRate, Some(26))
        );
        assert_eq!(take(&mut minute, &limits, 0, at(120)), Ok(()));
    }

    #[test]
    fn input_is_held_before_the_call_and_corrected_after_it() {
        let limits = limit(|l| l.input_tokens_per_minute = Some(100));
        let mut minute = Minute::default();
        assert_eq!(take(&mut minute, &limits, 80, at(0)), Ok(()));
        assert_eq!(
            take(&mut minute, &limits, 30, at(1)),
            Err(ReasonCode::TokenRate)
        );
        minute.end(
            80,
            at(0),
            Some(&Usage {
                input_tokens: 40,
                ..Usage::default()
            }),
        );
        assert_eq!(take(&mut minute, &limits, 60, at(2)), Ok(()));
    }

    #[test]
    fn output_that_reached_the_limit_closes_the_minute() {
        let limits = limit(|l| l.output_tokens_per_minute = Some(10));
        let mut minute = Minute::default();
        assert_eq!(take(&mut minute, &limits, 0, at(0)), Ok(()));
        minute.end(
            0,
            at(0),
            Some(&Usage {
                output_tokens: 10,
                ..Usage::default()
            }),
        );
        assert_eq!(
            take(&mut minute, &limits, 0, at(1)),
            Err(ReasonCode::TokenRate)
        );
    }

    #[test]
    fn concurrency_frees_up_when_a_call_ends_even_in_a_later_minute() {
        let limits = limit(|l| l.concurrent_requests = Some(1));
        let mut minute = Minute::default();
        assert_eq!(take(&mut minute, &limits, 0, at(0)), Ok(()));
        assert_eq!(
            take(&mut minute, &limits, 0, at(61)),
            Err(ReasonCode::ConcurrencyLimit)
        );
        minute.end(0, at(0), None);
        assert_eq!(take(&mut minute, &limits, 0, at(62)), Ok(()));
    }

    #[test]
    fn a_call_that_never_reached_the_provider_gives_everything_back() {
        let limits = limit(|l| l.requests_per_minute = Some(1));
        let mut minute = Minute::default();
        assert_eq!(take(&mut minute, &limits, 50, at(0)), Ok(()));
        minute.end(50, at(0), None);
        assert_eq!(take(&mut minute, &limits, 50, at(1)), Ok(()));
    }
}
