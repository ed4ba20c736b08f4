//! How a page says no: what happened, whose fault it is, whether asking again helps, what to do, and the stable code; a mistake in a
//! field goes beside the field instead. A handler returns a [`Wrong`]; [`super::around`] lays the shell around it. Never shows a cause of
//! ours, and never repeats what was sent.

use askama::Template;
use axum::response::{IntoResponse, Response};
use control::ControlError;
use domain::{Fault, ReasonCode, Refusal};
use http::StatusCode;

use super::parts;
use super::shell::Shell;
use super::visit::Stale;
use crate::Problem;

/// Why a page is not shown, or something was not done.
#[derive(Debug, Clone)]
pub struct Wrong {
    code: ReasonCode,
    status: StatusCode,
    detail: String,
    mistakes: Vec<String>,
    /// A way on that helps, and its words.
    way_on: Option<(String, String)>,
    /// What it says in the place of what its code says.
    words: Option<&'static Words>,
}

/// What a page says of what went wrong, where its code has no word of that.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// Its heading.
    pub title: &'static str,
    /// What to do.
    pub help: &'static str,
    /// Whose fault it is.
    pub fault: &'static str,
}

impl Wrong {
    /// With this case's particulars, a whole sentence.
    pub fn new(code: ReasonCode, detail: impl Into<String>) -> Self {
        let problem = Problem::plain(code);
        Self {
            code,
            status: StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::BAD_REQUEST),
            detail: detail.into(),
            mistakes: Vec::new(),
            way_on: None,
            words: None,
        }
    }

    /// With the table's own sentence.
    pub fn plain(code: ReasonCode) -> Self {
        Self::new(code, code.what())
    }

    /// There is no such page or thing.
    pub fn nothing_here() -> Self {
        Self::plain(ReasonCode::ThingUnknown)
    }

    /// The same, where one thing after another is done and some were before this one went wrong.
    #[must_use]
    pub fn after(mut self, done: usize, of: usize) -> Self {
        if done > 0 {
            self.detail = format!("{done} of {of} were done before this. {}", self.detail);
        }
        self
    }

    /// The same with a way on.
    #[must_use]
    pub fn leading_to(self, word: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            way_on: Some((word.into(), to.into())),
            ..self
        }
    }

    /// The same in these words.
    #[must_use]
    pub fn in_words(self, words: &'static Words) -> Self {
        Self {
            words: Some(words),
            ..self
        }
    }

    /// The stable code.
    pub const fn code(&self) -> ReasonCode {
        self.code
    }

    /// What to do. The table's words are for programs as well; these are for somebody who looks at a page.
    const fn help(&self) -> &'static str {
        if let Some(words) = self.words {
            return words.help;
        }
        match self.code {
            ReasonCode::PathUnknown => "Look at the address once more, or begin at the first page.",
            ReasonCode::MethodNotAllowed => "Open the page that leads here, and go on from there.",
            ReasonCode::VersionConflict => {
                "Go back, look at what stands there now, and do it once more where it is still needed."
            }
            _ => self.code.help(),
        }
    }

    /// Its page.
    pub(super) fn page(&self, shell: Shell) -> Response {
        let page = WrongPage {
            shell,
            title: self
                .words
                .map_or_else(|| title(self.code), |words| words.title),
            wrong: self,
            fault: self
                .words
                .map_or_else(|| fault(self.code.fault()), |words| words.fault),
            again: if self.code.retryable() {
                "Asking again may help."
            } else {
                "Asking again will not help until something changes."
            },
        };
        web::page::respond(self.status, &page, http::HeaderMap::new())
    }
}

/// What is wrong with one field of a form, when that is what is wrong.
pub fn of_field(error: &ControlError, field: &str) -> Option<String> {
    match error {
        ControlError::Invalid(unusable) if unusable.field == field => {
            // messages set words apart as code is; a page shows them plain
            Some(unusable.why.replace('`', ""))
        }
        _ => None,
    }
}

impl IntoResponse for Wrong {
    /// Without a page: [`super::around`] makes it, and says the same where it cannot.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<ControlError> for Wrong {
    fn from(error: ControlError) -> Self {
        let code = error.code();
        if code.fault() == Fault::Doorward {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a page of the console could not be shown"
            );
        }
        let mut detail = sentence(&error.detail());
        if !error.nothing_written() {
            detail.push_str(" It may have been done all the same: look before you do it again.");
        }
        Self {
            mistakes: error.mistakes(),
            ..Self::new(code, detail)
        }
    }
}

impl From<Stale> for Wrong {
    fn from(stale: Stale) -> Self {
        let detail = "What you are about to do cannot be taken back easily, and you proved who you are too long ago. Sign in again; \
                      you come back to here.";
        Self::new(ReasonCode::ProofStale, detail).leading_to("Sign in again", stale.prove)
    }
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code(), refusal.first().message.clone())
    }
}

/// With a capital letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut out: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    out.push_str(letters.as_str());
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

const fn title(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::ThingUnknown | ReasonCode::PathUnknown => "There is nothing here",
        ReasonCode::ProofStale => "Prove who you are first",
        ReasonCode::ConcurrencyLimit => "Too many pages at once",
        ReasonCode::RoleMissing => "Your role does not show this",
        ReasonCode::VersionConflict => "Somebody else was quicker",
        _ => match code.fault() {
            Fault::Doorward | Fault::Upstream => "This cannot be shown now",
            Fault::Caller | Fault::Policy => "This was not done",
        },
    }
}

/// Whose fault, in words.
pub const fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Caller => "Something about the request, which whoever asked can put right.",
        Fault::Policy => "The company's own rules, not a fault of Claude or of the sign-in.",
        Fault::Upstream => "The provider's, neither yours nor the company's.",
        Fault::Doorward => "Doorward's own or its surroundings', not yours.",
    }
}

#[derive(Template)]
#[template(path = "wrong.html")]
struct WrongPage<'w> {
    shell: Shell,
    title: &'static str,
    wrong: &'w Wrong,
    fault: &'static str,
    again: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence() {
        let wrong = Wrong::from(ControlError::NoSuch("person"));
        assert_eq!(wrong.detail, "There is no such person here.");
        assert_eq!(wrong.status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn only_the_mistake_of_a_field_stands_beside_it() {
        let error = ControlError::Invalid(control::text::Unusable::new("reason", "must be short"));
        assert_eq!(of_field(&error, "reason").as_deref(), Some("must be short"));
        assert_eq!(of_field(&error, "name"), None);
        assert_eq!(of_field(&ControlError::Oneself, "reason"), None);
    }

    #[test]
    fn a_page_speaks_of_no_base_url_and_no_header() {
        for code in [
            ReasonCode::PathUnknown,
            ReasonCode::MethodNotAllowed,
            ReasonCode::VersionConflict,
            ReasonCode::ThingUnknown,
            ReasonCode::ProofStale,
            ReasonCode::RoleMissing,
            ReasonCode::LimitReached,
            ReasonCode::ConcurrencyLimit,
        ] {
            let help = Wrong::plain(code).help();
            for word in ["URL", "ETag", "method", "`"] {
                assert!(!help.contains(word), "{code}: {help}");
            }
        }
    }

    #[test]
    fn an_outage_is_never_the_visitors_fault() {
        for code in ReasonCode::ALL
            .iter()
            .filter(|code| code.fault() == Fault::Doorward)
        {
            let wrong = Wrong::plain(*code);
            assert!(wrong.status.is_server_error(), "{code}");
            assert_eq!(title(*code), "This cannot be shown now");
        }
    }
}
