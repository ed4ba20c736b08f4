//! What makes a provider read more than the request's own bytes: pictures and documents that it fetches, and tools that it runs
//! itself. Counted so that money can be held for it; too many rather than too few, because a count is not a refusal. Called by the
//! envelope's reader with every string.

use crate::json::{Place, RawStr};

/// What a request brings along that is not in its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Brought {
    /// Sources the provider gets for itself: `"source": {"type": "url" | "file"}`, wherever they stand.
    pub sources: u64,
    /// Whether there are documents at all, so that a source may be one; otherwise every source is a picture.
    pub documents: bool,
    /// Tools that run at the provider and bring what they find: web search and fetch, code execution, MCP servers, and dated tools
    /// that this version does not know.
    pub server_tools: u64,
}

/// Dated tools of the API that run at the client, or bring nothing but what the request holds already.
const AT_THE_CLIENT: [&str; 5] = [
    "bash",
    "computer",
    "memory",
    "text_editor",
    "tool_search_tool",
];
/// Longer types are nobody's.
const TYPE_BYTES_MAX: usize = 64;

/// At which depths the last key was `source`. Deeper than it can count is taken for its deepest.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sources(u128);

impl Sources {
    const fn bit(depth: usize) -> u128 {
        1 << if depth < 127 { depth } else { 127 }
    }

    const fn key(&mut self, depth: usize, is_source: bool) {
        // What was deeper belongs to the key before.
        self.0 &= Self::bit(depth) - 1;
        if is_source {
            self.0 |= Self::bit(depth);
        }
    }

    /// Whether an object of this depth is the value of a `source`.
    const fn around(self, depth: usize) -> bool {
        self.0 & Self::bit(depth.saturating_sub(1)) != 0
    }
}

impl Brought {
    /// Looks at one string.
    pub(super) fn note(&mut self, text: RawStr<'_>, place: Place<'_>, sources: &mut Sources) {
        if place.key {
            sources.key(place.depth, text.means("source"));
            return;
        }
        let Some(name) = place.name else { return };
        if name.means("url") && place.depth == 3 && within(place, "mcp_servers") {
            self.server_tools = self.server_tools.saturating_add(1);
        }
        // An escape takes six bytes for one at most.
        if !name.means("type") || text.raw().len() > 6 * TYPE_BYTES_MAX {
            return;
        }
        let kind = text.decode();
        match &*kind {
            "url" | "file" if sources.around(place.depth) => {
                self.sources = self.sources.saturating_add(1);
            }
            "document" | "container_upload" => self.documents = true,
            kind if runs_at_the_provider(kind, place) => {
                self.server_tools = self.server_tools.saturating_add(1);
            }
            _ => {}
        }
    }
}

fn within(place: Place<'_>, field: &str) -> bool {
    place.field.is_some_and(|name| name.means(field))
}

/// Whether a type is a tool of the provider's: a dated one (`web_search_20250305`) wherever it stands, and in the list of tools any
/// that is not known to run at the client.
fn runs_at_the_provider(kind: &str, place: Place<'_>) -> bool {
    let is_listed = place.depth == 3 && within(place, "tools");
    let at_the_client = || {
        AT_THE_CLIENT.iter().any(|known| {
            kind.strip_prefix(known)
                .is_some_and(|rest| rest.starts_with('_'))
        })
    };
    // An MCP toolset is counted by its server.
    (is_dated(kind) || (is_listed && !matches!(kind, "custom" | "mcp_toolset"))) && !at_the_client()
}

