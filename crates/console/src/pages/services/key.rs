//! Make a service key, which is shown once and needs a fresh proof of who makes it, because it opens as long as it lives; take one away,
//! which asks first and needs no new proof, so that nothing slows whoever sees a stolen one.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use control::service_keys::{self, NewKey, ServiceKey};
use control::{ControlError, Right};
use domain::{ServiceId, limits};
use http::HeaderMap;
use http::request::Parts;
use serde::Deserialize;

use crate::Console;
use crate::pages::asked::{self, Asked, Form, Reasoned};
use crate::pages::confirm::Confirm;
use crate::pages::form::{Asking, Part, line};
use crate::pages::once::{self, Made, Shown};
use crate::pages::parts::Field;
use crate::pages::shell::{Place, Shell};
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

const LIST: &str = "/console/services";

/// Days that a new key lives when nobody says otherwise.
const DAYS: &str = "90";

/// For which service.
#[derive(Debug, Deserialize)]
pub struct Which {
    service: Option<String>,
}

/// A key to make.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    csrf: String,
    mark: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    groups: String,
    #[serde(default)]
    days: String,
}

fn shell(visitor: &Visitor) -> Shell {
    Shell::new(visitor, Place::Services, "New key").within("New key")
}

/// `GET /console/services/new-key`.
pub async fn ask_new(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    visitor.operation().require(Right::ServicesWrite)?;
    visitor.fresh()?;
    let wanted = Wanted {
        service: asked::sought("The service", which.service.as_ref())?.to_owned(),
        days: DAYS.to_owned(),
        ..Wanted::default()
    };
    Ok(asking(&visitor, &wanted, &|_| None).page(shell(&visitor)))
}

fn asking(visitor: &Visitor, wanted: &Wanted, wrong: &dyn Fn(&str) -> Option<String>) -> Asking {
    let name = line(
        "service",
        "Service",
        &wanted.service,
        (
            "Rules select by this name. One that is not there yet is made.",
            wrong("service"),
        ),
    );
    let mut groups = line(
        "groups",
        "Groups",
        &wanted.groups,
        (
            "What it is a member of when it comes with this key, one a line; may be none.",
            wrong("groups"),
        ),
    );
    groups.is_long = true;
    groups.chars_max = limits::SMALL_BODY_BYTES_MAX / 4;
    let days = line(
        "days",
        "Days until it ends",
        &wanted.days,
        (
            format!(
                "1 to {}; empty for a key that never ends.",
                limits::SERVICE_KEY_DAYS_MAX
            ),
            wrong("expires_in_days"),
        ),
    );
    Asking {
        title: "Make a service key".to_owned(),
        lead: "For a machine that has no identity provider of its own. One that has, such as a build of GitHub Actions or a pod, needs no key: \
               its issuer vouches for it."
            .to_owned(),
        notices: Vec::new(),
        action: "/console/services/new-key".to_owned(),
        mark: Some(once::mark(visitor)),
        parts: [
            Field {
                is_required: true,
                ..name
            },
            groups,
            days,
        ]
        .map(Part::Field)
        .into(),
        button: "Make the key".to_owned(),
        back: LIST.to_owned(),
        is_only_a_look: false,
    }
}

/// The key that was typed, or the field that cannot be read and why.
fn read(wanted: &Wanted) -> Result<NewKey, ControlError> {
    let groups = wanted.groups.lines().map(str::trim);
    let groups: BTreeSet<String> = groups
        .filter(|group| !group.is_empty())
        .map(str::to_owned)
        .collect();
    Ok(NewKey {
        name: wanted.service.trim().to_owned(),
        groups,
        days: days(&wanted.days)?,
    })
}

/// A number of days, none for nothing.
pub fn days(text: &str) -> Result<Option<u32>, ControlError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let days = text.parse().map_err(|_| {
        let why = "must be a whole number of days";
        control::text::Unusable::new("expires_in_days", why)
    })?;
    Ok(Some(days))
}

/// `POST /console/services/new-key`.
pub async fn make(
    visitor: Visitor,
    headers: HeaderMap,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &wanted.csrf)?;
    visitor.operation().require(Right::ServicesWrite)?;
    visitor.fresh()?;
    let operation = visitor.operation();
    let made = match read(&wanted) {
        Err(error) => Err(error),
        Ok(new) => {
            let making = service_keys::create(&operation, new);
            once::make(&visitor, (&wanted.mark, LIST), making).await?
        }
    };
    let error = match made {
        Ok((key, secret)) => {
            let public_url = &visitor.console().installation.public_url;
            return Ok(shown(&key, Shown::new("key", secret), public_url).page(shell(&visitor)));
        }
        Err(error) => error,
    };
    let fields = ["service", "groups", "expires_in_days"];
    if fields.iter().any(|field| of_field(&error, field).is_some()) {
        let wrong = |field: &str| of_field(&error, field);
        return Ok(asking(&visitor, &wanted, &wrong).page(shell(&visitor)));
    }
    Err(error.into())
}

