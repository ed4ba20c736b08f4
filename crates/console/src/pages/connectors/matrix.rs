//! Changes of several states at once, as a draft of the policy: one entry for each group and state, laid into the text in force, and shown
//! in the policy's own preview with whom it touches. Nothing is changed here.
//!
//! An entry only ever makes a state stricter, unless nothing permits the action yet: the most restrictive entry counts. What a stricter
//! entry says is changed where that entry stands.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use control::connectors::{self, Cell};
use control::policies;
use control::policies::edit::{self, Entry};
use domain::ReasonCode;
use domain::connectors::{ActionPattern, ActionState};
use domain::policy::Who;
use domain::policy::connectors::{Action, Approver};
use http::HeaderMap;

use super::one::group_name;
use super::path;
use crate::pages::asked::{LongForm, Named};
use crate::pages::policy::draft::{self, Draft};
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// What stands where nothing permits an action.
const NOTHING: &str = "nothing permits it";

/// The states that a cell can be given by one more entry: its own, stricter ones, and any where nothing permits it yet.
pub(super) fn choices(cell: &Cell) -> Vec<ActionState> {
    let is_open = cell.by.iter().all(|by| by == NOTHING);
    let fits = |state: &&ActionState| is_open || **state >= cell.state;
    ActionState::ALL.iter().filter(fits).copied().collect()
}

/// The same in its row. An entry names whom it is for, and never whom it is not for: what is written for everyone else is for everyone, so
/// it is offered only where it changes nothing for the groups beside it.
pub(super) fn choices_in(row: &[Cell], group: Option<&String>, cell: &Cell) -> Vec<ActionState> {
    let mut choices = choices(cell);
    if group.is_none() {
        let beside: Vec<&Cell> = row.iter().filter(|one| !std::ptr::eq(*one, cell)).collect();
        let is_open = |one: &Cell| one.by.iter().all(|by| by == NOTHING);
        let leaves = |state: ActionState| {
            let mut groups = beside.iter();
            groups.all(|one| state <= one.state && !is_open(one))
        };
        choices.retain(|state| *state == cell.state || leaves(*state));
    }
    choices
}

/// The name of a cell's field: its group and its action.
pub(super) fn field_name(group: Option<&String>, action: &str) -> String {
    let spelled =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    match group {
        Some(group) => format!("g|{}|{}", spelled(group), spelled(action)),
        None => format!("e||{}", spelled(action)),
    }
}

/// `POST /console/connectors/{name}/draft`: the policy's preview of what was chosen.
pub async fn draft(
    visitor: Visitor,
    Named(name): Named<String>,
    headers: HeaderMap,
    LongForm(fields): LongForm<Vec<(String, String)>>,
) -> Result<Response, Wrong> {
    draft::require(&visitor, &headers)?;
    let operation = visitor.operation();
    let seen = connectors::read(&operation, &name).await?;
    let issuers = visitor.console().rules.issuers_for_people();
    let matrix = connectors::matrix(&operation, &seen, issuers).await?;
    let chosen: BTreeMap<&str, &str> = fields
        .iter()
        .map(|(field, value)| (&**field, &**value))
        .collect();
    let mut wanted = Wanted::new();
    for (at, cells) in &matrix.rows {
        let action = &*seen.actions[*at].name;
        for (group, cell) in matrix.groups.iter().zip(cells) {
            let field = field_name(group.as_ref(), action);
            let state = chosen
                .get(&*field)
                .and_then(|word| word.parse::<ActionState>().ok());
            if let Some(state) = state.filter(|state| *state != cell.state)
                && choices_in(cells, group.as_ref(), cell).contains(&state)
            {
                wanted
                    .entry((group.as_ref(), state))
                    .or_default()
                    .insert(action);
            }
        }
    }
    if wanted.is_empty() {
        let detail = "Nothing was chosen that is not so already.";
        let wrong = Wrong::new(ReasonCode::ParameterInvalid, detail);
        return Err(wrong.leading_to("Back to the connector", path(&name)));
    }
    preview(&visitor, &name, wanted).await
}

/// The actions that are to have a state for a group; for everybody, where it is none.
type Wanted<'w> = BTreeMap<(Option<&'w String>, ActionState), BTreeSet<&'w str>>;

