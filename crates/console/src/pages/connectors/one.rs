//! One connector: what each group may do, what Claude reads of it and how those definitions stand, who has connected an account of their own there, and
//! its reviews.

use actions::pin::{PinState, Served};
use askama::Template;
use axum::response::Response;
use control::Right;
use control::connectors::{self, Cell, ConnectorReview, Matrix, Pin, Seen, Summary};
use control::grants::everyones;
use domain::PersonId;
use domain::connectors::{ActionClass, ActionState, DefinitionKind};
use serde::Deserialize;

use super::baseline::Baseline;
use super::matrix::{choices_in, field_name};
use super::{heading, of_connector, of_kind, of_pin, of_state, path, path_of};
use crate::pages::answer;
use crate::pages::asked::{self, Asked, Named};
use crate::pages::parts::{self, Badge, Notice, State};
use crate::pages::people::connections::{self, ConnectionLine};
use crate::pages::policy::words;
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Ago, Said, When};
use crate::pages::table::{Filters, Pager, ROWS};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, sentence};

/// What was done, after which person the list of who is connected begins, and which baseline is looked at.
#[derive(Debug, Deserialize)]
pub struct Which {
    done: Option<String>,
    after: Option<String>,
    baseline: Option<String>,
}

/// Who has connected an account of their own.
#[derive(Debug, Clone)]
struct Connected {
    lines: Vec<ConnectionLine>,
    pager: Pager,
    /// Why who looks cannot end a connection.
    kept_from: Option<String>,
}

/// A choice of a field: its value, its word, and whether it is so now.
type Choice = (&'static str, &'static str, bool);

/// What one group may do with one action: what it is, why, and what it can be made here.
#[derive(Debug, Clone)]
struct Square {
    /// What holds now.
    state: State,
    /// Whether the definition keeps it blocked, whatever the policy says.
    is_held: bool,
    why: Said,
    /// The name of its field, and the choices; none where nothing stricter is left, or nothing can be changed here.
    field: Option<(String, Vec<Choice>)>,
    label: String,
}

/// An action's row.
#[derive(Debug, Clone)]
struct Line {
    /// The heading over it, where it is the first of its class.
    heading: Option<&'static str>,
    to: String,
    name: Said,
    says: Said,
    /// Where the definition itself keeps it blocked: why.
    blocked: Option<Badge>,
    squares: Vec<Square>,
}

/// A row in the list of definitions.
#[derive(Debug, Clone)]
struct Definition {
    to: String,
    name: Said,
    badge: Badge,
    does: &'static str,
    by: Option<&'static str>,
    since: When,
    findings: Vec<Said>,
}

/// A review as the page shows it.
#[derive(Debug, Clone)]
struct Review {
    badge: Badge,
    risk: Said,
    vendor: Said,
    reason: Said,
    by: Said,
    at: When,
}

#[derive(Template)]
#[template(path = "connector.html")]
struct Page {
    shell: Shell,
    path: String,
    title: Said,
    address: Said,
    badge: Badge,
    notices: Vec<Notice>,
    version: u64,
    groups: Vec<Said>,
    named_groups: Vec<String>,
    lines: Vec<Line>,
    definitions: Vec<Definition>,
    connected: Option<Connected>,
    reviews: Vec<Review>,
    facts: Vec<(&'static str, Said)>,
    ceilings: Vec<Said>,
    heard: Option<Ago>,
    counted: String,
    kept_from: Option<String>,
    /// Why it is not asked what it lists.
    unasked: Option<String>,
    baseline: Baseline,
}

/// `GET /console/connectors/{name}`.
pub async fn read(
    visitor: Visitor,
    Named(name): Named<String>,
    Asked(which): Asked<Which>,
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let seen = connectors::read(&operation, &name).await?;
    let issuers = visitor.console().rules.issuers_for_people();
    let matrix = connectors::matrix(&operation, &seen, issuers).await?;
    let now = operation.clock.now();
    let connector = &seen.summary.connector;
    let title = connector.title().to_owned();
    let kept_from = operation.require(Right::PolicyWrite).err();
    let command = connector.command.join(" ");
    let counts = seen.summary.counts;
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Connectors, &title)
            .within(&title)
            .telling(told(asked::given(which.done.as_ref()))),
        path: path(&name),
        title: Said::from(&title),
        address: Said::from(connector.url.as_deref().unwrap_or(&command)),
        badge: of_connector(&seen.summary),
        notices: notices(&seen),
        version: matrix.version,
        groups: matrix
            .groups
            .iter()
            .map(|group| group_name(group.as_ref()))
            .collect(),
        named_groups: matrix.groups.iter().flatten().cloned().collect(),
        lines: lines(&seen, &matrix, kept_from.is_none()),
        definitions: seen
            .definitions()
            .map(|pin| definition(&name, pin))
            .collect(),
        connected: connected(&visitor, &seen, asked::after(which.after.as_ref())?).await?,
        reviews: seen.reviews.iter().map(review).collect(),
        facts: facts(&seen),
        ceilings: connector
            .data_classes
            .iter()
            .map(|class| Said::from(class.as_str()))
            .collect(),
        heard: seen.summary.listing.map(|listing| Ago::of(listing.at, now)),
        counted: format!("{} of {} approved", counts.approved, counts.listed()),
        kept_from: kept_from.map(|error| error.to_string()),
        unasked: seen
            .summary
            .why_unasked()
            .map(|why| sentence(&why.to_string())),
        baseline: Baseline::over(&visitor, &seen, asked::given(which.baseline.as_ref()))?,
    }))
}

