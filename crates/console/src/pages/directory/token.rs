//! Make a directory's token, or its successor, each shown once; take one away. All need a fresh proof: whoever holds such a token says who
//! is in which group, and a directory without one shuts nobody out.

use axum::response::Response;
use control::scim_tokens::{self, NewScimToken, OVERLAP_HOURS, ScimToken};
use control::{ControlError, Right};
use domain::{TokenId, limits};
use http::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;

use super::called;
use crate::pages::asked::{self, Form, Named, Reasoned};
use crate::pages::confirm::Confirm;
use crate::pages::form::{Asking, Part, Pick, Way, line};
use crate::pages::once::{self, Made, Shown};
use crate::pages::parts::Field;
use crate::pages::services::key::days;
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

const LIST: &str = "/console/directory";

/// A token to make.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    csrf: String,
    mark: String,
    #[serde(default)]
    directory: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    days: String,
}

fn shell(visitor: &Visitor, title: &'static str) -> Shell {
    Shell::new(visitor, Place::Directory, title).within(title)
}

/// `GET /console/directory/new-token`.
pub async fn ask_new(visitor: Visitor) -> Result<Response, Wrong> {
    visitor.operation().require(Right::DirectoryWrite)?;
    visitor.fresh()?;
    let page = asking(&visitor, &Wanted::default(), &|_| None);
    Ok(page.page(shell(&visitor, "New token")))
}

/// The directories there may be, by the word that the form sends.
fn directories(visitor: &Visitor) -> Vec<(String, (String, Option<String>))> {
    let all = visitor.console().control.vouching.directories();
    let word = |(issuer, tenant): (String, Option<String>)| {
        let word = format!("{issuer}/{}", tenant.as_deref().unwrap_or_default());
        (word, (issuer, tenant))
    };
    all.into_iter().map(word).collect()
}

fn asking(visitor: &Visitor, wanted: &Wanted, wrong: &dyn Fn(&str) -> Option<String>) -> Asking {
    let way = |(word, (issuer, tenant)): (String, (String, Option<String>))| Way {
        is_on: word == wanted.directory,
        value: word,
        word: Said::from(match tenant {
            Some(tenant) => format!("{issuer}, tenant {tenant}"),
            None => issuer,
        }),
        says: String::new(),
    };
    let directory = Pick {
        name: "directory",
        label: "Directory of".to_owned(),
        ways: directories(visitor).into_iter().map(way).collect(),
        hint: "The users it brings become people of this issuer, and of no other.".to_owned(),
        wrong: wrong("issuer").or_else(|| wrong("tenant")),
    };
    let name = line(
        "name",
        "Name",
        &wanted.name,
        ("For lists: “Entra provisioning”.", wrong("name")),
    );
    let life = line(
        "days",
        "Days until it ends",
        &wanted.days,
        (
            format!(
                "1 to {}; empty for one that never ends. Entra and Okta do not renew it by themselves.",
                limits::SERVICE_KEY_DAYS_MAX
            ),
            wrong("expires_in_days"),
        ),
    );
    Asking {
        title: "Make a directory's token".to_owned(),
        lead: "Whoever holds it says who works here and who is in which group. Two of one directory open at once, so that one can follow the other."
            .to_owned(),
        notices: Vec::new(),
        action: "/console/directory/new-token".to_owned(),
        mark: Some(once::mark(visitor)),
        parts: vec![
            Part::Pick(directory),
            Part::Field(Field {
                is_required: true,
                ..name
            }),
            Part::Field(life),
        ],
        button: "Make the token".to_owned(),
        back: LIST.to_owned(),
        is_only_a_look: false,
    }
}

