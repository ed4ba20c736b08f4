//! A page that is one form: what it asks for, what was typed, what is wrong beside each field, and a way out. Works without scripts,
//! and does nothing by being looked at. What is dangerous has [`super::confirm`] instead.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::parts::{self, Field, Notice};
use super::shell::Shell;
use super::show::Said;

/// One way of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What the form sends.
    pub value: String,
    /// What people read.
    pub word: Said,
    /// What it means, beside a tick.
    pub says: String,
    /// Whether it is chosen.
    pub is_on: bool,
}

/// One of several, in a list that opens.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<div class="field"><label for="{{ name }}">{{ label }}</label><select id="{{ name }}" name="{{ name }}" aria-describedby="{{ name }}-says"{% if wrong.is_some() %} aria-invalid="true"{% endif %}>{% for way in ways %}<option value="{{ way.value }}"{% if way.is_on %} selected{% endif %}>{{ way.word.plain() }}</option>{% endfor %}</select>{% if let Some(wrong) = wrong %}<span class="error" id="{{ name }}-says">{{ parts::icon("alert") }}{{ wrong }}</span>{% else %}<small id="{{ name }}-says">{{ hint }}</small>{% endif %}</div>"#,
    ext = "html"
)]
pub struct Pick {
    /// Its name in the form, and its id on the page.
    pub name: &'static str,
    /// What it asks for.
    pub label: String,
    /// What there is.
    pub ways: Vec<Way>,
    /// What helps to choose.
    pub hint: String,
    /// What is wrong with what was chosen.
    pub wrong: Option<String>,
}

impl HtmlSafe for Pick {}

/// Any of several, a tick each; the form sends the value as a member of its own.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<fieldset class="field" aria-describedby="{{ name }}-says"><legend>{{ label }}</legend>{% for way in ways %}<label class="tick" for="{{ name }}-{{ way.value }}"><input type="checkbox" id="{{ name }}-{{ way.value }}" name="{{ way.value }}" value="on"{% if way.is_on %} checked{% endif %}><span>{{ way.word }}{% if !way.says.is_empty() %}<span class="sub">{{ way.says }}</span>{% endif %}</span></label>{% endfor %}{% if let Some(wrong) = wrong %}<span class="error" id="{{ name }}-says">{{ parts::icon("alert") }}{{ wrong }}</span>{% else %}<small id="{{ name }}-says">{{ hint }}</small>{% endif %}</fieldset>"#,
    ext = "html"
)]
pub struct Ticks {
    /// What its ids begin with.
    pub name: &'static str,
    /// What it asks for.
    pub label: String,
    /// What there is.
    pub ways: Vec<Way>,
    /// What helps to choose.
    pub hint: String,
    /// What is wrong with what was chosen.
    pub wrong: Option<String>,
}

impl HtmlSafe for Ticks {}

/// A part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A line or more of text.
    Field(Field),
    /// One of several.
    Pick(Pick),
    /// Any of several.
    Ticks(Ticks),
}

impl Part {
    const fn is_wrong(&self) -> bool {
        match self {
            Self::Field(field) => field.wrong.is_some(),
            Self::Pick(pick) => pick.wrong.is_some(),
            Self::Ticks(ticks) => ticks.wrong.is_some(),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => field.fmt(out),
            Self::Pick(pick) => pick.fmt(out),
            Self::Ticks(ticks) => ticks.fmt(out),
        }
    }
}

impl HtmlSafe for Part {}

/// A field of one line.
pub fn line(
    name: &'static str,
    label: impl Into<String>,
    value: impl Into<String>,
    (hint, wrong): (impl Into<String>, Option<String>),
) -> Field {
    Field {
        name,
        label: label.into(),
        value: value.into(),
        hint: hint.into(),
        wrong,
        is_required: false,
        is_long: false,
        chars_max: domain::limits::NAME_CHARS_MAX,
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The page's heading.
    pub title: String,
    /// One sentence of substance.
    pub lead: String,
    /// What to know before going on.
    pub notices: Vec<Notice>,
    /// The address that does it.
    pub action: String,
    /// The mark of a form that is done once.
    pub mark: Option<String>,
    /// What it asks for.
    pub parts: Vec<Part>,
    /// What the button says.
    pub button: String,
    /// Where not doing it leads.
    pub back: String,
    /// Whether it only leads on, with what was typed in the address: no change, and no form token, which never stands there.
    pub is_only_a_look: bool,
}

#[derive(Template)]
#[template(path = "form.html")]
struct Page {
    shell: Shell,
    asking: Asking,
}

impl Asking {
    /// Its page; with a mistake beside a field, its status says so.
    pub fn page(self, shell: Shell) -> Response {
        let status = if self.parts.iter().any(Part::is_wrong) {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        };
        let page = Page {
            shell,
            asking: self,
        };
        web::page::respond(status, &page, HeaderMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_and_what_is_wrong_with_it_are_shown_as_text() {
        let hostile = "<img src=x>\"'";
        let way = Way {
            value: hostile.to_owned(),
            word: hostile.into(),
            says: hostile.to_owned(),
            is_on: true,
        };
        let pick = Pick {
            name: "issuer",
            label: hostile.to_owned(),
            ways: vec![way.clone()],
            hint: String::new(),
            wrong: Some(hostile.to_owned()),
        };
        let ticks = Ticks {
            name: "scope",
            label: hostile.to_owned(),
            ways: vec![way],
            hint: hostile.to_owned(),
            wrong: None,
        };
        let (pick, ticks) = (Part::Pick(pick), Part::Ticks(ticks));
        assert!(pick.is_wrong() && !ticks.is_wrong());
        for shown in [pick.to_string(), ticks.to_string()] {
            assert!(
                !shown.contains("<img") && !shown.contains("x>\"'"),
                "{shown}"
            );
        }
        assert!(pick.to_string().contains(" selected>"));
        assert!(ticks.to_string().contains(" checked>"));
    }
}
