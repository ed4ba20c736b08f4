//! What someone would try who wants a secret to pass, or the gateway to stand still.

use domain::limits::FINGERPRINTS_MAX;

use crate::{found, made, scan};

#[test]
fn a_flood_of_one_kind_does_not_hide_another() {
    let text = format!(
        "{}{}",
        format!("{} ", made::card()).repeat(5_000),
        made::anthropic()
    );
    let findings = scan(&text);
    let counts: Vec<_> = findings.iter().map(|f| (&*f.detector, f.count)).collect();
    assert_eq!(
        counts,
        [
            ("secret.anthropic_api_key", 1),
            ("payment_card.number", 5_000)
        ]
    );
}

#[test]
fn a_false_beginning_right_before_a_secret_does_not_hide_it() {
    let key = made::anthropic();
    for text in [
        format!("sk-ant-api{key}"),
        format!("sk-{key}"),
        format!("eyJ{key}"),
        format!("AKIA{key}"),
        format!("x{key}"),
    ] {
        assert!(
            found(&text).contains(&"secret.anthropic_api_key".to_owned()),
            "{text}"
        );
    }
    let card = made::card();
    for text in [
        format!("4539 5787 {card}"),
        format!("1 {card}"),
        format!("{card} 123"),
        format!("- {card}"),
        format!("visa-{card}"),
    ] {
        assert_eq!(found(&text), ["payment_card.number"], "{text}");
    }
}

#[test]
fn fingerprints_are_few_however_many_values_there_are() {
    let keys: Vec<_> = (40..90)
        .map(|length| format!("dw{}_{}", "k", made::alnum(length)))
        .collect();
    let findings = scan(&keys.join(" "));
    let told: Vec<_> = findings
        .iter()
        .map(|f| (f.count, f.fingerprints.len()))
        .collect();
    assert_eq!(told, [(50, FINGERPRINTS_MAX)]);
}

#[test]
fn findings_do_not_hold_what_they_found() {
    let (key, card) = (made::anthropic(), made::card());
    let told = format!("{:?}", scan(&format!("{key} {card}")));
    assert!(
        !told.contains(&key[15..40]) && !told.contains(&card),
        "{told}"
    );
}

#[test]
fn beginnings_without_end_are_looked_at_in_linear_time() {
    // Each holds hundreds of thousands of beginnings; a scan that grew with their square would not end within the test run.
    for part in [
        "eyJ",
        "-eyJ",
        ".eyJ",
        "sk-ant-api03-",
        "4539 ",
        "4",
        "4 ",
        "AKIA",
        " AKIA",
        "Q~",
        "-----BEGIN ",
        "private_key_id",
    ] {
        assert!(scan(&part.repeat(200_000)).len() <= 2, "{part}");
    }
}

#[test]
fn a_secret_that_only_its_json_key_gives_away_is_found() {
    let body = format!(
        r#"{{"messages":[{{"content":[{{"type":"tool_use","input":{{"secretAccessKey":"{}","card_number":"{}"}}}}]}}]}}"#,
        made::alnum(40),
        made::card()
    );
    let engine = crate::engine();
    let mut scanner = engine.scanner(&engine.select([("*", 90)]));
    wire::Envelope::read(body.as_bytes(), 64, Some(&mut |text| scanner.text(text))).unwrap();
    let findings = scanner.finish();
    let ids: Vec<_> = findings.iter().map(|f| &*f.detector).collect();
    assert_eq!(ids, ["secret.aws_secret_access_key", "payment_card.number"]);
}
