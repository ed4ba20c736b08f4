//! What is configured on this machine, as far as administrators may see it: plain facts that `server` fills in at start. Whoever fills
//! them in leaves every secret out; there is no field for one.

use crate::access::Right;
use crate::{ControlError, Operation};

/// An issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerFact {
    /// Its name in rules.
    pub name: String,
    /// What its tokens state as `iss`.
    pub issuer: String,
    /// `generic` or `entra`.
    pub kind: String,
    /// Whether it vouches for people.
    pub people: bool,
    /// The audiences its tokens may have.
    pub audiences: Vec<String>,
    /// The application that people sign in with, when it has one.
    pub client_id: Option<String>,
}

/// An upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamFact {
    /// Its name.
    pub name: String,
    /// Which provider.
    pub provider: String,
    /// Where it is, when configured.
    pub base_url: Option<String>,
    /// The region it answers in.
    pub region: Option<String>,
    /// The models it serves.
    pub models: Vec<String>,
}

/// A value of the configuration as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFact {
    /// The key of the file that says it: `server.listen`.
    pub key: String,
    /// What it says.
    pub value: SettingValue,
}

/// What a key of the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingValue {
    /// A value.
    Text(String),
    /// A secret, by its class.
    Secret(&'static str),
    /// Nothing, and what holds instead.
    Unset(String),
}

/// Values of one section of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingSection {
    /// What it is about.
    pub name: String,
    /// Its heading in the file, or what it does.
    pub about: &'static str,
    /// Its values, in the file's order.
    pub facts: Vec<SettingFact>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFact {
    /// Its id.
    pub id: String,
    /// What clients call it.
    pub display_name: String,
    /// Whether it takes a context of a million tokens.
    pub is_long: bool,
    /// Whether an upstream serves it.
    pub is_served: bool,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Installation {
    /// The organisation's name.
    pub org_name: String,
    /// The origin clients use.
    pub public_url: String,
    /// Other paths under which clients are served.
    pub base_paths: Vec<String>,
    /// The notice that clients show at sign-in.
    pub login_notice: Option<String>,
    /// The software's version.
    pub version: String,
    /// Issuers.
    pub issuers: Vec<IssuerFact>,
    /// Upstreams, in the order of trying.
    pub upstreams: Vec<UpstreamFact>,
    /// Models.
    pub models: Vec<ModelFact>,
    /// What the configuration says about the recording of people's use.
    pub recorded: domain::acceptable_use::Installation,
}

/// The organisation and its settings.
pub fn settings<'i>(
    operation: &Operation<'_>,
    installation: &'i Installation,
) -> Result<&'i Installation, ControlError> {
    operation.require(Right::OrgRead)?;
    Ok(installation)
}

/// Issuers as configured.
pub fn issuers<'i>(
    operation: &Operation<'_>,
    installation: &'i Installation,
) -> Result<&'i [IssuerFact], ControlError> {
    operation.require(Right::ConfigRead)?;
    Ok(&installation.issuers)
}

/// Upstreams as configured.
pub fn upstreams<'i>(
    operation: &Operation<'_>,
    installation: &'i Installation,
) -> Result<&'i [UpstreamFact], ControlError> {
    operation.require(Right::ConfigRead)?;
    Ok(&installation.upstreams)
}

/// Models as configured.
pub fn models<'i>(
    operation: &Operation<'_>,
    installation: &'i Installation,
) -> Result<&'i [ModelFact], ControlError> {
    operation.require(Right::ConfigRead)?;
    Ok(&installation.models)
}
