//! One definition, of a tool, of a prompt or a connector's instructions: what is offered, what changed since it was approved, what is suspicious, and the decision. Who approves names
//! the very definition they saw; when another one is offered by then, nothing is done and they are told.

use actions::pin::PinState;
use askama::Template;
use axum::response::Response;
use control::connectors::{self, Decision, Pin, Seen};
use control::{ControlError, Right};
use domain::connectors::DefinitionKind;
use domain::limits;
use http::HeaderMap;
use serde::Deserialize;

use super::{of_kind, of_pin, of_state, one::by, path, path_of};
use crate::pages::answer;
use crate::pages::asked::{self, Asked, Form, Named};
use crate::pages::confirm::Confirm;
use crate::pages::parts::{self, Badge, Copyable, Field, Notice, State};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// Lines of one part that are shown.
const LINES_MAX: usize = 200;

/// Which tool, or what else of which kind, and which definition of it.
#[derive(Debug, Deserialize)]
pub struct Which {
    action: Option<String>,
    kind: Option<String>,
    hash: Option<String>,
}

/// A decision as it was typed.
#[derive(Debug, Deserialize)]
pub struct Typed {
    csrf: String,
    #[serde(default)]
    reason: String,
}

/// A part of a definition: what stands no more, and what is new or stands.
#[derive(Debug, Clone)]
struct PartLines {
    what: &'static str,
    gone: Vec<Said>,
    came: Vec<Said>,
}

#[derive(Template)]
#[template(path = "connector_definition.html")]
struct Page {
    shell: Shell,
    back: String,
    name: Said,
    badge: Badge,
    notices: Vec<Notice>,
    changed: Vec<PartLines>,
    whole: Vec<PartLines>,
    findings: Vec<(Said, Said)>,
    does: &'static str,
    /// By what that was found, and what we propose, of a tool.
    classed: Option<(&'static str, State)>,
    offered_hash: Copyable,
    offered_at: When,
    first_seen: When,
    approved: Option<(Copyable, Said, When)>,
    approve: Option<String>,
    keep: Option<String>,
    because: Option<String>,
}

fn shell(visitor: &Visitor, connector: &str, title: &str) -> Shell {
    let shell = Shell::new(visitor, Place::Connectors, title).within(title);
    shell.past(connector, path(connector))
}

async fn find(visitor: &Visitor, name: &str, which: &Which) -> Result<(Seen, Pin), Wrong> {
    let seen = connectors::read(&visitor.operation(), name).await?;
    let (name, kind) = (
        asked::given(which.action.as_ref()),
        asked::given(which.kind.as_ref()),
    );
    let kind = match kind {
        "" => DefinitionKind::Tool,
        word => word.parse().map_err(|_| Wrong::nothing_here())?,
    };
    let is_meant = |pin: &&Pin| (pin.kind, &*pin.name) == (kind, name);
    let pin = seen.definitions().find(is_meant).cloned();
    Ok((seen, pin.ok_or_else(Wrong::nothing_here)?))
}

/// `GET /console/connectors/{name}/definition`.
pub async fn read(
    visitor: Visitor,
    Named(name): Named<String>,
    Asked(which): Asked<Which>,
) -> Result<Response, Wrong> {
    let (seen, pin) = find(&visitor, &name, &which).await?;
    let because = kept_from(&visitor, &seen, &pin);
    let decide = |page: &str| format!("{}&hash={}", path_to(&name, page, &pin), pin.hash);
    let is_listed = pin.state != PinState::Removed;
    let may_write = visitor.actor().may(Right::PolicyWrite);
    let said = |lines: Vec<String>| lines.iter().take(LINES_MAX).map(Said::from).collect();
    let changed = pin.differences().into_iter().map(|difference| PartLines {
        what: difference.part.what(),
        gone: said(difference.gone),
        came: said(difference.came),
    });
    let whole = pin.readable().into_iter().map(|(part, lines)| PartLines {
        what: part.what(),
        gone: Vec::new(),
        came: said(lines),
    });
    Ok(answer(&Page {
        shell: shell(&visitor, &name, &pin.name),
        back: path(&name),
        name: Said::from(&pin.name),
        badge: of_pin(&pin),
        notices: notices(&pin),
        changed: changed.collect(),
        whole: whole.collect(),
        findings: pin
            .findings
            .iter()
            .map(|(kind, what)| (Said::from(kind), Said::from(what)))
            .collect(),
        does: of_kind(&pin),
        classed: (pin.kind == DefinitionKind::Tool)
            .then(|| (by(&pin.basis), of_state(pin.proposed))),
        offered_hash: Copyable::short("hash", &pin.hash),
        offered_at: When::full(pin.offered_at),
        first_seen: When::full(pin.first_seen),
        approved: pin.approved.as_ref().map(|approved| {
            (
                Copyable::short("hash", &approved.hash),
                Said::from(&approved.by),
                When::full(approved.at),
            )
        }),
        approve: (is_listed && pin.state != PinState::Approved && because.is_none())
            .then(|| decide("approve")),
        keep: (is_listed && !pin.is_kept() && may_write).then(|| decide("keep-blocked")),
        because: because.filter(|_| is_listed && pin.state != PinState::Approved),
    }))
}

/// Why who looks cannot approve it.
fn kept_from(visitor: &Visitor, seen: &Seen, pin: &Pin) -> Option<String> {
    if let Err(error) = visitor.operation().require(Right::PolicyWrite) {
        return Some(error.to_string());
    }
    if let Some(why) = &pin.unfit {
        return Some(format!("Its definition cannot be read in one way: {why}."));
    }
    seen.summary.is_held_back().then(|| {
        "The connector is there for nobody: nobody has reviewed it, or a review says no.".to_owned()
    })
}

fn notices(pin: &Pin) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(why) = &pin.unfit {
        notices.push(
            Notice::stop(format!("Why: {why}. It stays blocked for everybody."))
                .titled("Its definition cannot be read in one way."),
        );
    }
    if !pin.findings.is_empty() {
        notices.push(
            Notice::stop("Claude would read it as it stands.")
                .titled("This definition is suspicious."),
        );
    }
    notices
}

