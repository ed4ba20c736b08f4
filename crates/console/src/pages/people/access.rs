//! Shut somebody out, let them in, end their sessions: each asks first, says what it does, takes a reason, and needs a fresh proof of who
//! does it. What is allowed to whom is `control`'s to say.

use axum::response::Response;
use control::people::{self, Person};
use control::{ControlError, Operation, Right, sessions};
use domain::PersonId;
use http::HeaderMap;

use super::name_of;
use crate::pages::asked::{self, Form, Named, Reasoned};
use crate::pages::confirm::Confirm;
use crate::pages::parts::Field;
use crate::pages::shell::{Place, Shell};
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    ShutOut,
    LetIn,
    EndSessions,
}

impl Act {
    const fn word(self) -> &'static str {
        match self {
            Self::ShutOut => "shut-out",
            Self::LetIn => "let-in",
            Self::EndSessions => "end-sessions",
        }
    }

    fn require(self, operation: &Operation<'_>) -> Result<(), ControlError> {
        match self {
            Self::ShutOut | Self::LetIn => operation.require(Right::PeopleWrite),
            Self::EndSessions => sessions::require_for_all(operation),
        }
    }

    fn confirm(self, person: &Person, reason: &str, wrong: Option<String>) -> Confirm {
        let (verb, button, does): (_, _, &[&str]) = match self {
            Self::ShutOut => (
                "Shut out",
                "Shut them out",
                &[
                    "Every session of theirs ends, and open answers are cut within a second, on every replica.",
                    "Their personal access tokens are taken away for good.",
                    "They cannot sign in again until somebody lets them in. Tasks for somebody who leaves are opened.",
                ],
            ),
            Self::LetIn => (
                "Let in",
                "Let them in",
                &[
                    "They may sign in again and use what the policy grants them.",
                    "Sessions and tokens that ended stay ended. Whom the directory shuts out stays out until the directory says otherwise.",
                ],
            ),
            Self::EndSessions => (
                "End every session of",
                "End their sessions",
                &[
                    "Each program they are signed in with must sign in again; open answers are cut within a second.",
                    "Their personal access tokens are taken away for good.",
                    "They may sign in again at once.",
                ],
            ),
        };
        // Names are whatever people call themselves, so what tells them apart stands first.
        let email = Said::from(person.email.as_deref().unwrap_or("nobody's e-mail address"));
        let stable_id = Said::from(&person.stable_id);
        let who = format!(
            "This is {}, whom {} knows as {}.",
            email.plain(),
            person.issuer,
            stable_id.plain()
        );
        let does = std::iter::once(who.as_str()).chain(does.iter().copied());
        Confirm {
            verb: verb.to_owned(),
            whom: Some(name_of(person)),
            does: does.map(str::to_owned).collect(),
            action: format!("/console/people/{}/{}", person.id, self.word()),
            button: button.to_owned(),
            is_risk: self != Self::LetIn,
            back: format!("/console/people/{}", person.id),
            fields: vec![Field::reason(reason, wrong)],
        }
    }
}

fn shell(visitor: &Visitor, person: &Person) -> Shell {
    let name = name_of(person);
    Shell::new(visitor, Place::People, name.plain())
        .within("Are you sure?")
        .past(name.plain(), format!("/console/people/{}", person.id))
}

async fn ask(visitor: Visitor, id: PersonId, act: Act) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let person = people::read(&operation, id).await?;
    act.require(&operation)?;
    visitor.fresh()?;
    Ok(act
        .confirm(&person, "", None)
        .page(shell(&visitor, &person)))
}

async fn act(
    visitor: Visitor,
    id: PersonId,
    headers: HeaderMap,
    (act, form): (Act, Reasoned),
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    visitor.fresh()?;
    let operation = visitor.operation();
    let reason = form.reason.trim();
    let done = match act {
        Act::ShutOut => people::revoke(&operation, id, reason).await.map(|_| ()),
        Act::LetIn => people::restore(&operation, id, reason).await.map(|_| ()),
        Act::EndSessions => sessions::end_of_person(&operation, id, reason).await,
    };
    let word = match act {
        Act::EndSessions => "sessions-ended",
        other => other.word(),
    };
    match done {
        Ok(()) => Ok(asked::done(&format!("/console/people/{id}"), word)),
        Err(error) => match of_field(&error, "reason") {
            Some(wrong) => {
                let person = people::read(&operation, id).await?;
                let page = act.confirm(&person, &form.reason, Some(wrong));
                Ok(page.page(shell(&visitor, &person)))
            }
            None => Err(error.into()),
        },
    }
}

/// `GET /console/people/{id}/shut-out`.
pub async fn ask_shut_out(visitor: Visitor, Named(id): Named<PersonId>) -> Result<Response, Wrong> {
    ask(visitor, id, Act::ShutOut).await
}

/// `POST /console/people/{id}/shut-out`.
pub async fn shut_out(
    visitor: Visitor,
    Named(id): Named<PersonId>,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    act(visitor, id, headers, (Act::ShutOut, form)).await
}

/// `GET /console/people/{id}/let-in`.
pub async fn ask_let_in(visitor: Visitor, Named(id): Named<PersonId>) -> Result<Response, Wrong> {
    ask(visitor, id, Act::LetIn).await
}

/// `POST /console/people/{id}/let-in`.
pub async fn let_in(
    visitor: Visitor,
    Named(id): Named<PersonId>,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    act(visitor, id, headers, (Act::LetIn, form)).await
}

/// `GET /console/people/{id}/end-sessions`.
pub async fn ask_end_sessions(
    visitor: Visitor,
    Named(id): Named<PersonId>,
) -> Result<Response, Wrong> {
    ask(visitor, id, Act::EndSessions).await
}

/// `POST /console/people/{id}/end-sessions`.
pub async fn end_sessions(
    visitor: Visitor,
    Named(id): Named<PersonId>,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    act(visitor, id, headers, (Act::EndSessions, form)).await
}
