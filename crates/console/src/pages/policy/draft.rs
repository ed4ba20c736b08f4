//! Changing the policy as text: write, look at what it changes, save with a reason. The draft is the text in the form; every answer that
//! is not yet a version carries it back, so nothing that was typed is lost: not by a mistake, not by somebody who saved in between, not
//! by a sign-in that is asked for again. Only [`apply`] changes anything, and `control` decides whether it may.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use control::access::Right;
use control::policies::edit::{self, Entry};
use control::policies::places::{self, Mistake, Section};
use control::policies::rehearse::{Here, Rehearsal, rehearse};
use control::policies::{self, Applied, PolicyVersion};
use control::text::is_hostile;
use control::{ControlError, Operation};
use domain::text::shown_lines;
use domain::{ReasonCode, limits};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use web::sign_in_address;

use super::beside::Part;
use super::blast::Effects;
use super::trial::{Question, programs_of};
use super::versions::shown_line;
use super::{form, words};
use crate::pages::asked::{self, Asked, LongForm};
use crate::pages::diff::Diff;
use crate::pages::parts::{self, Field, Notice};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// Entries that can be opened from a preview.
const ENTRIES_MAX: usize = 200;
/// Mistakes that are shown.
const MISTAKES_MAX: usize = 50;

/// What goes from page to page.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Draft {
    /// The form token.
    #[serde(default)]
    pub csrf: String,
    /// The text, as browsers send it.
    #[serde(default)]
    pub text: String,
    /// The version it was made from.
    #[serde(default)]
    pub expected: u64,
    /// Why, as far as it was typed.
    #[serde(default)]
    pub reason: String,
}

/// A mistake as the page shows it.
#[derive(Debug, Clone)]
struct MistakeLine {
    line: String,
    what: Said,
    text: String,
}

#[derive(Template)]
#[template(path = "policy_edit.html")]
struct EditPage {
    shell: Shell,
    says: String,
    raw: String,
    expected: u64,
    reason: String,
    mistakes: Vec<MistakeLine>,
    mistakes_say: String,
    rows: usize,
}

/// Where a draft begins.
#[derive(Debug, Deserialize)]
pub struct From {
    from: Option<String>,
}

/// `GET /console/policy/edit`: the text in force, or that of an older version.
pub async fn begin(visitor: Visitor, Asked(from): Asked<From>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let latest = policies::latest(&operation).await?;
    let expected = latest.as_ref().map_or(0, |latest| latest.version);
    let from: Option<u64> = asked::after(from.from.as_ref())?;
    let (text, says) = match from {
        Some(from) if from != expected => {
            let says = format!(
                "The text of version {from}, to be laid over version {expected}, which is in force."
            );
            (policies::version(&operation, from).await?.text, says)
        }
        _ => (
            latest.map(|latest| latest.text).unwrap_or_default(),
            made_from(expected),
        ),
    };
    let draft = Draft {
        text,
        expected,
        ..Draft::default()
    };
    Ok(edit_page(&visitor, &draft, says, &[], StatusCode::OK))
}

fn made_from(version: u64) -> String {
    if version == 0 {
        return "The first version. Nobody is affected until it is saved.".to_owned();
    }
    format!("Made from version {version}. Nobody is affected until it is saved.")
}

/// `POST /console/policy/edit`: back from the preview, with the text that was written.
pub async fn again(
    visitor: Visitor,
    headers: HeaderMap,
    LongForm(draft): LongForm<Draft>,
) -> Result<Response, Wrong> {
    require(&visitor, &headers)?;
    let draft = draft.read();
    let says = made_from(draft.expected);
    Ok(edit_page(&visitor, &draft, says, &[], StatusCode::OK))
}

/// Shows a draft again only to a page of ours, and to whoever reads policies.
pub(in crate::pages) fn require(visitor: &Visitor, headers: &HeaderMap) -> Result<(), Wrong> {
    visitor.operation().require(Right::PolicyRead)?;
    if visitor.is_from_us(headers) {
        return Ok(());
    }
    let detail = "The form was sent from another site.";
    Err(Wrong::new(ReasonCode::ParameterInvalid, detail))
}

/// `GET` of a page that only a form leads to, as after a sign-in.
pub async fn nothing_sent(_: Visitor) -> Redirect {
    Redirect::to("/console/policy/edit")
}

