//! A record as a row of a list, and as a row of a file. Calls show how they ended, which is another record of the same request; what
//! else happened shows who did what to what.

use std::collections::BTreeMap;

use control::records::{
    Change, ChangeKind, Decision, Door, Ended, FoundRecord, Outcome, Record, SessionChange,
    SessionEvent, SignIn, System, SystemEvent, Text,
};
use domain::{ReasonCode, Timestamp};

use crate::pages::parts::{Copyable, Icon, State, Tone, icon, state};
use crate::pages::show::{self, Said, When};

/// What ids are called, by id.
pub type Labels = BTreeMap<String, String>;

/// A call: its decision, and how it ended.
#[derive(Debug, Clone)]
pub struct CallLine {
    /// The address of its record.
    pub to: String,
    /// When it was decided.
    pub at: When,
    /// On which day.
    pub day: String,
    /// Who called.
    pub who: Said,
    /// From which program.
    pub client: String,
    /// The drawing of what was asked for.
    pub drawing: Icon,
    /// The model, or the action.
    pub asked: Said,
    /// How it went.
    pub state: State,
    /// The first reason, or how it ended.
    pub sub: String,
    /// Input tokens, cached ones included.
    pub tokens_in: String,
    /// Output tokens.
    pub tokens_out: String,
    /// Money.
    pub cost: String,
    /// Whether that is a bound.
    pub is_estimated: bool,
    /// How long it took.
    pub took: String,
    /// The request's id.
    pub request: Copyable,
    /// Through which door it came.
    pub door: &'static str,
    /// The version of the policy that decided.
    pub policy: String,
    /// The address it came from.
    pub from: String,
}

impl CallLine {
    /// The row of a decision.
    pub fn of(
        found: &FoundRecord,
        decision: &Decision,
        outcome: Option<&Outcome>,
        labels: &Labels,
    ) -> Self {
        let (state, sub) = ended(decision, outcome);
        let usage = outcome.map(|outcome| outcome.usage).unwrap_or_default();
        let version = decision
            .origin
            .version
            .map_or_else(String::new, |v| format!(" {v}"));
        Self {
            to: address(found),
            at: When::clock(found.place.at),
            day: show::brief_day(found.place.at),
            who: caller(decision, labels),
            client: format!("{}{version}", program(decision.origin.client)),
            drawing: icon("model"),
            asked: asked(decision),
            state,
            sub,
            tokens_in: show::count(usage.input_in_all()),
            tokens_out: show::count(usage.output_tokens),
            cost: outcome.map_or_else(
                || "0".to_owned(),
                |outcome| show::usd_of_a_call(outcome.cost),
            ),
            is_estimated: outcome.is_some_and(|outcome| outcome.estimated),
            took: outcome.map_or_else(String::new, |outcome| show::took(outcome.duration_ms)),
            request: Copyable::short("request id", decision.request),
            door: door(decision.door),
            policy: decision
                .policy_version
                .map_or_else(String::new, |version| version.to_string()),
            from: decision
                .origin
                .address
                .map_or_else(String::new, |address| address.to_string()),
        }
    }
}

/// Who called, by the best name there is.
pub fn caller(decision: &Decision, labels: &Labels) -> Said {
    match &decision.actor {
        None => Said::from("Unknown caller"),
        Some(actor) => {
            let id = actor.subject.to_string();
            labels
                .get(&id)
                .map_or_else(|| Said::from(actor.stable_id.as_str()), Said::from)
        }
    }
}

/// The model asked for, or the action.
pub fn asked(decision: &Decision) -> Said {
    let model = decision.model.as_ref().map(Text::as_str);
    Said::from(model.unwrap_or(decision.action.as_str()))
}

/// A program's name for people to read.
pub const fn program(kind: domain::ClientKind) -> &'static str {
    match kind {
        domain::ClientKind::ClaudeCode => "Claude Code",
        domain::ClientKind::ClaudeDesktop => "Claude Desktop",
        domain::ClientKind::Office => "Office add-in",
        domain::ClientKind::Sdk => "SDK",
        domain::ClientKind::Other => "another program",
    }
}

/// A door's name for people to read.
const fn door(door: Door) -> &'static str {
    match door {
        Door::Inference => "inference",
        Door::Connectors => "connectors",
        Door::Egress => "egress",
        Door::Hooks => "hooks",
        Door::Console => "console",
    }
}

