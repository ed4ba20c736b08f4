//! Groups as administrators look at them: every source's, none of another organisation's, and only members who exist.

use std::collections::BTreeSet;

use domain::{DirectoryGroupId, DirectoryUserId, OrgId, PersonId, Usage, Usd};
use store::ledger::Batch;
use store::{
    Certainty, DirectoryGroup, DirectoryUser, GroupWrite, NewUser, Provisioned, Source, UsageHour,
    UserState, UserWrite,
};

use crate::bed::{Bed, at, number, on_both_engines};

fn source(tenant: Option<&str>) -> Source {
    Source {
        issuer: "entra".to_owned(),
        tenant: tenant.map(str::to_owned),
    }
}

impl Bed {
    async fn user(&self, source: &Source, user_name: &str) -> DirectoryUser {
        let new = NewUser {
            user: DirectoryUserId::from_parts(6, number().into()),
            person: PersonId::from_parts(7, number().into()),
        };
        let state = UserState {
            user_name,
            external_id: Some(user_name),
            active: true,
            body: "{}",
            email: Some("ada@acme.example"),
            name: None,
        };
        let store = &self.store;
        match store
            .add_directory_user(self.org, source, new, state, at(1))
            .await
            .unwrap()
        {
            UserWrite::Done(user) => user,
            other => panic!("{other:?}"),
        }
    }

    async fn group(
        &self,
        org: OrgId,
        source: &Source,
        name: &str,
        members: BTreeSet<String>,
    ) -> DirectoryGroup {
        let id = DirectoryGroupId::from_parts(8, number().into());
        let store = &self.store;
        match store
            .add_directory_group(org, source, id, (name, None), members, at(2))
            .await
            .unwrap()
        {
            GroupWrite::Done(group) => group,
            other => panic!("{other:?}"),
        }
    }
}

