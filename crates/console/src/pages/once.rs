//! What is shown once: a key or token on the very answer that makes it, and nowhere else, never in an address. A form that makes one
//! carries a mark of its own, and is done once: whoever reloads the answer, or goes back and sends the form again, makes no second one
//! and sees the first no more. The mark is kept as the API keeps an `Idempotency-Key`, and like there nothing of the secret is.
//!
//! The answer is never kept by a browser or a proxy (`no-store`, as every page's), and no part of it is derived for debugging.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::response::Response;
use control::ControlError;
use control::idempotency::{Asked, Known};
use domain::opaque::{hex, sha256};
use domain::{ReasonCode, limits};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};

use super::parts;
use super::shell::Shell;
use super::show::Said;
use super::visit::Visitor;
use super::wrong::Wrong;

/// A mark for a form, different each time.
pub fn mark(visitor: &Visitor) -> String {
    format!("{:032x}", visitor.console().control.ids.random_bits())
}

/// Makes what a form asks for, once for its mark. `list` is where what was made stands without its secret.
pub async fn make<T>(
    visitor: &Visitor,
    (mark, list): (&str, &str),
    making: impl Future<Output = Result<T, ControlError>>,
) -> Result<Result<T, ControlError>, Wrong> {
    let is_mark = (1..=limits::IDEMPOTENCY_KEY_CHARS_MAX).contains(&mark.len())
        && mark.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_mark {
        let detail = "The form is not one of this page; open the page again.";
        return Err(Wrong::new(ReasonCode::ParameterInvalid, detail));
    }
    let (actor, hash) = (visitor.actor().key(), hex(&sha256(b"a form")));
    let asked = Asked {
        actor: &actor,
        operation: list,
        key: mark,
        request_hash: &hash,
    };
    let control = &visitor.console().control;
    match control.begin(asked).await? {
        Known::New => {}
        Known::Another | Known::Unsettled | Known::Answered { .. } => return Err(again(list)),
    }
    let made = making.await;
    let noted = match &made {
        Err(error) if error.nothing_written() => control.release(asked).await,
        // Also what may have been made: nobody knows its secret.
        _ => {
            control
                .settle(asked, StatusCode::CREATED.as_u16(), "")
                .await
        }
    };
    if let Err(error) = noted {
        tracing::warn!(error = %error, "the mark of a form stays unsettled");
    }
    Ok(made)
}

fn again(list: &str) -> Wrong {
    let detail = "This form was sent before, and nothing was made a second time. What it made was shown once and is shown no more; \
                  if nobody kept it, take it away and make another.";
    Wrong::new(ReasonCode::IdempotencyConflict, detail).leading_to("See what there is", list)
}

/// The secret itself, as the page of its making shows it.
#[derive(Clone)]
pub struct Shown {
    secret: SecretString,
    what: &'static str,
}

impl Shown {
    /// Of a noun: `key`.
    pub const fn new(what: &'static str, secret: SecretString) -> Self {
        Self { secret, what }
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a {} that is shown once", self.what)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ours, of letters, digits, `-` and `_`; escaped all the same.
        let secret = Said::from(self.secret.expose_secret());
        let icon = parts::icon("copy");
        let what = self.what;
        out.write_str(r#"<p class="once"><span class="id">"#)?;
        super::show::escape(secret.plain(), out)?;
        out.write_str(r#"</span> <button class="copy" type="button" data-copy=""#)?;
        super::show::escape(secret.plain(), out)?;
        write!(out, r#"" aria-label="Copy the {what}">{icon}</button></p>"#)
    }
}

impl HtmlSafe for Shown {}

/// The page that shows it.
#[derive(Debug)]
pub struct Made {
    /// `The key of nightly`.
    pub title: String,
    /// The secret.
    pub shown: Shown,
    /// Where it goes and what it opens, a sentence each.
    pub says: Vec<String>,
    /// Texts to copy, each with what it is; none holds the secret.
    pub texts: Vec<(String, String)>,
    /// Where to go on, and its words.
    pub on: (String, String),
}

#[derive(Template)]
#[template(path = "made.html")]
struct Page {
    shell: Shell,
    made: Made,
}

impl Made {
    /// The page.
    pub fn page(self, shell: Shell) -> Response {
        let page = Page { shell, made: self };
        web::page::respond(StatusCode::CREATED, &page, HeaderMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_on_its_page_alone() {
        let shown = Shown::new("key", SecretString::from("dwk_abc".to_owned()));
        assert!(shown.to_string().contains(">dwk_abc</span>"));
        assert!(!format!("{shown:?}").contains("dwk_abc"));
        let made = Made {
            title: "A key".to_owned(),
            shown,
            says: Vec::new(),
            texts: Vec::new(),
            on: (String::new(), String::new()),
        };
        assert!(!format!("{made:?}").contains("dwk_abc"));
    }
}