/// How a call went, and the particulars in a few words.
pub fn ended(decision: &Decision, outcome: Option<&Outcome>) -> (State, String) {
    if !decision.verdict.is_allowed() {
        let reasons = decision.verdict.reasons();
        let first = reasons.first().map_or("", |reason| reason.code.as_str());
        let more = reasons.len().saturating_sub(1);
        let sub = if more == 0 {
            first.to_owned()
        } else {
            format!("{first} +{more}")
        };
        return (state(Tone::Stop, "Refused"), sub);
    }
    let Some(outcome) = outcome else {
        return (state(Tone::None, "Under way"), "no outcome yet".to_owned());
    };
    let code = outcome
        .code
        .as_ref()
        .map_or_else(String::new, |code| code.as_str().to_owned());
    match outcome.ended {
        Ended::Complete => (state(Tone::Allow, "Allowed"), code),
        Ended::ClientGone => (state(Tone::Cut, "Cut"), "client left".to_owned()),
        Ended::UpstreamCut => (state(Tone::Cut, "Cut"), "upstream broke off".to_owned()),
        Ended::Revoked => (state(Tone::Cut, "Cut"), "access taken away".to_owned()),
        Ended::Error => (state(Tone::Stop, "Failed"), code),
        Ended::Refused => (state(Tone::Stop, "Refused"), code),
        Ended::Lost => (state(Tone::Alert, "Lost"), "found after a crash".to_owned()),
    }
}

/// Anything that happened, as a row.
#[derive(Debug, Clone)]
pub struct EventLine {
    /// The address of its record.
    pub to: String,
    /// When.
    pub at: When,
    /// On which day.
    pub day: String,
    /// What happened.
    pub state: State,
    /// To what or whom.
    pub about: Said,
    /// Who did it.
    pub by: Said,
    /// Why, or particulars.
    pub sub: Said,
}

impl EventLine {
    /// The row of a record; of one that this program cannot read, its kind alone.
    pub fn of(found: &FoundRecord, record: Option<&Record>, labels: &Labels) -> Self {
        let (state, about, by, sub) = match record {
            Some(record) => told(record, labels),
            None => (
                state(Tone::None, found.kind.clone()),
                Said::default(),
                Said::default(),
                Said::from("of a later version"),
            ),
        };
        Self {
            to: address(found),
            at: When::clock(found.place.at),
            day: show::brief_day(found.place.at),
            state,
            about,
            by,
            sub,
        }
    }
}

/// What happened, to what, by whom, and why or how.
type Told = (State, Said, Said, Said);

fn told(record: &Record, labels: &Labels) -> Told {
    match record {
        Record::Decision(decision) => of_decision(decision, labels),
        Record::Outcome(outcome) => of_outcome(outcome, labels),
        Record::SignIn(sign_in) => of_sign_in(sign_in),
        Record::Session(session) => of_session(session, labels),
        Record::Change(change) => of_change(change, labels),
        Record::System(system) => of_system(system),
    }
}

fn named(id: &str, labels: &Labels) -> Said {
    labels.get(id).map_or_else(|| Said::from(id), Said::from)
}

fn optional(text: Option<&str>) -> Said {
    text.map_or_else(Said::default, Said::from)
}

fn of_decision(decision: &Decision, labels: &Labels) -> Told {
    let (_, sub) = ended(decision, None);
    let is_allowed = decision.verdict.is_allowed();
    let word = if is_allowed {
        state(Tone::Allow, "Allowed")
    } else {
        state(Tone::Stop, "Refused")
    };
    let sub = if is_allowed {
        Said::default()
    } else {
        Said::from(sub)
    };
    (word, asked(decision), caller(decision, labels), sub)
}

fn of_outcome(outcome: &Outcome, labels: &Labels) -> Told {
    let by = outcome
        .subject
        .map_or_else(Said::default, |subject| named(&subject.to_string(), labels));
    let model = outcome.model.as_ref().map(Text::as_str);
    (
        state(Tone::None, "Ended"),
        optional(model),
        by,
        Said::from(outcome.ended.as_str().replace('_', " ")),
    )
}

fn of_sign_in(sign_in: &SignIn) -> Told {
    let who = sign_in.email.as_ref().map(Text::as_str);
    let who = who.or(sign_in.stable_id.as_ref().map(Text::as_str));
    let reasons = sign_in
        .verdict
        .reasons()
        .iter()
        .map(|reason| reason.code.as_str());
    let reasons: Vec<&str> = reasons.collect();
    let word = if sign_in.verdict.is_allowed() {
        state(Tone::Allow, "Signed in")
    } else {
        state(Tone::Stop, "Sign-in refused")
    };
    let how = format!(
        "by {} from {}",
        sign_in.method.as_str(),
        program(sign_in.origin.client)
    );
    let sub = if reasons.is_empty() {
        how
    } else {
        reasons.join(", ")
    };
    (
        word,
        optional(sign_in.issuer.as_ref().map(Text::as_str)),
        optional(who),
        Said::from(sub),
    )
}

