//! What needs somebody, as lines of the first page: each says what it is, since when, and leads to the place where it is seen to.

use control::connectors::{BulkUse, ShapedAnswers};
use control::overview::{Need, Waiting};
use control::tasks;
use domain::Timestamp;

use super::parts::{Badge, Icon, Tone, badge, icon, tag};
use super::shell::Place;
use super::show::{self, Said};

/// Something that needs somebody, as a line.
#[derive(Debug, Clone)]
pub(super) struct NeedLine {
    pub drawing: Icon,
    pub what: Said,
    pub sub: Said,
    pub to: Option<String>,
    pub badge: Badge,
}

fn in_bulk(bulk: &BulkUse, now: Timestamp) -> NeedLine {
    NeedLine {
        drawing: icon("connector"),
        what: Said::from(format!("{} used {} in bulk", bulk.label, bulk.title)),
        sub: Said::from(format!(
            "{} within ten minutes, {} before now.",
            show::counted(bulk.calls, "call", "calls"),
            show::length(now.ms_since(bulk.from))
        )),
        to: Some(format!("/console/ledger?who={}", bulk.subject)),
        badge: badge(Tone::Ask, "bulk use"),
    }
}

fn shaped_answers(shaped: &ShapedAnswers, now: Timestamp) -> NeedLine {
    NeedLine {
        drawing: icon("connector"),
        what: Said::from(format!(
            "{} gave {}’s Claude what looks like orders",
            shaped.title, shaped.label
        )),
        sub: Said::from(format!(
            "{} with text shaped like orders within a day, the last {} ago.",
            show::counted(shaped.answers, "answer", "answers"),
            show::length(now.ms_since(shaped.last))
        )),
        to: Some(format!("/console/ledger?who={}", shaped.subject)),
        badge: badge(Tone::Ask, "shaped like orders"),
    }
}

/// What needs somebody, as it stands on the page.
pub(super) fn line(need: &Need, now: Timestamp) -> NeedLine {
    match need {
        Need::Approvals { open, since } => approvals(*open, now.ms_since(*since)),
        Need::Definitions {
            connector,
            title,
            waiting,
        } => definitions(connector, title, *waiting),
        Need::Task(task) => NeedLine {
            drawing: icon("task"),
            what: Said::from(task.kind.title().trim_end_matches('.')),
            sub: Said::from(&task.label),
            to: Some(format!("/console/tasks/{}", task.id)),
            badge: due(tasks::standing(task, now), task.due),
        },
        Need::Requests { open, since } => NeedLine {
            drawing: icon("approval"),
            what: Said::from(show::counted(
                *open,
                "request for access",
                "requests for access",
            )),
            sub: Said::from(format!(
                "The oldest waits since {}.",
                show::short_day(*since)
            )),
            to: Some(Place::Requests.path().to_owned()),
            badge: badge(Tone::Ask, "to be answered"),
        },
        Need::Bulk(bulk) => in_bulk(bulk, now),
        Need::Shaped(shaped) => shaped_answers(shaped, now),
        Need::UseOutdated { version } => NeedLine {
            drawing: icon("policy"),
            what: "The acceptable-use policy no longer says what is recorded".into(),
            sub: Said::from(format!("Version {version} is in force. Publish a new one.")),
            to: Some(Place::AcceptableUse.path().to_owned()),
            badge: badge(Tone::Ask, "outdated"),
        },
        Need::Owners(warning) => NeedLine {
            drawing: icon("key"),
            what: "The number of owners".into(),
            sub: Said::from(warning.replace('`', "")),
            to: None,
            badge: badge(Tone::Ask, "owners"),
        },
        Need::Ends { what, name, at } => NeedLine {
            drawing: icon("key"),
            what: Said::from(format!("A {what} ends on {}", show::short_day(*at))),
            sub: Said::from(name),
            to: Some(where_kept(what).path().to_owned()),
            badge: badge(Tone::Ask, show::length(at.ms_since(now))),
        },
    }
}

/// Calls that wait for who looks.
fn approvals(open: u64, oldest_ms: i64) -> NeedLine {
    let calls = show::counted(open, "call waits", "calls wait");
    NeedLine {
        drawing: icon("approval"),
        what: Said::from(format!("{calls} for your yes or no")),
        sub: Said::from(format!(
            "The oldest has waited {}.",
            show::length(oldest_ms)
        )),
        to: Some("/approvals".to_owned()),
        badge: badge(Tone::Ask, "to be decided"),
    }
}

