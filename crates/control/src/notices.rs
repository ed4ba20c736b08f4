//! Telling those who may decide that a call waits: what is said, in the forms that chats and mailers take, and which of the replicas says
//! it. A notice holds names, a time and the address of the page, and never an argument: it goes to places that keep what they are sent,
//! and the page asks who reads it. The templates are data beside this file; what people and connectors wrote is put into them as
//! text. Sent by `server`.

use domain::approval::Approver;
use domain::{Timestamp, limits};
use serde_json::Value;

use crate::access::Who;
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

    const fn template(self) -> &'static str {
        match self {
            Self::Webhook => include_str!("../data/notices/webhook.json"),
            Self::Teams => include_str!("../data/notices/teams.json"),
            Self::Slack => include_str!("../data/notices/slack.json"),
            Self::Mail => include_str!("../data/notices/mail.json"),
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

/// What a receiver is sent.
pub fn message(kind: NoticeKind, approval: &Approval, public_url: &str) -> Value {
    let about = &approval.about;
    let or = |title: &str, name: &str| {
        if title.is_empty() {
            name.to_owned()
        } else {
            title.to_owned()
        }
    };
    let decides = match &approval.approver {
        Approver::Oneself => "whoever asked".to_owned(),
        Approver::Second => "a second person".to_owned(),
        Approver::Groups(groups) => {
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            groups.join(" or ")
        }
    };
    let words = [
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
    ];
    let page = format!(
        "{}/approvals/{}",
        public_url.trim_end_matches('/'),
        approval.id
    );
    let mut template: Value =
        serde_json::from_str(kind.template()).expect("a template that ships is JSON, and tested");
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

/// The calls of which somebody is told now by this replica and no other: each is taken for one try.
pub async fn take(operation: &Operation<'_>) -> Result<Vec<Approval>, ControlError> {
    if *operation.actor.who() != Who::Doorward {
        return Err(ControlError::NoSuch("approval"));
    }
    let (store, org, now) = (operation.store, operation.org, operation.clock.now());
    let due = store
        .approvals_to_tell(org, now, limits::NOTICES_AT_ONCE)
        .await?;
    let mut taken = Vec::new();
    for (approval, tries) in due {
        let next = (tries + 1 < limits::NOTICE_TRIES_MAX)
            .then(|| now.plus_ms(limits::NOTICE_RETRY_MS << tries));
        if store
            .take_approval_notice(org, approval.id, tries, next)
            .await?
        {
            taken.push(approval);
        }
    }
    Ok(taken)
}

/// Notes that every receiver took it.
pub async fn told(operation: &Operation<'_>, approval: &Approval) -> Result<(), ControlError> {
    let (store, org) = (operation.store, operation.org);
    Ok(store.approval_was_told(org, approval.id).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::approval::{About, Binding};
    use domain::{ApprovalId, ApprovalState, PersonId};

    fn approval(who: &str) -> Approval {
        Approval {
            id: ApprovalId::from_parts(1, 1),
            binding: Binding {
                person: PersonId::from_parts(1, 1),
                connector: "crm".to_owned(),
                action: "update_contact".to_owned(),
                arguments_sha256: "a1b2".to_owned(),
                definition: String::new(),
                policy_version: 47,
            },
            label: who.to_owned(),
            about: About::default(),
            arguments: Some(vec![1]),
            approver: Approver::Second,
            asked: Timestamp::from_unix_ms(0),
            expires: Timestamp::from_unix_ms(900_000),
            state: ApprovalState::Pending,
            decision: None,
            ended: None,
        }
    }

    #[test]
    fn every_form_says_who_wants_what_and_where_to_decide_and_leaves_no_place_open() {
        for kind in NoticeKind::ALL {
            let text = message(kind, &approval("ada"), "https://ai.example.org/").to_string();
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
            let text = message(kind, &approval(hostile), "https://ai.example.org").to_string();
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
