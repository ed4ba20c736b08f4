//! Requests for access: what people ask for beyond what they may use, and answering them. A person's own page shows theirs with the same
//! words. An answer never edits the policy; every page says what a grant does.
//!
//! - [`list`]: what waits, and what was answered
//! - [`one`]: one request, with what the person has now and why
//! - [`way`]: what a connector or an action that is asked for still lacks
//! - [`answers`]: granting and declining, each asked first

pub mod answers;
pub mod list;
pub mod one;
mod way;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use control::access_requests::{self, AccessRequest};
use domain::access_request::at_connector;
use domain::window::Period;
use domain::{AccessState, AskedKind, Timestamp};

use super::budgets::cents;
use super::parts::{Badge, Tone, badge};
use super::show::{self, Said, When};
use crate::Console;

/// Everything under `/console/requests`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/requests", get(list::list))
        .route("/console/requests/{id}", get(one::read))
        .route(
            "/console/requests/{id}/grant",
            get(answers::ask_grant).post(answers::grant),
        )
        .route(
            "/console/requests/{id}/decline",
            get(answers::ask_decline).post(answers::decline),
        )
}

/// What is asked for, with a small letter, to stand in a sentence.
pub fn what(request: &AccessRequest) -> Said {
    Said::from(match request.kind {
        AskedKind::Model => format!("the model {}", request.thing),
        AskedKind::Group => format!("being in the group {}", request.thing),
        AskedKind::Connector => format!("the connector {}", request.thing),
        AskedKind::Action => {
            let (connector, action) = at_connector(&request.thing).unwrap_or_default();
            format!("the action {action} of the connector {connector}")
        }
        AskedKind::Budget => format!(
            "{} of {}",
            a_budget(&request.thing),
            money(request.amount_cents.as_deref())
        ),
    })
}

/// `a monthly budget`.
fn a_budget(thing: &str) -> &'static str {
    match access_requests::period(thing) {
        Some(Period::Daily) => "a daily budget",
        Some(Period::Weekly) => "a weekly budget",
        _ => "a monthly budget",
    }
}

/// US cents as a page shows them.
fn money(amount: Option<&str>) -> String {
    show::usd(cents(amount.unwrap_or_default()))
}

/// How a request stands.
fn badge_of(state: AccessState) -> Badge {
    match state {
        AccessState::Open => badge(Tone::Ask, "waits"),
        AccessState::Granted => badge(Tone::Allow, "granted"),
        AccessState::Declined => badge(Tone::Stop, "declined"),
        AccessState::Withdrawn => badge(Tone::None, "taken back"),
        AccessState::Expired => badge(Tone::None, "expired"),
    }
}

/// One's own request, for one's own page.
#[derive(Debug, Clone)]
pub struct OwnLine {
    /// What one asked for.
    pub what: Said,
    /// When.
    pub asked: When,
    /// Why, in one's own words.
    pub reason: Said,
    /// How it stands.
    pub badge: Badge,
    /// What was answered, in the words of whoever did.
    pub answer: Option<Said>,
    /// Who answered when, or until when it waits; and what a yes means.
    pub says: Said,
    /// Where it is taken back, while it waits.
    pub withdraw: Option<String>,
}

/// One's own request at a moment.
pub fn own_line(request: &AccessRequest, now: Timestamp) -> OwnLine {
    let state = access_requests::standing(request, now);
    let by = request
        .end
        .as_ref()
        .map(|end| format!("by {} on {}", end.by, show::day(end.at)));
    let by = by.unwrap_or_default();
    let says = match state {
        AccessState::Open => format!(
            "It waits for an answer until {}.",
            show::short_day(domain::access_request::expires(request.asked))
        ),
        AccessState::Granted => format!("Granted {by}. {}", kept(request)),
        AccessState::Declined => format!("Declined {by}."),
        AccessState::Withdrawn => "You took it back.".to_owned(),
        AccessState::Expired => "Nobody answered in 30 days. You can ask anew.".to_owned(),
    };
    let answer = request.end.as_ref().map(|end| end.answer.as_str());
    OwnLine {
        what: Said::from(capital(what(request).plain())),
        asked: When::day(request.asked),
        reason: Said::from(&request.reason),
        badge: badge_of(state),
        answer: answer
            .filter(|answer| !answer.is_empty())
            .map(|answer| Said::from(format!("“{answer}”"))),
        says: Said::from(says),
        withdraw: (state == AccessState::Open)
            .then(|| format!("/me/asked/{}/withdraw", request.id)),
    }
}

