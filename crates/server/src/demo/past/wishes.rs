//! What people of the sample data asked for, and what was said to it: one is granted, one refused, two wait. Called by `office`.

use control::access_requests::{self, Answer, Wish};
use control::may_use::{Question, Tried};
use control::{Actor, Role};
use domain::{AskedKind, ClientKind};

use super::{Past, office};

/// What is asked and answered on the day that was so many days ago.
pub(super) async fn of_day(past: &Past<'_>, days_ago: i64) -> anyhow::Result<()> {
    let opus = |reason| wish(AskedKind::Model, "claude-opus-5-5", None, reason);
    let money = |cents, reason| wish(AskedKind::Budget, "monthly", Some(cents), reason);
    match days_ago {
        8 => {
            let why = "The annual report is long, and Sonnet loses its thread";
            answered(
                past,
                "kofi",
                opus(why),
                (true, "For the report; ask again after it"),
            )
            .await
        }
        6 => {
            let why = "I should like to see whether it writes better";
            answered(
                past,
                "bruno",
                opus(why),
                (false, "Please try Sonnet with the style guide first"),
            )
            .await
        }
        2 => ask(past, "sofia", money("9000", "The gala is in two weeks"))
            .await
            .map(drop),
        1 => ask(past, "maeve", opus("Field reports in four languages"))
            .await
            .map(drop),
        _ => Ok(()),
    }
}

fn wish(kind: AskedKind, thing: &str, cents: Option<&str>, reason: &str) -> Wish {
    Wish {
        kind,
        thing: thing.to_owned(),
        amount_cents: cents.map(str::to_owned),
        reason: reason.to_owned(),
    }
}

async fn ask(
    past: &Past<'_>,
    login: &str,
    wish: Wish,
) -> anyhow::Result<access_requests::AccessRequest> {
    let somebody = past.of(login);
    let id = somebody.id.ok_or_else(|| anyhow::anyhow!("{login} came"))?;
    let actor = Actor::person(id, &somebody.person.email(), [Role::Member].into());
    let models: Vec<String> = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"]
        .map(str::to_owned)
        .into();
    let question = Question {
        models: &models,
        issuers_for_people: past.config.issuers_for_people(),
        tried: Tried::newest(ClientKind::ClaudeDesktop),
    };
    let operation = past.control.operation(&actor);
    Ok(access_requests::ask(&operation, wish, question).await?)
}

async fn answered(
    past: &Past<'_>,
    login: &str,
    wish: Wish,
    (grants, words): (bool, &str),
) -> anyhow::Result<()> {
    let asked = ask(past, login, wish).await?;
    let answer = Answer {
        grants,
        words: words.to_owned(),
        amount_cents: None,
    };
    let actor = office::grace(past)?;
    let issuers = past.config.issuers_for_people();
    access_requests::answer(&past.control.operation(&actor), asked.id, &answer, issuers).await?;
    Ok(())
}
