//! The parameters of a client's request, read once for everything that is decided on them, and so that nobody can read them otherwise. As
//! they are written they go on. Pure; called by the door.

use std::borrow::Cow;

use crate::strict::{Malformed, Members};

/// What a request says beside itself.
const META: &str = "_meta";
/// Where a modern request says its version.
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Under what a client hears of progress.
const PROGRESS_TOKEN: &str = "progressToken";

/// The parameters of one request.
#[derive(Debug, Default)]
pub struct Params<'a> {
    text: Option<&'a str>,
    members: Members<'a>,
    meta: Members<'a>,
}

impl<'a> Params<'a> {
    /// Reads them; none are an empty object.
    pub fn read(text: Option<&'a str>) -> Result<Self, Malformed> {
        let Some(whole) = text else {
            return Ok(Self::default());
        };
        let members = Members::read(whole, &[META])?;
        let meta = match members.get(META).filter(|meta| meta.starts_with('{')) {
            Some(meta) => Members::read(meta, &[META_VERSION, PROGRESS_TOKEN])?,
            None => Members::default(),
        };
        Ok(Self {
            text,
            members,
            meta,
        })
    }

    /// As they are written.
    pub const fn text(&self) -> Option<&'a str> {
        self.text
    }

    /// Refuses them where a member is spelt almost like one of these, which mean something in its method.
    pub fn unmistakable(&self, known: &[&'static str]) -> Result<(), Malformed> {
        self.members.unmistakable(known)
    }

    /// A member, as it is written.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.members.get(name)
    }

    /// A member that is a text.
    pub fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        self.members.string(name)
    }

    /// A member of what the request says beside itself, as it is written.
    pub fn meta(&self, name: &str) -> Option<&'a str> {
        self.meta.get(name)
    }

    /// The version that the request states itself, as modern ones do.
    pub fn version(&self) -> Option<Cow<'a, str>> {
        self.meta.string(META_VERSION)
    }

    /// Under what its client hears of progress, as it is written.
    pub fn progress_token(&self) -> Option<&'a str> {
        self.meta(PROGRESS_TOKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_can_be_read_in_two_ways_are_refused() {
        for text in [
            r#"{"_meta":{},"_Meta":{}}"#,
            r#"{"_meta":{"progressToken":1,"progressToken":2}}"#,
            r#"{"_meta":{"ProgressToken":1}}"#,
            r#"{"_meta":{"a":1,"a":2,"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#,
            "[]",
        ] {
            assert!(Params::read(Some(text)).is_err(), "{text}");
        }
        let params = Params::read(Some(r#"{"Name":1}"#)).unwrap();
        assert!(params.unmistakable(&["uri"]).is_ok() && params.unmistakable(&["name"]).is_err());
    }

    #[test]
    fn parameters_are_given_as_they_are_written() {
        let text = r#"{"name":"a", "arguments":{"x":1.0},"_meta":{"progressToken" : "\u0061"}}"#;
        let params = Params::read(Some(text)).unwrap();
        assert_eq!(params.text(), Some(text));
        assert_eq!(params.get("arguments"), Some(r#"{"x":1.0}"#));
        assert_eq!(params.progress_token(), Some(r#""\u0061""#));
        assert_eq!(params.version(), None);
        let none = Params::read(None).unwrap();
        assert!(none.text().is_none() && none.get("name").is_none() && none.version().is_none());
        assert!(
            Params::read(Some(r#"{"_meta":5}"#))
                .unwrap()
                .version()
                .is_none()
        );
    }
}
