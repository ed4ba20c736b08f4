//! The admin endpoints for spend limits, in the reference gateway's shapes: money as cents in decimal texts, one limit for each
//! scope and period, every change with its audit entry and ledger record.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "boxed as errors, which are rare and large, and returned alike"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::constant_time;
use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::policy::{Budget, BudgetFor};
use domain::window::Period;
use domain::{BudgetId, RequestId, Usd, limits};
use http::{HeaderMap, StatusCode};
use ledger::record::{Change, ChangeKind};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{SpendLimit, SpendLimitAudit, StoreError};

use super::Contract;
use crate::envelope;

/// A key of the admin endpoints.
#[derive(Debug, Clone)]
pub struct AdminKey {
    /// What the audit calls it.
    pub id: String,
    /// The key.
    pub key: SecretString,
    /// Whether it may change limits.
    pub writes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Reading,
    Writing,
}

/// A failed request's response.
type Refused = Box<Response>;

fn fail(id: RequestId, status: StatusCode, kind: &'static str, text: &str) -> Refused {
    Box::new(
        (
            status,
            [(http::header::CONTENT_TYPE, "application/json")],
            envelope::body(kind, text, id),
        )
            .into_response(),
    )
}

fn unavailable(id: RequestId, error: &StoreError) -> Refused {
    tracing::error!(error = %error, "spend limits cannot be read or written");
    fail(
        id,
        StatusCode::SERVICE_UNAVAILABLE,
        "api_error",
        "The store cannot be reached; nothing was written.",
    )
}

impl Contract {
    /// The key that a request carries, if it may do what the request needs. Every key is compared, in constant time.
    fn admin(
        &self,
        headers: &HeaderMap,
        needs: Needs,
        id: RequestId,
    ) -> Result<&AdminKey, Refused> {
        let given = headers
            .get("x-api-key")
            .map(http::HeaderValue::as_bytes)
            .unwrap_or_default();
        let matches = |key: &&AdminKey| {
            constant_time::verify_slices_are_equal(key.key.expose_secret().as_bytes(), given)
                .is_ok()
        };
        let found = self.admin_keys.iter().rfind(matches);
        match found {
            None => Err(fail(
                id,
                StatusCode::UNAUTHORIZED,
                "authentication_error",
                "invalid x-api-key",
            )),
            Some(key) if needs == Needs::Writing && !key.writes => Err(fail(
                id,
                StatusCode::FORBIDDEN,
                "permission_error",
                "requires write:spend_limits",
            )),
            Some(key) => Ok(key),
        }
    }
}

/// What to upsert.
#[derive(Debug, Deserialize)]
struct Wanted {
    scope: Scope,
    #[serde(default)]
    amount: Option<String>,
    #[serde(default)]
    period: Option<Period>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    pooled_budget: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Scope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    rbac_group_id: Option<String>,
}

impl Wanted {
    fn check(self, id: BudgetId, now: domain::Timestamp) -> Result<SpendLimit, String> {
        let scope_id = match (
            self.scope.kind.as_str(),
            self.scope.user_id,
            self.scope.rbac_group_id,
        ) {
            ("user", Some(user), None) if !user.is_empty() => user,
            ("rbac_group", None, Some(group)) if !group.is_empty() => group,
            ("organization", None, None) => String::new(),
            ("user", ..) => return Err("scope.user_id: is needed for a user".into()),
            ("rbac_group", ..) => return Err("scope.rbac_group_id: is needed for a group".into()),
            ("organization", ..) => return Err("scope: an organization has no other id".into()),
            _ => return Err("scope.type: must be user, rbac_group or organization".into()),
        };
        if scope_id.len() > 256 || scope_id.chars().any(char::is_control) {
            return Err("scope: the id is too long or holds control characters".into());
        }
        if self
            .currency
            .as_deref()
            .is_some_and(|currency| currency != "USD")
        {
            return Err("currency: must be USD".into());
        }
        let amount = self
            .amount
            .map(|text| cents(&text).ok_or("amount: must be cents as a decimal text"))
            .transpose()?;
        let pooled = self
            .pooled_budget
            .map(|pool| {
                let amount = pool.get("amount").and_then(Value::as_str).and_then(cents);
                let amount =
                    amount.ok_or("pooled_budget.amount: must be cents as a decimal text")?;
                let paused = pool.get("paused").and_then(Value::as_bool).unwrap_or(false);
                Ok::<_, &str>(
                    json!({"amount": amount, "paused": paused, "currency": "USD"}).to_string(),
                )
            })
            .transpose()?;
        let period = self.period.unwrap_or(Period::Monthly);
        if pooled.is_some() && (self.scope.kind != "rbac_group" || period != Period::Monthly) {
            return Err("pooled_budget: only monthly limits of groups have one".into());
        }
        Ok(SpendLimit {
            id,
            scope_type: self.scope.kind,
            scope_id,
            period,
            amount_cents: amount,
            pooled_json: pooled,
            created: now,
            updated: now,
        })
    }
}

