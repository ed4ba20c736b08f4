//! What can be done from a page, as buttons that lead on. Where who looks may not, the button stands there all the same, leads nowhere,
//! and the reason is written after them, once for all that it holds back. Decides nothing: pages say what keeps whom from what.

use std::fmt;

use askama::filters::HtmlSafe;

use super::parts::icon;
use super::show::escape;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    drawing: &'static str,
    word: &'static str,
    to: String,
    look: &'static str,
    kept_from: Option<String>,
}

impl Offer {
    /// A button with an icon and a word that leads somewhere.
    pub fn new(drawing: &'static str, word: &'static str, to: impl Into<String>) -> Self {
        Self {
            drawing,
            word,
            to: to.into(),
            look: "",
            kept_from: None,
        }
    }

    /// The first thing to do on its page.
    #[must_use]
    pub fn main(self) -> Self {
        Self {
            look: " main",
            ..self
        }
    }

    /// It takes something away.
    #[must_use]
    pub fn risk(self) -> Self {
        Self {
            look: " risk",
            ..self
        }
    }

    /// Why who looks may not; nothing where they may.
    #[must_use]
    pub fn unless<E: fmt::Display>(self, may: Result<(), E>) -> Self {
        Self {
            kept_from: may.err().map(|why| why.to_string()),
            ..self
        }
    }
}

/// What can be done, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offers {
    /// What the ids of the reasons begin with.
    name: &'static str,
    all: Vec<Offer>,
}

impl Offers {
    /// These, in order; `name` is theirs alone on the page.
    pub const fn of(name: &'static str, all: Vec<Offer>) -> Self {
        Self { name, all }
    }

    /// Each reason once, in order.
    fn reasons(&self) -> Vec<&str> {
        let mut reasons: Vec<&str> = Vec::new();
        for why in self.all.iter().filter_map(|one| one.kept_from.as_deref()) {
            if !reasons.contains(&why) {
                reasons.push(why);
            }
        }
        reasons
    }
}

impl fmt::Display for Offers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, reasons) = (self.name, self.reasons());
        for (place, offer) in self.all.iter().enumerate() {
            if place > 0 {
                out.write_str(" ")?;
            }
            let why = offer.kept_from.as_deref();
            let why = why.and_then(|why| reasons.iter().position(|one| *one == why));
            if let Some(why) = why {
                write!(
                    out,
                    r#"<span class="btn" role="link" aria-disabled="true" tabindex="0" aria-describedby="{name}-why-{why}">"#
                )?;
            } else {
                write!(out, r#"<a class="btn{}" href=""#, offer.look)?;
                escape(&offer.to, out)?;
                out.write_str(r#"">"#)?;
            }
            write!(out, "{}", icon(offer.drawing))?;
            escape(offer.word, out)?;
            out.write_str(if why.is_some() { "</span>" } else { "</a>" })?;
        }
        for (place, why) in reasons.iter().enumerate() {
            write!(
                out,
                r#" <span class="because" id="{name}-why-{place}">{}"#,
                icon("info")
            )?;
            escape(why, out)?;
            out.write_str("</span>")?;
        }
        Ok(())
    }
}

impl HtmlSafe for Offers {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_may_not_do_stands_there_with_its_reason_said_once() {
        let no = || Err::<(), _>("this needs <that>");
        let shown = Offers::of(
            "acts",
            vec![
                Offer::new("check", "Read", "/a?b=\"c\""),
                Offer::new("lock", "Shut out", "/out").risk().unless(no()),
                Offer::new("door", "Let in", "/in").main().unless(no()),
            ],
        )
        .to_string();
        assert!(shown.contains(r#"<a class="btn" href="/a?b=&quot;c&quot;">"#));
        assert!(!shown.contains("/out") && !shown.contains("/in"), "{shown}");
        assert_eq!(shown.matches("this needs &lt;that&gt;").count(), 1);
        assert_eq!(shown.matches(r#"aria-describedby="acts-why-0""#).count(), 2);
        let may = Offer::new("lock", "Shut out", "/out").risk();
        let may = Offers::of("acts", vec![may.unless(Ok::<(), &str>(()))]).to_string();
        assert!(
            may.starts_with(r#"<a class="btn risk" href="/out">"#),
            "{may}"
        );
    }
}
