//! What holds for people, and what they have spent: for those who are named, or for everyone who has ever signed in, page by page.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::policy::{Budget, BudgetFor};
use domain::window::Period;
use domain::{PersonId, RequestId, Timestamp, Usd, limits};
use http::StatusCode;
use serde_json::{Value, json};
use store::Person;

use super::{Contract, Needs, Refused, fail, unavailable};

/// People of a page whose request does not say.
const PAGE_PEOPLE: u32 = 20;
/// People that one request may name.
const NAMED_MAX: usize = 100;

/// What a query asks for. What it does not understand in it is left alone, as the reference does.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    /// `user_ids[]=…`, repeated or with commas: ids, stable ids, e-mail addresses. None means everyone.
    users: Vec<String>,
    /// `period[]=…`; none means all.
    periods: Vec<Period>,
    /// `q=…`: a part of an e-mail address or name.
    part: String,
    /// `sort=spend_desc`: who spent most comes first.
    by_spend: bool,
    /// `limit=…`: people on a page.
    limit: Option<u32>,
    /// `page=…`: what `next_page` said.
    page: Option<String>,
}

impl Asked {
    fn read(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let each = || value.split(',').filter(|one| !one.is_empty());
            match name.strip_suffix("[]").unwrap_or(&name) {
                "user_ids" => asked.users.extend(each().map(str::to_owned)),
                "period" => asked.periods.extend(
                    each().filter_map(|one| Period::ALL.into_iter().find(|p| p.as_str() == one)),
                ),
                "q" => asked.part = value.trim().chars().take(limits::CLAIM_CHARS_MAX).collect(),
                "sort" => asked.by_spend = value == "spend_desc",
                "limit" => asked.limit = value.parse().ok(),
                "page" if !value.is_empty() => asked.page = Some(value.into_owned()),
                _ => {}
            }
        }
        asked.users.truncate(NAMED_MAX);
        asked
    }

    fn most(&self) -> u32 {
        self.limit
            .unwrap_or(PAGE_PEOPLE)
            .clamp(1, limits::STORE_PAGE_MAX)
    }

    fn shows(&self, period: Period) -> bool {
        self.periods.is_empty() || self.periods.contains(&period)
    }
}

/// The people of one answer, and where the next one goes on.
struct Shown {
    people: Vec<Person>,
    next: Option<String>,
}

/// `GET /v1/organizations/spend_limits/effective`.
pub async fn effective(State(state): State<Arc<Contract>>, request: Request) -> Response {
    let facts = state.door.facts(&request, "spend_limits");
    let id = facts.request;
    let asked = Asked::read(request.uri().query().unwrap_or_default());
    let headers = request.into_parts().0.headers;
    if let Err(refused) = state.admin(&headers, Needs::Reading, id) {
        return *refused;
    }
    state.learn_from_others(None, facts.began).await;
    let shown = match state.people_asked_for(&asked, id, facts.began).await {
        Ok(shown) => shown,
        Err(refused) => return *refused,
    };
    let rows: Vec<Value> = shown
        .people
        .iter()
        .flat_map(|person| state.rows_of(person, &asked, facts.began))
        .collect();
    Json(json!({"data": rows, "has_more": shown.next.is_some(), "next_page": shown.next}))
        .into_response()
}