fn told(word: &str) -> Option<Notice> {
    match word {
        "approved" => Some(Notice::done(
            "It is approved. Who may do it is the policy's to say.",
        )),
        "kept" => Some(Notice::done(
            "It stays blocked, and waits for nobody any more.",
        )),
        "listed" => Some(Notice::done("It has answered. What it lists stands below.")),
        "listed-none" => Some(Notice::ask("It has answered, and lists nothing.")),
        "reviewed" => Some(Notice::done("The review is kept, and the ledger has it.")),
        "connection-ended" => Some(Notice::info(connections::ENDED)),
        _ => None,
    }
}

/// Who is connected, where people connect accounts of their own; nothing for whoever may not see it.
async fn connected(
    visitor: &Visitor,
    seen: &Seen,
    after: Option<PersonId>,
) -> Result<Option<Connected>, Wrong> {
    let (operation, connector) = (visitor.operation(), &seen.summary.connector);
    if !connector.is_personal() || !visitor.actor().may(Right::GrantsRead) {
        return Ok(None);
    }
    let (found, more) = everyones::at(&operation, &connector.name, after, ROWS).await?;
    let next = found.last().filter(|_| more);
    let next = next.map(|last| last.person.to_string());
    let says = show::counted(found.len() as u64, "person shown", "people shown");
    let filters = Filters::of(path(&connector.name));
    let kept_from = operation.require(Right::GrantsWrite).err();
    Ok(Some(Connected {
        lines: connections::lines(visitor, &found).await?,
        pager: Pager::new(&filters, says, after.is_some(), next.as_deref()),
        kept_from: kept_from.map(|why| why.to_string()),
    }))
}

fn why_held_back(summary: &Summary) -> &'static str {
    if summary.review.is_some() {
        return "Its newest review says that it may not be used. What was approved of it is kept.";
    }
    "The shipped catalogue does not know its address, and nobody has reviewed it. Until somebody does, no door serves it and no client is told of it."
}

fn notices(seen: &Seen) -> Vec<Notice> {
    let (summary, mut notices) = (&seen.summary, Vec::new());
    let counts = summary.counts;
    let name = &summary.connector.name;
    if summary.is_held_back() {
        notices.push(
            Notice::ask(why_held_back(summary))
                .titled("It is there for nobody.")
                .linked("Review it", format!("{}/review", path(name))),
        );
    }
    let first = |fits: &dyn Fn(&Pin) -> bool| seen.definitions().find(|pin| fits(pin));
    let read = |pin: &Pin| path_of(name, "definition", pin.kind, &pin.name);
    if let Some(pin) = first(&|pin| pin.state == PinState::Changed && pin.is_waiting()) {
        let way = way(summary.connector.definitions.as_str());
        let way = way.trim_end_matches(UNTIL_REVIEWED);
        notices.push(
            Notice::ask(format!("Until somebody has read the difference, {way}."))
                .titled(format!(
                    "{} of {} definitions changed since they were approved.",
                    counts.changed,
                    counts.listed()
                ))
                .linked("Read it", read(pin)),
        );
    }
    if let Some(pin) = first(&|pin| pin.state == PinState::New && pin.is_waiting()) {
        notices.push(
            Notice::ask("Nobody has approved what it says yet.")
                .titled(match counts.new {
                    1 => format!("1 of {} definitions is new.", counts.listed()),
                    some => format!("{some} of {} definitions are new.", counts.listed()),
                })
                .linked("Read the first", read(pin)),
        );
    }
    let is_suspicious = |pin: &Pin| pin.state != PinState::Removed && !pin.findings.is_empty();
    if let Some(pin) = first(&is_suspicious) {
        notices.push(
            Notice::stop("Read what was found beside each before you approve it.")
                .titled(match counts.suspicious {
                    1 => format!("1 of {} definitions is suspicious.", counts.listed()),
                    some => format!("{some} of {} definitions are suspicious.", counts.listed()),
                })
                .linked(
                    match counts.suspicious {
                        1 => "Read it",
                        _ => "Read the first",
                    },
                    read(pin),
                ),
        );
    }
    notices
}

pub(super) fn group_name(group: Option<&String>) -> Said {
    Said::from(group.map_or("Everyone else", |group| group.as_str()))
}

