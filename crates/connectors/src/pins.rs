//! What was approved of what a connector says, as the door needs it: whether a definition is served, whether an action may be called or a
//! prompt be had, and what an action does to the world. Without a word from the store nothing is served: it fails closed.
//!
//! What is held is at most [`domain::limits::PINS_FRESH_MS`] old; a definition that a connector lists is compared with what was approved
//! each time it passes, so a change between two listings is caught by the very listing that brings it. [`Pins`] is filled in `server`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actions::definition::{Definition, INSTRUCTIONS};
use actions::pin::{PinState, Served, served};
use domain::ActionClass;
use domain::connectors::DefinitionKind;
use domain::policy::connectors::{Connector, Definitions};

/// What is known of one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDefinition {
    /// The hash that was approved.
    pub approved: Option<String>,
    /// What was approved, where it may be served in place of what is offered.
    pub definition: Option<String>,
    /// The hash that was last offered.
    pub offered: String,
    /// Whether it was in the last list.
    pub is_listed: bool,
    /// What a tool does to the world.
    pub class: ActionClass,
    /// What was last offered, where somebody may have to be shown it without the connector.
    pub text: Option<String>,
}

/// What is known of what a connector says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What follows when a definition is not the one approved.
    pub way: Definitions,
    /// Its tools, by name.
    pub actions: BTreeMap<String, HeldDefinition>,
    /// Its prompts, by name.
    pub prompts: BTreeMap<String, HeldDefinition>,
    /// Its instructions.
    pub instructions: Option<HeldDefinition>,
}

impl Held {
    fn known(&self, kind: DefinitionKind, name: &str) -> Option<&HeldDefinition> {
        match kind {
            DefinitionKind::Tool => self.actions.get(name),
            DefinitionKind::Prompt => self.prompts.get(name),
            DefinitionKind::Instructions => {
                self.instructions.as_ref().filter(|_| name == INSTRUCTIONS)
            }
        }
    }

    /// What of a listed definition is shown: itself, what was approved in its place, or nothing. One that cannot be read in one way is
    /// never shown.
    pub fn shown<'d>(
        &self,
        kind: DefinitionKind,
        name: &str,
        offered: &'d str,
    ) -> Option<Cow<'d, str>> {
        let definition = Definition::read(offered.as_bytes()).ok()?;
        if definition.name() != name {
            return None;
        }
        let known = self.known(kind, name);
        let approved = known.and_then(|known| known.approved.as_deref());
        match served(PinState::of(approved, &definition.hash(), true), self.way) {
            Served::Offered => Some(Cow::Borrowed(offered)),
            Served::Approved => known?.definition.clone().map(Cow::Owned),
            Served::Nothing => None,
        }
    }

    /// Whether an action may be called, as far as its definition goes. What was never listed may not; where changes are only warned of, it
    /// may as long as nothing was listed at all. So what there is not is answered here, as what is blocked is, and not by the connector.
    pub fn may_call(&self, name: &str) -> bool {
        self.is_there(&self.actions, name)
    }

    /// Whether a prompt may be had, by the same rule.
    pub fn may_get(&self, name: &str) -> bool {
        self.is_there(&self.prompts, name)
    }

    fn is_there(&self, all: &BTreeMap<String, HeldDefinition>, name: &str) -> bool {
        let Some(known) = all.get(name) else {
            return self.way == Definitions::Warn && all.is_empty();
        };
        let state = PinState::of(known.approved.as_deref(), &known.offered, known.is_listed);
        served(state, self.way) != Served::Nothing
    }

    /// What an action does to the world, where it is known.
    pub fn class(&self, name: &str) -> Option<ActionClass> {
        self.actions.get(name).map(|known| known.class)
    }

    /// The hash of the definition under which an action is called or a prompt had, for its record and for approvals.
    pub fn hash(&self, kind: DefinitionKind, name: &str) -> Option<&str> {
        let known = self.known(kind, name)?;
        Some(match (self.way, &known.approved) {
            (Definitions::ServePinned, Some(approved)) => approved,
            _ => &known.offered,
        })
    }
}

/// What a connector listed, or said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Of what.
    pub kind: DefinitionKind,
    /// Names and definitions, as they came.
    pub definitions: Vec<(String, String)>,
    /// Whether these are all: a page of a longer list is not, and tells of nothing that is gone.
    pub is_whole: bool,
}

/// What is known cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was approved of the connector cannot be read")]
pub struct Unknown;

/// The way to what is known.
pub type Holding<'p> = Pin<Box<dyn Future<Output = Result<Arc<Held>, Unknown>> + Send + 'p>>;

/// What was approved, and where what is listed is noted.
pub trait Pins: fmt::Debug + Send + Sync {
    /// What is known of what a connector says.
    fn held<'p>(&'p self, connector: &'p Connector) -> Holding<'p>;

    /// Notes what a connector listed, in its own time: nothing that is served waits for it.
    fn note(&self, connector: &Connector, listed: Listed);
}

#[cfg(test)]
mod tests {
    use actions::definition::of_instructions;

    use super::*;

