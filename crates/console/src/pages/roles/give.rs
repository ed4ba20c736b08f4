//! Give a role: first to whom, then a page that says who that is in words that nobody chose for themselves, then the role. What is asked
//! stands in the address until the last step, so that it can be looked at by two.

use std::collections::BTreeMap;

use axum::response::Response;
use control::people::{self, Person};
use control::roles::{self, Holder};
use control::text::Unusable;
use control::{ControlError, Right, Role};
use domain::limits;
use http::HeaderMap;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::head;
use crate::pages::asked::{self, Asked, Form, Reasoned};
use crate::pages::confirm::Confirm;
use crate::pages::form::{Asking, Part, Pick, Way, line};
use crate::pages::parts::Field;
use crate::pages::people::name_of;
use crate::pages::shell::{Place, Shell};
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

const LIST: &str = "/console/roles";

/// What is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    role: String,
    #[serde(default)]
    person: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    issuer: String,
}

/// To whom, as it was found.
struct Found {
    role: Role,
    holder: Holder,
    person: Option<Person>,
}

/// `GET /console/roles/give`.
pub async fn ask(visitor: Visitor, Asked(wanted): Asked<Wanted>) -> Result<Response, Wrong> {
    visitor.operation().require(Right::RolesWrite)?;
    for text in [&wanted.person, &wanted.group, &wanted.issuer] {
        asked::sought("What is asked for", Some(text))?;
    }
    let page = asking(&visitor, &wanted, &BTreeMap::new());
    Ok(page.page(Shell::new(&visitor, Place::Roles, "Give a role").within("Give a role")))
}

fn asking(visitor: &Visitor, wanted: &Wanted, wrong: &BTreeMap<&str, String>) -> Asking {
    let way = |role: &Role| Way {
        value: role.to_string(),
        word: Said::from(format!("{role}: {}", head(*role).what)),
        says: String::new(),
        is_on: role.as_str() == wanted.role,
    };
    let given = Role::ALL.iter().filter(|role| **role != Role::Member);
    let issuer = |word: String| Way {
        is_on: word == wanted.issuer,
        word: Said::from(&word),
        value: word,
        says: String::new(),
    };
    let issuers = visitor.console().control.vouching.words();
    let wrong = |field: &str| wrong.get(field).cloned();
    Asking {
        title: "Give a role".to_owned(),
        lead:
            "To one person, or to everyone whom an issuer or its directory says to be in a group."
                .to_owned(),
        notices: Vec::new(),
        action: "/console/roles/give/sure".to_owned(),
        mark: None,
        parts: vec![
            Part::Pick(Pick {
                name: "role",
                label: "Role".to_owned(),
                ways: given.map(way).collect(),
                hint: "What each may stands in the table of rights.".to_owned(),
                wrong: wrong("role"),
            }),
            Part::Field(line(
                "person",
                "Person: e-mail address, stable id or id",
                &wanted.person,
                (
                    "They must have signed in, or been provisioned. Empty for a group.",
                    wrong("person"),
                ),
            )),
            Part::Field(line(
                "group",
                "Or group, as its issuer names it",
                &wanted.group,
                (
                    "Everyone in it holds the role, and whoever decides who is in it gives the role from then on.",
                    wrong("group"),
                ),
            )),
            Part::Pick(Pick {
                name: "issuer",
                label: "The group's issuer".to_owned(),
                ways: issuers.into_iter().map(issuer).collect(),
                hint: "Groups of one issuer are not those of another.".to_owned(),
                wrong: wrong("issuer"),
            }),
        ],
        button: "Go on".to_owned(),
        back: LIST.to_owned(),
        is_only_a_look: true,
    }
}

/// Whom it is for; a mistake names its field.
async fn find(visitor: &Visitor, wanted: &Wanted) -> Result<Found, ControlError> {
    let operation = visitor.operation();
    operation.require(Right::RolesWrite)?;
    let role: Role = wanted
        .role
        .parse()
        .map_err(|_| Unusable::new("role", "is none that there is"))?;
    let (person, group) = (wanted.person.trim(), wanted.group.trim());
    if person.is_empty() == group.is_empty() {
        return Err(Unusable::new("person", "must be one person, or else a group").into());
    }
    if group.is_empty() {
        let person = match people::find(&operation, person).await {
            Err(error @ (ControlError::NoSuchPerson | ControlError::Ambiguous(_))) => {
                let why = format!("must be one whom we know: {error}");
                return Err(Unusable::new("person", why).into());
            }
            other => other?,
        };
        return Ok(Found {
            role,
            holder: Holder::Person(person.id),
            person: Some(person),
        });
    }
    let vouching = &visitor.console().control.vouching;
    let checked = vouching.check_groups_of(&wanted.issuer);
    checked.map_err(|why| Unusable::new("issuer", format!("cannot be: {why}")))?;
    Ok(Found {
        role,
        holder: Holder::Group {
            issuer: wanted.issuer.clone(),
            group: control::text::name("group", group)?,
        },
        person: None,
    })
}

