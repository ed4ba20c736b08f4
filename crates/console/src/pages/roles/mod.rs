//! Roles: who may administer, what each role may, and giving and taking them. The last owner's is not taken here: nobody could give a
//! role any more.
//!
//! - [`give`]: give a role
//! - [`take`]: take one away

pub mod give;
pub mod take;

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::roles::{self, Holder, RoleBinding};
use control::{Right, Role, people};
use domain::BindingId;
use serde::Deserialize;

use super::answer;
use super::asked::{self, Asked};
use super::parts::{self, Link, Notice, Shape, Source, Tone};
use super::shell::{Place, Shell};
use super::show::{self, Said};
use super::visit::Visitor;
use super::wrong::{Wrong, sentence};
use crate::Console;

/// Everything under `/console/roles`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/roles", get(list))
        .route("/console/roles/give", get(give::ask))
        .route("/console/roles/give/sure", get(give::sure).post(give::give))
        .route("/console/roles/{id}/take", get(take::ask).post(take::take))
}

#[derive(Debug, Deserialize)]
struct Which {
    done: Option<String>,
}

/// A role that somebody holds.
#[derive(Debug, Clone)]
struct Row {
    role: String,
    who: Who,
    by: Said,
    since: String,
    take: Option<String>,
    because: Option<&'static str>,
}

/// Who holds it.
#[derive(Debug, Clone)]
struct Who {
    drawing: parts::Icon,
    link: Option<Link>,
    word: Said,
    sub: Said,
}

/// What one right allows, and which roles have it.
#[derive(Debug, Clone)]
struct RightRow {
    what: &'static str,
    word: &'static str,
    has: Vec<bool>,
}

/// A role in the head of the table.
#[derive(Debug, Clone)]
struct RoleHead {
    word: &'static str,
    what: &'static str,
}

#[derive(Template)]
#[template(path = "roles.html")]
struct Page {
    shell: Shell,
    warning: Option<Notice>,
    rows: Vec<Row>,
    may_give: bool,
    heads: Vec<RoleHead>,
    rights: Vec<RightRow>,
    source: Source,
}

async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let (bindings, warning) = roles::list(&operation).await?;
    let labels = labels(&visitor, &bindings).await?;
    let may_give = visitor.actor().may(Right::RolesWrite);
    let only = roles::only_owner(&bindings);
    let row = |binding: &RoleBinding| row(binding, &labels, (may_give, only));
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Roles, "Roles")
            .telling(told(asked::given(which.done.as_ref()))),
        warning: warning.map(|text| Notice::ask(sentence(&text)).titled("Mind the owners.")),
        rows: bindings.iter().map(row).collect(),
        may_give,
        heads: Role::ALL.iter().copied().map(head).collect(),
        rights: Right::ALL
            .iter()
            .copied()
            .filter(|right| !right.roles().is_empty())
            .map(right_row)
            .collect(),
        source: Source(vec![
            "as the store has it now; a change holds from the next request on".to_owned(),
            "everyone is a member, which nobody is given".to_owned(),
        ]),
    }))
}

fn told(word: &str) -> Option<Notice> {
    matches!(word, "given" | "taken").then(|| {
        Notice::info("Who holds which role now stands below. A change holds from the next request on, on every replica.")
    })
}

/// What the people who hold these are called.
async fn labels(
    visitor: &Visitor,
    bindings: &[RoleBinding],
) -> Result<BTreeMap<String, String>, Wrong> {
    let ids: Vec<String> = bindings
        .iter()
        .filter_map(|binding| match &binding.holder {
            Holder::Person(person) => Some(person.to_string()),
            Holder::Group { .. } => None,
        })
        .collect();
    Ok(people::labels(&visitor.operation(), &ids).await?)
}

fn row(
    binding: &RoleBinding,
    labels: &BTreeMap<String, String>,
    (may_give, only): (bool, Option<BindingId>),
) -> Row {
    let is_only = only == Some(binding.id);
    Row {
        role: binding.role.to_string(),
        who: who(&binding.holder, labels),
        by: Said::from(&binding.made_by),
        since: show::day(binding.created),
        take: (may_give && !is_only).then(|| format!("/console/roles/{}/take", binding.id)),
        because: (may_give && is_only).then_some(
            "The only owner: without one nobody could give a role here. Give it to somebody else first.",
        ),
    }
}

fn who(holder: &Holder, labels: &BTreeMap<String, String>) -> Who {
    match holder {
        Holder::Person(person) => {
            let id = person.to_string();
            let word = labels.get(&id).map_or_else(|| Said::from(&id), Said::from);
            Who {
                drawing: parts::icon("person"),
                link: Some(Link {
                    to: format!("/console/people/{id}"),
                    word: word.clone(),
                }),
                word,
                sub: Said::default(),
            }
        }
        Holder::Group { issuer, group } => Who {
            drawing: parts::icon("group"),
            link: None,
            word: Said::from(group),
            sub: Said::from(format!("everyone in this group of {issuer}")),
        },
    }
}

/// What a role is for.
const fn head(role: Role) -> RoleHead {
    RoleHead {
        word: role.as_str(),
        what: match role {
            Role::Owner => "everything; alone gives roles and directory tokens. One or two people",
            Role::Admin => "runs it day by day",
            Role::Approver => "decides about what others ask for",
            Role::Auditor => "reads everything, writes nothing of the company's",
            Role::Technician => {
                "a service provider's: sets up and runs, reads no ledger, gives no roles"
            }
            Role::Member => "their own sessions, tokens and budgets; everyone is one",
        },
    }
}

fn right_row(right: Right) -> RightRow {
    RightRow {
        what: right.what(),
        word: right.as_str(),
        has: Role::ALL
            .iter()
            .map(|role| right.roles().contains(role))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{PersonId, Timestamp};

    fn binding(number: u128, role: Role, holder: Holder) -> RoleBinding {
        RoleBinding {
            id: BindingId::from_parts(1, number),
            role,
            holder,
            made_by: "ada".to_owned(),
            created: Timestamp::from_unix_ms(0),
        }
    }

    #[test]
    fn the_only_owner_keeps_the_role_and_the_page_says_why() {
        let person = Holder::Person(PersonId::from_parts(1, 1));
        let all = [
            binding(1, Role::Owner, person.clone()),
            binding(2, Role::Auditor, person.clone()),
        ];
        let only = roles::only_owner(&all);
        let (owner, auditor) = (
            row(&all[0], &BTreeMap::new(), (true, only)),
            row(&all[1], &BTreeMap::new(), (true, only)),
        );
        assert!(owner.take.is_none() && owner.because.is_some());
        assert!(auditor.take.is_some() && auditor.because.is_none());
        let second = binding(3, Role::Owner, person);
        let two = [all[0].clone(), second];
        assert!(
            row(&two[0], &BTreeMap::new(), (true, roles::only_owner(&two)))
                .take
                .is_some()
        );
        assert!(row(&all[1], &BTreeMap::new(), (false, only)).take.is_none());
    }
}
