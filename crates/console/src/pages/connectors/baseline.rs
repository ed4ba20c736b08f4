//! The plan's baseline for a kind of system, laid over what a connector really lists: what state it has for each action, which actions it
//! says nothing of, and which of its rows are about nothing. Laid over one group it becomes a draft of the policy, like every change.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use control::connectors::{self, Seen};
use domain::ReasonCode;
use domain::connectors::ActionState;
use http::HeaderMap;
use serde::Deserialize;

use super::{matrix, of_state, path};
use crate::pages::asked::{self, Form, Named};
use crate::pages::parts::State;
use crate::pages::policy::draft;
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Words, Wrong};

/// What the page shows of baselines.
#[derive(Debug, Clone)]
pub(super) struct Baseline {
    /// Every one: its id, its title, and whether it is the one that is looked at.
    pub(super) all: Vec<(String, String, bool)>,
    pub(super) chosen: Option<Laid>,
}

/// One baseline laid over what the connector lists.
#[derive(Debug, Clone)]
pub(super) struct Laid {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) source: String,
    pub(super) rows: Vec<(Said, Option<State>)>,
    pub(super) idle: Vec<String>,
    /// Whether it says anything of what is listed.
    pub(super) is_about_any: bool,
}

impl Baseline {
    /// The one of this id, else the one that the catalogue names for the connector.
    pub(super) fn over(visitor: &Visitor, seen: &Seen, id: &str) -> Result<Self, Wrong> {
        let catalogue = connectors::catalogue(&visitor.operation())?;
        let of_catalogue = seen
            .known
            .as_ref()
            .and_then(|known| known.about().baseline.as_deref());
        let id = if id.is_empty() {
            of_catalogue.unwrap_or_default()
        } else {
            id
        };
        let titles = catalogue.baselines.iter();
        let titles = titles.map(|one| (one.id.clone(), one.title.clone(), one.id == id));
        let chosen = catalogue.baseline(id).map(|found| {
            let applied = seen.baseline(found);
            Laid {
                id: found.id.clone(),
                title: found.title.clone(),
                source: found.source.clone(),
                is_about_any: applied.actions.iter().any(|(_, state)| state.is_some()),
                rows: applied
                    .actions
                    .iter()
                    .map(|(name, state)| (Said::from(*name), state.map(of_state)))
                    .collect(),
                idle: applied.idle.iter().map(|what| (*what).to_owned()).collect(),
            }
        });
        Ok(Self {
            all: titles.collect(),
            chosen,
        })
    }
}

/// What is said where a baseline changes nothing.
static NOTHING_TO_CHANGE: Words = Words {
    title: "Nothing to change",
    help: "Choose another group or another baseline.",
    fault: "Nobody's.",
};

/// Which baseline for whom.
#[derive(Debug, Deserialize)]
pub struct Chosen {
    #[serde(default)]
    baseline: String,
    #[serde(default)]
    group: String,
}

/// `POST /console/connectors/{name}/baseline`: the policy's preview of the baseline for one group.
pub async fn draft(
    visitor: Visitor,
    Named(name): Named<String>,
    headers: HeaderMap,
    Form(chosen): Form<Chosen>,
) -> Result<Response, Wrong> {
    draft::require(&visitor, &headers)?;
    let operation = visitor.operation();
    let seen = connectors::read(&operation, &name).await?;
    let catalogue = connectors::catalogue(&operation)?;
    let baseline = catalogue
        .baseline(&chosen.baseline)
        .ok_or_else(Wrong::nothing_here)?;
    let group = asked::sought("A group", Some(&chosen.group))?;
    let group = Some(group.to_owned()).filter(|group| !group.is_empty());
    let issuers = visitor.console().rules.issuers_for_people();
    let cells = connectors::of_group(&operation, &seen, issuers, group.as_ref()).await?;
    let applied = seen.baseline(baseline);
    let mut wanted: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for ((_, cell), (action, state)) in cells.iter().zip(&applied.actions) {
        let state: Option<ActionState> = *state;
        if let Some(state) = state.filter(|state| *state != cell.state)
            && matrix::choices(cell).contains(&state)
        {
            let group = group.as_ref();
            wanted.entry((group, state)).or_default().insert(*action);
        }
    }
    if wanted.is_empty() {
        let detail = "What it says of these actions is so already for them, or stricter.";
        let wrong = Wrong::new(ReasonCode::ParameterInvalid, detail);
        return Err(wrong
            .in_words(&NOTHING_TO_CHANGE)
            .leading_to("Back to the connector", path(&name)));
    }
    matrix::preview(&visitor, &name, wanted).await
}
