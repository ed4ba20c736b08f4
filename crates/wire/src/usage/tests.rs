//! What the meter makes of whole, cut, failed and odd streams.

use super::*;

const STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":11,",
    "\"cache_creation_input_tokens\":30,\"cache_read_input_tokens\":7,\"cache_creation\":{\"ephemeral_5m_input_tokens\":10,",
    "\"ephemeral_1h_input_tokens\":20},\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"abcdefghi\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn meter(stream: &str) -> UsageMeter {
    let mut meter = UsageMeter::new(10_000);
    meter.push(stream.as_bytes());
    meter
}

#[test]
fn a_whole_stream_is_counted_field_by_field() {
    let meter = meter(STREAM);
    let expected = Usage {
        input_tokens: 11,
        output_tokens: 5,
        cache_write_5m_tokens: 10,
        cache_write_1h_tokens: 20,
        cache_read_tokens: 7,
        ..Usage::default()
    };
    assert_eq!(
        (meter.usage(), meter.progress(), meter.ended()),
        (expected, Progress::Complete, true)
    );
    assert_eq!(
        (meter.stop_reason(), meter.model(), meter.error_type()),
        (Some("end_turn"), Some("m"), None)
    );
}

#[test]
fn a_cut_stream_is_estimated_from_its_bytes() {
    let cut = STREAM.find("event: message_delta").unwrap();
    let meter = meter(&STREAM[..cut]);
    assert_eq!(
        (meter.usage().output_tokens, meter.progress()),
        (1, Progress::Partial)
    );
    assert_eq!(meter.estimate().output_tokens, 3);
    assert_eq!(meter.estimate().input_tokens, 11);
}

#[test]
fn an_interim_count_is_not_taken_for_the_final_one() {
    let interim = |reason: &str| {
        format!(
            "event: message_delta\ndata: {{\"delta\":{{\"stop_reason\":{reason}}},\"usage\":{{\"output_tokens\":5}}}}\n\n"
        )
    };
    assert_eq!(meter(&interim("null")).progress(), Progress::Partial);
    assert_eq!(
        meter(&interim("\"end_turn\"")).progress(),
        Progress::Complete
    );
    let stopped = interim("null") + "event: message_stop\ndata: {}\n\n";
    assert_eq!(meter(&stopped).progress(), Progress::Complete);
    let stop_alone = "event: message_stop\ndata: {}\n\n";
    assert_eq!(meter(stop_alone).progress(), Progress::Nothing);
}

#[test]
fn an_error_after_the_stream_began_is_seen_and_nothing_later_undoes_it() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n";
    for stream in [error.to_owned(), format!("{error}{STREAM}")] {
        let failed = meter(&stream);
        assert_eq!(
            (failed.progress(), failed.error_type()),
            (Progress::Failed, Some("overloaded_error"))
        );
        assert!(failed.ended());
    }
    assert_eq!(
        meter("event: error\ndata: garbage\n\n").progress(),
        Progress::Failed
    );
}

#[test]
fn an_event_without_a_name_is_known_by_its_type() {
    let bare: String = STREAM
        .lines()
        .filter(|line| !line.starts_with("event:"))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(meter(&bare).usage(), meter(STREAM).usage());
    assert_eq!(meter(&bare).progress(), Progress::Complete);
    let spaced = "data: { \"delta\" : {}, \"type\" : \"message_delta\", \"usage\" : {\"output_tokens\":8} }\n\n";
    assert_eq!(meter(spaced).usage().output_tokens, 8);
}

#[test]
fn the_text_of_a_delta_is_counted_without_its_frame() {
    for (data, bytes) in [
        (
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"abc"}}"#,
            3,
        ),
        (
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"abc"}      }"#,
            3,
        ),
        (
            r#"{"type":"content_block_delta","index":12,"delta":{"type":"input_json_delta","partial_json":"{\"a\":\"}"}}"#,
            10,
        ),
        (
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":""}}"#,
            0,
        ),
        (
            r#"{"delta":{"type":"citations_delta","citation":{"cited_text":"a text of some length that is cited here"}}}"#,
            27,
        ),
        ("garbage", 0),
        (r#""delta":{"type":"#, 0),
        (r#""delta":{"type":"a","b":"#, 0),
        (r#""delta":{"type":"a","b":""#, 0),
    ] {
        assert_eq!(delta_text_bytes(data.as_bytes()), bytes, "{data}");
    }
}

#[test]
fn an_overlong_model_or_reason_is_passed_over_and_the_counts_stand() {
    let long = "x".repeat(1_000);
    let stream = format!(
        "event: message_start\ndata: {{\"message\":{{\"model\":\"{long}\",\"usage\":{{\"input_tokens\":3}}}}}}\n\n\
         event: message_delta\ndata: {{\"delta\":{{\"stop_reason\":\"{long}\"}},\"usage\":{{\"output_tokens\":4}}}}\n\n\
         event: message_delta\ndata: {{\"delta\":{{\"stop_reason\":7}},\"usage\":{{\"output_tokens\":5}}}}\n\n"
    );
    let meter = meter(&stream);
    assert_eq!((meter.model(), meter.stop_reason()), (None, None));
    assert_eq!(
        (meter.usage().input_tokens, meter.usage().output_tokens),
        (3, 5)
    );
}

#[test]
fn a_count_lost_in_an_overlong_line_is_said_to_be_lost() {
    let mut meter = UsageMeter::new(100);
    meter.push(STREAM.as_bytes());
    assert!(meter.overlong());
    assert_eq!(meter.usage().input_tokens, 0);
}

#[test]
fn a_whole_answer_is_counted_too() {
    let body = br#"{"type":"message","model":"claude-opus-5-5","stop_reason":"max_tokens","content":[{"text":"usage"}],
        "usage":{"input_tokens":3,"output_tokens":4,"cache_creation_input_tokens":9}}"#;
    let answer = Answer::read(body).unwrap();
    assert_eq!(
        (
            answer.usage.input_tokens,
            answer.usage.output_tokens,
            answer.usage.cache_write_5m_tokens
        ),
        (3, 4, 9)
    );
    assert_eq!(answer.model.as_deref(), Some("claude-opus-5-5"));
    assert_eq!(answer.stop_reason.as_deref(), Some("max_tokens"));
    assert_eq!(from_answer(body), Some(answer.usage));
    for nothing in [
        &b"{}"[..],
        b"garbage",
        br#"{"type":"error","error":{}}"#,
        b"[]",
    ] {
        assert_eq!(from_answer(nothing), None);
    }
}

#[test]
fn the_terms_of_a_stream_are_read_at_its_start_and_at_its_end() {
    let fast = STREAM.replace(
        "\"output_tokens\":1}",
        "\"output_tokens\":1,\"speed\":\"fast\"}",
    );
    let terms = domain::Terms::named(Some("fast"), None);
    assert_eq!(meter(&fast).usage().terms, terms);
    let cut = fast.find("event: message_delta").unwrap();
    assert_eq!(meter(&fast[..cut]).estimate().terms, terms);
    let at_the_end = STREAM.replace("\"output_tokens\":5}", "\"output_tokens\":5,\"inference_geo\":\"us\",\"server_tool_use\":{\"web_search_requests\":2}}");
    let usage = meter(&at_the_end).usage();
    assert_eq!(
        (usage.terms, usage.web_search_requests),
        (domain::Terms::named(None, Some("us")), 2)
    );
    let whole = br#"{"usage":{"input_tokens":3,"speed":"fast","inference_geo":"us"}}"#;
    assert_eq!(
        from_answer(whole).unwrap().terms,
        domain::Terms::named(Some("fast"), Some("us"))
    );
}
