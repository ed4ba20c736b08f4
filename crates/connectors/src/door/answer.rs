//! What goes back to a client: a stream event by event, one JSON text looked at whole, and nothing that came for somebody else. Never
//! passes on what cannot be an answer to what was asked.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use domain::{ReasonCode, Refusal};
use http::StatusCode;
use http::header::{self, CONTENT_TYPE, HeaderName, HeaderValue};
use ledger::record::Ended;
use pipeline::{End, Inspection, Running};

use super::Connectors;
use super::shown::{Across, Speaker};
use crate::envelope::Id;
use crate::headers::{Era, SESSION};
use crate::look::{Seen, look};
use crate::refused::Asked;
use crate::session::whose;
use crate::stream::{self, Watch};
use crate::upstream::{Answer, Body as Came, Coming, refusal_of_status, whole};

impl Connectors {
    /// The client's response to a request.
    pub(super) async fn answered(
        &self,
        mut asked: Asked,
        mut speaker: Speaker,
        answer: Answer,
        had_session: bool,
        running: Option<Running>,
        mut inspection: Option<Inspection>,
    ) -> Result<Response, Response> {
        if let Some((seam, line)) = answer.seam
            && let Some(id) = asked.id.clone()
        {
            asked.sent = Some(Id::Number(seam.id));
            let upstream = Arc::clone(&self.upstream);
            speaker.across = Some(Arc::new(Across::new(seam, line, id, upstream)));
        }
        let given = answer.session.as_deref().filter(|_| !had_session);
        let given = given.and_then(|session| {
            let caller = &speaker.who.caller;
            self.sessions.given(
                caller,
                &whose(&speaker.connector),
                (session, speaker.opens_pages),
            )
        });
        let mut response = match answer.body {
            Came::Events(body) if answer.status.is_success() => {
                let watch = Watch {
                    giving: answer.giving,
                    ..speaker.watch(asked, running, inspection, &self.pipeline.rules)
                };
                events(stream::passed_on(body, watch))
            }
            Came::Json(body) => {
                let judged = judged(&asked, &speaker, body, answer.status, inspection.as_mut());
                let judged = judged.await.map_err(|mut refusal| {
                    if refusal.code() == ReasonCode::UpstreamGarbled && !answer.status.is_success()
                    {
                        refusal = refusal_of_status(answer.status, had_session);
                    }
                    refusal
                });
                settle(running, inspection, judged.as_ref().map(|(_, well)| *well));
                let (text, _) = judged.map_err(|refusal| asked.refused(&refusal))?;
                // To a client with a session the newest protocol's statuses say something else: 404 is the end of its session.
                let is_other = speaker.across.is_some() && asked.era == Era::Legacy;
                let status = if is_other {
                    StatusCode::OK
                } else {
                    answer.status
                };
                json(status, text)
            }
            _ => {
                let refusal = refusal_of_status(answer.status, had_session);
                settle(running, inspection, Err(&refusal));
                return Err(asked.refused(&refusal));
            }
        };
        if let Some(given) = given
            && let Ok(value) = HeaderValue::from_str(&given)
        {
            response.headers_mut().insert(SESSION, value);
        }
        Ok(response)
    }
}

/// A whole JSON answer as it goes to the client, and whether it is a result.
async fn judged(
    asked: &Asked,
    speaker: &Speaker,
    body: Coming,
    status: StatusCode,
    inspection: Option<&mut Inspection>,
) -> Result<(Bytes, bool), Refusal> {
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        || status.is_redirection()
        || status.is_server_error()
    {
        return Err(refusal_of_status(status, false));
    }
    let live = Arc::clone(&speaker.who.live);
    let bytes = tokio::select! {
        biased;
        _ = live.revoked() => return Err(Refusal::plain(ReasonCode::PersonRevoked)),
        bytes = whole(body) => bytes?,
    };
    match look(&bytes, asked.expected(), &speaker.keep(), inspection) {
        Seen::Answer(None, well) if status.is_success() || !well => Ok((bytes, well)),
        Seen::Answer(Some(text), well) if status.is_success() || !well => Ok((text.into(), well)),
        Seen::Answer(..) | Seen::Pass(_) | Seen::Drop | Seen::Answered | Seen::Garbled => {
            Err(Refusal::plain(ReasonCode::UpstreamGarbled))
        }
    }
}

/// Records how a call that was answered whole has ended.
fn settle(running: Option<Running>, inspection: Option<Inspection>, ended: Result<bool, &Refusal>) {
    let Some(mut running) = running else {
        return;
    };
    if let Some(inspection) = inspection {
        running.found(inspection);
    }
    running.end(match ended {
        Ok(true) => End::unseen(Ended::Complete, None),
        Ok(false) => End::unseen(Ended::Error, None),
        Err(refusal) if refusal.code() == ReasonCode::PersonRevoked => {
            End::unseen(Ended::Revoked, Some(refusal.code()))
        }
        Err(refusal) => End::unseen(Ended::Error, Some(refusal.code())),
    });
}

pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn events(events: stream::Events) -> Response {
    let mut response = Response::new(Body::new(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // So that a proxy in front of us does not gather events.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}