fn shown(key: &ServiceKey, shown: Shown, public_url: &str) -> Made {
    let name = Said::from(&key.service_name);
    let ends = key.expires.map_or_else(
        || "It never ends; take it away when nothing uses it any more.".to_owned(),
        |end| format!("It ends on {}.", crate::pages::show::day(end)),
    );
    Made {
        title: format!("A key for {}", name.plain()),
        shown,
        says: vec![
            format!(
                "With it a machine is the service {}; what it may use is the policy's to say.",
                name.plain()
            ),
            ends,
            "Who finds it can use Claude at the company's expense: it belongs in a secret store, never into a file of a repository.".to_owned(),
        ],
        texts: vec![(
            "Where a program reads its environment".to_owned(),
            format!("ANTHROPIC_BASE_URL={public_url}\nANTHROPIC_AUTH_TOKEN=<the key>"),
        )],
        on: (
            "To the service".to_owned(),
            format!("/console/services/{}", key.service),
        ),
    }
}

/// A key of a service, in a path.
#[derive(Debug)]
pub struct Key {
    service: ServiceId,
    hash: String,
}

impl FromRequestParts<Arc<Console>> for Key {
    type Rejection = Wrong;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Wrong> {
        let path = Path::<(String, String)>::from_request_parts(parts, console).await;
        let Path((service, hash)) = path.map_err(|_| Wrong::nothing_here())?;
        let service = service.parse().map_err(|_| Wrong::nothing_here())?;
        Ok(Self { service, hash })
    }
}

fn sure(visitor: &Visitor, key: &ServiceKey) -> Shell {
    let name = Said::from(&key.service_name);
    Shell::new(visitor, Place::Services, "Take a key away")
        .within("Are you sure?")
        .past(name.plain(), format!("/console/services/{}", key.service))
}

fn confirm(key: &ServiceKey, reason: &str, wrong: Option<String>) -> Confirm {
    let used = key.used_at.map_or_else(
        || "No use of it was noted.".to_owned(),
        |at| format!("It was last used on {}.", crate::pages::show::day(at)),
    );
    let name = Said::from(format!("{}… of {}", key.prefix, key.service_name));
    Confirm {
        verb: "Take away the key".to_owned(),
        whom: Some(name),
        does: vec![
            "It opens nothing from then on; open answers are cut within a second, on every replica.".to_owned(),
            used,
            "Other keys of the service stay. This cannot be taken back: make a new key instead.".to_owned(),
        ],
        action: format!("/console/services/{}/keys/{}/revoke", key.service, key.key_hash),
        button: "Take it away".to_owned(),
        is_risk: true,
        back: format!("/console/services/{}", key.service),
        fields: vec![Field::reason(reason, wrong)],
    }
}

/// `GET /console/services/{id}/keys/{key}/revoke`.
pub async fn ask_revoke(visitor: Visitor, which: Key) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    operation.require(Right::ServicesWrite)?;
    let key = service_keys::one(&operation, which.service, &which.hash).await?;
    Ok(confirm(&key, "", None).page(sure(&visitor, &key)))
}

/// `POST /console/services/{id}/keys/{key}/revoke`. A stolen key is taken away at once: no new proof is asked for.
pub async fn revoke(
    visitor: Visitor,
    which: Key,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    let operation = visitor.operation();
    operation.require(Right::ServicesWrite)?;
    let key = service_keys::one(&operation, which.service, &which.hash).await?;
    match service_keys::revoke(&operation, &key.key_hash, form.reason.trim()).await {
        Ok(_) => Ok(asked::done(
            &format!("/console/services/{}", key.service),
            "revoked",
        )),
        Err(error) => match of_field(&error, "reason") {
            Some(wrong) => Ok(confirm(&key, &form.reason, Some(wrong)).page(sure(&visitor, &key))),
            None => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_lines_and_days_are_a_number_or_nothing() {
        let wanted = |groups: &str, days: &str| Wanted {
            groups: groups.to_owned(),
            days: days.to_owned(),
            ..Wanted::default()
        };
        let read_groups = |text| read(&wanted(text, "")).unwrap().groups;
        assert_eq!(
            read_groups(" ci \r\n\r\nBetrieb, Süd"),
            ["ci", "Betrieb, Süd"].map(str::to_owned).into()
        );
        assert_eq!(read(&wanted("", "7")).unwrap().days, Some(7));
        assert_eq!(read(&wanted("", "")).unwrap().days, None);
        for bad in ["-1", "soon", "1.5", "99999999999"] {
            let error = read(&wanted("", bad)).unwrap_err();
            assert!(of_field(&error, "expires_in_days").is_some(), "{bad}");
        }
    }
}
