//! Back from the identity provider: a console session begins, under a cookie that nobody has seen before; or the person of one proves once
//! more who they are. A record stands in the ledger before either holds.

use axum::response::{IntoResponse as _, Redirect, Response};
use domain::{Caller, PersonId, ReasonCode, Refusal, SessionId, Subject, Timestamp, console};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use ledger::record::{Origin, SignIn as SignInRecord, Verdict};
use pipeline::identity::SignedIn;
use pipeline::strangers::Wanted;
use store::{Held, Proof, Session, StoreError};
use web::browser::Browser;
use web::page::guard;

use super::leave::ended;
use super::program::session_name;
use super::{METHOD, Way, consoles, end, out_of_order, refused, standing};
use crate::envelope::face_of;
use crate::signin::SignIn;

/// How it ends when it does not succeed.
enum Stop {
    /// Refused, for this reason.
    Refused(Refusal),
    /// Something of ours is away.
    Away,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %error, "a sign-in to the console cannot use the store");
        Self::Away
    }
}

/// Takes whoever came back, or why nobody did, to the page they wanted.
pub(in crate::signin) async fn arrive(
    state: &SignIn,
    way: &Way,
    arrived: Result<SignedIn, Refusal>,
    (origin, headers): (Origin, &HeaderMap),
) -> Response {
    let done = match arrived {
        Err(refusal) => Err(Stop::Refused(refusal)),
        Ok(signed_in) if way.again => prove_again(state, &signed_in, origin, headers).await,
        Ok(signed_in) => begin(state, &signed_in, origin, headers).await,
    };
    match done {
        Ok(browser) => go_on(state, &browser, &way.to),
        Err(Stop::Away) => out_of_order(state, &way.to),
        Err(Stop::Refused(refusal)) => {
            let code = refusal.code();
            if (state.strangers).records(origin.address, Wanted::SignIn, code) {
                state.record(refused(state, origin, &refusal));
            }
            not_signed_in(state, way, &refusal)
        }
    }
}

async fn begin(
    state: &SignIn,
    SignedIn { caller, auth_time }: &SignedIn,
    origin: Origin,
    headers: &HeaderMap,
) -> Result<Browser, Stop> {
    let person = person_of(caller)?;
    let now = state.clock.now();
    let session = Session {
        id: state.sessions.new_id(),
        person,
        client: session_name(headers),
        created: now,
        ended_at: None,
    };
    // Never the browser's own: whoever planted a cookie knows nothing of this one.
    let browser = consoles(state).new_browser();
    let proved_at = console::proved_at_sign_in(*auth_time, now);
    let hash = browser.hash();
    let begun = (state.store).begin_console_session(state.org, &session, &hash, proved_at);
    let Some(held) = begun.await? else {
        return Err(Refusal::plain(ReasonCode::PersonRevoked).into());
    };
    keep(state, held, record(caller, session.id, origin)).await?;
    end_earlier(state, origin, headers).await;
    Ok(browser)
}

/// The session that this browser was signed in with until now would be one that nobody can sign out of. Where it cannot be ended, time
/// ends it.
async fn end_earlier(state: &SignIn, origin: Origin, headers: &HeaderMap) {
    if let Ok(Some(held)) = standing(state, headers).await {
        let _is_ended = ended(state, &held, origin, "signed_in_anew").await;
    }
}

async fn prove_again(
    state: &SignIn,
    SignedIn { caller, auth_time }: &SignedIn,
    origin: Origin,
    headers: &HeaderMap,
) -> Result<Browser, Stop> {
    let person = person_of(caller)?;
    let held = standing(state, headers).await?;
    let (Some(held), Some(until_now)) = (held, consoles(state).known(headers)) else {
        return Err(Refusal::plain(ReasonCode::SessionEnded).into());
    };
    if held.person.id != person {
        let text = "Somebody else signed in at the identity provider than is signed in here.";
        return Err(Refusal::new(ReasonCode::TokenClaims, text).into());
    }
    let at = proof(*auth_time, state.clock.now())?;
    let browser = consoles(state).new_browser();
    let proof = Proof {
        old_hash: &until_now.hash(),
        new_hash: &browser.hash(),
        person,
        at,
    };
    let proved = state.store.prove_console_session(state.org, proof).await?;
    let Some(rows) = proved else {
        return Err(Refusal::plain(ReasonCode::SessionEnded).into());
    };
    keep(state, rows, record(caller, held.session.session, origin)).await?;
    Ok(browser)
}

fn proof(auth_time: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Refusal> {
    console::new_proof(auth_time, now)
        .map_err(|no_proof| Refusal::new(ReasonCode::TokenClaims, no_proof.to_string()))
}

fn person_of(caller: &Caller) -> Result<PersonId, Refusal> {
    match caller.subject {
        Subject::Person(person) => Ok(person),
        Subject::Service(_) => Err(Refusal::plain(ReasonCode::PersonNeeded)),
    }
}

fn record(caller: &Caller, session: SessionId, origin: Origin) -> SignInRecord {
    SignInRecord {
        org: Some(caller.org),
        subject: Some(caller.subject),
        stable_id: Some((&*caller.stable_id).into()),
        email: caller.email.as_deref().map(Into::into),
        issuer: Some((&*caller.issuer).into()),
        method: METHOD.into(),
        origin,
        session: Some(session),
        verdict: Verdict::allowed(),
    }
}

/// Durable before its effect: who cannot be written down is not let in.
async fn keep(state: &SignIn, rows: Held, record: SignInRecord) -> Result<(), Stop> {
    let written = state.ledger.append(ledger::Record::SignIn(record)).await;
    if let Err(error) = written {
        tracing::error!(error = %error, "a sign-in to the console cannot be written down");
        return Err(Stop::Away);
    }
    Ok(rows.keep().await?)
}

fn go_on(state: &SignIn, browser: &Browser, to: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    let headers = response.headers_mut();
    guard(headers, &[]);
    headers.append(SET_COOKIE, consoles(state).set_cookie(browser));
    response
}

fn not_signed_in(state: &SignIn, way: &Way, refusal: &Refusal) -> Response {
    let (status, title) = if face_of(refusal.code()).status.is_server_error() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "Signing in does not work at the moment",
        )
    } else if way.again {
        (StatusCode::FORBIDDEN, "It is not proved that it is you")
    } else {
        (StatusCode::FORBIDDEN, "You are not signed in")
    };
    // Whoever was signed out in between signs in before they prove anything.
    let again = way.again && refusal.code() != ReasonCode::SessionEnded;
    end(state, status, title, &refusal.sentence(), &way.to, again)
}
