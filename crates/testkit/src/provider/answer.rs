//! What the provider answers: blocks, stop reason and usage, all of which follow from the request.

use domain::Usage;
use serde_json::{Value, json};

use super::Line;
use super::prompt::Prompt;
use super::wish::Wish;
use crate::ids::mixed;

const WORDS_BY_DEFAULT: usize = 24;
const THINKING_WORDS: usize = 6;

const SENTENCES: [&str; 8] = [
    "This is a simulated answer, made without a model.",
    "The plan is simple, and each step can be checked before the next.",
    "Read what is there first, then change one thing and run the tests again.",
    "The smallest change that could work is the one to try.",
    "What was asked for and what was done are set side by side below.",
    "Nothing here was thought up; the words follow from the prompt alone.",
    "If the result surprises you, look at the input before the code.",
    "That is all there is to say about it for now.",
];

/// An answer, ready to be written as JSON or as a stream.
#[derive(Debug, Clone)]
pub(super) struct Composed {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) blocks: Vec<Block>,
    pub(super) stop_reason: &'static str,
    pub(super) usage: Usage,
    pub(super) thinking_tokens: u64,
    pub(super) shows_usage: bool,
    /// As the request asked for it; the API says `standard` where it did not.
    pub(super) speed: String,
    pub(super) geo: String,
}

/// One content block, in the pieces it is streamed in.
#[derive(Debug, Clone)]
pub(super) enum Block {
    Thinking {
        pieces: Vec<String>,
        signature: String,
    },
    Text {
        pieces: Vec<String>,
    },
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
}

impl Composed {
    /// Answers a checked request.
    pub(super) fn of(
        body: &Value,
        prompt: &Prompt,
        wish: &Wish,
        line: Option<Line>,
        seed: u64,
    ) -> Self {
        let mut draft = Draft {
            blocks: Vec::new(),
            left: usize::try_from(body["max_tokens"].as_u64().unwrap_or(u64::MAX))
                .unwrap_or(usize::MAX),
            cut: false,
            thinking: 0,
            seed: mixed(seed),
        };
        let mode = body["thinking"]["type"].as_str().unwrap_or_default();
        if wish.thinking || matches!(mode, "enabled" | "adaptive") {
            draft.think(body["thinking"]["display"] == "omitted");
        }
        let tool = draft.speak(body, prompt, wish, line);
        let spent = draft.spent(body);
        let stop_reason = match () {
            () if wish.refusal => "refusal",
            () if draft.cut => "max_tokens",
            () if tool => "tool_use",
            () => "end_turn",
        };
        Self {
            id: format!("msg_{:020x}", mixed(seed ^ 0x6d73_675f)),
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            blocks: draft.blocks,
            stop_reason,
            usage: Usage {
                output_tokens: spent,
                ..Usage::default()
            },
            thinking_tokens: draft.thinking as u64,
            shows_usage: true,
            speed: body["speed"].as_str().unwrap_or("standard").to_owned(),
            geo: body["inference_geo"]
                .as_str()
                .unwrap_or("global")
                .to_owned(),
        }
    }

    /// The whole answer as the body of a request that does not stream.
    pub(super) fn json(&self) -> Value {
        let content: Vec<Value> = self.blocks.iter().map(Block::json).collect();
        let mut body = json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model,
            "content": content, "stop_reason": self.stop_reason, "stop_sequence": null,
        });
        if self.stop_reason == "refusal" {
            body["stop_details"] = refusal_details();
        }
        if self.shows_usage {
            body["usage"] = self.usage_json(self.usage.output_tokens);
        }
        body
    }

    /// The usage as the API words it, with so many output tokens.
    pub(super) fn usage_json(&self, output_tokens: u64) -> Value {
        let u = &self.usage;
        json!({
            "input_tokens": u.input_tokens,
            "cache_creation_input_tokens": u.cache_write_5m_tokens + u.cache_write_1h_tokens,
            "cache_read_input_tokens": u.cache_read_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": u.cache_write_5m_tokens,
                "ephemeral_1h_input_tokens": u.cache_write_1h_tokens,
            },
            "output_tokens": output_tokens,
            "output_tokens_details": {"thinking_tokens": self.thinking_tokens.min(output_tokens)},
            "service_tier": "standard",
            "inference_geo": self.geo,
            "speed": self.speed,
        })
    }
}

