//! One call that waits for approval: who wants what where, its arguments whole, what it is bound to, and a yes or no.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use control::approvals::{self, Shown};
use domain::{ApprovalId, ApprovalState, ClientKind, limits};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use web::sign_in_address;

use super::{badge_of, effect, path, title, what, who_decides};
use crate::pages::answer;
use crate::pages::asked::{self, Asked, Form, Named};
use crate::pages::ledger::line;
use crate::pages::parts::{self, Badge, Copyable, Field, Notice, State, Tone, state};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Lines, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// What was done.
#[derive(Debug, Deserialize)]
pub struct Which {
    done: Option<String>,
}

/// A yes or no as it was typed.
#[derive(Debug, Default, Deserialize)]
pub struct Typed {
    csrf: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    decision: String,
}

/// One argument, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Argument {
    name: Said,
    value: Lines,
    says: &'static str,
}

/// What somebody decided.
#[derive(Debug, Clone)]
struct End {
    by: Said,
    at: When,
    reason: Said,
    took: String,
    /// The call that stands in its place.
    instead: Option<String>,
}

#[derive(Template)]
#[template(path = "approval.html")]
struct Page {
    shell: Shell,
    headline: &'static str,
    says: String,
    badge: Badge,
    left: Option<Badge>,
    who: Said,
    client: Said,
    action: Said,
    connector: Said,
    effect: State,
    arguments: Option<Vec<Argument>>,
    no_arguments: &'static str,
    id: Copyable,
    names: Said,
    hash: Copyable,
    definition: Copyable,
    policy_version: u64,
    rule: Said,
    asked: When,
    until: When,
    until_word: &'static str,
    decides: Said,
    /// Who changed its arguments, and the call as it was asked for.
    changed: Option<(Said, String)>,
    end: Option<End>,
    /// The form; nothing where there is nothing to decide.
    form: Option<Decide>,
}

/// The form of whoever may decide.
#[derive(Debug, Clone)]
struct Decide {
    action: String,
    reason: Field,
    may_approve: bool,
    /// Where the arguments are changed.
    change: Option<String>,
    /// Why they may not say yes.
    kept_from: Option<String>,
    /// Where they prove who they are first.
    prove: Option<String>,
}

/// `GET /approvals/{id}`.
pub async fn read(
    visitor: Visitor,
    Named(id): Named<ApprovalId>,
    Asked(which): Asked<Which>,
) -> Result<Response, Wrong> {
    let shown = approvals::read(&visitor.operation(), id).await?;
    let told = told(asked::given(which.done.as_ref()), shown.state);
    Ok(answer(&page(&visitor, shown, told, (String::new(), None))))
}

/// `GET /approvals/{id}/decide`: where a new proof leads back to.
pub async fn back(_: Visitor, Named(id): Named<ApprovalId>) -> Response {
    Redirect::to(&format!("/approvals/{id}")).into_response()
}

/// `POST /approvals/{id}/decide`.
pub async fn decide(
    visitor: Visitor,
    Named(id): Named<ApprovalId>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    let operation = visitor.operation();
    let reason = typed.reason.trim();
    let made = match typed.decision.as_str() {
        "approve" => {
            visitor.fresh()?;
            approvals::approve(&operation, id, reason).await
        }
        "deny" => approvals::deny(&operation, id, reason).await,
        _ => return Err(Wrong::plain(domain::ReasonCode::ParameterInvalid)),
    };
    let Err(error) = made else {
        return Ok(asked::done(&format!("/approvals/{id}"), "decided"));
    };
    if let Some(wrong) = of_field(&error, "reason") {
        let shown = approvals::read(&operation, id).await?;
        let page = page(&visitor, shown, None, (typed.reason, Some(wrong)));
        let status = http::StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(web::page::respond(status, &page, HeaderMap::new()));
    }
    Err(super::change::over(error, id))
}

fn told(word: &str, state: ApprovalState) -> Option<Notice> {
    match (word, state) {
        ("decided", ApprovalState::Approved) => Some(Notice::done(
            "It is approved, for this one call. The program may make it now; if it does not wait, ask it to try again.",
        )),
        ("changed", ApprovalState::Pending) => Some(Notice::ask(
            "These are the changed arguments, and nothing is approved yet: read them, and decide.",
        )),
        ("decided", ApprovalState::Denied) => Some(Notice::done(
            "It is denied. The program is told so, with your reason.",
        )),
        _ => None,
    }
}