/// The token that was typed, and everything that is wrong with it.
fn read(visitor: &Visitor, wanted: &Wanted) -> (NewScimToken, Vec<ControlError>) {
    let mut wrong = Vec::new();
    let known = directories(visitor);
    let found = known
        .into_iter()
        .find(|(word, _)| *word == wanted.directory);
    if found.is_none() {
        let why = "must be one of those that vouch for people";
        wrong.push(control::text::Unusable::new("issuer", why).into());
    }
    let (issuer, tenant) = found.map(|(_, directory)| directory).unwrap_or_default();
    let days = days(&wanted.days).unwrap_or_else(|error| {
        wrong.push(error);
        None
    });
    let new = NewScimToken {
        issuer,
        tenant,
        name: wanted.name.trim().to_owned(),
        days,
    };
    wrong.extend(scim_tokens::mistakes(&new));
    (new, wrong)
}

/// The form again, with what is wrong beside each field; or the one error that is about no field.
fn again(
    visitor: &Visitor,
    wanted: &Wanted,
    mut wrong: Vec<ControlError>,
) -> Result<Response, Wrong> {
    let fields = ["issuer", "tenant", "name", "expires_in_days"];
    let of_none =
        |error: &ControlError| fields.iter().all(|field| of_field(error, field).is_none());
    if let Some(at) = wrong.iter().position(of_none) {
        return Err(wrong.swap_remove(at).into());
    }
    let said = |field: &str| wrong.iter().find_map(|error| of_field(error, field));
    Ok(asking(visitor, wanted, &said).page(shell(visitor, "New token")))
}

/// `POST /console/directory/new-token`.
pub async fn make(
    visitor: Visitor,
    headers: HeaderMap,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &wanted.csrf)?;
    let operation = visitor.operation();
    operation.require(Right::DirectoryWrite)?;
    visitor.fresh()?;
    let (new, wrong) = read(&visitor, &wanted);
    if !wrong.is_empty() {
        return again(&visitor, &wanted, wrong);
    }
    let vouching = &visitor.console().control.vouching;
    let making = scim_tokens::create(&operation, vouching, new);
    match once::make(&visitor, (&wanted.mark, LIST), making).await? {
        Ok(made) => Ok(shown(&visitor, made, None)),
        Err(error) => again(&visitor, &wanted, vec![error]),
    }
}

fn shown(
    visitor: &Visitor,
    (token, secret): (ScimToken, SecretString),
    old: Option<String>,
) -> Response {
    let ends = token.expires.map_or_else(
        || "It never ends.".to_owned(),
        |end| format!("It ends on {}.", show::day(end)),
    );
    let says = [
        Some(format!(
            "With it the directory of {} provisions people and groups here.",
            called(&token.source).plain()
        )),
        Some(ends),
        old,
    ];
    let address = format!("{}/scim/v2", visitor.console().installation.public_url);
    let made = Made {
        title: format!("A token for {}", Said::from(&token.name).plain()),
        shown: Shown::new("token", secret),
        says: says.into_iter().flatten().collect(),
        texts: vec![("The address that goes with it".to_owned(), address)],
        on: ("To the directory".to_owned(), LIST.to_owned()),
    };
    made.page(shell(visitor, "New token"))
}

/// A token's successor to make.
#[derive(Debug, Deserialize)]
pub struct Rotation {
    csrf: String,
    mark: String,
    #[serde(default)]
    overlap: String,
}

fn asking_rotation(
    visitor: &Visitor,
    token: &ScimToken,
    (overlap, wrong): (&str, Option<String>),
) -> Asking {
    let hours = line(
        "overlap",
        "Hours for which the old one goes on to open",
        overlap,
        (
            format!(
                "0 to {}: the time to enter the new one at the identity provider.",
                limits::SCIM_TOKEN_OVERLAP_HOURS_MAX
            ),
            wrong,
        ),
    );
    Asking {
        title: format!(
            "Replace {} with a new token",
            Said::from(&token.name).plain()
        ),
        lead: format!(
            "The new one is for the same directory, {}, with the same name and length of life.",
            called(&token.source).plain()
        ),
        notices: Vec::new(),
        action: format!("/console/directory/tokens/{}/rotate", token.id),
        mark: Some(once::mark(visitor)),
        parts: vec![Part::Field(hours)],
        button: "Make the successor".to_owned(),
        back: LIST.to_owned(),
        is_only_a_look: false,
    }
}

