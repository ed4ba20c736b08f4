//! One record as a whole: what it says, grouped, the way of its request with the other records of it, and the text as it was written.

use askama::Template;
use axum::response::Response;
use control::records::{
    self, Change, Decision, Finding, FoundRecord, Outcome, Place as Row, Record, SignIn, System,
    Text,
};
use control::{Right, people};
use domain::Usage;

use super::line::{self, EventLine, Labels};
use super::way::Way;
use crate::pages::answer;
use crate::pages::asked::Named;
use crate::pages::parts::{self, Copyable, Link, State};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// One line of a group.
#[derive(Debug, Clone)]
pub struct Fact {
    /// What it is.
    pub name: &'static str,
    /// What it says.
    pub value: Value,
}

/// What a line says.
#[derive(Debug, Clone)]
pub enum Value {
    /// Words.
    Text(Said),
    /// An id to copy.
    Id(Copyable),
    /// A name that leads somewhere.
    Link(Link),
    /// A moment.
    When(When),
}

/// Lines that belong together.
#[derive(Debug, Clone)]
pub struct Group {
    /// Their heading's id on the page.
    pub id: &'static str,
    /// Their heading.
    pub name: &'static str,
    /// The lines.
    pub facts: Vec<Fact>,
}

/// Another record of the same request.
#[derive(Debug, Clone)]
struct Sibling {
    line: EventLine,
    is_this: bool,
}

#[derive(Template)]
#[template(path = "record.html")]
struct Page {
    shell: Shell,
    title: String,
    about: Said,
    at: When,
    state: State,
    way: Option<Way>,
    way_says: String,
    groups: Vec<Group>,
    siblings: Vec<Sibling>,
    why: Option<String>,
    id: Copyable,
    chain: String,
    seq: String,
    text: String,
}

/// `GET /console/ledger/{place}`.
pub async fn read(visitor: Visitor, Named(place): Named<Row>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let found = records::read(&operation, &place).await?;
    let record = records::decoded(&found);
    let of_request = match &found.request {
        Some(request) => records::of_request(&operation, request).await?,
        None => Vec::new(),
    };
    let mut ids = line::ids(&found, record.as_ref());
    ids.extend(of_request.iter().filter_map(|row| row.subject.clone()));
    let labels = people::labels(&operation, &ids).await?;
    let all: Vec<(FoundRecord, Option<Record>)> = of_request
        .into_iter()
        .map(|row| {
            let record = records::decoded(&row);
            (row, record)
        })
        .collect();
    Ok(answer(&page(
        &visitor,
        (&found, record.as_ref()),
        &all,
        &labels,
    )))
}

fn page(
    visitor: &Visitor,
    (found, record): (&FoundRecord, Option<&Record>),
    all: &[(FoundRecord, Option<Record>)],
    labels: &Labels,
) -> Page {
    let event = EventLine::of(found, record, labels);
    let decision = all.iter().find_map(|(row, record)| match record {
        Some(Record::Decision(decision)) => Some((row, decision)),
        _ => None,
    });
    let outcome = all.iter().find_map(|(_, record)| match record {
        Some(Record::Outcome(outcome)) => Some(outcome),
        _ => None,
    });
    let way = decision.map(|(_, decision)| Way::of(decision, outcome));
    let why = decision.filter(|(_, decision)| !decision.verdict.is_allowed());
    let sibling = |(row, record): &(FoundRecord, Option<Record>)| Sibling {
        line: EventLine::of(row, record.as_ref(), labels),
        is_this: row.place == found.place,
    };
    let title = event.state.word().to_owned();
    Page {
        shell: Shell::new(visitor, Place::Ledger, title.as_str()).within("Record"),
        title,
        about: event.about.clone(),
        at: When::full(found.place.at),
        state: event.state,
        way_says: way.as_ref().map_or_else(String::new, Way::says),
        way,
        groups: groups(
            visitor,
            found,
            record,
            (decision.map(|(_, decision)| decision), outcome),
            labels,
        ),
        siblings: all.iter().map(sibling).collect(),
        why: why.map(|(row, _)| format!("{}/why", line::address(row))),
        id: Copyable::whole("the record's place", &found.place),
        chain: found.place.chain.clone(),
        seq: show::count(found.place.seq),
        text: pretty(&found.body),
    }
}

/// The record as it was written, a member a line, without what commands a screen.
fn pretty(body: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let pretty = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
    let pretty = pretty.unwrap_or_else(|| body.to_owned());
    let lines: Vec<String> = pretty
        .lines()
        .map(|line| Said::from(line).plain().to_owned())
        .collect();
    lines.join("\n")
}

fn text(name: &'static str, value: impl AsRef<str>) -> Fact {
    Fact {
        name,
        value: Value::Text(Said::from(value)),
    }
}

