//! Finding: one text, and everything of that name that who looks may see, in groups; an id that is pasted whole leads straight to its
//! page. The box of the bar leads here without scripts; the palette asks the same address for a module, because the pages' content
//! security policy lets a browser load nothing but modules and sheets of ours (decision 0013). Finds nothing itself: it calls the functions
//! of `control` that the lists call, so nobody finds here what they could not see there.

use askama::Template;
use axum::Router;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use control::records::{self, Place as Row};
use control::{ControlError, Right, groups, people, service_keys, sessions};
use domain::{DirectoryGroupId, PersonId, ReasonCode, RequestId, ServiceId, SessionId, limits};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::asked::{self, Asked};
use super::parts::{self, Empty};
use super::people::{access_of, name_of};
use super::shell::{Place, Shell};
use super::show::{self, Said};
use super::table::Filters;
use super::visit::Visitor;
use super::wrong::Wrong;
use super::{answer, module};
use crate::Console;

/// `GET /console/find`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new().route("/console/find", get(read))
}

/// What to find, and how to answer.
#[derive(Debug, Deserialize)]
struct Which {
    q: Option<String>,
    #[serde(rename = "as")]
    form: Option<String>,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Hit {
    to: String,
    #[serde(serialize_with = "plainly")]
    word: Said,
    #[serde(serialize_with = "plainly")]
    sub: Said,
    icon: &'static str,
}

fn plainly<S: serde::Serializer>(text: &Said, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text.plain())
}

/// What was found of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Group {
    name: &'static str,
    hits: Vec<Hit>,
    /// Where all of the kind are, when there are more.
    #[serde(skip)]
    more: Option<String>,
}

#[derive(Template)]
#[template(path = "find.html")]
struct Page {
    shell: Shell,
    q: String,
    says: String,
    groups: Vec<Group>,
    none: Empty,
}

async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let q = asked::sought("What to find", which.q.as_ref())?;
    let is_module = asked::given(which.form.as_ref()) == "module";
    let straight = straight(&visitor, q).await?;
    let found = match &straight {
        Some(hit) if !is_module => return Ok(Redirect::to(&hit.to).into_response()),
        Some(hit) => vec![group("Go", vec![hit.clone()])],
        None => everything(&visitor, q).await?,
    };
    if is_module {
        return Ok(module(&found));
    }
    let hits = found.iter().map(|group| group.hits.len()).sum::<usize>();
    Ok(answer(&Page {
        shell: Shell::apart(&visitor, "Find"),
        q: q.to_owned(),
        says: if q.is_empty() {
            "Type a part of a name or an e-mail address, or paste an id.".to_owned()
        } else {
            format!(
                "{} for “{q}”, at most {} of each kind.",
                show::counted(hits as u64, "place", "places"),
                limits::FOUND_OF_A_KIND
            )
        },
        groups: found,
        none: Empty::new(
            "search",
            "Nothing is called that",
            "Looked for in the names of people, groups, services and pages and in the codes of refusals, as far as your role shows them. An id must be whole.",
        ),
    }))
}

fn group(name: &'static str, hits: Vec<Hit>) -> Group {
    Group {
        name,
        hits,
        more: None,
    }
}