/// `GET /console/directory/tokens/{id}/rotate`.
pub async fn ask_rotate(visitor: Visitor, Named(id): Named<TokenId>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    operation.require(Right::DirectoryWrite)?;
    visitor.fresh()?;
    let token = scim_tokens::one(&operation, id).await?;
    let page = asking_rotation(&visitor, &token, (&OVERLAP_HOURS.to_string(), None));
    Ok(page.page(shell(&visitor, "Successor")))
}

/// `POST /console/directory/tokens/{id}/rotate`.
pub async fn rotate(
    visitor: Visitor,
    Named(id): Named<TokenId>,
    headers: HeaderMap,
    Form(wanted): Form<Rotation>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &wanted.csrf)?;
    let operation = visitor.operation();
    operation.require(Right::DirectoryWrite)?;
    visitor.fresh()?;
    let token = scim_tokens::one(&operation, id).await?;
    let vouching = &visitor.console().control.vouching;
    let which = id.to_string();
    let made = match wanted.overlap.trim().parse() {
        Err(_) => {
            Err(control::text::Unusable::new("overlap_hours", "must be a whole number").into())
        }
        Ok(hours) => {
            let making = Box::pin(scim_tokens::rotate(&operation, vouching, &which, hours));
            once::make(&visitor, (&wanted.mark, LIST), making).await?
        }
    };
    match made {
        Ok(made) => {
            let old = format!(
                "The old one, {}…, goes on to open for {} hours.",
                token.prefix,
                wanted.overlap.trim()
            );
            Ok(shown(&visitor, made, Some(old)))
        }
        Err(error) => match of_field(&error, "overlap_hours") {
            Some(wrong) => {
                let page = asking_rotation(&visitor, &token, (&wanted.overlap, Some(wrong)));
                Ok(page.page(shell(&visitor, "Successor")))
            }
            None => Err(error.into()),
        },
    }
}

fn confirm(token: &ScimToken, reason: &str, wrong: Option<String>) -> Confirm {
    Confirm {
        verb: "Take away the token".to_owned(),
        whom: Some(Said::from(format!("{} ({}…)", token.name, token.prefix))),
        does: vec![
            format!(
                "With the next request it opens nothing. Unless another token is at the directory of {}, whoever it disables from then on is not shut out here.",
                called(&token.source).plain()
            ),
            "People and groups it brought stay as they are.".to_owned(),
            "This cannot be taken back: make a new token instead.".to_owned(),
        ],
        action: format!("/console/directory/tokens/{}/revoke", token.id),
        button: "Take it away".to_owned(),
        is_risk: true,
        back: LIST.to_owned(),
        fields: vec![Field::reason(reason, wrong)],
    }
}

/// `GET /console/directory/tokens/{id}/revoke`.
pub async fn ask_revoke(visitor: Visitor, Named(id): Named<TokenId>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    operation.require(Right::DirectoryWrite)?;
    visitor.fresh()?;
    let token = scim_tokens::one(&operation, id).await?;
    Ok(confirm(&token, "", None).page(shell(&visitor, "Are you sure?")))
}

/// `POST /console/directory/tokens/{id}/revoke`.
pub async fn revoke(
    visitor: Visitor,
    Named(id): Named<TokenId>,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    visitor.fresh()?;
    let operation = visitor.operation();
    match scim_tokens::revoke(&operation, &id.to_string(), form.reason.trim()).await {
        Ok(_) => Ok(asked::done(LIST, "revoked")),
        Err(error) => match of_field(&error, "reason") {
            Some(wrong) => {
                let token = scim_tokens::one(&operation, id).await?;
                let page = confirm(&token, &form.reason, Some(wrong));
                Ok(page.page(shell(&visitor, "Are you sure?")))
            }
            None => Err(error.into()),
        },
    }
}
