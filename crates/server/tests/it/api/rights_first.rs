//! Who may not do something is told so before their body is read: theirs never comes here.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::setting::Setting;

/// What every person may do.
const OWN: [&str; 3] = [
    "/api/v1/me/tokens",
    "/api/v1/me/acceptable-use/accept",
    "/api/v1/me/access-requests",
];
/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// The first line of the answer to a request whose body never comes.
async fn answered(setting: &Setting, (method, path): (&str, &str), extra: &str) -> String {
    let address = setting.world.base.strip_prefix("http://").unwrap();
    let bearer = &setting.bearers["member"];
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {bearer}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\nif-match: \"1\"\r\n{extra}\r\n"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let line = async {
        while !answer.contains(&b'\n') {
            let mut some = [0; 64];
            let read = stream.read(&mut some).await.unwrap();
            assert!(read > 0, "{method} {path}: no answer");
            answer.extend_from_slice(&some[..read]);
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, line).await;
    in_time.unwrap_or_else(|_| panic!("{method} {path} waits for the body"));
    let text = String::from_utf8_lossy(&answer);
    text.lines().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lacks_the_right_is_refused_though_their_body_never_comes() {
    let setting = Setting::set().await;
    let document: serde_json::Value = serde_json::from_str(&console::api::text()).unwrap();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if operation.get("requestBody").is_none() || OWN.contains(&&**path) {
                continue;
            }
            let path = path.replace("{id}", &"x".repeat(30));
            let what = (&*method.to_uppercase(), &*path);
            for extra in ["", "idempotency-key: never-comes\r\n"] {
                let line = answered(&setting, what, extra).await;
                assert_eq!(line, "HTTP/1.1 403 Forbidden", "{what:?} {extra}");
            }
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked} operations with a body");
    setting.stop().await;
}