/// What follows from a yes, for whoever got it.
fn kept(request: &AccessRequest) -> String {
    match request.kind {
        AskedKind::Model => {
            "You can use it as soon as the rules say so; the table above shows when they do."
                .to_owned()
        }
        AskedKind::Group => "You are in it as soon as the company's directory says so.".to_owned(),
        AskedKind::Connector | AskedKind::Action => {
            "What Claude may reach for you stands above, and your own account where it takes one."
                .to_owned()
        }
        AskedKind::Budget => format!(
            "Your own limit was set to {}.",
            money(
                request
                    .end
                    .as_ref()
                    .and_then(|end| end.granted_cents.as_deref())
            )
        ),
    }
}

/// What a grant does, for whoever gives it.
fn does(request: &AccessRequest) -> [String; 2] {
    match request.kind {
        AskedKind::Model => [
            "A grant writes your yes down and shows it to them, with your words.".to_owned(),
            "It does not change the policy: until a version of it grants them the model, they cannot use it. Somebody who may write the policy does that."
                .to_owned(),
        ],
        AskedKind::Group => [
            "A grant writes your yes down and shows it to them, with your words.".to_owned(),
            "It moves nobody: who is in which group is for the company's directory to say, and somebody changes it there.".to_owned(),
        ],
        AskedKind::Connector | AskedKind::Action => [
            "A grant says that they have it, and shows them your words. It changes nothing by itself.".to_owned(),
            "So it can be given once they have it: by the policy in force, a review where one is needed, and approved definitions.".to_owned(),
        ],
        AskedKind::Budget => [
            format!(
                "A grant sets their own {} spend limit to the amount that you give, in the same step, in place of one they have; every replica goes by it within a second.",
                request.thing
            ),
            "Their words and yours stay with it, and the limit stays until somebody changes it. What a group or the company may spend together still bounds them beside it."
                .to_owned(),
        ],
    }
}

/// With a capital letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::access_requests::AccessEnd;
    use domain::{AccessRequestId, PersonId, limits};

    fn request(kind: AskedKind, thing: &str) -> AccessRequest {
        AccessRequest {
            id: AccessRequestId::from_parts(1, 1),
            person: PersonId::from_parts(1, 1),
            label: "ada".to_owned(),
            kind,
            thing: thing.to_owned(),
            amount_cents: (kind == AskedKind::Budget).then(|| "12050".to_owned()),
            reason: "a report".to_owned(),
            asked: Timestamp::from_unix_ms(0),
            state: AccessState::Open,
            end: None,
        }
    }

    #[test]
    fn what_is_asked_for_reads_as_a_part_of_a_sentence() {
        for (kind, thing, expected) in [
            (AskedKind::Model, "opus", "the model opus"),
            (AskedKind::Group, "<b>", "being in the group <b>"),
            (AskedKind::Connector, "Notion", "the connector Notion"),
            (
                AskedKind::Action,
                "crm/send_letter",
                "the action send_letter of the connector crm",
            ),
            (AskedKind::Budget, "weekly", "a weekly budget of $120.50"),
        ] {
            assert_eq!(what(&request(kind, thing)).plain(), expected);
        }
    }

    #[test]
    fn ones_own_line_says_what_became_of_it_and_offers_to_take_back_what_waits() {
        let mut asked = request(AskedKind::Budget, "monthly");
        let now = Timestamp::from_unix_ms(5);
        assert!(own_line(&asked, now).withdraw.is_some());
        let late = Timestamp::from_unix_ms(limits::ACCESS_REQUEST_OPEN_MS);
        let expired = own_line(&asked, late);
        assert!(expired.withdraw.is_none() && expired.says.plain().contains("ask anew"));
        asked.state = AccessState::Granted;
        asked.end = Some(AccessEnd {
            at: now,
            by: "grace".to_owned(),
            answer: "until May".to_owned(),
            granted_cents: Some("10000".to_owned()),
        });
        let granted = own_line(&asked, late);
        assert_eq!(granted.answer.unwrap().plain(), "“until May”");
        assert!(
            granted
                .says
                .plain()
                .contains("Granted by grace on 1 January 1970. Your own limit was set to $100.00.")
        );
    }
}