fn lines(seen: &Seen, matrix: &Matrix, may_change: bool) -> Vec<Line> {
    let mut rows: Vec<_> = matrix.rows.iter().collect();
    rows.sort_by_key(|(at, _)| (seen.actions[*at].class, &seen.actions[*at].name));
    let mut before: Option<ActionClass> = None;
    let mut lines = Vec::new();
    for (at, cells) in rows {
        let pin = &seen.actions[*at];
        let is_first = before.replace(pin.class) != Some(pin.class);
        let squares = matrix.groups.iter().zip(cells);
        lines.push(Line {
            heading: is_first.then(|| heading(pin.class)),
            to: path_of(
                &seen.summary.connector.name,
                "definition",
                pin.kind,
                &pin.name,
            ),
            name: Said::from(&pin.name),
            says: Said::from(first_sentence(&pin.description())),
            blocked: (pin.served == Served::Nothing).then(|| of_pin(pin)),
            squares: squares
                .map(|(group, cell)| {
                    let left = choices_in(cells, group.as_ref(), cell);
                    square(pin, group.as_ref(), (cell, left), may_change)
                })
                .collect(),
        });
    }
    lines
}

fn square(
    pin: &Pin,
    group: Option<&String>,
    (cell, left): (&Cell, Vec<ActionState>),
    may_change: bool,
) -> Square {
    let choices = left
        .into_iter()
        .map(|state| (state.as_str(), word(state), state == cell.state));
    let choices: Vec<_> = choices.collect();
    let label = format!(
        "{} for {}",
        Said::from(&pin.name).plain(),
        group_name(group).plain()
    );
    let is_held = pin.served == Served::Nothing && cell.state != ActionState::Blocked;
    let by = cell.by.join("; ");
    Square {
        state: of_state(if is_held {
            ActionState::Blocked
        } else {
            cell.state
        }),
        why: Said::from(if is_held {
            format!("once it is approved: {}, {by}", word(cell.state))
        } else {
            by
        }),
        is_held,
        field: (may_change && choices.len() > 1).then(|| (field_name(group, &pin.name), choices)),
        label,
    }
}

const fn word(state: ActionState) -> &'static str {
    match state {
        ActionState::Allow => "Always allow",
        ActionState::Ask => "Needs approval",
        ActionState::Blocked => "Blocked",
    }
}

/// The first sentence of a description, bounded.
fn first_sentence(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let end = line.find(". ").map_or(line.len(), |at| at + 1);
    line[..end].chars().take(100).collect()
}

fn definition(connector: &str, pin: &Pin) -> Definition {
    Definition {
        to: path_of(connector, "definition", pin.kind, &pin.name),
        name: Said::from(&pin.name),
        badge: of_pin(pin),
        does: of_kind(pin),
        by: (pin.kind == DefinitionKind::Tool).then(|| by(&pin.basis)),
        since: When::day(pin.offered_at),
        findings: pin
            .findings
            .iter()
            .map(|(_, what)| Said::from(what))
            .collect(),
    }
}

/// By what a class was found, for people.
pub(super) fn by(basis: &str) -> &'static str {
    match basis {
        "catalogue" => "by the catalogue",
        "administrator" => "as somebody here said",
        "annotations" => "by what it says about itself",
        "name" => "by its name",
        _ => "because nothing says otherwise",
    }
}

fn review(review: &ConnectorReview) -> Review {
    let (tone, word) = if review.enabled {
        (parts::Tone::Allow, "may be used")
    } else {
        (parts::Tone::Stop, "may not be used")
    };
    Review {
        badge: parts::badge(tone, word),
        risk: Said::from(&review.risk),
        vendor: Said::from(&review.vendor),
        reason: Said::from(&review.reason),
        by: Said::from(&review.by),
        at: When::full(review.at),
    }
}

fn facts(seen: &Seen) -> Vec<(&'static str, Said)> {
    let connector = &seen.summary.connector;
    let mut facts = vec![
        ("Name in the policy", Said::from(&connector.name)),
        (
            "When a definition changes",
            Said::from(way(connector.definitions.as_str())),
        ),
        (
            "Called with",
            words::credential(connector.credential).into(),
        ),
    ];
    if let Some(known) = &seen.known {
        let about = known.about();
        facts.push((
            "In the catalogue",
            Said::from(format!("{}, as of {}", known.title, about.as_of)),
        ));
        facts.push(("Source", Said::from(&about.source)));
        if !about.note.is_empty() {
            facts.push(("To know", Said::from(&about.note)));
        }
    }
    facts
}

/// How long a block lasts; said once where a sentence begins with it.
const UNTIL_REVIEWED: &str = " until it is reviewed";

fn way(word: &str) -> &'static str {
    match word {
        "serve_pinned" => "the approved one goes on being served",
        "warn" => "it is served all the same, and shown here",
        _ => "what it is of is blocked until it is reviewed",
    }
}
