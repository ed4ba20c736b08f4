//! Purses: caps, windows, shared budgets, and what a replica may spend without asking.

use super::*;
use domain::policy::Who;
use domain::{PersonId, ServiceId};
use proptest::prelude::*;

fn ada() -> Subject {
    Subject::Person(PersonId::from_parts(1, 1))
}

fn budget(scope: BudgetFor, dollars: &str, period: Period) -> Budget {
    Budget {
        name: "staff".into(),
        who: Who::default(),
        scope,
        amount_usd: dollars.parse().unwrap(),
        period,
        hard: true,
    }
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_unix_ms(text.parse::<i64>().unwrap())
}

fn room(
    purses: &Purses,
    subject: Subject,
    budgets: &[Budget],
    more: Usd,
    now: Timestamp,
) -> Result<(), Refusal> {
    match purses.check(subject, budgets, more, now, &[]) {
        Ok(()) => Ok(()),
        Err(NoRoom::Refused(refusal)) => Err(refusal),
        Err(NoRoom::Unleased(wants)) => unreachable!("nothing is leased here: {wants:?}"),
    }
}

#[test]
fn open_calls_count_against_the_cap_before_they_are_settled() {
    let budgets = [budget(BudgetFor::Member, "1.00", Period::Monthly)];
    let mut purses = Purses::default();
    let now = at("1000");
    assert!(room(&purses, ada(), &budgets, usd("0.60"), now).is_ok());
    purses.reserve(ada(), &budgets, usd("0.60"), now);
    let refusal = room(&purses, ada(), &budgets, usd("0.60"), now).unwrap_err();
    assert_eq!(refusal.code(), ReasonCode::BudgetSpent);
    assert!(
        refusal
            .sentence()
            .contains("has $0.40 left, too little for this request"),
        "{}",
        refusal.sentence()
    );
    purses.settle(ada(), &budgets, usd("0.60"), usd("0.10"), now);
    assert!(room(&purses, ada(), &budgets, usd("0.60"), now).is_ok());
}

#[test]
fn a_shared_budget_is_spent_by_everyone_it_names() {
    let budgets = [budget(BudgetFor::Group, "1.00", Period::Daily)];
    let bob = Subject::Service(ServiceId::from_parts(2, 2));
    let mut purses = Purses::default();
    let now = at("1000");
    purses.reserve(ada(), &budgets, usd("0.90"), now);
    purses.settle(ada(), &budgets, usd("0.90"), usd("0.90"), now);
    assert!(room(&purses, bob, &budgets, usd("0.20"), now).is_err());
}

#[test]
fn a_budget_begins_anew_with_its_period_and_a_late_settlement_does_not_charge_the_new_one() {
    let budgets = [budget(BudgetFor::Member, "1.00", Period::Daily)];
    let (today, tomorrow) = (at("1000"), at("86400001"));
    let mut purses = Purses::default();
    purses.reserve(ada(), &budgets, usd("1.00"), today);
    assert!(room(&purses, ada(), &budgets, usd("1.00"), tomorrow).is_ok());
    purses.reserve(ada(), &budgets, usd("0.20"), tomorrow);
    purses.settle(ada(), &budgets, usd("1.00"), usd("1.00"), today);
    assert_eq!(purses.own(ada(), Period::Daily, tomorrow), Usd::ZERO);
}

#[test]
fn a_stream_that_goes_on_after_midnight_leaves_the_new_days_purse_as_it_is() {
    let budgets = [budget(BudgetFor::Member, "1.00", Period::Daily)];
    let (today, tomorrow) = (at("1000"), at("86400001"));
    let mut purses = Purses::default();
    purses.reserve(ada(), &budgets, usd("0.10"), today);
    purses.reserve(ada(), &budgets, usd("0.70"), tomorrow);
    purses.settle(ada(), &budgets, usd("0.70"), usd("0.70"), tomorrow);
    purses.reserve(ada(), &budgets, usd("0.10"), today);
    assert_eq!(purses.own(ada(), Period::Daily, tomorrow), usd("0.70"));
}

#[test]
fn a_stream_from_before_midnight_is_held_to_the_budget_of_the_day_it_began() {
    let budgets = [budget(BudgetFor::Member, "1.00", Period::Daily)];
    let (today, tomorrow) = (at("1000"), at("86400001"));
    let mut purses = Purses::default();
    purses.reserve(ada(), &budgets, usd("0.60"), today);
    // Another call begins the new day, and what is swept is nothing that anybody holds.
    purses.reserve(ada(), &budgets, usd("0.10"), tomorrow);
    purses.sweep(tomorrow);
    assert!(room(&purses, ada(), &budgets, usd("0.40"), today).is_ok());
    purses.reserve(ada(), &budgets, usd("0.40"), today);
    assert!(room(&purses, ada(), &budgets, usd("0.01"), today).is_err());
    purses.settle(ada(), &budgets, usd("1.00"), usd("1.00"), today);
    assert!(room(&purses, ada(), &budgets, usd("0.90"), tomorrow).is_ok());
    purses.sweep(tomorrow);
    assert!(purses.before.is_empty());
    assert!(
        room(&purses, ada(), &budgets, usd("0.01"), today).is_err(),
        "a day that is forgotten has no room"
    );
}

#[test]
fn a_soft_budget_never_refuses() {
    let mut soft = budget(BudgetFor::Org, "0", Period::Weekly);
    soft.hard = false;
    assert!(room(&Purses::default(), ada(), &[soft], usd("5"), at("0")).is_ok());
}

#[test]
fn a_purse_key_reads_back_what_it_prints() {
    for key in [
        Key::Own(ada()),
        Key::Own(Subject::Service(ServiceId::from_parts(1, 1))),
        Key::Org,
        Key::Shared("a b".into()),
    ] {
        assert_eq!(Key::parse(&key.to_string()), Some(key));
    }
    assert_eq!(Key::parse("nobody"), None);
}

proptest! {
    /// Whatever the order of calls, spending passes the cap by no more than what calls cost beyond their reservations.
    #[test]
    fn a_hard_budget_is_passed_by_no_more_than_the_reservation_error(
        calls in prop::collection::vec((1i64..500, 0i64..700, any::<bool>()), 1..80)
    ) {
        let cap = 1_000;
        let budgets = [budget(BudgetFor::Member, "0.000001", Period::Monthly)];
        let mut purses = Purses::default();
        let now = at("5000");
        let mut open = Vec::new();
        let mut error = 0;
        for (reserve, cost, close_one) in calls {
            let held = Usd::from_nanos(reserve);
            if room(&purses, ada(), &budgets, held, now).is_ok() {
                purses.reserve(ada(), &budgets, held, now);
                open.push((reserve, cost));
            }
            if close_one && !open.is_empty() {
                let (reserve, cost) = open.swap_remove(0);
                error += (cost - reserve).max(0);
                purses.settle(ada(), &budgets, Usd::from_nanos(reserve), Usd::from_nanos(cost), now);
            }
        }
        for (reserve, cost) in open {
            error += (cost - reserve).max(0);
            purses.settle(ada(), &budgets, Usd::from_nanos(reserve), Usd::from_nanos(cost), now);
        }
        let spent = purses.own(ada(), Period::Monthly, now).nanos();
        prop_assert!(spent <= cap + error, "spent {spent}, cap {cap}, error {error}");
    }
}
