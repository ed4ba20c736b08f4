//! The bench provider answers JSON or a stream by what the body says, however the body is cut.

use bytes::Bytes;
use testkit::net::Body;
use testkit::provider::BenchShape;
use testkit::{BenchProvider, Corpus, Http};

#[tokio::test]
async fn the_bench_provider_answers_json_of_about_900_bytes_or_a_stream_of_56_events() {
    let provider = BenchProvider::start(&BenchShape::default()).unwrap();
    let url = format!("{}/v1/messages", provider.url());
    let whole = Http::new()
        .post(&url)
        .body(r#"{"model":"m","messages":[]}"#)
        .send()
        .await
        .unwrap();
    assert!(
        (850..=950).contains(&whole.body.len()),
        "{}",
        whole.body.len()
    );
    assert_eq!(whole.json()["usage"]["input_tokens"], 25);
    let asked = Http::new().post(&url).body(Corpus::default().body());
    let open = asked.open().await.unwrap();
    assert!(
        open.headers.get("content-length").is_none(),
        "a stream is chunked"
    );
    let events = open.events().rest().await.unwrap();
    assert_eq!(events.len(), 56);
    assert_eq!(events[55].name, "message_stop");
    assert_eq!(provider.served(), 2);
    provider.stop().await;
}

#[tokio::test]
async fn the_wish_for_a_stream_is_found_across_the_seams_of_a_body() {
    let provider = BenchProvider::start(&BenchShape {
        own_thread: false,
        ..BenchShape::default()
    })
    .unwrap();
    let url = format!("{}/v1/messages", provider.url());
    for (text, streams) in [
        (r#"{"model":"m","stream":true,"messages":[]}"#, true),
        (r#"{"model":"m","stream": true}"#, true),
        (r#"{"model":"m","stream":false,"messages":[]}"#, false),
    ] {
        for size in [1, 2, 5, 13, 14, 100] {
            let (feed, body) = Body::fed();
            let pieces: Vec<Bytes> = text
                .as_bytes()
                .chunks(size)
                .map(Bytes::copy_from_slice)
                .collect();
            let feeding = tokio::spawn(async move {
                for piece in pieces {
                    feed.send(piece).await.unwrap();
                }
            });
            let answer = Http::new().post(&url).fed_body(body).send().await.unwrap();
            feeding.await.unwrap();
            let kind = answer.header("content-type").unwrap();
            assert_eq!(
                kind == "text/event-stream",
                streams,
                "{text} in pieces of {size}"
            );
        }
    }
}

#[tokio::test]
async fn a_paced_bench_stream_has_the_same_events() {
    let shape = BenchShape {
        deltas: 3,
        pace: Some(std::time::Duration::from_millis(1)),
        ..BenchShape::default()
    };
    let provider = BenchProvider::start(&shape).unwrap();
    let asked = Http::new()
        .post(&format!("{}/v1/messages", provider.url()))
        .body(r#"{"stream":true}"#);
    let events = asked.open().await.unwrap().events().rest().await.unwrap();
    assert_eq!(events.len(), 9);
}
