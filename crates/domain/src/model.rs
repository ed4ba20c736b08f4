//! Model ids as the caller names them, and the patterns by which policy selects them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A model's id, such as `claude-opus-5-5`. At most [`crate::limits::MODEL_ID_BYTES_MAX`] bytes, ASCII without blanks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ModelId(Arc<str>);

/// A text that cannot be a model id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a model id: expected 1 to 128 visible ASCII characters")]
pub struct InvalidModelId;

impl ModelId {
    /// Checks and takes a model id.
    pub fn new(text: &str) -> Result<Self, InvalidModelId> {
        let fits = !text.is_empty() && text.len() <= crate::limits::MODEL_ID_BYTES_MAX;
        if fits
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        {
            Ok(Self(text.into()))
        } else {
            Err(InvalidModelId)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ModelId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = crate::written::Written::<'de>::deserialize(from)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A model id in which `*` stands for any run of characters: `claude-sonnet-*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelPattern(pub String);

impl ModelPattern {
    /// Whether the pattern covers this model.
    pub fn matches(&self, model: &str) -> bool {
        glob(&self.0, model)
    }
}

/// Matches `*` greedily with one remembered fallback: linear in practice, `pattern × text` at worst, no recursion.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            p = star_p + 1;
            t = star_t + 1;
            star = Some((star_p, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_covers_any_run_of_characters() {
        for (pattern, model, covered) in [
            ("claude-opus-5-5", "claude-opus-5-5", true),
            ("claude-opus-5", "claude-opus-5-5", false),
            ("claude-sonnet-*", "claude-sonnet-5-5", true),
            ("*", "anything", true),
            ("claude-*-5-5", "claude-haiku-5-5", true),
            ("claude-*-5-5", "claude-haiku-5-5-x", false),
            ("*a*b*", "xxaxxbxx", true),
            ("", "claude", false),
        ] {
            assert_eq!(glob(pattern, model), covered, "{pattern} against {model}");
        }
    }

    #[test]
    fn a_model_id_is_short_visible_ascii() {
        assert!(ModelId::new("claude-opus-5-5").is_ok());
        for bad in ["", "a b", "a\nb", "ü", "a\"b", &"x".repeat(129)] {
            assert!(ModelId::new(bad).is_err(), "{bad}");
        }
    }
}
