//! `POST /device/approve` and `POST /device/deny`: the person decides, on our page, in the browser that proved them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use domain::acceptable_use::Way;
use domain::{Reason, ReasonCode, Refusal, Subject};
use http::StatusCode;
use pipeline::{Accepted, Yes};

use super::callback::{Proved, confirm};
use super::{SignIn, oauth, origin_of, pages};
use super::{acceptable_use, address_of, device};
use web::browser::{self, Browser};

/// `POST /device/approve`.
pub async fn approve(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let address = address_of(&request);
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
    if let Some(version) = proved.wanted
        && let Err(page) = accepted_with_it(&state, &proved, version, &form, (address, &here)).await
    {
        return page;
    }
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

/// Takes the acceptance that comes with the approval. Without it nobody is let in, and the person is asked once more.
async fn accepted_with_it(
    state: &SignIn,
    proved: &Proved,
    version: u64,
    form: &oauth::Form,
    (address, here): (Option<IpAddr>, &Browser),
) -> Result<(), Response> {
    let code = device::pending(state, &proved.user_code, address).await?;
    let note = if form.field("acceptable_use") == version.to_string() {
        let yes = Yes {
            person: proved.person,
            version,
            way: Way::Device,
            label: proved.label(),
            address,
        };
        match state.acceptable_use.accept(yes).await {
            Ok(Accepted::Kept) => return Ok(()),
            Ok(Accepted::Newer) => {
                "A newer version has been published just now. Read it once more."
            }
            Err(_) => return Err(device::store_away(state)),
        }
    } else {
        "The box is not ticked. Without it you cannot be signed in."
    };
    let Ok(latest) = state.acceptable_use.latest().await else {
        return Err(device::store_away(state));
    };
    let proved = Proved {
        wanted: latest.as_ref().map(|latest| latest.version),
        ..proved.clone()
    };
    let terms = latest.map(|latest| acceptable_use::terms(state, &latest, Some(note)));
    Err(confirm(state, &code, &proved, terms, here).await)
}

/// `POST /device/deny`.
pub async fn deny(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let (origin, address) = (origin_of(&request), address_of(&request));
    let (head, body) = request.into_parts();
    let form = match oauth::Form::read(body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    if let Err(refusal) = state.browsers().changing(&head.headers, form.field("csrf")) {
        return device::wrong_page(&state, &refusal);
    }
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
