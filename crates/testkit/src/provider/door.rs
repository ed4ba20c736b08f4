//! The provider's front door: reads a request, lets it in or not, answers, and notes how it ended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::limits::MESSAGES_BODY_BYTES_MAX;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::answer::{Block, Composed};
use super::errors::{Refusal, kind_of, message_of};
use super::fault::Fault;
use super::foundry::AzureError;
use super::play::Play;
use super::prompt::Prompt;
use super::request::{ApiVersion, check};
use super::seen::{Ending, Visit};
use super::stream;
use super::wish::Wish;
use super::{Core, Face, models};
use crate::net::{Answers, Ask, Body, Hangup, ResetSwitch, reply};
use crate::token::hex;

#[derive(Debug, Clone)]
pub(super) struct Door(pub(super) Arc<Core>);

/// An answer that is whole, or one that is played out.
enum Outcome {
    Whole(Response<Body>),
    Played(Box<Composed>, Wish, bool),
}

impl Answers for Door {
    async fn answer(
        &self,
        request: Request<Incoming>,
        connection: ResetSwitch,
    ) -> Result<Response<Body>, Hangup> {
        let (ask, too_large) = read(request).await?;
        let visit = self.0.seen.arrived(&ask);
        let ordered = ask.header("x-testkit-fault").and_then(Fault::parse);
        let ordered = ordered.or_else(|| self.0.next_fault());
        if let Some(fault) = &ordered
            && let Some(answer) = before_answer(fault, &visit, &connection).await
        {
            visit.end(Ending::Fault);
            return answer.map(|answer| self.dressed(answer, ""));
        }
        let request_id = visit.request_id.clone();
        let routed = if too_large {
            Err(Refusal::new(413, message_of(413)))
        } else {
            self.route(&ask)
        };
        let outcome = routed.unwrap_or_else(|refusal| Outcome::Whole(refusal.answer(&request_id)));
        match outcome {
            Outcome::Whole(answer) => {
                visit.end(Ending::Complete);
                Ok(self.dressed(answer, &request_id))
            }
            Outcome::Played(composed, mut wish, streams) => {
                wish.fault = wish.fault.or(ordered);
                self.played(*composed, wish, streams, visit, connection)
                    .await
            }
        }
    }
}

/// Reads a request; says whether its body was larger than the API takes.
async fn read(request: Request<Incoming>) -> Result<(Ask, bool), Hangup> {
    let (parts, body) = request.into_parts();
    let stated = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if stated.is_some_and(|bytes| bytes > MESSAGES_BODY_BYTES_MAX) {
        return Ok((Ask::from_parts(parts, Bytes::new()), true));
    }
    match Limited::new(body, MESSAGES_BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok((Ask::from_parts(parts, body.to_bytes()), false)),
        Err(cause) if cause.is::<http_body_util::LengthLimitError>() => {
            Ok((Ask::from_parts(parts, Bytes::new()), true))
        }
        Err(_) => Err(Hangup),
    }
}

/// Plays a fault that comes in the place of an answer; `None` when the answer comes after all.
async fn before_answer(
    fault: &Fault,
    visit: &Visit,
    connection: &ResetSwitch,
) -> Option<Result<Response<Body>, Hangup>> {
    match fault {
        Fault::Status {
            status,
            kind,
            retry_after_s,
        } => {
            let refusal = Refusal {
                status: *status,
                kind: kind.clone().unwrap_or_else(|| kind_of(*status).to_owned()),
                message: message_of(*status).to_owned(),
            };
            let answer = reply::with(
                refusal.answer(&visit.request_id),
                "request-id",
                &visit.request_id,
            );
            Some(Ok(match retry_after_s {
                Some(seconds) => reply::with(answer, "retry-after", &seconds.to_string()),
                None => answer,
            }))
        }
        Fault::Html(status) => {
            let page = "<html><head><title>Error</title></head><body>A box in between refuses.</body></html>";
            Some(Ok(reply::page(*status, page.to_owned())))
        }
        Fault::Reset => {
            connection.arm();
            Some(Err(Hangup))
        }
        Fault::Hang => std::future::pending().await,
        Fault::SlowHeadersMs(ms) => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            None
        }
        _ => None,
    }
}

