//! A call that somebody has to approve, as the door meets it: whether this very call may be made, and what its client is told where it may
//! not. A yes is used up by the answer, so whoever is given one makes the call at once or not at all. Who decides, and what an
//! approval is bound to, is behind [`Approvals`]; nothing here can say yes.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use domain::policy::connectors::Approver;
use domain::policy::{Connector, Determined, Standing};
use domain::{ActionClass, ApprovalId, Caller, Reason, ReasonCode, Refusal, Timestamp, limits};
use serde_json::{Value, json};

use crate::envelope::{self, Id};
use crate::params::Params;

/// What the client's answer to our question is called, among those to a connector's own.
pub const QUESTION: &str = "doorward_approval";
/// The code of an error that asks to open a page (2025-11-25, `URLElicitationRequiredError`).
pub(crate) const URL_NEEDED: i32 = -32042;
/// Where a modern request says what its client can do.
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// A call that the policy asks somebody about.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// Which connector.
    pub connector: Arc<Connector>,
    /// Which of its actions.
    pub action: String,
    /// What it does to the world.
    pub class: ActionClass,
    /// Its arguments in their canonical form.
    pub arguments: String,
    /// The hash of its definition; empty where none was pinned.
    pub definition: String,
    /// Where the policy has it.
    pub standing: Standing,
    /// The program that calls.
    pub client: String,
}

impl Wanted {
    /// The entries of the policy that ask, by name.
    pub fn rule(&self) -> String {
        let names = self.standing.by.iter().filter_map(|by| match by {
            Determined::Entry(name) | Determined::Argument { entry: name, .. } => Some(&**name),
            Determined::Ceiling { .. } | Determined::Default => None,
        });
        let mut names: Vec<&str> = names.collect();
        names.dedup();
        names.join(", ")
    }
}

/// How it stands with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// It may be made, now and once.
    Granted(ApprovalId),
    /// Somebody has to decide.
    Waits {
        /// Which approval.
        id: ApprovalId,
        /// Until when.
        until: Timestamp,
    },
    /// Somebody said no to exactly this call.
    Denied {
        /// Which approval.
        id: ApprovalId,
        /// Who.
        by: String,
        /// Why, in their words.
        reason: String,
    },
    /// Somebody said yes to the same action with other arguments.
    Changed {
        /// The approval of that call.
        id: ApprovalId,
        /// Until when it is good.
        until: Timestamp,
        /// Who changed them.
        by: String,
        /// Those arguments, as JSON.
        arguments: String,
    },
}

/// What [`Approvals::seek`] returns.
pub type Seeking<'a> = Pin<Box<dyn Future<Output = Result<Sought, Refusal>> + Send + 'a>>;

/// Who knows of approvals. Implemented in `server` over `control`.
pub trait Approvals: Debug + Send + Sync {
    /// Whether this very call may be made; asks for it when nobody has yet, and uses a yes up.
    fn seek<'a>(&'a self, wanted: &'a Wanted) -> Seeking<'a>;
}

/// The page on which somebody decides.
pub fn page(public_url: &str, id: ApprovalId) -> String {
    format!("{}/approvals/{id}", public_url.trim_end_matches('/'))
}

/// What the client is told of a call that waits or was denied.
pub fn refusal(wanted: &Wanted, sought: &Sought, public_url: &str) -> Refusal {
    let what = format!("{} of {}", wanted.action, wanted.connector.name);
    let text = match sought {
        Sought::Granted(_) => return Refusal::plain(ReasonCode::Internal),
        Sought::Waits { id, until } => {
            let page = page(public_url, *id);
            let who = match &wanted.standing.approver {
                Approver::Own => format!(
                    "You decide about it yourself: open {page} , read what will happen, and approve or deny it."
                ),
                Approver::Second => {
                    format!("Somebody else who may approve decides about it at {page} .")
                }
                Approver::Groups(groups) => {
                    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
                    format!(
                        "Somebody else of {} decides about it at {page} .",
                        groups.join(" or ")
                    )
                }
            };
            format!(
                "The call {what} waits for approval {id}. {who} It is refused by itself at {until}. Once it is approved, make the same call again with the same arguments; other arguments are another call."
            )
        }
        Sought::Denied { id, by, reason } => {
            format!(
                "The call {what} was denied by {by} (approval {id}): {reason}. Do not repeat it."
            )
        }
        Sought::Changed {
            id,
            until,
            by,
            arguments,
        } => {
            format!(
                "{by} has changed the arguments of {what}, and it is approved so (approval {id}, good for one call until {until}). Make the call with exactly these arguments: {arguments}"
            )
        }
    };
    let reason = Reason::new(ReasonCode::ApprovalNeeded, text);
    Refusal::one(match wanted.rule() {
        rule if rule.is_empty() => reason,
        rule => reason.by(rule),
    })
}

