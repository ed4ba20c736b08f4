//! Refusals of callers whom nobody knows: the first are recorded, the rest are counted, and nothing is lost of the sum.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use domain::{ReasonCode, Timestamp, limits};
use ledger::read::Reader;
use ledger::record::{System, SystemEvent};
use ledger::{Ledger, Position, Record, SigningKey};
use pipeline::strangers::{Strangers, Wanted};
use testkit::FakeClock;

const JUNK: ReasonCode = ReasonCode::CredentialMalformed;
const MESSAGES: Wanted = Wanted::Call("messages");

struct Place {
    clock: FakeClock,
    strangers: Strangers,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, _) = SigningKey::generate().unwrap();
        let clock = FakeClock::at(Timestamp::from_unix_s(1_795_226_880));
        let shared = Arc::new(clock.clone());
        let chain = "gw-1.1".parse().unwrap();
        let ledger = Ledger::open(folder.path(), chain, key, shared.clone()).unwrap();
        Self {
            strangers: Strangers::new(Arc::new(ledger), shared),
            clock,
            folder,
        }
    }

    /// So many refusals; how many of them are recorded each.
    fn refuses(&self, times: u64, from: &str, wanted: Wanted, code: ReasonCode) -> u64 {
        let address: Option<IpAddr> = from.parse().ok();
        let recorded = (0..times).filter(|_| self.strangers.records(address, wanted, code));
        recorded.count() as u64
    }

    /// Ends it; what was summed.
    fn ends(self) -> Vec<System> {
        drop(self.strangers);
        let mut reader = Reader::from(self.folder.path(), Position::default());
        let mut found = Vec::new();
        while let Some(entry) = reader.read().unwrap() {
            match entry.decode().unwrap().record().unwrap() {
                Record::System(system) if system.event == SystemEvent::StrangersRefused => {
                    found.push(system);
                }
                _ => {}
            }
        }
        found
    }
}

fn address(system: &System) -> String {
    system.address.map_or(String::new(), |it| it.to_string())
}

#[test]
fn of_a_thousand_junk_calls_the_first_are_recorded_and_one_record_has_the_rest() {
    let place = Place::new();
    let recorded = place.refuses(1_000, "192.0.2.1", MESSAGES, JUNK);
    assert_eq!(recorded, limits::STRANGERS_RECORDED_MAX);
    let [sum] = &*place.ends() else {
        panic!("one record")
    };
    assert_eq!(sum.refused, Some(1_000 - recorded));
    assert_eq!(sum.refused_calls, sum.refused);
    assert_eq!(address(sum), "192.0.2.1");
    assert_eq!(sum.since, Some(Timestamp::from_unix_s(1_795_226_880)));
    let detail = sum.detail.as_ref().unwrap().as_str();
    assert_eq!(detail, "980 messages credential_malformed");
}

#[test]
fn whoever_is_refused_seldom_leaves_no_sum() {
    let place = Place::new();
    for _ in 0..3 {
        let few = limits::STRANGERS_RECORDED_MAX;
        assert_eq!(place.refuses(few, "192.0.2.1", MESSAGES, JUNK), few);
        place.clock.advance_ms(60_000);
    }
    assert_eq!(place.ends(), []);
}

#[test]
fn two_addresses_do_not_share_and_one_household_does() {
    let place = Place::new();
    let most = limits::STRANGERS_RECORDED_MAX;
    assert_eq!(place.refuses(30, "192.0.2.1", MESSAGES, JUNK), most);
    assert_eq!(place.refuses(most, "192.0.2.2", MESSAGES, JUNK), most);
    assert_eq!(place.refuses(25, "2001:db8::1", MESSAGES, JUNK), most);
    assert_eq!(place.refuses(5, "2001:db8::ffff", MESSAGES, JUNK), 0);
    assert_eq!(place.refuses(25, "no address", MESSAGES, JUNK), most);
    let sums: Vec<_> = place.ends();
    let sums: Vec<_> = sums.iter().map(|it| (address(it), it.refused)).collect();
    let expected = [("192.0.2.1", 10), ("2001:db8::", 10), ("", 5)];
    assert_eq!(
        sums,
        expected.map(|(from, more)| (from.to_owned(), Some(more)))
    );
}

#[test]
fn each_minute_is_summed_by_itself() {
    let place = Place::new();
    for _ in 0..2 {
        place.refuses(30, "192.0.2.1", MESSAGES, JUNK);
        place.clock.advance_ms(60_000);
    }
    let sums = place.ends();
    let since: Vec<_> = sums
        .iter()
        .map(|it| it.since.unwrap().unix_ms() / 1_000)
        .collect();
    assert_eq!(since, [1_795_226_880, 1_795_226_940]);
    assert!(sums.iter().all(|it| it.refused == Some(10)));
}

/// Or a flood of junk would hide that somebody uses a refresh token a second time.
#[test]
fn the_first_of_every_kind_is_recorded_however_many_others_came_before() {
    let place = Place::new();
    place.refuses(500, "192.0.2.1", MESSAGES, JUNK);
    assert_eq!(place.refuses(3, "192.0.2.1", Wanted::SignIn, JUNK), 1);
    assert_eq!(
        place.refuses(3, "192.0.2.1", Wanted::SignIn, ReasonCode::SessionEnded),
        1
    );
    let sums = place.ends();
    assert_eq!(
        (sums[0].refused, sums[0].refused_calls),
        (Some(484), Some(480))
    );
    let detail = sums[0].detail.as_ref().unwrap().as_str();
    assert!(
        detail.starts_with("480 messages credential_malformed, 2 sign_in "),
        "{detail}"
    );
}

#[test]
fn addresses_beyond_those_that_are_told_apart_are_counted_together() {
    let place = Place::new();
    let apart = u32::try_from(limits::STRANGERS_APART_MAX).unwrap();
    let mut recorded = 0;
    for number in 0..apart + 500 {
        let from = std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string();
        recorded += place.refuses(1, &from, MESSAGES, JUNK);
    }
    assert_eq!(recorded, u64::from(apart) + limits::STRANGERS_RECORDED_MAX);
    let sums = place.ends();
    let seen: BTreeSet<_> = sums.iter().map(|it| (it.address, it.refused)).collect();
    let rest = 500 - limits::STRANGERS_RECORDED_MAX;
    assert_eq!(seen, BTreeSet::from([(None, Some(rest))]));
    assert!(
        sums[0]
            .detail
            .as_ref()
            .unwrap()
            .as_str()
            .starts_with("from further addresses: ")
    );
}