/// The policy's preview with one more entry for each.
pub(super) async fn preview(
    visitor: &Visitor,
    name: &str,
    wanted: Wanted<'_>,
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let latest = policies::latest(&operation).await?;
    let (mut text, expected) = latest.map_or_else(
        || (String::new(), 0),
        |latest| (latest.text, latest.version),
    );
    for ((group, state), actions) in wanted {
        let entry = entry(name, (group, state), actions, &text);
        text = edit::add(&text, &Entry::Action(entry)).map_err(|_| {
            let detail = "The policy's text cannot take one more entry; change it as text.";
            Wrong::new(ReasonCode::ParameterInvalid, detail)
                .leading_to("Change the policy", "/console/policy/edit")
        })?;
    }
    let draft = Draft {
        text,
        expected,
        ..Draft::default()
    };
    draft::shown(visitor, draft, draft::Beside::default()).await
}

fn entry(
    connector: &str,
    (group, state): (Option<&String>, ActionState),
    actions: BTreeSet<&str>,
    text: &str,
) -> Action {
    let whose = group.map_or_else(|| Said::from("everyone"), |_| group_name(group));
    let base = format!("{connector}: {state} for {}", whose.plain());
    // Names are told apart: an entry of this name may stand from the last time.
    let is_taken =
        |name: &String| edit::find(text, policies::places::Section::Action, name).is_ok();
    let numbered = (2..).map(|number| format!("{base} ({number})"));
    let name = std::iter::once(base.clone())
        .chain(numbered)
        .find(|name| !is_taken(name));
    Action {
        name: name.unwrap_or(base),
        who: Who {
            groups: group.cloned().into_iter().collect(),
            ..Who::default()
        },
        connector: connector.to_owned(),
        actions: actions
            .into_iter()
            .map(|name| ActionPattern(name.to_owned()))
            .collect(),
        classes: BTreeSet::new(),
        state,
        approver: Approver::default(),
        argument: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_entry_only_makes_it_stricter_unless_nothing_permits_it() {
        use ActionState::{Allow, Ask, Blocked};
        let cell = |state, by: &str| Cell {
            state,
            by: vec![by.to_owned()],
        };
        for (cell, expected) in [
            (cell(Allow, "reading"), vec![Allow, Ask, Blocked]),
            (cell(Ask, "writing"), vec![Ask, Blocked]),
            (cell(Blocked, "never"), vec![Blocked]),
            (cell(Blocked, "the ceiling for member-pii"), vec![Blocked]),
            (cell(Blocked, NOTHING), vec![Allow, Ask, Blocked]),
        ] {
            assert_eq!(choices(&cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn what_is_written_for_everyone_else_changes_nothing_for_the_groups_beside_it() {
        use ActionState::{Allow, Ask, Blocked};
        let cell = |state, by: &str| Cell {
            state,
            by: vec![by.to_owned()],
        };
        let check = |beside: &[Cell], own: Cell, expected: &[ActionState]| {
            let row: Vec<Cell> = beside.iter().cloned().chain([own]).collect();
            let found = choices_in(&row, None, &row[beside.len()]);
            assert_eq!(found, expected, "{row:?}");
        };
        let nothing = || cell(Blocked, NOTHING);
        check(&[], nothing(), &[Allow, Ask, Blocked]);
        check(&[cell(Allow, "reading")], nothing(), &[Allow, Blocked]);
        check(&[cell(Ask, "writing")], nothing(), &[Allow, Ask, Blocked]);
        check(&[cell(Ask, "writing"), nothing()], nothing(), &[Blocked]);
        check(&[cell(Allow, "reading")], cell(Allow, "reading"), &[Allow]);
        check(
            &[cell(Blocked, "never")],
            cell(Ask, "writing"),
            &[Ask, Blocked],
        );
    }

    #[test]
    fn no_two_cells_share_a_field() {
        let (a, b) = ("a|b".to_owned(), "a".to_owned());
        let fields = [
            field_name(Some(&a), "c"),
            field_name(Some(&b), "b|c"),
            field_name(None, "c"),
            field_name(Some(&String::new()), "c"),
        ];
        let different: BTreeSet<_> = fields.iter().collect();
        assert_eq!(different.len(), fields.len());
    }
}