impl Door {
    fn route(&self, ask: &Ask) -> Result<Outcome, Refusal> {
        let core = &*self.0;
        let path = match &core.face {
            Face::Anthropic => {
                self.admit(ask)?;
                ask.path.as_str()
            }
            Face::Foundry(foundry) => {
                if let Err(refused) = foundry.admit(ask, &core.keys, &*core.clock) {
                    return Ok(Outcome::Whole(refused.answer()));
                }
                match ask.path.strip_prefix("/anthropic") {
                    Some(path @ ("/v1/messages" | "/v1/messages/count_tokens")) => path,
                    _ => return Ok(Outcome::Whole(AzureError::API_NOT_SUPPORTED.answer())),
                }
            }
        };
        match (&ask.method, path) {
            (&Method::POST, "/v1/messages") => self.message(ask, true),
            (&Method::POST, "/v1/messages/count_tokens") => self.message(ask, false),
            (&Method::GET, "/v1/models") => {
                models::list(&core.models, &ask.query_fields()).map(Outcome::Whole)
            }
            (&Method::GET, path) if path.starts_with("/v1/models/") => {
                models::one(&core.models, &path["/v1/models/".len()..]).map(Outcome::Whole)
            }
            (_, "/v1/messages" | "/v1/messages/count_tokens" | "/v1/models") => Err(Refusal {
                status: 405,
                ..Refusal::invalid("Method Not Allowed")
            }),
            _ => Err(Refusal::new(404, "Not Found")),
        }
    }

    /// Anthropic's own door: the key in `x-api-key`, or in its absence as bearer.
    fn admit(&self, ask: &Ask) -> Result<(), Refusal> {
        let known = |given: &str| self.0.keys.iter().any(|key| key.expose_secret() == given);
        match (ask.header("x-api-key"), ask.bearer()) {
            (Some(key), _) if known(key) => Ok(()),
            (Some(_), _) => Err(Refusal::new(401, "invalid x-api-key")),
            (None, Some(bearer)) if known(bearer) => Ok(()),
            (None, Some(_)) => Err(Refusal::new(401, "Invalid bearer token")),
            (None, None) => Err(Refusal::new(401, "x-api-key header is required")),
        }
    }

