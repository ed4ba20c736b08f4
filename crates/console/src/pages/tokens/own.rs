//! One's own tokens, for one's own scripts. Making one needs a fresh proof, because it acts for its owner until it ends.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::response::Response;
use control::access::may_be_scope;
use control::tokens::{self, NewToken, PersonalToken};
use control::{ControlError, Right};
use domain::{TokenId, limits};
use http::HeaderMap;
use serde::Deserialize;

use super::Row;
use crate::pages::answer;
use crate::pages::asked::{self, Asked, Form, Meant, Named};
use crate::pages::confirm::Confirm;
use crate::pages::form::{Asking, Part, Ticks, Way, line};
use crate::pages::once::{self, Made, Shown};
use crate::pages::parts::{self, Empty, Field, Notice};
use crate::pages::services::key::days;
use crate::pages::shell::Shell;
use crate::pages::show::{self, Said};
use crate::pages::table::{Filters, Pager, ROWS};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

const LIST: &str = "/me/tokens";
/// Days that a new token lives when nobody says otherwise.
const DAYS: &str = "90";

/// Where the list begins, and what was done.
#[derive(Debug, Deserialize)]
pub struct Which {
    after: Option<String>,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "own_tokens.html")]
struct Page {
    shell: Shell,
    rows: Vec<Row>,
    pager: Pager,
    none: Empty,
}

fn shell(visitor: &Visitor, title: &'static str) -> Shell {
    let shell = Shell::apart(visitor, title);
    if title == "Your tokens" {
        shell.past("Your page", "/me")
    } else {
        shell.past("Your page", "/me").past("Your tokens", LIST)
    }
}

/// `GET /me/tokens`.
pub async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let after: Option<TokenId> = asked::after(which.after.as_ref())?;
    let (found, more) = tokens::list_own(&operation, after, ROWS).await?;
    let now = operation.clock.now();
    let filters = Filters::of(LIST);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let says = format!(
        "{} shown, oldest first",
        show::counted(found.len() as u64, "token", "tokens")
    );
    let row = |token: &PersonalToken| {
        let revoke = format!("/me/tokens/{}/revoke", token.id);
        Row::of(token, now, Some(revoke))
    };
    let told = (asked::given(which.done.as_ref()) == "revoked").then(|| {
        Notice::info("What opens now stands below. A script with a token that was taken away stops with its next request.")
    });
    Ok(answer(&Page {
        shell: shell(&visitor, "Your tokens").telling(told),
        rows: found.iter().map(row).collect(),
        pager: Pager::new(&filters, says, after.is_some(), next.as_deref()),
        none: Empty::new(
            "key",
            "You have no token",
            "A token lets a script of yours ask the admin API, with no more than you have at that moment and no more than you tick.",
        ),
    }))
}

/// A token to make. The scopes are members of their own, one for each tick.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    csrf: String,
    mark: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    days: String,
    #[serde(flatten)]
    ticked: BTreeMap<String, String>,
}

/// `GET /me/tokens/new`.
pub async fn ask_new(visitor: Visitor) -> Result<Response, Wrong> {
    visitor.operation().require(Right::OwnWrite)?;
    visitor.fresh()?;
    let wanted = Wanted {
        days: DAYS.to_owned(),
        ..Wanted::default()
    };
    Ok(asking(&visitor, &wanted, &|_| None).page(shell(&visitor, "New token")))
}

fn asking(visitor: &Visitor, wanted: &Wanted, wrong: &dyn Fn(&str) -> Option<String>) -> Asking {
    let rights = visitor.actor().rights().iter().copied();
    let way = |right: Right| Way {
        value: right.as_str().to_owned(),
        word: Said::from(right.as_str()),
        says: right.what().to_owned(),
        is_on: wanted.ticked.contains_key(right.as_str()),
    };
    let name = line(
        "name",
        "Name",
        &wanted.name,
        ("What it is for: “nightly report”.", wrong("name")),
    );
    let life = line(
        "days",
        "Days until it ends",
        &wanted.days,
        (
            format!("1 to {}.", limits::PERSONAL_TOKEN_DAYS_MAX),
            wrong("expires_in_days"),
        ),
    );
    Asking {
        title: "Make a token".to_owned(),
        lead: "It acts for you at the admin API until it ends, you take it away, or your access ends. It makes no tokens and gives no roles."
            .to_owned(),
        notices: Vec::new(),
        action: "/me/tokens/new".to_owned(),
        mark: Some(once::mark(visitor)),
        parts: vec![
            Part::Field(Field {
                is_required: true,
                ..name
            }),
            Part::Field(Field {
                is_required: true,
                ..life
            }),
            Part::Ticks(Ticks {
                name: "scope",
                label: "What it may".to_owned(),
                ways: rights.filter(|right| may_be_scope(*right)).map(way).collect(),
                hint: "As little as the script needs. What you lose, it loses too.".to_owned(),
                wrong: wrong("scopes"),
            }),
        ],
        button: "Make the token".to_owned(),
        back: LIST.to_owned(),
        is_only_a_look: false,
    }
}