on_both_engines! {
    async fn what_a_directory_provisioned_is_counted_by_source(bed) {
        let (one, two) = (source(None), source(Some("t2")));
        let ada = bed.user(&one, "ada").await;
        let gone = bed.user(&one, "gone").await;
        bed.user(&two, "elsewhere").await;
        bed.group(bed.org, &one, "eng", BTreeSet::from([ada.id.to_string()])).await;
        let store = &bed.store;
        store.remove_directory_user(bed.org, &one, gone.id, at(9)).await.unwrap();
        let there = store.provisioned(bed.org, &one).await.unwrap();
        assert_eq!((there.users, there.active, there.groups), (1, 1, 1));
        assert!(there.changed >= Some(at(2)), "{there:?}");
        assert_eq!(store.provisioned(bed.org, &two).await.unwrap().users, 1);
        let elsewhere = store.provisioned(bed.other_org().await, &one).await.unwrap();
        assert_eq!(elsewhere, Provisioned::default());
    }

    async fn of_names_those_are_told_that_a_group_of_this_organisation_has(bed) {
        bed.group(bed.org, &source(None), "eng", BTreeSet::new()).await;
        let names = BTreeSet::from(["eng", "enng", "%"].map(str::to_owned));
        let store = &bed.store;
        let known = store.provisioned_names(bed.org, &names).await.unwrap();
        assert_eq!(known, BTreeSet::from(["eng".to_owned()]));
        let elsewhere = store.provisioned_names(bed.other_org().await, &names).await;
        assert!(elsewhere.unwrap().is_empty());
        assert!(store.provisioned_names(bed.org, &BTreeSet::new()).await.unwrap().is_empty());
    }

    async fn what_a_group_used_is_what_its_members_did(bed) {
        let one = source(None);
        let (ada, bo) = (bed.user(&one, "ada").await, bed.user(&one, "bo").await);
        let members = BTreeSet::from([ada.id.to_string()]);
        let eng = bed.group(bed.org, &one, "eng", members).await;
        let used = |person: PersonId, cents| UsageHour {
            org: bed.org,
            at: at(0),
            subject: person.to_string(),
            model: "claude-opus-5-5".to_owned(),
            client: "claude_code".to_owned(),
            upstream: "first".to_owned(),
            outcome: "complete".to_owned(),
            usage: Usage::default(),
            cost: Usd::from_cents(cents),
            certainty: Certainty::Known,
            requests: 2,
        };
        let batch = Batch {
            usage: vec![used(ada.person, 5), used(bo.person, 700)],
            ..Batch::default()
        };
        let store = &bed.store;
        assert!(store.ship("one.1", 1, 2, &batch).await.unwrap());
        let seen = store.group_seen(bed.org, eng.id).await.unwrap().unwrap();
        let sums = store.usage_of_group(bed.org, &seen, (at(-1), at(1))).await.unwrap();
        assert_eq!(sums.len(), 1);
        assert_eq!((sums[0].requests, sums[0].cost), (2, Usd::from_cents(5)));
    }

    async fn groups_of_every_source_are_seen_with_members_who_exist(bed) {
        let (one, two) = (source(None), source(Some("t2")));
        let ada = bed.user(&one, "ada").await;
        let bo = bed.user(&one, "bo").await;
        let gone = bed.user(&one, "gone").await;
        let members = [&ada, &bo, &gone].map(|user| user.id.to_string());
        let waiting = ["usr_00000000000000000000000009".to_owned(), "nobody's".to_owned()];
        let members: BTreeSet<String> = members.into_iter().chain(waiting).collect();
        let store = &bed.store;
        let eng = bed.group(bed.org, &one, "Größe_1", members.clone()).await;
        let ops = bed.group(bed.org, &two, "Größex1", members).await;
        store.remove_directory_user(bed.org, &one, gone.id, at(3)).await.unwrap();
        let other = bed.other_org().await;
        let foreign = bed.group(other, &one, "Größe_1", BTreeSet::new()).await;

        let (seen, more) = store.groups_page(bed.org, "", None, 1).await.unwrap();
        assert!(more);
        assert_eq!((seen[0].id, seen[0].members, &seen[0].source), (eng.id, 2, &one));
        let (seen, more) = store.groups_page(bed.org, "", Some(eng.id), 1).await.unwrap();
        assert!(!more);
        // The second source has a group of that name with users who are the first's, so nobody's there.
        assert_eq!((seen[0].id, seen[0].members, &seen[0].source), (ops.id, 0, &two));
        for (text, found) in [("GRÖßE", 2), ("e_1", 1), ("%", 0), ("!", 0), ("Größe_1x", 0)] {
            assert_eq!(store.groups_page(bed.org, text, None, 9).await.unwrap().0.len(), found, "{text}");
        }
        assert_eq!(store.group_seen(bed.org, foreign.id).await.unwrap(), None);
        let seen = store.group_seen(bed.org, eng.id).await.unwrap().unwrap();
        let (first, more) = store.group_people(bed.org, &seen, None, 1).await.unwrap();
        assert_eq!((first[0].person, &*first[0].user_name, more), (ada.person, "ada", true));
        assert_eq!(first[0].email.as_deref(), Some("ada@acme.example"));
        let (next, more) = store.group_people(bed.org, &seen, Some(first[0].user), 9).await.unwrap();
        assert_eq!((next.len(), next[0].person, more), (1, bo.person, false));
        assert_eq!(store.group_people(other, &seen, None, 9).await.unwrap().0, []);

        let of = async |org, person| {
            let groups = store.groups_of_person(org, person).await.unwrap();
            groups.into_iter().map(|group| group.display_name).collect::<Vec<_>>()
        };
        assert_eq!(of(bed.org, ada.person).await, ["Größe_1"]);
        assert_eq!(of(other, ada.person).await, [""; 0]);
        assert_eq!(of(bed.org, gone.person).await, [""; 0]);
        store.remove_directory_group(bed.org, &one, eng.id, at(4)).await.unwrap();
        assert_eq!(of(bed.org, ada.person).await, [""; 0]);
        assert_eq!(store.group_seen(bed.org, eng.id).await.unwrap(), None);
    }
}