/// Whether a modern client, by the parameters of its request, can lead its person to a page.
pub fn can_open_pages(params: &Params<'_>) -> bool {
    let said = params.meta(META_CAPABILITIES);
    says_pages(said, "/elicitation/url")
}

/// Whether a client says that it can lead its person to a page.
fn says_pages(said: Option<&str>, at: &str) -> bool {
    let said = said.and_then(|said| serde_json::from_str::<Value>(said).ok());
    let url = said.as_ref().and_then(|said| said.pointer(at));
    url.is_some_and(Value::is_object)
}

/// A result that asks a modern client to lead its person to the page, and to call again. Nothing of it comes back but that somebody
/// was there: the yes is given on the page alone, so there is no state that could be forged or replayed. `id` is the request's, as it
/// is written.
pub fn asks_to_open(id: &str, wanted: &Wanted, approval: ApprovalId, public_url: &str) -> String {
    let question = json!({
        "method": "elicitation/create",
        "params": {"mode": "url", "message": message(wanted), "url": page(public_url, approval)},
    });
    let result = json!({"resultType": "input_required", "inputRequests": {QUESTION: question}});
    envelope::result(id, result)
}

/// What a client has said to our question: never a yes, which is given on the page alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Its person was led to the page.
    Accepted,
    /// They were not.
    Refused,
}

/// What a modern request says to our question; none where it does not answer it.
pub fn reply(params: &Params<'_>) -> Option<Reply> {
    let replies: Value = serde_json::from_str(params.get("inputResponses")?).ok()?;
    let reply = replies.get(QUESTION)?;
    Some(match reply.get("action").and_then(Value::as_str) {
        Some("accept") => Reply::Accepted,
        _ => Reply::Refused,
    })
}

/// What a request's progress is told under, as it is written: a text or a whole number.
pub fn progress_token(params: &Params<'_>) -> Option<String> {
    let token = params.progress_token()?;
    let is_whole = || token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok();
    let is_token =
        token.len() <= limits::MCP_ID_BYTES_MAX && (token.starts_with('"') || is_whole());
    is_token.then(|| token.to_owned())
}

/// Whether what a client wants to hear of progress under is one thing, and small: it is kept as long as its call runs.
pub fn is_token_sound(params: &Params<'_>) -> bool {
    params.progress_token().is_none_or(|token| {
        let is_one = token.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
        is_one && token.len() <= limits::MCP_ID_BYTES_MAX
    })
}

/// Whether a client that greets with these parameters can lead its person to a page.
pub fn greets_with_pages(params: Option<&str>) -> bool {
    says_pages(params, "/capabilities/elicitation/url")
}

fn message(wanted: &Wanted) -> String {
    format!(
        "Needs an approval: {} · {}. Read what will happen, and approve or deny this one call.",
        wanted.connector.title(),
        wanted.action
    )
}

/// The same question for a client with a session, on the stream of the call that waits.
pub fn question(wanted: &Wanted, approval: ApprovalId, public_url: &str) -> String {
    let page = page(public_url, approval);
    let id = approval.to_string();
    let params =
        json!({"mode": "url", "elicitationId": id, "message": message(wanted), "url": page});
    let id = format!("{QUESTION}:{id}");
    json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params})
        .to_string()
}

/// Whether an answer is one to [`question`], which no connector has asked.
pub fn is_ours(id: &Id) -> bool {
    matches!(id, Id::Text(text) if text.strip_prefix(QUESTION).is_some_and(|rest| rest.starts_with(':')))
}

/// The error that asks a client with a session to lead its person to the page, and to call again. `id` is the request's, as it is
/// written.
pub fn open_first(id: &str, wanted: &Wanted, approval: ApprovalId, public_url: &str) -> String {
    let page = page(public_url, approval);
    let text = message(wanted);
    let question =
        json!({"mode": "url", "elicitationId": approval.to_string(), "message": text, "url": page});
    let error = json!({"code": URL_NEEDED, "message": text, "data": {"elicitations": [question]}});
    envelope::error(id, error)
}

