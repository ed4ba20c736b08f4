//! The pages of the first run: small, without scripts, of the same parts as every page of ours. What they show is made by their steps.

use askama::Template;
use axum::response::Response;
use console::pages::parts::Copyable;
use http::{HeaderMap, StatusCode};
use web::assets::Assets;

use super::form::Input;
use super::walk::Step;
use crate::doctor::report::{Line, Status};

/// What stands around a page.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its title.
    pub title: String,
    /// Style sheets and sprite.
    pub assets: Assets,
    /// The form token.
    pub csrf: String,
    /// The steps; none on a page that is none.
    pub steps: Vec<StepLine>,
}

/// One step in the list of steps.
#[derive(Debug, Clone)]
pub struct StepLine {
    /// What it is called.
    pub word: &'static str,
    /// Where it is; none while those before it are to be done.
    pub to: Option<&'static str>,
    /// Whether this page is it.
    pub is_here: bool,
    /// Whether it is done.
    pub is_done: bool,
}

impl Frame {
    /// Around the page of a step.
    pub fn of(step: Step, first_open: Step, csrf: &str) -> Self {
        let line = |other: &Step| StepLine {
            word: other.word(),
            to: (*other <= first_open).then(|| other.path()),
            is_here: *other == step,
            is_done: *other < first_open,
        };
        Self {
            title: step.title().to_owned(),
            assets: Assets::current(),
            csrf: csrf.to_owned(),
            steps: Step::ALL.iter().map(line).collect(),
        }
    }

    /// Around a page that is no step.
    pub fn apart(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            assets: Assets::current(),
            csrf: String::new(),
            steps: Vec::new(),
        }
    }
}

/// What went wrong, whose it is and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub what: String,
    /// Whose it is, a sentence.
    pub whose: String,
    /// What to do, a sentence.
    pub remedy: String,
    /// The field of the form that it is about, where it is about one.
    pub field: Option<&'static str>,
}

impl Notice {
    /// With all three.
    pub fn new(
        what: impl Into<String>,
        whose: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            whose: whose.into(),
            remedy: remedy.into(),
            field: None,
        }
    }

    /// The same, about a field.
    #[must_use]
    pub fn about(self, field: Option<&'static str>) -> Self {
        Self { field, ..self }
    }
}

/// What a check found, as a page shows it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The tone.
    pub class: &'static str,
    /// Its word.
    pub word: &'static str,
    /// What was looked at.
    pub check: String,
    /// What was seen.
    pub evidence: String,
    /// Whose it is, where something is wrong.
    pub whose: &'static str,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl From<&Line> for Finding {
    fn from(line: &Line) -> Self {
        let class = match line.status {
            Status::Pass => "allow",
            Status::Warn => "ask",
            Status::Fail => "stop",
            Status::Skipped => "none",
        };
        Self {
            class,
            word: line.status.word(),
            check: line.check.clone(),
            evidence: line.evidence.clone(),
            whose: line.whose.map_or("", |whose| whose.words()),
            remedy: line.remedy.clone(),
        }
    }
}

/// A page that is a form.
#[derive(Debug, Template)]
#[template(path = "setup_form.html")]
pub struct FormPage {
    /// Around it.
    pub frame: Frame,
    /// What it is for.
    pub lead: &'static str,
    /// What went wrong.
    pub notice: Option<Notice>,
    /// Kinds to choose from: word, address, whether it is this one.
    pub kinds: Vec<(&'static str, String, bool)>,
    /// The word of the kind.
    pub kind: &'static str,
    /// Where it is sent.
    pub action: &'static str,
    /// Its fields.
    pub inputs: Vec<Input>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What to tick to go on in spite of it.
    pub anyway: Option<&'static str>,
    /// What its button says.
    pub button: &'static str,
    /// The step before.
    pub back: Option<&'static str>,
}

/// The page of an identity provider.
#[derive(Debug, Template)]
#[template(path = "setup_issuer.html")]
pub struct IssuerPage {
    /// Around it.
    pub frame: Frame,
    /// What went wrong.
    pub notice: Option<Notice>,
    /// Kinds to choose from.
    pub kinds: Vec<(&'static str, String, bool)>,
    /// The word of the kind.
    pub kind: &'static str,
    /// What people call it.
    pub shown: &'static str,
    /// How to make the application.
    pub make: &'static [&'static str],
    /// The redirect address.
    pub redirect: Copyable,
    /// Another one for the trial, where they differ.
    pub local: Option<Copyable>,
    /// Known mistakes.
    pub mistakes: &'static [(&'static str, &'static str)],
    /// Its fields.
    pub inputs: Vec<Input>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Whether it can be tried.
    pub can_try: bool,
}

/// The page of whoever signed in.
#[derive(Debug, Template)]
#[template(path = "setup_owner.html")]
pub struct OwnerPage {
    /// Around it.
    pub frame: Frame,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// What they are known by.
    pub stable_id: String,
    /// At which issuer.
    pub issuer: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// Why there may be none.
    pub no_groups: &'static str,
    /// The names of the token's claims.
    pub claims: Vec<String>,
    /// Whether the token says when they signed in.
    pub has_auth_time: bool,
    /// What it means when it does not.
    pub no_auth_time: &'static str,
    /// Where an issuer alone is tried: the lines to put into the configuration.
    pub lines: Option<String>,
}

/// The page of the first rule.
#[derive(Debug, Template)]
#[template(path = "setup_policy.html")]
pub struct PolicyPage {
    /// Around it.
    pub frame: Frame,
    /// What went wrong.
    pub notice: Option<Notice>,
    /// Groups to choose from: value, word, whether it is chosen.
    pub groups: Vec<(String, String, bool)>,
    /// Other fields.
    pub inputs: Vec<Input>,
    /// Models to choose from, and whether each is chosen.
    pub models: Vec<(String, bool)>,
    /// What is wrong with the choice.
    pub models_wrong: Option<&'static str>,
    /// Whether secrets are looked for.
    pub secrets: bool,
}

/// A file that will be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileShown {
    /// Where.
    pub name: String,
    /// What it is.
    pub about: &'static str,
    /// What it will hold; none for a secret.
    pub text: Option<String>,
}

/// The page before writing.
#[derive(Debug, Template)]
#[template(path = "setup_write.html")]
pub struct WritePage {
    /// Around it.
    pub frame: Frame,
    /// What went wrong.
    pub notice: Option<Notice>,
    /// What the first policy does, a sentence each.
    pub does: Vec<String>,
    /// Every file.
    pub files: Vec<FileShown>,
}

/// A page that only says something.
#[derive(Debug, Template)]
#[template(path = "setup_done.html")]
pub struct DonePage {
    /// Around it.
    pub frame: Frame,
    /// What.
    pub lead: String,
    /// What was written.
    pub written: Vec<String>,
    /// The way on.
    pub way_on: Option<(&'static str, String)>,
}

/// A page as a response; its forms may lead to these origins as well.
pub fn respond(status: StatusCode, page: &impl Template, forms_to: &[String]) -> Response {
    web::page::respond_leading_to(status, page, HeaderMap::new(), forms_to)
}

/// A page that only says something.
pub fn message(status: StatusCode, title: &str, lead: &str) -> Response {
    let page = DonePage {
        frame: Frame::apart(title),
        lead: lead.to_owned(),
        written: Vec::new(),
        way_on: None,
    };
    respond(status, &page, &[])
}
