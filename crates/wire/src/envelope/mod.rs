//! What a gateway must know of a Messages request: its model, whether it streams, how much output it allows. Read beside the
//! body, which is forwarded as it came. Called by the inference door, once per request.

mod brought;

use std::borrow::Cow;
use std::ops::Range;

pub use brought::Brought;

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
    /// `speed`: how fast the request asks to be answered; none when absent or null.
    pub speed: Option<Cow<'a, str>>,
    /// What the provider will read beside the body.
    pub brought: Brought,
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
    /// A body that is no object, a `model`, `inference_geo` or `speed` that is no string, a `stream` that is no boolean and a `max_tokens`
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
            sources: brought::Sources::default(),
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
    sources: brought::Sources,
}

impl<'a> Visit<'a> for Fields<'a> {
    fn text(&mut self, text: RawStr<'a>, place: Place<'a>) {
        if self.in_metadata && place.key && place.depth == 2 && text.means("user_id") {
            self.envelope.has_user_id = true;
        }
        self.envelope.brought.note(text, place, &mut self.sources);
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
            ("speed", Scalar::Text(text)) => envelope.speed = Some(text.decode()),
            ("inference_geo" | "speed", Scalar::Null) => {}
            ("model" | "stream" | "max_tokens" | "inference_geo" | "speed" | "messages", _) => {
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
            "model" | "stream" | "max_tokens" | "inference_geo" | "speed" | "messages" => {
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
mod tests;
