//! A text as it is written where something is read from: borrowed wherever nothing in it is escaped. The standard library's `Cow` alone
//! is always copied by serde. Called by whatever reads itself from a text.

use std::borrow::Cow;
use std::ops::Deref;

use serde::Deserialize;

/// A text, to be read and let go.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Written<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Written<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_copied_only_where_something_in_it_is_escaped() {
        let read = |json: &'static str| serde_json::from_str::<Written<'_>>(json).unwrap();
        assert!(matches!(read(r#""plain""#).0, Cow::Borrowed("plain")));
        let escaped = read(r#""\u0061""#);
        assert!(matches!(&escaped.0, Cow::Owned(_)) && &*escaped == "a");
    }
}
