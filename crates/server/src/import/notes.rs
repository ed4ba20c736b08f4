//! What an import has to say: a path, a line, a reason, and what to do instead. Never a value of the file. Filled by the readers
//! beside it.

use std::fmt;

use detect::{Engine, Selection};

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A key of the reference gateway that Doorward has nothing for, or carries only in part.
    NotCarried,
    /// A key that the reference gateway does not have either.
    Unknown,
    /// A secret that stood in the file; a reference stands in its place.
    Secret,
    /// Carried, with something to know.
    Remark,
}

impl Kind {
    /// Whether something of the configuration is missing.
    pub fn is_a_loss(self) -> bool {
        matches!(self, Self::NotCarried | Self::Unknown)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotCarried => "not carried",
            Self::Unknown => "unknown key",
            Self::Secret => "secret",
            Self::Remark => "note",
        })
    }
}

/// One thing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub kind: Kind,
    /// The key, such as `upstreams[1].region`.
    pub path: String,
    /// Its line, from 1.
    pub line: u64,
    /// Why, and what to do.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            path,
            line,
            text,
        } = self;
        write!(out, "line {line}: {path}: {kind}: {text}")
    }
}

/// Notes under way, and the eye for secrets in places where none belongs.
pub(super) struct Notes {
    said: Vec<Note>,
    engine: Engine,
    secrets: Selection,
}

impl Notes {
    pub(super) fn new() -> Self {
        let engine = Engine::new(&[0; 32]);
        let secrets = engine.select([("secret.*", 0)]);
        Self {
            said: Vec::new(),
            engine,
            secrets,
        }
    }

    pub(super) fn say(&mut self, kind: Kind, path: &str, line: u64, text: &str) {
        self.said.push(Note {
            kind,
            path: path.to_owned(),
            line,
            text: text.to_owned(),
        });
    }

    pub(super) fn lost(&mut self, path: &str, line: u64, text: &str) {
        self.say(Kind::NotCarried, path, line, text);
    }

    pub(super) fn remark(&mut self, path: &str, line: u64, text: &str) {
        self.say(Kind::Remark, path, line, text);
    }

    pub(super) fn in_order(mut self) -> Vec<Note> {
        self.said
            .sort_by(|a, b| a.line.cmp(&b.line).then_with(|| a.path.cmp(&b.path)));
        self.said
    }

    /// Whether a text that is about to be written holds a credential: by its form, or as the password of an address.
    pub(super) fn holds_a_secret(&self, text: &str) -> bool {
        let mut scanner = self.engine.scanner(&self.secrets);
        scanner.text(text);
        !scanner.finish().is_empty() || has_user_in_address(text)
    }
}

fn has_user_in_address(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
        authority.contains('@')
    })
}
