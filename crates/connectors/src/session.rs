//! Sessions of clients at connectors. What a client holds is the upstream's own session id, sealed together with whose it is and where:
//! any replica opens it, none keeps it, and in anybody else's hands it opens nothing. A client never sees an upstream's id.

use std::sync::Arc;

use actions::pin::place;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::policy::Connector;
use domain::{Caller, Ids, limits};
use store::secrets::SealingKey;

/// What stands before the upstream's id, sealed with it.
const OPENS_PAGES: char = '+';
const NO_PAGES: char = '-';

/// A session that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The upstream's own id.
    pub upstream: String,
    /// Whether the client said, when it began, that it can lead its person to a page.
    pub opens_pages: bool,
}

/// Seals and opens sessions.
#[derive(Debug)]
pub struct Sessions {
    seal: Arc<SealingKey>,
    ids: Arc<dyn Ids>,
}

impl Sessions {
    /// With the organisation's key.
    pub fn new(seal: Arc<SealingKey>, ids: Arc<dyn Ids>) -> Self {
        Self { seal, ids }
    }

    /// What a client is given for an upstream's session, with whether it said that it can lead its person to a page; none where that
    /// cannot be an id.
    pub fn given(
        &self,
        caller: &Caller,
        connector: &str,
        (upstream, opens_pages): (&str, bool),
    ) -> Option<String> {
        let fits = !upstream.is_empty()
            && upstream.len() <= limits::MCP_SESSION_BYTES_MAX
            && upstream.bytes().all(|byte| byte.is_ascii_graphic());
        let name = name(caller, connector);
        let mark = if opens_pages { OPENS_PAGES } else { NO_PAGES };
        let kept = format!("{mark}{upstream}");
        fits.then(|| URL_SAFE_NO_PAD.encode(self.seal.seal(&name, kept.as_bytes(), &*self.ids)))
    }

    /// The upstream's session behind what a client sent; none where it is not theirs, not of this connector, or none of ours.
    pub fn open(&self, caller: &Caller, connector: &str, given: &str) -> Option<Opened> {
        if given.len() > 2 * limits::MCP_SESSION_BYTES_MAX {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(given).ok()?;
        let opened = self.seal.open(&name(caller, connector), &sealed).ok()?;
        let kept = String::from_utf8(opened).ok()?;
        let (opens_pages, upstream) = match kept.strip_prefix(OPENS_PAGES) {
            Some(upstream) => (true, upstream),
            None => (false, kept.strip_prefix(NO_PAGES)?),
        };
        Some(Opened {
            upstream: upstream.to_owned(),
            opens_pages,
        })
    }
}

/// What sessions of a connector are bound to: also where it is, so that no other server is told of them.
pub fn whose(connector: &Connector) -> String {
    format!("{}\0{}", connector.name, place(connector))
}

/// What a session is bound to.
fn name(caller: &Caller, connector: &str) -> String {
    format!(
        "mcp session\0{}\0{}\0{connector}",
        caller.org, caller.subject
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Credential, OrgId, PersonId, Subject};

    fn person(number: u128) -> Caller {
        Caller {
            org: OrgId::from_parts(0, 0),
            subject: Subject::Person(PersonId::from_parts(1, number)),
            stable_id: "x".into(),
            issuer: "company".into(),
            email: None,
            name: None,
            groups: std::collections::BTreeSet::new(),
            session: None,
            credential: Credential::IdToken,
        }
    }

    #[test]
    fn a_session_opens_for_its_person_at_its_connector_and_for_nobody_else() {
        let sessions = Sessions::new(
            Arc::new(SealingKey::new([7; 32])),
            Arc::new(testkit::SeededIds::new(1)),
        );
        let given = sessions.given(&person(1), "tasks", ("up-1", true)).unwrap();
        assert!(!given.contains("up-1"));
        let open =
            |who: u128, connector: &str, given: &str| sessions.open(&person(who), connector, given);
        let opened = Opened {
            upstream: "up-1".to_owned(),
            opens_pages: true,
        };
        assert_eq!(open(1, "tasks", &given), Some(opened));
        let plain = sessions.given(&person(1), "tasks", ("+up", false)).unwrap();
        let opened = open(1, "tasks", &plain).unwrap();
        assert_eq!((&*opened.upstream, opened.opens_pages), ("+up", false));
        assert_eq!(open(2, "tasks", &given), None);
        assert_eq!(open(1, "files", &given), None);
        assert_eq!(open(1, "tasks", "up-1"), None);
        assert_eq!(open(1, "tasks", &given[1..]), None);
        assert_eq!(open(1, "tasks", &"A".repeat(100_000)), None);
        assert_ne!(
            sessions.given(&person(1), "tasks", ("up-1", true)).unwrap(),
            given
        );
        for upstream in ["", "a b", "ü", "a\n", &"x".repeat(1_025)] {
            assert_eq!(
                sessions.given(&person(1), "tasks", (upstream, false)),
                None,
                "{upstream:?}"
            );
        }
    }
}
