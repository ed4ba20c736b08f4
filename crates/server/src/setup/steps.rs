//! The walk's pages and forms, a step each: what is typed goes into the step, what it says comes back. A step that is not open yet leads to the
//! one that is.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use console::pages::parts::Copyable;
use gateway::signin::oidc::CALLBACK;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tokio::sync::MutexGuard;
use web::browser::Browsers;

use super::door::Door;
use super::form::Form;
use super::known::Kind;
use super::pages::{DonePage, Finding, Frame, IssuerPage, Notice, message, respond};
use super::trial::{self, Returned};
use super::upstream::Way;
use super::walk::{Step, Walk};
use super::{issuer, write};
use crate::system::chain;

/// The steps' addresses.
pub fn routes() -> Router<Arc<Door>> {
    Router::new()
        .route(
            Step::Organisation.path(),
            get(organisation).post(organisation_typed),
        )
        .route(Step::Issuer.path(), get(issuer_page).post(issuer_typed))
        .route("/setup/issuer/try", post(issuer_tried))
        .route(CALLBACK, get(came_back))
        .route(Step::Owner.path(), get(owner).post(owner_taken))
        .route(Step::Upstream.path(), get(upstream).post(upstream_typed))
        .route(Step::Policy.path(), get(policy).post(policy_chosen))
        .route(Step::Write.path(), get(write_page).post(write_it))
}

/// A kind that was chosen by its tab.
#[derive(Deserialize)]
struct Chosen {
    kind: Option<String>,
}

type Held<'d> = MutexGuard<'d, Walk>;

/// The walk, if it is at this step or past it.
async fn at(door: &Door, step: Step) -> Result<Held<'_>, Response> {
    let walk = door.walk.lock().await;
    if walk.is_written {
        return Err(message(
            StatusCode::GONE,
            "It is written",
            "Doorward is starting; this walk is over.",
        ));
    }
    if walk.is_open(step) {
        Ok(walk)
    } else {
        let open = walk.first_open();
        let to = if walk.is_open(open) {
            open
        } else {
            Step::Issuer
        };
        Err(Redirect::to(to.path()).into_response())
    }
}

/// The form of a page of ours, and the walk at its step.
async fn typed(
    door: &Door,
    step: Step,
    request: Request,
) -> Result<(Held<'_>, Form, String), Response> {
    let (parts, body) = request.into_parts();
    let form = Form::read(body).await.ok_or_else(|| {
        message(
            StatusCode::PAYLOAD_TOO_LARGE,
            "This form cannot be read",
            "It is larger than any of this walk.",
        )
    })?;
    if !door.is_ours(&parts.headers, form.field("csrf")) {
        return Err(message(
            StatusCode::FORBIDDEN,
            "This did not come from our page",
            "Nothing was changed. Go back to the walk, and send the form from there.",
        ));
    }
    let csrf = door.csrf(&parts.headers);
    Ok((at(door, step).await?, form, csrf))
}

fn on(step: Step) -> Response {
    Redirect::to(step.path()).into_response()
}

fn frame(walk: &Walk, step: Step, csrf: &str) -> Frame {
    let frame = Frame::of(step, walk.first_open(), csrf);
    if walk.is_trial {
        // There is one thing to do, and no way through several.
        return Frame {
            steps: Vec::new(),
            ..frame
        };
    }
    frame
}

const WRONG: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

async fn organisation(
    State(door): State<Arc<Door>>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let walk = at(&door, Step::Organisation).await?;
    let frame = frame(&walk, Step::Organisation, &door.csrf(&headers));
    Ok(respond(StatusCode::OK, &walk.organisation.page(frame), &[]))
}

async fn organisation_typed(
    State(door): State<Arc<Door>>,
    request: Request,
) -> Result<Response, Response> {
    let (mut walk, form, csrf) = typed(&door, Step::Organisation, request).await?;
    walk.organisation.take(&form);
    if walk.organisation.is_done {
        door.expect_at(&walk.organisation.public_url);
        return Ok(on(Step::Issuer));
    }
    let frame = frame(&walk, Step::Organisation, &csrf);
    Ok(respond(WRONG, &walk.organisation.page(frame), &[]))
}

