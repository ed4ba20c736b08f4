//! The parts that pages are made of, each once: an icon, a state, a badge, a notice, a figure, the chips of a filter, a pager, an
//! id to copy. A part is a value; written as `{{ part }}` in a template it is its markup. `/console/parts` shows each with samples.
//! No part decides anything, and none takes markup from outside.
//!
//! Every page's module says `use super::parts;`, because templates call [`icon`] by that path.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use web::assets::Assets;

use super::parts;
use super::show::{Said, escape};

/// A line drawing of 16 px. Decorative: the words stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icon(&'static str);

/// The icon of this name in the sprite.
pub const fn icon(name: &'static str) -> Icon {
    Icon(name)
}

impl fmt::Display for Icon {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sprite = Assets::current().icons;
        let name = self.0;
        write!(
            out,
            r#"<svg class="icon" aria-hidden="true"><use href="{sprite}#{name}"/></svg>"#
        )
    }
}

impl HtmlSafe for Icon {}

/// How something stands. Colour, shape and word say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Allowed, answering, whole.
    Allow,
    /// Needs somebody.
    Ask,
    /// Refused, overdue.
    Stop,
    /// A sensor is silent.
    Alert,
    /// It ended before its end.
    Cut,
    /// Not reached, unknown, over.
    None,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Stop => "stop",
            Self::Alert => "alert",
            Self::Cut => "cut",
            Self::None => "none",
        }
    }
}

/// The shape of a tone, 10 px.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape(pub Tone);

impl fmt::Display for Shape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sprite, name) = (Assets::current().icons, self.0.class());
        write!(
            out,
            r#"<svg class="shape" aria-hidden="true"><use href="{sprite}#s-{name}"/></svg>"#
        )
    }
}

impl HtmlSafe for Shape {}

/// A state in running text or a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    tone: Tone,
    word: String,
}

/// A state with its word.
pub fn state(tone: Tone, word: impl Into<String>) -> State {
    State {
        tone,
        word: word.into(),
    }
}

impl State {
    /// Its word alone.
    pub fn word(&self) -> &str {
        &self.word
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, shape) = (self.tone.class(), Shape(self.tone));
        write!(out, r#"<span class="state {class}">{shape}"#)?;
        escape(&self.word, out)?;
        out.write_str("</span>")
    }
}

impl HtmlSafe for State {}

/// A small label on a ground of its own; without a tone only a line around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Badge {
    tone: Option<Tone>,
    word: String,
}

/// A badge with a tone.
pub fn badge(tone: Tone, word: impl Into<String>) -> Badge {
    Badge {
        tone: Some(tone),
        word: word.into(),
    }
}

/// A badge that says what something is, not how it stands.
pub fn tag(word: impl Into<String>) -> Badge {
    Badge {
        tone: None,
        word: word.into(),
    }
}

impl fmt::Display for Badge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tone {
            Some(tone) => {
                let (class, shape) = (tone.class(), Shape(tone));
                write!(out, r#"<span class="badge {class}">{shape}"#)?;
            }
            None => out.write_str(r#"<span class="badge line">"#)?,
        }
        escape(&self.word, out)?;
        out.write_str("</span>")
    }
}

impl HtmlSafe for Badge {}

/// An id: whole where there is room, its end in a table. One click selects it, and where scripts run a button copies it.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<span class="id">{{ self.shown() }}</span> <button class="copy" type="button" data-copy="{{ id }}" aria-label="Copy {{ what }} {{ self.shown() }}">{{ parts::icon("copy") }}</button>"#,
    ext = "html"
)]
pub struct Copyable {
    id: String,
    what: &'static str,
    is_short: bool,
}

impl Copyable {
    /// An id of a noun, whole.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ids are copied, and callers need no more signs"
    )]
    pub fn whole(what: &'static str, id: impl ToString) -> Self {
        let id = Said::from(id.to_string()).plain().to_owned();
        Self {
            id,
            what,
            is_short: false,
        }
    }

    /// The same, of which only the end is shown.
    pub fn short(what: &'static str, id: impl ToString) -> Self {
        Self {
            is_short: true,
            ..Self::whole(what, id)
        }
    }

    /// The button alone, beside a text that stands on the page already.
    pub fn button(&self) -> CopyButton<'_> {
        CopyButton(self)
    }

    /// The whole id.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn shown(&self) -> String {
        let letters = self.id.chars().count();
        if self.is_short && letters > 8 {
            let end: String = self.id.chars().skip(letters - 6).collect();
            format!("…{end}")
        } else {
            self.id.clone()
        }
    }
}

