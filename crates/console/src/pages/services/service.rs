//! One service: its keys, what it may use and why, and what it used. Each part is shown to whoever has the right for it.

use std::collections::BTreeSet;

use askama::Template;
use axum::response::Response;
use control::may_use::{self, Question, Tried};
use control::service_keys::{self, Service, ServiceKey};
use control::{Operation, Right, usage};
use domain::window::DAY_MS;
use domain::{ClientKind, OWN_ISSUER, ServiceId, Timestamp};
use serde::Deserialize;

use super::standing;
use crate::pages::answer;
use crate::pages::asked::{self, Asked, Named};
use crate::pages::budgets::UseTable;
use crate::pages::models::{ModelLine, model_lines};
use crate::pages::offers::{Offer, Offers};
use crate::pages::parts::{self, Badge, Copyable, Notice};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// What was done.
#[derive(Debug, Deserialize)]
pub struct Which {
    done: Option<String>,
}

/// A key, never the key.
#[derive(Debug, Clone)]
struct KeyLine {
    prefix: Said,
    groups: Vec<Said>,
    made_by: Said,
    created: String,
    ends: String,
    used: String,
    badge: Badge,
    opens: bool,
    revoke: Option<String>,
}

/// What it may use with keys of the same groups.
#[derive(Debug, Clone)]
struct May {
    heading: String,
    of: Said,
    models: Vec<ModelLine>,
}

#[derive(Template)]
#[template(path = "service.html")]
struct Page {
    shell: Shell,
    id: Copyable,
    name: Said,
    by: Said,
    is_ours: bool,
    since: When,
    keys: Vec<KeyLine>,
    keys_say: String,
    new_key: Offers,
    /// Why who looks cannot take a key away.
    kept_from: Option<String>,
    may: Vec<May>,
    may_say: String,
    used: Option<UseTable>,
    records: Option<String>,
}

/// `GET /console/services/{id}`.
pub async fn read(
    visitor: Visitor,
    Named(id): Named<ServiceId>,
    Asked(which): Asked<Which>,
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let service = service_keys::service(&operation, id).await?;
    let keys = service_keys::of_service(&operation, id).await?;
    let now = operation.clock.now();
    let may_write = visitor.actor().may(Right::ServicesWrite);
    let is_ours = service.issuer == OWN_ISSUER;
    let name = Said::from(&service.name);
    let told = told(asked::given(which.done.as_ref()));
    let open = keys.iter().filter(|key| service_keys::opens(key, now));
    let (may, may_say) = may_use_of(&visitor, &service, &keys, now).await?;
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Services, name.plain())
            .within(name.plain())
            .telling(told),
        id: Copyable::whole("service id", id),
        by: Said::from(&service.issuer),
        is_ours,
        since: When::full(service.created),
        keys_say: format!(
            "{} of {} open",
            show::count(open.count() as u64),
            keys.len()
        ),
        keys: keys.iter().map(|key| line(key, now, may_write)).collect(),
        new_key: Offers::of("make", another(&operation, &service).into_iter().collect()),
        kept_from: operation
            .require(Right::ServicesWrite)
            .err()
            .map(|why| why.to_string()),
        may,
        may_say,
        used: used(&visitor, id, now).await?,
        records: visitor
            .actor()
            .may(Right::LedgerRead)
            .then(|| format!("/console/ledger?who={id}")),
        name,
    }))
}

/// One more key, for a service that has keys of ours.
fn another(operation: &Operation<'_>, service: &Service) -> Option<Offer> {
    let name: String = url::form_urlencoded::byte_serialize(service.name.as_bytes()).collect();
    let to = format!("/console/services/new-key?service={name}");
    let offer = Offer::new("plus", "Make another key", to).main();
    (service.issuer == OWN_ISSUER).then(|| offer.unless(operation.require(Right::ServicesWrite)))
}

fn told(word: &str) -> Option<Notice> {
    (word == "revoked").then(|| {
        Notice::info("What opens now stands below. A key that was taken away opens nothing, on every replica within a second.")
    })
}

fn line(key: &ServiceKey, now: Timestamp, may_write: bool) -> KeyLine {
    let opens = service_keys::opens(key, now);
    KeyLine {
        prefix: Said::from(format!("{}…", key.prefix)),
        groups: key.groups.iter().map(Said::from).collect(),
        made_by: Said::from(&key.made_by),
        created: show::day(key.created),
        ends: match (key.revoked_at, key.expires) {
            (Some(at), _) => format!("taken away {}", show::day(at)),
            (None, Some(end)) => show::day(end),
            (None, None) => "never".to_owned(),
        },
        used: key.used_at.map_or_else(
            || "never noted".to_owned(),
            |at| format!("{} ago", show::length(now.ms_since(at))),
        ),
        badge: standing(key, now),
        opens,
        revoke: (opens && may_write).then(|| {
            format!(
                "/console/services/{}/keys/{}/revoke",
                key.service, key.key_hash
            )
        }),
    }
}

/// A decision for each set of groups that keys which open have.
async fn may_use_of(
    visitor: &Visitor,
    service: &Service,
    keys: &[ServiceKey],
    now: Timestamp,
) -> Result<(Vec<May>, String), Wrong> {
    if !visitor.actor().may(Right::PolicyRead) {
        return Ok((Vec::new(), String::new()));
    }
    let open = keys.iter().filter(|key| service_keys::opens(key, now));
    let mut sets: BTreeSet<BTreeSet<String>> = open.map(|key| key.groups.clone()).collect();
    if sets.is_empty() {
        sets.insert(BTreeSet::new());
    }
    let models = visitor.models();
    let (mut all, mut version) = (Vec::new(), 0);
    for (place, groups) in sets.iter().take(SETS_SHOWN).enumerate() {
        let question = Question {
            models: &models,
            issuers_for_people: visitor.console().rules.issuers_for_people(),
            tried: Tried::newest(ClientKind::ClaudeCode),
        };
        let may = may_use::of_service(&visitor.operation(), service, groups, question).await?;
        version = may.version;
        let names: Vec<&str> = groups.iter().map(String::as_str).collect();
        all.push(May {
            heading: format!("may-{place}"),
            of: Said::from(if names.is_empty() {
                "in no group".to_owned()
            } else {
                format!("in {}", names.join(", "))
            }),
            models: model_lines(&may),
        });
    }
    Ok((all, format!("by policy version {version}")))
}

/// Sets of groups that are decided for; few services have keys of several.
const SETS_SHOWN: usize = 5;

async fn used(visitor: &Visitor, id: ServiceId, now: Timestamp) -> Result<Option<UseTable>, Wrong> {
    if !visitor.actor().may(Right::BudgetsRead) {
        return Ok(None);
    }
    let range = (now.plus_ms(-30 * DAY_MS), now.plus_ms(1));
    let sums = usage::of_service(&visitor.operation(), id, range).await?;
    Ok(Some(UseTable::of(&sums)))
}
