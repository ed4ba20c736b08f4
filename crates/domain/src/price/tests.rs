//! What calls cost: by model, by date, by length, and on which terms.

use proptest::prelude::*;

use super::*;
use crate::Terms;

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

fn dearer(model: &str, usage: Usage, speed: &str, geo: &str) -> Cost {
    let terms = Terms::named(Some(speed), Some(geo));
    PriceBook::shipped().cost(model, &Usage { terms, ..usage }, at("2026-11-21"))
}

#[test]
fn multipliers_stack_and_what_is_not_known_takes_the_dearest_and_is_marked() {
    let million = Usage {
        input_tokens: 1_000_000,
        ..Usage::default()
    };
    for (model, speed, geo, dollars, estimated) in [
        ("claude-opus-5-5", "standard", "global", "4", false),
        ("claude-opus-5-5", "standard", "not_available", "4", false),
        ("claude-opus-5-5", "fast", "global", "8", false),
        ("claude-opus-5-5", "standard", "us", "4.4", false),
        ("claude-opus-5-5", "fast", "us", "8.8", false),
        ("claude-opus-5", "fast", "global", "10", false),
        ("claude-opus-4-8", "fast", "global", "10", false),
        ("claude-opus-4-7", "fast", "us", "33", false),
        ("claude-fable-5-2", "fast", "global", "16", false),
        // A fast deployment has its price in its name, and is not multiplied twice.
        ("claude-opus-5-5-fast", "standard", "global", "8", false),
        ("claude-opus-5-5-fast", "fast", "global", "8", false),
        // Fast mode that no line knows of, and words that nobody knows.
        ("claude-sonnet-5-5", "fast", "global", "12", true),
        ("claude-opus-5-5", "warp", "global", "24", true),
        ("claude-opus-5-5", "standard", "mars", "4.4", true),
        ("claude-opus-5-5", "warp", "mars", "26.4", true),
        ("claude-haiku-4-5", "standard", "us", "1.1", false),
    ] {
        let cost = dearer(model, million, speed, geo);
        assert_eq!(
            (cost.usd.to_string().as_str(), cost.estimated, cost.unpriced),
            (dollars, estimated, false),
            "{model} {speed} {geo}"
        );
    }
    let unpriced = dearer("corp", million, "fast", "global");
    assert_eq!(
        (unpriced.usd.to_string().as_str(), unpriced.unpriced),
        ("30", true)
    );
}

#[test]
fn caching_is_multiplied_and_server_tools_are_not() {
    let usage = Usage {
        output_tokens: 1_000_000,
        cache_write_5m_tokens: 1_000_000,
        cache_write_1h_tokens: 1_000_000,
        cache_read_tokens: 1_000_000,
        web_search_requests: 3,
        web_fetch_requests: 9,
        ..Usage::default()
    };
    // 20 + 5 + 8 + 0.20 for tokens, and three cents.
    for (speed, dollars) in [("standard", "33.23"), ("fast", "66.43")] {
        let cost = dearer("claude-opus-5-5", usage, speed, "global");
        assert_eq!(cost.usd.to_string(), dollars, "{speed}");
    }
}

#[test]
fn code_that_ran_costs_an_hour_at_most_once_and_is_marked() {
    for (runs, dollars, estimated) in [(0, "0", false), (1, "0.05", true), (7, "0.05", true)] {
        let usage = Usage {
            code_execution_requests: runs,
            ..Usage::default()
        };
        let cost = dearer("claude-opus-5-5", usage, "fast", "us");
        assert_eq!(
            (cost.usd.to_string().as_str(), cost.estimated),
            (dollars, estimated)
        );
    }
}

#[test]
fn a_multiplied_price_is_rounded_up_once() {
    let usage = Usage {
        cache_read_tokens: 1,
        ..Usage::default()
    };
    // Ten nano-dollars and a tenth of them.
    let cost = dearer("claude-haiku-5-5", usage, "standard", "us");
    assert_eq!(cost.usd.nanos(), 11);
    let odd = Usage {
        cache_read_tokens: 1,
        input_tokens: 1,
        ..Usage::default()
    };
    // 4,200 nano-dollars times 1.1, exactly; rounding the parts would give the same or more, never less.
    let cost = dearer("claude-opus-5-5", odd, "standard", "us");
    assert_eq!(cost.usd.nanos(), 4_620);
}

