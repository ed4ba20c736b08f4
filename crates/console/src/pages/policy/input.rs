//! A field of a form over a part of the policy: how it is drawn, with what it holds and what is wrong with it. Used by [`super::entry`] and
//! [`super::beside`]; what fields there are is [`super::form`]'s.

use askama::Template;
use askama::filters::HtmlSafe;

use super::draft;
use super::form::{Fields, Kind, Spec, Wrongs};
use crate::pages::parts;

/// A field as the page shows it.
#[derive(Debug, Clone, Template)]
#[template(path = "policy_input.html")]
pub struct Input {
    spec: Spec,
    value: String,
    wrong: Option<String>,
}

impl Input {
    /// A field with what it holds and what is wrong with it.
    pub fn of(spec: Spec, fields: &Fields, wrongs: &Wrongs) -> Self {
        let value = fields.get(&spec.name);
        Self {
            value: value.map(|text| draft::raw(text)).unwrap_or_default(),
            wrong: wrongs.get(&spec.name).cloned(),
            spec,
        }
    }

    fn is_line(&self) -> bool {
        self.spec.kind == Kind::Line
    }

    fn is_tick(&self) -> bool {
        self.spec.kind == Kind::Tick
    }

    fn rows(&self) -> usize {
        let lines = self.value.lines().count();
        if self.spec.kind == Kind::Json {
            lines.clamp(8, 30)
        } else {
            lines.clamp(2, 12)
        }
    }

    fn choices(&self) -> &[(&'static str, &'static str)] {
        match &self.spec.kind {
            Kind::Choice(choices) => choices,
            _ => &[],
        }
    }
}

impl HtmlSafe for Input {}