impl Contract {
    async fn people_asked_for(
        &self,
        asked: &Asked,
        id: RequestId,
        now: Timestamp,
    ) -> Result<Shown, Refused> {
        if !asked.users.is_empty() {
            let mut people: Vec<Person> = Vec::new();
            for user in &asked.users {
                let found = self.store.find_people(self.org, user).await;
                people.extend(found.map_err(|error| unavailable(id, &error))?);
            }
            let mut seen = BTreeSet::new();
            people.retain(|person| seen.insert(person.id));
            if asked.by_spend {
                self.sort_by_spend(&mut people, asked, now);
            }
            return Ok(Shown { people, next: None });
        }
        if asked.by_spend {
            return self.biggest_spenders(asked, id, now).await;
        }
        let wrong_page = || {
            let text = "page: is not what a next_page said";
            fail(id, StatusCode::BAD_REQUEST, "invalid_request_error", text)
        };
        let after: Option<PersonId> = asked
            .page
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|_| wrong_page())?;
        let (people, more) = self
            .store
            .people_page(self.org, &asked.part, after, asked.most())
            .await
            .map_err(|error| unavailable(id, &error))?;
        let next = people.last().filter(|_| more);
        let next = next.map(|last| last.id.to_string());
        Ok(Shown { people, next })
    }

    /// Who spent most comes first, which needs everyone at once; pages are counted.
    async fn biggest_spenders(
        &self,
        asked: &Asked,
        id: RequestId,
        now: Timestamp,
    ) -> Result<Shown, Refused> {
        let refuse = |text: &str| {
            Err(fail(
                id,
                StatusCode::BAD_REQUEST,
                "invalid_request_error",
                text,
            ))
        };
        let from = asked.page.as_deref().map_or(Ok(0), str::parse::<usize>);
        let Ok(from) = from else {
            return refuse("page: is not what a next_page said");
        };
        let mut people: Vec<Person> = Vec::new();
        loop {
            let after = people.last().map(|person| person.id);
            let (found, more) = self
                .store
                .people_page(self.org, &asked.part, after, limits::STORE_PAGE_MAX)
                .await
                .map_err(|error| unavailable(id, &error))?;
            let mut found = self
                .store
                .with_groups(self.org, found)
                .await
                .map_err(|error| unavailable(id, &error))?;
            people.append(&mut found);
            if !more {
                break;
            }
            if people.len() >= limits::PEOPLE_SORTED_MAX {
                return refuse("sort: there are too many people to sort; narrow them down with q");
            }
        }
        self.sort_by_spend(&mut people, asked, now);
        let most = usize::try_from(asked.most()).unwrap_or(usize::MAX);
        let end = from.saturating_add(most);
        let next = (end < people.len()).then(|| end.to_string());
        let people = people.into_iter().skip(from).take(most).collect();
        Ok(Shown { people, next })
    }

    /// By the longest period that is asked for, which holds the others; people who spent the same stay in their order.
    fn sort_by_spend(&self, people: &mut [Person], asked: &Asked, now: Timestamp) {
        let longest = Period::ALL
            .into_iter()
            .rfind(|&period| asked.shows(period))
            .unwrap_or(Period::Monthly);
        let rules = self.door.pipeline.rules.current();
        people.sort_by_cached_key(|person| {
            let caller = caller_of(person);
            let policy = rules.for_caller(&caller);
            let standing = self
                .door
                .pipeline
                .quota
                .standing(caller.subject, &policy, now);
            let spent = standing.iter().find(|budget| budget.period == longest);
            Reverse(spent.map(|budget| budget.spent))
        });
    }

    fn rows_of(&self, person: &Person, asked: &Asked, now: Timestamp) -> Vec<Value> {
        let caller = caller_of(person);
        let pipeline = &self.door.pipeline;
        let policy = pipeline.rules.current().for_caller(&caller);
        pipeline
            .quota
            .standing(caller.subject, &policy, now)
            .iter()
            .filter(|budget| asked.shows(budget.period))
            .map(|budget| {
                let source = policy.own_budget(budget.period);
                let name = source.map(|budget| budget.name.as_str());
                json!({
                    "scope": {"type": "user", "user_id": person.stable_id},
                    "groups": person.groups,
                    "actor": {"type": "user_actor", "user_id": person.id, "name": person.name,
                              "email_address": person.email, "deleted": person.out_since().is_some()},
                    "amount": budget.cap.map(Usd::cents_text),
                    "currency": "USD",
                    "period": budget.period,
                    "source": source.map(|budget| json!({"type": level(budget), "name": name})),
                    "spend_limit_id": name.filter(|name| name.starts_with("spl_")),
                    "period_to_date_spend": budget.spent.cents_text(),
                })
            })
            .collect()
    }
}

/// The person as their next call would be decided.
fn caller_of(person: &Person) -> domain::Caller {
    domain::Caller {
        org: person.org,
        subject: domain::Subject::Person(person.id),
        stable_id: person.stable_id.as_str().into(),
        issuer: person.issuer.as_str().into(),
        email: person.email.as_deref().map(Into::into),
        name: person.name.as_deref().map(Into::into),
        groups: person.groups.clone(),
        session: None,
        credential: domain::Credential::Session,
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

    #[test]
    fn people_are_named_once_or_many_times_in_a_query() {
        let check = |query: &str, expected: &[&str]| {
            assert_eq!(Asked::read(query).users, expected, "{query}");
        };
        check("user_ids[]=ada&user_ids[]=alan", &["ada", "alan"]);
        check("user_ids%5B%5D=tid%2Foid&limit=5", &["tid/oid"]);
        check("user_ids=ada,alan,", &["ada", "alan"]);
        check("", &[]);
        let many = Asked::read(&"user_ids[]=x&".repeat(101));
        assert_eq!(many.users.len(), NAMED_MAX);
    }

    #[test]
    fn what_is_shown_and_in_which_order_stands_in_the_query() {
        let asked =
            Asked::read("period[]=daily&period[]=never&q=+Ada+&sort=spend_desc&limit=0&page=5");
        let expected = Asked {
            periods: vec![Period::Daily],
            part: "Ada".into(),
            by_spend: true,
            limit: Some(0),
            page: Some("5".into()),
            ..Asked::default()
        };
        assert_eq!(asked, expected);
        assert_eq!((asked.most(), Asked::read("limit=x").most()), (1, 20));
        assert!(asked.shows(Period::Daily) && !asked.shows(Period::Monthly));
    }
}
