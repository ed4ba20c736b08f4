//! The lists of all connectors, as one. All of them are asked at once, so many at a time and each for so long: one that is away, slow,
//! lies, or wants a grant is left out, or shown by what was last listed there to somebody, and never takes the others along.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actions::definition::{INSTRUCTIONS, of_instructions};
use axum::response::Response;
use domain::connectors::DefinitionKind;
use domain::policy::{ActionAsk, CallerPolicy, Connector};
use domain::{ActionClass, ActionState, ReasonCode, Refusal, limits};
use http::StatusCode;
use pipeline::Identified;
use pipeline::identity::Verified;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::shown::{Awaited, Shown};
use super::{Brought, Connectors, answer};
use crate::headers::Era;
use crate::line::{Has, Whose};
use crate::listing::Lists as _;
use crate::params::Params;
use crate::pins::Listed;
use crate::strict::{self, Members};
use crate::{alias, envelope, grants};

/// A list of what connectors have.
#[derive(Debug)]
pub(super) struct List {
    method: &'static str,
    /// Where the things stand in it.
    member: &'static str,
    /// What of a thing says which one it is.
    named: &'static str,
    /// What its things are, where what is said of them is pinned.
    kind: Option<DefinitionKind>,
    has: fn(Has) -> bool,
}

const TOOLS: List = List {
    method: "tools/list",
    member: "tools",
    named: "name",
    kind: Some(DefinitionKind::Tool),
    has: |has| has.tools,
};

const PROMPTS: List = List {
    method: "prompts/list",
    member: "prompts",
    named: "name",
    kind: Some(DefinitionKind::Prompt),
    has: |has| has.prompts,
};

const LISTS: [List; 4] = [
    TOOLS,
    PROMPTS,
    List {
        method: "resources/list",
        member: "resources",
        named: "uri",
        kind: None,
        has: |has| has.resources,
    },
    List {
        method: "resources/templates/list",
        member: "resourceTemplates",
        named: "uriTemplate",
        kind: None,
        has: |has| has.resources,
    },
];

impl List {
    pub(super) fn of(method: &str) -> Option<&'static Self> {
        LISTS.iter().find(|list| list.method == method)
    }

    fn is_of_tools(&self) -> bool {
        self.kind == Some(DefinitionKind::Tool)
    }

    /// Whether somebody may see what of it a connector has.
    fn is_for(&self, policy: &CallerPolicy, connector: &Connector) -> bool {
        let ask = ActionAsk {
            connector,
            action: self.method,
            class: ActionClass::Read,
            meets: None,
        };
        self.is_of_tools() || policy.standing(&ask).state != ActionState::Blocked
    }

    /// What one of its things is called where all connectors are one.
    fn called(&self, connector: &Connector, own: &str) -> String {
        match self.named {
            "name" => alias::listed(connector, own),
            _ => alias::listed_uri(connector, own),
        }
    }
}

/// Asks all, so many at once and all of them for so long. What has not answered by then has nothing.
async fn of_each<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    asks: impl Iterator<Item = F>,
) -> Vec<T> {
    let turns = Arc::new(Semaphore::new(limits::LISTS_AT_ONCE));
    let until = Instant::now() + Duration::from_millis(limits::LISTS_MS);
    let mut all = JoinSet::new();
    for (nth, ask) in asks.enumerate() {
        let turns = Arc::clone(&turns);
        all.spawn(timeout_at(until, async move {
            let _turn = turns.acquire_owned().await;
            (nth, ask.await)
        }));
    }
    let mut answered = Vec::new();
    while let Some(one) = all.join_next().await {
        answered.extend(one.ok().and_then(Result::ok));
    }
    answered.sort_by_key(|(nth, _)| *nth);
    answered.into_iter().map(|(_, one)| one).collect()
}

/// One person at one connector.
struct One {
    connector: Arc<Connector>,
    policy: Arc<CallerPolicy>,
    who: Arc<Verified>,
}

