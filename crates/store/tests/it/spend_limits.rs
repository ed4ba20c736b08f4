//! Spend limits: one per scope and period, each change with a true audit entry, pages in either direction.

use domain::window::Period;
use domain::{AuditId, BudgetId, OrgId, SpendScope};
use sqlx::Connection as _;
use store::spend_limits::Added;
use store::{Engine, Page, SpendLimit, SpendLimitAudit, Store, StoreError};

use crate::bed::{at, number, on_both_engines};

fn limit(scope: (&str, &str), period: Period, cents: Option<&str>) -> SpendLimit {
    SpendLimit {
        id: BudgetId::from_parts(6, number().into()),
        scope: SpendScope::parse(scope.0, scope.1.to_owned()).unwrap(),
        period,
        amount_cents: cents.map(str::to_owned),
        pooled_json: None,
        created: at(0),
        updated: at(0),
    }
}

fn entry(actor: &str, before: Option<&SpendLimit>, after: Option<&SpendLimit>) -> SpendLimitAudit {
    let brief = |limit: &SpendLimit| format!("{:?}", limit.amount_cents);
    SpendLimitAudit {
        id: AuditId::from_parts(0, number().into()),
        created: at(0),
        actor: actor.to_owned(),
        action: if after.is_some() { "upsert" } else { "delete" }.to_owned(),
        target: String::new(),
        before_json: before.map(brief),
        after_json: after.map(brief),
    }
}

async fn set(store: &Store, org: OrgId, new: &SpendLimit) -> SpendLimit {
    let audit = |before: Option<&SpendLimit>, after: &SpendLimit| entry("ada", before, Some(after));
    store.set_spend_limit(org, new, audit).await.unwrap()
}

