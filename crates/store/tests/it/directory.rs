//! What a directory provisions: who hangs on whom, who is shut out, who is in which group, whatever order the changes come in.

use std::collections::BTreeSet;

use domain::{DirectoryGroupId, DirectoryUserId, PersonId, TokenId, limits};
use store::directory::users::{NewUser, UserState, UserWrite};
use store::{
    DirectoryGroup, DirectoryUser, GroupChange, GroupWrite, MemberStep, ScimToken, Seen, Source,
    StoreError,
};

use crate::bed::{Bed, at, number, on_both_engines};

fn entra() -> Source {
    Source {
        issuer: "entra".to_owned(),
        tenant: None,
    }
}

fn new_person() -> PersonId {
    PersonId::from_parts(7, number().into())
}

fn new_user() -> NewUser {
    NewUser {
        user: DirectoryUserId::from_parts(6, number().into()),
        person: new_person(),
    }
}

fn state<'a>(user_name: &'a str, external_id: Option<&'a str>) -> UserState<'a> {
    UserState {
        user_name,
        external_id,
        active: true,
        body: "{}",
        email: None,
        name: None,
    }
}

fn done(write: UserWrite) -> DirectoryUser {
    match write {
        UserWrite::Done(user) => user,
        other => panic!("{other:?}"),
    }
}

fn group_done(write: GroupWrite) -> DirectoryGroup {
    match write {
        GroupWrite::Done(group) => group,
        other => panic!("{other:?}"),
    }
}

fn set(members: &[&str]) -> BTreeSet<String> {
    members.iter().map(|member| (*member).to_owned()).collect()
}

impl Bed {
    async fn add(&self, state: UserState<'_>) -> UserWrite {
        self.add_from(&entra(), state).await
    }

    async fn add_from(&self, source: &Source, state: UserState<'_>) -> UserWrite {
        let made = self
            .store
            .add_directory_user(self.org, source, new_user(), state, at(10));
        made.await.unwrap()
    }

    async fn put(&self, user: &DirectoryUser, state: UserState<'_>) -> UserWrite {
        let place = (user.id, user.version);
        let source = entra();
        let put =
            self.store
                .put_directory_user(self.org, &source, place, (state, new_person()), at(20));
        put.await.unwrap()
    }

    async fn add_group(
        &self,
        name: &str,
        external_id: Option<&str>,
        members: &[&str],
    ) -> GroupWrite {
        let new = DirectoryGroupId::from_parts(8, number().into());
        let source = entra();
        let made = self.store.add_directory_group(
            self.org,
            &source,
            new,
            (name, external_id),
            set(members),
            at(10),
        );
        made.await.unwrap()
    }

    async fn change(&self, group: &DirectoryGroup, members: Vec<MemberStep>) -> DirectoryGroup {
        let change = GroupChange {
            members,
            ..GroupChange::default()
        };
        let place = (group.id, None);
        group_done(
            self.store
                .change_directory_group(self.org, &entra(), place, change, at(30))
                .await
                .unwrap(),
        )
    }

    async fn members(&self, group: &DirectoryGroup) -> Vec<DirectoryUserId> {
        self.store
            .directory_group_members(self.org, &entra(), group.id, 99)
            .await
            .unwrap()
    }

    async fn groups_of(&self, person: PersonId) -> Vec<String> {
        let groups = self
            .store
            .person_directory_groups(self.org, person)
            .await
            .unwrap();
        groups.current.into_iter().collect()
    }

    async fn disabled(&self, person: PersonId) -> bool {
        self.store
            .person(self.org, person)
            .await
            .unwrap()
            .unwrap()
            .out_since()
            .is_some()
    }
}

