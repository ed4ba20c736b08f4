//! `POST /device/approve` and `POST /device/deny`: the person decides, on our page, in the browser that proved them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use domain::{Reason, ReasonCode, Refusal, Subject};
use http::StatusCode;

use super::callback::Proved;
use super::device;
use super::device_authorization::tidy_user_code;
use super::{SignIn, browser, oauth, origin_of, pages};

/// `POST /device/approve`.
pub async fn approve(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let form = match oauth::Form::read(body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let here = match state.browsers().changing(&head.headers, form.field("csrf")) {
        Ok(browser) => browser,
        Err(refusal) => return device::wrong_page(&state, &refusal),
    };
    let now = state.clock.now();
    let kept = state
        .store
        .take_login_state(state.org, &browser::hash(form.field("confirm")), now)
        .await;
    let proved: Option<Proved> = match kept {
        Ok(body) => body.and_then(|body| serde_json::from_str(&body).ok()),
        Err(_) => return device::store_away(&state),
    };
    let Some(proved) = proved.filter(|proved| proved.binding == here.binding()) else {
        let reason = Reason::new(
            ReasonCode::ParameterInvalid,
            "This decision was made already, or is too old.",
        );
        return device::wrong_page(&state, &Refusal::one(reason));
    };
    let session = state.sessions.new_id();
    match state
        .store
        .approve_device(state.org, &proved.user_code, proved.person, session, now)
        .await
    {
        Ok(true) => pages::message(
            &state,
            StatusCode::OK,
            "It is signed in",
            "Your client goes on by itself within a few seconds.",
            "You can close this window.",
        ),
        Ok(false) => pages::message(
            &state,
            StatusCode::GONE,
            "Too late",
            "The code has expired or was answered already.",
            "Start the sign-in anew in your client.",
        ),
        Err(_) => device::store_away(&state),
    }
}

/// `POST /device/deny`.
pub async fn deny(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let origin = origin_of(&request);
    let (head, body) = request.into_parts();
    let form = match oauth::Form::read(body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    if let Err(refusal) = state.browsers().changing(&head.headers, form.field("csrf")) {
        return device::wrong_page(&state, &refusal);
    }
    let denied = match tidy_user_code(form.field("user_code")) {
        Some(user_code) => state.store.deny_device(state.org, &user_code).await,
        None => Ok(false),
    };
    let subject = proved_person(&state, form.field("confirm")).await;
    match denied {
        Ok(done) => {
            if done {
                let reason =
                    Reason::new(ReasonCode::SessionEnded, "The person denied the sign-in.");
                let mut record = state.refused(origin, &Refusal::one(reason));
                record.subject = subject;
                state.record(record);
            }
            pages::message(
                &state,
                StatusCode::OK,
                "Denied",
                "Nobody was let in.",
                "If you did not start this, tell whoever looks after your computers: somebody showed you a code of theirs.",
            )
        }
        Err(_) => device::store_away(&state),
    }
}

async fn proved_person(state: &SignIn, confirm: &str) -> Option<Subject> {
    let kept = state
        .store
        .take_login_state(state.org, &browser::hash(confirm), state.clock.now())
        .await
        .ok()??;
    serde_json::from_str::<Proved>(&kept)
        .ok()
        .map(|proved| Subject::Person(proved.person))
}
