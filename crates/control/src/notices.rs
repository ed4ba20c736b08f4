//! Telling those who may decide that a call waits, or that somebody asks for access and what became of it: what is said, in the forms that
//! chats and mailers take, and which of the replicas says it. A notice holds names, a time and the address of the page, and never an
//! argument or a word that somebody wrote to say why: it goes to places that keep what they are sent, and the page asks who reads it. The
//! templates are data beside this file; what people and connectors are called is put into them as text. Sent by `server`.

use domain::approval::Approver;
use domain::{AccessState, Timestamp, limits};
use serde_json::Value;

use crate::access::Who;
use crate::access_requests::{AccessRequest, recorded};
use crate::approvals::Approval;
use crate::{ControlError, Operation};

/// The form that a receiver takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeKind {
    /// A JSON object of our own.
    Webhook,
    /// A message with an adaptive card, as a Teams workflow takes it.
    Teams,
    /// A message as an incoming webhook of Slack takes it.
    Slack,
    /// Subject and text, for whatever sends mail.
    Mail,
}

impl NoticeKind {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Webhook, Self::Teams, Self::Slack, Self::Mail];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Teams => "teams",
            Self::Slack => "slack",
            Self::Mail => "mail",
        }
    }

    const fn of_a_call(self) -> &'static str {
        match self {
            Self::Webhook => include_str!("../data/notices/calls/webhook.json"),
            Self::Teams => include_str!("../data/notices/calls/teams.json"),
            Self::Slack => include_str!("../data/notices/calls/slack.json"),
            Self::Mail => include_str!("../data/notices/calls/mail.json"),
        }
    }

    const fn of_a_request(self) -> &'static str {
        match self {
            Self::Webhook => include_str!("../data/notices/requests/webhook.json"),
            Self::Teams => include_str!("../data/notices/requests/teams.json"),
            Self::Slack => include_str!("../data/notices/requests/slack.json"),
            Self::Mail => include_str!("../data/notices/requests/mail.json"),
        }
    }

    /// A text as this form shows it as itself: what would be markup there is not.
    fn plain(self, text: &str) -> String {
        let visible = text
            .chars()
            .filter(|letter| !crate::text::is_hostile(*letter));
        match self {
            Self::Webhook | Self::Mail => visible.collect(),
            Self::Slack => visible.fold(String::new(), |mut out, letter| {
                match letter {
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    other => out.push(other),
                }
                out
            }),
            Self::Teams => visible.fold(String::new(), |mut out, letter| {
                if matches!(
                    letter,
                    '\\' | '[' | ']' | '(' | ')' | '*' | '_' | '~' | '`' | '#' | '<' | '>' | '!'
                ) {
                    out.push('\\');
                }
                out.push(letter);
                out
            }),
        }
    }
}

/// What somebody is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A call that waits for a yes.
    Call(Box<Approval>),
    /// What somebody asks for, or the answer to it.
    Request(Box<AccessRequest>),
}

