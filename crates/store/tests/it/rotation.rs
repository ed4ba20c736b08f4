//! Refresh tokens: every exchange is as a plain model says, also when many come at once.

use std::collections::HashMap;

use domain::SessionId;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use store::sessions::Exchange;
use store::{Rotation, StoreError, Target};

use crate::bed::{Bed, at, on_both_engines};
use Said::{Expired, GraceUsed, Reused, Rotated, SessionEnded, Unknown, WithinGrace};

const GRACE_MS: i64 = 30_000;

/// [`Rotation`], of the holder only the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Rotated(SessionId),
    WithinGrace(SessionId),
    GraceUsed(SessionId),
    Reused(SessionId),
    SessionEnded(SessionId),
    Expired(SessionId),
    Unknown,
}

impl From<Rotation> for Said {
    fn from(rotation: Rotation) -> Self {
        match rotation {
            Rotation::Rotated(holder) => Rotated(holder.session.id),
            Rotation::WithinGrace(holder) => WithinGrace(holder.session.id),
            Rotation::GraceUsed(session) => GraceUsed(session),
            Rotation::Reused(session) => Reused(session),
            Rotation::SessionEnded(session) => SessionEnded(session),
            Rotation::Expired(session) => Expired(session),
            Rotation::Unknown | Rotation::OtherClient(_) | Rotation::OtherResource(_) => Unknown,
        }
    }
}

async fn exchange(bed: &Bed, old: &str, new: &str, ms: i64, grace_ms: i64) -> Said {
    try_exchange(bed, old, new, ms, grace_ms).await.unwrap()
}

async fn try_exchange(
    bed: &Bed,
    old: &str,
    new: &str,
    ms: i64,
    grace_ms: i64,
) -> Result<Said, StoreError> {
    let exchange = Exchange {
        org: bed.org,
        old_hash: old,
        new_hash: new,
        at: at(ms),
        grace_ms,
        expires: at(ms + 3_600_000),
        client_id: None,
        resource: None,
    };
    Ok(bed.store.exchange_refresh(exchange).await?.into())
}

/// How often each kind of outcome came.
fn tally(outcomes: &[Said]) -> [usize; 5] {
    let count = |wanted: fn(&Said) -> bool| outcomes.iter().filter(|it| wanted(it)).count();
    [
        count(|it| matches!(it, Rotated(_))),
        count(|it| matches!(it, WithinGrace(_))),
        count(|it| matches!(it, GraceUsed(_))),
        count(|it| matches!(it, Reused(_))),
        count(|it| matches!(it, SessionEnded(_))),
    ]
}

/// So many exchanges of one token at once, on two replicas.
async fn at_once(bed: &Bed, token: &str, clients_at_once: usize, grace_ms: i64) -> [usize; 5] {
    let replica = bed.replica().await;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..clients_at_once {
        let mut bed = bed.clone();
        if client % 2 == 1 {
            bed.store = replica.clone();
        }
        let (old, new) = (token.to_owned(), format!("{token}>{client}"));
        clients.spawn(async move { exchange(&bed, &old, &new, 10, grace_ms).await });
    }
    let outcomes = clients.join_all().await;
    replica.close().await;
    tally(&outcomes)
}

/// What the store should say, in a few lines.
#[derive(Default)]
struct Model {
    /// Per token: when it expires, when it was exchanged, and how often.
    tokens: HashMap<String, (i64, Option<i64>, u32)>,
    ended: bool,
}

impl Model {
    fn exchange(&mut self, session: SessionId, old: &str, new: &str, ms: i64) -> Said {
        let Some((expires, replaced, times)) = self.tokens.get(old).copied() else {
            return Unknown;
        };
        if self.ended {
            return SessionEnded(session);
        }
        if replaced.is_some_and(|replaced| ms - replaced > GRACE_MS) {
            self.ended = true;
            return Reused(session);
        }
        if expires <= ms {
            return Expired(session);
        }
        if times == 2 {
            return GraceUsed(session);
        }
        let exchanged = (expires, replaced.or(Some(ms)), times + 1);
        self.tokens.insert(old.to_owned(), exchanged);
        self.tokens
            .insert(new.to_owned(), (ms + 3_600_000, None, 0));
        match replaced {
            None => Rotated(session),
            Some(_) => WithinGrace(session),
        }
    }
}

/// Steps of a life: which token (by its number, the newest ones first) and how much later.
fn lives() -> impl Strategy<Value = Vec<(usize, i64)>> {
    let later = prop_oneof![6 => 0..2_000i64, 3 => 10_000..40_000i64, 1 => 3_000_000..4_000_000i64];
    let which = prop_oneof![6 => Just(0usize), 3 => Just(1), 1 => 2..6usize];
    proptest::collection::vec((which, later), 1..14)
}