/// The token that was typed, and everything that is wrong with it.
fn read(visitor: &Visitor, wanted: &Wanted) -> (NewToken, Vec<ControlError>) {
    let (operation, mut wrong) = (visitor.operation(), Vec::new());
    let words: Vec<String> = wanted.ticked.keys().cloned().collect();
    let scopes = tokens::scopes(&operation, &words).unwrap_or_else(|error| {
        wrong.push(error);
        BTreeSet::new()
    });
    let days = days(&wanted.days).unwrap_or_else(|error| {
        wrong.push(error);
        None
    });
    let new = NewToken {
        name: wanted.name.trim().to_owned(),
        scopes,
        days: days.unwrap_or(0),
    };
    wrong.extend(tokens::mistakes(&operation, &new));
    (new, wrong)
}

/// The form again, with what is wrong beside each field; or the one error that is about no field.
fn again(
    visitor: &Visitor,
    wanted: &Wanted,
    mut wrong: Vec<ControlError>,
) -> Result<Response, Wrong> {
    let fields = ["name", "scopes", "expires_in_days"];
    let of_none =
        |error: &ControlError| fields.iter().all(|field| of_field(error, field).is_none());
    if let Some(at) = wrong.iter().position(of_none) {
        return Err(wrong.swap_remove(at).into());
    }
    let said = |field: &str| wrong.iter().find_map(|error| of_field(error, field));
    Ok(asking(visitor, wanted, &said).page(shell(visitor, "New token")))
}

/// `POST /me/tokens/new`.
pub async fn make(
    visitor: Visitor,
    headers: HeaderMap,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &wanted.csrf)?;
    visitor.fresh()?;
    let (new, wrong) = read(&visitor, &wanted);
    if !wrong.is_empty() {
        return again(&visitor, &wanted, wrong);
    }
    let operation = visitor.operation();
    let making = tokens::create(&operation, new);
    match once::make(&visitor, (&wanted.mark, LIST), making).await? {
        Ok((token, secret)) => {
            let url = &visitor.console().installation.public_url;
            let shown = Shown::new("token", secret);
            Ok(made_page(&token, shown, url).page(shell(&visitor, "New token")))
        }
        Err(error) => again(&visitor, &wanted, vec![error]),
    }
}

fn made_page(token: &PersonalToken, shown: Shown, public_url: &str) -> Made {
    Made {
        title: format!("Your token {}", Said::from(&token.name).plain()),
        shown,
        says: vec![
            format!(
                "Until {} it may: {}. Never more than you may at that moment.",
                show::day(token.expires),
                token.scopes.join(", ")
            ),
            "Who finds it acts in your name: it belongs in a secret store, never into a file of a repository."
                .to_owned(),
        ],
        texts: vec![(
            "A first request".to_owned(),
            format!("curl -sS {public_url}/api/v1/me -H \"authorization: Bearer $TOKEN\""),
        )],
        on: ("To your tokens".to_owned(), LIST.to_owned()),
    }
}

/// One's own token of this id, which opens; another's is not there.
async fn find(visitor: &Visitor, id: TokenId) -> Result<PersonalToken, Wrong> {
    Ok(tokens::own(&visitor.operation(), id).await?)
}

/// `GET /me/tokens/{id}/revoke`.
pub async fn ask_revoke(visitor: Visitor, Named(id): Named<TokenId>) -> Result<Response, Wrong> {
    let token = find(&visitor, id).await?;
    let confirm = Confirm {
        verb: "Take away your token".to_owned(),
        whom: Some(Said::from(format!("{} ({}…)", token.name, token.prefix))),
        does: vec![
            "With the next request it opens nothing; scripts that use it stop.".to_owned(),
            "This cannot be taken back: make a new token instead.".to_owned(),
        ],
        action: format!("/me/tokens/{id}/revoke"),
        button: "Take it away".to_owned(),
        is_risk: true,
        back: LIST.to_owned(),
        fields: Vec::new(),
    };
    Ok(confirm.page(shell(&visitor, "Are you sure?")))
}

/// `POST /me/tokens/{id}/revoke`. Without a reason: it is one's own.
pub async fn revoke(
    visitor: Visitor,
    Named(id): Named<TokenId>,
    headers: HeaderMap,
    Form(form): Form<Meant>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    tokens::revoke_own(&visitor.operation(), id).await?;
    Ok(asked::done(LIST, "revoked"))
}
