//! How the providers of Claude stand with the router of the replica that answers, and trying one. No credential comes this far.

use axum::Json;
use control::upstreams::{self, Credential, Found, Health, Part, Standing, Tested};
use domain::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::call::{Call, Id};
use super::page::Page;
use crate::Problem;

/// What we prove ourselves with; never the thing itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct CredentialView {
    /// What it is.
    #[schema(example = "API key")]
    class: &'static str,
    /// Where it comes from.
    from: String,
    /// When it was made or last written, where that is known.
    made: Option<String>,
    /// When this replica read or fetched it.
    had: Option<String>,
    /// When it ends, where it does.
    ends: Option<String>,
}

/// A part of a test.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartView {
    /// What was looked at: `reached`, `credential`.
    what: &'static str,
    /// How it went: `holds`, `fails`, or `unknown`.
    found: &'static str,
    /// What was seen.
    evidence: String,
    /// Who has to act, where it fails.
    whose: Option<String>,
    /// What to do, where it fails.
    remedy: Option<String>,
}

/// What a test found.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestView {
    /// When.
    at: String,
    /// Who asked for it.
    by: String,
    /// Whether every part holds.
    holds: bool,
    /// Milliseconds from the question to its answer; null where there was none.
    answer_ms: Option<u64>,
    /// The parts.
    parts: Vec<PartView>,
}

/// A provider as this replica has it.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandingView {
    /// Its name.
    name: String,
    /// `untried`, `answering`, `failing`, `left_out` after too many failures, or `tried_again`.
    health: &'static str,
    /// So many calls failed one after another, where it is failing.
    failures: Option<u32>,
    /// Until when it is left out, where it is.
    left_out_until: Option<String>,
    /// Since when it stands like this.
    since: Option<String>,
    /// When it was last heard.
    last_answer: Option<String>,
    /// The status that it answered then.
    last_status: Option<u16>,
    /// What we prove ourselves with.
    credential: CredentialView,
    /// The last test on this replica.
    tested: Option<TestView>,
}

fn moment(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

impl From<Credential> for CredentialView {
    fn from(credential: Credential) -> Self {
        Self {
            class: credential.class,
            from: credential.from,
            made: moment(credential.made),
            had: moment(credential.had),
            ends: moment(credential.ends),
        }
    }
}

impl From<Part> for PartView {
    fn from(part: Part) -> Self {
        let (whose, remedy) = part.remedy.unzip();
        Self {
            what: part.what,
            found: match part.found {
                Found::Holds => "holds",
                Found::Fails => "fails",
                Found::Unknown => "unknown",
            },
            evidence: part.evidence,
            whose,
            remedy,
        }
    }
}

impl From<Tested> for TestView {
    fn from(tested: Tested) -> Self {
        Self {
            holds: tested.holds(),
            at: tested.at.to_string(),
            by: tested.by,
            answer_ms: tested.answer_ms,
            parts: tested.parts.into_iter().map(PartView::from).collect(),
        }
    }
}

impl From<Standing> for StandingView {
    fn from(standing: Standing) -> Self {
        let (health, failures, until) = match standing.health {
            Health::Untried => ("untried", None, None),
            Health::Answering => ("answering", None, None),
            Health::Failing(times) => ("failing", Some(times), None),
            Health::LeftOut(until) => ("left_out", None, Some(until)),
            Health::TriedAgain => ("tried_again", None, None),
        };
        let (last_answer, last_status) = standing.last_answer.unzip();
        Self {
            name: standing.name,
            health,
            failures,
            left_out_until: moment(until),
            since: moment(standing.since),
            last_answer: moment(last_answer),
            last_status,
            credential: standing.credential.into(),
            tested: standing.tested.map(TestView::from),
        }
    }
}

/// How each provider stands with the replica that answers, in the order of trying.
#[utoipa::path(get, path = "/upstreams/standing", operation_id = "upstreams_standing", tag = "config",
    responses((status = 200, body = Page<StandingView>)))]
pub async fn standing(call: Call) -> Result<Json<Page<StandingView>>, Problem> {
    let found = upstreams::standing(&call.operation(), call.providers())?;
    let found = found.into_iter().map(StandingView::from);
    Ok(Json(Page::whole(found.collect())))
}

/// Ask a provider a question that is not billed, with our credential. That somebody did is in the ledger, with what came of it.
#[utoipa::path(post, path = "/upstreams/{name}/test", operation_id = "upstreams_test", tag = "config",
    params(("name" = String, Path)), responses((status = 200, body = TestView)))]
pub async fn test(call: Call, Id(name): Id<String>) -> Result<Json<TestView>, Problem> {
    let found = upstreams::test(&call.operation(), call.providers(), &name).await?;
    Ok(Json(found.into()))
}
