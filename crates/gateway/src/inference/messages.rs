//! `POST /v1/messages` and `POST /v1/messages/count_tokens`: a request's whole way, stage by stage.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use domain::{ModelId, Reason, ReasonCode, Refusal, Terms, limits};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use ledger::record::Ended;
use pipeline::charge::Beside;
use pipeline::identity::credential_of;
use pipeline::{Call, Charge, End, Facts, Inspection, Reserved};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;
use wire::Envelope;

use super::{Inference, refuse};
use crate::envelope::{REQUEST_ID, refusal_response};
use crate::relay::{Relay, STREAM_SLICE_TOKENS};
use crate::upstream::route::{Answer, AnswerBody, Outgoing};
use crate::upstream::{headers, query};
use crate::usage_headers;

/// Output that money is held for when a request does not say how much it allows; the provider refuses such requests.
const OUTPUT_TOKENS_UNSTATED: u64 = 4_096;

/// `POST /v1/messages`.
pub async fn messages(State(door): State<Arc<Inference>>, request: Request) -> Response {
    whatever_the_client_does(door, request, "messages").await
}

/// `POST /v1/messages/count_tokens`. Takes the same way, and costs nothing.
pub async fn count_tokens(State(door): State<Arc<Inference>>, request: Request) -> Response {
    whatever_the_client_does(door, request, "count_tokens").await
}

/// Handles the request to its end in a task of its own. A client that leaves before the provider has begun to answer would
/// otherwise take the call along, and with it what the provider charges for: a budget could be passed by hanging up.
async fn whatever_the_client_does(
    door: Arc<Inference>,
    request: Request,
    action: &'static str,
) -> Response {
    let facts = door.facts(&request, action);
    let id = facts.request;
    let handling = async move { handle(&door, request, facts).await };
    let handled = tokio::spawn(handling.in_current_span());
    match handled.await {
        Ok(answered) => answered.unwrap_or_else(|refused| refused),
        // It panicked, which the log has.
        Err(_) => refusal_response(&Refusal::plain(ReasonCode::Internal), id),
    }
}

async fn handle(door: &Inference, request: Request, facts: Facts) -> Result<Response, Response> {
    let action = facts.action;
    let call = Call::received(&door.pipeline, facts);
    let id = facts.request;
    let Ok(place) = Arc::clone(&door.calls).try_acquire_owned() else {
        return Err(refuse(id)(
            call.refuse(Refusal::plain(ReasonCode::Overloaded)),
        ));
    };
    // Who, before the body is read.
    let (head, body) = request.into_parts();
    let mut call = door
        .identify(call, &head.headers)
        .await
        .map_err(refuse(id))?;

    let whole = match door
        .memory
        .read(&head.headers, body, limits::MESSAGES_BODY_BYTES_MAX)
        .await
    {
        Ok(whole) => whole,
        Err(refusal) => return Err(refuse(id)(call.refuse(refusal))),
    };
    call.note_body_bytes(whole.bytes.len());
    let mut inspection = door.pipeline.inspection(&call);
    let envelope = match read_envelope(&whole.bytes, &mut inspection) {
        Ok(envelope) => envelope,
        Err(refusal) => return Err(refuse(id)(call.refuse(refusal))),
    };
    let model = match model_of(&envelope) {
        Ok(model) => model,
        Err(refusal) => return Err(refuse(id)(call.refuse(refusal))),
    };

    let call = door
        .pipeline
        .permit(call, Some(model))
        .await
        .map_err(refuse(id))?;
    let call = door
        .pipeline
        .inspect(call, inspection)
        .map_err(refuse(id))?;
    let charge = charge(action, &envelope, whole.bytes.len());
    let mut call = door
        .pipeline
        .reserve(call, charge)
        .await
        .map_err(refuse(id))?;

    let outgoing = Outgoing {
        path_and_query: &path_and_query(action, head.uri.query()),
        headers: headers::outgoing(&head.headers, credential_of(&head.headers)),
        body: whole.bytes.clone(),
        envelope: &envelope,
    };
    match door.upstreams.send(&mut call, outgoing).await {
        Ok(answer) => Ok(answered(door, call, answer, held_tokens(charge), place)),
        Err(failure) => {
            let mut running = call.into_running();
            let code = failure.refusal.code();
            let status = crate::envelope::face_of(code).status.as_u16();
            running.answered(failure.upstream.as_deref().unwrap_or(""), None, status);
            running.end(End::unseen(Ended::Error, Some(code)));
            Err(refusal_response(&failure.refusal, id))
        }
    }
}