pub(super) fn refusal_details() -> Value {
    json!({"type": "refusal", "category": "cyber", "explanation": "Refused on demand."})
}

impl Block {
    fn json(&self) -> Value {
        match self {
            Self::Thinking { pieces, signature } => {
                json!({"type": "thinking", "thinking": pieces.concat(), "signature": signature})
            }
            Self::Text { pieces } => json!({"type": "text", "text": pieces.concat()}),
            Self::ToolUse { id, name, input } => {
                json!({"type": "tool_use", "id": id, "name": name, "input": input})
            }
        }
    }
}

/// An answer being written within its `max_tokens`.
struct Draft {
    blocks: Vec<Block>,
    left: usize,
    cut: bool,
    thinking: usize,
    seed: u64,
}

impl Draft {
    /// Takes up to `wanted` tokens of what is left.
    fn take(&mut self, wanted: usize) -> usize {
        let granted = wanted.min(self.left);
        self.left -= granted;
        self.cut |= granted < wanted;
        granted
    }

    /// So many words of sentences that follow from the seed.
    fn words(&mut self, count: usize) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        while words.len() < count {
            self.seed = mixed(self.seed.wrapping_add(1));
            let sentence = SENTENCES[usize::try_from(self.seed % 8).unwrap_or(0)];
            words.extend(sentence.split(' ').map(|word| format!(" {word}")));
        }
        words.truncate(count);
        if let Some(first) = words.first_mut() {
            first.remove(0);
        }
        words
    }

    fn think(&mut self, omitted: bool) {
        let count = self.take(THINKING_WORDS);
        self.thinking = count;
        let pieces = if omitted {
            Vec::new()
        } else {
            self.words(count)
        };
        let signature = crate::token::b64(self.seed.to_le_bytes().repeat(8));
        self.blocks.push(Block::Thinking { pieces, signature });
    }

    /// Writes the spoken part; says whether it uses a tool.
    fn speak(&mut self, body: &Value, prompt: &Prompt, wish: &Wish, line: Option<Line>) -> bool {
        if let Some(Line::ToolUse(name, input)) = line {
            self.use_tool(name, input);
            return true;
        }
        let pieces = match line {
            Some(Line::Text(text)) => words_of(&text),
            _ if wish.echo => words_of(&prompt.last_turn),
            _ => {
                let count = wish
                    .events
                    .unwrap_or(WORDS_BY_DEFAULT)
                    .min(self.left.saturating_add(1));
                self.words(count)
            }
        };
        let count = self.take(pieces.len());
        let pieces = pieces.into_iter().take(count).collect();
        self.blocks.push(Block::Text { pieces });
        let offered = |name: &String| {
            let tools = body["tools"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            tools.iter().any(|tool| tool["name"] == name.as_str())
        };
        let tool = wish
            .tool
            .clone()
            .filter(|name| offered(name) && !prompt.has_tool_result);
        let uses = tool.is_some() && !self.cut;
        if let (Some(name), true) = (tool, uses) {
            self.use_tool(
                name,
                json!({"command": "echo simulated", "description": "A simulated use"}),
            );
        }
        uses
    }

    fn use_tool(&mut self, name: String, input: Value) {
        let id = format!("toolu_{:020x}", mixed(self.seed));
        self.blocks.push(Block::ToolUse { id, name, input });
    }

    /// Tokens written: one for each piece of text, one for four bytes of tool input.
    fn spent(&self, body: &Value) -> u64 {
        let of = |block: &Block| match block {
            Block::Thinking { .. } => self.thinking as u64,
            Block::Text { pieces } => pieces.len() as u64,
            Block::ToolUse { input, .. } => input.to_string().len() as u64 / 4 + 8,
        };
        let sum: u64 = self.blocks.iter().map(of).sum();
        sum.clamp(1, body["max_tokens"].as_u64().unwrap_or(u64::MAX).max(1))
    }
}

/// A text in pieces of one word each, with the blank after it.
fn words_of(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}
