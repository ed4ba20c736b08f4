//! Where people have connected accounts of their own, as rows of a person's page and of a connector's; and ending one. Asks first, says what
//! it does, and takes a reason; without a new proof, as ending one session: nothing may slow whoever sees a stolen one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use control::grants::everyones::{self, Connection, Standing};
use control::{Right, people};
use domain::PersonId;
use http::HeaderMap;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::name_of;
use crate::Console;
use crate::pages::asked::{self, Asked, Form, Named, Reasoned};
use crate::pages::confirm::Confirm;
use crate::pages::connectors;
use crate::pages::parts::{Badge, Field, Link, Tone, badge};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{Ago, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// The word by which an address says that the connector's page led here.
const FROM_CONNECTOR: &str = "connector";

/// What a page says of one that was ended, as far as it stands: who reads it can see below what there is.
pub const ENDED: &str = "What is connected now stands below. A connection that is ended opens nothing from then on, at any replica; its person connects anew.";

/// A connection as a row.
#[derive(Debug, Clone)]
pub struct ConnectionLine {
    /// Whose; none where the page is about one person.
    pub who: Option<Link>,
    /// What people call the connector.
    pub title: Said,
    /// The connector's page; none where it has none any more, or who looks may not see it.
    pub to: Option<String>,
    /// How it stands.
    pub badge: Badge,
    /// Whether it is a key of theirs, of which nobody here knows what it covers.
    pub is_key: bool,
    /// What it covers.
    pub scope: Said,
    /// What was wanted besides.
    pub wants: Said,
    /// Since when.
    pub since: When,
    /// How long ago that is.
    pub age: Ago,
    /// The address that ends it, where who looks may.
    pub end: Option<String>,
}

impl ConnectionLine {
    fn of(visitor: &Visitor, connection: &Connection, who: Option<Link>) -> Self {
        let now = visitor.operation().clock.now();
        let actor = visitor.actor();
        let is_known = connection.title.is_some() && actor.may(Right::PolicyRead);
        let from = who.as_ref().map_or("", |_| FROM_CONNECTOR);
        let may_end = actor.may(Right::GrantsWrite);
        Self {
            title: title_of(connection),
            to: is_known.then(|| connectors::path(&connection.connector)),
            badge: of_standing(connection.standing()),
            is_key: connection.issuer.is_empty(),
            scope: Said::from(&connection.scope),
            wants: Said::from(&connection.wants),
            since: When::full(connection.since),
            age: Ago::of(connection.since, now),
            end: may_end.then(|| path(connection.person, &connection.connector, from)),
            who,
        }
    }
}

fn title_of(connection: &Connection) -> Said {
    let title = connection.title.as_deref();
    Said::from(title.unwrap_or(&connection.connector))
}

fn of_standing(standing: Standing) -> Badge {
    match standing {
        Standing::Works => badge(Tone::Allow, "works"),
        Standing::WantsMore => badge(Tone::Ask, "asked for more"),
        Standing::Refused => badge(Tone::Stop, "must be connected anew"),
    }
}

/// The address that ends one.
fn path(person: PersonId, connector: &str, from: &str) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("connector", connector);
    if !from.is_empty() {
        query.append_pair("from", from);
    }
    format!("/console/people/{person}/end-connection?{}", query.finish())
}

/// Where a person is connected; nothing for whoever may not see it.
pub async fn of_person(
    visitor: &Visitor,
    id: PersonId,
) -> Result<Option<Vec<ConnectionLine>>, Wrong> {
    if !visitor.actor().may(Right::GrantsRead) {
        return Ok(None);
    }
    let found = everyones::of_person(&visitor.operation(), id).await?;
    let line = |connection| ConnectionLine::of(visitor, connection, None);
    Ok(Some(found.iter().map(line).collect()))
}

/// The rows of a connector's page.
pub async fn lines(visitor: &Visitor, found: &[Connection]) -> Result<Vec<ConnectionLine>, Wrong> {
    let ids: Vec<String> = found.iter().map(|one| one.person.to_string()).collect();
    let labels: BTreeMap<_, _> = people::labels(&visitor.operation(), &ids).await?;
    let line = |connection: &Connection| {
        let id = connection.person.to_string();
        let link = Link {
            to: format!("/console/people/{id}"),
            word: labels.get(&id).map_or_else(|| Said::from(&id), Said::from),
        };
        ConnectionLine::of(visitor, connection, Some(link))
    };
    Ok(found.iter().map(line).collect())
}

/// Which to end, and where that began.
#[derive(Debug, Deserialize)]
pub struct Which {
    connector: Option<String>,
    from: Option<String>,
}

impl Which {
    fn connector(&self) -> &str {
        asked::given(self.connector.as_ref())
    }

    /// The word of where it began, which is one of ours whatever stands in the address.
    fn from(&self) -> &'static str {
        match asked::given(self.from.as_ref()) {
            FROM_CONNECTOR => FROM_CONNECTOR,
            _ => "",
        }
    }

    fn back(&self, person: PersonId) -> String {
        match self.from() {
            FROM_CONNECTOR => connectors::path(self.connector()),
            _ => format!("/console/people/{person}"),
        }
    }
}

async fn confirm(
    visitor: &Visitor,
    (id, which): (PersonId, &Which),
    (reason, wrong): (&str, Option<String>),
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    operation.require(Right::GrantsWrite)?;
    let person = people::read(&operation, id).await?;
    let connection = everyones::read(&operation, (id, which.connector())).await?;
    let (name, title) = (name_of(&person), title_of(&connection));
    let page = Confirm {
        verb: format!("End the connection to {} of", title.plain()),
        whom: Some(name.clone()),
        does: vec![
            "What they gave there is wiped here, and revoked where it was given, as well as that can be done there.".to_owned(),
            format!(
                "Their next call there is told, at every replica, to connect anew at their page. Nothing of theirs at {} itself changes.",
                title.plain()
            ),
            "Their sessions, and what they connected elsewhere, stay. They may connect anew at once, as long as the policy lets them reach it.".to_owned(),
        ],
        action: path(id, &connection.connector, which.from()),
        button: "End the connection".to_owned(),
        is_risk: true,
        back: which.back(id),
        fields: vec![Field::reason(reason, wrong)],
    };
    let shell = Shell::new(visitor, Place::People, name.plain()).within("Are you sure?");
    let shell = shell.past(name.plain(), format!("/console/people/{id}"));
    Ok(page.page(shell))
}

/// `GET /console/people/{id}/end-connection?connector=`.
pub async fn ask_end(
    visitor: Visitor,
    Named(id): Named<PersonId>,
    Asked(which): Asked<Which>,
) -> Result<Response, Wrong> {
    confirm(&visitor, (id, &which), ("", None)).await
}

/// `POST /console/people/{id}/end-connection?connector=`.
pub async fn end(
    visitor: Visitor,
    State(console): State<Arc<Console>>,
    Named(id): Named<PersonId>,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    let whose = (id, which.connector());
    let ended = console
        .linking
        .end_of(visitor.actor(), whose, form.reason.trim());
    match ended.await {
        Ok(()) => Ok(asked::done(&which.back(id), "connection-ended")),
        Err(error) => match of_field(&error, "reason") {
            Some(wrong) => confirm(&visitor, (id, &which), (&form.reason, Some(wrong))).await,
            None => Err(error.into()),
        },
    }
}
