//! Take a role away: asks first, says whose it is, and needs a fresh proof. The last owner's is refused by `control`, also when two tabs
//! take the last two at once.

use axum::response::Response;
use control::roles::{self, Holder, RoleBinding};
use control::{ControlError, Right, Role};
use domain::BindingId;
use http::HeaderMap;

use super::{labels, who};
use crate::pages::asked::{self, Form, Named, Reasoned};
use crate::pages::confirm::Confirm;
use crate::pages::parts::Field;
use crate::pages::shell::{Place, Shell};
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

const LIST: &str = "/console/roles";

fn shell(visitor: &Visitor) -> Shell {
    Shell::new(visitor, Place::Roles, "Take a role away").within("Are you sure?")
}

async fn find(visitor: &Visitor, id: BindingId) -> Result<(RoleBinding, Said), Wrong> {
    let operation = visitor.operation();
    operation.require(Right::RolesWrite)?;
    let (bindings, _) = roles::list(&operation).await?;
    let found = bindings.into_iter().find(|binding| binding.id == id);
    let found = found.ok_or(ControlError::NoSuch("role"))?;
    let labels = labels(visitor, std::slice::from_ref(&found)).await?;
    let who = who(&found.holder, &labels).word;
    Ok((found, who))
}

fn confirm(
    visitor: &Visitor,
    (binding, who): &(RoleBinding, Said),
    (reason, wrong): (&str, Option<String>),
) -> Confirm {
    let role = binding.role;
    let is_own = matches!(binding.holder, Holder::Person(person) if visitor.actor().person_id() == Some(person));
    let mut does = vec![
        "It is gone from the next request on; their sessions and what they may use of Claude stay."
            .to_owned(),
        "Roles that they hold through a group, or that others hold, stay.".to_owned(),
    ];
    if is_own {
        does.insert(0, "This is your own role.".to_owned());
    }
    if role == Role::Owner {
        does.push(
            "Somebody else goes on to be owner: the last one's role is not taken away here."
                .to_owned(),
        );
    }
    Confirm {
        verb: format!("Take the role {role} away from"),
        whom: Some(who.clone()),
        does,
        action: format!("/console/roles/{}/take", binding.id),
        button: "Take it away".to_owned(),
        is_risk: true,
        back: LIST.to_owned(),
        fields: vec![Field::reason(reason, wrong)],
    }
}

/// `GET /console/roles/{id}/take`.
pub async fn ask(visitor: Visitor, Named(id): Named<BindingId>) -> Result<Response, Wrong> {
    visitor.operation().require(Right::RolesWrite)?;
    visitor.fresh()?;
    let found = find(&visitor, id).await?;
    Ok(confirm(&visitor, &found, ("", None)).page(shell(&visitor)))
}

/// `POST /console/roles/{id}/take`.
pub async fn take(
    visitor: Visitor,
    Named(id): Named<BindingId>,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    visitor.operation().require(Right::RolesWrite)?;
    visitor.fresh()?;
    match roles::revoke(&visitor.operation(), id, form.reason.trim()).await {
        Ok((gone, _)) => Ok(after(&visitor, &gone)),
        Err(error) => match of_field(&error, "reason") {
            Some(wrong) => {
                let found = find(&visitor, id).await?;
                let page = confirm(&visitor, &found, (&form.reason, Some(wrong)));
                Ok(page.page(shell(&visitor)))
            }
            None => Err(error.into()),
        },
    }
}

/// Whoever took their own last role away may not see the list any more.
fn after(visitor: &Visitor, gone: &RoleBinding) -> Response {
    let is_own = matches!(gone.holder, Holder::Person(person) if visitor.actor().person_id() == Some(person));
    asked::done(if is_own { "/me" } else { LIST }, "taken")
}
