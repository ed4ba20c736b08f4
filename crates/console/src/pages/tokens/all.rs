//! Everyone's tokens: whose each is and what it may, and taking one away. Nobody but its owner ever sees one.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use control::tokens::{self, PersonalToken};
use control::{Right, people};
use domain::{PersonId, TokenId};
use http::HeaderMap;
use serde::Deserialize;

use super::Row;
use crate::pages::answer;
use crate::pages::asked::{self, Asked, Form, Named, Reasoned};
use crate::pages::confirm::Confirm;
use crate::pages::parts::{self, Empty, Field, Link, Notice, Source};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said};
use crate::pages::table::{Chips, Filters, Pager, ROWS};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

const LIST: &str = "/console/tokens";

/// Whose, and where the list begins.
#[derive(Debug, Deserialize)]
pub struct Which {
    person: Option<String>,
    after: Option<String>,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct Page {
    shell: Shell,
    chips: Chips,
    rows: Vec<Row>,
    pager: Pager,
    none: Empty,
    /// Why who looks cannot take one away.
    kept_from: Option<String>,
    source: Source,
}

/// `GET /console/tokens`.
pub async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let person: Option<PersonId> = asked::after(which.person.as_ref())?;
    let after: Option<TokenId> = asked::after(which.after.as_ref())?;
    let (found, more) = tokens::list(&operation, person, after, ROWS).await?;
    let now = operation.clock.now();
    let mut ids: Vec<String> = found.iter().map(|token| token.person.to_string()).collect();
    ids.extend(person.iter().map(ToString::to_string));
    ids.sort_unstable();
    ids.dedup();
    let labels = people::labels(&operation, &ids).await?;
    let whose = person.map(|person| person.to_string()).unwrap_or_default();
    let label = labels.get(&whose).unwrap_or(&whose);
    let filters = Filters::of(LIST).with("person", &whose, Said::from(label).plain());
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let says = format!(
        "{} shown, oldest first",
        show::counted(found.len() as u64, "token", "tokens")
    );
    let kept_from = operation.require(Right::TokensWrite).err();
    let row = |token: &PersonalToken| {
        let revoke = kept_from
            .is_none()
            .then(|| format!("/console/tokens/{}/revoke", token.id));
        Row {
            who: Some(link(&labels, token.person)),
            ..Row::of(token, now, revoke)
        }
    };
    let told = (asked::given(which.done.as_ref()) == "revoked").then(|| {
        Notice::info("What opens now stands below. A token that was taken away opens nothing from its next request on.")
    });
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Tokens, "Tokens").telling(told),
        chips: filters.chips(),
        rows: found.iter().map(row).collect(),
        pager: Pager::new(&filters, says, after.is_some(), next.as_deref()),
        none: Empty::new(
            "key",
            "No personal token",
            "People make tokens on their own page, for scripts of theirs that ask the admin API. None is listed here.",
        ),
        kept_from: kept_from.as_ref().map(ToString::to_string),
        source: Source(vec![
            "as the store has it now".to_owned(),
            "last use is noted once an hour".to_owned(),
            "tokens that have ended are listed for 400 days".to_owned(),
        ]),
    }))
}

fn link(labels: &BTreeMap<String, String>, person: PersonId) -> Link {
    let id = person.to_string();
    Link {
        to: format!("/console/people/{id}"),
        word: labels.get(&id).map_or_else(|| Said::from(&id), Said::from),
    }
}

fn sure(visitor: &Visitor) -> Shell {
    Shell::new(visitor, Place::Tokens, "Take a token away").within("Are you sure?")
}

async fn confirm(
    visitor: &Visitor,
    id: TokenId,
    (reason, wrong): (&str, Option<String>),
) -> Result<Confirm, Wrong> {
    let operation = visitor.operation();
    operation.require(Right::TokensWrite)?;
    let token = tokens::one(&operation, id).await?;
    let labels = people::labels(&operation, &[token.person.to_string()]).await?;
    Ok(Confirm {
        verb: "Take away the token".to_owned(),
        whom: Some(Said::from(format!(
            "{} ({}…) of {}",
            token.name,
            token.prefix,
            link(&labels, token.person).word.plain()
        ))),
        does: vec![
            "With the next request it opens nothing; whatever uses it stops.".to_owned(),
            "Its owner keeps their access, their sessions and their other tokens.".to_owned(),
        ],
        action: format!("/console/tokens/{id}/revoke"),
        button: "Take it away".to_owned(),
        is_risk: true,
        back: LIST.to_owned(),
        fields: vec![Field::reason(reason, wrong)],
    })
}

/// `GET /console/tokens/{id}/revoke`.
pub async fn ask_revoke(visitor: Visitor, Named(id): Named<TokenId>) -> Result<Response, Wrong> {
    let confirm = confirm(&visitor, id, ("", None)).await?;
    Ok(confirm.page(sure(&visitor)))
}

/// `POST /console/tokens/{id}/revoke`. A stolen token is taken away at once: no new proof is asked for.
pub async fn revoke(
    visitor: Visitor,
    Named(id): Named<TokenId>,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    match tokens::revoke(&visitor.operation(), id, form.reason.trim()).await {
        Ok(_) => Ok(asked::done(LIST, "revoked")),
        Err(error) => match of_field(&error, "reason") {
            Some(wrong) => {
                let confirm = confirm(&visitor, id, (&form.reason, Some(wrong))).await?;
                Ok(confirm.page(sure(&visitor)))
            }
            None => Err(error.into()),
        },
    }
}
