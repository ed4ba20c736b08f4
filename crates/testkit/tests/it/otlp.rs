//! The OTLP receiver keeps what it is sent, and refuses when told to.

use serde_json::{Value, json};
use testkit::{Http, OtlpReceiver};

fn export(names: &[&str]) -> Value {
    let records: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({"body": {"stringValue": name}, "attributes": [
                {"key": "event.name", "value": {"stringValue": name}}, {"key": "n", "value": {"intValue": "7"}}]})
        })
        .collect();
    json!({"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [{"scope": {"name": "s"}, "logRecords": records}]}]})
}

#[tokio::test]
async fn log_records_are_kept_in_order_and_can_be_waited_for() {
    let receiver = OtlpReceiver::start().unwrap();
    let url = format!("{}/v1/logs", receiver.url());
    let sending = tokio::spawn(async move {
        for names in [&["a"][..], &["b", "c"]] {
            let answer = Http::new()
                .post(&url)
                .json(&export(names))
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status, 200);
        }
    });
    let records = receiver.wait_for(3).await.unwrap();
    sending.await.unwrap();
    let names: Vec<Value> = records
        .iter()
        .map(|r| r.attribute("event.name").unwrap())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(records[0].attribute("n"), Some(json!("7")));
    assert_eq!(records[0].attribute("none"), None);
    assert_eq!(
        (records[2].scope.as_str(), receiver.headers().len()),
        ("s", 2)
    );
}

#[tokio::test]
async fn an_export_is_refused_on_demand_or_when_it_is_no_export() {
    let receiver = OtlpReceiver::start().unwrap();
    let post = async |body: &Value| {
        Http::new()
            .post(&format!("{}/v1/logs", receiver.url()))
            .json(body)
            .send()
            .await
            .unwrap()
            .status
    };
    receiver.fail_next(2, 503);
    assert_eq!(
        [post(&export(&["a"])).await, post(&export(&["a"])).await],
        [503, 503]
    );
    assert_eq!(post(&export(&["a"])).await, 200);
    assert_eq!(post(&json!({"other": 1})).await, 400);
    let protobuf = Http::new()
        .post(&format!("{}/v1/logs", receiver.url()))
        .body("x")
        .send()
        .await;
    assert_eq!(protobuf.unwrap().status, 415);
    assert_eq!((receiver.records().len(), receiver.refused()), (1, 2));
    receiver.refuse_connections().await;
    assert!(
        Http::new()
            .get(&receiver.url())
            .send()
            .await
            .unwrap_err()
            .is_refused()
    );
}
