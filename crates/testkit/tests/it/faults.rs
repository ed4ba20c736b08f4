//! Every fault does what its name says, ordered by handle, by header or in the prompt.

use serde_json::{Value, json};
use testkit::client::{ClientError, Event};
use testkit::provider::Ending;
use testkit::{Actor, Fault};

use super::anthropic;

const MODEL: &str = "claude-sonnet-5-5";

/// What came of a stream with this wish: the events, and how it broke off if it did.
async fn streamed(actor: &Actor, wish: &str) -> (Vec<Event>, Option<ClientError>) {
    let events = actor
        .stream(MODEL, &format!("Hi [testkit {wish}]"))
        .await
        .unwrap();
    assert_eq!(events.status(), 200, "{wish}");
    events.until_end().await
}

#[tokio::test]
async fn an_ordered_status_comes_in_the_envelope_with_its_headers() {
    let (provider, actor) = anthropic();
    for (order, status, kind, retry_after) in [
        (
            "status=429 retry-after=7",
            429,
            "rate_limit_error",
            Some("7"),
        ),
        ("status=529", 529, "overloaded_error", None),
        ("status=500", 500, "api_error", None),
        ("status=401", 401, "authentication_error", None),
        ("status=413", 413, "request_too_large", None),
        ("status=400 type=billing_error", 400, "billing_error", None),
    ] {
        for answer in [
            actor
                .clone()
                .header("x-testkit-fault", order)
                .messages(MODEL, "Hi")
                .await
                .unwrap(),
            actor
                .messages(MODEL, &format!("Hi [testkit {order}]"))
                .await
                .unwrap(),
        ] {
            assert_eq!(answer.status, status, "{order}");
            assert_eq!(answer.json()["error"]["type"], kind, "{order}");
            assert_eq!(answer.header("retry-after"), retry_after, "{order}");
            assert_eq!(
                answer.json()["request_id"],
                answer.header("request-id").unwrap()
            );
        }
    }
    assert!(
        provider
            .seen()
            .iter()
            .all(|seen| seen.ending == Some(Ending::Fault))
    );
}

#[tokio::test]
async fn a_fault_ordered_by_handle_stands_or_strikes_once() {
    let (provider, actor) = anthropic();
    let status = async || actor.messages(MODEL, "Hi").await.unwrap().status;
    provider.fault_next(Fault::status(529));
    provider.fault_next(Fault::status_retry_after(503, 1));
    assert_eq!(
        [status().await, status().await, status().await],
        [529, 503, 200]
    );
    provider.fault(Fault::status(500));
    assert_eq!([status().await, status().await], [500, 500]);
    provider.heal();
    assert_eq!(status().await, 200);
    provider.fault(Fault::CutAfter(2));
    let (events, error) = actor.stream(MODEL, "Hi").await.unwrap().until_end().await;
    assert_eq!((events.len(), error.is_some()), (2, true));
}