impl HtmlSafe for Copyable {}

/// The button that copies something.
#[derive(Debug, Clone, Copy, Template)]
#[template(
    source = r#"<button class="copy" type="button" data-copy="{{ self.0.id }}" aria-label="Copy {{ self.0.what }}">{{ parts::icon("copy") }}</button>"#,
    ext = "html"
)]
pub struct CopyButton<'c>(&'c Copyable);

impl HtmlSafe for CopyButton<'_> {}

/// Something to know before going on, or what became of the last action.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<div class="notice{{ self.class() }}"{% if let Some(role) = self.role() %} role="{{ role }}"{% endif %}>{% if tone == Some(Tone::Allow) %}{{ Shape(Tone::Allow) }}{% else %}{{ parts::icon(self.icon_name()) }}{% endif %}<div><p>{% if !title.is_empty() %}<strong>{{ title }}</strong> {% endif %}{{ text }}</p></div>{% if let Some((word, to)) = link %}<a class="btn small" href="{{ to }}">{{ word }}</a>{% endif %}</div>"#,
    ext = "html"
)]
pub struct Notice {
    tone: Option<Tone>,
    title: String,
    text: String,
    link: Option<(String, String)>,
}

impl Notice {
    /// Something to know.
    pub fn info(text: impl Into<String>) -> Self {
        Self {
            tone: None,
            title: String::new(),
            text: text.into(),
            link: None,
        }
    }

    /// Something that needs somebody.
    pub fn ask(text: impl Into<String>) -> Self {
        Self {
            tone: Some(Tone::Ask),
            ..Self::info(text)
        }
    }

    /// Something that went wrong, or would be lost.
    pub fn stop(text: impl Into<String>) -> Self {
        Self {
            tone: Some(Tone::Stop),
            ..Self::info(text)
        }
    }

    /// What was done.
    pub fn done(text: impl Into<String>) -> Self {
        Self {
            tone: Some(Tone::Allow),
            ..Self::info(text)
        }
    }

    /// The same with a first sentence in bold.
    #[must_use]
    pub fn titled(self, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..self
        }
    }

    /// The same with a way on.
    #[must_use]
    pub fn linked(self, word: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            link: Some((word.into(), to.into())),
            ..self
        }
    }

    fn class(&self) -> &'static str {
        match self.tone {
            None => "",
            Some(Tone::Allow) => " toast",
            Some(Tone::Stop) => " stop",
            Some(_) => " ask",
        }
    }

    fn role(&self) -> Option<&'static str> {
        match self.tone {
            Some(Tone::Allow) => Some("status"),
            Some(Tone::Stop) => Some("alert"),
            _ => None,
        }
    }

    fn icon_name(&self) -> &'static str {
        match self.tone {
            None => "info",
            _ => "alert",
        }
    }
}

impl HtmlSafe for Notice {}

/// A number with what it is out of, and what it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<div class="figure"><dt>{{ name }}</dt><dd class="value">{{ value }}{% if !of.is_empty() %} <small>{{ of }}</small>{% endif %}</dd><dd class="source">{% for line in source %}<span>{{ line }}</span>{% if !loop.last %} {% endif %}{% endfor %}</dd></div>"#,
    ext = "html"
)]
pub struct Figure {
    /// What is counted.
    pub name: String,
    /// The number.
    pub value: String,
    /// Out of what: `of 140 people who may come in`.
    pub of: String,
    /// Particulars.
    pub source: Vec<String>,
}

impl HtmlSafe for Figure {}

/// Where a number comes from: denominators and the age of the sensor, a line at the foot of a panel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source(pub Vec<String>);

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, line) in self.0.iter().enumerate() {
            out.write_str(if place > 0 { " <span>" } else { "<span>" })?;
            escape(line, out)?;
            out.write_str("</span>")?;
        }
        Ok(())
    }
}

impl HtmlSafe for Source {}

/// What stands where nothing is: what would stand here, why it does not, and one next step.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<div class="empty">{{ parts::icon(drawing) }}<p><strong>{{ title }}</strong></p><p>{{ text }}</p>{% if let Some((word, to)) = link %}<a class="btn" href="{{ to }}">{{ word }}</a>{% endif %}</div>"#,
    ext = "html"
)]
pub struct Empty {
    drawing: &'static str,
    title: String,
    text: String,
    link: Option<(String, String)>,
}

