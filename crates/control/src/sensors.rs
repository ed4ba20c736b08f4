//! What tells us something, and when each last did: calls, clients' telemetry, directories, the ledger's checkpoints, copy and sink, and the
//! keys of identity providers. A count is worth as much as the sensor it comes from, so a silent one is told before any count. What this
//! process knows by itself is asked through [`Sensing`], which `server` implements; the rest is the store's, and so every replica's.

use std::collections::BTreeMap;
use std::fmt;

use domain::window::DAY_MS;
use domain::{Timestamp, limits};
use store::ScimToken;

use crate::access::Right;
use crate::machine::IssuerKeys;
use crate::records::Copied;
use crate::{ControlError, Operation, checkpoints, installation, records, scim_tokens};

const HOUR_MS: i64 = 60 * 60 * 1_000;
/// Working time without a call after which the gateway is silent.
const CALLS_MS: i64 = DAY_MS;
/// Calls that came so long after the last telemetry should have brought some.
const TELEMETRY_MS: i64 = 2 * HOUR_MS;
/// Entra provisions every 40 minutes, changes or none.
const ENTRA_MS: i64 = DAY_MS;
/// Other directories speak when something changes.
const DIRECTORY_MS: i64 = 7 * DAY_MS;
/// Records that are older than the last checkpoint by so much should be covered by one.
const CHECKPOINT_MS: i64 = 60 * limits::LEDGER_CHECKPOINT_MS.cast_signed();
/// Records that wait for the copy so long are held up.
const COPY_MS: i64 = 60 * 1_000;

/// Telemetry's name among the sensors that the store keeps the last word of.
pub const TELEMETRY: &str = store::sensors::TELEMETRY;

/// What the process knows by itself. Implemented in `server`.
pub trait Sensing: fmt::Debug + Send + Sync {
    /// How its own sensors are now.
    fn sense(&self) -> Sensed;
}

/// What the process knows by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sensed {
    /// The keys of each issuer.
    pub keys: Vec<IssuerKeys>,
    /// Where the ledger is sent, if anywhere.
    pub sink: Option<SinkSeen>,
}

/// How a sink of the ledger stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSeen {
    /// The host it is at.
    pub host: String,
    /// Records that have not arrived.
    pub behind: u64,
    /// When the last record that arrived was written; none since the start.
    pub told: Option<Timestamp>,
    /// Tries that failed since the last success.
    pub failures: u32,
}

/// What a sensor is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// Calls through the gateway.
    Calls,
    /// What clients report about themselves.
    Telemetry,
    /// A directory, by its issuer and tenant.
    Directory(String),
    /// The signed heads of the ledger.
    Checkpoints,
    /// The ledger's copy, which pages are read from.
    Copy,
    /// Where the ledger is sent, by host; empty for nowhere.
    Sink(String),
    /// The keys of an issuer.
    Keys(String),
}

impl Of {
    /// What it is called.
    pub fn name(&self) -> String {
        match self {
            Self::Calls => "Calls through the gateway".to_owned(),
            Self::Telemetry => "Telemetry of clients".to_owned(),
            Self::Directory(source) if source.is_empty() => "Directory".to_owned(),
            Self::Directory(source) => format!("Directory of {source}"),
            Self::Checkpoints => "Checkpoints of the ledger".to_owned(),
            Self::Copy => "The ledger's copy".to_owned(),
            Self::Sink(host) if host.is_empty() => "Ledger sink".to_owned(),
            Self::Sink(host) => format!("Ledger sink at {host}"),
            Self::Keys(issuer) => format!("Keys of {issuer}"),
        }
    }

    /// What its silence means, and what helps.
    pub const fn silence(&self) -> &'static str {
        match self {
            Self::Calls => {
                "Either nobody works, or clients go to Claude by another way, where no rule holds and nothing is counted. Look at one client's settings."
            }
            Self::Telemetry => {
                "Calls came without it, so what clients do beside calls is not known. Look at the telemetry settings they are sent, and at one client's log."
            }
            Self::Directory(_) => {
                "Who left since may still come in by it, and who came has no groups. Look at the provisioning log of the directory, and at its token."
            }
            Self::Checkpoints => {
                "What was written since is not signed: a change to it could not be proved. Look at the ledger's disk and at the log."
            }
            Self::Copy => {
                "What was written since is durable, but stands on no page and in no sum. Look at the store."
            }
            Self::Sink(_) => {
                "What happened since is here and nowhere else. Look at the receiver and its credential."
            }
            Self::Keys(_) => {
                "When its last good keys are too old, nobody it vouches for comes in. Look at its discovery document from this machine."
            }
        }
    }
}

/// How a sensor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It tells what it should.
    Speaks,
    /// It told something once, and should have since.
    Silent,
    /// It has not told anything yet.
    NotYet,
    /// There is none.
    Absent,
}