impl Draft {
    /// The same with lines as the store keeps them: browsers send every end of a line as CR LF.
    pub(super) fn read(self) -> Self {
        Self {
            text: self.text.replace("\r\n", "\n"),
            ..self
        }
    }

    /// What no page can carry without changing it, and nobody could see.
    fn unfit(&self) -> Vec<Mistake> {
        if self.text.len() > limits::POLICY_PAGE_BYTES_MAX {
            return vec![Mistake {
                line: None,
                what: format!(
                    "The text is longer than the {} bytes that a page carries. Apply it with `doorward policy apply`, or by the API.",
                    show::count(limits::POLICY_PAGE_BYTES_MAX as u64)
                ),
            }];
        }
        let is_unfit = |letter: char| {
            letter == char::REPLACEMENT_CHARACTER || (is_hostile(letter) && letter != '\t')
        };
        let lines = self.text.split('\n').zip(1..);
        lines
            .filter(|(line, _)| line.contains(is_unfit))
            .map(|(_, line)| Mistake {
                line: Some(line),
                what: "has a character that nobody sees, or that turns what follows round; it stands as \u{201c}\u{fffd}\u{201d} here. Take it out, or write it as \\u202E and the like.".to_owned(),
            })
            .collect()
    }
}

fn edit_page(
    visitor: &Visitor,
    draft: &Draft,
    says: String,
    mistakes: &[Mistake],
    status: StatusCode,
) -> Response {
    let mut mistakes = mistakes.to_vec();
    if mistakes.is_empty() {
        mistakes = draft.unfit();
    }
    let lines: Vec<&str> = draft.text.split('\n').collect();
    let shown = |mistake: &Mistake| MistakeLine {
        line: mistake
            .line
            .map_or_else(|| "The text".to_owned(), |line| format!("Line {line}")),
        what: Said::from(&mistake.what),
        text: mistake
            .line
            .and_then(|line| lines.get(line.checked_sub(1)?))
            .map(|line| shown_line(line))
            .unwrap_or_default(),
    };
    let count = mistakes.len() as u64;
    let page = EditPage {
        shell: Shell::new(visitor, Place::Policy, "Change the policy").within("As text"),
        mistakes_say: match count {
            0 => String::new(),
            count => format!("{} to put right.", show::counted(count, "thing", "things")),
        },
        mistakes: mistakes.iter().take(MISTAKES_MAX).map(shown).collect(),
        raw: raw(&draft.text),
        rows: lines.len().clamp(16, 40),
        expected: draft.expected,
        reason: Said::from(&draft.reason).plain().to_owned(),
        says,
    };
    web::page::respond(status, &page, HeaderMap::new())
}

/// The text for a field: as it is, save for what commands a screen.
pub(super) fn raw(text: &str) -> String {
    shown_lines(text).into_owned()
}

/// `POST /console/policy/preview`: what the text would change; the text again where it cannot be one.
pub async fn preview(
    visitor: Visitor,
    headers: HeaderMap,
    LongForm(draft): LongForm<Draft>,
) -> Result<Response, Wrong> {
    require(&visitor, &headers)?;
    shown(&visitor, draft.read(), Beside::default()).await
}

/// What else a preview says.
#[derive(Debug, Default)]
pub(in crate::pages) struct Beside {
    notice: Option<Notice>,
    wrong: Option<String>,
    status: Option<StatusCode>,
}

/// The preview of a draft, or its text with what is wrong with it.
pub(in crate::pages) async fn shown(
    visitor: &Visitor,
    draft: Draft,
    said: Beside,
) -> Result<Response, Wrong> {
    let unfit = draft.unfit();
    if !unfit.is_empty() {
        return Ok(mistaken(visitor, &draft, &unfit));
    }
    let models = models(visitor);
    let rules = &visitor.console().rules;
    let here = Here {
        examine: &**rules,
        issuers_for_people: rules.issuers_for_people(),
        models: &models,
        turns: &visitor.console().rehearsals,
    };
    match rehearse(&visitor.operation(), &draft.text, here).await {
        Ok(rehearsal) => preview_page(visitor, draft, rehearsal, (said, models)).await,
        Err(ControlError::Busy(why)) => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let says = format!("Not looked at: {why}.");
            Ok(edit_page(visitor, &draft, says, &[], status))
        }
        Err(error) => match places::mistakes(&draft.text, &error) {
            mistakes if mistakes.is_empty() => Err(error.into()),
            mistakes => Ok(mistaken(visitor, &draft, &mistakes)),
        },
    }
}

