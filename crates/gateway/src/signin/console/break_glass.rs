//! `GET` and `POST /console/sign-in/break-glass`: the way in when the identity provider is away, with the code that was sealed. A code opens once,
//! for an hour; each use and each attempt is in the ledger, the use before it holds. What is no code, a wrong one, a used one and an account that
//! is not there look the same.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::{PersonId, Reason, ReasonCode, Refusal, Subject, break_glass};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use ledger::record::{Origin, SignIn as SignInRecord, Verdict};
use store::{Opening, Session};
use web::browser::Browser;
use web::page::{guard, respond};

use super::program::session_name;
use super::{consoles, end, out_of_order};
use crate::signin::pages::{BreakGlass, Frame};
use crate::signin::{SignIn, oauth, origin_of};

/// How records name this way of signing in.
const METHOD: &str = "break_glass";

pub(super) async fn show(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let headers = request.into_parts().0.headers;
    let browsers = state.browsers();
    let browser = browsers
        .known(&headers)
        .unwrap_or_else(|| browsers.new_browser());
    let title = "Break the glass";
    let page = BreakGlass::new(&Frame::of(&state), title, browser.csrf());
    let headers = HeaderMap::from_iter([(SET_COOKIE, browsers.set_cookie(&browser))]);
    respond(StatusCode::OK, &page, headers)
}

pub(super) async fn open(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let origin = origin_of(&request);
    let (head, body) = request.into_parts();
    let form = match oauth::Form::read(body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let told = |status, title: &str, what: &str| end(&state, status, title, what, web::HOME, false);
    if let Err(refusal) = state.browsers().changing(&head.headers, form.field("csrf")) {
        let title = "This did not come from our page";
        return told(StatusCode::FORBIDDEN, title, &refusal.first().message);
    }
    match opened(&state, form.field("code"), origin, &head.headers).await {
        Ok(Some(browser)) => {
            let mut response = Redirect::to(web::HOME).into_response();
            let headers = response.headers_mut();
            guard(headers, &[]);
            headers.append(SET_COOKIE, consoles(&state).set_cookie(&browser));
            response
        }
        // Wrong ones alone are counted, and what the count saves is records: 160 bits need no count against guessing, and nobody who sends
        // wrong ones, perhaps through the same proxy, may keep out whoever has the envelope.
        Ok(None) if !state.glass.admit(origin.address, state.clock.now()) => {
            let title = "Too many attempts";
            let what = "Wrong codes have been sent too often from here; for ten minutes further ones are not recorded. The right one still opens.";
            told(StatusCode::TOO_MANY_REQUESTS, title, what)
        }
        Ok(None) => {
            let refusal = wrong_code();
            let refused = SignInRecord {
                method: METHOD.into(),
                ..state.refused(origin, &refusal)
            };
            state.record(refused);
            tracing::error!("somebody tried to break the glass and did not have its code");
            let what = "It is not the code, it was used already, or no break-glass account is sealed here. The attempt is in the ledger.";
            told(StatusCode::FORBIDDEN, "This opens nothing", what)
        }
        Err(Away) => out_of_order(&state, web::HOME),
    }
}

fn wrong_code() -> Refusal {
    let text = "The break-glass code is not one that opens.";
    Refusal::one(Reason::new(ReasonCode::CredentialMalformed, text))
}

/// Something of ours is away.
struct Away;

/// The browser that is in now; none when the code opens nothing.
async fn opened(
    state: &SignIn,
    typed: &str,
    origin: Origin,
    headers: &HeaderMap,
) -> Result<Option<Browser>, Away> {
    let Some(code_hash) = break_glass::hash(typed) else {
        return Ok(None);
    };
    let away = |error: store::StoreError| {
        tracing::error!(error = %error, "the break-glass account cannot be looked up");
        Away
    };
    // A wrong code costs a look, and nobody waits for it.
    let opens = state.store.opens_break_glass(state.org, &code_hash);
    if !opens.await.map_err(away)? {
        return Ok(None);
    }
    let now = state.clock.now();
    let person = PersonId::from_parts(now.unix_ms().unsigned_abs(), state.ids.random_bits());
    let session = Session {
        id: state.sessions.new_id(),
        person,
        client: session_name(headers),
        created: now,
        ended_at: None,
    };
    let browser = consoles(state).new_browser();
    let cookie_hash = browser.hash();
    let opening = Opening {
        code_hash: &code_hash,
        session: &session,
        cookie_hash: &cookie_hash,
    };
    let held = state.store.open_break_glass(state.org, opening).await;
    let Some(held) = held.map_err(away)? else {
        return Ok(None);
    };
    // Durable before its effect: a use that cannot be written down is none, and the code stays good.
    let record = SignInRecord {
        org: Some(state.org),
        subject: Some(Subject::Person(person)),
        stable_id: Some(break_glass::STABLE_ID.into()),
        email: None,
        issuer: Some(domain::OWN_ISSUER.into()),
        method: METHOD.into(),
        origin,
        session: Some(session.id),
        verdict: Verdict::allowed(),
    };
    let written = state.ledger.append(ledger::Record::SignIn(record)).await;
    written.map_err(|error| {
        tracing::error!(error = %error, "the use of the break-glass account cannot be written down");
        Away
    })?;
    held.keep().await.map_err(|error| {
        tracing::error!(error = %error, "the break-glass account cannot be opened");
        Away
    })?;
    tracing::error!(
        session = %session.id,
        address = ?origin.address,
        "the break-glass account is open: somebody came in without the identity provider"
    );
    Ok(Some(browser))
}