on_both_engines! {
    async fn a_limit_keeps_its_id_when_it_is_set_again(bed) {
        let store = &bed.store;
        let first = set(store, bed.org, &limit(("user", "per_1"), Period::Daily, Some("500"))).await;
        let mut new = limit(("user", "per_1"), Period::Daily, None);
        new.pooled_json = Some("{\"paused\":true}".to_owned());
        new.updated = at(9);
        let second = set(store, bed.org, &new).await;
        assert_eq!((second.id, second.created, second.updated), (first.id, at(0), at(9)));
        assert_eq!((&second.amount_cents, &second.pooled_json), (&None, &new.pooled_json));
        let weekly = set(store, bed.org, &limit(("user", "per_1"), Period::Weekly, Some("1"))).await;
        assert_ne!(weekly.id, first.id);
        assert_eq!(store.spend_limit(bed.org, first.id).await.unwrap(), Some(second.clone()));
        assert_eq!(store.spend_limits(bed.org).await.unwrap(), [second, weekly]);
    }

    async fn of_two_that_are_added_for_the_same_the_first_stands(bed) {
        let store = &bed.store;
        let mut standing = Vec::new();
        for cents in ["500", "700"] {
            let new = limit(("rbac_group", "staff"), Period::Daily, Some(cents));
            let audit = entry("ada", None, Some(&new));
            standing.push(store.add_spend_limit(bed.org, &new, audit).await.unwrap());
        }
        let [Added::Made(made), Added::Stands(stands)] = &*standing else { panic!("{standing:?}") };
        assert_eq!(made, stands);
        assert_eq!(store.spend_limits(bed.org).await.unwrap(), std::slice::from_ref(made));
    }

    /// Somebody else's mistake is no outage of ours.
    async fn a_nul_in_a_text_is_told_apart_from_a_store_that_is_gone(bed) {
        let new = limit(("user", "per_\0"), Period::Daily, Some("1"));
        let added = bed.store.add_spend_limit(bed.org, &new, entry("ada", None, Some(&new))).await;
        match bed.store.engine() {
            Engine::Postgres => assert!(matches!(added, Err(StoreError::Nul)), "{added:?}"),
            Engine::Sqlite => assert!(matches!(added, Ok(Added::Made(_))), "{added:?}"),
        }
    }

    /// A word that nobody knows must not be read as everyone's limit.
    async fn a_damaged_scope_is_an_error_and_caps_nobody(bed) {
        let limit = set(&bed.store, bed.org, &limit(("user", "per_1"), Period::Daily, Some("1"))).await;
        let mut beside = bed.beside().await;
        for damage in ["scope_type = 'team'", "scope_type = 'organization'", "scope_id = ''"] {
            let sql = format!("UPDATE spend_limits SET {damage}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut beside).await.unwrap();
            let found = bed.store.spend_limits(bed.org).await;
            assert!(matches!(found, Err(StoreError::Damaged("spend_limits.scope"))), "{damage}: {found:?}");
            let mended = "UPDATE spend_limits SET scope_type = 'user', scope_id = 'per_1'";
            sqlx::raw_sql(mended).execute(&mut beside).await.unwrap();
        }
        beside.close().await.unwrap();
        assert_eq!(bed.store.spend_limits(bed.org).await.unwrap(), [limit]);
    }

    async fn the_audit_says_what_stood_before_even_when_many_change_a_limit_at_once(bed) {
        let mut authors = tokio::task::JoinSet::new();
        for cents in 0..8 {
            let bed = bed.clone();
            authors.spawn(async move {
                let new = limit(("organization", ""), Period::Monthly, Some(&cents.to_string()));
                set(&bed.store, bed.org, &new).await
            });
        }
        authors.join_all().await;
        let audit = bed.store.spend_limit_audit(bed.org, 100).await.unwrap();
        assert_eq!(audit.len(), 8);
        // Each `before` is the `after` of exactly one other entry: the entries form one chain.
        let mut stands = None;
        for _ in 0..8 {
            let next: Vec<_> = audit.iter().filter(|entry| entry.before_json == stands).collect();
            assert_eq!(next.len(), 1, "{audit:?}");
            stands = next[0].after_json.clone();
        }
        let now = bed.store.spend_limits(bed.org).await.unwrap();
        assert_eq!(stands, Some(format!("{:?}", now[0].amount_cents)));
        assert!(audit.iter().all(|entry| entry.target == now[0].id.to_string()));
        assert_eq!(bed.store.watermarks(bed.org).await.unwrap().spend_limits, 8);
    }

    async fn a_deleted_limit_is_gone_and_the_audit_keeps_it(bed) {
        let store = &bed.store;
        let kept = set(store, bed.org, &limit(("user", "per_1"), Period::Daily, Some("500"))).await;
        let change = |before: &SpendLimit| entry("bob", Some(before), None);
        let other = bed.other_org().await;
        assert_eq!(store.delete_spend_limit(other, kept.id, change).await.unwrap(), None);
        assert_eq!(store.delete_spend_limit(bed.org, kept.id, change).await.unwrap(), Some(kept.clone()));
        assert_eq!(store.delete_spend_limit(bed.org, kept.id, change).await.unwrap(), None);
        assert_eq!(store.spend_limits(bed.org).await.unwrap(), []);
        let audit = store.spend_limit_audit(bed.org, 1).await.unwrap();
        assert_eq!((audit[0].action.as_str(), audit[0].actor.as_str()), ("delete", "bob"));
        assert_eq!((&audit[0].target, &audit[0].after_json), (&kept.id.to_string(), &None));
        assert_eq!(store.watermarks(bed.org).await.unwrap().spend_limits, 2);
        assert_eq!(store.spend_limit_audit(other, 10).await.unwrap(), []);
    }

    async fn limits_are_read_in_pages_in_either_direction(bed) {
        let store = &bed.store;
        let mut ids = Vec::new();
        for person in 0..5 {
            let new = limit(("user", &format!("per_{person}")), Period::Monthly, Some("1"));
            ids.push(set(store, bed.org, &new).await.id);
        }
        let group = set(store, bed.org, &limit(("rbac_group", "g"), Period::Monthly, None)).await.id;
        let page = async |scope, page, limit| {
            let (found, more) = store.spend_limits_page(bed.org, scope, page, limit).await.unwrap();
            (found.into_iter().map(|limit| limit.id).collect::<Vec<_>>(), more)
        };
        assert_eq!(page(Some("user"), Page::First, 2).await, (ids[..2].to_vec(), true));
        assert_eq!(page(Some("user"), Page::After(ids[1]), 3).await, (ids[2..].to_vec(), false));
        assert_eq!(page(Some("user"), Page::Before(ids[3]), 2).await, (ids[1..3].to_vec(), true));
        assert_eq!(page(Some("user"), Page::Before(ids[2]), 2).await, (ids[..2].to_vec(), false));
        assert_eq!(page(Some("rbac_group"), Page::First, 2).await, (vec![group], false));
        assert_eq!(page(None, Page::After(ids[4]), 2).await, (vec![group], false));
        let elsewhere = store.spend_limits_page(bed.other_org().await, None, Page::First, 9).await;
        assert_eq!(elsewhere.unwrap(), (Vec::new(), false));
    }
}
