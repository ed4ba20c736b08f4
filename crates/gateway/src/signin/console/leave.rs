//! `POST /console/sign-out`: the session ends on every replica, and the browser forgets its cookie whatever else happens: somebody else
//! may sit down at it next.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use domain::Subject;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use ledger::record::{Origin, SessionChange, SessionEvent};
use store::ConsoleHolder;

use super::{consoles, end_with, standing};
use crate::signin::pages::{self, ConsoleEnd, Frame};
use crate::signin::{SignIn, oauth, origin_of};

pub(super) async fn sign_out(State(state): State<Arc<SignIn>>, request: Request) -> Response {
    let origin = origin_of(&request);
    let (parts, body) = request.into_parts();
    let form = match oauth::Form::read(body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    if let Err(refusal) = consoles(&state).changing(&parts.headers, form.field("csrf")) {
        let page = ConsoleEnd::new(
            &Frame::of(&state),
            "Nobody was signed out",
            refusal.first().message.clone(),
            web::HOME.to_owned(),
            "Go to the console",
        );
        return pages::respond(StatusCode::FORBIDDEN, &page, &[]);
    }
    let is_done = match standing(&state, &parts.headers).await {
        Ok(Some(held)) => ended(&state, &held, origin, "signed_out").await,
        Ok(None) => true,
        Err(_) => false,
    };
    let forget = HeaderMap::from_iter([(SET_COOKIE, consoles(&state).forget_cookie())]);
    let (status, title, what) = if is_done {
        (
            StatusCode::OK,
            "You are signed out",
            "This browser opens nothing here any more. You are still signed in at your identity provider.",
        )
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "This browser is signed out",
            "It has forgotten your session. The session itself could not be ended, because something is out of order here; it ends by itself within half an hour.",
        )
    };
    end_with(&state, status, title, what, (web::HOME, false), forget)
}

/// Ends a session everywhere and writes down why; false when it could not be ended.
pub(super) async fn ended(
    state: &SignIn,
    held: &ConsoleHolder,
    origin: Origin,
    cause: &'static str,
) -> bool {
    let record = SessionChange {
        event: SessionEvent::End,
        session: held.session.session,
        org: state.org,
        subject: Subject::Person(held.person.id),
        origin: Some(origin),
        cause: Some(cause.into()),
    };
    if let Err(error) = state.ledger.note(ledger::Record::Session(record)) {
        tracing::error!(error = %error, "the end of a console session is not in the ledger");
    }
    let ended = state.sessions.end(held.session.session, cause);
    ended.await.is_ok()
}
