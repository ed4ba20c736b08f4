//! The pattern library: every part in its states, with samples. What a page wants to look like is first a part with a sample here. It
//! shows nothing of the organisation's but the shell, to anybody who is signed in.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::records::{Decision, Door, Origin, Verdict};
use domain::{Client, ClientKind, Reason, ReasonCode, Refusal, RequestId, Timestamp};

use super::answer;
use super::budgets::BudgetLine;
use super::bulk::{Act, Bulk, Tick};
use super::chart::{Bar, Chart, Ink, Meter, Series, Share, Unit};
use super::columns::{Column, Columns, Order};
use super::diff::Diff;
use super::form::{Part, Pick, Ticks, Way};
use super::ledger::way::Way as RequestWay;
use super::parts::{
    self, Copyable, Empty, Field, Figure, Icon, Link, Notice, Source, State, Tone, badge, icon,
    state, tag,
};
use super::shell::Shell;
use super::show::{Ago, Said, When};
use super::table::{Chips, Filters, Pager};
use super::visit::Visitor;
use crate::{Console, Standing};

/// `GET /console/parts`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new().route("/console/parts", get(read))
}

/// Every icon of the sprite, by name.
const ICONS: [&str; 42] = [
    "person",
    "group",
    "service",
    "key",
    "lock",
    "settings",
    "shield",
    "door",
    "overview",
    "ledger",
    "budget",
    "connector",
    "approval",
    "alert",
    "search",
    "copy",
    "check",
    "cross",
    "clock",
    "chevron",
    "next",
    "back",
    "plus",
    "menu",
    "filter",
    "download",
    "theme",
    "stream",
    "model",
    "upstream",
    "policy",
    "detector",
    "evidence",
    "egress",
    "sensor",
    "task",
    "device",
    "me",
    "log-out",
    "external",
    "info",
    "cut",
];

#[derive(Template)]
#[template(path = "samples.html")]
struct Page {
    shell: Shell,
    parts: Samples,
}