/// A sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sensor {
    /// What it is of.
    pub of: Of,
    /// How it stands.
    pub heard: Heard,
    /// When it last told something.
    pub last: Option<Timestamp>,
    /// Particulars: `12 records behind`.
    pub says: String,
}

/// Every sensor that who looks may know of, the silent ones first.
pub async fn read(
    operation: &Operation<'_>,
    installation: &installation::Installation,
    sensing: &dyn Sensing,
) -> Result<Vec<Sensor>, ControlError> {
    operation.require(Right::OrgRead)?;
    let (store, org, now) = (operation.store, operation.org, operation.clock.now());
    let may = |right| operation.actor.may(right);
    let sensed = sensing.sense();
    let copied = records::copied(operation).await?;
    let mut sensors = Vec::new();
    if may(Right::BudgetsRead) {
        let calls = store.last_used(org).await?;
        let telemetry = store.sensor_words(org).await?.remove(TELEMETRY);
        sensors.push(of_calls(calls, now));
        sensors.push(of_telemetry(telemetry, calls));
    }
    if may(Right::DirectoryRead) {
        let tokens = scim_tokens::list(operation).await?;
        sensors.extend(of_directories(&tokens, installation, now));
    }
    if may(Right::LedgerRead) {
        let newest = checkpoints::list(operation, None, None, 1).await?.0;
        let newest = newest.first().map(|found| found.place.at);
        sensors.push(of_checkpoints(newest, &copied));
    }
    sensors.push(of_copy(&copied, now));
    sensors.push(of_sink(sensed.sink.as_ref(), now));
    if may(Right::ConfigRead) {
        sensors.extend(sensed.keys.iter().map(of_keys));
    }
    sensors.sort_by_key(|sensor| (sensor.heard != Heard::Silent, sensor.of.clone()));
    Ok(sensors)
}

/// How long two moments are apart, Saturdays and Sundays left out.
fn working_ms(from: Timestamp, to: Timestamp) -> i64 {
    let day_of = |at: Timestamp| at.unix_ms().div_euclid(DAY_MS);
    let is_weekend = |day: i64| (day + 3).rem_euclid(7) >= 5;
    // More than a few weeks is silent whatever days they were of.
    let first = day_of(from).max(day_of(to) - 30);
    let of_day = |day: i64| {
        let begins = (day * DAY_MS).max(from.unix_ms());
        let ends = ((day + 1) * DAY_MS).min(to.unix_ms());
        if is_weekend(day) {
            0
        } else {
            (ends - begins).max(0)
        }
    };
    (first..=day_of(to)).map(of_day).sum()
}

fn sensor(of: Of, heard: Heard, last: Option<Timestamp>, says: impl Into<String>) -> Sensor {
    Sensor {
        of,
        heard,
        last,
        says: says.into(),
    }
}

fn of_calls(last: Option<Timestamp>, now: Timestamp) -> Sensor {
    let Some(last) = last else {
        return sensor(Of::Calls, Heard::NotYet, None, "no call yet");
    };
    let ended = last.plus_ms(HOUR_MS).min(now);
    let heard = if working_ms(ended, now) > CALLS_MS {
        Heard::Silent
    } else {
        Heard::Speaks
    };
    sensor(Of::Calls, heard, Some(ended), "kept by the hour")
}

fn of_telemetry(last: Option<Timestamp>, calls: Option<Timestamp>) -> Sensor {
    let Some(last) = last else {
        let says = "no client was told to report any, or none does";
        return sensor(Of::Telemetry, Heard::Absent, None, says);
    };
    // The hour of the last call began when it did; only what surely came after counts.
    let came_without = calls.is_some_and(|calls| calls.ms_since(last) > TELEMETRY_MS);
    let heard = if came_without {
        Heard::Silent
    } else {
        Heard::Speaks
    };
    sensor(Of::Telemetry, heard, Some(last), "noted once a minute")
}

fn of_directories(
    tokens: &[ScimToken],
    installation: &installation::Installation,
    now: Timestamp,
) -> Vec<Sensor> {
    let mut sources: BTreeMap<String, (&ScimToken, Option<Timestamp>)> = BTreeMap::new();
    for token in tokens.iter().filter(|token| token.opens(now)) {
        let tenant = token.source.tenant.as_deref();
        let name = tenant.map_or_else(
            || token.source.issuer.clone(),
            |tenant| format!("{}/{tenant}", token.source.issuer),
        );
        let known = sources.entry(name).or_insert((token, None));
        known.1 = known.1.max(token.used_at);
        if token.created < known.0.created {
            known.0 = token;
        }
    }
    if sources.is_empty() {
        let says = "none provisions: people are known from their first sign-in on";
        return vec![sensor(
            Of::Directory(String::new()),
            Heard::Absent,
            None,
            says,
        )];
    }
    let judged = sources.into_iter().map(|(name, (token, used))| {
        let longest = directory_patience_ms(installation, &token.source.issuer);
        let says = if longest == ENTRA_MS {
            "Entra speaks every 40 minutes"
        } else {
            "speaks when something changes; silent after a week"
        };
        let heard = match used {
            None => Heard::NotYet,
            Some(used) if now.ms_since(used) > longest => Heard::Silent,
            Some(_) => Heard::Speaks,
        };
        sensor(Of::Directory(name), heard, used, says)
    });
    judged.collect()
}