/// Cents in their shortest form; none for what is no amount.
fn cents(text: &str) -> Option<String> {
    let amount: Usd = text.parse().ok()?;
    (amount >= Usd::ZERO && amount.nanos() % 100 == 0).then(|| amount.to_string())
}

fn shape(limit: &SpendLimit) -> Value {
    let mut shape = json!({
        "type": "spend_limit",
        "id": limit.id,
        "created_at": limit.created.to_string(),
        "updated_at": limit.updated.to_string(),
        "scope": scope(limit),
        "amount": limit.amount_cents,
        "currency": "USD",
        "period": limit.period,
    });
    if let Some(pool) = limit
        .pooled_json
        .as_deref()
        .and_then(|json| serde_json::from_str::<Value>(json).ok())
    {
        shape["pooled_budget"] = pool;
    }
    shape
}

fn scope(limit: &SpendLimit) -> Value {
    match limit.scope_type.as_str() {
        "user" => json!({"type": "user", "user_id": limit.scope_id}),
        "rbac_group" => json!({"type": "rbac_group", "rbac_group_id": limit.scope_id}),
        _ => json!({"type": "organization"}),
    }
}

/// `POST /v1/organizations/spend_limits`.
pub async fn upsert(State(state): State<Arc<Contract>>, request: Request) -> Response {
    upserted(&state, request)
        .await
        .unwrap_or_else(|refused| *refused)
}

async fn upserted(state: &Contract, request: Request) -> Result<Response, Refused> {
    let facts = state.door.facts(&request, "spend_limits");
    let id = facts.request;
    let (head, body) = request.into_parts();
    let key = state.admin(&head.headers, Needs::Writing, id)?;
    let whole = state
        .door
        .memory
        .read(&head.headers, body, limits::SMALL_BODY_BYTES_MAX)
        .await;
    let whole = whole.map_err(|refusal| Box::new(envelope::refusal_response(&refusal, id)))?;
    let bad = |text: &str| fail(id, StatusCode::BAD_REQUEST, "invalid_request_error", text);
    let wanted: Wanted =
        serde_json::from_slice(&whole.bytes).map_err(|error| bad(&error.to_string()))?;
    let limit = wanted
        .check(state.new_id(facts.began), facts.began)
        .map_err(|text| bad(&text))?;
    let known = state
        .store
        .spend_limits(state.org)
        .await
        .map_err(|error| unavailable(id, &error))?;
    let same = |other: &&SpendLimit| {
        (&other.scope_type, &other.scope_id, other.period)
            == (&limit.scope_type, &limit.scope_id, limit.period)
    };
    let before = known.iter().find(same);
    let audit = state.audit_entry(key, "spend_limit.upsert", before, Some(&limit), facts.began);
    let stored = state
        .store
        .upsert_spend_limit(state.org, &limit, &audit)
        .await
        .map_err(|error| unavailable(id, &error))?;
    state.record(key, before, Some(&stored));
    state.reload().await;
    Ok(Json(shape(&stored)).into_response())
}

/// `DELETE /v1/organizations/spend_limits/{id}`.
pub async fn remove(
    State(state): State<Arc<Contract>>,
    Path(limit): Path<String>,
    request: Request,
) -> Response {
    removed(&state, &limit, request)
        .await
        .unwrap_or_else(|refused| *refused)
}

