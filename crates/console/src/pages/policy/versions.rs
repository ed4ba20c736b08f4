//! Every version of the policy, newest first, and one of them: its text, what it changed, and a way to bring it back as a draft. What was
//! in force is never rewritten: bringing back makes a new version with the old text.

use askama::Template;
use axum::response::Response;
use control::policies::{self, PolicyVersion};
use control::{ControlError, Right};
use serde::Deserialize;

use crate::pages::answer;
use crate::pages::asked::{self, Asked, Named};
use crate::pages::diff::Diff;
use crate::pages::parts::{self, Empty, State, Tone, state};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::table::{Filters, Pager, ROWS};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;
use crate::saved;

/// Bytes of a text that its page shows; the file has all of it.
const SHOWN_BYTES: usize = 48 * 1024;

/// Where the list begins.
#[derive(Debug, Deserialize)]
pub struct Which {
    after: Option<String>,
}

/// A version as a row.
#[derive(Debug, Clone)]
struct Row {
    number: u64,
    author: Said,
    reason: Said,
    at: When,
    state: State,
}

#[derive(Template)]
#[template(path = "policy_versions.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    pager: Pager,
    none: Empty,
}

/// `GET /console/policy/versions`.
pub async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let before: Option<u64> = asked::after(which.after.as_ref())?;
    let found = policies::versions(&operation, before, ROWS).await?;
    let latest = policies::latest(&operation).await?;
    let latest = latest.map_or(0, |latest| latest.version);
    let more = found.last().filter(|last| last.version > 1);
    let next = more.map(|last| last.version.to_string());
    let filters = Filters::of("/console/policy/versions");
    let says = format!(
        "{} of {} shown, newest first",
        show::count(found.len() as u64),
        show::counted(latest, "version", "versions")
    );
    Ok(answer(&ListPage {
        shell: Shell::new(&visitor, Place::Policy, "Versions of the policy").within("Versions"),
        rows: found.iter().map(|version| row(version, latest)).collect(),
        pager: Pager::new(&filters, says, before.is_some(), next.as_deref()),
        none: Empty::new(
            "policy",
            "No version yet",
            "Every policy that is saved stands here, with who saved it, when and why.",
        )
        .linked("Write the first one", "/console/policy/edit"),
    }))
}

fn row(version: &PolicyVersion, latest: u64) -> Row {
    Row {
        number: version.version,
        author: Said::from(&version.author),
        reason: Said::from(&version.reason),
        at: When::full(version.created),
        state: if version.version == latest {
            state(Tone::Allow, "In force")
        } else {
            state(Tone::None, "Replaced")
        },
    }
}

#[derive(Template)]
#[template(path = "policy_version.html")]
struct Page {
    shell: Shell,
    row: Row,
    is_in_force: bool,
    may_write: bool,
    before: Option<u64>,
    diff: Diff,
    text: String,
    lines: String,
    is_cut: bool,
}

/// `GET /console/policy/versions/{version}`.
pub async fn read(visitor: Visitor, Named(number): Named<u64>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let version = policies::version(&operation, number).await?;
    let latest = policies::latest(&operation).await?;
    let latest = latest.map_or(0, |latest| latest.version);
    let before = match number.checked_sub(1).filter(|before| *before > 0) {
        Some(before) => match policies::version(&operation, before).await {
            Ok(found) => Some(found),
            Err(ControlError::NoSuch(_)) => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let stood = before.as_ref().map_or("", |before| before.text.as_str());
    let end = version.text.floor_char_boundary(SHOWN_BYTES);
    let shown = version.text[..end].lines().map(shown_line);
    let title = format!("Version {number}");
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Policy, &title)
            .within(&title)
            .past("Versions", "/console/policy/versions"),
        is_in_force: number == latest,
        may_write: visitor.actor().may(Right::PolicyWrite),
        diff: Diff::of(&control::diff::unified(stood, &version.text)),
        before: before.map(|before| before.version),
        text: shown.collect::<Vec<String>>().join("\n"),
        lines: show::counted(version.text.lines().count() as u64, "line", "lines"),
        is_cut: end < version.text.len(),
        row: row(&version, latest),
    }))
}

/// A line as a page shows it: what commands a screen is a mark.
pub(super) fn shown_line(line: &str) -> String {
    let line = line.replace('\t', "    ");
    Said::from(line).plain().to_owned()
}

/// `GET /console/policy/versions/{version}/text`: the text to save, byte by byte.
pub async fn text(visitor: Visitor, Named(number): Named<u64>) -> Result<Response, Wrong> {
    let version = policies::version(&visitor.operation(), number).await?;
    let name = format!("policy-{number}.toml");
    Ok(saved::file(
        &name,
        "text/plain; charset=utf-8",
        version.text,
    ))
}