fn confirm(found: &Found, reason: &str, wrong: Option<String>) -> Confirm {
    let role = found.role;
    let (whom, says, query) = match (&found.holder, &found.person) {
        (Holder::Group { issuer, group }, _) => (
            Said::from(format!("the group {group}")),
            format!(
                "Everyone in the group {} of {} holds it from their next request on. Who decides who is in that group decides from then on who is {role}.",
                Said::from(group).plain(),
                Said::from(issuer).plain(),
            ),
            [("group", group.clone()), ("issuer", issuer.clone())].to_vec(),
        ),
        (Holder::Person(id), person) => (
            person
                .as_ref()
                .map_or_else(|| Said::from(id.to_string()), name_of),
            person.as_ref().map_or_else(String::new, told),
            [("person", id.to_string())].to_vec(),
        ),
    };
    let mut action = Serializer::new(String::new());
    action
        .append_pair("role", role.as_str())
        .extend_pairs(query);
    Confirm {
        verb: format!("Make {role}:"),
        whom: Some(whom),
        does: vec![
            says,
            format!("The role {role}: {}.", head(role).what),
            "It holds from the next request on, until somebody takes it away.".to_owned(),
        ],
        action: format!("/console/roles/give/sure?{}", action.finish()),
        button: "Give the role".to_owned(),
        is_risk: role == Role::Owner,
        back: LIST.to_owned(),
        fields: vec![Field::reason(reason, wrong)],
    }
}

/// Names are whatever people call themselves, so what tells them apart stands here.
fn told(person: &Person) -> String {
    let email = Said::from(person.email.as_deref().unwrap_or("nobody's e-mail address"));
    format!(
        "This is {}, whom {} knows as {}.",
        email.plain(),
        person.issuer,
        Said::from(&person.stable_id).plain()
    )
}

fn shell(visitor: &Visitor) -> Shell {
    Shell::new(visitor, Place::Roles, "Give a role")
        .within("Are you sure?")
        .past("Give a role", "/console/roles/give")
}

/// The page for whom was found, or the form again with what is wrong beside its field.
async fn found_or_form(
    visitor: &Visitor,
    wanted: &Wanted,
) -> Result<Result<Found, Response>, Wrong> {
    let error = match find(visitor, wanted).await {
        Ok(found) => return Ok(Ok(found)),
        Err(error) => error,
    };
    for field in ["role", "person", "group", "issuer"] {
        if let Some(wrong) = of_field(&error, field) {
            let shell = Shell::new(visitor, Place::Roles, "Give a role").within("Give a role");
            let page = asking(visitor, wanted, &BTreeMap::from([(field, wrong)]));
            return Ok(Err(page.page(shell)));
        }
    }
    Err(error.into())
}

/// `GET /console/roles/give/sure`.
pub async fn sure(visitor: Visitor, Asked(wanted): Asked<Wanted>) -> Result<Response, Wrong> {
    visitor.operation().require(Right::RolesWrite)?;
    visitor.fresh()?;
    bounded(&wanted)?;
    Ok(match found_or_form(&visitor, &wanted).await? {
        Ok(found) => confirm(&found, "", None).page(shell(&visitor)),
        Err(form) => form,
    })
}

fn bounded(wanted: &Wanted) -> Result<(), Wrong> {
    let all = [&wanted.role, &wanted.person, &wanted.group, &wanted.issuer];
    let most = limits::NAME_CHARS_MAX * 2;
    if all.into_iter().all(|text| text.chars().count() <= most) {
        return Ok(());
    }
    let detail = "The address has a part that is too long.";
    Err(Wrong::new(domain::ReasonCode::ParameterInvalid, detail))
}

/// `POST /console/roles/give/sure`.
pub async fn give(
    visitor: Visitor,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    visitor.operation().require(Right::RolesWrite)?;
    visitor.fresh()?;
    bounded(&wanted)?;
    let found = match found_or_form(&visitor, &wanted).await? {
        Ok(found) => found,
        Err(form) => return Ok(form),
    };
    let operation = visitor.operation();
    let given = roles::grant(
        &operation,
        found.role,
        found.holder.clone(),
        form.reason.trim(),
    );
    match given.await {
        Ok(_) => Ok(asked::done(LIST, "given")),
        Err(error) => match (of_field(&error, "reason"), of_field(&error, "role")) {
            (Some(wrong), _) => {
                Ok(confirm(&found, &form.reason, Some(wrong)).page(shell(&visitor)))
            }
            _ => Err(error.into()),
        },
    }
}
