//! What a record looks like on the disk, and what it never holds.

use std::net::IpAddr;

use domain::limits::LEDGER_RECORD_BYTES_MAX;
use domain::{
    ClientKind, Credential, OrgId, PersonId, Reason, ReasonCode, Refusal, RequestId, SessionId,
    Subject, Usd,
};

use super::*;

fn origin() -> Origin {
    Origin {
        client: ClientKind::ClaudeCode,
        version: Some(domain::Version([2, 1, 329])),
        address: Some(IpAddr::from([
            0xfe80, 0, 0, 0, 0xffff, 0xffff, 0xffff, 0xffff,
        ])),
    }
}

fn decision() -> Decision {
    let mut decision = Decision::new(
        RequestId::from_parts(1, 2),
        origin(),
        Door::Inference,
        "messages",
    );
    decision.actor = Some(Actor {
        org: OrgId::from_parts(1, 1),
        subject: Subject::Person(PersonId::from_parts(1, 3)),
        stable_id: "tid/oid".into(),
        issuer: "entra".into(),
        credential: Credential::IdToken,
        session: Some(SessionId::from_parts(1, 4)),
    });
    decision.model = Some("claude-opus-5-5".into());
    decision.policy_version = Some(7);
    decision.granted_by = vec!["staff".into()];
    decision.reserved = Usd::from_cents(12);
    decision
}

#[test]
fn a_record_is_one_line_with_a_stable_field_order() {
    let json = String::from_utf8(Record::Decision(decision()).to_json()).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"{"kind":"decision","request":"req_00000000010000000000000002","actor":{"org":"org_00000000010000000000000001","#,
            r#""subject":{"person":"per_00000000010000000000000003"},"stable_id":"tid/oid","issuer":"entra","#,
            r#""credential":"id_token","session":"ses_00000000010000000000000004"},"origin":{"client":"claude_code","#,
            r#""version":"2.1.329","address":"fe80::ffff:ffff:ffff:ffff"},"door":"inference","action":"messages","#,
            r#""model":"claude-opus-5-5","verdict":{"allowed":true},"policy_version":7,"granted_by":["staff"],"#,
            r#""reserved":"0.12","body_bytes":0}"#
        )
    );
}

#[test]
fn every_kind_reads_back_as_written() {
    let refusal =
        Refusal::one(Reason::new(ReasonCode::ModelNotAllowed, "with the model's name").by("staff"));
    let mut refused = decision();
    refused.verdict = Verdict::refused(&refusal);
    let sign_in = SignIn {
        org: None,
        subject: None,
        stable_id: None,
        email: Some("ada@example.org".into()),
        issuer: None,
        method: "device".into(),
        origin: origin(),
        session: None,
        verdict: Verdict::refused(&refusal),
    };
    let session = SessionChange {
        event: SessionEvent::ReuseDetected,
        session: SessionId::from_parts(1, 1),
        org: OrgId::from_parts(1, 1),
        subject: Subject::Person(PersonId::from_parts(1, 1)),
        origin: None,
        cause: Some("reuse".into()),
    };
    let change = Change {
        org: None,
        by: None,
        by_label: "command line".into(),
        address: None,
        noun: "policy".into(),
        name: "policy".into(),
        done: ChangeKind::Updated,
        version: Some(8),
        before: Some("sha256:aa".into()),
        after: Some("sha256:bb".into()),
        reason: Some("more models".into()),
    };
    for record in [
        Record::Outcome(Outcome::of(&refused, Ended::Refused)),
        Record::Decision(refused),
        Record::SignIn(sign_in),
        Record::Session(session),
        Record::Change(change),
        Record::System(System::new(SystemEvent::Start)),
    ] {
        let json = record.to_json();
        assert_eq!(serde_json::from_slice::<Record>(&json).unwrap(), record);
        let start = format!("{{\"kind\":\"{}\"", record.kind().as_str());
        assert!(
            json.starts_with(start.as_bytes()),
            "readers find the kind at the start"
        );
    }
}

#[test]
fn the_sentence_shown_to_the_person_is_not_recorded() {
    let refusal = Refusal::new(ReasonCode::ContentBlocked, "the words of the prompt");
    let mut refused = decision();
    refused.verdict = Verdict::refused(&refusal);
    let json = String::from_utf8(Record::Decision(refused).to_json()).unwrap();
    assert!(
        json.contains(r#""verdict":{"allowed":false,"reasons":[{"code":"content_blocked"}]}"#),
        "{json}"
    );
    assert!(!json.contains("words"), "{json}");
}

#[test]
fn the_fattest_record_fits_and_says_what_was_cut() {
    let quotes = "\"".repeat(10_000);
    let mut fat = decision();
    if let Some(actor) = &mut fat.actor {
        actor.stable_id = quotes.as_str().into();
    }
    fat.action = quotes.as_str().into();
    fat.model = Some(quotes.as_str().into());
    fat.granted_by = vec![quotes.as_str().into(); 1_000];
    let reasons = vec![Reason::plain(ReasonCode::ModelNotAllowed).by(&quotes); 1_000];
    fat.verdict = Verdict::refused(&Refusal::from_reasons(reasons).unwrap());
    let finding = Finding {
        detector: quotes.as_str().into(),
        count: u32::MAX,
        confidence: 100,
        fingerprint: Some(quotes.as_str().into()),
    };
    fat.findings = vec![finding; 1_000];
    let mut record = Record::Decision(fat);
    record.bound();
    let json = String::from_utf8(record.to_json()).unwrap();
    assert!(
        json.len() <= LEDGER_RECORD_BYTES_MAX,
        "{} bytes",
        json.len()
    );
    assert!(
        json.contains("… and 969 more") && json.contains("\"findings_more\":936"),
        "{json}"
    );
    let mut outcome = Outcome::new(RequestId::from_parts(1, 1), Ended::Complete);
    outcome.upstream_requests = vec![quotes.as_str().into(); 1_000];
    let mut record = Record::Outcome(outcome);
    record.bound();
    assert!(record.to_json().len() <= LEDGER_RECORD_BYTES_MAX);
}

#[test]
fn a_secret_sent_as_a_model_name_does_not_reach_the_record() {
    let mut decision = decision();
    decision.name_model(&domain::ModelId::new("sk-ant-api03-0123456789abcdef").unwrap());
    let json = String::from_utf8(Record::Decision(decision).to_json()).unwrap();
    assert!(json.contains(r#""model":"[withheld]""#), "{json}");
}
