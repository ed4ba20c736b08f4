//! Asking a connector what it lists, now: whether it answers, and what there is to review, before anybody's Claude has been there.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use control::ControlError;
use domain::{ReasonCode, Refusal};
use http::HeaderMap;

use super::path;
use crate::Console;
use crate::asking::Unheard;
use crate::pages::asked::{self, Form, Meant, Named};
use crate::pages::connect;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Words, Wrong};

/// What is said where a connector has not told what it lists.
static UNHEARD: Words = Words {
    title: "It has not answered as it should",
    help: "Look at its address in the policy, and whether this machine reaches it. What it listed before stays as it was.",
    fault: "The connector's, or of whoever wrote its address here.",
};

/// What is said where who asks has no account there.
static NOT_CONNECTED: Words = Words {
    title: "It is asked with an account or a key of yours",
    help: "Connect it, once a review lets the connector be used and the policy lets you do something there; then ask again.",
    fault: "Nobody's.",
};

/// `POST /console/connectors/{name}/ask`.
pub async fn ask(
    visitor: Visitor,
    State(console): State<Arc<Console>>,
    Named(name): Named<String>,
    headers: HeaderMap,
    Form(form): Form<Meant>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    let heard = console.asking.ask(visitor.actor(), &name).await;
    let listed = heard.map_err(|error| unheard(error, &name))?;
    let word = if listed == 0 { "listed-none" } else { "listed" };
    Ok(asked::done(&path(&name), word))
}

fn unheard(error: Unheard, name: &str) -> Wrong {
    let refusal = match error {
        Unheard::Control(error @ ControlError::Unasked(_)) => {
            return Wrong::from(error).leading_to("Review it", format!("{}/review", path(name)));
        }
        Unheard::Control(error) => return error.into(),
        Unheard::Refused(refusal) => refusal,
    };
    let wrong = Wrong::new(refusal.code(), says(&refusal));
    match refusal.code() {
        ReasonCode::GrantNeeded => wrong
            .in_words(&NOT_CONNECTED)
            .leading_to("Connect your own account", connect::path(name)),
        ReasonCode::UpstreamTimeout
        | ReasonCode::UpstreamUnavailable
        | ReasonCode::UpstreamGarbled => wrong
            .in_words(&UNHEARD)
            .leading_to("Back to the connector", path(name)),
        _ => wrong.leading_to("Back to the connector", path(name)),
    }
}

fn says(refusal: &Refusal) -> String {
    match refusal.code() {
        ReasonCode::GrantNeeded => "It is asked with the account or the key of whoever asks, and yours is not there.",
        ReasonCode::UpstreamTimeout => "It has not answered in time.",
        ReasonCode::UpstreamUnavailable => {
            "It cannot be reached: its name is not known, nothing answers there, or its certificate is not believed."
        }
        ReasonCode::UpstreamGarbled => {
            "Something answers there, but not as a server of the Model Context Protocol does. Is it the right address?"
        }
        _ => return refusal.first().message.clone(),
    }
    .to_owned()
}
