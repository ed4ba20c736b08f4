//! A request read for what the answer depends on: the last user turn, the size of everything, and where cache entries end.

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;

/// A request's prompt.
#[derive(Debug, Clone, Default)]
pub(super) struct Prompt {
    /// The texts of the last user turn, joined by newlines.
    pub(super) last_turn: String,
    /// Whether the last user turn brings results of tools.
    pub(super) has_tool_result: bool,
    /// How many tokens the whole prompt counts.
    pub(super) tokens: u64,
    /// The ends of its blocks, in order; a cache entry can end at each.
    pub(super) ends: Vec<BlockEnd>,
}

/// The end of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockEnd {
    /// A hash of everything up to here, cache marks aside.
    pub(super) prefix: [u8; 32],
    /// Tokens up to here.
    pub(super) tokens: u64,
    /// Whether a cache entry is to be written up to here.
    pub(super) mark: Option<Mark>,
}

/// How long a cache entry lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    FiveMinutes,
    OneHour,
}

impl Prompt {
    pub(super) fn read(body: &Value) -> Self {
        let mut walk = Walk::new(body["model"].as_str().unwrap_or_default());
        for part in ["tools", "system"] {
            walk.blocks(&body[part]);
        }
        let messages = body["messages"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for message in messages {
            walk.block(&message["role"]);
            walk.blocks(&message["content"]);
        }
        let mut prompt = Self {
            tokens: walk.tokens(),
            ends: walk.ends,
            ..Self::default()
        };
        if let Some(turn) = messages
            .iter()
            .rev()
            .find(|message| message["role"] == "user")
        {
            prompt.read_turn(&turn["content"]);
        }
        prompt
    }

    fn read_turn(&mut self, content: &Value) {
        match content {
            Value::String(text) => self.last_turn.clone_from(text),
            Value::Array(blocks) => {
                let texts = blocks.iter().filter_map(|block| block["text"].as_str());
                self.last_turn = texts.collect::<Vec<_>>().join("\n");
                self.has_tool_result = blocks.iter().any(|block| block["type"] == "tool_result");
            }
            _ => {}
        }
    }
}

/// Goes through the prompt in the order in which it is cached: tools, system, messages.
struct Walk {
    hash: Context,
    bytes: u64,
    ends: Vec<BlockEnd>,
}

impl Walk {
    fn new(model: &str) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(model.as_bytes());
        Self {
            hash,
            bytes: 0,
            ends: Vec::new(),
        }
    }

    /// One token for four bytes; never none.
    const fn tokens(&self) -> u64 {
        self.bytes / 4 + 1
    }

    fn blocks(&mut self, content: &Value) {
        match content {
            Value::Array(blocks) => blocks.iter().for_each(|block| self.block(block)),
            Value::Null => {}
            other => self.block(other),
        }
    }

    fn block(&mut self, block: &Value) {
        let mark = block.get("cache_control").filter(|mark| !mark.is_null());
        let text = match mark {
            None => block.to_string(),
            Some(_) => without_mark(block).to_string(),
        };
        self.hash.update(text.as_bytes());
        self.bytes += text.len() as u64;
        let mut prefix = [0; 32];
        prefix.copy_from_slice(self.hash.clone().finish().as_ref());
        self.ends.push(BlockEnd {
            prefix,
            tokens: self.tokens(),
            mark: mark.map(|mark| {
                if mark["ttl"] == "1h" {
                    Mark::OneHour
                } else {
                    Mark::FiveMinutes
                }
            }),
        });
    }
}

fn without_mark(block: &Value) -> Value {
    let mut copy = block.clone();
    if let Some(members) = copy.as_object_mut() {
        members.shift_remove("cache_control");
    }
    copy
}