    const ONE: &str = r#"{"name":"get","description":"one"}"#;
    const TWO: &str = r#"{"name":"get","description":"two"}"#;

    fn hash(text: &str) -> String {
        Definition::read(text.as_bytes()).unwrap().hash()
    }

    fn held(way: Definitions, approved: Option<&str>, offered: &str) -> Held {
        let known = HeldDefinition {
            approved: approved.map(hash),
            definition: approved.map(str::to_owned),
            offered: hash(offered),
            is_listed: true,
            class: ActionClass::Read,
            text: None,
        };
        Held {
            way,
            actions: [("get".to_owned(), known.clone())].into(),
            prompts: [("get".to_owned(), known)].into(),
            instructions: None,
        }
    }

    #[test]
    fn a_listed_definition_is_shown_as_it_was_approved_or_not_at_all() {
        use Definitions::{Block, ServePinned, Warn};
        for (way, approved, offered, expected) in [
            (Block, None, ONE, None),
            (Block, Some(ONE), ONE, Some(ONE)),
            (Block, Some(ONE), TWO, None),
            (ServePinned, None, ONE, None),
            (ServePinned, Some(ONE), TWO, Some(ONE)),
            (Warn, None, ONE, Some(ONE)),
            (Warn, Some(ONE), TWO, Some(TWO)),
        ] {
            // as it was offered before: what comes now counts
            let held = held(way, approved, ONE);
            for kind in [DefinitionKind::Tool, DefinitionKind::Prompt] {
                assert_eq!(
                    held.shown(kind, "get", offered).as_deref(),
                    expected,
                    "{kind} {way} {approved:?} {offered}"
                );
            }
        }
    }

    #[test]
    fn what_was_approved_of_one_kind_is_not_approved_of_another() {
        let tool = Held {
            prompts: BTreeMap::new(),
            ..held(Definitions::Block, Some(ONE), ONE)
        };
        assert!(tool.shown(DefinitionKind::Prompt, "get", ONE).is_none());
        assert!(tool.may_call("get") && !tool.may_get("get"));
        let prompt = Held {
            actions: BTreeMap::new(),
            ..held(Definitions::Block, Some(ONE), ONE)
        };
        assert!(prompt.shown(DefinitionKind::Tool, "get", ONE).is_none());
        assert!(prompt.may_get("get") && !prompt.may_call("get"));
        let said = of_instructions("\"Read it.\"");
        let known = HeldDefinition {
            approved: Some(hash(&said)),
            ..prompt.prompts["get"].clone()
        };
        let held = Held {
            instructions: Some(known),
            ..tool
        };
        let shown = |kind| held.shown(kind, INSTRUCTIONS, &said);
        assert_eq!(shown(DefinitionKind::Instructions).as_deref(), Some(&*said));
        assert_eq!(shown(DefinitionKind::Tool), None);
        assert_eq!(shown(DefinitionKind::Prompt), None);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_never_shown() {
        let held = held(Definitions::Warn, Some(ONE), ONE);
        for text in [
            r#"{"name":"get","name":"put"}"#,
            r#"{"name":"get","inputSchema":{"x":1,"x":2}}"#,
            r#"{"name":"put"}"#,
            "{}",
            "5",
        ] {
            assert_eq!(
                held.shown(DefinitionKind::Tool, "get", text),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn a_call_goes_by_what_was_last_offered() {
        use Definitions::{Block, ServePinned, Warn};
        for (way, approved, offered, expected) in [
            (Block, Some(ONE), ONE, true),
            (Block, Some(ONE), TWO, false),
            (Block, None, ONE, false),
            (ServePinned, Some(ONE), TWO, true),
            (ServePinned, None, ONE, false),
            (Warn, None, ONE, true),
        ] {
            let held = held(way, approved, offered);
            assert_eq!(held.may_call("get"), expected, "{way} {approved:?}");
            assert_eq!(held.may_get("get"), expected, "{way} {approved:?}");
            assert!(!held.may_call("Get"), "another name");
            let nothing = Held {
                way,
                actions: BTreeMap::new(),
                prompts: BTreeMap::new(),
                instructions: None,
            };
            assert_eq!(nothing.may_call("get"), way == Warn, "nothing was listed");
        }
        let mut gone = held(Warn, Some(ONE), ONE);
        gone.actions
            .values_mut()
            .for_each(|known| known.is_listed = false);
        assert!(!gone.may_call("get"), "listed no more");
        assert_eq!(gone.class("never seen"), None);
    }

    #[test]
    fn the_hash_of_a_call_is_that_of_what_is_shown() {
        let pinned = held(Definitions::ServePinned, Some(ONE), TWO);
        assert_eq!(pinned.hash(DefinitionKind::Tool, "get"), Some(&*hash(ONE)));
        let warned = held(Definitions::Warn, Some(ONE), TWO);
        assert_eq!(
            warned.hash(DefinitionKind::Prompt, "get"),
            Some(&*hash(TWO))
        );
        assert_eq!(warned.hash(DefinitionKind::Tool, "put"), None);
    }
}