    fn message(&self, ask: &Ask, answers: bool) -> Result<Outcome, Refusal> {
        let version = ApiVersion::of(ask.header("anthropic-version"))?;
        let body: Value = serde_json::from_slice(&ask.body).map_err(|error| {
            Refusal::invalid(format!("The request body is not valid JSON: {error}"))
        })?;
        check(&body, version, answers)?;
        let model = body["model"].as_str().unwrap_or_default();
        if !self.0.models.iter().any(|known| known == model) {
            return match &self.0.face {
                Face::Anthropic => Err(Refusal::new(404, format!("model: {model}"))),
                Face::Foundry(_) => Ok(Outcome::Whole(AzureError::DEPLOYMENT_NOT_FOUND.answer())),
            };
        }
        let prompt = Prompt::read(&body);
        if !answers {
            return Ok(Outcome::Whole(reply::json(
                200,
                &json!({"input_tokens": prompt.tokens}),
            )));
        }
        let wish = Wish::in_prompt(&prompt.last_turn)
            .or_else(|| ask.header("x-testkit").map(Wish::parse))
            .unwrap_or_default();
        let seed = prompt.last_turn.bytes().fold(7, |sum: u64, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        let mut composed = Composed::of(&body, &prompt, &wish, self.0.next_line(), seed);
        let output = composed.usage.output_tokens;
        composed.usage = self.0.cache.input_usage(&prompt);
        composed.usage.output_tokens = output;
        Ok(Outcome::Played(
            Box::new(composed),
            wish,
            body["stream"] == true,
        ))
    }

    async fn played(
        &self,
        mut composed: Composed,
        wish: Wish,
        streams: bool,
        visit: Visit,
        connection: ResetSwitch,
    ) -> Result<Response<Body>, Hangup> {
        let request_id = visit.request_id.clone();
        if let Some(fault) = &wish.fault
            && let Some(answer) = before_answer(fault, &visit, &connection).await
        {
            visit.end(Ending::Fault);
            return answer.map(|answer| self.dressed(answer, &request_id));
        }
        match wish.fault {
            Some(Fault::NoUsage) => composed.shows_usage = false,
            Some(Fault::HugeLine(bytes)) => {
                composed.blocks.push(Block::Text {
                    pieces: vec!["x".repeat(bytes)],
                });
            }
            _ => {}
        }
        let pieces = if streams {
            stream::events(&composed, wish.ping_every)
        } else {
            let whole = Bytes::from(composed.json().to_string());
            if wish.fault.is_none() {
                visit.end(Ending::Complete);
                return Ok(self.dressed(reply::typed(200, "application/json", whole), &request_id));
            }
            halves(&whole)
        };
        let play = Play {
            pieces,
            pace: Duration::from_millis(wish.pace_ms),
            fault: if streams {
                wish.fault
            } else {
                wish.fault.map(at_half)
            },
            connection,
        };
        let mut answer = Response::new(play.begin(visit));
        let kind = if streams {
            "text/event-stream; charset=utf-8"
        } else {
            "application/json"
        };
        answer
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if streams {
            answer
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        Ok(self.dressed(answer, &request_id))
    }

    /// Adds the headers every answer of this face has.
    fn dressed(&self, answer: Response<Body>, request_id: &str) -> Response<Body> {
        let answer = if answer.headers().contains_key("request-id") || request_id.is_empty() {
            answer
        } else {
            reply::with(answer, "request-id", request_id)
        };
        match &self.0.face {
            Face::Foundry(_) => {
                let id = hex(&crate::ids::mixed(request_id.len() as u64).to_be_bytes());
                reply::with(answer, "apim-request-id", &format!("{id}-{request_id}"))
            }
            Face::Anthropic => self.rate_limited(answer),
        }
    }

    fn rate_limited(&self, answer: Response<Body>) -> Response<Body> {
        let reset = self.0.clock.now().plus_ms(60_000).to_string();
        let fields: [(&'static str, &str); 12] = [
            (
                "anthropic-organization-id",
                "5c5e0b3a-0000-4000-8000-746573746b69",
            ),
            ("anthropic-ratelimit-requests-limit", "4000"),
            ("anthropic-ratelimit-requests-remaining", "3999"),
            ("anthropic-ratelimit-requests-reset", &reset),
            ("anthropic-ratelimit-input-tokens-limit", "2000000"),
            ("anthropic-ratelimit-input-tokens-remaining", "1999000"),
            ("anthropic-ratelimit-input-tokens-reset", &reset),
            ("anthropic-ratelimit-output-tokens-limit", "400000"),
            ("anthropic-ratelimit-output-tokens-remaining", "399000"),
            ("anthropic-ratelimit-output-tokens-reset", &reset),
            ("via", "1.1 testkit"),
            ("cf-ray", "testkit-LHR"),
        ];
        fields.into_iter().fold(answer, |answer, (name, value)| {
            reply::with(answer, name, value)
        })
    }
}

fn halves(whole: &Bytes) -> Vec<Bytes> {
    let middle = whole.len() / 2;
    vec![whole.slice(..middle), whole.slice(middle..)]
}

/// For an answer that is no stream any count of events above 0 means halfway.
fn at_half(fault: Fault) -> Fault {
    match fault {
        Fault::SilenceAfter(n) => Fault::SilenceAfter(n.min(1)),
        Fault::CutAfter(n) => Fault::CutAfter(n.min(1)),
        Fault::ResetAfter(n) => Fault::ResetAfter(n.min(1)),
        Fault::GarbageAfter(n) => Fault::GarbageAfter(n.min(1)),
        Fault::EndAfter(n) | Fault::ErrorAfter { events: n, .. } => Fault::EndAfter(n.min(1)),
        other => other,
    }
}