/// How long a directory may say nothing before it is silent.
pub fn directory_patience_ms(installation: &installation::Installation, issuer: &str) -> i64 {
    let mut issuers = installation.issuers.iter();
    if issuers.any(|known| known.name == issuer && known.kind == "entra") {
        ENTRA_MS
    } else {
        DIRECTORY_MS
    }
}

fn of_checkpoints(newest: Option<Timestamp>, copied: &Copied) -> Sensor {
    let Some(newest) = newest else {
        return sensor(Of::Checkpoints, Heard::NotYet, None, "none yet");
    };
    let uncovered = copied
        .newest
        .is_some_and(|record| record.ms_since(newest) > CHECKPOINT_MS);
    let heard = if uncovered {
        Heard::Silent
    } else {
        Heard::Speaks
    };
    sensor(
        Of::Checkpoints,
        heard,
        Some(newest),
        "one within a second of new records",
    )
}

fn of_copy(copied: &Copied, now: Timestamp) -> Sensor {
    let is_held_up = copied.missing > 0
        && copied
            .newest
            .is_none_or(|newest| now.ms_since(newest) > COPY_MS);
    let heard = if is_held_up {
        Heard::Silent
    } else {
        Heard::Speaks
    };
    let says = match (copied.missing, copied.others.len()) {
        (0, 0) => "every record is in it".to_owned(),
        (0, _) => "every record of this replica is in it".to_owned(),
        (missing, _) => format!("{missing} records of this replica are not in it"),
    };
    sensor(Of::Copy, heard, copied.newest, says)
}

fn of_sink(sink: Option<&SinkSeen>, now: Timestamp) -> Sensor {
    let Some(sink) = sink else {
        let says = "the ledger is sent nowhere: this machine has the only one";
        return sensor(Of::Sink(String::new()), Heard::Absent, None, says);
    };
    let of = Of::Sink(sink.host.clone());
    let says = match sink.behind {
        0 => "has every record".to_owned(),
        behind => format!("{behind} records behind"),
    };
    let last = if sink.behind == 0 {
        Some(now)
    } else {
        sink.told
    };
    let heard = match (sink.behind, sink.failures) {
        (1.., 1..) => Heard::Silent,
        _ => Heard::Speaks,
    };
    sensor(of, heard, last, says)
}

