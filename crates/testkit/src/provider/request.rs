//! The checks the Messages API makes of a request, with its messages.

use serde_json::Value;

use super::errors::Refusal;

/// The API version a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiVersion {
    V2023,
    V2026,
}

impl ApiVersion {
    pub(super) fn of(header: Option<&str>) -> Result<Self, Refusal> {
        match header {
            None => Err(Refusal::invalid("anthropic-version: header is required")),
            Some("2023-06-01") => Ok(Self::V2023),
            Some("2026-10-21") => Ok(Self::V2026),
            Some(other) => Err(Refusal::invalid(format!(
                "anthropic-version: \"{other}\" is not a valid version"
            ))),
        }
    }
}

/// Checks a Messages request (or, without `needs_max_tokens`, one to count tokens) all but its model.
pub(super) fn check(
    body: &Value,
    version: ApiVersion,
    needs_max_tokens: bool,
) -> Result<(), Refusal> {
    if !body["model"].is_string() {
        return Err(Refusal::invalid("model: Field required"));
    }
    if needs_max_tokens && body.get("max_tokens").is_none() {
        return Err(Refusal::invalid("max_tokens: Field required"));
    }
    if needs_max_tokens && body["max_tokens"].as_u64().is_none_or(|n| n == 0) {
        return Err(Refusal::invalid(
            "max_tokens: Input should be greater than or equal to 1",
        ));
    }
    check_sampling(body, version)?;
    let messages = body
        .get("messages")
        .ok_or_else(|| Refusal::invalid("messages: Field required"))?;
    let messages = messages
        .as_array()
        .ok_or_else(|| Refusal::invalid("messages: Input should be a valid list"))?;
    if messages.is_empty() {
        return Err(Refusal::invalid(
            "messages: at least one message is required",
        ));
    }
    if messages.len() > 100_000 {
        return Err(Refusal::invalid(
            "messages: at most 100000 messages are allowed",
        ));
    }
    messages
        .iter()
        .enumerate()
        .try_for_each(|(at, message)| check_message(at, message, version))
}

fn check_sampling(body: &Value, version: ApiVersion) -> Result<(), Refusal> {
    for name in ["temperature", "top_p", "top_k"] {
        if version == ApiVersion::V2026 && body.get(name).is_some() {
            return Err(Refusal::invalid(format!(
                "{name}: Extra inputs are not permitted"
            )));
        }
    }
    match body.get("temperature") {
        Some(value) if !value.as_f64().is_some_and(|t| (0.0..=1.0).contains(&t)) => {
            Err(Refusal::invalid("temperature: range: 0..1"))
        }
        _ => Ok(()),
    }
}

fn check_message(at: usize, message: &Value, version: ApiVersion) -> Result<(), Refusal> {
    let role = message["role"].as_str().unwrap_or_default();
    if !matches!(role, "user" | "assistant" | "system") {
        return Err(Refusal::invalid(format!(
            "messages.{at}.role: Input should be 'user' or 'assistant'"
        )));
    }
    let blocks = match &message["content"] {
        Value::String(_) => return Ok(()),
        Value::Array(blocks) => blocks,
        _ => {
            return Err(Refusal::invalid(format!(
                "messages.{at}.content: Field required"
            )));
        }
    };
    for (place, block) in blocks.iter().enumerate() {
        let kind = block["type"].as_str().ok_or_else(|| {
            Refusal::invalid(format!(
                "messages.{at}.content.{place}.type: Field required"
            ))
        })?;
        if kind == "text" && block["text"].as_str().is_none_or(str::is_empty) {
            return Err(Refusal::invalid(
                "messages: text content blocks must be non-empty",
            ));
        }
        if version == ApiVersion::V2026 {
            check_2026(&format!("messages.{at}.content.{place}"), role, kind, block)?;
        }
    }
    Ok(())
}

/// What version 2026-10-21 no longer takes.
fn check_2026(place: &str, role: &str, kind: &str, block: &Value) -> Result<(), Refusal> {
    if role == "assistant" && kind == "document" {
        return Err(Refusal::invalid(format!(
            "{place}: document blocks are not permitted here"
        )));
    }
    let cites = |block: &Value| {
        block["citations"]
            .as_array()
            .is_some_and(|list| !list.is_empty())
    };
    let inner = block["content"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let inner_cites = kind == "search_result" && inner.iter().any(cites);
    if role == "user" && (kind == "text" && cites(block) || inner_cites) {
        return Err(Refusal::invalid(format!(
            "{place}.citations: Extra inputs are not permitted"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check_both(change: &Value, old: &str, new: &str) {
        let mut body =
            json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        for (version, expected) in [(ApiVersion::V2023, old), (ApiVersion::V2026, new)] {
            let found = check(&body, version, true)
                .err()
                .map_or(String::new(), |r| r.message);
            assert!(
                found.contains(expected) && found.is_empty() == expected.is_empty(),
                "{change} {version:?}: {found}"
            );
        }
    }

    #[test]
    fn a_request_is_checked_as_its_version_says() {
        let said = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
        let extra = "Extra inputs are not permitted";
        check_both(&json!({}), "", "");
        check_both(&json!({"temperature": 1}), "", extra);
        check_both(&json!({"top_k": 5}), "", extra);
        check_both(&json!({"temperature": 2}), "range", extra);
        check_both(&json!({"model": 1}), "model", "model");
        check_both(&json!({"max_tokens": 0}), "max_tokens", "max_tokens");
        check_both(&json!({"messages": []}), "at least one", "at least one");
        check_both(
            &json!({"messages": [{"role": "robot", "content": "x"}]}),
            "role",
            "role",
        );
        check_both(
            &json!({"messages": [{"role": "system", "content": "x"}]}),
            "",
            "",
        );
        check_both(
            &said(json!({"type": "text", "text": ""})),
            "non-empty",
            "non-empty",
        );
        check_both(&said(json!({"text": "x"})), "type", "type");
        check_both(
            &said(json!({"type": "text", "text": "x", "citations": [1]})),
            "",
            extra,
        );
        check_both(
            &said(json!({"type": "text", "text": "x", "citations": []})),
            "",
            "",
        );
        let found =
            json!({"type": "search_result", "content": [{"type": "text", "citations": [1]}]});
        check_both(&said(found), "", extra);
        let document = json!([{"role": "assistant", "content": [{"type": "document"}]}]);
        check_both(&json!({"messages": document}), "", "document");
    }
}
