//! One writer for each chain, whoever has a copy of its folder.

use domain::window::Period;
use domain::{Usd, limits};
use store::{LeaseAsk, OtherClaim, Purse, StoreError, Writer};

use crate::bed::{Bed, at, on_both_engines};

fn writer(holder: &str) -> Writer {
    Writer {
        chain: "gw-a.1".to_owned(),
        holder: Some(holder.to_owned()),
    }
}

/// What stands against a claim; none when it was had.
async fn claims(
    bed: &Bed,
    holder: &str,
    place: &str,
    over: Option<&OtherClaim>,
) -> Option<OtherClaim> {
    let place = Some(place).filter(|place| !place.is_empty());
    let claimed = bed.store.claim_chain(&writer(holder), place, over).await;
    claimed.unwrap()
}

fn is_not_writer<T>(done: store::Result<T>) -> bool {
    matches!(done, Err(error @ StoreError::NotWriter) if error.nothing_written())
}

on_both_engines! {
    async fn a_chain_has_one_writer_until_it_is_given_up(bed) {
        assert_eq!(claims(&bed, "one", "here", None).await, None);
        assert_eq!(claims(&bed, "one", "here", None).await, None, "an answer that was lost is given again");
        let seen = claims(&bed, "two", "there", None).await.unwrap();
        assert_eq!((&*seen.holder, seen.beat), ("one", 0));
        assert!(is_not_writer(bed.store.beat(&writer("two")).await));
        bed.store.release_chain(&writer("two")).await.unwrap();
        bed.store.beat(&writer("one")).await.unwrap();
        assert_eq!(claims(&bed, "two", "there", None).await.unwrap().beat, 1);
        bed.store.release_chain(&writer("one")).await.unwrap();
        assert!(is_not_writer(bed.store.beat(&writer("one")).await));
        assert_eq!(claims(&bed, "two", "there", None).await, None);
    }

    async fn whoever_comes_from_the_same_place_need_not_wait(bed) {
        assert_eq!(claims(&bed, "one", "here", None).await, None);
        assert_eq!(claims(&bed, "two", "here", None).await, None);
        assert!(is_not_writer(bed.store.beat(&writer("one")).await));
        // No place is like no other.
        assert_eq!(claims(&bed, "two", "", None).await, None);
        assert!(claims(&bed, "three", "", None).await.is_some());
    }

    async fn a_claim_is_taken_over_as_it_was_seen_and_not_when_it_beat_since(bed) {
        assert_eq!(claims(&bed, "one", "here", None).await, None);
        let seen = claims(&bed, "two", "there", None).await;
        bed.store.beat(&writer("one")).await.unwrap();
        let again = claims(&bed, "two", "there", seen.as_ref()).await;
        assert!(again.is_some());
        assert_eq!(claims(&bed, "two", "there", again.as_ref()).await, None);
        // A third who waited for the same one is too late.
        assert!(claims(&bed, "three", "elsewhere", again.as_ref()).await.is_some());
    }

    async fn of_many_who_claim_at_once_one_gets_the_chain(bed) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..10 {
            let bed = bed.clone();
            tasks.spawn(async move {
                let name = format!("holder {number}");
                claims(&bed, &name, &name, None).await.is_none()
            });
        }
        let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1);
    }

    async fn whoever_has_lost_the_chain_is_granted_nothing(bed) {
        let purse = || Purse::new("org".to_owned(), Period::Daily, Period::Daily.window(at(0)).0);
        let ask = LeaseAsk {
            purse: purse(),
            cap: Usd::from_nanos(limits::LEASE_BLOCK_NANOS_MAX),
            granted: Usd::ZERO,
            used: Usd::ZERO,
            calls: vec![Usd::from_nanos(1)],
        };
        let (one, two, ask) = (writer("one"), writer("two"), [ask]);
        assert!(is_not_writer(bed.store.lease(bed.org, &one, &ask).await), "nobody has it yet");
        assert_eq!(claims(&bed, "one", "here", None).await, None);
        assert!(bed.store.lease(bed.org, &one, &ask).await.is_ok());
        assert!(is_not_writer(bed.store.lease(bed.org, &two, &ask).await));
        assert_eq!(claims(&bed, "two", "here", None).await, None);
        assert!(is_not_writer(bed.store.lease(bed.org, &one, &ask).await));
        let kept = [(purse(), Usd::ZERO)];
        assert!(is_not_writer(bed.store.keep_leased(bed.org, &one, &kept).await));
        assert!(bed.store.lease(bed.org, &two, &ask).await.is_ok());
    }
}
