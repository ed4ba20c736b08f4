//! Streams cut anywhere: the same events and the same counts, whatever the chunks.

use proptest::prelude::*;
use wire::sse::Parser;
use wire::usage::UsageMeter;

/// The pieces of `bytes` between the cuts.
fn cut(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2)
        .map(|pair| bytes[pair[0]..pair[1]].to_vec())
        .collect()
}

type Events = (Vec<(Vec<u8>, Vec<u8>)>, bool, bool);

fn events(chunks: &[Vec<u8>], line_bytes_max: usize) -> Events {
    let mut parser = Parser::new(line_bytes_max);
    let mut found = Vec::new();
    for chunk in chunks {
        parser.push(chunk, |event| {
            found.push((event.name.to_vec(), event.data.to_vec()));
        });
    }
    (found, parser.overlong(), parser.at_boundary())
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "event: ?[a-c]{1,3}",
        "data: ?[x-z:]{0,12}",
        "data",
        ":[a-z]{0,20}",
        "[a-z]{1,4}:?",
        "",
        "",
        "\u{feff}data:1",
    ];
    let end = prop_oneof![Just("\n"), Just("\r"), Just("\r\n")];
    prop::collection::vec((line, end), 0..30).prop_map(|lines| {
        lines
            .iter()
            .flat_map(|(line, end)| [line.as_bytes(), end.as_bytes()].concat())
            .collect()
    })
}

fn answers() -> impl Strategy<Value = String> {
    let event = prop_oneof![
        (any::<u32>(), any::<u32>()).prop_map(|(read, write)| format!(
            "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"model\":\"m\",\"usage\":{{\"input_tokens\":{read},\"cache_creation_input_tokens\":{write}}}}}}}\n\n"
        )),
        "[a-z \\\\]{0,30}".prop_map(|text| format!(
            "event: content_block_delta\ndata: {}\n\n",
            serde_json::json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
        )),
        any::<u32>().prop_map(|count| format!(
            "event: message_delta\r\ndata: {{\"delta\":{{\"stop_reason\":\"end_turn\"}},\"usage\":{{\"output_tokens\":{count}}}}}\r\n\r\n"
        )),
        Just("event: ping\ndata: {}\n\n".to_owned()),
        Just("data: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}\n\n".to_owned()),
        "[a-z:{}\n\r]{0,20}",
    ];
    prop::collection::vec(event, 0..12).prop_map(|events| events.concat())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_events(stream in lines(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        for bound in [14, 1_000] {
            prop_assert_eq!(events(&cut(&stream, &cuts), bound), events(&cut(&stream, &[]), bound));
        }
    }

    #[test]
    fn the_ends_of_lines_do_not_matter(stream in lines()) {
        let text = String::from_utf8(stream.clone()).unwrap();
        let plain = text.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(events(&[stream], 1_000), events(&[plain.into_bytes()], 1_000));
    }

    #[test]
    fn any_chunking_gives_the_same_counts(stream in answers(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let counted = |chunks: &[Vec<u8>]| {
            let mut meter = UsageMeter::new(300);
            for chunk in chunks {
                meter.push(chunk);
            }
            (meter.estimate(), meter.progress(), meter.stop_reason().map(str::to_owned), meter.ended())
        };
        prop_assert_eq!(counted(&cut(stream.as_bytes(), &cuts)), counted(&[stream.as_bytes().to_vec()]));
    }

    #[test]
    fn any_bytes_are_metered_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        UsageMeter::new(64).push(&bytes);
        let _ = wire::usage::from_answer(&bytes);
    }
}