impl Connectors {
    /// What all connectors of a caller have, in the order of the policy. It is one page, and leaves no record.
    pub(super) async fn list_of_all(
        self: &Arc<Self>,
        brought: Brought<'_, Identified>,
        list: &'static List,
        params: &Params<'_>,
    ) -> Result<Response, Response> {
        let Brought { call, asked, .. } = brought;
        let is_from_start = params.get("cursor").is_none_or(strict::is_null);
        if params.unmistakable(&["cursor"]).is_err() || !is_from_start {
            call.refuse(Refusal::plain(ReasonCode::BodyMalformed));
            return Err(asked.malformed(
                -32602,
                "params.cursor is none of this list, which is one page",
            ));
        }
        let (who, policy) = call.done();
        let theirs = policy.reachable();
        let theirs = theirs.filter(|connector| list.is_for(&policy, connector));
        let asks = theirs.map(|connector| {
            let one = One {
                connector: Arc::clone(connector),
                policy: Arc::clone(&policy),
                who: Arc::clone(&who),
            };
            let door = Arc::clone(self);
            async move { (one.connector.name.clone(), door.of_one(&one, list).await) }
        });
        let all = tokio::select! {
            biased;
            _ = who.live.revoked() => return Err(asked.refused(&Refusal::plain(ReasonCode::PersonRevoked))),
            all = of_each(asks) => all,
        };
        let mut items = String::new();
        for (connector, its) in all {
            if items.len() + its.len() > limits::LISTED_BYTES_MAX {
                tracing::warn!(
                    connector,
                    list = list.method,
                    "left out: the list of all would be too long"
                );
                continue;
            }
            let comma = if items.is_empty() || its.is_empty() {
                ""
            } else {
                ","
            };
            items.push_str(comma);
            items.push_str(&its);
        }
        let more = match asked.era {
            Era::Legacy => "",
            Era::Modern => ",\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\"",
        };
        let result = format!("{{\"{}\":[{items}]{more}}}", list.member);
        Ok(answer::json(
            StatusCode::OK,
            envelope::result(asked.answers(), result),
        ))
    }

    /// What one connector has, by the names of the list of all, with commas between.
    async fn of_one(&self, one: &One, list: &'static List) -> String {
        let Ok(approved) = self.approved(&one.connector, Awaited::Other).await else {
            return String::new();
        };
        let shown = Shown {
            connector: Arc::clone(&one.connector),
            policy: Arc::clone(&one.policy),
            who: Arc::clone(&one.who),
            approved,
            across: None,
        };
        let items = match self.within_time(one, list).await {
            Ok(items) => {
                if let Some(kind) = list.kind {
                    let named = |item: &String| Some((name_of(item, list)?, item.clone()));
                    // Some list more to a client that can do more, and this one can nothing: what it does not see is not gone.
                    shown.listed(Listed {
                        kind,
                        definitions: items.iter().filter_map(named).collect(),
                        is_whole: false,
                    });
                }
                items
            }
            Err(refusal) => {
                tracing::debug!(
                    connector = one.connector.name,
                    list = list.method,
                    code = %refusal.code(),
                    "a connector is not asked for its list, or has not given it"
                );
                let before = grants::last_listed(&shown.approved.held);
                let before = before.filter(|_| list.is_of_tools());
                before.map(|(_, text)| text.to_owned()).collect()
            }
        };
        called(&items, list, &shown)
    }

    async fn within_time(&self, one: &One, list: &List) -> Result<Vec<String>, Refusal> {
        let overloaded = |_| Refusal::plain(ReasonCode::Overloaded);
        let _turn = self.lists.acquire().await.map_err(overloaded)?;
        let time = Duration::from_millis(limits::LIST_MS);
        let whose = Whose::of(&one.who.caller, &one.who.live);
        let listed = timeout(time, self.own_list(&one.connector, &whose, list));
        listed
            .await
            .map_err(|_| Refusal::plain(ReasonCode::UpstreamTimeout))?
    }

