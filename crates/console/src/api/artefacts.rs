//! The files that Claude's clients receive, by rollout ring, and a look through somebody's own settings file. Made anew at each request
//! from the policy in force; no file holds a secret, and a text that is looked through is neither kept nor recorded.

use artefacts::lint::Finding;
use artefacts::{File, formats};
use axum::Json;
use axum::response::Response;
use control::artefacts::{self as rings, RingSeen, Wanted, Way};
use control::{ControlError, Right};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Body, Call};
use super::page::{self, Page};
use crate::{Problem, saved};

/// Whom files are for.
#[derive(Debug, Serialize, ToSchema)]
pub struct RingView {
    /// The group; null for everyone.
    group: Option<String>,
    /// The policy's entries that name it.
    entries: Vec<String>,
}

impl From<RingSeen> for RingView {
    fn from(ring: RingSeen) -> Self {
        Self {
            group: ring.group,
            entries: ring.entries,
        }
    }
}

/// Every ring.
#[derive(Debug, Serialize, ToSchema)]
pub struct RingsView {
    /// The policy version that names them; 0 before the first.
    policy_version: u64,
    /// Everyone first, then each group that an entry names.
    rings: Vec<RingView>,
}

/// The rollout rings: everyone, and the groups that the policy in force names.
#[utoipa::path(get, path = "/artefacts/rings", operation_id = "artefacts_rings", tag = "artefacts",
    responses((status = 200, body = RingsView)))]
pub async fn rings(call: Call) -> Result<Json<RingsView>, Problem> {
    let found = rings::rings(&call.operation()).await?;
    Ok(Json(RingsView {
        policy_version: found.version,
        rings: found.rings.into_iter().map(RingView::from).collect(),
    }))
}

/// Which ring.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// The group; everyone when not given.
    #[param(max_length = 128)]
    group: Option<String>,
    /// How its people sign in to Claude Desktop: `gateway` when not given, `oidc`, or `oidc-compatible`.
    #[param(max_length = 16)]
    sign_in: Option<String>,
    /// The issuer that vouches for them; the first one for people when not given.
    #[param(max_length = 128)]
    issuer: Option<String>,
    /// With `oidc`: Claude Desktop's application, where it is another than the gateway's own.
    #[param(max_length = 128)]
    client_id: Option<String>,
}

/// Which file of which ring.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WhichFile {
    /// Its name, as the list has it.
    #[param(example = "claude-desktop-ring-0.mobileconfig")]
    name: String,
    /// As for the list.
    #[param(max_length = 128)]
    group: Option<String>,
    /// As for the list.
    #[param(max_length = 16)]
    sign_in: Option<String>,
    /// As for the list.
    #[param(max_length = 128)]
    issuer: Option<String>,
    /// As for the list.
    #[param(max_length = 128)]
    client_id: Option<String>,
}

impl Which {
    fn wanted(&self) -> Result<Wanted, Problem> {
        let named = |field, text: &Option<String>| {
            let text = text.as_deref();
            let text = text.map(|text| control::text::name(field, text));
            text.transpose().map_err(ControlError::from)
        };
        let way = page::named::<Way>("sign_in", self.sign_in.as_deref())?;
        Ok(Wanted {
            group: named("group", &self.group)?,
            way: way.unwrap_or_default(),
            issuer: named("issuer", &self.issuer)?,
            client_id: named("client_id", &self.client_id)?,
        })
    }
}

impl From<WhichFile> for Which {
    fn from(which: WhichFile) -> Self {
        Self {
            group: which.group,
            sign_in: which.sign_in,
            issuer: which.issuer,
            client_id: which.client_id,
        }
    }
}

/// A file.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileView {
    /// Its name; drop-ins have their folder before it.
    #[schema(example = "claude-desktop-ring-0.mobileconfig")]
    name: String,
    /// Its kind, as `doorward export` names it.
    #[schema(example = "desktop-mobileconfig")]
    artefact: &'static str,
    /// What it is.
    what: &'static str,
    /// Where it goes.
    place: &'static str,
    /// The system it is for.
    system: &'static str,
    /// Its type.
    media_type: &'static str,
    /// Its length in bytes.
    bytes: usize,
    /// Its SHA-256 in hexadecimal, to compare with what is on a device.
    sha256: String,
}