fn mistaken(visitor: &Visitor, draft: &Draft, mistakes: &[Mistake]) -> Response {
    let says = made_from(draft.expected);
    edit_page(
        visitor,
        draft,
        says,
        mistakes,
        StatusCode::UNPROCESSABLE_ENTITY,
    )
}

/// The configured models, by id.
pub(super) fn models(visitor: &Visitor) -> Vec<String> {
    let models = visitor.console().installation.models.iter();
    models.map(|model| model.id.clone()).collect()
}

/// Why the button that saves is off.
#[derive(Debug, Clone)]
struct Because {
    says: String,
    /// A way to prove who one is, in a window of its own so that this one keeps the draft.
    prove: Option<String>,
}

#[derive(Template)]
#[template(path = "policy_preview.html")]
struct PreviewPage {
    shell: Shell,
    current: u64,
    next: u64,
    raw: String,
    notices: Vec<Notice>,
    theirs: Option<(u64, u64, Diff)>,
    diff: Diff,
    drift: Diff,
    effects: Effects,
    reason: Field,
    /// What of the draft a form may change: `list/name` of an entry or the word of another part, and what it is called.
    entries: Vec<(String, String)>,
    because: Option<Because>,
    programs: Vec<(&'static str, &'static str, bool)>,
    trial: Question,
    models: Vec<String>,
}

async fn preview_page(
    visitor: &Visitor,
    draft: Draft,
    rehearsal: Rehearsal,
    (said, models): (Beside, Vec<String>),
) -> Result<Response, Wrong> {
    let plan = &rehearsal.plan;
    let changes_nothing = plan.diff.is_empty() && plan.drift.is_empty();
    let theirs = theirs(&visitor.operation(), draft.expected, plan.current).await?;
    let mut notices: Vec<Notice> = said.notice.into_iter().collect();
    let mut status = said.status.unwrap_or(StatusCode::OK);
    let theirs = theirs.map(|(latest, diff)| {
        notices.insert(0, conflict(draft.expected, &latest));
        (draft.expected, latest.version, diff)
    });
    if said.wrong.is_some() {
        status = StatusCode::UNPROCESSABLE_ENTITY;
    }
    if changes_nothing {
        notices.push(Notice::info(
            "This text is in force already: saving it would change nothing.",
        ));
    }
    let page = PreviewPage {
        shell: Shell::new(visitor, Place::Policy, "What it would change")
            .within("What it would change"),
        current: plan.current,
        next: plan.current + 1,
        because: because(visitor, &rehearsal, changes_nothing),
        effects: Effects::of(&rehearsal, models.len()),
        raw: plan.text.clone(),
        diff: Diff::of(&plan.diff),
        drift: Diff::of(&plan.drift),
        reason: Field {
            hint: "Kept with the version and in the ledger, for whoever asks later.".to_owned(),
            ..Field::reason(Said::from(&draft.reason).plain(), said.wrong)
        },
        entries: entries_of(&plan.text),
        programs: programs_of(""),
        trial: Question::default(),
        notices,
        theirs,
        models,
    };
    Ok(web::page::respond(status, &page, HeaderMap::new()))
}

fn entries_of(text: &str) -> Vec<(String, String)> {
    let Ok(document) = edit::document(text) else {
        return Vec::new();
    };
    let entries = Section::ALL
        .into_iter()
        .flat_map(|section| Entry::all(&document, section));
    let choice = |entry: Entry| {
        form::fields_of(&entry)?;
        let (section, name) = (entry.section(), entry.name());
        let words = format!("{}: {name}", words::one(section));
        Some((format!("{}/{name}", section.as_str()), words))
    };
    let parts = Part::ALL.map(|part| (part.as_str().to_owned(), part.word().to_owned()));
    let entries = entries.take(ENTRIES_MAX).filter_map(choice);
    entries.chain(parts).collect()
}

/// What somebody else saved since the draft was begun.
async fn theirs(
    operation: &Operation<'_>,
    expected: u64,
    current: u64,
) -> Result<Option<(PolicyVersion, Diff)>, Wrong> {
    if expected == current || current == 0 {
        return Ok(None);
    }
    let latest = policies::version(operation, current).await?;
    let stood = match policies::version(operation, expected).await {
        Ok(stood) => stood.text,
        Err(ControlError::NoSuch(_)) => String::new(),
        Err(error) => return Err(error.into()),
    };
    let diff = Diff::of(&control::diff::unified(&stood, &latest.text));
    Ok(Some((latest, diff)))
}

