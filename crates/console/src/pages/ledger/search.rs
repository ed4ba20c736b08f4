//! The list of records with its filters, and the same list as a file. Calls are shown by their decision with how they ended beside it.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use control::records::{self, FoundRecord, Outcome, Place as Row, Record, Sought};
use control::{ControlError, Right, people};
use domain::window::{DAY_MS, Period};
use domain::{ClientKind, ReasonCode, Timestamp, limits};
use serde::Deserialize;

use super::line::{self, CallLine, EventLine, Labels};
use super::reasons;
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::columns::{Column, Columns, Order};
use crate::pages::parts::{self, Empty, Notice, Source};
use crate::pages::shell::{Place, Shell};
use crate::pages::show;
use crate::pages::table::{Carried, Chips, Filters, Pager};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Records on one page: a row of them weighs more than one of another list.
const RECORDS: u32 = 40;

/// What to show.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Which {
    kind: Option<String>,
    who: Option<String>,
    when: Option<String>,
    outcome: Option<String>,
    reason: Option<String>,
    model: Option<String>,
    client: Option<String>,
    request: Option<String>,
    after: Option<String>,
}

/// The kinds as tabs: their word in the address, their heading, and the record's kind.
const KINDS: [(&str, &str, &str); 6] = [
    ("", "Calls", "decision"),
    ("sign_in", "Sign-ins", "sign_in"),
    ("session", "Sessions", "session"),
    ("change", "Changes", "change"),
    ("system", "Doorward itself", "system"),
    ("all", "Everything", ""),
];

/// What the table of calls can show.
const CALLS: &[Column] = &[
    Column::new("at", "UTC").fixed(),
    Column::new("who", "Who"),
    Column::new("with", "With").leaving("widest"),
    Column::new("asked", "Asked for").leaving("mid"),
    Column::new("outcome", "Outcome"),
    Column::new("in", "Tokens in").number().leaving("mid"),
    Column::new("out", "Tokens out").number().leaving("mid"),
    Column::new("cost", "Cost").number().leaving("mid"),
    Column::new("took", "Took").number().leaving("widest"),
    Column::new("request", "Request").leaving("wide"),
    Column::new("door", "Door").extra(),
    Column::new("policy", "Policy").number().extra(),
    Column::new("from", "From").extra(),
];

/// What the table of everything else can show.
const EVENTS: &[Column] = &[
    Column::new("at", "UTC").fixed(),
    Column::new("what", "What").fixed(),
    Column::new("about", "About"),
    Column::new("by", "By").leaving("mid"),
    Column::new("why", "Why, or how").leaving("wide"),
];

/// The one order that the ledger is read in.
const ORDERS: &[Order] = &[Order::down("at")];

const WHEN: [(&str, &str); 5] = [
    ("", "Any time"),
    ("hour", "Last hour"),
    ("today", "Today"),
    ("week", "Last 7 days"),
    ("month", "Last 30 days"),
];

/// The fields of the form, which carry themselves.
const FIELDS: [&str; 7] = [
    "kind", "who", "model", "when", "outcome", "reason", "request",
];

const OUTCOMES: [(&str, &str); 3] = [("", "All"), ("allowed", "Allowed"), ("refused", "Refused")];

/// A choice of a select.
#[derive(Debug, Clone)]
struct Choice {
    value: String,
    word: String,
    is_on: bool,
}

fn choices(all: &[(&str, &str)], on: &str) -> Vec<Choice> {
    let choice = |(value, word): &(&str, &str)| Choice {
        value: (*value).to_owned(),
        word: (*word).to_owned(),
        is_on: *value == on,
    };
    all.iter().map(choice).collect()
}

/// A tab.
#[derive(Debug, Clone)]
struct Tab {
    word: &'static str,
    to: String,
    is_on: bool,
}

#[derive(Template)]
#[template(path = "ledger.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    kind: String,
    who: String,
    model: String,
    when: Vec<Choice>,
    outcomes: Vec<Choice>,
    reasons: Vec<reasons::Group>,
    chips: Chips,
    columns: Columns,
    carried: Carried,
    file: String,
    is_calls: bool,
    calls: Vec<CallLine>,
    events: Vec<EventLine>,
    pager: Pager,
    none: Empty,
    notice: Option<Notice>,
    source: Source,
}

