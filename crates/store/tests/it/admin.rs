//! What the admin API stands on: roles, personal tokens, idempotency keys, pages, and the search of the ledger's copy.

use domain::window::Period;
use domain::{AuditId, BindingId, BudgetId, OrgId, PersonId, Role, SpendScope, TokenId, limits};
use store::idempotency::{Asked, Known};
use store::ledger::Batch;
use store::search::Sought;
use store::spend_limits::Replaced;
use store::{
    Holder, LedgerRow, PersonalToken, RoleBinding, RoleRemoved, SpendLimit, SpendLimitAudit,
    StoreError, Target,
};

use crate::bed::{at, number, on_both_engines};

fn binding(role: Role, holder: Holder) -> RoleBinding {
    RoleBinding {
        id: BindingId::from_parts(7, number().into()),
        role,
        holder,
        made_by: "ada".to_owned(),
        created: at(0),
    }
}

fn group(name: &str) -> Holder {
    Holder::Group {
        issuer: "entra".to_owned(),
        group: name.to_owned(),
    }
}

fn token(person: PersonId, hash: &str) -> PersonalToken {
    PersonalToken {
        id: TokenId::from_parts(8, number().into()),
        person,
        hash: hash.to_owned(),
        prefix: "dwp_12345678".to_owned(),
        name: "report".to_owned(),
        scopes: vec!["ledger.read".to_owned()],
        created: at(0),
        expires: at(1_000),
        last_used: None,
        revoked_at: None,
    }
}

fn asked<'a>(actor: &'a str, key: &'a str, request_hash: &'a str) -> Asked<'a> {
    Asked {
        actor,
        operation: "/api/v1/x",
        key,
        request_hash,
    }
}

fn row(org: OrgId, seq: u64, ms: i64, kind: &str, subject: &str) -> LedgerRow {
    LedgerRow {
        org,
        at: at(ms),
        seq,
        kind: kind.to_owned(),
        request_id: Some(format!("req_{seq}")),
        subject: Some(subject.to_owned()),
        body: format!("{{\"seq\":{seq}}}"),
    }
}

fn entry(_: &SpendLimit) -> SpendLimitAudit {
    SpendLimitAudit {
        id: AuditId::from_parts(0, number().into()),
        created: at(0),
        actor: "ada".to_owned(),
        action: "upsert".to_owned(),
        target: String::new(),
        before_json: None,
        after_json: None,
    }
}