/// Every part with a sample.
#[derive(Debug, Template)]
#[template(path = "samples_parts.html")]
pub struct Samples {
    states: Vec<State>,
    badges: Vec<parts::Badge>,
    notices: Vec<Notice>,
    figures: Vec<Figure>,
    source: Source,
    ids: Vec<Copyable>,
    when: [When; 3],
    ago: Ago,
    columns: Columns,
    bulk: Bulk,
    rows: Vec<(Tick, &'static str, State, &'static str)>,
    hostile: Said,
    link: Link,
    fields: Vec<Field>,
    choices: Vec<Part>,
    diff: Diff,
    empties: Vec<Empty>,
    chips: Chips,
    pagers: Vec<Pager>,
    ways: [RequestWay; 2],
    chart: Chart,
    spend: Chart,
    meters: Vec<Meter>,
    share: Share,
    budget: BudgetLine,
    icons: Vec<(Icon, &'static str)>,
}

impl askama::filters::HtmlSafe for Samples {}

async fn read(visitor: Visitor) -> Response {
    answer(&Page {
        shell: Shell::apart(&visitor, "Parts"),
        parts: Samples::new(),
    })
}

impl Samples {
    /// The same at every call.
    pub fn new() -> Self {
        let at = Timestamp::from_unix_ms(1_795_185_118_204);
        let filters = Filters::of("/console/parts")
            .with("outcome", "refused", "refused")
            .with("when", "today", "today");
        let columns = Columns::asked("?columns=state&sort=-who", COLUMNS, ORDERS);
        let bulk = bulk();
        Self {
            states: states(),
            badges: badges(),
            notices: notices(),
            figures: figures(),
            source: Source(vec![
                "86 of 140 people".to_owned(),
                "newest record 2 s old".to_owned(),
                "every count has this line".to_owned(),
            ]),
            ids: vec![
                Copyable::whole("person id", "per_01m7wntw0j46yqktd56ksnq65v"),
                Copyable::short("request id", "req_01m7wny2zwp4vxngrs2t160gy0"),
            ],
            when: [When::clock(at), When::day(at), When::full(at)],
            ago: Ago::of(at, at.plus_ms(192_000)),
            columns: columns.with(&filters),
            rows: rows(&bulk),
            bulk,
            hostile: Said::from("<b>A name</b> that \u{202e}turns round & goes on and on"),
            link: Link {
                to: "/console/parts".to_owned(),
                word: "Policy analyst".into(),
            },
            fields: fields(),
            choices: choices(),
            diff: Diff::of(
                "@@ -1,3 +1,3 @@\n [[grant]]\n name = \"research\"\n-models = [\"claude-opus-*\"]\n+models = [\"claude-sonnet-*\"]\n",
            ),
            empties: empties(),
            pagers: pagers(&filters),
            ways: ways(),
            chips: filters.chips(),
            chart: chart(),
            spend: spend(),
            meters: vec![
                Meter {
                    full: 620,
                    pace: Some(670),
                },
                Meter {
                    full: 970,
                    pace: None,
                },
            ],
            share: Share { tenths: 553 },
            budget: BudgetLine::of(
                &Standing {
                    period: "monthly",
                    resets_at: String::new(),
                    cap_cents: Some("6000".to_owned()),
                    spent_cents: "3720".to_owned(),
                },
                at,
            ),
            icons: ICONS.iter().map(|name| (icon(name), *name)).collect(),
        }
    }
}

/// A first page, one in the middle, and a last one.
fn pagers(filters: &Filters) -> Vec<Pager> {
    let middle = "50 records of 2,000 looked through";
    vec![
        Pager::new(filters, "50 of 140 people shown", false, Some("x")),
        Pager::new(filters, middle, true, Some("x")),
        Pager::new(filters, "12 of 140 people shown", true, None),
    ]
}

/// The columns of a table, one that is always there and one that is not.
const COLUMNS: &[Column] = &[
    Column::new("who", "Person").fixed(),
    Column::new("state", "Access"),
    Column::new("calls", "Calls").number().extra(),
];

const ORDERS: &[Order] = &[Order::up("who"), Order::down("who"), Order::down("calls")];

fn bulk() -> Bulk {
    let act = |to, word, is_risk| Act { to, word, is_risk };
    let acts = vec![
        act("/console/parts", "Remind the chosen", false),
        act("/console/parts", "End the chosen", true),
    ];
    Bulk::of("rows", acts)
}

fn rows(bulk: &Bulk) -> Vec<(Tick, &'static str, State, &'static str)> {
    let tick = |id, name| bulk.tick(id, name);
    vec![
        (
            tick(Some("a"), "Policy analyst"),
            "Policy analyst",
            state(Tone::Allow, "May come in"),
            "412",
        ),
        (
            tick(Some("b"), "Grants manager"),
            "Grants manager",
            state(Tone::Stop, "Shut out"),
            "0",
        ),
        (
            tick(None, "Yourself"),
            "Yourself",
            state(Tone::Allow, "May come in"),
            "7",
        ),
    ]
}

/// A field as it is first seen, one with a mistake, and one of several lines.
fn fields() -> Vec<Field> {
    let wrong = "must be 1 to 500 characters on one line".to_owned();
    vec![
        Field::reason("", None),
        Field {
            name: "reason-again",
            ..Field::reason("a line\nand another", Some(wrong))
        },
        Field {
            name: "text",
            label: "Text".to_owned(),
            hint: "Several lines; what is empty is left out.".to_owned(),
            is_required: false,
            is_long: true,
            ..Field::reason("One line,\nand another.", None)
        },
    ]
}

/// One of several, and any of several, each with a mistake once.
fn choices() -> Vec<Part> {
    let way = |value: &str, word: &str, says: &str, is_on| Way {
        value: value.to_owned(),
        word: Said::from(word),
        says: says.to_owned(),
        is_on,
    };
    let pick = Pick {
        name: "period",
        label: "For how long".to_owned(),
        ways: vec![
            way("monthly", "a month", "", true),
            way("weekly", "a week", "", false),
        ],
        hint: "It begins anew with each.".to_owned(),
        wrong: None,
    };
    let ticks = Ticks {
        name: "scope",
        label: "What the token may".to_owned(),
        ways: vec![
            way(
                "ledger.read",
                "ledger.read",
                "Search the ledger and export it.",
                true,
            ),
            way("people.read", "people.read", "See people.", false),
        ],
        hint: "No more than its owner may.".to_owned(),
        wrong: None,
    };
    let pick_again = Pick {
        name: "period-again",
        wrong: Some("must be one of these".to_owned()),
        ..pick.clone()
    };
    let ticks_again = Ticks {
        name: "scope-again",
        wrong: Some("choose one at least".to_owned()),
        ..ticks.clone()
    };
    vec![
        Part::Pick(pick),
        Part::Pick(pick_again),
        Part::Ticks(ticks),
        Part::Ticks(ticks_again),
    ]
}

/// A request that was refused, and one that is under way.
fn ways() -> [RequestWay; 2] {
    let client = Client {
        kind: ClientKind::ClaudeCode,
        version: None,
    };
    let request = RequestId::from_parts(1_795_185_118_204, 1);
    let origin = Origin::new(client, None);
    let going = Decision::new(request, origin, Door::Inference, "messages");
    let reason = Reason::plain(ReasonCode::ModelNotAllowed);
    let refused = Decision {
        verdict: Verdict::refused(&Refusal::one(reason)),
        ..going.clone()
    };
    [RequestWay::of(&refused, None), RequestWay::of(&going, None)]
}

fn states() -> Vec<State> {
    vec![
        state(Tone::Allow, "Allowed"),
        state(Tone::Ask, "Needs approval"),
        state(Tone::Stop, "Refused"),
        state(Tone::Alert, "Silent"),
        state(Tone::Cut, "Cut"),
        state(Tone::None, "Not reached"),
    ]
}

fn badges() -> Vec<parts::Badge> {
    vec![
        badge(Tone::Allow, "answering"),
        badge(Tone::Ask, "11 min left"),
        badge(Tone::Stop, "due today"),
        badge(Tone::None, "not inspected"),
        tag("directory"),
    ]
}

fn notices() -> Vec<Notice> {
    vec![
        Notice::info("Version 48 is a draft. Nobody is affected until it is applied."),
        Notice::ask("It is used by 3 of 4 services.")
            .titled("A service key ends in 6 days.")
            .linked("See it", "/console/parts"),
        Notice::stop("The reason must be 1 to 500 characters on one line.")
            .titled("Not done: one thing to put right."),
        Notice::done("The session ended; its streams are cut within a second."),
    ]
}

fn empties() -> Vec<Empty> {
    vec![
        Empty::new(
            "person",
            "Nobody yet",
            "People appear here at their first sign-in, or when a directory provisions them.",
        ),
        Empty::new(
            "search",
            "No record fits",
            "Nothing of Research fellow was refused today.",
        )
        .linked("Show all records", "/console/parts"),
    ]
}

fn figures() -> Vec<Figure> {
    vec![
        Figure {
            name: "Requests".to_owned(),
            value: "4,318".to_owned(),
            of: String::new(),
            source: vec!["97 refused (2.2 %)".to_owned()],
        },
        Figure {
            name: "People active".to_owned(),
            value: "86".to_owned(),
            of: "of 140 who may come in".to_owned(),
            source: vec!["3 services too".to_owned()],
        },
    ]
}

fn chart() -> Chart {
    let bar = |(name, allowed, refused): (&str, u64, u64)| Bar {
        name: name.to_owned(),
        label: Some(name.to_owned()),
        values: vec![allowed, refused],
    };
    Chart {
        says: "Requests of five days. Most on Thursday, 698.".to_owned(),
        caption: "Requests by day".to_owned(),
        of: "Day".to_owned(),
        series: vec![
            Series {
                name: "allowed".to_owned(),
                ink: Ink::First,
            },
            Series {
                name: "refused".to_owned(),
                ink: Ink::Stop,
            },
        ],
        bars: [
            ("Mon", 412, 120),
            ("Tue", 530, 88),
            ("Wed", 488, 140),
            ("Thu", 601, 97),
            ("Fri", 377, 60),
        ]
        .into_iter()
        .map(bar)
        .collect(),
        limit: None,
        unit: Unit::Count,
        height: 128,
        is_running: false,
    }
}

fn spend() -> Chart {
    let bar = |(day, cents): (u64, u64)| Bar {
        name: format!("{day} November"),
        label: (day % 2 == 1).then(|| day.to_string()),
        values: vec![cents],
    };
    Chart {
        says: "Spent in all against the budget.".to_owned(),
        caption: "Spent in all, by day".to_owned(),
        of: "Day".to_owned(),
        series: vec![Series {
            name: "spent in all".to_owned(),
            ink: Ink::First,
        }],
        bars: (1..=6)
            .zip([1_240, 17_062, 34_167, 50_857, 69_088, 84_064])
            .map(bar)
            .collect(),
        limit: Some((120_000, "Budget $1,200.00".to_owned())),
        unit: Unit::Cents,
        height: 160,
        is_running: true,
    }
}

impl Default for Samples {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_drawn_twice_alike_and_without_a_style_of_its_own() {
        let once = Samples::new().to_string();
        assert_eq!(once, Samples::new().to_string());
        assert!(
            !once.contains("style=") && !once.contains("<script") && !once.contains("<b>A name")
        );
    }

    #[test]
    fn every_icon_that_is_shown_is_in_the_sprite() {
        let sprite = include_str!("../../../web/assets/icons.svg");
        for name in ICONS {
            assert!(sprite.contains(&format!("id=\"{name}\"")), "{name}");
        }
    }
}