/// `GET /console/ledger`.
pub async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let search = match Search::of(&visitor, &which).await? {
        Ok(search) => search,
        Err(notice) => return Ok(answer(&empty(&visitor, &which, notice))),
    };
    let after: Option<Row> = asked::after(which.after.as_ref())?;
    let found = search.page(&visitor, after, RECORDS).await?;
    Ok(answer(&search.shown(&visitor, &which, &found)))
}

/// `GET /console/ledger.csv`: the newest of the same list, at most [`limits::STORE_PAGE_MAX`] rows.
pub async fn file(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let Ok(search) = Search::of(&visitor, &which).await? else {
        return Err(Wrong::plain(ReasonCode::ParameterInvalid));
    };
    let found = search.page(&visitor, None, limits::STORE_PAGE_MAX).await?;
    let rows = found.rows.iter().map(|(row, record)| {
        let outcome = row
            .request
            .as_ref()
            .and_then(|request| found.outcomes.get(request));
        line::cells(row, record.as_ref(), outcome, &found.labels)
    });
    let text = control::text::sheet(&line::HEADER, rows);
    Ok(asked::sheet("ledger", text))
}

/// What is looked for, read from the address.
struct Search {
    sought: Sought,
    kind: String,
    outcome: String,
    reason: String,
    model: String,
    client: Option<ClientKind>,
    filters: Filters,
}

/// A page of what was found.
struct Found {
    rows: Vec<(FoundRecord, Option<Record>)>,
    outcomes: BTreeMap<String, Outcome>,
    labels: Labels,
    next: Option<Row>,
    /// How many were looked at, where each had to be.
    looked_at: Option<usize>,
    is_later: bool,
}

impl Search {
    /// The search of a query; or why nobody is meant by what stands in it.
    async fn of(visitor: &Visitor, which: &Which) -> Result<Result<Self, Notice>, Wrong> {
        visitor.operation().require(Right::LedgerRead)?;
        let now = visitor.operation().clock.now();
        let kind = asked::given(which.kind.as_ref()).to_owned();
        let stored = KINDS
            .iter()
            .find(|(word, ..)| *word == kind)
            .map_or("", |(_, _, stored)| stored);
        let who = asked::sought("Who", which.who.as_ref())?;
        let (subject, label) = match someone(visitor, who).await? {
            Ok(found) => found,
            Err(notice) => return Ok(Err(notice)),
        };
        let when = asked::given(which.when.as_ref());
        let outcome = asked::given(which.outcome.as_ref()).to_owned();
        let reason = asked::sought("The reason", which.reason.as_ref())?.to_owned();
        let model = asked::sought("The model", which.model.as_ref())?.to_owned();
        let client_word = asked::given(which.client.as_ref());
        let request = asked::sought("The request", which.request.as_ref())?.to_owned();
        let word_of = |all: &[(&str, &str)], value: &str| {
            let found = all.iter().find(|(known, _)| *known == value);
            found.map_or_else(String::new, |(_, word)| word.to_lowercase())
        };
        let filters = Filters::of("/console/ledger")
            .with("kind", &kind, tab_word(&kind))
            .with("who", who, &label)
            .with("when", when, word_of(&WHEN, when))
            .with("outcome", &outcome, word_of(&OUTCOMES, &outcome))
            .with("reason", &reason, reasons::word(&reason).to_lowercase())
            .with("model", &model, &model)
            .with("client", client_word, client_word)
            .with("request", &request, "one request");
        let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let sought = Sought {
            subject,
            request: optional(&request),
            // One request is shown with all its records.
            kind: if request.is_empty() {
                optional(stored)
            } else {
                None
            },
            since: since(when, now),
            until: None,
            after: None,
        };
        Ok(Ok(Self {
            sought,
            kind: if request.is_empty() {
                kind
            } else {
                "all".to_owned()
            },
            outcome,
            reason,
            model,
            client: client_of(client_word),
            filters,
        }))
    }

    /// Whether each record must be looked at.
    fn is_sifted(&self) -> bool {
        self.kind.is_empty()
            && (!self.outcome.is_empty()
                || !self.reason.is_empty()
                || !self.model.is_empty()
                || self.client.is_some())
    }

