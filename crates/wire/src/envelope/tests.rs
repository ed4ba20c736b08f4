//! What is read of requests, what is refused, and what a listener is shown.

use super::*;

fn read(body: &str) -> Result<Envelope<'_>, JsonFault> {
    Envelope::read(body.as_bytes(), 128, None).map_err(|error| error.fault)
}

#[test]
fn the_fields_that_decide_are_read_wherever_they_stand() {
    let envelope = read(
        r#"{"messages":[{"role":"user","content":"hi","model":"nested"}],"stream":true,"max_tokens":128000,"model":"claude-opus-5-5"}"#,
    )
    .unwrap();
    assert_eq!(envelope.model.as_deref(), Some("claude-opus-5-5"));
    assert_eq!(
        (envelope.stream, envelope.max_tokens, envelope.has_messages),
        (true, Some(128_000), true)
    );
}

#[test]
fn an_escaped_key_or_value_means_the_same() {
    let envelope = read(r#"{"mod\u0065l":"claude\u002dopus","messages":[]}"#).unwrap();
    assert_eq!(envelope.model.as_deref(), Some("claude-opus"));
}

#[test]
fn a_field_of_the_wrong_type_is_refused() {
    for body in [
        r#"{"model":5}"#,
        r#"{"model":{"a":1}}"#,
        r#"{"model":null}"#,
        r#"{"stream":"true"}"#,
        r#"{"stream":1}"#,
        r#"{"max_tokens":1.5}"#,
        r#"{"max_tokens":-1}"#,
        r#"{"max_tokens":1e3}"#,
        r#"{"max_tokens":"5"}"#,
        r#"{"max_tokens":99999999999999999999}"#,
        r#"{"inference_geo":1}"#,
        r#"{"inference_geo":["us"]}"#,
        r#"{"speed":1}"#,
        r#"{"speed":true}"#,
        r#"{"speed":{"type":"fast"}}"#,
        r#"{"messages":{}}"#,
        r#"{"messages":"x"}"#,
        r#"[{"model":"m"}]"#,
        r#" "model""#,
        "7",
    ] {
        assert_eq!(read(body), Err(JsonFault::FieldType), "{body}");
    }
}

#[test]
fn a_user_id_and_safeguards_are_noticed_at_their_place_only() {
    for (body, user_id, safeguards) in [
        (r#"{"metadata":{"user_id":"u"}}"#, true, false),
        (r#"{"metadata":{"user_\u0069d":{}}}"#, true, false),
        (r#"{"metadata":{"a":{"user_id":"u"}}}"#, false, false),
        (r#"{"metadata":{},"other":{"user_id":"u"}}"#, false, false),
        (r#"{"metadata":["user_id"]}"#, false, false),
        (r#"{"user_id":"u"}"#, false, false),
        (r#"{"safeguards":{"live_cwd":"/srv"}}"#, false, true),
        (r#"{"safeguards":null}"#, false, false),
        (r#"{"a":{"safeguards":{}}}"#, false, false),
    ] {
        let envelope = read(body).unwrap();
        let seen = (envelope.has_user_id, envelope.has_safeguards);
        assert_eq!(seen, (user_id, safeguards), "{body}");
    }
}

#[test]
fn where_and_how_fast_a_request_asks_to_be_answered_is_read_at_the_top_only() {
    for (body, expected) in [
        (r#"{"inference_geo":"us"}"#, Some("us")),
        (r#"{"inference\u005fgeo":"\u0075s"}"#, Some("us")),
        (r#"{"inference_geo":null}"#, None),
        (r#"{"metadata":{"inference_geo":"us"}}"#, None),
        ("{}", None),
    ] {
        let envelope = read(body).unwrap();
        assert_eq!(envelope.inference_geo.as_deref(), expected, "{body}");
        let body = body
            .replace("inference", "")
            .replace("\\u005fgeo", "speed")
            .replace("_geo", "speed");
        let body = body.replace(r"\u0075s", "us");
        assert_eq!(read(&body).unwrap().speed.as_deref(), expected, "{body}");
    }
}

#[test]
fn every_text_of_a_request_is_shown_for_inspection() {
    let body = r#"{"model":"m","system":[{"type":"text","text":"sys\ntem"}],"messages":[
        {"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"from a tool"}]}]},
        {"role":"system","content":"mid conversation"},
        {"role":"assistant","content":[{"type":"tool_use","input":{"command":"cat k"}}]}],
        "safeguards":{"live_cwd":"/srv"},"unknown_field":{"deep":["hidden"]}}"#;
    let mut texts = Vec::new();
    Envelope::read(
        body.as_bytes(),
        128,
        Some(&mut |text: &str| texts.push(text.to_owned())),
    )
    .unwrap();
    assert_eq!(
        texts,
        [
            "model: m",
            "system",
            "type: text",
            "text: sys\ntem",
            "messages",
            "role: user",
            "content",
            "type: tool_result",
            "content",
            "type: text",
            "text: from a tool",
            "role: system",
            "content: mid conversation",
            "role: assistant",
            "content",
            "type: tool_use",
            "input",
            "command: cat k",
            "safeguards",
            "live_cwd: /srv",
            "unknown_field",
            "deep",
            "hidden",
        ]
    );
}

fn shown(body: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut on_text = |text: &str| texts.push(text.to_owned());
    Envelope::read(body.as_bytes(), 128, Some(&mut on_text)).unwrap();
    texts
}

#[test]
fn a_key_is_shown_with_its_own_value_only_and_never_lost() {
    for (body, expected) in [
        (r#"{"a":1,"b":"c"}"#, &["a", "b: c"][..]),
        (r#"{"a":{},"b":[]}"#, &["a", "b"]),
        (r#"{"a":[{"b":1},["c"]]}"#, &["a", "b", "c"]),
        (r#"{"a":{"b":null}}"#, &["a", "b"]),
        (r#"{"\u0061":"\u0062\n"}"#, &["a: b\n"]),
        (r#"{"":""}"#, &[": "]),
    ] {
        assert_eq!(shown(body), expected, "{body}");
    }
    let long = "x".repeat(JOINED_BYTES_MAX + 1);
    assert_eq!(
        shown(&format!(r#"{{"a":"{long}","b":"c"}}"#)),
        ["a", &long, "b: c"]
    );
}

#[test]
fn only_the_models_name_changes_when_it_is_mapped() {
    let body = br#"{ "model" : "claude-opus-5-5", "messages":[{"content":"claude-opus-5-5"}] }"#;
    let envelope = Envelope::read(body, 128, None).unwrap();
    assert_eq!(
        envelope.with_model(body, "opus-eu").unwrap(),
        br#"{ "model" : "opus-eu", "messages":[{"content":"claude-opus-5-5"}] }"#
    );
}

#[test]
fn a_mapped_name_cannot_break_out_of_its_string() {
    let body = br#"{"model":"m","stream":false}"#;
    let envelope = Envelope::read(body, 128, None).unwrap();
    let mapped = envelope
        .with_model(body, "x\",\"stream\":true,\"\\\n")
        .unwrap();
    let again = Envelope::read(&mapped, 128, None).unwrap();
    assert!(!again.stream);
}

#[test]
fn a_long_number_is_shown_with_its_key_as_if_it_stood_in_quotes() {
    let mut texts = Vec::new();
    let body = br#"{"messages":[{"content":[{"input":{"card":4539578763621486,"count":7}}]}]}"#;
    Envelope::read(
        body,
        128,
        Some(&mut |text: &str| texts.push(text.to_owned())),
    )
    .unwrap();
    assert!(
        texts.iter().any(|text| text == "card: 4539578763621486"),
        "{texts:?}"
    );
    assert!(
        !texts
            .iter()
            .any(|text| text.contains('7') && text.len() < 10),
        "{texts:?}"
    );
}