/// The words of a template and what stands for each.
type Words = Vec<(&'static str, String)>;

impl Notice {
    /// Its id, the same at each try.
    pub fn id(&self) -> String {
        match self {
            Self::Call(approval) => approval.id.to_string(),
            // The question and the answer are told apart by whoever keeps one of each.
            Self::Request(request) => match request.state {
                AccessState::Open => request.id.to_string(),
                state => format!("{}-{state}", request.id),
            },
        }
    }

    fn said(&self, kind: NoticeKind) -> (&'static str, Words, String) {
        match self {
            Self::Call(approval) => (
                kind.of_a_call(),
                of_call(approval),
                format!("/approvals/{}", approval.id),
            ),
            Self::Request(request) => (
                kind.of_a_request(),
                of_request(request),
                format!("/console/requests/{}", request.id),
            ),
        }
    }
}

fn of_call(approval: &Approval) -> Words {
    let about = &approval.about;
    let or = |title: &str, name: &str| {
        if title.is_empty() {
            name.to_owned()
        } else {
            title.to_owned()
        }
    };
    let decides = match &approval.binding.approver {
        Approver::Oneself => "whoever asked".to_owned(),
        Approver::Second => "a second person".to_owned(),
        Approver::Groups(groups) => {
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            groups.join(" or ")
        }
    };
    vec![
        ("id", approval.id.to_string()),
        ("who", approval.label.clone()),
        ("action", or(&about.action_title, &approval.binding.action)),
        (
            "connector",
            or(&about.connector_title, &approval.binding.connector),
        ),
        ("class", about.class.clone()),
        ("rule", about.rule.clone()),
        ("client", about.client.clone()),
        ("decides", decides),
        ("asked", approval.asked.to_string()),
        ("until", approval.expires.to_string()),
    ]
}

fn of_request(request: &AccessRequest) -> Words {
    let (who, what) = (&request.label, recorded(request));
    let by = request.end.as_ref().map_or("", |end| &end.by);
    let (title, says) = match request.state {
        AccessState::Granted => (
            "Access granted",
            format!("{by} granted what {who} asked for: {what}."),
        ),
        AccessState::Declined => (
            "Access declined",
            format!("{by} declined what {who} asked for: {what}."),
        ),
        _ => ("Access asked for", format!("{who} asks for {what}.")),
    };
    let until = match request.state {
        AccessState::Open => request
            .asked
            .plus_ms(limits::ACCESS_REQUEST_OPEN_MS)
            .to_string(),
        _ => String::new(),
    };
    vec![
        ("id", request.id.to_string()),
        ("who", who.clone()),
        ("what", what),
        ("state", request.state.to_string()),
        ("by", by.to_owned()),
        ("title", title.to_owned()),
        ("says", says),
        ("asked", request.asked.to_string()),
        ("until", until),
    ]
}

/// What a receiver is sent.
pub fn message(kind: NoticeKind, notice: &Notice, public_url: &str) -> Value {
    let (template, words, path) = notice.said(kind);
    let page = format!("{}{path}", public_url.trim_end_matches('/'));
    let mut template: Value =
        serde_json::from_str(template).expect("a template that ships is JSON, and tested");
    fill(&mut template, &|text: &str| {
        let text = text.replace("{page}", &page);
        // In one pass, so that nobody's name is taken for a place to fill.
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let known = after.split_once('}').and_then(|(name, after)| {
                let (_, word) = words.iter().find(|(known, _)| *known == name)?;
                Some((kind.plain(word), after))
            });
            if let Some((word, after)) = known {
                out.push_str(&word);
                rest = after;
            } else {
                out.push('{');
                rest = after;
            }
        }
        out.push_str(rest);
        out
    });
    template
}