impl Empty {
    /// With the icon of what would stand here.
    pub fn new(drawing: &'static str, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            drawing,
            title: title.into(),
            text: text.into(),
            link: None,
        }
    }

    /// The same with a next step.
    #[must_use]
    pub fn linked(self, word: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            link: Some((word.into(), to.into())),
            ..self
        }
    }
}

impl HtmlSafe for Empty {}

/// A field that takes a line or more of text, with what is wrong in the place of its hint.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<div class="field"><label for="{{ name }}">{{ label }}</label>{% if is_long %}<textarea id="{{ name }}" name="{{ name }}" rows="3"{% if is_required %} required{% endif %} maxlength="{{ chars_max }}" aria-describedby="{{ name }}-says"{% if wrong.is_some() %} aria-invalid="true"{% endif %}>{{ value }}</textarea>{% else %}<input id="{{ name }}" name="{{ name }}" value="{{ value }}"{% if is_required %} required{% endif %} maxlength="{{ chars_max }}" autocomplete="off" aria-describedby="{{ name }}-says"{% if wrong.is_some() %} aria-invalid="true"{% endif %}>{% endif %}{% if let Some(wrong) = wrong %}<span class="error" id="{{ name }}-says">{{ parts::icon("alert") }}{{ wrong }}</span>{% else %}<small id="{{ name }}-says">{{ hint }}</small>{% endif %}</div>"#,
    ext = "html"
)]
pub struct Field {
    /// Its name in the form, and its id on the page.
    pub name: &'static str,
    /// What it asks for.
    pub label: String,
    /// What was typed.
    pub value: String,
    /// What helps to fill it.
    pub hint: String,
    /// What is wrong with what was typed.
    pub wrong: Option<String>,
    /// Whether it must be filled.
    pub is_required: bool,
    /// Whether it takes several lines.
    pub is_long: bool,
    /// Characters at most.
    pub chars_max: usize,
}

impl Field {
    /// The reason that every dangerous action asks for.
    pub fn reason(value: impl Into<String>, wrong: Option<String>) -> Self {
        Self {
            name: "reason",
            label: "Reason".to_owned(),
            value: value.into(),
            hint: "Kept in the ledger, for whoever asks later.".to_owned(),
            wrong,
            is_required: true,
            is_long: false,
            chars_max: domain::limits::REASON_CHARS_MAX,
        }
    }
}

impl HtmlSafe for Field {}

/// Somebody's name that leads to their page where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where to.
    pub to: String,
    /// What it is called.
    pub word: Said,
}

impl fmt::Display for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(r#"<a href=""#)?;
        escape(&self.to, out)?;
        write!(out, r#"">{}</a>"#, self.word)
    }
}

impl HtmlSafe for Link {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_says_its_word_and_shows_its_shape() {
        let shown = state(Tone::Stop, "Refused").to_string();
        assert!(shown.starts_with(r#"<span class="state stop"><svg class="shape""#));
        assert!(shown.contains("#s-stop") && shown.ends_with("Refused</span>"));
    }

    #[test]
    fn words_of_parts_are_text_and_never_markup() {
        let hostile = "<img src=x>\"'";
        for shown in [
            state(Tone::Ask, hostile).to_string(),
            tag(hostile).to_string(),
            Notice::info(hostile)
                .titled(hostile)
                .linked(hostile, hostile)
                .to_string(),
            Empty::new("door", hostile, hostile)
                .linked(hostile, hostile)
                .to_string(),
            Field::reason(hostile, Some(hostile.to_owned())).to_string(),
            Copyable::whole("id", hostile).to_string(),
            Source(vec![hostile.to_owned()]).to_string(),
            Link {
                to: hostile.to_owned(),
                word: hostile.into(),
            }
            .to_string(),
        ] {
            assert!(
                !shown.contains("<img") && !shown.contains("x>\"'"),
                "{shown}"
            );
        }
    }

    #[test]
    fn a_short_id_shows_its_end_and_copies_the_whole() {
        let shown = Copyable::short("record id", "rec_01m7wny2zwp4vxngrs2t160gy0").to_string();
        assert!(
            shown.contains(">…160gy0<")
                && shown.contains("data-copy=\"rec_01m7wny2zwp4vxngrs2t160gy0\"")
        );
    }
}