/// A connector that waits for a review, or definitions of it.
fn definitions(connector: &str, title: &str, waiting: Waiting) -> NeedLine {
    let open = (waiting.new + waiting.changed) as u64;
    let actions = show::counted(open, "action waits", "actions wait");
    NeedLine {
        drawing: icon("connector"),
        what: Said::from(if waiting.is_whole {
            format!("{title}: nobody has reviewed it")
        } else {
            format!("{title}: {actions} for a review")
        }),
        sub: Said::from(to_review(waiting)),
        to: Some(super::connectors::path(connector)),
        badge: match (waiting.suspicious, waiting.changed) {
            (1.., _) => badge(Tone::Stop, "suspicious"),
            (0, 1..) => badge(Tone::Ask, "changed"),
            (0, 0) => badge(Tone::Ask, "to review"),
        },
    }
}

/// What of a connector waits, in a sentence.
fn to_review(waiting: Waiting) -> String {
    let parts = [
        (waiting.new, "new"),
        (waiting.changed, "changed since it was approved"),
        (waiting.suspicious, "suspicious"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts
        .map(|(number, what)| format!("{} {what}", show::count(*number as u64)))
        .collect();
    if parts.is_empty() {
        "It is there for nobody before that.".to_owned()
    } else {
        format!("{}.", parts.join(", "))
    }
}

/// The place where a key or token that ends is followed by a new one.
fn where_kept(what: &str) -> Place {
    if what == "directory token" {
        Place::Directory
    } else {
        Place::Services
    }
}

/// How a task stands, as a badge.
pub(super) fn due(standing: tasks::Standing, due: Timestamp) -> Badge {
    match standing {
        tasks::Standing::Open => tag(format!("due {}", show::short_day(due))),
        tasks::Standing::Overdue { days } => badge(
            Tone::Stop,
            format!("{} late", show::counted(days.unsigned_abs(), "day", "days")),
        ),
        tasks::Standing::Done => badge(Tone::Allow, "done"),
        tasks::Standing::Late { .. } => badge(Tone::Ask, "done late"),
        tasks::Standing::NotNeeded => badge(Tone::None, "not needed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_look_like_orders_are_told_with_whose_and_how_many() {
        let shaped = ShapedAnswers {
            title: "CRM".to_owned(),
            subject: "per_1".to_owned(),
            label: "Ada".to_owned(),
            answers: 2,
            last: Timestamp::from_unix_ms(0),
        };
        let told = line(&Need::Shaped(shaped), Timestamp::from_unix_ms(120_000));
        assert_eq!(
            told.what.plain(),
            "CRM gave Ada’s Claude what looks like orders"
        );
        let sub = "2 answers with text shaped like orders within a day, the last 2 min ago.";
        assert_eq!(told.sub.plain(), sub);
        assert_eq!(told.to.as_deref(), Some("/console/ledger?who=per_1"));
    }

    #[test]
    fn what_waits_of_a_connector_is_told_with_the_worst_of_it() {
        let waiting = |is_whole, new, changed, suspicious| Waiting {
            is_whole,
            new,
            changed,
            suspicious,
        };
        for (waits, what, sub, mark) in [
            (
                waiting(false, 2, 1, 1),
                "CRM: 3 actions wait for a review",
                "2 new, 1 changed since it was approved, 1 suspicious.",
                "suspicious",
            ),
            (
                waiting(false, 0, 1, 0),
                "CRM: 1 action waits for a review",
                "1 changed since it was approved.",
                "changed",
            ),
            (
                waiting(true, 0, 0, 0),
                "CRM: nobody has reviewed it",
                "It is there for nobody before that.",
                "to review",
            ),
        ] {
            let line = definitions("crm", "CRM", waits);
            assert_eq!((line.what.plain(), line.sub.plain()), (what, sub));
            assert!(line.badge.to_string().contains(mark), "{mark}");
            assert_eq!(line.to.as_deref(), Some("/console/connectors/crm"));
        }
    }
}
