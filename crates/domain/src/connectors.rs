//! The words of connectors: what one is called, what an action does to the world, and whether it is allowed. Pure; the policy's lists
//! of them are [`crate::policy::document`], the decision is [`crate::policy::reach`].

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// Whether an action may be done. The order is from lenient to strict, so that the greatest of several is the most restrictive.
    ActionState ("state of an action") {
        /// At once.
        Allow "allow",
        /// After somebody has approved this very call.
        Ask "ask",
        /// Never; it is not shown either.
        Blocked "blocked",
    }
}

words! {
    /// What an action does to the world. What is not known to be less counts as destructive.
    ActionClass ("class of an action") {
        /// It only reads.
        Read "read",
        /// It adds or changes what can be changed back.
        Write "write",
        /// It destroys, or sends something out that cannot be called back.
        Destructive "destructive",
        /// It does whatever its arguments say.
        Generic "generic",
    }
}

words! {
    /// What a definition is of. A tool may be called anything, so a kind is never told by a name.
    DefinitionKind ("kind of a definition") {
        /// A tool, which is an action.
        Tool "tool",
        /// A prompt that a person may pick.
        Prompt "prompt",
        /// What a connector says of itself in its greeting. There is one at most, and it is named after its kind.
        Instructions "instructions",
    }
}

words! {
    /// A class of data behind a connector that sets a ceiling, whatever any entry allows.
    DataClass ("class of data") {
        /// Records of members, patients or customers as persons: nothing above reading.
        MemberPii "member-pii",
    }
}

impl DataClass {
    /// Whether an action of this class lies above the ceiling.
    pub const fn forbids(self, class: ActionClass) -> bool {
        match self {
            Self::MemberPii => !matches!(class, ActionClass::Read),
        }
    }
}

/// A connector's name, as its path, refusals and records have it: `[a-z][a-z0-9-]*`, at most
/// [`crate::limits::CONNECTOR_NAME_BYTES_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConnectorName(Arc<str>);

/// A text that is no connector's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a connector's name: expected a small letter, then small letters, digits and dashes, at most 32 in all"
)]
pub struct InvalidConnectorName;

impl ConnectorName {
    /// Checks and takes a name.
    pub fn new(text: &str) -> Result<Self, InvalidConnectorName> {
        if is_slug(text, crate::limits::CONNECTOR_NAME_BYTES_MAX, true) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidConnectorName)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectorName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ConnectorName {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = crate::written::Written::<'de>::deserialize(from)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A small letter, then small letters and digits, and dashes where they may stand.
pub fn is_slug(text: &str, bytes_max: usize, dashes: bool) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || (dashes && byte == b'-');
    text.len() <= bytes_max
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(fits)
}

/// Whether a text can be the name of an action that is ever offered: visible ASCII, as the protocol asks for. What can look like
/// another name without being it is none.
pub fn is_action_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= crate::limits::ACTION_NAME_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/'))
}

/// Names of actions: one, or all that begin so, with a `*` at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionPattern(pub String);

impl ActionPattern {
    /// Whether it names this action, letter for letter. What permits goes by this.
    pub fn matches(&self, action: &str) -> bool {
        self.0
            .strip_suffix('*')
            .map_or(self.0 == action, |head| action.starts_with(head))
    }

    /// Whether it names this action or one that only looks otherwise: `deleteItem` for `delete_item`. What restricts goes by this, so
    /// that a look-alike never escapes.
    pub fn resembles(&self, action: &str) -> bool {
        let whole = action;
        let action = skeleton(action);
        match self.0.strip_suffix('*') {
            // Of marks alone nothing is left to be like.
            Some(head) if !head.is_empty() && skeleton(head).is_empty() => self.matches(whole),
            Some(head) => action.starts_with(&skeleton(head)),
            None => skeleton(&self.0) == action,
        }
    }

    /// Whether it is one that can be written: a name with at most one `*`, at its end.
    pub fn is_sound(&self) -> bool {
        let head = self.0.strip_suffix('*').unwrap_or(&self.0);
        self.0 == "*" || is_action_name(head)
    }
}

/// What is left of a name without case and without what parts its words.
fn skeleton(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_of_several_states_is_the_most_restrictive() {
        use ActionState::{Allow, Ask, Blocked};
        assert_eq!([Ask, Allow, Blocked].into_iter().max(), Some(Blocked));
        assert_eq!([Ask, Allow].into_iter().max(), Some(Ask));
    }

    #[test]
    fn nothing_above_reading_is_under_the_ceiling_of_records_of_members() {
        for class in ActionClass::ALL {
            let above = *class != ActionClass::Read;
            assert_eq!(DataClass::MemberPii.forbids(*class), above, "{class}");
        }
    }

    #[test]
    fn a_connectors_name_is_a_small_word() {
        for good in ["a", "tasks", "crm-2", &"x".repeat(32)] {
            assert!(ConnectorName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Tasks",
            "2a",
            "-a",
            "a_b",
            "a/b",
            "ä",
            "a ",
            &"x".repeat(33),
        ] {
            assert!(ConnectorName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_permits_goes_by_the_letter_and_what_restricts_by_the_likeness() {
        for (pattern, action, matches, resembles) in [
            ("get_item", "get_item", true, true),
            ("get_item", "Get_Item", false, true),
            ("get_item", "getItem", false, true),
            ("get_item", "get-item", false, true),
            ("get_item", "get_items", false, false),
            ("delete_*", "delete_repo", true, true),
            ("delete_*", "DELETE.repo", false, true),
            ("delete_*", "deleteRepo", false, true),
            ("delete_*", "undelete_repo", false, false),
            ("*", "anything", true, true),
        ] {
            let pattern = ActionPattern(pattern.to_owned());
            assert_eq!(pattern.matches(action), matches, "{pattern:?} {action}");
            assert_eq!(pattern.resembles(action), resembles, "{pattern:?} {action}");
        }
    }

    #[test]
    fn an_actions_name_is_visible_ascii_and_a_pattern_has_its_star_at_the_end() {
        for good in ["a", "get_item", "Create.Issue-2", "ns/tool"] {
            assert!(is_action_name(good), "{good}");
        }
        for bad in ["", "a b", "gеt", "a\u{200b}", "a*", "a\n", &"x".repeat(129)] {
            assert!(!is_action_name(bad), "{bad:?}");
        }
        for (pattern, sound) in [
            ("*", true),
            ("get_*", true),
            ("get", true),
            ("", false),
            ("*get", false),
            ("g*t", false),
            ("g**", false),
            ("gеt*", false),
        ] {
            assert_eq!(
                ActionPattern(pattern.to_owned()).is_sound(),
                sound,
                "{pattern}"
            );
        }
    }
}