fn of_keys(keys: &IssuerKeys) -> Sensor {
    let (heard, says) = match (keys.is_usable, &keys.problem) {
        (true, None) => (Heard::Speaks, "fetched once an hour"),
        (true, Some(_)) => (
            Heard::Silent,
            "cannot be fetched; the last good ones count for a day",
        ),
        (false, _) => (Heard::Silent, "cannot be read: its tokens are not accepted"),
    };
    sensor(Of::Keys(keys.name.clone()), heard, keys.fetched, says)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Saturday noon.
    const NOW: &str = "2026-11-21T12:00:00Z";

    #[test]
    fn a_weekend_without_calls_is_no_silence_and_a_working_day_is() {
        for (last, expected) in [
            ("2026-11-21T11:00:00Z", Heard::Speaks),
            ("2026-11-20T16:00:00Z", Heard::Speaks),
            ("2026-11-19T22:00:00Z", Heard::Silent),
            ("2026-01-01T00:00:00Z", Heard::Silent),
        ] {
            assert_eq!(of_calls(Some(at(last)), at(NOW)).heard, expected, "{last}");
        }
        let monday = at("2026-11-23T08:00:00Z");
        assert_eq!(
            of_calls(Some(at("2026-11-20T16:00:00Z")), monday).heard,
            Heard::Speaks
        );
        assert_eq!(of_calls(None, monday).heard, Heard::NotYet);
    }

    #[test]
    fn telemetry_is_silent_when_calls_come_without_it_and_never_by_night() {
        let last = Some(at("2026-11-20T16:30:00Z"));
        let check = |calls: &str, expected| {
            assert_eq!(
                of_telemetry(last, Some(at(calls))).heard,
                expected,
                "{calls}"
            );
        };
        check("2026-11-20T16:00:00Z", Heard::Speaks);
        check("2026-11-20T18:00:00Z", Heard::Speaks);
        check("2026-11-20T19:00:00Z", Heard::Silent);
        assert_eq!(of_telemetry(None, last).heard, Heard::Absent);
        assert_eq!(of_telemetry(last, None).heard, Heard::Speaks);
    }

    #[test]
    fn what_other_replicas_hold_back_is_not_said_to_be_there() {
        let copied = |missing, others| Copied {
            newest: Some(at(NOW).plus_ms(-120_000)),
            missing,
            others,
        };
        let now = at(NOW);
        assert_eq!(
            of_copy(&copied(0, vec![]), now).says,
            "every record is in it"
        );
        let other = records::OtherChain {
            chain: "gw-2.1".to_owned(),
            newest: now,
        };
        let several = of_copy(&copied(0, vec![other]), now);
        assert_eq!(several.says, "every record of this replica is in it");
        assert_eq!(of_copy(&copied(3, vec![]), now).heard, Heard::Silent);
    }

    #[test]
    fn checkpoints_are_silent_when_newer_records_are_covered_by_none() {
        let copied = Copied {
            newest: Some(at(NOW)),
            missing: 0,
            others: Vec::new(),
        };
        let heard = |ms: i64| of_checkpoints(Some(at(NOW).plus_ms(-ms)), &copied).heard;
        assert_eq!(
            (heard(1_000), heard(61_000)),
            (Heard::Speaks, Heard::Silent)
        );
        assert_eq!(of_checkpoints(None, &copied).heard, Heard::NotYet);
    }

    #[test]
    fn a_sink_that_takes_nothing_is_silent_and_one_that_is_only_behind_is_not() {
        let sink = |behind, failures| SinkSeen {
            host: "siem.example".to_owned(),
            behind,
            told: None,
            failures,
        };
        let heard = |sink: SinkSeen| of_sink(Some(&sink), at(NOW)).heard;
        assert_eq!(heard(sink(0, 0)), Heard::Speaks);
        assert_eq!(heard(sink(9, 0)), Heard::Speaks);
        assert_eq!(heard(sink(9, 2)), Heard::Silent);
        assert_eq!(of_sink(None, at(NOW)).heard, Heard::Absent);
    }

    #[test]
    fn keys_that_cannot_be_fetched_are_told_before_they_are_too_old() {
        let keys = |is_usable, has_failed: bool| IssuerKeys {
            name: "entra".to_owned(),
            is_usable,
            fetched: Some(at(NOW)),
            keys: 2,
            algorithms: vec!["RS256".to_owned()],
            problem: has_failed.then(|| "it answered 503".to_owned()),
        };
        for (usable, has_failed, expected) in [
            (true, false, Heard::Speaks),
            (true, true, Heard::Silent),
            (false, true, Heard::Silent),
        ] {
            assert_eq!(of_keys(&keys(usable, has_failed)).heard, expected);
        }
    }

    fn token(issuer: &str, used: Option<&str>) -> ScimToken {
        ScimToken {
            id: domain::TokenId::from_parts(1, 1),
            token_hash: String::new(),
            source: store::Source {
                issuer: issuer.to_owned(),
                tenant: None,
            },
            name: String::new(),
            prefix: String::new(),
            made_by: String::new(),
            created: at("2026-11-01T00:00:00Z"),
            expires: None,
            revoked_at: None,
            used_at: used.map(at),
        }
    }

    #[test]
    fn a_directory_is_silent_after_as_long_as_its_kind_makes_telling() {
        let installation = installation::Installation {
            issuers: vec![installation::IssuerFact {
                name: "entra".to_owned(),
                issuer: String::new(),
                kind: "entra".to_owned(),
                people: true,
                audiences: Vec::new(),
                client_id: None,
            }],
            ..installation::Installation::default()
        };
        let two_days = Some("2026-11-19T12:00:00Z");
        let tokens = [
            token("entra", two_days),
            token("okta", two_days),
            token("new", None),
        ];
        let heard: Vec<_> = of_directories(&tokens, &installation, at(NOW))
            .into_iter()
            .map(|sensor| (sensor.of.name(), sensor.heard))
            .collect();
        let expected = [
            ("Directory of entra", Heard::Silent),
            ("Directory of new", Heard::NotYet),
            ("Directory of okta", Heard::Speaks),
        ];
        assert_eq!(
            heard,
            expected.map(|(name, heard)| (name.to_owned(), heard))
        );
        // A second token of the same source that is used speaks for both.
        let rotated = [token("entra", two_days), token("entra", Some(NOW))];
        assert_eq!(
            of_directories(&rotated, &installation, at(NOW))[0].heard,
            Heard::Speaks
        );
        assert_eq!(
            of_directories(&[], &installation, at(NOW))[0].heard,
            Heard::Absent
        );
    }
}