#[tokio::test]
async fn a_refused_connection_and_one_reset_before_the_answer_are_no_answers() {
    let (provider, actor) = anthropic();
    provider.fault_next(Fault::Reset);
    let reset = actor.messages(MODEL, "Hi").await.unwrap_err();
    assert!(matches!(reset, ClientError::NoAnswer(_)) && !reset.is_refused());
    provider.refuse_connections().await;
    assert!(actor.messages(MODEL, "Hi").await.unwrap_err().is_refused());
    provider.accept_connections().await;
    assert_eq!(actor.messages(MODEL, "Hi").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_stream_is_cut_or_reset_after_exactly_so_many_events() {
    let (provider, actor) = anthropic();
    for wish in ["cut-after=0", "cut-after=1", "cut-after=5", "reset-after=5"] {
        let (events, error) = streamed(&actor, wish).await;
        let expected: usize = wish.rsplit_once('=').unwrap().1.parse().unwrap();
        assert_eq!(events.len(), expected, "{wish}");
        assert!(
            matches!(error, Some(ClientError::BrokeOff(_))),
            "{wish}: {error:?}"
        );
    }
    let seen = provider.wait_ended(4).await.unwrap();
    assert!(
        seen.iter().all(|seen| seen.ending == Some(Ending::Fault)),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_stream_that_ends_early_ends_properly_but_without_its_last_events() {
    let (_provider, actor) = anthropic();
    let (events, error) = streamed(&actor, "end-after=4").await;
    assert!(error.is_none());
    assert_eq!(events.len(), 4);
    assert!(events.iter().all(|event| event.name != "message_stop"));
}

#[tokio::test]
async fn a_silent_stream_stays_open_until_the_client_leaves() {
    let (provider, actor) = anthropic();
    let mut events = actor
        .stream(MODEL, "Hi [testkit silence-after=2]")
        .await
        .unwrap();
    events.next().await.unwrap().unwrap();
    events.next().await.unwrap().unwrap();
    tokio::select! {
        biased;
        more = events.next() => unreachable!("something came after the silence began: {more:?}"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(provider.seen()[0].ending, None);
    drop(events);
    assert_eq!(
        provider.wait_ended(1).await.unwrap()[0].ending,
        Some(Ending::ClientLeft)
    );
}

#[tokio::test]
async fn a_request_that_gets_no_answer_ends_when_its_client_leaves() {
    let (provider, actor) = anthropic();
    let waiting = tokio::spawn(async move { actor.messages(MODEL, "Hi [testkit hang]").await });
    assert_eq!(provider.wait_for(1).await.unwrap()[0].ending, None);
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(
        provider.wait_ended(1).await.unwrap()[0].ending,
        Some(Ending::ClientLeft)
    );
}

#[tokio::test]
async fn an_error_event_comes_after_a_good_start() {
    let (_provider, actor) = anthropic();
    let (events, error) = streamed(&actor, "error-after=3 type=api_error").await;
    assert!(error.is_none());
    assert_eq!(events.len(), 4);
    assert_eq!(events[3].name, "error");
    assert_eq!(events[3].json()["error"]["type"], "api_error");
}

#[tokio::test]
async fn garbage_stands_in_the_middle_and_the_rest_follows() {
    let (_provider, actor) = anthropic();
    let (events, error) = streamed(&actor, "garbage-after=3").await;
    assert!(error.is_none());
    assert!(events.iter().any(|event| event.json() == Value::Null));
    assert_eq!(events.last().unwrap().name, "message_stop");
}

#[tokio::test]
async fn a_huge_line_is_one_event_of_that_size() {
    let (_provider, actor) = anthropic();
    let (events, _) = streamed(&actor, "huge-line=2000000").await;
    assert!(events.iter().any(|event| event.data.len() > 2_000_000));
    assert_eq!(events.last().unwrap().name, "message_stop");
}

#[tokio::test]
async fn usage_can_be_missing_everywhere() {
    let (_provider, actor) = anthropic();
    let (events, _) = streamed(&actor, "no-usage").await;
    assert!(events.iter().all(|event| !event.data.contains("usage")));
    let whole = actor
        .messages(MODEL, "Hi [testkit no-usage]")
        .await
        .unwrap();
    assert!(whole.json().get("usage").is_none() && whole.status == 200);
}

#[tokio::test]
async fn byte_by_byte_is_the_same_stream_in_many_more_pieces() {
    let (_provider, actor) = anthropic();
    let plain = streamed(&actor, "events=2").await.0;
    let body = testkit::actor::message(MODEL, "Hi [testkit byte-by-byte events=2]", true);
    let mut open = actor
        .request(http::Method::POST, "/v1/messages")
        .json(&body)
        .open()
        .await
        .unwrap();
    let (mut pieces, mut bytes) = (0, 0);
    while let Some(chunk) = open.chunk().await.unwrap() {
        pieces += 1;
        bytes += chunk.len();
    }
    assert!(
        bytes > 1_000 && pieces > bytes / 2,
        "{pieces} pieces for {bytes} bytes"
    );
    let slow = streamed(&actor, "byte-by-byte events=2").await.0;
    assert_eq!(slow.len(), plain.len());
}

#[tokio::test]
async fn a_box_in_between_answers_in_html() {
    let (_provider, actor) = anthropic();
    let answer = actor
        .messages(MODEL, "Hi [testkit html=413]")
        .await
        .unwrap();
    assert_eq!(answer.status, 413);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert_eq!(answer.json(), Value::Null);
}

#[tokio::test]
async fn slow_headers_come_late_and_whole() {
    let (_provider, actor) = anthropic();
    let answer = actor
        .messages(MODEL, "Hi [testkit slow-headers=1]")
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["stop_reason"], "end_turn");
}

#[tokio::test]
async fn a_whole_answer_can_break_off_halfway() {
    let (_provider, actor) = anthropic();
    for wish in ["cut-after=1", "reset-after=1"] {
        let error = actor
            .messages(MODEL, &format!("Hi [testkit {wish}]"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, ClientError::BrokeOff(_)),
            "{wish}: {error:?}"
        );
    }
    let ended = actor
        .messages(MODEL, "Hi [testkit end-after=1]")
        .await
        .unwrap();
    assert_eq!(ended.json(), json!(null), "half of JSON is none");
}