impl From<&File> for FileView {
    fn from(file: &File) -> Self {
        Self {
            name: file.name.clone(),
            artefact: file.artefact.word(),
            what: file.artefact.what(),
            place: file.artefact.place(),
            system: file.artefact.system().name(),
            media_type: file.media_type,
            bytes: file.bytes.len(),
            sha256: file.fingerprint(),
        }
    }
}

/// A ring's files.
#[derive(Debug, Serialize, ToSchema)]
pub struct FilesView {
    /// The policy version that they were made from.
    policy_version: u64,
    /// The gateway that they name.
    gateway: String,
    /// The models that the ring is granted.
    models: Vec<String>,
    /// What whoever installs them should know.
    remarks: Vec<String>,
    /// The files.
    files: Vec<FileView>,
}

/// A ring's files with their fingerprints. Where the policy would put a secret into one there are none, and `mistakes` says where.
#[utoipa::path(get, path = "/artefacts", operation_id = "artefacts_list", tag = "artefacts", params(Which),
    responses((status = 200, body = FilesView)))]
pub async fn list(call: Call, Asked(which): Asked<Which>) -> Result<Json<FilesView>, Problem> {
    let operation = call.operation();
    operation.require(Right::PolicyRead)?;
    let ring = rings::ring(&operation, call.installation(), &which.wanted()?).await?;
    let described = ring.described();
    let models = described.models.iter();
    Ok(Json(FilesView {
        policy_version: described.policy_version,
        gateway: described.gateway_url.clone(),
        models: models.map(|model| model.id.clone()).collect(),
        remarks: ring.remarks(),
        files: formats::all(&ring).iter().map(FileView::from).collect(),
    }))
}

/// One file, byte by byte as it is to be installed.
#[utoipa::path(get, path = "/artefacts/file", operation_id = "artefacts_file", tag = "artefacts", params(WhichFile),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
pub async fn file(call: Call, Asked(which): Asked<WhichFile>) -> Result<Response, Problem> {
    let operation = call.operation();
    operation.require(Right::PolicyRead)?;
    let name = which.name.clone();
    let wanted = Which::from(which).wanted()?;
    let file = rings::file(&operation, call.installation(), &wanted, &name).await?;
    Ok(saved::file(&file.name, file.media_type, file.bytes))
}

/// A settings file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TextToLint {
    /// The text of a `managed-settings.json` of Claude Code.
    text: String,
}

/// What in it does not hold.
#[derive(Debug, Serialize, ToSchema)]
pub struct LintView {
    /// The rule.
    #[schema(example = "sandbox-fails-open")]
    rule: &'static str,
    /// How much it weighs: `wrong` does not do what it says, `weak` can be got round.
    weight: &'static str,
    /// Where in the file; empty for the whole of it.
    at: String,
    /// Why it matters.
    why: String,
    /// What to do.
    remedy: String,
    /// What to paste.
    paste: Option<String>,
}

impl From<Finding> for LintView {
    fn from(finding: Finding) -> Self {
        Self {
            rule: finding.rule,
            weight: finding.weight.word(),
            at: finding.at,
            why: finding.why,
            remedy: finding.remedy,
            paste: finding.paste,
        }
    }
}

/// Look through a managed-settings file of Claude Code. Changes nothing; the text is neither kept nor recorded.
#[utoipa::path(post, path = "/artefacts/lint", operation_id = "artefacts_lint", tag = "artefacts", request_body = TextToLint,
    responses((status = 200, body = Page<LintView>)))]
pub async fn lint(
    call: Call,
    Body(wanted): Body<TextToLint>,
) -> Result<Json<Page<LintView>>, Problem> {
    let found = rings::lint(&call.operation(), wanted.text).await?;
    Ok(Json(Page::whole(
        found.into_iter().map(LintView::from).collect(),
    )))
}
