//! What a day of the sample data brings: who asks for what at which minute, as working days go. Decides nothing about what becomes of
//! it: that is the rules' part. Called by its parent.

use std::net::IpAddr;

use domain::window::DAY_MS;
use domain::{Timestamp, Usage};

use super::cast::{CAST, Person, Works};
use super::dice::Dice;

const MINUTE_MS: i64 = 60_000;
/// So many days ago the first provider was overloaded, between these minutes of the day.
const OUTAGE: (i64, std::ops::Range<u64>) = (8, 14 * 60 + 5..14 * 60 + 25);
/// A model that nobody may use.
const FORBIDDEN: &str = "claude-fable-5-2";

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Somebody's, by their place in the cast.
    Person(usize),
    /// The service's.
    Service,
    /// Nobody's: a credential that is none.
    Stranger,
}

/// What a prompt holds, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Nothing that anybody looks for.
    Nothing,
    /// A secret.
    Secret,
    /// A payment card.
    Card,
}

/// What becomes of a call that is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comes {
    /// The whole answer.
    Whole,
    /// The client leaves before its end.
    Left,
    /// The provider is overloaded.
    Overloaded,
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned {
    /// When.
    pub(super) at: Timestamp,
    /// Whose.
    pub(super) whose: Whose,
    /// For what the request's id is made of.
    pub(super) bits: u128,
    /// The model asked for.
    pub(super) model: &'static str,
    /// What the prompt holds.
    pub(super) holds: Holds,
    /// What it would use.
    pub(super) usage: Usage,
    /// How long it would take.
    pub(super) takes_ms: u64,
    /// What becomes of it.
    pub(super) comes: Comes,
    /// From where.
    pub(super) address: IpAddr,
}

impl Planned {
    /// The minute it falls into.
    pub(super) const fn minute(&self) -> i64 {
        self.at.unix_ms().div_euclid(MINUTE_MS)
    }
}

/// The calls of the day that began at `midnight`, in order.
pub(super) fn day(dice: &Dice, days_ago: i64, midnight: Timestamp) -> Vec<Planned> {
    let mut calls = Vec::new();
    for (index, person) in CAST.iter().enumerate() {
        // who left keeps trying for two days
        let tries = person
            .left
            .is_some_and(|left| (left - 2..left).contains(&days_ago));
        let wanted = if tries {
            2
        } else {
            calls_of(dice, person, days_ago, midnight)
        };
        let mut left = wanted;
        while left > 0 {
            let minute = working_minute(dice);
            let together = dice
                .within(1, if person.works == Works::Reads { 1 } else { 3 })
                .min(left);
            left -= together;
            for _ in 0..together {
                calls.push(call(dice, (index, person), (days_ago, minute), midnight));
            }
        }
    }
    calls.extend(nightly(dice, midnight));
    if dice.happens(400) {
        calls.extend((0..dice.within(1, 4)).map(|_| stranger(dice, midnight)));
    }
    calls.sort_by_key(|call| call.at);
    calls
}

/// Monday is 0.
fn weekday(midnight: Timestamp) -> i64 {
    (midnight.unix_ms().div_euclid(DAY_MS) + 3).rem_euclid(7)
}

fn calls_of(dice: &Dice, person: &Person, days_ago: i64, midnight: Timestamp) -> u64 {
    let ordinary = person.calls() * dice.within(55, 145) / 100;
    let is_away = dice.happens(60);
    let on_a_weekend = dice.happens(120);
    if !person.is_here(days_ago) || is_away {
        0
    } else if weekday(midnight) < 5 {
        ordinary
    } else if on_a_weekend {
        ordinary.div_ceil(5)
    } else {
        0
    }
}

/// Most around the middle of the day, with fewer over lunch.
fn working_minute(dice: &Dice) -> u64 {
    let minute = 7 * 60 + 30 + dice.within(0, 330) + dice.within(0, 270);
    let is_lunch = (12 * 60..12 * 60 + 50).contains(&minute);
    if is_lunch && dice.happens(650) {
        minute + 70
    } else {
        minute
    }
}

/// Calls of one minute come within a second of each other, so that one write takes them all.
fn moment(dice: &Dice, midnight: Timestamp, minute: u64) -> Timestamp {
    let minute = i64::try_from(minute).unwrap_or_default();
    let second = (minute * 37).rem_euclid(50);
    let ms = i64::try_from(dice.below(900)).unwrap_or_default();
    midnight.plus_ms(minute * MINUTE_MS + second * 1_000 + ms)
}