/// What is about to be decided, with the definition that was seen.
fn confirm(name: &str, pin: &Pin, approves: bool, reason: &str, wrong: Option<String>) -> Confirm {
    let page = if approves { "approve" } else { "keep-blocked" };
    let mut does = if approves {
        vec![
            format!(
                "Doorward serves this definition ({}…) to whoever the policy lets {}.",
                &pin.hash[..12.min(pin.hash.len())],
                match pin.kind {
                    DefinitionKind::Tool => "do it",
                    DefinitionKind::Prompt => "have prompts there",
                    DefinitionKind::Instructions => "speak there",
                }
            ),
            "Any other definition of it is blocked again until somebody reads it.".to_owned(),
        ]
    } else {
        vec![
            match pin.kind {
                DefinitionKind::Tool => "It is not shown, and every call of it is refused.",
                DefinitionKind::Prompt => "It is not shown, and nobody can have it.",
                DefinitionKind::Instructions => "Claude does not read them.",
            }
            .to_owned(),
            "An earlier definition that was approved stays approved.".to_owned(),
        ]
    };
    if approves && !pin.findings.is_empty() {
        does.extend(
            pin.findings
                .iter()
                .map(|(_, what)| Said::from(what).plain().to_owned()),
        );
    }
    Confirm {
        verb: if approves {
            "Approve"
        } else {
            "Leave blocked:"
        }
        .to_owned(),
        whom: Some(Said::from(&pin.name)),
        does,
        action: format!("{}&hash={}", path_to(name, page, pin), pin.hash),
        button: if approves {
            "Approve"
        } else {
            "Leave it blocked"
        }
        .to_owned(),
        is_risk: false,
        back: path_to(name, "definition", pin),
        fields: vec![Field {
            name: "reason",
            label: "Why".to_owned(),
            value: reason.to_owned(),
            hint: "The ledger keeps it.".to_owned(),
            wrong,
            is_required: true,
            is_long: false,
            chars_max: limits::REASON_CHARS_MAX,
        }],
    }
}

async fn ask(
    visitor: Visitor,
    name: String,
    which: Which,
    approves: bool,
) -> Result<Response, Wrong> {
    visitor.operation().require(Right::PolicyWrite)?;
    if approves {
        visitor.fresh()?;
    }
    let (_, pin) = find(&visitor, &name, &which).await?;
    same(&name, &pin, &which)?;
    let page = confirm(&name, &pin, approves, "", None);
    Ok(page.page(shell(&visitor, &name, "Are you sure?")))
}

/// Goes on only with the definition that was seen.
fn same(name: &str, pin: &Pin, which: &Which) -> Result<(), Wrong> {
    if asked::given(which.hash.as_ref()) == pin.hash {
        return Ok(());
    }
    Err(changed(name, pin))
}

fn changed(name: &str, pin: &Pin) -> Wrong {
    Wrong::from(ControlError::DefinitionChanged)
        .leading_to("Read it again", path_to(name, "definition", pin))
}

fn path_to(connector: &str, page: &str, pin: &Pin) -> String {
    path_of(connector, page, pin.kind, &pin.name)
}

async fn act(
    visitor: Visitor,
    (name, which): (String, Which),
    headers: HeaderMap,
    (approves, typed): (bool, Typed),
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    if approves {
        visitor.fresh()?;
    }
    let (_, pin) = find(&visitor, &name, &which).await?;
    same(&name, &pin, &which)?;
    let decision = Decision {
        kind: pin.kind,
        name: pin.name.clone(),
        hash: pin.hash.clone(),
        approves,
        reason: typed.reason.trim().to_owned(),
    };
    match connectors::decide(&visitor.operation(), &name, &decision).await {
        Ok(()) => Ok(asked::done(
            &path(&name),
            if approves { "approved" } else { "kept" },
        )),
        Err(ControlError::DefinitionChanged) => Err(changed(&name, &pin)),
        Err(error) => match of_field(&error, "reason") {
            None => Err(error.into()),
            wrong => {
                let page = confirm(&name, &pin, approves, &typed.reason, wrong);
                Ok(page.page(shell(&visitor, &name, "Are you sure?")))
            }
        },
    }
}

/// `GET /console/connectors/{name}/approve`.
pub async fn ask_approve(
    visitor: Visitor,
    Named(name): Named<String>,
    Asked(which): Asked<Which>,
) -> Result<Response, Wrong> {
    ask(visitor, name, which, true).await
}

/// `POST /console/connectors/{name}/approve`.
pub async fn approve(
    visitor: Visitor,
    Named(name): Named<String>,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    act(visitor, (name, which), headers, (true, typed)).await
}

/// `GET /console/connectors/{name}/keep-blocked`.
pub async fn ask_keep(
    visitor: Visitor,
    Named(name): Named<String>,
    Asked(which): Asked<Which>,
) -> Result<Response, Wrong> {
    ask(visitor, name, which, false).await
}

/// `POST /console/connectors/{name}/keep-blocked`.
pub async fn keep(
    visitor: Visitor,
    Named(name): Named<String>,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    act(visitor, (name, which), headers, (false, typed)).await
}
