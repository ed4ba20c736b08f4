//! Roles: who may administer.

use axum::Json;
use control::Role;
use control::roles::{self, Holder, RoleBinding};
use domain::{BindingId, PersonId, ReasonCode};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::call::{Body, Call, Id, Why};
use crate::Problem;

/// Who holds a role: a person, or everyone in a group of an issuer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HolderView {
    /// The person's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    /// The group, as its issuer names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// The group's issuer, by its configured name; `entra/<tenant>` where it is trusted for several tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
}

/// A role that was given.
#[derive(Debug, Serialize, ToSchema)]
pub struct BindingView {
    /// Its id.
    id: String,
    /// `owner`, `admin`, `approver`, `auditor` or `technician`.
    role: String,
    /// Who holds it.
    holder: HolderView,
    /// Who gave it.
    made_by: String,
    /// When.
    created: String,
}

/// Roles, and what to think about.
#[derive(Debug, Serialize, ToSchema)]
pub struct Bindings {
    /// Every binding, oldest first; there are never many.
    items: Vec<BindingView>,
    /// What is wrong with the number of owners, if anything is.
    warning: Option<String>,
}

/// A binding, and what to think about.
#[derive(Debug, Serialize, ToSchema)]
pub struct Bound {
    /// The binding.
    binding: BindingView,
    /// What is wrong with the number of owners, if anything is.
    warning: Option<String>,
}

/// A role to give.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleToGive {
    /// `owner`, `admin`, `approver`, `auditor` or `technician`.
    #[schema(max_length = 16, example = "auditor")]
    role: String,
    /// Who gets it.
    holder: HolderView,
    /// Why, for whoever reads the ledger.
    #[schema(max_length = 500)]
    reason: String,
}

fn view(binding: RoleBinding) -> BindingView {
    let holder = match binding.holder {
        Holder::Person(person) => HolderView {
            person: Some(person.to_string()),
            group: None,
            issuer: None,
        },
        Holder::Group { issuer, group } => HolderView {
            person: None,
            group: Some(group),
            issuer: Some(issuer),
        },
    };
    BindingView {
        id: binding.id.to_string(),
        role: binding.role.to_string(),
        holder,
        made_by: binding.made_by,
        created: binding.created.to_string(),
    }
}

/// Who holds which role.
#[utoipa::path(get, path = "/roles", operation_id = "roles_list", tag = "roles",
    responses((status = 200, body = Bindings)))]
pub async fn list(call: Call) -> Result<Json<Bindings>, Problem> {
    let (found, warning) = roles::list(&call.operation()).await?;
    let items = found.into_iter().map(view).collect();
    Ok(Json(Bindings { items, warning }))
}

/// Give a role. One that is held already stays as it is.
#[utoipa::path(post, path = "/roles", operation_id = "roles_grant", tag = "roles", request_body = RoleToGive,
    responses((status = 201, body = Bound), (status = 200, body = Bound, description = "It was held already")))]
pub async fn grant(
    call: Call,
    Body(wanted): Body<RoleToGive>,
) -> Result<(StatusCode, Json<Bound>), Problem> {
    let operation = call.operation();
    operation.require(control::Right::RolesWrite)?;
    let role: Role = wanted.role.parse().map_err(|_| {
        Problem::new(
            ReasonCode::ParameterInvalid,
            "`role` is none that there is.",
        )
    })?;
    let holder = holder(&call, wanted.holder)?;
    let given = roles::grant(&operation, role, holder, &wanted.reason).await?;
    let status = if given.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let bound = Bound {
        binding: view(given.binding),
        warning: given.warning,
    };
    Ok((status, Json(bound)))
}

fn holder(call: &Call, wanted: HolderView) -> Result<Holder, Problem> {
    match (wanted.person, wanted.group, wanted.issuer) {
        (Some(person), None, None) => {
            let person: Result<PersonId, _> = person.parse();
            let person = person.map_err(|_| Problem::plain(ReasonCode::ThingUnknown))?;
            Ok(Holder::Person(person))
        }
        (None, Some(group), Some(issuer)) => {
            let known = call.vouching().check_groups_of(&issuer);
            known.map_err(|why| {
                let detail = format!("`holder.issuer`: {why}.");
                Problem::new(ReasonCode::ParameterInvalid, detail)
            })?;
            Ok(Holder::Group { issuer, group })
        }
        _ => Err(Problem::new(
            ReasonCode::ParameterInvalid,
            "`holder` must be a `person`, or a `group` and its `issuer`.",
        )),
    }
}

/// Take a role away; with the next request it is gone.
#[utoipa::path(post, path = "/roles/{id}/revoke", operation_id = "roles_revoke", tag = "roles",
    params(("id" = String, Path)), request_body = Why, responses((status = 200, body = Bound)))]
pub async fn revoke(
    call: Call,
    Id(id): Id<BindingId>,
    Body(why): Body<Why>,
) -> Result<Json<Bound>, Problem> {
    let (gone, warning) = roles::revoke(&call.operation(), id, &why.reason).await?;
    Ok(Json(Bound {
        binding: view(gone),
        warning,
    }))
}