async fn removed(state: &Contract, limit: &str, request: Request) -> Result<Response, Refused> {
    let facts = state.door.facts(&request, "spend_limits");
    let id = facts.request;
    let headers = request.into_parts().0.headers;
    let key = state.admin(&headers, Needs::Writing, id)?;
    let found = state.find(limit, id).await?;
    let audit = state.audit_entry(key, "spend_limit.delete", Some(&found), None, facts.began);
    let gone = state
        .store
        .delete_spend_limit(state.org, found.id, &audit)
        .await
        .map_err(|error| unavailable(id, &error))?;
    if gone.is_none() {
        return Err(not_found(id));
    }
    state.record(key, Some(&found), None);
    state.reload().await;
    Ok(Json(json!({"type": "spend_limit_deleted", "id": found.id})).into_response())
}

/// Where in a list, and which of it.
#[derive(Debug, Default, Deserialize)]
pub struct Paging {
    limit: Option<usize>,
    after_id: Option<String>,
    before_id: Option<String>,
    scope_type: Option<String>,
}

/// `GET /v1/organizations/spend_limits`.
pub async fn list(
    State(state): State<Arc<Contract>>,
    Query(paging): Query<Paging>,
    request: Request,
) -> Response {
    let id = state.door.facts(&request, "spend_limits").request;
    let headers = request.into_parts().0.headers;
    if let Err(refused) = state.admin(&headers, Needs::Reading, id) {
        return *refused;
    }
    let limits = match state.store.spend_limits(state.org).await {
        Ok(limits) => limits,
        Err(error) => return *unavailable(id, &error),
    };
    let kept: Vec<&SpendLimit> = limits
        .iter()
        .filter(|limit| {
            paging
                .scope_type
                .as_ref()
                .is_none_or(|kind| *kind == limit.scope_type)
        })
        .filter(|limit| {
            paging
                .after_id
                .as_ref()
                .is_none_or(|after| limit.id.to_string() > *after)
        })
        .filter(|limit| {
            paging
                .before_id
                .as_ref()
                .is_none_or(|before| limit.id.to_string() < *before)
        })
        .collect();
    let most = paging.limit.unwrap_or(20).clamp(1, 1_000);
    let shown = &kept[..kept.len().min(most)];
    Json(json!({
        "data": shown.iter().map(|limit| shape(limit)).collect::<Vec<_>>(),
        "has_more": kept.len() > shown.len(),
        "first_id": shown.first().map(|limit| limit.id),
        "last_id": shown.last().map(|limit| limit.id),
    }))
    .into_response()
}

/// `GET /v1/organizations/spend_limits/{id}`.
pub async fn one(
    State(state): State<Arc<Contract>>,
    Path(limit): Path<String>,
    request: Request,
) -> Response {
    let id = state.door.facts(&request, "spend_limits").request;
    let headers = request.into_parts().0.headers;
    if let Err(refused) = state.admin(&headers, Needs::Reading, id) {
        return *refused;
    }
    state.find(&limit, id).await.map_or_else(
        |refused| *refused,
        |limit| Json(shape(&limit)).into_response(),
    )
}

/// The people that `user_ids[]=…`, repeated or with commas, names. At most 100.
fn named_users(query: &str) -> Vec<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "user_ids[]" || name == "user_ids")
        .flat_map(|(_, users)| users.split(',').map(str::to_owned).collect::<Vec<_>>())
        .filter(|user| !user.is_empty())
        .take(100)
        .collect()
}

/// `GET /v1/organizations/spend_limits/effective`: what holds for each of some people, and what they have spent.
pub async fn effective(State(state): State<Arc<Contract>>, request: Request) -> Response {
    let facts = state.door.facts(&request, "spend_limits");
    let id = facts.request;
    let query = request.uri().query().unwrap_or_default().to_owned();
    let headers = request.into_parts().0.headers;
    if let Err(refused) = state.admin(&headers, Needs::Reading, id) {
        return *refused;
    }
    let mut rows = Vec::new();
    for user in named_users(&query) {
        match state.effective_rows(&user, facts.began).await {
            Ok(found) => rows.extend(found),
            Err(error) => return *unavailable(id, &error),
        }
    }
    Json(json!({"data": rows, "has_more": false, "next_page": null})).into_response()
}