    /// Every definition of a connector that somebody is shown, over a line that is begun anew: whether it answers is a part of the
    /// question. Nobody sees anything of it, and nothing is noted here.
    pub async fn listed_anew(
        &self,
        connector: &Connector,
        whose: &Whose,
    ) -> Result<Vec<Listed>, Refusal> {
        let overloaded = |_| Refusal::plain(ReasonCode::Overloaded);
        let _turn = self.lists.acquire().await.map_err(overloaded)?;
        let time = Duration::from_millis(limits::LISTS_MS);
        let all = timeout(time, async {
            let instructions = self.upstream.begin_anew(connector, whose).await?;
            let instructions = instructions.map(|said| of_instructions(&said));
            let mut all = vec![(
                DefinitionKind::Instructions,
                instructions
                    .map(|one| (INSTRUCTIONS.to_owned(), one))
                    .into_iter()
                    .collect(),
            )];
            for (kind, list) in [
                (DefinitionKind::Prompt, &PROMPTS),
                (DefinitionKind::Tool, &TOOLS),
            ] {
                let items = self.own_list(connector, whose, list).await?;
                let named = |item: String| Some((name_of(&item, list)?, item));
                all.push((
                    kind,
                    items.into_iter().filter_map(named).collect::<Vec<_>>(),
                ));
            }
            Ok::<_, Refusal>(all)
        });
        let all = all
            .await
            .map_err(|_| Refusal::plain(ReasonCode::UpstreamTimeout))??;
        let listed = |(kind, definitions)| Listed {
            kind,
            definitions,
            // Some list more to a client that can do more, and this one can nothing: what it does not see is not gone.
            is_whole: false,
        };
        Ok(all.into_iter().map(listed).collect())
    }

    /// What a connector lists, page by page.
    async fn own_list(
        &self,
        connector: &Connector,
        whose: &Whose,
        list: &List,
    ) -> Result<Vec<String>, Refusal> {
        let garbled = |_| Refusal::plain(ReasonCode::UpstreamGarbled);
        let mut items = Vec::new();
        if !(list.has)(self.upstream.line(connector, whose).await?.has) {
            return Ok(items);
        }
        let (mut cursor, mut bytes) = (None::<String>, 0);
        for _ in 0..limits::LIST_PAGES_MAX {
            let asked = (list.method, cursor.as_deref());
            let page = self.upstream.page(connector, whose, asked).await?;
            bytes += page.len();
            if bytes > limits::LIST_BYTES_MAX {
                return Err(Refusal::plain(ReasonCode::UpstreamGarbled));
            }
            let members = Members::read(&page, &[list.member, "nextCursor"]).map_err(garbled)?;
            let all = members.get(list.member).unwrap_or("[]");
            let all = strict::items(all).map_err(garbled)?;
            items.extend(all.iter().map(|item| item.get().to_owned()));
            let next = members
                .get("nextCursor")
                .filter(|next| !strict::is_null(next));
            if next.is_none() {
                return Ok(items);
            }
            cursor = members
                .string("nextCursor")
                .map(std::borrow::Cow::into_owned);
        }
        Ok(items)
    }
}

fn name_of(item: &str, list: &List) -> Option<String> {
    let members = Members::read(item, &[list.named]).ok()?;
    members.string(list.named).map(std::borrow::Cow::into_owned)
}

/// What of a connector's things is shown, each by its name where all connectors are one. Of two that would be called the same neither is.
fn called(items: &[String], list: &List, shown: &Shown) -> String {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut times: HashMap<String, usize> = HashMap::new();
    for item in items {
        let Some(own) = name_of(item, list) else {
            continue;
        };
        let called = list.called(&shown.connector, &own);
        *times.entry(called.clone()).or_default() += 1;
        let item = match list.kind {
            Some(kind) => {
                let item = shown.shown(kind, &own, item);
                item.map(std::borrow::Cow::into_owned)
            }
            None => strict::value(item).is_ok().then(|| item.clone()),
        };
        let renamed = item.and_then(|item| {
            let members = Members::read(&item, &[list.named]).ok()?;
            let spelt = Value::from(called.as_str()).to_string();
            let own = members.get(list.named)?;
            Some(strict::spliced(&item, &[(own, spelt)]))
        });
        all.extend(renamed.map(|item| (called, item)));
    }
    all.retain(|(called, _)| times.get(called) == Some(&1));
    let items: Vec<String> = all.into_iter().map(|(_, item)| item).collect();
    items.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_never_answers_does_not_take_the_others_along() {
        let asks = (0..200).map(|nth| async move {
            if nth % 50 == 7 {
                std::future::pending::<()>().await;
            }
            assert_ne!(nth, 100, "one that fails");
            nth
        });
        let answered = of_each(asks).await;
        let expected: Vec<i32> = (0..200).filter(|n| n % 50 != 7 && *n != 100).collect();
        assert_eq!(answered, expected);
    }
}