fn groups(
    visitor: &Visitor,
    found: &FoundRecord,
    record: Option<&Record>,
    (decision, outcome): (Option<&Decision>, Option<&Outcome>),
    labels: &Labels,
) -> Vec<Group> {
    let mut groups = Vec::new();
    if let Some(decision) = decision {
        groups.push(Group {
            id: "who",
            name: "Who and where from",
            facts: who(visitor, decision, labels),
        });
        groups.push(Group {
            id: "decided",
            name: "What was decided",
            facts: decided(decision),
        });
    }
    if let Some(outcome) = outcome {
        groups.push(Group {
            id: "ended",
            name: "How it ended",
            facts: ended(outcome),
        });
        groups.push(Group {
            id: "used",
            name: "What it used",
            facts: used(outcome),
        });
    }
    let facts = what(visitor, found, record, labels);
    if !facts.is_empty() {
        groups.push(Group {
            id: "what",
            name: "What happened",
            facts,
        });
    }
    groups
}

fn what(
    visitor: &Visitor,
    found: &FoundRecord,
    record: Option<&Record>,
    labels: &Labels,
) -> Vec<Fact> {
    match record {
        Some(Record::SignIn(sign_in)) => sign_in_facts(sign_in),
        Some(Record::Session(session)) => {
            let id = Copyable::whole("session id", session.session);
            let mut facts = vec![
                Fact {
                    name: "Session",
                    value: Value::Id(id),
                },
                person(visitor, &session.subject.to_string(), labels),
            ];
            let cause = session.cause.as_ref();
            facts.extend(cause.map(|cause| text("Cause", cause.as_str())));
            facts
        }
        Some(Record::Change(change)) => change_facts(change),
        Some(Record::System(system)) => system_facts(system),
        Some(Record::Decision(_) | Record::Outcome(_)) => Vec::new(),
        None => {
            let note = "This program cannot read the record in full; its text stands below.";
            vec![text("Kind", &found.kind), text("Note", note)]
        }
    }
}

fn change_facts(change: &Change) -> Vec<Fact> {
    let all = [
        ("What", Some(change.noun.as_str().replace('_', " "))),
        ("Which", Some(change.name.to_string())),
        ("By", Some(change.by_label.to_string())),
        ("Why", change.reason.as_ref().map(ToString::to_string)),
        ("Version", change.version.map(|version| version.to_string())),
        ("Before", change.before.as_ref().map(ToString::to_string)),
        ("After", change.after.as_ref().map(ToString::to_string)),
    ];
    given(all)
}

fn system_facts(system: &System) -> Vec<Fact> {
    let all = [
        ("Version", system.version.as_ref().map(ToString::to_string)),
        (
            "Particulars",
            system.detail.as_ref().map(ToString::to_string),
        ),
        ("Bytes cut off", system.cut_bytes.map(show::count)),
        ("Refused meanwhile", system.refused.map(show::count)),
        ("Of them calls", system.refused_calls.map(show::count)),
        ("From", system.address.map(|address| address.to_string())),
        ("Since", system.since.map(|since| When::full(since).text())),
    ];
    given(all)
}

