//! `POST /device/approve` and `POST /device/deny`: the person decides, on our page, in the browser that proved them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use domain::acceptable_use::Way;
use domain::{Reason, ReasonCode, Refusal, Subject};
use http::StatusCode;
use pipeline::Yes;
use web::browser;

use super::callback::{Proved, confirm};
use super::posted::Posted;
use super::{SignIn, acceptable_use, device, pages};

/// `POST /device/approve`.
pub async fn approve(State(state): State<Arc<SignIn>>, posted: Posted) -> Response {
    let proved: Proved = match posted.spend(&state, |_| true).await {
        Ok(proved) => proved,
        Err(page) => return page,
    };
    if let Some(version) = proved.wanted
        && let Err(page) = accepted_with_it(&state, &proved, version, &posted).await
    {
        return page;
    }
    let (now, session) = (state.clock.now(), state.sessions.new_id());
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

/// Takes the acceptance that comes with the approval. Without it nobody is let in, and the person is asked once more.
async fn accepted_with_it(
    state: &SignIn,
    proved: &Proved,
    version: u64,
    posted: &Posted,
) -> Result<(), Response> {
    let code = device::pending(state, &proved.user_code, posted.address).await?;
    let yes = Yes {
        person: proved.person,
        version,
        way: Way::Device,
        label: proved.label(),
        address: posted.address,
    };
    let unticked = "The box is not ticked. Without it you cannot be signed in.";
    let Some(note) = acceptable_use::taken(state, &posted.form, yes, unticked).await? else {
        return Ok(());
    };
    let Ok(latest) = state.acceptable_use.latest().await else {
        return Err(device::store_away(state));
    };
    let proved = Proved {
        wanted: latest.as_ref().map(|latest| latest.version),
        ..proved.clone()
    };
    let terms = latest.map(|latest| acceptable_use::terms(state, &latest, Some(note)));
    Err(confirm(state, &code, &proved, terms, &posted.browser).await)
}

/// `POST /device/deny`.
pub async fn deny(State(state): State<Arc<SignIn>>, posted: Posted) -> Response {
    let (form, origin, address) = (posted.form, posted.origin, posted.address);
    // Whoever has the code may send it away, before anything is proved; whoever guesses is counted, as for letting in.
    let code = match device::pending(&state, form.field("user_code"), address).await {
        Ok(code) => code,
        Err(page) => return page,
    };
    let denied = state.store.deny_device(state.org, &code.user_code).await;
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
