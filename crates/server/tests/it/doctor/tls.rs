//! `doctor` where Doorward does TLS itself, and where something in front of it does.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use server::commands::{Running, start};
use server::config;
use server::demo::world::Stage;

use super::{Said, doctor_trusting};

/// Doorward at `https://localhost`, on a certificate for that name.
async fn serving() -> (Stage, Running, PathBuf) {
    let stage = Stage::set(0).await.unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let dir = stage.dir.path();
    let certificate = dir.join("tls.pem");
    std::fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(dir.join("tls.key"), key.serialize_pem()).unwrap();
    let text = std::fs::read_to_string(stage.config_file()).unwrap();
    let text = text.replace(
        &format!("public_url = \"{}\"", stage.base),
        &format!("public_url = \"{}\"", address(&stage)),
    );
    std::fs::write(dir.join("front.toml"), &text).unwrap();
    let tls = format!(
        "tls = {{ certificate = \"{0}/tls.pem\", key = \"{0}/tls.key\" }}\nlogin_notice",
        dir.display()
    );
    std::fs::write(stage.config_file(), text.replace("login_notice", &tls)).unwrap();
    let running = start(&config::load(&stage.config_file()).unwrap())
        .await
        .unwrap();
    (stage, running, certificate)
}

fn address(stage: &Stage) -> String {
    stage.base.replace("http://127.0.0.1", "https://localhost")
}

fn check(said: &Said, check: &str, status: &str, words: &str) {
    let line = said.line(check);
    assert_eq!(line["status"], json!(status), "{line}");
    assert!(line["evidence"].as_str().unwrap().contains(words), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_over_tls_is_asked_as_clients_would() {
    let (stage, running, certificate) = serving().await;
    let said = doctor_trusting(&stage.config_file(), &certificate).await;
    assert_eq!(said.code, Some(0), "{}", said.all);
    check(&said, "public address", "pass", "https://localhost");
    check(&said, "certificate", "pass", "tls.pem: ends 2050-01-01");

    // The same with the certificate in front: there is no file to read, so the leaf is looked at as it is presented.
    let front = stage.dir.path().join("front.toml");
    let said = doctor_trusting(&front, &certificate).await;
    check(
        &said,
        "certificate",
        "pass",
        "in front of Doorward: ends 2050-01-01",
    );

    let strangers = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let roots = stage.dir.path().join("strangers.pem");
    std::fs::write(&roots, strangers.cert.pem()).unwrap();
    let said = doctor_trusting(&stage.config_file(), &roots).await;
    check(&said, "public address", "fail", "certificate");
    assert_eq!(said.line("public address")["whose"], "operator");
    running.stop(Duration::from_secs(2)).await.unwrap();
}
