//! What a gateway must know of a Messages request: its model, whether it streams, how much output it allows. Read beside the
//! body, which is forwarded as it came. Called by the inference door, once per request.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::{self, JsonError, JsonFault, Place, RawStr, Scalar, Visit};

/// Longest value that is shown together with its key; a longer one is shown from the document, without a copy.
const JOINED_BYTES_MAX: usize = 4 * 1024;

/// The fields of a Messages or `count_tokens` request that decide how it is handled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Envelope<'a> {
    /// `model`; none when absent.
    pub model: Option<Cow<'a, str>>,
    /// Where the model's name stands in the body, quotes included.
    pub model_at: Option<Range<usize>>,
    /// `stream`; false when absent.
    pub stream: bool,
    /// `max_tokens`; none when absent.
    pub max_tokens: Option<u64>,
    /// `inference_geo`: where the request asks to be answered; none when absent or null.
    pub inference_geo: Option<Cow<'a, str>>,
    /// Whether `messages` is an array.
    pub has_messages: bool,
    /// Whether `metadata` has a `user_id`.
    pub has_user_id: bool,
    /// Whether there are `safeguards`.
    pub has_safeguards: bool,
}

impl<'a> Envelope<'a> {
    /// Reads a request body. `on_text` is called with every string of the document in its order, keys included, decoded; it sees
    /// message texts, tool inputs and results, system texts wherever they stand, `safeguards`, metadata and fields we do not
    /// know. A string of moderate length comes with its key as one text, `key: value`: what a value is called is half of what it
    /// is. What `on_text` saw counts only when the answer is `Ok`.
    ///
    /// A body that is no object, a `model` or `inference_geo` that is no string, a `stream` that is no boolean and a `max_tokens`
    /// that is no whole number are refused, because a lenient parser behind us might read them otherwise.
    pub fn read(
        body: &'a [u8],
        depth_max: usize,
        on_text: Option<&mut dyn FnMut(&str)>,
    ) -> Result<Self, JsonError> {
        let fields = Fields {
            body,
            envelope: Self::default(),
            in_metadata: false,
        };
        let envelope = match on_text {
            None => {
                let mut fields = fields;
                json::scan(body, depth_max, &mut fields)?;
                fields.envelope
            }
            Some(on_text) => {
                let buffer = String::new();
                let mut both = FieldsAndTexts {
                    fields,
                    on_text,
                    buffer,
                    waiting: None,
                };
                json::scan(body, depth_max, &mut both)?;
                both.show_waiting();
                both.fields.envelope
            }
        };
        let start = body.iter().position(|byte| !byte.is_ascii_whitespace());
        match start {
            Some(at) if body[at] != b'{' => Err(JsonError {
                fault: JsonFault::FieldType,
                at,
            }),
            _ => Ok(envelope),
        }
    }

    /// The body with another model's name in place of the one it has; nothing else changes.
    pub fn with_model(&self, body: &[u8], model: &str) -> Option<Vec<u8>> {
        let at = self.model_at.clone()?;
        let mut out = Vec::with_capacity(body.len() + model.len());
        out.extend_from_slice(&body[..at.start]);
        out.push(b'"');
        for character in model
            .chars()
            .filter(|c| !c.is_control() && *c != '"' && *c != '\\')
        {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        out.push(b'"');
        out.extend_from_slice(&body[at.end..]);
        Some(out)
    }
}

struct Fields<'a> {
    body: &'a [u8],
    envelope: Envelope<'a>,
    in_metadata: bool,
}