/// The lines that say something.
fn given<const LINES: usize>(all: [(&'static str, Option<String>); LINES]) -> Vec<Fact> {
    let said = all.into_iter();
    let said = said.filter_map(|(name, value)| Some(text(name, value?)));
    said.collect()
}

/// Somebody by name, with the way to their page where who looks may go it.
pub fn person(visitor: &Visitor, id: &str, labels: &Labels) -> Fact {
    let word = labels.get(id).map_or_else(|| Said::from(id), Said::from);
    let is_page =
        id.starts_with("per_") && labels.contains_key(id) && visitor.actor().may(Right::PeopleRead);
    let value = if is_page {
        Value::Link(Link {
            to: format!("/console/people/{id}"),
            word,
        })
    } else {
        Value::Text(word)
    };
    Fact { name: "Who", value }
}

/// Who called, with what, from where.
pub fn who(visitor: &Visitor, decision: &Decision, labels: &Labels) -> Vec<Fact> {
    let mut facts = Vec::new();
    match &decision.actor {
        Some(actor) => {
            facts.push(person(visitor, &actor.subject.to_string(), labels));
            facts.push(text("Vouched by", actor.issuer.as_str()));
            facts.push(text(
                "Proved by",
                actor.credential.as_str().replace('_', " "),
            ));
            if let Some(session) = actor.session {
                facts.push(Fact {
                    name: "Session",
                    value: Value::Id(Copyable::whole("session id", session)),
                });
            }
        }
        None => facts.push(text(
            "Who",
            "not named: it was refused before it was settled whose request it was",
        )),
    }
    let version = decision
        .origin
        .version
        .map_or_else(String::new, |version| format!(" {version}"));
    facts.push(text(
        "Program",
        format!(
            "{}{version}, as it says itself",
            line::program(decision.origin.client)
        ),
    ));
    let address = decision
        .origin
        .address
        .map_or_else(|| "not told".to_owned(), |address| address.to_string());
    facts.push(text("From", address));
    facts
}

fn decided(decision: &Decision) -> Vec<Fact> {
    let mut facts = vec![
        text("Asked for", line::asked(decision).plain()),
        text("Endpoint", decision.action.as_str()),
    ];
    for reason in decision.verdict.reasons() {
        let rule = reason
            .rule
            .as_ref()
            .map_or_else(String::new, |rule| format!(", rule “{}”", rule.as_str()));
        facts.push(text(
            "Against it",
            format!("{}{rule}", reason.code.as_str()),
        ));
    }
    let granted: Vec<&str> = decision.granted_by.iter().map(Text::as_str).collect();
    if !granted.is_empty() {
        facts.push(text("Granted by", granted.join(", ")));
    }
    if let Some(version) = decision.policy_version {
        facts.push(text("Policy", format!("version {version}")));
    }
    facts.extend(found("Found", &decision.findings));
    facts.push(text("Set aside", show::usd_of_a_call(decision.reserved)));
    facts.push(text(
        "Size",
        format!("{} bytes", show::count(decision.body_bytes)),
    ));
    facts.push(Fact {
        name: "Request",
        value: Value::Id(Copyable::whole("request id", decision.request)),
    });
    facts
}

/// What inspection found, a line each.
fn found(name: &'static str, findings: &[Finding]) -> impl Iterator<Item = Fact> {
    findings.iter().map(move |finding| {
        let places = show::counted(u64::from(finding.count), "place", "places");
        let (detector, confidence) = (finding.detector.as_str(), finding.confidence);
        text(name, format!("{detector}: {places}, {confidence} % sure"))
    })
}

fn ended(outcome: &Outcome) -> Vec<Fact> {
    let mut facts = vec![text("End", outcome.ended.as_str().replace('_', " "))];
    facts.extend(
        outcome
            .code
            .as_ref()
            .map(|code| text("Code", code.as_str())),
    );
    facts.extend(
        outcome
            .status
            .map(|status| text("Status", format!("HTTP {status}"))),
    );
    facts.extend(
        outcome
            .upstream
            .as_ref()
            .map(|name| text("Upstream", name.as_str())),
    );
    for id in &outcome.upstream_requests {
        facts.push(Fact {
            name: "Its request",
            value: Value::Id(Copyable::whole("upstream request id", id.as_str())),
        });
    }
    facts.extend(
        outcome
            .first_byte_ms
            .map(|ms| text("First byte", format!("after {}", show::took(ms)))),
    );
    facts.extend(found("Found in the answer", &outcome.findings));
    facts.push(text("Took", show::took(outcome.duration_ms)));
    facts
}

fn used(outcome: &Outcome) -> Vec<Fact> {
    let Usage {
        input_tokens,
        output_tokens,
        cache_read_tokens,
        ..
    } = outcome.usage;
    let written = outcome
        .usage
        .cache_write_5m_tokens
        .saturating_add(outcome.usage.cache_write_1h_tokens);
    let cost = match (outcome.unpriced, outcome.estimated) {
        (true, _) => format!(
            "{}, not the real one: no price is known",
            show::usd_of_a_call(outcome.cost)
        ),
        (false, true) => format!(
            "{}, a bound: not all of the answer was seen",
            show::usd_of_a_call(outcome.cost)
        ),
        (false, false) => show::usd_of_a_call(outcome.cost),
    };
    let paid: Vec<&str> = outcome.paid_from.iter().map(Text::as_str).collect();
    let mut facts = vec![
        text("Cost", cost),
        text("Input", format!("{} tokens", show::count(input_tokens))),
        text("Output", format!("{} tokens", show::count(output_tokens))),
        text(
            "From caches",
            format!("{} tokens", show::count(cache_read_tokens)),
        ),
        text("To caches", format!("{} tokens", show::count(written))),
    ];
    if !paid.is_empty() {
        facts.push(text("Paid from", paid.join(", ")));
    }
    facts
}

fn sign_in_facts(sign_in: &SignIn) -> Vec<Fact> {
    let mut facts = Vec::new();
    facts.extend(
        sign_in
            .email
            .as_ref()
            .map(|email| text("Who", email.as_str())),
    );
    facts.extend(
        sign_in
            .stable_id
            .as_ref()
            .map(|id| text("Stable id", id.as_str())),
    );
    facts.extend(
        sign_in
            .issuer
            .as_ref()
            .map(|issuer| text("Vouched by", issuer.as_str())),
    );
    facts.push(text("By", sign_in.method.as_str()));
    facts.push(text("Program", line::program(sign_in.origin.client)));
    facts.extend(
        sign_in
            .origin
            .address
            .map(|address| text("From", address.to_string())),
    );
    for reason in sign_in.verdict.reasons() {
        facts.push(text("Against it", reason.code.as_str()));
    }
    if let Some(session) = sign_in.session {
        facts.push(Fact {
            name: "Session",
            value: Value::Id(Copyable::whole("session id", session)),
        });
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_record_keeps_its_lines_and_commands_nothing() {
        let shown = pretty("{\"a\":\"x\u{202e}y\",\"b\":1}");
        assert_eq!(shown, "{\n  \"a\": \"x\u{fffd}y\",\n  \"b\": 1\n}");
        assert_eq!(pretty("no json"), "no json");
    }
}
