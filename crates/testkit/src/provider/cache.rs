//! The prompt cache: which prefixes were written before, and so which part of a prompt is read, written or neither.

use std::collections::HashSet;
use std::sync::Mutex;

use domain::Usage;

use super::prompt::{Mark, Prompt};
use crate::limits::CACHE_ENTRIES_MAX;

/// Prefixes that were written. Entries do not expire; a test's day is short.
#[derive(Debug, Default)]
pub(super) struct PromptCache(Mutex<HashSet<[u8; 32]>>);

impl PromptCache {
    /// The input side of a prompt's usage; what its marks ask for is written from now on.
    ///
    /// What is read is the longest known prefix that ends before the last mark, as the API looks back from each mark.
    pub(super) fn input_usage(&self, prompt: &Prompt) -> Usage {
        let mut known = self.0.lock().expect("no holder of this lock panics");
        let ends = &prompt.ends;
        let marked = ends
            .iter()
            .rposition(|end| end.mark.is_some())
            .map_or(0, |last| last + 1);
        let read = ends[..marked]
            .iter()
            .rposition(|end| known.contains(&end.prefix));
        let mut usage = Usage {
            cache_read_tokens: read.map_or(0, |at| ends[at].tokens),
            ..Usage::default()
        };
        let mut cached = usage.cache_read_tokens;
        for end in &ends[read.map_or(0, |at| at + 1)..marked] {
            match end.mark {
                None => continue,
                Some(Mark::OneHour) => usage.cache_write_1h_tokens += end.tokens - cached,
                Some(Mark::FiveMinutes) => usage.cache_write_5m_tokens += end.tokens - cached,
            }
            cached = end.tokens;
        }
        usage.input_tokens = prompt.tokens - cached;
        if known.len() >= CACHE_ENTRIES_MAX {
            known.clear();
        }
        known.extend(
            ends.iter()
                .filter(|end| end.mark.is_some())
                .map(|end| end.prefix),
        );
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn turn(system_mark: &Value, turns: &[&str], mark_last: bool) -> Prompt {
        let mut messages: Vec<Value> = turns
            .iter()
            .map(|text| json!({"role": "user", "content": [{"type": "text", "text": text}]}))
            .collect();
        if mark_last {
            let last = messages.len() - 1;
            messages[last]["content"][0]["cache_control"] = json!({"type": "ephemeral"});
        }
        let system =
            json!([{"type": "text", "text": "s".repeat(400), "cache_control": system_mark}]);
        Prompt::read(&json!({"model": "m", "system": system, "messages": messages}))
    }

    #[test]
    fn a_prefix_is_written_once_and_read_after_that() {
        let cache = PromptCache::default();
        let five = json!({"type": "ephemeral"});
        let first = turn(&five, &["hello there"], true);
        let one = cache.input_usage(&first);
        assert_eq!(one.cache_write_5m_tokens, first.tokens);
        assert_eq!((one.cache_read_tokens, one.input_tokens), (0, 0));
        let second = turn(&five, &["hello there", "and more"], true);
        let two = cache.input_usage(&second);
        assert_eq!(
            two.cache_read_tokens, first.tokens,
            "the mark moved on, the prefix did not change"
        );
        assert_eq!(two.input_total(), second.tokens);
        let other = turn(&five, &["good-bye"], false);
        let three = cache.input_usage(&other);
        assert!(
            three.cache_read_tokens > 100 && three.input_tokens > 0,
            "{three:?}"
        );
    }

    #[test]
    fn an_hours_entry_is_counted_apart() {
        let usage = PromptCache::default().input_usage(&turn(
            &json!({"type": "ephemeral", "ttl": "1h"}),
            &["x"],
            false,
        ));
        assert!(usage.cache_write_1h_tokens > 100);
        assert_eq!(usage.cache_write_5m_tokens, 0);
    }
}