fn of_session(session: &SessionChange, labels: &Labels) -> Told {
    let word = match session.event {
        SessionEvent::Refresh => state(Tone::None, "Session renewed"),
        SessionEvent::End => state(Tone::None, "Session ended"),
        SessionEvent::ReuseDetected => state(Tone::Stop, "Renewal used twice"),
    };
    let cause = session.cause.as_ref().map(Text::as_str);
    (
        word,
        Said::from(session.session.to_string()),
        named(&session.subject.to_string(), labels),
        optional(cause),
    )
}

fn of_change(change: &Change, labels: &Labels) -> Told {
    let done = match change.done {
        ChangeKind::Created => "created",
        ChangeKind::Updated => "updated",
        ChangeKind::Deleted => "deleted",
    };
    let noun = change.noun.as_str().replace('_', " ");
    let about = labels
        .get(change.name.as_str())
        .map_or(change.name.as_str(), String::as_str);
    let why = change.reason.as_ref().map(Text::as_str);
    (
        state(Tone::None, format!("{noun} {done}")),
        Said::from(about),
        Said::from(change.by_label.as_str()),
        optional(why),
    )
}

fn of_system(system: &System) -> Told {
    let word = match system.event {
        SystemEvent::Start => "Started",
        SystemEvent::Stop => "Stopped",
        SystemEvent::Drain => "Draining",
        SystemEvent::Checkpoint => "Checkpoint signed",
        SystemEvent::TailCut => "Broken end cut off",
        SystemEvent::Reopened => "Ledger writable again",
        SystemEvent::Restored => "Restored from a backup",
        SystemEvent::StrangersRefused => "Strangers refused",
        SystemEvent::KeyChanged => "Signing key changed",
    };
    let detail = system.detail.as_ref().map(Text::as_str);
    let version = system.version.as_ref().map(Text::as_str);
    (
        state(Tone::None, word),
        optional(version),
        Said::from("Doorward"),
        optional(detail),
    )
}

/// The ids that a record names, to look up what they are called.
pub fn ids(found: &FoundRecord, record: Option<&Record>) -> Vec<String> {
    let mut ids: Vec<String> = found.subject.iter().cloned().collect();
    match record {
        Some(Record::Session(session)) => ids.push(session.subject.to_string()),
        Some(Record::Change(change)) => ids.push(change.name.as_str().to_owned()),
        _ => {}
    }
    ids
}

/// The address of a record's own page.
pub fn address(found: &FoundRecord) -> String {
    format!("/console/ledger/{}", found.place)
}

/// The table's entry of a recorded code; none for one of a later version.
pub fn known(code: &str) -> Option<ReasonCode> {
    ReasonCode::ALL
        .iter()
        .find(|known| known.as_str() == code)
        .copied()
}

/// A row of a file: the same for every kind, so that one sheet holds them all.
pub fn cells(
    found: &FoundRecord,
    record: Option<&Record>,
    outcome: Option<&Outcome>,
    labels: &Labels,
) -> [String; 12] {
    let at: Timestamp = found.place.at;
    let subject = found.subject.clone().unwrap_or_default();
    let label = labels.get(&subject).cloned().unwrap_or_default();
    let mut cells = [
        at.to_string(),
        found.kind.clone(),
        subject,
        label,
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        found.request.clone().unwrap_or_default(),
        found.place.to_string(),
    ];
    match record {
        Some(Record::Decision(decision)) => {
            let (_, sub) = ended(decision, outcome);
            let reasons: Vec<&str> = decision
                .verdict
                .reasons()
                .iter()
                .map(|reason| reason.code.as_str())
                .collect();
            program(decision.origin.client).clone_into(&mut cells[4]);
            asked(decision).plain().clone_into(&mut cells[5]);
            let is_allowed = decision.verdict.is_allowed();
            (if is_allowed {
                outcome.map_or("under way", |outcome| outcome.ended.as_str())
            } else {
                "refused"
            })
            .clone_into(&mut cells[6]);
            cells[7] = if reasons.is_empty() && outcome.is_some() {
                sub
            } else {
                reasons.join(" ")
            };
            if let Some(outcome) = outcome {
                cells[8] = (outcome.usage.input_in_all() + outcome.usage.output_tokens).to_string();
                cells[9] = outcome.cost.to_string();
            }
        }
        Some(record) => {
            let line = EventLine::of(found, Some(record), labels);
            line.by.plain().clone_into(&mut cells[4]);
            line.about.plain().clone_into(&mut cells[5]);
            line.state.word().clone_into(&mut cells[6]);
            line.sub.plain().clone_into(&mut cells[7]);
        }
        None => {}
    }
    cells
}

/// The first row of a file.
pub const HEADER: [&str; 12] = [
    "at",
    "kind",
    "subject",
    "name",
    "client_or_by",
    "asked_or_about",
    "outcome",
    "reasons_or_why",
    "tokens",
    "cost_usd",
    "request",
    "place",
];