fn read_envelope<'b>(body: &'b [u8], inspection: &mut Inspection) -> Result<Envelope<'b>, Refusal> {
    let read = if inspection.is_on() {
        Envelope::read(
            body,
            limits::JSON_DEPTH_MAX,
            Some(&mut |text: &str| inspection.text(text)),
        )
    } else {
        Envelope::read(body, limits::JSON_DEPTH_MAX, None)
    };
    read.map_err(|error| {
        let text = format!(
            "The request body is not acceptable JSON: {} (byte {}).",
            error.fault.what(),
            error.at
        );
        Refusal::one(Reason::new(ReasonCode::BodyMalformed, text))
    })
}

fn model_of(envelope: &Envelope<'_>) -> Result<ModelId, Refusal> {
    let malformed = |text: &str| Refusal::one(Reason::new(ReasonCode::BodyMalformed, text));
    if !envelope.has_messages {
        return Err(malformed("messages: this field is required and is a list."));
    }
    let name = envelope
        .model
        .as_deref()
        .ok_or_else(|| malformed("model: this field is required."))?;
    ModelId::new(name).map_err(|_| malformed("model: not a model's id."))
}

fn charge(action: &str, envelope: &Envelope<'_>, body_bytes: usize) -> Charge {
    if action == "count_tokens" {
        return Charge::Free;
    }
    let allowed = envelope.max_tokens.unwrap_or(OUTPUT_TOKENS_UNSTATED);
    // A stream can be ended when its money runs out, so it need not hold all it may use from the beginning.
    let output_tokens = if envelope.stream {
        allowed.min(STREAM_SLICE_TOKENS)
    } else {
        allowed
    };
    let brought = envelope.brought;
    Charge::Tokens {
        body_bytes,
        output_tokens,
        terms: Terms::named(envelope.speed.as_deref(), envelope.inference_geo.as_deref()),
        beside: Beside {
            pictures: brought.sources,
            // Which source is a document's is not looked at: one document makes every source one.
            documents: brought.documents && brought.sources > 0,
            server_tools: brought.server_tools,
        },
    }
}

const fn held_tokens(charge: Charge) -> u64 {
    match charge {
        Charge::Free => u64::MAX,
        Charge::Tokens { output_tokens, .. } => output_tokens,
    }
}

fn path_and_query(action: &str, from_client: Option<&str>) -> String {
    let path = if action == "count_tokens" {
        "/v1/messages/count_tokens"
    } else {
        "/v1/messages"
    };
    format!("{path}{}", query::outgoing(from_client))
}

/// The client's response: the provider's, with our request id and the state of the caller's budget.
fn answered(
    door: &Inference,
    call: Call<Reserved>,
    answer: Answer,
    held_tokens: u64,
    place: OwnedSemaphorePermit,
) -> Response {
    let (head, body) = answer.response.into_parts();
    let mut headers = headers::incoming(&head.headers);
    let caller = &call.who().caller;
    if call
        .policy()
        .budgets
        .iter()
        .any(domain::policy::Budget::is_own)
    {
        let standing =
            door.pipeline
                .quota
                .standing(caller.subject, call.policy(), door.pipeline.clock.now());
        usage_headers::of_standing(&standing, &mut headers);
    }
    let id = call.facts().request;
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    let live = Arc::clone(call.live());
    let mut running = call.into_running();
    running.answered(
        &answer.upstream,
        upstream_request(&head.headers),
        head.status.as_u16(),
    );
    let body = match body {
        AnswerBody::Whole(bytes) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            running.end(End::unseen(Ended::Error, None));
            Body::from(bytes)
        }
        AnswerBody::Stream(upstream) => {
            let is_stream = is_event_stream(&headers);
            Body::new(Relay::new(
                upstream,
                is_stream,
                held_tokens,
                running,
                live,
                place,
            ))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = headers;
    response
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

fn upstream_request(headers: &HeaderMap) -> Option<&str> {
    [
        HeaderName::from_static("request-id"),
        HeaderName::from_static("apim-request-id"),
    ]
    .iter()
    .find_map(|name| headers.get(name)?.to_str().ok())
}