/// `GET /v1/organizations/spend_limits/audit`.
pub async fn audit(State(state): State<Arc<Contract>>, request: Request) -> Response {
    let id = state.door.facts(&request, "spend_limits").request;
    let headers = request.into_parts().0.headers;
    if let Err(refused) = state.admin(&headers, Needs::Reading, id) {
        return *refused;
    }
    let entries = match state.store.spend_limit_audit(state.org, 1_000).await {
        Ok(entries) => entries,
        Err(error) => return *unavailable(id, &error),
    };
    let parse = |json: &Option<String>| {
        json.as_deref()
            .and_then(|json| serde_json::from_str::<Value>(json).ok())
    };
    let data: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "type": "audit_event",
                "id": entry.id,
                "created_at": entry.created.to_string(),
                "actor": entry.actor,
                "action": entry.action,
                "target_id": entry.target,
                "before": parse(&entry.before_json),
                "after": parse(&entry.after_json),
                "reason": null,
            })
        })
        .collect();
    Json(json!({
        "has_more": false,
        "first_id": data.first().map(|entry| entry["id"].clone()),
        "last_id": data.last().map(|entry| entry["id"].clone()),
        "data": data,
    }))
    .into_response()
}

fn not_found(id: RequestId) -> Refused {
    fail(
        id,
        StatusCode::NOT_FOUND,
        "not_found_error",
        "There is no such spend limit.",
    )
}

impl Contract {
    fn new_id(&self, now: domain::Timestamp) -> BudgetId {
        BudgetId::from_parts(
            now.unix_ms().unsigned_abs(),
            self.door.pipeline.ids.random_bits(),
        )
    }

    async fn find(&self, limit: &str, id: RequestId) -> Result<SpendLimit, Refused> {
        let wanted: BudgetId = limit.parse().map_err(|_| not_found(id))?;
        let limits = self
            .store
            .spend_limits(self.org)
            .await
            .map_err(|error| unavailable(id, &error))?;
        limits
            .into_iter()
            .find(|limit| limit.id == wanted)
            .ok_or_else(|| not_found(id))
    }

    /// Puts a changed limit in force here at once; other replicas follow when they next look.
    async fn reload(&self) {
        if let Err(error) = self.door.pipeline.rules.load(&self.store, self.org).await {
            tracing::warn!(error = %error, "a changed spend limit is not in force yet");
        }
    }

    fn audit_entry(
        &self,
        key: &AdminKey,
        action: &str,
        before: Option<&SpendLimit>,
        after: Option<&SpendLimit>,
        now: domain::Timestamp,
    ) -> SpendLimitAudit {
        SpendLimitAudit {
            id: self.new_id(now).to_string().replace("spl_", "aud_"),
            created: now,
            actor: format!("admin-key:{}", key.id),
            action: action.to_owned(),
            target: after
                .or(before)
                .map(|limit| limit.id.to_string())
                .unwrap_or_default(),
            before_json: before.map(|limit| shape(limit).to_string()),
            after_json: after.map(|limit| shape(limit).to_string()),
        }
    }

    fn record(&self, key: &AdminKey, before: Option<&SpendLimit>, after: Option<&SpendLimit>) {
        let fingerprint =
            |limit: &SpendLimit| super::settings::checksum(&shape(limit)).as_str().into();
        let change = Change {
            org: Some(self.org),
            by: None,
            by_label: format!("admin-key:{}", key.id).as_str().into(),
            address: None,
            noun: "spend_limit".into(),
            name: after
                .or(before)
                .map(|limit| limit.id.to_string())
                .unwrap_or_default()
                .as_str()
                .into(),
            done: match (before, after) {
                (None, _) => ChangeKind::Created,
                (Some(_), Some(_)) => ChangeKind::Updated,
                (Some(_), None) => ChangeKind::Deleted,
            },
            version: None,
            before: before.map(fingerprint),
            after: after.map(fingerprint),
            reason: None,
        };
        if let Err(error) = self
            .door
            .pipeline
            .ledger
            .note(ledger::Record::Change(change))
        {
            tracing::error!(error = %error, "a change is not in the ledger");
        }
    }