    fn is_wanted(&self, record: &Record) -> bool {
        let Record::Decision(decision) = record else {
            return false;
        };
        let reasons = decision.verdict.reasons();
        let is_allowed = decision.verdict.is_allowed();
        let fits_outcome = match self.outcome.as_str() {
            "allowed" => is_allowed,
            "refused" => !is_allowed,
            _ => true,
        };
        fits_outcome
            && (self.reason.is_empty()
                || reasons
                    .iter()
                    .any(|reason| reason.code.as_str() == self.reason))
            && (self.model.is_empty()
                || decision
                    .model
                    .as_ref()
                    .is_some_and(|model| model.as_str().contains(&self.model)))
            && self
                .client
                .is_none_or(|client| client == decision.origin.client)
    }

    async fn page(&self, visitor: &Visitor, after: Option<Row>, rows: u32) -> Result<Found, Wrong> {
        let operation = visitor.operation();
        let is_later = after.is_some();
        let sought = Sought {
            after,
            ..self.sought.clone()
        };
        let (found, next, looked_at) = if self.is_sifted() {
            let sifted =
                records::sift(&operation, &sought, rows, |record| self.is_wanted(record)).await?;
            (sifted.found, sifted.next, Some(sifted.looked_at))
        } else {
            let (found, more) = records::search(&operation, &sought, rows).await?;
            let next = found.last().filter(|_| more).map(|last| last.place.clone());
            (found, next, None)
        };
        let rows: Vec<_> = found
            .into_iter()
            .map(|row| {
                let record = records::decoded(&row);
                (row, record)
            })
            .collect();
        let mut ids: Vec<String> = rows
            .iter()
            .flat_map(|(row, record)| line::ids(row, record.as_ref()))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let requests: Vec<String> = rows
            .iter()
            .filter_map(|(row, _)| row.request.clone())
            .collect();
        Ok(Found {
            outcomes: if self.kind.is_empty() {
                records::outcomes(&operation, &requests).await?
            } else {
                BTreeMap::new()
            },
            labels: people::labels(&operation, &ids).await?,
            rows,
            next,
            looked_at,
            is_later,
        })
    }

    fn shown(&self, visitor: &Visitor, which: &Which, found: &Found) -> Page {
        let mut page = empty(visitor, which, Notice::info(""));
        page.notice = None;
        page.kind.clone_from(&self.kind);
        page.is_calls = self.kind.is_empty();
        page.file = self.filters.at("/console/ledger.csv");
        let all = if page.is_calls { CALLS } else { EVENTS };
        let columns = Columns::asked(visitor.address(), all, ORDERS);
        let filters = columns.in_addresses(self.filters.clone());
        page.chips = filters.chips();
        page.carried = filters.carried(&FIELDS);
        page.columns = columns.with(&filters);
        for (row, record) in &found.rows {
            match (page.is_calls, record) {
                (true, Some(Record::Decision(decision))) => {
                    let outcome = found.outcomes.get(&decision.request.to_string());
                    page.calls
                        .push(CallLine::of(row, decision, outcome, &found.labels));
                }
                _ => page
                    .events
                    .push(EventLine::of(row, record.as_ref(), &found.labels)),
            }
        }
        let next = found.next.as_ref().map(ToString::to_string);
        page.pager = Pager::new(&filters, says(found), found.is_later, next.as_deref());
        page.none = self.none(found);
        page
    }

    fn none(&self, found: &Found) -> Empty {
        if !self.filters.any() && !found.is_later {
            return Empty::new(
                "ledger",
                "No call yet",
                "Every call is written here before it takes effect; what people write to Claude is not. Sign-ins and changes stand under their own tabs.",
            )
            .linked("First steps", Place::Start.path());
        }
        let text = match (found.looked_at, &found.next) {
            (Some(looked_at), Some(_)) => format!(
                "Looked through {} and found none. There are older ones: the button below looks on.",
                show::counted(looked_at as u64, "record", "records")
            ),
            _ => "Nothing fits what is sought. A chip above takes one filter off.".to_owned(),
        };
        Empty::new("search", "No record fits", text).linked("Show all records", "/console/ledger")
    }
}

fn says(found: &Found) -> String {
    let shown = show::counted(found.rows.len() as u64, "record", "records");
    match found.looked_at {
        Some(looked_at) => format!(
            "{shown} of {} looked through",
            show::count(looked_at as u64)
        ),
        None => format!("{shown}, newest first"),
    }
}