fn call(
    dice: &Dice,
    (index, person): (usize, &Person),
    (days_ago, minute): (i64, u64),
    midnight: Timestamp,
) -> Planned {
    let usage = usage_of(dice, person.works);
    let handles_money = matches!(person.group, "fundraising" | "finance");
    let is_out = days_ago == OUTAGE.0 && OUTAGE.1.contains(&minute) && dice.happens(600);
    let (left, secret, card) = (dice.happens(14), dice.happens(5), dice.happens(30));
    let index_address = u8::try_from(index).unwrap_or_default();
    Planned {
        at: moment(dice, midnight, minute),
        whose: Whose::Person(index),
        bits: dice.bits(),
        model: if dice.happens(9) {
            FORBIDDEN
        } else {
            dice.one_of::<&'static str>(person.models())
        },
        holds: match person.works {
            Works::Builds | Works::Experiments if secret => Holds::Secret,
            _ if handles_money && card => Holds::Card,
            _ => Holds::Nothing,
        },
        takes_ms: 600 + usage.output_tokens * dice.within(9, 16),
        usage,
        comes: if is_out {
            Comes::Overloaded
        } else if left {
            Comes::Left
        } else {
            Comes::Whole
        },
        // the office, or somebody's home
        address: if dice.happens(700) {
            IpAddr::from([192, 0, 2, 10])
        } else {
            IpAddr::from([198, 51, 100, index_address])
        },
    }
}

fn usage_of(dice: &Dice, works: Works) -> Usage {
    let (input, written, read, output) = match works {
        Works::Builds => ((600, 4_000), (1_000, 9_000), (12_000, 80_000), (200, 1_800)),
        Works::Experiments => (
            (1_500, 6_000),
            (5_000, 26_000),
            (60_000, 180_000),
            (600, 4_000),
        ),
        Works::Writes => ((800, 6_000), (0, 1_000), (0, 6_000), (250, 1_400)),
        Works::Files => ((3_000, 22_000), (0, 0), (0, 0), (200, 900)),
        Works::Reads | Works::Looks => ((300, 2_000), (0, 0), (0, 0), (150, 700)),
    };
    let within = |(least, most)| dice.within(least, most);
    Usage {
        input_tokens: within(input),
        cache_write_5m_tokens: within(written),
        cache_read_tokens: within(read),
        output_tokens: within(output),
        ..Usage::default()
    }
}

/// The service reads what came in over the day, at ten past two.
fn nightly(dice: &Dice, midnight: Timestamp) -> Vec<Planned> {
    let call = |minute| Planned {
        at: moment(dice, midnight, 130 + minute),
        whose: Whose::Service,
        bits: dice.bits(),
        model: "claude-haiku-5-5",
        holds: Holds::Nothing,
        usage: Usage {
            input_tokens: dice.within(6_000, 24_000),
            output_tokens: dice.within(200, 700),
            ..Usage::default()
        },
        takes_ms: dice.within(2_000, 9_000),
        comes: Comes::Whole,
        address: IpAddr::from([192, 0, 2, 44]),
    };
    (0..dice.within(9, 15)).map(call).collect()
}

fn stranger(dice: &Dice, midnight: Timestamp) -> Planned {
    let low = u8::try_from(dice.within(1, 250)).unwrap_or_default();
    Planned {
        at: moment(dice, midnight, dice.within(0, 24 * 60 - 1)),
        whose: Whose::Stranger,
        bits: dice.bits(),
        model: "claude-opus-5-5",
        holds: Holds::Nothing,
        usage: Usage::default(),
        takes_ms: 0,
        comes: Comes::Whole,
        address: IpAddr::from([203, 0, 113, low]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-16, a Monday.
    const MONDAY: i64 = 1_794_787_200_000;

    fn calls(day_of_week: i64) -> Vec<Planned> {
        let midnight = Timestamp::from_unix_ms(MONDAY + day_of_week * DAY_MS);
        day(&Dice::new(7), 5, midnight)
    }

    #[test]
    fn a_working_day_is_busy_in_its_middle_and_a_sunday_is_quiet() {
        let (monday, sunday) = (calls(0), calls(6));
        assert_eq!(weekday(Timestamp::from_unix_ms(MONDAY)), 0);
        assert!(monday.len() > 200 && sunday.len() * 4 < monday.len());
        let within = |from: i64, to: i64| {
            let hour = |call: &&Planned| (call.at.unix_ms() - MONDAY) / 3_600_000;
            let those = |call: &&Planned| (from..to).contains(&hour(call));
            monday.iter().filter(those).count()
        };
        assert!(within(9, 16) > within(0, 9) + within(16, 24));
    }

    #[test]
    fn a_day_is_the_same_day_each_time_and_stands_in_order_within_its_bounds() {
        let (once, again) = (calls(2), calls(2));
        let shape = |calls: &[Planned]| -> Vec<_> {
            calls
                .iter()
                .map(|call| (call.at, call.bits, call.usage))
                .collect()
        };
        assert_eq!(shape(&once), shape(&again));
        assert!(once.is_sorted_by_key(|call| call.at));
        let midnight = MONDAY + 2 * DAY_MS;
        let bounds = midnight..midnight + DAY_MS;
        assert!(once.iter().all(|call| bounds.contains(&call.at.unix_ms())));
    }
}