/// What is not there, or not for who looks, is not found; an outage is none of these.
fn if_there<T>(found: Result<T, ControlError>) -> Result<Option<T>, Wrong> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(
            ControlError::NoSuch(_)
            | ControlError::NoSuchPerson
            | ControlError::Ambiguous(_)
            | ControlError::Forbidden(_)
            | ControlError::OutOfScope(_),
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The page of an id that was given whole.
async fn straight(visitor: &Visitor, q: &str) -> Result<Option<Hit>, Wrong> {
    let operation = visitor.operation();
    let hit = |to: String, word: &str, icon| Hit {
        to,
        word: Said::from(word),
        sub: Said::from(q),
        icon,
    };
    if let Ok(id) = q.parse::<PersonId>() {
        let found = if_there(people::read(&operation, id).await)?;
        return Ok(found.map(|person| Hit {
            word: name_of(&person),
            ..hit(format!("/console/people/{id}"), "", "person")
        }));
    }
    if let Ok(id) = q.parse::<SessionId>() {
        let found = if_there(sessions::read(&operation, id).await)?;
        return Ok(found.map(|session| {
            let list = Filters::of("/console/sessions")
                .with("person", &session.person.to_string(), "")
                .with("ended", "yes", "");
            hit(list.first(), "The sessions of its person", "device")
        }));
    }
    if let Ok(id) = q.parse::<DirectoryGroupId>() {
        let found = if_there(groups::read(&operation, id).await)?;
        let to = format!("/console/groups/{id}");
        return Ok(found.map(|group| hit(to, &group.display_name, "group")));
    }
    if let Ok(id) = q.parse::<ServiceId>() {
        let found = if_there(service_keys::service(&operation, id).await)?;
        let to = format!("/console/services/{id}");
        return Ok(found.map(|service| hit(to, &service.name, "service")));
    }
    if let Ok(id) = q.parse::<RequestId>() {
        let found = if_there(records::of_request(&operation, &id.to_string()).await)?;
        let is_there = found.is_some_and(|found| !found.is_empty());
        let to = format!("/console/ledger?request={id}");
        return Ok(is_there.then(|| hit(to, "The records of this request", "ledger")));
    }
    if let Ok(place) = q.parse::<Row>() {
        let found = if_there(records::read(&operation, &place).await)?;
        let to = format!("/console/ledger/{place}");
        return Ok(found.map(|_| hit(to, "This record", "ledger")));
    }
    Ok(None)
}

/// Everything of that name, a group for each kind of which something was found.
async fn everything(visitor: &Visitor, q: &str) -> Result<Vec<Group>, Wrong> {
    let mut all = Vec::new();
    if !q.is_empty() {
        all.extend(of_people(visitor, q).await?);
        all.extend(of_groups(visitor, q).await?);
        all.extend(of_services(visitor, q).await?);
        all.push(group("Refusals", of_reasons(visitor, q)));
    }
    all.push(group("Go", of_pages(visitor, q)));
    all.retain(|group| !group.hits.is_empty());
    Ok(all)
}

async fn of_people(visitor: &Visitor, q: &str) -> Result<Vec<Group>, Wrong> {
    let operation = visitor.operation();
    let most = limits::FOUND_OF_A_KIND;
    let Some((found, more)) = if_there(people::list(&operation, q, None, most).await)? else {
        return Ok(Vec::new());
    };
    let hits = found.iter().map(|person| {
        let (state, _) = access_of(person);
        let email = person.email.as_deref().unwrap_or_default();
        Hit {
            to: format!("/console/people/{}", person.id),
            word: name_of(person),
            sub: Said::from(format!("{email} {}", state.word().to_lowercase())),
            icon: "person",
        }
    });
    let list = Filters::of("/console/people").with("q", q, "");
    let people = Group {
        more: more.then(|| list.first()),
        ..group("People", hits.collect())
    };
    let [person] = found.as_slice() else {
        return Ok(vec![people]);
    };
    Ok(vec![people, group("About them", about(visitor, person))])
}

/// What else there is of the one person who was found.
fn about(visitor: &Visitor, person: &people::Person) -> Vec<Hit> {
    let (id, name) = (person.id.to_string(), name_of(person));
    let hit = |right: Right, to: String, word: &str, icon| {
        let hit = Hit {
            to,
            word: Said::from(format!("{word} {}", name.plain())),
            sub: Said::default(),
            icon,
        };
        visitor.actor().may(right).then_some(hit)
    };
    let records = Filters::of("/console/ledger").with("who", &id, "").first();
    let list = Filters::of("/console/sessions").with("person", &id, "");
    let end = format!("/console/people/{id}/end-sessions");
    let may_end = sessions::require_for_all(&visitor.operation()).is_ok();
    let asks = |hit: Hit| Hit {
        sub: Said::from("asks first"),
        ..hit
    };
    [
        hit(Right::LedgerRead, records, "Records of", "ledger"),
        hit(Right::SessionsRead, list.first(), "Sessions of", "device"),
        hit(Right::SessionsWrite, end, "End all sessions of", "log-out")
            .filter(|_| may_end)
            .map(asks),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn of_groups(visitor: &Visitor, q: &str) -> Result<Option<Group>, Wrong> {
    let most = limits::FOUND_OF_A_KIND;
    let found = if_there(groups::list(&visitor.operation(), q, None, most).await)?;
    Ok(found.map(|(found, more)| {
        let hits = found.iter().map(|seen| Hit {
            to: format!("/console/groups/{}", seen.id),
            word: Said::from(&seen.display_name),
            sub: Said::from(show::counted(seen.members, "member", "members")),
            icon: "group",
        });
        let list = Filters::of("/console/groups").with("q", q, "");
        Group {
            more: more.then(|| list.first()),
            ..group("Groups", hits.collect())
        }
    }))
}

async fn of_services(visitor: &Visitor, q: &str) -> Result<Option<Group>, Wrong> {
    let most = limits::FOUND_OF_A_KIND;
    let found = if_there(service_keys::services(&visitor.operation(), q, None, most).await)?;
    Ok(found.map(|(found, more)| {
        let hits = found.iter().map(|service| Hit {
            to: format!("/console/services/{}", service.id),
            word: Said::from(&service.name),
            sub: Said::default(),
            icon: "service",
        });
        let list = Filters::of("/console/services").with("q", q, "");
        Group {
            more: more.then(|| list.first()),
            ..group("Services", hits.collect())
        }
    }))
}

/// Reasons by their code: each leads to what was refused for it.
fn of_reasons(visitor: &Visitor, q: &str) -> Vec<Hit> {
    if !visitor.actor().may(Right::LedgerRead) {
        return Vec::new();
    }
    let part = q.to_lowercase().replace(' ', "_");
    let fits = |code: &&ReasonCode| code.as_str().contains(&part);
    let hit = |code: &ReasonCode| Hit {
        to: Filters::of("/console/ledger")
            .with("outcome", "refused", "")
            .with("reason", code.as_str(), "")
            .first(),
        word: Said::from(code.as_str()),
        sub: Said::from(code.what()),
        icon: "alert",
    };
    let fitting = ReasonCode::ALL.iter().filter(fits);
    fitting
        .take(limits::FOUND_OF_A_KIND as usize)
        .map(hit)
        .collect()
}

/// Pages by their name; all that there are when nothing is sought.
fn of_pages(visitor: &Visitor, q: &str) -> Vec<Hit> {
    let part = q.to_lowercase();
    let may = |place: &&Place| visitor.actor().may(place.right());
    let places = Place::ALL.iter().filter(may);
    let places = places.map(|place| (place.path(), place.word(), place.icon_name()));
    let own = [("/me", "Your own page", "me")];
    places
        .chain(own)
        .filter(|(_, word, _)| word.to_lowercase().contains(&part))
        .map(|(to, word, icon)| Hit {
            to: to.to_owned(),
            word: Said::from(word),
            sub: Said::default(),
            icon,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn a_module_holds_data_that_ends_nothing() {
        let hostile = "</script>\u{2028}`${x}\"\\*/\u{202e}";
        let hit = Hit {
            to: "/me".to_owned(),
            word: Said::from(hostile),
            sub: Said::from(hostile),
            icon: "me",
        };
        let response = module(&[group("Go", vec![hit])]);
        assert_eq!(
            response.headers()["content-type"],
            "text/javascript; charset=utf-8"
        );
        assert_eq!(
            response.headers()["cross-origin-resource-policy"],
            "same-origin"
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let data = text.strip_prefix("export default ").unwrap();
        let data = data.strip_suffix(";\n").unwrap();
        assert!(!data.contains(['<', '\u{2028}', '\u{202e}']), "{data}");
        let read: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(read[0]["hits"][0]["word"], Said::from(hostile).plain());
    }

    #[test]
    fn what_may_not_be_seen_is_not_found_and_an_outage_is_no_answer() {
        assert_eq!(
            if_there::<()>(Err(ControlError::NoSuch("person"))).ok(),
            Some(None)
        );
        assert_eq!(
            if_there::<()>(Err(ControlError::Forbidden(Right::PeopleRead))).ok(),
            Some(None)
        );
        assert_eq!(if_there(Ok(7)).ok(), Some(Some(7)));
        assert!(if_there::<()>(Err(ControlError::Yaml(String::new()))).is_err());
    }
}