async fn issuer_page(
    State(door): State<Arc<Door>>,
    Query(Chosen { kind }): Query<Chosen>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let mut walk = at(&door, Step::Issuer).await?;
    // Looking at another kind forgets what was typed for this one, and so what hangs on it. Not for another site's link.
    let kind = kind.filter(|_| !Browsers::is_from_another_site(&headers));
    let kind = kind.map_or(walk.issuer.kind, |kind| Kind::of(&kind));
    if kind != walk.issuer.kind {
        walk.issuer_changed();
    }
    walk.issuer.turn_to(kind);
    Ok(show_issuer(&walk, &door.csrf(&headers), StatusCode::OK, None).await)
}

async fn issuer_typed(
    State(door): State<Arc<Door>>,
    request: Request,
) -> Result<Response, Response> {
    let (mut walk, form, csrf) = typed(&door, Step::Issuer, request).await?;
    walk.issuer_changed();
    let public_url = walk.organisation.public_url.clone();
    walk.issuer.take(&form, &public_url).await;
    let fine = walk
        .issuer
        .ready
        .as_ref()
        .is_some_and(issuer::Ready::can_be_tried);
    let status = if fine { StatusCode::OK } else { WRONG };
    Ok(show_issuer(&walk, &csrf, status, None).await)
}

async fn show_issuer(
    walk: &Walk,
    csrf: &str,
    status: StatusCode,
    notice: Option<Notice>,
) -> Response {
    let step = &walk.issuer;
    let kind = |kind: Kind| {
        let to = format!("{}?kind={}", Step::Issuer.path(), kind.word());
        (kind.tab(), to, kind == step.kind)
    };
    let public = format!("{}{CALLBACK}", walk.organisation.public_url);
    let local = format!("{}{CALLBACK}", walk.at.origin);
    let findings = step.ready.as_ref().map_or(&[][..], |ready| &ready.findings);
    let page = IssuerPage {
        frame: frame(walk, Step::Issuer, csrf),
        notice,
        kinds: Kind::ALL.into_iter().map(kind).collect(),
        kind: step.kind.word(),
        shown: step.kind.shown(),
        make: step.kind.make(),
        local: (local != public).then(|| Copyable::whole("address", &local)),
        redirect: Copyable::whole("address", &public),
        mistakes: step.kind.mistakes(),
        inputs: step.inputs(),
        findings: findings.iter().map(Finding::from).collect(),
        can_try: step.ready.as_ref().is_some_and(issuer::Ready::can_be_tried),
    };
    let forms_to = match &step.ready {
        Some(ready) => issuer::origins(ready).await,
        None => Vec::new(),
    };
    respond(status, &page, &forms_to)
}

async fn issuer_tried(
    State(door): State<Arc<Door>>,
    request: Request,
) -> Result<Response, Response> {
    let (mut walk, form, csrf) = typed(&door, Step::Issuer, request).await?;
    let back = match form.field("way") {
        "local" => walk.at.origin.clone(),
        _ => walk.organisation.public_url.clone(),
    };
    let Some(ready) = walk
        .issuer
        .ready
        .as_ref()
        .filter(|ready| ready.can_be_tried())
    else {
        return Ok(on(Step::Issuer));
    };
    let out = trial::set_out(ready, &format!("{back}{CALLBACK}")).await;
    match out {
        Ok((url, trip)) => {
            walk.trip = Some(trip);
            Ok(Redirect::to(url.as_str()).into_response())
        }
        Err(notice) => Ok(show_issuer(&walk, &csrf, StatusCode::BAD_GATEWAY, Some(notice)).await),
    }
}

async fn came_back(
    State(door): State<Arc<Door>>,
    Query(returned): Query<Returned>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let mut walk = at(&door, Step::Issuer).await?;
    // Another site's link, which knows no state, ends nobody's sign-in.
    let trip = walk.trip.take_if(|trip| trip.is_of(&returned));
    match trial::arrive(trip, returned).await {
        Ok(owner) => {
            walk.issuer.settle();
            walk.owner = Some(owner);
            Ok(on(Step::Owner))
        }
        Err(notice) => {
            if let Some(field) = notice.field {
                walk.issuer.refuse(field, &notice.what);
            }
            let csrf = door.csrf(&headers);
            Ok(show_issuer(&walk, &csrf, StatusCode::FORBIDDEN, Some(notice)).await)
        }
    }
}