on_both_engines! {
    async fn a_role_is_held_once_and_by_nobody_in_another_organisation(bed) {
        let store = &bed.store;
        let (first, is_new) = store.add_role(bed.org, &binding(Role::Admin, group("it"))).await.unwrap();
        assert!(is_new);
        let again = store.add_role(bed.org, &binding(Role::Admin, group("it"))).await.unwrap();
        assert_eq!(again, (first.clone(), false));
        let person = Holder::Person(PersonId::from_parts(2, 2));
        store.add_role(bed.org, &binding(Role::Admin, person)).await.unwrap();
        assert_eq!(store.roles(bed.org).await.unwrap().len(), 2);
        let other = store.ensure_org("other", OrgId::from_parts(1, number().into())).await.unwrap();
        assert_eq!(store.roles(other).await.unwrap(), []);
        assert_eq!(store.remove_role(other, first.id, true).await.unwrap(), RoleRemoved::Unknown);
        assert_eq!(store.remove_role(bed.org, first.id, true).await.unwrap(), RoleRemoved::Gone(first.clone()));
        assert_eq!(store.remove_role(bed.org, first.id, true).await.unwrap(), RoleRemoved::Unknown);
    }

    async fn of_two_owners_whose_roles_are_taken_at_once_one_stays(bed) {
        let store = &bed.store;
        let (one, _) = store.add_role(bed.org, &binding(Role::Owner, group("one"))).await.unwrap();
        let (two, _) = store.add_role(bed.org, &binding(Role::Owner, group("two"))).await.unwrap();
        let (first, second) = tokio::join!(
            store.remove_role(bed.org, one.id, true),
            store.remove_role(bed.org, two.id, true),
        );
        let gone = [first.unwrap(), second.unwrap()];
        assert_eq!(gone.iter().filter(|gone| **gone == RoleRemoved::LastOwner).count(), 1, "{gone:?}");
        let left = store.roles(bed.org).await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(store.remove_role(bed.org, left[0].id, true).await.unwrap(), RoleRemoved::LastOwner);
        assert!(matches!(store.remove_role(bed.org, left[0].id, false).await.unwrap(), RoleRemoved::Gone(_)));
    }

    async fn a_token_is_found_by_its_hash_in_its_own_organisation_alone(bed) {
        let store = &bed.store;
        let owner = bed.person("ada").await.id;
        let token = token(owner, "hash");
        assert!(store.add_personal_token(bed.org, &token).await.unwrap());
        let found = store.personal_token_of_hash(bed.org, "hash").await.unwrap();
        assert_eq!(found, Some(token.clone()));
        let other = store.ensure_org("other", OrgId::from_parts(1, number().into())).await.unwrap();
        assert_eq!(store.personal_token_of_hash(other, "hash").await.unwrap(), None);
        assert!(!store.revoke_personal_token(other, token.id, at(1)).await.unwrap());
        store.note_token_use(bed.org, token.id, at(5)).await.unwrap();
        store.note_token_use(bed.org, token.id, at(4)).await.unwrap();
        assert!(store.revoke_personal_token(bed.org, token.id, at(6)).await.unwrap());
        assert!(!store.revoke_personal_token(bed.org, token.id, at(7)).await.unwrap());
        let found = store.personal_token(bed.org, token.id).await.unwrap().unwrap();
        assert_eq!((found.last_used, found.revoked_at), (Some(at(5)), Some(at(6))));
    }

    async fn a_token_that_has_opened_nothing_for_long_is_forgotten_and_no_other(bed) {
        let store = &bed.store;
        let owner = bed.person("ada").await.id;
        let (ended, revoked, opens) = (token(owner, "ended"), token(owner, "revoked"), token(owner, "opens"));
        let end = ended.expires;
        let revoked = PersonalToken { expires: end.plus_ms(1_000), ..revoked };
        let opens = PersonalToken { expires: end.plus_ms(1_000), ..opens };
        for token in [&ended, &revoked, &opens] {
            assert!(store.add_personal_token(bed.org, token).await.unwrap());
        }
        assert!(store.revoke_personal_token(bed.org, revoked.id, end.plus_ms(5)).await.unwrap());
        let left = async || {
            let (found, _) = store.personal_tokens_page(bed.org, Some(owner), None, 9).await.unwrap();
            found.into_iter().map(|token| token.hash).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(store.purge_personal_tokens(bed.org, end).await.unwrap(), 0);
        let other = store.ensure_org("other", OrgId::from_parts(1, number().into())).await.unwrap();
        assert_eq!(store.purge_personal_tokens(other, end.plus_ms(9_000)).await.unwrap(), 0);
        assert_eq!(store.purge_personal_tokens(bed.org, end.plus_ms(1)).await.unwrap(), 1);
        assert_eq!(left().await, ["opens".to_owned(), "revoked".to_owned()].into());
        assert_eq!(store.purge_personal_tokens(bed.org, end.plus_ms(6)).await.unwrap(), 1);
        assert_eq!(left().await, ["opens".to_owned()].into());
    }

    async fn what_is_made_while_somebody_is_out_never_opens_and_what_was_made_before_is_taken_away(bed) {
        let store = &bed.store;
        let owner = bed.person("ada").await.id;
        let before = token(owner, "before");
        assert!(store.add_personal_token(bed.org, &before).await.unwrap());
        let out = before.created.plus_ms(10);
        assert!(store.shut_out(bed.org, owner, out, "left").await.unwrap());
        let made = |hash: &str, ms: i64| PersonalToken { created: out.plus_ms(ms), ..token(owner, hash) };
        assert!(!store.add_personal_token(bed.org, &made("while", 5)).await.unwrap());
        assert!(store.let_in(bed.org, owner, None).await.unwrap());
        assert!(!store.add_personal_token(bed.org, &made("entered before", -5)).await.unwrap());
        for hash in ["while", "entered before"] {
            assert_eq!(store.personal_token_of_hash(bed.org, hash).await.unwrap(), None);
        }
        let taken = async |hash: &str| {
            store.personal_token_of_hash(bed.org, hash).await.unwrap().unwrap().revoked_at
        };
        assert_eq!(taken("before").await, Some(out));
        assert!(store.add_personal_token(bed.org, &made("after", 20)).await.unwrap());
        assert_eq!(taken("after").await, None);
        store.revoke(bed.org, &Target::Everyone, out.plus_ms(30), "test").await.unwrap();
        assert_eq!(taken("after").await, Some(out.plus_ms(30)));
        let nobody = token(PersonId::from_parts(7, 7), "nobody");
        assert!(!store.add_personal_token(bed.org, &nobody).await.unwrap());
    }

    async fn a_person_has_only_so_many_tokens_that_open(bed) {
        let store = &bed.store;
        let owner = bed.person("ada").await.id;
        for number in 0..limits::PERSONAL_TOKENS_MAX {
            assert!(store.add_personal_token(bed.org, &token(owner, &number.to_string())).await.unwrap());
        }
        let one_more = store.add_personal_token(bed.org, &token(owner, "more")).await;
        assert!(matches!(one_more, Err(StoreError::Full(_))));
        let (page, more) = store.personal_tokens_page(bed.org, Some(owner), None, 20).await.unwrap();
        assert!(more && page.len() == 20);
        let after = page.last().map(|last| last.id);
        let (rest, more) = store.personal_tokens_page(bed.org, None, after, 100).await.unwrap();
        assert!(!more && rest.len() == 30);
    }

    async fn of_many_requests_with_one_key_one_is_new(bed) {
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let bed = bed.clone();
            requests.spawn(async move {
                bed.store.begin_idempotent(bed.org, asked("per_1", "k", "h"), at(0), at(-9)).await
            });
        }
        let known = requests.join_all().await;
        let new = known.iter().filter(|known| matches!(known, Ok(Known::New))).count();
        assert_eq!(new, 1, "{known:?}");
        assert!(known.iter().all(|known| matches!(known, Ok(Known::New | Known::Unsettled))));
    }

    async fn a_key_is_its_callers_tells_requests_apart_and_is_forgotten_after_its_time(bed) {
        let (store, org) = (&bed.store, bed.org);
        let begin = async |asked, now: i64| {
            store.begin_idempotent(org, asked, at(now), at(now - 100)).await.unwrap()
        };
        assert_eq!(begin(asked("per_1", "k", "h"), 0).await, Known::New);
        assert_eq!(begin(asked("per_1", "k", "h"), 1).await, Known::Unsettled);
        assert_eq!(begin(asked("per_1", "k", "other"), 1).await, Known::Another);
        assert_eq!(begin(asked("per_2", "k", "other"), 1).await, Known::New);
        store.settle_idempotent(org, asked("per_1", "k", "h"), 201, "{}").await.unwrap();
        let answered = Known::Answered { status: 201, answer: "{}".to_owned() };
        assert_eq!(begin(asked("per_1", "k", "h"), 2).await, answered);
        store.release_idempotent(org, asked("per_2", "k", "other")).await.unwrap();
        assert_eq!(begin(asked("per_2", "k", "h"), 3).await, Known::New);
        assert_eq!(begin(asked("per_1", "k", "h"), 101).await, Known::New);
    }

    async fn a_search_walks_newest_first_page_by_page_and_stays_in_its_organisation(bed) {
        let (store, org) = (&bed.store, bed.org);
        let other = OrgId::from_parts(1, number().into());
        let other = store.ensure_org("other", other).await.unwrap();
        let rows = vec![
            row(org, 1, 0, "decision", "per_a"),
            row(org, 2, 0, "outcome", "per_a"),
            row(other, 3, 5, "decision", "per_a"),
            row(org, 4, 9, "decision", "per_b"),
        ];
        let batch = Batch { rows, ..Batch::default() };
        store.ship("gw-1", 1, 5, &batch).await.unwrap();
        let seqs = async |sought: Sought| {
            let mut sought = sought;
            let mut seqs = Vec::new();
            loop {
                let (found, more) = store.search_records(org, &sought, 1).await.unwrap();
                seqs.extend(found.iter().map(|record| record.place.seq));
                match found.last() {
                    Some(last) if more => sought.after = Some(last.place.clone()),
                    _ => return seqs,
                }
            }
        };
        let all = Sought::default();
        assert_eq!(seqs(all.clone()).await, [4, 2, 1]);
        let of_a = Sought { subject: Some("per_a".to_owned()), ..all.clone() };
        assert_eq!(seqs(of_a.clone()).await, [2, 1]);
        let decisions = Sought { kind: Some("decision".to_owned()), ..of_a };
        assert_eq!(seqs(decisions).await, [1]);
        let request = Sought { request: Some("req_4".to_owned()), ..all.clone() };
        assert_eq!(seqs(request).await, [4]);
        let late = Sought { since: Some(at(1)), until: Some(at(9)), ..all };
        assert_eq!(seqs(late).await, [] as [u64; 0]);
    }

    async fn a_spend_limit_is_replaced_only_if_it_is_what_was_read(bed) {
        let (store, org) = (&bed.store, bed.org);
        let limit = SpendLimit {
            id: BudgetId::from_parts(6, number().into()),
            scope: SpendScope::Organization,
            period: Period::Daily,
            amount_cents: Some("1".to_owned()),
            pooled_json: None,
            created: at(0),
            updated: at(0),
        };
        store.set_spend_limit(org, &limit, |_, after| entry(after)).await.unwrap();
        let two = SpendLimit { amount_cents: Some("2".to_owned()), ..limit.clone() };
        let is_one = |now: &SpendLimit| now.amount_cents.as_deref() == Some("1");
        let done = store.replace_spend_limit(org, limit.id, Some(&two), is_one, entry).await;
        assert_eq!(done.unwrap(), Replaced::Done(limit.clone()));
        let late = store.replace_spend_limit(org, limit.id, None, is_one, entry).await;
        assert_eq!(late.unwrap(), Replaced::Another(two.clone()));
        let gone = store.replace_spend_limit(org, limit.id, None, |_| true, entry).await;
        assert_eq!(gone.unwrap(), Replaced::Done(two));
        let gone = store.replace_spend_limit(org, limit.id, None, |_| true, entry).await;
        assert_eq!(gone.unwrap(), Replaced::Unknown);
    }
}
