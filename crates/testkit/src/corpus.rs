//! Request bodies as large and as shaped as those of stock Claude Code, for benches and tests.
//!
//! The shape (three system blocks with the billing line first, eighteen tools, twenty-five turns with tool use and a
//! mid-conversation system message, about 56 KB) follows captured requests; every word of the texts is made up here.

use bytes::Bytes;
use serde_json::{Value, json};

/// A body under construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corpus {
    /// The model asked for.
    pub model: String,
    /// The last user turn.
    pub prompt: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Turns of conversation before the last one, user and assistant counted apart.
    pub turns: usize,
    /// About how many bytes the whole body has.
    pub bytes: usize,
    /// The answer's longest length in tokens.
    pub max_tokens: u64,
}

const TOOLS: [&str; 18] = [
    "Agent",
    "Bash",
    "BashOutput",
    "Edit",
    "ExitPlanMode",
    "Glob",
    "Grep",
    "KillShell",
    "ListAgents",
    "NotebookEdit",
    "Read",
    "ReportFindings",
    "ScheduleWakeup",
    "Skill",
    "TodoWrite",
    "ToolSearch",
    "WebFetch",
    "Write",
];

const SENTENCES: [&str; 6] = [
    "Read the file before you change it, and change no more than was asked. ",
    "When a command fails, say what it printed and what you make of it. ",
    "Prefer the small step that can be checked over the large one that cannot. ",
    "Paths are given from the root of the working folder unless they begin with a slash. ",
    "Names of functions are written as they stand in the source, with their module in front. ",
    "If two readings of a request are possible, ask which one is meant. ",
];

impl Default for Corpus {
    fn default() -> Self {
        Self {
            model: "claude-sonnet-5-5".to_owned(),
            prompt: "Now run the tests and tell me what fails.".to_owned(),
            stream: true,
            turns: 24,
            bytes: 56_000,
            max_tokens: 32_000,
        }
    }
}

impl Corpus {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        let skeleton = self.with_filler(0).to_string().len();
        let missing = self.bytes.saturating_sub(skeleton);
        self.with_filler(missing)
    }

    /// The body as it goes over the wire.
    pub fn body(&self) -> Bytes {
        self.json().to_string().into()
    }

    /// The headers stock Claude Code sends with it, credential aside.
    pub fn headers() -> [(&'static str, &'static str); 8] {
        [
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("user-agent", "claude-cli/2.1.329 (external, sdk-cli)"),
            (
                "x-claude-code-session-id",
                "11111111-2222-4333-8444-555555555555",
            ),
            ("anthropic-version", "2023-06-01"),
            (
                "anthropic-beta",
                "claude-code-20250219,interleaved-thinking-2025-05-14,thinking-token-count-2026-05-13,effort-2025-11-24",
            ),
            ("anthropic-dangerous-direct-browser-access", "true"),
            ("x-app", "cli"),
        ]
    }

    /// Fills the places where real requests are long: half into the tools, a quarter into the system text, a quarter into turns.
    fn with_filler(&self, bytes: usize) -> Value {
        let user = json!({"device_id": "0".repeat(64), "account_uuid": "", "session_id": "11111111-2222-4333-8444-555555555555"});
        json!({
            "model": self.model,
            "messages": self.messages(bytes / 4),
            "system": [
                {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.329.e8c; cc_entrypoint=sdk-cli;"},
                {"type": "text", "text": "You are a careful assistant for work on source code.", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": filler(bytes / 4), "cache_control": {"type": "ephemeral"}},
            ],
            "tools": tools(bytes / 2),
            "metadata": {"user_id": user.to_string()},
            "max_tokens": self.max_tokens,
            "thinking": {"type": "adaptive", "display": "omitted"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "output_config": {"effort": "medium"},
            "stream": self.stream,
        })
    }

    fn messages(&self, bytes: usize) -> Vec<Value> {
        let share = bytes / (self.turns + 1);
        let mut messages: Vec<Value> = (0..self.turns).map(|at| turn(at, share)).collect();
        messages.push(json!({"role": "user", "content": [
            {"type": "text", "text": self.prompt, "cache_control": {"type": "ephemeral"}},
        ]}));
        messages.push(
            json!({"role": "system", "content": [{"type": "text", "text": filler(share + 40)}]}),
        );
        messages
    }
}

/// Turns alternate: a request, a tool use, its result, a remark.
fn turn(at: usize, bytes: usize) -> Value {
    let id = format!("toolu_{:024}", at / 4);
    match at % 4 {
        0 => {
            json!({"role": "user", "content": [{"type": "text", "text": format!("Look at part {at}. {}", filler(bytes))}]})
        }
        1 => json!({"role": "assistant", "content": [
            {"type": "thinking", "thinking": "", "signature": "c2lnbmF0dXJl".repeat(20)},
            {"type": "tool_use", "id": id, "name": "Bash", "input": {"command": format!("sed -n {at}p notes.txt"), "description": filler(bytes)}},
        ]}),
        2 => json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": format!("toolu_{:024}", (at - 1) / 4), "content": filler(bytes)},
        ]}),
        _ => {
            json!({"role": "assistant", "content": [{"type": "text", "text": format!("Part {at} is clear. {}", filler(bytes))}]})
        }
    }
}

fn tools(bytes: usize) -> Vec<Value> {
    TOOLS
        .iter()
        .map(|name| {
            json!({
                "name": name,
                "description": filler(bytes / TOOLS.len()),
                "input_schema": {
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "type": "object",
                    "properties": {
                        "command": {"type": "string", "description": "What to do"},
                        "description": {"type": "string", "description": "Why, in a few words"},
                    },
                    "required": ["command"],
                    "additionalProperties": false,
                },
            })
        })
        .collect()
}

/// So many bytes of plain sentences.
fn filler(bytes: usize) -> String {
    let mut text: String = SENTENCES
        .iter()
        .cycle()
        .take(bytes / 60 + 2)
        .copied()
        .collect();
    text.truncate(bytes);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_body_has_the_size_and_shape_of_a_real_one() {
        let corpus = Corpus::default();
        let body = corpus.body();
        assert!((55_500..=56_000).contains(&body.len()), "{}", body.len());
        let json = corpus.json();
        assert!(
            json["system"][0]["text"]
                .as_str()
                .unwrap()
                .starts_with("x-anthropic-billing-header:")
        );
        assert_eq!(json["tools"].as_array().unwrap().len(), 18);
        assert_eq!(json["messages"].as_array().unwrap().len(), 26);
        assert!(body.ends_with(b"\"stream\":true}"));
    }

    #[test]
    fn a_small_body_is_possible_too() {
        let corpus = Corpus {
            turns: 0,
            bytes: 0,
            ..Corpus::default()
        };
        assert!(corpus.body().len() < 9_000);
    }
}
