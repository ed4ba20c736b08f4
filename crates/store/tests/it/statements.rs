//! Whom a statement names, and how far its money is known: each call counted once, in its own hour and organisation.

use std::collections::BTreeSet;

use domain::{DirectoryGroupId, DirectoryUserId, OrgId, PersonId, ServiceId, Usage, Usd};
use store::directory::groups::GroupWrite;
use store::directory::users::{NewUser, UserState, UserWrite};
use store::ledger::Batch;
use store::{Certainty, DirectoryUser, Source, UsageBy, UsageHour};

use crate::bed::{Bed, at, number, on_both_engines};

const HOUR_MS: i64 = 3_600_000;

fn call(org: OrgId, subject: &str, ms: i64, cents: i64, certainty: Certainty) -> UsageHour {
    UsageHour {
        org,
        at: at(ms),
        requests: 1,
        subject: subject.to_owned(),
        model: "opus".to_owned(),
        client: "claude_code".to_owned(),
        upstream: "anthropic".to_owned(),
        outcome: "complete".to_owned(),
        usage: Usage::default(),
        cost: Usd::from_cents(cents),
        certainty,
    }
}

fn source() -> Source {
    Source {
        issuer: "entra".to_owned(),
        tenant: None,
    }
}

impl Bed {
    async fn provisioned(&self, external_id: &str) -> DirectoryUser {
        let new = NewUser {
            user: DirectoryUserId::from_parts(6, number().into()),
            person: PersonId::from_parts(7, number().into()),
        };
        let state = UserState {
            user_name: external_id,
            external_id: Some(external_id),
            active: true,
            body: "{}",
            email: None,
            name: None,
        };
        let (store, source) = (&self.store, source());
        let added = store.add_directory_user(self.org, &source, new, state, at(1));
        match added.await.unwrap() {
            UserWrite::Done(user) => user,
            other => panic!("{other:?}"),
        }
    }
}

on_both_engines! {
    async fn money_that_is_a_bound_or_has_no_price_is_counted_apart_and_in_the_whole(bed) {
        let org = bed.org;
        let mut batch = Batch::default();
        for (ms, cents, certainty) in [
            (0, 1, Certainty::Known),
            (0, 2, Certainty::Estimated),
            (1, 4, Certainty::Estimated),
            (2, 8, Certainty::Unpriced),
            (HOUR_MS, 16, Certainty::Unpriced),
        ] {
            batch.usage.push(call(org, "per_a", ms, cents, certainty));
        }
        batch.usage.push(call(org, "", 0, 32, Certainty::Known));
        assert!(bed.store.ship("c", 1, 2, &batch).await.unwrap());
        let sums = |by, hours| bed.store.usage_sums(org, by, (at(0), at(hours * HOUR_MS)), 10);
        let cents = Usd::from_cents;
        for by in [UsageBy::Model, UsageBy::Client, UsageBy::Upstream] {
            let all = sums(by, 2).await.unwrap();
            let [sum] = all.as_slice() else { panic!("{all:?}") };
            assert_eq!((sum.requests, sum.cost), (6, cents(63)));
            assert_eq!((sum.estimated_requests, sum.estimated), (2, cents(6)));
            assert_eq!((sum.unpriced_requests, sum.unpriced), (2, cents(24)));
        }
        let one = sums(UsageBy::Subject, 1).await.unwrap();
        let of: Vec<_> = one.iter().map(|sum| (sum.of.as_str(), sum.cost, sum.unpriced)).collect();
        assert_eq!(of, [("", cents(32), cents(0)), ("per_a", cents(15), cents(8))]);
        let other = bed.other_org().await;
        assert_eq!(bed.store.usage_sums(other, UsageBy::Subject, (at(0), at(1)), 9).await.unwrap(), []);
    }

    async fn those_who_used_something_in_the_time_are_named_and_nobody_else(bed) {
        let (ada, bo) = (bed.person("ada").await, bed.person("bo").await);
        let nightly = bed.service("nightly").await;
        let weekly = bed.service("weekly").await;
        let mut batch = Batch::default();
        for (subject, ms) in [
            (ada.id.to_string(), 0),
            (bo.id.to_string(), HOUR_MS),
            (nightly.to_string(), 0),
            (weekly.to_string(), -HOUR_MS),
            (String::new(), 0),
            ("per_nobody".to_owned(), 0),
        ] {
            batch.usage.push(call(bed.org, &subject, ms, 1, Certainty::Known));
        }
        assert!(bed.store.ship("c", 1, 2, &batch).await.unwrap());
        let range = (at(0), at(HOUR_MS));
        let people = bed.store.people_who_used(bed.org, range).await.unwrap();
        let [only] = people.as_slice() else { panic!("{people:?}") };
        assert_eq!((only.id, only.label.as_deref()), (ada.id, Some("Ada@acme.example")));
        assert_eq!(only.groups, BTreeSet::from(["engineers".to_owned()]));
        let services = bed.store.services_that_used(bed.org, range).await.unwrap();
        let services: Vec<(ServiceId, String)> = services.into_iter().collect();
        assert_eq!(services, [(nightly, "nightly".to_owned())]);
        let other = bed.other_org().await;
        assert_eq!(bed.store.people_who_used(other, range).await.unwrap(), []);
        assert!(bed.store.services_that_used(other, range).await.unwrap().is_empty());
    }

    async fn a_group_is_who_is_in_it_and_who_was_when_they_left_the_company(bed) {
        let (store, source) = (&bed.store, source());
        let inside = bed.provisioned("inside").await;
        let left_group = bed.provisioned("left-group").await;
        let left_company = bed.provisioned("left-company").await;
        let everyone = [&inside, &left_group, &left_company];
        let members: BTreeSet<String> = everyone.map(|user| user.id.to_string()).into();
        let id = DirectoryGroupId::from_parts(8, number().into());
        let names = ("Sales", Some("guid-1"));
        let added = store.add_directory_group(bed.org, &source, id, names, members, at(2)).await;
        assert!(matches!(added.unwrap(), GroupWrite::Done(_)));
        let change = store::GroupChange {
            members: vec![store::MemberStep::Remove([left_group.id.to_string()].into())],
            ..store::GroupChange::default()
        };
        store.change_directory_group(bed.org, &source, (id, None), change, at(3)).await.unwrap();
        store.remove_directory_user(bed.org, &source, left_company.id, at(4)).await.unwrap();
        for name in ["Sales", "guid-1"] {
            let known = store.members_by_group_name(bed.org, name).await.unwrap();
            let expected = [
                (inside.person, true),
                (left_group.person, false),
                (left_company.person, true),
            ];
            assert_eq!(known, expected.into(), "{name}");
        }
        for (org, name) in [(bed.org, "sales"), (bed.org, "%"), (bed.other_org().await, "Sales")] {
            assert!(store.members_by_group_name(org, name).await.unwrap().is_empty(), "{name}");
        }
    }
}