/// The message without the client's answer to our question, which is not for the connector. None where it has none.
pub fn without_our_answer(message: &[u8]) -> Option<Vec<u8>> {
    let mut message: Value = serde_json::from_slice(message).ok()?;
    let params = message.get_mut("params")?.as_object_mut()?;
    let answers = params.get_mut("inputResponses")?.as_object_mut()?;
    answers.shift_remove(QUESTION)?;
    if answers.is_empty() {
        params.shift_remove("inputResponses");
    }
    serde_json::to_vec(&message).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(params: Option<&str>) -> Params<'_> {
        Params::read(params).unwrap()
    }

    #[test]
    fn progress_is_heard_under_a_small_text_or_number_that_stands_once() {
        let long = format!("\"{}\"", "x".repeat(limits::MCP_ID_BYTES_MAX));
        for (token, is_sound) in [
            ("\"a\"", true),
            ("7", true),
            (&*long, false),
            ("[1]", false),
            ("{}", false),
            ("1,\"progressToken\":2", false),
        ] {
            let params = format!("{{\"_meta\":{{\"progressToken\":{token}}}}}");
            let read = Params::read(Some(&params));
            let found = read.is_ok_and(|params| is_token_sound(&params));
            assert_eq!(found, is_sound, "{token:.20}");
        }
        for params in [None, Some("{}"), Some("{\"_meta\":{}}")] {
            assert!(is_token_sound(&read(params)), "{params:?}");
        }
    }

    #[test]
    fn our_question_is_answered_to_us_and_a_connectors_own_to_it() {
        let check = |message: &str, expected: Option<&str>| {
            let kept = without_our_answer(message.as_bytes());
            let kept = kept.map(|kept| String::from_utf8(kept).unwrap());
            assert_eq!(kept.as_deref(), expected, "{message}");
        };
        check(
            r#"{"id":1,"params":{"name":"x","inputResponses":{"doorward_approval":{"action":"accept"}}}}"#,
            Some(r#"{"id":1,"params":{"name":"x"}}"#),
        );
        check(
            r#"{"id":1,"params":{"inputResponses":{"doorward_approval":{},"theirs":{"action":"accept"}},"requestState":"s"}}"#,
            Some(
                r#"{"id":1,"params":{"inputResponses":{"theirs":{"action":"accept"}},"requestState":"s"}}"#,
            ),
        );
        check(
            r#"{"id":1,"params":{"inputResponses":{"theirs":{}}}}"#,
            None,
        );
        check(r#"{"id":1,"params":{"name":"doorward_approval"}}"#, None);
    }

    #[test]
    fn only_a_client_that_says_so_is_asked_to_open_a_page() {
        let check = |capabilities: &str, expected: bool| {
            let params = format!(
                "{{\"_meta\":{{\"io.modelcontextprotocol/clientCapabilities\":{capabilities}}}}}"
            );
            assert_eq!(
                can_open_pages(&read(Some(&params))),
                expected,
                "{capabilities}"
            );
        };
        check(r#"{"elicitation":{"url":{}}}"#, true);
        check(r#"{"elicitation":{"form":{},"url":{}}}"#, true);
        check(r#"{"elicitation":{}}"#, false);
        check(r#"{"elicitation":{"url":true}}"#, false);
        check("{}", false);
        assert!(!can_open_pages(&read(None)));
    }

    #[test]
    fn what_a_client_says_to_our_question_is_read_and_is_never_a_yes() {
        let check = |params: &str, expected: Option<Reply>| {
            assert_eq!(reply(&read(Some(params))), expected, "{params}");
        };
        check(
            r#"{"inputResponses":{"doorward_approval":{"action":"accept"}}}"#,
            Some(Reply::Accepted),
        );
        for said in [r#"{"action":"decline"}"#, r#"{"action":true}"#, "5", "null"] {
            check(
                &format!("{{\"inputResponses\":{{\"doorward_approval\":{said}}}}}"),
                Some(Reply::Refused),
            );
        }
        check(r#"{"inputResponses":{"theirs":{"action":"accept"}}}"#, None);
        check("{}", None);
        assert!(is_ours(&Id::Text("doorward_approval:apr_1".to_owned())));
        assert!(!is_ours(&Id::Text("doorward_approvals".to_owned())));
        assert!(!is_ours(&Id::Number(1)));
    }

    #[test]
    fn progress_is_told_under_what_may_be_a_token_alone() {
        let token = |text: &str| {
            let params = format!("{{\"_meta\":{{\"progressToken\":{text}}}}}");
            progress_token(&read(Some(&params)))
        };
        assert_eq!(token("7").as_deref(), Some("7"));
        assert_eq!(token("\"a\\\"b\"").as_deref(), Some("\"a\\\"b\""));
        for text in [
            "1.5",
            "null",
            "{}",
            "[]",
            &format!("\"{}\"", "x".repeat(300)),
        ] {
            assert_eq!(token(text), None, "{text}");
        }
        assert_eq!(progress_token(&read(None)), None);
    }
}
