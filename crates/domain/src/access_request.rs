//! What people ask for beyond what they may use now, and how such a request stands. A request that nobody answers expires by the clock;
//! nothing has to happen for it. Pure words and times: who may decide is `control`'s to say.

use crate::connectors::{ConnectorName, is_action_name};
use crate::policy::connectors::is_address;
use crate::words::words;
use crate::{Timestamp, limits};

words! {
    /// What is asked for.
    AskedKind ("kind of access request") {
        /// A model, by its id.
        Model "model",
        /// A higher budget of one's own, by its period.
        Budget "budget",
        /// To be in a group, by its name.
        Group "group",
        /// A connector, by its name, by what people call it, or by its address.
        Connector "connector",
        /// An action of a connector that one has, as `connector/action`.
        Action "action",
    }
}

words! {
    /// How a request stands.
    AccessState ("state of an access request") {
        /// Nobody has answered.
        Open "open",
        /// Somebody said yes.
        Granted "granted",
        /// Somebody said no.
        Declined "declined",
        /// Whoever asked took it back.
        Withdrawn "withdrawn",
        /// Nobody answered in time.
        Expired "expired",
    }
}

impl AccessState {
    /// How a request that was kept in this state and asked at `asked` stands at a moment.
    #[must_use]
    pub fn at(self, asked: Timestamp, now: Timestamp) -> Self {
        match self {
            Self::Open if expires(asked) <= now => Self::Expired,
            other => other,
        }
    }
}

/// The connector and the action that an action is asked for as. A connector's name has no slash, so the first one parts them.
pub fn at_connector(thing: &str) -> Option<(&str, &str)> {
    let (connector, action) = thing.split_once('/')?;
    let is_sound = ConnectorName::new(connector).is_ok() && is_action_name(action);
    is_sound.then_some((connector, action))
}

/// Whether this can be asked for as an address: one that a policy may hold, reached by TLS, without anything behind a question mark, where
/// secrets stand.
pub fn is_askable_address(text: &str) -> bool {
    text.starts_with("https://") && !text.contains('?') && is_address(text)
}

/// When a request that was asked at this moment is no longer open.
pub fn expires(asked: Timestamp) -> Timestamp {
    asked.plus_ms(limits::ACCESS_REQUEST_OPEN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_asked_for_as_its_connector_and_its_name() {
        for (thing, expected) in [
            ("crm/send_letter", Some(("crm", "send_letter"))),
            ("crm/a/b", Some(("crm", "a/b"))),
            ("crm", None),
            ("crm/", None),
            ("/send_letter", None),
            ("CRM/send_letter", None),
            ("crm/send letter", None),
            ("crm/send\u{202e}", None),
        ] {
            assert_eq!(at_connector(thing), expected, "{thing}");
        }
    }

    #[test]
    fn an_address_is_asked_for_without_anything_secret_in_it() {
        for (text, is_fine) in [
            ("https://mcp.example.com", true),
            ("https://mcp.example.com/v1/mcp", true),
            ("http://mcp.example.com", false),
            ("https://ada:secret@mcp.example.com", false),
            ("https://mcp.example.com/?token=secret", false),
            ("https://mcp.example.com/#token", false),
            ("https://", false),
        ] {
            assert_eq!(is_askable_address(text), is_fine, "{text}");
        }
    }

    #[test]
    fn a_request_that_nobody_answers_expires_by_the_clock_and_an_answered_one_does_not() {
        let asked = Timestamp::from_unix_ms(5);
        let check = |state: AccessState, now, expected| {
            let now = Timestamp::from_unix_ms(now);
            assert_eq!(state.at(asked, now), expected, "{state} at {now}");
        };
        let end = limits::ACCESS_REQUEST_OPEN_MS + 5;
        check(AccessState::Open, 5, AccessState::Open);
        check(AccessState::Open, end - 1, AccessState::Open);
        check(AccessState::Open, end, AccessState::Expired);
        for over in [
            AccessState::Granted,
            AccessState::Declined,
            AccessState::Withdrawn,
        ] {
            check(over, end, over);
        }
    }
}