on_both_engines! {
    async fn a_directory_is_full_with_as_many_users_as_it_may_have_the_deleted_counted(bed) {
        let made = done(bed.add(state("ada", Some("1"))).await);
        let set = async |users: i64| {
            let mut beside = bed.beside().await;
            let sql = format!("UPDATE directory_sizes SET users = {users}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut beside).await.unwrap();
        };
        assert_eq!(bed.count("SELECT users FROM directory_sizes").await, 1);
        bed.store.remove_directory_user(bed.org, &entra(), made.id, at(11)).await.unwrap();
        set(limits::DIRECTORY_USERS_MAX).await;
        let refused = bed.store.add_directory_user(bed.org, &entra(), new_user(), state("bob", Some("2")), at(12)).await;
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
        assert_eq!(bed.count("SELECT users FROM directory_sizes").await, limits::DIRECTORY_USERS_MAX);
        // Who was deleted and comes back is counted already.
        assert_eq!(done(bed.add(state("ada", Some("1"))).await).id, made.id);
        set(limits::DIRECTORY_USERS_MAX - 1).await;
        done(bed.add(state("bob", Some("2"))).await);
    }

    async fn members_by_the_thousand_come_in_go_and_are_set_as_they_are_named(bed) {
        let user = done(bed.add(state("ada", Some("1"))).await);
        let group = group_done(bed.add_group("all", None, &[]).await);
        let many = |from: usize, to: usize| (from..to).map(|n| format!("nobody-{n:05}")).collect::<BTreeSet<_>>();
        let of = async || {
            let sql = "SELECT COUNT(*) FROM directory_members WHERE until IS NULL";
            bed.count(sql).await
        };
        let mut first = many(0, 1_234);
        first.insert(user.id.to_string());
        bed.change(&group, vec![MemberStep::Add(first)]).await;
        assert_eq!(of().await, 1_235);
        let there = bed.store.directory_group_members(bed.org, &entra(), group.id, 99).await.unwrap();
        assert_eq!(there, [user.id], "of those who exist");
        bed.change(&group, vec![MemberStep::Remove(many(100, 1_300))]).await;
        assert_eq!(of().await, 101);
        let mut last = many(50, 2_050);
        last.insert(user.id.to_string());
        let before = bed.store.watermarks(bed.org).await.unwrap().directory;
        bed.change(&group, vec![MemberStep::Set(last.clone())]).await;
        assert_eq!(of().await, 2_001);
        let told = bed.store.directory_changes_since(bed.org, before, 999).await.unwrap();
        assert_eq!(told.len(), 1, "so many are everybody");
        let same = bed.store.watermarks(bed.org).await.unwrap().directory;
        bed.change(&group, vec![MemberStep::Set(last)]).await;
        let told = bed.store.directory_changes_since(bed.org, same, 999).await.unwrap();
        assert_eq!(told, [], "nobody came or went");
    }

    async fn whoever_came_in_is_told_by_name_in_the_order_of_numbers(bed) {
        let mut people = BTreeSet::new();
        let mut users = BTreeSet::new();
        for n in 0..limits::DIRECTORY_CHANGES_NAMED_MAX {
            let user = done(bed.add(state(&format!("u{n}"), Some(&format!("x{n}")))).await);
            people.insert(user.person);
            users.insert(user.id.to_string());
        }
        let group = group_done(bed.add_group("all", None, &[]).await);
        let before = bed.store.watermarks(bed.org).await.unwrap().directory;
        bed.change(&group, vec![MemberStep::Add(users)]).await;
        let told = bed.store.directory_changes_since(bed.org, before, 999).await.unwrap();
        assert!(told.is_sorted_by(|a, b| a.seq < b.seq));
        assert_eq!(told.iter().filter_map(|change| change.person).collect::<BTreeSet<_>>(), people);
        let mark = bed.store.watermarks(bed.org).await.unwrap().directory;
        assert_eq!(told.last().map(|change| change.seq), Some(mark));
    }

    async fn who_signed_in_before_is_adopted_with_their_id(bed) {
        let before = bed.person("oid-1").await;
        let user = done(bed.add(state("ada", Some("oid-1"))).await);
        assert_eq!(user.person, before.id);
        assert_eq!(bed.person("oid-1").await.id, before.id);
    }

    async fn who_is_provisioned_first_is_the_one_who_signs_in_later(bed) {
        let source = Source { issuer: "entra".to_owned(), tenant: Some("t-1".to_owned()) };
        let user = done(bed.add_from(&source, state("ada", Some("ABC"))).await);
        assert_eq!(bed.person("t-1/abc").await.id, user.person);
    }

    async fn nobody_is_adopted_by_mail_or_name(bed) {
        let before = bed.person("sub").await;
        let same = UserState { email: before.email.as_deref(), name: before.name.as_deref(), ..state("ada@acme.example", None) };
        let user = done(bed.add(same).await);
        assert_ne!(user.person, before.id);
        assert_eq!(bed.person("sub").await.id, before.id);
    }

    async fn a_name_and_an_external_id_are_one_users_of_a_source(bed) {
        done(bed.add(state("ada", Some("1"))).await);
        assert_eq!(bed.add(state("ada", Some("2"))).await, UserWrite::Taken("userName"));
        assert_eq!(bed.add(state("bob", Some("1"))).await, UserWrite::Taken("externalId"));
        let other = Source { issuer: "okta".to_owned(), tenant: None };
        done(bed.add_from(&other, state("ada", Some("1"))).await);
        let bob = done(bed.add(state("bob", Some("2"))).await);
        assert_eq!(bed.put(&bob, state("ada", Some("2"))).await, UserWrite::Taken("userName"));
        assert_eq!(bed.put(&bob, state("bob", Some("1"))).await, UserWrite::Taken("externalId"));
    }

    async fn an_inactive_user_is_out_with_everything_they_hold(bed) {
        let person = bed.person("1").await;
        let session = bed.session(&person, "token").await;
        let user = done(bed.add(state("ada", Some("1"))).await);
        assert!(!bed.disabled(person.id).await);
        let before = bed.store.watermarks(bed.org).await.unwrap();
        let out = UserState { active: false, ..state("ada", Some("1")) };
        let user = done(bed.put(&user, out).await);
        assert!(bed.disabled(person.id).await);
        let ended = bed.store.session(bed.org, session).await.unwrap().unwrap().ended_at;
        assert_eq!(ended, Some(at(20)));
        let news = bed.store.revocations_since(bed.org, before.revocation, 10).await.unwrap();
        assert_eq!(news.len(), 1);
        assert_eq!(news[0].target, store::Target::Person(person.id));
        done(bed.put(&user, state("ada", Some("1"))).await);
        assert!(!bed.disabled(person.id).await);
    }

    async fn the_directory_does_not_undo_what_an_administrator_said(bed) {
        let user = done(bed.add(state("ada", Some("1"))).await);
        assert!(bed.store.shut_out(bed.org, user.person, at(11), "left").await.unwrap());
        let out = UserState { active: false, ..state("ada", Some("1")) };
        let user = done(bed.put(&user, out).await);
        done(bed.put(&user, state("ada", Some("1"))).await);
        assert!(bed.disabled(user.person).await);
        assert!(bed.store.let_in(bed.org, user.person, None).await.unwrap());
        assert!(!bed.disabled(user.person).await);
    }

    async fn an_administrator_does_not_undo_what_the_directory_said(bed) {
        let user = done(bed.add(UserState { active: false, ..state("ada", Some("1")) }).await);
        assert!(bed.store.let_in(bed.org, user.person, None).await.unwrap());
        assert!(bed.disabled(user.person).await);
    }

    async fn a_deleted_user_is_out_and_comes_back_under_the_old_ids(bed) {
        let user = done(bed.add(state("ada", Some("1"))).await);
        let group = group_done(bed.add_group("staff", None, &[&user.id.to_string()]).await);
        let gone = bed.store.remove_directory_user(bed.org, &entra(), user.id, at(20)).await.unwrap();
        assert_eq!(gone.unwrap().id, user.id);
        assert!(bed.disabled(user.person).await);
        assert_eq!(bed.store.directory_user(bed.org, &entra(), user.id).await.unwrap(), None);
        assert_eq!(bed.members(&group).await, []);
        let again = bed.store.remove_directory_user(bed.org, &entra(), user.id, at(21)).await.unwrap();
        assert_eq!(again, None);
        let back = done(bed.add(state("ada", Some("1"))).await);
        assert_eq!((back.id, back.person), (user.id, user.person));
        assert!(!bed.disabled(user.person).await);
        assert_eq!(bed.members(&group).await, [], "memberships are the directory's to give back");
    }

    async fn a_name_that_was_a_leavers_makes_nobody_the_leaver(bed) {
        let leaver = done(bed.add(state("ada", Some("1"))).await);
        bed.store.remove_directory_user(bed.org, &entra(), leaver.id, at(20)).await.unwrap();
        let joiner = done(bed.add(state("ada", Some("2"))).await);
        assert_ne!((joiner.id, joiner.person), (leaver.id, leaver.person));
        let unnamed = done(bed.add(state("bob", None)).await);
        bed.store.remove_directory_user(bed.org, &entra(), unnamed.id, at(20)).await.unwrap();
        let next = done(bed.add(state("bob", None)).await);
        assert_ne!((next.id, next.person), (unnamed.id, unnamed.person));
        // the external id of somebody deleted may become another's
        let joiner = done(bed.put(&joiner, state("ada", Some("1"))).await);
        assert!(!bed.disabled(joiner.person).await);
    }

    async fn a_change_of_another_version_is_refused(bed) {
        let user = done(bed.add(state("ada", Some("1"))).await);
        let newer = done(bed.put(&user, state("ada2", Some("1"))).await);
        assert_eq!(newer.version, user.version + 1);
        assert_eq!(bed.put(&user, state("ada3", Some("1"))).await, UserWrite::Stale);
        let nobody = DirectoryUser { id: new_user().user, ..user };
        assert_eq!(bed.put(&nobody, state("x", None)).await, UserWrite::Gone);
    }

    async fn a_corrected_external_id_finds_the_right_person(bed) {
        let signed_in = bed.person("oid-1").await;
        let user = done(bed.add(state("ada", Some("jyoung"))).await);
        assert_ne!(user.person, signed_in.id);
        let user = done(bed.put(&user, state("ada", Some("oid-1"))).await);
        assert_eq!(user.person, signed_in.id);
        // never seen: the same person under another name
        let bob = done(bed.add(state("bob", Some("bsmith"))).await);
        let renamed = done(bed.put(&bob, state("bob", Some("oid-2"))).await);
        assert_eq!(renamed.person, bob.person);
        assert_eq!(bed.person("oid-2").await.id, bob.person);
        // once seen, what the directory no longer vouches for is out
        let moved = done(bed.put(&renamed, state("bob", Some("oid-3"))).await);
        assert_ne!(moved.person, bob.person);
        assert!(bed.disabled(bob.person).await);
        assert!(!bed.disabled(moved.person).await);
    }

    async fn an_administrator_may_say_whom_a_user_hangs_on(bed) {
        let signed_in = bed.person("oid-1").await;
        let user = done(bed.add(UserState { active: false, ..state("ada", Some("jyoung")) }).await);
        let link = async |user: &DirectoryUser, person| {
            bed.store.link_directory_user(bed.org, &entra(), user.id, person, at(40)).await.unwrap()
        };
        let linked = done(link(&user, signed_in.id).await);
        assert_eq!(linked.person, signed_in.id);
        assert!(bed.disabled(signed_in.id).await, "the directory has them inactive");
        let kept = done(bed.put(&linked, state("ada", Some("other"))).await);
        assert_eq!(kept.person, signed_in.id, "a link by hand is stronger than an external id");
        assert!(!bed.disabled(signed_in.id).await);
        let other = done(bed.add(state("bob", None)).await);
        assert_eq!(link(&other, signed_in.id).await, UserWrite::Taken("person"));
        assert_eq!(link(&other, new_person()).await, UserWrite::Gone);
    }

    async fn members_come_and_go_by_name_and_never_by_list(bed) {
        let ada = done(bed.add(state("ada", Some("1"))).await);
        let bob = done(bed.add(state("bob", Some("2"))).await);
        let (a, b) = (ada.id.to_string(), bob.id.to_string());
        let group = group_done(bed.add_group("Staff", Some("g-1"), &[&a]).await);
        assert_eq!(bed.members(&group).await, [ada.id]);
        let both = bed.change(&group, vec![MemberStep::Add(set(&[&a, &b]))]).await;
        assert_eq!(bed.members(&group).await, [ada.id, bob.id]);
        assert_eq!(both.version, group.version + 1);
        let same = bed.change(&group, vec![MemberStep::Add(set(&[&b]))]).await;
        assert_eq!(same, both, "a repeat changes nothing");
        bed.change(&group, vec![MemberStep::Remove(set(&[&a])), MemberStep::Remove(set(&["nobody"]))]).await;
        assert_eq!(bed.members(&group).await, [bob.id]);
        assert_eq!(bed.groups_of(bob.person).await, ["Staff", "g-1"]);
        assert_eq!(bed.groups_of(ada.person).await, [""; 0]);
        bed.change(&group, vec![MemberStep::Set(set(&[&a]))]).await;
        assert_eq!(bed.members(&group).await, [ada.id]);
        bed.change(&group, vec![MemberStep::Set(set(&[]))]).await;
        assert_eq!(bed.members(&group).await, []);
    }

    async fn a_member_who_is_not_there_yet_counts_from_when_they_are(bed) {
        let ada = done(bed.add(state("ada", Some("1"))).await);
        bed.store.remove_directory_user(bed.org, &entra(), ada.id, at(20)).await.unwrap();
        let group = group_done(bed.add_group("Staff", None, &[&ada.id.to_string(), "not an id"]).await);
        assert_eq!(bed.members(&group).await, []);
        let back = done(bed.add(state("ada", Some("1"))).await);
        assert_eq!(bed.members(&group).await, [back.id]);
        assert_eq!(bed.groups_of(back.person).await, ["Staff"]);
    }

    /// A peer of ours lost members when two replicas added to one group at once.
    async fn what_two_replicas_add_at_once_is_all_there(bed) {
        let group = group_done(bed.add_group("Staff", None, &[]).await);
        let mut users = Vec::new();
        for n in 0..12 {
            users.push(done(bed.add(state(&format!("u{n}"), None)).await).id);
        }
        let second = bed.replica().await;
        let mut adding = tokio::task::JoinSet::new();
        for (n, user) in users.iter().enumerate() {
            let store = if n % 2 == 0 { bed.store.clone() } else { second.clone() };
            let (org, group, user) = (bed.org, group.id, user.to_string());
            adding.spawn(async move {
                let change = GroupChange { members: vec![MemberStep::Add([user].into())], ..GroupChange::default() };
                store.change_directory_group(org, &entra(), (group, None), change, at(30)).await.unwrap()
            });
        }
        adding.join_all().await;
        assert_eq!(bed.members(&group).await, users);
        second.close().await;
    }

    async fn a_groups_name_stands_for_one_group(bed) {
        let staff = group_done(bed.add_group("Staff", Some("1"), &[]).await);
        assert_eq!(bed.add_group("STAFF", Some("2"), &[]).await, GroupWrite::Taken("displayName"));
        assert_eq!(bed.add_group("Other", Some("1"), &[]).await, GroupWrite::Taken("externalId"));
        let other = group_done(bed.add_group("Other", Some("2"), &[]).await);
        let rename = GroupChange { display_name: Some("staff".to_owned()), ..GroupChange::default() };
        let renamed = bed.store.change_directory_group(bed.org, &entra(), (other.id, None), rename.clone(), at(30)).await.unwrap();
        assert_eq!(renamed, GroupWrite::Taken("displayName"));
        let stale = bed.store.change_directory_group(bed.org, &entra(), (other.id, Some(9)), rename.clone(), at(30)).await.unwrap();
        assert_eq!(stale, GroupWrite::Stale);
        bed.store.remove_directory_group(bed.org, &entra(), staff.id, at(40)).await.unwrap().unwrap();
        let renamed = bed.store.change_directory_group(bed.org, &entra(), (other.id, None), rename, at(50)).await.unwrap();
        assert_eq!(group_done(renamed).display_name, "staff");
        let found = bed.store.directory_groups_called(bed.org, &entra(), "Staff").await.unwrap();
        assert_eq!(found.len(), 1);
    }

    async fn one_groups_name_is_not_anothers_external_id_nor_the_other_way_round(bed) {
        let owners = group_done(bed.add_group("Owners", Some("1111-AAAA"), &[]).await);
        assert_eq!(bed.add_group("1111-AAAA", None, &[]).await, GroupWrite::Taken("displayName"));
        assert_eq!(bed.add_group("Club", Some("owners"), &[]).await, GroupWrite::Taken("externalId"));
        let club = group_done(bed.add_group("Club", Some("2"), &[]).await);
        let change = async |group: &DirectoryGroup, change: GroupChange| {
            let place = (group.id, None);
            bed.store.change_directory_group(bed.org, &entra(), place, change, at(30)).await.unwrap()
        };
        let name = |name: &str| GroupChange { display_name: Some(name.to_owned()), ..GroupChange::default() };
        let external = |id: &str| GroupChange { external_id: Some(Some(id.to_owned())), ..GroupChange::default() };
        assert_eq!(change(&club, name("1111-AAAA")).await, GroupWrite::Taken("displayName"));
        assert_eq!(change(&club, external("Owners")).await, GroupWrite::Taken("externalId"));
        assert_eq!(change(&owners, external("Club")).await, GroupWrite::Taken("externalId"));
        // A group may bear its own id as its name, and another directory knows nothing of this one.
        group_done(change(&club, name("2")).await);
        let elsewhere = bed.other_org().await;
        let new = DirectoryGroupId::from_parts(8, number().into());
        let source = entra();
        let theirs = bed.store.add_directory_group(elsewhere, &source, new, ("1111-AAAA", None), set(&[]), at(10));
        group_done(theirs.await.unwrap());
    }

    async fn replicas_are_told_whose_groups_changed(bed) {
        let ada = done(bed.add(state("ada", Some("1"))).await);
        let group = group_done(bed.add_group("Staff", None, &[]).await);
        let told = async |since| {
            let news = bed.store.directory_changes_since(bed.org, since, 100).await.unwrap();
            news.into_iter().map(|change| change.person).collect::<Vec<_>>()
        };
        let mark = async || bed.store.watermarks(bed.org).await.unwrap().directory;
        let before = mark().await;
        bed.change(&group, vec![MemberStep::Add(set(&[&ada.id.to_string(), "nobody"]))]).await;
        assert_eq!(told(before).await, [Some(ada.person)]);
        let before = mark().await;
        bed.change(&group, vec![MemberStep::Add(set(&[&ada.id.to_string()]))]).await;
        assert_eq!(told(before).await, []);
        bed.store.remove_directory_group(bed.org, &entra(), group.id, at(40)).await.unwrap();
        assert_eq!(told(before).await, [None], "anybody may have been in it");
        assert!(mark().await > before);
        bed.store.purge_directory(bed.org, at(1_000), at(1_000)).await.unwrap();
        assert_eq!(told(0).await, []);
    }

    async fn groups_of_many_are_those_that_each_ones_next_sign_in_would_find(bed) {
        let ada = bed.person("1").await;
        let user = done(bed.add(state("ada", Some("1"))).await);
        let mut people = vec![ada.clone()];
        for number in 0..70 {
            people.push(bed.person(&format!("many-{number}")).await);
        }
        let own = ["engineers".to_owned()].into();
        let held = bed.store.with_groups(bed.org, people.clone()).await.unwrap();
        assert_eq!(held, people, "in their order, and with nothing from the directory");
        let group = group_done(bed.add_group("Staff", Some("g"), &[&user.id.to_string()]).await);
        let held = bed.store.with_groups(bed.org, people.clone()).await.unwrap();
        assert_eq!(held[0].groups, set(&["Staff", "engineers", "g"]));
        assert!(held[1..].iter().all(|person| person.groups == own));
        let engineers = group_done(bed.add_group("engineers", None, &[&user.id.to_string()]).await);
        for group in [&group, &engineers] {
            bed.change(group, vec![MemberStep::Remove(set(&[&user.id.to_string()]))]).await;
        }
        for _ in 0..2 {
            let held = bed.store.with_groups(bed.org, vec![ada.clone()]).await.unwrap();
            assert_eq!(held[0].groups, set(&[]), "what was stated is older than the departure");
            // What ended is not forgotten while the last sign-in is from before it.
            bed.store.purge_directory(bed.org, at(1_000), at(1_000)).await.unwrap();
        }
        let other = bed.other_org().await;
        assert_eq!(bed.store.with_groups(other, vec![ada.clone()]).await.unwrap(), [ada]);
    }

    async fn who_left_a_group_is_known_with_the_moment(bed) {
        let ada = done(bed.add(state("ada", Some("1"))).await);
        let group = group_done(bed.add_group("Staff", Some("g"), &[&ada.id.to_string()]).await);
        bed.change(&group, vec![MemberStep::Remove(set(&[&ada.id.to_string()]))]).await;
        let groups = bed.store.person_directory_groups(bed.org, ada.person).await.unwrap();
        assert_eq!(groups.left, [("Staff".to_owned(), at(30)), ("g".to_owned(), at(30))]);
        bed.change(&group, vec![MemberStep::Add(set(&[&ada.id.to_string()]))]).await;
        bed.store.remove_directory_group(bed.org, &entra(), group.id, at(50)).await.unwrap();
        let groups = bed.store.person_directory_groups(bed.org, ada.person).await.unwrap();
        assert_eq!((groups.current.len(), groups.left.len()), (0, 2));
        assert_eq!(groups.left[0].1, at(50));
    }

    async fn a_name_that_a_group_had_stays_taken_away(bed) {
        let ada = done(bed.add(state("ada", Some("1"))).await);
        let bob = done(bed.add(state("bob", Some("2"))).await);
        let both = [ada.id.to_string(), bob.id.to_string()];
        let group = group_done(bed.add_group("engineers", Some("g"), &[&both[0], &both[1]]).await);
        bed.change(&group, vec![MemberStep::Remove(set(&[&both[0]]))]).await;
        let rename = async |name: &str, ms| {
            let change = GroupChange { display_name: Some(name.to_owned()), ..GroupChange::default() };
            let place = (group.id, None);
            group_done(bed.store.change_directory_group(bed.org, &entra(), place, change, at(ms)).await.unwrap());
        };
        rename("old hands", 50).await;
        let signed_in = async |stable_id: &str, ms| {
            let seen = Seen {
                org: bed.org, issuer: "entra", stable_id, email: None, name: None,
                groups: &set(&["engineers", "other"]), stated: at(ms), made: at(ms), at: at(ms),
            };
            let new = new_person();
            let person = bed.store.upsert_person(seen, new).await.unwrap();
            bed.store.with_groups(bed.org, vec![person]).await.unwrap().remove(0).groups
        };
        // What was stated before, of one who had left and of one who is still in it.
        for _ in 0..2 {
            assert_eq!(signed_in("1", 20).await, set(&["other"]));
            assert_eq!(signed_in("2", 40).await, set(&["g", "old hands", "other"]));
            // Neither is forgotten while the last sign-in is from before it.
            bed.store.purge_directory(bed.org, at(1_000), at(1_000)).await.unwrap();
        }
        rename("engineers", 60).await;
        assert_eq!(signed_in("2", 41).await, set(&["engineers", "g", "other"]));
        assert_eq!(signed_in("1", 70).await, set(&["engineers", "other"]), "stated anew: a group within a group");
        signed_in("2", 70).await;
        bed.store.purge_directory(bed.org, at(1_000), at(1_000)).await.unwrap();
        assert_eq!(bed.count("SELECT COUNT(*) FROM directory_former_names").await, 0);
        assert_eq!(bed.count("SELECT COUNT(*) FROM directory_members WHERE until IS NOT NULL").await, 0);
    }

    async fn a_group_is_not_renamed_without_end(bed) {
        let group = group_done(bed.add_group("0", None, &[]).await);
        let rename = async |number: i64| {
            let change = GroupChange { display_name: Some(number.to_string()), ..GroupChange::default() };
            bed.store.change_directory_group(bed.org, &entra(), (group.id, None), change, at(30)).await
        };
        for number in 1..=limits::DIRECTORY_FORMER_NAMES_MAX {
            rename(number).await.unwrap();
        }
        let more = rename(1_000).await;
        assert!(matches!(more, Err(StoreError::Full(_))), "{more:?}");
        rename(0).await.unwrap();
    }

    async fn pages_keep_their_order_and_stay_within_their_source(bed) {
        let mut ids = Vec::new();
        for n in 0..5 {
            ids.push(done(bed.add(state(&format!("u{n}"), None)).await).id);
        }
        let other = Source { issuer: "okta".to_owned(), tenant: None };
        done(bed.add_from(&other, state("x", None)).await);
        let page = async |skip, limit| {
            let users = bed.store.directory_users_page(bed.org, &entra(), skip, limit).await.unwrap();
            users.into_iter().map(|user| user.id).collect::<Vec<_>>()
        };
        assert_eq!(page(0, 3).await, ids[..3]);
        assert_eq!(page(3, 3).await, ids[3..]);
        assert_eq!(bed.store.count_directory_users(bed.org, &entra()).await.unwrap(), 5);
        let rest = bed.store.directory_users_after(bed.org, &entra(), Some(ids[1]), 10).await.unwrap();
        assert_eq!(rest.len(), 3);
        let theirs = bed.other_org().await;
        assert_eq!(bed.store.directory_user(theirs, &entra(), ids[0]).await.unwrap(), None);
        assert_eq!(bed.store.count_directory_users(theirs, &entra()).await.unwrap(), 0);
        let stolen = bed.store.remove_directory_user(theirs, &entra(), ids[0], at(1)).await.unwrap();
        assert_eq!(stolen, None);
        let wrong = bed.store.directory_user(bed.org, &other, ids[0]).await.unwrap();
        assert_eq!(wrong, None);
    }

    async fn a_token_overlaps_with_its_successor_and_no_third(bed) {
        let token = |hash: &str, id| ScimToken {
            id: TokenId::from_parts(0, id),
            token_hash: hash.to_owned(),
            source: entra(),
            name: "entra".to_owned(),
            prefix: format!("dws_{hash}"),
            made_by: "ada".to_owned(),
            created: at(0),
            expires: None,
            revoked_at: None,
            used_at: None,
        };
        bed.store.add_scim_token(bed.org, &token("a", 0)).await.unwrap();
        bed.store.add_scim_token(bed.org, &token("b", 1)).await.unwrap();
        let third = bed.store.add_scim_token(bed.org, &token("c", 2)).await;
        assert!(matches!(third, Err(StoreError::Full(_))), "{third:?}");
        assert!(bed.store.revoke_scim_token(bed.org, TokenId::from_parts(0, 0), at(5)).await.unwrap());
        assert!(!bed.store.revoke_scim_token(bed.org, TokenId::from_parts(0, 0), at(6)).await.unwrap());
        bed.store.add_scim_token(bed.org, &token("c", 2)).await.unwrap();
        bed.store.note_scim_token_use(bed.org, TokenId::from_parts(0, 2), at(7)).await.unwrap();
        let found = bed.store.scim_token(bed.org, "a").await.unwrap().unwrap();
        assert!(!found.opens(at(6)) && found.revoked_at == Some(at(5)));
        let found = bed.store.scim_token(bed.org, "c").await.unwrap().unwrap();
        assert!(found.opens(at(6)) && found.used_at == Some(at(7)));
        assert_eq!(bed.store.scim_tokens_page(bed.org, None, 9).await.unwrap().0.len(), 3);
        assert!(bed.store.end_scim_token(bed.org, found.id, at(9)).await.unwrap());
        assert!(!bed.store.end_scim_token(bed.org, found.id, at(10)).await.unwrap(), "it ends sooner");
        let theirs = bed.other_org().await;
        assert_eq!(bed.store.scim_token(theirs, "c").await.unwrap(), None);
    }

    async fn an_old_token_that_opens_is_found_and_shown_however_many_came_after_it(bed) {
        let token = |number: u64| ScimToken {
            id: TokenId::from_parts(number, 0),
            token_hash: format!("hash-{number}"),
            source: entra(),
            name: "entra".to_owned(),
            prefix: format!("dws_{number}"),
            made_by: "ada".to_owned(),
            created: at(0),
            expires: None,
            revoked_at: None,
            used_at: None,
        };
        let oldest = token(1);
        bed.store.add_scim_token(bed.org, &oldest).await.unwrap();
        for number in 2..1_020 {
            let new = token(number);
            bed.store.add_scim_token(bed.org, &new).await.unwrap();
            assert!(bed.store.revoke_scim_token(bed.org, new.id, at(5)).await.unwrap());
        }
        for which in [&oldest.id.to_string(), "hash-1", "dws_1"] {
            let found = bed.store.open_scim_token(bed.org, which, at(6)).await.unwrap();
            assert_eq!(found.as_ref(), Some(&oldest), "{which}");
        }
        let gone = bed.store.open_scim_token(bed.org, "dws_2", at(6)).await.unwrap();
        assert_eq!(gone, None);
        let (listed, more) = bed.store.scim_tokens_page(bed.org, None, 2_000).await.unwrap();
        assert_eq!((listed.len(), listed[0].id, more), (1_000, TokenId::from_parts(1_019, 0), true));
        let (rest, more) = bed.store.scim_tokens_page(bed.org, Some(listed[999].id), 2_000).await.unwrap();
        assert_eq!((rest.len(), rest.last(), more), (19, Some(&oldest), false));
        let theirs = bed.other_org().await;
        assert_eq!(bed.store.open_scim_token(theirs, "dws_1", at(6)).await.unwrap(), None);
        assert_eq!(bed.store.purge_scim_tokens(bed.org, at(5)).await.unwrap(), 0);
        assert_eq!(bed.store.purge_scim_tokens(bed.org, at(6)).await.unwrap(), 1_018);
        assert_eq!(bed.store.scim_tokens_page(bed.org, None, 9).await.unwrap(), (vec![oldest], false));
    }
}