on_both_engines! {
    async fn of_fifty_exchanges_at_once_two_have_successors_and_the_session_goes_on(bed) {
        let person = bed.person("tid/oid").await;
        for round in 0..3 {
            let token = format!("token {round}");
            let session = bed.session(&person, &token).await;
            assert_eq!(at_once(&bed, &token, 50, GRACE_MS).await, [1, 1, 48, 0, 0]);
            let mut live = 0;
            for client in 0..50 {
                let (successor, next) = (format!("{token}>{client}"), format!("{token}>{client}>"));
                match exchange(&bed, &successor, &next, 20, GRACE_MS).await {
                    Rotated(of) => live += usize::from(of == session),
                    other => assert_eq!(other, Unknown),
                }
            }
            assert_eq!(live, 2);
            // After the grace the one who comes back is a thief, as ever.
            let late = exchange(&bed, &token, "late", 10 + GRACE_MS + 1, GRACE_MS).await;
            assert_eq!(late, Reused(session));
        }
    }

    async fn without_grace_one_rotates_one_is_the_thief_and_the_session_is_over(bed) {
        let person = bed.person("tid/oid").await;
        let session = bed.session(&person, "token").await;
        assert_eq!(at_once(&bed, "token", 8, -1).await, [1, 0, 0, 1, 6]);
        let ended = bed.store.session(bed.org, session).await.unwrap().unwrap().ended_at;
        assert_eq!(ended, Some(at(10)));
    }

    /// The session token of the thief, or of the robbed, would otherwise live on until it expires.
    async fn a_reused_token_revokes_the_session_on_every_replica_in_the_same_step(bed) {
        let person = bed.person("tid/oid").await;
        let session = bed.session(&person, "one").await;
        assert_eq!(exchange(&bed, "one", "two", 0, GRACE_MS).await, Rotated(session));
        let late = GRACE_MS + 1;
        assert_eq!(exchange(&bed, "one", "three", late, GRACE_MS).await, Reused(session));
        let revoked = bed.store.revocations_since(bed.org, 0, 10).await.unwrap();
        assert_eq!(revoked.len(), 1);
        assert_eq!((&revoked[0].target, revoked[0].at), (&Target::Session(session), at(late)));
        for token in ["one", "two"] {
            let outcome = exchange(&bed, token, "four", late, GRACE_MS).await;
            assert_eq!(outcome, SessionEnded(session));
        }
        assert_eq!(exchange(&bed, "three", "four", late, GRACE_MS).await, Unknown);
    }

    /// An outage between the exchange and the look at whose it is would cost an honest client its sign-in.
    async fn an_outage_in_the_middle_leaves_a_token_as_good_as_it_was(bed) {
        let person = bed.person("tid/oid").await;
        let session = bed.session(&person, "one").await;
        for table in ["people", "sessions"] {
            bed.take_away(table).await;
            for attempt in ["a", "b", "c"] {
                let error = try_exchange(&bed, "one", attempt, 0, GRACE_MS).await.unwrap_err();
                assert!(error.nothing_written(), "{table}: {error:?}");
            }
            bed.bring_back(table).await;
        }
        // Long after the grace of an exchange that had been kept.
        let late = 2 * GRACE_MS;
        assert_eq!(exchange(&bed, "one", "two", late, GRACE_MS).await, Rotated(session));
        assert_eq!(exchange(&bed, "one", "three", late, GRACE_MS).await, WithinGrace(session));
        assert_eq!(exchange(&bed, "one", "four", late, GRACE_MS).await, GraceUsed(session));
        for never_given in ["a", "b", "c", "four"] {
            assert_eq!(exchange(&bed, never_given, "x", late, GRACE_MS).await, Unknown);
        }
        assert_eq!(exchange(&bed, "one", "x", late + GRACE_MS + 1, GRACE_MS).await, Reused(session));
    }

    async fn a_token_of_somebody_shut_out_is_not_exchanged(bed) {
        let person = bed.person("tid/oid").await;
        let session = bed.session(&person, "one").await;
        assert!(bed.store.shut_out(bed.org, person.id, at(1), "left").await.unwrap());
        assert_eq!(exchange(&bed, "one", "two", 2, GRACE_MS).await, SessionEnded(session));
        assert_eq!(exchange(&bed, "two", "three", 2, GRACE_MS).await, Unknown);
    }

    async fn another_organisation_cannot_exchange_a_token(bed) {
        let person = bed.person("tid/oid").await;
        let session = bed.session(&person, "one").await;
        let mut stranger = bed.clone();
        stranger.org = bed.other_org().await;
        assert_eq!(exchange(&stranger, "one", "two", 0, GRACE_MS).await, Unknown);
        assert_eq!(exchange(&bed, "one", "two", 0, GRACE_MS).await, Rotated(session));
    }

    async fn a_clock_that_went_back_betrays_nobody(bed) {
        let person = bed.person("tid/oid").await;
        let session = bed.session(&person, "one").await;
        assert_eq!(exchange(&bed, "one", "two", 90_000, GRACE_MS).await, Rotated(session));
        let outcome = exchange(&bed, "one", "three", 1_000, GRACE_MS).await;
        assert_eq!(outcome, WithinGrace(session));
    }

    async fn expired_tokens_are_forgotten_and_no_others(bed) {
        let person = bed.person("tid/oid").await;
        bed.session(&person, "one").await;
        assert_eq!(bed.store.purge_refresh_tokens(at(3_600_000)).await.unwrap(), 0);
        assert_eq!(bed.store.purge_refresh_tokens(at(3_600_001)).await.unwrap(), 1);
        assert_eq!(exchange(&bed, "one", "two", 0, GRACE_MS).await, Unknown);
    }

    async fn every_life_of_a_session_is_as_the_model_says(bed) {
        let person = bed.person("tid/oid").await;
        let mut runner = TestRunner::default();
        for life in 0..24 {
            let steps = lives().new_tree(&mut runner).unwrap().current();
            let first = format!("{life}.0");
            let session = bed.session(&person, &first).await;
            let mut model = Model::default();
            model.tokens.insert(first.clone(), (3_600_000, None, 0));
            let (mut tokens, mut now) = (vec![first], 0);
            for (step, (which, later)) in steps.iter().enumerate() {
                now += later;
                let old = tokens[tokens.len().saturating_sub(1 + which)].clone();
                let new = format!("{life}.{}", step + 1);
                let said = exchange(&bed, &old, &new, now, GRACE_MS).await;
                let expected = model.exchange(session, &old, &new, now);
                assert_eq!(said, expected, "step {step} of {steps:?}");
                if matches!(said, Rotated(_) | WithinGrace(_)) {
                    tokens.push(new);
                }
            }
        }
    }
}