fn is_dated(kind: &str) -> bool {
    kind.rsplit_once('_')
        .is_some_and(|(_, date)| date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Envelope;

    fn check(body: &str, sources: u64, documents: bool, server_tools: u64) {
        let expected = Brought {
            sources,
            documents,
            server_tools,
        };
        let envelope = Envelope::read(body.as_bytes(), 128, None).unwrap();
        assert_eq!(envelope.brought, expected, "{body}");
        let heard = Envelope::read(body.as_bytes(), 128, Some(&mut |_: &str| {})).unwrap();
        assert_eq!(heard, envelope, "{body}");
    }

    fn check_content(content: &str, sources: u64, documents: bool) {
        let body = format!(r#"{{"messages":[{{"role":"user","content":[{content}]}}]}}"#);
        check(&body, sources, documents, 0);
    }

    #[test]
    fn sources_that_the_provider_fetches_are_counted_wherever_they_stand() {
        for (content, sources, documents) in [
            (
                r#"{"type":"image","source":{"type":"url","url":"https://a"}}"#,
                1,
                false,
            ),
            (
                r#"{"type":"image","source":{"type":"file","file_id":"f"}}"#,
                1,
                false,
            ),
            (
                r#"{"type":"document","source":{"type":"url","url":"https://a"}}"#,
                1,
                true,
            ),
            (
                r#"{"source":{"url":"https://a","type":"url"},"type":"document"}"#,
                1,
                true,
            ),
            (
                r#"{"\u0073ource":{"ty\u0070e":"\u0075rl"},"type":"docum\u0065nt"}"#,
                1,
                true,
            ),
            (
                r#"{"type":"document","source":{"type":"base64","type":"url"}}"#,
                1,
                true,
            ),
            (
                r#"{"type":"tool_result","content":[{"type":"document","source":{"type":"url"}},{"type":"image","source":{"type":"url"}}]}"#,
                2,
                true,
            ),
            (
                r#"{"type":"document","source":{"x":{"source":"y"},"z":[{"type":"text"}],"type":"url"}}"#,
                1,
                true,
            ),
            (
                r#"{"type":"document","source":{"type":"content","content":[{"type":"image","source":{"type":"url"}}]}}"#,
                1,
                true,
            ),
        ] {
            check_content(content, sources, documents);
        }
    }

    #[test]
    fn what_only_looks_like_such_a_source_is_not_counted() {
        for (content, documents) in [
            (
                r#"{"type":"document","source":{"type":"base64","data":"url"}}"#,
                true,
            ),
            (
                r#"{"type":"document","source":{"type":"text","data":"file"}}"#,
                true,
            ),
            (
                r#"{"type":"tool_use","input":{"type":"file","source":"url"}}"#,
                false,
            ),
            (
                r#"{"type":"search_result","source":"https://a","content":[{"type":"url"}]}"#,
                false,
            ),
            (
                r#"{"type":"text","text":"\"source\":{\"type\":\"url\"}"}"#,
                false,
            ),
        ] {
            check_content(content, 0, documents);
        }
    }

    #[test]
    fn tools_that_run_at_the_provider_are_counted_and_the_clients_are_not() {
        for (tools, server_tools) in [
            (r#"{"name":"Bash","input_schema":{"type":"object"}}"#, 0),
            (r#"{"type":"custom","name":"x"}"#, 0),
            (
                r#"{"type":"bash_20250124"},{"type":"text_editor_20250728"},{"type":"computer_20251124"}"#,
                0,
            ),
            (
                r#"{"type":"memory_20250818"},{"type":"tool_search_tool_regex_20251119"}"#,
                0,
            ),
            (
                r#"{"type":"web_search_20250305","name":"web_search","max_uses":8}"#,
                1,
            ),
            (
                r#"{"type":"web_fetch_20260209"},{"type":"code_execution_20250825"}"#,
                2,
            ),
            (
                r#"{"type":"advisor_20260301"},{"type":"web\u005fsearch_20250305"}"#,
                2,
            ),
            (r#"{"type":"bashful_20260301"}"#, 1),
            (r#"{"type":"web_search_latest"}"#, 1),
            (r#"{"type":"mcp_toolset","mcp_server_name":"a"}"#, 0),
        ] {
            check(&format!(r#"{{"tools":[{tools}]}}"#), 0, false, server_tools);
        }
        // Tools may be changed within a conversation.
        check(
            r#"{"messages":[{"content":[{"tools":[{"type":"web_search_20250305"}]}]}]}"#,
            0,
            false,
            1,
        );
        check(
            r#"{"mcp_servers":[{"type":"url","url":"https://a","name":"a"},{"url":"https://b"}]}"#,
            0,
            false,
            2,
        );
        check(
            r#"{"messages":[{"content":[{"type":"web_search_tool_result"},{"type":"server_tool_use"}]}]}"#,
            0,
            false,
            0,
        );
        check(
            r#"{"metadata":{"mcp_servers":[{"url":"https://a"}]}}"#,
            0,
            false,
            0,
        );
    }
}