fn fill(value: &mut Value, with: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = with(text),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, with)),
        Value::Object(members) => members
            .iter_mut()
            .for_each(|(_, member)| fill(member, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What proves to a receiver that a message is ours and new: `t=<Unix seconds>,v1=<HMAC-SHA256 of "<t>.<body>" in hexadecimal>`.
pub fn signature(secret: &[u8], at: Timestamp, body: &str) -> String {
    let seconds = at.unix_ms() / 1_000;
    let tag = domain::opaque::hmac_sha256(secret, format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", domain::opaque::hex(&tag))
}

/// What somebody is told of now by this replica and no other: each is taken for one try, so what was taken is there to be sent even where
/// the rest cannot be; and what kept it from being taken.
pub async fn take(operation: &Operation<'_>) -> (Vec<Notice>, Result<(), ControlError>) {
    let mut taken = Vec::new();
    if *operation.actor.who() != Who::Doorward {
        return (taken, Err(ControlError::NoSuch("notice")));
    }
    let calls = take_calls(operation, &mut taken).await;
    let requests = take_requests(operation, &mut taken).await;
    (taken, calls.and(requests))
}

async fn take_calls(
    operation: &Operation<'_>,
    taken: &mut Vec<Notice>,
) -> Result<(), ControlError> {
    let (store, org, now) = (operation.store, operation.org, operation.clock.now());
    let most = limits::NOTICES_AT_ONCE;
    for (approval, tries) in store.approvals_to_tell(org, now, most).await? {
        let ours = store.take_approval_notice(org, approval.id, tries, next(now, tries));
        if ours.await? {
            taken.push(Notice::Call(Box::new(approval)));
        }
    }
    Ok(())
}

async fn take_requests(
    operation: &Operation<'_>,
    taken: &mut Vec<Notice>,
) -> Result<(), ControlError> {
    let (store, org, now) = (operation.store, operation.org, operation.clock.now());
    let most = limits::NOTICES_AT_ONCE;
    for (request, tries) in store.access_requests_to_tell(org, now, most).await? {
        let one = (request.id, request.state);
        let ours = store.take_access_notice(org, one, tries, next(now, tries));
        if ours.await? {
            taken.push(Notice::Request(Box::new(request)));
        }
    }
    Ok(())
}

/// When it is tried again after so many tries, if it is.
fn next(now: Timestamp, tries: u64) -> Option<Timestamp> {
    (tries + 1 < limits::NOTICE_TRIES_MAX).then(|| now.plus_ms(limits::NOTICE_RETRY_MS << tries))
}

/// Notes that every receiver took it.
pub async fn told(operation: &Operation<'_>, notice: &Notice) -> Result<(), ControlError> {
    let (store, org) = (operation.store, operation.org);
    match notice {
        Notice::Call(approval) => store.approval_was_told(org, approval.id).await?,
        Notice::Request(request) => {
            let one = (request.id, request.state);
            store.access_request_was_told(org, one).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::approval::{About, Binding};
    use domain::{AccessRequestId, ApprovalId, ApprovalState, AskedKind, PersonId};

    use crate::access_requests::AccessEnd;

    fn call(who: &str) -> Notice {
        Notice::Call(Box::new(Approval {
            id: ApprovalId::from_parts(1, 1),
            binding: Binding {
                person: PersonId::from_parts(1, 1),
                connector: "crm".to_owned(),
                action: "update_contact".to_owned(),
                arguments_sha256: "a1b2".to_owned(),
                definition: String::new(),
                policy_version: 47,
                approver: Approver::Second,
            },
            label: who.to_owned(),
            about: About::default(),
            arguments: Some(vec![1]),
            asked: Timestamp::from_unix_ms(0),
            expires: Timestamp::from_unix_ms(900_000),
            state: ApprovalState::Pending,
            decision: None,
            ended: None,
            instead: None,
        }))
    }

    fn request(who: &str, state: AccessState) -> Notice {
        let is_open = state == AccessState::Open;
        Notice::Request(Box::new(AccessRequest {
            id: AccessRequestId::from_parts(1, 1),
            person: PersonId::from_parts(1, 1),
            label: who.to_owned(),
            kind: AskedKind::Action,
            thing: "crm/delete_contact".to_owned(),
            amount_cents: None,
            reason: "the reason is nobody's here".to_owned(),
            asked: Timestamp::from_unix_ms(0),
            state,
            end: (!is_open).then(|| AccessEnd {
                at: Timestamp::from_unix_ms(1),
                by: "eve".to_owned(),
                answer: "the answer is theirs".to_owned(),
                granted_cents: None,
            }),
        }))
    }

    #[test]
    fn a_request_is_told_as_it_stands_and_never_why() {
        for kind in NoticeKind::ALL {
            for (state, says) in [
                (AccessState::Open, "ada asks for an action of a connector"),
                (AccessState::Granted, "eve granted what ada asked for"),
                (AccessState::Declined, "eve declined what ada asked for"),
            ] {
                let notice = request("ada", state);
                let text = message(kind, &notice, "https://ai.example.org/").to_string();
                if kind == NoticeKind::Webhook {
                    let event = format!("access_request.{state}");
                    assert!(text.contains(&event), "{text}");
                } else {
                    assert!(text.contains(says), "{}: {text}", kind.as_str());
                }
                let page = "https://ai.example.org/console/requests/ask_";
                assert!(text.contains(page), "{text}");
                for never in [
                    "nobody's here",
                    "theirs",
                    "delete_contact",
                    "{w",
                    "{s",
                    "{t",
                ] {
                    assert!(!text.contains(never), "{never}: {text}");
                }
            }
        }
        let [open, granted] =
            [AccessState::Open, AccessState::Granted].map(|state| request("ada", state).id());
        assert_ne!(open, granted, "the answer is another message");
    }

    #[test]
    fn every_form_says_who_wants_what_and_where_to_decide_and_leaves_no_place_open() {
        for kind in NoticeKind::ALL {
            let text = message(kind, &call("ada"), "https://ai.example.org/").to_string();
            for said in ["ada", "crm", "https://ai.example.org/approvals/apr_"] {
                assert!(text.contains(said), "{}: {said}: {text}", kind.as_str());
            }
            assert!(
                !text.contains("{who}") && !text.contains("{page}") && !text.contains("{u"),
                "{text}"
            );
            assert!(!text.contains("a1b2"), "not even the hash of an argument");
        }
    }

    #[test]
    fn what_somebody_is_called_is_text_and_nothing_else() {
        let hostile = "{page}<https://evil.example|x> [y](https://evil.example) *b*\u{202e}\"";
        for (kind, never) in [
            (NoticeKind::Slack, "<https://evil"),
            (NoticeKind::Teams, "[y](https"),
        ] {
            let text = message(kind, &call(hostile), "https://ai.example.org").to_string();
            assert!(
                !text.contains(never) && !text.contains('\u{202e}'),
                "{text}"
            );
            assert!(text.contains("{page}"), "a name is not filled in: {text}");
        }
    }

    #[test]
    fn a_signature_holds_for_one_text_one_time_and_one_secret() {
        let at = Timestamp::from_unix_ms(1_795_262_400_123);
        let one = signature(b"secret", at, "{}");
        assert!(
            one.starts_with("t=1795262400,v1=") && one.len() == 16 + 64,
            "{one}"
        );
        let others = [
            signature(b"secret2", at, "{}"),
            signature(b"secret", at.plus_ms(1_000), "{}"),
            signature(b"secret", at, "{ }"),
        ];
        assert!(others.iter().all(|other| *other != one));
    }
}