async fn owner(State(door): State<Arc<Door>>, headers: HeaderMap) -> Result<Response, Response> {
    let walk = at(&door, Step::Owner).await?;
    let frame = frame(&walk, Step::Owner, &door.csrf(&headers));
    let Some(owner) = &walk.owner else {
        return Ok(on(Step::Issuer));
    };
    let lines = walk.is_trial.then(|| write::issuer_lines(&walk));
    let page = owner.page(frame, walk.issuer.kind, lines);
    Ok(respond(StatusCode::OK, &page, &[]))
}

async fn owner_taken(
    State(door): State<Arc<Door>>,
    request: Request,
) -> Result<Response, Response> {
    let (mut walk, _, _) = typed(&door, Step::Owner, request).await?;
    if let Some(owner) = &mut walk.owner {
        owner.is_taken = true;
    }
    Ok(on(Step::Upstream))
}

async fn upstream(
    State(door): State<Arc<Door>>,
    Query(Chosen { kind }): Query<Chosen>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let mut walk = at(&door, Step::Upstream).await?;
    let kind = kind.filter(|_| !Browsers::is_from_another_site(&headers));
    let way = kind.map_or(walk.upstream.way, |kind| Way::of(&kind));
    walk.upstream.turn_to(way);
    let frame = frame(&walk, Step::Upstream, &door.csrf(&headers));
    Ok(respond(StatusCode::OK, &walk.upstream.page(frame), &[]))
}

async fn upstream_typed(
    State(door): State<Arc<Door>>,
    request: Request,
) -> Result<Response, Response> {
    let (mut walk, form, csrf) = typed(&door, Step::Upstream, request).await?;
    walk.upstream.take(&form).await;
    if walk.upstream.checked.is_some() {
        return Ok(on(Step::Policy));
    }
    let frame = frame(&walk, Step::Upstream, &csrf);
    Ok(respond(WRONG, &walk.upstream.page(frame), &[]))
}

async fn policy(State(door): State<Arc<Door>>, headers: HeaderMap) -> Result<Response, Response> {
    let walk = at(&door, Step::Policy).await?;
    Ok(show_policy(&walk, &door.csrf(&headers), StatusCode::OK))
}

fn show_policy(walk: &Walk, csrf: &str, status: StatusCode) -> Response {
    let (Some(owner), Some(checked)) = (&walk.owner, &walk.upstream.checked) else {
        return on(walk.first_open());
    };
    let frame = frame(walk, Step::Policy, csrf);
    let page = walk.policy.page(frame, owner, &checked.models);
    respond(status, &page, &[])
}

async fn policy_chosen(
    State(door): State<Arc<Door>>,
    request: Request,
) -> Result<Response, Response> {
    let (mut walk, form, csrf) = typed(&door, Step::Policy, request).await?;
    let checked = walk.upstream.checked.as_ref();
    let models = checked.map_or_else(Vec::new, |checked| checked.models.clone());
    walk.policy.take(&form, &models);
    if walk.policy.is_done {
        return Ok(on(Step::Write));
    }
    Ok(show_policy(&walk, &csrf, WRONG))
}

async fn write_page(
    State(door): State<Arc<Door>>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let walk = at(&door, Step::Write).await?;
    let frame = frame(&walk, Step::Write, &door.csrf(&headers));
    Ok(respond(
        StatusCode::OK,
        &write::page(&walk, frame, None),
        &[],
    ))
}

async fn write_it(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Response> {
    let (mut walk, _, csrf) = typed(&door, Step::Write, request).await?;
    match write::make(&walk).await {
        Ok(written) => {
            walk.is_written = true;
            door.done.cancel();
            let page = DonePage {
                frame: Frame::apart("Doorward is starting"),
                lead: "Everything is written, and this process goes on and serves. The console's first page says what comes next: the clients, and the two checks of a rollout.".to_owned(),
                written,
                way_on: Some(("Go on in the console", format!("{}/console/start", walk.organisation.public_url))),
            };
            Ok(respond(StatusCode::OK, &page, &[]))
        }
        Err(error) => {
            let notice = Notice::new(
                format!("It could not be written: {}.", chain(error.as_ref())),
                "Whose: whoever runs Doorward on this machine.",
                "What to do: put right what it names, and write again. Nothing that was there was touched.",
            );
            let frame = frame(&walk, Step::Write, &csrf);
            let page = write::page(&walk, frame, Some(notice));
            Ok(respond(StatusCode::CONFLICT, &page, &[]))
        }
    }
}