/// The page before anything was looked for.
fn empty(visitor: &Visitor, which: &Which, notice: Notice) -> Page {
    let kind = asked::given(which.kind.as_ref());
    let reason = asked::given(which.reason.as_ref());
    let who = asked::given(which.who.as_ref());
    let tab = |(word, name, _): &(&'static str, &'static str, &str)| Tab {
        word: name,
        to: Filters::of("/console/ledger")
            .with("kind", word, "")
            .with("who", who, "")
            .first(),
        is_on: *word == kind,
    };
    let filters = Filters::of("/console/ledger").with("who", who, who);
    Page {
        shell: Shell::new(visitor, Place::Ledger, "Ledger"),
        tabs: KINDS.iter().map(tab).collect(),
        kind: kind.to_owned(),
        who: who.to_owned(),
        model: asked::given(which.model.as_ref()).to_owned(),
        when: choices(&WHEN, asked::given(which.when.as_ref())),
        outcomes: choices(&OUTCOMES, asked::given(which.outcome.as_ref())),
        reasons: reasons::offered(reason),
        chips: filters.chips(),
        columns: Columns::asked("", CALLS, ORDERS),
        carried: Carried::default(),
        file: filters.at("/console/ledger.csv"),
        is_calls: kind.is_empty(),
        calls: Vec::new(),
        events: Vec::new(),
        pager: Pager::new(&filters, "Nothing was looked for", false, None),
        none: Empty::new(
            "search",
            "Nothing was looked for",
            "Put right what stands above.",
        ),
        notice: Some(notice),
        source: Source(vec![
            "read from the copy, which follows the ledger by less than a second".to_owned(),
            "times in UTC".to_owned(),
            "what proves that none is missing is the ledger's own files: doorward ledger verify"
                .to_owned(),
        ]),
    }
}

/// The id that a text means, and what to call it; or a notice that says why it means nobody, or too many.
async fn someone(
    visitor: &Visitor,
    text: &str,
) -> Result<Result<(Option<String>, String), Notice>, Wrong> {
    if text.is_empty() {
        return Ok(Ok((None, String::new())));
    }
    if text.starts_with("svc_") {
        return Ok(Ok((Some(text.to_owned()), text.to_owned())));
    }
    match people::find(&visitor.operation(), text).await {
        Ok(person) => {
            let label = person.email.or(person.name).unwrap_or(person.stable_id);
            Ok(Ok((Some(person.id.to_string()), label)))
        }
        Err(ControlError::NoSuchPerson) => Ok(Err(Notice::ask(
            "Write a whole e-mail address, a name, an id (per_… or svc_…), or look the person up.",
        )
        .titled("Nobody is called that.")
        .linked("People", "/console/people"))),
        Err(ControlError::Ambiguous(many)) => Ok(Err(Notice::ask(
            "Take the one you mean from the list, and go on from their page.",
        )
        .titled(format!("{many} people are called that."))
        .linked(
            "Choose one",
            format!(
                "/console/people?{}",
                url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("q", text)
                    .finish()
            ),
        ))),
        Err(error) => Err(error.into()),
    }
}

fn tab_word(kind: &str) -> String {
    KINDS
        .iter()
        .find(|(word, ..)| *word == kind)
        .map_or_else(String::new, |(_, name, _)| name.to_lowercase())
}

fn since(when: &str, now: Timestamp) -> Option<Timestamp> {
    match when {
        "hour" => Some(now.plus_ms(-3_600_000)),
        "today" => Some(Period::Daily.window(now).0),
        "week" => Some(now.plus_ms(-7 * DAY_MS)),
        "month" => Some(now.plus_ms(-30 * DAY_MS)),
        _ => None,
    }
}

fn client_of(word: &str) -> Option<ClientKind> {
    [
        ClientKind::ClaudeCode,
        ClientKind::ClaudeDesktop,
        ClientKind::Office,
        ClientKind::Sdk,
        ClientKind::Other,
    ]
    .into_iter()
    .find(|kind| kind.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_list_begins_where_its_word_says() {
        let now = Timestamp::from_unix_ms(1_795_185_118_204);
        assert_eq!(since("", now), None);
        assert_eq!(
            since("today", now).unwrap().to_string(),
            "2026-11-20T00:00:00.000Z"
        );
        for (word, _) in &WHEN[1..] {
            assert!(since(word, now).unwrap() <= now, "{word}");
        }
    }

    #[test]
    fn a_program_is_found_by_its_word_alone() {
        assert_eq!(client_of("claude_code"), Some(ClientKind::ClaudeCode));
        assert_eq!(client_of("Claude Code"), None);
    }
}