    async fn effective_rows(
        &self,
        user: &str,
        now: domain::Timestamp,
    ) -> Result<Vec<Value>, StoreError> {
        let mut rows = Vec::new();
        for person in self.store.find_people(self.org, user).await? {
            let caller = domain::Caller {
                org: self.org,
                subject: domain::Subject::Person(person.id),
                stable_id: person.stable_id.as_str().into(),
                issuer: person.issuer.as_str().into(),
                email: person.email.as_deref().map(Into::into),
                name: person.name.as_deref().map(Into::into),
                groups: person.groups.clone(),
                session: None,
                credential: domain::Credential::Session,
            };
            let policy = self.door.pipeline.rules.current().for_caller(&caller);
            let standing = self
                .door
                .pipeline
                .quota
                .standing(caller.subject, &policy, now);
            rows.extend(standing.iter().map(|budget| {
                let source = policy.own_budget(budget.period);
                let name = source.map(|budget| budget.name.as_str());
                json!({
                    "scope": {"type": "user", "user_id": person.stable_id},
                    "groups": person.groups.iter().collect::<BTreeSet<_>>(),
                    "actor": {"type": "user_actor", "user_id": person.id, "name": person.name,
                              "email_address": person.email, "deleted": person.disabled_at.is_some()},
                    "amount": budget.cap.map(Usd::cents_text),
                    "currency": "USD",
                    "period": budget.period,
                    "source": source.map(|budget| json!({"type": level(budget), "name": name})),
                    "spend_limit_id": name.filter(|name| name.starts_with("spl_")),
                    "period_to_date_spend": budget.spent.cents_text(),
                })
            }));
        }
        Ok(rows)
    }
}

/// At which level a person's budget was set, in the words of a limit's scope.
fn level(budget: &Budget) -> &'static str {
    match budget.scope {
        BudgetFor::Person | BudgetFor::Service => "user",
        _ if !budget.who.groups.is_empty() => "rbac_group",
        BudgetFor::Member | BudgetFor::Group | BudgetFor::Org => "organization",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: Value) -> Result<SpendLimit, String> {
        let wanted: Wanted = serde_json::from_value(body).map_err(|error| error.to_string())?;
        wanted.check(BudgetId::from_parts(1, 1), domain::Timestamp::default())
    }

    #[test]
    fn people_are_named_once_or_many_times_in_a_query() {
        let check =
            |query: &str, expected: &[&str]| assert_eq!(named_users(query), expected, "{query}");
        check("user_ids[]=ada&user_ids[]=alan", &["ada", "alan"]);
        check("user_ids%5B%5D=tid%2Foid&limit=5", &["tid/oid"]);
        check("user_ids=ada,alan,", &["ada", "alan"]);
        check("", &[]);
        assert_eq!(named_users(&"user_ids[]=x&".repeat(101)).len(), 100);
    }

    #[test]
    fn a_limit_says_whose_and_how_much() {
        let limit =
            check(json!({"scope": {"type": "user", "user_id": "u1"}, "amount": "6000.0"})).unwrap();
        assert_eq!(
            (limit.amount_cents.as_deref(), limit.period),
            (Some("6000"), Period::Monthly)
        );
        for wrong in [
            json!({"scope": {"type": "user"}, "amount": "1"}),
            json!({"scope": {"type": "team", "user_id": "u"}, "amount": "1"}),
            json!({"scope": {"type": "organization"}, "amount": "-1"}),
            json!({"scope": {"type": "organization"}, "amount": 1}),
            json!({"scope": {"type": "organization"}, "amount": "1", "currency": "EUR"}),
            json!({"scope": {"type": "organization"}, "amount": "1", "pooled_budget": {"amount": "5"}}),
            json!({"scope": {"type": "rbac_group", "rbac_group_id": "eng"}, "pooled_budget": {"amount": "x"}}),
            json!({"scope": {"type": "user", "user_id": "a\nb"}, "amount": "1"}),
        ] {
            assert!(check(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