/// A list with these lines beside a fallback of a dollar.
fn list(lines: &str) -> Result<PriceBook, InvalidPrices> {
    PriceBook::parse(&format!(
        "web_search_each = \"0.01\"\nprice = []\n{lines}\n[fallback]\nmodel = \"*\"\nfrom = \"2026-01-01\"\ninput = \"1\"\noutput = \"1\"\n\
         cache_write_5m = \"1\"\ncache_write_1h = \"1\"\ncache_read = \"1\"\nsource = \"x\"\n"
    ))
}

fn multiplier(what: &str, from: &str, times: &str) -> String {
    format!(
        "{{ what = \"{what}\", model = \"*\", from = \"{from}\", times = \"{times}\", source = \"x\" }}"
    )
}

#[test]
fn a_list_without_multipliers_does_not_make_fast_calls_cheap() {
    let usage = Usage {
        input_tokens: 1_000_000,
        terms: Terms::named(Some("fast"), Some("us")),
        ..Usage::default()
    };
    let cost = list("").unwrap().cost("m", &usage, at("2026-11-21"));
    assert_eq!(cost.usd.to_string(), "6.6");
    let own = format!("multiplier = [{}]", multiplier("fast", "2026-01-01", "3"));
    let cost = list(&own).unwrap().cost("m", &usage, at("2026-11-21"));
    assert_eq!(
        cost.usd.to_string(),
        "3.3",
        "its own, and the shipped one for the other"
    );
}

#[test]
fn a_multiplier_changes_on_its_day_and_counts_as_dearest_before_it() {
    let lines = format!(
        "multiplier = [{}, {}]",
        multiplier("fast", "2026-06-01", "2"),
        multiplier("fast", "2026-09-01", "4")
    );
    let book = list(&lines).unwrap();
    let usage = Usage {
        input_tokens: 1_000_000,
        terms: Terms::named(Some("fast"), None),
        ..Usage::default()
    };
    for (day, dollars, estimated) in [
        ("2026-05-31", "4", true),
        ("2026-06-01", "2", false),
        ("2026-08-31", "2", false),
        ("2026-09-01", "4", false),
    ] {
        let cost = book.cost("m", &usage, at(day));
        assert_eq!(
            (cost.usd.to_string().as_str(), cost.estimated),
            (dollars, estimated),
            "{day}"
        );
    }
}

#[test]
fn a_list_that_would_hand_out_budget_is_refused() {
    for lines in [
        "code_execution_hour = \"-1\"".to_owned(),
        format!("multiplier = [{}]", multiplier("fast", "2026-01-01", "0.5")),
        format!("multiplier = [{}]", multiplier("fast", "soon", "2")),
        format!("multiplier = [{}]", multiplier("warp", "2026-01-01", "2")),
    ] {
        assert!(list(&lines).is_err(), "{lines}");
    }
}

fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![0..100u64, 0..10_000_000u64, any::<u64>()]
}

proptest! {
    #[test]
    fn dearer_terms_never_cost_less(
        model in prop_oneof![
            Just("claude-opus-5-5"), Just("claude-opus-4-7"), Just("claude-haiku-5-5"), Just("claude-opus-5-5-fast"), Just("corp"),
        ],
        counts in proptest::array::uniform6(any_count()),
        geo in prop_oneof![Just("global"), Just("us"), Just("mars")],
        speed in prop_oneof![Just("standard"), Just("fast"), Just("warp")],
    ) {
        let [input_tokens, output_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens, searches] = counts;
        let usage = Usage {
            input_tokens, output_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens,
            web_search_requests: searches,
            ..Usage::default()
        };
        let standard = dearer(model, usage, "standard", "global").usd;
        prop_assert!(standard >= Usd::ZERO);
        prop_assert!(dearer(model, usage, "fast", "global").usd >= standard);
        prop_assert!(dearer(model, usage, speed, geo).usd >= standard);
        prop_assert!(dearer(model, usage, "warp", "mars").usd >= dearer(model, usage, speed, geo).usd);
        prop_assert!(dearer(model, usage, speed, "us").usd >= dearer(model, usage, speed, "global").usd);
    }
}
