//! The form that looks through a managed-settings file of Claude Code. What was pasted stays in the form and goes nowhere else: it is
//! neither kept nor recorded.

use artefacts::lint::{Finding, Weight};
use askama::Template;
use axum::response::Response;
use control::artefacts as rings;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{Tab, tabs};
use crate::pages::answer;
use crate::pages::asked::Form;
use crate::pages::parts::{self, Notice, State, Tone, state};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Lines, Said};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Letters of a text that the form takes: as a form's body is bounded, and each mark of JSON is three letters of it. The command line
/// takes longer ones.
const LETTERS_MAX: usize = 20_000;

/// A finding as it is shown.
#[derive(Debug, Clone)]
struct Line {
    weight: State,
    rule: &'static str,
    at: Said,
    why: Said,
    remedy: Said,
    paste: Option<Lines>,
}

#[derive(Template)]
#[template(path = "client_lint.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    text: String,
    letters_max: usize,
    wrong: Option<String>,
    notice: Option<Notice>,
    findings: Vec<Line>,
}

/// What was pasted.
#[derive(Debug, Deserialize)]
pub struct Pasted {
    csrf: String,
    #[serde(default)]
    text: String,
}

/// `GET /console/clients/lint`.
pub async fn ask(visitor: Visitor) -> Result<Response, Wrong> {
    rings::may_lint(&visitor.operation())?;
    Ok(answer(&page(&visitor, String::new())))
}

/// `POST /console/clients/lint`.
pub async fn look(
    visitor: Visitor,
    headers: HeaderMap,
    Form(pasted): Form<Pasted>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &pasted.csrf)?;
    rings::may_lint(&visitor.operation())?;
    let mut page = page(&visitor, pasted.text);
    if page.text.trim().is_empty() {
        page.wrong = Some("Paste a file first.".to_owned());
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(web::page::respond(status, &page, HeaderMap::new()));
    }
    let findings = rings::lint(&visitor.operation(), page.text.clone()).await?;
    page.notice = Some(told(&findings));
    page.findings = findings.iter().map(line).collect();
    Ok(answer(&page))
}

fn page(visitor: &Visitor, text: String) -> Page {
    Page {
        shell: Shell::new(visitor, Place::Clients, "Look through a settings file")
            .within("Look through a settings file"),
        tabs: tabs("/console/clients/lint"),
        text,
        letters_max: LETTERS_MAX,
        wrong: None,
        notice: None,
        findings: Vec::new(),
    }
}

fn told(findings: &[Finding]) -> Notice {
    if findings.is_empty() {
        return Notice::done("Every rule that is known here holds.").titled("Nothing found.");
    }
    let wrong = findings
        .iter()
        .filter(|finding| finding.weight == Weight::Wrong)
        .count() as u64;
    let weak = findings.len() as u64 - wrong;
    let text = format!(
        "{}, {}.",
        show::counted(
            wrong,
            "thing does not do what it says",
            "things do not do what they say"
        ),
        show::counted(weak, "can be got round", "can be got round")
    );
    Notice::ask(text).titled(show::counted(
        findings.len() as u64,
        "finding.",
        "findings.",
    ))
}

fn line(finding: &Finding) -> Line {
    let tone = match finding.weight {
        Weight::Wrong => Tone::Stop,
        Weight::Weak => Tone::Ask,
    };
    let at = if finding.at.is_empty() {
        "the file"
    } else {
        finding.at.as_str()
    };
    Line {
        weight: state(tone, finding.weight.word()),
        rule: finding.rule,
        at: Said::from(at),
        why: Said::from(&finding.why),
        remedy: Said::from(&finding.remedy),
        paste: finding.paste.clone().map(Lines),
    }
}