fn page(
    visitor: &Visitor,
    shown: Shown,
    told: Option<Notice>,
    typed: (String, Option<String>),
) -> Page {
    let now = visitor.operation().clock.now();
    let form = form(visitor, &shown, typed);
    let (headline, says) = head(&shown);
    let arguments = shown.arguments.as_deref().map(arguments);
    let sees = shown.is_own || shown.may_approve;
    let approval = shown.approval;
    let around = if visitor.actor().may(control::Right::ApprovalsRead) {
        Shell::new(visitor, Place::Approvals, headline).within(what(&approval))
    } else {
        Shell::apart(visitor, headline)
    };
    let (effect, tone) = effect(&approval.about.class);
    let binding = &approval.binding;
    let is_live = !shown.state.is_over();
    Page {
        shell: around.telling(told),
        headline,
        says,
        badge: badge_of(shown.state),
        left: is_live.then(|| {
            let left = show::length(approval.expires.ms_since(now));
            parts::badge(Tone::Ask, format!("{left} left"))
        }),
        who: Said::from(&approval.label),
        client: Said::from(program(&approval.about.client)),
        action: Said::from(title(&approval.about.action_title, &binding.action)),
        connector: Said::from(title(&approval.about.connector_title, &binding.connector)),
        effect: state(tone, effect),
        arguments,
        no_arguments: if sees {
            "They were taken away a day after the end, as every call's are."
        } else {
            "Only who asked and who may approve it see them."
        },
        id: Copyable::whole("approval id", approval.id),
        names: Said::from(format!("{}.{}", binding.connector, binding.action)),
        hash: Copyable::short("hash of the arguments", &binding.arguments_sha256),
        definition: Copyable::short("definition hash", &binding.definition),
        policy_version: binding.policy_version,
        rule: Said::from(&approval.about.rule),
        asked: When::full(approval.asked),
        until: When::full(approval.expires),
        until_word: match shown.state {
            ApprovalState::Approved => "Good until",
            ApprovalState::Pending => "Refused by itself",
            _ => "Was good until",
        },
        decides: Said::from(who_decides(&approval.binding.approver)),
        changed: shown.in_place_of.as_ref().map(|first| {
            let by = first.decision.as_ref();
            let by = by.map_or_else(Said::default, |decision| Said::from(&decision.label));
            (by, path(first))
        }),
        end: approval.decision.as_ref().map(|decision| End {
            by: Said::from(&decision.label),
            at: When::full(decision.at),
            reason: Said::from(&decision.reason),
            took: show::length(decision.at.ms_since(approval.asked)),
            instead: approval
                .instead
                .map(|instead| format!("/approvals/{instead}")),
        }),
        form,
    }
}

/// What the page is about, in a headline and a sentence.
fn head(shown: &Shown) -> (&'static str, String) {
    let for_whom = who_decides(&shown.approval.binding.approver);
    match shown.state {
        ApprovalState::Pending if shown.may_approve => (
            "An approval waits for you",
            "It is for this one call, with exactly these arguments, and for nothing else.".to_owned(),
        ),
        ApprovalState::Pending => ("A call waits for approval", format!("It waits for {for_whom}.")),
        ApprovalState::Approved => (
            "A call was approved",
            "The program has not made it yet. If it does not wait, ask it to try again with the same arguments.".to_owned(),
        ),
        ApprovalState::Denied if shown.approval.instead.is_some() => (
            "Another call stands in its place",
            "Whoever decides would rather have other arguments. The program is told them once they are approved.".to_owned(),
        ),
        ApprovalState::Denied => (
            "A call was denied",
            "The same call is refused for a while; whoever still wants it asks anew.".to_owned(),
        ),
        ApprovalState::Expired => (
            "A call was not approved in time",
            "Nobody decided, or the program did not call in time. Whoever still wants it asks anew.".to_owned(),
        ),
        ApprovalState::Consumed => (
            "A call was approved and made",
            "An approval is good for one call; the next one asks again.".to_owned(),
        ),
    }
}

fn form(
    visitor: &Visitor,
    shown: &Shown,
    (reason, wrong): (String, Option<String>),
) -> Option<Decide> {
    let is_pending = shown.state == ApprovalState::Pending;
    let is_open = is_pending || shown.state == ApprovalState::Approved;
    if !is_open || !(shown.may_deny || shown.may_approve) {
        return None;
    }
    let here = path(&shown.approval);
    let kept_from = match (is_pending, shown.may_approve, shown.is_own) {
        (false, _, _) => {
            Some("It is approved already; until it is used it can still be denied.".to_owned())
        }
        (true, true, _) => None,
        (true, false, true) => Some(format!(
            "You asked for this yourself, so it waits for {}.",
            who_decides(&shown.approval.binding.approver)
        )),
        (true, false, false) => Some(format!(
            "It waits for {}; you can deny it.",
            who_decides(&shown.approval.binding.approver)
        )),
    };
    let may_approve = is_pending && shown.may_approve;
    let is_stale = may_approve && visitor.fresh().is_err();
    Some(Decide {
        action: format!("{here}/decide"),
        reason: Field {
            name: "reason",
            label: "Reason".to_owned(),
            value: reason,
            hint: "Needed to deny: whoever asked and their program read it. The ledger keeps it."
                .to_owned(),
            wrong,
            is_required: false,
            is_long: false,
            chars_max: limits::REASON_CHARS_MAX,
        },
        may_approve,
        change: (may_approve && shown.arguments.is_some()).then(|| format!("{here}/change")),
        kept_from,
        prove: is_stale.then(|| sign_in_address(&here, true)),
    })
}

