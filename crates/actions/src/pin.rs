//! How an action stands against what was approved, and what of it is served. One place for the rule: without an approval nothing is
//! served, unless the connector is told to warn only. Called by the connectors' door for each action it lists or calls, and by `control`.

use domain::policy::connectors::Definitions;

/// How an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PinState {
    /// Nobody has approved it.
    New,
    /// It is offered otherwise than it was approved.
    Changed,
    /// It is offered as it was approved.
    Approved,
    /// It is listed no more.
    Removed,
}

impl PinState {
    /// Every one, what waits for somebody first.
    pub const ALL: [Self; 4] = [Self::New, Self::Changed, Self::Approved, Self::Removed];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Approved => "approved",
            Self::Removed => "removed",
        }
    }

    /// Of the hash that was approved and the one that is offered, if it is listed.
    pub fn of(approved: Option<&str>, offered: &str, is_listed: bool) -> Self {
        match approved {
            _ if !is_listed => Self::Removed,
            None => Self::New,
            Some(approved) if approved == offered => Self::Approved,
            Some(_) => Self::Changed,
        }
    }
}

/// What of an action is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// What the connector offers.
    Offered,
    /// What was approved, in place of what it offers.
    Approved,
    /// Nothing: it is not listed and every call is refused.
    Nothing,
}

/// What is served of an action that stands so, at a connector with this way with definitions.
pub const fn served(state: PinState, way: Definitions) -> Served {
    match (state, way) {
        (PinState::Approved, _) | (PinState::New | PinState::Changed, Definitions::Warn) => {
            Served::Offered
        }
        (PinState::Changed, Definitions::ServePinned) => Served::Approved,
        (PinState::Removed, _)
        | (PinState::New | PinState::Changed, Definitions::Block)
        | (PinState::New, Definitions::ServePinned) => Served::Nothing,
    }
}

/// The fingerprint of where a connector is. At another place nothing is approved: a name alone names nobody.
pub fn place(connector: &domain::policy::connectors::Connector) -> String {
    let spelled = if let Some(url) = &connector.url {
        format!("url {url}")
    } else {
        let parts = connector.command.iter();
        let parts = parts.map(|part| format!(" {}:{part}", part.len()));
        format!("command{}", parts.collect::<String>())
    };
    crate::canonical::fingerprint(&spelled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Policy;

    #[test]
    fn an_action_stands_by_what_was_approved_and_what_is_offered() {
        for (approved, is_listed, expected) in [
            (None, true, PinState::New),
            (Some("a"), true, PinState::Approved),
            (Some("b"), true, PinState::Changed),
            (Some("a"), false, PinState::Removed),
            (None, false, PinState::Removed),
        ] {
            assert_eq!(PinState::of(approved, "a", is_listed), expected);
        }
    }

    #[test]
    fn nothing_is_served_that_was_not_approved_unless_it_is_told_to_warn_only() {
        use Definitions::{Block, ServePinned, Warn};
        for (state, way, expected) in [
            (PinState::New, Block, Served::Nothing),
            (PinState::New, ServePinned, Served::Nothing),
            (PinState::New, Warn, Served::Offered),
            (PinState::Changed, Block, Served::Nothing),
            (PinState::Changed, ServePinned, Served::Approved),
            (PinState::Changed, Warn, Served::Offered),
            (PinState::Approved, Block, Served::Offered),
            (PinState::Approved, ServePinned, Served::Offered),
            (PinState::Removed, Block, Served::Nothing),
            (PinState::Removed, ServePinned, Served::Nothing),
            (PinState::Removed, Warn, Served::Nothing),
        ] {
            assert_eq!(served(state, way), expected, "{state:?} {way:?}");
        }
    }

    #[test]
    fn another_address_or_command_is_another_place() {
        let place = |rest: &str| {
            let text = format!("[[connector]]\nname = \"a\"\n{rest}\n");
            place(&Policy::parse(1, &text).unwrap().document().connector[0])
        };
        let all = [
            place("url = \"https://a/\""),
            place("url = \"https://a/x\""),
            place("command = [\"/bin/a\", \"b c\"]"),
            place("command = [\"/bin/a\", \"b\", \"c\"]"),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(all[0], place("url = \"https://a/\"\ntitle = \"other\""));
    }
}