impl<'a> Visit<'a> for Fields<'a> {
    fn text(&mut self, text: RawStr<'a>, place: Place<'a>) {
        if self.in_metadata && place.key && place.depth == 2 && text.means("user_id") {
            self.envelope.has_user_id = true;
        }
    }

    fn scalar(&mut self, key: RawStr<'a>, value: Scalar<'a>) -> Result<(), JsonFault> {
        self.in_metadata = false;
        let envelope = &mut self.envelope;
        match (key.decode().as_ref(), value) {
            ("model", Scalar::Text(text)) => {
                let start = text.raw().as_ptr().addr() - self.body.as_ptr().addr();
                envelope.model_at = Some(start - 1..start + text.raw().len() + 1);
                envelope.model = Some(text.decode());
            }
            ("stream", Scalar::Bool(stream)) => envelope.stream = stream,
            ("max_tokens", Scalar::Number(number)) => {
                envelope.max_tokens = Some(number.parse().map_err(|_| JsonFault::FieldType)?);
            }
            ("inference_geo", Scalar::Text(text)) => envelope.inference_geo = Some(text.decode()),
            ("inference_geo", Scalar::Null) => {}
            ("model" | "stream" | "max_tokens" | "inference_geo" | "messages", _) => {
                return Err(JsonFault::FieldType);
            }
            ("safeguards", value) => envelope.has_safeguards = value != Scalar::Null,
            _ => {}
        }
        Ok(())
    }

    fn nested(&mut self, key: RawStr<'a>, object: bool) -> Result<(), JsonFault> {
        self.in_metadata = false;
        match key.decode().as_ref() {
            "messages" if !object => self.envelope.has_messages = true,
            "model" | "stream" | "max_tokens" | "inference_geo" | "messages" => {
                return Err(JsonFault::FieldType);
            }
            "metadata" => self.in_metadata = object,
            "safeguards" => self.envelope.has_safeguards = true,
            _ => {}
        }
        Ok(())
    }
}

/// The shortest number that is shown: payment cards have at least twelve digits.
const NUMBER_BYTES_MIN: usize = 12;

struct FieldsAndTexts<'a, 'f> {
    fields: Fields<'a>,
    on_text: &'f mut dyn FnMut(&str),
    buffer: String,
    /// A key that has not been shown yet, because its value may follow.
    waiting: Option<RawStr<'a>>,
}

impl<'a> FieldsAndTexts<'a, '_> {
    fn show(&mut self, text: RawStr<'a>) {
        (self.on_text)(text.decode_in(&mut self.buffer));
    }

    fn show_waiting(&mut self) {
        if let Some(key) = self.waiting.take() {
            self.show(key);
        }
    }
}

impl<'a> Visit<'a> for FieldsAndTexts<'a, '_> {
    fn text(&mut self, text: RawStr<'a>, place: Place<'a>) {
        self.fields.text(text, place);
        if place.key {
            self.show_waiting();
            self.waiting = Some(text);
            return;
        }
        match (place.name, self.waiting) {
            (Some(_), Some(key)) if text.raw().len() <= JOINED_BYTES_MAX => {
                self.waiting = None;
                self.buffer.clear();
                key.decode_into(&mut self.buffer);
                self.buffer.push_str(": ");
                text.decode_into(&mut self.buffer);
                (self.on_text)(&self.buffer);
            }
            _ => {
                self.show_waiting();
                self.show(text);
            }
        }
    }

    /// A card or account number needs no quotes to leave; shorter numbers hold nothing that is looked for.
    fn number(&mut self, number: &'a str) {
        if number.len() < NUMBER_BYTES_MIN {
            return;
        }
        self.buffer.clear();
        if let Some(key) = self.waiting.take() {
            key.decode_into(&mut self.buffer);
            self.buffer.push_str(": ");
        }
        self.buffer.push_str(number);
        (self.on_text)(&self.buffer);
    }

    fn scalar(&mut self, key: RawStr<'a>, value: Scalar<'a>) -> Result<(), JsonFault> {
        self.fields.scalar(key, value)
    }

    fn nested(&mut self, key: RawStr<'a>, object: bool) -> Result<(), JsonFault> {
        self.fields.nested(key, object)
    }
}

#[cfg(test)]
mod tests {
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
    fn where_a_request_asks_to_be_answered_is_read_at_the_top_only() {
        for (body, expected) in [
            (r#"{"inference_geo":"us"}"#, Some("us")),
            (r#"{"inference\u005fgeo":"\u0075s"}"#, Some("us")),
            (r#"{"inference_geo":null}"#, None),
            (r#"{"metadata":{"inference_geo":"us"}}"#, None),
            ("{}", None),
        ] {
            let envelope = read(body).unwrap();
            assert_eq!(envelope.inference_geo.as_deref(), expected, "{body}");
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
        let body =
            br#"{ "model" : "claude-opus-5-5", "messages":[{"content":"claude-opus-5-5"}] }"#;
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
}
