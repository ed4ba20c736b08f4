//! The acceptable-use policy: what a company asks its people to agree to before they use Claude. Pure: the template and how it is
//! filled ([`text`]), the paragraph on what is recorded, made from the settings really in force ([`monitoring`]), and the versions
//! that count ([`Published`]). No text that still holds a placeholder comes out of here. Called by `control`, which publishes, and by
//! `pipeline`, which asks.

pub mod monitoring;
pub mod text;

pub use monitoring::{Installation, Settings};
pub use text::{Block, Mistake, Variables};

use crate::words::words;

/// The template that every company begins with, in plain English.
pub const TEMPLATE: &str = include_str!("template.md");

/// The version in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Its number, from 1.
    pub version: u64,
    /// The oldest version whose acceptance still counts: the version itself, unless it was published as a change that needs no new
    /// acceptance.
    pub accept_from: u64,
}

words! {
    /// How somebody accepted.
    Way ("way of accepting") {
        /// On the page that lets a device in.
        Device "device",
        /// On the page that a refusal links to.
        Link "link",
        /// On the page that connects a program.
        Connect "connect",
        /// By the person's own program, at the admin API.
        Api "api",
        /// Nobody did: a drill's made-up person.
        Drill "drill",
    }
}

/// What a caller must have accepted before the first use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// A version.
    Version(Published),
    /// There is none to accept yet, so nobody may go on.
    Unpublished,
}

/// Whether a text can be the tag of a language: `en`, `de-AT`.
pub fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts.all(|part| {
            (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag_and_nothing_else() {
        for tag in ["en", "de-AT", "zh-Hans", "gsw"] {
            assert!(is_language(tag), "{tag}");
        }
        for text in ["", "e", "EN", "en-", "en--x", "english", "en us", "\"><b>"] {
            assert!(!is_language(text), "{text}");
        }
    }
}