fn conflict(expected: u64, latest: &PolicyVersion) -> Notice {
    let author = Said::from(&latest.author);
    let reason = Said::from(&latest.reason);
    Notice::stop(format!(
        "Your text was made from version {expected}. {} saved version {} on {}: {}. Nothing of yours was written, and your text is kept: it stands below against what is in force now. Saving puts it over theirs.",
        author.plain(),
        latest.version,
        When::full(latest.created).text(),
        reason.plain(),
    ))
    .titled("Somebody else was quicker.")
}

/// Why it cannot be saved now.
fn because(visitor: &Visitor, rehearsal: &Rehearsal, changes_nothing: bool) -> Option<Because> {
    if changes_nothing {
        return Some(Because {
            says: "There is nothing to save: this text is in force already.".to_owned(),
            prove: None,
        });
    }
    let rights = &rehearsal.plan.rights;
    let missing = rights.iter().find(|right| !visitor.actor().may(**right));
    if let Some(missing) = missing {
        let says = sentence_of(visitor, *missing);
        return Some(Because { says, prove: None });
    }
    if rehearsal.plan.is_dangerous() && visitor.fresh().is_err() {
        return Some(Because {
            says: "It touches money, administration or what clients receive, and you proved who you are too long ago. Sign in again in a second window, then look again here.".to_owned(),
            prove: Some(sign_in_address("/console/policy", true)),
        });
    }
    None
}

fn sentence_of(visitor: &Visitor, right: Right) -> String {
    let what = match right {
        Right::BudgetsWrite => "It changes budgets or spend limits. ",
        Right::RolesWrite => "It gives or takes roles. ",
        _ => "",
    };
    let error = visitor.operation().require(right).err();
    let error = error.map(|error| error.detail()).unwrap_or_default();
    format!("{what}Saving it: {error}.")
}

/// `POST /console/policy/apply`: saves it.
pub async fn apply(
    visitor: Visitor,
    headers: HeaderMap,
    LongForm(draft): LongForm<Draft>,
) -> Result<Response, Wrong> {
    require(&visitor, &headers)?;
    let draft = draft.read();
    let operation = visitor.operation();
    operation.require(Right::PolicyWrite)?;
    if visitor.changing(&headers, &draft.csrf).is_err() {
        // From a page of ours, but another session of this browser: signed in again in between.
        let notice = Notice::ask(
            "You signed in again since this page was made. Nothing was saved; look at it and save it now.",
        );
        return refused(&visitor, draft, notice, StatusCode::FORBIDDEN).await;
    }
    let rules = &*visitor.console().rules;
    if !draft.unfit().is_empty() {
        return shown(&visitor, draft, Beside::default()).await;
    }
    let Ok(plan) = policies::plan(&operation, &draft.text, rules).await else {
        return shown(&visitor, draft, Beside::default()).await;
    };
    if plan.is_dangerous() && visitor.fresh().is_err() {
        let notice = Notice::ask(
            "Nothing was saved: it touches money, administration or what clients receive, which asks for a new proof of who you are.",
        );
        return refused(&visitor, draft, notice, StatusCode::FORBIDDEN).await;
    }
    let (reason, expected) = (draft.reason.trim(), Some(draft.expected));
    match policies::apply(&operation, &draft.text, reason, expected, rules).await {
        Ok(Applied::Version(version) | Applied::SetRight(version)) => {
            Ok(asked::done("/console/policy", &version.to_string()))
        }
        Ok(Applied::Unchanged(_)) => Ok(asked::done("/console/policy", "unchanged")),
        Err(ControlError::Conflict { .. }) => {
            let said = Beside {
                status: Some(StatusCode::CONFLICT),
                ..Beside::default()
            };
            shown(&visitor, draft, said).await
        }
        Err(error) => match of_field(&error, "reason") {
            Some(wrong) => {
                let said = Beside {
                    wrong: Some(wrong),
                    ..Beside::default()
                };
                shown(&visitor, draft, said).await
            }
            None => Err(error.into()),
        },
    }
}

async fn refused(
    visitor: &Visitor,
    draft: Draft,
    notice: Notice,
    status: StatusCode,
) -> Result<Response, Wrong> {
    let said = Beside {
        notice: Some(notice),
        status: Some(status),
        wrong: None,
    };
    Ok(shown(visitor, draft, said).await?.into_response())
}