/// Every argument, whole.
fn arguments(canonical: &[u8]) -> Vec<Argument> {
    // Where a call says more than its arguments, all that it says is a list of one.
    let said = match serde_json::from_slice::<Value>(canonical) {
        Ok(Value::Array(mut all)) if all.len() == 1 => all.pop(),
        other => other.ok(),
    };
    let Some(Value::Object(members)) = said else {
        let text = String::from_utf8_lossy(canonical);
        return vec![argument("all of them", &text, false)];
    };
    members
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) => argument(name, text, true),
            other => {
                let text = serde_json::to_string_pretty(other);
                argument(name, &text.unwrap_or_default(), false)
            }
        })
        .collect()
}

fn argument(name: &str, value: &str, is_text: bool) -> Argument {
    let hides = |text: &str| text.chars().any(is_hidden) || is_padded(text);
    let hidden = hides(value) || hides(name);
    Argument {
        name: Said::from(visible(name)),
        value: Lines(visible(value)),
        says: match (hidden, value.is_empty(), is_text) {
            (true, _, _) => "holds characters that cannot be seen, written here as \\u{…}",
            (_, true, _) => "empty",
            (_, _, true) => "",
            _ => "as JSON",
        },
    }
}

/// Whether a letter cannot be seen, or not told from a blank. Somebody signs what stands here: so more is written out than in names, what
/// joins letters and varies them too.
pub(super) fn is_hidden(letter: char) -> bool {
    let is_odd_blank = letter.is_whitespace() && !matches!(letter, ' ' | '\n');
    is_odd_blank
        || (letter != '\n' && control::text::is_hostile(letter))
        || matches!(
            letter,
            '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200c}'..='\u{200d}'
                | '\u{2800}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{fffc}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d159}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0100}'..='\u{e01ef}'
        )
}

/// Whether a text begins or ends with a blank.
fn is_padded(text: &str) -> bool {
    text.trim_matches(' ') != text
}

/// The text with what cannot be seen written out, the blanks at its ends too.
fn visible(text: &str) -> String {
    let inner = text.trim_matches(' ');
    let before = text.len() - text.trim_start_matches(' ').len();
    let letters = text.char_indices().map(|(at, letter)| {
        let is_at_an_end = letter == ' ' && (at < before || at >= before + inner.len());
        if is_at_an_end || is_hidden(letter) {
            letter.escape_unicode().to_string()
        } else {
            letter.to_string()
        }
    });
    letters.collect()
}

/// A program by the word that its call was written down with; nothing of one that is not known.
fn program(word: &str) -> &str {
    let known = [
        ClientKind::ClaudeCode,
        ClientKind::ClaudeDesktop,
        ClientKind::Office,
        ClientKind::Sdk,
    ];
    match known.into_iter().find(|kind| kind.as_str() == word) {
        Some(kind) => line::program(kind),
        None if word == ClientKind::Other.as_str() => "",
        None => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_is_shown_whole_and_what_cannot_be_seen_is_written_out() {
        let long = "x".repeat(9_000);
        let text = format!(
            r#"{{"a":"<b>\n2","b":{{"c":[1]}},"d":"a\u202eb","e":"","f":{}}}"#,
            serde_json::to_string(&long).unwrap()
        );
        let shown = arguments(text.as_bytes());
        let texts: Vec<(String, &str)> = shown
            .iter()
            .map(|one| (one.value.to_string(), one.says))
            .collect();
        assert_eq!(texts[0], ("&lt;b&gt;\n2".to_owned(), ""));
        assert_eq!(texts[1].1, "as JSON");
        assert!(texts[2].0.contains("a\\u{202e}b") && texts[2].1.contains("cannot be seen"));
        assert_eq!(texts[3], (String::new(), "empty"));
        assert_eq!(texts[4].0, long);
        for odd in [
            "❤\u{fe0f}",
            "a\u{e0100}",
            "\u{2800}",
            "a\u{a0}b",
            "\u{3000}",
            "a\u{200d}b",
            "to ",
        ] {
            let text = serde_json::json!({"x": odd}).to_string();
            let shown = &arguments(text.as_bytes())[0];
            assert!(shown.value.to_string().contains("\\u{"), "{odd:?}");
            assert!(shown.says.contains("cannot be seen"), "{odd:?}");
            let text = serde_json::json!({odd: "x"}).to_string();
            assert!(
                arguments(text.as_bytes())[0]
                    .says
                    .contains("cannot be seen"),
                "{odd:?}"
            );
        }
        assert_eq!(arguments(b"[1]").len(), 1);
    }

    #[test]
    fn a_program_is_called_as_people_call_it() {
        let said = ["claude_code", "other", "", "Claude Desktop"].map(program);
        assert_eq!(said, ["Claude Code", "", "", "Claude Desktop"]);
    }
}
